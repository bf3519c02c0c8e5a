//! A workspace with everything that its tables declare: what every command starts from.

use crate::action::ActionId;
use crate::cargo::Cargo;
use crate::config::{self, Config, Extra};
use crate::error::Result;
use crate::graph::{self, Graph};
use crate::mistake::Mistake;
use crate::outputs::Roots;
use crate::step::Step;
use crate::triple::Triple;
use crate::workspace::Workspace;
use std::path::PathBuf;

/// A workspace, its configuration and its graph.
#[derive(Clone, Debug)]
pub struct Project {
    /// What Cargo says.
    pub workspace: Workspace,
    /// What the tables say.
    pub config: Config,
    /// All actions.
    pub graph: Graph,
    /// Where the state of what is built lies: `<target>/granular`, or in the `OUT_DIR` of a build script.
    pub state_dir: PathBuf,
    /// How Cargo is run for what steps want of it.
    pub cargo: Cargo,
}

/// Reads the tables of `workspace` and ties the graph; `triple` is what `{target}` stands for. With any mistake nothing may be run.
#[cfg(feature = "program")]
pub fn load(workspace: Workspace, triple: &Triple) -> Result<(Project, Vec<Mistake>)> {
    let state_dir = workspace.state_dir();
    load_with(workspace, state_dir, None, triple)
}

/// The same with the state in another place, and with tables besides those of the manifests.
pub(crate) fn load_with(
    workspace: Workspace,
    state_dir: PathBuf,
    extra: Option<&Extra>,
    triple: &Triple,
) -> Result<(Project, Vec<Mistake>)> {
    let (config, mut mistakes) = config::load_with(&workspace, extra, triple)?;
    let (graph, more) = graph::build(&config.steps);
    mistakes.extend(more);
    let mistakes = config::in_order(mistakes, &workspace);
    let cargo = Cargo::new("cargo".into(), workspace.target.clone());
    Ok((Project { workspace, config, graph, state_dir, cargo }, mistakes))
}

impl Project {
    /// The declaration that an action comes from.
    pub fn step_of(&self, id: ActionId) -> Option<&Step> {
        let name = &self.graph[id].name.step;
        self.config.steps.iter().find(|step| step.name == *name)
    }

    /// Whether this is what a build script sees, which leaves the tree alone.
    pub(crate) fn is_in_build_script(&self) -> bool {
        self.state_dir != self.workspace.state_dir()
    }

    /// The directory that `{out}` of an action stands for.
    pub fn out_dir(&self, id: ActionId) -> PathBuf {
        self.graph[id].name.out_dir().under(&self.state_dir.join("out"))
    }

    /// Where the outputs of an action lie, with staging room of this process's own.
    pub fn roots(&self, id: ActionId) -> Roots {
        let state = &self.state_dir;
        Roots {
            tree: self.workspace.root.clone(),
            out: self.out_dir(id),
            staging: state.join("tmp").join(std::process::id().to_string()),
            displaced: state.join("displaced"),
        }
    }
}
