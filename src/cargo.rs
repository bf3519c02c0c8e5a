//! Has Cargo build what steps name under `cargo`, each thing once in a build, and takes from Cargo's own messages where it is.
//!
//! Whether anything has to be compiled is for Cargo to say, which knows more of it than any list of files: so it is asked in every build
//! that wants such a step, also where it then has nothing to do. Knows no step.

use crate::digest::Hash;
use crate::environment;
use crate::execute::child::{self, Answer};
use crate::execute::slots::Jobserver;
use crate::execute::{Ending, Stop};
use crate::ordered::Map;
use crate::step::{Artifact, ArtifactKind};
use crate::template::shell::{Line, Shell};
use crate::tools;
use crate::workspace::Workspace;
use crate::workspace::ask::{field, text, texts};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tinyjson::JsonValue;

/// The variable that tells a build script which things are being built further out, so that none waits for itself.
const BUILDING: &str = "GRANULAR_CARGO";

/// How much Cargo may say on one stream.
const MOST: usize = 64 << 20;

/// How Cargo is run in a workspace, and what it has built so far.
#[derive(Clone, Debug)]
pub struct Cargo {
    /// The program: a path, or a name that is looked up in the PATH of `env`.
    pub program: OsString,
    /// Its environment.
    pub env: Map<OsString, OsString>,
    /// `--locked`, `--offline`, `--frozen`.
    pub flags: Vec<String>,
    /// The target directory: one that no Cargo which waits for us has locked.
    pub target: PathBuf,
    built: Arc<Mutex<Map<Artifact, Cell>>>,
    /// Cargo would wait for itself at its target directory, and say so.
    turn: Arc<Mutex<()>>,
}

type Cell = Arc<OnceLock<Result<PathBuf, Unbuilt>>>;

/// What Cargo is run beside.
#[derive(Clone, Copy)]
pub(crate) struct Beside<'a> {
    pub(crate) jobserver: &'a Jobserver,
    pub(crate) stop: &'a Stop,
}

/// Why something is not built.
#[derive(Clone, Debug)]
pub(crate) enum Unbuilt {
    /// Cargo failed.
    Failed {
        ending: Ending,
        /// What it had to say.
        printed: Vec<u8>,
        /// To be pasted into a shell.
        repeat: String,
    },
    /// The environment.
    Trouble { message: String, hint: Option<String> },
}

impl Cargo {
    /// Cargo as this process would start it.
    pub fn new(program: OsString, target: PathBuf) -> Self {
        let env = std::env::vars_os().collect();
        let (built, turn) = (Arc::default(), Arc::default());
        Self { program, env, flags: Vec::new(), target, built, turn }
    }

    /// Where `artifact` is once it is up to date. `more` are variables besides those of Cargo's environment.
    pub(crate) fn build(
        &self,
        artifact: &Artifact,
        workspace: &Workspace,
        beside: Beside<'_>,
        more: &[(&str, OsString)],
    ) -> Result<PathBuf, Unbuilt> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let cell = Arc::clone(built.get_or_insert_with(artifact.clone(), Cell::default));
        drop(built);
        // Who comes second while it is being built waits for it.
        cell.get_or_init(|| {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            self.build_now(artifact, workspace, beside, more)
        })
        .clone()
    }

    /// The files that what has been built so far is made of, as far as Cargo tells.
    pub(crate) fn sources(&self) -> Vec<PathBuf> {
        let built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        let paths = built.values().filter_map(|cell| cell.get()?.as_ref().ok());
        let texts = paths.filter_map(|path| fs::read_to_string(path.with_extension("d")).ok());
        texts.flat_map(|text| in_dep_info(&text)).collect()
    }

    fn build_now(
        &self,
        artifact: &Artifact,
        workspace: &Workspace,
        beside: Beside<'_>,
        more: &[(&str, OsString)],
    ) -> Result<PathBuf, Unbuilt> {
        let package = workspace.packages.iter().find(|package| package.name == artifact.package);
        let Some(package) = package else {
            return Err(trouble(format!("there is no package `{}`", artifact.package), None));
        };
        let mut env = self.env.clone();
        for name in environment::SECRETS {
            env.remove(OsStr::new(name));
        }
        env.extend(more.iter().map(|(name, value)| ((*name).into(), value.clone())));
        env.insert(BUILDING.into(), self.building(artifact, workspace)?.into());
        let arguments = self.arguments(artifact, workspace, &package.manifest);
        let name = self.program.to_string_lossy();
        let program = tools::find(&name, &workspace.root, &env).map_err(|error| {
            let hint = "the variable CARGO, or else PATH, says where Cargo is";
            trouble(error.to_string(), Some(hint))
        })?;
        let mut command = Command::new(program);
        command.args(&arguments).arg("--message-format=json-render-diagnostics");
        command.current_dir(&workspace.root).env_clear().envs(&env);
        let answer = child::ask_beside(command, &env, MOST, beside.jobserver, beside.stop);
        let answer =
            answer.map_err(|error| trouble(format!("cannot start `{name}`: {error}"), None))?;
        if answer.ending != Ending::Exited(0) {
            let repeat = repeat(&name, &arguments, &workspace.root);
            let (ending, printed) = (answer.ending, answer.stderr);
            return Err(Unbuilt::Failed { ending, printed, repeat });
        }
        where_it_is(&answer, artifact, &package.manifest).ok_or_else(|| {
            let what = &artifact.name;
            let message = format!("Cargo has built `{what}` and does not say where it is");
            let hint = "a library has to name this crate type in `[lib]`";
            let hint = artifact.kind.crate_type().map(|_| hint);
            trouble(message, hint)
        })
    }

    fn arguments(
        &self,
        artifact: &Artifact,
        workspace: &Workspace,
        manifest: &Path,
    ) -> Vec<OsString> {
        let manifest = manifest.strip_prefix(&workspace.root).unwrap_or(manifest);
        let mut arguments: Vec<OsString> =
            vec!["build".into(), "--manifest-path".into(), manifest.into()];
        let target = match artifact.kind {
            ArtifactKind::Bin => vec!["--bin", &artifact.name],
            ArtifactKind::Example => vec!["--example", &artifact.name],
            ArtifactKind::StaticLib | ArtifactKind::CDyLib => vec!["--lib"],
        };
        arguments.extend(target.into_iter().map(OsString::from));
        arguments.extend(["--profile".into(), artifact.profile.clone().into()]);
        arguments.extend(["--target-dir".into(), self.target.clone().into()]);
        if !artifact.features.is_empty() {
            arguments.extend(["--features".into(), artifact.features.join(",").into()]);
        }
        arguments.extend(self.flags.iter().map(OsString::from));
        arguments
    }

    /// What is being built from here inwards. An error where it is what somebody further out is building.
    fn building(&self, artifact: &Artifact, workspace: &Workspace) -> Result<String, Unbuilt> {
        let outer = self.env.get(OsStr::new(BUILDING)).and_then(|outer| outer.to_str());
        let text = format!("{}\0{artifact:?}", workspace.root.display());
        let own = Hash::of(text.as_bytes()).to_string();
        let outer = outer.unwrap_or_default();
        if outer.split(',').any(|outer| outer == own) {
            let (name, package) = (&artifact.name, &artifact.package);
            let message =
                format!("to build `{name}` of `{package}` a step is needed that needs `{name}`");
            let hint =
                "let its build script, and those of what it depends on, do without that step";
            return Err(trouble(message, Some(hint)));
        }
        Ok(if outer.is_empty() { own } else { format!("{outer},{own}") })
    }
}

fn trouble(message: String, hint: Option<&str>) -> Unbuilt {
    Unbuilt::Trouble { message, hint: hint.map(str::to_owned) }
}

fn repeat(program: &str, arguments: &[OsString], dir: &Path) -> String {
    let word = |text: &str| Line::new(Shell::HERE).quote(text);
    let mut words =
        vec!["cd".to_owned(), word(&dir.to_string_lossy()), "&&".to_owned(), word(program)];
    words.extend(arguments.iter().map(|argument| word(&argument.to_string_lossy())));
    words.join(" ")
}

/// The path that Cargo names in its message on `artifact`.
fn where_it_is(answer: &Answer, artifact: &Artifact, manifest: &Path) -> Option<PathBuf> {
    let stdout = String::from_utf8_lossy(&answer.stdout);
    // A build script or a wrapper may have printed lines of its own in between.
    let messages = stdout.lines().filter(|line| line.starts_with('{'));
    let mut found = messages.filter_map(|line| path_in(&line.parse().ok()?, artifact, manifest));
    found.next_back()
}

fn path_in(message: &JsonValue, artifact: &Artifact, manifest: &Path) -> Option<PathBuf> {
    let target = field(message, "target")?;
    let kinds = texts(field(target, "kind")?)?;
    let name = || text(field(target, "name")?);
    let is_it = text(field(message, "reason")?)? == "compiler-artifact"
        && Path::new(text(field(message, "manifest_path")?)?) == manifest
        && match artifact.kind {
            ArtifactKind::Bin => kinds.contains(&"bin") && name()? == artifact.name,
            ArtifactKind::Example => kinds.contains(&"example") && name()? == artifact.name,
            ArtifactKind::StaticLib => kinds.contains(&"staticlib"),
            ArtifactKind::CDyLib => kinds.contains(&"cdylib"),
        };
    if !is_it {
        return None;
    }
    let Some(endings) = artifact.kind.endings() else {
        return text(field(message, "executable")?).map(PathBuf::from);
    };
    let files = texts(field(message, "filenames")?)?;
    let fits = |file: &&str| {
        let ending = Path::new(file).extension().and_then(OsStr::to_str);
        ending.is_some_and(|ending| endings.contains(&ending))
    };
    files.into_iter().find(fits).map(PathBuf::from)
}

impl ArtifactKind {
    /// Of a library, what a manifest calls it.
    fn crate_type(self) -> Option<&'static str> {
        match self {
            Self::Bin | Self::Example => None,
            Self::StaticLib => Some("staticlib"),
            Self::CDyLib => Some("cdylib"),
        }
    }

    /// Of a library, how the names of its files end.
    fn endings(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Bin | Self::Example => None,
            Self::StaticLib => Some(&["a", "lib"]),
            Self::CDyLib => Some(&["so", "dylib", "dll"]),
        }
    }
}

/// The paths that stand behind the colon of a dep-info file.
fn in_dep_info(text: &str) -> Vec<PathBuf> {
    let Some((_, paths)) = text.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    let spaced = paths.replace("\\ ", "\0");
    spaced
        .split(' ')
        .filter(|path| !path.is_empty())
        .map(|path| path.replace('\0', " ").into())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(kind: ArtifactKind) -> Artifact {
        let (package, name, profile) = ("p".to_owned(), "x".to_owned(), "dev".to_owned());
        Artifact { package, kind, name, profile, features: Vec::new() }
    }

    #[test]
    fn the_path_is_the_one_of_just_this_target() {
        let line = |manifest: &str, kind: &str, name: &str, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"{manifest}","target":{{"kind":["{kind}"],"name":"{name}"}},"filenames":["/t/libx.rlib","/t/libx.a"],"executable":{executable}}}"#
            )
        };
        let said = [
            "cargo::warning=noise".to_owned(),
            line("/w/other/Cargo.toml", "bin", "x", r#""/t/other""#),
            line("/w/p/Cargo.toml", "lib", "x", "null"),
            line("/w/p/Cargo.toml", "bin", "y", r#""/t/y""#),
            line("/w/p/Cargo.toml", "bin", "x", r#""/t/x""#),
            line("/w/p/Cargo.toml", "staticlib", "lib", "null"),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        let stdout = said.join("\n").into_bytes();
        let answer = Answer { ending: Ending::Exited(0), stdout, stderr: Vec::new() };
        let path = |kind| where_it_is(&answer, &artifact(kind), Path::new("/w/p/Cargo.toml"));
        assert_eq!(path(ArtifactKind::Bin), Some("/t/x".into()));
        assert_eq!(path(ArtifactKind::StaticLib), Some("/t/libx.a".into()));
        assert_eq!(path(ArtifactKind::CDyLib), None);
        assert_eq!(path(ArtifactKind::Example), None);
    }

    #[test]
    fn dep_info_is_read_with_spaces_in_its_paths() {
        let paths = in_dep_info("/t/x: /w/a\\ b.rs /w/c.rs\n\n/w/c.rs:\n");
        assert_eq!(paths, [PathBuf::from("/w/a b.rs"), PathBuf::from("/w/c.rs")]);
        assert!(in_dep_info("").is_empty());
    }
}
