//! What tools said of their version, kept from build to build, so that a build in which nothing changed asks nobody. Knows no rows.
//!
//! An answer is filed under the hash of everything that it depends on: the question, and the stat of each file that the tool's row says
//! the answer depends on besides (see [`super::Beside`]). By the rule of the stat index, nothing is filed while one of these files is so young that a
//! later change might not show in its stat.
//!
//! # The file
//!
//! `tools-v1` in the state of the checkout, lines of [`crate::canon`]: a header `granular-tools 1`, `answer HASH "TEXT"`, and at last `hash` with the
//! hash of all before it. A file that cannot be read is no memory.

use crate::canon::{self, Fields};
use crate::digest::Hash;
use crate::format;
use crate::ordered::{Map, Set};
use crate::own_file;
use std::fmt::Write as _;
use std::path::Path;

/// Answers by the hash of what they depend on.
#[derive(Debug, Default)]
pub(super) struct Memory {
    answers: Map<String, String>,
    /// Those that were asked for or filed in this build.
    used: Set<String>,
    is_changed: bool,
}

/// How many answers that nobody asked for are kept: of other branches, other settings.
const MOST_UNUSED: usize = 256;

impl Memory {
    pub(super) fn open(path: &Path) -> Self {
        let text =
            own_file::read(path).ok().flatten().and_then(|bytes| String::from_utf8(bytes).ok());
        let answers = text.and_then(|text| parse(&text)).unwrap_or_default();
        Self { answers, ..Self::default() }
    }

    pub(super) fn get(&mut self, key: &Hash) -> Option<String> {
        let key = key.to_string();
        let answer = self.answers.get(&key)?.clone();
        self.used.insert(key);
        Some(answer)
    }

    pub(super) fn file(&mut self, key: &Hash, answer: &str) {
        let key = key.to_string();
        self.used.insert(key.clone());
        self.answers.insert(key, answer.to_owned());
        self.is_changed = true;
    }

    /// Writes it down if anything is new. Trouble costs the next build the time to ask again.
    pub(super) fn save(&mut self, path: &Path) {
        if !std::mem::take(&mut self.is_changed) {
            return;
        }
        let mut unused = 0;
        self.answers.retain(|key, _| {
            unused += usize::from(!self.used.contains(key));
            self.used.contains(key) || unused <= MOST_UNUSED
        });
        let _ = own_file::replace(path, write(&self.answers).as_bytes());
    }
}

fn header() -> String {
    format!("granular-tools {}\n", format::TOOLS)
}

fn write(answers: &Map<String, String>) -> String {
    let mut text = header();
    for (key, answer) in answers {
        let _ = write!(text, "answer {key}");
        canon::quote(&mut text, answer);
        text.push('\n');
    }
    let hash = Hash::of(text.as_bytes());
    let _ = writeln!(text, "hash {hash}");
    text
}

fn parse(text: &str) -> Option<Map<String, String>> {
    let (body, hash) = text.rsplit_once("hash ")?;
    if hash.strip_suffix('\n') != Some(&*Hash::of(body.as_bytes()).to_string()) {
        return None;
    }
    let line = |line: &str| {
        let mut fields = Fields::new(line);
        let ("answer", key) = (fields.word()?, fields.word()?) else { return None };
        Some((key.to_owned(), fields.text()?))
    };
    body.strip_prefix(&header())?.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    use proptest::prelude::*;

    #[test]
    fn answers_survive_their_file_and_those_that_nobody_asks_for_do_not_pile_up() {
        let dir = TempDir::new();
        let path = dir.path().join("tools-v1");
        let key = |n: usize| Hash::of(n.to_string().as_bytes());
        let mut memory = Memory::open(&path);
        for n in 0..1000 {
            memory.file(&key(n), &format!("version {n}\n\"x\""));
        }
        memory.save(&path);
        let mut memory = Memory::open(&path);
        assert_eq!(memory.get(&key(7)).unwrap(), "version 7\n\"x\"");
        assert_eq!(memory.get(&key(1000)), None);
        memory.file(&key(1000), "new");
        memory.save(&path);
        let memory = Memory::open(&path);
        assert_eq!(memory.answers.len(), MOST_UNUSED + 2);
        assert!(memory.answers.contains_key(&key(7).to_string()));
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_no_memory(at in any::<prop::sample::Index>(), bit in 0..8_u32, cut in any::<prop::sample::Index>(), noise in any::<Vec<u8>>()) {
            let dir = TempDir::new();
            let path = dir.path().join("tools-v1");
            let mut memory = Memory::default();
            memory.file(&Hash::of(b"a"), "1.2.3");
            memory.save(&path);
            let good = std::fs::read(&path).unwrap();
            let mut flipped = good.clone();
            flipped[at.index(good.len())] ^= 1 << bit;
            let cut_off = good[..cut.index(good.len())].to_vec();
            for bytes in [flipped, cut_off, noise] {
                std::fs::write(&path, &bytes).unwrap();
                prop_assert_eq!(Memory::open(&path).get(&Hash::of(b"a")), None);
            }
        }
    }
}
