//! What becomes of a step where its tool or its sources are missing: a result first, then checked-in files, then what the step says.

use crate::project::{Project, Run, project};
use insta::assert_snapshot;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A workspace with a step `web` that the tool `bundle` makes of `web/`, and one `app` that needs it.
fn web(more: &str, more_of_app: &str) -> Project {
    let p = project(&format!(
        "[workspace.metadata.granular.steps.web]
run = [\"bundle\", \"web/in\", \"{{out}}/js\"]
inputs = [\"web/**\"]
outputs = [\"{{out}}/js\"]
pass-env = [\"LOG\"]
{more}

[workspace.metadata.granular.steps.app]
run = \"echo app >> \\\"$LOG\\\"; cat {{needs.web.out}}/js > {{out}}/app\"
inputs = []
outputs = [\"{{out}}/app\"]
needs = [\"web\"]
pass-env = [\"LOG\"]
{more_of_app}
"
    ));
    p.write("web/in", "one\n");
    install(&p, "1");
    p
}

/// Makes the tool `bundle`, of that version. It notes that it was run.
fn install(p: &Project, version: &str) {
    p.write(
        "bin/bundle",
        format!("#!/bin/sh\necho web >> \"$LOG\"\n(cat \"$1\"; echo by {version}) > \"$2\"\n"),
    );
    fs::set_permissions(p.path("bin/bundle"), fs::Permissions::from_mode(0o755)).unwrap();
}

fn run(p: &Project, arguments: &str) -> Run {
    let path = std::env::var("PATH").unwrap();
    p.command(arguments).env("PATH", &format!("{}:{path}", p.path("bin").display())).run()
}

/// What is told, without the directories of the PATH.
fn told(run: &Run) -> String {
    let path = regex::Regex::new(r"in PATH \([^)]*\)").unwrap();
    path.replace_all(&run.to_string(), "in PATH ([DIRS])").into_owned()
}

const SKIP: &str = "unavailable = \"skip\"";

#[test]
fn without_a_word_a_missing_tool_is_the_failure_that_it_is() {
    let p = web("", "");
    p.remove("bin");
    let failed = run(&p, "build").code(3);
    assert!(failed.stderr().contains("there is no program `bundle` in PATH"), "{failed}");
    assert!(p.ran().is_empty());
}

#[test]
fn a_step_that_asks_for_it_is_skipped_and_the_build_is_good() {
    let p = web(SKIP, SKIP);
    p.remove("bin");
    assert_snapshot!(told(&run(&p, "build").success()), @"
    ---- stderr
    warning: step `#web` is skipped: there is no program `bundle` in PATH ([DIRS]) (install it, or name it by its path)
    warning: step `#app` is skipped: it needs `#web`, which is skipped
        Finished 2 steps in [ELAPSED]: 2 skipped
    ");
    assert!(p.ran().is_empty());
    assert!(fs::read_dir(p.path("target/granular/out/@workspace/web")).unwrap().next().is_none());
    let json = run(&p, "build --message-format json").success().stdout();
    assert!(
        json.contains(r#""status":"skipped""#) && json.contains(r#""kind":"unavailable""#),
        "{json}"
    );
    assert!(
        json.contains(r#""success":true,"fresh":0,"restored":0,"ran":0,"failed":0,"skipped":2"#),
        "{json}"
    );
    let dry = run(&p, "build -n").success();
    assert!(dry.stdout().contains("Would skip #web: there is no program `bundle`"), "{dry}");
    let explained = run(&p, "explain #web").success();
    assert!(
        explained.stdout().contains("Now it would be skipped: there is no program"),
        "{explained}"
    );
    let twice = run(&p, "reproduce #web");
    assert!(!twice.to_string().contains("Same") && !twice.to_string().contains("same"), "{twice}");
    install(&p, "1");
    run(&p, "build").success();
    assert_eq!(p.ran(), ["app", "web"], "with the tool it is built");
}

#[test]
fn a_step_that_needs_what_was_skipped_fails_unless_it_says_so_too() {
    let p = web(SKIP, "");
    p.remove("bin");
    assert_snapshot!(told(&run(&p, "build").code(3)), @r#"
    ---- stderr
    warning: step `#web` is skipped: there is no program `bundle` in PATH ([DIRS]) (install it, or name it by its path)
          Failed #app: it needs `#web`, which is skipped

      reason:   it needs `#web`, which is skipped
      help:     say what is to be done then, with `unavailable = "skip"` or `checked-in`

    error: 1 step failed: #app (1 skipped)
    [exit code: 3]
    "#);
    assert!(p.ran().is_empty());
}

#[test]
fn a_check_that_is_skipped_holds_nobody_up() {
    let p = project(
        "[workspace.metadata.granular.steps.lint]
run = [\"no-such-linter\"]
inputs = [\"src/**\"]
outputs = []
unavailable = \"skip\"

[workspace.metadata.granular.steps.app]
run = \"echo app >> \\\"$LOG\\\"\"
inputs = []
outputs = []
needs = [\"lint\"]
pass-env = [\"LOG\"]
",
    );
    p.write("src/a", "1");
    p.granular("build").success();
    assert_eq!(p.ran(), ["app"]);
    p.granular("build").success();
    assert!(p.ran().is_empty());
    p.write("src/a", "2");
    p.granular("build").success();
    assert_eq!(p.ran(), ["app"], "what the check reads counts for those who need it");
}

#[test]
fn what_was_built_with_the_tool_stays_fresh_and_is_restored_without_it() {
    for more in ["", SKIP, "checked-in = \"web/dist\""] {
        let p = web(more, "");
        if more.contains("dist") {
            p.write("web/dist/js", "checked in\n");
        }
        run(&p, "build").success();
        assert_eq!(p.ran(), ["app", "web"]);
        p.remove("bin");
        let fresh = run(&p, "build").success();
        assert!(
            fresh.stderr().contains("2 fresh") && !fresh.stderr().contains("warning"),
            "{fresh}"
        );
        p.remove("target");
        let restored = run(&p, "build").success();
        assert!(restored.stderr().contains("2 restored"), "{restored}");
        assert!(
            restored
                .stderr()
                .contains("`#web` is restored as it was made with `bundle`, which is missing here"),
            "{restored}"
        );
        assert_eq!(p.read_out("app/app"), "one\nby 1\n");
        assert!(p.ran().is_empty());
    }
}

/// A step whose tool `bundle` reads what `main` names, and says so in a dependency file.
fn bundle_that_finds() -> Project {
    let p = project(
        "[workspace.metadata.granular.steps.web]
run = [\"bundle\", \"main\", \"{out}/js\", \"{out}/d\"]
inputs = [\"main\"]
depfile = \"{out}/d\"
outputs = [\"{out}/js\"]
unavailable = \"skip\"
pass-env = [\"LOG\"]
",
    );
    p.write("main", "one two\n").write("one", "1\n").write("two", "2\n");
    p.write(
        "bin/bundle",
        "#!/bin/sh\necho web >> \"$LOG\"\ncat $(cat \"$1\") > \"$2\"\necho \"$2: $(cat \"$1\" | tr '\\n' ' ')\" > \"$3\"\n",
    );
    fs::set_permissions(p.path("bin/bundle"), fs::Permissions::from_mode(0o755)).unwrap();
    p
}

#[test]
fn what_a_tool_found_that_is_missing_leads_to_its_result_as_well() {
    let p = bundle_that_finds();
    run(&p, "build").success();
    let second = p.checkout("second");
    p.write("main", "two\n");
    run(&p, "build").success();
    assert_eq!(p.ran(), ["web", "web"]);
    second.ran();

    // In the checkout where it was built it is fresh, with what the tool read of it.
    p.remove("bin");
    assert!(run(&p, "build").success().stderr().contains("1 fresh"));
    p.write("one", "what nobody reads\n");
    assert!(run(&p, "build").success().stderr().contains("1 fresh"));
    p.write("main", "one two\n").write("one", "1\n");
    let restored = run(&p, "build").success();
    assert!(restored.stderr().contains("Restored #web"), "{restored}");
    assert_eq!(p.read("target/granular/out/@workspace/web/js"), "1\n2\n");
    assert!(run(&p, "build").success().stderr().contains("1 fresh"));

    // Elsewhere it is restored as long as what the tool read is as it was.
    second.remove("bin");
    let restored = run(&second, "build").success();
    let how = "`#web` is restored as it was made with `bundle`, which is missing here";
    assert!(restored.stderr().contains(how), "{restored}");
    second.write("two", "3\n");
    let skipped = run(&second, "build").success();
    assert!(skipped.stderr().contains("`#web` is skipped: there is no program"), "{skipped}");
    assert!(!second.path("target/granular/out/@workspace/web/js").exists());
    second.write("two", "2\n");

    // Also where it is brought in a file.
    let other = second.elsewhere();
    let file = second.path("results").display().to_string();
    run(&second, &format!("cache export {file}")).success();
    other.granular(&format!("cache import {file}")).success();
    let restored = run(&other, "build").success();
    assert!(restored.stderr().contains("Restored #web"), "{restored}");
    assert!(p.ran().is_empty() && second.ran().is_empty() && other.ran().is_empty());
}

#[test]
fn a_result_of_another_version_serves_only_where_there_is_no_tool() {
    let p = web("", "");
    run(&p, "build").success();
    install(&p, "2");
    run(&p, "build").success();
    assert_eq!(p.ran(), ["app", "app", "web", "web"]);
    assert_eq!(p.read_out("web/js"), "one\nby 2\n");
    let other = p.checkout("other");
    other.remove("bin");
    run(&other, "build").success();
    assert_eq!(other.read_out("web/js"), "one\nby 2\n", "the one that was made last");
    install(&other, "3");
    run(&other, "build").success();
    assert_eq!(other.read_out("web/js"), "one\nby 3\n");
    assert_eq!(other.ran(), ["app", "web"]);
}

#[test]
fn a_tool_that_is_here_has_to_be_the_one_that_it_was_made_with() {
    let p = web("tools = [\"helper\"]\nunavailable = \"skip\"", SKIP);
    let helper = |p: &Project, text: &str| {
        p.write("bin/helper", format!("#!/bin/sh\n# {text}\n"));
        fs::set_permissions(p.path("bin/helper"), fs::Permissions::from_mode(0o755)).unwrap();
    };
    helper(&p, "one");
    run(&p, "build").success();
    p.remove("target");
    p.remove("bin/bundle");
    helper(&p, "two");
    let skipped = run(&p, "build").success();
    assert!(skipped.stderr().contains("2 skipped"), "{skipped}");
    helper(&p, "one");
    assert!(run(&p, "build").success().stderr().contains("2 restored"));
}

#[test]
fn what_changed_since_is_not_restored_and_nothing_old_is_left() {
    let p = web(SKIP, SKIP);
    run(&p, "build").success();
    p.remove("bin");
    p.write("web/in", "two\n");
    run(&p, "build").success();
    for step in ["web", "app"] {
        let out = p.path(&format!("target/granular/out/@workspace/{step}"));
        assert!(fs::read_dir(out).unwrap().next().is_none(), "{step}");
    }
    p.write("web/in", "one\n");
    run(&p, "build").success();
    assert_eq!(p.read_out("app/app"), "one\nby 1\n");
    assert_eq!(p.ran(), ["app", "web"], "of the first build");
}

#[test]
fn a_result_that_turns_out_damaged_is_followed_by_the_next_way_out() {
    let p = web("checked-in = \"dist\"", "");
    p.write("dist/js", "checked in\n");
    run(&p, "build").success();
    p.remove("bin");
    p.remove("target");
    for dir in fs::read_dir(p.cache().join("v1/blobs")).unwrap() {
        fs::remove_dir_all(dir.unwrap().path()).unwrap();
    }
    run(&p, "build").success();
    assert_eq!(p.read_out("web/js"), "checked in\n");
}

#[test]
fn checked_in_files_stand_in_for_outputs() {
    let p = web("checked-in = \"web/dist\"", "");
    p.write("web/dist/js", "checked in\n");
    p.remove("bin");
    assert_snapshot!(told(&run(&p, "build").success()), @"
    ---- stderr
    warning: `#web` is taken from `web/dist`: there is no program `bundle` in PATH ([DIRS])
        Restored #web (11 B from `web/dist`)
             Ran #app in [ELAPSED]: it has not run here before
        Finished 2 steps in [ELAPSED]: 1 restored, 1 ran
    ");
    assert_eq!(p.read_out("app/app"), "checked in\n");
    assert_eq!(p.ran(), ["app"]);
    for _ in 0..2 {
        crate::costs::settle();
        assert!(run(&p, "build").success().stderr().contains("2 fresh"));
    }
    p.write("web/dist/js", "another\n");
    run(&p, "build").success();
    assert_eq!(p.read_out("app/app"), "another\n");
    assert_eq!(p.ran(), ["app"]);
    fs::write(p.path("target/granular/out/@workspace/web/js"), "spoilt").unwrap();
    run(&p, "build").success();
    assert_eq!(p.read_out("web/js"), "another\n");
    install(&p, "1");
    run(&p, "build").success();
    assert_eq!(p.read_out("app/app"), "one\nby 1\n");
    assert_eq!(p.ran(), ["app", "web"]);
    p.write("web/dist/js", "no input where the step can run\n");
    assert!(run(&p, "build").success().stderr().contains("2 fresh"));
    // What was taken from there is in no cache.
    p.remove("target");
    p.remove("bin");
    run(&p, "build").success();
    assert_eq!(p.read_out("web/js"), "one\nby 1\n");
}

#[test]
fn checked_in_files_have_to_be_what_is_declared() {
    let p = web("checked-in = \"dist\"", "");
    p.remove("bin");
    let failed = run(&p, "build").code(3);
    assert!(
        failed.stderr().contains("nothing is checked in at `dist` to stand in for it"),
        "{failed}"
    );
    p.write("dist/more", "");
    let failed = run(&p, "build").code(1);
    assert!(
        failed.stderr().contains("`dist/more` is checked in and not among its outputs"),
        "{failed}"
    );
    p.remove("dist/more");
    p.write("dist/js", "");
    run(&p, "build").success();
    let p = web("checked-in = \"dist\"\noutputs = [\"{out}/js\", \"{out}/css\"]", "");
    let manifest = p.read("Cargo.toml").replacen("outputs = [\"{out}/js\"]\n", "", 1);
    p.write("Cargo.toml", manifest).write("dist/js", "").remove("bin");
    let failed = run(&p, "build").code(1);
    assert!(
        failed.stderr().contains("its output `{out}/css` is not checked in at `dist`"),
        "{failed}"
    );
}

#[test]
fn a_run_tells_where_the_checked_in_files_are_not_what_it_leaves() {
    let p = web("checked-in = \"dist\"", "");
    let told = run(&p, "build").success();
    let words = "warning: `dist` is not what `#web` leaves, which shows at `{out}/js`: replace it by a copy of [ROOT]/workspace/target/granular/out/@workspace/web";
    assert!(told.stderr().contains(words), "{told}");
    p.write("dist/js", p.read_out("web/js"));
    let told = run(&p, "build --force #web").success();
    assert!(!told.stderr().contains("warning"), "{told}");
    p.write("dist/old", "");
    let told = run(&p, "build --force #web").success();
    assert!(told.stderr().contains("shows at `{out}/old`"), "{told}");
}

#[test]
fn sources_that_are_missing_are_no_mistake_of_a_step_that_says_what_to_do_then() {
    let p = web("", SKIP);
    p.remove("web");
    let mistake = run(&p, "build").code(2);
    assert!(
        mistake.stderr().contains("the input pattern `web/**` of step `#web` matches nothing"),
        "{mistake}"
    );
    let p = web(SKIP, SKIP);
    p.remove("web");
    assert_snapshot!(told(&run(&p, "build").success()), @"
    ---- stderr
    warning: step `#web` is skipped: its input pattern `web/**` matches nothing
    warning: step `#app` is skipped: it needs `#web`, which is skipped
        Finished 2 steps in [ELAPSED]: 2 skipped
    ");
    assert!(p.ran().is_empty());
    p.write("web/in", "one\n");
    run(&p, "build").success();
    assert_eq!(p.ran(), ["app", "web"]);
}

#[test]
fn outputs_in_the_tree_stay_where_a_step_is_skipped() {
    let p = project(
        "[workspace.metadata.granular.steps.gen]
run = [\"no-such-generator\"]
inputs = []
outputs = [\"gen/a.rs\"]
unavailable = \"skip\"
",
    );
    p.write("gen/a.rs", "committed");
    p.granular("build").success();
    assert_eq!(p.read("gen/a.rs"), "committed");
}

#[test]
fn forcing_asks_for_a_run_and_says_that_there_is_none() {
    let p = web("", "");
    run(&p, "build").success();
    p.remove("bin");
    let failed = run(&p, "build --force #web").code(3);
    assert!(failed.stderr().contains("there is no program `bundle`"), "{failed}");
}

#[test]
fn a_collection_takes_what_leads_to_no_result() {
    let p = web("", "");
    run(&p, "build").success();
    let notes = || {
        let dirs = fs::read_dir(p.cache().join("v1/made-with")).unwrap();
        dirs.map(|dir| fs::read_dir(dir.unwrap().path()).unwrap().count()).sum::<usize>()
    };
    assert_eq!(notes(), 2);
    p.granular("gc --max-size 1GiB").success();
    assert_eq!(notes(), 2);
    p.granular("verify").success();
    p.granular("gc --max-size 0").success();
    assert_eq!(notes(), 0);
}
