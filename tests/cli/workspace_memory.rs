//! What Cargo said of the workspace is remembered for as long as nothing can have changed it, and no longer. A `cargo` of the test's own
//! counts how often it is asked, and passes on to the real one.

use crate::project::{Project, Run, step};
use std::fs;
use std::path::Path;
use std::time::Duration;

struct Asked {
    p: Project,
}

const MANIFEST: &str = "[package]\nname = \"NAME\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";

/// Two members, one of them named by a wildcard.
fn asked() -> Asked {
    let p = Project::new("workspace");
    let real = std::env::var("CARGO").unwrap_or("cargo".to_owned());
    let count = p.root().with_file_name("asked");
    fs::create_dir(p.root().with_file_name("bin")).unwrap();
    let script = format!("#!/bin/sh\necho >> {count:?}\nexec {real:?} \"$@\"\n");
    write_program(&p.root().with_file_name("bin").join("cargo"), &script);
    p.write(
        "Cargo.toml",
        format!(
            "[workspace]\nresolver = \"3\"\nmembers = [\"app\", \"crates/*\"]\n\n{}",
            step("root", "true", "inputs = []\noutputs = []")
        ),
    );
    let asked = Asked { p };
    asked.package("app", "app");
    asked.package("crates/one", "one");
    asked.settle();
    asked
}

fn write_program(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Asked {
    fn package(&self, dir: &str, name: &str) {
        self.p.write(&format!("{dir}/Cargo.toml"), MANIFEST.replace("NAME", name));
        self.p.write(&format!("{dir}/src/lib.rs"), "");
    }

    /// Past the guard against edits in the same tick.
    fn settle(&self) {
        std::thread::sleep(Duration::from_millis(60));
    }

    fn list(&self, dir: &str, env: &[(&str, &str)]) -> Run {
        let mut command = self.p.command("build --workspace").dir(&self.p.path(dir));
        command = command
            .env("CARGO", &self.p.root().with_file_name("bin").join("cargo").to_string_lossy());
        for (name, value) in env {
            command = command.env(name, value);
        }
        command.run().success()
    }

    /// How often Cargo was asked by `work`.
    fn count(&self, work: impl FnOnce()) -> usize {
        let lines =
            || fs::read_to_string(self.p.root().with_file_name("asked")).unwrap_or_default().len();
        let before = lines();
        work();
        lines() - before
    }

    /// That a build in `dir` with `env` does not ask.
    #[track_caller]
    fn is_remembered(&self, dir: &str, env: &[(&str, &str)]) {
        assert_eq!(self.count(|| drop(self.list(dir, env))), 0, "asked in `{dir}` with {env:?}");
    }

    /// That the next build asks, and then the one after it does not.
    #[track_caller]
    fn is_asked_once(&self, dir: &str, env: &[(&str, &str)]) {
        self.settle();
        assert_eq!(self.count(|| drop(self.list(dir, env))), 1, "not asked");
        self.is_remembered(dir, env);
    }
}

#[test]
fn cargo_is_asked_once_and_then_not_from_any_directory() {
    let asked = asked();
    asked.is_asked_once("", &[]);
    for dir in ["", "app", "app/src", "crates", "crates/one"] {
        asked.is_remembered(dir, &[]);
    }
    let manifest = asked.p.path("app/Cargo.toml");
    let count = asked.count(|| {
        let bin = asked.p.root().with_file_name("bin").join("cargo");
        let command = asked.p.command("build --manifest-path").arg(&manifest.to_string_lossy());
        command.env("CARGO", &bin.to_string_lossy()).run().success();
    });
    assert_eq!(count, 0);
}

#[test]
fn whatever_can_change_the_answer_makes_cargo_be_asked_again() {
    let asked = asked();
    let p = &asked.p;
    asked.is_asked_once("", &[]);

    p.write("crates/one/Cargo.toml", p.read("crates/one/Cargo.toml") + "description = \"x\"\n");
    asked.is_asked_once("", &[]);
    asked.package("crates/two", "two");
    asked.is_asked_once("", &[]);
    assert!(asked.list("crates/two", &[]).stderr().contains("Finished"));
    fs::remove_dir_all(p.path("crates/one")).unwrap();
    asked.is_asked_once("", &[]);

    // A directory that the wildcard finds may become a member long after it was made; until then Cargo takes it for a mistake.
    p.write("other/three/src/lib.rs", "");
    asked.package("other/four", "four");
    let root = p.read("Cargo.toml");
    p.write("Cargo.toml", root.replace("\"crates/*\"", "\"crates/*\", \"other/*\""));
    p.remove("other/three");
    asked.is_asked_once("", &[]);
    asked.package("other/three", "three");
    asked.is_asked_once("", &[]);

    p.write(".cargo/config.toml", "[term]\nquiet = false\n");
    asked.is_asked_once("", &[]);
    p.write(".cargo/config.toml", "[build]\ntarget-dir = \"elsewhere\"\n");
    asked.is_asked_once("", &[]);
    assert!(p.path("elsewhere/granular").exists());
    p.remove(".cargo");
    asked.is_asked_once("", &[]);

    asked.is_asked_once("", &[("CARGO_TARGET_DIR", "mine")]);
    assert!(p.path("mine/granular").exists());
    asked.is_remembered("", &[]);
}

#[test]
fn another_workspace_on_the_way_is_not_taken_for_this_one() {
    let asked = asked();
    asked.is_asked_once("", &[]);
    asked.p.write(
        "app/inner/Cargo.toml",
        format!("[workspace]\n\n{}", step("inner", "true", "inputs = []\noutputs = []")),
    );
    asked.p.ran();
    assert_eq!(asked.count(|| drop(asked.list("app/inner", &[]))), 1);
    assert_eq!(asked.p.ran(), ["inner"]);
}

#[test]
fn a_damaged_memory_is_none() {
    let asked = asked();
    asked.is_asked_once("", &[]);
    let path = asked.p.path("target/granular/workspace-v2");
    let good = fs::read_to_string(&path).unwrap();
    for bad in ["", "granular-workspace 2\n", &good[..good.len() / 2], &good.replace("one", "two")]
    {
        fs::write(&path, bad).unwrap();
        assert_eq!(asked.count(|| drop(asked.list("", &[]))), 1, "{bad}");
        assert_eq!(fs::read_to_string(&path).unwrap(), good, "written anew");
    }
}

#[test]
fn a_manifest_that_was_just_written_is_not_trusted() {
    let asked = asked();
    for round in 0..20 {
        asked.p.write("app/Cargo.toml", MANIFEST.replace("NAME", &format!("app{:02}", round % 7)));
        let run = asked.list("", &[]);
        assert!(run.stderr().contains("Finished"), "{run}");
        let told = asked.p.granular("build -p app99").code(2).stderr();
        assert!(told.contains(&format!("app{:02}", round % 7)), "{told}");
    }
}
