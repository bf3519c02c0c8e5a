//! The executor seam: runs one command to its end. Knows no graph, no store and no fingerprint.

pub mod child;
#[cfg(not(unix))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod held;
pub mod interrupt;
pub(crate) mod remains;
pub mod slots;
#[cfg(feature = "program")]
pub mod streams;
#[cfg(unix)]
mod tree;
#[cfg(unix)]
#[cfg(test)]
pub(crate) mod trial;
#[cfg(not(target_os = "linux"))]
mod unheld;
#[cfg(unix)]
mod watch;

#[cfg(not(unix))]
use elsewhere as tree;
#[cfg(not(unix))]
use elsewhere as watch;
#[cfg(not(target_os = "linux"))]
use unheld as held;

use crate::error::Result;
use crate::ordered::Map;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// Runs commands.
pub trait Executor: Send + Sync {
    /// Runs `command` to its end. An error only where it could not be started or watched; every way for it to end is a value.
    fn run(&self, command: &Command, stop: &Stop) -> Result<Finish>;
}

/// One command, with nothing left to decide.
#[derive(Clone, Debug)]
pub struct Command {
    /// The executable, absolute.
    pub program: PathBuf,
    /// Its arguments, without its name.
    pub arguments: Vec<OsString>,
    /// The directory it is run in, absolute.
    pub dir: PathBuf,
    /// Its whole environment.
    pub env: Map<OsString, OsString>,
    /// The file that gets what it prints, both streams through one pipe, so in the order of their writing. Its directory exists.
    pub log: PathBuf,
    /// How much of what it prints is kept, in bytes; the rest is counted and dropped.
    pub log_limit: u64,
    /// When it is stopped.
    pub timeout: Option<Duration>,
    /// Whether the jobserver is handed to it.
    pub jobserver: bool,
    /// Files that it reads, absolute, the first ones first where not all can be held. No more than [`MOST_HELD`] are.
    pub reads: Vec<PathBuf>,
}

/// How many files are held at most while commands run, for all of them together: so it shows who writes them.
pub const MOST_HELD: usize = 1024;

/// How a command ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finish {
    /// In what way.
    pub ending: Ending,
    /// How long it ran.
    pub duration: Duration,
    /// How much it printed, in bytes, kept or not.
    pub log_size: u64,
    /// Names of processes that it left behind and that were killed.
    pub left_behind: Vec<String>,
    /// Those of the files it reads that it is certain to have opened for writing. That one is not among them says nothing.
    pub opened_for_writing: Vec<PathBuf>,
    /// Those that somebody, be it the command or not, wanted to open for writing and would not wait: at that moment it could not.
    pub refused: Vec<PathBuf>,
}

/// In what way a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// With an exit code.
    Exited(i32),
    /// By a signal that we did not send.
    Signal(i32),
    /// Stopped by us at its timeout.
    TimedOut,
    /// Stopped by us because the build was.
    Stopped,
}

/// Tells everybody who holds it that the build is to stop.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicU8>);

impl Stop {
    /// Asks for it: the first time politely (children get SIGTERM and five seconds), the second time at once (SIGKILL).
    pub fn ask(&self) {
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |asked| {
            Some(asked.saturating_add(1))
        });
    }

    /// Whether it was asked for.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 0
    }

    /// Whether it is to be done without grace.
    pub fn is_urgent(&self) -> bool {
        self.0.load(Ordering::SeqCst) > 1
    }
}
