//! The two streams to the user: what is being done goes to standard error, what was asked for to standard output.
//! The only place that writes to either, but for the reporters that are given one here.

use crate::github;
use crate::report::human::Human;
use crate::report::plain::Plain;
use crate::trouble::Result;
use crate::wording;
use anstream::{AutoStream, ColorChoice};
use std::io::{IsTerminal as _, Write};

/// How much is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Verbosity {
    /// `-q`: failures and errors only.
    Quiet,
    /// A line for each step that something was done for.
    Normal,
    /// `-v`: fresh and skipped steps as well, and all reasons.
    Verbose,
    /// `-vv`: also what the steps printed.
    Full,
}

/// The streams to the user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shell {
    /// How much is told.
    pub(crate) verbosity: Verbosity,
    /// Whether GitHub Actions reads what is told, and would obey some of it.
    pub(crate) is_guarded: bool,
}

impl Shell {
    /// Writes `text` to standard error as it is, whatever the verbosity. Who does not listen there misses it.
    pub(crate) fn tell(&self, text: &str) {
        let guarded = if self.is_guarded { Some(github::guarded(text)) } else { None };
        let text = guarded.as_deref().unwrap_or(text);
        let mut stream = standard_error();
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    }

    /// Writes `text`, which GitHub Actions is to obey, to standard error.
    pub(crate) fn command(&self, text: &str) {
        let mut stream = standard_error();
        let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
    }

    /// What tells of a build line by line, at standard error.
    pub(crate) fn plain(&self, human: Human) -> Plain<AutoStream<std::io::Stderr>> {
        Plain::new(human, standard_error()).guarded(self.is_guarded)
    }

    /// Tells a status line of something that went well, unless quiet.
    pub(crate) fn status(&self, word: &str, message: &str) {
        if self.verbosity > Verbosity::Quiet {
            self.tell(&wording::good(word, message));
        }
    }

    /// Tells a warning, unless quiet.
    pub(crate) fn warn(&self, message: &str) {
        if self.verbosity > Verbosity::Quiet {
            self.tell(&wording::warning(&wording::one_line(message)));
        }
    }

    /// Writes what was asked for to standard output.
    pub(crate) fn answer(&self, text: &str) -> Result<()> {
        let mut stream = AutoStream::new(std::io::stdout().lock(), ColorChoice::Auto);
        stream.write_all(text.as_bytes())?;
        Ok(stream.flush()?)
    }
}

/// Standard error, with colours taken out where they are not wanted.
pub(crate) fn standard_error() -> AutoStream<std::io::Stderr> {
    AutoStream::new(std::io::stderr(), ColorChoice::Auto)
}

/// Whether standard error takes colours.
pub(crate) fn has_colour() -> bool {
    AutoStream::choice(&std::io::stderr()) != ColorChoice::Never
}

/// Whether standard error is a terminal.
pub(crate) fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}
