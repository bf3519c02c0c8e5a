//! Takes outputs and records of a checkout away. What no run of ours has made stays, or is moved aside.

use crate::action::ActionId;
use crate::error::{Error, Result};
use crate::index::Index;
use crate::outputs::{self, Displaced};
use crate::path::Base;
use crate::project::Project;
use crate::state::State;
use crate::state::records::Records;
use std::collections::BTreeSet;
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
/// index, output directories of steps that are no longer declared), but for displaced files. With `dry_run` only counts.
pub fn clean(
    project: &Project,
    actions: &[ActionId],
    everything: bool,
    dry_run: bool,
) -> Result<Cleaned> {
    let state = State::new(project.workspace.state_dir());
    let index = Index::open(&state.index());
    let records = Records::open(&state.records());
    let mut cleaned = Cleaned::default();
    for &id in actions {
        clean_action(project, id, &records, &index, dry_run, &mut cleaned)?;
    }
    if dry_run || !state.dir().exists() {
        return Ok(cleaned);
    }
    if everything {
        remove_all_but_displaced(state.dir())?;
    } else {
        let names: BTreeSet<_> =
            actions.iter().map(|id| project.graph[*id].name.to_string()).collect();
        records.retain(|action| !names.contains(action))?;
    }
    Ok(cleaned)
}

fn clean_action(
    project: &Project,
    id: ActionId,
    records: &Records,
    index: &Index,
    dry_run: bool,
    cleaned: &mut Cleaned,
) -> Result<()> {
    let action = &project.graph[id];
    let roots = project.roots(id);
    let present = outputs::present(&action.outputs, &roots)?;
    let record = records.get(&action.name.to_string()).and_then(std::result::Result::ok);
    let known = record.as_ref().map_or(&[][..], |record| &record.result.outputs);
    if !dry_run {
        let displaced = outputs::clear(&action.outputs, known, &roots, index)?;
        cleaned.displaced.extend(displaced);
        remove(&roots.out)?;
    }
    let was_displaced = |path| cleaned.displaced.iter().any(|displaced| displaced.path == path);
    let gone: Vec<_> = present
        .iter()
        .filter(|present| present.path.base == Base::Out || !was_displaced(present.path.clone()))
        .collect();
    cleaned.files += gone.len();
    cleaned.bytes += gone.iter().map(|present| present.stat.size).sum::<u64>();
    Ok(())
}

fn remove_all_but_displaced(state: &Path) -> Result<()> {
    let entries = fs::read_dir(state)
        .map_err(|error| Error::io("cannot read the directory", state, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| Error::io("cannot read the directory", state, error))?;
        // The lock file stays: a lock on a file that was removed would keep nobody out.
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
