//! Where a remote is: a URL, taken apart and checked. Pure.

use ureq::http::Uri;
use ureq::http::uri::Authority;

/// A kind of remote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scheme {
    /// `https://` and `http://`.
    Http,
    /// `grpcs://` and `grpc://`.
    Grpc,
    /// A bucket of S3, or of what speaks like it.
    S3,
    /// One of Google Cloud Storage.
    Gs,
    /// A container of Azure.
    Az,
}

/// A remote that can be spoken to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) scheme: Scheme,
    /// The URL without user and password, and without a slash at the end.
    pub(super) base: String,
    /// The host, with the port if one is named, or the bucket with its scheme: what messages call it, and what a token is given for.
    pub(super) host: String,
    /// The bucket, where it is in one.
    pub(super) bucket: String,
    /// What follows the host or bucket, without a slash at the end.
    pub(super) path: String,
    /// User and password, where the URL has them.
    pub(super) user: Option<String>,
    /// Whether what is sent can be read on the way.
    pub(super) is_open: bool,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.base)
    }
}

impl Place {
    /// Takes a URL apart; what is wrong with it, as what follows "the remote cannot be used: ". No message repeats what may be a password.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let (scheme, _) = url.split_once("://").ok_or("its URL has no scheme")?;
        let kind = match scheme {
            "https" | "http" => Scheme::Http,
            "grpcs" | "grpc" => Scheme::Grpc,
            "s3" => Scheme::S3,
            "gs" => Scheme::Gs,
            "az" => Scheme::Az,
            _ => return Err(format!("there is no kind of remote called `{scheme}://`")),
        };
        let uri: Uri = url.parse().map_err(|_| "its URL is malformed")?;
        let authority = uri.authority().ok_or("its URL names no host")?;
        let (user, host) = match authority.as_str().rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host.to_owned()),
            None => (None, authority.as_str().to_owned()),
        };
        if authority.host().is_empty() || uri.query().is_some() {
            return Err("its URL is not of a host and a path".to_owned());
        }
        let path = uri.path().trim_end_matches('/').to_owned();
        let is_open = matches!(scheme, "http" | "grpc") && !is_loopback(authority.host());
        let base = format!("{scheme}://{host}{path}");
        if matches!(kind, Scheme::Http | Scheme::Grpc) {
            return Ok(Self {
                scheme: kind,
                base,
                host,
                bucket: String::new(),
                path,
                user,
                is_open,
            });
        }
        if user.is_some() || authority.port().is_some() {
            return Err(format!("its URL is not `{scheme}://BUCKET/PREFIX`"));
        }
        let named = format!("{scheme}://{host}");
        Ok(Self { scheme: kind, base, host: named, bucket: host, path, user, is_open })
    }

    /// Whether it is this machine.
    pub(super) fn is_near(&self) -> bool {
        self.host.parse::<Authority>().is_ok_and(|authority| is_loopback(authority.host()))
    }

    /// Whether who we are is told by what its provider has in the environment, and not by a token of ours.
    pub(super) fn is_bucket(&self) -> bool {
        !matches!(self.scheme, Scheme::Http | Scheme::Grpc)
    }
}

/// Whether what is sent to an address can be read on the way; `None` for what is none.
pub(super) fn is_in_the_open(address: &str) -> Option<bool> {
    let uri: Uri = address.parse().ok()?;
    match uri.scheme_str()? {
        "https" => Some(false),
        "http" => Some(!is_loopback(uri.host()?)),
        _ => None,
    }
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let place = Place::parse("https://me:secret@cache.example:8443/team/a/").unwrap();
        assert_eq!(place.base, "https://cache.example:8443/team/a");
        assert_eq!(place.host, "cache.example:8443");
        assert_eq!(place.user.as_deref(), Some("me:secret"));
        assert!(!format!("{place:?}").contains("secret"));
    }

    #[test]
    fn a_bucket_is_taken_apart() {
        let place = Place::parse("s3://team-cache/granular/main/").unwrap();
        assert_eq!((place.host.as_str(), place.bucket.as_str()), ("s3://team-cache", "team-cache"));
        assert_eq!((place.path.as_str(), place.is_open), ("/granular/main", false));
        assert!(Place::parse("gs://b").is_ok() && Place::parse("az://c/x").is_ok());
        for url in ["s3://id:secret@bucket", "s3://bucket:9000", "s3://", "s3://bucket?secret"] {
            let why = Place::parse(url).unwrap_err();
            assert!(!why.contains("secret"), "{why}");
        }
    }

    #[test]
    fn only_this_machine_is_spoken_to_in_the_open() {
        let is_open = |url| Place::parse(url).unwrap().is_open;
        assert!(is_open("http://cache.example") && is_open("http://localhost.example"));
        assert!(!is_open("http://localhost:1") && !is_open("http://127.8.9.1/x"));
        assert!(!is_open("http://[::1]:80") && !is_open("https://cache.example"));
        assert!(is_open("grpc://cache.example") && !is_open("grpc://localhost:9092/main"));
        assert!(!is_open("grpcs://cache.example"));
    }

    #[test]
    fn what_is_no_remote_is_refused_without_a_word_of_it() {
        for url in [
            "cache.example",
            "ftp://u:secret@h",
            "https://",
            "https://h:x:secret",
            "https://h?a=secret",
        ] {
            let why = Place::parse(url).unwrap_err();
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
