//! The cache as a user meets it: damage, limits, cleaning.

use crate::project::{Project, project, step};
use insta::assert_snapshot;
use std::fs;
use std::path::PathBuf;

fn two_outputs() -> Project {
    let p = project(&step(
        "gen",
        "cat in.txt > {out}/a; echo b > {out}/b",
        "inputs = [\"in.txt\"]\noutputs = [\"{out}\"]",
    ));
    p.write("in.txt", "a\n");
    p
}

/// All files below the cache's results or blobs.
fn files(p: &Project, kind: &str) -> Vec<PathBuf> {
    fn walk(dir: PathBuf, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(path, files) } else { files.push(path) }
        }
    }
    let mut found = Vec::new();
    walk(p.cache().join("v1").join(kind), &mut found);
    found.sort();
    found
}

#[test]
fn damage_of_any_file_of_the_cache_costs_a_run_and_heals() {
    for kind in ["results", "blobs"] {
        for damage in ["delete", "truncate", "flip"] {
            let p = two_outputs();
            p.granular("build").success();
            let file = files(&p, kind).remove(0);
            match damage {
                "delete" => fs::remove_file(&file).unwrap(),
                "truncate" => fs::write(&file, "").unwrap(),
                _ => {
                    let mut bytes = fs::read(&file).unwrap();
                    bytes[0] ^= 1;
                    fs::write(&file, bytes).unwrap();
                }
            }
            p.remove("target");
            p.granular("build").success();
            assert_eq!(p.ran(), ["gen", "gen"], "{kind} {damage}");
            assert_eq!(p.read_out("gen/a"), "a\n");
            p.granular("verify").success();
            p.remove("target");
            p.granular("build").success();
            assert!(p.ran().is_empty(), "{kind} {damage}: it has healed");
        }
    }
}

#[test]
fn verify_names_what_is_damaged_and_repair_removes_it() {
    let p = two_outputs();
    p.granular("build").success();
    let file = files(&p, "blobs").remove(0);
    fs::write(&file, "rot").unwrap();
    let run = p.granular("verify").code(1);
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    assert!(run.raw_stdout().contains(&name), "{run}");
    p.granular("verify --repair").code(1);
    p.granular("verify").success();
}

#[test]
fn clean_takes_away_outputs_and_they_are_restored() {
    let p = two_outputs();
    p.granular("build").success();
    p.granular("clean").success();
    assert!(!p.path("target/granular/out/@workspace/gen").exists());
    p.granular("build").success();
    assert_eq!(p.ran(), ["gen"]);
}

#[test]
fn reproduce_tells_whether_two_runs_leave_the_same() {
    let p = project(
        &[
            step("pure", "echo x > {out}/x", "inputs = []\noutputs = [\"{out}/x\"]"),
            step(
                "impure",
                "date +%N > {out}/x; echo y > {out}/y",
                "inputs = []\noutputs = [\"{out}\"]",
            ),
        ]
        .concat(),
    );
    p.granular("reproduce pure").success();
    assert_eq!(p.ran(), ["pure", "pure"]);
    let run = p.granular("reproduce impure").code(1);
    assert!(run.stdout().contains("{out}/x") && !run.stdout().contains("{out}/y"), "{run}");
}

#[test]
fn reproduce_says_why_it_could_not_compare() {
    let p = project(
        &[
            step("bad", "exit 3", "inputs = []\noutputs = []"),
            step("restless", "cp in.txt new; mv new in.txt", "inputs = [\"in.txt\"]\noutputs = []"),
        ]
        .concat(),
    );
    p.write("in.txt", "");
    let verdict = |step| p.granular(&format!("reproduce {step}")).code(1).stdout();
    assert_snapshot!(verdict("bad"), @"#bad: a run failed, so there is nothing to compare");
    assert_snapshot!(verdict("restless"), @"#restless: its inputs changed during a run, so there is nothing to compare");
}
