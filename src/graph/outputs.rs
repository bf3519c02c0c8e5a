//! The outputs in the tree of all actions, found by where they lie.

use super::Draft;
use crate::ordered::{self, Map};
use crate::path::Base;
use crate::pattern::OutputPattern;

/// One output pattern: its action, and its place among the action's outputs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Owner {
    /// The action.
    pub(super) action: usize,
    /// The place of the pattern.
    pub(super) output: usize,
}

/// All output patterns in the tree.
#[derive(Debug)]
pub(super) struct Outputs<'a> {
    by_root: Map<&'a str, Vec<Owner>>,
    /// All of them, sorted by literal root.
    sorted: Vec<(&'a str, Owner)>,
}

impl<'a> Outputs<'a> {
    /// The outputs of all actions of `draft`.
    pub(super) fn new(draft: &'a Draft<'_>) -> Self {
        let mut sorted = Vec::new();
        for (action, expanded) in draft.actions.iter().enumerate() {
            for (output, pattern) in expanded.action.outputs.iter().enumerate() {
                let (root, owner) = (pattern.literal(), Owner { action, output });
                if root.base == Base::Tree {
                    sorted.push((root.path.as_str(), owner));
                }
            }
        }
        ordered::sort(&mut sorted);
        Self { by_root: Map::grouped(sorted.iter().copied()), sorted }
    }

    /// The patterns whose literal root is `path` or lies above it: the only ones that could own it.
    pub(super) fn above<'b>(&'b self, path: &'b str) -> impl Iterator<Item = Owner> + use<'a, 'b> {
        let up = |path: &&'b str| {
            (!path.is_empty()).then(|| path.rfind('/').map_or("", |end| &path[..end]))
        };
        std::iter::successors(Some(path), up)
            .filter_map(|path| self.by_root.get(path))
            .flatten()
            .copied()
    }

    /// The patterns whose literal root lies above `path`, is it, or lies below it: the only ones that can have something in
    /// common with what begins with `path`. Sorted.
    pub(super) fn near(&self, path: &str) -> Vec<Owner> {
        let below = if path.is_empty() { String::new() } else { format!("{path}/") };
        let start = self.sorted.partition_point(|(root, _)| *root < below.as_str());
        let below = self.sorted[start..].iter().take_while(|(root, _)| root.starts_with(&below));
        let mut owners: Vec<Owner> =
            self.above(path).chain(below.map(|(_, owner)| *owner)).collect();
        ordered::sort(&mut owners);
        owners.dedup();
        owners
    }
}

/// The pattern.
pub(super) fn pattern<'a>(draft: &'a Draft<'_>, owner: Owner) -> &'a OutputPattern {
    &draft.actions[owner.action].action.outputs[owner.output]
}
