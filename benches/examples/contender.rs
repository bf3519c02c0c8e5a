//! Who builds: each with a scratch copy of the example, and a Go cache and a home of its own.

use crate::example::Example;
use crate::measuring::{MADE, copy_sources};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The ways to build.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The example's own script, which runs every tool, every time.
    ByHand,
    /// `cargo granular`.
    Granular,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::ByHand, Self::Granular];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::ByHand => "by hand",
            Self::Granular => "cargo granular",
        }
    }
}

/// What is asked for: the words for `by-hand.sh` and those for `cargo granular`.
#[derive(Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) by_hand: &'static [&'static str],
    pub(crate) granular: &'static [&'static str],
}

/// Somebody who builds, and where.
pub(crate) struct Contender {
    pub(crate) kind: Kind,
    pub(crate) example: &'static Example,
    top: PathBuf,
    /// The copy that is built.
    pub(crate) root: PathBuf,
    path: OsString,
}

/// What a build did.
pub(crate) struct Built {
    pub(crate) took: Duration,
    /// The actions that ran; `None` where the contender does not tell.
    pub(crate) ran: Option<BTreeSet<String>>,
}

impl Contender {
    pub(crate) fn new(kind: Kind, example: &'static Example, scratch: &Path) -> Result<Self> {
        let top = scratch.join(example.name).join(kind.title().replace(' ', "-"));
        let root = top.join("checkout");
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example.name);
        copy_sources(&sources, &root)?;
        let contender = Self { kind, example, top, root, path: path_without_shims()? };
        // Fills the Go cache, and fetches what the registries have.
        contender
            .build(example.ask)
            .with_context(|| format!("the first build {}", kind.title()))?;
        Ok(contender)
    }

    /// The same contender in another checkout of the same sources, without anything built in it.
    pub(crate) fn other_checkout(&self) -> Result<Self> {
        let root = self.top.join("a second checkout");
        if root.exists() {
            std::fs::remove_dir_all(&root)?;
        }
        copy_sources(&self.root, &root)?;
        Ok(Self { root, top: self.top.clone(), path: self.path.clone(), ..*self })
    }

    /// Takes away what was built, and the cache of results. Go's own cache and npm's stay.
    pub(crate) fn forget(&self) -> Result<()> {
        let made =
            MADE.iter().flat_map(|made| [self.root.join(made), self.root.join("web").join(made)]);
        for dir in made.chain([self.top.join("cache")]).filter(|dir| dir.exists()) {
            std::fs::remove_dir_all(&dir).with_context(|| format!("remove {}", dir.display()))?;
        }
        Ok(())
    }

    pub(crate) fn build(&self, ask: Ask) -> Result<Built> {
        let began = Instant::now();
        let ran = match self.kind {
            Kind::ByHand => {
                let mut script = self.command(self.root.join("by-hand.sh"));
                output(script.args(ask.by_hand)).map(|_| None)?
            }
            Kind::Granular => {
                let mut granular = self.command(env!("CARGO_BIN_EXE_cargo-granular").into());
                let output =
                    output(granular.args(ask.granular).args(["--message-format", "json"]))?;
                Some(actions_that_ran(&String::from_utf8(output.stdout)?)?)
            }
        };
        Ok(Built { took: began.elapsed(), ran })
    }

    fn command(&self, program: PathBuf) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(Stdio::null());
        command
            .env("PATH", &self.path)
            .env("GOCACHE", self.top.join("go-cache"))
            .env("GRANULAR_CACHE_DIR", self.top.join("cache"));
        command
    }
}

fn output(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        let told = [output.stdout, output.stderr].concat();
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&told));
    }
    Ok(output)
}

fn actions_that_ran(messages: &str) -> Result<BTreeSet<String>> {
    let mut ran = BTreeSet::new();
    for line in messages.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        if message["reason"] == "granular-step-finished" && message["status"] == "ran" {
            let action = message["action"].as_str().context("a step without an action")?;
            ran.insert(action.trim_start_matches('#').to_owned());
        }
    }
    Ok(ran)
}

/// `PATH` with the interpreter that `python3` is in front: where a version manager's script stands there, starting that takes longer than
/// the stages that are measured, for all contenders.
fn path_without_shims() -> Result<OsString> {
    let mut python = Command::new("python3");
    let told = output(python.args(["-c", "import sys; print(sys.executable)"]))?;
    let python = PathBuf::from(String::from_utf8(told.stdout)?.trim());
    let dir = python.parent().context("python3 does not say where it is")?.to_path_buf();
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths([dir].into_iter().chain(std::env::split_paths(&path)))?)
}
