//! Several steps at once, in order and within bounds.

use crate::project::{project, step};

/// A script that notes in `$LOG.now` how many of its kind run at once.
pub(crate) const COUNTED: &str = "echo + >> \"$LOG.now\"; sleep 0.05; echo - >> \"$LOG.now\"";

pub(crate) fn most_at_once(p: &crate::project::Project) -> usize {
    let text = std::fs::read_to_string(p.log().with_extension("now")).unwrap();
    let mut now = 0_usize;
    text.lines()
        .map(|line| {
            now = if line == "+" { now + 1 } else { now - 1 };
            now
        })
        .max()
        .unwrap()
}

fn twelve(more: &str) -> crate::project::Project {
    let tables: Vec<_> = (0..12)
        .map(|n| {
            step(
                &format!("s{n}"),
                COUNTED,
                &format!("inputs = []\noutputs = []\nenv = {{ N = \"{n}\" }}\n{more}"),
            )
        })
        .collect();
    project(&tables.concat())
}

#[test]
fn one_slot_runs_one_after_the_other() {
    let p = twelve("");
    p.command("build").env("CARGO_BUILD_JOBS", "1").run().success();
    assert_eq!(most_at_once(&p), 1);
}

#[test]
fn a_step_that_takes_several_slots_leaves_the_fewer_for_others() {
    let p = twelve("jobs = 2");
    p.granular("build -j4").success();
    assert_eq!(most_at_once(&p), 2);
}

#[test]
fn a_step_starts_as_soon_as_its_needs_are_done() {
    // `b` must not wait for `slow`, which waits for it.
    let p = project(&[
        step("a", "true", "inputs = []\noutputs = []"),
        step("b", "touch b-was-here", "inputs = []\noutputs = []\nneeds = [\"a\"]"),
        step("slow", "n=0; until test -e b-was-here; do n=$((n+1)); test $n -lt 200 || exit 1; sleep 0.05; done", "inputs = []\noutputs = []"),
    ].concat());
    p.granular("build -j2").success();
}

#[test]
fn the_longest_remaining_path_goes_first_once_durations_are_known() {
    let p = project(
        &[
            step("a-short", "true", "inputs = [\"in.txt\"]\noutputs = []"),
            step("b-short", "true", "inputs = [\"in.txt\"]\noutputs = []"),
            step("z-long", "sleep 0.2", "inputs = [\"in.txt\"]\noutputs = []"),
        ]
        .concat(),
    );
    p.write("in.txt", "1");
    p.granular("build -j1").success();
    p.ran();
    p.write("in.txt", "2");
    p.granular("build -j1").success();
    let log = std::fs::read_to_string(p.log()).unwrap();
    assert_eq!(log.lines().nth(3), Some("z-long"), "{log}");
}
