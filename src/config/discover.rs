//! The keys by which a step finds inputs: `discover` and `depfile`.

use super::Later;
use super::placeholder::{self, Scope, Use};
use super::suggest::suggest;
use super::table::Entry;
use super::value::Notes;
use crate::mistake::Mistake;
use crate::ordered::Set;
use crate::path::RelPath;
use crate::step::{Discover, Spanned, Step, StepName};
use crate::template::{Piece, Template};
use crate::workspace::Workspace;

const KEYS: [&str; 3] = ["go", "tags", "test"];

/// Reads `discover`, of a step that runs in `dir`.
pub(super) fn read<'a>(
    notes: &mut Notes<'a>,
    later: &mut Later,
    scope: &Scope<'_>,
    dir: &RelPath,
    discover: &'a Entry,
) -> Option<Spanned<Discover>> {
    let what = |key: &str| format!("`{key}` in `discover` in step `{}`", scope.step);
    let of_step = format!("`discover` in step `{}`", scope.step);
    let table = notes.table(&of_step, discover, "discover = { go = \"./services/api\" }")?;
    for entry in table.entries.iter().filter(|entry| !KEYS.contains(&&*entry.name)) {
        let message = format!("unknown key `{}` in {of_step}", entry.name);
        match suggest(&entry.name, KEYS) {
            Some(meant) => notes.add(message, &entry.key, format!("did you mean `{meant}`?")),
            None => {
                notes.add_with_help(message, &entry.key, "", "there are `go`, `tags` and `test`")
            }
        }
    }
    let Some(go) = table.get("go") else {
        let message = format!("{of_step} has no `go`");
        let help = "name the packages: `discover = { go = \"./services/api\" }`";
        notes.add_with_help(message, &discover.key, "", help);
        return None;
    };
    let tags = table.get("tags").map(|tags| read_tags(notes, later, scope, &what("tags"), tags));
    let test = table.get("test").and_then(|test| notes.boolean(&what("test"), test));
    let mut patterns = Vec::new();
    for pattern in one_or_more(notes, &what("go"), go) {
        let before = notes.mistakes.len();
        let template = placeholder::read(notes, later, scope, "discover", Use::Input, &pattern);
        if let Some(value) = template {
            check_package(notes, later, scope.step, dir, &pattern);
            if notes.mistakes.len() == before {
                patterns.push(Spanned { value, span: pattern.span });
            }
        }
    }
    (!patterns.is_empty()).then(|| Spanned {
        value: Discover { go: patterns, tags, test },
        span: discover.value.clone(),
    })
}

/// Reads `depfile`: paths below `{out}`.
pub(super) fn depfiles<'a>(
    notes: &mut Notes<'a>,
    later: &mut Later,
    scope: &Scope<'_>,
    entry: &'a Entry,
) -> Vec<Spanned<Template>> {
    let what = format!("`depfile` in step `{}`", scope.step);
    let mut depfiles = Vec::new();
    for path in one_or_more(notes, &what, entry) {
        let template = placeholder::read(notes, later, scope, "depfile", Use::Output, &path);
        let Some(value) = template else { continue };
        let is_below =
            matches!(value.0.as_slice(), [Piece::Out, Piece::Text(rest), ..] if rest.len() > 1);
        if is_below {
            depfiles.push(Spanned { value, span: path.span });
        } else {
            notes.add_with_help(
                format!("{what} does not lie in `{{out}}`"),
                &path.span,
                "",
                "it is read after each run and then removed: write `{out}/NAME.d`",
            );
        }
    }
    depfiles
}

/// A string, or an array of strings with something in it.
fn one_or_more<'a>(notes: &mut Notes<'a>, what: &str, entry: &'a Entry) -> Vec<Spanned<&'a str>> {
    let texts = match (entry.item.as_str(), entry.item.as_array()) {
        (Some(_), _) => {
            let text = notes.string(what, entry);
            text.map(|value| Spanned { value, span: entry.value.clone() }).into_iter().collect()
        }
        (None, Some(_)) => notes.strings(what, entry).unwrap_or_default(),
        (None, None) => {
            notes.wrong_type(what, "a string or an array of strings", entry, None);
            return Vec::new();
        }
    };
    if entry.item.as_array().is_some_and(<[_]>::is_empty) {
        notes.add(format!("{what} is empty"), &entry.value, "");
    }
    texts
}

fn read_tags<'a>(
    notes: &mut Notes<'a>,
    later: &mut Later,
    scope: &Scope<'_>,
    what: &str,
    entry: &'a Entry,
) -> Vec<Template> {
    let mut tags = Vec::new();
    for tag in notes.strings(what, entry).unwrap_or_default() {
        if tag.value.is_empty() || tag.value.contains([',', ' ', '!']) {
            let label = "a tag is one word, each an element of its own";
            notes.add(
                format!("bad tag `{}` in {what}", tag.value.escape_debug()),
                &tag.span,
                label,
            );
        } else {
            tags.extend(placeholder::read(notes, later, scope, "discover", Use::Input, &tag));
        }
    }
    tags
}

/// What can be said of a package by its text alone; its directory is looked for when all steps are known.
fn check_package(
    notes: &mut Notes<'_>,
    later: &mut Later,
    step: &StepName,
    dir: &RelPath,
    pattern: &Spanned<&str>,
) {
    let text = pattern.value;
    let what = format!("the Go package `{}` in step `{step}`", text.escape_debug());
    let is_relative =
        matches!(text, "." | "..") || text.starts_with("./") || text.starts_with("../");
    if !is_relative {
        let help = match text.strip_prefix('/').unwrap_or(text) {
            "" => "write `.` for the package in the step's `dir`".to_owned(),
            rest => {
                format!("write `./{}`: it is relative to the step's `dir`", rest.escape_debug())
            }
        };
        return notes.add_with_help(
            format!("{what} is not a relative path"),
            &pattern.span,
            "",
            help,
        );
    }
    if text.ends_with(".go") {
        let help = "name the directory that it lies in";
        return notes.add_with_help(format!("{what} is a file"), &pattern.span, "", help);
    }
    let Some(directory) = dir.resolve(literal_directory(text)) else {
        let help = "it is relative to the step's `dir`";
        return notes.add_with_help(
            format!("{what} leaves the workspace"),
            &pattern.span,
            "",
            help,
        );
    };
    later.packages.push((step.clone(), directory, notes.place(&pattern.span)));
}

/// The directory that a package pattern begins with, without placeholders and `...`.
pub(crate) fn literal_directory(text: &str) -> &str {
    match text.find("...").into_iter().chain(text.find("{matrix.")).min() {
        Some(wildcard) => &text[..text[..wildcard].rfind('/').map_or(0, |slash| slash + 1)],
        None => text,
    }
}

/// Packages whose directory is not there, and that no step makes.
pub(super) fn missing_packages(
    workspace: &Workspace,
    steps: &[Step],
    later: &Later,
    unsure: &Set<StepName>,
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (step, place) in super::not_there(workspace, steps, &later.packages, unsure) {
        let message = format!("a Go package of step `{step}` does not exist");
        mistakes.push(Mistake::new(message, place).help("it is relative to the step's `dir`"));
    }
    mistakes
}
