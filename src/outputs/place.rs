//! Changes directories of outputs from within: every step from a root to a file is one name in a directory that is held
//! open, and no step follows a link. Whoever swaps a directory for a link meanwhile leads nothing astray.

#[cfg(not(unix))]
mod portable;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(super) use portable::Directory;
#[cfg(unix)]
pub(super) use unix::Directory;

use super::scan::{behind_a_link, owns};
use super::{Displaced, Roots};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::path::{Base, OutputPath, RelPath};
use crate::pattern::OutputPattern;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The directories of an action's outputs, opened as they are needed.
pub(super) struct Ground<'a> {
    patterns: &'a [OutputPattern],
    roots: &'a Roots,
    tree: Option<Trail>,
    out: Option<Trail>,
}

/// A root, and the directories on the way to the one that was entered last. Held open, since the next file mostly lies beside it.
struct Trail {
    root: Directory,
    entered: Vec<(OsString, Directory)>,
}

/// Whether missing directories are made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Make,
    Leave,
}

impl<'a> Ground<'a> {
    pub(super) fn new(patterns: &'a [OutputPattern], roots: &'a Roots) -> Self {
        Self { patterns, roots, tree: None, out: None }
    }

    /// The directory in which `path` has its name; `None` if there is none and none is to be made. A directory that is owned
    /// is made writable.
    pub(super) fn parent(
        &mut self,
        path: &OutputPath,
        missing: Missing,
    ) -> Result<Option<&Directory>> {
        let steps = steps(path, self.roots);
        let Some((_, above)) = steps.split_last() else { return Ok(None) };
        let Some(mut trail) = self.take_trail(path.base, missing)? else { return Ok(None) };
        let entered = self.enter(&mut trail, path.base, above, missing);
        let trail = self.trail(path.base).insert(trail);
        Ok(entered?.then(|| trail.here()))
    }

    /// Everything in `{out}`, owned or not.
    pub(super) fn wipe_out(&mut self) -> Result<()> {
        let out = OutputPath { base: Base::Out, path: RelPath::root() };
        let roots = self.roots;
        let name = name_of(&out, roots);
        let Some(parent) = self.parent(&out, Missing::Leave)? else { return Ok(()) };
        let wiped = match parent.open_dir_unlocked(&name) {
            Ok(dir) => dir.remove_children(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => parent.remove(&name),
            Err(error) => Err(error),
        };
        wiped.map_err(|source| Error::io("cannot clear", &roots.out, source))
    }

    /// Whether the directory that `path` has its name in, or would have, takes names that differ in case only for one.
    pub(super) fn folds_case(&mut self, path: &OutputPath) -> Result<bool> {
        let roots = self.roots;
        let mut next = Some(path.clone());
        while let Some(path) = next {
            let missing = if path.path.is_root() { Missing::Make } else { Missing::Leave };
            // What is not there yet, or is no directory yet, will be as the one above it.
            if let Ok(Some(dir)) = self.parent(&path, missing) {
                let folds = dir.folds_case();
                return folds.map_err(|source| {
                    Error::io("cannot tell whether case counts beside", &roots.path(&path), source)
                });
            }
            next = path.path.parent().map(|above| OutputPath { base: path.base, path: above });
        }
        Ok(false)
    }

    fn trail(&mut self, base: Base) -> &mut Option<Trail> {
        match base {
            Base::Tree => &mut self.tree,
            Base::Out => &mut self.out,
        }
    }

    /// The trail under a root, opened if it was not yet. The root itself may be reached through links: it is the user's choice.
    fn take_trail(&mut self, base: Base, missing: Missing) -> Result<Option<Trail>> {
        if let Some(trail) = self.trail(base).take() {
            return Ok(Some(trail));
        }
        let root = match base {
            Base::Tree => &self.roots.tree,
            Base::Out => self.roots.out.parent().unwrap_or(&self.roots.out),
        };
        if missing == Missing::Make {
            fs::create_dir_all(root)
                .map_err(|source| Error::io("cannot make the directory", root, source))?;
        }
        match Directory::open(root) {
            Ok(root) => Ok(Some(Trail { root, entered: Vec::new() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::io("cannot open the directory", root, source)),
        }
    }

    /// Goes to the directory that `steps` lead to. False if it is not there.
    fn enter(
        &self,
        trail: &mut Trail,
        base: Base,
        steps: &[OsString],
        missing: Missing,
    ) -> Result<bool> {
        let common = trail
            .entered
            .iter()
            .zip(steps)
            .take_while(|((entered, _), step)| entered == *step)
            .count();
        trail.entered.truncate(common);
        for (depth, step) in steps.iter().enumerate().skip(common) {
            let so_far = steps.get(..=depth).unwrap_or_default();
            let dir = match self.is_ours(base, so_far) {
                true => trail.here().open_dir_unlocked(step),
                false => trail.here().open_dir(step),
            };
            let dir = match dir {
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound && missing == Missing::Leave =>
                {
                    return Ok(false);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    trail.here().make_dir(step)
                }
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                    self.replace(trail, base, step, missing)
                }
                dir => dir,
            };
            let dir = dir.map_err(|source| self.blocked(base, so_far, source))?;
            trail.entered.push((step.clone(), dir));
        }
        Ok(true)
    }

    /// Under `{out}` all is ours, whatever it was turned into. Anything else that stands where a directory should be has either
    /// been taken away before, or came in between, or is not ours.
    fn replace(
        &self,
        trail: &Trail,
        base: Base,
        step: &OsStr,
        missing: Missing,
    ) -> io::Result<Directory> {
        if (base, missing) != (Base::Out, Missing::Make) {
            return Err(io::Error::from(io::ErrorKind::NotADirectory));
        }
        trail.here().remove(step)?;
        trail.here().make_dir(step)
    }

    /// Whether the directory that `steps` lead to is owned, so that its mode may be changed.
    fn is_ours(&self, base: Base, steps: &[OsString]) -> bool {
        let names: Option<Vec<&str>> = steps.iter().map(|step| step.to_str()).collect();
        let path = names.and_then(|names| RelPath::new(names.join("/")));
        base == Base::Out
            || path.is_some_and(|path| owns(self.patterns, &OutputPath { base, path }))
    }

    fn blocked(&self, base: Base, steps: &[OsString], source: io::Error) -> Error {
        let path = self.path_of(base, steps);
        match path.is_symlink() {
            true => behind_a_link(&path),
            false => Error::io("cannot go to the directory", &path, source),
        }
    }

    fn path_of(&self, base: Base, steps: &[OsString]) -> PathBuf {
        let root = match base {
            Base::Tree => Some(self.roots.tree.as_path()),
            Base::Out => self.roots.out.parent(),
        };
        root.into_iter().map(Path::as_os_str).chain(steps.iter().map(OsString::as_os_str)).collect()
    }
}

impl Trail {
    fn here(&self) -> &Directory {
        self.entered.last().map_or(&self.root, |(_, dir)| dir)
    }
}

/// The names from the directory that is opened as root down to `path`. For `{out}` that is the directory above it, so that `{out}`
/// itself is a name in a directory like all others.
fn steps(path: &OutputPath, roots: &Roots) -> Vec<OsString> {
    let out = match path.base {
        Base::Tree => None,
        Base::Out => roots.out.file_name().map(OsStr::to_owned),
    };
    out.into_iter().chain(path.path.components().map(OsString::from)).collect()
}

/// The name of `path` in its directory.
pub(super) fn name_of(path: &OutputPath, roots: &Roots) -> OsString {
    steps(path, roots).pop().unwrap_or_default()
}

/// Moves `name` out of `dir` to a place below `roots.displaced` where nothing stands yet.
pub(super) fn displace(
    dir: &Directory,
    name: &OsStr,
    path: &OutputPath,
    roots: &Roots,
) -> Result<Displaced> {
    let moved = free_place(&roots.displaced, path, name)
        .and_then(|to| dir.move_out(name, &to).map(|()| to));
    match moved {
        Ok(to) => Ok(Displaced { path: path.clone(), to }),
        Err(source) => Err(Error::io("cannot move out of the way", &roots.path(path), source)),
    }
}

/// `root/path`, with numbers behind those of its names at which something else stands already.
fn free_place(root: &Path, path: &OutputPath, name: &OsStr) -> io::Result<PathBuf> {
    fs::create_dir_all(root)?;
    let mut place = root.to_path_buf();
    for component in path.path.parent().unwrap_or_default().components() {
        place = first_free(&place, OsStr::new(component), |place| match fs::create_dir(place) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(fs::symlink_metadata(place)?.is_dir())
            }
            made => made.map(|()| true),
        })?;
    }
    first_free(&place, name, |place| match fs::symlink_metadata(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        metadata => metadata.map(|_| false),
    })
}

/// The first of `dir/name`, `dir/name.1`, `dir/name.2`, … that `is_free`.
fn first_free(
    dir: &Path,
    name: &OsStr,
    is_free: impl Fn(&Path) -> io::Result<bool>,
) -> io::Result<PathBuf> {
    let mut place = dir.join(name);
    let mut number = 0_u64;
    while !is_free(&place)? {
        number += 1;
        let mut numbered = name.to_owned();
        numbered.push(format!(".{number}"));
        place = dir.join(numbered);
    }
    Ok(place)
}

/// Copies a file that has been checked before, and finds it an error if what is written has not that digest.
fn copy_exactly(mut from: &File, mut to: &File, digest: &Digest) -> io::Result<()> {
    match Digest::of_copy(&mut from, &mut to)? == *digest {
        true => Ok(()),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "its bytes have changed since they were checked",
        )),
    }
}

/// A name that nobody else uses, for what is made before it gets its own.
pub(super) fn temporary_name() -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    format!(".granular-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}
