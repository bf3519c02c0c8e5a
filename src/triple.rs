//! What a step builds for: a target triple, and what Go calls its parts. Pure.

/// A target triple, such as `aarch64-unknown-linux-gnu`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Triple(String);

/// The parts of a triple that a placeholder can name, as in `{target.goos}`; the whole is `{target}`.
pub(crate) const PARTS: [&str; 4] = ["arch", "goarch", "goos", "os"];

impl Default for Triple {
    /// What this program itself was built for.
    fn default() -> Self {
        let arch = if cfg!(target_arch = "x86") { "i686" } else { std::env::consts::ARCH };
        let env = match () {
            () if cfg!(target_env = "musl") => "musl",
            () if cfg!(target_env = "msvc") => "msvc",
            () => "gnu",
        };
        Self(match std::env::consts::OS {
            "macos" => format!("{arch}-apple-darwin"),
            "windows" => format!("{arch}-pc-windows-{env}"),
            "linux" => format!("{arch}-unknown-linux-{env}"),
            os => format!("{arch}-unknown-{os}"),
        })
    }
}

impl Triple {
    /// The triple that `text` says.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The triple itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A part by the name that a placeholder has for it; empty for the whole.
    pub(crate) fn part(&self, name: &str) -> String {
        match name {
            "arch" => self.arch().to_owned(),
            "os" => self.os().to_owned(),
            "goarch" => goarch(self.arch()).to_owned(),
            "goos" => self.goos().to_owned(),
            _ => self.0.clone(),
        }
    }

    fn arch(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }

    /// As Rust's `target_os`.
    fn os(&self) -> &str {
        let rest: Vec<_> = self.0.split('-').skip(1).collect();
        let has = |part: &str| rest.iter().any(|it| it.starts_with(part));
        match () {
            () if has("android") => "android",
            () if has("darwin") => "macos",
            () if has("ios") => "ios",
            () if has("wasi") => "wasi",
            () => {
                let known = [
                    "linux",
                    "windows",
                    "freebsd",
                    "netbsd",
                    "openbsd",
                    "dragonfly",
                    "solaris",
                    "illumos",
                ];
                known.into_iter().find(|os| has(os)).unwrap_or("none")
            }
        }
    }

    /// After `go tool dist list`.
    fn goos(&self) -> &str {
        match self.os() {
            "macos" => "darwin",
            "wasi" => "wasip1",
            "none" if self.arch().starts_with("wasm") => "js",
            os => os,
        }
    }
}

/// After `go tool dist list`.
fn goarch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "i386" | "i586" | "i686" => "386",
        "aarch64" | "arm64" | "arm64e" => "arm64",
        "loongarch64" => "loong64",
        "mipsel" => "mipsle",
        "mips64el" => "mips64le",
        "powerpc64" => "ppc64",
        "powerpc64le" => "ppc64le",
        "wasm32" => "wasm",
        arch if arch.starts_with("riscv64") => "riscv64",
        arch if arch.starts_with("arm") || arch.starts_with("thumb") => "arm",
        arch => arch,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_has_its_own_names_for_what_rust_builds_for() {
        let go = |triple: &str| {
            let triple = Triple::new(triple);
            format!("{}/{}", triple.part("goos"), triple.part("goarch"))
        };
        let known = [
            ("x86_64-unknown-linux-gnu", "linux/amd64"),
            ("aarch64-apple-darwin", "darwin/arm64"),
            ("i686-pc-windows-msvc", "windows/386"),
            ("armv7-unknown-linux-gnueabihf", "linux/arm"),
            ("aarch64-linux-android", "android/arm64"),
            ("riscv64gc-unknown-linux-gnu", "linux/riscv64"),
            ("powerpc64le-unknown-linux-gnu", "linux/ppc64le"),
            ("wasm32-wasip1", "wasip1/wasm"),
            ("wasm32-unknown-unknown", "js/wasm"),
            ("x86_64-unknown-freebsd", "freebsd/amd64"),
        ];
        for (triple, expected) in known {
            assert_eq!(go(triple), expected, "{triple}");
        }
    }

    #[test]
    fn the_host_is_told_as_rust_tells_it() {
        let host = Triple::default();
        assert_eq!((host.part("os"), host.part("arch")).0, std::env::consts::OS);
        assert_eq!(host.part(""), host.as_str());
    }
}
