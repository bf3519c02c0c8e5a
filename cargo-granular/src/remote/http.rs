//! The kind of remote that is spoken to over HTTP, in the layout of Bazel's HTTP cache: `ac/NAME` is an entry, `cas/NAME` a blob; GET, HEAD and PUT.
//!
//! It follows no redirect, so that what it is told goes to one host, and takes no encoding, so that what arrives is what was announced.

use super::ask::{Asked, Credential};
use super::message;
use super::name::{Address, Name};
use super::wire::{Failure, Wire};
use granular::digest::CHUNK;
use granular::store::StoreError;
use std::fs::File;
use std::io::{self, Read as _};
use std::time::{Duration, Instant};
use ureq::http::{Response, StatusCode};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Error};

/// How long it may take to find the host, and then to reach it.
const CONNECT: Duration = Duration::from_secs(2);

/// How long an answer may take to begin, and to go on.
const ANSWER: Duration = Duration::from_secs(3);

/// How long writing may stand still, and its answer may take: servers look at it first. Nothing waits for that but the end of a build, which has its own limit.
const SAVED: Duration = Duration::from_secs(60);

/// What comes more slowly than this many bytes in the time of [`ANSWER`] is given up.
const SLOWEST: u64 = 16 * 1024;

/// A remote over HTTP.
pub(super) struct Http {
    agent: Agent,
    base: String,
    /// The value of the header that says who we are.
    authorization: Option<String>,
}

impl Http {
    /// The remote that was asked for. Speaks to nobody yet.
    pub(super) fn new(asked: &Asked) -> Self {
        // What the system trusts, which may be a team's own authority.
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
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
            .timeout_per_write(Some(ANSWER))
            .build();
        let authorization = asked.credential.as_ref().map(|credential| match credential {
            Credential::Bearer(token) => format!("Bearer {token}"),
            Credential::Basic(user) => format!("Basic {}", base64(user.as_bytes())),
        });
        Self { agent: config.new_agent(), base: asked.place.base.clone(), authorization }
    }

    fn get(&self, url: &str) -> Result<Response<Body>, Failure> {
        let request = self.agent.get(url);
        let request = match &self.authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        };
        request.call().map_err(failure)
    }

    fn put(&self, url: &str, body: impl ureq::AsSendBody) -> Result<(), Failure> {
        let request = self.agent.put(url).content_type("application/octet-stream");
        let request = match &self.authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        };
        let config = request.config();
        let config = config.timeout_recv_response(Some(SAVED)).timeout_per_read(Some(SAVED));
        let config = config.timeout_per_write(Some(SAVED));
        let mut response = config.build().send(body).map_err(failure)?;
        check(&response, "writing")?;
        // A connection serves again when nothing is left in it; what stands there says nothing to us.
        let _ = io::copy(&mut response.body_mut().as_reader().take(4096), &mut io::sink());
        Ok(())
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
        let mut response = self.get(&self.entry_url(name))?;
        if !is_there(&response)? {
            return Ok(None);
        }
        let mut message = Vec::new();
        let mut take = |bytes: &[u8]| {
            if message.len() + bytes.len() > message::SIZE_MAX {
                return Err(Failure::Damaged("it is larger than any entry".to_owned()));
            }
            message.extend_from_slice(bytes);
            Ok(())
        };
        receive(&mut response, &mut take)?;
        Ok(Some(message))
    }

    fn blob(
        &self,
        address: &Address,
        take: &mut dyn FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<(), Failure> {
        let mut response = self.get(&self.blob_url(&address.name))?;
        if !is_there(&response)? {
            return Err(Failure::Gone);
        }
        if let Some(size) = response.body().content_length().filter(|size| *size != address.size) {
            return Err(Failure::Damaged(format!("it has {size} bytes, not {}", address.size)));
        }
        receive(&mut response, &mut |bytes| {
            take(bytes).map_err(|error| match error {
                StoreError::Damaged { how, .. } => Failure::Damaged(how),
                error => Failure::Local(error),
            })
        })
    }

    fn has_blob(&self, address: &Address) -> Result<bool, Failure> {
        let request = self.agent.head(self.blob_url(&address.name));
        let request = match &self.authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        };
        is_there(&request.call().map_err(failure)?)
    }

    fn save_blob(&self, address: &Address, file: &File) -> Result<(), Failure> {
        self.put(&self.blob_url(&address.name), file)
    }

    fn save_entry(&self, name: &Name, message: &[u8]) -> Result<(), Failure> {
        self.put(&self.entry_url(name), message)
    }
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
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Failure::Refused(format!(
            "it refuses {what} ({status}; GRANULAR_REMOTE_TOKEN, or user and password in GRANULAR_REMOTE, tell it who asks)"
        ))),
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
    let (mut since, mut come) = (Instant::now(), 0);
    loop {
        let count = match body.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failure(error.into())),
        };
        take(buffer.get(..count).unwrap_or_default())?;
        come += count as u64;
        if since.elapsed() >= ANSWER {
            if come < SLOWEST {
                return Err(Failure::Unreachable("what it sends comes too slowly".to_owned()));
            }
            (since, come) = (Instant::now(), 0);
        }
    }
}

/// What an error of the connection means for the next request. No text of these errors has what we sent.
fn failure(error: Error) -> Failure {
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

/// What follows `Basic` in the header that says who we are.
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn users_and_passwords_are_written_as_servers_read_them() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
