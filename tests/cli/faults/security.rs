//! Hostile caches, names and checkouts (A44 to A46).
