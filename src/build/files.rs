//! The files that planned actions read, before their bytes are: found in one walk, with the mistakes that only files show.

use super::{BuildError, Found};
use crate::action::ActionId;
use crate::config;
use crate::inputs::{self, FoundInputs, Hidden};
use crate::mistake::Mistake;
use crate::path::{Base, RelPath};
use crate::pattern::InputPatterns;
use crate::project::Project;
use crate::step::Step;
use std::collections::BTreeMap;

/// What wildcards do not see in this project.
pub(crate) fn hidden(project: &Project) -> Hidden {
    let outputs = project.graph.actions().iter().flat_map(|action| &action.outputs);
    let in_tree = outputs.filter(|pattern| pattern.literal().base == Base::Tree).cloned().collect();
    let target = project.workspace.target.strip_prefix(&project.workspace.root).ok();
    let target = target.and_then(|path| {
        RelPath::new(path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/"))
    });
    Hidden { directories: target.into_iter().collect(), outputs: in_tree }
}

/// Finds the inputs of all planned actions. A pattern that matches nothing, and a pipe where a file should be, are mistakes.
pub(crate) fn find(
    project: &Project,
    planned: &[ActionId],
    hidden: &Hidden,
) -> Result<Found, BuildError> {
    let patterns: Vec<_> = planned.iter().map(|id| &project.graph[*id].inputs).collect();
    let found = inputs::find(&project.workspace.root, &patterns, hidden)?;
    let is_faulty =
        |found: &FoundInputs| !found.idle_patterns.is_empty() || !found.refused.is_empty();
    let faulty: Vec<(ActionId, &FoundInputs)> =
        planned.iter().copied().zip(&found).filter(|(_, found)| is_faulty(found)).collect();
    if !faulty.is_empty() {
        return Err(BuildError::Mistakes(mistakes(project, &faulty, hidden)?));
    }
    Ok(planned.iter().copied().zip(found).collect())
}

/// What each positive pattern of an action finds without the others, by its place among them.
type Alone = BTreeMap<(ActionId, usize), FoundInputs>;

fn mistakes(
    project: &Project,
    faulty: &[(ActionId, &FoundInputs)],
    hidden: &Hidden,
) -> Result<Vec<Mistake>, BuildError> {
    let alone = alone(project, faulty, hidden)?;
    let mut mistakes: Vec<Mistake> = Vec::new();
    for (id, found) in faulty {
        for mistake in mistakes_of(project, *id, found, &alone) {
            if !mistakes.contains(&mistake) {
                mistakes.push(mistake);
            }
        }
    }
    Ok(config::in_order(mistakes, &project.workspace))
}

/// Looks once more, for each pattern by itself: so that a mistake is told at the right one, with its cause.
fn alone(
    project: &Project,
    faulty: &[(ActionId, &FoundInputs)],
    hidden: &Hidden,
) -> Result<Alone, BuildError> {
    let mut lists: Vec<((ActionId, usize), InputPatterns)> = Vec::new();
    for (id, _) in faulty {
        let action = &project.graph[*id];
        // A pattern that takes out is no list of its own.
        let list = |text: &String| InputPatterns::new(&action.base, std::slice::from_ref(text));
        let all = action.inputs.texts().iter().enumerate();
        lists.extend(all.filter_map(|(index, text)| Some(((*id, index), list(text).ok()?))));
    }
    let patterns: Vec<_> = lists.iter().map(|(_, patterns)| patterns).collect();
    let found = inputs::find(&project.workspace.root, &patterns, hidden)?;
    Ok(lists.iter().map(|(place, _)| *place).zip(found).collect())
}

fn mistakes_of(
    project: &Project,
    id: ActionId,
    found: &FoundInputs,
    alone: &Alone,
) -> Vec<Mistake> {
    let Some(step) = project.step_of(id) else { return Vec::new() };
    let idle = found.idle_patterns.iter();
    let idle = idle.filter_map(|index| idle_pattern(project, id, step, *index, alone));
    let refused = found.refused.iter().map(|what| refused_input(project, id, step, what, alone));
    idle.chain(refused).collect()
}

fn idle_pattern(
    project: &Project,
    id: ActionId,
    step: &Step,
    index: usize,
    alone: &Alone,
) -> Option<Mistake> {
    let action = &project.graph[id];
    let place = step.place(&step.inputs.as_ref()?.get(index)?.span);
    let text = action.inputs.texts().get(index)?;
    let message = format!("the input pattern `{text}` of step `{}` matches nothing", action.name);
    let is_taken_out = alone.get(&(id, index)).is_some_and(|found| !found.files.is_empty());
    let (label, help) = match is_taken_out {
        true => (
            "what it matches is taken out again".to_owned(),
            "of several patterns that match a file, the last one decides".to_owned(),
        ),
        false => what_is_not_there(project, id, index, text),
    };
    Some(Mistake::new(message, place.label(label)).help(help))
}

/// Why a pattern finds nothing by itself, as a label and a help.
fn what_is_not_there(
    project: &Project,
    id: ActionId,
    index: usize,
    text: &str,
) -> (String, String) {
    let roots = || {
        let all = project.graph[id].inputs.positive_roots();
        all.filter(move |(of, ..)| *of == index).map(|(_, root, is_literal)| (root, is_literal))
    };
    let exists = |root: &RelPath| root.under(&project.workspace.root).symlink_metadata().is_ok();
    let relative = format!("it is relative to {}", where_from(project, id, text));
    match roots().next() {
        Some((first, _)) if !roots().any(|(root, _)| exists(root)) => {
            (format!("there is no `{first}`"), relative)
        }
        Some((first, true)) => (
            format!("there are no files in `{first}`"),
            "files that are ignored do not count".to_owned(),
        ),
        _ => (
            "there is no such file".to_owned(),
            format!("{relative}; files that are ignored do not count"),
        ),
    }
}

fn refused_input(
    project: &Project,
    id: ActionId,
    step: &Step,
    what: &String,
    alone: &Alone,
) -> Mistake {
    let message =
        format!("step `{}` cannot read one of its inputs: {what}", project.graph[id].name);
    let matching = alone
        .range((id, 0)..=(id, usize::MAX))
        .rfind(|(_, found)| found.refused.contains(what))
        .and_then(|((_, index), _)| step.inputs.as_ref()?.get(*index));
    let place = match matching {
        Some(pattern) => step.place(&pattern.span).label("matched here"),
        None => step.place(&step.span),
    };
    Mistake::new(message, place).help(match step.inputs {
        Some(_) => "take it out with a pattern that begins with `!`",
        None => "declare `inputs`, with a pattern that begins with `!` to take it out",
    })
}

/// The directory that a pattern is relative to, as a person would say it.
fn where_from(project: &Project, id: ActionId, pattern: &str) -> String {
    let base = &project.graph[id].base;
    match pattern.starts_with('/') || base.is_root() {
        true => "the workspace root".to_owned(),
        false => format!("`{base}`"),
    }
}
