//! Takes what a run left into a store, and says what it is.

use super::place::{Ground, Missing, name_of};
use super::scan::{Entry, NOT_UTF8, scan};
use super::{Present, Roots, Unfit, folding, link_stays};
use crate::content::{Content, Output};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::ordered::{self, Map, Set};
use crate::path::{Base, OutputPath};
use crate::pattern::OutputPattern;
use crate::stat::{Kind, Stat};
use crate::store::{Store, StoreError};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;

/// How often a file that goes on changing is read again before that is an error.
const TRIES: usize = 5;

/// Why a capture did not come about.
#[derive(Debug)]
pub enum CaptureError {
    /// The run's mistake.
    Unfit(Vec<Unfit>),
    /// The environment's.
    Io(Error),
}

/// What a capture gives.
#[derive(Debug)]
pub struct Captured {
    /// Everything that the run left, sorted by path.
    pub outputs: Vec<Output>,
    /// Trouble of the store's, if there was any: the outputs are right, but the result is not to be saved.
    pub store_trouble: Option<StoreError>,
    /// An output that was changed between the end of the run and that of the capture: what was captured is what stands there now, but
    /// no run has left it so.
    pub changed: Option<OutputPath>,
}

/// Takes what a run left into `store` (if there is one) and says what it is. Checks that every pattern matched something and
/// that links stay inside. A file of `before` (what stood there before the run) that came out byte for byte the same gets its mtime back.
///
/// The digests are of the bytes that were kept. A file that changes meanwhile is read again and told, and is an error if it goes on.
pub fn capture(
    patterns: &[OutputPattern],
    before: &[(Present, Output)],
    roots: &Roots,
    index: &Index,
    store: Option<&dyn Store>,
) -> Result<Captured, CaptureError> {
    let mut reading = Reading { roots, index, store, trouble: None, read: HashMap::new() };
    let mut left: Option<Vec<Present>> = None;
    for _ in 0..TRIES {
        let entries = scan(patterns, roots).map_err(CaptureError::Io)?.entries;
        let now = entries.iter().map(|entry| entry.present.clone());
        let left = left.get_or_insert_with(|| now.clone().collect());
        let contents = contents(patterns, &entries, roots)?;
        // After everything was read, this finds that nothing has changed since before it was read.
        if !reading.read_changed(&entries).map_err(CaptureError::Io)? {
            let mut outputs = Vec::new();
            for (entry, content) in entries.iter().zip(contents) {
                let path = entry.present.path.clone();
                outputs.extend(
                    reading.content(entry, content).map(|content| Output { path, content }),
                );
            }
            let changed = difference(left, &now.collect::<Vec<_>>());
            give_back_times(patterns, before, &entries, &outputs, roots, index);
            return Ok(Captured { outputs, store_trouble: reading.trouble, changed });
        }
    }
    Err(CaptureError::Io(reading.restless()))
}

/// A path at which two listings differ.
fn difference(left: &[Present], now: &[Present]) -> Option<OutputPath> {
    if left == now {
        return None;
    }
    let stats: Map<_, _> = left.iter().map(|found| (&found.path, &found.stat)).collect();
    let other = now.iter().find(|found| stats.get(&found.path) != Some(&&found.stat));
    let gone = || {
        let now: Set<_> = now.iter().map(|found| &found.path).collect();
        left.iter().find(|found| !now.contains(&found.path))
    };
    other.or_else(gone).map(|found| found.path.clone())
}

/// What each entry is, but for the digests of files; or everything that is unfit.
fn contents(
    patterns: &[OutputPattern],
    entries: &[Entry],
    roots: &Roots,
) -> Result<Vec<Content>, CaptureError> {
    let mut contents = Vec::new();
    let mut unfit = missing(patterns, entries);
    unfit.extend(one_file(patterns, entries, roots).map_err(CaptureError::Io)?);
    for entry in entries {
        match content(entry, roots).map_err(CaptureError::Io)? {
            Ok(content) => contents.push(content),
            Err(found) => unfit.push(found),
        }
    }
    match unfit.is_empty() {
        true => Ok(contents),
        false => Err(CaptureError::Unfit(unfit)),
    }
}

/// The patterns that matched nothing.
fn missing(patterns: &[OutputPattern], entries: &[Entry]) -> Vec<Unfit> {
    let has_match =
        |pattern: &OutputPattern| entries.iter().any(|entry| pattern.owns(&entry.present.path));
    let missing = patterns.iter().filter(|pattern| !has_match(pattern));
    missing.map(|pattern| Unfit::Missing(pattern.text().to_owned())).collect()
}

/// Two outputs that were declared by different names and are one file: what the run wrote to the one is lost.
fn one_file(patterns: &[OutputPattern], entries: &[Entry], roots: &Roots) -> Result<Option<Unfit>> {
    let pairs = folding::alike(entries.iter().map(|entry| &entry.present.path));
    let mut ground = Ground::new(patterns, roots);
    let same = folding::same(pairs, |path| ground.folds_case(path))?;
    Ok(same.map(|(first, second)| Unfit::OneFile(first, second)))
}

fn content(entry: &Entry, roots: &Roots) -> Result<Result<Content, Unfit>> {
    let found = &entry.present;
    let is_out = found.path.base == Base::Out && found.path.path.is_root();
    Ok(match found.stat.kind {
        NOT_UTF8 => Err(not_utf8(found, &entry.name)),
        Kind::File if is_out => Err(Unfit::Special(found.path.clone(), "file")),
        Kind::File => {
            Ok(Content::File { digest: Digest::of(b""), executable: found.stat.is_executable() })
        }
        Kind::Directory => Ok(Content::EmptyDirectory),
        Kind::Special(kind) => Err(Unfit::Special(found.path.clone(), kind)),
        Kind::Link => link(found, roots)?,
    })
}

fn link(found: &Present, roots: &Roots) -> Result<Result<Content, Unfit>> {
    let path = roots.path(&found.path);
    let target =
        fs::read_link(&path).map_err(|source| Error::io("cannot read the link", &path, source))?;
    Ok(match target.into_os_string().into_string() {
        Ok(target) if link_stays(&found.path, &target) => {
            Ok(Content::Link { target, pointee: None })
        }
        Ok(target) => Err(Unfit::LinkLeaves(found.path.clone(), target)),
        Err(target) => Err(Unfit::NotUtf8(format!("{} -> {}", found.path, escaped(&target)))),
    })
}

fn not_utf8(found: &Present, name: &OsStr) -> Unfit {
    let dir =
        OutputPath { base: found.path.base, path: found.path.path.parent().unwrap_or_default() };
    match dir.path.is_root() && dir.base == Base::Tree {
        true => Unfit::NotUtf8(escaped(name)),
        false => Unfit::NotUtf8(format!("{dir}/{}", escaped(name))),
    }
}

/// A name with the bytes that are not UTF-8 as `\xNN`.
fn escaped(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// The files that have been read so far.
struct Reading<'a> {
    roots: &'a Roots,
    index: &'a Index,
    store: Option<&'a dyn Store>,
    trouble: Option<StoreError>,
    /// The stat that was taken before the bytes were read, and their digest.
    read: HashMap<OutputPath, (Stat, Digest)>,
}

impl Reading<'_> {
    /// Reads the files that were not read yet or have changed since; true if there were any.
    fn read_changed(&mut self, entries: &[Entry]) -> Result<bool> {
        let is_read = |found: &Present| {
            self.read.get(&found.path).is_some_and(|(stat, _)| *stat == found.stat)
        };
        let files = entries
            .iter()
            .map(|entry| &entry.present)
            .filter(|found| found.stat.kind == Kind::File);
        let changed: Vec<&Present> = files.filter(|found| !is_read(found)).collect();
        if changed.is_empty() {
            return Ok(false);
        }
        let digests = self.digests(&changed)?;
        for (found, digest) in changed.iter().zip(digests) {
            self.read.insert(found.path.clone(), (found.stat, digest));
        }
        Ok(true)
    }

    fn digests(&mut self, files: &[&Present]) -> Result<Vec<Digest>> {
        let paths: Vec<PathBuf> = files.iter().map(|found| self.roots.path(&found.path)).collect();
        if let (Some(store), None) = (self.store, &self.trouble) {
            match store.save_files(&paths) {
                Ok(digests) if digests.len() == files.len() => return Ok(digests),
                Ok(_) => {
                    self.trouble = Some(StoreError::Io(Error::new(format!(
                        "{} did not keep every file",
                        store.name()
                    ))))
                }
                Err(trouble) => self.trouble = Some(trouble),
            }
        }
        files.iter().zip(paths).map(|(found, path)| self.index.digest(&path, &found.stat)).collect()
    }

    /// The content of an entry with the digest of what was read.
    fn content(&self, entry: &Entry, content: Content) -> Option<Content> {
        let Content::File { executable, .. } = content else { return Some(content) };
        let (stat, digest) = self.read.get(&entry.present.path)?;
        self.index.remember(stat, *digest);
        Some(Content::File { digest: *digest, executable })
    }

    fn restless(&self) -> Error {
        let is_changed = |path: &OutputPath, stat: &Stat| !matches!(Stat::of(&self.roots.path(path)), Ok(Some(now)) if now == *stat);
        let mut paths: Vec<_> = self
            .read
            .iter()
            .filter(|(path, (stat, _))| is_changed(path, stat))
            .map(|(path, _)| path)
            .collect();
        ordered::sort(&mut paths);
        let named = paths.first().map_or("the outputs".to_owned(), |path| format!("`{path}`"));
        Error::new(format!("something goes on changing {named} after the run has ended"))
            .hint("A step has to end after everything that it started has ended.")
    }
}

/// Gives unchanged files the times that they had, so that tools which go by times see no change. Best effort: times decide nothing here.
fn give_back_times(
    patterns: &[OutputPattern],
    before: &[(Present, Output)],
    entries: &[Entry],
    outputs: &[Output],
    roots: &Roots,
    index: &Index,
) {
    let before: Map<_, _> = before
        .iter()
        .map(|(found, output)| (&output.path, (&found.stat, &output.content)))
        .collect();
    let mut ground = Ground::new(patterns, roots);
    for (entry, output) in entries.iter().zip(outputs) {
        let Some((old, Content::File { digest: old_digest, .. })) = before.get(&output.path) else {
            continue;
        };
        let Content::File { digest, .. } = &output.content else { continue };
        let stat = &entry.present.stat;
        if digest != old_digest || old.kind != Kind::File || old.mtime_ns == stat.mtime_ns {
            continue;
        }
        let Ok(Some(dir)) = ground.parent(&output.path, Missing::Leave) else { continue };
        if dir.set_modified(&name_of(&output.path, roots), old.mtime_ns).is_err() {
            continue;
        }
        // Nothing but our own change may have come in between.
        if let Ok(Some(now)) = Stat::of(&roots.path(&output.path))
            && (Stat { ctime_ns: stat.ctime_ns, mtime_ns: stat.mtime_ns, ..now }) == *stat
            && now.mtime_ns == old.mtime_ns
        {
            index.remember(&now, *digest);
        }
    }
}
