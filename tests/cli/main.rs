//! The program as a user runs it: the real binary in real workspaces. One file for each behaviour.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that panics has failed"
)]

mod beside;
mod build;
mod build_script;
mod cargo_artifact;
mod carry;
mod command_line;
mod config_errors;
mod costs;
mod dependencies;
mod discover;
mod examples;
mod exec;
mod explain;
mod failure;
mod faults;
mod generated_trees;
mod github;
mod go_monorepo;
mod incremental;
mod matrix;
mod output;
mod parallel;
mod project;
mod reads;
mod remote;
mod restore;
mod rust_and_go;
mod sandbox;
mod since;
mod soundness;
mod store;
mod unavailable;
mod untouched;
mod workspace_memory;
