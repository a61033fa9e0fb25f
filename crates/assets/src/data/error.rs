//! What is wrong with a data set's files.

use super::parquet_error::ParquetError;
use super::pictures_error::PicturesError;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("cannot read {}: {source}; {wanted}", path.display())]
    File {
        path: PathBuf,
        source: io::Error,
        /// What should be there.
        wanted: &'static str,
    },
    #[error(
        "{} is cut short: it has {length} bytes, and record {record} needs {size} from byte {start} on",
        path.display()
    )]
    Truncated { path: PathBuf, length: usize, record: usize, size: usize, start: usize },
    #[error("{} record {record}: label {label} is not one of 0 to {last}", path.display())]
    Label { path: PathBuf, record: usize, label: u8, last: usize },
    #[error("{} is empty", path.display())]
    Empty { path: PathBuf },
    #[error(
        "{} has CIFAR-10's version for Python, and the binary version is what is read: `frostline fetch cifar10` gets it",
        path.display()
    )]
    PythonVersion { path: PathBuf },
    #[error(transparent)]
    Pictures(#[from] PicturesError),
    #[error(transparent)]
    Parquet(#[from] ParquetError),
    #[error("no place was named for the files of the data set")]
    NoPlace,
}
