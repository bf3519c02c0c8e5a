//! One build at a time in a checkout: locks that the system takes back from the dead.
//!
//! The lock is on the workspace's root directory, which nobody takes away: neither the loss of a file nor of the whole target directory lets
//! a second build in, and builds with different target directories do not mix in the tree. Workspaces that share a target directory share
//! the state in it, so a file there is locked as well.

use super::State;
use crate::error::{Error, Result};
use crate::execute::Stop;
use crate::stat::Stat;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Holds the checkout until it is dropped.
#[derive(Debug)]
pub struct CheckoutLock {
    _root: Option<File>,
    _file: File,
}

/// How often a waiting build looks whether the lock is free or whether it is asked to stop.
const PATIENCE: Duration = Duration::from_millis(20);

const WITHOUT_LOCKS: &str = "two builds at once would mix what they leave: let the target directory lie on a file system that has locks \
    (--target-dir, CARGO_TARGET_DIR)";

/// Takes the workspace whose root directory is `root`, where one is given, and its `state`, which is created. Where another process has one of them `waiting`
/// is called once, with that process if it is known, and the lock is taken when it is free. `Ok(None)` if asked to stop before.
pub fn take(
    root: Option<&Path>,
    state: &State,
    stop: &Stop,
    waiting: &mut dyn FnMut(Option<u32>),
) -> Result<Option<CheckoutLock>> {
    let mut queue = Queue { stop, waiting, told: false };
    let root = match root.map(|root| queue.root(root)) {
        Some(Turn::Stopped) => return Ok(None),
        Some(Turn::Ours(root)) => Some(root),
        Some(Turn::Refused(_)) | None => None,
    };
    let path = state.lock();
    loop {
        state.create()?;
        let file = match open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file.map_err(|error| Error::io("cannot open the lock", &path, error))?,
        };
        match queue.line_up(&file) {
            Turn::Stopped => return Ok(None),
            // To go on without would let two builds write the same outputs, and a mixture of both be kept.
            Turn::Refused(error) => {
                return Err(Error::io("cannot lock", &path, error).hint(WITHOUT_LOCKS));
            }
            // Who waited for a file that was taken away meanwhile has locked nothing.
            Turn::Ours(()) if is_at(&file, &path) => {
                return Ok(Some(CheckoutLock { _root: root, _file: file }));
            }
            Turn::Ours(()) => {}
        }
    }
}

/// How waiting came to its end.
enum Turn<T> {
    /// It is locked.
    Ours(T),
    /// Asked to stop before it was free.
    Stopped,
    /// The system does not lock this.
    Refused(io::Error),
}

struct Queue<'a> {
    stop: &'a Stop,
    waiting: &'a mut dyn FnMut(Option<u32>),
    told: bool,
}

impl Queue<'_> {
    /// Where the file system locks no directories only the file is left. So it is where who has the lock has started us, as `flock` does:
    /// each would wait for the other for ever.
    fn root(&mut self, root: &Path) -> Turn<File> {
        let directory = match File::open(root) {
            Ok(directory) => directory,
            Err(error) => return Turn::Refused(error),
        };
        if let Err(TryLockError::WouldBlock) = directory.try_lock()
            && holder(&directory).is_some_and(is_ancestor)
        {
            return Turn::Refused(io::ErrorKind::WouldBlock.into());
        }
        match self.line_up(&directory) {
            Turn::Ours(()) => Turn::Ours(directory),
            Turn::Stopped => Turn::Stopped,
            Turn::Refused(error) => Turn::Refused(error),
        }
    }

    fn line_up(&mut self, file: &File) -> Turn<()> {
        loop {
            match file.try_lock() {
                Ok(()) => return Turn::Ours(()),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Turn::Refused(error),
            }
            if !self.told {
                (self.waiting)(holder(file));
                self.told = true;
            }
            if self.stop.is_asked() {
                return Turn::Stopped;
            }
            thread::sleep(PATIENCE);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Whether `file` is the one that stands at `path`.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(ours), Ok(Some(there))) = (Stat::of_open(file), Stat::of(path)) else { return false };
    (ours.device, ours.inode) == (there.device, there.inode)
}

/// Whether `process` has started this one, or who has.
fn is_ancestor(process: u32) -> bool {
    let mut descendant = std::process::id();
    while let Some(parent) = parent(descendant).filter(|parent| *parent != 0) {
        if parent == process {
            return true;
        }
        descendant = parent;
    }
    false
}

fn parent(process: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// The process that holds a lock on `file`, where the system tells: on Linux, in `/proc/locks`. Nothing is written for it, since a build in
/// which nothing changed writes nothing.
fn holder(file: &File) -> Option<u32> {
    let inode = Stat::of_open(file).ok()?.inode;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    let of_this = |line: &&str| {
        let place = line.split_whitespace().nth(5);
        place
            .and_then(|place| place.rsplit(':').next())
            .is_some_and(|found| found == inode.to_string())
    };
    let line = locks
        .lines()
        .find(|line| line.contains("FLOCK") && !line.contains("->") && of_this(line))?;
    line.split_whitespace().nth(4)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TempDir;
    use std::sync::mpsc;

    fn lock(root: &TempDir, state: &State) -> CheckoutLock {
        let mut waiting = |_| panic!("nobody has it");
        take(Some(root.path()), state, &Stop::default(), &mut waiting).unwrap().unwrap()
    }

    fn state(dir: &TempDir) -> State {
        State::new(dir.path().join("target/granular"))
    }

    /// Who is told to have the lock, which is to be free when `first` is dropped and not before.
    fn waits(first: CheckoutLock, root: &TempDir, state: &State) -> Option<u32> {
        let (told, hear) = mpsc::channel();
        thread::scope(|scope| {
            let second = scope.spawn(move || {
                let mut tell = |process| told.send(process).unwrap();
                take(Some(root.path()), state, &Stop::default(), &mut tell).unwrap().is_some()
            });
            let process = hear.recv().unwrap();
            drop(first);
            assert!(second.join().unwrap());
            process
        })
    }

    #[test]
    fn the_second_waits_for_the_first_and_is_told_who_it_is() {
        let dir = TempDir::new();
        let first = lock(&dir, &state(&dir));
        assert_eq!(waits(first, &dir, &state(&dir)), Some(std::process::id()));
    }

    #[test]
    fn a_lock_is_still_one_when_the_target_directory_is_gone() {
        let dir = TempDir::new();
        let first = lock(&dir, &state(&dir));
        fs::remove_dir_all(dir.path().join("target")).unwrap();
        waits(first, &dir, &state(&dir));
    }

    #[test]
    fn workspaces_that_share_a_target_directory_wait_for_each_other() {
        let (dir, other) = (TempDir::new(), TempDir::new());
        let first = lock(&dir, &state(&dir));
        waits(first, &other, &state(&dir));
    }

    #[test]
    fn target_directories_of_one_workspace_wait_for_each_other() {
        let (dir, other) = (TempDir::new(), TempDir::new());
        let first = lock(&dir, &state(&dir));
        waits(first, &dir, &state(&other));
    }

    #[test]
    fn a_waiting_build_can_be_stopped() {
        let dir = TempDir::new();
        let _first = lock(&dir, &state(&dir));
        let stop = Stop::default();
        stop.ask();
        assert!(take(Some(dir.path()), &state(&dir), &stop, &mut |_| {}).unwrap().is_none());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn who_has_started_us_is_known() {
        assert!(is_ancestor(std::os::unix::process::parent_id()));
        assert!(!is_ancestor(std::process::id()));
    }
}
