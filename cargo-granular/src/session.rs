//! What every command starts from: the arguments that all commands take, the environment, the directory, the streams.

use crate::ask_cargo::{self, Found};
use crate::cli::{Common, Jobs};
use crate::github;
use crate::shell::{Shell, Verbosity};
use crate::trouble::{Result, Trouble};
use granular::build;
use granular::cargo::Cargo;
use granular::config::Settings;
pub(crate) use granular::environment::{path, variable};
use granular::ordered::Map;
use granular::project::{self, Project};
use granular::rustup;
use granular::triple::Triple;
use granular::workspace::ask::Question;
use granular::workspace::{self, Known};
use std::ffi::OsString;
use std::path::PathBuf;

/// What every command starts from.
pub(crate) struct Session {
    /// The streams to the user.
    pub(crate) shell: Shell,
    /// The arguments that all commands take.
    pub(crate) common: Common,
    /// The environment of this process, without what rustup has put in.
    pub(crate) env: Map<OsString, OsString>,
    /// The current directory.
    pub(crate) dir: PathBuf,
}

/// A project, and the package whose directory this is.
pub(crate) struct Opened {
    /// The project, without mistakes.
    pub(crate) project: Project,
    /// The package whose directory this is, unless it is the one at the root of the workspace.
    pub(crate) current: Option<String>,
    question: Question,
    known: Known,
}

impl Opened {
    /// Remembers what Cargo said, so that the next time it need not be asked. To be called where the state of the checkout exists.
    pub(crate) fn remember(&self) {
        workspace::remember(&self.question, &self.known);
    }
}

impl Session {
    /// The session of this process.
    pub(crate) fn new(common: Common) -> Self {
        let env = rustup::undone(std::env::vars_os().collect());
        let shell =
            Shell { verbosity: verbosity(&common, &env), is_guarded: github::is_reading(&env) };
        // A directory that is gone is no reason to fail where a manifest is named; Cargo complains where none is.
        let dir = std::env::current_dir().unwrap_or_default();
        Self { shell, common, env, dir }
    }

    /// The value of a variable that is set to some text.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        variable(&self.env, name)
    }

    /// Asks Cargo, and reads what the tables say.
    pub(crate) fn open(&self) -> Result<Opened> {
        self.open_found(ask_cargo::ask(self)?)
    }

    /// Reads what the tables say of a workspace that was found.
    pub(crate) fn open_found(&self, found: Found) -> Result<Opened> {
        let Found { question, known, current } = found;
        let (mut project, mut mistakes) = project::load(known.workspace.clone(), &self.triple())?;
        if !mistakes.is_empty() {
            mistakes.extend(build::mistakes_of_files(&project, &mistakes));
            return Err(Trouble::Mistakes(mistakes));
        }
        project.cargo = self.cargo(&question, &project);
        Ok(Opened { project, current, question, known })
    }

    /// What `{target}` stands for.
    pub(crate) fn triple(&self) -> Triple {
        self.variable("CARGO_BUILD_TARGET").map_or_else(Triple::default, Triple::new)
    }

    /// The Cargo that is asked for what steps want of it.
    pub(crate) fn cargo(&self, question: &Question, project: &Project) -> Cargo {
        // The Cargo that runs a build script has locked its target directory, and would be waited for for ever.
        let is_build_script =
            ["OUT_DIR", "NUM_JOBS", "RUSTC"].iter().all(|name| self.variable(name).is_some());
        let target = match is_build_script {
            true => project.state_dir.join("cargo"),
            false => project.workspace.target.clone(),
        };
        let mut cargo = Cargo::new(question.cargo.clone(), target);
        cargo.flags = question.flags.clone();
        cargo
    }

    /// The settings of the workspace, for commands that make sense without one.
    pub(crate) fn settings(&self) -> Result<Settings> {
        match self.open() {
            Ok(opened) => Ok(opened.project.config.settings),
            Err(Trouble::Usage { .. }) if self.common.manifest_path.is_none() => {
                Ok(Settings::default())
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// How many steps may run at once: what the flag says, or else `CARGO_BUILD_JOBS`; `None` for as many as there are processors.
    pub(crate) fn jobs(&self, flag: Option<Jobs>) -> Result<Option<usize>> {
        let jobs = match (flag, self.variable("CARGO_BUILD_JOBS")) {
            (Some(jobs), _) => jobs,
            (None, Some(text)) => Jobs::parse(text).map_err(|why| {
                Trouble::usage(format!("`{text}` cannot be the value of CARGO_BUILD_JOBS: {why}"))
            })?,
            (None, None) => Jobs::Default,
        };
        Ok(jobs.number(std::thread::available_parallelism().map_or(1, usize::from)))
    }
}

fn verbosity(common: &Common, env: &Map<OsString, OsString>) -> Verbosity {
    let is_set = |name| matches!(variable(env, name), Some("true" | "1"));
    match common {
        Common { quiet: true, .. } => Verbosity::Quiet,
        Common { verbose: 1, .. } => Verbosity::Verbose,
        Common { verbose: 2.., .. } => Verbosity::Full,
        _ if is_set("CARGO_TERM_QUIET") => Verbosity::Quiet,
        _ if is_set("CARGO_TERM_VERBOSE") => Verbosity::Verbose,
        _ => Verbosity::Normal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_stronger_than_a_variable() {
        let quiet = Map::from([("CARGO_TERM_QUIET".into(), "true".into())]);
        let verbose = Map::from([("CARGO_TERM_VERBOSE".into(), "true".into())]);
        let none = Common::default();
        assert_eq!(verbosity(&none, &Map::new()), Verbosity::Normal);
        assert_eq!(verbosity(&none, &quiet), Verbosity::Quiet);
        assert_eq!(verbosity(&none, &verbose), Verbosity::Verbose);
        assert_eq!(verbosity(&Common { verbose: 2, ..none.clone() }, &quiet), Verbosity::Full);
        assert_eq!(verbosity(&Common { quiet: true, ..none }, &verbose), Verbosity::Quiet);
    }

    #[test]
    fn the_number_of_jobs_comes_from_the_flag_or_from_cargos_variable() {
        let session = |value: &str| Session {
            shell: Shell { verbosity: Verbosity::Normal, is_guarded: false },
            common: Common::default(),
            env: Map::from([("CARGO_BUILD_JOBS".into(), value.into())]),
            dir: PathBuf::new(),
        };
        assert_eq!(session("3").jobs(None).unwrap(), Some(3));
        assert_eq!(session("3").jobs(Some(Jobs::Default)).unwrap(), None);
        assert_eq!(session("").jobs(None).unwrap(), None);
        assert!(matches!(session("many").jobs(None), Err(Trouble::Usage { .. })));
    }
}
