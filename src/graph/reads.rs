//! Inputs that are outputs: of the action itself, or of another one that it does not need.
//!
//! What such an action reads would depend on who is faster. Only declared inputs are judged: where none are, wildcards leave
//! out the outputs of steps anyway.

use super::Draft;
use super::outputs::{Outputs, Owner, pattern};
use crate::config::needs;
use crate::mistake::Mistake;
use crate::path::{Base, OutputPath, RelPath};
use std::collections::HashSet;

/// A mistake for each step that reads its own outputs, and for each pair of steps of which one reads what the other leaves.
pub(super) fn find(draft: &Draft<'_>, outputs: &Outputs<'_>) -> Vec<Mistake> {
    let mut told = HashSet::new();
    let mut mistakes = Vec::new();
    for action in 0..draft.actions.len() {
        if draft.step(action).inputs.is_some() {
            mistakes.extend(reads_of(draft, outputs, action, &mut told));
        }
    }
    mistakes
}

/// An output that an action reads.
#[derive(Clone, Debug)]
struct Read {
    owner: Owner,
    /// The place of the input pattern that reaches it.
    input: usize,
    path: OutputPath,
}

fn reads_of(
    draft: &Draft<'_>,
    outputs: &Outputs<'_>,
    action: usize,
    told: &mut HashSet<(usize, usize)>,
) -> Vec<Mistake> {
    let reader = draft.step_of[action];
    let mut reads = Vec::new();
    let mut roots = HashSet::new();
    for (input, root, is_literal) in draft.actions[action].action.inputs.positive_roots() {
        reads.extend(from_above(draft, outputs, action, input, root, is_literal));
        if roots.insert(root) {
            reads.extend(from_below(draft, outputs, action, input, root));
        }
    }
    reads.retain(|read| !told.contains(&(reader, draft.step_of[read.owner.action])));
    let unneeded = unneeded(draft, action, &reads);
    let mut mistakes = Vec::new();
    for read in reads {
        let writer = draft.step_of[read.owner.action];
        if unneeded.contains(&read.owner.action) && told.insert((reader, writer)) {
            mistakes.push(mistake(draft, action, &read));
        }
    }
    mistakes
}

/// Outputs that an input, or the root of it, lies in.
fn from_above(
    draft: &Draft<'_>,
    outputs: &Outputs<'_>,
    action: usize,
    input: usize,
    root: &RelPath,
    is_literal: bool,
) -> Vec<Read> {
    let path = OutputPath { base: Base::Tree, path: root.clone() };
    let mut owners =
        outputs.above(root.as_str()).filter(|owner| pattern(draft, *owner).owns(&path)).peekable();
    if owners.peek().is_none() || (is_literal && !draft.actions[action].action.inputs.matches(root))
    {
        return Vec::new();
    }
    owners.map(|owner| Read { owner, input, path: path.clone() }).collect()
}

/// Outputs of others that lie below the root of an input and that the inputs match. The wildcards of an action do not see
/// its own.
fn from_below(
    draft: &Draft<'_>,
    outputs: &Outputs<'_>,
    action: usize,
    input: usize,
    root: &RelPath,
) -> Vec<Read> {
    let inputs = &draft.actions[action].action.inputs;
    let is_read = |owner: &Owner| {
        draft.twins[owner.action] != draft.twins[action]
            && inputs.matches(&pattern(draft, *owner).literal().path)
    };
    let read = |owner: Owner| Read { owner, input, path: pattern(draft, owner).literal().clone() };
    outputs.below(root.as_str()).filter(is_read).map(read).collect()
}

/// The actions among those that are read which `action` does not need, be it through others.
fn unneeded(draft: &Draft<'_>, action: usize, reads: &[Read]) -> HashSet<usize> {
    let mut missing: HashSet<usize> = reads.iter().map(|read| read.owner.action).collect();
    let Some(first) = missing.iter().min().copied() else { return missing };
    let mut seen = HashSet::new();
    let mut open = vec![action];
    while let Some(next) = open.pop() {
        for need in draft.actions[next].action.needs.iter().map(|need| need.action.0) {
            missing.remove(&need);
            // What stands before the first that is missing cannot lead to any.
            if need > first && seen.insert(need) {
                open.push(need);
            }
        }
        if missing.is_empty() {
            break;
        }
    }
    missing
}

fn mistake(draft: &Draft<'_>, action: usize, read: &Read) -> Mistake {
    let (reader, writer) = (draft.step(action), draft.step(read.owner.action));
    let span = draft.actions[action].input_spans.get(read.input).unwrap_or(&reader.span);
    let path = &read.path;
    let output = writer
        .place(&draft.actions[read.owner.action].output_spans[read.owner.output])
        .label(format!("an output of `{}`", writer.name));
    if draft.twins[action] == draft.twins[read.owner.action] {
        return Mistake::new(
            format!("`{}` reads its own output `{path}`", reader.name),
            reader.place(span).label("read here"),
        )
        .related(output)
        .help("take it out of the inputs: what a step leaves would change what it is made of");
    }
    let need = match writer.name.package == reader.name.package {
        true => writer.name.step.clone(),
        false => writer.name.to_string(),
    };
    let message = format!(
        "`{}` reads `{path}`, an output of `{}`, without needing it",
        reader.name, writer.name
    );
    let help = match reader.name == writer.name {
        true => "the actions of one step cannot read each other's outputs".to_owned(),
        false => {
            let advice = needs::advice(&need, reader.needs.is_empty());
            format!("{advice}, or take it out of the inputs with `!`")
        }
    };
    Mistake::new(message, reader.place(span).label("read here")).related(output).help(help)
}
