//! What a kind of remote has to be able to do, and how it can fail. Blocking; what a kind needs to be anything else stays inside it.

use super::name::{Address, Name};
use granular::store::StoreError;
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
}

/// Why a remote could not do it.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is nobody, or nobody who answers in time. To ask again would take as long again.
    Unreachable(String),
    /// It refuses us, or asks to be left alone: an answer that the next question would get as well.
    Refused(String),
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
