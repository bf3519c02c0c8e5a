//! Which actions a change of the tree can affect, and why: from the graph, the patterns and the paths that changed. Knows no git: who asks brings what differs and what
//! is known to be as it was.
//!
//! **What is promised.** An action that is not told comes out as it did before the change, as far as the tree decides: each file that it reads is known to be as it was, no path that
//! changed could be one that it reads or read, and the same holds for what declares it, for its tools in the tree and for all that it needs. Where that cannot be known the action is told.
//! What lies outside of the tree (variables, installed tools, the time) is not asked about.

use crate::action::ActionId;
use crate::assess::{self, Assessment, Edges, Outlook};
use crate::build::{BuildError, command, files, plan};
use crate::found::Finder;
use crate::inputs::{self, FoundInputs};
use crate::path::{Base, OutputPath, RelPath};
use crate::pattern::{self, InputPatterns, OutputPattern};
use crate::project::Project;
use crate::reason::DirtyReason;
use crate::tools::{self, Beside};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

/// What is known of a tree: that of the workspace, or a larger one. Paths are relative to its root.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// The root of the tree, without links.
    pub root: PathBuf,
    /// What differs from how it was.
    pub paths: BTreeMap<PathBuf, Difference>,
    /// Of manifests of packages that differ, and of which it is known: the steps that they declare otherwise.
    pub declared: BTreeMap<PathBuf, BTreeSet<String>>,
    /// The files of which it is known whether they differ: those that are not in `paths` are as they were.
    pub known: HashSet<PathBuf>,
}

/// How a path differs from how it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Difference {
    /// In what way.
    pub how: How,
    /// Whether anything below it may differ as well: it is or was a link, or a tree of its own.
    pub is_more: bool,
}

/// In what way a path differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// It is there, as it was before, and is another.
    Changed,
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
}

/// An action that a change can affect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Affected {
    /// Which.
    pub action: ActionId,
    /// Why.
    pub why: Why,
}

/// Why an action may be affected.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// A file that it reads or leaves, or that may have been one, differs.
    File(DirtyReason),
    /// Something else that it depends on differs: a manifest, rules of what is ignored, a file that decides on the version of a tool.
    Beside(DirtyReason),
    /// This need of it may be affected.
    Need(String),
    /// It cannot be known: a sentence.
    Unknown(String),
}

impl Why {
    /// The word for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::File(reason) | Self::Beside(reason) => reason.kind(),
            Self::Need(_) => "need-affected",
            Self::Unknown(_) => "unknown",
        }
    }

    /// The path or the need that it is about.
    pub fn subject(&self) -> Option<&str> {
        match self {
            Self::File(reason) | Self::Beside(reason) => reason.subject(),
            Self::Need(need) => Some(need),
            Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(reason) | Self::Beside(reason) => reason.fmt(f),
            Self::Need(need) => write!(f, "needs {need}"),
            Self::Unknown(sentence) => f.write_str(sentence),
        }
    }
}

/// Files that managers of versions look for from the directory of a command upwards.
const VERSION_FILES: [&str; 16] = [
    ".tool-versions",
    "mise.toml",
    ".mise.toml",
    ".nvmrc",
    ".node-version",
    ".python-version",
    ".ruby-version",
    ".go-version",
    ".java-version",
    ".sdkmanrc",
    "rust-toolchain",
    "rust-toolchain.toml",
    "global.json",
    ".swift-version",
    ".bazelversion",
    ".terraform-version",
];

/// Of `wanted` and all that it needs, what `changes` can affect, in the graph's order.
pub fn affected(
    project: &Project,
    wanted: &[ActionId],
    changes: &Changes,
    edges: &Edges<'_>,
) -> Result<Vec<Affected>, BuildError> {
    let planned = plan::closure(&project.graph, wanted);
    let hidden = files::hidden(project);
    let patterns: Vec<_> = planned.iter().map(|id| &project.graph[*id].inputs).collect();
    let found = inputs::find(&project.workspace.root, &patterns, &hidden)?;
    let mut asked = Asked::new(project, &planned, changes);
    let mut why: BTreeMap<ActionId, Why> = BTreeMap::new();
    for (id, found) in planned.iter().zip(&found) {
        let told = asked.declared(*id).or_else(|| asked.read(*id, found));
        let told = told.or_else(|| asked.tools(*id, edges));
        why.extend(told.or_else(|| need(project, *id, &why)).map(|told| (*id, told)));
    }
    let finds = |id: &&ActionId| {
        let action = &project.graph[**id];
        !why.contains_key(*id) && (action.discover.is_some() || !action.depfiles.is_empty())
    };
    let finders: Vec<ActionId> = planned.iter().filter(finds).copied().collect();
    if !finders.is_empty() {
        let assessments = assess::assess(project, &finders, false, edges);
        let assessments = assessments.unwrap_or_default();
        for id in &finders {
            let assessment = assessments.iter().find(|assessment| assessment.action == *id);
            why.extend(asked.found(*id, assessment).map(|told| (*id, told)));
        }
        for id in &planned {
            if !why.contains_key(id) {
                why.extend(need(project, *id, &why).map(|told| (*id, told)));
            }
        }
    }
    Ok(why.into_iter().map(|(action, why)| Affected { action, why }).collect())
}

/// The first need of an action that may be affected.
fn need(project: &Project, id: ActionId, why: &BTreeMap<ActionId, Why>) -> Option<Why> {
    let need = project.graph[id].needs.iter().find(|need| why.contains_key(&need.action))?;
    Some(Why::Need(project.graph[need.action].name.to_string()))
}

/// A path that differs, as patterns know it.
struct Differing {
    path: RelPath,
    how: How,
    /// It as a pattern that takes in everything below it, where that may differ too; for the root of the workspace `None`.
    tree: Option<OutputPattern>,
}

/// A path outside of the workspace that differs.
struct Outside {
    /// Absolute.
    path: PathBuf,
    difference: Difference,
    shown: String,
}

/// What is asked again and again.
struct Asked<'a> {
    project: &'a Project,
    changes: &'a Changes,
    /// The root of the workspace, without links.
    root: PathBuf,
    /// What differs below it.
    paths: Vec<Differing>,
    /// What differs elsewhere.
    outside: Vec<Outside>,
    /// The `.gitignore` files that differ, each with its directory as a pattern; `None` for the root and what lies above it.
    rules: Vec<(DirtyReason, Option<OutputPattern>)>,
    /// The manifests that differ.
    manifests: HashMap<PathBuf, DirtyReason>,
    /// Whether any link differs: what is read through links is then not known.
    has_links: bool,
    /// What all that an action needs leaves in the tree.
    of_needs: HashMap<ActionId, Vec<&'a OutputPattern>>,
    /// Directories without links.
    real: HashMap<PathBuf, Option<PathBuf>>,
}

impl<'a> Asked<'a> {
    fn new(project: &'a Project, planned: &[ActionId], changes: &'a Changes) -> Self {
        let root = real(&project.workspace.root);
        let (mut paths, mut outside, mut rules) = (Vec::new(), Vec::new(), Vec::new());
        let mut manifests = HashMap::new();
        for (path, difference) in &changes.paths {
            let absolute = changes.root.join(path);
            let shown = absolute.strip_prefix(&root).unwrap_or(&absolute);
            let shown = shown.to_string_lossy().into_owned();
            if path.file_name().is_some_and(|name| name == ".gitignore") {
                let dir = absolute.parent().and_then(|dir| dir.strip_prefix(&root).ok());
                let is_above =
                    dir.is_none() && absolute.parent().is_some_and(|dir| root.starts_with(dir));
                let dir = dir.and_then(rel_path);
                if dir.is_some() || is_above {
                    rules.push((reason(difference.how, &shown), dir.as_ref().and_then(tree)));
                }
            }
            if path.file_name().is_some_and(|name| name == "Cargo.toml") {
                manifests.insert(absolute.clone(), reason(difference.how, &shown));
            }
            let Ok(below) = absolute.strip_prefix(&root) else {
                let difference = *difference;
                outside.push(Outside { path: absolute, difference, shown });
                continue;
            };
            // A name that is not UTF-8 is refused among inputs.
            if let Some(path) = rel_path(below) {
                let tree = difference.is_more.then(|| tree(&path)).flatten();
                paths.push(Differing { path, how: difference.how, tree });
            }
        }
        let has_links = changes.paths.values().any(|difference| difference.is_more);
        let of_needs = planned.iter().map(|id| (*id, outputs_of_needs(project, *id))).collect();
        let real = HashMap::new();
        Self { project, changes, root, paths, outside, rules, manifests, has_links, of_needs, real }
    }

    /// By what is declared alone.
    fn declared(&self, id: ActionId) -> Option<Why> {
        let action = &self.project.graph[id];
        if let Some(why) = self.manifest(id) {
            return Some(why);
        }
        for Differing { path, how, tree } in &self.paths {
            let reads = action.inputs.matches(path)
                || tree.as_ref().is_some_and(|tree| reaches(&action.inputs, tree));
            if reads && !self.is_of_a_need(id, path) {
                return Some(Why::File(reason(*how, path.as_str())));
            }
            let output = OutputPath { base: Base::Tree, path: path.clone() };
            // That one is new only says that it is not kept in git.
            let is_owned = || action.outputs.iter().any(|pattern| pattern.owns(&output));
            if *how != How::Added && is_owned() {
                return Some(Why::File(DirtyReason::OutputChanged(path.to_string())));
            }
            let stands_in = &action.fallback.checked_in;
            if stands_in.as_ref().is_some_and(|dir| path.is_within(dir) || dir.is_within(path)) {
                return Some(Why::File(reason(*how, path.as_str())));
            }
        }
        // What names one file sees it whether it is ignored or not.
        let root = &self.project.workspace.root;
        let roots = || action.inputs.positive_roots();
        let by_rules = |(_, dir): &&(DirtyReason, Option<OutputPattern>)| {
            roots().any(|(index, path, is_literal)| {
                (!is_literal || path.under(root).is_dir())
                    && dir.as_ref().is_none_or(|dir| action.inputs.can_reach(index, dir))
            })
        };
        if let Some((reason, _)) = self.rules.iter().find(by_rules) {
            return Some(Why::Beside(reason.clone()));
        }
        match !action.cargo.is_empty() && !self.changes.paths.is_empty() {
            true => Some(Why::Unknown("it depends on what Cargo builds".to_owned())),
            false => None,
        }
    }

    /// That of the package counts for those of its steps that it declares otherwise, and that of the workspace for everything.
    fn manifest(&self, id: ActionId) -> Option<Why> {
        let own = self.project.step_of(id).map(|step| real(&step.manifest));
        let root = self.root.join("Cargo.toml");
        let is_declared_otherwise = |path: &&PathBuf| {
            let below = path.strip_prefix(&self.changes.root).unwrap_or(path);
            let steps = self.changes.declared.get(below).filter(|_| **path != root);
            steps.is_none_or(|steps| steps.contains(&self.project.graph[id].name.step.step))
        };
        let manifests = own.iter().chain([&root]).filter(is_declared_otherwise);
        let changed = manifests.filter_map(|path| self.manifests.get(path)).next();
        changed.map(|reason| Why::Beside(reason.clone()))
    }

    /// By the files that it reads now: whether each is known to be as it was, by whatever links it is reached.
    fn read(&mut self, id: ActionId, found: &FoundInputs) -> Option<Why> {
        let root = self.project.workspace.root.clone();
        for file in &found.files {
            let path = file.path.under(&root);
            let is_link = file.link.is_some();
            if let Some(why) = self.file(id, &file.path, &path, is_link) {
                return Some(why);
            }
        }
        None
    }

    fn file(
        &mut self,
        id: ActionId,
        path: &RelPath,
        absolute: &Path,
        is_link: bool,
    ) -> Option<Why> {
        match self.is_of_a_need(id, path) {
            true => None,
            false => self.place(path.as_str(), absolute, is_link),
        }
    }

    /// Whether a file that is read is known to be as it was, wherever it lies and by whatever links it is reached.
    fn place(&mut self, path: &str, absolute: &Path, is_link: bool) -> Option<Why> {
        let unknown =
            || Some(Why::Unknown(format!("it reads {}, which is not kept in git", shown(path))));
        let dir = absolute.parent().and_then(|dir| self.without_links(dir));
        let Some(place) = dir.zip(absolute.file_name()).map(|(dir, name)| dir.join(name)) else {
            return unknown();
        };
        let through_links = is_link || place != absolute;
        let pointee = if is_link { place.canonicalize().ok() } else { None };
        for place in [Some(place), pointee].into_iter().flatten() {
            let Ok(below) = place.strip_prefix(&self.changes.root) else { return unknown() };
            let differs = |way: &Path| {
                let difference = self.changes.paths.get(way)?;
                (way == below || difference.is_more).then_some(difference)
            };
            if let Some(difference) = below.ancestors().find_map(differs) {
                return Some(Why::File(reason(difference.how, path)));
            }
            if !self.changes.known.contains(below) {
                return unknown();
            }
        }
        // Which links lie on the way is not looked at.
        match through_links && self.has_links {
            true => Some(Why::Unknown(format!(
                "it reads {} through links, and links changed",
                shown(path)
            ))),
            false => None,
        }
    }

    /// Whether a need leaves it: then the need tells.
    fn is_of_a_need(&self, id: ActionId, path: &RelPath) -> bool {
        let patterns = self.of_needs.get(&id).map_or(&[][..], Vec::as_slice);
        let output = OutputPath { base: Base::Tree, path: path.clone() };
        patterns.iter().any(|pattern| pattern.owns(&output))
    }

    fn without_links(&mut self, dir: &Path) -> Option<PathBuf> {
        let known = self.real.entry(dir.to_path_buf());
        known.or_insert_with(|| dir.canonicalize().ok()).clone()
    }

    /// By tools that lie in the tree, and by files in it that decide which version of a tool is taken.
    fn tools(&mut self, id: ActionId, edges: &Edges<'_>) -> Option<Why> {
        let action = &self.project.graph[id];
        let names = command::names_of_tools(action);
        if names.is_empty() {
            return None;
        }
        let upward: Vec<&str> = names.iter().flat_map(|name| upward(name)).collect();
        for Differing { path, how, .. } in &self.paths {
            let name = path.name().unwrap_or_default();
            let decides = upward.contains(&name) || VERSION_FILES.contains(&name);
            let above = path.parent().is_some_and(|dir| action.dir.is_within(&dir));
            if (decides && above) || names.iter().any(|tool| command::base_name(tool) == name) {
                return Some(Why::Beside(reason(*how, path.as_str())));
            }
        }
        for Outside { path, difference, shown } in &self.outside {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let decides = upward.contains(&name) || VERSION_FILES.contains(&name);
            let above = path.parent().is_some_and(|dir| self.root.starts_with(dir));
            if (decides && above) || names.iter().any(|tool| command::base_name(tool) == name) {
                return Some(Why::Beside(reason(difference.how, shown)));
            }
        }
        let dir = action.dir.under(&self.project.workspace.root);
        for name in &names {
            // One that is nowhere is told when it is missed.
            let Ok(path) = tools::find(name, &dir, edges.env) else { continue };
            let Some(real) = path.canonicalize().ok() else { continue };
            let is_ours = real.starts_with(self::real(&self.project.workspace.target));
            if is_ours || !real.starts_with(&self.changes.root) {
                continue;
            }
            let why = match real.strip_prefix(&self.root).ok().and_then(rel_path) {
                Some(inside) => self.file(id, &inside, &real, false),
                None => self.place(&real.to_string_lossy(), &real, false),
            };
            if why.is_some() {
                return why;
            }
        }
        None
    }

    /// By what was found that it reads, which is known where it would not have to run.
    fn found(&mut self, id: ActionId, assessment: Option<&Assessment>) -> Option<Why> {
        let action = &self.project.graph[id];
        let unknown = || Some(Why::Unknown("what it reads is only found when it runs".to_owned()));
        let Some(assessment) = assessment else { return unknown() };
        match assessment.outlook {
            Outlook::Fresh | Outlook::Restored(_) => {}
            Outlook::Run if action.depfiles.is_empty() => {}
            _ => return unknown(),
        }
        let root = self.project.workspace.root.clone();
        let paths = |finder: Finder| {
            let found = assessment.found.iter().filter(move |found| found.finder == finder);
            found.flat_map(|found| &found.paths)
        };
        for path in paths(Finder::GoList).chain(paths(Finder::Depfile)) {
            let inside = RelPath::new(path.as_str());
            let absolute = inside.as_ref().map_or_else(|| path.into(), |path| path.under(&root));
            let is_link = absolute.is_symlink();
            let why = match &inside {
                Some(path) => self.file(id, path, &absolute, is_link),
                // What lies outside of the tree is no part of the question.
                None if !real(&absolute).starts_with(&self.changes.root) => None,
                None => self.place(path, &absolute, is_link),
            };
            if why.is_some() {
                return why;
            }
        }
        let is_gone =
            |difference: &Difference| difference.how == How::Removed || difference.is_more;
        let mut elsewhere = self.outside.iter().filter(|it| is_gone(&it.difference));
        if let (false, Some(gone)) = (action.depfiles.is_empty(), elsewhere.next()) {
            return Some(Why::File(reason(gone.difference.how, &gone.shown)));
        }
        let sources = paths(Finder::GoList).filter(|path| path.ends_with(".go"));
        let go: BTreeSet<RelPath> =
            sources.filter_map(|path| RelPath::new(path.as_str())?.parent()).collect();
        let trees: Vec<RelPath> = action
            .discover
            .iter()
            .flat_map(|go| &go.patterns)
            .filter_map(|pattern| {
                let (dir, _) = pattern.split_once("...")?;
                // `./lib...` means what begins with `lib`, too.
                let dir = dir.rsplit_once('/').map_or("", |(dir, _)| dir);
                Some(action.dir.resolve(dir).unwrap_or_default())
            })
            .collect();
        let may_be_read = |changed: &&Differing| {
            let Differing { path, how, tree } = *changed;
            let parent = path.parent().unwrap_or_default();
            let is_gone = *how == How::Removed || tree.is_some();
            if !action.depfiles.is_empty() && is_gone {
                return true;
            }
            if action.discover.is_none() {
                return false;
            }
            let name = path.name().unwrap_or_default();
            let is_module =
                matches!(name, "go.mod" | "go.sum" | "go.work" | "go.work.sum" | "modules.txt");
            let is_source = name.ends_with(".go");
            is_module
                || go.contains(&parent)
                || (is_source && (is_gone || trees.iter().any(|tree| path.is_within(tree))))
                || (is_gone && go.iter().any(|dir| path.is_within(dir)))
        };
        let changed = self.paths.iter().find(may_be_read)?;
        Some(Why::File(reason(changed.how, changed.path.as_str())))
    }
}

fn outputs_of_needs(project: &Project, id: ActionId) -> Vec<&OutputPattern> {
    let graph = &project.graph;
    let (mut open, mut seen, mut patterns) = (vec![id], BTreeSet::new(), Vec::new());
    while let Some(next) = open.pop() {
        for need in graph.needs(next).iter().filter(|need| seen.insert(need.action)) {
            let outputs = &graph[need.action].outputs;
            patterns.extend(outputs.iter().filter(|output| output.literal().base == Base::Tree));
            open.push(need.action);
        }
    }
    patterns
}

/// The files that decide on a tool's version from its directory upwards.
fn upward(name: &str) -> impl Iterator<Item = &'static str> {
    let row = tools::known(command::base_name(name));
    row.and_then(|row| row.beside).unwrap_or_default().iter().filter_map(|beside| match beside {
        Beside::Upward(name) => Some(*name),
        _ => None,
    })
}

/// Whether an input pattern could match something that lies in a tree.
fn reaches(patterns: &InputPatterns, tree: &OutputPattern) -> bool {
    patterns.positive_roots().any(|(index, ..)| patterns.can_reach(index, tree))
}

/// A path with everything below it, as a pattern; `None` for the root of the workspace.
fn tree(path: &RelPath) -> Option<OutputPattern> {
    OutputPattern::new(&RelPath::root(), &format!("/{}", pattern::escaped(path.as_str()))).ok()
}

fn reason(how: How, path: &str) -> DirtyReason {
    match how {
        How::Changed => DirtyReason::InputChanged(path.to_owned()),
        How::Added => DirtyReason::InputAdded(path.to_owned()),
        How::Removed => DirtyReason::InputRemoved(path.to_owned()),
    }
}

fn rel_path(path: &Path) -> Option<RelPath> {
    let text = path.to_str()?.replace(std::path::MAIN_SEPARATOR, "/");
    RelPath::new(text.trim_end_matches('/'))
}

fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

fn shown(path: &str) -> String {
    path.escape_debug().to_string()
}
