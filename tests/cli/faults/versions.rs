//! Versions that share a cache (A64).
