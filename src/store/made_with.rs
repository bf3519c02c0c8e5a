//! With which tools results were made: the way to a result where a tool is missing, and with it the key. A text, knowing no files.
//!
//! # The text
//!
//! Lines of [`crate::canon`]: the header `granular-made-with 1`, `for KEY` with the key of a fingerprint without its tools (and without what dependency files named), for each result
//! `made KEY` followed by the lines on tools of its fingerprint, the newest first, and last `end HASH` with the hash of all before it.
//! What is said here is never believed: whoever asks makes the fingerprint from it and sees whether it has the key.

use crate::digest::{Hash, Key};
use crate::fingerprint;
use crate::format;
use std::fmt::Write as _;

/// One result, and the tools that it was made with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MadeWith {
    /// The key of the result.
    pub key: Key,
    /// The lines on tools of its fingerprint.
    pub tools: Vec<String>,
}

/// How many are remembered for what has one key without its tools.
const MOST: usize = 8;

fn header(without_tools: &Key) -> String {
    format!("granular-made-with {}\nfor {without_tools}\n", format::MADE_WITH)
}

/// `made` as the newest of `known`.
pub fn with_newest(mut known: Vec<MadeWith>, made: &MadeWith) -> Vec<MadeWith> {
    known.retain(|other| other.key != made.key);
    known.insert(0, made.clone());
    known.truncate(MOST);
    known
}

/// The text of all that is known of what has the key `without_tools` without its tools, the newest first.
pub fn to_text(without_tools: &Key, all: &[MadeWith]) -> String {
    let mut text = header(without_tools);
    for made in all {
        let _ = writeln!(text, "made {}", made.key);
        made.tools.iter().for_each(|line| text.extend([line, "\n"]));
    }
    let hash = Hash::of(text.as_bytes());
    let _ = writeln!(text, "end {hash}");
    text
}

/// `None` where the text is not one of ours, or one on something else.
pub fn from_text(without_tools: &Key, text: &str) -> Option<Vec<MadeWith>> {
    let (body, end) = text.strip_suffix('\n')?.rsplit_once("end ")?;
    if Hash::parse(end)? != Hash::of(body.as_bytes()) {
        return None;
    }
    let mut all: Vec<MadeWith> = Vec::new();
    for line in body.strip_prefix(&header(without_tools))?.lines() {
        match line.strip_prefix("made ") {
            Some(key) => {
                all.push(MadeWith { key: Key(Hash::parse(key)?), tools: Vec::new() });
            }
            None => {
                fingerprint::tool_of(line)?;
                all.last_mut()?.tools.push(line.to_owned());
            }
        }
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(name: &str) -> MadeWith {
        let tools = vec![format!("tool {name:?} {} 3 \"one\\ntwo\"", Hash::of(b"x"))];
        MadeWith { key: Key(Hash::of(name.as_bytes())), tools }
    }

    #[test]
    fn what_was_made_last_stands_first_and_few_are_remembered() {
        let names: Vec<String> = (0..20).map(|number| number.to_string()).collect();
        let all = names.iter().fold(Vec::new(), |all, name| with_newest(all, &made(name)));
        assert_eq!((all.len(), &all[0]), (MOST, &made("19")));
        let again = with_newest(all.clone(), &made("15"));
        assert_eq!((again.len(), &again[0], &again[1]), (MOST, &made("15"), &made("19")));
    }

    #[test]
    fn it_reads_back_for_its_own_key_only_and_whole_only() {
        let (key, other) = (Key(Hash::of(b"a")), Key(Hash::of(b"b")));
        let all = vec![made("go"), made("protoc")];
        let text = to_text(&key, &all);
        assert_eq!(from_text(&key, &text), Some(all));
        assert_eq!(from_text(&other, &text), None);
        for length in 0..text.len() {
            assert_eq!(from_text(&key, &text[..length]), None, "{length}");
        }
        let body = text[..text.rfind("end ").unwrap()].to_owned() + "input \"x\"\n";
        assert_eq!(from_text(&key, &format!("{body}end {}\n", Hash::of(body.as_bytes()))), None);
    }
}
