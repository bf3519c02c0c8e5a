//! One build at a time in a checkout: a lock that the system takes back from the dead.

use crate::error::{Error, Result};
use crate::execute::Stop;
use crate::stat::Stat;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread;
use std::time::Duration;

/// Holds the checkout until it is dropped.
#[derive(Debug)]
pub struct CheckoutLock {
    _file: File,
}

/// How often a waiting build looks whether the lock is free or whether it is asked to stop.
const PATIENCE: Duration = Duration::from_millis(20);

const WITHOUT_LOCKS: &str = "two builds at once would mix what they leave: let the target directory lie on a file system that has locks \
    (--target-dir, CARGO_TARGET_DIR)";

/// Takes the lock in the file at `path`, whose directory exists. Where another process has it `waiting` is called once, with that
/// process if it is known, and the lock is taken when it is free. `Ok(None)` if asked to stop before.
pub fn take(
    path: &Path,
    stop: &Stop,
    waiting: &mut dyn FnMut(Option<u32>),
) -> Result<Option<CheckoutLock>> {
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let file = open().map_err(|error| Error::io("cannot open the lock", path, error))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {}
            // To go on without would let two builds write the same outputs, and a mixture of both be kept.
            Err(TryLockError::Error(error)) => {
                return Err(Error::io("cannot lock", path, error).hint(WITHOUT_LOCKS));
            }
        }
        if !told {
            waiting(holder(&file));
            told = true;
        }
        if stop.is_asked() {
            return Ok(None);
        }
        thread::sleep(PATIENCE);
    }
    Ok(Some(CheckoutLock { _file: file }))
}

/// The process that holds a lock on `file`, where the system tells: on Linux, in `/proc/locks`. Nothing is written for it, since a build in
/// which nothing changed writes nothing.
fn holder(file: &File) -> Option<u32> {
    let inode = Stat::of_open(file).ok()?.inode;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
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

    #[test]
    fn the_second_waits_for_the_first_and_is_told_who_it_is() {
        let dir = TempDir::new();
        let path = dir.path().join("lock");
        let first = take(&path, &Stop::default(), &mut |_| panic!("nobody has it")).unwrap();
        let (told, hear) = mpsc::channel();
        let second = thread::spawn({
            let path = path.clone();
            move || {
                take(&path, &Stop::default(), &mut |process| told.send(process).unwrap())
                    .unwrap()
                    .is_some()
            }
        });
        assert_eq!(hear.recv().unwrap(), Some(std::process::id()));
        drop(first);
        assert!(second.join().unwrap());
    }

    #[test]
    fn a_waiting_build_can_be_stopped() {
        let dir = TempDir::new();
        let path = dir.path().join("lock");
        let _first = take(&path, &Stop::default(), &mut |_| {}).unwrap();
        let stop = Stop::default();
        stop.ask();
        assert!(take(&path, &stop, &mut |_| {}).unwrap().is_none());
    }
}
