//! Builds that would run one command at the same time take turns: who comes second finds the result in the store. Several build scripts
//! that share a step are the usual case. Knows neither steps nor stores.
//!
//! Whoever has a turn runs a command and waits for nothing else, neither for another turn nor for a slot, so nobody waits in a circle.
//!
//! All turns are locks on one file, each on the byte whose place the key's hash says; what dies leaves none behind. A file for each turn would be made
//! and deleted for each command, and ext4 passes over what was deleted in the last minutes one by one for each file that it makes. Two keys with the same place
//! would wait for each other, which costs time.

use crate::digest::Key;
use crate::execute::Stop;
use crate::os::{self, Held};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// The turn for one key, until it is dropped. Where the system refused the lock it is no turn, which costs a second run at worst.
#[derive(Debug)]
pub(crate) struct Turn {
    /// Open for as long as the lock is to hold.
    _held: Option<File>,
    /// Whether another had it before: the result may be in the store by now.
    pub(crate) has_waited: bool,
}

/// How often a waiting build looks whether it is its turn.
const PATIENCE: Duration = Duration::from_millis(10);

/// Takes the turn for `key` among all who use the file at `path`, once it is free or `stop` is asked for.
pub(crate) fn take(path: &Path, key: &Key, stop: &Stop) -> Turn {
    let mut has_waited = false;
    let Ok(file) = open(path) else { return Turn { _held: None, has_waited } };
    loop {
        match os::lock_byte(&file, place(key)) {
            Ok(Held::ByUs) => return Turn { _held: Some(file), has_waited },
            Ok(Held::ByOthers) if !stop.is_asked() => {}
            Ok(Held::ByOthers) | Err(_) => return Turn { _held: None, has_waited },
        }
        has_waited = true;
        thread::sleep(PATIENCE);
    }
}

/// A place in a file, none of which is ever written.
fn place(key: &Key) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *key.0.as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
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
    fn one_at_a_time_has_the_turn_and_nothing_is_written() {
        let dir = TempDir::new();
        let turns = dir.path().join("state/turns");
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
        assert_eq!(fs::metadata(&turns).unwrap().len(), 0);
    }

    #[test]
    fn turns_for_different_keys_are_had_at_once_whatever_their_place() {
        let dir = TempDir::new();
        let turns = dir.path().join("turns");
        let keys =
            [[0; 32], [0x7f; 32], [0x80; 32], [0xff; 32]].map(|it| Key(Hash::from_bytes(it)));
        let all = keys.map(|key| take(&turns, &key, &Stop::default()));
        assert!(all.iter().all(|turn| turn._held.is_some() && !turn.has_waited));
        let stop = Stop::default();
        stop.ask();
        assert!(keys.iter().all(|key| take(&turns, key, &stop)._held.is_none()));
        drop(all);
        assert!(keys.iter().all(|key| take(&turns, key, &stop)._held.is_some()));
    }

    #[test]
    fn where_no_file_can_be_there_is_no_turn_and_no_waiting() {
        let dir = TempDir::new();
        fs::write(dir.path().join("file"), "").unwrap();
        let turn = take(&dir.path().join("file/turns"), &Key(Hash::of(b"key")), &Stop::default());
        assert!(turn._held.is_none() && !turn.has_waited);
    }
}
