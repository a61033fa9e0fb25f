//! Plain tables: columns as wide as they need, numbers to the right.

use super::{BOLD, DIM};
use std::fmt;

#[derive(Debug, Clone)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<S: AsRef<str>>(header: &[S]) -> Table {
        Table { header: header.iter().map(|name| name.as_ref().to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// How many characters its longest line has.
    pub(crate) fn line_width(&self) -> usize {
        (0..self.header.len()).map(|column| 2 + self.width(column)).sum()
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.chain(self.header.get(column)).map(|cell| cell.chars().count()).max().unwrap_or_default()
    }

    /// A column of numbers is aligned to the right.
    fn is_numeric(&self, column: usize) -> bool {
        let starts_as_number = |cell: &String| {
            cell.is_empty()
                || cell == "-"
                || cell.starts_with(|c: char| c.is_ascii_digit() || ['-', '?', '=', '±'].contains(&c))
        };
        let is_id = |cell: &String| cell.len() >= 8 && cell.chars().all(|c| c.is_ascii_hexdigit());
        let mut cells = self.rows.iter().filter_map(|row| row.get(column));
        !self.rows.is_empty() && cells.all(|cell| starts_as_number(cell) && !is_id(cell) && !cell.contains(", "))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<(usize, bool)> =
            (0..self.header.len()).map(|column| (self.width(column), self.is_numeric(column))).collect();
        let line = |f: &mut fmt::Formatter<'_>, cells: &[String], style: anstyle::Style| {
            let mut text = String::new();
            for (cell, (width, numeric)) in cells.iter().zip(&columns) {
                text += "  ";
                let padding = " ".repeat(width.saturating_sub(cell.chars().count()));
                if *numeric { text.extend([padding.as_str(), cell]) } else { text.extend([cell, padding.as_str()]) }
            }
            writeln!(f, "{style}{}{style:#}", text.trim_end())
        };
        line(f, &self.header, DIM)?;
        for (number, row) in self.rows.iter().enumerate() {
            // The first row of a ranking is what people look for.
            let first = number == 0 && self.header.first().is_some_and(|name| name == "rank");
            line(f, row, if first { BOLD } else { anstyle::Style::new() })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_words_to_the_left() {
        let mut table = Table::new(&["rank", "trial", "size"]);
        table.row(["1".into(), "0123abcd".into(), "5.0 MB".into()]);
        table.row(["12".into(), "ab".into(), "12.0 MB".into()]);
        let plain = anstream::adapter::strip_str(&table.to_string()).to_string();
        assert_eq!(plain, "  rank  trial        size\n     1  0123abcd   5.0 MB\n    12  ab        12.0 MB\n");
    }
}
