//! The methods and messages of the Remote Execution API, version 2, as far as they are of use here, and the names that its byte streams have. Pure.
//!
//! Of the lists in answers only the elements are declared: a stranger's list may be of millions, so that [`elements`] reads them one by one.

use crate::remote::message::FileDigest;
use crate::remote::name::{Address, Name, Naming};
use granular::digest::Hash;
use prost::bytes::Bytes;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

pub(super) const GET_CAPABILITIES: &str =
    "/build.bazel.remote.execution.v2.Capabilities/GetCapabilities";
pub(super) const GET_ACTION_RESULT: &str =
    "/build.bazel.remote.execution.v2.ActionCache/GetActionResult";
pub(super) const UPDATE_ACTION_RESULT: &str =
    "/build.bazel.remote.execution.v2.ActionCache/UpdateActionResult";
pub(super) const FIND_MISSING_BLOBS: &str =
    "/build.bazel.remote.execution.v2.ContentAddressableStorage/FindMissingBlobs";
pub(super) const BATCH_READ_BLOBS: &str =
    "/build.bazel.remote.execution.v2.ContentAddressableStorage/BatchReadBlobs";
pub(super) const BATCH_UPDATE_BLOBS: &str =
    "/build.bazel.remote.execution.v2.ContentAddressableStorage/BatchUpdateBlobs";
pub(super) const READ: &str = "/google.bytestream.ByteStream/Read";
pub(super) const WRITE: &str = "/google.bytestream.ByteStream/Write";

/// `DigestFunction.Value`
pub(super) const SHA256: i32 = 1;
pub(super) const BLAKE3: i32 = 9;

/// `Compressor.Value`
pub(super) const IDENTITY: i32 = 0;
pub(super) const ZSTD: i32 = 1;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct GetCapabilitiesRequest {
    #[prost(string, tag = "1")]
    pub(super) instance_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ServerCapabilities {
    #[prost(message, optional, tag = "1")]
    pub(super) cache_capabilities: Option<CacheCapabilities>,
    #[prost(message, optional, tag = "4")]
    pub(super) low_api_version: Option<SemVer>,
    #[prost(message, optional, tag = "5")]
    pub(super) high_api_version: Option<SemVer>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CacheCapabilities {
    #[prost(int32, repeated, tag = "1")]
    pub(super) digest_functions: Vec<i32>,
    #[prost(message, optional, tag = "2")]
    pub(super) action_cache_update_capabilities: Option<ActionCacheUpdateCapabilities>,
    #[prost(int64, tag = "4")]
    pub(super) max_batch_total_size_bytes: i64,
    #[prost(int32, repeated, tag = "6")]
    pub(super) supported_compressors: Vec<i32>,
    #[prost(int32, repeated, tag = "7")]
    pub(super) supported_batch_update_compressors: Vec<i32>,
    #[prost(int64, tag = "8")]
    pub(super) max_cas_blob_size_bytes: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ActionCacheUpdateCapabilities {
    #[prost(bool, tag = "1")]
    pub(super) update_enabled: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct SemVer {
    #[prost(int32, tag = "1")]
    pub(super) major: i32,
    #[prost(int32, tag = "2")]
    pub(super) minor: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct GetActionResultRequest {
    #[prost(string, tag = "1")]
    pub(super) instance_name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) action_digest: Option<FileDigest>,
    #[prost(bool, tag = "3")]
    pub(super) inline_stdout: bool,
    #[prost(bool, tag = "4")]
    pub(super) inline_stderr: bool,
    #[prost(int32, tag = "6")]
    pub(super) digest_function: i32,
}

/// Of an `ActionResult` what a server may have taken out of it and put among the blobs.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Printed {
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) stdout_raw: Bytes,
    #[prost(message, optional, tag = "6")]
    pub(super) stdout_digest: Option<FileDigest>,
    #[prost(bytes = "bytes", tag = "7")]
    pub(super) stderr_raw: Bytes,
    #[prost(message, optional, tag = "8")]
    pub(super) stderr_digest: Option<FileDigest>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct UpdateActionResultRequest {
    #[prost(string, tag = "1")]
    pub(super) instance_name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) action_digest: Option<FileDigest>,
    /// An `ActionResult` as it is written.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) action_result: Vec<u8>,
    #[prost(int32, tag = "5")]
    pub(super) digest_function: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FindMissingBlobsRequest {
    #[prost(string, tag = "1")]
    pub(super) instance_name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) blob_digests: Vec<FileDigest>,
    #[prost(int32, tag = "3")]
    pub(super) digest_function: i32,
}

/// Where the list of a `FindMissingBlobsResponse` is, of [`FileDigest`].
pub(super) const MISSING: u64 = 2;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct BatchReadBlobsRequest {
    #[prost(string, tag = "1")]
    pub(super) instance_name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) digests: Vec<FileDigest>,
    #[prost(int32, repeated, tag = "3")]
    pub(super) acceptable_compressors: Vec<i32>,
    #[prost(int32, tag = "4")]
    pub(super) digest_function: i32,
}

/// Where the list of a `BatchReadBlobsResponse` is, of [`ReadBlob`].
pub(super) const READ_BLOBS: u64 = 1;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReadBlob {
    #[prost(message, optional, tag = "1")]
    pub(super) digest: Option<FileDigest>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) data: Bytes,
    #[prost(message, optional, tag = "3")]
    pub(super) status: Option<Status>,
    #[prost(int32, tag = "4")]
    pub(super) compressor: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct BatchUpdateBlobsRequest {
    #[prost(string, tag = "1")]
    pub(super) instance_name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) requests: Vec<UpdateBlob>,
    #[prost(int32, tag = "5")]
    pub(super) digest_function: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct UpdateBlob {
    #[prost(message, optional, tag = "1")]
    pub(super) digest: Option<FileDigest>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) data: Vec<u8>,
    #[prost(int32, tag = "3")]
    pub(super) compressor: i32,
}

/// Where the list of a `BatchUpdateBlobsResponse` is, of [`UpdatedBlob`].
pub(super) const UPDATED_BLOBS: u64 = 1;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct UpdatedBlob {
    #[prost(message, optional, tag = "1")]
    pub(super) digest: Option<FileDigest>,
    #[prost(message, optional, tag = "2")]
    pub(super) status: Option<Status>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReadRequest {
    #[prost(string, tag = "1")]
    pub(super) resource_name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReadResponse {
    #[prost(bytes = "bytes", tag = "10")]
    pub(super) data: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WriteRequest {
    #[prost(string, tag = "1")]
    pub(super) resource_name: String,
    #[prost(int64, tag = "2")]
    pub(super) write_offset: i64,
    #[prost(bool, tag = "3")]
    pub(super) finish_write: bool,
    #[prost(bytes = "vec", tag = "10")]
    pub(super) data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WriteResponse {
    #[prost(int64, tag = "1")]
    pub(super) committed_size: i64,
}

/// The elements of the list in the field `tag` of a message; an error where it is none. Other fields are skipped.
pub(super) fn elements(
    mut message: Bytes,
    tag: u64,
) -> impl Iterator<Item = Result<Bytes, &'static str>> {
    std::iter::from_fn(move || {
        while !message.is_empty() {
            match field(&mut message) {
                Some((number, Some(element))) if number == tag => return Some(Ok(element)),
                Some(_) => {}
                None => {
                    message.clear();
                    return Some(Err("its answer cannot be read"));
                }
            }
        }
        None
    })
}

/// Takes the next field off a message: its number, and its bytes if it is of bytes.
fn field(message: &mut Bytes) -> Option<(u64, Option<Bytes>)> {
    let key = prost::decode_length_delimiter(&mut *message).ok()? as u64;
    let length = match key & 7 {
        0 => {
            prost::encoding::decode_varint(message).ok()?;
            return Some((key >> 3, None));
        }
        1 => 8,
        2 => prost::decode_length_delimiter(&mut *message).ok()?,
        5 => 4,
        _ => return None,
    };
    (length <= message.len()).then(|| (key >> 3, Some(message.split_to(length))))
}

/// The number of a hash function.
pub(super) fn function(naming: Naming) -> i32 {
    match naming {
        Naming::Sha256 => SHA256,
        Naming::Blake3 => BLAKE3,
    }
}

/// The digest of a blob there; `None` for one that is too large to be one.
pub(super) fn digest(address: &Address) -> Option<FileDigest> {
    let size_bytes = i64::try_from(address.size).ok()?;
    Some(FileDigest { hash: address.name.to_string(), size_bytes })
}

/// What a digest means.
pub(super) fn address(digest: &FileDigest) -> Option<Address> {
    let size = u64::try_from(digest.size_bytes).ok()?;
    Some(Address { name: Name::parse(&digest.hash)?, size })
}

/// What the stream of a blob's bytes is called.
pub(super) fn read_name(
    instance: &str,
    address: &Address,
    naming: Naming,
    is_packed: bool,
) -> String {
    format!("{}{}", below(instance), blob(address, naming, is_packed))
}

/// What a stream to a blob is called, a new one each time.
pub(super) fn write_name(
    instance: &str,
    address: &Address,
    naming: Naming,
    is_packed: bool,
) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let all = format!("{} {} {count}", std::process::id(), now.as_nanos());
    let one = Hash::of(all.as_bytes()).to_string();
    let part = |from, to| one.get(from..to).unwrap_or_default();
    // In the form of a random UUID, which some servers read it as.
    let uuid = format!(
        "{}-{}-4{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    );
    format!("{}uploads/{uuid}/{}", below(instance), blob(address, naming, is_packed))
}

fn below(instance: &str) -> String {
    match instance {
        "" => String::new(),
        instance => format!("{instance}/"),
    }
}

fn blob(address: &Address, naming: Naming, is_packed: bool) -> String {
    let kind = if is_packed { "compressed-blobs/zstd" } else { "blobs" };
    let function = match naming {
        Naming::Sha256 => "",
        Naming::Blake3 => "blake3/",
    };
    format!("{kind}/{function}{}/{}", address.name, address.size)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::Message as _;

    #[test]
    fn lists_are_read_one_by_one_and_what_is_no_message_is_an_error() {
        let read = |bytes: &[u8]| -> Result<Vec<Bytes>, &'static str> {
            elements(Bytes::copy_from_slice(bytes), UPDATED_BLOBS).collect()
        };
        let request = BatchReadBlobsRequest {
            instance_name: "a".to_owned(),
            digest_function: 300,
            ..BatchReadBlobsRequest::default()
        };
        let mut bytes = request.encode_to_vec();
        bytes.extend([0x0a, 0x00, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x1d, 1, 2, 3, 4]);
        assert_eq!(read(&bytes).unwrap(), [&b"a"[..], b""]);
        for odd in [&[0x0a, 0x05, 1][..], &[0x0b], &[0x08], &[0xff; 20]] {
            assert!(read(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn blobs_have_the_names_that_the_api_gives_them() {
        let address = Address { name: Name::of(b""), size: 7 };
        let hash = address.name;
        assert_eq!(read_name("", &address, Naming::Sha256, false), format!("blobs/{hash}/7"),);
        assert_eq!(
            read_name("a/b", &address, Naming::Blake3, true),
            format!("a/b/compressed-blobs/zstd/blake3/{hash}/7"),
        );
        let first = write_name("a", &address, Naming::Sha256, false);
        assert!(first.starts_with("a/uploads/") && first.ends_with(&format!("/blobs/{hash}/7")));
        assert_eq!(first.split('/').nth(2).unwrap().len(), 36);
        assert_ne!(first, write_name("a", &address, Naming::Sha256, false));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = elements(bytes.into(), READ_BLOBS).count();
        }
    }
}
