//! Crashes, full disks and rotten bits (A21 to A27).

mod sweep;

use super::clean_build;
use crate::project::{Project, project, step};
use std::fs;
use std::process::Command;
use sweep::{Sweep, wait_at_gate};

/// Steps with outputs of every kind, whose number and names depend on the word in `in`. The first step holds what it needs back until its
/// gate is open, and runs again for every `NUMBER`; the second makes everything and then has a gate of its own; the third is a check.
fn all_kinds() -> Project {
    let script = r#"read word < in; mkdir -p {out}/d gen/deep gen/empty gen/$word; i=0;
        while [ $i -lt 20 ]; do echo "$word $i" > {out}/d/$i; i=$((i+1)); done;
        echo $word > gen/deep/copy; ln -s deep/copy gen/link; echo $word > gen/tool; chmod +x gen/tool; : > gen/$word/only; : > {out}/$word;
        head -c 200000 /dev/zero | tr '\0' ${word%"${word#?}"} > {out}/large; echo made;"#;
    let p = project(
        &[
            step(
                "first",
                &wait_at_gate("first"),
                "track-env = [\"NUMBER\"]\ninputs = [\"Cargo.toml\"]\noutputs = []",
            ),
            step(
                "gen",
                &format!("{script} {}", wait_at_gate("gen")),
                "inputs = [\"in\"]\noutputs = [\"gen\", \"{out}\"]\nneeds = [\"first\"]",
            ),
            step("check", "cat in", "inputs = [\"in\"]\noutputs = []\nneeds = [\"gen\"]"),
        ]
        .concat(),
    );
    p.write("in", "one\n");
    p
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let _ = fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[test]
fn a21_a_build_that_is_killed_at_any_call_while_it_stores_is_put_right_by_the_next() {
    let p = all_kinds();
    let prepare = || {
        for path in [p.path("target"), p.path("gen"), p.cache()] {
            let _ = fs::remove_dir_all(path);
        }
    };
    let clean = clean_build(&p);
    Sweep { p: &p, name: "a21", clean, prepare: &prepare, gate: "gen", displaces: true }.run(36, 8);
}

#[test]
fn a22_a_build_that_is_killed_at_any_call_while_it_restores_is_put_right_by_the_next() {
    let p = all_kinds();
    for word in ["two\n", "one\n"] {
        p.write("in", word);
        p.granular("build").success();
    }
    p.remove("gen/deep/copy");
    p.remove("target/granular/out/@workspace/gen/d/7");
    p.write("in", "two\n");
    let (target, gen_dir) = (p.root().with_file_name("target"), p.root().with_file_name("gen"));
    copy(&p.path("target"), &target);
    copy(&p.path("gen"), &gen_dir);
    let prepare = || {
        copy(&target, &p.path("target"));
        copy(&gen_dir, &p.path("gen"));
    };
    let clean = clean_build(&p);
    p.ran();
    Sweep { p: &p, name: "a22", clean, prepare: &prepare, gate: "first", displaces: false }
        .run(36, 8);
    assert!(p.ran().iter().all(|step| step != "gen"), "what is restored does not run");
}
