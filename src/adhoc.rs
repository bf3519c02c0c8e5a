//! A command that no table declares, as a step of a workspace: what `cargo granular exec` runs. Knows no terminal.
//!
//! The command becomes a step of a package that cannot exist, `@exec`, in the directory where it was asked for, and is then like any other: it
//! has a key, a record and results, and its outputs may not overlap with those of a declared step.
//!
//! Its name is what this checkout knows it by. A command that leaves something in the tree is known by what it leaves, so that one whose
//! arguments have changed takes the place of the earlier one and what that left is cleared and not taken for somebody else's; any other is
//! known by all that is said of it.

use crate::action::ActionId;
use crate::canon;
use crate::config::Extra;
use crate::declare::Table;
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::mistake::Mistake;
use crate::ordered::{self, Map};
use crate::path::RelPath;
use crate::project::{self, Project};
use crate::step::StepName;
use crate::triple::Triple;
use crate::workspace::Workspace;
use std::path::{Path, PathBuf};

/// The package that such steps belong to; no real one can have the name.
pub const PACKAGE: &str = "@exec";

/// A command and what is said of it. The fields are the keys of a step; see [`crate::step::Step`].
#[derive(Clone, Debug, Default)]
pub struct Adhoc {
    /// The directory that patterns are relative to, absolute.
    pub base: PathBuf,
    /// The program and its arguments, as in an array `run`.
    pub run: Vec<String>,
    /// `None` for every file below `base` that is not ignored.
    pub inputs: Option<Vec<String>>,
    /// Empty for a check.
    pub outputs: Vec<String>,
    /// By their full names.
    pub needs: Vec<String>,
    /// Variables to set.
    pub env: Map<String, String>,
    /// Variables to pass through that count.
    pub track_env: Vec<String>,
    /// Variables to pass through that do not.
    pub pass_env: Vec<String>,
    /// Programs it uses besides the one that it starts.
    pub tools: Vec<String>,
    /// The directory it is run in, relative to `base`; that itself if there is none.
    pub dir: Option<String>,
    /// When it is stopped: `90s`, `5m`.
    pub timeout: Option<String>,
}

impl Adhoc {
    /// The step's name, of a command in this directory below the workspace root.
    fn name(&self, dir: &RelPath) -> StepName {
        StepName { package: Some(PACKAGE.to_owned()), step: self.step(dir) }
    }

    /// What stands for the manifest in mistakes.
    pub fn file(&self) -> PathBuf {
        self.base.join("command line")
    }

    fn step(&self, dir: &RelPath) -> String {
        let in_tree = self.outputs.iter().filter(|output| !output.starts_with("{out}"));
        let mut in_tree: Vec<&String> = in_tree.collect();
        ordered::sort(&mut in_tree);
        let readable = match in_tree.first() {
            Some(output) => output.trim_end_matches(['/', '*', '.']),
            None => self.run.first().map_or("", String::as_str),
        };
        let readable = Path::new(readable).file_stem().and_then(|name| name.to_str());
        let plain = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
        let readable: String =
            readable.unwrap_or_default().chars().filter(|char| plain(*char)).take(40).collect();
        let readable = readable.trim_start_matches(['-', '_']);
        let readable = if readable.is_empty() { "command" } else { readable };
        let mut text = dir.as_str().to_owned();
        match in_tree.is_empty() {
            true => text.push_str(&self.table().toml("")),
            false => in_tree.iter().for_each(|output| canon::quote(&mut text, output)),
        }
        let hash = Hash::of(text.as_bytes()).to_string();
        format!("{readable}-{}", &hash[..8])
    }

    fn table(&self) -> Table {
        let mut table = Table::default();
        table.array("run", &self.run);
        if let Some(inputs) = &self.inputs {
            table.array("inputs", inputs);
        }
        table.array("outputs", &self.outputs);
        let arrays = [
            ("needs", &self.needs),
            ("track-env", &self.track_env),
            ("pass-env", &self.pass_env),
            ("tools", &self.tools),
        ];
        for (key, values) in arrays {
            if !values.is_empty() {
                table.array(key, values);
            }
        }
        for (name, value) in &self.env {
            table.pair("env", name, value);
        }
        if let Some(dir) = &self.dir {
            table.text("dir", dir);
        }
        if let Some(timeout) = &self.timeout {
            table.text("timeout", timeout);
        }
        table
    }
}

/// A command among the steps of its workspace.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The workspace.
    pub project: Project,
    /// What the command is called as a step.
    pub name: StepName,
    /// Its action; `None` only where there are mistakes.
    pub action: Option<ActionId>,
    /// With any of these nothing may be run. Those of the command itself are in [`Adhoc::file`].
    pub mistakes: Vec<Mistake>,
}

/// Reads the tables of `workspace` with the command among them; `triple` is what `{target}` stands for.
pub fn load(workspace: Workspace, adhoc: &Adhoc, triple: &Triple) -> Result<Loaded> {
    let Some(dir) = below(&workspace.root, &adhoc.base) else {
        let (base, root) = (adhoc.base.display(), workspace.root.display());
        let message = format!("`{base}` does not lie in the workspace `{root}`");
        let hint =
            "go where the files are: what is cached is a command in a directory of a workspace";
        return Err(Error::new(message).hint(hint));
    };
    let name = adhoc.name(&dir);
    let extra = Extra {
        package: PACKAGE.to_owned(),
        file: adhoc.file(),
        dir: dir.under(&workspace.root),
        text: adhoc.table().toml(&name.step),
    };
    let state_dir = workspace.state_dir();
    let (project, mistakes) = project::load_with(workspace, state_dir, Some(&extra), triple)?;
    let action = project.graph.of_step(&name).next();
    Ok(Loaded { project, name, action, mistakes })
}

/// `dir` as a path below `root`, also where one of the two was reached through a link.
fn below(root: &Path, dir: &Path) -> Option<RelPath> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let path = dir.strip_prefix(root).map(Path::to_path_buf);
    let path = path.or_else(|_| real(dir).strip_prefix(real(root)).map(Path::to_path_buf)).ok()?;
    let parts: Option<Vec<&str>> =
        path.components().map(|part| part.as_os_str().to_str()).collect();
    RelPath::new(parts?.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(run: &[&str], outputs: &[&str], dir: &str) -> String {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let adhoc = Adhoc { run: own(run), outputs: own(outputs), ..Adhoc::default() };
        adhoc.name(&RelPath::new(dir).unwrap()).to_string()
    }

    #[test]
    fn what_is_left_in_the_tree_names_a_command_and_else_all_of_it() {
        let gen_name = name(&["protoc", "a"], &["gen"], "");
        assert!(gen_name.starts_with("@exec#gen-"), "{gen_name}");
        assert_eq!(gen_name, name(&["buf", "b"], &["gen"], ""));
        assert_ne!(gen_name, name(&["protoc", "a"], &["gen"], "sub"));
        assert_ne!(gen_name, name(&["protoc", "a"], &["gen", "more"], ""));
        assert!(name(&["/usr/bin/vet.sh"], &[], "").starts_with("@exec#vet-"));
        assert!(name(&["…"], &[], "").starts_with("@exec#command-"));
        assert_ne!(name(&["vet", "a"], &[], ""), name(&["vet", "b"], &[], ""));
        assert_ne!(name(&["a"], &["{out}"], ""), name(&["a", "b"], &["{out}"], ""));
    }
}
