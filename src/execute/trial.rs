//! What the tests of this module share: a directory that goes when the test does, and commands for `sh`.

use super::child::ChildExecutor;
use super::{Command, Executor, Finish, Stop};
use crate::ordered::Map;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A directory of one test.
pub(crate) struct Trial {
    pub(crate) dir: PathBuf,
}

impl Trial {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let dir =
            std::env::temp_dir().join(format!("granular-execute-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self { dir: dir.canonicalize().unwrap() }
    }

    /// The environment of its commands, which tells them from those of other tests.
    pub(crate) fn env(&self) -> Map<OsString, OsString> {
        let path = std::env::var_os("PATH").unwrap();
        Map::from([("PATH".into(), path), ("TRIAL".into(), self.dir.clone().into_os_string())])
    }

    pub(crate) fn command(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Command {
        Command {
            program: program.as_ref().to_path_buf(),
            arguments: arguments.iter().map(OsString::from).collect(),
            dir: self.dir.clone(),
            env: self.env(),
            log: self.dir.join("log"),
            log_limit: 1 << 20,
            timeout: Some(Duration::from_secs(60)),
            jobserver: false,
            reads: Vec::new(),
        }
    }

    pub(crate) fn shell(&self, line: &str) -> Command {
        self.command("/bin/sh", &["-c", line])
    }

    pub(crate) fn run(&self, line: &str) -> Finish {
        ChildExecutor::new(None).run(&self.shell(line), &Stop::default()).unwrap()
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.dir.join("log")).unwrap()).into_owned()
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir.join(file)).unwrap_or_default()
    }

    /// Waits until commands have written these files, each with the number of a process, and gives the numbers.
    pub(crate) fn processes(&self, files: &[&str]) -> Vec<i32> {
        let deadline = Instant::now() + Duration::from_secs(20);
        let number = |file: &&str| {
            loop {
                match self.read(file).trim().parse() {
                    Ok(number) => return number,
                    Err(_) => assert!(Instant::now() < deadline, "nobody has written {file}"),
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        };
        files.iter().map(number).collect()
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Whether that process is there and does something.
pub(crate) fn is_alive(process: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with(['Z', 'X']))
}

/// The test binary, to run one test in a process of its own.
pub(crate) fn own_binary() -> String {
    std::env::current_exe().unwrap().to_str().unwrap().to_owned()
}
