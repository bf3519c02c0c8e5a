//! The steps of a package from its build script: the same steps, with the same keys and the same store, as from the command line.
//! Knows no terminal; `directives` is what it says to Cargo.
//!
//! `{out}` of every step lies below `OUT_DIR`, and nothing is written elsewhere but to the store, to what Cargo said of
//! the workspace, and to where build scripts that share a step wait for each other (`<target>/granular/`, where that can be written).
//! So a step whose outputs lie in the tree cannot be built from here, nor one that needs such a step.

mod context;
mod directives;
mod guard;
mod rerun;

use crate::action::{ActionId, ActionName};
use crate::build::{self as engine, BuildError, Edges, Options};
use crate::cargo::Cargo;
use crate::config::Extra;
use crate::declare::Table;
use crate::environment;
use crate::error::Error;
use crate::event::{Event, Failure, Finished, Skip, Status, Summary};
use crate::execute::child::{self, ChildExecutor};
use crate::execute::slots::Jobserver;
use crate::execute::{Ending, Stop, interrupt};
use crate::mistake::Mistake;
use crate::ordered::{self, Map, Set};
use crate::path::Base;
use crate::project::{self, Project};
use crate::select::{self, Selection};
use crate::state::State;
use crate::state::records::Records;
use crate::step::{StepName, out_variable};
use crate::store::Store;
use crate::store::local::LocalStore;
use crate::store::place;
use crate::workspace::{self, ask};
use context::Context;
use guard::Guard;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::{fmt, fs};

/// Brings every step of the package up to date that is not `default = false` nor a test, and what they need in the workspace.
///
/// To be called from a build script, with `granular` as a build dependency:
///
/// ```no_run
/// granular::build()
/// ```
///
/// Says to Cargo what to watch, and sets `GRANULAR_OUT_<STEP>` (in capitals, `_` for what no variable can have) to the output directory of
/// each step, for `env!`. Ends the build script with errors that Cargo shows if a step cannot be brought up to date.
pub fn build() {
    let _ = steps().build();
}

/// All the steps that [`build`] brings up to date.
pub fn steps() -> Wanted {
    Wanted { names: Vec::new(), declared: None }
}

/// One step: by its name, if the package declares it, or else by its full name, `#step` or `package#step`. It may be `default = false`.
///
/// ```no_run
/// let web = granular::step("bundle").build();
/// println!("{}", web.dir("bundle").display());
/// ```
pub fn step(name: &str) -> Wanted {
    Wanted { names: vec![name.to_owned()], declared: None }
}

/// A step that is declared here instead of in a table: a command, run as it stands. The keys of the table are methods.
///
/// ```no_run
/// granular::run(["protoc", "--cpp_out={out}", "api.proto"]).inputs(["api.proto"]).outputs(["{out}"]).build();
/// ```
pub fn run<T: AsRef<str>>(command: impl IntoIterator<Item = T>) -> Declared {
    let command: Vec<String> = command.into_iter().map(|word| word.as_ref().to_owned()).collect();
    let program = command.first().map_or("", |program| program.as_str());
    let name = Path::new(program).file_stem().and_then(|name| name.to_str()).unwrap_or("step");
    let mut table = Table::default();
    table.array("run", &command);
    Declared { name: name.to_owned(), table }
}

/// What a build script wants to have up to date.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// As given; all of the package's where there is none.
    names: Vec<String>,
    declared: Option<(String, Table)>,
}

/// A step that is declared in a build script.
#[derive(Clone, Debug)]
pub struct Declared {
    name: String,
    table: Table,
}

/// Steps that are up to date, and where what they have left is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    steps: Map<String, StepOutputs>,
}

/// What one step has left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepOutputs {
    /// Its output directory, absolute. With a matrix it holds one directory for each combination.
    pub dir: PathBuf,
    /// Every file and link that it left, absolute, sorted.
    pub files: Vec<PathBuf>,
    /// What is missing here, if the step was skipped for that as it asks for (`unavailable = "skip"`): then the directory is empty.
    pub skipped: Option<String>,
}

/// Why steps are not up to date. Cargo has been told.
#[derive(Debug)]
pub struct Failed {
    messages: Vec<String>,
}

impl Wanted {
    /// Brings them up to date. Ends the build script with errors that Cargo shows if one cannot be.
    pub fn build(&self) -> Outputs {
        match self.try_build() {
            Ok(outputs) => outputs,
            Err(Failed { .. }) => std::process::exit(1),
        }
    }

    /// The same, for a build script that goes on without them. An error is for Cargo a warning then.
    pub fn try_build(&self) -> Result<Outputs, Failed> {
        bring_up_to_date(self).inspect_err(|failed| {
            failed.messages.iter().for_each(|message| directives::error(message));
        })
    }
}

impl Declared {
    /// What the step is called; by default as its program. Two steps of one build script need two names.
    pub fn name(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    /// What it reads: patterns, relative to the package.
    pub fn inputs<T: AsRef<str>>(mut self, patterns: impl IntoIterator<Item = T>) -> Self {
        self.table.array("inputs", patterns);
        self
    }

    /// What it leaves, below `{out}`.
    pub fn outputs<T: AsRef<str>>(mut self, patterns: impl IntoIterator<Item = T>) -> Self {
        self.table.array("outputs", patterns);
        self
    }

    /// Steps to bring up to date first: `step` of this package, `package#step`, or `#step` of the workspace.
    pub fn needs<T: AsRef<str>>(mut self, needs: impl IntoIterator<Item = T>) -> Self {
        self.table.array("needs", needs);
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.table.pair("env", name, value);
        self
    }

    /// Passes variables through whose values are part of the key.
    pub fn track_env<T: AsRef<str>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.table.array("track-env", names);
        self
    }

    /// Passes variables through that are not part of the key.
    pub fn pass_env<T: AsRef<str>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.table.array("pass-env", names);
        self
    }

    /// Programs that it uses besides the one that it starts.
    pub fn tools<T: AsRef<str>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        self.table.array("tools", names);
        self
    }

    /// What is done where a tool or a source is missing: `"skip"`, or `"error"` as without it.
    pub fn unavailable(mut self, policy: &str) -> Self {
        self.table.text("unavailable", policy);
        self
    }

    /// A directory of the package with a copy of what it leaves in `{out}`, for where it cannot run.
    pub fn checked_in(mut self, dir: &str) -> Self {
        self.table.text("checked-in", dir);
        self
    }

    /// The directory that it is run in, relative to the package.
    pub fn dir(mut self, dir: &str) -> Self {
        self.table.text("dir", dir);
        self
    }

    /// Brings it up to date; see [`Wanted::build`].
    pub fn build(&self) -> StepOutputs {
        self.wanted().build().steps.remove(&self.name).unwrap_or_default()
    }

    /// See [`Wanted::try_build`].
    pub fn try_build(&self) -> Result<StepOutputs, Failed> {
        Ok(self.wanted().try_build()?.steps.remove(&self.name).unwrap_or_default())
    }

    fn wanted(&self) -> Wanted {
        Wanted {
            names: vec![self.name.clone()],
            declared: Some((self.name.clone(), self.table.clone())),
        }
    }
}

impl StepOutputs {
    /// Whether the step was skipped, since it cannot run here and asks for that.
    pub fn is_skipped(&self) -> bool {
        self.skipped.is_some()
    }
}

impl Outputs {
    /// What the step has left, by the name it was asked for by.
    pub fn step(&self, name: &str) -> Option<&StepOutputs> {
        self.steps.get(name)
    }

    /// The output directory of a step. Ends the build script if none of that name was asked for.
    pub fn dir(&self, name: &str) -> &Path {
        match self.steps.get(name) {
            Some(step) => &step.dir,
            None => {
                let known: Vec<_> = self.steps.keys().map(|name| format!("`{name}`")).collect();
                let known = known.join(", ");
                directives::error(&format!("no step `{name}` was asked for; there is {known}"));
                std::process::exit(1)
            }
        }
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &StepOutputs)> {
        self.steps.iter().map(|(name, step)| (name.as_str(), step))
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.messages.join("\n"))
    }
}

impl std::error::Error for Failed {}

impl Failed {
    fn new(message: impl Into<String>) -> Self {
        Self { messages: vec![message.into()] }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let hint = error.way_out().map(|way_out| format!(" ({way_out})")).unwrap_or_default();
        Self::new(format!("{error}{hint}"))
    }
}

fn bring_up_to_date(wanted: &Wanted) -> Result<Outputs, Failed> {
    let env: Map<_, _> = std::env::vars_os().collect();
    // The jobserver's descriptors are looked for before there are others that could be mistaken for them.
    let jobserver = Jobserver::new(None, &env)?;
    let context = Context::new(env).map_err(|name| {
        Failed::new(format!("granular is not called from a build script: there is no {name}"))
    })?;
    if let Some((name, _)) = &wanted.declared {
        claim_name(name)?;
    }
    let (project, known, question) = open(&context, wanted)?;
    let ids = select(&project, &context, &wanted.names)?;
    let planned = engine::plan::closure(&project.graph, &ids);
    say_what_to_watch(&project, &planned, &context);
    refuse_outputs_in_the_tree(&project, &planned)?;
    // What is shared with other build scripts and with the command line; a checkout that cannot be written does without.
    let _ = State::new(project.workspace.state_dir()).create();
    workspace::remember(&question, &known);
    let summary = engine(&project, &context, &ids, &jobserver)?;
    rerun::found(&project, &planned).iter().for_each(|path| directives::rerun_if_changed(path));
    let built = project.cargo.sources();
    if !built.is_empty() {
        let workspace = &project.workspace;
        let manifests = workspace.packages.iter().map(|package| package.manifest.clone());
        let watched = manifests.chain([workspace.root.join("Cargo.lock")]).chain(built);
        let there: Set<PathBuf> = watched.filter(|path| path.exists()).collect();
        there.iter().for_each(|path| directives::rerun_if_changed(path));
    }
    if !summary.failures.is_empty() || !summary.summary.success() {
        return Err(Failed { messages: summary.failures });
    }
    let outputs = outputs(&project, &context, &wanted.names, &ids, &summary.skipped);
    for (name, step) in outputs.iter() {
        let bare = name.rsplit('#').next().unwrap_or(name);
        directives::set_env(&out_variable(bare), &step.dir);
    }
    Ok(outputs)
}

/// Two steps of one name would clear each other's outputs.
fn claim_name(name: &str) -> Result<(), Failed> {
    static CLAIMED: Mutex<Set<String>> = Mutex::new(Set::new());
    let is_new = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    match is_new {
        true => Ok(()),
        false => Err(Failed::new(format!(
            "this build script declares two steps called `{name}`: give one another name with `.name(…)`"
        ))),
    }
}

fn open(
    context: &Context,
    wanted: &Wanted,
) -> Result<(Project, workspace::Known, ask::Question), Failed> {
    let question = ask::Question {
        cargo: context.cargo.clone(),
        dir: context.manifest_dir.clone(),
        env: std::env::vars_os().collect(),
        ..ask::Question::default()
    };
    let known = workspace::find(&question).map_err(|refusal| match refusal {
        ask::Refusal::Words(words) => Failed::new(words),
        ask::Refusal::Environment(error) => error.into(),
    })?;
    let extra = wanted.declared.as_ref().map(|(name, table)| Extra {
        package: context.package.clone(),
        file: context.manifest_dir.join("build.rs"),
        dir: context.manifest_dir.clone(),
        text: table.toml(name),
    });
    let workspace = known.workspace.clone();
    let (mut project, mut mistakes) =
        project::load_with(workspace, context.state_dir(), extra.as_ref(), &context.triple)?;
    if !mistakes.is_empty() {
        mistakes.extend(engine::mistakes_of_files(&project, &mistakes));
        return Err(told(&mistakes, &project));
    }
    // The Cargo that waits for this build script has locked its own target directory.
    project.cargo = Cargo::new(context.cargo.clone(), context.state_dir().join("cargo"));
    project.cargo.env = context.env.clone();
    Ok((project, known, question))
}

/// A mistake for each line, where it stands.
fn told(mistakes: &[Mistake], project: &Project) -> Failed {
    let root = &project.workspace.root;
    let tell = |mistake: &Mistake| {
        let place = &mistake.place;
        let file = place.file.strip_prefix(root).unwrap_or(&place.file).display();
        let text = fs::read_to_string(&place.file).unwrap_or_default();
        let line = text.get(..place.span.start).map_or(1, |above| above.matches('\n').count() + 1);
        let label = if place.label.is_empty() { "" } else { ": " };
        let help = mistake.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{file}:{line}: {}{label}{}{help}", mistake.message, place.label)
    };
    Failed { messages: mistakes.iter().map(tell).collect() }
}

fn select(project: &Project, context: &Context, names: &[String]) -> Result<Vec<ActionId>, Failed> {
    let full = |name: &String| match name.contains('#') {
        true => name.clone(),
        false => {
            StepName { package: Some(context.package.clone()), step: name.clone() }.to_string()
        }
    };
    let selection = Selection {
        steps: names.iter().map(full).collect(),
        packages: vec![context.package.clone()],
        ..Selection::default()
    };
    select::select(&project.graph, &selection).map_err(|unknown| {
        let help = unknown.help.map(|help| format!(" ({help})")).unwrap_or_default();
        Failed::new(format!("{}{help}", unknown.message))
    })
}

fn say_what_to_watch(project: &Project, planned: &[ActionId], context: &Context) {
    let watched = rerun::watched(project, planned, &context.env);
    directives::rerun_if_changed(&context.manifest_dir.join("build.rs"));
    watched.paths.iter().for_each(|path| directives::rerun_if_changed(path));
    watched.variables.iter().for_each(|name| directives::rerun_if_env_changed(name));
}

/// A build script that writes among the sources breaks `cargo package`, read-only checkouts, and whoever edits there.
fn refuse_outputs_in_the_tree(project: &Project, planned: &[ActionId]) -> Result<(), Failed> {
    let in_tree = planned.iter().filter_map(|id| {
        let action = &project.graph[*id];
        let output = action.outputs.iter().find(|output| output.literal().base == Base::Tree)?;
        Some((&action.name, output.text().to_owned()))
    });
    let messages: Vec<_> = in_tree
        .map(|(name, output)| {
            format!(
                "step `{name}` leaves `{output}` among the sources, which a build script must not: \
                 let it write below `{{out}}`, or build it with `cargo granular build` only"
            )
        })
        .collect();
    if messages.is_empty() { Ok(()) } else { Err(Failed { messages }) }
}

/// How a build came out, with the words for Cargo on what failed.
struct Done {
    summary: Summary,
    failures: Vec<String>,
    /// The actions that cannot run here, with what is missing.
    skipped: Map<ActionName, String>,
}

fn engine(
    project: &Project,
    context: &Context,
    ids: &[ActionId],
    jobserver: &Jobserver,
) -> Result<Done, Failed> {
    let settings = &project.config.settings;
    let named = environment::path(&context.env, place::VARIABLE).filter(|dir| dir.is_absolute());
    let dir = named.or_else(|| settings.cache_dir.clone()).or_else(|| place::usual(&context.env));
    let store = dir.as_deref().map(LocalStore::open);
    let executor = ChildExecutor::new(Some(jobserver.clone()));
    let stop = Stop::default();
    interrupt::listen(&stop)
        .map_err(|error| Error::new(format!("cannot listen to signals: {error}")))?;
    let edges = Edges {
        store: store.as_ref().map(|store| store as &dyn Store),
        executor: &Guard(&executor),
        jobserver,
        env: &context.env,
        stop: &stop,
    };
    // Steps that are shown as failed are all that failed: a build script has one chance to tell.
    let options = Options { keep_going: true, ..Options::default() };
    let (mut failures, mut skipped) = (Vec::new(), Map::new());
    let built = engine::build(project, ids, &options, &edges, &mut |event| {
        if let Event::Finished(Finished { action, status, .. }) = &event
            && let Status::Skipped(Skip::Unavailable(why)) = status
        {
            skipped.insert(action.clone(), why.clone());
        }
        tell(&event, &mut failures);
    });
    child::reap_orphans();
    let summary = match built {
        Ok(summary) => summary,
        Err(BuildError::Mistakes(mistakes)) => return Err(told(&mistakes, project)),
        Err(BuildError::Environment(error)) => return Err(error.into()),
    };
    if let Some(store) = &store {
        // That it is too large is nothing that a build script fails for, or that Cargo's user could mend here.
        let _ = store.keep_within(settings.cache_size.unwrap_or(place::USUAL_SIZE));
    }
    if summary.stopped {
        failures.push("interrupted".to_owned());
    }
    Ok(Done { summary, failures, skipped })
}

fn tell(event: &Event, failures: &mut Vec<String>) {
    match event {
        Event::Waiting { .. } => directives::note("waiting for another build in this directory"),
        Event::Planned { .. }
        | Event::Restoring { .. }
        | Event::Verifying { .. }
        | Event::Verified { .. } => {}
        Event::Compiling { action, artifacts } => {
            let artifacts = artifacts.join(", ");
            directives::note(&format!("asking Cargo for {artifacts}, which {action} reads"));
        }
        Event::Started { action } => directives::note(&format!("running {action}")),
        Event::Warning { message } => directives::warning(message),
        Event::Finished(finished) => tell_finished(finished, failures),
    }
}

fn tell_finished(finished: &Finished, failures: &mut Vec<String>) {
    let name = &finished.action;
    let failure = match &finished.status {
        Status::Fresh => return directives::note(&format!("{name} is fresh")),
        Status::Restored { source, .. } => {
            return directives::note(&format!("restored {name} from {source}"));
        }
        Status::Ran => {
            let millis = finished.duration.as_millis();
            return directives::note(&format!("ran {name} in {millis} ms"));
        }
        Status::Skipped(_) => return,
        Status::Failed(failure) => failure,
    };
    if let Some(log) = finished.log.as_deref().and_then(|log| fs::read(log).ok()) {
        directives::note(&format!("---- {name} printed:"));
        String::from_utf8_lossy(&log).lines().for_each(directives::note);
        directives::note("----");
    }
    match failure {
        Failure::Command { ending, repeat } => {
            failures.push(format!("step `{name}` failed: {}", ended(*ending)));
            failures.extend(finished.log.as_ref().map(|log| format!("its log: {}", log.display())));
            failures.push(format!("to repeat it: {repeat}"));
        }
        Failure::Outputs { faults, repeat } => {
            failures.extend(faults.iter().map(|fault| format!("step `{name}` failed: {fault}")));
            failures.push(format!("to repeat it: {repeat}"));
        }
        Failure::Inputs { message, hint } => {
            failures.push(format!("step `{name}` failed: {message} ({hint})"));
        }
        Failure::Environment { message, hint } | Failure::Finding { message, hint } => {
            let hint = hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
            failures.push(format!("step `{name}` failed: {message}{hint}"));
        }
    }
}

fn ended(ending: Ending) -> String {
    match ending {
        Ending::Exited(code) => format!("exit code {code}"),
        Ending::Signal(signal) => format!("ended by signal {signal}"),
        Ending::TimedOut => "timed out".to_owned(),
        Ending::Stopped => "stopped".to_owned(),
    }
}

/// What is recorded of the wanted steps.
fn outputs(
    project: &Project,
    context: &Context,
    names: &[String],
    ids: &[ActionId],
    skipped: &Map<ActionName, String>,
) -> Outputs {
    let records = Records::open(&State::new(context.state_dir()).records());
    let mut outputs = Outputs::default();
    for &id in ids {
        let action = &project.graph[id];
        let step = &action.name.step;
        let name = names
            .iter()
            .find(|name| **name == step.to_string())
            .cloned()
            .unwrap_or_else(|| step.step.clone());
        let entry = outputs.steps.get_or_insert_with(name, StepOutputs::default);
        entry.dir = action.name.step_out_dir().under(&context.state_dir().join("out"));
        let roots = project.roots(id);
        if let Some(why) = skipped.get(&action.name) {
            entry.skipped.get_or_insert_with(|| why.clone());
            continue;
        }
        if let Some(Ok(record)) = records.get(&action.name.to_string()) {
            entry.files.extend(record.result.outputs.iter().map(|output| roots.path(&output.path)));
        }
    }
    outputs.steps.values_mut().for_each(|step| ordered::sort(&mut step.files));
    outputs
}
