//! What steps read that is not plainly a source: outputs of others, and what lies about in the target directory.

use crate::project::{Project, project, step};
use insta::assert_snapshot;

/// `gen` leaves `gen/x.go`, `mid` needs it, and `last` reads with these patterns.
fn chain(mid: &str, inputs: &str, needs: &str) -> Project {
    let tables = [
        step(
            "gen",
            "mkdir -p gen; cat source > gen/x.go",
            "inputs = [\"source\"]\noutputs = [\"gen\"]",
        ),
        step(
            "mid",
            if mid.contains("{out}") { "echo > {out}/mid" } else { "true" },
            &format!("inputs = []\nneeds = [\"gen\"]\n{mid}"),
        ),
        step(
            "last",
            "cat gen/x.go > {out}/copy",
            &format!("inputs = {inputs}\nneeds = {needs}\noutputs = [\"{{out}}/copy\"]"),
        ),
    ];
    let project = project(&tables.concat());
    project.write("source", "1\n").write("main.go", "");
    project
}

#[test]
fn an_output_that_comes_through_a_check_is_seen() {
    for inputs in [r#"["gen/x.go"]"#, r#"["**/*.go"]"#] {
        let p = chain("outputs = []", inputs, r#"["mid"]"#);
        p.granular("build").success();
        p.write("source", "2\n");
        p.granular("build").success();
        assert_eq!(p.read_out("last/copy"), "2\n");
    }
}

#[test]
fn an_output_that_no_need_passes_on_is_refused() {
    let mid = "outputs = [\"{out}/mid\"]";
    assert_snapshot!(chain(mid, r#"["gen/x.go"]"#, r#"["mid"]"#).granular("build").code(2), @r#"
    ---- stderr
    error: `#last` reads `gen/x.go`, an output of `#gen`, without needing it
      --> Cargo.toml:18:11
       |
     8 | outputs = ["gen"]
       |            ----- an output of `#gen`
    ...
    18 | inputs = ["gen/x.go"]
       |           ^^^^^^^^^^ read here
       |
       = help: add `"gen"` to `needs`, or take it out of the inputs with `"!gen/**"`

    error: 1 mistake in the configuration
    [exit code: 2]
    "#);
    assert_snapshot!(chain("outputs = []", r#"["**/*.go"]"#, "[]").granular("build").code(2), @r#"
    ---- stderr
    error: `#last` reads `gen`, an output of `#gen`, without needing it
      --> Cargo.toml:18:11
       |
     8 | outputs = ["gen"]
       |            ----- an output of `#gen`
    ...
    18 | inputs = ["**/*.go"]
       |           ^^^^^^^^^ read here
       |
       = help: add `needs = ["gen"]`, or take it out of the inputs with `"!gen/**"`

    error: 1 mistake in the configuration
    [exit code: 2]
    "#);
    let p = chain(mid, r#"["**/*.go", "!gen/**"]"#, r#"["mid"]"#);
    p.granular("build").success();
}

#[cfg(unix)]
#[test]
fn a_target_directory_is_no_input_however_it_is_reached() {
    let reads_all = || {
        let p = project(&step("all", "true", "outputs = []"));
        p.write("sub/source", "1\n");
        std::fs::create_dir(p.root().parent().unwrap().join("outside")).unwrap();
        p
    };
    let link = |p: &Project, text: &str, path: &str| {
        std::os::unix::fs::symlink(text, p.path(path)).unwrap();
    };
    let is_stable = |p: &Project, target: Option<&str>| {
        let build = || match target {
            Some(target) => p.command("build").env("CARGO_TARGET_DIR", target).run(),
            None => p.granular("build"),
        };
        for expected in [&["all"][..], &[], &[]] {
            build().success();
            assert_eq!(p.ran(), expected);
        }
        p.write("sub/source", "2\n");
        build().success();
        assert_eq!(p.ran(), ["all"]);
    };
    is_stable(&reads_all(), Some("sub/../tgt"));
    for behind in ["../outside", "build"] {
        let p = reads_all();
        std::fs::create_dir(p.path("build")).unwrap();
        link(&p, behind, "target");
        is_stable(&p, None);
    }
    let p = reads_all();
    std::fs::create_dir(p.path("build")).unwrap();
    link(&p, "build", "way");
    is_stable(&p, Some("way/tgt"));
}

#[cfg(unix)]
#[test]
fn a_workspace_behind_a_link_hides_its_target_directory() {
    let p = project(&step("all", "true", "outputs = []"));
    p.write("source", "1\n");
    let top = p.root().parent().unwrap().to_path_buf();
    std::os::unix::fs::symlink(p.root(), top.join("link")).unwrap();
    let manifest = top.join("link/Cargo.toml");
    for expected in [&["all"][..], &[], &[]] {
        let build = p.command("build --manifest-path").arg(manifest.to_str().unwrap());
        build.env("CARGO_TARGET_DIR", p.path("tgt").to_str().unwrap()).run().success();
        assert_eq!(p.ran(), expected);
    }
}
