//! Runs one action: clears its outputs, runs the command, captures what it left, and looks at the inputs again.

use super::check::{Checked, Verdict, environment, find_now};
use super::{Edges, Ground, command, now_ms, restore};
use crate::action::ActionId;
use crate::content::Output;
use crate::error::{Error, Result};
use crate::event::Failure;
use crate::execute::{Ending, Finish};
use crate::inputs;
use crate::outputs::{self, CaptureError, Captured, Displaced, Present, Roots, Unfit};
use crate::path::{Base, OutputPath};
use crate::pattern::OutputPattern;
use crate::result::ActionResult;
use crate::state::records::{Forgotten, Record};
use crate::step::Run;
use std::collections::BTreeMap;
use std::fs;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

/// How a run came out.
pub(crate) struct Outcome {
    pub(crate) ending: RunEnding,
    /// How long the command took; its last try if there were several.
    pub(crate) duration: Duration,
    /// Whether it printed anything.
    pub(crate) printed: bool,
    /// What is to be told.
    pub(crate) warnings: Vec<String>,
}

/// In what way.
pub(crate) enum RunEnding {
    /// It left these outputs.
    Done(Vec<Output>),
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
    /// What is remembered of the last time.
    record: Option<Arc<Record>>,
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
    let record = ground.records.get(&name).and_then(std::result::Result::ok);
    let roots = ground.project.roots(id);
    let attempt = Attempt { ground, edges, id, name, checked, what, roots, record };
    let mut outcome = Outcome {
        ending: RunEnding::Stopped,
        duration: Duration::ZERO,
        printed: false,
        warnings: Vec::new(),
    };
    let ending = attempt.run(&mut outcome);
    outcome.ending = ending.unwrap_or_else(|error| RunEnding::Failed(environment(error)));
    if let RunEnding::Failed(_) = outcome.ending {
        let noted = attempt.note_failure();
        outcome.warnings.extend(noted.err().map(|error| error.to_string()));
    }
    outcome
}

impl Attempt<'_> {
    fn run(&self, outcome: &mut Outcome) -> Result<RunEnding> {
        let before = standing(self.ground, self.id, self.known(), &self.roots)?;
        self.ground.records.forget(&self.name, Forgotten::Begun)?;
        let finish = match self.run_command(outcome)? {
            Ok(finish) => finish,
            Err(ending) => return Ok(ending),
        };
        outcome.warnings.extend(left_behind_message(&finish.left_behind));

        // The bytes of the outputs are kept first and the result last, so that no result is ever there without them.
        let patterns = &self.ground.project.graph[self.id].outputs;
        let captured =
            outputs::capture(patterns, &before, &self.roots, self.ground.index, self.ground.store);
        let captured = match captured {
            Ok(captured) => captured,
            Err(CaptureError::Unfit(unfit)) => {
                let messages = unfit.iter().map(unfit_message).collect();
                return Ok(RunEnding::Failed(Failure::Outputs(messages)));
            }
            Err(CaptureError::Io(error)) => return Err(error),
        };
        self.keep(captured, &finish, outcome)
    }

    /// Keeps what a good run left: unless its inputs changed underneath, in the store and in the records.
    fn keep(
        &self,
        captured: Captured,
        finish: &Finish,
        outcome: &mut Outcome,
    ) -> Result<RunEnding> {
        let (ground, id, checked) = (self.ground, self.id, self.checked);
        let result = result_of(ground, id, &captured, finish, outcome);
        if let Some(message) = disturbance(ground, id, checked)? {
            outcome.warnings.push(message);
            restore::note_fingerprint(ground, id, checked)?;
            ground.records.forget(&self.name, Forgotten::Disturbed)?;
            return Ok(RunEnding::Done(captured.outputs));
        }
        save_result(ground, checked, &captured, &result, outcome);
        let reasons = match &checked.verdict {
            Verdict::Stale { reasons, .. } => reasons.clone(),
            Verdict::FileSet | Verdict::Fresh(_) => Vec::new(),
        };
        let (key, at_ms) = (checked.fingerprint.key, now_ms());
        let record = Record { key, result, source: None, at_ms, reasons };
        restore::remember(ground, id, checked, record)?;
        Ok(RunEnding::Done(captured.outputs))
    }

    /// Runs the command, again after a failure as often as is declared, each time from cleared outputs.
    fn run_command(&self, outcome: &mut Outcome) -> Result<std::result::Result<Finish, RunEnding>> {
        let action = &self.ground.project.graph[self.id];
        let command = command::command(self.ground, self.id, self.what, &self.checked.setting);
        for tries_left in (0..=action.retries).rev() {
            self.clear(outcome)?;
            let finish = self.edges.executor.run(&command, self.edges.stop)?;
            outcome.duration = finish.duration;
            outcome.printed = finish.log_size > 0;
            match finish.ending {
                Ending::Exited(0) => return Ok(Ok(finish)),
                Ending::Stopped => break,
                ending if tries_left == 0 => {
                    outcome.warnings.extend(left_behind_message(&finish.left_behind));
                    let repeat = command::repeat_line(self.ground.project, self.id, self.what);
                    return Ok(Err(RunEnding::Failed(Failure::Command { ending, repeat })));
                }
                _ => outcome.warnings.push(retry_message(&self.name, tries_left)),
            }
        }
        Ok(Err(RunEnding::Stopped))
    }

    fn clear(&self, outcome: &mut Outcome) -> Result<()> {
        let patterns = &self.ground.project.graph[self.id].outputs;
        let displaced = outputs::clear(patterns, self.known(), &self.roots, self.ground.index)?;
        outcome.warnings.extend(displaced.iter().map(displaced_message));
        make_room(patterns, &self.roots)
    }

    /// What the last time left.
    fn known(&self) -> &[Output] {
        self.record.as_ref().map_or(&[], |record| &record.result.outputs)
    }

    fn note_failure(&self) -> Result<()> {
        restore::note_fingerprint(self.ground, self.id, self.checked)?;
        self.ground.records.forget(&self.name, Forgotten::Failed)
    }
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
    let known: BTreeMap<_, _> = known.iter().map(|output| (&output.path, output)).collect();
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

/// What is to be told if an input changed while the command ran: its result belongs to no fingerprint.
fn disturbance(ground: &Ground<'_>, id: ActionId, checked: &Checked) -> Result<Option<String>> {
    let name = &ground.project.graph[id].name;
    let changed = match find_now(ground, id) {
        Ok(now) => inputs::changed(&checked.found.files, &now.files),
        Err(_) => checked.found.files.first().map(|found| found.path.clone()).into_iter().collect(),
    };
    let Some(first) = changed.first() else { return Ok(None) };
    let more = match changed.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Ok(Some(format!(
        "`{first}`{more} changed while `{name}` ran: its result is not kept, and it will run again"
    )))
}

fn save_result(
    ground: &Ground<'_>,
    checked: &Checked,
    captured: &Captured,
    result: &ActionResult,
    outcome: &mut Outcome,
) {
    let Some(store) = ground.store else { return };
    let trouble = match &captured.store_trouble {
        Some(trouble) => Some(trouble.to_string()),
        None if result.log.is_none() && outcome.printed => return,
        None => {
            store.save_result(&checked.fingerprint.key, result).err().map(|error| error.to_string())
        }
    };
    outcome.warnings.extend(trouble.map(|message| format!("{}: {message}", store.name())));
}

/// What to say of a file that was moved out of the way.
pub(crate) fn displaced_message(displaced: &Displaced) -> String {
    format!(
        "`{}` was not made by this step: it is kept as `{}`",
        displaced.path,
        displaced.to.display()
    )
}

fn retry_message(name: &str, tries_left: u32) -> String {
    let tries = if tries_left == 1 { "once more" } else { "again" };
    format!("`{name}` failed and is tried {tries}")
}

fn left_behind_message(names: &[String]) -> Option<String> {
    let names: Vec<_> = names.iter().map(|name| format!("`{}`", name.escape_debug())).collect();
    (!names.is_empty())
        .then(|| format!("processes that a step left behind were killed: {}", names.join(", ")))
}

fn unfit_message(unfit: &Unfit) -> String {
    match unfit {
        Unfit::Missing(pattern) => format!("the declared output `{pattern}` is not there"),
        Unfit::LinkLeaves(path, target) => {
            format!(
                "the output `{path}` is a link to `{}`, which a restore elsewhere could not follow",
                target.escape_debug()
            )
        }
        Unfit::Special(path, kind) => format!("the output `{path}` is a {kind}"),
        Unfit::NotUtf8(name) => format!("the name of the output `{name}` is not UTF-8"),
    }
}
