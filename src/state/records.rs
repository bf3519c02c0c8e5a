//! What is remembered of each action in this checkout: a journal, each entry written behind the others as it happens.
//!
//! # The file
//!
//! A header line `granular-records 1`, then entries: `remember "ACTION" LENGTH HASH`, followed by LENGTH bytes with that hash,
//! or `forget "ACTION" WHY LENGTH HASH` likewise. The last entry of an action counts. Reading stops at the first entry that is not whole: a crash
//! can only tear the end, and what is lost costs time. A record that should have been forgotten does no harm either, since
//! `fresh` is said only when the outputs on disk are the recorded ones at that moment. One process writes at a time (see
//! [`super::lock`]); who reads meanwhile sees a whole prefix.

use crate::canon::{self, Fields};
use crate::content::{Content, Input, Output};
use crate::digest::{Hash, Key};
use crate::error::{Error, Result};
use crate::format;
use crate::ordered;
use crate::own_file;
use crate::path::RelPath;
use crate::reason::DirtyReason;
use crate::result::ActionResult;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is remembered of an action that is up to date.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The key it had.
    pub key: Key,
    /// What it left.
    pub result: ActionResult,
    /// The store it was restored from; `None` if it ran here.
    pub source: Option<String>,
    /// When that was, in milliseconds since 1970.
    pub at_ms: u64,
    /// Why it was not fresh then.
    pub reasons: Vec<DirtyReason>,
}

/// What is known of an action that is not up to date.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forgotten {
    /// Why it is not.
    pub why: Why,
    /// The key it was tried with.
    pub key: Key,
    /// What of its outputs was made by us and may still be there: it may be deleted, which nothing else in the tree may.
    pub left: Vec<Output>,
    /// Which of its inputs changed while it ran, as they were afterwards.
    pub changed: Vec<Input>,
}

/// Why an action is not up to date.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// It is being run or restored; if it stands so in the file, that did not come to its end.
    Begun,
    /// Its run failed.
    Failed,
    /// What it reads changed while it ran, or what it left right behind it.
    Disturbed,
}

/// The records of a checkout. Shared by threads.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    journal: Mutex<Journal>,
}

#[derive(Debug, Default)]
struct Journal {
    entries: HashMap<String, Entry>,
    /// Open for appending once something was written.
    file: Option<File>,
    /// How many entries the file has, stale ones included.
    written: usize,
    /// Whether the file has to be written anew before anything is appended: it is not there, of another version, or torn.
    unfit: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    /// The entry as it stands in the file.
    bytes: Vec<u8>,
    state: Known,
}

/// What is remembered of an action, or why nothing is.
pub type Known = std::result::Result<Arc<Record>, Arc<Forgotten>>;

impl Records {
    /// The records kept at `path`. None that can be read are no records.
    pub fn open(path: &Path) -> Self {
        let journal = own_file::read(path)
            .ok()
            .flatten()
            .map(|bytes| Journal::read(&bytes))
            .unwrap_or(Journal { unfit: true, ..Journal::default() });
        Self { path: path.to_path_buf(), journal: Mutex::new(journal) }
    }

    /// What is remembered of `action`, or why nothing is; `None` if it was never heard of.
    pub fn get(&self, action: &str) -> Option<Known> {
        self.journal().entries.get(action).map(|entry| entry.state.clone())
    }

    /// Whether some action may have been begun and not have come to its end: the build that did was killed, or goes on. Where the records
    /// are lost or torn it may have been any.
    pub fn may_have_begun(&self) -> bool {
        let begun =
            |entry: &Entry| matches!(&entry.state, Err(forgotten) if forgotten.why == Why::Begun);
        let journal = self.journal();
        journal.unfit || journal.entries.values().any(begun)
    }

    /// The names of all actions that something is known of.
    #[cfg(feature = "program")]
    pub fn actions(&self) -> Vec<String> {
        self.journal().entries.keys().cloned().collect()
    }

    /// Remembers `record` of `action`.
    pub fn remember(&self, action: &str, record: Record) -> Result<()> {
        let head = entry_head("remember", action);
        self.append(
            action,
            Entry { bytes: entry(head, &write_record(&record)), state: Ok(Arc::new(record)) },
        )
    }

    /// Forgets what is remembered of `action`.
    pub fn forget(&self, action: &str, forgotten: Forgotten) -> Result<()> {
        let head = format!("{} {}", entry_head("forget", action), forgotten.why.word());
        let bytes = entry(head, &write_forgotten(&forgotten));
        self.append(action, Entry { bytes, state: Err(Arc::new(forgotten)) })
    }

    /// Drops everything about actions for which `keep` is false.
    #[cfg(feature = "program")]
    pub fn retain(&self, keep: impl Fn(&str) -> bool) -> Result<()> {
        let mut journal = self.journal();
        journal.entries.retain(|action, _| keep(action));
        self.rewrite(&mut journal)
    }

    fn append(&self, action: &str, entry: Entry) -> Result<()> {
        let mut journal = self.journal();
        let failed = |error| Error::io("cannot write the records", &self.path, error);
        journal.entries.insert(action.to_owned(), entry.clone());
        if journal.unfit || journal.written > 64 + 2 * journal.entries.len() {
            return self.rewrite(&mut journal);
        }
        if journal.file.is_none() {
            journal.file = Some(OpenOptions::new().append(true).open(&self.path).map_err(failed)?);
        }
        journal.written += 1;
        let Some(file) = &mut journal.file else { return Ok(()) };
        if let Err(error) = file.write_all(&entry.bytes) {
            // What was written of the entry must not swallow the next one.
            journal.unfit = true;
            return Err(failed(error));
        }
        Ok(())
    }

    /// Writes the file anew: only what counts.
    fn rewrite(&self, journal: &mut Journal) -> Result<()> {
        let mut bytes = header().into_bytes();
        let mut entries: Vec<_> = journal.entries.iter().collect();
        ordered::sort_by_key(&mut entries, |(action, _)| *action);
        entries.iter().for_each(|(_, entry)| bytes.extend_from_slice(&entry.bytes));
        own_file::replace(&self.path, &bytes)
            .map_err(|error| Error::io("cannot write the records", &self.path, error))?;
        journal.written = journal.entries.len();
        journal.unfit = false;
        journal.file = None;
        Ok(())
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn header() -> String {
    format!("granular-records {}\n", format::RECORDS)
}

impl Journal {
    fn read(bytes: &[u8]) -> Self {
        let mut journal = Self::default();
        let Some(mut rest) = bytes.strip_prefix(header().as_bytes()) else {
            journal.unfit = true;
            return journal;
        };
        while !rest.is_empty() {
            let Some((action, entry)) = read_entry(rest) else {
                journal.unfit = true;
                break;
            };
            rest = &rest[entry.bytes.len()..];
            journal.written += 1;
            journal.entries.insert(action, entry);
        }
        journal
    }
}

fn entry_head(tag: &str, action: &str) -> String {
    let mut head = tag.to_owned();
    canon::quote(&mut head, action);
    head
}

fn entry(head: String, body: &str) -> Vec<u8> {
    format!("{head} {} {}\n{body}", body.len(), Hash::of(body.as_bytes())).into_bytes()
}

/// The entry at the start of `bytes`; `None` if it is not whole.
fn read_entry(bytes: &[u8]) -> Option<(String, Entry)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let mut fields = Fields::new(std::str::from_utf8(&bytes[..end]).ok()?);
    let tag = fields.word()?;
    let action = fields.text()?;
    let why = match tag {
        "remember" => None,
        "forget" => Some(Why::from_word(fields.word()?)?),
        _ => return None,
    };
    let length: usize = fields.number()?;
    let hash = Hash::parse(fields.word()?)?;
    let body = bytes.get(end + 1..)?.get(..length)?;
    if Hash::of(body) != hash || !fields.is_done() {
        return None;
    }
    let body = std::str::from_utf8(body).ok()?;
    let state = match why {
        None => Ok(Arc::new(read_record(body)?)),
        Some(why) => Err(Arc::new(read_forgotten(why, body)?)),
    };
    let bytes = bytes.get(..end + 1 + length)?.to_vec();
    Some((action, Entry { bytes, state }))
}

fn write_forgotten(forgotten: &Forgotten) -> String {
    let mut text = format!("key {}\n", forgotten.key);
    for output in &forgotten.left {
        text.push_str(&output.to_line());
        text.push('\n');
    }
    for input in &forgotten.changed {
        text.push_str("changed");
        canon::quote(&mut text, input.path.as_str());
        input.content.write(&mut text);
        text.push('\n');
    }
    text
}

fn read_forgotten(why: Why, text: &str) -> Option<Forgotten> {
    let (key, lines) = text.strip_prefix("key ")?.split_once('\n')?;
    let (mut left, mut changed) = (Vec::new(), Vec::new());
    for line in lines.lines() {
        let mut fields = Fields::new(line);
        match fields.word()? {
            "output" => left.push(Output::read(&mut fields)?),
            "changed" => changed.push(Input {
                path: RelPath::new(fields.text()?)?,
                content: Content::read(&mut fields)?,
            }),
            _ => return None,
        }
    }
    Some(Forgotten { why, key: Key(Hash::parse(key)?), left, changed })
}

fn write_record(record: &Record) -> String {
    let mut text = format!("key {}\nat-ms {}\n", record.key, record.at_ms);
    if let Some(source) = &record.source {
        text.push_str("source");
        canon::quote(&mut text, source);
        text.push('\n');
    }
    for reason in &record.reasons {
        text.push_str("reason");
        reason.write(&mut text);
        text.push('\n');
    }
    text.push_str(&record.result.to_text(&record.key));
    text
}

fn read_record(text: &str) -> Option<Record> {
    let (mut key, mut at_ms, mut source, mut reasons) = (None, None, None, Vec::new());
    let mut rest = text;
    loop {
        let (line, behind) = rest.split_once('\n')?;
        let mut fields = Fields::new(line);
        match fields.word()? {
            "key" => key = Some(Key(Hash::parse(fields.word()?)?)),
            "at-ms" => at_ms = Some(fields.number()?),
            "source" => source = Some(fields.text()?),
            "reason" => reasons.push(DirtyReason::read(&mut fields)?),
            _ => break,
        }
        rest = behind;
    }
    let key = key?;
    let result = ActionResult::from_text(&key, rest.as_bytes()).ok()?;
    Some(Record { key, result, source, at_ms: at_ms?, reasons })
}

impl Why {
    fn word(self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Failed => "failed",
            Self::Disturbed => "disturbed",
        }
    }

    fn from_word(word: &str) -> Option<Self> {
        [Self::Begun, Self::Failed, Self::Disturbed].into_iter().find(|why| why.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::path::{Base, OutputPath};
    use crate::testing::{self, TempDir};
    use proptest::prelude::*;
    use std::fs;
    use std::time::Duration;

    fn record(seed: u8) -> Record {
        let path = OutputPath { base: Base::Out, path: RelPath::new("api").unwrap() };
        let content = Content::File { digest: Digest::of(&[seed]), executable: true };
        let result = ActionResult {
            outputs: vec![Output { path, content }],
            log: None,
            duration: Duration::from_millis(5),
            made_ms: 7,
            made_in: "here".into(),
        };
        let reasons = vec![DirtyReason::InputChanged("a b\n.go".into())];
        Record {
            key: Key(Hash::of(&[seed])),
            result,
            source: Some("local cache".into()),
            at_ms: 9,
            reasons,
        }
    }

    #[test]
    fn what_is_remembered_survives_the_process_and_the_last_word_counts() {
        let dir = TempDir::new();
        let path = dir.path().join("records");
        let records = Records::open(&path);
        records.remember("#api", record(1)).unwrap();
        records.remember("#web", record(2)).unwrap();
        let left = record(2).result.outputs;
        let content = Content::File { digest: Digest::of(b"x"), executable: false };
        let changed = vec![Input { path: RelPath::new("src/a b").unwrap(), content }];
        let forgotten = Forgotten { why: Why::Disturbed, key: record(2).key, left, changed };
        records.forget("#web", forgotten.clone()).unwrap();
        records.remember("#api", record(3)).unwrap();

        let records = Records::open(&path);
        assert_eq!(*records.get("#api").unwrap().unwrap(), record(3));
        assert_eq!(*records.get("#web").unwrap().unwrap_err(), forgotten);
        assert_eq!(records.get("#other"), None);
    }

    #[test]
    fn the_journal_does_not_grow_without_bound() {
        let dir = TempDir::new();
        let path = dir.path().join("records");
        let records = Records::open(&path);
        for round in 0..1000_u32 {
            records.remember("#api", record((round % 250) as u8)).unwrap();
        }
        assert!(fs::metadata(&path).unwrap().len() < 70 * 1024);
        assert_eq!(*Records::open(&path).get("#api").unwrap().unwrap(), record((999 % 250) as u8));
    }

    proptest! {
        #[test]
        fn a_torn_end_loses_only_the_last_entries(keep in 0.0..1.0_f64) {
            let dir = TempDir::new();
            let path = dir.path().join("records");
            let records = Records::open(&path);
            records.remember("#a", record(1)).unwrap();
            let first = fs::metadata(&path).unwrap().len();
            records.remember("#b", record(2)).unwrap();
            let bytes = fs::read(&path).unwrap();
            let keep = (bytes.len() as f64 * keep) as usize;
            fs::write(&path, &bytes[..keep]).unwrap();

            let records = Records::open(&path);
            prop_assert_eq!(records.get("#a").is_some(), keep as u64 >= first);
            prop_assert_eq!(records.get("#b"), None);
            records.remember("#c", record(3)).unwrap();
            prop_assert!(Records::open(&path).get("#c").is_some(), "what is appended behind a torn end is lost");
        }

        #[test]
        fn damaged_bytes_never_make_a_record_that_was_not_written(at in 0.0..1.0_f64, flip in 1..=255_u8) {
            let dir = TempDir::new();
            let path = dir.path().join("records");
            Records::open(&path).remember("#a", record(1)).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            let at = (bytes.len() as f64 * at) as usize;
            bytes[at] ^= flip;
            fs::write(&path, &bytes).unwrap();
            if let Some(Ok(read)) = Records::open(&path).get("#a") {
                prop_assert_eq!(&*read, &record(1));
            }
        }

        #[test]
        fn damaged_bytes_take_nothing_with_them_that_stands_before(
            damage in testing::damage(),
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            is_forgotten in any::<bool>(),
        ) {
            let body = match is_forgotten {
                true => write_forgotten(&Forgotten { why: Why::Begun, key: record(2).key, left: record(2).result.outputs, changed: vec![] }),
                false => write_record(&record(2)),
            };
            let head = if is_forgotten { "forget \"#b\" begun" } else { "remember \"#b\"" };
            let whole = entry(head.to_owned(), &body);
            // With the hash that is right for it, as a stranger would write it.
            let sealed = String::from_utf8_lossy(&testing::damaged(body.as_bytes(), &damage)).into_owned();
            let sealed = entry(head.to_owned(), &sealed);
            for rest in [testing::damaged(&whole, &damage), bytes, sealed] {
                let first = entry("remember \"#a\"".to_owned(), &write_record(&record(1)));
                let journal = Journal::read(&[header().as_bytes(), &first, &rest].concat());
                prop_assert_eq!(journal.entries["#a"].state.as_deref().ok(), Some(&record(1)));
                Journal::read(&rest);
            }
        }
    }
}
