//! The workspace that this invocation is about, and where in it we are.

use crate::session::Session;
use crate::trouble::{Result, Trouble};
use granular::workspace::ask::{Question, Refusal};
use granular::workspace::{self, Known, Workspace};
use std::path::{Path, PathBuf};

/// What is known of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The question that it is the answer to.
    pub(crate) question: Question,
    /// The workspace.
    pub(crate) known: Known,
    /// The package whose directory this is, unless it is the one at the root of the workspace.
    pub(crate) current: Option<String>,
}

/// What is remembered, or what the Cargo says that started us, or else the one in the path.
pub(crate) fn ask(session: &Session) -> Result<Found> {
    let question = question(session);
    let known = workspace::find(&question).map_err(refused)?;
    let current = current(&known.workspace, &start(session));
    Ok(Found { question, known, current })
}

fn question(session: &Session) -> Question {
    let common = &session.common;
    let flags =
        [("--locked", common.locked), ("--offline", common.offline), ("--frozen", common.frozen)];
    Question {
        cargo: session.variable("CARGO").unwrap_or("cargo").into(),
        dir: session.dir.clone(),
        manifest_path: common.manifest_path.clone(),
        target_dir: common.target_dir.clone(),
        flags: flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag.into()).collect(),
        env: session.env.clone(),
    }
}

/// The directory in which the search for a manifest begins.
fn start(session: &Session) -> PathBuf {
    match &session.common.manifest_path {
        Some(path) => session.dir.join(path).parent().map(Path::to_path_buf).unwrap_or_default(),
        None => session.dir.clone(),
    }
}

/// The package of the nearest manifest from `dir` upwards, unless that is the workspace's own.
fn current(workspace: &Workspace, dir: &Path) -> Option<String> {
    let nearest = dir.ancestors().map(|dir| dir.join("Cargo.toml")).find(|path| path.is_file())?;
    let nearest = real(&nearest);
    if nearest == real(&workspace.root.join("Cargo.toml")) {
        return None;
    }
    let is_it = |manifest: &Path| manifest == nearest || real(manifest) == nearest;
    let package = workspace.packages.iter().find(|package| is_it(&package.manifest));
    package.map(|package| package.name.clone())
}

/// The path without links, so that two ways to one file compare equal.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

fn refused(refusal: Refusal) -> Trouble {
    match refusal {
        Refusal::Words(words) => Trouble::usage(words),
        Refusal::Environment(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Common;
    use crate::shell::{Shell, Verbosity};
    use granular::workspace::Package;

    #[test]
    fn the_package_of_a_directory_is_that_of_the_nearest_manifest() {
        let root = std::env::temp_dir().join(format!("granular-ask-cargo-{}", std::process::id()));
        std::fs::create_dir_all(root.join("web/src")).unwrap();
        std::fs::write(root.join("Cargo.toml"), "").unwrap();
        std::fs::write(root.join("web/Cargo.toml"), "").unwrap();
        let package = Package { name: "web".to_owned(), manifest: root.join("web/Cargo.toml") };
        let workspace = Workspace {
            root: root.clone(),
            target: root.join("target"),
            packages: vec![package],
            default_members: Vec::new(),
        };
        let found = [
            current(&workspace, &root.join("web/src")),
            current(&workspace, &root),
            current(&workspace, &root.join("other")),
        ];
        std::fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, [Some("web".to_owned()), None, None]);
    }

    #[test]
    fn we_read_what_cargo_says_as_the_crate_made_for_it_does() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf();
        let session = Session {
            shell: Shell { verbosity: Verbosity::Normal, is_guarded: false },
            common: Common { offline: true, ..Common::default() },
            env: std::env::vars_os().collect(),
            dir: dir.clone(),
        };
        let ours = workspace::ask::ask(&question(&session)).unwrap();
        let mut command = cargo_metadata::MetadataCommand::new();
        let theirs =
            command.no_deps().current_dir(&dir).other_options(vec!["--offline".into()]).exec();
        let theirs = theirs.unwrap();
        let mut packages: Vec<_> = theirs
            .workspace_packages()
            .iter()
            .map(|package| Package {
                name: package.name.to_string(),
                manifest: package.manifest_path.clone().into(),
            })
            .collect();
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        let mut default_members: Vec<_> =
            theirs.workspace_default_packages().iter().map(|it| it.name.to_string()).collect();
        default_members.sort();
        let (root, target) = (theirs.workspace_root.into(), theirs.target_directory.into());
        assert_eq!(ours, Workspace { root, target, packages, default_members });
    }
}
