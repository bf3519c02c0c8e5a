//! What happens before a build, and which steps have to run then.

use crate::contender::{Built, Contender, Kind};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scenario {
    FreshCold,
    Fresh,
    Unchanged,
    Touched,
    OneService,
    LibraryComment,
    Library,
    TwoServices,
    TakenBack,
    SecondCheckout,
    AfterClean,
}

/// What came of a scenario.
pub(crate) struct Row {
    pub(crate) scenario: Scenario,
    pub(crate) times: Vec<(Kind, Vec<Duration>)>,
    pub(crate) ran: BTreeSet<String>,
    /// What was wrong with the set of steps that ran, if anything was.
    pub(crate) wrong_set: Option<String>,
}

impl Scenario {
    pub(crate) const ALL: [Self; 11] = [
        Self::FreshCold,
        Self::Fresh,
        Self::Unchanged,
        Self::Touched,
        Self::OneService,
        Self::LibraryComment,
        Self::Library,
        Self::TwoServices,
        Self::TakenBack,
        Self::SecondCheckout,
        Self::AfterClean,
    ];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::FreshCold => "1 fresh, cold Go cache",
            Self::Fresh => "1 fresh, warm Go cache",
            Self::Unchanged => "2 nothing changed",
            Self::Touched => "  every file touched",
            Self::OneService => "3 one service",
            Self::LibraryComment => "4 library, a comment",
            Self::Library => "4 library, for real",
            Self::TwoServices => "5 two services",
            Self::TakenBack => "  a change taken back",
            Self::SecondCheckout => "  a second checkout",
            Self::AfterClean => "  after cargo clean",
        }
    }

    /// The steps that have to run, and no others.
    fn expected(self) -> BTreeSet<String> {
        let steps: &[&str] = match self {
            Self::FreshCold | Self::Fresh => {
                &["models", "utils", "api", "worker", "admin", "release"]
            }
            Self::OneService => &["worker", "release"],
            Self::LibraryComment => &["models", "api", "worker", "admin"],
            Self::Library => &["models", "api", "worker", "admin", "release"],
            Self::TwoServices => &["api", "worker", "release"],
            Self::Unchanged
            | Self::Touched
            | Self::TakenBack
            | Self::SecondCheckout
            | Self::AfterClean => &[],
        };
        steps.iter().map(|step| (*step).to_owned()).collect()
    }
}

/// Runs a scenario so often for each contender, in turn, so that a slow moment of the machine meets all of them.
pub(crate) fn measure(scenario: Scenario, contenders: &[Contender], runs: usize) -> Result<Row> {
    let mut times: Vec<_> =
        contenders.iter().map(|contender| (contender.kind, Vec::new())).collect();
    let mut row = Row { scenario, times: Vec::new(), ran: BTreeSet::new(), wrong_set: None };
    for contender in contenders {
        contender.build()?;
    }
    for round in 0..runs {
        for (contender, (_, times)) in contenders.iter().zip(&mut times) {
            let Built { took, ran } = prepare_and_build(scenario, contender, round)?;
            times.push(took);
            if let Some(ran) = ran {
                if ran != scenario.expected() {
                    row.wrong_set =
                        Some(format!("ran {ran:?}, expected {:?}", scenario.expected()));
                }
                row.ran = ran;
            }
        }
    }
    row.times = times;
    Ok(row)
}

fn prepare_and_build(scenario: Scenario, contender: &Contender, round: usize) -> Result<Built> {
    let root = &contender.root;
    match scenario {
        Scenario::FreshCold => contender.forget(true, true)?,
        Scenario::Fresh => contender.forget(true, false)?,
        Scenario::Unchanged => {}
        Scenario::Touched => touch_everything(root)?,
        Scenario::OneService => change(root, SERVICE, scenario, round)?,
        Scenario::LibraryComment => append(&root.join(LIBRARY), &format!("// Comment {round}.\n"))?,
        Scenario::Library => change(root, LIBRARY, scenario, round)?,
        Scenario::TwoServices => {
            change(root, SERVICE, scenario, round)?;
            change(root, OTHER_SERVICE, scenario, round)?;
        }
        Scenario::TakenBack => {
            let path = root.join(LIBRARY);
            let before = fs::read(&path)?;
            change(root, LIBRARY, scenario, round)?;
            contender.build()?;
            fs::write(&path, before)?;
        }
        Scenario::SecondCheckout => return contender.checkout("second checkout")?.build(),
        Scenario::AfterClean => {
            cargo_clean(root)?;
            contender.forget(false, false)?;
        }
    }
    contender.build()
}

const SERVICE: &str = "services/worker/processor.go";
const OTHER_SERVICE: &str = "services/api/main.go";
const LIBRARY: &str = "shared/models/order.go";

/// A change that shows in the binary: a function that cannot be optimised away, with a number that was not there before.
fn change(root: &Path, file: &str, scenario: Scenario, round: usize) -> Result<()> {
    let number = 1_000 * (scenario as usize + 1) + round;
    let code = format!(
        "\n//go:noinline\nfunc revision{number}() int {{ return {number} }}\n\nfunc init() {{ revision{number}() }}\n"
    );
    append(&root.join(file), &code)
}

fn append(path: &Path, text: &str) -> Result<()> {
    let before = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    Ok(fs::write(path, before + text)?)
}

fn touch_everything(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                touch_everything(&path)?;
            }
        } else {
            fs::File::options()
                .append(true)
                .open(&path)?
                .set_modified(std::time::SystemTime::now())?;
        }
    }
    Ok(())
}

fn cargo_clean(root: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let done = Command::new(cargo).args(["clean", "--quiet"]).current_dir(root).status()?;
    anyhow::ensure!(done.success(), "cargo clean failed");
    Ok(())
}
