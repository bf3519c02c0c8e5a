//! The versions of everything that is kept on disk, in one place. A version is raised with every change of what is written or
//! of what it means; what has another version is not read, so that an old and a new program can stand side by side.
//! What only the program `cargo-granular` writes (the file of `cache export`, what lies on a remote cache) has its versions there.

/// The text of a fingerprint ([`crate::digest::Key`] is its hash): a raised one makes every earlier result unreachable.
pub const FINGERPRINT: u32 = 1;

/// The text of an action result. Whoever raises it raises [`STORE_LAYOUT`] too: to an older program that shares the
/// directory, a text of another version would be a damaged one.
pub const RESULT: u32 = 1;

/// Sets of files that runs were found to read, in a store and among what a checkout remembers.
pub const FOUND: u32 = 1;

/// The layout of a local store, and the name of its directory, `v1`.
pub const STORE_LAYOUT: u32 = 1;

/// The stat index of a checkout.
pub const STAT_INDEX: u32 = 1;

/// The records of a checkout: which key was the last one of each action, and what it left.
pub const RECORDS: u32 = 1;

/// The history of a checkout's runs.
pub const HISTORY: u32 = 1;

/// What tools said of their version.
pub const TOOLS: u32 = 1;

/// With which tools results were made.
pub const MADE_WITH: u32 = 1;

/// What Cargo said of a workspace.
pub const WORKSPACE: u32 = 2;

/// The proof that nothing was touched.
pub const UNTOUCHED: u32 = 1;

/// Which byte of the file of turns is locked for which command.
pub const TURNS: u32 = 1;
