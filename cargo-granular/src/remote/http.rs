//! The kind of remote that is spoken to over HTTP, in the layout of Bazel's HTTP cache: `ac/NAME` is an entry, `cas/NAME` a blob; GET, HEAD and PUT.
//!
//! It follows no redirect, so that what it is told goes to one host.
//!
//! Blobs come made small by zstd from a server that does so, which the answer says. They go so only to a server that has shown that it minds what it is told
//! of an encoding: others would keep what it stands for under the name of something else. See [`Http::minds_encodings`].

use super::ask::{Asked, Credential};
use super::name::{Address, Name};
use super::patience::{ANSWER, CONNECT, SAVED, SLOWEST};
use super::wire::{self, Failure, Wire};
use super::zstd::{self, Expander};
use granular::digest::CHUNK;
use granular::store::StoreError;
use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Error, Proxy, SendBody};

/// For what is smaller it is not worth it to ask whether it may be made small, in bytes.
const WORTH_SQUEEZING: u64 = 16 * 1024;

/// What speaks HTTP, with the patience that a remote is given. What is spoken to in the open because it is near is never spoken to through a proxy,
/// which may be anywhere.
pub(super) fn agent(is_near: bool) -> Agent {
    // What the system trusts, which may be a team's own authority.
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let proxy = if is_near { None } else { Proxy::try_from_env() };
    let config = Agent::config_builder()
        .proxy(proxy)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .accept_encoding("identity")
        .user_agent(concat!("cargo-granular/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .max_idle_connections(16)
        .max_idle_connections_per_host(16)
        .timeout_resolve(Some(CONNECT))
        .timeout_connect(Some(CONNECT))
        .timeout_recv_response(Some(ANSWER))
        .timeout_per_read(Some(ANSWER))
        .timeout_per_write(Some(ANSWER));
    config.build().new_agent()
}

/// A remote over HTTP.
pub(super) struct Http {
    agent: Agent,
    base: String,
    /// The value of the header that says who we are.
    authorization: Option<String>,
    /// Whether it minds encodings, once that was asked.
    minds_encodings: Mutex<Option<bool>>,
    /// Whether a blob that was sent small has been seen to be there as large as it is.
    is_proven: AtomicBool,
}

/// How bytes are sent.
enum Sent {
    Plain,
    /// Made small; they are of so many bytes in truth.
    Small(u64),
    /// In an encoding that nobody knows.
    Unknown,
}

impl Http {
    /// The remote that was asked for. Speaks to nobody yet.
    pub(super) fn new(asked: &Asked) -> Self {
        let authorization = asked.credential.as_ref().map(Credential::authorization);
        let base = asked.place.base.clone();
        Self {
            agent: agent(asked.place.is_near()),
            base,
            authorization,
            minds_encodings: Mutex::default(),
            is_proven: AtomicBool::new(false),
        }
    }

    fn get(&self, url: &str, encoding: &str) -> Result<Response<Body>, Failure> {
        let request = self.agent.get(url).header("accept-encoding", encoding);
        let request = match &self.authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        };
        request.call().map_err(failure)
    }

    fn put(&self, url: &str, sent: &Sent, body: impl ureq::AsSendBody) -> Result<(), Failure> {
        check(&self.try_put(url, sent, body)?, "writing")
    }

    fn try_put(
        &self,
        url: &str,
        sent: &Sent,
        body: impl ureq::AsSendBody,
    ) -> Result<Response<Body>, Failure> {
        let request = self.agent.put(url).content_type("application/octet-stream");
        let request = match sent {
            Sent::Plain => request,
            Sent::Small(size) => request
                .header("content-encoding", zstd::NAME)
                .header("x-digest-sizebytes", size.to_string()),
            Sent::Unknown => request.header("content-encoding", "x-granular-asks"),
        };
        let request = match &self.authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        };
        let config = request.config();
        let config = config.timeout_recv_response(Some(SAVED)).timeout_per_read(Some(SAVED));
        let config = config.timeout_per_write(Some(SAVED));
        let mut response = config.build().send(body).map_err(failure)?;
        // A connection serves again when nothing is left in it; what stands there says nothing to us.
        let _ = io::copy(&mut response.body_mut().as_reader().take(4096), &mut io::sink());
        Ok(response)
    }

    /// Whether the server refuses what is in an encoding that it does not know, and so knows what is in one that it takes. It is asked once, with the blob that is
    /// the same in every encoding: the empty one. Who stores it has stored what is right, whatever he minds.
    fn minds_encodings(&self) -> Result<bool, Failure> {
        let mut known = self.minds_encodings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = *known {
            return Ok(known);
        }
        let url = self.blob_url(&Name::of(&[]));
        let answer = self.try_put(&url, &Sent::Unknown, &[][..])?;
        let minds = is_about_encoding(&answer);
        if minds {
            // It may be the empty blob that it refuses.
            self.put(&url, &Sent::Plain, &[][..])?;
        } else {
            check(&answer, "writing")?;
        }
        *known = Some(minds);
        Ok(minds)
    }

    fn head(&self, address: &Address) -> Result<Response<Body>, Failure> {
        let request = self.agent.head(self.blob_url(&address.name));
        let request = match &self.authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        };
        request.call().map_err(failure)
    }

    /// How many bytes a blob is said to have there.
    fn size(&self, address: &Address) -> Result<Option<u64>, Failure> {
        let response = self.head(address)?;
        let length = response.headers().get("content-length");
        Ok(length.and_then(|length| length.to_str().ok()?.parse().ok()))
    }

    /// Sends a blob made small, if that pays and is understood; whether it was.
    fn save_small(&self, address: &Address, file: &File) -> Result<bool, Failure> {
        if address.size < WORTH_SQUEEZING {
            return Ok(false);
        }
        let unreadable =
            |error| Failure::Failed(format!("a file of the local cache cannot be read: {error}"));
        let Some(small) = zstd::squeezing(file).map_err(unreadable)? else { return Ok(false) };
        if !self.minds_encodings()? {
            return Ok(false);
        }
        let mut small = small;
        let body = SendBody::from_reader(&mut small);
        let answer =
            self.try_put(&self.blob_url(&address.name), &Sent::Small(address.size), body)?;
        let is_understood = !is_about_encoding(&answer) && {
            check(&answer, "writing")?;
            // Somebody on the way may have minded instead of the server.
            self.is_proven.load(Ordering::Relaxed) || self.size(address)? == Some(address.size)
        };
        self.is_proven.store(is_understood, Ordering::Relaxed);
        if !is_understood {
            *self.minds_encodings.lock().unwrap_or_else(PoisonError::into_inner) = Some(false);
        }
        Ok(is_understood)
    }

    fn entry_url(&self, name: &Name) -> String {
        format!("{}/ac/{name}", self.base)
    }

    fn blob_url(&self, name: &Name) -> String {
        format!("{}/cas/{name}", self.base)
    }
}

impl Wire for Http {
    fn entry(&self, name: &Name) -> Result<Option<Vec<u8>>, Failure> {
        let mut response = self.get(&self.entry_url(name), "identity")?;
        if !is_there(&response)? {
            return Ok(None);
        }
        let mut message = Vec::new();
        receive(&mut response, &mut wire::gathering(&mut message))?;
        Ok(Some(message))
    }

    fn blob(
        &self,
        address: &Address,
        take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), Failure> {
        let encoding = if address.size < zstd::LEAST as u64 { "identity" } else { zstd::NAME };
        let mut response = self.get(&self.blob_url(&address.name), encoding)?;
        if !is_there(&response)? {
            return Err(Failure::Gone);
        }
        let mut take = |bytes: &[u8]| Ok(take(bytes)?);
        match response.headers().get("content-encoding").map(|encoding| encoding.as_bytes()) {
            None | Some(b"identity") => {}
            Some(encoding) if encoding == zstd::NAME.as_bytes() => {
                let mut expander = Expander::new(address.size)?;
                receive(&mut response, &mut |come| expander.take(come, &mut take))?;
                return expander.finish();
            }
            Some(_) => {
                let how = "it is in an encoding that was not asked for";
                return Err(Failure::Damaged(how.to_owned()));
            }
        }
        if let Some(size) = response.body().content_length().filter(|size| *size != address.size) {
            return Err(Failure::Damaged(format!("it has {size} bytes, not {}", address.size)));
        }
        receive(&mut response, &mut take)
    }

    fn has_blob(&self, address: &Address) -> Result<bool, Failure> {
        is_there(&self.head(address)?)
    }

    fn save_blob(&self, address: &Address, file: &File) -> Result<(), Failure> {
        if self.save_small(address, file)? {
            return Ok(());
        }
        let mut file = file;
        file.rewind().map_err(|error| {
            Failure::Failed(format!("a file of the local cache cannot be read: {error}"))
        })?;
        self.put(&self.blob_url(&address.name), &Sent::Plain, file)
    }

    fn save_entry(&self, name: &Name, message: &[u8]) -> Result<(), Failure> {
        self.put(&self.entry_url(name), &Sent::Plain, message)
    }
}

/// Whether an answer can mean that the encoding of what was sent, or that its length was not told, is not to a server's liking.
fn is_about_encoding(response: &Response<Body>) -> bool {
    use StatusCode as Status;
    let all = [Status::BAD_REQUEST, Status::UNSUPPORTED_MEDIA_TYPE, Status::LENGTH_REQUIRED];
    all.contains(&response.status())
}

fn is_there(response: &Response<Body>) -> Result<bool, Failure> {
    match response.status() {
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(false),
        _ => check(response, "reading").map(|()| true),
    }
}

fn check(response: &Response<Body>, what: &str) -> Result<(), Failure> {
    let status = response.status();
    match status {
        _ if status.is_success() => Ok(()),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Err(Failure::Denied(format!("it refuses {what} ({status})")))
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            Err(Failure::Refused(format!("it does not know {what} ({status})")))
        }
        StatusCode::TOO_MANY_REQUESTS => {
            Err(Failure::Refused(format!("it asks to be left alone ({status})")))
        }
        _ if status.is_redirection() => Err(Failure::Refused(format!(
            "it points to another place ({status}), and no redirect is followed"
        ))),
        _ => Err(Failure::Failed(format!("it answers {status}"))),
    }
}

/// Gives what comes to `take`, as long as it comes fast enough.
fn receive(
    response: &mut Response<Body>,
    take: &mut dyn FnMut(&[u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut body = response.body_mut().as_reader();
    let mut buffer = vec![0; CHUNK];
    let mut pace = Pace::new();
    loop {
        let come = pace.read(&mut body, &mut buffer)?;
        if come.is_empty() {
            return Ok(());
        }
        take(come)?;
    }
}

/// Whether what is sent comes fast enough.
pub(super) struct Pace {
    since: Instant,
    come: u64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), come: 0 }
    }

    /// What comes next of `body`; nothing at its end.
    pub(super) fn read<'a>(
        &mut self,
        body: &mut dyn io::Read,
        buffer: &'a mut [u8],
    ) -> Result<&'a [u8], Failure> {
        let count = loop {
            match body.read(buffer) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failure(error.into())),
            }
        };
        self.come += count as u64;
        if self.since.elapsed() >= ANSWER {
            if self.come < SLOWEST && count > 0 {
                return Err(Failure::Unreachable("what it sends comes too slowly".to_owned()));
            }
            *self = Self::new();
        }
        Ok(buffer.get(..count).unwrap_or_default())
    }
}

/// What an error of the connection means for the next request. No text of these errors has what we sent.
pub(super) fn failure(error: Error) -> Failure {
    use io::ErrorKind;
    match error {
        Error::HostNotFound => Failure::Unreachable("its host is not known".to_owned()),
        Error::ConnectionFailed => Failure::Unreachable("it cannot be reached".to_owned()),
        Error::Timeout(_) => Failure::Unreachable("it does not answer in time".to_owned()),
        Error::Tls(_) | Error::Rustls(_) => {
            Failure::Unreachable(format!("no encrypted connection comes about: {error}"))
        }
        Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => {
                Failure::Broken(format!("the connection breaks off: {error}"))
            }
            // What cannot be deciphered, or comes from somebody else.
            ErrorKind::InvalidData => {
                Failure::Unreachable(format!("no encrypted connection comes about: {error}"))
            }
            _ => Failure::Unreachable(format!("it cannot be reached: {error}")),
        },
        error => Failure::Broken(format!("its answer cannot be read: {error}")),
    }
}
