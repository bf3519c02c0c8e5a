//! What Cargo says of a workspace: asked of Cargo ([`ask`](mod@ask)), or remembered for as long as nothing can have changed it.
//! Knows neither steps nor tables.

pub mod ask;
mod memory;

use ask::{Question, Refusal};
use std::path::PathBuf;
use std::time::SystemTime;

/// A workspace and the packages in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Workspace {
    /// The directory of the root manifest, absolute.
    pub root: PathBuf,
    /// The target directory that Cargo names, absolute.
    pub target: PathBuf,
    /// Its members, sorted by name. Packages that are no members do not count: nothing of a dependency is ever run.
    pub packages: Vec<Package>,
    /// The members that Cargo takes when none is named, at the root.
    pub default_members: Vec<String>,
}

/// A member of the workspace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its `Cargo.toml`, absolute.
    pub manifest: PathBuf,
}

impl Workspace {
    /// The state of this checkout: `<target>/granular`.
    pub fn state_dir(&self) -> PathBuf {
        self.target.join("granular")
    }
}

/// A workspace, and how it came to be known.
#[derive(Clone, Debug)]
pub struct Known {
    /// The workspace.
    pub workspace: Workspace,
    /// When Cargo was asked; `None` if it was remembered.
    asked: Option<SystemTime>,
}

impl Known {
    /// Whether Cargo was not asked, since nothing has changed.
    pub fn is_remembered(&self) -> bool {
        self.asked.is_none()
    }
}

/// What is remembered of the workspace that `question` is about, or else what Cargo says. Writes nothing.
pub fn find(question: &Question) -> Result<Known, Refusal> {
    if let Some(workspace) = memory::recall(question) {
        return Ok(Known { workspace, asked: None });
    }
    let asked = Some(SystemTime::now());
    Ok(Known { workspace: ask::ask(question)?, asked })
}

/// Remembers what Cargo said, so that the next build need not ask. To be called when the state of the checkout exists.
pub fn remember(question: &Question, known: &Known) {
    if let Some(asked) = known.asked {
        memory::remember(question, &known.workspace, asked);
    }
}
