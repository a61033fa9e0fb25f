//! Plain tables: columns as wide as they need, numbers to the right. Where a terminal's line is too short, names are
//! shortened, then remarks in brackets go, then the end of a last column of words, and then the columns that matter least.

use super::{BOLD, DIM, cut, width};
use std::fmt;

/// Long names, and what stands for them where a line is short.
const SHORT: [(&str, &str); 12] = [
    ("best trial", "best"),
    ("95 % interval", "95 %"),
    ("val_accuracy", "val_acc"),
    ("test_accuracy", "test_acc"),
    ("train_accuracy", "train_acc"),
    ("frozen_layers", "frozen"),
    ("head_units", "head"),
    ("head_dropout", "dropout"),
    ("learning_rate", "rate"),
    ("optimizer", "opt"),
    ("batch_size", "batch"),
    ("weight_decay", "decay"),
];

/// Fewer characters of the last column are not worth showing.
const FEW: usize = 12;

#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Columns that go where a line is short, the first one first.
    spare: Vec<String>,
}

/// What stands for a name where a line is short.
pub(super) fn short(name: &str) -> &str {
    SHORT.iter().find(|(long, _)| *long == name).map_or(name, |(_, short)| short)
}

impl Table {
    pub(crate) fn new<S: AsRef<str>>(header: &[S]) -> Table {
        Table { header: header.iter().map(|name| name.as_ref().to_owned()).collect(), ..Table::default() }
    }

    /// These columns go where a line is short, the first one first.
    pub(crate) fn sparing<S: AsRef<str>>(mut self, names: &[S]) -> Table {
        self.spare = names.iter().map(|name| name.as_ref().to_owned()).collect();
        self
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// As it fits standard output.
    pub(crate) fn fitted(self) -> Table {
        let width = width(&std::io::stdout());
        self.fitting(width)
    }

    fn fitting(mut self, width: Option<usize>) -> Table {
        let Some(width) = width else { return self };
        if self.line_width() <= width {
            return self;
        }
        // By the long name, before it is a short one.
        let spare: Vec<usize> =
            self.spare.iter().filter_map(|name| self.header.iter().position(|it| it == name)).collect();
        for name in &mut self.header {
            *name = short(name).to_owned();
        }
        if self.line_width() > width {
            for cell in self.rows.iter_mut().flatten() {
                if let Some(end) = cell.find(" (") {
                    cell.truncate(end);
                }
            }
        }
        self.cut_last(width);
        let mut gone: Vec<usize> = Vec::new();
        for place in spare {
            if self.line_width() <= width {
                break;
            }
            let before = gone.iter().filter(|&&it| it < place).count();
            self.header.remove(place - before);
            self.rows.iter_mut().for_each(|row| drop(row.remove(place - before)));
            gone.push(place);
        }
        self.cut_last(width);
        self
    }

    fn cut_last(&mut self, width: usize) {
        let last = self.header.len().saturating_sub(1);
        let room = (width + self.width(last)).saturating_sub(self.line_width());
        if room >= FEW && !self.is_numeric(last) {
            self.rows.iter_mut().filter_map(|row| row.get_mut(last)).for_each(|cell| *cell = cut(cell, room));
        }
    }

    /// How many characters its longest line has.
    fn line_width(&self) -> usize {
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

    fn plain(table: &Table) -> String {
        anstream::adapter::strip_str(&table.to_string()).to_string()
    }

    #[test]
    fn numbers_stand_to_the_right_and_words_to_the_left() {
        let mut table = Table::new(&["rank", "trial", "size"]);
        table.row(["1".into(), "0123abcd".into(), "5.0 MB".into()]);
        table.row(["12".into(), "ab".into(), "12.0 MB".into()]);
        assert_eq!(
            plain(&table),
            "  rank  trial        size\n     1  0123abcd   5.0 MB\n    12  ab        12.0 MB\n"
        );
    }

    #[test]
    fn what_does_not_fit_is_shortened_and_then_left_out() {
        let mut table = Table::new(&["rank", "val_accuracy", "95 % interval", "test_accuracy"])
            .sparing(&["test_accuracy", "95 % interval"]);
        table.row(["=1", "0.796", "0.770 to 0.820", "0.776"].map(str::to_owned));
        let at = |width| plain(&table.clone().fitting(width));
        assert_eq!(
            at(None),
            "  rank  val_accuracy   95 % interval  test_accuracy\n    =1         0.796  0.770 to 0.820          0.776\n"
        );
        assert_eq!(at(Some(51)), at(None));
        assert_eq!(
            at(Some(50)),
            "  rank  val_acc            95 %  test_acc\n    =1    0.796  0.770 to 0.820     0.776\n"
        );
        assert_eq!(at(Some(32)), "  rank  val_acc            95 %\n    =1    0.796  0.770 to 0.820\n");
        assert_eq!(at(Some(9)), "  rank  val_acc\n    =1    0.796\n");
    }

    #[test]
    fn remarks_and_the_end_of_the_last_column_go_before_columns_do() {
        let mut table = Table::new(&["trial", "frozen_layers", "tries", "note"]).sparing(&["tries"]);
        table.row(["9aaac033", "135 (0.9, in block6d)", "1", "a first look at it"].map(str::to_owned));
        let at = |width| plain(&table.clone().fitting(Some(width)));
        assert_eq!(
            at(60),
            "  trial     frozen_layers          tries  note\n  9aaac033  135 (0.9, in block6d)      1  a first look at it\n"
        );
        assert_eq!(at(59), "  trial     frozen  tries  note\n  9aaac033     135      1  a first look at it\n");
        assert_eq!(at(44), "  trial     frozen  tries  note\n  9aaac033     135      1  a first look at …\n");
        assert_eq!(at(38), "  trial     frozen  note\n  9aaac033     135  a first look at it\n");
        assert_eq!(at(33), "  trial     frozen  note\n  9aaac033     135  a first look…\n");
    }
}
