//! File systems and portability (A54 to A58).

use super::{Entry, assert_same, ends_well, tree};
use crate::project::{Project, Run, project, step};
use crate::sandbox;
use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

/// What `é` is as one character, and as a letter with an accent behind it: names that look the same and are not.
const COMPOSED: &str = "caf\u{e9}";
const DECOMPOSED: &str = "cafe\u{301}";

#[test]
fn a54_names_that_look_the_same_and_names_of_many_lines_keep_their_bytes() {
    let names = [
        COMPOSED,
        DECOMPOSED,
        "two\nlines",
        " spaces ",
        "a'\"\\$`;*?[]{}~#",
        "\u{202e}txt",
        "\t",
        "-n",
    ];
    let p = project(&step(
        "copy",
        "cp -R in gen; cp -R in {out}/in",
        "inputs = [\"in/**\"]\noutputs = [\"gen\", \"{out}/in\"]",
    ));
    for (number, name) in names.iter().enumerate() {
        p.write(&format!("in/{name}"), format!("{number}\n"));
    }
    p.granular("build").success();
    let copied = |dir: &str| tree(&p.path(dir), |_| false);
    let sources = copied("in");
    assert_eq!(sources.len(), names.len());
    for _ in 0..2 {
        assert_same(&copied("gen"), &sources);
        assert_same(&copied("target/granular/out/@workspace/copy/in"), &sources);
        p.remove("target");
        p.remove("gen");
        p.granular("build").success();
    }
    assert_eq!(p.ran(), ["copy"]);
    for name in names {
        p.write(&format!("in/{name}"), "changed\n");
        let told = p.granular("build").success().raw_stderr();
        assert_eq!(p.ran(), ["copy"], "{name:?}");
        assert_eq!(told.lines().count(), 2, "a name never breaks a line: {told:?}");
        assert!(!told.contains('\u{202e}') && !told.contains('\t'), "{told:?}");
        assert_same(&copied("gen"), &copied("in"));
    }
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a54_an_input_whose_name_is_not_text_is_refused_by_name_wherever_a_pattern_meets_it() {
    let not_text = OsStr::from_bytes(b"caf\xe9");
    for below in ["", "deep/er"] {
        for is_dir in [false, true] {
            let p = project(&step("read", "cat in/*", "inputs = [\"in/**\"]\noutputs = []"));
            p.write("in/plain", "");
            p.granular("build").success();
            let place = p.path("in").join(below);
            fs::create_dir_all(&place).unwrap();
            match is_dir {
                false => fs::write(place.join(not_text), "").unwrap(),
                true => {
                    fs::create_dir(place.join(not_text)).unwrap();
                    fs::write(place.join(not_text).join("file"), "").unwrap();
                }
            }
            let told = p.granular("build").code(2).stderr();
            assert!(told.contains("caf\\xe9"), "{told}");
            assert_eq!(p.ran(), ["read"]);
            fs::rename(place.join(not_text), p.root().join(not_text)).unwrap();
            let _ = fs::remove_dir_all(p.path("in/deep"));
            assert!(ends_well(&p).is_empty(), "what no pattern meets is nobody's business");
        }
    }
}

#[test]
fn a54_an_output_whose_name_is_not_text_fails_the_step_and_is_taken_away_before_the_next_run() {
    for dir in ["gen", "{out}"] {
        let script = format!(
            "mkdir -p gen; echo x > {dir}/good; test $(cat in) = good || echo x > {dir}/$(printf 'caf\\351')"
        );
        let p =
            project(&step("gen", &script, &format!("inputs = [\"in\"]\noutputs = [\"{dir}\"]")));
        p.write("in", "bad\n");
        for _ in 0..2 {
            let told = p.granular("build").code(1).stderr();
            assert!(told.contains(&format!("`{dir}/caf\\xe9` is not UTF-8")), "{told}");
        }
        assert_eq!(p.ran(), ["gen", "gen"]);
        p.write("in", "good\n");
        assert_eq!(ends_well(&p), ["gen"]);
    }
}

#[test]
fn a54_a_link_whose_text_is_not_text_is_refused_by_name() {
    let p = project(&step("read", "cat in/plain", "inputs = [\"in/**\"]\noutputs = []"));
    p.write("in/plain", "");
    symlink(OsStr::from_bytes(b"caf\xe9"), p.path("in/link")).unwrap();
    let told = p.granular("build").code(2).stderr();
    assert!(told.contains("in/link"), "{told}");
    p.remove("in/link");
    assert_eq!(ends_well(&p), ["read"]);
}

/// Three steps, of which one leaves files and one is a check.
fn three() -> Project {
    let copy = |name: &str| {
        let more = format!("inputs = [\"{name}.txt\"]\noutputs = [\"{{out}}/x\"]");
        step(name, &format!("cat {name}.txt > {{out}}/x"), &more)
    };
    let lint = step("lint", "echo well", "inputs = [\"a.txt\"]\noutputs = []");
    let p = project(&[copy("a"), copy("b"), lint].concat());
    p.write("a.txt", "a\n").write("b.txt", "b\n");
    p
}

/// The warnings of a run.
fn warnings(run: &Run) -> Vec<String> {
    run.stderr().lines().filter(|line| line.starts_with("warning")).map(str::to_owned).collect()
}

#[test]
fn a55_a_read_only_cache_serves_and_says_once_that_it_keeps_nothing() {
    let p = three();
    let cache = p.cache();
    fs::create_dir(&cache).unwrap();
    let cache = cache.display();
    let Some(read_only) = sandbox::mounts(&format!(
        "mount --bind '{cache}' '{cache}' && mount -o remount,ro,bind '{cache}'"
    )) else {
        return;
    };
    let build = || p.command("build").inside(&read_only).run().success();
    // With nothing in it.
    let run = build();
    assert_eq!(warnings(&run).len(), 1, "{run}");
    assert!(warnings(&run)[0].contains("[ROOT]/cache"), "{run}");
    assert_eq!(p.ran(), ["a", "b", "lint"]);
    assert!(tree(&p.cache(), |_| false).is_empty());
    assert!(ends_well(&p).is_empty());
    // Filled, and as old as can be: a use that could be noted is not.
    p.remove("target");
    p.granular("build").success();
    p.ran();
    for file in tree(&p.cache(), |_| false).into_keys().map(|path| p.cache().join(path)) {
        fs::File::open(file).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    p.remove("target");
    let run = build();
    assert!(warnings(&run).is_empty() && run.stderr().contains("3 restored"), "{run}");
    assert!(p.ran().is_empty());
    p.write("a.txt", "new\n");
    let run = build();
    assert_eq!(warnings(&run).len(), 1, "{run}");
    assert_eq!(p.ran(), ["a", "lint"]);
    // Damaged: it cannot be taken out of the way, and is no hit all the same.
    p.write("a.txt", "a\n");
    for file in tree(&p.cache().join("v1/blobs"), |_| false).into_keys() {
        let file = p.cache().join("v1/blobs").join(file);
        if file.is_file() {
            fs::write(file, "rotten").unwrap();
        }
    }
    p.remove("target");
    build();
    assert_eq!(p.ran(), ["a", "b", "lint"]);
    assert_eq!(p.read_out("a/x"), "a\n");
    p.remove("target");
    p.granular("build").success();
    assert!(ends_well(&p).is_empty());
}

/// What is there where the cache should be and is none, by what it is called.
fn plant_no_cache(kind: &str, place: &Path) {
    match kind {
        "a file" => fs::write(place, "").unwrap(),
        "a link that leads nowhere" => symlink("nowhere", place).unwrap(),
        "a link to itself" => symlink(place, place).unwrap(),
        _ => panic!("{kind}"),
    }
}

const NO_CACHES: [&str; 3] = ["a file", "a link that leads nowhere", "a link to itself"];

#[test]
fn a55_a_place_that_was_named_and_cannot_hold_a_cache_is_a_mistake() {
    for kind in NO_CACHES {
        for below in ["", "deep/er"] {
            let p = three();
            let place = p.root().with_file_name("no-cache");
            plant_no_cache(kind, &place);
            let dir = place.join(below);
            let dir = dir.to_str().unwrap().trim_end_matches('/');
            let setting = format!("[workspace.metadata.granular]\ncache-dir = \"{dir}\"\n");
            let without = p.read("Cargo.toml");
            let by_setting = || {
                p.write("Cargo.toml", format!("{without}\n{setting}"));
                let mut invocation = p.command("build");
                invocation.command.env_remove("GRANULAR_CACHE_DIR");
                let run = invocation.run();
                p.write("Cargo.toml", &without);
                run
            };
            let runs = [
                p.command("build").env("GRANULAR_CACHE_DIR", dir).run(),
                p.command("build --cache-dir").arg(dir).run(),
                by_setting(),
            ];
            for run in runs {
                let told = run.code(2).stderr();
                assert!(
                    told.contains("the cache cannot lie in `[ROOT]/no-cache"),
                    "{kind}: {told}"
                );
            }
            assert!(p.ran().is_empty());
            assert_eq!(ends_well(&p), ["a", "b", "lint"]);
        }
    }
}

#[test]
fn a55_where_the_usual_place_cannot_hold_a_cache_the_build_does_without_and_says_so_once() {
    for kind in NO_CACHES {
        let p = three();
        let place = p.root().with_file_name("home").join(".cache");
        plant_no_cache(kind, &place);
        let build = || {
            let mut invocation = p.command("build");
            invocation.command.env_remove("GRANULAR_CACHE_DIR");
            invocation.run().success()
        };
        for expected in [&["a", "b", "lint"][..], &[], &["a", "lint"]] {
            let run = build();
            assert_eq!(warnings(&run).len(), 1, "{run}");
            assert!(warnings(&run)[0].contains("[ROOT]/home/.cache"), "{run}");
            assert_eq!(p.ran(), expected, "{kind}");
            if expected.is_empty() {
                p.write("a.txt", "new\n");
            }
        }
        assert!(ends_well(&p).is_empty());
    }
}

#[test]
fn a55_without_a_home_the_build_does_without_a_cache_and_says_so_once() {
    let p = three();
    for home in [None, Some(""), Some("relative")] {
        let mut invocation = p.command("build");
        invocation.command.env_remove("HOME").env_remove("GRANULAR_CACHE_DIR");
        invocation.command.envs(home.map(|home| ("HOME", home)));
        let run = invocation.run().success();
        assert_eq!(warnings(&run).len(), 1, "{run}");
        assert!(warnings(&run)[0].contains("HOME"), "{run}");
    }
    assert_eq!(p.ran(), ["a", "b", "lint"]);
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a55_a_cache_that_may_not_be_read_costs_runs_and_is_told_once() {
    let p = three();
    let Some(bound) = sandbox::bound_by_permissions() else { return };
    p.granular("build").success();
    p.ran();
    for dir in ["", "v1", "v1/results", "v1/blobs"] {
        let set = |mode| {
            let dir = p.cache().join(dir);
            fs::set_permissions(dir, fs::Permissions::from_mode(mode)).unwrap();
        };
        p.remove("target");
        set(0o000);
        let run = p.command("build").inside(&bound).run().success();
        set(0o700);
        assert!(
            (1..=2).contains(&warnings(&run).len()),
            "one for reading and one for writing: {run}"
        );
        assert!(warnings(&run).iter().all(|line| line.contains("`[ROOT]/cache`")), "{run}");
        assert_eq!(p.ran(), ["a", "b", "lint"], "{dir}");
        assert!(ends_well(&p).is_empty());
    }
}

#[test]
fn a55_cache_target_directory_and_workspace_may_lie_on_different_file_systems() {
    let p = project(&step(
        "gen",
        "mkdir -p gen/sub; cat in > gen/sub/x; cp in gen/tool; chmod +x gen/tool; ln -s sub/x gen/link; cat in > {out}/x",
        "inputs = [\"in\"]\noutputs = [\"gen\", \"{out}\"]",
    ));
    p.write("in", "1\n");
    fs::create_dir(p.cache()).unwrap();
    fs::create_dir(p.path("target")).unwrap();
    let mount = |dir: &Path| format!("mount --bind '{0}' '{0}'", dir.display());
    let (cache, target) = (mount(&p.cache()), mount(&p.path("target")));
    let wheres = [cache.clone(), target.clone(), format!("{cache} && {target}")];
    let mut expected = vec!["gen"];
    for commands in wheres {
        let Some(apart) = sandbox::mounts(&commands) else { return };
        let build = || p.command("build").inside(&apart).run().success();
        let version = p.read("in");
        build();
        assert_eq!(p.ran(), expected);
        p.write("gen/mine", "mine\n");
        build();
        assert_eq!(p.read("target/granular/displaced/gen/mine"), "mine\n");
        let made = tree(&p.path("gen"), |_| false);
        for gone in [&["gen"][..], &["target/granular", "gen"], &["target/granular"]] {
            gone.iter().for_each(|gone| p.remove(gone));
            build();
            assert_same(&tree(&p.path("gen"), |_| false), &made);
        }
        assert!(p.ran().is_empty());
        p.write("in", format!("{version}more\n"));
        build();
        p.write("in", &version);
        build();
        assert_same(&tree(&p.path("gen"), |_| false), &made);
        p.ran();
        assert!(ends_well(&p).is_empty());
        expected.clear();
        p.remove("target/granular");
    }
}

#[test]
fn a55_a_cache_in_memory_is_a_cache() {
    let p = three();
    let memory = Path::new("/dev/shm");
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    if device(memory).is_none_or(|device_there| Some(device_there) == device(p.root())) {
        return sandbox::could_not_run("there is no other file system at /dev/shm");
    }
    let cache = memory.join(p.root().parent().unwrap().file_name().unwrap());
    let build = || {
        p.command("build").env("GRANULAR_CACHE_DIR", cache.to_str().unwrap()).run().success();
    };
    build();
    p.remove("target");
    build();
    assert_eq!(p.ran(), ["a", "b", "lint"]);
    p.command("verify").env("GRANULAR_CACHE_DIR", cache.to_str().unwrap()).run().success();
    fs::remove_dir_all(cache).unwrap();
    assert!(ends_well(&p).is_empty());
}

/// A step that leaves a program among other things, all of it locked as long as a file outside of the workspace says so.
fn locked() -> Project {
    let p = project(&step(
        "gen",
        "mkdir -p gen/sub {out}/sub; for top in gen {out}; do cat in > $top/sub/x; cp $(command -v sleep) $top/sub/prog; \
         test ! -e ../lock || { chmod 0444 $top/sub/x; chmod 0555 $top/sub/prog $top/sub $top; }; done",
        "inputs = [\"in\"]\noutputs = [\"gen\", \"{out}\"]",
    ));
    p.write("in", "1\n");
    fs::write(p.root().with_file_name("lock"), "").unwrap();
    p
}

#[test]
fn a56_read_only_outputs_in_read_only_directories_are_replaced() {
    let p = locked();
    let Some(bound) = sandbox::bound_by_permissions() else { return };
    let build = |version: &str, expected: &[&str]| {
        p.write("in", version);
        p.command("build").inside(&bound).run().success();
        assert_eq!(p.ran(), expected);
        assert_eq!(
            (p.read("gen/sub/x"), p.read_out("gen/sub/x")),
            (version.into(), version.into())
        );
        // As locked as a run leaves it.
        for top in ["gen", "target/granular/out/@workspace/gen"] {
            for (path, mode) in [("sub/x", 0o444), ("sub/prog", 0o555), ("sub", 0o555), ("", 0o555)]
            {
                let path = p.path(top).join(path);
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
    };
    build("1\n", &["gen"]);
    build("2\n", &["gen"]);
    build("1\n", &[]);
    build("2\n", &[]);
    p.write("in", "3\n");
    fs::remove_file(p.root().with_file_name("lock")).unwrap();
    p.command("build").inside(&bound).run().success();
    p.ran();
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a56_a_running_program_and_an_open_file_are_replaced_and_keep_what_they_had() {
    let p = locked();
    fs::remove_file(p.root().with_file_name("lock")).unwrap();
    // The program itself changes, so that it has to be replaced.
    let script =
        p.read("Cargo.toml").replace("$top/sub/prog;", "$top/sub/prog; cat in >> $top/sub/prog;");
    p.write("Cargo.toml", script);
    p.granular("build").success();
    p.ran();
    for top in ["gen", "target/granular/out/@workspace/gen"] {
        for (version, runs) in [("2\n", true), ("1\n", false)] {
            p.write("in", version);
            let before = fs::read(p.path(top).join("sub/x")).unwrap();
            let mut reader = fs::File::open(p.path(top).join("sub/x")).unwrap();
            let mut running =
                Command::new(p.path(top).join("sub/prog")).arg("600").spawn().unwrap();
            let run = p.granular("build");
            let still = running.try_wait().unwrap().is_none();
            running.kill().unwrap();
            running.wait().unwrap();
            run.success();
            assert!(still, "it runs on");
            let mut read = Vec::new();
            reader.read_to_end(&mut read).unwrap();
            assert_eq!(read, before, "who has it open reads on");
            assert_eq!(fs::read(p.path(top).join("sub/x")).unwrap(), version.as_bytes());
            assert_eq!(p.ran().is_empty(), !(runs && top == "gen"));
        }
    }
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a57_names_that_differ_in_case_only_are_two_inputs_and_two_outputs() {
    let p = project(&step(
        "copy",
        "mkdir -p gen; cp in/Foo gen/Foo; cp in/foo gen/foo; cp in/Foo {out}/X; cp in/foo {out}/x",
        "inputs = [\"in/*\"]\noutputs = [\"gen\", \"{out}/X\", \"{out}/x\"]",
    ));
    p.write("in/Foo", "upper\n").write("in/foo", "lower\n");
    if fs::read(p.path("in/Foo")).unwrap() == b"lower\n" {
        return sandbox::could_not_run("the file system folds the case of names");
    }
    p.granular("build").success();
    p.ran();
    for gone in [&["gen"][..], &["gen/foo"], &["target", "gen"]] {
        gone.iter().for_each(|gone| p.remove(gone));
        p.granular("build").success();
        assert_eq!((p.read("gen/Foo"), p.read("gen/foo")), ("upper\n".into(), "lower\n".into()));
        assert_eq!(
            (p.read_out("copy/X"), p.read_out("copy/x")),
            ("upper\n".into(), "lower\n".into())
        );
    }
    assert!(p.ran().is_empty());
    for name in ["in/Foo", "in/foo"] {
        p.write(name, "changed\n");
        p.granular("build").success();
        assert_eq!(p.ran(), ["copy"], "{name}");
    }
    assert!(ends_well(&p).is_empty());
}

/// Another checkout, in a file system where case does not count, and what a program is run in to see it.
fn folded(p: &Project) -> Option<(Project, Vec<String>)> {
    let (backing, folded) = (p.checkout("backing"), p.checkout("folded"));
    let inside = sandbox::folding(backing.root(), folded.root())?;
    Some((folded, inside))
}

#[test]
fn a57_where_case_does_not_count_a_result_with_colliding_names_is_refused_and_stays_what_it_is() {
    let p = project(
        &[
            step(
                "two",
                "mkdir -p gen; cat in > gen/Foo; echo lower > gen/foo",
                "inputs = [\"in\"]\noutputs = [\"gen\"]",
            ),
            step(
                "dirs",
                "mkdir -p {out}/Sub {out}/sub; echo A > {out}/Sub/a; cat in > {out}/sub/b",
                "inputs = [\"in\"]\noutputs = [\"{out}\"]",
            ),
            step("one", "cat in > {out}/x", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]"),
        ]
        .concat(),
    );
    p.write("in", "upper\n");
    let Some((folded, inside)) = folded(&p) else { return };
    p.granular("build").success();
    assert_eq!(p.ran(), ["dirs", "one", "two"]);
    let cache = || tree(&p.cache(), |_| false);
    let kept = cache();
    let build = || folded.command("build").inside(&inside).run().success().stderr();
    folded.ran();
    let told = build();
    assert!(told.contains("`gen/Foo` and `gen/foo` are the same name here"), "{told}");
    assert!(told.contains("`{out}/Sub` and `{out}/sub` are the same name here"), "{told}");
    assert!(told.contains("Restored #one"), "{told}");
    assert_eq!(folded.ran(), ["dirs", "two"]);
    build();
    assert!(folded.ran().is_empty(), "what came of it is fresh");
    let now = cache();
    let results = |tree: &super::Tree| {
        let results = tree.clone().into_iter().filter(|(path, _)| path.starts_with("v1/results"));
        results.collect::<super::Tree>()
    };
    assert_same(&results(&now), &results(&kept));
    // Where case counts the cache still gives both.
    p.remove("gen");
    p.remove("target");
    p.granular("build").success();
    assert_eq!((p.read("gen/Foo"), p.read("gen/foo")), ("upper\n".into(), "lower\n".into()));
    p.ran();
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a57_where_case_does_not_count_outputs_that_are_declared_by_colliding_names_fail_the_step() {
    let p = project(&step(
        "two",
        "cat in > {out}/X; echo x > {out}/x",
        "inputs = [\"in\"]\noutputs = [\"{out}/X\", \"{out}/x\"]",
    ));
    p.write("in", "upper\n");
    let Some((folded, inside)) = folded(&p) else { return };
    let told = folded.command("build").inside(&inside).run().code(1).stderr();
    assert!(told.contains("the outputs `{out}/X` and `{out}/x` are the same file here"), "{told}");
    assert!(!p.cache().join("v1/results").exists(), "nothing is kept");
    p.ran();
    assert_eq!(ends_well(&p), ["two"]);
}

/// What the system says where a file system has no locks: a network one without its lock daemon, and one that knows none.
const NO_LOCKS: [&str; 2] = ["ENOLCK", "EOPNOTSUPP"];

#[test]
fn a58_a_checkout_that_cannot_be_locked_is_refused_and_the_way_out_is_told() {
    let p = three();
    for error in NO_LOCKS {
        let Some(without_locks) = sandbox::failing("flock", error) else { return };
        for command in ["build", "test", "clean", "reproduce a"] {
            let told = p.command(command).inside(&without_locks).run().code(3).stderr();
            assert!(told.contains("cannot lock `[ROOT]/workspace/target/granular/lock`"), "{told}");
            assert!(told.contains("--target-dir"), "{told}");
        }
        // Two at once could mix: neither goes on.
        let builds: Vec<_> = (0..4)
            .map(|_| {
                let mut build = p.command("build").inside(&without_locks).command;
                build.stderr(Stdio::null()).spawn().unwrap()
            })
            .collect();
        for mut build in builds {
            assert_eq!(build.wait().unwrap().code(), Some(3));
        }
        assert!(p.ran().is_empty(), "{error}");
        // What needs no lock works.
        p.command("build -n").inside(&without_locks).run().success();
    }
    assert_eq!(ends_well(&p), ["a", "b", "lint"]);
}

#[test]
fn a58_a_cache_without_locks_is_collected_all_the_same_and_never_gives_a_wrong_byte() {
    for error in NO_LOCKS {
        let Some(without_locks) = sandbox::failing("flock", error) else { return };
        let p = three();
        let text = |number: usize| format!("{number}\n").repeat(2000);
        for number in 0..4 {
            p.write("a.txt", text(number)).write("b.txt", text(number + 100));
            p.granular("build").success();
        }
        let size = || {
            let files = tree(&p.cache(), |_| false).into_values();
            files
                .map(|entry| if let Entry::File { bytes, .. } = entry { bytes.len() } else { 0 })
                .sum::<usize>()
        };
        let before = size();
        p.command("gc --max-size 30KB").inside(&without_locks).run().success();
        assert!(size() <= 30_000 && before > 30_000, "{before}, then {}", size());
        p.granular("verify").success();

        // Several collections at once, beside builds of two checkouts.
        let other = p.checkout("other");
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..6 {
                        p.command("gc --max-size 20KB").inside(&without_locks).run().success();
                    }
                });
            }
            for checkout in [&p, &other] {
                let text = &text;
                scope.spawn(move || {
                    for number in [0, 1, 2, 0, 1, 2] {
                        checkout.write("a.txt", text(number));
                        checkout.granular("build").success();
                        assert_eq!(checkout.read_out("a/x"), text(number));
                    }
                });
            }
        });
        assert!(ends_well(&p).is_empty());
        ends_well(&other);
    }
}
