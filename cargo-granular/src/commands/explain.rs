//! `explain`: why a step would run, and where its last result came from.

use super::{dry_run, lines, select, shown};
use crate::cache;
use crate::cli::{Explain, MessageFormat};
use crate::exit::Exit;
use crate::quantity;
use crate::remote::{Origin, Origins};
use crate::report::json::{self, time};
use crate::session::{Opened, Session};
use crate::shell::Verbosity;
use crate::trouble::{Result, Trouble};
use crate::wording;
use granular::action::ActionId;
use granular::assess::{self, Assessment, Edges, Outlook};
use granular::content::{Content, Output};
use granular::digest::Key;
use granular::found::Discovery;
use granular::path::RelPath;
use granular::result::ActionResult;
use granular::state::records::{Record, Why};
use granular::store::Store;
use jiff::fmt::friendly::{Designator, Direction, Spacing, SpanPrinter};
use jiff::{Span, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// Explains each action of the step.
pub(super) fn run(session: &Session, asked: &Explain) -> Result<Exit> {
    let opened = session.open()?;
    let wanted =
        select(session, &opened, &asked.packages, std::slice::from_ref(&asked.step), false)?;
    if asked.inputs {
        let found = assess::inputs(&opened.project, &wanted)?;
        session.shell.answer(&inputs(&opened, &found, asked.format.message_format))?;
        return Ok(Exit::Done);
    }
    let cache = cache::open_to_look(session, &opened.project.config.settings)?;
    let store = cache.as_ref().map(|cache| &*cache.store as &dyn Store);
    let edges = Edges { store, env: &session.env };
    let assessments = assess::assess(&opened.project, &wanted, false, &edges)?;
    let meant = assessments.iter().filter(|assessment| wanted.contains(&assessment.action));
    let origins = cache.as_ref().map(Origins::new);
    let view = |assessment| View::new(assessment, &opened, store, origins.as_ref());
    let views: Vec<_> = meant.map(view).collect();
    let text = if asked.fingerprint {
        views.iter().map(fingerprint).collect::<Result<String>>()?
    } else {
        match asked.format.message_format {
            MessageFormat::Human => {
                let all = session.shell.verbosity >= Verbosity::Verbose;
                views.iter().map(|view| human(view, all)).collect::<Vec<_>>().join("\n")
            }
            MessageFormat::Json => lines(views.iter().map(|view| object(view, &opened))),
        }
    };
    session.shell.answer(&text)?;
    Ok(Exit::Done)
}

/// For people the files of all actions of the step together, a line each; for programs those of each action by itself.
fn inputs(opened: &Opened, found: &[(ActionId, Vec<RelPath>)], format: MessageFormat) -> String {
    match format {
        MessageFormat::Human => {
            let paths: BTreeSet<&RelPath> = found.iter().flat_map(|(_, paths)| paths).collect();
            paths.iter().map(|path| format!("{}\n", wording::one_line(path.as_str()))).collect()
        }
        MessageFormat::Json => lines(found.iter().map(|(id, paths)| {
            let mut object = json::names("granular-inputs", &opened.project.graph[*id].name);
            object["inputs"] = paths.iter().map(RelPath::as_str).collect();
            object
        })),
    }
}

/// All there is to say of an action.
struct View<'a> {
    /// Its name, safe to show.
    name: String,
    assessment: &'a Assessment,
    /// The names of the needs that would run first.
    needs: Vec<String>,
    /// What a store has for it now.
    hit: Option<ActionResult>,
    /// Where the result came from that it is about, if from a remote.
    origin: Option<Origin>,
    /// The root of this checkout.
    here: &'a Path,
    now: Timestamp,
}

impl<'a> View<'a> {
    fn new(
        assessment: &'a Assessment,
        opened: &'a Opened,
        store: Option<&dyn Store>,
        origins: Option<&Origins>,
    ) -> Self {
        let needs = match &assessment.outlook {
            Outlook::Unknown(needs) => needs.iter().map(|need| shown(opened, *need)).collect(),
            _ => Vec::new(),
        };
        let mut view = Self {
            name: shown(opened, assessment.action),
            assessment,
            needs,
            hit: hit(assessment, store),
            origin: None,
            here: &opened.project.workspace.root,
            now: Timestamp::now(),
        };
        let known = view.key().zip(view.result()).zip(origins);
        view.origin = known.and_then(|((key, (_, result)), origins)| origins.of(&key, result));
        view
    }

    /// The key of [`View::result`].
    fn key(&self) -> Option<Key> {
        match self.assessment.outlook {
            Outlook::Restored(_) => self.assessment.fingerprint.as_ref().map(|print| print.key),
            _ => self.assessment.record.as_ref().map(|record| record.key),
        }
    }

    /// The result that is in place, or that would be, and else the last one; with a word on which it is.
    fn result(&self) -> Option<(&'static str, &ActionResult)> {
        let last = self.assessment.record.as_ref().map(|record| &record.result);
        match self.assessment.outlook {
            Outlook::Restored(_) => {
                self.hit.as_ref().map(|result| ("The result that would be restored", result))
            }
            Outlook::Fresh => last.map(|result| ("Its result", result)),
            _ => last.map(|result| ("Its last result", result)),
        }
    }
}

/// Trouble with the store is worth no word here: the outlook says what it has.
fn hit(assessment: &Assessment, store: Option<&dyn Store>) -> Option<ActionResult> {
    let is_restored = matches!(assessment.outlook, Outlook::Restored(_));
    let key = &assessment.fingerprint.as_ref().filter(|_| is_restored)?.key;
    store?.result(key).ok().flatten()
}

fn fingerprint(view: &View<'_>) -> Result<String> {
    let Some(fingerprint) = &view.assessment.fingerprint else {
        let why = match (&view.assessment.outlook, view.needs.is_empty()) {
            (Outlook::Impossible(why) | Outlook::Skipped(why), _) => wording::one_line(why),
            (_, false) => format!(
                "it depends on what {} leaves, which would run first",
                view.needs.join(", ")
            ),
            (_, true) => "it depends on steps that would run first".to_owned(),
        };
        return Err(Trouble::Unanswered(format!(
            "the fingerprint of {} cannot be told: {why}",
            view.name
        )));
    };
    let end = if fingerprint.text.ends_with('\n') { "" } else { "\n" };
    Ok(format!("{}{end}", fingerprint.text))
}

/// The name and paragraphs: what was, what would be, what was found, and where the result is from.
fn human(view: &View<'_>, all: bool) -> String {
    let mut paragraphs = vec![last_time(view), now(view, all)];
    paragraphs.extend(view.assessment.found.iter().map(|found| discovery(found, all)));
    paragraphs.push(origin(view));
    let paragraphs: String = paragraphs.iter().map(|paragraph| format!("\n{paragraph}")).collect();
    format!("{}\n{paragraphs}", view.name)
}

fn last_time(view: &View<'_>) -> String {
    let Some(record) = &view.assessment.record else {
        let what = match view.assessment.forgotten {
            Some(Why::Failed) => "Last time in this checkout its run failed.",
            Some(Why::Begun) => "Last time in this checkout its run did not come to its end.",
            Some(Why::Disturbed) => {
                "Last time in this checkout its inputs changed while it ran, so that its result was not kept."
            }
            None => "It has not been brought up to date in this checkout, or that was forgotten.",
        };
        return format!("{what}\n");
    };
    let what = match &record.source {
        Some(source) => format!("it was restored from {}", wording::one_line(source)),
        None => format!("it ran for {}", quantity::exact(record.result.duration)),
    };
    let why = match wording::main_reason(&record.reasons) {
        reason if reason.is_empty() => ".".to_owned(),
        reason => format!(": {reason}"),
    };
    format!("Last time in this checkout {what}, {}{why}\n", ago(record.at_ms, view.now))
}

fn now(view: &View<'_>, all: bool) -> String {
    let reasons = &view.assessment.reasons;
    let told = |what: String| match reasons.is_empty() {
        true => format!("Now {what}.\n"),
        false => {
            let shown = if all { reasons.len() } else { wording::REASONS };
            format!("Now {what}:\n{}", wording::all_reasons(reasons, 2, shown))
        }
    };
    match &view.assessment.outlook {
        Outlook::Fresh => {
            "Now it is fresh: nothing has changed, and what it left is still there.\n".to_owned()
        }
        Outlook::Restored(store) => {
            told(format!("it would be restored from {}", wording::one_line(store)))
        }
        Outlook::Run => told("it would run".to_owned()),
        Outlook::Unknown(needs) if needs.is_empty() => {
            told("it depends on what Cargo builds, which only a build asks for".to_owned())
        }
        Outlook::Unknown(_) => {
            let needs = wording::some(&view.needs, 5);
            told(format!("it depends on what {needs} leaves, which would run first"))
        }
        Outlook::Skipped(why) => format!("Now it would be skipped: {}\n", wording::one_line(why)),
        Outlook::Impossible(why) => format!("Now it cannot run: {}\n", wording::one_line(why)),
    }
}

/// What a finder found: all of it, or the first few.
fn discovery(found: &Discovery, all: bool) -> String {
    let shown = if all { found.paths.len() } else { wording::REASONS };
    let mut text =
        format!("{} found by {}:\n", wording::count(found.paths.len(), "input"), found.finder);
    for path in found.paths.iter().take(shown) {
        text.push_str(&format!("  {}\n", wording::one_line(path)));
    }
    if found.paths.len() > shown {
        text.push_str(&format!("  and {} more (-v tells all)\n", found.paths.len() - shown));
    }
    text
}

fn origin(view: &View<'_>) -> String {
    let key = match &view.assessment.fingerprint {
        Some(fingerprint) => format!("Its key is {}.\n", fingerprint.key),
        None => String::new(),
    };
    let Some((which, result)) = view.result() else {
        return format!("No result of it is known.\n{key}");
    };
    let place = match Path::new(&result.made_in) == view.here {
        true => "in this checkout".to_owned(),
        false if result.made_in.is_empty() => "on another machine".to_owned(),
        false => format!("in {}", wording::one_line(&result.made_in)),
    };
    let outputs = match result.outputs.len() {
        0 => "no outputs".to_owned(),
        count => {
            format!(
                "{} with {}",
                wording::count(count, "output"),
                quantity::size(bytes(&result.outputs))
            )
        }
    };
    let signed = view.origin.as_ref().map(|origin| signed(origin, view.now)).unwrap_or_default();
    format!(
        "{which} was made {} {place}, by a run of {}: {outputs}.\n{signed}{key}",
        ago(result.made_ms, view.now),
        quantity::exact(result.duration),
    )
}

/// What is known of a result that came from a remote.
fn signed(origin: &Origin, now: Timestamp) -> String {
    let when = origin.time.map(|time| format!(", {}", ago(time.saturating_mul(1000), now)));
    let made = match origin.made() {
        made if made.is_empty() => made,
        made => format!("It was made {}.\n", wording::one_line(&made)),
    };
    let text = format!(
        "It came from remote {}, signed by {}{}.\n{made}",
        origin.remote,
        origin.by(),
        when.unwrap_or_default()
    );
    wording::some_lines(&text)
}

fn bytes(outputs: &[Output]) -> u64 {
    let size = |output: &Output| match &output.content {
        Content::File { digest, .. } => digest.size,
        Content::Link { .. } | Content::EmptyDirectory => 0,
    };
    outputs.iter().map(size).fold(0, u64::saturating_add)
}

/// How long ago that was, in one unit: "3 minutes ago"; after two months the day.
fn ago(then_ms: u64, now: Timestamp) -> String {
    let Some(then) =
        i64::try_from(then_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok())
    else {
        return "at an unknown time".to_owned();
    };
    let seconds = now.as_second().saturating_sub(then.as_second());
    let span = match seconds {
        ..2 => return "just now".to_owned(),
        2..120 => Span::new().try_seconds(-seconds),
        120..7_200 => Span::new().try_minutes(-(seconds / 60)),
        7_200..172_800 => Span::new().try_hours(-(seconds / 3_600)),
        172_800..5_184_000 => Span::new().try_days(-(seconds / 86_400)),
        _ => return then.strftime("on %Y-%m-%d").to_string(),
    };
    let printer = SpanPrinter::new()
        .designator(Designator::Verbose)
        .spacing(Spacing::BetweenUnitsAndDesignators)
        .direction(Direction::Suffix);
    span.map_or_else(|_| "long ago".to_owned(), |span| printer.span_to_string(&span))
}

fn object(view: &View<'_>, opened: &Opened) -> Value {
    let name = &opened.project.graph[view.assessment.action].name;
    let mut object = json::names("granular-explanation", name);
    dry_run::describe(&mut object, view.assessment, opened);
    let found = view.assessment.found.iter();
    object["found"] =
        found.map(|found| json!({"by": found.finder.to_string(), "paths": found.paths})).collect();
    object["last"] = json!(view.assessment.record.as_deref().map(record));
    object["result"] = json!(view.result().map(|(_, result)| made(result)));
    object["origin"] = json!(view.origin.as_ref().map(json::origin));
    object
}

fn record(record: &Record) -> Value {
    json!({
        "key": record.key.to_string(),
        "at": time(record.at_ms),
        "source": record.source,
        "dirty": json::dirty(&record.reasons),
    })
}

fn made(result: &ActionResult) -> Value {
    json!({
        "made_at": time(result.made_ms),
        "made_in": result.made_in,
        "duration_ms": json::milliseconds(result.duration),
        "outputs": result.outputs.len(),
        "bytes": bytes(&result.outputs),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use granular::digest::{Digest, Hash};
    use granular::fingerprint::Fingerprint;
    use granular::path::{Base, OutputPath, RelPath};
    use granular::reason::DirtyReason;
    use std::sync::Arc;
    use std::time::Duration;

    const NOW: u64 = 1_800_000_000_000;

    fn result(made_in: &str, before_ms: u64) -> ActionResult {
        let output = Output {
            path: OutputPath { base: Base::Out, path: RelPath::new("api").unwrap() },
            content: Content::File {
                digest: Digest { size: 9_541_000, ..Digest::of(b"") },
                executable: true,
            },
        };
        ActionResult {
            outputs: vec![output],
            log: None,
            duration: Duration::from_millis(1820),
            made_ms: NOW - before_ms,
            made_in: made_in.to_owned(),
        }
    }

    fn assessment(outlook: Outlook, source: Option<&str>, changed: &[&str]) -> Assessment {
        let reason = |path: &&str| DirtyReason::InputChanged((*path).to_owned());
        Assessment {
            action: ActionId(0),
            outlook,
            static_fingerprint: None,
            fingerprint: Some(Fingerprint {
                text: "granular 1\n".to_owned(),
                key: Key(Hash::from_bytes([0xab; 32])),
            }),
            reasons: changed.iter().map(reason).collect(),
            found: Vec::new(),
            record: Some(Arc::new(Record {
                key: Key(Hash::from_bytes([1; 32])),
                result: result("/w", 500_000),
                source: source.map(str::to_owned),
                at_ms: NOW - 200_000,
                reasons: vec![DirtyReason::CommandChanged],
            })),
            forgotten: None,
        }
    }

    fn view(assessment: &Assessment) -> View<'_> {
        View {
            name: "#api".to_owned(),
            assessment,
            needs: vec!["#models".to_owned()],
            origin: None,
            hit: Some(result("/home/me/other", 9_000_000)),
            here: Path::new("/w"),
            now: Timestamp::from_millisecond(NOW as i64).unwrap(),
        }
    }

    #[test]
    fn a_step_that_is_fresh() {
        let assessment = assessment(Outlook::Fresh, Some("local cache"), &[]);
        insta::assert_snapshot!(human(&view(&assessment), false), @"
        #api

        Last time in this checkout it was restored from local cache, 3 minutes ago: its command changed

        Now it is fresh: nothing has changed, and what it left is still there.

        Its result was made 8 minutes ago in this checkout, by a run of 1.82s: 1 output with 9.1 MiB.
        Its key is abababababababababababababababababababababababababababababababab.
        ");
    }

    #[test]
    fn a_step_that_would_be_restored() {
        let assessment =
            assessment(Outlook::Restored("local cache".to_owned()), None, &["a.go", "b.go"]);
        insta::assert_snapshot!(human(&view(&assessment), false), @"
        #api

        Last time in this checkout it ran for 1.82s, 3 minutes ago: its command changed

        Now it would be restored from local cache:
          a.go changed
          b.go changed

        The result that would be restored was made 2 hours ago in /home/me/other, by a run of 1.82s: 1 output with 9.1 MiB.
        Its key is abababababababababababababababababababababababababababababababab.
        ");
    }

    #[test]
    fn a_step_that_would_run_for_the_first_time() {
        let mut assessment = assessment(Outlook::Run, None, &[]);
        assessment.reasons = vec![DirtyReason::NeverRan];
        assessment.record = None;
        insta::assert_snapshot!(human(&view(&assessment), false), @"
        #api

        It has not been brought up to date in this checkout, or that was forgotten.

        Now it would run:
          it has not run here before

        No result of it is known.
        Its key is abababababababababababababababababababababababababababababababab.
        ");
    }

    #[test]
    fn a_step_whose_need_would_run_first() {
        let mut assessment = assessment(Outlook::Unknown(vec![ActionId(1)]), None, &[]);
        assessment.fingerprint = None;
        insta::assert_snapshot!(human(&view(&assessment), false), @"
        #api

        Last time in this checkout it ran for 1.82s, 3 minutes ago: its command changed

        Now it depends on what #models leaves, which would run first.

        Its last result was made 8 minutes ago in this checkout, by a run of 1.82s: 1 output with 9.1 MiB.
        ");
        let trouble = fingerprint(&view(&assessment)).unwrap_err();
        insta::assert_snapshot!(trouble.words().unwrap().0, @"the fingerprint of #api cannot be told: it depends on what #models leaves, which would run first");
    }

    #[test]
    fn many_reasons_are_told_in_full_only_on_request() {
        let names: Vec<_> = (10..30).map(|number| format!("{number}.go")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let assessment = assessment(Outlook::Run, None, &names);
        assert!(human(&view(&assessment), false).contains("19.go changed\n  and 10 more\n"));
        assert!(human(&view(&assessment), true).contains("29.go changed\n"));
    }

    #[test]
    fn the_fingerprint_is_printed_as_it_is() {
        let assessment = assessment(Outlook::Fresh, None, &[]);
        assert_eq!(fingerprint(&view(&assessment)).unwrap(), "granular 1\n");
    }

    #[test]
    fn times_are_told_in_one_unit() {
        let now = Timestamp::from_millisecond(NOW as i64).unwrap();
        let told = [0, 1, 59, 150, 7_199, 7_200, 86_400 * 3, 86_400 * 100]
            .map(|seconds| ago(NOW - seconds * 1000, now));
        assert_eq!(
            told.join(", "),
            "just now, just now, 59 seconds ago, 2 minutes ago, 119 minutes ago, 2 hours ago, 3 days ago, on 2026-10-07"
        );
        assert_eq!(ago(NOW + 5_000, now), "just now");
        assert_eq!(ago(u64::MAX, now), "at an unknown time");
    }

    #[test]
    fn programs_get_times_they_can_read() {
        insta::assert_snapshot!(made(&result("/w", 0)), @r#"{"made_at":"2027-01-15T08:00:00Z","made_in":"/w","duration_ms":1820,"outputs":1,"bytes":9541000}"#);
        assert_eq!(time(u64::MAX), None);
    }
}
