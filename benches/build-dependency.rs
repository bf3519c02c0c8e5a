//! What a build dependency costs its users: a clean debug `cargo build` of a hello-world with granular as its only build dependency, beside
//! hello-worlds with others. In turn, so that a machine whose speed drifts is the same for all. Packages are fetched first and not counted.
//!
//! As users have it: what comes from a registry is not compiled incrementally, and granular, which is a path here, must not be either. Beside
//! the time that passes stands that of all processors together, which says more where other programs run.
//!
//! ```text
//! cargo bench -p cargo-granular --bench build-dependency               # the table, and target/build-dependency.json
//! cargo bench -p cargo-granular --bench build-dependency -- --runs 7
//! ```

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program of its own, whose output is its result"
)]

use anyhow::{Context, Result, bail, ensure};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Each hello-world: its name, its build dependency as in a manifest, and its build script.
const CONTENDERS: [(&str, &str, &str); 5] = [
    ("an empty build.rs", "", "fn main() {}"),
    ("cc", "cc = \"1\"", "fn main() { let _ = cc::Build::new(); }"),
    ("cmake", "cmake = \"0.1\"", "fn main() { let _ = cmake::Config::new(\".\"); }"),
    ("granular", "granular = { path = \"GRANULAR\" }", "fn main() { granular::build() }"),
    ("prost-build", "prost-build = \"0.14\"", "fn main() { let _ = prost_build::Config::new(); }"),
];

fn main() -> Result<()> {
    let runs = runs()?;
    let scratch =
        std::env::temp_dir().join(format!("granular-build-dependency-{}", std::process::id()));
    let worlds =
        CONTENDERS.map(|(name, dependency, script)| make(&scratch, name, dependency, script));
    let worlds = worlds.into_iter().collect::<Result<Vec<_>>>()?;
    let mut costs = vec![Vec::new(); worlds.len()];
    for run in 1..=runs {
        eprintln!("run {run} of {runs}");
        for (world, costs) in worlds.iter().zip(&mut costs) {
            costs.push(clean_build(world)?);
        }
    }
    let crates = worlds.iter().map(|world| crates(world)).collect::<Result<Vec<_>>>()?;
    tell(&costs, &crates)?;
    fs::remove_dir_all(&scratch)?;
    Ok(())
}

fn runs() -> Result<usize> {
    let words: Vec<_> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Ok(3),
        ["--runs", count] => count.parse().context("--runs takes a number"),
        _ => bail!("there is only --runs N"),
    }
}

fn make(scratch: &Path, name: &str, dependency: &str, script: &str) -> Result<PathBuf> {
    let dir = scratch.join(name.replace(' ', "-"));
    let granular = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let dependency = dependency.replace("GRANULAR", &granular.to_string_lossy());
    fs::create_dir_all(dir.join("src"))?;
    let manifest = format!(
        "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[build-dependencies]\n{dependency}\n\n[workspace]\n"
    );
    fs::write(dir.join("Cargo.toml"), manifest)?;
    fs::write(dir.join("build.rs"), script)?;
    fs::write(dir.join("src/main.rs"), "fn main() { println!(\"hello\") }\n")?;
    cargo(&dir, &["fetch"])?;
    Ok(dir)
}

fn cargo(dir: &Path, arguments: &[&str]) -> Result<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(dir)
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .env("CARGO_INCREMENTAL", "0")
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "cargo {} in {}:\n{stderr}",
        arguments.join(" "),
        dir.display()
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// What one clean build took, in seconds.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    /// Of all processors; zero where it cannot be told.
    cpu: f64,
}

fn clean_build(dir: &Path) -> Result<Cost> {
    let _ = fs::remove_dir_all(dir.join("target"));
    let (began, before) = (Instant::now(), cpu_of_children());
    cargo(dir, &["build", "--offline"])?;
    let cost = Cost { wall: began.elapsed().as_secs_f64(), cpu: cpu_of_children() - before };
    ensure!(dir.join("target/debug").is_dir(), "nothing was built in {}", dir.display());
    Ok(cost)
}

/// The seconds that all processes took which were started here and have ended, with those that they started. Linux counts them in hundredths.
fn cpu_of_children() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program stands in parentheses, and may have spaces in it.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields).split(' ');
    fields.skip(13).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// How many crates are compiled for the build script, without itself.
fn crates(dir: &Path) -> Result<usize> {
    let tree = cargo(dir, &["tree", "--offline", "-e", "normal,build", "--prefix", "none"])?;
    let names: BTreeSet<_> = tree.lines().filter_map(|line| line.split(" (").next()).collect();
    Ok(names.len() - 1)
}

fn tell(costs: &[Vec<Cost>], crates: &[usize]) -> Result<()> {
    let heaviest = costs.last().context("nothing was measured")?;
    println!(
        "{:<20} | seconds, median (spread) | of prost-build | CPU seconds | of prost-build | crates",
        "build dependency"
    );
    let mut rows = Vec::new();
    for (((name, ..), costs), crates) in CONTENDERS.iter().zip(costs).zip(crates) {
        let (walls, cpus) = (sorted(costs, |cost| cost.wall), sorted(costs, |cost| cost.cpu));
        let (wall, cpu) = (middle(&walls), middle(&cpus));
        let wall_share = wall / middle(&sorted(heaviest, |cost| cost.wall));
        let cpu_share = cpu / middle(&sorted(heaviest, |cost| cost.cpu));
        let (least, most) = (walls[0], walls[walls.len() - 1]);
        println!(
            "{name:<20} | {wall:>7.1} ({least:.1}–{most:.1})        | {wall_share:>14.2} | {cpu:>11.1} | {cpu_share:>14.2} | {crates:>6}"
        );
        rows.push(json!({
            "name": name, "median_s": wall, "all_s": walls, "of_prost_build": wall_share,
            "cpu_median_s": cpu, "cpu_all_s": cpus, "cpu_of_prost_build": cpu_share, "crates": crates,
        }));
    }
    let out = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/build-dependency.json");
    fs::write(&out, format!("{:#}\n", json!({ "contenders": rows })))
        .with_context(|| format!("write {}", out.display()))?;
    eprintln!("also written to {}", out.display());
    Ok(())
}

fn sorted(costs: &[Cost], which: fn(&Cost) -> f64) -> Vec<f64> {
    let mut seconds: Vec<f64> = costs.iter().map(which).collect();
    seconds.sort_by(f64::total_cmp);
    seconds
}

fn middle(sorted: &[f64]) -> f64 {
    sorted[sorted.len() / 2]
}
