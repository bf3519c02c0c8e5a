//! A67: whatever happens, the next build equals a clean one, runs no step in vain, and says `fresh` only of what is.
//!
//! Random steps and a random sequence of what a user, a crash or a stranger may do ([`Op`]). After every build what lies on disk, what ran and
//! what the program said are held against a model: `world` says what each step makes and `kept` what should be kept of it, both
//! without knowing any file system; `play` does the sequence for real. What failed is made as short as it gets, and comes with a shell
//! script that does the same again (`script`).
//!
//! Each case has a seed, so that one can be played again. `GRANULAR_MODEL_CASES` is the number of cases, `GRANULAR_MODEL_SEED` the first seed.

mod kept;
mod play;
mod script;
mod world;

use play::play;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use world::{FILES, Glob, Kind, Step, TABLES};

/// Which steps a build is asked for, and how.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// None are all.
    steps: BTreeSet<usize>,
    jobs: u8,
    keep_going: bool,
    no_cache: bool,
}

/// One thing that happens. Numbers are taken modulo what there is.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    /// Value and comment of a source; whether its time stays as it was.
    Edit {
        file: usize,
        value: u8,
        comment: u8,
        keep_time: bool,
    },
    /// A source becomes executable, or is so no longer.
    Executable(usize),
    AddFile(usize, u8),
    DeleteFile(usize),
    RenameFile(usize, usize),
    Table(usize, TableEdit),
    /// Sources and steps as they were before some edit.
    Revert(usize),
    Build(Asked),
    Killed(Asked, u64),
    Interrupted(Asked, u64),
    EditDuring {
        asked: Asked,
        after: u64,
        file: usize,
        value: u8,
    },
    /// Two builds at once, of this checkout or of both.
    Parallel {
        asked: Asked,
        both: bool,
    },
    Tamper {
        step: usize,
        entry: usize,
        how: Tampering,
    },
    DamageCache {
        file: usize,
        how: Damage,
    },
    DamageState {
        file: usize,
        how: Damage,
    },
    Gc(u64),
    Clean,
    WipeState,
    WipeTarget,
    WipeCache,
    Switch,
    Move,
}

/// A change of a step's table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TableEdit {
    Word(u8),
    Place,
    Need(usize),
    Glob(Glob),
}

/// What happens to an output.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tampering {
    Delete,
    Append,
    Executable,
    Directory,
    Link,
    Plant,
    DirectoryLink,
}

/// What happens to a file of the cache or of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    Delete,
    Truncate,
    Flip,
    Zeros,
    Extend,
    Directory,
    Swap,
}

fn step(index: usize) -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        3 => Just(Kind::Whole),
        3 => Just(Kind::Cutoff),
        2 => Just(Kind::Check),
        1 => Just(Kind::Set),
        3 => Just(Kind::Many),
        3 => Just(Kind::Tree),
        2 => Just(Kind::Incremental),
        1 => Just(Kind::Flaky),
        2 => Just(Kind::Slow),
        1 => Just(Kind::Stamp),
    ];
    let needs = btree_set(0..index.max(1), 0..3);
    (kind, 0..TABLES.len(), btree_set(0..FILES, 1..3), glob(), needs, any::<bool>(), 0..3_u8)
        .prop_map(|(kind, table, files, glob, needs, in_tree, word)| Step {
            kind,
            table,
            files,
            glob,
            needs,
            in_tree,
            word,
        })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    (2..8_usize)
        .prop_flat_map(|count| (0..count).map(|index| step(index).boxed()).collect::<Vec<_>>())
}

fn glob() -> impl Strategy<Value = Glob> {
    prop_oneof![2 => Just(Glob::Nothing), 1 => Just(Glob::Texts), 1 => Just(Glob::All)]
}

fn asked() -> impl Strategy<Value = Asked> {
    let steps = prop_oneof![2 => Just(BTreeSet::new()), 1 => btree_set(0..8_usize, 1..3)];
    (steps, 1..9_u8, any::<bool>(), prop::bool::weighted(0.1))
        .prop_map(|(steps, jobs, keep_going, no_cache)| Asked { steps, jobs, keep_going, no_cache })
}

fn damage() -> impl Strategy<Value = Damage> {
    use Damage::{Delete, Directory, Extend, Flip, Swap, Truncate, Zeros};
    prop::sample::select(vec![Delete, Truncate, Flip, Zeros, Extend, Directory, Swap])
}

fn op() -> impl Strategy<Value = Op> {
    use Tampering::{Append, Delete, Directory, DirectoryLink, Executable, Link, Plant};
    let edit = |file, value, comment, keep_time| Op::Edit { file, value, comment, keep_time };
    let table = prop_oneof![
        2 => (0..3_u8).prop_map(TableEdit::Word),
        1 => Just(TableEdit::Place),
        1 => (0..8_usize).prop_map(TableEdit::Need),
        1 => glob().prop_map(TableEdit::Glob),
    ];
    let tampering = vec![Delete, Append, Executable, Directory, Link, Plant, DirectoryLink];
    let tampering = prop::sample::select(tampering);
    prop_oneof![
        16 => (0..16_usize, 0..4_u8, 0..3_u8, Just(false))
            .prop_map(move |(file, value, comment, keep)| edit(file, value, comment, keep)),
        5 => (0..16_usize, 0..4_u8, 0..3_u8, Just(true))
            .prop_map(move |(file, value, comment, keep)| edit(file, value, comment, keep)),
        2 => (0..16_usize).prop_map(Op::Executable),
        3 => (0..4_usize, 0..4_u8).prop_map(|(name, value)| Op::AddFile(name, value)),
        2 => (0..4_usize).prop_map(Op::DeleteFile),
        2 => (0..4_usize, 0..4_usize).prop_map(|(from, to)| Op::RenameFile(from, to)),
        4 => (0..8_usize, table).prop_map(|(step, edit)| Op::Table(step, edit)),
        8 => (0..8_usize).prop_map(Op::Revert),
        20 => asked().prop_map(Op::Build),
        9 => (asked(), 0..120_u64).prop_map(|(asked, after)| Op::Killed(asked, after)),
        3 => (asked(), 0..120_u64).prop_map(|(asked, after)| Op::Interrupted(asked, after)),
        4 => (asked(), 0..90_u64, 0..16_usize, 0..4_u8)
            .prop_map(|(asked, after, file, value)| Op::EditDuring { asked, after, file, value }),
        4 => (asked(), any::<bool>()).prop_map(|(asked, both)| Op::Parallel { asked, both }),
        8 => (0..8_usize, 0..8_usize, tampering)
            .prop_map(|(step, entry, how)| Op::Tamper { step, entry, how }),
        5 => (any::<u16>(), damage())
            .prop_map(|(file, how)| Op::DamageCache { file: file.into(), how }),
        3 => (any::<u16>(), damage())
            .prop_map(|(file, how)| Op::DamageState { file: file.into(), how }),
        2 => (0..20_000_u64).prop_map(Op::Gc),
        1 => Just(Op::Clean),
        1 => Just(Op::WipeState),
        1 => Just(Op::WipeTarget),
        1 => Just(Op::WipeCache),
        5 => Just(Op::Switch),
        1 => Just(Op::Move),
    ]
}

#[test]
fn a67_a_sequence_prints_as_a_script_that_does_the_same() {
    let step = |kind, table, needs: &[usize], in_tree| Step {
        kind,
        table,
        files: [0].into(),
        glob: Glob::All,
        needs: needs.iter().copied().collect(),
        in_tree,
        word: 1,
    };
    let steps = vec![step(Kind::Tree, 1, &[], true), step(Kind::Many, 0, &[0], false)];
    let all = Asked { steps: BTreeSet::new(), jobs: 2, keep_going: false, no_cache: false };
    let edit = Op::Edit { file: 0, value: 2, comment: 1, keep_time: true };
    let tamper = Op::Tamper { step: 1, entry: 0, how: Tampering::Append };
    let ops = [Op::Build(all.clone()), edit, Op::AddFile(0, 1), Op::Build(all.clone()), tamper];
    let text = play(steps, &[&ops[..], &[Op::Switch, Op::Build(all)]].concat(), false).unwrap();
    let run = std::process::Command::new("sh")
        .args(["-c", &text.text()])
        .env("GRANULAR", env!("CARGO_BIN_EXE_cargo-granular"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stdout).into_owned();
    let count = |word: &str| told.matches(&format!("\"status\":\"{word}\"")).count();
    assert!(run.status.success(), "{run:?}");
    // Twice both steps run, the other checkout has both restored, and three builds at the end find them as they are.
    assert_eq!((count("ran"), count("restored"), count("fresh")), (4, 2, 6), "{run:?}");
}

/// One case; what went wrong if something did.
fn case(seed: u64) -> Result<(), String> {
    let config = Config {
        cases: 1,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 300,
        max_shrink_time: 90_000,
        ..Config::default()
    };
    // A clean build by the program itself now and then, so that the model is held against something as well.
    let with_clean_build = seed.is_multiple_of(8);
    TestRunner::new(config)
        .run(&(steps(), vec(op(), 4..16)), |(steps, ops)| {
            play(steps, &ops, with_clean_build).map(drop).map_err(TestCaseError::fail)
        })
        .map_err(|error| {
            format!(
                "GRANULAR_MODEL_SEED={seed} GRANULAR_MODEL_CASES=1 plays this again.\n{}",
                error.to_string().replace("\\n", "\n")
            )
        })
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().unwrap())
}

#[test]
fn a67_whatever_happens_the_next_build_equals_a_clean_one_and_runs_no_step_in_vain() {
    let cases = number("GRANULAR_MODEL_CASES", 32);
    let first = number("GRANULAR_MODEL_SEED", 1);
    let (next, failures) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= cases || failures.lock().unwrap().len() >= 5 {
                        return;
                    }
                    if let Err(failure) = case(first + at) {
                        eprintln!("{failure}");
                        failures.lock().unwrap().push(failure);
                    }
                    if at % 100 == 99 {
                        eprintln!("{} of {cases} sequences", at + 1);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} sequences failed:\n{}", failures.len(), failures.join("\n"));
}
