//! Fetches what npm and PyPI have of the contenders, by their package managers as they are set up here.

use crate::contender::{Kind, Packages, Programs};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// Installs what is missing of `kinds`. What cannot be had is told, and no failure: the contender is named as absent later.
pub(crate) fn install(kinds: &[Kind], programs: &Programs) {
    for kind in kinds.iter().filter(|kind| programs.of(**kind).is_none()) {
        if kind.packages().iter().any(|(_, packages)| matches!(packages, Packages::Npm(_))) {
            told(*kind, node(&programs.peers));
        }
        for (folder, packages) in kind.packages() {
            let folder = programs.peers.join(folder);
            told(
                *kind,
                match packages {
                    Packages::Npm(names) => npm(&folder, names),
                    Packages::PyPi(name) => pypi(&folder, name),
                },
            );
        }
    }
}

fn told(kind: Kind, done: Result<()>) {
    if let Err(error) = done {
        eprintln!("{} could not be installed: {error:#}", kind.title());
    }
}

/// A Node.js that is new enough for all of them; npm has it as a package for each platform.
fn node(peers: &Path) -> Result<()> {
    let system = if cfg!(target_os = "macos") { "darwin" } else { std::env::consts::OS };
    let machine = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    npm(&peers.join("node"), &[&format!("node-{system}-{machine}@22")])
}

/// Without what packages want to run on installation: the programs are in the packages.
fn npm(folder: &Path, names: &[&str]) -> Result<()> {
    if folder.join("node_modules").exists() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("package.json"), "{ \"private\": true }\n")?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--ignore-scripts", "--no-audit", "--no-fund"]).args(names);
    run(npm.current_dir(folder))
}

fn pypi(folder: &Path, name: &str) -> Result<()> {
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    run(Command::new(folder.join("bin/pip")).args(["install", "--quiet", name]))
}

fn run(command: &mut Command) -> Result<()> {
    eprintln!("{command:?}");
    let done = command.output().with_context(|| format!("start {command:?}"))?;
    if !done.status.success() {
        bail!("{}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}
