//! A step that runs or packs what Cargo builds of a crate of the workspace, with the real Cargo.

use crate::build_script;
use crate::project::{Project, step};
use insta::assert_snapshot;
use std::fs;
use std::path::Path;

const CARGO: &str = "cargo = { package = \"tool\", bin = \"gen\" }";

/// A workspace with a package `tool` that has two binaries over one library, and these steps.
fn workspace(steps: &str) -> Project {
    let p = Project::new("workspace");
    p.write(
        "Cargo.toml",
        format!("[workspace]\nresolver = \"3\"\nmembers = [\"tool\"]\n\n{steps}"),
    );
    p.write(
        "tool/Cargo.toml",
        "[package]\nname = \"tool\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    p.write("tool/src/lib.rs", "pub fn word() -> &'static str { \"one\" }\n");
    p.write("tool/src/bin/gen.rs", "fn main() { println!(\"{}\", tool::word()) }\n");
    p.write("tool/src/bin/other.rs", "fn main() { println!(\"other\") }\n");
    p.write("tool/examples/show.rs", "fn main() { println!(\"shown {}\", tool::word()) }\n");
    p
}

/// A step that keeps what the binary prints.
fn made() -> String {
    let more = format!("inputs = []\noutputs = [\"{{out}}/x\"]\n{CARGO}");
    step("made", "{cargo.gen} > {out}/x", &more)
}

#[test]
fn a_binary_is_built_by_cargo_and_counts_with_its_bytes() {
    let p = workspace(&made());
    p.granular("build").success();
    assert_eq!((p.read_out("made/x"), p.ran()), ("one\n".into(), vec!["made".to_owned()]));
    assert!(p.path("target/debug/gen").exists() && !p.path("target/debug/other").exists());

    let run = p.granular("build -v").success();
    assert_snapshot!(run.stderr(), @"
    Building gen with Cargo, for #made
       Fresh #made
    Finished 1 step in [ELAPSED]: 1 fresh
    ");

    p.write("tool/src/lib.rs", "pub fn word() -> &'static str { \"two\" }\n");
    let run = p.granular("build").success();
    assert!(run.stderr().contains(": the program gen changed"), "{run}");
    assert_eq!((p.read_out("made/x"), p.ran()), ("two\n".into(), vec!["made".to_owned()]));

    p.write("tool/src/bin/other.rs", "fn main() {}\n");
    p.write("tool/src/lib.rs", "pub fn word() -> &'static str { \"one\" }\n");
    let run = p.granular("build").success();
    assert!(run.stderr().contains("Restored #made"), "{run}");
    assert_eq!(p.read_out("made/x"), "one\n");
    assert!(p.ran().is_empty());
}

#[test]
fn a_change_that_leaves_the_binary_as_it_was_runs_nothing() {
    let p = workspace(&made().replace("bin = \"gen\"", "bin = \"gen\", profile = \"release\""));
    p.granular("build").success();
    assert_eq!(p.ran(), ["made"]);
    p.write("tool/src/lib.rs", "pub fn word() -> &'static str { \"one\" } // a comment\n");
    let run = p.granular("build -v").success();
    assert!(run.stderr().contains("Fresh #made"), "{run}");
    assert!(p.ran().is_empty() && p.path("target/release/gen").exists());
}

#[test]
fn the_path_is_in_the_command_and_in_the_environment_and_not_in_the_key() {
    let steps = "[workspace.metadata.granular.steps.run]
run = [\"{cargo.gen}\"]
inputs = []
outputs = []
cargo = [{ package = \"tool\", bin = \"gen\" }, { package = \"tool\", example = \"show\" }]
env = { SHOW = \"{cargo.show}\" }
"
    .to_owned()
        + &step(
            "line",
            "echo $GRANULAR_CARGO_GEN $GRANULAR_CARGO_SHOW > {out}/x",
            "inputs = []\noutputs = [\"{out}/x\"]\ncargo = [{ package = \"tool\", bin = \"gen\" }, { package = \"tool\", example = \"show\" }]",
        );
    let p = workspace(&steps);
    let run = p.granular("build").success();
    assert!(run.stderr().contains("one\n"), "a check shows what it prints: {run}");
    let root = p.root().display();
    assert_eq!(
        p.read_out("line/x"),
        format!("{root}/target/debug/gen {root}/target/debug/examples/show\n")
    );
    for name in ["#run", "#line"] {
        let text = p.read(&format!("target/granular/fingerprints/{name}"));
        assert!(text.contains("cargo \"gen\" ") && text.contains("cargo \"show\" "), "{text}");
        assert!(!text.contains(&root.to_string()) && !text.contains("debug/"), "{text}");
    }
    let elsewhere = p.granular("build --target-dir elsewhere").success();
    assert!(
        elsewhere.stderr().contains("2 restored"),
        "the same binary at another place: {elsewhere}"
    );
    assert!(p.path("elsewhere/debug/gen").exists());
}

#[test]
fn a_library_for_other_languages_is_found_by_its_crate_type() {
    let more = "inputs = []\noutputs = []\ncargo = { package = \"tool\", lib = \"staticlib\" }";
    let p = workspace(&step("lib", "basename {cargo.tool}", more));
    let run = p.granular("build").code(3);
    assert!(run.stderr().contains("Cargo has built `tool` and does not say where it is"), "{run}");
    let manifest = p.read("tool/Cargo.toml") + "[lib]\ncrate-type = [\"staticlib\", \"rlib\"]\n";
    p.write("tool/Cargo.toml", manifest);
    let run = p.granular("build").success();
    assert!(run.stderr().contains("libtool.a\n"), "{run}");
}

#[test]
fn errors_of_the_compiler_are_shown_as_they_are() {
    let after = step("after", "true", "inputs = []\noutputs = []\nneeds = [\"made\"]");
    let p = workspace(&(made() + &after));
    p.write("tool/src/bin/gen.rs", "fn main() { nothing() }\n");
    let run = p.granular("build").code(1);
    let told = run.stderr();
    for part in [
        "Failed #made",
        "error[E0425]: cannot find function `nothing` in this scope\n",
        " --> tool/src/bin/gen.rs:1:13\n",
        "could not compile `tool` (bin \"gen\")",
        "ended by: exit code 101",
        "repeat:   cd [ROOT]/workspace && cargo build --manifest-path tool/Cargo.toml --bin gen --profile dev",
        "(1 skipped)",
    ] {
        assert!(told.contains(part), "{part}: {run}");
    }
    assert!(!told.contains("{\"reason\""), "{run}");
    assert!(p.ran().is_empty());
    p.write("tool/src/bin/gen.rs", "fn main() { println!(\"mended\") }\n");
    p.granular("build").success();
    assert_eq!((p.read_out("made/x"), p.ran().len()), ("mended\n".into(), 2));
}

#[test]
fn a_target_that_does_not_exist_is_told_by_cargo() {
    let p = workspace(
        &made().replace("bin = \"gen\"", "bin = \"gne\"").replace("cargo.gen", "cargo.gne"),
    );
    let run = p.granular("build").code(1);
    assert!(run.stderr().contains("error: no bin target named `gne`"), "{run}");
}

#[test]
fn what_only_tells_builds_nothing() {
    let p = workspace(&made());
    let run = p.granular("build -n").success();
    assert_snapshot!(run.stdout(), @"      May run #made: depends on what Cargo builds");
    assert_snapshot!(p.granular("explain made").success().stdout(), @"
    #made

    It has not been brought up to date in this checkout, or that was forgotten.

    Now it depends on what Cargo builds, which only a build asks for.

    No result of it is known.
    ");
    assert!(!p.path("target/debug").exists());
}

#[test]
fn an_interrupt_ends_cargo_and_what_it_has_started() {
    let p = workspace(&made());
    let script = "fn main() { std::fs::write(\"begun\", \"\").unwrap(); std::thread::sleep(std::time::Duration::from_secs(600)) }";
    p.write("tool/build.rs", script);
    let begun = p.path("tool/begun");
    let run = p.command("build").run_while(|process| {
        while !begun.exists() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let pid = process.to_string();
        std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
    });
    let run = run.code(130);
    assert!(!run.stderr().contains("Failed"), "{run}");
    let left = std::process::Command::new("pgrep").arg("-f").arg(p.root()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout), "", "processes are left");
}

#[test]
fn a_binary_that_changes_while_the_step_runs_makes_no_result() {
    let p = workspace(
        &made().replace("{cargo.gen} >", "cp {cargo.gen} x; echo >> x; mv x {cargo.gen}; echo >"),
    );
    let run = p.granular("build").success();
    assert!(run.stderr().contains("warning: `gen` changed while `#made` ran"), "{run}");
    let run = p.granular("build").success();
    assert!(run.stderr().contains("Ran #made"), "{run}");
}

#[test]
fn two_steps_ask_for_one_binary_once() {
    let other = made().replace("made", "more");
    let p = workspace(&(made() + &other));
    let wrapper = p.path("cargo-that-counts");
    let line = "#!/bin/sh\n[ \"$1\" = build ] && echo cargo >> \"$LOG\"\nexec cargo \"$@\"\n";
    fs::write(&wrapper, line).unwrap();
    executable(&wrapper);
    let build = || p.command("build").env("CARGO", wrapper.to_str().unwrap()).run().success();
    build();
    assert_eq!(p.ran(), ["cargo", "made", "more"]);
    build();
    assert_eq!(p.ran(), ["cargo"]);
}

fn executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A package whose build script wants a step that runs the binary of another package, which depends on `app` if `in_circle`.
fn from_build_script(in_circle: bool) -> Project {
    let more = format!("inputs = []\noutputs = [\"{{out}}/x\"]\n{CARGO}");
    let steps = build_script::step("made", "{cargo.gen} > {out}/x", &more);
    let p = build_script::app("", &steps, "granular::build()");
    let root = p.read("Cargo.toml").replace("[\"app\"]", "[\"app\", \"tool\"]");
    p.write("Cargo.toml", root);
    let app =
        "fn main() { print!(\"{}\", include_str!(concat!(env!(\"GRANULAR_OUT_MADE\"), \"/x\"))) }";
    p.write("app/src/main.rs", app).write("app/src/lib.rs", "");
    let depends = if in_circle { "[dependencies]\napp = { path = \"../app\" }\n" } else { "" };
    let package = "[package]\nname = \"tool\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    p.write("tool/Cargo.toml", format!("{package}{depends}"));
    p.write("tool/src/bin/gen.rs", "fn main() { println!(\"one\") }\n");
    p
}

#[test]
fn a_build_script_has_it_built_without_waiting_for_itself() {
    let p = from_build_script(false);
    let run = || build_script::cargo(&p, "run -q -p app").run().success().stdout();
    assert_eq!((run(), p.ran()), ("one\n".into(), vec!["made".to_owned()]));
    assert_eq!((run(), p.ran()), ("one\n".into(), vec![]));
    p.write("tool/src/bin/gen.rs", "fn main() { println!(\"two\") }\n");
    assert_eq!((run(), p.ran()), ("two\n".into(), vec!["made".to_owned()]));
}

#[test]
fn a_binary_that_needs_the_step_that_needs_it_is_refused() {
    let p = from_build_script(true);
    let run = p.granular("build -p app").code(1);
    let refused = "to build `gen` of `tool` a step is needed that needs `gen`";
    assert!(run.stderr().contains(refused), "{run}");
    assert!(p.ran().is_empty());
}

#[test]
fn a_program_that_a_build_script_starts_does_not_wait_for_it_either() {
    let steps = step(
        "made",
        "{cargo.gen} > {out}/x",
        &format!("inputs = []\noutputs = [\"{{out}}/x\"]\n{CARGO}"),
    );
    let p = workspace(&steps);
    p.write("Cargo.toml", p.read("Cargo.toml").replace("[\"tool\"]", "[\"tool\", \"app\"]"));
    p.write(
        "app/Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    p.write("app/src/main.rs", "fn main() {}\n");
    let program = env!("CARGO_BIN_EXE_cargo-granular");
    let script = format!(
        "fn main() {{ let ended = std::process::Command::new({program:?}).args([\"build\", \"#made\"]).current_dir(\"..\").status(); assert!(ended.unwrap().success()) }}"
    );
    p.write("app/build.rs", script);
    build_script::cargo(&p, "build -p app").run().success();
    assert_eq!(p.ran(), ["made"]);
}
