//! Versions that share a cache (A64). The other version is played by what it would leave on disk: its store, its files in the state of the
//! checkout, its fingerprints and its outputs. `format-1/` is what the program left when the first formats were new.

use super::{Tree, assert_same, ends_well, tree};
use crate::project::{Project, project, step};
use granular::format;
use std::fs;
use std::path::Path;
use std::process::Command;

/// One step with an output below `{out}` and one in the tree, where nothing may be deleted that no run of ours has made.
fn one_step() -> Project {
    let p = project(&step(
        "gen",
        "mkdir -p gen; cat in > gen/x; cat in > {out}/x; echo made",
        "inputs = [\"in\"]\noutputs = [\"gen\", \"{out}/x\"]",
    ));
    p.write("in", "A\n");
    p
}

/// What programs of an earlier and of a later version have left.
const OTHERS: [&str; 8] = [
    "cache/v0/results/ab/abcd",
    "cache/v0/usage",
    "cache/v2/results/ab/abcd.zst",
    "cache/v2/blobs/pack-1",
    "workspace/target/granular/records-v0",
    "workspace/target/granular/records-v2",
    "workspace/target/granular/index-v2",
    "workspace/target/granular/history-v2",
];

/// Only what is of other versions, below the directory that holds workspace and cache.
fn of_others(p: &Project) -> Tree {
    let is_other = |path: &Path| OTHERS.iter().any(|other| Path::new(other) == path);
    let leads_there = |path: &Path| OTHERS.iter().any(|other| Path::new(other).starts_with(path));
    tree(p.root().parent().unwrap(), |path| !leads_there(path) && !is_other(path))
}

/// The turn of the others: each writes what is its own, and leaves outputs and a fingerprint as it would have them.
fn others_build(p: &Project, round: usize) {
    for other in OTHERS {
        let path = format!("../{other}");
        p.write(&path, format!("granular-of-another-version {round}\n").repeat(round + 1));
    }
    p.write(
        "target/granular/fingerprints/#gen",
        format!("granular-fingerprint 2\nround {round}\n"),
    );
    let out = "target/granular/out/@workspace/gen/x";
    p.write(out, format!("as another version has it, {round}\n"));
    let _ = fs::remove_dir_all(p.path("gen"));
    p.write("gen/x", "A\n");
}

#[test]
fn a64_versions_take_turns_in_one_checkout_and_each_has_its_hits() {
    let p = one_step();
    p.granular("build").success();
    assert_eq!(p.ran(), ["gen"]);
    for round in 0..10 {
        others_build(&p, round);
        let before = of_others(&p);
        assert_eq!(
            before.values().filter(|entry| matches!(entry, super::Entry::File { .. })).count(),
            8
        );
        let run = p.granular("build").success();
        assert!(run.stderr().contains("    Restored #gen"), "{run}");
        assert!(!run.stderr().contains("warning"), "{run}");
        assert_eq!(p.read_out("gen/x"), "A\n");
        assert_eq!(p.read("gen/x"), "A\n");
        // A build that changes something, so that everything of ours is written.
        p.write("in", format!("{round}\n"));
        p.granular("build").success();
        p.write("in", "A\n");
        p.granular("build").success();
        let run = p.granular("build").success();
        assert!(run.stderr().contains(": 1 fresh"), "{run}");
        for command in ["verify", "stats", "explain gen", "gc", "clean gen"] {
            let run = p.granular(command).success();
            assert!(!run.stderr().contains("warning"), "{run}");
        }
        assert_same(&of_others(&p), &before);
    }
    assert!(!p.path("target/granular/displaced").exists());
    assert_eq!(p.ran(), ["gen"; 10], "each content ran once");
    p.granular("gc --max-size 0").success();
    assert!(
        p.cache().join("v2/blobs/pack-1").exists(),
        "the store of another is not ours to shrink"
    );
    ends_well(&p);
}

#[test]
fn a64_what_bears_our_name_in_another_format_is_not_believed() {
    let damage = |p: &Project, what: &str| {
        let state = p.path("target/granular");
        match what {
            "records" => {
                let text = p.read("target/granular/records-v1");
                fs::write(state.join("records-v1"), text.replacen("records 1", "records 2", 1))
            }
            "index" => {
                let mut bytes = fs::read(state.join("index-v1")).unwrap_or(vec![0; 64]);
                bytes[15] += 1;
                fs::write(state.join("index-v1"), bytes)
            }
            "history" => fs::write(state.join("history-v1"), "granular-history 2\n\u{0}\n"),
            _ => {
                let results = tree(&p.cache().join("v1/results"), |_| false);
                let result = results.keys().find(|path| path.components().count() == 2).unwrap();
                let path = p.cache().join("v1/results").join(result);
                let text = fs::read_to_string(&path).unwrap();
                p.remove("target");
                fs::write(path, text.replacen("result 1", "result 2", 1))
            }
        }
        .unwrap();
    };
    for (what, runs) in [("records", 0), ("index", 0), ("history", 0), ("result", 1)] {
        let p = one_step();
        p.granular("build").success();
        damage(&p, what);
        assert_eq!(ends_well(&p).len(), runs, "{what}");
        assert!(ends_well(&p).is_empty(), "{what}");
    }
}

#[test]
fn a64_what_a_killed_build_of_another_version_left_running_is_ended() {
    let p = one_step();
    p.granular("build").success();
    let mut left = Command::new("sleep")
        .arg("300")
        .env("HOME", p.root().with_file_name("home"))
        .env("GRANULAR_STATE", p.path("target/granular"))
        .spawn()
        .unwrap();
    p.write("target/granular/records-v2", "granular-records 2\nbegun #gen\n");
    let run = p.granular("build").success();
    assert!(run.stderr().contains("left processes running, which were killed: sleep"), "{run}");
    assert!(!left.wait().unwrap().success());
    ends_well(&p);
}

/// A workspace as it was when `format-1` was made, with the cache of that time.
fn of_the_first_format() -> Project {
    let p = project(
        r#"
[workspace.metadata.granular.steps.gen]
run = ["./gen", "{out}"]
inputs = ["in.txt"]
outputs = ["{out}"]
platform = "any"
pass-env = ["LOG"]
"#,
    );
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cli/faults/format-1");
    for (from, to) in [("gen", p.path("gen")), ("in.txt", p.path("in.txt")), ("cache", p.cache())] {
        let copied = Command::new("cp").arg("-R").arg(kept.join(from)).arg(to).status().unwrap();
        assert!(copied.success());
    }
    p
}

/// Whether a program with the present formats can use what was made in the first ones.
fn is_still_the_first_format() -> bool {
    (format::FINGERPRINT, format::RESULT, format::STORE_LAYOUT) == (1, 1, 1)
}

#[test]
fn a64_a_store_of_the_first_format_is_read_or_left_alone() {
    let p = of_the_first_format();
    let before = tree(&p.cache(), |_| false);
    let run = p.granular("build").success();
    assert_eq!(p.ran().len(), usize::from(!is_still_the_first_format()), "{run}");
    let out = tree(&p.path("target/granular/out/@workspace/gen"), |_| false);
    let shown: Vec<_> =
        out.iter().map(|(path, entry)| format!("{} {entry:?}", path.display())).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    empty Directory
    link Link("text")
    program File { executable: true, bytes: [35, 33, 47, 98, 105, 110, 47, 115, 104, 10] }
    text File { executable: false, bytes: [111, 102, 32, 116, 104, 101, 32, 102, 105, 114, 115, 116, 32, 102, 111, 114, 109, 97, 116, 10] }
    "#);
    let after = tree(&p.cache(), |path| !before.contains_key(path));
    assert_same(&after, &before);
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a64_records_of_the_first_format_are_read_or_left_alone() {
    let p = of_the_first_format();
    p.granular("build").success();
    let state = p.path("target/granular");
    for entry in fs::read_dir(&state).unwrap().flatten().filter(|entry| entry.file_name() != "out")
    {
        let path = entry.path();
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }
    let kept =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cli/faults/format-1/records-v1");
    fs::copy(&kept, state.join("records-v1")).unwrap();
    p.ran();
    let run = p.granular("build --no-cache").success();
    let is_read = is_still_the_first_format() && format::RECORDS == 1;
    assert_eq!(p.ran().len(), usize::from(!is_read), "{run}");
    assert_eq!(fs::read(state.join("records-v1")).unwrap(), fs::read(kept).unwrap());
    assert!(ends_well(&p).is_empty());
}
