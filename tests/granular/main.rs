//! Tests of the library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // clippy.toml allows them in tests, not in their helpers

mod store;
