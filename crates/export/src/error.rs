//! Why there is no export.

use frostline_store::StoreError;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "the database ranks `{sweep}` by `{metric}`, which this version does not know: export it with a newer one"
    )]
    UnknownMetric { sweep: String, metric: String },
    #[error("`{}` is not a folder: name another with -o", .folder.display())]
    NotAFolder { folder: PathBuf },
    #[error(
        "`{}` holds `{}`, which no export has put there: name another folder with -o", .folder.display(), .other.display()
    )]
    Occupied { folder: PathBuf, other: PathBuf },
    #[error(
        "`{}` in `{}` has changed since it was exported: name another folder with -o, or remove the file to have it \
         written anew", .file.display(), .folder.display()
    )]
    Changed { folder: PathBuf, file: PathBuf },
    #[error("cannot read `{}`: {source}; name another folder with -o", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot write `{}`: {source}; make room, or name another folder with -o", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl ExportError {
    /// Whether another argument would help, and no repair.
    pub fn is_wrong_input(&self) -> bool {
        use ExportError::{Changed, NotAFolder, Occupied};
        matches!(self, NotAFolder { .. } | Occupied { .. } | Changed { .. })
    }
}

/// Turns what went wrong while this file was read into an error that names it.
pub(crate) fn reading(path: &Path) -> impl FnOnce(io::Error) -> ExportError + use<'_> {
    |source| ExportError::Read { path: path.to_owned(), source }
}

/// The same of writing; of libraries that have errors of their own, too.
pub(crate) fn writing<E: Into<Box<dyn Error + Send + Sync>>>(path: &Path) -> impl Fn(E) -> ExportError + use<'_, E> {
    |source| {
        let source = match source.into().downcast::<io::Error>() {
            Ok(source) => *source,
            Err(source) => io::Error::other(source),
        };
        ExportError::Write { path: path.to_owned(), source }
    }
}
