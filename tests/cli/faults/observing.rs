//! What is told about a build, and what only looks (A65 and A66).

use super::{assert_same, ends_well, nothing_is_left_running, tree};
use crate::project::{Project, project, step};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

// A65: running again what is a hit.

/// `stamp` leaves another `when` each time it runs, and `pack` is made of what it leaves; the others always leave the same.
fn one_stamps_the_time() -> Project {
    let stamp = "mkdir -p gen; date +%s%N > gen/when; echo same > gen/name; echo stamped";
    let p = project(
        &[
            step("pure", "cat in > {out}/x", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]"),
            step("stamp", stamp, "inputs = [\"in\"]\noutputs = [\"gen\"]"),
            step(
                "pack",
                "cat gen/* {needs.pure.out}/x > {out}/all",
                "inputs = []\noutputs = [\"{out}/all\"]\nneeds = [\"pure\", \"stamp\"]",
            ),
            step("lint", "echo fine", "inputs = [\"in\"]\noutputs = []"),
        ]
        .concat(),
    );
    p.write("in", "A\n");
    p
}

/// The objects of the stream with that reason.
fn objects(stream: &str, reason: &str) -> Vec<Value> {
    let objects = stream.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    objects.filter(|object| object["reason"] == reason).collect()
}

#[test]
fn a65_verifying_reports_the_impure_step_alone_with_the_file_and_leaves_everything_as_it_was() {
    let p = one_stamps_the_time();
    p.granular("build").success();
    p.ran();
    let everything = || {
        // The history tells of each run, the stat index of each file that was written, and a memory of what Cargo said: none is anybody's work.
        let state = tree(&p.path("target/granular"), |path| {
            ["history-v1", "index-v1", "records-v1", "workspace-v2"]
                .iter()
                .any(|name| path.starts_with(name))
        });
        (tree(p.root(), |path| path.starts_with("target")), state, tree(&p.cache(), |_| false))
    };
    let before = everything();
    let run = p.granular("build --verify --message-format json").code(1);
    assert_eq!(p.ran(), ["lint", "pack", "pure", "stamp"], "each hit ran once more");
    assert_eq!(everything(), before);
    let verified = objects(&run.raw_stdout(), "granular-step-verified");
    let status: BTreeMap<_, _> = verified
        .iter()
        .map(|object| (object["step"].as_str().unwrap(), object["status"].as_str().unwrap()))
        .collect();
    let expected =
        [("#lint", "same"), ("#pack", "same"), ("#pure", "same"), ("#stamp", "different")];
    assert_eq!(status, expected.into(), "what is made of an impure step is not blamed");
    let stamp = verified.iter().find(|object| object["step"] == "#stamp").unwrap();
    let paths: Vec<_> =
        stamp["differences"].as_array().unwrap().iter().map(|found| &found["path"]).collect();
    assert_eq!(paths, ["gen/when"]);
    assert!(stamp["differences"][0]["how"].as_str().unwrap().contains("differs first at byte"));
    let last: Value = serde_json::from_str(run.raw_stdout().lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["reason"], &last["success"], &last["fresh"]),
        (&"build-finished".into(), &false.into(), &4.into())
    );
    let told = run.stderr();
    assert!(told.contains("     Differs #stamp: 1 output\n             gen/when differs"), "{run}");
    assert!(told.contains("error: 1 step did not leave the same again: #stamp"), "{run}");
    assert!(p.granular("build").success().stderr().contains("4 fresh"));
    assert!(p.ran().is_empty());
    p.granular("verify").success();
}

#[test]
fn a65_verifying_what_is_pure_succeeds_and_what_had_to_run_is_not_run_twice() {
    let p = project(
        &[
            step("a", "cat in > {out}/x", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]"),
            step("b", "cat other > {out}/x", "inputs = [\"other\"]\noutputs = [\"{out}/x\"]"),
            "[workspace.metadata.granular.steps.files]\ninputs = [\"in\"]\n".to_owned(),
        ]
        .concat(),
    );
    p.write("in", "1").write("other", "1");
    p.granular("build --verify").success();
    assert_eq!(p.ran(), ["a", "b"], "there was no hit");
    p.remove("target");
    p.write("other", "2");
    let run = p.granular("build --verify").success();
    assert_eq!(p.ran(), ["a", "b"], "the one was restored and run again, the other had to run");
    assert!(run.stderr().contains("    Verified #a: 1 output with 1 B"), "{run}");
    assert!(!run.stderr().contains("Verified #b"), "{run}");
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a65_a_hit_that_fails_when_it_runs_again_is_told_and_stays() {
    let p = project(&step(
        "gen",
        "mkdir gen; echo half > gen/x; test -e ok && cat in > gen/x",
        "inputs = [\"in\"]\noutputs = [\"gen\"]",
    ));
    p.write("in", "whole\n").write("ok", "");
    p.granular("build").success();
    p.remove("ok");
    let run = p.granular("build --verify").code(1);
    assert!(run.stderr().contains("Differs #gen: it failed when it was run again"), "{run}");
    assert_eq!(p.read("gen/x"), "whole\n");
    assert_eq!(p.ran(), ["gen", "gen"]);
    p.granular("build").success();
    assert!(p.ran().is_empty(), "the result that is kept is as good as before");
    p.write("ok", "");
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a65_a_verification_that_is_interrupted_or_killed_leaves_what_was_there() {
    let p = project(&step(
        "stamp",
        "mkdir -p gen; date +%s%N > gen/when; test -e hold && { touch started; sleep 300; }; echo done > gen/done",
        "inputs = []\noutputs = [\"gen\"]",
    ));
    p.granular("build").success();
    let before = tree(&p.path("gen"), |_| false);
    for (signal, code) in [("-INT", Some(130)), ("-KILL", None)] {
        p.write("hold", "");
        let mut build = p.command("build --verify").command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while !p.path("started").exists() {
            assert!(Instant::now() < deadline, "it does not run again");
            std::thread::sleep(Duration::from_millis(5));
        }
        let id = build.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert_eq!(build.wait().unwrap().code(), code);
        if signal == "-INT" {
            assert_same(&tree(&p.path("gen"), |_| false), &before);
        }
        p.remove("hold");
        p.remove("started");
        p.ran();
        p.granular("build").success();
        assert!(p.ran().is_empty(), "{signal}: what is kept is as good as before");
        assert_same(&tree(&p.path("gen"), |_| false), &before);
        nothing_is_left_running(&p);
    }
    p.granular("verify").success();
}

#[test]
fn a65_test_steps_are_verified_by_the_test_command() {
    let p = project(&step("flaky", "test -e ok", "inputs = []\noutputs = []\ntest = true"));
    p.write("ok", "");
    p.granular("test").success();
    p.granular("test --verify").success();
    p.remove("ok");
    p.granular("test --verify").code(1);
    assert_eq!(p.ran(), ["flaky", "flaky", "flaky"]);
}

// A66: the stream of events, and what only tells.

/// Three layers of steps, of which one fails if it reads `bad`.
fn layers() -> Project {
    let mut tables = String::new();
    for index in 0..12 {
        let needs: Vec<_> = (0..index % 4).map(|need| format!("s{need}")).collect();
        let needs = if index < 4 { Vec::new() } else { needs };
        let more = format!("inputs = [\"in\"]\noutputs = [\"{{out}}/x\"]\nneeds = {needs:?}");
        let script =
            format!("sleep 0.02; echo {index}; cat in > {{out}}/x; ! grep -q bad{index} in");
        tables += &step(&format!("s{index}"), &script, &more);
    }
    let p = project(&tables);
    p.write("in", "0");
    p
}

/// Holds a stream of events, of which the last line may be torn, against what it promises. Says whether it came to its end.
#[track_caller]
fn check_stream(bytes: &[u8]) -> bool {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let (mut started, mut ended) = (BTreeSet::new(), BTreeSet::new());
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut last = None;
    for line in whole.lines() {
        let object: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(last.is_none(), "behind the end: {line}");
        let action = object["action"].as_str().unwrap_or_default().to_owned();
        match object["reason"].as_str().unwrap() {
            "granular-step-started" => assert!(started.insert(action), "started twice: {line}"),
            "granular-step-finished" => {
                let status = object["status"].as_str().unwrap();
                if ["ran", "failed"].contains(&status) {
                    assert!(started.contains(&action), "ended before it started: {line}");
                }
                *counts.entry(status.to_owned()).or_default() += 1;
                assert!(ended.insert(action), "ended twice: {line}");
            }
            "build-finished" => last = Some(object),
            "granular-warning" => {}
            other => panic!("{other}"),
        }
    }
    let Some(last) = last else { return false };
    for status in ["fresh", "restored", "ran", "failed", "skipped"] {
        assert_eq!(
            last[status],
            counts.get(status).copied().unwrap_or_default(),
            "{status}\n{text}"
        );
    }
    assert!(started.is_subset(&ended), "started and never ended\n{text}");
    assert_eq!(ended.len(), 12, "{text}");
    true
}

/// A build whose stream goes to a file; it gets `signal` after that time.
fn streamed(p: &Project, after: Duration, signal: &str) -> Vec<u8> {
    let path = p.root().with_file_name("stream");
    let mut invocation = p.command("build -j4 --keep-going --message-format json");
    let stream = fs::File::create(&path).unwrap();
    invocation.command.stdout(stream).stderr(Stdio::null());
    let mut child = invocation.command.spawn().unwrap();
    std::thread::sleep(after);
    let id = child.id().to_string();
    // It may have ended by itself.
    let _ = Command::new("kill").args([signal, &id]).stderr(Stdio::null()).status().unwrap();
    child.wait().unwrap();
    fs::read(path).unwrap()
}

#[test]
fn a66_a_stream_is_valid_up_to_where_the_build_was_killed() {
    let p = layers();
    let whole = p.granular("build -j4 --message-format json").success();
    assert!(check_stream(whole.raw_stdout().as_bytes()));
    for round in 0..12 {
        p.write("in", format!("{round} bad{round}"));
        // Half of the rounds are over before something ran, in the midst of it, or about at the end.
        check_stream(&streamed(&p, Duration::from_millis(7 + 25 * round), "-KILL"));
    }
    p.write("in", "1");
    ends_well(&p);
}

#[test]
fn a66_a_stream_comes_to_its_end_when_the_build_is_interrupted() {
    let p = layers();
    for round in 0..4 {
        p.write("in", format!("{round}"));
        let stream = streamed(&p, Duration::from_millis(60 + 40 * round), "-INT");
        // A signal before it listens ends it at once: then there is nothing, not a part.
        assert!(stream.is_empty() || check_stream(&stream));
    }
    ends_well(&p);
}

#[test]
fn a66_a_stream_of_failures_and_skipped_steps_adds_up() {
    let p = layers();
    for round in 0..4 {
        p.write("in", format!("{round} bad{round}"));
        let run = p.granular("build -j4 --keep-going --message-format json").code(1);
        assert!(check_stream(run.raw_stdout().as_bytes()), "{run}");
        let run = p.granular("build -j4 --message-format json").code(1);
        assert!(check_stream(run.raw_stdout().as_bytes()), "{run}");
    }
    p.write("in", "1");
    ends_well(&p);
}

fn two() -> Project {
    let p = project(
        &[
            step(
                "lib",
                "cat lib.txt > {out}/lib",
                "inputs = [\"lib.txt\"]\noutputs = [\"{out}/lib\"]",
            ),
            step(
                "api",
                "cat api.txt > {out}/api",
                "inputs = [\"api.txt\"]\noutputs = [\"{out}/api\"]\nneeds = [\"lib\"]",
            ),
        ]
        .concat(),
    );
    p.write("lib.txt", "l\n").write("api.txt", "a\n");
    p
}

/// Everything at and below `top`: its metadata's times and mode, and the bytes of files.
fn below(top: &Path) -> BTreeMap<PathBuf, (Vec<i64>, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    let mut left = vec![top.to_owned()];
    while let Some(path) = left.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let times = vec![
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
            metadata.mode().into(),
        ];
        let bytes = if metadata.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        if metadata.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        seen.insert(path, (times, bytes));
    }
    seen
}

fn files(top: &Path) -> Vec<PathBuf> {
    below(top).into_keys().filter(|path| path.is_file()).collect()
}

/// What the commands that only tell something say, after a check that they changed nothing: neither in the cache nor in the workspace,
/// and that they ran nothing.
#[track_caller]
fn told_without_a_trace(p: &Project) -> String {
    let all = || (below(&p.cache()), below(p.root()));
    p.ran();
    let before = all();
    let mut told = String::new();
    for command in [
        "build -n",
        "build -n -v",
        "build -n --force --message-format json",
        "test -n",
        "explain api",
        "explain lib",
        "list",
        "graph",
        "stats",
        "clean -n",
        "gc -n",
    ] {
        told.push_str(&p.granular(command).success().to_string());
        assert_eq!(all(), before, "`{command}` left a trace");
    }
    assert!(p.ran().is_empty());
    told
}

#[test]
fn a66_where_nothing_was_built_nothing_is_made_by_what_only_tells() {
    let p = two();
    told_without_a_trace(&p);
    assert!(!p.cache().exists() && !p.path("target").exists());
}

#[test]
fn a66_what_is_fresh_is_told_without_a_trace() {
    let p = two();
    p.granular("build").success();
    assert!(told_without_a_trace(&p).contains("Fresh"));
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a66_results_that_were_last_used_two_days_ago_keep_their_times() {
    let p = two();
    p.granular("build").success();
    p.write("api.txt", "b\n").write("lib.txt", "m\n");
    p.granular("build").success();
    p.write("api.txt", "a\n").write("lib.txt", "l\n");
    let then = SystemTime::now() - Duration::from_secs(2 * 24 * 60 * 60);
    for file in files(&p.cache().join("v1")) {
        fs::File::open(file).unwrap().set_modified(then).unwrap();
    }
    assert!(told_without_a_trace(&p).contains("Would restore"));
    p.remove("target");
    assert!(told_without_a_trace(&p).contains("Would restore"));
    assert!(!p.path("target").exists());
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a66_a_damaged_result_is_left_where_it_is_until_a_build_meets_it() {
    let p = two();
    p.granular("build").success();
    p.remove("target");
    let results = files(&p.cache().join("v1/results"));
    for result in &results {
        fs::write(result, "damaged").unwrap();
    }
    assert!(told_without_a_trace(&p).contains("Would run"));
    assert_eq!(files(&p.cache().join("v1/results")), results);
    assert_eq!(ends_well(&p), ["api", "lib"]);
}

#[test]
fn a66_what_a_dry_run_says_is_what_the_build_then_does() {
    let p = two();
    p.granular("build").success();
    p.write("api.txt", "b\n").write("lib.txt", "# l\n");
    let told = p.granular("build -n --message-format json").success();
    let outlooks: Vec<_> = objects(&told.raw_stdout(), "granular-step-assessed")
        .iter()
        .map(|object| object["outlook"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(outlooks, ["run", "unknown"]);
    assert_eq!(ends_well(&p), ["api", "lib"]);
}
