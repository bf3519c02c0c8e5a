//! What the parts of a build with nothing to do cost, one by one, on a generated tree of 100 steps with 100 files each: in time, and where
//! valgrind is (`apt-get install valgrind`) in instructions, which tell a slow-down that the noise of a machine hides.
//!
//! ```text
//! cargo bench -p cargo-granular --bench parts
//! cargo bench -p cargo-granular --bench parts -- --tree 1000x10 --runs 31
//! ```
//!
//! Instructions of the system do not count, which are most of what walk and stat cost: there the number of calls is what matters, and the time.

#![expect(clippy::print_stdout, reason = "a program of its own, whose output is its result")]

#[path = "beside/contender.rs"]
#[allow(dead_code, reason = "the benchmark `beside` needs more of it")]
mod contender;
#[path = "beside/expected.rs"]
#[allow(dead_code, reason = "the benchmark `beside` needs more of it")]
mod expected;
#[allow(dead_code, reason = "other benchmarks need more of it")]
mod measuring;
#[path = "beside/setup.rs"]
mod setup;
#[path = "beside/work.rs"]
#[allow(dead_code, reason = "the benchmark `beside` needs more of it")]
mod work;

use anyhow::{Context, Result, anyhow, bail, ensure};
use contender::{Contender, Kind, Programs};
use granular::content::Input;
use granular::fingerprint::{self, Ingredients};
use granular::index::Index;
use granular::inputs::{self, Found, FoundInputs, Hidden};
use granular::ordered::Map;
use granular::pattern::InputPatterns;
use granular::project::{self, Project};
use granular::select::{self, Selection};
use granular::stat::Stat;
use granular::triple::Triple;
use granular::workspace::Workspace;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use work::{Shape, Work};

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Tables,
    Plan,
    Walk,
    ReadIndex,
    Lookup,
    WriteIndex,
    Fingerprint,
    Hash,
}

impl Part {
    const ALL: [Self; 8] = [
        Self::Tables,
        Self::Plan,
        Self::Walk,
        Self::ReadIndex,
        Self::Lookup,
        Self::WriteIndex,
        Self::Fingerprint,
        Self::Hash,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Tables => "tables",
            Self::Plan => "plan",
            Self::Walk => "walk",
            Self::ReadIndex => "read-index",
            Self::Lookup => "lookup",
            Self::WriteIndex => "write-index",
            Self::Fingerprint => "fingerprint",
            Self::Hash => "hash",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Tables => "read the tables, tie the graph",
            Self::Plan => "choose what is wanted",
            Self::Walk => "walk and stat",
            Self::ReadIndex => "read the index",
            Self::Lookup => "digests from the index",
            Self::WriteIndex => "write the index",
            Self::Fingerprint => "fingerprints",
            Self::Hash => "digests without an index",
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse()?;
    if let Some((part, passes, dir)) = &arguments.one {
        let world = World::open(dir)?;
        return (0..*passes).try_for_each(|_| world.pass(*part));
    }
    let scratch =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("parts-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let scratch = measuring::Scratch(scratch.canonicalize()?);
    let programs = Programs { ours: "none".into(), peers: scratch.0.join("none"), jobs: 1 };
    let work = Work::new(arguments.shape)?;
    let contender = Contender::new(Kind::Granular, &work, &programs, &scratch.0)?;
    // So that every file has been left alone for long enough to be remembered.
    std::thread::sleep(Duration::from_millis(100));
    let world = World::open(&contender.root)?;
    world.index.save(&world.file)?;
    println!("{} files in {} steps", work.files().count(), work.steps.len());
    println!("{:<32} {:>24} {:>18}", "", "ms, median (spread)", "instructions");
    for part in Part::ALL {
        let mut times = Vec::new();
        world.pass(part)?;
        for _ in 0..arguments.runs {
            let began = Instant::now();
            world.pass(part)?;
            times.push(began.elapsed());
        }
        let instructions = match instructions(part, &contender.root) {
            Ok(count) => count.to_string(),
            Err(error) => format!("none: {error:#}"),
        };
        println!("{:<32} {:>24} {instructions:>18}", part.title(), told(&mut times));
    }
    Ok(())
}

/// The median with the spread behind it.
fn told(times: &mut [Duration]) -> String {
    times.sort();
    let ms = |time: Option<&Duration>| time.copied().unwrap_or_default().as_secs_f64() * 1e3;
    let middle = ms(times.get(times.len() / 2));
    format!("{middle:.3} ({:.2}–{:.2})", ms(times.first()), ms(times.last()))
}

/// How many instructions one pass takes: those of three passes less those of one, halved, so that what comes before does not count.
fn instructions(part: Part, dir: &Path) -> Result<u64> {
    let count = |passes: usize| -> Result<u64> {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        valgrind.arg(std::env::current_exe()?).args(["--one", part.name(), &passes.to_string()]);
        let output = valgrind.arg(dir).output().context("valgrind does not start")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{said}");
        let line = said.lines().find_map(|line| line.split_once("Collected :"));
        let (_, number) = line.context("valgrind tells no number")?;
        number.trim().parse().context("valgrind tells no number")
    };
    Ok(count(3)?.saturating_sub(count(1)?) / 2)
}

/// A tree with all that the parts start from.
struct World {
    workspace: Workspace,
    project: Project,
    hidden: Hidden,
    found: Vec<FoundInputs>,
    inputs: Vec<Vec<Input>>,
    index: Index,
    /// Where the index is kept, and where it is written to.
    file: PathBuf,
}

impl World {
    fn open(root: &Path) -> Result<Self> {
        let workspace = Workspace {
            root: root.to_path_buf(),
            target: root.join("target"),
            packages: Vec::new(),
            default_members: Vec::new(),
        };
        let project = load(&workspace)?;
        let outputs = project.graph.actions().iter().flat_map(|action| &action.outputs);
        let hidden = Hidden::new(Vec::new(), outputs.cloned().collect());
        let file = root.join("index");
        let index = Index::open(&file);
        let found = walk(&project, &hidden)?;
        let digest = |found: &FoundInputs| inputs::digest(root, &found.files, &index);
        let inputs = found.iter().map(digest).collect::<Result<_, _>>();
        let inputs = inputs.map_err(|error| anyhow!("{error}"))?;
        Ok(Self { workspace, project, hidden, found, inputs, index, file })
    }

    /// One pass of `part` over the whole tree.
    fn pass(&self, part: Part) -> Result<()> {
        let root = &self.workspace.root;
        match part {
            Part::Tables => drop(black_box(load(&self.workspace)?)),
            Part::Plan => {
                let all = Selection { workspace_steps: true, ..Selection::default() };
                let wanted = select::select(&self.project.graph, &all);
                ensure!(
                    wanted.is_ok_and(|wanted| !black_box(wanted).is_empty()),
                    "nothing is wanted"
                );
            }
            Part::Walk => drop(black_box(walk(&self.project, &self.hidden)?)),
            Part::ReadIndex => {
                let index = Index::open(&self.file);
                ensure!(index.lookup(&self.some_stat()?).is_some(), "the index is empty");
            }
            Part::Lookup => {
                for found in &self.found {
                    let inputs = inputs::digest(root, &found.files, &self.index);
                    black_box(inputs.map_err(|error| anyhow!("{error}"))?);
                }
            }
            Part::WriteIndex => {
                // A file that is not in it yet, so that it has to be written.
                let index = Index::open(&self.file);
                let mut stat = self.some_stat()?;
                let digest = index.lookup(&stat).context("the index is empty")?;
                stat.inode = u64::MAX;
                index.remember(&stat, digest);
                let saved = index.save(&root.join("index.new"));
                ensure!(saved.map_err(|error| anyhow!("{error}"))?, "it was not written");
            }
            Part::Fingerprint => {
                let nothing = Map::new();
                for (action, inputs) in self.project.graph.actions().iter().zip(&self.inputs) {
                    black_box(fingerprint::of(&Ingredients {
                        action,
                        tracked: &nothing,
                        tools: &[],
                        artifacts: &[],
                        inputs,
                        outside: &[],
                        needs: &[],
                    }));
                }
            }
            Part::Hash => {
                let index = Index::default();
                let all: Vec<Found> =
                    self.found.iter().flat_map(|found| found.files.iter().cloned()).collect();
                let inputs = inputs::digest(root, &all, &index);
                black_box(inputs.map_err(|error| anyhow!("{error}"))?);
            }
        }
        Ok(())
    }

    fn some_stat(&self) -> Result<Stat> {
        let found = self.found.last().and_then(|found| found.files.last());
        Ok(found.context("there is no file")?.stat)
    }
}

fn load(workspace: &Workspace) -> Result<Project> {
    let loaded = project::load(workspace.clone(), &Triple::default());
    let (project, mistakes) = loaded.map_err(|error| anyhow!("{error}"))?;
    match mistakes.first() {
        Some(mistake) => bail!("{mistake:?}"),
        None => Ok(project),
    }
}

fn walk(project: &Project, hidden: &Hidden) -> Result<Vec<FoundInputs>> {
    let patterns: Vec<&InputPatterns> =
        project.graph.actions().iter().map(|action| &action.inputs).collect();
    let found = inputs::find(&project.workspace.root, &patterns, hidden);
    found.map_err(|error| anyhow!("{error}"))
}

struct Arguments {
    shape: Shape,
    runs: usize,
    /// A part, how many passes of it, and in which tree: for who counts instructions.
    one: Option<(Part, usize, PathBuf)>,
}

impl Arguments {
    fn parse() -> Result<Self> {
        let mut parsed =
            Self { shape: Shape::Grid { steps: 100, files: 100 }, runs: 15, one: None };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("`{word}` needs a value"));
            match word.as_str() {
                "--bench" => {} // what Cargo adds
                "--tree" => parsed.shape = value()?.parse()?,
                "--runs" => parsed.runs = value()?.parse::<usize>()?.max(1),
                "--one" => {
                    let name = value()?;
                    let part = Part::ALL.into_iter().find(|part| part.name() == name);
                    parsed.one =
                        Some((part.context("no such part")?, value()?.parse()?, value()?.into()));
                }
                _ => bail!("unknown argument `{word}`; there are --tree STEPSxFILES, --runs N"),
            }
        }
        Ok(parsed)
    }
}
