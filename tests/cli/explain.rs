//! Why a step ran, why it would run, and where a hit came from.

use crate::project::{project, step};
use insta::assert_snapshot;

fn two() -> crate::project::Project {
    let p = project(&[
        step("lib", "true", "inputs = [\"lib.txt\"]\noutputs = []"),
        step("api", "cat lib.txt api.txt > {out}/api", "inputs = [\"api.txt\"]\noutputs = [\"{out}/api\"]\nneeds = [\"lib\"]\nenv = { MODE = \"a\" }"),
    ].concat());
    p.write("lib.txt", "l\n").write("api.txt", "a\n");
    p
}

#[test]
fn a_step_that_never_ran() {
    assert_snapshot!(two().granular("explain api").success(), @"
    #api

    It has not been brought up to date in this checkout, or that was forgotten.

    Now it would run:
      it has not run here before

    No result of it is known.
    Its key is [HASH].
    ");
}

#[test]
fn a_fresh_step() {
    let p = two();
    p.granular("build").success();
    assert_snapshot!(p.granular("explain api").success(), @"
    #api

    Last time in this checkout it ran for [ELAPSED], just now: it has not run here before

    Now it is fresh: nothing has changed, and what it left is still there.

    Its result was made just now in this checkout, by a run of [ELAPSED]: 1 output with 4 B.
    Its key is [HASH].
    ");
}

#[test]
fn what_would_change_now() {
    let p = two();
    p.granular("build").success();
    p.write("api.txt", "a2\n").write("lib.txt", "l2\n");
    p.write("Cargo.toml", p.read("Cargo.toml").replace("MODE = \"a\"", "MODE = \"b\""));
    assert_snapshot!(p.granular("explain api").success(), @"
    #api

    Last time in this checkout it ran for [ELAPSED], just now: it has not run here before

    Now it would run:
      the variable MODE that it sets changed
      api.txt changed
      lib.txt of #lib changed

    Its last result was made just now in this checkout, by a run of [ELAPSED]: 1 output with 4 B.
    Its key is [HASH].
    ");
}

#[test]
fn where_a_hit_came_from() {
    let p = two();
    p.granular("build").success();
    let other = p.checkout("other");
    other.granular("build").success();
    // On a busy machine some seconds pass.
    let ago = regex::Regex::new(r"\d+ seconds? ago").unwrap();
    let told = other.granular("explain api").success().to_string();
    assert_snapshot!(ago.replace_all(&told, "just now"), @"
    #api

    Last time in this checkout it was restored from local cache, just now: it has not run here before

    Now it is fresh: nothing has changed, and what it left is still there.

    Its result was made just now in [ROOT]/workspace, by a run of [ELAPSED]: 1 output with 4 B.
    Its key is [HASH].
    ");
}

#[test]
fn how_the_last_time_ended_where_it_left_nothing() {
    let p = project(
        &[
            step("bad", "exit 3", "inputs = []\noutputs = []"),
            step(
                "restless",
                "cp in.txt new; echo >> new; mv new in.txt",
                "inputs = [\"in.txt\"]\noutputs = []",
            ),
        ]
        .concat(),
    );
    p.write("in.txt", "");
    p.granular("build --keep-going").code(1);
    assert_snapshot!(p.granular("explain bad").success(), @"
    #bad

    Last time in this checkout its run failed.

    Now it would run:
      its last run failed

    No result of it is known.
    Its key is [HASH].
    ");
    assert_snapshot!(p.granular("explain restless").success(), @"
    #restless

    Last time in this checkout its inputs changed while it ran, so that its result was not kept.

    Now it would run:
      in.txt changed

    No result of it is known.
    Its key is [HASH].
    ");
}

#[test]
fn the_fingerprint_is_a_text_that_a_person_can_read() {
    let p = two();
    let text = p.granular("explain api --fingerprint").success().to_string();
    let tool = regex::Regex::new(r#"(?m)^(tool "\w+" \[HASH\]) .*$"#).unwrap();
    assert_snapshot!(tool.replace_all(&text, "$1 …"), @r#"
    granular-fingerprint 1
    shell "echo api >> \"$LOG\"; cat lib.txt api.txt > "{out}"/api"
    base ""
    dir ""
    platform linux x86_64
    set "MODE" "a"
    tool "sh" [HASH] …
    outputs "{out}/api"
    input "api.txt" file [HASH] 2
    export tree "lib.txt" file [HASH] 2
    "#);
}
