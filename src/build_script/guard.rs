//! Stops a step in which a Cargo waits for what the Cargo outside holds until the build script is done. Knows no step.

use crate::error::{Error, Result};
use crate::execute::{Command, Executor, Finish, Stop};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Runs commands by another executor, and looks at what they print meanwhile.
pub(super) struct Guard<'a>(pub(super) &'a dyn Executor);

/// How long a Cargo may wait for a lock; another one may hold it for a moment.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(100);

/// What Cargo says before it waits, and of which directories the Cargo outside holds one.
const WAITS: &str = "Blocking waiting for file lock on ";
const DIRECTORIES: [&str; 2] = ["build directory", "artifact directory"];

impl Executor for Guard<'_> {
    fn run(&self, command: &Command, stop: &Stop) -> Result<Finish> {
        let (inner, is_over, is_stuck) =
            (Stop::default(), AtomicBool::new(false), AtomicBool::new(false));
        let finish = thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                let mut waits_since = None;
                while !is_over.load(Ordering::SeqCst) {
                    pass_on(stop, &inner);
                    match waits(&command.log) {
                        true => drop(waits_since.get_or_insert_with(Instant::now)),
                        false => waits_since = None,
                    }
                    if waits_since.is_some_and(|since| since.elapsed() > PATIENCE)
                        && !is_stuck.swap(true, Ordering::SeqCst)
                    {
                        inner.ask();
                    }
                    thread::park_timeout(PAUSE);
                }
            });
            let finish = self.0.run(command, &inner);
            is_over.store(true, Ordering::SeqCst);
            watcher.thread().unpark();
            finish
        });
        if is_stuck.load(Ordering::SeqCst) {
            let error =
                "a Cargo in the step waits for a target directory that the Cargo outside holds";
            let hint =
                "a step has a target directory of its own in CARGO_TARGET_DIR: let it use that one";
            return Err(Error::new(error).hint(hint));
        }
        finish
    }
}

fn pass_on(stop: &Stop, inner: &Stop) {
    if stop.is_asked() && !inner.is_asked() || stop.is_urgent() && !inner.is_urgent() {
        inner.ask();
    }
}

/// Whether the last thing in the log is a Cargo that says it waits.
fn waits(log: &Path) -> bool {
    let tail = || {
        let mut file = File::open(log).ok()?;
        let size = file.seek(SeekFrom::End(0)).ok()?;
        file.seek(SeekFrom::Start(size.saturating_sub(512))).ok()?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail).ok()?;
        Some(String::from_utf8_lossy(&tail).into_owned())
    };
    let tail = tail().unwrap_or_default();
    let last = tail.trim_end().lines().next_back().unwrap_or_default();
    let held = last.split(WAITS).nth(1).unwrap_or_default();
    DIRECTORIES.iter().any(|directory| held.contains(directory))
}
