//! Domains: what results are kept apart by, so that those of a pull request are none of `main`. Pure.

use std::fmt;

/// The domain of what has been reviewed: everybody reads it.
const MAIN: &str = "main";

/// What stands in front of the number in a pull request's domain.
const PULL_REQUEST: &str = "pr-";

/// That of a pull request whose number is not known.
const SOME_PULL_REQUEST: &str = "pull-request";

/// No name is longer, in bytes.
const LONGEST: usize = 100;

/// A domain: letters, digits, `-`, `.`, `_` and `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Domain(String);

/// Domains: one, or with `*` at the end all that begin so.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Pattern(String);

impl Domain {
    /// `None` for what cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        is_name(text).then(|| Self(text.to_owned()))
    }

    pub(crate) fn main() -> Self {
        Self(MAIN.to_owned())
    }

    /// That of a pull request; of any whose number is not known.
    pub(crate) fn of_pull_request(number: Option<u64>) -> Self {
        Self(
            number.map_or(SOME_PULL_REQUEST.to_owned(), |number| format!("{PULL_REQUEST}{number}")),
        )
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Pattern {
    /// `None` for what cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let begin = text.strip_suffix('*').unwrap_or(text);
        (text == "*" || is_name(begin)).then(|| Self(text.to_owned()))
    }

    pub(crate) fn covers(&self, domain: &Domain) -> bool {
        match self.0.strip_suffix('*') {
            Some(begin) => domain.0.starts_with(begin),
            None => domain.0 == self.0,
        }
    }
}

fn is_name(text: &str) -> bool {
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_of_a_name)
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_one_domain_or_all_that_begin_so() {
        let covers = |pattern: &str, domain: &str| {
            Pattern::parse(pattern).unwrap().covers(&Domain::parse(domain).unwrap())
        };
        assert!(covers("main", "main") && covers("pr-*", "pr-7") && covers("*", "main"));
        assert!(!covers("main", "main2") && !covers("main", "pr-7") && !covers("pr-*", "main"));
        assert!(covers("pr-7", Domain::of_pull_request(Some(7)).as_str()));
        assert!(!covers("pr-*", Domain::of_pull_request(None).as_str()));
    }

    #[test]
    fn what_could_be_misread_is_no_name() {
        let long = "x".repeat(LONGEST + 1);
        for text in ["", " ", "a b", "a\nb", "a*", "é", "a\"", "a#", "a,b", "a:b", &long] {
            assert_eq!(Domain::parse(text), None, "{text}");
        }
        for text in ["", "a*b", "**", "a **", "*a"] {
            assert_eq!(Pattern::parse(text), None, "{text}");
        }
    }
}
