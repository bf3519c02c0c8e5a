//! Inputs or outputs that change while a step runs (A08 to A10).
//!
//! A step of these tests notes that it has begun and waits to be let go, so that what happens meanwhile happens at exactly that moment.

use super::{ends_well, nothing_is_left_running};
use crate::project::{Project, Run, project, step};
use crate::sandbox;
use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Notes that the step has begun, and waits until it is let go.
const GATE: &str = "touch started; for i in $(seq 6000); do test -e go && break; sleep 0.01; done;";

/// A step that copies `in` once it is let go.
fn gated(more: &str) -> String {
    let keys = format!("inputs = [\"in\"]\noutputs = [\"{{out}}/x\"]\n{more}");
    step("gen", &format!("{GATE} cat in > {{out}}/x"), &keys)
}

/// Edits the input.
fn write(p: &Project, text: &str) {
    p.write("in", text);
}

fn wait_for(p: &Project, file: &str) {
    let began = Instant::now();
    while !p.path(file).exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "{file} did not appear");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A build during which `meanwhile` happens between the step's beginning and its end.
fn build_while(p: &Project, arguments: &str, meanwhile: impl FnOnce()) -> Run {
    for file in ["started", "go"] {
        let _ = fs::remove_file(p.path(file));
    }
    p.command(arguments).run_while(|_| {
        wait_for(p, "started");
        meanwhile();
        p.write("go", "");
    })
}

fn warns_of(run: &Run, file: &str, step: &str) {
    let message = format!("warning: `{file}` changed while `{step}` ran: its result is not kept");
    assert!(run.stderr().contains(&message), "{run}");
}

/// Another checkout that has the same sources and shares the cache, and nothing else: what it is given must be of its own sources.
fn another_checkout_runs_it_itself(p: &Project, name: &str, expected: &str) {
    let other = p.checkout(name);
    other.granular("build").success();
    assert_eq!(other.ran(), ["gen"], "nothing was kept");
    assert_eq!(other.read_out("gen/x"), expected);
}

#[test]
fn a08_what_an_edited_input_gave_is_not_kept_and_not_fresh() {
    let p = project(&gated(""));
    p.write("in", "A\n");
    let run = build_while(&p, "build", || write(&p, "B\n")).success();
    warns_of(&run, "in", "#gen");
    assert_eq!(p.ran(), ["gen"], "it counts as run");
    let outlook = p.granular("build -n").success().stdout();
    assert!(outlook.contains("Would run #gen"), "{outlook}");
    p.write("in", "A\n");
    another_checkout_runs_it_itself(&p, "other", "A\n");
    let outlook = p.granular("build -n").success().stdout();
    assert!(outlook.contains("Would restore #gen"), "what the other one has left: {outlook}");
    p.granular("build").success();
    assert_eq!(p.read_out("gen/x"), "A\n");
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a08_after_an_edit_during_a_run_the_next_build_runs_it_again() {
    let p = project(&gated(""));
    p.write("in", "A\n");
    warns_of(&build_while(&p, "build", || write(&p, "B\n")).success(), "in", "#gen");
    let run = p.granular("build").success();
    assert_eq!(p.ran(), ["gen", "gen"]);
    assert!(!run.stderr().contains("warning"), "{run}");
    assert!(run.stderr().contains("Ran #gen"), "{run}");
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a08_with_strict_an_edit_during_a_run_fails_the_step_and_starts_no_dependent() {
    let p = project(
        &[
            gated(""),
            step("last", "cat {needs.gen.out}/x", "needs = [\"gen\"]\ninputs = []\noutputs = []"),
        ]
        .concat(),
    );
    p.write("in", "A\n");
    let run = build_while(&p, "build --strict --message-format json", || write(&p, "B\n"));
    let run = run.code(1);
    assert_eq!(p.ran(), ["gen"]);
    let message = "`in` changed while `#gen` ran: its result is not kept, and it will run again";
    assert!(run.stderr().contains(&format!("Failed #gen after [ELAPSED]: {message}")), "{run}");
    assert!(run.stderr().contains("help:     build again once nothing changes"), "{run}");
    assert!(
        run.stdout().contains(&format!(r#""failure":{{"kind":"inputs","message":"{message}""#)),
        "{run}"
    );
    p.write("in", "A\n");
    another_checkout_runs_it_itself_with_dependents(&p);
    p.granular("build --strict").success();
    assert!(ends_well(&p).is_empty());
}

fn another_checkout_runs_it_itself_with_dependents(p: &Project) {
    let other = p.checkout("other");
    other.granular("build --strict").success();
    assert_eq!(other.ran(), ["gen", "last"]);
    assert_eq!(other.read_out("gen/x"), "A\n");
}

#[test]
fn a08_a_test_that_is_edited_while_it_runs_has_not_passed() {
    let p = project(&step(
        "check",
        &format!("{GATE} grep -q A in"),
        "inputs = [\"in\"]\noutputs = []\ntest = true",
    ));
    p.write("in", "A\n");
    warns_of(&build_while(&p, "test", || write(&p, "AA\n")), "in", "#check");
    p.write("in", "A\n");
    p.granular("test").success();
    assert_eq!(p.ran(), ["check", "check"]);
    build_while(&p, "test --strict --force", || write(&p, "AB\n")).code(1);
    p.granular("test --strict").success();
    assert_eq!(p.ran(), ["check", "check"]);
    p.granular("verify").success();
    nothing_is_left_running(&p);
}

#[test]
fn a08_what_comes_and_goes_among_the_inputs_is_seen() {
    for (change, named) in
        [("new", "src/new"), ("gone", "src/b"), ("all", "src/a"), ("link", "src/b")]
    {
        let p = project(&step(
            "gen",
            &format!("{GATE} cat src/* > {{out}}/x; true"),
            "inputs = [\"src/*\"]\noutputs = [\"{out}/x\"]",
        ));
        p.write("src/a", "1\n").write("src/b", "1\n");
        let run = build_while(&p, "build", || match change {
            "new" => fs::write(p.path("src/new"), "2\n").unwrap(),
            "gone" => p.remove("src/b"),
            "all" => p.remove("src"),
            _ => {
                p.remove("src/b");
                std::os::unix::fs::symlink("a", p.path("src/b")).unwrap();
            }
        });
        let run = run.success();
        let message = format!(
            "`{named}`{} changed while `#gen` ran",
            if change == "all" { " (and 1 more)" } else { "" }
        );
        assert!(run.stderr().contains(&message), "{change}: {run}");
        if change != "link" {
            let _ = fs::remove_file(p.path("src/new"));
            p.write("src/a", "1\n").write("src/b", "1\n");
        } else {
            p.remove("src/b");
            p.write("src/b", "1\n");
        }
        p.ran();
        another_checkout_runs_it_itself(&p, "other", "1\n1\n");
        assert!(ends_well(&p).is_empty(), "what the other checkout left is restored");
    }
}

#[test]
fn a08_another_step_that_writes_the_input_is_told_the_second_time() {
    let writer = "for i in $(seq 6000); do test -e started && break; sleep 0.01; done; echo B > in; touch go";
    let p = project(&[gated(""), step("writer", writer, "inputs = []\noutputs = []")].concat());
    p.write("in", "A\n");
    let run = p.granular("build -j2").success();
    warns_of(&run, "in", "#gen");
    assert_eq!(p.ran(), ["gen", "writer"]);
    for file in ["started", "go"] {
        p.remove(file);
    }
    let run = p.granular("build -j2 --force").code(1);
    assert_eq!(p.ran(), ["gen", "writer"]);
    let message =
        "`in`, an input of `#gen`, was rewritten while it ran, for the second time in a row";
    assert!(run.stderr().contains(message), "{run}");
    // Once nothing is written where another step reads, all is well.
    p.manifest(&[gated(""), step("writer", "true", "inputs = []\noutputs = []")].concat());
    ends_well(&p);
}

/// Reads `in` and does `script`.
fn reads_and(script: &str) -> String {
    let keys = "inputs = [\"in\"]\noutputs = [\"{out}/x\"]";
    step("gen", &format!("cat in > {{out}}/x; {script}"), keys)
}

/// What is said of a step that was seen to open its input for writing.
const ITS_OWN_DOING: &str =
    "`in`, an input of `#gen`, was rewritten while it ran: the step itself opened it for writing";

/// And where that cannot be seen.
const TWICE: &str =
    "`in`, an input of `#gen`, was rewritten while it ran, for the second time in a row";

/// Builds again and again; each time the build fails and says why, and what was mended then builds.
fn is_its_own_doing_at_once(script: &str) {
    let p = project(&reads_and(script));
    p.write("in", "A\n");
    for _ in 0..2 {
        let run = p.granular("build --message-format json").code(1);
        let message = format!("Failed #gen after [ELAPSED]: {ITS_OWN_DOING}");
        assert!(run.stderr().contains(&message), "{script}: {run}");
        assert!(run.stderr().contains("a step must not write what it reads"), "{script}: {run}");
        assert!(run.stdout().contains(r#""failure":{"kind":"inputs""#), "{script}: {run}");
        nothing_is_left_running(&p);
    }
    assert_eq!(p.ran(), ["gen"; 2]);
    p.manifest(&reads_and("true"));
    p.write("in", "A\n");
    assert_eq!(ends_well(&p), ["gen"], "no result of such a run is kept");
}

#[cfg(target_os = "linux")]
#[test]
fn a08_a_step_that_rewrites_its_own_input_in_place_fails_the_first_time() {
    is_its_own_doing_at_once("echo more >> in");
    is_its_own_doing_at_once("date +%N > in");
    is_its_own_doing_at_once("echo B > new; cp new in");
    is_its_own_doing_at_once("python3 -c 'import os; os.truncate(\"in\", 0)'");
    is_its_own_doing_at_once("ln in other; echo B > other; rm other");
    is_its_own_doing_at_once("python3 -c 'f = open(\"in\", \"r+\"); f.write(\"B\"); f.close()'");
}

#[cfg(target_os = "linux")]
#[test]
fn a08_whichever_process_of_the_step_rewrites_its_input_it_is_its_own_doing() {
    is_its_own_doing_at_once("(sh -c 'sleep 0.05; echo B > in' & wait)");
    is_its_own_doing_at_once("setsid -w sh -c 'sh -c \"echo B > in\"; true'");
    // One that has lost its parent, and is in a session of its own.
    let lost = "(setsid sh -c 'sleep 0.05; echo B > in; touch done' &); until test -e done; do sleep 0.01; done; rm done";
    is_its_own_doing_at_once(lost);
}

#[cfg(target_os = "linux")]
#[test]
fn a08_a_step_that_may_be_tried_again_and_the_command_of_an_exec_are_seen_as_well() {
    let p = project(&step(
        "gen",
        "test -e tried || { touch tried; echo B > in; exit 1; }",
        "inputs = [\"in\"]\noutputs = []\nretries = 1",
    ));
    p.write("in", "A\n");
    let run = p.granular("build").code(1);
    assert!(run.stderr().contains(ITS_OWN_DOING), "{run}");
    let exec = |script: &str| p.command("exec --input in -- sh -c").arg(script).run();
    let run = exec("echo more >> in").code(1);
    assert!(run.stderr().contains("itself opened it for writing"), "{run}");
    exec("cat in").success();
}

#[cfg(target_os = "linux")]
#[test]
fn a08_a_step_that_would_not_wait_to_write_its_input_is_told_why_it_could_not() {
    let script = "python3 -c 'import os; os.open(\"in\", os.O_WRONLY | os.O_NONBLOCK)'";
    let p = project(&reads_and(script));
    p.write("in", "A\n");
    let run = p.granular("build").code(1);
    assert!(run.stderr().contains("Failed #gen after [ELAPSED]: exit code 1"), "{run}");
    let message = "warning: somebody wanted to write `in` while `#gen` ran, without waiting, and was refused: \
                   if it was the step, it must not write what it reads";
    assert!(run.stderr().contains(message), "{run}");
    // Once refused, it is held no more.
    p.manifest(&reads_and(&format!("until {script}; do sleep 0.05; done")));
    let run = p.granular("build").success();
    assert!(!run.stderr().contains("warning"), "{run}");
    ends_well(&p);
}

/// Whether the process holds a lease on the file.
#[cfg(target_os = "linux")]
fn holds(process: u32, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let inode = format!(":{}", fs::metadata(path).unwrap().ino());
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        words[1..3] == ["LEASE", "ACTIVE"]
            && words[4] == process.to_string()
            && words[5].ends_with(&inode)
    })
}

#[cfg(target_os = "linux")]
#[test]
fn a08_who_edits_in_place_from_outside_does_not_wait_and_is_not_taken_for_the_step() {
    // The step writes other files all the time.
    let busy = format!(
        "{} while ! test -e end; do echo > {{out}}/y; done; rm {{out}}/y; cat in > {{out}}/x",
        GATE.replace("test -e go", "echo > busy; test -e go")
    );
    let p = project(&step("gen", &busy, "inputs = [\"in\", \"many/*\"]\noutputs = [\"{out}/x\"]"));
    p.write("in", "A\n").write("many/a", "A\n").write("many/b", "A\n");
    let run = p.command("build").run_while(|process| {
        wait_for(&p, "started");
        let files = ["in", "many/a", "many/b"].map(|file| p.path(file));
        assert!(files.iter().all(|file| holds(process, file)), "all of them are held");
        let began = Instant::now();
        for file in &files[..2] {
            fs::write(file, "B\n").unwrap();
            assert!(!holds(process, file));
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert!(holds(process, &files[2]), "nobody wanted that one");
        p.write("go", "").write("end", "");
    });
    let run = run.success();
    assert!(run.stderr().contains("warning: `in` (and 1 more) changed while `#gen` ran"), "{run}");
    assert_eq!(ends_well(&p), ["gen"]);
    assert_eq!(p.read_out("gen/x"), "B\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a08_of_two_steps_that_read_a_file_the_one_that_writes_it_fails() {
    let writer = "until test -e started; do sleep 0.01; done; echo B > in; touch go";
    let p =
        project(&[gated(""), step("writer", writer, "inputs = [\"in\"]\noutputs = []")].concat());
    p.write("in", "A\n");
    let run = p.granular("build -j2").code(1);
    warns_of(&run, "in", "#gen");
    assert!(run.stderr().contains(&ITS_OWN_DOING.replace("#gen", "#writer")), "{run}");
    p.manifest(&[gated(""), step("writer", "true", "inputs = []\noutputs = []")].concat());
    ends_well(&p);
}

#[cfg(target_os = "linux")]
#[test]
fn a08_two_builds_that_hold_one_file_let_it_go_together() {
    let p = project(&gated(""));
    p.write("in", "A\n");
    let other = p.checkout("other");
    fs::remove_file(other.path("in")).unwrap();
    fs::hard_link(p.path("in"), other.path("in")).unwrap();
    other.manifest(&step(
        "gen",
        &format!("{GATE} echo B > in; cat in > {{out}}/x"),
        "inputs = [\"in\"]\noutputs = [\"{out}/x\"]",
    ));
    let run = p.command("build").run_while(|process| {
        wait_for(&p, "started");
        let run = other.command("build").run_while(|second| {
            wait_for(&other, "started");
            assert!(holds(process, &p.path("in")) && holds(second, &p.path("in")));
            other.write("go", "");
        });
        let run = run.code(1);
        assert!(run.stderr().contains(ITS_OWN_DOING), "{run}");
        p.write("go", "");
    });
    warns_of(&run.success(), "in", "#gen");
    ends_well(&p);
}

#[test]
fn a08_an_input_that_is_opened_for_writing_and_left_as_it_is_is_no_mistake() {
    for script in ["exec 3<> in; exec 3>&-", ": >> in"] {
        let p = project(&reads_and(script));
        p.write("in", "A\n");
        let run = p.granular("build --strict").success();
        assert!(!run.stderr().contains("warning"), "{run}");
        assert_eq!(p.ran(), ["gen"]);
        assert!(ends_well(&p).is_empty());
    }
}

/// Builds twice; the second time the build fails and says why, and what was mended then builds.
fn is_its_own_doing_the_second_time(script: &str, build: impl Fn(&Project, &str) -> Run) {
    let p = project(&reads_and(script));
    p.write("in", "A\n");
    let other = p.checkout("other");
    warns_of(&build(&p, "build").success(), "in", "#gen");
    // And every time from now on.
    for _ in 0..2 {
        let run = build(&p, "build").code(1);
        let stderr = run.stderr();
        assert!(stderr.contains(TWICE), "{script}: {run}");
        assert!(stderr.contains("a step must not write what it reads"), "{script}: {run}");
    }
    assert_eq!(p.ran(), ["gen"; 3]);
    // Where nobody else edits, the first time is enough.
    let run = build(&other, "build --strict").code(1);
    assert!(run.stderr().contains("`in` changed while `#gen` ran"), "{script}: {run}");
    p.manifest(&reads_and("true"));
    p.write("in", "A\n");
    assert_eq!(ends_well(&p), ["gen"], "no result of such a run is kept");
}

#[test]
fn a08_a_step_that_replaces_its_own_input_fails_the_second_time() {
    is_its_own_doing_the_second_time("touch in", Project::granular);
    is_its_own_doing_the_second_time("cp in new; mv new in", Project::granular);
}

#[cfg(target_os = "linux")]
#[test]
fn a08_where_an_input_cannot_be_held_its_rewriting_is_told_the_second_time() {
    // Who may write into somebody else's file may not hold it.
    let Some(wrapper) = sandbox::without_leases_on_files_of_others() else { return };
    let build = |p: &Project, arguments: &str| {
        std::os::unix::fs::chown(p.path("in"), Some(1000), None).unwrap();
        p.command(arguments).inside(&wrapper).run()
    };
    is_its_own_doing_the_second_time("echo more >> in", build);
}

#[cfg(target_os = "linux")]
#[test]
fn a08_of_more_inputs_than_can_be_held_those_that_are_named_come_first() {
    let few = ["sh", "-c", "ulimit -n 100; exec \"$@\"", "sh"];
    let keys = "inputs = [\"many/*\", \"z/in\"]\noutputs = []";
    let p = project(&step("gen", "echo B > z/in", keys));
    p.write("z/in", "A\n");
    for number in 100..180 {
        p.write(&format!("many/f{number}"), "A\n");
    }
    let build = || p.command("build").inside(&few).run();
    let run = build().code(1);
    assert!(run.stderr().contains("the step itself opened it for writing"), "{run}");
    p.manifest(&step("gen", "echo B > many/f100; echo B > many/f179", keys));
    let run = build().code(1);
    assert!(run.stderr().contains("`many/f100`, an input of `#gen`, was rewritten"), "{run}");
    p.manifest(&step("gen", "echo B > many/f178", keys));
    warns_of(&build().success(), "many/f178", "#gen");
    p.manifest(&step("gen", "cat many/* z/in", keys));
    build().success();
    assert_eq!(p.ran(), ["gen"; 4]);
    ends_well(&p);
}

#[cfg(target_os = "linux")]
#[test]
fn a08_a_build_that_is_killed_holds_nothing_any_more() {
    let p = project(&gated(""));
    p.write("in", "A\n");
    let run = p.command("build").run_while(|process| {
        wait_for(&p, "started");
        assert!(holds(process, &p.path("in")));
        let killed = Command::new("kill").args(["-9", &process.to_string()]).status().unwrap();
        assert!(killed.success());
        let began = Instant::now();
        write(&p, "B\n");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        p.write("go", "");
    });
    assert!(!run.ended_with(0), "{run}");
    ends_well(&p);
}

#[test]
fn a08_a_step_that_changes_its_input_back_and_forth_fails_as_well() {
    // Whoever takes the file back each time sees the same change each time.
    let p = project(&reads_and("echo B > new; mv new in"));
    p.write("in", "A\n");
    p.granular("build").success();
    p.write("in", "A\n");
    p.granular("build").code(1);
    p.manifest(&reads_and("true"));
    ends_well(&p);
}

#[test]
fn a08_a_formatter_that_comes_to_rest_is_right_the_second_time() {
    let script = "grep -q formatted in || { cp in new; echo formatted >> new; mv new in; }";
    let p = project(&reads_and(script));
    p.write("in", "A\n");
    warns_of(&p.granular("build").success(), "in", "#gen");
    assert_eq!(ends_well(&p), ["gen"]);
    assert_eq!(p.read_out("gen/x"), "A\nformatted\n");
}

#[cfg(target_os = "linux")]
#[test]
fn a08_a_formatter_that_writes_in_place_fails_and_is_right_the_second_time() {
    let p = project(&reads_and("grep -q formatted in || echo formatted >> in"));
    p.write("in", "A\n");
    let run = p.granular("build").code(1);
    assert!(run.stderr().contains(ITS_OWN_DOING), "{run}");
    assert_eq!(ends_well(&p), ["gen"]);
    assert_eq!(p.read_out("gen/x"), "A\nformatted\n");
}

#[test]
fn a08_somebody_who_edits_during_two_runs_and_in_between_is_not_taken_for_the_step() {
    let p = project(&gated(""));
    p.write("in", "A\n");
    build_while(&p, "build", || write(&p, "B\n")).success();
    p.write("in", "C\n");
    let run = build_while(&p, "build", || write(&p, "D\n")).success();
    warns_of(&run, "in", "#gen");
    // Who does it twice in a row without a look at it in between is told what it looks like, and only has to build again.
    let run = build_while(&p, "build", || write(&p, "E\n")).code(1);
    assert!(run.stderr().contains("if you edited the file both times, build again"), "{run}");
    assert_eq!(ends_well(&p), ["gen"]);
    assert_eq!(p.read_out("gen/x"), "E\n");
}

/// Reads `in`, and then waits again before it ends.
const READS_BETWEEN: &str =
    "cat in > {out}/x; touch read; for i in $(seq 6000); do test -e end && break; sleep 0.01; done";

/// The step reads B of an input that is A before and after, and that looks just the same then.
fn there_and_back(to_b: impl FnOnce(&Project), to_a: impl FnOnce(&Project)) {
    let keys = "inputs = [\"in\"]\noutputs = [\"{out}/x\"]";
    let p = project(&step("gen", &format!("{GATE} {READS_BETWEEN}"), keys));
    p.write("in", "A\n");
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    let set_time =
        || File::options().append(true).open(p.path("in")).unwrap().set_modified(long_ago).unwrap();
    set_time();
    let looks = || {
        let metadata = fs::metadata(p.path("in")).unwrap();
        (metadata.len(), metadata.modified().unwrap(), p.read("in"))
    };
    let before = looks();
    let run = p.command("build").run_while(|_| {
        wait_for(&p, "started");
        to_b(&p);
        set_time();
        p.write("go", "");
        wait_for(&p, "read");
        to_a(&p);
        set_time();
        assert_eq!(looks(), before);
        p.write("end", "");
    });
    warns_of(&run.success(), "in", "#gen");
    assert_eq!(p.read_out("gen/x"), "B\n", "the step has read B");
    p.ran();
    another_checkout_runs_it_itself(&p, "other", "A\n");
    assert!(ends_well(&p).is_empty());
    assert_eq!(p.read_out("gen/x"), "A\n");
}

#[test]
fn a09_an_input_that_was_another_meanwhile_is_not_trusted() {
    there_and_back(|p| write(p, "B\n"), |p| write(p, "A\n"));
    there_and_back(
        |p| {
            fs::rename(p.path("in"), p.path("aside")).unwrap();
            p.write("in", "B\n");
        },
        |p| fs::rename(p.path("aside"), p.path("in")).unwrap(),
    );
    there_and_back(
        |p| {
            p.write("new", "B\n");
            fs::rename(p.path("new"), p.path("in")).unwrap();
        },
        |p| {
            p.write("new", "A\n");
            fs::rename(p.path("new"), p.path("in")).unwrap();
        },
    );
}

/// Whether the process has the file open.
fn has_open(process: u32, path: &Path) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    files.flatten().any(|file| fs::read_link(file.path()).is_ok_and(|open| open == path))
}

/// A build of a step with one large output, which is written to at the moment at which the program reads it, once or again and again. Says
/// whether that moment was met: whether the program still read it after the first time.
fn build_while_it_is_captured(p: &Project, again_and_again: bool) -> (Run, bool) {
    let path = p.path("target/granular/out/@workspace/gen/x");
    let write = |output: &mut File| {
        output.seek(SeekFrom::Start(1 << 20)).unwrap();
        output.write_all(&[0xff; 4096]).unwrap();
    };
    let mut met = false;
    let _ = fs::remove_file(p.path("left"));
    let run = p.command("build").run_while(|process| {
        // What stands there from an earlier run is read as well, before the step runs.
        wait_for(p, "left");
        while !has_open(process, &path) {
            if has_ended(process) {
                return;
            }
        }
        let mut output = File::options().write(true).open(&path).unwrap();
        write(&mut output);
        met = has_open(process, &path);
        while again_and_again && !has_ended(process) {
            write(&mut output);
        }
    });
    (run, met)
}

fn has_ended(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

/// Builds until the moment is met, each time with another input. Gives the build in which it was.
fn written_to_while_it_is_captured(p: &Project, again_and_again: bool) -> Run {
    for round in 0..50 {
        p.write("in", format!("{round}\n"));
        let (run, met) = build_while_it_is_captured(p, again_and_again);
        assert_eq!(p.ran(), ["gen"]);
        p.granular("verify").success();
        if met {
            return run;
        }
    }
    panic!("the moment never came");
}

/// A step with an output that takes a while to read.
fn large() -> Project {
    let p = project(&step(
        "gen",
        "{ cat in; head -c 64M /dev/zero; } > {out}/x; touch left",
        "inputs = [\"in\"]\noutputs = [\"{out}/x\"]",
    ));
    p.write("in", "");
    p
}

#[test]
fn a10_an_output_that_changes_while_it_is_captured_is_not_kept() {
    let p = large();
    for _ in 0..3 {
        let run = written_to_while_it_is_captured(&p, false).success();
        let message = "warning: the output `{out}/x` changed after `#gen` had left it";
        assert!(run.stderr().contains(message), "{run}");
    }
    let other = p.checkout("other");
    other.granular("build").success();
    assert_eq!(other.ran(), ["gen"], "there is nothing to restore");
    assert!(ends_well(&p).is_empty(), "what the other checkout has left");
}

#[test]
fn a10_an_output_that_never_comes_to_rest_is_told_and_nothing_is_kept() {
    let p = large();
    let run = written_to_while_it_is_captured(&p, true).code(3);
    let message = "something goes on changing `{out}/x` after the run has ended";
    assert!(run.stderr().contains(message), "{run}");
    assert_eq!(ends_well(&p), ["gen"]);
}
