//! Outputs: what is captured, and what is put back (A11 to A20).

use super::{Entry, Tree, assert_same, ends_well, equals_a_clean_build, tree};
use crate::project::{Project, project, step};
use insta::assert_snapshot;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Everything below a directory of the workspace.
fn below(p: &Project, dir: &str) -> Tree {
    tree(&p.path(dir), |_| false)
}

/// What the cache keeps.
fn kept(p: &Project) -> Vec<PathBuf> {
    let kept = tree(&p.cache(), |_| false).into_iter();
    kept.filter(|(_, entry)| *entry != Entry::Directory).map(|(path, _)| path).collect()
}

#[test]
fn a11_what_an_earlier_version_left_is_gone_and_nothing_else_is() {
    let script = r#"read v < in; mkdir -p dist; case $v in
        1) echo a1 | tee dist/a > {out}/a; echo b1 | tee dist/b > {out}/b;;
        2) echo a2 | tee dist/a > {out}/a;;
        3) mkdir dist/c {out}/c; echo d3 | tee dist/c/d > {out}/c/d;;
    esac"#;
    let p = project(&step("gen", script, "inputs = [\"in\"]\noutputs = [\"dist\", \"{out}\"]"));
    p.write("dist-notes", "mine\n").write("src/keep", "mine\n");
    for version in ["1", "2", "3", "1", "2", "1", "3"] {
        p.write("in", format!("{version}\n"));
        p.granular("build").success();
        equals_a_clean_build(&p);
        let names: Vec<_> = below(&p, "dist").into_keys().collect();
        let expected: &[&str] = match version {
            "1" => &["a", "b"],
            "2" => &["a"],
            _ => &["c", "c/d"],
        };
        assert_eq!(names, expected.iter().map(Path::new).collect::<Vec<_>>());
    }
    assert_eq!(p.ran(), ["gen", "gen", "gen"], "all but the first three were restored");
    assert!(ends_well(&p).is_empty());
}

/// A tool that writes `NAME.js` for each `NAME.ts` that its state does not say it has written; in the manner of incremental compilers.
fn incremental(state: &str, outputs: &str) -> Project {
    let script = format!(
        "mkdir -p dist; touch {state}; for name in a b; do grep -qx $name {state} || \
         {{ cat $name.ts > dist/$name.js; echo $name >> {state}; }}; done"
    );
    let more = format!("inputs = [\"*.ts\", \"other\"]\noutputs = [{outputs}]");
    let p = project(&step("tsc", &script, &more));
    p.write("a.ts", "a\n").write("b.ts", "b\n").write("other", "1\n");
    p
}

#[test]
fn a12_state_that_a_tool_keeps_among_its_outputs_is_cleared_with_them() {
    for (state, outputs) in
        [("dist/.state", "\"dist\""), (".state", "\"dist/a.js\", \"dist/b.js\", \".state\"")]
    {
        let p = incremental(state, outputs);
        p.granular("build").success();
        p.remove("dist/a.js");
        p.write("other", "2\n");
        p.granular("build").success();
        assert_eq!((p.read("dist/a.js"), p.read("dist/b.js")), ("a\n".into(), "b\n".into()));
        assert_eq!(p.ran(), ["tsc", "tsc"]);
        assert!(ends_well(&p).is_empty());
    }
}

#[test]
fn a12_an_output_that_hidden_state_makes_a_tool_skip_fails_the_step_and_is_not_kept() {
    let p = incremental(".state", "\"dist/a.js\", \"dist/b.js\"");
    p.granular("build").success();
    let before = kept(&p);
    p.remove("dist/a.js");
    p.write("other", "2\n");
    for _ in 0..2 {
        let told = p.granular("build").code(1).stderr();
        assert!(told.contains("the declared output `dist/a.js` is not there"), "{told}");
    }
    assert_eq!(p.ran(), ["tsc", "tsc", "tsc"]);
    assert_eq!(kept(&p), before);
    // What there was before is still a hit.
    p.write("other", "1\n");
    p.granular("build").success();
    assert_eq!(p.read("dist/a.js"), "a\n");
    // And with its state declared the tool is right.
    let declared = p.read("Cargo.toml").replace("\"dist/b.js\"", "\"dist/b.js\", \".state\"");
    p.write("Cargo.toml", declared).write("other", "3\n");
    assert_eq!(ends_well(&p), ["tsc"]);
}

#[test]
fn a13_duplicates_empty_files_and_empty_directories_all_come_back() {
    let script = r"for top in dist {out}; do
            mkdir -p $top/x $top/y $top/z/deep $top/empty/er $top/only; : > $top/nothing; : > $top/z/nothing
            for dir in x y z/deep; do echo same > $top/$dir/f; done
            echo same > $top/x/tool; chmod +x $top/x/tool; ln -s ../x/f $top/y/link; ln -s x $top/dir
        done; rmdir dist/only; echo no > {out}/only/excluded; ln -s nowhere dist/dangling";
    let outputs =
        r#"outputs = ["dist", "{out}/[xyz]", "{out}/empty", "{out}/nothing", "{out}/dir"]"#;
    let p = project(&step("gen", script, &format!("inputs = [\"in\"]\n{outputs}")));
    p.write("in", "");
    let told = p.granular("build").success().stderr();
    assert!(told.contains("`{out}/only/excluded`"), "what is not declared is named: {told}");
    let out = "target/granular/out/@workspace/gen";
    let (dist, made) = (below(&p, "dist"), below(&p, out));
    assert_eq!((dist.len(), made.len()), (15, 14), "{:?} {:?}", dist.keys(), made.keys());
    assert!(!p.path(out).join("only").exists(), "a directory with nothing declared in it");
    let alike = |tree: &Tree| {
        tree.values()
            .filter(|entry| matches!(entry, Entry::File { bytes, .. } if bytes == b"same\n"))
            .count()
    };
    assert_eq!((alike(&dist), alike(&made)), (4, 4));
    for gone in [&["dist"][..], &[out], &["dist/x/f", "dist/empty"], &["dist", "target"]] {
        gone.iter().for_each(|gone| p.remove(gone));
        p.granular("build").success();
        assert_same(&below(&p, "dist"), &dist);
        assert_same(&below(&p, out), &made);
    }
    assert_eq!(p.ran(), ["gen"]);
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a13_the_output_directory_of_a_step_that_leaves_nothing_in_it_is_there_after_a_restore_as_well() {
    let p = project(
        &[
            step("check", "cat in", "inputs = [\"in\"]\noutputs = []"),
            step(
                "list",
                "ls $GRANULAR_OUT_CHECK",
                "inputs = []\noutputs = []\nneeds = [\"check\"]",
            ),
        ]
        .concat(),
    );
    p.write("in", "");
    p.granular("build check").success();
    p.remove("target");
    p.granular("build").success();
    assert_eq!(p.ran(), ["check", "list"]);
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a14_a_restored_file_is_a_file_of_its_own() {
    // Larger than what goes through memory, and smaller.
    let script =
        "seq 100000 > gen/large; echo small > gen/small; cp gen/small gen/tool; chmod +x gen/tool";
    let p = project(&step(
        "gen",
        &format!("mkdir -p gen; {script}"),
        "inputs = []\noutputs = [\"gen\"]",
    ));
    p.granular("build").success();
    let made = below(&p, "gen");
    for spoil in 0..4 {
        p.remove("gen");
        p.granular("build").success();
        for name in ["large", "small", "tool"] {
            let path = p.path("gen").join(name);
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!(metadata.nlink(), 1, "{name}");
            assert_eq!(metadata.mode() & 0o600, 0o600, "{name} can be written by its user");
            let mut file = fs::File::options().append(true).open(&path).unwrap();
            match spoil {
                0 => file.write_all(b"x").unwrap(),
                1 => file.set_len(3).unwrap(),
                2 => fs::write(&path, "over").unwrap(),
                _ => {
                    let mut sed = Command::new("sed");
                    assert!(sed.args(["-i", "s/./X/"]).arg(&path).status().unwrap().success());
                }
            }
        }
        let other = p.checkout(&format!("other-{spoil}"));
        other.remove("gen");
        other.granular("build").success();
        assert_same(&below(&other, "gen"), &made);
        p.granular("verify").success();
    }
    assert_eq!(p.ran(), ["gen"]);
    assert!(ends_well(&p).is_empty());
    assert_same(&below(&p, "gen"), &made);
}

#[test]
fn a15_a_link_that_leads_out_fails_the_step_and_nothing_is_kept() {
    for (dir, shown) in [("gen", "gen"), ("{out}", "{out}")] {
        let script = format!(
            "mkdir -p gen; echo x > {dir}/file; ln -s /etc/hostname {dir}/one; ln -s ../../../x {dir}/two; \
             ln -s file {dir}/good"
        );
        let p = project(&step("gen", &script, &format!("inputs = []\noutputs = [\"{dir}\"]")));
        for _ in 0..2 {
            let told = p.granular("build").code(1).stderr();
            for (link, target) in [("one", "/etc/hostname"), ("two", "../../../x")] {
                let sentence = format!("the output `{shown}/{link}` is a link to `{target}`");
                assert!(told.contains(&sentence), "{told}");
            }
            assert!(!told.contains("good` is a link"), "{told}");
        }
        assert_eq!(p.ran(), ["gen", "gen"]);
        assert!(kept(&p).is_empty(), "{:?}", kept(&p));
        let good =
            p.read("Cargo.toml").replace("/etc/hostname", "./file").replace("../../../x", "good");
        p.write("Cargo.toml", good);
        assert_eq!(ends_well(&p), ["gen"]);
        p.remove("target");
        assert!(ends_well(&p).is_empty());
    }
}

/// A check that reads what is below `in` and what `inputs` say.
fn reads(inputs: &str) -> Project {
    project(&step(
        "read",
        "find -L in -type f | sort | xargs cat > {out}/x 2> /dev/null; true",
        &format!("inputs = [{inputs}]\noutputs = [\"{{out}}/x\"]"),
    ))
}

#[test]
fn a16_a_link_counts_with_its_text_and_with_the_bytes_that_it_leads_to() {
    let p = reads("\"in/**\"");
    p.write("data/one", "1\n")
        .write("data/two", "1\n")
        .write("data/dir/x", "x\n")
        .write("in/plain", "");
    symlink("../data/one", p.path("in/link")).unwrap();
    symlink("../data/dir", p.path("in/dir")).unwrap();
    symlink("nowhere", p.path("in/dangling")).unwrap();
    p.granular("build").success();
    let relink = |to: &str, link: &str| {
        p.remove(link);
        symlink(to, p.path(link)).unwrap();
    };
    let changes: [(&str, &dyn Fn()); 6] = [
        ("the bytes of what a link leads to", &|| {
            p.write("data/one", "2\n");
        }),
        ("a file below a link to a directory", &|| {
            p.write("data/dir/x", "y\n");
        }),
        ("another file below it", &|| {
            p.write("data/dir/z", "");
        }),
        ("the text of a link, to equal bytes", &|| {
            p.write("data/two", "2\n");
            relink("../data/two", "in/link");
        }),
        ("a link that leads nowhere", &|| relink("nowhere-else", "in/dangling")),
        ("a file in place of a link with the same bytes", &|| {
            p.remove("in/link");
            p.write("in/link", "2\n");
        }),
    ];
    p.ran();
    for (what, change) in changes {
        change();
        p.granular("build").success();
        assert_eq!(p.ran(), ["read"], "{what}");
        p.granular("build").success();
        assert!(p.ran().is_empty(), "{what}");
    }
    p.write("data/three", "unread\n");
    assert!(ends_well(&p).is_empty(), "what no link leads to does not count");
}

#[test]
fn a16_links_in_a_circle_come_to_an_end() {
    let p = reads("\"in/**\"");
    p.write("in/a/b/file", "1\n");
    symlink("..", p.path("in/a/up")).unwrap();
    symlink("../..", p.path("in/a/b/further-up")).unwrap();
    symlink("itself", p.path("in/itself")).unwrap();
    symlink("pong", p.path("in/ping")).unwrap();
    symlink("ping", p.path("in/pong")).unwrap();
    p.granular("build").success();
    p.write("in/a/b/file", "2\n");
    p.granular("build").success();
    p.granular("build").success();
    assert_eq!(p.ran(), ["read", "read"]);
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a16_a_link_out_of_the_workspace_is_followed_where_a_pattern_names_it_and_refused_elsewhere() {
    let p = reads("\"in/**\"");
    let outside = p.root().with_file_name("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("data"), "1\n").unwrap();
    p.write("in/plain", "");
    for (link, target) in [("file", "../../outside/data"), ("dir", "../../outside")] {
        let link = format!("in/{link}");
        symlink(target, p.path(&link)).unwrap();
        let told = p.granular("build").code(2).stderr();
        assert!(told.contains(&link) && told.contains(target), "{told}");
        assert!(p.ran().is_empty());
        let named = p.read("Cargo.toml").replace("\"in/**\"", &format!("\"in/**\", \"{link}\""));
        let wildcard = p.read("Cargo.toml");
        p.write("Cargo.toml", named);
        for round in 0..2 {
            fs::write(outside.join("data"), format!("{link} {round}\n")).unwrap();
            p.granular("build").success();
            p.granular("build").success();
            assert_eq!(p.ran(), ["read"], "{link}");
            assert_eq!(p.read_out("read/x"), format!("{link} {round}\n"));
        }
        assert!(ends_well(&p).is_empty());
        p.remove(&link);
        p.write("Cargo.toml", wildcard);
    }
}

/// Puts something else where the outputs of a step were.
type Plant<'a> = &'a dyn Fn(&Path);

/// A step that leaves `dist/run/x` and `{out}/run/x`, built at 1, 2 and 3.
fn planted(outputs: &str) -> Project {
    let script = "for top in dist {out}; do mkdir -p $top/run; cat in > $top/run/x; done";
    let p = project(&step("gen", script, &format!("inputs = [\"in\"]\noutputs = [{outputs}]")));
    p.write("src/x", "mine\n").write("src/run/x", "mine\n").write("in", "2");
    p.granular("build").success();
    p.write("in", "1");
    p.granular("build").success();
    p.ran();
    p
}

#[test]
fn a17_what_was_planted_in_place_of_an_output_is_replaced_and_not_followed() {
    let p = planted("\"dist\", \"{out}\"");
    let out = "target/granular/out/@workspace/gen";
    let sources = below(&p, "src");
    let to_sources = p.path("src");
    let plants: [(&str, Plant<'_>); 6] = [
        ("a link to a directory", &|top| {
            fs::remove_dir_all(top.join("run")).unwrap();
            symlink(&to_sources, top.join("run")).unwrap();
        }),
        ("a link in place of all", &|top| {
            fs::remove_dir_all(top).unwrap();
            symlink(&to_sources, top).unwrap();
        }),
        ("a link to a file", &|top| {
            fs::remove_file(top.join("run/x")).unwrap();
            symlink(to_sources.join("x"), top.join("run/x")).unwrap();
        }),
        ("a file in place of a directory", &|top| {
            fs::remove_dir_all(top.join("run")).unwrap();
            fs::write(top.join("run"), "planted").unwrap();
        }),
        ("a file in place of all", &|top| {
            fs::remove_dir_all(top).unwrap();
            fs::write(top, "planted").unwrap();
        }),
        ("a directory in place of a file", &|top| {
            fs::remove_file(top.join("run/x")).unwrap();
            fs::create_dir_all(top.join("run/x/more")).unwrap();
            fs::write(top.join("run/x/more/y"), "planted").unwrap();
        }),
    ];
    // Restored where it was; restored another version; and run.
    let mut fresh_version = 3;
    for (what, plant) in plants {
        for top in ["dist", out] {
            for (version, runs) in [("1", 0), ("2", 0), ("new", 1)] {
                plant(&p.path(top));
                fresh_version += 1;
                let text =
                    if version == "new" { fresh_version.to_string() } else { version.to_owned() };
                p.write("in", &text);
                p.granular("build").success();
                assert_eq!(p.ran().len(), runs, "{what} {top} {version}");
                for top in ["dist", out] {
                    let made = below(&p, top);
                    let file = Entry::File { executable: false, bytes: text.clone().into() };
                    let expected = [("run".into(), Entry::Directory), ("run/x".into(), file)];
                    assert_same(&made, &expected.into_iter().collect());
                    assert!(!p.path(top).is_symlink(), "{what} {top}");
                }
                assert_same(&below(&p, "src"), &sources);
                p.write("in", "1");
                p.granular("build").success();
                p.ran();
            }
        }
    }
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a17_a_link_on_the_way_to_an_output_that_is_not_itself_one_is_named_and_left_alone() {
    let p = planted("\"dist/run/x\", \"{out}\"");
    let sources = below(&p, "src");
    p.remove("dist/run");
    symlink("../src", p.path("dist/run")).unwrap();
    for version in ["1", "2", "3"] {
        p.write("in", version);
        let told = p.granular("build").code(3).stderr();
        assert!(told.contains("dist/run` is a symbolic link"), "{told}");
        assert_same(&below(&p, "src"), &sources);
        assert_eq!(fs::read_link(p.path("dist/run")).unwrap(), Path::new("../src"));
    }
    assert!(p.ran().is_empty(), "nothing may be written there, so nothing is run");
    p.remove("dist/run");
    assert_eq!(ends_well(&p), ["gen"]);
    assert_same(&below(&p, "src"), &sources);
}

#[test]
fn a18_a_declared_output_that_is_not_there_is_a_failure_each_time() {
    for (outputs, missing) in [
        ("\"{out}/a\", \"{out}/b\"", "{out}/b"),
        ("\"{out}/a\", \"{out}/*.js\"", "{out}/*.js"),
        ("\"gen/a\", \"gen/b\"", "gen/b"),
        ("\"{out}/a\", \"gen/sub\"", "gen/sub"),
    ] {
        let half = "mkdir -p gen; echo a | tee gen/a > {out}/a; true";
        let p = project(
            &[
                step("half", half, &format!("inputs = []\noutputs = [{outputs}]")),
                step("behind", "true", "inputs = []\noutputs = []\nneeds = [\"half\"]"),
            ]
            .concat(),
        );
        for _ in 0..2 {
            let told = p.granular("build").code(1).stderr();
            let sentence = format!("the declared output `{missing}` is not there");
            assert!(told.contains("Failed #half") && told.contains(&sentence), "{told}");
            assert!(told.contains("1 step failed: #half (1 skipped)"), "{told}");
        }
        assert_eq!(p.ran(), ["half", "half"]);
        assert!(p.granular("build -n").success().stdout().contains("Would run #half"));
        let whole = "mkdir gen/sub; echo b | tee gen/b > {out}/b; echo js > {out}/x.js\"";
        p.write("Cargo.toml", p.read("Cargo.toml").replacen("true\"", whole, 1));
        assert_eq!(ends_well(&p), ["behind", "half"]);
    }
}

#[test]
fn a18_what_is_told_of_a_missing_output() {
    let p = project(&step(
        "half",
        "echo a > {out}/a",
        "inputs = []\noutputs = [\"{out}/a\", \"{out}/b\"]",
    ));
    assert_snapshot!(p.granular("build").code(1), @r#"
    ---- stderr
          Failed #half after [ELAPSED]: the declared output `{out}/b` is not there

      outputs:  the declared output `{out}/b` is not there
      repeat:   cd [ROOT]/workspace && sh -c 'echo half >> "$LOG"; echo a > [ROOT]/workspace/target/granular/out/@workspace/half/a'

    error: 1 step failed: #half
    [exit code: 1]
    "#);
}

#[test]
fn a19_a_failure_is_never_kept_and_what_it_half_wrote_feeds_nobody() {
    for dir in ["{out}", "gen"] {
        let script = format!(
            "mkdir -p gen; read v < in; echo first-$v > {dir}/a; test $v != bad || exit 3; echo second-$v > {dir}/b"
        );
        let outputs = format!("inputs = [\"in\"]\noutputs = [\"{dir}/a\", \"{dir}/b\"]");
        let from = if dir == "gen" { "gen" } else { "{needs.gen.out}" };
        let p = project(
            &[
                step("gen", &script, &outputs),
                step(
                    "use",
                    &format!("cat {from}/a {from}/b > {{out}}/x"),
                    "inputs = []\noutputs = [\"{out}/x\"]\nneeds = [\"gen\"]",
                ),
            ]
            .concat(),
        );
        p.write("in", "1\n");
        assert_eq!(ends_well(&p), ["gen", "use"]);
        let good = kept(&p);
        p.write("in", "bad\n");
        for _ in 0..2 {
            let told = p.granular("build").code(1).stderr();
            assert!(told.contains("Failed #gen") && told.contains("exit code 3"), "{told}");
            assert!(told.contains("1 step failed: #gen (1 skipped)"), "{told}");
            assert_eq!(p.ran(), ["gen"]);
            assert!(p.granular("build -n").success().stdout().contains("Would run #gen"));
            assert_eq!(p.read_out("use/x"), "first-1\nsecond-1\n");
        }
        assert_eq!(kept(&p), good);
        p.write("in", "1\n");
        assert!(ends_well(&p).is_empty(), "the earlier version is whole again");
        p.write("in", "bad\n");
        p.granular("build").code(1);
        p.write("in", "2\n");
        assert_eq!(ends_well(&p), ["gen", "use"]);
        assert_eq!(p.read_out("use/x"), "first-2\nsecond-2\n");
    }
}

#[test]
fn a19_what_fails_without_a_change_of_its_key_runs_until_it_passes() {
    let p = project(&step(
        "flaky",
        "echo half > {out}/x; test -e ok",
        "inputs = []\noutputs = [\"{out}/x\"]",
    ));
    p.granular("build").code(1);
    p.granular("build").code(1);
    assert_eq!(p.ran(), ["flaky", "flaky"]);
    p.write("ok", "");
    assert_eq!(ends_well(&p), ["flaky"]);
}

/// What the check prints, on both streams in turn: colours, bytes that are no text, an overwritten line, a control sequence, no newline at the end.
const PRINTED: &[u8] =
    b"one\n\x1b[31mtwo\x1b[0m\nthree \xff\xfe\x00.\n10%\r99%\nfour\x1b[2J\x1b]0;title\x07\nfive";

fn lint() -> Project {
    let script = r"printf 'one\n'; printf '\033[31mtwo\033[0m\n' >&2; printf 'three \377\376\000.\n'; printf '10%%\r99%%\n' >&2;
        printf 'four\033[2J\033]0;title\007\n'; printf five; test $(cat in) != bad || exit 3";
    let p = project(&step("lint", script, "inputs = [\"in\"]\noutputs = []"));
    p.write("in", "1\n");
    p
}

#[test]
fn a20_the_log_of_a_check_comes_back_byte_for_byte_and_is_shown_made_safe() {
    let p = lint();
    let log = || fs::read(p.path("target/granular/logs/#lint.log")).unwrap();
    let shown = "one\ntwo\nthree \u{fffd}\u{fffd}.\n99%\nfour\nfive\n";
    let told = p.granular("build").success().raw_stderr();
    assert!(told.contains(shown), "{told:?}");
    assert_eq!(log(), PRINTED);
    for other in ["2\n", "bad\n", "gone"] {
        match other {
            "gone" => p.remove("target"),
            other => {
                p.write("in", other);
                let run = p.granular("build");
                if other == "bad\n" {
                    run.code(1)
                } else {
                    run.success()
                };
                assert_eq!(p.ran().last().unwrap(), "lint");
            }
        }
        p.write("in", "1\n");
        let run = p.granular("build").success();
        assert_eq!(run.raw_stdout(), "", "what steps print never is an answer");
        let told = run.raw_stderr();
        assert!(told.contains("Restored #lint (from local cache"), "{told:?}");
        assert!(told.contains(shown), "{told:?}");
        assert!(!told.contains('\u{1b}'), "{told:?}");
        assert_eq!(log(), PRINTED);
        assert!(p.ran().is_empty());
        let told = p.granular("build").success().raw_stderr();
        assert!(!told.contains("one"), "what is fresh is told by nothing but a count: {told:?}");
        assert_eq!(log(), PRINTED);
    }
    let told = p.command("build --color always --force").run().success().raw_stderr();
    assert!(told.contains("\u{1b}[31mtwo"), "colours alone are passed on: {told:?}");
    assert!(!told.contains("\u{1b}[2J") && !told.contains("title"), "{told:?}");
    p.ran();
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a20_a_check_that_fails_is_never_a_hit() {
    let p = lint();
    p.write("in", "bad\n");
    for _ in 0..3 {
        let told = p.granular("build").code(1).stderr();
        assert!(told.contains("exit code 3") && told.contains("four"), "{told}");
        assert_eq!(p.ran(), ["lint"]);
    }
    p.remove("target");
    p.granular("build").code(1);
    assert_eq!(p.ran(), ["lint"]);
    assert!(kept(&p).is_empty());
    p.write("in", "1\n");
    assert_eq!(ends_well(&p), ["lint"]);
}
