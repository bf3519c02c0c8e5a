//! Sets of files that a run was found to read, beside those that were declared; and their form in a store. Knows no file system.
//!
//! ```text
//! granular-found 1
//! key HASH
//! set
//! file "include/point.h"
//! outside "/usr/include/stdio.h"
//! end HASH
//! ```
//!
//! They are filed under the *static key*: that of everything that is declared. One set for each `set` line, the latest first; the hash at the end is
//! that of all bytes before its line. There is one text only for the same sets: whatever would not be written again byte for byte is damaged.
//! A set holds paths and no contents: what the files hold now gives the full key, so that a set can lead to a miss but never to a wrong result.

use crate::canon::{self, Fields};
use crate::content::Content;
use crate::digest::{Hash, Key};
use crate::format;
use crate::ordered;
use crate::path::RelPath;
use std::fmt;
use std::fmt::Write as _;
use std::path::Path;

/// The format of [`to_text`]; no other one is read.
pub const VERSION: u32 = format::FOUND;

const TAG: &str = "granular-found";

/// More sets than these are not kept for one static key: the oldest goes.
pub const MOST_SETS: usize = 16;

/// Who finds inputs that are not declared.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Finder {
    /// `go list`, before a run.
    GoList,
    /// The dependency file that a run leaves.
    Depfile,
}

/// What one run read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FoundSet {
    /// Below the workspace root; sorted, each once.
    pub files: Vec<RelPath>,
    /// Absolute paths of files that lie elsewhere; sorted, each once.
    pub outside: Vec<String>,
}

/// A file outside of the workspace that a step was found to read. Its path decides its place among the others and is not part of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outside {
    /// Absolute.
    pub path: String,
    /// What stands there.
    pub content: Content,
}

/// What a finder found, for people's eyes.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg(feature = "program")]
pub struct Discovery {
    /// Who found it.
    pub finder: Finder,
    /// Paths from the workspace root, and absolute ones; sorted.
    pub paths: Vec<String>,
}

impl Finder {
    /// Its word in records.
    pub fn word(self) -> &'static str {
        match self {
            Self::GoList => "go-list",
            Self::Depfile => "depfile",
        }
    }

    /// The finder with that word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::GoList, Self::Depfile].into_iter().find(|finder| finder.word() == word)
    }
}

impl fmt::Display for Finder {
    /// As in "found by go list".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GoList => "go list",
            Self::Depfile => "its depfile",
        })
    }
}

impl Outside {
    /// Its name, without the directories that differ from machine to machine.
    pub fn name(&self) -> &str {
        Path::new(&self.path).file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }
}

impl FoundSet {
    /// The set of these paths, in any order.
    pub fn new(mut files: Vec<RelPath>, mut outside: Vec<String>) -> Self {
        ordered::sort(&mut files);
        files.dedup();
        ordered::sort(&mut outside);
        outside.dedup();
        Self { files, outside }
    }

    /// Appends its lines, `file "…"` and `outside "…"`.
    pub fn write(&self, text: &mut String) {
        for (tag, path) in self.lines() {
            text.push_str(tag);
            canon::quote(text, path);
            text.push('\n');
        }
    }

    fn lines(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let files = self.files.iter().map(|path| ("file", path.as_str()));
        files.chain(self.outside.iter().map(|path| ("outside", path.as_str())))
    }

    /// Takes in what stands behind the tag of such a line; `None` for anything else.
    pub fn read(&mut self, tag: &str, fields: &mut Fields<'_>) -> Option<()> {
        let path = fields.text()?;
        match tag {
            "file" => self.files.push(RelPath::new(path).filter(|path| !path.is_root())?),
            "outside" => {
                let fits = Path::new(&path).is_absolute() && !path.contains('\0');
                self.outside.push(fits.then_some(path)?);
            }
            _ => return None,
        }
        fields.is_done().then_some(())
    }

    fn is_sorted(&self) -> bool {
        self.files.is_sorted_by(|a, b| a < b) && self.outside.is_sorted_by(|a, b| a < b)
    }
}

/// `sets` with `set` in front, as a store keeps them: each once, and no more than [`MOST_SETS`].
pub fn with(sets: Vec<FoundSet>, set: &FoundSet) -> Vec<FoundSet> {
    let others = sets.into_iter().filter(|other| other != set);
    std::iter::once(set.clone()).chain(others).take(MOST_SETS).collect()
}

/// The text of `sets`, filed under the static key `key`.
pub fn to_text(key: &Key, sets: &[FoundSet]) -> String {
    let mut text = format!("{TAG} {VERSION}\nkey {key}\n");
    for set in sets {
        text.push_str("set\n");
        set.write(&mut text);
    }
    sealed(text)
}

/// Reads a text that [`to_text`] wrote for `key`; the reason why not if it is damaged, of another version or for another key.
pub fn from_text(key: &Key, text: &[u8]) -> Result<Vec<FoundSet>, String> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not UTF-8")?;
    let mut lines =
        unsealed(text).ok_or("its bytes do not have the hash that it ends with")?.lines();
    if lines.next() != Some(&*format!("{TAG} {VERSION}")) {
        return Err("it does not begin as sets of files do".to_owned());
    }
    if lines.next() != Some(&*format!("key {key}")) {
        return Err("it was filed for another key".to_owned());
    }
    let mut sets: Vec<FoundSet> = Vec::new();
    for line in lines {
        let mut fields = Fields::new(line);
        let read = match (fields.word(), sets.last_mut()) {
            (Some("set"), _) => {
                sets.push(FoundSet::default());
                Some(())
            }
            (Some(tag), Some(set)) => set.read(tag, &mut fields),
            _ => None,
        };
        read.ok_or("it has a line that is none of a set of files")?;
    }
    let is_good = sets.len() <= MOST_SETS && sets.iter().all(FoundSet::is_sorted);
    match is_good && to_text(key, &sets) == text {
        true => Ok(sets),
        false => Err("it is not written as sets of files are".to_owned()),
    }
}

/// `body` with the hash of it as the last line.
pub(crate) fn sealed(mut body: String) -> String {
    let hash = Hash::of(body.as_bytes());
    let _ = writeln!(body, "end {hash}");
    body
}

/// What stands before the last line, if that line has the hash of it.
pub(crate) fn unsealed(text: &str) -> Option<&str> {
    let before_newline = text.strip_suffix('\n')?;
    let (body, end) = text.split_at(before_newline.rfind('\n')? + 1);
    let hash = Hash::parse(end.strip_prefix("end ")?.strip_suffix('\n')?)?;
    (Hash::of(body.as_bytes()) == hash).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> Key {
        Key(Hash::of(b"static"))
    }

    fn set(files: &[&str], outside: &[&str]) -> FoundSet {
        let files = files.iter().map(|path| RelPath::new(*path).unwrap()).collect();
        FoundSet::new(files, outside.iter().map(|path| (*path).to_owned()).collect())
    }

    #[test]
    fn sets_are_a_text_that_a_person_can_read() {
        let sets = [set(&["b.h", "a \"x\".h", "b.h"], &["/usr/include/stdio.h"]), set(&[], &[])];
        insta::assert_snapshot!(to_text(&key(), &sets), @r#"
        granular-found 1
        key ebfb8cba8bc22cf80c2145de1602ebe9d92f26c95ef82ca2b2b96094aae7acbb
        set
        file "a \"x\".h"
        file "b.h"
        outside "/usr/include/stdio.h"
        set
        end 455a1a062021b03be0b9ca50c14819f5165faf97bbf834a49ac0cb55960a212e
        "#);
    }

    #[test]
    fn the_latest_set_comes_first_and_the_oldest_goes() {
        let name = |number: usize| format!("{number}.h");
        let all = (0..20).fold(Vec::new(), |sets, number| with(sets, &set(&[&name(number)], &[])));
        assert_eq!((all.len(), all[0].files[0].as_str()), (MOST_SETS, "19.h"));
        let again = with(all, &set(&["10.h"], &[]));
        assert_eq!((again.len(), again[0].files[0].as_str()), (MOST_SETS, "10.h"));
        assert_eq!(again.iter().filter(|other| other.files[0].as_str() == "10.h").count(), 1);
    }

    #[test]
    fn what_is_no_such_text_is_refused_even_with_the_right_hash() {
        let head = format!("granular-found 1\nkey {}\n", key());
        for body in [
            String::new(),
            "granular-found 2\n".to_owned(),
            format!("granular-found 1\nkey {}\n", Hash::of(b"other")),
            format!("{head}file \"a\"\n"),
            format!("{head}set\nfile \"../a\"\n"),
            format!("{head}set\nfile \"/a\"\n"),
            format!("{head}set\nfile \"\"\n"),
            format!("{head}set\nfile \"a\" more\n"),
            format!("{head}set\nfile \"b\"\nfile \"a\"\n"),
            format!("{head}set\nfile \"a\"\nfile \"a\"\n"),
            format!("{head}set\noutside \"a\"\n"),
            format!("{head}set\noutside \"/a\"\nfile \"a\"\n"),
            format!("{head}set more\n"),
            format!("{head}{}", "set\n".repeat(MOST_SETS + 1)),
        ] {
            assert!(from_text(&key(), sealed(body.clone()).as_bytes()).is_err(), "{body}");
        }
        assert!(from_text(&key(), sealed(format!("{head}set\nfile \"a\"\n")).as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn sets_read_back(sets in proptest::collection::vec((
            proptest::collection::vec("[^/\0]{1,8}", 0..4), proptest::collection::vec("/[^\0]{0,8}", 0..4)), 0..4)) {
            let fits = |name: &String| name != "." && name != "..";
            let sets: Vec<_> = sets.into_iter().map(|(files, outside)| {
                let files = files.into_iter().filter(fits).map(|name| RelPath::new(name).unwrap()).collect();
                FoundSet::new(files, outside)
            }).collect();
            prop_assert_eq!(from_text(&key(), to_text(&key(), &sets).as_bytes()), Ok(sets));
        }

        #[test]
        fn damaged_bytes_are_never_sets(at in 0.0..1.0_f64, flip in 1..=255_u8, keep in 0.0..1.0_f64) {
            let mut bytes = to_text(&key(), &[set(&["a.h", "b.h"], &["/usr/include/stdio.h"])]).into_bytes();
            let cut = (bytes.len() as f64 * keep) as usize;
            prop_assert!(from_text(&key(), &bytes[..cut]).is_err());
            let at = (bytes.len() as f64 * at) as usize;
            bytes[at] ^= flip;
            prop_assert!(from_text(&key(), &bytes).is_err());
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = from_text(&key(), &bytes);
            let text = format!("granular-found 1\nkey {}\nset\n{}\n", key(), String::from_utf8_lossy(&bytes));
            let _ = from_text(&key(), sealed(text).as_bytes());
        }
    }
}
