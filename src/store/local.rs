//! The store in a directory of this machine, shared by all checkouts of a user. Knows no step, and no path of a checkout.
//!
//! # Layout
//!
//! ```text
//! DIR/v1/                the layout's version is in the name: programs of different layouts share a DIR without meeting
//!     CACHEDIR.TAG       tells backups to leave it out
//!     results/ab/KEY     the text of an action result, KEY = ab… (see `result.rs`)
//!     blobs/ab/HASH      bytes, named by their hash, HASH = ab…
//!     found/ab/KEY       the sets of files that runs with the static key KEY = ab… were found to read (see `found.rs`)
//!     made-with/ab/KEY   with which tools results were made, by the key without tools (see `made_with.rs`)
//!     tmp/               files that are being written
//!     usage              about how large all this is: lines `+BYTES`
//!     gc.lock            held by the one collection that is at work, where the file system has locks
//! ```
//!
//! Nothing is made before something is saved, and a store [`LocalStore::without_traces`] changes nothing by being asked. Directories are made with mode 0700 and files with 0600: only the user can read them.
//!
//! # Atomicity
//!
//! A result or blob is written under a name in `tmp/` that no other process or thread uses, and renamed to its place: under its
//! name a file is whole from the first moment and never changes. Blobs are saved before the result that names them.
//!
//! No fsync: a file that a power failure left empty, short or full of zeros does not have the hash that its name or its last line
//! says. Everything is verified when it is read, so what would be gained is a few restores after a crash, and what would be
//! paid is a wait for the disk with every file.
//!
//! # Who may run at once
//!
//! Anybody. A blob that is there is believed only after a look at its bytes: a small one is compared, a large one is replaced by the copy that
//! had to be made to know its name. So what a result names was right when the result was filed. Writers of the same blob write the same bytes, and of two writers of the same result the last one wins, either being
//! a result for that key. Sets of found files are read, added to and replaced: of two writers one may be lost, which costs a run.
//! There is one collection at a time ([`LocalStore::gc`]), and it may run beside everything else: it
//! removes results before blobs and spares blobs that are young and that nobody names yet. Who finds a blob in its place instead of saving
//! it notes that as a use, and a collection looks once more when it has moved the blob aside: what was used meanwhile is moved back.
//! The lock of a collection saves work and keeps two from taking away more than either would, no more, so that it can be done without
//! where there are no locks.
//!
//! # What a crash leaves
//!
//! Files in `tmp/`, which a collection removes after an hour, and blobs that no result names, likewise. Nothing else.
//!
//! # What is counted as use
//!
//! The modification time of a result or blob is when it was last used. It is set to now when it is saved again; when it is asked for, only if
//! the time that stands there is older than [`USE_GRAIN`], so that a hit normally writes nothing.

#[cfg(feature = "program")]
mod carry;
mod file;
mod gc;
#[cfg(feature = "program")]
mod incoming;
mod listing;
mod parallel;
mod usage;
#[cfg(feature = "program")]
mod verify;

#[cfg(feature = "program")]
pub use carry::TakeError;
pub use gc::{GcLimit, GcReport};
#[cfg(feature = "program")]
pub use incoming::Incoming;
#[cfg(feature = "program")]
pub use usage::Usage;
#[cfg(feature = "program")]
pub use verify::{Finding, FindingKind, VerifyReport};

use super::{Store, StoreError};
use crate::digest::{Digest, Hash, Key};
use crate::error::Error;
use crate::format;
use crate::found::{self, FoundSet};
use crate::result::ActionResult;
use crate::store::made_with::{self, MadeWith};
use std::collections::hash_map::RandomState;
use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use file::CopyError;

/// The time of the last use is kept to about this.
pub const USE_GRAIN: Duration = Duration::from_secs(60 * 60);

/// A blob that no result names, or a file in `tmp/`, may belong to a running build for as long as this.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// The largest text of a result that is read or written, in bytes: more than half a million outputs.
const RESULT_SIZE_MAX: u64 = 64 * 1024 * 1024;

/// Files up to this size are taken into memory, so that nothing is written for bytes that are there already; in bytes.
const SMALL: u64 = 128 * 1024;

/// Results and blobs in a directory.
#[derive(Debug)]
pub struct LocalStore {
    /// The directory of this layout, `DIR/v1`.
    dir: PathBuf,
    /// Whether use is noted and what is damaged is removed.
    leaves_traces: bool,
    /// Tells this process's temporary files from those of one that has the same id in another container.
    nonce: u64,
    temporary_files: AtomicU64,
    bytes_saved: AtomicU64,
    /// Whether nothing was there when the first file was written.
    was_begun: AtomicBool,
}

impl LocalStore {
    /// The store in `dir`. Touches nothing: what is not there is made when something is saved.
    pub fn open(dir: &Path) -> Self {
        Self {
            dir: dir.join(format!("v{}", format::STORE_LAYOUT)),
            leaves_traces: true,
            nonce: RandomState::new().build_hasher().finish(),
            temporary_files: AtomicU64::new(0),
            bytes_saved: AtomicU64::new(0),
            was_begun: AtomicBool::new(false),
        }
    }

    /// The same store to look at only: what is asked for does not count as used, and what is damaged is left where it is. For
    /// what tells about a build without doing it. Saving is saving all the same.
    pub fn without_traces(self) -> Self {
        Self { leaves_traces: false, ..self }
    }

    /// How many bytes this store has really written so far: what was there already does not count.
    pub fn bytes_saved(&self) -> u64 {
        self.bytes_saved.load(Ordering::Relaxed)
    }

    /// In what way somebody else can change what is kept here, as a phrase about the directory. Whoever can write to it can put results
    /// there, which nothing that is verified tells from this user's own.
    pub fn exposure(&self) -> Option<&'static str> {
        let layout = [self.dir.parent(), Some(&*self.dir)];
        layout.into_iter().flatten().find_map(file::exposure)
    }

    fn result_path(&self, key: &Key) -> PathBuf {
        self.filed("results", &key.0)
    }

    fn found_path(&self, key: &Key) -> PathBuf {
        self.filed("found", &key.0)
    }

    fn blob_path(&self, hash: &Hash) -> PathBuf {
        self.filed("blobs", hash)
    }

    fn made_with_path(&self, without_tools: &Key) -> PathBuf {
        self.filed("made-with", &without_tools.0)
    }

    fn filed(&self, kind: &str, hash: &Hash) -> PathBuf {
        let name = hash.to_string();
        let mut path = self.dir.join(kind);
        path.push(name.get(..2).unwrap_or_default());
        path.push(name);
        path
    }
}

impl Store for LocalStore {
    fn name(&self) -> &str {
        "local cache"
    }

    fn result(&self, key: &Key) -> Result<Option<ActionResult>, StoreError> {
        let path = self.result_path(key);
        let file = match file::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unreadable(&path, error)),
        };
        match read_result(key, &file).map_err(|error| io_error("cannot read", &path, error))? {
            Ok(result) => {
                if self.leaves_traces {
                    file::mark_used(&file);
                }
                Ok(Some(result))
            }
            Err(how) => Err(self.damaged(format!("the result of {key}"), how, &path)),
        }
    }

    fn fetch(&self, blobs: &[(Digest, PathBuf)]) -> Result<(), StoreError> {
        let bytes = blobs.iter().fold(0, |sum: u64, (digest, _)| sum.saturating_add(digest.size));
        let fetch = |(digest, to): &(Digest, PathBuf), buffer: &mut Vec<u8>| {
            self.fetch_blob(digest, to, buffer)
        };
        parallel::map(blobs, parallel::threads(blobs.len(), bytes), fetch).map(drop)
    }

    fn save_files(&self, files: &[PathBuf]) -> Result<Vec<Digest>, StoreError> {
        let save = |path: &PathBuf, buffer: &mut Vec<u8>| {
            self.save_file(path, buffer).map_err(|error| match error {
                CopyError::From(error) => io_error("cannot keep a copy of", path, error),
                CopyError::To(error) => self.unwritable(error),
            })
        };
        // Sizes are not known yet: only the number decides.
        parallel::map(files, parallel::threads(files.len(), 0), save)
    }

    fn save_result(&self, key: &Key, result: &ActionResult) -> Result<(), StoreError> {
        let text = result.to_text(key);
        let path = self.result_path(key);
        if text.len() as u64 > RESULT_SIZE_MAX {
            return Err(io_error("cannot write", &path, io::ErrorKind::FileTooLarge.into()));
        }
        self.save_text(&path, &text)
    }

    fn made_with(&self, without_tools: &Key) -> Result<Vec<MadeWith>, StoreError> {
        let path = self.made_with_path(without_tools);
        let file = match file::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.unreadable(&path, error)),
        };
        let mut text = Vec::new();
        let mut read = || match file.metadata()?.is_file() {
            true => (&file).take(RESULT_SIZE_MAX).read_to_end(&mut text),
            false => Ok(0),
        };
        read().map_err(|error| io_error("cannot read", &path, error))?;
        let text = String::from_utf8(text).unwrap_or_default();
        let made = made_with::from_text(without_tools, &text);
        // A damaged note leads nowhere, and the next one is to take its place.
        if made.is_none() && self.leaves_traces {
            file::remove(&path);
        }
        Ok(made.unwrap_or_default())
    }

    fn note_made_with(&self, without_tools: &Key, made: &MadeWith) -> Result<(), StoreError> {
        let known = self.made_with(without_tools).unwrap_or_default();
        if known.first() == Some(made) {
            return Ok(());
        }
        let text = made_with::to_text(without_tools, &made_with::with_newest(known, made));
        self.save_text(&self.made_with_path(without_tools), &text)
    }

    fn found(&self, key: &Key) -> Result<Vec<FoundSet>, StoreError> {
        let path = self.found_path(key);
        let file = match file::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io_error("cannot read", &path, error)),
        };
        match read_found(key, &file).map_err(|error| io_error("cannot read", &path, error))? {
            Ok(sets) => {
                if self.leaves_traces {
                    file::mark_used(&file);
                }
                Ok(sets)
            }
            Err(how) => Err(self.damaged(format!("what is found by {key}"), how, &path)),
        }
    }

    fn save_found(&self, key: &Key, set: &FoundSet) -> Result<(), StoreError> {
        // Sets that cannot be read are lost, which costs runs.
        let sets = self.found(key).unwrap_or_default();
        if sets.first() == Some(set) {
            return Ok(());
        }
        let text = found::to_text(key, &found::with(sets, set));
        let path = self.found_path(key);
        if text.len() as u64 > RESULT_SIZE_MAX {
            return Err(io_error("cannot write", &path, io::ErrorKind::FileTooLarge.into()));
        }
        self.save_text(&path, &text)
    }
}

impl LocalStore {
    fn save_text(&self, path: &Path, text: &str) -> Result<(), StoreError> {
        let save = || {
            let mut temporary = self.temporary()?;
            temporary.file.write_all(text.as_bytes())?;
            // By the same clock as what notes the use of blobs: a result is never older than what it names.
            temporary.file.set_modified(SystemTime::now())?;
            self.publish(temporary, path, text.len() as u64)
        };
        save().map_err(|error| self.unwritable(error))
    }

    fn fetch_blob(
        &self,
        digest: &Digest,
        to: &Path,
        buffer: &mut Vec<u8>,
    ) -> Result<(), StoreError> {
        let path = self.blob_path(&digest.hash);
        let mut blob = match file::open(&path) {
            Ok(blob) => blob,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing(*digest));
            }
            Err(error) => return Err(self.unreadable(&path, error)),
        };
        let what = || format!("the blob {}", digest.hash);
        let metadata = blob.metadata().map_err(|error| io_error("cannot read", &path, error))?;
        if !metadata.is_file() || metadata.len() != digest.size {
            return Err(self.damaged(
                what(),
                format!("it has {} bytes, not {}", metadata.len(), digest.size),
                &path,
            ));
        }
        let unwritable = |error| StoreError::Destination(Error::io("cannot restore to", to, error));
        // What was there before is not ours to remove.
        let mut new = file::create_new(to).map_err(unwritable)?;
        let copied = file::copy(&mut blob, &mut new, digest.size, buffer);
        if !copied.as_ref().is_ok_and(|copied| copied == digest) {
            let _ = fs::remove_file(to);
        }
        match copied {
            Ok(copied) if copied == *digest => Ok(()),
            Ok(_) => Err(self.damaged(what(), "its bytes do not have its hash".to_owned(), &path)),
            Err(CopyError::From(error)) => Err(io_error("cannot read", &path, error)),
            Err(CopyError::To(error)) => Err(unwritable(error)),
        }
    }

    /// Keeps a copy of the file and says the digest of the copy.
    fn save_file(&self, path: &Path, buffer: &mut Vec<u8>) -> Result<Digest, CopyError> {
        let (mut source, size) = file::open_regular(path).map_err(CopyError::From)?;
        if size <= SMALL && file::read_small(&mut source, SMALL, buffer).map_err(CopyError::From)? {
            return self.save_bytes(buffer).map_err(CopyError::To);
        }
        source.rewind().map_err(CopyError::From)?;
        let mut temporary = self.temporary().map_err(CopyError::To)?;
        let digest = file::copy(&mut source, &mut temporary.file, size, buffer)?;
        self.publish(temporary, &self.blob_path(&digest.hash), digest.size)
            .map_err(CopyError::To)?;
        Ok(digest)
    }

    fn save_bytes(&self, bytes: &[u8]) -> io::Result<Digest> {
        let digest = Digest::of(bytes);
        let blob = self.blob_path(&digest.hash);
        if !file::has_bytes(&blob, bytes) {
            let mut temporary = self.temporary()?;
            temporary.file.write_all(bytes)?;
            self.publish(temporary, &blob, digest.size)?;
        }
        Ok(digest)
    }

    /// A name in `tmp/` that nobody else uses.
    fn temporary_path(&self) -> PathBuf {
        let number = self.temporary_files.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{:016x}-{number}", std::process::id(), self.nonce);
        self.dir.join("tmp").join(name)
    }

    /// A new file in `tmp/`. Makes the directories of the store if they are not there.
    fn temporary(&self) -> io::Result<file::Temporary> {
        let path = self.temporary_path();
        match file::Temporary::new(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.make_directories()?;
                file::Temporary::new(&path)
            }
            made => made,
        }
    }

    /// Moves a temporary file of `size` bytes to its place, in the place of one that is there.
    fn publish(&self, temporary: file::Temporary, path: &Path, size: u64) -> io::Result<()> {
        let is_new = fs::symlink_metadata(path).is_err();
        match temporary.rename(path) {
            Err((temporary, error)) if error.kind() == io::ErrorKind::NotFound => {
                file::make_private_dir(path.parent().unwrap_or(&self.dir))?;
                temporary.rename(path).map_err(|(_, error)| error)?;
            }
            Err((_, error)) => return Err(error),
            Ok(()) => {}
        }
        if is_new {
            self.bytes_saved.fetch_add(size, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Takes a damaged file out of the way, as far as that can be done and may be.
    fn damaged(&self, what: String, how: String, path: &Path) -> StoreError {
        if self.leaves_traces {
            file::remove(path);
        }
        StoreError::Damaged { what, how }
    }

    /// Where a file cannot even be looked at, its directory is the trouble: one for all the files that are asked for.
    fn unreadable(&self, path: &Path, error: io::Error) -> StoreError {
        match fs::symlink_metadata(path) {
            Err(_) => io_error("cannot read the cache directory", self.place(), error),
            Ok(_) => io_error("cannot read", path, error),
        }
    }

    /// Which file of the store it was says nothing to its user: what helps is where the store lies.
    fn unwritable(&self, error: io::Error) -> StoreError {
        let error = Error::io("cannot write to the cache directory", self.place(), error);
        StoreError::Io(error.hint("make room there or set `cache-dir` to one that can be written"))
    }

    /// The directory that the user named.
    fn place(&self) -> &Path {
        self.dir.parent().unwrap_or(&self.dir)
    }

    fn was_begun(&self) -> bool {
        self.was_begun.load(Ordering::Relaxed)
    }

    fn make_directories(&self) -> io::Result<()> {
        if fs::symlink_metadata(&self.dir)
            .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
        {
            self.was_begun.store(true, Ordering::Relaxed);
        }
        file::make_private_dir(&self.dir.join("tmp"))?;
        let tag = self.dir.join("CACHEDIR.TAG");
        match file::create_private(&tag) {
            Ok(mut file) => file.write_all(CACHEDIR_TAG),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error),
        }
    }
}

const CACHEDIR_TAG: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55
# Made by cargo granular. Deleting this directory costs time only.
# About such files: https://bford.info/cachedir/
";

/// Reads a result; the inner error is in what way it is damaged.
fn read_result(key: &Key, file: &File) -> io::Result<Result<ActionResult, String>> {
    Ok(read_text(file)?.and_then(|text| ActionResult::from_text(key, &text)))
}

/// Reads sets of found files; the inner error is in what way they are damaged.
fn read_found(key: &Key, file: &File) -> io::Result<Result<Vec<FoundSet>, String>> {
    Ok(read_text(file)?.and_then(|text| found::from_text(key, &text)))
}

fn read_text(file: &File) -> io::Result<Result<Vec<u8>, String>> {
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Err("it is not a file".to_owned()));
    }
    let mut text = Vec::with_capacity(metadata.len().min(RESULT_SIZE_MAX) as usize + 1);
    file.take(RESULT_SIZE_MAX + 1).read_to_end(&mut text)?;
    match text.len() as u64 > RESULT_SIZE_MAX {
        true => Ok(Err("it is larger than any result".to_owned())),
        false => Ok(Ok(text)),
    }
}

fn io_error(doing: &str, path: &Path, error: io::Error) -> StoreError {
    StoreError::Io(Error::io(doing, path, error))
}
