//! What tells each contender how to build: the files that its users would write, for the same steps.

use super::contender::{Contender, Kind, Programs};
use super::work::{Shape, Step, Work};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One tree that is to be told of.
struct Tree<'a> {
    work: &'a Work,
    root: &'a Path,
    log: PathBuf,
}

/// What no contender is to see as a source.
const IGNORED: &str = "out.txt\nbin/\n.built\nnode_modules\ntarget/\n.turbo\n.nx\n.moon/cache\n.wireit\n.task\n.ninja_log\n.ninja_deps\n";

/// Writes what `contender` reads to the root of its tree.
pub(crate) fn write(work: &Work, contender: &Contender, programs: &Programs) -> Result<()> {
    let tree = Tree { work, root: &contender.root, log: contender.log() };
    tree.file(".gitignore", IGNORED)?;
    match contender.kind {
        Kind::Granular | Kind::GranularDiscover => granular(&tree, contender.kind)?,
        Kind::GranularPackages => granular_packages(&tree)?,
        Kind::Ninja => ninja(&tree)?,
        Kind::Make => make(&tree)?,
        Kind::Turborepo => turborepo(&tree, programs.has_bun())?,
        Kind::Nx => nx(&tree)?,
        Kind::Moon => moon(&tree)?,
        Kind::Wireit => wireit(&tree)?,
        Kind::VitePlus => vite_plus(&tree)?,
        Kind::GoTask => go_task(&tree)?,
        Kind::Shell => shell(&tree)?,
        Kind::OneGoBuild => one_go_build(&tree)?,
    }
    let modules = match contender.kind {
        Kind::Nx => "nx",
        Kind::Wireit => "wireit",
        Kind::VitePlus => "vite-plus",
        _ => "",
    };
    if !modules.is_empty() {
        link_modules(&programs.peers.join(modules).join("node_modules"), &tree)?;
    }
    if contender.kind.wants_git() {
        for words in ["init -q -b main", "add -A", "commit -q -m tree"] {
            let mut git = Command::new("git");
            contender.in_place(&mut git);
            git.args(["-c", "user.name=bench", "-c", "user.email=bench@localhost"]);
            let done = git.args(words.split(' ')).output().context("start git")?;
            ensure!(done.status.success(), "git: {}", String::from_utf8_lossy(&done.stderr));
        }
    }
    Ok(())
}

impl Tree<'_> {
    fn file(&self, path: &str, text: impl AsRef<[u8]>) -> Result<()> {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    fn json(&self, path: &str, value: &Value) -> Result<()> {
        self.file(path, format!("{value:#}\n"))
    }

    fn steps(&self) -> impl Iterator<Item = &Step> {
        self.work.steps.iter()
    }

    fn needs<'a>(&'a self, step: &'a Step) -> impl Iterator<Item = &'a Step> {
        step.needs.iter().filter_map(|need| self.work.steps.get(*need))
    }

    /// The directories that hold the steps' own, as patterns.
    fn package_patterns(&self) -> Vec<&'static str> {
        match self.work.shape {
            Shape::Go => vec!["shared/*", "services/*"],
            Shape::Grid { .. } => vec!["packages/*"],
        }
    }
}

/// `["a", "b"]`, as in TOML, JSON and YAML.
fn array<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<_> = texts.into_iter().map(|text| format!("{:?}", text.as_ref())).collect();
    format!("[{}]", texts.join(", "))
}

fn granular(tree: &Tree<'_>, kind: Kind) -> Result<()> {
    let mut text = String::from("[workspace]\nresolver = \"3\"\n");
    for step in tree.steps() {
        let Step { name, dir, .. } = step;
        let run = step.command(&tree.log);
        let outputs = array(step.output.iter().map(|output| format!("/{dir}/{output}")));
        write!(
            text,
            "\n[workspace.metadata.granular.steps.{name}]\nrun = {run:?}\ndir = \"/{dir}\"\noutputs = {outputs}\n"
        )?;
        // Go looks at the program that stands there, as it does for those who clear nothing.
        if tree.work.shape == Shape::Go && step.output.is_some() {
            text.push_str("incremental = true\n");
        }
        if kind == Kind::GranularDiscover {
            text.push_str("discover = { go = \".\" }\nenv = { CGO_ENABLED = \"0\" }\n");
            continue;
        }
        let own = step.patterns.iter().map(|pattern| format!("/{dir}/{pattern}"));
        let inputs = array(own.chain(step.root_files.iter().map(|file| format!("/{file}"))));
        let needs = array(tree.needs(step).map(|need| &need.name));
        write!(text, "inputs = {inputs}\nneeds = {needs}\n")?;
    }
    tree.file("Cargo.toml", text)
}

fn granular_packages(tree: &Tree<'_>) -> Result<()> {
    let members = array(tree.package_patterns());
    tree.file("Cargo.toml", format!("[workspace]\nresolver = \"3\"\nmembers = {members}\n"))?;
    for step in tree.steps() {
        let (name, run) = (&step.name, step.command(&tree.log));
        let (inputs, outputs) = (array(&step.patterns), array(&step.output));
        let needs = array(tree.needs(step).map(|need| format!("{}#build", need.name)));
        let text = format!(
            "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[package.metadata.granular.steps.build]\nrun = {run:?}\ninputs = {inputs}\noutputs = {outputs}\nneeds = {needs}\n"
        );
        tree.file(&format!("{}/Cargo.toml", step.dir), text)?;
        tree.file(&format!("{}/src/lib.rs", step.dir), "")?;
    }
    Ok(())
}

/// What stands for a step among files, and its command, which leaves that: a check leaves a stamp.
fn as_file(step: &Step, log: &Path) -> (String, String) {
    let command = step.command_from_root(log);
    match step.output_path() {
        Some(output) => (output, command),
        None => (format!("{}/.built", step.dir), format!("{command} && touch .built")),
    }
}

/// Every file that a step reads, also from its needs.
fn read_by(step: &Step, tree: &Tree<'_>) -> String {
    let made = tree.needs(step).map(|need| as_file(need, &tree.log).0);
    let root_files = step.root_files.iter().map(|file| (*file).to_owned());
    step.files.iter().cloned().chain(root_files).chain(made).collect::<Vec<_>>().join(" ")
}

fn ninja(tree: &Tree<'_>) -> Result<()> {
    let mut text = String::from("rule step\n  command = $command\n");
    for step in tree.steps() {
        let (file, command) = as_file(step, &tree.log);
        writeln!(text, "build {file}: step {}\n  command = {command}", read_by(step, tree))?;
    }
    tree.file("build.ninja", text)
}

fn make(tree: &Tree<'_>) -> Result<()> {
    let all: Vec<_> = tree.steps().map(|step| as_file(step, &tree.log).0).collect();
    let mut text = format!("MAKEFLAGS += -rR\n.SUFFIXES:\n.PHONY: all\nall: {}\n", all.join(" "));
    for step in tree.steps() {
        let (file, command) = as_file(step, &tree.log);
        write!(text, "{file}: {}\n\t@{command}\n", read_by(step, tree))?;
    }
    tree.file("Makefile", text)
}

/// A `package.json` for the root and one for each step, with what `more` adds to the latter.
fn npm(tree: &Tree<'_>, root: Value, version: &str, more: impl Fn(&Step) -> Value) -> Result<()> {
    let mut file =
        json!({ "name": "root", "private": true, "workspaces": tree.package_patterns() });
    add(&mut file, root);
    tree.json("package.json", &file)?;
    for step in tree.steps() {
        let needs: serde_json::Map<_, _> =
            tree.needs(step).map(|need| (need.name.clone(), version.into())).collect();
        let mut file = json!({ "name": step.name, "version": "1.0.0", "private": true, "dependencies": needs });
        add(&mut file, more(step));
        tree.json(&format!("{}/package.json", step.dir), &file)?;
    }
    Ok(())
}

fn add(file: &mut Value, more: Value) {
    if let (Some(file), Value::Object(more)) = (file.as_object_mut(), more) {
        file.extend(more);
    }
}

fn script(step: &Step, log: &Path) -> Value {
    json!({ "scripts": { "build": step.command(log) } })
}

fn turborepo(tree: &Tree<'_>, bun: bool) -> Result<()> {
    let mut outputs: Vec<_> = tree.steps().filter_map(|step| step.output.clone()).collect();
    outputs.sort();
    outputs.dedup();
    let globals: &[&str] = tree.steps().next().map(|step| step.root_files).unwrap_or_default();
    tree.json(
        "turbo.json",
        &json!({
            "globalDependencies": globals,
            "globalPassThroughEnv": ["GO*", "HOME"],
            "tasks": { "build": { "dependsOn": ["^build"], "outputs": outputs } },
        }),
    )?;
    let manager = if bun { "bun@1.3.0" } else { "npm@10.0.0" };
    npm(
        tree,
        json!({ "packageManager": manager }),
        if bun { "workspace:*" } else { "1.0.0" },
        |step| script(step, &tree.log),
    )?;
    if bun {
        let mut workspaces = serde_json::Map::new();
        let mut packages = serde_json::Map::new();
        workspaces.insert(String::new(), json!({ "name": "root" }));
        for step in tree.steps() {
            let needs: serde_json::Map<_, _> =
                tree.needs(step).map(|need| (need.name.clone(), "workspace:*".into())).collect();
            workspaces.insert(
                step.dir.clone(),
                json!({ "name": step.name, "version": "1.0.0", "dependencies": needs }),
            );
            packages.insert(
                step.name.clone(),
                json!([format!("{}@workspace:{}", step.name, step.dir)]),
            );
        }
        return tree.json(
            "bun.lock",
            &json!({ "lockfileVersion": 1, "workspaces": workspaces, "packages": packages }),
        );
    }
    npm_lock(tree)
}

/// What npm would write: all packages are links into the tree.
fn npm_lock(tree: &Tree<'_>) -> Result<()> {
    let mut packages = serde_json::Map::new();
    packages
        .insert(String::new(), json!({ "name": "root", "workspaces": tree.package_patterns() }));
    for step in tree.steps() {
        let needs: serde_json::Map<_, _> =
            tree.needs(step).map(|need| (need.name.clone(), "1.0.0".into())).collect();
        packages.insert(
            format!("node_modules/{}", step.name),
            json!({ "resolved": step.dir, "link": true }),
        );
        packages.insert(
            step.dir.clone(),
            json!({ "name": step.name, "version": "1.0.0", "dependencies": needs }),
        );
    }
    tree.json(
        "package-lock.json",
        &json!({ "name": "root", "lockfileVersion": 3, "requires": true, "packages": packages }),
    )
}

fn nx(tree: &Tree<'_>) -> Result<()> {
    let root_files = tree.steps().next().map(|step| step.root_files).unwrap_or_default();
    let shared: Vec<_> =
        root_files.iter().map(|file| format!("{{workspaceRoot}}/{file}")).collect();
    tree.json("nx.json", &json!({
        "analytics": false,
        "neverConnectToCloud": true,
        "namedInputs": { "shared": shared, "default": ["{projectRoot}/**/*", "shared"] },
        "targetDefaults": { "build": { "cache": true, "dependsOn": ["^build"], "inputs": ["default", "^default"] } },
    }))?;
    tree.json("package.json", &json!({ "name": "root", "private": true }))?;
    for step in tree.steps() {
        let needs: Vec<_> = tree.needs(step).map(|need| &need.name).collect();
        let outputs: Vec<_> =
            step.output.iter().map(|output| format!("{{projectRoot}}/{output}")).collect();
        tree.json(
            &format!("{}/project.json", step.dir),
            &json!({
                "name": step.name,
                "implicitDependencies": needs,
                "targets": { "build": {
                    "executor": "nx:run-commands",
                    "outputs": outputs,
                    "options": { "command": step.command(&tree.log), "cwd": step.dir },
                } },
            }),
        )?;
    }
    Ok(())
}

fn moon(tree: &Tree<'_>) -> Result<()> {
    let projects = array(tree.package_patterns());
    let text = format!(
        "projects: {projects}\ntelemetry: false\nvcs:\n  client: git\n  defaultBranch: main\n"
    );
    tree.file(".moon/workspace.yml", text)?;
    for step in tree.steps() {
        let own = step.patterns.iter().map(|pattern| (*pattern).to_owned());
        let inputs = array(own.chain(step.root_files.iter().map(|file| format!("/{file}"))));
        let script = step.command(&tree.log);
        let mut text = format!(
            "language: unknown\ndependsOn: {}\ntasks:\n  build:\n    script: {script:?}\n    inputs: {inputs}\n",
            array(tree.needs(step).map(|need| &need.name))
        );
        if step.output.is_some() {
            writeln!(text, "    outputs: {}", array(&step.output))?;
        }
        if !step.needs.is_empty() {
            text.push_str("    deps:\n");
        }
        for need in tree.needs(step) {
            // Without this a change of a need that leaves nothing behind would go unseen.
            writeln!(text, "      - {{ target: \"{}:build\", cacheStrategy: hash }}", need.name)?;
        }
        text.push_str("    options:\n      runInCI: true\n");
        tree.file(&format!("{}/moon.yml", step.dir), text)?;
    }
    Ok(())
}

fn wireit(tree: &Tree<'_>) -> Result<()> {
    let all: Vec<_> = tree.steps().map(|step| format!("./{}:build", step.dir)).collect();
    let root =
        json!({ "scripts": { "build": "wireit" }, "wireit": { "build": { "dependencies": all } } });
    npm(tree, root, "1.0.0", |step| {
        let up = step.to_root();
        let own = step.patterns.iter().map(|pattern| (*pattern).to_owned());
        let files: Vec<_> =
            own.chain(step.root_files.iter().map(|file| format!("{up}/{file}"))).collect();
        let needs: Vec<_> =
            tree.needs(step).map(|need| format!("{up}/{}:build", need.dir)).collect();
        let output: Vec<_> = step.output.iter().collect();
        json!({
            "scripts": { "build": "wireit" },
            "wireit": { "build": { "command": step.command(&tree.log), "files": files, "output": output, "dependencies": needs } },
        })
    })
}

fn vite_plus(tree: &Tree<'_>) -> Result<()> {
    let config = "export default { run: { cache: { scripts: true, tasks: true } } };\n";
    tree.file("vite.config.ts", config)?;
    npm(tree, json!({ "packageManager": "npm@11.0.0" }), "workspace:*", |step| {
        script(step, &tree.log)
    })?;
    npm_lock(tree)
}

fn go_task(tree: &Tree<'_>) -> Result<()> {
    let all = array(tree.steps().map(|step| &step.name));
    let mut text = format!(
        "version: \"3\"\nmethod: checksum\nrun: once\ntasks:\n  default:\n    deps: {all}\n"
    );
    for step in tree.steps() {
        let made = tree.needs(step).flat_map(|need| match need.output_path() {
            Some(output) => vec![output],
            None => sources(need),
        });
        let read = array(sources(step).into_iter().chain(made));
        let needs = array(tree.needs(step).map(|need| &need.name));
        let command = step.command_from_root(&tree.log);
        write!(text, "  {}:\n    deps: {needs}\n    sources: {read}\n", step.name)?;
        if step.output.is_some() {
            writeln!(text, "    generates: {}", array(step.output_path()))?;
        }
        writeln!(text, "    cmds: [{command:?}]")?;
    }
    tree.file("Taskfile.yml", text)
}

fn sources(step: &Step) -> Vec<String> {
    let own = step.patterns.iter().map(|pattern| format!("{}/{pattern}", step.dir));
    own.chain(step.root_files.iter().map(|file| (*file).to_owned())).collect()
}

fn shell(tree: &Tree<'_>) -> Result<()> {
    let mut text = String::from("set -e\n");
    for step in tree.steps() {
        writeln!(text, "({})", step.command_from_root(&tree.log))?;
    }
    tree.file("build.sh", text)
}

fn one_go_build(tree: &Tree<'_>) -> Result<()> {
    let dirs: Vec<_> = tree.steps().map(|step| format!("./{}", step.dir)).collect();
    let names: Vec<_> = tree.steps().map(|step| step.name.as_str()).collect();
    tree.file("build.sh", format!(
        "set -e\nmkdir -p bin\nCGO_ENABLED=0 go build -trimpath -buildvcs=false -o bin/ {}\nprintf '%s\\n' {} >> {}\n",
        dirs.join(" "), names.join(" "), tree.log.display()
    ))
}

/// Links to what was installed, so that what a tool keeps beside it stays in the tree.
fn link_modules(from: &Path, tree: &Tree<'_>) -> Result<()> {
    let to = tree.root.join("node_modules");
    fs::create_dir_all(&to)?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let entry = entry?;
        std::os::unix::fs::symlink(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
