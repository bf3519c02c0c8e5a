//! What a run left, and its form in a store: lines of [`crate::canon`], so that a person can read it, with a hash at the end.
//!
//! ```text
//! granular-result 1
//! key HASH
//! output out "api" exec HASH SIZE
//! log HASH SIZE
//! duration-ms 1820
//! made-ms 1790000000000
//! made-in "…"
//! end HASH
//! ```
//!
//! One `output` line for each output; no `log` line if nothing was printed. The hash at the end is that of all bytes before its
//! line. A result has one text only: whatever would not be written again byte for byte is damaged.

use crate::canon::{self, Fields};
use crate::content::{Content, Output};
use crate::digest::{Digest, Hash, Key};
use crate::format;
use crate::ordered;
use std::cmp::Ordering;
use std::fmt::Write as _;
use std::time::Duration;

/// The format of [`ActionResult::to_text`]; no other one is read.
pub const VERSION: u32 = format::RESULT;

const TAG: &str = "granular-result";

/// What a run left.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ActionResult {
    /// Everything that the action's output patterns matched, sorted by path; no two have the same path, and none lies
    /// below another.
    pub outputs: Vec<Output>,
    /// What it printed: standard output and standard error in the order of their arrival. `None` if nothing.
    pub log: Option<Digest>,
    /// How long the run took; kept to the millisecond.
    pub duration: Duration,
    /// When it was made, in milliseconds since 1970, for people's eyes.
    pub made_ms: u64,
    /// The root of the checkout it was made in, for people's eyes.
    pub made_in: String,
}

impl ActionResult {
    /// The text of this result, filed under `key`.
    pub fn to_text(&self, key: &Key) -> String {
        let mut text = format!("{TAG} {VERSION}\nkey {key}\n");
        for output in &self.outputs {
            text.push_str(&output.to_line());
            text.push('\n');
        }
        if let Some(log) = &self.log {
            let _ = writeln!(text, "log {} {}", log.hash, log.size);
        }
        let duration_ms = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX);
        let _ = write!(text, "duration-ms {duration_ms}\nmade-ms {}\nmade-in", self.made_ms);
        canon::quote(&mut text, &self.made_in);
        text.push('\n');
        let hash = Hash::of(text.as_bytes());
        let _ = writeln!(text, "end {hash}");
        text
    }

    /// Reads a text that [`ActionResult::to_text`] wrote for `key`; the reason why not if it is damaged, of another version or for another key.
    /// Needs memory in proportion to the text only, whatever it says.
    pub fn from_text(key: &Key, text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8")?;
        check_version(text)?;
        let (found, result) = parse(checked_body(text)?)?;
        if found != *key {
            return Err(format!("it was filed for the key {found}"));
        }
        check_outputs(&result.outputs)?;
        check_sizes(&result)?;
        match result.to_text(key) == text {
            true => Ok(result),
            false => Err("it is not written as a result is".to_owned()),
        }
    }

    /// The blobs that it names: those of its files and of its log. One that is named twice comes twice.
    pub fn blobs(&self) -> impl Iterator<Item = &Digest> {
        let files = self.outputs.iter().filter_map(|output| match &output.content {
            Content::File { digest, .. } => Some(digest),
            _ => None,
        });
        files.chain(&self.log)
    }
}

/// Checks what holds for the outputs of every result: sorted by path, no path twice, none below another, links without a pointee.
pub(crate) fn check_outputs(outputs: &[Output]) -> Result<(), String> {
    if let Some([_, second]) =
        outputs.array_windows().find(|[first, second]| first.path >= second.path)
    {
        return Err(format!("the output `{}` is out of order or there twice", second.path));
    }
    if let Some(output) = outputs
        .iter()
        .find(|output| matches!(output.content, Content::Link { pointee: Some(_), .. }))
    {
        return Err(format!("the link `{}` has a pointee", output.path));
    }
    let mut nested: Vec<_> = outputs.iter().map(|output| &output.path).collect();
    ordered::sort_by(&mut nested, |first, second| {
        first
            .base
            .cmp(&second.base)
            .then_with(|| by_components(first.path.as_str(), second.path.as_str()))
    });
    match nested
        .array_windows()
        .find(|[upper, lower]| upper.base == lower.base && lower.path.is_within(&upper.path))
    {
        Some([upper, lower]) => {
            Err(format!("the output `{lower}` lies below the output `{upper}`"))
        }
        None => Ok(()),
    }
}

/// Orders paths so that whatever lies below a path comes directly behind it.
fn by_components(first: &str, second: &str) -> Ordering {
    // No path contains NUL, which therefore can stand for the separator and sorts before everything.
    let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
    first.bytes().map(rank).cmp(second.bytes().map(rank))
}

fn check_version(text: &str) -> Result<(), String> {
    let mut fields = Fields::new(text.lines().next().unwrap_or(""));
    match (fields.word(), fields.number::<u32>()) {
        (Some(TAG), Some(VERSION)) => Ok(()),
        (Some(TAG), Some(version)) => {
            Err(format!("it has the format {version}, and only {VERSION} is read"))
        }
        _ => Err("it does not begin as a result does".to_owned()),
    }
}

/// What stands before the last line, if that line has the hash of it.
fn checked_body(text: &str) -> Result<&str, String> {
    let truncated = || "it has no end".to_owned();
    let before_newline = text.strip_suffix('\n').ok_or_else(truncated)?;
    let (body, end) = text.split_at(before_newline.rfind('\n').ok_or_else(truncated)? + 1);
    let hash = end
        .strip_prefix("end ")
        .and_then(|hash| Hash::parse(hash.trim_end_matches('\n')))
        .ok_or_else(truncated)?;
    match Hash::of(body.as_bytes()) == hash {
        true => Ok(body),
        false => Err("its bytes do not have the hash that it ends with".to_owned()),
    }
}

fn parse(body: &str) -> Result<(Key, ActionResult), String> {
    let mut key = None;
    let mut result = ActionResult {
        outputs: Vec::new(),
        log: None,
        duration: Duration::ZERO,
        made_ms: 0,
        made_in: String::new(),
    };
    for line in body.lines().skip(1) {
        parse_line(line, &mut key, &mut result)
            .ok_or_else(|| format!("it has the line `{}`", excerpt(line)))?;
    }
    Ok((key.ok_or("it has no key")?, result))
}

/// Order, repetition and what is left of a line are not looked at here: the text is compared with what would be written.
fn parse_line(line: &str, key: &mut Option<Key>, result: &mut ActionResult) -> Option<()> {
    let mut fields = Fields::new(line);
    match fields.word()? {
        "key" => *key = Some(Key(Hash::parse(fields.word()?)?)),
        "output" => result.outputs.push(Output::read(&mut fields)?),
        "log" => {
            result.log = Some(Digest { hash: Hash::parse(fields.word()?)?, size: fields.number()? })
        }
        "duration-ms" => result.duration = Duration::from_millis(fields.number()?),
        "made-ms" => result.made_ms = fields.number()?,
        "made-in" => result.made_in = fields.text()?,
        _ => return None,
    }
    Some(())
}

fn check_sizes(result: &ActionResult) -> Result<(), String> {
    let total = result.blobs().try_fold(0_u64, |total, digest| total.checked_add(digest.size));
    match total {
        Some(total) if i64::try_from(total).is_ok() => Ok(()),
        _ => Err("its sizes are larger than any file system".to_owned()),
    }
}

/// The beginning of a stranger's text, fit for a message.
fn excerpt(text: &str) -> String {
    text.chars().take(80).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{Base, OutputPath, RelPath};
    use crate::testing;
    use proptest::prelude::*;

    fn key() -> Key {
        Key(Hash::of(b"key"))
    }

    fn output(base: Base, path: &str, content: Content) -> Output {
        Output { path: OutputPath { base, path: RelPath::new(path).unwrap() }, content }
    }

    fn file(path: &str) -> Output {
        output(
            Base::Out,
            path,
            Content::File { digest: Digest::of(path.as_bytes()), executable: false },
        )
    }

    fn link(path: &str, target: &str) -> Output {
        output(Base::Out, path, Content::Link { target: target.to_owned(), pointee: None })
    }

    fn result(outputs: Vec<Output>) -> ActionResult {
        ActionResult {
            outputs,
            log: Some(Digest::of(b"log")),
            duration: Duration::from_millis(1820),
            made_ms: 1_790_000_000_000,
            made_in: "a \"place\"\n".to_owned(),
        }
    }

    /// The text of a body that somebody gave the right hash.
    fn sealed(body: &str) -> String {
        format!("{body}end {}\n", Hash::of(body.as_bytes()))
    }

    fn refusal(text: &str) -> String {
        ActionResult::from_text(&key(), text.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_result_is_a_text_that_a_person_can_read() {
        let outputs = vec![
            output(Base::Tree, "gen/empty", Content::EmptyDirectory),
            output(
                Base::Out,
                "api",
                Content::File { digest: Digest::of(b"api"), executable: true },
            ),
            link("latest", "api"),
        ];
        insta::assert_snapshot!(result(outputs).to_text(&key()), @r#"
        granular-result 1
        key ff8e2bab3b26e0c127002127905539b47eb421de85d554e15f55a446459b52b4
        output tree "gen/empty" empty-directory
        output out "api" exec f5c6cf48cc480351e4f1e6845eb943c9cdff9e1ae6792dca2132186f9186f650 3
        output out "latest" link "api"
        log 9fbf48f8224338b32a7f298140ee6c52b29a22d05b35c9be97e19b614e4726ba 3
        duration-ms 1820
        made-ms 1790000000000
        made-in "a \"place\"\n"
        end f71e0c7bca180f8aa3e5d4738d12b140873b13ec803f6c82d02150a38383d9ff
        "#);
    }

    #[test]
    fn a_result_without_outputs_and_log_reads_back() {
        let result = ActionResult { log: None, ..result(Vec::new()) };
        assert_eq!(ActionResult::from_text(&key(), result.to_text(&key()).as_bytes()), Ok(result));
    }

    #[test]
    fn a_text_for_another_key_is_refused() {
        let text = result(vec![file("a")]).to_text(&Key(Hash::of(b"other")));
        assert!(refusal(&text).starts_with("it was filed for the key "));
    }

    #[test]
    fn another_version_is_refused_by_name() {
        let text = result(Vec::new()).to_text(&key());
        let body =
            text[..text.rfind("end ").unwrap()].replace("granular-result 1", "granular-result 2");
        assert_eq!(refusal(&sealed(&body)), "it has the format 2, and only 1 is read");
    }

    #[test]
    fn every_truncation_is_refused() {
        let text = result(vec![file("a"), file("b")]).to_text(&key());
        for length in 0..text.len() {
            refusal(&text[..length]);
        }
        refusal(&format!("{text}\n"));
    }

    #[test]
    fn a_line_that_is_unknown_or_odd_is_refused_even_with_the_right_hash() {
        let text = result(vec![file("a")]).to_text(&key());
        let body = &text[..text.rfind("end ").unwrap()];
        assert!(ActionResult::from_text(&key(), sealed(body).as_bytes()).is_ok());
        for odd in [
            format!("{body}later 1\n"),
            format!("{body}made-ms 3\n"),
            format!("{body}\n"),
            body.replace("1820", "01820"),
            body.replace("1820", "+1820"),
            body.replace("1820", "1820 "),
            body.replace("made-ms", "made-ms "),
            body.replace('\n', "\r\n"),
            body.replace("output out \"a\"", "output out \"../a\""),
            body.replace("output out \"a\"", "output out \"/a\""),
            body.replace("output out \"a\"", "output out \"\\u{61}\""),
            body.replace("output out", "output abroad"),
        ] {
            assert_ne!(odd, body);
            refusal(&sealed(&odd));
        }
    }

    #[test]
    fn paths_that_cannot_stand_side_by_side_are_refused() {
        let nested = |upper: Output| vec![upper, file("a-b"), file("a/b")];
        for (outputs, why) in [
            (vec![file("b"), file("a")], "the output `{out}/a` is out of order or there twice"),
            (vec![file("a"), file("a")], "the output `{out}/a` is out of order or there twice"),
            (
                vec![file("a"), link("a", "b")],
                "the output `{out}/a` is out of order or there twice",
            ),
            (nested(file("a")), "the output `{out}/a/b` lies below the output `{out}/a`"),
            (nested(link("a", "c")), "the output `{out}/a/b` lies below the output `{out}/a`"),
            (
                nested(output(Base::Out, "a", Content::EmptyDirectory)),
                "the output `{out}/a/b` lies below the output `{out}/a`",
            ),
            (
                vec![output(Base::Out, "", Content::EmptyDirectory), file("a")],
                "the output `{out}/a` lies below the output `{out}`",
            ),
        ] {
            assert_eq!(refusal(&result(outputs).to_text(&key())), why);
        }
        let beside = vec![output(Base::Tree, "a", Content::EmptyDirectory), file("a/b")];
        assert!(ActionResult::from_text(&key(), result(beside).to_text(&key()).as_bytes()).is_ok());
    }

    #[test]
    fn sizes_beyond_any_file_system_are_refused() {
        let huge = |path: &str, size: u64| {
            output(
                Base::Out,
                path,
                Content::File { digest: Digest { hash: Hash::of(b""), size }, executable: false },
            )
        };
        for outputs in [vec![huge("a", 1 << 63)], vec![huge("a", u64::MAX), huge("b", 2)]] {
            assert_eq!(
                refusal(&result(outputs).to_text(&key())),
                "its sizes are larger than any file system"
            );
        }
    }

    #[test]
    fn a_path_of_a_million_components_is_read_in_time() {
        let deep = "a/".repeat(1_000_000) + "a";
        let text = result(vec![file(&deep), file(&(deep.clone() + "/b"))]).to_text(&key());
        assert!(refusal(&text).contains("lies below"));
    }

    fn contents() -> impl Strategy<Value = Content> {
        prop_oneof![
            (any::<[u8; 32]>(), 0..1_u64 << 40, any::<bool>()).prop_map(
                |(hash, size, executable)| Content::File {
                    digest: Digest { hash: Hash::from_bytes(hash), size },
                    executable
                }
            ),
            ".{0,12}".prop_map(|target| Content::Link { target, pointee: None }),
            Just(Content::EmptyDirectory),
        ]
    }

    prop_compose! {
        fn results()(
            outputs in prop::collection::btree_map("[^/\0]{2,9}", (any::<bool>(), contents()), 0..8),
            log in any::<Option<u32>>(),
            duration_ms in any::<u64>(),
            made_ms in any::<u64>(),
            made_in in any::<String>(),
        ) -> ActionResult {
            let paths = outputs.into_iter().filter_map(|(path, (out, content))| {
                let base = if out { Base::Out } else { Base::Tree };
                Some(Output { path: OutputPath { base, path: RelPath::new(path)? }, content })
            });
            let mut outputs: Vec<Output> = paths.collect();
            outputs.sort_by(|first, second| first.path.cmp(&second.path));
            let log = log.map(|log| Digest::of(&log.to_le_bytes()));
            ActionResult { outputs, log, duration: Duration::from_millis(duration_ms), made_ms, made_in }
        }
    }

    proptest! {
        #[test]
        fn a_result_reads_back(result in results()) {
            prop_assert_eq!(ActionResult::from_text(&key(), result.to_text(&key()).as_bytes()), Ok(result));
        }

        #[test]
        fn a_damaged_text_is_never_another_result(
            result in results(),
            damage in testing::damage(),
        ) {
            let text = result.to_text(&key());
            let mutated = testing::damaged(text.as_bytes(), &damage);
            match ActionResult::from_text(&key(), &mutated) {
                Ok(read) => prop_assert!(read == result && mutated == text.as_bytes()),
                Err(_) => prop_assert!(mutated != text.as_bytes()),
            }
        }

        #[test]
        fn a_text_that_is_accepted_is_the_one_that_is_written(
            result in results(),
            damage in testing::damage(),
        ) {
            let text = result.to_text(&key());
            let body = testing::damaged(&text.as_bytes()[..text.rfind("end ").unwrap()], &damage);
            if let Ok(body) = String::from_utf8(body) {
                let sealed = sealed(&body);
                if let Ok(read) = ActionResult::from_text(&key(), sealed.as_bytes()) {
                    prop_assert_eq!(read.to_text(&key()), sealed);
                }
            }
        }
    }
}
