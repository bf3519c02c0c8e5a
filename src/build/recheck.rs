//! Looks again, after a run, at everything that the key was made of. What changed underneath makes the result belong to no key.

use super::Ground;
use super::check::{Checked, Need, UpToDate};
use super::find;
use crate::action::ActionId;
use crate::content::Input;
use crate::error::{Error, Result};
use crate::inputs::{self, FoundInputs};
use crate::ordered::Set;
use crate::outputs;
use crate::path::RelPath;
use crate::stat::Stat;

/// What is not any more as it was when the key was made.
#[derive(Default)]
pub(crate) struct Changed {
    /// All of it, in words that "changed" can follow. Files are told from the workspace root.
    pub(crate) told: Vec<String>,
    /// The action's own inputs among it, as they are now; without those that are gone.
    pub(crate) inputs: Vec<Input>,
    /// Where the action's own inputs among it are or were.
    pub(crate) paths: Vec<RelPath>,
}

/// Looks at everything again.
pub(crate) fn changed(ground: &Ground<'_>, id: ActionId, checked: &Checked) -> Result<Changed> {
    let mut changed = changed_inputs(ground, id, checked)?;
    if changed.told.is_empty() {
        changed.told.extend(find::changed(ground, &checked.discovered.now, &checked.outside)?);
    }
    for tool in checked.setting.tools.iter().chain(&checked.setting.artifacts) {
        let stat = Stat::of_pointee(&tool.path)
            .map_err(|error| Error::io("cannot look at", &tool.path, error))?;
        let same = match stat {
            Some(stat) => ground.index.digest(&tool.path, &stat)? == tool.digest,
            None => false,
        };
        changed.told.extend((!same).then(|| quoted(&tool.name)));
    }
    let mut seen = Set::new();
    for need in &checked.needs {
        changed_exports(ground, need, &mut seen, &mut changed.told)?;
    }
    Ok(changed)
}

fn quoted(what: impl std::fmt::Display) -> String {
    format!("`{what}`")
}

/// What an action's patterns match now. That one matches nothing any more is a change here, and no mistake.
fn find(ground: &Ground<'_>, id: ActionId) -> Result<FoundInputs> {
    let patterns = [&ground.project.graph[id].inputs];
    let found = inputs::find(&ground.project.workspace.root, &patterns, ground.hidden)?;
    Ok(found.into_iter().next().unwrap_or_default())
}

/// The inputs that were touched, and those whose bytes differ although nothing shows it: a file that was written in the same tick
/// of the clock as it was read is read again.
fn changed_inputs(ground: &Ground<'_>, id: ActionId, checked: &Checked) -> Result<Changed> {
    let declared = find(ground, id)?;
    let mut now = find::find_again(ground, id, declared, &checked.discovered.now)?;
    let root = &ground.project.workspace.root;
    let mut changed = Changed::default();
    let touched = inputs::changed(&checked.found.files, &now.files);
    changed.told.extend(touched.iter().map(quoted));
    changed.told.extend(now.refused.iter().map(|what| format!("what it reads ({what})")));
    if !touched.is_empty() {
        now.files.retain(|found| touched.binary_search(&found.path).is_ok());
        changed.inputs = inputs::digest(root, &now.files, ground.index)?;
        changed.paths = touched;
        return Ok(changed);
    }
    changed.inputs = inputs::digest(root, &now.files, ground.index)?;
    let differs = |input: &Input| {
        let before = checked.inputs.binary_search_by(|other| other.path.cmp(&input.path));
        before.is_ok_and(|at| checked.inputs[at] != *input)
    };
    changed.inputs.retain(differs);
    changed.told.extend(changed.inputs.iter().map(|input| quoted(&input.path)));
    changed.paths = changed.inputs.iter().map(|input| input.path.clone()).collect();
    Ok(changed)
}

/// What a need exported and is not so any more: its outputs or, where it has none, what it read and what its own needs exported.
fn changed_exports(
    ground: &Ground<'_>,
    need: &Need,
    seen: &mut Set<ActionId>,
    changed: &mut Vec<String>,
) -> Result<()> {
    if !seen.insert(need.id) {
        return Ok(());
    }
    let action = &ground.project.graph[need.id];
    let state: &UpToDate = &need.state;
    if !action.outputs.is_empty() {
        let roots = ground.project.roots(need.id);
        let present = outputs::present(&action.outputs, &roots)?;
        let difference = outputs::difference(&state.outputs, &present, &roots, ground.index)?;
        changed.extend(difference.map(|path| format!("`{path}` of `{}`", action.name)));
        return Ok(());
    }
    let now = find::find_again(ground, need.id, find(ground, need.id)?, &state.discovered)?;
    let touched = inputs::changed(&state.found.files, &now.files);
    changed.extend(touched.iter().map(quoted));
    state.needs.iter().try_for_each(|need| changed_exports(ground, need, seen, changed))
}
