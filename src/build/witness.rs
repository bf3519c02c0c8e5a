//! What a build in which all was fresh has looked at, as paths: see [`crate::untouched`]. Looks at little itself, and judges nothing.

use super::Ground;
use super::check::UpToDate;
use super::command;
use super::find;
use super::owner::UpToDateActions;
use crate::action::{ActionId, GoPackages};
use crate::config::discover::literal_directory;
use crate::inputs::Found;
use crate::ordered::Set;
use crate::outputs;
use crate::path::{Base, OutputPath, RelPath};
use crate::project::Project;
use crate::stat::Stat;
use crate::state::State;
use crate::untouched::{Edited, Fresh, Sight, What, Witness};
use crate::walk::Trail;
use std::path::Path;

/// What was looked at for `planned`, all of which are fresh; `None` where that cannot be told, or would not tell enough.
pub(crate) fn of(
    ground: &Ground<'_>,
    planned: &[ActionId],
    up_to_date: &UpToDateActions,
    trail: Trail,
) -> Option<Witness> {
    let is_all = planned.iter().all(|id| up_to_date.contains_key(id));
    let asks_cargo = planned.iter().any(|id| !ground.project.graph[*id].cargo.is_empty());
    if planned.is_empty() || !is_all || asks_cargo || trail.led_away {
        return None;
    }
    let (lookups, beside) = ground.tools.looked_at()?;
    let mut witness =
        Witness { lookups, hidden: ground.hidden.directories.clone(), ..Witness::default() };
    beside.iter().for_each(|path| see(&mut witness, path, What::Pointee));
    declarations(ground, &mut witness);
    walked(ground, trail, &mut witness);
    for id in planned {
        let (state, saved) = up_to_date.get(id)?;
        let action = &ground.project.graph[*id];
        witness.variables.extend(command::variables(action));
        read(ground, *id, state, &mut witness)?;
        let (paths, ways) = outputs::looked_at(&action.outputs, &ground.project.roots(*id)).ok()?;
        paths.iter().for_each(|path| see(&mut witness, path, What::Entry));
        ways.iter().for_each(|path| see(&mut witness, path, What::OwnDirectory));
        witness.actions.push(Fresh {
            action: action.name.clone(),
            key: state.key,
            saved: *saved,
            is_check: action.run.is_some() && action.outputs.is_empty(),
        });
    }
    Some(witness)
}

/// The actions of which it is still proved that they are fresh, where no more than some files was edited since all were: those that read none of these, and need only such ones. `None` where
/// what was edited is more than somebody's input, or another build has changed something meanwhile.
pub(crate) fn untouched(
    project: &Project,
    state: &State,
    planned: &[ActionId],
    edited: &Edited,
) -> Option<Set<ActionId>> {
    if Stat::of(&state.records()).ok()? != edited.records {
        return None;
    }
    let graph = &project.graph;
    let mut files = Vec::new();
    for file in &edited.files {
        if file.starts_with(state.dir()) || file.file_name()? == ".gitignore" {
            return None;
        }
        let path = RelPath::new(file.strip_prefix(&project.workspace.root).ok()?.to_str()?)?;
        let output = OutputPath { base: Base::Tree, path };
        let mut outputs = graph.actions().iter().flat_map(|action| &action.outputs);
        if outputs.any(|pattern| pattern.owns(&output)) {
            return None;
        }
        files.push(output.path);
    }
    let mut untouched = vec![false; graph.actions().len()];
    for id in planned {
        let action = &graph[*id];
        // What is found may depend on any file, and what a check exports are the files that it reads.
        let is_plain = action.run.is_some() && !action.outputs.is_empty() && !find::finds(action);
        let needs = || action.needs.iter().all(|need| untouched.get(need.action.0) == Some(&true));
        let reads = || files.iter().any(|file| action.inputs.matches(file));
        let is_untouched = is_plain && needs() && !reads();
        *untouched.get_mut(id.0)? = is_untouched;
    }
    Some(planned.iter().copied().filter(|id| untouched.get(id.0) == Some(&true)).collect())
}

fn see(witness: &mut Witness, path: &Path, what: What) {
    witness.paths.push((path.to_owned(), what));
}

/// Manifests, the records, and the directories that the tables name: that one is not there is a mistake.
fn declarations(ground: &Ground<'_>, witness: &mut Witness) {
    let workspace = &ground.project.workspace;
    see(witness, &workspace.root.join("Cargo.toml"), What::Pointee);
    for package in &workspace.packages {
        see(witness, &package.manifest, What::Pointee);
    }
    see(witness, &ground.state.records(), What::Entry);
    for action in ground.project.graph.actions() {
        let packages =
            action.discover.iter().flat_map(|packages| directories(&action.dir, packages));
        for dir in packages.chain([action.dir.clone()]) {
            let dir = dir.under(&workspace.root);
            // One that is not there yet may be made by a step.
            if dir.is_dir() {
                see(witness, &dir, What::Directory);
            }
        }
    }
}

fn directories(dir: &RelPath, packages: &GoPackages) -> impl Iterator<Item = RelPath> {
    packages.patterns.iter().filter_map(move |pattern| dir.resolve(literal_directory(pattern)))
}

/// Where the walk for declared inputs has been.
fn walked(ground: &Ground<'_>, trail: Trail, witness: &mut Witness) {
    let root = &ground.project.workspace.root;
    let join = |path: &String| if path.is_empty() { root.clone() } else { root.join(path) };
    trail.directories.iter().for_each(|path| see(witness, &join(path), What::Pointee));
    trail.names.iter().for_each(|path| see(witness, &join(path), What::Entry));
    for path in &trail.links {
        see(witness, &join(path), What::Entry);
        see(witness, &join(path), What::Pointee);
    }
}

/// What an action reads, and what decides on that.
fn read(ground: &Ground<'_>, id: ActionId, state: &UpToDate, witness: &mut Witness) -> Option<()> {
    let root = &ground.project.workspace.root;
    for Found { path, stat, link } in &state.found.files {
        let path = path.under(root);
        if link.is_some() {
            see(witness, &path, What::Pointee);
        }
        // It was looked at before it was judged: whatever has been done to it since will show against that.
        witness.seen.push(Sight { path, what: What::Entry, stat: Some(*stat) });
    }
    let action = &ground.project.graph[id];
    if !find::finds(action) {
        return Some(());
    }
    see(witness, &ground.state.found(&action.name), What::Entry);
    let mut both = |path: &Path| {
        see(witness, path, What::Entry);
        see(witness, path, What::Pointee);
    };
    if let Some(set) = &state.discovered.set {
        set.files.iter().for_each(|path| both(&path.under(root)));
        set.outside.iter().for_each(|path| both(Path::new(path)));
    }
    let Some(go) = &state.discovered.go else { return Some(()) };
    let answer = &go.answer;
    if !answer.trees.is_empty() {
        return None;
    }
    let listed = answer.sources.iter().chain(&answer.data).chain(&answer.consulted);
    listed.for_each(|path| both(&path.under(root)));
    answer.elsewhere.iter().for_each(|path| both(Path::new(path)));
    let sight = find::sight(ground, true);
    for path in &answer.directories {
        let entries = sight.entries(path).ok()?;
        // What a link leads to is part of a listing, and no part of the stat of the directory.
        if entries.iter().flat_map(|entries| entries.iter()).any(|entry| entry.is_link) {
            return None;
        }
        see(witness, &path.under(root), What::Pointee);
    }
    Some(())
}
