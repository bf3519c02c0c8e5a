//! Whether this program is new enough for a configuration.

use std::fmt;

/// A version of this program: three numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Version([u64; 3]);

impl Version {
    /// The version of this library, and so of the program it is built into.
    pub(super) fn own() -> Self {
        let text = env!("CARGO_PKG_VERSION");
        let end = text.find(['-', '+']).unwrap_or(text.len());
        Self::parse(&text[..end]).unwrap_or_default()
    }

    /// Reads `0.3.1`, `0.3` or `>=0.3`, all of which mean "at least"; anything else is `None`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix(">=").map_or(text, str::trim_start);
        let mut numbers = [0; 3];
        let mut parts = text.split('.');
        for (place, part) in parts.by_ref().take(3).enumerate() {
            let digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            numbers[place] = if digits { part.parse().ok()? } else { return None };
        }
        parts.next().is_none().then_some(Self(numbers))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_with_and_without_a_sign_means_at_least() {
        let version = Version::parse("0.3").unwrap();
        assert_eq!(Version::parse(">=0.3"), Some(version));
        assert_eq!(Version::parse(" >= 0.3.0 "), Some(version));
        assert!(version < Version::parse("0.3.1").unwrap());
        assert!(version < Version::parse("0.10").unwrap());
        assert!(Version::own() > Version::default());
    }

    #[test]
    fn other_signs_are_no_version() {
        for text in [
            "",
            ">=",
            "^1",
            "1.x",
            "1.2.3.4",
            "1..2",
            "1.2.3-beta",
            "=1",
            "v1",
            "99999999999999999999",
        ] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
