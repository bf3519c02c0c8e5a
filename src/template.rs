//! Texts with placeholders: `{out}`, `{needs.NAME.out}`, `{cargo.NAME}`, `{matrix.NAME}`, `{target.PART}`. Knows how a shell quotes, but no
//! step.
//!
//! Any other text in braces stands for itself (`${VAR}`, `{a,b}`, what awk reads), and so does a brace behind a backslash.
//! What looks like a placeholder and is none is a mistake rather than text, since it would be passed on in silence.

pub mod shell;

use crate::canon;
use crate::ordered::Map;
use crate::triple::PARTS;
use shell::{Shell, Spot};
use std::ops::Range;

/// A part of a template.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Piece {
    /// Text that stands for itself.
    Text(String),
    /// `{out}`: the action's own output directory.
    Out,
    /// `{needs.NAME.out}`: the output directory of the need of that name.
    NeedOut(String),
    /// `{cargo.NAME}`: the path of what Cargo builds of that name.
    Cargo(String),
    /// `{matrix.NAME}`: a value of the matrix. Gone once a step is expanded to actions.
    Matrix(String),
    /// `{target}` and `{target.PART}`: what is built for, or a part of that. Gone once a table is read.
    Target(String),
}

/// A text with placeholders. Neighbouring pieces of text are joined, and none is empty.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Template(pub Vec<Piece>);

/// Something in a text that looks like a placeholder and is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// The bytes of the text that are meant.
    pub range: Range<usize>,
    /// What is wrong, in lower case without a full stop.
    pub sentence: String,
    /// How it is written, where that can be guessed.
    pub help: Option<String>,
}

impl Template {
    /// Reads `text`; everything that is malformed in it if anything is.
    pub fn parse(text: &str) -> Result<Self, Vec<Malformed>> {
        let (pieces, malformed) = scan(text);
        match malformed.is_empty() {
            true => Ok(pieces.into_iter().map(|(piece, _)| piece).collect()),
            false => Err(malformed),
        }
    }

    /// `text` without placeholders, whatever stands in it.
    pub fn text(text: impl Into<String>) -> Self {
        Self::from_iter([Piece::Text(text.into())])
    }

    /// The text if there is no placeholder in it.
    pub fn as_text(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The template with the values of `cell` in the place of `{matrix.NAME}`. A variable that has no value there stays.
    pub fn substitute(&self, cell: &Map<String, String>) -> Self {
        self.0
            .iter()
            .map(|piece| {
                substituted(piece, cell)
                    .map_or_else(|| piece.clone(), |value| Piece::Text(value.clone()))
            })
            .collect()
    }

    /// As [`Template::substitute`], for a line of `shell`: a value stays one word wherever it stands.
    pub fn substitute_for_shell(&self, cell: &Map<String, String>, shell: Shell) -> Self {
        let mut line = shell::Line::new(shell);
        let quote = |piece: &Piece| match (piece, substituted(piece, cell)) {
            (Piece::Text(text), _) => Piece::Text(line.take(text).to_owned()),
            (_, Some(value)) => Piece::Text(line.quote(value)),
            (_, None) => {
                line.quote("");
                piece.clone()
            }
        };
        self.0.iter().map(quote).collect()
    }

    /// The text with `value(placeholder)` in the place of each placeholder.
    pub fn render(&self, mut value: impl FnMut(&Piece) -> String) -> String {
        let render = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            placeholder => value(placeholder),
        };
        self.0.iter().map(render).collect()
    }

    /// As [`Template::render`], for a line of `shell`: each value is quoted as its place in the line asks for, so that it
    /// stays one word and nothing in it is understood by the shell.
    pub fn render_for_shell(
        &self,
        shell: Shell,
        mut value: impl FnMut(&Piece) -> String,
    ) -> String {
        let mut line = shell::Line::new(shell);
        let render = |piece: &Piece| match piece {
            Piece::Text(text) => line.take(text).to_owned(),
            placeholder => line.quote(&value(placeholder)),
        };
        self.0.iter().map(render).collect()
    }

    /// Where in a line for `sh` each placeholder stands, in their order.
    pub fn spots(&self) -> Vec<(&Piece, Spot)> {
        let mut line = shell::Line::new(Shell::Posix);
        let mut spots = Vec::new();
        for piece in &self.0 {
            if let Piece::Text(text) = piece {
                line.take(text);
            } else {
                spots.push((piece, line.spot()));
                line.quote("");
            }
        }
        spots
    }

    /// The form for a fingerprint: quoted texts and bare placeholders without anything between them, as in
    /// `{out}"/api"`. No two templates share one.
    pub fn canonical(&self) -> String {
        let mut text = String::new();
        if self.0.is_empty() {
            canon::quote_on(&mut text, "");
        }
        for piece in &self.0 {
            push_canonical(&mut text, piece);
        }
        text
    }

    /// The text as an author writes it.
    pub fn source(&self) -> String {
        self.render(Piece::source)
    }
}

impl Piece {
    /// The piece as an author writes it.
    pub fn source(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Out => "{out}".to_owned(),
            Self::NeedOut(name) => format!("{{needs.{name}.out}}"),
            Self::Cargo(name) => format!("{{cargo.{name}}}"),
            Self::Matrix(name) => format!("{{matrix.{name}}}"),
            Self::Target(part) if part.is_empty() => "{target}".to_owned(),
            Self::Target(part) => format!("{{target.{part}}}"),
        }
    }
}

impl FromIterator<Piece> for Template {
    fn from_iter<I: IntoIterator<Item = Piece>>(pieces: I) -> Self {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match (joined.last_mut(), piece) {
                (_, Piece::Text(text)) if text.is_empty() => {}
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (_, piece) => joined.push(piece),
            }
        }
        Self(joined)
    }
}

fn substituted<'a>(piece: &Piece, cell: &'a Map<String, String>) -> Option<&'a String> {
    match piece {
        Piece::Matrix(name) => cell.get(name),
        _ => None,
    }
}

fn push_canonical(text: &mut String, piece: &Piece) {
    match piece {
        Piece::Text(literal) => canon::quote_on(text, literal),
        Piece::Out => text.push_str("{out}"),
        Piece::NeedOut(name) => {
            text.push_str("{needs.");
            push_name(text, name);
            text.push_str(".out}");
        }
        Piece::Cargo(name) => {
            text.push_str("{cargo.");
            push_name(text, name);
            text.push('}');
        }
        Piece::Matrix(name) => {
            text.push_str("{matrix.");
            push_name(text, name);
            text.push('}');
        }
        Piece::Target(part) => {
            text.push_str("{target.");
            push_name(text, part);
            text.push('}');
        }
    }
}

/// A name that is no plain word is quoted, so that it cannot imitate the end of its placeholder.
fn push_name(text: &mut String, name: &str) {
    match is_need_name(name) {
        true => text.push_str(name),
        false => canon::quote_on(text, name),
    }
}

/// The pieces of `text`, each with its range, and what is malformed.
pub(crate) fn scan(text: &str) -> (Vec<(Piece, Range<usize>)>, Vec<Malformed>) {
    let (mut pieces, mut malformed) = (Vec::new(), Vec::new());
    let (mut literal, mut at) = (0, 0);
    while let Some(open) = text[at..].find('{').map(|found| at + found) {
        let (before, brace) = text.split_at(open);
        match read_brace(before, brace) {
            Brace::Literal => at = open + 1,
            Brace::Placeholder(piece, length) => {
                if literal < open {
                    pieces.push((Piece::Text(text[literal..open].to_owned()), literal..open));
                }
                pieces.push((piece, open..open + length));
                (literal, at) = (open + length, open + length);
            }
            Brace::Malformed { front, length, sentence, help } => {
                malformed.push(Malformed { range: open - front..open + length, sentence, help });
                at = open + length;
            }
        }
    }
    if literal < text.len() {
        pieces.push((Piece::Text(text[literal..].to_owned()), literal..text.len()));
    }
    (pieces, malformed)
}

/// What a brace opens.
enum Brace {
    /// Nothing.
    Literal,
    /// A placeholder of that many bytes.
    Placeholder(Piece, usize),
    /// Something that looks like one.
    Malformed {
        /// How many bytes in front of the brace belong to it.
        front: usize,
        /// How many bytes from the brace on do.
        length: usize,
        /// What is wrong.
        sentence: String,
        /// The way out.
        help: Option<String>,
    },
}

/// Reads `brace`, which begins with a brace, behind the text `before`.
fn read_brace(before: &str, brace: &str) -> Brace {
    let escaped = before.len() - before.trim_end_matches('\\').len();
    if escaped % 2 == 1 {
        return Brace::Literal;
    }
    let Some(inside) = inside(brace) else { return read_unclosed(brace) };
    let length = inside.len() + 2;
    let dollar = before.ends_with('$');
    match placeholder(inside) {
        Some(Piece::Out) if dollar => Brace::Literal,
        Some(Piece::Target(part)) if dollar && part.is_empty() => Brace::Literal,
        Some(piece) if dollar => {
            overdressed(1, length, &piece, "a placeholder is written without `$`")
        }
        Some(piece) if before.ends_with('{') && brace[length..].starts_with('}') => {
            overdressed(1, length + 1, &piece, "a placeholder is written in single braces")
        }
        Some(piece) => Brace::Placeholder(piece, length),
        None if dollar && !inside.trim_start().contains('.') => Brace::Literal,
        None => read_odd(&brace[..length], inside),
    }
}

/// What stands between `brace`'s first byte and the brace that closes it.
fn inside(brace: &str) -> Option<&str> {
    let rest = brace.get(1..)?;
    let end = rest.find(['{', '}', '\n'])?;
    rest[end..].starts_with('}').then(|| &rest[..end])
}

fn placeholder(inside: &str) -> Option<Piece> {
    if inside == "out" {
        return Some(Piece::Out);
    }
    if inside == "target" {
        return Some(Piece::Target(String::new()));
    }
    if let Some(part) = inside.strip_prefix("target.") {
        return PARTS.contains(&part).then(|| Piece::Target(part.to_owned()));
    }
    if let Some(name) = inside.strip_prefix("matrix.") {
        return is_variable_name(name).then(|| Piece::Matrix(name.to_owned()));
    }
    if let Some(name) = inside.strip_prefix("cargo.") {
        return is_variable_name(name).then(|| Piece::Cargo(name.to_owned()));
    }
    let name = inside.strip_prefix("needs.")?.strip_suffix(".out")?;
    is_need_name(name).then(|| Piece::NeedOut(name.to_owned()))
}

/// Whether a variable of a matrix, or what Cargo builds, may have this name.
pub(crate) fn is_variable_name(name: &str) -> bool {
    let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
    name.starts_with(|char: char| char.is_ascii_alphanumeric() || char == '_')
        && name.chars().all(plain)
}

fn is_need_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|char| char.is_alphanumeric() || matches!(char, '-' | '_' | '.' | '#'))
}

/// Reads a closed brace that is no placeholder.
fn read_odd(brace: &str, inside: &str) -> Brace {
    let trimmed = inside.trim();
    let is_dotted = ["matrix.", "needs.", "target."].iter().any(|front| trimmed.starts_with(front));
    if trimmed.contains(char::is_whitespace) && !is_dotted {
        return Brace::Literal;
    }
    let word_end = trimmed.find(|char: char| !char.is_ascii_alphabetic()).unwrap_or(trimmed.len());
    let (word, rest) = trimmed.split_at(word_end);
    let word = word.to_ascii_lowercase();
    let looks_like_one = match word.as_str() {
        "out" => rest.is_empty() || rest.starts_with(['.', '/']),
        "matrix" | "needs" => rest.is_empty() || rest.starts_with(['.', '[']),
        "target" | "need" | "cargo" => rest.starts_with('.'),
        _ => false,
    };
    if !looks_like_one {
        return Brace::Literal;
    }
    Brace::Malformed {
        front: 0,
        length: brace.len(),
        sentence: format!("malformed placeholder `{brace}`"),
        help: guess(&word, rest),
    }
}

/// How somebody who wrote `word` and `rest` in braces may have meant it.
fn guess(word: &str, rest: &str) -> Option<String> {
    let name: String = rest.trim_matches(['.', '[', ']', '"', '\'']).to_owned();
    let source = match word {
        "out" if rest.is_empty() => "{out}".to_owned(),
        "out" => format!("{{out}}/{}", rest.trim_start_matches(['.', '/'])),
        "cargo" => return Some("the form is `{cargo.NAME}`".to_owned()),
        "matrix" if name.is_empty() => return Some("the form is `{matrix.NAME}`".to_owned()),
        "matrix" if is_variable_name(&name) => Piece::Matrix(name).source(),
        "matrix" => {
            return Some(
                "the name of a variable is made of letters, digits, `-` and `_`".to_owned(),
            );
        }
        "target" => {
            let parts: Vec<_> = PARTS.iter().map(|part| format!("`{{target.{part}}}`")).collect();
            return Some(format!("there is `{{target}}`, {}", parts.join(", ")));
        }
        _ => {
            let name = name.strip_suffix("out").unwrap_or(&name).trim_end_matches('.').to_owned();
            match is_need_name(&name) {
                true => Piece::NeedOut(name).source(),
                false => return Some("the form is `{needs.NAME.out}`".to_owned()),
            }
        }
    };
    Some(format!("write `{source}`"))
}

/// A placeholder with something around it that has to go, of which `front` bytes stand in front of the brace.
fn overdressed(front: usize, length: usize, piece: &Piece, sentence: &str) -> Brace {
    let help = Some(format!("write `{}`", piece.source()));
    Brace::Malformed { front, length, sentence: sentence.to_owned(), help }
}

fn read_unclosed(brace: &str) -> Brace {
    let looks_like_one = brace.starts_with("{matrix.")
        || brace.starts_with("{target.")
        || brace.starts_with("{needs.")
        || brace == "{out"
        || brace.starts_with("{out/");
    if !looks_like_one {
        return Brace::Literal;
    }
    let name = |char: char| is_need_name(char.encode_utf8(&mut [0; 4]));
    let length = brace[1..].find(|char| !name(char)).map_or(brace.len(), |end| end + 1);
    let brace = &brace[..length];
    let is_cut_short = brace.starts_with("{needs.") && !brace.ends_with(".out");
    let end = if is_cut_short { ".out}" } else { "}" };
    let sentence = format!("the placeholder `{brace}` is not closed");
    let help = Some(format!("write `{brace}{end}`"));
    Brace::Malformed { front: 0, length, sentence, help }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<Piece> {
        Template::parse(text).unwrap().0
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    #[test]
    fn placeholders_stand_between_texts() {
        assert_eq!(read("{out}"), [Piece::Out]);
        assert_eq!(read("-o={out}/api"), [text("-o="), Piece::Out, text("/api")]);
        assert_eq!(
            read("{out}{needs.web#gen.v2.out}"),
            [Piece::Out, Piece::NeedOut("web#gen.v2".into())]
        );
        assert_eq!(read("{matrix.go-os_1}x"), [Piece::Matrix("go-os_1".into()), text("x")]);
        assert_eq!(read(""), []);
    }

    #[test]
    fn other_braces_stand_for_themselves() {
        for other in [
            "${VAR}",
            "${out}",
            "{a,b}",
            "{}",
            "{",
            "}",
            "{{x}}",
            "awk '{print $1}'",
            "{out = 1}",
            r"\{out}",
            r"\\\{out}",
            "{outside}",
            "{matrixx.a}",
            "{need}",
            "{outer",
            "{\nout}",
            "é{ä}",
        ] {
            assert_eq!(read(other), [text(other)], "{other}");
        }
        assert_eq!(read(r"\\{out}"), [text(r"\\"), Piece::Out]);
        assert_eq!(read("${x:-{out}}"), [text("${x:-"), Piece::Out, text("}")]);
    }

    #[test]
    fn what_looks_like_a_placeholder_and_is_none_is_told_with_its_place() {
        for (odd, help) in [
            ("{ out }", "write `{out}`"),
            ("{OUT}", "write `{out}`"),
            ("{out.x}", "write `{out}/x`"),
            ("{out", "write `{out}`"),
            ("{matrix}", "the form is `{matrix.NAME}`"),
            ("{matrix.}", "the form is `{matrix.NAME}`"),
            ("{matrix['os']}", "write `{matrix.os}`"),
            ("{ matrix.os }", "write `{matrix.os}`"),
            ("{matrix.a b}", "the name of a variable is made of letters, digits, `-` and `_`"),
            ("{needs.x}", "write `{needs.x.out}`"),
            ("{need.x.out}", "write `{needs.x.out}`"),
            ("{needs..out}", "the form is `{needs.NAME.out}`"),
            ("{needs.x", "write `{needs.x.out}`"),
            ("{cargo.a.b}", "the form is `{cargo.NAME}`"),
            ("{CARGO.x}", "the form is `{cargo.NAME}`"),
        ] {
            let malformed = Template::parse(&format!("é {odd}")).unwrap_err();
            assert_eq!(malformed.len(), 1, "{odd}");
            assert_eq!(
                (malformed[0].range.clone(), malformed[0].help.as_deref()),
                (3..3 + odd.len(), Some(help)),
                "{odd}"
            );
        }
        assert_eq!(Template::parse("{matrix.} {matrix.}").unwrap_err().len(), 2);
    }

    #[test]
    fn the_canonical_form_tells_placeholders_from_text() {
        let canonical = |text: &str| Template::parse(text).unwrap().canonical();
        assert_eq!(canonical("-o"), r#""-o""#);
        assert_eq!(canonical("{out}/api"), r#"{out}"/api""#);
        assert_eq!(canonical("a{needs.b.out}"), r#""a"{needs.b.out}"#);
        assert_eq!(canonical(""), r#""""#);
        assert_eq!(Template::text("{out}").canonical(), r#""{out}""#);
    }

    #[test]
    fn a_value_of_the_matrix_stays_one_word_in_a_line_and_is_text_elsewhere() {
        let cell = Map::from([("a".to_owned(), "x y; $z".to_owned())]);
        let template = Template::parse("cc {matrix.a} \"{matrix.a}\" {matrix.b} {out}").unwrap();
        assert_eq!(template.substitute(&cell).source(), "cc x y; $z \"x y; $z\" {matrix.b} {out}");
        let line = template.substitute_for_shell(&cell, Shell::Posix);
        assert_eq!(line.source(), "cc 'x y; $z' \"x y; \\$z\" {matrix.b} {out}");
        assert_eq!(
            Template::parse("{matrix.a}{out}").unwrap().substitute(&cell).0,
            [text("x y; $z"), Piece::Out]
        );
    }

    fn pieces() -> impl Strategy<Value = Template> {
        let piece = prop_oneof![
            "[a\"{}\\\\.\n]{0,4}".prop_map(Piece::Text),
            Just(Piece::Out),
            "[a\"{}.]{0,3}".prop_map(Piece::NeedOut),
            "[a\"{}.]{0,3}".prop_map(Piece::Matrix),
            "[a\"{}.]{0,3}".prop_map(Piece::Cargo),
        ];
        proptest::collection::vec(piece, 0..4).prop_map(Template::from_iter)
    }

    proptest! {
        #[test]
        fn no_two_templates_have_one_canonical_form(a in pieces(), b in pieces()) {
            prop_assert_eq!(a == b, a.canonical() == b.canonical());
        }

        #[test]
        fn a_template_that_is_read_is_written_as_it_was(text in "[-a{}$\\\\\n. ]{0,6}(\\{out\\}|\\{needs.a.out\\}|\\{matrix.b\\})?[-a{}$ ]{0,6}") {
            if let Ok(template) = Template::parse(&text) {
                prop_assert_eq!(template.source(), text);
            }
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in any::<String>()) {
            let (_, malformed) = scan(&text);
            for malformed in malformed {
                prop_assert!(text.get(malformed.range).is_some());
            }
        }
    }
}
