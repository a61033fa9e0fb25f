//! What can go wrong with the database, each with its place and a way out.

use frostline_results::Holder;
use rusqlite::ErrorCode;
use rustix::process::{Resource, getrlimit};
use std::path::{Path, PathBuf};

/// The fewest hexadecimal digits that name a trial.
pub(crate) const MIN_PREFIX: usize = 4;

#[derive(thiserror::Error, Debug)]
pub enum StoreError {
    #[error(
        "there are no results in `{}`: launch a sweep first, or name another folder with --results",
        .results.display()
    )]
    Missing { results: PathBuf },
    #[error(
        "`{}` was written by a newer Frostline (format {found}, this one knows {known}): \
         use that version, or name another folder with --results", .path.display()
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error(
        "`{}` was written by an older Frostline (format {found}, this one reads {known}), and cannot be brought up to date \
         now: it is in use, or cannot be written; try again later, or with a copy", .path.display()
    )]
    Older { path: PathBuf, found: u32, known: u32 },
    /// The process is unknown for the moment between its lock and its note.
    #[error(
        "`{}` is in use by {}: wait until it ends, stop it, or name another folder with --results",
        .path.display(), process(.holder.as_ref())
    )]
    Locked { path: PathBuf, holder: Option<Holder> },
    #[error(
        "`{}` lies on a network file system ({file_system}), where SQLite's locks and shared memory do not hold: \
         `frostline launch --shared-disk` makes a results folder there that one process alone opens, or name a folder on \
         a local disk with --results", .path.display()
    )]
    Network { path: PathBuf, file_system: &'static str },
    #[error(
        "nothing of `{}` can be read yet, for it is on a shared disk and has no snapshot: try again once its coordinator \
         ({}) has begun", .path.display(), process(.holder.as_ref())
    )]
    NoSnapshot { path: PathBuf, holder: Option<Holder> },
    /// Nothing is wrong with the disk or the rows: the same call may well succeed a moment later.
    #[error(
        "another program holds `{}` (a database browser with changes that are not committed, a backup): let it commit or \
         close it; nothing that is committed is lost", .path.display()
    )]
    Held { path: PathBuf },
    #[error("there is no sweep `{name}`{}", unknown(.near))]
    UnknownSweep { name: String, near: Vec<String> },
    #[error("{}", unknown_trial(.prefix))]
    UnknownTrial { prefix: String },
    #[error("`{prefix}` is the beginning of several trials ({}): give more digits", .matches.join(", "))]
    AmbiguousTrial { prefix: String, matches: Vec<String> },
    /// Nothing of the batch was written.
    #[error("{0}: the database and its user disagree, so stop this process and resume the sweep")]
    Inconsistent(String),
    #[error(
        "no space is left to write `{}`: free some and resume the sweep, nothing committed is lost", .path.display()
    )]
    Full { path: PathBuf },
    #[error(
        "`{}` cannot be written: allow writing to the file and its folder, or name another folder with --results",
        .path.display()
    )]
    ReadOnly { path: PathBuf },
    #[error(
        "`{}` may not be read by this user: ask its owner for access, or name another folder with --results",
        .path.display()
    )]
    Forbidden { path: PathBuf },
    #[error(
        "`{}` is not a Frostline database: move it away, or name another folder with --results", .path.display()
    )]
    NotADatabase { path: PathBuf },
    #[error(
        "`{}` is damaged ({detail}): restore it from a backup, or name another folder with --results",
        .path.display()
    )]
    Corrupt { path: PathBuf, detail: String },
    #[error(
        "`{}` may not become larger than {limit} bytes here (`ulimit -f`): raise that limit and resume the sweep, nothing \
         committed is lost", .path.display()
    )]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("SQLite failed on `{}`: {source}; check the disk and the folder's permissions", .path.display())]
    Sqlite { path: PathBuf, source: rusqlite::Error },
    #[error("cannot {action} `{}`: {source}; repair it, or name another folder with --results", .path.display())]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
}

impl StoreError {
    /// A file that is to be read only.
    pub(crate) fn reading(action: &'static str, path: &Path, source: std::io::Error) -> StoreError {
        match source.kind() {
            std::io::ErrorKind::PermissionDenied => StoreError::Forbidden { path: path.to_owned() },
            _ => StoreError::file(action, path, source),
        }
    }

    pub(crate) fn file(action: &'static str, path: &Path, source: std::io::Error) -> StoreError {
        use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
        let path = path.to_owned();
        match source.kind() {
            PermissionDenied | ReadOnlyFilesystem => StoreError::ReadOnly { path },
            StorageFull => StoreError::Full { path },
            _ => StoreError::File { action, path, source },
        }
    }

    pub(crate) fn sqlite(path: &Path, source: rusqlite::Error) -> StoreError {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Held { path },
            Some(ErrorCode::DiskFull) => StoreError::Full { path },
            Some(ErrorCode::ReadOnly) => StoreError::ReadOnly { path },
            Some(ErrorCode::SystemIoFailure) => match getrlimit(Resource::Fsize).current {
                Some(limit) => StoreError::TooLarge { path, limit },
                None => StoreError::Sqlite { path, source },
            },
            Some(ErrorCode::NotADatabase) => StoreError::NotADatabase { path },
            Some(ErrorCode::DatabaseCorrupt) => StoreError::Corrupt { path, detail: source.to_string() },
            // A row that does not read as what the writer puts there.
            None => match source {
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..) => StoreError::Corrupt { path, detail: source.to_string() },
                _ => StoreError::Sqlite { path, source },
            },
            _ => StoreError::Sqlite { path, source },
        }
    }
}

/// An error on its way to the place that knows the database's path.
pub(crate) enum Fault {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl Fault {
    pub(crate) fn inconsistent(what: String) -> Fault {
        StoreError::Inconsistent(what).into()
    }

    pub(crate) fn at(self, path: &Path) -> StoreError {
        match self {
            Fault::Sql(source) => StoreError::sqlite(path, source),
            Fault::Store(error) => error,
        }
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        Fault::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::Store(error)
    }
}

fn process(holder: Option<&Holder>) -> String {
    holder.map_or_else(|| "another process".to_owned(), Holder::to_string)
}

fn unknown_trial(prefix: &str) -> String {
    match prefix.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        false => format!(
            "`{prefix}` is no trial: a trial is named by the first digits of its id (0 to 9, a to f), which `frostline status` \
             lists"
        ),
        true if prefix.len() < MIN_PREFIX => {
            format!(
                "`{prefix}` is too short to name a trial: give at least {MIN_PREFIX} digits of its id, which `frostline status` lists"
            )
        }
        true => format!("no trial begins with `{prefix}`: `frostline status` lists the trials of a sweep"),
    }
}

fn unknown(near: &[String]) -> String {
    if near.is_empty() {
        return ": `frostline list` shows the sweeps of this folder, --results names another one".to_owned();
    }
    format!(", did you mean `{}`?", near.join("` or `"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_place_value_and_remedy() {
        let path = || PathBuf::from("results/frostline.db");
        let messages = [
            StoreError::Locked { path: path(), holder: Some(Holder { process: 12, host: "n3".into() }) }.to_string(),
            StoreError::Locked { path: path(), holder: None }.to_string(),
            StoreError::UnknownSweep { name: "dem".into(), near: vec!["demo".into(), "demo2".into()] }.to_string(),
            StoreError::UnknownSweep { name: "x".into(), near: vec![] }.to_string(),
        ];
        assert_eq!(
            messages,
            [
                "`results/frostline.db` is in use by process 12 on n3: wait until it ends, stop it, or name another folder \
                 with --results",
                "`results/frostline.db` is in use by another process: wait until it ends, stop it, or name another \
                 folder with --results",
                "there is no sweep `dem`, did you mean `demo` or `demo2`?",
                "there is no sweep `x`: `frostline list` shows the sweeps of this folder, --results names another one",
            ]
        );
    }

    #[test]
    fn a_refused_file_is_read_only_and_other_failures_keep_their_source() {
        let path = Path::new("results");
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert!(matches!(StoreError::file("open", path, denied), StoreError::ReadOnly { .. }));
        let other = std::io::Error::from(std::io::ErrorKind::NotADirectory);
        assert!(matches!(StoreError::file("create", path, other), StoreError::File { action: "create", .. }));
    }
}
