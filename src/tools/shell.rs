//! Which known tools a line for the shell starts. Reads just enough of the shell's language to tell a command from its
//! arguments; what it cannot follow it passes over. Knows neither files nor variables' values.

use super::rows;

/// The known tools in command position, in the order of their appearance, each once.
pub(super) fn commands(line: &str) -> Vec<&'static str> {
    let mut scan = Scan {
        rest: line,
        level: Level::default(),
        outer: Vec::new(),
        heredocs: Vec::new(),
        found: Vec::new(),
    };
    while let Some(char) = scan.next() {
        if scan.level.in_quotes { scan.quoted(char) } else { scan.plain(char) }
    }
    while !scan.outer.is_empty() {
        scan.close();
    }
    scan.end_word();
    scan.found
}

struct Scan<'a> {
    rest: &'a str,
    /// The innermost of nested commands.
    level: Level,
    /// Those around it, the outermost first.
    outer: Vec<Level>,
    /// The end marks of texts that begin with the next line, and whether they may be indented by tabs.
    heredocs: Vec<(String, bool)>,
    found: Vec<&'static str>,
}

/// How far the reading of one list of commands has come.
#[derive(Default)]
struct Level {
    opened_by: Opening,
    place: Place,
    /// The word that is being read, without its quotes; `None` between words.
    word: Option<String>,
    in_quotes: bool,
    next_word: NextWord,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Opening {
    /// The line itself.
    #[default]
    Start,
    /// `(`.
    Subshell,
    /// `$(`, `<(` or `>(`.
    Substitution,
    /// A backtick.
    Backtick,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Place {
    /// The next word is a command.
    #[default]
    Command,
    /// The next word is one of these programs' options or the command that it starts.
    Behind(&'static str),
    /// The next word is nobody's command.
    Arguments,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum NextWord {
    #[default]
    Counts,
    /// The argument of an option.
    IsArgument,
    /// The file of a redirection.
    IsFile,
    /// The end mark of a text, which may be indented.
    IsMark(bool),
}

/// Words behind which stands a command.
const KEYWORDS: [&str; 10] = ["then", "do", "else", "elif", "if", "while", "until", "!", "{", "}"];

/// Programs that start the command behind them, and which of their options have an argument of their own.
const WRAPPERS: [(&str, &[&str]); 5] = [
    ("env", &["-u", "-C", "-S", "--unset", "--chdir"]),
    ("exec", &["-a"]),
    ("command", &[]),
    ("time", &["-f", "-o"]),
    ("nice", &["-n"]),
];

impl Scan<'_> {
    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let char = chars.next()?;
        self.rest = chars.as_str();
        Some(char)
    }

    fn next_if(&mut self, wanted: &[char]) -> Option<char> {
        self.rest.starts_with(wanted).then(|| self.next()).flatten()
    }

    fn push(&mut self, char: Option<char>) {
        self.level.word.get_or_insert_default().extend(char);
    }

    /// Inside double quotes.
    fn quoted(&mut self, char: char) {
        match char {
            '"' => self.level.in_quotes = false,
            '\\' => {
                let char = self.next();
                self.push(char);
            }
            '$' if self.next_if(&['(']).is_some() => self.open(Opening::Substitution),
            '`' => self.backtick(),
            char => self.push(Some(char)),
        }
    }

    fn plain(&mut self, char: char) {
        match char {
            '\\' => match self.next() {
                Some('\n') => {}
                char => self.push(char),
            },
            '\'' => {
                let (text, rest) = self.rest.split_once('\'').unwrap_or((self.rest, ""));
                self.level.word.get_or_insert_default().push_str(text);
                self.rest = rest;
            }
            '"' => {
                self.push(None);
                self.level.in_quotes = true;
            }
            '#' if self.level.word.is_none() => {
                self.rest = self.rest.find('\n').and_then(|at| self.rest.get(at..)).unwrap_or("")
            }
            '$' if self.next_if(&['(']).is_some() => self.open(Opening::Substitution),
            '`' => self.backtick(),
            '(' => {
                self.end_word();
                self.open(Opening::Subshell);
            }
            ')' => self.close_bracket(),
            '<' | '>' => self.redirection(char),
            '&' if self.rest.starts_with('>') => self.end_word(),
            '\n' | ';' | '&' | '|' => self.end_command(char),
            char if char.is_whitespace() => self.end_word(),
            char => self.push(Some(char)),
        }
    }

    fn end_command(&mut self, char: char) {
        self.end_word();
        self.level.place = Place::Command;
        self.level.next_word = NextWord::Counts;
        if char == '\n' {
            self.skip_heredocs();
        }
    }

    fn open(&mut self, opened_by: Opening) {
        let level = Level { opened_by, ..Level::default() };
        self.outer.push(std::mem::replace(&mut self.level, level));
    }

    fn close(&mut self) {
        self.end_word();
        let Some(outer) = self.outer.pop() else { return };
        match std::mem::replace(&mut self.level, outer).opened_by {
            // Behind it, or behind the brackets of a function's name, only a keyword can stand.
            Opening::Subshell => self.level.place = Place::Command,
            // Whatever it gives is a part of the word around it, and nobody knows what.
            _ => self.push(Some('$')),
        }
    }

    fn close_bracket(&mut self) {
        match self.level.opened_by {
            Opening::Subshell | Opening::Substitution => self.close(),
            // The end of a pattern of `case`, which is no command.
            Opening::Start | Opening::Backtick => {
                self.level.word = None;
                self.level.place = Place::Command;
            }
        }
    }

    fn backtick(&mut self) {
        if self.level.opened_by == Opening::Backtick {
            self.close()
        } else {
            self.open(Opening::Backtick)
        }
    }

    fn redirection(&mut self, char: char) {
        let is_number = self
            .level
            .word
            .as_ref()
            .is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
        if is_number {
            self.level.word = None;
        }
        self.end_word();
        if self.next_if(&['(']).is_some() {
            return self.open(Opening::Substitution);
        }
        self.level.next_word = NextWord::IsFile;
        let is_heredoc =
            char == '<' && self.next_if(&['<']).is_some() && self.next_if(&['<']).is_none();
        if is_heredoc {
            self.level.next_word = NextWord::IsMark(self.next_if(&['-']).is_some());
        } else {
            while self.next_if(&['>', '&', '|']).is_some() {}
        }
    }

    fn skip_heredocs(&mut self) {
        for (mark, may_be_indented) in std::mem::take(&mut self.heredocs) {
            let mut end = 0;
            for line in self.rest.split_inclusive('\n') {
                end += line.len();
                let text = line.trim_end_matches(['\n', '\r']);
                if (if may_be_indented { text.trim_start_matches('\t') } else { text }) == mark {
                    self.rest = self.rest.get(end..).unwrap_or_default();
                    break;
                }
            }
        }
    }

    fn end_word(&mut self) {
        let Some(word) = self.level.word.take() else { return };
        match std::mem::take(&mut self.level.next_word) {
            NextWord::IsMark(may_be_indented) => self.heredocs.push((word, may_be_indented)),
            NextWord::Counts if self.level.place != Place::Arguments => self.command_word(&word),
            NextWord::Counts | NextWord::IsArgument | NextWord::IsFile => {}
        }
    }

    fn command_word(&mut self, word: &str) {
        if KEYWORDS.contains(&word) || is_assignment(word) {
            return;
        }
        if let Place::Behind(wrapper) = self.level.place
            && word.starts_with('-')
        {
            return self.option(wrapper, word);
        }
        let name = word.rsplit('/').next().unwrap_or(word);
        if let Some((wrapper, _)) = WRAPPERS.iter().find(|(wrapper, _)| *wrapper == name) {
            self.level.place = Place::Behind(wrapper);
            return;
        }
        self.level.place = Place::Arguments;
        if let Some((_, tool)) = rows::named(name)
            && !self.found.contains(&tool)
        {
            self.found.push(tool);
        }
    }

    fn option(&mut self, wrapper: &'static str, option: &str) {
        // `command -v` only asks whether there is such a command.
        if wrapper == "command" && option.contains(['v', 'V']) {
            self.level.place = Place::Arguments;
        }
        let mut with_argument =
            WRAPPERS.iter().filter(|(name, _)| *name == wrapper).flat_map(|(_, options)| *options);
        if with_argument.any(|it| *it == option) {
            self.level.next_word = NextWord::IsArgument;
        }
    }
}

fn is_assignment(word: &str) -> bool {
    let is_name = |name: &str| {
        !name.starts_with(|char: char| char.is_ascii_digit()) && name.chars().all(is_name_char)
    };
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty() && is_name(name.strip_suffix('+').unwrap_or(name))
    })
}

fn is_name_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn commands_are_found_where_commands_stand() {
        for line in [
            "go build ./...",
            "  go vet",
            "A=1 B='x y' go build",
            "/usr/local/go/bin/go build",
            "./bin/go x",
            "\"go\" build",
            "'/a b/go' run",
            "cd web && go build",
            "cd web || go build",
            "cd web; go build",
            "cat x | go run .",
            "sleep 1 & go build",
            "cd x\ngo build",
            "(go build)",
            "{ go build; }",
            "if true; then go build; fi",
            "for x in a b; do go build; done",
            "if x; then y; else go z; fi",
            "! go vet",
            "if go vet; then :; fi",
            "while go vet; do :; done",
            "env -i A=1 go build",
            "env -u X go build",
            "exec go build",
            "exec -a x go",
            "command go build",
            "time -p go build",
            "nice -n 10 go build",
            "env nice exec go build",
            "x=$(go env GOOS)",
            "echo \"$(go env GOOS)\"",
            "echo `go env`",
            "echo \"`go env`\"",
            "f() { go build; }",
            "diff <(go env) x",
            "2>/dev/null go build",
            ">out go build",
            "true >&2 && go build",
            "go build &>log",
            "cat <<END\nnpm install\nEND\ngo build",
            "cat <<-'END'\n\tnpm\n\tEND\ngo build",
            "case $x in npm) go build;; esac",
            "echo a \\\n b; go build",
            "# npm install\ngo build",
            "g\\o build",
            "echo $((1+2)); go build",
            "cat <<<npm; go build",
        ] {
            assert_eq!(commands(line), ["go"], "{line}");
        }
    }

    #[test]
    fn what_is_no_command_is_not_found() {
        for line in [
            "",
            "echo go",
            "echo 'x; go build'",
            "echo \"x && go build\"",
            "gofoo build",
            "echo x # go build",
            "command -v go",
            "cat <go",
            "echo x >go",
            "A=go",
            "env A=go",
            "echo \\; go",
            "go.mod",
            "$go build",
            "'go build'",
            "echo go go",
            "go-build",
            "for x in go npm; do :; done",
            "case go in go) :;; npm) :;; esac",
            "cat <<E\ngo build\nE\n",
            "echo a \\\ngo",
        ] {
            assert_eq!(commands(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn each_tool_is_named_once_in_the_order_of_appearance() {
        assert_eq!(
            commands("npm ci && go generate && npm run build | tar -c x; python3 y"),
            ["npm", "go", "tar", "python3"]
        );
        assert_eq!(commands("$(go env GOPATH)/bin/protoc x"), ["go", "protoc"]);
    }

    proptest! {
        #[test]
        fn no_line_makes_the_reader_panic(line in any::<String>()) {
            commands(&line);
        }

        #[test]
        fn no_line_of_shell_signs_makes_the_reader_panic(line in "[ \n\t\"'`$(){}<>|&;\\\\#!=-ago\u{e9}]{0,60}") {
            commands(&line);
        }

        #[test]
        fn a_command_behind_any_quoted_text_is_found(text in "[^']{0,40}") {
            prop_assert_eq!(commands(&format!("echo '{text}'; go build")), ["go"]);
        }
    }
}
