//! The needs of a step: which steps its texts name, and what it calls them.

use super::Declared;
use super::document::Section;
use super::suggest::suggest;
use super::table::Entry;
use super::value::Notes;
use crate::ordered::Map;
use crate::step::{DeclaredNeed, Spanned, StepName};

/// The needs of one step by the names that placeholders give them.
#[derive(Debug, Default)]
pub(super) struct Needs {
    /// What was understood.
    pub(super) known: Vec<Spanned<DeclaredNeed>>,
    /// Texts that were not: a placeholder that names one of them is no second mistake.
    misspelt: Vec<String>,
    /// Those on steps that were left behind when the package was taken out of its workspace, and that may be; as they stand.
    pub(super) absent: Vec<String>,
    /// Nothing could be read.
    unread: bool,
}

/// What a placeholder names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Named<'a> {
    /// This need.
    One(&'a DeclaredNeed),
    /// Several, by their full names.
    Several(Vec<String>),
    /// A need that is a mistake already.
    Misspelt,
    /// Nothing.
    Nothing,
}

/// Reads the needs of `step`.
pub(super) fn read<'a>(
    notes: &mut Notes<'a>,
    declared: &Declared,
    section: &Section<'_>,
    step: &StepName,
    entry: &'a Entry,
    may_be_absent: bool,
) -> Needs {
    let mut needs = Needs::default();
    let texts = notes.strings(&format!("`needs` in step `{step}`"), entry);
    needs.unread = texts.is_none();
    for text in texts.unwrap_or_default() {
        let found = resolve(notes, section, step, &text);
        let is_there = |name: &StepName| declared.steps.contains(name);
        match found {
            Some(name) if !is_there(&name) => {
                let is_elsewhere = name.package.as_deref() != section.package;
                match may_be_absent && is_elsewhere {
                    true => needs.absent.push(text.value.to_owned()),
                    false => unknown(notes, declared, step, &text, &name),
                }
                needs.misspelt.push(text.value.to_owned());
            }
            Some(name) => add(notes, &mut needs, step, Spanned { value: name, span: text.span }),
            None => needs.misspelt.push(text.value.to_owned()),
        }
    }
    name_apart(&mut needs.known);
    check_variables(notes, step, &needs.known);
    needs
}

/// Two needs with one variable: a command would find one of them only.
fn check_variables(notes: &mut Notes<'_>, step: &StepName, needs: &[Spanned<DeclaredNeed>]) {
    let mut first: Map<String, &Spanned<DeclaredNeed>> = Map::new();
    for need in needs {
        let variable = need.value.variable();
        let Some(first) = first.get(&variable) else {
            first.insert(variable, need);
            continue;
        };
        let (one, other) = (&first.value.step, &need.value.step);
        let place = notes.place(&first.span).label(format!("`{one}`"));
        notes.add_with_help(
            format!("step `{step}` needs `{one}` and `{other}`, which both become `{variable}`"),
            &need.span,
            format!("`{other}`"),
            "rename one of the two: commands find the output directory of a need in that variable",
        );
        if let Some(mistake) = notes.mistakes.last_mut() {
            mistake.related.push(place);
        }
    }
}

/// How to add a need: the first one of a step needs the key as well.
pub(crate) fn advice(need: &str, is_first: bool) -> String {
    match is_first {
        true => format!("add `needs = [\"{need}\"]`"),
        false => format!("add `\"{need}\"` to `needs`"),
    }
}

impl Needs {
    /// What `name`, as it stands in `{needs.NAME.out}`, names.
    pub(super) fn named(&self, name: &str) -> Named<'_> {
        let full: Option<StepName> = name.split_once('#').map(|(package, step)| StepName {
            package: (!package.is_empty()).then(|| package.to_owned()),
            step: step.to_owned(),
        });
        let is_named = |need: &&DeclaredNeed| match &full {
            Some(full) => need.step == *full,
            None => need.step.step == name,
        };
        let found: Vec<&DeclaredNeed> =
            self.known.iter().map(|need| &need.value).filter(is_named).collect();
        match found.as_slice() {
            [need] => Named::One(need),
            [] if self.unread
                || self
                    .misspelt
                    .iter()
                    .any(|text| text == name || text.ends_with(&format!("#{name}"))) =>
            {
                Named::Misspelt
            }
            [] => Named::Nothing,
            several => Named::Several(several.iter().map(|need| need.step.to_string()).collect()),
        }
    }

    /// The names that placeholders can use.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(|need| need.value.name.as_str())
    }
}

fn add(notes: &mut Notes<'_>, needs: &mut Needs, step: &StepName, need: Spanned<StepName>) {
    if need.value == *step {
        let label = "a step would wait for itself forever";
        notes.add(format!("step `{step}` needs itself"), &need.span, label);
        return;
    }
    if let Some(first) = needs.known.iter().find(|known| known.value.step == need.value) {
        let place = notes.place(&first.span).label("the first time");
        notes.add(
            format!("step `{step}` needs `{}` twice", need.value),
            &need.span,
            "the second time",
        );
        if let Some(mistake) = notes.mistakes.last_mut() {
            mistake.related.push(place);
        }
        return;
    }
    let name = need.value.step.clone();
    needs.known.push(Spanned { value: DeclaredNeed { step: need.value, name }, span: need.span });
}

/// Needs with the same bare name are called by their full ones.
fn name_apart(needs: &mut [Spanned<DeclaredNeed>]) {
    let bare: Vec<String> = needs.iter().map(|need| need.value.step.step.clone()).collect();
    for need in needs {
        if bare.iter().filter(|name| **name == need.value.step.step).count() > 1 {
            need.value.name = need.value.step.to_string();
        }
    }
}

/// The step that `text` names, whether there is one or not.
fn resolve(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    step: &StepName,
    text: &Spanned<&str>,
) -> Option<StepName> {
    let (package, name) = match text.value.split_once('#') {
        None => (section.package, text.value),
        Some((package, name)) => ((!package.is_empty()).then_some(package), name),
    };
    if text.value.is_empty() {
        notes.add(format!("an element of `needs` in step `{step}` is empty"), &text.span, "");
        return None;
    }
    if name.is_empty() || name.contains(['#', '{', '}']) || name.trim() != name {
        let message = format!("malformed need `{}` in step `{step}`", text.value.escape_debug());
        let help =
            "write `\"step\"`, `\"package#step\"`, or `\"#step\"` for a step of the workspace";
        notes.add_with_help(message, &text.span, "", help);
        return None;
    }
    Some(StepName { package: package.map(str::to_owned), step: name.to_owned() })
}

fn unknown(
    notes: &mut Notes<'_>,
    declared: &Declared,
    step: &StepName,
    text: &Spanned<&str>,
    found: &StepName,
) {
    if let Some(package) =
        found.package.as_ref().filter(|package| !declared.packages.contains(*package))
    {
        let message = format!("unknown package `{package}` in a need of step `{step}`");
        let label = suggest(package, declared.packages.iter().map(String::as_str))
            .map(|name| format!("did you mean `{name}#{}`?", found.step));
        notes.add(
            message,
            &text.span,
            label.unwrap_or_else(|| "no package of the workspace".to_owned()),
        );
        return;
    }
    let message = format!("unknown step `{}` in `needs` of step `{step}`", text.value);
    let elsewhere: Vec<String> = declared
        .steps
        .iter()
        .filter(|name| name.step == found.step)
        .take(3)
        .map(|name| format!("`{name}`"))
        .collect();
    if !elsewhere.is_empty() {
        let help = "a name without `#` is a step of the same table";
        let label = format!("did you mean {}?", elsewhere.join(" or "));
        return match text.value.contains('#') {
            true => notes.add(message, &text.span, label),
            false => notes.add_with_help(message, &text.span, label, help),
        };
    }
    match nearest(declared, text.value, found) {
        Some(name) => notes.add(message, &text.span, format!("did you mean `{name}`?")),
        None => notes.add(message, &text.span, "no step of that name"),
    }
}

/// What `text` may have been meant to be: a step of the same table first, then any.
fn nearest(declared: &Declared, text: &str, found: &StepName) -> Option<String> {
    let other_sign = text.replacen(['/', ':'], "#", 1);
    let all: Vec<String> = declared.steps.iter().map(StepName::to_string).collect();
    if all.contains(&other_sign) {
        return Some(other_sign);
    }
    let beside = declared
        .steps
        .iter()
        .filter(|name| name.package == found.package)
        .map(|name| name.step.as_str());
    if let Some(name) = suggest(&found.step, beside) {
        return Some(match text.contains('#') {
            true => StepName { package: found.package.clone(), step: name.to_owned() }.to_string(),
            false => name.to_owned(),
        });
    }
    suggest(&found.to_string(), all.iter().map(String::as_str)).map(str::to_owned)
}
