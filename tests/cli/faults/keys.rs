//! Keys and the detection of changes (A01 to A07).

use super::ends_well;
use crate::project::{Project, project, step};
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// A step that copies its only input.
fn copies(more: &str) -> String {
    step(
        "gen",
        "cat in > {out}/x",
        &format!("inputs = [\"in\"]\noutputs = [\"{{out}}/x\"]\n{more}"),
    )
}

fn executable(p: &Project, path: &str, text: &str) {
    p.write(path, text);
    fs::set_permissions(p.path(path), fs::Permissions::from_mode(0o755)).unwrap();
}

fn write(p: &Project, path: &str, text: &str) {
    p.write(path, text);
}

fn set_modified(path: &Path, time: SystemTime) {
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

/// A program that answers as Cargo does, without its start-up time: what it says of a workspace does not change with the inputs of steps.
fn quick_cargo(p: &Project) -> String {
    let asked = std::process::Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(p.root())
        .output()
        .unwrap();
    assert!(asked.status.success());
    p.write("../metadata", asked.stdout);
    let answer = p.root().with_file_name("metadata");
    executable(p, "../cargo", &format!("#!/bin/sh\nexec cat '{}'\n", answer.display()));
    p.root().with_file_name("cargo").to_string_lossy().into_owned()
}

/// Edits and builds, one behind the other, without a pause: what comes out must be of the last edit each time.
fn edits_in_the_same_tick(whole_seconds: bool) {
    let p = project(&copies(""));
    let out = p.path("target/granular/out/@workspace/gen/x");
    let second = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let cargo = quick_cargo(&p);
    let mut took = Vec::new();
    for round in 0..500 {
        let text = format!("{round:08}");
        p.write("in", &text);
        if whole_seconds {
            set_modified(&p.path("in"), second);
        }
        let began = Instant::now();
        p.command("build").env("CARGO", &cargo).run().success();
        took.push(began.elapsed());
        assert_eq!(fs::read_to_string(&out).unwrap(), text, "in round {round}");
        if whole_seconds {
            set_modified(&out, second);
        }
    }
    took.sort();
    let median = took[took.len() / 2];
    assert!(median < Duration::from_secs(1), "something sleeps: {median:?} for one build");
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a01_an_edit_in_the_same_tick_of_the_clock_is_seen() {
    edits_in_the_same_tick(false);
}

#[test]
fn a01_an_edit_is_seen_where_modification_times_are_whole_seconds_and_all_the_same() {
    edits_in_the_same_tick(true);
}

#[test]
fn a02_what_was_only_touched_runs_nothing_and_what_is_taken_back_is_restored() {
    let p = project(&copies(""));
    p.write("in", "A");
    p.granular("build").success();
    let first = super::outcome(&p);
    p.write("in", "B");
    p.granular("build").success();
    assert_eq!(p.ran(), ["gen", "gen"]);
    p.write("in", "B");
    set_modified(&p.path("Cargo.toml"), SystemTime::now());
    set_modified(&p.path("target/granular/out/@workspace/gen/x"), SystemTime::now());
    assert!(ends_well(&p).is_empty(), "only touched");
    p.write("in", "A");
    p.granular("build").success();
    super::assert_same(&super::outcome(&p), &first);
    assert!(p.granular("explain gen").success().stdout().contains("restored from local cache"));
    assert!(ends_well(&p).is_empty(), "taken back");
    assert!(p.ran().is_empty());
}

#[test]
fn a02_another_field_of_the_manifest_runs_nothing() {
    let p = project(&copies(""));
    p.write("in", "A");
    p.granular("build").success();
    p.write(
        "Cargo.toml",
        p.read("Cargo.toml")
            + "\n[workspace.package]\ndescription = \"new\"\n\n[workspace.metadata.other]\na = 1\n",
    );
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a03_each_change_of_the_set_of_matched_files_runs_the_step_once() {
    let p = project(&step(
        "gen",
        "find src -type f | LC_ALL=C sort | while read -r f; do echo \"$f:\"; cat \"$f\"; done > {out}/x",
        "inputs = [\"src/**\", \"src/made.log\"]\noutputs = [\"{out}/x\"]",
    ));
    p.write(".gitignore", "*.log\n").write("src/a", "1\n").write("src/deep/down/b", "2\n");
    p.write("src/.dot", "3\n").write("src/made.log", "4\n");
    p.granular("build").success();
    assert_eq!(p.ran(), ["gen"]);
    let changes: [(&str, &dyn Fn()); 8] = [
        ("an empty file is new", &|| write(&p, "src/deep/empty", "")),
        ("a file is gone", &|| p.remove("src/deep/empty")),
        ("a file has another name", &|| {
            fs::rename(p.path("src/a"), p.path("src/z")).unwrap();
        }),
        ("a file lies elsewhere", &|| {
            fs::rename(p.path("src/deep/down/b"), p.path("src/deep/b")).unwrap();
        }),
        ("a dotfile was edited", &|| write(&p, "src/.dot", "33\n")),
        ("a new dotfile", &|| write(&p, "src/.new/.hidden", "")),
        ("an ignored file that is named was edited", &|| write(&p, "src/made.log", "44\n")),
        ("a file is a link now", &|| {
            p.remove("src/z");
            symlink("deep/b", p.path("src/z")).unwrap();
        }),
    ];
    for (what, change) in changes {
        change();
        p.granular("build").success();
        // What was there before is restored: going back is the business of A02.
        let expected: &[&str] = if what == "a file is gone" { &[] } else { &["gen"] };
        assert_eq!(p.ran(), expected, "{what}");
        p.granular("build").success();
        assert!(p.ran().is_empty(), "{what}: again");
    }
    // What a wildcard alone could reach and git ignores is noise, and no reason to run.
    p.write("src/other.log", "noise").write("src/.git/HEAD", "noise");
    p.granular("build").success();
    assert!(p.ran().is_empty());
    fs::remove_dir_all(p.path("src/.git")).unwrap();
    p.remove("src/other.log");
    ends_well(&p);
}

/// What a list of patterns means, by a way of its own: every file of the tree is held against the patterns as regular expressions, and the
/// last one that matches decides. Knows no ignored files.
fn reference(p: &Project, patterns: &[&str]) -> Vec<String> {
    let compiled: Vec<(bool, regex::Regex)> = patterns
        .iter()
        .map(|text| {
            let (negative, text) = match text.strip_prefix('!') {
                Some(text) => (true, text),
                None => (false, *text),
            };
            (negative, regex::Regex::new(&expression(text)).unwrap())
        })
        .collect();
    let files = super::tree(p.root(), |path| path.starts_with("target")).into_iter();
    let files = files.filter(|(_, entry)| matches!(entry, super::Entry::File { .. }));
    let mut matched: Vec<String> = files
        .map(|(path, _)| path.to_str().unwrap().to_owned())
        .filter(|path| {
            let last = compiled.iter().rev().find(|(_, pattern)| pattern.is_match(path));
            last.is_some_and(|(negative, _)| !negative)
        })
        .collect();
    matched.sort();
    matched
}

fn expression(pattern: &str) -> String {
    let pattern = pattern.trim_start_matches("./").trim_start_matches('/').replace("/./", "/");
    let is_literal = !pattern.contains(['*', '?', '[', '{']);
    let is_directory = pattern.ends_with('/');
    let mut text = String::from("^");
    let mut rest = pattern.trim_end_matches('/');
    while let Some(char) = rest.chars().next() {
        let (length, part) = match char {
            _ if rest.starts_with("**/") => (3, "(?:.*/)?".to_owned()),
            _ if rest.starts_with("**") => (2, ".+".to_owned()),
            '*' => (1, "[^/]*".to_owned()),
            '?' => (1, "[^/]".to_owned()),
            '[' => {
                let end = rest.find(']').unwrap();
                (end + 1, rest[..=end].replace("[!", "[^"))
            }
            '{' => (1, "(?:".to_owned()),
            '}' => (1, ")".to_owned()),
            ',' => (1, "|".to_owned()),
            char => (char.len_utf8(), regex::escape(&char.to_string())),
        };
        text.push_str(&part);
        rest = &rest[length..];
    }
    text.push_str(match (is_directory, is_literal) {
        (true, _) => "/.+",
        (false, true) => "(?:/.*)?",
        (false, false) => "",
    });
    text + "$"
}

fn listed(p: &Project) -> Vec<String> {
    p.granular("explain gen --inputs").success().raw_stdout().lines().map(str::to_owned).collect()
}

#[test]
fn a04_of_several_patterns_that_match_the_last_decides_and_explain_lists_what_is_hashed() {
    let p = project("");
    for file in [
        "src/a.go",
        "src/b.rs",
        "src/c.py",
        "src/x/a.go",
        "src/x/deep/b.rs",
        "src/gen/keep.txt",
        "src/gen/other.txt",
        "src/gen/sub/keep.txt",
        "src/.dot",
        "a/src/z",
        "top.go",
        "src/1.txt",
    ] {
        p.write(file, file);
    }
    let lists: &[&[&str]] = &[
        &["src/**", "!src/gen/**", "src/gen/keep.txt"],
        &["!src/gen/**", "src/**"],
        &["!src/gen/**", "src/gen/keep.txt", "src/**"],
        &["src/**", "!src/gen/**", "src/gen/*.txt"],
        &["**/*.{go,rs}", "!**/x/**"],
        &["src/[ab].*", "src/[!a].??"],
        &["src/gen/"],
        &["./src/x", "/top.go"],
        &["./src/./gen/keep.txt"],
        &["**/src/**"],
        &["**"],
        &["**/keep.txt", "!src/gen/sub/"],
        &["src/*/"],
        &["src/**/a.go", "src/**/deep/**"],
        &["src/{gen/keep.txt,x/**}"],
        &["src/?.txt", "src/.*"],
    ];
    for patterns in lists {
        let inputs = format!("inputs = {patterns:?}\noutputs = [\"{{out}}/x\"]");
        p.manifest(&step("gen", "cat src/gen/*.txt > {out}/x", &inputs));
        let listed = listed(&p);
        assert_eq!(listed, reference(&p, patterns), "{patterns:?}");
        let text = p.granular("explain gen --fingerprint").success().raw_stdout();
        let lines = text.lines().filter_map(|line| line.strip_prefix("input \""));
        let hashed: Vec<_> = lines.map(|line| line.split('"').next().unwrap().to_owned()).collect();
        assert_eq!(listed, hashed, "{patterns:?}");
    }
}

#[test]
fn a04_only_what_the_patterns_leave_in_runs_the_step_and_only_what_they_own_is_cleaned() {
    let inputs = "inputs = [\"src/**\", \"!src/gen/**\", \"src/gen/keep.txt\"]";
    let script =
        "mkdir -p dist/sub; cat src/gen/keep.txt src/a > dist/a.out; cp src/a dist/sub/b.out";
    let p =
        project(&step("gen", script, &format!("{inputs}\noutputs = [\"dist/**/*.{{out,map}}\"]")));
    p.write("src/a", "1\n").write("src/gen/keep.txt", "2\n").write("src/gen/other.txt", "3\n");
    p.write("dist/mine.txt", "not an output\n").write("dist/sub/mine.txt", "nor this\n");
    p.granular("build").success();
    assert_eq!(p.ran(), ["gen"]);
    p.write("src/gen/other.txt", "33\n");
    p.granular("build").success();
    assert!(p.ran().is_empty(), "taken out");
    p.write("src/gen/keep.txt", "22\n");
    p.granular("build").success();
    assert_eq!(p.ran(), ["gen"], "taken in again");
    p.granular("clean gen").success();
    assert!(!p.path("dist/a.out").exists() && !p.path("dist/sub/b.out").exists());
    assert!(p.path("dist/mine.txt").exists() && p.path("dist/sub/mine.txt").exists());
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a04_a_pattern_that_brings_nothing_is_a_mistake_that_names_it() {
    let list = |inputs: &str| step("gen", "true", &format!("inputs = {inputs}\noutputs = []"));
    let p = project("");
    p.write("src/a", "").write("src/gen/keep.txt", "");
    for (inputs, named) in [
        ("[\"src/**\", \"none/*.go\"]", "none/*.go"),
        ("[\"src/**\", \"src/gen/keep.txt\", \"!src/gen/**\"]", "src/gen/keep.txt"),
    ] {
        p.manifest(&list(inputs));
        let run = p.granular("build").code(2);
        let message = format!("the input pattern `{named}` of step `#gen` matches nothing");
        assert!(run.stderr().contains(&message), "{run}");
        p.granular("explain gen --inputs").code(2);
    }
    p.manifest(&step("gen", "true", "inputs = []\noutputs = [\"dist/**\", \"!dist/keep\"]"));
    let run = p.granular("build").code(2);
    assert!(run.stderr().contains("an output cannot be taken out"), "{run}");
    assert!(p.ran().is_empty());
    p.manifest(&list("[\"src/**\"]"));
    ends_well(&p);
}

#[test]
fn a04_the_inputs_of_each_action_are_told_to_programs() {
    let p = project(&step(
        "gen",
        "true",
        "inputs = [\"{matrix.os}.txt\", \"all.txt\"]\noutputs = []\nmatrix = { os = [\"b\", \"a\"] }",
    ));
    p.write("a.txt", "").write("b.txt", "").write("all.txt", "");
    assert_eq!(listed(&p), ["a.txt", "all.txt", "b.txt"]);
    let run = p.granular("explain gen --inputs --message-format json").success();
    insta::assert_snapshot!(run, @r##"
    {"reason":"granular-inputs","step":"#gen","action":"#gen[os=b]","inputs":["all.txt","b.txt"]}
    {"reason":"granular-inputs","step":"#gen","action":"#gen[os=a]","inputs":["a.txt","all.txt"]}
    "##);
    assert!(p.ran().is_empty());
}

#[test]
fn a05_what_is_not_declared_of_the_environment_changes_neither_key_nor_output() {
    let script = "{ env | grep -v '^LOG=' | sort; locale; date +%Z; umask; } > {out}/x; \
                  grep -v '^PATH=' {out}/x > {out}/y";
    let p = project(&step("gen", script, "inputs = []\noutputs = [\"{out}/x\", \"{out}/y\"]"));
    let path = std::env::var("PATH").unwrap();
    let (more, umask) =
        (format!("{path}:/nonexistent"), ["sh", "-c", "umask 077; exec \"$0\" \"$@\""]);
    let shells: [&[(&str, &str)]; 6] = [
        &[],
        &[("LANG", "de_DE.UTF-8"), ("LC_ALL", "tr_TR.UTF-8"), ("LANGUAGE", "de")],
        &[("TZ", "Asia/Tokyo")],
        &[("PATH", &more)],
        &[("UNDECLARED", "1"), ("FOO", "1"), ("CARGO_ENCODED_RUSTFLAGS", "x")],
        &[("MAKEFLAGS", ""), ("SOURCE_DATE_EPOCH", "0"), ("IFS", "x")],
    ];
    let mut outputs = Vec::new();
    let mut keys = Vec::new();
    for shell in shells {
        for wrapper in [None, Some(&umask[..])] {
            let command = |arguments: &str| {
                let command = p.command(arguments);
                let command = match wrapper {
                    Some(wrapper) => command.inside(wrapper),
                    None => command,
                };
                shell.iter().fold(command, |command, (name, value)| command.env(name, value))
            };
            command("build").run().success();
            outputs.push(p.read_out("gen/x"));
            keys.push(command("explain gen --fingerprint").run().success().raw_stdout());
        }
    }
    assert_eq!(p.ran(), ["gen"], "once for all of them");
    assert!(outputs.iter().all(|output| output == &outputs[0]), "{outputs:?}");
    assert!(keys.iter().all(|key| key == &keys[0]), "{keys:?}");
    // And what a run of its own would leave is the same as well, but for PATH itself, which is passed through.
    let kept = p.read_out("gen/y");
    for shell in shells {
        let command = p.command("build --force").inside(&umask);
        shell
            .iter()
            .fold(command, |command, (name, value)| command.env(name, value))
            .run()
            .success();
        assert_eq!(p.read_out("gen/y"), kept, "{shell:?}");
    }
    for line in ["LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC", "UTC", "0022"] {
        assert!(kept.lines().any(|found| found == line), "{line} in {kept}");
    }
    p.granular("build --force").success();
    p.granular("verify").success();
    super::nothing_is_left_running(&p);
}

#[test]
fn a05_a_tracked_variable_that_is_set_empty_and_unset_makes_three_keys() {
    let p = project(&step(
        "gen",
        "echo \"${FOO-unset}\" > {out}/x",
        "inputs = []\noutputs = [\"{out}/x\"]\ntrack-env = [\"FOO\"]",
    ));
    let build = |value: Option<&str>| {
        let command = p.command("build");
        match value {
            Some(value) => command.env("FOO", value).run().success(),
            None => command.run().success(),
        }
    };
    for (value, expected) in [(Some("s3cret"), "s3cret\n"), (Some(""), "\n"), (None, "unset\n")] {
        build(value);
        assert_eq!(p.ran(), ["gen"], "{value:?}");
        assert_eq!(p.read_out("gen/x"), expected);
    }
    let explained = p.command("explain gen").env("FOO", "s3cret").run().success();
    assert!(explained.stdout().contains("the variable FOO changed"), "{explained}");
    assert!(!explained.to_string().contains("s3cret"), "{explained}");
    for (value, expected) in [(Some("s3cret"), "s3cret\n"), (Some(""), "\n"), (None, "unset\n")] {
        build(value);
        assert_eq!(p.read_out("gen/x"), expected);
    }
    assert!(p.ran().is_empty(), "each has a key of its own");
    ends_well(&p);
}

#[test]
fn a06_a_tool_with_other_bytes_runs_the_step_whatever_its_size_and_times_say() {
    let p = project(&step(
        "gen",
        "./bin/t > {out}/x",
        "inputs = []\noutputs = [\"{out}/x\"]\ntools = [\"./bin/t\"]",
    ));
    executable(&p, "bin/t", "#!/bin/sh\necho A\n");
    let path = p.path("bin/t");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000);
    set_modified(&path, time);
    p.granular("build").success();
    p.granular("build").success();
    assert_eq!(p.ran(), ["gen"]);
    let before = fs::metadata(&path).unwrap();
    fs::write(&path, "#!/bin/sh\necho B\n").unwrap();
    set_modified(&path, time);
    let after = fs::metadata(&path).unwrap();
    assert_eq!(
        (before.ino(), before.size(), before.mtime()),
        (after.ino(), after.size(), after.mtime())
    );
    let explained = p.granular("explain gen").success();
    assert!(explained.stdout().contains("the program ./bin/t changed"), "{explained}");
    p.granular("build").success();
    assert_eq!((p.ran(), p.read_out("gen/x")), (vec!["gen".to_owned()], "B\n".to_owned()));
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a06_a_known_tool_that_says_another_version_and_one_that_comes_first_in_path_run_the_step() {
    let p = project(&step(
        "gen",
        "node > {out}/x",
        "inputs = []\noutputs = [\"{out}/x\"]\ntools = [\"node\", \"t\"]",
    ));
    let node = "#!/bin/sh\nif test \"$1\" = --version; then cat \"$(dirname \"$0\")/version\"; else t; fi\n";
    for (dir, word) in [("late", "late"), ("early", "early")] {
        executable(&p, &format!("../{dir}/t"), &format!("#!/bin/sh\necho {word}\n"));
    }
    executable(&p, "../late/node", node);
    p.write("../late/version", "v20.0.0\n");
    let dir = |name: &str| p.root().with_file_name(name).to_string_lossy().into_owned();
    let usual = std::env::var("PATH").unwrap();
    let late = format!("{}:{usual}", dir("late"));
    let early = format!("{}:{late}", dir("early"));
    let build = |path: &str| p.command("build").env("PATH", path).run().success();
    let explain = |path: &str| p.command("explain gen").env("PATH", path).run().success().stdout();
    build(&late);
    build(&late);
    assert_eq!((p.ran(), p.read_out("gen/x")), (vec!["gen".to_owned()], "late\n".to_owned()));
    // Its own bytes are the same: only what it stands for is another.
    p.write("../late/version", "v22.0.0\n");
    assert!(explain(&late).contains("node changed from v20.0.0 to v22.0.0"), "{}", explain(&late));
    build(&late);
    assert_eq!(p.ran(), ["gen"]);
    assert!(explain(&early).contains("the program t changed"), "{}", explain(&early));
    build(&early);
    assert_eq!((p.ran(), p.read_out("gen/x")), (vec!["gen".to_owned()], "early\n".to_owned()));
    build(&early);
    build(&late);
    assert_eq!((p.ran(), p.read_out("gen/x")), (Vec::<String>::new(), "late\n".to_owned()));
    p.granular("verify").success();
    super::nothing_is_left_running(&p);
}

/// Builds `first` and `second`, which differ in nothing but where one thing ends and the next begins, against one cache: both run, and
/// each gives an output of its own.
fn are_told_apart(what: &str, first: impl Fn(&Project), second: impl Fn(&Project)) {
    let p = project("");
    let other = p.checkout("other");
    first(&p);
    second(&other);
    p.granular("build").success();
    assert_eq!(p.ran().len(), 1, "{what}: the first");
    other.granular("build").success();
    assert_eq!(other.ran().len(), 1 + 1, "{what}: the second");
    assert_ne!(p.read_out("gen/x"), other.read_out("gen/x"), "{what}");
    for p in [&p, &other] {
        assert!(ends_well(p).is_empty(), "{what}");
    }
}

fn arguments(p: &Project, arguments: &str, more: &str) {
    executable(
        p,
        "show",
        "#!/bin/sh\necho gen >> \"$LOG\"\nout=$1; shift; { printf '<%s>' \"$@\"; env | grep '^[AB]='; } > \"$out\"; true\n",
    );
    p.manifest(&format!(
        "[workspace.metadata.granular.steps.gen]\nrun = [\"./show\", \"{{out}}/x\", {arguments}]\n\
         inputs = []\noutputs = [\"{{out}}/x\"]\npass-env = [\"LOG\"]\n{more}\n"
    ));
}

/// A step that shows names, bytes, bits and links of all that lies in `src`.
fn shows(p: &Project, files: &[(&str, &str)]) {
    let script = "for f in src/*; do printf '%s|' \"$f\"; test -x \"$f\" && printf x; readlink \"$f\"; cat \"$f\"; done > {out}/x; true";
    p.manifest(&step("gen", script, "inputs = [\"src/*\"]\noutputs = [\"{out}/x\"]"));
    for (path, text) in files {
        p.write(path, text);
    }
}

#[test]
fn a07_no_two_steps_that_differ_share_a_key() {
    let two = |a: &'static str, b: &'static str| {
        move |p: &Project| shows(p, &[("src/1", a), ("src/2", b)])
    };
    are_told_apart("where a file ends", two("ab", "c"), two("a", "bc"));
    are_told_apart("which file has which bytes", two("1", "2"), two("2", "1"));
    let one = |path: &'static str, text: &'static str| move |p: &Project| shows(p, &[(path, text)]);
    are_told_apart("where a name ends", one("src/ab", "c"), one("src/a", "bc"));
    are_told_apart("what is a name", one("src/a b", "c"), |p| {
        shows(p, &[("src/a", "c"), ("src/b", "c")]);
    });
    are_told_apart("the executable bit", one("src/a", "1"), |p| {
        shows(p, &[]);
        executable(p, "src/a", "1");
    });
    let link = |target: &'static str| {
        move |p: &Project| {
            shows(p, &[("src/a", "1"), ("src/c", "1")]);
            symlink(target, p.path("src/b")).unwrap();
        }
    };
    are_told_apart("a file and a link", link("a"), |p| {
        shows(p, &[("src/a", "1"), ("src/b", "1"), ("src/c", "1")]);
    });
    are_told_apart("where a link leads", link("a"), link("c"));
    are_told_apart(
        "where an argument ends",
        |p| arguments(p, "\"a b\"", ""),
        |p| arguments(p, "\"a\", \"b\"", ""),
    );
    are_told_apart(
        "an empty argument",
        |p| arguments(p, "\"a\"", ""),
        |p| arguments(p, "\"a\", \"\"", ""),
    );
    are_told_apart(
        "what is quoted",
        |p| arguments(p, "'a\" \"b'", ""),
        |p| arguments(p, "\"a\", \"b\"", ""),
    );
    are_told_apart(
        "where a variable ends",
        |p| arguments(p, "\"a\"", "env = { A = \"1\\nB=2\" }\nplatform = \"any\""),
        |p| arguments(p, "\"b\"", "env = { A = \"1\", B = \"2\" }\nplatform = \"any\""),
    );
    are_told_apart(
        "what is a variable and what an argument",
        |p| arguments(p, "\"a\"", "env = { A = \"1\" }"),
        |p| arguments(p, "\"a\", \"A=1\"", ""),
    );
}
