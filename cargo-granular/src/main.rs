//! The program `cargo-granular`: how the library is asked, and how its answers are shown.
//!
//! In reading order: [`cli`] says what can be asked, [`session`] what every command starts from ([`ask_cargo`],
//! [`choose`], [`cache`], [`remote`], [`trust`], [`since`]), [`commands`] answer, [`report`] shows what happens meanwhile, [`draw`] shows mistakes.
//! What is right is the library's business; nothing here decides whether a step is up to date.

mod archive;
mod ask_cargo;
mod cache;
mod choose;
mod cli;
mod commands;
mod draw;
mod exit;
mod format;
mod github;
mod quantity;
mod remote;
mod report;
mod session;
mod shell;
mod since;
mod trouble;
mod trust;
mod wording;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = cli::arguments(std::env::args_os());
    match cli::parse(arguments) {
        Ok(arguments) => commands::run(arguments).into(),
        Err(error) => exit::after_parsing(&error),
    }
}
