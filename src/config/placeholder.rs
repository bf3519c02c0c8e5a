//! The placeholders in the texts of a step: what is allowed where, and what they name.

use super::Later;
use super::artifact::Artifacts;
use super::needs::{self, Named, Needs};
use super::suggest::suggest;
use super::value::Notes;
use crate::ordered::Map;
use crate::step::{Spanned, StepName};
use crate::template::shell::{self, Shell, Spot};
use crate::template::{self, Piece, Template};
use crate::triple::Triple;
use std::ops::Range;

/// What a text is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    /// An argument of a command, or a variable: every placeholder.
    Word,
    /// A line for the shell: every placeholder, where it can be quoted.
    Line,
    /// A pattern of inputs: values of the matrix.
    Input,
    /// A pattern of outputs: values of the matrix, and `{out}` in front.
    Output,
    /// Anything else: none.
    Nothing,
}

/// What the placeholders of a step can name.
#[derive(Debug)]
pub(super) struct Scope<'a> {
    /// The step.
    pub(super) step: &'a StepName,
    /// Its matrix; `None` if it could not be read.
    pub(super) matrix: Option<&'a Map<String, Vec<String>>>,
    /// Its needs.
    pub(super) needs: &'a Needs,
    /// What is built for.
    pub(super) triple: &'a Triple,
    /// What Cargo builds for it.
    pub(super) cargo: &'a Artifacts,
}

/// Reads `text`, the value of `key`, as a template; `None` if there is a mistake in it.
pub(super) fn read(
    notes: &mut Notes<'_>,
    later: &mut Later,
    scope: &Scope<'_>,
    key: &str,
    usage: Use,
    text: &Spanned<&str>,
) -> Option<Template> {
    let before = notes.mistakes.len();
    let (pieces, malformed) = template::scan(text.value);
    for mistake in malformed {
        let span = notes.inside(&text.span, text.value, &mistake.range);
        notes.add(format!("{} in `{key}` of step `{}`", mistake.sentence, scope.step), &span, "");
        if let Some(added) = notes.mistakes.last_mut() {
            added.help = mistake.help;
        }
    }
    check_dollar(notes, scope, key, usage, text);
    let (mut template, mut spans) = (Vec::new(), Vec::new());
    for (place, (piece, range)) in pieces.into_iter().enumerate() {
        let span = notes.inside(&text.span, text.value, &range);
        if let Piece::Text(_) = piece {
            template.push(piece);
        } else if is_allowed(notes, scope, key, usage, &piece, place, &span) {
            let resolved = resolve(notes, later, scope, piece, &span);
            if !matches!(resolved, Some(Piece::Text(_))) {
                spans.push(span);
            }
            template.extend(resolved);
        }
    }
    let template = Template::from_iter(template);
    if usage == Use::Line && notes.mistakes.len() == before {
        check_spots(notes, scope, &template, &spans);
    }
    (notes.mistakes.len() == before).then_some(template)
}

/// `${out}` is a variable to a shell. Everywhere else nobody would replace it.
fn check_dollar(
    notes: &mut Notes<'_>,
    scope: &Scope<'_>,
    key: &str,
    usage: Use,
    text: &Spanned<&str>,
) {
    if let Some(start) =
        text.value.find("${out}").filter(|_| matches!(usage, Use::Input | Use::Output | Use::Word))
    {
        let span = notes.inside(&text.span, text.value, &(start..start + "${out}".len()));
        notes.add_with_help(
            format!("a placeholder is written without `$` in `{key}` of step `{}`", scope.step),
            &span,
            "no shell reads this",
            "write `{out}`",
        );
    }
}

fn is_allowed(
    notes: &mut Notes<'_>,
    scope: &Scope<'_>,
    key: &str,
    usage: Use,
    piece: &Piece,
    place: usize,
    span: &Range<usize>,
) -> bool {
    let help = match (usage, piece) {
        (Use::Word | Use::Line, _)
        | (Use::Input | Use::Output, Piece::Matrix(_) | Piece::Target(_)) => return true,
        (Use::Output, Piece::Out) if place == 0 => return true,
        (Use::Output, Piece::Out) => "`{out}` stands at the front of an output",
        (Use::Output, _) => "a step only leaves what lies in its own `{out}` or in the tree",
        (Use::Input, Piece::Cargo(_)) => "what Cargo builds for the step is an input already",
        (Use::Input, Piece::Out) => "what a step leaves is no input of its own",
        (Use::Input, _) => "what a need leaves is an input already",
        (Use::Nothing, _) => "placeholders stand in `run`, `env`, `inputs` and `outputs`",
    };
    let message =
        format!("`{}` has no meaning in `{key}` of step `{}`", piece.source(), scope.step);
    notes.add_with_help(message, span, "", help);
    false
}

/// The piece with the name that the need goes by.
fn resolve(
    notes: &mut Notes<'_>,
    later: &mut Later,
    scope: &Scope<'_>,
    piece: Piece,
    span: &Range<usize>,
) -> Option<Piece> {
    match &piece {
        Piece::Matrix(name) => is_variable(notes, scope, name, span).then_some(piece),
        Piece::Cargo(name) => is_artifact(notes, scope, name, span).then_some(piece),
        Piece::NeedOut(name) => {
            let name = need_name(notes, later, scope, name, span)?;
            Some(Piece::NeedOut(name))
        }
        // No part of a triple has to be quoted anywhere.
        Piece::Target(part) => Some(Piece::Text(scope.triple.part(part))),
        _ => Some(piece),
    }
}

fn is_variable(notes: &mut Notes<'_>, scope: &Scope<'_>, name: &str, span: &Range<usize>) -> bool {
    let Some(matrix) = scope.matrix.filter(|matrix| !matrix.contains_key(name)) else {
        return true;
    };
    let message = format!("unknown variable `{name}` of the matrix in step `{}`", scope.step);
    match suggest(name, matrix.keys().map(String::as_str)) {
        Some(meant) => notes.add(message, span, format!("did you mean `{{matrix.{meant}}}`?")),
        None if matrix.is_empty() => {
            let help = format!("add `matrix = {{ {name} = [\"…\"] }}`");
            notes.add_with_help(message, span, "the step has no matrix", help);
        }
        None => notes.add(
            message,
            span,
            format!("the matrix has {}", list(matrix.keys().map(String::as_str))),
        ),
    }
    false
}

fn is_artifact(notes: &mut Notes<'_>, scope: &Scope<'_>, name: &str, span: &Range<usize>) -> bool {
    let names = || scope.cargo.known.iter().map(|artifact| artifact.value.name.as_str());
    if scope.cargo.misspelt || names().any(|known| known == name) {
        return true;
    }
    let message = format!("`{name}` is not among what `cargo` names in step `{}`", scope.step);
    match suggest(name, names()) {
        Some(meant) => notes.add(message, span, format!("did you mean `{{cargo.{meant}}}`?")),
        None => {
            let help = format!("add `cargo = {{ package = \"…\", bin = \"{name}\" }}`");
            notes.add_with_help(message, span, "", help);
        }
    }
    false
}

fn need_name(
    notes: &mut Notes<'_>,
    later: &mut Later,
    scope: &Scope<'_>,
    name: &str,
    span: &Range<usize>,
) -> Option<String> {
    match scope.needs.named(name) {
        Named::One(need) => {
            later.need_outs.push((need.step.clone(), notes.place(span)));
            return Some(need.name.clone());
        }
        Named::Misspelt => return Some(name.to_owned()),
        Named::Several(names) => {
            let message = format!("`{{needs.{name}.out}}` is ambiguous in step `{}`", scope.step);
            let choices: Vec<String> =
                names.iter().map(|name| format!("`{{needs.{name}.out}}`")).collect();
            notes.add(message, span, format!("write {}", choices.join(" or ")));
        }
        Named::Nothing => {
            let message = format!("`{name}` is not among the needs of step `{}`", scope.step);
            match suggest(name, scope.needs.names()) {
                Some(meant) => {
                    notes.add(message, span, format!("did you mean `{{needs.{meant}.out}}`?"))
                }
                None => {
                    let is_first = scope.needs.names().next().is_none();
                    notes.add_with_help(message, span, "", needs::advice(name, is_first));
                }
            }
        }
    }
    None
}

/// Notes placeholders that stand where the shell has no quotes. `spans` are theirs.
fn check_spots(
    notes: &mut Notes<'_>,
    scope: &Scope<'_>,
    template: &Template,
    spans: &[Range<usize>],
) {
    if Shell::HERE != Shell::Posix {
        return;
    }
    for ((piece, spot), span) in template.spots().into_iter().zip(spans) {
        let Spot::Unquotable(place) = spot else { continue };
        if !is_plain(scope, piece) {
            let source = piece.source();
            let step = scope.step;
            let message =
                format!("`{source}` cannot be quoted inside {place} in `run` of step `{step}`");
            let help = format!("give it to a variable first: `x={source}`");
            notes.add_with_help(message, span, "", help);
        }
    }
}

/// Whether no value of a placeholder ever has to be quoted.
fn is_plain(scope: &Scope<'_>, piece: &Piece) -> bool {
    let (Piece::Matrix(name), Some(matrix)) = (piece, scope.matrix) else {
        return matches!(piece, Piece::Matrix(_));
    };
    matrix.get(name).is_some_and(|values| values.iter().all(|value| shell::needs_no_quotes(value)))
}

/// The names in backquotes, separated by commas.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
