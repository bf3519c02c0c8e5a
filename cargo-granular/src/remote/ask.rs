//! Which remote is meant, and what may be done with it: from flags, variables and settings. Pure.
//!
//! Who can edit the checkout decides on its settings, and in a pull request that is anybody. So a setting can name a remote and no more: whether anything
//! is written, whether it may be spoken to in the open, and to which host a token is sent is said outside of the checkout.

use super::ci;
use super::place::{Place, Scheme};
use crate::cli::{RemoteFlags, WriteMode};
use crate::session::variable;
use crate::trouble::{Result, Trouble};
use granular::ordered::Map;
use std::ffi::OsString;
use std::time::Duration;

/// Names a remote, or says `off` or `require`.
const REMOTE: &str = "GRANULAR_REMOTE";
/// Whether it is written to.
const WRITE: &str = "GRANULAR_REMOTE_WRITE";
/// What it is told so that it knows us.
const TOKEN: &str = "GRANULAR_REMOTE_TOKEN";
/// For which host the token is, where the URL comes from the checkout.
const TOKEN_HOST: &str = "GRANULAR_REMOTE_TOKEN_HOST";
/// Lets it be spoken to without encryption.
const INSECURE: &str = "GRANULAR_REMOTE_INSECURE";
/// For how long the end of a build may wait for what is still to be written, in seconds.
const WAIT: &str = "GRANULAR_REMOTE_WAIT";

/// The usual value of that.
const USUAL_WAIT: Duration = Duration::from_secs(10);

/// A remote, and what may be done with it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    pub(super) place: Place,
    /// What it is told so that it knows us.
    pub(super) credential: Option<Credential>,
    /// Why nothing is written to it, if so.
    pub(super) read_only: Option<String>,
    /// Whether the build is to fail where it cannot be used.
    pub(super) is_required: bool,
    /// For how long the end of a build may wait.
    pub(super) wait: Duration,
    /// What to warn of.
    pub(super) warnings: Vec<String>,
}

/// What a remote is told so that it knows us. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Credential {
    /// A token.
    Bearer(String),
    /// User and password, with a colon between them.
    Basic(String),
}

impl Credential {
    /// The value of the header that says it.
    pub(super) fn authorization(&self) -> String {
        match self {
            Self::Bearer(token) => format!("Bearer {token}"),
            Self::Basic(user) => format!("Basic {}", base64(user.as_bytes())),
        }
    }
}

/// What follows `Basic` in the header that says who we are.
fn base64(bytes: &[u8]) -> String {
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

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[a secret]")
    }
}

impl Asked {
    /// What can be done about a remote that does not let us do what we ask for.
    pub(super) fn way_in(&self) -> &'static str {
        match &self.credential {
            None => {
                "GRANULAR_REMOTE_TOKEN, or user and password in GRANULAR_REMOTE, tell it who asks"
            }
            Some(Credential::Bearer(_)) => "the token in GRANULAR_REMOTE_TOKEN does not suffice",
            Some(Credential::Basic(_)) => "the user and password in GRANULAR_REMOTE do not suffice",
        }
    }
}

/// What is asked for; `None` where no remote is meant.
pub(super) fn asked(
    flags: &RemoteFlags,
    env: &Map<OsString, OsString>,
    setting: Option<&str>,
    offline: bool,
) -> Result<Option<Asked>> {
    let named = variable(env, REMOTE);
    let words = || flags.remote.iter().map(String::as_str).chain(named);
    let is_required = words().any(|word| word == "require");
    let own = words().find(|word| *word != "require");
    if own == Some("off") || offline {
        return Ok(None);
    }
    let Some(url) = own.or(setting) else {
        return match is_required {
            true => Err(Trouble::Usage {
                message: "a remote cache is required, and none is named".to_owned(),
                help: Some(format!("name one with {REMOTE} or the setting `remote`")),
            }),
            false => Ok(None),
        };
    };
    let is_own = own.is_some();
    let place = place(url, is_own, env)?;
    let mut warnings = Vec::new();
    let credential = credential(&place, is_own, env, &mut warnings);
    let read_only =
        read_only(flags.remote_write, env)?.or_else(|| foreign(&place, is_own, env, &mut warnings));
    Ok(Some(Asked { place, credential, read_only, is_required, wait: wait(env)?, warnings }))
}

fn place(url: &str, is_own: bool, env: &Map<OsString, OsString>) -> Result<Place> {
    let place = Place::parse(url).map_err(|why| Trouble::Usage {
        message: format!("the remote cache cannot be used: {why}"),
        help: Some(
            "a remote is written `https://HOST/PATH`, `grpcs://HOST/INSTANCE` or `s3://BUCKET/PREFIX`".to_owned(),
        ),
    })?;
    if place.user.is_some() && !is_own {
        return Err(Trouble::Usage {
            message: "the setting `remote` has a user and a password in it, which everybody can read there".to_owned(),
            help: Some(format!("leave them out, and set {TOKEN} and {TOKEN_HOST} or the whole URL in {REMOTE}")),
        });
    }
    if place.is_open && !is_insecure(env) {
        return Err(in_the_open(&place));
    }
    Ok(place)
}

/// Whether a remote may be spoken to without encryption.
pub(super) fn is_insecure(env: &Map<OsString, OsString>) -> bool {
    is_on(env, INSECURE)
}

/// That it may not.
pub(super) fn in_the_open(place: &Place) -> Trouble {
    Trouble::Usage {
        message: format!(
            "the remote cache at {} is to be spoken to without encryption, so that anybody on the way could put results there",
            place.host
        ),
        help: Some(format!(
            "use `{}s://`, or set {INSECURE}=1 where the network can be trusted",
            if place.scheme == Scheme::Grpc { "grpc" } else { "http" }
        )),
    }
}

/// A token goes to the host that it was given for: the one that stands beside it in the environment, or whose URL does.
fn credential(
    place: &Place,
    is_own: bool,
    env: &Map<OsString, OsString>,
    warnings: &mut Vec<String>,
) -> Option<Credential> {
    if let Some(user) = &place.user {
        return Some(Credential::Basic(user.clone()));
    }
    if place.is_bucket() {
        return None;
    }
    let token = variable(env, TOKEN)?;
    let is_for_it = match variable(env, TOKEN_HOST) {
        Some(host) => host == place.host,
        None => is_own,
    };
    if !is_for_it {
        warnings.push(format!(
            "{TOKEN} is not sent to {}, for which it was not given ({TOKEN_HOST}={} does so)",
            place.host, place.host
        ));
    }
    is_for_it.then(|| Credential::Bearer(token.to_owned()))
}

/// What a bucket's provider is told is not sent to whom the bucket belongs to; but who can edit the checkout could name a bucket of their own and have
/// results written to it. So one is written that is named outside of the checkout.
fn foreign(
    place: &Place,
    is_own: bool,
    env: &Map<OsString, OsString>,
    warnings: &mut Vec<String>,
) -> Option<String> {
    let host = &place.host;
    if is_own || !place.is_bucket() || variable(env, TOKEN_HOST) == Some(host) {
        return None;
    }
    let why = format!(
        "only the checkout names {host} ({REMOTE}, or {TOKEN_HOST}={host}, lets it be written)"
    );
    warnings.push(format!("nothing is written to the remote cache, for {why}"));
    Some(why)
}

/// Why nothing is written, if so.
fn read_only(flag: Option<WriteMode>, env: &Map<OsString, OsString>) -> Result<Option<String>> {
    let mode = match (flag, variable(env, WRITE)) {
        (Some(mode), _) => mode,
        (None, None | Some("0" | "false" | "off")) => WriteMode::Off,
        (None, Some("1" | "true" | "on")) => WriteMode::On,
        (None, Some("always")) => WriteMode::Always,
        (None, Some(other)) => {
            let message = format!("`{other}` cannot be the value of {WRITE}");
            let help = Some("there are `on`, `off` and `always`".to_owned());
            return Err(Trouble::Usage { message, help });
        }
    };
    Ok(match mode {
        WriteMode::Always => None,
        WriteMode::Off => Some(format!("writing was not asked for ({WRITE}=on does)")),
        WriteMode::On => ci::pull_request(env)
            .map(|it| format!("{} says in {} that this is a pull request", it.system, it.variable)),
    })
}

fn wait(env: &Map<OsString, OsString>) -> Result<Duration> {
    let Some(text) = variable(env, WAIT) else { return Ok(USUAL_WAIT) };
    let seconds = text.parse().ok().map(Duration::from_secs);
    seconds.ok_or_else(|| {
        Trouble::usage(format!("`{text}` cannot be the value of {WAIT}: it is a number of seconds"))
    })
}

fn is_on(env: &Map<OsString, OsString>, name: &str) -> bool {
    matches!(variable(env, name), Some("1" | "true" | "on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(flags: &[&str], env: &[(&str, &str)], setting: Option<&str>) -> Result<Option<Asked>> {
        let remote = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let env = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        asked(&RemoteFlags { remote, remote_write: None }, &env, setting, false)
    }

    fn asked_for(env: &[(&str, &str)], setting: Option<&str>) -> Asked {
        ask(&[], env, setting).unwrap().unwrap()
    }

    const SETTING: Option<&str> = Some("https://setting.example");

    #[test]
    fn users_and_passwords_are_written_as_servers_read_them() {
        for (bytes, text) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_flag_is_stronger_than_the_variable_and_that_than_the_setting() {
        let host = |flags: &[&str], env: &[(&str, &str)]| {
            ask(flags, env, SETTING).unwrap().map(|asked| asked.place.host)
        };
        let env = [("GRANULAR_REMOTE", "https://variable.example")];
        assert_eq!(host(&["https://flag.example"], &env).as_deref(), Some("flag.example"));
        assert_eq!(host(&[], &env).as_deref(), Some("variable.example"));
        assert_eq!(host(&[], &[]).as_deref(), Some("setting.example"));
        assert_eq!(host(&["off"], &env), None);
        assert_eq!(host(&[], &[("GRANULAR_REMOTE", "off")]), None);
        assert!(ask(&[], &[], None).unwrap().is_none());
    }

    #[test]
    fn requiring_goes_with_whatever_is_named() {
        let require = ["require"];
        assert!(ask(&require, &[], SETTING).unwrap().unwrap().is_required);
        assert!(ask(&["require", "https://a.example"], &[], None).unwrap().unwrap().is_required);
        assert!(!asked_for(&[], SETTING).is_required);
        assert!(ask(&require, &[], None).is_err());
    }

    #[test]
    fn nothing_is_written_unless_asked_for_and_never_by_a_pull_request_unless_insisted_on() {
        let read_only = |env: &[(&str, &str)]| asked_for(env, SETTING).read_only;
        assert!(read_only(&[]).unwrap().contains("not asked for"));
        assert_eq!(read_only(&[("GRANULAR_REMOTE_WRITE", "1")]), None);
        let mut env = vec![("GRANULAR_REMOTE_WRITE", "on"), ("GITHUB_EVENT_NAME", "pull_request")];
        assert!(read_only(&env).unwrap().contains("GitHub Actions"));
        env[0].1 = "always";
        assert_eq!(read_only(&env), None);
        assert!(ask(&[], &[("GRANULAR_REMOTE_WRITE", "maybe")], SETTING).is_err());
    }

    #[test]
    fn a_token_goes_only_to_the_host_that_it_was_given_for() {
        let token = ("GRANULAR_REMOTE_TOKEN", "secret");
        let sent = |env: &[(&str, &str)], setting| {
            let asked = asked_for(env, setting);
            assert_eq!(asked.warnings.is_empty(), asked.credential.is_some());
            asked.credential.is_some()
        };
        assert!(!sent(&[token], SETTING), "the checkout could name any host");
        assert!(sent(&[token, ("GRANULAR_REMOTE_TOKEN_HOST", "setting.example")], SETTING));
        assert!(!sent(&[token, ("GRANULAR_REMOTE_TOKEN_HOST", "other.example")], SETTING));
        assert!(sent(&[token, ("GRANULAR_REMOTE", "https://mine.example")], SETTING));
        let env = [
            token,
            ("GRANULAR_REMOTE", "https://a.example"),
            ("GRANULAR_REMOTE_TOKEN_HOST", "b.example"),
        ];
        assert!(!sent(&env, SETTING));
        assert!(!format!("{:?}", asked_for(&[token], SETTING)).contains("secret"));
    }

    #[test]
    fn a_bucket_that_only_the_checkout_names_is_not_written() {
        let write = ("GRANULAR_REMOTE_WRITE", "always");
        let setting = Some("s3://theirs/x");
        let asked = asked_for(&[write], setting);
        assert!(asked.read_only.unwrap().contains("only the checkout names s3://theirs"));
        assert_eq!(asked.warnings.len(), 1);
        for more in
            [("GRANULAR_REMOTE_TOKEN_HOST", "s3://theirs"), ("GRANULAR_REMOTE", "s3://mine")]
        {
            let asked = asked_for(&[write, more], setting);
            assert_eq!((asked.read_only, asked.warnings.len()), (None, 0));
        }
        let other = ("GRANULAR_REMOTE_TOKEN_HOST", "s3://mine");
        assert!(asked_for(&[write, other], setting).read_only.is_some());
        let token = ("GRANULAR_REMOTE_TOKEN", "secret");
        assert_eq!(asked_for(&[write, token], setting).credential, None);
        assert!(asked_for(&[], setting).warnings.is_empty(), "nobody wants to write");
    }

    #[test]
    fn a_setting_holds_no_password_and_nothing_is_sent_in_the_open() {
        assert!(ask(&[], &[], Some("https://me:secret@setting.example")).is_err());
        let own = ("GRANULAR_REMOTE", "https://me:secret@mine.example");
        assert_eq!(
            asked_for(&[own], None).credential,
            Some(Credential::Basic("me:secret".to_owned()))
        );
        assert!(ask(&[], &[], Some("http://setting.example")).is_err());
        let insecure = [("GRANULAR_REMOTE_INSECURE", "1")];
        assert!(ask(&[], &insecure, Some("http://setting.example")).is_ok());
    }
}
