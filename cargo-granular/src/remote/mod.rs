//! The remote cache: results that machines share. What is right is the library's business; what is here only brings results and their blobs
//! into the cache of this machine and takes them from there, so that every restore is one from the local cache.
//!
//! In reading order: [`ask`] says which remote is meant and what may be done with it ([`place`], [`ci`]); [`standing`] as whom this machine reads and
//! writes; [`layered`] is the store that a build is given; [`fetch`] and [`upload`] do its work on threads of their own ([`crew`]); [`health`] decides when a remote that misbehaves
//! is left alone and what is told of it. [`message`] and [`name`] translate what we keep into what servers of Bazel's caches know; [`statement`] and [`signer`] say what is signed and by
//! whom it may be, [`origin`] remembers it; [`native`] finds what is of use in one place only, [`sensitive`] what looks like a secret. [`wire`] is what a kind of remote has to be able to do;
//! [`http`], [`grpc`] and [`object`] are the kinds that there are, with the same [`patience`] and what is made small by [`zstd`] alike.
//!
//! # What lies on a remote
//!
//! Two kinds of things, as in Bazel's caches: *blobs* by the SHA-256 of their bytes (or their BLAKE3, which is ours, on a server that prefers that), and
//! *entries* by a SHA-256 that stands for what they are about:
//!
//! ```text
//! SHA-256 of "granular result 2\nKEY\nDOMAIN\n"       the result of KEY: its text, and the names of all its blobs
//! SHA-256 of "granular found 2\nKEY\nDOMAIN\n"        the sets of files that runs with the static key KEY were found to read
//! SHA-256 of "granular made-with 2\nKEY\nDOMAIN\n"    with which tools results were made, by the key without tools
//! ```
//!
//! The domain is part of the name, so that no domain can take the place of another's entry; who puts something under a name of another domain all the same is found out by what he has signed.
//! The number is that of [`crate::format::ENTRY`].
//!
//! An entry is an `ActionResult` of the Remote Execution API (see [`message`]), so that a server that knows such messages keeps an entry and its blobs
//! together. A result's blobs are written before its entry.
//!
//! # What is believed
//!
//! Nothing but a text that somebody has signed, for this key and this domain, who is trusted for that domain (see [`statement`] and [`crate::trust`]); that the library reads for the very key; and bytes that have both their digests: ours, which the text names, and the server's.
//! They are checked while they arrive, and no byte more than was announced is written. A result counts only when all its blobs are in the local cache.

mod ask;
mod ci;
mod crew;
mod fetch;
mod grpc;
mod health;
mod http;
mod layered;
mod message;
mod name;
mod native;
mod object;
mod origin;
mod patience;
mod place;
mod sensitive;
mod signer;
mod standing;
mod statement;
mod upload;
mod wire;
mod zstd;

pub(crate) use layered::{Arriving, AtEnd, Layered, Writing, finish, open, store, tell};
pub(crate) use origin::{Origin, Origins};
pub(crate) use standing::domain;
