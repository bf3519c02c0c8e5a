//! Starts and watches commands where there are no process groups. Descendants of a command are not found: only its first
//! process is ended, and at once.

use super::{Ending, Stop};
use crate::ordered::Map;
use std::ffi::OsString;
use std::io::{self, PipeReader, Read};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// Takes what was printed into the pipe of that number; `false` if the command is to be killed.
pub(super) type Take<'a> = dyn FnMut(usize, &[u8]) -> bool + 'a;

/// When a command is ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// When it was started.
    pub(super) started: Instant,
    /// How long it may run.
    pub(super) timeout: Option<Duration>,
    /// Not used here.
    pub(super) grace: Duration,
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) ending: Ending,
    pub(super) duration: Duration,
    pub(super) left_behind: Vec<String>,
}

/// Stands for the processes of a command.
#[derive(Debug)]
pub(super) struct Tree;

const TICK: Duration = Duration::from_millis(10);
const DRAIN: Duration = Duration::from_millis(200);

/// Starts `command`.
pub(super) fn start(
    command: &mut Command,
    _env: &Map<OsString, OsString>,
    _pipes: &[u64],
) -> io::Result<(Child, Tree)> {
    Ok((command.spawn()?, Tree))
}

/// There are none that could be found.
pub(super) fn reap_orphans() -> Vec<String> {
    Vec::new()
}

/// Watches `child`, whose output comes out of `pipes`, to its end.
pub(super) fn watch(
    mut child: Child,
    _tree: Tree,
    pipes: Vec<PipeReader>,
    take: &mut Take<'_>,
    limits: Limits,
    stop: &Stop,
) -> io::Result<Watched> {
    let started = limits.started;
    // Bounded, so that a command that prints faster than we write has to wait.
    let (sender, printed) = sync_channel(4);
    for (index, reader) in pipes.into_iter().enumerate() {
        let sender = sender.clone();
        thread::spawn(move || read(index, reader, &sender));
    }
    drop(sender);
    let mut cause = None;
    let status = loop {
        let is_wanted = take_some(&printed, TICK, take).unwrap_or(true);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let is_late = limits.timeout.is_some_and(|timeout| started.elapsed() >= timeout);
        let why = if stop.is_asked() || !is_wanted {
            Some(Ending::Stopped)
        } else {
            is_late.then_some(Ending::TimedOut)
        };
        if let (None, Some(why)) = (cause, why) {
            cause = Some(why);
            child.kill()?;
        }
    };
    let duration = started.elapsed();
    let deadline = Instant::now() + DRAIN;
    while take_some(&printed, deadline.saturating_duration_since(Instant::now()), take).is_some() {}
    let ending = cause.unwrap_or(Ending::Exited(status.code().unwrap_or(-1)));
    Ok(Watched { ending, duration, left_behind: Vec::new() })
}

fn read(index: usize, mut reader: PipeReader, sender: &SyncSender<(usize, Vec<u8>)>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        if sender.send((index, buffer.get(..count).unwrap_or_default().to_vec())).is_err() {
            return;
        }
    }
}

/// Whether the taker wants more; `None` if nothing came in that time.
fn take_some(
    printed: &Receiver<(usize, Vec<u8>)>,
    time: Duration,
    take: &mut Take<'_>,
) -> Option<bool> {
    match printed.recv_timeout(time) {
        Ok((index, bytes)) => Some(take(index, &bytes)),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => {
            // Nothing more will come; the time is still to pass, or the caller would spin.
            thread::sleep(time.min(TICK));
            None
        }
    }
}
