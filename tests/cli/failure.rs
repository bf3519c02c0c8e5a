//! Steps that fail, are stopped, or leave something else than they declare.

use crate::project::{project, step};
use insta::assert_snapshot;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn a_failed_step_shows_its_log_and_the_command_to_repeat_it() {
    let p = project(&step("lint", "echo out; echo err >&2; exit 3", "inputs = []\noutputs = []"));
    assert_snapshot!(p.granular("build").code(1), @r#"
    ---- stderr
          Failed #lint after [ELAPSED]: exit code 3

    out
    err

      ended by: exit code 3
      log:      [ROOT]/workspace/target/granular/logs/#lint.log
      repeat:   cd [ROOT]/workspace && sh -c 'echo lint >> "$LOG"; echo out; echo err >&2; exit 3'

    error: 1 step failed: #lint
    [exit code: 1]
    "#);
}

#[test]
fn what_needs_a_failed_step_is_skipped_and_keep_going_builds_the_rest() {
    let p = project(
        &[
            step("bad", "exit 1", "inputs = []\noutputs = []"),
            step("behind", "true", "inputs = []\noutputs = []\nneeds = [\"bad\"]"),
            step("good", "true", "inputs = []\noutputs = []\nneeds = [\"first\"]"),
            step("first", "sleep 0.2", "inputs = []\noutputs = []"),
        ]
        .concat(),
    );
    p.granular("build").code(1);
    assert_eq!(p.ran(), ["bad", "first"], "what runs comes to its end, nothing new is started");
    assert_snapshot!(p.granular("build -j1 --keep-going").code(1), @r#"
    ---- stderr
          Failed #bad after [ELAPSED]: exit code 1
             Ran #good in [ELAPSED]: it has not run here before

      ended by: exit code 1
      repeat:   cd [ROOT]/workspace && sh -c 'echo bad >> "$LOG"; exit 1'

    error: 1 step failed: #bad (1 skipped)
    [exit code: 1]
    "#);
    assert_eq!(p.ran(), ["bad", "good"]);
}

#[test]
fn the_command_to_repeat_a_step_brings_its_output_directories_where_it_names_them() {
    let p = project(
        &[
            step("lib", "echo a > {out}/a", "inputs = []\noutputs = [\"{out}/a\"]"),
            step(
                "api",
                "cp \"$GRANULAR_OUT_LIB/a\" \"$GRANULAR_OUT/b\"; exit 7",
                "inputs = []\noutputs = [\"{out}/b\"]\nneeds = [\"lib\"]",
            ),
        ]
        .concat(),
    );
    let run = p.granular("build").code(1).raw_stderr();
    p.remove("target/granular/out/@workspace/api/b");
    let line = run.lines().find_map(|line| line.trim().strip_prefix("repeat:")).unwrap();
    let repeated = Command::new("sh").args(["-c", line]).env("LOG", p.log()).status().unwrap();
    assert_eq!(repeated.code(), Some(7), "{line}");
    assert_eq!(p.read_out("api/b"), "a\n");
}

#[test]
fn a_missing_tool_is_named_and_the_exit_code_is_3() {
    let p = project(
        "[workspace.metadata.granular.steps.gen]\nrun = [\"no-such-tool\"]\ninputs = []\noutputs = []\n",
    );
    let run = p.granular("build").code(3);
    assert!(run.stderr().contains("`no-such-tool`"), "{run}");
}

#[test]
fn a_step_that_takes_too_long_is_stopped_with_all_that_it_started() {
    let p = project(&step(
        "hang",
        "sleep 4711 & sleep 4711",
        "inputs = []\noutputs = []\ntimeout = \"300ms\"",
    ));
    let began = Instant::now();
    let run = p.granular("build").code(1);
    assert!(run.stderr().contains("Failed #hang: timed out after [ELAPSED]\n"), "{run}");
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(!is_running("4711"));
}

#[test]
fn a_step_is_run_again_as_often_as_it_may() {
    let p = project(&step(
        "flaky",
        "test -e tried || { touch tried; exit 1; }",
        "inputs = []\noutputs = []\nretries = 1",
    ));
    assert_snapshot!(p.granular("build").success(), @"
    ---- stderr
    warning: `#flaky` failed with exit code 1 and is tried once more
             Ran #flaky in [ELAPSED]: it has not run here before
        Finished 1 step in [ELAPSED]: 1 ran
    ");
    assert_eq!(p.ran(), ["flaky", "flaky"]);
}

#[test]
fn no_output_of_a_step_reaches_standard_output() {
    let p = project(&step("loud", "echo cargo::rustc-link-arg=evil", "inputs = []\noutputs = []"));
    let run = p.granular("build").success();
    assert_eq!(run.stdout(), "");
}

#[test]
fn a_build_works_in_a_container_whose_group_and_session_lie_outside() {
    // What a container is started by stays outside: a process inside then has the numbers 0 for its group and session.
    let Some(inside) = crate::sandbox::new_process_numbers() else { return };
    let p = project(&step(
        "gen",
        "sleep 4713 & setsid sleep 4713 & echo x > {out}/x",
        "inputs = []\noutputs = [\"{out}/x\"]",
    ));
    let run = p.command("build").inside(&inside).run().success();
    assert!(run.stderr().contains("were killed: `sleep`, `sleep`"), "{run}");
    assert!(!is_running("4713"));
    p.command("build").inside(&inside).run().success();
    assert_eq!(p.ran(), ["gen"]);
}

fn is_running(argument: &str) -> bool {
    let pattern = format!("^sleep {argument}$");
    Command::new("pgrep").args(["-f", &pattern]).output().unwrap().status.success()
}
