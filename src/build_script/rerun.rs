//! What Cargo is to watch for a build script: files and directories that exist, and variables. Knows no Cargo.
//!
//! Cargo looks at all that lies below a directory that it is told, so a directory is only told if all in it is source: none that holds
//! outputs, what Git ignores or the target directory. In its place come the directories in it that are all source, and the
//! files beside them.

use crate::action::ActionId;
use crate::build::{command, files};
use crate::fingerprint;
use crate::ignore::Ignore;
use crate::inputs::Hidden;
use crate::ordered::{Map, Set};
use crate::path::{Base, OutputPath, RelPath};
use crate::project::Project;
use crate::state::State;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What Cargo is to watch.
#[derive(Debug, Default)]
pub(super) struct Watched {
    pub(super) paths: Set<PathBuf>,
    pub(super) variables: Set<String>,
}

/// Everything that `planned` depends on besides its needs' outputs: manifests, inputs, tools and tracked variables.
pub(super) fn watched(
    project: &Project,
    planned: &[ActionId],
    env: &Map<OsString, OsString>,
) -> Watched {
    let mut watched = Watched::default();
    let workspace = &project.workspace;
    watched.paths.insert(workspace.root.join("Cargo.toml"));
    let mut sources = Sources::new(&workspace.root, files::hidden(project));
    let mut roots = Set::new();
    for &id in planned {
        let action = &project.graph[id];
        let manifest = project.step_of(id).map(|step| step.manifest.clone());
        watched.paths.extend(manifest);
        roots.extend(action.fallback.checked_in.clone());
        let inputs = action.inputs.positive_roots().map(|(_, root, _)| root);
        match action.fallback.is_declared() {
            true => roots.extend(inputs.filter_map(|input| nearest(&workspace.root, input))),
            false => roots.extend(inputs.cloned()),
        }
        let watch = command::watch(project, id, env);
        watched.paths.extend(watch.tools);
        watched.variables.extend(watch.variables.into_iter().filter(|name| !is_cargos(name)));
    }
    for root in roots {
        sources.cover(&root, &mut watched.paths);
    }
    watched.paths.retain(|path| path.exists());
    watched
}

/// What was found rather than declared, known once the steps are up to date: each file, and of packages the directory too, where a new file
/// would count.
pub(super) fn found(project: &Project, planned: &[ActionId]) -> Set<PathBuf> {
    let mut sources = Sources::new(&project.workspace.root, files::hidden(project));
    let state = State::new(project.state_dir.clone());
    let mut paths = Set::new();
    let finds = |id: &&ActionId| {
        let action = &project.graph[**id];
        action.discover.is_some() || !action.depfiles.is_empty()
    };
    for id in planned.iter().filter(finds) {
        let action = &project.graph[*id];
        let text = fs::read_to_string(state.fingerprint(&action.name)).unwrap_or_default();
        for input in fingerprint::inputs(&text) {
            let is_declared = action.inputs.matches(&input);
            let dir = input.parent().filter(|_| action.discover.is_some() && !is_declared);
            dir.into_iter().for_each(|dir| sources.cover(&dir, &mut paths));
            sources.cover(&input, &mut paths);
        }
    }
    paths.retain(|path| path.exists());
    paths
}

/// What is there of the way to an input that may be missing, so that it is noticed when it comes. Not the root of the workspace: too much
/// happens there.
fn nearest(root: &Path, input: &RelPath) -> Option<RelPath> {
    let mut near = Some(input.clone());
    while let Some(path) = near.as_ref().filter(|path| !path.under(root).exists()) {
        near = path.parent();
    }
    near.filter(|path| !path.is_root() || input.is_root())
}

/// Variables that Cargo sets for each build script, and watches itself.
fn is_cargos(name: &str) -> bool {
    const CARGOS: [&str; 7] =
        ["TARGET", "HOST", "OUT_DIR", "PROFILE", "OPT_LEVEL", "DEBUG", "NUM_JOBS"];
    CARGOS.contains(&name) || name.starts_with("CARGO_CFG_") || name.starts_with("CARGO_FEATURE_")
}

/// The sources of a workspace, as far as they were looked at.
struct Sources<'a> {
    root: &'a Path,
    hidden: Hidden,
    ignores: Map<RelPath, Option<Arc<Ignore>>>,
}

impl<'a> Sources<'a> {
    fn new(root: &'a Path, hidden: Hidden) -> Self {
        Self { root, hidden, ignores: Map::new() }
    }

    /// Adds what stands for `path`: itself if it is a file, or a directory that is all source.
    fn cover(&mut self, path: &RelPath, into: &mut Set<PathBuf>) {
        let at = path.under(self.root);
        if !at.is_dir() {
            into.insert(at);
            return;
        }
        let ignore = if path.is_root() { None } else { self.above(path) };
        match self.cover_dir(path, ignore.as_ref()) {
            Covered::Whole => drop(into.insert(at)),
            Covered::Parts(parts) => into.extend(parts),
        }
        // A rule that comes or goes further up changes what a wildcard sees here.
        let above = path.parent().into_iter().flat_map(|dir| ancestors(&dir));
        into.extend(above.map(|dir| dir.under(self.root).join(".gitignore")));
    }

    /// The rules that hold in the directory above `path`.
    fn above(&mut self, path: &RelPath) -> Option<Arc<Ignore>> {
        let dir = path.parent()?;
        if let Some(known) = self.ignores.get(&dir) {
            return known.clone();
        }
        let above = if dir.is_root() { None } else { self.above(&dir) };
        let rules = with_own_rules(self.root, &dir, above.as_ref());
        self.ignores.insert(dir, rules.clone());
        rules
    }

    fn cover_dir(&self, dir: &RelPath, above: Option<&Arc<Ignore>>) -> Covered {
        let ignore = with_own_rules(self.root, dir, above);
        let (mut is_whole, mut parts) = (true, Vec::new());
        for entry in fs::read_dir(dir.under(self.root)).into_iter().flatten().flatten() {
            let kind = entry.file_type();
            let is_dir = kind.is_ok_and(|kind| kind.is_dir());
            let path = entry.file_name().to_str().and_then(|name| dir.child(name));
            let Some(path) = path.filter(|path| self.is_source(path, is_dir, ignore.as_ref()))
            else {
                is_whole = false;
                continue;
            };
            match is_dir.then(|| self.cover_dir(&path, ignore.as_ref())) {
                None | Some(Covered::Whole) => parts.push(entry.path()),
                Some(Covered::Parts(below)) => {
                    is_whole = false;
                    parts.extend(below);
                }
            }
        }
        if is_whole { Covered::Whole } else { Covered::Parts(parts) }
    }

    fn is_source(&self, path: &RelPath, is_dir: bool, ignore: Option<&Arc<Ignore>>) -> bool {
        let is_ignored =
            ignore.is_some_and(|ignore| ignore.is_ignored(path.as_str().as_bytes(), is_dir));
        let output = OutputPath { base: Base::Tree, path: path.clone() };
        let is_output = self.hidden.outputs.iter().any(|pattern| {
            pattern.owns(&output)
                || pattern.literal().path == *path && pattern.literal().base == Base::Tree
        });
        let is_hidden = path.name() == Some(".git") || self.hidden.directories.contains(path);
        !(is_ignored || is_output || is_hidden)
    }
}

/// What stands for a directory.
enum Covered {
    /// Itself.
    Whole,
    /// These.
    Parts(Vec<PathBuf>),
}

fn ancestors(dir: &RelPath) -> Vec<RelPath> {
    let mut all = vec![dir.clone()];
    while let Some(above) = all.last().filter(|dir| !dir.is_root()).and_then(RelPath::parent) {
        all.push(above);
    }
    all
}

fn with_own_rules(root: &Path, dir: &RelPath, above: Option<&Arc<Ignore>>) -> Option<Arc<Ignore>> {
    match fs::read(dir.under(root).join(".gitignore")) {
        Ok(text) => Ignore::below(above, dir.as_str(), &text),
        Err(_) => above.cloned(),
    }
}
