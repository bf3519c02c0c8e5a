//! One build at a time in a checkout: a lock that the system takes back from the dead.

use crate::error::{Error, Result};
use crate::execute::Stop;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
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

/// Takes the lock in the file at `path`, whose directory exists. Where another process has it `waiting` is called once, with that
/// process if it is known, and the lock is taken when it is free. `Ok(None)` if asked to stop before.
pub fn take(
    path: &Path,
    stop: &Stop,
    waiting: &mut dyn FnMut(Option<u32>),
) -> Result<Option<CheckoutLock>> {
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let mut file = open().map_err(|error| Error::io("cannot open the lock", path, error))?;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(Error::io("cannot lock", path, error)),
        }
        if !told {
            waiting(holder(&mut file));
            told = true;
        }
        if stop.is_asked() {
            return Ok(None);
        }
        thread::sleep(PATIENCE);
    }
    sign(&mut file);
    Ok(Some(CheckoutLock { _file: file }))
}

/// Writes our process into the file, for who has to wait. Only if it is not there already: a no-op writes nothing twice,
/// and a file system that is full must not stop a build here.
fn sign(file: &mut File) {
    let _ = file.set_len(0);
    let _ = file.rewind();
    let _ = writeln!(file, "{}", std::process::id());
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(16).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
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
