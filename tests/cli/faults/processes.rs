//! Processes that share a checkout or a cache (A28 to A31).

use super::{Entry, ends_well, nothing_is_left_running, tree};
use crate::beside::{Beside, gate, wait_until};
use crate::project::{Project, Run, project, step};
use crate::sandbox::could_not_run;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// What a build says that another one in its checkout keeps waiting.
const WAITS: &str = "waiting for another build in this checkout";

/// How often a race is run: by default only to see that the test itself is sound.
pub(super) fn rounds() -> u32 {
    let rounds = std::env::var("GRANULAR_RACE_ROUNDS").ok().and_then(|text| text.parse().ok());
    rounds.unwrap_or(3)
}

/// Numbers without a pattern, the same in every run.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % sides
    }
}

/// Writes one of `kinds` texts into `in.txt` of each checkout and builds all of them at once, beside collections if `is_collected`.
fn build_all(
    checkouts: &[Project],
    dice: &mut Dice,
    kinds: u64,
    is_collected: bool,
) -> Vec<String> {
    let texts: Vec<_> = checkouts.iter().map(|_| format!("text {}\n", dice.roll(kinds))).collect();
    for (checkout, text) in checkouts.iter().zip(&texts) {
        checkout.write("in.txt", text);
    }
    let builds: Vec<_> =
        checkouts.iter().map(|checkout| checkout.command("build -j2").start()).collect();
    for build in builds {
        let said = build.code(0);
        // A collection may take a blob between the look at a result and the restore.
        let troubles = said.lines().filter(|line| line.contains("warning"));
        for trouble in troubles {
            assert!(is_collected && trouble.ends_with("is not there"), "{said}");
        }
    }
    texts
}

fn checkouts(p: &Project, count: usize) -> Vec<Project> {
    (0..count).map(|number| p.checkout(&format!("checkout-{number}"))).collect()
}

#[test]
fn a28_eight_checkouts_that_build_at_once_get_what_a_clean_build_gives() {
    let p = project(
        &[
            step(
                "a",
                "cp in.txt {out}/x; echo more >> {out}/x",
                "inputs = [\"in.txt\"]\noutputs = [\"{out}/x\"]",
            ),
            step(
                "b",
                "mkdir {out}/d; for n in 1 2 3; do cat \"$GRANULAR_OUT_A/x\" > {out}/d/$n; done",
                "inputs = []\noutputs = [\"{out}\"]\nneeds = [\"a\"]",
            ),
            step("c", "cp in.txt tree.txt", "inputs = [\"in.txt\"]\noutputs = [\"tree.txt\"]"),
        ]
        .concat(),
    );
    p.write("in.txt", "");
    let checkouts = checkouts(&p, 8);
    let mut dice = Dice(28);
    for _ in 0..rounds() {
        let texts = build_all(&checkouts, &mut dice, 4, false);
        for (checkout, text) in checkouts.iter().zip(&texts) {
            assert_eq!(checkout.read_out("a/x"), format!("{text}more\n"));
            assert_eq!(checkout.read_out("b/d/3"), format!("{text}more\n"));
            assert_eq!(checkout.read("tree.txt"), *text);
        }
    }
    for checkout in &checkouts[..2] {
        assert!(ends_well(checkout).is_empty());
    }
}

#[test]
fn a28_of_writers_that_differ_everybody_gets_all_files_of_one() {
    // Every run leaves its own number in each of its files, and notes it with the text that it was made from.
    let script = "id=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \\n'); echo \"$id $(cat in.txt)\" >> \"$LOG.ids\"; \
        for f in a b c d; do { echo $id; cat in.txt; } > {out}/$f; done; echo $id";
    let p = project(&step("gen", script, "inputs = [\"in.txt\"]\noutputs = [\"{out}\"]"));
    p.write("in.txt", "");
    let checkouts = checkouts(&p, 8);
    let mut dice = Dice(82);
    for _ in 0..rounds() {
        let texts = build_all(&checkouts, &mut dice, 3, false);
        let ids = fs::read_to_string(p.log().with_extension("ids")).unwrap();
        let runs: BTreeSet<_> = ids.lines().collect();
        for (checkout, text) in checkouts.iter().zip(&texts) {
            let [first, others @ ..] =
                ["a", "b", "c", "d"].map(|file| checkout.read_out(&format!("gen/{file}")));
            assert!(others.iter().all(|other| *other == first), "a mixture: {first} {others:?}");
            let (id, made_from) = first.split_once('\n').unwrap();
            assert_eq!(made_from, text);
            assert!(
                runs.contains(&*format!("{id} {}", text.trim_end())),
                "nobody has made {first}"
            );
        }
    }
    p.granular("verify").success();
    nothing_is_left_running(&p);
}

#[test]
fn a28_eight_builds_of_one_checkout_go_one_after_the_other_and_say_so() {
    let script = format!(
        "mkdir within || echo overlap >> \"$LOG\"; {}; echo x > {{out}}/x; rmdir within",
        gate("go")
    );
    let p = project(&step("gen", &script, "inputs = []\noutputs = [\"{out}/x\"]"));
    let first = p.command("build --force").start();
    wait_until("the first runs its step", || p.path("within").exists());
    let others: Vec<_> = (0..7).map(|_| p.command("build --force").start()).collect();
    let says = format!("{WAITS} (process {})", first.id());
    others.iter().for_each(|other| other.hear(&says));
    assert_eq!(p.ran(), ["gen"]);
    p.write("go", "");
    assert!(!first.code(0).contains(WAITS));
    for other in others {
        other.code(0);
    }
    assert_eq!(p.ran(), ["gen"; 7]);
    p.remove("go");
    p.write("go", "");
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a28_builds_of_one_tree_with_different_target_directories_do_not_mix() {
    let script = format!(
        "mkdir within || echo overlap >> \"$LOG\"; {}; cp in.txt tree.txt; rmdir within",
        gate("go")
    );
    let p = project(&step("gen", &script, "inputs = [\"in.txt\"]\noutputs = [\"tree.txt\"]"));
    p.write("in.txt", "x");
    let first = p.command("build").start();
    wait_until("the first runs its step", || p.path("within").exists());
    let other = p.command("build --target-dir other").start();
    other.hear(WAITS);
    p.write("go", "");
    first.code(0);
    other.code(0);
    assert_eq!(p.ran(), ["gen"], "the other restores it");
    p.remove("other");
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a29_a_collection_beside_builds_costs_runs_and_never_a_file() {
    let p = project(
        &[
            step(
                "a",
                "for n in 1 2 3 4; do { cat in.txt; yes $n | head -c 4000; } > {out}/$n; done",
                "inputs = [\"in.txt\"]\noutputs = [\"{out}\"]",
            ),
            step(
                "b",
                "cat \"$GRANULAR_OUT_A\"/* > {out}/all",
                "inputs = []\noutputs = [\"{out}/all\"]\nneeds = [\"a\"]",
            ),
        ]
        .concat(),
    );
    p.write("in.txt", "");
    let checkouts = checkouts(&p, 4);
    let mut dice = Dice(29);
    // Far below what a single result takes.
    let collector = Collector::start(p.checkout("collector"), "gc --max-size 2KB");
    for _ in 0..2 * rounds() {
        let texts = build_all(&checkouts, &mut dice, 3, true);
        for (checkout, text) in checkouts.iter().zip(&texts) {
            let all = checkout.read_out("b/all");
            assert_eq!(all.len(), 4 * (text.len() + 4000));
            assert!(all.starts_with(text) && all.ends_with("4\n4\n"));
        }
    }
    let removed = collector.end();
    assert!(removed > 0, "the collection has found nothing to do");
    checkouts.iter().for_each(|checkout| drop(ends_well(checkout)));
}

#[test]
fn a29_what_a_build_counts_on_while_a_collection_is_about_to_remove_it_stays() {
    // Every step of the collection takes a while.
    let trace = "-e trace=rename,unlink -e inject=rename,unlink:delay_enter=1000000";
    let mut slowly = vec!["strace", "-f", "-qq", "-o", "/dev/null"];
    slowly.extend(trace.split(' '));
    let tried = Command::new(slowly[0]).args(&slowly[1..]).arg("true").status();
    if !tried.is_ok_and(|status| status.success()) {
        return could_not_run("strace is not allowed here");
    }
    let p = project(&step("gen", "echo x > {out}/x", "inputs = []\noutputs = [\"{out}/x\"]"));
    p.granular("build").success();
    let results = || {
        let stored = tree(&p.cache().join("v1/results"), |_| false).into_values();
        stored.filter(|entry| matches!(entry, Entry::File { .. })).count()
    };
    let collection = p.command("gc --max-size 0B").inside(&slowly).start();
    wait_until("the result is removed", || results() == 0);
    let other = p.checkout("other");
    other.granular("build").success();
    collection.code(0);
    assert_eq!(p.ran(), ["gen", "gen"], "the second had to run it");
    p.granular("verify").success();
    p.checkout("third").granular("build").success();
    assert!(p.ran().is_empty(), "and what it has filed is whole");
    assert!(ends_well(&p).is_empty());
}

/// Collections, one after the other.
struct Collector {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<usize>,
}

impl Collector {
    fn start(p: Project, command: &'static str) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let collect = move || {
            let mut removed = 0;
            while !seen.load(Ordering::SeqCst) {
                removed += removed_results(
                    &p.command(command).arg("--message-format=json").run().success(),
                );
            }
            removed
        };
        Self { is_over, thread: std::thread::spawn(collect) }
    }

    /// How many results they have removed.
    fn end(self) -> usize {
        self.is_over.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// How many results a collection has told that it removes.
fn removed_results(run: &Run) -> usize {
    let told = run.raw_stdout();
    let number = told.split("\"results_removed\":").nth(1).and_then(|rest| rest.split(',').next());
    number.unwrap().parse().unwrap()
}

/// A build that is held in its step until there is a file `go`, and its project.
fn held(how: &str) -> (Project, Beside) {
    let script = format!(
        "mkdir within || echo overlap >> \"$LOG\"; {}; echo x > {{out}}/x; rmdir within",
        gate("go")
    );
    let p = project(&step("gen", &script, "inputs = []\noutputs = [\"{out}/x\"]"));
    let first = p.command(how).start();
    wait_until("the first runs its step", || p.path("within").exists());
    (p, first)
}

#[test]
fn a30_when_who_holds_the_checkout_is_killed_the_next_goes_on_at_once() {
    let (p, first) = held("build");
    let second = p.command("build").start();
    second.hear(WAITS);
    p.remove("within");
    first.signal("KILL");
    let killed = Instant::now();
    second.hear("an earlier build was killed and left processes running");
    wait_until("the second runs the step", || p.path("within").exists());
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
    p.write("go", "");
    second.code(0);
    assert_eq!(p.ran(), ["gen", "gen"]);
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a30_who_waits_for_a_stopped_process_says_so_and_ends_on_ctrl_c() {
    let (p, first) = held("build");
    first.signal("STOP");
    let mut second = p.command("build").at_a_terminal("trap : INT; \"$@\"");
    second.hear(&format!("{WAITS} (process {})", first.id()));
    second.press("\x03");
    second.code(130);
    let third = p.command("build").start();
    third.hear(WAITS);
    p.write("go", "");
    first.signal("CONT");
    first.code(0);
    third.code(0);
    assert_eq!(p.ran(), ["gen"]);
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a30_a_lock_file_that_names_a_process_which_runs_keeps_nobody_waiting() {
    let p = project(&step("gen", "echo x > {out}/x", "inputs = []\noutputs = [\"{out}/x\"]"));
    p.write("target/granular/lock", std::process::id().to_string());
    let run = p.granular("build").success();
    assert!(!run.stderr().contains(WAITS), "{run}");
    assert_eq!(p.ran(), ["gen"]);
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a30_a_lock_that_is_deleted_while_it_is_held_still_keeps_others_out() {
    for (gone, code) in
        [("target/granular/lock", Some(0)), ("target/granular", None), ("target", None)]
    {
        let (p, first) = held("build");
        let second = p.command("build").start();
        second.hear(WAITS);
        p.remove(gone);
        let third = p.command("build").start();
        third.hear(WAITS);
        assert_eq!(p.ran(), ["gen"], "{gone}");
        p.write("go", "");
        // Who loses its own state may fail, but nobody else does.
        let (status, said) = first.end();
        assert!(code.is_none() || status.code() == code, "{gone}: {said}");
        second.code(0);
        third.code(0);
        assert!(!p.ran().contains(&"overlap".to_owned()), "{gone}");
        let _ = fs::remove_dir(p.path("within"));
        assert!(ends_well(&p).is_empty(), "{gone}");
    }
}

#[test]
fn a30_a_build_that_is_started_under_a_lock_on_the_workspace_is_not_kept_waiting_by_it() {
    let p = project(&step("gen", "echo x > {out}/x", "inputs = []\noutputs = [\"{out}/x\"]"));
    let run = p.command("build").inside(&["flock", "."]).run().success();
    assert!(!run.stderr().contains(WAITS), "{run}");
    assert!(ends_well(&p).is_empty());
}

/// A cache with `count` results, one file of 2 kB each, and how it is asked.
struct Filled {
    p: Project,
    keys: BTreeMap<String, String>,
}

impl Filled {
    fn new(count: usize) -> Self {
        let p = project("");
        Self::declare(&p, 0..count);
        let run = p.granular("build -j4 --message-format json").success();
        let value = |line: &str, name: &str| {
            let rest = line.split(&format!("\"{name}\":\"")).nth(1)?;
            Some(rest.split('"').next()?.to_owned())
        };
        let told = run.raw_stdout();
        let key = |line: &str| {
            let action = value(line, "action")?;
            let number = action.strip_prefix("#gen[n=")?.strip_suffix(']')?.to_owned();
            Some((number, value(line, "key")?))
        };
        let keys: BTreeMap<_, _> = told.lines().filter_map(key).collect();
        assert_eq!((keys.len(), p.ran().len()), (count, count));
        Self { p, keys }
    }

    /// A step with one action for each of `numbers`.
    fn declare(p: &Project, numbers: impl IntoIterator<Item = usize>) {
        let numbers: Vec<_> = numbers.into_iter().map(|number| format!("{number:03}")).collect();
        p.manifest(&format!(
            "[workspace.metadata.granular.steps.gen]\n\
            run = \"echo {{matrix.n}} >> $LOG; printf %02000d 1{{matrix.n}} > {{out}}/x\"\n\
            pass-env = [\"LOG\"]\ninputs = []\noutputs = [\"{{out}}/x\"]\nmatrix = {{ n = {numbers:?} }}\n"
        ));
    }

    /// Makes it look as if each result had last been used that many hours ago, and all blobs long before.
    fn set_ages(&self, hours: impl Fn(usize) -> u64) {
        let blobs = self.p.cache().join("v1/blobs");
        let long_ago = SystemTime::now() - Duration::from_secs(3600 * 3600);
        let entries = tree(&blobs, |_| false);
        let files = entries.iter().filter(|(_, entry)| matches!(entry, Entry::File { .. }));
        files.for_each(|(path, _)| {
            fs::File::open(blobs.join(path)).unwrap().set_modified(long_ago).unwrap()
        });
        for (number, key) in &self.keys {
            let number = number.parse().unwrap();
            let used = SystemTime::now() - Duration::from_secs(hours(number) * 3600);
            fs::File::open(self.result(key)).unwrap().set_modified(used).unwrap();
        }
    }

    /// The sizes of all files of the cache.
    fn size(&self) -> u64 {
        let sizes = tree(&self.p.cache(), |_| false).into_values().map(|entry| match entry {
            Entry::File { bytes, .. } => bytes.len() as u64,
            _ => 0,
        });
        sizes.sum()
    }

    /// The numbers of the results that are in the cache.
    fn kept(&self) -> BTreeSet<usize> {
        let kept = self.keys.iter().filter(|(_, key)| self.result(key).exists());
        kept.map(|(number, _)| number.parse().unwrap()).collect()
    }

    fn result(&self, key: &str) -> PathBuf {
        self.p.cache().join("v1/results").join(&key[..2]).join(key)
    }
}

#[test]
fn a31_a_collection_keeps_to_its_limits_and_to_what_was_used_last() {
    let filled = Filled::new(200);
    // The higher its number, the later it was used.
    filled.set_ages(|number| 1000 - number as u64);
    let p = &filled.p;

    let before = tree(&p.cache(), |_| false);
    let run = p.granular("gc --max-size 250KB --dry-run --message-format json").success();
    assert!(before == tree(&p.cache(), |_| false), "a dry run changes nothing");
    let foretold = removed_results(&run);
    assert_eq!(
        removed_results(&p.granular("gc --max-size 250KB --message-format json").success()),
        foretold
    );
    assert!(filled.size() <= 250_000, "{}", filled.size());
    let kept = filled.kept();
    assert_eq!(kept, (foretold..200).collect(), "the last of them");
    p.granular("verify").success();

    // Ten of the oldest that are left are used.
    let user = p.checkout("user");
    let used: BTreeSet<_> = (foretold..foretold + 10).collect();
    Filled::declare(&user, used.clone());
    user.granular("build").success();
    assert!(user.ran().is_empty());
    p.granular("gc --max-size 100KB").success();
    assert!(filled.size() <= 100_000, "{}", filled.size());
    let kept = filled.kept();
    assert!(
        kept.is_superset(&used) && kept.contains(&199) && !kept.contains(&(foretold + 10)),
        "{kept:?}"
    );

    // Only the ten were used in the last hundred hours.
    p.granular("gc --max-age 100h").success();
    assert_eq!(filled.kept(), used);
    let stored = tree(&p.cache().join("v1"), |_| false);
    let count = |kind: &str| {
        stored
            .iter()
            .filter(|(path, entry)| path.starts_with(kind) && matches!(entry, Entry::File { .. }))
            .count()
    };
    assert_eq!((count("results"), count("blobs")), (10, 10), "nothing hangs in the air");
    let others = foretold - 10..foretold;
    Filled::declare(&user, others.clone().chain(used));
    user.remove("target");
    user.granular("build").success();
    let ran: BTreeSet<usize> = user.ran().iter().map(|number| number.parse().unwrap()).collect();
    assert_eq!(ran, others.collect());
    assert!(ends_well(&user).is_empty());
}

#[test]
fn a31_what_a_killed_write_has_left_goes_after_an_hour() {
    let filled = Filled::new(2);
    let left = |name: &str, minutes: u64| {
        let path = filled.p.cache().join("v1/tmp").join(name);
        fs::write(&path, "half").unwrap();
        let at = SystemTime::now() - Duration::from_secs(minutes * 60);
        fs::File::options().append(true).open(&path).unwrap().set_modified(at).unwrap();
        path
    };
    let (young, old) = (left("young", 50), left("old", 70));
    filled.p.granular("gc").success();
    assert!(young.exists() && !old.exists());
    assert_eq!(filled.kept().len(), 2);
    assert!(ends_well(&filled.p).is_empty());
}
