//! Crashes, full disks and rotten bits (A21 to A27).
