//! What is shown: plain lines and JSON.

use crate::project::{Project, project, step};
use insta::assert_snapshot;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

fn three() -> Project {
    let p = project(
        &[
            step("models", "cat models.txt > /dev/null", "inputs = [\"models.txt\"]\noutputs = []"),
            step(
                "api",
                "cat api.txt > {out}/api",
                "inputs = [\"api.txt\"]\noutputs = [\"{out}/api\"]\nneeds = [\"models\"]",
            ),
            step(
                "worker",
                "cat worker.txt > {out}/worker",
                "inputs = [\"worker.txt\"]\noutputs = [\"{out}/worker\"]\nneeds = [\"models\", \"api\"]",
            ),
        ]
        .concat(),
    );
    p.write("models.txt", "m\n").write("api.txt", "a\n").write("worker.txt", "w\n");
    p
}

/// One fresh, one restored, one that runs.
fn mixed() -> Project {
    let p = three();
    p.granular("build").success();
    p.write("api.txt", "a2\n");
    p.granular("build").success();
    p.write("api.txt", "a\n").write("worker.txt", "w2\n");
    p
}

#[test]
fn a_first_build() {
    assert_snapshot!(three().granular("build -j1").success(), @"
    ---- stderr
             Ran #models in [ELAPSED]: it has not run here before
             Ran #api in [ELAPSED]: it has not run here before
             Ran #worker in [ELAPSED]: it has not run here before
        Finished 3 steps in [ELAPSED]: 3 ran
    ");
}

#[test]
fn nothing_changed() {
    let p = three();
    p.granular("build").success();
    assert_snapshot!(p.granular("build").success(), @"
    ---- stderr
        Finished 3 steps in [ELAPSED]: 3 fresh
    ");
}

#[test]
fn one_of_each() {
    assert_snapshot!(mixed().granular("build -j1").success(), @"
    ---- stderr
        Restored #api (2 B from local cache)
             Ran #worker in [ELAPSED]: worker.txt changed (and 1 more)
        Finished 3 steps in [ELAPSED]: 1 fresh, 1 restored, 1 ran
    ");
}

#[test]
fn one_of_each_verbosely() {
    assert_snapshot!(mixed().granular("build -j1 -v").success(), @"
    ---- stderr
           Fresh #models
        Restored #api (2 B from local cache)
                 api.txt changed
         Running #worker
             Ran #worker in [ELAPSED]: worker.txt changed
                 {out}/api of #api changed
        Finished 3 steps in [ELAPSED]: 1 fresh, 1 restored, 1 ran
    ");
}

#[test]
fn quiet_says_nothing_of_success() {
    assert_snapshot!(mixed().granular("build -q").success(), @"");
}

#[test]
fn the_json_stream() {
    assert_snapshot!(mixed().granular("build -j1 --message-format json").success(), @r##"
    {"reason":"granular-step-finished","step":"#models","action":"#models","status":"fresh","key":"[HASH]","duration_ms":0,"saved_ms":0,"source":null,"dirty":[],"log":null}
    {"reason":"granular-step-finished","step":"#api","action":"#api","status":"restored","key":"[HASH]","duration_ms":0,"saved_ms":0,"source":"local cache","dirty":[{"kind":"input-changed","path":"api.txt"}],"log":null,"bytes":2}
    {"reason":"granular-step-started","step":"#worker","action":"#worker"}
    {"reason":"granular-step-finished","step":"#worker","action":"#worker","status":"ran","key":"[HASH]","duration_ms":0,"saved_ms":0,"source":null,"dirty":[{"kind":"input-changed","path":"worker.txt"},{"kind":"need-changed","path":"{out}/api","need":"#api"}],"log":null}
    {"reason":"build-finished","success":true,"fresh":1,"restored":1,"ran":1,"failed":0,"skipped":0,"duration_ms":0,"saved_ms":0,"interrupted":false}
    ---- stderr
        Restored #api (2 B from local cache)
             Ran #worker in [ELAPSED]: worker.txt changed (and 1 more)
        Finished 3 steps in [ELAPSED]: 1 fresh, 1 restored, 1 ran
    "##);
}

#[test]
fn the_json_stream_of_a_failure() {
    let p = project(
        &[
            step("bad", "echo no; exit 7", "inputs = []\noutputs = []"),
            step("behind", "true", "inputs = []\noutputs = []\nneeds = [\"bad\"]"),
        ]
        .concat(),
    );
    assert_snapshot!(p.granular("build --message-format json").code(1), @r##"
    {"reason":"granular-step-started","step":"#bad","action":"#bad"}
    {"reason":"granular-step-finished","step":"#bad","action":"#bad","status":"failed","key":"[HASH]","duration_ms":0,"saved_ms":0,"source":null,"dirty":[{"kind":"never-ran"}],"log":"[ROOT]/workspace/target/granular/logs/#bad.log","failure":{"kind":"command","message":"exit code 7","repeat":"cd [ROOT]/workspace && sh -c 'echo bad >> \"$LOG\"; echo no; exit 7'","exit_code":7}}
    {"reason":"granular-step-finished","step":"#behind","action":"#behind","status":"skipped","key":null,"duration_ms":0,"saved_ms":0,"source":null,"dirty":[],"log":null,"skip":{"kind":"need","action":"#bad"}}
    {"reason":"build-finished","success":false,"fresh":0,"restored":0,"ran":0,"failed":1,"skipped":1,"duration_ms":0,"saved_ms":0,"interrupted":false}
    ---- stderr
          Failed #bad after [ELAPSED]: exit code 7

    no

      ended by: exit code 7
      log:      [ROOT]/workspace/target/granular/logs/#bad.log
      repeat:   cd [ROOT]/workspace && sh -c 'echo bad >> "$LOG"; echo no; exit 7'

    error: 1 step failed: #bad (1 skipped)
    [exit code: 1]
    "##);
}

#[test]
fn stats_count_what_happened() {
    let p = project(
        &[
            step("quick", "sleep 0.1", "inputs = [\"in.txt\"]\noutputs = []"),
            step("slow", "sleep 0.3", "inputs = [\"in.txt\"]\noutputs = []"),
        ]
        .concat(),
    );
    for text in ["1", "2", "1"] {
        p.write("in.txt", text);
        p.granular("build -j1").success();
    }
    p.granular("build").success();
    // The widths of the columns depend on the times in them.
    let spaces = regex::Regex::new(" +").unwrap();
    assert_snapshot!(spaces.replace_all(&p.granular("stats").success().to_string(), " "), @"
    3 builds with something to do: 33.3% of the steps did not have to run
    0 fresh, 2 restored, 4 ran, 0 failed

    STEP MEDIAN RUN RAN RESTORED FAILED SAVED
    #slow [ELAPSED] 2 1 0 [ELAPSED]
    #quick [ELAPSED] 2 1 0 [ELAPSED]

    TIMES REASON
    4 in.txt changed
    2 it has not run here before
    ");
}

#[test]
fn what_was_saved_is_the_time_of_the_run_less_that_of_the_restore() {
    let p = project(&step("slow", "sleep 0.3", "inputs = [\"in.txt\"]\noutputs = []"));
    for text in ["1", "2", "1"] {
        p.write("in.txt", text);
        p.granular("build").success();
    }
    p.write("in.txt", "2");
    let run = p.granular("build --message-format json").success();
    let finished = run.raw_stdout().lines().next().unwrap().to_owned();
    let saved = regex::Regex::new(r#""duration_ms":(\d+),"saved_ms":(\d+)"#).unwrap();
    let saved = saved.captures(&finished).unwrap();
    let (took, saved): (u64, u64) = (saved[1].parse().unwrap(), saved[2].parse().unwrap());
    assert!((250..600).contains(&(took + saved)), "{finished}");
}

#[test]
fn what_a_terminal_echoes_of_an_interrupt_does_not_disturb_the_display() {
    let p = project(&step("hang", "sleep 4713", "inputs = []\noutputs = []"));
    let mut command = p.command("build").in_terminal().command;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut shown = Vec::new();
    let mut screen = child.stdout.take().unwrap();
    let mut keys = child.stdin.take().unwrap();
    let mut read_until = |end: &str| {
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&shown).contains(end) {
            let length = screen.read(&mut buffer).unwrap();
            assert_ne!(length, 0, "{:?}", String::from_utf8_lossy(&shown));
            shown.extend_from_slice(&buffer[..length]);
        }
        String::from_utf8_lossy(&shown).into_owned()
    };
    read_until("\r"); // It is drawn.
    keys.write_all(b"\x03").unwrap();
    let shown = read_until("interrupted");
    let before = &shown[..shown.find("^C").unwrap()];
    assert!(before.ends_with('\r'), "{before:?}");
    child.wait().unwrap();
}
