//! How the cost of a build with nothing to do grows with the number of files, beside what the machine allows.

use crate::contender::{Contender, Kind, Programs};
use crate::expected::Expected;
use crate::measuring::median;
use crate::rounds;
use crate::work::{Shape, Work};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::Duration;

pub(crate) const SHAPES: [Shape; 5] = [
    Shape::Grid { steps: 100, files: 100 },
    Shape::Grid { steps: 300, files: 100 },
    Shape::Grid { steps: 1000, files: 100 },
    Shape::Grid { steps: 2000, files: 100 },
    Shape::Grid { steps: 5000, files: 100 },
];

/// One size.
pub(crate) struct Point {
    pub(crate) shape: Shape,
    pub(crate) files: usize,
    pub(crate) form: &'static str,
    pub(crate) no_op: Duration,
    pub(crate) peak: u64,
    pub(crate) stat: Duration,
    pub(crate) walk: Duration,
}

pub(crate) fn measure(
    shape: Shape,
    kind: Kind,
    runs: usize,
    programs: &Programs,
    scratch: &Path,
) -> Result<Point> {
    eprintln!("{shape}: {}", kind.title());
    let work = Work::new(shape)?;
    let contender = Contender::new(kind, &work, programs, scratch)?;
    rounds::build(&contender)?;
    let at = |step: &crate::work::Step| contender.output_of(step);
    let wrong =
        Expected::new(&work, scratch)?.wrong(&work, &contender.edits, &contender.root, at)?;
    ensure!(wrong.is_none(), "{}", wrong.unwrap_or_default());
    contender.ran()?;
    let (mut times, mut peak) = (Vec::new(), 0);
    rounds::build(&contender)?;
    for _ in 0..runs {
        let timed = rounds::build(&contender)?;
        times.push(timed.took);
        peak = peak.max(timed.peak);
    }
    let ran = contender.ran()?;
    ensure!(ran.is_empty(), "{} commands ran where nothing had changed", ran.len());
    let limits = rounds::limits(&work, &contender.root, runs)?;
    let [stat, walk] = &limits[..] else { return Err(anyhow::anyhow!("a limit is missing")) };
    let form = if kind == Kind::Granular { "one table" } else { "packages" };
    Ok(Point {
        shape,
        files: work.files().count(),
        form,
        no_op: Some(median(&times)).filter(|time| !time.is_zero()).context("it was not run")?,
        peak,
        stat: median(&stat.times),
        walk: median(&walk.times),
    })
}
