//! Stands for holding files where the system has no leases: who writes them does not show.

use std::path::PathBuf;

/// What became of files that were held.
#[derive(Debug, Default)]
pub(super) struct Openings {
    /// None that is known of.
    pub(super) by_command: Vec<PathBuf>,
    /// None.
    pub(super) refused: Vec<PathBuf>,
}

/// Stands for files that are held.
pub(super) struct Held;

/// Holds none.
pub(super) fn hold(_files: &[PathBuf]) -> Held {
    Held
}

impl Held {
    /// There is nothing to tell.
    pub(super) fn let_go(self, _command: u32) -> Openings {
        Openings::default()
    }
}
