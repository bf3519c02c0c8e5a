//! Commands that only tell something leave no trace in the cache and in the state, and steps that cannot write say where.

use crate::project::{Project, project, step};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

fn two() -> Project {
    let p = project(
        &[
            step(
                "lib",
                "cat lib.txt > {out}/lib",
                "inputs = [\"lib.txt\"]\noutputs = [\"{out}/lib\"]",
            ),
            step(
                "api",
                "cat api.txt > {out}/api",
                "inputs = [\"api.txt\"]\noutputs = [\"{out}/api\"]\nneeds = [\"lib\"]",
            ),
        ]
        .concat(),
    );
    p.write("lib.txt", "l\n").write("api.txt", "a\n");
    p
}

/// Everything at and below `top`: its metadata's times and mode, and the bytes of files.
fn below(top: &Path) -> BTreeMap<PathBuf, (Vec<i64>, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    let mut left = vec![top.to_owned()];
    while let Some(path) = left.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let times = vec![
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
            metadata.mode().into(),
        ];
        let bytes = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        seen.insert(path, (times, bytes));
    }
    seen
}

fn files(top: &Path) -> Vec<PathBuf> {
    below(top).into_keys().filter(|path| path.is_file()).collect()
}

/// What the commands that only tell something say, after a check that they changed nothing.
#[track_caller]
fn told_without_a_trace(p: &Project) -> String {
    let all = || (below(&p.cache()), below(&p.path("target")));
    let before = all();
    let mut told = String::new();
    for command in
        ["build -n", "build -n -v", "explain api", "explain lib", "list", "graph", "stats"]
    {
        told.push_str(&p.granular(command).success().to_string());
        assert_eq!(all(), before, "`{command}` left a trace");
    }
    told
}

#[test]
fn where_nothing_was_built_nothing_is_made() {
    let p = two();
    told_without_a_trace(&p);
    assert!(!p.cache().exists() && !p.path("target").exists());
}

#[test]
fn what_is_fresh_is_told_without_a_trace() {
    let p = two();
    p.granular("build").success();
    assert!(told_without_a_trace(&p).contains("Fresh"));
}

#[test]
fn results_that_were_last_used_two_days_ago_keep_their_times() {
    let p = two();
    p.granular("build").success();
    p.write("api.txt", "b\n").write("lib.txt", "m\n");
    p.granular("build").success();
    p.write("api.txt", "a\n").write("lib.txt", "l\n");
    let then = SystemTime::now() - Duration::from_secs(2 * 24 * 60 * 60);
    for file in files(&p.cache().join("v1")) {
        fs::File::open(file).unwrap().set_modified(then).unwrap();
    }
    assert!(told_without_a_trace(&p).contains("Would restore"));
    p.remove("target");
    assert!(told_without_a_trace(&p).contains("Would restore"));
    assert!(!p.path("target").exists());
}

#[test]
fn a_damaged_result_is_left_where_it_is_until_a_build_meets_it() {
    let p = two();
    p.granular("build").success();
    p.remove("target");
    let results = files(&p.cache().join("v1/results"));
    for result in &results {
        fs::write(result, "damaged").unwrap();
    }
    assert!(told_without_a_trace(&p).contains("Would run"));
    assert_eq!(files(&p.cache().join("v1/results")), results);
    p.granular("build").success();
    p.granular("verify").success();
}

#[test]
fn only_the_user_can_read_the_cache() {
    let p = two();
    p.granular("build").success();
    for path in below(&p.cache().join("v1")).into_keys() {
        let metadata = fs::metadata(&path).unwrap();
        let allowed = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, allowed, "{}", path.display());
    }
}
