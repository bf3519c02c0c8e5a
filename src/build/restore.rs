//! Restores one action from a store.

use super::check::{Checked, environment};
use super::find::Discovered;
use super::run::{displaced_messages, ours, was_killed};
use super::{Ground, find, now_ms};
use crate::action::ActionId;
use crate::error::Error;
use crate::event::Failure;
use crate::outputs::{self, RestoreError};
use crate::own_file;
use crate::reason::DirtyReason;
use crate::result::ActionResult;
use crate::state::records::{Forgotten, Record, Why};
use crate::store::{Store, StoreError};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// How a restore came out.
pub(crate) enum Outcome {
    /// The outputs are those of the result.
    Restored {
        /// How long it took.
        duration: Duration,
        /// The bytes of all its files.
        bytes: u64,
        /// What is to be told.
        warnings: Vec<String>,
    },
    /// The store could not give what it promised: nothing was touched, and it has to run.
    Missed(String),
    /// The result is right and cannot stand here: nothing was touched, it has to run, and what comes out is not to take its place.
    Unfitting(String),
    /// The workspace could not be written.
    Failed(Failure),
}

/// Puts `result` in place.
pub(crate) fn restore(
    ground: &Ground<'_>,
    id: ActionId,
    checked: &Checked,
    result: &ActionResult,
    reasons: &[DirtyReason],
    store: &dyn Store,
) -> Outcome {
    let began = Instant::now();
    let key = &checked.fingerprint.key;
    let action = &ground.project.graph[id];
    let name = action.name.to_string();
    let roots = ground.project.roots(id);
    let log = ground.state.log(&action.name);
    let known = ground.records.get(&name);
    let was_killed = was_killed(&known);
    let known = ours(known);
    let mut commit = || {
        // Either set may be there if this does not come to its end.
        let left = known.iter().chain(&result.outputs).cloned().collect();
        let forgotten =
            Forgotten { why: Why::Begun, key: checked.fingerprint.key, left, changed: Vec::new() };
        ground.records.forget(&name, forgotten)
    };
    let mut put = || {
        fetch_log(result, store, &roots.staging, &log)?;
        let patterns = &action.outputs;
        let restored = outputs::restore(
            patterns,
            &result.outputs,
            &known,
            &roots,
            ground.index,
            store,
            &mut commit,
        )?;
        outputs::prune_out(patterns, &roots).map_err(RestoreError::Io)?;
        // Every step that has run has one, with or without outputs in it: what needs this one may list it.
        fs::create_dir_all(&roots.out).map_err(|error| {
            RestoreError::Io(Error::io("cannot create the directory", &roots.out, error))
        })?;
        Ok(restored)
    };
    let restored = put();
    let restored = match restored {
        Ok(restored) => restored,
        Err(RestoreError::Store(error)) => {
            return Outcome::Missed(format!("{}: {error}", store.source(key)));
        }
        Err(RestoreError::Refused(message)) => {
            return Outcome::Missed(format!("{}: {message}", store.source(key)));
        }
        Err(RestoreError::OneName(first, second)) => {
            return Outcome::Unfitting(format!(
                "{}: `{first}` and `{second}` are the same name here, where case does not count",
                store.source(key)
            ));
        }
        Err(RestoreError::Io(error)) => return Outcome::Failed(environment(error)),
    };
    let record = Record {
        key: checked.fingerprint.key,
        result: result.clone(),
        source: Some(store.source(key).to_owned()),
        at_ms: now_ms(),
        reasons: reasons.to_vec(),
    };
    let text = &checked.fingerprint.text;
    let remembered = remember(ground, id, text, &checked.discovered, record);
    let mut warnings = displaced_messages(&name, &restored.displaced, was_killed);
    warnings.extend(remembered.err().map(|error| error.to_string()));
    Outcome::Restored { duration: began.elapsed(), bytes: restored.bytes, warnings }
}

/// Notes that an action is up to date: the text of its fingerprint and what was found first, so that the record is never without.
pub(crate) fn remember(
    ground: &Ground<'_>,
    id: ActionId,
    fingerprint: &str,
    discovered: &Discovered,
    record: Record,
) -> Result<(), Error> {
    note(ground, id, fingerprint, discovered)?;
    ground.records.remember(&ground.project.graph[id].name.to_string(), record)
}

/// Notes the text that the next build compares with, and what was found.
pub(crate) fn note_fingerprint(
    ground: &Ground<'_>,
    id: ActionId,
    checked: &Checked,
) -> Result<(), Error> {
    note(ground, id, &checked.fingerprint.text, &checked.discovered)
}

fn note(
    ground: &Ground<'_>,
    id: ActionId,
    fingerprint: &str,
    discovered: &Discovered,
) -> Result<(), Error> {
    let path = ground.state.fingerprint(&ground.project.graph[id].name);
    // Outputs that only come back are made of what they were made of: to read costs less than to write.
    let is_there =
        own_file::read(&path).is_ok_and(|it| it.is_some_and(|it| it == fingerprint.as_bytes()));
    if !is_there {
        own_file::clear_the_way(&path)
            .and_then(|()| fs::write(&path, fingerprint))
            .map_err(|error| Error::io("cannot write", &path, error))?;
    }
    find::remember(ground, id, discovered)
}

/// Puts the log of `result` where the action's log lies.
fn fetch_log(
    result: &ActionResult,
    store: &dyn Store,
    staging: &Path,
    log: &Path,
) -> Result<(), RestoreError> {
    let io = |error: std::io::Error| RestoreError::Io(Error::io("cannot write", log, error));
    own_file::clear_the_way(log).map_err(io)?;
    let Some(digest) = result.log else {
        let _ = fs::remove_file(log);
        return Ok(());
    };
    // Others are fetched into the same directory.
    let staged = staging.join(log.file_name().unwrap_or_default());
    fs::create_dir_all(staging).map_err(io)?;
    let fetched = store.fetch(&[(digest, staged.clone())]).map_err(|error| match error {
        StoreError::Destination(error) => RestoreError::Io(error),
        error => RestoreError::Store(error),
    });
    let fetched = fetched.and_then(|()| fs::rename(&staged, log).map_err(io));
    if fetched.is_err() {
        let _ = fs::remove_file(&staged);
    }
    fetched
}
