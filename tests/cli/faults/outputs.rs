//! Outputs: what is captured and what is restored (A11 to A20).
