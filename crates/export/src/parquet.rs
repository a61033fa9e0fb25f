//! Parquet: a flat schema in which every column may lack a value, pages compressed by Zstandard.

use crate::ExportError;
use crate::cell::{Cell, Type};
use crate::error::writing;
use crate::tables::{Header, Rows};
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical, ZstdLevel};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::Result as Written;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types;
use std::fs::File;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Rows that are in memory until they are written together, column by column.
const ROWS_IN_A_GROUP: usize = 16_384;

pub(crate) struct Table {
    path: PathBuf,
    out: SerializedFileWriter<File>,
    columns: Vec<Type>,
    rows: Vec<Vec<Cell>>,
}

impl Rows for Table {
    const ENDING: &'static str = "parquet";

    fn begin(path: &Path, header: &Header) -> Result<Table, ExportError> {
        let file = File::create(path).map_err(writing(path))?;
        let out = begun(file, header).map_err(writing(path))?;
        let columns = header.iter().map(|(_, holds)| *holds).collect();
        Ok(Table { path: path.to_owned(), out, columns, rows: Vec::new() })
    }

    fn row(&mut self, cells: Vec<Cell>) -> Result<(), ExportError> {
        self.rows.push(cells);
        if self.rows.len() < ROWS_IN_A_GROUP { Ok(()) } else { self.write_group() }
    }

    fn finish(mut self) -> Result<(), ExportError> {
        if !self.rows.is_empty() {
            self.write_group()?;
        }
        self.out.close().map(drop).map_err(writing(&self.path))
    }
}

impl Table {
    fn write_group(&mut self) -> Result<(), ExportError> {
        let rows = mem::take(&mut self.rows);
        write_group(&mut self.out, &self.columns, rows).map_err(writing(&self.path))
    }
}

fn begun(file: File, header: &Header) -> Written<SerializedFileWriter<File>> {
    let field = |&(name, holds): &(&str, Type)| {
        let (physical, logical) = match holds {
            Type::Integer => (Physical::INT64, None),
            Type::Number => (Physical::DOUBLE, None),
            Type::Boolean => (Physical::BOOLEAN, None),
            Type::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        };
        let builder = types::Type::primitive_type_builder(name, physical).with_repetition(Repetition::OPTIONAL);
        builder.with_logical_type(logical).build().map(Arc::new)
    };
    let fields = header.iter().map(field).collect::<Written<Vec<_>>>()?;
    let schema = types::Type::group_type_builder("schema").with_fields(fields).build()?;
    let compression = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(compression).build();
    SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
}

fn write_group(out: &mut SerializedFileWriter<File>, columns: &[Type], rows: Vec<Vec<Cell>>) -> Written<()> {
    let mut rows: Vec<_> = rows.into_iter().map(Vec::into_iter).collect();
    let mut group = out.next_row_group()?;
    for holds in columns {
        let Some(mut column) = group.next_column()? else { break };
        let cells = rows.iter_mut().map(|row| row.next().unwrap_or(Cell::Null));
        match holds {
            Type::Integer => write::<Int64Type>(&mut column, cells, |cell| match cell {
                Cell::Integer(number) => Some(number),
                _ => None,
            }),
            Type::Number => write::<DoubleType>(&mut column, cells, |cell| match cell {
                Cell::Number(number) => Some(number),
                _ => None,
            }),
            Type::Boolean => write::<BoolType>(&mut column, cells, |cell| match cell {
                Cell::Boolean(value) => Some(value),
                _ => None,
            }),
            Type::Text => write::<ByteArrayType>(&mut column, cells, |cell| match cell {
                Cell::Text(text) => Some(ByteArray::from(text.into_bytes())),
                _ => None,
            }),
        }?;
        column.close()?;
    }
    group.close().map(drop)
}

/// Values lie one after another; a level says for each row whether it has one.
fn write<T: DataType>(
    column: &mut SerializedColumnWriter,
    cells: impl Iterator<Item = Cell>,
    value: fn(Cell) -> Option<T::T>,
) -> Written<()> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    for cell in cells {
        let value = value(cell);
        levels.push(i16::from(value.is_some()));
        values.extend(value);
    }
    column.typed::<T>().write_batch(&values, Some(&levels), None).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::tests::{HEADER, odd_rows, written_by};
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::record::Field;
    use std::iter;

    fn read(rows: Vec<Vec<Cell>>) -> (Vec<Vec<Field>>, usize) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), written_by::<Table>(&HEADER, rows)).unwrap();
        let reader = SerializedFileReader::new(file.reopen().unwrap()).unwrap();
        let fields = |row: parquet::record::Row| row.into_columns().into_iter().map(|(_, field)| field).collect();
        (reader.get_row_iter(None).unwrap().map(|row| fields(row.unwrap())).collect(), reader.num_row_groups())
    }

    #[test]
    fn types_and_what_is_not_there_are_kept() {
        let (rows, _) = read(odd_rows());
        assert_eq!(
            rows[0],
            [Field::Str("a \"b\", c\nd".into()), Field::Long(-7), Field::Double(0.1), Field::Bool(true)]
        );
        assert_eq!(rows[1][1], Field::Long(i64::MAX));
        assert_eq!((&rows[2][0], &rows[2][1], &rows[2][3]), (&Field::Null, &Field::Null, &Field::Null));
        assert!(matches!(rows[2][2], Field::Double(number) if number.is_nan()));
        assert_eq!(rows.len(), 5);
    }

    #[test]
    fn many_rows_are_several_groups_and_none_is_a_table_too() {
        let row = |number: usize| vec![Cell::Null, Cell::count(number), Cell::Null, Cell::Null];
        let (rows, groups) = read((0..ROWS_IN_A_GROUP + 1).map(row).collect());
        assert_eq!((rows.len(), groups), (ROWS_IN_A_GROUP + 1, 2));
        assert!((0..).zip(&rows).all(|(number, row)| row[1] == Field::Long(number)));
        assert_eq!(read(iter::empty().collect()), (Vec::new(), 0));
    }
}
