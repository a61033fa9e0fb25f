//! What is wrong with pictures in Parquet files.

use super::pictures_error::List;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ParquetError {
    #[error("cannot read {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(
        "{} has no file that ends in .parquet, and no folder `data` with one: `data.path` names the folder of such files{}",
        path.display(), folders(below)
    )]
    NoFiles {
        path: PathBuf,
        /// Folders in it that have some.
        below: List,
    },
    #[error("{} has no file of training images, called train-*.parquet; it has {found}", path.display())]
    NoTraining { path: PathBuf, found: List },
    #[error("files of a split are missing, of which others are there: {0}; get them, too")]
    MissingFiles(List),
    #[error("{} is not a whole Parquet file, or damaged: {what}; get it again", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error("{} has no rows", path.display())]
    Empty { path: PathBuf },
    #[error(
        "{} has no column of {}: {}; its columns are {columns}",
        path.display(), wanted.noun(), wanted.form()
    )]
    NoColumn { path: PathBuf, wanted: Column, columns: List },
    #[error(
        "{} has several columns that can be its {}: {columns}; choose one with data.{}",
        path.display(), wanted.noun(), wanted.key()
    )]
    Several { path: PathBuf, wanted: Column, columns: List },
    #[error(
        "data.{} = \"{named}\": {} has no such column of {}; those that can be are {columns}",
        wanted.key(), path.display(), wanted.noun()
    )]
    NotThere { path: PathBuf, wanted: Column, named: String, columns: List },
    #[error("{} names the class `{name}` twice: no two classes may have one name", path.display())]
    OneNameTwice { path: PathBuf, name: String },
    #[error("{} and {} are not of one data set: {what}", one.display(), other.display())]
    Differ { one: PathBuf, other: PathBuf, what: &'static str },
    #[error("labels that say no class: {0}; a split whose labels are not known cannot be used: move its files away")]
    Labels(List),
}

/// What a column is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    Pictures,
    Labels,
}

impl Column {
    pub(super) fn noun(self) -> &'static str {
        match self {
            Column::Pictures => "pictures",
            Column::Labels => "labels",
        }
    }

    fn form(self) -> &'static str {
        match self {
            Column::Pictures => "one holds bytes, or a struct in which `bytes` are",
            Column::Labels => "one holds whole numbers or text",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Column::Pictures => "image_column",
            Column::Labels => "label_column",
        }
    }
}

fn folders(List(below): &List) -> String {
    match below.is_empty() {
        true => String::new(),
        false => format!(", and here that may be {}", List(below.clone())),
    }
}
