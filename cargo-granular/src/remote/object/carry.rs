//! Carries the requests of `object_store` over the HTTP client that all remotes share, with the same patience: one try for each, no redirect, and
//! nothing in the open but on this machine or to the one that it runs on.
//!
//! An answer that is not as it should be is turned into a [`Failure`] here, where all of it can be seen; who asked finds it again with [`failure`].

use super::super::http::{self, Pace};
use super::super::patience::SAVED;
use super::super::place::is_loopback;
use super::super::wire::Failure;
use async_trait::async_trait;
use bytes::Bytes;
use granular::digest::CHUNK;
use http_body::{Body, Frame};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use std::error::Error;
use std::fmt;
use std::io::Read as _;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use ureq::http::{Method, Request, Response, StatusCode, Uri};
use ureq::{Agent, BodyReader};

/// How long the machine that runs this one may take to be reached: it is near, or not there.
const NEAR: Duration = Duration::from_secs(1);

/// So much is read of an answer that is not what is kept, in bytes.
const WORDS: u64 = 256 * 1024;

/// What carries requests.
#[derive(Clone)]
pub(super) struct Carrier {
    agent: Agent,
    /// For this machine and the one that it runs on.
    near: Agent,
    /// Whether it may be spoken to in the open.
    is_open: bool,
    /// Why the machine that runs this one is not asked for credentials, if so.
    why_not: Option<String>,
}

impl Carrier {
    pub(super) fn new(is_open: bool, why_not: Option<String>) -> Self {
        Self { agent: http::agent(false), near: http::agent(true), is_open, why_not }
    }
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carrier")
    }
}

impl HttpConnector for Carrier {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Carrier {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.carry(request).map_err(carried)
    }
}

impl Carrier {
    fn carry(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let (parts, body) = request.into_parts();
        let (uri, method) = (parts.uri.clone(), parts.method.clone());
        let host = uri.host().unwrap_or_default();
        let errand = Errand::of(&uri);
        let is_near = is_near(host);
        let agent = if is_near || is_loopback(host) { &self.near } else { &self.agent };
        if let Some(why) = self.why_not.as_ref().filter(|_| errand == Errand::Credentials) {
            return Err(no_credentials(why));
        }
        if uri.scheme_str() != Some("https") && !is_loopback(host) && !is_near && !self.is_open {
            return Err(Failure::Refused(format!("{host} would be spoken to in the open")));
        }
        let is_sent = method == Method::PUT || method == Method::POST;
        let response = if is_sent {
            let bytes = gather(body);
            let config = agent.configure_request(Request::from_parts(parts, &bytes[..]));
            let config = match errand {
                Errand::Object => config
                    .timeout_recv_response(Some(SAVED))
                    .timeout_per_read(Some(SAVED))
                    .timeout_per_write(Some(SAVED)),
                Errand::Credentials if is_near => config.timeout_connect(Some(NEAR)),
                Errand::Credentials => config,
            };
            agent.run(config.build())
        } else {
            agent.run(Request::from_parts(parts, ()))
        };
        let response =
            response.map_err(http::failure).map_err(|failure| errand.blamed(failure, host))?;
        let is_kept = errand == Errand::Object && method == Method::GET;
        if response.status().is_success() {
            return Ok(arriving(response, (!is_kept).then_some(WORDS)));
        }
        let (parts, body) = response.into_parts();
        let mut words = Vec::new();
        let mut arriving = Arriving::new(body.into_reader(), Some(WORDS));
        while let Ok(Some(more)) = arriving.next() {
            words.extend_from_slice(&more);
        }
        let code = code(&words);
        let answer = match &code {
            Some(code) => format!("{} {code}", parts.status),
            None => parts.status.to_string(),
        };
        let is_writing = method != Method::GET && method != Method::HEAD;
        match errand.failed(parts.status, code.as_deref(), &answer, is_writing, host) {
            Some(failure) => Err(failure),
            None => Ok(Response::from_parts(parts, HttpResponseBody::from(words))),
        }
    }
}

/// What a request is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Errand {
    /// What is kept.
    Object,
    /// Who we are.
    Credentials,
}

impl Errand {
    fn of(uri: &Uri) -> Self {
        // Google wants the name of an object to be one.
        let path = uri.path().replace("%2F", "/");
        let mut names = path.rsplit('/');
        let is_name = |name: &str| super::super::name::Name::parse(name).is_some();
        match (names.next().is_some_and(is_name), names.next()) {
            (true, Some("ac" | "cas")) => Self::Object,
            _ => Self::Credentials,
        }
    }

    /// Who does not give credentials cannot be reached for them; that is not the remote.
    fn blamed(self, failure: Failure, host: &str) -> Failure {
        match (self, failure) {
            (Self::Credentials, Failure::Unreachable(why) | Failure::Broken(why)) => {
                no_credentials(&format!("{host} was asked, and {why}"))
            }
            (_, failure) => failure,
        }
    }

    /// What an answer other than the right one means; `None` where it only says that something is not there.
    fn failed(
        self,
        status: StatusCode,
        code: Option<&str>,
        answer: &str,
        is_writing: bool,
        host: &str,
    ) -> Option<Failure> {
        if self == Self::Credentials {
            return Some(no_credentials(&format!("{host} was asked, and answers {answer}")));
        }
        let what = if is_writing { "writing" } else { "reading" };
        Some(match (status, code) {
            (_, Some("NoSuchBucket" | "ContainerNotFound")) => {
                Failure::Refused(format!("there is no such bucket ({answer})"))
            }
            (StatusCode::NOT_FOUND, _) => return None,
            (StatusCode::TOO_MANY_REQUESTS, _) | (_, Some("SlowDown" | "ServerBusy")) => {
                Failure::Refused(format!("it asks to be left alone ({answer})"))
            }
            (_, Some("RequestTimeTooSkewed")) => Failure::Refused(format!(
                "it refuses {what} ({answer}): the clock of this machine is wrong"
            )),
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => Failure::Refused(format!(
                "it refuses {what} ({answer}); the credentials of the environment need the rights that the documentation names"
            )),
            (
                StatusCode::BAD_REQUEST,
                Some("AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"),
            ) => another_region(answer),
            (
                StatusCode::BAD_REQUEST,
                Some("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired"),
            ) => Failure::Refused(format!(
                "it refuses {what} ({answer}); the credentials are not valid any more"
            )),
            _ if status.is_redirection() => another_region(answer),
            _ => Failure::Failed(format!("it answers {answer}")),
        })
    }
}

fn another_region(answer: &str) -> Failure {
    Failure::Refused(format!(
        "it says that the bucket is in another region ({answer}; AWS_REGION names it), and no redirect is followed"
    ))
}

fn no_credentials(why: &str) -> Failure {
    Failure::Refused(format!("there are no credentials: none in the environment, and {why}"))
}

/// The addresses at which clouds tell their machines who they are.
fn is_near(host: &str) -> bool {
    host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_link_local())
        || host == "[fd00:ec2::254]"
        || host == "metadata.google.internal"
        || host == "metadata"
}

/// The word for what is wrong, of an answer in XML.
fn code(words: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(words).ok()?;
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_word = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then(|| code.to_owned())
}

/// The bytes of a request; they are all there.
fn gather(mut body: HttpRequestBody) -> Bytes {
    let mut context = Context::from_waker(Waker::noop());
    let mut all: Vec<Bytes> = Vec::new();
    while let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut body).poll_frame(&mut context) {
        all.extend(frame.into_data());
    }
    match all.len() {
        1 => all.pop().unwrap_or_default(),
        _ => all.concat().into(),
    }
}

fn arriving(response: Response<ureq::Body>, most: Option<u64>) -> HttpResponse {
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, HttpResponseBody::new(Arriving::new(body.into_reader(), most)))
}

/// The body of an answer, read when it is asked for.
struct Arriving {
    body: BodyReader<'static>,
    pace: Pace,
    /// How many more bytes are read of what has a limit.
    left: Option<u64>,
    buffer: Vec<u8>,
}

impl Arriving {
    fn new(body: BodyReader<'static>, left: Option<u64>) -> Self {
        Self { body, pace: Pace::new(), left, buffer: Vec::new() }
    }

    fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if self.left == Some(0) {
            return Ok(None);
        }
        self.buffer.resize(CHUNK, 0);
        let come = match self.left {
            Some(left) => self.pace.read(&mut (&mut self.body).take(left), &mut self.buffer)?,
            None => self.pace.read(&mut self.body, &mut self.buffer)?,
        };
        self.left = self.left.map(|left| left.saturating_sub(come.len() as u64));
        Ok((!come.is_empty()).then(|| Bytes::copy_from_slice(come)))
    }
}

impl Body for Arriving {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let next = self.next().map_err(carried).transpose();
        Poll::Ready(next.map(|next| next.map(Frame::data)))
    }
}

/// A failure on its way through `object_store`.
#[derive(Debug)]
struct Carried {
    kind: fn(String) -> Failure,
    why: String,
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl Error for Carried {}

fn carried(failure: Failure) -> HttpError {
    let (kind, why): (fn(String) -> Failure, String) = match failure {
        Failure::Unreachable(why) => (Failure::Unreachable, why),
        Failure::Refused(why) => (Failure::Refused, why),
        Failure::Denied(why) => (Failure::Denied, why),
        Failure::Broken(why) => (Failure::Broken, why),
        Failure::Damaged(why) => (Failure::Damaged, why),
        Failure::Failed(why) => (Failure::Failed, why),
        Failure::Gone | Failure::Local(_) | Failure::NotAsked => (Failure::Failed, String::new()),
    };
    // Of a kind that nobody tries again.
    HttpError::new(HttpErrorKind::Unknown, Carried { kind, why })
}

/// The failure behind an error of `object_store`.
pub(super) fn failure(error: &(dyn Error + 'static)) -> Failure {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(carried) = error.downcast_ref::<Carried>() {
            return (carried.kind)(carried.why.clone());
        }
        if let Some(object_store::Error::NotFound { .. }) = error.downcast_ref() {
            return Failure::Gone;
        }
        next = error.source();
    }
    // What it says may repeat what was sent.
    Failure::Failed("its answer cannot be read".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_is_for_shows_in_its_path() {
        let name = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let errand = |uri: &str| Errand::of(&uri.parse().unwrap());
        assert_eq!(errand(&format!("https://h/b/p/cas/{name}?uploads=")), Errand::Object);
        assert_eq!(errand(&format!("https://h/ac/{name}")), Errand::Object);
        assert_eq!(errand(&format!("https://h/b/p%2Fcas%2F{name}")), Errand::Object);
        assert_eq!(errand("https://sts.example/?WebIdentityToken=x"), Errand::Credentials);
        assert_eq!(errand("http://169.254.169.254/latest/api/token"), Errand::Credentials);
    }

    #[test]
    fn only_addresses_of_the_machine_that_runs_this_one_are_near() {
        assert!(is_near("169.254.169.254") && is_near("169.254.170.2"));
        assert!(!is_near("169.254.example.com") && !is_near("10.0.0.1") && !is_near("127.0.0.1"));
    }

    #[test]
    fn only_a_word_is_repeated_of_what_an_answer_says() {
        assert_eq!(code(b"<Error><Code>SlowDown</Code>"), Some("SlowDown".to_owned()));
        assert_eq!(code(b"<Code>\x1b[31m</Code>"), None);
        assert_eq!(code(b"<html>"), None);
    }
}
