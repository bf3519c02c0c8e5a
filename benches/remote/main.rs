//! A cold CI machine with a warm remote against one that really builds: `examples/monorepo-build`, nothing in its cache, nothing in its target directory,
//! nothing in Go's cache.
//!
//! ```text
//! cargo bench -p cargo-granular --bench remote                    # the table, and target/remote.json
//! cargo bench -p cargo-granular --bench remote -- --runs 9 --latencies 0,50 --kinds s3 --build-runs 0
//! cargo bench -p cargo-granular --bench remote -- --store         # keep the figures: benches/remote/results.json, and the table in the README
//! ```
//!
//! The servers are those that the tests run (`./test` brings them), on this machine. Between us and them stands a proxy of our own that lets everything
//! wait, in each direction for half of the latency that is added, and before the first byte of a connection once more for all of it, as a handshake does. It
//! counts bytes, connections and requests. After every run, and outside of what is timed, it is checked that no step ran and that every output is there byte for byte.
//!
//! What is not measured: encryption, which costs one to two more round trips for each connection, and a network that is narrow.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of its own, whose output is its result"
)]

mod between;
mod machine;
#[path = "../measuring.rs"]
#[allow(dead_code, reason = "other benchmarks need more of it")]
mod measuring;
mod server;
mod table;

use anyhow::{Context, Result, bail, ensure};
use between::{Between, Counted};
use machine::Machine;
use measuring::Scratch;
use server::{Kind, Server};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

fn main() -> Result<()> {
    let arguments = Arguments::parse()?;
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let scratch = Scratch::new("remote")?;
    let example = repository.join("examples/monorepo-build");
    let machine = Machine::new(&example, &scratch.0, arguments.ours.clone())?;
    let mut rows = Vec::new();
    for kind in &arguments.kinds {
        eprintln!("{}", kind.title());
        match Server::start(*kind, &repository, &scratch.0.join(kind.word()))? {
            Some(server) => rows.extend(restores(&server, &machine, &arguments)?),
            None => eprintln!("{}: not measured, {}", kind.title(), kind.is_missing()),
        }
    }
    if arguments.build_runs > 0 {
        for (title, is_cold) in
            [("building, Go's cache warm", false), ("building, Go's cache cold", true)]
        {
            eprintln!("{title}");
            let times = (0..arguments.build_runs).map(|_| machine.build(is_cold));
            rows.push(Row {
                title: title.to_owned(),
                latency: None,
                times: times.collect::<Result<_>>()?,
                counted: None,
            });
        }
    }
    let text = table::as_text(&rows, arguments.runs);
    print!("{text}");
    let json = table::as_json(&rows);
    fs::write(&arguments.out, &json)
        .with_context(|| format!("write {}", arguments.out.display()))?;
    eprintln!("also written to {}", arguments.out.display());
    if arguments.store {
        fs::write(repository.join("benches/remote/results.json"), &json)?;
        store(&text, &repository)?;
    }
    Ok(())
}

/// What was measured of one way to have the outputs.
struct Row {
    title: String,
    /// What was added, where a remote was asked.
    latency: Option<Duration>,
    times: Vec<Duration>,
    /// What went by in the last run.
    counted: Option<Counted>,
}

/// All latencies have their turn in each round, so that a slow moment of this machine meets all.
fn restores(server: &Server, machine: &Machine, arguments: &Arguments) -> Result<Vec<Row>> {
    if !machine.share(server)? {
        eprintln!("{}: not measured, the program does not know it", server.kind.title());
        return Ok(Vec::new());
    }
    let between: Vec<_> = arguments
        .latencies
        .iter()
        .map(|latency| Between::start(server.address(), *latency))
        .collect::<Result<_>>()?;
    let row = |latency: &Duration| Row {
        title: server.kind.title().to_owned(),
        latency: Some(*latency),
        times: Vec::new(),
        counted: None,
    };
    let mut rows: Vec<_> = arguments.latencies.iter().map(row).collect();
    for _ in 0..arguments.runs {
        for (row, between) in rows.iter_mut().zip(&between) {
            between.counted();
            row.times.push(machine.restore(server, between)?);
            row.counted = Some(between.counted());
        }
    }
    Ok(rows)
}

/// Between these lines the README has the table.
const MARKS: [&str; 2] =
    ["<!-- remote: what `--store` writes begins -->\n", "<!-- remote: it ends -->\n"];

fn store(text: &str, repository: &Path) -> Result<()> {
    let path = repository.join("README.md");
    let readme = fs::read_to_string(&path)?;
    let places = MARKS.map(|mark| readme.find(mark));
    let [Some(begin), Some(end)] = places else { bail!("the README has no place for the figures") };
    let begin = begin + MARKS[0].len();
    ensure!(begin <= end, "the place for the figures in the README ends before it begins");
    let (before, after) = (&readme[..begin], &readme[end..]);
    Ok(fs::write(path, format!("{before}\n{text}\n{after}"))?)
}

struct Arguments {
    runs: usize,
    build_runs: usize,
    latencies: Vec<Duration>,
    kinds: Vec<Kind>,
    out: PathBuf,
    ours: PathBuf,
    store: bool,
}

impl Arguments {
    fn parse() -> Result<Self> {
        let milliseconds = |list: &str| -> Result<Vec<Duration>> {
            let all = list.split(',').map(|one| Ok(Duration::from_millis(one.parse()?)));
            all.collect()
        };
        let mut parsed = Self {
            runs: 7,
            build_runs: 3,
            latencies: milliseconds("0,20,100")?,
            kinds: Kind::ALL.to_vec(),
            out: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/remote.json"),
            ours: env!("CARGO_BIN_EXE_cargo-granular").into(),
            store: false,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("`{word}` needs a value"));
            match word.as_str() {
                "--bench" => {} // what Cargo adds
                "--runs" => parsed.runs = value()?.parse()?,
                "--build-runs" => parsed.build_runs = value()?.parse()?,
                "--latencies" => parsed.latencies = milliseconds(&value()?)?,
                "--kinds" => {
                    parsed.kinds = value()?.split(',').map(Kind::parse).collect::<Result<_>>()?
                }
                "--out" => parsed.out = value()?.into(),
                "--ours" => parsed.ours = PathBuf::from(value()?).canonicalize()?,
                "--store" => parsed.store = true,
                _ => bail!(
                    "unknown argument `{word}`; there are --runs N, --build-runs N, --latencies MS,MS, --kinds http,grpc,s3, --out FILE, --ours PROGRAM, --store"
                ),
            }
        }
        Ok(parsed)
    }
}
