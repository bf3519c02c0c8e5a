//! The table of the stat index as it lies on disk and in memory: sorted records in one buffer. Knows no clock.

use crate::digest::{Digest, Hash};
use crate::ordered::Map;
use crate::own_file;
use crate::stat::{Kind, Stat};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a file begins with: the magic, and behind it the version.
pub(super) const MAGIC: &[u8; 16] = b"granular index\n\x01";
const HEADER: usize = MAGIC.len() + 8;
const HASH: usize = 32;
pub(super) const RECORD: usize = 8 * 5 + 4 + HASH;

/// What is known of one file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    device: u64,
    inode: u64,
    mtime_ns: i64,
    ctime_ns: i64,
    mode: u32,
    /// Its size is the file's.
    pub(super) digest: Digest,
}

/// Records, found by device and inode.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The records, each of [`RECORD`] bytes, sorted strictly by device and inode.
    bytes: Box<[u8]>,
    /// The stretch of the records of each device.
    devices: Vec<Device>,
    /// One bit for each record: whether it was asked for and found.
    seen: Box<[AtomicU64]>,
}

/// Where the records of one device are. Inodes are spread evenly enough that a directory of equal stretches of numbers leaves
/// a few records to look through; where they are not, it is a binary search.
#[derive(Debug)]
struct Device {
    device: u64,
    first_inode: u64,
    shift: u32,
    /// For each stretch of `1 << shift` inodes the place of its first record, and the end at last.
    starts: Vec<u32>,
}

impl Record {
    /// `None` for what cannot be told apart for certain: no inode, or a time out of all reason.
    pub(super) fn new(stat: &Stat, digest: Digest) -> Option<Self> {
        let (device, inode) = Self::key_of(stat)?;
        let (mtime_ns, ctime_ns) =
            (i64::try_from(stat.mtime_ns).ok()?, i64::try_from(stat.ctime_ns).ok()?);
        (stat.size == digest.size).then_some(Self {
            device,
            inode,
            mtime_ns,
            ctime_ns,
            mode: stat.mode,
            digest,
        })
    }

    /// `None` for what is no file, and on systems that do not tell inodes.
    pub(super) fn key_of(stat: &Stat) -> Option<(u64, u64)> {
        (stat.kind == Kind::File && stat.inode != 0).then_some((stat.device, stat.inode))
    }

    pub(super) fn key(&self) -> (u64, u64) {
        (self.device, self.inode)
    }

    /// Whether a file with this stat is the one that was read, untouched.
    pub(super) fn is_of(&self, stat: &Stat) -> bool {
        self.key() == (stat.device, stat.inode)
            && self.digest.size == stat.size
            && i128::from(self.mtime_ns) == stat.mtime_ns
            && i128::from(self.ctime_ns) == stat.ctime_ns
            && self.mode == stat.mode
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        for number in [self.device, self.inode, self.digest.size] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.mtime_ns.to_le_bytes());
        bytes.extend(self.ctime_ns.to_le_bytes());
        bytes.extend(self.mode.to_le_bytes());
        bytes.extend(self.digest.hash.as_bytes());
    }

    fn read(mut bytes: &[u8]) -> Option<Self> {
        let (device, inode) =
            (u64::from_le_bytes(take(&mut bytes)?), u64::from_le_bytes(take(&mut bytes)?));
        let size = u64::from_le_bytes(take(&mut bytes)?);
        let (mtime_ns, ctime_ns) =
            (i64::from_le_bytes(take(&mut bytes)?), i64::from_le_bytes(take(&mut bytes)?));
        let mode = u32::from_le_bytes(take(&mut bytes)?);
        let digest = Digest { hash: Hash::from_bytes(take(&mut bytes)?), size };
        Some(Self { device, inode, mtime_ns, ctime_ns, mode, digest })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

impl Table {
    /// Reads the file at `path`; `None` if it is not one of ours, whole and of this version.
    pub(super) fn read(path: &Path) -> Option<Self> {
        Self::parse(own_file::read(path).ok()??)
    }

    fn parse(mut bytes: Vec<u8>) -> Option<Self> {
        let (content, hash) = bytes.split_at_checked(bytes.len().checked_sub(HASH)?)?;
        let count = u64::from_le_bytes(*content.strip_prefix(MAGIC)?.first_chunk()?);
        let records = content.get(HEADER..)?;
        let is_whole = u64::try_from(records.len()).ok()? == count.checked_mul(RECORD as u64)?;
        if !is_whole || Hash::of(content).as_bytes() != hash {
            return None;
        }
        bytes.truncate(bytes.len() - HASH);
        bytes.drain(..HEADER);
        Self::from_records(bytes)
    }

    /// `None` if the records are not sorted: then a stranger wrote them.
    fn from_records(bytes: Vec<u8>) -> Option<Self> {
        let mut runs: Vec<(u64, Vec<u64>, usize)> = Vec::new();
        let mut before: Option<(u64, u64)> = None;
        for (place, record) in bytes.chunks_exact(RECORD).enumerate() {
            let key = key_at(record)?;
            if before.is_some_and(|before| before >= key) {
                return None;
            }
            match runs.last_mut() {
                Some((device, inodes, _)) if *device == key.0 => inodes.push(key.1),
                _ => runs.push((key.0, vec![key.1], place)),
            }
            before = Some(key);
        }
        let count = bytes.len() / RECORD;
        let devices = runs
            .into_iter()
            .map(|(device, inodes, place)| Device::new(device, &inodes, place))
            .collect::<Option<_>>()?;
        let seen = (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Some(Self { bytes: bytes.into(), devices, seen })
    }

    /// The record of a file; it counts as seen from then on.
    pub(super) fn find(&self, key: (u64, u64)) -> Option<Record> {
        let device = self.devices.iter().find(|device| device.device == key.0)?;
        let (mut low, mut high) = device.stretch(key.1)?;
        while low < high {
            let middle = low + (high - low) / 2;
            let record = self.record_bytes(middle)?;
            match key_at(record)?.cmp(&key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    self.mark(middle);
                    return Record::read(record);
                }
            }
        }
        None
    }

    fn record_bytes(&self, place: usize) -> Option<&[u8]> {
        let start = place.checked_mul(RECORD)?;
        self.bytes.get(start..start.checked_add(RECORD)?)
    }

    fn mark(&self, place: usize) {
        let bit = 1 << (place % 64);
        if let Some(word) = self.seen.get(place / 64)
            && word.load(Ordering::Relaxed) & bit == 0
        {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn is_seen(&self, place: usize) -> bool {
        self.seen
            .get(place / 64)
            .is_some_and(|word| word.load(Ordering::Relaxed) & 1 << (place % 64) != 0)
    }

    /// How many records were found.
    pub(super) fn seen(&self) -> usize {
        self.seen.iter().map(|word| word.load(Ordering::Relaxed).count_ones() as usize).sum()
    }

    /// How many records were not.
    pub(super) fn unseen(&self) -> usize {
        (self.bytes.len() / RECORD).saturating_sub(self.seen())
    }

    /// The bytes of a file with these records and `added`, which replace those of the same files.
    pub(super) fn merged(&self, added: impl Iterator<Item = Record>, keep_unseen: bool) -> Vec<u8> {
        let kept = self
            .bytes
            .chunks_exact(RECORD)
            .enumerate()
            .filter(|(place, _)| keep_unseen || self.is_seen(*place))
            .filter_map(|(_, bytes)| Record::read(bytes));
        // Of two of the same file the last one counts.
        let records: Map<(u64, u64), Record> =
            kept.chain(added).map(|record| (record.key(), record)).collect();
        let mut bytes = Vec::with_capacity(HEADER + records.len() * RECORD + HASH);
        bytes.extend(MAGIC);
        bytes.extend((records.len() as u64).to_le_bytes());
        for record in records.values() {
            record.write(&mut bytes);
        }
        let hash = Hash::of(&bytes);
        bytes.extend(hash.as_bytes());
        bytes
    }
}

fn key_at(record: &[u8]) -> Option<(u64, u64)> {
    let mut bytes = record;
    Some((u64::from_le_bytes(take(&mut bytes)?), u64::from_le_bytes(take(&mut bytes)?)))
}

impl Device {
    fn new(device: u64, inodes: &[u64], place: usize) -> Option<Self> {
        let (first, last) = (*inodes.first()?, *inodes.last()?);
        let span = last - first;
        // As many stretches as records, at most twice as many.
        let wanted = u32::try_from(inodes.len()).ok()?.checked_next_power_of_two()?;
        let bits = u64::BITS - span.leading_zeros();
        let shift = bits.saturating_sub(wanted.trailing_zeros());
        let stretches = usize::try_from(span >> shift).ok()? + 1;
        let mut starts = Vec::with_capacity(stretches + 1);
        for (at, inode) in inodes.iter().enumerate() {
            let stretch = usize::try_from((inode - first) >> shift).ok()?;
            while starts.len() <= stretch {
                starts.push(u32::try_from(place + at).ok()?);
            }
        }
        starts.push(u32::try_from(place + inodes.len()).ok()?);
        Some(Self { device, first_inode: first, shift, starts })
    }

    /// The places between which the record of `inode` is, if there is one.
    fn stretch(&self, inode: u64) -> Option<(usize, usize)> {
        let stretch = usize::try_from(inode.checked_sub(self.first_inode)? >> self.shift).ok()?;
        let (start, end) = (*self.starts.get(stretch)?, *self.starts.get(stretch + 1)?);
        Some((start as usize, end as usize))
    }
}
