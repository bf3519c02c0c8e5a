//! Dependency files in the syntax of a makefile, as compilers, `protoc --dependency_out` and bundlers write them. Pure.
//!
//! Rules, one or several: targets, a colon, prerequisites. A backslash at the end of a line continues it. In a name `\ `, `\#` and `\:` stand for the character,
//! `$$` for `$`; before a space every two backslashes stand for one, and anywhere else a backslash is itself (`C:\include\x.h`).
//! `#` begins a comment at the start of a name. A colon ends the targets only before a space or the end of a line.

/// What is wrong with a text that is no dependency file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// The line, from 1.
    pub line: usize,
    /// One phrase.
    pub what: &'static str,
}

/// The prerequisites of all rules, in the order of their first appearance, each once.
pub fn prerequisites(text: &str) -> Result<Vec<String>, Malformed> {
    let mut found: Vec<String> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    let mut rules = 0;
    let mut reader = Reader { rest: text, line: 1 };
    while let Some(rule) = reader.rule()? {
        rules += 1;
        for name in rule {
            if seen.insert(name.clone()) {
                found.push(name);
            }
        }
    }
    match rules {
        0 => Err(Malformed { line: 1, what: "there is no rule in it" }),
        _ => Ok(found),
    }
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

/// What comes next in a rule.
enum Token {
    Name(String),
    /// The colon behind the targets.
    Colon,
    End,
}

impl Reader<'_> {
    /// The prerequisites of the next rule; `None` at the end of the text.
    fn rule(&mut self) -> Result<Option<Vec<String>>, Malformed> {
        loop {
            self.skip_blanks();
            match self.peek() {
                None => return Ok(None),
                Some('\n') => self.advance(),
                Some('#') => self.skip_comment(),
                Some(_) => break,
            }
        }
        let line = self.line;
        let mut targets = 0;
        loop {
            match self.token(true)? {
                Token::Name(_) => targets += 1,
                Token::Colon if targets > 0 => {
                    // A rule with two colons reads as one with one.
                    if self.peek() == Some(':') {
                        self.advance();
                    }
                    break;
                }
                Token::Colon => return Err(Malformed { line, what: "a rule has no target" }),
                Token::End => return Err(Malformed { line, what: "a rule has no `:`" }),
            }
        }
        let mut names = Vec::new();
        loop {
            match self.token(false)? {
                Token::Name(name) => names.push(name),
                Token::Colon => {}
                Token::End => return Ok(Some(names)),
            }
        }
    }

    fn token(&mut self, in_targets: bool) -> Result<Token, Malformed> {
        self.skip_blanks();
        match self.peek() {
            None => return Ok(Token::End),
            Some('\n') => {
                self.advance();
                return Ok(Token::End);
            }
            Some('#') => {
                self.skip_comment();
                return Ok(Token::End);
            }
            Some(':') if in_targets && self.ends_targets() => {
                self.advance();
                return Ok(Token::Colon);
            }
            Some(_) => {}
        }
        let mut name = String::new();
        while let Some(char) = self.peek() {
            match char {
                ' ' | '\t' | '\n' => break,
                '\r' if self.rest.starts_with("\r\n") => break,
                ':' if in_targets && self.ends_targets() => break,
                '\\' if self.continues() => break,
                '\\' => self.backslashes(&mut name),
                '$' if self.rest.starts_with("$$") => {
                    self.advance();
                    self.advance();
                    name.push('$');
                }
                '$' => {
                    return Err(Malformed { line: self.line, what: "it has a variable in it" });
                }
                '\0' => {
                    return Err(Malformed {
                        line: self.line,
                        what: "it has a NUL character in it",
                    });
                }
                char => {
                    self.advance();
                    name.push(char);
                }
            }
        }
        Ok(Token::Name(name))
    }

    /// Takes a run of backslashes, and what the last one escapes.
    fn backslashes(&mut self, name: &mut String) {
        let count = self.rest.len() - self.rest.trim_start_matches('\\').len();
        let behind = self.rest[count..].chars().next();
        let (plain, escaped) = match behind {
            Some(' ' | '\t') => (count / 2, count % 2 == 1),
            Some('#' | ':') => (count - 1, true),
            // A line that goes on: the last one is the caller's.
            Some('\n') => (count - 1, false),
            Some('\r') if self.rest[count..].starts_with("\r\n") => (count - 1, false),
            _ => (count, false),
        };
        let taken = match behind {
            Some('\n' | '\r') => plain,
            _ => count,
        };
        (0..taken).for_each(|_| self.advance());
        name.extend(std::iter::repeat_n('\\', plain));
        if let Some(char) = behind.filter(|_| escaped) {
            self.advance();
            name.push(char);
        }
    }

    /// Whether a colon here is not part of a name, as that in `C:\x` is.
    fn ends_targets(&self) -> bool {
        let behind = self.rest.get(1..).unwrap_or_default();
        behind.is_empty()
            || behind.starts_with([' ', '\t', '\n', '\r', ':'])
            || behind.starts_with("\\\n")
    }

    fn continues(&self) -> bool {
        self.rest.starts_with("\\\n") || self.rest.starts_with("\\\r\n")
    }

    fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t') => self.advance(),
                Some('\r') if self.rest.starts_with("\r\n") => self.advance(),
                Some('\\') if self.continues() => {
                    while self.peek() != Some('\n') {
                        self.advance();
                    }
                    self.advance();
                }
                _ => return,
            }
        }
    }

    fn skip_comment(&mut self) {
        while self.peek().is_some_and(|char| char != '\n') {
            self.advance();
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn advance(&mut self) {
        let mut chars = self.rest.chars();
        if chars.next() == Some('\n') {
            self.line += 1;
        }
        self.rest = chars.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<String> {
        prerequisites(text).unwrap()
    }

    #[test]
    fn what_compilers_write_is_read() {
        for (text, names) in [
            ("a.o: a.c\n", &["a.c"][..]),
            ("a.o: a.c", &["a.c"]),
            (
                "a.o a.d: a.c include/x.h \\\n  /usr/include/stdio.h\n",
                &["a.c", "include/x.h", "/usr/include/stdio.h"],
            ),
            ("a.o: a.c\\\n b.h\\\r\n c.h\r\n", &["a.c", "b.h", "c.h"]),
            ("a.o: a.c x.h x.h\nx.h:\ny.h:\n", &["a.c", "x.h"]),
            ("# made by hand\n\na.o : a.c # why\nb.o: b.c\n", &["a.c", "b.c"]),
            ("a\\ b.o: with\\ space.c a\\#b.h a$$b.h\n", &["with space.c", "a#b.h", "a$b.h"]),
            ("a.o: one\\\\two.h three\\\\\\ four.h\n", &["one\\\\two.h", "three\\ four.h"]),
            ("C:\\out\\a.o: C:\\src\\a.c ..\\x.h\n", &["C:\\src\\a.c", "..\\x.h"]),
            ("C:/out/a.o: C:/src/a.c\n", &["C:/src/a.c"]),
            (
                "gen/x.pb.cc \\\ngen/x.pb.h: protos/x.proto\\\n /usr/include/google/any.proto",
                &["protos/x.proto", "/usr/include/google/any.proto"],
            ),
            ("a.o:\n", &[]),
            ("a.o::a.c\n", &["a.c"]),
            ("a.o: caf\u{e9}.h a:b.h\n", &["caf\u{e9}.h", "a:b.h"]),
        ] {
            assert_eq!(read(text), names, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_dependency_file_is_refused_with_its_line() {
        for (text, line, what) in [
            ("", 1, "there is no rule in it"),
            ("\n# nothing\n", 1, "there is no rule in it"),
            ("a.o: a.c\nnonsense\n", 2, "a rule has no `:`"),
            (": a.c\n", 1, "a rule has no target"),
            ("a.o: $(HEADERS)\n", 1, "it has a variable in it"),
            ("a.o: \\\n a.c \\\n b\0.h", 3, "it has a NUL character in it"),
        ] {
            assert_eq!(prerequisites(text), Err(Malformed { line, what }), "{text:?}");
        }
    }

    /// As compilers quote a name.
    fn quoted(name: &str) -> String {
        let mut text = String::new();
        let mut backslashes = 0;
        for char in name.chars() {
            match char {
                ' ' => text.push_str(&"\\".repeat(backslashes + 1)),
                '#' => text.push('\\'),
                '$' => text.push('$'),
                _ => {}
            }
            backslashes = if char == '\\' { backslashes + 1 } else { 0 };
            text.push(char);
        }
        text
    }

    proptest! {
        #[test]
        fn names_survive_their_quoting(names in proptest::collection::vec("[a-z.][a-z #$./-]{0,6}[a-z]", 1..6)) {
            let quoted: Vec<_> = names.iter().map(|name| quoted(name)).collect();
            let mut expected = names.clone();
            let mut seen = std::collections::HashSet::new();
            expected.retain(|name| seen.insert(name.clone()));
            prop_assert_eq!(read(&format!("x.o: {}\n", quoted.join(" \\\n  "))), expected);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "[a-c:\\\\ \n\r\t#$\0é]{0,40}") {
            let _ = prerequisites(&text);
        }
    }
}
