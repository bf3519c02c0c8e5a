//! Lines of text that have one reading only: the alphabet of fingerprints, results and records.
//!
//! A line is a tag and fields, separated by one space. A field is a bare word (letters, digits, `-`, `.`, `_`, `+`, `=`)
//! or a quoted text. In a quoted text `\`, `"` and control characters are escaped (`\\`, `\"`, `\n`, `\t`, `\u{…}`), so that
//! a file name or a value can imitate neither the end of its field nor another line. Knows nothing of what the lines say.

use std::fmt::Write as _;

/// Appends ` "text"`, quoted.
pub fn quote(line: &mut String, text: &str) {
    line.push_str(" \"");
    push_quoted(line, text);
}

/// Appends the inside of a quoted text and its closing quote.
fn push_quoted(line: &mut String, text: &str) {
    for char in text.chars() {
        match char {
            '\\' => line.push_str("\\\\"),
            '"' => line.push_str("\\\""),
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            char if char.is_control() => {
                let _ = write!(line, "\\u{{{:x}}}", u32::from(char));
            }
            char => line.push(char),
        }
    }
    line.push('"');
}

/// Appends a quoted text directly behind what stands there, without a space.
pub fn quote_on(line: &mut String, text: &str) {
    line.push('"');
    push_quoted(line, text);
}

/// Reads the fields of one line from the left. Every method is `None` where the line does not go on as asked.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a str,
}

impl<'a> Fields<'a> {
    /// The fields of `line`, the tag first.
    pub fn new(line: &'a str) -> Self {
        Self { rest: line }
    }

    /// The next field, as a bare word.
    pub fn word(&mut self) -> Option<&'a str> {
        self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
        let end = self.rest.find(' ').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() || word.starts_with('"') {
            return None;
        }
        self.rest = rest;
        Some(word)
    }

    /// The next field, as a number.
    pub fn number<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.word()?.parse().ok()
    }

    /// The next field, as a quoted text.
    pub fn text(&mut self) -> Option<String> {
        let inside = self.rest.strip_prefix(' ').unwrap_or(self.rest).strip_prefix('"')?;
        let mut text = String::new();
        let mut chars = inside.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.rest = &inside[at + 1..];
                    return Some(text);
                }
                '\\' => text.push(match chars.next()?.1 {
                    'n' => '\n',
                    't' => '\t',
                    'u' => {
                        let (start, '{') = chars.next()? else { return None };
                        let (end, _) = chars.find(|(_, char)| *char == '}')?;
                        char::from_u32(u32::from_str_radix(&inside[start + 1..end], 16).ok()?)?
                    }
                    char @ ('\\' | '"') => char,
                    _ => return None,
                }),
                char => text.push(char),
            }
        }
        None
    }

    /// True when nothing is left.
    pub fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left, as it stands.
    pub fn rest(&self) -> &'a str {
        self.rest.strip_prefix(' ').unwrap_or(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_quoted_text_reads_back_and_stays_on_its_line(first in any::<String>(), second in any::<String>()) {
            let mut line = String::from("tag");
            quote(&mut line, &first);
            quote(&mut line, &second);
            prop_assert!(!line.contains('\n'));
            let mut fields = Fields::new(&line);
            prop_assert_eq!(fields.word(), Some("tag"));
            prop_assert_eq!(fields.text(), Some(first));
            prop_assert_eq!(fields.text(), Some(second));
            prop_assert!(fields.is_done());
        }

        #[test]
        fn no_line_makes_the_reader_panic(line in any::<String>()) {
            let mut fields = Fields::new(&line);
            while fields.word().is_some() || fields.text().is_some() {}
        }
    }
}
