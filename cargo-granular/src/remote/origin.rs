//! What is known of results that came from a remote: a file `origins/KEY/TEXT` for each, beside the local cache, with what was signed of it. TEXT is the hash of the result's text, so that what is
//! noted of one result takes the place of nothing that is noted of another one of the same key, which may be the one that the cache has: out of another domain, brought by another process, or still there since
//! this one could not be brought.
//!
//! ```text
//! granular-origin 1
//! remote "cache.example.com"
//! domain "main"
//! text HASH
//! signer "ci"
//! ```
//!
//! and behind that the statement as it was signed (see [`super::statement`]). There is no `signer` and no statement where nobody has signed, and anyone is believed. A result of which there is no
//! file was made here; one whose file cannot be read was not.

use super::statement::{Statement, Voucher};
use crate::cache::Cache;
use crate::format;
use crate::trust::domain::Domain;
use crate::trust::key::PublicKey;
use granular::canon::{self, Fields};
use granular::digest::{Hash, Key};
use granular::event::{Finished, Status};
use granular::result::ActionResult;
use granular::store::Store as _;
use granular::store::local::LocalStore;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// No file of this kind is larger, in bytes.
const SIZE_MAX: u64 = 16 * 1024;

/// A younger note may be there before its result.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// Fewer than these are never looked through for such as are of no use any more.
const FEW: usize = 1000;

/// What is known of the results in a cache.
#[derive(Clone)]
pub(crate) struct Origins {
    dir: PathBuf,
    store: Arc<LocalStore>,
}

/// Where a result came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    /// The host.
    pub(crate) remote: String,
    pub(crate) domain: Domain,
    /// What the one is called here who has signed it.
    pub(crate) signer: Option<String>,
    /// His key.
    pub(crate) key: Option<PublicKey>,
    pub(crate) commit: Option<String>,
    pub(crate) run: Option<String>,
    pub(crate) platform: Option<String>,
    /// When it was signed, in seconds since 1970.
    pub(crate) time: Option<u64>,
}

impl Origins {
    /// Those of a cache.
    pub(crate) fn new(cache: &Cache) -> Self {
        Self { dir: cache.dir.join("origins"), store: Arc::clone(&cache.store) }
    }

    /// Where the result came from that a step was restored from; `None` for one that was not.
    pub(crate) fn of_restored(&self, finished: &Finished) -> Option<Origin> {
        let key = finished.key.filter(|_| matches!(finished.status, Status::Restored { .. }))?;
        // Most have none, and that is seen without reading the result.
        self.dir_of(&key).exists().then_some(())?;
        self.of(&key, &self.store.result(&key).ok()??)
    }

    /// Notes where the result with that text came from. False where it cannot be noted: such a result would be taken for one of this machine.
    #[must_use]
    pub(super) fn keep(
        &self,
        key: &Key,
        text: &[u8],
        remote: &str,
        domain: &Domain,
        voucher: &Voucher,
    ) -> bool {
        let mut note = format!("granular-origin {}\nremote", format::ORIGIN);
        canon::quote(&mut note, remote);
        note.push_str("\ndomain");
        canon::quote(&mut note, domain.as_str());
        let text = Hash::of(text);
        note.push_str(&format!("\ntext {text}\n"));
        if let Some(signer) = &voucher.signer {
            note.push_str("signer");
            canon::quote(&mut note, signer);
            note.push('\n');
            note.push_str(&voucher.statement);
        }
        let dir = self.dir_of(key);
        let new = dir.join(format!("new-{}-{text}", std::process::id()));
        let _ = private_dir(&dir);
        let kept = fs::write(&new, note).and_then(|()| fs::rename(&new, self.path(key, &text)));
        if kept.is_err() {
            let _ = fs::remove_file(&new);
        }
        kept.is_ok()
    }

    fn dir_of(&self, key: &Key) -> PathBuf {
        self.dir.join(key.to_string())
    }

    fn path(&self, key: &Key, text: &Hash) -> PathBuf {
        self.dir_of(key).join(text.to_string())
    }

    /// Where it is noted where this result came from. Most results are of this machine, and that is seen without their hash.
    fn noted(&self, key: &Key, result: &ActionResult) -> Option<(PathBuf, Hash)> {
        let is_absent = |path: &Path| {
            path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
        };
        if is_absent(&self.dir_of(key)) {
            return None;
        }
        let text = Hash::of(result.to_text(key).as_bytes());
        let path = self.path(key, &text);
        (!is_absent(&path)).then_some((path, text))
    }

    /// Whether this result came from a remote, whatever else is known of it.
    pub(super) fn has(&self, key: &Key, result: &ActionResult) -> bool {
        self.noted(key, result).is_some()
    }

    /// Where this result came from; `None` if it was made on this machine, or nothing is known.
    pub(crate) fn of(&self, key: &Key, result: &ActionResult) -> Option<Origin> {
        let (path, text) = self.noted(key, result)?;
        let mut note = String::new();
        // One that is larger ends in its middle, and is none.
        File::open(path).ok()?.take(SIZE_MAX).read_to_string(&mut note).ok()?;
        let (of, origin) = read(&note)?;
        (of == text).then_some(origin)
    }

    /// Takes away what is known of results that the cache does not have any more.
    pub(crate) fn prune(&self) {
        let entries = |dir: &Path| fs::read_dir(dir).into_iter().flatten().flatten();
        for of_key in entries(&self.dir) {
            let key = of_key.file_name().to_str().and_then(Hash::parse).map(Key);
            if key.is_none_or(|key| self.store.has_result(&key)) {
                continue;
            }
            for note in entries(&of_key.path()) {
                let modified = note.metadata().and_then(|metadata| metadata.modified());
                let age = modified.ok().and_then(|modified| modified.elapsed().ok());
                if age.is_some_and(|age| age > GRACE) {
                    let _ = fs::remove_file(note.path());
                }
            }
            // Which it is not where another one is noted meanwhile.
            let _ = fs::remove_dir(of_key.path());
        }
    }

    /// The same where there may be many.
    pub(super) fn prune_many(&self) {
        let count = fs::read_dir(&self.dir).map_or(0, Iterator::count);
        if count > FEW {
            self.prune();
        }
    }
}

/// Makes a directory that only the user can read, and those above it.
pub(super) fn private_dir(dir: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// The hash of the result's text, and where it came from.
fn read(note: &str) -> Option<(Hash, Origin)> {
    let mut rest = note.strip_prefix(&format!("granular-origin {}\n", format::ORIGIN))?;
    let mut next = |tag: &str| {
        let (line, behind) = rest.split_once('\n')?;
        let mut fields = Fields::new(line);
        (fields.word()? == tag).then(|| rest = behind)?;
        Some(fields)
    };
    let remote = next("remote")?.text()?;
    let domain = Domain::parse(&next("domain")?.text()?)?;
    let text = Hash::parse(next("text")?.word()?)?;
    let signer = match next("signer") {
        Some(mut fields) => Some(fields.text()?),
        None => None,
    };
    let said = match signer {
        Some(_) => Some(Statement::verified(rest.as_bytes()).ok()?),
        None => None,
    };
    let said = said.as_ref();
    let origin = Origin {
        remote,
        domain,
        signer,
        key: said.map(|said| said.by),
        commit: said.and_then(|said| said.commit.clone()),
        run: said.and_then(|said| said.run.clone()),
        platform: said.map(|said| said.platform.clone()),
        time: said.map(|said| said.time),
    };
    Some((text, origin))
}

impl Origin {
    /// As what follows "signed by ".
    pub(crate) fn by(&self) -> String {
        match (&self.signer, &self.key) {
            (Some(signer), Some(key)) => format!("{signer} ({key}) for the domain {}", self.domain),
            _ => format!("nobody, in the domain {}", self.domain),
        }
    }

    /// "at commit C, in the run URL, on PLATFORM"; empty if nothing is known.
    pub(crate) fn made(&self) -> String {
        let commit = self.commit.as_ref().map(|commit| format!("at commit {commit}"));
        let run = self.run.as_ref().map(|run| format!("in the run {run}"));
        let platform = self.platform.as_ref().map(|platform| format!("on {platform}"));
        let told: Vec<String> = [commit, run, platform].into_iter().flatten().collect();
        told.join(", ")
    }
}
