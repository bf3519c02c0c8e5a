//! Asks Cargo for a workspace, by `cargo metadata --no-deps`. Knows no terminal; what Cargo says of a manifest that is wrong or missing is
//! passed on as it is.

use super::{Package, Workspace};
use crate::environment;
use crate::error::Error;
use crate::ordered::{self, Map};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tinyjson::JsonValue;

/// How Cargo is to be asked.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// The Cargo to ask: a path, or a name that is looked up in `PATH`.
    pub cargo: OsString,
    /// The directory to ask in, absolute: the search for a manifest begins there.
    pub dir: PathBuf,
    /// `--manifest-path`.
    pub manifest_path: Option<PathBuf>,
    /// What stands in for the target directory that Cargo would take.
    pub target_dir: Option<PathBuf>,
    /// `--locked`, `--offline`, `--frozen`.
    pub flags: Vec<String>,
    /// The environment of this process.
    pub env: Map<OsString, OsString>,
}

/// Why there is no workspace.
#[derive(Debug)]
pub enum Refusal {
    /// Cargo's own words, from its first error on, without the word `error:` in front.
    Words(String),
    /// Cargo could not be asked, or not be understood.
    Environment(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Environment(error)
    }
}

/// Asks Cargo.
pub fn ask(question: &Question) -> Result<Workspace, Refusal> {
    let mut command = Command::new(&question.cargo);
    command.args(["metadata", "--no-deps", "--format-version=1"]).args(&question.flags);
    command.stdin(Stdio::null());
    for name in environment::SECRETS {
        command.env_remove(name);
    }
    // A directory that is gone is no reason to fail where a manifest is named.
    if question.dir.is_dir() {
        command.current_dir(&question.dir);
    }
    if let Some(path) = &question.manifest_path {
        command.arg("--manifest-path").arg(path);
    }
    if let Some(target) = &question.target_dir {
        command.env("CARGO_TARGET_DIR", question.dir.join(target));
    }
    let output = command.output().map_err(|error| not_started(&question.cargo, error))?;
    if !output.status.success() {
        return Err(Refusal::Words(own_words(&String::from_utf8_lossy(&output.stderr))));
    }
    Ok(parse(&output.stdout)?)
}

fn not_started(cargo: &OsString, error: std::io::Error) -> Error {
    Error::io("cannot start", Path::new(cargo), error)
        .hint("the variable CARGO, or else PATH, says where Cargo is")
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

/// Reads what `cargo metadata --no-deps` prints.
fn parse(stdout: &[u8]) -> Result<Workspace, Error> {
    let not_understood =
        |why: &str| Error::new(format!("cannot understand `cargo metadata`: {why}"));
    let text = std::str::from_utf8(stdout).map_err(|_| not_understood("it is not UTF-8"))?;
    let json: JsonValue = text.trim().parse().map_err(|_| not_understood("it is not JSON"))?;
    workspace(&json).ok_or_else(|| not_understood("a field is missing"))
}

fn workspace(json: &JsonValue) -> Option<Workspace> {
    let members = texts(field(json, "workspace_members")?)?;
    let mut packages = Vec::new();
    for package in array(field(json, "packages")?)? {
        let id = text(field(package, "id")?)?;
        if members.contains(&id) {
            let name = text(field(package, "name")?)?.to_owned();
            let manifest = text(field(package, "manifest_path")?)?.into();
            packages.push((id, Package { name, manifest }));
        }
    }
    ordered::sort_by(&mut packages, |(_, a), (_, b)| a.name.cmp(&b.name));
    // A Cargo older than 1.71 does not tell them: then all are meant.
    let default_ids = field(json, "workspace_default_members").and_then(texts).unwrap_or(members);
    let is_default = |id: &&str| default_ids.contains(id);
    let default_members =
        packages.iter().filter(|(id, _)| is_default(id)).map(|(_, it)| it.name.clone()).collect();
    Some(Workspace {
        root: text(field(json, "workspace_root")?)?.into(),
        target: text(field(json, "target_directory")?)?.into(),
        packages: packages.into_iter().map(|(_, package)| package).collect(),
        default_members,
    })
}

/// The field of an object.
pub(crate) fn field<'a>(json: &'a JsonValue, name: &str) -> Option<&'a JsonValue> {
    match json {
        JsonValue::Object(fields) => fields.get(name),
        _ => None,
    }
}

fn array(json: &JsonValue) -> Option<&[JsonValue]> {
    match json {
        JsonValue::Array(values) => Some(values),
        _ => None,
    }
}

/// A string.
pub(crate) fn text(json: &JsonValue) -> Option<&str> {
    match json {
        JsonValue::String(text) => Some(text),
        _ => None,
    }
}

/// An array of strings.
pub(crate) fn texts(json: &JsonValue) -> Option<Vec<&str>> {
    array(json)?.iter().map(text).collect()
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
    fn what_is_no_metadata_is_told_and_not_believed() {
        let error = |text: &str| parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error("").contains("not JSON"));
        assert!(error("[]").contains("a field is missing"));
        assert!(
            error(r#"{"packages": 1, "workspace_members": []}"#).contains("a field is missing")
        );
    }

    #[test]
    fn only_members_count_and_default_members_are_told_by_name() {
        let workspace = parse(
            br#"{"packages":[{"id":"p#b","name":"b","manifest_path":"/w/b/Cargo.toml"},{"id":"p#a","name":"a","manifest_path":"/w/a/Cargo.toml"},
            {"id":"x","name":"x","manifest_path":"/x/Cargo.toml"}],"workspace_members":["p#b","p#a"],"workspace_default_members":["p#b"],
            "target_directory":"/t","workspace_root":"/w","version":1}"#,
        )
        .unwrap();
        let names: Vec<_> =
            workspace.packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!((names, workspace.default_members), (vec!["a", "b"], vec!["b".to_owned()]));
    }
}
