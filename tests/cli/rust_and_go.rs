//! The example of build scripts on the real Cargo, Go and protoc: a copy of `examples/rust-and-go`, built and run. A `go` and a `protoc`
//! in front of the real ones note what they were asked for, so that what ran is known from the tools themselves.

use crate::build_script::{cargo, out_dirs, seed};
use crate::project::{Invocation, Project, Run};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of the example that takes the library from where it is.
fn example() -> Project {
    let granular = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let p = Project::copy_of(&granular.join("examples/rust-and-go"));
    let manifest = p.read("Cargo.toml").replace("\"../..\"", &format!("{granular:?}"));
    p.write("Cargo.toml", manifest);
    // Resolved anew, as what the target directory is seeded with: otherwise the library is compiled once more.
    p.remove("Cargo.lock");
    seed(&p.path("target"));
    shim(
        &p,
        "go",
        "case $1 in build) for last; do :; done; echo \"go ${last##*/}\" >> \"$log\";; esac",
    );
    let protoc = "for word; do case $word in --*_out=*) word=${word%%=*}; echo \"protoc ${word#--}\" >> \"$log\";; esac; done";
    shim(&p, "protoc", protoc);
    p
}

fn shims(p: &Project) -> PathBuf {
    p.log().with_file_name("bin")
}

/// Puts a program in front of the real one that first does `note`.
fn shim(p: &Project, name: &str, note: &str) {
    let path = std::env::var_os("PATH").unwrap();
    let real = std::env::split_paths(&path).map(|dir| dir.join(name)).find(|real| real.is_file());
    let real = real.unwrap_or_else(|| panic!("this test needs {name}; ./test brings it"));
    let (log, real) = (p.log().display().to_string(), real.display().to_string());
    let script = format!("#!/bin/sh\nlog='{log}'\n{note}\nexec '{real}' \"$@\"\n");
    fs::create_dir_all(shims(p)).unwrap();
    fs::write(shims(p).join(name), script).unwrap();
    fs::set_permissions(shims(p).join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Cargo with the shims in front, which has to succeed.
fn run(p: &Project, arguments: &str) -> Run {
    with_tools(p, cargo(p, arguments)).success()
}

/// With the shims in front. Modules come from where Go keeps them; its cache is kept between tests.
fn with_tools(p: &Project, invocation: Invocation) -> Run {
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([shims(p)].into_iter().chain(std::env::split_paths(&path)));
    let mut invocation = invocation.env("PATH", path.unwrap().to_str().unwrap());
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache");
    invocation.command.env("GOCACHE", cache).envs(where_modules_are());
    invocation.run()
}

/// What Go is told here of modules, also in its settings below the home directory.
fn where_modules_are() -> [(&'static str, OsString); 3] {
    ["GOMODCACHE", "GOPROXY", "GOSUMDB"].map(|name| {
        let said = Command::new("go").args(["env", name]).output().unwrap().stdout;
        (name, String::from_utf8(said).unwrap().trim().into())
    })
}

/// `cargo clean`, and the compiled library back.
fn clean(p: &Project) {
    let cleaned =
        Command::new("cargo").args(["clean", "-q", "--offline"]).current_dir(p.root()).status();
    assert!(cleaned.unwrap().success());
    assert!(!p.path("target").exists());
    seed(&p.path("target"));
}

const SAYS: &str = "\
library: 3 tea cost 1920 cents
library: 12 cup cost 13500 cents
service: lines {
service:   item: \"tea\"
service:   count: 3
service:   total_cents: 1920
service: }
service: lines {
service:   item: \"cup\"
service:   count: 12
service:   total_cents: 13500
service:   has_discount: true
service: }
service: total_cents: 15420
service: currency: \"EUR\"
both say 15420 cents
";

const ALL: [&str; 5] =
    ["go prices", "go protoc-gen-go", "go quotes", "protoc descriptor_set_out", "protoc go_out"];

/// What is linked and embedded, as the build scripts have it.
fn made(p: &Project) -> [Vec<u8>; 4] {
    let read = |package: &str, path: &str| {
        let dirs = out_dirs(p, package);
        assert_eq!(dirs.len(), 1, "{dirs:?}");
        fs::read(dirs[0].join(package).join(path)).unwrap()
    };
    [
        read("prices", "library/libprices.a"),
        read("prices", "library/libprices.h"),
        read("app", "service/quotes"),
        read("app", "descriptor/quotes.binpb"),
    ]
}

#[test]
fn a_plain_cargo_builds_all_of_it_and_restores_it_after_a_clean_and_in_a_second_checkout() {
    let p = example();
    assert_eq!(run(&p, "run -q").stdout(), SAYS);
    assert_eq!(p.ran(), ALL);
    let first = made(&p);
    run(&p, "build");
    assert!(p.ran().is_empty(), "nothing changed");

    clean(&p);
    assert_eq!(run(&p, "run -q").stdout(), SAYS);
    assert!(made(&p) == first);
    let second = p.checkout("a second checkout");
    seed(&second.path("target"));
    assert_eq!(run(&second, "run -q").stdout(), SAYS);
    assert!(made(&second) == first);
    with_tools(&second, second.command("build")).success();
    assert!(p.ran().is_empty(), "all of it is restored, from the command line as well");
    assert!(second.read_out("reference/quotes.md").contains("## quotes.v1.Quote\n"));
    let status = || {
        let run = with_tools(&second, second.command("build --message-format json")).success();
        let of_reference =
            |line: &&str| line.contains("step-finished") && line.contains("#reference");
        let line = run.stdout().lines().find(of_reference).unwrap().to_owned();
        ["fresh", "ran"].into_iter().find(|it| line.contains(&format!("\"status\":\"{it}\"")))
    };
    assert_eq!(status(), Some("fresh"), "the program that writes it is the same");
    let writer = second.read("schema-gen/src/main.rs");
    second.write("schema-gen/src/main.rs", writer.replace("\"## {}", "\"## Message {}"));
    assert_eq!(status(), Some("ran"), "another program");
    assert!(second.read_out("reference/quotes.md").contains("## Message quotes.v1.Quote\n"));

    let rules = p.read("go/pricing/pricing.go");
    p.write("go/pricing/pricing.go", rules.replace("discounted = 90", "discounted = 50"));
    let says = SAYS.replace("13500", "7500").replace("15420", "9420");
    assert_eq!(run(&p, "run -q").stdout(), says);
    assert_eq!(p.ran(), ["go prices", "go quotes"], "what shares the rules");
    p.write("go/pricing/pricing.go", rules);
    assert_eq!(run(&p, "run -q").stdout(), SAYS);
    assert!(p.ran().is_empty(), "a change taken back is restored");

    p.write("proto/quotes.proto", p.read("proto/quotes.proto") + "\n// The end.\n");
    assert_eq!(run(&p, "run -q").stdout(), SAYS);
    let protoc = ["protoc descriptor_set_out", "protoc go_out"];
    assert_eq!(p.ran(), protoc, "the code that it makes of that is the same");

    let elsewhere = example();
    run(&elsewhere, "build -q");
    assert_eq!(elsewhere.ran(), ALL, "with a cache of its own");
    assert!(made(&elsewhere) == first, "what is made does not depend on where it lies");
}
