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
            step("leaf", "cat leaf/x > {out}/x; cp leaf/x made", "inputs = [\"leaf/*\"]\noutputs = [\"{out}\", \"made\"]\n"),
            "[workspace.metadata.granular.steps.files]\ninputs = [\"one/*\"]\n".to_owned(),
        ]
        .concat(),
    );
    p.write("src/a.txt", "a").write("src/deep/b.txt", "b").write("src/deep/skip.txt", "s");
    p.write("one/named", "n").write("behind", "linked").write("other", "other");
    p.write("leaf/x", "0");
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
        voids_it(what, *change, expected, 0);
    }
}

#[test]
fn and_so_it_does_where_the_proof_was_carried_over_builds_that_ran_something() {
    for (what, change, expected) in CHANGES {
        voids_it(what, *change, expected, 2);
    }
}

/// `edits` builds each run something that has nothing to do with it before the change.
fn voids_it(what: &str, change: fn(&Project), expected: &[&str], edits: usize) {
    let p = everything();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{}:{path}", p.path("early").display(), p.path("bin").display());
    let build = || p.command("build").env("PATH", &path).env("WHO", "me").run().success();
    build();
    assert_eq!(p.ran(), ["check", "gen", "leaf", "tree"], "{what}");
    settle();
    build();
    assert!(p.ran().is_empty(), "{what}");
    for edit in 0..edits {
        p.write("leaf/x", format!("edit {edit}"));
        settle();
        build();
        assert_eq!(p.ran(), ["leaf"], "{what}");
    }
    let proofs = fs::read_dir(p.path("target/granular/untouched")).unwrap().count();
    assert_eq!(proofs, 1, "{what}: there is a proof before it");
    let clean = p.read_out("gen/all");
    change(&p);
    build();
    assert_eq!(p.ran(), *expected, "{what}");
    if expected.is_empty() {
        assert_eq!(p.read_out("gen/all"), clean, "{what}");
        assert_eq!(p.read_out("gen/dir/said"), "says one\n", "{what}");
        assert!(!p.path("target/granular/out/@workspace/gen/dir/more").exists(), "{what}");
        assert!(!p.path("target/granular/out/@workspace/gen").is_symlink(), "{what}");
    }
    for _ in 0..2 {
        settle();
        build();
    }
    assert!(p.ran().is_empty(), "{what}: and then all is quiet");
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
fn after_a_build_that_was_asked_for_something_else_and_ran_it_the_proof_is_given_up_at_the_first_look()
 {
    let p = chain();
    p.granular("build").success();
    prove(&p);
    p.write("one/f", "A");
    p.granular("build #a").success();
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

/// Two leaves, what is made of the first, and beside them a step of which every run leaves something else, with what is made of that.
fn leaves() -> Project {
    let p = project(
        &[
            step(
                "a",
                "sed 's/ *#.*//' a/* > {out}/x",
                "inputs = [\"a/*\"]\noutputs = [\"{out}/x\"]",
            ),
            step(
                "b",
                "cat b/* shared/*.txt > {out}/x",
                "inputs = [\"b/*\", \"shared/*.txt\"]\noutputs = [\"{out}/x\"]",
            ),
            step(
                "of-a",
                "cat {needs.a.out}/x > shared/of-a.made",
                "inputs = []\noutputs = [\"shared/*.made\"]\nneeds = [\"a\"]",
            ),
            step("stamp", "date +%s%N > {out}/x", "inputs = [\"stamp\"]\noutputs = [\"{out}/x\"]"),
            step(
                "of-stamp",
                "cat {needs.stamp.out}/x > {out}/x",
                "inputs = []\noutputs = [\"{out}/x\"]\nneeds = [\"stamp\"]",
            ),
        ]
        .concat(),
    );
    p.write("a/f", "1").write("b/f", "1").write("shared/s.txt", "1").write("stamp", "");
    p.granular("build").success();
    prove(&p);
    p
}

/// Writes `file`, after which a build runs these steps, and the next one nothing.
fn edit(p: &Project, file: &str, text: &str, expected: &[&str]) {
    p.write(file, text);
    settle();
    p.granular("build").success();
    assert_eq!(p.ran(), expected, "{file}: {text}");
}

#[test]
fn what_is_made_of_what_ran_is_checked_until_both_have_come_to_rest() {
    let p = leaves();
    edit(&p, "a/f", "1 # the same", &["a"]);
    edit(&p, "a/f", "2", &["a", "of-a"]);
    edit(&p, "a/f", "2 # the same", &["a"]);
    edit(&p, "b/f", "2", &["b"]);
    edit(&p, "a/f", "3", &["a", "of-a"]);
    assert_eq!(p.read("shared/of-a.made"), "3");
    edit(&p, "a/f", "2", &[]);
    assert_eq!(p.read("shared/of-a.made"), "2", "restored");
    edit(&p, "b/f", "1", &[]);
    assert_eq!(p.read_out("b/x"), "11");
    edit(&p, "a/f", "4", &["a", "of-a"]);
    assert_eq!(p.read("shared/of-a.made"), "4");
    // Somebody else has run what is made of nothing that shows.
    edit(&p, "b/f", "5", &["b"]);
    p.granular("build --force #stamp").success();
    edit(&p, "b/f", "6", &["b", "of-stamp", "stamp"]);
    assert_eq!(p.read_out("of-stamp/x"), p.read_out("stamp/x"));
}

#[test]
fn what_comes_to_a_directory_in_which_a_step_has_written_is_found() {
    let p = leaves();
    for round in 0..3 {
        edit(&p, "a/f", &format!("{round} a"), &["a", "of-a"]);
        edit(&p, &format!("shared/{round}.txt"), "n", &["b"]);
        edit(&p, "a/f", &format!("{round} b"), &["a", "of-a"]);
        edit(&p, "shared/s.txt", &format!("{round}"), &["b"]);
        edit(&p, "a/f", &format!("{round} c"), &["a", "of-a"]);
        p.write("shared/more.made", "by hand");
        edit(&p, "a/f", &format!("{round} d"), &["a", "of-a"]);
        assert!(!p.path("shared/more.made").exists(), "an output that was none of ours");
    }
}

/// What stands in `dir` and `dir/deep`, as the shell finds it.
fn texts(p: &Project, dir: &str) -> String {
    let texts = |dir: &str| {
        let entries = fs::read_dir(p.path(dir)).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|it| it == "txt")).collect();
        files.sort();
        files.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<String>()
    };
    texts(dir) + &texts(&format!("{dir}/deep"))
}

#[test]
fn what_comes_to_a_directory_or_goes_concerns_only_those_whose_patterns_lead_there() {
    // Sources and outputs side by side, and outputs beside others.
    let beside = |name: &str| {
        let script = format!(
            "cat {name}/*.txt {name}/deep/*.txt > {name}/made; cp {name}/made {name}/gen/x.gen"
        );
        let outputs = format!("outputs = [\"{name}/made\", \"{name}/gen/*.gen\"]");
        step(name, &script, &format!("inputs = [\"{name}/**/*.txt\"]\n{outputs}"))
    };
    let p = project(
        &[
            beside("a"),
            beside("b"),
            step(
                "of-b",
                "cp b/made {out}/x",
                "inputs = []\noutputs = [\"{out}/x\"]\nneeds = [\"b\"]",
            ),
            step(
                "deep",
                "cat a/deep/*.txt > {out}/x",
                "inputs = [\"a/deep/*.txt\"]\noutputs = [\"{out}/x\"]",
            ),
        ]
        .concat(),
    );
    for dir in ["a", "b"] {
        p.write(&format!("{dir}/1.txt"), "1").write(&format!("{dir}/deep/2.txt"), "2");
        fs::create_dir_all(p.path(&format!("{dir}/gen"))).unwrap();
    }
    p.granular("build").success();
    prove(&p);
    let edits: [(bool, &str, &str, &[&str]); 12] = [
        (true, "a/1.txt", "x", &["a"]),
        (true, "a/1.txt", "y", &["a"]),
        (false, "b/1.txt", "x", &["b", "of-b"]),
        (true, "a/deep/2.txt", "x", &["a", "deep"]),
        (true, "a/new.txt", "n", &["a"]),
        (false, "a/deep/new.txt", "n", &["a", "deep"]),
        (true, "b/gen/new.txt", "n", &["b"]),
        (false, "a/new.md", "n", &[]),
        (true, "a/1.txt", "z", &["a"]),
        (false, "a/gen/new.gen", "n", &[]),
        (true, "b/deep/2.txt", "y", &["b", "of-b"]),
        (false, "a/.gitignore", "2.txt\n", &["a", "deep"]),
    ];
    let mut has_run = "";
    for (by_renaming, file, text, expected) in edits {
        match by_renaming {
            // As many editors save.
            true => {
                p.write("draft", text);
                fs::rename(p.path("draft"), p.path(file)).unwrap();
            }
            false => drop(p.write(file, text)),
        }
        settle();
        let opened = calls(&p, "open,openat,openat2");
        assert_eq!(p.ran(), expected, "{file}");
        for dir in ["a", "b"] {
            assert_eq!(p.read(&format!("{dir}/made")), texts(&p, dir), "{file}");
            assert_eq!(p.read(&format!("{dir}/gen/x.gen")), texts(&p, dir), "{file}");
        }
        assert!(!p.path("a/gen/new.gen").exists(), "{file}");
        let ran_before = std::mem::replace(&mut has_run, expected.first().copied().unwrap_or(""));
        if ran_before != "b" && expected.first() == Some(&"a") {
            let opened = opened.iter().filter(|line| !line.contains("O_PATH"));
            let mut paths = opened.filter_map(|line| line.split('"').nth(1));
            let others = paths.find(|path| path.split('/').any(|it| it == "b" || it == "of-b"));
            assert_eq!(others, None, "{file}");
        }
    }
}

#[test]
fn a_step_that_writes_where_it_has_nothing_to_write_does_not_do_it_unseen() {
    for (what, script, expected) in [
        ("an input of another", "echo more >> b/f", &["b"][..]),
        ("an input of another, by another file", "echo more > n; mv n b/f", &["b"]),
        ("a new input of another", "echo more > shared/new.txt", &["b"]),
        ("an output of another", "echo more >> target/granular/out/@workspace/b/x", &[]),
        ("an output of another in the tree", "echo more >> inside/made", &[]),
        ("a program", "printf '#!/bin/sh\\necho two\\n' > bin/say; chmod +x bin/say", &["says"]),
        ("the records", "rm target/granular/records-v1", &[]),
    ] {
        let p = project(
            &[
                step(
                    "leaf",
                    &format!("cat leaf > {{out}}/x; if [ -e do ]; then rm do; {script}; fi"),
                    "inputs = [\"leaf\"]\noutputs = [\"{out}/x\"]",
                ),
                step(
                    "b",
                    "cat b/* shared/*.txt > {out}/x",
                    "inputs = [\"b/*\", \"shared/*.txt\"]\noutputs = [\"{out}/x\"]",
                ),
                step(
                    "in-tree",
                    "cat b/g > inside/made",
                    "inputs = [\"b/g\"]\noutputs = [\"inside/made\"]",
                ),
                step(
                    "says",
                    "say > {out}/x",
                    "inputs = []\noutputs = [\"{out}/x\"]\ntools = [\"say\"]",
                ),
            ]
            .concat(),
        );
        p.write("leaf", "1").write("b/f", "1\n").write("b/g", "2\n").write("shared/s.txt", "3\n");
        fs::create_dir_all(p.path("bin")).unwrap();
        program(&p, "later/say", "one");
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{}:{path}", p.path("bin").display(), p.path("later").display());
        let build = || {
            settle();
            p.command("build").env("PATH", &path).run().success();
            p.ran()
        };
        build();
        assert!(build().is_empty());
        for round in 0..2 {
            p.write("leaf", format!("{what} {round}"));
            assert_eq!(build(), ["leaf"], "{what}");
        }
        p.write("leaf", "once more").write("do", "");
        build();
        p.write("leaf", what);
        let ran: Vec<_> = build().into_iter().filter(|step| step != "leaf").collect();
        assert_eq!(ran, expected, "{what}");
        let shared = if p.path("shared/new.txt").exists() { "more\n3\n" } else { "3\n" };
        assert_eq!(
            p.read_out("b/x"),
            format!("{}{}{shared}", p.read("b/f"), p.read("b/g")),
            "{what}"
        );
        assert_eq!(p.read("inside/made"), "2\n", "{what}");
        assert_eq!(
            p.read_out("says/x"),
            if p.path("bin/say").exists() { "two\n" } else { "one\n" },
            "{what}"
        );
    }
}

#[test]
fn edits_as_fast_as_can_be_are_all_seen_whatever_is_still_open() {
    let p = leaves();
    for round in 0..60 {
        let files: &[&str] = match round % 5 {
            0 | 3 => &["a/f"],
            1 => &["b/f"],
            2 => &["a/f", "b/f"],
            _ => &[],
        };
        for file in files {
            // Of the same size each time.
            p.write(file, format!("{round:04}"));
        }
        p.granular("build").success();
        assert_eq!(p.read_out("a/x"), p.read("a/f"), "{round}");
        assert_eq!(p.read("shared/of-a.made"), p.read("a/f"), "{round}");
        assert_eq!(p.read_out("b/x"), p.read("b/f") + "1", "{round}");
    }
}

#[test]
fn a_build_without_a_proof_that_runs_the_smaller_part_leaves_one_of_the_rest() {
    let p = leaves();
    fs::remove_dir_all(p.path("target/granular/untouched")).unwrap();
    edit(&p, "b/f", "2", &["b"]);
    for round in 0..3 {
        p.write("b/f", format!("round {round}"));
        settle();
        let opened = calls(&p, "open,openat,openat2");
        assert_eq!(p.ran(), ["b"]);
        let opened = opened.iter().filter(|line| !line.contains("O_PATH"));
        let mut paths = opened.filter_map(|line| line.split('"').nth(1));
        let others = paths.find(|path| path.split('/').any(|it| it == "a" || it == "stamp"));
        assert_eq!(others, None, "{round}");
    }
    edit(&p, "a/f", "5", &["a", "of-a"]);
    assert_eq!(p.read("shared/of-a.made"), "5");
}

#[test]
fn a_build_that_is_killed_while_it_runs_something_and_carries_the_rest_over_is_put_right() {
    let p = leaves();
    let mut killed = 0;
    for call in ["rename", "write", "unlink"] {
        for number in 1.. {
            let (a, b) = (format!("{call} {number}"), format!("{number}"));
            p.write("a/f", &a);
            if number % 2 == 0 {
                p.write("b/f", &b);
            }
            settle();
            let inject = format!("inject={call}:signal=KILL:when={number}");
            let strace = ["strace", "-f", "-qq", "-b", "execve", "-o", "/dev/null", "-e", &inject];
            let run = p.command("build").inside(&strace).command.output().unwrap();
            // And what somebody does to the rest meanwhile.
            p.write("shared/s.txt", &a);
            p.granular("build").success();
            assert_eq!(p.read("shared/of-a.made"), a);
            assert_eq!(p.read_out("b/x"), p.read("b/f") + &a);
            assert_eq!(p.read_out("of-stamp/x"), p.read_out("stamp/x"));
            if run.status.success() {
                break;
            }
            killed += 1;
        }
    }
    assert!(killed > 9, "{killed}");
    prove(&p);
}

#[test]
fn a_mistake_that_only_files_show_is_told_in_the_same_way_where_something_is_open() {
    let p = project(
        &[
            step("a", "cat one > {out}/x", "inputs = [\"one\"]\noutputs = [\"{out}/x\"]"),
            step("b", "cat two > {out}/x", "inputs = [\"two\"]\noutputs = [\"{out}/x\"]"),
        ]
        .concat(),
    );
    p.write("one", "1").write("two", "1");
    p.granular("build").success();
    prove(&p);
    edit(&p, "one", "2", &["a"]);
    p.remove("one");
    let carried = p.granular("build").code(2).stderr();
    fs::remove_dir_all(p.path("target/granular/untouched")).unwrap();
    assert_eq!(p.granular("build").code(2).stderr(), carried);
}

#[test]
fn a_step_that_fails_is_open_and_all_others_are_still_proved() {
    let p = project(
        &[
            step(
                "a",
                "cat one > {out}/x; ! grep -q bad one",
                "inputs = [\"one\"]\noutputs = [\"{out}/x\"]",
            ),
            step(
                "of-a",
                "cat {needs.a.out}/x > {out}/x",
                "inputs = []\noutputs = [\"{out}/x\"]\nneeds = [\"a\"]",
            ),
            step("b", "cat two > {out}/x", "inputs = [\"two\"]\noutputs = [\"{out}/x\"]"),
        ]
        .concat(),
    );
    p.write("one", "1").write("two", "1");
    p.granular("build").success();
    prove(&p);
    for round in 0..3 {
        p.write("one", format!("bad {round}"));
        settle();
        p.granular("build").code(1);
        settle();
        p.granular("build").code(1);
        assert_eq!(p.ran(), ["a", "a"]);
    }
    p.write("two", "2").write("one", "good");
    settle();
    p.granular("build").success();
    assert_eq!(p.ran(), ["a", "b", "of-a"]);
    assert_eq!((p.read_out("of-a/x"), p.read_out("b/x")), ("good".to_owned(), "2".to_owned()));
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
