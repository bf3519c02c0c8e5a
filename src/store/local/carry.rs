//! Blobs on their way to another store and from one, as streams: checked while they flow, so that no memory is needed for what is large.

use super::{LocalStore, file};
use crate::digest::{CHUNK, Digest, Hasher, Key};
use crate::store::StoreError;
use std::fs::File;
use std::io::{self, Read, Write};

/// Why a blob was not taken in.
#[derive(Debug)]
pub enum TakeError {
    /// What it comes from cannot be read.
    Source(io::Error),
    /// What it comes from has fewer bytes.
    CutOff,
    /// Its bytes have another digest: this one.
    Differs(Digest),
    /// The store cannot keep it.
    Store(StoreError),
}

impl LocalStore {
    /// The file of a blob. Whether its bytes are the right ones is for the reader to check; its size is.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.blob_path(&digest.hash);
        match file::open_regular(&path) {
            Ok((file, size)) if size == digest.size => Ok(file),
            Ok((_, size)) => Err(StoreError::Damaged {
                what: format!("the blob {}", digest.hash),
                how: format!("it has {size} bytes, not {}", digest.size),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::Missing(*digest))
            }
            Err(error) => Err(self.unreadable(&path, error)),
        }
    }

    /// Takes in the blob that the next `digest.size` bytes of `from` are to be, and no other; says whether it had to be written, since it was not there yet. Where it
    /// fails nothing is kept.
    pub fn take_blob(&self, digest: &Digest, from: &mut dyn Read) -> Result<bool, TakeError> {
        if self.has_blob(digest) {
            self.copy(digest, from, &mut io::sink())?;
            return Ok(false);
        }
        let unwritable = |error| TakeError::Store(self.unwritable(error));
        let mut temporary = self.temporary().map_err(unwritable)?;
        self.copy(digest, from, &mut temporary.file)?;
        let path = self.blob_path(&digest.hash);
        self.publish(temporary, &path, digest.size).map_err(unwritable)?;
        Ok(true)
    }

    /// Whether there is a file for the result of `key`; what it says is not looked at.
    pub fn has_result(&self, key: &Key) -> bool {
        self.result_path(key).exists()
    }

    /// Whether the blob is there with the right bytes, which are read. It counts as used then.
    pub fn has_blob(&self, digest: &Digest) -> bool {
        let Ok(mut file) = self.open_blob(digest) else { return false };
        let found = file::digest(&mut file, digest.size, &mut Vec::new());
        found.is_ok_and(|found| found == *digest)
            && file::is_there(&self.blob_path(&digest.hash), digest.size)
    }

    /// Copies as many bytes as `digest` says, which have to be those.
    fn copy(
        &self,
        digest: &Digest,
        from: &mut dyn Read,
        to: &mut dyn Write,
    ) -> Result<(), TakeError> {
        let mut hasher = Hasher::default();
        let room = usize::try_from(digest.size).map_or(CHUNK, |size| size.clamp(1, CHUNK));
        let mut buffer = vec![0; room];
        let mut left = digest.size;
        while left > 0 {
            let room = usize::try_from(left).map_or(CHUNK, |left| left.min(buffer.len()));
            let count = match from.read(buffer.get_mut(..room).unwrap_or_default()) {
                Ok(0) => return Err(TakeError::CutOff),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(TakeError::Source(error)),
            };
            let part = buffer.get(..count).unwrap_or_default();
            hasher.update(part);
            to.write_all(part).map_err(|error| TakeError::Store(self.unwritable(error)))?;
            left = left.saturating_sub(count as u64);
        }
        match hasher.finish() {
            found if found == *digest => Ok(()),
            found => Err(TakeError::Differs(found)),
        }
    }
}
