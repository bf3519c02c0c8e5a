//! A workspace in a temporary directory, and the program run in it as a user would: the language that the tests are written in.
//!
//! A step of a test says `echo NAME >> "$LOG"`, and [`Project::ran`] says which did: claims of the cache are held against what steps did,
//! not against what the program says.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// A workspace with a cache, a home and a log of runs of its own, all removed when dropped.
pub(crate) struct Project {
    /// Holds everything; not part of any workspace.
    top: PathBuf,
    /// The workspace root.
    root: PathBuf,
    /// How much of the log of runs has been told.
    told: AtomicUsize,
    /// Whether `top` goes away with this value.
    owner: bool,
}

/// A workspace whose root manifest declares `tables`, with no packages.
pub(crate) fn project(tables: &str) -> Project {
    let project = Project::new("workspace");
    project.manifest(tables);
    project
}

/// A step of the workspace that notes its runs and then does `script`; `more` are further keys of its table.
pub(crate) fn step(name: &str, script: &str, more: &str) -> String {
    let script = format!("echo {name} >> \"$LOG\"; {script}");
    format!(
        "[workspace.metadata.granular.steps.{name}]\nrun = {script:?}\npass-env = [\"LOG\"]\n{more}\n"
    )
}

impl Project {
    /// An empty directory called `name` to make a workspace in.
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let unique = format!(
            "granular-cli-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let top = std::env::temp_dir().join(unique);
        fs::create_dir_all(top.join("home")).unwrap();
        let top = top.canonicalize().unwrap();
        let root = top.join(name);
        fs::create_dir_all(&root).unwrap();
        Self { top, root, told: AtomicUsize::new(0), owner: true }
    }

    /// A copy of the sources of the workspace at `from`, under its name; what was built there stays behind.
    pub(crate) fn copy_of(from: &Path) -> Self {
        let project = Self::new(from.file_name().unwrap().to_str().unwrap());
        copy_sources(from, &project.root);
        project
    }

    /// Writes the root manifest: a workspace without members, and `tables`.
    pub(crate) fn manifest(&self, tables: &str) {
        self.write("Cargo.toml", format!("[workspace]\nresolver = \"3\"\n\n{tables}"));
    }

    /// Another checkout of the same sources that shares cache, home and log: everything but the target directory is copied.
    pub(crate) fn checkout(&self, name: &str) -> Self {
        let root = self.top.join(name);
        let copied = Command::new("cp").arg("-a").arg(&self.root).arg(&root).status().unwrap();
        assert!(copied.success());
        let _ = fs::remove_dir_all(root.join("target"));
        Self { top: self.top.clone(), root, told: self.log_lines().len().into(), owner: false }
    }

    /// The same sources on another machine: with a cache, a home and a log of its own.
    pub(crate) fn elsewhere(&self) -> Self {
        let other = Self::new(self.root.file_name().unwrap().to_str().unwrap());
        let from = self.root.join(".");
        assert!(
            Command::new("cp").arg("-a").arg(from).arg(&other.root).status().unwrap().success()
        );
        let _ = fs::remove_dir_all(other.root.join("target"));
        other
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.top.join("cache")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.top.join("runs")
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// What an output below `{out}` of a workspace's step holds.
    pub(crate) fn read_out(&self, path: &str) -> String {
        self.read(&format!("target/granular/out/@workspace/{path}"))
    }

    pub(crate) fn remove(&self, path: &str) {
        let path = self.path(path);
        let is_dir = path.is_dir() && !path.is_symlink();
        if is_dir { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
    }

    /// The steps that have run since this was last asked, sorted.
    pub(crate) fn ran(&self) -> Vec<String> {
        let lines = self.log_lines();
        let mut ran = lines[self.told.swap(lines.len(), Ordering::Relaxed)..].to_vec();
        ran.sort();
        ran
    }

    fn log_lines(&self) -> Vec<String> {
        fs::read_to_string(self.log()).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    /// The program in the workspace root, with `arguments` split at spaces.
    #[must_use = "either snapshot the output or assert how it ended"]
    pub(crate) fn granular(&self, arguments: &str) -> Run {
        self.command(arguments).run()
    }

    /// The same, to be changed before it is run.
    pub(crate) fn command(&self, arguments: &str) -> Invocation {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-granular"));
        command.args(arguments.split_whitespace()).current_dir(&self.root).stdin(Stdio::null());
        command.env_clear();
        for name in
            ["PATH", "CARGO_HOME", "RUSTUP_HOME", "GOCACHE", "GOMODCACHE", "GOPATH", "TMPDIR"]
        {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        command.env(
            "CARGO_HOME",
            std::env::var_os("CARGO_HOME").unwrap_or(home.join(".cargo").into()),
        );
        command.env(
            "RUSTUP_HOME",
            std::env::var_os("RUSTUP_HOME").unwrap_or(home.join(".rustup").into()),
        );
        command
            .env("HOME", self.top.join("home"))
            .env("GRANULAR_CACHE_DIR", self.cache())
            .env("LOG", self.log());
        Invocation { command, top: self.top.clone() }
    }
}

fn copy_sources(from: &Path, to: &Path) {
    const MADE: [&str; 4] = ["target", "build", "gen", "node_modules"];
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().unwrap().is_dir() {
            true if MADE.iter().any(|made| entry.file_name() == *made) => {}
            true => copy_sources(&from, &to),
            false => drop(fs::copy(&from, &to).unwrap()),
        }
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if self.owner {
            let _ = fs::remove_dir_all(&self.top);
        }
    }
}

/// A run that has not been started.
pub(crate) struct Invocation {
    pub(crate) command: Command,
    top: PathBuf,
}

impl Invocation {
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// The same, started by `wrapper`: a program and its arguments, which the program's own follow.
    pub(crate) fn inside(self, wrapper: &[impl AsRef<OsStr>]) -> Self {
        let mut command = Command::new(&wrapper[0]);
        command.args(&wrapper[1..]).arg(self.command.get_program()).args(self.command.get_args());
        self.started_by(command)
    }

    /// The same, started by Cargo as its subcommand.
    pub(crate) fn by_cargo(self) -> Self {
        let directory = Path::new(self.command.get_program()).parent().unwrap().to_path_buf();
        let path = std::env::var_os("PATH").unwrap();
        let path =
            std::env::join_paths([directory].into_iter().chain(std::env::split_paths(&path)));
        let mut command = Command::new("cargo");
        command.args(self.command.get_args());
        self.started_by(command).env("PATH", path.unwrap().to_str().unwrap())
    }

    /// A line for the shell in its place, in which `cargo granular` is the program.
    pub(crate) fn by_shell(self, line: &str) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        self.by_cargo().started_by(command)
    }

    /// The same, in a terminal, which `script` makes; no argument may have a space in it.
    pub(crate) fn in_terminal(self) -> Self {
        let words = [self.command.get_program()].into_iter().chain(self.command.get_args());
        let line: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
        let mut command = Command::new("script");
        command.args(["-qec", &line.join(" "), "/dev/null"]);
        self.started_by(command).env("TERM", "xterm")
    }

    /// `command`, with the environment, directory and standard input of this one.
    fn started_by(mut self, mut command: Command) -> Self {
        command.env_clear().stdin(Stdio::null());
        command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(self.command.get_current_dir().unwrap_or(Path::new(".")));
        self.command = command;
        self
    }

    pub(crate) fn dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.command.arg(argument);
        self
    }

    /// Runs it, and does `meanwhile` while it runs; that is given its process id.
    #[must_use = "either snapshot the output or assert how it ended"]
    pub(crate) fn run_while(mut self, meanwhile: impl FnOnce(u32)) -> Run {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = self.command.spawn().unwrap();
        meanwhile(child.id());
        Run { output: child.wait_with_output().unwrap(), top: self.top }
    }

    #[must_use = "either snapshot the output or assert how it ended"]
    pub(crate) fn run(mut self) -> Run {
        Run { output: self.command.output().unwrap(), top: self.top }
    }
}

/// How a run came out. `Display` shows all of it, with what differs from run to run replaced.
pub(crate) struct Run {
    output: Output,
    top: PathBuf,
}

impl Run {
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.code(0)
    }

    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.output.status.code(), Some(code), "\n{self}");
        self
    }

    pub(crate) fn ended_with(&self, code: i32) -> bool {
        self.output.status.code() == Some(code)
    }

    pub(crate) fn stdout(&self) -> String {
        self.normalise(&self.output.stdout)
    }

    pub(crate) fn stderr(&self) -> String {
        self.normalise(&self.output.stderr)
    }

    /// Standard output as it came.
    pub(crate) fn raw_stdout(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    /// Standard error as it came.
    pub(crate) fn raw_stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    fn normalise(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes).replace(&*self.top.to_string_lossy(), "[ROOT]");
        let replace = |text: String, pattern: &str, by: &str| {
            regex::Regex::new(pattern).unwrap().replace_all(&text, by).into_owned()
        };
        let text = replace(text, r"\b[0-9a-f]{64}\b", "[HASH]");
        let text = replace(text, r"\b\d+m \d\ds\b|\b\d+(\.\d+)?m?s\b", "[ELAPSED]");
        let text = replace(text, r#""(duration_ms|saved_ms)":\d+"#, r#""$1":0"#);
        // On a machine that is busy with other things.
        let text = replace(text, r"\b\d+ seconds? ago", "just now");
        // What trivial steps save is now a millisecond and now nothing.
        let text = text.replace(", saved [ELAPSED]", "").replace("; [ELAPSED] saved", "");
        text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stdout())?;
        if !self.output.stderr.is_empty() {
            write!(f, "---- stderr\n{}", self.stderr())?;
        }
        match self.output.status.code() {
            Some(0) => Ok(()),
            Some(code) => writeln!(f, "[exit code: {code}]"),
            None => writeln!(f, "[{}]", self.output.status),
        }
    }
}
