//! File systems: names, permissions, locks (A54 to A58).
