//! Packages that were taken out of their workspace, sources that cannot be written, contributors without the tool: what a build
//! script does there.

use super::{app, cargo, cargo_build, package, seed, step};
use crate::project::{Invocation, Project};
use crate::sandbox;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A build script that makes every step, and a program that says what became of each.
fn told_app(workspace_tables: &str, steps: &str) -> Project {
    let main = r#"
        for (name, step) in granular::steps().build().iter() {
            let left: Vec<_> = step.files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
            let told = if step.is_skipped() { "skipped".to_owned() } else { left.concat() };
            assert!(step.dir.is_dir() && (!step.is_skipped() || std::fs::read_dir(&step.dir).unwrap().next().is_none()));
            println!("cargo::rustc-env=TOLD_{}={}", name.to_uppercase(), told.trim());
        }
    "#;
    app(workspace_tables, steps, main)
}

/// A step that `no-such-tool` makes.
fn made_by_a_tool(name: &str, more: &str) -> String {
    format!(
        "[package.metadata.granular.steps.{name}]\nrun = [\"no-such-tool\", \"{{out}}/x\"]\noutputs = [\"{{out}}/x\"]\n{more}\n"
    )
}

/// The version of granular that a published package would need is the one that is tested.
fn patched(invocation: Invocation) -> Invocation {
    let granular = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    invocation.arg("--config").arg(&format!("patch.crates-io.granular.path={granular:?}"))
}

/// `cargo package`, with the verification that it does.
fn cargo_package(p: &Project) -> Invocation {
    patched(cargo(p, "package -p app --allow-dirty"))
}

/// What `cargo package` has made, unpacked outside of the workspace, with new times: that package of the seed has the same hash.
fn unpacked(p: &Project) -> PathBuf {
    let dir = p.root().with_file_name("unpacked");
    fs::create_dir_all(&dir).unwrap();
    let krate = p.path("target/package/app-0.1.0.crate");
    let done = Command::new("tar").arg("-xmzf").arg(krate).arg("-C").arg(&dir).status().unwrap();
    assert!(done.success());
    dir.join("app-0.1.0")
}

#[test]
fn without_the_tool_the_rust_part_is_built_and_the_script_knows() {
    let steps = made_by_a_tool("gen", "inputs = [\"web/**\"]\nunavailable = \"skip\"")
        + &step("local", "cat in > {out}/x", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]");
    let p = told_app("", &steps);
    p.write("app/in", "local\n").write("app/web/a", "").write(
        "app/src/main.rs",
        "fn main() { println!(\"{} {} {}\", env!(\"TOLD_GEN\"), env!(\"TOLD_LOCAL\"), std::fs::read_dir(env!(\"GRANULAR_OUT_GEN\")).unwrap().count()) }",
    );
    let built = cargo_build(&p);
    assert!(
        built.stderr().contains("warning: app@0.1.0: step `app#gen` is skipped: there is no program `no-such-tool` in PATH"),
        "{built}"
    );
    assert_eq!(cargo(&p, "run -q").run().success().stdout(), "skipped local 0\n");
    assert_eq!(p.ran(), ["local"]);

    // A tool that is installed brings a directory of its own, and then the build script is run again.
    p.write("bin/no-such-tool", "#!/bin/sh\necho made > \"$1\"\n");
    fs::set_permissions(p.path("bin/no-such-tool"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", p.path("bin").display(), std::env::var("PATH").unwrap());
    let run = cargo(&p, "run -q").env("PATH", &path).run().success();
    assert_eq!(run.stdout(), "made local 1\n");
    // It goes away again, and what it has made stays.
    p.remove("bin");
    p.remove("target");
    seed(&p.path("target"));
    let run = cargo(&p, "run -q").run().success();
    assert_eq!(run.stdout(), "made local 1\n");
    assert!(p.ran().is_empty());
}

#[test]
fn cargo_package_verifies_what_was_taken_out_of_its_workspace() {
    let proto = crate::project::step(
        "proto",
        "cp proto/a {out}/a",
        "inputs = [\"/proto/**\"]\noutputs = [\"{out}/a\"]",
    );
    let needs = "needs = [\"#proto\"]\ndir = \"/web\"\nunavailable = \"skip\"";
    let script = "cat {needs.proto.out}/a > {out}/x";
    let keys =
        format!("inputs = [\"/proto/**\", \"../proto/a\"]\noutputs = [\"{{out}}/x\"]\n{needs}");
    let steps = step("gen", script, &keys)
        + &step("local", "cat in > {out}/x", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]");
    let p = told_app(&proto, &steps);
    p.write("proto/a", "proto\n").write("web/x", "").write("app/in", "local\n");
    p.write(
        "app/src/main.rs",
        "fn main() { println!(\"{} {}\", env!(\"TOLD_GEN\"), env!(\"TOLD_LOCAL\")) }",
    );
    assert_eq!(cargo(&p, "run -q").run().success().stdout(), "proto local\n");
    assert_eq!(p.ran(), ["gen", "local", "proto"]);
    let run = cargo_package(&p).run().success();
    assert!(run.stderr().contains("Verifying app v0.1.0"), "{run}");
    let skipped =
        "step `app#gen` is skipped: there is no step `#proto` to need; there is no directory `web`";
    assert!(run.stderr().contains(skipped), "{run}");
    assert_eq!(p.ran(), ["local"], "what the package has all of is built");
}

#[test]
fn a_package_says_itself_what_it_may_lack() {
    let p = told_app(
        &crate::project::step("proto", "true", "inputs = []\noutputs = []"),
        &step("gen", "true", "inputs = []\noutputs = []\nneeds = [\"#proto\"]"),
    );
    let run = cargo_package(&p).run().code(101);
    assert!(run.stderr().contains("unknown step `#proto` in `needs` of step `app#gen`"), "{run}");
    // What nobody has taken out of anything is misspelt.
    let p = Project::new("workspace");
    let keys = "inputs = []\noutputs = []\nneeds = [\"#proto\"]\nunavailable = \"skip\"";
    package(&p, "app", &step("gen", "true", keys), "granular::build()");
    seed(&p.path("app/target"));
    let run = cargo(&p, "build --manifest-path app/Cargo.toml").run().code(101);
    assert!(run.stderr().contains("unknown step `#proto` in `needs` of step `app#gen`"), "{run}");
}

#[test]
fn docs_are_made_of_a_source_that_cannot_be_written_without_tool_and_network() {
    let steps = made_by_a_tool("gen", "inputs = [\"/proto/**\"]\nchecked-in = \"gen\"")
        + &made_by_a_tool("web", "inputs = [\"/proto/**\"]\nunavailable = \"skip\"")
        + &step("local", "cat in > {out}/x", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]");
    let p = told_app("", &steps);
    p.write("proto/a", "").write("app/in", "local\n").write("app/gen/x", "checked in\n");
    p.write(
        "app/src/main.rs",
        "#[doc = concat!(env!(\"TOLD_GEN\"), \", \", env!(\"TOLD_WEB\"), \", \", env!(\"TOLD_LOCAL\"))]\npub fn told() {}\nfn main() {}",
    );
    cargo_package(&p).arg("--no-verify").run().success();
    let source = unpacked(&p);
    let in_source = |arguments: &str| patched(cargo(&p, arguments)).dir(&source);
    in_source("generate-lockfile").run().success();
    let source_path = source.display();
    let read_only = format!(
        "mount --bind '{source_path}' '{source_path}' && mount -o remount,bind,ro '{source_path}' && cd '{source_path}' && ! touch '{source_path}/x' 2>/dev/null"
    );
    let Some(wrapper) = sandbox::mounts(&read_only) else { return };
    let target = p.root().with_file_name("docs-target");
    seed(&target);
    let documented = || {
        let run = in_source("doc --document-private-items")
            .inside(&wrapper)
            .env("DOCS_RS", "1")
            .env("CARGO_TARGET_DIR", target.to_str().unwrap())
            .run()
            .success();
        (run, fs::read_to_string(target.join("doc/app/fn.told.html")).unwrap())
    };
    let (run, page) = documented();
    assert!(page.contains("checked in, skipped, local"), "{page}");
    assert!(
        run.stderr().contains("`app#gen` is taken from `gen`: there is no program `no-such-tool`"),
        "{run}"
    );
    assert_eq!(p.ran(), ["local"]);
    documented();
    assert!(p.ran().is_empty());
}
