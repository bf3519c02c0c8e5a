//! The commands, a file each, and what they have in common.

mod build;
mod carry;
mod clean;
mod dry_run;
mod exec;
mod explain;
mod gc;
mod graph;
mod keys;
mod list;
mod narrow;
mod reproduce;
mod stats;
mod verify;

use crate::choose::{self, Asked};
use crate::cli::{self, Arguments, CacheCommand, Command, MessageFormat, Packages};
use crate::draw;
use crate::exit::Exit;
use crate::github;
use crate::report::github as annotations;
use crate::report::json::{self, Json};
use crate::session::{Opened, Session};
use crate::trouble::{Result, Trouble};
use crate::wording;
use granular::action::ActionId;
use granular::execute::child::{self, ChildExecutor};
use granular::execute::slots::Jobserver;
use granular::select::{self, Selection};
use serde_json::Value;

/// Answers, and says how the program ends.
pub(crate) fn run(arguments: Arguments) -> Exit {
    let session = Session::new(arguments.common);
    let Some(command) = arguments.command else {
        return finish(&session, session.shell.answer(&cli::help()).map(|()| Exit::Done));
    };
    let format = format(&command);
    let is_build = matches!(command, Command::Build(_) | Command::Test(_) | Command::Exec(_));
    let outcome = answer(&session, command);
    if let (Err(trouble), MessageFormat::Json) = (&outcome, format) {
        Json::new(std::io::stdout()).trouble(trouble, is_build);
    }
    finish(&session, outcome)
}

fn answer(session: &Session, command: Command) -> Result<Exit> {
    match command {
        Command::Build(asked) => build::run(session, &asked, false),
        Command::Test(asked) => build::run(session, &asked, true),
        Command::Exec(asked) => exec::run(session, &asked),
        Command::List(asked) => list::run(session, &asked),
        Command::Graph(asked) => graph::run(session, &asked),
        Command::Explain(asked) => explain::run(session, &asked),
        Command::Stats(asked) => stats::run(session, &asked),
        Command::Gc(asked) => gc::run(session, &asked),
        Command::Cache { command: CacheCommand::Export(asked) } => carry::export(session, &asked),
        Command::Cache { command: CacheCommand::Import(asked) } => carry::import(session, &asked),
        Command::Keys { command } => keys::run(session, command.as_ref()),
        Command::Clean(asked) => clean::run(session, &asked),
        Command::Verify(asked) => verify::run(session, &asked),
        Command::Reproduce(asked) => reproduce::run(session, &asked),
    }
}

fn format(command: &Command) -> MessageFormat {
    let format = match command {
        Command::Build(asked) | Command::Test(asked) => asked.format,
        Command::Exec(asked) => asked.format,
        Command::List(asked) => asked.format,
        Command::Graph(_) | Command::Keys { .. } => cli::Format::default(),
        Command::Explain(asked) => asked.format,
        Command::Stats(asked) => asked.format,
        Command::Gc(asked) => asked.format,
        Command::Cache { command: CacheCommand::Export(asked) } => asked.format,
        Command::Cache { command: CacheCommand::Import(asked) } => asked.format,
        Command::Clean(asked) => asked.format,
        Command::Verify(asked) => asked.format,
        Command::Reproduce(asked) => asked.format,
    };
    format.message_format
}

/// Shows what there is no answer for.
fn finish(session: &Session, outcome: Result<Exit>) -> Exit {
    let trouble = match outcome {
        Ok(exit) => return exit,
        Err(trouble) => trouble,
    };
    if let Trouble::Mistakes(mistakes) = &trouble {
        session.shell.tell(&draw::draw(mistakes, &session.dir));
        if github::is_wanted(&session.env) {
            session.shell.command(&annotations::mistakes(session, mistakes));
        }
    }
    if let Some((message, help)) = trouble.words() {
        if github::is_wanted(&session.env) {
            let help = help.map(|help| format!("\nhelp: {help}")).unwrap_or_default();
            let message = wording::some_lines(&format!("{message}{help}"));
            session.shell.command(&github::error(None, "cargo granular", &message));
        }
        session.shell.tell(&wording::error(&wording::some_lines(message)));
        if let Some(help) = help {
            session.shell.tell(&format!("\n{}", wording::help(&wording::some_lines(help))));
        }
    }
    trouble.exit()
}

/// What runs the commands of this process.
fn executor(jobserver: &Jobserver) -> ChildExecutor {
    child::keep_descriptors();
    ChildExecutor::new(Some(jobserver.clone()))
}

/// The actions that STEPS and packages mean.
fn select(
    session: &Session,
    opened: &Opened,
    packages: &Packages,
    steps: &[String],
    tests: bool,
) -> Result<Vec<ActionId>> {
    let asked = asked(packages);
    let chosen = choose::choose(&opened.project.workspace, opened.current.as_deref(), &asked)?;
    chosen.warnings.iter().for_each(|warning| session.shell.warn(warning));
    let selection = Selection {
        tests,
        steps: steps.to_vec(),
        packages: chosen.packages,
        workspace_steps: chosen.workspace_steps,
    };
    Ok(select::select(&opened.project.graph, &selection)?)
}

/// For commands that look at what is declared, of any kind: what STEPS name, else what the named packages declare, else all.
fn look_at(
    session: &Session,
    opened: &Opened,
    packages: &Packages,
    steps: &[String],
) -> Result<Vec<ActionId>> {
    if !steps.is_empty() {
        return select(session, opened, packages, steps, false);
    }
    let graph = &opened.project.graph;
    let asked = asked(packages);
    if asked.is_nothing() {
        return Ok(graph.ids().collect());
    }
    let chosen = choose::choose(&opened.project.workspace, opened.current.as_deref(), &asked)?;
    chosen.warnings.iter().for_each(|warning| session.shell.warn(warning));
    let is_meant = |id: &ActionId| match &graph[*id].name.step.package {
        Some(package) => chosen.packages.contains(package),
        None => chosen.workspace_steps,
    };
    Ok(graph.ids().filter(is_meant).collect())
}

fn asked(packages: &Packages) -> Asked<'_> {
    Asked { package: &packages.package, workspace: packages.workspace, exclude: &packages.exclude }
}

/// The name of an action, safe to show.
fn shown(opened: &Opened, id: ActionId) -> String {
    wording::one_line(&opened.project.graph[id].name.to_string())
}

/// Objects, one a line.
fn lines(objects: impl IntoIterator<Item = Value>) -> String {
    objects.into_iter().map(|object| json::line(&object)).collect()
}
