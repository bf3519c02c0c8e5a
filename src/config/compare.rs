//! Which steps one text of a package's manifest declares otherwise than another. Knows TOML, and of our keys only where steps stand.

use crate::canon;
use std::collections::{BTreeMap, BTreeSet};
use toml::de::{DeTable, DeValue};

/// The names of the steps whose tables are not the same in both texts of one package's manifest. `None` where more than that is different or cannot be known: then all
/// of its steps may be.
pub fn declared_otherwise(before: &str, now: &str) -> Option<BTreeSet<String>> {
    let (before, now) = (read(before)?, read(now)?);
    if before.rest != now.rest {
        return None;
    }
    let names = before.steps.keys().chain(now.steps.keys());
    let differs = |name: &&String| before.steps.get(*name) != now.steps.get(*name);
    Some(names.filter(differs).cloned().collect())
}

/// What counts in a manifest, in a form in which comments, order and places do not show.
struct Declarations {
    steps: BTreeMap<String, String>,
    /// The name of the package, and what else stands in our table.
    rest: Vec<String>,
}

fn read(text: &str) -> Option<Declarations> {
    let root = DeTable::parse(text).ok()?;
    let package = root.get_ref().get("package")?.get_ref();
    let mut rest = vec![canonical(package.get("name")?.get_ref())];
    let mut steps = BTreeMap::new();
    let ours = package.get("metadata").and_then(|metadata| metadata.get_ref().get("granular"));
    let ours = ours.map(|ours| ours.get_ref());
    match ours {
        Some(DeValue::Table(table)) => {
            for (key, value) in table {
                match (key.get_ref().as_ref(), value.get_ref()) {
                    ("steps", DeValue::Table(all)) => {
                        steps.extend(all.iter().map(|(name, step)| {
                            (name.get_ref().to_string(), canonical(step.get_ref()))
                        }))
                    }
                    (key, value) => rest.push(format!("{key} {}", canonical(value))),
                }
            }
        }
        Some(_) => return None,
        None => {}
    }
    rest.sort();
    Some(Declarations { steps, rest })
}

fn canonical(value: &DeValue<'_>) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &DeValue<'_>, text: &mut String) {
    match value {
        DeValue::String(value) => canon::quote(text, value),
        DeValue::Integer(value) => text.push_str(&format!(" {} {}", value.radix(), value.as_str())),
        DeValue::Float(value) => text.push_str(&format!(" float {}", value.as_str())),
        DeValue::Boolean(value) => text.push_str(&format!(" {value}")),
        DeValue::Datetime(value) => text.push_str(&format!(" date {value}")),
        DeValue::Array(values) => {
            text.push_str(" [");
            values.iter().for_each(|value| write(value.get_ref(), text));
            text.push(']');
        }
        DeValue::Table(table) => {
            let entries =
                table.iter().map(|(key, value)| (key.get_ref().as_ref(), value.get_ref()));
            let entries: BTreeMap<&str, &DeValue<'_>> = entries.collect();
            text.push_str(" {");
            for (key, value) in entries {
                canon::quote(text, key);
                write(value, text);
            }
            text.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differ(before: &str, now: &str) -> Option<String> {
        let named = |text: &str| format!("[package]\nname = \"p\"\n{text}");
        let steps = declared_otherwise(&named(before), &named(now))?;
        Some(steps.into_iter().collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn only_what_a_step_declares_counts() {
        let table = "[package.metadata.granular.steps.";
        let two = format!(
            "{table}a]\nrun = [\"x\", \"y\"]\nenv = {{ A = \"1\", B = \"2\" }}\n{table}b]\njobs = 2\n"
        );
        let same = |now: &str| assert_eq!(differ(&two, now).as_deref(), Some(""), "{now}");
        same(&two);
        same(&format!("version = \"2.0.0\" # x\n[dependencies]\nserde = \"1\"\n{two}"));
        same(&format!(
            "{table}b]\njobs = 2 # two\n{table}a]\nenv.B = \"2\"\nenv.A = '1'\nrun = ['x','y']\n"
        ));
        for (now, told) in [
            (two.replace("\"x\", \"y\"", "\"y\", \"x\""), "a"),
            (two.replace("\"x\", \"y\"", "\"x y\""), "a"),
            (two.replace("B = \"2\"", "B = 2"), "a"),
            (two.replace("jobs = 2", "jobs = 3"), "b"),
            (two.replace("jobs = 2", ""), "b"),
            (two.replace("steps.b", "steps.c"), "b c"),
            (String::new(), "a b"),
        ] {
            assert_eq!(differ(&two, &now).as_deref(), Some(told), "{now}");
        }
        assert_eq!(differ(&two, "="), None);
        assert_eq!(differ("", "[package.metadata]\ngranular = 1\n"), None);
        assert_eq!(differ("", "[package.metadata.granular]\nmore = 1\n"), None);
        let name = |name: &str| format!("[package]\nname = \"{name}\"\n");
        assert_eq!(declared_otherwise(&name("a"), &name("b")), None);
    }
}
