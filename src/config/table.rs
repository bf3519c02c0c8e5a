//! Tables as they stand in a manifest: every key and value with its place, in the order of the file. Knows TOML, and none of our keys.

use crate::ordered;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    /// The key.
    pub(super) name: String,
    /// Where it stands.
    pub(super) key: Range<usize>,
    /// The value.
    pub(super) item: Item,
    /// Where that stands; where the key does, for a table that is only known by keys below it.
    pub(super) value: Range<usize>,
}

/// A value.
#[derive(Debug)]
pub(super) enum Item {
    /// `"text"`
    String(String),
    /// `1`
    Integer(i64),
    /// `1.5`
    Float,
    /// `true`
    Boolean(bool),
    /// `2026-01-01`
    Date,
    /// `[1, 2]`
    Array(Vec<Element>),
    /// `[[key]]`, each with the place of its header
    Tables(Vec<(Table, Range<usize>)>),
    /// `{ key = 1 }`, `[key]`, or just `key.below = 1`
    Table(Table),
}

/// An element of an array, and where it stands.
#[derive(Debug)]
pub(super) struct Element {
    /// The value.
    pub(super) item: Item,
    /// Where it stands.
    pub(super) span: Range<usize>,
}

/// The entries of a table.
#[derive(Debug)]
pub(super) struct Table {
    /// In the order of the file.
    pub(super) entries: Vec<Entry>,
    /// Whether it is written in braces.
    pub(super) is_inline: bool,
}

/// A number that is none of ours: where it stands.
#[derive(Debug)]
pub(super) struct Overflow(pub(super) Range<usize>);

impl Table {
    /// The entry of that name.
    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }
}

impl Item {
    /// The text of a string.
    pub(super) fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// An integer.
    pub(super) fn as_integer(&self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(*number) } else { None }
    }

    /// A boolean.
    pub(super) fn as_bool(&self) -> Option<bool> {
        if let Self::Boolean(value) = self { Some(*value) } else { None }
    }

    /// The elements of an array in brackets.
    pub(super) fn as_array(&self) -> Option<&[Element]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }

    /// A table, however it is written.
    pub(super) fn as_table(&self) -> Option<&Table> {
        if let Self::Table(table) = self { Some(table) } else { None }
    }

    /// Whether it stands behind an `=`, and its place is all of it. That of another table is its header or a key.
    pub(super) fn is_value(&self) -> bool {
        match self {
            Self::Table(table) => table.is_inline,
            Self::Tables(_) => false,
            _ => true,
        }
    }

    /// What it is, with its article.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "an integer",
            Self::Float => "a float",
            Self::Boolean(_) => "a boolean",
            Self::Date => "a date",
            Self::Array(_) => "an array",
            Self::Tables(_) => "an array of tables",
            Self::Table(_) => "a table",
        }
    }
}

/// The entry `name` of `table`, which was parsed from `text`.
pub(super) fn entry(
    text: &str,
    table: &DeTable<'_>,
    name: &str,
) -> Result<Option<Entry>, Overflow> {
    let Some((key, value)) = table.get_key_value(name) else { return Ok(None) };
    let (key, span) = (key.span(), value.span());
    let item = item(text, value.get_ref(), &span)?;
    Ok(Some(Entry { name: name.to_owned(), key, item, value: span }))
}

fn table(text: &str, table: &DeTable<'_>, span: &Range<usize>) -> Result<Table, Overflow> {
    let mut entries = Vec::with_capacity(table.len());
    for (key, value) in table {
        let span = value.span();
        let item = item(text, value.get_ref(), &span)?;
        let name = key.get_ref().clone().into_owned();
        entries.push(Entry { name, key: key.span(), item, value: span });
    }
    ordered::sort_by_key(&mut entries, |entry| entry.key.start);
    Ok(Table { entries, is_inline: begins(text, span, '{') })
}

fn item(text: &str, value: &DeValue<'_>, span: &Range<usize>) -> Result<Item, Overflow> {
    Ok(match value {
        DeValue::String(text) => Item::String(text.clone().into_owned()),
        DeValue::Integer(number) => {
            let parsed = i64::from_str_radix(number.as_str(), number.radix());
            Item::Integer(parsed.map_err(|_| Overflow(span.clone()))?)
        }
        DeValue::Float(_) => Item::Float,
        DeValue::Boolean(value) => Item::Boolean(*value),
        DeValue::Datetime(_) => Item::Date,
        DeValue::Table(value) => Item::Table(table(text, value, span)?),
        DeValue::Array(values) => {
            let mut elements = Vec::with_capacity(values.len());
            let mut tables = Vec::new();
            for value in values.iter() {
                let span = value.span();
                match item(text, value.get_ref(), &span)? {
                    // Only headers make tables that are not written in braces elements of something.
                    Item::Table(table) if !table.is_inline => tables.push((table, span)),
                    item => elements.push(Element { item, span }),
                }
            }
            if tables.is_empty() { Item::Array(elements) } else { Item::Tables(tables) }
        }
    })
}

fn begins(text: &str, span: &Range<usize>, with: char) -> bool {
    text.get(span.clone()).is_some_and(|text| text.starts_with(with))
}
