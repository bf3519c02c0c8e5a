//! Stored figures as Markdown, which is read as it stands as well.

use crate::scenario::Scenario;
use serde_json::Value;
use std::fmt::Write as _;

/// Everything that is stored.
pub(crate) fn of(results: &Value) -> String {
    let trees = results["trees"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut text: String = trees.iter().map(of_tree).collect();
    if !results["growth"].is_null() {
        text.push_str(&of_growth(&results["growth"]));
    }
    text
}

fn of_tree(tree: &Value) -> String {
    let empty = Vec::new();
    let rows = tree["rows"].as_array().unwrap_or(&empty);
    let scenarios: Vec<Scenario> = Scenario::ALL
        .into_iter()
        .filter(|one| rows.iter().any(|row| row["scenario"] == one.name()))
        .collect();
    let mut contenders: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        let who = (text_of(&row["contender"]), text_of(&row["title"]));
        if !contenders.contains(&who) {
            contenders.push(who);
        }
    }
    let find = |who: &str, scenario: Scenario| {
        rows.iter().find(|row| row["contender"] == who && row["scenario"] == scenario.name())
    };
    let median = |who: &str, scenario: Scenario| find(who, scenario)?["median_ms"].as_f64();
    let head = |last: &[&str]| {
        let mut head: Vec<String> = vec![String::new()];
        head.extend(scenarios.iter().map(|one| one.title().to_owned()));
        head.extend(last.iter().map(|text| (*text).to_owned()));
        head
    };

    let mut table = vec![head(&["peak MiB, cold", "no-op"])];
    for (who, title) in &contenders {
        let mut line = vec![(*title).to_owned()];
        for scenario in &scenarios {
            let Some(row) = find(who, *scenario) else {
                line.push(String::new());
                continue;
            };
            let mark = if row["wrong"].is_null() { "" } else { " WRONG" };
            line.push(format!("{}{mark}", number(row["median_ms"].as_f64().unwrap_or_default())));
        }
        for scenario in [Scenario::Cold, Scenario::NoOp] {
            let peak = find(who, scenario).and_then(|row| row["peak_mib"].as_f64());
            line.push(peak.map(number).unwrap_or_default());
        }
        table.push(line);
    }
    let (name, runs) = (text_of(&tree["tree"]), &tree["runs"]);
    let mut text = format!("\n{}\n\nMilliseconds, medians of {runs}:\n\n", heading(name));
    text.push_str(&markdown(&table));

    for (base, base_title) in [("granular", "cargo granular"), ("ninja", "ninja")] {
        if !contenders.iter().any(|(who, _)| *who == base) {
            continue;
        }
        let mut table = vec![head(&[])];
        for (who, title) in contenders.iter().filter(|(who, _)| *who != base) {
            let mut line = vec![(*title).to_owned()];
            for scenario in &scenarios {
                let ratio = median(who, *scenario)
                    .zip(median(base, *scenario).filter(|base| *base > 0.0))
                    .map(|(time, base)| format!("{:.2}", time / base));
                line.push(ratio.unwrap_or_default());
            }
            table.push(line);
        }
        let _ = write!(text, "\nTimes that of {base_title} (less than 1: faster than it):\n\n");
        text.push_str(&markdown(&table));
    }
    text.push_str(&remarks(tree, rows));
    text
}

fn heading(tree: &str) -> String {
    match tree.split_once('x') {
        Some((steps, files)) => format!("### {steps} steps x {files} files of 2 KB"),
        None => "### The Go monorepo: two libraries, three services, warm Go cache".to_owned(),
    }
}

/// What a number alone would not tell.
fn remarks(tree: &Value, rows: &[Value]) -> String {
    let mut text = String::new();
    for row in rows {
        let (title, scenario) = (text_of(&row["title"]), text_of(&row["scenario"]));
        let due = &row["due"];
        if let Some(wrong) = row["wrong"].as_str() {
            let _ = writeln!(text, "- {title} in `{scenario}`: {wrong}");
        } else if !due.is_null() && (row["ran"][0] != *due || row["ran"][1] != *due) {
            let (least, most) = (&row["ran"][0], &row["ran"][1]);
            let ran = if least == most { most.to_string() } else { format!("{least} to {most}") };
            let _ = writeln!(
                text,
                "- {title} in `{scenario}`: {ran} commands ran where {due} would do"
            );
        }
        let count = row["all_ms"].as_array().map_or(0, Vec::len);
        if tree["runs"] != count {
            let _ = writeln!(
                text,
                "- {title} in `{scenario}`: {count} runs only, since they take so long"
            );
        }
    }
    for daemon in tree["daemons"].as_array().into_iter().flatten() {
        let (title, peak) = (text_of(&daemon["title"]), &daemon["peak_mib"]);
        let _ = writeln!(text, "- {title}: {peak} MiB more in the daemon");
    }
    for absent in tree["absent"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "- {}: {}", text_of(&absent["title"]), text_of(&absent["why"]));
    }
    if !text.is_empty() {
        text.insert(0, '\n');
    }
    text
}

fn of_growth(growth: &Value) -> String {
    let head = [
        "tree",
        "files",
        "form",
        "no-op, ms",
        "list and stat, ms",
        "stat, ms",
        "no-op / list and stat",
        "peak MiB",
    ];
    let mut table = vec![head.map(str::to_owned).to_vec()];
    for point in growth["points"].as_array().into_iter().flatten() {
        let figure = |name: &str| point[name].as_f64().unwrap_or_default();
        table.push(vec![
            text_of(&point["tree"]).to_owned(),
            point["files"].to_string(),
            text_of(&point["form"]).to_owned(),
            number(figure("no_op_ms")),
            number(figure("list_and_stat_ms")),
            number(figure("stat_ms")),
            format!("{:.2}", figure("no_op_ms") / figure("list_and_stat_ms").max(0.001)),
            number(figure("peak_mib")),
        ]);
    }
    format!("\n### Growth: nothing to do, medians of {}\n\n{}", growth["runs"], markdown(&table))
}

pub(crate) fn number(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A table, its columns made equally wide.
fn markdown(table: &[Vec<String>]) -> String {
    let columns = table.first().map_or(0, Vec::len);
    let width = |column: usize| {
        table.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0).max(3)).collect();
    let mut text = String::new();
    for (at, line) in table.iter().enumerate() {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            let _ = match column {
                0 => write!(text, "| {cell:<width$} "),
                _ => write!(text, "| {cell:>width$} "),
            };
        }
        text.push_str("|\n");
        if at == 0 {
            for (column, width) in widths.iter().enumerate() {
                let dashes = "-".repeat(width - usize::from(column > 0));
                let _ = write!(text, "| {dashes}{} ", if column > 0 { ":" } else { "" });
            }
            text.push_str("|\n");
        }
    }
    text
}
