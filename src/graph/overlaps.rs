//! Outputs that two actions would own.

use super::Draft;
use super::outputs::{Outputs, Owner, pattern};
use crate::mistake::{Mistake, Place};
use crate::ordered::Set;

/// A mistake for each pair of steps with overlapping outputs, and for each step whose actions overlap. Two actions with an
/// equal definition come out the same, and may share their outputs.
pub(super) fn find(draft: &Draft<'_>, outputs: &Outputs<'_>) -> Vec<Mistake> {
    let mut told = Set::new();
    let mut mistakes = Vec::new();
    for action in 0..draft.actions.len() {
        for output in 0..draft.actions[action].action.outputs.len() {
            let owner = Owner { action, output };
            let root = pattern(draft, owner).literal();
            if root.base != crate::path::Base::Tree {
                continue;
            }
            for other in outputs.above(root.path.as_str()) {
                // Of two with the same root, the later one finds the earlier.
                let is_found_twice = other >= owner && pattern(draft, other).literal() == root;
                if !is_found_twice && draft.twins[other.action] != draft.twins[action] {
                    mistakes.extend(overlap(draft, other, owner, &mut told));
                }
            }
        }
    }
    mistakes
}

fn overlap(
    draft: &Draft<'_>,
    a: Owner,
    b: Owner,
    told: &mut Set<(usize, usize)>,
) -> Option<Mistake> {
    let steps = |a: Owner, b: Owner| (draft.step_of[a.action], draft.step_of[b.action]);
    let (first, second) = if steps(a, b).0 <= steps(a, b).1 { (a, b) } else { (b, a) };
    if told.contains(&steps(first, second))
        || !pattern(draft, first).overlaps(pattern(draft, second))
    {
        return None;
    }
    told.insert(steps(first, second));
    // The longer root is the more exact place of the two.
    let path = [first, second]
        .map(|owner| pattern(draft, owner).literal())
        .into_iter()
        .max_by_key(|root| root.path.as_str().len())?;
    let is_one_step = steps(first, second).0 == steps(first, second).1;
    let named = |owner: Owner| match is_one_step {
        true => draft.actions[owner.action].action.name.to_string(),
        false => draft.step(owner.action).name.to_string(),
    };
    let message = format!("`{}` and `{}` both own `{path}`", named(first), named(second));
    let mistake = Mistake::new(message, place(draft, second, &named(second)));
    Some(match is_one_step {
        true => {
            mistake.help("put the variables of the matrix that `run` uses into the output as well")
        }
        false => mistake
            .related(place(draft, first, &named(first)))
            .help("one step alone can own an output"),
    })
}

fn place(draft: &Draft<'_>, owner: Owner, name: &str) -> Place {
    let span = &draft.actions[owner.action].output_spans[owner.output];
    draft.step(owner.action).place(span).label(format!("an output of `{name}`"))
}
