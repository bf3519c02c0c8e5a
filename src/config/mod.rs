//! From `Cargo.toml` files to steps: reads `[workspace.metadata.granular]` and `[package.metadata.granular]`, collects every mistake.
//!
//! Cargo never looks into these tables, so everything in them is judged here; what only shows once a matrix is expanded is
//! left to [`crate::graph`].

mod artifact;
mod cells;
#[cfg(feature = "program")]
pub mod compare;
pub(crate) mod discover;
mod document;
#[cfg(test)]
pub(crate) mod drawing;
pub(crate) mod needs;
mod placeholder;
mod quantity;
mod settings;
mod step;
pub(crate) mod suggest;
mod table;
mod value;
mod version;

use crate::error::Result;
use crate::mistake::{Mistake, Place};
use crate::ordered::{self, Map, Set};
use crate::path::RelPath;
use crate::step::{Step, StepName};
use crate::triple::Triple;
use crate::workspace::Workspace;
use document::Section;
use std::path::PathBuf;

/// Everything that the tables of a workspace say.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The settings of the workspace.
    pub settings: Settings,
    /// All steps, those of the workspace first, then by package; each in the order of its table.
    pub steps: Vec<Step>,
}

/// The settings in `[workspace.metadata.granular]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `cache-dir`: where the store is, absolute. (In the table: relative to the workspace root; `~/` is the home directory.)
    pub cache_dir: Option<PathBuf>,
    /// `cache-size`: how large the store may grow, in bytes. (In the table: `"10 GiB"`, `"500 MB"`, a number of bytes.)
    pub cache_size: Option<u64>,
    /// `remote`: the URL of a cache that is shared with other machines. Only kept here for who can ask one.
    pub remote: Option<String>,
}

/// Tables of a package that stand in no manifest: what a build script declares in Rust.
#[derive(Clone, Debug)]
pub(crate) struct Extra {
    /// The package whose steps these are.
    pub(crate) package: String,
    /// What stands for the manifest in messages.
    pub(crate) file: PathBuf,
    /// The directory that paths are relative to, absolute.
    pub(crate) dir: PathBuf,
    /// The tables as they would stand in the package's manifest.
    pub(crate) text: String,
}

/// What is declared, before any of it is judged.
#[derive(Debug, Default)]
struct Declared {
    /// The names of all steps, also of those that cannot be read.
    steps: Set<StepName>,
    /// The names of all packages of the workspace.
    packages: Set<String>,
    /// What is built for.
    triple: Triple,
}

/// What can only be judged when all steps are known.
#[derive(Debug, Default)]
struct Later {
    /// The need behind each `{needs.NAME.out}`.
    need_outs: Vec<(StepName, Place)>,
    /// The working directory of each step that declares one.
    directories: Vec<(StepName, RelPath, Place)>,
    /// The directories of the packages whose files a step finds.
    packages: Vec<(StepName, RelPath, Place)>,
}

/// Reads the tables of `workspace`. Mistakes come beside what could be read, so that later stages can find theirs as well.
/// An error only where a manifest cannot be read at all.
///
/// Where the workspace asks for a newer program, this is the only mistake: an older one cannot judge what came later.
#[cfg(feature = "program")]
pub fn load(workspace: &Workspace) -> Result<(Config, Vec<Mistake>)> {
    load_with(workspace, None, &Triple::default())
}

/// The same with tables besides those of the manifests, and for what is built for.
pub(crate) fn load_with(
    workspace: &Workspace,
    extra: Option<&Extra>,
    triple: &Triple,
) -> Result<(Config, Vec<Mistake>)> {
    let (mut manifests, mut mistakes) = document::read_all(workspace)?;
    match extra.map(|extra| document::of_extra(workspace, extra)) {
        Some(Ok(manifest)) => manifests.push(manifest),
        Some(Err(mistake)) => mistakes.push(*mistake),
        None => {}
    }
    let mut sections = Vec::new();
    for manifest in &manifests {
        sections.extend(document::sections(manifest, &mut mistakes));
    }
    if let Some(mistake) = sections.iter().find_map(settings::too_new) {
        return Ok((Config::default(), vec![mistake]));
    }
    ordered::sort_by_key(&mut sections, |section| section.package);
    let declared = Declared { triple: triple.clone(), ..declared(workspace, &sections) };
    let mut reading = Reading::new(workspace, declared);
    for section in &sections {
        reading.section(section);
    }
    reading.finish();
    mistakes.append(&mut reading.mistakes);
    Ok((reading.config, in_order(mistakes, workspace)))
}

/// A configuration while it is read.
struct Reading<'a> {
    workspace: &'a Workspace,
    declared: Declared,
    config: Config,
    mistakes: Vec<Mistake>,
    later: Later,
    /// Steps with mistakes of their own, of which nothing more can be said.
    unsure: Set<StepName>,
}

impl<'a> Reading<'a> {
    fn new(workspace: &'a Workspace, declared: Declared) -> Self {
        let (config, later) = (Config::default(), Later::default());
        Self { workspace, declared, config, mistakes: Vec::new(), later, unsure: Set::new() }
    }

    fn section(&mut self, section: &Section<'_>) {
        let mut notes = value::Notes::new(section.manifest);
        let path = format!("{}.metadata.granular", section.owner());
        let form = format!("[{path}.steps.NAME]");
        let steps = notes.table(&format!("`{path}`"), section.entry, &form).and_then(|table| {
            if section.package.is_none() {
                self.config.settings = settings::read(&mut notes, table, &self.workspace.root);
            }
            settings::check_keys(&mut notes, section, table);
            let steps = table.get("steps")?;
            notes.table(&format!("`steps` in `{path}`"), steps, &form)
        });
        for entry in steps.into_iter().flat_map(|table| &table.entries) {
            let before = notes.mistakes.len();
            let step = step::read(&mut notes, &self.declared, &mut self.later, section, entry);
            if let Some(step) = step {
                if notes.mistakes.len() > before {
                    self.unsure.insert(step.name.clone());
                }
                self.config.steps.push(step);
            }
        }
        self.mistakes.append(&mut notes.mistakes);
    }

    fn finish(&mut self) {
        self.mistakes.extend(same_but_for_case(&self.config.steps));
        self.note_absent_directories();
        self.mistakes.extend(missing_directories(
            self.workspace,
            &self.config.steps,
            &self.later,
            &self.unsure,
        ));
        self.mistakes.extend(discover::missing_packages(
            self.workspace,
            &self.config.steps,
            &self.later,
            &self.unsure,
        ));
        self.mistakes.extend(empty_needs(&self.config.steps, &self.later, &self.unsure));
    }
}

impl Reading<'_> {
    /// Directories that a package may have left behind in the workspace that it was taken out of are no mistake, but absent.
    fn note_absent_directories(&mut self) {
        let root = &self.workspace.root;
        let steps = &mut self.config.steps;
        let may_lack = |step: &Step| step.fallback.is_packaged && step.fallback.is_declared();
        if !steps.iter().any(may_lack) {
            return;
        }
        self.later.directories.retain(|(name, directory, _)| {
            let is_there = directory.under(root).is_dir();
            let step = steps.iter_mut().find(|step| step.name == *name);
            let Some(step) = step.filter(|step| !is_there && may_lack(step)) else { return true };
            step.fallback.absent.push(format!("there is no directory `{directory}`"));
            false
        });
    }
}

/// The names of all steps and packages.
fn declared(workspace: &Workspace, sections: &[Section<'_>]) -> Declared {
    let mut declared = Declared::default();
    declared.packages.extend(workspace.packages.iter().map(|package| package.name.clone()));
    for section in sections {
        let steps =
            section.entry.item.as_table().and_then(|table| table.get("steps")?.item.as_table());
        for step in steps.into_iter().flat_map(|table| &table.entries) {
            declared.steps.insert(StepName {
                package: section.package.map(str::to_owned),
                step: step.name.clone(),
            });
        }
    }
    declared
}

/// Steps whose names differ in nothing but upper and lower case: on some file systems their outputs would lie in one place.
fn same_but_for_case(steps: &[Step]) -> Vec<Mistake> {
    let lower = |step: &Step| step.name.to_string().to_lowercase();
    let mut lower: Vec<(String, &Step)> = steps.iter().map(|step| (lower(step), step)).collect();
    ordered::sort_by(&mut lower, |(one, _), (other, _)| one.cmp(other));
    let mut mistakes = Vec::new();
    let mut first_of_name: Option<(&String, &Step)> = None;
    for (name, step) in &lower {
        let Some((_, first)) = first_of_name.filter(|(of, _)| *of == name) else {
            first_of_name = Some((name, step));
            continue;
        };
        let message = format!(
            "steps `{}` and `{}` differ only in upper and lower case",
            first.name, step.name
        );
        let mistake = Mistake::new(message, step.place(&step.span).label("the second"))
            .related(first.place(&first.span).label("the first"))
            .help("rename one: on some file systems both would write into one directory");
        mistakes.push(mistake);
    }
    mistakes
}

/// Those of the `named` directories that are not there and that no step makes: the step that names it, and where.
fn not_there<'a>(
    workspace: &'a Workspace,
    steps: &'a [Step],
    named: &'a [(StepName, RelPath, Place)],
    unsure: &'a Set<StepName>,
) -> impl Iterator<Item = (&'a StepName, Place)> {
    named.iter().filter_map(move |(step, directory, place)| {
        let made = |other: &Step| unsure.contains(&other.name) || step::may_make(other, directory);
        if directory.under(&workspace.root).is_dir() || steps.iter().any(made) {
            return None;
        }
        let label = format!("there is no directory `{directory}` in the workspace");
        Some((step, place.clone().label(label)))
    })
}

/// Working directories that are not there and that no step makes.
fn missing_directories(
    workspace: &Workspace,
    steps: &[Step],
    later: &Later,
    unsure: &Set<StepName>,
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (step, place) in not_there(workspace, steps, &later.directories, unsure) {
        let message = format!("`dir` in step `{step}` does not exist");
        let mistake = Mistake::new(message, place)
            .help("it is relative to the package, or to the workspace root with `/` in front");
        mistakes.push(mistake);
    }
    mistakes
}

/// Placeholders for the output directory of a step that leaves nothing there.
fn empty_needs(steps: &[Step], later: &Later, unsure: &Set<StepName>) -> Vec<Mistake> {
    let steps: Map<&StepName, &Step> = steps.iter().map(|step| (&step.name, step)).collect();
    let mut mistakes = Vec::new();
    for (need, place) in &later.need_outs {
        let is_empty =
            |step: &&Step| !step::leaves_something_in_out(step) && !unsure.contains(need);
        if let Some(step) = steps.get(need).filter(|step| is_empty(step)) {
            let mistake = Mistake::new(
                format!("step `{need}` leaves nothing in its `{{out}}`"),
                place.clone().label("an empty directory"),
            )
            .related(step.place(&step.span).label("no output of it begins with `{out}`"))
            .help("what it leaves in the tree is reached by its path");
            mistakes.push(mistake);
        }
    }
    mistakes
}

/// By manifest, the root's first, and then by place.
pub(crate) fn in_order(mut mistakes: Vec<Mistake>, workspace: &Workspace) -> Vec<Mistake> {
    let places = workspace
        .packages
        .iter()
        .enumerate()
        .map(|(place, package)| (package.manifest.clone(), place + 1));
    let mut places: Map<PathBuf, usize> = places.collect();
    places.insert(workspace.root.join("Cargo.toml"), 0);
    ordered::sort_by_key(&mut mistakes, |mistake| {
        (places.get(&mistake.place.file).copied(), mistake.place.span.start)
    });
    mistakes
}

#[cfg(test)]
mod tests;
