//! Runs the built programs together, as a user would: `admin` and `worker` against a started `api`.
//!
//! ```text
//! smoke DIR...
//! ```
//!
//! The programs are looked for in the directories, in that order. Each check is one line on standard output; the first
//! one that fails ends the run with exit code 1.

use std::error::Error;
use std::process::ExitCode;

mod api;
mod checks;
mod programs;
mod table;
mod temporary;

/// Whatever goes wrong here is only ever shown to a person.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let directories: Vec<_> = std::env::args_os().skip(1).map(Into::into).collect();
    if directories.is_empty() {
        eprintln!("usage: smoke DIR...");
        return ExitCode::from(2);
    }
    match programs::Programs::find(&directories).and_then(|programs| checks::run(&programs)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("smoke: {error}");
            ExitCode::FAILURE
        }
    }
}
