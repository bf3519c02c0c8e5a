//! The processes of a command: finds them all, also those that left its group or lost their parent, and ends them.
//! Knows neither what the command is nor what it prints.
//!
//! A process belongs to a command if it descends from its first process. Parents end, and then links are lost: on Linux this
//! process takes such orphans in (`PR_SET_CHILD_SUBREAPER`), and [`owner`] says whose they were. On other systems, and where
//! there is no `/proc`, a command is its process group.
//!
//! What other code of this process starts is never touched as long as it stays in the process group of its parent, as
//! children of [`std::process::Command`] do.

use crate::ordered::{Map, Set};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, kill_process_group, waitpid,
};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A started command, until its first process is reaped.
#[derive(Debug)]
pub(super) struct Tree {
    root: Pid,
}

/// What is known of a command that runs.
#[derive(Debug)]
struct Running {
    /// Its first process, which leads its process group.
    root: i32,
    /// The environment it was given.
    env: Map<OsString, OsString>,
    /// The pipes that it prints into, as `/proc/<pid>/fd` names them.
    pipes: Vec<String>,
    /// Groups and sessions that its processes were seen to make.
    groups: Set<i32>,
    sessions: Set<i32>,
}

/// A line of `/proc/<pid>/stat`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    session: i32,
    is_zombie: bool,
    /// The name of its executable, as far as the kernel keeps it (15 bytes).
    pub(super) name: String,
}

/// Every command of this process that runs. Held while one is started, so that no child of ours is unknown for a moment.
static RUNNING: Mutex<Vec<Running>> = Mutex::new(Vec::new());

/// How long orphans may take to end after they were killed.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Starts `command` at the head of a process group of its own. `pipes` are the inodes of the pipes that it prints into.
pub(super) fn start(
    command: &mut Command,
    env: &Map<OsString, OsString>,
    pipes: &[u64],
) -> io::Result<(Child, Tree)> {
    use std::os::unix::process::CommandExt;
    adopt_orphans();
    let mut running = lock();
    let child = command.process_group(0).spawn()?;
    let root = Pid::from_child(&child);
    running.push(Running {
        root: root.as_raw_pid(),
        env: env.clone(),
        pipes: pipes.iter().map(|inode| format!("pipe:[{inode}]")).collect(),
        groups: Set::new(),
        sessions: Set::new(),
    });
    Ok((child, Tree { root }))
}

/// Kills and reaps what commands left behind that nobody could be found to own, and gives their names. What belongs to a
/// command that still runs is not touched. To be called when a build is over.
pub(super) fn reap_orphans() -> Vec<String> {
    let deadline = Instant::now() + LAST_WAIT;
    let mut names = Map::new();
    loop {
        let orphans = masterless();
        if orphans.is_empty() || Instant::now() >= deadline {
            return names.into_values().collect();
        }
        for orphan in orphans {
            kill(&orphan, Signal::KILL);
            names.insert(orphan.pid, orphan.name);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The command that a process which is alive belongs to, by the number of its first process; `None` if it is of no command of ours,
/// or if that cannot be told. Reads of those above it only, not the table of all.
#[cfg(target_os = "linux")]
pub(super) fn command_of(process: i32) -> Option<i32> {
    const TRIES: usize = 5;
    let running = lock();
    if !can_list() {
        return None;
    }
    // Who ends meanwhile leaves a child to somebody else: it is looked up anew.
    (0..TRIES).find_map(|_| climb(process, &running)).flatten()
}

/// `None` if somebody on the way is gone.
#[cfg(target_os = "linux")]
fn climb(process: i32, running: &[Running]) -> Option<Option<i32>> {
    let this = getpid().as_raw_pid();
    let mut above = process;
    while above > 0 && above != this {
        let process = read_stat(Path::new(&format!("/proc/{above}")))?;
        let is_its = |it: &&Running| it.root == process.pid || it.root == process.group;
        if let Some(running) = running.iter().find(is_its) {
            return Some(Some(running.root));
        }
        if is_orphan(&process, running) {
            return Some(owner(&process, running));
        }
        above = process.parent;
    }
    Some(None)
}

impl Tree {
    /// The first process.
    pub(super) fn root(&self) -> Pid {
        self.root
    }

    /// Sends `signal` to every process of the command.
    pub(super) fn signal(&self, signal: Signal) {
        let root = self.root.as_raw_pid();
        // Found before any of them ends, since links are lost with it.
        let outside: Vec<_> =
            self.members().into_iter().filter(|process| process.group != root).collect();
        let _ = kill_process_group(self.root, signal);
        outside.iter().for_each(|process| kill(process, signal));
    }

    /// Every process of the command that is alive, but for the first one. Cheap if there is none. To be called before the
    /// first one is reaped, since only so long its number stands for its group.
    pub(super) fn others(&self) -> Vec<Process> {
        if !may_have_orphans() {
            return Vec::new();
        }
        let root = self.root.as_raw_pid();
        self.members()
            .into_iter()
            .filter(|process| process.pid != root && !process.is_zombie)
            .collect()
    }

    /// Kills every process of the command but the first one, where they cannot be listed.
    pub(super) fn kill_unseen(&self) {
        if !can_list() {
            let _ = kill_process_group(self.root, Signal::KILL);
        }
    }

    /// To be called once the first process is reaped.
    pub(super) fn forget(self) {
        lock().retain(|running| running.root != self.root.as_raw_pid());
    }

    fn members(&self) -> Vec<Process> {
        let root = self.root.as_raw_pid();
        let mut running = lock();
        let Some(all) = snapshot() else { return Vec::new() };
        reap_zombies(&all, &running);
        let members = descendants(&all, |process| {
            process.pid == root
                || process.group == root
                || is_orphan(process, &running) && owner(process, &running) == Some(root)
        });
        if let Some(this) = running.iter_mut().find(|this| this.root == root) {
            this.learn(&members);
        }
        members
    }
}

impl Process {
    /// Its number.
    pub(super) fn pid(&self) -> i32 {
        self.pid
    }
}

impl Running {
    fn learn(&mut self, members: &[Process]) {
        let (own_group, own_session) = own_group_and_session();
        self.groups.extend(
            members.iter().map(|process| process.group).filter(|group| *group != own_group),
        );
        self.sessions.extend(
            members.iter().map(|process| process.session).filter(|session| *session != own_session),
        );
    }

    /// A shell changes a few variables on its own account; everything else that was given is there in a child's environment.
    fn gave(&self, environ: &Set<&[u8]>) -> bool {
        const SHELLS_OWN: [&str; 4] = ["PWD", "OLDPWD", "SHLVL", "_"];
        let given = self
            .env
            .iter()
            .filter(|(name, _)| !SHELLS_OWN.iter().any(|own| OsStr::new(own) == *name));
        given
            .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat())
            .all(|line| environ.contains(&line[..]))
    }
}

/// The orphans of nobody, and what descends from them.
fn masterless() -> Vec<Process> {
    let running = lock();
    let Some(all) = snapshot() else { return Vec::new() };
    reap_zombies(&all, &running);
    let mut found = descendants(&all, |process| {
        is_orphan(process, &running) && owner(process, &running).is_none()
    });
    found.retain(|process| !process.is_zombie);
    found
}

/// All that `is_seed` and what descends from it.
fn descendants(all: &[Process], is_seed: impl Fn(&Process) -> bool) -> Vec<Process> {
    let this = getpid().as_raw_pid();
    let mut found: Set<i32> =
        all.iter().filter(|process| is_seed(process)).map(|process| process.pid).collect();
    found.remove(&this);
    loop {
        let before = found.len();
        for process in all {
            if found.contains(&process.parent) && process.pid != this {
                found.insert(process.pid);
            }
        }
        if found.len() == before {
            return all.iter().filter(|process| found.contains(&process.pid)).cloned().collect();
        }
    }
}

/// Whether `process` came to us when its parent ended: a child of ours that no code of ours has started.
fn is_orphan(process: &Process, running: &[Running]) -> bool {
    let started_here = process.group == own_group_and_session().0
        || running.iter().any(|it| it.root == process.pid);
    process.parent == getpid().as_raw_pid() && !started_here
}

/// The command that an orphan comes from, by its first process; `None` if that cannot be told. The group or session it is
/// in tells it, the pipe it prints into, the environment it has, or that only one command runs.
fn owner(orphan: &Process, running: &[Running]) -> Option<i32> {
    let by_group = running.iter().find(|it| {
        it.root == orphan.group
            || it.groups.contains(&orphan.group)
            || it.sessions.contains(&orphan.session)
    });
    if let Some(running) = by_group {
        return Some(running.root);
    }
    let open = open_files(orphan.pid);
    if let Some(running) = running.iter().find(|it| it.pipes.iter().any(|pipe| open.contains(pipe)))
    {
        return Some(running.root);
    }
    let environ = fs::read(format!("/proc/{}/environ", orphan.pid)).unwrap_or_default();
    let environ: Set<&[u8]> = environ.split(|byte| *byte == 0).collect();
    let mut by_env = running.iter().filter(|it| it.gave(&environ));
    match (by_env.next(), by_env.next(), running) {
        (Some(one), None, _) | (None, None, [one]) => Some(one.root),
        _ => None,
    }
}

fn open_files(pid: i32) -> Set<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Set::new() };
    let targets = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.filter_map(|target| target.into_os_string().into_string().ok()).collect()
}

/// An orphan that has ended stays in the table of processes until we have seen to it.
fn reap_zombies(all: &[Process], running: &[Running]) {
    for process in all.iter().filter(|process| process.is_zombie && is_orphan(process, running)) {
        if let Some(pid) = Pid::from_raw(process.pid) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

fn kill(process: &Process, signal: Signal) {
    if let Some(pid) = Pid::from_raw(process.pid) {
        let _ = kill_process(pid, signal);
    }
}

/// As `/proc` tells them, and not `getpgrp` and `getsid`: in a container both may lead outside. Their number is 0 then, for us and
/// for whatever we started without a group of its own, and 0 is no [`Pid`].
fn own_group_and_session() -> (i32, i32) {
    read_stat(Path::new("/proc/self")).map_or((0, 0), |this| (this.group, this.session))
}

fn lock() -> MutexGuard<'static, Vec<Running>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes orphans of our descendants come to us. Where that is not possible they are lost once they have left their group.
fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    {
        static ONCE: std::sync::Once = std::sync::Once::new();
        ONCE.call_once(|| {
            let _ = rustix::process::set_child_subreaper(Some(getpid()));
        });
    }
}

/// False if it is certain that every child of this process is one that we have started: whoever outlives the first process
/// of its command descends from an orphan, which came to us. Listing our children is cheap, reading the table of all is not.
fn may_have_orphans() -> bool {
    let running = lock();
    own_children().is_none_or(|children| {
        children.iter().any(|child| running.iter().all(|it| it.root != *child))
    })
}

/// The numbers of this process's children; `None` where the system does not tell.
fn own_children() -> Option<Vec<i32>> {
    let mut children = Vec::new();
    for task in fs::read_dir("/proc/self/task").ok()? {
        match fs::read_to_string(task.ok()?.path().join("children")) {
            Ok(text) => children
                .extend(text.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok())),
            Err(error)
                if is_gone(&error) && fs::exists("/proc/thread-self/children").unwrap_or(false) => {
            }
            Err(_) => return None,
        }
    }
    Some(children)
}

/// A thread may end between listing and reading.
fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// Whether processes can be listed, by the numbers that this process knows them by. The `/proc` of another namespace has others.
pub(super) fn can_list() -> bool {
    let this = read_stat(Path::new("/proc/self"));
    this.is_some_and(|this| this.pid == getpid().as_raw_pid())
}

/// Every process that can be seen; `None` where they cannot be listed.
fn snapshot() -> Option<Vec<Process>> {
    if !can_list() {
        return None;
    }
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let is_number = entry.file_name().as_bytes().iter().all(u8::is_ascii_digit);
        all.extend(is_number.then(|| read_stat(&entry.path())).flatten());
    }
    Some(all)
}

/// One read gives all that is wanted; the kernel keeps what it tells in one read consistent.
fn read_stat(process: &Path) -> Option<Process> {
    let mut buffer = [0; 512];
    let size = fs::File::open(process.join("stat")).ok()?.read(&mut buffer).ok()?;
    parse_stat(buffer.get(..size)?)
}

/// Reads `PID (NAME) STATE PARENT GROUP SESSION …`. The name may hold anything, also `) `.
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let open = stat.iter().position(|byte| *byte == b'(')?;
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(stat.get(..open)?).ok()?.trim().parse().ok()?;
    let name = String::from_utf8_lossy(stat.get(open + 1..close)?).escape_debug().to_string();
    let mut fields = std::str::from_utf8(stat.get(close + 1..)?).ok()?.split_ascii_whitespace();
    let is_zombie = matches!(fields.next()?, "Z" | "X" | "x");
    let mut number = || fields.next()?.parse().ok();
    Some(Process { pid, parent: number()?, group: number()?, session: number()?, is_zombie, name })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_may_hold_brackets_and_line_ends() {
        let process = parse_stat(b"42 (a) R 1 (b\n) S 7 8 9 0 -1 4194304 0 0\n").unwrap();
        let expected = Process {
            pid: 42,
            parent: 7,
            group: 8,
            session: 9,
            is_zombie: false,
            name: "a) R 1 (b\\n".into(),
        };
        assert_eq!(process, expected);
        assert!(parse_stat(b"42 (gone) Z 1 42 42").unwrap().is_zombie);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in proptest::collection::vec(any::<u8>(), 0..60), cut in 0..40_usize) {
            parse_stat(&text);
            parse_stat(&b"42 (name) S 7 8 9 0 -1 4194304 0 0"[..cut.min(34)]);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_listed_and_knows_its_children() {
        let mut child = Command::new("sleep").arg("300").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let listed = snapshot().unwrap();
        let found = listed.iter().find(|process| process.pid == pid).unwrap();
        assert_eq!((found.parent, found.group), (getpid().as_raw_pid(), own_group_and_session().0));
        assert!(own_children().unwrap().contains(&pid));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
