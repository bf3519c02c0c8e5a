//! One concrete command: a step after its matrix is expanded. Plain data.

use crate::ordered::{Map, Set};
use crate::path::RelPath;
use crate::pattern::{InputPatterns, OutputPattern};
use crate::step::{Artifact, Fallback, Run, StepName};
use crate::template::Template;
use std::fmt;
use std::time::Duration;

/// The place of an action in its [`crate::graph::Graph`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ActionId(pub usize);

/// The name of an action: its step and its values of the matrix, `#api[goarch=arm64,goos=linux]`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ActionName {
    /// The step it comes from.
    pub step: StepName,
    /// Variable and value, in the order of the variables' names; empty without a matrix.
    pub cell: Map<String, String>,
}

/// One command with everything that is declared of it. No [`crate::template::Piece::Matrix`] is left in it.
#[derive(Clone, Debug)]
pub struct Action {
    /// Its name.
    pub name: ActionName,
    /// The directory that its paths are relative to.
    pub base: RelPath,
    /// What is run; `None` for a named set of files.
    pub run: Option<Run>,
    /// What it reads.
    pub inputs: InputPatterns,
    /// What it leaves.
    pub outputs: Vec<OutputPattern>,
    /// Go packages whose files are inputs as well.
    pub discover: Option<GoPackages>,
    /// Dependency files below `{out}` that a run leaves.
    pub depfiles: Vec<RelPath>,
    /// What is brought up to date first. A need on a step with a matrix stands here once for each action of it.
    pub needs: Vec<Need>,
    /// What Cargo builds before it is checked.
    pub cargo: Vec<Artifact>,
    /// See the fields of the same names in [`crate::step::Step`].
    pub env: Map<String, Template>,
    /// Passed through, part of the key.
    pub track_env: Set<String>,
    /// Passed through, not part of the key.
    pub pass_env: Set<String>,
    /// Programs it uses besides the one that `run` starts.
    pub tools: Vec<String>,
    /// Belongs to `test`.
    pub test: bool,
    /// Wanted by a plain `build`.
    pub default: bool,
    /// The directory it is run in, below the workspace root.
    pub dir: RelPath,
    /// When it is stopped.
    pub timeout: Option<Duration>,
    /// How often it is run again after a failure.
    pub retries: u32,
    /// How many slots it takes.
    pub jobs: u32,
    /// Whether the platform stays out of the key.
    pub any_platform: bool,
    /// See the field of the same name in [`crate::step::Step`].
    pub portable: bool,
    /// See the field of the same name in [`crate::step::Step`].
    pub incremental: bool,
    /// What is done where it cannot run.
    pub fallback: Fallback,
}

/// Go packages whose files are found by the Go tool.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct GoPackages {
    /// As the Go tool takes them: `.`, or with `./` or `../` in front.
    pub patterns: Vec<String>,
    /// The build tags, if they are not those of `run`.
    pub tags: Option<Vec<String>>,
    /// Whether their tests count.
    pub test: bool,
}

/// An edge of the graph.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Need {
    /// What the author calls it, as in `{needs.NAME.out}`. With several actions behind one name each has its cell's text
    /// behind the name (`build[goos=linux]`), and `{needs.NAME.out}` is the directory that holds theirs.
    pub name: String,
    /// The action that is needed.
    pub action: ActionId,
}

impl ActionName {
    /// The cell as a text, `goarch=arm64,goos=linux`; empty without a matrix.
    pub fn cell_text(&self) -> String {
        let parts: Vec<_> =
            self.cell.iter().map(|(name, value)| format!("{name}={value}")).collect();
        parts.join(",")
    }

    /// The action's output directory below `<target>/granular/out`: `package/step`, `@workspace/step`, and below it one
    /// directory for each cell of a matrix. Bytes of a value that not every file system takes are written `%xx`.
    pub fn out_dir(&self) -> RelPath {
        let mut path = self.step_out_dir();
        if !self.cell.is_empty() {
            path = path.child(&portable(&self.cell_text())).unwrap_or(path);
        }
        path
    }

    /// The directory that holds the output directories of all actions of the step.
    pub fn step_out_dir(&self) -> RelPath {
        let package = self.step.package.as_deref().unwrap_or("@workspace");
        RelPath::new(format!("{package}/{}", self.step.step)).unwrap_or_default()
    }
}

fn portable(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'+' | b'=' | b',' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02x}"),
        })
        .collect()
}

impl fmt::Display for ActionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.step.fmt(f)?;
        if !self.cell.is_empty() {
            write!(f, "[{}]", self.cell_text())?;
        }
        Ok(())
    }
}
