//! We beside others who do the same work: ninja, make, Turborepo, Nx, moon, Wireit, Vite+, go-task, a shell and plain Go, as far as they are here,
//! on trees that are written for it, and beside what the machine allows.
//!
//! ```text
//! cargo bench -p cargo-granular --bench beside                                      # who is here, on four trees
//! cargo bench -p cargo-granular --bench beside -- --install                         # fetch from npm and PyPI who is not
//! cargo bench -p cargo-granular --bench beside -- --trees 100x100,go --peers ninja,make --scenarios no-op,leaf --runs 9
//! cargo bench -p cargo-granular --bench beside -- --growth                          # our no-op over 10,000 to 500,000 files
//! cargo bench -p cargo-granular --bench beside -- --store                           # keep the figures: results.json, tables and pictures
//! cargo bench -p cargo-granular --bench beside -- --render                          # tables and pictures of what is kept, anew
//! ```
//!
//! What is held alike: every contender has a tree, a home and a cache of its own; the shape of the graph and every command are the same, and the
//! last thing a command does is to note that it ran. The page cache is warm. In every round each has its turn, so that a slow moment of the machine
//! meets all. After every run, and outside of what is timed, the outputs are compared with what they have to be, and the notes are counted.
//!
//! What is not alike: ninja and make are given every file by name and look at times only; who is given patterns looks for files each time. Programs
//! that npm links as scripts are started directly where that can be done. `cargo-granular` is started as it is, not by Cargo, which takes some 10 ms of its own.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of its own, whose output is its result"
)]

mod contender;
mod expected;
mod growth;
mod install;
mod limits;
#[path = "../measuring.rs"]
#[allow(dead_code, reason = "other benchmarks need more of it")]
mod measuring;
mod picture;
mod process;
mod results;
mod rounds;
mod scenario;
mod setup;
mod table;
mod work;

use anyhow::{Context, Result, bail, ensure};
use contender::{Kind, Programs};
use rounds::Wish;
use scenario::Scenario;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use work::Shape;

fn main() -> Result<()> {
    if std::env::args_os().nth(1).is_some_and(|word| word == process::BETWEEN) {
        println!("{}", process::between(std::env::args_os().skip(2))?);
        return Ok(());
    }
    let arguments = Arguments::parse()?;
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let stored = repository.join("benches/beside/results.json");
    if arguments.render {
        return render(&results::read(&stored)?, &repository);
    }
    let programs = Programs {
        ours: arguments.ours.canonicalize().context("our own program")?,
        peers: std::path::absolute(&arguments.peers_dir)?,
        jobs: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    if arguments.install {
        install::install(&arguments.kinds, &programs);
    }
    // Below the target directory: what is in memory only would not be the file system that is meant.
    let scratch =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("beside-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let scratch = measuring::Scratch(scratch.canonicalize()?);
    let figures = measure(&arguments, &programs, &scratch.0)?;
    let text = table::of(&figures);
    print!("{text}");
    fs::write(arguments.out.with_extension("md"), &text)?;
    results::write(&arguments.out, &figures)?;
    eprintln!("also in {} and .md", arguments.out.display());
    if arguments.store {
        let mut all = results::read(&stored)?;
        results::merge(&mut all, &figures);
        results::write(&stored, &all)?;
        render(&all, &repository)?;
    }
    let wrong = figures["trees"].as_array().into_iter().flatten().any(|tree| {
        let rows = tree["rows"].as_array().into_iter().flatten();
        rows.filter(|row| row["contender"].as_str().unwrap_or_default().starts_with("granular"))
            .any(|row| !row["wrong"].is_null())
    });
    ensure!(!wrong, "we did not do what had to be done: see WRONG above");
    Ok(())
}

fn measure(
    arguments: &Arguments,
    programs: &Programs,
    scratch: &Path,
) -> Result<serde_json::Value> {
    let mut figures = results::empty();
    if arguments.growth {
        let shapes =
            if arguments.shapes.is_empty() { &growth::SHAPES[..] } else { &arguments.shapes };
        let mut points = Vec::new();
        for shape in shapes {
            for kind in [Kind::Granular, Kind::GranularPackages] {
                points.push(growth::measure(*shape, kind, arguments.runs, programs, scratch)?);
            }
        }
        figures["growth"] = results::of_growth(&points, arguments.runs);
        return Ok(figures);
    }
    let wish = Wish {
        kinds: &arguments.kinds,
        scenarios: &arguments.scenarios,
        runs: arguments.runs,
        budget: arguments.budget,
    };
    let shapes = if arguments.shapes.is_empty() { &SHAPES[..] } else { &arguments.shapes };
    for shape in shapes {
        let outcome = rounds::measure(*shape, &wish, programs, scratch)?;
        let tree = results::of_tree(&outcome, arguments.runs, programs, scratch);
        if let Some(trees) = figures["trees"].as_array_mut() {
            trees.push(tree);
        }
    }
    Ok(figures)
}

/// Between these lines the README has what is rendered.
const MARKS: [&str; 2] =
    ["<!-- beside: what `--store` writes begins -->\n", "<!-- beside: it ends -->\n"];

/// Writes the pictures, all tables to `results.md` and a short form of them into the README.
fn render(results: &serde_json::Value, repository: &Path) -> Result<()> {
    let pictures =
        [("no-op.svg", picture::no_op(results)), ("growth.svg", picture::growth(results))];
    fs::create_dir_all(repository.join("docs"))?;
    let mut text = String::new();
    for (name, picture) in pictures {
        if let Some(picture) = picture {
            fs::write(repository.join("docs").join(name), picture)?;
            text.push_str(&format!("\n![Nothing to do](docs/{name})\n"));
        }
    }
    text.push_str(&table::in_short(results));
    text.push_str("\nEvery table, ratios to ninja and growth too: `benches/beside/results.md`; every single time: `results.json` there.\n");
    fs::write(repository.join("benches/beside/results.md"), table::of(results))?;
    let path = repository.join("README.md");
    let readme = fs::read_to_string(&path)?;
    let places = MARKS.map(|mark| readme.find(mark));
    let [Some(begin), Some(end)] = places else { bail!("the README has no place for the figures") };
    let begin = begin + MARKS[0].len();
    ensure!(begin <= end, "the place for the figures in the README ends before it begins");
    let (before, after) = (&readme[..begin], &readme[end..]);
    Ok(fs::write(path, format!("{before}{text}\n{after}"))?)
}

/// Measured unless others are named.
const SHAPES: [Shape; 4] = [
    Shape::Grid { steps: 5, files: 10 },
    Shape::Grid { steps: 100, files: 100 },
    Shape::Grid { steps: 1000, files: 10 },
    Shape::Go,
];

struct Arguments {
    shapes: Vec<Shape>,
    kinds: Vec<Kind>,
    scenarios: Vec<Scenario>,
    runs: usize,
    budget: Duration,
    growth: bool,
    install: bool,
    store: bool,
    render: bool,
    out: PathBuf,
    ours: PathBuf,
    peers_dir: PathBuf,
}

impl Arguments {
    fn parse() -> Result<Self> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap_or(Path::new("."));
        let mut parsed = Self {
            shapes: Vec::new(),
            kinds: Kind::ALL.to_vec(),
            scenarios: Scenario::ALL.to_vec(),
            runs: 7,
            budget: Duration::from_secs(60),
            growth: false,
            install: false,
            store: false,
            render: false,
            out: target.join("beside.json"),
            ours: env!("CARGO_BIN_EXE_cargo-granular").into(),
            peers_dir: target.join("beside-peers"),
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("`{word}` needs a value"));
            match word.as_str() {
                "--bench" => {} // what Cargo adds
                "--help" => {
                    println!("{HELP}");
                    std::process::exit(0);
                }
                "--trees" => {
                    parsed.shapes = value()?.split(',').map(str::parse).collect::<Result<_>>()?
                }
                "--peers" => {
                    // We are always there: without us there is nothing to hold anybody against.
                    parsed.kinds = Kind::ALL.into_iter().filter(|kind| kind.is_ours()).collect();
                    for name in value()?.split(',').filter(|name| !name.is_empty()) {
                        parsed.kinds.push(one_of(&Kind::ALL, Kind::name, name)?);
                    }
                    parsed.kinds.sort();
                    parsed.kinds.dedup();
                }
                "--scenarios" => {
                    let one = |name| one_of(&Scenario::ALL, Scenario::name, name);
                    parsed.scenarios = value()?.split(',').map(one).collect::<Result<_>>()?;
                }
                "--runs" => parsed.runs = value()?.parse::<usize>()?.max(1),
                "--budget" => parsed.budget = Duration::from_secs(value()?.parse()?),
                "--growth" => parsed.growth = true,
                "--install" => parsed.install = true,
                "--store" => parsed.store = true,
                "--render" => parsed.render = true,
                "--out" => parsed.out = value()?.into(),
                "--ours" => parsed.ours = value()?.into(),
                "--peers-dir" => parsed.peers_dir = value()?.into(),
                _ => bail!("unknown argument `{word}`\n\n{HELP}"),
            }
        }
        Ok(parsed)
    }
}

const HELP: &str = "--trees LIST      such as 5x10,100x100,1000x10,go: steps x files of 2 KB, and the Go monorepo
--peers LIST      who takes part beside us: ninja,make,turbo,nx,moon,wireit,vite-plus,go-task,shell,one-go-build
--scenarios LIST  cold,no-op,deleted,leaf,touched; with Go service,comment,library,services,taken-back
--runs N          how often each is timed (7)
--budget SECONDS  who has taken so long in one scenario is run no more in it (60)
--install         fetch those of npm and PyPI that are missing
--peers-dir DIR   where they are (target/beside-peers)
--growth          our no-op over the number of files, beside the machine's limit
--out FILE        where the figures go, with .md beside it (target/beside.json)
--store           put them into benches/beside/results.json too, and draw tables and pictures of all that is there
--render          only that drawing
--ours FILE       another build of cargo-granular";

fn one_of<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str, asked: &str) -> Result<T> {
    let found = all.iter().copied().find(|one| name(*one) == asked);
    found.with_context(|| {
        let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
        format!("there is no `{asked}`, only {}", names.join(", "))
    })
}
