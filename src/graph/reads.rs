//! Inputs that are outputs: of the action itself, or of another one that it does not need.
//!
//! What such an action reads would depend on who is faster, and walks hide outputs, so that it would be in no fingerprint. Only declared inputs are judged: where none are, wildcards leave
//! out the outputs of steps anyway.

use super::Draft;
use super::outputs::{Outputs, Owner, pattern};
use crate::config::needs;
use crate::mistake::Mistake;
use crate::ordered::Set;
use crate::path::{Base, OutputPath, RelPath};
use crate::pattern::{InputPatterns, OutputPattern, Sequence};
use std::collections::HashMap;

/// A mistake for each step that reads its own outputs, and for each pair of steps of which one reads what the other leaves.
pub(super) fn find(draft: &Draft<'_>, outputs: &Outputs<'_>) -> Vec<Mistake> {
    let mut told = Set::new();
    let mut mistakes = Vec::new();
    let mut known: HashMap<Inputs<'_>, Vec<Read>> = HashMap::new();
    for action in 0..draft.actions.len() {
        if draft.step(action).inputs.is_some() {
            let expanded = &draft.actions[action];
            let reads = known
                .entry((&expanded.action.base, &expanded.input_texts))
                .or_insert_with(|| reads_of(draft, outputs, &expanded.action.inputs));
            mistakes.extend(mistakes_of(draft, action, reads, &mut told));
        }
    }
    mistakes
}

/// What the input patterns of an action are made of. Those of many actions are the same.
type Inputs<'a> = (&'a RelPath, &'a [String]);

/// An output that input patterns can read.
#[derive(Clone, Debug)]
struct Read {
    owner: Owner,
    /// The place of the input pattern that reaches it.
    input: usize,
    path: OutputPath,
    /// Whether the pattern leads into the output before its first wildcard.
    by_name: bool,
}

/// All outputs that `inputs` can read, whoever leaves them.
fn reads_of(draft: &Draft<'_>, outputs: &Outputs<'_>, inputs: &InputPatterns) -> Vec<Read> {
    let mut reads = Vec::new();
    for (input, declared) in inputs.patterns().iter().enumerate() {
        let behind = inputs.patterns().iter().skip(input + 1);
        let negatives: Vec<&Sequence> =
            behind.filter(|later| later.negative).flat_map(|later| &later.sequences).collect();
        for sequence in declared.sequences.iter().filter(|_| !declared.negative) {
            for owner in outputs.near(sequence.prefix.as_str()) {
                if is_read(sequence, pattern(draft, owner), &negatives) {
                    reads.push(read(draft, owner, input, &sequence.prefix));
                }
            }
        }
    }
    reads
}

fn is_read(sequence: &Sequence, output: &OutputPattern, negatives: &[&Sequence]) -> bool {
    output.sequences().iter().any(|owner| {
        sequence.overlaps(owner) && !sequence.is_spared(owner, negatives.iter().copied())
    })
}

fn read(draft: &Draft<'_>, owner: Owner, input: usize, root: &RelPath) -> Read {
    let output = pattern(draft, owner);
    let path = OutputPath { base: Base::Tree, path: root.clone() };
    let by_name = output.owns(&path);
    Read { owner, input, path: if by_name { path } else { output.literal().clone() }, by_name }
}

/// The mistakes among what an action reads. Its wildcards do not see its own outputs.
fn mistakes_of(
    draft: &Draft<'_>,
    action: usize,
    reads: &[Read],
    told: &mut Set<(usize, usize)>,
) -> Vec<Mistake> {
    let reader = draft.step_of[action];
    let is_own = |read: &&Read| draft.twins[read.owner.action] == draft.twins[action];
    let is_told = |read: &Read| told.contains(&(reader, draft.step_of[read.owner.action]));
    let reads: Vec<&Read> =
        reads.iter().filter(|read| (read.by_name || !is_own(read)) && !is_told(read)).collect();
    let unneeded = unneeded(draft, action, &reads);
    let mut mistakes = Vec::new();
    for read in reads {
        let writer = draft.step_of[read.owner.action];
        if unneeded.contains(&draft.twins[read.owner.action]) && told.insert((reader, writer)) {
            mistakes.push(mistake(draft, action, read));
        }
    }
    mistakes
}

/// The actions among those that are read, each by its twin, which do not export to `action`: it needs them neither itself
/// nor through steps without outputs. A step with outputs passes nothing on.
fn unneeded(draft: &Draft<'_>, action: usize, reads: &[&Read]) -> Set<usize> {
    let mut missing: Set<usize> = reads.iter().map(|read| draft.twins[read.owner.action]).collect();
    let Some(first) = missing.iter().next().copied() else { return missing };
    let mut seen = Set::new();
    let mut open = vec![action];
    while let Some(next) = open.pop() {
        for need in draft.actions[next].action.needs.iter().map(|need| need.action.0) {
            missing.remove(&draft.twins[need]);
            let passes_on = draft.actions[need].action.outputs.is_empty();
            // What stands before the first that is missing cannot lead to any.
            if passes_on && need > first && seen.insert(need) {
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
    let taken_out = match taken_out(draft, action, read.owner) {
        Some(pattern) => format!("take it out of the inputs with `\"{pattern}\"`"),
        None => "take it out of the inputs with `!`".to_owned(),
    };
    let help = match reader.name == writer.name {
        true => {
            format!("the actions of one step cannot read each other's outputs: {taken_out}")
        }
        false => {
            let advice = needs::advice(&need, reader.needs.is_empty());
            format!("{advice}, or {taken_out}")
        }
    };
    Mistake::new(message, reader.place(span).label("read here")).related(output).help(help)
}

/// The pattern that takes all of an output out of the inputs of `action`, if it can be written plainly.
fn taken_out(draft: &Draft<'_>, action: usize, owner: Owner) -> Option<String> {
    let output = pattern(draft, owner);
    let is_like_a_file = output.sequences().iter().all(Sequence::is_like_a_file);
    let (reader, writer) = (&draft.actions[action].action, &draft.actions[owner.action].action);
    if is_like_a_file && !output.is_literal() {
        let text = output.text();
        let from_root = text.starts_with('/') || reader.base == writer.base;
        return from_root.then(|| format!("!{text}"));
    }
    let path = &output.literal().path;
    if path.as_str().contains(['*', '?', '[', ']', '{', '}', '\\', '"']) {
        return None;
    }
    let below = if is_like_a_file { "" } else { "/**" };
    Some(match path.below(&reader.base) {
        Some(rest) if !rest.is_empty() => format!("!{rest}{below}"),
        _ => format!("!/{path}{below}"),
    })
}
