//! Inputs or outputs that change while a step runs (A08 to A10).
