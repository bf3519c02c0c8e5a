//! Trouble with the environment: what was being done, on which path, and what the system said.
//! Mistakes of the user's are values of [`crate::mistake`]; a failed step is a value as well.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Something that the environment refused; the build cannot go on.
#[derive(Debug)]
pub struct Error {
    /// What was being done, as in "cannot read the directory".
    doing: String,
    path: Option<PathBuf>,
    source: Option<io::Error>,
    hint: Option<String>,
}

/// A result whose error is an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error without a path or a system's word, as in "interrupted".
    pub fn new(what: impl Into<String>) -> Self {
        Self { doing: what.into(), path: None, source: None, hint: None }
    }

    /// An error of the system's on `path`, while `doing` something ("cannot read").
    pub fn io(doing: impl Into<String>, path: &Path, source: io::Error) -> Self {
        Self {
            doing: doing.into(),
            path: Some(path.to_path_buf()),
            source: Some(source),
            hint: None,
        }
    }

    /// Adds the way out, one sentence.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The way out, if there is one to tell.
    pub fn way_out(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)?;
        if let Some(path) = &self.path {
            write!(f, " `{}`", path.display().to_string().escape_debug())?;
        }
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
