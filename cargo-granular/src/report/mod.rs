//! Shows what happens in a build. One seam: a [`Reporter`] is fed with events and, at the end, the summary.

pub(crate) mod github;
pub(crate) mod human;
pub(crate) mod json;
mod live;
pub(crate) mod plain;

use crate::cli::MessageFormat;
use crate::github as actions;
use crate::remote::{AtEnd, Layered, Origins, Writing};
use crate::session::{self, Session};
use crate::shell::{self, Verbosity};
use granular::action::ActionName;
use granular::event::{Event, Summary};
use granular::execute::Stop;
use granular::ordered::Map;
use granular::project::Project;
use human::Human;
use std::ffi::OsString;

/// Shows what happens.
pub(crate) trait Reporter {
    /// Something happened.
    fn event(&mut self, event: &Event);

    /// What is arriving from a remote, from now on.
    fn watch(&mut self, _remote: &Layered) {}

    /// At the end, what was built is still written to a remote: told again and again.
    fn writing(&mut self, _writing: &Writing) {}

    /// It is over, and came out like this. Not called where a build came to no summary.
    fn summary(&mut self, summary: &Summary);
}

/// All reporters of a build: one for people at standard error, and where it is asked for one for programs at standard output.
pub(crate) struct Reporters(Vec<Box<dyn Reporter>>);

impl Reporters {
    /// Those that the user asked for, of a build that `stop` ends.
    pub(crate) fn new(
        session: &Session,
        format: MessageFormat,
        stop: &Stop,
        origins: Option<&Origins>,
    ) -> Self {
        let verbosity = session.shell.verbosity;
        let human = Human::new(verbosity, shell::has_colour()).with(origins.cloned());
        let mut reporters: Vec<Box<dyn Reporter>> =
            match is_live(&session.env, shell::is_terminal(), verbosity) {
                true => vec![Box::new(live::Live::new(human, stop))],
                false => vec![Box::new(session.shell.plain(human))],
            };
        if format == MessageFormat::Json {
            let json = json::Json::new(std::io::stdout()).with(origins.cloned());
            reporters.push(Box::new(json));
        }
        Self(reporters)
    }

    /// The same, and the one for GitHub Actions where a job is run there. `command` is what was asked for; of the steps of `project` it is known where they are declared.
    pub(crate) fn of_a_build(
        session: &Session,
        format: MessageFormat,
        stop: &Stop,
        command: &'static str,
        project: Option<&Project>,
        origins: Option<&Origins>,
    ) -> Self {
        let mut reporters = Self::new(session, format, stop, origins);
        if actions::is_wanted(&session.env) {
            let to = shell::standard_error();
            reporters.0.push(Box::new(github::Github::new(session, command, project, to)));
        }
        reporters
    }

    /// Those of a command that is run for what it prints, which is shown beside them: nothing of theirs changes the same lines.
    pub(crate) fn beside(
        session: &Session,
        format: MessageFormat,
        command: ActionName,
        origins: Option<&Origins>,
    ) -> Self {
        let human = Human::new(session.shell.verbosity, shell::has_colour()).beside(command);
        let human = human.with(origins.cloned());
        let mut reporters: Vec<Box<dyn Reporter>> = vec![Box::new(session.shell.plain(human))];
        if format == MessageFormat::Json {
            let json = json::Json::new(std::io::stdout()).with(origins.cloned());
            reporters.push(Box::new(json));
        }
        Self(reporters)
    }
}

impl Reporters {
    /// What the end of a build has to tell.
    pub(crate) fn at_end(&mut self, told: AtEnd) {
        match told {
            AtEnd::Writing(writing) => self.writing(&writing),
            AtEnd::Warning(message) => self.event(&Event::Warning { message }),
        }
    }
}

impl Reporter for Reporters {
    fn event(&mut self, event: &Event) {
        self.0.iter_mut().for_each(|reporter| reporter.event(event));
    }

    fn watch(&mut self, remote: &Layered) {
        self.0.iter_mut().for_each(|reporter| reporter.watch(remote));
    }

    fn writing(&mut self, writing: &Writing) {
        self.0.iter_mut().for_each(|reporter| reporter.writing(writing));
    }

    fn summary(&mut self, summary: &Summary) {
        self.0.iter_mut().for_each(|reporter| reporter.summary(summary));
    }
}

/// Whether lines that change are wanted: only by somebody who looks at a terminal that can do it.
fn is_live(env: &Map<OsString, OsString>, is_terminal: bool, verbosity: Verbosity) -> bool {
    let variable = |name| session::variable(env, name);
    // Lines that change are made of escapes, as colours are.
    let is_able = variable("TERM") != Some("dumb")
        && ["CI", "NO_COLOR"].iter().all(|name| variable(name).is_none());
    is_terminal
        && verbosity > Verbosity::Quiet
        && !actions::is_reading(env)
        && match variable("CARGO_TERM_PROGRESS_WHEN") {
            Some("never") => false,
            Some("always") => true,
            _ => is_able,
        }
}

#[cfg(test)]
pub(crate) mod made_up {
    //! Events as a build would tell them.

    use granular::action::ActionName;
    use granular::digest::{Hash, Key};
    use granular::event::{Event, Failure, Finished, Skip, Status, Summary};
    use granular::execute::Ending;
    use granular::reason::DirtyReason;
    use granular::step::StepName;
    use std::path::PathBuf;
    use std::time::Duration;

    pub(crate) fn action(name: &str) -> ActionName {
        let (package, step) = name.split_once('#').unwrap();
        let (step, cell) = step
            .split_once('[')
            .map_or((step, ""), |(step, cell)| (step, cell.trim_end_matches(']')));
        let cell = cell.split(',').filter_map(|part| part.split_once('='));
        ActionName {
            step: StepName {
                package: (!package.is_empty()).then(|| package.to_owned()),
                step: step.to_owned(),
            },
            cell: cell.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        }
    }

    pub(crate) fn finished(name: &str, status: Status) -> Finished {
        Finished {
            action: action(name),
            status,
            key: Some(Key(Hash::of(b"key"))),
            duration: Duration::from_millis(1820),
            saved: Duration::ZERO,
            reasons: Vec::new(),
            log: None,
            is_check: false,
        }
    }

    pub(crate) fn restored() -> Status {
        Status::Restored { source: "local cache".to_owned(), bytes: 9_541_000 }
    }

    pub(crate) fn exit(code: i32) -> Status {
        Status::Failed(Failure::Command {
            ending: Ending::Exited(code),
            repeat: "cd services/api && CGO_ENABLED=0 go build ./...".to_owned(),
        })
    }

    pub(crate) fn changed(paths: &[&str]) -> Vec<DirtyReason> {
        paths.iter().map(|path| DirtyReason::InputChanged((*path).to_owned())).collect()
    }

    /// A directory with what steps printed, taken away at the end.
    pub(crate) struct Logs(PathBuf);

    impl Logs {
        pub(crate) fn new(test: &str) -> Self {
            let name = format!("granular-report-{test}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
            std::fs::write(self.0.join(name), bytes).unwrap();
            self.0.join(name)
        }

        /// `text` with a name for the directory that is always the same.
        pub(crate) fn hide(&self, text: &str) -> String {
            text.replace(&self.0.display().to_string(), "[LOGS]")
        }
    }

    impl Drop for Logs {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// A build in which everything that can come out does.
    pub(crate) fn build(logs: &Logs) -> (Vec<Event>, Summary) {
        let names =
            ["#models", "#lint", "web#bundle[os=linux]", "#api", "#worker", "#image", "#e2e"];
        let log = |name: &str, text: &str| Some(logs.file(name, text));
        let events = vec![
            Event::Waiting { process: Some(4711) },
            Event::Planned { actions: names.map(action).to_vec() },
            Event::Finished(finished("#models", Status::Fresh)),
            Event::Started { action: action("web#bundle[os=linux]") },
            Event::Finished(Finished {
                is_check: true,
                saved: Duration::from_millis(2130),
                log: log("lint", "2 files are \x1b[1mwell\x1b[0m\n"),
                reasons: changed(&["a.go"]),
                ..finished("#lint", restored())
            }),
            Event::Warning { message: "the result of \u{1b}[2J was not kept".to_owned() },
            Event::Finished(Finished {
                reasons: changed(&["web/src/a.ts", "web/src/b.ts", "web/src/c.ts"]),
                log: log("bundle", "bundled\n"),
                ..finished("web#bundle[os=linux]", Status::Ran)
            }),
            Event::Started { action: action("#api") },
            Event::Started { action: action("#worker") },
            Event::Finished(Finished {
                reasons: changed(&["services/api/main.go"]),
                log: log("api", "main.go:3: undefined: x\n"),
                ..finished("#api", exit(3))
            }),
            Event::Finished(Finished {
                reasons: vec![DirtyReason::NeverRan],
                log: log("worker", "\x1b[31mdone\x1b[0m, but\x07 nothing left\n"),
                ..finished(
                    "#worker",
                    Status::Failed(Failure::Outputs {
                        faults: vec!["`{out}/worker` is not there".to_owned()],
                        repeat: "cd services/worker && true".to_owned(),
                    }),
                )
            }),
            Event::Finished(Finished {
                key: None,
                ..finished("#image", Status::Skipped(Skip::Need(action("#api"))))
            }),
            Event::Finished(Finished {
                key: None,
                duration: Duration::ZERO,
                ..finished(
                    "#e2e",
                    Status::Failed(Failure::Environment {
                        message: "there is no program `podman` in PATH".to_owned(),
                        hint: Some("install it, or name another in `tools`".to_owned()),
                    }),
                )
            }),
        ];
        let summary = Summary {
            fresh: 1,
            restored: 1,
            ran: 1,
            failed: 3,
            failed_by_environment: 1,
            skipped: 1,
            unavailable: 0,
            differing: 0,
            saved: Duration::from_millis(2130),
            duration: Duration::from_millis(1900),
            stopped: false,
        };
        (events, summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_change_only_for_somebody_who_looks_at_a_terminal() {
        let live = |pairs: &[(&str, &str)]| {
            let env = pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
            is_live(&env, true, Verbosity::Normal)
        };
        assert!(live(&[]));
        assert!(live(&[("TERM", "xterm")]));
        assert!(!live(&[("TERM", "dumb")]));
        assert!(!live(&[("CI", "true")]) && !live(&[("NO_COLOR", "1")]));
        assert!(live(&[("CI", "true"), ("CARGO_TERM_PROGRESS_WHEN", "always")]));
        assert!(!live(&[("CARGO_TERM_PROGRESS_WHEN", "never")]));
        assert!(!is_live(&Map::new(), false, Verbosity::Normal));
        assert!(!is_live(&Map::new(), true, Verbosity::Quiet));
    }
}
