//! Brings declared build steps up to date: what has not changed is left alone, what was built before is restored, the rest is run.
//!
//! From a build script, with this library as a build dependency and no program to install:
//!
//! ```no_run
//! // build.rs: every step that this package declares in its `Cargo.toml`
//! granular::build()
//! ```
//!
//! [`step`](fn@step) builds one of them, [`run`] one that is declared in Rust; [`build_script`] says what they do.
//!
//! This is also the library behind `cargo granular`: it knows what is right. How it is asked and shown is the program's business
//! (`cargo-granular/`). The README says what it does for a user; this page says how it is made.
//!
//! # Overview
//!
//! ```text
//! Cargo.toml files ──config──▶ steps ──matrix──▶ actions ──graph──▶ graph ──select──▶ wanted ──build──▶ events
//!                                                                                       │
//!            for each action, once its needs are up to date:                            ▼
//!            inputs (declared and found) + tools + environment + exports of its needs ──▶ fingerprint ──▶ key
//!                 the record says this key, the outputs are as recorded, and where they came from still counts ──▶ fresh
//!                 a store has a result for the key, and every blob verifies ──▶ restored
//!                 a tool or source is missing ──▶ restored as it was made with the tool, or from checked-in files, or skipped, or failed
//!                 otherwise ──▶ ran: clear (but what an incremental step may look at), run, capture into the store, look at the inputs again
//! ```
//!
//! In the terms of "Build Systems à la Carte" (Mokhov, Mitchell, Peyton Jones, 2018): a topological scheduler with constructive traces.
//! A dependent's key is made from the digests of what its needs export, not from their keys, so a change upstream that leaves the
//! outputs as they were stops there (early cutoff).
//!
//! # Words
//!
//! A *step* is what an author declares; an *action* is one concrete command, after the matrix is expanded. An *input* is a file or link that
//! a step reads; an *export* is what dependents see of a step: its outputs or, for a check or a named set of files, its inputs and what its
//! own needs export. A *fingerprint* is everything that may change an action's outputs, as a text; the *key* is the hash of that text.
//! An input is *declared* by a pattern or *found* by a finder: `go list` before a run, a dependency file behind one; a *found set* is the paths that a run
//! read beside what is declared, and the *static key* that of all that is declared, under which such sets are filed.
//! A *digest* is the hash and size of some bytes; a *blob* is bytes in a store, named by their digest. An *action result* is what a run left.
//! An action is *fresh*, *restored* or *ran*; a *dirty reason* is one difference that makes earlier work unusable.
//!
//! # Modules, in reading order
//!
//! Each layer knows only those above it in this list.
//!
//! | layer | modules |
//! | --- | --- |
//! | alphabet: plain data and pure functions | [`ordered`], [`digest`], [`path`], [`canon`], [`content`], [`error`], [`mistake`], [`format`](mod@format) |
//! | declarations: from tables to a graph | [`workspace`], [`triple`], [`template`], [`pattern`], [`step`](mod@step), [`config`], [`action`], [`matrix`], [`graph`], [`select`], [`project`], `declare`, [`adhoc`] |
//! | the tree: what is on disk | [`stat`], `own_file`, [`index`], `ignore`, `walk`, [`inputs`] |
//! | keys: what may change outputs | [`environment`], [`rustup`], [`tools`], [`export`], [`found`], [`fingerprint`], [`reason`] |
//! | keeping: what was built before | [`result`], [`store`], [`outputs`], [`state`] |
//! | doing: running commands | [`execute`], [`cargo`], `os` (the few calls that need `unsafe`) |
//! | deciding: bringing up to date | [`discover`], [`event`], [`build`](mod@build), [`untouched`], [`assess`](mod@assess), [`affected`](mod@affected), [`reproduce`](mod@reproduce), [`clean`](mod@clean) |
//! | entering from Cargo: the only part that prints, to Cargo | [`build_script`] |
//!
//! [`adhoc`], [`affected`](mod@affected), [`assess`](mod@assess), [`reproduce`](mod@reproduce), [`clean`](mod@clean) and some functions elsewhere are the program's alone: they are there with the
//! feature `program`, which build scripts leave off, since a build dependency costs everyone a clean build of it.
//!
//! Two narrow seams have real implementations on both sides: a [`store::Store`] (a local directory, memory for tests, and in the program a remote behind the local one) and an
//! [`execute::Executor`] (a child process). Everything else works on the real file system, in tests as well.
//!
//! # What lies on disk
//!
//! The *store* is shared by all checkouts of a user; its layout stands at the top of [`store::local`]. The *state* of a checkout is in
//! `<target>/granular/`; its files stand at the top of [`state`]. The versions of all formats are in [`format`](mod@format).
//!
//! # Invariants
//!
//! - No absolute path, no time, no user and no order of the file system enters a fingerprint. No mtime decides a key: times only save re-reading.
//! - `fresh` is said only when the outputs on disk are the recorded ones at that moment.
//! - What is proved of an earlier build ([`untouched`]) counts only while all that it rested on has the stat that it had then, and that had come to rest before it began.
//! - A result is visible in a store only after every blob of it. A hit whose blobs are gone or damaged is a miss.
//! - A result that was made with another tool than the one that is here is no hit. Where there is none here, it may be, and that is told.
//! - The bytes that a restore puts in place are the bytes that were hashed.
//! - What is found only adds to what is declared. Nothing is stored where finding was incomplete, and what is remembered of `go list` counts only while everything that it
//!   depends on is as it was.
//! - Nothing is stored for a step that failed, was stopped, or for which anything that its key was made of changed underneath: inputs, tools, exports of needs;
//!   nor where its outputs changed before they were captured.
//! - A restore writes only what the action's output patterns own, whatever a result says. A file in the tree that no run of ours made is moved, never deleted.
//! - A store never fails a build; its trouble is an event. A mistake of the user's and a failed step are values.
//! - The library never prints (but for `build_script`, to Cargo), knows no terminal, no network and no async. Only [`digest`] names a hash function.
//! - Nothing of a dependency from a registry is ever run: only the tables of workspace members count.
//!
//! # Roads not taken
//!
//! - *A database for the state.* Immutable blobs, results by rename and one append-only journal survive a kill at any moment and need no recovery.
//! - *globset for patterns.* Compiling a regular expression for each pattern costs more than a whole no-op may at 1,000 steps, and it cannot say whether two
//!   patterns overlap; it is what ours are held against in tests.
//! - *Hard links into the store.* Writing to a restored file in place would change the store for everybody.
//! - *`cargo_metadata`, serde, duct in the library.* Everyone who calls it from a build script would pay for them.
//! - *Keys of needs in the key of a dependent.* It saves waiting for digests, and rebuilds the world for a comment.

pub mod action;
#[cfg(feature = "program")]
pub mod adhoc;
#[cfg(feature = "program")]
pub mod affected;
#[cfg(feature = "program")]
pub mod assess;
pub mod build;
pub mod build_script;
pub mod canon;
pub mod cargo;
#[cfg(feature = "program")]
pub mod clean;
pub mod config;
pub mod content;
mod declare;
pub mod digest;
pub mod discover;
pub mod environment;
pub mod error;
pub mod event;
pub mod execute;
pub mod export;
pub mod fingerprint;
pub mod format;
pub mod found;
pub mod graph;
mod ignore;
pub mod index;
pub mod inputs;
pub mod matrix;
pub mod mistake;
pub mod ordered;
mod os;
pub mod outputs;
mod own_file;
pub mod path;
pub mod pattern;
pub mod project;
pub mod reason;
#[cfg(feature = "program")]
pub mod reproduce;
pub mod result;
pub mod rustup;
pub mod select;
pub mod stat;
pub mod state;
pub mod step;
pub mod store;
pub mod template;
#[cfg(test)]
mod testing;
pub mod tools;
pub mod triple;
pub mod untouched;
mod walk;
pub mod workspace;

pub use build_script::{build, run, step, steps};
