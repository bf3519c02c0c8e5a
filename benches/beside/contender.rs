//! Who builds: how each is found, got, started, and what it keeps. Each builds in a tree, and with a home, of its own.

use super::expected;
use super::setup;
use super::work::{Edits, Shape, Step, Work};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Kind {
    /// All steps in the table of the workspace.
    Granular,
    /// Each step in the table of a package of its own.
    GranularPackages,
    /// Go says what the steps read.
    GranularDiscover,
    Ninja,
    Make,
    Turborepo,
    Nx,
    Moon,
    Wireit,
    VitePlus,
    GoTask,
    /// Every command in turn, every time.
    Shell,
    /// Plain Go, in one command.
    OneGoBuild,
}

/// A folder of packages that `--install` fills.
pub(crate) enum Packages {
    Npm(&'static [&'static str]),
    PyPi(&'static str),
}

impl Kind {
    pub(crate) const ALL: [Self; 13] = [
        Self::Granular,
        Self::GranularPackages,
        Self::GranularDiscover,
        Self::Ninja,
        Self::Make,
        Self::Turborepo,
        Self::Nx,
        Self::Moon,
        Self::Wireit,
        Self::VitePlus,
        Self::GoTask,
        Self::Shell,
        Self::OneGoBuild,
    ];

    /// As on the command line and in the file of results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Granular => "granular",
            Self::GranularPackages => "granular-packages",
            Self::GranularDiscover => "granular-discover",
            Self::Ninja => "ninja",
            Self::Make => "make",
            Self::Turborepo => "turbo",
            Self::Nx => "nx",
            Self::Moon => "moon",
            Self::Wireit => "wireit",
            Self::VitePlus => "vite-plus",
            Self::GoTask => "go-task",
            Self::Shell => "shell",
            Self::OneGoBuild => "one-go-build",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Granular => "cargo granular",
            Self::GranularPackages => "cargo granular, a package per step",
            Self::GranularDiscover => "cargo granular, inputs found by Go",
            Self::Ninja => "ninja (by times)",
            Self::Make => "make (by times)",
            Self::Turborepo => "Turborepo",
            Self::Nx => "Nx with its daemon",
            Self::Moon => "moon",
            Self::Wireit => "Wireit",
            Self::VitePlus => "Vite+",
            Self::GoTask => "go-task",
            Self::Shell => "every command in turn",
            Self::OneGoBuild => "one `go build`",
        }
    }

    pub(crate) fn is_ours(self) -> bool {
        matches!(self, Self::Granular | Self::GranularPackages | Self::GranularDiscover)
    }

    pub(crate) fn builds(self, shape: Shape) -> bool {
        match self {
            Self::GranularPackages => shape != Shape::Go,
            Self::GranularDiscover | Self::OneGoBuild => shape == Shape::Go,
            _ => true,
        }
    }

    /// Whether it brings back what was deleted, and what was built before, without running anything.
    pub(crate) fn restores(self) -> bool {
        use Kind::{GoTask, Make, Ninja, OneGoBuild, Shell};
        !matches!(self, Ninja | Make | GoTask | Shell | OneGoBuild)
    }

    /// Whether a file that was only touched is the same file to it.
    pub(crate) fn goes_by_content(self) -> bool {
        !matches!(self, Self::Ninja | Self::Make) && !self.is_oblivious()
    }

    /// Whether it runs every command every time.
    pub(crate) fn is_oblivious(self) -> bool {
        matches!(self, Self::Shell | Self::OneGoBuild)
    }

    /// How to get it, in one line.
    pub(crate) fn how_to_get(self) -> &'static str {
        match self {
            Self::Ninja => "apt-get install ninja-build",
            Self::Make => "apt-get install make",
            Self::Turborepo => {
                "npm install turbo (and bun, by which it starts commands sooner), or --install"
            }
            Self::Nx => "npm install nx, or --install",
            Self::Moon => "npm install @moonrepo/cli, or --install",
            Self::Wireit => "npm install wireit, with Node.js 22 or newer, or --install",
            Self::VitePlus => "npm install vite-plus, or --install",
            Self::GoTask => "pip install go-task-bin, or --install",
            Self::OneGoBuild => "apt-get install golang-go",
            _ => "it is always here",
        }
    }

    /// What `--install` fetches for it, by folder.
    pub(crate) fn packages(self) -> &'static [(&'static str, Packages)] {
        match self {
            Self::Turborepo => {
                &[("turbo", Packages::Npm(&["turbo"])), ("bun", Packages::Npm(&["bun"]))]
            }
            Self::Nx => &[("nx", Packages::Npm(&["nx"]))],
            Self::Moon => &[("moon", Packages::Npm(&["@moonrepo/cli"]))],
            Self::Wireit => &[("wireit", Packages::Npm(&["wireit"]))],
            Self::VitePlus => &[("vite-plus", Packages::Npm(&["vite-plus"]))],
            Self::GoTask => &[("go-task", Packages::PyPi("go-task-bin"))],
            _ => &[],
        }
    }

    /// What it keeps between builds, from the root; `*` stands for each directory. Outputs are not among it.
    fn state(self) -> &'static [&'static str] {
        match self {
            _ if self.is_ours() => &["target"],
            Self::Ninja => &[".ninja_log", ".ninja_deps", "*/*/.built"],
            Self::Make => &["*/*/.built"],
            Self::Turborepo => &[".turbo", "node_modules/.cache", "*/*/.turbo"],
            Self::Nx => &[".nx"],
            Self::Moon => &[".moon/cache"],
            Self::Wireit => &[".wireit", "*/*/.wireit"],
            Self::VitePlus => &["node_modules/.vite"],
            Self::GoTask => &[".task"],
            _ => &[],
        }
    }

    /// Whether it asks git about files.
    pub(crate) fn wants_git(self) -> bool {
        matches!(self, Self::Turborepo | Self::Nx | Self::Moon | Self::VitePlus)
    }
}

/// Programs that were found: ours, and those in the folder of peers or else in `PATH`.
pub(crate) struct Programs {
    pub(crate) ours: PathBuf,
    pub(crate) peers: PathBuf,
    pub(crate) jobs: usize,
}

impl Programs {
    pub(crate) fn path(&self) -> Result<OsString> {
        let here = ["node/node_modules/node-*/bin", "bun/node_modules/@oven/bun-*/bin"];
        let found = here.iter().filter_map(|pattern| first(&self.peers, pattern));
        let path = std::env::var_os("PATH").unwrap_or_default();
        Ok(std::env::join_paths(found.chain(std::env::split_paths(&path)))?)
    }

    /// The program and arguments of `kind`; none where it is not here.
    pub(crate) fn of(&self, kind: Kind) -> Option<Vec<OsString>> {
        let jobs = self.jobs.to_string();
        let program = |places: &[&str], name: &str| {
            let here = places.iter().find_map(|place| first(&self.peers, place));
            here.map(PathBuf::into_os_string).or_else(|| self.finds(name))
        };
        let script = |folder: &str, script: &str| {
            let script = format!("node_modules/{script}");
            let is_here = self.peers.join(folder).join(&script).exists();
            is_here.then(|| vec!["node".into(), OsString::from(script)])
        };
        let (mut words, more): (Vec<OsString>, Vec<String>) = match kind {
            _ if kind.is_ours() => (vec![self.ours.clone().into()], vec!["build".into()]),
            Kind::Ninja => (vec![self.finds("ninja")?], vec![format!("-j{jobs}")]),
            Kind::Make => (vec![self.finds("make")?], vec![format!("-j{jobs}")]),
            Kind::Turborepo => {
                // What npm links as `turbo` is a script that starts the program.
                let places = [
                    "turbo/node_modules/@turbo/*/bin/turbo",
                    "turbo/node_modules/turbo-*/bin/turbo",
                ];
                let words = ["run", "build", "--output-logs=new-only"].map(String::from).to_vec();
                let jobs = format!("--concurrency={jobs}");
                (vec![program(&places, "turbo")?], [words, vec![jobs]].concat())
            }
            Kind::Nx => {
                let words = ["run-many", "-t", "build"].map(String::from).to_vec();
                let program =
                    script("nx", "nx/dist/bin/nx.js").or_else(|| script("nx", "nx/bin/nx.js"));
                (program?, [words, vec![format!("--parallel={jobs}")]].concat())
            }
            Kind::Moon => {
                let places = ["moon/node_modules/@moonrepo/core-*/moon"];
                let words = ["run", ":build", "-c", &jobs].map(String::from).to_vec();
                (vec![program(&places, "moon")?], words)
            }
            Kind::Wireit => {
                script("wireit", "wireit/bin/wireit.js")?;
                (vec!["node".into()], ["--run", "build"].map(String::from).to_vec())
            }
            Kind::VitePlus => {
                let words = ["run", "-r", "--concurrency-limit", &jobs, "build"];
                (script("vite-plus", "vite-plus/bin/vp")?, words.map(String::from).to_vec())
            }
            Kind::GoTask => {
                let words = ["-C", &jobs].map(String::from).to_vec();
                (vec![program(&["go-task/bin/task"], "task")?], words)
            }
            _ => (vec!["sh".into()], vec!["build.sh".into()]),
        };
        if kind == Kind::OneGoBuild {
            self.finds("go")?;
        }
        words.extend(more.into_iter().map(OsString::from));
        Some(words)
    }

    pub(crate) fn has_bun(&self) -> bool {
        self.finds("bun").is_some()
    }

    fn finds(&self, name: &str) -> Option<OsString> {
        let path = self.path().ok()?;
        let mut places = std::env::split_paths(&path).map(|dir| dir.join(name));
        places.find(|place| place.is_file()).map(PathBuf::into_os_string)
    }
}

/// The first path below `dir` that `pattern` matches; a `*` is part of one name.
fn first(dir: &Path, pattern: &str) -> Option<PathBuf> {
    all(dir, pattern).into_iter().next()
}

/// All paths below `dir` that `pattern` matches, sorted.
fn all(dir: &Path, pattern: &str) -> Vec<PathBuf> {
    let (name, rest) = pattern.split_once('/').map_or((pattern, None), |(n, rest)| (n, Some(rest)));
    let mut here = match name.split_once('*') {
        None => vec![dir.join(name)],
        Some((start, end)) => {
            let names = fs::read_dir(dir).into_iter().flatten().flatten().filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                (!name.starts_with('.') && name.starts_with(start) && name.ends_with(end))
                    .then(|| entry.path())
            });
            names.collect()
        }
    };
    here.sort();
    here.retain(|path| path.symlink_metadata().is_ok());
    match rest {
        None => here,
        Some(rest) => here.iter().flat_map(|dir| all(dir, rest)).collect(),
    }
}

/// Somebody who builds, and where.
pub(crate) struct Contender {
    pub(crate) kind: Kind,
    pub(crate) root: PathBuf,
    /// Its home, the log of what ran, its cache and what was put aside.
    top: PathBuf,
    words: Vec<OsString>,
    path: OsString,
    jobs: usize,
    pub(crate) edits: Edits,
}

impl Contender {
    /// Writes a tree for it below `scratch`. Nothing is built yet.
    pub(crate) fn new(
        kind: Kind,
        work: &Work,
        programs: &Programs,
        scratch: &Path,
    ) -> Result<Self> {
        let words = programs.of(kind).context("it is not here")?;
        let top = scratch.join(kind.name());
        let root = top.join("tree");
        fs::create_dir_all(top.join("home"))?;
        fs::create_dir_all(top.join("aside"))?;
        let contender = Self {
            kind,
            root,
            top,
            words,
            path: programs.path()?,
            jobs: programs.jobs,
            edits: Edits::new(),
        };
        work.write_sources(&contender.root)?;
        setup::write(work, &contender, programs)?;
        if kind == Kind::Nx {
            contender.daemon("--start")?;
        }
        Ok(contender)
    }

    /// Gives it a copy of the caches that lie in `home`.
    pub(crate) fn warm(&self, home: &Path) -> Result<()> {
        let mut copy = Command::new("cp");
        let done = copy.arg("-a").arg(home.join(".cache")).arg(self.top.join("home")).output()?;
        if !done.status.success() {
            bail!("cp: {}", String::from_utf8_lossy(&done.stderr).trim());
        }
        Ok(())
    }

    /// Where every command notes that it ran.
    pub(crate) fn log(&self) -> PathBuf {
        self.top.join("ran")
    }

    /// What it says, of its last build.
    pub(crate) fn said(&self) -> PathBuf {
        self.top.join("said")
    }

    /// Its command, to be started.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]);
        self.in_place(&mut command);
        command
    }

    /// Lets `command` see the tree and the environment that all contenders see alike, with a home of its own.
    pub(crate) fn in_place(&self, command: &mut Command) {
        command.current_dir(&self.root).stdin(Stdio::null()).env_clear();
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        for (name, default) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            command.env(name, std::env::var_os(name).unwrap_or_else(|| home.join(default).into()));
        }
        // As Cargo names itself to whom it starts, so that not another proxy has to find it.
        if let (true, Some(cargo)) = (self.kind.is_ours(), std::env::var_os("CARGO")) {
            command.env("CARGO", cargo);
        }
        let jobs = self.jobs.to_string();
        command.env("PATH", &self.path).env("HOME", self.top.join("home"));
        command.env("GRANULAR_CACHE_DIR", self.cache()).env("WIREIT_PARALLEL", &jobs);
        command.envs([
            ("LANG", "C.UTF-8"),
            ("NO_COLOR", "1"),
            ("TERM", "dumb"),
            ("GOPROXY", "off"),
            ("GOTOOLCHAIN", "local"),
            ("DO_NOT_TRACK", "1"),
            ("TURBO_TELEMETRY_DISABLED", "1"),
            ("NX_NO_CLOUD", "true"),
            ("NX_TUI", "false"),
            ("WIREIT_LOGGER", "quiet"),
        ]);
    }

    /// The steps that ran since this was last asked, sorted, as often as they did.
    pub(crate) fn ran(&self) -> Result<Vec<String>> {
        let log = self.log();
        let text = if log.exists() { fs::read_to_string(&log)? } else { String::new() };
        if !text.is_empty() {
            fs::remove_file(log)?;
        }
        let mut ran: Vec<_> = text.lines().map(str::to_owned).collect();
        ran.sort();
        Ok(ran)
    }

    /// Where it puts the output of `step`, from its root.
    pub(crate) fn output_of(&self, step: &Step) -> Option<String> {
        match self.kind {
            Kind::OneGoBuild => step.output.clone(),
            _ => step.output_path(),
        }
    }

    pub(crate) fn edit(&mut self, work: &Work, edits: Edits) -> Result<()> {
        expected::apply(work, &self.root, &self.edits, &edits)?;
        self.edits = edits;
        Ok(())
    }

    /// Takes the outputs away.
    pub(crate) fn delete_outputs(&self, work: &Work) -> Result<()> {
        let mut outputs = work.steps.iter().filter_map(|step| self.output_of(step));
        outputs.try_for_each(|output| self.put_aside(&self.root.join(output)))
    }

    /// Takes away outputs, caches and whatever else it remembers.
    pub(crate) fn forget(&self, work: &Work) -> Result<()> {
        if self.kind == Kind::Nx {
            self.daemon("--stop")?;
            self.put_aside(&self.top.join("home/.nx"))?;
        }
        self.delete_outputs(work)?;
        for pattern in self.kind.state() {
            for path in all(&self.root, pattern) {
                self.put_aside(&path)?;
            }
        }
        self.put_aside(&self.cache())?;
        if self.kind == Kind::Nx {
            self.daemon("--start")?;
        }
        Ok(())
    }

    /// The peak memory of the process that stays behind its builds, if one does.
    pub(crate) fn daemon_peak(&self) -> Option<u64> {
        if self.kind != Kind::Nx {
            return None;
        }
        let file = self.root.join(".nx/workspace-data/d/server-process.json");
        let file: serde_json::Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        let status = fs::read_to_string(format!("/proc/{}/status", file["processId"])).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
    }

    fn cache(&self) -> PathBuf {
        self.top.join("cache")
    }

    fn daemon(&self, what: &str) -> Result<()> {
        let mut command = Command::new(&self.words[0]);
        command.args([self.words[1].as_os_str(), "daemon".as_ref(), what.as_ref()]);
        self.in_place(&mut command);
        let done = command.output().context("start Nx")?;
        if !done.status.success() {
            bail!("nx daemon {what}: {}", String::from_utf8_lossy(&done.stderr).trim());
        }
        Ok(())
    }

    /// Moved, not deleted: a file system that has thousands of files to forget does it while the next build is timed.
    fn put_aside(&self, path: &Path) -> Result<()> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        if path.symlink_metadata().is_ok() {
            let name = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
            fs::rename(path, self.top.join("aside").join(name))
                .with_context(|| format!("put {} aside", path.display()))?;
        }
        Ok(())
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        if self.kind == Kind::Nx {
            let _ = self.daemon("--stop");
        }
        let _ = fs::remove_dir_all(&self.top);
    }
}
