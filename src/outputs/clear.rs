//! Takes outputs away: deletes what is ours, moves aside what is not.

use super::place::{Ground, Missing, displace, name_of};
use super::scan::{Entry, NOT_UTF8, Scan, scan};
use super::{Roots, has_content};
use crate::content::{Content, Output};
use crate::error::{Error, Result};
use crate::index::Index;
use crate::ordered::Map;
use crate::path::{Base, OutputPath};
use crate::pattern::OutputPattern;
use crate::stat::Kind;
use std::io;
use std::path::PathBuf;

/// A file that was moved out of the way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Displaced {
    /// Where it stood.
    pub path: OutputPath,
    /// Where it is now.
    pub to: PathBuf,
}

/// Takes away everything that `patterns` own, so that a run starts from nothing. What `known` says an earlier run left, with
/// the same content, is deleted, as is all that is in `{out}`, owned or not; anything else in the tree is moved to
/// `roots.displaced` and named. The directory `{out}` itself stays if it is there.
pub fn clear(
    patterns: &[OutputPattern],
    known: &[Output],
    roots: &Roots,
    index: &Index,
) -> Result<Vec<Displaced>> {
    let in_tree: Vec<_> =
        patterns.iter().filter(|pattern| pattern.literal().base == Base::Tree).cloned().collect();
    let scan = scan(&in_tree, roots)?;
    let known = Known::new(known);
    let mut ground = Ground::new(patterns, roots);
    let mut displaced = Vec::new();
    for entry in &scan.entries {
        let is_ours = known.is_ours(entry, roots, index)?;
        displaced.extend(take_away(entry, is_ours, &mut ground, roots)?);
    }
    remove_directories(&scan, |_| false, &mut ground, roots)?;
    ground.wipe_out()?;
    Ok(displaced)
}

/// What earlier runs left. Of a path there may be several contents: those of all runs that did not come to their end.
pub(super) struct Known<'a>(Map<&'a OutputPath, Vec<&'a Content>>);

impl<'a> Known<'a> {
    pub(super) fn new(known: &'a [Output]) -> Self {
        Self(Map::grouped(known.iter().map(|output| (&output.path, &output.content))))
    }

    /// Whether something may be deleted: it lies under `{out}`, or a run of ours left it as it is, or it is an empty directory.
    pub(super) fn is_ours(&self, entry: &Entry, roots: &Roots, index: &Index) -> Result<bool> {
        let found = &entry.present;
        if found.path.base == Base::Out || found.stat.kind == Kind::Directory {
            return Ok(true);
        }
        if found.stat.kind == NOT_UTF8 {
            return Ok(false);
        }
        for content in self.0.get(&found.path).into_iter().flatten() {
            if has_content(found, content, roots, index)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Deletes or displaces what is not a directory.
pub(super) fn take_away(
    entry: &Entry,
    is_ours: bool,
    ground: &mut Ground<'_>,
    roots: &Roots,
) -> Result<Option<Displaced>> {
    let found = &entry.present;
    if found.stat.kind == Kind::Directory {
        return Ok(None);
    }
    let Some(dir) = ground.parent(&found.path, Missing::Leave)? else { return Ok(None) };
    if !is_ours {
        return displace(dir, &entry.name, &found.path, roots).map(Some);
    }
    dir.remove(&entry.name).map_err(|source| {
        Error::io("cannot remove the old output", &roots.path(&found.path), source)
    })?;
    Ok(None)
}

/// Removes the owned directories that are empty now and that nothing needs, the lowest first.
pub(super) fn remove_directories(
    scan: &Scan,
    is_needed: impl Fn(&OutputPath) -> bool,
    ground: &mut Ground<'_>,
    roots: &Roots,
) -> Result<()> {
    for path in scan.directories.iter().rev().filter(|path| !is_needed(path)) {
        let Some(dir) = ground.parent(path, Missing::Leave)? else { continue };
        match dir.remove_dir(&name_of(path, roots)) {
            // What came in meanwhile, or could not be seen, is left.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
            removed => removed.map_err(|source| {
                Error::io("cannot remove the old directory", &roots.path(path), source)
            })?,
        }
    }
    Ok(())
}
