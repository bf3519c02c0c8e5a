//! What a build costs, counted and not timed: processes that are started, files that are opened, what is written.

use crate::project::{Project, project, step};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// The calls of these names that succeeded in a plain build, which has to succeed itself; a line each, those of its children too.
pub(crate) fn calls(p: &Project, names: &str) -> Vec<String> {
    let trace = p.root().with_file_name("trace");
    let file = trace.to_string_lossy().into_owned();
    let strace = ["strace", "-f", "-qq", "-o", &file, "-e", &format!("trace={names}")];
    p.command("build").inside(&strace).run().success();
    let text = fs::read_to_string(&trace).unwrap();
    text.lines().filter(|line| !line.contains("= -1 ")).map(str::to_owned).collect()
}

/// Past the guard against edits in the same tick.
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_millis(60));
}

/// A compiled program that says what stands in the file `says` in its directory for data, or in the directory where it is asked.
fn program(p: &Project, path: &str, says: &str) {
    let source = p.root().with_file_name("program.c");
    let code = format!(
        "#include <stdio.h>\nint main() {{ int c; FILE *f = fopen({says:?}, \"r\"); if (f) while ((c = getc(f)) != EOF) putchar(c); return 0; }}\n"
    );
    fs::write(&source, code).unwrap();
    let program = p.path(path);
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    let compiled = Command::new("cc").arg("-o").arg(&program).arg(&source).status().unwrap();
    assert!(compiled.success());
}

#[test]
fn a_build_in_which_nothing_changed_starts_nobody_opens_no_input_and_writes_nothing() {
    let tools = "tools = [\"go\", \"cargo\", \"cc\", \"git\", \"make\"]";
    let p = project(
        &[
            step(
                "gen",
                "cat src/*/* > {out}/x",
                &format!("inputs = [\"src/**\"]\noutputs = [\"{{out}}/x\"]\n{tools}"),
            ),
            step("check", "true", "inputs = [\"src/**\"]\noutputs = []\nneeds = [\"gen\"]"),
        ]
        .concat(),
    );
    for n in 0..20 {
        p.write(&format!("src/dir{}/f{n}", n % 3), format!("{n}"));
    }
    for _ in 0..3 {
        settle();
        p.granular("build").success();
    }
    p.ran();
    let started = calls(&p, "execve,clone,fork,vfork");
    let started: Vec<_> = started.iter().filter(|line| line.contains("execve(")).collect();
    assert_eq!(started.len(), 1, "itself alone: {started:#?}");
    let opened = calls(&p, "open,openat,openat2,creat");
    let inputs: Vec<_> =
        opened.iter().filter(|line| line.contains("/f1") || line.contains("\"f1")).collect();
    assert!(inputs.is_empty(), "{inputs:#?}");
    let written: Vec<_> = opened
        .iter()
        .filter(|line| {
            line.contains("O_WRONLY") || line.contains("O_RDWR") || line.contains("O_CREAT")
        })
        .filter(|line| !line.contains("/lock\""))
        .collect();
    assert!(written.is_empty(), "{written:#?}");
    let changed = calls(
        &p,
        "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,link,symlink,chmod,fchmod,utimensat,truncate,ftruncate,fallocate",
    );
    assert!(changed.is_empty(), "{changed:#?}");
    assert!(p.ran().is_empty());
}

#[test]
fn one_changed_file_is_the_only_one_that_is_read() {
    let p = project(
        &[
            step("a", "cat a/* > {out}/x", "inputs = [\"a/**\"]\noutputs = [\"{out}/x\"]"),
            step("b", "cat b/* > {out}/x", "inputs = [\"b/**\"]\noutputs = [\"{out}/x\"]"),
            step(
                "c",
                "cat {needs.a.out}/x > {out}/x",
                "inputs = []\noutputs = [\"{out}/x\"]\nneeds = [\"a\"]",
            ),
        ]
        .concat(),
    );
    for dir in ["a", "b"] {
        for n in 0..10 {
            p.write(&format!("{dir}/input{n}"), format!("{n}"));
        }
    }
    for _ in 0..2 {
        settle();
        p.granular("build").success();
    }
    p.ran();
    p.write("a/input3", "changed");
    settle();
    let opened = calls(&p, "open,openat,openat2,fcntl");
    let (opened, held) = without_held(&opened);
    // Those of our own threads: a step opens its files by relative paths in its own process.
    let root = p.root().to_string_lossy().into_owned();
    let read: Vec<_> = opened
        .iter()
        .filter(|line| {
            line.contains(&format!("{root}/a/input")) || line.contains(&format!("{root}/b/input"))
        })
        .collect();
    assert_eq!(read.len(), 1, "{read:#?}");
    assert_eq!(p.ran(), ["a", "c"]);
    assert!(held.iter().all(|line| line.contains("/a/input")), "{held:#?}");
}

/// The calls without those that hold a file, and the openings among these. Each file is taken hold of once, in three calls.
fn without_held(calls: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut others, mut held) = (Vec::<String>::new(), Vec::new());
    let mut let_go = 0;
    for line in calls {
        if line.contains("F_SETLEASE, F_RDLCK") {
            // What the same thread did before.
            let thread = line.split_whitespace().next().unwrap();
            let is_its = |other: &String| other.split_whitespace().next() == Some(thread);
            let opening = others.iter().rposition(is_its).unwrap();
            held.push(others.remove(opening));
        } else if line.contains("F_SETLEASE, F_UNLCK") {
            let_go += 1;
        } else {
            others.push(line.clone());
        }
    }
    let unique: std::collections::BTreeSet<_> =
        held.iter().filter_map(|line| line.split('"').nth(1)).collect();
    assert_eq!((held.len(), let_go), (unique.len(), unique.len()), "{calls:#?}");
    (others, held)
}

#[cfg(target_os = "linux")]
#[test]
fn inputs_are_held_while_a_step_runs_and_never_else() {
    let p =
        project(&step("gen", "cat a/* > {out}/x", "inputs = [\"a/*\"]\noutputs = [\"{out}/x\"]"));
    for n in 0..10 {
        p.write(&format!("a/input{n}"), format!("{n}"));
    }
    let held = || without_held(&calls(&p, "open,openat,openat2,fcntl")).1.len();
    assert_eq!(held(), 10, "it runs");
    assert_eq!(held(), 0, "it is fresh");
    fs::remove_dir_all(p.path("target")).unwrap();
    assert_eq!(held(), 0, "it is restored");
    assert_eq!(p.ran(), ["gen"]);
}

#[test]
fn what_a_tool_said_is_believed_until_something_that_it_depends_on_changes() {
    let gen_step =
        step("gen", "true", "inputs = []\noutputs = []\ntools = [\"./bin/protoc\", \"./bin/go\"]");
    let p = project(&gen_step);
    program(&p, "bin/protoc", "/dev/null");
    program(&p, "bin/go", "go.mod");
    p.write("go.mod", "module a\n\ngo 1.19\n");
    let asked = || {
        let started = calls(&p, "execve");
        ["/bin/protoc\"", "/bin/go\""]
            .map(|name| started.iter().filter(|line| line.contains(name)).count())
    };
    settle();
    p.granular("build").success();
    assert_eq!(p.ran(), ["gen"]);
    assert_eq!(asked(), [0, 0], "what was said is remembered");
    p.write("go.mod", "module a\n\ngo 1.22\n");
    settle();
    assert_eq!(asked(), [0, 1], "`go` may take another toolchain");
    assert_eq!(p.ran(), ["gen"], "and it said so");
    assert_eq!(asked(), [0, 0]);
    p.write("go.work", "go 1.22\n");
    settle();
    assert_eq!(asked(), [0, 1]);
    assert!(p.ran().is_empty(), "it said the same");
    program(&p, "bin/protoc", "/etc/hostname");
    settle();
    assert_eq!(asked(), [1, 0]);
    assert_eq!(p.ran(), ["gen"]);
    // A script asks somebody else, who may change unseen.
    fs::remove_file(p.path("bin/protoc")).unwrap();
    p.write("bin/protoc", "#!/bin/sh\ncat says\n").write("says", "1");
    Command::new("chmod").arg("+x").arg(p.path("bin/protoc")).status().unwrap();
    settle();
    for says in ["1", "2", "2"] {
        p.write("says", says);
        assert_eq!(asked(), [1, 0], "{says}");
    }
    assert_eq!(p.ran(), ["gen", "gen"]);
    // A damaged memory is none.
    fs::write(p.path("target/granular/tools-v1"), "granular-tools 1\nhash 0\n").unwrap();
    assert_eq!(asked(), [1, 1]);
}

#[test]
fn a_restore_reads_each_blob_once_and_each_input_not_at_all() {
    let p = project(
        &[
            step(
                "a",
                "for i in 1 2 3 4 5 6 7; do cat x > {out}/$i; echo $i >> {out}/$i; done",
                "inputs = [\"x\"]\noutputs = [\"{out}\"]",
            ),
            step(
                "b",
                "cat {needs.a.out}/1 > {out}/x",
                "inputs = [\"x\"]\noutputs = [\"{out}/x\"]\nneeds = [\"a\"]",
            ),
        ]
        .concat(),
    );
    p.write("x", "text\n");
    p.granular("build").success();
    settle();
    p.granular("build").success();
    p.ran();
    p.remove("target/granular/out");
    let opened = calls(&p, "open,openat,openat2");
    let blobs: Vec<_> = opened
        .iter()
        .filter(|line| line.contains("/blobs/") && !line.contains("O_DIRECTORY"))
        .map(|line| line.split('"').nth(1).unwrap())
        .collect();
    assert_eq!(blobs.len(), 8, "{blobs:#?}");
    let inputs = opened.iter().filter(|line| line.contains("/workspace/x\""));
    assert_eq!(inputs.count(), 0);
    assert!(p.ran().is_empty());
    assert_eq!(p.read_out("b/x"), "text\n1\n");
}
