//! An entry as servers of Bazel's caches want it: an `ActionResult` of the Remote Execution API, version 2. Text in, bytes out; knows no network.
//!
//! Of that message we use `output_files`, one for each blob, with our own hash of it as the path and its name there and size as the digest; and
//! `stdout_raw`, which is our own text, and `stderr_raw`, which is what its writer says of it (see [`super::statement`]). So a server can see whether the blobs are there, and keeps them with the entry; and who reads the entry
//! knows both digests of each blob. Whatever else stands in a message, such as what a server notes of the writer, is skipped.

use super::name::{Address, Name};
use granular::digest::{Digest, Hash};
use prost::Message as _;
use std::collections::BTreeMap;

/// A larger message is neither written nor read, in bytes: some fifty thousand blobs.
pub(super) const SIZE_MAX: usize = 8 * 1024 * 1024;

/// What an entry says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Entry {
    /// Our own text.
    pub(super) text: Vec<u8>,
    /// What its writer says of it; empty if nothing.
    pub(super) statement: Vec<u8>,
    /// The names of the blobs that the text names by our digests.
    pub(super) blobs: BTreeMap<Digest, Name>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ActionResult {
    /// Messages of type [`OutputFile`], to be read one by one: a stranger's list may be of millions.
    #[prost(bytes = "vec", repeated, tag = "2")]
    output_files: Vec<Vec<u8>>,
    #[prost(bytes = "vec", tag = "5")]
    stdout_raw: Vec<u8>,
    #[prost(bytes = "vec", tag = "7")]
    stderr_raw: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct OutputFile {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(message, optional, tag = "2")]
    digest: Option<FileDigest>,
}

/// A `Digest` of the Remote Execution API.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FileDigest {
    #[prost(string, tag = "1")]
    pub(super) hash: String,
    #[prost(int64, tag = "2")]
    pub(super) size_bytes: i64,
}

impl Entry {
    /// The message; `None` if it is too large to be shared.
    pub(super) fn to_message(&self) -> Option<Vec<u8>> {
        let file = |(digest, name): (&Digest, &Name)| {
            let size_bytes = i64::try_from(digest.size).ok()?;
            let digest_there = FileDigest { hash: name.to_string(), size_bytes };
            let file = OutputFile { path: digest.hash.to_string(), digest: Some(digest_there) };
            Some(file.encode_to_vec())
        };
        let output_files = self.blobs.iter().map(file).collect::<Option<_>>()?;
        let (stdout_raw, stderr_raw) = (self.text.clone(), self.statement.clone());
        let message = ActionResult { output_files, stdout_raw, stderr_raw }.encode_to_vec();
        (message.len() <= SIZE_MAX).then_some(message)
    }

    /// Reads a message; the reason why not if it is none of ours.
    pub(super) fn from_message(message: &[u8]) -> Result<Self, String> {
        let result = ActionResult::decode(message).map_err(|_| "it is not an action result")?;
        let mut blobs = BTreeMap::new();
        for file in &result.output_files {
            let (digest, name) = blob(file).ok_or("it names something that is not a blob")?;
            blobs.insert(digest, name);
        }
        Ok(Self { text: result.stdout_raw, statement: result.stderr_raw, blobs })
    }

    /// Where the blob with our digest is on the server.
    pub(super) fn address(&self, digest: &Digest) -> Option<Address> {
        self.blobs.get(digest).map(|name| Address { name: *name, size: digest.size })
    }
}

fn blob(file: &[u8]) -> Option<(Digest, Name)> {
    let file = OutputFile::decode(file).ok()?;
    let there = file.digest?;
    let size = u64::try_from(there.size_bytes).ok()?;
    Some((Digest { hash: Hash::parse(&file.path)?, size }, Name::parse(&there.hash)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry() -> Entry {
        let blobs = [&b"a"[..], b"bc", b""];
        let blobs = blobs.map(|bytes| (Digest::of(bytes), Name::of(bytes)));
        let (text, statement) = (b"granular-result 1\n".to_vec(), b"said".to_vec());
        Entry { text, statement, blobs: blobs.into() }
    }

    #[test]
    fn an_entry_reads_back() {
        let message = entry().to_message().unwrap();
        assert_eq!(Entry::from_message(&message), Ok(entry()));
    }

    #[test]
    fn what_a_server_adds_is_skipped() {
        let mut message = entry().to_message().unwrap();
        message.extend([0x4a, 0x02, 0x0a, 0x00]); // field 9: who has run it
        assert_eq!(Entry::from_message(&message), Ok(entry()));
    }

    #[test]
    fn a_list_of_millions_is_refused_at_the_first() {
        let message: Vec<u8> = [0x12, 0x00].repeat(SIZE_MAX / 2);
        assert!(Entry::from_message(&message).is_err());
    }

    #[test]
    fn what_is_too_large_is_not_shared() {
        let text = vec![b'x'; SIZE_MAX];
        assert_eq!(Entry { text, ..entry() }.to_message(), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Entry::from_message(&bytes);
        }
    }
}
