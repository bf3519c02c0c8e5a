//! Crashes, full disks and rotten bits (A21 to A27).

mod damage;
mod sweep;

use super::{
    Tree, assert_same, clean_build, ends_well, nothing_is_left_running, outcome, processes, tree,
};
use crate::project::{Project, Run, project, step};
use crate::sandbox::{Mounts, could_not_run};
use damage::{Chance, Lost, files, flip, lose};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use sweep::{Gate, Sweep, is_full, of_gen, says_fresh, wait_at_gate};

/// Steps with outputs of every kind, whose number and names depend on the word in `in`. The first step holds what it needs back until its
/// gate is open, and runs again for every `NUMBER`; the second makes everything and then has a gate of its own; the third is a check.
fn all_kinds() -> Project {
    let script = r#"read word < in; mkdir -p {out}/d gen/deep gen/empty gen/$word; i=0;
        while [ $i -lt 20 ]; do echo "$word $i" > {out}/d/$i; i=$((i+1)); done;
        echo $word > gen/deep/copy; ln -s deep/copy gen/link; echo $word > gen/tool; chmod +x gen/tool; : > gen/$word/only; : > {out}/$word;
        head -c 200000 /dev/zero | tr '\0' ${word%"${word#?}"} > {out}/large; echo made;"#;
    let p = project(
        &[
            step(
                "first",
                &wait_at_gate("first"),
                "track-env = [\"NUMBER\"]\ninputs = [\"Cargo.toml\"]\noutputs = []",
            ),
            step(
                "gen",
                &format!("{script} {}", wait_at_gate("gen")),
                "inputs = [\"in\"]\noutputs = [\"gen\", \"{out}\"]\nneeds = [\"first\"]",
            ),
            step("check", "cat in", "inputs = [\"in\"]\noutputs = []\nneeds = [\"gen\"]"),
        ]
        .concat(),
    );
    p.write("in", "one\n");
    p
}

/// A copy of a directory in the place of whatever stands at `to`.
fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[test]
fn a21_a_build_that_is_killed_at_any_call_while_it_stores_is_put_right_by_the_next() {
    let p = all_kinds();
    let prepare = || {
        for path in [p.path("target"), p.path("gen"), p.cache()] {
            let _ = fs::remove_dir_all(path);
        }
    };
    let clean = clean_build(&p);
    Sweep { p: &p, name: "a21", clean, prepare: &prepare, gate: "gen", displaces: true }.run(36, 8);
}

#[test]
fn a22_a_build_that_is_killed_at_any_call_while_it_restores_is_put_right_by_the_next() {
    let p = all_kinds();
    for word in ["two\n", "one\n"] {
        p.write("in", word);
        p.granular("build").success();
    }
    p.remove("gen/deep/copy");
    p.remove("target/granular/out/@workspace/gen/d/7");
    p.write("in", "two\n");
    let (target, gen_dir) = (p.root().with_file_name("target"), p.root().with_file_name("gen"));
    copy(&p.path("target"), &target);
    copy(&p.path("gen"), &gen_dir);
    let prepare = || {
        copy(&target, &p.path("target"));
        copy(&gen_dir, &p.path("gen"));
    };
    let clean = clean_build(&p);
    p.ran();
    Sweep { p: &p, name: "a22", clean, prepare: &prepare, gate: "first", displaces: false }
        .run(36, 8);
    assert!(p.ran().iter().all(|step| step != "gen"), "what is restored does not run");
}

/// Nothing is called fresh that is not right, neither before nor in a build, and after the build all is as after a clean one.
fn is_put_right(p: &Project, clean: &Tree, what: &str) -> Run {
    let is_right = of_gen(&outcome(p)) == of_gen(clean);
    let foretold = p.granular("build --dry-run --message-format json").success().raw_stdout();
    assert!(is_right || !says_fresh(&foretold, "outlook"), "{what}\n{foretold}");
    let built = p.granular("build --message-format json").success();
    assert!(is_right || !says_fresh(&built.raw_stdout(), "status"), "{what}\n{built}");
    eprintln!("{what}\n{built}");
    assert_same(&outcome(p), clean);
    built
}

/// The files that the disk may not have had yet after a build: those of the cache and of the state, outputs left out.
fn unsynced(p: &Project) -> Vec<PathBuf> {
    let state = p.path("target/granular");
    let out = state.join("out");
    let of_state = files(&state).into_iter().filter(|file| !file.starts_with(&out));
    files(&p.cache()).into_iter().chain(of_state).collect()
}

#[test]
fn a22_a_restore_into_another_file_system_that_is_killed_leaves_nothing_strange_there() {
    let script = "mkdir -p gen/d; for n in a b c; do cat in > gen/d/$n; done; chmod +x gen/d/a; ln -s d/a gen/link";
    let p = project(&step("gen", script, "inputs = [\"in\"]\noutputs = [\"gen\"]"));
    p.write("in", "A".repeat(200_000));
    let other = Path::new("/dev/shm").join(p.root().parent().unwrap().file_name().unwrap());
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev());
    if !device(Path::new("/dev/shm")).is_ok_and(|other| other != device(p.root()).unwrap()) {
        return could_not_run("there is no other file system at /dev/shm");
    }
    let _other = Scratch(other.clone());
    let build = || p.command("build").env("CARGO_TARGET_DIR", other.to_str().unwrap());
    let here = || tree(p.root(), |path| path.starts_with("target"));
    build().run().success();
    let clean = here();
    p.ran();
    let mut killed = 0;
    for call in ["?unlink", "?unlinkat", "?linkat", "?symlinkat", "?fchmod", "?renameat"] {
        for number in 1.. {
            p.remove("gen");
            p.write("gen/d/b", "not ours");
            let inject = format!("inject={call}:signal=KILL:when={number}");
            let strace = ["strace", "-f", "-qq", "-b", "execve", "-o", "/dev/null", "-e", &inject];
            let run = build().inside(&strace).command.output().unwrap();
            let at = format!("{call} {number}: {}", String::from_utf8_lossy(&run.stderr));
            let strange: Vec<_> =
                here().into_keys().filter(|path| !clean.contains_key(path)).collect();
            assert!(strange.is_empty(), "{at}: {strange:?}");
            build().run().success();
            assert_same(&here(), &clean);
            if run.status.success() {
                break;
            }
            assert_eq!(run.status.signal(), Some(9), "{at}");
            killed += 1;
        }
    }
    assert!(killed > 6, "{killed}");
    assert!(p.ran().is_empty(), "what is restored does not run");
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a21_a_build_that_is_killed_while_it_only_notes_what_it_has_read_leaves_no_draft() {
    let p = project(&step("gen", "cat in > {out}/x", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]"));
    p.write("in", "A");
    p.granular("build").success();
    let mut killed = 0;
    for call in ["rename", "write"] {
        for number in 1.. {
            p.write("in", "A");
            std::thread::sleep(std::time::Duration::from_millis(30)); // younger files are not noted
            let inject = format!("inject={call}:signal=KILL:when={number}");
            let strace = ["strace", "-f", "-qq", "-b", "execve", "-o", "/dev/null", "-e", &inject];
            let run = p.command("build").inside(&strace).command.output().unwrap();
            if run.status.success() {
                break;
            }
            assert_eq!(run.status.signal(), Some(9), "{call} {number}");
            killed += 1;
        }
    }
    assert!(killed > 2, "{killed}");
    p.write("in", "A");
    std::thread::sleep(std::time::Duration::from_millis(30));
    assert_eq!(ends_well(&p), [""; 0], "it is fresh all the time");
    let left = sweep::names(&p.path("target/granular"));
    assert!(left.iter().all(|name| !name.contains("new") && !name.starts_with('.')), "{left:?}");
}

/// A directory outside of the project, removed when it is no longer needed.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether a file is among those whose writes are lost.
type IsLost = Box<dyn Fn(&Path, &mut Chance) -> bool>;

#[test]
fn a21_writes_that_a_power_failure_has_lost_cost_time_only() {
    let p = all_kinds();
    let clean = clean_build(&p);
    let (cache, state) = (p.cache().join("v1"), p.path("target/granular"));
    let below = |dirs: Vec<PathBuf>| {
        move |file: &Path, _: &mut Chance| dirs.iter().any(|dir| file.starts_with(dir))
    };
    let mut groups: Vec<(String, IsLost)> = Vec::new();
    for name in ["results", "blobs"] {
        groups.push((name.to_owned(), Box::new(below(vec![cache.join(name)]))));
    }
    for name in ["records-v1", "index-v1", "history-v1", "lock", "fingerprints", "logs"] {
        groups.push((name.to_owned(), Box::new(below(vec![state.join(name)]))));
    }
    // The small ones in one go, where time is short.
    if !is_full() {
        groups.truncate(4);
    }
    groups.push(("the cache".to_owned(), Box::new(below(vec![cache.clone()]))));
    groups.push(("the state".to_owned(), Box::new(below(vec![state.clone()]))));
    groups.push(("both".to_owned(), Box::new(below(vec![cache, state]))));
    for number in 0..if is_full() { 100 } else { 2 } {
        groups.push((format!("some {number}"), Box::new(|_, chance| chance.below(3) == 0)));
    }
    let mut chance = Chance(21);
    for (name, is_lost) in &groups {
        for lost in [Lost::Everything, Lost::Bytes, Lost::Tail] {
            for path in [p.path("target"), p.path("gen"), p.cache()] {
                let _ = fs::remove_dir_all(path);
            }
            p.granular("build").success();
            let files = unsynced(&p);
            let files: Vec<_> = files.iter().filter(|file| is_lost(file, &mut chance)).collect();
            assert!(!files.is_empty(), "{name}");
            files.iter().for_each(|file| lose(file, lost, &mut chance));
            let what = format!("lost {lost:?} of {name}: {files:?}");
            is_put_right(&p, &clean, &what);
            // What has not been asked for until now is asked for when nothing is left of the checkout's own, and then all is sound again.
            p.remove("target");
            p.remove("gen");
            p.granular("build").success();
            assert_same(&outcome(&p), &clean);
            p.granular("verify").success();
        }
    }
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a23_what_a_step_had_half_written_when_its_build_was_killed_is_never_taken_for_its_output() {
    let script = format!(
        "printf half > {{out}}/x; printf half > y; {}; printf whole > {{out}}/x; printf whole > y",
        wait_at_gate("gen")
    );
    for victims in ["the program", "its process group", "everything"] {
        let p = project(&step("gen", &script, "inputs = []\noutputs = [\"{out}/x\", \"y\"]"));
        let gate = Gate::close(&p, "gen");
        let mut build = p.command("build").command.process_group(0).spawn().unwrap();
        gate.wait_until_reached();
        let kill = |whom: &[String]| {
            // Of many some may be gone before it is their turn.
            let _ = Command::new("kill").args(["-KILL", "--"]).args(whom).status().unwrap();
        };
        match victims {
            "the program" => build.kill().unwrap(),
            "its process group" => kill(&[format!("-{}", build.id())]),
            _ => kill(&processes(&p).iter().map(u32::to_string).collect::<Vec<_>>()),
        }
        build.wait().unwrap();
        assert_eq!((p.read_out("gen/x"), p.read("y")), ("half".to_owned(), "half".to_owned()));
        let foretold = p.granular("build --dry-run --message-format json").success().raw_stdout();
        assert!(!says_fresh(&foretold, "outlook"), "{foretold}");
        assert_eq!(p.ran(), ["gen"]);
        // The gate is still closed for the step that was left: the next build has to end it, or it would write into that one's outputs.
        assert_eq!(ends_well(&p), ["gen"], "{victims}");
        gate.open();
        nothing_is_left_running(&p);
        assert_eq!((p.read_out("gen/x"), p.read("y")), ("whole".to_owned(), "whole".to_owned()));
        assert!(ends_well(&p).is_empty());
    }
}

/// A step with one output of eight megabytes in `dir`.
fn large(dir: &str) -> Project {
    let script = format!("head -c 8000000 /dev/zero | tr '\\0' x > {dir}/large");
    let p =
        project(&step("gen", &script, &format!("inputs = [\"in\"]\noutputs = [\"{dir}/large\"]")));
    p.write("in", "");
    p
}

#[test]
fn a24_a_cache_that_is_full_costs_a_warning_and_keeps_nothing_by_halves() {
    let p = large("{out}");
    fs::create_dir_all(p.cache()).unwrap();
    let Some(disk) = Mounts::with_tmpfs(&p.cache(), "4m") else { return };
    let granular =
        |arguments: &str| p.command(arguments).inside(&disk.wrapper(p.root())).run().success();
    let run = granular("build");
    let warnings: Vec<_> = run
        .raw_stderr()
        .lines()
        .filter(|line| line.starts_with("warning"))
        .map(str::to_owned)
        .collect();
    assert_eq!(warnings.len(), 1, "{run}");
    assert!(warnings[0].contains(p.cache().to_str().unwrap()), "{run}");
    assert_eq!(p.read_out("gen/large").len(), 8_000_000);
    granular("verify");
    let kept = files(&disk.path(&p.cache().join("v1")));
    let is_whole = |file: &PathBuf| file.ends_with("CACHEDIR.TAG") || file.ends_with("usage");
    assert!(kept.iter().all(is_whole), "{kept:?}");
    granular("build");
    assert_eq!(p.ran(), ["gen"], "fresh, though nothing is kept");
    disk.resize(&p.cache(), "64m");
    for runs in [1, 0] {
        p.remove("target");
        granular("build");
        assert_eq!(p.ran().len(), runs);
        assert_eq!(p.read_out("gen/large").len(), 8_000_000);
        granular("verify");
    }
    drop(disk);
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a24_a_workspace_without_room_is_an_error_that_names_the_place_and_nothing_is_called_fresh() {
    // What is full: the target directory, or a directory of outputs in the tree. And whether there is something to restore.
    for (full, dir) in [("target", "{out}"), ("dist", "dist")] {
        for is_kept in [true, false] {
            let p = large(dir);
            if is_kept {
                p.granular("build").success();
                assert_eq!(p.ran(), ["gen"]);
                p.remove("target");
            }
            let _ = fs::remove_dir_all(p.path(full));
            fs::create_dir(p.path(full)).unwrap();
            let Some(disk) = Mounts::with_tmpfs(&p.path(full), "4m") else { return };
            let granular =
                |arguments: &str| p.command(arguments).inside(&disk.wrapper(p.root())).run();
            let run = granular("build");
            // A step that finds no room and can say so has failed; where we find none, the environment is at fault.
            let is_ours = is_kept || full == "target";
            let run = run.code(if is_ours { 3 } else { 1 });
            let told = run.raw_stderr();
            assert!(told.contains("No space left"), "{run}");
            assert!(!is_ours || told.contains(p.path(full).to_str().unwrap()), "{run}");
            let foretold = granular("build --dry-run --message-format json").success().raw_stdout();
            assert!(!says_fresh(&foretold, "outlook"), "{foretold}");
            granular("verify").success();
            disk.resize(&p.path(full), "64m");
            granular("build").success();
            let made = match dir {
                "dist" => p.path("dist/large"),
                _ => p.path("target/granular/out/@workspace/gen/large"),
            };
            assert_eq!(fs::read(disk.path(&made)).unwrap(), vec![b'x'; 8_000_000]);
            assert_eq!(p.ran().len(), if is_kept { 0 } else { 2 });
            assert_eq!(files(&disk.path(&p.path("dist"))).len(), usize::from(dir == "dist"));
            drop(disk);
            assert!(ends_well(&p).is_empty());
        }
    }
}

#[test]
fn a24_a_state_that_cannot_be_written_is_an_error_that_names_it() {
    let p = project(
        &[
            step("gen", "cat in > {out}/x", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]"),
            step(
                "other",
                "cat in; cat in > {out}/x",
                "inputs = [\"in\"]\noutputs = [\"{out}/x\"]\ndefault = false",
            ),
        ]
        .concat(),
    );
    p.write("in", "A");
    fs::create_dir(p.path("target")).unwrap();
    let Some(disk) = Mounts::with_tmpfs(&p.path("target"), "1m") else { return };
    let granular = |arguments: &str| p.command(arguments).inside(&disk.wrapper(p.root())).run();
    granular("build").success();
    let filler = disk.path(&p.path("target/filler"));
    let _ = fs::write(&filler, vec![0; 2_000_000]);
    granular("build").success();
    assert_eq!(p.ran(), ["gen"], "what is fresh needs no room");
    let run = granular("build other").code(3);
    assert!(run.raw_stderr().contains(p.path("target").to_str().unwrap()), "{run}");
    let foretold = granular("build --dry-run other --message-format json").success().raw_stdout();
    assert!(!foretold.contains("\"outlook\":\"fresh\""), "{foretold}");
    p.ran();
    fs::remove_file(filler).unwrap();
    granular("build other").success();
    assert_eq!(p.ran(), ["other"]);
    let made = disk.path(&p.path("target/granular/out/@workspace/other/x"));
    assert_eq!(fs::read_to_string(made).unwrap(), "A");
    drop(disk);
    ends_well(&p);
}

/// So many steps with a small and a large output each, no two alike.
fn many(count: usize) -> Project {
    let table = |number: usize| {
        step(
            &format!("s{number}"),
            &format!(
                "echo {number} > {{out}}/small; head -c 140000 /dev/zero | tr '\\0' {} > {{out}}/large; echo {number} >> {{out}}/large",
                number % 10
            ),
            "inputs = []\noutputs = [\"{out}\"]",
        )
    };
    project(&(0..count).map(table).collect::<String>())
}

/// The results and blobs of a cache.
fn objects(p: &Project) -> Vec<PathBuf> {
    let dir = p.cache().join("v1");
    [files(&dir.join("results")), files(&dir.join("blobs"))].concat()
}

/// Which steps have a result that is one of `objects` or names one, by what the results say.
fn affected(p: &Project, built: &Run, objects: &[PathBuf]) -> BTreeSet<String> {
    let names: BTreeSet<_> =
        objects.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    let text = |key: &str| {
        fs::read_to_string(p.cache().join("v1/results").join(&key[..2]).join(key)).unwrap()
    };
    let finished = built.raw_stdout();
    let steps =
        finished.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let steps = steps.filter(|line| line["reason"] == "granular-step-finished");
    steps
        .filter(|line| {
            let key = line["key"].as_str().unwrap();
            names.contains(key) || names.iter().any(|name| text(key).contains(name))
        })
        .map(|line| line["step"].as_str().unwrap().trim_start_matches('#').to_owned())
        .collect()
}

#[test]
fn a25_a_bit_that_rots_anywhere_is_found_named_and_healed_and_never_restored() {
    let p = many(30);
    let clean = clean_build(&p);
    let mut built = p.granular("build --message-format json").success();
    let mut chance = Chance(25);
    let (rounds, flips) = (if is_full() { 100 } else { 10 }, 20);
    for round in 0..rounds {
        for name in ["index-v1", "records-v1", "history-v1", "fingerprints/#s7"] {
            flip(&p.path("target/granular").join(name), &mut chance);
        }
        p.granular("build").success();
        assert_same(&outcome(&p), &clean);
        assert!(
            p.ran().len() <= if round == 0 { 30 } else { 0 },
            "outputs and results are as they were"
        );

        let rotten = chance.some(&objects(&p), flips);
        let affected = affected(&p, &built, &rotten);
        rotten.iter().for_each(|file| flip(file, &mut chance));
        flip(&p.cache().join("v1/usage"), &mut chance);
        let verified = p.granular("verify --message-format json").code(1);
        let named: BTreeSet<_> = verified
            .raw_stdout()
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|line| line["reason"] == "granular-damage")
            .map(|line| PathBuf::from(line["path"].as_str().unwrap()))
            .collect();
        assert_eq!(named, rotten.iter().cloned().collect(), "round {round}: {verified}");

        p.remove("target/granular/out");
        built = p.granular("build --message-format json").success();
        assert_eq!(
            p.ran().into_iter().collect::<BTreeSet<_>>(),
            affected,
            "round {round}: {built}"
        );
        assert_same(&outcome(&p), &clean);
        let told = built.raw_stderr();
        let warnings = told.lines().filter(|line| line.contains("is damaged")).count();
        assert_eq!(warnings, affected.len(), "{built}");
        let is_named = |line: &str| {
            rotten.iter().any(|file| line.contains(file.file_name().unwrap().to_str().unwrap()))
        };
        assert!(told.lines().filter(|line| line.contains("is damaged")).all(is_named), "{built}");
        p.granular("verify").success();
        p.remove("target/granular/out");
        p.granular("build").success();
        assert!(p.ran().is_empty(), "round {round}: healed");
    }
    assert!(ends_well(&p).is_empty());
}

/// Puts something in the place of an object.
type Misplace<'a> = Box<dyn Fn(&Path) + 'a>;

#[test]
fn a26_a_sound_object_in_the_place_of_another_is_a_miss() {
    let p = many(12);
    let clean = clean_build(&p);
    p.granular("build").success();
    assert_eq!(p.ran().len(), 12);
    let (results, blobs) =
        (files(&p.cache().join("v1/results")), files(&p.cache().join("v1/blobs")));
    let same_length = |of: &Path| {
        let length = |file: &Path| fs::metadata(file).unwrap().len();
        blobs.iter().find(|file| *file != of && length(file) == length(of)).unwrap().clone()
    };
    let cut = |lines: usize| {
        let text = fs::read_to_string(&results[2]).unwrap();
        let kept: String = text.split_inclusive('\n').take(lines).collect();
        move |to: &Path| fs::write(to, &kept).unwrap()
    };
    let lines = fs::read_to_string(&results[2]).unwrap().lines().count();
    let mut faults: Vec<(String, PathBuf, Misplace)> = vec![
        (
            "a result".to_owned(),
            results[1].clone(),
            Box::new(|to| {
                fs::copy(&results[0], to).unwrap();
            }),
        ),
        (
            "a blob".to_owned(),
            blobs[1].clone(),
            Box::new(|to| {
                fs::copy(same_length(to), to).unwrap();
            }),
        ),
        (
            "a blob that moved".to_owned(),
            blobs[2].clone(),
            Box::new(|to| fs::rename(same_length(to), to).unwrap()),
        ),
        (
            "a blob of another length".to_owned(),
            blobs[3].clone(),
            Box::new(|to| {
                fs::copy(&results[0], to).unwrap();
            }),
        ),
        (
            "a result as a blob's".to_owned(),
            blobs[4].clone(),
            Box::new(|to| {
                fs::copy(&results[3], to).unwrap();
            }),
        ),
    ];
    for count in 0..lines {
        faults.push((format!("the first {count} lines"), results[2].clone(), Box::new(cut(count))));
    }
    for (name, to, act) in faults {
        act(&to);
        p.granular("verify").code(1);
        p.remove("target");
        p.granular("build").success();
        let most = if name.contains("moved") { 2 } else { 1 };
        let ran = p.ran().len();
        assert!(ran == most, "{name}: {ran}");
        assert_same(&outcome(&p), &clean);
        p.granular("verify").success();
    }
    p.remove("target");
    assert!(ends_well(&p).is_empty());
}

/// Takes away something of a cache.
type Lose<'a> = &'a dyn Fn(&mut Chance);

#[test]
fn a27_a_cache_that_vanishes_as_a_whole_or_by_half_is_never_a_hit_that_restores_nothing() {
    let p = many(12);
    let clean = clean_build(&p);
    p.granular("build").success();
    let mut chance = Chance(27);
    let cache = p.cache().join("v1");
    let some = |dir: &Path, chance: &mut Chance| {
        let all = files(dir);
        chance.some(&all, all.len() / 2).iter().for_each(|file| fs::remove_file(file).unwrap());
    };
    let losses: [(&str, Lose); 5] = [
        ("all of it", &|_| drop(fs::remove_dir_all(p.cache()))),
        ("half of it", &|chance| some(&p.cache(), chance)),
        ("the blobs", &|_| drop(fs::remove_dir_all(cache.join("blobs")))),
        ("the results", &|_| drop(fs::remove_dir_all(cache.join("results")))),
        ("half of the blobs", &|chance| some(&cache.join("blobs"), chance)),
    ];
    for (name, lose) in losses {
        for is_fresh in [true, false] {
            lose(&mut chance);
            if !is_fresh {
                p.remove("target");
            }
            p.ran();
            let built = p.granular("build --message-format json").success();
            assert_same(&outcome(&p), &clean);
            let told = built.raw_stdout();
            let count = |status: &str| {
                told.lines()
                    .filter(|line| line.contains(&format!("\"status\":\"{status}\"")))
                    .count()
            };
            assert_eq!(p.ran().len(), count("ran"), "{name}: {built}");
            assert_eq!(count("fresh"), if is_fresh { 12 } else { 0 }, "{name}: {built}");
            assert_eq!(count("ran") + count("restored") + count("fresh"), 12, "{name}: {built}");
            if name == "all of it" || name == "the blobs" || name == "the results" {
                assert_eq!(count("restored"), 0, "{name}: {built}");
            }
        }
        p.remove("target");
        p.granular("build").success();
        p.granular("verify").success();
    }
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a27_a_cache_that_is_taken_away_again_and_again_while_a_build_goes_on_fails_nothing() {
    let p = many(12);
    let clean = clean_build(&p);
    let done = AtomicBool::new(false);
    let (cache, is_done) = (p.cache(), &done);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while !is_done.load(Ordering::Relaxed) {
                let _ = fs::remove_dir_all(&cache);
            }
        });
        let build = || {
            let built = p.granular("build --message-format json").success();
            assert_same(&outcome(&p), &clean);
            let told = built.raw_stdout();
            let ran = told.lines().filter(|line| line.contains("\"status\":\"ran\"")).count();
            assert_eq!(p.ran().len(), ran, "{built}");
        };
        let built = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..if is_full() { 50 } else { 4 } {
                build();
                p.remove("target");
            }
        }));
        done.store(true, Ordering::Relaxed);
        built.unwrap();
    });
    p.granular("build").success();
    assert!(ends_well(&p).is_empty());
}
