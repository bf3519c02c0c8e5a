//! The words for people of what happens in a build: text in, text out, with colours that who writes it may take out.
//!
//! A line for each step that something was done for; what failed steps printed comes at the end, where it is seen.

use crate::quantity;
use crate::remote::{Origins, Writing};
use crate::shell::Verbosity;
use crate::wording;
use clap_cargo::style;
use granular::action::ActionName;
use granular::event::{Event, Failure, Finished, Reproduction, Status, Summary};
use granular::execute::{Ending, streams};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Turns events into text.
pub(crate) struct Human {
    verbosity: Verbosity,
    /// Whether colours in logs are passed on.
    colour: bool,
    failed: Vec<Failed>,
    /// The steps that have left something else when they were run again.
    differing: Vec<String>,
    /// The command of `exec`, of which everything but that it was run is shown by somebody else.
    command: Option<ActionName>,
    /// Where results came from that were restored.
    origins: Option<Origins>,
    has_told_of_writing: bool,
}

/// For how long the end of a build waits without saying for what.
const LONG: Duration = Duration::from_secs(1);

/// A step that failed, for the end.
struct Failed {
    name: String,
    failure: Failure,
    duration: Duration,
    log: Option<PathBuf>,
}

impl Human {
    /// Without anything told so far.
    pub(crate) fn new(verbosity: Verbosity, colour: bool) -> Self {
        let (failed, differing) = (Vec::new(), Vec::new());
        Self {
            verbosity,
            colour,
            failed,
            differing,
            command: None,
            origins: None,
            has_told_of_writing: false,
        }
    }

    /// Tells with `-v` of each restored result where it came from, if that is known there.
    pub(crate) fn with(self, origins: Option<Origins>) -> Self {
        Self { origins, ..self }
    }

    /// Leaves what `command` prints and how it all ends to somebody else.
    pub(crate) fn beside(self, command: ActionName) -> Self {
        Self { command: Some(command), ..self }
    }

    /// Whole lines on what happened; empty where that is not worth one.
    pub(crate) fn event(&mut self, event: &Event) -> String {
        match event {
            Event::Waiting { process } if self.tells(Verbosity::Normal) => {
                wording::waiting(*process)
            }
            Event::Warning { message } if self.tells(Verbosity::Normal) => {
                wording::warning(&wording::one_line(message))
            }
            Event::Compiling { action, artifacts } if self.tells(Verbosity::Verbose) => {
                let artifacts = wording::some(artifacts, 5);
                let message = format!("{artifacts} with Cargo, for {}", name(action));
                wording::status("Building", style::TRANSIENT, &message)
            }
            Event::Started { action } if self.tells(Verbosity::Verbose) => {
                wording::status("Running", style::TRANSIENT, &name(action))
            }
            Event::Finished(finished) => self.finished(finished),
            Event::Verifying { action } if self.tells(Verbosity::Verbose) => {
                wording::status("Verifying", style::TRANSIENT, &name(action))
            }
            Event::Verified { action, came } => self.verified(name(action), came),
            _ => String::new(),
        }
    }

    /// Once, where it takes long, that something is written to a remote.
    pub(crate) fn writing(&mut self, writing: &Writing) -> String {
        let is_worth_it = writing.waited >= LONG && self.tells(Verbosity::Normal);
        if !is_worth_it || std::mem::replace(&mut self.has_told_of_writing, true) {
            return String::new();
        }
        let left = wording::count(writing.of.saturating_sub(writing.done), "result");
        let message = format!("{left} with {}", wording::one_line(&writing.host));
        wording::status("Sharing", style::TRANSIENT, &message)
    }

    /// What comes last: what failed steps printed, and how it all came out.
    pub(crate) fn summary(&self, summary: &Summary) -> String {
        let mut text = String::new();
        for failed in &self.failed {
            text.push_str(&self.story(failed));
        }
        if !self.failed.is_empty() {
            text.push('\n');
            text.push_str(&wording::error(&failures(&self.failed, summary.skipped)));
        }
        if !self.differing.is_empty() {
            text.push_str(&wording::error(&differing(&self.differing)));
        }
        if summary.stopped {
            text.push_str(&wording::error(&stopped(summary)));
        } else if summary.success() && self.tells(Verbosity::Normal) && self.command.is_none() {
            text.push_str(&wording::good("Finished", &counts(summary)));
        }
        text
    }

    fn tells(&self, verbosity: Verbosity) -> bool {
        self.verbosity >= verbosity
    }

    fn finished(&mut self, finished: &Finished) -> String {
        let mut text = match &finished.status {
            Status::Fresh => self.line(Verbosity::Verbose, "Fresh", name(&finished.action)),
            Status::Restored { bytes, source } => {
                self.line(Verbosity::Normal, "Restored", restored(finished, *bytes, source))
            }
            Status::Ran => self.line(Verbosity::Normal, "Ran", self.ran(finished)),
            Status::Failed(failure) => self.failed(finished, failure),
            Status::Skipped(skip) if self.tells(Verbosity::Verbose) => {
                let message = format!("{}: {}", name(&finished.action), wording::skip(skip));
                wording::status("Skipped", style::WARN, &message)
            }
            Status::Skipped(_) => String::new(),
        };
        text.push_str(&self.origin(finished));
        text.push_str(&self.reasons(finished));
        if self.shows_log(finished) {
            text.push_str(&self.log(finished.log.as_deref()));
        }
        text
    }

    fn line(&self, from: Verbosity, word: &str, message: String) -> String {
        if self.tells(from) { wording::good(word, &message) } else { String::new() }
    }

    fn origin(&self, finished: &Finished) -> String {
        let origins = self.origins.as_ref().filter(|_| self.tells(Verbosity::Verbose));
        let Some(origin) = origins.and_then(|origins| origins.of_restored(finished)) else {
            return String::new();
        };
        let made = match origin.made() {
            made if made.is_empty() => made,
            made => format!(", {made}"),
        };
        let message = format!("{} by {}{made}", name(&finished.action), origin.by());
        wording::good("Signed", &wording::one_line(&message))
    }

    fn ran(&self, finished: &Finished) -> String {
        let told = if self.tells(Verbosity::Verbose) { 1 } else { finished.reasons.len() };
        let reasons = finished.reasons.get(..told).unwrap_or_default();
        let why = match wording::main_reason(reasons) {
            why if why.is_empty() => why,
            why => format!(": {why}"),
        };
        format!("{} in {}{why}", name(&finished.action), quantity::exact(finished.duration))
    }

    fn failed(&mut self, finished: &Finished, failure: &Failure) -> String {
        let name = name(&finished.action);
        let why = wording::failure(failure, finished.duration);
        let is_command = self.command.as_ref() == Some(&finished.action);
        if !(is_command && matches!(failure, Failure::Command { .. })) {
            self.failed.push(Failed {
                name: name.clone(),
                failure: failure.clone(),
                duration: finished.duration,
                log: finished.log.clone().filter(|_| !is_command),
            });
        }
        let time = match (failure, finished.duration) {
            // The reason has it already.
            (Failure::Command { ending: Ending::TimedOut, .. }, _) | (_, Duration::ZERO) => {
                String::new()
            }
            (_, duration) => format!(" after {}", quantity::exact(duration)),
        };
        wording::status("Failed", style::ERROR, &format!("{name}{time}: {why}"))
    }

    fn verified(&mut self, name: String, came: &Reproduction) -> String {
        let lines = match came {
            Reproduction::Same { outputs, bytes } => {
                let outputs = wording::count(*outputs, "output");
                let message = format!("{name}: {outputs} with {}", quantity::size(*bytes));
                return self.line(Verbosity::Normal, "Verified", message);
            }
            Reproduction::Unfinished => {
                let message = format!("{name}: there was nothing to compare");
                return self.line(Verbosity::Normal, "Unverified", message);
            }
            Reproduction::Different(differences) => {
                let line = |found| format!("{:13}{}\n", "", wording::difference(found));
                let heading = wording::count(differences.len(), "output");
                let lines: String = differences.iter().map(line).collect();
                wording::status("Differs", style::ERROR, &format!("{name}: {heading}")) + &lines
            }
            Reproduction::Failed(failure) => {
                let why = wording::failure(failure, Duration::ZERO);
                let again = format!("{name}: it failed when it was run again, {why}");
                let mut lines = wording::status("Differs", style::ERROR, &again);
                if let Failure::Command { repeat, .. } = failure {
                    lines.push_str(&format!("{:13}repeat: {}\n", "", wording::one_line(repeat)));
                }
                lines
            }
        };
        self.differing.push(name);
        lines
    }

    /// With `-v` all the reasons that its line has not told.
    fn reasons(&self, finished: &Finished) -> String {
        let told = usize::from(matches!(finished.status, Status::Ran));
        match (self.tells(Verbosity::Verbose), finished.reasons.get(told..)) {
            (true, Some(reasons)) => wording::all_reasons(reasons, 13, wording::REASONS - told),
            _ => String::new(),
        }
    }

    /// A check is run for what it prints. What a failed step printed comes at the end.
    fn shows_log(&self, finished: &Finished) -> bool {
        match finished.status {
            _ if self.command.as_ref() == Some(&finished.action) => false,
            Status::Restored { .. } | Status::Ran => {
                let from = if finished.is_check { Verbosity::Normal } else { Verbosity::Full };
                self.tells(from)
            }
            _ => false,
        }
    }

    fn log(&self, path: Option<&Path>) -> String {
        let Some(path) = path else { return String::new() };
        match std::fs::read(path) {
            Ok(bytes) => {
                // The result of the same command may come from `exec`, whose log tells the streams apart.
                let printed: Vec<_> =
                    streams::parts(&bytes).iter().map(|(_, part)| *part).collect();
                wording::log(&printed.concat(), self.colour)
            }
            Err(error) => {
                wording::warning(&format!("cannot read the log `{}`: {error}", shown(path)))
            }
        }
    }

    /// All there is to say of a failed step, with a heading where there are several.
    fn story(&self, failed: &Failed) -> String {
        let mut text = String::from("\n");
        if self.failed.len() > 1 {
            text.push_str(&format!("---- {} ----\n", failed.name));
        }
        let log = self.log(failed.log.as_deref());
        if !log.is_empty() {
            text.push_str(&log);
            text.push('\n');
        }
        let mut say = |label: &str, value: &str| text.push_str(&format!("  {label:9} {value}\n"));
        match &failed.failure {
            Failure::Command { ending, repeat } => {
                say("ended by:", &wording::ending(*ending, failed.duration));
                say_log(&mut say, failed.log.as_deref());
                say("repeat:", &wording::one_line(repeat));
            }
            Failure::Outputs { faults, repeat } => {
                faults.iter().for_each(|fault| say("outputs:", &wording::one_line(fault)));
                say_log(&mut say, failed.log.as_deref());
                say("repeat:", &wording::one_line(repeat));
            }
            Failure::Inputs { message, hint } => {
                say("inputs:", &wording::one_line(message));
                say_log(&mut say, failed.log.as_deref());
                say("help:", &wording::one_line(hint));
            }
            Failure::Environment { message, hint } | Failure::Finding { message, hint } => {
                say("reason:", &wording::one_line(message));
                say_log(&mut say, failed.log.as_deref());
                if let Some(hint) = hint {
                    say("help:", &wording::one_line(hint));
                }
            }
        }
        text
    }
}

fn say_log(say: &mut impl FnMut(&str, &str), log: Option<&Path>) {
    if let Some(log) = log {
        say("log:", &shown(log));
    }
}

fn shown(path: &Path) -> String {
    wording::one_line(&path.display().to_string())
}

fn name(action: &ActionName) -> String {
    wording::one_line(&action.to_string())
}

fn restored(finished: &Finished, bytes: u64, source: &str) -> String {
    let size = if bytes == 0 { String::new() } else { format!("{} ", quantity::size(bytes)) };
    let saved = match finished.saved {
        Duration::ZERO => String::new(),
        saved => format!(", saved {}", quantity::about(saved)),
    };
    format!("{} ({size}from {}{saved})", name(&finished.action), wording::one_line(source))
}

/// The same with what failed.
pub(super) fn counts_of_all(summary: &Summary) -> String {
    match summary.failed {
        0 => counts(summary),
        failed => format!("{failed} failed, of the rest {}", counts(summary)),
    }
}

/// `5 steps in 1.9s: 3 fresh, 1 restored, 1 ran; 4.0s saved`.
fn counts(summary: &Summary) -> String {
    let parts = [
        (summary.fresh, "fresh"),
        (summary.restored, "restored"),
        (summary.ran, "ran"),
        (summary.skipped, "skipped"),
    ];
    let total = parts.iter().map(|(number, _)| number).sum();
    let told: Vec<_> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    let told = if told.is_empty() { String::new() } else { format!(": {}", told.join(", ")) };
    let saved = match summary.saved {
        saved if saved < Duration::from_millis(1) => String::new(),
        saved => format!("; {} saved", quantity::about(saved)),
    };
    format!(
        "{} in {}{told}{saved}",
        wording::count(total, "step"),
        quantity::about(summary.duration)
    )
}

fn failures(failed: &[Failed], skipped: usize) -> String {
    let names: Vec<_> = failed.iter().map(|failed| failed.name.clone()).collect();
    let skipped = match skipped {
        0 => String::new(),
        skipped => format!(" ({skipped} skipped)"),
    };
    format!("{} failed: {}{skipped}", wording::count(names.len(), "step"), wording::some(&names, 5))
}

fn differing(names: &[String]) -> String {
    let steps = wording::count(names.len(), "step");
    format!("{steps} did not leave the same again: {}", wording::some(names, 5))
}

fn stopped(summary: &Summary) -> String {
    let done = summary.fresh + summary.restored + summary.ran;
    let total = done + summary.failed + summary.skipped;
    format!("interrupted: {done} of {} up to date", wording::count(total, "step"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::made_up::{self, Logs, action, changed, exit, finished};

    fn told(verbosity: Verbosity, colour: bool, events: &[Event], summary: &Summary) -> String {
        let mut human = Human::new(verbosity, colour);
        let mut text: String = events.iter().map(|event| human.event(event)).collect();
        text.push_str(&human.summary(summary));
        match colour {
            true => text.replace('\u{1b}', "^"),
            false => anstream::adapter::strip_str(&text).to_string(),
        }
    }

    fn whole(verbosity: Verbosity) -> String {
        let logs = Logs::new(&format!("human-{verbosity:?}"));
        let (events, summary) = made_up::build(&logs);
        logs.hide(&told(verbosity, false, &events, &summary))
    }

    #[test]
    fn a_line_is_told_for_each_step_that_something_was_done_for() {
        insta::assert_snapshot!(whole(Verbosity::Normal), @r"
            Blocking waiting for another build in this checkout (process 4711)
            Restored #lint (9.1 MiB from local cache, saved 2.1s)
        2 files are well
        warning: the result of \u{1b}[2J was not kept
                 Ran web#bundle[os=linux] in 1.82s: web/src/a.ts changed (and 2 more)
              Failed #api after 1.82s: exit code 3
              Failed #worker after 1.82s: `{out}/worker` is not there
              Failed #e2e: there is no program `podman` in PATH

        ---- #api ----
        main.go:3: undefined: x

          ended by: exit code 3
          log:      [LOGS]/api
          repeat:   cd services/api && CGO_ENABLED=0 go build ./...

        ---- #worker ----
        done, but nothing left

          outputs:  `{out}/worker` is not there
          log:      [LOGS]/worker
          repeat:   cd services/worker && true

        ---- #e2e ----
          reason:   there is no program `podman` in PATH
          help:     install it, or name another in `tools`

        error: 3 steps failed: #api, #worker, #e2e (1 skipped)
        ");
    }

    #[test]
    fn verbose_tells_of_all_steps_and_all_reasons() {
        insta::assert_snapshot!(whole(Verbosity::Verbose), @r"
            Blocking waiting for another build in this checkout (process 4711)
               Fresh #models
             Running web#bundle[os=linux]
            Restored #lint (9.1 MiB from local cache, saved 2.1s)
                     a.go changed
        2 files are well
        warning: the result of \u{1b}[2J was not kept
                 Ran web#bundle[os=linux] in 1.82s: web/src/a.ts changed
                     web/src/b.ts changed
                     web/src/c.ts changed
             Running #api
             Running #worker
              Failed #api after 1.82s: exit code 3
                     services/api/main.go changed
              Failed #worker after 1.82s: `{out}/worker` is not there
                     it has not run here before
             Skipped #image: it needs #api
              Failed #e2e: there is no program `podman` in PATH

        ---- #api ----
        main.go:3: undefined: x

          ended by: exit code 3
          log:      [LOGS]/api
          repeat:   cd services/api && CGO_ENABLED=0 go build ./...

        ---- #worker ----
        done, but nothing left

          outputs:  `{out}/worker` is not there
          log:      [LOGS]/worker
          repeat:   cd services/worker && true

        ---- #e2e ----
          reason:   there is no program `podman` in PATH
          help:     install it, or name another in `tools`

        error: 3 steps failed: #api, #worker, #e2e (1 skipped)
        ");
    }

    #[test]
    fn very_verbose_shows_all_logs() {
        assert!(!whole(Verbosity::Verbose).contains("bundled\n"));
        assert!(whole(Verbosity::Full).contains("bundled\n"));
    }

    #[test]
    fn quiet_tells_of_failures_only() {
        insta::assert_snapshot!(whole(Verbosity::Quiet), @"
              Failed #api after 1.82s: exit code 3
              Failed #worker after 1.82s: `{out}/worker` is not there
              Failed #e2e: there is no program `podman` in PATH

        ---- #api ----
        main.go:3: undefined: x

          ended by: exit code 3
          log:      [LOGS]/api
          repeat:   cd services/api && CGO_ENABLED=0 go build ./...

        ---- #worker ----
        done, but nothing left

          outputs:  `{out}/worker` is not there
          log:      [LOGS]/worker
          repeat:   cd services/worker && true

        ---- #e2e ----
          reason:   there is no program `podman` in PATH
          help:     install it, or name another in `tools`

        error: 3 steps failed: #api, #worker, #e2e (1 skipped)
        ");
    }

    fn success(summary: Summary) -> String {
        told(Verbosity::Normal, false, &[], &summary)
    }

    #[test]
    fn the_last_line_leaves_out_what_is_nothing() {
        let second = Duration::from_secs(1);
        let all = Summary {
            fresh: 3,
            restored: 1,
            ran: 1,
            saved: second * 4,
            duration: second * 19 / 10,
            ..Summary::default()
        };
        let lines = [
            success(all),
            success(Summary { fresh: 1, duration: second / 40, ..Summary::default() }),
            success(Summary::default()),
            success(Summary { restored: 2, skipped: 3, stopped: true, ..Summary::default() }),
        ];
        insta::assert_snapshot!(lines.concat(), @"
            Finished 5 steps in 1.9s: 3 fresh, 1 restored, 1 ran; 4.0s saved
            Finished 1 step in 25ms: 1 fresh
            Finished 0 steps in 1ms
        error: interrupted: 2 of 5 steps up to date
        ");
    }

    #[test]
    fn a_single_failure_needs_no_heading() {
        let logs = Logs::new("single");
        let events = [Event::Finished(Finished {
            log: Some(logs.file("api", "main.go:3: undefined: x\n")),
            ..finished("#api", exit(3))
        })];
        let summary = Summary { failed: 1, ..Summary::default() };
        insta::assert_snapshot!(logs.hide(&told(Verbosity::Normal, false, &events, &summary)), @"
              Failed #api after 1.82s: exit code 3

        main.go:3: undefined: x

          ended by: exit code 3
          log:      [LOGS]/api
          repeat:   cd services/api && CGO_ENABLED=0 go build ./...

        error: 1 step failed: #api
        ");
    }

    #[test]
    fn words_and_logs_have_colours() {
        let logs = Logs::new("colour");
        let events = [
            Event::Finished(Finished {
                reasons: changed(&["a.go"]),
                ..finished("#api", Status::Ran)
            }),
            Event::Finished(Finished {
                is_check: true,
                log: Some(logs.file("lint", "\x1b[31mred\x1b[0m\n")),
                ..finished("#lint", Status::Ran)
            }),
        ];
        let summary = Summary { ran: 2, ..Summary::default() };
        insta::assert_snapshot!(told(Verbosity::Normal, true, &events, &summary), @"
        ^[1m^[92m         Ran^[0m #api in 1.82s: a.go changed
        ^[1m^[92m         Ran^[0m #lint in 1.82s
        ^[31mred^[0m
        ^[0m^[1m^[92m    Finished^[0m 2 steps in 1ms: 2 ran
        ");
    }

    #[test]
    fn nothing_that_a_name_contains_reaches_the_terminal() {
        let mut hostile = finished("#x", Status::Ran);
        hostile.action = action("#x[os=\u{1b}[2J]");
        hostile.reasons = changed(&["a\u{1b}]0;b\u{7}\n.go"]);
        let mut human = Human::new(Verbosity::Verbose, true);
        let text = human.event(&Event::Finished(hostile));
        let text = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            text,
            "         Ran #x[os=\\u{1b}[2J] in 1.82s: a\\u{1b}]0;b\\u{7}\\n.go changed\n"
        );
    }

    #[test]
    fn more_than_ten_reasons_are_counted() {
        let names: Vec<_> = (10..32).map(|number| format!("{number}.go")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let event =
            Event::Finished(Finished { reasons: changed(&names), ..finished("#api", Status::Ran) });
        let text = Human::new(Verbosity::Verbose, false).event(&event);
        assert_eq!(text.lines().count(), 10 + 1);
        assert!(text.ends_with("             and 12 more\n"), "{text}");
        let text = Human::new(Verbosity::Normal, false).event(&event);
        assert!(text.ends_with("10.go changed (and 21 more)\n"), "{text}");
    }

    #[test]
    fn a_log_that_is_gone_is_told_and_nothing_fails() {
        let event = Event::Finished(Finished {
            is_check: true,
            log: Some("/no/log".into()),
            ..finished("#a", Status::Ran)
        });
        assert!(Human::new(Verbosity::Normal, false).event(&event).contains("cannot read the log"));
    }
}
