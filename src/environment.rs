//! The environment that a step sees: a small fixed base and what it declares. Knows no step and no file.

use crate::ordered::{Map, Set};
use crate::tools::KnownTool;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The variables of a step, by the part they play in its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Everything that the step sees, but for `set` and what the build adds (`GRANULAR_OUT` and the like).
    pub all: Map<OsString, OsString>,
    /// What is tracked: the value, or `None` if it is unset. A value that is not UTF-8 stands here escaped, injectively.
    pub tracked: Map<String, Option<String>>,
}

/// What every step sees as it is outside. None of it is part of a key.
#[cfg(not(windows))]
const BASE: &[&str] = &["PATH", "HOME", "TMPDIR"];

/// Without these, Windows starts hardly any program.
#[cfg(windows)]
const BASE: &[&str] = &[
    "PATH",
    "HOME",
    "TMPDIR",
    "SystemRoot",
    "SystemDrive",
    "windir",
    "ComSpec",
    "PATHEXT",
    "TEMP",
    "TMP",
    "USERPROFILE",
    "HOMEDRIVE",
    "HOMEPATH",
    "APPDATA",
    "LOCALAPPDATA",
    "ProgramData",
    "ProgramFiles",
    "ProgramFiles(x86)",
    "ProgramW6432",
    "CommonProgramFiles",
    "NUMBER_OF_PROCESSORS",
    "PROCESSOR_ARCHITECTURE",
    "OS",
];

/// What every step sees the same, wherever it runs, so that no program speaks another language or tells another time.
const FIXED: &[(&str, &str)] = &[("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC")];

/// What no step sees, whatever it declares, nor any program that is asked or run for one: secrets that say to a shared cache who we are. With them a step could write there what it likes.
pub const SECRETS: [&str; 4] = [
    // A URL in which user and password may stand.
    "GRANULAR_REMOTE",
    "GRANULAR_REMOTE_TOKEN",
    "GRANULAR_SIGNING_KEY",
    "GRANULAR_SIGNING_KEY_FILE",
];

/// The environment of a step with these declarations, for `tools` that it uses, out of `outer`, the environment of this process.
/// What a step or a tool declares is passed through as it is outside, set or not, also where the base would say otherwise.
pub fn strict(
    outer: &Map<OsString, OsString>,
    track: &Set<String>,
    pass: &Set<String>,
    tools: &[&KnownTool],
) -> Environment {
    let mut environment = Environment { all: base(outer), tracked: Map::new() };
    let tools_pass = tools.iter().flat_map(|tool| tool.pass.iter().copied().flatten().copied());
    let tools_track = tools.iter().flat_map(|tool| tool.track.iter().copied().flatten().copied());
    for name in tools_pass.chain(pass.iter().map(String::as_str)) {
        environment.pass(outer, name);
    }
    for name in tools_track.chain(track.iter().map(String::as_str)) {
        environment.pass(outer, name);
        let value = get(outer, name).filter(|_| !is_secret(name));
        environment.tracked.insert(name.to_owned(), value.map(|value| text_of(value)));
    }
    environment
}

/// The value of a variable of `env` that is set to some text.
pub fn variable<'a>(env: &'a Map<OsString, OsString>, name: &str) -> Option<&'a str> {
    env.get(OsStr::new(name)).and_then(|value| value.to_str()).filter(|value| !value.is_empty())
}

/// The value of a variable that names a path.
pub fn path(env: &Map<OsString, OsString>, name: &str) -> Option<PathBuf> {
    env.get(OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Whether every step sees the variable `name`.
pub(crate) fn is_given_to_all(name: &OsStr) -> bool {
    BASE.iter().any(|base| name == *base)
}

fn base(outer: &Map<OsString, OsString>) -> Map<OsString, OsString> {
    let passed =
        BASE.iter().filter_map(|name| Some((OsString::from(name), get(outer, name)?.clone())));
    let mut base: Map<_, _> =
        passed.chain(FIXED.iter().map(|(name, value)| (name.into(), value.into()))).collect();
    if cfg!(unix) {
        base.get_or_insert_with("TMPDIR".into(), || "/tmp".into());
    }
    base
}

impl Environment {
    fn pass(&mut self, outer: &Map<OsString, OsString>, name: &str) {
        match get(outer, name).filter(|_| !is_secret(name)) {
            Some(value) => self.all.insert(name.into(), value.clone()),
            None => self.all.remove(OsStr::new(name)),
        };
    }
}

fn is_secret(name: &str) -> bool {
    SECRETS.iter().any(|secret| match cfg!(windows) {
        true => secret.eq_ignore_ascii_case(name),
        false => *secret == name,
    })
}

/// The names of variables have no case on Windows.
fn get<'a>(env: &'a Map<OsString, OsString>, name: &str) -> Option<&'a OsString> {
    let exact = env.get(OsStr::new(name));
    match cfg!(windows) {
        true => {
            exact.or_else(|| Some(env.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1))
        }
        false => exact,
    }
}

/// No value holds a NUL, so that no value can imitate one that is not UTF-8 and stands here escaped behind a NUL.
fn text_of(value: &OsStr) -> String {
    match value.to_str() {
        Some(text) => text.to_owned(),
        None => format!("\0{}", value.as_encoded_bytes().escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::known;

    fn env(pairs: &[(&str, &str)]) -> Map<OsString, OsString> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn names(names: &[&str]) -> Set<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn of(outer: &[(&str, &str)], track: &[&str], pass: &[&str]) -> Environment {
        strict(&env(outer), &names(track), &names(pass), &[])
    }

    #[cfg(unix)]
    #[test]
    fn undeclared_variables_are_not_seen_and_locale_and_time_zone_are_fixed() {
        let outer = [
            ("PATH", "/bin"),
            ("HOME", "/home/me"),
            ("LANG", "de_DE.UTF-8"),
            ("LC_TIME", "de_DE"),
            ("TZ", "CET"),
            ("X", "1"),
        ];
        let seen = of(&outer, &[], &[]);
        let fixed = [("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8"), ("TZ", "UTC"), ("TMPDIR", "/tmp")];
        assert_eq!(
            seen.all,
            env(&[&[("PATH", "/bin"), ("HOME", "/home/me")], &fixed[..]].concat())
        );
        assert_eq!(seen.tracked, Map::new());
        assert_eq!(of(&[("TMPDIR", "/var/tmp")], &[], &[]).all[OsStr::new("TMPDIR")], "/var/tmp");
    }

    #[test]
    fn a_tracked_variable_is_seen_and_unset_is_not_empty() {
        let tracked = |outer: &[(&str, &str)]| {
            let seen = of(outer, &["FOO"], &[]);
            (seen.all.get(OsStr::new("FOO")).cloned(), seen.tracked["FOO"].clone())
        };
        assert_eq!(tracked(&[("FOO", "1")]), (Some("1".into()), Some("1".into())));
        assert_eq!(tracked(&[("FOO", "")]), (Some("".into()), Some("".into())));
        assert_eq!(tracked(&[]), (None, None));
    }

    #[test]
    fn a_passed_variable_is_seen_and_not_tracked_unless_it_is_both() {
        let seen = of(&[("TOKEN", "secret")], &[], &["TOKEN", "ABSENT"]);
        assert_eq!(seen.all[OsStr::new("TOKEN")], "secret");
        assert!(!seen.all.contains_key(OsStr::new("ABSENT")) && seen.tracked.is_empty());
        assert_eq!(of(&[("A", "1")], &["A"], &["A"]).tracked["A"], Some("1".into()));
    }

    #[test]
    fn what_tells_a_shared_cache_who_we_are_is_seen_by_no_step() {
        for name in SECRETS {
            let seen = of(&[(name, "secret")], &[name], &[name]);
            assert!(!seen.all.contains_key(OsStr::new(name)));
            assert_eq!(seen.tracked[name], None);
        }
    }

    #[test]
    fn what_is_declared_wins_over_the_base() {
        let seen = of(&[("TZ", "CET")], &["TZ", "LANG"], &[]);
        assert_eq!(seen.all[OsStr::new("TZ")], "CET");
        assert!(!seen.all.contains_key(OsStr::new("LANG")), "it is unset outside");
        assert_eq!(
            (seen.tracked["TZ"].clone(), seen.tracked["LANG"].clone()),
            (Some("CET".into()), None)
        );
    }

    #[test]
    fn a_known_tool_brings_what_it_needs() {
        let outer = [
            ("GOCACHE", "/c"),
            ("GOFLAGS", "-mod=mod"),
            ("https_proxy", "p"),
            ("SSL_CERT_FILE", "f"),
            ("NODE_ENV", "x"),
        ];
        let seen = strict(&env(&outer), &names(&[]), &names(&[]), &[known("go").unwrap()]);
        for name in ["GOCACHE", "GOFLAGS", "https_proxy", "SSL_CERT_FILE"] {
            assert!(seen.all.contains_key(OsStr::new(name)), "{name}");
        }
        assert!(!seen.all.contains_key(OsStr::new("NODE_ENV")));
        assert_eq!(seen.tracked["GOFLAGS"], Some("-mod=mod".into()));
        assert_eq!(seen.tracked["GOOS"], None);
        assert!(!seen.tracked.contains_key("GOCACHE"));
    }

    #[cfg(unix)]
    #[test]
    fn no_value_imitates_one_that_is_not_utf8() {
        use std::os::unix::ffi::OsStrExt;
        let values: [&[u8]; 6] =
            [b"caf\xe9", b"caf\\xe9", b"caf\\\\xe9", b"\\xe9", b"\xe9", "caf\u{e9}".as_bytes()];
        let texts: Set<_> = values.iter().map(|value| text_of(OsStr::from_bytes(value))).collect();
        assert_eq!(texts.len(), values.len(), "{texts:?}");
    }
}
