//! What an author declares: steps, as plain data with the places where each part stands. Knows neither TOML nor files.

use crate::mistake::Place;
use crate::ordered::{Map, Set};
use crate::path::RelPath;
use crate::template::Template;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// The full name of a step: `package#step`, or `#step` for one of the workspace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StepName {
    /// The package whose table declares it; `None` for the workspace's.
    pub package: Option<String>,
    /// The key of its table.
    pub step: String,
}

/// A value and where it stands in the step's manifest.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The bytes of the manifest that it was read from.
    pub span: Range<usize>,
}

/// One declared step, before its matrix is expanded.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its full name.
    pub name: StepName,
    /// The `Cargo.toml` that declares it, absolute.
    pub manifest: PathBuf,
    /// Where its name stands there.
    pub span: Range<usize>,
    /// The directory that its paths are relative to: the package's, or the root for the workspace's steps.
    pub base: RelPath,
    /// What is run; without it the step is a named set of files.
    pub run: Option<Run>,
    /// Where the value of `run` stands; the step's name if there is none.
    pub run_span: Range<usize>,
    /// Patterns of what it reads; `None` for every file of the package that is not ignored.
    pub inputs: Option<Vec<Spanned<Template>>>,
    /// Patterns of what it leaves. Empty for a check.
    pub outputs: Vec<Spanned<Template>>,
    /// Packages whose files are inputs as well.
    pub discover: Option<Spanned<Discover>>,
    /// Dependency files below `{out}` that a run leaves: what they name are inputs as well.
    pub depfiles: Vec<Spanned<Template>>,
    /// Steps to bring up to date first.
    pub needs: Vec<Spanned<DeclaredNeed>>,
    /// What Cargo builds before the step is checked; no two have one name.
    pub cargo: Vec<Spanned<Artifact>>,
    /// Variables to set.
    pub env: Map<String, Template>,
    /// Variables to pass through whose value is part of the key.
    pub track_env: Set<String>,
    /// Variables to pass through that are not part of the key.
    pub pass_env: Set<String>,
    /// Programs it uses, besides the one that an array `run` starts.
    pub tools: Vec<Spanned<String>>,
    /// Variables and their values; one action per combination.
    pub matrix: Map<String, Vec<String>>,
    /// Combinations that are taken out: an action is out if it agrees with every variable of one of these.
    pub matrix_exclude: Vec<Map<String, String>>,
    /// Whether it belongs to `cargo granular test`.
    pub test: bool,
    /// Whether a plain `build` wants it.
    pub default: bool,
    /// The directory it is run in, below the workspace root; the base if not declared.
    pub dir: RelPath,
    /// When it is stopped.
    pub timeout: Option<Duration>,
    /// How often it is run again after a failure.
    pub retries: u32,
    /// How many of the `-j` slots it takes; at least 1.
    pub jobs: u32,
    /// Whether the operating system and architecture stay out of the key (`platform = "any"`).
    pub any_platform: bool,
    /// Whether its outputs are of use on other machines although the path of a checkout stands in them.
    pub portable: bool,
    /// Whether the files that it has left, as far as they are declared by name, stay where they are while it runs again.
    pub incremental: bool,
    /// What is done where it cannot run.
    pub fallback: Fallback,
}

/// What is done where a step cannot run, since a tool or something that it is made of is not there, and no result of it can be restored.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fallback {
    /// `unavailable`: what is done where nothing stands in for its outputs.
    pub unavailable: Unavailable,
    /// `checked-in`: the directory, below the workspace root, whose files stand in for those in `{out}`.
    pub checked_in: Option<RelPath>,
    /// Whether its package was taken out of its workspace, so that steps and files of that workspace may be missing.
    pub is_packaged: bool,
    /// What it is made of and is not there, as far as the tables tell; a sentence each.
    pub absent: Vec<String>,
}

/// What is done where a step cannot run.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Unavailable {
    /// It is a mistake, or the step fails.
    #[default]
    Error,
    /// The step is skipped, with a warning.
    Skip,
}

impl Fallback {
    /// Whether the step says itself what is to be done where it cannot run.
    pub fn is_declared(&self) -> bool {
        self.unavailable == Unavailable::Skip || self.checked_in.is_some()
    }
}

/// A need as it is declared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeclaredNeed {
    /// The step that is needed.
    pub step: StepName,
    /// The text by which the author calls it, as `{needs.NAME.out}` repeats it: the bare step name.
    pub name: String,
}

/// Inputs that are found rather than listed, before a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Discover {
    /// Packages as the Go tool takes them, relative to the step's directory.
    pub go: Vec<Spanned<Template>>,
    /// The build tags; `None` for those that an array `run` gives to the Go tool.
    pub tags: Option<Vec<Template>>,
    /// Whether the packages' tests count; `None` if that is not said.
    pub test: Option<bool>,
}

/// Something that Cargo builds of a package of the workspace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Artifact {
    /// The package.
    pub package: String,
    /// What kind of thing it is.
    pub kind: ArtifactKind,
    /// What `{cargo.NAME}` calls it: the name of the binary or example, or for a library that of the package.
    pub name: String,
    /// The profile it is built with.
    pub profile: String,
    /// The features it is built with besides the default ones, sorted.
    pub features: Vec<String>,
}

/// The kinds of things that Cargo builds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ArtifactKind {
    /// A binary.
    Bin,
    /// An example.
    Example,
    /// The library, for other languages to link with.
    StaticLib,
    /// The library, for other languages to load.
    CDyLib,
}

/// How a step is run.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Run {
    /// A program and its arguments, without a shell; at least the program.
    Program(Vec<Template>),
    /// A line for the shell.
    Shell(Template),
}

impl DeclaredNeed {
    /// The variable that a command finds the output directory of this need in: its name in capitals, with `_` for what no variable
    /// can have.
    pub fn variable(&self) -> String {
        out_variable(&self.name)
    }
}

/// [`DeclaredNeed::variable`], by the name of the need.
pub fn out_variable(name: &str) -> String {
    format!("GRANULAR_OUT_{}", in_capitals(name))
}

impl Artifact {
    /// The variable that a command finds its path in: its name in capitals, with `_` for what no variable can have.
    pub fn variable(&self) -> String {
        format!("GRANULAR_CARGO_{}", in_capitals(&self.name))
    }
}

fn in_capitals(name: &str) -> String {
    let letter = |char: char| match char.is_ascii_alphanumeric() {
        true => char.to_ascii_uppercase(),
        false => '_',
    };
    name.chars().map(letter).collect()
}

impl Step {
    /// A place in the manifest that declares this step.
    pub fn place(&self, span: &Range<usize>) -> Place {
        Place::new(&self.manifest, span.clone())
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.package.as_deref().unwrap_or(""), self.step)
    }
}
