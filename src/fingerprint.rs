//! The fingerprint of an action: everything that may change its outputs, as a canonical text that a person can read. Pure.
//!
//! # The text
//!
//! Lines of [`crate::canon`], in this order; those of one kind are sorted:
//!
//! | line | says |
//! | --- | --- |
//! | `granular-fingerprint 1` | the version of this format |
//! | `run "go" "build" {out}"/api"` or `shell "…"` | the command; placeholders stand bare, so that no text can imitate one |
//! | `base "services"` | the directory that the output patterns are relative to |
//! | `dir "services"` | the directory it is run in |
//! | `platform linux x86_64` | left out with `platform = "any"` |
//! | `set "CGO_ENABLED" "0"` | a variable that the step sets |
//! | `track "GOFLAGS" "-v"` or `track "GOFLAGS" unset` | a variable that it sees |
//! | `tool "go" HASH SIZE "go1.26"` | a tool: its executable's digest, and what it says of its version where it is known how to ask |
//! | `cargo "server" HASH SIZE` | what Cargo built for the step, by the name that placeholders give it |
//! | `outputs "{out}/api"` | an output pattern |
//! | `depfile "x.d"` | a dependency file below `{out}`, which names further inputs |
//! | `incremental` | its named outputs stay while it runs again |
//! | `input "main.go" CONTENT` | something it reads, declared or found |
//! | `outside "stdio.h" CONTENT` | a file outside of the workspace that it was found to read: its name, in the order of the paths |
//! | `export tree "gen/a.go" CONTENT` | something that a need exports |
//! | `checked-in "dist/a.js" CONTENT` | a checked-in file that stands in for an output; in place of tools that are missing, inputs and exports, and never the text of a key in a store |
//!
//! CONTENT is that of [`crate::content::Content::write`].
//!
//! # What is not in it, and why
//!
//! No absolute path, time, user or host: two checkouts share results. Not the step's name: a renamed step keeps its results.
//! Not the keys of its needs but what they export: a change that leaves a need's outputs as they were stops there.
//! Not `pass-env`, timeouts, retries or slots: they decide whether a run succeeds, not what it leaves.

use crate::action::Action;
use crate::canon::{self, Fields};
use crate::content::Input;
use crate::digest::{Hash, Key};
use crate::export::{self, NeedExports};
use crate::format;
use crate::found::{Finder, Outside};
use crate::ordered::{self, Map};
use crate::path::RelPath;
use crate::reason::DirtyReason;
use crate::step::Run;
use crate::tools::Identity;
use std::fmt::Write as _;
use std::iter;

/// A fingerprint.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fingerprint {
    /// The text.
    pub text: String,
    /// The key: the hash of the text.
    pub key: Key,
}

/// Everything that goes into a fingerprint.
#[derive(Clone, Debug)]
pub struct Ingredients<'a> {
    /// The action.
    pub action: &'a Action,
    /// The variables it tracks, with their values.
    pub tracked: &'a Map<String, Option<String>>,
    /// The tools it uses.
    pub tools: &'a [Identity],
    /// What Cargo built for it.
    pub artifacts: &'a [Identity],
    /// What it reads, sorted by path.
    pub inputs: &'a [Input],
    /// What it was found to read outside of the workspace, sorted by path.
    pub outside: &'a [Outside],
    /// What its needs export.
    pub needs: &'a [NeedExports<'a>],
}

/// The fingerprint of these ingredients.
pub fn of(ingredients: &Ingredients<'_>) -> Fingerprint {
    let mut text = format!("granular-fingerprint {}\n", format::FINGERPRINT);
    write_command(&mut text, ingredients.action);
    write_platform(&mut text, ingredients.action);
    write_environment(&mut text, ingredients);
    write_programs(&mut text, "tool", ingredients.tools);
    write_programs(&mut text, "cargo", ingredients.artifacts);
    write_output_patterns(&mut text, ingredients.action);
    for input in ingredients.inputs {
        text.push_str("input");
        canon::quote(&mut text, input.path.as_str());
        input.content.write(&mut text);
        text.push('\n');
    }
    for outside in ingredients.outside {
        text.push_str("outside");
        canon::quote(&mut text, outside.name());
        outside.content.write(&mut text);
        text.push('\n');
    }
    for line in export::lines(ingredients.needs) {
        text.push_str(&line);
        text.push('\n');
    }
    sealed(text)
}

fn sealed(text: String) -> Fingerprint {
    let key = Key(Hash::of(text.as_bytes()));
    Fingerprint { text, key }
}

/// A fingerprint with the lines on tools taken out of it, and those lines: what is known of an action where a tool is missing, and what is
/// not.
pub fn without_tools(fingerprint: &Fingerprint) -> (Fingerprint, Vec<String>) {
    let is_tool = |line: &&str| tool_of(line).is_some();
    let (tools, rest): (Vec<&str>, Vec<&str>) = fingerprint.text.lines().partition(is_tool);
    let rest = rest.iter().flat_map(|line| [line, "\n"]).collect();
    (sealed(rest), tools.into_iter().map(str::to_owned).collect())
}

/// The opposite: the fingerprint that these lines on tools make of one without.
pub fn with_tools(partial: &Fingerprint, tools: &[String]) -> Fingerprint {
    // They stand behind the header, the command, its platform and its environment, and in front of all else.
    let is_before = |line: &str| {
        let tag = line.split(' ').next().unwrap_or_default();
        matches!(
            tag,
            "granular-fingerprint"
                | "run"
                | "shell"
                | "base"
                | "dir"
                | "platform"
                | "set"
                | "track"
        )
    };
    let lines = partial.text.lines();
    let (before, behind): (Vec<&str>, Vec<&str>) = lines.partition(|line| is_before(line));
    let tools = tools.iter().map(String::as_str);
    let all = before.into_iter().chain(tools).chain(behind);
    sealed(all.flat_map(|line| [line, "\n"]).collect())
}

/// The tool that a line of a fingerprint is about, and what that said of its version; `None` for a line about something else.
pub fn tool_of(line: &str) -> Option<(String, Option<String>)> {
    let mut fields = Fields::new(line);
    (fields.word()? == "tool").then_some(())?;
    let name = fields.text()?;
    fields.word()?;
    fields.word()?;
    Some((name, fields.text()))
}

/// The fingerprint of an action that these checked-in files stand in for. Nothing is filed under its key: it says what stands in a checkout.
pub fn of_checked_in(ingredients: &Ingredients<'_>, files: &[Input]) -> Fingerprint {
    let mut text = of(&Ingredients { inputs: &[], needs: &[], ..ingredients.clone() }).text;
    for file in files {
        text.push_str("checked-in");
        canon::quote(&mut text, file.path.as_str());
        file.content.write(&mut text);
        text.push('\n');
    }
    sealed(text)
}

fn write_command(text: &mut String, action: &Action) {
    match &action.run {
        Some(Run::Program(arguments)) => {
            text.push_str("run");
            for argument in arguments {
                text.push(' ');
                text.push_str(&argument.canonical());
            }
            text.push('\n');
        }
        Some(Run::Shell(line)) => {
            text.push_str("shell ");
            text.push_str(&line.canonical());
            text.push('\n');
        }
        None => {}
    }
    for (tag, path) in [("base", &action.base), ("dir", &action.dir)] {
        text.push_str(tag);
        canon::quote(text, path.as_str());
        text.push('\n');
    }
}

fn write_platform(text: &mut String, action: &Action) {
    if !action.any_platform {
        let _ = writeln!(text, "platform {} {}", std::env::consts::OS, std::env::consts::ARCH);
    }
}

fn write_environment(text: &mut String, ingredients: &Ingredients<'_>) {
    for (name, value) in &ingredients.action.env {
        text.push_str("set");
        canon::quote(text, name);
        text.push(' ');
        text.push_str(&value.canonical());
        text.push('\n');
    }
    for (name, value) in ingredients.tracked {
        text.push_str("track");
        canon::quote(text, name);
        match value {
            Some(value) => canon::quote(text, value),
            None => text.push_str(" unset"),
        }
        text.push('\n');
    }
}

fn write_programs(text: &mut String, tag: &str, programs: &[Identity]) {
    let mut lines: Vec<_> = programs.iter().map(|program| program_line(tag, program)).collect();
    ordered::sort(&mut lines);
    lines.dedup();
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
}

fn program_line(tag: &str, tool: &Identity) -> String {
    let mut line = String::from(tag);
    canon::quote(&mut line, &tool.name);
    let _ = write!(line, " {} {}", tool.digest.hash, tool.digest.size);
    if let Some(version) = &tool.version {
        canon::quote(&mut line, version);
    }
    line
}

fn write_output_patterns(text: &mut String, action: &Action) {
    let mut patterns: Vec<_> = action.outputs.iter().map(|pattern| pattern.text()).collect();
    ordered::sort(&mut patterns);
    for pattern in patterns {
        text.push_str("outputs");
        canon::quote(text, pattern);
        text.push('\n');
    }
    let mut depfiles: Vec<_> = action.depfiles.iter().collect();
    ordered::sort(&mut depfiles);
    for path in depfiles {
        text.push_str("depfile");
        canon::quote(text, path.as_str());
        text.push('\n');
    }
    // Whoever does not believe such results any more takes the key out, and no longer gets them.
    if action.incremental {
        text.push_str("incremental\n");
    }
}

/// The paths of the inputs in a fingerprint's text.
pub(crate) fn inputs(text: &str) -> Vec<RelPath> {
    let input = |line: &str| match read_line(line) {
        Some((Subject::Input(path), _)) => RelPath::new(path),
        _ => None,
    };
    text.lines().filter_map(input).collect()
}

/// What is different between two fingerprints' texts, the main reason first; empty if they are the same.
/// A text that is not one of ours is as different as can be: the format changed.
pub fn compare(then: &str, now: &str) -> Vec<DirtyReason> {
    if then == now {
        return Vec::new();
    }
    let (Some(then), Some(now)) = (read(then), read(now)) else {
        return vec![DirtyReason::FormatChanged];
    };
    let changed = now
        .iter()
        .filter(|(subject, rest)| then.get(*subject).is_none_or(|before| before != *rest));
    let mut reasons: Vec<_> = changed
        .map(|(subject, rest)| subject.reason(then.get(subject).copied(), Some(rest)))
        .chain(
            then.iter()
                .filter(|(subject, _)| !now.contains_key(*subject))
                .map(|(subject, rest)| subject.reason(Some(rest), None)),
        )
        .collect();
    ordered::sort(&mut reasons);
    reasons.dedup();
    reasons
}

/// What one line is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Subject {
    Command,
    Directory(&'static str),
    Platform,
    Set(String),
    Track(String),
    Tool(String),
    Artifact(String),
    OutputPattern(String),
    Incremental,
    Input(String),
    /// By name, and how many of that name stand before it.
    Outside(String, usize),
    Export(String),
}

impl Subject {
    /// The reason that this line was one thing `then` and is another `now`.
    fn reason(&self, then: Option<&str>, now: Option<&str>) -> DirtyReason {
        match self {
            Self::Command => DirtyReason::CommandChanged,
            Self::Directory(_) => DirtyReason::DirectoryChanged,
            Self::Platform => DirtyReason::PlatformChanged,
            Self::Set(name) => DirtyReason::EnvChanged(name.clone()),
            Self::Track(name) => DirtyReason::TrackedEnvChanged(name.clone()),
            Self::Tool(tool) => {
                DirtyReason::ToolChanged { tool: tool.clone(), versions: versions(then, now) }
            }
            Self::Artifact(name) => DirtyReason::ToolChanged { tool: name.clone(), versions: None },
            Self::OutputPattern(_) | Self::Incremental => DirtyReason::OutputsDeclared,
            Self::Input(path) => of_input(path, then, now),
            Self::Outside(name, _) => {
                DirtyReason::Found(Finder::Depfile, Box::new(of_input(name, then, now)))
            }
            Self::Export(path) => DirtyReason::NeedChanged { need: None, path: path.clone() },
        }
    }
}

fn of_input(path: &str, then: Option<&str>, now: Option<&str>) -> DirtyReason {
    match (then, now) {
        (None, _) => DirtyReason::InputAdded(path.to_owned()),
        (_, None) => DirtyReason::InputRemoved(path.to_owned()),
        _ => DirtyReason::InputChanged(path.to_owned()),
    }
}

/// What a tool said of its version then and now, if both said something and not the same.
fn versions(then: Option<&str>, now: Option<&str>) -> Option<(String, String)> {
    let version = |rest: Option<&str>| {
        let mut fields = Fields::new(rest?);
        fields.word()?;
        fields.word()?;
        fields.text()
    };
    let (then, now) = (version(then)?, version(now)?);
    let lines = |text: &str| {
        text.lines()
            .map(str::to_owned)
            .chain(iter::repeat(String::new()))
            .take(64)
            .collect::<Vec<_>>()
    };
    // A tool may say much; the first line that differs is the answer.
    lines(&then).into_iter().zip(lines(&now)).find(|(then, now)| then != now)
}

/// The lines of a text by what they are about; `None` if it is not a text of this format.
fn read(text: &str) -> Option<Map<Subject, &str>> {
    let mut lines = text.lines();
    let mut header = Fields::new(lines.next()?);
    if header.word()? != "granular-fingerprint" || header.number::<u32>()? != format::FINGERPRINT {
        return None;
    }
    let mut outside: Map<String, usize> = Map::new();
    let read = |line| {
        let (mut subject, rest) = read_line(line)?;
        if let Subject::Outside(name, before) = &mut subject {
            let count = outside.get_or_insert_with(name.clone(), usize::default);
            *before = *count;
            *count += 1;
        }
        Some((subject, rest))
    };
    lines.map(read).collect()
}

fn read_line(line: &str) -> Option<(Subject, &str)> {
    let mut fields = Fields::new(line);
    let subject = match fields.word()? {
        "run" | "shell" => return Some((Subject::Command, line)),
        "base" => Subject::Directory("base"),
        "dir" => Subject::Directory("dir"),
        "platform" => Subject::Platform,
        "set" => Subject::Set(fields.text()?),
        "track" => Subject::Track(fields.text()?),
        "tool" => Subject::Tool(fields.text()?),
        "cargo" => Subject::Artifact(fields.text()?),
        "outputs" | "depfile" => Subject::OutputPattern(fields.text()?),
        "incremental" => Subject::Incremental,
        "input" | "checked-in" => Subject::Input(fields.text()?),
        "outside" => Subject::Outside(fields.text()?, 0),
        "export" => Subject::Export(read_export_path(&mut fields)?),
        _ => return None,
    };
    Some((subject, fields.rest()))
}

/// The path of an export as people know it: in the tree as it stands, elsewhere behind the directory's name.
fn read_export_path(fields: &mut Fields<'_>) -> Option<String> {
    if fields.word().is_some() {
        return fields.text();
    }
    let (root, path) = (fields.text()?, fields.text()?);
    Some(if path.is_empty() { root } else { format!("{root}/{path}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use proptest::prelude::*;

    fn text(lines: &str) -> String {
        format!("granular-fingerprint {}\n{lines}", format::FINGERPRINT)
    }

    fn reasons(then: &str, now: &str) -> Vec<String> {
        compare(&text(then), &text(now)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_kind_of_line_has_its_reason() {
        let cases = [
            ("run \"go\" \"build\"\n", "run \"go\" \"vet\"\n", "its command changed"),
            ("run \"a b\"\n", "shell \"a b\"\n", "its command changed"),
            ("dir \"a\"\n", "dir \"b\"\n", "its directory changed"),
            ("platform linux x86_64\n", "", "the platform changed"),
            (
                "set \"MODE\" \"a\"\n",
                "set \"MODE\" \"b\"\n",
                "the variable MODE that it sets changed",
            ),
            ("track \"GOOS\" unset\n", "track \"GOOS\" \"\"\n", "the variable GOOS changed"),
            (
                "tool \"go\" aa 1 \"go1.19\\nlinux\"\n",
                "tool \"go\" bb 1 \"go1.26\\nlinux\"\n",
                "go changed from go1.19 to go1.26",
            ),
            ("tool \"sh\" aa 1\n", "tool \"sh\" bb 1\n", "the program sh changed"),
            ("cargo \"server\" aa 1\n", "cargo \"server\" bb 1\n", "the program server changed"),
            ("outputs \"a\"\n", "outputs \"b\"\n", "its declared outputs changed"),
            ("depfile \"a.d\"\n", "", "its declared outputs changed"),
            ("", "incremental\n", "its declared outputs changed"),
            (
                "outside \"x.h\" file aa 1\noutside \"x.h\" file bb 1\n",
                "outside \"x.h\" file aa 1\noutside \"x.h\" file cc 1\n",
                "x.h changed (found by its depfile)",
            ),
            ("input \"a\" file aa 1\n", "input \"a\" exec aa 1\n", "a changed"),
            ("", "input \"a\" file aa 1\n", "a is new"),
            ("input \"a\" file aa 1\n", "", "a is gone"),
            (
                "export tree \"gen/a\" file aa 1\n",
                "export tree \"gen/a\" file bb 1\n",
                "gen/a of a need changed",
            ),
            (
                "",
                "export \"{needs.lib.out}\" \"a\" file aa 1\n",
                "{needs.lib.out}/a of a need changed",
            ),
        ];
        for (then, now, reason) in cases {
            assert_eq!(reasons(then, now), [reason], "{then:?} {now:?}");
        }
    }

    #[test]
    fn lines_on_tools_go_out_and_back_in() {
        let whole = text(
            "run \"go\"\ntrack \"tool \" \"x\"\ntool \"go\" aa 1 \"go1\\nx\"\ntool \"sh\" bb 2\ncargo \"s\" aa 1\noutputs \"tool \"\n\
             depfile \"tool.d\"\nincremental\ninput \"tool x\" file aa 1\noutside \"/x\" file aa 1\nexport tree \"g\" file aa 1\n",
        );
        let whole = sealed(whole);
        let (partial, tools) = without_tools(&whole);
        assert_eq!(tools, ["tool \"go\" aa 1 \"go1\\nx\"", "tool \"sh\" bb 2"]);
        assert_ne!(partial.key, whole.key);
        assert_eq!(with_tools(&partial, &tools), whole);
        assert_eq!(without_tools(&partial), (partial.clone(), Vec::new()));
        assert_eq!(tool_of(&tools[0]), Some(("go".to_owned(), Some("go1\nx".to_owned()))));
    }

    #[test]
    fn equal_texts_have_no_difference_and_a_text_of_another_format_is_all_different() {
        assert_eq!(reasons("dir \"a\"\n", "dir \"a\"\n"), [""; 0]);
        let other = compare("granular-fingerprint 0\ndir \"a\"\n", &text("dir \"a\"\n"));
        assert_eq!(other, [DirtyReason::FormatChanged]);
        assert_eq!(compare("rubbish", &text("")), [DirtyReason::FormatChanged]);
    }

    #[test]
    fn the_command_is_a_better_reason_than_an_input() {
        let found =
            reasons("run \"a\"\ninput \"x\" file aa 1\n", "run \"b\"\ninput \"x\" file bb 1\n");
        assert_eq!(found, ["its command changed", "x changed"]);
    }

    proptest! {
        #[test]
        fn a_damaged_text_is_compared_all_the_same(damage in testing::damage(), other in any::<String>()) {
            let now = text(
                "run \"go\" \"build\"\ndir \"a\"\nplatform linux x86_64\nset \"MODE\" \"a\"\ntrack \"GOOS\" unset\n\
                tool \"go\" aa 1 \"go1.26\\nlinux\"\noutputs \"a\"\ninput \"a\" file aa 1\n\
                export tree \"gen/a\" file aa 1\nexport \"{needs.lib.out}\" \"a\" link \"b\"\n",
            );
            let damaged = String::from_utf8_lossy(&testing::damaged(now.as_bytes(), &damage)).into_owned();
            for then in [damaged, other] {
                let reasons = compare(&then, &now);
                // Only an order of lines that is not ours, or a line that is there twice, makes no difference.
                let same_lines = read(&then) == read(&now);
                prop_assert_eq!(reasons.is_empty(), then == now || same_lines, "{:?}", reasons);
                compare(&now, &then);
            }
        }
    }
}
