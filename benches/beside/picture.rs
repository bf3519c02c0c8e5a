//! Stored figures as SVG, readable on a light and on a dark page.

use crate::table::number;
use serde_json::Value;
use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const ROW: f64 = 22.0;

/// Ink follows the page; ours, others and limits keep their colours apart on both.
const STYLE: &str = "<style>
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600 }
.faint { fill: #57606a }
.ours { fill: #0969da } .other { fill: #afb8c1 } .limit { fill: #1a7f37 }
path { fill: none; stroke-width: 2 } path.ours { stroke: #0969da; fill: none } path.more { stroke: #8250df } path.limit { stroke: #1a7f37; fill: none; stroke-dasharray: 5 4 }
.more { fill: #8250df } path.more { fill: none }
line { stroke: #d0d7de }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .faint { fill: #9198a1 }
.ours { fill: #4493f8 } .other { fill: #59636e } .limit { fill: #3fb950 } .more { fill: #ab7df8 }
path.ours { stroke: #4493f8 } path.more { stroke: #ab7df8 } path.limit { stroke: #3fb950 }
line { stroke: #3d444d }
}
</style>
";

/// What a build with nothing to do takes each contender: bars, by powers of ten.
pub(crate) fn no_op(results: &Value) -> Option<String> {
    let trees = results["trees"].as_array().filter(|trees| !trees.is_empty())?;
    let (mut body, mut y) = (String::new(), 8.0);
    for tree in trees {
        let mut bars: Vec<(&str, &str, f64)> = tree["rows"]
            .as_array()?
            .iter()
            .filter(|row| row["scenario"] == "no-op")
            .filter_map(|row| {
                Some((
                    row["contender"].as_str()?,
                    row["title"].as_str()?,
                    row["median_ms"].as_f64()?,
                ))
            })
            .collect();
        bars.sort_by(|a, b| a.2.total_cmp(&b.2));
        let (Some(least), Some(most)) = (bars.first(), bars.last()) else { continue };
        let (low, high) = (least.2.max(0.1).log10().floor(), most.2.max(0.2).log10());
        let name = tree["tree"].as_str()?;
        let title = match name.split_once('x') {
            Some((steps, files)) => {
                format!("{steps} steps with {files} files each: nothing to do, milliseconds")
            }
            None => "The Go monorepo: nothing to do, milliseconds".to_owned(),
        };
        y += ROW;
        let _ = writeln!(body, "<text class=\"title\" x=\"0\" y=\"{y:.0}\">{title}</text>");
        y += 8.0;
        let (left, right) = (260.0, WIDTH - 60.0);
        for (who, title, time) in bars {
            let share = ((time.max(0.1).log10() - low) / (high - low).max(0.1)).clamp(0.005, 1.0);
            let class = match who {
                _ if who.starts_with("granular") => "ours",
                "stat" | "walk-and-stat" => "limit",
                _ => "other",
            };
            let (middle, wide) = (y + 15.0, share * (right - left));
            let _ = writeln!(
                body,
                "<text x=\"{:.0}\" y=\"{middle:.0}\" text-anchor=\"end\">{}</text><rect class=\"{class}\" x=\"{left:.0}\" y=\"{:.0}\" width=\"{wide:.1}\" height=\"16\" rx=\"2\"/><text class=\"faint\" x=\"{:.1}\" y=\"{middle:.0}\">{}</text>",
                left - 8.0,
                title.replace('`', ""),
                y + 2.0,
                left + wide + 6.0,
                number(time),
            );
            y += ROW;
        }
        y += 10.0;
    }
    let _ = writeln!(
        body,
        "<text class=\"faint\" x=\"0\" y=\"{:.0}\">Each power of ten is equally long. Medians of one run of all in turn, warm page cache.</text>",
        y + 12.0
    );
    Some(drawing(y + 22.0, &body))
}

/// Time and memory of a build with nothing to do over the number of files: lines, both axes linear.
pub(crate) fn growth(results: &Value) -> Option<String> {
    let points = results["growth"]["points"].as_array()?;
    let series = |form: &str, figure: &str| -> Vec<(f64, f64)> {
        let of_form = points.iter().filter(|point| form.is_empty() || point["form"] == form);
        let mut line: Vec<_> = of_form
            .filter_map(|point| Some((point["files"].as_f64()?, point[figure].as_f64()?)))
            .collect();
        line.sort_by(|a, b| a.0.total_cmp(&b.0));
        line
    };
    let times = [
        ("ours", "cargo granular, one table", series("one table", "no_op_ms")),
        ("more", "cargo granular, packages", series("packages", "no_op_ms")),
        ("limit", "list and stat, 2 threads", series("one table", "list_and_stat_ms")),
    ];
    let memory = [
        ("ours", "cargo granular, one table", series("one table", "peak_mib")),
        ("more", "cargo granular, packages", series("packages", "peak_mib")),
    ];
    let mut body = String::new();
    plot(&mut body, 0.0, "Nothing to do: milliseconds by files", &times);
    plot(&mut body, WIDTH / 2.0 + 10.0, "Peak memory: MiB by files", &memory);
    Some(drawing(300.0, &body))
}

/// Its class, its name, and its points.
type Line<'a> = (&'a str, &'a str, Vec<(f64, f64)>);

fn plot(body: &mut String, x: f64, title: &str, lines: &[Line<'_>]) {
    let (left, right, top, bottom) = (x + 46.0, x + WIDTH / 2.0 - 34.0, 36.0, 262.0);
    let all = lines.iter().flat_map(|(_, _, line)| line);
    let (most_x, most_y) =
        all.fold((1.0_f64, 1.0_f64), |most, point| (most.0.max(point.0), most.1.max(point.1)));
    let step = nice(most_y / 4.0);
    let high = (most_y / step).ceil() * step;
    let to_x = |files: f64| left + files / most_x * (right - left);
    let to_y = |value: f64| bottom - value / high * (bottom - top);
    let _ = writeln!(body, "<text class=\"title\" x=\"{x:.0}\" y=\"18\">{title}</text>");
    let mut value = 0.0;
    while value <= high * 1.001 {
        let y = to_y(value);
        let _ = writeln!(
            body,
            "<line x1=\"{left:.1}\" x2=\"{right:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"faint\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>",
            left - 6.0,
            y + 4.0
        );
        value += step;
    }
    let across = nice(most_x / 4.0);
    let mut files = across;
    while files <= most_x * 1.001 {
        let _ = writeln!(
            body,
            "<text class=\"faint\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0},000</text>",
            to_x(files),
            bottom + 18.0,
            files / 1000.0
        );
        files += across;
    }
    for (at, (class, name, line)) in
        lines.iter().filter(|(_, _, line)| !line.is_empty()).enumerate()
    {
        let points: Vec<_> = line
            .iter()
            .map(|(files, value)| format!("{:.1} {:.1}", to_x(*files), to_y(*value)))
            .collect();
        let _ = writeln!(body, "<path class=\"{class}\" d=\"M{}\"/>", points.join(" L"));
        for point in &points {
            let (x, y) = point.split_once(' ').unwrap_or_default();
            let _ = writeln!(body, "<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"3\"/>");
        }
        let y = top + 12.0 + 18.0 * at as f64;
        let _ = writeln!(
            body,
            "<rect class=\"{class}\" x=\"{:.0}\" y=\"{:.0}\" width=\"10\" height=\"10\"/><text x=\"{:.0}\" y=\"{y:.0}\">{name}</text>",
            left + 8.0,
            y - 9.0,
            left + 24.0
        );
    }
}

/// 1, 2 or 5 times a power of ten, at least `value`.
fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-9).log10().floor());
    let digits = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= value * 0.999);
    digits.unwrap_or(10.0) * power
}

fn drawing(height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH:.0} {height:.0}\" width=\"{WIDTH:.0}\" height=\"{height:.0}\">\n{STYLE}{body}</svg>\n"
    )
}
