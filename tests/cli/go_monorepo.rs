//! The example on the real Go toolchain: a copy of `examples/monorepo-build`, built, changed and taken back. A `go` in front of the
//! real one notes what it was asked for, so that what ran is known from the toolchain itself.

use crate::project::Project;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of the example.
fn example() -> Project {
    let p =
        Project::copy_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/monorepo-build"));
    let shim = p.log().with_file_name("bin");
    fs::create_dir_all(&shim).unwrap();
    let script = format!(
        "#!/bin/sh\ncase $1 in build|run|test) for word; do last=$word; case $word in ./*) test -n \"$seen\" || seen=$word;; esac; done; \
         echo \"$1 ${{seen:-$last}}\" >> '{}';; esac\nexec '{}' \"$@\"\n",
        p.log().display(),
        real_go().display()
    );
    fs::write(shim.join("go"), script).unwrap();
    fs::set_permissions(shim.join("go"), fs::Permissions::from_mode(0o755)).unwrap();
    p
}

fn real_go() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|dir| dir.join("go")).find(|go| go.is_file());
    found.expect("this test needs Go: on Debian, `sudo apt-get install golang-go`")
}

/// `cargo granular ARGUMENTS` with the shim in front. The Go cache is kept between tests: from cold, the standard library takes 15 seconds.
fn granular(p: &Project, arguments: &str) -> crate::project::Run {
    let shim = p.log().with_file_name("bin");
    let path = std::env::var_os("PATH").unwrap();
    let path =
        std::env::join_paths([shim].into_iter().chain(std::env::split_paths(&path))).unwrap();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache");
    let invocation = p
        .command(arguments)
        .env("PATH", path.to_str().unwrap())
        .env("GOCACHE", cache.to_str().unwrap());
    invocation.run().success()
}

/// The packages that Go was asked for, without `./` and their directories.
fn ran(p: &Project) -> Vec<String> {
    let name = |line: String| line.rsplit('/').find(|part| *part != "...").unwrap().to_owned();
    let mut names: Vec<_> = p.ran().into_iter().map(name).collect();
    names.sort();
    names
}

fn release(p: &Project) -> Vec<u8> {
    fs::read(p.path("target/granular/out/@workspace/release/release.tar")).unwrap()
}

#[test]
fn the_five_scenarios_run_exactly_what_they_have_to() {
    let p = example();
    granular(&p, "build");
    assert_eq!(ran(&p), ["admin", "api", "models", "pack", "utils", "worker"]);
    let first = release(&p);

    granular(&p, "build");
    assert!(ran(&p).is_empty(), "nothing changed");

    let touched = Command::new("find")
        .args([".", "-path", "./target", "-prune", "-o", "-type", "f", "-exec", "touch", "{}", "+"])
        .current_dir(p.root())
        .status();
    assert!(touched.unwrap().success());
    granular(&p, "build");
    assert!(ran(&p).is_empty(), "touched only");

    let change = |file: &str, text: &str| {
        p.write(file, p.read(file) + text);
    };
    let code =
        "\n//go:noinline\nfunc revision() int { return 4711 }\n\nfunc init() { revision() }\n";
    let worker = p.read("services/worker/processor.go");
    change("services/worker/processor.go", code);
    granular(&p, "build");
    assert_eq!(ran(&p), ["pack", "worker"]);
    assert_ne!(release(&p), first);

    p.write("services/worker/processor.go", worker);
    granular(&p, "build");
    assert!(ran(&p).is_empty(), "a change taken back is restored");
    assert_eq!(release(&p), first);

    change("shared/models/order.go", "\n// A comment.\n");
    granular(&p, "build");
    assert_eq!(
        ran(&p),
        ["admin", "api", "models", "worker"],
        "the release packs the same binaries"
    );

    change("shared/models/order.go", code);
    granular(&p, "build");
    assert_eq!(ran(&p), ["admin", "api", "models", "pack", "worker"]);

    change("services/api/main.go", code);
    change("services/worker/processor.go", code);
    granular(&p, "build");
    assert_eq!(ran(&p), ["api", "pack", "worker"]);
    let last = release(&p);

    let other = p.checkout("a second checkout");
    granular(&other, "build");
    assert!(ran(&other).is_empty(), "a second checkout restores everything");
    assert_eq!(release(&other), last);

    let cleaned = Command::new("cargo").args(["clean", "--quiet"]).current_dir(p.root()).status();
    assert!(cleaned.unwrap().success());
    granular(&p, "build");
    assert!(ran(&p).is_empty(), "after cargo clean everything is restored");
    assert_eq!(release(&p), last);
}

#[test]
fn its_tests_pass_once_and_are_replayed() {
    let p = example();
    granular(&p, "test");
    // Six tests in Go, and the services that the smoke test takes.
    let expected = ["admin", "admin", "api", "api", "models", "pack", "utils", "worker", "worker"];
    assert_eq!(ran(&p), expected);
    granular(&p, "test");
    assert!(ran(&p).is_empty());
}

#[test]
fn a_binary_does_not_depend_on_where_it_was_built() {
    let (a, b) = (example(), example());
    granular(&a, "build api");
    granular(&b, "build api");
    let binary = |p: &Project| fs::read(p.path("target/granular/out/@workspace/api/api")).unwrap();
    assert_eq!(ran(&b), ["api"], "another cache: it ran there as well");
    assert!(binary(&a) == binary(&b));
}
