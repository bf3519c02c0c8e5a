//! The cache of this machine: where it lies, how large it may grow. What it keeps is the library's business.

use crate::session::{self, Session};
use crate::trouble::{Result, Trouble};
use granular::config::Settings;
use granular::store::local::LocalStore;
use granular::store::place::{USUAL_SIZE, VARIABLE, usual};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The cache of this machine.
pub(crate) struct Cache {
    /// What is kept.
    pub(crate) store: Arc<LocalStore>,
    /// Where it lies.
    pub(crate) dir: PathBuf,
    /// How large it may grow, in bytes.
    pub(crate) max_size: u64,
    /// Whether others than this user can put results there, which is told in each build.
    pub(crate) is_exposed: bool,
}

/// The cache that flags, variables and settings name, or the platform's. A place that was named and cannot hold one is a mistake;
/// `None`, after a warning, where the platform's cannot, or where there is none.
pub(crate) fn open(session: &Session, settings: &Settings) -> Result<Option<Cache>> {
    let named = named(session).or_else(|| settings.cache_dir.clone());
    let is_named = named.is_some();
    let Some(dir) = named.or_else(|| usual(&session.env)) else {
        do_without(session, "there is no place for a cache, since HOME is not set");
        return Ok(None);
    };
    if let Some(obstacle) = obstacle(&dir) {
        let message = format!("the cache cannot lie in `{}`: {obstacle}", shown(&dir));
        if is_named {
            return Err(Trouble::usage(message));
        }
        do_without(session, &message);
        return Ok(None);
    }
    let max_size = settings.cache_size.unwrap_or(USUAL_SIZE);
    let store = LocalStore::open(&dir);
    let distrust = distrust(&store, &dir);
    distrust.iter().for_each(|message| session.shell.warn(message));
    Ok(Some(Cache { store: Arc::new(store), dir, max_size, is_exposed: distrust.is_some() }))
}

/// What to say of a cache in which others than this user can put results.
fn distrust(store: &LocalStore, dir: &Path) -> Option<String> {
    let how = store.exposure()?;
    Some(format!(
        "the cache in `{}` {how}, who could put results there (`chmod -R go-w` or another `cache-dir` keeps them out)",
        dir.display()
    ))
}

fn do_without(session: &Session, why: &str) {
    session.shell.warn(&format!(
        "{why}: nothing is restored and nothing is kept (GRANULAR_CACHE_DIR can name a place)"
    ));
}

/// Why no directory is or can be made at `dir`: what stands there, or in the way to it, is none and leads to none. What may not be
/// read or written is none of this: it may serve.
fn obstacle(dir: &Path) -> Option<String> {
    let standing = dir.ancestors().find(|path| path.symlink_metadata().is_ok())?;
    let what = match standing.metadata() {
        Ok(metadata) if metadata.is_dir() => return None,
        Ok(_) => "is not a directory",
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return None,
        Err(_) => "is a link that leads nowhere",
    };
    Some(if standing == dir {
        format!("it {what}")
    } else {
        format!("`{}` {what}", shown(standing))
    })
}

/// The same to look at only: nothing in it is changed, not even when something was last used.
pub(crate) fn open_to_look(session: &Session, settings: &Settings) -> Result<Option<Cache>> {
    let cache = open(session, settings)?;
    Ok(cache.map(|cache| {
        let store = Arc::new(LocalStore::open(&cache.dir).without_traces());
        Cache { store, ..cache }
    }))
}

/// The same where nothing can be done without a cache.
pub(crate) fn needed(session: &Session) -> Result<Cache> {
    open(session, &session.settings()?)?.ok_or_else(none)
}

/// That there is none.
pub(crate) fn none() -> Trouble {
    Trouble::Environment {
        message: "there is no cache".to_owned(),
        help: Some("name its directory with --cache-dir or GRANULAR_CACHE_DIR".to_owned()),
    }
}

/// At the end of a build: notes what was saved, and shrinks the cache if it has outgrown its limit. Trouble with it is worth
/// a warning only.
pub(crate) fn tidy(session: &Session, cache: &Cache) {
    if let Err(error) = cache.store.keep_within(cache.max_size) {
        session.shell.warn(&format!("the cache could not be shrunk: {error}"));
    }
}

/// What the flag or the variable names; relative to the current directory.
fn named(session: &Session) -> Option<PathBuf> {
    let variable = || session::path(&session.env, VARIABLE);
    session.common.cache_dir.clone().or_else(variable).map(|dir| session.dir.join(dir))
}

/// How messages call the cache's directory.
pub(crate) fn shown(dir: &Path) -> String {
    crate::wording::one_line(&dir.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Common;
    use crate::shell::{Shell, Verbosity};

    fn session(cache_dir: Option<&str>, env: &[(&str, &str)]) -> Session {
        Session {
            shell: Shell { verbosity: Verbosity::Quiet, is_guarded: false },
            common: Common { cache_dir: cache_dir.map(PathBuf::from), ..Common::default() },
            env: env.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            dir: "/here".into(),
        }
    }

    #[test]
    fn the_flag_is_stronger_than_the_variable() {
        let env = [("GRANULAR_CACHE_DIR", "theirs")];
        assert_eq!(named(&session(Some("mine"), &env)), Some("/here/mine".into()));
        assert_eq!(named(&session(None, &env)), Some("/here/theirs".into()));
        assert_eq!(named(&session(None, &[("GRANULAR_CACHE_DIR", "")])), None);
    }

    #[test]
    fn without_any_place_there_is_no_cache_and_no_failure() {
        assert!(open(&session(None, &[]), &Settings::default()).unwrap().is_none());
    }

    #[test]
    fn a_place_that_was_named_and_cannot_be_is_refused() {
        let file = std::env::current_exe().unwrap();
        let trouble = open(&session(file.to_str(), &[]), &Settings::default()).err().unwrap();
        assert!(matches!(trouble, Trouble::Usage { .. }));
    }
}
