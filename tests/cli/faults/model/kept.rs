//! What the model believes to be kept: in the cache, and in the checkouts. Knows no file system and no program.

use std::collections::BTreeSet;

/// Something that keeps a step from running.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    /// The cache has a result of this step for this key.
    Cached(usize, String),
    /// In this checkout this step is up to date for this key.
    Fresh(usize, usize, String),
}

/// What is known of a step before a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Runs,
    DoesNotRun,
    /// A kill or damage has left it open.
    Either,
}

/// What is surely kept, and what perhaps.
#[derive(Default)]
pub(super) struct Kept {
    sure: BTreeSet<Fact>,
    perhaps: BTreeSet<Fact>,
}

impl Kept {
    /// Whether the step runs in a build of this checkout.
    pub(super) fn expected(
        &self,
        checkout: usize,
        step: usize,
        key: &str,
        cached: bool,
    ) -> Expected {
        let facts = [
            Some(Fact::Fresh(checkout, step, key.to_owned())),
            cached.then(|| Fact::Cached(step, key.to_owned())),
        ];
        let any = |known: &BTreeSet<Fact>| facts.iter().flatten().any(|fact| known.contains(fact));
        match (any(&self.sure), any(&self.perhaps)) {
            (true, _) => Expected::DoesNotRun,
            (false, true) => Expected::Either,
            (false, false) => Expected::Runs,
        }
    }

    /// A step is up to date in a checkout.
    pub(super) fn is_fresh(&mut self, checkout: usize, step: usize, key: &str) {
        self.lose(|fact| matches!(fact, Fact::Fresh(a, b, _) if (*a, *b) == (checkout, step)));
        self.sure.insert(Fact::Fresh(checkout, step, key.to_owned()));
    }

    /// The cache has a result.
    pub(super) fn is_cached(&mut self, step: usize, key: &str) {
        let fact = Fact::Cached(step, key.to_owned());
        self.perhaps.remove(&fact);
        self.sure.insert(fact);
    }

    /// Something may be kept.
    pub(super) fn may_hold(&mut self, fact: Fact) {
        if !self.sure.contains(&fact) {
            self.perhaps.insert(fact);
        }
    }

    /// What was sure is so no longer.
    pub(super) fn doubt(&mut self, which: impl Fn(&Fact) -> bool) {
        self.perhaps.extend(self.sure.extract_if(.., |fact| which(fact)));
    }

    /// What was kept is gone.
    pub(super) fn lose(&mut self, which: impl Fn(&Fact) -> bool) {
        self.sure.retain(|fact| !which(fact));
        self.perhaps.retain(|fact| !which(fact));
    }
}

impl Fact {
    pub(super) fn is_cached(&self) -> bool {
        matches!(self, Self::Cached(..))
    }

    pub(super) fn is_of_checkout(&self, checkout: usize) -> bool {
        matches!(self, Self::Fresh(of, ..) if *of == checkout)
    }
}
