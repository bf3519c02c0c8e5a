//! Says of entries, before they are written, where they were made; signs that where there is a key.

use super::ci;
use super::standing::Standing;
use super::statement::{About, FIELD_MAX, Statement};
use crate::since;
use crate::trust::domain::Domain;
use crate::trust::key::Own;
use granular::digest::Hash;
use granular::ordered::Map;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

/// When something was made that is signed now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Made {
    Now,
    /// By an earlier build, of which it is not known at which commit and in which run it was.
    Earlier,
}

/// Signs what is written.
pub(super) struct Signer {
    pub(super) domain: Domain,
    own: Option<Own>,
    run: Option<String>,
    /// Asked for when something is really written.
    commit: OnceLock<Option<String>>,
    env: Map<OsString, OsString>,
    root: PathBuf,
}

impl Signer {
    /// The one of a checkout.
    pub(super) fn new(standing: &Standing, env: &Map<OsString, OsString>, root: &Path) -> Self {
        Self {
            domain: standing.domain.clone(),
            own: standing.signer.clone(),
            run: ci::run(env),
            commit: OnceLock::new(),
            env: env.clone(),
            root: root.to_path_buf(),
        }
    }

    /// The environment of the build.
    pub(super) fn env(&self) -> &Map<OsString, OsString> {
        &self.env
    }

    /// What is said of an entry with that text; nothing without a key.
    pub(super) fn statement(&self, about: About, text: &[u8], made: Made) -> Vec<u8> {
        let Some(own) = &self.own else { return Vec::new() };
        let is_now = made == Made::Now;
        let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let statement = Statement {
            about,
            text: Hash::of(text),
            platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
            writer: own.holder.name.clone(),
            commit: is_now.then(|| self.commit.get_or_init(|| self.commit()).clone()).flatten(),
            run: self.run.clone().filter(|run| is_now && run.len() <= FIELD_MAX),
            time: time.map_or(0, |time| time.as_secs()),
            by: own.holder.key,
        };
        statement.signed(own).into_bytes()
    }

    /// What the CI system says, or else git: then only where the files are those of the commit.
    fn commit(&self) -> Option<String> {
        ci::commit(&self.env).or_else(|| {
            let is_changed = !self.git(&["status", "--porcelain"])?.is_empty();
            let commit = self.git(&["rev-parse", "HEAD"])?;
            (!is_changed && ci::is_commit(&commit)).then_some(commit)
        })
    }

    /// What git says, if it does as it is told.
    fn git(&self, arguments: &[&str]) -> Option<String> {
        let mut git = Command::new("git");
        git.args(["-c", "core.fsmonitor=false"]).args(arguments);
        git.current_dir(&self.root).env_clear().envs(&since::environment(&self.env));
        let output = git.stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    }
}
