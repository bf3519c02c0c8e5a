//! The fault matrix: everything that can go wrong around a build, and the promise that holds all the same. In the order of the matrix, one
//! file for each of its sections; the name of a test begins with its case. What the cases are is told at the top of each file.
//!
//! Every case ends in the same way, with [`ends_well`]: the next plain build exits 0 and leaves what a clean build leaves, `verify` finds
//! nothing, and no process is left over.

mod crash;
mod damage;
mod during;
mod filesystem;
mod graph;
mod keys;
mod model;
mod observing;
mod outputs;
mod processes;
mod running;
mod security;
mod versions;

use crate::project::Project;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What stands below a directory: for each path its type, its executable bit, and its bytes or where it leads.
pub(crate) type Tree = BTreeMap<PathBuf, Entry>;

/// One thing in a [`Tree`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Entry {
    Directory,
    File { executable: bool, bytes: Vec<u8> },
    Link(PathBuf),
    Other,
}

/// What stands below `dir`, but for what `skip` says of paths relative to it.
pub(crate) fn tree(dir: &Path, skip: impl Fn(&Path) -> bool) -> Tree {
    let mut found = Tree::new();
    let mut dirs = vec![PathBuf::new()];
    while let Some(relative) = dirs.pop() {
        let Ok(entries) = fs::read_dir(dir.join(&relative)) else { continue };
        for entry in entries {
            let entry = entry.unwrap();
            let path = relative.join(entry.file_name());
            if skip(&path) {
                continue;
            }
            let kind = entry.file_type().unwrap();
            let what = if kind.is_symlink() {
                Entry::Link(fs::read_link(entry.path()).unwrap())
            } else if kind.is_dir() {
                dirs.push(path.clone());
                Entry::Directory
            } else if kind.is_file() {
                let executable = entry.metadata().unwrap().permissions().mode() & 0o111 != 0;
                Entry::File { executable, bytes: fs::read(entry.path()).unwrap() }
            } else {
                Entry::Other
            };
            found.insert(path, what);
        }
    }
    found
}

/// The sources and outputs of a workspace, without the rest of its target directory.
pub(crate) fn outcome(p: &Project) -> Tree {
    let out = Path::new("target/granular/out");
    tree(p.root(), |path| {
        path.starts_with("target") && !path.starts_with(out) && !out.starts_with(path)
    })
}

/// What a clean build of the same sources leaves: another checkout, an empty cache, and nothing of what was built here.
pub(crate) fn clean_build(p: &Project) -> Tree {
    let name = format!("clean-{:?}", std::thread::current().id());
    let clean = p.checkout(&name.replace(['(', ')'], "-"));
    let cache = clean.root().with_extension("cache");
    let log = clean.root().with_extension("runs");
    clean
        .command("build")
        .env("GRANULAR_CACHE_DIR", &cache.to_string_lossy())
        .env("LOG", &log.to_string_lossy())
        .run()
        .success();
    let outcome = outcome(&clean);
    fs::remove_dir_all(clean.root()).unwrap();
    let _ = fs::remove_dir_all(cache);
    let _ = fs::remove_file(log);
    outcome
}

/// How every case ends. Gives the steps that this last build ran.
#[track_caller]
pub(crate) fn ends_well(p: &Project) -> Vec<String> {
    p.ran();
    p.granular("build").success();
    let ran = p.ran();
    equals_a_clean_build(p);
    p.granular("verify").success();
    nothing_is_left_running(p);
    ran
}

/// What stands in the workspace is what a clean build leaves.
#[track_caller]
pub(crate) fn equals_a_clean_build(p: &Project) {
    assert_same(&outcome(p), &clean_build(p));
}

/// Two trees are the same; otherwise tells what is not.
#[track_caller]
pub(crate) fn assert_same(found: &Tree, expected: &Tree) {
    let differs: Vec<_> = found
        .keys()
        .chain(expected.keys())
        .filter(|path| found.get(*path) != expected.get(*path))
        .map(|path| (path, found.get(path), expected.get(path)))
        .collect();
    assert!(differs.is_empty(), "path, found, expected: {differs:#?}");
}

/// No process that a build of this project has started runs any more. Those that were killed may take a moment to be gone.
#[track_caller]
pub(crate) fn nothing_is_left_running(p: &Project) {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let left = running(p);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "left running: {left:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The command lines of what runs with the home that only this project has.
pub(crate) fn running(p: &Project) -> Vec<String> {
    let line = |process: &u32| fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    let processes = processes(p);
    processes
        .iter()
        .map(|process| String::from_utf8_lossy(&line(process)).replace('\0', " "))
        .collect()
}

/// The processes that run with the home that only this project has.
pub(crate) fn processes(p: &Project) -> Vec<u32> {
    let home = [b"HOME=", p.root().with_file_name("home").as_os_str().as_bytes()].concat();
    let is_ours = |process: &u32| {
        let environ = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|variable| variable == home)
    };
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    numbers.filter(is_ours).collect()
}
