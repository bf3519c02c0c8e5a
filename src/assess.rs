//! Says what a build would do, and why, without any side effect: the ground of `--dry-run` and `explain`. Takes no lock and writes nothing.

use crate::action::{self, ActionId};
use crate::build::check::{self, Checked, Need, UpToDate, Verdict};
use crate::build::places::Places;
use crate::build::unavailable::{self, Lack, Way};
use crate::build::{BuildError, Ground, files, find, plan};
use crate::content::{Input, Output};
use crate::discover::memory::Memory;
use crate::event::Failure;
use crate::fingerprint::Fingerprint;
use crate::found::{Discovery, Finder};
use crate::index::Index;
use crate::ordered::Map;
use crate::path::RelPath;
use crate::project::Project;
use crate::reason::DirtyReason;
use crate::state::State;
use crate::state::records::{Record, Records, Why};
use crate::store::Store;
use crate::tools::Tools;
use std::ffi::OsString;
use std::sync::Arc;

/// What would happen to one action.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// Which.
    pub action: ActionId,
    /// What would happen.
    pub outlook: Outlook,
    /// Its fingerprint now; `None` where a need would have to run first.
    pub fingerprint: Option<Fingerprint>,
    /// Of one with dependency files: the key of all that it declares, under which stores keep what earlier runs were found to read.
    pub static_fingerprint: Option<Fingerprint>,
    /// Why it is not fresh; empty if it is.
    pub reasons: Vec<DirtyReason>,
    /// What it was found to read, beside what it declares.
    pub found: Vec<Discovery>,
    /// What is remembered of its last time in this checkout.
    pub record: Option<Arc<Record>>,
    /// Why nothing is, if its last time left nothing to build on.
    pub forgotten: Option<Why>,
}

/// What would happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outlook {
    /// Nothing.
    Fresh,
    /// It would be restored from the store of that name.
    Restored(String),
    /// It would run.
    Run,
    /// It depends on what these needs leave, which would run first; where there are none, on what Cargo would build.
    Unknown(Vec<ActionId>),
    /// It cannot run here, as this says, and would be skipped as it asks for.
    Skipped(String),
    /// It cannot be brought up to date: what is wrong with the environment.
    Impossible(String),
}

/// What an assessment works with, besides the project. It runs no command but to ask tools for their version, and Go for the files of packages.
pub struct Edges<'a> {
    /// Where results are kept; `None` to do without.
    pub store: Option<&'a dyn Store>,
    /// The environment of this process.
    pub env: &'a Map<OsString, OsString>,
}

/// Assesses `wanted` and all that it needs, in the graph's order. With `force` those wanted would run whatever is recorded.
pub fn assess(
    project: &Project,
    wanted: &[ActionId],
    force: bool,
    edges: &Edges<'_>,
) -> Result<Vec<Assessment>, BuildError> {
    let state = State::new(project.state_dir.clone());
    let planned = plan::closure(&project.graph, wanted);
    let hidden = files::hidden(project);
    let (mut found, _) = files::find(project, &planned, &hidden)?;
    let ground = Ground {
        project,
        store: edges.store,
        env: edges.env,
        state: &state,
        index: &Index::open(&state.index()),
        records: &Records::open(&state.records()),
        tools: &Tools::open(&State::new(project.workspace.state_dir()).tools()),
        hidden: &hidden,
        findings: &find::Findings::new(project, &planned),
        forced: if force { wanted } else { &[] },
        beside: None,
        places: Places::new(1),
    };
    // What each action would export; nothing for those of which that is not known before they run.
    let mut known: Map<ActionId, Arc<UpToDate>> = Map::new();
    let mut assessments = Vec::new();
    for id in planned {
        let assessment = match needs_of(project, id, &known) {
            // To know what it depends on would mean to build it.
            Ok(_) if !project.graph[id].cargo.is_empty() => unknowable(&ground, id, Vec::new()),
            Ok(needs) => {
                let (assessment, state) = {
                    let found = found.remove(&id);
                    assess_one(&ground, id, check::check(&ground, id, needs, found, Way::Result))
                };
                known.extend(state.map(|state| (id, state)));
                assessment
            }
            Err(unknown) => unknowable(&ground, id, unknown),
        };
        assessments.push(assessment);
    }
    Ok(assessments)
}

/// The files and links that the inputs of each of `wanted` are at this moment, sorted: exactly those that its key is made of, besides what
/// its needs export.
pub fn inputs(
    project: &Project,
    wanted: &[ActionId],
) -> Result<Vec<(ActionId, Vec<RelPath>)>, BuildError> {
    let (mut found, _) = files::find(project, wanted, &files::hidden(project))?;
    let mut paths = |id: &ActionId| {
        let files = found.remove(id).unwrap_or_default().files;
        (*id, files.into_iter().map(|found| found.path).collect())
    };
    Ok(wanted.iter().map(&mut paths).collect())
}

/// The exports of an action's needs; the needs of which they are not known, if there are any.
fn needs_of(
    project: &Project,
    id: ActionId,
    known: &Map<ActionId, Arc<UpToDate>>,
) -> Result<Vec<Need>, Vec<ActionId>> {
    let needs = &project.graph[id].needs;
    let unknown: Vec<_> =
        needs.iter().map(|need| need.action).filter(|id| !known.contains_key(id)).collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let need = |need: &action::Need| Need {
        name: need.name.clone(),
        id: need.action,
        state: known.get(&need.action).cloned().unwrap_or_default(),
    };
    Ok(needs.iter().map(need).collect())
}

fn assess_one(
    ground: &Ground<'_>,
    id: ActionId,
    checked: Result<Checked, Failure>,
) -> (Assessment, Option<Arc<UpToDate>>) {
    let (record, forgotten) = last_time(ground, id);
    let checked = match checked {
        Ok(checked) => checked,
        Err(failure) => {
            let outlook = Outlook::Impossible(message_of(failure));
            let (fingerprint, reasons) = (None, Vec::new());
            let assessment = Assessment {
                action: id,
                outlook,
                fingerprint,
                static_fingerprint: None,
                reasons,
                found: Vec::new(),
                record,
                forgotten,
            };
            return (assessment, None);
        }
    };
    let (outlook, reasons, outputs) = match &checked.verdict {
        Verdict::FileSet => (Outlook::Fresh, Vec::new(), Some(Vec::new())),
        Verdict::Fresh(record) => (Outlook::Fresh, Vec::new(), Some(record.result.outputs.clone())),
        Verdict::Stale { reasons, hit: Some(result) } => {
            let key = &checked.fingerprint.key;
            let store = ground.store.map_or("", |store| store.source(key)).to_owned();
            (Outlook::Restored(store), reasons.clone(), Some(result.outputs.clone()))
        }
        Verdict::CheckedIn { reasons, result, files } => {
            let source = files.name().to_owned();
            (Outlook::Restored(source), reasons.clone(), Some(result.outputs.clone()))
        }
        Verdict::Skipped => {
            let told = checked.lack.as_ref().map(Lack::told).unwrap_or_default();
            let outlook = Outlook::Skipped(told);
            let (fingerprint, reasons) = (None, Vec::new());
            let found = Vec::new();
            let assessment = Assessment {
                action: id,
                outlook,
                fingerprint,
                static_fingerprint: None,
                reasons,
                found,
                record,
                forgotten,
            };
            return (assessment, Some(unavailable::left(ground, id, &checked)));
        }
        Verdict::Stale { reasons, hit: None } => {
            (Outlook::Run, reasons.clone(), outputs_before_running(ground, id))
        }
    };
    let exports = outputs.map(|outputs| check::up_to_date(ground, id, &outputs, &checked));
    (
        Assessment {
            action: id,
            outlook,
            found: told(&checked.discovered.now, &checked.inputs),
            static_fingerprint: checked.plain.as_ref().map(|plain| plain.print.clone()),
            fingerprint: Some(checked.fingerprint),
            reasons,
            record,
            forgotten,
        },
        exports,
    )
}

/// What is known of the outputs of an action that has yet to run: of a check, that there are none.
fn outputs_before_running(ground: &Ground<'_>, id: ActionId) -> Option<Vec<Output>> {
    ground.project.graph[id].outputs.is_empty().then(Vec::new)
}

fn unknowable(ground: &Ground<'_>, id: ActionId, unknown: Vec<ActionId>) -> Assessment {
    let outlook = Outlook::Unknown(unknown);
    let (record, forgotten) = last_time(ground, id);
    Assessment {
        action: id,
        outlook,
        fingerprint: None,
        static_fingerprint: None,
        reasons: Vec::new(),
        found: Vec::new(),
        record,
        forgotten,
    }
}

/// What is remembered of an action's last time, or why nothing is.
fn last_time(ground: &Ground<'_>, id: ActionId) -> (Option<Arc<Record>>, Option<Why>) {
    match ground.records.get(&ground.project.graph[id].name.to_string()) {
        Some(Ok(record)) => (Some(record), None),
        Some(Err(forgotten)) => (None, Some(forgotten.why)),
        None => (None, None),
    }
}

fn message_of(failure: Failure) -> String {
    match failure {
        Failure::Environment { message, .. }
        | Failure::Inputs { message, .. }
        | Failure::Finding { message, .. } => message,
        Failure::Outputs { faults, .. } => faults.join("; "),
        Failure::Command { repeat, .. } => repeat,
    }
}

/// What was found, for people's eyes.
fn told(memory: &Memory, inputs: &[Input]) -> Vec<Discovery> {
    let mut told: Vec<Discovery> = Vec::new();
    for finder in [Finder::GoList, Finder::Depfile] {
        let found = inputs.iter().map(|input| input.path.as_str());
        let mut paths: Vec<String> =
            found.filter(|path| memory.finder(path) == Some(finder)).map(str::to_owned).collect();
        if finder == Finder::Depfile {
            paths.extend(memory.set.iter().flat_map(|set| set.outside.clone()));
        }
        if !paths.is_empty() {
            told.push(Discovery { finder, paths });
        }
    }
    told
}
