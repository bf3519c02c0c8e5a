//! Ways to damage files, by chance that comes out the same each time.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// Numbers that look like chance and are the same in every run (splitmix64).
pub(super) struct Chance(pub(super) u64);

impl Chance {
    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    /// `count` of `items`, each at most once.
    pub(super) fn some<T: Clone>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut left = items.to_vec();
        (0..count.min(items.len())).map(|_| left.swap_remove(self.below(left.len()))).collect()
    }
}

/// All files below a directory, in order.
pub(super) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    found
}

/// Turns one bit of a file round, in place.
pub(super) fn flip(file: &Path, chance: &mut Chance) {
    let mut bytes = fs::read(file).unwrap();
    let at = chance.below(bytes.len());
    bytes[at] ^= 1 << chance.below(8);
    let file = fs::File::options().write(true).open(file).unwrap();
    file.write_all_at(&bytes[at..=at], at as u64).unwrap();
}

/// What is left of a write that the disk has not had.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lost {
    /// Not a byte.
    Everything,
    /// The length is right, the bytes are zeros.
    Bytes,
    /// The end is not there.
    Tail,
}

/// Damages a file as a power failure does.
pub(super) fn lose(file: &Path, lost: Lost, chance: &mut Chance) {
    let length = fs::metadata(file).unwrap().len();
    let file = fs::File::options().write(true).open(file).unwrap();
    match lost {
        Lost::Everything => file.set_len(0).unwrap(),
        Lost::Bytes => {
            file.set_len(0).unwrap();
            file.set_len(length).unwrap();
        }
        Lost::Tail if length == 0 => {}
        Lost::Tail => file.set_len(chance.below(length as usize) as u64).unwrap(),
    }
}
