//! The rules of `.gitignore` files. Knows no file system: who walks brings the bytes of each file.

use crate::ordered;
use crate::pattern::glob::{self, Dialect, Name, Segment};
use std::collections::HashMap;
use std::sync::Arc;

/// The rules that hold in one directory: those of its own `.gitignore` and those of the directories above it.
#[derive(Debug)]
pub(crate) struct Ignore {
    rules: Rules,
    /// How many bytes of a path from the root belong to the directory of these rules, with the slash behind it.
    skip: usize,
    above: Option<Arc<Ignore>>,
}

/// The rules of one file.
#[derive(Debug, Default)]
struct Rules {
    rules: Vec<Rule>,
    /// Rules on exactly one name, by that name: a long list of names costs one look-up.
    exact: HashMap<Box<[u8]>, Vec<usize>>,
    /// Rules on the end of a name (`*.o`), sorted by its last byte.
    endings: Vec<(u8, usize)>,
    /// All others.
    others: Vec<usize>,
}

/// One line.
#[derive(Debug)]
struct Rule {
    negative: bool,
    directories_only: bool,
    subject: Subject,
}

/// What a rule is held against.
#[derive(Debug)]
enum Subject {
    /// The last component, anywhere below.
    Name(Name),
    /// The whole path from the directory of the rules.
    Path(Vec<Segment>),
}

impl Ignore {
    /// The rules in the directory `dir` (from the root, without a slash at its end) whose `.gitignore` is `text`.
    pub(crate) fn below(above: Option<&Arc<Self>>, dir: &str, text: &[u8]) -> Option<Arc<Self>> {
        let rules = Rules::parse(text);
        if rules.rules.is_empty() {
            return above.cloned();
        }
        let skip = if dir.is_empty() { 0 } else { dir.len() + 1 };
        Some(Arc::new(Self { rules, skip, above: above.cloned() }))
    }

    /// Whether the last rule that matches `path`, a path from the root below the directory of these rules, ignores it.
    /// The file nearest to the path decides. Whether a directory above it is ignored is for the caller to know.
    pub(crate) fn is_ignored(&self, path: &[u8], is_directory: bool) -> bool {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
        let mut level = Some(self);
        while let Some(ignore) = level {
            let decision = ignore.rules.decide(
                path.get(ignore.skip..).unwrap_or_default(),
                name,
                is_directory,
            );
            if let Some(ignored) = decision {
                return ignored;
            }
            level = ignore.above.as_deref();
        }
        false
    }
}

impl Rules {
    fn parse(text: &[u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut rules = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            if let Some(rule) = Rule::parse(line) {
                rules.add(rule);
            }
        }
        ordered::sort(&mut rules.endings);
        rules
    }

    fn add(&mut self, rule: Rule) {
        let index = self.rules.len();
        match &rule.subject {
            Subject::Name(Name::Exact(name)) => {
                self.exact.entry(name.clone()).or_default().push(index)
            }
            Subject::Name(Name::Ending(end)) if !end.is_empty() => {
                self.endings.push((end[end.len() - 1], index))
            }
            _ => self.others.push(index),
        }
        self.rules.push(rule);
    }

    /// What the last matching rule says: whether the path is ignored.
    fn decide(&self, path: &[u8], name: &[u8], is_directory: bool) -> Option<bool> {
        let matches = |index: &usize| {
            self.rules.get(*index).is_some_and(|rule| rule.matches(path, name, is_directory))
        };
        let exact =
            self.exact.get(name).and_then(|rules| rules.iter().rev().copied().find(matches));
        let ending = self.ending_rules(name).iter().rev().map(|(_, index)| *index).find(matches);
        let found = exact.max(ending);
        let other = self
            .others
            .iter()
            .rev()
            .copied()
            .take_while(|index| Some(*index) > found)
            .find(matches);
        let rule = self.rules.get(found.max(other)?)?;
        Some(!rule.negative)
    }

    fn ending_rules(&self, name: &[u8]) -> &[(u8, usize)] {
        let Some(last) = name.last() else { return &[] };
        let start = self.endings.partition_point(|(byte, _)| byte < last);
        let end = self.endings.partition_point(|(byte, _)| byte <= last);
        self.endings.get(start..end).unwrap_or_default()
    }
}

impl Rule {
    /// `None` for what is no rule: an empty line, a comment, and what can never match.
    fn parse(line: &[u8]) -> Option<Self> {
        let line = without_trailing_spaces(line.strip_suffix(b"\r").unwrap_or(line));
        if line.first() == Some(&b'#') {
            return None;
        }
        let (negative, line) = strip(line, |line| line.strip_prefix(b"!"));
        let (directories_only, line) = strip(line, |line| line.strip_suffix(b"/"));
        if line.is_empty() {
            return None;
        }
        Some(Self { negative, directories_only, subject: subject(line)? })
    }

    fn matches(&self, path: &[u8], name: &[u8], is_directory: bool) -> bool {
        if self.directories_only && !is_directory {
            return false;
        }
        match &self.subject {
            Subject::Name(subject) => subject.matches(name),
            Subject::Path(segments) => glob::matches(segments, path, false),
        }
    }
}

fn strip(line: &[u8], by: impl Fn(&[u8]) -> Option<&[u8]>) -> (bool, &[u8]) {
    by(line).map_or((false, line), |stripped| (true, stripped))
}

/// A rule with a slash in it holds from its directory down, one without holds for names.
fn subject(line: &[u8]) -> Option<Subject> {
    let anchored = line.contains(&b'/');
    let line = line.strip_prefix(b"/").unwrap_or(line);
    let mut segments = glob::parse(line, Dialect::Git).ok()?;
    if segments.iter().any(|segment| *segment == Segment::Name(Name::Exact(Box::default()))) {
        return None; // two slashes in a row
    }
    glob::normalize(&mut segments);
    let name = match (anchored, segments.as_slice()) {
        (false, [Segment::Name(name)]) | (_, [Segment::Tree, Segment::Name(name)]) => {
            Some(name.clone())
        }
        _ => None,
    };
    Some(name.map_or(Subject::Path(segments), Subject::Name))
}

/// Git drops spaces at the end of a line, up to one that is escaped.
fn without_trailing_spaces(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut at = 0;
    while let Some(byte) = line.get(at) {
        at += if *byte == b'\\' { 2 } else { 1 };
        if *byte != b' ' {
            end = at.min(line.len());
        }
    }
    &line[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::testing::TempDir;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// Which of `files` are ignored, by our rules. The rules are texts by directory.
    fn ours(rules: &BTreeMap<String, String>, files: &BTreeSet<String>) -> BTreeSet<String> {
        files.iter().filter(|file| is_ignored(rules, file)).cloned().collect()
    }

    fn is_ignored(rules: &BTreeMap<String, String>, file: &str) -> bool {
        let mut ignore = rules.get("").and_then(|text| Ignore::below(None, "", text.as_bytes()));
        for (slash, _) in file.match_indices('/') {
            let dir = &file[..slash];
            if ignore.as_ref().is_some_and(|ignore| ignore.is_ignored(dir.as_bytes(), true)) {
                return true;
            }
            if let Some(text) = rules.get(dir) {
                ignore = Ignore::below(ignore.as_ref(), dir, text.as_bytes());
            }
        }
        ignore.is_some_and(|ignore| ignore.is_ignored(file.as_bytes(), false))
    }

    fn git(dir: &TempDir) -> Command {
        let mut git = Command::new("git");
        git.current_dir(dir.path("")).env_clear();
        for name in ["PATH", "SystemRoot"] {
            if let Some(value) = std::env::var_os(name) {
                git.env(name, value);
            }
        }
        git.env("HOME", dir.path("")).env("GIT_CONFIG_NOSYSTEM", "1").args([
            "-c",
            "core.excludesFile=",
            "-c",
            "core.ignoreCase=false",
        ]);
        git
    }

    /// Which of `files` are ignored, by Git.
    fn gits(rules: &BTreeMap<String, String>, files: &BTreeSet<String>) -> BTreeSet<String> {
        let dir = TempDir::new();
        let init = git(&dir).args(["init", "--quiet", "--template="]).output();
        let init = init.unwrap_or_else(|_| panic!("this test compares with git, which is not on PATH: install it (`apt-get install git`)"));
        assert!(init.status.success(), "{init:?}");
        for file in files {
            dir.write(file, "");
        }
        for (at, text) in rules {
            dir.write(
                &if at.is_empty() { ".gitignore".to_owned() } else { format!("{at}/.gitignore") },
                text,
            );
        }
        let mut check = git(&dir)
            .args(["check-ignore", "--no-index", "-z", "--stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let asked: String = files.iter().map(|file| format!("{file}\0")).collect();
        check.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
        let answer = check.wait_with_output().unwrap();
        assert!(matches!(answer.status.code(), Some(0 | 1)), "{answer:?}");
        let answer = String::from_utf8(answer.stdout).unwrap();
        answer.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect()
    }

    fn same(rules: &[(&str, &str)], files: &[&str]) {
        let rules = rules.iter().map(|(dir, text)| (dir.to_string(), text.to_string())).collect();
        let files = files.iter().map(|file| file.to_string()).collect();
        assert_eq!(ours(&rules, &files), gits(&rules, &files), "ours and git's, for {rules:?}");
    }

    const FILES: &[&str] = &[
        "a",
        "b",
        "a.o",
        "b.o",
        "ab",
        "#a",
        "!a",
        "a b",
        "a ",
        "a\\b",
        "[a]",
        "ä",
        "äa",
        ".hidden",
        "d/a",
        "d/b",
        "d/a.o",
        "d/d/a",
        "d/d/d/a",
        "e/a",
        "e/d/a",
        "e/d/b.o",
        "build/x",
        "d/build/x",
        "node_modules/m/i",
        "d/node_modules/m/i",
        "x/y/z/w",
        "x/w",
        "doc/a.txt",
        "doc/sub/a.txt",
        "foo/bar/baz",
        "foo/baz",
        "A",
        "d/A",
        "a-b",
        "a]b",
        "a^b",
        "é",
        "zz/a b/c",
    ];

    #[test]
    fn every_form_of_a_rule_is_read_as_git_reads_it() {
        let lines = [
            "a",
            "/a",
            "a/",
            "d/a",
            "/d/a",
            "*.o",
            "/*.o",
            "d/*.o",
            "**/a",
            "**/d/a",
            "d/**",
            "/d/**/a",
            "x/**/w",
            "**",
            "**/",
            "*",
            "/*",
            "/",
            "//a",
            "d//a",
            "d/",
            "build/",
            "/build",
            "node_modules",
            "doc/*.txt",
            "doc/**/*.txt",
            "foo/**/baz",
            "foo/*/baz",
            "#a",
            "\\#a",
            "!a",
            "\\!a",
            "a\\ ",
            "a ",
            "a  ",
            "a\\ b",
            "a b",
            "a\\\\b",
            "\\[a\\]",
            "[a]",
            "[!a]",
            "[^a]",
            "[ab]",
            "[a-c]",
            "[c-a]",
            "[]a]",
            "a[]-]b",
            "a[^b-z]b",
            "a[\\]]b",
            "a[]",
            "a[",
            "[",
            "a\\",
            "?",
            "??",
            "*a",
            "a*",
            "*a*",
            "a?b",
            "ä",
            "?a",
            "[[:upper:]]",
            "a[[:punct:]]b",
            "[[:nope:]]",
            "[[:alpha:",
            "[a[:digit:]-z]",
            ".*",
            "d/*/a",
            "d/?/a",
            "*/a",
            "*/*/a",
            "/**/a",
            "/**",
            "**/**/a",
            "d/**/**/a",
            "***/a",
            "\\a",
            "\\/a",
            "zz/a b",
            "x/y/../w",
            "./a",
            "a/b/",
            "\\*",
            "a\\*",
            "é",
            "??é",
        ];
        for line in lines {
            same(&[("", &format!("{line}\n"))], FILES);
        }
    }

    #[test]
    fn several_rules_and_several_files_are_read_as_git_reads_them() {
        same(&[("", "*\n!a\n!d/\n!d/a\n")], FILES);
        same(&[("", "*.o\n!b.o\n/d\n!/d/a\n")], FILES);
        same(&[("", "a\n"), ("d", "!a\n"), ("d/d", "a\n")], FILES);
        same(&[("", "/d/*\n!/d/d\n"), ("d", "/a\n"), ("d/d", "/a\nd/\n")], FILES);
        same(&[("", "d/\n"), ("d", "!a\n")], FILES);
        same(&[("", "\u{feff}a\r\n*.o  \r\n\n# no rule\nx/**")], FILES);
        same(&[("", "build/**\n!build/x\n"), ("e", "/a\n"), ("e/d", "*\n!*.o\n")], FILES);
    }

    #[test]
    fn a_damaged_file_is_read_without_panic() {
        for text in
            [&b"\xff\xfe[\n\\\n[\xff-\n"[..], b"[[:", b"\\", b"!", b"!/", b"[!", b"\xef\xbb"]
        {
            Ignore::below(None, "", text);
        }
    }

    /// Lines of the characters that mean something, but for a `**` that touches other characters: Git's manual says that it
    /// is an ordinary `*` there, and Git itself does otherwise behind a literal beginning.
    fn line() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            4 => prop::sample::select(vec!["a", "b", "d", "e", "*", "?", "[ab]", "[!a]", ".o", "\\a", "[a-d]"]),
        ];
        let component = prop_oneof![6 => prop::collection::vec(piece, 1..3).prop_map(|pieces| pieces.concat()), 1 => Just("**".to_owned())];
        let plain =
            component.prop_filter("`**` only alone", |text| text == "**" || !text.contains("**"));
        (
            prop::bool::weighted(0.25),
            prop::bool::weighted(0.3),
            prop::collection::vec(plain, 1..4),
            prop::bool::weighted(0.2),
        )
            .prop_map(|(negative, rooted, components, directory)| {
                let [negative, rooted, directory] =
                    [(negative, "!"), (rooted, "/"), (directory, "/")]
                        .map(|(is, text)| if is { text } else { "" });
                format!("{negative}{rooted}{}{directory}\n", components.join("/"))
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn random_rules_are_read_as_git_reads_them(
            root in prop::collection::vec(line(), 0..6),
            below in prop::collection::vec(line(), 0..4),
        ) {
            let rules = BTreeMap::from([(String::new(), root.concat()), ("d".to_owned(), below.concat())]);
            let files = FILES.iter().map(|file| file.to_string()).collect();
            prop_assert_eq!(ours(&rules, &files), gits(&rules, &files), "ours and git's, for {:?}", rules);
        }

        #[test]
        fn no_bytes_make_the_rules_panic(text in prop::collection::vec(any::<u8>(), 0..60), path in "[a-z/\\[\\]*]{1,12}") {
            if let Some(ignore) = Ignore::below(None, "", &text) {
                ignore.is_ignored(path.as_bytes(), true);
            }
        }
    }
}
