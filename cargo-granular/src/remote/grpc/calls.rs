//! Calls of methods over gRPC: messages out, messages in, as bytes. All that is asynchronous is here, and the limits in time. Knows no message.
//!
//! Nothing is repeated here: who asks decides on that. A connection that broke off is made anew by the next call.

use crate::remote::patience::{ANSWER, CONNECT, SAVED, SLOWEST};
use crate::remote::wire::Failure;
use http_body::{Body, Frame, SizeHint};
use hyper_util::rt::TokioIo;
use prost::bytes::{Buf, BufMut, Bytes};
use std::error::Error;
use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{self, ClientConfig};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Status, Streaming};
use ureq::http;

/// How many bytes of one answer may be under way before they are looked at. Each time that many costs a large blob another way there and back.
const STREAM: u32 = 4 * 1024 * 1024;

/// Where the server is, and who we are.
#[derive(Clone)]
pub(super) struct There {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) is_encrypted: bool,
    /// The value of `authorization`.
    pub(super) authorization: Option<String>,
}

/// A connection over which methods are called.
pub(super) struct Calls {
    /// None only while it is dropped.
    runtime: Option<Runtime>,
    grpc: Grpc<Watched>,
    authorization: Option<AsciiMetadataValue>,
}

impl Calls {
    /// Connects.
    pub(super) fn connect(there: &There) -> Result<Self, Failure> {
        let cannot = |error: &dyn fmt::Display| {
            Failure::Unreachable(format!("it cannot be spoken to from here: {error}"))
        };
        let authorization = match there.authorization.as_deref().map(str::parse) {
            Some(Ok(mut value)) => {
                AsciiMetadataValue::set_sensitive(&mut value, true);
                Some(value)
            }
            Some(Err(_)) => return Err(cannot(&"what tells it who asks has odd characters in it")),
            None => None,
        };
        let tls = match there.is_encrypted {
            true => Some(tls().map_err(|error| cannot(&error))?),
            false => None,
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("remote")
            .enable_all()
            .build()
            .map_err(|error| cannot(&error))?;
        let scheme = if there.is_encrypted { "https" } else { "http" };
        let uri: Uri = format!("{scheme}://{}:{}", there.host, there.port)
            .parse()
            .map_err(|error| cannot(&error))?;
        // So that streams which are not read for a while leave room for the others: as many as there are threads that fetch.
        let endpoint = Endpoint::from(uri)
            .initial_stream_window_size(STREAM)
            .initial_connection_window_size(16 * STREAM)
            .user_agent(concat!("cargo-granular/", env!("CARGO_PKG_VERSION")))
            .map_err(|error| cannot(&error))?;
        let (host, port) = (there.host.clone(), there.port);
        let connector = tower::service_fn(move |_: Uri| {
            let (host, tls) = (host.clone(), tls.clone());
            async move { connection(&host, port, tls).await.map(TokioIo::new) }
        });
        let connecting = endpoint.connect_with_connector(connector);
        let channel = runtime.block_on(connecting).map_err(|error| failure_of(&error))?;
        // How much comes is bounded for each call.
        let grpc = Grpc::new(Watched(channel)).max_encoding_message_size(usize::MAX);
        Ok(Self { runtime: Some(runtime), grpc, authorization })
    }

    /// One message for another, of no more than `most` bytes.
    pub(super) fn call(
        &self,
        method: &'static str,
        message: Vec<u8>,
        most: usize,
        patience: Duration,
    ) -> Result<Bytes, Failure> {
        let mut answer = None;
        self.read(method, message, most, patience, &mut |message| match answer.replace(message) {
            None => Ok(()),
            Some(_) => Err(Failure::Failed("it answers more than once".to_owned())),
        })?;
        answer.ok_or_else(|| Failure::Failed("it does not answer".to_owned()))
    }

    /// One message for many, which `take` is given, until it refuses one.
    pub(super) fn read(
        &self,
        method: &'static str,
        message: Vec<u8>,
        most: usize,
        patience: Duration,
        take: &mut dyn FnMut(Bytes) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let moved = Moved::default();
        let messages = tokio_stream::once(Bytes::from(message));
        let request = self.request(messages, &moved);
        let reading = async {
            let mut answer = self.caller(most).begin(request, method).await?;
            while let Some(message) = answer.message().await.map_err(|status| of_status(&status))? {
                take(message)?;
            }
            Ok(())
        };
        self.runtime()?.block_on(watch(reading, &moved, Patience::reading(patience)))
    }

    /// Many messages, which `next` gives until there are none, for one.
    pub(super) fn write(
        &self,
        method: &'static str,
        next: &mut dyn FnMut() -> io::Result<Option<Vec<u8>>>,
    ) -> Result<Bytes, Failure> {
        let moved = Moved::default();
        let (give, messages) = mpsc::channel(2);
        let request = self.request(Queue(messages, moved.clone()), &moved);
        let caller = self.caller(4096);
        let writing = async move {
            let mut answer = caller.begin(request, method).await?;
            let message = answer.message().await.map_err(|status| of_status(&status))?;
            message.ok_or_else(|| Failure::Failed("it does not answer".to_owned()))
        };
        let runtime = self.runtime()?;
        let answer =
            runtime.spawn(async move { watch(writing, &moved, Patience::writing(SAVED)).await });
        loop {
            let message = match next() {
                Ok(Some(message)) => Bytes::from(message),
                Ok(None) => break,
                Err(error) => {
                    answer.abort();
                    return Err(Failure::Failed(format!("a blob cannot be read here: {error}")));
                }
            };
            match runtime.block_on(async { timeout(SAVED, give.send(message)).await }) {
                Ok(Ok(())) => {}
                // It wants no more of them, and says why.
                Ok(Err(_)) => break,
                Err(_) => {
                    answer.abort();
                    return Err(Failure::Unreachable("it does not take what is sent".to_owned()));
                }
            }
        }
        drop(give);
        let answer = runtime.block_on(answer);
        answer.map_err(|_| Failure::Broken("a call ended by itself".to_owned()))?
    }

    fn runtime(&self) -> Result<&Runtime, Failure> {
        self.runtime.as_ref().ok_or(Failure::NotAsked)
    }

    /// For one call, whose answers are of no more than `most` bytes.
    fn caller(&self, most: usize) -> Caller {
        Caller(self.grpc.clone().max_decoding_message_size(most))
    }

    fn request<S>(&self, messages: S, moved: &Moved) -> Request<S> {
        let mut request = Request::new(messages);
        if let Some(value) = &self.authorization {
            request.metadata_mut().insert("authorization", value.clone());
        }
        request.extensions_mut().insert(moved.clone());
        request
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        // The system may still be looking for a host, and nobody waits for that.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// What makes one call.
struct Caller(Grpc<Watched>);

impl Caller {
    async fn begin<S>(
        mut self,
        request: Request<S>,
        method: &'static str,
    ) -> Result<Streaming<Bytes>, Failure>
    where
        S: tokio_stream::Stream<Item = Bytes> + Send + 'static,
    {
        self.0.ready().await.map_err(|error| failure_of(&error))?;
        let path = http::uri::PathAndQuery::from_static(method);
        let answer = self.0.streaming(request, path, Plain).await;
        answer.map(tonic::Response::into_inner).map_err(|status| of_status(&status))
    }
}

/// How long a call may take, and how much of it has to move meanwhile.
struct Patience {
    /// How long nothing may move at first.
    first: Duration,
    /// In which time ...
    then: Duration,
    /// ... so many bytes have to move.
    least: u64,
}

impl Patience {
    /// With an answer, which is to begin within `first`.
    fn reading(first: Duration) -> Self {
        Self { first, then: ANSWER, least: SLOWEST }
    }

    /// With what is written: that may take long, and not stand still.
    fn writing(at_most: Duration) -> Self {
        Self { first: at_most, then: at_most, least: 1 }
    }
}

/// Waits for `call`, as long as it moves.
async fn watch<T>(
    call: impl Future<Output = Result<T, Failure>>,
    moved: &Moved,
    patience: Patience,
) -> Result<T, Failure> {
    let mut call = std::pin::pin!(call);
    let mut before = 0;
    let mut wait = patience.first;
    loop {
        if let Ok(answer) = timeout(wait, &mut call).await {
            return answer;
        }
        let now = moved.0.load(Ordering::Relaxed);
        if now == before {
            return Err(Failure::Unreachable("it does not answer in time".to_owned()));
        }
        if now - before < patience.least {
            return Err(Failure::Unreachable("what it sends comes too slowly".to_owned()));
        }
        (before, wait) = (now, patience.then);
    }
}

/// A connection that can be read and written.
trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

/// Why no connection came about.
#[derive(Debug)]
struct Unconnected(String);

impl fmt::Display for Unconnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Unconnected {}

async fn connection(
    host: &str,
    port: u16,
    tls: Option<TlsConnector>,
) -> Result<Box<dyn Connection>, Unconnected> {
    let unconnected = |why: &str| Unconnected(why.to_owned());
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let found = timeout(CONNECT, tokio::net::lookup_host((name, port))).await;
    let addresses: Vec<_> = match found {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(_)) => return Err(unconnected("its host is not known")),
        Err(_) => return Err(unconnected("its host is not found in time")),
    };
    let connecting = async {
        let stream = TcpStream::connect(&addresses[..])
            .await
            .map_err(|error| Unconnected(format!("it cannot be reached: {error}")))?;
        // Small messages are not to wait for each other.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return Ok(Box::new(stream) as Box<dyn Connection>) };
        let encrypted = |error: &dyn fmt::Display| {
            Unconnected(format!("no encrypted connection comes about: {error}"))
        };
        let name = ServerName::try_from(name.to_owned()).map_err(|error| encrypted(&error))?;
        let stream = tls.connect(name, stream).await.map_err(|error| encrypted(&error))?;
        match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Ok(Box::new(stream) as Box<dyn Connection>),
            _ => Err(unconnected("it does not speak HTTP/2, which gRPC is spoken over")),
        }
    };
    let connected = timeout(CONNECT, connecting).await;
    connected.unwrap_or_else(|_| Err(unconnected("it does not answer in time")))
}

/// Trusts what the system trusts, which may be a team's own authority.
fn tls() -> Result<TlsConnector, rustls::Error> {
    use rustls_platform_verifier::BuilderVerifierExt as _;
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_platform_verifier()?
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What an error of the connection means for the next request. No text of these errors has what we sent.
fn failure_of(error: &(dyn Error + 'static)) -> Failure {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(Unconnected(why)) = error.downcast_ref() {
            return Failure::Unreachable(why.clone());
        }
        cause = error.source();
    }
    Failure::Broken("the connection breaks off".to_owned())
}

/// What a status means for the next request. The message of a server is not repeated: nobody knows what stands in it.
fn of_status(status: &Status) -> Failure {
    // One that did not come from the server.
    if let Some(source) = status.source() {
        return failure_of(source);
    }
    of_code(status.code())
}

/// What the code of a status means for the next request.
pub(super) fn of_code(code: Code) -> Failure {
    match code {
        Code::NotFound => Failure::Gone,
        Code::Unauthenticated | Code::PermissionDenied => {
            Failure::Denied(format!("it refuses that ({code:?})"))
        }
        Code::ResourceExhausted => Failure::Refused(format!("it asks to be left alone ({code:?})")),
        Code::Unimplemented => Failure::Refused(format!(
            "it does not know what it is asked, and so is no cache of the Remote Execution API ({code:?})"
        )),
        Code::DeadlineExceeded => Failure::Unreachable("it does not answer in time".to_owned()),
        Code::Unavailable | Code::Cancelled => Failure::Broken(format!("it answers {code:?}")),
        // That is what a message is answered which is longer than it may be.
        Code::OutOfRange => Failure::Damaged("it is larger than it may be".to_owned()),
        code => Failure::Failed(format!("it answers {code:?}")),
    }
}

/// How many bytes of an answer have come, or of what is written have gone.
#[derive(Clone, Default)]
struct Moved(Arc<AtomicU64>);

/// A channel of which can be seen how fast answers come.
#[derive(Clone)]
struct Watched(Channel);

type Answer = http::Response<Counted>;

impl tower::Service<http::Request<tonic::body::Body>> for Watched {
    type Response = Answer;
    type Error = tonic::transport::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        tower::Service::poll_ready(&mut self.0, context)
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let moved = request.extensions().get::<Moved>().cloned().unwrap_or_default();
        let answer = tower::Service::call(&mut self.0, request);
        Box::pin(async move { Ok(answer.await?.map(|body| Counted { body, moved })) })
    }
}

/// The body of an answer, whose bytes are counted.
struct Counted {
    body: tonic::body::Body,
    moved: Moved,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.moved.0.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// What is sent, as it is queued; its bytes are counted.
struct Queue(mpsc::Receiver<Bytes>, Moved);

impl tokio_stream::Stream for Queue {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let polled = self.0.poll_recv(context);
        if let Poll::Ready(Some(message)) = &polled {
            self.1.0.fetch_add(message.len() as u64, Ordering::Relaxed);
        }
        polled
    }
}

/// Messages as bytes.
#[derive(Clone, Copy)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        BufMut::put(to, message);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = Buf::remaining(from);
        Ok(Some(Buf::copy_to_bytes(from, length)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_may_take_long_and_not_stand_still() {
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let patience = Duration::from_millis(500);
        let moved = Moved::default();
        let slow = async {
            for _ in 0..8 {
                moved.0.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(patience / 4).await;
            }
            Ok(())
        };
        assert!(runtime.block_on(watch(slow, &moved, Patience::writing(patience))).is_ok());
        let stuck = std::future::pending::<Result<(), Failure>>();
        let answer = runtime.block_on(watch(stuck, &Moved::default(), Patience::writing(patience)));
        assert!(matches!(answer, Err(Failure::Unreachable(_))));
    }
}
