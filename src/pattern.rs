//! Patterns of inputs and outputs: what they match, as text against text. Knows no file system.
//!
//! `*`, `?` and `[…]` stay within one component, `**` stands for any number of them, `{a,b}` is short for two patterns.
//! What has no wildcard names one file, or one directory with everything below it.

use crate::path::{Base, OutputPath, RelPath};

pub(crate) mod glob;

use glob::{Dialect, Fault, Name, Segment};

/// The input patterns of one action, compiled. The last pattern that matches a path decides.
#[derive(Clone, Debug)]
pub struct InputPatterns {
    texts: Vec<String>,
    patterns: Vec<InputPattern>,
}

/// One input pattern.
#[derive(Clone, Debug)]
pub(crate) struct InputPattern {
    /// Whether it takes out what it matches (`!`).
    pub(crate) negative: bool,
    /// One for each way to choose from its `{a,b}`.
    pub(crate) sequences: Vec<Sequence>,
}

/// One output pattern of an action, compiled.
#[derive(Clone, Debug)]
pub struct OutputPattern {
    text: String,
    literal: OutputPath,
    sequences: Vec<Sequence>,
}

/// A pattern without alternatives.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    /// All components, from the root down.
    pub(crate) segments: Vec<Segment>,
    /// The path down to the first wildcard.
    pub(crate) prefix: RelPath,
    /// Whether there is no wildcard at all.
    pub(crate) literal: bool,
    /// Whether it takes in everything below what it matches.
    pub(crate) below: bool,
    /// Whether it can match something that is not a directory. Not so for `dir/`.
    pub(crate) itself: bool,
}

/// What is wrong with the text of a pattern: a sentence without a full stop.
pub type PatternMistake = String;

/// How many patterns one may stand for once its `{a,b}` are expanded.
const MOST_ALTERNATIVES: usize = 256;

impl InputPatterns {
    /// `texts` relative to `base`, or to the workspace root with `/` in front; `!` in front takes out.
    /// The mistakes come with the index of the text they are in.
    pub fn new(base: &RelPath, texts: &[String]) -> Result<Self, Vec<(usize, PatternMistake)>> {
        let mut patterns = Vec::new();
        let mut mistakes = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match InputPattern::new(base, text) {
                Ok(pattern) => patterns.push(pattern),
                Err(mistake) => mistakes.push((index, mistake)),
            }
        }
        if mistakes.is_empty()
            && !patterns.is_empty()
            && patterns.iter().all(|pattern| pattern.negative)
        {
            mistakes.push((
                0,
                "every pattern of this list takes out, so nothing is left to read: put `**` in front"
                    .to_owned(),
            ));
        }
        if mistakes.is_empty() {
            Ok(Self { texts: texts.to_vec(), patterns })
        } else {
            Err(mistakes)
        }
    }

    /// No file.
    pub fn nothing() -> Self {
        Self { texts: Vec::new(), patterns: Vec::new() }
    }

    /// Every file below `base`, as the pattern `**` says it.
    pub fn everything(base: &RelPath) -> Self {
        let mut segments = exact_segments(base);
        segments.push(Segment::Tree);
        glob::normalize(&mut segments);
        let sequence =
            Sequence { segments, prefix: base.clone(), literal: false, below: false, itself: true };
        Self {
            texts: vec!["**".to_owned()],
            patterns: vec![InputPattern { negative: false, sequences: vec![sequence] }],
        }
    }

    /// The texts as they were declared; the place of a text is the index of its pattern.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// Where the patterns that take in lead: the index of the pattern, its path down to the first wildcard, and whether
    /// that is all of it. A pattern with `{a,b}` comes once for each alternative.
    pub fn positive_roots(&self) -> impl Iterator<Item = (usize, &RelPath, bool)> {
        self.patterns.iter().enumerate().filter(|(_, pattern)| !pattern.negative).flat_map(
            |(index, pattern)| {
                pattern
                    .sequences
                    .iter()
                    .map(move |sequence| (index, &sequence.prefix, sequence.literal))
            },
        )
    }

    /// Whether the last pattern that matches `path` takes it in. By the text alone: what is ignored or hidden does not count.
    pub fn matches(&self, path: &RelPath) -> bool {
        let deciding = self.patterns.iter().rev().find(|pattern| pattern.matches(path));
        deciding.is_some_and(|pattern| !pattern.negative)
    }

    /// Whether the pattern at `index` could match something that `output` owns, whatever the other patterns say.
    pub fn can_reach(&self, index: usize, output: &OutputPattern) -> bool {
        let Some(pattern) = self.patterns.get(index) else { return false };
        output.literal.base == Base::Tree
            && pattern
                .sequences
                .iter()
                .any(|sequence| output.sequences.iter().any(|owner| sequence.overlaps(owner)))
    }

    pub(crate) fn patterns(&self) -> &[InputPattern] {
        &self.patterns
    }
}

impl InputPattern {
    fn new(base: &RelPath, text: &str) -> Result<Self, PatternMistake> {
        let (negative, body) = match text.strip_prefix('!') {
            Some("") => return Err("`!` has no pattern behind it".to_owned()),
            Some(body) => (true, body),
            None => (false, text),
        };
        check_text(body)?;
        if body.starts_with("{out}") {
            return Err(
                "`{out}` is where this step writes, so it cannot read from there".to_owned()
            );
        }
        let sequences = expand(body)?
            .iter()
            .map(|text| input_sequence(base, text))
            .collect::<Result<_, _>>()?;
        Ok(Self { negative, sequences })
    }

    fn matches(&self, path: &RelPath) -> bool {
        self.sequences.iter().any(|sequence| sequence.matches(path))
    }
}

fn input_sequence(base: &RelPath, text: &str) -> Result<Sequence, PatternMistake> {
    let (base, text) = rooted(base, text);
    let mut sequence = Sequence::parse(&base, text, leaves_workspace)?;
    sequence.below = sequence.literal;
    if text.ends_with('/') {
        sequence.itself = !sequence.literal;
        if !sequence.literal {
            sequence.segments.push(Segment::Tree);
        }
    }
    glob::normalize(&mut sequence.segments);
    Ok(sequence)
}

impl OutputPattern {
    /// `text` relative to `base`, to the workspace root with `/` in front, or to the output directory with `{out}` in front.
    pub fn new(base: &RelPath, text: &str) -> Result<Self, PatternMistake> {
        check_text(text)?;
        match text.strip_prefix("{out}") {
            Some("") => Self::in_out(text, ""),
            Some(rest) => match rest.strip_prefix('/') {
                Some(rest) => Self::in_out(text, rest),
                None => Err("what follows `{out}` has to begin with `/`".to_owned()),
            },
            None => Self::in_tree(base, text),
        }
    }

    fn in_out(text: &str, rest: &str) -> Result<Self, PatternMistake> {
        let leaves: fn() -> String = || "this path leaves `{out}`".to_owned();
        Ok(Self::owning(Base::Out, text, output_sequences(&RelPath::root(), rest, leaves)?))
    }

    fn in_tree(base: &RelPath, text: &str) -> Result<Self, PatternMistake> {
        if text.starts_with('!') {
            return Err("`!` takes out inputs; an output cannot be taken out (write `\\!` for a name that begins so)".to_owned());
        }
        let (from, body) = rooted(base, text);
        let pattern =
            Self::owning(Base::Tree, text, output_sequences(&from, body, leaves_workspace)?);
        let first = body.split('/').find(|part| !matches!(*part, "" | "." | ".."));
        if first.is_some_and(has_wildcard) {
            let why =
                "an output has to begin with the name of a file or directory, without a wildcard";
            return Err(format!("{why}; only behind `{{out}}/` it need not"));
        }
        if pattern.owns_tree(&RelPath::root()) {
            return Err("the whole workspace cannot be an output".to_owned());
        }
        if pattern.owns_tree(base) {
            return Err(
                "this takes in the directory that the step is declared in, and everything in it"
                    .to_owned(),
            );
        }
        Ok(pattern)
    }

    fn owning(base: Base, text: &str, sequences: Vec<Sequence>) -> Self {
        let path = common_prefix(&sequences);
        Self { text: text.to_owned(), literal: OutputPath { base, path }, sequences }
    }

    /// The root and the path down to the first wildcard: everything that the pattern matches is this path or lies below it.
    pub fn literal(&self) -> &OutputPath {
        &self.literal
    }

    /// Whether it has no wildcard: [`OutputPattern::literal`] is then all of it.
    pub fn is_literal(&self) -> bool {
        matches!(self.sequences.as_slice(), [only] if only.literal)
    }

    /// Whether it owns `path`: matches it, or one of the directories above it.
    pub fn owns(&self, path: &OutputPath) -> bool {
        self.literal.base == path.base && self.owns_tree(&path.path)
    }

    fn owns_tree(&self, path: &RelPath) -> bool {
        self.sequences.iter().any(|sequence| sequence.matches(path))
    }

    /// Whether some path could be owned by both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.literal.base == other.literal.base
            && self
                .sequences
                .iter()
                .any(|one| other.sequences.iter().any(|other| one.overlaps(other)))
    }

    /// The text as it was declared.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn sequences(&self) -> &[Sequence] {
        &self.sequences
    }
}

fn output_sequences(
    base: &RelPath,
    text: &str,
    leaves: fn() -> String,
) -> Result<Vec<Sequence>, PatternMistake> {
    let sequence = |text: &String| {
        let mut sequence = Sequence::parse(base, text, leaves)?;
        sequence.below = true;
        glob::normalize(&mut sequence.segments);
        Ok(sequence)
    };
    expand(text)?.iter().map(sequence).collect()
}

/// Judged before `{a,b}` are expanded: alternatives are no literal root either.
fn has_wildcard(part: &str) -> bool {
    let mut chars = part.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => {
                chars.next();
            }
            '*' | '?' | '[' | '{' => return true,
            _ => {}
        }
    }
    false
}

fn common_prefix(sequences: &[Sequence]) -> RelPath {
    let Some((first, others)) = sequences.split_first() else { return RelPath::root() };
    let mut prefix = first.prefix.clone();
    for sequence in others {
        while !sequence.prefix.is_within(&prefix) {
            let Some(parent) = prefix.parent() else { break };
            prefix = parent;
        }
    }
    prefix
}

impl Sequence {
    /// Resolves the components of `text` against `base`; `leaves` says what is wrong where `..` goes too far.
    fn parse(base: &RelPath, text: &str, leaves: fn() -> String) -> Result<Self, PatternMistake> {
        let mut prefix: Vec<&str> = base.components().collect();
        let parsed = glob::parse(text.as_bytes(), Dialect::Pattern)
            .map_err(|fault| fault_sentence(&fault))?;
        let mut wild: Vec<Segment> = Vec::new();
        for segment in &parsed {
            match exact_text(segment) {
                Some("" | ".") => {}
                Some("..") if !wild.is_empty() => {
                    return Err("`..` stands behind a wildcard".to_owned());
                }
                Some("..") => {
                    prefix.pop().ok_or_else(leaves)?;
                }
                Some(name) if wild.is_empty() => prefix.push(name),
                _ => wild.push(segment.clone()),
            }
        }
        let prefix = RelPath::new(prefix.join("/"))
            .ok_or_else(|| "this cannot be the name of a file".to_owned())?;
        let mut segments = exact_segments(&prefix);
        let literal = wild.is_empty();
        segments.extend(wild);
        Ok(Self { segments, prefix, literal, below: false, itself: true })
    }

    fn matches(&self, path: &RelPath) -> bool {
        if self.literal {
            return path.below(&self.prefix).is_some_and(|rest| self.itself || !rest.is_empty());
        }
        glob::matches(&self.segments, path.as_str().as_bytes(), self.below)
    }

    /// Whether some path could be matched by both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        glob::overlap((&self.segments, self.below), (&other.segments, other.below))
    }
}

/// Later `!` patterns that take out what a pattern and an output have in common.
impl Sequence {
    /// Whether `negatives` leave nothing that this input pattern could read of `output`. What is needed to be sure is that one
    /// of them takes out all of either; what several do together does not count.
    pub(crate) fn is_spared<'a>(
        &self,
        output: &Self,
        negatives: impl Iterator<Item = &'a Self> + Clone,
    ) -> bool {
        let is_out = |segments: &Vec<Segment>| negatives.clone().any(|by| by.takes(segments));
        let has_any = negatives.clone().next().is_some();
        has_any && (self.shared(output).iter().all(is_out) || self.own().iter().all(is_out))
    }

    /// Whether it names something that looks like a file: there is a dot in the name, but not in front.
    pub(crate) fn is_like_a_file(&self) -> bool {
        match self.segments.last() {
            Some(Segment::Name(Name::Exact(name))) => name.iter().skip(1).any(|byte| *byte == b'.'),
            Some(Segment::Name(Name::Ending(end))) => end.contains(&b'.'),
            _ => false,
        }
    }

    /// What the parts of `output` that this pattern can read are like. A plain name without an ending counts as a directory.
    fn shared(&self, output: &Self) -> Vec<Vec<Segment>> {
        let is_file = output.is_like_a_file()
            && glob::overlap((&self.segments, self.below), (&output.segments, false));
        if is_file {
            return vec![output.segments.clone()];
        }
        let last = match self.segments.last() {
            Some(Segment::Name(name)) if !self.below => name.clone(),
            _ => Name::Any,
        };
        let below = [&output.segments[..], &[Segment::Tree, Segment::Name(last)]].concat();
        match output.literal {
            true => vec![below],
            false => vec![below, output.segments.clone()],
        }
    }

    /// What this pattern reads.
    fn own(&self) -> Vec<Vec<Segment>> {
        match self.literal && !self.is_like_a_file() {
            true => vec![self.all_below()],
            false => vec![self.segments.clone()],
        }
    }

    fn takes(&self, segments: &[Segment]) -> bool {
        (self.itself && glob::includes(&self.segments, segments))
            || (self.below && glob::includes(&self.all_below(), segments))
    }

    fn all_below(&self) -> Vec<Segment> {
        [&self.segments[..], &[Segment::Tree, Segment::Name(Name::Any)]].concat()
    }
}

fn exact_segments(path: &RelPath) -> Vec<Segment> {
    path.components().map(|name| Segment::Name(Name::Exact(name.as_bytes().into()))).collect()
}

fn exact_text(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Name(Name::Exact(name)) => std::str::from_utf8(name).ok(),
        _ => None,
    }
}

/// The directory that `text` starts from, and what is left of it.
fn rooted<'a>(base: &RelPath, text: &'a str) -> (RelPath, &'a str) {
    match text.strip_prefix('/') {
        Some(rest) => (RelPath::root(), rest),
        None => (base.clone(), text),
    }
}

/// What can be told before a text is taken apart.
fn check_text(text: &str) -> Result<(), PatternMistake> {
    let drive = matches!(text.as_bytes(), [letter, b':'] | [letter, b':', b'/' | b'\\', ..] if letter.is_ascii_alphabetic());
    if text.is_empty() {
        return Err("this pattern is empty".to_owned());
    }
    if text.contains('\0') {
        return Err("this pattern contains a NUL character".to_owned());
    }
    if drive || text.starts_with("\\\\") {
        let instead = "relative to the package, or to the workspace root with `/` in front";
        return Err(format!("an absolute path cannot be a pattern: they are {instead}"));
    }
    Ok(())
}

/// `path` as a pattern that matches it and nothing else.
pub(crate) fn escaped(path: &str) -> String {
    let special = |char: char| matches!(char, '*' | '?' | '[' | ']' | '{' | '}' | '\\' | '!');
    path.chars().flat_map(|char| special(char).then_some('\\').into_iter().chain([char])).collect()
}

pub(crate) fn leaves_workspace() -> String {
    "this path leaves the workspace".to_owned()
}

fn fault_sentence(fault: &Fault) -> PatternMistake {
    match fault {
        Fault::OpenClass => "this `[` is never closed (write `\\[` for the character)".to_owned(),
        Fault::UnknownClass(name) => format!("there is no class of characters `[:{name}:]`"),
        Fault::BackwardRange(range) => format!("the range `{range}` runs backwards"),
        Fault::EmptyClass => "a `[…]` of this pattern matches no character".to_owned(),
        Fault::LoneBackslash => {
            "a `\\` at the end escapes nothing (components are separated by `/`)".to_owned()
        }
    }
}

/// All texts that a text with `{a,b}` stands for, in order.
fn expand(text: &str) -> Result<Vec<String>, PatternMistake> {
    let mut done = Vec::new();
    let mut waiting = vec![text.to_owned()];
    while let Some(text) = waiting.pop() {
        match first_group(&text)? {
            None => done.push(text),
            Some(group) => {
                let alternatives = group.alternatives.iter().rev();
                waiting.extend(
                    alternatives.map(|inside| format!("{}{inside}{}", group.before, group.behind)),
                );
            }
        }
        if done.len() + waiting.len() > MOST_ALTERNATIVES {
            return Err(format!(
                "this stands for more than {MOST_ALTERNATIVES} patterns once its `{{…}}` are written out"
            ));
        }
    }
    if done.iter().any(String::is_empty) && !text.is_empty() {
        return Err("one of the alternatives is empty".to_owned());
    }
    Ok(done)
}

/// The first `{a,b}` of a text, with the texts around it. An alternative may hold further groups.
struct Group<'a> {
    before: &'a str,
    alternatives: Vec<&'a str>,
    behind: &'a str,
}

fn first_group(text: &str) -> Result<Option<Group<'_>>, PatternMistake> {
    let mut open: Option<usize> = None;
    let mut depth = 0_usize;
    let mut commas = Vec::new();
    for (at, byte) in special_bytes(text) {
        match (byte, open) {
            (b'{', None) => open = Some(at),
            (b'{', Some(_)) => depth += 1,
            (b'}', None) => {
                return Err("this `}` closes nothing (write `\\}` for the character)".to_owned());
            }
            (b'}', Some(start)) if depth == 0 => return group(text, start, &commas, at).map(Some),
            (b'}', Some(_)) => depth -= 1,
            (_, Some(_)) if depth == 0 => commas.push(at),
            _ => {}
        }
    }
    match open {
        Some(_) => Err("this `{` is never closed (write `\\{` for the character)".to_owned()),
        None => Ok(None),
    }
}

fn group<'a>(
    text: &'a str,
    open: usize,
    commas: &[usize],
    close: usize,
) -> Result<Group<'a>, PatternMistake> {
    if commas.is_empty() {
        let group = &text[open..=close];
        return Err(format!(
            "`{group}` is no list of alternatives such as `{{a,b}}` (write `\\{{` for the character)"
        ));
    }
    let mut alternatives = Vec::new();
    let mut start = open + 1;
    for end in commas.iter().copied().chain([close]) {
        alternatives.push(&text[start..end]);
        start = end + 1;
    }
    Ok(Group { before: &text[..open], alternatives, behind: &text[close + 1..] })
}

/// The places of `{`, `}` and `,` that are neither escaped nor in a class.
fn special_bytes(text: &str) -> impl Iterator<Item = (usize, u8)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(byte) = bytes.get(at).copied() {
            let here = at;
            at = match byte {
                b'\\' => at + 2,
                b'[' => glob::class_end(bytes, at).unwrap_or(at + 1),
                _ => at + 1,
            };
            if matches!(byte, b'{' | b'}' | b',') {
                return Some((here, byte));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    fn inputs(base: &str, texts: &[&str]) -> InputPatterns {
        let texts: Vec<String> = texts.iter().map(|text| text.to_string()).collect();
        InputPatterns::new(&path(base), &texts).unwrap()
    }

    fn output(base: &str, text: &str) -> OutputPattern {
        OutputPattern::new(&path(base), text).unwrap()
    }

    fn in_tree(text: &str) -> OutputPath {
        OutputPath { base: Base::Tree, path: path(text) }
    }

    fn takes(base: &str, texts: &[&str], file: &str) -> bool {
        inputs(base, texts).matches(&path(file))
    }

    fn input_mistake(text: &str) -> String {
        let mut mistakes = InputPatterns::new(&path("web/app"), &[text.to_owned()]).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        let (index, mistake) = mistakes.remove(0);
        assert_eq!(index, 0);
        mistake
    }

    #[test]
    fn a_wildcard_stays_within_its_component() {
        assert!(takes("", &["src/*.go"], "src/a.go"));
        assert!(takes("", &["src/*.go"], "src/.go"));
        assert!(!takes("", &["src/*.go"], "src/x/a.go"));
        assert!(takes("", &["src/?[a-c]"], "src/äb"));
        assert!(!takes("", &["src/?"], "src"));
        assert!(takes("", &["*"], ".dotfile"));
        assert!(!takes("", &["src/*"], "src/sub/file"));
    }

    #[test]
    fn two_stars_stand_for_any_number_of_components() {
        for file in ["a.go", "x/a.go", "x/y/a.go"] {
            assert!(takes("", &["**/*.go"], file), "{file}");
        }
        assert!(takes("", &["src/**"], "src/a"));
        assert!(!takes("", &["src/**"], "src"));
        assert!(takes("", &["src/**/**/a"], "src/a"));
        assert!(takes("", &["a/**/b/**/c"], "a/x/b/b/x/c"));
        assert!(!takes("", &["a/**/b/**/c"], "a/x/x/c"));
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let texts = ["**", "!gen/**", "gen/keep.go"];
        assert!(takes("", &texts, "a"));
        assert!(!takes("", &texts, "gen/x.go"));
        assert!(takes("", &texts, "gen/keep.go"));
    }

    #[test]
    fn a_pattern_is_relative_to_its_package_or_to_the_root() {
        assert!(takes("web/app", &["src/*.ts"], "web/app/src/a.ts"));
        assert!(takes("web/app", &["/go.mod"], "go.mod"));
        assert!(takes("web/app", &["../lib/*.ts"], "web/lib/a.ts"));
        assert!(takes("web/app", &["././/src/./a"], "web/app/src/a"));
        assert!(takes("web/app", &["!./a", "b", "//c//d"], "c/d"));
        assert!(takes("web/app", &["../.."], "anything"));
    }

    #[test]
    fn a_path_without_wildcard_means_a_file_or_everything_below_a_directory() {
        assert!(takes("", &["src"], "src"));
        assert!(takes("", &["src"], "src/a/b"));
        assert!(!takes("", &["src"], "srcs"));
        assert!(takes("", &["src/"], "src/a"));
        assert!(!takes("", &["src/"], "src"));
        assert!(takes("", &["s*/"], "src/a/b"));
        assert!(!takes("", &["s*/"], "src"));
        assert!(takes("web", &["."], "web/a"));
        assert!(takes("", &["a\\*b"], "a*b"));
    }

    #[test]
    fn alternatives_are_patterns_of_their_own() {
        for file in ["a.ts", "a.tsx", "b/x.ts", "c.js"] {
            assert!(takes("", &["{a.{ts,tsx},b/*.ts,[c,].js}"], file), "{file}");
        }
        let roots = inputs("web", &["{src,/shared/lib,*.md}", "!x", "gen/*"]);
        let roots: Vec<_> = roots
            .positive_roots()
            .map(|(index, root, literal)| (index, root.as_str(), literal))
            .collect();
        assert_eq!(
            roots,
            [
                (0, "web/src", true),
                (0, "shared/lib", true),
                (0, "web", false),
                (2, "web/gen", false)
            ]
        );
    }

    #[test]
    fn everything_is_everything_below_the_base() {
        let everything = InputPatterns::everything(&path("web"));
        assert!(everything.matches(&path("web/a/b")));
        assert!(!everything.matches(&path("web")));
        assert!(!everything.matches(&path("lib/a")));
        assert!(InputPatterns::everything(&RelPath::root()).matches(&path("a")));
        assert_eq!(everything.texts(), ["**"]);
    }

    #[test]
    fn what_cannot_be_meant_is_a_mistake() {
        let texts = [
            "",
            "!",
            "a\0b",
            "../../../x",
            "!../../..",
            "*/../x",
            "/..",
            "C:/x",
            "C:",
            "\\\\server\\x",
            "[a",
            "a[z-a]",
            "[[:nope:]]",
            "[/]",
            "a{b",
            "a}b",
            "a{b}",
            "{out}/x",
            "{,a}",
            "src\\",
            "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}",
        ];
        let mistakes: Vec<String> =
            texts.iter().map(|text| format!("{text:?}: {}", input_mistake(text))).collect();
        insta::assert_snapshot!(mistakes.join("\n"), @r#"
        "": this pattern is empty
        "!": `!` has no pattern behind it
        "a\0b": this pattern contains a NUL character
        "../../../x": this path leaves the workspace
        "!../../..": this path leaves the workspace
        "*/../x": `..` stands behind a wildcard
        "/..": this path leaves the workspace
        "C:/x": an absolute path cannot be a pattern: they are relative to the package, or to the workspace root with `/` in front
        "C:": an absolute path cannot be a pattern: they are relative to the package, or to the workspace root with `/` in front
        "\\\\server\\x": an absolute path cannot be a pattern: they are relative to the package, or to the workspace root with `/` in front
        "[a": this `[` is never closed (write `\[` for the character)
        "a[z-a]": the range `z-a` runs backwards
        "[[:nope:]]": there is no class of characters `[:nope:]`
        "[/]": a `[…]` of this pattern matches no character
        "a{b": this `{` is never closed (write `\{` for the character)
        "a}b": this `}` closes nothing (write `\}` for the character)
        "a{b}": `{b}` is no list of alternatives such as `{a,b}` (write `\{` for the character)
        "{out}/x": `{out}` is where this step writes, so it cannot read from there
        "{,a}": one of the alternatives is empty
        "src\\": a `\` at the end escapes nothing (components are separated by `/`)
        "{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}": this stands for more than 256 patterns once its `{…}` are written out
        "#);
    }

    #[test]
    fn all_mistakes_of_a_list_are_found() {
        let texts = ["a", "[", "b", "../.."].map(str::to_owned);
        let mistakes = InputPatterns::new(&path("web"), &texts).unwrap_err();
        assert_eq!(mistakes.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [1, 3]);
        let negative =
            InputPatterns::new(&path("web"), &["!a".to_owned(), "!b".to_owned()]).unwrap_err();
        assert_eq!(
            negative,
            [(
                0,
                "every pattern of this list takes out, so nothing is left to read: put `**` in front"
                    .to_owned()
            )]
        );
        assert!(InputPatterns::new(&path("web"), &[]).is_ok());
    }

    #[test]
    fn an_output_lies_in_the_tree_or_in_its_own_directory() {
        for (base, text, literal, is_literal) in [
            ("web", "dist", "web/dist", true),
            ("web", "./dist/", "web/dist", true),
            ("web", "/gen/api", "gen/api", true),
            ("web", "../gen/*.go", "gen", false),
            ("web", "dist/**/*.js", "web/dist", false),
            ("web", "dist/{js/a,js/b}", "web/dist/js", false),
            ("web", "{out}", "{out}", true),
            ("web", "{out}/", "{out}", true),
            ("web", "{out}/bin/*", "{out}/bin", false),
            ("web", "{out}/*", "{out}", false),
        ] {
            let output = output(base, text);
            assert_eq!(
                (output.literal().to_string().as_str(), output.is_literal()),
                (literal, is_literal),
                "{text}"
            );
            assert_eq!(output.text(), text);
        }
    }

    #[test]
    fn an_output_owns_what_it_matches_and_all_below() {
        let gen_go = output("", "gen/*.go");
        assert!(gen_go.owns(&in_tree("gen/a.go")));
        assert!(gen_go.owns(&in_tree("gen/a.go/below")));
        assert!(!gen_go.owns(&in_tree("gen")));
        assert!(!gen_go.owns(&in_tree("gen/a.py")));
        assert!(output("", "gen").owns(&in_tree("gen/x/y")));
        assert!(!output("", "{out}").owns(&in_tree("gen")));
        assert!(output("", "{out}").owns(&OutputPath { base: Base::Out, path: path("a/b") }));
    }

    #[test]
    fn an_output_that_cannot_be_is_a_mistake() {
        let texts = [
            "",
            "!a",
            ".",
            "..",
            "/",
            "/web",
            "../../../x",
            "/web/*",
            "../a*p",
            "*.js",
            "./*.js",
            "{a,b}/c",
            "?/x",
            "{out}x",
            "{out}/../x",
            "C:\\x",
            "a/../..",
            "gen/a[",
            "\0",
        ];
        let mistake = |text: &&str| {
            format!("{text:?}: {}", OutputPattern::new(&path("web/app"), text).unwrap_err())
        };
        insta::assert_snapshot!(texts.iter().map(mistake).collect::<Vec<_>>().join("\n"), @r#"
        "": this pattern is empty
        "!a": `!` takes out inputs; an output cannot be taken out (write `\!` for a name that begins so)
        ".": this takes in the directory that the step is declared in, and everything in it
        "..": this takes in the directory that the step is declared in, and everything in it
        "/": the whole workspace cannot be an output
        "/web": this takes in the directory that the step is declared in, and everything in it
        "../../../x": this path leaves the workspace
        "/web/*": this takes in the directory that the step is declared in, and everything in it
        "../a*p": an output has to begin with the name of a file or directory, without a wildcard; only behind `{out}/` it need not
        "*.js": an output has to begin with the name of a file or directory, without a wildcard; only behind `{out}/` it need not
        "./*.js": an output has to begin with the name of a file or directory, without a wildcard; only behind `{out}/` it need not
        "{a,b}/c": an output has to begin with the name of a file or directory, without a wildcard; only behind `{out}/` it need not
        "?/x": an output has to begin with the name of a file or directory, without a wildcard; only behind `{out}/` it need not
        "{out}x": what follows `{out}` has to begin with `/`
        "{out}/../x": this path leaves `{out}`
        "C:\\x": an absolute path cannot be a pattern: they are relative to the package, or to the workspace root with `/` in front
        "a/../..": this takes in the directory that the step is declared in, and everything in it
        "gen/a[": this `[` is never closed (write `\[` for the character)
        "\0": this pattern contains a NUL character
        "#);
        assert_eq!(
            OutputPattern::new(&RelPath::root(), ".").unwrap_err(),
            "the whole workspace cannot be an output"
        );
    }

    #[test]
    fn outputs_overlap_where_a_path_could_be_owned_by_both() {
        for (one, other, overlap) in [
            ("gen/*.go", "gen/*.py", false),
            ("gen", "gen/x/*.go", true),
            ("gen", "generated", false),
            ("gen/*.go", "gen/api.go/x", true),
            ("gen/**/*.go", "gen/*.py", true), // a.py/b.go
            ("gen/a*", "gen/*b", true),
            ("gen/a?", "gen/ab?", false),
            ("gen/[a-c]", "gen/[!a-c]", false),
            ("gen/{a,b}", "gen/{c,b}", true),
            ("gen/{a,b}", "gen/{c,d}", false),
            ("gen/*/x", "gen/y", true),
            ("gen/**/x", "gen/**/y", true),
            ("{out}", "/out", false),
            ("{out}/a", "{out}/b", false),
            ("{out}", "{out}/b", true),
        ] {
            let (one, other) = (output("", one), output("", other));
            assert_eq!(
                (one.overlaps(&other), other.overlaps(&one)),
                (overlap, overlap),
                "{} and {}",
                one.text(),
                other.text()
            );
        }
    }

    #[test]
    fn an_input_can_reach_an_output_that_it_could_match() {
        let patterns = inputs("", &["src/**", "gen/*.go", "doc/a", "!gen"]);
        let reaches = |text: &str| {
            (0..3).map(|index| patterns.can_reach(index, &output("", text))).collect::<Vec<_>>()
        };
        assert_eq!(reaches("gen"), [false, true, false]);
        assert_eq!(reaches("src/gen/*.py"), [true, false, false]);
        assert_eq!(reaches("doc"), [false, false, true]);
        assert_eq!(reaches("{out}/src"), [false, false, false]);
    }

    /// Pieces of patterns that globset reads as we do. Elsewhere it does not: its `?` is a byte, and its `[!a]` takes a slash.
    fn component() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "a", "b", "ab", "*", "?", "[ab]", "[!/a]", "[a-c]", "\\*", ".", "{a,b*}", "{ab,[b]}",
        ]);
        prop_oneof![
            5 => prop::collection::vec(piece, 1..4).prop_map(|pieces| pieces.concat()),
            1 => Just("**".to_owned()),
        ]
        .prop_filter("a name", |part| part != "." && part != "..")
    }

    fn file() -> impl Strategy<Value = String> {
        let name = prop::sample::select(vec!["a", "b", "c", "ab", "ba", "*", ".a", "abab"]);
        prop::collection::vec(name, 1..5).prop_map(|names| names.join("/"))
    }

    /// Few letters and short names, so that all paths that could tell can be listed.
    fn small_output() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec!["a", "b", "*", "?", "[ab]", "[!b]"]);
        let name = prop::collection::vec(piece, 1..3).prop_map(|pieces| pieces.concat());
        let component = prop_oneof![4 => name.prop_filter("`**` only alone", |name| name != "**"), 1 => Just("**".to_owned())];
        prop::collection::vec(component, 1..4)
            .prop_map(|components| format!("{{out}}/{}", components.join("/")))
    }

    fn small_paths() -> Vec<OutputPath> {
        let names = ["a", "b", "aa", "ab", "ba", "bb"];
        let mut paths = vec![String::new()];
        let mut level = paths.clone();
        for _ in 0..5 {
            level = level
                .iter()
                .flat_map(|above| {
                    names.map(|name| {
                        if above.is_empty() { name.to_owned() } else { format!("{above}/{name}") }
                    })
                })
                .collect();
            paths.extend(level.clone());
        }
        paths
            .into_iter()
            .map(|text| OutputPath { base: Base::Out, path: RelPath::new(text).unwrap() })
            .collect()
    }

    proptest! {
        #[test]
        fn a_pattern_matches_what_globset_says(components in prop::collection::vec(component(), 1..5), file in file()) {
            let text = components.join("/");
            let glob = globset::GlobBuilder::new(&text).literal_separator(true).backslash_escape(true).build();
            let patterns = InputPatterns::new(&RelPath::root(), std::slice::from_ref(&text));
            let (Ok(glob), Ok(patterns)) = (glob, patterns) else { return Ok(()) };
            let globs = glob.compile_matcher();
            // Ours also means everything below a literal.
            let mut above = std::path::Path::new(&file).ancestors().filter(|path| !path.as_os_str().is_empty());
            let by_globset = globs.is_match(&file) || (patterns.positive_roots().any(|(_, _, literal)| literal) && above.any(|path| {
                patterns.positive_roots().any(|(_, root, literal)| literal && root.as_str() == path.to_str().unwrap())
            }));
            prop_assert_eq!(patterns.matches(&path(&file)), by_globset, "{} on {}", text, file);
        }

        #[test]
        fn no_text_makes_a_pattern_panic(text in "[\\\\\\[\\]{},!*?/.a-c:ä\0-]{0,24}", other in any::<String>()) {
            for text in [&text, &other] {
                let patterns = InputPatterns::new(&path("web"), std::slice::from_ref(text));
                if let Ok(patterns) = patterns {
                    patterns.matches(&path("web/a/b"));
                }
                let _ = OutputPattern::new(&path("web"), text);
                let _ = OutputPattern::new(&path("web"), &format!("{{out}}/{text}"));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

        #[test]
        fn an_overlap_is_told_exactly(one in small_output(), other in small_output()) {
            let (one, other) = (output("", &one), output("", &other));
            let witness = small_paths().into_iter().find(|path| one.owns(path) && other.owns(path));
            prop_assert_eq!(one.overlaps(&other), witness.is_some(), "{:?}: {} and {}", witness, one.text(), other.text());
        }

        #[test]
        fn what_includes_a_pattern_matches_all_that_it_does(one in small_output(), other in small_output()) {
            let (one, other) = (output("", &one), output("", &other));
            for (outer, inner) in one.sequences.iter().flat_map(|one| other.sequences.iter().map(move |other| (one, other))) {
                prop_assert!(glob::includes(&outer.segments, &outer.segments));
                let is_more = |path: &OutputPath| {
                    let is_in = |by: &Sequence| glob::matches(&by.segments, path.path.as_str().as_bytes(), false);
                    is_in(inner) && !is_in(outer)
                };
                let witness = small_paths().into_iter().find(is_more);
                prop_assert!(!glob::includes(&outer.segments, &inner.segments) || witness.is_none(), "{:?}", witness);
            }
        }

        #[test]
        fn what_a_pattern_owns_lies_below_its_literal(text in small_output()) {
            let output = output("", &text);
            for path in small_paths().iter().filter(|path| output.owns(path)) {
                prop_assert!(path.path.is_within(&output.literal().path));
            }
        }
    }
}
