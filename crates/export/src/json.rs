//! JSON lines: an object for each row, whose keys are the columns, in their order. All keys are always there.
//!
//! JSON has neither a number that is none nor an infinite one: both are null, as nothing is.

use crate::ExportError;
use crate::cell::Cell;
use crate::error::writing;
use crate::tables::{Header, Rows};
use serde::{Serialize, Serializer};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

pub(crate) struct Table {
    path: PathBuf,
    out: BufWriter<File>,
    names: Vec<&'static str>,
}

struct Object<'a> {
    names: &'a [&'static str],
    cells: &'a [Cell],
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.names.iter().zip(self.cells))
    }
}

impl Rows for Table {
    const ENDING: &'static str = "jsonl";

    fn begin(path: &Path, header: &Header) -> Result<Table, ExportError> {
        let out = BufWriter::new(File::create(path).map_err(writing(path))?);
        Ok(Table { path: path.to_owned(), out, names: header.iter().map(|(name, _)| *name).collect() })
    }

    fn row(&mut self, cells: Vec<Cell>) -> Result<(), ExportError> {
        let object = Object { names: &self.names, cells: &cells };
        serde_json::to_writer(&mut self.out, &object).map_err(writing(&self.path))?;
        self.out.write_all(b"\n").map_err(writing(&self.path))
    }

    fn finish(mut self) -> Result<(), ExportError> {
        self.out.flush().map_err(writing(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::tests::{HEADER, odd_rows, written_by};

    #[test]
    fn each_row_is_one_line_with_every_key() {
        let written = String::from_utf8(written_by::<Table>(&HEADER, odd_rows())).unwrap();
        let lines: Vec<&str> = written.lines().collect();
        assert_eq!(
            lines,
            [
                r#"{"text":"a \"b\", c\nd","integer":-7,"number":0.1,"boolean":true}"#,
                r#"{"text":"é ❄","integer":9223372036854775807,"number":1e-300,"boolean":false}"#,
                r#"{"text":null,"integer":null,"number":null,"boolean":null}"#,
                r#"{"text":"\r","integer":0,"number":1.0,"boolean":null}"#,
                r#"{"text":"x","integer":1,"number":null,"boolean":null}"#,
            ]
        );
    }
}
