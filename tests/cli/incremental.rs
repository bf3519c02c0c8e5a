//! Steps whose outputs stay while they run again, for tools that look at what they have left.

use crate::project::{Project, project, step};
use insta::assert_snapshot;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

/// A step that adds a line to what stands there, and leaves what is not declared by name as well.
fn adding(more: &str) -> Project {
    let script =
        "cat in >> {out}/named; cat in >> {out}/dir/other; cat in >> all.txt; ! grep bad in";
    let outputs = "outputs = [\"{out}/named\", \"{out}/dir/*\", \"/all.txt\"]";
    let p = project(&step("add", script, &format!("inputs = [\"in\"]\n{outputs}\n{more}")));
    p.write("in", "1\n");
    p
}

fn edit(p: &Project, text: &str) {
    p.write("in", format!("{text}\n"));
    p.granular("build").success();
    assert_eq!(p.ran(), ["add"]);
}

fn left(p: &Project) -> [String; 3] {
    let line = |text: String| text.replace('\n', " ");
    let out = |path| line(p.read_out(path));
    [out("add/named"), out("add/dir/other"), line(p.read("all.txt"))]
}

#[test]
fn what_is_declared_by_name_stays_while_the_step_runs_again_and_nothing_else_does() {
    let p = adding("incremental = true");
    edit(&p, "1");
    edit(&p, "2");
    assert_eq!(left(&p), ["1 2 ", "2 ", "1 2 "]);
    p.granular("build").success();
    assert_eq!(p.ran(), [""; 0]);
    // A result that came back stays as well.
    edit(&p, "3");
    p.write("in", "2\n");
    p.granular("build").success();
    assert_eq!(left(&p), ["1 2 ", "2 ", "1 2 "]);
    edit(&p, "4");
    assert_eq!(left(&p), ["1 2 4 ", "4 ", "1 2 4 "]);
    let plain = adding("");
    edit(&plain, "1");
    edit(&plain, "2");
    assert_eq!(left(&plain), ["2 ", "2 ", "2 "]);
}

#[test]
fn what_is_not_as_a_good_run_has_left_it_does_not_stay() {
    let p = adding("incremental = true");
    edit(&p, "1");
    fs::write(p.path("target/granular/out/@workspace/add/named"), "spoilt\n").unwrap();
    edit(&p, "2");
    assert_eq!(left(&p), ["2 ", "2 ", "1 2 "]);
    // Nor what a failed run has.
    p.write("in", "bad\n");
    p.granular("build").code(1);
    p.ran();
    edit(&p, "3");
    assert_eq!(left(&p), ["3 ", "3 ", "3 "]);
    // Nor where a run from nothing is asked for.
    p.granular("build --force").success();
    assert_eq!(left(&p), ["3 ", "3 ", "3 "]);
}

#[test]
fn without_the_word_no_result_that_was_made_with_it_comes_back() {
    let p = adding("incremental = true");
    edit(&p, "1");
    edit(&p, "2");
    p.write("Cargo.toml", p.read("Cargo.toml").replace("incremental = true", ""));
    let told = p.granular("build").success();
    assert!(told.stderr().contains("Ran #add in"), "{told}");
    assert!(told.stderr().contains("its declared outputs changed"), "{told}");
    assert_eq!(left(&p), ["2 ", "2 ", "2 "]);
}

#[test]
fn go_does_not_link_a_program_again_whose_parts_are_the_same() {
    let run = "go build -trimpath -buildvcs=false -o {out}/app ./app";
    let more = "discover = { go = \"./app\" }\noutputs = [\"{out}/app\"]\nenv = { CGO_ENABLED = \"0\", GOFLAGS = \"\" }\n";
    let p = project(&step("app", run, &format!("{more}incremental = true")));
    p.write("go.mod", "module m\n\ngo 1.21\n");
    p.write(
        "app/main.go",
        "package main\n\nimport \"m/lib\"\n\nfunc main() { println(lib.One()) }\n",
    );
    p.write("lib/lib.go", "package lib\n\nfunc One() int { return 1 }\n");
    let app = p.path("target/granular/out/@workspace/app/app");
    let linked = || fs::metadata(&app).unwrap().ino();
    p.granular("build").success();
    let first = linked();
    p.write("lib/lib.go", "package lib\n\nfunc One() int { return 1 } // a comment\n");
    p.granular("build").success();
    assert_eq!((p.ran(), linked()), (vec!["app".to_owned(); 2], first));
    p.write("lib/lib.go", "package lib\n\nfunc One() int { return 2 }\n");
    p.granular("build").success();
    assert_ne!(linked(), first);
}

#[test]
fn a_step_without_outputs_has_nothing_that_could_stay() {
    let p = project(&step("check", "true", "inputs = []\noutputs = []\nincremental = true"));
    assert_snapshot!(p.granular("build").code(2), @"
    ---- stderr
    error: nothing of this step can stay while it runs again
     --> Cargo.toml:9:15
      |
    9 | incremental = true
      |               ^^^^ it declares no outputs
      |
      = help: declare the files by their names, or take `incremental` out

    error: 1 mistake in the configuration
    [exit code: 2]
    ");
}
