//! Trust lists: who is believed for what. Pure.

use super::domain::Domain;
use super::key::{Holder, PublicKey};

/// The word for believing everybody.
const ANYONE: &str = "anyone";

/// Who is believed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Trust {
    /// Whoever could write it: so says somebody who knows that only those can who may.
    Anyone,
    /// These, each for his domains.
    These(Vec<Holder>),
}

impl Trust {
    /// The one with that key, if he is believed for that domain.
    pub(crate) fn holder(&self, key: &PublicKey, domain: &Domain) -> Option<&Holder> {
        let Self::These(holders) = self else { return None };
        holders.iter().find(|holder| holder.key == *key && holder.domains.covers(domain))
    }
}

/// Reads what a variable says: lines, or [`Trust::Anyone`] in a word.
pub(crate) fn from_variable(text: &str) -> Result<Trust, String> {
    match text.trim() {
        ANYONE => Ok(Trust::Anyone),
        text => holders(&text.replace(',', "\n")).map(Trust::These),
    }
}

/// Reads lines; what stands behind `#` is for people. The error names the line.
pub(crate) fn holders(text: &str) -> Result<Vec<Holder>, String> {
    let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, entry(line)));
    let read = |(number, line): (usize, &str)| {
        Holder::parse(line).map_err(|why| format!("line {number}: {why}"))
    };
    numbered.filter(|(_, line)| !line.is_empty()).map(read).collect()
}

/// A line without what is for people.
pub(crate) fn entry(line: &str) -> &str {
    line.split('#').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::super::domain::Pattern;
    use super::super::key::Own;
    use super::*;

    #[test]
    fn a_key_is_believed_for_its_domains_only() {
        let own = Own::new(Pattern::parse("pr-*").unwrap(), "prs").unwrap();
        let other = Own::new(Pattern::parse("*").unwrap(), "x").unwrap();
        let trust = from_variable(&format!("{}, # note\n\n", own.holder)).unwrap();
        let domain = |text| Domain::parse(text).unwrap();
        assert_eq!(trust.holder(&own.holder.key, &domain("pr-7")), Some(&own.holder));
        assert_eq!(trust.holder(&own.holder.key, &domain("main")), None);
        assert_eq!(trust.holder(&other.holder.key, &domain("pr-7")), None);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        assert_eq!(from_variable(" anyone\n"), Ok(Trust::Anyone));
        assert!(from_variable("anyone, everybody").unwrap_err().starts_with("line 1: "));
        assert!(holders("# all\n\nmain").unwrap_err().starts_with("line 3: "));
    }
}
