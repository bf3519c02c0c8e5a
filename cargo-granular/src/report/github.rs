//! Tells GitHub Actions: an annotation for each step that failed, and a table of all steps for the summary of the job.

use super::Reporter;
use crate::draw;
use crate::github::{self, At};
use crate::quantity;
use crate::session::Session;
use crate::wording;
use granular::event::{Event, Failure, Finished, Status, Summary};
use granular::mistake::Mistake;
use granular::project::Project;
use granular::step::StepName;
use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// GitHub shows ten annotations of a kind for a step of a job.
const MOST_ANNOTATIONS: usize = 10;

/// More rows than these are left out of a table.
const MOST_ROWS: usize = 1000;

/// Writes annotations to `to`, and at the end the summary into its file.
pub(crate) struct Github<W> {
    to: W,
    /// What the command is called, as in "build".
    command: &'static str,
    places: HashMap<StepName, At>,
    summary: Option<PathBuf>,
    annotated: usize,
    rows: Vec<Row>,
}

/// A step in the table.
struct Row {
    name: String,
    status: &'static str,
    /// What stands first in the table: the lower, the earlier.
    rank: u8,
    time: Duration,
    saved: Duration,
    why: String,
}

impl<W: Write> Github<W> {
    /// For the steps of `project`; without one nothing is known of where they are declared.
    pub(crate) fn new(
        session: &Session,
        command: &'static str,
        project: Option<&Project>,
        to: W,
    ) -> Self {
        let steps = project.iter().flat_map(|project| &project.config.steps);
        let place = |step: &granular::step::Step| {
            let (line, column) = draw::line_and_column(&step.place(&step.span));
            (step.name.clone(), At { line, column, ..At::new(&session.env, &step.manifest) })
        };
        Self {
            to,
            command,
            places: steps.map(place).collect(),
            summary: github::summary_file(&session.env),
            annotated: 0,
            rows: Vec::new(),
        }
    }

    fn annotate(&mut self, finished: &Finished, failure: &Failure) {
        self.annotated += 1;
        if self.annotated > MOST_ANNOTATIONS {
            return;
        }
        let name = wording::one_line(&finished.action.to_string());
        let mut message = wording::failure(failure, finished.duration);
        match failure {
            Failure::Command { repeat, .. } | Failure::Outputs { repeat, .. } => {
                message.push_str(&format!("\nrepeat: {}", wording::one_line(repeat)));
            }
            Failure::Inputs { hint, .. } => {
                message.push_str(&format!("\nhelp: {}", wording::one_line(hint)))
            }
            Failure::Finding { hint, .. } | Failure::Environment { hint, .. } => {
                let help = hint.iter().map(|hint| format!("\nhelp: {}", wording::one_line(hint)));
                message.extend(help);
            }
        }
        let at = self.places.get(&finished.action.step);
        let line = github::error(at, &format!("{name} failed"), &message);
        let _ = self.to.write_all(line.as_bytes()).and_then(|()| self.to.flush());
    }

    fn row(&mut self, finished: &Finished) {
        let reason = || wording::main_reason(&finished.reasons);
        let (rank, status, why) = match &finished.status {
            Status::Failed(failure) => (0, "failed", wording::failure(failure, finished.duration)),
            Status::Skipped(skip) => (1, "skipped", wording::skip(skip)),
            Status::Ran => (2, "ran", reason()),
            Status::Restored { source, .. } => {
                let from = format!("from {source}");
                let why = [from, reason()].into_iter().filter(|part| !part.is_empty());
                (3, "restored", why.collect::<Vec<_>>().join("; "))
            }
            Status::Fresh => (4, "fresh", String::new()),
        };
        let (time, saved) = (finished.duration, finished.saved);
        self.rows.push(Row { name: finished.action.to_string(), status, rank, time, saved, why });
    }

    /// The summary, in Markdown.
    fn text(&mut self, summary: &Summary) -> String {
        self.rows.sort_by_key(|row| row.rank);
        let how = match (summary.stopped, summary.success()) {
            (true, _) => ", interrupted",
            (_, true) => "",
            (_, false) => ", failed",
        };
        let mut text = format!("### cargo granular {}{how}\n\n", self.command);
        let shown = self.rows.iter().take(MOST_ROWS);
        let (done, fresh): (Vec<&Row>, Vec<&Row>) = shown.partition(|row| row.rank < 4);
        if !done.is_empty() {
            text.push_str(&table(&done));
        }
        if !fresh.is_empty() {
            let heading = format!("{} fresh", wording::count(fresh.len(), "step"));
            text.push_str(&format!(
                "<details><summary>{heading}</summary>\n\n{}</details>\n\n",
                table(&fresh)
            ));
        }
        if self.rows.len() > MOST_ROWS {
            text.push_str(&format!("and {} more\n\n", self.rows.len() - MOST_ROWS));
        }
        text.push_str(&super::human::counts_of_all(summary));
        text.push_str("\n\n");
        text
    }
}

fn table(rows: &[&Row]) -> String {
    let mut text =
        String::from("| step | status | time | saved | why |\n| --- | --- | ---: | ---: | --- |\n");
    for Row { name, status, time, saved, why, .. } in rows {
        let time = if time.is_zero() { String::new() } else { quantity::exact(*time) };
        let saved = if saved.is_zero() { String::new() } else { quantity::about(*saved) };
        let why = if why.is_empty() { String::new() } else { github::cell(why) };
        text.push_str(&format!(
            "| {} | {status} | {time} | {saved} | {why} |\n",
            github::cell(name)
        ));
    }
    text + "\n"
}

impl<W: Write> Reporter for Github<W> {
    fn event(&mut self, event: &Event) {
        if let Event::Finished(finished) = event {
            if let Status::Failed(failure) = &finished.status {
                self.annotate(finished, failure);
            }
            self.row(finished);
        }
    }

    fn summary(&mut self, summary: &Summary) {
        let Some(path) = self.summary.take() else { return };
        let text = self.text(summary);
        let file = OpenOptions::new().append(true).create(true).open(&path);
        if let Err(error) = file.and_then(|mut file| file.write_all(text.as_bytes())) {
            let message =
                format!("cannot add to the summary of the job in `{}`: {error}", path.display());
            let line = wording::warning(&wording::one_line(&message));
            let _ = self.to.write_all(github::guarded(&line).as_bytes());
        }
    }
}

/// Annotations for mistakes, as lines.
pub(crate) fn mistakes(session: &Session, mistakes: &[Mistake]) -> String {
    let one = |mistake: &Mistake| {
        let (line, column) = draw::line_and_column(&mistake.place);
        let at = At { line, column, ..At::new(&session.env, &mistake.place.file) };
        let help = mistake.help.iter().map(|help| format!("\nhelp: {help}"));
        let message = [mistake.message.clone()].into_iter().chain(help).collect::<String>();
        github::error(Some(&at), "mistake in the configuration", &wording::some_lines(&message))
    };
    mistakes.iter().take(MOST_ANNOTATIONS).map(one).collect()
}
