//! Watches a started command to its end: takes what it prints, ends it when it is to end, and clears away what it leaves
//! behind. Knows neither logs nor what is run.

use super::tree::Tree;
use super::{Ending, Stop};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// Takes what was printed into the pipe of that number; `false` if the command is to be killed.
pub(super) type Take<'a> = dyn FnMut(usize, &[u8]) -> bool + 'a;

/// When a command was started, and when it is ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// When it was started.
    pub(super) started: Instant,
    /// How long it may run.
    pub(super) timeout: Option<Duration>,
    /// How long it may take to end after it was asked to.
    pub(super) grace: Duration,
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) ending: Ending,
    pub(super) duration: Duration,
    pub(super) left_behind: Vec<String>,
}

/// How long it takes at most until a request to stop is seen.
const TICK: Duration = Duration::from_millis(50);

/// The same where the end of a child wakes nobody.
const SHORT_TICK: Duration = Duration::from_millis(5);

/// How long processes that outlive the first one may take to end by themselves: some tools' helpers end a moment later.
const LINGER: Duration = Duration::from_millis(100);

/// How long the pipes are read after the end. Somebody who could not be found may hold them open for ever.
const DRAIN: Duration = Duration::from_millis(200);

/// How long killed processes may take to be gone.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// Watches `child`, the first process of `tree`, whose output comes out of `pipes`, until nothing of it is left.
pub(super) fn watch(
    mut child: Child,
    tree: Tree,
    pipes: Vec<PipeReader>,
    take: &mut Take<'_>,
    limits: Limits,
    stop: &Stop,
) -> io::Result<Watched> {
    let pidfd = pidfd(tree.root());
    let watch = Watch { tree: &tree, pidfd, limits, stop };
    let mut pipes =
        Pipes { readers: pipes.into_iter().map(Some).collect(), buffer: vec![0; 64 * 1024] };
    let ended = watch.until_end(&mut pipes, take).map(|end| (end, limits.started.elapsed()));
    let (end, duration) = match ended {
        Ok(ended) => ended,
        Err(error) => {
            // The first process stays known if it cannot be ended, so that nobody takes it for an orphan.
            tree.signal(Signal::KILL);
            if child.try_wait().is_ok_and(|status| status.is_some()) {
                tree.forget();
            }
            return Err(error);
        }
    };
    let left_behind = watch.clear_away(&end, &mut pipes, take);
    watch.drain(&mut pipes, take);
    let status = child.wait();
    tree.forget();
    Ok(Watched { ending: end.cause.unwrap_or(ending(status?)), duration, left_behind })
}

/// A descriptor that can be read from once the process has ended, where there is such a thing.
#[cfg(target_os = "linux")]
fn pidfd(process: Pid) -> Option<OwnedFd> {
    rustix::process::pidfd_open(process, rustix::process::PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn pidfd(_: Pid) -> Option<OwnedFd> {
    None
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Signal(signal.unwrap_or_default()),
    }
}

/// Why and by when a command is to end.
#[derive(Clone, Copy, Default, Debug)]
struct End {
    /// `None` as long as it may run.
    cause: Option<Ending>,
    /// When it is killed.
    kill_at: Option<Instant>,
    /// Since when it was killed.
    killed: Option<Instant>,
}

struct Watch<'a> {
    tree: &'a Tree,
    pidfd: Option<OwnedFd>,
    limits: Limits,
    stop: &'a Stop,
}

impl Watch<'_> {
    /// Until the first process has ended; it is not reaped, so that the number of its group stays its own.
    fn until_end(&self, pipes: &mut Pipes, take: &mut Take<'_>) -> io::Result<End> {
        let mut end = End::default();
        loop {
            let woken = pipes.wait(self.pidfd.as_ref(), self.patience(&end), take)?;
            if woken.all_taken {
                match state(self.tree.root())? {
                    State::Runs => {}
                    State::WaitsForTerminal(signal) if end.cause.is_none() => {
                        self.kill(&mut end, Ending::Signal(signal))
                    }
                    State::WaitsForTerminal(_) => {}
                    State::Ended => return Ok(end),
                }
            }
            if !woken.is_wanted && end.cause.is_none() {
                self.kill(&mut end, Ending::Stopped);
            }
            self.decide(&mut end);
            if end.killed.is_some_and(|killed| killed.elapsed() >= LAST_WAIT) {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "it does not end although it was killed",
                ));
            }
        }
    }

    /// Asks the command to end, or kills it, where it is time to.
    fn decide(&self, end: &mut End) {
        let now = Instant::now();
        if end.cause.is_none() {
            let is_late = self
                .limits
                .timeout
                .is_some_and(|timeout| now.duration_since(self.limits.started) >= timeout);
            end.cause = match (self.stop.is_asked(), is_late) {
                (true, _) => Some(Ending::Stopped),
                (_, true) => Some(Ending::TimedOut),
                _ => return,
            };
            end.kill_at = now.checked_add(self.limits.grace);
            if !self.stop.is_urgent() {
                self.tree.signal(Signal::TERM);
                // Who is halted does not notice.
                self.tree.signal(Signal::CONT);
            }
        }
        if end.is_due(now) || self.stop.is_urgent() {
            end.killed.get_or_insert(now);
            self.tree.signal(Signal::KILL);
        }
    }

    fn kill(&self, end: &mut End, cause: Ending) {
        let now = Instant::now();
        *end = End { cause: Some(cause), kill_at: Some(now), killed: Some(now) };
        self.tree.signal(Signal::KILL);
    }

    /// How long nothing need be looked at.
    fn patience(&self, end: &End) -> Duration {
        let tick = if self.pidfd.is_some() { TICK } else { SHORT_TICK };
        let deadline = match (end.cause, self.limits.timeout) {
            (Some(_), _) => end.kill_at,
            (None, timeout) => timeout.and_then(|timeout| self.limits.started.checked_add(timeout)),
        };
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        // A deadline that has passed was seen to; what it asked for takes a moment.
        left.filter(|left| !left.is_zero()).map_or(tick, |left| left.min(tick))
    }

    /// Waits for the processes that outlive the first one, then kills them. The names are those of processes that were left
    /// behind; when we ended the command nobody is.
    fn clear_away(&self, end: &End, pipes: &mut Pipes, take: &mut Take<'_>) -> Vec<String> {
        self.tree.kill_unseen();
        let end = End { kill_at: end.kill_at.or(Instant::now().checked_add(LINGER)), ..*end };
        let give_up = end.kill_at.unwrap_or_else(Instant::now) + LAST_WAIT;
        let mut killed = crate::ordered::Map::new();
        loop {
            let others = self.tree.others();
            let now = Instant::now();
            if others.is_empty() || now >= give_up {
                break;
            }
            if end.is_due(now) || self.stop.is_urgent() {
                self.tree.signal(Signal::KILL);
                killed.extend(others.into_iter().map(|process| (process.pid(), process.name)));
            }
            let _ = pipes.wait(None, SHORT_TICK, take);
        }
        if end.cause.is_some() { Vec::new() } else { killed.into_values().collect() }
    }

    /// Takes what is still in the pipes.
    fn drain(&self, pipes: &mut Pipes, take: &mut Take<'_>) {
        let deadline = Instant::now() + DRAIN;
        while pipes.readers.iter().any(Option::is_some) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || pipes.wait(None, left, take).is_err() {
                return;
            }
        }
    }
}

impl End {
    fn is_due(&self, now: Instant) -> bool {
        self.kill_at.is_some_and(|kill_at| now >= kill_at)
    }
}

struct Pipes {
    /// `None` once it is closed at the other end.
    readers: Vec<Option<PipeReader>>,
    buffer: Vec<u8>,
}

/// What waiting has brought.
struct Woken {
    /// Nothing was printed, or the child has ended: time to look at its state.
    all_taken: bool,
    /// Whether the taker wants more.
    is_wanted: bool,
}

impl Pipes {
    /// Waits until something is printed, the child has ended or the time is over, and takes what was printed, a buffer of each pipe.
    fn wait(
        &mut self,
        pidfd: Option<&OwnedFd>,
        time: Duration,
        take: &mut Take<'_>,
    ) -> io::Result<Woken> {
        let ready = self.ready(pidfd, time)?;
        let mut woken = Woken {
            all_taken: pidfd.is_none() || ready.ended || ready.pipes.is_empty(),
            is_wanted: true,
        };
        for index in ready.pipes {
            let Some(slot) = self.readers.get_mut(index) else { continue };
            match slot.as_mut().map(|reader| reader.read(&mut self.buffer)) {
                Some(Ok(0)) => *slot = None,
                Some(Ok(count)) => {
                    woken.is_wanted &= take(index, self.buffer.get(..count).unwrap_or_default())
                }
                Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Some(Err(error)) => return Err(error),
                None => {}
            }
        }
        Ok(woken)
    }

    fn ready(&self, pidfd: Option<&OwnedFd>, time: Duration) -> io::Result<Ready> {
        let open = self
            .readers
            .iter()
            .enumerate()
            .filter_map(|(index, reader)| Some((index, reader.as_ref()?)));
        let (indices, mut polled): (Vec<_>, Vec<_>) =
            open.map(|(index, reader)| (index, PollFd::new(reader, PollFlags::IN))).unzip();
        polled.extend(pidfd.map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
        let time = Timespec::try_from(time).map_err(io::Error::other)?;
        match poll(&mut polled, Some(&time)) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready { pipes: Vec::new(), ended: false }),
            Err(error) => return Err(error.into()),
        }
        let mut is_ready = polled.iter().map(|polled| !polled.revents().is_empty());
        let pipes = indices.into_iter().filter(|_| is_ready.next().unwrap_or(false)).collect();
        Ok(Ready { pipes, ended: is_ready.next().unwrap_or(false) })
    }
}

struct Ready {
    /// The pipes with something to read or with nobody at the other end.
    pipes: Vec<usize>,
    /// Whether the child has ended.
    ended: bool,
}

enum State {
    Runs,
    /// Halted by that signal, since it wants the terminal, which it cannot have: it would stand there for ever.
    WaitsForTerminal(i32),
    Ended,
}

fn state(root: Pid) -> io::Result<State> {
    let look = WaitIdOptions::EXITED
        | WaitIdOptions::STOPPED
        | WaitIdOptions::NOHANG
        | WaitIdOptions::NOWAIT;
    let status = loop {
        match waitid(WaitId::Pid(root), look) {
            Err(Errno::INTR) => {}
            status => break status?,
        }
    };
    let halting = [Signal::TTIN.as_raw(), Signal::TTOU.as_raw()];
    Ok(match status {
        None => State::Runs,
        Some(status) if status.stopped() => match status.stopping_signal() {
            Some(signal) if halting.contains(&signal) => State::WaitsForTerminal(signal),
            _ => State::Runs,
        },
        Some(status) if status.continued() => State::Runs,
        Some(_) => State::Ended,
    })
}
