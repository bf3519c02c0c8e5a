//! Keys and the detection of changes (A01 to A07).

use super::ends_well;
use crate::project::{project, step};

#[test]
fn a02_what_was_only_touched_runs_nothing_and_what_is_taken_back_is_restored() {
    let p = project(&step("gen", "cat in > {out}/x", "inputs = [\"in\"]\noutputs = [\"{out}/x\"]"));
    p.write("in", "A");
    p.granular("build").success();
    p.write("in", "B");
    p.granular("build").success();
    assert_eq!(p.ran(), ["gen", "gen"]);
    p.write("in", "B");
    assert!(ends_well(&p).is_empty(), "only touched");
    p.write("in", "A");
    assert!(ends_well(&p).is_empty(), "taken back");
    assert_eq!(p.read_out("gen/x"), "A");
    p.write("Cargo.toml", p.read("Cargo.toml") + "\n[workspace.metadata.other]\na = 1\n");
    assert!(ends_well(&p).is_empty(), "another table of the manifest");
}
