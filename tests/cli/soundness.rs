//! What changes underneath a run, and everything else that could make a cache lie.

use crate::project::{Project, project, step};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

fn wait_for(p: &Project, file: &str) {
    let began = Instant::now();
    while !p.path(file).exists() {
        assert!(began.elapsed() < Duration::from_secs(20), "{file} did not appear");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A build whose step says `started` and then waits for `go`; `meanwhile` happens in between.
fn while_it_runs(p: &Project, meanwhile: impl FnOnce()) {
    let _ = std::fs::remove_file(p.path("started"));
    let _ = std::fs::remove_file(p.path("go"));
    let mut child: Child = p.command("build").command.spawn().unwrap();
    wait_for(p, "started");
    meanwhile();
    p.write("go", "");
    assert!(child.wait().unwrap().success());
}

const GATE: &str = "touch started; until test -e go; do sleep 0.01; done;";

/// Builds at A with a change to B while it runs, then at A again from nothing: what comes out must be of A.
fn a_mixture_is_not_kept(p: &Project, file: &str, output: &str) {
    p.write(file, "A\n");
    while_it_runs(p, || {
        p.write(file, "B\n");
    });
    p.write(file, "A\n");
    let _ = std::fs::remove_dir_all(p.path("target"));
    p.granular("build").success();
    assert_eq!(p.read_out(output), "A\n");
    p.granular("build").success();
    assert_eq!(p.read_out(output), "A\n");
}

#[test]
fn an_input_that_comes_through_a_set_of_files_is_looked_at_again() {
    let p = project(
        &[
            "[workspace.metadata.granular.steps.set]\ninputs = [\"set/**\"]\n".to_owned(),
            step(
                "api",
                &format!("{GATE} cat set/a > {{out}}/x"),
                "inputs = []\noutputs = [\"{out}/x\"]\nneeds = [\"set\"]",
            ),
        ]
        .concat(),
    );
    a_mixture_is_not_kept(&p, "set/a", "api/x");
}

#[test]
fn the_output_of_a_need_is_looked_at_again() {
    let p = project(
        &[
            step("gen", "mkdir -p gen; cat src > gen/x", "inputs = [\"src\"]\noutputs = [\"gen\"]"),
            step(
                "api",
                &format!("{GATE} cat gen/x > {{out}}/x"),
                "inputs = []\noutputs = [\"{out}/x\"]\nneeds = [\"gen\"]",
            ),
        ]
        .concat(),
    );
    p.write("src", "A\n").write("go", "");
    p.granular("build gen").success();
    while_it_runs(&p, || {
        p.write("gen/x", "B\n");
    });
    p.granular("build").success();
    assert_eq!(p.read_out("api/x"), "A\n");
}

#[test]
fn a_tool_is_looked_at_again() {
    let p = project(&step(
        "api",
        &format!("{GATE} ./tool > {{out}}/x"),
        "inputs = []\noutputs = [\"{out}/x\"]\ntools = [\"./tool\"]",
    ));
    let tool = |word: &str| {
        p.write("tool.new", format!("#!/bin/sh\necho {word}\n"));
        Command::new("chmod").arg("+x").arg(p.path("tool.new")).status().unwrap();
        std::fs::rename(p.path("tool.new"), p.path("tool")).unwrap();
    };
    tool("A");
    while_it_runs(&p, || tool("B"));
    tool("A");
    p.granular("build").success();
    assert_eq!(p.read_out("api/x"), "A\n");
}

#[test]
fn what_failed_is_not_restored_from_an_earlier_pass() {
    let p = project(&step("flaky", "test -e ok", "inputs = []\noutputs = []"));
    p.write("ok", "");
    p.granular("build").success();
    p.remove("ok");
    p.granular("build --force").code(1);
    p.granular("build").code(1);
    assert_eq!(p.ran(), ["flaky", "flaky", "flaky"]);
}

#[test]
fn clean_waits_for_a_build() {
    let p = project(&step(
        "slow",
        &format!("mkdir gen; touch gen/1; {GATE} touch gen/2"),
        "inputs = []\noutputs = [\"gen\"]",
    ));
    let mut build = p.command("build").command.spawn().unwrap();
    wait_for(&p, "started");
    let mut clean = p.command("clean").command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    assert!(clean.try_wait().unwrap().is_none(), "it waits");
    p.write("go", "");
    assert!(build.wait().unwrap().success());
    assert!(clean.wait().unwrap().success());
    assert!(!p.path("gen/1").exists());
    p.granular("build").success();
    assert_eq!(p.ran(), ["slow"]);
    assert!(p.path("gen/1").exists() && p.path("gen/2").exists());
}

#[test]
fn a_need_on_several_cells_sees_exactly_those() {
    let tables = |os: &str| {
        [
            step(
                "bin",
                "echo {matrix.os} > {out}/bin",
                &format!("inputs = []\noutputs = [\"{{out}}/bin\"]\nmatrix = {{ os = [{os}] }}"),
            ),
            step(
                "all",
                "cat {needs.bin.out}/*/bin > {out}/all",
                "inputs = []\noutputs = [\"{out}/all\"]\nneeds = [\"bin\"]",
            ),
        ]
        .concat()
    };
    let p = project(&tables("\"linux\", \"mac\", \"win\""));
    p.granular("build").success();
    assert_eq!(p.read_out("all/all"), "linux\nmac\nwin\n");
    p.manifest(&tables("\"linux\", \"mac\""));
    p.granular("build").success();
    assert_eq!(
        p.read_out("all/all"),
        "linux\nmac\n",
        "what an earlier build left of another cell is not seen"
    );
}

#[test]
fn cells_that_share_outputs_in_the_tree_run_once() {
    let p = project(&step(
        "gen",
        "mkdir -p gen; date +%N > gen/x",
        "inputs = []\noutputs = [\"gen\"]\nmatrix = { v = [\"1\", \"2\"] }",
    ));
    p.granular("build --no-cache -j4").success();
    assert_eq!(p.ran(), ["gen"]);
    p.granular("build --no-cache").success();
    assert!(p.ran().is_empty());
    p.granular("build --force --no-cache").success();
    assert_eq!(p.ran(), ["gen"]);
}

#[test]
fn what_a_failed_run_left_in_the_tree_is_ours_and_not_kept() {
    let p = project(&step(
        "gen",
        "mkdir -p gen; echo half > gen/x; test -e ok",
        "inputs = []\noutputs = [\"gen\"]\nretries = 1",
    ));
    for _ in 0..2 {
        p.granular("build").code(1);
    }
    p.write("ok", "");
    let run = p.granular("build").success();
    assert!(!p.path("target/granular/displaced").exists(), "{run}");
}

#[test]
fn a_build_in_which_nothing_changed_writes_nothing() {
    let p = project(&step("gen", "cat in > {out}/x", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]"));
    p.write("in", "1");
    p.granular("build").success();
    std::thread::sleep(Duration::from_millis(50)); // past the guard against edits in the same tick
    p.granular("build").success();
    let state = || {
        let listing = Command::new("find")
            .arg(p.root().parent().unwrap())
            .args(["-printf", "%p %s %T@ %C@\n"])
            .output()
            .unwrap();
        let mut lines: Vec<_> =
            String::from_utf8(listing.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let before = state();
    p.granular("build").success();
    assert_eq!(state(), before);
}

#[test]
fn many_sets_of_sets_stay_cheap() {
    let set = |name: &str, needs: &str| {
        format!("[workspace.metadata.granular.steps.{name}]\ninputs = [\"f\"]\nneeds = [{needs}]\n")
    };
    let mut tables = set("a0", "") + &set("b0", "");
    for layer in 1..30 {
        let needs = format!("\"a{0}\", \"b{0}\"", layer - 1);
        tables += &(set(&format!("a{layer}"), &needs) + &set(&format!("b{layer}"), &needs));
    }
    let p = project(
        &(tables + &step("end", "true", "inputs = []\noutputs = []\nneeds = [\"a29\", \"b29\"]")),
    );
    p.write("f", "");
    let began = Instant::now();
    p.granular("build").success();
    assert!(began.elapsed() < Duration::from_secs(10), "2^30 ways lead to the one file");
}

#[test]
fn what_a_killed_build_left_running_does_not_write_into_the_next() {
    let p = project(&step(
        "slow",
        "word=$(cat src); touch started; sleep 0.6; echo $word > {out}/x",
        "inputs = [\"src\"]\noutputs = [\"{out}/x\"]",
    ));
    p.write("src", "1\n");
    let mut killed = p.command("build").command.spawn().unwrap();
    wait_for(&p, "started");
    killed.kill().unwrap();
    killed.wait().unwrap();
    p.write("src", "2\n");
    let run = p.granular("build").success();
    assert!(run.stderr().contains("left processes running"), "{run}");
    assert_eq!(p.read_out("slow/x"), "2\n");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(p.read_out("slow/x"), "2\n");
}

#[test]
fn what_a_killed_build_left_running_is_ended_although_its_state_is_gone() {
    let p = project(&step(
        "slow",
        "word=$(cat src); touch started; mkdir -p gen; sleep 0.6; echo $word > gen/x",
        "inputs = [\"src\"]\noutputs = [\"gen\"]",
    ));
    for lost in ["target", "target/granular/records-v1"] {
        let _ = std::fs::remove_file(p.path("started"));
        p.write("src", "1\n");
        let mut killed = p.command("build --force").command.spawn().unwrap();
        wait_for(&p, "started");
        killed.kill().unwrap();
        killed.wait().unwrap();
        p.remove(lost);
        p.write("src", "2\n");
        let run = p.granular("build --force").success();
        assert!(run.stderr().contains("left processes running"), "{lost}: {run}");
        std::thread::sleep(Duration::from_millis(700));
        assert_eq!(p.read("gen/x"), "2\n", "{lost}");
    }
}

#[test]
fn what_is_not_declared_does_not_stay_in_the_output_directory() {
    let p = project(
        &[
            step(
                "a",
                "cat src > {out}/a; cat src > {out}/b",
                "inputs = [\"src\"]\noutputs = [\"{out}/a\"]",
            ),
            step(
                "c",
                "cat {needs.a.out}/* > {out}/c",
                "inputs = []\noutputs = [\"{out}/c\"]\nneeds = [\"a\"]",
            ),
        ]
        .concat(),
    );
    p.write("src", "1\n");
    let run = p.granular("build").success();
    assert!(run.stderr().contains("`{out}/b` of `#a` is not among its declared outputs"), "{run}");
    assert_eq!(p.read_out("c/c"), "1\n");
    p.write("src", "2\n");
    p.granular("build").success();
    p.write("src", "1\n");
    p.granular("build").success();
    assert_eq!(p.read_out("c/c"), "1\n");
}
