//! The key `cargo` of a step: what Cargo builds before the step is checked.

use super::Declared;
use super::document::Section;
use super::placeholder::list;
use super::suggest::suggest;
use super::table::{Entry, Table};
use super::value::Notes;
use crate::mistake::Mistake;
use crate::ordered;
use crate::step::{Artifact, ArtifactKind, Spanned, StepName};
use crate::template;
use std::ops::Range;

const KEYS: [&str; 6] = ["package", "bin", "example", "lib", "profile", "features"];

/// How one is written.
const FORM: &str = "{ package = \"NAME\", bin = \"NAME\" }";

/// What a step names.
#[derive(Debug, Default)]
pub(super) struct Artifacts {
    /// What was understood.
    pub(super) known: Vec<Spanned<Artifact>>,
    /// Something was not: a placeholder that names it is no second mistake.
    pub(super) misspelt: bool,
}

/// Reads `cargo` of `step`: a table, or an array of tables.
pub(super) fn read<'a>(
    notes: &mut Notes<'a>,
    declared: &Declared,
    section: &Section<'a>,
    step: &StepName,
    entry: &'a Entry,
) -> Artifacts {
    let before = notes.mistakes.len();
    let mut known: Vec<Spanned<Artifact>> = Vec::new();
    for (table, span) in tables(notes, step, entry) {
        let reading = Reading { declared, section, step, table, span };
        let Some(artifact) = reading.read(notes) else { continue };
        let name = artifact.name.clone();
        match known.iter().find(|known| known.value.variable() == artifact.variable()) {
            None => known.push(Spanned { value: artifact, span: span.clone() }),
            Some(first) => {
                let other = notes.place(&first.span).label("the first time");
                let message = format!("`cargo` in step `{step}` names `{name}` twice");
                let mistake = Mistake::new(message, notes.place(span).label("the second time"));
                notes.mistakes.push(mistake.related(other).help(format!(
                    "each has one name: `{{cargo.{name}}}` and `{}`",
                    artifact.variable()
                )));
            }
        }
    }
    Artifacts { known, misspelt: notes.mistakes.len() > before }
}

fn tables<'a>(
    notes: &mut Notes<'a>,
    step: &StepName,
    entry: &'a Entry,
) -> Vec<(&'a Table, &'a Range<usize>)> {
    let what = format!("`cargo` in step `{step}`");
    if let Some(table) = entry.item.as_table() {
        let span = if entry.item.is_value() { &entry.value } else { &entry.key };
        return vec![(table, span)];
    }
    let tables = notes.tables(&what, entry, &format!("write `[{FORM}]`"));
    if tables.is_none() {
        notes.wrong_type(&what, "a table", entry, Some(format!("write `{FORM}`")));
    }
    tables.unwrap_or_default()
}

/// One table while it is read.
struct Reading<'r, 'a> {
    declared: &'r Declared,
    section: &'r Section<'a>,
    step: &'r StepName,
    table: &'a Table,
    span: &'r Range<usize>,
}

impl<'a> Reading<'_, 'a> {
    fn read(&self, notes: &mut Notes<'a>) -> Option<Artifact> {
        let before = notes.mistakes.len();
        self.check_keys(notes);
        let package = self.package(notes);
        let target = self.target(notes, before);
        let profile = self.name(notes, "profile");
        let features = self.features(notes);
        if notes.mistakes.len() > before {
            return None;
        }
        let (package, (kind, name)) = (package?, target?);
        // A library is known by its package, since its own name is Cargo's business.
        let name = name.unwrap_or_else(|| package.clone());
        let profile = profile.unwrap_or("dev").to_owned();
        Some(Artifact { package, kind, name, profile, features })
    }

    fn what(&self, key: &str) -> String {
        format!("`{key}` in `cargo` of step `{}`", self.step)
    }

    fn check_keys(&self, notes: &mut Notes<'_>) {
        for entry in self.table.entries.iter().filter(|entry| !KEYS.contains(&&*entry.name)) {
            let message =
                format!("unknown key `{}` in `cargo` of step `{}`", entry.name, self.step);
            match suggest(&entry.name, KEYS) {
                Some(meant) => notes.add(message, &entry.key, format!("did you mean `{meant}`?")),
                None => {
                    let help = format!("the keys are {}", list(KEYS.into_iter()));
                    notes.add_with_help(message, &entry.key, "", help);
                }
            }
        }
    }

    /// The package that is named, or else the one whose table this is.
    fn package(&self, notes: &mut Notes<'a>) -> Option<String> {
        let packages = || self.declared.packages.iter().map(String::as_str);
        let Some(entry) = self.table.get("package") else {
            let own = self.section.package.map(str::to_owned);
            if own.is_none() {
                let message = format!("`cargo` in step `{}` names no package", self.step);
                let help = "add `package = \"NAME\"`: the step belongs to no package of its own";
                notes.add_with_help(message, self.span, "", help);
            }
            return own;
        };
        let name = notes.string(&self.what("package"), entry)?;
        if self.declared.packages.contains(name) {
            return Some(name.to_owned());
        }
        let message =
            format!("unknown package `{}` in `cargo` of step `{}`", name.escape_debug(), self.step);
        match suggest(name, packages()) {
            Some(meant) => notes.add(message, &entry.value, format!("did you mean `{meant}`?")),
            None if self.declared.packages.is_empty() => {
                notes.add(message, &entry.value, "the workspace has no packages");
            }
            None => notes.add_with_help(
                message,
                &entry.value,
                "",
                format!("the workspace has {}", list(packages().take(8))),
            ),
        }
        None
    }

    /// What of the package is meant: `bin`, `example` or `lib`.
    fn target(
        &self,
        notes: &mut Notes<'a>,
        before: usize,
    ) -> Option<(ArtifactKind, Option<String>)> {
        let named: Vec<&str> = ["bin", "example", "lib"]
            .into_iter()
            .filter(|key| self.table.get(key).is_some())
            .collect();
        match named.as_slice() {
            ["lib"] => Some((self.lib(notes)?, None)),
            [key] => {
                let name = self.name(notes, key)?;
                let kind = if *key == "bin" { ArtifactKind::Bin } else { ArtifactKind::Example };
                Some((kind, Some(name.to_owned())))
            }
            // What is misspelt may be just this.
            [] if notes.mistakes.len() > before => None,
            [] => {
                let message = format!("`cargo` in step `{}` does not say what is built", self.step);
                let help = "add `bin = \"NAME\"`, `example = \"NAME\"` or `lib = \"staticlib\"`";
                notes.add_with_help(message, self.span, "", help);
                None
            }
            several => {
                let names: Vec<_> = several.iter().map(|key| format!("`{key}`")).collect();
                let names = names.join(" and ");
                let message = format!("`cargo` in step `{}` has {names}", self.step);
                let help = "each table stands for one thing; write an array of them for several";
                notes.add_with_help(message, self.span, "", help);
                None
            }
        }
    }

    fn lib(&self, notes: &mut Notes<'a>) -> Option<ArtifactKind> {
        let entry = self.table.get("lib")?;
        match notes.string(&self.what("lib"), entry)? {
            "staticlib" => Some(ArtifactKind::StaticLib),
            "cdylib" => Some(ArtifactKind::CDyLib),
            other => {
                let message =
                    format!("unknown value `{}` of {}", other.escape_debug(), self.what("lib"));
                let label = match suggest(other, ["staticlib", "cdylib"]) {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None => "there are `staticlib` and `cdylib`".to_owned(),
                };
                let help = "what other languages link with is a crate type of its own, to be named in `[lib]` of that package";
                notes.add_with_help(message, &entry.value, label, help);
                None
            }
        }
    }

    /// A text that can be the name of a target or profile.
    fn name(&self, notes: &mut Notes<'a>, key: &str) -> Option<&'a str> {
        let entry = self.table.get(key)?;
        let name = notes.string(&self.what(key), entry)?;
        if template::is_variable_name(name) {
            return Some(name);
        }
        let message = format!("bad name `{}` in {}", name.escape_debug(), self.what(key));
        notes.add(message, &entry.value, "a name is made of letters, digits, `-` and `_`");
        None
    }

    fn features(&self, notes: &mut Notes<'a>) -> Vec<String> {
        let Some(entry) = self.table.get("features") else { return Vec::new() };
        let texts = notes.strings(&self.what("features"), entry).unwrap_or_default();
        let mut features: Vec<String> = texts.iter().map(|text| text.value.to_owned()).collect();
        ordered::sort(&mut features);
        features.dedup();
        features
    }
}
