//! CSV as RFC 4180 has it, but for its line ends, which are plain newlines.
//!
//! Nothing is an empty cell, a number that is none is `NaN`. A real number is written with a point or an exponent, in its
//! shortest form that reads back as the same number, so that a whole one is not taken for an integer.

use crate::ExportError;
use crate::cell::Cell;
use crate::error::writing;
use crate::tables::{Header, Rows};
use std::fs::File;
use std::path::{Path, PathBuf};

pub(crate) struct Table {
    path: PathBuf,
    out: csv::Writer<File>,
}

impl Rows for Table {
    const ENDING: &'static str = "csv";

    fn begin(path: &Path, header: &Header) -> Result<Table, ExportError> {
        let mut out = csv::Writer::from_path(path).map_err(writing(path))?;
        out.write_record(header.iter().map(|(name, _)| name)).map_err(writing(path))?;
        Ok(Table { path: path.to_owned(), out })
    }

    fn row(&mut self, cells: Vec<Cell>) -> Result<(), ExportError> {
        self.out.write_record(cells.into_iter().map(written)).map_err(writing(&self.path))
    }

    fn finish(mut self) -> Result<(), ExportError> {
        self.out.flush().map_err(writing(&self.path))
    }
}

fn written(cell: Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Integer(number) => number.to_string(),
        // `1.0` and `1e-5`, where Display has 1 and 0.00001.
        Cell::Number(number) => format!("{number:?}"),
        Cell::Boolean(value) => value.to_string(),
        Cell::Text(text) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::tests::{HEADER, odd_rows, written_by};

    #[test]
    fn cells_are_quoted_where_they_must_be_and_numbers_read_back() {
        assert_eq!(
            written_by::<Table>(&HEADER, odd_rows()),
            b"text,integer,number,boolean\n\
            \"a \"\"b\"\", c\nd\",-7,0.1,true\n\
            \xc3\xa9 \xe2\x9d\x84,9223372036854775807,1e-300,false\n\
            ,,NaN,\n\
            \"\r\",0,1.0,\n\
            x,1,-inf,\n"
        );
    }
}
