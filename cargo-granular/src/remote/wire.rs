//! What a kind of remote has to be able to do, and how it can fail. Blocking; what a kind needs to be anything else stays inside it.

use super::message;
use super::name::{Address, Name, Naming};
use granular::digest::Digest;
use granular::store::StoreError;
use std::collections::BTreeSet;
use std::fs::File;

/// One remote, reached in one way. Knows nothing of results: names and bytes only.
pub(super) trait Wire: Send + Sync {
    /// The entry of that name, of no more than [`super::message::SIZE_MAX`] bytes; `None` if there is none.
    fn entry(&self, name: &Name) -> Result<Option<Vec<u8>>, Failure>;

    /// Gives the bytes of a blob to `take` as they come, until it refuses some; [`Failure::Gone`] if it is not there.
    /// What they are is for the caller to check.
    fn blob(
        &self,
        address: &Address,
        take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), Failure>;

    /// Whether a blob is there.
    fn has_blob(&self, address: &Address) -> Result<bool, Failure>;

    /// Keeps a blob: all of `file`, from where it stands.
    fn save_blob(&self, address: &Address, file: &File) -> Result<(), Failure>;

    /// Keeps an entry, after all blobs that it names have been kept.
    fn save_entry(&self, name: &Name, message: &[u8]) -> Result<(), Failure>;

    /// What it takes and how, where that is known without asking.
    fn known_terms(&self) -> Option<Terms> {
        Some(Terms::default())
    }

    /// The same, asked for if it is not known.
    fn terms(&self) -> Result<Terms, Failure> {
        Ok(self.known_terms().unwrap_or_default())
    }

    /// Itself, where [`Terms::together`] is not 0.
    fn together(&self) -> Option<&dyn Together> {
        None
    }
}

/// A remote of which one request can be about many blobs.
pub(super) trait Together: Wire {
    /// Which of these blobs are not there.
    fn missing(&self, addresses: &[Address]) -> Result<BTreeSet<Name>, Failure>;

    /// Gives all bytes of each of these blobs, which are within [`Terms::together`], to `take`, with its place in the list; [`Failure::Gone`] if
    /// one is not there. What they are is for the caller to check.
    fn blobs(&self, addresses: &[Address], take: &mut Take<'_>) -> Result<(), Failure>;

    /// Keeps blobs, which are within [`Terms::together`].
    fn save_blobs(&self, blobs: &[(Address, Vec<u8>)]) -> Result<(), Failure>;
}

/// What is done with a blob: its place in a list, and its bytes.
pub(super) type Take<'a> = dyn FnMut(usize, &[u8]) -> Result<(), Failure> + 'a;

/// Our digest of a blob, and where it is there.
pub(super) type Blob = (Digest, Address);

/// What a remote takes, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Terms {
    /// By what it names its blobs.
    pub(super) naming: Naming,
    /// How many bytes of blobs, each with [`BESIDE`] more, one request may be about; 0 where each blob is a request of its own.
    pub(super) together: u64,
    /// A larger blob is not taken, in bytes.
    pub(super) blob: u64,
    /// A larger entry is not taken, in bytes.
    pub(super) entry: usize,
}

/// What a message has beside the bytes of a blob, at most.
pub(super) const BESIDE: u64 = 128;

impl Default for Terms {
    fn default() -> Self {
        Self { naming: Naming::default(), together: 0, blob: u64::MAX, entry: message::SIZE_MAX }
    }
}

impl Terms {
    /// Parts blobs into lists, each of which one request can be about, and those that go alone.
    pub(super) fn part(&self, blobs: Vec<Blob>) -> (Vec<Vec<Blob>>, Vec<Blob>) {
        let weight = |blob: &Blob| blob.1.size.saturating_add(BESIDE);
        let (small, alone): (Vec<Blob>, _) =
            blobs.into_iter().partition(|blob| weight(blob) <= self.together);
        let (mut groups, mut bytes): (Vec<Vec<Blob>>, u64) = (Vec::new(), self.together);
        for blob in small {
            bytes += weight(&blob);
            match groups.last_mut().filter(|_| bytes <= self.together) {
                Some(group) => group.push(blob),
                None => {
                    bytes = weight(&blob);
                    groups.push(vec![blob]);
                }
            }
        }
        (groups, alone)
    }
}

/// Puts the bytes of an entry together as they come, and no more than there may be.
pub(super) fn gathering(message: &mut Vec<u8>) -> impl FnMut(&[u8]) -> Result<(), Failure> {
    |bytes| {
        if message.len() + bytes.len() > message::SIZE_MAX {
            return Err(Failure::Damaged("it is larger than any entry".to_owned()));
        }
        message.extend_from_slice(bytes);
        Ok(())
    }
}

/// Why a remote could not do it.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is nobody, or nobody who answers in time. To ask again would take as long again.
    Unreachable(String),
    /// It refuses us, or asks to be left alone: an answer that the next question would get as well.
    Refused(String),
    /// It does not let those do this who ask as we do.
    Denied(String),
    /// It answers, and not as it should.
    Failed(String),
    /// The connection broke off, which may be chance.
    Broken(String),
    /// A blob is not there.
    Gone,
    /// Something came that is not what it should be.
    Damaged(String),
    /// The local cache could not take it.
    Local(StoreError),
    /// It was not asked: it is off, or the build is to stop.
    NotAsked,
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged { how, .. } => Self::Damaged(how),
            error => Self::Local(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_blobs_go_together_as_far_as_they_may_and_large_ones_alone() {
        let part = |together, sizes: &[u64]| {
            let blob = |size: &u64| (Digest::of(b""), Address { name: Name::of(b""), size: *size });
            let blobs = sizes.iter().map(blob).collect();
            let (groups, alone) = Terms { together, ..Terms::default() }.part(blobs);
            let sizes = |group: &Vec<Blob>| group.iter().map(|(_, at)| at.size).collect::<Vec<_>>();
            (groups.iter().map(sizes).collect::<Vec<_>>(), sizes(&alone))
        };
        assert_eq!(part(0, &[0, 1]), (vec![], vec![0, 1]));
        assert_eq!(
            part(1000, &[1, 872, 873, 500, 500, u64::MAX, 100]),
            (vec![vec![1], vec![872], vec![500], vec![500, 100]], vec![873, u64::MAX]),
        );
    }
}
