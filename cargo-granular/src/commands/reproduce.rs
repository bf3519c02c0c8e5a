//! `reproduce`: run a step twice and compare what it leaves.

use super::build::listen;
use super::{lines, select};
use crate::cache;
use crate::cli::{MessageFormat, Reproduce};
use crate::exit::Exit;
use crate::quantity;
use crate::report::json;
use crate::report::{Reporter as _, Reporters};
use crate::session::{Opened, Session};
use crate::trouble::{Result, Trouble};
use crate::wording;
use granular::action::{ActionId, ActionName};
use granular::build::Edges;
use granular::event::{Difference, Failure, Reproduction};
use granular::execute::Stop;
use granular::execute::slots::Jobserver;
use granular::reproduce;
use granular::store::Store;
use serde_json::Value;
use std::time::Duration;

/// Runs each action of the step twice.
pub(super) fn run(session: &Session, asked: &Reproduce) -> Result<Exit> {
    let jobserver = Jobserver::new(session.jobs(None)?, &session.env)?;
    let executor = super::executor(&jobserver);
    let opened = session.open()?;
    let wanted =
        select(session, &opened, &asked.packages, std::slice::from_ref(&asked.step), false)?;
    let runs = |id: &ActionId| opened.project.graph[*id].run.is_some();
    if let Some(set) = wanted.iter().find(|id| !runs(id)) {
        let name = &opened.project.graph[*set].name;
        return Err(Trouble::usage(format!("`{name}` is a set of files: there is nothing to run")));
    }
    let cache = cache::open(session, &opened.project.config.settings)?;
    let stop = Stop::default();
    let edges = Edges {
        store: cache.as_ref().map(|cache| &*cache.store as &dyn Store),
        executor: &executor,
        jobserver: &jobserver,
        env: &session.env,
        stop: &stop,
    };
    listen(&stop)?;
    let mut exit = Exit::Done;
    for id in wanted {
        let came = one(session, &opened, id, asked.format.message_format, &edges)?;
        if stop.is_asked() {
            return Ok(Exit::Interrupted);
        }
        exit = worse(exit, came);
    }
    Ok(exit)
}

fn one(
    session: &Session,
    opened: &Opened,
    id: ActionId,
    format: MessageFormat,
    edges: &Edges<'_>,
) -> Result<Exit> {
    let mut reporters = Reporters::new(session, format, edges.stop, None);
    let came =
        reproduce::reproduce(&opened.project, id, edges, &mut |event| reporters.event(&event));
    drop(reporters); // Takes away the lines that change, before anything else is written.
    let came = came?;
    let name = &opened.project.graph[id].name;
    if let Reproduction::Failed(failure) = &came {
        session.shell.tell(&failed(name, failure));
    }
    let text = match format {
        MessageFormat::Human if edges.stop.is_asked() => String::new(),
        MessageFormat::Human => human(name, &came),
        MessageFormat::Json => lines([object(name, &came)]),
    };
    session.shell.answer(&text)?;
    Ok(exit(&came))
}

fn exit(came: &Reproduction) -> Exit {
    match came {
        Reproduction::Same { .. } => Exit::Done,
        Reproduction::Failed(Failure::Environment { .. }) => Exit::Environment,
        Reproduction::Different(_) | Reproduction::Failed(_) | Reproduction::Unfinished => {
            Exit::Failed
        }
    }
}

/// A step that is not reproducible counts for more than one that could not be run.
fn worse(a: Exit, b: Exit) -> Exit {
    match (a, b) {
        (Exit::Failed, _) | (_, Exit::Failed) => Exit::Failed,
        (Exit::Done, other) | (other, _) => other,
    }
}

fn human(name: &ActionName, came: &Reproduction) -> String {
    let name = wording::one_line(&name.to_string());
    match came {
        Reproduction::Same { outputs, bytes } => {
            let outputs = wording::count(*outputs, "output");
            format!("{name}: both runs left the same, {outputs} with {}\n", quantity::size(*bytes))
        }
        Reproduction::Different(differences) => {
            let heading = format!(
                "{name}: the two runs left {}\n",
                wording::count(differences.len(), "difference")
            );
            let line = |found: &Difference| format!("  {}\n", wording::difference(found));
            heading + &differences.iter().map(line).collect::<String>()
        }
        Reproduction::Failed(_) => {
            format!("{name}: a run failed, so there is nothing to compare\n")
        }
        Reproduction::Unfinished => {
            format!("{name}: its inputs changed during a run, so there is nothing to compare\n")
        }
    }
}

fn failed(name: &ActionName, failure: &Failure) -> String {
    let name = wording::one_line(&name.to_string());
    let why = wording::failure(failure, Duration::ZERO);
    let mut text = wording::error(&format!("a run of {name} failed: {why}"));
    if let Failure::Command { repeat, .. } | Failure::Outputs { repeat, .. } = failure {
        text.push_str(&format!("  repeat:   {}\n", wording::one_line(repeat)));
    }
    text
}

fn object(name: &ActionName, came: &Reproduction) -> Value {
    let mut object = json::names("granular-reproduce-finished", name);
    json::describe(&mut object, came);
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::made_up::action;
    use granular::execute::Ending;
    use granular::path::{Base, OutputPath, RelPath};

    fn cases() -> Vec<Reproduction> {
        let path = |path: &str| OutputPath { base: Base::Out, path: RelPath::new(path).unwrap() };
        vec![
            Reproduction::Same { outputs: 3, bytes: 9_541_000 },
            Reproduction::Different(vec![
                Difference {
                    path: path("api"),
                    how: "differs first at byte 4711 of 9001: 0x3a, then 0x3b".to_owned(),
                },
                Difference {
                    path: path("log\u{1b}"),
                    how: "is there only after the first run".to_owned(),
                },
            ]),
            Reproduction::Failed(Failure::Command {
                ending: Ending::Exited(3),
                repeat: "go build".to_owned(),
            }),
        ]
    }

    #[test]
    fn what_differs_is_told_a_line_each() {
        let text: String = cases().iter().map(|came| human(&action("#api"), came)).collect();
        insta::assert_snapshot!(text, @r"
        #api: both runs left the same, 3 outputs with 9.1 MiB
        #api: the two runs left 2 differences
          {out}/api differs first at byte 4711 of 9001: 0x3a, then 0x3b
          {out}/log\u{1b} is there only after the first run
        #api: a run failed, so there is nothing to compare
        ");
    }

    #[test]
    fn programs_get_an_object_a_line() {
        insta::assert_snapshot!(lines(cases().iter().map(|came| object(&action("#api"), came))), @r##"
        {"reason":"granular-reproduce-finished","step":"#api","action":"#api","status":"same","outputs":3,"bytes":9541000}
        {"reason":"granular-reproduce-finished","step":"#api","action":"#api","status":"different","differences":[{"path":"{out}/api","how":"differs first at byte 4711 of 9001: 0x3a, then 0x3b"},{"path":"{out}/log\u001b","how":"is there only after the first run"}]}
        {"reason":"granular-reproduce-finished","step":"#api","action":"#api","status":"failed","failure":{"kind":"command","message":"exit code 3","repeat":"go build","exit_code":3}}
        "##);
    }

    #[test]
    fn a_difference_decides_on_how_it_ends() {
        let exits: Vec<_> = cases().iter().map(exit).collect();
        assert_eq!(exits, [Exit::Done, Exit::Failed, Exit::Failed]);
        assert_eq!(worse(Exit::Environment, Exit::Failed), Exit::Failed);
        assert_eq!(worse(Exit::Environment, Exit::Done), Exit::Environment);
        assert_eq!(worse(Exit::Done, Exit::Done), Exit::Done);
    }
}
