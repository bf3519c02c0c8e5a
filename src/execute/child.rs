//! Runs a command as a child process, in a process group of its own. Knows no step and no retry.
//!
//! A child gets the environment that it is given and nothing else: standard input is empty, its two outputs are one pipe
//! whose reader writes the log, no other descriptor is open but for the jobserver's if it takes part in one, and files that
//! it makes are readable for all (umask 022), whatever the shell that started us had set.

use super::held::{self, Openings};
use super::slots::Jobserver;
#[cfg(feature = "program")]
use super::streams::{Errors, Stream};
use super::tree::{reap_orphans as reap_tree_orphans, start};
use super::watch::{Limits, Watched, watch};
use super::{Command, Ending, Executor, Finish, Stop};
use crate::error::{Error, Result};
use crate::ordered::Map;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::path::Path;
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use super::tree::Tree;

/// Runs commands as children of this process.
#[derive(Debug)]
pub struct ChildExecutor {
    jobserver: Option<Jobserver>,
    grace: Duration,
}

/// What a program that was asked something printed.
#[derive(Debug)]
pub(crate) struct Answer {
    /// How it ended; [`Ending::Stopped`] if it printed too much.
    pub(crate) ending: Ending,
    /// What it printed on standard output.
    pub(crate) stdout: Vec<u8>,
    /// What it printed on standard error.
    pub(crate) stderr: Vec<u8>,
}

/// How long a command may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);

/// How long a start is tried again while the program's file is open for writing somewhere.
const BUSY: Duration = Duration::from_secs(2);

impl ChildExecutor {
    /// An executor whose commands take part in `jobserver` if they ask for it. Sets the umask of this process to 022.
    pub fn new(jobserver: Option<Jobserver>) -> Self {
        #[cfg(unix)]
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        Self { jobserver, grace: GRACE }
    }

    fn process(&self, command: &Command) -> Process {
        let mut process = Process::new(&command.program);
        process.args(&command.arguments).current_dir(&command.dir).env_clear().envs(&command.env);
        let jobserver = self.jobserver.as_ref().filter(|_| command.jobserver);
        if let Some(jobserver) = jobserver {
            jobserver.tell(&mut process, &command.env);
        }
        settle(&mut process, jobserver);
        process
    }
}

/// Keeps the descriptors that came with this process from all that it starts, at once and not anew in each child. For a program that starts nothing but through here.
pub fn keep_descriptors() {
    #[cfg(unix)]
    crate::os::let_nobody_inherit();
}

/// Kills and reaps what commands have left behind unnoticed, by hiding from their group, their parent, their pipe and their
/// environment, and gives the names. To be called at the end of a build; commands that still run are not touched, nor are
/// children that other code of this process has started, if they are in its process group.
pub fn reap_orphans() -> Vec<String> {
    reap_tree_orphans()
}

impl Executor for ChildExecutor {
    fn run(&self, command: &Command, stop: &Stop) -> Result<Finish> {
        let mut log = Log::create(&command.log, command.log_limit)?;
        if stop.is_asked() {
            return Ok(Finish::stopped());
        }
        let start_error = |error| cannot_start(&command.program, &command.dir, error);
        let (reader, writer) = io::pipe().map_err(start_error)?;
        let mut process = self.process(command);
        process.stderr(writer.try_clone().map_err(start_error)?).stdout(writer);
        let take = &mut |_, bytes: &[u8]| log.take(bytes);
        let (watched, openings) = self.watch(command, process, vec![reader], take, stop)?;
        Ok(watched.finish(log.finish()?, openings))
    }
}

impl ChildExecutor {
    /// Runs `command` as [`Executor::run`] does, and gives what it prints to `pass` at once, as it comes. The two outputs are two pipes, and
    /// the log says which bytes went to which (see [`super::streams`]).
    #[cfg(feature = "program")]
    pub fn run_apart(
        &self,
        command: &Command,
        stop: &Stop,
        pass: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Finish> {
        let mut log = Log::create(&command.log, command.log_limit)?;
        if stop.is_asked() {
            return Ok(Finish::stopped());
        }
        let start_error = |error| cannot_start(&command.program, &command.dir, error);
        let (readers, [stdout, stderr]) = two_pipes().map_err(start_error)?;
        let mut process = self.process(command);
        process.stdout(stdout).stderr(stderr);
        let mut errors = Errors::default();
        let take = &mut |pipe, bytes: &[u8]| {
            let stream = if pipe == 0 { Stream::Output } else { Stream::Error };
            errors.note(stream, bytes.len() as u64);
            pass(stream, bytes);
            log.take(bytes)
        };
        let (watched, openings) = self.watch(command, process, readers, take, stop)?;
        if log.size > 0 {
            log.last_line = errors.line();
        }
        Ok(watched.finish(log.finish()?, openings))
    }

    /// Starts `process` and takes what it prints until nothing of it is left. Gives also what became of the files that it reads.
    fn watch(
        &self,
        command: &Command,
        mut process: Process,
        readers: Vec<PipeReader>,
        take: &mut dyn FnMut(usize, &[u8]) -> bool,
        stop: &Stop,
    ) -> Result<(Watched, Openings)> {
        let inodes: Vec<_> = readers.iter().map(inode).collect();
        let held = held::hold(&command.reads);
        let started = Instant::now();
        let (child, tree) = start_patiently(&mut process, &command.env, &inodes)
            .map_err(|error| cannot_start(&command.program, &command.dir, error))?;
        // Our copies of the pipes' ends go with it, so that the pipes end with the command.
        drop(process);
        let first = child.id();
        let limits = Limits { started, timeout: command.timeout, grace: self.grace };
        let watched = watch(child, tree, readers, take, limits, stop)
            .map_err(|error| Error::io("cannot watch", &command.program, error))?;
        Ok((watched, held.let_go(first)))
    }
}

impl Finish {
    /// Of a command that was not even started.
    fn stopped() -> Self {
        let (ending, duration) = (Ending::Stopped, Duration::ZERO);
        Watched { ending, duration, left_behind: Vec::new() }.finish(0, Openings::default())
    }
}

impl Watched {
    fn finish(self, log_size: u64, openings: Openings) -> Finish {
        let Self { ending, duration, left_behind } = self;
        let Openings { by_command: opened_for_writing, refused } = openings;
        Finish { ending, duration, log_size, left_behind, opened_for_writing, refused }
    }
}

/// Runs `program` and gives what it says. It is killed after `timeout` or when it prints more than `limit` bytes.
pub(crate) fn ask(
    program: &Path,
    arguments: &[&str],
    dir: &Path,
    env: &Map<OsString, OsString>,
    timeout: Duration,
    limit: usize,
) -> io::Result<Answer> {
    let mut process = Process::new(program);
    process.args(arguments).current_dir(dir).env_clear().envs(env);
    settle(&mut process, None);
    let (timeout, grace) = (Some(timeout), Duration::ZERO);
    answer(process, env, limit, timeout, grace, &Stop::default())
}

/// Runs `process`, whose environment is `env`, and gives what it says, up to `limit` bytes. It takes part in `jobserver` and may take as
/// long as it needs.
pub(crate) fn ask_beside(
    mut process: Process,
    env: &Map<OsString, OsString>,
    limit: usize,
    jobserver: &Jobserver,
    stop: &Stop,
) -> io::Result<Answer> {
    jobserver.tell(&mut process, env);
    settle(&mut process, Some(jobserver));
    answer(process, env, limit, None, GRACE, stop)
}

fn answer(
    mut process: Process,
    env: &Map<OsString, OsString>,
    limit: usize,
    timeout: Option<Duration>,
    grace: Duration,
    stop: &Stop,
) -> io::Result<Answer> {
    let (pipes, [stdout, stderr]) = two_pipes()?;
    let inodes: Vec<_> = pipes.iter().map(inode).collect();
    process.stdout(stdout).stderr(stderr);
    let started = Instant::now();
    let (child, tree) = start_patiently(&mut process, env, &inodes)?;
    drop(process);
    let mut printed = [Vec::new(), Vec::new()];
    let mut take = |index: usize, bytes: &[u8]| {
        let Some(printed) = printed.get_mut(index) else { return false };
        let room = limit.saturating_sub(printed.len()).min(bytes.len());
        printed.extend_from_slice(bytes.get(..room).unwrap_or_default());
        room == bytes.len()
    };
    let limits = Limits { started, timeout, grace };
    let watched = watch(child, tree, pipes, &mut take, limits, stop)?;
    let [stdout, stderr] = printed;
    Ok(Answer { ending: watched.ending, stdout, stderr })
}

fn two_pipes() -> io::Result<(Vec<PipeReader>, [PipeWriter; 2])> {
    let (first, first_end) = io::pipe()?;
    let (second, second_end) = io::pipe()?;
    Ok((vec![first, second], [first_end, second_end]))
}

/// What a child gets besides the pipes it prints into.
fn settle(process: &mut Process, jobserver: Option<&Jobserver>) {
    process.stdin(Stdio::null());
    #[cfg(unix)]
    {
        let keep = jobserver.map(Jobserver::descriptors).unwrap_or_default();
        let close: Vec<_> = crate::os::inherited_descriptors()
            .iter()
            .copied()
            .filter(|it| !keep.contains(it) && !crate::os::nobody_inherits())
            .collect();
        // Without anything to do, the system's faster way to start a process stays open.
        if !keep.is_empty() || !close.is_empty() {
            crate::os::settle_descriptors(process, close, keep);
        }
    }
    #[cfg(not(unix))]
    let _ = jobserver;
}

#[cfg(unix)]
fn inode(reader: &PipeReader) -> u64 {
    rustix::fs::fstat(reader).map_or(0, |stat| stat.st_ino)
}

#[cfg(not(unix))]
fn inode(_: &PipeReader) -> u64 {
    0
}

/// Starts `process`. A program that was just written may still be open for writing in a process that another thread has
/// forked and that has not yet become its own program; this passes within moments.
fn start_patiently(
    process: &mut Process,
    env: &Map<OsString, OsString>,
    pipes: &[u64],
) -> io::Result<(Child, Tree)> {
    refuse_plain_text(Path::new(process.get_program()))?;
    let deadline = Instant::now() + BUSY;
    loop {
        match start(process, env, pipes) {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            started => return started,
        }
    }
}

/// Some ways to start a process hand a text without a `#!` line to `sh`, others do not, and which is taken is not for us to
/// say. So it is refused always.
fn refuse_plain_text(program: &Path) -> io::Result<()> {
    if cfg!(not(unix)) || !program.is_file() {
        return Ok(());
    }
    let mut head = Vec::new();
    // What cannot be read may still be started; if not, the start says why.
    let Ok(file) = File::open(program) else { return Ok(()) };
    if file.take(64).read_to_end(&mut head).is_ok()
        && !head.starts_with(b"#!")
        && !head.contains(&0)
    {
        return Err(wrong_format());
    }
    Ok(())
}

fn cannot_start(program: &Path, dir: &Path, error: io::Error) -> Error {
    let program_text = program.display().to_string();
    let doing = format!("cannot start `{}` in", program_text.escape_debug());
    let hint = why_not(program, dir, &error);
    let error = Error::io(doing, dir, error);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The system names neither the program nor the directory as what it means.
fn why_not(program: &Path, dir: &Path, error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        _ if !dir.is_dir() => Some("the directory does not exist"),
        io::ErrorKind::NotFound if !program.exists() => Some("the program does not exist"),
        io::ErrorKind::NotFound => Some(
            "the interpreter that the program's first line names, or its loader, does not exist",
        ),
        io::ErrorKind::PermissionDenied => Some("the program is not executable"),
        io::ErrorKind::ArgumentListTooLong => {
            Some("its arguments and environment are too long for the system")
        }
        _ if cfg!(unix) && error.raw_os_error() == wrong_format().raw_os_error() => {
            Some("it is neither a program for this machine nor a script with a `#!` line")
        }
        _ => None,
    }
}

fn wrong_format() -> io::Error {
    const ENOEXEC: i32 = 8; // the same number on every unix, and the right word on no other system
    io::Error::from_raw_os_error(ENOEXEC)
}

/// The file that gets what a command prints, up to a limit. It is made with the first byte: most commands print nothing, and to make and remove a file for each of them
/// is what some file systems are slowest at.
struct Log<'a> {
    path: &'a Path,
    file: Option<File>,
    limit: u64,
    /// How much was printed.
    size: u64,
    /// Whether what is kept so far ends a line.
    at_line_start: bool,
    /// What stands behind all that was printed.
    last_line: String,
    trouble: Option<io::Error>,
}

impl<'a> Log<'a> {
    fn create(path: &'a Path, limit: u64) -> Result<Self> {
        let stands = std::fs::symlink_metadata(path);
        if stands.is_ok_and(|there| there.is_file()) {
            std::fs::remove_file(path)
                .map_err(|error| Error::io("cannot write the log", path, error))?;
        }
        Ok(Self {
            path,
            file: None,
            limit,
            size: 0,
            at_line_start: true,
            last_line: String::new(),
            trouble: None,
        })
    }

    /// False if it cannot be written.
    fn take(&mut self, bytes: &[u8]) -> bool {
        let room = usize::try_from(self.limit.saturating_sub(self.size)).unwrap_or(usize::MAX);
        let kept = bytes.get(..room).unwrap_or(bytes);
        self.size = self.size.saturating_add(bytes.len() as u64);
        if let Some(last) = kept.last() {
            self.at_line_start = *last == b'\n';
            self.write(kept);
        }
        self.trouble.is_none()
    }

    /// The size of all that was printed.
    fn finish(mut self) -> Result<u64> {
        if self.size > self.limit {
            let (limit, size) = (self.limit, self.size);
            let line_end = if self.at_line_start { "" } else { "\n" };
            self.write(format!("{line_end}[granular: log truncated at {limit} bytes; {size} bytes were printed]\n").as_bytes());
        }
        let last_line = std::mem::take(&mut self.last_line);
        self.write(last_line.as_bytes());
        match self.trouble {
            Some(error) => Err(Error::io("cannot write the log", self.path, error)),
            None => Ok(self.size),
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.trouble.is_none() && !bytes.is_empty() {
            self.trouble = self.append(bytes).err();
        }
    }

    /// Also where its directory was taken away while the command ran: that is no reason to end it.
    fn create_file(&self) -> io::Result<File> {
        match (File::create(self.path), self.path.parent()) {
            (Err(error), Some(dir)) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::create_dir_all(dir)?;
                File::create(self.path)
            }
            (created, _) => created,
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.create_file()?,
        };
        file.write_all(bytes)?;
        self.file = Some(file);
        Ok(())
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use super::super::trial::{Trial, is_alive, own_binary};
    use super::*;
    use insta::assert_snapshot;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::thread;

    /// Starts a process that ignores SIGTERM, one in a session of its own, and a plain one, and stays.
    const FAMILY: &str = "
        sh -c 'echo $$ > plain; exec sleep 300' &
        sh -c 'trap \"\" TERM; echo $$ > deaf; while :; do sleep 0.05; done' &
        setsid sh -c 'echo $$ > apart; exec sleep 300' &
        (setsid sh -c 'sh -c \"echo \\$\\$ > lost; exec sleep 300\" & exit 0' &)
        echo $$ > first
        wait; wait; sleep 300";
    const FAMILY_FILES: [&str; 5] = ["first", "plain", "deaf", "apart", "lost"];

    fn quick() -> ChildExecutor {
        ChildExecutor { grace: Duration::from_millis(300), ..ChildExecutor::new(None) }
    }

    fn kept(finish: &Finish) -> (Ending, &[String]) {
        (finish.ending, &finish.left_behind)
    }

    #[test]
    fn exit_codes_and_signals_are_told_exactly() {
        let trial = Trial::new();
        for code in [0, 1, 2, 77, 126, 127, 130, 255] {
            assert_eq!(kept(&trial.run(&format!("exit {code}"))), (Ending::Exited(code), &[][..]));
        }
        for (name, number) in [("KILL", 9), ("SEGV", 11), ("TERM", 15)] {
            assert_eq!(
                trial.run(&format!("ulimit -c 0; kill -{name} $$; sleep 9")).ending,
                Ending::Signal(number)
            );
        }
    }

    #[test]
    fn the_end_of_a_command_is_noticed_at_once() {
        let trial = Trial::new();
        // The fastest of many, for a machine that is busy with other things.
        let fastest = (0..20).map(|_| trial.run("exit 0").duration).min().unwrap();
        assert!(fastest < Duration::from_millis(40), "{fastest:?}");
        let finish = trial.run("sleep 0.2");
        assert!((190..2000).contains(&finish.duration.as_millis()), "{finish:?}");
    }

    #[test]
    fn both_outputs_come_in_the_order_of_their_writing() {
        let trial = Trial::new();
        let finish = trial
            .run("i=0; while [ $i -lt 300 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done");
        let expected: String = (0..300).map(|i| format!("out {i}\nerr {i}\n")).collect();
        assert_eq!(trial.log(), expected);
        assert_eq!(finish.log_size, expected.len() as u64);
    }

    #[test]
    fn the_environment_is_the_one_given_and_nothing_else() {
        let trial = Trial::new();
        let mut command = trial.command("/usr/bin/env", &[]);
        command.env = Map::from([("ONE".into(), "1".into()), ("EMPTY".into(), "".into())]);
        ChildExecutor::new(None).run(&command, &Stop::default()).unwrap();
        let log = trial.log();
        let mut lines: Vec<_> = log.lines().collect();
        lines.sort_unstable();
        assert_eq!(lines, ["EMPTY=", "ONE=1"]);
    }

    #[test]
    fn files_are_made_with_one_umask_and_standard_input_is_empty() {
        let trial = Trial::new();
        let finish = trial.run("umask; cat; pwd");
        assert_eq!(finish.ending, Ending::Exited(0));
        assert_eq!(trial.log(), format!("0022\n{}\n", trial.dir.display()));
    }

    #[test]
    fn only_the_three_standard_descriptors_are_open() {
        let trial = Trial::new();
        trial.run(
            "i=0; while [ $i -lt 100 ]; do [ -e /proc/self/fd/$i ] && echo $i; i=$((i+1)); done; :",
        );
        assert_eq!(trial.log(), "0\n1\n2\n");
    }

    #[test]
    fn descriptors_that_came_with_us_are_not_passed_on() {
        let trial = Trial::new();
        let name = "execute::child::tests::only_the_three_standard_descriptors_are_open";
        let line = format!("exec 7</dev/null 8>/dev/null; exec '{}' --exact {name}", own_binary());
        let output = Process::new("/bin/sh").args(["-c", &line]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        drop(trial);
    }

    #[test]
    fn works_with_its_own_standard_descriptors_closed() {
        let name = "execute::child::tests::both_outputs_come_in_the_order_of_their_writing";
        let line = format!("exec '{}' --exact {name} <&- >&- 2>&-", own_binary());
        assert!(Process::new("/bin/sh").args(["-c", &line]).status().unwrap().success());
    }

    #[test]
    fn a_whole_tree_dies_at_its_timeout() {
        let trial = Trial::new();
        let mut command = trial.shell(FAMILY);
        command.timeout = Some(Duration::from_secs(2));
        let finish = quick().run(&command, &Stop::default()).unwrap();
        let processes = trial.processes(&FAMILY_FILES);
        assert_eq!(kept(&finish), (Ending::TimedOut, &[][..]));
        assert!(processes.iter().all(|process| !is_alive(*process)), "{processes:?}");
    }

    #[test]
    fn a_stop_lets_children_end_and_kills_who_does_not_after_the_grace() {
        let trial = Trial::new();
        let command = trial.shell(&format!("(trap 'sleep 0.1; echo bye; exit 0' TERM; echo $$ > polite; while :; do sleep 0.01; done) & {FAMILY}"));
        let stop = Stop::default();
        let (finish, took) = thread::scope(|scope| {
            let run = scope.spawn(|| quick().run(&command, &stop).unwrap());
            trial.processes(&FAMILY_FILES);
            trial.processes(&["polite"]);
            let asked = Instant::now();
            stop.ask();
            (run.join().unwrap(), asked.elapsed())
        });
        assert_eq!(kept(&finish), (Ending::Stopped, &[][..]));
        assert!(trial.log().contains("bye"), "{}", trial.log());
        assert!((300..3000).contains(&took.as_millis()), "{took:?}");
        let processes = trial.processes(&FAMILY_FILES);
        assert!(processes.iter().all(|process| !is_alive(*process)), "{processes:?}");
    }

    #[test]
    fn an_urgent_stop_does_not_wait() {
        let trial = Trial::new();
        let command = trial.shell(FAMILY);
        let stop = Stop::default();
        let took = thread::scope(|scope| {
            let run = scope.spawn(|| ChildExecutor::new(None).run(&command, &stop).unwrap());
            let processes = trial.processes(&FAMILY_FILES);
            let asked = Instant::now();
            stop.ask();
            stop.ask();
            assert_eq!(run.join().unwrap().ending, Ending::Stopped);
            assert!(processes.iter().all(|process| !is_alive(*process)), "{processes:?}");
            asked.elapsed()
        });
        assert!(took < Duration::from_secs(2), "{took:?}");
        let finish = ChildExecutor::new(None).run(&trial.shell("touch started"), &stop).unwrap();
        assert_eq!(finish.ending, Ending::Stopped);
        assert!(!trial.dir.join("started").exists(), "nothing is started after a stop");
    }

    #[test]
    fn a_halted_command_ends_as_well() {
        let trial = Trial::new();
        let mut command = trial.shell("kill -STOP $$");
        command.timeout = Some(Duration::from_millis(200));
        assert_eq!(quick().run(&command, &Stop::default()).unwrap().ending, Ending::TimedOut);
    }

    #[test]
    fn a_command_that_wants_the_terminal_does_not_stand_there_for_ever() {
        let trial = Trial::new();
        assert_eq!(trial.run("kill -TTIN $$; sleep 300").ending, Ending::Signal(21));
    }

    #[test]
    fn what_a_command_leaves_behind_is_killed_and_named() {
        let trial = Trial::new();
        let started = Instant::now();
        for line in [
            "sh -c 'echo $$ > left; exec sleep 300' & while [ ! -s left ]; do :; done",
            "(setsid sh -c 'echo $$ > left; exec sleep 300' &); while [ ! -s left ]; do :; done",
            "(setsid sh -c 'echo $$ > left; exec sleep 300' >/dev/null 2>&1 &); while [ ! -s left ]; do :; done",
            "(env -i setsid sh -c 'echo $$ > left; exec sleep 300' &); while [ ! -s left ]; do :; done",
        ] {
            let finish = trial.run(line);
            assert_eq!(kept(&finish), (Ending::Exited(0), &["sleep".to_owned()][..]), "{line}");
            let left = trial.processes(&["left"]);
            assert!(!is_alive(left[0]), "{line}");
            fs::remove_file(trial.dir.join("left")).unwrap();
        }
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }

    #[test]
    fn a_daemon_that_keeps_printing_does_not_hold_us() {
        let trial = Trial::new();
        let finish = trial.run("(setsid sh -c 'echo $$ > left; while :; do echo again; done' &); while [ ! -s left ]; do :; done");
        assert_eq!(kept(&finish), (Ending::Exited(0), &["sh".to_owned()][..]));
        assert!(!is_alive(trial.processes(&["left"])[0]));
    }

    #[test]
    fn who_ends_a_moment_later_was_not_left_behind() {
        let trial = Trial::new();
        let finish = trial.run("(sleep 0.02; echo late) & exit 0");
        assert_eq!(kept(&finish), (Ending::Exited(0), &[][..]));
        assert_eq!(trial.log(), "late\n");
    }

    #[test]
    fn orphans_that_hide_are_reaped_at_the_end_and_nobody_else_is() {
        let trial = Trial::new();
        // In a session of its own, with another environment and no pipe of ours, while others run: nobody can tell whose it is.
        let hidden = "(env -i setsid sh -c 'echo $$ > hidden; exec sleep 300' >/dev/null 2>&1 &); while [ ! -s hidden ]; do :; done";
        let bystanders = [Trial::new(), Trial::new()];
        let mut own_child = Process::new("sleep").arg("300").spawn().unwrap();
        let stop = Stop::default();
        thread::scope(|scope| {
            let mut runs = Vec::new();
            for other in &bystanders {
                let command = other.shell("(setsid sh -c 'echo $$ > left; exec sleep 300' >/dev/null 2>&1 &); exec sleep 300");
                let stop = &stop;
                runs.push(scope.spawn(move || quick().run(&command, stop).unwrap()));
            }
            let theirs: Vec<_> =
                bystanders.iter().flat_map(|other| other.processes(&["left"])).collect();
            trial.run(hidden);
            let hidden = trial.processes(&["hidden"])[0];
            let names = reap_orphans();
            assert!(!is_alive(hidden) && names.contains(&"sleep".to_owned()), "{names:?}");
            assert!(
                theirs.iter().all(|process| is_alive(*process)),
                "what belongs to a command that runs is not touched"
            );
            stop.ask();
            for run in runs {
                assert_eq!(run.join().unwrap().ending, Ending::Stopped);
            }
            assert!(!theirs.iter().any(|process| is_alive(*process)));
        });
        assert!(own_child.try_wait().unwrap().is_none(), "children of other code are not touched");
        own_child.kill().unwrap();
        own_child.wait().unwrap();
    }

    /// Set in the process that runs one test only.
    const ALONE: &str = "GRANULAR_TEST_ALONE";

    #[test]
    fn a_huge_log_is_cut_and_takes_no_memory() {
        // The peak is that of a whole process: so this test has one for itself, and no other test is in it.
        if std::env::var_os(ALONE).is_none() {
            let name = "execute::child::tests::a_huge_log_is_cut_and_takes_no_memory";
            let mut alone = Process::new(own_binary());
            let output = alone.args(["--exact", name]).env(ALONE, "yes").output().unwrap();
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            assert!(output.status.success() && text.contains("1 passed"), "{text}");
            return;
        }
        fn peak() -> u64 {
            let status = fs::read_to_string("/proc/self/status").unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
        }
        let trial = Trial::new();
        let before = peak();
        let finish = trial.run("head -c 200000000 /dev/zero");
        assert_eq!(finish.ending, Ending::Exited(0));
        assert_eq!(finish.log_size, 200_000_000);
        assert!(peak() - before < 40_000_000, "{} bytes", peak() - before);
        assert_eq!(
            trial.log().trim_start_matches('\0'),
            "\n[granular: log truncated at 1048576 bytes; 200000000 bytes were printed]\n"
        );
    }

    #[test]
    fn a_log_is_kept_up_to_its_limit() {
        let trial = Trial::new();
        let mut command = trial.shell("printf '12345\\n'; printf '6789'");
        let mut log = |limit| {
            command.log_limit = limit;
            ChildExecutor::new(None).run(&command, &Stop::default()).unwrap();
            trial.log()
        };
        assert_eq!(log(10), "12345\n6789");
        assert_snapshot!(log(9), @"
        12345
        678
        [granular: log truncated at 9 bytes; 10 bytes were printed]
        ");
        assert_snapshot!(log(6), @"
        12345
        [granular: log truncated at 6 bytes; 10 bytes were printed]
        ");
        assert_snapshot!(log(0), @"[granular: log truncated at 0 bytes; 10 bytes were printed]");
    }

    #[test]
    fn a_log_that_cannot_be_written_is_an_error_and_the_command_is_ended() {
        let trial = Trial::new();
        let mut command = trial.shell("echo $$ > first; while :; do echo again; done");
        command.log = "/dev/full".into();
        let error = ChildExecutor::new(None).run(&command, &Stop::default()).unwrap_err();
        assert_snapshot!(error, @"cannot write the log `/dev/full`: No space left on device (os error 28)");
        assert!(!is_alive(trial.processes(&["first"])[0]));
    }

    #[test]
    fn what_cannot_be_started_is_named_with_its_directory() {
        let trial = Trial::new();
        let file = |name: &str, text: &str, mode| {
            let path = trial.dir.join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            path
        };
        let told = |program: &Path, dir: &Path| {
            let command = Command { dir: dir.to_owned(), ..trial.command(program, &[]) };
            let error = ChildExecutor::new(None).run(&command, &Stop::default()).unwrap_err();
            let text = format!("{error} ({})", error.way_out().unwrap_or_default());
            text.replace(trial.dir.to_str().unwrap(), "[DIR]")
        };
        assert_snapshot!(told(&trial.dir.join("absent"), &trial.dir), @"cannot start `[DIR]/absent` in `[DIR]`: No such file or directory (os error 2) (the program does not exist)");
        assert_snapshot!(told(Path::new("/bin/sh"), &trial.dir.join("gone")), @"cannot start `/bin/sh` in `[DIR]/gone`: No such file or directory (os error 2) (the directory does not exist)");
        assert_snapshot!(told(&file("plain", "#!/bin/sh\n", 0o644), &trial.dir), @"cannot start `[DIR]/plain` in `[DIR]`: Permission denied (os error 13) (the program is not executable)");
        assert_snapshot!(told(&file("foreign", "\u{1}\u{2}", 0o755), &trial.dir), @"cannot start `[DIR]/foreign` in `[DIR]`: Exec format error (os error 8) (it is neither a program for this machine nor a script with a `#!` line)");
        assert_snapshot!(told(&file("orphan", "#!/no/such/shell\n", 0o755), &trial.dir), @"cannot start `[DIR]/orphan` in `[DIR]`: No such file or directory (os error 2) (the interpreter that the program's first line names, or its loader, does not exist)");
    }

    #[test]
    fn a_program_that_was_just_written_is_waited_for() {
        let trial = Trial::new();
        let path = trial.dir.join("tool");
        fs::copy("/bin/true", &path).unwrap();
        let open = fs::OpenOptions::new().append(true).open(&path).unwrap();
        let finish = thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(50));
                drop(open);
            });
            ChildExecutor::new(None).run(&trial.command(&path, &[]), &Stop::default()).unwrap()
        });
        assert_eq!(finish.ending, Ending::Exited(0));
    }

    #[test]
    fn asking_a_program_is_bounded_in_time_and_size() {
        let trial = Trial::new();
        let answer = |line: &str| {
            let timeout = Duration::from_millis(500);
            ask(Path::new("/bin/sh"), &["-c", line], &trial.dir, &trial.env(), timeout, 1000)
                .unwrap()
        };
        let short = answer("echo out; echo err >&2; exit 3");
        assert_eq!(
            (short.ending, &short.stdout[..], &short.stderr[..]),
            (Ending::Exited(3), &b"out\n"[..], &b"err\n"[..])
        );
        let long = answer("while :; do echo again; done");
        assert_eq!((long.ending, long.stdout.len()), (Ending::Stopped, 1000));
        assert_eq!(answer("sleep 300").ending, Ending::TimedOut);
    }
}
