//! `verify`: read back every result in the cache and report what is damaged.

use super::lines;
use crate::cache;
use crate::cli::{MessageFormat, Verify};
use crate::exit::Exit;
use crate::quantity;
use crate::session::Session;
use crate::trouble::{Result, Trouble};
use crate::wording;
use granular::store::local::{Finding, VerifyReport};
use serde_json::{Value, json};

/// Reads the whole cache; with `--repair` what is damaged is removed.
pub(super) fn run(session: &Session, asked: &Verify) -> Result<Exit> {
    let cache = cache::needed(session)?;
    let report = cache.store.verify(asked.repair).map_err(|error| Trouble::Environment {
        message: format!("the cache in `{}`: {error}", cache::shown(&cache.dir)),
        help: None,
    })?;
    for path in &report.unknown {
        session.shell.warn(&format!("`{}` is none of the cache's files", path.display()));
    }
    match asked.format.message_format {
        MessageFormat::Human => {
            session.shell.answer(&report.damaged.iter().map(line).collect::<String>())?;
            session.shell.status("Verified", &human(&report));
        }
        MessageFormat::Json => {
            let objects = report.damaged.iter().map(finding).chain([object(&report)]);
            session.shell.answer(&lines(objects))?;
        }
    }
    Ok(if report.damaged.is_empty() { Exit::Done } else { Exit::Failed })
}

fn line(finding: &Finding) -> String {
    let removed = if finding.removed { " (removed)" } else { "" };
    wording::one_line(&format!("{}: {}{removed}", finding.what, finding.how)) + "\n"
}

fn human(report: &VerifyReport) -> String {
    let damaged = match report.damaged.len() {
        0 => "nothing is damaged".to_owned(),
        1 => "1 thing is damaged".to_owned(),
        number => format!("{number} things are damaged"),
    };
    format!(
        "{} and {} ({}): {damaged}",
        wording::count(report.results, "result"),
        wording::count(report.blobs, "blob"),
        quantity::size(report.bytes),
    )
}

fn finding(finding: &Finding) -> Value {
    json!({
        "reason": "granular-damage",
        "what": finding.what,
        "how": finding.how,
        "path": finding.path.to_string_lossy(),
        "removed": finding.removed,
    })
}

fn object(report: &VerifyReport) -> Value {
    json!({
        "reason": "granular-verify-finished",
        "success": report.damaged.is_empty(),
        "results": report.results,
        "blobs": report.blobs,
        "bytes": report.bytes,
        "damaged": report.damaged.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use granular::store::local::FindingKind;

    #[test]
    fn what_is_damaged_is_told_a_line_each() {
        let damaged = Finding {
            kind: FindingKind::Blob,
            what: "the blob 3f2a".to_owned(),
            path: "/c/v1/blobs/3f/3f2a".into(),
            how: "its bytes have another hash".to_owned(),
            removed: true,
        };
        let mut report =
            VerifyReport { results: 2, blobs: 1, bytes: 2048, ..VerifyReport::default() };
        assert_eq!(human(&report), "2 results and 1 blob (2.0 KiB): nothing is damaged");
        assert_eq!(line(&damaged), "the blob 3f2a: its bytes have another hash (removed)\n");
        report.damaged.push(damaged);
        assert_eq!(human(&report), "2 results and 1 blob (2.0 KiB): 1 thing is damaged");
        insta::assert_snapshot!(lines([finding(&report.damaged[0]), object(&report)]), @r#"
        {"reason":"granular-damage","what":"the blob 3f2a","how":"its bytes have another hash","path":"/c/v1/blobs/3f/3f2a","removed":true}
        {"reason":"granular-verify-finished","success":false,"results":2,"blobs":1,"bytes":2048,"damaged":1}
        "#);
    }
}
