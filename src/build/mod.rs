//! Brings actions up to date. One thread owns the states and decides; workers check, restore and run, and report over a channel.
//! Knows no terminal and no arguments; what it works with comes in as [`Edges`], what happens goes out as [`Event`]s.
//!
//! In reading order: `plan` (what is wanted and in which order), `files` and `find` (what is read: as declared, and as found), `check` (is it fresh, does a store have it), `unavailable` (and if it cannot run), `restore`,
//! `run` and `command` (the two ways to bring it up to date), `recheck` (did anything change meanwhile), `owner` (the loop that decides), `witness` (what was looked at where all was fresh).

pub(crate) mod check;
pub(crate) mod command;
pub(crate) mod files;
pub(crate) mod find;
mod owner;
pub(crate) mod places;
pub(crate) mod plan;
mod recheck;
mod restore;
pub(crate) mod run;
mod states;
pub(crate) mod unavailable;
mod witness;

use crate::action::ActionId;
use crate::cargo::Beside;
use crate::error::{Error, Result};
use crate::event::{Event, Summary};
use crate::execute::slots::Jobserver;
use crate::execute::{Executor, Stop, remains};
use crate::index::Index;
use crate::inputs::{FoundInputs, Hidden};
use crate::mistake::Mistake;
use crate::ordered::Map;
use crate::project::Project;
use crate::state::lock::{self, CheckoutLock};
use crate::state::records::Records;
use crate::state::{self, State};
use crate::store::Store;
use crate::tools::Tools;
use crate::untouched::{self, Edited, Question};
use places::Places;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::num::NonZero;
use std::thread;
use std::time::Instant;

/// How a build is to go about it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whether to go on with what does not depend on a failed step.
    pub keep_going: bool,
    /// Whether what was asked for (not what it needs) runs again although it is up to date.
    pub force: bool,
    /// Whether a step fails if what it reads or leaves is changed meanwhile; otherwise that is only told, and its result not kept.
    pub strict: bool,
    /// What is asked, if it is to be remembered that everything was fresh.
    pub question: Option<Question>,
    /// What of that which was fresh has been edited since, if that is known.
    pub edited: Option<Edited>,
}

/// What a build works with, besides the project: its edges to the world.
pub struct Edges<'a> {
    /// Where results are kept; `None` to do without.
    pub store: Option<&'a dyn Store>,
    /// What runs commands.
    pub executor: &'a dyn Executor,
    /// How many may run at once, children of theirs included.
    pub jobserver: &'a Jobserver,
    /// The environment of this process.
    pub env: &'a Map<OsString, OsString>,
    /// Tells when to stop.
    pub stop: &'a Stop,
}

/// Why a build did not come to a [`Summary`].
#[derive(Debug)]
pub enum BuildError {
    /// Mistakes that only the files show, such as a pattern that matches nothing. Nothing has run.
    Mistakes(Vec<Mistake>),
    /// The environment. What was finished before is kept.
    Environment(Error),
}

impl From<Error> for BuildError {
    fn from(error: Error) -> Self {
        Self::Environment(error)
    }
}

/// What all workers of one build share. Nothing in it decides anything.
pub(crate) struct Ground<'a> {
    pub(crate) project: &'a Project,
    /// Where results are kept, if anywhere.
    pub(crate) store: Option<&'a dyn Store>,
    /// The environment of this process.
    pub(crate) env: &'a Map<OsString, OsString>,
    pub(crate) state: &'a State,
    pub(crate) index: &'a Index,
    pub(crate) records: &'a Records,
    pub(crate) tools: &'a Tools,
    pub(crate) hidden: &'a Hidden,
    pub(crate) findings: &'a find::Findings,
    /// The actions that run whatever is recorded.
    pub(crate) forced: &'a [ActionId],
    /// What Cargo is run beside; `None` where nothing may be run.
    pub(crate) beside: Option<Beside<'a>>,
    /// Where its workers are at work.
    pub(crate) places: Places,
}

/// Brings `wanted` and all that it needs up to date. A failed step is no error: it is in the summary.
pub fn build(
    project: &Project,
    wanted: &[ActionId],
    options: &Options,
    edges: &Edges<'_>,
    report: &mut dyn FnMut(Event),
) -> Result<Summary, BuildError> {
    let state = State::new(project.state_dir.clone());
    let began = Instant::now();
    let mut has_waited = false;
    let held = hold(project, &state, edges, &mut |event| {
        has_waited |= matches!(event, Event::Waiting { .. });
        report(event);
    })?;
    // Whom it waited for may have changed anything since the look, also without a word in these records: outputs in the tree belong to every target directory.
    let edited = options.edited.clone().filter(|_| !has_waited);
    let options = &Options { edited, ..options.clone() };
    match held {
        Some(_lock) => build_held(project, &state, wanted, options, edges, report),
        None => Ok(Summary { stopped: true, duration: began.elapsed(), ..Summary::default() }),
    }
}

/// The mistakes that only files show, such as a pattern that matches nothing, of the steps that have none of those `told` already: so
/// that a user with several kinds of mistakes sees all of them at once. Trouble with reading finds nothing; a build will tell it.
pub fn mistakes_of_files(project: &Project, told: &[Mistake]) -> Vec<Mistake> {
    let is_told = |id: &ActionId| {
        let Some(step) = project.step_of(*id) else { return true };
        let in_file = project.config.steps.iter().filter(|other| other.manifest == step.manifest);
        let next = in_file.map(|other| other.span.start).filter(|start| *start > step.span.start);
        let table = step.span.start..next.min().unwrap_or(usize::MAX);
        let places = told.iter().map(|mistake| &mistake.place);
        places
            .filter(|place| place.file == step.manifest)
            .any(|place| table.contains(&place.span.start))
    };
    let ids: Vec<_> = project.graph.ids().filter(|id| !is_told(id)).collect();
    match files::find(project, &ids, &files::hidden(project)) {
        Err(BuildError::Mistakes(mistakes)) => mistakes,
        Ok(_) | Err(BuildError::Environment(_)) => Vec::new(),
    }
}

/// Takes the checkout for this process alone. `None` if asked to stop before it is free.
pub(crate) fn hold(
    project: &Project,
    state: &State,
    edges: &Edges<'_>,
    report: &mut dyn FnMut(Event),
) -> Result<Option<CheckoutLock>> {
    refuse_inside(state, edges.env)?;
    let mut waiting = |process| report(Event::Waiting { process });
    // A build script leaves the tree alone, and several of one workspace may run at once.
    let root = (!project.is_in_build_script()).then_some(&*project.workspace.root);
    lock::take(root, state, edges.stop, &mut waiting)
}

/// Refuses to wait for a checkout that is held for the very step which this process was started by, however many checkouts lie between.
pub(crate) fn refuse_inside(state: &State, env: &Map<OsString, OsString>) -> Result<()> {
    let held = env.get(OsStr::new(command::HELD));
    if !held.is_some_and(|held| std::env::split_paths(held).any(|dir| dir == state.dir())) {
        return Ok(());
    }
    let error = Error::new("a step runs cargo granular in the workspace that is being built");
    Err(error.hint(
        "each would wait for the other for ever: declare what it builds as a step, and need that",
    ))
}

/// [`build`], in a checkout that is held.
pub(crate) fn build_held(
    project: &Project,
    state: &State,
    wanted: &[ActionId],
    options: &Options,
    edges: &Edges<'_>,
    report: &mut dyn FnMut(Event),
) -> Result<Summary, BuildError> {
    let began = Instant::now();
    empty_staging(state)?;

    let planned = plan::closure(&project.graph, wanted);
    let hidden = files::hidden(project);
    let untouched =
        options.edited.as_ref().and_then(|it| witness::untouched(project, state, &planned, it));
    // What is kept of earlier builds is read while the files are looked for.
    let open = || (Index::open(&state.index()), Records::open(&state.records()));
    let (found, (index, records)) = thread::scope(|scope| {
        let opening = thread::Builder::new().spawn_scoped(scope, open).ok();
        let found = match &untouched {
            Some(_) => Ok(Default::default()),
            None => files::find(project, &planned, &hidden),
        };
        let opened = opening.and_then(|it| it.join().ok());
        (found, opened.unwrap_or_else(open))
    });
    let (found, trail) = found?;
    report(Event::Planned {
        actions: planned.iter().map(|id| project.graph[*id].name.clone()).collect(),
    });

    end_remains(&records, state, report);
    // What tools say does not depend on who asks, so that all entries to this workspace share it.
    let remembered = State::new(project.workspace.state_dir()).tools();
    let tools = Tools::open(&remembered);
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let workers = edges.jobserver.limit().unwrap_or(processors).clamp(1, processors);
    let ground = Ground {
        project,
        store: edges.store,
        env: edges.env,
        state,
        index: &index,
        records: &records,
        tools: &tools,
        hidden: &hidden,
        findings: &find::Findings::new(project, &planned),
        forced: if options.force { wanted } else { &[] },
        beside: Some(Beside { jobserver: edges.jobserver, stop: edges.stop }),
        places: Places::new(workers),
    };
    let looked_at_all = untouched.is_none();
    let look = owner::Look { found, untouched: untouched.unwrap_or_default() };
    let (mut summary, up_to_date) =
        owner::run(&ground, edges, &planned, workers, look, options, report)?;
    empty_staging(state)?;
    if let Some(question) = &options.question
        && let Some(up_to_date) = up_to_date
    {
        let witness = || witness::of(&ground, &planned, &up_to_date, trail);
        match looked_at_all.then(witness).flatten() {
            Some(witness) => untouched::keep(state, question, witness, edges.env),
            // The next build, which finds no proof, looks at everything and makes a new one.
            None => untouched::forget(state, question),
        }
    }
    if let Err(error) = index.save(&state.index()) {
        report(Event::Warning { message: error.to_string() });
    }
    tools.save(&remembered);
    summary.duration = began.elapsed();
    Ok(summary)
}

/// Ends what a killed build has left running: its steps would write into the outputs of this one. The lock is held, so nobody else can
/// rightly run a step of this checkout.
fn end_remains(records: &Records, state: &State, report: &mut dyn FnMut(Event)) {
    if !records.may_have_begun() && !state.is_behind_another_version() {
        return;
    }
    let names = remains::kill(command::STATE, state.dir().as_os_str());
    if !names.is_empty() {
        let names = names.join(", ");
        let message = format!(
            "an earlier build was killed and left processes running, which were killed: {names}"
        );
        report(Event::Warning { message });
    }
}

/// Takes away what an earlier build left in staging when it was killed. The lock is held: nobody else works there.
fn empty_staging(state: &State) -> Result<()> {
    let tmp = state.tmp();
    match fs::remove_dir_all(&tmp) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("cannot empty", &tmp, error))
        }
        _ => Ok(()),
    }
}

/// What was found of each planned action's inputs; see [`files`].
pub(crate) type Found = Map<ActionId, FoundInputs>;

/// Now, as results and records note it.
pub(crate) fn now_ms() -> u64 {
    state::now_ms()
}
