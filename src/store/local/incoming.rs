//! Blobs that come from another store and go to one, piece by piece. Knows no other store.

use super::{LocalStore, file};
use crate::digest::{Digest, Hasher};
use crate::store::StoreError;
use std::io::Write as _;

/// A blob on its way into a store, under a digest that was told beforehand. Dropped, it leaves nothing.
pub struct Incoming<'a> {
    store: &'a LocalStore,
    temporary: file::Temporary,
    hasher: Hasher,
    expected: Digest,
}

impl LocalStore {
    /// Begins to take in a blob.
    pub fn take_in(&self, expected: Digest) -> Result<Incoming<'_>, StoreError> {
        let temporary = self.temporary().map_err(|error| self.unwritable(error))?;
        Ok(Incoming { store: self, temporary, hasher: Hasher::default(), expected })
    }
}

impl Incoming<'_> {
    /// Takes the next bytes. More than were announced are refused before they are written.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.hasher.update(bytes);
        let taken = self.hasher.size();
        if taken > self.expected.size {
            return Err(self.damaged(format!("it has more than {} bytes", self.expected.size)));
        }
        let written = self.temporary.file.write_all(bytes);
        written.map_err(|error| self.store.unwritable(error))
    }

    /// Keeps the blob, if it is the one that was announced.
    pub fn keep(self) -> Result<(), StoreError> {
        let found = self.hasher.finish();
        if found.size != self.expected.size {
            let how = format!("it has {} bytes, not {}", found.size, self.expected.size);
            return Err(self.damaged(how));
        }
        if found != self.expected {
            return Err(self.damaged("its bytes do not have its hash".to_owned()));
        }
        let path = self.store.blob_path(&found.hash);
        let published = self.store.publish(self.temporary, &path, found.size);
        published.map_err(|error| self.store.unwritable(error))
    }

    fn damaged(&self, how: String) -> StoreError {
        StoreError::Damaged { what: format!("the blob {}", self.expected.hash), how }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;

    fn take_in(store: &LocalStore, expected: Digest, pieces: &[&[u8]]) -> Result<(), StoreError> {
        let mut incoming = store.take_in(expected)?;
        pieces.iter().try_for_each(|piece| incoming.take(piece))?;
        incoming.keep()
    }

    #[test]
    fn only_the_announced_bytes_become_a_blob() {
        let dir = TempDir::new();
        let store = LocalStore::open(dir.path());
        let expected = Digest::of(b"bytes");
        for pieces in [&[&b"byt"[..]][..], &[b"bytes", b"!"], &[b"bytEs"], &[]] {
            let refused = take_in(&store, expected, pieces);
            assert!(matches!(refused, Err(StoreError::Damaged { .. })), "{pieces:?}");
            assert!(!store.has_blob(&expected) && store.open_blob(&expected).is_err());
        }
        take_in(&store, expected, &[b"by", b"tes"]).unwrap();
        assert!(store.has_blob(&expected) && store.open_blob(&expected).is_ok());
        let left = std::fs::read_dir(dir.path().join("v1/tmp")).unwrap().count();
        assert_eq!(left, 0, "what was refused leaves nothing");
    }
}
