//! Reads values of the types that are asked for, and notes what is of another.

use super::document::Manifest;
use super::table::{Element, Entry, Item, Table};
use crate::mistake::{Mistake, Place};
use crate::step::Spanned;
use std::ops::Range;

/// The mistakes of one manifest, as they are found.
#[derive(Debug)]
pub(super) struct Notes<'a> {
    /// The manifest that is read.
    pub(super) manifest: &'a Manifest,
    /// What was found.
    pub(super) mistakes: Vec<Mistake>,
}

impl<'a> Notes<'a> {
    /// No mistakes of `manifest`.
    pub(super) fn new(manifest: &'a Manifest) -> Self {
        Self { manifest, mistakes: Vec::new() }
    }

    /// A place in the manifest.
    pub(super) fn place(&self, span: &Range<usize>) -> Place {
        Place::new(&self.manifest.file, span.clone())
    }

    /// Notes a mistake.
    pub(super) fn add(
        &mut self,
        message: impl Into<String>,
        span: &Range<usize>,
        label: impl Into<String>,
    ) {
        let place = self.place(span).label(label);
        self.mistakes.push(Mistake::new(message, place));
    }

    /// Notes a mistake with the way out.
    pub(super) fn add_with_help(
        &mut self,
        message: impl Into<String>,
        span: &Range<usize>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let place = self.place(span).label(label);
        self.mistakes.push(Mistake::new(message, place).help(help));
    }

    /// A string. `what` names it, as in "`dir` in step `#api`".
    pub(super) fn string(&mut self, what: &str, entry: &'a Entry) -> Option<&'a str> {
        let Some(text) = entry.item.as_str() else {
            self.wrong_type(what, "a string", entry, quoted(&entry.item));
            return None;
        };
        self.without_nul(what, text, &entry.value)
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, what: &str, entry: &'a Entry) -> Option<bool> {
        let value = entry.item.as_bool();
        if value.is_none() {
            let help = match entry.item.as_str() {
                Some(text @ ("true" | "false")) => Some(format!("write `{text}` without quotes")),
                _ => None,
            };
            self.wrong_type(what, "`true` or `false`", entry, help);
        }
        value
    }

    /// An integer from `least` to `most`.
    pub(super) fn integer(
        &mut self,
        what: &str,
        entry: &'a Entry,
        least: u32,
        most: u32,
    ) -> Option<u32> {
        let Some(number) = entry.item.as_integer() else {
            let digits = entry.item.as_str().filter(|text| text.parse::<u32>().is_ok());
            let help = digits.map(|text| format!("write `{text}` without quotes"));
            self.wrong_type(what, "an integer", entry, help);
            return None;
        };
        let fitting = u32::try_from(number).ok().filter(|number| (least..=most).contains(number));
        if fitting.is_none() {
            self.add(format!("{what} must be from {least} to {most}"), &entry.value, "");
        }
        fitting
    }

    /// An array of strings. An element that is none is left out.
    pub(super) fn strings(
        &mut self,
        what: &str,
        entry: &'a Entry,
    ) -> Option<Vec<Spanned<&'a str>>> {
        let Some(array) = entry.item.as_array() else {
            let help = entry.item.as_str().map(|text| format!("write `[{text:?}]`"));
            self.wrong_type(what, "an array of strings", entry, help);
            return None;
        };
        let elements = array.iter().filter_map(|element| self.element(what, element));
        Some(elements.collect())
    }

    /// An array of tables, each with its place; `None` if it is none. An element that is no table is left out: `help` says what to write.
    pub(super) fn tables(
        &mut self,
        what: &str,
        entry: &'a Entry,
        help: &str,
    ) -> Option<Vec<(&'a Table, &'a Range<usize>)>> {
        let elements = match &entry.item {
            Item::Tables(tables) => {
                return Some(tables.iter().map(|(table, span)| (table, span)).collect());
            }
            item => item.as_array()?,
        };
        let mut tables = Vec::new();
        for Element { item, span } in elements {
            match item.as_table() {
                Some(table) => tables.push((table, span)),
                None => self.add_with_help(
                    format!("an element of {what} is not a table"),
                    span,
                    format!("this is {}", item.kind()),
                    help,
                ),
            }
        }
        Some(tables)
    }

    /// A table. `form` shows how one is written.
    pub(super) fn table(&mut self, what: &str, entry: &'a Entry, form: &str) -> Option<&'a Table> {
        let table = entry.item.as_table();
        if table.is_none() {
            self.wrong_type(what, "a table", entry, Some(format!("write `{form}`")));
        }
        table
    }

    /// Notes that a value is not of the type that is asked for.
    pub(super) fn wrong_type(
        &mut self,
        what: &str,
        expected: &str,
        entry: &Entry,
        help: Option<String>,
    ) {
        // The span of a table is its header, and that of an array of tables reaches from the first to the last.
        let span = if entry.item.is_value() { &entry.value } else { &entry.key };
        let mistake = Mistake::new(
            format!("{what} is not {expected}"),
            self.place(span).label(format!("this is {}", entry.item.kind())),
        );
        self.mistakes.push(Mistake { help, ..mistake });
    }

    /// The value as a string of an array; a mistake and `None` if it is none.
    pub(super) fn element(&mut self, what: &str, element: &'a Element) -> Option<Spanned<&'a str>> {
        let Some(text) = element.item.as_str() else {
            let label = format!("this is {}", element.item.kind());
            let mistake = Mistake::new(
                format!("an element of {what} is not a string"),
                self.place(&element.span).label(label),
            );
            self.mistakes.push(Mistake { help: quoted(&element.item), ..mistake });
            return None;
        };
        let value = self.without_nul(what, text, &element.span)?;
        Some(Spanned { value, span: element.span.clone() })
    }

    /// Where `range` of the decoded `text` stands, if the string at `span` has no escapes in front of it; else all of the string.
    pub(super) fn inside(
        &self,
        span: &Range<usize>,
        text: &str,
        range: &Range<usize>,
    ) -> Range<usize> {
        let raw = self.manifest.text.get(span.clone()).unwrap_or_default();
        let quotes = if raw.starts_with("\"\"\"") || raw.starts_with("'''") { 3 } else { 1 };
        let newline = match raw.get(quotes..) {
            Some(rest) if quotes == 3 && rest.starts_with("\r\n") => 2,
            Some(rest) if quotes == 3 && rest.starts_with('\n') => 1,
            _ => 0,
        };
        let start = quotes + newline;
        match (raw.get(start..start + range.end), text.get(..range.end)) {
            (Some(raw), Some(text)) if raw == text => {
                span.start + start + range.start..span.start + start + range.end
            }
            _ => span.clone(),
        }
    }

    fn without_nul(&mut self, what: &str, text: &'a str, span: &Range<usize>) -> Option<&'a str> {
        if text.contains('\0') {
            self.add(
                format!("{what} contains a NUL character"),
                span,
                "no command, path or variable can have one",
            );
            return None;
        }
        Some(text)
    }
}

/// For a number or boolean where a string is asked for: how to write it.
fn quoted(item: &Item) -> Option<String> {
    match item {
        Item::Integer(number) => Some(format!("write `\"{number}\"`, with quotes")),
        Item::Boolean(boolean) => Some(format!("write `\"{boolean}\"`, with quotes")),
        Item::Float | Item::Date => Some("put it in quotes".to_owned()),
        _ => None,
    }
}
