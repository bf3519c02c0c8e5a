//! Where programs are looked for: remembered for as long as nothing is run that could put another one there. Knows no versions.

use super::find;
use crate::error::Result;
use crate::ordered::Map;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A program that was looked for, and where it was.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Lookup {
    /// The name or path that it was asked for by.
    pub(crate) name: String,
    /// The directory that it was asked for in; empty where that says nothing.
    pub(crate) dir: PathBuf,
    /// The directories that were searched.
    pub(crate) path: String,
    /// Where it is; `None` if it is nowhere.
    pub(crate) found: Option<PathBuf>,
    /// The same with all links followed.
    pub(crate) real: Option<PathBuf>,
}

/// Places by name, directory and search path.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// Rises whenever what is known may not be so any more.
    generation: u64,
    places: HashMap<(String, PathBuf, OsString), Option<PathBuf>>,
}

impl Places {
    /// As [`find`].
    pub(super) fn find(
        &self,
        name: &str,
        dir: &Path,
        env: &Map<OsString, OsString>,
    ) -> Result<PathBuf> {
        let path = env.get(OsStr::new("PATH")).cloned().unwrap_or_default();
        let dir_counts = name.contains(std::path::is_separator)
            || !std::env::split_paths(&path).all(|entry| entry.is_absolute());
        let key = (name.to_owned(), if dir_counts { dir.to_owned() } else { PathBuf::new() }, path);
        let known = self.lock();
        if let Some(Some(found)) = known.places.get(&key) {
            return Ok(found.clone());
        }
        let generation = known.generation;
        drop(known);
        let found = find(name, dir, env);
        let mut known = self.lock();
        // What was found before something was run is not filed behind it.
        if known.generation == generation {
            known.places.insert(key, found.as_ref().ok().cloned());
        }
        found
    }

    /// Something is run: it may put programs anywhere.
    pub(super) fn forget(&self) {
        let mut known = self.lock();
        known.generation += 1;
        known.places.clear();
    }

    /// Everything that was looked for. `None` if something was forgotten, or cannot be told.
    pub(super) fn lookups(&self) -> Option<Vec<Lookup>> {
        let known = self.lock();
        let lookup =
            |((name, dir, path), found): (&(String, PathBuf, OsString), &Option<PathBuf>)| {
                Some(Lookup {
                    name: name.clone(),
                    dir: dir.clone(),
                    path: path.to_str()?.to_owned(),
                    real: found.as_ref().and_then(|found| found.canonicalize().ok()),
                    found: found.clone(),
                })
            };
        let mut lookups: Vec<_> = known.places.iter().map(lookup).collect::<Option<_>>()?;
        lookups.sort();
        (known.generation == 0).then_some(lookups)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a program is where it was.
pub(crate) fn is_still_there(lookup: &Lookup) -> bool {
    let env = Map::from([("PATH".into(), lookup.path.clone().into())]);
    let found = find(&lookup.name, &lookup.dir, &env).ok();
    let real = found.as_ref().and_then(|found| found.canonicalize().ok());
    found == lookup.found && real == lookup.real
}
