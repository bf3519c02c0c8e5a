//! Inputs that are found rather than listed, with a real Go and a real C compiler. A `go` in front of the real one notes when it is asked
//! for packages, so that what is remembered is held against what was asked.

use crate::project::{Project, Run, project, step};
use insta::assert_snapshot;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The steps of [`go_workspace`]: two programs and a test of the library.
const STEPS: &str = r#"
[workspace.metadata.granular.steps.api]
run = ["go", "build", "-trimpath", "-buildvcs=false", "-o", "{out}/api", "./api"]
discover = { go = "./api" }
outputs = ["{out}/api"]
env = { CGO_ENABLED = "0" }

[workspace.metadata.granular.steps.tool]
run = ["go", "build", "-trimpath", "-buildvcs=false", "-o", "{out}/tool", "./tool"]
discover = { go = "./tool" }
outputs = ["{out}/tool"]
env = { CGO_ENABLED = "0" }

[workspace.metadata.granular.steps.lib-test]
run = ["go", "test", "./lib/..."]
discover = { go = "./lib/..." }
outputs = []
test = true
env = { CGO_ENABLED = "0" }
"#;

/// `api` imports `lib`, `tool` does not; three modules tied by a `go.work`.
fn go_workspace() -> Project {
    let p = project(STEPS);
    p.write("go.work", "go 1.19\n\nuse (\n\t./api\n\t./lib\n\t./tool\n)\n");
    for module in ["api", "lib", "tool"] {
        p.write(&format!("{module}/go.mod"), format!("module example.com/{module}\n\ngo 1.19\n"));
    }
    p.write(
        "api/main.go",
        "package main\n\nimport \"example.com/lib\"\n\nfunc main() { println(lib.Name()) }\n",
    );
    p.write("lib/lib.go", "package lib\n\nfunc Name() string { return \"one\" }\n");
    p.write(
        "lib/lib_test.go",
        "package lib\n\nimport \"testing\"\n\nfunc TestName(t *testing.T) { Name() }\n",
    );
    p.write("tool/main.go", "package main\n\nfunc main() { println(\"tool\") }\n");
    let shim = shim(&p);
    fs::create_dir_all(&shim).unwrap();
    let script = format!(
        "#!/bin/sh\ncase $1 in list) echo list >> '{log}';; build) for word; do :; done; echo \"build $word\" >> '{log}';; test) echo test >> '{log}';; esac\nexec '{go}' \"$@\"\n",
        log = p.log().display(),
        go = real_go().display()
    );
    fs::write(shim.join("go"), script).unwrap();
    fs::set_permissions(shim.join("go"), fs::Permissions::from_mode(0o755)).unwrap();
    p
}

fn shim(p: &Project) -> PathBuf {
    p.log().with_file_name("bin")
}

fn real_go() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let found = std::env::split_paths(&path).map(|dir| dir.join("go")).find(|go| go.is_file());
    found.expect("this test needs Go: on Debian, `sudo apt-get install golang-go`")
}

/// `cargo granular ARGUMENTS` with the noting `go`.
fn go(p: &Project, arguments: &str) -> Run {
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([shim(p)].into_iter().chain(std::env::split_paths(&path)));
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache");
    let invocation = p
        .command(arguments)
        .env("PATH", path.unwrap().to_str().unwrap())
        .env("GOCACHE", cache.to_str().unwrap())
        .env("GOFLAGS", "-mod=readonly")
        .env("GOPROXY", "off");
    invocation.run()
}

/// What Go was asked to build by a build that ends well.
#[track_caller]
fn built(p: &Project) -> Vec<String> {
    go(p, "build").success();
    let ran = p.ran().into_iter().filter(|what| what != "list");
    ran.map(|what| what.trim_start_matches("build ./").to_owned()).collect()
}

/// Holds that nothing is left to do, and that nobody has to be asked to know it.
#[track_caller]
fn is_settled(p: &Project) {
    go(p, "build").success();
    let asked = p.ran();
    assert!(asked.iter().all(|what| what == "list"), "{asked:?}");
    go(p, "build").success();
    assert_eq!(p.ran(), [""; 0], "nobody is asked where nothing changed");
}

#[test]
fn packages_that_a_go_package_imports_are_inputs_without_being_listed() {
    let p = go_workspace();
    go(&p, "build").success();
    assert_eq!(p.ran(), ["build ./api", "build ./tool", "list"], "one call answers both");
    is_settled(&p);

    p.write("lib/lib.go", "package lib\n\nfunc Name() string { return \"two\" }\n");
    assert_snapshot!(go(&p, "build").success(), @r"
    ---- stderr
             Ran #api in [ELAPSED]: lib/lib.go changed (found by go list)
        Finished 2 steps in [ELAPSED]: 1 fresh, 1 ran
    ");
    assert_eq!(p.ran(), ["build ./api", "list"]);
    p.write("lib/lib.go", "package lib\n\nfunc Name() string { return \"one\" }\n");
    assert_eq!(built(&p), [""; 0], "a change taken back is restored");
    is_settled(&p);
}

#[test]
fn files_packages_and_imports_are_seen_to_come_and_go() {
    let p = go_workspace();
    assert_eq!(built(&p), ["api", "tool"]);
    let main = p.read("api/main.go");

    p.write("lib/more.go", "package lib\n\nfunc init() { println(\"more\") }\n");
    assert_eq!(built(&p), ["api"], "a file is new");
    is_settled(&p);
    p.remove("lib/more.go");
    assert_eq!(built(&p), [""; 0], "a file is gone");

    p.write("lib/extra/extra.go", "package extra\n\nconst Word = \"extra\"\n");
    assert_eq!(built(&p), [""; 0], "a package that nobody imports");
    let imports = main
        .replace("import ", "import \"example.com/lib/extra\"\nimport ")
        .replace("lib.Name()", "lib.Name() + extra.Word");
    p.write("api/main.go", imports);
    assert_eq!(built(&p), ["api"], "an import is new");
    is_settled(&p);
    p.write("lib/extra/extra.go", "package extra\n\nconst Word = \"other\"\n");
    assert_eq!(built(&p), ["api"], "a change in what it newly imports");
    p.write("api/main.go", &main);
    assert_eq!(built(&p), [""; 0], "an import is gone");
    p.write("lib/extra/extra.go", "package extra\n\nconst Word = \"nobody sees it\"\n");
    assert_eq!(built(&p), [""; 0], "a change in what it does not import any more");

    p.write("lib/lib_test.go", "package lib\n\n// Another test.\n");
    p.write("README.md", "of no interest\n");
    p.write("api/README.md", "of no interest\n");
    assert_eq!(built(&p), [""; 0], "tests and other files are no inputs");
    is_settled(&p);
}

#[test]
fn touched_files_are_no_change() {
    let p = go_workspace();
    assert_eq!(built(&p), ["api", "tool"]);
    is_settled(&p);
    for file in ["lib/lib.go", "api/main.go", "api/go.mod", "go.work"] {
        p.write(file, p.read(file));
    }
    go(&p, "build").success();
    assert_eq!(p.ran(), [""; 0], "the same bytes have the same answer");
}

#[test]
fn build_tags_of_the_command_the_platform_and_the_files_count() {
    let p = go_workspace();
    p.manifest(&STEPS.replace("\"-trimpath\"", "\"-tags=fancy\", \"-trimpath\""));
    p.write(
        "lib/plain.go",
        "//go:build !fancy\n\npackage lib\n\nfunc init() { println(\"plain\") }\n",
    );
    p.write(
        "lib/fancy.go",
        "//go:build fancy\n\npackage lib\n\nfunc init() { println(\"fancy\") }\n",
    );
    p.write("lib/other_windows.go", "package lib\n\nfunc init() { println(\"windows\") }\n");
    assert_eq!(built(&p), ["api", "tool"]);
    is_settled(&p);

    for (file, word) in [("lib/plain.go", "plain"), ("lib/other_windows.go", "windows")] {
        p.write(file, p.read(file).replace(word, "changed"));
        assert_eq!(built(&p), [""; 0], "{file} is not built");
    }
    p.write("lib/fancy.go", p.read("lib/fancy.go").replace("\"fancy", "\"very fancy"));
    assert_eq!(built(&p), ["api"]);

    p.write("lib/plain.go", p.read("lib/plain.go").replace("!fancy", "fancy"));
    assert_eq!(built(&p), ["api"], "a tag in a file changed, so that it counts");
    p.write("lib/plain.go", p.read("lib/plain.go").replace("fancy", "!fancy"));
    assert_eq!(built(&p), [""; 0], "and changed back");

    p.manifest(STEPS);
    assert_eq!(built(&p), ["api", "tool"], "the command has no tag any more");
    p.write("lib/fancy.go", p.read("lib/fancy.go").replace("very", "most"));
    assert_eq!(built(&p), [""; 0], "fancy.go is not built");
}

#[test]
fn each_cell_of_a_matrix_has_the_files_of_its_platform() {
    let p = go_workspace();
    p.manifest(
        r#"
[workspace.metadata.granular.steps.api]
run = ["go", "build", "-trimpath", "-buildvcs=false", "-o", "{out}/api", "./{matrix.package}"]
discover = { go = "./{matrix.package}" }
outputs = ["{out}/api"]
matrix = { goos = ["linux", "windows"], package = ["api", "tool"] }
env = { CGO_ENABLED = "0", GOOS = "{matrix.goos}" }
"#,
    );
    p.write("lib/other_windows.go", "package lib\n\nfunc init() { println(\"windows\") }\n");
    go(&p, "build").success();
    let count = |what: &str| p.ran().iter().filter(|ran| *ran == what).count();
    assert_eq!(count("list"), 2, "one call for each platform");
    p.write("lib/other_windows.go", "package lib\n\nfunc init() { println(\"more windows\") }\n");
    go(&p, "build").success();
    assert_eq!(count("build ./api"), 1, "only the one for Windows");
}

#[test]
fn embedded_files_count_and_so_does_what_a_pattern_newly_matches() {
    let p = go_workspace();
    p.write(
        "api/embed.go",
        "package main\n\nimport \"embed\"\n\n//go:embed static\nvar static embed.FS\n\n//go:embed *.txt\nvar texts embed.FS\n\nfunc init() { static.Open(\"x\"); texts.Open(\"x\") }\n",
    );
    p.write("api/static/a.css", "a\n")
        .write("api/static/deep/b.css", "b\n")
        .write("api/one.txt", "1\n");
    assert_eq!(built(&p), ["api", "tool"]);
    is_settled(&p);

    p.write("api/static/deep/b.css", "changed\n");
    go(&p, "build").success();
    assert_eq!(p.ran(), ["build ./api"], "what an embedded file holds is nothing to ask about");
    for file in ["api/static/deep/new.css", "api/static/new/c.css", "api/two.txt"] {
        p.write(file, "new\n");
        assert_eq!(built(&p), ["api"], "{file} is new");
        is_settled(&p);
        p.remove(file);
        assert_eq!(built(&p), [""; 0], "{file} is gone");
    }
    p.write("api/other.css", "not embedded\n");
    assert_eq!(built(&p), [""; 0]);
}

#[test]
fn module_files_and_the_workspace_of_go_count() {
    let p = go_workspace();
    assert_eq!(built(&p), ["api", "tool"]);
    is_settled(&p);
    p.write("more/go.mod", "module example.com/more\n\ngo 1.19\n");
    p.write("more/more.go", "package more\n");
    assert_eq!(built(&p), [""; 0], "a module that nobody names");
    p.write("go.work", p.read("go.work").replace("./tool\n", "./tool\n\t./more\n"));
    assert_eq!(built(&p), ["api", "tool"], "an entry of go.work is new");
    is_settled(&p);
    p.write("more/go.mod", "module example.com/more\n\ngo 1.18\n");
    assert_eq!(built(&p), ["api", "tool"], "the go.mod of a module that is named decides versions");
    p.write("more/more.go", "package more\n\n// Nobody imports it.\n");
    assert_eq!(built(&p), [""; 0]);
    p.write("lib/go.mod", "module example.com/lib\n\ngo 1.18\n");
    assert_eq!(built(&p), ["api", "tool"]);
    is_settled(&p);
    p.write("lib/go.sum", "");
    assert_eq!(built(&p), ["api", "tool"], "a go.sum is new");

    p.write("tool/sub/sub.go", "package sub\n\nconst Word = \"sub\"\n");
    p.write(
        "tool/main.go",
        "package main\n\nimport \"example.com/tool/sub\"\n\nfunc main() { println(sub.Word) }\n",
    );
    assert_eq!(built(&p), ["tool"]);
    is_settled(&p);
    p.write("tool/sub/go.mod", "module example.com/elsewhere\n\ngo 1.19\n");
    let failed = go(&p, "build").code(1).stderr();
    assert!(
        failed.contains("example.com/tool/sub"),
        "it is a package of another module now:\n{failed}"
    );
    p.remove("tool/sub/go.mod");
    assert_eq!(built(&p), [""; 0]);
}

#[test]
fn a_go_work_that_appears_is_seen() {
    let p = go_workspace();
    p.remove("go.work");
    p.manifest(
        "[workspace.metadata.granular.steps.tool]\ndir = \"tool\"\nrun = [\"go\", \"build\", \"-buildvcs=false\", \"-o\", \"{out}/tool\", \".\"]\ndiscover = { go = \".\" }\noutputs = [\"{out}/tool\"]\n",
    );
    p.write(
        "tool/main.go",
        "package main\n\nimport \"example.com/lib\"\n\nfunc main() { println(lib.Name()) }\n",
    );
    p.write("tool/go.mod", "module example.com/tool\n\ngo 1.19\n\nrequire example.com/lib v0.0.0\n\nreplace example.com/lib => ../lib\n");
    assert_eq!(built(&p), ["build ."]);
    is_settled(&p);
    p.write("lib2/go.mod", "module example.com/lib\n\ngo 1.19\n");
    p.write("lib2/lib.go", "package lib\n\nfunc Name() string { return \"the other\" }\n");
    p.write("go.work", "go 1.19\n\nuse ./tool\nreplace example.com/lib => ./lib2\n");
    assert_eq!(built(&p), ["build ."], "a go.work above leads elsewhere");
    p.write("lib/lib.go", "package lib\n");
    assert_eq!(built(&p), [""; 0]);
    p.write("lib2/lib.go", "package lib\n\nfunc Name() string { return \"another\" }\n");
    assert_eq!(built(&p), ["build ."]);
    let outside = p.root().parent().unwrap().join("go.work");
    p.remove("go.work");
    fs::write(&outside, "go 1.19\n\nuse ./workspace/tool\n").unwrap();
    assert_snapshot!(go(&p, "build").code(1), @r#"
    ---- stderr
          Failed #tool: go list cannot tell what `#tool` reads (`discover` in Cargo.toml:7): it works with [ROOT]/go.work, which lies outside of the workspace

      reason:   go list cannot tell what `#tool` reads (`discover` in Cargo.toml:7): it works with [ROOT]/go.work, which lies outside of the workspace
      help:     set `env = { GOWORK = "off" }`, or give the workspace a go.work of its own

    error: 1 step failed: #tool
    [exit code: 1]
    "#);
}

#[test]
fn what_lies_outside_of_the_workspace_without_a_version_is_refused() {
    let p = go_workspace();
    let outside = p.root().parent().unwrap().join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("go.mod"), "module example.com/outside\n\ngo 1.19\n").unwrap();
    fs::write(outside.join("x.go"), "package outside\n").unwrap();
    let work = p.read("go.work");
    p.write("go.work", work.replace("./tool\n", "./tool\n\t../outside\n"));
    let refused = go(&p, "build").code(1).stderr();
    assert!(
        refused.contains("go.work names ../outside, which lies outside of the workspace"),
        "{refused}"
    );
    let import = "package main\n\nimport _ \"example.com/outside\"\n\nfunc main() {}\n";
    p.write("tool/main.go", import);
    let refused = go(&p, "build tool").code(1).stderr();
    assert!(refused.contains("outside of the workspace, and has no version"), "{refused}");
    assert!(p.ran().iter().all(|what| what == "list"));
    p.write("go.work", work);
    p.write("tool/main.go", "package main\n\nfunc main() {}\n");
    assert_eq!(built(&p), ["api", "tool"]);
}

#[test]
fn vendored_packages_are_inputs() {
    let p = go_workspace();
    p.remove("go.work");
    p.manifest(
        "[workspace.metadata.granular.steps.tool]\ndir = \"tool\"\nrun = [\"go\", \"build\", \"-mod=vendor\", \"-buildvcs=false\", \"-o\", \"{out}/tool\", \".\"]\ndiscover = { go = \".\" }\noutputs = [\"{out}/tool\"]\n",
    );
    p.write(
        "tool/go.mod",
        "module example.com/tool\n\ngo 1.19\n\nrequire example.com/far v1.0.0\n",
    );
    p.write(
        "tool/main.go",
        "package main\n\nimport \"example.com/far\"\n\nfunc main() { println(far.Word) }\n",
    );
    let modules = "# example.com/far v1.0.0\n## explicit; go 1.19\nexample.com/far\n";
    p.write("tool/vendor/modules.txt", modules);
    p.write("tool/vendor/example.com/far/far.go", "package far\n\nconst Word = \"1\"\n");
    assert_eq!(built(&p), ["build ."]);
    is_settled(&p);
    p.write("tool/vendor/example.com/far/far.go", "package far\n\nconst Word = \"2\"\n");
    assert_eq!(built(&p), ["build ."]);
    p.write("tool/vendor/example.com/far/more.go", "package far\n\nconst More = \"2\"\n");
    assert_eq!(built(&p), ["build ."]);
    p.write("tool/vendor/modules.txt", modules.to_owned() + "\n");
    assert_eq!(built(&p), ["build ."]);
    is_settled(&p);
}

#[test]
fn directories_that_are_links_in_a_circle_are_no_trouble() {
    let p = go_workspace();
    p.write(
        "api/embed.go",
        "package main\n\nimport _ \"embed\"\n\n//go:embed *.txt\nvar text string\n",
    );
    p.write("api/one.txt", "1\n");
    std::os::unix::fs::symlink("..", p.path("api/round.txt.d")).unwrap();
    std::os::unix::fs::symlink(".", p.path("lib/round")).unwrap();
    p.manifest(&STEPS.replace("go = \"./tool\"", "go = \"./tool/...\"").replace("test = true", ""));
    go(&p, "build").success();
    assert_eq!(p.ran().iter().filter(|what| *what != "list").count(), 3);
    is_settled(&p);
}

#[test]
fn a_test_finds_test_files_and_testdata() {
    let p = go_workspace();
    p.write("lib/testdata/deep/case.txt", "1\n").write("lib/inner/inner.go", "package inner\n");
    let test = |expected: &[&str], why: &str| {
        go(&p, "test").success();
        let ran: Vec<_> = p.ran().into_iter().filter(|what| what != "list").collect();
        assert_eq!(ran, expected, "{why}");
    };
    test(&["test"], "the first time");
    test(&[], "nothing changed");
    p.write("lib/lib_test.go", p.read("lib/lib_test.go") + "// changed\n");
    test(&["test"], "a test file");
    p.write("lib/testdata/deep/case.txt", "2\n");
    test(&["test"], "a file of testdata");
    p.write("lib/testdata/new.txt", "2\n");
    test(&["test"], "a new file of testdata");
    p.write("lib/more/more.go", "package more\n");
    test(&["test"], "a new package that `...` matches");
    p.write("lib/inner/x_test.go", "package inner_test\n\nimport (\n\t_ \"example.com/tool/help\"\n\t\"testing\"\n)\n\nfunc TestX(t *testing.T) {}\n");
    p.write("tool/help/help.go", "package help\n");
    test(&["test"], "a new test imports something");
    p.write("tool/help/help.go", "package help\n\n// changed\n");
    test(&["test"], "what only a test imports");
    go(&p, "test").success();
    p.ran();
    go(&p, "test").success();
    assert_eq!(p.ran(), [""; 0], "nobody is asked");
}

#[test]
fn cgo_assembly_and_headers_beside_a_package_count() {
    let p = go_workspace();
    p.manifest(&STEPS.replace("CGO_ENABLED = \"0\"", "CGO_ENABLED = \"1\""));
    p.write(
        "lib/c.go",
        "package lib\n\n// #include \"c.h\"\nimport \"C\"\n\nfunc init() { println(C.answer()) }\n",
    );
    p.write("lib/c.h", "int answer(void);\n")
        .write("lib/c.c", "#include \"c.h\"\nint answer(void) { return 1; }\n");
    assert_eq!(built(&p), ["api", "tool"]);
    is_settled(&p);
    p.write("lib/c.h", "int answer(void); // changed\n");
    assert_eq!(built(&p), ["api"]);
    p.write("lib/c.c", "#include \"c.h\"\nint answer(void) { return 2; }\n");
    assert_eq!(built(&p), ["api"]);
    p.write("lib/d.c", "int unused(void) { return 2; }\n");
    assert_eq!(built(&p), ["api"], "a new source");
}

#[test]
fn another_go_or_another_variable_is_asked_anew() {
    let p = go_workspace();
    assert_eq!(built(&p), ["api", "tool"]);
    is_settled(&p);
    let shim = shim(&p).join("go");
    fs::write(&shim, fs::read_to_string(&shim).unwrap() + "# another one\n").unwrap();
    assert_eq!(built(&p), ["api", "tool"]);
    is_settled(&p);
    p.manifest(&STEPS.replace("CGO_ENABLED = \"0\"", "CGO_ENABLED = \"0\", GOOS = \"windows\""));
    go(&p, "build").success();
    assert_eq!(p.ran(), ["build ./api", "build ./tool", "list"]);
}

#[test]
fn a_second_checkout_asks_and_is_restored() {
    let p = go_workspace();
    assert_eq!(built(&p), ["api", "tool"]);
    let other = p.checkout("a second checkout");
    go(&other, "build").success();
    assert_eq!(other.ran(), ["list"]);
    is_settled(&other);
}

#[test]
fn what_go_list_says_of_a_mistake_is_told_with_its_place() {
    let p = go_workspace();
    p.write(
        "api/main.go",
        "package main\n\nimport \"example.com/lib/absent\"\n\nfunc main() { absent.X() }\n",
    );
    assert_snapshot!(go(&p, "build --keep-going").code(1), @r#"
    ---- stderr
          Failed #api: go list cannot tell what `#api` reads (`discover` in Cargo.toml:7): api/main.go:3:8: cannot find module providing package example.com/lib/absent: import lookup disabled by -mod=readonly
             Ran #tool in [ELAPSED]: it has not run here before

      reason:   go list cannot tell what `#api` reads (`discover` in Cargo.toml:7): api/main.go:3:8: cannot find module providing package example.com/lib/absent: import lookup disabled by -mod=readonly
      help:     `go list -deps ./api`, run in its `dir`, says the same

    error: 1 step failed: #api
    [exit code: 1]
    "#);
    assert_eq!(p.ran().iter().filter(|what| *what == "build ./api").count(), 0);
    p.write("api/main.go", "package main\n\nfunc main() {}\n");
    assert_eq!(built(&p), ["api"]);
    p.remove("api/main.go");
    assert_snapshot!(go(&p, "build api").code(1), @r#"
    ---- stderr
          Failed #api: go list cannot tell what `#api` reads (`discover` in Cargo.toml:7): no Go files in [ROOT]/workspace/api

      reason:   go list cannot tell what `#api` reads (`discover` in Cargo.toml:7): no Go files in [ROOT]/workspace/api
      help:     `go list -deps ./api`, run in its `dir`, says the same

    error: 1 step failed: #api
    [exit code: 1]
    "#);
}

#[test]
fn an_output_of_a_step_that_is_not_needed_is_refused_and_with_the_need_it_counts_by_itself() {
    let gen_step = step(
        "gen",
        "mkdir -p lib; cat word > lib/gen.go",
        "inputs = [\"word\"]\noutputs = [\"/lib/gen.go\"]",
    );
    let p = go_workspace();
    p.manifest(&format!("{gen_step}{STEPS}"));
    let word = |word: &str| format!("package lib\n\nconst Word = \"{word}\"\n");
    p.write("word", word("one"));
    go(&p, "build gen").success();
    assert_snapshot!(go(&p, "build api").code(1), @r#"
    ---- stderr
          Failed #api: `#api` reads `lib/gen.go`, an output of `#gen`, without needing it

      reason:   `#api` reads `lib/gen.go`, an output of `#gen`, without needing it
      help:     add `needs = ["gen"]`

    error: 1 step failed: #api
    [exit code: 1]
    "#);
    p.manifest(&format!(
        "{gen_step}{}",
        STEPS.replacen("discover", "needs = [\"gen\"]\ndiscover", 1)
    ));
    p.ran();
    let api = || {
        go(&p, "build api").success();
        p.ran().into_iter().filter(|what| what != "list").collect::<Vec<_>>()
    };
    assert_eq!(api(), ["build ./api"]);
    assert_eq!(api(), [""; 0]);
    p.write("word", word("two"));
    assert_eq!(api(), ["build ./api", "gen"]);
    assert_eq!(api(), [""; 0]);
    p.remove("lib/gen.go");
    assert_eq!(api(), [""; 0], "restored, and asked about after that");
    go(&p, "build api").success();
    p.ran();
    go(&p, "build api").success();
    assert_eq!(p.ran(), [""; 0]);
}

#[test]
fn what_was_found_is_explained() {
    let p = go_workspace();
    go(&p, "build").success();
    let explained = go(&p, "explain api").success().stdout();
    assert!(
        explained.contains(
            "6 inputs found by go list:\n  api/go.mod\n  api/main.go\n  go.work\n  lib/go.mod\n"
        ),
        "{explained}"
    );
    let fingerprint = go(&p, "explain api --fingerprint").success().stdout();
    assert!(fingerprint.contains("input \"lib/lib.go\" file [HASH] "), "{fingerprint}");
    assert!(!fingerprint.contains("tool/main.go"), "{fingerprint}");
}

#[test]
fn what_a_checkout_remembers_may_be_lost_or_damaged() {
    let p = go_workspace();
    assert_eq!(built(&p), ["api", "tool"]);
    is_settled(&p);
    let remembered = p.path("target/granular/found/#api");
    let text = fs::read_to_string(&remembered).unwrap();
    for damage in [&text[..text.len() / 2], "", &text.replace("lib/lib.go", "lib/lib.no")] {
        fs::write(&remembered, damage).unwrap();
        go(&p, "build").success();
        assert_eq!(p.ran(), ["list"]);
    }
    is_settled(&p);
}

/// A C program whose headers are found by its depfile.
const CC: &str = "cc -MD -MF {out}/main.d -Iinclude -c main.c -o {out}/main.o";

fn c_workspace(more: &str) -> Project {
    let p = project(&step(
        "c",
        CC,
        &format!(
            "depfile = \"{{out}}/main.d\"\noutputs = [\"{{out}}/main.o\"]\ntools = [\"cc\"]\n{more}"
        ),
    ));
    p.write("main.c", "#include <stddef.h>\n#include \"point.h\"\nint x(void) { return POINT; }\n");
    p.write("include/point.h", "#define POINT 1\n");
    p.write("include/unused.h", "#define UNUSED 1\n");
    p
}

#[track_caller]
fn ran(p: &Project) -> Vec<String> {
    p.granular("build").success();
    p.ran()
}

#[test]
fn headers_that_a_depfile_names_are_inputs() {
    let p = c_workspace("");
    assert_eq!(ran(&p), ["c"]);
    assert_eq!(ran(&p), [""; 0]);
    assert!(!p.path("target/granular/out/@workspace/c/main.d").exists(), "it is read and removed");
    p.write("include/unused.h", "#define UNUSED 2\n");
    p.write("include/point.h", p.read("include/point.h"));
    assert_eq!(ran(&p), [""; 0], "what is not included, and what was only touched");

    p.write("include/point.h", "#define POINT 2\n");
    assert_snapshot!(p.granular("build").success(), @r"
    ---- stderr
             Ran #c in [ELAPSED]: include/point.h changed (found by its depfile)
        Finished 1 step in [ELAPSED]: 1 ran
    ");
    assert_eq!(p.ran(), ["c"]);
    p.write("include/point.h", "#define POINT 1\n");
    assert_eq!(ran(&p), [""; 0], "taken back: restored");

    p.write("include/point.h", "#include \"deep.h\"\n#define POINT DEEP\n");
    p.write("include/deep.h", "#define DEEP 3\n");
    assert_eq!(ran(&p), ["c"], "a header includes another");
    assert_eq!(ran(&p), [""; 0]);
    p.write("include/deep.h", "#define DEEP 4\n");
    assert_eq!(ran(&p), ["c"], "which counts from now on");
    p.write("include/point.h", "#define POINT 1\n");
    assert_eq!(ran(&p), [""; 0], "an earlier set of headers leads to an earlier result");
    p.write("include/deep.h", "#define DEEP 5\n");
    assert_eq!(ran(&p), [""; 0], "which does not include it");
    p.remove("include/point.h");
    let failed = p.granular("build").code(1).stderr();
    assert!(failed.contains("point.h"), "{failed}");
    assert_eq!(p.ran(), ["c"], "a deleted header is a change");
    p.write("include/point.h", "#define POINT 1\n");
    assert_eq!(ran(&p), [""; 0]);
}

#[test]
fn a_second_checkout_finds_by_the_sets_of_the_store() {
    let p = c_workspace("");
    assert_eq!(ran(&p), ["c"]);
    p.write("include/point.h", "#include \"deep.h\"\n#define POINT DEEP\n");
    p.write("include/deep.h", "#define DEEP 3\n");
    assert_eq!(ran(&p), ["c"]);
    let other = p.checkout("a second checkout");
    assert_eq!(ran(&other), [""; 0]);
    other.write("include/point.h", "#define POINT 1\n");
    assert_eq!(ran(&other), [""; 0], "an earlier set");
    other.write("include/point.h", "#define POINT 7\n");
    assert_eq!(ran(&other), ["c"]);
    p.ran();
    fs::remove_dir_all(p.path("target")).unwrap();
    assert_eq!(ran(&p), [""; 0]);
    p.write("include/deep.h", "#define DEEP 9\n");
    assert_eq!(ran(&p), ["c"], "what was restored is known to have read it");
}

#[test]
fn damaged_sets_in_the_store_cost_a_run_and_verify_finds_them() {
    let p = c_workspace("");
    assert_eq!(ran(&p), ["c"]);
    let found = p.cache().join("v1/found");
    let file = fs::read_dir(&found).unwrap().next().unwrap().unwrap().path();
    let file = fs::read_dir(file).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replace("point.h", "other.h")).unwrap();
    let verified = p.granular("verify").code(1);
    assert!(verified.to_string().contains("what is found by"), "{verified}");
    let other = p.checkout("a second checkout");
    let built = other.granular("build").success().stderr();
    assert!(built.contains("is damaged"), "{built}");
    assert_eq!(other.ran(), ["c"]);
    p.granular("verify").success();
}

#[test]
fn system_headers_count_by_their_bytes_and_not_by_their_place() {
    let p = c_workspace("");
    let system = p.root().parent().unwrap().join("system");
    fs::create_dir_all(&system).unwrap();
    fs::write(system.join("sys.h"), "#define SYS 1\n").unwrap();
    p.manifest(&step(
        "c",
        &CC.replace("-Iinclude", "-Iinclude -I../system"),
        "depfile = \"{out}/main.d\"\noutputs = [\"{out}/main.o\"]\ntools = [\"cc\"]",
    ));
    p.write("main.c", "#include <sys.h>\nint x(void) { return SYS; }\n");
    assert_eq!(ran(&p), ["c"]);
    assert_eq!(ran(&p), [""; 0]);
    let fingerprint = p.granular("explain c --fingerprint").success().raw_stdout();
    assert!(fingerprint.contains("outside \"sys.h\" file "), "{fingerprint}");
    assert!(!fingerprint.contains(&*system.to_string_lossy()), "{fingerprint}");
    fs::write(system.join("sys.h"), "#define SYS 2\n").unwrap();
    assert_snapshot!(p.granular("build").success(), @r"
    ---- stderr
             Ran #c in [ELAPSED]: sys.h changed (found by its depfile)
        Finished 1 step in [ELAPSED]: 1 ran
    ");
    fs::write(system.join("sys.h"), "#define SYS 1\n").unwrap();
    p.ran();
    assert_eq!(ran(&p), [""; 0]);
}

#[test]
fn a_depfile_that_is_missing_or_malformed_is_a_failure() {
    for (script, words) in [
        ("echo x > {out}/main.o", "the declared depfile `{out}/main.d` is not there"),
        (
            "echo x > {out}/main.o; echo nonsense > {out}/main.d",
            "line 1 of the depfile `{out}/main.d`: a rule has no `:`",
        ),
        (
            "echo x > {out}/main.o; printf 'a: caf\\351\\n' > {out}/main.d",
            "the depfile `{out}/main.d` is not UTF-8",
        ),
        ("echo x > {out}/main.o; mkdir {out}/main.d", "the depfile `{out}/main.d` is not a file"),
    ] {
        let p =
            project(&step("c", script, "depfile = \"{out}/main.d\"\noutputs = [\"{out}/main.o\"]"));
        for _ in 0..2 {
            let failed = p.granular("build").code(1).stderr();
            assert!(failed.contains(words), "{failed}");
            assert_eq!(p.ran(), ["c"], "a failure is not kept");
        }
    }
}

#[test]
fn where_not_all_is_known_nothing_is_kept() {
    for (name, makes) in
        [("scratch.h", "echo > scratch.h; rm scratch.h"), ("made.h", "echo > made.h")]
    {
        let script = format!(
            "{makes}; echo x > {{out}}/main.o; echo 'main.o: main.c {name}' > {{out}}/main.d"
        );
        let p = project(&step(
            "c",
            &script,
            "depfile = \"{out}/main.d\"\noutputs = [\"{out}/main.o\"]",
        ));
        p.write("main.c", "");
        for _ in 0..2 {
            let warned = p.granular("build").success().stderr();
            assert!(warned.contains(name) && warned.contains("its result is not kept"), "{warned}");
            assert_eq!(p.ran(), ["c"]);
        }
        let other = p.checkout("other");
        other.granular("build").success();
        assert_eq!(other.ran(), ["c"]);
    }
}

#[test]
fn a_depfile_that_names_an_output_of_another_step_asks_for_the_need() {
    let steps = |needs: &str| {
        let header = step(
            "header",
            "echo '#define POINT 1' > {out}/point.h; echo > gen.h",
            "inputs = []\noutputs = [\"{out}/point.h\", \"gen.h\"]",
        );
        let out = "target/granular/out/@workspace/header";
        let c = step(
            "c",
            &CC.replace("-Iinclude", &format!("-I{out} -I.")),
            &format!(
                "depfile = \"{{out}}/main.d\"\noutputs = [\"{{out}}/main.o\"]\ntools = [\"cc\"]\n{needs}"
            ),
        );
        format!("{header}{c}")
    };
    let p = c_workspace("");
    p.manifest(&steps(""));
    p.write("main.c", "#include <point.h>\nint x(void) { return POINT; }\n");
    p.granular("build header").success();
    assert_snapshot!(p.granular("build c").code(1), @r#"
    ---- stderr
          Failed #c after [ELAPSED]: `#c` reads `{#header.out}/point.h`, an output of `#header`, without needing it

      reason:   `#c` reads `{#header.out}/point.h`, an output of `#header`, without needing it
      help:     add `needs = ["header"]`

    error: 1 step failed: #c
    [exit code: 1]
    "#);
    p.write("main.c", "#include <gen.h>\n");
    let refused = p.granular("build c").code(1).stderr();
    assert!(
        refused.contains("`#c` reads `gen.h`, an output of `#header`, without needing it"),
        "{refused}"
    );
    p.write("main.c", "#include <gen.h>\n#include <point.h>\nint x(void) { return POINT; }\n");
    p.manifest(&steps("needs = [\"header\"]"));
    p.ran();
    assert_eq!(ran(&p), ["c"]);
    assert_eq!(ran(&p), [""; 0]);
    let other = p.checkout("a second checkout");
    assert_eq!(ran(&other), [""; 0], "in another output directory");
}

#[test]
fn a_depfile_that_is_declared_is_kept() {
    let p = c_workspace("");
    p.manifest(&step("c", CC, "depfile = \"{out}/main.d\"\noutputs = [\"{out}/main.o\", \"{out}/main.d\"]\ntools = [\"cc\"]"));
    assert_eq!(ran(&p), ["c"]);
    assert!(p.read_out("c/main.d").contains("point.h"));
    p.manifest(&step(
        "c",
        CC,
        "depfile = \"{out}/main.d\"\noutputs = [\"{out}\"]\ntools = [\"cc\"]",
    ));
    assert_eq!(ran(&p), ["c"]);
    assert!(p.path("target/granular/out/@workspace/c/main.o").exists());
    assert!(
        !p.path("target/granular/out/@workspace/c/main.d").exists(),
        "a directory does not mean it"
    );
}

#[test]
fn a_header_that_changes_while_the_compiler_runs_is_noticed() {
    let p = c_workspace("");
    p.manifest(&step(
        "c",
        &format!(
            "{CC}; if test -e change; then echo '#define POINT 9' > new; mv new include/point.h; fi"
        ),
        "depfile = \"{out}/main.d\"\noutputs = [\"{out}/main.o\"]\ntools = [\"cc\"]",
    ));
    p.write("change", "");
    let warned = p.granular("build").success().stderr();
    assert!(warned.contains("`include/point.h` changed while `#c` ran"), "{warned}");
    p.remove("change");
    p.ran();
    assert_eq!(ran(&p), ["c"]);
    p.write("change", "");
    p.write("include/point.h", "#define POINT 8\n");
    let warned = p.granular("build").success().stderr();
    assert!(warned.contains("`include/point.h` changed while `#c` ran"), "{warned}");
}

#[test]
fn a_failed_step_runs_again_whatever_was_found() {
    let p = c_workspace("");
    assert_eq!(ran(&p), ["c"]);
    p.write("main.c", "#error no\n");
    p.granular("build").code(1).stderr();
    p.granular("build").code(1).stderr();
    assert_eq!(p.ran(), ["c", "c"]);
    p.write("main.c", "#include \"point.h\"\nint x(void) { return POINT; }\n");
    assert_eq!(ran(&p), ["c"]);
}
