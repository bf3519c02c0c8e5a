//! The store seam: results by key, blobs by digest, and the sets of files that runs were found to read, by static key. Knows no step, and no path of a checkout.

pub mod local;
pub mod made_with;
#[cfg(feature = "program")]
pub mod memory;
pub mod place;

use crate::action::ActionName;
use crate::digest::{Digest, Key};
use crate::error::Error;
use crate::found::FoundSet;
use crate::result::ActionResult;
use made_with::MadeWith;
use std::fmt;
use std::path::PathBuf;

/// Keeps results and blobs. Whatever it says is verified: bytes that do not have the digest they were asked by are not given out.
pub trait Store: Send + Sync {
    /// What messages call it, as in "local cache".
    fn name(&self) -> &str;

    /// Where the result came from that [`Store::result`] gave last for `key`: its own name, or that of another store behind it.
    fn source(&self, _key: &Key) -> &str {
        self.name()
    }

    /// How many results it can well be asked for at once, where that is more than there are processors: most of the time it waits for an answer.
    fn lanes(&self) -> usize {
        0
    }

    /// The result filed under `key`. `Ok(None)` is a plain miss.
    fn result(&self, key: &Key) -> Result<Option<ActionResult>, StoreError>;

    /// Whether a result that a checkout once got from a store, and has in place, may stay there: whether this store would still give it.
    fn stands_by(&self, _key: &Key, _result: &ActionResult) -> bool {
        true
    }

    /// Writes each blob to a new file at its path, whose directory exists. On an error some of the files may be there: the caller removes them.
    /// Only here an error may be [`StoreError::Destination`].
    fn fetch(&self, blobs: &[(Digest, PathBuf)]) -> Result<(), StoreError>;

    /// Keeps the bytes of each file and says their digests, of exactly the bytes that were kept, in the same order.
    fn save_files(&self, files: &[PathBuf]) -> Result<Vec<Digest>, StoreError>;

    /// Files `result` under `key`, after all of its blobs have been kept. Replaces one that is there.
    fn save_result(&self, key: &Key, result: &ActionResult) -> Result<(), StoreError>;

    /// Told when all that belongs to a result has been kept: a store that shares results with other machines may do so from now on.
    fn share(&self, _key: &Key, _origin: &Origin) {}

    /// The sets of files that runs with this static key were found to read, the latest first; none if none are known.
    fn found(&self, key: &Key) -> Result<Vec<FoundSet>, StoreError>;

    /// Notes that a run with this static key read `set`, in front of the sets that are noted already; see [`crate::found::with`]. Of two who do so at
    /// the same moment one may be lost, which costs a run.
    fn save_found(&self, key: &Key, set: &FoundSet) -> Result<(), StoreError>;

    /// With which tools results were made of what has this key without its tools, the newest first. A store need not know.
    fn made_with(&self, _without_tools: &Key) -> Result<Vec<MadeWith>, StoreError> {
        Ok(Vec::new())
    }

    /// Notes that, behind a result. A store need not.
    fn note_made_with(&self, _without_tools: &Key, _made: &MadeWith) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Where a result was made, for a store that shares it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// The action.
    pub action: ActionName,
    /// Absolute paths of this checkout that must not stand in what is shared.
    pub places: Vec<String>,
    /// The outputs that the step declares by their very paths, without a pattern, as results name them.
    pub declared: Vec<String>,
    /// The names of the variables that the step is passed and that are not part of its key.
    pub passed: Vec<String>,
    /// Whether the step says that what it leaves is of use, and fit to be seen, elsewhere.
    pub portable: bool,
}

/// Why a store could not do it. None of these fails a build, but for [`StoreError::Destination`].
#[derive(Debug)]
pub enum StoreError {
    /// A blob is not there.
    Missing(Digest),
    /// Something is there, and is not what it should be; it has been taken out of the way where that could be done.
    Damaged {
        /// What: "the result of KEY", "the blob HASH".
        what: String,
        /// In what way.
        how: String,
    },
    /// The system refused the store something. The way out, if there is one to tell, is part of the message.
    Io(Error),
    /// What was fetched could not be written to where the caller wants it: no fault of the store's, and no miss.
    Destination(Error),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(digest) => write!(f, "the blob {} is not there", digest.hash),
            Self::Damaged { what, how } => write!(f, "{what} is damaged: {how}"),
            Self::Io(error) => match error.way_out() {
                Some(way_out) => write!(f, "{error} ({way_out})"),
                None => error.fmt(f),
            },
            Self::Destination(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StoreError {}
