//! The store of a build that has a remote: the local cache, with the remote behind it. What the local cache does not have is brought into it and
//! restored from there.

use super::ask::{self, Asked};
use super::fetch::{AT_ONCE, Fetcher};
use super::health::Health;
use super::http::Http;
use super::name::{Kind, Name};
use super::native::Limits;
use super::upload::{Uploader, Written};
use super::wire::Wire;
use crate::cache::Cache;
use crate::cli::RemoteFlags;
use crate::quantity;
use crate::session::Session;
use crate::shell::Verbosity;
use crate::trouble::{Result, Trouble};
use crate::wording;
use granular::config::Settings;
use granular::digest::{Digest, Key};
use granular::execute::Stop;
use granular::found::{self, FoundSet};
use granular::result::ActionResult;
use granular::store::local::LocalStore;
use granular::store::made_with::{self, MadeWith};
use granular::store::{Origin, Store, StoreError};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The local cache, with a remote behind it.
pub(crate) struct Layered {
    local: Arc<LocalStore>,
    asked: Asked,
    /// What messages call the remote.
    name: String,
    health: Arc<Health>,
    fetcher: Fetcher,
    /// None where nothing is written.
    uploader: Option<Uploader>,
    /// Whether results are only looked for, for what tells about a build without doing it.
    looks_only: bool,
    known: Mutex<Known>,
}

/// What the remote has said in this build.
#[derive(Default)]
struct Known {
    /// The results that came from it.
    taken: BTreeSet<Key>,
    /// Those that it does not have.
    missed: BTreeSet<Key>,
}

/// The store with a remote behind it, where one is asked for and there is a cache to bring its results to.
pub(crate) fn open(
    session: &Session,
    flags: &RemoteFlags,
    settings: &Settings,
    cache: Option<&Cache>,
    stop: &Stop,
    looks_only: bool,
) -> Result<Option<Layered>> {
    let offline = session.common.offline
        || session.common.frozen
        || session.variable("CARGO_NET_OFFLINE") == Some("true");
    let asked = ask::asked(flags, &session.env, settings.remote.as_deref(), offline)?;
    let (Some(asked), Some(cache)) = (asked, cache) else { return Ok(None) };
    asked.warnings.iter().for_each(|warning| session.shell.warn(warning));
    let host = asked.place.host.clone();
    if session.shell.verbosity >= Verbosity::Verbose {
        let how = match &asked.read_only {
            Some(why) => format!("read-only: {why}"),
            None => "read and written".to_owned(),
        };
        session.shell.status("Remote", &wording::one_line(&format!("{host}, {how}")));
    }
    let health = Arc::new(Health::new(host.clone(), asked.is_required, stop.clone()));
    let wire: Arc<dyn Wire> = Arc::new(Http::new(&asked));
    let local = Arc::clone(&cache.store);
    let fetcher =
        Fetcher::new(Arc::clone(&wire), Arc::clone(&health), Arc::clone(&local), cache.max_size);
    let notes = notes(cache, &asked);
    let may_write = asked.read_only.is_none() && !looks_only;
    let uploader =
        may_write.then(|| Uploader::new(wire, Arc::clone(&health), Arc::clone(&local), notes));
    uploader.iter().for_each(Uploader::resume);
    let name = format!("remote {host}");
    let known = Mutex::default();
    Ok(Some(Layered { local, asked, name, health, fetcher, uploader, looks_only, known }))
}

/// Where it is noted what is to be written to a remote.
fn notes(cache: &Cache, asked: &Asked) -> PathBuf {
    cache.dir.join("uploads").join(Name::of(asked.place.base.as_bytes()).to_string())
}

/// The store of a build that has both, one of them or neither.
pub(crate) fn store<'a>(
    layered: Option<&'a Layered>,
    cache: Option<&'a Cache>,
) -> Option<&'a dyn Store> {
    match layered {
        Some(layered) => Some(layered),
        None => cache.map(|cache| &*cache.store as &dyn Store),
    }
}

/// The end of a build: waits for what is still to be written, and warns of what the remote has done. An error if it was required and could not be
/// used. What is to be said with `-v` behind all else comes back.
pub(crate) fn finish(
    layered: Option<&Layered>,
    warn: &mut dyn FnMut(String),
) -> Result<Option<String>> {
    let Some(layered) = layered else { return Ok(None) };
    let uploader = layered.uploader.as_ref();
    let written = uploader.map(|uploader| uploader.drain(layered.asked.wait));
    if let Some(message) = layered.health.is_missed() {
        return Err(Trouble::Environment {
            message: wording::one_line(&message),
            help: Some("`--remote off` builds without it".to_owned()),
        });
    }
    let unshared = uploader.and_then(Uploader::unshared);
    layered.health.messages().into_iter().chain(unshared).for_each(warn);
    Ok(Some(layered.told(written)))
}

/// Says with `-v` what a remote was asked for.
pub(crate) fn tell(session: &Session, told: Option<String>) {
    if session.shell.verbosity >= Verbosity::Verbose
        && let Some(told) = told
    {
        session.shell.status("Remote", &wording::one_line(&told));
    }
}

impl Layered {
    /// What the remote was asked for, and what has been written.
    fn told(&self, written: Option<Written>) -> String {
        let counts = &self.fetcher.counts;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut told = format!(
            "{}: asked for {}, brought {} ({})",
            self.asked.place.host,
            wording::count(read(&counts.entries_asked) as usize, "key"),
            wording::count(read(&counts.blobs) as usize, "blob"),
            quantity::size(read(&counts.bytes)),
        );
        if let Some(written) = written {
            let results = wording::count(written.results, "result");
            told += &format!(", wrote {results} ({})", quantity::size(written.bytes));
            if written.left > 0 {
                told += &format!("; {} left for a later build", written.left);
            }
        }
        told
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The result of a key that the local cache does not have.
    fn remote_result(&self, key: &Key) -> std::result::Result<Option<ActionResult>, StoreError> {
        if self.known().missed.contains(key) {
            return Ok(None);
        }
        let result = match self.fetcher.result(key) {
            Some((result, entry)) => {
                let is_whole = self.looks_only || self.fetcher.bring(key, &result, &entry)?;
                is_whole.then_some(result)
            }
            None => None,
        };
        let mut known = self.known();
        match &result {
            Some(_) => known.taken.insert(*key),
            None => known.missed.insert(*key),
        };
        Ok(result)
    }

    fn save_remotely(&self, kind: Kind, key: &Key, origin: Option<&Origin>) {
        if let Some(uploader) = &self.uploader {
            uploader.save(kind, *key, origin.map(Limits::new).unwrap_or_default());
        }
    }
}

impl Store for Layered {
    fn name(&self) -> &str {
        self.local.name()
    }

    fn source(&self, key: &Key) -> &str {
        match self.known().taken.contains(key) {
            true => &self.name,
            false => self.local.name(),
        }
    }

    fn lanes(&self) -> usize {
        AT_ONCE
    }

    fn result(&self, key: &Key) -> std::result::Result<Option<ActionResult>, StoreError> {
        let local = self.local.result(key);
        if matches!(local, Ok(Some(_))) {
            return local;
        }
        match self.remote_result(key)? {
            Some(result) => Ok(Some(result)),
            None => local,
        }
    }

    fn fetch(&self, blobs: &[(Digest, PathBuf)]) -> std::result::Result<(), StoreError> {
        self.local.fetch(blobs)
    }

    fn save_files(&self, files: &[PathBuf]) -> std::result::Result<Vec<Digest>, StoreError> {
        self.local.save_files(files)
    }

    fn save_result(&self, key: &Key, result: &ActionResult) -> std::result::Result<(), StoreError> {
        self.local.save_result(key, result)?;
        self.known().taken.remove(key);
        Ok(())
    }

    fn share(&self, key: &Key, origin: &Origin) {
        self.save_remotely(Kind::Result, key, Some(origin));
    }

    fn found(&self, key: &Key) -> std::result::Result<Vec<FoundSet>, StoreError> {
        let local = self.local.found(key);
        let remote = self.fetcher.entry(Kind::Found, key);
        let remote = remote.and_then(|entry| found::from_text(key, &entry.text).ok());
        let Some(remote) = remote else { return local };
        let mut sets = local.unwrap_or_default();
        let new: Vec<_> = remote.into_iter().filter(|set| !sets.contains(set)).collect();
        sets.extend(new);
        Ok(sets)
    }

    fn save_found(&self, key: &Key, set: &FoundSet) -> std::result::Result<(), StoreError> {
        self.local.save_found(key, set)?;
        self.save_remotely(Kind::Found, key, None);
        Ok(())
    }

    fn made_with(&self, without_tools: &Key) -> std::result::Result<Vec<MadeWith>, StoreError> {
        let local = self.local.made_with(without_tools);
        let remote = self.fetcher.entry(Kind::MadeWith, without_tools);
        let remote = remote.and_then(|entry| {
            made_with::from_text(without_tools, std::str::from_utf8(&entry.text).ok()?)
        });
        let Some(remote) = remote else { return local };
        let mut all = local.unwrap_or_default();
        let new: Vec<_> = remote.into_iter().filter(|made| !all.contains(made)).collect();
        all.extend(new);
        Ok(all)
    }

    fn note_made_with(
        &self,
        without_tools: &Key,
        made: &MadeWith,
    ) -> std::result::Result<(), StoreError> {
        self.local.note_made_with(without_tools, made)?;
        self.save_remotely(Kind::MadeWith, without_tools, None);
        Ok(())
    }
}
