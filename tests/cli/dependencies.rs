//! What the library makes everyone compile who has it as a build dependency: each new crate shows here, in review.

use insta::assert_snapshot;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

#[test]
fn every_crate_that_the_library_brings_is_listed_here_and_there_are_few() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let tree = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args([
            "tree",
            "-p",
            "granular",
            "-e",
            "normal,build",
            "--prefix",
            "none",
            "--locked",
            "--offline",
        ])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .current_dir(root)
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: BTreeSet<_> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.len() <= 35, "{names:?}");
    assert_snapshot!(names.into_iter().collect::<Vec<_>>().join("\n"), @"
    arrayvec
    bitflags
    blake3
    cc
    cfg-if
    constant_time_eq
    cpufeatures
    errno
    find-msvc-tools
    granular
    jobserver
    libc
    linux-raw-sys
    rustix
    serde_spanned
    shlex
    signal-hook
    signal-hook-registry
    tinyjson
    toml
    toml_datetime
    toml_parser
    winnow
    ");
}
