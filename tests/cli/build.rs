//! What is brought up to date, and what is left alone.

use crate::project::{Project, project, step};
use insta::assert_snapshot;

/// `lib` is a check that two services need; `release` packs both.
fn monorepo() -> Project {
    let tables = [
        step(
            "lib",
            "true",
            r#"inputs = ["lib/**"]
outputs = []"#,
        ),
        step(
            "api",
            "sed '/^#/d' lib/a.txt api/main.txt > {out}/api",
            r#"inputs = ["api/**"]
outputs = ["{out}/api"]
needs = ["lib"]"#,
        ),
        step(
            "worker",
            "sed '/^#/d' lib/a.txt worker/main.txt > {out}/worker",
            r#"inputs = ["worker/**"]
outputs = ["{out}/worker"]
needs = ["lib"]"#,
        ),
        step(
            "release",
            "cat {needs.api.out}/api {needs.worker.out}/worker > {out}/all",
            r#"inputs = []
outputs = ["{out}/all"]
needs = ["api", "worker"]"#,
        ),
    ];
    let project = project(&tables.concat());
    project
        .write("lib/a.txt", "lib\n")
        .write("api/main.txt", "api\n")
        .write("worker/main.txt", "worker\n");
    project
}

#[test]
fn everything_runs_once_and_then_nothing_does() {
    let p = monorepo();
    p.granular("build").success();
    assert_eq!(p.ran(), ["api", "lib", "release", "worker"]);
    assert_eq!(p.read_out("release/all"), "lib\napi\nlib\nworker\n");
    p.granular("build").success();
    assert!(p.ran().is_empty());
}

#[test]
fn a_touched_file_makes_nothing_run() {
    let p = monorepo();
    p.granular("build").success();
    p.ran();
    for file in ["lib/a.txt", "api/main.txt", "worker/main.txt"] {
        p.write(file, p.read(file));
    }
    p.granular("build").success();
    assert!(p.ran().is_empty());
}

#[test]
fn a_changed_service_runs_alone_with_what_packs_it() {
    let p = monorepo();
    p.granular("build").success();
    p.ran();
    p.write("api/main.txt", "api 2\n");
    assert_snapshot!(p.granular("build").success(), @"
    ---- stderr
             Ran #api in [ELAPSED]: api/main.txt changed
             Ran #release in [ELAPSED]: {out}/api of #api changed
        Finished 4 steps in [ELAPSED]: 2 fresh, 2 ran
    ");
    assert_eq!(p.ran(), ["api", "release"]);
    assert_eq!(p.read_out("release/all"), "lib\napi 2\nlib\nworker\n");
}

#[test]
fn a_comment_in_a_library_is_cut_off_before_the_release() {
    let p = monorepo();
    p.granular("build").success();
    p.ran();
    p.write("lib/a.txt", "# a comment\nlib\n");
    p.granular("build").success();
    assert_eq!(p.ran(), ["api", "lib", "worker"]);
}

#[test]
fn a_change_taken_back_is_restored() {
    let p = monorepo();
    p.granular("build").success();
    p.write("lib/a.txt", "lib 2\n");
    p.granular("build").success();
    p.ran();
    p.write("lib/a.txt", "lib\n");
    let run = p.granular("build").success();
    assert_eq!(run.stderr().matches("    Restored #").count(), 4, "{run}");
    assert!(p.ran().is_empty());
    assert_eq!(p.read_out("release/all"), "lib\napi\nlib\nworker\n");
}

#[test]
fn a_second_checkout_restores_everything() {
    let p = monorepo();
    p.granular("build").success();
    let other = p.checkout("elsewhere");
    other.granular("build").success();
    assert!(other.ran().is_empty());
    assert_eq!(other.read_out("release/all"), "lib\napi\nlib\nworker\n");
}

#[test]
fn after_the_target_directory_is_gone_everything_is_restored() {
    let p = monorepo();
    p.granular("build").success();
    p.ran();
    p.remove("target");
    p.granular("build").success();
    assert!(p.ran().is_empty());
    assert_eq!(p.read_out("release/all"), "lib\napi\nlib\nworker\n");
}

#[test]
fn a_step_is_named_in_full_or_bare_or_by_a_pattern_and_brings_what_it_needs() {
    let p = monorepo();
    p.granular("build api").success();
    assert_eq!(p.ran(), ["api", "lib"]);
    p.granular("build #worker").success();
    assert_eq!(p.ran(), ["worker"]);
    p.granular("build rel*").success();
    assert_eq!(p.ran(), ["release"]);
}

#[test]
fn a_step_that_is_no_default_runs_only_when_named_or_needed() {
    let p = project(
        &[
            step("extra", "true", "inputs = []\noutputs = []\ndefault = false"),
            step("main", "true", "inputs = []\noutputs = []"),
        ]
        .concat(),
    );
    p.granular("build").success();
    assert_eq!(p.ran(), ["main"]);
    p.granular("build extra").success();
    assert_eq!(p.ran(), ["extra"]);
}

#[test]
fn tests_belong_to_the_test_command() {
    let p = project(
        &[
            step("unit", "true", "inputs = []\noutputs = []\ntest = true\nneeds = [\"main\"]"),
            step("main", "true", "inputs = []\noutputs = []"),
        ]
        .concat(),
    );
    p.granular("build").success();
    assert_eq!(p.ran(), ["main"]);
    p.granular("test").success();
    assert_eq!(p.ran(), ["unit"]);
    p.granular("test").success();
    assert!(p.ran().is_empty());
}

#[test]
fn force_runs_what_was_asked_for_and_not_what_it_needs() {
    let p = monorepo();
    p.granular("build").success();
    p.ran();
    p.granular("build --force api").success();
    assert_eq!(p.ran(), ["api"]);
}

#[test]
fn a_dry_run_says_what_would_happen_and_leaves_no_trace() {
    let p = monorepo();
    assert_snapshot!(p.granular("build --dry-run").success(), @"
    Would run #lib: it has not run here before
    Would run #api: it has not run here before
    Would run #worker: it has not run here before
      May run #release: depends on what #api, #worker leaves
    ");
    assert!(!p.path("target").exists());
    assert!(!p.cache().exists());
    assert!(p.ran().is_empty());
}

#[test]
fn a_workspace_path_with_spaces_and_letters_of_other_scripts_works() {
    let p = Project::new("mono repo – журнал 'x'");
    p.manifest(&step(
        "greet",
        "cat in.txt > {out}/a\\ b.txt; cp {out}/a\\ b.txt \"{out}/c d.txt\"",
        r#"inputs = ["in.txt"]
outputs = ["{out}"]"#,
    ));
    p.write("in.txt", "hello\n");
    p.granular("build").success();
    assert_eq!(p.read_out("greet/a b.txt"), "hello\n");
    assert_eq!(p.read_out("greet/c d.txt"), "hello\n");
    p.remove("target");
    p.granular("build").success();
    assert_eq!(p.ran(), ["greet"]);
    assert_eq!(p.read_out("greet/c d.txt"), "hello\n");
}

#[test]
fn two_builds_at_once_in_one_checkout_run_each_step_once() {
    let p = project(&step(
        "slow",
        "sleep 0.3; echo done > {out}/x",
        "inputs = []\noutputs = [\"{out}/x\"]",
    ));
    let mut first = p.command("build").command.spawn().unwrap();
    p.granular("build").success();
    assert!(first.wait().unwrap().success());
    assert_eq!(p.ran(), ["slow"]);
}

#[test]
fn an_undeclared_variable_neither_reaches_a_step_nor_its_key() {
    let p = project(&step(
        "env",
        "echo \"${UNDECLARED-unset} ${TRACKED-unset}\" > {out}/env",
        r#"inputs = []
outputs = ["{out}/env"]
track-env = ["TRACKED"]"#,
    ));
    p.command("build").env("UNDECLARED", "1").run().success();
    assert_eq!(p.read_out("env/env"), "unset unset\n");
    p.command("build").env("UNDECLARED", "2").run().success();
    assert_eq!(p.ran(), ["env"]);
    p.command("build").env("TRACKED", "").run().success();
    assert_eq!(p.read_out("env/env"), "unset \n");
    p.command("build").env("TRACKED", "1").run().success();
    assert_eq!(p.ran(), ["env", "env"]);
    p.granular("build").success();
    assert!(p.ran().is_empty(), "unset again: restored");
    assert_eq!(p.read_out("env/env"), "unset unset\n");
}

#[test]
fn a_changed_tool_makes_the_step_run() {
    let p = project(&step(
        "gen",
        "./bin/tool > {out}/x",
        r#"inputs = []
outputs = ["{out}/x"]
tools = ["./bin/tool"]"#,
    ));
    let tool = |word: &str| {
        p.write("bin/tool", format!("#!/bin/sh\necho {word}\n"));
        std::process::Command::new("chmod").arg("+x").arg(p.path("bin/tool")).status().unwrap();
    };
    tool("one");
    p.granular("build").success();
    tool("two");
    p.granular("build").success();
    assert_eq!(p.ran(), ["gen", "gen"]);
    assert_eq!(p.read_out("gen/x"), "two\n");
}

#[test]
fn a_named_set_of_files_is_a_need_like_any_other() {
    let p = project(
        &[
            "[workspace.metadata.granular.steps.protos]\ninputs = [\"proto/**\"]\n".to_owned(),
            step(
                "gen",
                "cat proto/*.proto > {out}/all",
                "inputs = []\noutputs = [\"{out}/all\"]\nneeds = [\"protos\"]",
            ),
        ]
        .concat(),
    );
    p.write("proto/a.proto", "a\n");
    p.granular("build").success();
    p.write("proto/b.proto", "b\n");
    p.granular("build").success();
    assert_eq!(p.ran(), ["gen", "gen"]);
    assert_eq!(p.read_out("gen/all"), "a\nb\n");
}

#[test]
fn an_input_that_changes_during_the_run_keeps_its_result_out_of_the_cache() {
    let p = project(&step(
        "racy",
        "cp in.txt {out}/x; test -e stop || { echo B > new; mv new in.txt; }; touch stop",
        r#"inputs = ["in.txt"]
outputs = ["{out}/x"]"#,
    ));
    p.write("in.txt", "A\n");
    assert_snapshot!(p.granular("build").success(), @"
    ---- stderr
    warning: `in.txt` changed while `#racy` ran: its result is not kept, and it will run again
             Ran #racy in [ELAPSED]: it has not run here before
        Finished 1 step in [ELAPSED]: 1 ran
    ");
    p.write("in.txt", "A\n");
    p.granular("build").success();
    assert_eq!(p.ran(), ["racy", "racy"], "what was made of a mixture was not kept for A");
}

#[test]
fn the_wildcard_sees_dotfiles_but_not_what_git_ignores_and_a_literal_sees_all() {
    let p = project(&step(
        "list",
        "true",
        "inputs = [\"src/**\", \"src/ignored/named.txt\"]\noutputs = []",
    ));
    p.write(".gitignore", "ignored/\n").write("src/a.txt", "").write("src/.hidden", "");
    p.write("src/ignored/named.txt", "").write("src/ignored/other.txt", "");
    p.granular("build").success();
    let runs = |file: &str| {
        p.ran();
        p.write(file, format!("{:?}", std::time::Instant::now()));
        p.granular("build").success();
        p.ran().len()
    };
    assert_eq!(runs("src/.hidden"), 1);
    assert_eq!(runs("src/ignored/named.txt"), 1);
    assert_eq!(runs("src/ignored/other.txt"), 0);
    assert_eq!(runs("src/new.txt"), 1);
}
