//! Steps from a build script, with the real Cargo: the same steps, keys and store as from the command line.

mod contexts;
mod entries;
mod face;
mod published;

use crate::project::{Invocation, Project, Run};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// A workspace whose package `app` has a build script with `main` as its body and a table of steps.
pub(crate) fn app(workspace_tables: &str, steps: &str, main: &str) -> Project {
    let p = Project::new("workspace");
    p.write(
        "Cargo.toml",
        format!("[workspace]\nresolver = \"3\"\nmembers = [\"app\"]\n\n{workspace_tables}"),
    );
    package(&p, "app", steps, main);
    seed(&p.path("target"));
    p
}

/// Adds a package with a build script to a workspace.
pub(crate) fn package(p: &Project, name: &str, steps: &str, main: &str) {
    p.write(&format!("{name}/Cargo.toml"), manifest(name, steps));
    p.write(&format!("{name}/build.rs"), format!("fn main() {{ {main} }}\n"));
    p.write(&format!("{name}/src/main.rs"), "fn main() {}\n");
}

pub(crate) fn manifest(name: &str, steps: &str) -> String {
    let granular = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    format!(
        "[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2024\"\ndescription = \"a test\"\nlicense = \"MIT\"\n\n\
         [build-dependencies]\ngranular = {{ path = {granular:?}, version = \"0.1.0\" }}\n\n{steps}"
    )
}

/// A step of the package `app` that notes its runs and then does `script`; `more` are further keys of its table.
pub(crate) fn step(name: &str, script: &str, more: &str) -> String {
    crate::project::step(name, script, more)
        .replace("[workspace.metadata.granular", "[package.metadata.granular")
}

/// Cargo in the workspace, with what a test's `cargo granular` sees: the same cache, home and log.
pub(crate) fn cargo(p: &Project, arguments: &str) -> Invocation {
    let mut invocation = p.command("");
    // The one in `PATH`, as a user starts it: it may be rustup's, which changes the environment.
    let mut command = Command::new("cargo");
    command.args(arguments.split_whitespace()).arg("--offline").env_clear();
    command.envs(invocation.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(p.root()).env("CARGO_TERM_COLOR", "never");
    invocation.command = command;
    invocation
}

/// `cargo build`, which has to succeed.
#[track_caller]
pub(crate) fn cargo_build(p: &Project) -> Run {
    cargo(p, "build").run().success()
}

/// Puts the library, compiled, into a target directory, so that not every test compiles it.
pub(crate) fn seed(target: &Path) {
    static SEED: OnceLock<PathBuf> = OnceLock::new();
    let seed = SEED.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("build-script-seed");
        fs::create_dir_all(dir.join("src")).unwrap();
        fs::write(dir.join("Cargo.toml"), manifest("app", "\n[workspace]\nresolver = \"3\"\n"))
            .unwrap();
        fs::write(dir.join("build.rs"), "fn main() {}\n").unwrap();
        fs::write(dir.join("src/main.rs"), "fn main() {}\n").unwrap();
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command.args(["build", "--offline", "--target-dir"]).arg(dir.join("target"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CARGO_") && name != "CARGO_HOME" {
                command.env_remove(name);
            }
        }
        assert!(command.current_dir(&dir).status().unwrap().success());
        dir.join("target")
    });
    fs::create_dir_all(target.parent().unwrap()).unwrap();
    let copied = Command::new("cp").args(["-a", "--reflink=auto"]).arg(seed).arg(target).status();
    assert!(copied.unwrap().success());
}

/// What the step of a package has left below the `OUT_DIR` of its build script, of the one that was built last.
pub(crate) fn read_out(p: &Project, package: &str, path: &str) -> String {
    let found = out_dirs(p, package).into_iter().map(|dir| dir.join(path));
    let newest = found
        .filter(|path| path.exists())
        .max_by_key(|path| fs::metadata(path.parent().unwrap()).unwrap().modified().unwrap());
    fs::read_to_string(newest.unwrap_or_else(|| panic!("no {path} of {package}"))).unwrap()
}

/// Where the output directories of steps lie, for each build script of the package that has run.
pub(crate) fn out_dirs(p: &Project, package: &str) -> Vec<PathBuf> {
    let build = p.path("target/debug/build");
    let entries = fs::read_dir(build).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_its = |dir: &PathBuf| {
        let name = dir.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with(&format!("{package}-"))
    };
    entries
        .filter(is_its)
        .map(|dir| dir.join("out/granular/out"))
        .filter(|dir| dir.exists())
        .collect()
}
