//! The graph and its configuration (A59 to A63).
