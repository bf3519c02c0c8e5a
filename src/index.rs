//! The stat index: digests of files that have not been touched since they were read. Times only save re-reading.
//!
//! On disk it is one flat file: a header (magic, version, number of records), records of a fixed size sorted by device and
//! inode, and the hash of all that. It is replaced by rename and never repaired: one that is damaged, cut off or of another
//! version counts as empty. No fsync: after a power cut the hash at the end tells, and only time is lost.
//!
//! **The guard against edits in the same tick.** A file system stamps changes with a clock of its own that advances in steps.
//! If a file is read and then written again within one step, its stamps stay as they were. So a digest is remembered only if
//! the youngest stamp of the file was older than one step (`is_settled`) when the reading began: a later write then gets
//! another stamp. A file that is younger is read again the next time.

mod table;

use crate::digest::{CHUNK, Digest, Hasher};
use crate::error::{Error, Result};
use crate::own_file;
use crate::stat::{Kind, Stat};
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use table::{Record, Table};

/// Digests by what the file system says of a file. Shared by threads; damaged or missing it costs time only.
#[derive(Debug)]
pub struct Index {
    /// What was read from disk; never changed.
    table: Table,
    /// By the inode, so that threads which read different files seldom wait for each other.
    added: [Mutex<Added>; SHARDS],
    /// When this index was opened, for [`Index::remember`].
    opened: SystemTime,
}

/// What came in since.
#[derive(Debug, Default)]
struct Added {
    records: HashMap<(u64, u64), Record>,
    unsaved: bool,
}

const SHARDS: usize = 16;

/// How many ever-changing readings of one file are made before the last one is taken as it is.
const MOST_READINGS: usize = 3;

/// Longer than one step of the clock of any file system that has parts of a second: on Linux 1 to 10 ms.
const STEP_NS: i128 = 20_000_000;

/// The step of file systems with whole seconds (two for FAT).
const COARSE_STEP_NS: i128 = 2_000_000_000;

impl Default for Index {
    fn default() -> Self {
        Self { table: Table::default(), added: Default::default(), opened: SystemTime::now() }
    }
}

impl Index {
    /// The index kept at `path`; an empty one if there is none that can be read.
    pub fn open(path: &Path) -> Self {
        Self { table: Table::read(path).unwrap_or_default(), ..Self::default() }
    }

    /// The digest of the file that `stat` was just taken of, if it is known for certain.
    pub fn lookup(&self, stat: &Stat) -> Option<Digest> {
        let key = Record::key_of(stat)?;
        let known = self.table.find(key).filter(|record| record.is_of(stat));
        let known = known.or_else(|| {
            self.added(key).records.get(&key).copied().filter(|record| record.is_of(stat))
        });
        known.map(|record| record.digest)
    }

    /// The digest of the file at `path`, from the index or read now. `stat` was just taken of it, or of what it leads to.
    ///
    /// A file that changed since `stat` was taken is read as it is now. One that keeps changing while it is read gives the
    /// digest of the last reading, which is not remembered: whoever compares stats afterwards sees that it changed.
    pub fn digest(&self, path: &Path, stat: &Stat) -> Result<Digest> {
        match self.lookup(stat) {
            Some(digest) => Ok(digest),
            None => self.read(path, stat),
        }
    }

    /// As [`Index::digest`], for who has looked it up and not found it.
    pub(crate) fn read(&self, path: &Path, stat: &Stat) -> Result<Digest> {
        self.read_and_look(path, stat).map_err(|error| Error::io("cannot read", path, error))
    }

    /// Remembers that the file of which `stat` was taken has that digest, for who has read the bytes anyway. Since it does
    /// not know when that was, it takes in only files that were last touched before this index was opened.
    pub fn remember(&self, stat: &Stat, digest: Digest) {
        self.remember_read(stat, digest, self.opened);
    }

    /// As [`Index::remember`], where the clock was read at `before`: before the first byte of the file was. `stat` was taken
    /// before that byte as well, and was the same again behind the last one.
    pub fn remember_read(&self, stat: &Stat, digest: Digest, before: SystemTime) {
        let Some(record) = Record::new(stat, digest).filter(|_| is_settled(stat, before)) else {
            return;
        };
        let key = record.key();
        if self.table.find(key) != Some(record) {
            let mut added = self.added(key);
            added.unsaved |= added.records.insert(key, record) != Some(record);
        }
    }

    /// Writes the index to `path`, whose directory exists, if it has changed; says whether it did. Entries of files that were
    /// not asked for stay, until they are the larger part: then they are dropped.
    pub fn save(&self, path: &Path) -> Result<bool> {
        let mut added = self.added.each_ref().map(locked);
        let new = added.iter().map(|added| added.records.len()).sum::<usize>();
        let keep_unseen = self.table.unseen() <= self.table.seen() + new + 10_000;
        if keep_unseen && !added.iter().any(|added| added.unsaved) {
            return Ok(false);
        }
        let records = added.iter().flat_map(|added| added.records.values().copied());
        let bytes = self.table.merged(records, keep_unseen);
        own_file::replace(path, &bytes).map_err(|error| Error::io("cannot write", path, error))?;
        added.iter_mut().for_each(|added| added.unsaved = false);
        Ok(true)
    }

    fn added(&self, (_, inode): (u64, u64)) -> MutexGuard<'_, Added> {
        let [first, ..] = &self.added;
        locked(self.added.get(inode as usize % SHARDS).unwrap_or(first))
    }

    /// Reads the file, in the good case with as few calls as can be: it is opened, read, looked at, and closed.
    fn read_and_look(&self, path: &Path, stat: &Stat) -> io::Result<Digest> {
        let mut stat = *stat;
        let mut readings = 1;
        loop {
            let before = SystemTime::now();
            let mut file = own_file::open(path)?;
            let digest = digest_of(&mut file, stat.size)?;
            let behind = Stat::of_open(&file)?;
            if behind.kind != Kind::File {
                return Err(io::Error::other("it is no file any more"));
            }
            if stat == behind && digest.size == stat.size {
                self.remember_read(&stat, digest, before);
                return Ok(digest);
            }
            if readings == MOST_READINGS {
                return Ok(digest);
            }
            readings += 1;
            stat = behind;
        }
    }
}

fn locked(added: &Mutex<Added>) -> MutexGuard<'_, Added> {
    added.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a file with this stat has been left alone for long enough at `time` that any later change shows in its stat.
/// A time to come is never long enough.
pub(crate) fn is_settled(stat: &Stat, time: SystemTime) -> bool {
    let Ok(time) = time.duration_since(SystemTime::UNIX_EPOCH) else { return false };
    let Ok(now) = i128::try_from(time.as_nanos()) else { return false };
    let step = if stat.ctime_ns % 1_000_000_000 == 0 { COARSE_STEP_NS } else { STEP_NS };
    now - stat.mtime_ns.max(stat.ctime_ns) > step
}

/// Reads through a buffer that the thread keeps: most files are small, and a new buffer would cost more than they do. One that has `size` bytes is not asked whether there
/// are more: whoever looks at it afterwards sees that.
fn digest_of(file: &mut File, size: u64) -> io::Result<Digest> {
    thread_local! {
        static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(CHUNK, 0);
        let room = usize::try_from(size).unwrap_or(CHUNK).clamp(1, CHUNK);
        let first = read_full(file, &mut buffer[..room])?;
        if first.len() < CHUNK {
            return Ok(Digest::of(first));
        }
        let mut hasher = Hasher::default();
        hasher.update(first);
        let mut read = first.len() as u64;
        loop {
            let next = read_full(file, buffer)?;
            hasher.update(next);
            read = read.saturating_add(next.len() as u64);
            // A device in the place of a file has no end.
            if next.len() < CHUNK || read > size {
                return Ok(hasher.finish());
            }
        }
    })
}

/// Fills the buffer as far as the file goes.
fn read_full<'b>(file: &mut File, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
    let mut length = 0;
    while length < buffer.len() {
        match file.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(&buffer[..length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use crate::walk::testing::TempDir;
    use proptest::prelude::*;
    use std::fs;
    use std::time::Duration;

    /// A file's stat, long settled.
    fn stat(inode: u64, size: u64) -> Stat {
        Stat {
            kind: Kind::File,
            device: 7,
            inode,
            size,
            mtime_ns: 1_000_000_001,
            ctime_ns: 2_000_000_002,
            mode: 0o644,
        }
    }

    fn digest(byte: u8, size: u64) -> Digest {
        Digest { size, ..Digest::of(&[byte]) }
    }

    #[test]
    fn what_was_remembered_is_found_until_the_stat_changes() {
        let index = Index::default();
        index.remember(&stat(1, 3), digest(1, 3));
        assert_eq!(index.lookup(&stat(1, 3)), Some(digest(1, 3)));
        assert_eq!(index.lookup(&stat(2, 3)), None);
        let known = stat(1, 3);
        for other in [
            Stat { device: 8, ..known },
            Stat { size: 4, ..known },
            Stat { mtime_ns: known.mtime_ns + 1, ..known },
            Stat { ctime_ns: known.ctime_ns - 1, ..known },
            Stat { mode: 0o755, ..known },
        ] {
            assert_eq!(index.lookup(&other), None, "{other:?}");
        }
    }

    #[test]
    fn an_index_survives_its_file() {
        let dir = TempDir::new();
        let path = dir.path("index");
        let index = Index::open(&path);
        for inode in [5, 900, 6, 1 << 40, 7] {
            index.remember(&stat(inode, inode), digest(inode as u8, inode));
        }
        assert!(index.save(&path).unwrap());
        assert!(!index.save(&path).unwrap(), "nothing has changed since");
        let index = Index::open(&path);
        for inode in [5, 900, 6, 1 << 40, 7] {
            assert_eq!(index.lookup(&stat(inode, inode)), Some(digest(inode as u8, inode)));
        }
        assert_eq!(index.lookup(&stat(8, 8)), None);
        index.remember(&stat(5, 5), digest(5, 5));
        assert!(!index.save(&path).unwrap(), "nothing was new");
        assert_eq!(fs::read_dir(dir.path("")).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_newer_entry_replaces_the_one_of_the_same_file() {
        let dir = TempDir::new();
        let path = dir.path("index");
        let index = Index::default();
        index.remember(&stat(1, 3), digest(1, 3));
        index.save(&path).unwrap();
        let index = Index::open(&path);
        index.remember(&stat(1, 4), digest(2, 4));
        index.save(&path).unwrap();
        let index = Index::open(&path);
        assert_eq!(
            (index.lookup(&stat(1, 3)), index.lookup(&stat(1, 4))),
            (None, Some(digest(2, 4)))
        );
    }

    #[test]
    fn a_file_that_was_just_touched_is_not_remembered() {
        let now_ns = 1_000_000_500_000_000_i128;
        let now = SystemTime::UNIX_EPOCH + Duration::from_nanos(1_000_000_500_000_000);
        let aged = |mtime_age: i128, ctime_age: i128| Stat {
            mtime_ns: now_ns - mtime_age,
            ctime_ns: now_ns - ctime_age,
            ..stat(1, 1)
        };
        assert!(is_settled(&aged(30_000_000, 30_000_000), now));
        assert!(!is_settled(&aged(10_000_000, 30_000_000), now));
        assert!(!is_settled(&aged(30_000_000, 10_000_000), now));
        assert!(!is_settled(&aged(-1, 30_000_000), now), "a time to come");
        let whole_second = |seconds: i128| {
            let ctime_ns = (now_ns / 1_000_000_000 - seconds) * 1_000_000_000;
            Stat { mtime_ns: ctime_ns, ctime_ns, ..stat(1, 1) }
        };
        assert!(!is_settled(&whole_second(1), now));
        assert!(is_settled(&whole_second(3), now));
    }

    #[test]
    fn bytes_read_before_the_index_was_opened_are_the_oldest_that_are_remembered_blindly() {
        let dir = TempDir::new();
        let index = Index::default();
        dir.write("file", "x");
        let stat = Stat::of(&dir.path("file")).unwrap().unwrap();
        index.remember(&stat, Digest::of(b"x"));
        assert_eq!(index.lookup(&stat), None);
        index.remember_read(&stat, Digest::of(b"x"), SystemTime::now() + Duration::from_secs(10));
        assert_eq!(index.lookup(&stat), Some(Digest::of(b"x")));
    }

    #[test]
    fn a_file_that_is_left_alone_is_soon_remembered() {
        let dir = TempDir::new();
        let index = Index::default();
        dir.write("file", "x");
        let stat = Stat::of(&dir.path("file")).unwrap().unwrap();
        let started = std::time::Instant::now();
        while index.lookup(&stat).is_none() {
            assert_eq!(index.digest(&dir.path("file"), &stat).unwrap(), Digest::of(b"x"));
            assert!(started.elapsed() < Duration::from_secs(10));
        }
    }

    #[test]
    fn an_edit_in_the_same_tick_is_never_missed() {
        let dir = TempDir::new();
        let path = dir.path("file");
        let index = Index::default();
        for round in 0..500_u32 {
            let content = format!("{round:08}");
            fs::write(&path, &content).unwrap();
            let stat = Stat::of(&path).unwrap().unwrap();
            assert_eq!(index.digest(&path, &stat).unwrap(), Digest::of(content.as_bytes()));
        }
    }

    #[test]
    fn files_of_every_size_get_the_digest_of_their_bytes() {
        let dir = TempDir::new();
        let index = Index::default();
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 5] {
            let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let path = dir.path(&size.to_string());
            fs::write(&path, &bytes).unwrap();
            let stat = Stat::of(&path).unwrap().unwrap();
            assert_eq!(index.digest(&path, &stat).unwrap(), Digest::of(&bytes), "{size}");
        }
    }

    #[test]
    fn a_file_that_changed_since_its_stat_is_read_as_it_is_now() {
        let dir = TempDir::new();
        dir.write("file", "old");
        let path = dir.path("file");
        let old = Stat::of(&path).unwrap().unwrap();
        dir.write("file", "newer");
        assert_eq!(Index::default().digest(&path, &old).unwrap(), Digest::of(b"newer"));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_an_error_that_names_it() {
        let dir = TempDir::new();
        let error =
            Index::default().digest(&dir.path("absent"), &stat(1, 1)).unwrap_err().to_string();
        assert!(error.contains("cannot read") && error.contains("absent"), "{error}");
        assert!(Index::default().digest(&dir.path(""), &stat(1, 1)).is_err());
    }

    #[test]
    fn entries_that_nobody_asks_for_stay_until_they_are_the_larger_part() {
        let dir = TempDir::new();
        let path = dir.path("index");
        let index = Index::default();
        for inode in 1..=30_000 {
            index.remember(&stat(inode, 1), digest(1, 1));
        }
        index.save(&path).unwrap();
        let seen_by = |count: u64| {
            let index = Index::open(&path);
            for inode in 1..=count {
                assert!(index.lookup(&stat(inode, 1)).is_some());
            }
            index
        };
        assert!(!seen_by(10_000).save(&path).unwrap(), "20,000 unseen, 10,000 seen");
        assert!(seen_by(9_000).save(&path).unwrap(), "21,000 unseen, 9,000 seen");
        let index = Index::open(&path);
        assert!(index.lookup(&stat(9_000, 1)).is_some());
        assert_eq!(index.lookup(&stat(9_001, 1)), None);
    }

    #[test]
    fn an_index_that_cannot_be_written_is_an_error_and_unsaved() {
        let dir = TempDir::new();
        let index = Index::default();
        index.remember(&stat(1, 3), digest(1, 3));
        assert!(index.save(&dir.path("absent/index")).is_err());
        assert_eq!(fs::read_dir(dir.path("")).unwrap().count(), 0);
        assert!(index.save(&dir.path("index")).unwrap(), "it is still unsaved");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_the_place_of_the_file_does_not_hang_the_build() {
        let dir = TempDir::new();
        let path = dir.path("pipe");
        dir.pipe("pipe");
        assert!(Index::default().digest(&path, &stat(1, 1)).is_err());
        assert_eq!(Index::open(&path).lookup(&stat(1, 1)), None);
    }

    fn saved(entries: &[(u64, u64, u8)], path: &Path) {
        let index = Index::default();
        for (device, inode, byte) in entries {
            index.remember(&Stat { device: *device, ..stat(*inode, 9) }, digest(*byte, 9));
        }
        index.save(path).unwrap();
    }

    proptest! {
        #[test]
        fn every_entry_is_found_again_and_no_other(
            entries in prop::collection::btree_map((0..3_u64, prop_oneof![1..40_u64, any::<u64>()]), any::<u8>(), 1..60),
            strangers in prop::collection::vec((0..4_u64, prop_oneof![1..40_u64, any::<u64>()]), 0..40),
        ) {
            let dir = TempDir::new();
            let path = dir.path("index");
            let list: Vec<_> = entries.iter().filter(|((_, inode), _)| *inode != 0).map(|((device, inode), byte)| (*device, *inode, *byte)).collect();
            saved(&list, &path);
            let index = Index::open(&path);
            for (device, inode, byte) in &list {
                prop_assert_eq!(index.lookup(&Stat { device: *device, ..stat(*inode, 9) }), Some(digest(*byte, 9)));
            }
            for key in strangers.iter().filter(|key| !entries.contains_key(key)) {
                prop_assert_eq!(index.lookup(&Stat { device: key.0, ..stat(key.1, 9) }), None);
            }
        }

        #[test]
        fn a_damaged_index_is_an_empty_one(at in any::<prop::sample::Index>(), bit in 0..8_u32, cut in any::<prop::sample::Index>(), more in prop::collection::vec(any::<u8>(), 0..80)) {
            let dir = TempDir::new();
            let path = dir.path("index");
            saved(&[(1, 1, 1), (1, 2, 2), (2, 1, 3)], &path);
            let good = fs::read(&path).unwrap();
            let mut flipped = good.clone();
            flipped[at.index(good.len())] ^= 1 << bit;
            let cut_off = good[..cut.index(good.len())].to_vec();
            let longer = [good.clone(), more.clone()].concat();
            for bytes in [flipped, cut_off, longer, more] {
                fs::write(&path, &bytes).unwrap();
                let index = Index::open(&path);
                let expected = (bytes == good).then_some(digest(1, 9));
                prop_assert_eq!(index.lookup(&Stat { device: 1, ..stat(1, 9) }), expected);
            }
        }

        #[test]
        fn damage_of_any_kind_makes_an_index_an_empty_one(damage in testing::damage()) {
            let dir = TempDir::new();
            let path = dir.path("index");
            saved(&[(1, 1, 1), (1, 2, 2), (2, 1, 3)], &path);
            let good = fs::read(&path).unwrap();
            let damaged = testing::damaged(&good, &damage);
            fs::write(&path, &damaged).unwrap();
            let expected = (damaged == good).then_some(digest(1, 9));
            prop_assert_eq!(Index::open(&path).lookup(&Stat { device: 1, ..stat(1, 9) }), expected);
        }

        #[test]
        fn bytes_with_a_right_hash_but_wrong_records_do_not_panic(count in any::<u8>(), records in prop::collection::vec(any::<u8>(), 0..400)) {
            let dir = TempDir::new();
            let path = dir.path("index");
            let whole = records.len() / table::RECORD;
            for count in [u64::from(count), whole as u64, u64::MAX] {
                let mut bytes = [&table::MAGIC[..], &count.to_le_bytes(), &records[..whole * table::RECORD]].concat();
                bytes.extend(Digest::of(&bytes).hash.as_bytes());
                fs::write(&path, &bytes).unwrap();
                let index = Index::open(&path);
                index.lookup(&stat(1, 1));
                index.remember(&stat(1, 1), digest(1, 1));
                index.save(&path).unwrap();
            }
        }
    }
}
