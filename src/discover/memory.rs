//! What a checkout remembers of what was found for one action, and its form on disk: lines of [`crate::canon`] with a hash at the end. What cannot be
//! read back byte for byte is nothing remembered, which costs asking again.

use super::go::Answer;
use crate::canon::{self, Fields};
use crate::digest::Hash;
use crate::format;
use crate::found::{self, Finder, FoundSet};
use crate::path::RelPath;
use std::fmt::Write as _;
use std::path::Path;

const TAG: &str = "granular-remembered";

/// What was found for an action.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Memory {
    /// What `go list` said.
    pub(crate) go: Option<GoMemory>,
    /// What the last good run read by its dependency files, or the result that was restored.
    pub(crate) set: Option<FoundSet>,
}

/// An answer of `go list` that holds as long as the question and the state of the tree are the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct GoMemory {
    /// Of everything that was asked, and of who was asked.
    pub(crate) question: Hash,
    /// Of everything that the answer depends on, see [`Answer::state`].
    pub(crate) state: Hash,
    pub(crate) answer: Answer,
}

impl Memory {
    /// Who found `path`.
    pub(crate) fn finder(&self, path: &str) -> Option<Finder> {
        let listed = self.go.as_ref().is_some_and(|go| go.answer.holds(path));
        let in_set =
            |set: &FoundSet| set.files.binary_search_by(|file| file.as_str().cmp(path)).is_ok();
        match (listed, self.set.as_ref().is_some_and(in_set)) {
            (true, _) => Some(Finder::GoList),
            (_, true) => Some(Finder::Depfile),
            _ => None,
        }
    }

    /// Its text.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("{TAG} {}\n", format::FOUND);
        if let Some(go) = &self.go {
            let _ = writeln!(text, "go {} {}", go.question, go.state);
            for (tag, paths) in lists(&go.answer) {
                for path in paths {
                    line(&mut text, tag, path.as_str());
                }
            }
            go.answer.elsewhere.iter().for_each(|path| line(&mut text, "elsewhere", path));
        }
        if let Some(set) = &self.set {
            text.push_str("set\n");
            set.write(&mut text);
        }
        found::sealed(text)
    }

    /// Reads what [`Memory::to_text`] wrote; `None` for anything else.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let mut lines = found::unsealed(text)?.lines();
        if lines.next()? != format!("{TAG} {}", format::FOUND) {
            return None;
        }
        let mut memory = Self::default();
        for line in lines {
            memory.take(line)?;
        }
        (memory.to_text() == text).then_some(memory)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let mut fields = Fields::new(line);
        let tag = fields.word()?;
        match (tag, &mut self.go, &mut self.set) {
            ("go", go @ None, None) => {
                let (question, state) =
                    (Hash::parse(fields.word()?)?, Hash::parse(fields.word()?)?);
                *go = Some(GoMemory { question, state, answer: Answer::default() });
            }
            ("set", _, set @ None) => *set = Some(FoundSet::default()),
            (tag, _, Some(set)) => return set.read(tag, &mut fields),
            ("elsewhere", Some(go), None) => {
                let path = fields.text()?;
                go.answer.elsewhere.push(Path::new(&path).is_absolute().then_some(path)?);
            }
            (tag, Some(go), None) => {
                let path = RelPath::new(fields.text()?)?;
                list(&mut go.answer, tag)?.push(path);
            }
            _ => return None,
        }
        fields.is_done().then_some(())
    }
}

fn line(text: &mut String, tag: &str, path: &str) {
    text.push_str(tag);
    canon::quote(text, path);
    text.push('\n');
}

fn lists(answer: &Answer) -> [(&'static str, &Vec<RelPath>); 5] {
    [
        ("source", &answer.sources),
        ("data", &answer.data),
        ("consulted", &answer.consulted),
        ("directory", &answer.directories),
        ("tree", &answer.trees),
    ]
}

fn list<'a>(answer: &'a mut Answer, tag: &str) -> Option<&'a mut Vec<RelPath>> {
    Some(match tag {
        "source" => &mut answer.sources,
        "data" => &mut answer.data,
        "consulted" => &mut answer.consulted,
        "directory" => &mut answer.directories,
        "tree" => &mut answer.trees,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn paths(texts: &[&str]) -> Vec<RelPath> {
        texts.iter().map(|text| RelPath::new(*text).unwrap()).collect()
    }

    fn memory() -> Memory {
        let answer = Answer {
            sources: paths(&["api/go.mod", "api/main.go"]),
            data: paths(&["api/static/a b.css"]),
            consulted: paths(&["api/main_windows.go", "go.mod"]),
            directories: paths(&["", "api", "api/static"]),
            trees: paths(&["api/testdata"]),
            elsewhere: vec!["/go.work".to_owned()],
        };
        let (question, state) = (Hash::of(b"question"), Hash::of(b"state"));
        Memory {
            go: Some(GoMemory { question, state, answer }),
            set: Some(FoundSet::new(paths(&["x.h"]), vec!["/usr/include/stdio.h".to_owned()])),
        }
    }

    #[test]
    fn what_is_remembered_is_read_back() {
        let full = memory();
        for memory in [
            full.clone(),
            Memory::default(),
            Memory { go: None, ..full.clone() },
            Memory { set: None, ..full },
        ] {
            assert_eq!(Memory::from_text(&memory.to_text()), Some(memory));
        }
    }

    #[test]
    fn who_found_a_path_is_known() {
        let memory = memory();
        for path in ["api/main.go", "api/static/a b.css", "api/testdata/deep/x"] {
            assert_eq!(memory.finder(path), Some(Finder::GoList), "{path}");
        }
        assert_eq!(memory.finder("x.h"), Some(Finder::Depfile));
        assert_eq!(memory.finder("api/main_windows.go"), None);
        assert_eq!(memory.finder("api/testdata.go"), None);
    }

    proptest! {
        #[test]
        fn damaged_bytes_are_nothing_remembered(at in 0.0..1.0_f64, flip in 1..=255_u8, keep in 0.0..1.0_f64) {
            let text = memory().to_text();
            let cut = (text.len() as f64 * keep) as usize;
            prop_assert_eq!(Memory::from_text(&text[..cut]), None);
            let mut bytes = text.into_bytes();
            let at = (bytes.len() as f64 * at) as usize;
            bytes[at] ^= flip;
            prop_assert_eq!(Memory::from_text(&String::from_utf8_lossy(&bytes)), None);
        }

        #[test]
        fn no_text_makes_the_reader_panic(lines in "[a-z\" \n/.]{0,80}") {
            let _ = Memory::from_text(&lines);
            let _ = Memory::from_text(&found::sealed(format!("granular-remembered 1\nset\n{lines}\n")));
        }
    }
}
