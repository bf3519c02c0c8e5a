//! Asks Cargo for the workspace. Cargo's words on a manifest that is wrong or missing are passed on as they are.

use crate::session::Session;
use crate::trouble::{Result, Trouble};
use crate::wording;
use cargo_metadata::{Metadata, MetadataCommand};
use granular::workspace::{Package, Workspace};
use std::path::{Path, PathBuf};

/// What Cargo says.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The workspace.
    pub(crate) workspace: Workspace,
    /// The package whose directory this is, unless it is the one at the root of the workspace.
    pub(crate) current: Option<String>,
}

/// Asks the Cargo that started us, or the one in the path.
pub(crate) fn ask(session: &Session) -> Result<Found> {
    let metadata = command(session).exec().map_err(|error| refused(session, error))?;
    let workspace = workspace(&metadata);
    let current = current(&workspace, &start(session));
    Ok(Found { workspace, current })
}

fn command(session: &Session) -> MetadataCommand {
    let common = &session.common;
    let mut command = MetadataCommand::new();
    command.no_deps();
    if let Some(cargo) = session.variable("CARGO") {
        command.cargo_path(cargo);
    }
    if let Some(path) = &common.manifest_path {
        command.manifest_path(path);
    }
    if let Some(target) = &common.target_dir {
        command.env("CARGO_TARGET_DIR", session.dir.join(target));
    }
    let flags =
        [("--locked", common.locked), ("--offline", common.offline), ("--frozen", common.frozen)];
    let flags = flags.iter().filter(|(_, set)| *set).map(|(flag, _)| (*flag).to_owned());
    command.other_options(flags.collect::<Vec<_>>());
    command
}

fn workspace(metadata: &Metadata) -> Workspace {
    let mut packages: Vec<_> = metadata
        .workspace_packages()
        .iter()
        .map(|package| Package {
            name: package.name.to_string(),
            manifest: package.manifest_path.clone().into(),
        })
        .collect();
    packages.sort_by(|a, b| a.name.cmp(&b.name));
    Workspace {
        root: metadata.workspace_root.clone().into(),
        target: metadata.target_directory.clone().into(),
        default_members: default_members(metadata, &packages),
        packages,
    }
}

/// A Cargo older than 1.71 does not tell them: then all are meant.
fn default_members(metadata: &Metadata, packages: &[Package]) -> Vec<String> {
    if metadata.workspace_default_members.is_missing() {
        return packages.iter().map(|package| package.name.clone()).collect();
    }
    let mut names: Vec<_> = metadata
        .workspace_default_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    names.sort();
    names
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
    let is_it =
        |package: &&Package| package.manifest == nearest || real(&package.manifest) == nearest;
    workspace.packages.iter().find(is_it).map(|package| package.name.clone())
}

/// The path without links, so that two ways to one file compare equal.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_path_buf())
}

fn refused(session: &Session, error: cargo_metadata::Error) -> Trouble {
    match error {
        cargo_metadata::Error::CargoMetadata { stderr } => Trouble::usage(own_words(&stderr)),
        cargo_metadata::Error::Io(error) => {
            let cargo = session.variable("CARGO").unwrap_or("cargo");
            Trouble::Environment {
                message: format!("cannot start `{}`: {error}", wording::one_line(cargo)),
                help: Some("the variable CARGO, or else PATH, says where Cargo is".to_owned()),
            }
        }
        error => Trouble::Environment {
            message: format!("cannot understand `cargo metadata`: {error}"),
            help: None,
        },
    }
}

/// What Cargo printed, from its first error on, without the word `error:` that will stand in front again.
fn own_words(printed: &str) -> String {
    let printed = printed.trim();
    let from = match printed.starts_with("error: ") {
        true => Some(0),
        false => printed.find("\nerror: ").map(|at| at + 1),
    };
    match from.and_then(|at| printed.get(at + "error: ".len()..)) {
        Some(words) => words.to_owned(),
        None if printed.is_empty() => "`cargo metadata` failed without a word".to_owned(),
        None => printed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_words_are_passed_on_from_its_first_error() {
        assert_eq!(
            own_words("warning: x\nerror: no `Cargo.toml`\n\nCaused by:\n  y\n"),
            "no `Cargo.toml`\n\nCaused by:\n  y"
        );
        assert_eq!(own_words("error: a\n"), "a");
        assert_eq!(own_words("killed"), "killed");
        assert_eq!(own_words(" \n"), "`cargo metadata` failed without a word");
    }

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
}
