//! Takes outputs and records of a checkout away. What no run of ours has made stays, or is moved aside.

use crate::action::ActionId;
use crate::build::{self, run::ours};
use crate::error::{Error, Result};
use crate::execute::Stop;
use crate::index::Index;
use crate::ordered::{Map, Set};
use crate::outputs::{self, Displaced};
use crate::project::Project;
use crate::state::records::Records;
use crate::state::{State, lock};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

/// What was taken away.
#[derive(Clone, Debug, Default)]
pub struct Cleaned {
    /// How many files and links.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// What stood among the outputs and was not ours: kept, in another place.
    pub displaced: Vec<Displaced>,
}

/// Takes away the outputs of `actions` and forgets them. With `everything` also the rest of the checkout's state (logs, history,
/// index, output directories of steps that are no longer declared), but for displaced files. Waits for a build in this checkout, and
/// tells so; `None` if `stop` is asked for before that has ended. `env` is the environment of this process.
pub fn clean(
    project: &Project,
    actions: &[ActionId],
    everything: bool,
    env: &Map<OsString, OsString>,
    stop: &Stop,
    waiting: &mut dyn FnMut(Option<u32>),
) -> Result<Option<Cleaned>> {
    let state = State::new(project.state_dir.clone());
    build::refuse_inside(&state, env)?;
    if !state.dir().exists() {
        return Ok(Some(Cleaned::default()));
    }
    let root = &project.workspace.root;
    let Some(_lock) = lock::take(Some(root), &state, stop, waiting)? else { return Ok(None) };
    let cleaned = take_away(project, actions, true)?;
    if everything {
        remove_all_but_displaced(state.dir())?;
    } else {
        let names: Set<_> = actions.iter().map(|id| project.graph[*id].name.to_string()).collect();
        Records::open(&state.records()).retain(|action| !names.contains(action))?;
    }
    Ok(Some(cleaned))
}

/// What [`clean`] would take away of the outputs of `actions`. Changes nothing.
pub fn preview(project: &Project, actions: &[ActionId]) -> Result<Cleaned> {
    take_away(project, actions, false)
}

fn take_away(project: &Project, actions: &[ActionId], really: bool) -> Result<Cleaned> {
    let state = State::new(project.state_dir.clone());
    let index = Index::open(&state.index());
    let records = Records::open(&state.records());
    let mut cleaned = Cleaned::default();
    for &id in actions {
        clean_action(project, id, &records, &index, really, &mut cleaned)?;
    }
    Ok(cleaned)
}

fn clean_action(
    project: &Project,
    id: ActionId,
    records: &Records,
    index: &Index,
    really: bool,
    cleaned: &mut Cleaned,
) -> Result<()> {
    let action = &project.graph[id];
    let roots = project.roots(id);
    let present = outputs::present(&action.outputs, &roots)?;
    let ours = ours(records.get(&action.name.to_string()));
    let mut displaced = Vec::new();
    if really {
        displaced = outputs::clear(&action.outputs, &ours, &roots, index)?;
        remove(&roots.out)?;
    }
    let kept: Set<_> = displaced.iter().map(|displaced| &displaced.path).collect();
    let gone = present.iter().filter(|present| !kept.contains(&present.path));
    cleaned.files += gone.clone().count();
    cleaned.bytes += gone.map(|present| present.stat.size).sum::<u64>();
    cleaned.displaced.extend(displaced);
    Ok(())
}

fn remove_all_but_displaced(state: &Path) -> Result<()> {
    let entries = fs::read_dir(state)
        .map_err(|error| Error::io("cannot read the directory", state, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("cannot read the directory", state, error))?;
        // The lock file stays, since others may wait for it.
        if entry.file_name() != "displaced" && entry.file_name() != "lock" {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io("cannot remove", path, error))
        }
        _ => Ok(()),
    }
}
