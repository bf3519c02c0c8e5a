//! The figures as JSON: what is stored, and what tables and pictures are made from.

use crate::contender::{Kind, Programs};
use crate::growth::Point;
use crate::rounds::{Cell, Outcome};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Of this file's layout; another one is not read.
const FORMAT: u64 = 1;

pub(crate) fn empty() -> Value {
    json!({ "format": FORMAT, "trees": [], "growth": null })
}

/// What is stored at `path`, or nothing yet.
pub(crate) fn read(path: &Path) -> Result<Value> {
    if !path.exists() {
        return Ok(empty());
    }
    let value: Value = serde_json::from_slice(&fs::read(path)?)
        .with_context(|| format!("read {}", path.display()))?;
    ensure!(value["format"] == FORMAT, "{} is of another format", path.display());
    Ok(value)
}

pub(crate) fn write(path: &Path, value: &Value) -> Result<()> {
    fs::write(path, format!("{value:#}\n")).with_context(|| format!("write {}", path.display()))
}

/// Puts the figures of `from` into `into`; those of a tree, or of growth, take the place of earlier ones.
pub(crate) fn merge(into: &mut Value, from: &Value) {
    let new = from["trees"].as_array().cloned().unwrap_or_default();
    if let Some(trees) = into["trees"].as_array_mut() {
        trees.retain(|old| new.iter().all(|tree| tree["tree"] != old["tree"]));
        trees.extend(new);
        trees.sort_by_key(|tree| tree["commands"].as_u64().unwrap_or_default());
    }
    if !from["growth"].is_null() {
        into["growth"] = from["growth"].clone();
    }
}

pub(crate) fn of_tree(
    outcome: &Outcome,
    runs: usize,
    programs: &Programs,
    scratch: &Path,
) -> Value {
    // What somebody said may name files of this machine.
    let plain = |text: &str| text.replace(&*scratch.to_string_lossy(), "…");
    let rows: Vec<Value> = outcome.cells.iter().map(of_cell).collect();
    let absent: Vec<Value> = outcome
        .absent
        .iter()
        .map(|(kind, why)| json!({ "title": kind.title(), "why": plain(why) }))
        .collect();
    let daemons: Vec<Value> = outcome
        .daemons
        .iter()
        .map(|(kind, peak)| json!({ "title": kind.title(), "peak_mib": mib(*peak) }))
        .collect();
    let took_part = |kind: &&Kind| outcome.cells.iter().any(|cell| cell.who == kind.name());
    let versions: serde_json::Map<_, _> = Kind::ALL
        .iter()
        .filter(took_part)
        .filter_map(|kind| Some((kind.title().to_owned(), version(*kind, programs)?.into())))
        .collect();
    let commands = outcome.cells.iter().filter_map(|cell| Some(cell.ran?.2)).max();
    json!({
        "tree": outcome.shape.to_string(),
        "commands": commands,
        "runs": runs,
        "machine": machine(),
        "versions": versions,
        "rows": rows,
        "absent": absent,
        "daemons": daemons,
    })
}

fn of_cell(cell: &Cell) -> Value {
    let all: Vec<f64> = cell.times.iter().map(|time| milliseconds(*time)).collect();
    json!({
        "contender": cell.who,
        "title": cell.title,
        "scenario": cell.scenario.name(),
        "median_ms": milliseconds(crate::measuring::median(&cell.times)),
        "all_ms": all,
        "peak_mib": cell.peaks.iter().max().map(|peak| mib(*peak)),
        "ran": cell.ran.map(|(least, most, _)| [least, most]),
        "due": cell.ran.map(|(_, _, due)| due),
        "wrong": cell.wrong,
    })
}

pub(crate) fn of_growth(points: &[Point], runs: usize) -> Value {
    let points: Vec<Value> = points
        .iter()
        .map(|point| {
            json!({
                "tree": point.shape.to_string(),
                "files": point.files,
                "form": point.form,
                "no_op_ms": milliseconds(point.no_op),
                "peak_mib": mib(point.peak),
                "stat_ms": milliseconds(point.stat),
                "list_and_stat_ms": milliseconds(point.walk),
            })
        })
        .collect();
    json!({ "runs": runs, "machine": machine(), "points": points })
}

/// Enough to know what the figures can be held against, and nothing that names a machine.
fn machine() -> Value {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel: Vec<_> = kernel.trim().split(['.', '-']).take(2).collect();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    json!({ "cores": cores, "system": format!("{} {}", std::env::consts::OS, kernel.join(".")) })
}

fn version(kind: Kind, programs: &Programs) -> Option<String> {
    let module = |name: &str| {
        let file = programs.peers.join(name).join("node_modules").join(name).join("package.json");
        let value: Value = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        Some(value["version"].as_str()?.to_owned())
    };
    match kind {
        Kind::Nx | Kind::Wireit | Kind::VitePlus => module(kind.name()),
        Kind::Shell => None,
        Kind::OneGoBuild => first_line(Command::new("go").arg("version")),
        _ if kind.is_ours() => Some(env!("CARGO_PKG_VERSION").to_owned()),
        _ => first_line(Command::new(programs.of(kind)?.first()?).arg("--version")),
    }
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(text.lines().next()?.trim().to_owned())
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 1e2
}

fn mib(bytes: u64) -> f64 {
    (bytes as f64 / f64::from(1 << 20) * 10.0).round() / 10.0
}
