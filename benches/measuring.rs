//! What the benchmarks that compare builders share: a scratch directory, copies of an example's sources, and times as people read them.

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A directory for the copies, removed at the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("granular-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir)?;
        Ok(Self(dir.canonicalize()?))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Go's module cache is read-only; its build cache is not, and only that is here.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What builds leave in a checkout of an example.
pub(crate) const MADE: [&str; 5] = ["target", "bin", "build", "gen", "node_modules"];

/// Copies the sources; what was built there stays behind.
pub(crate) fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type()?.is_dir() {
            true if MADE.iter().any(|made| entry.file_name() == *made) => {}
            true => copy_sources(&from, &to)?,
            false => drop(fs::copy(&from, &to)?),
        }
    }
    Ok(())
}

pub(crate) fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The median, and behind it the least and the most, in milliseconds.
pub(crate) fn with_spread(times: &[Duration]) -> String {
    let least = times.iter().min().copied().unwrap_or_default();
    let most = times.iter().max().copied().unwrap_or_default();
    let spread = format!("({}–{})", milliseconds(least), milliseconds(most));
    format!("{:>6} {spread:>13}", milliseconds(median(times)))
}

fn milliseconds(time: Duration) -> String {
    let time = time.as_secs_f64() * 1e3;
    if time < 10.0 { format!("{time:.1}") } else { format!("{time:.0}") }
}
