//! Kills builds: at the Nth system call of a kind, counted for each thread, and at any time. Then looks whether the next build puts it right.
//!
//! strace injects the signal. It lets go of whatever a build starts (`-b execve`), so that only the program itself is hit, and never a
//! step or Cargo. Its counter is one for each thread, and a thread that makes many calls early hides the early calls of the others. So a
//! sweep has two ways to begin: with the program itself, and behind a gate, when a step holds the build up and all counters begin at zero.

use super::super::{Tree, assert_same, nothing_is_left_running, outcome};
use crate::project::{Invocation, Project};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// The calls that change something outside of the process. Those that a system does not have are passed over.
const CALLS: [&str; 33] = [
    "openat",
    "write",
    "writev",
    "pwrite64",
    "copy_file_range",
    "sendfile",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "utimensat",
    "fsync",
    "fdatasync",
    "ioctl",
    "flock",
    "clone3",
    "kill",
    "tgkill",
    "sendto",
];

/// Whether every point is to be tried, or a sample.
pub(super) fn is_full() -> bool {
    std::env::var("GRANULAR_CRASH_SWEEP").is_ok_and(|value| value == "full")
}

/// A sweep over one build.
pub(super) struct Sweep<'a> {
    pub(super) p: &'a Project,
    /// What the case is called in what is told at the end.
    pub(super) name: &'a str,
    /// What a clean build leaves.
    pub(super) clean: Tree,
    /// Brings the workspace into the state in which the build is killed.
    pub(super) prepare: &'a dyn Fn(),
    /// The step that holds the build up, if there is to be a gate.
    pub(super) gate: &'a str,
    /// Whether a killed build may leave what the next one cannot know to be its own.
    pub(super) displaces: bool,
}

/// Where a build is killed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Begin {
    /// The calls count from the start of the program.
    Start,
    /// The calls count from when the step at the gate is let go.
    Gate,
}

/// What a sweep did.
#[derive(Default)]
struct Tally {
    killed: usize,
    unreached: usize,
    calls: BTreeSet<&'static str>,
}

impl Sweep<'_> {
    /// Kills at every call, or at about `sample` of them that are spread over all; and `random` times at any time, four times as often in a full sweep.
    pub(super) fn run(&self, sample: usize, random: u32) {
        let mut tally = Tally::default();
        let points: Vec<_> =
            [Begin::Start, Begin::Gate].into_iter().flat_map(|begin| self.points(begin)).collect();
        if is_full() {
            for begin in [Begin::Start, Begin::Gate] {
                CALLS.iter().for_each(|call| self.every(begin, call, &points, &mut tally));
            }
        } else {
            let step = points.len().div_ceil(sample).max(1);
            for (begin, call, number) in points.iter().step_by(step) {
                self.kill_at(*begin, call, *number, &mut tally);
            }
        }
        assert!(tally.killed > tally.unreached, "{} of {}", tally.unreached, points.len());
        let times = random * if is_full() { 4 } else { 1 };
        (0..times).for_each(|time| self.kill_after(time, times));
        let told = format!(
            "{}: killed at {} points of {} system calls ({} more were not reached), and {times} times at any time\n",
            self.name,
            tally.killed,
            tally.calls.len(),
            tally.unreached
        );
        // Not by a macro: those are heard of only when a test fails.
        std::io::stderr().write_all(told.as_bytes()).unwrap();
    }

    /// All points of one call: until a build comes to its end that is no shorter than the one that was watched.
    fn every(
        &self,
        begin: Begin,
        call: &'static str,
        points: &[(Begin, &'static str, u32)],
        tally: &mut Tally,
    ) {
        let of_this = points.iter().filter(|(at, name, _)| *at == begin && *name == call);
        let Some(most) = of_this.map(|(.., number)| *number).max() else { return };
        let mut number = 1;
        while self.kill_at(begin, call, number, tally) || number < most {
            number += 1;
        }
    }

    /// The calls that a build makes, from a build that is only watched: those by which something changes, numbered in their thread.
    fn points(&self, begin: Begin) -> BTreeSet<(Begin, &'static str, u32)> {
        (self.prepare)();
        let trace = self.p.log().with_extension("trace");
        let _ = fs::remove_file(&trace);
        let calls = CALLS.map(|call| format!("?{call}")).join(",");
        let options =
            ["-o", trace.to_str().unwrap(), "-e", &format!("trace={calls}")].map(str::to_owned);
        assert_eq!(self.build(begin, &options), Some(0), "{}", self.name);
        let mut counts = std::collections::BTreeMap::new();
        let mut points = BTreeSet::new();
        for line in fs::read_to_string(&trace).unwrap().lines() {
            let Some((thread, rest)) = line.split_once(' ') else { continue };
            let Some((name, arguments)) = rest.trim_start().split_once('(') else { continue };
            let Some(call) = CALLS.iter().find(|call| **call == name) else { continue };
            let count: &mut u32 = counts.entry((thread.to_owned(), *call)).or_default();
            *count += 1;
            let only_reads =
                *call == "openat" && !arguments.contains("O_CREAT") && !arguments.contains("WR");
            if !only_reads {
                points.insert((begin, *call, *count));
            }
        }
        assert!(points.len() > 10, "{points:?}");
        points
    }

    /// Kills a build at a call. False if the build did not come to it.
    fn kill_at(&self, begin: Begin, call: &'static str, number: u32, tally: &mut Tally) -> bool {
        (self.prepare)();
        let options = [
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={call}"),
            "-e",
            &format!("inject={call}:signal=KILL:when={number}"),
        ];
        let ended = self.build(begin, &options.map(str::to_owned));
        let was_killed = ended.is_none();
        let at = format!("{}, killed at {call} {number} from {begin:?}", self.name);
        // A child that is no program yet can be hit in its place: then a step could not be started.
        assert!(
            was_killed || ended == Some(0) || ended == Some(1) || ended == Some(3),
            "{at}: {ended:?}"
        );
        self.check(&at);
        match was_killed {
            true => tally.killed += 1,
            false => tally.unreached += 1,
        }
        tally.calls.insert(call);
        was_killed
    }

    /// Kills a build at one of `times` times that are spread over as long as it takes.
    fn kill_after(&self, time: u32, times: u32) {
        (self.prepare)();
        let mut child = self.invocation().command.spawn().unwrap();
        sleep(Duration::from_millis(250) * time / times);
        let _ = child.kill();
        let _ = child.wait();
        self.check(&format!("{}, killed at time {time} of {times}", self.name));
    }

    /// A build under strace; how it ended, `None` if it was killed.
    fn build(&self, begin: Begin, options: &[String]) -> Option<i32> {
        match begin {
            Begin::Start => {
                let mut wrapper = vec!["strace", "-f", "-qq", "-b", "execve"];
                wrapper.extend(options.iter().map(String::as_str));
                let mut command = self.invocation().inside(&wrapper).command;
                let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
                assert!(status.signal().is_none_or(|signal| signal == 9), "{status}");
                status.code()
            }
            Begin::Gate => self.build_from_the_gate(options),
        }
    }

    fn build_from_the_gate(&self, options: &[String]) -> Option<i32> {
        let gate = Gate::close(self.p, self.gate);
        let mut child = self.invocation().command.spawn().unwrap();
        gate.wait_until_reached();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-b", "execve", "-p", &child.id().to_string()]).args(options);
        let mut strace = strace.stderr(Stdio::null()).spawn().unwrap();
        wait_until_traced(&child);
        gate.open();
        let status = child.wait().unwrap();
        strace.wait().unwrap();
        assert!(status.signal().is_none_or(|signal| signal == 9), "{status}");
        status.code()
    }

    /// A build in which the step at the gate has to run, since it reads another number each time.
    fn invocation(&self) -> Invocation {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let mut invocation =
            self.p.command("build -j2").env("NUMBER", &since.as_nanos().to_string());
        invocation.command.stdout(Stdio::null()).stderr(Stdio::null());
        invocation
    }

    /// What has to hold after a kill: nothing half done is called fresh, a plain build puts it right, and what is left over is collected.
    fn check(&self, at: &str) {
        let p = self.p;
        // Steps that have lost their build come to their end: nothing may change while we look.
        nothing_is_left_running(p);
        let before = outcome(p);
        let is_right = of_gen(&before) == of_gen(&self.clean);
        let foretold = p.granular("build --dry-run --message-format json").success().raw_stdout();
        assert!(
            is_right || !says_fresh(&foretold, "outlook"),
            "{at}: foretold as fresh\n{foretold}"
        );
        assert!(outcome(p) == before, "{at}: a dry run changed something");
        let built = p.granular("build --message-format json").success();
        assert!(
            is_right || !says_fresh(&built.raw_stdout(), "status"),
            "{at}: called fresh\n{built}"
        );
        let after = outcome(p);
        assert!(self.displaces || !built.stderr().contains("is kept as"), "{at}: {built}");
        if after != self.clean {
            eprintln!("{at}");
            assert_same(&after, &self.clean);
        }
        self.check_leftovers(at);
    }

    /// Of what a kill leaves, only temporary files of the cache are still there after the next build; a collection takes those away.
    fn check_leftovers(&self, at: &str) {
        let state = names(&self.p.path("target/granular"));
        let known = [
            "CACHEDIR.TAG",
            "lock",
            "records-v1",
            "fingerprints",
            "index-v1",
            "logs",
            "history-v1",
            "out",
            "tmp",
            "records-v1.new",
            "index-v1.new",
            "history-v1.new",
            "workspace-v2",
            "workspace-v2.new",
            "turns-v1",
        ];
        let strange: Vec<_> = state
            .iter()
            .filter(|name| !known.contains(&name.as_str()))
            .filter(|name| !(self.displaces && *name == "displaced"))
            .collect();
        assert!(strange.is_empty(), "{at}: left in the state: {strange:?}");
        let tmp = self.p.cache().join("v1/tmp");
        let left = names(&tmp);
        for name in &left {
            let file = fs::File::options().write(true).open(tmp.join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(2 * 60 * 60)).unwrap();
        }
        if !left.is_empty() {
            self.p.granular("gc").success();
            assert!(names(&tmp).is_empty(), "{at}: {:?}", names(&tmp));
        }
        let verified = self.p.granular("verify").success();
        assert!(!verified.stderr().contains("warning"), "{at}: {verified}");
    }
}

/// Whether a line about the step whose outputs are looked at says that it is fresh.
pub(super) fn says_fresh(lines: &str, field: &str) -> bool {
    let fresh = format!("\"{field}\":\"fresh\"");
    lines.lines().any(|line| line.contains("\"action\":\"#gen\"") && line.contains(&fresh))
}

/// The outputs of the step that has some.
pub(super) fn of_gen(tree: &Tree) -> Tree {
    let out = Path::new("target/granular/out/@workspace/gen");
    let is_of_gen = |path: &Path| path.starts_with("gen") || path.starts_with(out);
    tree.iter()
        .filter(|(path, _)| is_of_gen(path))
        .map(|(path, entry)| (path.clone(), entry.clone()))
        .collect()
}

/// The names in a directory; none if it is not there.
pub(super) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// The script that makes a step wait where its gate is closed: the one that comes first, and no other. `$LOG` names the place.
pub(super) fn wait_at_gate(step: &str) -> String {
    let named = |what: &str| format!("\"$LOG.{step}.{what}\"");
    let (closed, reached) = (named("closed"), named("reached"));
    format!(
        "if mv {closed} {reached} 2>/dev/null; then while [ -e {reached} ]; do sleep 0.01; done; fi"
    )
}

/// Holds a step up, from when it has closed until it is opened.
pub(super) struct Gate {
    closed: PathBuf,
    reached: PathBuf,
}

impl Gate {
    pub(super) fn close(p: &Project, step: &str) -> Self {
        let named = |what: &str| PathBuf::from(format!("{}.{step}.{what}", p.log().display()));
        let gate = Self { closed: named("closed"), reached: named("reached") };
        fs::write(&gate.closed, "").unwrap();
        gate
    }

    pub(super) fn wait_until_reached(&self) {
        wait_until("the gate is reached", || self.reached.exists());
    }

    pub(super) fn open(&self) {
        let _ = fs::remove_file(&self.closed);
        let _ = fs::remove_file(&self.reached);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

/// Waits until every thread of the process is watched.
fn wait_until_traced(child: &Child) {
    let tasks = PathBuf::from(format!("/proc/{}/task", child.id()));
    let is_traced = |name: &String| {
        let status = fs::read_to_string(tasks.join(name).join("status")).unwrap_or_default();
        status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
    };
    wait_until("strace watches the build", || names(&tasks).iter().all(is_traced));
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        sleep(Duration::from_millis(2));
    }
}
