//! The files that planned actions read, before their bytes are: found in one walk, with the mistakes that only files show.

use super::{BuildError, Found};
use crate::action::ActionId;
use crate::config;
use crate::inputs::{self, FoundInputs, Hidden};
use crate::mistake::Mistake;
use crate::ordered::Map;
use crate::path::{Base, RelPath};
use crate::pattern::InputPatterns;
use crate::project::Project;
use crate::step::Step;
use crate::walk::Trail;
use crate::workspace::Workspace;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// What wildcards do not see in this project.
pub(crate) fn hidden(project: &Project) -> Hidden {
    let outputs = project.graph.actions().iter().flat_map(|action| &action.outputs);
    let in_tree = outputs.filter(|pattern| pattern.literal().base == Base::Tree).cloned().collect();
    let directories = directories(&project.workspace, &project.state_dir);
    let state = ways_below(&project.workspace, &project.state_dir);
    let mut hidden = Hidden::new(directories, in_tree);
    hidden.state = state;
    hidden
}

/// How many links may lie behind one another. The kernel's own limit.
const MOST_LINKS: usize = 40;

/// The target directory and the state in it, by every path below the root that leads there: as given, and each link on the way.
pub(crate) fn directories(workspace: &Workspace, state_dir: &Path) -> Vec<RelPath> {
    let mut directories: Vec<RelPath> = Vec::new();
    for directory in [&workspace.target, state_dir] {
        for way in ways_below(workspace, directory) {
            // To see into a hidden directory it is enough to name it once.
            if !directories.iter().any(|known| way.is_within(known)) {
                directories.push(way);
            }
        }
    }
    directories
}

/// The paths below the root of the workspace that lead to `directory`.
fn ways_below(workspace: &Workspace, directory: &Path) -> Vec<RelPath> {
    let root = real(&workspace.root);
    let given = directory.strip_prefix(&workspace.root).ok().map(Path::to_path_buf);
    let reached = ways(directory);
    let reached = reached.iter().filter_map(|way| way.strip_prefix(&root).ok());
    given.as_deref().into_iter().chain(reached).filter_map(rel_path).collect()
}

/// `directory`, and what it leads to if it is a link, and so on. Each without links in the path above it.
fn ways(directory: &Path) -> Vec<PathBuf> {
    let mut ways = Vec::new();
    let mut next = Some(directory.to_path_buf());
    while let Some(directory) = next.filter(|_| ways.len() < MOST_LINKS) {
        let way = match (directory.parent(), directory.file_name()) {
            (Some(parent), Some(name)) => real(parent).join(name),
            _ => real(&directory), // the root of all, or one that ends with `..`
        };
        let behind = fs::read_link(&way).ok();
        next = behind.and_then(|behind| Some(way.parent()?.join(behind)));
        ways.push(way);
    }
    ways
}

/// The path without links, as far as it exists.
pub(crate) fn real(path: &Path) -> PathBuf {
    let mut absent = Vec::new();
    for way in path.ancestors() {
        if let Ok(real) = way.canonicalize() {
            return absent.iter().rev().fold(real, |real, part| joined(real, *part));
        }
        absent.extend(way.components().next_back());
    }
    path.to_path_buf()
}

fn joined(mut path: PathBuf, part: Component<'_>) -> PathBuf {
    match part {
        Component::ParentDir => {
            path.pop();
        }
        part => path.push(part),
    }
    path
}

/// A path below the root, without `.` and `..`.
fn rel_path(path: &Path) -> Option<RelPath> {
    let text = path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
    RelPath::root().resolve(&text)
}

/// Finds the inputs of all planned actions. A pattern that matches nothing, and a pipe where a file should be, are mistakes.
pub(crate) fn find(
    project: &Project,
    planned: &[ActionId],
    hidden: &Hidden,
) -> Result<(Found, Trail), BuildError> {
    let patterns: Vec<_> = planned.iter().map(|id| &project.graph[*id].inputs).collect();
    let (found, trail) = inputs::find_and_tell(&project.workspace.root, &patterns, hidden)?;
    let states = &hidden.state;
    let is_faulty = |(id, found): &(ActionId, &FoundInputs)| {
        is_idle(project, *id, found)
            || !found.refused.is_empty()
            || into_state(project, *id, found, states).is_some()
    };
    let faulty: Vec<(ActionId, &FoundInputs)> =
        planned.iter().copied().zip(&found).filter(is_faulty).collect();
    if !faulty.is_empty() {
        return Err(BuildError::Mistakes(mistakes(project, &faulty, hidden, states)?));
    }
    Ok((planned.iter().copied().zip(found).collect(), trail))
}

/// Whether a pattern matches nothing, of an action that does not say what is to be done then.
fn is_idle(project: &Project, id: ActionId, found: &FoundInputs) -> bool {
    !found.idle_patterns.is_empty() && !project.graph[id].fallback.is_declared()
}

/// What each positive pattern of an action finds without the others, by its place among them.
type Alone = Map<(ActionId, usize), FoundInputs>;

fn mistakes(
    project: &Project,
    faulty: &[(ActionId, &FoundInputs)],
    hidden: &Hidden,
    states: &[RelPath],
) -> Result<Vec<Mistake>, BuildError> {
    let alone = alone(project, faulty, hidden)?;
    let mut mistakes: Vec<Mistake> = Vec::new();
    for (id, found) in faulty {
        for mistake in mistakes_of(project, *id, found, &alone, states) {
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
    states: &[RelPath],
) -> Vec<Mistake> {
    let Some(step) = project.step_of(id) else { return Vec::new() };
    let into_state = into_state(project, id, found, states);
    let is_told = |index: &&usize| into_state.as_ref().is_some_and(|into| into.pattern == **index);
    let idle = found.idle_patterns.iter().filter(|_| is_idle(project, id, found));
    let idle = idle.filter(|index| !is_told(index));
    let idle = idle.filter_map(|index| idle_pattern(project, id, step, *index, alone));
    let refused = found.refused.iter().map(|what| refused_input(project, id, step, what, alone));
    let state = into_state.as_ref().map(|into| state_input(project, id, step, into));
    state.into_iter().chain(idle).chain(refused).collect()
}

/// An input pattern that leads into the state of the checkout by its name.
struct IntoState {
    pattern: usize,
    path: RelPath,
    /// The same, as it is called there.
    below: String,
}

/// Looks for one. A wildcard does not see in there.
fn into_state(
    project: &Project,
    id: ActionId,
    found: &FoundInputs,
    states: &[RelPath],
) -> Option<IntoState> {
    let roots = project.graph[id].inputs.positive_roots();
    let lies_there = |pattern: usize, path: &RelPath| {
        let below = states.iter().find_map(|state| path.below(state))?.to_owned();
        Some(IntoState { pattern, path: path.clone(), below })
    };
    let mut into = roots.filter_map(|(pattern, root, is_literal)| {
        let leads_there = is_literal && states.iter().any(|state| state.is_within(root));
        let files = if leads_there { &*found.files } else { &[] };
        let mut paths = std::iter::once(root).chain(files.iter().map(|found| &found.path));
        paths.find_map(|path| lies_there(pattern, path))
    });
    into.next()
}

/// What lies there comes and goes with the order in which steps are run, so that it is nobody's input by its path.
fn state_input(project: &Project, id: ActionId, step: &Step, into: &IntoState) -> Mistake {
    let (reader, path) = (&project.graph[id].name, &into.path);
    let pattern = step.inputs.as_ref().and_then(|inputs| inputs.get(into.pattern));
    let place = step.place(pattern.map_or(&step.span, |pattern| &pattern.span)).label("read here");
    let out = into.below.strip_prefix("out/").and_then(RelPath::new);
    let leaves = |other: &ActionId| {
        let dir = project.graph[*other].name.out_dir();
        out.as_ref().is_some_and(|out| out.is_within(&dir))
    };
    match project.graph.ids().find(leaves).and_then(|writer| project.step_of(writer)) {
        Some(writer) if writer.name == reader.step => {
            let message = format!("`{reader}` reads its own output `{path}`");
            let help =
                "take it out of the inputs: what a step leaves would change what it is made of";
            Mistake::new(message, place).help(help)
        }
        Some(writer) => {
            let need = match writer.name.package == reader.step.package {
                true => writer.name.step.clone(),
                false => writer.name.to_string(),
            };
            let message =
                format!("`{reader}` reads `{path}`, an output of `{}`, by its path", writer.name);
            let help = format!(
                "take it out of the inputs and need `\"{need}\"`: what a need leaves counts by itself, and it lies in `{{needs.{}.out}}`",
                writer.name.step
            );
            let related = writer.place(&writer.span).label(format!("`{}` leaves it", writer.name));
            Mistake::new(message, place).related(related).help(help)
        }
        None => Mistake::new(
            format!("`{reader}` reads `{path}`, where this checkout keeps what it knows"),
            place,
        )
        .help("take it out of the inputs: it changes with every build"),
    }
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
        .iter()
        .filter(|((of, _), found)| *of == id && found.refused.contains(what))
        .last()
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::walk::testing::TempDir;

    fn hidden_with(dir: &TempDir, root: &str, target: &str) -> Vec<String> {
        let workspace = Workspace {
            root: dir.path(root),
            target: dir.path(target),
            packages: Vec::new(),
            default_members: Vec::new(),
        };
        directories(&workspace, &workspace.state_dir())
            .iter()
            .map(|path| path.as_str().to_owned())
            .collect()
    }

    #[test]
    fn the_target_directory_is_hidden_by_whatever_path_it_is_reached() {
        let dir = TempDir::new();
        dir.write("ws/sub/a", "");
        dir.link("link", "ws");
        dir.link("ws/target", "build/tgt");
        dir.link("ws/build", "real");
        dir.link("ws/real/tgt", "../last");
        dir.link("ws/out", "../outside");
        dir.write("outside/x", "");
        for (root, target, expected) in [
            ("ws", "ws/absent", &["absent"][..]),
            ("ws", "ws/sub/../absent", &["absent"]),
            ("ws", "ws/absent/../other", &["other"]),
            ("ws", "link/absent", &["absent"]),
            ("link", "ws/absent/deep", &["absent/deep"]),
            ("ws", "outside", &[]),
            ("ws", "ws/out", &["out"]),
            ("ws", "ws/target", &["target", "real/tgt", "last"]),
            ("link", "link/build/tgt", &["build/tgt", "real/tgt", "last"]),
        ] {
            assert_eq!(hidden_with(&dir, root, target), expected, "{root} {target}");
        }
    }

    #[test]
    fn a_state_directory_that_is_a_link_is_hidden_where_it_lies() {
        let dir = TempDir::new();
        dir.write("ws/state/x", "");
        dir.link("ws/target/granular", "../state");
        assert_eq!(hidden_with(&dir, "ws", "ws/target"), ["target", "state"]);
        assert_eq!(hidden_with(&dir, "ws", "ws/none"), ["none"]);
        dir.link("ws/ring", "ring");
        assert_eq!(hidden_with(&dir, "ws", "ws/ring"), ["ring"]);
    }
}
