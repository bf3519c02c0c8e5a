//! What was measured, as people and programs read it.

use crate::Row;
use crate::measuring::median;
use std::fmt::Write as _;
use std::time::Duration;

pub(crate) fn as_text(rows: &[Row], runs: usize) -> String {
    let mut latencies: Vec<_> = rows.iter().filter_map(|row| row.latency).collect();
    latencies.sort();
    latencies.dedup();
    let mut titles: Vec<&str> = Vec::new();
    for row in rows {
        if titles.last() != Some(&row.title.as_str()) {
            titles.push(&row.title);
        }
    }
    let mut text = format!(
        "Seconds until everything is there, medians of {runs} (of building, of {}); behind them the least and the most:\n\n|  |",
        builds(rows)
    );
    for latency in &latencies {
        let _ = write!(text, " {} ms |", latency.as_millis());
    }
    text.push_str(
        " requests | connections | MiB on the way | round trips one after the other |\n| --- |",
    );
    text.push_str(&" ---: |".repeat(latencies.len() + 4));
    text.push('\n');
    for title in titles {
        let of_it: Vec<_> = rows.iter().filter(|row| row.title == title).collect();
        let _ = write!(text, "| {title} |");
        for latency in &latencies {
            let row = of_it.iter().find(|row| row.latency.is_none_or(|one| one == *latency));
            let _ = write!(text, " {} |", row.map_or_else(String::new, |row| seconds(&row.times)));
        }
        let counted = of_it.first().and_then(|row| row.counted);
        let cells = counted.map_or_else(Default::default, |counted| {
            let bytes = counted.bytes as f64 / f64::from(1 << 20);
            [
                counted.requests.to_string(),
                counted.connections.to_string(),
                format!("{bytes:.1}"),
                trips(&of_it),
            ]
        });
        let _ = writeln!(text, " {} |", cells.join(" | "));
    }
    text
}

fn builds(rows: &[Row]) -> usize {
    rows.iter().find(|row| row.latency.is_none()).map_or(0, |row| row.times.len())
}

fn seconds(times: &[Duration]) -> String {
    let text = |time: Duration| format!("{:.2}", time.as_secs_f64());
    let least = times.iter().min().copied().unwrap_or_default();
    let most = times.iter().max().copied().unwrap_or_default();
    format!("{} ({}–{})", text(median(times)), text(least), text(most))
}

/// By how many times the latency the farthest takes longer than the nearest.
fn trips(rows: &[&Row]) -> String {
    let near = rows.iter().min_by_key(|row| row.latency);
    let far = rows.iter().max_by_key(|row| row.latency);
    let (Some(near), Some(far)) = (near, far) else { return String::new() };
    let of = |row: &Row| {
        (median(&row.times).as_secs_f64(), row.latency.unwrap_or_default().as_secs_f64())
    };
    let ((near, nearest), (far, farthest)) = (of(near), of(far));
    if farthest > nearest {
        format!("{:.1}", (far - near) / (farthest - nearest))
    } else {
        String::new()
    }
}

pub(crate) fn as_json(rows: &[Row]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let times: Vec<_> = row.times.iter().map(Duration::as_secs_f64).collect();
            let mut one = serde_json::json!({ "title": row.title, "seconds": times });
            if let (Some(latency), Some(counted)) = (row.latency, row.counted) {
                one["latency_ms"] = (latency.as_millis() as u64).into();
                one["bytes"] = counted.bytes.into();
                one["connections"] = counted.connections.into();
                one["requests"] = counted.requests.into();
            }
            one
        })
        .collect();
    format!("{:#}\n", serde_json::json!({ "rows": rows }))
}
