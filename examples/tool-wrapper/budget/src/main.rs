//! Says how large the assets are, and fails where a kind of them is larger than it may be.
//!
//! ```text
//! budget BUDGET.TXT DIRECTORY...
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// Bytes by kind, which is the ending of a file's name.
type Sizes = BTreeMap<String, u64>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let Some(budget) = arguments.next() else {
        eprintln!("usage: budget BUDGET.TXT DIRECTORY...");
        return ExitCode::from(2);
    };
    match check(Path::new(&budget), arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("budget: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every kind is within the budget.
fn check(budget: &Path, dirs: impl Iterator<Item = String>) -> Result<bool, String> {
    let budget =
        fs::read_to_string(budget).map_err(|error| format!("{}: {error}", budget.display()))?;
    let budget = parse(&budget)?;
    let mut sizes = Sizes::new();
    for dir in dirs {
        add(Path::new(&dir), &mut sizes).map_err(|error| format!("{dir}: {error}"))?;
    }
    let mut fits = true;
    for (kind, most) in budget {
        let size = sizes.get(&kind).copied().ok_or_else(|| format!("there is no {kind} at all"))?;
        let verdict = if size <= most { "" } else { ": too large" };
        println!("{kind:>4} {size:>6} of {most} bytes{verdict}");
        fits &= size <= most;
    }
    Ok(fits)
}

/// One kind a line, with the most bytes it may have; `#` begins a comment.
fn parse(budget: &str) -> Result<Sizes, String> {
    let lines = budget.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| limit(line).ok_or_else(|| format!("not a kind and a number: {line}")))
        .collect()
}

fn limit(line: &str) -> Option<(String, u64)> {
    let (kind, most) = line.split_once(' ')?;
    Some((kind.to_owned(), most.trim().parse().ok()?))
}

/// Adds the files below `dir`. Behind a link as well: of a step with a matrix we are given a directory of links.
fn add(dir: &Path, sizes: &mut Sizes) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let metadata = fs::metadata(&path)?;
        if metadata.is_dir() {
            add(&path, sizes)?;
        } else if let Some(kind) = path.extension() {
            *sizes.entry(kind.to_string_lossy().into_owned()).or_default() += metadata.len();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_budget_has_a_number_for_each_kind() {
        let expected = [("css".to_owned(), 20), ("js".to_owned(), 10)];
        assert_eq!(parse("# comment\njs 10\n\ncss 20\n"), Ok(expected.into_iter().collect()));
        assert_eq!(parse("js ten\n"), Err("not a kind and a number: js ten".to_owned()));
    }
}
