//! Looks, clearings, captures and restores of real files.

use super::*;
use crate::digest::{Hash, Key};
use crate::found::FoundSet;
use crate::path::RelPath;
use crate::result::ActionResult;
use crate::store::local::LocalStore;
use crate::store::memory::MemoryStore;
use crate::store::{Store, StoreError};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering as Memory};
use std::time::{Duration, SystemTime};

/// A workspace with one action, and a store. Removed in the end.
struct World {
    dir: PathBuf,
    roots: Roots,
    patterns: Vec<OutputPattern>,
    index: Index,
    store: MemoryStore,
}

impl World {
    fn new(patterns: &[&str]) -> Self {
        static COUNTER: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "granular-outputs-{}-{}",
            std::process::id(),
            COUNTER.fetch_add(1, Memory::Relaxed)
        );
        let dir = std::env::temp_dir().join(name);
        let roots = Roots {
            tree: dir.join("tree"),
            out: dir.join("target/out/pkg/step"),
            staging: dir.join("target/staging"),
            displaced: dir.join("target/displaced"),
        };
        fs::create_dir_all(&roots.tree).unwrap();
        fs::create_dir_all(&roots.out).unwrap();
        let patterns = patterns
            .iter()
            .map(|text| OutputPattern::new(&RelPath::root(), text).unwrap())
            .collect();
        Self { dir, roots, patterns, index: Index::default(), store: MemoryStore::new() }
    }

    /// The place of `name`, which begins with `{out}/` for what is not in the tree. Its directory is made.
    fn at(&self, name: &str) -> PathBuf {
        let path = self.roots.path(&path(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.at(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn write_executable(&self, name: &str, bytes: &str) {
        set_mode(&self.write(name, bytes), 0o755);
    }

    fn link(&self, name: &str, target: &str) {
        symlink(target, self.at(name)).unwrap();
    }

    fn dir(&self, name: &str) {
        fs::create_dir_all(self.at(name)).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.roots.path(&path(name))).unwrap()
    }

    fn present(&self) -> Vec<Present> {
        present(&self.patterns, &self.roots).unwrap()
    }

    fn names(&self) -> Vec<String> {
        self.present().iter().map(|found| found.path.to_string()).collect()
    }

    fn difference(&self, recorded: &[Output]) -> Option<String> {
        difference(recorded, &self.present(), &self.roots, &self.index)
            .unwrap()
            .map(|path| path.to_string())
    }

    fn try_capture(&self) -> Result<Captured, CaptureError> {
        capture(&self.patterns, &[], &self.roots, &self.index, Some(&self.store))
    }

    fn capture(&self) -> Vec<Output> {
        let captured = self.try_capture().unwrap();
        assert!(captured.store_trouble.is_none());
        captured.outputs
    }

    fn unfit(&self) -> Vec<Unfit> {
        match self.try_capture() {
            Err(CaptureError::Unfit(unfit)) => unfit,
            other => panic!("{other:?}"),
        }
    }

    fn clear(&self, known: &[Output]) -> Vec<Displaced> {
        clear(&self.patterns, known, &self.roots, &self.index).unwrap()
    }

    fn try_restore(&self, outputs: &[Output], known: &[Output]) -> Result<Restored, RestoreError> {
        let restored = restore(
            &self.patterns,
            outputs,
            known,
            &self.roots,
            &self.index,
            &self.store,
            &mut || Ok(()),
        );
        // Whatever came of it, nothing is left behind.
        let staged = fs::read_dir(&self.roots.staging).into_iter().flatten().count();
        assert_eq!(staged, 0, "left in staging");
        restored
    }

    fn restore(&self, outputs: &[Output]) -> Restored {
        let restored = self.try_restore(outputs, &[]).unwrap();
        assert_eq!(self.difference(outputs), None);
        restored
    }

    /// Everything below both roots and beside them, as text.
    fn everything(&self) -> BTreeMap<String, String> {
        let mut seen = BTreeMap::new();
        let mut dirs = vec![self.dir.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let path = entry.unwrap().path();
                let metadata = path.symlink_metadata().unwrap();
                let what = match metadata.file_type() {
                    kind if kind.is_dir() => "directory".to_owned(),
                    kind if kind.is_symlink() => {
                        format!("-> {}", fs::read_link(&path).unwrap().display())
                    }
                    _ => format!(
                        "{:o} {:?}",
                        metadata.mode() & 0o111,
                        fs::read(&path).unwrap_or_default()
                    ),
                };
                if path != self.roots.staging {
                    seen.insert(path.to_string_lossy().into_owned(), what);
                }
                if metadata.is_dir() {
                    dirs.push(path);
                }
            }
        }
        seen
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn path(name: &str) -> OutputPath {
    let (base, path) = match name.strip_prefix("{out}") {
        Some(path) => (Base::Out, path.trim_start_matches('/')),
        None => (Base::Tree, name),
    };
    OutputPath { base, path: RelPath::new(path).unwrap() }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

fn file(name: &str, bytes: &[u8]) -> Output {
    Output {
        path: path(name),
        content: Content::File { digest: Digest::of(bytes), executable: false },
    }
}

fn link(name: &str, target: &str) -> Output {
    Output { path: path(name), content: Content::Link { target: target.to_owned(), pointee: None } }
}

fn old(path: &Path) -> i128 {
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    fs::File::open(path).unwrap().set_modified(time).unwrap();
    Stat::of(path).unwrap().unwrap().mtime_ns
}

/// Something of every kind, in both places.
fn varied() -> World {
    let world = World::new(&["dist", "{out}"]);
    world.write("dist/b.js", "b");
    world.write("dist/a.js", "same");
    world.write("dist/copy/a.js", "same");
    world.write("dist/copy/deeper/a.js", "same");
    world.write("dist/empty-file", "");
    world.dir("dist/empty/directory");
    world.link("dist/copy/link", "../b.js");
    world.link("dist/dangling", "nowhere");
    world.write_executable("{out}/bin/tool", "#!/bin/sh\n");
    world.write("{out}/large", vec![7; 300_000]);
    world.write("{out}/name with\nnewline \"é\"", "x");
    world
}

#[test]
fn everything_owned_is_listed_in_order_and_nothing_else() {
    let world = varied();
    world.write("src/main.rs", "");
    world.write("dist.txt", "");
    insta::assert_debug_snapshot!(world.names(), @r#"
    [
        "dist/a.js",
        "dist/b.js",
        "dist/copy/a.js",
        "dist/copy/deeper/a.js",
        "dist/copy/link",
        "dist/dangling",
        "dist/empty-file",
        "dist/empty/directory",
        "{out}/bin/tool",
        "{out}/large",
        "{out}/name with\nnewline \"é\"",
    ]
    "#);
}

#[test]
fn a_wildcard_owns_what_it_matches_and_what_lies_below_that() {
    let world = World::new(&["gen/*.go", "gen/*.d"]);
    world.write("gen/a.go", "");
    world.write("gen/mine.txt", "");
    world.write("gen/below/a.go", "");
    world.write("gen/whole.d/any/thing", "");
    world.dir("gen/empty.d");
    assert_eq!(world.names(), ["gen/a.go", "gen/empty.d", "gen/whole.d/any/thing"]);
}

#[test]
fn where_nothing_stands_nothing_is_present() {
    let world = World::new(&["dist", "deep/below/file", "{out}/x"]);
    assert_eq!(world.names(), [""; 0]);
    world.write("deep", "a file on the way");
    fs::remove_dir(&world.roots.out).unwrap();
    assert_eq!(world.names(), [""; 0]);
}

#[test]
fn a_link_on_the_way_to_an_output_is_an_error_that_names_it() {
    let world = World::new(&["gen/api/x.go"]);
    world.dir("elsewhere/api");
    world.link("gen", "elsewhere");
    let error = present(&world.patterns, &world.roots).unwrap_err();
    assert!(error.to_string().contains("tree/gen` is a symbolic link"), "{error}");
    assert!(error.way_out().is_some());
}

#[test]
fn what_was_captured_does_not_differ() {
    let world = varied();
    let outputs = world.capture();
    assert_eq!(world.difference(&outputs), None);
}

#[test]
fn every_kind_of_change_is_a_difference() {
    type Change = fn(&World);
    let changes: [(&str, Change); 12] = [
        ("dist/b.js", |world| drop(world.write("dist/b.js", "B"))),
        ("dist/b.js", |world| drop(world.write("dist/b.js", "longer"))),
        ("dist/b.js", |world| fs::remove_file(world.at("dist/b.js")).unwrap()),
        ("dist/b.js", |world| set_mode(&world.at("dist/b.js"), 0o755)),
        ("{out}/bin/tool", |world| set_mode(&world.at("{out}/bin/tool"), 0o644)),
        ("dist/added", |world| drop(world.write("dist/added", ""))),
        ("dist/dangling", |world| {
            fs::remove_file(world.at("dist/dangling")).unwrap();
            world.link("dist/dangling", "elsewhere");
        }),
        ("dist/dangling", |world| {
            fs::remove_file(world.at("dist/dangling")).unwrap();
            world.write("dist/dangling", "nowhere");
        }),
        ("dist/empty/directory", |world| fs::remove_dir(world.at("dist/empty/directory")).unwrap()),
        ("dist/empty/directory/x", |world| drop(world.write("dist/empty/directory/x", ""))),
        ("dist/empty-file", |world| {
            fs::remove_file(world.at("dist/empty-file")).unwrap();
            world.dir("dist/empty-file");
        }),
        ("dist/caf\u{fffd}", |world| {
            drop(fs::write(world.roots.tree.join(OsStr::from_bytes(b"dist/caf\xe9")), ""))
        }),
    ];
    for (expected, change) in changes {
        let world = varied();
        let outputs = world.capture();
        change(&world);
        let different = world.difference(&outputs).unwrap();
        // An empty directory that got something in it is itself missing first.
        assert!(
            different == expected || expected.starts_with(&(different.clone() + "/")),
            "{expected}: {different}"
        );
    }
}

#[test]
fn clearing_deletes_what_is_known_and_moves_the_rest_aside() {
    let world = World::new(&["dist", "gen/*.go"]);
    world.write("dist/known.js", "known");
    world.link("dist/known-link", "known.js");
    world.write("dist/edited.js", "made");
    world.write("gen/known.go", "known");
    let known = world.capture();
    world.write("dist/edited.js", "by hand");
    world.write("dist/sub/added.js", "mine");
    world.link("dist/added-link", "known.js");
    world.write("gen/added.go", "mine");
    world.write("gen/neighbour.txt", "not an output");
    let bytes = b"dist/caf\xe9.js";
    fs::write(world.roots.tree.join(OsStr::from_bytes(bytes)), "odd").unwrap();

    let mut displaced: Vec<_> =
        world.clear(&known).into_iter().map(|displaced| displaced.to).collect();
    displaced.sort();
    let to = |name: &[u8]| world.roots.displaced.join(OsStr::from_bytes(name));
    assert_eq!(
        displaced,
        [
            to(b"dist/added-link"),
            to(bytes),
            to(b"dist/edited.js"),
            to(b"dist/sub/added.js"),
            to(b"gen/added.go")
        ]
    );
    assert_eq!(fs::read(to(b"dist/edited.js")).unwrap(), b"by hand");
    assert_eq!(fs::read(to(bytes)).unwrap(), b"odd");
    assert_eq!(world.names(), [""; 0]);
    assert!(!world.roots.tree.join("dist").exists());
    assert_eq!(world.read("gen/neighbour.txt"), "not an output");
}

#[test]
fn nothing_that_was_moved_aside_is_ever_overwritten() {
    let world = World::new(&["a", "b"]);
    for n in 0..3 {
        world.write("a", n.to_string());
        world.write("b/c", n.to_string());
        world.clear(&[]);
    }
    // A file where an earlier one needs a directory, and the other way round.
    world.write("a/x", "x");
    world.write("b", "y");
    let displaced: Vec<_> = world.clear(&[]).into_iter().map(|displaced| displaced.to).collect();
    assert_eq!(displaced, [world.roots.displaced.join("a.3/x"), world.roots.displaced.join("b.1")]);
    for (name, bytes) in
        [("a", "0"), ("a.1", "1"), ("a.2", "2"), ("b/c", "0"), ("b/c.1", "1"), ("b/c.2", "2")]
    {
        assert_eq!(fs::read_to_string(world.roots.displaced.join(name)).unwrap(), bytes, "{name}");
    }
}

#[test]
fn clearing_empties_the_output_directory_of_everything() {
    let world = World::new(&["{out}/api"]);
    world.write("{out}/api", "x");
    world.write("{out}/.state/deep/er", "not declared");
    world.write("outside", "stays");
    world.link("{out}/link", "../../../../tree");
    assert_eq!(world.clear(&[]), []);
    assert_eq!(fs::read_dir(&world.roots.out).unwrap().count(), 0);
    assert_eq!(world.read("outside"), "stays");
}

#[test]
fn clearing_does_not_follow_a_link_in_place_of_the_output_directory() {
    let world = World::new(&["{out}"]);
    world.write("src/main.rs", "source");
    fs::remove_dir(&world.roots.out).unwrap();
    symlink(world.roots.tree.join("src"), &world.roots.out).unwrap();
    world.clear(&[]);
    assert_eq!(world.read("src/main.rs"), "source");
    assert!(world.roots.out.symlink_metadata().is_err());
    world.clear(&[]);
}

#[test]
fn capturing_says_exactly_what_the_run_left() {
    let world = varied();
    let lines: Vec<_> = world.capture().iter().map(Output::to_line).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    output tree "dist/a.js" file 83fe82573ab536cf20caf1c78e9801a7debeb96a7f369637f438bb12c0e8021f 4
    output tree "dist/b.js" file 10e5cf3d3c8a4f9f3468c8cc58eea84892a22fdadbc1acb22410190044c1d553 1
    output tree "dist/copy/a.js" file 83fe82573ab536cf20caf1c78e9801a7debeb96a7f369637f438bb12c0e8021f 4
    output tree "dist/copy/deeper/a.js" file 83fe82573ab536cf20caf1c78e9801a7debeb96a7f369637f438bb12c0e8021f 4
    output tree "dist/copy/link" link "../b.js"
    output tree "dist/dangling" link "nowhere"
    output tree "dist/empty-file" file af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262 0
    output tree "dist/empty/directory" empty-directory
    output out "bin/tool" exec bc1f407a11c9377c8b9b13f956b279c8462775105eb958fc9ae3c40de87cc96e 10
    output out "large" file 8f4bbedd6d5764d0aed50ecef23a7ab80b5ea176bdda5c1e5837a554b5b54cfe 300000
    output out "name with\nnewline \"é\"" file 3ae7d805f6789a6402acb70ad4096a85a56bf6804eaf25c0493ac697548d30b5 1
    "#);
}

#[test]
fn a_captured_result_is_a_result_that_reads_back() {
    let outputs = varied().capture();
    let result = ActionResult {
        outputs,
        log: None,
        duration: Duration::ZERO,
        made_ms: 0,
        made_in: String::new(),
    };
    let key = Key(Hash::of(b""));
    assert_eq!(ActionResult::from_text(&key, result.to_text(&key).as_bytes()), Ok(result));
}

#[test]
fn a_pattern_that_matches_nothing_is_named() {
    let world = World::new(&["dist", "{out}/api", "gen/*.go", "{out}/made"]);
    world.write("{out}/made", "");
    world.write("gen/x.txt", "");
    let missing = ["dist", "{out}/api", "gen/*.go"].map(|text| Unfit::Missing(text.to_owned()));
    assert_eq!(world.unfit(), missing);
}

#[test]
fn an_empty_directory_is_an_output_like_any_other() {
    let world = World::new(&["dist", "{out}"]);
    world.dir("dist");
    let empty = |name| Output { path: path(name), content: Content::EmptyDirectory };
    assert_eq!(world.capture(), [empty("dist"), empty("{out}")]);
}

#[test]
fn links_that_leave_their_root_are_named() {
    let world = World::new(&["dist", "{out}"]);
    for (name, target) in [
        ("dist/absolute", "/etc/hostname"),
        ("dist/up", "../../x"),
        ("dist/sub/back", "../../../tree/dist"),
        ("{out}/up", "../x"),
    ] {
        world.link(name, target);
    }
    world.link("dist/fine", "../src/main.rs");
    world.link("dist/here", ".");
    let leaves = |name: &str, target: &str| Unfit::LinkLeaves(path(name), target.to_owned());
    assert_eq!(
        world.unfit(),
        [
            leaves("dist/absolute", "/etc/hostname"),
            leaves("dist/sub/back", "../../../tree/dist"),
            leaves("dist/up", "../../x"),
            leaves("{out}/up", "../x"),
        ]
    );
}

#[test]
fn what_cannot_be_an_output_is_named() {
    let world = World::new(&["dist"]);
    let pipe = world.at("dist/pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    fs::write(world.roots.tree.join(OsStr::from_bytes(b"dist/caf\xe9")), "").unwrap();
    symlink(OsStr::from_bytes(b"\xff"), world.at("dist/link")).unwrap();
    assert_eq!(
        world.unfit(),
        [
            Unfit::NotUtf8("dist/caf\\xe9".to_owned()),
            Unfit::NotUtf8("dist/link -> \\xff".to_owned()),
            Unfit::Special(path("dist/pipe"), "pipe"),
        ]
    );
}

#[test]
fn an_output_directory_that_is_no_directory_is_unfit() {
    let world = World::new(&["{out}"]);
    fs::remove_dir(&world.roots.out).unwrap();
    fs::write(&world.roots.out, "").unwrap();
    assert_eq!(world.unfit(), [Unfit::Special(path("{out}"), "file")]);
    fs::remove_file(&world.roots.out).unwrap();
    symlink("elsewhere", &world.roots.out).unwrap();
    assert_eq!(world.unfit(), [Unfit::LinkLeaves(path("{out}"), "elsewhere".to_owned())]);
}

#[test]
fn an_unchanged_file_gets_its_time_back_and_a_changed_one_does_not() {
    let world = World::new(&["dist"]);
    let (same, other) = (world.write("dist/same", "same"), world.write("dist/other", "one"));
    let (same_ns, other_ns) = (old(&same), old(&other));
    let before: Vec<_> = world.present().into_iter().zip(world.capture()).collect();
    world.write("dist/same", "same");
    world.write("dist/other", "two");
    capture(&world.patterns, &before, &world.roots, &world.index, None).unwrap();
    let ns = |path: &Path| Stat::of(path).unwrap().unwrap().mtime_ns;
    assert_eq!(ns(&same), same_ns);
    assert_ne!(ns(&other), other_ns);
}

#[test]
fn capturing_without_a_store_or_with_a_broken_one_gives_the_same_outputs() {
    let world = varied();
    let outputs = world.capture();
    let without = capture(&world.patterns, &[], &world.roots, &world.index, None).unwrap();
    assert_eq!(without.outputs, outputs);
    fs::write(world.dir.join("cache"), "a file").unwrap();
    let broken = LocalStore::open(&world.dir.join("cache"));
    let captured =
        capture(&world.patterns, &[], &world.roots, &world.index, Some(&broken)).unwrap();
    assert_eq!(captured.outputs, outputs);
    assert!(matches!(captured.store_trouble, Some(StoreError::Io(_))));
}

/// A store during whose work somebody does something to the outputs.
struct Meddled<'a> {
    store: &'a MemoryStore,
    meddle: Mutex<Box<dyn FnMut() + Send + 'a>>,
}

impl Store for Meddled<'_> {
    fn name(&self) -> &str {
        "meddled"
    }
    fn result(&self, key: &Key) -> Result<Option<ActionResult>, StoreError> {
        self.store.result(key)
    }
    fn fetch(&self, blobs: &[(Digest, PathBuf)]) -> Result<(), StoreError> {
        let fetched = self.store.fetch(blobs);
        self.meddle.lock().unwrap()();
        fetched
    }
    fn save_files(&self, files: &[PathBuf]) -> Result<Vec<Digest>, StoreError> {
        let saved = self.store.save_files(files);
        self.meddle.lock().unwrap()();
        saved
    }
    fn save_result(&self, key: &Key, result: &ActionResult) -> Result<(), StoreError> {
        self.store.save_result(key, result)
    }
    fn found(&self, key: &Key) -> Result<Vec<FoundSet>, StoreError> {
        self.store.found(key)
    }
    fn save_found(&self, key: &Key, set: &FoundSet) -> Result<(), StoreError> {
        self.store.save_found(key, set)
    }
}

#[test]
fn a_file_that_changes_during_the_capture_is_read_again() {
    let world = World::new(&["dist"]);
    let file = world.write("dist/a", "first");
    world.write("dist/b", "stays");
    let mut rounds = 0;
    let meddle = || {
        rounds += 1;
        if rounds < 3 {
            fs::write(&file, format!("version {rounds}")).unwrap();
        }
    };
    let store = Meddled { store: &world.store, meddle: Mutex::new(Box::new(meddle)) };
    let outputs =
        capture(&world.patterns, &[], &world.roots, &world.index, Some(&store)).unwrap().outputs;
    assert_eq!(
        outputs[0].content,
        Content::File { digest: Digest::of(b"version 2"), executable: false }
    );
    drop(store);
    // Only what changed was read again, and what is said to be there can be fetched.
    assert_eq!(world.store.counts().files_saved, 2 + 1 + 1);
    fs::remove_dir_all(world.roots.tree.join("dist")).unwrap();
    world.restore(&outputs);
    assert_eq!(world.read("dist/a"), "version 2");
}

#[test]
fn a_file_that_never_rests_is_an_error_that_names_it() {
    let world = World::new(&["dist"]);
    let file = world.write("dist/a", "first");
    let mut size = 0;
    let meddle = || {
        size += 1;
        fs::write(&file, vec![0; size]).unwrap();
    };
    let store = Meddled { store: &world.store, meddle: Mutex::new(Box::new(meddle)) };
    match capture(&world.patterns, &[], &world.roots, &world.index, Some(&store)) {
        Err(CaptureError::Io(error)) => assert!(error.to_string().contains("`dist/a`"), "{error}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_comes_back_exactly() {
    let world = varied();
    let outputs = world.capture();
    let before = world.everything();
    fs::remove_dir_all(world.roots.tree.join("dist")).unwrap();
    fs::remove_dir_all(&world.roots.out).unwrap();
    let restored = world.restore(&outputs);
    assert_eq!(world.everything(), before);
    assert_eq!(
        restored,
        Restored { bytes: 300_000 + 1 + 3 * 4 + 10 + 1, untouched: 0, displaced: vec![] }
    );
    assert_eq!(mode(&world.at("{out}/bin/tool")) & 0o700, 0o700);
    assert_eq!(mode(&world.at("dist/b.js")) & 0o700, 0o600);
}

#[test]
fn everything_comes_back_from_a_directory_as_well() {
    let world = varied();
    let store = LocalStore::open(&world.dir.join("cache"));
    let outputs =
        capture(&world.patterns, &[], &world.roots, &world.index, Some(&store)).unwrap().outputs;
    let before = world.everything();
    fs::remove_dir_all(world.roots.tree.join("dist")).unwrap();
    fs::remove_dir_all(&world.roots.out).unwrap();
    restore(&world.patterns, &outputs, &[], &world.roots, &world.index, &store, &mut || Ok(()))
        .unwrap();
    assert_eq!(world.everything(), before);
}

#[test]
fn what_earlier_versions_left_is_gone_after_a_restore() {
    let world = World::new(&["dist"]);
    let mut versions = Vec::new();
    for files in [&["a", "b"][..], &["a"], &["c/d"], &["a/b"], &["c"]] {
        let known = versions.last().map_or(&[][..], |(_, outputs): &(_, Vec<Output>)| outputs);
        assert_eq!(world.clear(known), []);
        for name in files {
            world.write(&format!("dist/{name}"), format!("{name} of {files:?}"));
        }
        world.write("beside", "stays");
        versions.push((world.names(), world.capture()));
    }
    for round in 0..25 {
        let (names, outputs) = &versions[(round * 7 + round / 5) % 5];
        // What stands there comes from a run of ours.
        let known = world.capture();
        let restored = world.try_restore(outputs, &known).unwrap();
        assert_eq!(restored.displaced, []);
        assert_eq!((&world.names(), world.difference(outputs)), (names, None));
        assert_eq!(world.read("beside"), "stays");
    }
}

#[test]
fn a_file_that_is_right_is_not_touched() {
    let world = varied();
    let outputs = world.capture();
    let right = world.at("dist/a.js");
    let time = old(&right);
    let before = Stat::of(&right).unwrap();
    fs::remove_file(world.at("dist/b.js")).unwrap();
    let asked = world.store.counts().blobs_asked;
    let restored = world.restore(&outputs);
    assert_eq!(Stat::of(&right).unwrap(), before);
    assert_eq!(before.unwrap().mtime_ns, time);
    assert_eq!(restored.untouched, 7);
    assert_eq!(world.store.counts().blobs_asked - asked, 1);
    // When everything is right the store is not asked at all.
    world.restore(&outputs);
    assert_eq!(world.store.counts().blobs_asked - asked, 1);
}

#[test]
fn a_wrong_executable_bit_is_set_right_without_a_fetch() {
    let world = varied();
    let outputs = world.capture();
    let (tool, text) = (world.at("{out}/bin/tool"), world.at("dist/b.js"));
    set_mode(&tool, 0o640);
    set_mode(&text, 0o750);
    let inode = tool.metadata().unwrap().ino();
    let asked = world.store.counts().fetches;
    world.restore(&outputs);
    assert_eq!((mode(&tool), mode(&text)), (0o750, 0o640));
    assert_eq!(tool.metadata().unwrap().ino(), inode);
    assert_eq!(world.store.counts().fetches, asked);
}

#[test]
fn wrong_types_are_replaced() {
    type Plant = fn(&World);
    let plants: [(&str, Plant); 7] = [
        ("a file where a directory should be", |world| drop(world.write("dist/run", "file"))),
        ("a file in place of the root", |world| drop(world.write("dist", "file"))),
        ("a directory where a file should be", |world| {
            drop(world.write("dist/run/x/deep/file", "file"))
        }),
        ("an empty directory where a file should be", |world| world.dir("dist/run/x")),
        ("a link where a file should be", |world| world.link("dist/run/x", "../../src/main.rs")),
        ("a directory where a link should be", |world| {
            drop(world.write("dist/link/inside", "file"))
        }),
        ("something where nothing should be", |world| {
            drop(world.write("dist/empty/inside", "file"))
        }),
    ];
    for (plant_name, plant) in plants {
        let world = World::new(&["dist"]);
        world.write("dist/run/x", "x");
        world.link("dist/link", "run/x");
        world.dir("dist/empty");
        let outputs = world.capture();
        world.write("src/main.rs", "source");
        fs::remove_dir_all(world.roots.tree.join("dist")).unwrap();
        plant(&world);
        let restored = world.restore(&outputs);
        assert_eq!(world.read("src/main.rs"), "source", "{plant_name}");
        let expected = usize::from(!plant_name.starts_with("an empty"));
        assert_eq!(restored.displaced.len(), expected, "{plant_name}");
    }
}

#[test]
fn a_planted_link_to_a_directory_is_replaced_and_not_followed() {
    for planted in ["dist", "dist/run", "{out}", "{out}/bin"] {
        let world = World::new(&["dist", "{out}/bin/tool"]);
        world.write("dist/run/x", "x");
        world.write("{out}/bin/tool", "tool");
        let outputs = world.capture();
        world.write("src/x", "source");
        world.write("src/run/x", "source");
        world.write("src/tool", "source");
        let at = world.at(planted);
        fs::remove_dir_all(&at).unwrap();
        symlink(world.roots.tree.join("src"), &at).unwrap();
        let source = |world: &World| {
            world
                .everything()
                .into_iter()
                .filter(|(path, _)| path.contains("/src"))
                .collect::<Vec<_>>()
        };
        let before = source(&world);
        let restored = world.restore(&outputs);
        assert_eq!(source(&world), before, "{planted}");
        assert!(!at.is_symlink());
        // What is not under `{out}` may be the user's, the link included.
        assert_eq!(restored.displaced.len(), usize::from(planted.starts_with("dist")), "{planted}");
    }
}

#[test]
fn a_link_outside_of_what_is_owned_is_refused_before_anything_is_touched() {
    for pattern in ["gen/api/x.go", "gen/api/*.go", "gen/*/x.go"] {
        let world = World::new(&[pattern]);
        let outputs = [file("gen/api/x.go", b"x")];
        world.dir("elsewhere/api");
        match pattern {
            "gen/*/x.go" => world.link("gen/api", "../elsewhere/api"),
            _ => world.link("gen", "elsewhere"),
        }
        let before = world.everything();
        match world.try_restore(&outputs, &[]) {
            Err(RestoreError::Io(error)) => {
                assert!(error.to_string().contains("is a symbolic link"), "{error}")
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(world.everything(), before);
    }
}

#[test]
fn a_result_that_says_more_than_it_may_is_refused_as_a_whole() {
    let world = World::new(&["dist", "{out}/api", "gen/*.go"]);
    let good = world.write("dist/good", "good");
    world.store.save_files(std::slice::from_ref(&good)).unwrap();
    fs::remove_file(good).unwrap();
    let before = world.everything();
    let good = file("dist/good", b"good");
    let long = format!("dist/{}", "n".repeat(256));
    let deep = format!("dist/{}x", "d/".repeat(3000));
    for bad in [
        file("src/main.rs", b"good"),
        file("dist.js", b"good"),
        file("Cargo.toml", b"good"),
        file("gen/x.txt", b"good"),
        file("gen/below/x.go", b"good"),
        file("{out}/other", b"good"),
        file("{out}", b"good"),
        file(&long, b"good"),
        file(&deep, b"good"),
        link("dist/link", "/etc/passwd"),
        link("dist/link", "../../outside"),
        link("dist/link", ""),
        link("{out}/api", "../x"),
        file("dist/good/below", b"good"),
        file("dist/good", b"good"),
        link("dist/good", "x"),
    ] {
        let mut outputs = vec![good.clone(), bad];
        outputs.sort_by(|first, second| first.path.cmp(&second.path));
        let name = format!(
            "{:?}",
            outputs.iter().map(|output| output.path.to_string()).collect::<Vec<_>>()
        );
        assert!(
            matches!(world.try_restore(&outputs, &[]), Err(RestoreError::Refused(_))),
            "{name:.200}"
        );
        assert_eq!(world.everything(), before);
    }
    assert_eq!(world.store.counts().fetches, 0);
}

#[test]
fn names_that_differ_in_case_only_stand_side_by_side_where_case_counts() {
    let world = World::new(&["dist", "{out}"]);
    for name in ["dist/Foo", "dist/foo", "dist/Dir/x", "dist/dir/x", "{out}/X", "{out}/x"] {
        world.write(name, name);
    }
    if world.names().len() != 6 {
        return; // Case does not count here; then tests of the program tell what happens.
    }
    let outputs = world.capture();
    fs::remove_dir_all(world.at("dist")).unwrap();
    fs::remove_dir_all(&world.roots.out).unwrap();
    world.restore(&outputs);
    world.restore(&outputs);
    assert_eq!(world.read("dist/Foo") + &world.read("{out}/x"), "dist/Foo{out}/x");
}

#[test]
fn when_the_store_fails_nothing_has_been_touched() {
    for bytes in [None, Some(vec![7; 299_999]), Some(vec![8; 300_000]), Some(Vec::new())] {
        let world = varied();
        let outputs = world.capture();
        fs::remove_file(world.at("{out}/large")).unwrap();
        world.write("dist/b.js", "other");
        world.write("dist/added", "mine");
        world.store.damage_blob(&Hash::of(&[7; 300_000]), bytes);
        let before = world.everything();
        let committed = Cell::new(false);
        let commit = &mut || {
            committed.set(true);
            Ok(())
        };
        let restored = restore(
            &world.patterns,
            &outputs,
            &outputs,
            &world.roots,
            &world.index,
            &world.store,
            commit,
        );
        assert!(matches!(restored, Err(RestoreError::Store(_))));
        assert_eq!(world.everything(), before);
        assert!(!committed.get());
    }
}

#[test]
fn a_store_that_breaks_its_word_is_caught() {
    let world = World::new(&["dist"]);
    let to = world.write("dist/a", "bytes");
    let outputs = world.capture();
    fs::remove_file(to).unwrap();
    let staging = world.roots.staging.clone();
    let meddle = || {
        for entry in fs::read_dir(&staging).unwrap() {
            fs::write(entry.unwrap().path(), "bad").unwrap();
        }
    };
    let store = Meddled { store: &world.store, meddle: Mutex::new(Box::new(meddle)) };
    let restored =
        restore(&world.patterns, &outputs, &[], &world.roots, &world.index, &store, &mut || Ok(()));
    assert!(matches!(restored, Err(RestoreError::Store(StoreError::Damaged { .. }))));
    assert_eq!(fs::read_dir(&world.roots.staging).unwrap().count(), 0);
}

#[test]
fn the_record_is_forgotten_after_everything_is_fetched_and_before_anything_is_touched() {
    let world = varied();
    let outputs = world.capture();
    fs::remove_dir_all(world.roots.tree.join("dist")).unwrap();
    world.write("dist/old", "old");
    let before = world.everything();
    let mut seen = Vec::new();
    let commit = &mut || {
        let staged = fs::read_dir(&world.roots.staging).unwrap().map(|entry| entry.unwrap().path());
        let staged: Vec<_> = staged.collect();
        assert_eq!(staged.len(), 7);
        let others = world.everything().into_iter().filter(|(path, _)| !path.contains("/staging/"));
        seen.push(others.collect::<BTreeMap<_, _>>());
        Err(Error::new("interrupted"))
    };
    let restored =
        restore(&world.patterns, &outputs, &[], &world.roots, &world.index, &world.store, commit);
    assert!(matches!(restored, Err(RestoreError::Io(_))));
    assert_eq!(seen, std::slice::from_ref(&before));
    assert_eq!(world.everything(), before);
    assert_eq!(fs::read_dir(&world.roots.staging).unwrap().count(), 0);
}

#[test]
fn a_restore_moves_aside_what_it_does_not_know_and_only_that() {
    let world = World::new(&["dist", "{out}"]);
    world.write("dist/a", "old a");
    world.write("dist/b", "old b");
    world.write("dist/c", "old c");
    world.write("{out}/o", "old o");
    let known = world.capture();
    world.write("dist/a", "new a");
    world.write("dist/b", "new b");
    world.write("{out}/o", "new o");
    fs::remove_file(world.at("dist/c")).unwrap();
    let outputs = world.capture();
    world.write("dist/a", "old a"); // known
    world.write("dist/b", "by hand"); // not known
    world.write("dist/c", "old c"); // known, and not in the result
    world.write("dist/d", "by hand"); // neither
    world.write("{out}/o", "by hand");
    world.write("{out}/p", "by hand");
    let restored = world.try_restore(&outputs, &known).unwrap();
    assert_eq!(world.difference(&outputs), None);
    let displaced: Vec<_> =
        restored.displaced.iter().map(|displaced| displaced.path.to_string()).collect();
    assert_eq!(displaced, ["dist/b", "dist/d"]);
    assert_eq!(fs::read_to_string(&restored.displaced[0].to).unwrap(), "by hand");
}

#[test]
fn a_restore_knows_every_content_that_a_path_may_have_after_one_that_was_killed() {
    let world = World::new(&["dist"]);
    world.write("dist/a", "old");
    let mut known = world.capture();
    world.write("dist/a", "new");
    let outputs = world.capture();
    known.extend(outputs.clone());
    for standing in ["old", "new"] {
        world.write("dist/a", standing);
        assert_eq!(world.try_restore(&outputs, &known).unwrap().displaced, [], "{standing}");
    }
}

#[test]
fn read_only_outputs_in_read_only_directories_are_replaced() {
    let world = World::new(&["dist", "{out}"]);
    world.write("dist/sub/a", "new");
    world.write("{out}/sub/a", "new");
    let outputs = world.capture();
    for (root, name) in [("dist", "dist/sub"), ("{out}", "{out}/sub")] {
        world.write(&format!("{name}/a"), "old");
        world.write(&format!("{name}/stale"), "old");
        set_mode(&world.at(&format!("{name}/a")), 0o444);
        set_mode(&world.at(name), 0o555);
        if root == "dist" {
            set_mode(&world.at(root), 0o555);
        }
    }
    let known = world.capture();
    assert_eq!(world.try_restore(&outputs, &known).unwrap().displaced, []);
    assert_eq!(world.difference(&outputs), None);
    world.write("dist/sub/a", "writable again");
    set_mode(&world.at("{out}/sub"), 0o555);
    set_mode(&world.at("dist/sub"), 0o111);
    set_mode(&world.at("dist/sub"), 0o555);
    world.clear(&outputs);
    assert_eq!(world.names(), ["{out}"]);
}

#[test]
fn a_reader_keeps_the_old_file() {
    use std::io::Read as _;
    let world = World::new(&["dist"]);
    let path = world.write("dist/a", "new");
    let outputs = world.capture();
    fs::write(&path, "old").unwrap();
    let known = world.capture();
    let mut reader = fs::File::open(&path).unwrap();
    world.try_restore(&outputs, &known).unwrap();
    let mut read = String::new();
    reader.read_to_string(&mut read).unwrap();
    assert_eq!((read.as_str(), world.read("dist/a").as_str()), ("old", "new"));
}

#[test]
fn a_running_program_is_replaced() {
    let world = World::new(&["{out}"]);
    let tool = world.at("{out}/tool");
    world.write_executable("{out}/tool", "new");
    let outputs = world.capture();
    fs::remove_file(&tool).unwrap();
    fs::copy("/bin/sleep", &tool).unwrap();
    let mut running = std::process::Command::new(&tool).arg("60").spawn().unwrap();
    let restored = world.try_restore(&outputs, &[]);
    running.kill().unwrap();
    running.wait().unwrap();
    restored.unwrap();
    assert_eq!(world.read("{out}/tool"), "new");
}

#[test]
fn staging_and_displacing_work_across_file_systems() {
    let mut world = varied();
    let outputs = world.capture();
    let shared_memory = Path::new("/dev/shm").join(world.dir.file_name().unwrap());
    fs::create_dir(&shared_memory).unwrap();
    assert_ne!(shared_memory.metadata().unwrap().dev(), world.dir.metadata().unwrap().dev());
    world.roots.staging = shared_memory.join("staging");
    world.roots.displaced = shared_memory.join("displaced");
    fs::remove_dir_all(world.roots.tree.join("dist")).unwrap();
    let mine = world.write("dist/mine", "mine");
    set_mode(&mine, 0o750);
    let time = old(&mine);
    world.link("dist/my-link", "mine");
    fs::remove_file(world.at("{out}/bin/tool")).unwrap();
    let restored = world.restore(&outputs);
    assert_eq!(restored.displaced.len(), 2);
    let moved = Stat::of(&world.roots.displaced.join("dist/mine")).unwrap().unwrap();
    assert_eq!((moved.mode & 0o777, moved.mtime_ns), (0o750, time));
    assert_eq!(
        fs::read_link(world.roots.displaced.join("dist/my-link")).unwrap(),
        Path::new("mine")
    );
    fs::remove_dir_all(shared_memory).unwrap();
}

#[test]
fn bytes_that_are_copied_from_another_file_system_are_looked_at_on_their_way() {
    let mut world = World::new(&["dist"]);
    world.write("dist/a", "right");
    let outputs = world.capture();
    world.write("dist/a", "old");
    let known = world.capture();
    let shared_memory = Path::new("/dev/shm").join(world.dir.file_name().unwrap());
    fs::create_dir(&shared_memory).unwrap();
    world.roots.staging = shared_memory.join("staging");
    // Between the check and the swap, everything that is staged is changed: same length, other bytes.
    let commit = &mut || {
        for entry in fs::read_dir(&world.roots.staging).unwrap() {
            fs::write(entry.unwrap().path(), "wrong").unwrap();
        }
        Ok(())
    };
    let restored = restore(
        &world.patterns,
        &outputs,
        &known,
        &world.roots,
        &world.index,
        &world.store,
        commit,
    );
    let Err(RestoreError::Io(error)) = restored else { panic!("{restored:?}") };
    assert!(error.to_string().contains("have changed since they were checked"), "{error}");
    assert_eq!(world.names(), ["dist/a"], "and no draft");
    assert_eq!(world.read("dist/a"), "old");
    fs::remove_dir_all(shared_memory).unwrap();
}

#[test]
fn a_directory_that_is_swapped_for_a_link_leads_nothing_outside() {
    let world = World::new(&["dist"]);
    for n in 0..20 {
        world.write(&format!("dist/run/{n}"), n.to_string());
    }
    let outputs = world.capture();
    let outside = world.dir.join("outside");
    fs::create_dir_all(outside.join("run")).unwrap();
    fs::write(outside.join("run/precious"), "precious").unwrap();
    let (dist, aside) = (world.roots.tree.join("dist"), world.roots.tree.join("aside"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Memory::Relaxed) {
                let _ = fs::rename(&dist, &aside);
                let _ = symlink(&outside, &dist);
                let _ = fs::remove_file(&dist);
                let _ = fs::rename(&aside, &dist);
            }
        });
        let mut restored = 0;
        for round in 0..100 {
            let wanted = if round % 2 == 0 { &outputs[..10] } else { &outputs[10..] };
            // An error is as good as any: what counts is the outside.
            restored += usize::from(world.try_restore(wanted, &outputs).is_ok());
            let _ = clear(&world.patterns, &outputs, &world.roots, &world.index);
        }
        done.store(true, Memory::Relaxed);
        assert!(restored > 0);
    });
    let names: Vec<_> = fs::read_dir(outside.join("run"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["precious"]);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn missing_parent_directories_are_made() {
    let world = World::new(&["a/b/c/x", "{out}/d/e"]);
    world.write("a/b/c/x", "x");
    world.write("{out}/d/e", "e");
    let outputs = world.capture();
    fs::remove_dir_all(world.roots.tree.join("a")).unwrap();
    fs::remove_dir_all(world.dir.join("target/out")).unwrap();
    world.restore(&outputs);
    assert_eq!(world.read("a/b/c/x"), "x");
}

#[test]
fn an_empty_result_takes_everything_away() {
    let world = World::new(&["dist"]);
    world.write("dist/deep/er/file", "x");
    let known = world.capture();
    world.try_restore(&[], &known).unwrap();
    assert!(!world.roots.tree.join("dist").exists());
}

impl World {
    fn prune_out(&self) -> Vec<String> {
        let pruned = prune_out(&self.patterns, &self.roots).unwrap();
        pruned.iter().map(ToString::to_string).collect()
    }

    /// What is below `{out}`, without its own path.
    fn in_out(&self) -> Vec<String> {
        let out = format!("{}/", self.roots.out.display());
        let everything = self.everything();
        everything.keys().filter_map(|path| path.strip_prefix(&out)).map(str::to_owned).collect()
    }
}

#[test]
fn what_no_pattern_owns_is_pruned_from_out() {
    let world = World::new(&["{out}/bin", "{out}/lib/*.a", "dist"]);
    for name in ["bin/deep/tool", "lib/x.a", "lib/x.o", "lib/sub/y.a", "notes", "tmp/deep/er/z"] {
        world.write(&format!("{{out}}/{name}"), name);
    }
    world.dir("{out}/bin/empty");
    world.dir("{out}/void/of/all");
    world.write("dist/a", "a");
    world.write("other", "not below {out}");
    let tree =
        |world: &World| world.everything().into_iter().filter(|(path, _)| path.contains("/tree/"));
    let before: Vec<_> = tree(&world).collect();
    assert_eq!(
        world.prune_out(),
        ["{out}/lib/sub/y.a", "{out}/lib/x.o", "{out}/notes", "{out}/tmp/deep/er/z"]
    );
    assert_eq!(world.in_out(), ["bin", "bin/deep", "bin/deep/tool", "bin/empty", "lib", "lib/x.a"]);
    assert_eq!(tree(&world).collect::<Vec<_>>(), before);
    assert!(world.prune_out().is_empty(), "nothing is left to prune");
}

#[test]
fn pruning_leaves_what_was_captured_as_it_is() {
    let world = World::new(&["{out}/a", "{out}/**/*.js", "dist"]);
    for name in ["{out}/a/file", "{out}/x/y/z.js", "{out}/x/y/z.map", "dist/a"] {
        world.write(name, name);
    }
    let outputs = world.capture();
    assert_eq!(world.prune_out(), ["{out}/x/y/z.map"]);
    assert_eq!(world.difference(&outputs), None);
}

#[test]
fn out_that_is_owned_or_not_there_is_not_pruned() {
    let world = World::new(&["{out}"]);
    world.write("{out}/a/b", "b");
    assert!(world.prune_out().is_empty());
    assert_eq!(world.in_out(), ["a", "a/b"]);
    let world = World::new(&["{out}/a"]);
    fs::remove_dir_all(world.dir.join("target")).unwrap();
    assert!(world.prune_out().is_empty());
    assert!(!world.dir.join("target").exists());
}

#[test]
fn pruning_empties_the_out_of_a_step_without_outputs_there() {
    let world = World::new(&["dist"]);
    world.write("{out}/a/b", "b");
    assert_eq!(world.prune_out(), ["{out}/a/b"]);
    assert!(world.in_out().is_empty());
    assert!(world.roots.out.is_dir());
}

#[test]
fn pruning_removes_links_and_not_what_they_lead_to() {
    let world = World::new(&["{out}/lib/*.a"]);
    let outside = world.dir.join("outside");
    fs::create_dir_all(outside.join("lib")).unwrap();
    fs::write(outside.join("precious"), "precious").unwrap();
    fs::write(outside.join("lib/precious"), "precious").unwrap();
    world.link("{out}/stray", outside.to_str().unwrap());
    world.link("{out}/lib", outside.join("lib").to_str().unwrap());
    world.link("{out}/dangling", "nowhere");
    assert_eq!(world.prune_out(), ["{out}/dangling", "{out}/lib", "{out}/stray"]);
    assert!(world.in_out().is_empty());
    assert!(outside.join("precious").exists() && outside.join("lib/precious").exists());

    fs::remove_dir(&world.roots.out).unwrap();
    symlink(&outside, &world.roots.out).unwrap();
    assert_eq!(world.prune_out(), ["{out}"]);
    assert!(!world.roots.out.is_symlink() && outside.join("lib/precious").exists());
}

#[test]
fn pruning_copes_with_pipes_locked_directories_and_names_that_are_not_utf8() {
    let world = World::new(&["{out}/a"]);
    world.write("{out}/a", "a");
    world.write("{out}/locked/file", "file");
    set_mode(&world.roots.out.join("locked"), 0);
    let odd = world.roots.out.join(OsStr::from_bytes(b"odd\xff"));
    fs::create_dir(&odd).unwrap();
    fs::write(odd.join("file"), "").unwrap();
    let mode = rustix::fs::Mode::RWXU;
    let pipe = world.roots.out.join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert_eq!(world.prune_out(), ["{out}/locked/file", "{out}/odd\u{fffd}", "{out}/pipe"]);
    assert_eq!(world.in_out(), ["a"]);
}

#[test]
fn a_staging_directory_that_cannot_be_written_is_no_miss() {
    let world = World::new(&["dist"]);
    world.write("dist/a", "bytes");
    let outputs = world.capture();
    fs::remove_dir_all(world.roots.tree.join("dist")).unwrap();
    // The store writes to a place that has gone meanwhile.
    let gone = Gone { store: &world.store, staging: world.roots.staging.clone() };
    let restored =
        restore(&world.patterns, &outputs, &[], &world.roots, &world.index, &gone, &mut || Ok(()));
    assert!(matches!(restored, Err(RestoreError::Io(_))), "{restored:?}");
}

/// A store before whose work the place for it goes away.
struct Gone<'a> {
    store: &'a MemoryStore,
    staging: PathBuf,
}

impl Store for Gone<'_> {
    fn name(&self) -> &str {
        "gone"
    }
    fn result(&self, key: &Key) -> Result<Option<ActionResult>, StoreError> {
        self.store.result(key)
    }
    fn fetch(&self, blobs: &[(Digest, PathBuf)]) -> Result<(), StoreError> {
        fs::remove_dir_all(&self.staging).unwrap();
        self.store.fetch(blobs)
    }
    fn save_files(&self, files: &[PathBuf]) -> Result<Vec<Digest>, StoreError> {
        self.store.save_files(files)
    }
    fn save_result(&self, key: &Key, result: &ActionResult) -> Result<(), StoreError> {
        self.store.save_result(key, result)
    }
    fn found(&self, key: &Key) -> Result<Vec<FoundSet>, StoreError> {
        self.store.found(key)
    }
    fn save_found(&self, key: &Key, set: &FoundSet) -> Result<(), StoreError> {
        self.store.save_found(key, set)
    }
}

#[test]
fn patterns_that_begin_within_each_other_list_everything_once() {
    let world = World::new(&["dist", "dist/a", "dist/a/b/*.x", "dist-a/x", "{out}", "{out}/a"]);
    for name in ["dist/a/b/c.x", "dist/d", "dist-a/x", "dist-a/y", "{out}/a", "{out}/b"] {
        world.write(name, name);
    }
    assert_eq!(world.names(), ["dist-a/x", "dist/a/b/c.x", "dist/d", "{out}/a", "{out}/b"]);
}
