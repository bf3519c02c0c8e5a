//! The trees that the benchmark `beside` writes build right with us and with make and ninja, so that its figures are of work that was done.

#[path = "../../benches/beside/contender.rs"]
#[allow(dead_code, reason = "the benchmark needs more of it")]
mod contender;
#[path = "../../benches/beside/expected.rs"]
#[allow(dead_code, reason = "the benchmark needs more of it")]
mod expected;
#[path = "../../benches/measuring.rs"]
#[allow(dead_code, reason = "the benchmarks need more of it")]
mod measuring;
#[path = "../../benches/beside/scenario.rs"]
#[allow(dead_code, reason = "the benchmark needs more of it")]
mod scenario;
#[path = "../../benches/beside/setup.rs"]
mod setup;
#[path = "../../benches/beside/work.rs"]
mod work;

use contender::{Contender, Kind, Programs};
use expected::Expected;
use scenario::Scenario;
use std::path::Path;
use work::{Shape, Work};

/// Builds `shape` with everybody of `kinds` from scenario to scenario: whatever has to run then runs, and nothing else, and leaves what it has to.
fn builds_right(shape: Shape, kinds: &[Kind], scenarios: &[Scenario]) {
    let scratch = measuring::Scratch::new(&format!("trees-{shape}")).unwrap();
    let work = Work::new(shape).unwrap();
    let mut expected = Expected::new(&work, &scratch.0).unwrap();
    let programs = Programs {
        ours: env!("CARGO_BIN_EXE_cargo-granular").into(),
        peers: scratch.0.join("none"),
        jobs: 2,
    };
    for kind in kinds.iter().copied().filter(|kind| kind.builds(shape)) {
        let mut contender = Contender::new(kind, &work, &programs, &scratch.0).unwrap();
        for (round, scenario) in scenarios.iter().enumerate() {
            scenario.prepare(&work, &mut contender, round, build).unwrap();
            contender.ran().unwrap();
            // Make goes by times, in steps of the file system's clock.
            std::thread::sleep(std::time::Duration::from_millis(20));
            build(&contender).unwrap();
            let what = format!("{} in {}", kind.title(), scenario.title());
            let due = scenario.expected(&work, &contender);
            assert_eq!(contender.ran().unwrap(), due, "{what}");
            let at = |step: &work::Step| contender.output_of(step);
            let wrong = expected.wrong(&work, &contender.edits, &contender.root, at).unwrap();
            assert_eq!(wrong, None, "{what}");
        }
    }
}

fn build(contender: &Contender) -> anyhow::Result<()> {
    let built = contender.command().output()?;
    let said = String::from_utf8_lossy(&built.stderr);
    anyhow::ensure!(built.status.success(), "{}: {said}", contender.kind.title());
    Ok(())
}

const OURS_AND_NEXT: [Kind; 5] =
    [Kind::Granular, Kind::GranularPackages, Kind::Ninja, Kind::Make, Kind::Shell];

#[test]
fn generated_trees_build_right_with_us_and_with_make_and_ninja() {
    use Scenario::{Cold, Deleted, Leaf, NoOp, Touched};
    let scenarios = [Cold, NoOp, Deleted, Leaf, NoOp, Touched, Cold];
    builds_right(Shape::Grid { steps: 5, files: 3 }, &OURS_AND_NEXT, &scenarios);
}

#[test]
fn in_a_generated_tree_of_five_layers_a_change_below_goes_up() {
    let shape = Shape::Grid { steps: 25, files: 1 };
    let work = Work::new(shape).unwrap();
    let needed = |step: &work::Step| !step.needs.is_empty();
    assert_eq!(work.steps.iter().filter(|step| needed(step)).count(), 20);
    builds_right(shape, &[Kind::Granular, Kind::Ninja], &[Scenario::Cold, Scenario::Leaf]);
}

#[test]
fn what_the_benchmark_expects_of_a_changed_file_is_what_cksum_says_of_it() {
    // Held against the real `cksum` by a build with the plain shell: an edit at the bottom changes all that needs it.
    let scratch = measuring::Scratch::new("trees-cksum").unwrap();
    let work = Work::new(Shape::Grid { steps: 5, files: 3 }).unwrap();
    let mut expected = Expected::new(&work, &scratch.0).unwrap();
    let programs =
        Programs { ours: Path::new("none").into(), peers: scratch.0.join("none"), jobs: 1 };
    let mut shell = Contender::new(Kind::Shell, &work, &programs, &scratch.0).unwrap();
    build(&shell).unwrap();
    let edits = [(work.steps[0].files[0].clone(), "another line\n".to_owned())].into();
    shell.edit(&work, edits).unwrap();
    let mut wrong = |shell: &Contender| {
        let at = |step: &work::Step| step.output_path();
        expected.wrong(&work, &shell.edits, &shell.root, at).unwrap()
    };
    let needing = work.steps.iter().filter(|step| step.needs.contains(&0)).count();
    assert!(needing > 0);
    let told = wrong(&shell).expect("nothing was built since");
    assert!(told.starts_with(&format!("{} of the outputs are wrong", needing + 1)), "{told}");
    build(&shell).unwrap();
    assert_eq!(wrong(&shell), None);
}
