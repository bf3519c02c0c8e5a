//! Builds that would run one command at the same time take turns: who comes second finds the result in the store. Several build scripts
//! that share a step are the usual case. Knows neither steps nor stores.
//!
//! Whoever has a turn runs a command and waits for nothing else, neither for another turn nor for a slot, so nobody waits in a circle.

use super::lock::is_at;
use crate::digest::Key;
use crate::execute::Stop;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The turn for one key, until it is dropped. Where the system refused the lock it is no turn, which costs a second run at worst.
#[derive(Debug)]
pub(crate) struct Turn {
    held: Option<(File, PathBuf)>,
    /// Whether another had it before: the result may be in the store by now.
    pub(crate) has_waited: bool,
}

/// How often a waiting build looks whether it is its turn.
const PATIENCE: Duration = Duration::from_millis(10);

/// Takes the turn for `key` among all who use `dir`, once it is free or `stop` is asked for.
pub(crate) fn take(dir: &Path, key: &Key, stop: &Stop) -> Turn {
    let path = dir.join(key.to_string());
    let mut has_waited = false;
    loop {
        let Ok(file) = open(&path) else { return Turn { held: None, has_waited } };
        match file.try_lock() {
            // Who had the turn before takes the file away: a lock on what is not there any more is none.
            Ok(()) if is_at(&file, &path) => {
                return Turn { held: Some((file, path)), has_waited };
            }
            Ok(()) => continue,
            Err(TryLockError::WouldBlock) if !stop.is_asked() => {}
            Err(_) => return Turn { held: None, has_waited },
        }
        has_waited = true;
        thread::sleep(PATIENCE);
    }
}

/// Takes away what builds that were killed have left in `dir`. Who has a turn keeps it.
pub(crate) fn sweep(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        if file.try_lock().is_ok() && is_at(&file, &path) {
            let _ = fs::remove_file(&path);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.held {
            let _ = fs::remove_file(path);
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(path.parent().unwrap_or(path))?;
            open()
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Hash;
    use crate::testing::TempDir;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn one_at_a_time_has_the_turn_and_nothing_is_left() {
        let dir = TempDir::new();
        let turns = dir.path().join("turns");
        let key = Key(Hash::of(b"key"));
        let (inside, waited) = (AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let turn = take(&turns, &key, &Stop::default());
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        thread::yield_now();
                        waited.fetch_add(u32::from(turn.has_waited), Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(waited.load(Ordering::SeqCst) > 0);
        assert_eq!(fs::read_dir(&turns).unwrap().count(), 0);
    }

    #[test]
    fn what_the_dead_have_left_is_swept_and_the_turn_of_the_living_is_not() {
        let dir = TempDir::new();
        let (dead, living) = (Key(Hash::of(b"dead")), Key(Hash::of(b"living")));
        fs::write(dir.path().join(dead.to_string()), "").unwrap();
        let turn = take(dir.path(), &living, &Stop::default());
        sweep(dir.path());
        let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|it| it.unwrap().path()).collect();
        assert_eq!(left, [dir.path().join(living.to_string())]);
        drop(turn);
        sweep(&dir.path().join("absent"));
    }

    #[test]
    fn where_no_file_can_be_there_is_no_turn_and_no_waiting() {
        let dir = TempDir::new();
        fs::write(dir.path().join("file"), "").unwrap();
        let turn = take(&dir.path().join("file"), &Key(Hash::of(b"key")), &Stop::default());
        assert!(turn.held.is_none() && !turn.has_waited);
    }
}
