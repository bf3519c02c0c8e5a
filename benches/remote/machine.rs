//! The machine that wants the outputs, new each time.

use crate::between::Between;
use crate::measuring::copy_sources;
use crate::server::Server;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A checkout, with a cache of its own.
pub(crate) struct Machine {
    top: PathBuf,
    /// The program.
    ours: PathBuf,
    /// What has to be there in the end.
    outputs: BTreeMap<PathBuf, Vec<u8>>,
}

/// What Go has kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum GoCache {
    /// All that it ever made here.
    Warm,
    /// Nothing.
    Cold,
}

/// What a build told.
struct Built {
    took: Duration,
    /// How many steps came to which end.
    ends: BTreeMap<String, usize>,
}

impl Machine {
    /// Builds once, so that it is known what has to come out.
    pub(crate) fn new(example: &Path, scratch: &Path, ours: PathBuf) -> Result<Self> {
        let mut machine = Self { top: scratch.join("machine"), ours, outputs: BTreeMap::new() };
        copy_sources(example, &machine.root())?;
        eprintln!("the first build");
        machine.run(&mut machine.command(GoCache::Warm))?;
        machine.outputs = outputs(&machine.root())?;
        ensure!(!machine.outputs.is_empty(), "the example has left nothing");
        Ok(machine)
    }

    /// Puts everything on a server; false where the program does not know that kind.
    pub(crate) fn share(&self, server: &Server) -> Result<bool> {
        self.forget()?;
        let mut command = self.command(GoCache::Warm);
        server.name_to(&mut command, None);
        command
            .args(["--remote-write=always", "--remote=require"])
            .env("GRANULAR_REMOTE_WAIT", "300");
        let built = match self.run(&mut command) {
            Err(error) if error.to_string().contains("no kind of remote") => return Ok(false),
            built => built?,
        };
        ensure!(built.ends.keys().eq(["ran"]), "what was to run and be shared: {:?}", built.ends);
        Ok(true)
    }

    /// How long it takes until everything has come from a server.
    pub(crate) fn restore(&self, server: &Server, between: &Between) -> Result<Duration> {
        self.forget()?;
        let mut command = self.command(GoCache::Cold);
        server.name_to(&mut command, Some(between));
        let built = self.run(&mut command)?;
        ensure!(built.ends.keys().eq(["restored"]), "what was to be restored: {:?}", built.ends);
        ensure!(outputs(&self.root())? == self.outputs, "what was restored is not what was built");
        Ok(built.took)
    }

    /// How long it takes to build it.
    pub(crate) fn build(&self, is_cold: bool) -> Result<Duration> {
        self.forget()?;
        let go_cache = if is_cold { GoCache::Cold } else { GoCache::Warm };
        let built = self.run(&mut self.command(go_cache))?;
        ensure!(built.ends.keys().eq(["ran"]), "what was to run: {:?}", built.ends);
        ensure!(
            outputs(&self.root())? == self.outputs,
            "what was built is not what was built before"
        );
        Ok(built.took)
    }

    fn root(&self) -> PathBuf {
        self.top.join("monorepo")
    }

    /// Takes away what was built and kept.
    fn forget(&self) -> Result<()> {
        let dirs =
            [self.root().join("target"), self.top.join("cache"), self.go_cache(GoCache::Cold)];
        for dir in dirs.iter().filter(|dir| dir.exists()) {
            fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
        }
        Ok(())
    }

    fn go_cache(&self, which: GoCache) -> PathBuf {
        self.top.join(if which == GoCache::Cold { "cold-go-cache" } else { "go-cache" })
    }

    fn command(&self, go_cache: GoCache) -> Command {
        let mut command = Command::new(&self.ours);
        command.args(["build", "--message-format", "json"]).current_dir(self.root());
        // Nothing that this machine is told of remotes or of CI.
        let told = ["GRANULAR_", "AWS_", "GITHUB_", "CI"];
        for (name, _) in std::env::vars() {
            if told.iter().any(|begin| name.starts_with(begin)) {
                command.env_remove(name);
            }
        }
        command
            .env("GRANULAR_TRUST", "anyone")
            .env("GOCACHE", self.go_cache(go_cache))
            .env("GRANULAR_CACHE_DIR", self.top.join("cache"));
        command
    }

    fn run(&self, command: &mut Command) -> Result<Built> {
        let began = Instant::now();
        let output = command.stdin(Stdio::null()).output()?;
        let took = began.elapsed();
        let told = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() || told.contains("warning") {
            bail!("{command:?}:\n{told}");
        }
        let mut ends = BTreeMap::new();
        for line in String::from_utf8(output.stdout)?.lines() {
            let message: serde_json::Value = serde_json::from_str(line)?;
            if message["reason"] == "granular-step-finished" {
                let end = message["status"].as_str().unwrap_or_default().to_owned();
                *ends.entry(end).or_default() += 1;
            }
        }
        Ok(Built { took, ends })
    }
}

/// All files that steps have left.
fn outputs(root: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut all = BTreeMap::new();
    let mut dirs = vec![root.join("target/granular/out")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).with_context(|| format!("read {}", dir.display()))? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => dirs.push(entry.path()),
                false => drop(all.insert(entry.path(), fs::read(entry.path())?)),
            }
        }
    }
    Ok(all)
}
