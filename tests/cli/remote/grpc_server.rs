//! A server of the Remote Execution API's caches that a test can make misbehave. It counts the calls of each method, and checks of each entry that is
//! written that the blobs are there which it names.

use super::server::{ActionResult, Digest};
use bytes::Bytes;
use h2::server::SendResponse;
use prost::Message;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use ureq::http::{HeaderMap, HeaderValue, Response};

/// A server on loopback.
pub(super) struct GrpcServer {
    /// What it runs on; gone, it is.
    _runtime: Runtime,
    shared: Arc<Shared>,
    address: SocketAddr,
}

struct Shared {
    state: Mutex<State>,
    can: Capabilities,
}

#[derive(Default)]
struct State {
    /// By hash.
    blobs: BTreeMap<String, Vec<u8>>,
    entries: BTreeMap<String, Vec<u8>>,
    /// The methods that were called, and how many bytes of messages came and went.
    calls: Vec<String>,
    received: usize,
    sent: usize,
    /// What came in `authorization`.
    authorizations: Vec<String>,
    trick: Option<Trick>,
    /// Entries that were written before their blobs, and blobs under a wrong name.
    broken: Vec<String>,
}

type Trick = Box<dyn FnMut(&str, usize) -> Option<Twist> + Send>;

/// A way to misbehave.
#[derive(Clone, Debug)]
pub(super) enum Twist {
    /// That status, by its number.
    Status(u32),
    /// No answer, ever.
    Hang,
    /// The right answer, a byte at a time.
    Drip,
    /// The connection breaks off.
    Close,
    /// Half of the message, and a good end.
    Cut,
    /// Other bytes in the place of a message.
    Message(Vec<u8>),
    /// So many megabytes of messages of that many bytes each.
    Flood(usize, Vec<u8>),
    /// A message that is said to be so long.
    Long(u32),
    /// The right answer about many blobs, each of them changed.
    Blobs(fn(&mut ReadBlob)),
    /// An entry whose text lies among the blobs, as some servers move it there.
    Moved,
    /// No status at the end.
    NoStatus,
    /// HTTP without gRPC.
    Http(u16),
}

/// What it says that it can do.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Capabilities {
    #[prost(message, optional, tag = "1")]
    pub(super) cache: Option<CacheCapabilities>,
    #[prost(message, optional, tag = "4")]
    pub(super) lowest: Option<Version>,
    #[prost(message, optional, tag = "5")]
    pub(super) highest: Option<Version>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Version {
    #[prost(int32, tag = "1")]
    pub(super) major: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct CacheCapabilities {
    /// 1 is SHA-256, 9 BLAKE3, 2 SHA-1.
    #[prost(int32, repeated, tag = "1")]
    pub(super) functions: Vec<i32>,
    #[prost(message, optional, tag = "2")]
    pub(super) updates: Option<Updates>,
    #[prost(int64, tag = "4")]
    pub(super) batch: i64,
    /// 1 is zstd.
    #[prost(int32, repeated, tag = "6")]
    pub(super) compressors: Vec<i32>,
    #[prost(int32, repeated, tag = "7")]
    pub(super) batch_compressors: Vec<i32>,
    #[prost(int64, tag = "8")]
    pub(super) largest: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Updates {
    #[prost(bool, tag = "1")]
    pub(super) enabled: bool,
}

impl Capabilities {
    /// One that speaks version 2, names by SHA-256 and packs nothing.
    pub(super) fn plain() -> Self {
        let cache = CacheCapabilities {
            functions: vec![1],
            updates: Some(Updates { enabled: true }),
            ..CacheCapabilities::default()
        };
        let version = Some(Version { major: 2 });
        Self { cache: Some(cache), lowest: version.clone(), highest: version }
    }

    /// The same, with the capabilities of its cache changed.
    pub(super) fn with(change: impl FnOnce(&mut CacheCapabilities)) -> Self {
        let mut plain = Self::plain();
        change(plain.cache.as_mut().unwrap());
        plain
    }

    fn is_blake3(&self) -> bool {
        let functions = self.cache.iter().flat_map(|cache| &cache.functions);
        functions.copied().find(|function| [1, 9].contains(function)) == Some(9)
    }
}

/// Requests, as far as they are looked at: all have their digests, messages and functions at these places.
#[derive(Clone, PartialEq, Message)]
struct EntryRequest {
    #[prost(string, tag = "1")]
    instance: String,
    #[prost(message, optional, tag = "2")]
    digest: Option<Digest>,
    #[prost(bytes = "vec", tag = "3")]
    result: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct GetRequest {
    #[prost(message, optional, tag = "2")]
    digest: Option<Digest>,
    #[prost(bool, tag = "3")]
    inline_stdout: bool,
}

/// An entry, as far as a server may move something out of it.
#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(bytes = "vec", repeated, tag = "2")]
    files: Vec<Vec<u8>>,
    #[prost(bytes = "vec", tag = "5")]
    text: Vec<u8>,
    #[prost(message, optional, tag = "6")]
    text_digest: Option<Digest>,
    #[prost(bytes = "vec", tag = "7")]
    more: Vec<u8>,
    #[prost(message, optional, tag = "8")]
    more_digest: Option<Digest>,
}

#[derive(Clone, PartialEq, Message)]
struct Digests {
    #[prost(message, repeated, tag = "2")]
    digests: Vec<Digest>,
}

#[derive(Clone, PartialEq, Message)]
struct ReadBlobs {
    #[prost(message, repeated, tag = "1")]
    blobs: Vec<ReadBlob>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ReadBlob {
    #[prost(message, optional, tag = "1")]
    pub(super) digest: Option<Digest>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) data: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub(super) status: Option<Status>,
    #[prost(int32, tag = "4")]
    pub(super) compressor: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Status {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
}

#[derive(Clone, PartialEq, Message)]
struct UpdateBlobs {
    #[prost(message, repeated, tag = "2")]
    blobs: Vec<UpdateBlob>,
}

#[derive(Clone, PartialEq, Message)]
struct UpdateBlob {
    #[prost(message, optional, tag = "1")]
    digest: Option<Digest>,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
    #[prost(int32, tag = "3")]
    compressor: i32,
}

#[derive(Clone, PartialEq, Message)]
struct UpdatedBlobs {
    #[prost(message, repeated, tag = "1")]
    blobs: Vec<UpdatedBlob>,
}

#[derive(Clone, PartialEq, Message)]
struct UpdatedBlob {
    #[prost(message, optional, tag = "1")]
    digest: Option<Digest>,
    #[prost(message, optional, tag = "2")]
    status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
struct Stream {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(int64, tag = "2")]
    offset: i64,
    #[prost(bool, tag = "3")]
    is_finished: bool,
    #[prost(bytes = "vec", tag = "10")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct Committed {
    #[prost(int64, tag = "1")]
    size: i64,
}

const NOT_FOUND: u32 = 5;

impl GrpcServer {
    /// One with nothing in it, which behaves.
    pub(super) fn start(can: Capabilities) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { state: Mutex::default(), can });
        let all = Arc::clone(&shared);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&all).connection(stream));
            }
        });
        Self { _runtime: runtime, shared, address }
    }

    pub(super) fn url(&self) -> String {
        format!("grpc://{}/some/where", self.address)
    }

    /// From now on `trick` decides on calls; it is told the method and how many of the same kind came before.
    pub(super) fn trick(
        &self,
        trick: impl FnMut(&str, usize) -> Option<Twist> + Send + 'static,
    ) -> &Self {
        self.state().trick = Some(Box::new(trick));
        self.forget()
    }

    /// From now on calls of that method get `twist`.
    pub(super) fn twist(&self, method: &'static str, twist: Twist) -> &Self {
        self.trick(move |called, _| (called == method).then(|| twist.clone()))
    }

    /// From now on it behaves.
    pub(super) fn behave(&self) -> &Self {
        self.state().trick = None;
        self.forget()
    }

    /// Forgets what was called so far.
    pub(super) fn forget(&self) -> &Self {
        let mut state = self.state();
        state.calls.clear();
        (state.received, state.sent) = (0, 0);
        drop(state);
        self
    }

    /// How often each method was called.
    pub(super) fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for call in &self.state().calls {
            *counts.entry(call.clone()).or_default() += 1;
        }
        counts
    }

    /// How many bytes of messages came and went.
    pub(super) fn bytes(&self) -> (usize, usize) {
        let state = self.state();
        (state.received, state.sent)
    }

    pub(super) fn authorizations(&self) -> Vec<String> {
        self.state().authorizations.clone()
    }

    /// Takes away a blob.
    pub(super) fn evict(&self, place: usize) {
        let mut state = self.state();
        let hash = state.blobs.keys().nth(place).unwrap().clone();
        state.blobs.remove(&hash);
    }

    /// Changes a byte of a blob.
    pub(super) fn spoil(&self, place: usize) {
        let mut state = self.state();
        let hash = state.blobs.keys().nth(place).unwrap().clone();
        state.blobs.get_mut(&hash).unwrap()[0] ^= 1;
    }

    /// Changes the entries of results.
    pub(super) fn forge(&self, change: impl Fn(&mut ActionResult)) {
        for message in self.state().entries.values_mut() {
            let mut entry = ActionResult::decode(&message[..]).unwrap();
            change(&mut entry);
            *message = entry.encode_to_vec();
        }
    }

    /// The hashes of blobs, and what they are of.
    pub(super) fn blobs(&self) -> BTreeMap<String, Vec<u8>> {
        self.state().blobs.clone()
    }

    /// Entries that were written while a blob that they name was not there, and blobs that do not have the name that they were given.
    pub(super) fn broken(&self) -> Vec<String> {
        self.state().broken.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Shared {
    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let Ok(mut connection) = h2::server::handshake(stream).await else { return };
        let (close, mut closed) = tokio::sync::mpsc::channel::<()>(1);
        loop {
            let next = std::future::poll_fn(|context| match closed.poll_recv(context) {
                Poll::Ready(_) => Poll::Ready(None),
                Poll::Pending => connection.poll_accept(context),
            });
            let Some(Ok((request, respond))) = next.await else { return };
            let (one, close) = (Arc::clone(&self), close.clone());
            tokio::spawn(async move {
                let _ = one.call(request, respond, close).await;
            });
        }
    }

    async fn call(
        self: Arc<Self>,
        request: ureq::http::Request<h2::RecvStream>,
        mut respond: SendResponse<Bytes>,
        close: tokio::sync::mpsc::Sender<()>,
    ) -> Option<()> {
        let method = request.uri().path().rsplit('/').next()?.to_owned();
        let authorization = request.headers().get("authorization").cloned();
        let mut body = request.into_body();
        let mut bytes = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.ok()?;
            body.flow_control().release_capacity(data.len()).ok()?;
            bytes.extend_from_slice(&data);
        }
        let twist = {
            let mut state = self.state.lock().unwrap();
            let before = state.calls.iter().filter(|call| **call == method).count();
            state.calls.push(method.clone());
            state.received += bytes.len();
            state
                .authorizations
                .extend(authorization.map(|value| value.to_str().unwrap().to_owned()));
            state.trick.as_mut().and_then(|trick| trick(&method, before))
        };
        match &twist {
            Some(Twist::Hang) => tokio::time::sleep(Duration::from_secs(60)).await,
            Some(Twist::Close) => {
                let _ = close.send(()).await;
                return None;
            }
            Some(Twist::Http(status)) => {
                let response = Response::builder().status(*status).body(()).unwrap();
                let mut send = respond.send_response(response, false).ok()?;
                send.send_data("<html>Log in, please</html>".into(), true).ok()?;
                return Some(());
            }
            _ => {}
        }
        let answer = match &twist {
            Some(Twist::Status(code)) => Err(*code),
            Some(Twist::Message(message)) => Ok(vec![message.clone()]),
            Some(Twist::Blobs(change)) => self.answer(&method, &messages(&bytes)).map(|answers| {
                let mut all = ReadBlobs::decode(&answers[0][..]).unwrap();
                all.blobs.iter_mut().for_each(change);
                vec![all.encode_to_vec()]
            }),
            Some(Twist::Moved) => {
                self.answer(&method, &messages(&bytes)).map(|answers| vec![self.moved(&answers[0])])
            }
            _ => self.answer(&method, &messages(&bytes)),
        };
        let head = Response::builder().header("content-type", "application/grpc").body(()).unwrap();
        let mut send = respond.send_response(head, false).ok()?;
        let code = answer.as_ref().err().copied().unwrap_or(0);
        if let Some(Twist::Flood(megabytes, message)) = &twist {
            let framed: Bytes =
                framed(message).repeat(1024 * 1024 / (message.len() + 5) + 1).into();
            for _ in 0..*megabytes {
                give(&mut send, framed.clone()).await?;
            }
        }
        if let Some(Twist::Long(length)) = &twist {
            let mut said = vec![0];
            said.extend(length.to_be_bytes());
            give(&mut send, said.into()).await?;
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        for message in answer.unwrap_or_default() {
            let message = match &twist {
                Some(Twist::Cut) => message[..message.len() / 2].to_vec(),
                _ => message,
            };
            let framed = framed(&message);
            self.state.lock().unwrap().sent += framed.len();
            if let Some(Twist::Drip) = &twist {
                for byte in framed {
                    give(&mut send, vec![byte].into()).await?;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                continue;
            }
            give(&mut send, framed.into()).await?;
        }
        let mut end = HeaderMap::new();
        if !matches!(twist, Some(Twist::NoStatus)) {
            end.insert("grpc-status", HeaderValue::from(code));
            end.insert("grpc-message", HeaderValue::from_static("s3cret %1B[31m"));
        }
        send.send_trailers(end).ok()
    }

    /// The messages of the right answer, or its status.
    fn answer(&self, method: &str, messages: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, u32> {
        let mut state = self.state.lock().unwrap();
        let first = messages.first().cloned().unwrap_or_default();
        let zstd = |list: fn(&CacheCapabilities) -> &Vec<i32>| {
            self.can.cache.as_ref().is_some_and(|cache| list(cache).contains(&1))
        };
        let answer = match method {
            "GetCapabilities" => self.can.encode_to_vec(),
            "GetActionResult" => {
                let request = GetRequest::decode(&first[..]).unwrap();
                assert!(request.inline_stdout);
                state.entries.get(&request.digest.unwrap().hash).ok_or(NOT_FOUND)?.clone()
            }
            "UpdateActionResult" => {
                let request = EntryRequest::decode(&first[..]).unwrap();
                assert_eq!(request.instance, "some/where");
                let hash = request.digest.unwrap().hash;
                let entry = ActionResult::decode(&request.result[..]).unwrap();
                let blobs = entry.output_files.iter().filter_map(|file| file.digest.as_ref());
                for blob in blobs.filter(|blob| blob.size_bytes > 0) {
                    let kept = state.blobs.get(&blob.hash);
                    if kept.is_none_or(|kept| kept.len() as i64 != blob.size_bytes) {
                        state.broken.push(hash.clone());
                        break;
                    }
                }
                state.entries.insert(hash, request.result.clone());
                request.result
            }
            "FindMissingBlobs" => {
                let mut digests = Digests::decode(&first[..]).unwrap();
                digests.digests.retain(|digest| !state.blobs.contains_key(&digest.hash));
                digests.encode_to_vec()
            }
            "BatchReadBlobs" => {
                let is_packed = zstd(|cache| &cache.compressors);
                let mut digests = Digests::decode(&first[..]).unwrap().digests;
                // Who asks for one twice is given it once, as a server may.
                digests.dedup_by(|one, other| one.hash == other.hash);
                let blob = |digest: Digest| {
                    let kept = state.blobs.get(&digest.hash);
                    let code = if kept.is_some() { 0 } else { NOT_FOUND as i32 };
                    let data = kept.cloned().unwrap_or_default();
                    let data =
                        if is_packed { zstd::bulk::compress(&data, 1).unwrap() } else { data };
                    ReadBlob {
                        digest: Some(digest),
                        data,
                        status: Some(Status { code }),
                        compressor: i32::from(is_packed),
                    }
                };
                ReadBlobs { blobs: digests.into_iter().map(blob).collect() }.encode_to_vec()
            }
            "BatchUpdateBlobs" => {
                let mut answer = UpdatedBlobs::default();
                for blob in UpdateBlobs::decode(&first[..]).unwrap().blobs {
                    assert!(blob.compressor == 0 || zstd(|cache| &cache.batch_compressors));
                    let digest = blob.digest.unwrap();
                    let data = match blob.compressor {
                        0 => blob.data,
                        _ => {
                            zstd::bulk::decompress(&blob.data, digest.size_bytes as usize).unwrap()
                        }
                    };
                    self.keep(&mut state, &digest.hash, data);
                    answer.blobs.push(UpdatedBlob { digest: Some(digest), status: None });
                }
                answer.encode_to_vec()
            }
            "Read" => {
                let name = Stream::decode(&first[..]).unwrap().name;
                let (is_packed, hash) = self.resource(&name);
                let data = state.blobs.get(&hash).ok_or(NOT_FOUND)?.clone();
                let data = if is_packed { zstd::bulk::compress(&data, 1).unwrap() } else { data };
                let piece = |data: &[u8]| {
                    Stream { data: data.to_vec(), ..Stream::default() }.encode_to_vec()
                };
                return Ok(data.chunks(100_000).map(piece).collect());
            }
            "Write" => {
                let pieces: Vec<_> =
                    messages.iter().map(|piece| Stream::decode(&piece[..]).unwrap()).collect();
                let data: Vec<u8> = pieces.iter().flat_map(|piece| piece.data.clone()).collect();
                assert!(pieces.last().unwrap().is_finished);
                let (is_packed, hash) = self.resource(&pieces[0].name);
                let size = data.len() as i64;
                let data = if is_packed { zstd::decode_all(&data[..]).unwrap() } else { data };
                self.keep(&mut state, &hash, data);
                Committed { size }.encode_to_vec()
            }
            _ => return Err(12),
        };
        Ok(vec![answer])
    }

    /// An entry whose text has been moved among the blobs.
    fn moved(&self, entry: &[u8]) -> Vec<u8> {
        let mut entry = Entry::decode(entry).unwrap();
        let mut state = self.state.lock().unwrap();
        for (bytes, digest) in
            [(&mut entry.text, &mut entry.text_digest), (&mut entry.more, &mut entry.more_digest)]
        {
            let hash = self.hash(bytes);
            let bytes = std::mem::take(bytes);
            *digest = Some(Digest { hash: hash.clone(), size_bytes: bytes.len() as i64 });
            state.blobs.insert(hash, bytes);
        }
        entry.encode_to_vec()
    }

    fn hash(&self, bytes: &[u8]) -> String {
        use sha2::Digest as _;
        match self.can.is_blake3() {
            true => granular::digest::Hash::of(bytes).to_string(),
            false => sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// Whether a stream is packed, and of what it is.
    fn resource(&self, name: &str) -> (bool, String) {
        let parts: Vec<&str> = name.split('/').collect();
        assert_eq!(parts[..2], ["some", "where"]);
        let hash = parts[parts.len() - 2].to_owned();
        assert_eq!(parts.contains(&"blake3"), self.can.is_blake3(), "{name}");
        (parts.contains(&"compressed-blobs"), hash)
    }

    fn keep(&self, state: &mut State, hash: &str, data: Vec<u8>) {
        let right = self.hash(&data);
        if right != hash {
            state.broken.push(hash.to_owned());
        }
        state.blobs.insert(hash.to_owned(), data);
    }
}

/// Sends bytes, as fast as they are taken.
async fn give(send: &mut h2::SendStream<Bytes>, mut bytes: Bytes) -> Option<()> {
    while !bytes.is_empty() {
        send.reserve_capacity(bytes.len());
        let room = std::future::poll_fn(|context| send.poll_capacity(context)).await?.ok()?;
        send.send_data(bytes.split_to(room.min(bytes.len())), false).ok()?;
    }
    Some(())
}

/// A message as gRPC sends it.
fn framed(message: &[u8]) -> Vec<u8> {
    [&[0][..], &(message.len() as u32).to_be_bytes(), message].concat()
}

/// The messages of a body.
fn messages(mut body: &[u8]) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let [_, a, b, c, d, rest @ ..] = body {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        messages.push(rest[..length].to_vec());
        body = &rest[length..];
    }
    messages
}
