//! `stats`: hit rate, time saved and the slowest steps, from the history of this checkout.

use super::lines;
use crate::ask_cargo;
use crate::cli::{MessageFormat, Stats};
use crate::exit::Exit;
use crate::quantity;
use crate::report::json;
use crate::session::Session;
use crate::trouble::Result;
use crate::wording;
use granular::reason::DirtyReason;
use granular::state::State;
use granular::state::history::{self, Entry, What};
use serde_json::{Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How many of the commonest reasons are told.
const REASONS: usize = 5;

/// Shows the figures of this checkout.
pub(super) fn run(session: &Session, asked: &Stats) -> Result<Exit> {
    let workspace = ask_cargo::ask(session)?.known.workspace;
    let figures = Figures::of(&history::read(&State::new(workspace.state_dir()).history())?);
    let text = match asked.format.message_format {
        MessageFormat::Human => human(&figures),
        MessageFormat::Json => lines([object(&figures)]),
    };
    session.shell.answer(&text)?;
    Ok(Exit::Done)
}

/// What the history comes to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Figures {
    /// Builds in which something was not fresh.
    builds: usize,
    fresh: u64,
    restored: u64,
    ran: u64,
    failed: u64,
    saved: Duration,
    /// The slowest first.
    steps: Vec<StepFigures>,
    /// Why steps ran or were restored, and how often, the commonest first.
    reasons: Vec<(Reason, usize)>,
}

/// The kind of a reason and, if there is one, its subject.
type Reason = (String, Option<String>);

/// What the history of one action comes to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct StepFigures {
    action: String,
    ran: usize,
    restored: usize,
    failed: usize,
    /// Of the runs that succeeded.
    median: Option<Duration>,
    saved: Duration,
}

impl Figures {
    fn of(entries: &[Entry]) -> Self {
        let builds: BTreeSet<_> = entries.iter().map(|entry| entry.build_ms).collect();
        let mut figures = Self {
            builds: builds.len(),
            steps: steps(entries),
            reasons: reasons(entries),
            ..Self::default()
        };
        for entry in entries {
            let (fresh, saved) = entry.fresh.unwrap_or_default();
            figures.fresh = figures.fresh.saturating_add(fresh);
            figures.saved = figures.saved.saturating_add(saved).saturating_add(entry.saved);
            *match entry.what {
                What::Restored => &mut figures.restored,
                What::Ran => &mut figures.ran,
                What::Failed => &mut figures.failed,
            } += 1;
        }
        figures
    }

    /// How many of all actions did not have to run, in percent.
    fn hit_rate(&self) -> Option<f64> {
        let hits = self.fresh.saturating_add(self.restored);
        let all = hits.saturating_add(self.ran).saturating_add(self.failed);
        (all > 0).then(|| hits as f64 * 100.0 / all as f64)
    }
}

fn steps(entries: &[Entry]) -> Vec<StepFigures> {
    let mut by_action: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        by_action.entry(&entry.action).or_default().push(entry);
    }
    let mut steps: Vec<_> =
        by_action.iter().map(|(action, entries)| step(action, entries)).collect();
    steps.sort_by_key(|step| Reverse(step.median));
    steps
}

fn step(action: &str, entries: &[&Entry]) -> StepFigures {
    let count = |what| entries.iter().filter(|entry| entry.what == what).count();
    let mut runs: Vec<_> = entries
        .iter()
        .filter(|entry| entry.what == What::Ran)
        .map(|entry| entry.duration)
        .collect();
    runs.sort();
    StepFigures {
        action: action.to_owned(),
        ran: count(What::Ran),
        restored: count(What::Restored),
        failed: count(What::Failed),
        median: runs.get(runs.len() / 2).copied(),
        saved: entries
            .iter()
            .map(|entry| entry.saved)
            .fold(Duration::ZERO, Duration::saturating_add),
    }
}

fn reasons(entries: &[Entry]) -> Vec<(Reason, usize)> {
    let mut counts: BTreeMap<Reason, usize> = BTreeMap::new();
    for reason in entries.iter().filter_map(|entry| entry.reason.clone()) {
        *counts.entry(reason).or_default() += 1;
    }
    let mut reasons: Vec<_> = counts.into_iter().collect();
    reasons.sort_by_key(|(_, count)| Reverse(*count));
    reasons
}

fn human(figures: &Figures) -> String {
    let Some(rate) = figures.hit_rate() else {
        return "Nothing has been done in this checkout yet.\n".to_owned();
    };
    let mut text = format!(
        "{} with something to do: {rate:.1}% of the steps did not have to run; {} saved\n\
         {} fresh, {} restored, {} ran, {} failed\n",
        wording::count(figures.builds, "build"),
        quantity::about(figures.saved),
        figures.fresh,
        figures.restored,
        figures.ran,
        figures.failed,
    );
    text.push_str(&format!("\n{}", wording::table(&step_rows(&figures.steps))));
    if !figures.reasons.is_empty() {
        text.push_str(&format!("\n{}", wording::table(&reason_rows(&figures.reasons))));
    }
    text
}

fn step_rows(steps: &[StepFigures]) -> Vec<Vec<String>> {
    let heading =
        ["STEP", "MEDIAN RUN", "RAN", "RESTORED", "FAILED", "SAVED"].map(str::to_owned).to_vec();
    let row = |step: &StepFigures| {
        vec![
            wording::one_line(&step.action),
            step.median.map_or_else(|| "-".to_owned(), quantity::exact),
            step.ran.to_string(),
            step.restored.to_string(),
            step.failed.to_string(),
            if step.saved.is_zero() { "-".to_owned() } else { quantity::about(step.saved) },
        ]
    };
    [heading].into_iter().chain(steps.iter().map(row)).collect()
}

fn reason_rows(reasons: &[(Reason, usize)]) -> Vec<Vec<String>> {
    let heading = ["TIMES", "REASON"].map(str::to_owned).to_vec();
    let row = |(reason, count): &(Reason, usize)| {
        vec![count.to_string(), wording::one_line(&words(reason))]
    };
    [heading].into_iter().chain(reasons.iter().take(REASONS).map(row)).collect()
}

/// For people, as the line of a step that ran has it.
fn words(reason: &Reason) -> String {
    let (kind, subject) = reason;
    DirtyReason::of(kind, subject.as_deref())
        .map_or_else(|| code(reason), |reason| reason.to_string())
}

/// For programs.
fn code((kind, subject): &Reason) -> String {
    subject.as_ref().map_or_else(|| kind.clone(), |subject| format!("{kind} {subject}"))
}

fn object(figures: &Figures) -> Value {
    let step = |step: &StepFigures| {
        json!({
            "action": step.action,
            "median_ms": step.median.map(json::milliseconds),
            "ran": step.ran,
            "restored": step.restored,
            "failed": step.failed,
            "saved_ms": json::milliseconds(step.saved),
        })
    };
    let reason =
        |(reason, count): &(Reason, usize)| json!({"reason": code(reason), "count": count});
    json!({
        "reason": "granular-stats",
        "builds": figures.builds,
        "fresh": figures.fresh,
        "restored": figures.restored,
        "ran": figures.ran,
        "failed": figures.failed,
        "saved_ms": json::milliseconds(figures.saved),
        "steps": figures.steps.iter().map(step).collect::<Vec<_>>(),
        "reasons": figures.reasons.iter().map(reason).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(build: u64, action: &str, what: What, ms: u64) -> Entry {
        Entry {
            build_ms: build,
            action: action.to_owned(),
            what,
            duration: Duration::from_millis(ms),
            saved: Duration::ZERO,
            reason: Some(("input-changed".to_owned(), Some("a.go".to_owned()))),
            fresh: None,
        }
    }

    fn history() -> Vec<Entry> {
        vec![
            Entry {
                fresh: Some((3, Duration::from_secs(4))),
                ..entry(1, "#api", What::Ran, 1_000)
            },
            entry(1, "#lint", What::Ran, 20_000),
            Entry { saved: Duration::from_millis(19_500), ..entry(2, "#lint", What::Restored, 30) },
            Entry {
                reason: Some(("never-ran".to_owned(), None)),
                ..entry(2, "#api", What::Ran, 3_000)
            },
            Entry { reason: None, ..entry(3, "#api", What::Ran, 2_000) },
            entry(3, "web#e2e", What::Failed, 500),
        ]
    }

    #[test]
    fn people_get_figures_with_the_slowest_step_first() {
        insta::assert_snapshot!(human(&Figures::of(&history())), @"
        3 builds with something to do: 44.4% of the steps did not have to run; 23.5s saved
        3 fresh, 1 restored, 4 ran, 1 failed

        STEP     MEDIAN RUN  RAN  RESTORED  FAILED  SAVED
        #lint    20.0s       1    1         0       19.5s
        #api     2.00s       3    0         0       -
        web#e2e  -           0    0         1       -

        TIMES  REASON
        4      a.go changed
        1      it has not run here before
        ");
    }

    #[test]
    fn without_a_history_that_is_said() {
        assert_eq!(human(&Figures::of(&[])), "Nothing has been done in this checkout yet.\n");
    }

    #[test]
    fn programs_get_one_object() {
        insta::assert_snapshot!(object(&Figures::of(&history())), @r##"{"reason":"granular-stats","builds":3,"fresh":3,"restored":1,"ran":4,"failed":1,"saved_ms":23500,"steps":[{"action":"#lint","median_ms":20000,"ran":1,"restored":1,"failed":0,"saved_ms":19500},{"action":"#api","median_ms":2000,"ran":3,"restored":0,"failed":0,"saved_ms":0},{"action":"web#e2e","median_ms":null,"ran":0,"restored":0,"failed":1,"saved_ms":0}],"reasons":[{"reason":"input-changed a.go","count":4},{"reason":"never-ran","count":1}]}"##);
    }
}
