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

/// The same in short, for the README: one table for each tree, with the ratio to ours behind each time.
pub(crate) fn in_short(results: &Value) -> String {
    let mut text = String::new();
    for tree in results["trees"].as_array().into_iter().flatten() {
        let figures = Figures::of(tree);
        let head = ["peak MiB, no-op".to_owned()];
        let mut table = vec![figures.head(&head)];
        for (who, title) in &figures.contenders {
            let mut line = vec![(*title).to_owned()];
            line.extend(figures.scenarios.iter().map(|scenario| {
                let time = figures.time(who, *scenario);
                match figures.ratio(who, "granular", *scenario) {
                    Some(ratio) if *who != "granular" => format!("{time} ({ratio:.2})"),
                    _ => time,
                }
            }));
            line.push(figures.peak(who, Scenario::NoOp));
            table.push(line);
        }
        let (name, runs) = (text_of(&tree["tree"]), &tree["runs"]);
        let _ = write!(
            text,
            "\n#### {}\n\nMilliseconds, medians of {runs}, and how often ours goes into them:\n\n{}{}",
            heading(name),
            markdown(&table),
            remarks(tree, figures.rows)
        );
    }
    text
}

/// The figures of one tree, ready to be asked for.
struct Figures<'a> {
    rows: &'a [Value],
    scenarios: Vec<Scenario>,
    /// Name and title.
    contenders: Vec<(&'a str, &'a str)>,
}

impl<'a> Figures<'a> {
    fn of(tree: &'a Value) -> Self {
        let rows = tree["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_there = |one: &Scenario| rows.iter().any(|row| row["scenario"] == one.name());
        let scenarios = Scenario::ALL.into_iter().filter(is_there).collect();
        let mut contenders = Vec::new();
        for row in rows {
            let who = (text_of(&row["contender"]), text_of(&row["title"]));
            if !contenders.contains(&who) {
                contenders.push(who);
            }
        }
        Self { rows, scenarios, contenders }
    }

    fn head(&self, more: &[String]) -> Vec<String> {
        let scenarios = self.scenarios.iter().map(|one| one.title().to_owned());
        [String::new()].into_iter().chain(scenarios).chain(more.iter().cloned()).collect()
    }

    fn row(&self, who: &str, scenario: Scenario) -> Option<&'a Value> {
        let is_it = |row: &&Value| row["contender"] == who && row["scenario"] == scenario.name();
        self.rows.iter().find(is_it)
    }

    fn median(&self, who: &str, scenario: Scenario) -> Option<f64> {
        self.row(who, scenario)?["median_ms"].as_f64()
    }

    fn time(&self, who: &str, scenario: Scenario) -> String {
        let Some(row) = self.row(who, scenario) else { return String::new() };
        let mark = if row["wrong"].is_null() { "" } else { " WRONG" };
        format!("{}{mark}", number(row["median_ms"].as_f64().unwrap_or_default()))
    }

    fn ratio(&self, who: &str, base: &str, scenario: Scenario) -> Option<f64> {
        let base = self.median(base, scenario).filter(|base| *base > 0.0)?;
        Some(self.median(who, scenario)? / base)
    }

    fn peak(&self, who: &str, scenario: Scenario) -> String {
        let peak = self.row(who, scenario).and_then(|row| row["peak_mib"].as_f64());
        peak.map(number).unwrap_or_default()
    }
}

fn of_tree(tree: &Value) -> String {
    let figures = Figures::of(tree);
    let peaks = [Scenario::Cold, Scenario::NoOp];
    let mut table = vec![figures.head(&peaks.map(|one| format!("peak MiB, {}", one.title())))];
    for (who, title) in &figures.contenders {
        let mut line = vec![(*title).to_owned()];
        line.extend(figures.scenarios.iter().map(|scenario| figures.time(who, *scenario)));
        line.extend(peaks.map(|scenario| figures.peak(who, scenario)));
        table.push(line);
    }
    let (name, runs) = (text_of(&tree["tree"]), &tree["runs"]);
    let mut text = format!("\n### {}\n\nMilliseconds, medians of {runs}:\n\n", heading(name));
    text.push_str(&markdown(&table));

    for (base, base_title) in [("granular", "cargo granular"), ("ninja", "ninja")] {
        if !figures.contenders.iter().any(|(who, _)| *who == base) {
            continue;
        }
        let mut table = vec![figures.head(&[])];
        for (who, title) in figures.contenders.iter().filter(|(who, _)| *who != base) {
            let ratio = |scenario: &Scenario| {
                let ratio = figures.ratio(who, base, *scenario);
                ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default()
            };
            let mut line = vec![(*title).to_owned()];
            line.extend(figures.scenarios.iter().map(ratio));
            table.push(line);
        }
        let _ = write!(text, "\nTimes that of {base_title} (less than 1: faster than it):\n\n");
        text.push_str(&markdown(&table));
    }
    text.push_str(&remarks(tree, figures.rows));
    text
}

fn heading(tree: &str) -> String {
    match tree.split_once('x') {
        Some((steps, files)) => format!("{steps} steps x {files} files of 2 KB"),
        None => "The Go monorepo: two libraries, three services, warm Go cache".to_owned(),
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
