//! The five scenarios on `examples/monorepo-build`: a fresh build, nothing changed, one service, the shared library, two services; and
//! beside them files that were only touched, a change taken back, a second checkout, and after `cargo clean`.
//!
//! Three contenders do the same work on scratch copies of their own, each with a Go cache of its own: a *naive* builder that runs every
//! `go build` in turn every time, *one* `go build` of everything (the honest rival where Go is all there is), and *cargo granular*.
//! The set of steps that ran is checked in every scenario; a wrong set is a failure of the benchmark.
//!
//! ```text
//! cargo bench -p cargo-granular --bench five-scenarios                    # the table, and target/five-scenarios.json
//! cargo bench -p cargo-granular --bench five-scenarios -- --runs 9 --cold-runs 3 --out result.json
//! cargo bench -p cargo-granular --bench five-scenarios -- --naive DIR     # only the naive builder, in a copy of the example
//! ```

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of its own, whose output is its result"
)]

mod contender;
#[path = "../measuring.rs"]
mod measuring;
mod scenario;
mod table;

use anyhow::{Context, Result, bail};
use contender::Contender;
use measuring::Scratch;
use scenario::Scenario;
use std::path::PathBuf;

fn main() -> Result<()> {
    let arguments = Arguments::parse()?;
    if let Some(dir) = &arguments.naive {
        return contender::build_naively(dir, None);
    }
    let scratch = Scratch::new("five-scenarios")?;
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/monorepo-build");
    let contenders = contender::Kind::ALL.map(|kind| Contender::new(kind, &example, &scratch.0));
    let contenders = contenders.into_iter().collect::<Result<Vec<_>>>()?;
    let mut rows = Vec::new();
    for scenario in Scenario::ALL {
        let runs =
            if scenario == Scenario::FreshCold { arguments.cold_runs } else { arguments.runs };
        eprintln!("{}, {runs} times each", scenario.title());
        rows.push(scenario::measure(scenario, &contenders, runs)?);
    }
    print!("{}", table::as_text(&rows));
    std::fs::write(&arguments.out, table::as_json(&rows))
        .with_context(|| format!("write {}", arguments.out.display()))?;
    eprintln!("also written to {}", arguments.out.display());
    let wrong: Vec<_> = rows.iter().filter(|row| row.wrong_set.is_some()).collect();
    for row in &wrong {
        eprintln!("{}: {}", row.scenario.title(), row.wrong_set.as_deref().unwrap_or_default());
    }
    if !wrong.is_empty() {
        bail!("in {} scenarios the set of steps that ran was not the right one", wrong.len());
    }
    Ok(())
}

struct Arguments {
    runs: usize,
    cold_runs: usize,
    out: PathBuf,
    naive: Option<PathBuf>,
}

impl Arguments {
    fn parse() -> Result<Self> {
        let out = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/five-scenarios.json");
        let mut parsed = Self { runs: 5, cold_runs: 1, out, naive: None };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("`{word}` needs a value"));
            match word.as_str() {
                "--bench" => {} // what Cargo adds
                "--runs" => parsed.runs = value()?.parse()?,
                "--cold-runs" => parsed.cold_runs = value()?.parse()?,
                "--out" => parsed.out = value()?.into(),
                "--naive" => parsed.naive = Some(value()?.into()),
                _ => bail!(
                    "unknown argument `{word}`; there are --runs N, --cold-runs N, --out FILE, --naive DIR"
                ),
            }
        }
        Ok(parsed)
    }
}
