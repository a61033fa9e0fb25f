//! The values of rows. What is not wanted is skipped by whole pages, so a picture is read without those before it.

use super::columns::Columns;
use crate::data::DataError;
use crate::data::parquet_error::ParquetError;
use crate::data::pictures::{self, Contents, Listing, Split, State, Take};
use crate::picture::{MOST_FILE_BYTES, PictureError};
use ::parquet::basic::Type;
use ::parquet::column::reader::ColumnReaderImpl;
use ::parquet::data_type::{ByteArrayType, DataType, Int32Type, Int64Type};
use ::parquet::errors::ParquetError as Error;
use ::parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};
use ::parquet::file::serialized_reader::SerializedPageReader;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One file.
pub(super) struct Shard {
    pub(super) path: PathBuf,
    pub(super) split: Option<Split>,
    pub(super) about: ParquetMetaData,
    state: Option<State>,
}

/// A label as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    Number(i64),
    Text(Vec<u8>),
    None,
}

impl Shard {
    /// Reads what its end says of it.
    ///
    /// # Errors
    /// It is no Parquet file, or cut short.
    pub(super) fn open(path: PathBuf, split: Option<Split>) -> Result<Shard, ParquetError> {
        let state = pictures::state(&path);
        let file = open(&path)?;
        let about = guarded(&path, || ParquetMetaDataReader::new().parse_and_finish(&*file))?;
        let shard = Shard { path, split, about, state };
        // All that is counted later relies on it.
        let counted: i64 = shard.about.row_groups().iter().map(|group| group.num_rows().max(0)).sum();
        match counted == shard.about.file_metadata().num_rows() && counted <= i64::from(u32::MAX) {
            true => Ok(shard),
            false => Err(damaged(&shard.path, "its numbers of rows contradict each other")),
        }
    }

    /// The labels of all rows.
    ///
    /// # Errors
    /// Damage.
    pub(super) fn labels(&self, columns: &Columns) -> Result<Vec<Label>, ParquetError> {
        let file = open(&self.path)?;
        let mut labels = Vec::new();
        for group in self.about.row_groups() {
            let column = columns.labels;
            let rows = 0..group.num_rows() as usize;
            guarded(&self.path, || match group.column(column).column_type() {
                Type::INT32 => each::<Int32Type>(&file, group, column, rows, |_, value| {
                    labels.push(value.map_or(Label::None, |&value| Label::Number(value.into())));
                }),
                Type::INT64 => each::<Int64Type>(&file, group, column, rows, |_, value| {
                    labels.push(value.map_or(Label::None, |&value| Label::Number(value)));
                }),
                _ => each::<ByteArrayType>(&file, group, column, rows, |_, value| {
                    labels.push(value.map_or(Label::None, |value| Label::Text(value.data().to_owned())));
                }),
            })?;
        }
        Ok(labels)
    }
}

/// The pictures of all rows of some files, one file after the other.
pub(super) struct Rows {
    shards: Vec<(Shard, Columns)>,
    /// Number of the first picture, file and row group of all that have any.
    groups: Vec<(usize, usize, usize)>,
}

impl Rows {
    pub(super) fn of(shards: Vec<(Shard, Columns)>) -> Rows {
        let (mut groups, mut count) = (Vec::new(), 0);
        for (number, (shard, _)) in shards.iter().enumerate() {
            for (group, about) in shard.about.row_groups().iter().enumerate().filter(|(_, it)| it.num_rows() > 0) {
                groups.push((count, number, group));
                count += about.num_rows() as usize;
            }
        }
        Rows { shards, groups }
    }

    /// The place in `groups` that a picture is in.
    fn group(&self, picture: usize) -> usize {
        self.groups.partition_point(|(start, ..)| *start <= picture) - 1
    }
}

impl Contents for Rows {
    fn state(&self, _: &Listing, picture: usize) -> Option<State> {
        let (_, shard, _) = self.groups[self.group(picture)];
        self.shards[shard].0.state
    }

    fn read(&self, listing: &Listing, pictures: &[usize], take: Take) -> Result<(), DataError> {
        let mut rest = pictures;
        while let Some(&first) = rest.first() {
            let place = self.group(first);
            let (start, shard, group) = self.groups[place];
            let end = self.groups.get(place + 1).map_or(usize::MAX, |(next, ..)| *next);
            let (these, after) = rest.split_at(rest.partition_point(|&picture| picture < end));
            let (shard, columns) = &self.shards[shard];
            let file = open(&shard.path)?;
            let rows = these.iter().map(|picture| picture - start);
            guarded(&shard.path, || {
                let group = shard.about.row_group(group);
                each::<ByteArrayType>(&file, group, columns.pictures, rows, |row, value| {
                    let path = || listing.pictures[start + row].path.clone();
                    take(
                        start + row,
                        match value.map(|value| value.data()) {
                            None => Err(PictureError::Missing { path: path() }),
                            Some(bytes) if bytes.len() as u64 > MOST_FILE_BYTES => {
                                Err(PictureError::TooLarge { path: path() })
                            }
                            Some(bytes) => Ok(bytes),
                        },
                    );
                })
            })?;
            rest = after;
        }
        Ok(())
    }
}

/// Gives `take` the value of each of some rows of a group, which ascend; none where there is no value.
fn each<T: DataType>(
    file: &Arc<File>,
    group: &RowGroupMetaData,
    column: usize,
    rows: impl Iterator<Item = usize>,
    mut take: impl FnMut(usize, Option<&T::T>),
) -> Result<(), Error> {
    let count = group.num_rows() as usize;
    let pages = SerializedPageReader::new(Arc::clone(file), group.column(column), count, None)?;
    let leaf = group.schema_descr().column(column);
    let all_there = leaf.max_def_level();
    let mut reader = ColumnReaderImpl::<T>::new(leaf, Box::new(pages));
    let (mut at, mut levels, mut values) = (0, Vec::new(), Vec::new());
    for row in rows {
        levels.clear();
        values.clear();
        let skipped = reader.skip_records(row - at)?;
        let (read, ..) = reader.read_records(1, Some(&mut levels), None, &mut values)?;
        if skipped != row - at || read != 1 {
            return Err(Error::General(format!("row {row} of a group of {count} is missing")));
        }
        at = row + 1;
        let is_there = all_there == 0 || levels.first() == Some(&all_there);
        take(row, values.first().filter(|_| is_there));
    }
    Ok(())
}

fn open(path: &Path) -> Result<Arc<File>, ParquetError> {
    File::open(path).map(Arc::new).map_err(|source| ParquetError::File { path: path.to_owned(), source })
}

fn damaged(path: &Path, what: impl ToString) -> ParquetError {
    ParquetError::Damaged { path: path.to_owned(), what: what.to_string() }
}

/// The reader is large, and what it reads may be made to break it.
fn guarded<T>(path: &Path, read: impl FnOnce() -> Result<T, Error>) -> Result<T, ParquetError> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|error| damaged(path, error)),
        Err(_) => Err(damaged(path, "the reader gave up")),
    }
}
