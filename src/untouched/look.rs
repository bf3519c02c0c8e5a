//! Looks at paths, all of them at once in several threads, and holds what it sees against what was seen before. Knows no build.

use crate::index::is_settled;
use crate::stat::{Kind, Stat};
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::SystemTime;

/// What of a path counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum What {
    /// Its stat, links not followed; or that nothing is there.
    Entry,
    /// The stat of what it leads to; or that it leads to nothing.
    Pointee,
    /// That it leads to a directory.
    Directory,
    /// That it is a directory, and no link to one.
    OwnDirectory,
}

/// A path as it was seen.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Sight {
    pub(crate) path: PathBuf,
    pub(crate) what: What,
    pub(crate) stat: Option<Stat>,
}

impl What {
    pub(crate) const ALL: [Self; 4] =
        [Self::Entry, Self::Pointee, Self::Directory, Self::OwnDirectory];

    fn follows(self) -> bool {
        matches!(self, Self::Pointee | Self::Directory)
    }

    /// Whether its stat counts, and not only its kind.
    pub(super) fn is_exact(self) -> bool {
        matches!(self, Self::Entry | Self::Pointee)
    }

    /// Whether a path that has the stat `now` is as it was when it had `then`.
    pub(super) fn is_same(self, then: Option<&Stat>, now: Option<&Stat>) -> bool {
        match self.is_exact() {
            true => then == now,
            false => now.is_some_and(|now| now.kind == Kind::Directory),
        }
    }
}

/// Children of one directory, to be looked at together.
pub(crate) struct Group<'p> {
    pub(crate) directory: &'p str,
    /// How many.
    pub(crate) count: usize,
    /// They, in the form of the file.
    pub(crate) children: &'p [u8],
}

/// From how many children on a directory is opened to look at them: to open and close it costs as much as a few whole paths do.
const WORTH_OPENING: usize = 4;

/// How many paths are worth a second thread: about as long as it takes to start.
const WORTH_A_THREAD: usize = 300;

/// More threads than this wait for the file system only.
const MOST_THREADS: usize = 8;

/// Looks at all `paths`. `None` where one cannot be looked at, or is no directory where one is meant.
pub(crate) fn look(mut paths: Vec<(PathBuf, What)>) -> Option<Vec<Sight>> {
    // By their bytes: to compare paths part by part costs more than to look at them.
    paths.sort_unstable_by(|(a, what), (b, other)| {
        (a.as_os_str(), what).cmp(&(b.as_os_str(), other))
    });
    paths.dedup();
    let threads = threads(paths.len());
    let chunks = paths.chunks(paths.len().div_ceil(threads).max(1));
    let see = |chunk: &[(PathBuf, What)]| -> Option<Vec<Sight>> {
        chunk.iter().map(|(path, what)| sight(path, *what)).collect()
    };
    let seen: Vec<Option<Vec<Sight>>> = thread::scope(|scope| {
        let started: Vec<_> = chunks.map(|chunk| scope.spawn(move || see(chunk))).collect();
        let seen = started.into_iter().map(|it| it.join().unwrap_or_else(|it| resume_unwind(it)));
        seen.collect()
    });
    Some(seen.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect())
}

/// All of both, each path once; `None` where they have seen something differently.
pub(super) fn joined(mut sights: Vec<Sight>, more: Vec<Sight>) -> Option<Vec<Sight>> {
    fn place(sight: &Sight) -> (&std::ffi::OsStr, What) {
        (sight.path.as_os_str(), sight.what)
    }
    sights.extend(more);
    sights.sort_unstable_by(|a, b| place(a).cmp(&place(b)));
    sights.dedup();
    let mut pairs = sights.iter().zip(sights.iter().skip(1));
    pairs.all(|(a, b)| place(a) != place(b)).then_some(sights)
}

fn sight(path: &Path, what: What) -> Option<Sight> {
    let stat = stat(path, what.follows()).ok()?;
    let is_meant = what.is_exact() || what.is_same(None, stat.as_ref());
    is_meant.then(|| Sight { path: path.to_owned(), what, stat: stat.filter(|_| what.is_exact()) })
}

fn stat(path: &Path, follow: bool) -> io::Result<Option<Stat>> {
    if follow { Stat::of_pointee(path) } else { Stat::of(path) }
}

/// Whether nothing has been at `path`, where nothing is, since clearly before `time`: what once was there would have changed its directory when it went.
pub(super) fn is_long_gone(path: &Path, time: SystemTime) -> bool {
    let above = path.ancestors().skip(1).find_map(|above| Stat::of_pointee(above).ok().flatten());
    above.is_some_and(|stat| is_settled(&stat, time))
}

/// How many edited files are told apart from many.
const FEW: usize = 64;

/// The children of `groups` that are not as they were, if these are a few files, each another file or with other times than then. `None` where there is more to it.
pub(super) fn edited(groups: &[Group<'_>]) -> Option<Vec<PathBuf>> {
    let (next, is_more) = (AtomicUsize::new(0), AtomicBool::new(false));
    let edited = Mutex::new(Vec::new());
    let work = || {
        while let Some(group) = groups.get(next.fetch_add(1, Ordering::Relaxed)) {
            if is_more.load(Ordering::Relaxed) {
                return;
            }
            let mut in_group = Vec::new();
            let told = edited_in(group, &mut in_group);
            let mut edited = edited.lock().unwrap_or_else(PoisonError::into_inner);
            edited.append(&mut in_group);
            if told.is_none() || edited.len() > FEW {
                is_more.store(true, Ordering::Relaxed);
            }
        }
    };
    let children = groups.iter().map(|group| group.count).sum();
    thread::scope(|scope| {
        for _ in 1..threads(children).min(groups.len().max(1)) {
            // A thread that cannot be started is one that does not help.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let edited = edited.into_inner().unwrap_or_else(PoisonError::into_inner);
    (!is_more.into_inner()).then_some(edited)
}

fn threads(paths: usize) -> usize {
    match paths > WORTH_A_THREAD {
        true => thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS),
        false => 1,
    }
}

/// Adds the edited files of a group to `edited`; `None` where there is more to it.
fn edited_in(group: &Group<'_>, edited: &mut Vec<PathBuf>) -> Option<()> {
    let folder = Folder::open(group.directory, group.count >= WORTH_OPENING).ok()?;
    let mut children = super::file::Children::new(group);
    for child in children.by_ref() {
        let now = folder.stat(child.name, child.what.follows()).ok()?;
        if child.what.is_same(child.stat.as_ref(), now.as_ref()) {
            continue;
        }
        let is_file = |stat: Option<&Stat>| stat.is_some_and(|stat| stat.kind == Kind::File);
        if child.what != What::Entry || !is_file(child.stat.as_ref()) || !is_file(now.as_ref()) {
            return None;
        }
        edited.push(Path::new(group.directory).join(child.name));
    }
    children.is_whole().then_some(())
}

/// A directory whose children are looked at.
struct Folder<'p> {
    path: &'p Path,
    #[cfg(unix)]
    handle: Option<std::os::fd::OwnedFd>,
}

impl<'p> Folder<'p> {
    #[cfg(unix)]
    fn open(path: &'p str, keep_open: bool) -> io::Result<Self> {
        use rustix::fs::{CWD, Mode, OFlags, openat};
        #[cfg(target_os = "linux")]
        const FLAGS: OFlags = OFlags::PATH;
        #[cfg(not(target_os = "linux"))]
        const FLAGS: OFlags = OFlags::RDONLY;
        let open = || openat(CWD, path, FLAGS | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
        let handle = match keep_open.then(open).transpose() {
            Err(error) if crate::stat::is_absence(&error.into()) => None,
            handle => handle?,
        };
        Ok(Self { path: Path::new(path), handle })
    }

    #[cfg(not(unix))]
    fn open(path: &'p str, _keep_open: bool) -> io::Result<Self> {
        Ok(Self { path: Path::new(path) })
    }

    fn stat(&self, name: &str, follow: bool) -> io::Result<Option<Stat>> {
        #[cfg(unix)]
        if let Some(handle) = &self.handle {
            return Stat::at(handle, name, follow);
        }
        stat(&self.path.join(name), follow)
    }
}
