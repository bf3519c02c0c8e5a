//! Processes that share a checkout or a cache (A28 to A31).
