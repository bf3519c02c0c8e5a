//! Mistakes in a configuration, as values: what is wrong, where, and the way out. Who draws them is the program's business.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// What is wrong, one sentence in lower case without a full stop.
    pub message: String,
    /// The place that the caret points to.
    pub place: Place,
    /// Other places that belong to it, such as the other step of an overlap.
    pub related: Vec<Place>,
    /// The way out, if there is one to tell.
    pub help: Option<String>,
}

/// A stretch of a file, with a word on what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file, absolute.
    pub file: PathBuf,
    /// The bytes of the file that are meant. An empty range is a point.
    pub span: Range<usize>,
    /// What the caret says; may be empty.
    pub label: String,
}

impl Mistake {
    /// A mistake at `place`.
    pub fn new(message: impl Into<String>, place: Place) -> Self {
        Self { message: message.into(), place, related: Vec::new(), help: None }
    }

    /// Adds the way out.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place that belongs to it.
    pub fn related(mut self, place: Place) -> Self {
        self.related.push(place);
        self
    }
}

impl Place {
    /// `span` of `file`, without a label.
    pub fn new(file: impl Into<PathBuf>, span: Range<usize>) -> Self {
        Self { file: file.into(), span, label: String::new() }
    }

    /// The same place with a label.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }
}

impl fmt::Display for Mistake {
    /// One line without the source text, for where nothing can draw.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place.file.display(), self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}
