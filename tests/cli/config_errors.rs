//! One snapshot for each mistake in a configuration, as a user sees it.

use crate::project::{Project, project, step};
use insta::assert_snapshot;

/// What is drawn for a workspace with these tables and no files.
#[track_caller]
fn drawn(tables: &str) -> String {
    drawn_for(&project(begun(tables)))
}

/// The same for one step `api` of the workspace with these keys.
#[track_caller]
fn drawn_for_step(keys: &str) -> String {
    drawn(&format!("[workspace.metadata.granular.steps.api]\n{}\n", begun(keys)))
}

/// The same for these steps of the workspace, each a key.
#[track_caller]
fn drawn_for_steps(keys: &str) -> String {
    drawn(&format!("[workspace.metadata.granular.steps]\n{}\n", begun(keys)))
}

/// The same for these settings.
#[track_caller]
fn drawn_for_settings(keys: &str) -> String {
    drawn(&format!("[workspace.metadata.granular]\n{}\n", begun(keys)))
}

/// The same for a package `web` with these tables, in a workspace with a step `gen` that leaves `gen/`.
#[track_caller]
fn drawn_for_package(tables: &str) -> String {
    let gen_step = r#"
[workspace.metadata.granular.steps.gen]
run = "./gen"
outputs = ["gen"]
"#;
    drawn_for(&workspace_with_package(gen_step, tables))
}

/// What a build draws. It ends with exit code 2, answers nothing and runs nothing.
#[track_caller]
fn drawn_for(p: &Project) -> String {
    let run = p.granular("build").code(2);
    assert_eq!(run.stdout(), "");
    assert!(p.ran().is_empty());
    run.raw_stderr()
}

/// A workspace with `root` in its root manifest and a package `web` with `tables` in its own.
fn workspace_with_package(root: &str, tables: &str) -> Project {
    let p = Project::new("workspace");
    let workspace = "[workspace]\nresolver = \"3\"\nmembers = [\"web\"]\n";
    let package = "[package]\nname = \"web\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    p.write("Cargo.toml", format!("{workspace}\n{}", begun(root)));
    p.write("web/Cargo.toml", format!("{package}\n{}", begun(tables)));
    p.write("web/src/lib.rs", "");
    p
}

/// The text without the end of the line that its quotes stand in.
fn begun(text: &str) -> &str {
    text.strip_prefix('\n').unwrap_or(text)
}

/// Makes a named pipe, for which the standard library has no call.
#[cfg(unix)]
#[track_caller]
fn make_pipe(p: &Project, path: &str) {
    let made = std::process::Command::new("mkfifo").arg(p.path(path)).status().unwrap();
    assert!(made.success());
}

// All at once, before anything runs.

#[test]
fn all_mistakes_of_all_manifests_are_told_at_once() {
    let p = workspace_with_package(
        r#"
[workspace.metadata.granular]
cache_size = "10 GiB"

[workspace.metadata.granular.steps.models]
run = ["go", "build", "./shared/models"]
inputs = ["shared/models/*.go"]
"#,
        r##"
[package.metadata.granular.steps.bundle]
run = ["npm", "run", "build"]
outputs = ["{out}"]
needs = ["#modles"]
timeout = "5 min"

[package.metadata.granular.steps.lint]
run = "npm run lint"
inputs = ["dist/*.js"]
outputs = ["dist"]
"##,
    );
    assert_snapshot!(drawn_for(&p), @r##"
    error: unknown key `cache_size` in `workspace.metadata.granular`
     --> Cargo.toml:6:1
      |
    6 | cache_size = "10 GiB"
      | ^^^^^^^^^^ did you mean `cache-size`?

    error: step `#models` has `run` but no `outputs`
     --> Cargo.toml:8:36
      |
    8 | [workspace.metadata.granular.steps.models]
      |                                    ^^^^^^
      |
      = help: write `outputs = []` for a check, which leaves nothing behind

    error: unknown step `#modles` in `needs` of step `web#bundle`
     --> web/Cargo.toml:9:10
      |
    9 | needs = ["#modles"]
      |          ^^^^^^^^^ did you mean `#models`?

    error: malformed `timeout` in step `web#bundle`
      --> web/Cargo.toml:10:11
       |
    10 | timeout = "5 min"
       |           ^^^^^^^ this is no duration
       |
       = help: write a number of seconds, or a text such as `"90s"`, `"5m"`, `"1h30m"`, `"500ms"`

    error: `web#lint` reads its own output `web/dist`
      --> web/Cargo.toml:14:11
       |
    14 | inputs = ["dist/*.js"]
       |           ^^^^^^^^^^^ read here
    15 | outputs = ["dist"]
       |            ------ an output of `web#lint`
       |
       = help: take it out of the inputs: what a step leaves would change what it is made of

    error: 5 mistakes in the configuration
    "##);
}

#[test]
fn nothing_runs_where_one_step_of_many_is_wrong() {
    let good = step("good", "true", "inputs = []\noutputs = []");
    let p = project(&format!("{good}{}", step("bad", "true", "inputs = []")));
    assert_snapshot!(p.granular("build good").code(2).stderr(), @"
    error: step `#bad` has `run` but no `outputs`
     --> Cargo.toml:9:36
      |
    9 | [workspace.metadata.granular.steps.bad]
      |                                    ^^^
      |
      = help: write `outputs = []` for a check, which leaves nothing behind

    error: 1 mistake in the configuration
    ");
    assert!(p.ran().is_empty());
    assert!(!p.path("target").exists(), "nothing is left behind either");
    p.manifest(&good);
    p.granular("build good").success();
    assert_eq!(p.ran(), ["good"]);
}

#[test]
fn nothing_runs_where_the_files_of_the_last_step_are_wrong() {
    let first = step("first", "true", "inputs = []\noutputs = []");
    let last = "inputs = [\"no.txt\"]\noutputs = []\nneeds = [\"first\"]";
    let p = project(&format!("{first}{}", step("last", "true", last)));
    assert_snapshot!(p.granular("build").code(2).stderr(), @r#"
    error: the input pattern `no.txt` of step `#last` matches nothing
      --> Cargo.toml:12:11
       |
    12 | inputs = ["no.txt"]
       |           ^^^^^^^^ there is no `no.txt`
       |
       = help: it is relative to the workspace root

    error: 1 mistake in the configuration
    "#);
    assert!(p.ran().is_empty());
    p.write("no.txt", "").granular("build").success();
    assert_eq!(p.ran(), ["first", "last"]);
}

#[test]
fn paths_are_told_as_they_are_seen_from_the_current_directory() {
    let p = workspace_with_package("[workspace.metadata.granular]\nstep = {}\n", "");
    assert_snapshot!(p.command("build").dir(&p.path("web/src")).run().code(2).stderr(), @"
    error: unknown key `step` in `workspace.metadata.granular`
     --> ../../Cargo.toml:6:1
      |
    6 | step = {}
      | ^^^^ did you mean `steps`?

    error: 1 mistake in the configuration
    ");
}

#[test]
fn a_mistake_is_an_object_of_the_json_stream_as_well() {
    let p = project(begun(
        r#"
[workspace.metadata.granular.steps]
a = { run = "x", outputs = ["gen"] }
b = { run = "x", outputs = ["gen/x.txt"] }
"#,
    ));
    let run = p.granular("build --message-format json").code(2);
    assert_snapshot!(run.stdout(), @r#"
    {"reason":"granular-mistake","message":"`#a` and `#b` both own `gen/x.txt`","file":"[ROOT]/workspace/Cargo.toml","line":6,"column":29,"label":"an output of `#b`","help":"one step alone can own an output","related":[{"file":"[ROOT]/workspace/Cargo.toml","line":5,"column":29,"label":"an output of `#a`"}]}
    {"reason":"build-finished","success":false,"fresh":0,"restored":0,"ran":0,"failed":0,"skipped":0,"duration_ms":0,"saved_ms":0,"interrupted":false}
    "#);
    assert_snapshot!(run.stderr(), @r#"
    error: `#a` and `#b` both own `gen/x.txt`
     --> Cargo.toml:6:29
      |
    5 | a = { run = "x", outputs = ["gen"] }
      |                             ----- an output of `#a`
    6 | b = { run = "x", outputs = ["gen/x.txt"] }
      |                             ^^^^^^^^^^^ an output of `#b`
      |
      = help: one step alone can own an output

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn the_caret_stands_where_it_belongs_behind_tabs_and_wide_characters() {
    assert_snapshot!(drawn_for_step("\tinputs = [\"größe/家.txt\", 1]\r"), @r#"
    error: an element of `inputs` in step `#api` is not a string
     --> Cargo.toml:5:27
      |
    5 |     inputs = ["größe/家.txt", 1]
      |                               ^ this is an integer
      |
      = help: write `"1"`, with quotes

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_value_over_several_lines_is_shown_where_it_is_wrong() {
    let told = drawn_for_step(
        r#"
run = [
  "go",
  "build",
  { output = "api" },
]
outputs = []
"#,
    );
    assert_snapshot!(told, @r#"
    error: an element of `run` in step `#api` is not a string
     --> Cargo.toml:8:3
      |
    8 |   { output = "api" },
      |   ^^^^^^^^^^^^^^^^^^ this is a table

    error: 1 mistake in the configuration
    "#);
}

// Manifests that Cargo itself cannot read: its words are passed on, in which only what never changes is held here.

#[test]
fn a_manifest_that_is_not_toml_is_told_in_the_words_of_cargo() {
    let text = drawn("[workspace.metadata.granular\n");
    assert!(text.contains("Cargo.toml:4:29"), "{text}");
    assert!(text.contains("4 | [workspace.metadata.granular\n"), "{text}");
}

#[test]
fn a_step_that_is_declared_twice_is_told_in_the_words_of_cargo() {
    let table = "[workspace.metadata.granular.steps.api]\n";
    let text = drawn(&format!("{table}{table}"));
    assert!(text.contains("Cargo.toml:5:36") && text.contains("duplicate key"), "{text}");
}

#[test]
fn a_manifest_that_is_not_utf8_is_told_in_the_words_of_cargo() {
    let p = project("");
    p.write("Cargo.toml", b"[workspace]\n# caf\xe9\n[workspace.metadata.granular.steps.api]\n");
    let text = drawn_for(&p);
    assert!(text.starts_with("error: ") && text.contains("Cargo.toml"), "{text}");
    assert!(text.to_lowercase().contains("utf-8"), "{text}");
}

// Tables.

#[test]
fn the_table_of_granular_has_to_be_a_table() {
    assert_snapshot!(drawn("[workspace.metadata]\ngranular = true\n"), @"
    error: `workspace.metadata.granular` is not a table
     --> Cargo.toml:5:12
      |
    5 | granular = true
      |            ^^^^ this is a boolean
      |
      = help: write `[workspace.metadata.granular.steps.NAME]`

    error: 1 mistake in the configuration
    ");
}

#[test]
fn the_table_of_steps_has_to_be_a_table() {
    assert_snapshot!(drawn_for_settings(r#"steps = ["api"]"#), @r#"
    error: `steps` in `workspace.metadata.granular` is not a table
     --> Cargo.toml:5:9
      |
    5 | steps = ["api"]
      |         ^^^^^^^ this is an array
      |
      = help: write `[workspace.metadata.granular.steps.NAME]`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_step_that_is_only_its_command_is_told_how_to_be_a_table() {
    assert_snapshot!(drawn_for_steps(r#"api = "go build""#), @r#"
    error: step `#api` is not a table
     --> Cargo.toml:5:7
      |
    5 | api = "go build"
      |       ^^^^^^^^^^ this is a string
      |
      = help: write `api = { run = "go build", outputs = [] }`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_step_that_is_only_an_array_is_told_how_to_be_a_table() {
    assert_snapshot!(drawn_for_steps(r#"api = ["go", "build"]"#), @r#"
    error: step `#api` is not a table
     --> Cargo.toml:5:7
      |
    5 | api = ["go", "build"]
      |       ^^^^^^^^^^^^^^^ this is an array
      |
      = help: write `api = { run = […], outputs = [] }`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_step_in_double_brackets_is_no_table() {
    let told = drawn(
        r#"
[[workspace.metadata.granular.steps.api]]
run = "go build"
"#,
    );
    assert_snapshot!(told, @"
    error: step `#api` is not a table
     --> Cargo.toml:4:37
      |
    4 | [[workspace.metadata.granular.steps.api]]
      |                                     ^^^ this is an array of tables
      |
      = help: write `[workspace.metadata.granular.steps.api]`

    error: 1 mistake in the configuration
    ");
}

#[test]
fn step_for_steps_is_recognised() {
    let told = drawn(
        r#"
[workspace.metadata.granular.step.api]
run = "go build"
"#,
    );
    assert_snapshot!(told, @"
    error: unknown key `step` in `workspace.metadata.granular`
     --> Cargo.toml:4:30
      |
    4 | [workspace.metadata.granular.step.api]
      |                              ^^^^ did you mean `steps`?

    error: 1 mistake in the configuration
    ");
}

#[test]
fn a_step_without_steps_in_front_is_recognised() {
    let told = drawn(
        r#"
[workspace.metadata.granular.api]
run = "go build"
"#,
    );
    assert_snapshot!(told, @"
    error: unknown key `api` in `workspace.metadata.granular`
     --> Cargo.toml:4:30
      |
    4 | [workspace.metadata.granular.api]
      |                              ^^^ this looks like a step
      |
      = help: did you mean `[workspace.metadata.granular.steps.api]`?

    error: 1 mistake in the configuration
    ");
}

#[test]
fn a_key_of_a_step_outside_of_any_step_is_recognised() {
    assert_snapshot!(drawn_for_settings(r#"run = "go build""#), @r#"
    error: unknown key `run` in `workspace.metadata.granular`
     --> Cargo.toml:5:1
      |
    5 | run = "go build"
      | ^^^ this is a key of a step
      |
      = help: did you mean `[workspace.metadata.granular.steps.NAME]`?

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_setting_of_the_workspace_in_a_package_is_told_where_it_belongs() {
    let told = drawn_for_package(
        r#"
[package.metadata.granular]
cache-size = "1 GiB"
"#,
    );
    assert_snapshot!(told, @r#"
    error: `cache-size` is a setting of the workspace, not of a package
     --> web/Cargo.toml:7:1
      |
    7 | cache-size = "1 GiB"
      | ^^^^^^^^^^ not read from here
      |
      = help: it belongs in `[workspace.metadata.granular]` in the root's `Cargo.toml`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn an_unknown_key_of_a_package_is_told_with_the_only_one_there_is() {
    let told = drawn_for_package(
        r#"
[package.metadata.granular]
colour = "red"
"#,
    );
    assert_snapshot!(told, @r#"
    error: unknown key `colour` in `package.metadata.granular`
     --> web/Cargo.toml:7:1
      |
    7 | colour = "red"
      | ^^^^^^
      |
      = help: there is only `steps`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn steps_of_a_package_outside_of_the_workspace_are_told_where_they_can_stand() {
    let p = Project::new("workspace");
    p.write(
        "Cargo.toml",
        r#"[workspace]
resolver = "3"
members = ["../web"]
"#,
    );
    p.write(
        "../web/Cargo.toml",
        r#"[package]
name = "web"
version = "0.1.0"
edition = "2024"
workspace = "../workspace"

[package.metadata.granular.steps.bundle]
inputs = []
"#,
    );
    p.write("../web/src/lib.rs", "");
    assert_snapshot!(drawn_for(&p), @"
    error: package `web` has steps but does not lie below the workspace root
     --> ../web/Cargo.toml:7:19
      |
    7 | [package.metadata.granular.steps.bundle]
      |                   ^^^^^^^^ its paths would lead out of the workspace
      |
      = help: move the package below the root, or declare the steps in `[workspace.metadata.granular.steps]`

    error: 1 mistake in the configuration
    ");
}

// Settings.

#[test]
fn an_unknown_setting_is_told_with_those_that_there_are() {
    assert_snapshot!(drawn_for_settings(r#"colour = "red""#), @r#"
    error: unknown key `colour` in `workspace.metadata.granular`
     --> Cargo.toml:5:1
      |
    5 | colour = "red"
      | ^^^^^^
      |
      = help: there are `granular-version`, `cache-dir`, `cache-size`, `remote` and `steps`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_misspelt_setting_is_told_with_the_one_that_was_meant() {
    assert_snapshot!(drawn_for_settings(r#"cache_dir = "cache""#), @r#"
    error: unknown key `cache_dir` in `workspace.metadata.granular`
     --> Cargo.toml:5:1
      |
    5 | cache_dir = "cache"
      | ^^^^^^^^^ did you mean `cache-dir`?

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_workspace_that_needs_a_newer_program_says_only_that() {
    let told = drawn_for_settings(
        r#"
granular-version = "999.1"
key-of-the-future = 1
"#,
    );
    assert_snapshot!(told, @r#"
    error: this workspace needs cargo granular 999.1.0 or newer, and this is 0.1.0
     --> Cargo.toml:5:20
      |
    5 | granular-version = "999.1"
      |                    ^^^^^^^ asked for here
      |
      = help: update it with `cargo install --locked cargo-granular`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_malformed_granular_version_is_told_with_good_ones() {
    assert_snapshot!(drawn_for_settings(r#"granular-version = "^1""#), @r#"
    error: malformed `granular-version`
     --> Cargo.toml:5:20
      |
    5 | granular-version = "^1"
      |                    ^^^^ this is no version
      |
      = help: write the oldest version that will do, such as `"0.3"` or `">=0.3.1"`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_malformed_cache_size_is_told_with_good_ones() {
    assert_snapshot!(drawn_for_settings(r#"cache-size = "10 gigs""#), @r#"
    error: malformed `cache-size`
     --> Cargo.toml:5:14
      |
    5 | cache-size = "10 gigs"
      |              ^^^^^^^^^ this is no size
      |
      = help: write `"10 GiB"`, `"500 MB"` or a number of bytes

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_cache_size_of_zero_keeps_nothing() {
    assert_snapshot!(drawn_for_settings("cache-size = 0"), @r#"
    error: `cache-size` is zero
     --> Cargo.toml:5:14
      |
    5 | cache-size = 0
      |              ^ nothing could be kept
      |
      = help: write `"10 GiB"`, `"500 MB"` or a number of bytes

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_cache_size_of_a_wrong_type_is_told() {
    assert_snapshot!(drawn_for_settings("cache-size = 1.5"), @r#"
    error: `cache-size` is not a size
     --> Cargo.toml:5:14
      |
    5 | cache-size = 1.5
      |              ^^^ this is a float
      |
      = help: write `"10 GiB"`, `"500 MB"` or a number of bytes

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn an_empty_cache_dir_is_no_directory() {
    assert_snapshot!(drawn_for_settings(r#"cache-dir = """#), @r#"
    error: `cache-dir` is empty
     --> Cargo.toml:5:13
      |
    5 | cache-dir = ""
      |             ^^
      |
      = help: leave it out for the cache directory of the platform

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_cache_dir_in_the_home_of_somebody_else_is_not_understood() {
    assert_snapshot!(drawn_for_settings(r#"cache-dir = "~ci/cache""#), @r#"
    error: `cache-dir` names the home directory of somebody else
     --> Cargo.toml:5:13
      |
    5 | cache-dir = "~ci/cache"
      |             ^^^^^^^^^^^ only `~/` is understood

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_cache_dir_that_is_no_string_is_told() {
    assert_snapshot!(drawn_for_settings(r#"cache-dir = ["cache"]"#), @r#"
    error: `cache-dir` is not a string
     --> Cargo.toml:5:13
      |
    5 | cache-dir = ["cache"]
      |             ^^^^^^^^^ this is an array

    error: 1 mistake in the configuration
    "#);
}

// Names and keys of steps.

#[test]
fn a_name_with_a_blank_is_told_with_what_a_name_is_made_of() {
    let told = drawn(
        r#"
[workspace.metadata.granular.steps."go api"]
inputs = []
"#,
    );
    assert_snapshot!(told, @r#"
    error: bad name `go api` of a step
     --> Cargo.toml:4:36
      |
    4 | [workspace.metadata.granular.steps."go api"]
      |                                    ^^^^^^^^
      |
      = help: a name is made of ASCII letters, digits, `-`, `_` and `.`, and begins with a letter or digit

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn names_that_differ_only_in_case_are_told_together() {
    assert_snapshot!(
        drawn_for_steps("Api = { inputs = [] }\napi = { inputs = [] }"),
        @"
    error: steps `#Api` and `#api` differ only in upper and lower case
     --> Cargo.toml:6:1
      |
    5 | Api = { inputs = [] }
      | --- the first
    6 | api = { inputs = [] }
      | ^^^ the second
      |
      = help: rename one: on some file systems both would write into one directory

    error: 1 mistake in the configuration
    ");
}

#[test]
fn an_unknown_key_is_told_with_the_one_that_was_meant() {
    let told = drawn_for_step(
        r#"
run = ["go", "build"]
output = ["{out}/api"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: unknown key `output` in step `#api`
     --> Cargo.toml:6:1
      |
    6 | output = ["{out}/api"]
      | ^^^^^^ did you mean `outputs`?

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_key_by_the_name_that_other_programs_give_it_is_recognised() {
    let told = drawn_for_step(
        r#"
cmd = "go build"
srcs = []
outputs = []
depends_on = []
"#,
    );
    assert_snapshot!(told, @r#"
    error: unknown key `cmd` in step `#api`
     --> Cargo.toml:5:1
      |
    5 | cmd = "go build"
      | ^^^ did you mean `run`?

    error: unknown key `srcs` in step `#api`
     --> Cargo.toml:6:1
      |
    6 | srcs = []
      | ^^^^ did you mean `inputs`?

    error: unknown key `depends_on` in step `#api`
     --> Cargo.toml:8:1
      |
    8 | depends_on = []
      | ^^^^^^^^^^ did you mean `needs`?

    error: 3 mistakes in the configuration
    "#);
}

#[test]
fn an_unknown_key_like_no_other_is_told_with_all_there_are() {
    let told = drawn_for_step(
        r#"
run = "go build"
outputs = []
colour = "red"
"#,
    );
    assert_snapshot!(told, @r#"
    error: unknown key `colour` in step `#api`
     --> Cargo.toml:7:1
      |
    7 | colour = "red"
      | ^^^^^^
      |
      = help: the keys of a step are `run`, `inputs`, `discover`, `depfile`, `outputs`, `needs`, `cargo`, `env`, `track-env`, `pass-env`, `tools`, `matrix`, `matrix-exclude`, `test`, `default`, `dir`, `timeout`, `retries`, `jobs`, `platform`, `portable`, `incremental`, `unavailable`, `checked-in`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_command_without_outputs_is_told_how_to_be_a_check() {
    assert_snapshot!(drawn_for_step(r#"run = ["go", "vet", "./..."]"#), @"
    error: step `#api` has `run` but no `outputs`
     --> Cargo.toml:4:36
      |
    4 | [workspace.metadata.granular.steps.api]
      |                                    ^^^
      |
      = help: write `outputs = []` for a check, which leaves nothing behind

    error: 1 mistake in the configuration
    ");
}

#[test]
fn what_belongs_to_a_command_needs_one() {
    let told = drawn_for_step(
        r#"
outputs = ["{out}/api"]
env = { A = "1" }
"#,
    );
    assert_snapshot!(told, @r#"
    error: step `#api` has `outputs` but no `run`
     --> Cargo.toml:5:1
      |
    5 | outputs = ["{out}/api"]
      | ^^^^^^^
      |
      = help: without `run` a step is a named set of files

    error: step `#api` has `env` but no `run`
     --> Cargo.toml:6:1
      |
    6 | env = { A = "1" }
      | ^^^
      |
      = help: without `run` a step is a named set of files

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn a_boolean_in_quotes_is_told_how_to_be_one() {
    let told = drawn_for_step(
        r#"
inputs = []
test = "true"
default = 0
"#,
    );
    assert_snapshot!(told, @r#"
    error: `test` in step `#api` is not `true` or `false`
     --> Cargo.toml:6:8
      |
    6 | test = "true"
      |        ^^^^^^ this is a string
      |
      = help: write `true` without quotes

    error: `default` in step `#api` is not `true` or `false`
     --> Cargo.toml:7:11
      |
    7 | default = 0
      |           ^ this is an integer

    error: 2 mistakes in the configuration
    "#);
}

// Commands.

#[test]
fn a_command_without_a_program_is_empty() {
    assert_snapshot!(drawn_for_step("run = []\noutputs = []"), @"
    error: `run` in step `#api` is empty
     --> Cargo.toml:5:7
      |
    5 | run = []
      |       ^^ there is no program

    error: 1 mistake in the configuration
    ");
}

#[test]
fn a_line_of_blanks_runs_nothing() {
    let told = drawn_for_step(
        r#"
run = " "
outputs = []
"#,
    );
    assert_snapshot!(told, @r#"
    error: `run` in step `#api` is empty
     --> Cargo.toml:5:7
      |
    5 | run = " "
      |       ^^^ there is nothing to run

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_command_of_a_wrong_type_is_told_with_both_forms() {
    let told = drawn_for_step(
        r#"
run = { program = "go" }
outputs = []
"#,
    );
    assert_snapshot!(told, @r#"
    error: `run` in step `#api` is not a command
     --> Cargo.toml:5:7
      |
    5 | run = { program = "go" }
      |       ^^^^^^^^^^^^^^^^^^ this is a table
      |
      = help: write `["PROGRAM", "ARGUMENT"]`, or a string for the shell

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn arguments_that_are_no_strings_are_told_how_to_be_some() {
    let told = drawn_for_step(
        r#"
run = ["sleep", 1, true, 1.5, ["x"]]
outputs = []
"#,
    );
    assert_snapshot!(told, @r#"
    error: an element of `run` in step `#api` is not a string
     --> Cargo.toml:5:17
      |
    5 | run = ["sleep", 1, true, 1.5, ["x"]]
      |                 ^ this is an integer
      |
      = help: write `"1"`, with quotes

    error: an element of `run` in step `#api` is not a string
     --> Cargo.toml:5:20
      |
    5 | run = ["sleep", 1, true, 1.5, ["x"]]
      |                    ^^^^ this is a boolean
      |
      = help: write `"true"`, with quotes

    error: an element of `run` in step `#api` is not a string
     --> Cargo.toml:5:26
      |
    5 | run = ["sleep", 1, true, 1.5, ["x"]]
      |                          ^^^ this is a float
      |
      = help: put it in quotes

    error: an element of `run` in step `#api` is not a string
     --> Cargo.toml:5:31
      |
    5 | run = ["sleep", 1, true, 1.5, ["x"]]
      |                               ^^^^^ this is an array

    error: 4 mistakes in the configuration
    "#);
}

#[test]
fn a_whole_command_as_one_argument_is_told_in_both_forms() {
    let told = drawn_for_step(
        r#"
run = ["go build ./api"]
outputs = []
"#,
    );
    assert_snapshot!(told, @r#"
    error: `go build ./api` in `run` in step `#api` is not the name of a program
     --> Cargo.toml:5:8
      |
    5 | run = ["go build ./api"]
      |        ^^^^^^^^^^^^^^^^ an array is run without a shell
      |
      = help: write `["go", "build", "./api"]`, or `"go build ./api"` for the shell

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_nul_character_can_stand_nowhere() {
    let told = drawn_for_step(
        r#"
run = ["go", "a\u0000b"]
outputs = []
"#,
    );
    assert_snapshot!(told, @r#"
    error: `run` in step `#api` contains a NUL character
     --> Cargo.toml:5:14
      |
    5 | run = ["go", "a\u0000b"]
      |              ^^^^^^^^^^ no command, path or variable can have one

    error: 1 mistake in the configuration
    "#);
}

// Patterns.

#[test]
fn a_pattern_outside_of_an_array_is_told_how_to_be_in_one() {
    assert_snapshot!(drawn_for_step(r#"inputs = "src/**""#), @r#"
    error: `inputs` in step `#api` is not an array of strings
     --> Cargo.toml:5:10
      |
    5 | inputs = "src/**"
      |          ^^^^^^^^ this is a string
      |
      = help: write `["src/**"]`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn patterns_that_match_nothing_are_told_with_where_they_begin() {
    let p = workspace_with_package(
        "",
        r#"
[package.metadata.granular.steps.api]
inputs = ["src/**/*.rs", "srv/**/*.rs", "/go.work", "!*.md"]
"#,
    );
    assert_snapshot!(drawn_for(&p), @r#"
    error: the input pattern `srv/**/*.rs` of step `web#api` matches nothing
     --> web/Cargo.toml:7:26
      |
    7 | inputs = ["src/**/*.rs", "srv/**/*.rs", "/go.work", "!*.md"]
      |                          ^^^^^^^^^^^^^ there is no `web/srv`
      |
      = help: it is relative to `web`

    error: the input pattern `/go.work` of step `web#api` matches nothing
     --> web/Cargo.toml:7:41
      |
    7 | inputs = ["src/**/*.rs", "srv/**/*.rs", "/go.work", "!*.md"]
      |                                         ^^^^^^^^^^ there is no `go.work`
      |
      = help: it is relative to the workspace root

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn a_pattern_whose_matches_are_all_taken_out_again_matches_nothing() {
    let p = project(begun(
        r#"
[workspace.metadata.granular.steps.api]
inputs = ["api/*.go", "!api/*_test.go"]
"#,
    ));
    p.write("api/api_test.go", "");
    assert_snapshot!(drawn_for(&p), @r#"
    error: the input pattern `api/*.go` of step `#api` matches nothing
     --> Cargo.toml:5:11
      |
    5 | inputs = ["api/*.go", "!api/*_test.go"]
      |           ^^^^^^^^^^ what it matches is taken out again
      |
      = help: of several patterns that match a file, the last one decides

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_pattern_whose_matches_are_all_ignored_matches_nothing() {
    let p = project(begun(
        r#"
[workspace.metadata.granular.steps.api]
inputs = ["dist/*.js"]
"#,
    ));
    p.write(".gitignore", "dist/\n").write("dist/a.js", "");
    assert_snapshot!(drawn_for(&p), @r#"
    error: the input pattern `dist/*.js` of step `#api` matches nothing
     --> Cargo.toml:5:11
      |
    5 | inputs = ["dist/*.js"]
      |           ^^^^^^^^^^^ there is no such file
      |
      = help: it is relative to the workspace root; files that are ignored do not count

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_pattern_of_a_matrix_is_told_with_the_value_that_matches_nothing() {
    let p = project(begun(
        r#"
[workspace.metadata.granular.steps.api]
inputs = ["{matrix.os}.txt"]
matrix.os = ["linux", "darwin"]
"#,
    ));
    p.write("linux.txt", "");
    assert_snapshot!(drawn_for(&p), @r#"
    error: the input pattern `darwin.txt` of step `#api[os=darwin]` matches nothing
     --> Cargo.toml:5:11
      |
    5 | inputs = ["{matrix.os}.txt"]
      |           ^^^^^^^^^^^^^^^^^ there is no `darwin.txt`
      |
      = help: it is relative to the workspace root

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_directory_in_which_there_are_no_files_matches_nothing() {
    let p = project(begun(
        r#"
[workspace.metadata.granular.steps.api]
inputs = ["api"]
"#,
    ));
    std::fs::create_dir(p.path("api")).unwrap();
    assert_snapshot!(drawn_for(&p), @r#"
    error: the input pattern `api` of step `#api` matches nothing
     --> Cargo.toml:5:11
      |
    5 | inputs = ["api"]
      |           ^^^^^ there are no files in `api`
      |
      = help: files that are ignored do not count

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn patterns_that_leave_the_workspace_are_told() {
    let told = drawn_for_step(
        r#"
run = "x"
inputs = ["../other/*.go"]
outputs = ["../api"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: wrong pattern in `inputs` of step `#api`
     --> Cargo.toml:6:11
      |
    6 | inputs = ["../other/*.go"]
      |           ^^^^^^^^^^^^^^^ this path leaves the workspace

    error: wrong pattern in `outputs` of step `#api`
     --> Cargo.toml:7:12
      |
    7 | outputs = ["../api"]
      |            ^^^^^^^^ this path leaves the workspace

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn a_path_out_of_the_output_directory_is_told() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = ["{out}/../api", "{out}api"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: wrong pattern in `outputs` of step `#api`
     --> Cargo.toml:6:12
      |
    6 | outputs = ["{out}/../api", "{out}api"]
      |            ^^^^^^^^^^^^^^ this path leaves `{out}`

    error: wrong pattern in `outputs` of step `#api`
     --> Cargo.toml:6:28
      |
    6 | outputs = ["{out}/../api", "{out}api"]
      |                            ^^^^^^^^^^ what follows `{out}` has to begin with `/`

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn invalid_patterns_are_told_with_what_is_wrong_with_them() {
    assert_snapshot!(
        drawn_for_step(r#"inputs = ["src/[a-z", "src/{a,b", "src/[z-a]", "!", "**/../x"]"#),
        @r#"
    error: wrong pattern in `inputs` of step `#api`
     --> Cargo.toml:5:11
      |
    5 | inputs = ["src/[a-z", "src/{a,b", "src/[z-a]", "!", "**/../x"]
      |           ^^^^^^^^^^ this `[` is never closed (write `\[` for the character)

    error: wrong pattern in `inputs` of step `#api`
     --> Cargo.toml:5:23
      |
    5 | inputs = ["src/[a-z", "src/{a,b", "src/[z-a]", "!", "**/../x"]
      |                       ^^^^^^^^^^ this `{` is never closed (write `\{` for the character)

    error: wrong pattern in `inputs` of step `#api`
     --> Cargo.toml:5:35
      |
    5 | inputs = ["src/[a-z", "src/{a,b", "src/[z-a]", "!", "**/../x"]
      |                                   ^^^^^^^^^^^ the range `z-a` runs backwards

    error: wrong pattern in `inputs` of step `#api`
     --> Cargo.toml:5:48
      |
    5 | inputs = ["src/[a-z", "src/{a,b", "src/[z-a]", "!", "**/../x"]
      |                                                ^^^ `!` has no pattern behind it

    error: wrong pattern in `inputs` of step `#api`
     --> Cargo.toml:5:53
      |
    5 | inputs = ["src/[a-z", "src/{a,b", "src/[z-a]", "!", "**/../x"]
      |                                                     ^^^^^^^^^ `..` stands behind a wildcard

    error: 5 mistakes in the configuration
    "#);
}

#[test]
fn inputs_that_only_take_out_leave_nothing_to_read() {
    assert_snapshot!(drawn_for_step(r#"inputs = ["!**/*.md", "!target"]"#), @r#"
    error: wrong pattern in `inputs` of step `#api`
     --> Cargo.toml:5:11
      |
    5 | inputs = ["!**/*.md", "!target"]
      |           ^^^^^^^^^^ every pattern of this list takes out, so nothing is left to read: put `**` in front

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn empty_patterns_are_told() {
    let told = drawn_for_step(
        r#"
run = "x"
inputs = [""]
outputs = [""]
"#,
    );
    assert_snapshot!(told, @r#"
    error: an element of `inputs` in step `#api` is empty
     --> Cargo.toml:6:11
      |
    6 | inputs = [""]
      |           ^^

    error: an element of `outputs` in step `#api` is empty
     --> Cargo.toml:7:12
      |
    7 | outputs = [""]
      |            ^^

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn outputs_have_to_begin_with_a_name() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = ["*.js", ".", "!a"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: wrong pattern in `outputs` of step `#api`
     --> Cargo.toml:6:12
      |
    6 | outputs = ["*.js", ".", "!a"]
      |            ^^^^^^ an output has to begin with the name of a file or directory, without a wildcard; only behind `{out}/` it need not

    error: wrong pattern in `outputs` of step `#api`
     --> Cargo.toml:6:20
      |
    6 | outputs = ["*.js", ".", "!a"]
      |                    ^^^ the whole workspace cannot be an output

    error: wrong pattern in `outputs` of step `#api`
     --> Cargo.toml:6:25
      |
    6 | outputs = ["*.js", ".", "!a"]
      |                         ^^^^ `!` takes out inputs; an output cannot be taken out (write `\!` for a name that begins so)

    error: 3 mistakes in the configuration
    "#);
}

#[test]
fn an_output_twice_is_told() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = ["{out}/api", "{out}/api"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `outputs` in step `#api` names `{out}/api` twice
     --> Cargo.toml:6:25
      |
    6 | outputs = ["{out}/api", "{out}/api"]
      |                         ^^^^^^^^^^^ the second time

    error: 1 mistake in the configuration
    "#);
}

#[cfg(unix)]
#[test]
fn a_named_pipe_under_an_input_pattern_is_told() {
    let p = project(begun(
        r#"
[workspace.metadata.granular.steps.api]
inputs = ["data"]
"#,
    ));
    p.write("data/a.txt", "");
    make_pipe(&p, "data/pipe");
    assert_snapshot!(drawn_for(&p), @r#"
    error: step `#api` cannot read one of its inputs: `data/pipe` is a pipe
     --> Cargo.toml:5:11
      |
    5 | inputs = ["data"]
      |           ^^^^^^ matched here
      |
      = help: take it out with a pattern that begins with `!`

    error: 1 mistake in the configuration
    "#);
}

#[cfg(unix)]
#[test]
fn a_named_pipe_where_no_inputs_are_declared_is_told_as_well() {
    let p = project(begun(
        r#"
[workspace.metadata.granular.steps.api]
run = "cat *"
outputs = []
"#,
    ));
    make_pipe(&p, "pipe");
    assert_snapshot!(drawn_for(&p), @"
    error: step `#api` cannot read one of its inputs: `pipe` is a pipe
     --> Cargo.toml:4:36
      |
    4 | [workspace.metadata.granular.steps.api]
      |                                    ^^^
      |
      = help: declare `inputs`, with a pattern that begins with `!` to take it out

    error: 1 mistake in the configuration
    ");
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_out_of_the_workspace_is_told() {
    let p = project(begun(
        r#"
[workspace.metadata.granular.steps.api]
inputs = ["data/*"]
"#,
    ));
    p.write("data/a.txt", "");
    std::os::unix::fs::symlink("/usr", p.path("data/usr")).unwrap();
    assert_snapshot!(drawn_for(&p), @r#"
    error: step `#api` cannot read one of its inputs: `data/usr` is a link to `/usr`, outside of the workspace; only a pattern that names the link follows it
     --> Cargo.toml:5:11
      |
    5 | inputs = ["data/*"]
      |           ^^^^^^^^ matched here
      |
      = help: take it out with a pattern that begins with `!`

    error: 1 mistake in the configuration
    "#);
}

// Needs.

#[test]
fn an_unknown_need_is_told_with_the_one_that_was_meant() {
    let told = drawn_for_steps(
        r#"
api = { needs = ["modles"] }
models = { inputs = [] }
"#,
    );
    assert_snapshot!(told, @r#"
    error: unknown step `modles` in `needs` of step `#api`
     --> Cargo.toml:5:18
      |
    5 | api = { needs = ["modles"] }
      |                  ^^^^^^^^ did you mean `models`?

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_need_like_no_step_is_unknown() {
    assert_snapshot!(drawn_for_step(r#"needs = ["models"]"#), @r#"
    error: unknown step `models` in `needs` of step `#api`
     --> Cargo.toml:5:10
      |
    5 | needs = ["models"]
      |          ^^^^^^^^ no step of that name

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_need_on_a_step_of_another_table_is_told_how_to_be_written() {
    let told = drawn_for_package(
        r#"
[package.metadata.granular.steps.a]
needs = ["gen"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: unknown step `gen` in `needs` of step `web#a`
     --> web/Cargo.toml:7:10
      |
    7 | needs = ["gen"]
      |          ^^^^^ did you mean `#gen`?
      |
      = help: a name without `#` is a step of the same table

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_need_on_an_unknown_package_is_told_with_the_one_that_was_meant() {
    let told = drawn_for_package(
        r#"
[package.metadata.granular.steps]
a = { needs = ["wbe#b"] }
b = { inputs = [] }
"#,
    );
    assert_snapshot!(told, @r#"
    error: unknown package `wbe` in a need of step `web#a`
     --> web/Cargo.toml:7:16
      |
    7 | a = { needs = ["wbe#b"] }
      |                ^^^^^^^ did you mean `web#b`?

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_need_with_another_sign_for_its_package_is_recognised() {
    let told = drawn_for_package(
        r#"
[package.metadata.granular.steps]
a = { needs = ["web/b", "web:b"] }
b = { inputs = [] }
"#,
    );
    assert_snapshot!(told, @r#"
    error: unknown step `web/b` in `needs` of step `web#a`
     --> web/Cargo.toml:7:16
      |
    7 | a = { needs = ["web/b", "web:b"] }
      |                ^^^^^^^ did you mean `web#b`?

    error: unknown step `web:b` in `needs` of step `web#a`
     --> web/Cargo.toml:7:25
      |
    7 | a = { needs = ["web/b", "web:b"] }
      |                         ^^^^^^^ did you mean `web#b`?

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn malformed_needs_are_told_with_the_forms_there_are() {
    assert_snapshot!(drawn_for_step(r##"needs = ["a#b#c", ""]"##), @r##"
    error: malformed need `a#b#c` in step `#api`
     --> Cargo.toml:5:10
      |
    5 | needs = ["a#b#c", ""]
      |          ^^^^^^^
      |
      = help: write `"step"`, `"package#step"`, or `"#step"` for a step of the workspace

    error: an element of `needs` in step `#api` is empty
     --> Cargo.toml:5:19
      |
    5 | needs = ["a#b#c", ""]
      |                   ^^

    error: 2 mistakes in the configuration
    "##);
}

#[test]
fn two_needs_with_one_variable_are_told_together() {
    let told = drawn_for_steps(
        r##"
api = { needs = ["a-b", "c", "A_b"] }
a-b = { inputs = [] }
A_b = { inputs = [] }
c = { inputs = [] }
"##,
    );
    assert_snapshot!(told, @r##"
    error: step `#api` needs `#a-b` and `#A_b`, which both become `GRANULAR_OUT_A_B`
     --> Cargo.toml:5:30
      |
    5 | api = { needs = ["a-b", "c", "A_b"] }
      |                  -----       ^^^^^ `#A_b`
      |                  |
      |                  `#a-b`
      |
      = help: rename one of the two: commands find the output directory of a need in that variable

    error: 1 mistake in the configuration
    "##);
}

#[test]
fn a_need_twice_is_told_with_the_first() {
    let told = drawn_for_steps(
        r##"
api = { needs = ["models", "#models"] }
models = { inputs = [] }
"##,
    );
    assert_snapshot!(told, @r##"
    error: step `#api` needs `#models` twice
     --> Cargo.toml:5:28
      |
    5 | api = { needs = ["models", "#models"] }
      |                  --------  ^^^^^^^^^ the second time
      |                  |
      |                  the first time

    error: 1 mistake in the configuration
    "##);
}

#[test]
fn a_need_on_itself_is_told() {
    let told = drawn_for_step(
        r#"
inputs = []
needs = ["api"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: step `#api` needs itself
     --> Cargo.toml:6:10
      |
    6 | needs = ["api"]
      |          ^^^^^ a step would wait for itself forever

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_cycle_is_told_with_every_need_of_it() {
    let told = drawn(
        r#"
[workspace.metadata.granular.steps.api]
needs = ["models"]

[workspace.metadata.granular.steps.models]
needs = ["schema", "utils"]

[workspace.metadata.granular.steps.schema]
needs = ["api"]

[workspace.metadata.granular.steps.utils]
inputs = []
"#,
    );
    assert_snapshot!(told, @r#"
    error: `#api` needs `#models`, which needs `#schema`, which needs `#api`
      --> Cargo.toml:5:10
       |
     5 | needs = ["models"]
       |          ^^^^^^^^ `#api` needs `#models`
    ...
     8 | needs = ["schema", "utils"]
       |          -------- `#models` needs `#schema`
    ...
    11 | needs = ["api"]
       |          ----- `#schema` needs `#api`
       |
       = help: take out one of these needs

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_cycle_through_two_manifests_is_told_with_both() {
    let p = workspace_with_package(
        r#"
[workspace.metadata.granular.steps.gen]
needs = ["web#bundle"]
"#,
        r##"
[package.metadata.granular.steps.bundle]
needs = ["#gen"]
"##,
    );
    assert_snapshot!(drawn_for(&p), @r##"
    error: `#gen` needs `web#bundle`, which needs `#gen`
     --> Cargo.toml:6:10
      |
    6 | needs = ["web#bundle"]
      |          ^^^^^^^^^^^^ `#gen` needs `web#bundle`
      |
     ::: web/Cargo.toml:7:10
      |
    7 | needs = ["#gen"]
      |          ------ `web#bundle` needs `#gen`
      |
      = help: take out one of these needs

    error: 1 mistake in the configuration
    "##);
}

#[test]
fn a_need_without_an_action_that_agrees_is_told() {
    let told = drawn(
        r#"
[workspace.metadata.granular.steps.bin]
inputs = []
matrix.goos = ["linux"]

[workspace.metadata.granular.steps.image]
needs = ["bin"]
matrix.goos = ["linux", "plan9"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `#image[goos=plan9]` needs `#bin`, which has no action that agrees with it
     --> Cargo.toml:9:10
      |
    4 | [workspace.metadata.granular.steps.bin]
      |                                    --- the step that is needed
    ...
    9 | needs = ["bin"]
      |          ^^^^^ the variables that both have must agree
      |
      = help: give both steps the same values of `goos`, or take combinations out with `matrix-exclude`

    error: 1 mistake in the configuration
    "#);
}

// Outputs that are shared.

#[test]
fn overlapping_outputs_of_two_steps_are_told_with_both() {
    let told = drawn(
        r#"
[workspace.metadata.granular.steps.go]
run = "./gen go"
outputs = ["gen"]

[workspace.metadata.granular.steps.ts]
run = "./gen ts"
outputs = ["gen/ts/**"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `#go` and `#ts` both own `gen/ts`
      --> Cargo.toml:10:12
       |
     6 | outputs = ["gen"]
       |            ----- an output of `#go`
    ...
    10 | outputs = ["gen/ts/**"]
       |            ^^^^^^^^^^^ an output of `#ts`
       |
       = help: one step alone can own an output

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn overlapping_outputs_within_a_matrix_are_told() {
    let told = drawn_for_step(
        r#"
run = "./gen {matrix.lang}"
outputs = ["gen"]
matrix.lang = ["go", "ts"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `#api[lang=go]` and `#api[lang=ts]` both own `gen`
     --> Cargo.toml:6:12
      |
    6 | outputs = ["gen"]
      |            ^^^^^ an output of `#api[lang=ts]`
      |
      = help: put the variables of the matrix that `run` uses into the output as well

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_step_that_reads_its_own_output_is_told() {
    let told = drawn_for_step(
        r#"
run = "x"
inputs = ["gen/a.txt"]
outputs = ["gen"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `#api` reads its own output `gen/a.txt`
     --> Cargo.toml:6:11
      |
    6 | inputs = ["gen/a.txt"]
      |           ^^^^^^^^^^^ read here
    7 | outputs = ["gen"]
      |            ----- an output of `#api`
      |
      = help: take it out of the inputs: what a step leaves would change what it is made of

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn an_output_that_is_read_without_a_need_is_told_with_its_step() {
    let told = drawn_for_package(
        r#"
[package.metadata.granular.steps.bundle]
run = "npm run build"
inputs = ["/gen/ts/*.ts"]
outputs = ["{out}"]
"#,
    );
    assert_snapshot!(told, @r##"
    error: `web#bundle` reads `gen/ts`, an output of `#gen`, without needing it
     --> web/Cargo.toml:8:11
      |
    8 | inputs = ["/gen/ts/*.ts"]
      |           ^^^^^^^^^^^^^^ read here
      |
     ::: Cargo.toml:7:12
      |
    7 | outputs = ["gen"]
      |            ----- an output of `#gen`
      |
      = help: add `needs = ["#gen"]`, or take it out of the inputs with `"!/gen/**"`

    error: 1 mistake in the configuration
    "##);
}

#[test]
fn an_output_that_is_read_beside_other_needs_is_told_how_to_be_one_of_them() {
    let told = drawn_for_steps(
        r#"
gen = { run = "./gen", outputs = ["gen/a.txt"] }
src = { inputs = [] }
api = { inputs = ["gen/*.txt"], needs = ["src"] }
"#,
    );
    assert_snapshot!(told, @r#"
    error: `#api` reads `gen/a.txt`, an output of `#gen`, without needing it
     --> Cargo.toml:7:19
      |
    5 | gen = { run = "./gen", outputs = ["gen/a.txt"] }
      |                                   ----------- an output of `#gen`
    6 | src = { inputs = [] }
    7 | api = { inputs = ["gen/*.txt"], needs = ["src"] }
      |                   ^^^^^^^^^^^ read here
      |
      = help: add `"gen"` to `needs`, or take it out of the inputs with `"!gen/a.txt"`

    error: 1 mistake in the configuration
    "#);
}

// Placeholders.

#[test]
fn an_unknown_variable_of_the_matrix_is_told_with_the_one_that_was_meant() {
    let told = drawn_for_step(
        r#"
run = ["x", "{matrix.gos}", "{matrix.lang}"]
outputs = []
matrix.goos = ["linux"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: unknown variable `gos` of the matrix in step `#api`
     --> Cargo.toml:5:14
      |
    5 | run = ["x", "{matrix.gos}", "{matrix.lang}"]
      |              ^^^^^^^^^^^^ did you mean `{matrix.goos}`?

    error: unknown variable `lang` of the matrix in step `#api`
     --> Cargo.toml:5:30
      |
    5 | run = ["x", "{matrix.gos}", "{matrix.lang}"]
      |                              ^^^^^^^^^^^^^ the matrix has `goos`

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn a_variable_of_a_matrix_without_a_matrix_is_told_how_to_have_one() {
    let told = drawn_for_step(
        r#"
run = "echo {matrix.goos}"
outputs = []
"#,
    );
    assert_snapshot!(told, @r#"
    error: unknown variable `goos` of the matrix in step `#api`
     --> Cargo.toml:5:13
      |
    5 | run = "echo {matrix.goos}"
      |             ^^^^^^^^^^^^^ the step has no matrix
      |
      = help: add `matrix = { goos = ["…"] }`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn the_output_directory_of_what_is_not_needed_is_told() {
    let told = drawn(
        r#"
[workspace.metadata.granular.steps.models]
run = "./gen"
outputs = ["{out}"]

[workspace.metadata.granular.steps.api]
run = "cat {needs.modls.out} {needs.other.out}"
outputs = []
needs = ["models"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `modls` is not among the needs of step `#api`
     --> Cargo.toml:9:12
      |
    9 | run = "cat {needs.modls.out} {needs.other.out}"
      |            ^^^^^^^^^^^^^^^^^ did you mean `{needs.models.out}`?

    error: `other` is not among the needs of step `#api`
     --> Cargo.toml:9:30
      |
    9 | run = "cat {needs.modls.out} {needs.other.out}"
      |                              ^^^^^^^^^^^^^^^^^
      |
      = help: add `"other"` to `needs`

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn the_output_directory_of_a_step_that_leaves_nothing_there_is_told() {
    let told = drawn(
        r#"
[workspace.metadata.granular.steps.models]
run = "./gen"
outputs = ["gen"]

[workspace.metadata.granular.steps.api]
run = "cat {needs.models.out}"
outputs = []
needs = ["models"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: step `#models` leaves nothing in its `{out}`
     --> Cargo.toml:9:12
      |
    4 | [workspace.metadata.granular.steps.models]
      |                                    ------ no output of it begins with `{out}`
    ...
    9 | run = "cat {needs.models.out}"
      |            ^^^^^^^^^^^^^^^^^^ an empty directory
      |
      = help: what it leaves in the tree is reached by its path

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn malformed_placeholders_are_told_with_what_was_meant() {
    let told = drawn_for_step(
        r#"
run = ["x", "{matrix}", "{ out }", "{needs.x}", "{{out}}", "${matrix.a}", "{out/x}", "x{matrix.a"]
outputs = []
"#,
    );
    assert_snapshot!(told, @r#"
    error: malformed placeholder `{matrix}` in `run` of step `#api`
     --> Cargo.toml:5:14
      |
    5 | run = ["x", "{matrix}", "{ out }", "{needs.x}", "{{out}}", "${matrix.a}", "{out/x}", "x{matrix.a"]
      |              ^^^^^^^^
      |
      = help: the form is `{matrix.NAME}`

    error: malformed placeholder `{ out }` in `run` of step `#api`
     --> Cargo.toml:5:26
      |
    5 | run = ["x", "{matrix}", "{ out }", "{needs.x}", "{{out}}", "${matrix.a}", "{out/x}", "x{matrix.a"]
      |                          ^^^^^^^
      |
      = help: write `{out}`

    error: malformed placeholder `{needs.x}` in `run` of step `#api`
     --> Cargo.toml:5:37
      |
    5 | run = ["x", "{matrix}", "{ out }", "{needs.x}", "{{out}}", "${matrix.a}", "{out/x}", "x{matrix.a"]
      |                                     ^^^^^^^^^
      |
      = help: write `{needs.x.out}`

    error: a placeholder is written in single braces in `run` of step `#api`
     --> Cargo.toml:5:50
      |
    5 | run = ["x", "{matrix}", "{ out }", "{needs.x}", "{{out}}", "${matrix.a}", "{out/x}", "x{matrix.a"]
      |                                                  ^^^^^^^
      |
      = help: write `{out}`

    error: a placeholder is written without `$` in `run` of step `#api`
     --> Cargo.toml:5:61
      |
    5 | run = ["x", "{matrix}", "{ out }", "{needs.x}", "{{out}}", "${matrix.a}", "{out/x}", "x{matrix.a"]
      |                                                             ^^^^^^^^^^^
      |
      = help: write `{matrix.a}`

    error: malformed placeholder `{out/x}` in `run` of step `#api`
     --> Cargo.toml:5:76
      |
    5 | run = ["x", "{matrix}", "{ out }", "{needs.x}", "{{out}}", "${matrix.a}", "{out/x}", "x{matrix.a"]
      |                                                                            ^^^^^^^
      |
      = help: write `{out}/x`

    error: the placeholder `{matrix.a` is not closed in `run` of step `#api`
     --> Cargo.toml:5:88
      |
    5 | run = ["x", "{matrix}", "{ out }", "{needs.x}", "{{out}}", "${matrix.a}", "{out/x}", "x{matrix.a"]
      |                                                                                        ^^^^^^^^^
      |
      = help: write `{matrix.a}`

    error: 7 mistakes in the configuration
    "#);
}

#[test]
fn a_dollar_sign_where_no_shell_reads_is_told() {
    let told = drawn_for_step(
        r#"
run = ["x", "-o", "${out}/api"]
outputs = ["${out}/api"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: a placeholder is written without `$` in `run` of step `#api`
     --> Cargo.toml:5:20
      |
    5 | run = ["x", "-o", "${out}/api"]
      |                    ^^^^^^ no shell reads this
      |
      = help: write `{out}`

    error: a placeholder is written without `$` in `outputs` of step `#api`
     --> Cargo.toml:6:13
      |
    6 | outputs = ["${out}/api"]
      |             ^^^^^^ no shell reads this
      |
      = help: write `{out}`

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn placeholders_where_they_mean_nothing_are_told_with_where_they_do() {
    let told = drawn_for_step(
        r#"
run = "x"
inputs = ["{out}/a"]
outputs = ["gen/{out}"]
dir = "{out}"
"#,
    );
    assert_snapshot!(told, @r#"
    error: `{out}` has no meaning in `inputs` of step `#api`
     --> Cargo.toml:6:12
      |
    6 | inputs = ["{out}/a"]
      |            ^^^^^
      |
      = help: what a step leaves is no input of its own

    error: `{out}` has no meaning in `outputs` of step `#api`
     --> Cargo.toml:7:17
      |
    7 | outputs = ["gen/{out}"]
      |                 ^^^^^
      |
      = help: `{out}` stands at the front of an output

    error: `{out}` has no meaning in `dir` of step `#api`
     --> Cargo.toml:8:8
      |
    8 | dir = "{out}"
      |        ^^^^^
      |
      = help: placeholders stand in `run`, `env`, `inputs` and `outputs`

    error: 3 mistakes in the configuration
    "#);
}

#[test]
fn a_placeholder_that_no_quotes_can_save_is_told_with_a_way_around() {
    let told = drawn_for_step(
        r#"
run = """
set -e
cp api ${DESTINATION:-{out}}/
"""
outputs = ["{out}/api"]
"#,
    );
    assert_snapshot!(told, @"
    error: `{out}` cannot be quoted inside `${…}` in `run` of step `#api`
     --> Cargo.toml:7:23
      |
    7 | cp api ${DESTINATION:-{out}}/
      |                       ^^^^^
      |
      = help: give it to a variable first: `x={out}`

    error: 1 mistake in the configuration
    ");
}

// Environment.

#[test]
fn values_of_variables_that_are_no_strings_are_told_how_to_be_some() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
env = { CGO_ENABLED = 0, DEBUG = true, LIST = ["a"] }
"#,
    );
    assert_snapshot!(told, @r#"
    error: `CGO_ENABLED` in `env` in step `#api` is not a string
     --> Cargo.toml:7:23
      |
    7 | env = { CGO_ENABLED = 0, DEBUG = true, LIST = ["a"] }
      |                       ^ this is an integer
      |
      = help: write `"0"`, with quotes

    error: `DEBUG` in `env` in step `#api` is not a string
     --> Cargo.toml:7:34
      |
    7 | env = { CGO_ENABLED = 0, DEBUG = true, LIST = ["a"] }
      |                                  ^^^^ this is a boolean
      |
      = help: write `"true"`, with quotes

    error: `LIST` in `env` in step `#api` is not a string
     --> Cargo.toml:7:47
      |
    7 | env = { CGO_ENABLED = 0, DEBUG = true, LIST = ["a"] }
      |                                               ^^^^^ this is an array

    error: 3 mistakes in the configuration
    "#);
}

#[test]
fn an_environment_that_is_no_table_is_told() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
env = ["CGO_ENABLED=0"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `env` in step `#api` is not a table
     --> Cargo.toml:7:7
      |
    7 | env = ["CGO_ENABLED=0"]
      |       ^^^^^^^^^^^^^^^^^ this is an array
      |
      = help: write `{ NAME = "VALUE" }`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn bad_names_of_variables_are_told_with_what_is_bad_about_them() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
pass-env = ["AWS_*", "A=B", ""]
"#,
    );
    assert_snapshot!(told, @r#"
    error: bad name `AWS_*` of a variable in `pass-env` in step `#api`
     --> Cargo.toml:7:13
      |
    7 | pass-env = ["AWS_*", "A=B", ""]
      |             ^^^^^^^ there are no patterns here: name each variable

    error: bad name `A=B` of a variable in `pass-env` in step `#api`
     --> Cargo.toml:7:22
      |
    7 | pass-env = ["AWS_*", "A=B", ""]
      |                      ^^^^^ a name cannot contain `=`

    error: bad name `` of a variable in `pass-env` in step `#api`
     --> Cargo.toml:7:29
      |
    7 | pass-env = ["AWS_*", "A=B", ""]
      |                             ^^ it is empty

    error: 3 mistakes in the configuration
    "#);
}

#[test]
fn a_variable_in_two_places_is_told_with_both() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
env = { HOME = "/" }
pass-env = ["HOME"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: variable `HOME` stands in both `env` and `pass-env` of step `#api`
     --> Cargo.toml:8:13
      |
    7 | env = { HOME = "/" }
      |         ---- in `env`
    8 | pass-env = ["HOME"]
      |             ^^^^^^ in `pass-env`
      |
      = help: `env` sets it, `track-env` passes it and makes it part of the key, `pass-env` only passes it

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_variable_twice_is_told() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
track-env = ["CI", "CI"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `track-env` in step `#api` names `CI` twice
     --> Cargo.toml:7:20
      |
    7 | track-env = ["CI", "CI"]
      |                    ^^^^ the second time

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn variables_of_granular_itself_are_not_set() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
env.GRANULAR_OUT = "x"
pass-env = ["GRANULAR_OUT_MODELS"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `env` in step `#api` sets `GRANULAR_OUT`
     --> Cargo.toml:7:5
      |
    7 | env.GRANULAR_OUT = "x"
      |     ^^^^^^^^^^^^ variables of this name are set by granular itself

    error: `pass-env` in step `#api` names `GRANULAR_OUT_MODELS`
     --> Cargo.toml:8:13
      |
    8 | pass-env = ["GRANULAR_OUT_MODELS"]
      |             ^^^^^^^^^^^^^^^^^^^^^ it is set for each step by granular itself

    error: 2 mistakes in the configuration
    "#);
}

// Limits and the platform.

#[test]
fn a_malformed_timeout_is_told_with_good_ones() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
timeout = "5 min"
"#,
    );
    assert_snapshot!(told, @r#"
    error: malformed `timeout` in step `#api`
     --> Cargo.toml:7:11
      |
    7 | timeout = "5 min"
      |           ^^^^^^^ this is no duration
      |
      = help: write a number of seconds, or a text such as `"90s"`, `"5m"`, `"1h30m"`, `"500ms"`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_timeout_of_zero_leaves_no_time() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
timeout = "0s"
"#,
    );
    assert_snapshot!(told, @r#"
    error: `timeout` in step `#api` is zero
     --> Cargo.toml:7:11
      |
    7 | timeout = "0s"
      |           ^^^^ nothing could run
      |
      = help: leave it out if there is to be no limit

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_timeout_of_a_wrong_type_is_told() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
timeout = 1.5
"#,
    );
    assert_snapshot!(told, @r#"
    error: `timeout` in step `#api` is not a duration
     --> Cargo.toml:7:11
      |
    7 | timeout = 1.5
      |           ^^^ this is a float
      |
      = help: write a number of seconds, or a text such as `"90s"`, `"5m"`, `"1h30m"`, `"500ms"`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_timeout_of_more_than_a_year_is_told() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
timeout = "9000h"
"#,
    );
    assert_snapshot!(told, @r#"
    error: `timeout` in step `#api` is longer than a year
     --> Cargo.toml:7:11
      |
    7 | timeout = "9000h"
      |           ^^^^^^^

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn retries_and_jobs_have_bounds() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
retries = 11
jobs = 0
"#,
    );
    assert_snapshot!(told, @"
    error: `retries` in step `#api` must be from 0 to 10
     --> Cargo.toml:7:11
      |
    7 | retries = 11
      |           ^^

    error: `jobs` in step `#api` must be from 1 to 1024
     --> Cargo.toml:8:8
      |
    8 | jobs = 0
      |        ^

    error: 2 mistakes in the configuration
    ");
}

#[test]
fn retries_and_jobs_are_integers() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
retries = "3"
jobs = true
"#,
    );
    assert_snapshot!(told, @r#"
    error: `retries` in step `#api` is not an integer
     --> Cargo.toml:7:11
      |
    7 | retries = "3"
      |           ^^^ this is a string
      |
      = help: write `3` without quotes

    error: `jobs` in step `#api` is not an integer
     --> Cargo.toml:8:8
      |
    8 | jobs = true
      |        ^^^^ this is a boolean

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn an_unknown_platform_is_told_with_the_only_one_there_is() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
platform = "linux"
"#,
    );
    assert_snapshot!(told, @r#"
    error: unknown value `linux` of `platform` in step `#api`
     --> Cargo.toml:7:12
      |
    7 | platform = "linux"
      |            ^^^^^^^ there is only `any`
      |
      = help: without it the operating system and architecture are part of the key

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_list_of_platforms_is_told_with_the_only_one_there_is() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
platform = ["linux"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `platform` in step `#api` is not a string
     --> Cargo.toml:7:12
      |
    7 | platform = ["linux"]
      |            ^^^^^^^^^ this is an array
      |
      = help: there is only `"any"`

    error: 1 mistake in the configuration
    "#);
}

// Directories and tools.

#[test]
fn a_directory_outside_of_the_workspace_is_told() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
dir = "../api"
"#,
    );
    assert_snapshot!(told, @r#"
    error: `dir` in step `#api` leaves the workspace
     --> Cargo.toml:7:7
      |
    7 | dir = "../api"
      |       ^^^^^^^^
      |
      = help: it is relative to the package, or to the workspace root with `/` in front

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_directory_that_is_not_there_is_told_with_where_it_was_looked_for() {
    let told = drawn_for_package(
        r#"
[package.metadata.granular.steps.a]
run = "x"
outputs = []
dir = "client"
"#,
    );
    assert_snapshot!(told, @r#"
    error: `dir` in step `web#a` does not exist
     --> web/Cargo.toml:9:7
      |
    9 | dir = "client"
      |       ^^^^^^^^ there is no directory `web/client` in the workspace
      |
      = help: it is relative to the package, or to the workspace root with `/` in front

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn an_empty_directory_is_told() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
dir = ""
"#,
    );
    assert_snapshot!(told, @r#"
    error: `dir` in step `#api` is empty
     --> Cargo.toml:7:7
      |
    7 | dir = ""
      |       ^^
      |
      = help: leave it out for the package's own directory

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn tools_are_names_each_told_once() {
    let told = drawn_for_step(
        r#"
run = "x"
outputs = []
tools = ["go", "", "go"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: an element of `tools` in step `#api` is empty
     --> Cargo.toml:7:16
      |
    7 | tools = ["go", "", "go"]
      |                ^^

    error: `tools` in step `#api` names `go` twice
     --> Cargo.toml:7:20
      |
    7 | tools = ["go", "", "go"]
      |                    ^^^^ the second time

    error: 2 mistakes in the configuration
    "#);
}

// Matrices.

#[test]
fn a_matrix_that_is_no_table_is_told() {
    let told = drawn_for_step(
        r#"
inputs = []
matrix = ["linux"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `matrix` in step `#api` is not a table
     --> Cargo.toml:6:10
      |
    6 | matrix = ["linux"]
      |          ^^^^^^^^^ this is an array
      |
      = help: write `{ VARIABLE = ["VALUE"] }`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_matrix_without_variables_or_values_has_no_actions() {
    assert_snapshot!(
        drawn_for_steps("a = { inputs = [], matrix = {} }\nb = { inputs = [], matrix.goos = [] }"),
        @"
    error: `matrix` in step `#a` has no variables
     --> Cargo.toml:5:20
      |
    5 | a = { inputs = [], matrix = {} }
      |                    ^^^^^^ leave it out, or name one

    error: variable `goos` of the matrix in step `#b` has no values
     --> Cargo.toml:6:34
      |
    6 | b = { inputs = [], matrix.goos = [] }
      |                                  ^^ so there would be no action

    error: 2 mistakes in the configuration
    ");
}

#[test]
fn values_of_a_matrix_that_are_no_strings_are_told_how_to_be_some() {
    let told = drawn_for_step(
        r#"
inputs = []
matrix = { go = [1.21, 2], os = "linux" }
"#,
    );
    assert_snapshot!(told, @r#"
    error: an element of variable `go` of the matrix in step `#api` is not a string
     --> Cargo.toml:6:18
      |
    6 | matrix = { go = [1.21, 2], os = "linux" }
      |                  ^^^^ this is a float
      |
      = help: put it in quotes

    error: an element of variable `go` of the matrix in step `#api` is not a string
     --> Cargo.toml:6:24
      |
    6 | matrix = { go = [1.21, 2], os = "linux" }
      |                        ^ this is an integer
      |
      = help: write `"2"`, with quotes

    error: variable `os` of the matrix in step `#api` is not an array of strings
     --> Cargo.toml:6:33
      |
    6 | matrix = { go = [1.21, 2], os = "linux" }
      |                                 ^^^^^^^ this is a string
      |
      = help: write `["linux"]`

    error: 3 mistakes in the configuration
    "#);
}

#[test]
fn a_value_of_a_matrix_twice_is_told() {
    let told = drawn_for_step(
        r#"
inputs = []
matrix.goos = ["linux", "linux"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: variable `goos` of the matrix in step `#api` has the value `linux` twice
     --> Cargo.toml:6:25
      |
    6 | matrix.goos = ["linux", "linux"]
      |                         ^^^^^^^ the second time

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_variable_of_a_matrix_with_a_bad_name_is_told() {
    let told = drawn_for_step(
        r#"
inputs = []
matrix."go os" = ["linux"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: bad name `go os` of a variable in the matrix of step `#api`
     --> Cargo.toml:6:8
      |
    6 | matrix."go os" = ["linux"]
      |        ^^^^^^^ a name is made of letters, digits, `-` and `_`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn values_of_a_matrix_that_share_a_directory_are_told() {
    let told = drawn_for_step(
        r#"
inputs = []
matrix.os = ["Linux", "linux"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `#api[os=Linux]` and `#api[os=linux]` would share one directory
     --> Cargo.toml:6:1
      |
    6 | matrix.os = ["Linux", "linux"]
      | ^^^^^^
      |
      = help: on some file systems names that differ only in upper and lower case are one

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_matrix_of_too_many_actions_is_taken_for_a_slip() {
    let values: Vec<String> = (0..40).map(|value| format!("\"{value}\"")).collect();
    let values = values.join(",");
    let table = "[workspace.metadata.granular.steps.api.matrix]";
    assert_snapshot!(
        drawn_for_step(&format!("inputs = []\n{table}\na = [{values}]\nb = [{values}]")),
        @"
    error: the matrix of step `#api` has 1600 combinations, and more than 1000 are not run
     --> Cargo.toml:6:40
      |
    6 | [workspace.metadata.granular.steps.api.matrix]
      |                                        ^^^^^^
      |
      = help: take some out with `matrix-exclude`, or declare several steps

    error: 1 mistake in the configuration
    ");
}

#[test]
fn unknown_variables_and_values_to_exclude_are_told_with_those_that_were_meant() {
    let told = drawn_for_step(
        r#"
inputs = []
matrix = { goos = ["linux"], goarch = ["arm64", "amd64"] }
matrix-exclude = [{ goss = "linux" }, { goarch = "arm46" }, {}]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `matrix-exclude` in step `#api` names the unknown variable `goss`
     --> Cargo.toml:7:21
      |
    7 | matrix-exclude = [{ goss = "linux" }, { goarch = "arm46" }, {}]
      |                     ^^^^ did you mean `goos`?

    error: `matrix-exclude` in step `#api` names the unknown value `arm46` of `goarch`
     --> Cargo.toml:7:50
      |
    7 | matrix-exclude = [{ goss = "linux" }, { goarch = "arm46" }, {}]
      |                                                  ^^^^^^^ did you mean `arm64`?

    error: an element of `matrix-exclude` in step `#api` names no variable
     --> Cargo.toml:7:61
      |
    7 | matrix-exclude = [{ goss = "linux" }, { goarch = "arm46" }, {}]
      |                                                             ^^ this would take everything out

    error: 3 mistakes in the configuration
    "#);
}

#[test]
fn a_matrix_of_which_everything_is_excluded_has_no_actions() {
    let told = drawn_for_step(
        r#"
inputs = []
matrix.goos = ["linux"]
matrix-exclude = [{ goos = "linux" }]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `matrix-exclude` in step `#api` takes every combination out
     --> Cargo.toml:7:1
      |
    7 | matrix-exclude = [{ goos = "linux" }]
      | ^^^^^^^^^^^^^^ so there would be no action

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn there_is_nothing_to_exclude_without_a_matrix() {
    let told = drawn_for_step(
        r#"
inputs = []
matrix-exclude = [{ goos = "linux" }]
"#,
    );
    assert_snapshot!(told, @r#"
    error: `matrix-exclude` in step `#api` stands without a `matrix`
     --> Cargo.toml:6:1
      |
    6 | matrix-exclude = [{ goos = "linux" }]
      | ^^^^^^^^^^^^^^ there is nothing to take out

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn what_is_excluded_is_an_array_of_tables() {
    let told = drawn_for_step(
        r#"
inputs = []
matrix.goos = ["linux", "plan9"]
matrix-exclude = ["plan9"]
"#,
    );
    assert_snapshot!(told, @r#"
    error: an element of `matrix-exclude` in step `#api` is not a table
     --> Cargo.toml:7:19
      |
    7 | matrix-exclude = ["plan9"]
      |                   ^^^^^^^ this is a string
      |
      = help: write `{ VARIABLE = "VALUE" }`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_pattern_that_matches_nothing_is_told_together_with_mistakes_of_other_tables() {
    let p = project(
        r#"[workspace.metadata.granular.steps.a]
run = "true"
inputs = []
output = []

[workspace.metadata.granular.steps.b]
run = "true"
inputs = ["src/**"]
outputs = []
"#,
    );
    let run = p.granular("build").code(2);
    assert!(run.stderr().contains("unknown key `output`"), "{run}");
    assert!(
        run.stderr().contains("the input pattern `src/**` of step `#b` matches nothing"),
        "{run}"
    );
}

#[test]
fn a_discover_that_is_no_table_is_told() {
    assert_snapshot!(drawn_for_step(r#"
run = ["go", "build", "./api"]
outputs = []
discover = "./api"
"#), @r#"
    error: `discover` in step `#api` is not a table
     --> Cargo.toml:7:12
      |
    7 | discover = "./api"
      |            ^^^^^^^ this is a string
      |
      = help: write `discover = { go = "./services/api" }`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_discover_without_go_and_with_unknown_keys_is_told() {
    assert_snapshot!(drawn_for_step(r#"
run = ["go", "build", "./api"]
outputs = []
discover = { Go = "./api", python = "x", tests = true }
"#), @r#"
    error: `discover` in step `#api` has no `go`
     --> Cargo.toml:7:1
      |
    7 | discover = { Go = "./api", python = "x", tests = true }
      | ^^^^^^^^
      |
      = help: name the packages: `discover = { go = "./services/api" }`

    error: unknown key `Go` in `discover` in step `#api`
     --> Cargo.toml:7:14
      |
    7 | discover = { Go = "./api", python = "x", tests = true }
      |              ^^ did you mean `go`?

    error: unknown key `python` in `discover` in step `#api`
     --> Cargo.toml:7:28
      |
    7 | discover = { Go = "./api", python = "x", tests = true }
      |                            ^^^^^^
      |
      = help: there are `go`, `tags` and `test`

    error: unknown key `tests` in `discover` in step `#api`
     --> Cargo.toml:7:42
      |
    7 | discover = { Go = "./api", python = "x", tests = true }
      |                                          ^^^^^ did you mean `test`?

    error: 4 mistakes in the configuration
    "#);
}

#[test]
fn values_of_the_wrong_type_in_discover_are_told() {
    assert_snapshot!(drawn_for_step(r#"
run = ["go", "build", "."]
outputs = []
discover = { go = 1, tags = "fancy", test = "true" }
"#), @r#"
    error: `go` in `discover` in step `#api` is not a string or an array of strings
     --> Cargo.toml:7:19
      |
    7 | discover = { go = 1, tags = "fancy", test = "true" }
      |                   ^ this is an integer

    error: `tags` in `discover` in step `#api` is not an array of strings
     --> Cargo.toml:7:29
      |
    7 | discover = { go = 1, tags = "fancy", test = "true" }
      |                             ^^^^^^^ this is a string
      |
      = help: write `["fancy"]`

    error: `test` in `discover` in step `#api` is not `true` or `false`
     --> Cargo.toml:7:45
      |
    7 | discover = { go = 1, tags = "fancy", test = "true" }
      |                                             ^^^^^^ this is a string
      |
      = help: write `true` without quotes

    error: 3 mistakes in the configuration
    "#);
    assert_snapshot!(drawn_for_step(r#"
run = ["go", "build", "."]
outputs = []
discover = { go = [], tags = ["a,b"] }
"#), @r#"
    error: `go` in `discover` in step `#api` is empty
     --> Cargo.toml:7:19
      |
    7 | discover = { go = [], tags = ["a,b"] }
      |                   ^^

    error: bad tag `a,b` in `tags` in `discover` in step `#api`
     --> Cargo.toml:7:31
      |
    7 | discover = { go = [], tags = ["a,b"] }
      |                               ^^^^^ a tag is one word, each an element of its own

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn go_packages_that_cannot_be_meant_are_told() {
    assert_snapshot!(drawn_for_step(r#"
run = ["go", "build", "."]
outputs = []
discover = { go = ["/api", "services/api", "./main.go", "../..", "./apx/...", "-x", "./{out}"] }
"#), @r#"
    error: the Go package `/api` in step `#api` is not a relative path
     --> Cargo.toml:7:20
      |
    7 | discover = { go = ["/api", "services/api", "./main.go", "../..", "./apx/...", "-x", "./{out}"] }
      |                    ^^^^^^
      |
      = help: write `./api`: it is relative to the step's `dir`

    error: the Go package `services/api` in step `#api` is not a relative path
     --> Cargo.toml:7:28
      |
    7 | discover = { go = ["/api", "services/api", "./main.go", "../..", "./apx/...", "-x", "./{out}"] }
      |                            ^^^^^^^^^^^^^^
      |
      = help: write `./services/api`: it is relative to the step's `dir`

    error: the Go package `./main.go` in step `#api` is a file
     --> Cargo.toml:7:44
      |
    7 | discover = { go = ["/api", "services/api", "./main.go", "../..", "./apx/...", "-x", "./{out}"] }
      |                                            ^^^^^^^^^^^
      |
      = help: name the directory that it lies in

    error: the Go package `../..` in step `#api` leaves the workspace
     --> Cargo.toml:7:57
      |
    7 | discover = { go = ["/api", "services/api", "./main.go", "../..", "./apx/...", "-x", "./{out}"] }
      |                                                         ^^^^^^^
      |
      = help: it is relative to the step's `dir`

    error: the Go package `-x` in step `#api` is not a relative path
     --> Cargo.toml:7:79
      |
    7 | discover = { go = ["/api", "services/api", "./main.go", "../..", "./apx/...", "-x", "./{out}"] }
      |                                                                               ^^^^
      |
      = help: write `./-x`: it is relative to the step's `dir`

    error: `{out}` has no meaning in `discover` of step `#api`
     --> Cargo.toml:7:88
      |
    7 | discover = { go = ["/api", "services/api", "./main.go", "../..", "./apx/...", "-x", "./{out}"] }
      |                                                                                        ^^^^^
      |
      = help: what a step leaves is no input of its own

    error: 6 mistakes in the configuration
    "#);
}

#[test]
fn a_depfile_that_cannot_be_meant_is_told() {
    assert_snapshot!(drawn_for_step(r#"
run = "cc -MD -MF x.d -c x.c"
outputs = []
depfile = "x.d"
"#), @r#"
    error: `depfile` in step `#api` does not lie in `{out}`
     --> Cargo.toml:7:11
      |
    7 | depfile = "x.d"
      |           ^^^^^
      |
      = help: it is read after each run and then removed: write `{out}/NAME.d`

    error: 1 mistake in the configuration
    "#);
    assert_snapshot!(drawn_for_step(r#"
run = "cc -MD -MF x.d -c x.c"
outputs = []
depfile = ["{out}", "{out}/*.d", "{out}/../x.d", 1]
"#), @r#"
    error: `depfile` in step `#api` does not lie in `{out}`
     --> Cargo.toml:7:12
      |
    7 | depfile = ["{out}", "{out}/*.d", "{out}/../x.d", 1]
      |            ^^^^^^^
      |
      = help: it is read after each run and then removed: write `{out}/NAME.d`

    error: wrong pattern in `depfile` of step `#api`
     --> Cargo.toml:7:21
      |
    7 | depfile = ["{out}", "{out}/*.d", "{out}/../x.d", 1]
      |                     ^^^^^^^^^^^ a dependency file has one name

    error: wrong pattern in `depfile` of step `#api`
     --> Cargo.toml:7:34
      |
    7 | depfile = ["{out}", "{out}/*.d", "{out}/../x.d", 1]
      |                                  ^^^^^^^^^^^^^^ this path leaves `{out}`

    error: an element of `depfile` in step `#api` is not a string
     --> Cargo.toml:7:50
      |
    7 | depfile = ["{out}", "{out}/*.d", "{out}/../x.d", 1]
      |                                                  ^ this is an integer
      |
      = help: write `"1"`, with quotes

    error: 4 mistakes in the configuration
    "#);
}

#[test]
fn what_is_found_without_a_command_is_told() {
    assert_snapshot!(drawn_for_step(r#"
inputs = ["x"]
discover = { go = "." }
depfile = "{out}/x.d"
"#), @r#"
    error: step `#api` has `discover` but no `run`
     --> Cargo.toml:6:1
      |
    6 | discover = { go = "." }
      | ^^^^^^^^
      |
      = help: without `run` a step is a named set of files

    error: step `#api` has `depfile` but no `run`
     --> Cargo.toml:7:1
      |
    7 | depfile = "{out}/x.d"
      | ^^^^^^^
      |
      = help: without `run` a step is a named set of files

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn a_go_package_that_does_not_exist_is_told_unless_a_step_makes_it() {
    assert_snapshot!(drawn_for_step(r#"
run = ["go", "vet", "./apx/..."]
outputs = []
discover = { go = "./apx/..." }
"#), @r#"
    error: a Go package of step `#api` does not exist
     --> Cargo.toml:7:19
      |
    7 | discover = { go = "./apx/..." }
      |                   ^^^^^^^^^^^ there is no directory `apx` in the workspace
      |
      = help: it is relative to the step's `dir`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn a_wrong_pattern_brings_no_mistake_that_is_not_there() {
    let told = drawn_for_steps(
        r#"
gen = { run = "true", inputs = [], outputs = ["gen"] }
api = { run = "true", inputs = ["src/*.{go,rs", "!gen/**"], outputs = [] }
"#,
    );
    assert_snapshot!(told, @r#"
    error: wrong pattern in `inputs` of step `#api`
     --> Cargo.toml:6:33
      |
    6 | api = { run = "true", inputs = ["src/*.{go,rs", "!gen/**"], outputs = [] }
      |                                 ^^^^^^^^^^^^^^ this `{` is never closed (write `\{` for the character)

    error: 1 mistake in the configuration
    "#);
}

// What Cargo builds.

/// What is drawn for a step of the package `web` with these keys besides its `run`.
#[track_caller]
fn drawn_for_cargo(keys: &str) -> String {
    let head = "[package.metadata.granular.steps.e2e]\nrun = \"{cargo.web}\"\noutputs = []\n";
    drawn_for(&workspace_with_package("", &format!("{head}{keys}\n")))
}

#[test]
fn what_cargo_builds_is_a_table() {
    assert_snapshot!(drawn_for_cargo("cargo = \"web\""), @r#"
    error: `cargo` in step `web#e2e` is not a table
     --> web/Cargo.toml:9:9
      |
    9 | cargo = "web"
      |         ^^^^^ this is a string
      |
      = help: write `{ package = "NAME", bin = "NAME" }`

    error: 1 mistake in the configuration
    "#);
    assert_snapshot!(drawn_for_cargo("cargo = [\"web\"]"), @r#"
    error: an element of `cargo` in step `web#e2e` is not a table
     --> web/Cargo.toml:9:10
      |
    9 | cargo = ["web"]
      |          ^^^^^ this is a string
      |
      = help: write `[{ package = "NAME", bin = "NAME" }]`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn the_keys_of_what_cargo_builds_are_known() {
    assert_snapshot!(drawn_for_cargo("cargo = { bni = \"web\" }"), @r#"
    error: unknown key `bni` in `cargo` of step `web#e2e`
     --> web/Cargo.toml:9:11
      |
    9 | cargo = { bni = "web" }
      |           ^^^ did you mean `bin`?

    error: 1 mistake in the configuration
    "#);
    assert_snapshot!(drawn_for_cargo("cargo = { bin = \"web\", release = true }"), @r#"
    error: unknown key `release` in `cargo` of step `web#e2e`
     --> web/Cargo.toml:9:24
      |
    9 | cargo = { bin = "web", release = true }
      |                        ^^^^^^^
      |
      = help: the keys are `package`, `bin`, `example`, `lib`, `profile`, `features`

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn what_cargo_builds_is_a_bin_an_example_or_a_lib() {
    assert_snapshot!(drawn_for_cargo("cargo = { package = \"web\" }"), @r#"
    error: `cargo` in step `web#e2e` does not say what is built
     --> web/Cargo.toml:9:9
      |
    9 | cargo = { package = "web" }
      |         ^^^^^^^^^^^^^^^^^^^
      |
      = help: add `bin = "NAME"`, `example = "NAME"` or `lib = "staticlib"`

    error: 1 mistake in the configuration
    "#);
    assert_snapshot!(drawn_for_cargo("cargo = { bin = \"web\", example = \"web\" }"), @r#"
    error: `cargo` in step `web#e2e` has `bin` and `example`
     --> web/Cargo.toml:9:9
      |
    9 | cargo = { bin = "web", example = "web" }
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: each table stands for one thing; write an array of them for several

    error: 1 mistake in the configuration
    "#);
    assert_snapshot!(drawn_for_cargo("cargo = { lib = \"statclib\" }"), @r#"
    error: unknown value `statclib` of `lib` in `cargo` of step `web#e2e`
     --> web/Cargo.toml:9:17
      |
    9 | cargo = { lib = "statclib" }
      |                 ^^^^^^^^^^ did you mean `staticlib`?
      |
      = help: what other languages link with is a crate type of its own, to be named in `[lib]` of that package

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn the_package_that_cargo_builds_is_one_of_the_workspace() {
    assert_snapshot!(drawn_for_cargo("cargo = { package = \"wbe\", bin = \"web\" }"), @r#"
    error: unknown package `wbe` in `cargo` of step `web#e2e`
     --> web/Cargo.toml:9:21
      |
    9 | cargo = { package = "wbe", bin = "web" }
      |                     ^^^^^ did you mean `web`?

    error: 1 mistake in the configuration
    "#);
    assert_snapshot!(drawn_for_cargo("cargo = { package = \"serde\", bin = \"web\" }"), @r#"
    error: unknown package `serde` in `cargo` of step `web#e2e`
     --> web/Cargo.toml:9:21
      |
    9 | cargo = { package = "serde", bin = "web" }
      |                     ^^^^^^^
      |
      = help: the workspace has `web`

    error: 1 mistake in the configuration
    "#);
    assert_snapshot!(drawn_for_step("run = \"{cargo.web}\"\noutputs = []\ncargo = { bin = \"web\" }"), @r#"
    error: `cargo` in step `#api` names no package
     --> Cargo.toml:7:9
      |
    7 | cargo = { bin = "web" }
      |         ^^^^^^^^^^^^^^^
      |
      = help: add `package = "NAME"`: the step belongs to no package of its own

    error: 1 mistake in the configuration
    "#);
}

#[test]
fn names_of_what_cargo_builds_are_names_and_stand_once() {
    assert_snapshot!(drawn_for_cargo("cargo = { bin = \"{matrix.x}\", profile = \"../x\" }"), @r#"
    error: bad name `{matrix.x}` in `bin` in `cargo` of step `web#e2e`
     --> web/Cargo.toml:9:17
      |
    9 | cargo = { bin = "{matrix.x}", profile = "../x" }
      |                 ^^^^^^^^^^^^ a name is made of letters, digits, `-` and `_`

    error: bad name `../x` in `profile` in `cargo` of step `web#e2e`
     --> web/Cargo.toml:9:41
      |
    9 | cargo = { bin = "{matrix.x}", profile = "../x" }
      |                                         ^^^^^^ a name is made of letters, digits, `-` and `_`

    error: 2 mistakes in the configuration
    "#);
    assert_snapshot!(drawn_for_cargo("cargo = [{ bin = \"web\" }, { bin = \"web\", profile = \"release\" }]"), @r#"
    error: `cargo` in step `web#e2e` names `web` twice
     --> web/Cargo.toml:9:27
      |
    9 | cargo = [{ bin = "web" }, { bin = "web", profile = "release" }]
      |          ---------------  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ the second time
      |          |
      |          the first time
      |
      = help: each has one name: `{cargo.web}` and `GRANULAR_CARGO_WEB`

    error: 1 mistake in the configuration
    "#);
    assert_snapshot!(drawn_for_cargo("cargo = { bin = 1, features = \"x\" }"), @r#"
    error: `bin` in `cargo` of step `web#e2e` is not a string
     --> web/Cargo.toml:9:17
      |
    9 | cargo = { bin = 1, features = "x" }
      |                 ^ this is an integer
      |
      = help: write `"1"`, with quotes

    error: `features` in `cargo` of step `web#e2e` is not an array of strings
     --> web/Cargo.toml:9:31
      |
    9 | cargo = { bin = 1, features = "x" }
      |                               ^^^ this is a string
      |
      = help: write `["x"]`

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn a_placeholder_names_what_cargo_builds() {
    assert_snapshot!(drawn_for_cargo("cargo = { bin = \"wbe\" }"), @r#"
    error: `web` is not among what `cargo` names in step `web#e2e`
     --> web/Cargo.toml:7:8
      |
    7 | run = "{cargo.web}"
      |        ^^^^^^^^^^^ did you mean `{cargo.wbe}`?

    error: 1 mistake in the configuration
    "#);
    assert_snapshot!(drawn_for_cargo(""), @r#"
    error: `web` is not among what `cargo` names in step `web#e2e`
     --> web/Cargo.toml:7:8
      |
    7 | run = "{cargo.web}"
      |        ^^^^^^^^^^^
      |
      = help: add `cargo = { package = "…", bin = "web" }`

    error: 1 mistake in the configuration
    "#);
    assert_snapshot!(drawn_for_cargo("inputs = [\"{cargo.web}\"]\ncargo = { bin = \"web\" }"), @r#"
    error: `{cargo.web}` has no meaning in `inputs` of step `web#e2e`
     --> web/Cargo.toml:9:12
      |
    9 | inputs = ["{cargo.web}"]
      |            ^^^^^^^^^^^
      |
      = help: what Cargo builds for the step is an input already

    error: 1 mistake in the configuration
    "#);
    assert_snapshot!(drawn_for_cargo("cargo = { bin = \"web\" }\nenv = { A = \"{cargo.web.path}\" }\npass-env = [\"GRANULAR_CARGO_WEB\"]"), @r#"
    error: malformed placeholder `{cargo.web.path}` in `env` of step `web#e2e`
      --> web/Cargo.toml:10:14
       |
    10 | env = { A = "{cargo.web.path}" }
       |              ^^^^^^^^^^^^^^^^
       |
       = help: the form is `{cargo.NAME}`

    error: `pass-env` in step `web#e2e` names `GRANULAR_CARGO_WEB`
      --> web/Cargo.toml:11:13
       |
    11 | pass-env = ["GRANULAR_CARGO_WEB"]
       |             ^^^^^^^^^^^^^^^^^^^^ it is set for each step by granular itself

    error: 2 mistakes in the configuration
    "#);
}

#[test]
fn a_set_of_files_has_nothing_for_cargo() {
    assert_snapshot!(drawn_for_step("inputs = [\"Cargo.toml\"]\ncargo = { package = \"web\", bin = \"web\" }"), @r#"
    error: step `#api` has `cargo` but no `run`
     --> Cargo.toml:6:1
      |
    6 | cargo = { package = "web", bin = "web" }
      | ^^^^^
      |
      = help: without `run` a step is a named set of files

    error: unknown package `web` in `cargo` of step `#api`
     --> Cargo.toml:6:21
      |
    6 | cargo = { package = "web", bin = "web" }
      |                     ^^^^^ the workspace has no packages

    error: 2 mistakes in the configuration
    "#);
}
