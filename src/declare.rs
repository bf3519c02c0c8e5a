//! A step that stands in no manifest, declared in Rust or on a command line: the same keys as in a table, and judged in the same way, since it
//! is written as one. Knows no Cargo.

use std::fmt::Write as _;

/// The keys of a step's table, each as TOML.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    keys: Vec<(&'static str, String)>,
}

impl Table {
    /// Sets `key` to a text.
    pub(crate) fn text(&mut self, key: &'static str, value: &str) {
        self.set(key, quoted(value));
    }

    /// Sets `key` to an array of texts.
    pub(crate) fn array<T: AsRef<str>>(
        &mut self,
        key: &'static str,
        values: impl IntoIterator<Item = T>,
    ) {
        let values: Vec<_> = values.into_iter().map(|value| quoted(value.as_ref())).collect();
        self.set(key, format!("[{}]", values.join(", ")));
    }

    /// Adds a variable to the table under `key`.
    pub(crate) fn pair(&mut self, key: &'static str, name: &str, value: &str) {
        let pair = format!("{} = {}", quoted(name), quoted(value));
        match self.keys.iter_mut().find(|(known, _)| *known == key) {
            Some((_, table)) => table.insert_str(1, &format!(" {pair},")),
            None => self.keys.push((key, format!("{{ {pair} }}"))),
        }
    }

    fn set(&mut self, key: &'static str, value: String) {
        self.keys.retain(|(known, _)| *known != key);
        self.keys.push((key, value));
    }

    /// The table of a package's step called `name`.
    pub(crate) fn toml(&self, name: &str) -> String {
        let mut text = format!("[package.metadata.granular.steps.{}]\n", quoted(name));
        for (key, value) in &self.keys {
            let _ = writeln!(text, "{key} = {value}");
        }
        text
    }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let escaped = |char: char| match char {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        char if char.is_control() => format!("\\u{:04X}", u32::from(char)),
        char => char.to_string(),
    };
    format!("\"{}\"", text.chars().map(escaped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_table_reads_as_it_would_stand_in_a_manifest() {
        let mut table = Table::default();
        table.array("run", ["cat", "a b"]);
        table.array("outputs", ["{out}/x"]);
        table.pair("env", "A", "1");
        table.pair("env", "B", "2");
        table.text("timeout", "5m");
        insta::assert_snapshot!(table.toml("gen"), @r#"
        [package.metadata.granular.steps."gen"]
        run = ["cat", "a b"]
        outputs = ["{out}/x"]
        env = { "B" = "2", "A" = "1" }
        timeout = "5m"
        "#);
    }

    proptest! {
        #[test]
        fn every_text_reads_back(text in any::<String>()) {
            let mut table = Table::default();
            table.text("dir", &text);
            let toml = table.toml("s");
            let document = toml::de::DeTable::parse(&toml).unwrap();
            let mut dir = document.get_ref().get("package").unwrap();
            for key in ["metadata", "granular", "steps", "s", "dir"] {
                dir = dir.get_ref().get(key).unwrap();
            }
            prop_assert_eq!(dir.get_ref().as_str(), Some(text.as_str()));
        }
    }
}
