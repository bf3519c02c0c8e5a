//! The history of a checkout: one line for each action that was restored, ran or failed. Builds in which all was fresh leave no line.
//! Its only use is to be looked at: nothing is decided by it.
//!
//! # The file
//!
//! Lines of [`crate::canon`]: `ran BUILD "ACTION" DURATION SAVED`, with `KIND "SUBJECT"` of the main reason behind it;
//! `restored` and `failed` likewise; and `fresh BUILD COUNT SAVED` once a build. BUILD is the time it began, in milliseconds
//! since 1970, the others are milliseconds. A line that cannot be read is passed over. Past 4 MiB the older half goes.

use crate::canon;
use crate::error::{Error, Result};
use crate::own_file;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

/// One line of the history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When its build began, in milliseconds since 1970: entries of one build have the same.
    pub build_ms: u64,
    /// The full name of the action.
    pub action: String,
    /// What happened.
    pub what: What,
    /// How long it took.
    pub duration: Duration,
    /// What it saved.
    pub saved: Duration,
    /// The main reason: its kind and, if there is one, its subject.
    pub reason: Option<(String, Option<String>)>,
    /// How many actions of the same build were fresh, and what they saved: told once a build, by its first entry.
    pub fresh: Option<(u64, Duration)>,
}

/// What happened to an action.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum What {
    /// It was restored.
    Restored,
    /// It ran.
    Ran,
    /// It failed.
    Failed,
}

/// How large the file may grow, in bytes.
const LIMIT: u64 = 4 << 20;

/// All entries that can be read, the oldest first. No file is an empty history.
#[cfg(feature = "program")]
pub fn read(path: &Path) -> Result<Vec<Entry>> {
    let bytes = match own_file::read(path) {
        Ok(bytes) => bytes.unwrap_or_default(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("cannot read the history", path, error)),
    };
    let mut fresh = None;
    let mut entries = Vec::new();
    for line in String::from_utf8_lossy(&bytes).lines() {
        match read_line(line) {
            Some(Line::Fresh(build_ms, count, saved)) => fresh = Some((build_ms, count, saved)),
            Some(Line::Entry(mut entry)) => {
                entry.fresh = fresh
                    .take_if(|(build_ms, ..)| *build_ms == entry.build_ms)
                    .map(|(_, count, saved)| (count, saved));
                entries.push(entry);
            }
            None => {}
        }
    }
    Ok(entries)
}

/// Writes the entries of one build behind the others.
pub fn append(path: &Path, entries: &[Entry]) -> Result<()> {
    let text: String = entries.iter().map(write_entry).collect();
    let write = || -> io::Result<()> {
        own_file::clear_the_way(path)?;
        if fs::metadata(path).is_ok_and(|metadata| metadata.len() > LIMIT) {
            forget_older_half(path)?;
        }
        OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
    };
    write().map_err(|error| Error::io("cannot write the history", path, error))
}

fn forget_older_half(path: &Path) -> io::Result<()> {
    let bytes = own_file::read(path)?.unwrap_or_default();
    let half = bytes.len() / 2;
    let start = bytes[half..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |at| half + at + 1);
    own_file::replace(path, &bytes[start..])
}

#[cfg(feature = "program")]
enum Line {
    Fresh(u64, u64, Duration),
    Entry(Entry),
}

#[cfg(feature = "program")]
fn read_line(line: &str) -> Option<Line> {
    let mut fields = canon::Fields::new(line);
    let tag = fields.word()?;
    let build_ms = fields.number()?;
    if tag == "fresh" {
        return Some(Line::Fresh(
            build_ms,
            fields.number()?,
            Duration::from_millis(fields.number()?),
        ));
    }
    let what =
        [What::Restored, What::Ran, What::Failed].into_iter().find(|what| what.word() == tag)?;
    let action = fields.text()?;
    let (duration, saved) =
        (Duration::from_millis(fields.number()?), Duration::from_millis(fields.number()?));
    let reason = fields.word().map(|kind| (kind.to_owned(), fields.text()));
    Some(Line::Entry(Entry { build_ms, action, what, duration, saved, reason, fresh: None }))
}

fn write_entry(entry: &Entry) -> String {
    let mut text = String::new();
    if let Some((count, saved)) = entry.fresh {
        let _ = writeln!(text, "fresh {} {count} {}", entry.build_ms, saved.as_millis());
    }
    let _ = write!(text, "{} {}", entry.what.word(), entry.build_ms);
    canon::quote(&mut text, &entry.action);
    let _ = write!(text, " {} {}", entry.duration.as_millis(), entry.saved.as_millis());
    if let Some((kind, subject)) = &entry.reason {
        let _ = write!(text, " {kind}");
        subject.iter().for_each(|subject| canon::quote(&mut text, subject));
    }
    text.push('\n');
    text
}

impl What {
    fn word(self) -> &'static str {
        match self {
            Self::Restored => "restored",
            Self::Ran => "ran",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, TempDir};
    use proptest::prelude::*;

    fn entry(action: &str, what: What) -> Entry {
        Entry {
            build_ms: 12,
            action: action.into(),
            what,
            duration: Duration::from_millis(1820),
            saved: Duration::ZERO,
            reason: None,
            fresh: None,
        }
    }

    #[test]
    fn what_was_appended_is_read_and_rubbish_is_passed_over() {
        let dir = TempDir::new();
        let path = dir.path().join("history");
        assert_eq!(read(&path).unwrap(), []);
        let first =
            Entry { fresh: Some((3, Duration::from_millis(40))), ..entry("#api", What::Ran) };
        let second = Entry {
            reason: Some(("input-changed".into(), Some("a b.go".into()))),
            ..entry("#web", What::Failed)
        };
        append(&path, std::slice::from_ref(&first)).unwrap();
        OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"torn \xff line\nran x\n")
            .unwrap();
        append(&path, std::slice::from_ref(&second)).unwrap();
        assert_eq!(read(&path).unwrap(), [first, second]);
    }

    #[test]
    fn the_file_does_not_grow_without_bound() {
        let dir = TempDir::new();
        let path = dir.path().join("history");
        let entries = vec![entry("#a-step-with-some-name", What::Ran); 40_000];
        for _ in 0..4 {
            append(&path, &entries).unwrap();
        }
        assert!(fs::metadata(&path).unwrap().len() < LIMIT + 40_000 * 60);
        assert!(read(&path).unwrap().len() > 40_000);
    }

    proptest! {
        #[test]
        fn a_damaged_line_takes_no_other_with_it(
            damage in testing::damage(),
            line in any::<String>(),
            action in any::<String>(),
            reason in any::<Option<String>>(),
        ) {
            let ours = Entry {
                reason: reason.map(|subject| ("input-changed".to_owned(), Some(subject))),
                fresh: Some((3, Duration::from_millis(u64::MAX))),
                ..entry(&action, What::Ran)
            };
            let text = write_entry(&ours);
            let damaged = testing::damaged(text.as_bytes(), &damage);
            let dir = TempDir::new();
            let path = dir.path().join("history");
            fs::write(&path, [text.as_bytes(), b"\n", line.as_bytes(), b"\n", &damaged, b"\n"].concat()).unwrap();
            append(&path, std::slice::from_ref(&ours)).unwrap();
            let read = read(&path).unwrap();
            prop_assert_eq!(read.first(), Some(&ours));
            prop_assert_eq!(read.last(), Some(&ours));
        }
    }
}
