//! Results of a cache in one file, for a machine that cannot reach it: how such a file is written, and read by somebody who does not trust it. Knows no step.
//!
//! ```text
//! granular-archive 1
//! blob HASH SIZE          and SIZE bytes
//! result KEY SIZE         and SIZE bytes: the text of the result, as the cache keeps it. Its blobs stand before it
//! found KEY SIZE          and SIZE bytes: the sets of files that runs were found to read
//! made-with KEY SIZE      and SIZE bytes: with which tools results were made
//! end COUNT               how many entries there are
//! ```
//!
//! Nothing in it is the name of a file, nothing is compressed, and each entry says how large it is before it comes: so there is no path that could lead anywhere, and nothing that grows while it is
//! read. Each blob and text is held against its hash while it streams in. A result is taken in once all of its blobs have come, from this file and rightly: who reads it knows that it is
//! whole. Whether it is true nobody can see: what is in a file is believed as its writer is.

use crate::format;
use granular::digest::{Digest, Hash, Key};
use granular::found;
use granular::result::ActionResult;
use granular::store::local::{LocalStore, TakeError};
use granular::store::made_with;
use granular::store::{Store as _, StoreError};
use std::collections::HashSet;
use std::fmt;
use std::io::{self, BufRead, Read as _, Write};

/// The first line of a file.
fn header() -> String {
    format!("granular-archive {}", format::ARCHIVE)
}

/// The longest line that is read: a kind, a hash and a number.
const LINE: u64 = 128;

/// The largest text of a result or note, in bytes; as in a cache.
const TEXT: u64 = 64 << 20;

/// More entries than these are not read: what is remembered of each takes memory.
const ENTRIES: u64 = 4 << 20;

/// What has been carried.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Carried {
    /// Results that were written or taken in.
    pub(crate) results: u64,
    /// Results that were there already.
    pub(crate) known: u64,
    /// Blobs that the file has.
    pub(crate) blobs: u64,
    /// The bytes of these.
    pub(crate) bytes: u64,
}

/// Why a file could not be read or written to its end.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The file that is read is not one of ours, or not as it was written: a phrase about it.
    Bad(String),
    /// The system refused something of it.
    File(io::Error),
    /// The cache that is read from or written to.
    Cache(StoreError),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bad(how) => f.write_str(how),
            Self::File(error) => error.fmt(f),
            Self::Cache(error) => error.fmt(f),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Cache(error)
    }
}

fn bad<T>(how: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Bad(how.into()))
}

/// A file while it is written.
pub(crate) struct Writer<'a, W> {
    store: &'a LocalStore,
    to: W,
    entries: u64,
    /// Blobs and notes that are in it.
    written: HashSet<Hash>,
    results: HashSet<Key>,
    /// What has been written.
    pub(crate) carried: Carried,
}

impl<'a, W: Write> Writer<'a, W> {
    /// Writes what `store` has to `to`.
    pub(crate) fn new(store: &'a LocalStore, mut to: W) -> Result<Self, Trouble> {
        writeln!(to, "{}", header()).map_err(Trouble::File)?;
        let (written, results) = (HashSet::new(), HashSet::new());
        Ok(Self { store, to, entries: 0, written, results, carried: Carried::default() })
    }

    /// Writes the result of `key` behind its blobs; `false` if the cache has none.
    pub(crate) fn result(&mut self, key: &Key) -> Result<bool, Trouble> {
        if self.results.contains(key) {
            return Ok(true);
        }
        let Some(result) = self.store.result(key)? else { return Ok(false) };
        for digest in result.blobs() {
            if self.written.insert(digest.hash) {
                self.blob(digest)?;
            }
        }
        self.text("result", key, &result.to_text(key))?;
        self.results.insert(*key);
        self.carried.results += 1;
        Ok(true)
    }

    fn blob(&mut self, digest: &Digest) -> Result<(), Trouble> {
        let file = self.store.open_blob(digest)?;
        self.entry("blob", &digest.hash, digest.size)?;
        let copied = Digest::of_copy(&mut file.take(digest.size), &mut self.to);
        if copied.map_err(Trouble::File)? != *digest {
            let what = format!("the blob {}", digest.hash);
            let how = "its bytes do not have its hash".to_owned();
            return Err(Trouble::Cache(StoreError::Damaged { what, how }));
        }
        self.carried.blobs += 1;
        self.carried.bytes += digest.size;
        Ok(())
    }

    /// Writes which files runs with this static key were found to read.
    pub(crate) fn found(&mut self, key: &Key) -> Result<(), Trouble> {
        let sets = self.store.found(key)?;
        if sets.is_empty() || !self.written.insert(key.0) {
            return Ok(());
        }
        self.text("found", key, &found::to_text(key, &sets))
    }

    /// Writes with which tools `made` was made, of what has the key `without_tools` without them.
    pub(crate) fn made_with(&mut self, without_tools: &Key, made: &Key) -> Result<(), Trouble> {
        let notes = self.store.made_with(without_tools)?;
        let notes: Vec<_> = notes.into_iter().filter(|note| note.key == *made).collect();
        if notes.is_empty() || !self.written.insert(without_tools.0) {
            return Ok(());
        }
        self.text("made-with", without_tools, &made_with::to_text(without_tools, &notes))
    }

    fn text(&mut self, kind: &str, key: &Key, text: &str) -> Result<(), Trouble> {
        self.entry(kind, &key.0, text.len() as u64)?;
        self.to.write_all(text.as_bytes()).map_err(Trouble::File)
    }

    fn entry(&mut self, kind: &str, hash: &Hash, size: u64) -> Result<(), Trouble> {
        self.entries += 1;
        writeln!(self.to, "{kind} {hash} {size}").map_err(Trouble::File)
    }

    /// Writes the end, and gives back what was written to.
    pub(crate) fn finish(mut self) -> Result<(W, Carried), Trouble> {
        let end = writeln!(self.to, "end {}", self.entries).and_then(|()| self.to.flush());
        end.map_err(Trouble::File)?;
        Ok((self.to, self.carried))
    }
}

/// Takes all that `from` has into `store`, as long as it is right, and no more than `most` bytes. What was right before something that is not stays.
pub(crate) fn read(
    store: &LocalStore,
    from: &mut dyn BufRead,
    most: u64,
) -> (Carried, Result<(), Trouble>) {
    let mut reader = Reader {
        store,
        from,
        most,
        carried: Carried::default(),
        blobs: HashSet::new(),
        texts: HashSet::new(),
        results: HashSet::new(),
    };
    let read = reader.all();
    (reader.carried, read)
}

struct Reader<'a> {
    store: &'a LocalStore,
    from: &'a mut dyn BufRead,
    /// How many bytes may still come.
    most: u64,
    carried: Carried,
    /// Those that have come.
    blobs: HashSet<Digest>,
    texts: HashSet<(&'static str, Hash)>,
    results: HashSet<Key>,
}

impl Reader<'_> {
    fn all(&mut self) -> Result<(), Trouble> {
        match self.line()?.as_deref() {
            Some(line) if line == header() => {}
            Some(line) if line.starts_with("granular-archive ") => {
                return bad("it was written by another version of cargo granular");
            }
            _ => return bad("it does not begin as a file of `cache export` does"),
        }
        for entries in 0..=ENTRIES {
            let Some(line) = self.line()? else { return bad("it is cut off") };
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["end", count] => return self.end(count, entries),
                [kind, hash, size] => {
                    let hash = Hash::parse(hash);
                    let number = size.parse::<u64>().ok();
                    // There is one way only to write a number.
                    let number = number.filter(|number| number.to_string() == *size);
                    let Some((hash, size)) = hash.zip(number) else { return no_entry(&line) };
                    match *kind {
                        "blob" => self.blob(Digest { hash, size })?,
                        "result" => self.result(Key(hash), size)?,
                        "found" => self.found(Key(hash), size)?,
                        "made-with" => self.made_with(Key(hash), size)?,
                        _ => return no_entry(&line),
                    }
                }
                _ => return no_entry(&line),
            }
        }
        bad(format!("it has more than {ENTRIES} entries"))
    }

    fn end(&mut self, count: &str, entries: u64) -> Result<(), Trouble> {
        if count != entries.to_string() {
            return bad(format!(
                "it ends with a count of {} entries and has {entries}",
                excerpt(count)
            ));
        }
        match self.from.fill_buf() {
            Ok([]) => Ok(()),
            Ok(_) => bad("something follows its end"),
            Err(error) => Err(Trouble::File(error)),
        }
    }

    /// A line without its end; `None` at the end of the file.
    fn line(&mut self) -> Result<Option<String>, Trouble> {
        let mut bytes = Vec::new();
        let mut from = io::Read::take(&mut *self.from, LINE);
        from.read_until(b'\n', &mut bytes).map_err(Trouble::File)?;
        match (bytes.pop(), String::from_utf8(bytes)) {
            (None, _) => Ok(None),
            (Some(b'\n'), Ok(line)) => Ok(Some(line)),
            (Some(_), Ok(_)) if self.from.fill_buf().is_ok_and(<[u8]>::is_empty) => Ok(None),
            _ => bad("it has a line that is no entry"),
        }
    }

    fn blob(&mut self, digest: Digest) -> Result<(), Trouble> {
        self.allow("the blob", &digest.hash, digest.size)?;
        if !self.blobs.insert(digest) {
            return bad(format!("the blob {} is in it twice", digest.hash));
        }
        let taken = self.store.take_blob(&digest, &mut self.from);
        match taken {
            Ok(_) => {}
            Err(TakeError::CutOff) => return bad("it is cut off"),
            Err(TakeError::Differs(_)) => {
                return bad(format!("the bytes of the blob {} do not have its hash", digest.hash));
            }
            Err(TakeError::Source(error)) => return Err(Trouble::File(error)),
            Err(TakeError::Store(error)) => return Err(Trouble::Cache(error)),
        }
        self.carried.blobs += 1;
        self.carried.bytes = self.carried.bytes.saturating_add(digest.size);
        Ok(())
    }

    fn result(&mut self, key: Key, size: u64) -> Result<(), Trouble> {
        let text = self.text("result", &key, size)?;
        let result = match ActionResult::from_text(&key, &text) {
            Ok(result) => result,
            Err(how) => return bad(format!("the result of {key} is damaged: {how}")),
        };
        if let Some(digest) = result.blobs().find(|digest| !self.blobs.contains(digest)) {
            return bad(format!(
                "the blob {} of the result of {key} is not before it",
                digest.hash
            ));
        }
        // One that is here and whole is as good, and nobody's business to replace.
        let is_whole =
            |known: &ActionResult| known.blobs().all(|digest| self.store.has_blob(digest));
        match self.store.result(&key) {
            Ok(Some(known)) if known == result || is_whole(&known) => self.carried.known += 1,
            _ => {
                self.store.save_result(&key, &result)?;
                self.carried.results += 1;
            }
        }
        self.results.insert(key);
        Ok(())
    }

    fn found(&mut self, key: Key, size: u64) -> Result<(), Trouble> {
        let text = self.text("found", &key, size)?;
        let sets = match found::from_text(&key, &text) {
            Ok(sets) => sets,
            Err(how) => return bad(format!("what is found by {key} is damaged: {how}")),
        };
        let known = self.store.found(&key).unwrap_or_default();
        // The one that was noted last comes first.
        for set in sets.iter().rev().filter(|set| !known.contains(set)) {
            self.store.save_found(&key, set)?;
        }
        Ok(())
    }

    fn made_with(&mut self, key: Key, size: u64) -> Result<(), Trouble> {
        let text = self.text("made-with", &key, size)?;
        let text = String::from_utf8(text).unwrap_or_default();
        let Some(notes) = made_with::from_text(&key, &text) else {
            return bad(format!("the note on the tools of {key} is damaged"));
        };
        let known = self.store.made_with(&key).unwrap_or_default();
        let is_new =
            |note: &&made_with::MadeWith| self.results.contains(&note.key) && !known.contains(note);
        for note in notes.iter().rev().filter(is_new) {
            self.store.note_made_with(&key, note)?;
        }
        Ok(())
    }

    fn text(&mut self, kind: &'static str, key: &Key, size: u64) -> Result<Vec<u8>, Trouble> {
        self.allow(kind, &key.0, size)?;
        if size > TEXT {
            return bad(format!("the {kind} {key} is larger than any"));
        }
        if !self.texts.insert((kind, key.0)) {
            return bad(format!("the {kind} {key} is in it twice"));
        }
        let mut text = Vec::new();
        io::Read::take(&mut *self.from, size).read_to_end(&mut text).map_err(Trouble::File)?;
        if text.len() as u64 == size { Ok(text) } else { bad("it is cut off") }
    }

    /// Whether so many bytes more may come.
    fn allow(&mut self, what: &str, hash: &Hash, size: u64) -> Result<(), Trouble> {
        match self.most.checked_sub(size) {
            Some(left) => {
                self.most = left;
                Ok(())
            }
            None => bad(format!(
                "with {what} {hash} it would be larger than this cache may grow (`cache-size` says how large)"
            )),
        }
    }
}

fn no_entry<T>(line: &str) -> Result<T, Trouble> {
    bad(format!("it has a line that is no entry: `{}`", excerpt(line)))
}

/// The beginning of a stranger's text, fit for a message.
fn excerpt(text: &str) -> String {
    text.chars().take(40).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use granular::content::{Content, Output};
    use granular::found::FoundSet;
    use granular::path::{Base, OutputPath, RelPath};
    use granular::store::made_with::MadeWith;
    use proptest::prelude::*;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    /// A store of its own, taken away at the end.
    struct Place {
        dir: PathBuf,
        store: LocalStore,
    }

    impl Place {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let name = format!("granular-archive-{}-{number}", std::process::id());
            let dir = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&dir).unwrap();
            let store = LocalStore::open(&dir.join("cache"));
            Self { dir, store }
        }

        fn save(&self, name: &str, files: &[&[u8]]) -> Key {
            let path = self.dir.join("file");
            let mut outputs = Vec::new();
            for (at, bytes) in files.iter().enumerate() {
                std::fs::write(&path, bytes).unwrap();
                let digest = self.store.save_files(std::slice::from_ref(&path)).unwrap()[0];
                let path = RelPath::new(format!("file-{at}")).unwrap();
                outputs.push(Output {
                    path: OutputPath { base: Base::Out, path },
                    content: Content::File { digest, executable: false },
                });
            }
            let key = Key(Hash::of(name.as_bytes()));
            self.store.save_result(&key, &result(outputs)).unwrap();
            key
        }

        fn read(&self, bytes: &[u8]) -> (Carried, Result<(), String>) {
            let (carried, read) = read(&self.store, &mut &*bytes, 1 << 30);
            (carried, read.map_err(|trouble| trouble.to_string()))
        }

        /// Holds that whatever is in the store is whole: each result, with each of its blobs.
        fn is_sound(&self) -> bool {
            let report = self.store.verify(false).unwrap();
            report.damaged.is_empty() && report.unknown.is_empty()
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }

    fn result(outputs: Vec<Output>) -> ActionResult {
        let (log, duration) = (None, Duration::from_millis(5));
        ActionResult { outputs, log, duration, made_ms: 1, made_in: "there".to_owned() }
    }

    /// Three results, of which two share a blob, and both kinds of notes.
    fn some() -> (Vec<Key>, Vec<u8>) {
        let place = Place::new();
        let large = vec![7; 300_000];
        let keys = vec![
            place.save("a", &[b"one", &large]),
            place.save("b", &[b"", b"one"]),
            place.save("c", &[]),
        ];
        let set = FoundSet::new(vec![RelPath::new("a.h").unwrap()], vec!["/usr/x.h".to_owned()]);
        let (fixed, partial) = (Key(Hash::of(b"static")), Key(Hash::of(b"partial")));
        place.store.save_found(&fixed, &set).unwrap();
        let tools = vec![format!("tool \"go\" {} 3 \"one\"", Hash::of(b"x"))];
        place.store.note_made_with(&partial, &MadeWith { key: keys[0], tools }).unwrap();
        let mut writer = Writer::new(&place.store, Vec::new()).unwrap();
        for key in &keys {
            assert!(writer.result(key).unwrap() && writer.result(key).unwrap());
        }
        writer.found(&fixed).unwrap();
        writer.made_with(&partial, &keys[0]).unwrap();
        let (bytes, carried) = writer.finish().unwrap();
        assert_eq!((carried.results, carried.blobs, carried.bytes), (3, 3, 300_003));
        (keys, bytes)
    }

    #[test]
    fn what_was_written_is_there_elsewhere_and_again_changes_nothing() {
        let (keys, bytes) = some();
        let place = Place::new();
        let (carried, read) = place.read(&bytes);
        read.unwrap();
        assert_eq!((carried.results, carried.known), (3, 0));
        assert!(place.is_sound());
        for key in &keys {
            assert!(place.store.result(key).unwrap().is_some());
        }
        let saved = place.store.bytes_saved();
        assert_eq!(place.store.found(&Key(Hash::of(b"static"))).unwrap().len(), 1);
        assert_eq!(place.store.made_with(&Key(Hash::of(b"partial"))).unwrap().len(), 1);
        let (carried, read) = place.read(&bytes);
        read.unwrap();
        assert_eq!((carried.results, carried.known), (0, 3));
        assert_eq!(place.store.bytes_saved(), saved);
    }

    #[test]
    fn a_result_that_is_here_and_whole_is_not_replaced_and_one_that_is_not_is_healed() {
        let (keys, bytes) = some();
        let place = Place::new();
        assert_eq!(place.save("a", &[b"mine"]), keys[0]);
        let mine = place.store.result(&keys[0]).unwrap();
        place.read(&bytes).1.unwrap();
        assert_eq!(place.store.result(&keys[0]).unwrap(), mine);
        let blob = Hash::of(b"mine").to_string();
        std::fs::remove_file(place.dir.join("cache/v1/blobs").join(&blob[..2]).join(&blob))
            .unwrap();
        place.read(&bytes).1.unwrap();
        assert_ne!(place.store.result(&keys[0]).unwrap(), mine);
        assert!(place.is_sound());
    }

    /// An archive with these lines and bytes behind the header.
    fn archive(parts: &[&[u8]]) -> Vec<u8> {
        [format!("{}\n", header()).as_bytes(), &parts.concat()].concat()
    }

    #[test]
    fn what_is_hostile_is_refused_with_a_word() {
        let blob = |bytes: &[u8]| {
            let line = format!("blob {} {}\n", Hash::of(bytes), bytes.len());
            [line.as_bytes(), bytes].concat()
        };
        let digest = Digest::of(b"x");
        let key = Key(Hash::of(b"key"));
        let content = Content::File { digest, executable: false };
        let path = OutputPath { base: Base::Tree, path: RelPath::new("a").unwrap() };
        let text = result(vec![Output { path, content }]).to_text(&key);
        let entry = |kind: &str, key: &Key, text: &str| {
            format!("{kind} {key} {}\n{text}", text.len()).into_bytes()
        };
        // As somebody writes it who makes the hash fit.
        let body = text[..text.rfind("end ").unwrap()].replace("\"a\"", "\"../../a\"");
        let climbing = format!("{body}end {}\n", Hash::of(body.as_bytes()));
        let huge = format!("blob {} 18446744073709551615\n", digest.hash).into_bytes();
        let huge_text = format!("result {key} 18446744073709551615\n").into_bytes();
        let large_text = format!("result {key} 100000000\n").into_bytes();
        let cut = blob(b"cut off")[..70 + 4].to_vec();
        for (parts, word) in [
            (vec![], "cut off"),
            (vec![&b"end 1\n"[..]], "count of 1 entries and has 0"),
            (vec![b"end 0"], "cut off"),
            (vec![b"end 0\nmore"], "something follows its end"),
            (vec![b"end 00\n"], "count of 00"),
            (vec![b"blob ../../etc/passwd 3\nabc"], "no entry: `blob ../../etc/passwd 3`"),
            (vec![b"link a b\n"], "no entry"),
            (vec![b"\xff\n"], "no entry"),
            (vec![&[b'x'; 4096]], "no entry"),
            (vec![&format!("blob {} 01\nx", digest.hash).into_bytes()], "no entry"),
            (vec![&huge], "larger than this cache may grow"),
            (vec![&huge_text], "larger than this cache may grow"),
            (vec![&large_text], "is larger than any"),
            (vec![&cut], "cut off"),
            (vec![&blob(b"x"), &blob(b"x")], "is in it twice"),
            (
                vec![&blob(b"x"), &entry("result", &key, &text), &entry("result", &key, &text)],
                "is in it twice",
            ),
            (vec![&entry("result", &key, &text)], "is not before it"),
            (
                vec![&blob(b"x"), &entry("result", &Key(Hash::of(b"other")), &text)],
                "filed for the key",
            ),
            (vec![&blob(b"x"), &entry("result", &key, &climbing)], "is damaged"),
            (vec![&entry("found", &key, "set\n")], "is damaged"),
            (vec![&entry("made-with", &key, "made\n")], "is damaged"),
        ] {
            let place = Place::new();
            let (_, read) = place.read(&archive(&parts));
            let told = read.unwrap_err();
            assert!(told.contains(word), "{told:?} has no {word:?}");
            assert!(place.is_sound(), "{told}");
        }
        let place = Place::new();
        assert!(place.read(b"PK\x03\x04").1.unwrap_err().contains("does not begin as"));
        assert!(place.read(b"granular-archive 2\n").1.unwrap_err().contains("another version"));
        assert!(place.read(b"").1.unwrap_err().contains("does not begin as"));
    }

    #[test]
    fn no_more_is_taken_in_than_there_is_room_for() {
        let (_, bytes) = some();
        let place = Place::new();
        let (_, outcome) = read(&place.store, &mut &*bytes, 200_000);
        assert!(outcome.unwrap_err().to_string().contains("larger than this cache may grow"));
        assert!(place.is_sound());
        let kept = place.store.usage().unwrap();
        assert!(kept.bytes < 200_000 && kept.results == 0, "{kept:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]
        #[test]
        fn whatever_becomes_of_a_file_what_is_taken_in_is_whole(
            at in 0.0..1.0_f64, flip in 0..=255_u8, keep in 0.0..=1.0_f64, doubled in 0..200_usize, near_the_end: bool,
        ) {
            let (_, whole) = some();
            let mut bytes = whole.clone();
            // The large blob is most of it: what is more interesting stands at both ends.
            let place = |part: f64| match near_the_end {
                true => whole.len() - 1 - (part * 2500.0) as usize,
                false => (part * whole.len() as f64) as usize,
            };
            let at = place(at).min(whole.len() - 1);
            bytes[at] ^= flip;
            let from = at.saturating_sub(doubled);
            bytes.splice(at..at, whole[from..at].iter().copied());
            bytes.truncate(if keep > 0.5 { bytes.len() } else { place(keep * 2.0).min(bytes.len()) });
            let place = Place::new();
            let (_, read) = place.read(&bytes);
            prop_assert!(place.is_sound());
            prop_assert_eq!(read.is_ok(), bytes == whole, "only what is as it was written is read to its end");
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let place = Place::new();
            let _ = place.read(&bytes);
            let _ = place.read(&archive(&[&bytes]));
            prop_assert!(place.is_sound());
        }
    }
}
