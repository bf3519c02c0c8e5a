//! The figures as a table for people and as JSON.

use crate::contender::Kind;
use crate::measuring::{median, with_spread};
use crate::scenario::Row;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One line for each scenario: median and spread of each contender in milliseconds, how often granular's time goes into the others', and what ran.
pub(crate) fn as_text(rows: &[Row]) -> String {
    let mut text = String::new();
    let _ = write!(text, "{:<24}", "milliseconds");
    Kind::ALL.iter().for_each(|kind| {
        let _ = write!(text, " | {:>20}", kind.title());
    });
    let _ = writeln!(text, " | naive / | one / | ran");
    let _ = writeln!(text, "{}", "-".repeat(24 + 3 * 23 + 9 + 8 + 6));
    for row in rows {
        let _ = write!(text, "{:<24}", row.scenario.title());
        for (_, times) in &row.times {
            let _ = write!(text, " | {}", with_spread(times));
        }
        for kind in [Kind::Naive, Kind::One] {
            let _ = write!(
                text,
                " | {:>width$.1}",
                ratio(row, kind),
                width = if kind == Kind::Naive { 7 } else { 5 }
            );
        }
        let ran = row.ran.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let verdict = if row.wrong_set.is_some() { "WRONG: " } else { "" };
        let _ = writeln!(text, " | {verdict}{}", if ran.is_empty() { "nothing" } else { &ran });
    }
    text
}

/// The same with every single time.
pub(crate) fn as_json(rows: &[Row]) -> String {
    let scenario = |row: &Row| {
        let contenders: Vec<Value> = row
            .times
            .iter()
            .map(|(kind, times)| {
                let all: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1e3).collect();
                json!({ "contender": kind.title(), "median_ms": median(times).as_secs_f64() * 1e3, "all_ms": all })
            })
            .collect();
        json!({
            "scenario": row.scenario.title().trim(),
            "contenders": contenders,
            "naive_by_granular": ratio(row, Kind::Naive),
            "one_by_granular": ratio(row, Kind::One),
            "ran": row.ran,
            "set_is_right": row.wrong_set.is_none(),
        })
    };
    let rows: Vec<Value> = rows.iter().map(scenario).collect();
    format!("{:#}\n", json!({ "scenarios": rows }))
}

fn ratio(row: &Row, kind: Kind) -> f64 {
    let median_of = |kind: Kind| {
        row.times
            .iter()
            .find(|(other, _)| *other == kind)
            .map_or(0.0, |(_, times)| median(times).as_secs_f64())
    };
    median_of(kind) / median_of(Kind::Granular)
}
