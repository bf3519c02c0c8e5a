//! What happens before a build, and which steps have to run then.

use super::contender::Contender;
use super::work::{Edits, Shape, Work};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs::File;
use std::time::SystemTime;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Scenario {
    Cold,
    NoOp,
    Deleted,
    Leaf,
    Touched,
    OneService,
    LibraryComment,
    Library,
    TwoServices,
    TakenBack,
}

const SERVICE: &str = "services/worker/processor.go";
const OTHER_SERVICE: &str = "services/api/main.go";
const LIBRARY: &str = "shared/models/order.go";

impl Scenario {
    pub(crate) const ALL: [Self; 10] = [
        Self::Cold,
        Self::NoOp,
        Self::OneService,
        Self::LibraryComment,
        Self::Library,
        Self::TwoServices,
        Self::Deleted,
        Self::TakenBack,
        Self::Leaf,
        Self::Touched,
    ];

    pub(crate) fn happens_in(self, shape: Shape) -> bool {
        match self {
            Self::Cold | Self::NoOp | Self::Deleted => true,
            Self::Leaf | Self::Touched => shape != Shape::Go,
            _ => shape == Shape::Go,
        }
    }

    /// As on the command line and in the file of results.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::NoOp => "no-op",
            Self::Deleted => "deleted",
            Self::Leaf => "leaf",
            Self::Touched => "touched",
            Self::OneService => "service",
            Self::LibraryComment => "comment",
            Self::Library => "library",
            Self::TwoServices => "services",
            Self::TakenBack => "taken-back",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::NoOp => "no-op",
            Self::Deleted => "outputs deleted",
            Self::Leaf => "one leaf",
            Self::Touched => "all touched",
            Self::OneService => "one service",
            Self::LibraryComment => "library, comment",
            Self::Library => "library",
            Self::TwoServices => "two services",
            Self::TakenBack => "taken back",
        }
    }

    /// Brings a contender whose last build is done to where this scenario begins. `round` makes the edits new ones.
    pub(crate) fn prepare(
        self,
        work: &Work,
        contender: &mut Contender,
        round: usize,
        build: impl FnOnce(&Contender) -> Result<()>,
    ) -> Result<()> {
        let mut edits = contender.edits.clone();
        match self {
            Self::Cold => contender.forget(work)?,
            Self::NoOp => {}
            Self::Deleted => contender.delete_outputs(work)?,
            Self::Leaf => {
                let file = work.steps.last().and_then(|step| step.files.first());
                let file = file.context("there is no step")?.clone();
                edits.insert(file, format!("round {round}\n"));
            }
            Self::Touched => {
                let now = SystemTime::now();
                for file in work.files() {
                    File::options()
                        .append(true)
                        .open(contender.root.join(file))?
                        .set_modified(now)?;
                }
            }
            Self::OneService => self.edit(&mut edits, SERVICE, round),
            Self::Library => self.edit(&mut edits, LIBRARY, round),
            Self::LibraryComment => {
                edits.insert(LIBRARY.into(), format!("\n// Round {round}.\n"));
            }
            Self::TwoServices => {
                self.edit(&mut edits, SERVICE, round);
                self.edit(&mut edits, OTHER_SERVICE, round);
            }
            Self::TakenBack => {
                let before = edits.clone();
                self.edit(&mut edits, LIBRARY, round);
                contender.edit(work, edits)?;
                build(contender)?;
                edits = before;
            }
        }
        contender.edit(work, edits)
    }

    /// A change that shows in the binaries.
    fn edit(self, edits: &mut Edits, file: &str, round: usize) {
        let number = 1_000 * (self as usize + 1) + round;
        let code = format!(
            "\n//go:noinline\nfunc round{number}() int {{ return {number} }}\n\nfunc init() {{ round{number}() }}\n"
        );
        edits.insert(file.into(), code);
    }

    /// The steps that a contender of this kind has to run, sorted; a library that nothing but a comment changed in counts as changed.
    pub(crate) fn expected(self, work: &Work, contender: &Contender) -> Vec<String> {
        let kind = contender.kind;
        let all: BTreeSet<&str> = work.steps.iter().map(|step| step.name.as_str()).collect();
        let with_output = work.steps.iter().filter(|step| step.output.is_some());
        let with_output: BTreeSet<&str> = with_output.map(|step| step.name.as_str()).collect();
        let from_models = BTreeSet::from(["models", "api", "worker", "admin"]);
        let expected = match self {
            _ if kind.is_oblivious() => all,
            Self::Cold => all,
            Self::Touched if !kind.goes_by_content() => all,
            Self::NoOp | Self::Touched => BTreeSet::new(),
            Self::Deleted if kind.restores() => BTreeSet::new(),
            Self::Deleted => with_output,
            Self::Leaf => work.steps.last().map(|step| step.name.as_str()).into_iter().collect(),
            Self::OneService => BTreeSet::from(["worker"]),
            Self::LibraryComment | Self::Library => from_models,
            Self::TwoServices => BTreeSet::from(["api", "worker"]),
            Self::TakenBack if kind.restores() => BTreeSet::new(),
            Self::TakenBack => from_models,
        };
        expected.into_iter().map(str::to_owned).collect()
    }
}
