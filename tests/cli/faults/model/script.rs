//! What a sequence did, as a shell script that does it again.

use std::fmt::Write as _;

/// The lines so far. Files are named relative to a directory of the script's own.
#[derive(Clone, Default)]
pub(super) struct Script {
    lines: Vec<String>,
}

impl Script {
    pub(super) fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    pub(super) fn note(&mut self, text: &str) {
        self.lines.extend(text.lines().map(|line| format!("# {line}")));
    }

    /// The whole script; `GRANULAR` says which program it is about.
    pub(super) fn text(&self) -> String {
        let mut text = String::from(
            "#!/bin/sh\n\
            : \"${GRANULAR:=cargo-granular}\"\n\
            cd \"$(mktemp -d)\" || exit\n\
            export TOP=\"$PWD\" GRANULAR_CACHE_DIR=\"$PWD/cache\" LOG=\"$PWD/runs\"\n\
            export CARGO_HOME=\"${CARGO_HOME:-$HOME/.cargo}\" RUSTUP_HOME=\"${RUSTUP_HOME:-$HOME/.rustup}\"\n\
            export HOME=\"$PWD/home\"\n",
        );
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

/// A word of the shell with exactly these bytes.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
