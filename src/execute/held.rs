//! Holds the files that a command reads while it runs, so that it shows which of them the command itself opens for writing. Knows neither
//! what a file is for, nor whether anything was written into it.
//!
//! A file is held by a read lease (`F_SETLEASE`). Who opens it for writing or truncates it waits in that call until the lease is given up;
//! we are sent SIGIO, look up in `/proc/locks` who waits for which file, and give it up at once: nobody waits for longer than it takes to
//! wake a thread. That list comes from the kernel, counts nobody who does not wait for this very file, and is there for everybody to
//! read: it takes no right to look into the process.
//!
//! What does not show: another file that is put in a file's place by renaming, an open that refuses to wait (`O_NONBLOCK`, as of `touch`;
//! until the lease is given up the system tells it to try again), whoever comes behind the first writer, and files that
//! cannot be held: of another user, open for writing already, in a file system without leases, or more than our share of descriptors. None
//! of that is an error. Where `/proc` does not tell, nobody is named. Leases end with this process, however it ends; while it is halted a
//! writer waits until the system loses patience (`/proc/sys/fs/lease-break-time`, 45 seconds).

use super::{MOST_HELD, tree};
use crate::ordered::{Map, Set};
use crate::os;
use rustix::fs::{Mode, OFlags};
use rustix::process::Resource;
use signal_hook::consts::SIGIO;
use signal_hook::iterator::Signals;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Files that are held, until this is dropped.
pub(super) struct Held<'a> {
    /// Tells it from all others of this process.
    number: u64,
    files: &'a [PathBuf],
}

/// All that is held by this process.
struct Table {
    /// How many there were so far.
    holders: u64,
    leases: Vec<Lease>,
    openings: Vec<Opening>,
}

/// One file that is held.
struct Lease {
    holder: u64,
    /// Which of the holder's files it is.
    place: usize,
    file: OwnedFd,
    /// Since when somebody is known to want the file.
    wanted_since: Option<Instant>,
    is_seen_to: bool,
}

/// Somebody wanted to open a file for writing.
struct Opening {
    holder: u64,
    place: usize,
    by: By,
}

/// Who did.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// The command with this first process.
    Command(i32),
    /// Nobody who waits for it.
    Gone,
}

/// What became of files that were held.
#[derive(Debug, Default)]
pub(super) struct Openings {
    /// The command wanted to open them for writing.
    pub(super) by_command: Vec<PathBuf>,
    /// Somebody wanted to and would not wait.
    pub(super) refused: Vec<PathBuf>,
}

/// Its lock is held for moments only, and by nobody who opens a file for writing: who waits for a lease of ours waits for nothing else.
static TABLE: Mutex<Table> =
    Mutex::new(Table { holders: 0, leases: Vec::new(), openings: Vec::new() });

/// How long somebody who wants a file is looked for. Who has just been let on by another process that holds it as well does not show for
/// a moment, nor does who was missed since the list of locks comes in parts. Who did not want to wait never shows, nor does who lives
/// where this process sees nobody, outside of its container.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long it takes until the next look.
const PAUSE: Duration = Duration::from_millis(1);

/// Holds as many of `files` as can be held, the first ones first.
pub(super) fn hold(files: &[PathBuf]) -> Held<'_> {
    let mut table = lock();
    table.holders += 1;
    let held = Held { number: table.holders, files };
    drop(table);
    if files.is_empty() || !is_watched() {
        return held;
    }
    let most = most();
    // Where none can be held it is not tried for ever.
    for (place, file) in files.iter().enumerate().take(most) {
        // It must not wait either, for another one's lease or at a pipe.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let Ok(file) = rustix::fs::open(file, flags, Mode::empty()) else { continue };
        let mut table = lock();
        if table.leases.len() >= most {
            break;
        }
        // Under the lock: whoever wants it at once must find it in the table.
        if os::take_lease(&file).is_ok() {
            let holder = held.number;
            table.leases.push(Lease { holder, place, file, wanted_since: None, is_seen_to: false });
        }
    }
    held
}

impl Held<'_> {
    /// What became of the files while the command with this first process ran. From now on none of them is held.
    pub(super) fn let_go(self, command: u32) -> Openings {
        let command = i32::try_from(command).map(By::Command);
        Openings {
            by_command: command.map(|command| self.opened(command)).unwrap_or_default(),
            refused: self.opened(By::Gone),
        }
    }

    fn opened(&self, by: By) -> Vec<PathBuf> {
        let table = lock();
        let own = table.openings.iter().filter(|it| it.holder == self.number && it.by == by);
        let mut places: Set<_> = own.map(|opening| opening.place).collect();
        if by == By::Gone {
            let own = table.leases.iter().filter(|it| it.holder == self.number);
            let wanted = own.filter(|lease| os::is_lease_wanted(&lease.file));
            places.extend(wanted.map(|lease| lease.place));
        }
        places.into_iter().filter_map(|place| self.files.get(place).cloned()).collect()
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let is_own = |holder| holder == self.number;
        let mut table = lock();
        table.openings.retain(|opening| !is_own(opening.holder));
        let own: Vec<_> = table.leases.extract_if(.., |lease| is_own(lease.holder)).collect();
        drop(table);
        own.into_iter().for_each(Lease::give_up);
    }
}

impl Lease {
    /// In so many words: a child that another thread has just forked has the file open as well until it is its own program.
    fn give_up(self) {
        let _ = os::give_up_lease(&self.file);
    }

    /// The device and inode as the kernel writes them of a lock.
    fn name(&self) -> Option<String> {
        let about = fs::read_to_string(format!("/proc/self/fdinfo/{}", self.file.as_raw_fd()));
        let about = about.ok()?;
        let line = about.lines().find_map(|line| line.strip_prefix("lock:"))?;
        Some(LockLine::read(line)?.file.to_owned())
    }
}

/// Starts the thread that sees to whoever waits for a lease, at the first call; whether there is one.
fn is_watched() -> bool {
    static WATCHED: OnceLock<bool> = OnceLock::new();
    // What SIGIO does where nobody wants it is to end the process: this comes before the first lease, and stays.
    let start = || -> io::Result<()> {
        let mut signals = Signals::new([SIGIO])?;
        let see_to_them = move || {
            os::let_in(SIGIO);
            signals.forever().for_each(|_| see_to_waiters());
        };
        std::thread::Builder::new().name("leases".to_owned()).spawn(see_to_them)?;
        Ok(())
    };
    *WATCHED.get_or_init(|| start().is_ok())
}

/// How many files this process may hold: most of its descriptors are for other things.
fn most() -> usize {
    let limit = rustix::process::getrlimit(Resource::Nofile).current;
    let share = limit.map_or(usize::MAX, |limit| usize::try_from(limit / 4).unwrap_or(usize::MAX));
    share.min(MOST_HELD)
}

/// Notes who waits for files that are held, and lets them have these.
fn see_to_waiters() {
    while !is_nobody_left() {
        std::thread::sleep(PAUSE);
    }
}

/// Sees to all who show. Whether there is nobody else to be expected.
fn is_nobody_left() -> bool {
    let mut table = lock();
    let Table { leases, openings, .. } = &mut *table;
    let wanted: Vec<_> =
        leases.iter_mut().filter(|lease| os::is_lease_wanted(&lease.file)).collect();
    if wanted.is_empty() {
        return true;
    }
    // All of it before the first is given up: who waits for two leases on one file shows only with one of them.
    let waiters = read_waiters(&fs::read_to_string("/proc/locks").unwrap_or_default());
    for lease in wanted {
        let since = *lease.wanted_since.get_or_insert_with(Instant::now);
        let by = match lease.name().and_then(|name| waiters.get(&name)) {
            Some(processes) => {
                let commands = processes.iter().filter_map(|process| tree::command_of(*process));
                commands.map(By::Command).collect()
            }
            None if since.elapsed() < PATIENCE => continue,
            None => vec![By::Gone],
        };
        let (holder, place) = (lease.holder, lease.place);
        openings.extend(by.into_iter().map(|by| Opening { holder, place, by }));
        lease.is_seen_to = true;
    }
    let seen_to: Vec<_> = leases.extract_if(.., |lease| lease.is_seen_to).collect();
    seen_to.into_iter().for_each(Lease::give_up);
    leases.iter().all(|lease| lease.wanted_since.is_none())
}

/// A line of `/proc/locks`: `7: LEASE  BREAKING  UNLCK 4711 fe:00:1234 0 EOF` for a lease that is asked for, and behind it
/// `7: -> LEASE  BREAKER   WRITE 4712 <none>:0 0 EOF` for each who asks.
struct LockLine<'a> {
    is_waiter: bool,
    process: i32,
    file: &'a str,
}

impl<'a> LockLine<'a> {
    /// `None` for anything but a lease and who waits for it.
    fn read(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().skip(1).peekable();
        let is_waiter = words.next_if_eq(&"->").is_some();
        if words.next()? != "LEASE" || (words.next()? == "BREAKER") != is_waiter {
            return None;
        }
        let process = words.nth(1)?.parse().ok()?;
        Some(Self { is_waiter, process, file: words.next()? })
    }
}

/// Who waits, by file.
fn read_waiters(locks: &str) -> Map<String, Vec<i32>> {
    let mut waiters = Map::<String, Vec<i32>>::new();
    let mut file = None;
    for line in locks.lines() {
        let is_waiter = line.split_ascii_whitespace().nth(1) == Some("->");
        match LockLine::read(line) {
            Some(line) if line.is_waiter => {
                if let Some(file) = file {
                    waiters.get_or_insert_with(String::from(file), Vec::new).push(line.process);
                }
            }
            line if !is_waiter => file = line.map(|line| line.file),
            _ => {}
        }
    }
    waiters
}

fn lock() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::child::ChildExecutor;
    use super::super::trial::Trial;
    use super::super::{Command, Ending, Executor as _, Finish, Stop};
    use super::*;
    use proptest::prelude::*;
    use std::path::Path;

    /// A command that reads these files.
    fn reading(trial: &Trial, files: &[&str], line: &str) -> Command {
        let reads: Vec<PathBuf> = files.iter().map(|file| trial.dir.join(file)).collect();
        reads.iter().filter(|file| file.is_file()).for_each(|file| wait_for_writers(file));
        Command { reads, ..trial.shell(line) }
    }

    /// A process that another test starts at this moment has the file open for writing as we had, until it becomes its own program.
    fn wait_for_writers(file: &Path) {
        for _ in 0..500 {
            let file = rustix::fs::open(file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            if os::take_lease(&file.unwrap()).is_ok() {
                return;
            }
            std::thread::sleep(PAUSE);
        }
    }

    fn run(command: &Command) -> Finish {
        let finish = ChildExecutor::new(None).run(command, &Stop::default()).unwrap();
        assert_eq!(finish.ending, Ending::Exited(0));
        finish
    }

    fn is_held(file: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let inode = format!(":{} ", fs::metadata(file).unwrap().ino());
        let locks = fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("LEASE") && line.contains(&inode))
    }

    fn wait_for(file: &Path) {
        let began = Instant::now();
        while !file.exists() {
            assert!(began.elapsed() < Duration::from_secs(20), "{} is not made", file.display());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    #[test]
    fn what_a_command_opens_for_writing_is_told_and_what_others_open_is_not() {
        let trial = Trial::new();
        let files = ["a", "b", "c", "d", "gone"];
        for file in &files[..4] {
            fs::write(trial.dir.join(file), "").unwrap();
        }
        let line =
            "cat a b c d; : >> c; touch begun; until test -e go; do sleep 0.01; done; : >> a";
        let command = reading(&trial, &files, line);
        let began = Instant::now();
        let finish = std::thread::scope(|scope| {
            let finish = scope.spawn(|| run(&command));
            wait_for(&trial.dir.join("begun"));
            assert!(is_held(&command.reads[0]) && is_held(&command.reads[1]));
            // This process itself, and a child of it that is no command.
            fs::write(&command.reads[1], "").unwrap();
            let mut other = std::process::Command::new("sh")
                .args(["-c", ": >> d"])
                .current_dir(&trial.dir)
                .spawn()
                .unwrap();
            assert!(other.wait().unwrap().success());
            assert!(command.reads[1..4].iter().all(|file| !is_held(file)));
            fs::write(trial.dir.join("go"), "").unwrap();
            finish.join().unwrap()
        });
        assert!(began.elapsed() < Duration::from_secs(20), "nobody waits for long");
        assert_eq!(
            finish.opened_for_writing,
            [&command.reads[0], &command.reads[2]].map(Clone::clone)
        );
        assert!(finish.refused.is_empty());
        assert!(!is_held(&command.reads[0]));
    }

    #[test]
    fn of_two_commands_that_hold_a_file_it_is_told_which_one_wanted_to_write() {
        let trial = Trial::new();
        for round in 0..5 {
            let [file, begun, go] =
                ["file", "begun", "go"].map(|name| trial.dir.join(format!("{name}{round}")));
            fs::write(&file, "").unwrap();
            let line = format!("touch begun{round}; until test -e go{round}; do sleep 0.01; done");
            let reader = Command { reads: vec![file.clone()], ..trial.shell(&line) };
            let line = format!("until test -e begun{round}; do sleep 0.01; done; : >> file{round}");
            let writer = Command {
                reads: vec![file.clone()],
                log: trial.dir.join("writer"),
                ..trial.shell(&line)
            };
            std::thread::scope(|scope| {
                let reader = scope.spawn(|| run(&reader));
                wait_for(&begun);
                assert_eq!(run(&writer).opened_for_writing, [file]);
                fs::write(&go, "").unwrap();
                assert!(reader.join().unwrap().opened_for_writing.is_empty());
            });
        }
    }

    #[test]
    fn who_would_not_wait_is_told_to_try_again_once() {
        let trial = Trial::new();
        fs::write(trial.dir.join("a"), "").unwrap();
        let line = "dd if=/dev/null of=a oflag=nonblock conv=notrunc && exit 1; \
                    until dd if=/dev/null of=a oflag=nonblock conv=notrunc; do sleep 0.01; done";
        let command = reading(&trial, &["a"], line);
        let finish = run(&command);
        assert_eq!((finish.opened_for_writing, finish.refused), (Vec::new(), command.reads));
    }

    #[test]
    fn who_waits_is_read_from_the_list_of_locks() {
        let locks = "\
1: POSIX  ADVISORY  WRITE 10 fe:00:1 0 EOF
1: -> POSIX  ADVISORY  WRITE 11 fe:00:1 0 EOF
2: LEASE  BREAKING  UNLCK 12 fe:00:1 0 EOF
3: LEASE  BREAKING  UNLCK 12 fe:00:2 0 EOF
3: -> LEASE  BREAKER   WRITE 13 <none>:0 0 EOF
3:  -> LEASE  BREAKER   WRITE 14 <none>:0 0 EOF
4: FLOCK  ADVISORY  WRITE 15 fe:00:3 0 EOF
4: -> FLOCK  ADVISORY  WRITE 16 fe:00:3 0 EOF
5: LEASE  ACTIVE    READ 17 fe:00:4 0 EOF
";
        assert_eq!(read_waiters(locks), Map::from([("fe:00:2".to_owned(), vec![13, 14])]));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "([0-9]: |-> |LEASE |BREAKER |BREAKING |READ |7 |a:b:1 |\n|.){0,30}") {
            read_waiters(&text);
        }
    }
}
