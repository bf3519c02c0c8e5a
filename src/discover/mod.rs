//! Inputs that are found rather than listed. Knows how each finder is asked and what it says, but neither how a build goes nor what becomes of it.
//!
//! In reading order: [`depfile`] reads what a run leaves; `go` asks `go list` before a run; `memory` is what a checkout remembers of both, so that
//! nobody is asked where nothing has changed; `sight` looks at the tree for all of them.

pub mod depfile;
pub(crate) mod embed;
pub(crate) mod go;
pub(crate) mod memory;
pub(crate) mod modules;
pub(crate) mod sight;
