//! Reads back everything that a store holds.

use super::listing::Item;
use super::{LocalStore, file, io_error, parallel, read_found, read_result};
use crate::digest::{Digest, Hash, Key};
use crate::store::StoreError;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::PathBuf;

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct VerifyReport {
    /// How many results were read.
    pub results: usize,
    /// How many blobs were read.
    pub blobs: usize,
    /// How many bytes they have together.
    pub bytes: u64,
    /// What is wrong: results, then sets of found files, then blobs.
    pub damaged: Vec<Finding>,
    /// Files and directories that are none of the store's. They do no harm and are left alone.
    pub unknown: Vec<PathBuf>,
}

/// Something that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// What it is called: "the result of KEY", "the blob HASH".
    pub what: String,
    /// Where it lies.
    pub path: PathBuf,
    /// In what way it is wrong.
    pub how: String,
    /// Whether it has been taken away.
    pub removed: bool,
}

/// What kind of thing is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FindingKind {
    /// The text of a result.
    Result,
    /// The bytes of a blob.
    Blob,
    /// Sets of files that runs were found to read.
    Found,
    /// A result that is sound itself, and names a blob that is not there or has been taken away.
    Dangling,
}

impl LocalStore {
    /// Reads every result and every blob, and looks for every blob that a result names. With `repair`, what is wrong is taken
    /// away, and so is every result that names it.
    pub fn verify(&self, repair: bool) -> Result<VerifyReport, StoreError> {
        self.read_back(repair).map_err(|error| io_error("cannot read", &self.dir, error))
    }

    fn read_back(&self, repair: bool) -> io::Result<VerifyReport> {
        let listing = self.listing()?;
        let mut report = VerifyReport { unknown: listing.unknown, ..VerifyReport::default() };

        let named = self.read_results(&listing.results, repair, &mut report)?;
        let mut sizes: HashMap<Hash, Option<u64>> =
            listing.blobs.iter().map(|item| (item.hash, Some(item.size))).collect();
        let sizes_named = sizes_named(&named);
        let findings = parallel::map(
            &listing.blobs,
            parallel::threads(listing.blobs.len(), u64::MAX),
            |item, buffer| Ok::<_, io::Error>(self.read_blob(item, &sizes_named, repair, buffer)),
        )?;
        report.blobs = listing.blobs.len();
        report.bytes = listing
            .results
            .iter()
            .chain(&listing.found)
            .chain(&listing.blobs)
            .fold(0, |sum, item| sum.saturating_add(item.size));
        let mut blob_findings = Vec::new();
        for (item, finding) in listing.blobs.iter().zip(findings) {
            match &finding {
                Some(finding) if finding.removed => drop(sizes.remove(&item.hash)),
                Some(_) => drop(sizes.insert(item.hash, None)),
                None => {}
            }
            blob_findings.extend(finding);
        }
        for (key, blobs) in named {
            report.damaged.extend(self.look_for(&key, &blobs, &sizes, repair));
        }
        report.damaged.extend(listing.found.iter().filter_map(|item| self.read_sets(item, repair)));
        report.damaged.append(&mut blob_findings);
        Ok(report)
    }

    /// Reads the results; notes the damaged ones and gives what the others name.
    fn read_results(
        &self,
        results: &[Item],
        repair: bool,
        report: &mut VerifyReport,
    ) -> io::Result<Vec<(Key, Vec<Digest>)>> {
        let read = parallel::map(results, parallel::threads(results.len(), 0), |item, _| {
            let key = Key(item.hash);
            match file::open(&self.result_path(&key)).and_then(|file| read_result(&key, &file)) {
                Ok(result) => Ok(Some(result.map(|result| result.blobs().copied().collect()))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Ok::<_, io::Error>(Some(Err(format!("it cannot be read: {error}")))),
            }
        })?;
        report.results = read.iter().flatten().count();
        let mut named = Vec::new();
        for (item, result) in results.iter().zip(read) {
            let key = Key(item.hash);
            match result {
                None => {}
                Some(Ok(blobs)) => named.push((key, blobs)),
                Some(Err(how)) => {
                    report.damaged.push(self.result_finding(FindingKind::Result, &key, how, repair))
                }
            }
        }
        Ok(named)
    }

    /// What is wrong with the sets of found files under a static key.
    fn read_sets(&self, item: &Item, repair: bool) -> Option<Finding> {
        let key = Key(item.hash);
        let path = self.found_path(&key);
        let how = match file::open(&path).and_then(|file| read_found(&key, &file)) {
            Ok(Ok(_)) => return None,
            Ok(Err(how)) => how,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => format!("it cannot be read: {error}"),
        };
        let removed = repair && file::remove(&path);
        Some(Finding {
            kind: FindingKind::Found,
            what: format!("what is found by {key}"),
            path,
            how,
            removed,
        })
    }

    /// What is wrong with a blob. One that has vanished was collected, which is not wrong. One that has none of the sizes which results
    /// say it has need not be read for that, however long it is.
    fn read_blob(
        &self,
        item: &Item,
        sizes_named: &HashMap<Hash, HashSet<u64>>,
        repair: bool,
        buffer: &mut Vec<u8>,
    ) -> Option<Finding> {
        let path = self.blob_path(&item.hash);
        let is_fit = sizes_named.get(&item.hash).is_none_or(|sizes| sizes.contains(&item.size));
        let read = match is_fit {
            true => file::open(&path)
                .and_then(|mut blob| file::digest(&mut blob, item.size, buffer))
                .map(Some),
            false => Ok(None),
        };
        let how = match read {
            Ok(Some(digest)) if digest.hash == item.hash => return None,
            Ok(Some(digest)) => format!("its {} bytes do not have its hash", digest.size),
            Ok(None) => format!("no result says that it has {} bytes", item.size),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => format!("it cannot be read: {error}"),
        };
        let what = format!("the blob {}", item.hash);
        let removed = repair && file::remove(&path);
        Some(Finding { kind: FindingKind::Blob, what, path, how, removed })
    }

    /// What is wrong with the blobs that a result names. `sizes` has those that are there; none for one that is damaged, which
    /// is a finding of its own.
    fn look_for(
        &self,
        key: &Key,
        blobs: &[Digest],
        sizes: &HashMap<Hash, Option<u64>>,
        repair: bool,
    ) -> Option<Finding> {
        let (digest, size) = blobs.iter().find_map(|digest| match sizes.get(&digest.hash) {
            // It may have come after the listing.
            None if file::is_there(&self.blob_path(&digest.hash), digest.size) => None,
            None => Some((digest, None)),
            Some(Some(size)) if *size != digest.size => Some((digest, Some(size))),
            Some(_) => None,
        })?;
        let how = match size {
            None => format!("the blob {} that it names is not there", digest.hash),
            Some(size) => format!(
                "it says that the blob {} has {} bytes, and it has {size}",
                digest.hash, digest.size
            ),
        };
        // If the result itself is gone by now, a collection is at work.
        let is_there = fs::symlink_metadata(self.result_path(key)).is_ok();
        is_there.then(|| self.result_finding(FindingKind::Dangling, key, how, repair))
    }

    fn result_finding(&self, kind: FindingKind, key: &Key, how: String, repair: bool) -> Finding {
        let path = self.result_path(key);
        let removed = repair && file::remove(&path);
        Finding { kind, what: format!("the result of {key}"), path, how, removed }
    }
}

/// The sizes that results say each blob has: one, if none of them is damaged.
fn sizes_named(named: &[(Key, Vec<Digest>)]) -> HashMap<Hash, HashSet<u64>> {
    let mut sizes: HashMap<Hash, HashSet<u64>> = HashMap::new();
    for digest in named.iter().flat_map(|(_, blobs)| blobs) {
        sizes.entry(digest.hash).or_default().insert(digest.size);
    }
    sizes
}
