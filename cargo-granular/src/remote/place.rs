//! Where a remote is: a URL, taken apart and checked. Pure.

use ureq::http::Uri;

/// A remote that can be spoken to.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The URL without user and password, and without a slash at the end.
    pub(super) base: String,
    /// The host, with the port if one is named: what messages call it, and what a token is given for.
    pub(super) host: String,
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
        if !matches!(scheme, "https" | "http" | "grpcs" | "grpc") {
            return Err(format!("there is no kind of remote called `{scheme}://`"));
        }
        let uri: Uri = url.parse().map_err(|_| "its URL is malformed")?;
        let authority = uri.authority().ok_or("its URL names no host")?;
        let (user, host) = match authority.as_str().rsplit_once('@') {
            Some((user, host)) => (Some(user.to_owned()), host.to_owned()),
            None => (None, authority.as_str().to_owned()),
        };
        if authority.host().is_empty() || uri.query().is_some() {
            return Err("its URL is not of a host and a path".to_owned());
        }
        let path = uri.path().trim_end_matches('/');
        let is_open = matches!(scheme, "http" | "grpc") && !is_loopback(authority.host());
        Ok(Self { base: format!("{scheme}://{host}{path}"), host, user, is_open })
    }
}

/// Whether a host is this machine.
fn is_loopback(host: &str) -> bool {
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
