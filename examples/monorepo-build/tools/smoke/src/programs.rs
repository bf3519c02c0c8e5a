//! Where the programs are, and how they are started.

use std::env;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::Result;

/// The programs under test.
pub struct Programs {
    pub api: PathBuf,
    pub worker: PathBuf,
    pub admin: PathBuf,
}

impl Programs {
    /// Looks for each program in the directories; the first one found counts.
    pub fn find(directories: &[PathBuf]) -> Result<Self> {
        let find = |name: &str| -> Result<PathBuf> {
            directories
                .iter()
                .flat_map(|directory| candidates(directory, name))
                .find(|path| path.is_file())
                .ok_or_else(|| format!("no program {name} in {directories:?}").into())
        };
        Ok(Self { api: find("api")?, worker: find("worker")?, admin: find("admin")? })
    }
}

/// `go build -o api` leaves out the suffix that Windows gives to programs; other ways to build add it.
fn candidates(directory: &Path, name: &str) -> [PathBuf; 2] {
    [directory.join(name), directory.join(format!("{name}{}", env::consts::EXE_SUFFIX))]
}

/// A command that sees none of the settings that the programs take from the environment.
pub fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os().filter(|(name, _)| is_setting(name)) {
        command.env_remove(name);
    }
    command
}

fn is_setting(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    ["API_", "WORKER_", "ADMIN_"].iter().any(|prefix| name.starts_with(prefix))
}

/// What a program that has ended left.
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// The standard output of a program that succeeded.
    pub fn success(self) -> Result<String> {
        if self.code == Some(0) {
            return Ok(self.stdout);
        }
        Err(format!("exit code {:?}\n{}{}", self.code, self.stdout, self.stderr).into())
    }
}

/// Runs a command to its end, with `input` as its standard input.
pub fn run(command: &mut Command, input: &str) -> Result<Answer> {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes())?; // a few lines: the pipe holds them all
    }
    let Output { status, stdout, stderr } = child.wait_with_output()?;
    Ok(Answer {
        code: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::temporary::Directory;

    #[test]
    fn the_first_directory_that_has_a_program_counts() -> Result<()> {
        let (first, second) = (Directory::new()?, Directory::new()?);
        fs::write(first.path().join("api"), "")?;
        for name in ["api", "worker", "admin"] {
            fs::write(second.path().join(name), "")?;
        }
        let programs = Programs::find(&[first.path().into(), second.path().into()])?;
        assert_eq!(programs.api, first.path().join("api"));
        assert_eq!(programs.worker, second.path().join("worker"));
        Ok(())
    }

    #[test]
    fn a_program_that_is_missing_is_named() -> Result<()> {
        let directory = Directory::new()?;
        fs::create_dir(directory.path().join("api"))?; // a directory is no program
        let error = Programs::find(&[directory.path().into()]).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.starts_with("no program api in ")));
        Ok(())
    }

    #[test]
    fn only_settings_of_the_programs_are_taken_away() {
        assert!(is_setting("ADMIN_FILE".as_ref()));
        assert!(!is_setting("PATH".as_ref()));
        assert!(!is_setting("APIARY".as_ref()));
    }

    #[test]
    fn success_is_what_was_printed() -> Result<()> {
        let answer = |code| Answer { code, stdout: "out".into(), stderr: "err".into() };
        assert_eq!(answer(Some(0)).success()?, "out");
        let error = answer(Some(1)).success().err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("exit code Some(1)\nouterr"));
        assert!(answer(None).success().is_err());
        Ok(())
    }
}
