//! Adds up the sales once more, by another way than the pipeline, and holds the report against them.
//!
//! ```text
//! audit SALES.CSV REPORT.CSV
//! ```
//!
//! No field of either file has a comma in it.

use std::collections::BTreeMap;
use std::process::ExitCode;

/// Cents by section of the report and by name in it.
type Sums = BTreeMap<(String, String), i64>;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [sales, report] = arguments.as_slice() else {
        eprintln!("usage: audit SALES.CSV REPORT.CSV");
        return ExitCode::from(2);
    };
    match (read(sales), read(report)) {
        (Ok(sales), Ok(report)) => match audit(&sales, &report) {
            Ok(count) => {
                println!("audit: {count} figures of the report are what the sales add up to");
                ExitCode::SUCCESS
            }
            Err(error) => fail(&error),
        },
        (Err(error), _) | (_, Err(error)) => fail(&error),
    }
}

fn fail(error: &str) -> ExitCode {
    eprintln!("audit: {error}");
    ExitCode::FAILURE
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

/// How many figures were compared, or the first that is wrong.
fn audit(sales: &str, report: &str) -> Result<usize, String> {
    let sums = add_up(sales)?;
    let mut compared = 0;
    for line in report.lines().skip(1) {
        let [section, name, cents] = fields(line)?;
        if !["total", "month", "region", "category"].contains(&section) {
            continue; // a choice or a median, no sum
        }
        let key = (section.to_owned(), name.to_owned());
        let expected = sums.get(&key).ok_or_else(|| format!("no sale is of {section} `{name}`"))?;
        if number(cents)? != *expected {
            return Err(format!(
                "{section} `{name}` is {cents} in the report, {expected} by the sales"
            ));
        }
        compared += 1;
    }
    if compared == sums.len() {
        Ok(compared)
    } else {
        Err(format!("{compared} of {} sums are in the report", sums.len()))
    }
}

fn add_up(sales: &str) -> Result<Sums, String> {
    let mut sums = Sums::new();
    for line in sales.lines().skip(1) {
        let [month, region, category, _, _, _, cents] = fields(line)?;
        let cents = number(cents)?;
        for (section, name) in
            [("total", ""), ("month", month), ("region", region), ("category", category)]
        {
            *sums.entry((section.to_owned(), name.to_owned())).or_default() += cents;
        }
    }
    Ok(sums)
}

fn fields<const N: usize>(line: &str) -> Result<[&str; N], String> {
    let fields: Vec<_> = line.split(',').collect();
    fields.try_into().map_err(|_| format!("not {N} fields: {line}"))
}

fn number(text: &str) -> Result<i64, String> {
    text.parse().map_err(|error| format!("{text}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::audit;

    const SALES: &str = "month,region,category,product,customer,quantity,cents\n\
        2024-01,north,toys,P1,C1,1,100\n2024-02,north,toys,P1,C2,1,50\n";

    #[test]
    fn sums_that_are_right_are_counted() {
        let report = "section,name,cents\ntotal,,150\nmonth,2024-01,100\nmonth,2024-02,50\nregion,north,150\n\
            category,toys,150\nmedian sale,2024-01,7\n";
        assert_eq!(audit(SALES, report), Ok(5));
    }

    #[test]
    fn a_wrong_sum_and_a_missing_one_are_told() {
        let wrong = "section,name,cents\nmonth,2024-01,101\n";
        assert_eq!(
            audit(SALES, wrong),
            Err("month `2024-01` is 101 in the report, 100 by the sales".to_owned())
        );
        assert_eq!(
            audit(SALES, "section,name,cents\n"),
            Err("0 of 5 sums are in the report".to_owned())
        );
    }
}
