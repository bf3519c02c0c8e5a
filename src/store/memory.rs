//! A store in memory, for tests: it counts what is asked of it, and can be damaged.

use super::{Store, StoreError};
use crate::digest::{Digest, Hash, Key};
use crate::error::Error;
use crate::found::{self, FoundSet};
use crate::result::ActionResult;
use crate::store::made_with::{self, MadeWith};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keeps results, as texts, and blobs in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    kept: Mutex<Kept>,
}

/// How often what was asked of a [`MemoryStore`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Results that were asked for, found or not.
    pub results_asked: usize,
    /// Calls of `fetch`.
    pub fetches: usize,
    /// Blobs that were asked for, found or not.
    pub blobs_asked: usize,
    /// Files whose bytes were to be kept.
    pub files_saved: usize,
    /// Results that were to be kept.
    pub results_saved: usize,
}

#[derive(Debug, Default)]
struct Kept {
    results: BTreeMap<Key, Vec<u8>>,
    blobs: BTreeMap<Hash, Vec<u8>>,
    found: BTreeMap<Key, Vec<FoundSet>>,
    made_with: BTreeMap<Key, Vec<MadeWith>>,
    counts: Counts,
}

impl MemoryStore {
    /// A store with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// What has been asked of it so far.
    pub fn counts(&self) -> Counts {
        self.kept().counts
    }

    /// Changes the bytes of a blob, or takes it away with `None`.
    pub fn damage_blob(&self, hash: &Hash, bytes: Option<Vec<u8>>) {
        let mut kept = self.kept();
        match bytes {
            Some(bytes) => kept.blobs.insert(*hash, bytes),
            None => kept.blobs.remove(hash),
        };
    }

    /// Changes the text of a result, or takes it away with `None`.
    pub fn damage_result(&self, key: &Key, text: Option<Vec<u8>>) {
        let mut kept = self.kept();
        match text {
            Some(text) => kept.results.insert(*key, text),
            None => kept.results.remove(key),
        };
    }

    /// A thread that panicked while it held the lock has left nothing half done.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &str {
        "memory"
    }

    fn result(&self, key: &Key) -> Result<Option<ActionResult>, StoreError> {
        let mut kept = self.kept();
        kept.counts.results_asked += 1;
        let Some(text) = kept.results.get(key) else { return Ok(None) };
        ActionResult::from_text(key, text).map(Some).map_err(|how| {
            kept.results.remove(key);
            StoreError::Damaged { what: format!("the result of {key}"), how }
        })
    }

    fn fetch(&self, blobs: &[(Digest, PathBuf)]) -> Result<(), StoreError> {
        let mut kept = self.kept();
        kept.counts.fetches += 1;
        kept.counts.blobs_asked += blobs.len();
        for (digest, to) in blobs {
            let bytes = kept.blobs.get(&digest.hash).ok_or(StoreError::Missing(*digest))?;
            if Digest::of(bytes) != *digest {
                kept.blobs.remove(&digest.hash);
                let how = "its bytes do not have its digest".to_owned();
                return Err(StoreError::Damaged { what: format!("the blob {}", digest.hash), how });
            }
            write_new(to, bytes)?;
        }
        Ok(())
    }

    fn save_files(&self, files: &[PathBuf]) -> Result<Vec<Digest>, StoreError> {
        let mut kept = self.kept();
        kept.counts.files_saved += files.len();
        let mut digests = Vec::new();
        for path in files {
            let bytes = fs::read(path)
                .map_err(|source| StoreError::Io(Error::io("cannot read", path, source)))?;
            let digest = Digest::of(&bytes);
            kept.blobs.insert(digest.hash, bytes);
            digests.push(digest);
        }
        Ok(digests)
    }

    fn save_result(&self, key: &Key, result: &ActionResult) -> Result<(), StoreError> {
        let mut kept = self.kept();
        kept.counts.results_saved += 1;
        kept.results.insert(*key, result.to_text(key).into_bytes());
        Ok(())
    }

    fn found(&self, key: &Key) -> Result<Vec<FoundSet>, StoreError> {
        Ok(self.kept().found.get(key).cloned().unwrap_or_default())
    }

    fn save_found(&self, key: &Key, set: &FoundSet) -> Result<(), StoreError> {
        let mut kept = self.kept();
        let sets = kept.found.remove(key).unwrap_or_default();
        kept.found.insert(*key, found::with(sets, set));
        Ok(())
    }

    fn made_with(&self, without_tools: &Key) -> Result<Vec<MadeWith>, StoreError> {
        Ok(self.kept().made_with.get(without_tools).cloned().unwrap_or_default())
    }

    fn note_made_with(&self, without_tools: &Key, made: &MadeWith) -> Result<(), StoreError> {
        let mut kept = self.kept();
        let known = kept.made_with.remove(without_tools).unwrap_or_default();
        kept.made_with.insert(*without_tools, made_with::with_newest(known, made));
        Ok(())
    }
}

fn write_new(to: &std::path::Path, bytes: &[u8]) -> Result<(), StoreError> {
    let write = || std::io::Write::write_all(&mut fs::File::create_new(to)?, bytes);
    write().map_err(|source| StoreError::Destination(Error::io("cannot restore to", to, source)))
}
