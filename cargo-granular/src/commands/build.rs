//! `build` and `test`: bring steps up to date.

use super::{dry_run, narrow, select};
use crate::ask_cargo::{self, Found};
use crate::cache::{self, Cache};
use crate::choose;
use crate::cli::BringUp;
use crate::exit::Exit;
use crate::remote::{self, AtEnd, Origins};
use crate::report::{Reporter as _, Reporters};
use crate::session::{Opened, Session};
use crate::trouble::{Result, Trouble};
use granular::assess;
use granular::build::{self, Edges, Options};
use granular::event::Event;
use granular::execute::Stop;
use granular::execute::child;
use granular::execute::interrupt;
use granular::execute::slots::Jobserver;
use granular::reproduce;
use granular::untouched::{self, Answer, Question};
use std::mem::ManuallyDrop;
use std::time::SystemTime;

/// Brings up to date what was asked for; `tests` for `test`.
pub(super) fn run(session: &Session, asked: &BringUp, tests: bool) -> Result<Exit> {
    let began = SystemTime::now();
    let jobs = session.jobs(asked.jobs)?;
    let found = ask_cargo::ask(session)?;
    let stop = Stop::default();
    let (format, command) = (asked.format.message_format, if tests { "test" } else { "build" });
    let question = question(session, &found, asked, tests, began)?;
    let mut edited = None;
    if let Some(question) = question.as_ref().filter(|_| found.known.is_remembered()) {
        let workspace = &found.known.workspace;
        let mut reporters = Reporters::of_a_build(session, format, &stop, command, None, None);
        let mut report = |event| reporters.event(&event);
        match untouched::tell(workspace, question, &session.env, &mut report) {
            Some(Answer::Fresh(summary)) => {
                reporters.summary(&summary);
                return Ok(Exit::of(&summary));
            }
            Some(Answer::Edited(files)) => edited = Some(files),
            None => {}
        }
    }
    let jobserver = Jobserver::new(jobs, &session.env)?;
    let executor = super::executor(&jobserver);
    // To give its memory back piece by piece, when the process is about to end, takes as long as a step in a hundred does.
    let opened = ManuallyDrop::new(session.open_found(found)?);
    let wanted = select(session, &opened, &asked.packages, &asked.steps, tests)?;
    if wanted.is_empty() {
        session.shell.warn(&nothing_to_do(&opened, tests));
    }
    let settings = &opened.project.config.settings;
    let cache = match (asked.no_cache, asked.dry_run) {
        (true, _) => None,
        (false, true) => cache::open_to_look(session, settings)?,
        (false, false) => cache::open(session, settings)?,
    };
    let wanted = match &asked.since {
        Some(revision) => {
            // What changed shows here: the remote is not asked for it.
            let store = remote::store(None, cache.as_ref());
            let edges = assess::Edges { store, env: &session.env };
            narrow::since(session, &opened, &wanted, asked, revision, &edges)?
        }
        None => wanted,
    };
    let (flags, is_look) = (&asked.remote, asked.dry_run);
    let shared = remote::open(session, flags, &opened.project, cache.as_ref(), &stop, is_look)?;
    let store = remote::store(shared.as_ref(), cache.as_ref());
    if asked.dry_run {
        let edges = assess::Edges { store, env: &session.env };
        let exit = dry_run::run(session, &opened, &wanted, asked, &edges)?;
        let told = remote::finish(shared.as_ref(), &mut |told| {
            if let AtEnd::Warning(message) = told {
                session.shell.warn(&message);
            }
        })?;
        remote::tell(session, told);
        return Ok(exit);
    }
    let edges =
        Edges { store, executor: &executor, jobserver: &jobserver, env: &session.env, stop: &stop };
    listen(&stop)?;
    let (keep_going, force, strict) = (asked.keep_going, asked.force, asked.strict);
    let question = question.filter(|_| cache.as_ref().is_none_or(|cache| !cache.is_exposed));
    let options = Options { keep_going, force, strict, question, edited };
    let project = Some(&opened.project);
    let origins = cache.as_ref().map(Origins::new);
    let mut reporters =
        Reporters::of_a_build(session, format, &stop, command, project, origins.as_ref());
    shared.iter().for_each(|remote| reporters.watch(remote));
    let bring = if asked.verify { reproduce::build_and_verify } else { build::build };
    let summary =
        bring(&opened.project, &wanted, &options, &edges, &mut |event| reporters.event(&event))?;
    opened.remember();
    let orphans = child::reap_orphans();
    if !orphans.is_empty() {
        let names = orphans.join(", ");
        let message =
            format!("processes that hid from the steps that started them were killed: {names}");
        reporters.event(&Event::Warning { message });
    }
    let told = remote::finish(shared.as_ref(), &mut |told| reporters.at_end(told))?;
    reporters.summary(&summary);
    remote::tell(session, told);
    if let Some(cache) = cache.as_ref().filter(|_| !summary.stopped) {
        tidy(session, cache);
    }
    Ok(Exit::of(&summary))
}

/// What is asked, where it can be answered by looking whether anything was touched; `None` where something is to be done in any case, or more is to be told.
fn question(
    session: &Session,
    found: &Found,
    asked: &BringUp,
    tests: bool,
    began: SystemTime,
) -> Result<Option<Question>> {
    let workspace = &found.known.workspace;
    let chosen =
        choose::choose(workspace, found.current.as_deref(), &super::asked(&asked.packages))?;
    // What changed since a commit depends on more than files: git is to be asked.
    let is_more = asked.force || asked.verify || asked.dry_run || asked.since.is_some();
    if is_more || !chosen.warnings.is_empty() {
        return Ok(None);
    }
    let kind = if tests { "test" } else { "build" };
    let own = if chosen.workspace_steps { "workspace" } else { "" };
    let target = workspace.target.to_string_lossy();
    let root = workspace.root.to_string_lossy();
    let mut words = vec![kind, own, &*root, &*target, "steps"];
    words.extend(asked.steps.iter().map(String::as_str));
    words.push("packages");
    words.extend(chosen.packages.iter().map(String::as_str));
    // What was taken from another domain is not fresh in this one.
    let domain = remote::domain(&session.env).ok();
    words.extend(["domain", domain.as_ref().map_or("", |domain| domain.as_str())]);
    Ok(Some(Question::new(&words, &session.env, began)))
}

/// From now on signals ask `stop`.
pub(super) fn listen(stop: &Stop) -> Result<()> {
    interrupt::listen(stop).map_err(|error| Trouble::Environment {
        message: format!("cannot listen to signals: {error}"),
        help: None,
    })
}

fn tidy(session: &Session, cache: &Cache) {
    cache::tidy(session, cache);
}

fn nothing_to_do(opened: &Opened, tests: bool) -> String {
    let kind = if tests { "test step" } else { "step" };
    match opened.project.config.steps.is_empty() {
        true => "no step is declared in this workspace: one begins with \
                 `[workspace.metadata.granular.steps.NAME]` in the root's `Cargo.toml`"
            .to_owned(),
        false => format!(
            "no {kind} is declared in the chosen packages (`cargo granular list` shows all)"
        ),
    }
}
