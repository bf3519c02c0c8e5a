//! Hostile caches, names and checkouts (A44 to A46).

use super::{Entry, ends_well, nothing_is_left_running, tree};
use crate::project::{Project, Run, project, step};
use crate::sandbox::could_not_run;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

fn gen_step() -> String {
    step("gen", "cat in > {out}/x; echo made", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]")
}

fn one_step() -> Project {
    let p = project(&gen_step());
    p.write("in", "A\n");
    p
}

// A44: who can write to the cache.

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a44_only_the_user_can_read_and_write_what_is_made_for_the_cache() {
    let p = one_step();
    // Also the directories above, and whatever the umask allows.
    let cache = p.cache().join("deep/down");
    let line = format!("umask 0; exec {} build", env!("CARGO_BIN_EXE_cargo-granular"));
    let mut build = p.command("");
    let env = build
        .command
        .get_envs()
        .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)));
    let mut shell = Command::new("sh");
    shell.args(["-c", &line]).current_dir(p.root()).env_clear();
    shell.envs(env.filter_map(|(name, value)| Some((name, value?))));
    build.command = shell;
    let run = build.env("GRANULAR_CACHE_DIR", &cache.to_string_lossy()).run().success();
    assert!(!run.stderr().contains("warning"), "{run}");
    assert_eq!(mode(&p.cache()), 0o700);
    for (path, entry) in tree(&p.cache(), |_| false) {
        let allowed = if entry == Entry::Directory { 0o700 } else { 0o600 };
        assert_eq!(mode(&p.cache().join(&path)), allowed, "{}", path.display());
    }
    ends_well(&p);
}

/// The warning of a cache that others can write to.
#[track_caller]
fn warning_of(run: &Run) -> String {
    let told = run.stderr();
    let warnings: Vec<_> = told.lines().filter(|line| line.starts_with("warning")).collect();
    let [warning] = &*warnings else { panic!("{run}") };
    (*warning).to_owned()
}

#[test]
fn a44_a_cache_that_others_can_write_to_is_told_and_used() {
    let p = one_step();
    p.granular("build").success();
    for (dir, mode) in [("", 0o777), ("", 0o1777), ("", 0o770), ("v1", 0o707)] {
        let dir = p.cache().join(dir);
        set_mode(&dir, mode);
        let _ = fs::remove_dir_all(p.path("target"));
        let run = p.granular("build").success();
        assert_eq!(
            warning_of(&run),
            "warning: the cache in `[ROOT]/cache` can be written to by other users, who could put results there \
             (`chmod -R go-w` or another `cache-dir` keeps them out)"
        );
        assert_eq!(p.read_out("gen/x"), "A\n");
        assert!(p.granular("build -q").success().stderr().is_empty());
        set_mode(&dir, 0o700);
        assert!(!p.granular("build").success().stderr().contains("warning"));
    }
    // To read there harms nobody's results.
    set_mode(&p.cache(), 0o755);
    assert!(!p.granular("build").success().stderr().contains("warning"));
    assert_eq!(p.ran(), ["gen"], "the results were used all the same");
    ends_well(&p);
}

#[test]
fn a44_a_cache_of_another_user_is_told() {
    let p = one_step();
    p.granular("build").success();
    let chown = |owner: &str| Command::new("chown").arg(owner).arg(p.cache()).status().unwrap();
    if !chown("12345").success() {
        return could_not_run("only the superuser can give a directory away");
    }
    let run = p.granular("build").success();
    assert!(warning_of(&run).contains("belongs to another user"), "{run}");
    assert!(chown("0").success());
    assert!(!p.granular("build").success().stderr().contains("warning"));
    ends_well(&p);
}

// A45: names and outputs that a terminal, or Cargo, would obey.

/// Clears a screen, sets a title, begins a line that Cargo would obey, and turns the direction of reading.
const NASTY: &str = "a\u{1b}[2J\u{1b}]0;title\u{7}\ncargo::rustc-link-arg=-evil\r\u{202e}b";

/// Holds what was shown against what may be: no control character but the ends of lines, and no line that Cargo would obey. What is shown to
/// people is in the order in which it is read; what is for programs, and the text of a fingerprint, is exactly what it is.
#[track_caller]
fn is_harmless(run: &Run) {
    let (asked, told) = (run.raw_stdout(), run.raw_stderr());
    for text in [&asked, &told] {
        assert!(
            !text.contains(|char: char| char.is_control() && !"\n\t".contains(char)),
            "{text:?}"
        );
        assert!(!text.lines().any(|line| line.trim_start().starts_with("cargo:")), "{text:?}");
    }
    let is_exact = asked.starts_with(['{', '[']) || asked.starts_with("granular-fingerprint");
    assert!(is_exact || !asked.contains('\u{202e}'), "{asked:?}");
    assert!(!told.contains('\u{202e}'), "{told:?}");
}

#[test]
fn a45_names_of_files_are_shown_escaped_wherever_they_are_shown() {
    let p = project(
        &[
            step(
                "gen",
                "mkdir -p gen; for file in src/*; do cp \"$file\" gen/; done; for file in src/*; do cp \"$file\" {out}/; done",
                "inputs = [\"src/*\"]\noutputs = [\"gen\"]",
            ),
            step("all", "true", "inputs = [\"src/*\"]\noutputs = []\nneeds = [\"gen\"]"),
        ]
        .concat(),
    );
    let file = format!("src/{NASTY}");
    p.write(&file, "1");
    is_harmless(&p.granular("build -v").success());
    p.write(&file, "2");
    is_harmless(&p.granular("build -n -v").success());
    is_harmless(&p.granular("explain all").success());
    is_harmless(&p.granular("build -v").success());
    p.write(&format!("gen/{NASTY}2"), "by hand");
    p.write(&file, "3");
    let run = p.granular("build -v").success();
    assert!(run.stderr().contains(r"\ncargo::rustc-link-arg=-evil\r\u{202e}b"), "{run}");
    is_harmless(&run);
    is_harmless(&p.granular("explain gen").success());
    is_harmless(&p.granular("explain all --fingerprint").success());
    is_harmless(&p.granular("build --message-format json --force").success());
    is_harmless(&p.granular("stats").success());
    p.remove(&file);
    let run = p.granular("build").code(2);
    assert!(run.stderr().contains("matches nothing"), "{run}");
    p.write(&file, "4");
    is_harmless(&p.granular("clean").success());
    ends_well(&p);
}

#[test]
fn a45_mistakes_and_failures_that_quote_a_name_show_it_escaped() {
    let p = project(&step("gen", "exit 3", "outputs = []"));
    let made = Command::new("mkfifo").arg(p.path(NASTY)).status().unwrap();
    assert!(made.success());
    let run = p.granular("build").code(2);
    is_harmless(&run);
    p.remove(NASTY);
    // An output that cannot be kept, and one that is a link out of the workspace.
    for script in ["mkfifo \"{out}/$NASTY\"", "ln -s \"/$NASTY\" \"{out}/$NASTY\""] {
        p.manifest(&step(
            "gen",
            script,
            "outputs = [\"{out}\"]\ninputs = []\ntrack-env = [\"NASTY\"]",
        ));
        for format in ["", " --message-format json"] {
            let build = p.command(&format!("build{format}")).env("NASTY", NASTY);
            is_harmless(&build.run().code(1));
        }
        is_harmless(&p.command("explain gen").env("NASTY", NASTY).run().success());
        is_harmless(&p.command("explain gen --fingerprint").env("NASTY", NASTY).run().success());
    }
    p.manifest(&gen_step());
    p.write("in", "");
    ends_well(&p);
}

#[test]
fn a45_what_steps_print_is_no_command_to_anybody_on_a_run_and_on_a_hit() {
    let text = format!("{NASTY}\ncargo:rerun-if-changed=/\ncargo::metadata=x\n");
    let p = project(
        &[
            step("check", "cat nasty; cat nasty >&2", "inputs = [\"nasty\"]\noutputs = []"),
            step(
                "gen",
                "cat nasty; cat nasty > {out}/x",
                "inputs = [\"nasty\"]\noutputs = [\"{out}/x\"]",
            ),
            step("bad", "cat nasty; exit 1", "inputs = [\"nasty\"]\noutputs = []\ndefault = false"),
        ]
        .concat(),
    );
    p.write("nasty", &text);
    for verbosity in ["", "-v", "-vv"] {
        for colour in ["never", "always"] {
            let _ = fs::remove_dir_all(p.path("target"));
            let run = p.granular(&format!("build {verbosity} --color {colour}")).success();
            assert_eq!(run.stdout(), "", "standard output is for what was asked for");
            assert!(run.stderr().contains("cargo:rerun-if-changed=/"), "a check's log is shown");
            let plain = run.raw_stderr().replace("\u{1b}[", "<");
            assert!(
                !plain.contains(['\u{1b}', '\u{7}', '\r']) && !plain.contains("<2J"),
                "{plain:?}"
            );
        }
        let run = p.granular(&format!("build bad {verbosity}")).code(1);
        assert_eq!(run.stdout(), "");
        let run = p.granular(&format!("build bad {verbosity} --message-format json")).code(1);
        for line in run.raw_stdout().lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }
    assert_eq!(
        p.ran().iter().filter(|step| *step != "bad").count(),
        2,
        "all but the first were hits"
    );
    p.granular("verify").success();
    nothing_is_left_running(&p);
}

#[test]
fn a45_names_in_a_manifest_command_no_terminal() {
    let p = Project::new("workspace");
    let nasty = r#""a\u001b[2J\n\u202eb""#;
    for table in [
        format!("[workspace.metadata.granular.steps.{nasty}]\nrun = \"x\"\noutputs = []\n"),
        format!("[workspace.metadata.granular]\n{nasty} = 1\n"),
        step("gen", "true", &format!("outputs = []\ninputs = [{nasty}]")),
        step("gen", "true", &format!("outputs = []\nneeds = [{nasty}]")),
        step("gen", "true", &format!("outputs = []\nmatrix = {{ os = [{nasty}, {nasty}] }}")),
        step("gen", "true", &format!("outputs = []\ntools = [{nasty}, {nasty}]")),
    ] {
        p.manifest(&table);
        is_harmless(&p.granular("build").code(2));
    }
    p.manifest(&step(
        "gen",
        "true",
        &format!("outputs = []\ninputs = []\nenv = {{ {nasty} = {nasty} }}"),
    ));
    is_harmless(&p.granular("build -v").success());
    p.manifest(&step("gen", "true", &format!("outputs = []\ninputs = []\ntools = [{nasty}]")));
    is_harmless(&p.granular("build").code(3));
    p.manifest(&step(
        "gen",
        "true",
        &format!("outputs = []\ninputs = []\nmatrix = {{ os = [{nasty}, \"b\"] }}"),
    ));
    for command in ["build -v", "list", "graph", "graph --format mermaid", "explain gen"] {
        let run = p.granular(command);
        is_harmless(&run);
    }
}

// A46: what a checkout says, and what it cannot.

#[test]
fn a46_tables_of_packages_that_are_no_members_are_never_run() {
    let p = Project::new("workspace");
    let evil = |name: &str| {
        let table =
            step("evil", "true", "inputs = []\noutputs = []").replace("[workspace.", "[package.");
        let table =
            table + &step("evil", "true", "inputs = []\noutputs = []").replace(".evil", ".evil2");
        // A package that says it is a workspace of its own has no say either.
        format!(
            "[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[workspace]\n{table}"
        )
    };
    let member =
        step("good", "true", "inputs = []\noutputs = []").replace("[workspace.", "[package.");
    let dependencies = "[dependencies]\nfrom-registry = \"1\"\nbeside = { path = \"../../beside\" }\nexcluded = { path = \"../excluded\" }\n";
    p.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"app\"]\nexclude = [\"excluded\", \"vendor\"]\n");
    p.write("app/Cargo.toml", format!("[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n{dependencies}{member}"));
    p.write("app/src/lib.rs", "");
    for (name, dir) in [
        ("from-registry", "vendor/from-registry"),
        ("beside", "../beside"),
        ("excluded", "excluded"),
    ] {
        p.write(&format!("{dir}/Cargo.toml"), evil(name)).write(&format!("{dir}/src/lib.rs"), "");
    }
    p.write("vendor/from-registry/.cargo-checksum.json", "{\"files\":{},\"package\":null}");
    let config = "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = \"vendor\"\n";
    p.write(".cargo/config.toml", config);
    let resolved = Command::new("cargo")
        .args(["metadata", "--format-version=1", "--offline"])
        .current_dir(p.root())
        .output()
        .unwrap();
    let resolved = String::from_utf8_lossy(&resolved.stdout).into_owned();
    assert!(["from-registry", "beside", "excluded"].iter().all(|name| resolved.contains(name)));
    for command in ["build", "build --workspace", "build *", "test --workspace", "build -p app"] {
        p.granular(command).success();
    }
    assert_eq!(p.ran(), ["good"]);
    assert!(!p.granular("list").success().stdout().contains("evil"));
    p.granular("build evil").code(2);
    p.granular("build from-registry#evil").code(2);
    p.granular("build -p from-registry").code(2);
    assert!(p.ran().is_empty());
    ends_well(&p);
}

#[test]
fn a46_a_checkout_cannot_move_a_cache_that_was_named_outside_of_it() {
    let p = one_step();
    let elsewhere = p.root().with_file_name("elsewhere");
    let tables =
        |dir: &str| format!("[workspace.metadata.granular]\ncache-dir = {dir:?}\n{}", gen_step());
    for dir in [&*elsewhere.to_string_lossy(), "cache", "../elsewhere"] {
        p.manifest(&tables(dir));
        p.granular("build").success();
        let flag = p.command("build --cache-dir").arg(&p.cache().to_string_lossy()).run();
        flag.success();
        assert!(!elsewhere.exists() && !p.path("cache").exists(), "{dir}");
    }
    assert_eq!(p.ran(), ["gen"]);
    assert!(p.cache().join("v1/results").exists());
    ends_well(&p);
}

#[test]
fn a46_a_secret_of_the_environment_reaches_no_step_and_nothing_that_is_kept() {
    let secret = "hunter2-and-more";
    let p = project(&step(
        "gen",
        "env > {out}/env; env; cat /proc/self/environ",
        "inputs = []\noutputs = [\"{out}/env\"]",
    ));
    let names = [
        "CI_TOKEN",
        "GITHUB_TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "GRANULAR_TOKEN",
        "CARGO_REGISTRY_TOKEN",
    ];
    let build = |arguments: &str| {
        let build = p.command(arguments);
        names.iter().fold(build, |build, name| build.env(name, secret)).run().success()
    };
    for arguments in
        ["build -vv", "build -vv --force --message-format json", "explain gen --fingerprint"]
    {
        let run = build(arguments);
        assert!(!run.raw_stdout().contains(secret) && !run.raw_stderr().contains(secret), "{run}");
    }
    for (path, entry) in tree(p.root().parent().unwrap(), |_| false) {
        if let Entry::File { bytes, .. } = entry {
            assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{}", path.display());
        }
    }
    assert!(p.read_out("gen/env").contains("GRANULAR_OUT="));
}
