//! The kind of remote that is spoken to over gRPC: the Remote Execution API, version 2, of which its caches are used: Capabilities, ActionCache,
//! ContentAddressableStorage and ByteStream.
//!
//! Before anything else a server is asked once what it can do ([`Session`]), and what it says is kept to: by which hash it names blobs, how many bytes
//! go together, how large a blob may be, whether it packs with zstd, whether it takes results. Small blobs go together, large ones in streams of their own.
//! An entry's name is a key there (`action_digest`) and nothing that can be fetched: of its two parts only the hash says something, the size is [`ENTRY`].
//!
//! What a server moves out of an entry, as bazel-remote does with what was printed, is fetched and put in again.

mod api;
mod calls;

use super::ask::{Asked, Credential};
use super::message::{self, FileDigest};
use super::name::{Address, Name, Naming};
use super::patience::{ANSWER, SAVED};
use super::wire::{Failure, Take, Terms, Together, Wire};
use super::zstd::{self, Expander};
use api::{
    ActionCacheUpdateCapabilities, BatchReadBlobsRequest, BatchUpdateBlobsRequest,
    FindMissingBlobsRequest, GetActionResultRequest, GetCapabilitiesRequest, Printed, ReadBlob,
    ReadRequest, ReadResponse, ServerCapabilities, UpdateActionResultRequest, UpdateBlob,
    UpdatedBlob, WriteRequest, WriteResponse,
};
use calls::{Calls, There};
use granular::digest::CHUNK;
use granular::store::StoreError;
use prost::Message;
use prost::bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, PoisonError};
use tonic::Code;
use ureq::http::uri::Authority;

/// The size that stands beside the hash of an entry's name, which has to be the same wherever that is asked for.
const ENTRY: i64 = 1;

/// What servers of gRPC take in a message unless they are told otherwise, in bytes, and what is left of it for what stands around.
const MESSAGE: usize = 4 * 1024 * 1024 - 64 * 1024;

/// How many bytes of blobs go together at most: what is under way at once has to be held in memory.
const TOGETHER: u64 = 1024 * 1024;

/// How many blobs are asked after at once.
const ASKED: usize = 25_000;

/// An answer about a blob has no more than this beside its bytes.
const ABOUT: usize = 512;

/// The longest piece of a stream that is taken: what clients of gRPC take unless they say otherwise.
const PIECE: usize = 4 * 1024 * 1024;

/// A stream has no more empty pieces than this.
const EMPTY: usize = 1000;

/// A remote over gRPC.
pub(super) struct Grpc {
    there: There,
    instance: String,
    session: Mutex<Option<Arc<Session>>>,
}

/// A connection to a server that has said what it can do.
struct Session {
    calls: Calls,
    instance: String,
    terms: Terms,
    /// Whether it takes results.
    takes_results: bool,
    /// Whether it packs what it sends, and unpacks what it gets in a stream.
    packs: bool,
    /// Whether it unpacks what it gets together with others.
    unpacks_together: bool,
}

impl Grpc {
    /// The remote that was asked for. Speaks to nobody yet.
    pub(super) fn new(asked: &Asked) -> Self {
        let (is_encrypted, host, port, instance) = parts(&asked.place.base);
        let authorization = asked.credential.as_ref().map(Credential::authorization);
        let there = There { host: host.to_owned(), port, is_encrypted, authorization };
        Self { there, instance: instance.to_owned(), session: Mutex::default() }
    }

    /// What there is, or a new one if there is none yet. While one comes about all others wait.
    fn session(&self) -> Result<Arc<Session>, Failure> {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = &*session {
            return Ok(Arc::clone(session));
        }
        let begun = Arc::new(Session::begin(&self.there, &self.instance)?);
        Ok(Arc::clone(session.insert(begun)))
    }

    /// Does with it what is done for writing.
    fn write<T>(&self, what: impl FnOnce(&Session) -> Result<T, Failure>) -> Result<T, Failure> {
        let session = self.session()?;
        if !session.takes_results {
            let why = "it takes no results, as its capabilities say";
            return Err(Failure::Refused(why.to_owned()));
        }
        what(&session).map_err(|failure| match failure {
            // What is not right when something is read is a failure to do what was asked here.
            Failure::Damaged(how) => Failure::Failed(how),
            Failure::Gone => Failure::Failed("it does not find what it is given".to_owned()),
            failure => failure,
        })
    }

    /// All bytes of a blob.
    fn whole_blob(&self, address: &Address) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        self.blob(address, &mut |more| {
            bytes.extend_from_slice(more);
            match bytes.len() as u64 <= address.size {
                true => Ok(()),
                false => Err(StoreError::Damaged {
                    what: format!("the blob {}", address.name),
                    how: format!("it has more than {} bytes", address.size),
                }),
            }
        })?;
        Ok(bytes)
    }

    /// What a server has taken out of an entry is put in again.
    fn complete(&self, message: Bytes) -> Result<Vec<u8>, Failure> {
        let mut whole = message.to_vec();
        let Ok(printed) = Printed::decode(message) else { return Ok(whole) };
        let mut back = Printed::default();
        for (raw, digest, back) in [
            (&printed.stdout_raw, &printed.stdout_digest, &mut back.stdout_raw),
            (&printed.stderr_raw, &printed.stderr_digest, &mut back.stderr_raw),
        ] {
            let Some(address) = digest.as_ref().and_then(api::address) else { continue };
            if !raw.is_empty() || address.size == 0 {
                continue;
            }
            if address.size > message::SIZE_MAX as u64 {
                return Err(Failure::Damaged("it is larger than any entry".to_owned()));
            }
            *back = self.whole_blob(&address)?.into();
        }
        // Of a field that comes twice the last one counts.
        whole.extend(back.encode_to_vec());
        Ok(whole)
    }
}

impl Session {
    fn begin(there: &There, instance: &str) -> Result<Self, Failure> {
        let calls = Calls::connect(there)?;
        let request = GetCapabilitiesRequest { instance_name: instance.to_owned() };
        let answer = calls
            .call(api::GET_CAPABILITIES, request.encode_to_vec(), 64 * 1024, ANSWER)
            .map_err(|failure| match failure {
                Failure::Gone => Failure::Refused(format!("it knows no instance `{instance}`")),
                failure => failure,
            });
        let said =
            answer.and_then(read::<ServerCapabilities>).map_err(|failure| match failure {
                Failure::Damaged(_) => Failure::Refused("what it can do cannot be read".to_owned()),
                failure => failure,
            })?;
        Self::of(calls, instance, &said)
    }

    fn of(calls: Calls, instance: &str, said: &ServerCapabilities) -> Result<Self, Failure> {
        let refused = |why: &str| Err(Failure::Refused(why.to_owned()));
        let is_newer = said.low_api_version.as_ref().is_some_and(|lowest| lowest.major > 2);
        let is_older = said.high_api_version.as_ref().is_some_and(|highest| highest.major < 2);
        if is_newer || is_older {
            return refused("it does not speak version 2 of the Remote Execution API");
        }
        let Some(cache) = &said.cache_capabilities else { return refused("it is no cache") };
        let named = cache.digest_functions.iter().find_map(|function| match *function {
            api::SHA256 => Some(Naming::Sha256),
            api::BLAKE3 => Some(Naming::Blake3),
            _ => None,
        });
        let Some(naming) = named else {
            return refused(
                "it names blobs by neither SHA-256 nor BLAKE3, and others are not known",
            );
        };
        let limit = |said: i64| u64::try_from(said).ok().filter(|limit| *limit > 0);
        let together = limit(cache.max_batch_total_size_bytes).unwrap_or(TOGETHER).min(TOGETHER);
        let blob = limit(cache.max_cas_blob_size_bytes).unwrap_or(u64::MAX);
        let updates = cache.action_cache_update_capabilities.as_ref();
        Ok(Self {
            calls,
            instance: instance.to_owned(),
            terms: Terms { naming, together, blob, entry: MESSAGE },
            takes_results: updates
                .is_some_and(|ActionCacheUpdateCapabilities { update_enabled }| *update_enabled),
            packs: cache.supported_compressors.contains(&api::ZSTD),
            unpacks_together: cache.supported_batch_update_compressors.contains(&api::ZSTD),
        })
    }

    fn function(&self) -> i32 {
        api::function(self.terms.naming)
    }

    fn entry_name(name: &Name) -> Option<FileDigest> {
        Some(FileDigest { hash: name.to_string(), size_bytes: ENTRY })
    }

    /// Gives the bytes of a blob to `take`, as they come.
    fn read(
        &self,
        address: &Address,
        take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), Failure> {
        let mut expander = match self.packs {
            true => Some(Expander::new(address.size)?),
            false => None,
        };
        let resource_name = api::read_name(&self.instance, address, self.terms.naming, self.packs);
        let request = ReadRequest { resource_name }.encode_to_vec();
        let most = zstd::most(address.size);
        let (mut come, mut empty) = (0, 0);
        self.calls.read(api::READ, request, PIECE, ANSWER, &mut |answer| {
            let ReadResponse { data } = read(answer)?;
            come += data.len() as u64;
            empty += usize::from(data.is_empty());
            if come > most || empty > EMPTY {
                return Err(Failure::Damaged("more comes than was announced".to_owned()));
            }
            match &mut expander {
                Some(expander) => expander.take(&data, &mut |bytes| Ok(take(bytes)?)),
                None => Ok(take(&data)?),
            }
        })?;
        expander.map_or(Ok(()), Expander::finish)
    }

    fn missing(&self, addresses: &[Address]) -> Result<BTreeSet<Name>, Failure> {
        let mut missing = BTreeSet::new();
        for some in addresses.chunks(ASKED) {
            let request = FindMissingBlobsRequest {
                instance_name: self.instance.clone(),
                blob_digests: some.iter().filter_map(api::digest).collect(),
                digest_function: self.function(),
            };
            let most = some.len() * ABOUT;
            let message = request.encode_to_vec();
            let answer = self.calls.call(api::FIND_MISSING_BLOBS, message, most, SAVED)?;
            for element in api::elements(answer, api::MISSING) {
                let digest: FileDigest = read(element.map_err(unread)?)?;
                missing.extend(Name::parse(&digest.hash));
            }
        }
        Ok(missing)
    }

    fn save_blob(&self, address: &Address, file: &File) -> Result<(), Failure> {
        let unreadable =
            |error: io::Error| Failure::Failed(format!("a blob cannot be read here: {error}"));
        let small = match self.packs {
            true => zstd::squeezing(file).map_err(unreadable)?,
            false => None,
        };
        let is_small = small.is_some();
        let mut source: Box<dyn Read + '_> = match small {
            Some(small) => Box::new(small),
            None => Box::new(file),
        };
        let name = api::write_name(&self.instance, address, self.terms.naming, is_small);
        let (mut sent, mut is_finished) = (0_i64, false);
        let answer = self.calls.write(api::WRITE, &mut || {
            if is_finished {
                return Ok(None);
            }
            let mut data = Vec::new();
            (&mut source).take(CHUNK as u64).read_to_end(&mut data)?;
            is_finished = data.is_empty();
            let resource_name = if sent == 0 { name.clone() } else { String::new() };
            let length = i64::try_from(data.len()).unwrap_or_default();
            let request =
                WriteRequest { resource_name, write_offset: sent, finish_write: is_finished, data };
            sent += length;
            Ok(Some(request.encode_to_vec()))
        })?;
        let WriteResponse { committed_size } = read(answer)?;
        // Of what is made small servers say now this and now that.
        match is_small || u64::try_from(committed_size) == Ok(address.size) {
            true => Ok(()),
            false => Err(Failure::Failed(format!(
                "it says that it has kept {committed_size} bytes of {}",
                address.size
            ))),
        }
    }

    fn save_blobs(&self, blobs: &[(Address, Vec<u8>)]) -> Result<(), Failure> {
        let request = |(address, bytes): &(Address, Vec<u8>)| {
            let packed = self.unpacks_together.then(|| zstd::squeezed(bytes)).flatten();
            let compressor = if packed.is_some() { api::ZSTD } else { api::IDENTITY };
            let data = packed.unwrap_or_else(|| bytes.clone());
            UpdateBlob { digest: api::digest(address), data, compressor }
        };
        let requests: Vec<UpdateBlob> = blobs.iter().map(request).collect();
        let most = requests.len() * ABOUT + 64 * 1024;
        let request = BatchUpdateBlobsRequest {
            instance_name: self.instance.clone(),
            requests,
            digest_function: self.function(),
        };
        let message = request.encode_to_vec();
        let answer = self.calls.call(api::BATCH_UPDATE_BLOBS, message, most, SAVED)?;
        let mut kept = BTreeSet::new();
        for element in api::elements(answer, api::UPDATED_BLOBS) {
            let blob: UpdatedBlob = read(element.map_err(unread)?)?;
            if let Some(failure) = failure_of(blob.status.as_ref()) {
                return Err(failure);
            }
            kept.extend(blob.digest.and_then(|digest| Name::parse(&digest.hash)));
        }
        match blobs.iter().all(|(address, _)| kept.contains(&address.name)) {
            true => Ok(()),
            false => Err(Failure::Failed("it does not say that it has kept all blobs".to_owned())),
        }
    }

    fn save_entry(&self, name: &Name, message: &[u8]) -> Result<(), Failure> {
        let request = UpdateActionResultRequest {
            instance_name: self.instance.clone(),
            action_digest: Session::entry_name(name),
            action_result: message.to_vec(),
            digest_function: self.function(),
        };
        let message = request.encode_to_vec();
        self.calls.call(api::UPDATE_ACTION_RESULT, message, message::SIZE_MAX, SAVED).map(drop)
    }
}

impl Wire for Grpc {
    fn entry(&self, name: &Name) -> Result<Option<Vec<u8>>, Failure> {
        let session = self.session()?;
        let request = GetActionResultRequest {
            instance_name: session.instance.clone(),
            action_digest: Session::entry_name(name),
            inline_stdout: true,
            inline_stderr: true,
            digest_function: session.function(),
        };
        let message = request.encode_to_vec();
        match session.calls.call(api::GET_ACTION_RESULT, message, message::SIZE_MAX, ANSWER) {
            Ok(message) => match self.complete(message) {
                // An entry without its text is none.
                Err(Failure::Gone) => Ok(None),
                message => message.map(Some),
            },
            Err(Failure::Gone) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn blob(
        &self,
        address: &Address,
        take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), Failure> {
        self.session()?.read(address, take)
    }

    fn has_blob(&self, address: &Address) -> Result<bool, Failure> {
        Ok(self.missing(&[*address])?.is_empty())
    }

    fn save_blob(&self, address: &Address, file: &File) -> Result<(), Failure> {
        self.write(|session| session.save_blob(address, file))
    }

    fn save_entry(&self, name: &Name, message: &[u8]) -> Result<(), Failure> {
        self.write(|session| session.save_entry(name, message))
    }

    fn known_terms(&self) -> Option<Terms> {
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        session.as_ref().map(|session| session.terms)
    }

    fn terms(&self) -> Result<Terms, Failure> {
        Ok(self.session()?.terms)
    }

    fn together(&self) -> Option<&dyn Together> {
        Some(self)
    }
}

impl Together for Grpc {
    fn missing(&self, addresses: &[Address]) -> Result<BTreeSet<Name>, Failure> {
        self.write(|session| session.missing(addresses))
    }

    fn blobs(&self, addresses: &[Address], take: &mut Take<'_>) -> Result<(), Failure> {
        let session = self.session()?;
        let request = BatchReadBlobsRequest {
            instance_name: session.instance.clone(),
            digests: addresses.iter().filter_map(api::digest).collect(),
            acceptable_compressors: if session.packs { vec![api::ZSTD] } else { Vec::new() },
            digest_function: session.function(),
        };
        let bytes: u64 = addresses.iter().map(|address| address.size).sum();
        let most = bytes as usize + addresses.len() * ABOUT;
        let message = request.encode_to_vec();
        let answer = session.calls.call(api::BATCH_READ_BLOBS, message, most, ANSWER)?;
        let mut awaited: BTreeMap<Name, usize> =
            addresses.iter().enumerate().map(|(place, address)| (address.name, place)).collect();
        let mut is_gone = false;
        for element in api::elements(answer, api::READ_BLOBS) {
            let blob: ReadBlob = read(element.map_err(unread)?)?;
            let named = blob.digest.as_ref().and_then(|digest| Name::parse(&digest.hash));
            let asked = named.and_then(|name| awaited.remove(&name));
            let Some((place, address)) =
                asked.and_then(|place| Some((place, addresses.get(place)?)))
            else {
                return Err(Failure::Damaged("it gives a blob that was not asked for".to_owned()));
            };
            match failure_of(blob.status.as_ref()) {
                None => {}
                Some(Failure::Gone) => {
                    is_gone = true;
                    continue;
                }
                Some(failure) => return Err(failure),
            }
            match blob.compressor {
                api::IDENTITY => take(place, &blob.data)?,
                api::ZSTD => {
                    let size = usize::try_from(address.size).unwrap_or_default();
                    let bytes = zstd::expanded(&blob.data, size);
                    let broken = || {
                        Failure::Damaged(format!(
                            "the blob {} cannot be unpacked to {size} bytes",
                            address.name
                        ))
                    };
                    take(place, &bytes.ok_or_else(broken)?)?;
                }
                _ => return Err(unread("a blob is packed in a way that was not asked for")),
            }
        }
        match awaited.is_empty() {
            _ if is_gone => Err(Failure::Gone),
            true => Ok(()),
            false => {
                Err(Failure::Damaged("it does not give all blobs, and does not say why".to_owned()))
            }
        }
    }

    fn save_blobs(&self, blobs: &[(Address, Vec<u8>)]) -> Result<(), Failure> {
        self.write(|session| session.save_blobs(blobs))
    }
}

/// Whether a remote is spoken to with encryption, its host, its port and its instance.
fn parts(base: &str) -> (bool, &str, u16, &str) {
    let (scheme, rest) = base.split_once("://").unwrap_or(("grpcs", base));
    let is_encrypted = scheme == "grpcs";
    let (host, instance) = rest.split_once('/').unwrap_or((rest, ""));
    let port = host.parse::<Authority>().ok().and_then(|authority| authority.port_u16());
    match (port, host.rsplit_once(':')) {
        (Some(port), Some((host, _))) => (is_encrypted, host, port, instance),
        _ => (is_encrypted, host, if is_encrypted { 443 } else { 80 }, instance),
    }
}

fn read<T: Message + Default>(message: Bytes) -> Result<T, Failure> {
    T::decode(message).map_err(|_| unread("its answer cannot be read"))
}

fn unread(how: &str) -> Failure {
    Failure::Damaged(how.to_owned())
}

/// What the status of one blob among several means; `None` if all is well.
fn failure_of(status: Option<&api::Status>) -> Option<Failure> {
    let code = Code::from(status.map_or(0, |status| status.code));
    (code != Code::Ok).then(|| calls::of_code(code))
}

#[cfg(test)]
mod tests {
    use super::parts;

    #[test]
    fn a_url_names_host_port_and_instance() {
        assert_eq!(parts("grpcs://cache.example"), (true, "cache.example", 443, ""));
        assert_eq!(parts("grpcs://cache.example:8980/a/b"), (true, "cache.example", 8980, "a/b"));
        assert_eq!(parts("grpc://[::1]:9092/main"), (false, "[::1]", 9092, "main"));
        assert_eq!(parts("grpc://[::1]"), (false, "[::1]", 80, ""));
    }
}
