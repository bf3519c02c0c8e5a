//! Every way into the graph, each from nothing, warm, without the tool, offline and from sources that cannot be written: the step runs once
//! at most, its key is one and the same, no source is changed, and nothing waits for ever.

use super::{manifest, seed};
use crate::faults::{Tree, tree};
use crate::project::{Invocation, Project};
use crate::sandbox;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The ways in: `cargo granular`, and what Cargo and those who call it do, with what they set.
const ENTRIES: [(&str, &[(&str, &str)]); 6] = [
    ("granular", &[]),
    ("build", &[]),
    ("test", &[]),
    ("package --allow-dirty", &[]),
    ("doc", &[("DOCS_RS", "1")]),
    (
        "check --all-targets --message-format=json",
        &[("RUSTC_WRAPPER", "env"), ("RA_RUSTC_WRAPPER", "1")],
    ),
];

/// A workspace whose only package is at its root, so that its paths are the same where it was taken out.
fn project() -> Project {
    // Not `app`: what is seeded has a package of that name at its root too.
    let p = Project::new("entry");
    let steps = "[package.metadata.granular.steps.gen]\nrun = [\"the-tool\", \"in\", \"{out}/x\"]\n\
        inputs = [\"in\"]\noutputs = [\"{out}/x\"]\npass-env = [\"LOG\"]\n";
    p.write("Cargo.toml", manifest("entry", steps) + "\n[workspace]\nresolver = \"3\"\n");
    p.write("build.rs", "fn main() { granular::build() }\n").write("in", "1");
    let main =
        "fn main() { print!(\"{}\", include_str!(concat!(env!(\"GRANULAR_OUT_GEN\"), \"/x\"))) }\n";
    p.write("src/main.rs", main);
    let tool = tools(&p).join("the-tool");
    fs::create_dir_all(tools(&p)).unwrap();
    fs::write(&tool, "#!/bin/sh\necho gen >> \"$LOG\"\nsleep 0.2\ncat \"$1\" > \"$2\"\n").unwrap();
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    super::cargo(&p, "generate-lockfile").run().success();
    p
}

fn tools(p: &Project) -> PathBuf {
    p.root().with_file_name("tools")
}

/// The way in, with a target directory outside of the sources, time to end, and the tool or not.
fn enter(
    p: &Project,
    entry: &str,
    env: &[(&str, &str)],
    target: &Path,
    has_tool: bool,
) -> Invocation {
    let mut invocation = match entry {
        "granular" => p.command("build"),
        entry => {
            let granular = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
            let patch = format!("patch.crates-io.granular.path={granular:?}");
            super::cargo(p, entry).arg("--config").arg(&patch)
        }
    };
    let path = std::env::var("PATH").unwrap();
    let path = if has_tool { format!("{}:{path}", tools(p).display()) } else { path };
    invocation = invocation.env("PATH", &path).env("CARGO_TARGET_DIR", &target.to_string_lossy());
    for (name, value) in env {
        invocation = invocation.env(name, value);
    }
    invocation.inside(&["timeout", "120"])
}

/// The texts of all fingerprints of the step below a target directory.
fn fingerprints(target: &Path) -> BTreeSet<String> {
    let found =
        Command::new("find").arg(target).args(["-path", "*/fingerprints/entry#gen"]).output();
    let found = String::from_utf8(found.unwrap().stdout).unwrap();
    found.lines().map(|path| fs::read_to_string(path).unwrap()).collect()
}

fn sources(p: &Project) -> Tree {
    tree(p.root(), |_| false)
}

#[test]
fn every_entry_under_every_condition_has_the_same_key_runs_once_and_changes_no_source() {
    let p = project();
    let before = sources(&p);
    let root = p.root().to_string_lossy().into_owned();
    let mount = format!(
        "mount --bind '{root}' '{root}' && mount -o remount,bind,ro '{root}' && cd '{root}' && ! touch x 2>/dev/null"
    );
    let read_only = sandbox::mounts(&mount);
    let mut keys = BTreeSet::new();
    for (number, (entry, env)) in ENTRIES.iter().enumerate() {
        let target = |condition: &str| {
            let target = p.root().with_file_name(format!("target-{number}-{condition}"));
            seed(&target);
            target
        };
        let mut meet = |condition: &str, invocation: Invocation, target: &Path, runs: usize| {
            let run = invocation.run();
            assert_eq!(p.ran().len(), runs, "{entry}, {condition}\n{run}");
            let run = run.success();
            let found = fingerprints(target);
            assert!(!found.is_empty(), "{entry}, {condition}: no step was looked at\n{run}");
            keys.extend(found);
            assert_eq!(sources(&p), before, "{entry}, {condition}");
            fs::remove_dir_all(target).unwrap();
        };
        let at = target("clean");
        let cache =
            p.root().with_file_name(format!("cache-{number}")).to_string_lossy().into_owned();
        let invocation = enter(&p, entry, env, &at, true).env("GRANULAR_CACHE_DIR", &cache);
        meet("clean", invocation, &at, 1);
        // From now on with what the first entry has built.
        let at = target("warm");
        meet("warm", enter(&p, entry, env, &at, true), &at, usize::from(number == 0));
        let at = target("tool-missing");
        meet("tool missing", enter(&p, entry, env, &at, false), &at, 0);
        let at = target("offline");
        let offline = enter(&p, entry, env, &at, true).env("CARGO_NET_OFFLINE", "true");
        meet("offline", offline, &at, 0);
        if let Some(inside) = &read_only {
            let at = target("read-only");
            meet("read-only", enter(&p, entry, env, &at, true).inside(inside), &at, 0);
        }
    }
    assert_eq!(keys.len(), 1, "{keys:#?}");
    crate::faults::nothing_is_left_running(&p);
}
