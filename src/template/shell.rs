//! How a shell reads a line, as far as it decides how a value has to be quoted. Runs nothing.

/// Whose quoting is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shell {
    /// `sh -c`.
    Posix,
    /// `cmd /C`.
    Cmd,
}

/// Where in a line for `sh` a value stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Spot {
    /// Outside of quotes.
    Bare,
    /// Inside double quotes.
    Double,
    /// Inside single quotes.
    Single,
    /// In a comment.
    Comment,
    /// In a here-document in which the shell replaces `$…`.
    HereDocument,
    /// In a here-document that is taken as it stands.
    QuotedHereDocument,
    /// Where not every value can be quoted: inside `${…}` and the like, which the text names.
    Unquotable(&'static str),
}

/// A line up to some point. What comes next is either text of the author's or a value.
#[derive(Clone, Debug)]
pub struct Line {
    shell: Shell,
    /// What is open, the innermost last.
    open: Vec<Open>,
    /// Whether a `#` would begin a comment here.
    word_start: bool,
    /// Whether a backslash stands last, and takes the next character's meaning away.
    escape: bool,
    /// Here-documents that begin with the next line.
    announced: Vec<HereDocument>,
}

/// Something that was opened and is not yet closed.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Open {
    Single,
    Double,
    Comment,
    /// `$(`, with so many parentheses open inside of it.
    Substitution(usize),
    /// `$((`, likewise.
    Arithmetic(usize),
    /// `${`.
    Parameter,
    /// A backquote; true while one with a backslash is open inside of it.
    Backquote(bool),
    /// A here-document and the line of it that is being read; true once a substitution was seen in it.
    HereDocument(HereDocument, String, bool),
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct HereDocument {
    end: String,
    quoted: bool,
    tabs: bool,
}

impl Shell {
    /// The shell of this platform.
    pub const HERE: Self = if cfg!(windows) { Self::Cmd } else { Self::Posix };
}

impl Line {
    /// The beginning of a line.
    pub fn new(shell: Shell) -> Self {
        Self { shell, open: Vec::new(), word_start: true, escape: false, announced: Vec::new() }
    }

    /// Reads on over text of the author's, and gives it back.
    pub fn take<'a>(&mut self, text: &'a str) -> &'a str {
        let mut rest = text;
        while let Some(char) = rest.chars().next() {
            let length = match self.shell {
                Shell::Posix => self.step(char, rest),
                Shell::Cmd => self.step_cmd(char),
            };
            rest = rest.get(length..).unwrap_or_default();
        }
        text
    }

    /// Where a value would stand now.
    pub fn spot(&self) -> Spot {
        let in_backquotes =
            self.open.iter().filter(|open| matches!(open, Open::Backquote(_))).count();
        let nested = self.open.iter().any(|open| matches!(open, Open::Backquote(true)));
        let quoted =
            self.open.windows(2).any(|pair| matches!(pair, [Open::Double, Open::Backquote(_)]));
        if nested || in_backquotes > 1 {
            return Spot::Unquotable("nested backquotes");
        }
        if quoted {
            return Spot::Unquotable("backquotes in double quotes");
        }
        if self.open.iter().any(|open| matches!(open, Open::Parameter)) {
            return Spot::Unquotable("`${…}`");
        }
        if self.open.iter().any(|open| matches!(open, Open::Arithmetic(_))) {
            return Spot::Unquotable("`$((…))`");
        }
        match self.open.last() {
            Some(Open::Single) => Spot::Single,
            Some(Open::Double) => Spot::Double,
            Some(Open::Comment) => Spot::Comment,
            Some(Open::HereDocument(_, _, true)) => {
                Spot::Unquotable("a substitution in a here-document")
            }
            Some(Open::HereDocument(document, ..)) if document.quoted => Spot::QuotedHereDocument,
            Some(Open::HereDocument(..)) => Spot::HereDocument,
            _ => Spot::Bare,
        }
    }

    /// `value`, so that the shell takes it as it is at this point; reads on over it.
    pub fn quote(&mut self, value: &str) -> String {
        let mut text = match self.shell {
            Shell::Posix => self.quote_posix(value),
            Shell::Cmd => quote_cmd(value, self.open.last() == Some(&Open::Double)),
        };
        if std::mem::take(&mut self.escape) {
            text.insert(0, '\\');
        }
        self.word_start = false;
        if let Some(Open::HereDocument(_, line, _)) = self.open.last_mut() {
            line.push_str(value.rsplit('\n').next().unwrap_or_default());
        }
        text
    }

    fn quote_posix(&self, value: &str) -> String {
        let spot = self.spot();
        if needs_no_quotes(value) && spot != Spot::HereDocument {
            return value.to_owned();
        }
        let text = match spot {
            Spot::Bare | Spot::Unquotable(_) => format!("'{}'", value.replace('\'', r"'\''")),
            Spot::Single => value.replace('\'', r"'\''"),
            Spot::Double => escaped(value, &['\\', '"', '$', '`']),
            Spot::HereDocument => self.within_here_document(value),
            Spot::QuotedHereDocument => value.to_owned(),
            Spot::Comment => value.replace(['\n', '`'], " "),
        };
        // The shell takes one layer of backslashes off before it reads what stands in backquotes.
        match self.open.iter().any(|open| matches!(open, Open::Backquote(_))) {
            true => escaped(&text, &['\\', '$', '`']),
            false => text,
        }
    }

    /// Reads on over `char`, the first of `rest`. Gives the bytes it has taken, at least one character.
    fn step(&mut self, char: char, rest: &str) -> usize {
        if std::mem::take(&mut self.escape) {
            self.word_start = false;
            return char.len_utf8();
        }
        if let Some(Open::HereDocument(..)) = self.open.last() {
            self.step_here_document(char);
            return char.len_utf8();
        }
        if let Some(length) = self.step_backquote(char, rest) {
            return length;
        }
        match self.open.last() {
            Some(Open::Single) => self.close_at(char, '\''),
            Some(Open::Comment) if char != '\n' => {}
            Some(Open::Comment) => {
                self.open.pop();
                return self.step_bare(char, rest);
            }
            Some(Open::Double) => return self.step_double(char, rest),
            _ => return self.step_bare(char, rest),
        }
        char.len_utf8()
    }

    fn step_bare(&mut self, char: char, rest: &str) -> usize {
        let word_start = self.word_start;
        self.word_start =
            matches!(char, ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>');
        match char {
            '\\' => self.escape = true,
            '\'' if !self.is_in_double_parameter() => self.open.push(Open::Single),
            '"' => self.open.push(Open::Double),
            '#' if word_start && !self.is_in_words() => self.open.push(Open::Comment),
            '$' => return self.step_dollar(rest),
            '(' | ')' => self.step_parenthesis(char),
            '}' if self.open.last() == Some(&Open::Parameter) => drop(self.open.pop()),
            '<' if !self.is_in_words() => return self.announce(rest),
            '\n' => self.begin_here_document(),
            _ => {}
        }
        char.len_utf8()
    }

    /// Whether comments and redirections have no meaning here.
    fn is_in_words(&self) -> bool {
        matches!(self.open.last(), Some(Open::Parameter | Open::Arithmetic(_)))
    }

    /// Whether a single quote stands for itself, as it does in `"${…}"`.
    fn is_in_double_parameter(&self) -> bool {
        matches!(self.open.as_slice(), [.., Open::Double, Open::Parameter])
    }

    fn step_double(&mut self, char: char, rest: &str) -> usize {
        match char {
            '\\' => self.escape = true,
            '$' => return self.step_dollar(rest),
            char => self.close_at(char, '"'),
        }
        char.len_utf8()
    }

    fn close_at(&mut self, char: char, end: char) {
        if char == end {
            self.open.pop();
            self.word_start = false;
        }
    }

    fn step_dollar(&mut self, rest: &str) -> usize {
        let (open, length) = match rest {
            rest if rest.starts_with("$((") => (Open::Arithmetic(2), 3),
            rest if rest.starts_with("$(") => (Open::Substitution(1), 2),
            rest if rest.starts_with("${") => (Open::Parameter, 2),
            _ => return 1,
        };
        self.word_start = matches!(open, Open::Substitution(_));
        self.open.push(open);
        length
    }

    fn step_parenthesis(&mut self, char: char) {
        if let Some(Open::Substitution(depth) | Open::Arithmetic(depth)) = self.open.last_mut() {
            *depth = if char == '(' { *depth + 1 } else { *depth - 1 };
            if *depth == 0 {
                self.open.pop();
                self.word_start = false;
            }
        }
    }

    /// A backquote ends where the next one stands, whatever is open between them; a backslash in it belongs to what
    /// follows even in single quotes.
    fn step_backquote(&mut self, char: char, rest: &str) -> Option<usize> {
        let outer = self.open.iter().rposition(|open| matches!(open, Open::Backquote(_)));
        match (char, outer) {
            ('`', Some(outer)) => {
                self.open.truncate(outer);
                self.word_start = false;
            }
            ('`', None) if !matches!(self.open.last(), Some(Open::Single | Open::Comment)) => {
                self.open.push(Open::Backquote(false));
                self.word_start = true;
            }
            ('\\', Some(outer)) if rest.starts_with("\\`") => {
                if let Some(Open::Backquote(nested)) = self.open.get_mut(outer) {
                    *nested = !*nested;
                }
                return Some(2);
            }
            ('\\', Some(_)) if rest.starts_with("\\\\") || rest.starts_with("\\$") => {
                return Some(2);
            }
            _ => return None,
        }
        Some(1)
    }

    /// Reads on over `<`, and over the word behind `<<`.
    fn announce(&mut self, rest: &str) -> usize {
        if !rest.starts_with("<<") || rest.starts_with("<<<") {
            return rest.len() - rest.trim_start_matches('<').len();
        }
        let tabs = rest.starts_with("<<-");
        let behind = if tabs { &rest[3..] } else { &rest[2..] };
        let word = behind.trim_start_matches([' ', '\t']);
        let blanks = behind.len() - word.len();
        let word = &word[..word_length(word)];
        let end: String = word.chars().filter(|char| !matches!(char, '\'' | '"' | '\\')).collect();
        let quoted = end.len() != word.len();
        self.announced.push(HereDocument { end, quoted, tabs });
        rest.len() - behind.len() + blanks + word.len()
    }

    /// A line of the value that reads like the end of the document gets something in front that stands for nothing.
    fn within_here_document(&self, value: &str) -> String {
        let Some(Open::HereDocument(document, ..)) = self.open.last() else {
            return value.to_owned();
        };
        let guard = |line: &str| {
            let front = if line.trim_start_matches('\t') == document.end { "${0+}" } else { "" };
            format!("{front}{}", escaped(line, &['\\', '$', '`']))
        };
        value.split('\n').map(guard).collect::<Vec<_>>().join("\n")
    }

    fn begin_here_document(&mut self) {
        // The last is opened first, so that the first is the innermost and ends first.
        for document in std::mem::take(&mut self.announced).into_iter().rev() {
            self.open.push(Open::HereDocument(document, String::new(), false));
        }
    }

    fn step_here_document(&mut self, char: char) {
        let Some(Open::HereDocument(document, line, substituted)) = self.open.last_mut() else {
            return;
        };
        if char != '\n' {
            *substituted |=
                !document.quoted && (char == '`' || (char == '(' && line.ends_with('$')));
            line.push(char);
            return;
        }
        let text = if document.tabs { line.trim_start_matches('\t') } else { line.as_str() };
        let is_end = text == document.end;
        line.clear();
        if is_end {
            self.open.pop();
            self.word_start = true;
        }
    }

    fn step_cmd(&mut self, char: char) -> usize {
        if char == '"' && self.open.pop().is_none() {
            self.open.push(Open::Double);
        }
        char.len_utf8()
    }
}

/// The bytes of the word that `text` begins with, quotes and all.
fn word_length(text: &str) -> usize {
    let mut quote = None;
    let mut escape = false;
    let ends = |(_, char): &(usize, char)| {
        match (quote, char) {
            _ if escape => escape = false,
            (Some(open), char) if open == *char => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(*char),
            (None, '\\') => escape = true,
            (None, char) => {
                return matches!(char, ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>');
            }
        }
        false
    };
    text.char_indices().find(ends).map_or(text.len(), |(end, _)| end)
}

/// What no shell gives a meaning to.
fn is_plain(char: char) -> bool {
    char.is_ascii_alphanumeric()
        || matches!(char, '_' | '@' | '%' | '+' | '=' | ':' | ',' | '.' | '/' | '-')
}

/// Whether `value` is the same in every spot.
pub(crate) fn needs_no_quotes(value: &str) -> bool {
    !value.is_empty() && value.chars().all(is_plain)
}

fn escaped(value: &str, special: &[char]) -> String {
    let mut text = String::with_capacity(value.len());
    for char in value.chars() {
        if special.contains(&char) {
            text.push('\\');
        }
        text.push(char);
    }
    text
}

/// `cmd` knows one kind of quotes, and `""` in them.
fn quote_cmd(value: &str, in_quotes: bool) -> String {
    let plain =
        |char: char| is_plain(char) && !matches!(char, '%' | '=' | ',') || matches!(char, '\\');
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    let inside = value.replace('"', "\"\"");
    if in_quotes { inside } else { format!("\"{inside}\"") }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::template::{Piece, Template};
    use proptest::prelude::*;
    use std::process::Command;

    /// What the shell prints for `line` with `value` in the place of `{out}`.
    fn run(shell: &str, line: &str, value: &str) -> String {
        let line = rendered(line, value);
        let output = Command::new(shell)
            .args(posix(shell))
            .arg("-c")
            .arg(&line)
            .env_clear()
            .output()
            .unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{line}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// What makes bash read as it does where it is the `sh`.
    fn posix(shell: &str) -> &'static [&'static str] {
        if shell == "bash" { &["--posix"] } else { &[] }
    }

    fn rendered(line: &str, value: &str) -> String {
        Template::parse(line).unwrap().render_for_shell(Shell::Posix, |_| value.to_owned())
    }

    fn spots(line: &str) -> Vec<Spot> {
        Template::parse(line).unwrap().spots().into_iter().map(|(_, spot)| spot).collect()
    }

    /// Each line prints the value between angle brackets, if it is one word and nothing in it is understood.
    const LINES: &[&str] = &[
        "printf '<%s>' {out}",
        "printf '<%s>' \"{out}\"",
        "printf '<%s>' '{out}'",
        "printf '<%s>' \"\"{out}''",
        "x={out}; printf '<%s>' \"$x\"",
        "x={out} sh -c 'printf \"<%s>\" \"$x\"'",
        "printf '<%s>' \"$(printf '%s' {out})\"",
        "printf '<%s>' \"$(printf '%s' \"{out}\")\"",
        "printf '<%s>' \"$(printf '%s' \"$(printf %s {out})\")\"",
        "printf '<%s>' \"$(printf '%s' '{out}')\"",
        "x=`printf %s {out}`; printf '<%s>' \"$x\"",
        "x=`printf %s \"{out}\"`; printf '<%s>' \"$x\"",
        "x=`printf %s '{out}'`; printf '<%s>' \"$x\"",
        "# don't be fooled by \"this `or $(that\nprintf '<%s>' {out}",
        "true # {out} and don't\nprintf '<%s>' {out}",
        "true;# it's\nprintf '<%s>' \"{out}\"",
        "echo a#'b' >/dev/null; printf '<%s>' {out}",
        ": \\\" \\' \\`; printf '<%s>' {out}",
        ": \"a \\\" b ' c\"; printf '<%s>' {out}",
        ": 'a \" b \\'; printf '<%s>' {out}",
        ": \\\\\"{out}\"; printf '<%s>' {out}",
        ": ${x:-\"a)'b\"} $((1 + (2))); printf '<%s>' {out}",
        ": \"${x:-don't}\"; printf '<%s>' {out}",
        "(: a; (: b)); : $( (true) ); printf '<%s>' {out}",
        "cat <<END >/dev/null\ndon't \"stop\nEND\nprintf '<%s>' {out}",
        "cat <<'END' >/dev/null; printf '<%s>' {out}\ndon't $( ` \nEND\n",
        "cat <<-\"E F\" >/dev/null\n\tit's\n\tE F\nprintf '<%s>' {out}",
        "x=$(cat <<END\n{out}\nEND\n); printf '<%s>' \"$x\"",
        "x=$(cat <<'END'\n{out}\nEND\n); printf '<%s>' \"$x\"",
        "x=$(cat <<A; cat <<'B'\n:\nA\n{out}\nB\n); printf '<%s>' \"${x#?\n}\"",
        "printf '<%s>' \"`true`\"{out}",
        "printf '<%s>' \"${undefined}{out}\"",
        "printf '<%s>' \"$(printf %s x)\" >/dev/null; printf '<%s>' '{out}'",
        "if true; then printf '<%s>' {out}; fi",
        "f() { printf '<%s>' \"$1\"; }; f {out}",
    ];

    const VALUES: &[&str] = &[
        "/plain/path",
        "/with space/x",
        "it's",
        "\"double\"",
        "'",
        "\"",
        "$HOME $(id) ${x} `id`",
        "back\\slash \\\\ \\n \\$ \\' \\\" \\`",
        "caf\u{e9} \u{1f980} \u{4f60}\u{597d}",
        "a;b|c&d>e<f*g?h[i]j{k}l~m#n!o(p)q",
        "#x",
        "-n",
        "~",
        "two\nlines",
        "\\",
        "`",
        "$",
        "%s",
    ];

    #[test]
    fn a_value_is_one_word_wherever_it_stands() {
        for shell in ["sh", "bash"]
            .iter()
            .filter(|shell| Command::new(shell).arg("-c").arg(":").status().is_ok())
        {
            for line in LINES {
                for value in VALUES {
                    assert_eq!(
                        run(shell, line, value),
                        format!("<{value}>"),
                        "{shell}: {line}\n{}",
                        rendered(line, value)
                    );
                }
            }
        }
    }

    #[test]
    fn a_value_does_not_end_the_here_document_that_it_stands_in() {
        let line = "x=$(cat <<END\n{out}\nEND\n); printf '<%s>' \"$x\"";
        for value in ["END", "a\nEND\nb", "END\n$x"] {
            assert_eq!(run("sh", line, value), format!("<{value}>"));
        }
    }

    #[test]
    fn an_empty_value_is_still_a_word() {
        assert_eq!(run("sh", "set -- {out} \"{out}\"; printf %s $#", ""), "2");
    }

    #[test]
    fn plain_values_go_in_as_they_are() {
        assert_eq!(rendered("cp a {out}/b \"{out}\" '{out}'", "/t/granular/out/a-b_c.1"), {
            let out = "/t/granular/out/a-b_c.1";
            format!("cp a {out}/b \"{out}\" '{out}'")
        });
    }

    #[test]
    fn the_places_where_nothing_can_be_quoted_are_known() {
        for line in [
            "echo ${x:-{out}}",
            "echo \"${x:-{out}}\"",
            "echo $((1 + {out}))",
            "echo `echo \\`echo {out}\\``",
        ] {
            assert!(matches!(spots(line)[..], [Spot::Unquotable(_)]), "{line}: {:?}", spots(line));
        }
        assert!(matches!(
            spots("echo \"`echo {out}`\" {out}")[..],
            [Spot::Unquotable(_), Spot::Bare]
        ));
        assert!(matches!(
            spots("cat <<END\n$(cat {out})\nEND\n{out}")[..],
            [Spot::Unquotable(_), Spot::Bare]
        ));
        assert_eq!(spots("a # {out}\n'{out}'"), [Spot::Comment, Spot::Single]);
    }

    #[test]
    fn cmd_has_double_quotes_only() {
        let template = Template::parse("copy a {out}\\b & type \"{out}\\b\"").unwrap();
        assert_eq!(
            template.render_for_shell(Shell::Cmd, |_| r"C:\a b".into()),
            "copy a \"C:\\a b\"\\b & type \"C:\\a b\\b\""
        );
        assert_eq!(
            template.render_for_shell(Shell::Cmd, |_| r"C:\a".into()),
            "copy a C:\\a\\b & type \"C:\\a\\b\""
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn no_value_escapes_from_its_word(value in "[^\0]{0,12}", line in proptest::sample::select(LINES)) {
            // A substitution takes the newlines off its end, a here-document ends where a line says so.
            let value = value.trim_end_matches('\n').replace('\r', "");
            // One that is taken as it stands has no way to say that a line is not its end.
            prop_assume!(!(line.contains("<<'") && value.lines().any(|line| ["END", "A", "B"].contains(&line))));
            // With nothing in its here-document, the line that takes the first one's off cannot tell the two apart.
            prop_assume!(!value.is_empty() || !line.contains("${x#?"));
            // dash itself loses bytes of other letters in a here-document inside of a substitution.
            prop_assume!(value.is_ascii() || !(line.contains("$(") && line.contains("<<")));
            prop_assert_eq!(run("sh", line, &value), format!("<{}>", value));
        }

        #[test]
        fn no_line_makes_the_scanner_panic(texts in proptest::collection::vec("[-$(){}`'\"\\\\<>#aE \n\t]{0,12}", 0..6)) {
            let pieces = texts.into_iter().flat_map(|text| [Piece::Text(text), Piece::Out]);
            let template = Template::from_iter(pieces);
            template.spots();
            template.render_for_shell(Shell::Posix, |_| "a b".to_owned());
            template.render_for_shell(Shell::Cmd, |_| "a b".to_owned());
        }
    }
}
