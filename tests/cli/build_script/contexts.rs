//! The many ways in which Cargo starts a build script.

use super::{app, cargo, cargo_build, package, read_out, step};
use crate::project::{Project, project};
use crate::sandbox;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

const BUILD: &str = "granular::build()";

fn shared(script: &str) -> String {
    crate::project::step("shared", script, "inputs = []\noutputs = [\"{out}/s\"]")
}

/// A program in a directory of its own, to be put in front of `PATH` or named.
fn program(p: &Project, name: &str, script: &str) -> PathBuf {
    let dir = p.root().with_file_name("bin");
    fs::create_dir_all(&dir).unwrap();
    let path = dir.join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn build_scripts_at_once_that_share_a_step_run_it_once() {
    let p = project("");
    let members: Vec<_> = (0..4).map(|n| format!("p{n}")).collect();
    p.write(
        "Cargo.toml",
        format!(
            "[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n{}",
            shared("sleep 1; echo s > {out}/s")
        ),
    );
    for name in &members {
        let own = step(
            "own",
            "cat {needs.shared.out}/s > {out}/x",
            "inputs = []\noutputs = [\"{out}/x\"]\nneeds = [\"#shared\"]",
        );
        package(&p, name, &own.replace("echo own", &format!("echo {name}")), BUILD);
    }
    super::seed(&p.path("target"));
    cargo(&p, "build -j8").run().success();
    assert_eq!(p.ran(), ["p0", "p1", "p2", "p3", "shared"]);
    for name in &members {
        assert_eq!(read_out(&p, name, &format!("{name}/own/x")), "s\n");
    }
    assert_eq!(fs::metadata(p.path("target/granular/turns-v1")).unwrap().len(), 0);
}

#[test]
fn two_profiles_at_once_run_a_step_once() {
    let p = app(
        "",
        &step("gen", "sleep 1; echo x > {out}/x", "inputs = []\noutputs = [\"{out}/x\"]"),
        BUILD,
    );
    let fast = "[profile.fast]\ninherits = \"dev\"\ndebug = 0\n";
    p.write("Cargo.toml", p.read("Cargo.toml") + fast);
    let seeded = std::process::Command::new("cp")
        .arg("-a")
        .arg(p.path("target/debug"))
        .arg(p.path("target/fast"))
        .status();
    assert!(seeded.unwrap().success());
    let mut builds: Vec<_> = ["build", "build --profile fast"]
        .map(|arguments| cargo(&p, arguments).command.stderr(Stdio::null()).spawn().unwrap())
        .into();
    assert!(builds.iter_mut().all(|build| build.wait().unwrap().success()));
    assert_eq!(p.ran(), ["gen"]);
}

#[test]
fn a_cargo_inside_a_step_has_a_target_directory_of_its_own() {
    let more = "inputs = [\"tool/**\"]\noutputs = [\"{out}/says\"]\ntools = [\"cargo\"]";
    let script = "cargo run -q --offline --manifest-path tool/Cargo.toml > {out}/says";
    let p = app("", &step("tool", script, more), BUILD);
    p.write(
        "app/tool/Cargo.toml",
        "[package]\nname = \"tool\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[workspace]\n",
    );
    p.write("app/tool/src/main.rs", "fn main() { println!(\"{:?} {:?}\", std::env::var(\"OUT_DIR\"), std::env::var(\"CARGO_PKG_NAME\")) }");
    cargo_build(&p);
    assert_eq!(read_out(&p, "app", "app/tool/says"), "Err(NotPresent) Ok(\"tool\")\n");
    assert!(!p.path("app/tool/target").exists(), "not among the sources");
}

#[test]
fn a_cargo_inside_a_step_that_waits_for_the_one_outside_is_told_within_seconds() {
    let more = "inputs = []\noutputs = []\ntools = [\"cargo\"]";
    let script = "cargo build --offline --target-dir ../target";
    let p = app("", &step("nested", script, more), BUILD);
    let began = Instant::now();
    let run = cargo(&p, "build").run().code(101);
    assert!(began.elapsed() < Duration::from_secs(60), "{run}");
    assert!(
        run.stderr().contains("step `app#nested` failed: a Cargo in the step waits for a target directory that the Cargo outside holds"),
        "{run}"
    );
    crate::faults::nothing_is_left_running(&p);
}

#[test]
fn a_step_that_comes_back_to_itself_through_cargo_is_told() {
    let more = "inputs = []\noutputs = []\ntools = [\"cargo\"]\ntimeout = \"60s\"";
    let p = app("", &step("itself", "cargo build --offline", more), BUILD);
    // The target directory of the Cargo inside, with the library in it.
    let script = format!("CARGO_TARGET_DIR={} cargo build --offline", p.path("inside").display());
    p.write("app/Cargo.toml", p.read("app/Cargo.toml").replace("cargo build --offline", &script));
    super::seed(&p.path("inside"));
    let run = cargo(&p, "build").run().code(101);
    assert!(run.stderr().contains("a step runs something that needs this very step"), "{run}");
    assert_eq!(p.ran(), ["itself"]);
    let run = p.granular("build --workspace").code(1);
    assert!(run.stderr().contains("a step runs something that needs this very step"), "{run}");
}

#[test]
fn make_inside_a_step_takes_its_slots_from_cargos_jobserver() {
    let more = "inputs = [\"Makefile\"]\noutputs = []\ntools = [\"make\"]";
    let p = app("", &step("make", "make all >&2", more), BUILD);
    let rule =
        |n| format!("t{n}:\n\t@echo + >> \"$$LOG.now\"; sleep 0.1; echo - >> \"$$LOG.now\"\n");
    let rules: String = (0..8).map(rule).collect();
    p.write("app/Makefile", format!("all: t0 t1 t2 t3 t4 t5 t6 t7\n{rules}"));
    cargo(&p, "build -j3").run().success();
    let text = fs::read_to_string(p.log().with_extension("now")).unwrap();
    let (mut now, mut most) = (0_i32, 0);
    for line in text.lines() {
        now += if line == "+" { 1 } else { -1 };
        most = most.max(now);
    }
    assert!((2..=3).contains(&most), "{most} at once: {text}");
}

#[test]
fn what_is_built_for_is_in_the_key_only_where_a_step_says_so() {
    let env = "env = { GOOS = \"{target.goos}\", GOARCH = \"{target.goarch}\" }";
    let steps = step("plain", "echo x > {out}/x", "inputs = []\noutputs = [\"{out}/x\"]")
        + &step(
            "go",
            "echo $GOOS/$GOARCH {target} > {out}/x",
            &format!("inputs = []\noutputs = [\"{{out}}/x\"]\n{env}"),
        )
        + &step(
            "tracked",
            "echo $TARGET > {out}/x",
            "inputs = []\noutputs = [\"{out}/x\"]\ntrack-env = [\"TARGET\"]",
        );
    let p = app("", &steps, BUILD);
    cargo_build(&p);
    assert_eq!(p.ran(), ["go", "plain", "tracked"]);
    let host = read_out(&p, "app", "app/tracked/x");
    assert!(read_out(&p, "app", "app/go/x").ends_with(&format!(" {host}")));
    p.granular("build --workspace plain go").success();
    assert!(p.ran().is_empty(), "from the command line it is the host as well");

    // The standard library of another target is not here, so Cargo stops there; but the build script has run by then.
    let run = cargo(&p, "build --target aarch64-apple-darwin").run().code(101);
    assert!(run.stderr().contains("can't find crate for"), "{run}");
    assert_eq!(p.ran(), ["go", "tracked"]);
    let run = p.command("build --workspace go").env("CARGO_BUILD_TARGET", "aarch64-apple-darwin");
    run.run().success();
    assert!(p.ran().is_empty());
    let made = p.read("target/granular/out/app/go/x");
    assert_eq!(made, "darwin/arm64 aarch64-apple-darwin\n");
}

#[test]
fn every_way_into_the_graph_has_the_same_key_and_runs_a_step_once() {
    let tools = "tools = [\"cargo\", \"go\", \"cc\"]";
    let more = format!("inputs = [\"in\"]\noutputs = [\"{{out}}/x\"]\n{tools}");
    let p = app("", &step("gen", "cat in > {out}/x", &more), BUILD);
    p.write("app/in", "1");
    let wrapper = program(&p, "wrapper", "exec \"$@\"");
    let wrapper = wrapper.to_string_lossy();
    let rust_analyzer = [("RUSTC_WRAPPER", &*wrapper), ("RA_RUSTC_WRAPPER", "1")];
    let ways: [(&str, &[(&str, &str)]); 6] = [
        ("build", &[]),
        ("test", &[]),
        ("check --message-format=json --all-targets", &rust_analyzer),
        ("doc", &[("DOCS_RS", "1")]),
        ("build --release", &[]),
        ("clippy", &[]),
    ];
    for (round, content) in ["1", "2"].iter().enumerate() {
        p.write("app/in", content);
        for (arguments, env) in ways.iter().cycle().skip(round).take(ways.len()) {
            if *arguments == "build --release" {
                continue; // compiles the library anew
            }
            let mut command = cargo(&p, arguments);
            for (name, value) in *env {
                command = command.env(name, value);
            }
            command.run().success();
        }
        p.granular("build --workspace").success();
        assert_eq!(p.ran(), ["gen"], "round {round}");
    }
}

#[test]
fn a_source_tree_that_cannot_be_written_is_built_from_and_left_alone() {
    let p = app(
        "",
        &step("gen", "cat in > {out}/x", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]"),
        BUILD,
    );
    p.write("app/in", "1");
    let target = p.root().with_file_name("target");
    fs::rename(p.path("target"), &target).unwrap();
    cargo(&p, "generate-lockfile").run().success();
    let before = crate::faults::tree(p.root(), |_| false);
    let root = p.root().to_string_lossy();
    // Into the mount, since the directory that we stand in is the one below it.
    let mount = format!(
        "mount --bind '{root}' '{root}' && mount -o remount,bind,ro '{root}' && cd '{root}' && ! touch x 2>/dev/null"
    );
    let Some(inside) = sandbox::mounts(&mount) else { return };
    for arguments in ["build --locked", "doc --locked"] {
        let command = cargo(&p, arguments).env("DOCS_RS", "1");
        command.env("CARGO_TARGET_DIR", &target.to_string_lossy()).inside(&inside).run().success();
    }
    assert_eq!(p.ran(), ["gen"]);
    assert_eq!(crate::faults::tree(p.root(), |_| false), before);
}

#[test]
fn an_interrupt_ends_what_the_build_script_has_started() {
    let p = app("", &step("slow", "touch started; sleep 4719", "inputs = []\noutputs = []"), BUILD);
    let mut command = cargo(&p, "build").command;
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut build = command.stderr(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    while !p.path("app/started").exists() {
        assert!(began.elapsed() < Duration::from_secs(120));
        std::thread::sleep(Duration::from_millis(20));
    }
    let group = format!("-{}", build.id());
    std::process::Command::new("kill").args(["-INT", "--", &group]).status().unwrap();
    assert!(!build.wait().unwrap().success());
    crate::faults::nothing_is_left_running(&p);
}
