//! The loop that owns the states of a build. It alone decides; workers do what it hands out and send back what came of it.
//!
//! A ready action is checked by a pool of as many workers as there are slots. What is fresh is done; what a store has is restored by
//! the same pool; what has to run waits for its slots, the most urgent first, and gets a thread of its own, which is cheap beside a
//! process. Two actions with one key are never in hand at once: the second is checked again when the first is done.

use super::check::{self, Checked, Need, UpToDate, Verdict};
use super::states::{self, State, States};
use super::unavailable::{self, CheckedInFiles, Lack, Way};
use super::{Edges, Found, Ground, Options, command, find, now_ms, plan, restore, run};
use crate::action::{self, ActionId};
use crate::content::{Content, Output};
use crate::digest::Key;
use crate::error::Result;
use crate::event::{Event, Failure, Finished, Skip, Status, Summary};
use crate::execute::slots::{Slot, Slots};
use crate::export;
use crate::inputs::FoundInputs;
use crate::ordered::{Map, Set};
use crate::path::Base;
use crate::reason::DirtyReason;
use crate::result::ActionResult;
use crate::state::history::{self, Entry, What};
use crate::state::{State as StateDir, turns};
use crate::store::Store;
use std::ffi::OsStr;
use std::fs;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

/// What a worker of the pool is handed.
enum Job {
    Check(ActionId, Vec<Need>, Option<FoundInputs>, Way),
    /// From the store, or from checked-in files.
    Restore(ActionId, Box<Checked>, Vec<DirtyReason>, ActionResult, Option<CheckedInFiles>),
}

/// What comes back.
enum Message {
    Checked(ActionId, std::result::Result<Box<Checked>, Failure>),
    Restored(ActionId, Box<Checked>, Vec<DirtyReason>, ActionResult, restore::Outcome),
    Ran(ActionId, Box<Checked>, run::Outcome),
    Slot(Slot),
    /// A worker panicked: a fault of ours. What it had in hand will never come back.
    Panicked,
}

/// Tells the owner if the thread that holds it panics, so that nobody waits for it for ever.
struct Alarm(Sender<Message>);

impl Drop for Alarm {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.send(Message::Panicked);
        }
    }
}

/// How old what was looked for at the start may be when an action is checked; looked for again if it is older.
const SNAPSHOT_AGE: Duration = Duration::from_secs(1);

/// For how long checks come before commands.
const HEAD_START: Duration = Duration::from_millis(50);

/// How often the loop looks whether it is asked to stop while nothing comes back.
const PATIENCE: Duration = Duration::from_millis(50);

/// The state of each action that is up to date, and for how long it once ran.
pub(crate) type UpToDateActions = Map<ActionId, UpToDateAction>;
type UpToDateAction = (Arc<UpToDate>, Duration);

/// What is known before anything is checked.
#[derive(Default)]
pub(crate) struct Look {
    /// What was found of each action's inputs.
    pub(crate) found: Found,
    /// The actions of which it is proved that nothing was touched.
    pub(crate) untouched: Set<ActionId>,
}

/// Brings `planned` up to date. Where there was nothing else to tell than that all of it is fresh, also tells what state it is in.
pub(crate) fn run(
    ground: &Ground<'_>,
    edges: &Edges<'_>,
    planned: &[ActionId],
    workers: usize,
    look: Look,
    options: &Options,
    report: &mut dyn FnMut(Event),
) -> Result<(Summary, Option<UpToDateActions>)> {
    let (to_owner, messages) = mpsc::channel();
    let (to_pool, jobs) = mpsc::channel();
    let jobs = Mutex::new(jobs);
    // More than are at work at once, where most of the time they wait for a store.
    let lanes = ground.store.map_or(0, |store| store.lanes());
    thread::scope(|scope| {
        for _ in 0..workers.max(lanes).min(planned.len()) {
            let to_owner = to_owner.clone();
            scope.spawn(|| work(ground, &jobs, to_owner));
        }
        let ways = Ways { to_pool, to_owner };
        let owner = Owner::new(ground, edges, planned, look, options, report, ways);
        owner.run(scope, messages)
    })
}

fn work(ground: &Ground<'_>, jobs: &Mutex<Receiver<Job>>, to_owner: Sender<Message>) {
    let _alarm = Alarm(to_owner.clone());
    loop {
        // Not in the head of a loop over the receiver: the lock must not be held while the job is done.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        // Told at once, and not with what is done next: that may wait for a store, or read for long, and somebody needs this one.
        if to_owner.send(ground.places.work(|| do_job(ground, job))).is_err() {
            return;
        }
    }
}

fn do_job(ground: &Ground<'_>, job: Job) -> Message {
    match job {
        Job::Check(id, needs, found, way) => {
            Message::Checked(id, check::check(ground, id, needs, found, way).map(Box::new))
        }
        Job::Restore(id, checked, reasons, result, checked_in) => {
            let checked_in = checked_in.as_ref().map(|files| files as &dyn Store);
            let outcome = match checked_in.or(ground.store) {
                Some(store) => restore::restore(ground, id, &checked, &result, &reasons, store),
                None => restore::Outcome::Missed("there is no store".to_owned()),
            };
            Message::Restored(id, checked, reasons, result, outcome)
        }
    }
}

/// Runs an action; or restores it, if another build has run the same meanwhile.
fn run_in_turn(
    ground: &Ground<'_>,
    edges: &Edges<'_>,
    id: ActionId,
    checked: Box<Checked>,
) -> Message {
    let key = checked.fingerprint.key;
    if let Some(failure) = refuse_itself(ground, &key) {
        return Message::Ran(id, checked, run::Outcome::failed(failure));
    }
    let turns = StateDir::new(ground.project.workspace.state_dir()).turns();
    let turn = ground.store.map(|store| (store, turns::take(&turns, &key, edges.stop)));
    if let Some((store, turn)) = &turn
        && turn.has_waited
        && checked.is_kept
        && checked.reasons() != [DirtyReason::Forced]
        && let Ok(Some(result)) = store.result(&key)
    {
        let reasons = checked.reasons().to_vec();
        let outcome = restore::restore(ground, id, &checked, &result, &reasons, *store);
        if !matches!(outcome, restore::Outcome::Missed(_)) {
            return Message::Restored(id, checked, reasons, result, outcome);
        }
    }
    match &ground.project.graph[id].run {
        Some(what) => {
            let outcome = run::run(ground, edges, id, &checked, what);
            Message::Ran(id, checked, outcome)
        }
        None => Message::Panicked,
    }
}

/// Refuses to run what this process was started by, through however many others: each would wait for the other for ever.
fn refuse_itself(ground: &Ground<'_>, key: &Key) -> Option<Failure> {
    let outer = ground.env.get(OsStr::new(command::KEYS))?.to_str()?;
    outer.split(',').any(|outer| outer == key.to_string()).then(|| Failure::Environment {
        message: "a step runs something that needs this very step".to_owned(),
        hint: Some("such as a Cargo whose build script builds it: let that not need it".to_owned()),
    })
}

/// Where the owner sends work, and where what came of it is sent.
struct Ways {
    to_pool: Sender<Job>,
    to_owner: Sender<Message>,
}

struct Owner<'a, 'r> {
    ground: &'a Ground<'a>,
    edges: &'a Edges<'a>,
    options: &'a Options,
    report: &'r mut dyn FnMut(Event),
    states: States,
    /// What was looked for at the start, until it is used.
    found: Map<ActionId, Option<FoundInputs>>,
    up_to_date: Map<ActionId, Arc<UpToDate>>,
    untouched: Set<ActionId>,
    /// What was found out about the actions that wait for slots.
    checked: Map<ActionId, Box<Checked>>,
    ways: Ways,
    /// Made when the first action has to run: a build in which nothing does asks for none.
    slots: Option<Slots>,
    /// How many slots have been asked for, for one action, and have not come. One request at a time keeps the order of urgency.
    asked: Option<u32>,
    /// The slots that running actions have.
    in_use: Map<ActionId, Slot>,
    /// When all inputs were looked for.
    found_at: Instant,
    /// Whether anything has been written in this build, so that what was looked for before may not be what is there.
    disturbed: bool,
    /// Whether a command has been started, which may have written anywhere; what is restored goes where it is declared.
    has_run: bool,
    /// What has been warned of.
    warned: Set<String>,
    began_ms: u64,
    history: Vec<Entry>,
    fresh_saved: Duration,
    /// What is up to date, for as long as there was nothing else to tell.
    fresh_alone: Option<Vec<(ActionId, UpToDateAction)>>,
    summary: Summary,
}

impl<'a, 'r> Owner<'a, 'r> {
    fn new(
        ground: &'a Ground<'a>,
        edges: &'a Edges<'a>,
        planned: &[ActionId],
        look: Look,
        options: &'a Options,
        report: &'r mut dyn FnMut(Event),
        ways: Ways,
    ) -> Self {
        let graph = &ground.project.graph;
        let last_duration = |id: ActionId| {
            let record = ground.records.get(&graph[id].name.to_string())?.ok()?;
            Some(record.result.duration)
        };
        let urgency = plan::urgency(graph, planned, last_duration);
        Self {
            ground,
            edges,
            options,
            report,
            states: States::new(graph, planned, urgency),
            found: look.found.into_iter().map(|(id, found)| (id, Some(found))).collect(),
            untouched: look.untouched,
            // Each has its place from the start: they come in the order of their urgency, not of the graph.
            up_to_date: planned.iter().map(|id| (*id, Arc::default())).collect(),
            checked: Map::new(),
            ways,
            slots: None,
            asked: None,
            in_use: Map::new(),
            found_at: Instant::now(),
            disturbed: false,
            has_run: false,
            warned: Set::new(),
            began_ms: now_ms(),
            history: Vec::new(),
            fresh_saved: Duration::ZERO,
            fresh_alone: options.question.is_some().then(Vec::new),
            summary: Summary::default(),
        }
    }

    fn run<'scope>(
        mut self,
        scope: &'scope Scope<'scope, '_>,
        messages: Receiver<Message>,
    ) -> Result<(Summary, Option<UpToDateActions>)>
    where
        'a: 'scope,
    {
        while self.states.is_unfinished() {
            if self.is_halted() {
                self.skip_idle();
            } else {
                self.hand_out_checks();
                self.ask_for_slots()?;
            }
            if !self.states.is_unfinished() {
                break;
            }
            match messages.recv_timeout(PATIENCE) {
                Ok(Message::Panicked) => break,
                Ok(message) => self.take(message, scope),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.summary.stopped = self.edges.stop.is_asked();
        self.note_history();
        Ok((self.summary, self.fresh_alone.map(|all| all.into_iter().collect())))
    }

    /// Whether nothing more is to be started.
    fn is_halted(&self) -> bool {
        self.edges.stop.is_asked() || (self.summary.failed > 0 && !self.options.keep_going)
    }

    fn skip_idle(&mut self) {
        let skip = if self.edges.stop.is_asked() { Skip::Stopped } else { Skip::AfterFailure };
        for id in self.states.idle() {
            self.states.set(id, State::Done);
            self.finish(id, Status::Skipped(skip.clone()), Told::default());
        }
        self.checked.clear();
    }

    fn hand_out_checks(&mut self) {
        while let Some(id) = self.states.next_ready() {
            self.states.set(id, State::Checking);
            let graph = &self.ground.project.graph;
            if let Some(twin) = states::twin(graph, id) {
                self.follow(id, twin);
                continue;
            }
            if self.untouched.contains(&id) && self.take_untouched(id) {
                continue;
            }
            let artifacts = &graph[id].cargo;
            if !artifacts.is_empty() {
                let artifacts = artifacts.iter().map(|artifact| artifact.name.clone()).collect();
                (self.report)(Event::Compiling { action: graph[id].name.clone(), artifacts });
            }
            let need = |need: &action::Need| Need {
                name: need.name.clone(),
                id: need.action,
                state: self.up_to_date.get(&need.action).cloned().unwrap_or_default(),
            };
            let needs = graph[id].needs.iter().map(need).collect();
            // What is found also depends on what lies where outputs are declared; declared inputs never do.
            let undisturbed = if find::finds(&graph[id]) { !self.disturbed } else { !self.has_run };
            let is_current = undisturbed && self.found_at.elapsed() < SNAPSHOT_AGE;
            let found = self.found.get_mut(&id).and_then(Option::take).filter(|_| is_current);
            let _ = self.ways.to_pool.send(Job::Check(id, needs, found, Way::Result));
        }
    }

    /// What is recorded of an action of which it is proved that nothing was touched. False if it has to be checked after all.
    fn take_untouched(&mut self, id: ActionId) -> bool {
        let action = &self.ground.project.graph[id];
        let Some(Ok(record)) = self.ground.records.get(&action.name.to_string()) else {
            return false;
        };
        // The proof was looked at before the checkout was ours. Outputs in the tree belong to builds with other target directories too, which say nothing in these records.
        let in_tree = action.outputs.iter().any(|pattern| pattern.literal().base == Base::Tree);
        if in_tree && !matches!(check::disturbed_output(self.ground, id, &record), Ok(None)) {
            return false;
        }
        let outputs = record.result.outputs.clone();
        let exports = export::of_action(true, &outputs, &[], &[]);
        let state = UpToDate { key: Some(record.key), exports, outputs, ..UpToDate::default() };
        let saved = record.result.duration;
        self.fresh_saved += saved;
        self.up_to_date.insert(id, Arc::new(state));
        self.states.succeed(id);
        self.finish(id, Status::Fresh, Told { key: Some(record.key), saved, ..Told::default() });
        true
    }

    /// Takes over what the twin of an action has left: their outputs are the same files.
    fn follow(&mut self, id: ActionId, twin: ActionId) {
        let state = self.up_to_date.get(&twin).cloned().unwrap_or_default();
        let told = Told { key: state.key, ..Told::default() };
        let status = match &state.skipped {
            Some(why) => Status::Skipped(Skip::Unavailable(why.clone())),
            None => Status::Fresh,
        };
        if let Some(fresh_alone) = &mut self.fresh_alone {
            fresh_alone.push((id, (Arc::clone(&state), Duration::ZERO)));
        }
        self.up_to_date.insert(id, state);
        self.states.succeed(id);
        self.finish(id, status, told);
    }

    /// Asks for the slots of the most urgent action that waits for some.
    fn ask_for_slots(&mut self) -> Result<()> {
        let Some(id) = self.states.next_queued() else { return Ok(()) };
        if self.asked.is_none() && !self.has_head_start() {
            let jobs = self.ground.project.graph[id].jobs;
            self.asked = Some(jobs);
            self.slots()?.request(jobs);
        }
        Ok(())
    }

    /// Whether what can be checked is to be checked before the first command is started: until then what was looked for at the start is what is there, and need not be looked
    /// for again. The processors have as much to do either way.
    fn has_head_start(&self) -> bool {
        !self.has_run && self.states.is_checking() && self.found_at.elapsed() < HEAD_START
    }

    fn slots(&mut self) -> Result<&Slots> {
        let slots = match self.slots.take() {
            Some(slots) => slots,
            None => {
                let to_owner = self.ways.to_owner.clone();
                Slots::new(self.edges.jobserver, move |slot| {
                    drop(to_owner.send(Message::Slot(slot)))
                })?
            }
        };
        Ok(self.slots.insert(slots))
    }

    /// Starts the most urgent of the actions that take as many slots as `slot` stands for. If none is left the slot goes back.
    fn start<'scope>(&mut self, slot: Slot, scope: &'scope Scope<'scope, '_>)
    where
        'a: 'scope,
    {
        let jobs = self.asked.take();
        let takes_as_many = |id: &ActionId| Some(self.ground.project.graph[*id].jobs) == jobs;
        let Some(id) = self.states.queued().find(takes_as_many) else { return };
        let Some(checked) = self.checked.remove(&id) else { return };
        self.states.set(id, State::Running);
        self.in_use.insert(id, slot);
        self.disturbed = true;
        self.has_run = true;
        self.ground.tools.forget_places();
        (self.report)(Event::Started { action: self.ground.project.graph[id].name.clone() });
        let (ground, edges, to_owner) = (self.ground, self.edges, self.ways.to_owner.clone());
        scope.spawn(move || {
            let _alarm = Alarm(to_owner.clone());
            let _ = to_owner.send(run_in_turn(ground, edges, id, checked));
        });
    }

    fn take<'scope>(&mut self, message: Message, scope: &'scope Scope<'scope, '_>)
    where
        'a: 'scope,
    {
        match message {
            Message::Checked(id, Ok(checked)) => self.take_checked(id, checked),
            // It is idle again and skipped with the others.
            Message::Checked(id, Err(_)) if self.edges.stop.is_asked() => {
                self.states.set(id, State::Ready)
            }
            Message::Checked(id, Err(failure)) => {
                // The only command of a check is Cargo's, and what that said is its log.
                let printed = matches!(failure, Failure::Command { .. });
                self.fail(id, failure, Told { printed, ..Told::default() })
            }
            Message::Restored(id, checked, reasons, result, outcome) => {
                if result.outputs.iter().any(|output| may_be_a_program(&output.content)) {
                    self.ground.tools.forget_places();
                }
                self.take_restored(id, checked, reasons, result, outcome)
            }
            Message::Ran(id, checked, outcome) => {
                self.ground.tools.forget_places();
                self.take_ran(id, checked, outcome)
            }
            Message::Panicked => {}
            Message::Slot(slot) => {
                if self.is_halted() {
                    self.asked = None;
                } else {
                    self.start(slot, scope);
                }
            }
        }
    }

    fn take_checked(&mut self, id: ActionId, mut checked: Box<Checked>) {
        self.warn(std::mem::take(&mut checked.warnings));
        let key = checked.fingerprint.key;
        let mut checked_in = None;
        let (reasons, hit) = match &mut checked.verdict {
            Verdict::FileSet => return self.fresh(id, &checked, &[], Duration::ZERO),
            Verdict::Fresh(record) => {
                let record = record.clone();
                return self.fresh(id, &checked, &record.result.outputs, record.result.duration);
            }
            Verdict::Skipped => return self.skip_unavailable(id, &checked),
            Verdict::Stale { reasons, hit } => (reasons.clone(), hit.take()),
            Verdict::CheckedIn { reasons, result, files } => {
                checked_in = Some(files.clone());
                (reasons.clone(), Some(result.clone()))
            }
        };
        if self.is_halted() {
            // It is idle again and skipped with the others.
            return self.states.set(id, State::Ready);
        }
        if !self.states.claim(key, id) {
            return;
        }
        match hit {
            Some(result) => {
                self.states.set(id, State::Restoring);
                self.disturbed = true;
                let action = self.ground.project.graph[id].name.clone();
                (self.report)(Event::Restoring { action });
                let _ =
                    self.ways.to_pool.send(Job::Restore(id, checked, reasons, result, checked_in));
            }
            None => self.queue(id, checked),
        }
    }

    /// Leaves nothing in `{out}` of an action that cannot run: what stood there was made of something else.
    fn skip_unavailable(&mut self, id: ActionId, checked: &Checked) {
        let roots = self.ground.project.roots(id);
        if fs::read_dir(&roots.out).is_ok_and(|mut entries| entries.next().is_some()) {
            self.disturbed = true;
        }
        if let Err(failure) = unavailable::leave_nothing(self.ground, &roots) {
            return self.fail(id, failure, Told::default());
        }
        let why = checked.lack.as_ref().map(Lack::told).unwrap_or_default();
        self.up_to_date.insert(id, unavailable::left(self.ground, id, checked));
        self.states.succeed(id);
        self.finish(id, Status::Skipped(Skip::Unavailable(why)), Told::default());
    }

    /// What was to be restored of an action is not to be had: it runs, or goes the next way if it cannot.
    fn instead_of_restoring(&mut self, id: ActionId, checked: Box<Checked>) {
        if checked.lack.is_none() {
            return self.queue(id, checked);
        }
        let way = match checked.verdict {
            Verdict::CheckedIn { .. } => Way::Policy,
            _ => Way::CheckedIn,
        };
        self.states.release(&checked.fingerprint.key);
        self.states.set(id, State::Checking);
        let _ = self.ways.to_pool.send(Job::Check(id, checked.needs, None, way));
    }

    fn queue(&mut self, id: ActionId, checked: Box<Checked>) {
        self.states.set(id, State::Queued);
        self.checked.insert(id, checked);
    }

    fn fresh(&mut self, id: ActionId, checked: &Checked, outputs: &[Output], saved: Duration) {
        if checked.lack.is_some() {
            // It depends on more than what it reads: on what is not here, and on what stands in for it.
            self.fresh_alone = None;
        }
        self.fresh_saved += saved;
        let told = Told { key: Some(checked.fingerprint.key), saved, ..Told::default() };
        if let Err(error) = find::remember(self.ground, id, &checked.discovered) {
            self.warn(vec![error.to_string()]);
        }
        self.succeed(id, checked, outputs, Status::Fresh, told);
    }

    fn take_restored(
        &mut self,
        id: ActionId,
        mut checked: Box<Checked>,
        reasons: Vec<DirtyReason>,
        result: ActionResult,
        outcome: restore::Outcome,
    ) {
        self.in_use.remove(&id);
        let key = Some(checked.fingerprint.key);
        match outcome {
            restore::Outcome::Restored { duration, bytes, warnings } => {
                self.warn(warnings);
                let source = match &checked.verdict {
                    Verdict::CheckedIn { files, .. } => files.name(),
                    _ => {
                        self.ground.store.map_or("", |store| store.source(&checked.fingerprint.key))
                    }
                };
                let source = source.to_owned();
                let saved = result.duration.saturating_sub(duration);
                let told = Told { key, duration, saved, reasons, printed: result.log.is_some() };
                self.succeed(
                    id,
                    &checked,
                    &result.outputs,
                    Status::Restored { source, bytes },
                    told,
                );
            }
            restore::Outcome::Missed(message) => {
                self.warn(vec![message]);
                self.instead_of_restoring(id, checked);
            }
            restore::Outcome::Unfitting(message) => {
                self.warn(vec![message]);
                checked.is_kept = false;
                self.instead_of_restoring(id, checked);
            }
            restore::Outcome::Failed(failure) => {
                self.states.release(&checked.fingerprint.key);
                self.fail(id, failure, Told { key, reasons, ..Told::default() });
            }
        }
    }

    fn take_ran(&mut self, id: ActionId, mut checked: Box<Checked>, outcome: run::Outcome) {
        self.in_use.remove(&id);
        self.warn(outcome.warnings);
        // What it was claimed by goes back first: what it was found to read may have given it another key.
        self.states.release(&checked.fingerprint.key);
        if let Some(completion) = outcome.completion {
            checked.complete(*completion);
        }
        let told = Told {
            key: Some(checked.fingerprint.key),
            duration: outcome.duration,
            saved: Duration::ZERO,
            reasons: checked.reasons().to_vec(),
            printed: outcome.printed,
        };
        match outcome.ending {
            run::RunEnding::Done(outputs) => {
                self.succeed(id, &checked, &outputs, Status::Ran, told)
            }
            run::RunEnding::Disturbed(outputs, message) if !self.options.strict => {
                self.warn(vec![message]);
                self.succeed(id, &checked, &outputs, Status::Ran, told);
            }
            run::RunEnding::Disturbed(_, message) => {
                let hint = "build again once nothing changes".to_owned();
                self.fail(id, Failure::Inputs { message, hint }, told);
            }
            run::RunEnding::Failed(failure) => self.fail(id, failure, told),
            run::RunEnding::Stopped => {
                self.states.set(id, State::Done);
                self.finish(id, Status::Skipped(Skip::Stopped), told);
            }
        }
    }

    fn succeed(
        &mut self,
        id: ActionId,
        checked: &Checked,
        outputs: &[Output],
        status: Status,
        told: Told,
    ) {
        let state = check::up_to_date(self.ground, id, outputs, checked);
        if let Some(fresh_alone) = &mut self.fresh_alone {
            fresh_alone.push((id, (Arc::clone(&state), told.saved)));
        }
        self.up_to_date.insert(id, state);
        if matches!(status, Status::Restored { .. }) {
            self.states.release(&checked.fingerprint.key);
        }
        self.states.succeed(id);
        self.finish(id, status, told);
    }

    fn fail(&mut self, id: ActionId, failure: Failure, told: Told) {
        let skipped = self.states.fail(id);
        self.finish(id, Status::Failed(failure), told);
        for (dependent, need) in skipped {
            let need = self.ground.project.graph[need].name.clone();
            self.finish(dependent, Status::Skipped(Skip::Need(need)), Told::default());
        }
    }

    /// Counts and tells how an action came out.
    fn finish(&mut self, id: ActionId, status: Status, told: Told) {
        if !matches!(status, Status::Fresh) {
            self.fresh_alone = None;
        }
        let action = &self.ground.project.graph[id];
        self.count(&status, told.saved);
        self.note(&action.name.to_string(), &status, &told);
        (self.report)(Event::Finished(Finished {
            action: action.name.clone(),
            status,
            key: told.key,
            duration: told.duration,
            saved: told.saved,
            reasons: told.reasons,
            log: told.printed.then(|| self.ground.state.log(&action.name)),
            is_check: action.run.is_some() && action.outputs.is_empty(),
        }));
    }

    fn count(&mut self, status: &Status, saved: Duration) {
        self.summary.saved += saved;
        match status {
            Status::Fresh => self.summary.fresh += 1,
            Status::Restored { .. } => self.summary.restored += 1,
            Status::Ran => self.summary.ran += 1,
            Status::Failed(failure) => {
                self.summary.failed += 1;
                self.summary.failed_by_environment +=
                    usize::from(matches!(failure, Failure::Environment { .. }));
            }
            Status::Skipped(skip) => {
                self.summary.skipped += 1;
                self.summary.unavailable += usize::from(matches!(skip, Skip::Unavailable(_)));
            }
        }
    }

    fn note(&mut self, action: &str, status: &Status, told: &Told) {
        let what = match status {
            Status::Restored { .. } => What::Restored,
            Status::Ran => What::Ran,
            Status::Failed(_) => What::Failed,
            Status::Fresh | Status::Skipped(_) => return,
        };
        let reason = told
            .reasons
            .first()
            .map(|reason| (reason.kind().to_owned(), reason.subject().map(str::to_owned)));
        self.history.push(Entry {
            build_ms: self.began_ms,
            action: action.to_owned(),
            what,
            duration: told.duration,
            saved: told.saved,
            reason,
            fresh: None,
        });
    }

    /// Writes what happened behind the history. A build in which all was fresh writes nothing.
    fn note_history(&mut self) {
        let Some(first) = self.history.first_mut() else { return };
        first.fresh = Some((self.summary.fresh as u64, self.fresh_saved));
        if let Err(error) = history::append(&self.ground.state.history(), &self.history) {
            self.warn(vec![error.to_string()]);
        }
    }

    /// Tells each message once, however many actions meet with it.
    fn warn(&mut self, messages: Vec<String>) {
        for message in messages {
            if self.warned.insert(message.clone()) {
                self.fresh_alone = None;
                (self.report)(Event::Warning { message });
            }
        }
    }
}

fn may_be_a_program(content: &Content) -> bool {
    match content {
        Content::File { executable, .. } => *executable,
        Content::Link { .. } => true,
        Content::EmptyDirectory => false,
    }
}

/// What is told of an action beside its status.
#[derive(Default)]
struct Told {
    key: Option<crate::digest::Key>,
    duration: Duration,
    saved: Duration,
    reasons: Vec<DirtyReason>,
    printed: bool,
}
