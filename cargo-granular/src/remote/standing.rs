//! As whom this machine reads and writes: in which domain, whom it believes there, with which key it signs. Pure.
//!
//! Without a word from its user a machine is in the domain `main`, and the build of a pull request in one of its own, `pr-NUMBER`. Everybody reads what `main` has; who is in another
//! domain reads that as well, behind it. So `main` reads `main` alone.
//!
//! What is written goes into the domain of the machine, signed by its key, and only if the key is for that domain: what nobody would believe is not worth its way. A pull request
//! writes into its own domain or not at all. Unsigned is written only where this machine itself believes anyone.

use super::ci;
use crate::session::variable;
use crate::trouble::{Result, Trouble};
use crate::trust::domain::Domain;
use crate::trust::key::Own;
use crate::trust::list::Trust;
use granular::ordered::Map;
use std::ffi::OsString;

/// The variable that names the domain.
const DOMAIN: &str = "GRANULAR_DOMAIN";

/// As whom this machine reads and writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Standing {
    pub(super) domain: Domain,
    /// Whom it believes; `None` where nobody has said so, and nothing is read.
    pub(super) trust: Option<Trust>,
    /// With which key it signs; `None` where it does not.
    pub(super) signer: Option<Own>,
    /// Why it does not write, although it was told to.
    pub(super) silent: Option<String>,
}

impl Standing {
    pub(super) fn new(
        env: &Map<OsString, OsString>,
        trust: Option<Trust>,
        own: Option<Own>,
    ) -> Result<Self> {
        let (pull_request, domain) = (pull_request(env), domain(env)?);
        let signer = own.clone().filter(|own| own.holder.domains.covers(&domain));
        let silent = match (&pull_request, &trust, &own, &signer) {
            (Some(own), ..) if *own != domain => Some(format!(
                "this is the build of a pull request, which writes in its own domain `{own}` only, and {DOMAIN} says `{domain}`"
            )),
            (_, Some(Trust::Anyone), ..) | (.., Some(_)) => None,
            (.., Some(own), None) => Some(format!(
                "the key of {} is for the domain `{}`, and this is `{domain}` ({DOMAIN} says another)",
                own.holder.name, own.holder.domains
            )),
            (.., None, None) => Some(
                "there is no key to sign with (`cargo granular keys new` makes one, `keys new --print` one for CI)"
                    .to_owned(),
            ),
        };
        Ok(Self { domain, trust, signer, silent })
    }

    /// The domains that it reads, in this order.
    pub(super) fn reads(&self) -> Vec<Domain> {
        let main = Domain::main();
        let own = Some(self.domain.clone()).filter(|own| *own != main);
        [main].into_iter().chain(own).collect()
    }
}

/// The domain of the pull request that this is the build of.
fn pull_request(env: &Map<OsString, OsString>) -> Option<Domain> {
    ci::pull_request(env).map(|it| Domain::of_pull_request(it.number))
}

/// The domain of this machine.
pub(crate) fn domain(env: &Map<OsString, OsString>) -> Result<Domain> {
    match variable(env, DOMAIN) {
        Some(text) => Domain::parse(text).ok_or_else(|| Trouble::Usage {
            message: format!("`{text}` cannot be the value of {DOMAIN}"),
            help: Some("a domain is of letters, digits, `-`, `.`, `_` and `/`".to_owned()),
        }),
        None => Ok(pull_request(env).unwrap_or_else(Domain::main)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::domain::Pattern;

    const PULL_REQUEST: [(&str, &str); 2] =
        [("GITHUB_EVENT_NAME", "pull_request"), ("GITHUB_REF", "refs/pull/7/merge")];

    fn standing(env: &[(&str, &str)], trust: Option<Trust>, key_for: Option<&str>) -> Standing {
        let env = env.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let key = |domains| Own::new(Pattern::parse(domains).unwrap(), "me").unwrap();
        Standing::new(&env, trust, key_for.map(key)).unwrap()
    }

    fn reads(standing: &Standing) -> String {
        standing.reads().iter().map(Domain::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn main_reads_main_alone_and_a_pull_request_its_own_behind_it() {
        assert_eq!(reads(&standing(&[], None, None)), "main");
        assert_eq!(reads(&standing(&PULL_REQUEST, None, None)), "main pr-7");
        assert_eq!(reads(&standing(&PULL_REQUEST[..1], None, None)), "main pull-request");
        assert_eq!(
            reads(&standing(&[("GRANULAR_DOMAIN", "dev/anna")], None, None)),
            "main dev/anna"
        );
    }

    #[test]
    fn who_writes_has_a_key_for_the_domain_or_believes_anyone() {
        let silent = |env: &[(&str, &str)], trust, key_for| {
            standing(env, trust, key_for).silent.unwrap_or_default()
        };
        assert!(silent(&[], None, None).contains("keys new"));
        assert!(silent(&[], None, Some("pr-*")).contains("is for the domain `pr-*`"));
        assert_eq!(silent(&[], None, Some("main")), "");
        assert_eq!(silent(&[], Some(Trust::Anyone), None), "");
        assert!(standing(&[], Some(Trust::Anyone), Some("pr-*")).signer.is_none());
        assert_eq!(silent(&PULL_REQUEST, None, Some("pr-*")), "");
    }

    #[test]
    fn a_pull_request_does_not_write_elsewhere_whatever_it_says() {
        for domain in ["main", "pr-8", "release"] {
            let env = [&PULL_REQUEST[..], &[("GRANULAR_DOMAIN", domain)]].concat();
            for trust in [None, Some(Trust::Anyone)] {
                let silent = standing(&env, trust, Some("*")).silent.unwrap();
                assert!(silent.contains("in its own domain `pr-7` only"), "{silent}");
            }
        }
        let env = [("GRANULAR_DOMAIN".into(), "a b".into())].into_iter().collect();
        assert!(Standing::new(&env, None, None).is_err());
    }
}
