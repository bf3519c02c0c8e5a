//! The program beside the test: started and not waited for, also at a terminal, told signals, listened to while it runs.

use crate::project::Invocation;
use std::io::{self, Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `is_so`, or fails and says what did not come about.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "it did not come about that {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a step says to wait until `file`, relative to its directory, is there. It fails when that takes too long.
pub(crate) fn gate(file: &str) -> String {
    format!(
        "n=0; until test -e {file}; do n=$((n+1)); test $n -lt 3000 || exit 9; sleep 0.02; done"
    )
}

/// The program while it runs. Killed when dropped.
pub(crate) struct Beside {
    child: Child,
    keyboard: Option<ChildStdin>,
    heard: Arc<Mutex<Vec<u8>>>,
    listener: Option<JoinHandle<()>>,
}

impl Invocation {
    /// Starts it, without waiting for its end.
    pub(crate) fn start(mut self) -> Beside {
        let (mut reader, writer) = io::pipe().unwrap();
        self.command.stdout(writer.try_clone().unwrap()).stderr(writer);
        let mut child = self.command.spawn().unwrap();
        let keyboard = child.stdin.take();
        // Our ends of the pipe go with it.
        drop(self);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = std::thread::spawn({
            let heard = Arc::clone(&heard);
            move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = reader.read(&mut buffer) {
                    heard.lock().unwrap().extend_from_slice(&buffer[..count]);
                }
            }
        });
        Beside { child, keyboard, heard, listener: Some(listener) }
    }

    /// Starts it in a terminal of its own, 80 columns wide, as the shell line `line` does, in which `"$@"` stands for the program and its
    /// arguments. What is typed there is typed by [`Beside::press`].
    pub(crate) fn at_a_terminal(self, line: &str) -> Beside {
        let program = self.command.get_program().to_owned();
        let words = std::iter::once(program).chain(self.command.get_args().map(ToOwned::to_owned));
        let words: Vec<_> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
        let line = format!("stty cols 80 rows 24; set -- {}; {line}", words.join(" "));
        let script = "exec script -qefc \"$0\" /dev/null";
        let mut invocation = self.inside(&["sh", "-c", script, &line]);
        invocation.command.stdin(Stdio::piped());
        invocation.env("TERM", "xterm").env("SHELL", "/bin/sh").start()
    }
}

impl Beside {
    /// The number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    /// Waits until it has said `words`.
    #[track_caller]
    pub(crate) fn hear(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.said().contains(words) {
            assert!(Instant::now() < deadline, "{words:?} was not said:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, name: &str) {
        signal(name, self.id());
    }

    /// Types at its terminal.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for its end, and for that of everybody who could still say something for it; gives how it ended, and what was said.
    #[track_caller]
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.said());
            std::thread::sleep(Duration::from_millis(2));
        };
        self.listener.take().unwrap().join().unwrap();
        (status, self.said())
    }

    /// The same, with the exit code that is expected; gives what was said.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> String {
        let (status, said) = self.end();
        assert_eq!(status.code(), Some(code), "{status}\n{said}");
        said
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
pub(crate) fn signal(name: &str, process: u32) {
    let sent = Command::new("kill").args(["-s", name, &process.to_string()]).status().unwrap();
    assert!(sent.success());
}
