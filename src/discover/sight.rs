//! Looks at single files and directories of the tree, and remembers while nothing is being written. Knows no finder.

use crate::canon;
use crate::content::{Content, Input};
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::found::Outside;
use crate::index::Index;
use crate::inputs::{self, Found};
use crate::ordered;
use crate::path::RelPath;
use crate::stat::{Kind, Stat, is_absence};
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was seen, for as long as nothing has been written since: many steps look at the same files.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    files: Mutex<HashMap<RelPath, Option<Found>>>,
    listings: Mutex<HashMap<RelPath, Option<Listing>>>,
    outside: Mutex<HashMap<String, Option<Content>>>,
}

/// Who looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sight<'a> {
    root: &'a Path,
    index: &'a Index,
    seen: Option<&'a Seen>,
}

/// Something in a directory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Of what a link leads to; a link itself only if it leads nowhere.
    pub(crate) kind: Kind,
    pub(crate) is_link: bool,
}

impl Entry {
    /// Whether it is a directory that is no link: whoever goes down such ones comes to an end.
    pub(crate) fn is_directory(&self) -> bool {
        self.kind == Kind::Directory && !self.is_link
    }
}

/// What a directory holds.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    pub(crate) entries: Arc<[Entry]>,
    /// Of all names and kinds.
    pub(crate) hash: Hash,
    /// Of the directory, taken before it was read.
    pub(crate) stat: Stat,
}

impl<'a> Sight<'a> {
    /// With `seen` also what others have seen counts.
    pub(crate) fn new(root: &'a Path, index: &'a Index, seen: Option<&'a Seen>) -> Self {
        Self { root, index, seen }
    }

    /// The root of the workspace.
    pub(crate) fn root(&self) -> &'a Path {
        self.root
    }

    /// The file or link to a file at `path`; `None` for anything else.
    pub(crate) fn file(&self, path: &RelPath) -> Result<Option<Found>> {
        remembered(self.seen.map(|seen| &seen.files), path, || look(path, &path.under(self.root)))
    }

    /// What the directory `path` holds; `None` if it is none.
    pub(crate) fn listing(&self, path: &RelPath) -> Result<Option<Listing>> {
        remembered(self.seen.map(|seen| &seen.listings), path, || list(&path.under(self.root)))
    }

    /// The entries of [`Sight::listing`].
    pub(crate) fn entries(&self, path: &RelPath) -> Result<Option<Arc<[Entry]>>> {
        Ok(self.listing(path)?.map(|listing| listing.entries))
    }

    /// The files of `paths` that are there, in their order.
    pub(crate) fn files(&self, paths: &[RelPath]) -> Result<Vec<Found>> {
        paths.iter().filter_map(|path| self.file(path).transpose()).collect()
    }

    /// The contents of files that were found.
    pub(crate) fn digest(&self, found: &[Found]) -> Result<Vec<Input>> {
        inputs::digest(self.root, found, self.index)
    }

    /// The content of a file anywhere; `None` if there is none.
    pub(crate) fn outside(&self, path: &str) -> Result<Option<Outside>> {
        let content = remembered(self.seen.map(|seen| &seen.outside), &path.to_owned(), || {
            let found = look(&RelPath::root(), Path::new(path))?;
            let Some(found) = found else { return Ok(None) };
            let stat = match &found.link {
                Some(link) => link.1,
                None => Some(found.stat),
            };
            let Some(stat) = stat else { return Ok(None) };
            let digest = self.index.digest(Path::new(path), &stat)?;
            // What a link says names a place of this machine: only the bytes behind it count.
            Ok(Some(Content::File { digest, executable: stat.is_executable() }))
        })?;
        Ok(content.map(|content| Outside { path: path.to_owned(), content }))
    }
}

fn remembered<K: Clone + Eq + std::hash::Hash, V: Clone>(
    seen: Option<&Mutex<HashMap<K, V>>>,
    key: &K,
    look: impl FnOnce() -> Result<V>,
) -> Result<V> {
    let Some(seen) = seen else { return look() };
    if let Some(value) = lock(seen).get(key) {
        return Ok(value.clone());
    }
    let value = look()?;
    lock(seen).insert(key.clone(), value.clone());
    Ok(value)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn look(path: &RelPath, at: &Path) -> Result<Option<Found>> {
    let failed = |error| Error::io("cannot look at", at, error);
    let Some(stat) = Stat::of(at).map_err(failed)? else { return Ok(None) };
    let link = match stat.kind {
        Kind::File => None,
        Kind::Link => {
            let Some(text) = fs::read_link(at).ok().map(PathBuf::into_os_string) else {
                return Ok(None);
            };
            let pointee = Stat::of_pointee(at).map_err(failed)?;
            let Some(pointee) = pointee.filter(|stat| stat.kind == Kind::File) else {
                return Ok(None);
            };
            Some(Box::new((text.to_string_lossy().into_owned(), Some(pointee))))
        }
        Kind::Directory | Kind::Special(_) => return Ok(None),
    };
    Ok(Some(Found { path: path.clone(), stat, link }))
}

fn list(at: &Path) -> Result<Option<Listing>> {
    let failed = |error| Error::io("cannot read the directory", at, error);
    let Some(stat) = Stat::of_pointee(at).map_err(failed)? else { return Ok(None) };
    if stat.kind != Kind::Directory {
        return Ok(None);
    }
    let listed = match fs::read_dir(at) {
        Ok(listed) => listed,
        Err(error) if is_absence(&error) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut entries = Vec::new();
    for entry in listed {
        let entry = entry.map_err(failed)?;
        let file_type = entry.file_type().map_err(failed)?;
        let kind = match () {
            () if file_type.is_file() => Kind::File,
            () if file_type.is_dir() => Kind::Directory,
            () => match Stat::of_pointee(&entry.path()).map_err(failed)? {
                Some(stat) => stat.kind,
                None => Kind::Link,
            },
        };
        let name = entry.file_name().to_string_lossy().into_owned();
        entries.push(Entry { name, kind, is_link: file_type.is_symlink() });
    }
    ordered::sort(&mut entries);
    let mut text = String::new();
    for Entry { name, kind, is_link } in &entries {
        text.push_str(if *is_link { "link to " } else { "" });
        text.push_str(match kind {
            Kind::File => "file",
            Kind::Directory => "directory",
            Kind::Link => "link",
            Kind::Special(kind) => kind,
        });
        canon::quote(&mut text, name);
        text.push('\n');
    }
    Ok(Some(Listing { hash: Hash::of(text.as_bytes()), entries: entries.into(), stat }))
}
