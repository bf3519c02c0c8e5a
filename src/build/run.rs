//! Runs one action: clears its outputs, runs the command, captures what it left, and looks at the inputs again.

use super::check::{self, Checked, environment};
use super::find::{Incomplete, Reads};
use super::recheck::{self, Changed};
use super::unavailable;
use super::{Edges, Ground, command, find, now_ms, restore};
use crate::action::ActionId;
use crate::content::{Content, Input, Output};
use crate::error::{Error, Result};
use crate::event::Failure;
use crate::execute::{Ending, Finish, MOST_HELD};
use crate::fingerprint::{self, Fingerprint};
use crate::found::FoundSet;
use crate::index::Index;
use crate::ordered::{Map, Set};
use crate::outputs::{self, CaptureError, Captured, Displaced, Present, Roots, Unfit};
use crate::own_file;
use crate::path::{Base, OutputPath, RelPath};
use crate::pattern::OutputPattern;
use crate::reason::DirtyReason;
use crate::result::ActionResult;
use crate::stat::Kind;
use crate::state::records::{Forgotten, Known, Record, Why};
use crate::step::Run;
use crate::store::made_with::MadeWith;
use crate::store::{Origin, Store, StoreError};
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::slice;
use std::time::{Duration, SystemTime};

/// How a run came out.
pub(crate) struct Outcome {
    pub(crate) ending: RunEnding,
    /// How long the command took; its last try if there were several.
    pub(crate) duration: Duration,
    /// Whether it printed anything.
    pub(crate) printed: bool,
    /// What its dependency files told.
    pub(crate) completion: Option<Box<Completion>>,
    /// What is to be told.
    pub(crate) warnings: Vec<String>,
}

impl Outcome {
    /// It was not even begun.
    pub(crate) fn failed(failure: Failure) -> Self {
        let ending = RunEnding::Failed(failure);
        Self {
            ending,
            duration: Duration::ZERO,
            printed: false,
            completion: None,
            warnings: Vec::new(),
        }
    }
}

/// What an action was found to read by its dependency files.
pub(crate) struct Completion {
    set: FoundSet,
    reads: Reads,
    fingerprint: Fingerprint,
}

/// In what way.
pub(crate) enum RunEnding {
    /// It left these outputs.
    Done(Vec<Output>),
    /// It left these outputs, but something changed underneath, as this says: nothing of it is kept.
    Disturbed(Vec<Output>, String),
    /// It failed.
    Failed(Failure),
    /// It was stopped, because the build was.
    Stopped,
}

/// One run: of what, where, and with what.
struct Attempt<'a> {
    ground: &'a Ground<'a>,
    edges: &'a Edges<'a>,
    id: ActionId,
    name: String,
    checked: &'a Checked,
    what: &'a Run,
    roots: Roots,
    /// What of the outputs was made by us: nothing else in the tree may be deleted.
    ours: Vec<Output>,
    /// What its last good run left, for as long as it may stay.
    stays: Vec<Output>,
    /// Which of its inputs changed during its last run, as they were afterwards.
    changed_before: Vec<Input>,
    /// Which of its inputs a process of its own was seen to open for writing in this run.
    opened: Set<RelPath>,
    /// Whether the last run or restore was killed.
    was_killed: bool,
}

/// Runs an action that was found stale.
pub(crate) fn run(
    ground: &Ground<'_>,
    edges: &Edges<'_>,
    id: ActionId,
    checked: &Checked,
    what: &Run,
) -> Outcome {
    let name = ground.project.graph[id].name.to_string();
    let known = ground.records.get(&name);
    let changed_before = match &known {
        Some(Err(forgotten)) => forgotten.changed.clone(),
        Some(Ok(_)) | None => Vec::new(),
    };
    let was_killed = was_killed(&known);
    let stays = match &known {
        Some(Ok(record)) if may_stay(ground, id, checked) => record.result.outputs.clone(),
        _ => Vec::new(),
    };
    let ours = ours(known);
    let roots = ground.project.roots(id);
    let opened = Set::new();
    let mut attempt = Attempt {
        ground,
        edges,
        id,
        name,
        checked,
        what,
        roots,
        ours,
        stays,
        changed_before,
        opened,
        was_killed,
    };
    let mut outcome = Outcome {
        ending: RunEnding::Stopped,
        duration: Duration::ZERO,
        printed: false,
        completion: None,
        warnings: Vec::new(),
    };
    let ending = attempt.run(&mut outcome);
    outcome.ending = ending.unwrap_or_else(|error| RunEnding::Failed(environment(error)));
    // Of inputs that changed more is noted, where it is found out.
    if let RunEnding::Failed(failure) = &outcome.ending
        && !matches!(failure, Failure::Inputs { .. })
    {
        let noted = attempt.note_failure();
        outcome.warnings.extend(noted.err().map(|error| error.to_string()));
    }
    outcome
}

/// Whether what an action has left may stay while it runs again: not where it is asked to start from nothing.
fn may_stay(ground: &Ground<'_>, id: ActionId, checked: &Checked) -> bool {
    ground.project.graph[id].incremental && checked.reasons() != [DirtyReason::Forced]
}

impl Attempt<'_> {
    fn run(&mut self, outcome: &mut Outcome) -> Result<RunEnding> {
        let before = standing(self.ground, self.id, &self.ours, &self.roots)?;
        self.forget(Why::Begun)?;
        if self.checked.plain.is_some() {
            self.ground.findings.settle();
        }
        let started = SystemTime::now();
        let finish = match self.run_command(outcome)? {
            Ok(finish) => finish,
            Err(ending) => return Ok(ending),
        };
        outcome.warnings.extend(left_behind_message(&self.name, &finish.left_behind));
        let names = match find::prerequisites(self.ground, self.id, &self.roots)? {
            Ok(names) => names,
            Err(faults) => {
                self.claim_what_is_left()?;
                let repeat = command::repeat_line(
                    self.ground.project,
                    self.id,
                    self.what,
                    &self.checked.setting,
                );
                return Ok(RunEnding::Failed(Failure::Outputs { faults, repeat }));
            }
        };

        // The bytes of the outputs are kept first and the result last, so that no result is ever there without them.
        let patterns = &self.ground.project.graph[self.id].outputs;
        let captured =
            outputs::capture(patterns, &before, &self.roots, self.ground.index, self.ground.store);
        let captured = match captured {
            Ok(captured) => captured,
            Err(CaptureError::Unfit(unfit)) => {
                self.claim_what_is_left()?;
                let faults = unfit.iter().map(unfit_message).collect();
                let repeat = command::repeat_line(
                    self.ground.project,
                    self.id,
                    self.what,
                    &self.checked.setting,
                );
                return Ok(RunEnding::Failed(Failure::Outputs { faults, repeat }));
            }
            Err(CaptureError::Io(error)) => return Err(error),
        };
        let undeclared = outputs::prune_out(patterns, &self.roots)?;
        outcome.warnings.extend(undeclared_message(&self.name, &undeclared));
        self.keep(captured, &finish, &names, started, outcome)
    }

    /// Keeps what a good run left, in the store and in the records: unless something changed underneath, or not all that it read can be known.
    fn keep(
        &mut self,
        captured: Captured,
        finish: &Finish,
        names: &[String],
        started: SystemTime,
        outcome: &mut Outcome,
    ) -> Result<RunEnding> {
        let (ground, id, checked) = (self.ground, self.id, self.checked);
        let result = result_of(ground, id, &captured, finish, outcome);
        let changed = recheck::changed(ground, id, checked)?;
        if !changed.told.is_empty() || captured.changed.is_some() {
            return self.refuse(captured, changed);
        }
        let completion = match self.complete(names, started)? {
            Ok(completion) => completion,
            Err(Incomplete::Unknown(why)) => {
                let message = format!("{why}: its result is not kept, and it will run again");
                let ending = RunEnding::Disturbed(captured.outputs.clone(), message);
                return self.forsake(captured.outputs, Vec::new(), ending);
            }
            Err(Incomplete::Refused(failure)) => {
                self.claim_what_is_left()?;
                return Ok(RunEnding::Failed(failure));
            }
        };
        let (mut print, mut discovered) = (&checked.fingerprint, checked.discovered.clone());
        if let Some(completion) = &completion {
            print = &completion.fingerprint;
            discovered.now.set = Some(completion.set.clone());
        }
        if checked.is_kept {
            let found = checked.plain.as_deref().zip(discovered.now.set.as_ref());
            let found = found.map(|(plain, set)| (&plain.print, set));
            save_result(ground, id, print, found, &captured, &result, outcome);
        }
        let reasons = checked.reasons().to_vec();
        let record = Record { key: print.key, result, source: None, at_ms: now_ms(), reasons };
        restore::remember(ground, id, &print.text, &discovered, record)?;
        outcome.warnings.extend(unavailable::outdated(ground, id, &captured.outputs));
        outcome.completion = completion.map(Box::new);
        Ok(RunEnding::Done(captured.outputs))
    }

    /// Finds out what the run read, by its dependency files. Nothing where there are none.
    fn complete(
        &self,
        names: &[String],
        started: SystemTime,
    ) -> Result<std::result::Result<Option<Completion>, Incomplete>> {
        let (ground, id, checked) = (self.ground, self.id, self.checked);
        let Some(plain) = &checked.plain else { return Ok(Ok(None)) };
        let (set, reads) =
            match find::end(ground, id, &plain.found, &checked.found, names, started)? {
                Ok(known) => known,
                Err(incomplete) => return Ok(Err(incomplete)),
            };
        let fingerprint = check::fingerprint_of(ground, id, checked, &reads);
        Ok(Ok(Some(Completion { set, reads, fingerprint })))
    }

    /// Keeps nothing of a run during which something changed. Where a process of the step was seen to open for writing what has changed, it
    /// is the step's doing. Who else changed it cannot be seen from outside; but an input that is touched again in the next run, although
    /// nobody did in between, is touched by the build itself.
    fn refuse(&self, captured: Captured, changed: Changed) -> Result<RunEnding> {
        let own: Vec<_> = changed.paths.iter().filter(|path| self.opened.contains(*path)).collect();
        let rewritten = changed.inputs.iter().find(|now| self.is_rewritten(now));
        let ending = match (&own[..], rewritten, &captured.changed) {
            ([first, more @ ..], ..) => {
                RunEnding::Failed(rewrites_itself(&self.name, first, more.len()))
            }
            ([], Some(input), _) => RunEnding::Failed(rewrites(&self.name, &input.path)),
            ([], None, changed_output) => {
                let message = disturbance(&self.name, &changed.told, changed_output.as_ref());
                RunEnding::Disturbed(captured.outputs.clone(), message)
            }
        };
        self.forsake(captured.outputs, changed.inputs, ending)
    }

    /// Notes that nothing of a run is kept: what it left, and which of its inputs changed.
    fn forsake(
        &self,
        left: Vec<Output>,
        changed: Vec<Input>,
        ending: RunEnding,
    ) -> Result<RunEnding> {
        let (ground, checked) = (self.ground, self.checked);
        restore::note_fingerprint(ground, self.id, checked)?;
        let forgotten =
            Forgotten { why: Why::Disturbed, key: checked.fingerprint.key, left, changed };
        ground.records.forget(&self.name, forgotten)?;
        Ok(ending)
    }

    /// Whether an input that has just changed to `now` also changed in the last run, and was found as that run left it or has come out
    /// the same again.
    fn is_rewritten(&self, now: &Input) -> bool {
        let Some(then) = self.changed_before.iter().find(|then| then.path == now.path) else {
            return false;
        };
        then == now || self.checked.inputs.contains(then)
    }

    /// Runs the command, again after a failure as often as is declared, each time from cleared outputs.
    fn run_command(
        &mut self,
        outcome: &mut Outcome,
    ) -> Result<std::result::Result<Finish, RunEnding>> {
        let action = &self.ground.project.graph[self.id];
        let mut command = command::command(self.ground, self.id, self.what, &self.checked.setting);
        let key = self.checked.fingerprint.key.to_string();
        let outer = self.ground.env.get(OsStr::new(command::KEYS)).and_then(|keys| keys.to_str());
        let keys = outer.map_or(key.clone(), |outer| format!("{outer},{key}"));
        command.env.insert(command::KEYS.into(), keys.into());
        command.reads = self.reads();
        for tries_left in (0..=action.retries).rev() {
            self.clear(outcome)?;
            own_file::clear_the_way(&command.log)
                .map_err(|error| Error::io("cannot write the log", &command.log, error))?;
            let finish = self.edges.executor.run(&command, self.edges.stop)?;
            if finish.ending != Ending::Exited(0) {
                self.claim_what_is_left()?;
                outcome.warnings.extend(self.refused_message(&finish.refused));
            }
            self.note_opened(&finish.opened_for_writing);
            outcome.duration = finish.duration;
            outcome.printed = finish.log_size > 0;
            match finish.ending {
                Ending::Exited(0) => return Ok(Ok(finish)),
                Ending::Stopped => break,
                ending if tries_left == 0 => {
                    outcome.warnings.extend(left_behind_message(&self.name, &finish.left_behind));
                    let repeat = command::repeat_line(
                        self.ground.project,
                        self.id,
                        self.what,
                        &self.checked.setting,
                    );
                    return Ok(Err(RunEnding::Failed(Failure::Command { ending, repeat })));
                }
                ending => outcome.warnings.push(retry_message(&self.name, ending, tries_left)),
            }
        }
        Ok(Err(RunEnding::Stopped))
    }

    /// Its inputs, those that are declared by name first.
    fn reads(&self) -> Vec<PathBuf> {
        let project = self.ground.project;
        let roots = project.graph[self.id].inputs.positive_roots();
        let named: Set<_> = roots.filter(|(.., is_all)| *is_all).map(|(_, path, _)| path).collect();
        let files = || self.checked.found.files.iter().map(|found| &found.path);
        let first = files().filter(|path| named.contains(path));
        let rest = files().filter(|path| !named.contains(path));
        let root = &project.workspace.root;
        first.chain(rest).take(MOST_HELD).map(|path| path.under(root)).collect()
    }

    /// What is to be told of files that somebody could not open for writing, where the command has failed: it may be why.
    fn refused_message(&self, refused: &[PathBuf]) -> Option<String> {
        let (first, more) = refused.split_first()?;
        let path = first.strip_prefix(&self.ground.project.workspace.root).unwrap_or(first);
        let more = match more.len() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        Some(format!(
            "somebody wanted to write `{}`{more} while `{}` ran, without waiting, and was refused: if it was the step, it must not write what it \
             reads",
            path.display(),
            self.name
        ))
    }

    fn note_opened(&mut self, opened: &[PathBuf]) {
        let root = &self.ground.project.workspace.root;
        let files = self.checked.found.files.iter().map(|found| &found.path);
        self.opened.extend(
            files.filter(|path| !opened.is_empty() && opened.contains(&path.under(root))).cloned(),
        );
    }

    fn clear(&mut self, outcome: &mut Outcome) -> Result<()> {
        let patterns = &self.ground.project.graph[self.id].outputs;
        // Only what a good run has left, and so not a second time.
        let stays = std::mem::take(&mut self.stays);
        let aside = outputs::set_aside(patterns, &stays, &self.roots, self.ground.index)?;
        let displaced = outputs::clear(patterns, &self.ours, &self.roots, self.ground.index)?;
        find::remove_depfiles(self.ground, self.id, &self.roots)?;
        outcome.warnings.extend(displaced_messages(&self.name, &displaced, self.was_killed));
        make_room(patterns, &self.roots)?;
        outputs::put_back(aside, patterns, &self.roots)?;
        command::link_cells(self.ground.project, self.id)
    }

    fn note_failure(&self) -> Result<()> {
        restore::note_fingerprint(self.ground, self.id, self.checked)?;
        self.forget(Why::Failed)
    }

    fn forget(&self, why: Why) -> Result<()> {
        let forgotten = Forgotten {
            why,
            key: self.checked.fingerprint.key,
            left: self.ours.clone(),
            changed: Vec::new(),
        };
        self.ground.records.forget(&self.name, forgotten)
    }

    /// After a run everything among the outputs is ours, since they were cleared before it.
    fn claim_what_is_left(&mut self) -> Result<()> {
        let patterns = &self.ground.project.graph[self.id].outputs;
        self.ours = left_now(patterns, &self.roots, self.ground.index)?;
        Ok(())
    }
}

impl Checked {
    /// Takes in what the run was found to read.
    pub(crate) fn complete(&mut self, completion: Completion) {
        let Completion { set, reads, fingerprint } = completion;
        (self.found, self.inputs, self.outside) = (reads.found, reads.inputs, reads.outside);
        self.discovered.now.set = Some(set);
        self.fingerprint = fingerprint;
    }
}

/// What of an action's outputs was made by us, by what is known of it.
pub(crate) fn ours(known: Option<Known>) -> Vec<Output> {
    match known {
        Some(Ok(record)) => record.result.outputs.clone(),
        Some(Err(forgotten)) => forgotten.left.clone(),
        None => Vec::new(),
    }
}

/// Whether the last run or restore of an action was killed, by what is known of it.
pub(crate) fn was_killed(known: &Option<Known>) -> bool {
    matches!(known, Some(Err(forgotten)) if forgotten.why == Why::Begun)
}

/// The directories that a command may count on: its own output directory and those that its outputs in the tree lie in.
fn make_room(patterns: &[OutputPattern], roots: &Roots) -> Result<()> {
    let create = |dir: &std::path::Path| {
        fs::create_dir_all(dir)
            .map_err(|error| Error::io("cannot create the directory", dir, error))
    };
    create(&roots.out)?;
    for pattern in patterns {
        let literal = pattern.literal();
        let holds = match (pattern.is_literal(), literal.base, literal.path.parent()) {
            (true, _, Some(parent)) => OutputPath { base: literal.base, path: parent },
            (true, Base::Out | Base::Tree, None) => continue,
            (false, ..) => literal.clone(),
        };
        create(&roots.path(&holds))?;
    }
    Ok(())
}

/// What stands there as it was recorded, with its times: what comes out the same keeps them.
fn standing(
    ground: &Ground<'_>,
    id: ActionId,
    known: &[Output],
    roots: &Roots,
) -> Result<Vec<(Present, Output)>> {
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let known: Map<_, _> = known.iter().map(|output| (&output.path, output)).collect();
    let mut standing = Vec::new();
    for present in outputs::present(&ground.project.graph[id].outputs, roots)? {
        let Some(output) = known.get(&present.path) else { continue };
        let (recorded, found) = (slice::from_ref(*output), slice::from_ref(&present));
        if outputs::difference(recorded, found, roots, ground.index)?.is_none() {
            standing.push((present, (*output).clone()));
        }
    }
    Ok(standing)
}

fn result_of(
    ground: &Ground<'_>,
    id: ActionId,
    captured: &Captured,
    finish: &Finish,
    outcome: &mut Outcome,
) -> ActionResult {
    let log = ground.state.log(&ground.project.graph[id].name);
    let mut digest = None;
    if finish.log_size == 0 {
        let _ = fs::remove_file(&log);
    } else if let Some(store) = ground.store {
        match store.save_files(&[log]) {
            Ok(digests) => digest = digests.first().copied(),
            Err(error) => outcome.warnings.push(format!("{}: {error}", store.name())),
        }
    }
    ActionResult {
        outputs: captured.outputs.clone(),
        log: digest,
        duration: finish.duration,
        made_ms: now_ms(),
        made_in: ground.project.workspace.root.to_string_lossy().into_owned(),
    }
}

/// What is to be told where something that the key was made of changed while the command ran, or an output afterwards: what is there
/// belongs to no key.
fn disturbance(name: &str, changed: &[String], output: Option<&OutputPath>) -> String {
    let what = match (changed, output) {
        ([], Some(output)) => format!("the output `{output}` changed after `{name}` had left it"),
        ([], None) => format!("something changed while `{name}` ran"),
        ([only], _) => format!("{only} changed while `{name}` ran"),
        ([first, more @ ..], _) => {
            format!("{first} (and {} more) changed while `{name}` ran", more.len())
        }
    };
    format!("{what}: its result is not kept, and it will run again")
}

/// What is to be told of a step that never comes to rest, since its input is written whenever it runs.
fn rewrites(name: &str, path: &RelPath) -> Failure {
    Failure::Inputs {
        message: format!(
            "`{path}`, an input of `{name}`, was rewritten while it ran, for the second time in a row"
        ),
        hint: "a step must not write what it reads, nor what another one reads beside it: let it write a copy, or declare what is written \
               as an output; if you edited the file both times, build again"
            .to_owned(),
    }
}

/// What is to be told of a step that was seen to do it; `more` inputs besides.
fn rewrites_itself(name: &str, path: &RelPath, more: usize) -> Failure {
    let (what, it) = match more {
        0 => (format!("`{path}`, an input of `{name}`, was"), "it"),
        more => (format!("`{path}` (and {more} more), inputs of `{name}`, were"), "them"),
    };
    Failure::Inputs {
        message: format!("{what} rewritten while it ran: the step itself opened {it} for writing"),
        hint: "a step must not write what it reads: let it write a copy, or declare what is written as an output; if you edited the file meanwhile, build \
               again"
            .to_owned(),
    }
}

/// Everything that stands where the outputs are, after a run of ours began with none of it there.
fn left_now(patterns: &[OutputPattern], roots: &Roots, index: &Index) -> Result<Vec<Output>> {
    let mut left = Vec::new();
    for Present { path, stat } in outputs::present(patterns, roots)? {
        let at = roots.path(&path);
        let content = match stat.kind {
            Kind::File => Content::File {
                digest: index.digest(&at, &stat)?,
                executable: stat.is_executable(),
            },
            Kind::Directory => Content::EmptyDirectory,
            Kind::Link | Kind::Special(_) => {
                match fs::read_link(&at).map(PathBuf::into_os_string) {
                    Ok(target) => {
                        let Ok(target) = target.into_string() else { continue };
                        Content::Link { target, pointee: None }
                    }
                    Err(_) => continue,
                }
            }
        };
        left.push(Output { path, content });
    }
    Ok(left)
}

/// `found` is the set of files that it was found to read, and the fingerprint without them, whose key leads there.
fn save_result(
    ground: &Ground<'_>,
    id: ActionId,
    print: &Fingerprint,
    found: Option<(&Fingerprint, &FoundSet)>,
    captured: &Captured,
    result: &ActionResult,
    outcome: &mut Outcome,
) {
    let Some(store) = ground.store else { return };
    let trouble = match &captured.store_trouble {
        Some(trouble) => Some(trouble.to_string()),
        None if result.log.is_none() && outcome.printed => return,
        None => {
            // What leads to a result comes behind it.
            let saved = store.save_result(&print.key, result);
            let saved = saved.and_then(|()| note_made_with(store, print, found));
            let saved = saved.and_then(|()| match found {
                Some((plain, set)) => store.save_found(&plain.key, set),
                None => Ok(()),
            });
            if saved.is_ok() {
                store.share(&print.key, &origin(ground, id));
            }
            saved.err().map(|error| error.to_string())
        }
    };
    outcome.warnings.extend(trouble.map(|message| format!("{}: {message}", store.name())));
}

fn origin(ground: &Ground<'_>, id: ActionId) -> Origin {
    let action = &ground.project.graph[id];
    let workspace = &ground.project.workspace;
    let target = Some(&workspace.target).filter(|target| !target.starts_with(&workspace.root));
    let places = [&workspace.root].into_iter().chain(target).filter(|_| !action.portable);
    let places = places.map(|place| place.to_string_lossy().into_owned()).collect();
    let declared = action.outputs.iter().filter(|pattern| pattern.is_literal());
    let declared = declared.map(|pattern| pattern.literal().to_string()).collect();
    let passed = action.pass_env.iter().cloned().collect();
    let portable = action.portable;
    Origin { action: action.name.clone(), places, declared, passed, portable }
}

/// Leads from all but the tools to the result: the way to it where a tool is missing. Where dependency files were read, it begins with what is known without them.
fn note_made_with(
    store: &dyn Store,
    print: &Fingerprint,
    found: Option<(&Fingerprint, &FoundSet)>,
) -> std::result::Result<(), StoreError> {
    let (partial, tools) = fingerprint::without_tools(found.map_or(print, |(plain, _)| plain));
    if tools.is_empty() {
        return Ok(());
    }
    store.note_made_with(&partial.key, &MadeWith { key: print.key, tools })
}

/// What to say of files that were moved out of the way. What a killed run has made cannot be told from what a user has put there since:
/// of that one line says all.
pub(crate) fn displaced_messages(
    step: &str,
    displaced: &[Displaced],
    was_killed: bool,
) -> Vec<String> {
    match displaced {
        [first, more @ ..] if was_killed => {
            let more = match more.len() {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            let (path, to) = (&first.path, first.to.display());
            vec![format!(
                "`{step}` was killed the last time: `{path}`{more}, which it may have made, is kept as `{to}`"
            )]
        }
        each => each
            .iter()
            .map(|Displaced { path, to }| {
                format!("`{path}` was not made by this step: it is kept as `{}`", to.display())
            })
            .collect(),
    }
}

fn retry_message(name: &str, ending: Ending, tries_left: u32) -> String {
    let how = match ending {
        Ending::Exited(code) => format!("failed with exit code {code}"),
        Ending::Signal(number) => format!("was ended by signal {number}"),
        Ending::TimedOut => "timed out".to_owned(),
        Ending::Stopped => "was stopped".to_owned(),
    };
    let tries = if tries_left == 1 { "once more" } else { "again" };
    format!("`{name}` {how} and is tried {tries}")
}

fn undeclared_message(name: &str, paths: &[OutputPath]) -> Option<String> {
    let first = paths.first()?;
    let more = match paths.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Some(format!("`{first}`{more} of `{name}` is not among its declared outputs and was removed"))
}

fn left_behind_message(step: &str, names: &[String]) -> Option<String> {
    let names: Vec<_> = names.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
    (!names.is_empty())
        .then(|| format!("processes that `{step}` left behind were killed: {}", names.join(", ")))
}

fn unfit_message(unfit: &Unfit) -> String {
    match unfit {
        Unfit::Missing(pattern) => format!("the declared output `{pattern}` is not there"),
        Unfit::LinkLeaves(path, target) => {
            format!(
                "the output `{path}` is a link to `{}`, which a restore elsewhere could not follow: make it relative, to something inside",
                target.escape_debug()
            )
        }
        Unfit::Special(path, kind) => format!("the output `{path}` is a {kind}"),
        Unfit::NotUtf8(name) => format!("the name of the output `{name}` is not UTF-8"),
        Unfit::OneFile(first, second) => format!(
            "the outputs `{first}` and `{second}` are the same file here, where case does not count"
        ),
    }
}
