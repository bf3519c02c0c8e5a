//! The examples but for `monorepo-build` (which `five-scenarios` measures): a data pipeline, wrapped tools, integration tests.
//!
//! Two contenders do the same work on scratch copies of their own: *by hand*, the example's `by-hand.sh`, which really runs the tools, every
//! time; and *cargo granular*. The set of actions that ran is checked in every scenario; a wrong set is a failure of the benchmark.
//!
//! ```text
//! cargo bench -p cargo-granular --bench examples                    # the tables, and target/examples.json
//! cargo bench -p cargo-granular --bench examples -- --runs 9 --only tool-wrapper --out result.json
//! ```
//!
//! It needs what the examples need: Go, Python, Node.js with npm, protoc, and a way to the registries of Go and npm.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of its own, whose output is its result"
)]

mod contender;
mod edit;
mod example;
#[path = "../measuring.rs"]
mod measuring;
mod table;

use anyhow::{Context, Result, bail};
use contender::Contender;
use measuring::Scratch;
use std::path::PathBuf;

fn main() -> Result<()> {
    let arguments = Arguments::parse()?;
    let scratch = Scratch::new("examples")?;
    let mut wrong = Vec::new();
    let mut all = Vec::new();
    for example in example::ALL {
        if arguments.only.as_deref().is_some_and(|only| only != example.name) {
            continue;
        }
        eprintln!("{}: the first build, by hand and by cargo granular", example.name);
        let contenders = contender::Kind::ALL.map(|kind| Contender::new(kind, example, &scratch.0));
        let contenders = contenders.into_iter().collect::<Result<Vec<_>>>()?;
        let mut rows = Vec::new();
        for scenario in example.scenarios {
            eprintln!("{}: {}, {} times each", example.name, scenario.title, arguments.runs);
            rows.push(example::measure(scenario, &contenders, arguments.runs)?);
        }
        println!("{}", table::as_text(example.name, &rows));
        let row_wrong = rows.iter().filter_map(|row| row.wrong_set.clone());
        wrong.extend(row_wrong.map(|set| format!("{}: {set}", example.name)));
        all.push(table::as_json(example.name, &rows));
    }
    let json = serde_json::json!({ "examples": all });
    std::fs::write(&arguments.out, format!("{json:#}\n"))
        .with_context(|| format!("write {}", arguments.out.display()))?;
    eprintln!("also written to {}", arguments.out.display());
    if !wrong.is_empty() {
        bail!("the set of actions that ran was not the right one:\n{}", wrong.join("\n"));
    }
    Ok(())
}

struct Arguments {
    runs: usize,
    only: Option<String>,
    out: PathBuf,
}

impl Arguments {
    fn parse() -> Result<Self> {
        let out = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/examples.json");
        let mut parsed = Self { runs: 5, only: None, out };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("`{word}` needs a value"));
            match word.as_str() {
                "--bench" => {} // what Cargo adds
                "--runs" => parsed.runs = value()?.parse()?,
                "--only" => parsed.only = Some(value()?),
                "--out" => parsed.out = value()?.into(),
                _ => bail!(
                    "unknown argument `{word}`; there are --runs N, --only EXAMPLE, --out FILE"
                ),
            }
        }
        if let Some(only) = &parsed.only {
            let known = example::ALL.iter().any(|example| example.name == only);
            anyhow::ensure!(known, "there is no example `{only}` here");
        }
        Ok(parsed)
    }
}
