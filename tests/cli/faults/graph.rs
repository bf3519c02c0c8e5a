//! The graph and its configuration (A59 to A63).

use super::{ends_well, nothing_is_left_running, outcome, tree};
use crate::project::{Project, Run, project, step};
use insta::assert_snapshot;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

// A59: reading what another step leaves, without needing it.

/// `gen` leaves `gen/x.go`, `mid` needs it, and `last` reads with these patterns.
fn chain(mid: &str, inputs: &str, needs: &str) -> Project {
    let tables = [
        step(
            "gen",
            "mkdir -p gen; cat source > gen/x.go",
            "inputs = [\"source\"]\noutputs = [\"gen\"]",
        ),
        step(
            "mid",
            if mid.contains("{out}") { "echo > {out}/mid" } else { "true" },
            &format!("inputs = []\nneeds = [\"gen\"]\n{mid}"),
        ),
        step(
            "last",
            "cat gen/x.go > {out}/copy",
            &format!("inputs = {inputs}\nneeds = {needs}\noutputs = [\"{{out}}/copy\"]"),
        ),
    ];
    let project = project(&tables.concat());
    project.write("source", "1\n").write("main.go", "");
    project
}

#[test]
fn a59_an_output_that_comes_through_a_check_is_seen() {
    for inputs in [r#"["gen/x.go"]"#, r#"["**/*.go"]"#] {
        let p = chain("outputs = []", inputs, r#"["mid"]"#);
        p.granular("build").success();
        p.write("source", "2\n");
        p.granular("build").success();
        assert_eq!(p.read_out("last/copy"), "2\n");
    }
}

#[test]
fn a59_an_output_that_no_need_passes_on_is_refused_with_both_names() {
    let mid = "outputs = [\"{out}/mid\"]";
    assert_snapshot!(chain(mid, r#"["gen/x.go"]"#, r#"["mid"]"#).granular("build").code(2), @r#"
    ---- stderr
    error: `#last` reads `gen/x.go`, an output of `#gen`, without needing it
      --> Cargo.toml:18:11
       |
     8 | outputs = ["gen"]
       |            ----- an output of `#gen`
    ...
    18 | inputs = ["gen/x.go"]
       |           ^^^^^^^^^^ read here
       |
       = help: add `"gen"` to `needs`, or take it out of the inputs with `"!gen/**"`

    error: 1 mistake in the configuration
    [exit code: 2]
    "#);
    assert_snapshot!(chain("outputs = []", r#"["**/*.go"]"#, "[]").granular("build").code(2), @r#"
    ---- stderr
    error: `#last` reads `gen`, an output of `#gen`, without needing it
      --> Cargo.toml:18:11
       |
     8 | outputs = ["gen"]
       |            ----- an output of `#gen`
    ...
    18 | inputs = ["**/*.go"]
       |           ^^^^^^^^^ read here
       |
       = help: add `needs = ["gen"]`, or take it out of the inputs with `"!gen/**"`

    error: 1 mistake in the configuration
    [exit code: 2]
    "#);
    let p = chain(mid, r#"["**/*.go", "!gen/**"]"#, r#"["mid"]"#);
    p.granular("build").success();
}

#[test]
fn a59_what_is_refused_is_refused_each_time_whoever_would_be_faster() {
    for inputs in [r#"["gen/x.go"]"#, r#"["**/*.go"]"#, r#"["gen"]"#] {
        let p = chain("outputs = []", inputs, "[]");
        // Also with the output in place, which a build of that step alone cannot make either.
        for round in 0..20 {
            if round == 10 {
                p.write("gen/x.go", "1\n");
            }
            let jobs = if round % 2 == 0 { "-j1" } else { "-j8" };
            let run = p.granular(&format!("build {jobs}")).code(2);
            let told = run.stderr();
            assert!(
                told.contains("#last") && told.contains("#gen") && told.contains("gen"),
                "{run}"
            );
        }
        p.granular("build gen").code(2);
        assert!(p.ran().is_empty());
    }
}

#[test]
fn a59_the_output_directory_of_another_step_is_no_input_by_its_path() {
    let tables = |inputs: &str, needs: &str| {
        [
            step("gen", "cat in > {out}/x", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]"),
            step(
                "last",
                "cat target/granular/out/@workspace/gen/x > {out}/y",
                &format!("inputs = [{inputs}]\noutputs = [\"{{out}}/y\"]\nneeds = [{needs}]"),
            ),
        ]
        .concat()
    };
    let by_path = "\"target/granular/out/@workspace/gen/x\"";
    let p = project(&tables(by_path, ""));
    p.write("in", "1\n");
    let refused = p.granular("build").code(2).to_string();
    assert_snapshot!(refused, @r#"
    ---- stderr
    error: `#last` reads `target/granular/out/@workspace/gen/x`, an output of `#gen`, by its path
      --> Cargo.toml:12:11
       |
     4 | [workspace.metadata.granular.steps.gen]
       |                                    --- `#gen` leaves it
    ...
    12 | inputs = ["target/granular/out/@workspace/gen/x"]
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ read here
       |
       = help: take it out of the inputs and need `"gen"`: what a need leaves counts by itself, and it lies in `{needs.gen.out}`

    error: 1 mistake in the configuration
    [exit code: 2]
    "#);
    for _ in 0..3 {
        assert_eq!(p.granular("build -j8").code(2).to_string(), refused);
    }
    // Nor when it is there.
    p.manifest(&tables("", ""));
    p.granular("build gen").success();
    for inputs in
        [by_path, "\"target/granular/out\"", "\"target\"", "\"target/granular/records-v1\""]
    {
        for needs in ["", "\"gen\""] {
            p.manifest(&tables(inputs, needs));
            let run = p.granular("build").code(2);
            assert!(run.stderr().contains("`#last` reads `target/granular"), "{run}");
        }
    }
    p.ran();
    p.manifest(&tables("\"target\", \"!target/granular/**\"", "\"gen\""));
    p.write("target/mine", "");
    p.granular("build").success();
    assert_eq!(p.ran(), ["last"]);
    p.manifest(
        &tables("", "\"gen\"").replace("target/granular/out/@workspace/gen", "{needs.gen.out}"),
    );
    assert_eq!(ends_well(&p), ["last"]);
}

#[test]
fn a59_with_the_need_every_run_leaves_the_same() {
    let p = chain("outputs = []", r#"["gen/x.go"]"#, r#"["gen"]"#);
    let mut left = Vec::new();
    for round in 0..20 {
        let _ = fs::remove_dir_all(p.path("target"));
        let _ = fs::remove_dir_all(p.path("gen"));
        let jobs = if round % 2 == 0 { "-j1" } else { "-j8" };
        p.granular(&format!("build --no-cache {jobs}")).success();
        left.push(outcome(&p));
    }
    assert!(left.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(p.ran().len(), 60);
    ends_well(&p);
}

// A60: mistakes in the configuration. How each of them is drawn is held in `config_errors.rs`.

/// Keys of a step each of which has one mistake, told at that step.
const BAD: [&str; 50] = [
    "run = 'x'\noutputs = []\ninput = ['a']",
    "run = 'x'\noutput = []\noutputs = []",
    "run = 1\noutputs = []",
    "run = ''\noutputs = []",
    "run = []\noutputs = []",
    "run = ['go', 1]\noutputs = []",
    "run = \"a\\u0000b\"\noutputs = []",
    "run = 'x'",
    "outputs = ['{out}/x']\ninputs = ['present']",
    "run = 'x'\noutputs = 'x'",
    "run = 'x'\noutputs = ['../x']",
    "run = 'x'\noutputs = ['/../x']",
    "run = 'x'\noutputs = ['{out}/../x']",
    "run = 'x'\noutputs = ['**/x']",
    "run = 'x'\noutputs = ['']",
    "run = 'x'\noutputs = ['{out}/x', '{out}/x']",
    "run = 'x'\noutputs = ['[a']",
    "run = 'x'\noutputs = []\ninputs = ['']",
    "run = 'x'\noutputs = []\ninputs = [1]",
    "run = 'x'\noutputs = []\ninputs = ['../x']",
    "run = 'x'\noutputs = []\ninputs = ['[a']",
    "run = 'x'\noutputs = []\ninputs = ['no/such/file']",
    "run = 'x'\noutputs = []\ninputs = ['!a']",
    "run = 'x'\noutputs = ['own49']\ninputs = ['own49/x']",
    "run = 'x'\noutputs = []\nneeds = ['nobody']",
    "run = 'x'\noutputs = []\nneeds = ['a#b#c']",
    "run = 'x'\noutputs = []\nneeds = ['nobody#x']",
    "run = 'x'\noutputs = []\nneeds = ['good', 'good']",
    "run = 'x'\noutputs = []\nneeds = [1]",
    "run = 'x'\noutputs = []\ntimeout = '5 min'",
    "run = 'x'\noutputs = []\ntimeout = 0",
    "run = 'x'\noutputs = []\nretries = -1",
    "run = 'x'\noutputs = []\njobs = 0",
    "run = 'x'\noutputs = []\nplatform = 'linux'",
    "run = 'x'\noutputs = []\ndir = '../x'",
    "run = 'x'\noutputs = []\ndir = 'no-such-directory'",
    "run = 'x'\noutputs = []\nenv = 1",
    "run = 'x'\noutputs = []\nenv = { A = 1 }",
    "run = 'x'\noutputs = []\nenv = { 'A=B' = 'x' }",
    "run = 'x'\noutputs = []\ntrack-env = 'A'",
    "run = 'x'\noutputs = []\npass-env = ['A', 'A']",
    "run = 'x'\noutputs = []\ntools = ['']",
    "run = 'x'\noutputs = []\nmatrix = 1",
    "run = 'x'\noutputs = []\nmatrix = { a = [] }",
    "run = 'x'\noutputs = []\nmatrix-exclude = [{ a = '1' }]",
    "run = 'x {matrix.nobody}'\noutputs = []",
    "run = 'x {needs.nobody.out}'\noutputs = []",
    "run = 'x'\noutputs = []\ntools = 'go'",
    "run = 'x'\noutputs = []\ntest = 'true'",
    "run = 'x'\noutputs = []\ndefault = 1",
];

/// The table of the bad step of that place.
fn bad(index: usize) -> String {
    format!("[workspace.metadata.granular.steps.bad-{index}-]\n{}\n", BAD[index])
}

fn with_a_good_step(bad: &str) -> String {
    step("good", "true", "inputs = []\noutputs = []") + bad
}

/// The mistakes of a refused build: file, line, column and message of each.
#[track_caller]
fn mistakes(p: &Project) -> Vec<(String, u64, u64, String)> {
    let run = p.granular("build --message-format json").code(2);
    assert!(p.ran().is_empty(), "nothing has run");
    assert!(!p.path("target/granular/out").exists(), "nothing was made");
    let objects = run.raw_stdout();
    let objects = objects.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mistakes = objects.filter(|object| object["reason"] == "granular-mistake");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let found: Vec<_> = mistakes
        .map(|object| {
            let place = (object["line"].as_u64().unwrap(), object["column"].as_u64().unwrap());
            (text(&object["file"]), place.0, place.1, text(&object["message"]))
        })
        .collect();
    let shown = run.stderr();
    for (file, line, column, _) in &found {
        let file = Path::new(file).strip_prefix(p.root()).unwrap();
        let place = format!("--> {}:{line}:{column}\n", file.display());
        assert!(shown.contains(&place), "{place} in {shown}");
    }
    found
}

#[test]
fn a60_each_bad_table_is_refused_with_its_place_and_its_step() {
    let p = Project::new("workspace");
    for index in 0..BAD.len() {
        let tables = with_a_good_step(&bad(index));
        p.manifest(&tables);
        p.write("present", "");
        let first =
            p.read("Cargo.toml").lines().position(|line| line.contains("bad-")).unwrap() + 1;
        let found = mistakes(&p);
        let [(_, line, column, message)] = &*found else { panic!("{tables}\n{found:?}") };
        let lines = first as u64..first as u64 + 4;
        assert!(lines.contains(line) && *column > 0, "{tables}\n{found:?}");
        assert!(message.contains(&format!("#bad-{index}-")), "{tables}\n{found:?}");
    }
}

#[test]
fn a60_many_bad_tables_and_what_is_wrong_between_tables_are_told_in_one_go() {
    let between = "\
[workspace.metadata.granular.steps]
one = { run = 'x', outputs = ['shared'] }
two = { run = 'x', outputs = ['shared/x'] }
reader = { run = 'x', outputs = [], inputs = ['shared/x'] }
no-table = 'x'
[workspace.metadata.granular]
cache-size = 'big'
cache_dir = 'x'
";
    // A directory that is not there is no mistake while some step cannot be read, which may make it.
    let told = || (0..BAD.len()).filter(|index| !BAD[*index].contains("no-such-directory"));
    let all: String = told().map(bad).collect();
    let p = project(&with_a_good_step(&all));
    let tables = p.read("Cargo.toml");
    // What stands between tables comes first: a table cannot be opened twice.
    p.write(
        "Cargo.toml",
        tables.replacen("[workspace.metadata", &format!("{between}[workspace.metadata"), 1),
    );
    p.write("present", "");
    let found = mistakes(&p);
    for index in told() {
        let name = format!("#bad-{index}-");
        let of_it = found.iter().filter(|(.., message)| message.contains(&name)).count();
        assert_eq!(of_it, 1, "{name}: {}\n{found:#?}", BAD[index]);
    }
    for word in ["`#two`", "`#reader`", "#no-table", "cache-size", "cache_dir"] {
        assert!(found.iter().any(|(.., message)| message.contains(word)), "{word}\n{found:#?}");
    }
    // What only files show comes behind what the tables show.
    let is_of_files = |message: &str| message.contains("matches nothing");
    let of_tables = found.iter().filter(|(.., message)| !is_of_files(message));
    let places: Vec<_> = of_tables.map(|(_, line, column, _)| (line, column)).collect();
    assert!(places.is_sorted(), "in the order of the file: {places:?}");
}

#[test]
fn a60_a_cycle_is_told_beside_what_is_wrong_with_other_steps() {
    let ring = "\
[workspace.metadata.granular.steps]
ring-a = { run = 'x', outputs = [], needs = ['ring-b'] }
ring-b = { run = 'x', outputs = [], needs = ['ring-a'] }
one = { run = 'x', outputs = ['shared'] }
two = { run = 'x', outputs = ['shared/x'] }
";
    let p = project(&with_a_good_step(&bad(0)));
    let tables = p.read("Cargo.toml");
    p.write(
        "Cargo.toml",
        tables.replacen("[workspace.metadata", &format!("{ring}[workspace.metadata"), 1),
    );
    let found = mistakes(&p);
    for word in ["#ring-a", "#bad-0-", "`#two`"] {
        assert!(found.iter().any(|(.., message)| message.contains(word)), "{word}\n{found:#?}");
    }
}

#[test]
fn a60_a_huge_manifest_is_read_to_its_end() {
    let comment = "# a line that says nothing, of which there are many\n".repeat(100_000);
    let p = project(&(comment + &with_a_good_step(&bad(0))));
    let began = Instant::now();
    let found = mistakes(&p);
    assert_eq!(found.len(), 1);
    assert!(found[0].1 > 100_000);
    assert!(began.elapsed() < Duration::from_secs(60));
    let many: String =
        (0..2_000).map(|index| bad(0).replace("bad-0-", &format!("bad-{index}"))).collect();
    p.manifest(&many);
    assert_eq!(mistakes(&p).len(), 2_000);
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a60_what_is_nested_without_end_is_refused() {
    let deep = 20_000;
    let (open, close) = ("[".repeat(deep), "]".repeat(deep));
    let (braces, ends) = ("{ a = ".repeat(deep), " }".repeat(deep));
    let braced = format!("x{}y{}", "{".repeat(deep), "}".repeat(deep));
    let alternatives = format!("x{}", "{a,b}".repeat(deep));
    let dotted = vec!["a"; deep].join(".");
    let nested = [
        format!("run = 'x'\noutputs = []\ninputs = {open}{close}"),
        format!("run = 'x'\noutputs = []\nenv = {braces}1{ends}"),
        format!("run = 'x'\noutputs = []\nenv.{dotted} = 1"),
        format!("run = 'x'\noutputs = []\ninputs = ['{braced}']"),
        format!("run = 'x'\noutputs = []\ninputs = ['{alternatives}']"),
    ];
    let p = Project::new("workspace");
    let began = Instant::now();
    for keys in nested {
        p.manifest(&with_a_good_step(&format!(
            "[workspace.metadata.granular.steps.bad]\n{keys}\n"
        )));
        let run = p.granular("build").code(2);
        assert!(run.stderr().starts_with("error: "));
        assert!(p.ran().is_empty());
    }
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn a60_bytes_that_are_no_text_are_refused_in_any_manifest() {
    let p = Project::new("workspace");
    let root = "[workspace]\nresolver = \"3\"\nmembers = [\"web\"]\n";
    let good = step("good", "true", "inputs = []\noutputs = []");
    let package = "[package]\nname = \"web\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    let text = |text: &str, end: &[u8]| [text.as_bytes(), end].concat();
    p.write("web/src/lib.rs", "");
    for bad in [&b"# caf\xe9\n"[..], b"\"\xff\xfe\" = 1\n", b"\x00\x00\n", b"a = \"\x1b\"\n"] {
        p.write("Cargo.toml", text(&format!("{root}{good}"), b""))
            .write("web/Cargo.toml", text(package, bad));
        let run = p.granular("build").code(2);
        assert!(run.stderr().contains("Cargo.toml"), "{run}");
        p.write("Cargo.toml", text(root, bad)).write("web/Cargo.toml", package);
        let run = p.granular("build").code(2);
        assert!(run.stderr().contains("Cargo.toml"), "{run}");
    }
    assert!(p.ran().is_empty());
}

#[test]
fn a60_an_output_that_looks_absolute_lies_in_the_workspace() {
    let p = project(&step(
        "gen",
        "mkdir -p etc; echo ours > etc/granular-test; echo > {out}/x",
        "inputs = []\noutputs = [\"/etc/granular-test\", \"{out}/x\"]",
    ));
    p.granular("build").success();
    assert_eq!(p.read("etc/granular-test"), "ours\n");
    assert!(!Path::new("/etc/granular-test").exists());
    p.granular("clean").success();
    assert!(!p.path("etc/granular-test").exists());
    ends_well(&p);
}

// A61: steps that run Cargo, or this program.

/// A step that runs `script` with all that Cargo needs.
fn step_with_cargo(name: &str, script: &str, more: &str) -> String {
    step(name, script, more)
        .replace("pass-env = [\"LOG\"]", "pass-env = [\"LOG\", \"CARGO_HOME\", \"RUSTUP_HOME\"]")
}

/// Builds, and ends a build that waits for itself.
fn build_or_end(p: &Project, arguments: &str) -> Run {
    p.command(&format!("build {arguments}")).inside(&["timeout", "-k", "5", "120"]).run()
}

#[test]
fn a61_a_step_can_run_cargo_in_the_workspace_that_is_built() {
    let p = Project::new("workspace");
    let script = "cargo build --offline --quiet; cp target/debug/app {out}/app";
    let more =
        "inputs = [\"/app/**\", \"/Cargo.toml\"]\noutputs = [\"{out}/app\"]\ntools = [\"cargo\"]";
    let again = "cargo build --offline --quiet --release; target/release/app > {out}/said";
    let root = [
        step_with_cargo("compile", script, more),
        step_with_cargo("again", again, &more.replace("{out}/app", "{out}/said")),
    ];
    p.write(
        "Cargo.toml",
        format!("[workspace]\nresolver = \"3\"\nmembers = [\"app\"]\n{}", root.concat()),
    );
    p.write(
        "app/Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
    );
    p.write("app/src/main.rs", "fn main() { println!(\"one\") }\n");
    for word in ["one", "two"] {
        p.write("app/src/main.rs", format!("fn main() {{ println!(\"{word}\") }}\n"));
        // Side by side they wait for each other on Cargo's own lock, and end.
        build_or_end(&p, "-j2").success();
        assert_eq!(p.ran(), ["again", "compile"]);
        assert_eq!(p.read_out("again/said"), format!("{word}\n"));
    }
    assert!(p.granular("build").success().stderr().contains("2 fresh"));
    nothing_is_left_running(&p);
    p.granular("verify").success();
}

#[test]
fn a61_a_step_that_runs_this_program_in_its_own_workspace_is_told_at_once() {
    let granular = env!("CARGO_BIN_EXE_cargo-granular");
    for command in ["build inner", "test", "clean", "reproduce inner", "build --target-dir target"]
    {
        let script = format!("timeout 60 {granular} {command}");
        let p = project(&step_with_cargo("inner", &script, "inputs = []\noutputs = []"));
        let began = Instant::now();
        let run = build_or_end(&p, "inner").code(1);
        assert!(began.elapsed() < Duration::from_secs(30), "{command}");
        assert!(run.stderr().contains("a step runs cargo granular in the workspace"), "{run}");
        assert_eq!(p.ran(), ["inner"], "{command}");
        nothing_is_left_running(&p);
    }
}

#[test]
fn a61_a_step_can_ask_this_program_and_build_another_workspace() {
    let granular = env!("CARGO_BIN_EXE_cargo-granular");
    let p = Project::new("workspace");
    let inner = step("inner", "echo inner > {out}/x", "inputs = []\noutputs = [\"{out}/x\"]");
    p.write("other/Cargo.toml", format!("[workspace]\nresolver = \"3\"\n{inner}"));
    let script = format!(
        "{granular} list > {{out}}/list; {granular} build -n outer > /dev/null; \
         {granular} build --manifest-path other/Cargo.toml; cp other/target/granular/out/@workspace/inner/x {{out}}/x"
    );
    p.manifest(&step_with_cargo(
        "outer",
        &script,
        "inputs = [\"/other/Cargo.toml\"]\noutputs = [\"{out}\"]",
    ));
    build_or_end(&p, "").success();
    assert_eq!(p.ran(), ["inner", "outer"]);
    assert_eq!(p.read_out("outer/x"), "inner\n");
    assert!(p.read_out("outer/list").contains("#outer"));
    assert!(p.granular("build").success().stderr().contains("1 fresh"));
    nothing_is_left_running(&p);
}

#[test]
fn a61_two_workspaces_whose_steps_build_each_other_are_told_at_once() {
    let granular = env!("CARGO_BIN_EXE_cargo-granular");
    let p = Project::new("workspace");
    let back = format!("timeout 60 {granular} build --manifest-path ../Cargo.toml");
    let back = step_with_cargo("back", &back, "inputs = []\noutputs = []");
    p.write("other/Cargo.toml", format!("[workspace]\nresolver = \"3\"\n{back}"));
    let there = format!("timeout 60 {granular} build --manifest-path other/Cargo.toml");
    p.manifest(&step_with_cargo("there", &there, "inputs = []\noutputs = []"));
    let began = Instant::now();
    let run = build_or_end(&p, "").code(1);
    assert!(began.elapsed() < Duration::from_secs(30), "{run}");
    assert!(run.stderr().contains("a step runs cargo granular in the workspace"), "{run}");
    assert_eq!(p.ran(), ["back", "there"]);
    nothing_is_left_running(&p);
}

// A62: a step starts when what it needs is there, with the right bytes.

/// The number of steps.
const STEPS: usize = 500;

/// Numbers that follow from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

/// A random graph, what its sources hold, and which runs have been kept.
struct Dag {
    needs: Vec<BTreeSet<usize>>,
    sources: Vec<u64>,
    /// Every step makes one number of its source and of what its needs made, up to this: of few numbers the same one comes often.
    limits: Vec<u64>,
    kept: BTreeSet<(usize, u64, Vec<u64>)>,
}

impl Dag {
    fn new(dice: &mut Dice) -> Self {
        let needs = |index: usize, dice: &mut Dice| {
            let number = dice.below(5).min(index);
            // Near ones make long chains, far ones tie them together.
            let reach = if dice.below(4) == 0 { index } else { index.min(20) };
            (0..number).map(|_| index - 1 - dice.below(reach)).collect()
        };
        Self {
            needs: (0..STEPS).map(|index| needs(index, dice)).collect(),
            sources: (0..STEPS).map(|_| dice.below(1000) as u64).collect(),
            limits: (0..STEPS).map(|_| if dice.below(3) == 0 { 5 } else { 1_000_003 }).collect(),
            kept: BTreeSet::new(),
        }
    }

    fn tables(&self) -> String {
        let table = |index: usize| {
            let see = |need: &usize| {
                format!(
                    "read -r got < {{needs.s{need}.out}}/x; read -r want < \"$EXPECTED/s{need}\"; \
                     test \"$got\" = \"$want\" || echo \"s{index} saw '$got' of s{need}, not $want\" >> \"$EXPECTED/wrong\"; \
                     sum=$(( (sum * 31 + got) % 1000003 )); "
                )
            };
            let sees: String = self.needs[index].iter().map(see).collect();
            let limit = self.limits[index];
            let script =
                format!("read -r sum < src/s{index}; {sees}echo $(( sum % {limit} )) > {{out}}/x");
            let needs: Vec<_> = self.needs[index].iter().map(|need| format!("s{need}")).collect();
            let more = format!(
                "inputs = [\"src/s{index}\"]\noutputs = [\"{{out}}/x\"]\nneeds = {needs:?}"
            );
            step(&format!("s{index}"), &script, &more)
                .replace("pass-env = [\"LOG\"]", "pass-env = [\"LOG\", \"EXPECTED\"]")
        };
        (0..STEPS).map(table).collect()
    }

    /// What every step makes.
    fn made(&self) -> Vec<u64> {
        let mut made: Vec<u64> = Vec::new();
        for index in 0..STEPS {
            let sum = self.needs[index]
                .iter()
                .fold(self.sources[index], |sum, need| (sum * 31 + made[*need]) % 1_000_003);
            made.push(sum % self.limits[index]);
        }
        made
    }

    /// Builds, and holds what every step saw and left, and which ran, against what follows from the sources.
    #[track_caller]
    fn build(&mut self, p: &Project) {
        let made = self.made();
        let mut expected = BTreeSet::new();
        for (index, number) in made.iter().enumerate() {
            p.write(&format!("src/s{index}"), format!("{}\n", self.sources[index]));
            p.write(&format!("../expected/s{index}"), format!("{number}\n"));
            let saw = self.needs[index].iter().map(|need| made[*need]).collect();
            if self.kept.insert((index, self.sources[index], saw)) {
                expected.insert(format!("s{index}"));
            }
        }
        self.build_as_expected(p, &expected);
        for (index, number) in made.iter().enumerate() {
            assert_eq!(p.read_out(&format!("s{index}/x")), format!("{number}\n"), "s{index}");
        }
    }

    #[track_caller]
    fn build_as_expected(&self, p: &Project, expected: &BTreeSet<String>) {
        let dir = p.root().with_file_name("expected");
        p.command("build -j16").env("EXPECTED", &dir.to_string_lossy()).run().success();
        let wrong = fs::read_to_string(dir.join("wrong")).unwrap_or_default();
        assert!(wrong.is_empty(), "{wrong}");
        let ran = p.ran();
        let once: BTreeSet<_> = ran.iter().cloned().collect();
        assert_eq!(once.len(), ran.len(), "ran twice: {ran:?}");
        assert_eq!(&once, expected);
    }
}

/// How many graphs are tried, where more are asked for than usual.
fn asked_for() -> Option<u64> {
    std::env::var("GRANULAR_DAG_SEEDS").ok()?.parse().ok()
}

#[test]
fn a62_each_of_500_steps_sees_the_right_bytes_of_all_that_it_needs() {
    for seed in 1..=asked_for().unwrap_or(2) {
        eprintln!("seed {seed}");
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut dag = Dag::new(&mut dice);
        let p = project(&dag.tables());
        dag.build(&p);
        dag.build(&p);
        let before = dag.sources.clone();
        for _ in 0..25 {
            dag.sources[dice.below(STEPS)] = dice.below(1000) as u64;
            let _ = fs::remove_file(
                p.path(&format!("target/granular/out/@workspace/s{}/x", dice.below(STEPS))),
            );
        }
        dag.build(&p);
        dag.sources = before;
        dag.build(&p);
        p.remove("target");
        dag.build(&p);
        p.granular("verify").success();
        nothing_is_left_running(&p);
    }
}

/// Waits cost no processor, so that this holds on any machine that is not overwhelmed; only in the long form.
#[test]
fn a62_steps_that_wait_are_not_kept_waiting_longer_than_they_must() {
    let Some(seeds) = asked_for() else { return };
    let count = 100;
    for seed in 1..=seeds.min(3) {
        let mut dice = Dice(seed);
        let mut tables = String::new();
        let mut ends: Vec<u64> = Vec::new();
        let mut total = 0;
        for index in 0..count {
            let number = dice.below(3).min(index);
            let needs: BTreeSet<_> = (0..number).map(|_| dice.below(index)).collect();
            let wait = 100 + dice.below(200) as u64;
            total += wait;
            ends.push(wait + needs.iter().map(|need| ends[*need]).max().unwrap_or(0));
            let needs: Vec<_> = needs.iter().map(|need| format!("s{need}")).collect();
            let more = format!("inputs = []\noutputs = []\nneeds = {needs:?}");
            tables += &step(&format!("s{index}"), &format!("sleep 0.{wait}"), &more);
        }
        let p = project(&tables);
        let began = Instant::now();
        p.granular("build -j16").success();
        let took = began.elapsed();
        let path = Duration::from_millis(*ends.iter().max().unwrap());
        // No order of the steps can be sure to be better than both together.
        let bound = (path + Duration::from_millis(total) / 16).mul_f64(1.3);
        assert!(took < bound, "seed {seed}: {took:?}, longest path {path:?}, bound {bound:?}");
    }
}

// A63: steps that are declared no longer, or otherwise.

fn writes(name: &str, dir: &str, file: &str) -> String {
    step(
        name,
        &format!("mkdir -p {dir}; cat in > {dir}/{file}; cat in > {{out}}/{file}"),
        &format!("inputs = [\"in\"]\noutputs = [\"{dir}\", \"{{out}}/{file}\"]"),
    )
}

fn files_in(p: &Project, dir: &str) -> Vec<String> {
    let found = tree(&p.path(dir), |_| false);
    found.into_keys().map(|path| path.to_string_lossy().into_owned()).collect()
}

#[test]
fn a63_what_a_step_left_that_is_declared_no_longer_stays_until_all_is_cleaned() {
    let p = project(&(writes("kept", "kept", "k") + &writes("gone", "gone", "g")));
    p.write("in", "1\n");
    p.granular("build").success();
    p.manifest(&writes("kept", "kept", "k"));
    p.write("gone/mine", "by hand\n").write("kept/mine", "by hand\n");
    let run = p.granular("build").success();
    assert!(run.stderr().contains("`kept/mine` was not made by this step"), "{run}");
    assert_eq!(p.ran(), ["gone", "kept"]);
    assert_eq!(files_in(&p, "kept"), ["k"]);
    p.granular("clean kept").success();
    assert!(files_in(&p, "kept").is_empty());
    assert_eq!(files_in(&p, "gone"), ["g", "mine"], "nobody's any more: neither ours to take away");
    assert!(p.path("target/granular/out/@workspace/gone/g").exists());
    p.granular("build").success();
    p.granular("clean").success();
    assert!(!p.path("target/granular/out").exists());
    assert_eq!(files_in(&p, "gone"), ["g", "mine"]);
    assert_eq!(p.read("target/granular/displaced/kept/mine"), "by hand\n");
    assert!(ends_well(&p).is_empty(), "all of it is restored");
}

#[test]
fn a63_a_renamed_or_moved_step_keeps_its_results_and_its_files() {
    let p = Project::new("workspace");
    let root = |tables: &str| {
        p.write(
            "Cargo.toml",
            format!("[workspace]\nresolver = \"3\"\nmembers = [\"web\"]\n{tables}"),
        );
    };
    let package = |tables: &str| {
        let package = "[package]\nname = \"web\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
        p.write("web/Cargo.toml", format!("{package}{tables}"));
    };
    p.write("web/src/lib.rs", "").write("in", "1\n");
    package("");
    root(&writes("old", "gen", "x"));
    p.granular("build --workspace").success();
    assert_eq!(p.ran(), ["old"]);
    let renamed = writes("old", "gen", "x").replace("steps.old", "steps.new");
    root(&renamed);
    let run = p.granular("build --workspace").success();
    assert!(!run.stderr().contains("warning"), "{run}");
    assert_eq!((p.read("gen/x"), p.read_out("new/x")), ("1\n".to_owned(), "1\n".to_owned()));
    // Into the table of a package its paths are written from the root, and its command says the same.
    root("");
    let moved = renamed
        .replace("[workspace.metadata", "[package.metadata")
        .replace("[\"in\"]", "[\"/in\"]")
        .replace("[\"gen\"", "[\"/gen\"")
        + "dir = \"/\"\n";
    package(&moved);
    // Its paths are written from another place now, so that it has another key; and whose the old file is, nobody can tell any more.
    let run = p.granular("build --workspace").success();
    assert_eq!(p.ran(), ["old"]);
    assert!(run.stderr().contains("`gen/x` was not made by this step: it is kept as"), "{run}");
    assert_eq!(p.read("target/granular/displaced/gen/x"), "1\n");
    assert_eq!(p.read("gen/x"), "1\n");
    assert_eq!(p.read("target/granular/out/web/new/x"), "1\n");
    p.granular("clean").success();
    assert!(!p.path("gen").exists());
    assert!(ends_well(&p).is_empty());
}

#[test]
fn a63_an_output_directory_that_is_handed_on_holds_nothing_of_who_had_it() {
    let p = project(&(writes("first", "gen", "old") + &writes("second", "other", "new")));
    p.write("in", "1\n");
    p.granular("build").success();
    assert_eq!(files_in(&p, "gen"), ["old"]);
    p.ran();
    p.manifest(&(writes("first", "other", "old") + &writes("second", "gen", "new")));
    p.granular("build").success();
    assert_eq!(p.ran(), ["first", "second"]);
    assert_eq!(
        (files_in(&p, "gen"), files_in(&p, "other")),
        (vec!["new".to_owned()], vec!["old".to_owned()])
    );
    // Nor does what is kept: elsewhere it comes back alone.
    let elsewhere = p.checkout("elsewhere");
    fs::remove_dir_all(elsewhere.path("gen")).unwrap();
    elsewhere.granular("build").success();
    assert!(elsewhere.ran().is_empty());
    assert_eq!(files_in(&elsewhere, "gen"), ["new"]);
    // And back again, in one checkout.
    p.manifest(&(writes("first", "gen", "old") + &writes("second", "other", "new")));
    assert!(ends_well(&p).is_empty());
    assert_eq!(files_in(&p, "gen"), ["old"]);
}

#[test]
fn a63_a_package_that_is_removed_takes_nothing_with_it() {
    let p = Project::new("workspace");
    let root = |members: &str| {
        let kept = writes("kept", "kept", "k");
        p.write(
            "Cargo.toml",
            format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n{kept}"),
        );
    };
    root("\"web\", \"api\"");
    for name in ["web", "api"] {
        let package =
            format!("[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n");
        let table = writes("gen", "gen", "x")
            .replace("[workspace.", "[package.")
            .replace("echo gen", &format!("echo {name}"));
        p.write(&format!("{name}/Cargo.toml"), package + &table);
        p.write(&format!("{name}/src/lib.rs"), "").write(&format!("{name}/in"), name);
    }
    p.write("in", "1\n");
    p.granular("build --workspace").success();
    assert_eq!(p.ran(), ["api", "kept", "web"]);
    p.write("web/mine", "by hand\n");
    root("\"api\"");
    let run = p.granular("build --workspace").success();
    assert!(run.stderr().contains("2 fresh") && !run.stderr().contains("warning"), "{run}");
    p.granular("clean").success();
    assert_eq!(
        files_in(&p, "web"),
        ["Cargo.toml", "gen", "gen/x", "in", "mine", "src", "src/lib.rs"]
    );
    assert!(!p.path("api/gen").exists());
    assert!(ends_well(&p).is_empty());
    root("\"web\", \"api\"");
    let run = p.granular("build --workspace").success();
    assert!(!run.stderr().contains("warning"), "{run}");
    assert!(p.ran().is_empty(), "back again, its result is still there");
}
