//! What the answer of a tool depends on besides the tool itself, as it is now. Asks nobody.

use super::{Beside, KnownTool, Question};
use crate::canon;
use crate::digest::Hash;
use crate::index::is_settled;
use crate::ordered::{Map, Set};
use crate::stat::Stat;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Everything that an answer depends on.
pub(super) struct Key {
    /// Of all of it.
    pub(super) hash: Hash,
    /// Files and directories among it, whether they are there or not.
    pub(super) paths: Set<PathBuf>,
    /// Of those that are there.
    stats: Vec<Stat>,
}

impl Key {
    /// Whether every file was left alone for long enough at `time` that a later change would show.
    pub(super) fn is_settled(&self, time: SystemTime) -> bool {
        self.stats.iter().all(|stat| is_settled(stat, time))
    }
}

/// What the answer to `question` depends on; `None` where that cannot be told.
pub(super) fn key(
    row: &KnownTool,
    question: &Question,
    env: &Map<OsString, OsString>,
) -> Option<Key> {
    let beside = row.beside?;
    let real = question.path.canonicalize().ok()?;
    // A script in the place of a program asks somebody else, who may change unseen.
    let is_package = beside.iter().any(|beside| matches!(beside, Beside::Package(_)));
    if is_script(&question.path) && !is_package {
        return None;
    }
    let mut paths = Set::new();
    for beside in beside {
        add(*beside, question, &real, env, &mut paths)?;
    }
    let mut text = format!("{} {}", question.digest.hash, question.digest.size);
    canon::quote(&mut text, question.path.to_str()?);
    canon::quote(&mut text, question.dir.to_str()?);
    for word in row.version {
        canon::quote(&mut text, word);
    }
    for (name, value) in &question.env {
        let value = value.as_ref().map(|value| value.to_str().ok_or(())).transpose().ok()?;
        canon::quote(&mut text, name);
        canon::quote(&mut text, value.unwrap_or("\0"));
    }
    let mut stats = Vec::new();
    for path in &paths {
        canon::quote(&mut text, path.to_str()?);
        match Stat::of_pointee(path).ok()? {
            None => text.push_str(" absent"),
            Some(stat) => {
                let Stat { device, inode, size, mtime_ns, ctime_ns, mode, .. } = stat;
                let _ = write!(text, " {device} {inode} {size} {mtime_ns} {ctime_ns} {mode}");
                stats.push(stat);
            }
        }
    }
    Some(Key { hash: Hash::of(text.as_bytes()), paths, stats })
}

fn is_script(path: &Path) -> bool {
    let mut front = [0; 2];
    File::open(path).and_then(|mut file| file.read_exact(&mut front)).is_ok() && &front == b"#!"
}

fn add(
    beside: Beside,
    question: &Question,
    real: &Path,
    env: &Map<OsString, OsString>,
    paths: &mut Set<PathBuf>,
) -> Option<()> {
    let variable =
        |name: &str| env.get(OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from);
    match beside {
        Beside::Own(path) | Beside::Package(path) => {
            paths.insert(real.parent()?.join(path));
        }
        Beside::Upward(name) => {
            paths.extend(question.dir.ancestors().map(|dir| dir.join(name)));
        }
        Beside::Config(path) => {
            // Somebody may have named another file instead.
            if variable("GOENV").is_some() {
                return None;
            }
            let usual = || variable("HOME").map(|home| home.join(".config"));
            paths.insert(variable("XDG_CONFIG_HOME").or_else(usual)?.join(path));
        }
        Beside::Rustup => {
            let usual = || variable("HOME").map(|home| home.join(".rustup"));
            let home = variable("RUSTUP_HOME").or_else(usual)?;
            for name in ["rust-toolchain", "rust-toolchain.toml"] {
                add(Beside::Upward(name), question, real, env, paths)?;
            }
            paths.extend([home.join("settings.toml"), home.join("toolchains")]);
            let program = question.path.file_name()?;
            for entry in fs::read_dir(home.join("toolchains")).into_iter().flatten().flatten() {
                paths.insert(entry.path().join("bin").join(program));
            }
        }
    }
    Some(())
}
