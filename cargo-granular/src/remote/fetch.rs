//! Brings results from a remote into the local cache. Knows no step and no way to speak to a remote.

use super::crew::Crew;
use super::health::{Health, What};
use super::message::Entry;
use super::name::{Address, Kind, Name, Namer, Naming};
use super::statement::{self, About, Voucher};
use super::wire::{Blob, Failure, Wire};
use crate::trust::domain::Domain;
use crate::trust::list::Trust;
use granular::digest::{Digest, Key};
use granular::result::ActionResult;
use granular::store::local::{Incoming, LocalStore};
use granular::store::{Store as _, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

/// How many requests are under way at once.
pub(super) const AT_ONCE: usize = 16;

/// How often who waits looks whether the build is to stop.
const PATIENCE: Duration = Duration::from_millis(50);

/// Brings results.
pub(super) struct Fetcher {
    wire: Arc<dyn Wire>,
    health: Arc<Health>,
    local: Arc<LocalStore>,
    /// The files of a result may not be larger than this, in bytes: they could not be kept.
    most: u64,
    /// Whose entries are taken.
    trust: Trust,
    crew: Crew,
    pub(super) counts: Arc<Counts>,
}

/// What has been brought so far.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) entries_asked: AtomicU64,
    pub(super) blobs: AtomicU64,
    pub(super) bytes: AtomicU64,
    /// The bytes that have arrived of blobs, of those too that are not whole yet.
    pub(super) arrived: AtomicU64,
}

impl Fetcher {
    pub(super) fn new(
        wire: Arc<dyn Wire>,
        health: Arc<Health>,
        local: Arc<LocalStore>,
        most: u64,
        trust: Trust,
    ) -> Self {
        Self { wire, health, local, most, trust, crew: Crew::new(AT_ONCE), counts: Arc::default() }
    }

    /// What the remote says of a key, and who vouches for that; `None` if nothing, nothing that can be read, or nothing that somebody says who is believed.
    pub(super) fn entry(&self, about: &About) -> Option<(Entry, Voucher)> {
        let (wire, health) = (Arc::clone(&self.wire), Arc::clone(&self.health));
        let About { kind, key, domain } = about;
        let name = Name::of_entry(*kind, key, domain);
        self.counts.entries_asked.fetch_add(1, Ordering::Relaxed);
        let (done, told) = mpsc::channel();
        self.crew.give(move || {
            let _ = done.send(health.ask(What::Entry, || wire.entry(&name)));
        });
        let read = |message: Vec<u8>| Entry::from_message(&message).map_err(Failure::Damaged);
        match self.next(&told)?.and_then(|message| message.map(read).transpose()) {
            Ok(entry) => {
                let entry = entry?;
                match statement::judge(&self.trust, about, &entry.text, &entry.statement) {
                    Ok(voucher) => Some((entry, voucher)),
                    Err(who) => {
                        self.health.note_distrust(domain, &who);
                        None
                    }
                }
            }
            Err(Failure::Damaged(how)) => {
                self.health.note_damage(&format!("the {} of {key}: {how}", kind.word()));
                None
            }
            Err(_) => None,
        }
    }

    /// The result of a key in a domain, if the remote has one that is right.
    pub(super) fn result(
        &self,
        key: &Key,
        domain: &Domain,
    ) -> Option<(ActionResult, Entry, Voucher)> {
        let about = About { kind: Kind::Result, key: *key, domain: domain.clone() };
        let (entry, voucher) = self.entry(&about)?;
        let read = ActionResult::from_text(key, &entry.text).and_then(|result| {
            let bytes: u64 = result.blobs().map(|digest| digest.size).sum();
            let unknown = result.blobs().find(|digest| entry.address(digest).is_none()).copied();
            match unknown {
                Some(blob) => Err(format!("it does not say where the blob {} is", blob.hash)),
                None if bytes > self.most => {
                    Err(format!("its files have {bytes} bytes, more than the cache may hold"))
                }
                None => Ok(result),
            }
        });
        match read {
            Ok(result) => Some((result, entry, voucher)),
            Err(how) => {
                self.health.note_damage(&format!("the result of {key}: {how}"));
                None
            }
        }
    }

    /// Brings all blobs of a result that are not here, and then the result, into the local cache. False where one is not to be had.
    pub(super) fn bring(
        &self,
        key: &Key,
        result: &ActionResult,
        entry: &Entry,
    ) -> Result<bool, StoreError> {
        let blobs: BTreeSet<&Digest> = result.blobs().collect();
        let mut absent = Vec::new();
        for digest in blobs.into_iter().filter(|digest| !self.local.has_blob(digest)) {
            if digest.size == 0 {
                match self.local.take_in(*digest)?.keep() {
                    Err(StoreError::Damaged { what, how }) => {
                        self.health.note_damage(&format!("{what}: {how}"));
                        return Ok(false);
                    }
                    kept => kept?,
                }
                continue;
            }
            let Some(address) = entry.address(digest) else { return Ok(false) };
            absent.push((*digest, address));
        }
        // Known by now: the entry came from there.
        let Some(terms) = self.wire.known_terms() else { return Ok(false) };
        let (groups, alone) = terms.part(absent);
        let requests = groups.into_iter().map(Request::Together);
        let requests: Vec<_> = alone.into_iter().map(Request::Alone).chain(requests).collect();
        let asked = requests.len();
        let is_given_up = Arc::new(AtomicBool::new(false));
        let (done, told) = mpsc::channel();
        for request in requests {
            let (wire, health) = (Arc::clone(&self.wire), Arc::clone(&self.health));
            let (local, counts) = (Arc::clone(&self.local), Arc::clone(&self.counts));
            let (done, is_given_up) = (done.clone(), Arc::clone(&is_given_up));
            self.crew.give(move || {
                let _ = done.send(match is_given_up.load(Ordering::Relaxed) {
                    true => Err(Failure::NotAsked),
                    false => bring_blobs(&*wire, &health, &local, &counts, terms.naming, &request),
                });
            });
        }
        // So that one that ended by itself is not waited for.
        drop(done);
        for _ in 0..asked {
            let answer = self.next(&told);
            if !matches!(answer, Some(Ok(()))) {
                is_given_up.store(true, Ordering::Relaxed);
                return match answer {
                    Some(Err(Failure::Local(error))) => Err(error),
                    _ => Ok(false),
                };
            }
        }
        self.local.save_result(key, result)?;
        Ok(true)
    }

    /// What comes next; `None` where the build is to stop, or nothing is to be waited for any more.
    fn next<T>(&self, told: &Receiver<T>) -> Option<T> {
        while !self.health.is_stopped() && !self.health.is_off(What::Entry) {
            match told.recv_timeout(PATIENCE) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        None
    }
}

/// Blobs that are asked for at once.
enum Request {
    Alone(Blob),
    Together(Vec<Blob>),
}

fn bring_blobs(
    wire: &dyn Wire,
    health: &Health,
    local: &LocalStore,
    counts: &Counts,
    naming: Naming,
    request: &Request,
) -> Result<(), Failure> {
    let brought = health.ask(What::Blob, || match request {
        Request::Alone((digest, address)) => {
            let mut taking = Taking::begin(local, naming, counts, *digest)?;
            wire.blob(address, &mut |bytes| taking.take(bytes))
                .and_then(|()| taking.keep(address))
                .map_err(|failure| of_blob(address, failure))
        }
        Request::Together(blobs) => {
            let Some(wire) = wire.together() else { return Err(Failure::NotAsked) };
            let addresses: Vec<Address> = blobs.iter().map(|(_, address)| *address).collect();
            let mut kept = BTreeSet::new();
            wire.blobs(&addresses, &mut |place, bytes| {
                let Some((digest, address)) = blobs.get(place) else { return Ok(()) };
                let mut taking = Taking::begin(local, naming, counts, *digest)?;
                taking
                    .take(bytes)
                    .map_err(Failure::from)
                    .and_then(|()| taking.keep(address))
                    .map_err(|failure| of_blob(address, failure))?;
                kept.insert(place);
                Ok(())
            })?;
            // An entry that says of two blobs that they are the same one there gets one for both.
            match kept.len() == blobs.len() {
                true => Ok(()),
                false => Err(Failure::Damaged("it gives fewer blobs than it has".to_owned())),
            }
        }
    });
    let blobs = match request {
        Request::Alone(blob) => std::slice::from_ref(blob),
        Request::Together(blobs) => blobs,
    };
    match &brought {
        Ok(()) => {
            let bytes: u64 = blobs.iter().map(|(digest, _)| digest.size).sum();
            counts.blobs.fetch_add(blobs.len() as u64, Ordering::Relaxed);
            counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Err(Failure::Damaged(how)) => {
            health.note_damage(how);
            // Which of those that came together it was is not always known.
            blobs.iter().for_each(|(_, address)| health.note_bad(address.name));
        }
        Err(_) => {}
    }
    brought
}

/// Says of which blob something was not right, by the name under which it is found there.
fn of_blob(address: &Address, failure: Failure) -> Failure {
    match failure {
        Failure::Damaged(how) => Failure::Damaged(format!("the blob {}: {how}", address.name)),
        failure => failure,
    }
}

/// A blob on its way into the local cache, of which both digests are taken.
struct Taking<'a> {
    incoming: Incoming<'a>,
    namer: Namer,
    counts: &'a Counts,
    digest: Digest,
}

impl<'a> Taking<'a> {
    fn begin(
        local: &'a LocalStore,
        naming: Naming,
        counts: &'a Counts,
        digest: Digest,
    ) -> Result<Self, Failure> {
        let incoming = local.take_in(digest).map_err(Failure::Local)?;
        Ok(Self { incoming, namer: Namer::new(naming), counts, digest })
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.counts.arrived.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.namer.update(bytes);
        self.incoming.take(bytes)
    }

    fn keep(self, address: &Address) -> Result<(), Failure> {
        // What is kept has our digest, so that this is the one of what came.
        let name = self.namer.finish(&self.digest);
        self.incoming.keep()?;
        match name == address.name {
            true => Ok(()),
            false => Err(Failure::Damaged("its bytes do not have its name there".to_owned())),
        }
    }
}
