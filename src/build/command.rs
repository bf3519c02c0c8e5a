//! From an action to the command that is run: who its tools are, what it sees of the environment, what its placeholders stand for.

use super::Ground;
use super::check::environment as environment_failure;
use crate::action::{Action, ActionId};
use crate::cargo::Unbuilt;
use crate::environment::{self, Environment};
use crate::error::Error;
use crate::event::Failure;
use crate::execute::Command;
use crate::ordered::{self, Map};
use crate::project::Project;
use crate::stat::Stat;
use crate::state::State;
use crate::step::{Artifact, Run, out_variable};
use crate::template::shell::{Line, Shell};
use crate::template::{Piece, Template};
use crate::tools::{self, Identity, KnownTool};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What an action is run with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setting {
    pub(crate) environment: Environment,
    /// Everything that the command sees.
    pub(crate) env: Map<OsString, OsString>,
    /// The tools that count, by name.
    pub(crate) tools: Vec<Identity>,
    /// What Cargo has built for it, by the name that placeholders give it.
    pub(crate) artifacts: Vec<Identity>,
    /// Whether one of the tools takes part in a jobserver.
    pub(crate) jobserver: bool,
    /// The tools that it names and that cannot be found.
    pub(crate) missing: Vec<MissingTool>,
}

/// A tool that cannot be found.
#[derive(Clone, Debug)]
pub(crate) struct MissingTool {
    pub(crate) name: String,
    /// Where it was looked for.
    pub(crate) what: String,
    pub(crate) way_out: Option<String>,
}

/// The variable that tells a step which checkout it is run for: by it what a killed build left running is found.
pub(crate) const STATE: &str = "GRANULAR_STATE";

/// The variable that tells a step which checkouts are held meanwhile: its own, and those of steps that have started this program in turn.
/// By it a step does not wait for itself.
pub(crate) const HELD: &str = "GRANULAR_HELD";

/// The variable that tells a step the keys of those that it is run for, itself and further out: whatever it starts must not wait for them.
pub(crate) const KEYS: &str = "GRANULAR_KEYS";

/// How much of what a command prints is kept.
const LOG_LIMIT: u64 = 16 << 20;

/// The shell that runs a `run` that is one text.
const SHELL: &str = if cfg!(windows) { "cmd" } else { "sh" };

/// Finds out what an action is run with. Fails where a tool is there and cannot be looked at.
pub(crate) fn setting(ground: &Ground<'_>, id: ActionId) -> Result<Setting, Failure> {
    let action = &ground.project.graph[id];
    let Some(run) = &action.run else { return Ok(Setting::default()) };
    let artifacts = artifacts(ground, id)?;
    let (names, seen) = (tool_names(action, run), seen_tools(run));
    let rows = rows(&names, &seen);
    let environment = environment::strict(ground.env, &action.track_env, &action.pass_env, &rows);
    let mut env = environment.all.clone();
    for (name, value) in &action.env {
        env.insert(name.into(), render(ground.project, id, &artifacts, value).into());
    }
    let dir = action.dir.under(&ground.project.workspace.root);
    let identify = |name: &String| ground.tools.identify(name, &dir, &env, ground.index);
    let (mut tools, mut missing) = (Vec::new(), Vec::new());
    for name in &names {
        match identify(name) {
            Ok(tool) => tools.push(tool),
            Err(error) if tools::find(name, &dir, &env).is_err() => missing.push(MissingTool {
                name: name.clone(),
                what: error.to_string(),
                way_out: error.way_out().map(str::to_owned),
            }),
            Err(error) => return Err(environment_failure(error)),
        }
    }
    // What only looks like a tool in a shell's line need not be one: `./bin/protoc` is not the `protoc` of the PATH.
    let unnamed = seen.iter().filter(|name| !names.contains(name));
    tools.extend(unnamed.filter_map(|name| identify(name).ok()));
    env.insert(HELD.into(), held(ground));
    if ground.project.is_in_build_script() {
        // The Cargo outside holds its own until the build script is done.
        let own = ground.project.state_dir.join("cargo-target");
        env.get_or_insert_with("CARGO_TARGET_DIR".into(), || own.into());
    }
    env.insert(STATE.into(), ground.project.state_dir.clone().into());
    for (artifact, built) in action.cargo.iter().zip(&artifacts) {
        env.insert(artifact.variable().into(), built.path.clone().into());
    }
    env.extend(
        out_dirs(ground.project, id).into_iter().map(|(name, dir)| (name.into(), dir.into())),
    );
    let jobserver = rows.iter().any(|row| row.jobserver);
    Ok(Setting { environment, env, tools, artifacts, jobserver, missing })
}

/// Has Cargo build what the action names. Where that fails, what Cargo said is in the action's log.
fn artifacts(ground: &Ground<'_>, id: ActionId) -> Result<Vec<Identity>, Failure> {
    let action = &ground.project.graph[id];
    let build = |artifact: &Artifact| {
        let Some(beside) = ground.beside else {
            return Err(Failure::Environment {
                message: format!("Cargo is not asked to build `{}` here", artifact.name),
                hint: None,
            });
        };
        let more = [(HELD, held(ground)), (STATE, ground.project.state_dir.clone().into())];
        let project = ground.project;
        let built = project.cargo.build(artifact, &project.workspace, beside, &more);
        let path = built.map_err(|unbuilt| failure(ground, action, unbuilt))?;
        let digest = || {
            let stat = Stat::of_pointee(&path)
                .map_err(|error| Error::io("cannot look at", &path, error))?;
            let gone = || Error::io("cannot look at", &path, io::ErrorKind::NotFound.into());
            ground.index.digest(&path, &stat.ok_or_else(gone)?)
        };
        let digest = digest().map_err(environment_failure)?;
        Ok(Identity { name: artifact.name.clone(), path, digest, version: None })
    };
    action.cargo.iter().map(build).collect()
}

fn failure(ground: &Ground<'_>, action: &Action, unbuilt: Unbuilt) -> Failure {
    match unbuilt {
        Unbuilt::Trouble { message, hint } => Failure::Environment { message, hint },
        Unbuilt::Failed { ending, printed, repeat } => {
            let log = ground.state.log(&action.name);
            match fs::write(&log, printed) {
                Ok(()) => Failure::Command { ending, repeat },
                Err(error) => environment_failure(Error::io("cannot write the log", &log, error)),
            }
        }
    }
}

/// What else than files an action depends on.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// The executables of its tools, as far as they can be found.
    pub(crate) tools: Vec<PathBuf>,
    /// The variables that are part of its key.
    pub(crate) variables: Vec<String>,
}

/// What an action depends on besides its inputs and needs, without asking anybody.
pub(crate) fn watch(project: &Project, id: ActionId, env: &Map<OsString, OsString>) -> Watch {
    let action = &project.graph[id];
    let Some(run) = &action.run else { return Watch::default() };
    let (names, seen) = (tool_names(action, run), seen_tools(run));
    let rows = rows(&names, &seen);
    let dir = action.dir.under(&project.workspace.root);
    let environment = environment::strict(env, &action.track_env, &action.pass_env, &rows);
    let find = |name: &String| tools::find(name, &dir, &environment.all).ok();
    let named: Vec<Option<PathBuf>> = names.iter().map(find).collect();
    let mut variables: Vec<String> = environment.tracked.into_keys().collect();
    if named.contains(&None) {
        // Where a tool will turn up once it is installed cannot be known; mostly it brings a directory of its own.
        variables.push("PATH".to_owned());
    }
    let tools = named.into_iter().flatten().chain(seen.iter().filter_map(find)).collect();
    Watch { tools, variables }
}

/// The names of variables that may change an action's key: what it tracks, and what its tools are given.
pub(crate) fn variables(action: &Action) -> Vec<String> {
    let mut variables: Vec<String> = action.track_env.iter().cloned().collect();
    if let Some(run) = &action.run {
        for row in rows(&tool_names(action, run), &seen_tools(run)) {
            let names = row.pass.iter().chain(row.track).copied().flatten();
            variables.extend(names.map(|name| (*name).to_owned()));
        }
    }
    variables
}

fn rows(names: &[String], seen: &[String]) -> Vec<&'static KnownTool> {
    names.iter().chain(seen).filter_map(|name| tools::known(base_name(name))).collect()
}

/// The command of an action that has one.
pub(crate) fn command(ground: &Ground<'_>, id: ActionId, run: &Run, setting: &Setting) -> Command {
    let action = &ground.project.graph[id];
    let (program, arguments) = match run {
        Run::Program(words) => {
            let mut words =
                words.iter().map(|word| render(ground.project, id, &setting.artifacts, word));
            (words.next().unwrap_or_default(), words.map(OsString::from).collect())
        }
        Run::Shell(line) => {
            let line = line.render_for_shell(Shell::HERE, |piece| {
                stands_for(ground.project, id, &setting.artifacts, piece)
            });
            let flag = if cfg!(windows) { "/C" } else { "-c" };
            (SHELL.to_owned(), vec![flag.into(), line.into()])
        }
    };
    let identity = setting.tools.iter().find(|tool| tool.name == program);
    Command {
        program: identity.map_or_else(|| PathBuf::from(&program), |tool| tool.path.clone()),
        arguments,
        dir: action.dir.under(&ground.project.workspace.root),
        env: setting.env.clone(),
        log: ground.state.log(&action.name),
        log_limit: LOG_LIMIT,
        timeout: action.timeout,
        jobserver: setting.jobserver,
        reads: Vec::new(),
    }
}

/// The command as a line that can be pasted into a shell at any place.
pub(crate) fn repeat_line(project: &Project, id: ActionId, run: &Run, setting: &Setting) -> String {
    let artifacts = &setting.artifacts;
    let action = &project.graph[id];
    let dir = action.dir.under(&project.workspace.root);
    let command: Vec<String> = match run {
        Run::Program(words) => {
            words.iter().map(|word| render(project, id, artifacts, word)).collect()
        }
        Run::Shell(line) => {
            let line = line
                .render_for_shell(Shell::HERE, |piece| stands_for(project, id, artifacts, piece));
            vec![SHELL.to_owned(), "-c".to_owned(), line]
        }
    };
    let mut words = vec!["cd".to_owned(), shell_word(&dir.to_string_lossy()), "&&".to_owned()];
    for (name, value) in &action.env {
        words.push(format!("{name}={}", shell_word(&render(project, id, artifacts, value))));
    }
    // Those that the command names; all of them would make most lines too long to read.
    let built = action.cargo.iter().zip(artifacts);
    let built = built.map(|(artifact, built)| (artifact.variable(), built.path.clone()));
    for (name, value) in out_dirs(project, id).into_iter().chain(built) {
        if command.iter().any(|word| word.contains(&name)) {
            words.push(format!("{name}={}", shell_word(&value.to_string_lossy())));
        }
    }
    words.extend(command.iter().map(|word| shell_word(word)));
    words.join(" ")
}

/// `text` as one word of a shell's line.
fn shell_word(text: &str) -> String {
    Line::new(Shell::HERE).quote(text)
}

/// The names of the tools of an action: those it names, and the program that it starts. A program that one of its needs makes is
/// no tool: its bytes are among what the need exports.
fn tool_names(action: &Action, run: &Run) -> Vec<String> {
    let mut names = action.tools.clone();
    match run {
        Run::Program(words) => {
            names.extend(words.first().and_then(Template::as_text).map(str::to_owned))
        }
        Run::Shell(_) => names.push(SHELL.to_owned()),
    }
    // Who finds the inputs decides what they are.
    if action.discover.is_some() && !names.iter().any(|name| super::find::is_go(name)) {
        names.push("go".to_owned());
    }
    ordered::sort(&mut names);
    names.dedup();
    names
}

/// The tools of an action: those that it names, and those that it seems to start.
#[cfg(feature = "program")]
pub(crate) fn names_of_tools(action: &Action) -> Vec<String> {
    let Some(run) = &action.run else { return Vec::new() };
    let mut names = tool_names(action, run);
    names.extend(seen_tools(run));
    names
}

/// The known tools that a line for the shell seems to start.
fn seen_tools(run: &Run) -> Vec<String> {
    match run {
        Run::Program(_) => Vec::new(),
        Run::Shell(line) => {
            let text = line.render(|_| String::new());
            tools::in_shell_line(&text).into_iter().map(str::to_owned).collect()
        }
    }
}

pub(crate) fn base_name(name: &str) -> &str {
    let name = Path::new(name).file_name().and_then(|name| name.to_str()).unwrap_or(name);
    if cfg!(windows) { name.strip_suffix(".exe").unwrap_or(name) } else { name }
}

pub(crate) fn render(
    project: &Project,
    id: ActionId,
    artifacts: &[Identity],
    template: &Template,
) -> String {
    template.render(|piece| stands_for(project, id, artifacts, piece))
}

/// What a placeholder of an action stands for.
fn stands_for(project: &Project, id: ActionId, artifacts: &[Identity], piece: &Piece) -> String {
    match piece {
        Piece::Cargo(name) => {
            let built = artifacts.iter().find(|built| built.name == *name);
            built.map(|built| built.path.to_string_lossy().into_owned()).unwrap_or_default()
        }
        Piece::Out => project.out_dir(id).to_string_lossy().into_owned(),
        Piece::NeedOut(name) => need_out_dir(project, id, name).to_string_lossy().into_owned(),
        Piece::Text(text) | Piece::Matrix(text) | Piece::Target(text) => text.clone(),
    }
}

/// The output directory of the need that is called `name`; of several actions of one step a directory with links to theirs.
fn need_out_dir(project: &Project, id: ActionId, name: &str) -> PathBuf {
    let needs = &project.graph[id].needs;
    match needs.iter().find(|need| need.name == name) {
        Some(need) => project.out_dir(need.action),
        None => State::new(project.state_dir.clone()).cells(&project.graph[id].name).join(name),
    }
}

/// The needs of an action that stand for one of several cells of a step: the step's name, the cell, and the action.
fn cells(action: &Action) -> impl Iterator<Item = (&str, &str, ActionId)> {
    action.needs.iter().filter_map(|need| {
        let (step, cell) = need.name.split_once('[')?;
        Some((step, cell.strip_suffix(']')?, need.action))
    })
}

/// Makes the directories that `{needs.NAME.out}` stands for where a need is several actions: links to exactly the output directories of
/// those that are needed, whatever else was ever built of that step.
pub(crate) fn link_cells(project: &Project, id: ActionId) -> Result<(), Error> {
    let action = &project.graph[id];
    let dir = State::new(project.state_dir.clone()).cells(&action.name);
    if cells(action).next().is_none() {
        return Ok(());
    }
    let made = || -> io::Result<()> {
        match fs::remove_dir_all(&dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for (step, _, need) in cells(action) {
            let out = project.out_dir(need);
            let name = project.graph[need].name.out_dir();
            let link = dir.join(step).join(name.name().unwrap_or_default());
            fs::create_dir_all(dir.join(step))?;
            #[cfg(unix)]
            std::os::unix::fs::symlink(&out, &link)?;
            #[cfg(windows)]
            std::os::windows::fs::symlink_dir(&out, &link)?;
        }
        Ok(())
    };
    made().map_err(|error| Error::io("cannot make the links in", &dir, error))
}

/// Those that were held already, and this one. One that has a separator in its path cannot be among several.
fn held(ground: &Ground<'_>) -> OsString {
    let own = ground.project.state_dir.clone();
    let outer = ground.env.get(OsStr::new(HELD)).cloned().unwrap_or_default();
    let all = std::env::split_paths(&outer).filter(|dir| !dir.as_os_str().is_empty());
    std::env::join_paths(all.chain([own.clone()])).unwrap_or_else(|_| own.into_os_string())
}

/// The variables that name the output directories of an action and of its needs.
fn out_dirs(project: &Project, id: ActionId) -> Map<String, PathBuf> {
    let need = |need: &crate::action::Need| {
        let name = need.name.split('[').next().unwrap_or(&need.name);
        (out_variable(name), need_out_dir(project, id, name))
    };
    let needs = project.graph[id].needs.iter().map(need);
    needs.chain([("GRANULAR_OUT".to_owned(), project.out_dir(id))]).collect()
}
