//! Outputs on disk: what is put back, what is taken away, what is left alone.

use crate::project::{Project, project, step};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

/// Makes files, an empty directory, an executable and a link out of `in.txt`, whose first word decides on one more file.
fn tree() -> Project {
    let script = r#"mkdir -p gen/empty gen/deep/er; read word < in.txt; echo $word > gen/word; cp gen/word gen/deep/er/copy;
        echo '#!/bin/sh' > gen/tool; chmod +x gen/tool; ln -s deep/er/copy gen/link; : > gen/nothing; test $word != one || touch gen/only-one"#;
    let project = project(&step("tree", script, "inputs = [\"in.txt\"]\noutputs = [\"gen\"]"));
    project.write("in.txt", "one\n");
    project
}

fn listing(p: &Project) -> Vec<String> {
    fn walk(dir: &std::path::Path, top: &std::path::Path, lines: &mut Vec<String>) {
        let mut entries: Vec<_> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let metadata = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(top).unwrap().display().to_string();
            if metadata.is_symlink() {
                lines.push(format!("{name} -> {}", fs::read_link(&path).unwrap().display()));
            } else if metadata.is_dir() {
                lines.push(format!("{name}/"));
                walk(&path, top, lines);
            } else {
                let executable = if metadata.permissions().mode() & 0o100 != 0 { "*" } else { "" };
                lines.push(format!("{name}{executable} {:?}", fs::read_to_string(&path).unwrap()));
            }
        }
    }
    let mut lines = Vec::new();
    walk(&p.path("gen"), &p.path("gen"), &mut lines);
    lines
}

#[test]
fn files_directories_bits_and_links_come_back_exactly() {
    let p = tree();
    p.granular("build").success();
    let made = listing(&p);
    assert_eq!(made.len(), 9, "{made:?}");
    p.remove("gen");
    p.granular("build").success();
    assert_eq!(listing(&p), made);
    assert_eq!(p.ran(), ["tree"]);
}

#[test]
fn every_way_to_tamper_with_an_output_is_seen_and_put_right() {
    let p = tree();
    p.granular("build").success();
    let made = listing(&p);
    let tamper: [(&str, &dyn Fn()); 7] = [
        ("deleted", &|| p.remove("gen/word")),
        ("changed", &|| {
            p.write("gen/word", "eno\n");
        }),
        ("no longer executable", &|| {
            fs::set_permissions(p.path("gen/tool"), fs::Permissions::from_mode(0o644)).unwrap()
        }),
        ("a directory", &|| {
            p.remove("gen/word");
            fs::create_dir(p.path("gen/word")).unwrap();
        }),
        ("another link", &|| {
            p.remove("gen/link");
            std::os::unix::fs::symlink("word", p.path("gen/link")).unwrap();
        }),
        ("the empty directory gone", &|| p.remove("gen/empty")),
        ("a stranger among them", &|| {
            p.write("gen/stranger", "mine\n");
        }),
    ];
    for (how, tamper) in tamper {
        tamper();
        p.granular("build").success();
        assert_eq!(listing(&p), made, "{how}");
    }
    assert_eq!(p.ran(), ["tree"]);
}

#[test]
fn a_file_that_no_run_made_is_moved_and_not_deleted() {
    let p = tree();
    p.write("gen/notes.txt", "mine\n");
    let run = p.granular("build").success();
    assert!(run.stderr().contains("gen/notes.txt"), "{run}");
    assert!(!p.path("gen/notes.txt").exists());
    assert_eq!(p.read("target/granular/displaced/gen/notes.txt"), "mine\n");
}

#[test]
fn outputs_that_come_out_the_same_keep_their_times() {
    let p = project(&step(
        "gen",
        "mkdir -p gen; echo same > gen/a; cat in.txt > gen/b",
        "inputs = [\"in.txt\"]\noutputs = [\"gen\"]",
    ));
    p.write("in.txt", "1\n");
    p.granular("build").success();
    let time = || {
        (
            fs::metadata(p.path("gen/a")).unwrap().mtime_nsec(),
            fs::metadata(p.path("gen/a")).unwrap().mtime(),
        )
    };
    let before = time();
    p.write("in.txt", "2\n");
    p.granular("build").success();
    assert_eq!(time(), before, "it ran");
    p.write("in.txt", "1\n");
    p.granular("build").success();
    assert_eq!(time(), before, "it was restored");
    assert_eq!(p.ran(), ["gen", "gen"]);
}
