//! Looks again, after a run, at everything that the key was made of. What changed underneath makes the result belong to no key.

use super::Ground;
use super::check::{Checked, Need, UpToDate, find_now};
use crate::action::ActionId;
use crate::error::{Error, Result};
use crate::inputs;
use crate::outputs;
use crate::stat::Stat;
use std::collections::BTreeSet;

/// What is not any more as it was when the key was made; empty if all is. Files are told from the workspace root.
pub(crate) fn changed(ground: &Ground<'_>, id: ActionId, checked: &Checked) -> Result<Vec<String>> {
    let mut changed = changed_inputs(ground, id, checked)?;
    for tool in &checked.setting.tools {
        let stat = Stat::of_pointee(&tool.path)
            .map_err(|error| Error::io("cannot look at", &tool.path, error))?;
        let same = match stat {
            Some(stat) => ground.index.digest(&tool.path, &stat)? == tool.digest,
            None => false,
        };
        changed.extend((!same).then(|| tool.name.clone()));
    }
    let mut seen = BTreeSet::new();
    for need in &checked.needs {
        changed_exports(ground, need, &mut seen, &mut changed)?;
    }
    Ok(changed)
}

/// The inputs that were touched, and those whose bytes differ although nothing shows it: a file that was written in the same tick
/// of the clock as it was read is read again.
fn changed_inputs(ground: &Ground<'_>, id: ActionId, checked: &Checked) -> Result<Vec<String>> {
    let Ok(now) = find_now(ground, id) else {
        return Ok(checked
            .found
            .files
            .iter()
            .take(1)
            .map(|found| found.path.to_string())
            .collect());
    };
    let touched = inputs::changed(&checked.found.files, &now.files);
    if !touched.is_empty() {
        return Ok(touched.iter().map(ToString::to_string).collect());
    }
    let digested = inputs::digest(&ground.project.workspace.root, &now.files, ground.index)?;
    let differs = digested.iter().filter(|input| {
        checked
            .inputs
            .binary_search_by(|other| other.path.cmp(&input.path))
            .is_ok_and(|at| checked.inputs[at] != **input)
    });
    Ok(differs.map(|input| input.path.to_string()).collect())
}

/// What a need exported and is not so any more: its outputs or, where it has none, what it read and what its own needs exported.
fn changed_exports(
    ground: &Ground<'_>,
    need: &Need,
    seen: &mut BTreeSet<ActionId>,
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
        changed.extend(difference.map(|path| format!("{path} of {}", action.name)));
        return Ok(());
    }
    match find_now(ground, need.id) {
        Ok(now) => {
            let touched = inputs::changed(&state.found.files, &now.files);
            changed.extend(touched.iter().map(ToString::to_string));
        }
        Err(_) => changed.push(format!("what {} reads", action.name)),
    }
    state.needs.iter().try_for_each(|need| changed_exports(ground, need, seen, changed))
}
