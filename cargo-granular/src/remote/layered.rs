//! The store of a build that has a remote: the local cache, with the remote behind it. What the local cache does not have is brought into it and
//! restored from there.

use super::ask::{self, Asked};
use super::fetch::{AT_ONCE, Counts, Fetcher};
use super::grpc::Grpc;
use super::health::Health;
use super::http::Http;
use super::name::{Kind, Name};
use super::native::Limits;
use super::object::Objects;
use super::origin::Origins;
use super::place::Scheme;
use super::signer::Signer;
use super::standing::Standing;
use super::statement::About;
use super::upload::{Uploader, Written};
use super::wire::Wire;
use crate::cache::Cache;
use crate::cli::RemoteFlags;
use crate::quantity;
use crate::session::Session;
use crate::shell::Verbosity;
use crate::trouble::{Result, Trouble};
use crate::trust::domain::Domain;
use crate::trust::files::{self, Files};
use crate::trust::list::Trust;
use crate::wording;
use granular::digest::{Digest, Key};
use granular::execute::Stop;
use granular::found::{self, FoundSet};
use granular::project::Project;
use granular::result::ActionResult;
use granular::store::local::LocalStore;
use granular::store::made_with::{self, MadeWith};
use granular::store::{Origin, Store, StoreError};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The local cache, with a remote behind it.
pub(crate) struct Layered {
    local: Arc<LocalStore>,
    asked: Asked,
    /// What messages call the remote.
    name: String,
    health: Arc<Health>,
    /// The domains that are read, in this order.
    domains: Vec<Domain>,
    /// Who is believed; nothing is read where nobody is.
    trust: Option<Trust>,
    /// Whether something was looked for, although nobody is believed.
    was_missed: AtomicBool,
    /// Where it is noted where results came from.
    origins: Origins,
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
    project: &Project,
    cache: Option<&Cache>,
    stop: &Stop,
    looks_only: bool,
) -> Result<Option<Layered>> {
    let offline = session.common.offline
        || session.common.frozen
        || session.variable("CARGO_NET_OFFLINE") == Some("true");
    let setting = project.config.settings.remote.as_deref();
    let asked = ask::asked(flags, &session.env, setting, offline)?;
    let (Some(mut asked), Some(cache)) = (asked, cache) else { return Ok(None) };
    let root = &project.workspace.root;
    let files = Files::new(&session.env, &session.dir, Some(root));
    let own = files.own()?;
    let trust = files.trust(own.as_ref())?;
    let standing = Standing::new(&session.env, trust, own)?;
    if let (None, Some(why)) = (&asked.read_only, &standing.silent) {
        asked.warnings.push(format!("nothing is written to the remote cache: {why}"));
        asked.read_only = Some(why.clone());
    }
    if standing.trust.is_none() && asked.is_required {
        return Err(Trouble::Environment { message: nobody(&asked.place.host), help: None });
    }
    asked.warnings.iter().for_each(|warning| session.shell.warn(warning));
    let host = asked.place.host.clone();
    if session.shell.verbosity >= Verbosity::Verbose {
        let how = match &asked.read_only {
            Some(why) => format!("read-only: {why}"),
            None => "read and written".to_owned(),
        };
        let told = format!("{host}, domain {}, {how}", standing.domain);
        session.shell.status("Remote", &wording::one_line(&told));
    }
    let health =
        Arc::new(Health::new(host.clone(), asked.is_required, asked.way_in(), stop.clone()));
    let wire: Arc<dyn Wire> = match asked.place.scheme {
        Scheme::Grpc => Arc::new(Grpc::new(&asked)),
        Scheme::S3 | Scheme::Gs | Scheme::Az => Arc::new(Objects::new(&asked, &session.env)?),
        Scheme::Http => Arc::new(Http::new(&asked)),
    };
    let local = Arc::clone(&cache.store);
    let domains = standing.reads();
    let trust = standing.trust.clone().unwrap_or(Trust::These(Vec::new()));
    let fetcher = Fetcher::new(
        Arc::clone(&wire),
        Arc::clone(&health),
        Arc::clone(&local),
        cache.max_size,
        trust.clone(),
    );
    let origins = Origins::new(cache);
    let may_write = asked.read_only.is_none() && !looks_only;
    let uploader = may_write.then(|| {
        let notes = notes(cache, &asked, &standing.domain);
        let signer = Signer::new(&standing, &session.env, root);
        let (health, local) = (Arc::clone(&health), Arc::clone(&local));
        Uploader::new(wire, health, local, origins.clone(), notes, signer, trust)
    });
    uploader.iter().for_each(Uploader::resume);
    let name = format!("remote {host}");
    let (known, was_missed) = (Mutex::default(), AtomicBool::new(false));
    Ok(Some(Layered {
        local,
        asked,
        name,
        health,
        domains,
        trust: standing.trust,
        was_missed,
        origins,
        fetcher,
        uploader,
        looks_only,
        known,
    }))
}

/// Where it is noted what is to be written to a remote, in one domain: what a pull request has left to write is nothing that `main` has made.
fn notes(cache: &Cache, asked: &Asked, domain: &Domain) -> PathBuf {
    let whereto = format!("{}\n{domain}", asked.place.base);
    cache.dir.join("uploads").join(Name::of(whereto.as_bytes()).to_string())
}

/// That nobody is believed.
fn nobody(host: &str) -> String {
    format!(
        "nothing is read from the remote cache at {host}, since it is not said whose results are trusted: `cargo granular keys trust 'LINE'` with a line that `keys` shows on the machine that writes there, or {}=anyone where only those can write who may",
        files::TRUST
    )
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

/// What the end of a build tells.
pub(crate) enum AtEnd {
    /// It waits for what is written.
    Writing(Writing),
    Warning(String),
}

/// How far writing to a remote has come.
#[derive(Clone, Debug)]
pub(crate) struct Writing {
    /// What messages call the remote.
    pub(crate) host: String,
    /// How many results, and notes beside them, are written.
    pub(crate) done: usize,
    /// Of how many.
    pub(crate) of: usize,
    /// For how long nothing else has been done.
    pub(crate) waited: Duration,
}

/// What arrives from a remote, to be looked at while it does.
pub(crate) struct Arriving {
    /// What messages call the remote.
    pub(crate) host: String,
    counts: Arc<Counts>,
}

impl Arriving {
    /// How many bytes have arrived in this build.
    pub(crate) fn bytes(&self) -> u64 {
        self.counts.arrived.load(Ordering::Relaxed)
    }
}

/// The end of a build: waits for what is still to be written, and warns of what the remote has done. An error if it was required and could not be
/// used. What is to be said with `-v` behind all else comes back.
pub(crate) fn finish(
    layered: Option<&Layered>,
    tell: &mut dyn FnMut(AtEnd),
) -> Result<Option<String>> {
    let Some(layered) = layered else { return Ok(None) };
    let uploader = layered.uploader.as_ref();
    let host = &layered.asked.place.host;
    let mut waiting = |done, of, waited| {
        tell(AtEnd::Writing(Writing { host: host.clone(), done, of, waited }));
    };
    let written = uploader.map(|uploader| uploader.drain(layered.asked.wait, &mut waiting));
    if let Some(message) = layered.health.is_missed() {
        return Err(Trouble::Environment {
            message: wording::one_line(&message),
            help: Some("`--remote off` builds without it".to_owned()),
        });
    }
    let unshared = uploader.map(Uploader::unshared).unwrap_or_default();
    let was_missed = layered.was_missed.load(Ordering::Relaxed);
    let nobody = was_missed.then(|| nobody(&layered.asked.place.host));
    let late = written.and_then(|written| late(layered, written));
    let messages = nobody.into_iter().chain(layered.health.messages());
    messages.chain(late).chain(unshared).map(AtEnd::Warning).for_each(tell);
    if !layered.known().taken.is_empty() && !layered.looks_only {
        layered.origins.prune_many();
    }
    Ok(Some(layered.told(written)))
}

/// That the time was up before all was written. Who gave it none knows that.
fn late(layered: &Layered, written: Written) -> Option<String> {
    let Asked { place, wait, .. } = &layered.asked;
    (written.is_late && !wait.is_zero()).then(|| {
        format!(
            "not all is written to the remote cache at {} after {} s (GRANULAR_REMOTE_WAIT says how long the end of a build waits for that): {} left for a later build",
            place.host,
            wait.as_secs(),
            written.left
        )
    })
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
    /// What arrives from now on.
    pub(crate) fn arriving(&self) -> Arriving {
        let (host, counts) = (self.asked.place.host.clone(), Arc::clone(&self.fetcher.counts));
        Arriving { host, counts }
    }

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
        let mut result = None;
        for domain in self.asked_domains() {
            let Some((found, entry, voucher)) = self.fetcher.result(key, domain) else { continue };
            if self.looks_only {
                result = Some(found);
                break;
            }
            // Before the result, so that there is none whose origin could be taken for this machine.
            let host = &self.asked.place.host;
            let is_noted = self.origins.keep(key, &entry.text, host, domain, &voucher);
            if is_noted && self.fetcher.bring(key, &found, &entry)? {
                result = Some(found);
                break;
            }
        }
        let mut known = self.known();
        match &result {
            Some(_) => known.taken.insert(*key),
            None => known.missed.insert(*key),
        };
        Ok(result)
    }

    /// The domains that are asked; notes where none is that something was looked for.
    fn asked_domains(&self) -> &[Domain] {
        self.was_missed.fetch_or(self.trust.is_none(), Ordering::Relaxed);
        if self.trust.is_some() { &self.domains } else { &[] }
    }

    /// Whether a result of the local cache came from a remote, and would not be taken from there now: it is out of a domain that is not read here, such as that of a pull request which was
    /// built on this machine, or signed by somebody who is not trusted any more.
    fn is_foreign(&self, key: &Key, result: &ActionResult) -> bool {
        let Some(origin) = self.origins.of(key, result) else {
            // What came from somewhere and cannot be said from where.
            return self.origins.has(key, result);
        };
        let is_believed = match &self.trust {
            None => false,
            // Those who can write there are trusted, and not those who can elsewhere: in a pull request the checkout can name any place.
            Some(Trust::Anyone) => origin.remote == self.asked.place.host,
            Some(trust) => {
                origin.key.is_some_and(|key| trust.holder(&key, &origin.domain).is_some())
            }
        };
        !is_believed || !self.domains.contains(&origin.domain)
    }

    /// What the remote says of a key in each of the domains.
    fn entries(&self, kind: Kind, key: &Key) -> Vec<Vec<u8>> {
        let about = |domain: &Domain| About { kind, key: *key, domain: domain.clone() };
        let entries = self.asked_domains().iter().filter_map(|it| self.fetcher.entry(&about(it)));
        entries.map(|(entry, _)| entry.text).collect()
    }

    fn save_remotely(&self, kind: Kind, key: &Key, origin: Option<&Origin>) {
        if let Some(uploader) = &self.uploader {
            let limits = origin.map(|origin| Limits::new(origin, uploader.env()));
            uploader.save(kind, *key, limits.unwrap_or_default());
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
        let local = match self.local.result(key) {
            Ok(Some(result)) if self.is_foreign(key, &result) => Ok(None),
            local => local,
        };
        if matches!(local, Ok(Some(_))) {
            return local;
        }
        match self.remote_result(key)? {
            Some(result) => Ok(Some(result)),
            None => local,
        }
    }

    fn stands_by(&self, key: &Key, result: &ActionResult) -> bool {
        !self.is_foreign(key, result)
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
        let remote = self.entries(Kind::Found, key);
        if remote.is_empty() {
            return local;
        }
        let mut sets = local.unwrap_or_default();
        for set in remote.iter().filter_map(|text| found::from_text(key, text).ok()).flatten() {
            if !sets.contains(&set) {
                sets.push(set);
            }
        }
        Ok(sets)
    }

    fn save_found(&self, key: &Key, set: &FoundSet) -> std::result::Result<(), StoreError> {
        self.local.save_found(key, set)?;
        self.save_remotely(Kind::Found, key, None);
        Ok(())
    }

    fn made_with(&self, without_tools: &Key) -> std::result::Result<Vec<MadeWith>, StoreError> {
        let local = self.local.made_with(without_tools);
        let remote = self.entries(Kind::MadeWith, without_tools);
        if remote.is_empty() {
            return local;
        }
        let mut all = local.unwrap_or_default();
        let read =
            |text: &Vec<u8>| made_with::from_text(without_tools, std::str::from_utf8(text).ok()?);
        for made in remote.iter().filter_map(read).flatten() {
            if !all.contains(&made) {
                all.push(made);
            }
        }
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
