//! Removes from `{out}` what no pattern owns, so that nothing but outputs is there for others to read. Follows no link.

use super::clear::take_away;
use super::place::{Ground, Missing, name_of};
use super::scan::{Entry, Found, list, owns, stat_of};
use super::{Present, Roots};
use crate::error::{Error, Result};
use crate::ordered;
use crate::path::{Base, OutputPath, RelPath};
use crate::pattern::OutputPattern;
use crate::stat::Kind;
use std::io;

/// Removes from the output directory everything that no pattern owns: files, links, and directories that have nothing in
/// them then. Says the paths of what was removed and was not a directory, sorted. What lies below a link is not looked at.
///
/// The output directory itself stays; but a file or link in its place that no pattern owns is removed.
pub fn prune_out(patterns: &[OutputPattern], roots: &Roots) -> Result<Vec<OutputPath>> {
    let mut ground = Ground::new(patterns, roots);
    let unowned = Unowned::find(patterns, roots, &mut ground)?;
    for entry in &unowned.entries {
        take_away(entry, true, &mut ground, roots)?;
    }
    // What lies below a directory was found after it.
    for path in unowned.directories.iter().rev() {
        remove_if_empty(path, &mut ground, roots)?;
    }
    let mut removed: Vec<_> = unowned.entries.into_iter().map(|entry| entry.present.path).collect();
    ordered::sort(&mut removed);
    Ok(removed)
}

/// What no pattern owns.
#[derive(Default)]
struct Unowned {
    /// What is not a directory.
    entries: Vec<Entry>,
    /// Directories below the output directory, each before those in it.
    directories: Vec<OutputPath>,
}

impl Unowned {
    fn find(patterns: &[OutputPattern], roots: &Roots, ground: &mut Ground<'_>) -> Result<Self> {
        let mut unowned = Self::default();
        let out = OutputPath { base: Base::Out, path: RelPath::root() };
        let Some(stat) = stat_of(&roots.out)? else { return Ok(unowned) };
        let name = name_of(&out, roots);
        // A list and no recursion: how deep the directories go is decided by whoever made them.
        let mut found = vec![Found { path: out, name, stat, owned: false }];
        while let Some(next) = found.pop() {
            if owns(patterns, &next.path) {
                continue;
            }
            if next.stat.kind != Kind::Directory {
                unowned.entries.push(Entry {
                    present: Present { path: next.path, stat: next.stat },
                    name: next.name,
                });
                continue;
            }
            unlock(&next, ground)?;
            list(&next, roots, &mut found)?;
            if !next.path.path.is_root() {
                unowned.directories.push(next.path);
            }
        }
        Ok(unowned)
    }
}

/// Lets the owner of a directory under `{out}` list it: all of it is ours.
fn unlock(dir: &Found, ground: &mut Ground<'_>) -> Result<()> {
    if dir.stat.mode & 0o700 != 0o700
        && let Some(below) = dir.path.path.child("below")
    {
        // On the way to anything in it, it is opened for its owner.
        ground.parent(&OutputPath { base: Base::Out, path: below }, Missing::Leave)?;
    }
    Ok(())
}

fn remove_if_empty(path: &OutputPath, ground: &mut Ground<'_>, roots: &Roots) -> Result<()> {
    let Some(dir) = ground.parent(path, Missing::Leave)? else { return Ok(()) };
    match dir.remove_dir(&name_of(path, roots)) {
        // It has outputs in it, or something came in meanwhile.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        removed => removed
            .map_err(|source| Error::io("cannot remove the directory", &roots.path(path), source)),
    }
}
