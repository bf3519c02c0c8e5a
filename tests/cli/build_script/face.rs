//! What a build script gets and what it says.

use super::{app, cargo, cargo_build, out_dirs, read_out, step};
use crate::project::{Project, project};
use std::fs;

const BUILD: &str = "granular::build()";

fn bundle() -> Project {
    let shared = crate::project::step(
        "shared",
        "cat proto/a > {out}/s",
        "inputs = [\"/proto/**\"]\noutputs = [\"{out}/s\"]",
    );
    let bundle = step(
        "bundle",
        "cat {needs.shared.out}/s web/x > {out}/b",
        "inputs = [\"web/**\"]\noutputs = [\"{out}/b\"]\nneeds = [\"#shared\"]",
    );
    let p = app(&shared, &bundle, BUILD);
    p.write("proto/a", "proto\n").write("app/web/x", "web\n");
    let main = "fn main() { print!(\"{}\", include_str!(concat!(env!(\"GRANULAR_OUT_BUNDLE\"), \"/b\"))) }";
    p.write("app/src/main.rs", main);
    p
}

#[test]
fn a_plain_cargo_build_builds_steps_and_the_package_has_what_they_left() {
    let p = bundle();
    assert_eq!(cargo(&p, "run -q").run().success().stdout(), "proto\nweb\n");
    assert_eq!(p.ran(), ["bundle", "shared"]);
    cargo_build(&p);
    assert!(p.ran().is_empty());
    p.write("app/web/x", "new\n");
    assert_eq!(cargo(&p, "run -q").run().success().stdout(), "proto\nnew\n");
    assert_eq!(p.ran(), ["bundle"]);
    p.write("proto/a", "other\n");
    assert_eq!(cargo(&p, "run -q").run().success().stdout(), "other\nnew\n");
    assert_eq!(p.ran(), ["bundle", "shared"]);
    p.write("app/web/y", "not read, but an input\n");
    cargo_build(&p);
    assert_eq!(p.ran(), ["bundle"], "a file that is new in a directory of inputs");
}

#[test]
fn the_command_line_and_the_build_script_share_every_result() {
    let p = bundle();
    cargo_build(&p);
    assert_eq!(p.ran(), ["bundle", "shared"]);
    let run = p.granular("build --workspace").success();
    assert!(run.stderr().contains("2 restored"), "{run}");
    assert!(p.ran().is_empty());
    p.write("app/web/x", "new\n");
    p.granular("build --workspace").success();
    assert_eq!(p.ran(), ["bundle"]);
    cargo_build(&p);
    assert!(p.ran().is_empty());
    assert_eq!(read_out(&p, "app", "app/bundle/b"), "proto\nnew\n");
}

#[test]
fn cargo_clean_and_a_second_checkout_restore_everything() {
    let p = bundle();
    cargo_build(&p);
    p.ran();
    fs::remove_dir_all(p.path("target")).unwrap();
    super::seed(&p.path("target"));
    assert_eq!(cargo(&p, "run -q").run().success().stdout(), "proto\nweb\n");
    let second = p.checkout("second");
    super::seed(&second.path("target"));
    assert_eq!(cargo(&second, "run -q").run().success().stdout(), "proto\nweb\n");
    assert!(p.ran().is_empty());
}

#[test]
fn what_a_step_prints_is_never_obeyed() {
    let steps = step(
        "loud",
        "echo cargo::rustc-env=EVIL=1; echo cargo:rustc-env=EVIL=1 >&2; echo cargo::rerun-if-changed=/nowhere",
        "inputs = []\noutputs = []",
    );
    let p = app("", &steps, BUILD);
    p.write("app/src/main.rs", "fn main() { println!(\"{:?}\", option_env!(\"EVIL\")) }");
    for _ in 0..2 {
        assert_eq!(cargo(&p, "run -q").run().success().stdout(), "None\n");
        fs::remove_dir_all(p.path("target")).unwrap();
        super::seed(&p.path("target"));
    }
    assert_eq!(p.ran(), ["loud"], "also where its log is restored");
}

#[test]
fn a_failure_names_step_exit_log_and_the_command_to_repeat_it() {
    let p = app("", &step("bad", "echo why; exit 3", "inputs = []\noutputs = []"), BUILD);
    let run = cargo(&p, "build").run().code(101);
    let errors: Vec<_> = run
        .stderr()
        .lines()
        .filter(|line| line.starts_with("error: app"))
        .map(str::to_owned)
        .collect();
    assert_eq!(errors[0], "error: app@0.1.0: step `app#bad` failed: exit code 3");
    assert!(
        errors[1].contains("its log: [ROOT]") && errors[1].ends_with("logs/app#bad.log"),
        "{run}"
    );
    assert!(errors[2].contains("to repeat it: cd [ROOT]/workspace/app && sh -c"), "{run}");
    assert!(run.stderr().contains("why\n"), "the log itself is shown\n{run}");
    let log = errors[1].split("its log: [ROOT]").nth(1).unwrap().trim_start_matches('/');
    assert_eq!(fs::read_to_string(p.root().with_file_name("").join(log)).unwrap(), "why\n");
    cargo(&p, "build").run().code(101);
    assert_eq!(p.ran(), ["bad", "bad"], "a failure is never kept");
}

#[test]
fn mistakes_in_tables_are_errors_with_their_place() {
    let p =
        app("", "[package.metadata.granular.steps.gen]\nrunn = \"true\"\noutputs = []\n", BUILD);
    let run = cargo(&p, "build").run().code(101);
    assert!(
        run.stderr().contains(
            "app/Cargo.toml:12: unknown key `runn` in step `app#gen`: did you mean `run`?"
        ),
        "{run}"
    );
}

#[test]
fn one_step_by_name_and_a_step_declared_in_rust_give_their_outputs() {
    let steps = step("a", "echo a > {out}/a", "inputs = []\noutputs = [\"{out}/a\"]")
        + &step("b", "echo b > {out}/b", "inputs = []\noutputs = [\"{out}/b\"]");
    let main = r#"
        let a = granular::step("a").build();
        assert_eq!(a.step("a").unwrap().files, [a.dir("a").join("a")]);
        assert_eq!(std::fs::read_to_string(a.dir("a").join("a")).unwrap(), "a\n");
        let copy = granular::run(["cp", "in put", "{out}/out put"])
            .inputs(["in put"]).outputs(["{out}/*"]).env("QUOTED", "\"\\").build();
        assert_eq!(copy.files.len(), 1);
        println!("cargo::rustc-env=COPIED={}", std::fs::read_to_string(&copy.files[0]).unwrap());
    "#;
    let p = app("", &steps, main);
    p.write("app/in put", "one")
        .write("app/src/main.rs", "fn main() { println!(env!(\"COPIED\")) }");
    assert_eq!(cargo(&p, "run -q").run().success().stdout(), "one\n");
    assert_eq!(p.ran(), ["a"], "not `b`");
    p.write("app/in put", "two");
    assert_eq!(cargo(&p, "run -q").run().success().stdout(), "two\n");
    assert!(p.ran().is_empty());
}

#[test]
fn mistakes_of_a_step_declared_in_rust_are_told_as_those_of_a_table() {
    let main = "granular::run([\"true\"]).outputs([\"/x\"]).inputs([\"nothing/*\"]).needs([\"gone\"]).build();";
    let p = app("", "", main);
    let run = cargo(&p, "build").run().code(101);
    assert!(run.stderr().contains("app/build.rs:"), "{run}");
    assert!(run.stderr().contains("`gone`"), "{run}");
    p.write(
        "app/build.rs",
        "fn main() { for _ in 0..2 { granular::run([\"true\"]).outputs([\"{out}\"]).inputs([\"src\"]).build(); } }",
    );
    let run = cargo(&p, "build").run().code(101);
    assert!(run.stderr().contains("declares two steps called `true`"), "{run}");
}

#[test]
fn a_step_that_writes_among_the_sources_is_refused_before_it_runs() {
    let p =
        app("", &step("gen", "touch src/gen.rs", "inputs = []\noutputs = [\"src/gen.rs\"]"), BUILD);
    let run = cargo(&p, "build").run().code(101);
    assert!(run.stderr().contains("step `app#gen` leaves `src/gen.rs` among the sources"), "{run}");
    assert!(p.ran().is_empty());
    p.granular("build --workspace").success();
    assert_eq!(p.ran(), ["gen"], "the command line builds it");
}

/// The paths and variables that the build script of `app` asks Cargo to watch.
fn watched(p: &Project) -> Vec<String> {
    let dir = out_dirs(p, "app").pop().unwrap();
    let output = fs::read_to_string(dir.ancestors().nth(3).unwrap().join("output")).unwrap();
    let root = p.root().to_string_lossy().into_owned();
    let told = output.lines().filter(|line| line.starts_with("cargo::rerun-if"));
    let mut told: Vec<_> = told
        .map(|line| line.trim_start_matches("cargo::rerun-if-").replace(&root, "[ROOT]"))
        .collect();
    told.sort();
    told.dedup();
    told
}

#[test]
fn cargo_watches_what_exists_and_no_directory_that_holds_outputs() {
    let steps = step(
        "gen",
        "true",
        "inputs = [\"one.txt\", \"whole/**/*.txt\", \"mixed/**\", \"!mixed/gen/**\", \"whole/**\"]\noutputs = []\ntrack-env = [\"MINE\", \"TARGET\"]",
    ) + &step(
        "other",
        "touch mixed/gen/x",
        "inputs = []\noutputs = [\"mixed/gen\"]\ndefault = false",
    );
    let p = app("", &steps, BUILD);
    for file in
        ["one.txt", "whole/a.txt", "whole/deep/b.txt", "mixed/c", "mixed/deep/d", "mixed/built/e"]
    {
        p.write(&format!("app/{file}"), "");
    }
    p.write("app/.gitignore", "built/\n").write("app/mixed/gen/x", "");
    cargo_build(&p);
    let told: Vec<_> = watched(&p).into_iter().filter(|line| !line.contains("/bin/")).collect();
    assert_eq!(
        told,
        [
            "changed=[ROOT]/Cargo.toml",
            "changed=[ROOT]/app/.gitignore",
            "changed=[ROOT]/app/Cargo.toml",
            "changed=[ROOT]/app/build.rs",
            "changed=[ROOT]/app/mixed/c",
            "changed=[ROOT]/app/mixed/deep",
            "changed=[ROOT]/app/one.txt",
            "changed=[ROOT]/app/whole",
            "env-changed=MINE",
        ]
    );
    p.ran();
    cargo(&p, "build").env("MINE", "1").run().success();
    assert_eq!(p.ran(), ["gen"]);
}

#[test]
fn outputs_are_exact_and_keep_their_times_where_their_bytes_are_the_same() {
    let steps = step(
        "gen",
        "for n in $(cat in); do echo $n > {out}/$n; done; echo same > {out}/same",
        "inputs = [\"in\"]\noutputs = [\"{out}\"]",
    );
    let p = app("", &steps, BUILD);
    p.write("app/in", "1 2");
    cargo_build(&p);
    let dir = out_dirs(&p, "app").pop().unwrap().join("app/gen");
    let names = || {
        let mut names: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["1", "2", "same"]);
    let time = fs::metadata(dir.join("same")).unwrap().modified().unwrap();
    p.write("app/in", "3");
    cargo_build(&p);
    assert_eq!(names(), ["3", "same"]);
    p.write("app/in", "1 2");
    cargo_build(&p);
    assert_eq!(names(), ["1", "2", "same"]);
    assert_eq!(fs::metadata(dir.join("same")).unwrap().modified().unwrap(), time);
    assert_eq!(p.ran(), ["gen", "gen"]);
}

#[test]
fn outside_of_a_build_script_the_call_says_so() {
    let p = project("");
    p.write("Cargo.toml", super::manifest("app", "\n[workspace]\nresolver = \"3\"\n"));
    let manifest = p.read("Cargo.toml").replace("[build-dependencies]", "[dependencies]");
    p.write("Cargo.toml", manifest).write("src/main.rs", "fn main() { granular::build() }");
    super::seed(&p.path("target"));
    let run = cargo(&p, "run -q").run().code(1);
    assert!(run.stdout().contains("not called from a build script: there is no OUT_DIR"), "{run}");
}

#[test]
fn what_go_finds_is_watched_as_what_is_declared() {
    let steps = step(
        "service",
        "go build -trimpath -o {out}/service ./service",
        "discover = { go = \"./service\" }\noutputs = [\"{out}/service\"]\ndir = \"go\"",
    );
    let p = app("", &steps, BUILD);
    p.write("app/go/go.mod", "module example.com/m\n\ngo 1.19\n");
    let main =
        "package main\n\nimport \"example.com/m/lib\"\n\nfunc main() { println(lib.Word) }\n";
    p.write("app/go/service/main.go", main);
    p.write("app/go/lib/lib.go", "package lib\n\nvar Word = \"one\"\n");
    p.write("app/go/other/other.go", "package other\n");
    cargo_build(&p);
    assert_eq!(p.ran(), ["service"]);
    cargo_build(&p);
    p.write("app/go/other/other.go", "package other\n\nvar X = 1\n");
    cargo_build(&p);
    assert!(p.ran().is_empty(), "another package");
    p.write("app/go/lib/lib.go", "package lib\n\nvar Word = word\n");
    p.write("app/go/lib/word.go", "package lib\n\nconst word = \"two\"\n");
    cargo_build(&p);
    assert_eq!(p.ran(), ["service"]);
    p.write("app/go/lib/init.go", "package lib\n\nfunc init() { Word = \"three\" }\n");
    cargo_build(&p);
    assert_eq!(p.ran(), ["service"], "a new file of a package that was found");
}
