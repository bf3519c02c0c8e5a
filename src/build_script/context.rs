//! What Cargo tells a build script, and the environment as it was before Cargo put that in. Pure.

use crate::ordered::Map;
use crate::rustup;
use crate::triple::Triple;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What Cargo tells a build script.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The package whose build script this is.
    pub(crate) package: String,
    /// Its directory.
    pub(crate) manifest_dir: PathBuf,
    /// The only place that a build script may write to.
    pub(crate) out_dir: PathBuf,
    /// The Cargo that runs it.
    pub(crate) cargo: OsString,
    /// What the package is built for.
    pub(crate) triple: Triple,
    /// The environment that steps are made of; see [`steps_own`].
    pub(crate) env: Map<OsString, OsString>,
}

/// Variables that Cargo sets for a build script and that a step, or what it starts, would take for something that the user has said.
/// `TARGET`, `HOST`, `PROFILE` and the like stay: a step that means them says so by tracking them.
const CARGOS: [&str; 9] = [
    "RUSTC",
    "RUSTDOC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_LINKER",
    "RUSTFLAGS",
    "OUT_DIR",
    "RUST_RECURSION_COUNT",
    "RUSTUP_TOOLCHAIN_SOURCE",
];

/// Variables with a name of Cargo's that the user sets and that hold for every Cargo below.
const USERS: [&str; 8] = [
    "CARGO_HOME",
    "CARGO_MAKEFLAGS",
    "CARGO_HTTP_",
    "CARGO_NET_",
    "CARGO_REGISTRIES_",
    "CARGO_REGISTRY_",
    "CARGO_SOURCE_",
    "CARGO_TERM_",
];

/// Where the system's loader looks for libraries; Cargo puts those that the build script needs in front.
const LOADER_PATH: &str =
    if cfg!(target_os = "macos") { "DYLD_FALLBACK_LIBRARY_PATH" } else { "LD_LIBRARY_PATH" };

impl Context {
    /// What `env`, the environment of this process, tells. An error names the variable that is not there.
    pub(crate) fn new(env: Map<OsString, OsString>) -> Result<Self, &'static str> {
        let get = |name: &'static str| env.get(OsStr::new(name)).cloned().ok_or(name);
        Ok(Self {
            package: get("CARGO_PKG_NAME")?.into_string().map_err(|_| "CARGO_PKG_NAME")?,
            manifest_dir: get("CARGO_MANIFEST_DIR")?.into(),
            out_dir: get("OUT_DIR")?.into(),
            cargo: get("CARGO")?,
            triple: Triple::new(get("TARGET")?.into_string().map_err(|_| "TARGET")?),
            env: steps_own(env),
        })
    }

    /// Where the state and the outputs of this build script's steps lie.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.out_dir.join("granular")
    }
}

/// The environment without what Cargo has put in for the build script: so that a step sees, and its key says, the same whether it is
/// started from here or from the command line.
fn steps_own(env: Map<OsString, OsString>) -> Map<OsString, OsString> {
    let mut env = rustup::undone(env);
    without_cargos_libraries(&mut env);
    env.retain(|name, _| {
        let Some(name) = name.to_str() else { return true };
        let is_users = USERS.iter().any(|users| name.starts_with(users));
        is_users || !(name.starts_with("CARGO") || CARGOS.contains(&name))
    });
    env
}

/// Takes the directories of the toolchain and of this build out of the loader's path.
fn without_cargos_libraries(env: &mut Map<OsString, OsString>) {
    let name = OsStr::new(LOADER_PATH);
    let Some(value) = env.get(name) else { return };
    let sysroot =
        env.get(OsStr::new("RUSTC")).and_then(|rustc| Path::new(rustc).parent()?.parent());
    let cargos = env.get(OsStr::new("CARGO")).and_then(|cargo| Path::new(cargo).parent()?.parent());
    // OUT_DIR is `<target>/<profile>/build/<package>/out`, and what Cargo adds lies in `<target>/<profile>`.
    let profile = env.get(OsStr::new("OUT_DIR")).and_then(|out| Path::new(out).ancestors().nth(3));
    let own: Vec<&Path> = [sysroot, cargos, profile].into_iter().flatten().collect();
    let is_cargos = |dir: &PathBuf| {
        own.iter().any(|own| own.is_absolute() && own.parent().is_some() && dir.starts_with(own))
    };
    let rest: Vec<_> = std::env::split_paths(value).filter(|dir| !is_cargos(dir)).collect();
    match std::env::join_paths(&rest) {
        Ok(value) if rest.iter().any(|dir| !dir.as_os_str().is_empty()) => {
            env.insert(name.to_owned(), value);
        }
        _ => drop(env.remove(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Map<OsString, OsString> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn what_cargo_sets_for_the_script_is_taken_out_and_what_the_user_sets_stays() {
        let before =
            env(&[("PATH", "/bin"), ("GOFLAGS", "-v"), ("CARGO_HOME", "/c"), ("TARGET", "t")]);
        let mut given = before.clone();
        given.extend(env(&[
            ("CARGO", "/r/toolchains/stable/bin/cargo"),
            ("CARGO_PKG_NAME", "app"),
            ("CARGO_ENCODED_RUSTFLAGS", ""),
            ("CARGO_TARGET_DIR", "/t"),
            ("OUT_DIR", "/w/target/debug/build/app-1/out"),
            ("RUSTC", "/r/toolchains/stable/bin/rustc"),
            ("LD_LIBRARY_PATH", "/w/target/debug/deps:/r/toolchains/stable/lib"),
        ]));
        assert_eq!(steps_own(given.clone()), before);
        given.insert("LD_LIBRARY_PATH".into(), "/w/target/debug/deps:/mine".into());
        assert_eq!(steps_own(given)[OsStr::new("LD_LIBRARY_PATH")], "/mine");
    }

    #[test]
    fn outside_of_a_build_script_the_missing_variable_is_named() {
        assert_eq!(
            Context::new(env(&[("CARGO_PKG_NAME", "app")])).unwrap_err(),
            "CARGO_MANIFEST_DIR"
        );
    }
}
