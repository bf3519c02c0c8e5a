//! Checks one action: computes its fingerprint, sees whether it is fresh, and if not whether a store has a result. Changes nothing.

use super::command::{self, Setting};
use super::find::{self, Discovered, Reads};
use super::unavailable::{self, CheckedInFiles, Known, Lack, Read, Way, WayOut};
use super::{Ground, files};
use crate::action::{Action, ActionId};
use crate::content::{Input, Output};
use crate::digest::Key;
use crate::discover::memory::Memory;
use crate::error::Error;
use crate::event::Failure;
use crate::export::{self, Export, NeedExports};
use crate::fingerprint::{self, Fingerprint, Ingredients};
use crate::found::{FoundSet, Outside};
use crate::graph::Graph;
use crate::inputs::{self, FoundInputs};
use crate::outputs;
use crate::own_file;
use crate::path::{Base, OutputPath, RelPath};
use crate::reason::DirtyReason;
use crate::result::ActionResult;
use crate::state::records::{Record, Why};
use std::sync::Arc;

/// An action that is up to date, as those who need it see it.
#[derive(Debug, Default)]
pub(crate) struct UpToDate {
    /// Its key, if it has one.
    pub(crate) key: Option<Key>,
    pub(crate) exports: Vec<Export>,
    /// What it left.
    pub(crate) outputs: Vec<Output>,
    /// What it read.
    pub(crate) found: FoundInputs,
    /// What of that was found.
    pub(crate) discovered: Memory,
    /// What it needed, of an action without outputs.
    pub(crate) needs: Vec<Need>,
    /// Why there is nothing of all this: it cannot run here, and asks to be skipped then.
    pub(crate) skipped: Option<String>,
}

/// A need that is up to date.
#[derive(Clone, Debug)]
pub(crate) struct Need {
    /// What the needing step calls it.
    pub(crate) name: String,
    /// Which action it is.
    pub(crate) id: ActionId,
    pub(crate) state: Arc<UpToDate>,
}

/// What a check found out.
pub(crate) struct Checked {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) found: FoundInputs,
    pub(crate) inputs: Vec<Input>,
    /// What it reads outside of the workspace, as far as it was found.
    pub(crate) outside: Vec<Outside>,
    pub(crate) discovered: Discovered,
    /// Of an action with dependency files: what is known without them.
    pub(crate) plain: Option<Box<Plain>>,
    pub(crate) needs: Vec<Need>,
    pub(crate) setting: Setting,
    pub(crate) verdict: Verdict,
    /// Whether the store is to have the result of a run.
    pub(crate) is_kept: bool,
    /// What it would take to run it and is not there.
    pub(crate) lack: Option<Lack>,
    /// Trouble on the way that stops nothing.
    pub(crate) warnings: Vec<String>,
}

/// What is known of an action with dependency files without them.
pub(crate) struct Plain {
    pub(crate) found: FoundInputs,
    /// Its key is the static key.
    pub(crate) print: Fingerprint,
}

impl Checked {
    /// Why it is not fresh, the main reason first.
    pub(crate) fn reasons(&self) -> &[DirtyReason] {
        match &self.verdict {
            Verdict::Stale { reasons, .. } | Verdict::CheckedIn { reasons, .. } => reasons,
            Verdict::FileSet | Verdict::Fresh(_) | Verdict::Skipped => &[],
        }
    }
}

/// Whether anything is to be done.
pub(crate) enum Verdict {
    /// A named set of files: there is nothing to bring up to date.
    FileSet,
    /// What is recorded is right.
    Fresh(Arc<Record>),
    /// Something has to be done.
    Stale {
        /// Why, the main reason first.
        reasons: Vec<DirtyReason>,
        /// What a store has for the key.
        hit: Option<ActionResult>,
    },
    /// It cannot run, and checked-in files are to stand in for its outputs.
    CheckedIn {
        /// Why something has to be done, the main reason first.
        reasons: Vec<DirtyReason>,
        /// They, as a result.
        result: ActionResult,
        /// Where they are.
        files: CheckedInFiles,
    },
    /// It cannot run, nothing stands in for its outputs, and it asks to be skipped then.
    Skipped,
}

/// Checks an action whose needs are up to date and export `needs`. `found` are its inputs if they have been looked for and
/// nothing can have changed them since. Where it cannot run, the ways out before `way` are not tried.
pub(crate) fn check(
    ground: &Ground<'_>,
    id: ActionId,
    needs: Vec<Need>,
    found: Option<FoundInputs>,
    way: Way,
) -> Result<Checked, Failure> {
    let action = &ground.project.graph[id];
    let setting = command::setting(ground, id)?;
    let sight = find::sight(ground, found.is_some());
    let declared = match found {
        Some(found) => found,
        None => find_now(ground, id)?,
    };
    if let Some(lack) = unavailable::lack(ground, id, &setting, &declared, &needs) {
        return without(ground, id, setting, declared, needs, lack, way);
    }
    let mut discovered = find::discover(ground, id, &setting, &sight)?;
    let found = find::merge(declared, find::found_files(ground, id, &discovered.now, &sight)?);
    let inputs = sight.digest(&found.files).map_err(environment)?;
    let exports = borrow(ground, &needs);
    let fingerprint = |reads: &Reads| {
        fingerprint::of(&Ingredients {
            action,
            tracked: &setting.environment.tracked,
            tools: &setting.tools,
            artifacts: &setting.artifacts,
            inputs: &reads.inputs,
            outside: &reads.outside,
            needs: &exports,
        })
    };
    let with_set = |plain: &FoundInputs, set: &FoundSet| {
        find::with_set(ground, plain, set, &sight).map_err(environment)
    };
    let mut reads = Reads { found, inputs, outside: Vec::new() };
    let mut print = fingerprint(&reads);
    let mut plain = None;
    // With dependency files this much only leads to the sets of files that earlier runs read; the last one first.
    if !action.depfiles.is_empty() {
        let last = discovered.now.set.take();
        let found = reads.found.clone();
        let plain = plain.insert(Box::new(Plain { found, print: print.clone() }));
        if let Some(set) = last
            && let Some(with) = with_set(&plain.found, &set)?
        {
            (print, reads) = (fingerprint(&with), with);
            discovered.now.set = Some(set);
        }
    }
    let mut warnings = Vec::new();
    let verdict = match judge(ground, id, &print, &discovered)? {
        Judgement::FileSet => Verdict::FileSet,
        Judgement::Fresh(record) => Verdict::Fresh(record),
        Judgement::Stale { reasons, may_hit: false } => Verdict::Stale { reasons, hit: None },
        Judgement::Stale { reasons, may_hit: true } => {
            let is_whole = plain.is_none() || discovered.now.set.is_some();
            let mut hit = is_whole.then(|| look_up(ground, &print, &mut warnings)).flatten();
            if let (Some(plain), None) = (&plain, &hit) {
                let sets = known_sets(ground, &plain.print.key, &mut warnings);
                for set in sets.into_iter().filter(|set| discovered.now.set.as_ref() != Some(set)) {
                    let Some(with) = with_set(&plain.found, &set)? else { continue };
                    let whole = fingerprint(&with);
                    hit = look_up(ground, &whole, &mut warnings);
                    if hit.is_some() {
                        (print, reads) = (whole, with);
                        discovered.now.set = Some(set);
                        break;
                    }
                }
            }
            Verdict::Stale { reasons, hit }
        }
    };
    let Reads { found, inputs, outside } = reads;
    Ok(Checked {
        fingerprint: print,
        found,
        inputs,
        outside,
        discovered,
        plain,
        needs,
        setting,
        verdict,
        is_kept: true,
        lack: None,
        warnings,
    })
}

/// Checks an action that cannot run here: the ways out from `way` on. What could only be found by running something is not known.
fn without(
    ground: &Ground<'_>,
    id: ActionId,
    setting: Setting,
    found: FoundInputs,
    needs: Vec<Need>,
    lack: Lack,
    way: Way,
) -> Result<Checked, Failure> {
    let root = &ground.project.workspace.root;
    let inputs = inputs::digest(root, &found.files, ground.index).map_err(environment)?;
    let exports = borrow(ground, &needs);
    let declared = Reads { found, inputs, outside: Vec::new() };
    let known = Known {
        declared: &declared,
        ingredients: Ingredients {
            action: &ground.project.graph[id],
            tracked: &setting.environment.tracked,
            tools: &setting.tools,
            artifacts: &setting.artifacts,
            inputs: &declared.inputs,
            outside: &[],
            needs: &exports,
        },
    };
    let mut warnings = Vec::new();
    let WayOut { fingerprint, verdict, read } =
        unavailable::way_out(ground, id, &known, &lack, way, &mut warnings)?;
    let (set, plain, reads) = match read {
        Some(Read { set, reads, plain: print }) => {
            (Some(set), Some(Box::new(Plain { found: declared.found, print })), reads)
        }
        None => (None, None, declared),
    };
    let Reads { found, inputs, outside } = reads;
    let now = Memory { go: None, set };
    Ok(Checked {
        fingerprint,
        found,
        inputs,
        outside,
        discovered: Discovered { now, then: Memory::default() },
        plain,
        needs,
        setting,
        verdict,
        is_kept: true,
        lack: Some(lack),
        warnings,
    })
}

/// The fingerprint of an action that was checked and turned out to read this.
pub(crate) fn fingerprint_of(
    ground: &Ground<'_>,
    id: ActionId,
    checked: &Checked,
    reads: &Reads,
) -> Fingerprint {
    fingerprint::of(&Ingredients {
        action: &ground.project.graph[id],
        tracked: &checked.setting.environment.tracked,
        tools: &checked.setting.tools,
        artifacts: &checked.setting.artifacts,
        inputs: &reads.inputs,
        outside: &reads.outside,
        needs: &borrow(ground, &checked.needs),
    })
}

/// The sets of files that runs with this static key were found to read, as a store knows them.
pub(super) fn known_sets(
    ground: &Ground<'_>,
    key: &Key,
    warnings: &mut Vec<String>,
) -> Vec<FoundSet> {
    let Some(store) = ground.store else { return Vec::new() };
    ground.places.wait(|| store.found(key)).unwrap_or_else(|error| {
        warnings.push(format!("{}: {error}", store.name()));
        Vec::new()
    })
}

/// Finds the inputs of one action anew: other actions have run since all were looked for.
pub(crate) fn find_now(ground: &Ground<'_>, id: ActionId) -> Result<FoundInputs, Failure> {
    let found = files::find(ground.project, &[id], ground.hidden);
    match found {
        Ok((mut found, _)) => Ok(found.remove(&id).unwrap_or_default()),
        Err(super::BuildError::Environment(error)) => Err(environment(error)),
        Err(super::BuildError::Mistakes(mistakes)) => {
            let message = mistakes
                .iter()
                .map(|mistake| mistake.message.as_str())
                .collect::<Vec<_>>()
                .join("; ");
            Err(Failure::Environment {
                message,
                hint: Some("its inputs changed while the build was going on".to_owned()),
            })
        }
    }
}

/// The needs' exports as fingerprints take them.
fn borrow<'a>(ground: &Ground<'_>, needs: &'a [Need]) -> Vec<NeedExports<'a>> {
    let exports = |need: &'a Need| NeedExports {
        name: &need.name,
        action: ground.project.graph[need.id].name.to_string(),
        exports: &need.state.exports,
    };
    needs.iter().map(exports).collect()
}

/// What an action is to those who need it, once it is up to date with these outputs.
pub(crate) fn up_to_date(
    ground: &Ground<'_>,
    id: ActionId,
    outputs: &[Output],
    checked: &Checked,
) -> Arc<UpToDate> {
    let action = &ground.project.graph[id];
    let needs = borrow(ground, &checked.needs);
    let exports = export::of_action(!action.outputs.is_empty(), outputs, &checked.inputs, &needs);
    Arc::new(UpToDate {
        key: Some(checked.fingerprint.key),
        exports,
        outputs: outputs.to_vec(),
        found: checked.found.clone(),
        discovered: checked.discovered.now.clone(),
        // What stands behind outputs shows in them alone; and a chain of steps is no chain of these.
        needs: if action.outputs.is_empty() { checked.needs.clone() } else { Vec::new() },
        skipped: None,
    })
}

pub(crate) fn environment(error: Error) -> Failure {
    Failure::Environment { message: error.to_string(), hint: error.way_out().map(str::to_owned) }
}

/// Whether anything is to be done, before a store is asked.
enum Judgement {
    FileSet,
    Fresh(Arc<Record>),
    Stale {
        reasons: Vec<DirtyReason>,
        /// Whether what a store has may be used.
        may_hit: bool,
    },
}

fn judge(
    ground: &Ground<'_>,
    id: ActionId,
    fingerprint: &Fingerprint,
    discovered: &Discovered,
) -> Result<Judgement, Failure> {
    let action = &ground.project.graph[id];
    if action.run.is_none() {
        return Ok(Judgement::FileSet);
    }
    if ground.forced.contains(&id) {
        return Ok(Judgement::Stale { reasons: vec![DirtyReason::Forced], may_hit: false });
    }
    let reasons = match recorded(ground, id, fingerprint, discovered)? {
        Ok(record) => return Ok(Judgement::Fresh(record)),
        Err(reasons) => reasons,
    };
    let known = ground.records.get(&action.name.to_string());
    // What has just failed is not a hit, whatever an earlier run of the same key has left: it has to show that it passes.
    let has_failed = matches!(&known, Some(Err(forgotten))
        if forgotten.why == Why::Failed && forgotten.key == fingerprint.key);
    Ok(Judgement::Stale { reasons, may_hit: !has_failed })
}

/// The same, with what a store has for the fingerprint.
pub(super) fn verdict(
    ground: &Ground<'_>,
    id: ActionId,
    fingerprint: &Fingerprint,
    warnings: &mut Vec<String>,
) -> Result<Verdict, Failure> {
    Ok(match judge(ground, id, fingerprint, &Discovered::default())? {
        Judgement::FileSet => Verdict::FileSet,
        Judgement::Fresh(record) => Verdict::Fresh(record),
        Judgement::Stale { reasons, may_hit } => {
            let hit = if may_hit { look_up(ground, fingerprint, warnings) } else { None };
            Verdict::Stale { reasons, hit }
        }
    })
}

/// What is recorded for the fingerprint, if that and the outputs are right; otherwise why it is not.
pub(super) fn recorded(
    ground: &Ground<'_>,
    id: ActionId,
    fingerprint: &Fingerprint,
    discovered: &Discovered,
) -> Result<Result<Arc<Record>, Vec<DirtyReason>>, Failure> {
    let action = &ground.project.graph[id];
    let since = || since_last_time(ground, action, fingerprint, discovered);
    Ok(Err(match ground.records.get(&action.name.to_string()) {
        Some(Ok(record)) if record.key == fingerprint.key => {
            match disturbed_output(ground, id, &record).map_err(environment)? {
                None if is_disowned(ground, &record) => vec![DirtyReason::Disowned],
                None => return Ok(Ok(record)),
                Some(path) => vec![DirtyReason::OutputChanged(path)],
            }
        }
        Some(Ok(_)) => since(),
        Some(Err(forgotten)) => after_forgetting(forgotten.why, since()),
        None => vec![DirtyReason::NeverRan],
    }))
}

/// Whether what is in place came out of a store that does not stand by it any more.
fn is_disowned(ground: &Ground<'_>, record: &Record) -> bool {
    let store = ground.store.filter(|_| record.source.is_some());
    store.is_some_and(|store| !store.stands_by(&record.key, &record.result))
}

/// The first output that is not what the record says.
pub(super) fn disturbed_output(
    ground: &Ground<'_>,
    id: ActionId,
    record: &Record,
) -> Result<Option<String>, Error> {
    let action = &ground.project.graph[id];
    if action.outputs.is_empty() {
        return Ok(None);
    }
    let roots = ground.project.roots(id);
    let present = outputs::present(&action.outputs, &roots)?;
    let difference = outputs::difference(&record.result.outputs, &present, &roots, ground.index)?;
    Ok(difference.map(|path| path.to_string()))
}

/// The text of the fingerprint of the last time; empty if it is not known.
pub(super) fn last_fingerprint(ground: &Ground<'_>, action: &Action) -> String {
    let text = own_file::read(&ground.state.fingerprint(&action.name)).ok().flatten();
    text.and_then(|text| String::from_utf8(text).ok()).unwrap_or_default()
}

/// What changed since the fingerprint of the last time; no reason at all if that is not known.
fn since_last_time(
    ground: &Ground<'_>,
    action: &Action,
    fingerprint: &Fingerprint,
    discovered: &Discovered,
) -> Vec<DirtyReason> {
    let then = last_fingerprint(ground, action);
    let mut reasons =
        if then.is_empty() { Vec::new() } else { fingerprint::compare(&then, &fingerprint.text) };
    let graph = &ground.project.graph;
    for reason in &mut reasons {
        if let DirtyReason::NeedChanged { need, path } = reason
            && let Some((exporter, its_path)) = exporter(graph, action, path)
        {
            *need = Some(graph[exporter].name.to_string());
            *path = its_path;
        }
        if let DirtyReason::InputChanged(path)
        | DirtyReason::InputAdded(path)
        | DirtyReason::InputRemoved(path) = reason
            && let Some(finder) = discovered.finder(path)
        {
            *reason = DirtyReason::Found(finder, Box::new(reason.clone()));
        }
    }
    reasons
}

/// The action that exports `path`, as `action` sees it, and the path as that action itself calls it. Asked for changed paths only, so it may be slow.
fn exporter(graph: &Graph, action: &Action, path: &str) -> Option<(ActionId, String)> {
    if let Some((root, below)) = path.strip_prefix('{').and_then(|rest| rest.split_once(".out}")) {
        let exporter = match root.strip_prefix("needs.") {
            Some(name) => action.needs.iter().find(|need| need.name == name)?.action,
            None => graph.ids().find(|id| graph[*id].name.to_string() == root)?,
        };
        return Some((exporter, format!("{{out}}{below}")));
    }
    let file = RelPath::new(path)?;
    let output = OutputPath { base: Base::Tree, path: file.clone() };
    let exports = |id: ActionId| {
        graph[id].outputs.iter().any(|pattern| pattern.owns(&output))
            || graph[id].inputs.matches(&file)
    };
    let need = action.needs.iter().find(|need| exports(need.action))?;
    Some((need.action, path.to_owned()))
}

fn after_forgetting(why: Why, mut changes: Vec<DirtyReason>) -> Vec<DirtyReason> {
    let reason = match why {
        Why::Begun => DirtyReason::LastRunUnfinished,
        Why::Failed => DirtyReason::LastRunFailed,
        Why::Disturbed => DirtyReason::LastRunDisturbed,
    };
    // What changed since a failure is why it is worth trying again: the better answer, where there is one.
    if changes.is_empty() {
        changes.push(reason);
    }
    changes
}

fn look_up(
    ground: &Ground<'_>,
    fingerprint: &Fingerprint,
    warnings: &mut Vec<String>,
) -> Option<ActionResult> {
    let store = ground.store?;
    match ground.places.wait(|| store.result(&fingerprint.key)) {
        Ok(result) => result,
        Err(error) => {
            warnings.push(format!("{}: {error}", store.name()));
            None
        }
    }
}
