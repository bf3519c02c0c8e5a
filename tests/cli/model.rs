//! Random graphs, edits, tampering and kills against a model: after each build the outputs are those of a clean build, and no step
//! ran that need not.
//!
//! The model knows what each step makes of its files and of what its needs export. A step has to run exactly when nothing has been
//! stored for that; after a kill it is open whether the steps that had begun were stored. `GRANULAR_MODEL_CASES` sets the number of cases.

use crate::project::{Project, project, step};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The number of source files, each read by some of the steps.
const FILES: usize = 4;

/// What a step makes of what it sees.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// One file with everything in it.
    Whole,
    /// One file with everything but comments: a comment upstream is cut off here.
    Code,
    /// Nothing: a check.
    Check,
    /// One file for each different line: their number and names depend on what it sees.
    Lines,
}

#[derive(Clone, Debug)]
struct Spec {
    kind: Kind,
    files: BTreeSet<usize>,
    needs: BTreeSet<usize>,
}

#[derive(Clone, Debug)]
enum Op {
    Edit(usize, u8),
    Comment(usize, u8),
    Build,
    Kill(u64),
    DeleteOutput(usize),
    TamperOutput(usize),
    WipeTarget,
    SecondCheckout,
}

fn spec(index: usize) -> impl Strategy<Value = Spec> {
    let kind =
        prop_oneof![Just(Kind::Whole), Just(Kind::Code), Just(Kind::Check), Just(Kind::Lines)];
    (kind, vec(0..FILES, 1..3), vec(0..index.max(1), 0..3)).prop_map(move |(kind, files, needs)| {
        Spec {
            kind,
            files: files.into_iter().collect(),
            needs: needs.into_iter().filter(|need| *need < index).collect(),
        }
    })
}

fn specs() -> impl Strategy<Value = Vec<Spec>> {
    (2..6_usize)
        .prop_flat_map(|count| (0..count).map(|index| spec(index).boxed()).collect::<Vec<_>>())
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..FILES, 0..3_u8).prop_map(|(file, value)| Op::Edit(file, value)),
        2 => (0..FILES, 0..3_u8).prop_map(|(file, value)| Op::Comment(file, value)),
        5 => Just(Op::Build),
        2 => (0..60_u64).prop_map(Op::Kill),
        1 => (0..6_usize).prop_map(Op::DeleteOutput),
        1 => (0..6_usize).prop_map(Op::TamperOutput),
        1 => Just(Op::WipeTarget),
        1 => Just(Op::SecondCheckout),
    ]
}

/// What one output file of a step is called, and what it holds.
type Made = BTreeMap<String, String>;

/// The state of the world as the model has it.
struct Model {
    specs: Vec<Spec>,
    code: [u8; FILES],
    comment: [u8; FILES],
    /// What steps have been stored for: step, and what it saw.
    stored: BTreeSet<(usize, String)>,
    /// The same, where a kill left it open.
    perhaps: BTreeSet<(usize, String)>,
}

impl Model {
    fn file(&self, file: usize) -> String {
        format!("file {file} {}\n# comment {}\n", self.code[file], self.comment[file])
    }

    /// What step `index` sees as its input: its files and the outputs of its needs, as its script puts them together.
    fn sees(&self, index: usize) -> String {
        let files: String = self.specs[index].files.iter().map(|file| self.file(*file)).collect();
        let needs =
            self.specs[index].needs.iter().filter(|need| self.specs[**need].kind != Kind::Check);
        files + &needs.flat_map(|need| self.makes(*need).into_values()).collect::<String>()
    }

    /// What decides on its key besides: what checks among its needs read.
    fn key(&self, index: usize) -> String {
        let exported = self.specs[index].needs.iter().map(|need| match self.specs[*need].kind {
            Kind::Check => self.key(*need),
            _ => format!("{:?}", self.makes(*need)),
        });
        let files: String = self.specs[index].files.iter().map(|file| self.file(*file)).collect();
        files + &exported.collect::<Vec<_>>().join("|")
    }

    fn makes(&self, index: usize) -> Made {
        let sees = self.sees(index);
        match self.specs[index].kind {
            Kind::Whole => [("x".to_owned(), sees)].into(),
            Kind::Code => [(
                "x".to_owned(),
                sees.lines()
                    .filter(|line| !line.starts_with('#'))
                    .map(|line| format!("{line}\n"))
                    .collect(),
            )]
            .into(),
            Kind::Check => Made::new(),
            Kind::Lines => sees
                .lines()
                .map(|line| (line.replace([' ', '#'], "_"), format!("{line}\n")))
                .collect(),
        }
    }

    /// The steps that have to run now, and those that may.
    fn to_run(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let entry = |index: usize| (index, self.key(index));
        let missing = (0..self.specs.len()).filter(|index| !self.stored.contains(&entry(*index)));
        let (may, must): (Vec<_>, Vec<_>) =
            missing.partition(|index| self.perhaps.contains(&entry(*index)));
        let names = |indices: &[usize]| indices.iter().map(|index| format!("s{index}")).collect();
        (names(&must), names(&may))
    }

    fn keys(&self) -> Vec<(usize, String)> {
        (0..self.specs.len()).map(|index| (index, self.key(index))).collect()
    }
}

fn tables(specs: &[Spec]) -> String {
    let table = |(index, spec): (usize, &Spec)| {
        let files: Vec<_> = spec.files.iter().map(|file| format!("f{file}.txt")).collect();
        let dirs = spec.needs.iter().filter(|need| specs[**need].kind != Kind::Check);
        let outs: String = dirs.map(|need| format!(" {{needs.s{need}.out}}/*")).collect();
        let cat = format!("cat {}{outs}", files.join(" "));
        let script = match spec.kind {
            Kind::Whole => format!("{cat} > {{out}}/x"),
            Kind::Code => format!("{cat} | sed '/^#/d' > {{out}}/x"),
            Kind::Check => format!("{cat} > /dev/null"),
            Kind::Lines => format!(
                "{cat} | while read -r line; do echo \"$line\" > {{out}}/\"$(echo \"$line\" | tr ' #' '__')\"; done"
            ),
        };
        let outputs = if spec.kind == Kind::Check { "[]" } else { "[\"{out}\"]" };
        let needs: Vec<_> = spec.needs.iter().map(|need| format!("s{need}")).collect();
        // A number of its own keeps two steps that look alike from sharing a result, which the model does not know of.
        step(
            &format!("s{index}"),
            &script,
            &format!(
                "inputs = {files:?}\noutputs = {outputs}\nneeds = {needs:?}\nenv = {{ N = \"{index}\" }}"
            ),
        )
    };
    specs.iter().enumerate().map(table).collect()
}

fn made(p: &Project, index: usize) -> Made {
    let dir = p.path(&format!("target/granular/out/@workspace/s{index}"));
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| {
            (
                entry.file_name().into_string().unwrap(),
                std::fs::read_to_string(entry.path()).unwrap(),
            )
        })
        .collect()
}

/// A plain build, held against the model.
fn build(p: &Project, model: &mut Model) -> Result<(), TestCaseError> {
    let (must, may) = model.to_run();
    p.ran();
    let run = p.granular("build -j2");
    prop_assert!(run.stderr().contains("Finished"), "{}", run);
    let ran = p.ran();
    let once: BTreeSet<String> = ran.iter().cloned().collect();
    prop_assert_eq!(once.len(), ran.len(), "a step ran twice: {:?}\n{}", ran, run);
    prop_assert!(must.is_subset(&once), "had to run: {:?}, ran: {:?}\n{}", must, once, run);
    let idle: Vec<_> =
        once.iter().filter(|step| !must.contains(*step) && !may.contains(*step)).collect();
    prop_assert!(idle.is_empty(), "need not have run: {:?}\n{}", idle, run);
    for index in 0..model.specs.len() {
        if model.specs[index].kind != Kind::Check {
            prop_assert_eq!(made(p, index), model.makes(index), "s{}\n{}", index, run);
        }
    }
    let keys = model.keys();
    model.stored.extend(keys);
    Ok(())
}

fn killed_build(p: &Project, model: &mut Model, after: Duration) {
    p.ran();
    let mut child = p.command("build -j2").command.spawn().unwrap();
    std::thread::sleep(after);
    let _ = child.kill();
    let _ = child.wait();
    // Steps that are still running are orphans now; what they do to their outputs must be over before the next build is judged.
    let mut quiet = 0;
    while quiet < 3 {
        std::thread::sleep(Duration::from_millis(10));
        quiet = if p.ran().is_empty() { quiet + 1 } else { 0 };
    }
    let keys = model.keys();
    model.perhaps.extend(keys);
}

fn play(specs: Vec<Spec>, ops: &[Op]) -> Result<(), TestCaseError> {
    let p = project(&tables(&specs));
    let mut model = Model {
        specs,
        code: [0; FILES],
        comment: [0; FILES],
        stored: BTreeSet::new(),
        perhaps: BTreeSet::new(),
    };
    let write = |model: &Model, file: usize| {
        p.write(&format!("f{file}.txt"), model.file(file));
    };
    (0..FILES).for_each(|file| write(&model, file));
    let output = |index: usize, model: &Model| {
        let index = index % model.specs.len();
        let name = model.makes(index).into_keys().next()?;
        let path = format!("target/granular/out/@workspace/s{index}/{name}");
        p.path(&path).exists().then_some(path)
    };
    for op in ops {
        match op {
            Op::Edit(file, value) => {
                model.code[*file] = *value;
                write(&model, *file);
            }
            Op::Comment(file, value) => {
                model.comment[*file] = *value;
                write(&model, *file);
            }
            Op::Build => build(&p, &mut model)?,
            Op::Kill(after) => killed_build(&p, &mut model, Duration::from_millis(*after)),
            Op::DeleteOutput(index) => {
                if let Some(path) = output(*index, &model) {
                    p.remove(&path);
                }
            }
            Op::TamperOutput(index) => {
                if let Some(path) = output(*index, &model) {
                    p.write(&path, "tampered\n");
                }
            }
            Op::WipeTarget if p.path("target").exists() => p.remove("target"),
            Op::WipeTarget => {}
            Op::SecondCheckout => {
                let _ = std::fs::remove_dir_all(p.root().with_file_name("second"));
                build(&p.checkout("second"), &mut model)?;
            }
        }
    }
    build(&p, &mut model)?;
    build(&p, &mut model)?;
    let verify = p.granular("verify");
    prop_assert!(
        verify.to_string().lines().all(|line| !line.starts_with("[exit code")),
        "{}",
        verify
    );
    Ok(())
}

#[test]
fn whatever_happens_the_next_build_equals_a_clean_one_and_runs_no_step_in_vain() {
    let cases = std::env::var("GRANULAR_MODEL_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(16);
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(20_261_122),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    };
    let strategy = (specs(), vec(op(), 3..14));
    TestRunner::new(config)
        .run(&strategy, |(specs, ops)| play(specs, &ops))
        .unwrap_or_else(|error| panic!("{error}"));
}
