//! Keys of ed25519: who somebody is, and that he has said something. The only module that knows how signatures are made. Pure, but for the bytes of a new key.

use super::domain::Pattern;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use granular::digest::Hash;
use std::fmt;

/// What stands in front of every text that is signed, so that no signature of ours can be taken for one of something else, nor one of something else for ours.
const CONTEXT: &[u8] = b"cargo granular, a statement on an entry of a shared cache\0";

/// How a public key begins, and a secret one.
const PUBLIC: &str = "ed25519:";
const SECRET: &str = "ed25519-secret:";

/// No name of a holder is longer, in bytes.
const LONGEST: usize = 64;

/// A public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct PublicKey([u8; 32]);

/// A public key, what it is for, and whose it is: a line of a trust list, `main ed25519:HEX NAME`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Holder {
    pub(crate) domains: Pattern,
    pub(crate) key: PublicKey,
    pub(crate) name: String,
}

/// A key of this machine, to sign with: `ed25519-secret:HEX:DOMAIN:NAME`, one word, since CI systems hide no others in logs. Never shown but by [`Own::secret_text`].
#[derive(Clone)]
pub(crate) struct Own {
    pub(crate) holder: Holder,
    secret: SigningKey,
}

impl PublicKey {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Hash::parse(text.strip_prefix(PUBLIC)?).map(|hash| Self(*hash.as_bytes()))
    }

    /// Whether this key has signed the text. Strictly: no key and no signature that could belong to more than one text.
    pub(crate) fn has_signed(&self, text: &str, signature: &[u8; 64]) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else { return false };
        key.verify_strict(&message(text), &Signature::from_bytes(signature)).is_ok()
    }
}

fn message(text: &str) -> Vec<u8> {
    [CONTEXT, text.as_bytes()].concat()
}

impl Holder {
    /// Reads a line; the reason why not if it is none.
    pub(crate) fn parse(line: &str) -> Result<Self, String> {
        if line.contains(SECRET) {
            return Err("it has a secret key in it, which belongs into no list".to_owned());
        }
        let (domains, key, name) = words(line)?;
        let key = PublicKey::parse(key)
            .ok_or_else(|| format!("its key is not `{PUBLIC}` and 64 hexadecimal digits"))?;
        Ok(Self { domains, key, name })
    }
}

impl Own {
    /// A new one.
    pub(crate) fn new(domains: Pattern, name: &str) -> Result<Self, String> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)
            .map_err(|error| format!("the system gives no random bytes: {error}"))?;
        Ok(Self::from_bytes(&bytes, domains, name.to_owned()))
    }

    fn from_bytes(bytes: &[u8; 32], domains: Pattern, name: String) -> Self {
        let secret = SigningKey::from_bytes(bytes);
        let key = PublicKey(secret.verifying_key().to_bytes());
        Self { holder: Holder { domains, key, name }, secret }
    }

    /// Reads what [`Own::secret_text`] gave; the reason why not if it is none, in which nothing of it stands.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> =
            text.trim().strip_prefix(SECRET).unwrap_or_default().split(':').collect();
        let [hex, domains, name] = parts[..] else {
            return Err(format!("it is not written `{SECRET}HEX:DOMAIN:NAME`"));
        };
        let bytes = Hash::parse(hex).ok_or("its key is not of 64 hexadecimal digits")?;
        let (domains, name) = checked(domains, name)?;
        Ok(Self::from_bytes(bytes.as_bytes(), domains, name))
    }

    /// The text with the secret in it.
    pub(crate) fn secret_text(&self) -> String {
        let secret = Hash::from_bytes(self.secret.to_bytes());
        format!("{SECRET}{secret}:{}:{}", self.holder.domains, self.holder.name)
    }

    pub(crate) fn sign(&self, text: &str) -> [u8; 64] {
        self.secret.sign(&message(text)).to_bytes()
    }
}

fn words(line: &str) -> Result<(Pattern, &str, String), String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [domains, key, name] = words[..] else {
        return Err("it is not of three words: domain, key and name".to_owned());
    };
    let (domains, name) = checked(domains, name)?;
    Ok((domains, key, name))
}

fn checked(domains: &str, name: &str) -> Result<(Pattern, String), String> {
    let domains = Pattern::parse(domains).ok_or(
        "its domain is not of letters, digits, `-`, `.`, `_` and `/`, with `*` at the end at most",
    )?;
    match is_name(name) {
        true => Ok((domains, name.to_owned())),
        false => {
            Err("its name is not of letters, digits, `-`, `.`, `_`, `@`, `+` and `/`".to_owned())
        }
    }
}

/// Whether somebody can be called so.
pub(crate) fn is_name(text: &str) -> bool {
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._@+/".contains(&byte);
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_of_a_name)
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", Hash::from_bytes(self.0))
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.domains, self.key, self.name)
    }
}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[the secret of {}]", self.holder)
    }
}

impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        self.holder == other.holder
    }
}

impl Eq for Own {}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Own {
        Own::new(Pattern::parse("main").unwrap(), "ci").unwrap()
    }

    #[test]
    fn a_key_reads_back_and_is_shown_only_where_it_is_meant() {
        let own = own();
        let line = own.secret_text();
        assert_eq!(Own::parse(&line).unwrap().secret_text(), line);
        assert_eq!(Holder::parse(&own.holder.to_string()), Ok(own.holder.clone()));
        let secret = line.split(':').nth(1).unwrap();
        assert!(!format!("{own:?}").contains(secret));
        assert!(!Holder::parse(&line).unwrap_err().contains(secret));
        for wrong in [format!("main {secret} ci"), format!("{line}:"), line.replace(":main", "")] {
            assert!(!Own::parse(&wrong).unwrap_err().contains(secret));
        }
        assert!(!line.contains(char::is_whitespace), "CI systems hide words only");
        assert_ne!(own.holder.key, super::tests::own().holder.key);
    }

    #[test]
    fn what_another_key_or_tool_has_signed_is_not_signed() {
        let (own, other) = (own(), own());
        let signature = own.sign("text");
        assert!(own.holder.key.has_signed("text", &signature));
        assert!(!own.holder.key.has_signed("Text", &signature));
        assert!(!other.holder.key.has_signed("text", &signature));
        let bare = own.secret.sign(b"text").to_bytes();
        assert!(!own.holder.key.has_signed("text", &bare), "signed for another purpose");
    }

    #[test]
    fn a_key_that_would_fit_any_text_fits_none() {
        // The neutral element: with it, signatures can be made without a secret.
        let mut weak = [0; 32];
        weak[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert!(!PublicKey(weak).has_signed("text", &signature));
    }

    #[test]
    fn lines_that_are_none_are_refused() {
        let key = own().holder.key;
        for line in [
            "",
            "main",
            &format!("main {key}"),
            &format!("main {key} a b"),
            &format!("ma,in {key} ci"),
            &format!("main {key} \"ci\""),
            &format!("main {} ci", key.to_string().to_uppercase()),
            "main ed25519:12 ci",
        ] {
            assert!(Holder::parse(line).is_err(), "{line}");
        }
        assert!(Holder::parse(&format!("  *\t{key}  ci\n")).is_ok());
    }
}
