//! What lies in the directory of a store, by name. Reads no file.

use super::LocalStore;
use crate::digest::Hash;
use crate::ordered;
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Everything that was there when it was looked at.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) results: Vec<Item>,
    pub(super) blobs: Vec<Item>,
    /// Sets of found files, by static key.
    pub(super) found: Vec<Item>,
    /// Notes on the tools that results were made with.
    pub(super) made_with: Vec<Item>,
    /// Files in `tmp/`.
    pub(super) temporary: Vec<Temporary>,
    /// Files and directories that a store does not have.
    pub(super) unknown: Vec<PathBuf>,
    /// The size of the few other files, in bytes.
    pub(super) other_bytes: u64,
}

/// A result, a blob or a note.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// Its name: the key's hash or its own.
    pub(super) hash: Hash,
    /// In bytes.
    pub(super) size: u64,
    /// When it was last used.
    pub(super) modified: SystemTime,
}

/// A file in `tmp/`.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

impl Listing {
    /// The sum of the lengths of all files, but for the unknown ones, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        let kept = self.results.iter().chain(&self.blobs);
        let items = kept.chain(&self.found).chain(&self.made_with).map(|item| item.size);
        let temporary = self.temporary.iter().map(|temporary| temporary.size);
        items.chain(temporary).fold(self.other_bytes, u64::saturating_add)
    }
}

impl LocalStore {
    /// Lists the store; an empty listing if it is not there. Results come first, so that what they name and what is saved in
    /// the meantime is seen after them.
    pub(super) fn listing(&self) -> io::Result<Listing> {
        let mut listing = Listing::default();
        listing.results = self.items("results", &mut listing.unknown)?;
        listing.blobs = self.items("blobs", &mut listing.unknown)?;
        listing.found = self.items("found", &mut listing.unknown)?;
        listing.made_with = self.items("made-with", &mut listing.unknown)?;
        for (entry, metadata) in entries(&self.dir.join("tmp"))? {
            match metadata.is_file() {
                true => listing.temporary.push(Temporary {
                    path: entry.path(),
                    size: metadata.len(),
                    modified: metadata.modified()?,
                }),
                false => listing.unknown.push(entry.path()),
            }
        }
        for (entry, metadata) in entries(&self.dir)? {
            match entry.file_name().to_str() {
                Some("CACHEDIR.TAG" | "usage" | "gc.lock") if metadata.is_file() => {
                    listing.other_bytes += metadata.len()
                }
                Some("results" | "blobs" | "made-with" | "found" | "tmp") if metadata.is_dir() => {}
                _ => listing.unknown.push(entry.path()),
            }
        }
        ordered::sort(&mut listing.unknown);
        Ok(listing)
    }

    /// The files of one kind, sorted by name, whatever order the file system has.
    pub(super) fn items(&self, kind: &str, unknown: &mut Vec<PathBuf>) -> io::Result<Vec<Item>> {
        let mut items = Vec::new();
        for (dir, metadata) in entries(&self.dir.join(kind))? {
            if !metadata.is_dir() {
                unknown.push(dir.path());
                continue;
            }
            for (entry, metadata) in entries(&dir.path())? {
                match item(&dir, &entry, &metadata) {
                    Some(item) => items.push(item),
                    None => unknown.push(entry.path()),
                }
            }
        }
        ordered::sort_by_key(&mut items, |item| item.hash);
        Ok(items)
    }
}

fn item(dir: &DirEntry, entry: &DirEntry, metadata: &Metadata) -> Option<Item> {
    let name = entry.file_name();
    let name = name.to_str()?;
    let filed_rightly = dir.file_name().to_str() == name.get(..2);
    let hash = Hash::parse(name)?;
    (filed_rightly && metadata.is_file()).then_some(Item {
        hash,
        size: metadata.len(),
        modified: metadata.modified().ok()?,
    })
}

/// What a directory holds; nothing if it is not there. What vanishes meanwhile is left out.
fn entries(dir: &Path) -> io::Result<Vec<(DirEntry, Metadata)>> {
    let listed = match fs::read_dir(dir) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut entries = Vec::new();
    for entry in listed {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) => entries.push((entry, metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}
