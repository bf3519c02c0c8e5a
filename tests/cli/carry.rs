//! `cache export` and `cache import`: results carried to another machine (another home, cache and place of the checkout), where nothing runs then.

use crate::project::{Project, project, step};
use insta::assert_snapshot;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// Steps with all that a result can hold: outputs in both places, a link, an executable, an empty directory, a check with a log, found inputs.
fn workspace() -> Project {
    let p = project(
        &[
            step("gen", "mkdir -p gen/empty; cat in > gen/x; ln -s x gen/link; chmod +x gen/x", "inputs = [\"in\"]\noutputs = [\"gen\"]"),
            step("pack", "cat gen/x gen/x > {out}/pack; head -c 300000 /dev/zero > {out}/large", "inputs = [\"gen/**\"]\noutputs = [\"{out}\"]\nneeds = [\"gen\"]"),
            step("check", "echo it is well", "inputs = [\"in\"]\noutputs = []\nneeds = [\"pack\"]"),
            step("cc", "cc -MM -MF {out}/x.d src/x.c && cat src/x.h > {out}/x.o", "depfile = \"{out}/x.d\"\ninputs = [\"src/x.c\"]\noutputs = [\"{out}/x.o\"]\ntools = [\"cc\"]"),
            step("test", "true", "inputs = [\"in\"]\noutputs = []\ntest = true"),
        ]
        .concat(),
    );
    p.write("in", "1")
        .write("src/x.c", "#include \"x.h\"\nint x = X;\n")
        .write("src/x.h", "#define X 1\n");
    p
}

fn archive(p: &Project) -> String {
    p.log().with_file_name("results").to_str().unwrap().to_owned()
}

/// Everything below a directory: what it holds and whether it can be executed.
fn tree(dir: &Path) -> BTreeMap<String, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_path_buf()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let is = match &metadata {
                it if it.is_symlink() => format!("-> {}", fs::read_link(&path).unwrap().display()),
                it if it.is_dir() => "directory".to_owned(),
                it => {
                    format!("{:o} {:?}", it.permissions().mode() & 0o111, fs::read(&path).unwrap())
                }
            };
            if metadata.is_dir() {
                dirs.push(path.clone());
            }
            found.insert(path.strip_prefix(dir).unwrap().display().to_string(), is);
        }
    }
    found
}

#[test]
fn another_machine_restores_what_was_carried_to_it_and_runs_nothing() {
    let p = workspace();
    p.granular("build").success();
    p.granular("test").success();
    assert_eq!(p.ran(), ["cc", "check", "gen", "pack", "test"]);
    assert_snapshot!(p.granular(&format!("cache export {}", archive(&p))).success(), @"
    ---- stderr
        Exported 5 results with 5 blobs (293.0 KiB) to `[ROOT]/results`
    ");
    let other = Project::copy_of(p.root());
    let _ = fs::remove_dir_all(other.cache());
    let imported = other.granular(&format!("cache import {}", archive(&p))).success();
    assert_snapshot!(imported.stderr().replace(&archive(&p), "[FILE]"), @"    Imported 5 results with 5 blobs (293.0 KiB) from `[FILE]`");
    for command in ["build", "test"] {
        let run = other.granular(command).success();
        assert!(run.stderr().contains("0 ran") || !run.stderr().contains("ran"), "{run}");
    }
    assert_eq!(other.ran(), [""; 0]);
    for dir in ["gen", "target/granular/out"] {
        assert_eq!(tree(&other.path(dir)), tree(&p.path(dir)), "{dir}");
    }
    let kept = tree(&other.cache().join("v1/results"));
    let again =
        other.granular(&format!("cache import {} --message-format json -q", archive(&p))).success();
    assert_snapshot!(again, @r#"{"reason":"granular-cache-imported","results":0,"blobs":5,"bytes":300026,"known":5}"#);
    assert_eq!(tree(&other.cache().join("v1/results")), kept);
    other.granular("verify").success();
}

#[test]
fn some_steps_come_with_what_they_need_and_what_there_is_no_result_of_is_told() {
    let p = workspace();
    p.granular("build").success();
    p.ran();
    assert_snapshot!(p.granular(&format!("cache export {} pack", archive(&p))).success(), @"
    ---- stderr
        Exported 2 results with 3 blobs (293.0 KiB) to `[ROOT]/results`
    ");
    let other = Project::copy_of(p.root());
    other.granular(&format!("cache import {}", archive(&p))).success();
    other.granular("build").success();
    assert_eq!(other.ran(), ["cc", "check"]);
    p.write("src/x.h", "#define X 2\n");
    assert_snapshot!(p.granular(&format!("cache export {}", archive(&p))).success(), @"
    ---- stderr
    warning: the cache has no result of 2 steps as they are now, which are left out: #cc, #test
        Exported 3 results with 4 blobs (293.0 KiB) to `[ROOT]/results`
    ");
    p.write("in", "2");
    assert_snapshot!(p.granular(&format!("cache export {}", archive(&p))).code(1), @"
    ---- stderr
    error: the cache has no result of these steps as they are now: build them first
    [exit code: 1]
    ");
    assert!(Path::new(&archive(&p)).exists(), "the one from before");
    assert!(p.ran().is_empty());
}

#[test]
fn it_goes_through_a_pipe() {
    let p = workspace();
    p.granular("build").success();
    let mut export = p.command("cache export -").command;
    let mut export = export.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let other = Project::copy_of(p.root());
    let mut import = other.command("cache import -");
    import.command.stdin(export.stdout.take().unwrap());
    import.run().success();
    assert!(export.wait().unwrap().success());
    other.granular("build").success();
    assert_eq!(other.ran(), [""; 0]);
    p.granular("cache export - --message-format json").code(2);
}

#[test]
fn what_is_damaged_or_not_there_is_refused_and_costs_nothing_else() {
    let p = workspace();
    p.granular("build").success();
    p.granular(&format!("cache export {}", archive(&p))).success();
    let whole = fs::read(archive(&p)).unwrap();
    let other = Project::copy_of(p.root());
    let file = other.path("damaged");
    let refused = |bytes: &[u8]| {
        fs::write(&file, bytes).unwrap();
        let run = other.granular("cache import damaged").code(1).stderr();
        let sizes = regex::Regex::new(r"\d+ results? (was|were)").unwrap();
        sizes.replace_all(&run, "[SOME]").into_owned()
    };
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    assert_snapshot!(refused(&flipped), @"error: `damaged` is refused: the bytes of the blob [HASH] do not have its hash ([SOME] taken in before, each of them whole)");
    assert_snapshot!(refused(&whole[..whole.len() - 20]), @"error: `damaged` is refused: it is cut off ([SOME] taken in before, each of them whole)");
    assert_snapshot!(refused(b"PK\x03\x04"), @"error: `damaged` is refused: it does not begin as a file of `cache export` does (nothing of it was taken in)");
    assert_snapshot!(other.granular("cache import nowhere").code(2), @"
    ---- stderr
    error: cannot open `nowhere`: No such file or directory (os error 2)
    [exit code: 2]
    ");
    other.granular("verify").success();
    other.remove("damaged");
    // Only what was whole is there: all else is run.
    other.granular("build").success();
    other.ran();
    for dir in ["gen", "target/granular/out"] {
        let (ours, theirs) = (tree(&other.path(dir)), tree(&p.path(dir)));
        assert_eq!(ours, theirs, "{dir}");
    }
    // A blob that is damaged in the cache is not carried on, and no half of a file is left.
    let blobs = tree(&p.cache().join("v1/blobs"));
    let blob = blobs.iter().find(|(_, what)| what.len() > 300_000).unwrap().0;
    fs::write(p.cache().join("v1/blobs").join(blob), vec![1; 300_000]).unwrap();
    fs::remove_file(archive(&p)).unwrap();
    assert_snapshot!(p.granular(&format!("cache export {}", archive(&p))).code(1), @"
    ---- stderr
    error: the cache in `[ROOT]/cache`: the blob [HASH] is damaged: its bytes do not have its hash (`cargo granular verify --repair` removes what is damaged, the next build makes it anew)
    [exit code: 1]
    ");
    let top = fs::read_dir(p.log().parent().unwrap()).unwrap();
    let left: Vec<_> = top
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().contains("results"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn of_a_step_that_depends_on_what_cargo_builds_the_last_result_is_meant() {
    let p = Project::new("workspace");
    let more =
        "inputs = []\noutputs = [\"{out}/x\"]\ncargo = { package = \"tool\", bin = \"tool\" }";
    let steps = [
        step("made", "{cargo.tool} > {out}/x", more),
        step("behind", "true", "inputs = []\noutputs = []\nneeds = [\"made\"]"),
    ];
    p.write(
        "Cargo.toml",
        format!("[workspace]\nresolver = \"3\"\nmembers = [\"tool\"]\n\n{}", steps.concat()),
    );
    p.write("tool/Cargo.toml", "[package]\nname = \"tool\"\nedition = \"2024\"\n");
    p.write("tool/src/main.rs", "fn main() {}\n");
    p.granular(&format!("cache export {}", archive(&p))).code(1);
    p.granular("build").success();
    let run = p.granular(&format!("cache export {}", archive(&p))).success();
    assert!(run.stderr().contains("Exported 2 results"), "{run}");
    let file = fs::read_to_string(archive(&p)).unwrap();
    for action in ["made", "behind"] {
        let key =
            p.granular(&format!("build {action} --message-format json")).success().raw_stdout();
        let key = key
            .lines()
            .find(|line| {
                line.contains(&format!("\"action\":\"#{action}\"")) && line.contains("finished")
            })
            .unwrap();
        let key = key.split("\"key\":\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(file.contains(&format!("\nresult {key} ")), "{action}");
    }
}

#[test]
fn a_machine_without_the_tool_restores_what_was_carried_to_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let more = "inputs = [\"in\"]\noutputs = [\"{out}/x\"]\ntools = [\"mytool\"]";
    let p = project(&step("made", "mytool > {out}/x", more));
    p.write("in", "1");
    let bin = p.log().with_file_name("bin");
    fs::create_dir_all(&bin).unwrap();
    fs::write(bin.join("mytool"), "#!/bin/sh\necho made\n").unwrap();
    fs::set_permissions(bin.join("mytool"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let with = |arguments: &str| p.command(arguments).env("PATH", &path).run().success();
    with("build");
    with(&format!("cache export {}", archive(&p)));
    let other = Project::copy_of(p.root());
    other.granular(&format!("cache import {}", archive(&p))).success();
    let run = other.granular("build").success();
    assert!(run.stderr().contains("Restored #made"), "{run}");
    assert_eq!((other.ran(), other.read_out("made/x")), (vec![], "made\n".to_owned()));
}
