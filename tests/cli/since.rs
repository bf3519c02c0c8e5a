//! `--since`: with a real git, which steps a change can affect and why; and that no step is left out wrongly.

use crate::project::{Project, Run, project, step};
use insta::assert_snapshot;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// Git in the workspace, knowing nothing of the one who runs the tests.
fn git(p: &Project, arguments: &str) -> String {
    let mut command = Command::new("git");
    command.args(arguments.split_whitespace()).current_dir(p.root());
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "t")
            .env(format!("GIT_{who}_EMAIL"), "t@example.com");
    }
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "git {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// What was told, without the names of commits.
fn told(run: &Run) -> String {
    let commits = regex::Regex::new(r"\b[0-9a-f]{12}\b|\b[0-9a-f]{40}\b").unwrap();
    commits.replace_all(&run.to_string(), "[COMMIT]").into_owned()
}

fn commit(p: &Project) {
    git(p, "add -A");
    git(p, "commit -qm x --allow-empty");
}

fn init(p: &Project) {
    p.write(".gitignore", "target\n");
    git(p, "init -qb main");
    commit(p);
}

/// Steps that need one another, a test, a named set of files and one that has nothing to do with the others.
fn workspace() -> Project {
    let p = project(
        &[
            step("models", "true", "inputs = [\"models/**\"]\noutputs = []"),
            step(
                "api",
                "cat api/* > {out}/api",
                "inputs = [\"api/*.txt\"]\noutputs = [\"{out}/api\"]\nneeds = [\"models\"]",
            ),
            step("image", "true", "inputs = []\noutputs = []\nneeds = [\"api\"]"),
            step("web", "true", "inputs = [\"web/**\", \"!web/*.md\"]\noutputs = []"),
            step(
                "api-test",
                "true",
                "inputs = [\"tests/**\"]\noutputs = []\nneeds = [\"api\"]\ntest = true",
            ),
        ]
        .concat(),
    );
    p.write("models/a.txt", "a").write("api/b.txt", "b").write("api/c.txt", "c");
    p.write("web/d.txt", "d").write("web/e.md", "e").write("tests/t", "t");
    init(&p);
    p
}

/// The steps that `build --since` takes, with the reason for each, as JSON tells them. Nothing is run.
#[track_caller]
fn affected(p: &Project, arguments: &str) -> Vec<String> {
    let run = p.granular(&format!("{arguments} -n --message-format json")).success();
    let lines = run.raw_stdout();
    let mut told = Vec::new();
    for line in lines.lines().filter(|line| line.contains("granular-step-affected")) {
        let part = |name: &str| {
            line.split(&format!("\"{name}\":\""))
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned()
        };
        told.push(format!("{}: {}", part("action"), part("message")));
    }
    told
}

#[test]
fn what_changed_and_what_depends_on_it_is_built_and_nothing_else() {
    let p = workspace();
    p.write("models/a.txt", "A").write("web/e.md", "not read");
    assert_snapshot!(told(&p.granular("build --since HEAD -v").success()), @"
    ---- stderr
        Affected 3 of 4 steps since HEAD (merge base [COMMIT]): 2 paths changed
        Affected #models: models/a.txt changed
        Affected #api: needs #models
        Affected #image: needs #api
         Running #models
             Ran #models in [ELAPSED]: it has not run here before
         Running #api
             Ran #api in [ELAPSED]: it has not run here before
         Running #image
             Ran #image in [ELAPSED]: it has not run here before
        Finished 3 steps in [ELAPSED]: 3 ran
    ");
    assert_eq!(p.ran(), ["api", "image", "models"]);
    assert_snapshot!(told(&p.granular("test --since HEAD -n").success()), @"
            Fresh #models
            Fresh #api
        Would run #api-test: it has not run here before
    ---- stderr
        Affected 1 of 1 step since HEAD (merge base [COMMIT]): 2 paths changed
        Affected #api-test: needs #api
    ");
    commit(&p);
    assert_snapshot!(told(&p.granular("build --since HEAD").success()), @"
    ---- stderr
        Affected 0 of 4 steps since HEAD (merge base [COMMIT]): 0 paths changed
        Finished 0 steps in [ELAPSED]
    ");
    assert_snapshot!(told(&p.granular("build --since HEAD~1 --message-format json -q").success()), @r##"
    {"reason":"granular-since","since":"HEAD~1","base":"[COMMIT]","changed":2,"affected":3,"of":4}
    {"reason":"granular-step-affected","step":"#models","action":"#models","why":{"kind":"input-changed","message":"models/a.txt changed","path":"models/a.txt"}}
    {"reason":"granular-step-affected","step":"#api","action":"#api","why":{"kind":"need-affected","message":"needs #models","need":"#models"}}
    {"reason":"granular-step-affected","step":"#image","action":"#image","why":{"kind":"need-affected","message":"needs #api","need":"#api"}}
    {"reason":"granular-step-finished","step":"#models","action":"#models","status":"fresh","key":"[HASH]","duration_ms":0,"saved_ms":0,"source":null,"dirty":[],"log":null}
    {"reason":"granular-step-finished","step":"#api","action":"#api","status":"fresh","key":"[HASH]","duration_ms":0,"saved_ms":0,"source":null,"dirty":[],"log":null}
    {"reason":"granular-step-finished","step":"#image","action":"#image","status":"fresh","key":"[HASH]","duration_ms":0,"saved_ms":0,"source":null,"dirty":[],"log":null}
    {"reason":"build-finished","success":true,"fresh":3,"restored":0,"ran":0,"failed":0,"skipped":0,"duration_ms":0,"saved_ms":0,"interrupted":false}
    "##);
}

#[test]
fn a_branch_is_held_against_where_it_left_and_not_against_what_came_since() {
    let p = workspace();
    git(&p, "checkout -qb branch");
    p.write("web/d.txt", "D");
    commit(&p);
    git(&p, "checkout -q main");
    p.write("models/a.txt", "A");
    commit(&p);
    git(&p, "checkout -q branch");
    assert_eq!(affected(&p, "build --since main"), ["#web: web/d.txt changed"]);
    git(&p, "merge -q main");
    assert_eq!(affected(&p, "build --since main"), ["#web: web/d.txt changed"]);
}

/// Something that is done to a workspace behind a commit, and what is told then.
type Change = (&'static str, fn(&Project), &'static [&'static str]);

#[rustfmt::skip]
const CHANGES: &[Change] = &[
    ("nothing", |_| {}, &[]),
    ("a file is only touched", |p| { p.write("web/d.txt", "d"); }, &[]),
    ("a file that nobody reads", |p| { p.write("README.md", "x"); p.write("web/e.md", "x"); }, &[]),
    ("an edit that is staged", |p| { p.write("web/d.txt", "D"); git(p, "add -A"); }, &["#web: web/d.txt changed"]),
    ("an edit that is committed and one that takes it back", |p| { p.write("web/d.txt", "D"); commit(p); p.write("web/d.txt", "d"); }, &[]),
    ("a file that git does not track", |p| { p.write("web/deep/new.txt", "n"); }, &["#web: web/deep/new.txt is new"]),
    ("a file that goes", |p| p.remove("api/c.txt"), &["#api: api/c.txt is gone", "#image: needs #api"]),
    ("a file that goes and is committed", |p| { p.remove("api/c.txt"); commit(p); }, &["#api: api/c.txt is gone", "#image: needs #api"]),
    ("a file that moves out", |p| { fs::rename(p.path("web/d.txt"), p.path("api/d.txt")).unwrap(); p.write("web/x", ""); commit(p); }, &["#api: api/d.txt is new", "#image: needs #api", "#web: web/d.txt is gone"]),
    ("a file becomes executable", |p| { use std::os::unix::fs::PermissionsExt as _; fs::set_permissions(p.path("web/d.txt"), fs::Permissions::from_mode(0o755)).unwrap(); }, &["#web: web/d.txt changed"]),
    ("the manifest of the root", |p| { let text = p.read("Cargo.toml"); p.write("Cargo.toml", format!("{text}# x\n")); }, &["#models: Cargo.toml changed", "#api: Cargo.toml changed", "#image: Cargo.toml changed", "#web: Cargo.toml changed"]),
    ("rules at the root", |p| { p.write(".gitignore", "target\n*.md\n"); }, &["#models: .gitignore changed", "#api: .gitignore changed", "#image: needs #api", "#web: .gitignore changed"]),
    ("rules in a directory", |p| { p.write("web/.gitignore", "d.txt\n"); }, &["#web: web/.gitignore is new"]),
    ("a name with everything in it", |p| { p.write("web/ä \"x\"\n.txt", "n"); }, &["#web: web/ä \\\\\\"]),
    ("git was told not to look", |p| { p.write("web/d.txt", "D"); git(p, "update-index --assume-unchanged web/d.txt"); }, &["#web: it reads web/d.txt, which is not kept in git"]),
    ("git was told to skip", |p| { p.write("web/d.txt", "D"); git(p, "update-index --skip-worktree web/d.txt"); }, &["#web: it reads web/d.txt, which is not kept in git"]),
    ("git ignores it by rules of its own", |p| { p.write(".git/info/exclude", "new.txt\n"); p.write("web/new.txt", "n"); }, &["#web: web/new.txt is new"]),
];

/// Whatever a build without `--since` would have to do has been told.
#[track_caller]
fn all_that_is_stale_is_told(p: &Project, told: &[String], what: &str) -> usize {
    let run = p.granular("build -n --message-format json");
    let lines = run.raw_stdout();
    let stale = lines.lines().filter(|line| line.contains("granular-step-assessed"));
    let stale: Vec<_> = stale.filter(|line| !line.contains("\"outlook\":\"fresh\"")).collect();
    for line in &stale {
        let name = line.split("\"action\":\"").nth(1).unwrap().split('"').next().unwrap();
        let is_told = told.iter().any(|told| told.starts_with(&format!("{name}: ")));
        assert!(is_told, "{what}: {line}");
    }
    stale.len()
}

#[test]
fn whatever_can_change_a_key_is_told() {
    for (what, change, expected) in CHANGES {
        let p = workspace();
        git(&p, "tag before");
        p.granular("build").success();
        change(&p);
        let told = affected(&p, "build --since before");
        assert_eq!(told, *expected, "{what}");
        all_that_is_stale_is_told(&p, &told, what);
    }
}

#[test]
fn what_git_does_not_keep_and_what_lies_behind_links_is_never_believed() {
    let p = project(
        &[
            step("ignored", "true", "inputs = [\"secret.env\"]\noutputs = []"),
            step("linked", "true", "inputs = [\"link\"]\noutputs = []"),
            step("behind", "true", "inputs = [\"dirlink/x\"]\noutputs = []"),
            step("tool", "true", "inputs = []\noutputs = []\ntools = [\"./bin/tool\"]"),
            step("alone", "true", "inputs = [\"alone\"]\noutputs = []"),
        ]
        .concat(),
    );
    p.write("secret.env", "1")
        .write("pointee", "1")
        .write("dir/x", "1")
        .write("bin/tool", "#!/bin/sh\n")
        .write("alone", "1");
    Command::new("chmod").arg("+x").arg(p.path("bin/tool")).status().unwrap();
    symlink("pointee", p.path("link")).unwrap();
    symlink("dir", p.path("dirlink")).unwrap();
    git(&p, "init -qb main");
    p.write(".gitignore", "target\n*.env\n");
    commit(&p);
    let unknown = "#ignored: it reads secret.env, which is not kept in git";
    assert_eq!(affected(&p, "build --since HEAD"), [unknown]);
    p.write("pointee", "2").write("dir/x", "2").write("bin/tool", "#!/bin/sh\n#\n");
    assert_eq!(
        affected(&p, "build --since HEAD"),
        [unknown, "#linked: link changed", "#behind: dirlink/x changed", "#tool: bin/tool changed"]
    );
    git(&p, "checkout -q .");
    p.write("other/x", "2");
    commit(&p);
    p.remove("dirlink");
    symlink("other", p.path("dirlink")).unwrap();
    let told = affected(&p, "build --since HEAD");
    assert!(told.iter().any(|line| line.starts_with("#behind: ")), "{told:?}");
    assert!(!told.iter().any(|line| line.starts_with("#alone: ")), "{told:?}");
}

#[test]
fn a_manifest_counts_for_the_steps_of_its_package() {
    let p = Project::new("workspace");
    let package = |name: &str| {
        let step = "[package.metadata.granular.steps.s]\nrun = \"true\"\ninputs = [\"src/**\"]\noutputs = []\n";
        p.write(
            &format!("{name}/Cargo.toml"),
            format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n\n{step}"),
        );
        p.write(&format!("{name}/src/lib.rs"), "");
    };
    p.write("Cargo.toml", "[workspace]\nresolver = \"3\"\nmembers = [\"a\", \"b\"]\n");
    ["a", "b"].iter().for_each(|name| package(name));
    init(&p);
    let text = p.read("a/Cargo.toml");
    p.write(
        "a/Cargo.toml",
        format!("{text}# x\n").replace("edition", "version = \"2.0.0\"\nedition"),
    );
    assert_eq!(affected(&p, "build --workspace --since HEAD"), [""; 0], "the step is the same");
    p.write("a/Cargo.toml", text.replace("\"true\"", "\"true 1\""));
    assert_eq!(affected(&p, "build --workspace --since HEAD"), ["a#s: a/Cargo.toml changed"]);
    p.write("a/Cargo.toml", text.replace("outputs = []", "outputs = []\n\n[package.metadata.granular.steps.t]\nrun = \"true\"\ninputs = []\noutputs = []"));
    assert_eq!(affected(&p, "build --workspace --since HEAD"), ["a#t: a/Cargo.toml changed"]);
}

#[test]
fn files_that_are_found_count() {
    let p = project(
        &[
            step("cc", "cc -MD -MF {out}/x.d -c src/x.c -o {out}/x.o", "depfile = \"{out}/x.d\"\ninputs = [\"src/x.c\"]\noutputs = [\"{out}/x.o\"]\ntools = [\"cc\"]"),
            "[workspace.metadata.granular.steps.go]\nrun = [\"go\", \"vet\", \"./app\"]\ndiscover = { go = \"./app\" }\noutputs = []\n".to_owned(),
        ]
        .concat(),
    );
    p.write("src/x.c", "#include \"x.h\"\nint x = X;\n")
        .write("src/x.h", "#define X 1\n")
        .write("src/other.h", "");
    p.write("go.mod", "module example.com/m\n\ngo 1.19\n").write(
        "app/main.go",
        "package main\n\nimport \"example.com/m/lib\"\n\nfunc main() { lib.F() }\n",
    );
    p.write("lib/lib.go", "package lib\n\nfunc F() {}\n").write("docs/a.md", "");
    init(&p);
    let told = |p: &Project| {
        let run = p.granular("build --since HEAD -n --message-format json").success().raw_stdout();
        let lines: Vec<_> =
            run.lines().filter(|line| line.contains("granular-step-affected")).collect();
        lines
            .iter()
            .map(|line| {
                line.split("\"message\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(
        told(&p),
        ["what it reads is only found when it runs"],
        "no run has told of x.h yet"
    );
    p.granular("build").success();
    assert_eq!(told(&p), [""; 0]);
    p.write("src/other.h", "x").write("docs/a.md", "x");
    assert_eq!(told(&p), [""; 0], "what nobody was found to read");
    p.write("src/x.h", "#define X 2\n");
    assert_eq!(told(&p), ["what it reads is only found when it runs"]);
    p.granular("build").success();
    assert_eq!(told(&p), ["src/x.h changed"]);
    p.write("src/x.h", "#define X 1\n").write("lib/lib.go", "package lib\n\nfunc F() { _ = 1 }\n");
    assert_eq!(told(&p), ["lib/lib.go changed"]);
    p.write("lib/lib.go", "package lib\n\nfunc F() {}\n").write("lib/more.go", "package lib\n");
    assert_eq!(told(&p), ["lib/more.go is new"]);
    p.remove("lib/more.go");
    p.remove("docs/a.md");
    assert_eq!(told(&p), ["docs/a.md is gone"], "the compiler may have looked for it");
}

#[test]
fn outputs_that_a_build_left_in_the_tree_are_no_change() {
    let p = project(
        &[
            step("gen", "mkdir -p gen; cat in > gen/x", "inputs = [\"in\"]\noutputs = [\"gen\"]"),
            step("use", "cat gen/x", "inputs = [\"gen/**\"]\noutputs = []\nneeds = [\"gen\"]"),
        ]
        .concat(),
    );
    p.write("in", "1");
    init(&p);
    p.granular("build").success();
    assert_eq!(p.ran(), ["gen", "use"]);
    assert_eq!(affected(&p, "build --since HEAD"), [""; 0]);
    p.write("in", "2");
    assert_eq!(affected(&p, "build --since HEAD"), ["#gen: in changed", "#use: needs #gen"]);
}

#[test]
fn where_there_is_nothing_before_everything_counts() {
    let p = workspace();
    for revision in ["0000000000000000000000000000000000000000", ""] {
        let run = p.command("build --since").arg(revision).run().success();
        assert!(run.stderr().contains("nothing to compare with: every step counts"), "{run}");
        p.remove("target");
    }
    assert_eq!(p.ran(), ["api", "image", "models", "web"]);
}

#[test]
fn a_proof_that_nothing_was_touched_is_not_asked() {
    let p = workspace();
    for _ in 0..3 {
        crate::costs::settle();
        p.granular("build").success();
    }
    let run = p.granular("build --since HEAD").success();
    assert!(run.stderr().contains("0 of 4 steps"), "{run}");
    p.ran();
    p.write("web/d.txt", "D");
    p.granular("build --since HEAD").success();
    assert_eq!(p.ran(), ["web"]);
}

#[test]
fn a_workspace_in_a_larger_repository_and_a_repository_in_it() {
    let p = workspace();
    // The repository is one directory up, the workspace lies in it; a link leads there.
    let top = p.root().parent().unwrap().join("repo");
    fs::create_dir_all(&top).unwrap();
    fs::rename(p.root(), top.join("inner")).unwrap();
    fs::rename(top.join("inner/.git"), top.join(".git")).unwrap();
    symlink(top.join("inner"), p.root()).unwrap();
    commit(&p);
    assert_eq!(affected(&p, "build --since HEAD"), [""; 0]);
    fs::write(top.join("outside"), "x").unwrap();
    p.write("web/d.txt", "D");
    assert_eq!(affected(&p, "build --since HEAD"), ["#web: web/d.txt changed"]);
    git(&p, "checkout -q .");
    p.write("web/sub/f", "1");
    let sub = |arguments: &str| {
        let status = Command::new("git")
            .args(["-c", "user.name=t", "-c", "user.email=t"])
            .args(arguments.split(' '))
            .current_dir(p.path("web/sub"))
            .status();
        assert!(status.unwrap().success());
    };
    sub("init -q");
    sub("add -A");
    sub("commit -qm x");
    let told = affected(&p, "build --since HEAD");
    assert_eq!(told, ["#web: web/sub is new"]);
}

#[test]
fn what_lies_in_the_repository_beside_the_workspace_counts_where_it_is_read() {
    let p = project(
        &[
            step("cc", "cc -MM -MF {out}/x.d x.c", "depfile = \"{out}/x.d\"\ninputs = [\"x.c\"]\noutputs = [\"{out}\"]\ntools = [\"cc\"]"),
            step("other", "true", "inputs = [\"x.c\"]\noutputs = []\ntools = [\"sh\"]"),
            step("own", "true", "inputs = [\"x.c\"]\noutputs = []\ntools = [\"../common/tool\"]"),
            "[workspace.metadata.granular.steps.set]\ninputs = [\"x.c\"]\n".to_owned(),
        ]
        .concat(),
    );
    p.write("x.c", "#include \"../common/x.h\"\n")
        .write("../common/x.h", "")
        .write("../common/tool", "#!/bin/sh\n");
    p.write("../.gitignore", "target\nhome\ncache\nruns\n");
    Command::new("chmod").arg("+x").arg(p.path("../common/tool")).status().unwrap();
    git(&p, "-C .. init -qb main");
    commit(&p);
    git(&p, "-C .. add -A");
    commit(&p);
    p.granular("build").success();
    assert_eq!(affected(&p, "build --since HEAD"), [""; 0]);
    let root = p.root().parent().unwrap().display().to_string();
    let told = |p: &Project| affected(p, "build --since HEAD").join("\n").replace(&root, "[TOP]");
    p.write("../common/x.h", "// x\n");
    assert_eq!(told(&p), "#cc: what it reads is only found when it runs");
    p.granular("build").success();
    assert_eq!(told(&p), "#cc: [TOP]/common/x.h changed");
    git(&p, "-C .. checkout -q .");
    p.write("../.nvmrc", "20\n");
    assert_eq!(
        told(&p),
        "#cc: [TOP]/.nvmrc is new\n#other: [TOP]/.nvmrc is new\n#own: [TOP]/.nvmrc is new"
    );
    p.remove("../.nvmrc");
    p.write("../common/tool", "#!/bin/sh\n#\n");
    assert_eq!(told(&p), "#own: [TOP]/common/tool changed");
    git(&p, "-C .. checkout -q .");
    p.remove("../common/x.h");
    p.write("../common/other.h", "");
    assert!(told(&p).starts_with("#cc: "), "{}", told(&p));
    // A change of what counts beside the bytes, where git was told not to look.
    git(&p, "-C .. checkout -q .");
    git(&p, "config core.fileMode false");
    Command::new("chmod").arg("+x").arg(p.path("x.c")).status().unwrap();
    assert!(told(&p).contains("#other: x.c changed"), "{}", told(&p));
}

#[test]
fn variables_of_a_hook_do_not_lead_git_astray() {
    let p = workspace();
    p.write("web/d.txt", "D");
    let run = p
        .command("build --since HEAD -n")
        .env("GIT_DIR", "/nowhere")
        .env("GIT_INDEX_FILE", "/nowhere/index")
        .env("GIT_EXTERNAL_DIFF", "false")
        .run()
        .success();
    assert!(run.stderr().contains("#web: web/d.txt changed"), "{run}");
}

#[test]
fn mistakes_name_the_place_and_the_way_out() {
    let p = workspace();
    let told = |run: Run| told(&run).replace("\n\n", "\n");
    assert_snapshot!(told(p.granular("build --since nowhere").code(2)), @"
    ---- stderr
    error: `--since nowhere` names no commit of the repository in `[ROOT]/workspace`
    help: `git fetch` brings what is new elsewhere, `git rev-parse nowhere` tries the name
    [exit code: 2]
    ");
    assert_snapshot!(told(p.granular("build --since=--output=x").code(2)), @"
    ---- stderr
    error: `--since --output=x` names no commit of the repository in `[ROOT]/workspace`
    help: `git fetch` brings what is new elsewhere, `git rev-parse --output=x` tries the name
    [exit code: 2]
    ");
    git(&p, "checkout -q --orphan other");
    p.write("other", "");
    commit(&p);
    assert_snapshot!(told(p.granular("build --since main").code(2)), @"
    ---- stderr
    error: `--since main` and HEAD have no commit in common
    help: name a commit that HEAD comes from
    [exit code: 2]
    ");
    let path = std::env::var("PATH").unwrap();
    let without = p.log().with_file_name("bin");
    fs::create_dir_all(&without).unwrap();
    for tool in ["cargo", "rustc", "sh", "cat", "rustup"] {
        let found =
            std::env::split_paths(&path).map(|dir| dir.join(tool)).find(|path| path.is_file());
        if let Some(found) = found {
            symlink(found, without.join(tool)).unwrap();
        }
    }
    let run = p.command("build --since main").env("PATH", without.to_str().unwrap()).run();
    assert_snapshot!(told(run.code(3)), @"
    ---- stderr
    error: cannot start `git`, which --since asks what changed: No such file or directory (os error 2)
    help: install git, or leave --since out
    [exit code: 3]
    ");
    // One commit of several was fetched.
    git(&p, "checkout -q main");
    commit(&p);
    let shallow = p.log().with_file_name("shallow");
    git(&p, &format!("clone -q --depth 1 file://{} {}", p.root().display(), shallow.display()));
    let run = p.command("build --since HEAD~1").dir(&shallow).run();
    assert_snapshot!(told(run.code(2)), @"
    ---- stderr
    error: `--since HEAD~1` names no commit of the repository in `[ROOT]/shallow`
    help: this clone is shallow: fetch the whole history (`fetch-depth: 0` for actions/checkout, `GIT_DEPTH: 0` for GitLab, `git fetch --unshallow` by hand)
    [exit code: 2]
    ");
    p.remove(".git");
    assert_snapshot!(told(p.granular("build --since main").code(2)), @"
    ---- stderr
    error: --since asks git what changed, and `[ROOT]/workspace` is in no git repository
    help: leave --since out, or build in a clone
    [exit code: 2]
    ");
    assert!(p.ran().is_empty());
}

#[test]
fn the_workflows_of_the_manual_run_as_they_stand() {
    let manual =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let lines: Vec<_> = manual
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "))
        .map(|line| line.trim_start_matches("run: "))
        .filter(|line| line.starts_with("cargo granular ") && line.contains("--since \"$"))
        .collect();
    assert_eq!(lines.len(), 4, "two systems, build and test");
    for line in lines {
        let p = workspace();
        let base = git(&p, "rev-parse HEAD").trim().to_owned();
        p.write("web/d.txt", "D");
        commit(&p);
        for (value, expected) in [(&*base, &["web"][..]), ("", &["api", "image", "models", "web"])]
        {
            // What the system makes of the line.
            let line = line.replace("${{ github.event.pull_request.base.sha }}", value);
            p.granular("clean").success();
            let _ = fs::remove_dir_all(p.cache());
            let job = p.command("").env("CI_MERGE_REQUEST_DIFF_BASE_SHA", value);
            let run = job.by_shell(&line).run().success();
            match line.contains(" build ") {
                true => assert_eq!(p.ran(), expected, "{line}: {run}"),
                false => drop(p.ran()),
            }
        }
    }
}

#[test]
fn a_submodule_counts_as_the_commit_and_the_files_that_are_there() {
    let p = project(
        &[
            step("sub", "true", "inputs = [\"sub/**\"]\noutputs = []"),
            step("other", "true", "inputs = [\"in\"]\noutputs = []"),
        ]
        .concat(),
    );
    p.write("in", "1");
    let library = workspace();
    init(&p);
    git(
        &p,
        &format!("-c protocol.file.allow=always submodule add -q {} sub", library.root().display()),
    );
    commit(&p);
    assert_eq!(affected(&p, "build --since HEAD"), [""; 0]);
    p.write("sub/web/d.txt", "D");
    assert_eq!(affected(&p, "build --since HEAD"), ["#sub: sub changed"]);
    git(&p, "-C sub commit -qam x");
    commit(&p);
    assert_eq!(affected(&p, "build --since HEAD"), [""; 0]);
    assert_eq!(affected(&p, "build --since HEAD~1"), ["#sub: sub changed"]);
    p.write("sub/new", "n");
    assert_eq!(affected(&p, "build --since HEAD"), ["#sub: sub changed"]);
}

#[test]
fn whatever_is_done_to_a_tree_no_step_is_left_out_that_has_to_be_done() {
    let p = project(
        &[
            step(
                "all",
                "true",
                "inputs = [\"**\", \"!**/*.md\", \"!gen/**\", \"!Cargo.toml\"]\noutputs = []",
            ),
            step(
                "gen",
                "mkdir -p gen; cat a/x b/x > gen/x 2>/dev/null; true",
                "inputs = [\"a/**\", \"b/*\", \"keep\"]\noutputs = [\"gen\"]",
            ),
            step(
                "reads",
                "true",
                "inputs = [\"gen/*\", \"l/x\", \"keep\"]\noutputs = []\nneeds = [\"gen\"]",
            ),
            step("link", "true", "inputs = [\"link\", \"keep\"]\noutputs = []"),
            step("dir", "true", "inputs = [\"b\", \"c/[xy]\"]\noutputs = []\nneeds = [\"set\"]"),
            "[workspace.metadata.granular.steps.set]\ninputs = [\"a/{x,y}\", \"keep\"]\n"
                .to_owned(),
            step("tool", "true", "inputs = [\"keep\"]\noutputs = []\ntools = [\"./t\"]"),
        ]
        .concat(),
    );
    // So that no pattern ever matches nothing, which is a mistake.
    for file in ["keep", "a/keep", "b/keep", "c/x", "a/x", "l1/x", "l2/x", "t"] {
        p.write(file, file);
    }
    Command::new("chmod").arg("+x").arg(p.path("t")).status().unwrap();
    symlink("a/keep", p.path("link")).unwrap();
    symlink("l1", p.path("l")).unwrap();
    init(&p);
    let mut state = 88172645463325252_u64;
    let mut next = |most: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % most as u64) as usize
    };
    const FILES: [&str; 12] = [
        "a/x", "a/y", "a/deep/z", "b/x", "b/n.md", "c/y", "d/new", "l1/x", "l2/x", "a/keep", "t",
        "n.md",
    ];
    let mut stale = 0;
    for round in 0..16 {
        git(&p, "tag -f before");
        p.granular("build").success();
        let mut done = Vec::new();
        for _ in 0..1 + next(3) {
            let file = FILES[next(FILES.len())];
            let what = next(8);
            done.push((what, file));
            let path = p.path(file);
            match what {
                0..=2 => drop(p.write(file, format!("{round}"))),
                3 if !["t", "l1/x", "l2/x", "a/keep"].contains(&file) => {
                    drop(fs::remove_file(&path))
                }
                4 => drop(p.write("b/.gitignore", format!("{}\n", &file[2.min(file.len())..]))),
                5 => {
                    p.remove("l");
                    symlink(["l1", "l2"][next(2)], p.path("l")).unwrap();
                }
                6 => {
                    p.remove("link");
                    symlink(["a/keep", "keep", "l/x"][next(3)], p.path("link")).unwrap();
                }
                _ => commit(&p),
            }
        }
        let told = affected(&p, "build --since before");
        stale += all_that_is_stale_is_told(&p, &told, &format!("{round}: {done:?}"));
        if next(2) == 0 {
            commit(&p);
        }
    }
    assert!(stale > 20, "there was something to be told: {stale}");
}
