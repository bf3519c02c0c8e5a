//! What a build script says to Cargo, line by line on standard output, and to a person on standard error. The only place of the library
//! that prints. Knows no step.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is how a build script speaks")]

use std::path::Path;

/// Cargo is to run the build script again when the file changes, or anything below the directory.
pub(super) fn rerun_if_changed(path: &Path) {
    // Cargo reads lines: a path that it could not read back is better left out, and then it runs the script again more often.
    if let Some(path) = path.to_str().filter(|path| !path.contains('\n')) {
        println!("cargo::rerun-if-changed={path}");
    }
}

/// Cargo is to run the build script again when the variable changes.
pub(super) fn rerun_if_env_changed(name: &str) {
    if !name.contains(['\n', '=']) {
        println!("cargo::rerun-if-env-changed={name}");
    }
}

/// `env!` in the package gives this value.
pub(super) fn set_env(name: &str, value: &Path) {
    if let Some(value) = value.to_str().filter(|value| !value.contains('\n')) {
        println!("cargo::rustc-env={name}={value}");
    }
}

/// A warning that Cargo shows.
pub(super) fn warning(message: &str) {
    println!("cargo::warning={}", one_line(message));
}

/// An error that Cargo shows.
pub(super) fn error(message: &str) {
    println!("cargo::error={}", one_line(message));
}

/// A line for a person, which Cargo shows if the script fails, or with `-vv`.
pub(super) fn note(line: &str) {
    eprintln!("{line}");
}

/// Nothing in a message may become a line of its own, which Cargo could obey, nor a command to a terminal.
fn one_line(message: &str) -> String {
    let shown = |char: char| match char {
        '\n' => "; ".to_owned(),
        char if char.is_control() => char.escape_default().to_string(),
        char => char.to_string(),
    };
    message.trim().chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_message_becomes_a_directive() {
        assert_eq!(
            one_line("a\ncargo::rustc-env=A=B\u{1b}[2J\r"),
            "a; cargo::rustc-env=A=B\\u{1b}[2J"
        );
    }
}
