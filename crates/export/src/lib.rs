//! A sweep in the files of other programs: tables for pandas and its like, event files for TensorBoard, a study for Optuna.
//!
//! Owns which files a format has and what stands in them; `docs/python.md` says it for people. A format is one file here
//! and one row of [`FORMATS`]. Knows nothing of terminals, and reads rows from `store` alone; SQL is for Optuna's file.

mod cell;
mod columns;
mod csv;
mod error;
mod folder;
mod json;
mod optuna;
mod outline;
mod parquet;
mod sink;
mod tables;
mod tensorboard;

pub use error::ExportError;
pub use folder::MANIFEST;

use folder::Folder;
use frostline_store::{Reader, Recorded};
use outline::Outline;
use sink::Begin;
use std::path::{Path, PathBuf};

/// What a sweep can be written as.
pub struct Format {
    /// As it is asked for.
    pub name: &'static str,
    /// One line for people.
    pub meaning: &'static str,
    /// Whether it has a place for such a trial.
    takes: fn(&Recorded) -> bool,
    begin: Begin,
}

pub static FORMATS: [Format; 5] = [
    Format {
        name: "csv",
        meaning: "trials.csv and epochs.csv",
        takes: |_| true,
        begin: |outline, folder| tables::begin::<csv::Table>(outline, folder),
    },
    Format {
        name: "json",
        meaning: "trials.jsonl and epochs.jsonl, one object a line",
        takes: |_| true,
        begin: |outline, folder| tables::begin::<json::Table>(outline, folder),
    },
    Format {
        name: "parquet",
        meaning: "trials.parquet and epochs.parquet",
        takes: |_| true,
        begin: |outline, folder| tables::begin::<parquet::Table>(outline, folder),
    },
    Format {
        name: "tensorboard",
        meaning: "event files with hyperparameters, a folder for each trial that was begun",
        takes: |trial| trial.attempt.is_some(),
        begin: tensorboard::begin,
    },
    Format {
        name: "optuna",
        meaning: "optuna.db with two studies of the trials that are over",
        takes: |trial| optuna::state(trial).is_some(),
        begin: optuna::begin,
    },
];

/// The format that is called `name`.
pub fn find(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    pub trials: u64,
    pub epochs: u64,
    /// Trials that the format has no place for yet.
    pub left_out: u64,
    /// By their paths in the folder, with their bytes; in order.
    pub files: Vec<(PathBuf, u64)>,
}

/// Writes a sweep as it stands at one moment into `folder`, which is new, empty or an earlier export that nobody has
/// changed. What it held before stays until all of the new is there.
///
/// # Errors
/// There is no such sweep, the folder has other content, or a failure of the database or the disk.
pub fn export(reader: &mut Reader, sweep: &str, format: &Format, folder: &Path) -> Result<Exported, ExportError> {
    let whole = reader.whole(sweep)?;
    let outline = Outline::of(&whole)?;
    let folder = Folder::open(folder)?;
    let staging = folder.staging()?;
    let mut sink = (format.begin)(&outline, staging.path())?;
    let (mut trials, mut epochs, mut left_out) = (0, 0, 0);
    whole.trials(|trial| {
        if !(format.takes)(&trial) {
            left_out += 1;
            return Ok(());
        }
        trials += 1;
        epochs += trial.epochs.len() as u64;
        sink.trial(&trial)
    })?;
    sink.finish()?;
    let files = folder.replace(staging, format.name, sweep)?;
    Ok(Exported { trials, epochs, left_out, files })
}
