//! Where the store of a user lies on each platform. Pure.

use crate::environment::path;
use crate::ordered::Map;
use std::ffi::OsString;
use std::path::PathBuf;

/// The variable that names another place.
pub const VARIABLE: &str = "GRANULAR_CACHE_DIR";

/// How large a store may grow where no setting says otherwise: 10 GiB.
pub const USUAL_SIZE: u64 = 10 << 30;

/// The platform's place for caches, in a directory of our name; `None` where `env` names no home directory.
pub fn usual(env: &Map<OsString, OsString>) -> Option<PathBuf> {
    let home = || path(env, "HOME").filter(|home| home.is_absolute());
    let caches = if cfg!(windows) {
        path(env, "LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        home().map(|home| home.join("Library").join("Caches"))
    } else {
        let named = path(env, "XDG_CACHE_HOME").filter(|dir| dir.is_absolute());
        named.or_else(|| home().map(|home| home.join(".cache")))
    };
    caches.map(|caches| caches.join("granular"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn the_usual_place_follows_the_platform() {
        let usual = |env: &[(&str, &str)]| {
            usual(&env.iter().map(|(name, value)| (name.into(), value.into())).collect())
        };
        assert_eq!(usual(&[("HOME", "/home/me")]), Some("/home/me/.cache/granular".into()));
        assert_eq!(usual(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/c")]), Some("/c/granular".into()));
        assert_eq!(
            usual(&[("HOME", "/h"), ("XDG_CACHE_HOME", "c")]),
            Some("/h/.cache/granular".into())
        );
        assert_eq!(usual(&[("HOME", "")]), None);
        assert_eq!(usual(&[]), None);
    }
}
