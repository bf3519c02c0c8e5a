//! The files that planned actions read, before their bytes are: found in one walk, with the mistakes that only files show.

use super::{BuildError, Found};
use crate::action::ActionId;
use crate::inputs::{self, FoundInputs, Hidden};
use crate::mistake::Mistake;
use crate::path::{Base, RelPath};
use crate::project::Project;

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
    let mut mistakes: Vec<Mistake> = Vec::new();
    for (id, found) in planned.iter().zip(&found) {
        for mistake in mistakes_of(project, *id, found) {
            if !mistakes.contains(&mistake) {
                mistakes.push(mistake);
            }
        }
    }
    if !mistakes.is_empty() {
        mistakes.sort_by(|a, b| {
            (&a.place.file, a.place.span.start).cmp(&(&b.place.file, b.place.span.start))
        });
        return Err(BuildError::Mistakes(mistakes));
    }
    Ok(planned.iter().copied().zip(found).collect())
}

fn mistakes_of(project: &Project, id: ActionId, found: &FoundInputs) -> Vec<Mistake> {
    let Some(step) = project.step_of(id) else { return Vec::new() };
    let name = &project.graph[id].name;
    let declared = step.inputs.as_deref().unwrap_or_default();
    let idle = found.idle_patterns.iter().filter_map(|index| {
        let place = step.place(&declared.get(*index)?.span);
        let text = project.graph[id].inputs.texts().get(*index)?;
        let mistake = Mistake::new(
            format!("the input pattern `{text}` of step `{name}` matches nothing"),
            place.label("no such file"),
        );
        Some(mistake.help(format!("it is relative to `{}`", where_from(project, id, text))))
    });
    let refused = found.refused.iter().map(|what| {
        let message = format!("step `{name}` cannot read one of its inputs: {what}");
        Mistake::new(message, step.place(&step.span))
            .help("take it out with a pattern that begins with `!`")
    });
    idle.chain(refused).collect()
}

/// The directory that a pattern is relative to, as a person would say it.
fn where_from(project: &Project, id: ActionId, pattern: &str) -> String {
    let base = &project.graph[id].base;
    match pattern.starts_with('/') || base.is_root() {
        true => "the workspace root".to_owned(),
        false => base.to_string(),
    }
}
