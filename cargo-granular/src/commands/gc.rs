//! `gc`: remove what was used least recently from the cache.

use super::lines;
use crate::cache::{self, Cache};
use crate::cli::{Gc, MessageFormat};
use crate::exit::Exit;
use crate::quantity;
use crate::remote::Origins;
use crate::session::Session;
use crate::trouble::{Result, Trouble};
use crate::wording;
use granular::store::local::{GcLimit, GcReport};
use serde_json::{Value, json};

/// Shrinks the cache to the limits that are named; without any, to its usual one.
pub(super) fn run(session: &Session, asked: &Gc) -> Result<Exit> {
    let cache = cache::needed(session)?;
    let Some(report) = collect(&cache, limit(asked, &cache), asked.dry_run)? else {
        session.shell.warn("another process is at it already; nothing was done");
        return Ok(Exit::Done);
    };
    if !asked.dry_run {
        Origins::new(&cache).prune();
    }
    match asked.format.message_format {
        MessageFormat::Human => {
            let word = if asked.dry_run { "Would remove" } else { "Removed" };
            session.shell.status(word, &human(&report, &cache));
        }
        MessageFormat::Json => session.shell.answer(&lines([object(&report, asked.dry_run)]))?,
    }
    Ok(Exit::Done)
}

fn limit(asked: &Gc, cache: &Cache) -> GcLimit {
    let usual = asked.max_age.is_none().then_some(cache.max_size);
    GcLimit { max_size: asked.max_size.or(usual), max_age: asked.max_age }
}

fn collect(cache: &Cache, limit: GcLimit, dry_run: bool) -> Result<Option<GcReport>> {
    cache.store.gc(limit, dry_run).map_err(|error| Trouble::Environment {
        message: format!("the cache in `{}`: {error}", cache::shown(&cache.dir)),
        help: None,
    })
}

fn human(report: &GcReport, cache: &Cache) -> String {
    format!(
        "{} and {} ({}) from {}; {} with {} left",
        wording::count(report.results_removed, "result"),
        wording::count(report.blobs_removed, "blob"),
        quantity::size(report.bytes_before.saturating_sub(report.bytes_after)),
        cache::shown(&cache.dir),
        wording::count(report.results_kept, "result"),
        quantity::size(report.bytes_after),
    )
}

fn object(report: &GcReport, dry_run: bool) -> Value {
    json!({
        "reason": "granular-gc-finished",
        "dry_run": dry_run,
        "results_removed": report.results_removed,
        "blobs_removed": report.blobs_removed,
        "results_kept": report.results_kept,
        "blobs_kept": report.blobs_kept,
        "bytes_before": report.bytes_before,
        "bytes_after": report.bytes_after,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use granular::store::local::LocalStore;
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn what_was_removed_and_what_is_left_is_told() {
        let cache = Cache {
            store: Arc::new(LocalStore::open(Path::new("/c"))),
            dir: "/home/me/.cache/granular".into(),
            max_size: granular::store::place::USUAL_SIZE,
            is_exposed: false,
        };
        let report = GcReport {
            results_removed: 1,
            blobs_removed: 34,
            results_kept: 120,
            blobs_kept: 300,
            bytes_before: 12 << 30,
            bytes_after: 9 << 30,
            ..GcReport::default()
        };
        insta::assert_snapshot!(human(&report, &cache), @"1 result and 34 blobs (3.0 GiB) from /home/me/.cache/granular; 120 results with 9.0 GiB left");
        insta::assert_snapshot!(object(&report, true), @r#"{"reason":"granular-gc-finished","dry_run":true,"results_removed":1,"blobs_removed":34,"results_kept":120,"blobs_kept":300,"bytes_before":12884901888,"bytes_after":9663676416}"#);
    }
}
