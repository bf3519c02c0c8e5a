//! `exec`: a command that no table declares, as a cached step. What it prints is passed on as it comes, and replayed where it does not run.

use super::build::listen;
use crate::ask_cargo;
use crate::cache::{self, Cache};
use crate::cli::{self, MessageFormat};
use crate::exit::Exit;
use crate::remote::{self, Origins};
use crate::report::{Reporter as _, Reporters};
use crate::session::Session;
use crate::trouble::{Result, Trouble};
use granular::action::ActionName;
use granular::adhoc::{self, Adhoc, Loaded};
use granular::build::{self, BuildError, Edges, Options};
use granular::digest::Digest;
use granular::error;
use granular::event::{Event, Failure, Status, Summary};
use granular::execute::child::{self, ChildExecutor};
use granular::execute::slots::Jobserver;
use granular::execute::streams::{self, Stream};
use granular::execute::{Command, Ending, Executor, Finish, Stop};
use granular::mistake::Mistake;
use granular::project::Project;
use granular::state::State;
use granular::state::records::Records;
use granular::step::StepName;
use granular::store::Store;
use granular::workspace;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;

/// Brings the command up to date.
pub(super) fn run(session: &Session, asked: &cli::Exec) -> Result<Exit> {
    let jobserver = Jobserver::new(session.jobs(None)?, &session.env)?;
    let found = ask_cargo::ask(session).map_err(outside)?;
    let adhoc = adhoc(session, asked, found.current.as_deref());
    let Loaded { mut project, name, action, mut mistakes } =
        adhoc::load(found.known.workspace.clone(), &adhoc, &session.triple())?;
    if !mistakes.is_empty() {
        mistakes.extend(build::mistakes_of_files(&project, &mistakes));
        return Err(told(mistakes, &adhoc, &name));
    }
    project.cargo = session.cargo(&found.question, &project);
    let Some(id) = action else {
        return Err(Trouble::usage("the command could not be read"));
    };
    let cache = cache::open(session, &project.config.settings)?;
    let stop = Stop::default();
    let shared = remote::open(session, &asked.remote, &project, cache.as_ref(), &stop, false)?;
    let store = remote::store(shared.as_ref(), cache.as_ref());
    let action = project.graph[id].name.clone();
    let to = Printed { is_answer: asked.format.message_format == MessageFormat::Human };
    let executor = Apart {
        children: super::executor(&jobserver),
        log: State::new(project.state_dir.clone()).log(&action),
        to,
    };
    let edges =
        Edges { store, executor: &executor, jobserver: &jobserver, env: &session.env, stop: &stop };
    listen(&stop)?;
    let mut reporters = Reporters::beside(
        session,
        asked.format.message_format,
        action.clone(),
        cache.as_ref().map(Origins::new).as_ref(),
    );
    let mut status = None;
    let options = Options { force: asked.force, ..Options::default() };
    let built = build::build(&project, &[id], &options, &edges, &mut |event| {
        if let Event::Finished(finished) = &event
            && finished.action == action
        {
            status = Some(finished.status.clone());
        }
        reporters.event(&event);
    });
    let summary = match built {
        Err(BuildError::Mistakes(mistakes)) => return Err(told(mistakes, &adhoc, &name)),
        built => built?,
    };
    workspace::remember(&found.question, &found.known);
    child::reap_orphans();
    if matches!(status, Some(Status::Fresh | Status::Restored { .. })) {
        replay(session, &project, &action, cache.as_ref(), to);
    }
    let told = remote::finish(shared.as_ref(), &mut |told| reporters.at_end(told))?;
    reporters.summary(&summary);
    remote::tell(session, told);
    if let Some(cache) = cache.as_ref().filter(|_| !summary.stopped) {
        cache::tidy(session, cache);
    }
    Ok(exit(status.as_ref(), &summary))
}

/// The command as a step.
fn adhoc(session: &Session, asked: &cli::Exec, current: Option<&str>) -> Adhoc {
    // A bare name is a step of the table that belongs to this directory, as in `needs`.
    let full = |need: &String| match need.contains('#') {
        true => need.clone(),
        false => format!("{}#{need}", current.unwrap_or_default()),
    };
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = |time: &String| if is_number(time) { format!("{time}s") } else { time.clone() };
    Adhoc {
        base: session.dir.clone(),
        run: asked.command.clone(),
        inputs: (!asked.input.is_empty()).then(|| asked.input.clone()),
        outputs: each_once(asked.output.iter().map(|output| {
            let plain = output.strip_prefix("./").unwrap_or(output);
            plain.strip_suffix('/').filter(|plain| !plain.is_empty()).unwrap_or(plain).to_owned()
        })),
        needs: each_once(asked.need.iter().map(full)),
        env: asked.env.iter().cloned().collect(),
        track_env: each_once(asked.track_env.iter().cloned()),
        pass_env: each_once(asked.pass_env.iter().cloned()),
        tools: each_once(asked.tool.iter().cloned()),
        dir: asked.dir.clone(),
        timeout: asked.timeout.as_ref().map(seconds),
    }
}

/// To say something twice is a mistake in a table and none on a command line.
fn each_once(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut once: Vec<String> = Vec::new();
    for text in texts {
        if !once.contains(&text) {
            once.push(text);
        }
    }
    once
}

/// Where there is no workspace.
fn outside(trouble: Trouble) -> Trouble {
    match trouble {
        Trouble::Usage { message, help: None } => {
            let help = "`exec` works below a `Cargo.toml`: what it knows is kept in the target directory of that workspace";
            Trouble::Usage { message, help: Some(help.to_owned()) }
        }
        other => other,
    }
}

/// Mistakes of the command in the words of its flags; those of tables, where there are any, are drawn as ever.
fn told(mistakes: Vec<Mistake>, adhoc: &Adhoc, name: &StepName) -> Trouble {
    let file = adhoc.file();
    let (own, others): (Vec<_>, Vec<_>) =
        mistakes.into_iter().partition(|mistake| mistake.place.file == file);
    if !others.is_empty() {
        return Trouble::Mistakes(others);
    }
    let words = |text: &str| in_words_of_flags(text, name);
    let message = own.iter().map(|mistake| {
        let label = words(&mistake.place.label);
        let message = words(&mistake.message);
        if label.is_empty() { message } else { format!("{message}: {label}") }
    });
    Trouble::Usage {
        message: message.collect::<Vec<_>>().join("\n"),
        help: own.iter().find_map(|mistake| mistake.help.as_deref()).map(words),
    }
}

fn in_words_of_flags(text: &str, name: &StepName) -> String {
    const FLAGS: [(&str, &str); 8] = [
        ("`inputs`", "`--input`"),
        ("`outputs`", "`--output`"),
        ("`needs`", "`--need`"),
        ("`env`", "`--env`"),
        ("`track-env`", "`--track-env`"),
        ("`pass-env`", "`--pass-env`"),
        ("`dir`", "`--dir`"),
        ("`timeout`", "`--timeout`"),
    ];
    let mut text = text.to_owned();
    for front in [" in step", " of step", "step"] {
        let by = if front == "step" { "the command" } else { "" };
        text = text.replace(&format!("{front} `{name}`"), by);
    }
    text = text.replace(&format!("`{name}`"), "the command");
    text = text.replace("`run`", "the command").replace("the package", "the current directory");
    FLAGS.iter().fold(text, |text, (key, flag)| text.replace(key, flag))
}

/// Runs one command so that what it prints is passed on, and any other as ever.
struct Apart {
    children: ChildExecutor,
    /// The log of the one.
    log: PathBuf,
    to: Printed,
}

impl Executor for Apart {
    fn run(&self, command: &Command, stop: &Stop) -> error::Result<Finish> {
        match command.log == self.log {
            true => self.children.run_apart(command, stop, &mut |stream, bytes| {
                self.to.pass(stream, bytes);
            }),
            false => self.children.run(command, stop),
        }
    }
}

/// Where what the command prints goes.
#[derive(Clone, Copy)]
struct Printed {
    /// Whether it is the answer, so that its standard output is ours. Else that is for programs, and all of it goes to standard error.
    is_answer: bool,
}

impl Printed {
    /// Who does not listen misses it: the command is run to its end, for the next time.
    fn pass(self, stream: Stream, bytes: &[u8]) {
        let _ = match stream {
            Stream::Output if self.is_answer => {
                let mut stdout = std::io::stdout().lock();
                stdout.write_all(bytes).and_then(|()| stdout.flush())
            }
            _ => std::io::stderr().lock().write_all(bytes),
        };
    }
}

/// Prints what the command printed when it was run.
fn replay(
    session: &Session,
    project: &Project,
    action: &ActionName,
    cache: Option<&Cache>,
    to: Printed,
) {
    let state = State::new(project.state_dir.clone());
    let log = state.log(action);
    let known = Records::open(&state.records()).get(&action.to_string());
    let digest = known.and_then(|known| known.ok()?.result.log);
    let mut bytes = fs::read(&log).unwrap_or_default();
    if let Some(digest) = digest.filter(|digest| Digest::of(&bytes) != *digest) {
        let _ = fs::remove_file(&log);
        let fetched = cache.map(|cache| cache.store.fetch(&[(digest, log.clone())]));
        match fetched {
            Some(Ok(())) => bytes = fs::read(&log).unwrap_or_default(),
            _ => {
                let message = "what the command printed is lost (run it again with --force)";
                return session.shell.warn(message);
            }
        }
    }
    for (stream, part) in streams::parts(&bytes) {
        to.pass(stream, part);
    }
}

/// The command's own exit code where it failed. A signal and the end of its time are told as a shell and `timeout` tell them.
fn exit(status: Option<&Status>, summary: &Summary) -> Exit {
    let Some(Status::Failed(Failure::Command { ending, .. })) = status else {
        return Exit::of(summary);
    };
    let code = |code: i32| u8::try_from(code & 0xff).unwrap_or(1).max(1);
    match *ending {
        Ending::Exited(number) => Exit::As(code(number)),
        Ending::Signal(number) => Exit::As(code(128 + number)),
        Ending::TimedOut => Exit::As(124),
        Ending::Stopped => Exit::Interrupted,
    }
}
