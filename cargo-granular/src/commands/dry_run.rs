//! `build --dry-run`: says what a build would do, and why, without doing it.

use super::{lines, shown};
use crate::cli::{BringUp, MessageFormat};
use crate::exit::Exit;
use crate::report::json;
use crate::session::{Opened, Session};
use crate::shell::Verbosity;
use crate::trouble::Result;
use crate::wording;
use clap::builder::styling::Style;
use clap_cargo::style;
use granular::action::ActionId;
use granular::assess::{self, Assessment, Edges, Outlook};
use serde_json::{Value, json};

/// Says it on standard output, since it is what was asked for.
pub(super) fn run(
    session: &Session,
    opened: &Opened,
    wanted: &[ActionId],
    asked: &BringUp,
    edges: &Edges<'_>,
) -> Result<Exit> {
    let assessments = assess::assess(&opened.project, wanted, asked.force, edges)?;
    let name = |id: ActionId| shown(opened, id);
    let text = match asked.format.message_format {
        MessageFormat::Human => assessments
            .iter()
            .map(|assessment| human(assessment, session.shell.verbosity, name))
            .collect(),
        MessageFormat::Json => {
            let objects = assessments.iter().map(|assessment| object(assessment, opened));
            lines(objects.chain([finished(&assessments)]))
        }
    };
    session.shell.answer(&text)?;
    Ok(Exit::Done)
}

/// A line on one action, and with `-v` all reasons.
fn human(
    assessment: &Assessment,
    verbosity: Verbosity,
    name: impl Fn(ActionId) -> String,
) -> String {
    let this = name(assessment.action);
    let (word, colour, message) = match &assessment.outlook {
        Outlook::Fresh => ("Fresh", style::GOOD, this),
        Outlook::Restored(store) => {
            let message = format!("{this} from {}", wording::one_line(store));
            ("Would restore", style::GOOD, because(message, assessment))
        }
        Outlook::Run => ("Would run", style::TRANSIENT, because(this, assessment)),
        Outlook::Unknown(needs) if needs.is_empty() => {
            let message = format!("{this}: depends on what Cargo builds");
            ("May run", style::TRANSIENT, message)
        }
        Outlook::Unknown(needs) => {
            let needs: Vec<_> = needs.iter().map(|need| name(*need)).collect();
            let message = format!("{this}: depends on what {} leaves", wording::some(&needs, 5));
            ("May run", style::TRANSIENT, message)
        }
        Outlook::Skipped(why) => {
            ("Would skip", style::WARN, format!("{this}: {}", wording::one_line(why)))
        }
        Outlook::Impossible(why) => {
            ("Cannot run", style::ERROR, format!("{this}: {}", wording::one_line(why)))
        }
    };
    let mut text = line(word, colour, &message);
    if verbosity >= Verbosity::Verbose && assessment.reasons.len() > 1 {
        text.push_str(&wording::all_reasons(&assessment.reasons, 14, wording::REASONS));
    }
    text
}

/// As a status line, but one column wider.
fn line(word: &str, colour: Style, message: &str) -> String {
    format!("{colour}{word:>13}{colour:#} {message}\n")
}

fn because(message: String, assessment: &Assessment) -> String {
    match wording::main_reason(&assessment.reasons) {
        reason if reason.is_empty() => message,
        reason => format!("{message}: {reason}"),
    }
}

/// The word for programs on what would happen.
pub(super) fn outlook(outlook: &Outlook) -> &'static str {
    match outlook {
        Outlook::Fresh => "fresh",
        Outlook::Restored(_) => "restored",
        Outlook::Run => "run",
        Outlook::Unknown(_) => "unknown",
        Outlook::Skipped(_) => "skipped",
        Outlook::Impossible(_) => "impossible",
    }
}

fn object(assessment: &Assessment, opened: &Opened) -> Value {
    let mut object =
        json::names("granular-step-assessed", &opened.project.graph[assessment.action].name);
    describe(&mut object, assessment, opened);
    object
}

/// Adds what is known of an action's outlook.
pub(super) fn describe(object: &mut Value, assessment: &Assessment, opened: &Opened) {
    let key = assessment.fingerprint.as_ref().map(|fingerprint| fingerprint.key.to_string());
    object["outlook"] = json!(outlook(&assessment.outlook));
    object["key"] = json!(key);
    object["dirty"] = json!(json::dirty(&assessment.reasons));
    match &assessment.outlook {
        Outlook::Restored(store) => object["source"] = json!(store),
        Outlook::Unknown(needs) => {
            let name = |need: &ActionId| opened.project.graph[*need].name.to_string();
            object["depends_on"] = json!(needs.iter().map(name).collect::<Vec<_>>());
        }
        Outlook::Impossible(why) | Outlook::Skipped(why) => object["message"] = json!(why),
        Outlook::Fresh | Outlook::Run => {}
    }
}

/// The last object of a build that was none: how many would come out how.
fn finished(assessments: &[Assessment]) -> Value {
    let count =
        |word: &str| assessments.iter().filter(|found| outlook(&found.outlook) == word).count();
    json!({
        "reason": "build-finished",
        "success": true,
        "dry_run": true,
        "fresh": count("fresh"),
        "restored": count("restored"),
        "ran": count("run"),
        "failed": count("impossible"),
        "skipped": count("skipped"),
        "unknown": count("unknown"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use granular::reason::DirtyReason;

    fn assessment(number: usize, outlook: Outlook, reasons: Vec<DirtyReason>) -> Assessment {
        let (action, fingerprint, record) = (ActionId(number), None, None);
        Assessment {
            action,
            outlook,
            fingerprint,
            static_fingerprint: None,
            reasons,
            found: Vec::new(),
            record,
            forgotten: None,
        }
    }

    fn all() -> Vec<Assessment> {
        let changed = |path: &str| DirtyReason::InputChanged(path.to_owned());
        vec![
            assessment(0, Outlook::Fresh, Vec::new()),
            assessment(1, Outlook::Restored("local cache".to_owned()), vec![changed("a.go")]),
            assessment(2, Outlook::Run, vec![changed("b.go"), changed("c.go")]),
            assessment(3, Outlook::Unknown(vec![ActionId(2)]), Vec::new()),
            assessment(
                4,
                Outlook::Impossible("there is no program `podman`".to_owned()),
                Vec::new(),
            ),
        ]
    }

    fn told(verbosity: Verbosity) -> String {
        let name = |id: ActionId| format!("#{}", id.0);
        let text: String = all().iter().map(|found| human(found, verbosity, name)).collect();
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn each_action_has_a_line_on_what_would_happen() {
        insta::assert_snapshot!(told(Verbosity::Normal), @"
                Fresh #0
        Would restore #1 from local cache: a.go changed
            Would run #2: b.go changed (and 1 more)
              May run #3: depends on what #2 leaves
           Cannot run #4: there is no program `podman`
        ");
    }

    #[test]
    fn verbose_tells_all_reasons() {
        insta::assert_snapshot!(told(Verbosity::Verbose), @"
                Fresh #0
        Would restore #1 from local cache: a.go changed
            Would run #2: b.go changed (and 1 more)
                      b.go changed
                      c.go changed
              May run #3: depends on what #2 leaves
           Cannot run #4: there is no program `podman`
        ");
    }

    #[test]
    fn the_last_object_counts() {
        insta::assert_snapshot!(finished(&all()), @r#"{"reason":"build-finished","success":true,"dry_run":true,"fresh":1,"restored":1,"ran":1,"failed":1,"skipped":0,"unknown":1}"#);
    }
}
