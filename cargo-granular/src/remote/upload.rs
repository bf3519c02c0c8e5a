//! Brings results from the local cache to a remote, while the build goes on. Knows no step and no way to speak to a remote.
//!
//! What is to be written is noted in the directory of the cache, a file `uploads/REMOTE/KIND-KEY` for each (see [`super::native`]), before anything is done about it, and the
//! note is taken away when it is written. So what a build did not come to, or what it was killed over, the next build finds that writes to the same remote.

use super::crew::Crew;
use super::health::{Health, What};
use super::message::Entry;
use super::name::{self, Address, Kind, Name, Naming};
use super::native::{Found, Limits};
use super::origin::{Origins, private_dir};
use super::sensitive;
use super::signer::{Made, Signer};
use super::statement::{self, About};
use super::wire::{Blob, Failure, Terms, Wire};
use crate::trust::list::Trust;
use crate::wording;
use granular::content::Content;
use granular::digest::{Digest, Hash, Key};
use granular::found;
use granular::ordered::Map;
use granular::result::ActionResult;
use granular::store::Store as _;
use granular::store::local::LocalStore;
use granular::store::made_with;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Seek as _};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// How many results are brought at once.
const RESULTS_AT_ONCE: usize = 4;

/// How many of their blobs.
const BLOBS_AT_ONCE: usize = 8;

/// Whether a larger blob is there is asked before it is sent, in bytes; to send a smaller one costs no more than the question.
const WORTH_ASKING: u64 = 4 * 1024;

/// What is to be written is forgotten after this time.
const OLDEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How often the end of a build looks whether all is written.
const PATIENCE: Duration = Duration::from_millis(10);

/// Brings results to a remote.
pub(super) struct Uploader {
    shared: Arc<Shared>,
    results: Crew,
}

struct Shared {
    wire: Arc<dyn Wire>,
    health: Arc<Health>,
    local: Arc<LocalStore>,
    /// Which results were not made here.
    origins: Origins,
    /// Where it is noted what is to be written.
    notes: PathBuf,
    blobs: Crew,
    /// What is known to be there.
    there: Mutex<BTreeSet<Name>>,
    signer: Signer,
    /// Whose entries may be added to.
    trust: Trust,
    /// What stays here although it was to be written, for people, by the number of the reason.
    unshared: Mutex<[BTreeSet<String>; 3]>,
    queued: AtomicUsize,
    /// How many of them have come to their end, well or not.
    done: AtomicUsize,
    /// How many have come to it well, and how many of those are results.
    written: AtomicUsize,
    results_written: AtomicUsize,
    bytes: AtomicU64,
}

/// What is known of a blob that is to be written.
enum Looked {
    /// It may be, and has that name there.
    Named(Name),
    /// The local cache does not have it any more, or not as it was.
    Lost,
    /// It may not leave this machine.
    Kept(Why),
}

/// Why something stays here.
#[derive(Clone, Copy)]
enum Why {
    /// It is of use here only.
    Native = 0,
    /// It looks like a secret.
    Secret = 1,
    /// The value of a variable that the step was passed stands in it.
    Passed = 2,
}

/// What has become of what was to be written.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Written {
    pub(super) results: usize,
    pub(super) bytes: u64,
    /// How many results, and notes beside them, a later build has to write.
    pub(super) left: usize,
    /// Whether some of them are left since the time was up.
    pub(super) is_late: bool,
}

impl Uploader {
    /// One that notes what is to be written in the directory `notes`.
    pub(super) fn new(
        wire: Arc<dyn Wire>,
        health: Arc<Health>,
        local: Arc<LocalStore>,
        origins: Origins,
        notes: PathBuf,
        signer: Signer,
        trust: Trust,
    ) -> Self {
        let shared = Shared {
            signer,
            trust,
            wire,
            health,
            local,
            origins,
            notes,
            blobs: Crew::new(BLOBS_AT_ONCE),
            there: Mutex::default(),
            unshared: Mutex::default(),
            queued: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            results_written: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared), results: Crew::new(RESULTS_AT_ONCE) }
    }

    /// Begins with what earlier builds have left. What could not be written for so long that nobody waits for it is forgotten.
    pub(super) fn resume(&self) {
        let notes = fs::read_dir(&self.shared.notes).into_iter().flatten().flatten();
        for note in notes {
            let modified = note.metadata().and_then(|metadata| metadata.modified());
            if modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age > OLDEST)) {
                let _ = fs::remove_file(note.path());
                continue;
            }
            let Ok(note) = note.file_name().into_string() else { continue };
            let parsed = Kind::ALL.iter().find_map(|kind| {
                let hash = note.strip_prefix(kind.word())?.strip_prefix('-')?;
                Some((*kind, Key(Hash::parse(hash)?)))
            });
            let Some((kind, key)) = parsed else { continue };
            let text = fs::read_to_string(self.shared.note(kind, &key)).unwrap_or_default();
            match Limits::from_text(&text, self.shared.signer.env()) {
                Some(limits) => self.queue(kind, key, limits, Made::Earlier),
                // One that was cut short does not say what must not be shared.
                None => drop(fs::remove_file(self.shared.note(kind, &key))),
            }
        }
    }

    /// The environment of the build.
    pub(super) fn env(&self) -> &Map<OsString, OsString> {
        self.shared.signer.env()
    }

    /// Notes that something is to be written.
    pub(super) fn save(&self, kind: Kind, key: Key, limits: Limits) {
        let note = self.shared.note(kind, &key);
        // Without a note it is written now or never.
        let _ = private_dir(&self.shared.notes).and_then(|()| fs::write(note, limits.to_text()));
        self.queue(kind, key, limits, Made::Now);
    }

    /// Which results stay here, as messages, if any do.
    pub(super) fn unshared(&self) -> Vec<String> {
        const WHY: [[&str; 2]; 3] = [
            [
                "the path of this checkout stands in it",
                "a flag such as -trimpath may keep it out; `portable = true` shares it all the same",
            ],
            [
                "it looks like a secret",
                "a step that names this very file in its `outputs` shares it all the same",
            ],
            [
                "the value of a variable of its `pass-env` stands in it",
                "a step that does not write it down is shared; one that is `portable` also, if the variable is not called as a secret is",
            ],
        ];
        let unshared = self.shared.unshared.lock().unwrap_or_else(PoisonError::into_inner);
        let named = unshared.iter().zip(WHY).filter(|(names, _)| !names.is_empty());
        let told = named.map(|(names, [why, way_out])| {
            let names: Vec<String> = names.iter().cloned().collect();
            format!("not shared, since {why}: {} ({way_out})", wording::some(&names, 3))
        });
        told.collect()
    }

    fn queue(&self, kind: Kind, key: Key, limits: Limits, made: Made) {
        let shared = Arc::clone(&self.shared);
        shared.queued.fetch_add(1, Ordering::SeqCst);
        self.results.give(move || {
            if let Ok(is_written) = shared.write(kind, &key, &limits, made) {
                let _ = fs::remove_file(shared.note(kind, &key));
                let is_result = usize::from(is_written && kind == Kind::Result);
                shared.results_written.fetch_add(is_result, Ordering::SeqCst);
                shared.written.fetch_add(1, Ordering::SeqCst);
            }
            shared.done.fetch_add(1, Ordering::SeqCst);
        });
    }

    /// Waits until all is written, but no longer than `wait`, and not if the build is to stop or there is nobody to write to. Meanwhile it tells `waiting` how much is written of
    /// how much, and for how long it has waited.
    pub(super) fn drain(
        &self,
        wait: Duration,
        waiting: &mut dyn FnMut(usize, usize, Duration),
    ) -> Written {
        let shared = &self.shared;
        let began = Instant::now();
        let is_waited_for = || {
            shared.done.load(Ordering::SeqCst) < shared.queued.load(Ordering::SeqCst)
                && !shared.health.is_stopped()
                && !shared.health.is_off(What::Save)
        };
        while is_waited_for() && began.elapsed() < wait {
            let [done, of] = [&shared.done, &shared.queued].map(|it| it.load(Ordering::SeqCst));
            waiting(done, of, began.elapsed());
            std::thread::sleep(PATIENCE);
        }
        let is_late = is_waited_for();
        let written = shared.written.load(Ordering::SeqCst);
        Written {
            results: shared.results_written.load(Ordering::SeqCst),
            bytes: shared.bytes.load(Ordering::Relaxed),
            left: shared.queued.load(Ordering::SeqCst).saturating_sub(written),
            is_late,
        }
    }
}

impl Shared {
    fn note(&self, kind: Kind, key: &Key) -> PathBuf {
        self.notes.join(format!("{}-{key}", kind.word()))
    }

    /// Writes what the local cache has. False where there is nothing to write: it has nothing any more, or something that stays here or is too large to be shared.
    fn write(
        self: &Arc<Self>,
        kind: Kind,
        key: &Key,
        limits: &Limits,
        made: Made,
    ) -> Result<bool, Failure> {
        let entry = match kind {
            Kind::Result => self.result(key, limits)?,
            Kind::Found => self.found(key)?,
            Kind::MadeWith => self.made_with(key)?,
        };
        let Some(mut entry) = entry else { return Ok(false) };
        let about = self.about(kind, key);
        let name = Name::of_entry(kind, key, &about.domain);
        entry.statement = self.signer.statement(about, &entry.text, made);
        let Some(message) = entry.to_message() else { return Ok(false) };
        if message.len() > self.terms()?.entry {
            return Ok(false);
        }
        self.health.ask(What::Save, || self.wire.save_entry(&name, &message))?;
        self.bytes.fetch_add(message.len() as u64, Ordering::Relaxed);
        Ok(true)
    }

    /// Writes the blobs of a result, and gives its entry.
    fn result(self: &Arc<Self>, key: &Key, limits: &Limits) -> Result<Option<Entry>, Failure> {
        let Ok(Some(result)) = self.local.result(key) else { return Ok(None) };
        // One that came from a remote meanwhile is not ours to sign: it may be out of another domain.
        if self.origins.has(key, &result) {
            return Ok(None);
        }
        // What was printed is for people, and names the place where it was printed more often than not.
        let log = result.log;
        if let Some(secret) = called_secret(&result, limits) {
            self.stays(Why::Secret, Some(secret), limits);
            return Ok(None);
        }
        let terms = self.terms()?;
        let digests: BTreeSet<Digest> = result.blobs().copied().collect();
        if digests.iter().any(|digest| digest.size > terms.blob) {
            return Ok(None);
        }
        let (done, told) = mpsc::channel();
        for digest in &digests {
            let (shared, digest, done) = (Arc::clone(self), *digest, done.clone());
            let is_meant = is_declared(&result, &digest, limits);
            let limits = if log == Some(digest) { limits.without_places() } else { limits.clone() };
            self.blobs.give(move || {
                let blob = shared.look_at(&digest, terms.naming, &limits, is_meant);
                let _ = done.send((digest, blob));
            });
        }
        drop(done);
        let mut blobs = BTreeMap::new();
        for (digest, blob) in told {
            match blob {
                Looked::Named(name) => drop(blobs.insert(digest, name)),
                Looked::Lost => {}
                Looked::Kept(why) => {
                    self.stays(why, path_of(&result, &digest), limits);
                }
            }
        }
        if blobs.len() < digests.len() || !self.bring(&terms, &blobs)? {
            return Ok(None);
        }
        // Where somebody's checkout lies is nobody else's business.
        let text = ActionResult { made_in: String::new(), ..result }.to_text(key).into_bytes();
        Ok(Some(Entry { text, blobs, ..Entry::default() }))
    }

    /// Notes that a result stays here, because of one of its outputs or its log.
    fn stays(&self, why: Why, output: Option<String>, limits: &Limits) {
        let action = limits.action();
        let name = match output {
            Some(output) => format!("`{output}` of `{action}`"),
            None => format!("what `{action}` prints"),
        };
        let mut unshared = self.unshared.lock().unwrap_or_else(PoisonError::into_inner);
        let of_that = unshared.get_mut(why as usize);
        of_that.map(|names| names.insert(name));
    }

    fn about(&self, kind: Kind, key: &Key) -> About {
        About { kind, key: *key, domain: self.signer.domain.clone() }
    }

    /// What it takes and how, asked for if it is not known.
    fn terms(&self) -> Result<Terms, Failure> {
        match self.wire.known_terms() {
            Some(terms) => Ok(terms),
            None => self.health.ask(What::Look, || self.wire.terms()),
        }
    }

    /// Reads a blob for its name there, and for what must not be in it. With `is_meant` it may be a secret.
    fn look_at(&self, digest: &Digest, naming: Naming, limits: &Limits, is_meant: bool) -> Looked {
        let Ok(file) = self.local.open_blob(digest) else { return Looked::Lost };
        let mut search = limits.search();
        let mut begin = Vec::new();
        let watch = |bytes: &[u8]| {
            let more = sensitive::BEGIN.saturating_sub(begin.len()).min(bytes.len());
            begin.extend_from_slice(bytes.get(..more).unwrap_or_default());
            search.take(bytes);
        };
        let name = match name::both_of(&file, naming, watch) {
            Ok((name, found)) if found == *digest => name,
            _ => return Looked::Lost,
        };
        if !is_meant && sensitive::begins_so(&begin) {
            return Looked::Kept(Why::Secret);
        }
        match search.found() {
            Some(Found::Private) => Looked::Kept(Why::Passed),
            Some(Found::Place) => Looked::Kept(Why::Native),
            None => Looked::Named(name),
        }
    }

    /// Writes those blobs that are not there. False if one is lost meanwhile.
    fn bring(
        self: &Arc<Self>,
        terms: &Terms,
        blobs: &BTreeMap<Digest, Name>,
    ) -> Result<bool, Failure> {
        let there = || self.there.lock().unwrap_or_else(PoisonError::into_inner);
        let mut new: Vec<Blob> = {
            let there = there();
            let new =
                blobs.iter().filter(|(digest, name)| digest.size > 0 && !there.contains(name));
            let address = |(digest, name): (&Digest, &Name)| {
                (*digest, Address { name: *name, size: digest.size })
            };
            new.map(address).collect()
        };
        if new.is_empty() {
            return Ok(true);
        }
        let addresses: Vec<Address> = new.iter().map(|(_, address)| *address).collect();
        let is_looked_for = self.wire.together().is_some();
        if let Some(wire) = self.wire.together() {
            let missing = self.health.ask(What::Look, || wire.missing(&addresses))?;
            let is_wanted = |name: &Name| missing.contains(name) || self.health.is_bad(name);
            new.retain(|(_, address)| is_wanted(&address.name));
        }
        let (groups, alone) = terms.part(new);
        let asked = groups.len() + alone.len();
        let (done, told) = mpsc::channel();
        for (digest, address) in alone {
            let (shared, done) = (Arc::clone(self), done.clone());
            self.blobs.give(move || {
                let _ = done.send(shared.bring_one(&digest, &address, is_looked_for));
            });
        }
        for group in groups {
            let (shared, done) = (Arc::clone(self), done.clone());
            self.blobs.give(move || {
                let _ = done.send(shared.bring_together(&group));
            });
        }
        drop(done);
        // Each of them, or an entry would name what is not there.
        let mut brought = 0;
        for answer in told {
            brought += usize::from(answer?);
        }
        let is_whole = brought == asked;
        if is_whole {
            there().extend(blobs.values());
        }
        Ok(is_whole)
    }

    /// Writes a blob, unless it is there already. False if the local cache does not have it any more.
    fn bring_one(
        &self,
        digest: &Digest,
        address: &Address,
        is_looked_for: bool,
    ) -> Result<bool, Failure> {
        let Ok(file) = self.local.open_blob(digest) else { return Ok(false) };
        let is_there = !is_looked_for
            && !self.health.is_bad(&address.name)
            && digest.size > WORTH_ASKING
            && self.health.ask(What::Look, || self.wire.has_blob(address))?;
        if !is_there {
            self.health.ask(What::Save, || {
                let _ = (&file).rewind();
                self.wire.save_blob(address, &file)
            })?;
            self.bytes.fetch_add(digest.size, Ordering::Relaxed);
        }
        Ok(true)
    }

    /// The same for blobs that go together.
    fn bring_together(&self, blobs: &[Blob]) -> Result<bool, Failure> {
        let Some(wire) = self.wire.together() else { return Ok(false) };
        let bytes_of = |(digest, address): &Blob| {
            let mut bytes = Vec::new();
            let file = self.local.open_blob(digest).ok()?;
            file.take(digest.size).read_to_end(&mut bytes).ok()?;
            Some((*address, bytes))
        };
        let Some(all) = blobs.iter().map(bytes_of).collect::<Option<Vec<_>>>() else {
            return Ok(false);
        };
        self.health.ask(What::Save, || wire.save_blobs(&all))?;
        let bytes: u64 = blobs.iter().map(|(digest, _)| digest.size).sum();
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(true)
    }

    /// What was found here, in front of what others found: of two who write at the same moment one may be lost, which costs a run.
    fn found(&self, key: &Key) -> Result<Option<Entry>, Failure> {
        let theirs = self.text(Kind::Found, key)?;
        let theirs = theirs.and_then(|text| found::from_text(key, &text).ok()).unwrap_or_default();
        let ours = self.local.found(key).unwrap_or_default();
        let all = ours.iter().rev().fold(theirs.clone(), found::with);
        let text = (all != theirs).then(|| found::to_text(key, &all));
        Ok(text.map(|text| Entry { text: text.into_bytes(), ..Entry::default() }))
    }

    /// The same for the tools that results were made with.
    fn made_with(&self, key: &Key) -> Result<Option<Entry>, Failure> {
        let theirs = self.text(Kind::MadeWith, key)?.and_then(|text| String::from_utf8(text).ok());
        let theirs = theirs.and_then(|text| made_with::from_text(key, &text)).unwrap_or_default();
        let ours = self.local.made_with(key).unwrap_or_default();
        let all = ours.iter().rev().fold(theirs.clone(), made_with::with_newest);
        let text = (all != theirs).then(|| made_with::to_text(key, &all));
        Ok(text.map(|text| Entry { text: text.into_bytes(), ..Entry::default() }))
    }

    /// The text of an entry that is there, if it is one to be believed: what is signed here is said by us.
    fn text(&self, kind: Kind, key: &Key) -> Result<Option<Vec<u8>>, Failure> {
        let about = self.about(kind, key);
        let name = Name::of_entry(kind, key, &about.domain);
        let message = self.health.ask(What::Look, || self.wire.entry(&name))?;
        let entry = message.and_then(|message| Entry::from_message(&message).ok());
        let is_believed = |entry: &Entry| {
            statement::judge(&self.trust, &about, &entry.text, &entry.statement).is_ok()
        };
        Ok(entry.filter(is_believed).map(|entry| entry.text))
    }
}

/// An output that is called as a secret is, and that the step does not declare by its very path.
fn called_secret(result: &ActionResult, limits: &Limits) -> Option<String> {
    let files = result.outputs.iter().filter(|it| matches!(it.content, Content::File { .. }));
    let called = files.filter(|output| sensitive::is_called_so(output.path.path.as_str()));
    called.map(|output| output.path.to_string()).find(|name| !limits.is_declared(name))
}

/// Whether a blob is nothing but outputs that the step declares by their very paths.
fn is_declared(result: &ActionResult, blob: &Digest, limits: &Limits) -> bool {
    let has = |content: &Content| matches!(content, Content::File { digest, .. } if digest == blob);
    let mut outputs = result.outputs.iter().filter(|output| has(&output.content));
    result.log != Some(*blob) && outputs.all(|output| limits.is_declared(&output.path.to_string()))
}

/// Where the bytes of a blob stand among the outputs of a result; `None` for its log.
fn path_of(result: &ActionResult, blob: &Digest) -> Option<String> {
    let has = |content: &Content| matches!(content, Content::File { digest, .. } if digest == blob);
    let output = result.outputs.iter().find(|output| has(&output.content));
    output.map(|output| output.path.to_string())
}
