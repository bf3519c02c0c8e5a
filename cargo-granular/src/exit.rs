//! The exit codes, as the manual documents them.

use granular::event::Summary;
use std::process::ExitCode;

/// How the program ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Exit {
    /// Done, also when the cache misbehaved.
    Done,
    /// A step failed, or `verify` or `reproduce` found a difference.
    Failed,
    /// A mistake in the configuration or in the usage; nothing has run.
    Mistake,
    /// The environment: the workspace cannot be written, a disk is full, a tool is missing.
    Environment,
    /// A safety policy that was asked for refused.
    #[expect(dead_code, reason = "the code is promised to users; no policy exists yet")]
    Refused,
    /// Interrupted; what was finished is kept.
    Interrupted,
    /// As the command did that `exec` ran.
    As(u8),
}

impl Exit {
    /// How a build with this outcome ends.
    pub(crate) fn of(summary: &Summary) -> Self {
        if summary.stopped {
            Self::Interrupted
        } else if summary.success() {
            Self::Done
        } else if summary.failed > 0 && summary.failed == summary.failed_by_environment {
            Self::Environment
        } else {
            Self::Failed
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Mistake => 2,
            Exit::Environment => 3,
            Exit::Refused => 4,
            Exit::Interrupted => 130,
            Exit::As(code) => code,
        })
    }
}

/// Shows what clap has to say, which may be the help that was asked for.
pub(crate) fn after_parsing(error: &clap::Error) -> ExitCode {
    let _ = error.print(); // A reader who has gone away misses nothing.
    let exit = if error.use_stderr() { Exit::Mistake } else { Exit::Done };
    exit.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_of_the_environment_alone_have_a_code_of_their_own() {
        let mut summary = Summary { failed: 2, failed_by_environment: 2, ..Summary::default() };
        assert_eq!(Exit::of(&summary), Exit::Environment);
        summary.failed = 3;
        assert_eq!(Exit::of(&summary), Exit::Failed);
        summary.stopped = true;
        assert_eq!(Exit::of(&summary), Exit::Interrupted);
        assert_eq!(Exit::of(&Summary::default()), Exit::Done);
    }
}
