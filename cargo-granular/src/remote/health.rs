//! When a remote that misbehaves is left alone, and what is told of it. Decides; asks nobody itself.
//!
//! A remote is left alone for the rest of a build from the first moment on in which there is nobody, or nobody who answers in time; when it refuses
//! us or asks to be left alone; after [`FAILURES`] failures of one kind in a row; and when it gave so many things that were not right. From that moment on
//! nobody waits for what is still under way, so that a dead one costs the patience for one request, however many were made. The first request has
//! [`AHEAD`] before the others, so that one which is near, or clearly not there, is not asked sixteen times before it can say no.

use super::name::Name;
use super::wire::Failure;
use crate::trust::domain::Domain;
use crate::wording;
use granular::execute::Stop;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many failures in a row are not chance.
const FAILURES: usize = 3;

/// How long the others wait for the first request. One that is far away would cost each of them another way there and back.
const AHEAD: Duration = Duration::from_millis(50);

/// What is asked of a remote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    /// An entry is read.
    Entry,
    /// A blob is read.
    Blob,
    /// It is asked what of something that is to be written is there.
    Look,
    /// Something is written.
    Save,
}

impl What {
    fn is_for_writing(self) -> bool {
        matches!(self, Self::Look | Self::Save)
    }
}

/// How one remote has done so far in this build.
pub(super) struct Health {
    host: String,
    is_required: bool,
    /// What it is told of who asks, as what follows a semicolon: the way out where it does not let us.
    way_in: &'static str,
    stop: Stop,
    state: Mutex<State>,
    /// Whether reading and writing have come out well once.
    gates: [Gate; 2],
}

/// Where requests wait for the first one.
#[derive(Default)]
struct Gate {
    proof: Mutex<Proof>,
    has_come: Condvar,
}

#[derive(Clone, Copy, Default)]
enum Proof {
    #[default]
    None,
    /// Somebody has asked first, at that moment.
    Asked(Instant),
    /// It has come out well.
    Proven,
}

#[derive(Default)]
struct State {
    /// Why it is not asked any more.
    off: Option<String>,
    /// Why nothing is written any more.
    write_off: Option<String>,
    /// Failures in a row, for each [`What`].
    failures: [usize; 4],
    /// All failures: the first, and how many.
    failed: Option<(String, usize)>,
    /// What was not right: the first, and how many.
    damaged: Option<(String, usize)>,
    /// The blobs among that: it has them, and they are of no use.
    bad: BTreeSet<Name>,
    /// How many entries of a domain were not used, by who has signed them.
    distrusted: BTreeMap<(Domain, String), usize>,
}

impl Health {
    /// Of a remote that was not asked yet.
    pub(super) fn new(host: String, is_required: bool, way_in: &'static str, stop: Stop) -> Self {
        let state = Mutex::default();
        Self { host, is_required, way_in, stop, state, gates: Default::default() }
    }

    /// Whether the build is to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_asked()
    }

    /// Does `request`, if it is any use; once more if the connection broke off. All of them can be repeated.
    pub(super) fn ask<T>(
        &self,
        what: What,
        request: impl Fn() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let gate = &self.gates[usize::from(what == What::Save)];
        let is_first = gate.pass();
        let answer = if self.is_stopped() || self.is_off(what) {
            Err(Failure::NotAsked)
        } else {
            match request() {
                Err(Failure::Broken(_)) if !self.is_off(what) => request(),
                answer => answer,
            }
        };
        self.count(what, answer.as_ref().err());
        gate.note(is_first, matches!(answer, Ok(_) | Err(Failure::Gone)));
        answer
    }

    /// Whether nothing is asked any more.
    pub(super) fn is_off(&self, what: What) -> bool {
        let state = self.state();
        state.off.is_some() || (what.is_for_writing() && state.write_off.is_some())
    }

    /// Something came that was not right.
    pub(super) fn note_damage(&self, what: &str) {
        let mut state = self.state();
        let (first, count) = one_more(&mut state.damaged, what);
        if count >= FAILURES {
            let why = format!("what it gave was not right, {count} times, such as {first}");
            self.switch_off(&mut state, why);
        }
    }

    /// A blob came that was not right.
    pub(super) fn note_bad(&self, blob: Name) {
        self.state().bad.insert(blob);
    }

    /// Whether a blob that the remote has is of no use, so that who can write writes it again.
    pub(super) fn is_bad(&self, blob: &Name) -> bool {
        self.state().bad.contains(blob)
    }

    /// Something came that nobody has signed who is believed for that domain: as if nothing had come. That somebody can write there is nothing that the remote has done.
    pub(super) fn note_distrust(&self, domain: &Domain, who: &str) {
        let mut state = self.state();
        // Strangers decide how many there are.
        let is_known = state.distrusted.contains_key(&(domain.clone(), who.to_owned()));
        let who = if is_known || state.distrusted.len() < 100 { who } else { "others" };
        *state.distrusted.entry((domain.clone(), who.to_owned())).or_default() += 1;
    }

    /// What is to be told of it at the end of the build.
    pub(super) fn messages(&self) -> Vec<String> {
        let state = self.state();
        let host = &self.host;
        let off = state.off.as_ref().map(|why| {
            format!("the remote cache at {host} is not used for the rest of this build: {why}")
        });
        let some = |(first, count): &(String, usize)| match count {
            1 => first.clone(),
            _ => format!("{first} (and {} more)", count - 1),
        };
        let damaged = state.damaged.as_ref().filter(|_| off.is_none()).map(|damaged| {
            let some = some(damaged);
            format!(
                "the remote cache at {host} gave something that is not right, and it was not used: {some}"
            )
        });
        let is_told = off.is_some() || state.write_off.is_some();
        let failed = state.failed.as_ref().filter(|_| !is_told).map(|failed| {
            let some = some(failed);
            format!("the remote cache at {host} could not do all that was asked of it: {some}")
        });
        let write_off = state.write_off.as_ref().filter(|_| state.off.is_none()).map(|why| {
            format!("the remote cache at {host} is only read for the rest of this build: {why}")
        });
        let distrusted = distrust(host, &state.distrusted);
        off.into_iter().chain(damaged).chain(distrusted).chain(failed).chain(write_off).collect()
    }

    /// Why the build has failed, if the remote cannot be used and has to be.
    pub(super) fn is_missed(&self) -> Option<String> {
        let state = self.state();
        let why = state.off.as_ref().filter(|_| self.is_required)?;
        Some(format!("the remote cache at {} is required and cannot be used: {why}", self.host))
    }

    fn count(&self, what: What, failure: Option<&Failure>) {
        let mut state = self.state();
        let denied;
        let (why, is_final) = match failure {
            None | Some(Failure::Gone) => {
                state.failures[what as usize] = 0;
                return;
            }
            // What was not right is counted by who can say what it was.
            Some(Failure::Damaged(_) | Failure::Local(_) | Failure::NotAsked) => return,
            Some(Failure::Unreachable(why) | Failure::Refused(why)) => (why, true),
            Some(Failure::Denied(why)) => {
                denied = format!("{why}; {}", self.way_in);
                (&denied, true)
            }
            Some(Failure::Failed(why) | Failure::Broken(why)) => (why, false),
        };
        state.failures[what as usize] += 1;
        one_more(&mut state.failed, why);
        if !is_final && state.failures[what as usize] < FAILURES {
            return;
        }
        match what {
            What::Look | What::Save => {
                state.write_off = state.write_off.take().or_else(|| Some(why.clone()))
            }
            What::Entry | What::Blob => self.switch_off(&mut state, why.clone()),
        }
    }

    fn switch_off(&self, state: &mut State, why: String) {
        if state.off.is_none() {
            state.off = Some(why);
            if self.is_required {
                self.stop.ask();
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn distrust(host: &str, distrusted: &BTreeMap<(Domain, String), usize>) -> Option<String> {
    let count: usize = distrusted.values().sum();
    let who = |((domain, who), count): (&(Domain, String), &usize)| {
        format!("{count} in {domain} by {who}")
    };
    let all: Vec<String> = distrusted.iter().map(who).collect();
    (count > 0).then(|| {
        let entries = if count == 1 { "entry" } else { "entries" };
        format!(
            "the remote cache at {host} has {count} {entries} that nobody trusted has signed, as good as none: {} (`cargo granular keys` shows who is trusted)",
            wording::some(&all, 3)
        )
    })
}

impl Gate {
    /// Waits for whoever has asked first, for a while; whether that is now the one who waits.
    fn pass(&self) -> bool {
        let mut proof = self.lock();
        loop {
            let left = match *proof {
                Proof::Proven => return false,
                Proof::None => {
                    *proof = Proof::Asked(Instant::now());
                    return true;
                }
                Proof::Asked(since) => AHEAD.saturating_sub(since.elapsed()),
            };
            if left.is_zero() {
                return false;
            }
            let waited = self.has_come.wait_timeout(proof, left);
            proof = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What has come of a request.
    fn note(&self, is_first: bool, is_well: bool) {
        let mut proof = self.lock();
        match *proof {
            Proof::Proven => return,
            _ if is_well => *proof = Proof::Proven,
            _ if is_first => *proof = Proof::None,
            _ => return,
        }
        self.has_come.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Proof> {
        self.proof.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts one more of what is told by its first; gives that one, and how many there are now.
fn one_more(counted: &mut Option<(String, usize)>, what: &str) -> (String, usize) {
    let (first, count) = counted.get_or_insert_with(|| (what.to_owned(), 0));
    *count += 1;
    (first.clone(), *count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn health() -> Health {
        Health::new("h".to_owned(), false, "", Stop::default())
    }

    fn fails(health: &Health, what: What, failure: fn(String) -> Failure) -> bool {
        let asked = Cell::new(false);
        let _ = health.ask(what, || {
            asked.set(true);
            Err::<(), _>(failure("why".to_owned()))
        });
        asked.get()
    }

    #[test]
    fn one_that_is_not_there_is_asked_once() {
        let health = health();
        assert!(fails(&health, What::Entry, Failure::Unreachable));
        assert!(!fails(&health, What::Entry, Failure::Unreachable));
        assert!(!fails(&health, What::Save, Failure::Unreachable));
        assert_eq!(health.messages().len(), 1);
    }

    #[test]
    fn the_others_wait_for_the_first_but_not_for_long() {
        let health = health();
        let far = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| health.ask(What::Entry, || Ok(far.wait())));
            while matches!(*health.gates[0].lock(), Proof::None) {
                std::thread::yield_now();
            }
            let began = Instant::now();
            // It comes through although the first has no answer yet, and not before its time.
            health.ask(What::Entry, || Err::<(), _>(Failure::Gone)).unwrap_err();
            assert!(began.elapsed() >= AHEAD / 2);
            far.wait();
        });
        let near = super::tests::health();
        assert!(near.gates[0].pass());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                near.count(What::Entry, Some(&Failure::Refused(String::new())));
                near.gates[0].note(true, false);
            });
            assert!(near.gates[0].pass(), "the next one is the first of those who are left");
            assert!(near.is_off(What::Entry));
        });
    }

    #[test]
    fn failures_in_a_row_count_and_a_good_answer_forgives_them() {
        let health = health();
        let failed = || fails(&health, What::Blob, Failure::Failed);
        assert!(failed() && failed());
        health.ask(What::Blob, || Ok(())).unwrap();
        assert!(failed() && failed() && failed());
        assert!(!failed());
    }

    #[test]
    fn one_that_may_not_be_written_is_still_read() {
        let health = health();
        assert!(fails(&health, What::Save, Failure::Refused));
        assert!(!fails(&health, What::Save, Failure::Refused));
        assert!(health.ask(What::Entry, || Ok(())).is_ok());
        assert!(health.messages()[0].contains("only read"));
    }

    #[test]
    fn a_broken_connection_is_tried_once_more() {
        let health = health();
        let times = Cell::new(0);
        let answer = health.ask(What::Blob, || {
            times.set(times.get() + 1);
            if times.get() == 1 { Err(Failure::Broken(String::new())) } else { Ok(()) }
        });
        assert!(answer.is_ok());
        assert!(health.messages().is_empty());
    }

    #[test]
    fn one_that_is_required_stops_the_build() {
        let stop = Stop::default();
        let health = Health::new("h".to_owned(), true, "", stop.clone());
        assert!(health.is_missed().is_none());
        fails(&health, What::Entry, Failure::Refused);
        assert!(stop.is_asked() && health.is_missed().unwrap().contains("required"));
    }
}
