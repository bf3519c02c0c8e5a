//! Running steps (A47 to A53).
