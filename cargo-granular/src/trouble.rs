//! Why a command ended without its answer. Who shows it decides on the words around it.

use crate::exit::Exit;
use granular::build::BuildError;
use granular::error::Error;
use granular::mistake::Mistake;
use granular::select::Unknown;
use std::io;

/// Why a command ended without its answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Mistakes in the configuration. Nothing has run.
    Mistakes(Vec<Mistake>),
    /// The user asked for something that cannot be. Nothing has run.
    Usage {
        /// What is wrong, in lower case without a full stop; may have more lines.
        message: String,
        /// The way out, if there is one to tell.
        help: Option<String>,
    },
    /// The environment.
    Environment {
        /// What is wrong.
        message: String,
        /// The way out, if there is one to tell.
        help: Option<String>,
    },
    /// What was asked for cannot be told now, although nothing is wrong with the question.
    Unanswered(String),
    /// Nobody reads our standard output any more.
    Unheard,
}

/// A result whose error is a [`Trouble`].
pub(crate) type Result<T, E = Trouble> = std::result::Result<T, E>;

impl Trouble {
    /// A usage that cannot be, without a way out to tell.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), help: None }
    }

    /// How the program ends.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Mistakes(_) | Self::Usage { .. } => Exit::Mistake,
            Self::Environment { .. } => Exit::Environment,
            Self::Unanswered(_) => Exit::Failed,
            Self::Unheard => Exit::Done,
        }
    }

    /// What is wrong and the way out, in words; `None` where there is nothing to say, or mistakes to draw.
    pub(crate) fn words(&self) -> Option<(&str, Option<&str>)> {
        match self {
            Self::Usage { message, help } | Self::Environment { message, help } => {
                Some((message, help.as_deref()))
            }
            Self::Unanswered(message) => Some((message, None)),
            Self::Mistakes(_) | Self::Unheard => None,
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Environment { message: error.to_string(), help: error.way_out().map(str::to_owned) }
    }
}

impl From<BuildError> for Trouble {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Mistakes(mistakes) => Self::Mistakes(mistakes),
            BuildError::Environment(error) => error.into(),
        }
    }
}

impl From<Unknown> for Trouble {
    fn from(unknown: Unknown) -> Self {
        Self::Usage { message: unknown.message, help: unknown.help }
    }
}

impl From<io::Error> for Trouble {
    /// For writing to standard output, the only thing that is written with `?` here.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unheard,
            _ => Self::Environment {
                message: format!("cannot write to standard output: {error}"),
                help: None,
            },
        }
    }
}
