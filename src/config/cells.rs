//! The matrix of a step: its variables and values, and what is taken out of it.

use super::placeholder::list;
use super::suggest::suggest;
use super::table::{Entry, Table};
use super::value::Notes;
use crate::action::ActionName;
use crate::matrix::{self, Cell};
use crate::ordered::Map;
use crate::step::{Spanned, StepName};
use crate::template;
use std::ops::Range;

/// More actions of one step than these are taken for a slip.
const MOST_ACTIONS: usize = 1_000;

/// Some file systems end names at 255 bytes.
const LONGEST_NAME: usize = 200;

/// What is wrong with a matrix of no combinations.
const NO_ACTION: &str = "so there would be no action";

/// The variables of a matrix and their values.
pub(super) type Variables = Map<String, Vec<String>>;

/// Reads `matrix`. `None` if there is a mistake in it.
pub(super) fn read<'a>(
    notes: &mut Notes<'a>,
    step: &StepName,
    entry: &'a Entry,
) -> Option<Variables> {
    let before = notes.mistakes.len();
    let table =
        notes.table(&format!("`matrix` in step `{step}`"), entry, "{ VARIABLE = [\"VALUE\"] }")?;
    if table.entries.is_empty() {
        notes.add(
            format!("`matrix` in step `{step}` has no variables"),
            &entry.key,
            "leave it out, or name one",
        );
    }
    let mut variables = Variables::new();
    for variable in &table.entries {
        check_name(notes, step, variable);
        variables.insert(variable.name.clone(), values(notes, step, variable));
    }
    (notes.mistakes.len() == before).then_some(variables)
}

/// Reads `matrix-exclude`.
pub(super) fn read_exclude<'a>(
    notes: &mut Notes<'a>,
    step: &StepName,
    variables: Option<&Variables>,
    entry: &'a Entry,
) -> Vec<Cell> {
    let what = format!("`matrix-exclude` in step `{step}`");
    let form = "{ VARIABLE = \"VALUE\" }";
    let Some(tables) = notes.tables(&what, entry, &format!("write `{form}`")) else {
        notes.wrong_type(&what, "an array of tables", entry, Some(format!("write `[{form}]`")));
        return Vec::new();
    };
    if variables.is_some_and(Variables::is_empty) {
        notes.add(
            format!("{what} stands without a `matrix`"),
            &entry.key,
            "there is nothing to take out",
        );
        return Vec::new();
    }
    tables.into_iter().map(|(table, span)| exclude(notes, step, variables, table, span)).collect()
}

/// Notes a matrix that is too large, empty, or whose actions cannot be told apart by their directories. Gives it back, cut
/// down to one action where there is a mistake. The spans are those of `matrix` and `matrix-exclude`.
pub(super) fn check(
    notes: &mut Notes<'_>,
    step: &StepName,
    [span, exclude_span]: [&Range<usize>; 2],
    variables: Variables,
    exclude: &[Cell],
) -> Variables {
    let combinations = matrix::combinations(&variables);
    let cells = matrix::cells(&variables, exclude);
    let actions = if combinations > matrix::MOST_COMBINATIONS { combinations } else { cells.len() };
    match actions {
        0 => notes.add(
            format!("`matrix-exclude` in step `{step}` takes every combination out"),
            exclude_span,
            NO_ACTION,
        ),
        1..=MOST_ACTIONS => match indistinct(step, &cells) {
            None => return variables,
            Some((message, help)) => notes.add_with_help(message, span, "", help),
        },
        actions => notes.add_with_help(
            format!("the matrix of step `{step}` has {actions} combinations, and more than {MOST_ACTIONS} are not run"),
            span,
            "",
            "take some out with `matrix-exclude`, or declare several steps",
        ),
    }
    let first =
        |(name, values): (String, Vec<String>)| (name, values.into_iter().take(1).collect());
    variables.into_iter().map(first).collect()
}

/// What is wrong with the names of the actions, and the way out.
fn indistinct(step: &StepName, cells: &[Cell]) -> Option<(String, String)> {
    let mut directories: Map<String, ActionName> = Map::new();
    for cell in cells {
        let name = ActionName { step: step.clone(), cell: cell.clone() };
        let directory = name.out_dir().name().unwrap_or_default().to_lowercase();
        if directory.len() > LONGEST_NAME {
            let message = "are too long for the name of a directory";
            return Some((
                format!("the values of the matrix of step `{step}` {message}"),
                format!("together with their variables they may have {LONGEST_NAME} bytes"),
            ));
        }
        if let Some(other) = directories.get(&directory) {
            let help = match other.out_dir() == name.out_dir() {
                true => "take `,` and `=` out of the values",
                false => {
                    "on some file systems names that differ only in upper and lower case are one"
                }
            };
            let message = format!("`{other}` and `{name}` would share one directory");
            return Some((message, help.to_owned()));
        }
        directories.insert(directory, name);
    }
    None
}

fn check_name(notes: &mut Notes<'_>, step: &StepName, variable: &Entry) {
    if !template::is_variable_name(&variable.name) {
        let message = format!(
            "bad name `{}` of a variable in the matrix of step `{step}`",
            variable.name.escape_debug()
        );
        notes.add(message, &variable.key, "a name is made of letters, digits, `-` and `_`");
    }
}

fn values<'a>(notes: &mut Notes<'a>, step: &StepName, variable: &'a Entry) -> Vec<String> {
    let what = format!("variable `{}` of the matrix in step `{step}`", variable.name);
    let mut values: Vec<String> = Vec::new();
    let Some(texts) = notes.strings(&what, variable) else { return values };
    if variable.item.as_array().is_some_and(<[_]>::is_empty) {
        notes.add(format!("{what} has no values"), &variable.value, NO_ACTION);
    }
    for text in texts {
        if check_value(notes, &what, &text, &values) {
            values.push(text.value.to_owned());
        }
    }
    values
}

fn check_value(notes: &mut Notes<'_>, what: &str, text: &Spanned<&str>, before: &[String]) -> bool {
    let (pieces, malformed) = template::scan(text.value);
    let is_plain = malformed.is_empty()
        && pieces.iter().all(|(piece, _)| matches!(piece, template::Piece::Text(_)));
    if !is_plain {
        notes.add(
            format!("{what} has a placeholder in it"),
            &text.span,
            "values are taken as they stand",
        );
    } else if text.value.contains(char::is_control) {
        notes.add(
            format!("{what} has a control character in it"),
            &text.span,
            "a value is part of the action's name",
        );
    } else if before.iter().any(|value| value == text.value) {
        notes.add(
            format!("{what} has the value `{}` twice", text.value),
            &text.span,
            "the second time",
        );
    } else {
        return true;
    }
    false
}

fn exclude<'a>(
    notes: &mut Notes<'a>,
    step: &StepName,
    variables: Option<&Variables>,
    table: &'a Table,
    span: &Range<usize>,
) -> Cell {
    if table.entries.is_empty() {
        notes.add(
            format!("an element of `matrix-exclude` in step `{step}` names no variable"),
            span,
            "this would take everything out",
        );
    }
    let mut cell = Cell::new();
    for entry in &table.entries {
        let Some(value) =
            notes.string(&format!("`{}` in `matrix-exclude` in step `{step}`", entry.name), entry)
        else {
            continue;
        };
        if variables.is_none_or(|variables| is_known(notes, step, variables, entry, value)) {
            cell.insert(entry.name.clone(), value.to_owned());
        }
    }
    cell
}

fn is_known(
    notes: &mut Notes<'_>,
    step: &StepName,
    variables: &Variables,
    entry: &Entry,
    value: &str,
) -> bool {
    let Some(values) = variables.get(&entry.name) else {
        let message = format!(
            "`matrix-exclude` in step `{step}` names the unknown variable `{}`",
            entry.name
        );
        notes.add(message, &entry.key, meant(&entry.name, variables.keys().map(String::as_str)));
        return false;
    };
    let known = values.iter().any(|known| known == value);
    if !known {
        let message = format!(
            "`matrix-exclude` in step `{step}` names the unknown value `{value}` of `{}`",
            entry.name
        );
        notes.add(message, &entry.value, meant(value, values.iter().map(String::as_str)));
    }
    known
}

fn meant<'a>(name: &str, names: impl Iterator<Item = &'a str> + Clone) -> String {
    match suggest(name, names.clone()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the matrix has {}", list(names)),
    }
}
