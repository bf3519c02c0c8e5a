//! The mistakes of a configuration, each as an author sees it.

use super::drawing::draw;
use super::*;
use crate::graph;
use crate::template::{Piece, Template};
use crate::workspace::Package;
use insta::assert_snapshot;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A workspace in a directory of its own, with the package `web`.
struct Project {
    workspace: Workspace,
}

impl Project {
    fn new(root: &[u8], web: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!(
            "granular-config-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let directory = std::env::temp_dir().join(name);
        let manifest = directory.join("web/Cargo.toml");
        std::fs::create_dir_all(directory.join("web/src")).unwrap();
        std::fs::write(directory.join("Cargo.toml"), root).unwrap();
        std::fs::write(&manifest, web).unwrap();
        let packages = vec![Package { name: "web".into(), manifest }];
        let target = directory.join("target");
        Self {
            workspace: Workspace { root: directory, target, packages, default_members: Vec::new() },
        }
    }

    fn config(&self) -> Config {
        let (config, mistakes) = load(&self.workspace).unwrap();
        assert_eq!(draw(&mistakes, self.root()), "");
        config
    }

    fn mistakes(&self) -> String {
        let (config, mut mistakes) = load(&self.workspace).unwrap();
        mistakes.extend(graph::build(&config.steps).1);
        draw(&mistakes, self.root())
    }

    fn root(&self) -> &Path {
        &self.workspace.root
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.workspace.root);
    }
}

const WEB: &str = "[package]\nname = \"web\"\n";

fn mistakes(root: &str) -> String {
    mistakes_of_both(root, "")
}

fn mistakes_of_both(root: &str, web: &str) -> String {
    Project::new(format!("[workspace]\n{root}").as_bytes(), &format!("{WEB}{web}")).mistakes()
}

fn mistakes_of_bytes(root: &[u8]) -> String {
    Project::new(root, WEB).mistakes()
}

/// Of the step `api` of the workspace.
fn mistakes_of_step(step: &str) -> String {
    mistakes(&format!("[workspace.metadata.granular.steps.api]\n{step}"))
}

/// Of the step `api` of the workspace, which has a step `models` as well.
fn mistakes_beside_models(step: &str) -> String {
    mistakes_of_step(&format!(
        "{step}[workspace.metadata.granular.steps.models]\ninputs = [\"models/*.go\"]\n"
    ))
}

/// Of the package `web`, in a workspace with the steps `api` and `gen`, which have outputs.
fn mistakes_of_package(web: &str) -> String {
    let api =
        "[workspace.metadata.granular.steps.api]\nrun = [\"go\"]\noutputs = [\"{out}/api\"]\n";
    let gen_step = "[workspace.metadata.granular.steps.gen]\nrun = [\"gen\"]\noutputs = [\"{out}\", \"gen\"]\n";
    mistakes_of_both(&format!("{api}{gen_step}"), web)
}

#[test]
fn broken_manifests_are_told_and_the_others_are_read_on() {
    // Invalid TOML, and a mistake in another manifest.
    assert_snapshot!(mistakes_of_both("[workspace.metadata.granular
steps = 1
", "[package.metadata.granular.steps.a]
runs = []
"), @"
    this is not TOML
      --> Cargo.toml:2:29 []: unclosed table, expected `]`
    step `web#a` has `run` but no `outputs`
      --> web/Cargo.toml:3:34 [a]
      = help: write `outputs = []` for a check, which leaves nothing behind
    unknown key `runs` in step `web#a`
      --> web/Cargo.toml:4:1 [runs]: did you mean `run`?
    ");
    // A key twice.
    assert_snapshot!(mistakes("[workspace.metadata.granular.steps.a]
[workspace.metadata.granular.steps.a]
"), @"
    this is not TOML
      --> Cargo.toml:3:36 [a]: duplicate key
    ");
    // A number that fits nowhere.
    assert_snapshot!(mistakes("[workspace.metadata.granular]
cache-size = 99999999999999999999
"), @"
    this is not TOML
      --> Cargo.toml:3:14 [99999999999999999999]: integer number overflowed
    ");
    // Invalid UTF-8.
    assert_snapshot!(mistakes_of_bytes(b"[workspace.metadata.granular]\n# caf\xe9\n"), @"
    the manifest is not UTF-8
      --> Cargo.toml:2:6 [?]: not UTF-8, 35 bytes from the start
    ");
}

#[test]
fn tables_stand_where_they_belong() {
    // `granular` is not a table.
    assert_snapshot!(mistakes("[workspace.metadata]
granular = 3
"), @"
    `workspace.metadata.granular` is not a table
      --> Cargo.toml:3:12 [3]: this is an integer
      = help: write `[workspace.metadata.granular.steps.NAME]`
    ");
    // `steps` is not a table.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular]
steps = ["a"]
"#), @r#"
    `steps` in `workspace.metadata.granular` is not a table
      --> Cargo.toml:3:9 [[\"a\"]]: this is an array
      = help: write `[workspace.metadata.granular.steps.NAME]`
    "#);
    // A step is a string.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular.steps]
x = "go build"
"#), @r#"
    step `#x` is not a table
      --> Cargo.toml:3:5 [\"go build\"]: this is a string
      = help: write `x = { run = "go build", outputs = [] }`
    "#);
    // A step is an array of tables.
    assert_snapshot!(mistakes(r#"[[workspace.metadata.granular.steps.x]]
run = "a"
"#), @"
    step `#x` is not a table
      --> Cargo.toml:2:37 [x]: this is an array of tables
      = help: write `[workspace.metadata.granular.steps.x]`
    ");
    // `step` for `steps`.
    assert_snapshot!(mistakes("[workspace.metadata.granular.step.api]
"), @"
    unknown key `step` in `workspace.metadata.granular`
      --> Cargo.toml:2:30 [step]: did you mean `steps`?
    ");
    // A step directly below granular.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular.api]
run = "a"
"#), @"
    unknown key `api` in `workspace.metadata.granular`
      --> Cargo.toml:2:30 [api]: this looks like a step
      = help: did you mean `[workspace.metadata.granular.steps.api]`?
    ");
    // A step directly below granular, in a package.
    assert_snapshot!(mistakes_of_package(r#"[package.metadata.granular.api]
run = "a"
"#), @"
    unknown key `api` in `package.metadata.granular`
      --> web/Cargo.toml:3:28 [api]: this looks like a step
      = help: did you mean `[package.metadata.granular.steps.api]`?
    ");
    // A key of a step directly below granular.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular]
run = "a"
"#), @"
    unknown key `run` in `workspace.metadata.granular`
      --> Cargo.toml:3:1 [run]: this is a key of a step
      = help: did you mean `[workspace.metadata.granular.steps.NAME]`?
    ");
    // An unknown setting.
    assert_snapshot!(mistakes("[workspace.metadata.granular]
banana = 1
"), @"
    unknown key `banana` in `workspace.metadata.granular`
      --> Cargo.toml:3:1 [banana]
      = help: there are `granular-version`, `cache-dir`, `cache-size`, `remote` and `steps`
    ");
    // A misspelt setting.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular]
cache_dir = "x"
"#), @"
    unknown key `cache_dir` in `workspace.metadata.granular`
      --> Cargo.toml:3:1 [cache_dir]: did you mean `cache-dir`?
    ");
    // A setting of the workspace in a package.
    assert_snapshot!(mistakes_of_package(r#"[package.metadata.granular]
cache-size = "1 GiB"
"#), @"
    `cache-size` is a setting of the workspace, not of a package
      --> web/Cargo.toml:4:1 [cache-size]: not read from here
      = help: it belongs in `[workspace.metadata.granular]` in the root's `Cargo.toml`
    ");
    // An unknown key of a package.
    assert_snapshot!(mistakes_of_package("[package.metadata.granular]
banana = 1
"), @"
    unknown key `banana` in `package.metadata.granular`
      --> web/Cargo.toml:4:1 [banana]
      = help: there is only `steps`
    ");
    // The workspace's table in a package.
    assert_snapshot!(mistakes_of_package("[workspace.metadata.granular.steps.a]
"), @"
    `workspace.metadata.granular` is only read from the root manifest
      --> web/Cargo.toml:3:21 [granular]: not the root manifest of the workspace
      = help: a package's steps stand in `[package.metadata.granular.steps]`
    ");
}

#[test]
fn settings_are_checked() {
    // Malformed granular-version.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular]
granular-version = "^1"
"#), @r#"
    malformed `granular-version`
      --> Cargo.toml:3:20 [\"^1\"]: this is no version
      = help: write the oldest version that will do, such as `"0.3"` or `">=0.3.1"`
    "#);
    // Granular-version is no string.
    assert_snapshot!(mistakes("[workspace.metadata.granular]
granular-version = 1
"), @r#"
    `granular-version` is not a string
      --> Cargo.toml:3:20 [1]: this is an integer
      = help: write `"1"`, with quotes
    "#);
    // A newer program is asked for (and nothing else is told).
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular]
granular-version = ">=999.1"
new-key = 1
"#), @r#"
    this workspace needs cargo granular 999.1.0 or newer, and this is 0.1.0
      --> Cargo.toml:3:20 [\">=999.1\"]: asked for here
      = help: update it with `cargo install --locked cargo-granular`
    "#);
    // Malformed cache-size.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular]
cache-size = "10 gigs"
"#), @r#"
    malformed `cache-size`
      --> Cargo.toml:3:14 [\"10 gigs\"]: this is no size
      = help: write `"10 GiB"`, `"500 MB"` or a number of bytes
    "#);
    // Negative cache-size.
    assert_snapshot!(mistakes("[workspace.metadata.granular]
cache-size = -1
"), @r#"
    malformed `cache-size`
      --> Cargo.toml:3:14 [-1]: this is no size
      = help: write `"10 GiB"`, `"500 MB"` or a number of bytes
    "#);
    // Cache-size of zero.
    assert_snapshot!(mistakes("[workspace.metadata.granular]
cache-size = 0
"), @r#"
    `cache-size` is zero
      --> Cargo.toml:3:14 [0]: nothing could be kept
      = help: write `"10 GiB"`, `"500 MB"` or a number of bytes
    "#);
    // Cache-size of a wrong type.
    assert_snapshot!(mistakes("[workspace.metadata.granular]
cache-size = true
"), @r#"
    `cache-size` is not a size
      --> Cargo.toml:3:14 [true]: this is a boolean
      = help: write `"10 GiB"`, `"500 MB"` or a number of bytes
    "#);
    // Empty cache-dir.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular]
cache-dir = ""
"#), @r#"
    `cache-dir` is empty
      --> Cargo.toml:3:13 [\"\"]
      = help: leave it out for the cache directory of the platform
    "#);
    // Cache-dir of somebody else.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular]
cache-dir = "~other/x"
"#), @r#"
    `cache-dir` names the home directory of somebody else
      --> Cargo.toml:3:13 [\"~other/x\"]: only `~/` is understood
    "#);
    // Cache-dir of a wrong type.
    assert_snapshot!(mistakes("[workspace.metadata.granular]
cache-dir = 1
"), @r#"
    `cache-dir` is not a string
      --> Cargo.toml:3:13 [1]: this is an integer
      = help: write `"1"`, with quotes
    "#);
}

#[test]
fn names_of_steps_are_checked() {
    // A name with a blank.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular.steps."a b"]
"#), @r#"
    bad name `a b` of a step
      --> Cargo.toml:2:36 [\"a b\"]
      = help: a name is made of ASCII letters, digits, `-`, `_` and `.`, and begins with a letter or digit
    "#);
    // A name that begins with a sign.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular.steps."-a"]
"#), @r#"
    bad name `-a` of a step
      --> Cargo.toml:2:36 [\"-a\"]
      = help: a name is made of ASCII letters, digits, `-`, `_` and `.`, and begins with a letter or digit
    "#);
    // An overlong name.
    assert_snapshot!(mistakes("[workspace.metadata.granular.steps.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]
"), @"
    the name of a step is longer than 100 bytes
      --> Cargo.toml:2:36 [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]: it is the name of a directory as well
    ");
    // Names that differ only in case.
    assert_snapshot!(mistakes("[workspace.metadata.granular.steps.Api]
[workspace.metadata.granular.steps.api]
"), @"
    steps `#Api` and `#api` differ only in upper and lower case
      --> Cargo.toml:3:36 [api]: the second
      ::: Cargo.toml:2:36 [Api]: the first
      = help: rename one: on some file systems both would write into one directory
    ");
}

#[test]
fn keys_of_a_step_are_checked() {
    // A misspelt key.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
input = ["a"]
"#), @"
    unknown key `input` in step `#api`
      --> Cargo.toml:5:1 [input]: did you mean `inputs`?
    ");
    // A key by the name that others give it.
    assert_snapshot!(mistakes_of_step(r#"cmd = ["go"]
outputs = []
depends_on = ["a"]
"#), @"
    unknown key `cmd` in step `#api`
      --> Cargo.toml:3:1 [cmd]: did you mean `run`?
    unknown key `depends_on` in step `#api`
      --> Cargo.toml:5:1 [depends_on]: did you mean `needs`?
    ");
    // An unknown key.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
banana = 1
"#), @"
    unknown key `banana` in step `#api`
      --> Cargo.toml:5:1 [banana]
      = help: the keys of a step are `run`, `inputs`, `discover`, `depfile`, `outputs`, `needs`, `cargo`, `env`, `track-env`, `pass-env`, `tools`, `matrix`, `matrix-exclude`, `test`, `default`, `dir`, `timeout`, `retries`, `jobs`, `platform`, `portable`, `incremental`, `unavailable`, `checked-in`
    ");
    // Run without outputs.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
"#), @"
    step `#api` has `run` but no `outputs`
      --> Cargo.toml:2:36 [api]
      = help: write `outputs = []` for a check, which leaves nothing behind
    ");
    // Outputs and others without run.
    assert_snapshot!(mistakes_of_step(r#"outputs = ["x"]
timeout = 5
"#), @"
    step `#api` has `outputs` but no `run`
      --> Cargo.toml:3:1 [outputs]
      = help: without `run` a step is a named set of files
    step `#api` has `timeout` but no `run`
      --> Cargo.toml:4:1 [timeout]
      = help: without `run` a step is a named set of files
    ");
}

#[test]
fn commands_are_checked() {
    // An empty array.
    assert_snapshot!(mistakes_of_step("run = []
outputs = []
"), @"
    `run` in step `#api` is empty
      --> Cargo.toml:3:7 [[]]: there is no program
    ");
    // An empty string.
    assert_snapshot!(mistakes_of_step(r#"run = " "
outputs = []
"#), @r#"
    `run` in step `#api` is empty
      --> Cargo.toml:3:7 [\" \"]: there is nothing to run
    "#);
    // Run of a wrong type.
    assert_snapshot!(mistakes_of_step("run = 1
outputs = []
"), @r#"
    `run` in step `#api` is not a command
      --> Cargo.toml:3:7 [1]: this is an integer
      = help: write `["PROGRAM", "ARGUMENT"]`, or a string for the shell
    "#);
    // Run as a table.
    assert_snapshot!(mistakes_of_step(r#"run.program = "go"
outputs = []
"#), @r#"
    `run` in step `#api` is not a command
      --> Cargo.toml:3:1 [run]: this is a table
      = help: write `["PROGRAM", "ARGUMENT"]`, or a string for the shell
    "#);
    // An argument that is no string.
    assert_snapshot!(mistakes_of_step(r#"run = ["sleep", 1, true, ["x"]]
outputs = []
"#), @r#"
    an element of `run` in step `#api` is not a string
      --> Cargo.toml:3:17 [1]: this is an integer
      = help: write `"1"`, with quotes
    an element of `run` in step `#api` is not a string
      --> Cargo.toml:3:20 [true]: this is a boolean
      = help: write `"true"`, with quotes
    an element of `run` in step `#api` is not a string
      --> Cargo.toml:3:26 [[\"x\"]]: this is an array
    "#);
    // An empty program.
    assert_snapshot!(mistakes_of_step(r#"run = ["", "a"]
outputs = []
"#), @r#"
    the program of `run` in step `#api` is empty
      --> Cargo.toml:3:8 [\"\"]
    "#);
    // A whole command as the program.
    assert_snapshot!(mistakes_of_step(r#"run = ["go build ./x"]
outputs = []
"#), @r#"
    `go build ./x` in `run` in step `#api` is not the name of a program
      --> Cargo.toml:3:8 [\"go build ./x\"]: an array is run without a shell
      = help: write `["go", "build", "./x"]`, or `"go build ./x"` for the shell
    "#);
    // A NUL character.
    assert_snapshot!(mistakes_of_step(r#"run = ["go", "a\u0000b"]
outputs = []
"#), @r#"
    `run` in step `#api` contains a NUL character
      --> Cargo.toml:3:14 [\"a\\u0000b\"]: no command, path or variable can have one
    "#);
}

#[test]
fn patterns_are_checked() {
    // Inputs is a string.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
inputs = "src/**"
"#), @r#"
    `inputs` in step `#api` is not an array of strings
      --> Cargo.toml:5:10 [\"src/**\"]: this is a string
      = help: write `["src/**"]`
    "#);
    // An element of inputs is no string.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
inputs = ["a", 1]
"#), @r#"
    an element of `inputs` in step `#api` is not a string
      --> Cargo.toml:5:16 [1]: this is an integer
      = help: write `"1"`, with quotes
    "#);
    // An empty pattern.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = [""]
"#), @r#"
    an element of `outputs` in step `#api` is empty
      --> Cargo.toml:4:12 [\"\"]
    "#);
    // An output twice.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = ["{out}/a", "{out}/a"]
"#), @r#"
    `outputs` in step `#api` names `{out}/a` twice
      --> Cargo.toml:4:23 [\"{out}/a\"]: the second time
    "#);
    // A pattern that leaves the workspace.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = ["../x"]
"#), @r#"
    wrong pattern in `outputs` of step `#api`
      --> Cargo.toml:4:12 [\"../x\"]: this path leaves the workspace
    "#);
    // A pattern that is not closed, told once in a matrix.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = ["{out}/{matrix.a}"]
inputs = ["[a{matrix.a}"]
matrix.a = ["x", "y"]
"#), @r#"
    wrong pattern in `inputs` of step `#api`
      --> Cargo.toml:5:11 [\"[a{matrix.a}\"]: this `[` is never closed (write `\[` for the character)
    "#);
}

#[test]
fn needs_are_checked() {
    // A misspelt step.
    assert_snapshot!(mistakes_beside_models(r#"needs = ["modles"]
"#), @r#"
    unknown step `modles` in `needs` of step `#api`
      --> Cargo.toml:3:10 [\"modles\"]: did you mean `models`?
    "#);
    // An unknown step.
    assert_snapshot!(mistakes_beside_models(r#"needs = ["banana"]
"#), @r#"
    unknown step `banana` in `needs` of step `#api`
      --> Cargo.toml:3:10 [\"banana\"]: no step of that name
    "#);
    // A step of another table.
    assert_snapshot!(mistakes_of_package(r#"[package.metadata.granular.steps.a]
needs = ["api"]
"#), @r#"
    unknown step `api` in `needs` of step `web#a`
      --> web/Cargo.toml:4:10 [\"api\"]: did you mean `#api`?
      = help: a name without `#` is a step of the same table
    "#);
    // An unknown package.
    assert_snapshot!(mistakes_beside_models(r#"needs = ["wbe#bundle"]
"#), @r#"
    unknown package `wbe` in a need of step `#api`
      --> Cargo.toml:3:10 [\"wbe#bundle\"]: did you mean `web#bundle`?
    "#);
    // An unknown step of a package.
    assert_snapshot!(mistakes_beside_models(r#"needs = ["web#bundle"]
"#), @r#"
    unknown step `web#bundle` in `needs` of step `#api`
      --> Cargo.toml:3:10 [\"web#bundle\"]: no step of that name
    "#);
    // Another sign for the package.
    assert_snapshot!(mistakes_of_package(r#"[package.metadata.granular.steps.a]
needs = ["web/b"]
[package.metadata.granular.steps.b]
"#), @r#"
    unknown step `web/b` in `needs` of step `web#a`
      --> web/Cargo.toml:4:10 [\"web/b\"]: did you mean `web#b`?
    "#);
    // A need twice.
    assert_snapshot!(mistakes_beside_models(r##"needs = ["models", "#models"]
"##), @r##"
    step `#api` needs `#models` twice
      --> Cargo.toml:3:20 [\"#models\"]: the second time
      ::: Cargo.toml:3:10 [\"models\"]: the first time
    "##);
    // A need on itself.
    assert_snapshot!(mistakes_beside_models(r#"needs = ["api"]
"#), @r#"
    step `#api` needs itself
      --> Cargo.toml:3:10 [\"api\"]: a step would wait for itself forever
    "#);
    // Malformed needs.
    assert_snapshot!(mistakes_beside_models(r#"needs = ["a#b#c", "web#", "", "{matrix.x}"]
"#), @r##"
    malformed need `a#b#c` in step `#api`
      --> Cargo.toml:3:10 [\"a#b#c\"]
      = help: write `"step"`, `"package#step"`, or `"#step"` for a step of the workspace
    malformed need `web#` in step `#api`
      --> Cargo.toml:3:19 [\"web#\"]
      = help: write `"step"`, `"package#step"`, or `"#step"` for a step of the workspace
    an element of `needs` in step `#api` is empty
      --> Cargo.toml:3:27 [\"\"]
    malformed need `{matrix.x}` in step `#api`
      --> Cargo.toml:3:31 [\"{matrix.x}\"]
      = help: write `"step"`, `"package#step"`, or `"#step"` for a step of the workspace
    "##);
    // Needs of a wrong type.
    assert_snapshot!(mistakes_beside_models(r#"needs = "models"
run = "cat {needs.models.out}"
outputs = []
"#), @r#"
    `needs` in step `#api` is not an array of strings
      --> Cargo.toml:3:9 [\"models\"]: this is a string
      = help: write `["models"]`
    "#);
}

#[test]
fn variables_are_checked() {
    // Bad names in env.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
env = { "" = "a", "A=B" = "a" }
"#), @r#"
    bad name `` of a variable in `env` in step `#api`
      --> Cargo.toml:5:9 [\"\"]: it is empty
    bad name `A=B` of a variable in `env` in step `#api`
      --> Cargo.toml:5:19 [\"A=B\"]: a name cannot contain `=`
    "#);
    // Values that are no strings.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
env = { A = 0, B = true, C = 1.5, D = ["x"] }
"#), @r#"
    `A` in `env` in step `#api` is not a string
      --> Cargo.toml:5:13 [0]: this is an integer
      = help: write `"0"`, with quotes
    `B` in `env` in step `#api` is not a string
      --> Cargo.toml:5:20 [true]: this is a boolean
      = help: write `"true"`, with quotes
    `C` in `env` in step `#api` is not a string
      --> Cargo.toml:5:30 [1.5]: this is a float
      = help: put it in quotes
    `D` in `env` in step `#api` is not a string
      --> Cargo.toml:5:39 [[\"x\"]]: this is an array
    "#);
    // Env is no table.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
env = ["A=1"]
"#), @r#"
    `env` in step `#api` is not a table
      --> Cargo.toml:5:7 [[\"A=1\"]]: this is an array
      = help: write `{ NAME = "VALUE" }`
    "#);
    // A variable of granular's own.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
env.GRANULAR_OUT = "x"
pass-env = ["GRANULAR_OUT_MODELS"]
"#), @r#"
    `env` in step `#api` sets `GRANULAR_OUT`
      --> Cargo.toml:5:5 [GRANULAR_OUT]: variables of this name are set by granular itself
    `pass-env` in step `#api` names `GRANULAR_OUT_MODELS`
      --> Cargo.toml:6:13 [\"GRANULAR_OUT_MODELS\"]: it is set for each step by granular itself
    "#);
    // A variable in two places.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
env = { A = "1", B = "1" }
track-env = ["A", "C"]
pass-env = ["B", "C"]
"#), @r#"
    variable `A` stands in both `env` and `track-env` of step `#api`
      --> Cargo.toml:6:14 [\"A\"]: in `track-env`
      ::: Cargo.toml:5:9 [A]: in `env`
      = help: `env` sets it, `track-env` passes it and makes it part of the key, `pass-env` only passes it
    variable `B` stands in both `env` and `pass-env` of step `#api`
      --> Cargo.toml:7:13 [\"B\"]: in `pass-env`
      ::: Cargo.toml:5:18 [B]: in `env`
      = help: `env` sets it, `track-env` passes it and makes it part of the key, `pass-env` only passes it
    variable `C` stands in both `track-env` and `pass-env` of step `#api`
      --> Cargo.toml:7:18 [\"C\"]: in `pass-env`
      ::: Cargo.toml:6:19 [\"C\"]: in `track-env`
      = help: `env` sets it, `track-env` passes it and makes it part of the key, `pass-env` only passes it
    "#);
    // A variable twice.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
track-env = ["A", "A"]
"#), @r#"
    `track-env` in step `#api` names `A` twice
      --> Cargo.toml:5:19 [\"A\"]: the second time
    "#);
    // Patterns and other bad names.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
pass-env = ["AWS_*", "A=B", ""]
"#), @r#"
    bad name `AWS_*` of a variable in `pass-env` in step `#api`
      --> Cargo.toml:5:13 [\"AWS_*\"]: there are no patterns here: name each variable
    bad name `A=B` of a variable in `pass-env` in step `#api`
      --> Cargo.toml:5:22 [\"A=B\"]: a name cannot contain `=`
    bad name `` of a variable in `pass-env` in step `#api`
      --> Cargo.toml:5:29 [\"\"]: it is empty
    "#);
}

#[test]
fn placeholders_are_checked() {
    // An unknown variable of the matrix.
    assert_snapshot!(mistakes_of_step(r#"run = ["go", "{matrix.gos}"]
outputs = ["{out}/{matrix.banana}"]
matrix.goos = ["linux"]
"#), @"
    unknown variable `gos` of the matrix in step `#api`
      --> Cargo.toml:3:15 [{matrix.gos}]: did you mean `{matrix.goos}`?
    unknown variable `banana` of the matrix in step `#api`
      --> Cargo.toml:4:19 [{matrix.banana}]: the matrix has `goos`
    ");
    // A variable without a matrix.
    assert_snapshot!(mistakes_of_step(r#"run = "echo {matrix.goos}"
outputs = []
"#), @r#"
    unknown variable `goos` of the matrix in step `#api`
      --> Cargo.toml:3:13 [{matrix.goos}]: the step has no matrix
      = help: add `matrix = { goos = ["…"] }`
    "#);
    // A need that is none.
    assert_snapshot!(mistakes_beside_models(r#"run = "cat {needs.modls.out} {needs.other.out}"
outputs = []
needs = ["models"]
"#), @r#"
    `modls` is not among the needs of step `#api`
      --> Cargo.toml:3:12 [{needs.modls.out}]: did you mean `{needs.models.out}`?
    `other` is not among the needs of step `#api`
      --> Cargo.toml:3:30 [{needs.other.out}]
      = help: add `"other"` to `needs`
    "#);
    // A need that leaves nothing in its out.
    assert_snapshot!(mistakes_beside_models(r#"run = "cat {needs.models.out}"
outputs = []
needs = ["models"]
"#), @"
    step `#models` leaves nothing in its `{out}`
      --> Cargo.toml:3:12 [{needs.models.out}]: an empty directory
      ::: Cargo.toml:6:36 [models]: no output of it begins with `{out}`
      = help: what it leaves in the tree is reached by its path
    ");
    // An ambiguous need.
    assert_snapshot!(mistakes_of_package(r##"[package.metadata.granular.steps.a]
run = "cat {needs.gen.out} {needs.#gen.out} {needs.web#gen.out}"
outputs = []
needs = ["gen", "#gen"]
[package.metadata.granular.steps.gen]
run = "x"
outputs = ["{out}"]
"##), @"
    `{needs.gen.out}` is ambiguous in step `web#a`
      --> web/Cargo.toml:4:12 [{needs.gen.out}]: write `{needs.web#gen.out}` or `{needs.#gen.out}`
    ");
    // Malformed placeholders.
    assert_snapshot!(mistakes_of_step(r#"run = ["a", "{matrix}", "{ out }", "{needs.x}", "{{out}}", "${matrix.a}", "{matrix.a b}", "{out/x}", "x{matrix.a"]
outputs = []
"#), @"
    malformed placeholder `{matrix}` in `run` of step `#api`
      --> Cargo.toml:3:14 [{matrix}]
      = help: the form is `{matrix.NAME}`
    malformed placeholder `{ out }` in `run` of step `#api`
      --> Cargo.toml:3:26 [{ out }]
      = help: write `{out}`
    malformed placeholder `{needs.x}` in `run` of step `#api`
      --> Cargo.toml:3:37 [{needs.x}]
      = help: write `{needs.x.out}`
    a placeholder is written in single braces in `run` of step `#api`
      --> Cargo.toml:3:50 [{{out}}]
      = help: write `{out}`
    a placeholder is written without `$` in `run` of step `#api`
      --> Cargo.toml:3:61 [${matrix.a}]
      = help: write `{matrix.a}`
    malformed placeholder `{matrix.a b}` in `run` of step `#api`
      --> Cargo.toml:3:76 [{matrix.a b}]
      = help: the name of a variable is made of letters, digits, `-` and `_`
    malformed placeholder `{out/x}` in `run` of step `#api`
      --> Cargo.toml:3:92 [{out/x}]
      = help: write `{out}/x`
    the placeholder `{matrix.a` is not closed in `run` of step `#api`
      --> Cargo.toml:3:104 [{matrix.a]
      = help: write `{matrix.a}`
    ");
    // A dollar sign where no shell reads.
    assert_snapshot!(mistakes_of_step(r#"run = ["a", "${out}/x"]
outputs = ["${out}"]
"#), @"
    a placeholder is written without `$` in `run` of step `#api`
      --> Cargo.toml:3:14 [${out}]: no shell reads this
      = help: write `{out}`
    a placeholder is written without `$` in `outputs` of step `#api`
      --> Cargo.toml:4:13 [${out}]: no shell reads this
      = help: write `{out}`
    ");
    // Placeholders where there are none.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
dir = "{out}"
tools = ["{matrix.x}"]
track-env = ["{matrix.x}"]
"#), @"
    `{out}` has no meaning in `dir` of step `#api`
      --> Cargo.toml:5:8 [{out}]
      = help: placeholders stand in `run`, `env`, `inputs` and `outputs`
    `{matrix.x}` has no meaning in `tools` of step `#api`
      --> Cargo.toml:6:11 [{matrix.x}]
      = help: placeholders stand in `run`, `env`, `inputs` and `outputs`
    `{matrix.x}` has no meaning in `track-env` of step `#api`
      --> Cargo.toml:7:15 [{matrix.x}]
      = help: placeholders stand in `run`, `env`, `inputs` and `outputs`
    ");
    // Placeholders in patterns.
    assert_snapshot!(mistakes_beside_models(r#"run = ["a"]
outputs = ["x/{out}", "{needs.models.out}/x"]
inputs = ["{out}/x", "{needs.models.out}/x"]
needs = ["models"]
"#), @"
    `{out}` has no meaning in `outputs` of step `#api`
      --> Cargo.toml:4:15 [{out}]
      = help: `{out}` stands at the front of an output
    `{needs.models.out}` has no meaning in `outputs` of step `#api`
      --> Cargo.toml:4:24 [{needs.models.out}]
      = help: a step only leaves what lies in its own `{out}` or in the tree
    `{out}` has no meaning in `inputs` of step `#api`
      --> Cargo.toml:5:12 [{out}]
      = help: what a step leaves is no input of its own
    `{needs.models.out}` has no meaning in `inputs` of step `#api`
      --> Cargo.toml:5:23 [{needs.models.out}]
      = help: what a need leaves is an input already
    ");
    // A placeholder that no quotes can save.
    assert_snapshot!(mistakes_of_step(r#"run = """
echo ${x:-{out}} $((1 + {out}))"""
outputs = []
"#), @"
    `{out}` cannot be quoted inside `${…}` in `run` of step `#api`
      --> Cargo.toml:4:11 [{out}]
      = help: give it to a variable first: `x={out}`
    `{out}` cannot be quoted inside `$((…))` in `run` of step `#api`
      --> Cargo.toml:4:25 [{out}]
      = help: give it to a variable first: `x={out}`
    ");
}

#[test]
fn limits_are_checked() {
    // Malformed durations.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
timeout = "5 min"
"#), @r#"
    malformed `timeout` in step `#api`
      --> Cargo.toml:5:11 [\"5 min\"]: this is no duration
      = help: write a number of seconds, or a text such as `"90s"`, `"5m"`, `"1h30m"`, `"500ms"`
    "#);
    // A timeout of a wrong type.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
timeout = 1.5
"#), @r#"
    `timeout` in step `#api` is not a duration
      --> Cargo.toml:5:11 [1.5]: this is a float
      = help: write a number of seconds, or a text such as `"90s"`, `"5m"`, `"1h30m"`, `"500ms"`
    "#);
    // A timeout of zero.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
timeout = "0s"
"#), @r#"
    `timeout` in step `#api` is zero
      --> Cargo.toml:5:11 [\"0s\"]: nothing could run
      = help: leave it out if there is to be no limit
    "#);
    // A negative timeout.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
timeout = -1
"#), @r#"
    malformed `timeout` in step `#api`
      --> Cargo.toml:5:11 [-1]: this is no duration
      = help: write a number of seconds, or a text such as `"90s"`, `"5m"`, `"1h30m"`, `"500ms"`
    "#);
    // A timeout of more than a year.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
timeout = "9000h"
"#), @r#"
    `timeout` in step `#api` is longer than a year
      --> Cargo.toml:5:11 [\"9000h\"]
    "#);
    // Negative retries.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
retries = -1
"#), @"
    `retries` in step `#api` must be from 0 to 10
      --> Cargo.toml:5:11 [-1]
    ");
    // Too many retries.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
retries = 11
"#), @"
    `retries` in step `#api` must be from 0 to 10
      --> Cargo.toml:5:11 [11]
    ");
    // Retries of a wrong type.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
retries = "3"
"#), @r#"
    `retries` in step `#api` is not an integer
      --> Cargo.toml:5:11 [\"3\"]: this is a string
      = help: write `3` without quotes
    "#);
    // No jobs.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
jobs = 0
"#), @"
    `jobs` in step `#api` must be from 1 to 1024
      --> Cargo.toml:5:8 [0]
    ");
    // An unknown platform.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
platform = "Any"
"#), @r#"
    unknown value `Any` of `platform` in step `#api`
      --> Cargo.toml:5:12 [\"Any\"]: did you mean `any`?
      = help: without it the operating system and architecture are part of the key
    "#);
    // Another platform.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
platform = "linux"
"#), @r#"
    unknown value `linux` of `platform` in step `#api`
      --> Cargo.toml:5:12 [\"linux\"]: there is only `any`
      = help: without it the operating system and architecture are part of the key
    "#);
    // A platform of a wrong type.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
platform = ["any"]
"#), @r#"
    `platform` in step `#api` is not a string
      --> Cargo.toml:5:12 [[\"any\"]]: this is an array
      = help: there is only `"any"`
    "#);
    // A boolean in quotes.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
test = "true"
default = 0
"#), @r#"
    `test` in step `#api` is not `true` or `false`
      --> Cargo.toml:5:8 [\"true\"]: this is a string
      = help: write `true` without quotes
    `default` in step `#api` is not `true` or `false`
      --> Cargo.toml:6:11 [0]: this is an integer
    "#);
}

#[test]
fn tools_and_directories_are_checked() {
    // Tools.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
tools = ["go", "", "go", 1]
"#), @r#"
    an element of `tools` in step `#api` is empty
      --> Cargo.toml:5:16 [\"\"]
    `tools` in step `#api` names `go` twice
      --> Cargo.toml:5:20 [\"go\"]: the second time
    an element of `tools` in step `#api` is not a string
      --> Cargo.toml:5:26 [1]: this is an integer
      = help: write `"1"`, with quotes
    "#);
    // A directory outside.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
dir = "../x"
"#), @r#"
    `dir` in step `#api` leaves the workspace
      --> Cargo.toml:5:7 [\"../x\"]
      = help: it is relative to the package, or to the workspace root with `/` in front
    "#);
    // A directory that is not there.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
dir = "/services"
"#), @r#"
    `dir` in step `#api` does not exist
      --> Cargo.toml:5:7 [\"/services\"]: there is no directory `services` in the workspace
      = help: it is relative to the package, or to the workspace root with `/` in front
    "#);
    // An empty directory.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
dir = ""
"#), @r#"
    `dir` in step `#api` is empty
      --> Cargo.toml:5:7 [\"\"]
      = help: leave it out for the package's own directory
    "#);
    // A drive.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
dir = "C:/x"
"#), @r#"
    `dir` in step `#api` leaves the workspace
      --> Cargo.toml:5:7 [\"C:/x\"]
      = help: it is relative to the package, or to the workspace root with `/` in front
    "#);
    // A directory of a wrong type.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
dir = ["x"]
"#), @r#"
    `dir` in step `#api` is not a string
      --> Cargo.toml:5:7 [[\"x\"]]: this is an array
    "#);
}

#[test]
fn matrices_are_checked() {
    // A matrix of a wrong type.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix = ["linux"]
"#), @r#"
    `matrix` in step `#api` is not a table
      --> Cargo.toml:5:10 [[\"linux\"]]: this is an array
      = help: write `{ VARIABLE = ["VALUE"] }`
    "#);
    // An empty matrix.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix = {}
"#), @"
    `matrix` in step `#api` has no variables
      --> Cargo.toml:5:1 [matrix]: leave it out, or name one
    ");
    // No values.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix.goos = []
"#), @"
    variable `goos` of the matrix in step `#api` has no values
      --> Cargo.toml:5:15 [[]]: so there would be no action
    ");
    // Values that are no array.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix.goos = "linux"
"#), @r#"
    variable `goos` of the matrix in step `#api` is not an array of strings
      --> Cargo.toml:5:15 [\"linux\"]: this is a string
      = help: write `["linux"]`
    "#);
    // Values that are no strings.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix.n = [1, true]
"#), @r#"
    an element of variable `n` of the matrix in step `#api` is not a string
      --> Cargo.toml:5:13 [1]: this is an integer
      = help: write `"1"`, with quotes
    an element of variable `n` of the matrix in step `#api` is not a string
      --> Cargo.toml:5:16 [true]: this is a boolean
      = help: write `"true"`, with quotes
    "#);
    // A value twice.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix.n = ["a", "a"]
"#), @r#"
    variable `n` of the matrix in step `#api` has the value `a` twice
      --> Cargo.toml:5:18 [\"a\"]: the second time
    "#);
    // Values that cannot be a name.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix.n = ["a\nb", "{out}"]
"#), @r#"
    variable `n` of the matrix in step `#api` has a control character in it
      --> Cargo.toml:5:13 [\"a\\nb\"]: a value is part of the action's name
    variable `n` of the matrix in step `#api` has a placeholder in it
      --> Cargo.toml:5:21 [\"{out}\"]: values are taken as they stand
    "#);
    // A bad name of a variable.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix."a b" = ["x"]
"#), @r#"
    bad name `a b` of a variable in the matrix of step `#api`
      --> Cargo.toml:5:8 [\"a b\"]: a name is made of letters, digits, `-` and `_`
    "#);
    // Too many actions.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix.a = ["0","1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17","18","19","20","21","22","23","24","25","26","27","28","29","30","31","32","33","34","35","36","37","38","39"]
matrix.b = ["0","1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17","18","19","20","21","22","23","24","25","26","27","28","29","30","31","32","33","34","35","36","37","38","39"]
"#), @"
    the matrix of step `#api` has 1600 combinations, and more than 1000 are not run
      --> Cargo.toml:5:1 [matrix]
      = help: take some out with `matrix-exclude`, or declare several steps
    ");
    // Values that share a directory.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix.a = ["x", "X"]
"#), @"
    `#api[a=x]` and `#api[a=X]` would share one directory
      --> Cargo.toml:5:1 [matrix]
      = help: on some file systems names that differ only in upper and lower case are one
    ");
    // Values that are too long.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix.a = ["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"]
"#), @"
    the values of the matrix of step `#api` are too long for the name of a directory
      --> Cargo.toml:5:1 [matrix]
      = help: together with their variables they may have 200 bytes
    ");
    // Unknown variables and values taken out.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix = { goos = ["linux"], goarch = ["arm64"] }
matrix-exclude = [{ goss = "linux" }, { goarch = "arm46" }, {}]
"#), @r#"
    `matrix-exclude` in step `#api` names the unknown variable `goss`
      --> Cargo.toml:6:21 [goss]: did you mean `goos`?
    `matrix-exclude` in step `#api` names the unknown value `arm46` of `goarch`
      --> Cargo.toml:6:50 [\"arm46\"]: did you mean `arm64`?
    an element of `matrix-exclude` in step `#api` names no variable
      --> Cargo.toml:6:61 [{}]: this would take everything out
    "#);
    // Everything taken out.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix.goos = ["linux"]
matrix-exclude = [{ goos = "linux" }]
"#), @"
    `matrix-exclude` in step `#api` takes every combination out
      --> Cargo.toml:6:1 [matrix-exclude]: so there would be no action
    ");
    // Matrix-exclude without a matrix.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix-exclude = [{ goos = "linux" }]
"#), @"
    `matrix-exclude` in step `#api` stands without a `matrix`
      --> Cargo.toml:5:1 [matrix-exclude]: there is nothing to take out
    ");
    // Matrix-exclude of wrong types.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix.goos = ["linux"]
matrix-exclude = "linux"
"#), @r#"
    `matrix-exclude` in step `#api` is not an array of tables
      --> Cargo.toml:6:18 [\"linux\"]: this is a string
      = help: write `[{ VARIABLE = "VALUE" }]`
    "#);
    // Elements of matrix-exclude of wrong types.
    assert_snapshot!(mistakes_of_step(r#"run = ["go"]
outputs = []
matrix.goos = ["linux", "x"]
matrix-exclude = ["linux", { goos = 1 }]
"#), @r#"
    an element of `matrix-exclude` in step `#api` is not a table
      --> Cargo.toml:6:19 [\"linux\"]: this is a string
      = help: write `{ VARIABLE = "VALUE" }`
    `goos` in `matrix-exclude` in step `#api` is not a string
      --> Cargo.toml:6:37 [1]: this is an integer
      = help: write `"1"`, with quotes
    "#);
}

#[test]
fn the_graph_is_checked() {
    // A cycle.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular.steps]
b = { needs = ["c"] }
a = { needs = ["b"] }
c = { needs = ["a"] }
d = { needs = ["a"] }
"#), @r#"
    `#b` needs `#c`, which needs `#a`, which needs `#b`
      --> Cargo.toml:3:16 [\"c\"]: `#b` needs `#c`
      ::: Cargo.toml:5:16 [\"a\"]: `#c` needs `#a`
      ::: Cargo.toml:4:16 [\"b\"]: `#a` needs `#b`
      = help: take out one of these needs
    "#);
    // Overlapping outputs of two steps.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular.steps]
a = { run = "x", outputs = ["gen"] }
b = { run = "x", outputs = ["gen/x.txt"] }
"#), @r#"
    `#a` and `#b` both own `gen/x.txt`
      --> Cargo.toml:4:29 [\"gen/x.txt\"]: an output of `#b`
      ::: Cargo.toml:3:29 [\"gen\"]: an output of `#a`
      = help: one step alone can own an output
    "#);
    // Overlapping outputs in a matrix.
    assert_snapshot!(mistakes_of_step(r#"run = "x {matrix.a}"
outputs = ["gen"]
matrix.a = ["x", "y"]
"#), @r#"
    `#api[a=x]` and `#api[a=y]` both own `gen`
      --> Cargo.toml:4:12 [\"gen\"]: an output of `#api[a=y]`
      = help: put the variables of the matrix that `run` uses into the output as well
    "#);
    // A step reads its own output.
    assert_snapshot!(mistakes_of_step(r#"run = "x"
outputs = ["gen"]
inputs = ["gen/x.txt", "src/**"]
"#), @r#"
    `#api` reads its own output `gen/x.txt`
      --> Cargo.toml:5:11 [\"gen/x.txt\"]: read here
      ::: Cargo.toml:4:12 [\"gen\"]: an output of `#api`
      = help: take it out of the inputs: what a step leaves would change what it is made of
    "#);
    // An output is read without a need.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular.steps]
a = { run = "x", outputs = ["gen/x.txt"] }
b = { inputs = ["gen/x.txt"] }
c = { inputs = ["gen/*.txt"] }
"#), @r#"
    `#b` reads `gen/x.txt`, an output of `#a`, without needing it
      --> Cargo.toml:4:17 [\"gen/x.txt\"]: read here
      ::: Cargo.toml:3:29 [\"gen/x.txt\"]: an output of `#a`
      = help: add `needs = ["a"]`, or take it out of the inputs with `"!gen/x.txt"`
    `#c` reads `gen/x.txt`, an output of `#a`, without needing it
      --> Cargo.toml:5:17 [\"gen/*.txt\"]: read here
      ::: Cargo.toml:3:29 [\"gen/x.txt\"]: an output of `#a`
      = help: add `needs = ["a"]`, or take it out of the inputs with `"!gen/x.txt"`
    "#);
    // A directory of outputs is searched without a need.
    assert_snapshot!(mistakes_of_package(r#"[package.metadata.granular.steps.a]
run = "x"
outputs = []
inputs = ["/gen/web/**/*.ts"]
"#), @r##"
    `web#a` reads `gen/web`, an output of `#gen`, without needing it
      --> web/Cargo.toml:6:11 [\"/gen/web/**/*.ts\"]: read here
      ::: Cargo.toml:7:21 [\"gen\"]: an output of `#gen`
      = help: add `needs = ["#gen"]`, or take it out of the inputs with `"!/gen/**"`
    "##);
    // No action agrees.
    assert_snapshot!(mistakes(r#"[workspace.metadata.granular.steps]
a = { inputs = [], matrix.goos = ["linux"] }
b = { needs = ["a"], matrix.goos = ["linux", "plan9"] }
"#), @r#"
    `#b[goos=plan9]` needs `#a`, which has no action that agrees with it
      --> Cargo.toml:4:16 [\"a\"]: the variables that both have must agree
      ::: Cargo.toml:3:1 [a]: the step that is needed
      = help: give both steps the same values of `goos`, or take combinations out with `matrix-exclude`
    "#);
}

/// One step as far as it is read, in short.
fn step_of(text: &str) -> Step {
    let project = Project::new(format!("[workspace]\n{text}").as_bytes(), WEB);
    std::fs::create_dir_all(project.root().join("services/api")).unwrap();
    let mut steps = project.config().steps;
    assert_eq!(steps.len(), 1);
    steps.remove(0)
}

#[test]
fn the_example_of_the_design_is_read() {
    let text = r#"[workspace]
[workspace.metadata.granular]
granular-version = "0.1"
cache-dir = "cache"
cache-size = "10 GiB"
[workspace.metadata.granular.steps.models]
run     = ["go", "build", "./shared/models"]
inputs  = ["/shared/models/**/*.go", "/shared/models/go.mod"]
outputs = []
[workspace.metadata.granular.steps.api]
run     = ["go", "build", "-trimpath", "-o", "{out}/api", "./services/api"]
inputs  = ["/services/api/**/*.go", "/services/api/go.mod", "/go.work"]
outputs = ["{out}/api"]
needs   = ["models", "web#bundle"]
env     = { CGO_ENABLED = "0" }
"#;
    let web = format!(
        "{WEB}[package.metadata.granular.steps.bundle]\nrun = \"bundle\"\noutputs = [\"dist\"]\ndir = \"src\"\n"
    );
    let project = Project::new(text.as_bytes(), &web);
    let config = project.config();
    assert_eq!(config.settings.cache_size, Some(10 << 30));
    assert_eq!(config.settings.cache_dir, Some(project.root().join("cache")));
    let names: Vec<String> = config.steps.iter().map(|step| step.name.to_string()).collect();
    assert_eq!(names, ["#models", "#api", "web#bundle"]);
    let api = &config.steps[1];
    let needs: Vec<_> = api
        .needs
        .iter()
        .map(|need| (need.value.name.as_str(), need.value.step.to_string()))
        .collect();
    assert_eq!(needs, [("models", "#models".to_owned()), ("bundle", "web#bundle".to_owned())]);
    assert_eq!(api.env["CGO_ENABLED"], Template::text("0"));
    assert_eq!(&text[api.run_span.clone()][..5], "[\"go\"");
    assert_eq!(&text[api.span.clone()], "api");
    assert_eq!(config.steps[2].base.as_str(), "web");
    assert_eq!(config.steps[2].dir.as_str(), "web/src");
    assert_eq!(graph::build(&config.steps).1, []);
}

#[test]
fn dotted_keys_inline_tables_and_tables_say_the_same() {
    let table = step_of(
        "[workspace.metadata.granular.steps.a]\nrun = \"x {matrix.os}\"\noutputs = []\ntimeout = \"1m30s\"\n\
             [workspace.metadata.granular.steps.a.env]\nA = \"1\"\n[workspace.metadata.granular.steps.a.matrix]\nos = [\"l\", \"w\"]\n\
             [[workspace.metadata.granular.steps.a.matrix-exclude]]\nos = \"w\"\n",
    );
    let dotted = step_of(
        "metadata.granular.steps.a.run = 'x {matrix.os}'\nmetadata.granular.steps.a.outputs = []\n\
             metadata.granular.steps.a.timeout = 90\nmetadata.granular.steps.a.env.A = '1'\n\
             metadata.granular.steps.a.matrix.os = ['l', 'w']\nmetadata.granular.steps.a.matrix-exclude = [{ os = 'w' }]\n",
    );
    let inline = step_of(
        "metadata = { granular = { steps = { a = { run = \"\"\"\nx {matrix.os}\"\"\", outputs = [], timeout = \"90s\", \
             env = { A = \"\\u0031\" }, matrix = { os = [\"l\", \"w\"] }, matrix-exclude = [{ os = \"w\" }] } } } }\n",
    );
    let plain = |step: &Step| {
        (
            step.run.clone(),
            step.env.clone(),
            step.timeout,
            step.matrix.clone(),
            step.matrix_exclude.clone(),
            step.outputs.len(),
        )
    };
    assert_eq!(plain(&table), plain(&dotted));
    assert_eq!(plain(&table), plain(&inline));
    assert_eq!(table.timeout, Some(std::time::Duration::from_secs(90)));
}

#[test]
fn every_key_of_a_step_is_read() {
    let step = step_of(
        "[workspace.metadata.granular.steps.a]\nrun = [\"x\"]\noutputs = [\"{out}\"]\ntrack-env = [\"A\"]\npass-env = [\"B\"]\n\
             tools = [\"protoc\"]\ntest = true\ndefault = false\ndir = \"/services/api\"\nretries = 2\njobs = 3\nplatform = \"any\"\nportable = true\n",
    );
    assert!(
        step.track_env.contains("A")
            && step.pass_env.contains("B")
            && step.tools[0].value == "protoc"
    );
    assert!(step.test && !step.default && step.any_platform && step.portable);
    assert_eq!((step.retries, step.jobs, step.timeout), (2, 3, None));
    assert_eq!(step.dir.as_str(), "services/api");
    assert!(step.inputs.is_none());
    assert_eq!(step.outputs[0].value, Template(vec![Piece::Out]));
}

#[test]
fn what_is_no_placeholder_stands_for_itself() {
    let text = r#"awk '{print $1} {out = 2}' ${x} ${out} {a,b} \\{out} "#;
    let step = step_of(&format!(
        "[workspace.metadata.granular.steps.a]\nrun = \"\"\"{text}\"\"\"\noutputs = []\n"
    ));
    let Some(crate::step::Run::Shell(line)) = step.run else { panic!() };
    assert_eq!(line, Template::text(text.replace("\\\\", "\\")));
}

#[test]
fn a_need_has_the_same_name_however_a_placeholder_writes_it() {
    let web = format!(
        "{WEB}[package.metadata.granular.steps]\n\
             a = {{ run = \"cat {{needs.gen.out}} {{needs.web#gen.out}}\", outputs = [], needs = [\"gen\"] }}\n\
             gen = {{ run = \"x\", outputs = [\"{{out}}\"] }}\n"
    );
    let config = Project::new(b"[workspace]\n", &web).config();
    let Some(crate::step::Run::Shell(line)) = &config.steps[0].run else { panic!() };
    assert_eq!(line.source(), "cat {needs.gen.out} {needs.gen.out}");
}

#[test]
fn a_directory_that_a_step_makes_need_not_be_there() {
    let web = format!(
        "{WEB}[package.metadata.granular.steps]\n\
             gen = {{ run = \"x\", outputs = [\"gen/*.ts\"] }}\n\
             a = {{ run = \"x\", outputs = [], dir = \"gen\", needs = [\"gen\"] }}\n"
    );
    assert_eq!(Project::new(b"[workspace]\n", &web).config().steps.len(), 2);
}

#[test]
fn a_manifest_that_is_not_there_is_an_error() {
    let project = Project::new(b"[workspace]\n", WEB);
    std::fs::remove_file(project.root().join("web/Cargo.toml")).unwrap();
    assert!(load(&project.workspace).unwrap_err().to_string().contains("cannot read"));
}

#[test]
fn a_package_outside_of_the_root_has_no_steps() {
    let mut project =
        Project::new(b"[workspace]\n", &format!("{WEB}[package.metadata.granular.steps.a]\n"));
    project.workspace.root = project.root().join("web/src");
    std::fs::write(project.root().join("Cargo.toml"), "[workspace]\n").unwrap();
    let (config, mistakes) = load(&project.workspace).unwrap();
    project.workspace.root = project.root().parent().unwrap().parent().unwrap().to_owned();
    assert!(config.steps.is_empty());
    assert_snapshot!(draw(&mistakes, project.root()), @"
    package `web` has steps but does not lie below the workspace root
      --> web/Cargo.toml:3:19 [granular]: its paths would lead out of the workspace
      = help: move the package below the root, or declare the steps in `[workspace.metadata.granular.steps]`
    ");
}

#[test]
fn keys_and_values_that_are_deeper_than_the_stack_do_no_harm() {
    let deep = vec!["a"; 200_000].join(".");
    let values = ["[".repeat(200_000), format!("[{{ {deep} = 1 }}]"), "{a=".repeat(200_000)];
    let keys = [
        format!("[workspace]\nmetadata.granular.steps.x.{deep} = 1\n"),
        format!("[metadata.granular.{deep}]\n"),
    ];
    let with = |value: &String| format!("[workspace]\nmetadata.granular.steps.x = {value}\n");
    for text in values.iter().map(with).chain(keys) {
        assert!(mistakes_of_bytes(text.as_bytes()).starts_with("this is not TOML"));
    }
}

#[test]
fn a_hundred_manifests_are_read_in_their_order() {
    let mut project = Project::new(b"[workspace]\n", WEB);
    for number in 0..100 {
        let name = format!("p{number:03}");
        let manifest = project.root().join(&name).join("Cargo.toml");
        std::fs::create_dir_all(manifest.parent().unwrap()).unwrap();
        std::fs::write(
            &manifest,
            format!("[package]\nname = \"{name}\"\n[package.metadata.granular.steps.a]\nbad = 1\n"),
        )
        .unwrap();
        project.workspace.packages.push(Package { name, manifest });
    }
    project.workspace.packages.sort_by(|a, b| a.name.cmp(&b.name));
    let (config, mistakes) = load(&project.workspace).unwrap();
    let names: Vec<_> =
        config.steps.iter().map(|step| step.name.package.clone().unwrap()).collect();
    assert_eq!(names, (0..100).map(|number| format!("p{number:03}")).collect::<Vec<_>>());
    assert_eq!(mistakes.len(), 100);
    assert!(mistakes.is_sorted_by_key(|mistake| mistake.place.file.clone()));
}

/// Tables with every key that there is.
const EVERYTHING: &str = r#"[workspace]
members = ["web"]

[workspace.metadata.granular]
cache-dir = "cache"
cache-size = "10 GiB"
granular-version = ">=0.1"

[workspace.metadata.granular.steps.models]
inputs = ["/models/**/*.{go,mod}", "!/models/[ab]?"]

[workspace.metadata.granular.steps.api]
run = ["go", "build", "-o", "{out}/{matrix.goos}", "./services/api"]
inputs = ["/services/api/**/*.go", "/go.work"]
outputs = ["{out}/{matrix.goos}", "/gen/{matrix.goos}/*"]
needs = ["models", "web#bundle"]
env = { CGO_ENABLED = "0" }
track-env = ["GOFLAGS"]
pass-env = ["HOME"]
tools = ["go"]
matrix = { goos = ["linux", "darwin"], arch = ["amd64", "arm64"] }
matrix-exclude = [{ goos = "darwin", arch = "amd64" }]
test = true
default = false
dir = "/web"
timeout = "5m"
retries = 2
jobs = 3
platform = "any"
"#;

const BUNDLE: &str = r##"[package]
name = "web"

[package.metadata.granular.steps.bundle]
run = "cat models/* ${HOME} > {out}/bundle"
outputs = ["{out}/bundle"]
needs = ["#models"]
"##;

proptest::proptest! {
    #[test]
    fn a_damaged_manifest_is_read_without_panic(
        root in crate::testing::damage(),
        web in crate::testing::damage(),
        rubbish in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
    ) {
        let damaged = |text: &str, damage: &[_]| crate::testing::damaged(text.as_bytes(), damage);
        let web = String::from_utf8_lossy(&damaged(BUNDLE, &web)).into_owned();
        Project::new(&damaged(EVERYTHING, &root), &web).mistakes();
        let head = b"[workspace.metadata.granular.steps.x]\n";
        Project::new(&[head, &rubbish[..]].concat(), BUNDLE).mistakes();
    }
}

#[test]
fn everything_that_is_damaged_above_is_right_before() {
    assert_eq!(Project::new(EVERYTHING.as_bytes(), BUNDLE).mistakes(), "");
}

#[test]
fn a_manifest_that_nests_without_end_is_a_mistake() {
    let steps = "[workspace.metadata.granular.steps.x]\n";
    for (before, again, between, behind) in [
        ("a = ", "[", "1", "]"),
        ("a = ", "{ a = ", "1", " }"),
        ("", "a.", "a = 1", ""),
        ("[", "a.", "a]\n", ""),
    ] {
        let deep =
            format!("{steps}{before}{}{between}{}", again.repeat(100_000), behind.repeat(100_000));
        assert_ne!(mistakes_of_bytes(deep.as_bytes()), "");
    }
}
