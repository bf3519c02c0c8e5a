//! Keeps a store within its limits: forgets what was not used for longest.

use super::listing::{Item, Listing};
use super::{GRACE, LocalStore, file, io_error, parallel, read_result};
use crate::digest::{Hash, Key};
use crate::ordered;
use crate::own_file;
use crate::store::{Store as _, StoreError};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// What a collection leaves at most.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GcLimit {
    /// The sum of the lengths of all files of the store, in bytes.
    pub max_size: Option<u64>,
    /// How long ago a result may have been used last.
    pub max_age: Option<Duration>,
}

/// What a collection did, or would do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GcReport {
    /// Results that were taken away.
    pub results_removed: usize,
    /// Blobs that were taken away.
    pub blobs_removed: usize,
    /// Files that a write which came to no end had left.
    pub temporary_removed: usize,
    /// Results that are left.
    pub results_kept: usize,
    /// Blobs that are left.
    pub blobs_kept: usize,
    /// The size before, in bytes.
    pub bytes_before: u64,
    /// The size after, in bytes.
    pub bytes_after: u64,
}

/// What leads to a result is saved and used this shortly before or after it.
const TOGETHER: Duration = Duration::from_secs(60);

/// What is to go.
#[derive(Debug, Default)]
struct Plan {
    results: Vec<Item>,
    blobs: Vec<Item>,
    /// Sets of found files.
    found: Vec<Item>,
    /// Notes on results of which none is left.
    made_with: Vec<Item>,
    temporary: Vec<(PathBuf, Item)>,
}

/// The lock of the one collection.
enum GcLock {
    /// This one's, as far as the file system has locks.
    Held(File),
    /// Another collection's.
    Elsewhere,
}

/// A blob while a plan is made.
#[derive(Debug)]
struct Blob {
    item: Item,
    /// How many results that stay name it.
    names: usize,
    /// When a result that goes and that names it was last used, the latest of them.
    freed: Option<SystemTime>,
}

impl Blob {
    /// A result that names it goes.
    fn free(&mut self, result: &Item) {
        self.freed = self.freed.max(Some(result.modified));
    }

    /// Whether nobody counts on it: a result is filed after its blobs, so one that was used later than the results that go is about
    /// to be named by another.
    fn is_idle(&self, now: SystemTime) -> bool {
        let modified = self.item.modified;
        let was_theirs = self.freed.is_some_and(|freed| modified <= freed);
        self.names == 0 && (was_theirs || file::age(now, modified) > GRACE)
    }
}

impl LocalStore {
    /// Takes away damaged results, then results that are older than the limit, then those that were not used for longest until the size fits;
    /// blobs that no result names then; and what interrupted writes have left. Blobs that no result ever named are spared
    /// for an hour, since a running build may be about to name them: only they can keep the store above the limit.
    ///
    /// With `dry_run` nothing is changed. `None` if another collection is at work.
    pub fn gc(&self, limit: GcLimit, dry_run: bool) -> Result<Option<GcReport>, StoreError> {
        self.collect(limit, dry_run).map_err(|error| io_error("cannot clean up", &self.dir, error))
    }

    fn collect(&self, limit: GcLimit, dry_run: bool) -> io::Result<Option<GcReport>> {
        if fs::metadata(&self.dir).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Ok(Some(GcReport::default()));
        }
        // Held until this function ends. The kernel lets go of it when the process dies.
        let _lock = match dry_run {
            true => None,
            false => match self.gc_lock()? {
                GcLock::Elsewhere => return Ok(None),
                GcLock::Held(file) => Some(file),
            },
        };
        let listing = self.listing()?;
        let plan = self.plan(&listing, limit, SystemTime::now())?;
        let mut report = GcReport {
            results_kept: listing.results.len(),
            blobs_kept: listing.blobs.len(),
            bytes_before: listing.bytes(),
            bytes_after: listing.bytes(),
            ..GcReport::default()
        };
        match dry_run {
            true => plan.foretell(&mut report),
            false => {
                self.carry_out(&plan, &listing, &mut report)?;
                let _ = self.set_usage(report.bytes_after);
            }
        }
        Ok(Some(report))
    }

    fn gc_lock(&self) -> io::Result<GcLock> {
        let path = self.dir.join("gc.lock");
        let file = match file::create_private(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                own_file::clear_the_way(&path)?;
                match file::open_to_append(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        file::create_private(&path)?
                    }
                    opened => opened?,
                }
            }
            made => made?,
        };
        Ok(match file.try_lock() {
            Err(TryLockError::WouldBlock) => GcLock::Elsewhere,
            // A file system without locks: two collections at once cost misses, no collection costs the disk.
            Ok(()) | Err(TryLockError::Error(_)) => GcLock::Held(file),
        })
    }

    fn plan(&self, listing: &Listing, limit: GcLimit, now: SystemTime) -> io::Result<Plan> {
        let mut plan = Plan { temporary: listing.old_temporary(now), ..Plan::default() };
        let mut blobs: HashMap<Hash, Blob> = listing
            .blobs
            .iter()
            .map(|item| (item.hash, Blob { item: *item, names: 0, freed: None }))
            .collect();
        let is_outdated = |item: &Item| {
            limit.max_age.is_some_and(|max_age| file::age(now, item.modified) > max_age)
        };
        let mut kept = Vec::new();
        for (item, names) in self.named(&listing.results)? {
            match names {
                Some(names) if !is_outdated(&item) => {
                    each(&mut blobs, &names, |blob| blob.names += 1);
                    kept.push((item, names));
                }
                names => {
                    each(&mut blobs, &names.unwrap_or_default(), |blob| blob.free(&item));
                    plan.results.push(item);
                }
            }
        }
        let idle = blobs.values().filter(|blob| blob.is_idle(now));
        plan.blobs = idle.map(|blob| blob.item).collect();
        plan.found = listing.found.iter().copied().filter(is_outdated).collect();
        if let Some(max_size) = limit.max_size {
            let before = plan.results.len();
            plan.shrink(listing.bytes(), max_size, now, kept, &mut blobs);
            // What leads to results goes with those that were used last at the same time.
            let went = plan.results.get(before..).unwrap_or_default();
            if let Some(until) = went.iter().map(|item| item.modified).max() {
                let goes = |item: &&Item| item.modified <= until + TOGETHER && !is_outdated(item);
                plan.found.extend(listing.found.iter().filter(goes));
            }
        }
        plan.made_with = self.idle_notes(listing, &plan.results);
        Ok(plan)
    }

    /// The notes that lead to none of the results that stay. One that cannot be read leads nowhere.
    fn idle_notes(&self, listing: &Listing, going: &[Item]) -> Vec<Item> {
        let going: HashSet<Hash> = going.iter().map(|item| item.hash).collect();
        let all = listing.results.iter().map(|item| item.hash);
        let stay: HashSet<Hash> = all.filter(|hash| !going.contains(hash)).collect();
        let leads_there = |note: &&Item| {
            let made = self.made_with(&Key(note.hash)).unwrap_or_default();
            made.iter().any(|made| stay.contains(&made.key.0))
        };
        listing.made_with.iter().filter(|note| !leads_there(note)).copied().collect()
    }

    /// The blobs that each result names, each once; `None` for one that is damaged. Results that have vanished are left out.
    fn named(&self, results: &[Item]) -> io::Result<Vec<(Item, Option<HashSet<Hash>>)>> {
        let read = |item: &Item, _: &mut Vec<u8>| self.names(item);
        let named = parallel::map(results, parallel::threads(results.len(), 0), read)?;
        Ok(named.into_iter().flatten().collect())
    }

    fn names(&self, item: &Item) -> io::Result<Option<(Item, Option<HashSet<Hash>>)>> {
        let key = Key(item.hash);
        let result =
            match file::open(&self.result_path(&key)).and_then(|file| read_result(&key, &file)) {
                Ok(result) => result.ok(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
        let names = result.map(|result| result.blobs().map(|digest| digest.hash).collect());
        Ok(Some((*item, names)))
    }

    fn carry_out(&self, plan: &Plan, listing: &Listing, report: &mut GcReport) -> io::Result<()> {
        self.make_directories()?;
        for item in &plan.results {
            if self.remove(&self.result_path(&Key(item.hash)), item)? {
                report.results_removed += 1;
                report.results_kept -= 1;
                report.bytes_after -= item.size;
            }
        }
        for item in &plan.found {
            if self.remove(&self.found_path(&Key(item.hash)), item)? {
                report.bytes_after -= item.size;
            }
        }
        let named = self.named_meanwhile(plan, listing)?;
        for item in plan.blobs.iter().filter(|item| !named.contains(&item.hash)) {
            if self.remove(&self.blob_path(&item.hash), item)? {
                report.blobs_removed += 1;
                report.blobs_kept -= 1;
                report.bytes_after -= item.size;
            }
        }
        for item in &plan.made_with {
            if self.remove(&self.made_with_path(&Key(item.hash)), item)? {
                report.bytes_after -= item.size;
            }
        }
        for (path, item) in &plan.temporary {
            if self.remove(path, item)? {
                report.temporary_removed += 1;
                report.bytes_after -= item.size;
            }
        }
        Ok(())
    }

    /// Removes a file, unless it was used or replaced since it was listed. True if it is gone. It is moved aside before it is looked at: who
    /// notes a use of it afterwards does not find it in its place any more.
    fn remove(&self, path: &Path, listed: &Item) -> io::Result<bool> {
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        let aside = self.temporary_path();
        match fs::rename(path, &aside) {
            Err(error) if gone(&error) => return Ok(true),
            moved => moved?,
        }
        let is_as_listed = fs::symlink_metadata(&aside)?.modified()? == listed.modified;
        if !is_as_listed && fs::symlink_metadata(path).is_err_and(|error| gone(&error)) {
            fs::rename(&aside, path)?;
            return Ok(false);
        }
        match fs::remove_file(&aside) {
            Err(error) if !gone(&error) => Err(error),
            _ => Ok(is_as_listed),
        }
    }

    /// Blobs that are named by results which the plan does not know to stay: filed or used again since it was made.
    fn named_meanwhile(&self, plan: &Plan, listing: &Listing) -> io::Result<HashSet<Hash>> {
        let mut stay: HashSet<Hash> = listing.results.iter().map(|item| item.hash).collect();
        for item in &plan.results {
            stay.remove(&item.hash);
        }
        let mut unknown = Vec::new();
        let mut results = self.items("results", &mut unknown)?;
        results.retain(|item| !stay.contains(&item.hash));
        Ok(self.named(&results)?.into_iter().filter_map(|(_, names)| names).flatten().collect())
    }
}

impl Plan {
    /// Adds results of `kept`, those that were not used for longest first, until no more than `max_size` of `bytes` will be left.
    fn shrink(
        &mut self,
        bytes: u64,
        max_size: u64,
        now: SystemTime,
        mut kept: Vec<(Item, HashSet<Hash>)>,
        blobs: &mut HashMap<Hash, Blob>,
    ) {
        let mut bytes = bytes.saturating_sub(self.bytes());
        ordered::sort_by_key(&mut kept, |(item, _)| (item.modified, item.hash));
        for (item, names) in kept {
            if bytes <= max_size {
                break;
            }
            self.results.push(item);
            bytes = bytes.saturating_sub(item.size);
            each(blobs, &names, |blob| {
                blob.names -= 1;
                blob.free(&item);
                if blob.is_idle(now) {
                    self.blobs.push(blob.item);
                    bytes = bytes.saturating_sub(blob.item.size);
                }
            });
        }
    }

    fn bytes(&self) -> u64 {
        let items = self
            .results
            .iter()
            .chain(&self.blobs)
            .chain(&self.found)
            .chain(&self.made_with)
            .chain(self.temporary.iter().map(|(_, item)| item));
        items.fold(0, |sum, item| sum.saturating_add(item.size))
    }

    fn foretell(&self, report: &mut GcReport) {
        report.results_removed = self.results.len();
        report.results_kept -= self.results.len();
        report.blobs_removed = self.blobs.len();
        report.blobs_kept -= self.blobs.len();
        report.temporary_removed = self.temporary.len();
        report.bytes_after -= self.bytes();
    }
}

impl Listing {
    /// Files in `tmp/` that nobody is writing any more.
    fn old_temporary(&self, now: SystemTime) -> Vec<(PathBuf, Item)> {
        let old =
            self.temporary.iter().filter(|temporary| file::age(now, temporary.modified) > GRACE);
        let nameless = Hash::from_bytes([0; 32]);
        old.map(|temporary| {
            (
                temporary.path.clone(),
                Item { hash: nameless, size: temporary.size, modified: temporary.modified },
            )
        })
        .collect()
    }
}

fn each(blobs: &mut HashMap<Hash, Blob>, names: &HashSet<Hash>, mut act: impl FnMut(&mut Blob)) {
    for name in names {
        if let Some(blob) = blobs.get_mut(name) {
            act(blob);
        }
    }
}
