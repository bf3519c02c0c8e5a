//! The outputs of an action on disk: looks at them, takes them away, captures them into a store, puts them back exactly.
//!
//! Writes nothing outside of what the action's output patterns own, whatever a result says. Follows no link below a root.
//! Of `{out}` everything is ours; in the tree, what no run of ours has made is moved aside and not deleted.

mod capture;
mod clear;
mod folding;
mod place;
mod prune;
mod restore;
mod scan;
mod stay;

pub use capture::{CaptureError, Captured, capture};
pub use clear::{Displaced, clear};
pub use prune::prune_out;
pub use restore::{RestoreError, Restored, restore};
pub use stay::{Aside, put_back, set_aside};

use crate::content::{Content, Output};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::path::{Base, OutputPath};
use crate::pattern::OutputPattern;
use crate::stat::{Kind, Stat};
use std::cmp::Ordering;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the outputs of one action lie, and where there is room to work. All absolute.
#[derive(Clone, Debug)]
pub struct Roots {
    /// The workspace root.
    pub tree: PathBuf,
    /// The action's output directory, `{out}`.
    pub out: PathBuf,
    /// A directory of this process's own for staging, on the file system of the target directory. Need not exist. All actions share it: to make one for each and take it away
    /// again costs more than most restores.
    pub staging: PathBuf,
    /// Where files go that stood among the outputs and that no run of ours has made. Need not exist.
    pub displaced: PathBuf,
}

/// A file, link or empty directory that stands where the action's outputs are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Present {
    /// Where.
    pub path: OutputPath,
    /// What.
    pub stat: Stat,
}

/// What is wrong with what a run left: one sentence each, naming the path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unfit {
    /// A declared output is not there. The text of the pattern.
    Missing(String),
    /// A link whose target is absolute or leaves its root: path and target.
    LinkLeaves(OutputPath, String),
    /// A pipe, socket or device: path and kind.
    Special(OutputPath, &'static str),
    /// A name that is not UTF-8, escaped.
    NotUtf8(String),
    /// Two declared outputs that are one file here, where upper and lower case are not told apart.
    OneFile(OutputPath, OutputPath),
}

/// Everything present that `patterns` own, sorted by path: files, links, empty directories, and what cannot be an output
/// ([`Kind::Special`]), such as a name that is not UTF-8, which is shown with replacement characters.
///
/// An error also where a directory on the way from a root to what is owned is a symbolic link.
pub fn present(patterns: &[OutputPattern], roots: &Roots) -> Result<Vec<Present>> {
    let scan = scan::scan(patterns, roots)?;
    Ok(scan.entries.into_iter().map(|entry| entry.present).collect())
}

/// What [`present`] looks at: paths at which the stat counts, and directories on the way of which only that they are directories does.
pub(crate) fn looked_at(
    patterns: &[OutputPattern],
    roots: &Roots,
) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    scan::looked_at(patterns, roots)
}

/// Whether what is present is exactly what was recorded: the same set of paths, kinds, bytes, executable bits and link targets.
/// The first path that differs, if not. Both are sorted by path.
pub fn difference(
    recorded: &[Output],
    present: &[Present],
    roots: &Roots,
    index: &Index,
) -> Result<Option<OutputPath>> {
    let mut present = present.iter().peekable();
    for output in recorded {
        let Some(found) = present.next_if(|found| found.path <= output.path) else {
            return Ok(Some(output.path.clone()));
        };
        if found.path.cmp(&output.path) == Ordering::Less
            || !is_as_recorded(output, found, roots, index)?
        {
            return Ok(Some(found.path.clone()));
        }
    }
    Ok(present.next().map(|found| found.path.clone()))
}

fn is_as_recorded(output: &Output, found: &Present, roots: &Roots, index: &Index) -> Result<bool> {
    match &output.content {
        Content::File { digest, executable } => {
            Ok(found.stat.is_executable() == *executable && has_bytes(found, digest, roots, index)?)
        }
        content => has_content(found, content, roots, index),
    }
}

/// Whether a file has these bytes, a link this target, a directory nothing in it. Executable bits are not looked at.
fn has_content(found: &Present, content: &Content, roots: &Roots, index: &Index) -> Result<bool> {
    match content {
        Content::File { digest, .. } => has_bytes(found, digest, roots, index),
        Content::Link { target, .. } if found.stat.kind == Kind::Link => {
            let path = roots.path(&found.path);
            let is_it = |text: PathBuf| text.to_str() == Some(target);
            unless_vanished(fs::read_link(&path).map(is_it))
                .map_err(|source| Error::io("cannot read the link", &path, source))
        }
        Content::Link { .. } => Ok(false),
        Content::EmptyDirectory => Ok(found.stat.kind == Kind::Directory),
    }
}

fn has_bytes(found: &Present, digest: &Digest, roots: &Roots, index: &Index) -> Result<bool> {
    if found.stat.kind != Kind::File || found.stat.size != digest.size {
        return Ok(false);
    }
    let path = roots.path(&found.path);
    match index.digest(&path, &found.stat) {
        Ok(read) => Ok(read == *digest),
        // What has vanished since it was listed has no bytes; that is no trouble.
        Err(_) if matches!(Stat::of(&path), Ok(None)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn unless_vanished(answer: io::Result<bool>) -> io::Result<bool> {
    match answer {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        answer => answer,
    }
}

/// Where the target of a link leads, read as text; `None` if it is absolute or leaves the root.
fn link_stays(path: &OutputPath, target: &str) -> bool {
    path.path.parent().is_some_and(|dir| dir.resolve(target).is_some())
}

impl Roots {
    /// The path of the file system.
    pub fn path(&self, output: &OutputPath) -> PathBuf {
        let root: &Path = match output.base {
            Base::Tree => &self.tree,
            Base::Out => &self.out,
        };
        output.path.under(root)
    }
}

#[cfg(test)]
#[cfg(unix)] // modes, links and pipes
mod tests;
