//! The measuring: scenario by scenario, in rounds in which every contender has its turn, so that a slow moment of the machine meets all of
//! them. After each run, and outside of what is timed, it is checked that the work was done.

use crate::contender::{Contender, Kind, Programs};
use crate::expected::Expected;
use crate::limits::{Inputs, Limit};
use crate::process;
use crate::scenario::Scenario;
use crate::work::{Shape, Work};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// What is asked for.
pub(crate) struct Wish<'a> {
    pub(crate) kinds: &'a [Kind],
    pub(crate) scenarios: &'a [Scenario],
    pub(crate) runs: usize,
    /// How long a contender may take for one scenario before it is run no more.
    pub(crate) budget: Duration,
}

/// What came of one contender in one scenario.
#[derive(Clone)]
pub(crate) struct Cell {
    pub(crate) who: &'static str,
    pub(crate) title: &'static str,
    pub(crate) scenario: Scenario,
    pub(crate) times: Vec<Duration>,
    pub(crate) peaks: Vec<u64>,
    /// How many commands ran, least and most, and how many had to.
    pub(crate) ran: Option<(usize, usize, usize)>,
    /// What was wrong with the work.
    pub(crate) wrong: Option<String>,
}

/// What came of a tree.
pub(crate) struct Outcome {
    pub(crate) shape: Shape,
    pub(crate) cells: Vec<Cell>,
    /// Who could not take part, or not to the end, and why.
    pub(crate) absent: Vec<(Kind, String)>,
    /// The peak memory of processes that stay.
    pub(crate) daemons: Vec<(Kind, u64)>,
}

/// A file system's clock has moved on after this, so that no edit looks like one made during the last build.
const SETTLE: Duration = Duration::from_millis(50);

pub(crate) fn measure(
    shape: Shape,
    wish: &Wish<'_>,
    programs: &Programs,
    scratch: &Path,
) -> Result<Outcome> {
    let work = Work::new(shape)?;
    let mut expected = Expected::new(&work, scratch)?;
    let mut outcome = Outcome { shape, cells: Vec::new(), absent: Vec::new(), daemons: Vec::new() };
    let mut contenders = Vec::new();
    for kind in wish.kinds.iter().copied().filter(|kind| kind.builds(shape)) {
        if programs.of(kind).is_none() {
            outcome.absent.push((kind, format!("not here; {}", kind.how_to_get())));
            continue;
        }
        eprintln!("{shape}: the first build of {}", kind.title());
        let began = Contender::new(kind, &work, programs, scratch).and_then(|contender| {
            if shape == Shape::Go {
                contender.warm(expected.warm_home(&work)?)?;
            }
            build(&contender)?;
            let ran = contender.ran()?;
            if let Some(wrong) = wrong(&work, &contender, &mut expected)? {
                bail!("{wrong}; {} of {} commands ran", ran.len(), work.steps.len());
            }
            Ok(contender)
        });
        match began {
            Ok(contender) => contenders.push(contender),
            Err(error) if kind.is_ours() => return Err(error),
            Err(error) => outcome.absent.push((kind, format!("{error:#}"))),
        }
    }
    for scenario in wish.scenarios.iter().copied().filter(|one| one.happens_in(shape)) {
        eprintln!("{shape}: {}", scenario.title());
        let _ = Command::new("sync").status();
        measure_scenario(scenario, &work, wish, &mut contenders, &mut expected, &mut outcome)?;
    }
    if let (true, Some(contender)) =
        (wish.scenarios.contains(&Scenario::NoOp) && shape != Shape::Go, contenders.first())
    {
        outcome.cells.extend(limits(&work, &contender.root, wish.runs)?);
    }
    outcome.daemons = contenders
        .iter()
        .filter_map(|contender| Some((contender.kind, contender.daemon_peak()?)))
        .collect();
    Ok(outcome)
}

fn measure_scenario(
    scenario: Scenario,
    work: &Work,
    wish: &Wish<'_>,
    contenders: &mut Vec<Contender>,
    expected: &mut Expected,
    outcome: &mut Outcome,
) -> Result<()> {
    let mut cells: Vec<Cell> = contenders.iter().map(|one| cell(one.kind, scenario)).collect();
    // A first cold build is behind everybody; for the rest the first round is not counted.
    let uncounted = usize::from(scenario != Scenario::Cold);
    for round in 0..wish.runs + uncounted {
        let mut at = 0;
        while at < contenders.len() {
            let (contender, cell) = (&mut contenders[at], &mut cells[at]);
            at += 1;
            if cell.times.iter().sum::<Duration>() > wish.budget {
                continue;
            }
            match one_run(scenario, work, contender, expected, round, cell) {
                Ok(timed) if round >= uncounted => {
                    cell.times.push(timed.took);
                    cell.peaks.push(timed.peak);
                }
                Ok(_) => {}
                Err(error) if contender.kind.is_ours() => return Err(error),
                Err(error) => {
                    at -= 1;
                    let words = format!("in `{}`: {error:#}", scenario.title());
                    outcome.absent.push((contender.kind, words));
                    contenders.remove(at);
                    cells.remove(at);
                }
            }
        }
    }
    outcome.cells.extend(cells);
    Ok(())
}

fn cell(kind: Kind, scenario: Scenario) -> Cell {
    let (who, title) = (kind.name(), kind.title());
    Cell { who, title, scenario, times: Vec::new(), peaks: Vec::new(), ran: None, wrong: None }
}

fn one_run(
    scenario: Scenario,
    work: &Work,
    contender: &mut Contender,
    expected: &mut Expected,
    round: usize,
    cell: &mut Cell,
) -> Result<process::Timed> {
    scenario.prepare(work, contender, round, |contender| build(contender).map(drop))?;
    contender.ran()?;
    std::thread::sleep(SETTLE);
    let timed = build(contender)?;
    let (ran, due) = (contender.ran()?, scenario.expected(work, contender));
    let (least, most, _) = cell.ran.unwrap_or((usize::MAX, 0, 0));
    cell.ran = Some((least.min(ran.len()), most.max(ran.len()), due.len()));
    if let Some(wrong) = wrong(work, contender, expected)? {
        cell.wrong = Some(wrong);
    } else if contender.kind.is_ours() && ran != due {
        cell.wrong = Some(format!("ran {ran:?} where {due:?} had to"));
    }
    Ok(timed)
}

/// Builds, and fails with the last that the contender said if it does.
pub(crate) fn build(contender: &Contender) -> Result<process::Timed> {
    let timed = process::timed(&contender.command(), &contender.said())?;
    if !timed.status.success() {
        let said = fs::read(contender.said()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        let lines: Vec<_> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let last = lines[lines.len().saturating_sub(6)..].join(" / ");
        bail!("{} ({})", last, timed.status);
    }
    Ok(timed)
}

fn wrong(work: &Work, contender: &Contender, expected: &mut Expected) -> Result<Option<String>> {
    let at = |step: &crate::work::Step| contender.output_of(step);
    expected.wrong(work, &contender.edits, &contender.root, at)
}

/// What the machine allows, in a tree that was just built in.
pub(crate) fn limits(work: &Work, root: &Path, runs: usize) -> Result<Vec<Cell>> {
    let inputs = Inputs::of(work, root)?;
    let mut cells: Vec<Cell> = Limit::ALL
        .iter()
        .map(|limit| {
            let (who, title) = (limit.name(), limit.title());
            let scenario = Scenario::NoOp;
            Cell {
                who,
                title,
                scenario,
                times: Vec::new(),
                peaks: Vec::new(),
                ran: None,
                wrong: None,
            }
        })
        .collect();
    for round in 0..=runs {
        for (limit, cell) in Limit::ALL.iter().zip(&mut cells) {
            let took = inputs.measure(*limit).context("measure the limit")?;
            if round > 0 {
                cell.times.push(took);
            }
        }
    }
    Ok(cells)
}
