//! The versions of what only this program writes, in one place; those of what the library keeps are in [`granular::format`]. A version is raised with every
//! change of what is written or of what it means; what has another one is not read.

/// The file of `cache export`.
pub(crate) const ARCHIVE: u32 = 1;

/// The names of entries on a remote: they decide what is found there. Raised when entries got domains and signatures.
pub(crate) const ENTRY: u32 = 2;

/// What is signed of an entry on a remote.
pub(crate) const STATEMENT: u32 = 1;

/// What is noted of a result that came from a remote.
pub(crate) const ORIGIN: u32 = 1;
