//! `build --since`: leaves of what was asked for what a change can affect, and says why.

use super::{lines, shown};
use crate::cli::{BringUp, MessageFormat};
use crate::report::json;
use crate::session::{Opened, Session};
use crate::shell::Verbosity;
use crate::since;
use crate::trouble::Result;
use crate::wording;
use clap_cargo::style;
use granular::action::ActionId;
use granular::affected::{self, Affected, Why};
use granular::assess::Edges;
use serde_json::{Value, json};

/// Those of `wanted` that what changed since `revision` can affect.
pub(super) fn since(
    session: &Session,
    opened: &Opened,
    wanted: &[ActionId],
    asked: &BringUp,
    revision: &str,
    edges: &Edges<'_>,
) -> Result<Vec<ActionId>> {
    let project = &opened.project;
    let since = since::ask(session, &project.workspace, revision)?;
    let affected = match &since {
        Some(since) => affected::affected(project, wanted, &since.changes, edges)?,
        None => {
            session.shell.warn(&format!(
                "`--since {revision}` says that there is nothing to compare with: every step counts"
            ));
            let why = || Why::Unknown("there is nothing to compare with".to_owned());
            wanted.iter().map(|id| Affected { action: *id, why: why() }).collect()
        }
    };
    let affected: Vec<_> =
        affected.into_iter().filter(|found| wanted.contains(&found.action)).collect();
    let base = since.as_ref().map(|since| since.base.as_str());
    if asked.format.message_format == MessageFormat::Json {
        let objects = affected.iter().map(|found| object(found, opened));
        let changed = since.as_ref().map(|since| since.changes.paths.len());
        let heading = json!({
            "reason": "granular-since",
            "since": revision,
            "base": base,
            "changed": changed,
            "affected": affected.len(),
            "of": wanted.len(),
        });
        session.shell.answer(&lines([heading].into_iter().chain(objects)))?;
    }
    if let Some(since) = &since {
        let short: String = since.base.chars().take(12).collect();
        let steps = format!("{} of {}", affected.len(), wording::count(wanted.len(), "step"));
        let paths = wording::count(since.changes.paths.len(), "path");
        let revision = wording::one_line(revision);
        let message = format!("{steps} since {revision} (merge base {short}): {paths} changed");
        session.shell.status("Affected", &message);
    }
    if asked.dry_run || session.shell.verbosity >= Verbosity::Verbose {
        for Affected { action, why } in &affected {
            let message =
                format!("{}: {}", shown(opened, *action), wording::one_line(&why.to_string()));
            if session.shell.verbosity > Verbosity::Quiet {
                session.shell.tell(&wording::status("Affected", style::TRANSIENT, &message));
            }
        }
    }
    Ok(affected.into_iter().map(|found| found.action).collect())
}

fn object(found: &Affected, opened: &Opened) -> Value {
    let mut object =
        json::names("granular-step-affected", &opened.project.graph[found.action].name);
    let mut why = json!({"kind": found.why.kind(), "message": found.why.to_string()});
    match (&found.why, found.why.subject()) {
        (Why::Need(need), _) => why["need"] = json!(need),
        (_, Some(path)) => why["path"] = json!(path),
        (_, None) => {}
    }
    object["why"] = why;
    object
}
