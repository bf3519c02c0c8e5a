//! How large a store is: counted exactly, or known roughly from a file that every build which saves adds a line to.

use super::{GcLimit, LocalStore, file};
use crate::own_file;
use crate::store::StoreError;
use std::io::{self, Read as _, Write as _};

/// From this size on the file of lines is written anew as one, in bytes.
const LINES_SIZE_MAX: usize = 64 * 1024;

/// A larger file of lines is not read, in bytes: nobody has let it grow so far.
const LINES_SIZE_READ: u64 = 16 * 1024 * 1024;

/// How large a store is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg(feature = "program")]
pub struct Usage {
    /// The number of results.
    pub results: usize,
    /// The number of blobs; one that many results name is one.
    pub blobs: usize,
    /// The sum of the lengths of all files of the store, in bytes.
    pub bytes: u64,
}

impl LocalStore {
    /// Counts.
    #[cfg(feature = "program")]
    pub fn usage(&self) -> Result<Usage, StoreError> {
        let listing =
            self.listing().map_err(|error| super::io_error("cannot list", &self.dir, error))?;
        Ok(Usage {
            results: listing.results.len(),
            blobs: listing.blobs.len(),
            bytes: listing.bytes(),
        })
    }

    /// Notes that so many bytes were saved, such as [`LocalStore::bytes_saved`] says at the end of a build. Trouble with the
    /// note costs a count later.
    pub fn note_saved(&self, bytes: u64) {
        match file::open_to_append(&self.usage_path()) {
            Ok(mut file) => drop(file.write_all(format!("+{bytes}\n").as_bytes())),
            // Of a store that was begun here, this is all there is; of another, the next question counts everything: a file with these bytes alone would be wrong for ever.
            Err(_) if self.was_begun() => drop(self.set_usage(bytes)),
            Err(_) => {}
        }
    }

    /// Whether the store is larger than `cap` bytes, as far as the notes tell; counts if there are none. For who has just
    /// saved something. A collection that follows should make it somewhat smaller than the cap, so that not every build needs one.
    pub fn is_gc_due(&self, cap: u64) -> bool {
        self.noted_usage().or_else(|| self.count_usage()).is_some_and(|bytes| bytes > cap)
    }

    /// What the end of every build does: notes what was saved, and makes the store smaller if it has outgrown `cap` bytes; somewhat below
    /// that, so that not every build from then on has to do it again.
    pub fn keep_within(&self, cap: u64) -> Result<(), StoreError> {
        let saved = self.bytes_saved();
        if saved == 0 {
            return Ok(());
        }
        self.note_saved(saved);
        if self.is_gc_due(cap) {
            self.gc(GcLimit { max_size: Some(cap / 10 * 9), max_age: None }, false)?;
        }
        Ok(())
    }

    /// Replaces the notes by one number.
    pub(super) fn set_usage(&self, bytes: u64) -> io::Result<()> {
        let mut temporary = self.temporary()?;
        own_file::clear_the_way(&self.usage_path())?;
        temporary.file.write_all(format!("+{bytes}\n").as_bytes())?;
        temporary.rename(&self.usage_path()).map_err(|(_, error)| error)
    }

    fn count_usage(&self) -> Option<u64> {
        let bytes = self.listing().ok()?.bytes();
        if bytes > 0 {
            let _ = self.set_usage(bytes);
        }
        Some(bytes)
    }

    /// The sum of the notes; `None` if there are none or they cannot be read.
    fn noted_usage(&self) -> Option<u64> {
        let (file, size) = file::open_regular(&self.usage_path()).ok()?;
        if size > LINES_SIZE_READ {
            return None;
        }
        let mut text = String::new();
        file.take(LINES_SIZE_READ).read_to_string(&mut text).ok()?;
        let bytes = sum(&text)?;
        if text.len() > LINES_SIZE_MAX {
            let _ = self.set_usage(bytes);
        }
        Some(bytes)
    }

    fn usage_path(&self) -> std::path::PathBuf {
        self.dir.join("usage")
    }
}

fn sum(text: &str) -> Option<u64> {
    let text = text.strip_suffix('\n')?;
    text.split('\n').try_fold(0_u64, |sum, line| {
        Some(sum.saturating_add(line.strip_prefix('+')?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::sum;
    use crate::testing;
    use proptest::prelude::*;

    #[test]
    fn notes_are_summed_and_a_torn_one_makes_all_of_them_unknown() {
        assert_eq!(sum("+1\n+20\n"), Some(21));
        for torn in ["", "\n", "+1", "+1\n+2", "+1\nx\n", "+1\n\n", "-1\n"] {
            assert_eq!(sum(torn), None, "{torn:?}");
        }
    }

    proptest! {
        #[test]
        fn damaged_notes_are_unknown_or_numbers(damage in testing::damage(), other in any::<String>()) {
            sum(&String::from_utf8_lossy(&testing::damaged(b"+12\n+3456\n+789\n", &damage)));
            sum(&other);
        }
    }
}
