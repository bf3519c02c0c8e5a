//! `exec`: a command that no table declares, cached. It works as if the command itself had been started, only sooner.

use crate::project::{Invocation, Project, project, step};
use insta::assert_snapshot;
use std::fs;

/// `exec` with these flags and a line for a shell that notes its runs.
fn exec(p: &Project, flags: &str, script: &str) -> Invocation {
    let script = format!("echo ran >> \"$LOG\"; {script}");
    p.command(&format!("exec --pass-env LOG {flags} -- sh -c")).arg(&script)
}

fn workspace() -> Project {
    let p = project("");
    p.write("proto/a.proto", "a\n").write("proto/deep/b.proto", "b\n");
    p
}

const GEN: &str = "--input proto/**/*.proto --output gen";
const CAT: &str =
    "mkdir -p gen; cat $(find proto -type f | sort) > gen/all; echo made; echo hint >&2";

#[test]
fn a_command_runs_once_and_its_log_and_status_are_replayed() {
    let p = workspace();
    let first = exec(&p, GEN, CAT).run().success();
    assert_eq!((first.stdout(), p.read("gen/all")), ("made\n".into(), "a\nb\n".into()));
    assert!(first.stderr().starts_with("hint\n"), "each stream is its own: {first}");
    assert_eq!(p.ran(), ["ran"]);

    let fresh = exec(&p, GEN, CAT).run().success();
    assert_eq!((fresh.stdout().as_str(), fresh.stderr().as_str()), ("made\n", "hint\n"));

    p.remove("gen");
    let restored = exec(&p, GEN, CAT).run().success();
    assert_eq!((restored.stdout(), p.read("gen/all")), ("made\n".into(), "a\nb\n".into()));
    assert!(restored.stderr().contains("Restored @exec#gen-"), "{restored}");
    let quiet = exec(&p, &format!("{GEN} -q"), CAT).run().success();
    assert_eq!((quiet.stdout().as_str(), quiet.stderr().as_str()), ("made\n", "hint\n"));
    assert!(p.ran().is_empty());

    p.write("proto/a.proto", "new\n");
    let changed = exec(&p, GEN, CAT).run().success();
    assert_eq!((changed.stdout(), p.read("gen/all")), ("made\n".into(), "new\nb\n".into()));
    assert!(changed.stderr().contains(": proto/a.proto changed"), "{changed}");
    let forced = exec(&p, &format!("{GEN} --force"), CAT).run().success();
    assert_eq!(forced.stdout(), "made\n");
    assert_eq!(p.ran(), ["ran", "ran"]);
}

#[test]
fn it_is_the_same_as_a_subcommand_of_cargo() {
    let p = workspace();
    let flags = [
        "exec",
        "--input",
        "proto",
        "--color",
        "never",
        "--",
        "echo",
        "--color=always",
        "--",
        "-q",
    ];
    for _ in 0..2 {
        let start = flags.iter().fold(p.command("granular"), |it, flag| it.arg(flag));
        let run = start.by_cargo().run().success();
        assert_eq!(run.stdout(), "--color=always -- -q\n");
    }
}

#[test]
fn a_second_checkout_restores_what_the_first_has_made() {
    let p = workspace();
    exec(&p, GEN, CAT).run().success();
    let second = p.checkout("second");
    second.remove("gen");
    assert_eq!(exec(&second, GEN, CAT).run().success().stdout(), "made\n");
    assert_eq!(second.read("gen/all"), "a\nb\n");
    assert!(second.ran().is_empty());
}

#[test]
fn paths_are_relative_to_the_current_directory() {
    let p = workspace();
    p.write("sub/x", "1").write("sub/deep/y", "2");
    let run = |dir: &str, flags: &str, script: &str| {
        exec(&p, flags, script).dir(&p.path(dir)).run().success().stdout()
    };
    assert_eq!(run("sub", "--input x --output out.txt", "cp x out.txt; pwd"), root(&p, "sub"));
    assert_eq!(p.read("sub/out.txt"), "1");
    assert_eq!(
        run("sub", "--input x --dir deep", "cat y; pwd"),
        "2".to_owned() + &root(&p, "sub/deep")
    );
    assert_eq!(
        run("sub/deep", "--input y --input ../x --input /proto/a.proto", "cat y ../x"),
        "21\n"
    );
    assert_eq!(p.ran(), ["ran", "ran", "ran"]);
    p.write("proto/a.proto", "new\n");
    run("sub/deep", "--input y --input ../x --input /proto/a.proto", "cat y ../x");
    run("sub", "--input x --dir deep", "cat y; pwd");
    assert_eq!(p.ran(), ["ran"]);
}

fn root(_: &Project, dir: &str) -> String {
    format!("[ROOT]/workspace/{dir}\n")
}

#[test]
fn a_failure_has_the_commands_own_exit_code_and_is_never_kept() {
    let p = workspace();
    let script = "echo out; echo err >&2; exit 7";
    for _ in 0..2 {
        let failed = exec(&p, GEN, script).run().code(7);
        assert_eq!(failed.stdout(), "out\n");
        let (said, told) = (failed.stderr(), failed.stderr());
        assert!(said.starts_with("err\n") && told.contains(": exit code 7\n"), "{failed}");
        assert_eq!(said.matches("err\n").count(), 1, "its log is shown once: {failed}");
    }
    assert_eq!(p.ran(), ["ran", "ran"]);
    let _ = exec(&p, "", "kill -TERM $$").run().code(143);
    let _ = exec(&p, "--timeout 1", "sleep 20").run().code(124);
}

#[test]
fn a_command_without_outputs_is_a_check_of_everything_below() {
    let p = workspace();
    p.write(".gitignore", "junk\n");
    let check = || exec(&p, "", "echo good").run().success().stdout();
    assert_eq!((check(), check()), ("good\n".into(), "good\n".into()));
    p.write("junk", "1");
    assert_eq!((check(), p.ran().len()), ("good\n".into(), 1));
    p.write("proto/c.proto", "c");
    assert_eq!((check(), p.ran().len()), ("good\n".into(), 1));
}

#[test]
fn commands_do_not_get_in_each_others_way() {
    let p = workspace();
    let (one, other) = ("--input proto/a.proto", "--input proto/deep/b.proto");
    for _ in 0..2 {
        assert_eq!(exec(&p, one, "echo 1").run().success().stdout(), "1\n");
        assert_eq!(exec(&p, one, "echo 2").run().success().stdout(), "2\n");
        assert_eq!(exec(&p, other, "echo 1").run().success().stdout(), "1\n");
        assert_eq!(
            exec(&p, &format!("{other} --env A=1"), "echo 1$A").run().success().stdout(),
            "11\n"
        );
    }
    assert_eq!(p.ran().len(), 4);
}

#[test]
fn another_command_for_the_same_outputs_takes_the_place_of_the_first() {
    let p = workspace();
    let two = "mkdir -p gen; echo two > gen/two";
    exec(&p, GEN, CAT).run().success();
    let second = exec(&p, GEN, two).run().success();
    assert!(!second.stderr().contains("warning"), "nothing of it is anybody else's: {second}");
    assert!(second.stderr().contains("its command changed"), "{second}");
    assert!(!p.path("gen/all").exists() && p.path("gen/two").exists());
    exec(&p, GEN, CAT).run().success();
    assert!(p.path("gen/all").exists() && !p.path("gen/two").exists());
    assert_eq!(p.ran().len(), 2, "each is restored when its turn comes again");
    assert!(!p.path("target/granular/displaced").exists());
}

#[test]
fn what_stood_there_before_the_first_time_is_moved_aside_and_named() {
    let p = workspace();
    p.write("gen/all", "a\nb\n").write("gen/by-hand", "mine\n");
    let run = exec(&p, GEN, CAT).run().success();
    assert!(run.stderr().contains("target/granular/displaced"), "{run}");
    assert_eq!(p.read("gen/all"), "a\nb\n");
    assert!(!p.path("gen/by-hand").exists());
    let kept = walk(&p.path("target/granular/displaced"));
    assert!(kept.iter().any(|name| name.starts_with("by-hand")), "{kept:?}");
    assert!(!exec(&p, GEN, CAT).run().success().stderr().contains("warning"));
}

fn walk(dir: &std::path::Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        names.push(entry.file_name().into_string().unwrap());
        names.extend(walk(&entry.path()));
    }
    names
}

#[test]
fn a_need_is_brought_up_to_date_first_and_counts() {
    let made = step("made", "cat in > {out}/x", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]");
    let p = project(&made);
    p.write("in", "1");
    let run = |flags: &str| {
        let script = "cat {needs.made.out}/x";
        exec(&p, &format!("--input Cargo.toml {flags}"), script).run().success().stdout()
    };
    assert_eq!(run("--need made"), "1\n");
    assert_eq!(p.ran(), ["made", "ran"]);
    p.write("in", "2");
    assert_eq!(run("--need #made"), "2\n");
    assert_eq!(p.ran(), ["made", "ran"]);
    assert_eq!(run("--need made"), "2\n");
    assert!(p.ran().is_empty());
}

#[test]
fn variables_are_passed_only_as_asked() {
    let p = workspace();
    let run = |value: &str| {
        let flags = "--input proto --track-env SEEN --env SET=set";
        let run = exec(&p, flags, "echo $SEEN $SET $HIDDEN");
        run.env("SEEN", value).env("HIDDEN", value).run().success().stdout()
    };
    assert_eq!(
        (run("1"), run("2"), run("1")),
        ("1 set\n".into(), "2 set\n".into(), "1 set\n".into())
    );
    assert_eq!(p.ran().len(), 2);
}

#[test]
fn a_step_with_the_same_command_shares_the_result() {
    let p = workspace();
    let script = "echo ran >> \"$LOG\"; echo good; echo hint >&2";
    let table = format!(
        "[workspace.metadata.granular.steps.same]\nrun = [\"sh\", \"-c\", {script:?}]\ninputs = [\"proto\"]\noutputs = []\npass-env = [\"LOG\"]\n"
    );
    exec(&p, "--input proto", "echo good; echo hint >&2").run().success();
    p.manifest(&table);
    let run = p.granular("build").success();
    assert!(run.stderr().contains("Restored #same"), "{run}");
    assert!(run.stderr().contains("good\n") && !run.stderr().contains("[granular:"), "{run}");
    assert_eq!(p.ran(), ["ran"]);
}

#[test]
fn a_lost_log_comes_back_from_the_cache() {
    let p = workspace();
    exec(&p, GEN, CAT).run().success();
    fs::remove_dir_all(p.path("target/granular/logs")).unwrap();
    let fresh = exec(&p, GEN, CAT).run().success();
    assert_eq!((fresh.stdout().as_str(), fresh.stderr().as_str()), ("made\n", "hint\n"));
    assert_eq!(p.ran(), ["ran"]);
}

#[test]
fn for_programs_standard_output_holds_objects_only() {
    let p = workspace();
    for status in ["\"ran\"", "\"fresh\""] {
        let run = exec(&p, &format!("{GEN} --message-format json"), CAT).run().success();
        assert!(run.stdout().lines().all(|line| line.starts_with("{\"reason\":")), "{run}");
        assert!(run.stdout().contains(&format!("\"status\":{status}")), "{run}");
        assert!(
            run.stderr().contains("made\nhint\n") || run.stderr().contains("hint\nmade\n"),
            "{run}"
        );
    }
}

#[test]
fn mistakes_are_told_in_the_words_of_the_flags() {
    let declared = step("made", "true", "inputs = []\noutputs = [\"made\"]");
    let p = project(&declared);
    p.write("in", "");
    let told = |flags: &str| exec(&p, flags, "true").run().code(2).stderr();
    assert_snapshot!(told("--need mode"), @"error: unknown step `#mode` in `--need`: did you mean `#made`?");
    assert_snapshot!(told("--input no/*.txt"), @"
    error: the input pattern `no/*.txt` matches nothing: there is no `no`

    help: it is relative to the workspace root
    ");
    assert_snapshot!(told("--input in --output made/x"), @"
    error: `#made` and the command both own `made/x`: an output of the command

    help: one step alone can own an output
    ");
    assert_snapshot!(told("--input in --output ../x"), @"error: wrong pattern in `--output`: this path leaves the workspace");
    assert_snapshot!(told("--input in --dir none"), @"
    error: `--dir` does not exist: there is no directory `none` in the workspace

    help: it is relative to the current directory, or to the workspace root with `/` in front
    ");
    assert_snapshot!(told("--input in --timeout soon"), @r#"
    error: malformed `--timeout`: this is no duration

    help: write a number of seconds, or a text such as `"[ELAPSED]"`, `"5m"`, `"1h30m"`, `"[ELAPSED]"`
    "#);
    assert_snapshot!(told("--input in --env A"), @"
    error: invalid value 'A' for '--env <NAME=VALUE>': it is written NAME=VALUE

    For more information, try '--help'.
    ");
    assert_snapshot!(p.granular("exec --input in").code(2).stderr(), @"
    error: the following required arguments were not provided:
      <COMMAND>...

    Usage: cargo granular exec --input <PATTERN> -- <COMMAND>...

    For more information, try '--help'.
    ");
    assert!(p.ran().is_empty());
}

#[test]
fn outside_of_a_workspace_it_says_what_is_missing() {
    let p = Project::new("nowhere");
    assert_snapshot!(exec(&p, "", "true").run().code(2).stderr(), @"
    error: could not find `Cargo.toml` in `[ROOT]/nowhere` or any parent directory

    help: `exec` works below a `Cargo.toml`: what it knows is kept in the target directory of that workspace
    ");
    let other = project("");
    let manifest = other.path("Cargo.toml");
    let run = exec(&p, &format!("--manifest-path {}", manifest.display()), "true").run().code(3);
    assert!(run.stderr().contains("does not lie in the workspace"), "{run}");
}
