//! Whom this machine believes what lies on a remote, and as whom it writes there. Knows no remote and no result.
//!
//! In reading order: [`domain`] says for what somebody is believed, [`key`] who somebody is, [`list`] who is believed for what; [`files`] says where keys and
//! lists lie and keeps them.
//!
//! # Who is believed
//!
//! A key signs for *domains*, and a trust list says which keys are believed for which domains. A result is used only if a key has signed it that is believed for the domain
//! that it is in. So whoever can write to a remote, or is the remote, gets nothing believed by that; and what a pull request has written is never taken for something of `main`, whoever
//! came first and under whatever name it was put there.
//!
//! Lists and keys are those of the user or of the CI system. What the checkout says of them does not count, since in a pull request anybody writes it: a list or key that lies
//! inside of it is refused. A machine believes its own key for all that this key is for.

pub(crate) mod domain;
pub(crate) mod files;
pub(crate) mod key;
pub(crate) mod list;
