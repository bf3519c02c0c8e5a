//! What happens in a build, as plain data. Who shows it is the caller's business.

use crate::action::ActionName;
use crate::digest::Key;
use crate::execute::Ending;
use crate::path::OutputPath;
use crate::reason::DirtyReason;
use std::path::PathBuf;
use std::time::Duration;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Another build holds this checkout; this one waits for it.
    Waiting {
        /// The process that holds it, if it is known.
        process: Option<u32>,
    },
    /// The plan is made: these actions, in topological order, are to be brought up to date.
    Planned {
        /// All of them, needs included.
        actions: Vec<ActionName>,
    },
    /// Cargo is asked for what an action reads of it; that may take as long as it takes to compile.
    Compiling {
        /// Which.
        action: ActionName,
        /// The names of what Cargo is asked for.
        artifacts: Vec<String>,
    },
    /// An action starts to run.
    Started {
        /// Which.
        action: ActionName,
    },
    /// A store has the result of an action, which is put in place; that may take as long as it takes to bring it from elsewhere.
    Restoring {
        /// Which.
        action: ActionName,
    },
    /// An action is done with. Exactly one for each planned action, also after a failure.
    Finished(Finished),
    /// An action that was up to date runs once more, to be compared.
    Verifying {
        /// Which.
        action: ActionName,
    },
    /// It has, and what was there before is there again.
    Verified {
        /// Which.
        action: ActionName,
        /// What came of it.
        came: Reproduction,
    },
    /// Something to tell that stops nothing: one sentence in lower case, without a full stop.
    Warning {
        /// What.
        message: String,
    },
}

/// How an action came out.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Which action.
    pub action: ActionName,
    /// In what way it is up to date, or why it is not.
    pub status: Status,
    /// Its key, where it came that far.
    pub key: Option<Key>,
    /// How long it took here: the run, or the restore.
    pub duration: Duration,
    /// What it would have taken to run: what the run took that made the result, less what it took here. Zero for a run.
    pub saved: Duration,
    /// Why earlier work could not be used, the main reason first. Empty for a fresh one.
    pub reasons: Vec<DirtyReason>,
    /// The file that holds what it printed, if it printed anything. The reporter decides whether to show it.
    pub log: Option<PathBuf>,
    /// Whether it is a check: a step that leaves nothing behind, so that its log is what it is run for.
    pub is_check: bool,
}

/// The ways for an action to be done with.
#[derive(Clone, Debug)]
pub enum Status {
    /// Nothing had changed and the outputs are right.
    Fresh,
    /// A store had the result.
    Restored {
        /// Which store: "local cache".
        source: String,
        /// The bytes of all its files.
        bytes: u64,
    },
    /// It was run.
    Ran,
    /// It was run, or was to be, and did not succeed.
    Failed(Failure),
    /// It was not tried.
    Skipped(Skip),
}

/// Why an action failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The command ended otherwise than with 0.
    Command {
        /// How it ended.
        ending: Ending,
        /// The command as a line that can be pasted into a shell, to repeat it by hand.
        repeat: String,
    },
    /// The command ended well, but what it left is not what is declared.
    Outputs {
        /// What is wrong with them, one sentence each.
        faults: Vec<String>,
        /// The command as a line that can be pasted into a shell, to repeat it by hand.
        repeat: String,
    },
    /// What it reads or leaves was changed meanwhile, and that is a mistake or was to count as one.
    Inputs {
        /// What changed.
        message: String,
        /// The way out.
        hint: String,
    },
    /// What it reads could not be found out, or must not be read by it: `go list` fails, an output of a step that it does not need.
    Finding {
        /// What is wrong.
        message: String,
        /// The way out, if there is one to tell.
        hint: Option<String>,
    },
    /// The environment did not let it run: a tool is missing, a directory cannot be written. Exit code 3.
    Environment {
        /// What is wrong.
        message: String,
        /// The way out, if there is one to tell.
        hint: Option<String>,
    },
}

/// Why an action was not tried.
#[derive(Clone, Debug)]
pub enum Skip {
    /// This need of it failed or was skipped.
    Need(ActionName),
    /// Another action failed, and nothing more is started without `--keep-going`.
    AfterFailure,
    /// The build was stopped before its turn, or while it ran.
    Stopped,
    /// It cannot run here, as this says, and asks to be skipped then.
    Unavailable(String),
}

/// What came of running an action twice.
#[derive(Clone, Debug)]
pub enum Reproduction {
    /// Both runs left the same: so many outputs with so many bytes.
    Same {
        /// How many outputs.
        outputs: usize,
        /// The bytes of all of them.
        bytes: u64,
    },
    /// They differ.
    Different(Vec<Difference>),
    /// One of the runs, or one of a need, failed.
    Failed(Failure),
    /// There is nothing to compare: it was stopped, or inputs or outputs changed during a run, which an event has told.
    Unfinished,
}

/// One output that differs.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Where.
    pub path: OutputPath,
    /// In what way, one phrase: "is there only after the first run", "differs first at byte 4711 of 9001: 0x3a, then 0x3b".
    pub how: String,
}

/// How a build came out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many actions were fresh.
    pub fresh: usize,
    /// How many were restored.
    pub restored: usize,
    /// How many ran.
    pub ran: usize,
    /// How many failed.
    pub failed: usize,
    /// How many of the failed ones failed because of the environment.
    pub failed_by_environment: usize,
    /// How many were not tried.
    pub skipped: usize,
    /// How many of those cannot run here and ask to be skipped then.
    pub unavailable: usize,
    /// How many of those that were run again have left something else, or failed. They count as fresh or restored as well.
    pub differing: usize,
    /// The sum of what was saved.
    pub saved: Duration,
    /// How long it all took.
    pub duration: Duration,
    /// Whether it was stopped.
    pub stopped: bool,
}

impl Summary {
    /// Whether everything that was wanted and can run here is up to date, and nothing that was run again has left something else.
    pub fn success(&self) -> bool {
        self.failed == 0 && self.skipped == self.unavailable && self.differing == 0 && !self.stopped
    }
}
