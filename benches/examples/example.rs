//! The examples as data: what is asked for, what happens before a build, and which actions have to run then.

use crate::contender::{Ask, Built, Contender, Kind};
use crate::edit;
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

pub(crate) struct Example {
    pub(crate) name: &'static str,
    /// What brings all of it up to date.
    pub(crate) ask: Ask,
    pub(crate) scenarios: &'static [Scenario],
}

pub(crate) struct Scenario {
    pub(crate) title: &'static str,
    /// Where only a part is asked for.
    part: Option<Ask>,
    before: Before,
    /// The actions that have to run, and no others.
    expected: &'static [&'static str],
}

/// What happens before a build that is measured.
enum Before {
    Nothing,
    /// Nothing is built, and no result is kept.
    Forget,
    /// The sources are changed, in another way in each round.
    Change(fn(&Path, usize) -> Result<()>),
    /// They are changed, built and changed back, by the same function in a round that is no other's.
    TakeBack(fn(&Path, usize) -> Result<()>, &'static str),
    /// Another checkout is built instead.
    OtherCheckout,
}

/// What came of a scenario.
pub(crate) struct Row {
    pub(crate) title: &'static str,
    pub(crate) times: Vec<(Kind, Vec<Duration>)>,
    pub(crate) ran: BTreeSet<String>,
    /// What was wrong with the set of actions that ran, if anything was.
    pub(crate) wrong_set: Option<String>,
}

const fn scenario(
    title: &'static str,
    before: Before,
    expected: &'static [&'static str],
) -> Scenario {
    Scenario { title, part: None, before, expected }
}

pub(crate) const ALL: &[Example] = &[DATA_PIPELINE, TOOL_WRAPPER, TEST_CACHING];

const DATA_PIPELINE: Example = Example {
    name: "data-pipeline",
    ask: Ask { by_hand: &[], granular: &["build"] },
    scenarios: &[
        scenario("fresh", Before::Forget, ALL_STAGES),
        scenario("nothing changed", Before::Nothing, &[]),
        scenario("the report", Before::Change(change_report), &["report"]),
        scenario("cleaning, a comment", Before::Change(comment_cleaning), &["clean"]),
        scenario("cleaning, for real", Before::Change(change_cleaning), FROM_CLEANING),
        scenario("another version of the data", Before::Change(change_version), ALL_STAGES),
        scenario("a change taken back", Before::TakeBack(change_cleaning, CLEAN), &[]),
        scenario("a second checkout", Before::OtherCheckout, &[]),
    ],
};

const ALL_STAGES: &[&str] = &["shop", "fetch", "clean", "transform", "analyse", "report"];
const FROM_CLEANING: &[&str] = &["clean", "transform", "analyse", "report"];
const CLEAN: &str = "pipeline/clean.py";

fn change_report(root: &Path, round: usize) -> Result<()> {
    let title = format!("TITLE = \"Sales {round}\"");
    edit::replace(root, "pipeline/report.py", "TITLE = \"Sales\"", &title)
}

fn comment_cleaning(root: &Path, round: usize) -> Result<()> {
    edit::append(root, CLEAN, &format!("\n# Comment {round}.\n"))
}

/// The orders of a customer more are put aside.
fn change_cleaning(root: &Path, round: usize) -> Result<()> {
    let to = format!("if row[\"customer\"] in (\"\", \"C{:05}\"):", round + 1);
    edit::replace(root, CLEAN, "if not row[\"customer\"]:", &to)
}

fn change_version(root: &Path, round: usize) -> Result<()> {
    edit::replace(root, "source.json", "2024-06", &format!("2024-06.{round}"))
}

const TOOL_WRAPPER: Example = Example {
    name: "tool-wrapper",
    ask: Ask { by_hand: &[], granular: &["build"] },
    scenarios: &[
        scenario("fresh, packages in npm's and Go's caches", Before::Forget, ALL_TOOLS),
        scenario("nothing changed", Before::Nothing, &[]),
        scenario("a style sheet", Before::Change(change_sheet), &["css[sheet=shop]"]),
        scenario("a script", Before::Change(change_script), &["lint", "js"]),
        scenario("a .proto, a comment", Before::Change(comment_proto), &["proto"]),
        scenario("a .proto, a field", Before::Change(change_proto), &["proto", "vet"]),
        scenario("a change taken back", Before::TakeBack(change_script, SCRIPT), &[]),
        scenario("a second checkout", Before::OtherCheckout, &[]),
        part("protoc alone, nothing changed", &["proto"], &["build", "proto"]),
        part("go vet alone, nothing changed", &["vet"], &["build", "vet"]),
        part("ESLint alone, nothing changed", &["lint"], &["build", "lint"]),
        part("assets alone, nothing changed", &["assets"], &["build", "js", "css", "svg"]),
    ],
};

const fn part(
    title: &'static str,
    by_hand: &'static [&'static str],
    granular: &'static [&'static str],
) -> Scenario {
    Scenario {
        title,
        part: Some(Ask { by_hand, granular }),
        before: Before::Nothing,
        expected: &[],
    }
}

const ALL_TOOLS: &[&str] = &[
    "web-tools",
    "protoc-gen-go",
    "proto",
    "vet",
    "lint",
    "js",
    "css[sheet=shop]",
    "css[sheet=print]",
    "svg",
];
const SCRIPT: &str = "web/src/cart.js";

fn change_sheet(root: &Path, round: usize) -> Result<()> {
    edit::append(
        root,
        "web/src/shop.css",
        &format!("\n.round-{round} {{\n  margin: {round}px;\n}}\n"),
    )
}

fn change_script(root: &Path, round: usize) -> Result<()> {
    let count = format!("add(product, count = {}) {{", round + 2);
    edit::replace(root, SCRIPT, "add(product, count = 1) {", &count)
}

fn comment_proto(root: &Path, round: usize) -> Result<()> {
    edit::append(root, "proto/catalog/v1/product.proto", &format!("\n// Comment {round}.\n"))
}

fn change_proto(root: &Path, round: usize) -> Result<()> {
    let message = format!("\nmessage Round{round} {{\n  string text = 1;\n}}\n");
    edit::append(root, "proto/catalog/v1/product.proto", &message)
}

const TEST_CACHING: Example = Example {
    name: "test-caching",
    ask: Ask { by_hand: &[], granular: &["test", "integration"] },
    scenarios: &[
        scenario("fresh, warm Go cache", Before::Forget, ALL_TESTS),
        scenario("nothing changed", Before::Nothing, &[]),
        scenario("a package, a comment", Before::Change(comment_package), BINARIES),
        scenario("the tests of a package", Before::Change(change_test), STOCK),
        scenario("a package, for real", Before::Change(change_package), STOCK_AND_ORDERS),
        scenario("the service's schema", Before::Change(change_schema), INTEGRATION),
        scenario("a change taken back", Before::TakeBack(change_package, PACKAGE), &[]),
        scenario("a second checkout", Before::OtherCheckout, &[]),
    ],
};

const BINARIES: &[&str] = &[
    "test-binary[package=customers]",
    "test-binary[package=stock]",
    "test-binary[package=orders]",
];
const INTEGRATION: &[&str] = &[
    "integration[package=customers]",
    "integration[package=stock]",
    "integration[package=orders]",
];
const ALL_TESTS: &[&str] = &[
    "test-binary[package=customers]",
    "test-binary[package=stock]",
    "test-binary[package=orders]",
    "integration[package=customers]",
    "integration[package=stock]",
    "integration[package=orders]",
];
const STOCK: &[&str] = &["test-binary[package=stock]", "integration[package=stock]"];
const STOCK_AND_ORDERS: &[&str] = &[
    "test-binary[package=customers]",
    "test-binary[package=stock]",
    "test-binary[package=orders]",
    "integration[package=stock]",
    "integration[package=orders]",
];
const PACKAGE: &str = "stock/stock.go";

fn comment_package(root: &Path, round: usize) -> Result<()> {
    let comment = format!("// Receive adds to the stock, {round}.");
    edit::replace(root, PACKAGE, "// Receive adds to the stock.", &comment)
}

fn change_test(root: &Path, round: usize) -> Result<()> {
    edit::append(root, "stock/stock_test.go", &edit::go_code(round))
}

fn change_package(root: &Path, round: usize) -> Result<()> {
    edit::append(root, PACKAGE, &edit::go_code(round))
}

fn change_schema(root: &Path, round: usize) -> Result<()> {
    edit::append(root, "service/schema.sql", &format!("\n-- Comment {round}.\n"))
}

/// Runs a scenario so often for each contender, in turn, so that a slow moment of the machine meets all of them.
pub(crate) fn measure(scenario: &Scenario, contenders: &[Contender], runs: usize) -> Result<Row> {
    let mut times: Vec<_> =
        contenders.iter().map(|contender| (contender.kind, Vec::new())).collect();
    let expected: BTreeSet<_> = scenario.expected.iter().map(|step| (*step).to_owned()).collect();
    let mut row =
        Row { title: scenario.title, times: Vec::new(), ran: expected.clone(), wrong_set: None };
    for contender in contenders {
        contender.build(contender.example.ask)?;
    }
    for round in 0..runs {
        for (contender, (_, times)) in contenders.iter().zip(&mut times) {
            let Built { took, ran } = prepare_and_build(scenario, contender, round)?;
            times.push(took);
            if let Some(ran) = ran.filter(|ran| *ran != expected) {
                row.wrong_set = Some(format!("{}: ran {ran:?}, expected {expected:?}", row.title));
                row.ran = ran;
            }
        }
    }
    row.times = times;
    Ok(row)
}

fn prepare_and_build(scenario: &Scenario, contender: &Contender, round: usize) -> Result<Built> {
    let ask = scenario.part.unwrap_or(contender.example.ask);
    let root = &contender.root;
    // Rounds of a scenario that takes back are no other scenario's, whose results would come back.
    const APART: usize = 1_000;
    match &scenario.before {
        Before::Nothing => {}
        Before::Forget => contender.forget()?,
        Before::Change(change) => change(root, round)?,
        Before::TakeBack(change, file) => {
            edit::take_back(root, file)?;
            contender.build(ask)?;
            change(root, APART + round)?;
            contender.build(ask)?;
            edit::take_back(root, file)?;
        }
        Before::OtherCheckout => return contender.other_checkout()?.build(ask),
    }
    contender.build(ask)
}
