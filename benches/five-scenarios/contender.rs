//! Who builds: each with a scratch copy of the example, a Go cache and a home of its own.

use crate::measuring::copy_sources;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The ways to build.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// Every `go build` in turn, every time.
    Naive,
    /// One `go build` of everything, then the release.
    One,
    /// `cargo granular build`.
    Granular,
}

/// Somebody who builds, and where.
pub(crate) struct Contender {
    pub(crate) kind: Kind,
    top: PathBuf,
    /// The copy that is built at this moment.
    pub(crate) root: PathBuf,
}

/// What a build did.
pub(crate) struct Built {
    pub(crate) took: Duration,
    /// The steps that ran; `None` where the contender does not tell.
    pub(crate) ran: Option<BTreeSet<String>>,
}

const SERVICES: [&str; 3] = ["api", "worker", "admin"];

/// As in the example, so that all contenders do the same work.
const BUILD_FLAGS: [&str; 3] = ["-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid="];

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Naive, Self::One, Self::Granular];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Naive => "naive",
            Self::One => "one go build",
            Self::Granular => "cargo granular",
        }
    }
}

impl Contender {
    pub(crate) fn new(kind: Kind, example: &Path, scratch: &Path) -> Result<Self> {
        let top = scratch.join(kind.title().replace(' ', "-"));
        std::fs::create_dir_all(top.join("home"))?;
        let root = top.join("checkout");
        copy_sources(example, &root)?;
        let contender = Self { kind, top, root };
        contender.build().with_context(|| format!("the first build of {}", kind.title()))?; // fills the Go cache
        Ok(contender)
    }

    /// The same contender in another checkout of the same sources, without anything built in it.
    pub(crate) fn checkout(&self, name: &str) -> Result<Self> {
        let root = self.top.join(name);
        let _ = std::fs::remove_dir_all(&root);
        copy_sources(&self.root, &root)?;
        Ok(Self { kind: self.kind, top: self.top.clone(), root })
    }

    /// Takes away what was built: outputs always, the cache of results and Go's own cache if asked for.
    pub(crate) fn forget(&self, results: bool, go_cache: bool) -> Result<()> {
        let mut dirs = vec![self.root.join("target"), self.root.join("bin")];
        dirs.extend(results.then(|| self.top.join("cache")));
        dirs.extend(go_cache.then(|| self.go_cache()));
        for dir in dirs.iter().filter(|dir| dir.exists()) {
            std::fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
        }
        Ok(())
    }

    pub(crate) fn build(&self) -> Result<Built> {
        let began = Instant::now();
        let ran = match self.kind {
            Kind::Naive => build_naively(&self.root, Some(self)).map(|()| None)?,
            Kind::One => self.build_at_once().map(|()| None)?,
            Kind::Granular => Some(self.build_granularly()?),
        };
        Ok(Built { took: began.elapsed(), ran })
    }

    fn build_at_once(&self) -> Result<()> {
        let bin = self.root.join("bin/");
        std::fs::create_dir_all(&bin)?;
        let mut go = self.command("go");
        go.args(["build"]).args(BUILD_FLAGS).arg("-o").arg(&bin);
        go.args(SERVICES.map(|service| format!("./services/{service}")));
        run(&mut go)?;
        run(&mut release(self.command("go"), &self.root))
    }

    fn build_granularly(&self) -> Result<BTreeSet<String>> {
        let mut granular = self.command(env!("CARGO_BIN_EXE_cargo-granular"));
        let output =
            granular.args(["build", "--message-format", "json"]).stderr(Stdio::piped()).output()?;
        if !output.status.success() {
            bail!("cargo granular build failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        let mut ran = BTreeSet::new();
        for line in String::from_utf8(output.stdout)?.lines() {
            let message: serde_json::Value = serde_json::from_str(line)?;
            if message["reason"] == "granular-step-finished" && message["status"] == "ran" {
                ran.insert(
                    message["step"].as_str().unwrap_or_default().trim_start_matches('#').to_owned(),
                );
            }
        }
        Ok(ran)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).stdin(Stdio::null());
        command
            .env("GOCACHE", self.go_cache())
            .env("CGO_ENABLED", "0")
            .env("GRANULAR_CACHE_DIR", self.top.join("cache"));
        command
    }

    fn go_cache(&self) -> PathBuf {
        self.top.join("go-cache")
    }
}

/// The naive builder: each library and each service by a `go build` of its own, one after the other, and the release, every time.
pub(crate) fn build_naively(root: &Path, contender: Option<&Contender>) -> Result<()> {
    let go = || match contender {
        Some(contender) => contender.command("go"),
        None => {
            let mut go = Command::new("go");
            go.current_dir(root).env("CGO_ENABLED", "0");
            go
        }
    };
    for library in ["models", "utils"] {
        run(go().args(["build", &format!("./shared/{library}")]))?;
    }
    for service in SERVICES {
        let (out, package) = (format!("bin/{service}"), format!("./services/{service}"));
        run(go().arg("build").args(BUILD_FLAGS).args(["-o", &out, &package]))?;
    }
    run(&mut release(go(), root))
}

fn release(mut go: Command, root: &Path) -> Command {
    go.args(["run", "./tools/pack", "-o", "bin/release.tar"]);
    go.args(SERVICES.map(|service| root.join("bin").join(service)));
    go
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
