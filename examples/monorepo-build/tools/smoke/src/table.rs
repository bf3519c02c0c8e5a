//! The tables that `admin` prints.

use crate::Result;

/// A table: a header and rows, with at least two spaces between cells.
#[derive(Debug)]
pub struct Table<'a> {
    header: Vec<&'a str>,
    rows: Vec<Vec<&'a str>>,
}

impl<'a> Table<'a> {
    /// Reads a table. Empty cells are understood only at the end of a row.
    pub fn parse(text: &'a str) -> Self {
        let mut lines = text.lines().map(cells);
        Self { header: lines.next().unwrap_or_default(), rows: lines.collect() }
    }

    /// The cell below `column` in the one row that has `key` in a cell.
    pub fn cell(&self, key: &str, column: &str) -> Result<&'a str> {
        let mut matching = self.rows.iter().filter(|row| row.contains(&key));
        let (Some(row), None) = (matching.next(), matching.next()) else {
            return Err(format!("not exactly one row with {key:?} in {self:?}").into());
        };
        let index = self.header.iter().position(|name| *name == column);
        let index = index.ok_or_else(|| format!("no column {column} in {self:?}"))?;
        Ok(row.get(index).copied().unwrap_or_default())
    }

    /// How many rows there are below the header.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
NAME          N  NOTE
Ada Lovelace  7
Bob          12  likes tea
";

    #[test]
    fn cells_are_found_by_row_and_column() -> Result<()> {
        let table = Table::parse(TEXT);
        assert_eq!(table.len(), 2);
        assert_eq!(table.cell("Ada Lovelace", "N")?, "7");
        assert_eq!(table.cell("Bob", "NOTE")?, "likes tea");
        assert_eq!(table.cell("12", "NAME")?, "Bob");
        Ok(())
    }

    #[test]
    fn a_cell_that_is_missing_at_the_end_of_a_row_is_empty() -> Result<()> {
        assert_eq!(Table::parse(TEXT).cell("Ada Lovelace", "NOTE")?, "");
        Ok(())
    }

    #[test]
    fn what_is_not_there_is_an_error() {
        let table = Table::parse(TEXT);
        assert!(table.cell("Eve", "N").is_err());
        assert!(table.cell("Bob", "AGE").is_err());
        assert!(Table::parse("").cell("Bob", "N").is_err());
    }

    #[test]
    fn a_key_in_two_rows_is_an_error() {
        assert!(Table::parse("A  B\nx  1\nx  2\n").cell("x", "B").is_err());
    }
}
