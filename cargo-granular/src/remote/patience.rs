//! How long a remote is waited for, whatever kind it is of.

use std::time::Duration;

/// How long it may take to find the host, and then to reach it.
pub(super) const CONNECT: Duration = Duration::from_secs(2);

/// How long an answer may take to begin, and to go on.
pub(super) const ANSWER: Duration = Duration::from_secs(3);

/// How long writing may stand still, and its answer may take: servers look at it first. Nothing waits for that but the end of a build, which has its own limit.
pub(super) const SAVED: Duration = Duration::from_secs(60);

/// What comes more slowly than this many bytes in the time of [`ANSWER`] is given up.
pub(super) const SLOWEST: u64 = 16 * 1024;
