//! What holds for every store, and what holds for the one in a directory.

use granular::content::{Content, Output};
use granular::digest::{Digest, Hash, Key};
use granular::found::FoundSet;
use granular::path::{Base, OutputPath, RelPath};
use granular::result::ActionResult;
use granular::store::local::{FindingKind, GcLimit, LocalStore};
use granular::store::made_with::MadeWith;
use granular::store::memory::{Counts, MemoryStore};
use granular::store::{Store, StoreError};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// A directory that is removed in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "granular-store-{}-{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn store(&self) -> LocalStore {
        LocalStore::open(&self.0.join("cache"))
    }

    /// All files of the store, relative to its directory.
    fn stored(&self) -> BTreeSet<PathBuf> {
        let mut files = BTreeSet::new();
        let mut dirs = vec![self.0.join("cache/v1")];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                match path.is_dir() {
                    true => dirs.push(path),
                    false => drop(
                        files
                            .insert(path.strip_prefix(self.0.join("cache/v1")).unwrap().to_owned()),
                    ),
                }
            }
        }
        files
    }

    fn stored_bytes(&self) -> u64 {
        self.stored()
            .iter()
            .map(|path| self.0.join("cache/v1").join(path).metadata().unwrap().len())
            .sum()
    }

    fn blob(&self, hash: &Hash) -> PathBuf {
        self.0.join(format!("cache/v1/blobs/{}/{hash}", &hash.to_string()[..2]))
    }

    fn result(&self, key: &Key) -> PathBuf {
        self.0.join(format!("cache/v1/results/{}/{key}", &key.to_string()[..2]))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn key(text: &str) -> Key {
    Key(Hash::of(text.as_bytes()))
}

/// A result with one output for each digest.
fn result(digests: &[Digest]) -> ActionResult {
    let output = |(place, digest): (usize, &Digest)| Output {
        path: OutputPath {
            base: Base::Out,
            path: RelPath::new(format!("file-{place:04}")).unwrap(),
        },
        content: Content::File { digest: *digest, executable: false },
    };
    ActionResult {
        outputs: digests.iter().enumerate().map(output).collect(),
        log: None,
        duration: Duration::from_millis(12),
        made_ms: 1,
        made_in: "test".to_owned(),
    }
}

/// Saves a result with one file of its own and gives the digest of that.
fn save(store: &dyn Store, scratch: &Scratch, name: &str, bytes: &[u8]) -> Digest {
    let digest = store.save_files(&[scratch.file(name, bytes)]).unwrap()[0];
    store.save_result(&key(name), &result(&[digest])).unwrap();
    digest
}

fn set_age(path: &Path, age: Duration) {
    File::open(path).unwrap().set_modified(SystemTime::now() - age).unwrap();
}

fn age(path: &Path) -> Duration {
    path.metadata().unwrap().modified().unwrap().elapsed().unwrap_or_default()
}

/// What every store has to do. `new` makes an empty one.
fn store_contract(new: impl Fn() -> Box<dyn Store>) {
    what_was_saved_is_given_back(&*new());
    a_key_that_was_never_saved_is_a_plain_miss(&*new());
    a_blob_that_was_never_saved_is_missing(&*new());
    equal_bytes_are_fetched_as_often_as_asked(&*new());
    the_last_result_for_a_key_counts(&*new());
    sets_of_found_files_come_back_the_latest_first(&*new());
    a_file_that_is_there_is_not_overwritten(&*new());
    a_fetch_with_one_missing_blob_fails(&*new());
    a_wrong_size_is_not_served(&*new());
    many_threads_save_and_fetch_at_once(&*new());
    nothing_asked_is_nothing_done(&*new());
}

fn what_was_saved_is_given_back(store: &dyn Store) {
    let scratch = Scratch::new();
    let contents = [
        b"".to_vec(),
        b"small".to_vec(),
        vec![0xA5; 300_000],
        (0..=255).cycle().take(1 << 20).collect(),
    ];
    let files: Vec<_> = contents
        .iter()
        .enumerate()
        .map(|(n, bytes)| scratch.file(&format!("in-{n}"), bytes))
        .collect();
    let digests = store.save_files(&files).unwrap();
    assert_eq!(digests, contents.iter().map(|bytes| Digest::of(bytes)).collect::<Vec<_>>());

    let saved = ActionResult { log: Some(digests[1]), ..result(&digests) };
    store.save_result(&key("a"), &saved).unwrap();
    assert_eq!(store.result(&key("a")).unwrap(), Some(saved));

    let wanted: Vec<_> = digests
        .iter()
        .enumerate()
        .map(|(n, digest)| (*digest, scratch.0.join(format!("out-{n}"))))
        .collect();
    store.fetch(&wanted).unwrap();
    for ((_, path), bytes) in wanted.iter().zip(&contents) {
        assert_eq!(&fs::read(path).unwrap(), bytes);
    }
}

fn a_key_that_was_never_saved_is_a_plain_miss(store: &dyn Store) {
    assert_eq!(store.result(&key("never")).unwrap(), None);
}

fn a_blob_that_was_never_saved_is_missing(store: &dyn Store) {
    let scratch = Scratch::new();
    let digest = Digest::of(b"never");
    let to = scratch.0.join("to");
    assert!(
        matches!(store.fetch(&[(digest, to.clone())]), Err(StoreError::Missing(missing)) if missing == digest)
    );
    assert!(!to.exists());
}

fn equal_bytes_are_fetched_as_often_as_asked(store: &dyn Store) {
    let scratch = Scratch::new();
    let files = [scratch.file("a", "same"), scratch.file("b", "same")];
    let digests = store.save_files(&files).unwrap();
    assert_eq!(digests, [Digest::of(b"same"); 2]);
    let wanted = [(digests[0], scratch.0.join("c")), (digests[1], scratch.0.join("d"))];
    store.fetch(&wanted).unwrap();
    assert!(wanted.iter().all(|(_, path)| fs::read(path).unwrap() == b"same"));
}

fn the_last_result_for_a_key_counts(store: &dyn Store) {
    let scratch = Scratch::new();
    save(store, &scratch, "a", b"first");
    let second = store.save_files(&[scratch.file("b", "second")]).unwrap();
    store.save_result(&key("a"), &result(&second)).unwrap();
    assert_eq!(store.result(&key("a")).unwrap(), Some(result(&second)));
}

fn found(name: &str) -> FoundSet {
    FoundSet::new(vec![RelPath::new(name).unwrap()], vec!["/usr/include/stdio.h".to_owned()])
}

fn sets_of_found_files_come_back_the_latest_first(store: &dyn Store) {
    assert_eq!(store.found(&key("static")).unwrap(), []);
    for name in ["a.h", "b.h", "a.h", "a.h"] {
        store.save_found(&key("static"), &found(name)).unwrap();
    }
    store.save_found(&key("other"), &found("c.h")).unwrap();
    assert_eq!(store.found(&key("static")).unwrap(), [found("a.h"), found("b.h")]);
}

fn a_file_that_is_there_is_not_overwritten(store: &dyn Store) {
    let scratch = Scratch::new();
    let digest = save(store, &scratch, "a", b"bytes");
    let to = scratch.file("mine", "mine");
    assert!(store.fetch(&[(digest, to.clone())]).is_err());
    assert_eq!(fs::read(&to).unwrap_or_default(), b"mine");
}

fn a_fetch_with_one_missing_blob_fails(store: &dyn Store) {
    let scratch = Scratch::new();
    let digest = save(store, &scratch, "a", b"bytes");
    let missing = Digest::of(b"missing");
    let mut wanted: Vec<_> = (0..40).map(|n| (digest, scratch.0.join(format!("to-{n}")))).collect();
    wanted.insert(20, (missing, scratch.0.join("never")));
    assert!(matches!(store.fetch(&wanted), Err(StoreError::Missing(digest)) if digest == missing));
}

fn a_wrong_size_is_not_served(store: &dyn Store) {
    let scratch = Scratch::new();
    let digest = save(store, &scratch, "a", b"bytes");
    let to = scratch.0.join("to");
    let wrong = Digest { size: digest.size + 1, ..digest };
    assert!(matches!(store.fetch(&[(wrong, to.clone())]), Err(StoreError::Damaged { .. })));
    assert!(!to.exists());
}

fn many_threads_save_and_fetch_at_once(store: &dyn Store) {
    let scratch = Scratch::new();
    let scratch = &scratch;
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for round in 0..25 {
                    let own =
                        scratch.file(&format!("in-{thread}-{round}"), format!("{thread} {round}"));
                    let shared = scratch
                        .file(&format!("shared-{thread}-{round}"), format!("shared {round}"));
                    let digests = store.save_files(&[own, shared]).unwrap();
                    store.save_result(&key(&round.to_string()), &result(&digests)).unwrap();
                    let read = store.result(&key(&round.to_string())).unwrap().unwrap();
                    let to = |n: usize| scratch.0.join(format!("out-{thread}-{round}-{n}"));
                    let wanted: Vec<_> =
                        read.blobs().enumerate().map(|(n, digest)| (*digest, to(n))).collect();
                    store.fetch(&wanted).unwrap();
                    assert_eq!(fs::read_to_string(to(1)).unwrap(), format!("shared {round}"));
                }
            });
        }
    });
}

fn nothing_asked_is_nothing_done(store: &dyn Store) {
    store.fetch(&[]).unwrap();
    assert_eq!(store.save_files(&[]).unwrap(), []);
}

#[test]
fn the_memory_store_keeps_the_contract() {
    store_contract(|| Box::new(MemoryStore::new()));
}

#[test]
fn the_local_store_keeps_the_contract() {
    let scratch = Scratch::new();
    let count = AtomicUsize::new(0);
    let new = || scratch.0.join(count.fetch_add(1, Ordering::Relaxed).to_string());
    store_contract(|| Box::new(LocalStore::open(&new())));
}

#[test]
fn the_memory_store_counts_what_it_is_asked() {
    let scratch = Scratch::new();
    let store = MemoryStore::new();
    let digest = save(&store, &scratch, "a", b"bytes");
    store.fetch(&[(digest, scratch.0.join("x")), (digest, scratch.0.join("y"))]).unwrap();
    store.result(&key("a")).unwrap();
    store.result(&key("b")).unwrap();
    let counts =
        Counts { results_asked: 2, fetches: 1, blobs_asked: 2, files_saved: 1, results_saved: 1 };
    assert_eq!(store.counts(), counts);
}

#[test]
fn a_damaged_memory_store_gives_nothing_out() {
    let scratch = Scratch::new();
    let store = MemoryStore::new();
    let digest = save(&store, &scratch, "a", b"bytes");
    store.damage_blob(&digest.hash, Some(b"bites".to_vec()));
    assert!(matches!(
        store.fetch(&[(digest, scratch.0.join("x"))]),
        Err(StoreError::Damaged { .. })
    ));
    store.damage_result(&key("a"), Some(b"granular-result 1\n".to_vec()));
    assert!(matches!(store.result(&key("a")), Err(StoreError::Damaged { .. })));
    assert_eq!(store.result(&key("a")).unwrap(), None);
}

#[test]
fn asking_leaves_no_trace_on_disk() {
    let scratch = Scratch::new();
    let store = scratch.store();
    assert_eq!(store.result(&key("a")).unwrap(), None);
    assert!(store.fetch(&[(Digest::of(b"a"), scratch.0.join("a"))]).is_err());
    store.note_saved(100);
    assert!(!store.is_gc_due(0));
    assert_eq!(store.usage().unwrap().bytes, 0);
    assert_eq!(
        store
            .gc(GcLimit { max_size: Some(0), max_age: None }, false)
            .unwrap()
            .unwrap()
            .results_removed,
        0
    );
    assert_eq!(store.verify(true).unwrap().results, 0);
    assert!(!scratch.0.join("cache").exists());
}

#[test]
fn a_file_of_the_store_has_its_documented_place() {
    let scratch = Scratch::new();
    let digest = save(&scratch.store(), &scratch, "a", b"bytes");
    let relative =
        |path: PathBuf| path.strip_prefix(scratch.0.join("cache/v1")).unwrap().to_owned();
    let expected = [
        PathBuf::from("CACHEDIR.TAG"),
        relative(scratch.blob(&digest.hash)),
        relative(scratch.result(&key("a"))),
    ];
    assert_eq!(scratch.stored(), BTreeSet::from(expected));
    let tag = fs::read_to_string(scratch.0.join("cache/v1/CACHEDIR.TAG")).unwrap();
    assert!(tag.starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
}

#[cfg(unix)]
#[test]
fn only_the_user_can_read_the_store() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = Scratch::new();
    let digest = save(&scratch.store(), &scratch, "a", b"bytes");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let blob = scratch.blob(&digest.hash);
    assert_eq!(mode(&blob), 0o600);
    assert_eq!(mode(&scratch.result(&key("a"))), 0o600);
    for dir in blob.ancestors().skip(1).take_while(|dir| *dir != scratch.0) {
        assert_eq!(mode(dir), 0o700, "{}", dir.display());
    }
}

#[test]
fn a_fetched_file_is_independent_of_the_store() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let digest = save(&store, &scratch, "a", b"bytes");
    let to = scratch.0.join("to");
    store.fetch(&[(digest, to.clone())]).unwrap();
    fs::write(&to, "other bytes").unwrap();
    assert_eq!(fs::read(scratch.blob(&digest.hash)).unwrap(), b"bytes");
    assert_eq!(store.verify(false).unwrap().damaged, []);
}

type Damage = (&'static str, fn(&Path));

/// Every way to damage a file that has more than one byte.
fn damages() -> [Damage; 6] {
    [
        ("flip", |path| {
            let mut bytes = fs::read(path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 4;
            fs::write(path, bytes).unwrap();
        }),
        ("truncate", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("empty", |path| fs::write(path, "").unwrap()),
        ("zeros", |path| fs::write(path, vec![0; fs::read(path).unwrap().len()]).unwrap()),
        ("longer", |path| {
            fs::write(path, [fs::read(path).unwrap(), b"x".to_vec()].concat()).unwrap()
        }),
        ("another's", |path| fs::write(path, "the bytes of another").unwrap()),
    ]
}

#[test]
fn a_damaged_blob_is_named_taken_away_and_healed_by_the_next_save() {
    for (damage, act) in damages() {
        for size in [100, 400_000] {
            let scratch = Scratch::new();
            let store = scratch.store();
            let digest = save(&store, &scratch, "a", &vec![7; size]);
            act(&scratch.blob(&digest.hash));
            let to = scratch.0.join("to");
            match store.fetch(&[(digest, to.clone())]) {
                Err(StoreError::Damaged { what, .. }) => {
                    assert_eq!(what, format!("the blob {}", digest.hash))
                }
                other => panic!("{damage}: {other:?}"),
            }
            assert!(!to.exists(), "{damage}");
            assert!(
                matches!(store.fetch(&[(digest, to.clone())]), Err(StoreError::Missing(_))),
                "{damage}"
            );
            save(&store, &scratch, "a", &vec![7; size]);
            store.fetch(&[(digest, to)]).unwrap();
        }
    }
}

#[test]
fn a_damaged_result_is_named_and_taken_away() {
    for (damage, act) in damages() {
        let scratch = Scratch::new();
        let store = scratch.store();
        save(&store, &scratch, "a", b"bytes");
        act(&scratch.result(&key("a")));
        match store.result(&key("a")) {
            Err(StoreError::Damaged { what, .. }) => {
                assert_eq!(what, format!("the result of {}", key("a")))
            }
            other => panic!("{damage}: {other:?}"),
        }
        assert_eq!(store.result(&key("a")).unwrap(), None, "{damage}");
    }
}

#[test]
fn files_under_the_names_of_others_are_damaged() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let a = save(&store, &scratch, "a", b"bytes a");
    let b = save(&store, &scratch, "b", b"bytes b");
    fs::copy(scratch.result(&key("a")), scratch.result(&key("b"))).unwrap();
    fs::copy(scratch.blob(&a.hash), scratch.blob(&b.hash)).unwrap();
    assert!(matches!(store.result(&key("b")), Err(StoreError::Damaged { .. })));
    assert!(matches!(store.fetch(&[(b, scratch.0.join("to"))]), Err(StoreError::Damaged { .. })));
}

#[cfg(unix)]
#[test]
fn a_link_or_pipe_in_place_of_a_blob_is_not_followed_nor_waited_for() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let digest = save(&store, &scratch, "a", b"bytes");
    let blob = scratch.blob(&digest.hash);
    fs::remove_file(&blob).unwrap();
    std::os::unix::fs::symlink(scratch.file("elsewhere", "bytes"), &blob).unwrap();
    assert!(store.fetch(&[(digest, scratch.0.join("to"))]).is_err());
    let _ = fs::remove_file(&blob);
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &blob,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    assert!(matches!(
        store.fetch(&[(digest, scratch.0.join("to"))]),
        Err(StoreError::Damaged { .. })
    ));
}

#[test]
fn a_store_that_cannot_be_written_still_serves() {
    let scratch = Scratch::new();
    let digest = save(&scratch.store(), &scratch, "a", b"bytes");
    // A file where the directory for new files should be refuses everyone, root included.
    fs::remove_dir(scratch.0.join("cache/v1/tmp")).unwrap();
    scratch.file("cache/v1/tmp", "");
    let store = scratch.store();
    assert!(store.result(&key("a")).unwrap().is_some());
    store.fetch(&[(digest, scratch.0.join("to"))]).unwrap();
    assert!(matches!(store.save_files(&[scratch.file("b", "new")]), Err(StoreError::Io(_))));
    assert!(matches!(store.save_result(&key("b"), &result(&[])), Err(StoreError::Io(_))));
}

#[test]
fn a_file_in_place_of_the_store_is_trouble_and_no_panic() {
    let scratch = Scratch::new();
    scratch.file("cache", "");
    let store = scratch.store();
    assert!(matches!(store.result(&key("a")), Err(StoreError::Io(_))));
    assert!(matches!(store.save_files(&[scratch.file("a", "a")]), Err(StoreError::Io(_))));
    assert!(store.usage().is_err() && store.verify(false).is_err());
}

#[test]
fn a_store_that_vanishes_is_made_again() {
    let scratch = Scratch::new();
    let store = scratch.store();
    save(&store, &scratch, "a", b"bytes");
    fs::remove_dir_all(scratch.0.join("cache")).unwrap();
    assert_eq!(store.result(&key("a")).unwrap(), None);
    save(&store, &scratch, "a", b"bytes");
    assert!(store.result(&key("a")).unwrap().is_some());
}

#[test]
fn bytes_that_are_there_are_not_written_again() {
    let scratch = Scratch::new();
    for size in [10, 400_000] {
        let store = scratch.store();
        let file = scratch.file("a", vec![1; size]);
        store.save_files(std::slice::from_ref(&file)).unwrap();
        let first = store.bytes_saved();
        assert_eq!(first, size as u64);
        store.save_files(&[file]).unwrap();
        assert_eq!(store.bytes_saved(), first);
    }
}

#[test]
fn a_damaged_blob_is_replaced_when_its_bytes_are_saved_again() {
    for (damage, act) in damages() {
        for size in [100, 400_000] {
            let scratch = Scratch::new();
            let store = scratch.store();
            let digest = save(&store, &scratch, "a", &vec![7; size]);
            act(&scratch.blob(&digest.hash));
            save(&store, &scratch, "a", &vec![7; size]);
            assert_eq!(store.verify(false).unwrap().damaged, [], "{damage} {size}");
        }
    }
}

#[test]
fn to_be_asked_for_is_noted_only_when_the_note_is_old_and_to_be_saved_again_always() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let digest = save(&store, &scratch, "a", b"bytes");
    let (result, blob) = (scratch.result(&key("a")), scratch.blob(&digest.hash));

    set_age(&result, 30 * MINUTE);
    set_age(&blob, 30 * MINUTE);
    store.result(&key("a")).unwrap();
    store.save_files(&[scratch.file("a", "bytes")]).unwrap();
    assert!(age(&result) > 20 * MINUTE && age(&blob) < MINUTE);

    set_age(&result, 2 * HOUR);
    store.result(&key("a")).unwrap();
    assert!(age(&result) < MINUTE);
}

/// Ten results `0` to `9` of 1000 bytes each, `9` used last.
fn ten(scratch: &Scratch) -> LocalStore {
    let store = scratch.store();
    for n in 0..10_u8 {
        let blob = save(&store, scratch, &n.to_string(), &[n; 1000]);
        set_age(&scratch.blob(&blob.hash), (20 - u32::from(n)) * HOUR);
        set_age(&scratch.result(&key(&n.to_string())), (20 - u32::from(n)) * HOUR);
    }
    store
}

fn kept(store: &LocalStore) -> String {
    (0..10).map(|n| n.to_string()).filter(|n| store.result(&key(n)).unwrap().is_some()).collect()
}

#[test]
fn a_collection_keeps_what_was_used_last_within_the_limit() {
    let scratch = Scratch::new();
    let store = ten(&scratch);
    store.result(&key("2")).unwrap(); // used now
    let cap = 5 * 1500;
    let report = store.gc(GcLimit { max_size: Some(cap), max_age: None }, false).unwrap().unwrap();
    assert!(report.bytes_after <= cap && scratch.stored_bytes() <= cap);
    assert_eq!(kept(&store), "26789");
    assert_eq!((report.results_removed, report.blobs_removed), (5, 5));
    assert_eq!((report.results_kept, report.blobs_kept), (5, 5));
    assert_eq!(store.verify(false).unwrap().damaged, []);
    assert_eq!(store.usage().unwrap().blobs, 5);
}

#[test]
fn a_collection_takes_what_is_too_old() {
    let scratch = Scratch::new();
    let store = ten(&scratch);
    store
        .gc(GcLimit { max_size: None, max_age: Some(14 * HOUR + 30 * MINUTE) }, false)
        .unwrap()
        .unwrap();
    assert_eq!(kept(&store), "6789");
    assert_eq!(store.usage().unwrap().blobs, 4);
}

#[test]
fn a_dry_run_foretells_what_a_collection_does_and_changes_nothing() {
    let scratch = Scratch::new();
    let store = ten(&scratch);
    let limit = GcLimit { max_size: Some(6000), max_age: Some(18 * HOUR) };
    let before = scratch.stored();
    let foretold = store.gc(limit, true).unwrap().unwrap();
    assert_eq!(scratch.stored(), before);
    // The lock file of a collection is empty and so changes no size.
    assert_eq!(store.gc(limit, false).unwrap().unwrap(), foretold);
    assert!(foretold.results_removed > 2);
}

#[test]
fn the_size_is_the_sum_of_all_lengths_and_shared_blobs_count_once() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let shared = save(&store, &scratch, "a", &[1; 5000]);
    store.save_result(&key("b"), &result(&[shared, shared])).unwrap();
    let usage = store.usage().unwrap();
    assert_eq!((usage.results, usage.blobs, usage.bytes), (2, 1, scratch.stored_bytes()));
    let report = store.gc(GcLimit::default(), false).unwrap().unwrap();
    assert_eq!((report.bytes_before, report.bytes_after), (usage.bytes, usage.bytes));
}

#[test]
fn a_shared_blob_stays_as_long_as_one_result_names_it() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let shared = save(&store, &scratch, "old", &[1; 5000]);
    store.save_result(&key("new"), &result(&[shared])).unwrap();
    set_age(&scratch.result(&key("old")), 5 * HOUR);
    set_age(&scratch.blob(&shared.hash), 5 * HOUR);
    store.gc(GcLimit { max_size: None, max_age: Some(HOUR) }, false).unwrap().unwrap();
    assert_eq!(store.result(&key("old")).unwrap(), None);
    store.fetch(&[(shared, scratch.0.join("to"))]).unwrap();
    assert_eq!(store.verify(false).unwrap().damaged, []);
}

#[test]
fn young_blobs_without_a_result_are_spared_and_old_ones_go() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let digests =
        store.save_files(&[scratch.file("a", "young"), scratch.file("b", "old")]).unwrap();
    set_age(&scratch.blob(&digests[1].hash), 2 * HOUR);
    let report = store.gc(GcLimit { max_size: Some(0), max_age: None }, false).unwrap().unwrap();
    assert_eq!((report.blobs_removed, report.blobs_kept), (1, 1));
    assert!(scratch.blob(&digests[0].hash).exists() && !scratch.blob(&digests[1].hash).exists());
}

#[test]
fn a_blob_that_was_used_after_its_results_is_spared_since_another_is_about_to_name_it() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let digest = save(&store, &scratch, "old", b"bytes");
    store.save_files(&[scratch.file("again", "bytes")]).unwrap();
    let everything = GcLimit { max_size: Some(0), max_age: None };
    let report = store.gc(everything, false).unwrap().unwrap();
    assert_eq!((report.results_removed, report.blobs_removed), (1, 0));
    store.save_result(&key("new"), &result(&[digest])).unwrap();
    assert_eq!(store.verify(false).unwrap().damaged, []);
    let report = store.gc(everything, false).unwrap().unwrap();
    assert_eq!((report.results_removed, report.blobs_removed), (1, 1));
}

#[test]
fn what_an_interrupted_write_left_goes_after_an_hour() {
    let scratch = Scratch::new();
    let store = ten(&scratch);
    let young = scratch.file("cache/v1/tmp/young", "x");
    let old = scratch.file("cache/v1/tmp/old", "x");
    set_age(&old, 2 * HOUR);
    let report = store.gc(GcLimit::default(), false).unwrap().unwrap();
    assert_eq!(report.temporary_removed, 1);
    assert!(young.exists() && !old.exists());
}

#[test]
fn a_damaged_result_goes_first_and_its_blobs_with_time() {
    let scratch = Scratch::new();
    let store = ten(&scratch);
    scratch
        .file(&format!("cache/v1/results/{}/{}", &key("9").to_string()[..2], key("9")), "damaged");
    store.gc(GcLimit::default(), false).unwrap().unwrap();
    assert_eq!(kept(&store), "012345678");
}

#[test]
fn there_is_one_collection_at_a_time() {
    let scratch = Scratch::new();
    let store = ten(&scratch);
    let lock = File::create(scratch.0.join("cache/v1/gc.lock")).unwrap();
    lock.lock().unwrap();
    let limit = GcLimit { max_size: Some(0), max_age: None };
    assert_eq!(store.gc(limit, false).unwrap(), None);
    assert_eq!(kept(&store), "0123456789");
    drop(lock);
    assert_eq!(store.gc(limit, false).unwrap().unwrap().results_removed, 10);
}

#[test]
fn a_collection_beside_builds_costs_misses_only() {
    let scratch = Scratch::new();
    let scratch = &scratch;
    let done = &std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let collector = scope.spawn(move || {
            let mut collections = 0;
            while !done.load(Ordering::Relaxed) {
                let store = scratch.store();
                store.gc(GcLimit { max_size: Some(2000), max_age: None }, false).unwrap();
                collections += 1;
            }
            collections
        });
        let builders: Vec<_> = (0..2)
            .map(|thread| {
                scope.spawn(move || {
                    let store = scratch.store();
                    for round in 0..200_u8 {
                        let name = format!("in-{thread}-{}", round % 20);
                        let bytes = vec![round % 20; 700];
                        let digest = save(&store, scratch, &name, &bytes);
                        let Some(read) = store.result(&key(&name)).unwrap() else { continue };
                        let to = scratch.0.join(format!("out-{thread}-{round}"));
                        assert_eq!(read, result(&[digest]));
                        match store.fetch(&[(digest, to.clone())]) {
                            Ok(()) => assert_eq!(fs::read(to).unwrap(), bytes),
                            Err(StoreError::Missing(_)) => assert!(!to.exists()),
                            Err(other) => panic!("{other}"),
                        }
                    }
                })
            })
            .collect();
        builders.into_iter().for_each(|builder| builder.join().unwrap());
        done.store(true, Ordering::Relaxed);
        assert!(collector.join().unwrap() > 0);
    });
    let store = scratch.store();
    store.verify(true).unwrap();
    assert_eq!(store.verify(false).unwrap().damaged, []);
}

#[test]
fn a_collection_is_due_when_the_notes_exceed_the_cap() {
    let scratch = Scratch::new();
    let store = ten(&scratch);
    let size = store.usage().unwrap().bytes;
    // Without notes everything is counted, and the count is noted.
    assert!(!store.is_gc_due(size));
    assert!(store.is_gc_due(size - 1));
    store.note_saved(100);
    assert!(store.is_gc_due(size + 99) && !store.is_gc_due(size + 100));
    // Damaged notes are none.
    scratch.file("cache/v1/usage", "+12");
    assert!(!store.is_gc_due(size + 99));
    // A collection notes what it has left.
    let after = store
        .gc(GcLimit { max_size: Some(5000), max_age: None }, false)
        .unwrap()
        .unwrap()
        .bytes_after;
    assert!(store.is_gc_due(after - 1) && !store.is_gc_due(after));
}

#[test]
fn who_begins_a_store_knows_its_size_without_counting() {
    let scratch = Scratch::new();
    let store = ten(&scratch);
    store.keep_within(u64::MAX).unwrap();
    let saved = store.bytes_saved();
    let noted = fs::read_to_string(scratch.0.join("cache/v1/usage")).unwrap();
    assert_eq!(noted, format!("+{saved}\n"));
    // But for the mark of a cache and the note itself.
    assert!((saved..saved + 500).contains(&store.usage().unwrap().bytes));
    // Who comes later and finds no notes cannot know it.
    fs::remove_file(scratch.0.join("cache/v1/usage")).unwrap();
    scratch.store().note_saved(1);
    assert!(!scratch.0.join("cache/v1/usage").exists());
}

#[test]
fn a_sound_store_verifies() {
    let scratch = Scratch::new();
    let report = ten(&scratch).verify(true).unwrap();
    assert_eq!((report.results, report.blobs), (10, 10));
    assert_eq!((report.damaged, report.unknown), (vec![], vec![]));
}

#[test]
fn verify_names_exactly_what_is_damaged_and_repair_leaves_a_sound_store() {
    for (damage, act) in damages() {
        let scratch = Scratch::new();
        let store = ten(&scratch);
        let (blob, bad_result) = (scratch.blob(&Hash::of(&[3; 1000])), scratch.result(&key("5")));
        act(&blob);
        act(&bad_result);
        fs::remove_file(scratch.blob(&Hash::of(&[7; 1000]))).unwrap();

        let found = store.verify(false).unwrap().damaged;
        let found: Vec<_> = found
            .iter()
            .map(|finding| (finding.kind, finding.path.clone(), finding.removed))
            .collect();
        let dangling = scratch.result(&key("7"));
        let expected = [
            (FindingKind::Result, bad_result.clone(), false),
            (FindingKind::Dangling, dangling.clone(), false),
            (FindingKind::Blob, blob.clone(), false),
        ];
        assert!(found.iter().all(|finding| expected.contains(finding)), "{damage}: {found:?}");
        // A shorter or longer blob is not the one that its result names, whatever its bytes are.
        assert!(expected.iter().all(|finding| found.contains(finding)), "{damage}: {found:?}");

        let repaired = store.verify(true).unwrap().damaged;
        assert!(repaired.iter().all(|finding| finding.removed));
        assert!(
            repaired.iter().any(|finding| finding.path == scratch.result(&key("3"))),
            "names the damaged blob"
        );
        assert_eq!(store.verify(false).unwrap().damaged, [], "{damage}");
        assert_eq!(kept(&store), "0124689", "{damage}");
    }
}

#[test]
fn files_that_are_none_of_the_stores_are_named_and_left_alone() {
    let scratch = Scratch::new();
    let store = ten(&scratch);
    let strangers = ["blobs/readme", "blobs/00/short", "note", "results/00/x"].map(|name| {
        let path = scratch.0.join("cache/v1").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "mine").unwrap();
        path
    });
    let misfiled = scratch.0.join("cache/v1/blobs/00").join(Hash::of(&[1; 1000]).to_string());
    fs::write(&misfiled, [1; 1000]).unwrap();
    let report = store.verify(true).unwrap();
    assert_eq!(report.damaged, []);
    let mut expected = [&strangers[..], &[misfiled]].concat();
    expected.sort();
    assert_eq!(report.unknown, expected);
    store.gc(GcLimit { max_size: Some(0), max_age: Some(Duration::ZERO) }, false).unwrap();
    assert!(expected.iter().all(|path| path.exists()));
}

#[test]
fn a_store_that_is_looked_at_without_traces_changes_nothing() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let a = save(&store, &scratch, "a", b"bytes");
    let b = save(&store, &scratch, "b", b"damaged in a moment");
    save(&store, &scratch, "c", b"c");
    fs::write(scratch.result(&key("c")), "damaged").unwrap();
    fs::write(scratch.blob(&b.hash), "damaged in a minute").unwrap();
    for path in scratch.stored() {
        set_age(&scratch.0.join("cache/v1").join(path), HOUR * 48);
    }
    let stored = scratch.stored();
    let look = scratch.store().without_traces();
    assert!(look.result(&key("a")).unwrap().is_some());
    look.fetch(&[(a, scratch.0.join("to-a"))]).unwrap();
    assert!(matches!(look.result(&key("c")), Err(StoreError::Damaged { .. })));
    let fetched = look.fetch(&[(b, scratch.0.join("to-b"))]);
    assert!(matches!(fetched, Err(StoreError::Damaged { .. })));
    assert_eq!(scratch.stored(), stored);
    for path in stored {
        assert!(age(&scratch.0.join("cache/v1").join(path)) > HOUR * 47);
    }
}

#[test]
fn trouble_with_writing_names_the_directory_and_the_way_out() {
    let scratch = Scratch::new();
    save(&scratch.store(), &scratch, "a", b"bytes");
    fs::remove_dir(scratch.0.join("cache/v1/tmp")).unwrap();
    scratch.file("cache/v1/tmp", "");
    let store = scratch.store();
    let large = vec![7; 1024 * 1024];
    let troubles = [
        store.save_files(&[scratch.file("b", "new")]).unwrap_err(),
        store.save_files(&[scratch.file("large", large)]).unwrap_err(),
        store.save_result(&key("b"), &result(&[])).unwrap_err(),
    ];
    for trouble in troubles {
        let told = trouble.to_string().replace(&*scratch.0.to_string_lossy(), "[DIR]");
        assert_eq!(
            told,
            "cannot write to the cache directory `[DIR]/cache`: Not a directory (os error 20) \
             (make room there or set `cache-dir` to one that can be written)"
        );
    }
}

#[test]
fn trouble_with_a_file_to_keep_names_the_file() {
    let scratch = Scratch::new();
    let trouble = scratch.store().save_files(&[scratch.0.join("gone")]).unwrap_err().to_string();
    assert!(
        trouble.starts_with("cannot keep a copy of `") && trouble.contains("/gone`"),
        "{trouble}"
    );
}

#[test]
fn trouble_with_the_place_to_restore_to_is_none_of_the_store() {
    let scratch = Scratch::new();
    let memory = MemoryStore::new();
    let local = scratch.store();
    let stores: [&dyn Store; 2] = [&local, &memory];
    for store in stores {
        let digest = save(store, &scratch, "a", b"bytes");
        for place in ["no/such/directory", "a"] {
            let trouble = store.fetch(&[(digest, scratch.0.join(place))]).unwrap_err();
            assert!(matches!(trouble, StoreError::Destination(_)), "{trouble}");
            assert!(trouble.to_string().contains(place), "{trouble}");
        }
    }
}

#[test]
fn sets_of_found_files_are_verified_counted_and_collected_with_the_results_of_their_time() {
    let scratch = Scratch::new();
    let store = LocalStore::open(&scratch.0.join("cache"));
    let blob = save(&store, &scratch, "old", &[1; 4000]).hash.to_string();
    save(&store, &scratch, "new", &[2; 4000]);
    for name in ["old", "new"] {
        store.save_found(&key(name), &found(name)).unwrap();
    }
    let path = |kind: &str, name: &str| {
        let hash = key(name).to_string();
        scratch.0.join("cache/v1").join(kind).join(&hash[..2]).join(hash)
    };
    let day = Duration::from_secs(24 * 60 * 60);
    set_age(&path("results", "old"), day);
    set_age(&path("found", "old"), day);
    set_age(&scratch.0.join("cache/v1/blobs").join(&blob[..2]).join(&blob), day);
    let report = store.gc(GcLimit::default(), true).unwrap().unwrap();
    let size = fs::metadata(path("found", "old")).unwrap().len();
    assert!(size > 0 && report.bytes_before > 8000 + 2 * size);
    let limit = GcLimit { max_size: Some(report.bytes_before - 1000), ..GcLimit::default() };
    let report = store.gc(limit, false).unwrap().unwrap();
    assert_eq!((report.results_removed, report.blobs_removed), (1, 1));
    assert_eq!(store.found(&key("old")).unwrap(), []);
    assert_eq!(store.found(&key("new")).unwrap(), [found("new")]);

    assert_eq!(store.verify(false).unwrap().damaged, []);
    fs::write(path("found", "new"), "granular-found 1\n").unwrap();
    let damaged = store.verify(true).unwrap().damaged;
    assert_eq!(
        damaged.iter().map(|it| (it.kind, it.removed)).collect::<Vec<_>>(),
        [(FindingKind::Found, true)]
    );
    assert_eq!(store.found(&key("new")).unwrap(), []);
}

#[test]
fn a_store_remembers_with_which_tools_results_were_made() {
    let scratch = Scratch::new();
    let (local, memory) = (scratch.store(), MemoryStore::new());
    let made = |name: &str| MadeWith {
        key: Key(Hash::of(name.as_bytes())),
        tools: vec![format!("tool {name:?} {} 1", Hash::of(b"bytes"))],
    };
    let (partial, other) = (Key(Hash::of(b"partial")), Key(Hash::of(b"other")));
    for store in [&local as &dyn Store, &memory] {
        assert_eq!(store.made_with(&partial).unwrap(), []);
        for name in ["go", "protoc", "go"] {
            store.note_made_with(&partial, &made(name)).unwrap();
        }
        assert_eq!(store.made_with(&partial).unwrap(), [made("go"), made("protoc")]);
        assert_eq!(store.made_with(&other).unwrap(), []);
    }
    // A damaged note is none, and the next one takes its place.
    let note = scratch.stored().into_iter().find(|path| path.starts_with("made-with")).unwrap();
    fs::write(scratch.0.join("cache/v1").join(note), "damaged").unwrap();
    assert_eq!(local.made_with(&partial).unwrap(), []);
    local.note_made_with(&partial, &made("go")).unwrap();
    assert_eq!(local.made_with(&partial).unwrap(), [made("go")]);
}
