//! What looks like somebody's secret: files that are called as keys and passwords are, bytes that begin as a private key does, variables that are called as
//! tokens and passwords are.

use std::path::Path;

/// Names, in lower case.
const NAMES: [&str; 16] = [
    ".env",
    ".npmrc",
    ".yarnrc.yml",
    ".pypirc",
    ".netrc",
    "_netrc",
    ".pgpass",
    ".htpasswd",
    ".git-credentials",
    ".dockercfg",
    "credentials",
    "credentials.toml",
    "credentials.json",
    "id_rsa",
    "id_dsa",
    "kubeconfig",
];

/// How names begin.
const BEGINS: [&str; 5] = [".env.", "id_ed25519", "id_ecdsa", "id_rsa.", "id_rsa_"];

/// How names end.
const ENDS: [&str; 12] = [
    ".pem",
    ".key",
    ".p8",
    ".p12",
    ".pfx",
    ".jks",
    ".keystore",
    ".kdbx",
    ".ppk",
    ".env",
    ".tfstate",
    ".ovpn",
];

/// Directories in which all is of that kind.
const DIRECTORIES: [&str; 3] = [".ssh", ".gnupg", ".aws"];

/// Parts of the names of variables, between `_`.
const VARIABLES: [&str; 16] = [
    "TOKEN",
    "SECRET",
    "SECRETS",
    "KEY",
    "APIKEY",
    "PASSWORD",
    "PASSWD",
    "PASS",
    "PASSPHRASE",
    "PWD",
    "CREDENTIAL",
    "CREDENTIALS",
    "AUTH",
    "COOKIE",
    "PAT",
    "DSN",
];

/// A shorter value stands in many bytes by chance.
const SHORTEST: usize = 8;

/// What of any variable's value nobody else may see, unless the step means it to be seen; `None` where it is too short to be told from other bytes.
pub(super) fn value_in(value: &str) -> Option<&str> {
    Some(value.trim()).filter(|value| value.len() >= SHORTEST)
}

/// So many bytes decide.
pub(super) const BEGIN: usize = 128;

/// Whether a file with that path is called as a secret is.
pub(super) fn is_called_so(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let (directories, name) = path.rsplit_once('/').unwrap_or(("", &path));
    NAMES.contains(&name)
        // What is made to be seen by everybody has the same name and one more.
        || (BEGINS.iter().any(|begin| name.starts_with(begin)) && !name.ends_with(".pub"))
        || ENDS.iter().any(|end| name.ends_with(end))
        || directories.split('/').any(|directory| DIRECTORIES.contains(&directory))
}

/// The part of a variable's value that nobody else may see; `None` where it is called and looks otherwise than a secret.
pub(super) fn secret_in<'a>(name: &str, value: &'a str) -> Option<&'a str> {
    let name = name.to_ascii_uppercase();
    let mut parts = name.split('_');
    let is_called_so = parts.any(|part| VARIABLES.contains(&part)) || name.ends_with("TOKEN");
    let value = value.trim();
    // Where a socket or a file of keys lies is no secret.
    let is_path = Path::new(value).is_absolute() && Path::new(value).exists();
    let secret = is_called_so.then_some(value).or_else(|| login_of(value));
    secret.filter(|secret| secret.len() >= SHORTEST && !is_path)
}

/// User and password of a URL, whatever the variable is called that it stands in.
fn login_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let (login, _) = rest.split(['/', '?', '#']).next()?.rsplit_once('@')?;
    login.contains(':').then_some(login)
}

/// Whether bytes begin as a private key does that is written as text.
pub(super) fn begins_so(bytes: &[u8]) -> bool {
    let begin = bytes.get(..BEGIN).unwrap_or(bytes).trim_ascii_start();
    let begin = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin);
    let line = begin.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let kind = line.strip_prefix(b"-----BEGIN ");
    line.starts_with(b"PuTTY-User-Key-File-")
        || kind.is_some_and(|kind| memchr::memmem::find(kind, b"PRIVATE KEY").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_passwords_are_known_by_their_names() {
        for path in [
            ".env",
            "app/.env.production",
            "config/prod.env",
            "id_rsa",
            "x/id_ed25519",
            "id_ed25519_sk",
            "tls/server.pem",
            "tls/SERVER.KEY",
            "a.p12",
            "a.pfx",
            "a.jks",
            ".npmrc",
            ".netrc",
            ".aws/credentials",
            ".ssh/config",
            "vault.kdbx",
        ] {
            assert!(is_called_so(path), "{path}");
        }
        for path in [
            "env",
            "environment",
            "id_rsa2.txt",
            "id_ed25519.pub",
            "keys",
            "a.keys",
            "a.pem.txt",
            "keyboard",
            "main.js",
        ] {
            assert!(!is_called_so(path), "{path}");
        }
    }

    #[test]
    fn variables_that_are_called_as_secrets_are_have_one_in_them() {
        for name in ["NPM_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "githubtoken", "API_KEY"]
        {
            assert_eq!(secret_in(name, " 123456789\n"), Some("123456789"), "{name}");
        }
        for name in ["CARGO_HOME", "RUSTUP_TOOLCHAIN", "KEYBOARD", "TOKENIZER", "LOG"] {
            assert_eq!(secret_in(name, "123456789"), None, "{name}");
        }
        let url = "postgres://me:secret@db.example/x?y=@";
        assert_eq!(secret_in("DATABASE_URL", url), Some("me:secret"));
        for url in ["https://me@host.example/a:b@c", "https://host.example:8080/x", "me:secret@h"] {
            assert_eq!(secret_in("DATABASE_URL", url), None, "{url}");
        }
        assert_eq!(secret_in("SSH_AUTH_SOCK", env!("CARGO_MANIFEST_DIR")), None);
        assert_eq!(secret_in("NPM_TOKEN", "none"), None);
    }

    #[test]
    fn private_keys_are_known_by_their_first_line() {
        for bytes in [
            &b"-----BEGIN PRIVATE KEY-----\nMC4C"[..],
            b"-----BEGIN OPENSSH PRIVATE KEY-----\r\n",
            b"\n  -----BEGIN RSA PRIVATE KEY-----\n",
            b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
        ] {
            assert!(begins_so(bytes));
        }
        for bytes in [
            &b"-----BEGIN CERTIFICATE-----\nPRIVATE KEY"[..],
            b"-----BEGIN PUBLIC KEY-----\n",
            b"see -----BEGIN PRIVATE KEY-----\n",
            b"",
        ] {
            assert!(!begins_so(bytes));
        }
    }
}
