//! Changes to the sources of an example, each different in every round.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;

/// Puts `to` in place of `from`, which is there once, in `original`: what the file held before anything was changed.
pub(crate) fn replace(root: &Path, file: &str, from: &str, to: &str) -> Result<()> {
    let original = original(root, file)?;
    ensure!(original.matches(from).count() == 1, "`{from}` should be in {file} once");
    Ok(fs::write(root.join(file), original.replace(from, to))?)
}

/// Adds `text` to what the file held before anything was changed.
pub(crate) fn append(root: &Path, file: &str, text: &str) -> Result<()> {
    Ok(fs::write(root.join(file), original(root, file)? + text)?)
}

/// Takes every change of a file back.
pub(crate) fn take_back(root: &Path, file: &str) -> Result<()> {
    Ok(fs::write(root.join(file), original(root, file)?)?)
}

/// The file as it is in the repository, of which `root` is a copy.
fn original(root: &Path, file: &str) -> Result<String> {
    let example = root.ancestors().nth(2).and_then(Path::file_name);
    let example = example.with_context(|| format!("{} is no copy", root.display()))?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example).join(file);
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

/// Go code that shows in a binary: a function that cannot be optimised away, with a number that was not there before.
pub(crate) fn go_code(number: usize) -> String {
    format!(
        "\n//go:noinline\nfunc revision{number}() int {{ return {number} }}\n\nfunc init() {{ revision{number}() }}\n"
    )
}
