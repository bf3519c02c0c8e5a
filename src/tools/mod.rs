//! What is known of tools, as rows of data, and who a tool is: its bytes, and what it says of its version.

mod beside;
mod memory;
mod places;
#[rustfmt::skip] // in rows, what belongs together stands together
mod rows;
mod shell;

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::execute::Ending;
use crate::execute::child::{Answer, ask};
use crate::index::Index;
use crate::ordered::{self, Map, Set};
use crate::stat::Stat;
use memory::Memory;
use places::Places;
pub(crate) use places::{Lookup, is_still_there};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

/// Names of variables that belong together.
pub type Variables = &'static [&'static str];

/// What is known of a tool.
#[derive(Debug)]
pub struct KnownTool {
    /// The names of its executables.
    pub names: &'static [&'static str],
    /// The arguments that make it say its version; what it prints on standard output is part of its identity. Empty where
    /// its bytes say enough.
    pub version: &'static [&'static str],
    /// Variables that are passed to it and are not part of the key: caches, proxies, credentials.
    pub pass: &'static [Variables],
    /// Variables that are passed to it and are part of the key, since they change what it makes.
    pub track: &'static [Variables],
    /// Whether it takes part in a jobserver.
    pub jobserver: bool,
    /// What its answer depends on besides its executable and its variables; `None` where that is not known, and it is asked in each build.
    pub beside: Option<&'static [Beside]>,
}

/// A file, or several, that the answer of a tool depends on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beside {
    /// Relative to the directory of its executable, links followed.
    Own(&'static str),
    /// The same for a tool that is a script, and of which this file says the version.
    Package(&'static str),
    /// Of that name in the directory that it is asked in and in each above it.
    Upward(&'static str),
    /// Below the user's directory for configuration.
    Config(&'static str),
    /// The toolchains of rustup, and which one it takes.
    Rustup,
}

/// Who a tool is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The name it was asked for by.
    pub name: String,
    /// Where it was found, absolute. Not part of a key.
    pub path: PathBuf,
    /// Of its executable. For a script that begins with `#!` this is the script; its interpreter is not looked at.
    pub digest: Digest,
    /// What it says of its version, trimmed; `None` where it is not known how to ask. Where it fails to say, how it failed.
    /// Its own directory, the one it was asked in and the home directory stand in it as `{…}`.
    pub version: Option<String>,
}

/// How long a tool may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much a tool may print while saying its version, in bytes.
const MOST: usize = 64 * 1024;

/// The row for the executable `name` (without directories and, on Windows, without `.exe`). A version behind the name counts
/// to it: `python3.12` is known as `python`, `gcc-14` as `gcc`.
pub fn known(name: &str) -> Option<&'static KnownTool> {
    let plain = name
        .trim_end_matches(|char: char| char.is_ascii_digit() || char == '.')
        .trim_end_matches('-');
    rows::named(name).or_else(|| rows::named(plain)).map(|(row, _)| row)
}

/// The known tools in command position in a line for the shell, in the order of their appearance.
pub fn in_shell_line(line: &str) -> Vec<&'static str> {
    shell::commands(line)
}

/// Finds and identifies tools; remembers who was asked already, in this build or an earlier one.
#[derive(Debug, Default)]
pub struct Tools {
    versions: Mutex<Map<Question, Arc<OnceLock<String>>>>,
    memory: Mutex<Memory>,
    places: Places,
    consulted: Mutex<Consulted>,
}

/// What the versions depend on that tools were believed to have.
#[derive(Debug, Default)]
struct Consulted {
    /// Files and directories, whether they are there or not.
    paths: Set<PathBuf>,
    /// Whether a tool was asked of which this is not known.
    is_more: bool,
}

/// Everything that the answer of a tool depends on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Question {
    path: PathBuf,
    digest: Digest,
    dir: PathBuf,
    env: Vec<(&'static str, Option<OsString>)>,
}

impl Tools {
    /// With what is remembered in the file at `path`.
    pub fn open(path: &Path) -> Self {
        Self { memory: Mutex::new(Memory::open(path)), ..Self::default() }
    }

    /// Writes what is new into the file at `path`.
    pub fn save(&self, path: &Path) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).save(path);
    }

    /// Who `name` is for a command run in `dir` with `env`. A name with a `/` is relative to `dir`, others are looked up in `env`'s PATH.
    /// An error where there is no such program, naming it and where it was looked for.
    pub fn identify(
        &self,
        name: &str,
        dir: &Path,
        env: &Map<OsString, OsString>,
        index: &Index,
    ) -> Result<Identity> {
        let path = self.places.find(name, dir, env)?;
        let stat =
            Stat::of_pointee(&path).map_err(|error| Error::io("cannot look at", &path, error))?;
        let stat =
            stat.ok_or_else(|| Error::io("cannot look at", &path, io::ErrorKind::NotFound.into()))?;
        let digest = index.digest(&path, &stat)?;
        let row = known(base_name(&path)).filter(|row| !row.version.is_empty());
        let version = row.map(|row| self.version(row, &path, digest, dir, env));
        Ok(Identity { name: name.to_owned(), path, digest, version })
    }

    /// Something is run, which may put programs anywhere.
    pub(crate) fn forget_places(&self) {
        self.places.forget();
    }

    /// Every lookup, and every path that an identity depends on besides. `None` where that is not all: something was run, or a tool has to be asked in each build.
    pub(crate) fn looked_at(&self) -> Option<(Vec<Lookup>, Set<PathBuf>)> {
        let lookups = self.places.lookups()?;
        let consulted = self.consulted.lock().unwrap_or_else(PoisonError::into_inner);
        let mut paths = consulted.paths.clone();
        paths.extend(lookups.iter().filter_map(|lookup| lookup.found.clone()));
        (!consulted.is_more).then_some((lookups, paths))
    }

    fn version(
        &self,
        row: &KnownTool,
        path: &Path,
        digest: Digest,
        dir: &Path,
        env: &Map<OsString, OsString>,
    ) -> String {
        let question = Question {
            path: path.to_owned(),
            digest,
            dir: dir.to_owned(),
            env: relevant(row, env),
        };
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let version = Arc::clone(versions.get_or_insert_with(question.clone(), Arc::default));
        drop(versions);
        // Who comes second while the tool is being asked waits for the answer.
        version.get_or_init(|| self.remembered_or_asked(row, &question, env)).clone()
    }

    fn remembered_or_asked(
        &self,
        row: &KnownTool,
        question: &Question,
        env: &Map<OsString, OsString>,
    ) -> String {
        let memory = || self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let before = SystemTime::now();
        let key = beside::key(row, question, env);
        let mut consulted = self.consulted.lock().unwrap_or_else(PoisonError::into_inner);
        match &key {
            Some(key) => consulted.paths.extend(key.paths.iter().cloned()),
            None => consulted.is_more = true,
        }
        drop(consulted);
        if let Some(answer) = key.as_ref().and_then(|key| memory().get(&key.hash)) {
            return answer;
        }
        let Question { path, dir, .. } = question;
        let answer = ask(path, row.version, dir, env, PATIENCE, MOST);
        let is_sound = answer.as_ref().is_ok_and(|answer| answer.ending == Ending::Exited(0));
        let text = without_places(text_of(answer), &places(path, dir, env));
        // What a tool could not say it may say the next time.
        if let Some(key) = key.filter(|key| is_sound && key.is_settled(before)) {
            memory().file(&key.hash, &text);
        }
        text
    }
}

fn relevant(
    row: &KnownTool,
    env: &Map<OsString, OsString>,
) -> Vec<(&'static str, Option<OsString>)> {
    let names = row.pass.iter().chain(row.track).copied().flatten().copied();
    let names = ["PATH", "HOME"].into_iter().chain(names);
    names.map(|name| (name, env.get(OsStr::new(name)).cloned())).collect()
}

/// What `answer` says, in one form whatever way it was given.
fn text_of(answer: io::Result<Answer>) -> String {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return format!("cannot be asked: {}", error.kind()),
    };
    let is_silent = answer.stdout.trim_ascii().is_empty();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes.trim_ascii()).replace("\r\n", "\n");
    match answer.ending {
        // Some tools say their version on standard error; where they failed as well, that may be anything.
        Ending::Exited(0) if is_silent => text(&answer.stderr),
        Ending::Exited(0) => text(&answer.stdout),
        Ending::Exited(code) => format!("{}\nexit {code}", text(&answer.stdout)).trim().to_owned(),
        Ending::Signal(signal) => format!("signal {signal}"),
        Ending::TimedOut => "no answer in time".to_owned(),
        Ending::Stopped => "no end of its answer".to_owned(),
    }
}

/// Directories that differ between checkouts and machines and that a tool may name with its version.
fn places(path: &Path, dir: &Path, env: &Map<OsString, OsString>) -> Vec<(String, &'static str)> {
    let real = path.canonicalize().unwrap_or_default();
    let own = [path, &real]
        .into_iter()
        .flat_map(|path| path.ancestors().skip(1).take(2))
        .map(|place| (place, "{tool}"));
    let home = env.get(OsStr::new("HOME")).map(|home| (Path::new(home), "{home}"));
    let all = own.chain([(dir, "{dir}")]).chain(home);
    // A directory near the root, such as /usr, is nobody's own.
    let deep = all.filter(|(place, _)| {
        place.components().filter(|part| matches!(part, Component::Normal(_))).count() > 1
    });
    let mut places: Vec<_> =
        deep.filter_map(|(place, name)| Some((place.to_str()?.to_owned(), name))).collect();
    // The longest first, since one may lie within another.
    ordered::sort_by_key(&mut places, |(place, _)| std::cmp::Reverse(place.len()));
    places
}

fn without_places(text: String, places: &[(String, &'static str)]) -> String {
    places.iter().fold(text, |text, (place, name)| text.replace(place, name))
}

fn base_name(path: &Path) -> &str {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    if cfg!(windows) { name.strip_suffix(".exe").unwrap_or(name) } else { name }
}

/// Where the executable of `name` is for a command run in `dir` with `env`.
pub(crate) fn find(name: &str, dir: &Path, env: &Map<OsString, OsString>) -> Result<PathBuf> {
    if name.contains(std::path::is_separator) {
        let path = dir.join(name);
        let found = candidates(&path, env).into_iter().find(|path| is_program(path));
        return found.ok_or_else(|| no_such_path(name, &path, dir));
    }
    let path = env.get(OsStr::new("PATH")).cloned().unwrap_or_default();
    // An empty entry is the current directory, but nothing at all is no entry.
    let mut dirs =
        std::env::split_paths(&path).filter(|_| !path.is_empty()).map(|entry| dir.join(entry));
    let found = dirs.find_map(|entry| {
        candidates(&entry.join(name), env).into_iter().find(|path| is_program(path))
    });
    found.ok_or_else(|| no_such_program(name, &path))
}

#[cfg(not(windows))]
fn candidates(path: &Path, _env: &Map<OsString, OsString>) -> Vec<PathBuf> {
    vec![path.to_path_buf()]
}

/// Programs are named without the endings that `PATHEXT` lists.
#[cfg(windows)]
fn candidates(path: &Path, env: &Map<OsString, OsString>) -> Vec<PathBuf> {
    let endings = env
        .get(OsStr::new("PATHEXT"))
        .and_then(|endings| endings.to_str())
        .unwrap_or(".COM;.EXE;.BAT;.CMD");
    let with = |ending: &str| {
        let mut path = path.as_os_str().to_owned();
        path.push(ending);
        PathBuf::from(path)
    };
    [path.to_path_buf()].into_iter().chain(endings.split(';').map(with)).collect()
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && is_executable(&metadata))
}

#[cfg(unix)]
fn is_executable(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn is_executable(_: &std::fs::Metadata) -> bool {
    true
}

fn no_such_path(name: &str, path: &Path, dir: &Path) -> Error {
    let (name, dir) = (name.escape_debug(), dir.display().to_string());
    if path.is_file() {
        return Error::new(format!("`{name}` in `{}` is not executable", dir.escape_debug()))
            .hint("make it executable, as in `chmod +x`");
    }
    Error::new(format!("there is no program `{name}` in `{}`", dir.escape_debug()))
        .hint("if a step makes it, that step has to be among the `needs`")
}

fn no_such_program(name: &str, path: &OsStr) -> Error {
    const SHOWN: usize = 6;
    let dirs: Vec<_> = std::env::split_paths(path).map(|dir| dir.display().to_string()).collect();
    let mut told = dirs.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if let more @ 1.. = dirs.len().saturating_sub(SHOWN) {
        told += &format!(" and {more} more");
    }
    let told = if path.is_empty() { "it is empty".to_owned() } else { told };
    Error::new(format!(
        "there is no program `{}` in PATH ({})",
        name.escape_debug(),
        told.escape_debug()
    ))
    .hint("install it, or name it by its path")
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::trial::Trial;
    use insta::assert_snapshot;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn script(path: &Path, line: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Renamed into place, so that nobody starts it while it is written.
        let new = path.with_extension("new");
        fs::write(&new, format!("#!/bin/sh\n{line}\n")).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(new, path).unwrap();
    }

    fn identify(
        tools: &Tools,
        name: &str,
        trial: &Trial,
        env: &Map<OsString, OsString>,
    ) -> Result<Identity> {
        tools.identify(name, &trial.dir, env, &Index::default())
    }

    /// An environment whose PATH has the trial's `bin` in front.
    fn env_of(trial: &Trial) -> Map<OsString, OsString> {
        let mut env = trial.env();
        let path =
            format!("{}/bin:{}", trial.dir.display(), env[OsStr::new("PATH")].to_str().unwrap());
        env.insert("PATH".into(), path.into());
        env
    }

    fn version(trial: &Trial, line: &str) -> Option<String> {
        script(&trial.dir.join("bin/protoc"), line);
        identify(&Tools::default(), "protoc", trial, &env_of(trial)).unwrap().version
    }

    #[test]
    fn a_tool_is_its_bytes_and_what_it_says_of_its_version() {
        let trial = Trial::new();
        let env = env_of(&trial);
        let tool = trial.dir.join("bin/protoc");
        script(&tool, "echo one $1");
        let tools = Tools::default();
        let first = identify(&tools, "protoc", &trial, &env).unwrap();
        assert_eq!(
            (first.name.as_str(), &first.path, first.version.as_deref()),
            ("protoc", &tool, Some("one --version"))
        );
        assert_eq!(first.digest, Digest::of(&fs::read(&tool).unwrap()));
        script(&tool, "echo two $1");
        let second = identify(&tools, "protoc", &trial, &env).unwrap();
        assert_eq!(
            second.version.as_deref(),
            Some("two --version"),
            "other bytes are asked anew, in the same build as well"
        );
        assert_ne!(first.digest, second.digest);
    }

    #[test]
    fn another_tool_earlier_in_path_is_another_tool() {
        let trial = Trial::new();
        let mut env = env_of(&trial);
        script(&trial.dir.join("bin/protoc"), "echo one");
        script(&trial.dir.join("better/protoc"), "echo two");
        let tools = Tools::default();
        assert_eq!(
            identify(&tools, "protoc", &trial, &env).unwrap().version.as_deref(),
            Some("one")
        );
        // A relative entry is relative to where the step runs.
        env.insert("PATH".into(), "none:better:bin".into());
        assert_eq!(
            identify(&tools, "protoc", &trial, &env).unwrap().version.as_deref(),
            Some("two")
        );
        assert_eq!(
            identify(&tools, "bin/protoc", &trial, &env).unwrap().version.as_deref(),
            Some("one")
        );
    }

    #[test]
    fn a_tool_is_asked_once_for_the_same_environment() {
        let trial = Trial::new();
        let mut env = env_of(&trial);
        script(&trial.dir.join("bin/go"), "echo $GOFLAGS; echo asked >>asked");
        let tools = Tools::default();
        for flags in ["-a", "-a", "-b", "-a"] {
            env.insert("GOFLAGS".into(), flags.into());
            env.insert("IRRELEVANT".into(), flags.into());
            assert_eq!(
                identify(&tools, "go", &trial, &env).unwrap().version.as_deref(),
                Some(flags)
            );
        }
        assert_eq!(trial.read("asked"), "asked\nasked\n");
    }

    #[test]
    fn links_are_followed_for_the_bytes_and_kept_for_the_name() {
        let trial = Trial::new();
        script(&trial.dir.join("real/multi"), "echo ${0##*/}");
        fs::create_dir_all(trial.dir.join("bin")).unwrap();
        symlink("../real/multi", trial.dir.join("bin/protoc")).unwrap();
        let identity = identify(&Tools::default(), "protoc", &trial, &env_of(&trial)).unwrap();
        assert_eq!(
            (identity.path, identity.version.as_deref()),
            (trial.dir.join("bin/protoc"), Some("protoc"))
        );
        assert_eq!(identity.digest, Digest::of(&fs::read(trial.dir.join("real/multi")).unwrap()));
    }

    #[test]
    fn an_unknown_tool_is_its_bytes_and_is_not_started() {
        let trial = Trial::new();
        script(&trial.dir.join("bin/mytool"), "touch started");
        let identity = identify(&Tools::default(), "./bin/mytool", &trial, &trial.env()).unwrap();
        assert_eq!(identity.version, None);
        assert!(!trial.dir.join("started").exists());
    }

    #[test]
    fn a_version_names_no_place_and_tells_how_asking_failed() {
        let trial = Trial::new();
        let told = |line: &str| version(&trial, line).unwrap();
        assert_snapshot!(told("echo \"1.2 from $PWD/bin/lib and $PWD/lib\""), @"1.2 from {tool}/lib and {tool}/lib");
        assert_snapshot!(told("echo said on standard error >&2"), @"said on standard error");
        assert_snapshot!(told("echo 1.2; date +%N >&2; exit 3"), @"
        1.2
        exit 3
        ");
        assert_snapshot!(told("date +%N >&2; exit 3"), @"exit 3");
        assert_snapshot!(told("kill -9 $$"), @"signal 9");
        assert_snapshot!(told("while :; do echo again; done"), @"no end of its answer");
    }

    #[test]
    fn a_missing_tool_is_named_with_where_it_was_looked_for() {
        let trial = Trial::new();
        let told = |name: &str, path: &str| {
            let env = Map::from([("PATH".into(), path.into())]);
            let error = identify(&Tools::default(), name, &trial, &env).unwrap_err();
            format!("{error} ({})", error.way_out().unwrap_or_default())
                .replace(trial.dir.to_str().unwrap(), "[DIR]")
        };
        fs::write(trial.dir.join("plain"), "").unwrap();
        assert_snapshot!(told("nope", "/a:/b"), @"there is no program `nope` in PATH (/a, /b) (install it, or name it by its path)");
        assert_snapshot!(told("nope", ""), @"there is no program `nope` in PATH (it is empty) (install it, or name it by its path)");
        assert_snapshot!(told("nope", "/1:/2:/3:/4:/5:/6:/7:/8"), @"there is no program `nope` in PATH (/1, /2, /3, /4, /5, /6 and 2 more) (install it, or name it by its path)");
        assert_snapshot!(told("bin/nope", "/a"), @"there is no program `bin/nope` in `[DIR]` (if a step makes it, that step has to be among the `needs`)");
        assert_snapshot!(told("./plain", "/a"), @"`./plain` in `[DIR]` is not executable (make it executable, as in `chmod +x`)");
    }

    #[test]
    fn a_version_behind_the_name_counts_to_it() {
        for (name, known_as) in [
            ("python3.12", "python"),
            ("python3", "python"),
            ("gcc-14", "gcc"),
            ("clang++-18", "clang++"),
            ("go1.22.3", "go"),
        ] {
            assert!(known(name).unwrap().names.contains(&known_as), "{name}");
        }
        for name in ["", "3", "gopls", "mygo", "-"] {
            assert!(known(name).is_none(), "{name}");
        }
    }

    #[test]
    fn tools_of_this_machine_say_their_version_without_a_place() {
        let trial = Trial::new();
        let mut env = trial.env();
        env.insert("HOME".into(), std::env::var_os("HOME").unwrap_or_default());
        let tools = Tools::default();
        for name in ["sh", "make", "gcc", "git", "tar", "cargo", "rustc"] {
            let identity = match identify(&tools, name, &trial, &env) {
                Ok(identity) => identity,
                Err(error) => panic!("{error}: the tests need it"),
            };
            let version = identity.version.unwrap_or_default();
            assert_eq!(version.is_empty(), name == "sh", "{name}");
            assert!(!version.contains("exit ") && !version.contains(" /"), "{name}: {version}");
        }
    }
}
