//! Running steps (A47 to A53).

use super::processes::{Dice, rounds};
use super::{ends_well, nothing_is_left_running, running};
use crate::beside::{Beside, gate, signal, wait_until};
use crate::parallel::{COUNTED, most_at_once};
use crate::project::{Invocation, Project, Run, project, step};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// What starts processes that do not want to end: one that does not hear SIGTERM, one in a session of its own, one deep below.
const FAMILY: &str = "(trap '' TERM; echo > deaf; while :; do sleep 0.05; done) & \
    setsid sh -c 'echo > apart; exec sleep 4747' & \
    sh -c 'sh -c \"echo > deep; exec sleep 4747\"; :' & wait";

/// A build with one step that is done and one that runs, at a terminal, when all of its processes are there.
fn family() -> (Project, Beside) {
    let p = project(
        &[
            step("done", "echo x > {out}/x", "inputs = []\noutputs = [\"{out}/x\"]"),
            step(
                "hang",
                &format!("echo y > {{out}}/y; test -e calm || {{ {FAMILY}; }}"),
                "inputs = []\noutputs = [\"{out}/y\"]\nneeds = [\"done\"]",
            ),
        ]
        .concat(),
    );
    let build = p.command("build").at_a_terminal("trap : INT; \"$@\"");
    wait_until("the whole family is there", || {
        // Who says that it is there is not yet the program that it becomes.
        ["deaf", "apart", "deep"].iter().all(|file| p.path(file).exists()) && sleepers(&p) == 2
    });
    (p, build)
}

/// How many of those that could end politely are there.
fn sleepers(p: &Project) -> usize {
    running(p).iter().filter(|line| line.starts_with("sleep 4747")).count()
}

/// What was finished is kept, what was not is not, and the next build is right.
fn nothing_else_is_lost(p: &Project) {
    nothing_is_left_running(p);
    assert_eq!(p.ran(), ["done", "hang"]);
    p.write("calm", "");
    assert_eq!(ends_well(p), ["hang"]);
}

#[test]
fn a47_ctrl_c_ends_every_process_within_the_grace_and_keeps_what_was_finished() {
    let (p, mut build) = family();
    let pressed = Instant::now();
    build.press("\x03");
    let said = build.code(130);
    let took = pressed.elapsed();
    // Five seconds for those who do not hear, and some for a machine that is busy.
    assert!((4..10).contains(&took.as_secs()), "{took:?}\n{said}");
    assert!(said.contains("interrupted"), "{said}");
    nothing_else_is_lost(&p);
}

#[test]
fn a47_a_second_ctrl_c_ends_every_process_at_once() {
    let (p, mut build) = family();
    let pressed = Instant::now();
    build.press("\x03");
    wait_until("those who hear have ended", || sleepers(&p) == 0);
    build.press("\x03");
    build.code(130);
    assert!(pressed.elapsed() < Duration::from_millis(4500), "{:?}", pressed.elapsed());
    nothing_else_is_lost(&p);
}

/// A step that leaves a daemon behind, whose file `there` says that it is there.
fn leaves_behind(daemon: &str) -> Project {
    let script = format!(
        "({daemon}) & until test -e there; do sleep 0.01; done; rm there; echo x > {{out}}/x"
    );
    project(&step("gen", &script, "inputs = []\noutputs = [\"{out}\"]"))
}

#[test]
fn a48_a_daemon_that_holds_the_pipe_does_not_hold_the_build_and_is_named() {
    for daemon in [
        "touch there; exec sleep 300",
        "touch there; exec setsid sleep 300",
        "setsid sh -c 'touch there; exec sleep 300' >/dev/null 2>&1 &",
        "touch there; trap '' TERM HUP; sleep 300; sleep 300",
    ] {
        let p = leaves_behind(daemon);
        let began = Instant::now();
        let run = p.granular("build").success();
        assert!(began.elapsed() < Duration::from_secs(20), "{daemon}: {:?}", began.elapsed());
        assert!(
            run.stderr().contains("processes that `#gen` left behind were killed: `s"),
            "{daemon}: {run}"
        );
        nothing_is_left_running(&p);
        assert_eq!(p.ran(), ["gen"]);
        assert!(ends_well(&p).is_empty(), "{daemon}");
    }
}

#[test]
fn a48_a_daemon_that_writes_on_does_not_change_what_was_captured() {
    let p =
        leaves_behind("n=0; while :; do n=$((n+1)); echo $n > {out}/y; echo $n; touch there; done");
    let began = Instant::now();
    p.granular("build").success();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    nothing_is_left_running(&p);
    let built = p.read_out("gen/y");
    p.granular("build").success();
    p.remove("target");
    p.granular("build").success();
    assert_eq!((p.ran(), p.read_out("gen/y")), (vec!["gen".to_owned()], built));
    p.granular("verify").success();
}

/// How much is kept of what a step prints.
const LOG_LIMIT: u64 = 16 * 1024 * 1024;

/// Runs it, and says how many kB it or a process that it started had at most in memory.
fn with_peak(invocation: Invocation, p: &Project) -> (Run, u64) {
    let file = p.log().with_extension("peak");
    let program = "import resource, subprocess, sys; code = subprocess.call(sys.argv[2:]); \
        open(sys.argv[1], 'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)); sys.exit(code)";
    let run = invocation.inside(&["python3", "-c", program, file.to_str().unwrap()]).run();
    let peak = fs::read_to_string(file).unwrap_or_default();
    let peak = peak.parse().unwrap_or_else(|_| panic!("no peak was noted: {run}"));
    (run, peak)
}

/// All bytes of a directory's files.
fn size(dir: &Path) -> u64 {
    let entries = super::tree(dir, |_| false).into_values();
    entries
        .map(
            |entry| {
                if let super::Entry::File { bytes, .. } = entry { bytes.len() as u64 } else { 0 }
            },
        )
        .sum()
}

/// A step that prints so many bytes unless there is a file `quiet`, and that fails if there is `fails`.
fn loud(script: &str) -> Project {
    let script = format!("test -e quiet || {{ {script}; }}; test ! -e fails");
    let p = project(&step("loud", &script, "inputs = [\"in\"]\noutputs = []"));
    p.write("in", "a");
    p
}

/// Builds [`loud`]: what is told ends where the log was cut, and neither memory nor disk holds more than that.
fn is_cut(p: &Project, bytes: u64, code: i32) {
    let (run, peak) = with_peak(p.command("build"), p);
    let run = run.code(code);
    let stderr = run.raw_stderr();
    let cut = format!("[granular: log truncated at {LOG_LIMIT} bytes; {bytes} bytes were printed]");
    assert!(stderr.contains(&cut), "{}", &stderr[stderr.len().saturating_sub(1000)..]);
    assert!(peak < 200_000, "{peak} kB");
    for dir in [p.cache(), p.path("target/granular")] {
        assert!(size(&dir) < LOG_LIMIT + 100_000, "{}", size(&dir));
    }
    eprintln!("{bytes} bytes printed, {peak} kB in memory");
}

#[test]
fn a49_a_log_of_a_gigabyte_is_cut_and_takes_no_memory() {
    let p = loud("yes 'a line like any other in a log that does not end' | head -c 1000000000");
    is_cut(&p, 1_000_000_000, 0);
    p.remove("target");
    is_cut(&p, 1_000_000_000, 0);
    assert_eq!(p.ran(), ["loud"], "the second time its log was replayed");
    p.write("in", "b").write("quiet", "");
    assert_eq!(ends_well(&p), ["loud"]);
}

#[test]
fn a49_a_line_of_200_megabytes_is_cut_and_takes_no_memory() {
    let p = loud("head -c 200000000 /dev/zero | tr '\\0' x");
    is_cut(&p, 200_000_000, 0);
    p.write("in", "b").write("fails", "");
    is_cut(&p, 200_000_000, 1);
    p.remove("fails");
    p.write("quiet", "");
    assert_eq!(ends_well(&p), ["loud"]);
}

#[test]
fn a50_every_way_to_end_is_told_exactly_and_no_failure_is_kept() {
    let ends = [
        ("one", "exit 1", "exit code 1"),
        ("two", "exit 2", "exit code 2"),
        ("skip", "exit 77", "exit code 77"),
        ("not-executable", "exit 126", "exit code 126"),
        ("not-found", "exit 127", "exit code 127"),
        ("most", "exit 255", "exit code 255"),
        ("killed", "kill -9 $$", "signal 9 (SIGKILL)"),
        ("segfault", "ulimit -c 0; kill -SEGV $$", "signal 11 (SIGSEGV)"),
        ("terminated", "kill -TERM $$", "signal 15 (SIGTERM)"),
    ];
    let tables: Vec<_> = ends
        .iter()
        .map(|(name, end, _)| {
            step(
                name,
                &format!("echo x > {{out}}/x; test -e well || {{ {end}; sleep 9; }}"),
                "inputs = []\noutputs = [\"{out}/x\"]",
            )
        })
        .collect();
    let p = project(&tables.concat());
    let mut names: Vec<_> = ends.iter().map(|(name, ..)| *name).collect();
    names.sort_unstable();
    for _ in 0..2 {
        let run = p.granular("build --keep-going").code(1);
        let told = run.stderr();
        for (name, _, how) in ends {
            let line = told.lines().find(|line| line.contains(&format!("Failed #{name} ")));
            assert!(line.is_some_and(|line| line.ends_with(&format!(": {how}"))), "{name}: {run}");
        }
        assert_eq!(p.ran(), names, "none was kept");
    }
    p.write("well", "");
    assert_eq!(ends_well(&p), names);
}

/// A step that writes down what stands behind its standard streams, which descriptors are open, and what it can read.
fn streams() -> Project {
    let script = "cat > {out}/read; readlink /proc/self/fd/0 > {out}/stdin; tty > {out}/tty; \
        i=0; while [ $i -lt 100 ]; do [ -e /proc/$$/fd/$i ] && echo $i >> {out}/open; i=$((i+1)); done; :";
    project(&step("look", script, "inputs = []\noutputs = [\"{out}\"]"))
}

#[track_caller]
fn sees_nothing_of_ours(p: &Project) {
    assert_eq!(p.ran(), ["look"]);
    let seen = ["read", "stdin", "tty", "open"].map(|file| p.read_out(&format!("look/{file}")));
    assert_eq!(seen, ["", "/dev/null\n", "not a tty\n", "0\n1\n2\n"]);
}

#[test]
fn a51_a_step_reads_nothing_and_has_three_descriptors_wherever_the_build_is_started() {
    let p = streams();
    let mut build = p.command("build --force").at_a_terminal("\"$@\"");
    build.press("typed\n");
    build.code(0);
    sees_nothing_of_ours(&p);
    for how in [
        "echo piped | \"$@\"",
        "exec \"$@\" <&-",
        "exec \"$@\" >&-",
        "exec \"$@\" 2>&-",
        "exec \"$@\" <&- >&- 2>&-",
        "exec 7</dev/null 8>/dev/null 9<.; exec \"$@\"",
    ] {
        let run = p.command("build --force").inside(&["sh", "-c", how, "sh"]).run();
        assert!(run.raw_stdout().is_empty(), "{how}: {run}");
        let _ = run.success();
        sees_nothing_of_ours(&p);
    }
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a51_a_step_that_wants_the_terminal_fails_and_does_not_stand_there_for_ever() {
    for wants in ["head -1 /dev/tty", "sh -c 'read line < /dev/tty'; true", "stty -echo < /dev/tty"]
    {
        let p = project(&step(
            "ask",
            &format!("test -e quiet || {{ {wants}; }}"),
            "inputs = []\noutputs = []",
        ));
        let build = p.command("build").at_a_terminal("\"$@\"");
        let said = build.code(1);
        assert!(
            said.contains("signal 21 (SIGTTIN)") || said.contains("signal 22 (SIGTTOU)"),
            "{wants}: {said}"
        );
        p.write("quiet", "");
        assert_eq!(ends_well(&p), ["ask"]);
    }
}

/// What a terminal has been told that has to be taken back: a hidden cursor, another screen, modes, a colour.
fn is_left_in_order(said: &str) -> bool {
    let last = |on: &str, off: &str| said.rfind(on) <= said.rfind(off);
    let colours = said.rfind("\x1b[").is_none_or(|_| {
        let styles: Vec<_> = said
            .split("\x1b[")
            .skip(1)
            .filter_map(|rest| rest.split_once('m'))
            .map(|(style, _)| style)
            .filter(|style| style.bytes().all(|byte| byte.is_ascii_digit() || byte == b';'))
            .collect();
        styles.last().is_none_or(|style| *style == "0" || style.is_empty())
    });
    last("\x1b[?25l", "\x1b[?25h")
        && last("\x1b[?1049h", "\x1b[?1049l")
        && !said.contains("\x1b[?1000h")
        && colours
}

/// A build at a terminal that shows how far it is, with its step held until there is `go`; and its process.
fn shown(p: &Project) -> (Beside, u32) {
    let pid = p.log().with_extension("pid");
    let _ = fs::remove_file(&pid);
    let line = "ulimit -c 0; trap : INT TERM; echo \"before:$(stty -g)\"; sh -c 'echo $$ > \"$LOG.pid.new\"; mv \"$LOG.pid.new\" \"${LOG}.pid\"; exec \"$@\"' sh \"$@\"; \
        echo \"code:$?\"; echo \"after:$(stty -g)\"";
    let build = p.command("build").at_a_terminal(line);
    wait_until("it has started", || pid.exists());
    let id = fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    (build, id)
}

/// It ended with `code`, and the terminal is what it was.
#[track_caller]
fn restored(build: Beside, code: Option<i32>) -> String {
    let (_, said) = build.end();
    let value = |name: &str| {
        said.split(name).nth(1).and_then(|rest| rest.split_whitespace().next()).map(str::to_owned)
    };
    assert!(value("before:").is_some() && value("before:") == value("after:"), "{said}");
    assert!(is_left_in_order(&said), "{said:?}");
    if let Some(code) = code {
        assert_eq!(value("code:"), Some(code.to_string()), "{said}");
    }
    said
}

fn slow() -> Project {
    project(&step(
        "slow",
        &format!("{}; exit $(cat code)", gate("go")),
        "inputs = []\noutputs = []",
    ))
}

#[test]
fn a52_the_terminal_is_left_as_it_was_after_success_failure_ctrl_c_and_a_signal() {
    for (end, code) in [("success", 0), ("failure", 1), ("ctrl-c", 130), ("signal", 130)] {
        let p = slow();
        p.write("code", code.to_string());
        let (mut build, process) = shown(&p);
        build.hear("Building");
        match end {
            "ctrl-c" => build.press("\x03"),
            "signal" => signal("TERM", process),
            _ => drop(p.write("go", "")),
        }
        restored(build, Some(code));
        p.write("go", "").write("code", "0");
        ends_well(&p);
    }
}

#[test]
fn a52_whatever_kills_the_build_the_terminal_needs_no_repair() {
    let p = slow();
    p.write("code", "0");
    let mut dice = Dice(52);
    for round in 0..2 * rounds() {
        let (build, process) = shown(&p);
        std::thread::sleep(Duration::from_millis(dice.roll(800)));
        signal(if round % 2 == 0 { "KILL" } else { "ABRT" }, process);
        restored(build, None);
    }
    p.write("go", "");
    ends_well(&p);
}

#[test]
fn a52_no_escapes_where_nobody_looks_or_none_are_wanted() {
    let p = slow();
    p.write("code", "0");
    let build = p.command("build").start();
    std::thread::sleep(Duration::from_secs(1)); // long enough for lines that change to begin
    p.write("go", "");
    let said = build.code(0);
    assert!(!said.contains('\x1b'), "{said:?}");
    p.remove("go");
    for (name, value) in [("NO_COLOR", "1"), ("CI", "true"), ("TERM", "dumb")] {
        let line = format!("export {name}={value}; (sleep 1; touch go) & \"$@\"");
        let said = p.command("build --force").at_a_terminal(&line).code(0);
        assert!(!said.contains('\x1b'), "{name}: {said:?}");
        p.remove("go");
    }
    p.write("go", "");
    ends_well(&p);
}

/// So many steps that note how many of them run at once.
fn counted(count: usize, more: &str) -> String {
    let table = |number| {
        step(
            &format!("s{number}"),
            COUNTED,
            &format!("inputs = []\noutputs = []\nenv = {{ N = \"{number}\" }}\n{more}"),
        )
    };
    (0..count).map(table).collect()
}

#[test]
fn a53_no_more_steps_run_at_once_than_there_are_slots() {
    let p = project(&counted(40, ""));
    p.granular("build -j3").success();
    assert_eq!(most_at_once(&p), 3);
    assert_eq!(p.ran().len(), 40);
    assert!(ends_well(&p).is_empty());
}

/// A step that is killed as long as there is no file `well`.
fn killed() -> String {
    step("killed", "test -e well || kill -9 $$", "inputs = []\noutputs = []")
}

/// The rules of a Makefile that count like steps.
fn rules(count: usize) -> String {
    (0..count).map(|number| format!("t{number}:\n\t@{}\n", COUNTED.replace('$', "$$"))).collect()
}

#[test]
fn a53_make_inside_a_step_takes_part_in_the_jobserver() {
    let p = project(&step(
        "make",
        "make --no-print-directory all",
        "inputs = [\"Makefile\"]\noutputs = []\ntools = [\"make\"]",
    ));
    p.write("Makefile", format!("all: t0 t1 t2 t3 t4 t5\n{}", rules(6)));
    p.granular("build -j2").success();
    assert_eq!(most_at_once(&p), 2);
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a53_builds_inside_make_keep_to_its_slots_and_give_back_what_they_took() {
    let p = project(&(counted(6, "") + &killed()));
    // Twenty builds in which a step is killed; at its end make counts its tokens, and says so if one is missing.
    let program = env!("CARGO_BIN_EXE_cargo-granular");
    let makefile = format!(
        "all: t0 t1 t2 t3 build\nbuild:\n\t+@'{program}' build -q 's?'\n\
        \t+@n=0; while [ $$n -lt 20 ]; do n=$$((n+1)); '{program}' build -q killed 2>/dev/null; done; :\n{}",
        rules(4)
    );
    p.write("Makefile", makefile);
    let make = ["sh", "-c", "exec make --no-print-directory -j2 all"];
    let run = p.command("").inside(&make).run().success();
    assert!(!run.stderr().contains("jobserver"), "{run}");
    assert_eq!(most_at_once(&p), 2);
    let ran = p.ran();
    let killed = ran.iter().filter(|step| *step == "killed").count();
    assert_eq!((ran.len(), killed), (26, 20));
    p.write("well", "");
    assert_eq!(ends_well(&p), ["killed"]);
}

#[test]
fn a53_a_jobserver_as_cargo_makes_it_has_all_its_tokens_again_after_kills_and_interrupts() {
    let hang = "test -e well || { touch hangs; sleep 300; }";
    let hang = step("hang", hang, "inputs = []\noutputs = []");
    let p = project(&(counted(6, "") + &killed() + &hang));
    let server = jobserver::Client::new(2).unwrap();
    let under = |arguments: &str| {
        let mut invocation = p.command(arguments);
        server.configure(&mut invocation.command);
        invocation
    };
    for _ in 0..20 {
        let _ = under("build killed s0 s1 --keep-going --force").run().code(1);
        assert_eq!(server.available().unwrap(), 2);
    }
    let build = under("build s? --force").run().success();
    assert_eq!(most_at_once(&p), 3, "{build}");
    let build = under("build hang s0 s1 s2 --force").start();
    wait_until("it hangs", || p.path("hangs").exists());
    build.signal("INT");
    build.code(130);
    assert_eq!(server.available().unwrap(), 2);
    p.write("well", "");
    assert!(ends_well(&p).starts_with(&["hang".to_owned(), "killed".to_owned()]));
}

#[test]
fn a53_tokens_that_a_killed_make_took_with_it_are_there_for_the_steps_after_it() {
    let kill = "make --no-print-directory kill; :";
    let p = project(
        &(step("make", kill, "inputs = [\"Makefile\"]\noutputs = []\ntools = [\"make\"]")
            + &counted(12, "needs = [\"make\"]")),
    );
    p.write("Makefile", "kill: a b\na:\n\t@touch a; sleep 300\nb:\n\t@until test -e a; do :; done; kill -9 $$PPID\n");
    p.granular("build -j2").success();
    assert_eq!(most_at_once(&p), 2);
    assert!(ends_well(&p).is_empty());
}
