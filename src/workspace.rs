//! What Cargo says of a workspace: plain data. Who asks Cargo is the caller.

use std::path::PathBuf;

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
