//! How the program is asked: as a Cargo user expects.

use crate::project::{Project, project, step};
use insta::assert_snapshot;

/// A workspace with two packages, each with a step `gen`, and one step of the workspace.
fn packages() -> Project {
    let p = Project::new("workspace");
    let shared = step("shared", "true", "inputs = []\noutputs = []");
    p.write(
        "Cargo.toml",
        format!("[workspace]\nresolver = \"3\"\nmembers = [\"web\", \"api\"]\n{shared}"),
    );
    for name in ["web", "api"] {
        let table = step("gen", "true", "inputs = [\"in.txt\"]\noutputs = []")
            .replace("[workspace.", "[package.")
            .replace("echo gen", &format!("echo {name}"));
        p.write(
            &format!("{name}/Cargo.toml"),
            format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{table}"
            ),
        );
        p.write(&format!("{name}/src/lib.rs"), "").write(&format!("{name}/in.txt"), name);
    }
    p
}

#[test]
fn at_the_root_every_default_member_and_the_workspace_itself_are_built() {
    let p = packages();
    p.granular("build").success();
    assert_eq!(p.ran(), ["api", "shared", "web"]);
}

#[test]
fn in_a_package_that_package_is_built() {
    let p = packages();
    p.command("build").dir(&p.path("web/src")).run().success();
    assert_eq!(p.ran(), ["web"]);
}

#[test]
fn packages_are_chosen_as_cargo_chooses_them() {
    let p = packages();
    p.granular("build -p api").success();
    assert_eq!(p.ran(), ["api"]);
    p.granular("build --workspace --exclude api").success();
    assert_eq!(p.ran(), ["shared", "web"]);
    let run = p.granular("build -p apo").code(2);
    assert!(run.stderr().contains("api"), "{run}");
}

#[test]
fn a_bare_name_means_that_step_wherever_it_is_declared() {
    let p = packages();
    p.granular("build gen").success();
    assert_eq!(p.ran(), ["api", "web"]);
    p.granular("build --force web#gen").success();
    assert_eq!(p.ran(), ["web"]);
}

#[test]
fn a_name_that_names_nothing_is_a_usage_mistake_with_a_suggestion() {
    let p = packages();
    assert_snapshot!(p.granular("build sharde").code(2), @"
    ---- stderr
    error: no step is called `sharde`

    help: did you mean `shared`?
    [exit code: 2]
    ");
    assert!(p.ran().is_empty());
}

#[test]
fn the_subcommand_of_cargo_and_the_program_are_the_same() {
    let p = packages();
    let direct = p.granular("list").success().to_string();
    assert_eq!(p.granular("granular list").success().to_string(), direct);
    assert_eq!(p.command("granular list").by_cargo().run().success().to_string(), direct);
}

#[test]
fn a_build_by_cargo_and_one_by_the_program_have_the_same_keys() {
    // What rustup sets on the way is tracked by these tools.
    let tools = "inputs = []\noutputs = []\ntools = [\"go\", \"cargo\"]";
    let p = project(&step("all", "true", tools));
    p.granular("build").success();
    assert_eq!(p.ran(), ["all"]);
    assert_snapshot!(p.command("granular build -v").by_cargo().run().success(), @"
    ---- stderr
           Fresh #all
        Finished 1 step in [ELAPSED]: 1 fresh
    ");
    assert!(p.ran().is_empty());
}

#[test]
fn a_manifest_path_and_a_target_directory_can_be_given() {
    let p = packages();
    let elsewhere = p.cache().with_file_name("target dir");
    let manifest = p.path("Cargo.toml");
    p.command("build --manifest-path")
        .arg(manifest.to_str().unwrap())
        .arg("--target-dir")
        .arg(elsewhere.to_str().unwrap())
        .dir(std::path::Path::new("/"))
        .run()
        .success();
    assert!(elsewhere.join("granular").is_dir());
    assert!(!p.path("target").exists());
}

#[test]
fn list_shows_what_is_declared() {
    let p = packages();
    assert_snapshot!(p.granular("list").success(), @r#"
    NAME     KIND   NEEDS  COMMAND
    #shared  check         echo shared >> "$LOG"; true
    api#gen  check         echo api >> "$LOG"; true
    web#gen  check         echo web >> "$LOG"; true
    "#);
}

#[test]
fn the_graph_can_be_drawn() {
    let p = project(
        &[
            step("a", "true", "inputs = []\noutputs = []"),
            step("b", "true", "inputs = []\noutputs = []\nneeds = [\"a\"]"),
        ]
        .concat(),
    );
    assert_snapshot!(p.granular("graph").success(), @r##"
    digraph granular {
        rankdir = LR
        node [shape=box]
        "#a" [style=rounded]
        "#b" [style=rounded]
        "#b" -> "#a"
    }
    "##);
    assert_snapshot!(p.granular("graph --format mermaid").success(), @r##"
    graph LR
        s0("#35;a")
        s1("#35;b")
        s1 --> s0
    "##);
    assert_snapshot!(p.granular("graph --format json").success(), @r##"{"reason":"granular-graph","actions":[{"action":"#a","step":"#a","kind":"check","needs":[]},{"action":"#b","step":"#b","kind":"check","needs":["#a"]}]}"##);
}

#[test]
fn outside_of_a_workspace_cargos_own_word_is_passed_on() {
    let p = Project::new("empty");
    let run = p.granular("build").code(2);
    assert!(run.stderr().contains("Cargo.toml"), "{run}");
}

#[test]
fn a_workspace_without_steps_is_told_how_one_begins() {
    let p = project("");
    assert_snapshot!(p.granular("build").success(), @"
    ---- stderr
    warning: no step is declared in this workspace: one begins with `[workspace.metadata.granular.steps.NAME]` in the root's `Cargo.toml`
        Finished 0 steps in [ELAPSED]
    ");
    assert_snapshot!(p.granular("build api").code(2), @"
    ---- stderr
    error: no step is called `api`

    help: the workspace declares no steps: one begins with `[workspace.metadata.granular.steps.NAME]` in the root's `Cargo.toml`
    [exit code: 2]
    ");
}
