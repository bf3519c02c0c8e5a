//! What a build has looked at that found actions fresh, as paths, and what of an earlier proof still holds: see [`crate::untouched`]. Looks at little itself, and judges nothing.

use super::check::UpToDate;
use super::find::{self, Owners};
use super::owner::{Standing, UpToDateAction, UpToDateActions};
use super::{Ground, command, files};
use crate::action::{ActionId, GoPackages};
use crate::config::discover::literal_directory;
use crate::inputs::Found;
use crate::ordered::{Map, Set};
use crate::outputs;
use crate::path::{Base, OutputPath, RelPath};
use crate::project::Project;
use crate::stat::{Kind, Stat};
use crate::state::State;
use crate::untouched::{self, Carried, Edit, Edited, Fresh, Question, Sight, What, Witness};
use crate::walk::Trail;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What an earlier proof says of the actions that have nothing to do with what was edited.
#[derive(Default)]
pub(crate) struct Still {
    /// Those of which it is still proved that they are fresh.
    pub(crate) untouched: Map<ActionId, Fresh>,
    /// Those of which it is proved if it shows that they have the key that they had then: what they need may have come out differently.
    pub(crate) by_key: Map<ActionId, Fresh>,
}

/// Keeps what is proved at the end of a build that has come to `standing`. `edited` is what the proof was of which something was taken as proved, if any was, and `by_key` as in [`Still`]; where there
/// was none, `trail` is where the walk has been.
pub(crate) fn keep(
    ground: &Ground<'_>,
    question: &Question,
    planned: &[ActionId],
    edited: Option<(&Edited, Map<ActionId, Fresh>)>,
    standing: Standing,
    trail: Trail,
) {
    let Standing { mut untouched, fresh } = standing;
    let (carried, witness) = match edited {
        Some((edited, by_key)) => {
            let as_it_was = |id: &ActionId, (state, _): &UpToDateAction| {
                by_key.get(id).is_some_and(|then| then.key == state.key)
            };
            let (same, new): (Vec<_>, Vec<_>) =
                fresh.into_iter().partition(|(id, state)| as_it_was(id, state));
            untouched
                .extend(same.iter().filter_map(|(id, _)| Some((*id, by_key.get(id)?.clone()))));
            let fresh = new.into_iter().collect();
            let witness = again(ground, &fresh);
            let graph = &ground.project.graph;
            let proved: Set<_> =
                untouched.keys().chain(fresh.keys()).map(|id| graph.twin(*id)).collect();
            // Of two that share their outputs the one may be fresh, and the other not be asked for.
            let is_open = |id: &ActionId| !proved.contains(&graph.twin(*id));
            let open: Set<_> = planned.iter().copied().filter(is_open).collect();
            (carried(ground, edited, untouched, &open), witness)
        }
        None if fresh.len() == planned.len() => (None, all(ground, of(ground, &fresh, trail))),
        // To look for it once more is worth it only where it is most of it.
        None if fresh.len() * 2 > planned.len() => (None, all(ground, again(ground, &fresh))),
        None => (None, None),
    };
    let (state, hidden) = (ground.state, ground.hidden.directories.clone());
    let carried = carried.unwrap_or_default();
    untouched::keep(state, question, planned.len(), hidden, carried, witness, ground.env);
}

/// With what was declared.
fn all(ground: &Ground<'_>, witness: Option<Witness>) -> Option<Witness> {
    let mut witness = witness?;
    declarations(ground, &mut witness);
    Some(witness)
}

/// What was looked at for `fresh`, where more was planned: the walk has looked at more as well, for what has run, and that cannot have come to rest.
fn again(ground: &Ground<'_>, fresh: &UpToDateActions) -> Option<Witness> {
    let ids: Vec<_> = fresh.keys().copied().collect();
    let (_, trail) = files::find(ground.project, &ids, ground.hidden).ok()?;
    of(ground, fresh, trail)
}

/// What was looked at for `fresh`; `None` where that cannot be told, or would not tell enough.
fn of(ground: &Ground<'_>, fresh: &UpToDateActions, trail: Trail) -> Option<Witness> {
    let graph = &ground.project.graph;
    let asks_cargo = fresh.keys().any(|id| !graph[*id].cargo.is_empty());
    if fresh.is_empty() || asks_cargo || trail.led_away {
        return None;
    }
    let (lookups, beside) = ground.tools.looked_at()?;
    let mut witness = Witness { lookups, ..Witness::default() };
    beside.iter().for_each(|path| see(&mut witness, path, What::Pointee));
    walked(ground, trail, &mut witness);
    let mut actions = Vec::new();
    for (id, (state, saved)) in fresh {
        let action = &graph[*id];
        witness.variables.extend(command::variables(action));
        read(ground, *id, state, &mut witness)?;
        let (paths, ways) =
            outputs::looked_at(&action.outputs, &state.outputs, &ground.project.roots(*id)).ok()?;
        paths.iter().for_each(|path| see(&mut witness, path, What::Entry));
        ways.iter().for_each(|path| see(&mut witness, path, What::OwnDirectory));
        actions.push((
            *id,
            Fresh {
                action: action.name.clone(),
                key: state.key,
                saved: *saved,
                is_check: action.run.is_some() && action.outputs.is_empty(),
            },
        ));
    }
    witness.actions = actions.into_iter().collect();
    Some(witness)
}

/// What is still proved where no more than some files and directories was edited since: of the actions that read none of these that they are fresh, if they need only such ones. `None` where what was edited is more than somebody's input, or another build has changed something meanwhile.
pub(crate) fn untouched(
    project: &Project,
    state: &State,
    planned: &[ActionId],
    edited: &Edited,
) -> Option<Still> {
    if Stat::of(&state.records()).ok()? != edited.records {
        return None;
    }
    let graph = &project.graph;
    let (mut files, mut listings) = (Vec::new(), Vec::new());
    for (path, edit) in &edited.edits {
        let below = path.strip_prefix(&project.workspace.root).ok()?.to_str()?;
        if path.starts_with(state.dir()) {
            return None;
        }
        if *edit == Edit::Listing {
            listings.push(if below.is_empty() { RelPath::root() } else { RelPath::new(below)? });
            continue;
        }
        let output = OutputPath { base: Base::Tree, path: RelPath::new(below)? };
        let mut outputs = graph.actions().iter().flat_map(|action| &action.outputs);
        if path.file_name()? == ".gitignore" || outputs.any(|pattern| pattern.owns(&output)) {
            return None;
        }
        files.push(output.path);
    }
    let mut proved = edited.filed.proof.actions.iter().peekable();
    let mut untouched: Vec<Option<&Fresh>> = vec![None; graph.actions().len()];
    let mut by_key = Vec::new();
    for id in planned {
        let action = &graph[*id];
        let fresh = proved.next_if(|fresh| fresh.action == action.name);
        // What a check exports are the files that it reads.
        let is_plain = action.run.is_some() && !action.outputs.is_empty();
        let is_untouched = |id: ActionId| untouched.get(id.0).is_some_and(Option::is_some);
        let needs = || action.needs.iter().all(|need| is_untouched(need.action));
        let twin = || graph.twin(*id) == *id || is_untouched(graph.twin(*id));
        let reads = || files.iter().any(|file| action.inputs.matches(file));
        // What stands above the beginning of a pattern decides on whether anything is there, and on what is ignored.
        let meets = |dir: &RelPath| {
            let mut roots = action.inputs.positive_roots();
            roots.any(|(_, root, _)| root.is_within(dir) || dir.is_within(root))
        };
        let lists = || listings.iter().any(meets);
        // What is found may depend on any file.
        let fresh = fresh.filter(|_| !find::finds(action) && !reads() && !lists());
        let is_untouched = is_plain && needs() && twin();
        by_key.extend(fresh.filter(|_| !is_untouched).map(|fresh| (*id, fresh.clone())));
        *untouched.get_mut(id.0)? = fresh.filter(|_| is_untouched);
    }
    let holds = proved.next().is_none() && are_in_place(project, edited, &untouched)?;
    let all = planned.iter().filter_map(|id| Some((*id, (*untouched.get(id.0)?)?.clone())));
    holds.then(|| Still { untouched: all.collect(), by_key: by_key.into_iter().collect() })
}

/// Whether the outputs in the tree of these actions are still as they were. They were looked at before the checkout was ours, and belong to builds with other target directories too, which say
/// nothing in these records.
fn are_in_place(project: &Project, edited: &Edited, actions: &[Option<&Fresh>]) -> Option<bool> {
    let ids = project.graph.ids().zip(actions).filter(|(_, fresh)| fresh.is_some());
    let near = Near::outputs(project, ids.map(|(id, _)| id));
    let mut then = Vec::new();
    for group in edited.filed.groups()?.iter().filter(|group| near.holds(group.directory)) {
        let is_output = |sight: &Sight| sight.path.to_str().is_some_and(|path| near.is_below(path));
        let still = |sight: &Sight| is_output(sight) && !is_edited(edited, sight);
        then.extend(group.sights()?.into_iter().filter(still));
    }
    untouched::are_as_they_were(then)
}

/// Whether this is what was edited.
fn is_edited(edited: &Edited, sight: &Sight) -> bool {
    let what = |edit| if edit == Edit::File { What::Entry } else { What::Listing };
    edited.edits.iter().any(|(path, edit)| *path == sight.path && what(*edit) == sight.what)
}

/// Directories of which something may count: these alone, and these with all that is below them.
#[derive(Default)]
struct Near {
    directories: HashSet<String>,
    trees: HashSet<String>,
}

impl Near {
    /// Where outputs in the tree can lie.
    fn outputs(project: &Project, actions: impl Iterator<Item = ActionId>) -> Self {
        let mut near = Self::default();
        let patterns = actions.flat_map(|id| &project.graph[id].outputs);
        for literal in patterns.map(|pattern| pattern.literal()) {
            if literal.base == Base::Tree {
                near.add(&literal.path.under(&project.workspace.root));
            }
        }
        near
    }

    /// With a path and all that is below it.
    fn add(&mut self, path: &Path) {
        self.add_directory_of(path);
        self.trees.extend(path.to_str().map(str::to_owned));
    }

    fn add_directory_of(&mut self, path: &Path) {
        self.directories.extend(path.parent().and_then(Path::to_str).map(str::to_owned));
    }

    /// As text: to take thousands of paths to pieces costs more than to look at them.
    fn holds(&self, directory: &str) -> bool {
        self.directories.contains(directory) || self.is_below(directory)
    }

    /// Whether it is one of the paths that were added, or lies below one.
    fn is_below(&self, path: &str) -> bool {
        let above = path.rmatch_indices('/').map(|(end, _)| &path[..end]);
        self.trees.contains(path) || above.into_iter().any(|above| self.trees.contains(above))
    }
}

/// What still holds of the proof that `edited` is about, where `untouched` are the actions that were taken as proved, and `open` those of which nothing is. Left out is what only these rest on and is
/// not as it was: the files and directories that were edited, and their outputs.
fn carried<'p>(
    ground: &Ground<'_>,
    edited: &'p Edited,
    untouched: Map<ActionId, Fresh>,
    open: &Set<ActionId>,
) -> Option<Carried<'p>> {
    let project = ground.project;
    let records = ground.state.records();
    let outs: HashSet<PathBuf> = open.iter().map(|id| project.out_dir(*id)).collect();
    let mut near = Near::outputs(project, open.iter().copied());
    outs.iter().for_each(|out| near.add(out));
    let edits = edited.edits.iter().map(|(path, _)| path);
    edits.chain([&records]).for_each(|path| near.add_directory_of(path));
    let owners = find::owners(ground);
    let outputs = Near::outputs(project, open.iter().copied());
    let others = OnceCell::new();
    let others = || {
        let ids = project.graph.ids().filter(|id| !open.contains(id));
        others.get_or_init(|| Near::outputs(project, ids))
    };
    // Of a directory in which only these leave something it is enough that it is one.
    let is_theirs_alone = |sight: &Sight| {
        let is_directory = sight.stat.is_some_and(|stat| stat.kind == Kind::Directory);
        let text = sight.path.to_str().filter(|_| sight.what == What::Entry && is_directory);
        text.is_some_and(|path| outputs.is_below(path) && !others().is_below(path))
    };
    let is_out_of_date = |sight: &Sight| {
        let path = &sight.path;
        let is_in_out = || path.ancestors().any(|above| outs.contains(above));
        match sight.what {
            _ if is_edited(edited, sight) => true,
            What::Entry if *path == records => true,
            What::Entry => is_in_out() || is_output(project, owners, path, open),
            What::OwnDirectory => is_in_out(),
            // A program that is used, whoever has made it.
            What::Pointee | What::Listing | What::Directory => false,
        }
    };
    let groups = edited.filed.groups()?.into_iter();
    let (near, groups): (Vec<_>, Vec<_>) = groups.partition(|group| near.holds(group.directory));
    let mut sights = Vec::new();
    for group in near {
        for mut sight in group.sights()?.into_iter().filter(|sight| !is_out_of_date(sight)) {
            if is_theirs_alone(&sight) {
                (sight.what, sight.stat) = (What::OwnDirectory, None);
            }
            sights.push(sight);
        }
    }
    let proof = &edited.filed.proof;
    Some(Carried {
        actions: untouched,
        variables: proof.variables.clone(),
        lookups: proof.lookups.clone(),
        groups,
        sights,
        filed: Some(&edited.filed),
    })
}

/// Whether what stands at `path` in the tree is an output of one of these actions, and of none else.
fn is_output(project: &Project, owners: &Owners, path: &Path, actions: &Set<ActionId>) -> bool {
    let below = path.strip_prefix(&project.workspace.root).ok().and_then(Path::to_str);
    let owner = below.and_then(RelPath::new).and_then(|path| owners.of(project, &path));
    owner.is_some_and(|owner| actions.contains(&owner))
}

fn see(witness: &mut Witness, path: &Path, what: What) {
    witness.paths.push((path.to_owned(), what));
}

/// Manifests, and the directories that the tables name: that one is not there is a mistake.
fn declarations(ground: &Ground<'_>, witness: &mut Witness) {
    let workspace = &ground.project.workspace;
    see(witness, &workspace.root.join("Cargo.toml"), What::Pointee);
    for package in &workspace.packages {
        see(witness, &package.manifest, What::Pointee);
    }
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
    trail.directories.iter().for_each(|path| see(witness, &join(path), What::Listing));
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
