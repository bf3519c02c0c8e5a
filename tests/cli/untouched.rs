//! The proof that nothing was touched: what it spares, and that whatever it rests on voids it.

use crate::costs::{calls, settle};
use crate::project::{Project, project, step};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Whether a build lists no directory: it has looked only at what another looked at.
fn is_proved(p: &Project) -> bool {
    calls(p, "getdents64").is_empty()
}

/// Builds until nothing has to be found out any more.
fn prove(p: &Project) {
    for _ in 0..20 {
        settle();
        if is_proved(p) {
            p.ran();
            return;
        }
    }
    panic!("there is no proof");
}

/// A workspace in which there is something of every kind that a verdict can rest on.
fn everything() -> Project {
    let p = project(
        &[
            step(
                "gen",
                "cat src/*.txt src/deep/* one/named link > {out}/all; mkdir {out}/dir; tool > {out}/dir/said; ls hole >> {out}/all; true",
                "inputs = [\"src/**/*.txt\", \"one/named\", \"link\", \"!src/deep/skip.txt\"]\noutputs = [\"{out}\"]\ntools = [\"tool\"]\ntrack-env = [\"WHO\", \"TERM\"]",
            ),
            step("tree", "cp src/a.txt gen/deep/tree.gen", "inputs = [\"src/a.txt\"]\noutputs = [\"gen/deep/*.gen\"]\n"),
            step("check", "true", "inputs = [\"src/**\"]\noutputs = []\nneeds = [\"tree\"]"),
            "[workspace.metadata.granular.steps.files]\ninputs = [\"one/*\"]\n".to_owned(),
        ]
        .concat(),
    );
    p.write("src/a.txt", "a").write("src/deep/b.txt", "b").write("src/deep/skip.txt", "s");
    p.write("one/named", "n").write("behind", "linked").write("other", "other");
    symlink("behind", p.path("link")).unwrap();
    for dir in ["bin", "early"] {
        fs::create_dir_all(p.path(dir)).unwrap();
    }
    fs::create_dir_all(p.path("gen/deep")).unwrap();
    program(&p, "bin/tool", "says one");
    p
}

fn program(p: &Project, path: &str, says: &str) {
    p.write(path, format!("#!/bin/sh\necho {says}\n"));
    fs::set_permissions(p.path(path), fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_build_that_is_proved_reads_no_manifest_lists_no_directory_and_starts_no_thread_for_few_files()
{
    let p = project(
        &[
            step("a", "cp x {out}/x", "inputs = [\"*\"]\noutputs = [\"{out}\"]"),
            step("b", "true", "inputs = [\"src/**\"]\noutputs = []\nneeds = [\"a\"]"),
        ]
        .concat(),
    );
    p.write("x", "1").write("src/deep/y", "2");
    p.granular("build").success();
    prove(&p);
    let root = p.root().to_string_lossy().into_owned();
    let opened = calls(&p, "open,openat,openat2");
    let ours: Vec<_> = opened
        .iter()
        .filter(|line| line.contains(&root) || line.contains("Cargo.toml"))
        .filter(|line| !line.contains("O_PATH"))
        .map(|line| line.split('"').nth(1).unwrap().replace(&root, ""))
        .map(|path| path.split("untouched/").next().unwrap().to_owned())
        .collect();
    assert_eq!(ours, ["/target/granular/workspace-v2", "/target/granular/"]);
    assert_eq!(calls(&p, "clone,clone3,fork,vfork,execve").len(), 1, "itself");
    assert!(p.ran().is_empty());
    // It says what any other build says.
    let said = |p: &Project| {
        let run = p.granular("build -v --message-format json");
        let (out, err) = (run.raw_stdout().to_owned(), run.raw_stderr().to_owned());
        let without_times = |text: &str| {
            let times = regex::Regex::new(r#"in \d+\.?\d*m?s|"duration_ms":\d+"#).unwrap();
            times.replace_all(text, "T").into_owned()
        };
        (without_times(&out), without_times(&err))
    };
    assert!(is_proved(&p));
    let proved = said(&p);
    fs::remove_dir_all(p.path("target/granular/untouched")).unwrap();
    assert_eq!(said(&p), proved);
}

/// Something that is done to a proved workspace, and the steps that a build has to run then.
type Change = (&'static str, fn(&Project), &'static [&'static str]);

#[rustfmt::skip]
const CHANGES: &[Change] = &[
    ("an input is edited", |p| { p.write("src/a.txt", "A"); }, &["check", "gen", "tree"]),
    ("an input is edited and its times are put back", |p| keep_times(&p.path("src/a.txt"), |path| fs::write(path, "A").unwrap()), &["check", "gen", "tree"]),
    ("an input is replaced by a file of the same size and times", |p| keep_times(&p.path("src/a.txt"), |path| { fs::write(path.with_extension("new"), "A").unwrap(); fs::rename(path.with_extension("new"), path).unwrap(); }), &["check", "gen", "tree"]),
    ("an input goes", |p| p.remove("src/deep/b.txt"), &["check", "gen"]),
    ("an input comes", |p| { p.write("src/new.txt", "n"); }, &["check", "gen"]),
    ("an input comes into a new directory", |p| { p.write("src/x/y/new.txt", "n"); }, &["check", "gen"]),
    ("what no pattern of it means comes", |p| { p.write("src/new.md", "n"); }, &["check"]),
    ("an input becomes executable", |p| fs::set_permissions(p.path("one/named"), fs::Permissions::from_mode(0o755)).unwrap(), &["gen"]),
    ("what a link leads to is edited", |p| { p.write("behind", "other"); }, &["gen"]),
    ("a link is turned", |p| { p.remove("link"); symlink("other", p.path("link")).unwrap(); }, &["gen"]),
    ("a rule that ignores comes", |p| { p.write("src/.gitignore", "deep\n"); }, &["check", "gen"]),
    ("a rule comes at the root, which no pattern lists", |p| { p.write(".gitignore", "deep\n"); }, &["check", "gen"]),
    ("a directory is moved away and another one takes its place", |p| { fs::rename(p.path("src"), p.path("old")).unwrap(); p.write("src/a.txt", "B").write("src/deep/b.txt", "b"); }, &["check", "gen", "tree"]),
    ("an output is edited", |p| { p.write("target/granular/out/@workspace/gen/all", "x"); }, &[]),
    ("an output is edited in place, its times put back", |p| keep_times(&p.path("target/granular/out/@workspace/gen/all"), |path| fs::write(path, "x").unwrap()), &[]),
    ("an output goes", |p| p.remove("target/granular/out/@workspace/gen/dir/said"), &[]),
    ("something comes among the outputs", |p| { p.write("target/granular/out/@workspace/gen/dir/more", "x"); }, &[]),
    ("something comes that an output pattern means", |p| { p.write("gen/deep/more.gen", "x"); }, &[]),
    ("a directory of outputs becomes a link to a copy", |p| { let out = p.path("target/granular/out/@workspace/gen"); fs::rename(&out, p.path("copy")).unwrap(); symlink(p.path("copy"), out).unwrap(); }, &[]),
    ("all outputs go", |p| p.remove("target/granular/out"), &[]),
    ("a tool is another", |p| program(p, "bin/tool", "says two"), &["gen"]),
    ("a tool comes earlier in the search path", |p| program(p, "early/tool", "says two"), &["gen"]),
    ("a manifest declares something else", |p| { let text = p.read("Cargo.toml"); p.write("Cargo.toml", text.replace("tool > {out}", "tool 1 > {out}")); }, &["gen"]),
    ("the records are gone", |p| p.remove("target/granular/records-v1"), &[]),
    ("the proof is cut off", |p| damage(p, |bytes| bytes.truncate(bytes.len() / 2)), &[]),
    ("the proof is damaged", |p| damage(p, |bytes| { let at = bytes.len() / 2; bytes[at] ^= 1; }), &[]),
];

fn keep_times(path: &Path, change: impl Fn(&Path)) {
    let before = fs::metadata(path).unwrap();
    change(path);
    let times = fs::FileTimes::new()
        .set_modified(before.modified().unwrap())
        .set_accessed(before.accessed().unwrap());
    fs::File::options().write(true).open(path).unwrap().set_times(times).unwrap();
}

fn damage(p: &Project, change: impl Fn(&mut Vec<u8>)) {
    for entry in fs::read_dir(p.path("target/granular/untouched")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn whatever_a_verdict_rests_on_voids_the_proof() {
    for (what, change, expected) in CHANGES {
        let p = everything();
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{}:{path}", p.path("early").display(), p.path("bin").display());
        let build = || p.command("build").env("PATH", &path).env("WHO", "me").run().success();
        build();
        assert_eq!(p.ran(), ["check", "gen", "tree"], "{what}");
        settle();
        build();
        assert_eq!(
            fs::read_dir(p.path("target/granular/untouched")).unwrap().count(),
            1,
            "{what}: there is a proof before it"
        );
        let clean = p.read_out("gen/all");
        assert!(p.ran().is_empty(), "{what}");
        change(&p);
        build();
        assert_eq!(p.ran(), *expected, "{what}");
        if expected.is_empty() {
            assert_eq!(p.read_out("gen/all"), clean, "{what}");
            assert_eq!(p.read_out("gen/dir/said"), "says one\n", "{what}");
            assert!(!p.path("target/granular/out/@workspace/gen/dir/more").exists(), "{what}");
            assert!(!p.path("target/granular/out/@workspace/gen").is_symlink(), "{what}");
        }
        settle();
        build();
        settle();
        build();
        assert!(p.ran().is_empty(), "{what}: and then all is quiet");
    }
}

/// A chain and what stands beside it: `a` is needed by `b`, that by `c`, whose outputs say nothing of those of `a`; `d` reads what `c` reads; `e` reads everything; `check` leaves nothing.
fn chain() -> Project {
    let reads = |name: &str, input: &str, more: &str| {
        let script = format!("cat {input}/* > {{out}}/x");
        step(
            name,
            &script,
            &format!("inputs = [\"{input}/**\"]\noutputs = [\"{{out}}/x\"]\n{more}"),
        )
    };
    let p = project(
        &[
            reads("a", "one", ""),
            reads("b", "two", "needs = [\"a\"]"),
            reads("c", "three", "needs = [\"b\"]"),
            reads("d", "three", ""),
            step("e", "cat one/* two/* three/* > {out}/x", "outputs = [\"{out}/x\"]"),
            step("check", "true", "inputs = [\"two/**\"]\noutputs = []"),
        ]
        .concat(),
    );
    p.write("one/f", "1").write("two/f", "2").write("two/g", "2").write("three/f", "3");
    p
}

#[test]
fn of_what_has_nothing_to_do_with_an_edited_file_nothing_is_looked_at_again() {
    let p = chain();
    p.granular("build").success();
    prove(&p);
    let edits: [(&str, &str, &[&str]); 5] = [
        ("one/f", "A", &["a", "b", "e"]),
        ("two/f", "B", &["b", "c", "check", "e"]),
        ("three/f", "C", &["c", "d", "e"]),
        ("three/f", "C", &[]),
        ("two/g", "D", &["b", "c", "check", "e"]),
    ];
    for (file, text, expected) in edits {
        p.write(file, text);
        settle();
        let listed = calls(&p, "getdents64");
        // What has to be checked is looked for by itself; the package of a step without inputs is all of it.
        assert!(!listed.is_empty());
        assert_eq!(p.ran(), expected, "{file}");
        let told = p.granular("build -v").success().stderr().to_owned();
        assert_eq!(told.matches("Fresh").count(), 6, "{told}");
        for (step, read) in [("a", "one"), ("b", "two"), ("c", "three"), ("d", "three")] {
            let mut text: String = p.read(&format!("{read}/f"));
            if read == "two" {
                text += &p.read("two/g");
            }
            assert_eq!(p.read_out(&format!("{step}/x")), text);
        }
        prove(&p);
    }
    // Something else changes with it.
    p.write("one/f", "E");
    fs::write(p.path("target/granular/out/@workspace/d/x"), "spoilt").unwrap();
    p.granular("build").success();
    assert_eq!(p.ran(), ["a", "b", "e"]);
    assert_eq!(p.read_out("d/x"), "C");
    prove(&p);
    p.write("one/f", "F").write("three/new", "N");
    p.granular("build").success();
    assert_eq!(p.ran(), ["a", "b", "c", "d", "e"]);
}

/// Nothing is looked at twice for nothing: what has run says so where it is seen first.
#[test]
fn after_a_build_that_ran_something_the_old_proof_is_given_up_at_the_first_look() {
    let p = chain();
    p.granular("build").success();
    prove(&p);
    p.write("one/f", "A");
    p.granular("build").success();
    settle();
    let looked = calls(&p, "newfstatat,statx");
    for file in ["/two/f\"", "/two/g\"", "/three/f\""] {
        // By its whole path: the walk goes by names.
        let times = looked.iter().filter(|call| call.contains(file)).count();
        assert_eq!(times, 0, "{file}: {looked:#?}");
    }
}

#[test]
fn a_build_that_waits_for_another_one_believes_no_proof_from_before() {
    let p = project(
        &[
            step("slow", "cat slow; [ -e gate ] && { echo > ready; while [ ! -e go ]; do :; done; }; cat slow > {out}/x", "inputs = [\"slow\"]\noutputs = [\"{out}/x\"]"),
            step("other", "cat other > {out}/x", "inputs = [\"other\"]\noutputs = [\"{out}/x\"]"),
            step("third", "cat third > {out}/x", "inputs = [\"third\"]\noutputs = [\"{out}/x\"]"),
        ]
        .concat(),
    );
    p.write("slow", "1").write("other", "1").write("third", "1");
    p.granular("build").success();
    prove(&p);
    p.write("gate", "").write("slow", "2").write("other", "2");
    let first = p.command("build").start();
    while !p.path("ready").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    p.write("third", "3");
    let second = p.command("build").start();
    second.hear("waiting for another build");
    p.write("other", "4").write("go", "");
    first.code(0);
    second.code(0);
    for (step, text) in [("slow", "2"), ("other", "4"), ("third", "3")] {
        assert_eq!(p.read_out(&format!("{step}/x")), text, "{step}");
    }
}

#[test]
fn nor_where_that_one_has_another_target_directory_and_other_records() {
    let p = project(
        &[
            step(
                "hold",
                "[ -e gate ] && { echo > ready; while [ ! -e go ]; do :; done; }; echo > {out}/x",
                "inputs = []\noutputs = [\"{out}/x\"]",
            ),
            step(
                "stamp",
                "date +%s%N > gen",
                "inputs = []\noutputs = [\"gen\"]\nneeds = [\"hold\"]",
            ),
            step("other", "cat other > {out}/x", "inputs = [\"other\"]\noutputs = [\"{out}/x\"]"),
        ]
        .concat(),
    );
    p.write("other", "1");
    p.granular("build").success();
    prove(&p);
    p.write("gate", "").write("other", "2");
    let first = p.command("build --force --target-dir elsewhere").start();
    while !p.path("ready").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = p.command("build -v").start();
    second.hear("waiting for another build");
    p.write("go", "");
    first.code(0);
    let (_, said) = second.end();
    assert!(!said.contains("Fresh #stamp"), "{said}");
}

#[test]
fn what_else_counts_is_part_of_the_question() {
    let p = project(
        &[
            step("a", "true", "inputs = [\"x\"]\noutputs = []\ntrack-env = [\"WHO\", \"TERM\"]"),
            step("b", "true", "inputs = [\"x\"]\noutputs = []"),
            step("t", "true", "inputs = [\"x\"]\noutputs = []\ntest = true"),
        ]
        .concat(),
    );
    p.write("x", "1");
    let with = |arguments: &str, name: &str, value: &str| {
        p.command(arguments).env(name, value).run().success();
        p.ran()
    };
    for _ in 0..2 {
        settle();
        p.granular("build").success();
    }
    assert_eq!(p.ran(), ["a", "b"]);
    assert_eq!(with("build", "WHO", "me"), ["a"]);
    assert_eq!(with("build", "TERM", "other"), ["a"], "whatever a step tracks");
    assert!(with("build", "SHLVL", "7").is_empty());
    assert_eq!(with("test", "X", ""), ["t"]);
    assert_eq!(with("build --force #b", "X", ""), ["b"]);
    settle();
    p.granular("build #b").success();
    settle();
    p.write("x", "2");
    assert_eq!(with("build #b", "X", ""), ["b"], "each question has its own proof");
    assert_eq!(with("build", "X", ""), ["a"]);
}

#[test]
fn what_was_written_a_moment_before_the_build_is_not_believed_yet() {
    let p = project(&step("a", "cat x > {out}/x", "inputs = [\"x\"]\noutputs = [\"{out}/x\"]"));
    let path = p.path("x");
    let ahead = SystemTime::now() + Duration::from_secs(3600);
    let stamp = |text: &str| {
        fs::write(&path, text).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_times(fs::FileTimes::new().set_modified(ahead)).unwrap();
    };
    stamp("1");
    for _ in 0..3 {
        settle();
        p.granular("build").success();
    }
    assert_eq!(p.ran(), ["a"]);
    assert!(!is_proved(&p), "a time to come says nothing");
    for round in 0..30 {
        // As fast as can be: no edit may hide in the step of a clock.
        stamp(&round.to_string());
        p.granular("build").success();
        assert_eq!(p.read_out("a/x"), round.to_string());
        stamp(&format!("{}", 30 + round));
        p.granular("build").success();
        assert_eq!(p.read_out("a/x"), format!("{}", 30 + round));
    }
}

#[test]
fn only_the_last_few_questions_are_kept() {
    let p = project(&step("a", "true", "inputs = [\"x\"]\noutputs = []"));
    p.write("x", "1");
    p.granular("build").success();
    settle();
    for n in 0..12 {
        p.command("build").env("GRANULAR_NUMBER", &n.to_string()).run().success();
    }
    assert_eq!(fs::read_dir(p.path("target/granular/untouched")).unwrap().count(), 8);
    assert_eq!(p.ran(), ["a"]);
}
