//! What no builder can be faster than: asking the file system about every input, with two threads.

use crate::work::Work;
use anyhow::{Context, Result, ensure};
use rustix::fs::{AtFlags, Mode, OFlags, RawDir, StatxFlags, openat, statx};
use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const THREADS: usize = 2;

/// Which of the two limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Limit {
    /// The names are known.
    Stat,
    /// Each directory is read as well, as patterns ask for it.
    WalkAndStat,
}

impl Limit {
    pub(crate) const ALL: [Self; 2] = [Self::Stat, Self::WalkAndStat];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::WalkAndStat => "walk-and-stat",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Stat => "limit: stat, 2 threads",
            Self::WalkAndStat => "limit: list and stat, 2 threads",
        }
    }
}

/// The directories of a tree's inputs, with the names in them.
pub(crate) struct Inputs {
    dirs: Vec<(CString, Vec<CString>)>,
    files: usize,
}

impl Inputs {
    pub(crate) fn of(work: &Work, root: &Path) -> Result<Self> {
        let mut dirs: Vec<(CString, Vec<CString>)> = Vec::new();
        let mut files: Vec<_> = work.files().collect();
        files.sort();
        for file in &files {
            let (dir, name) = file.rsplit_once('/').context("a file at the root")?;
            let dir = CString::new(root.join(dir).into_os_string().into_encoded_bytes())?;
            let name = CString::new(name)?;
            match dirs.last_mut() {
                Some((last, names)) if *last == dir => names.push(name),
                _ => dirs.push((dir, vec![name])),
            }
        }
        Ok(Self { dirs, files: files.len() })
    }

    /// How long it takes in this process, once it is warm.
    pub(crate) fn measure(&self, limit: Limit) -> Result<Duration> {
        let (next, seen) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || -> Result<()> {
            while let Some((dir, names)) = self.dirs.get(next.fetch_add(1, Ordering::Relaxed)) {
                let count = match limit {
                    Limit::Stat => look_at(dir, names)?,
                    Limit::WalkAndStat => list_and_look(dir)?,
                };
                seen.fetch_add(count, Ordering::Relaxed);
            }
            Ok(())
        };
        let began = Instant::now();
        std::thread::scope(|scope| -> Result<()> {
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
        })?;
        let took = began.elapsed();
        let seen = seen.into_inner();
        ensure!(seen >= self.files, "{seen} files were looked at, there are {}", self.files);
        Ok(took)
    }
}

fn look_at(dir: &CStr, names: &[CString]) -> Result<usize> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat(rustix::fs::CWD, dir, flags, Mode::empty())?;
    for name in names {
        let stat = statx(&dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?;
        std::hint::black_box(stat);
    }
    Ok(names.len())
}

fn list_and_look(dir: &CStr) -> Result<usize> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = openat(rustix::fs::CWD, dir, flags, Mode::empty())?;
    let mut buffer = [MaybeUninit::uninit(); 32 * 1024];
    let mut entries = RawDir::new(&dir, &mut buffer);
    let mut count = 0;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        if entry.file_type() == rustix::fs::FileType::RegularFile {
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            std::hint::black_box(statx(&dir, entry.file_name(), flags, StatxFlags::BASIC_STATS)?);
            count += 1;
        }
    }
    Ok(count)
}
