//! The many ways in which Cargo starts a build script.
