//! The figures of an example as a table for people and as JSON.

use crate::contender::Kind;
use crate::example::Row;
use crate::measuring::{median, with_spread};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One line for each scenario: median and spread of both contenders in milliseconds, how often granular's time goes into the other's, and what ran.
pub(crate) fn as_text(example: &str, rows: &[Row]) -> String {
    let mut text = String::new();
    let _ = write!(text, "{:<41}", format!("{example}, milliseconds"));
    for kind in Kind::ALL {
        let _ = write!(text, " | {:>20}", kind.title());
    }
    let _ = writeln!(text, " | ratio | ran\n{}", "-".repeat(41 + 2 * 23 + 8 + 6));
    for row in rows {
        let _ = write!(text, "{:<41}", row.title);
        for (_, times) in &row.times {
            let _ = write!(text, " | {}", with_spread(times));
        }
        let ran = row.ran.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let verdict = if row.wrong_set.is_some() { "WRONG: " } else { "" };
        let ran = if ran.is_empty() { "nothing" } else { &ran };
        let _ = writeln!(text, " | {:>5.1} | {verdict}{ran}", ratio(row));
    }
    text
}

/// The same with every single time.
pub(crate) fn as_json(example: &str, rows: &[Row]) -> Value {
    let scenario = |row: &Row| {
        let contender = |(kind, times): &(Kind, Vec<_>)| {
            let all: Vec<f64> =
                times.iter().map(std::time::Duration::as_secs_f64).map(|time| time * 1e3).collect();
            json!({ "contender": kind.title(), "median_ms": median(times).as_secs_f64() * 1e3, "all_ms": all })
        };
        json!({
            "scenario": row.title,
            "contenders": row.times.iter().map(contender).collect::<Vec<_>>(),
            "by_hand_by_granular": ratio(row),
            "ran": row.ran,
            "set_is_right": row.wrong_set.is_none(),
        })
    };
    json!({ "example": example, "scenarios": rows.iter().map(scenario).collect::<Vec<_>>() })
}

fn ratio(row: &Row) -> f64 {
    let median_of = |kind: Kind| {
        let times = row.times.iter().find(|(other, _)| *other == kind);
        times.map_or(0.0, |(_, times)| median(times).as_secs_f64())
    };
    median_of(Kind::ByHand) / median_of(Kind::Granular)
}
