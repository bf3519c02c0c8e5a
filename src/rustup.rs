//! What rustup puts into the environment on the way from Cargo to whom Cargo starts, and takes it out again, so that a step sees
//! and a key says the same whether Cargo started us or the user did. Pure.

use crate::environment::{path, variable};
use crate::ordered::Map;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Where the system's loader looks for libraries; rustup puts those of the toolchain in front.
const LOADER_PATH: &str =
    if cfg!(target_os = "macos") { "DYLD_FALLBACK_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };

/// The environment as the user has it.
pub fn undone(mut env: Map<OsString, OsString>) -> Map<OsString, OsString> {
    if let Some(libraries) = libraries(&env) {
        take_out(&mut env, &libraries);
    }
    // A toolchain that the user asked for is meant for everything below. Any other is found by each step where it stands.
    let source = variable(&env, "RUSTUP_TOOLCHAIN_SOURCE");
    if source.is_some_and(|source| !matches!(source, "env" | "cli")) {
        env.remove(&OsString::from("RUSTUP_TOOLCHAIN"));
    }
    env
}

/// The libraries of the toolchain whose Cargo started us. A Cargo that rustup does not manage lies in no toolchain.
fn libraries(env: &Map<OsString, OsString>) -> Option<PathBuf> {
    variable(env, "RUSTUP_TOOLCHAIN")?;
    Some(path(env, "CARGO")?.parent()?.parent()?.join("lib"))
}

fn take_out(env: &mut Map<OsString, OsString>, directory: &Path) {
    let name = OsString::from(LOADER_PATH);
    let Some(value) = env.get(&name) else { return };
    let all: Vec<_> = std::env::split_paths(value).collect();
    let rest: Vec<_> = all.iter().filter(|entry| *entry != directory).collect();
    if rest.len() == all.len() {
        return;
    }
    match std::env::join_paths(&rest) {
        Ok(value) if !rest.is_empty() => env.insert(name, value),
        _ => env.remove(&name),
    };
}

#[cfg(all(test, unix, not(target_os = "macos")))]
mod tests {
    use super::*;

    fn shown(pairs: &[(&str, &str)]) -> String {
        let env = pairs.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let shown = |(name, value): (&OsString, &OsString)| {
            (name != "CARGO").then(|| format!("{}={}", name.display(), value.display()))
        };
        undone(env).iter().filter_map(shown).collect::<Vec<_>>().join(" ")
    }

    const CARGO: (&str, &str) = ("CARGO", "/r/toolchains/stable/bin/cargo");
    const TOOLCHAIN: (&str, &str) = ("RUSTUP_TOOLCHAIN", "stable");

    #[test]
    fn the_libraries_of_the_toolchain_are_taken_out() {
        let with = |value| shown(&[CARGO, TOOLCHAIN, ("LD_LIBRARY_PATH", value)]);
        assert_eq!(with("/r/toolchains/stable/lib"), "RUSTUP_TOOLCHAIN=stable");
        assert_eq!(
            with("/r/toolchains/stable/lib:/mine:/my"),
            "LD_LIBRARY_PATH=/mine:/my RUSTUP_TOOLCHAIN=stable"
        );
    }

    #[test]
    fn what_the_user_set_stays_as_it_is() {
        for value in ["/mine", "", "/a::/b:"] {
            let library = ("LD_LIBRARY_PATH", value);
            assert_eq!(shown(&[CARGO, library]), format!("LD_LIBRARY_PATH={value}"));
            let expected = format!("LD_LIBRARY_PATH={value} RUSTUP_TOOLCHAIN=stable");
            assert_eq!(shown(&[CARGO, TOOLCHAIN, library]), expected);
        }
        let system = [("CARGO", "/usr/bin/cargo"), ("LD_LIBRARY_PATH", "/usr/lib")];
        assert_eq!(shown(&system), "LD_LIBRARY_PATH=/usr/lib", "this Cargo is in no toolchain");
    }

    #[test]
    fn only_a_toolchain_that_the_user_asked_for_is_kept() {
        let from = |source| shown(&[TOOLCHAIN, ("RUSTUP_TOOLCHAIN_SOURCE", source)]);
        for source in ["env", "cli"] {
            assert!(from(source).contains("RUSTUP_TOOLCHAIN=stable"), "{source}");
        }
        for source in ["default", "toolchain-file", "path-override"] {
            assert!(!from(source).contains("RUSTUP_TOOLCHAIN="), "{source}");
        }
        assert_eq!(shown(&[TOOLCHAIN]), "RUSTUP_TOOLCHAIN=stable", "an old rustup says no source");
    }
}
