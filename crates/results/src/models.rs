//! Trained models: one file a trial.

use frostline_sweep::outcome::AttemptId;
use frostline_sweep::trial::TrialId;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the model of a trial lies in the folder of models.
pub fn path(folder: &Path, trial: TrialId) -> PathBuf {
    folder.join(trial.model_file())
}

/// Whether somebody has had this model trained once more: then it stays, whatever the rule of its sweeps says.
pub fn is_retrained(folder: &Path, trial: TrialId) -> bool {
    mark(folder, trial).exists()
}

/// # Errors
/// The mark beside the model cannot be written.
pub fn mark_retrained(folder: &Path, trial: TrialId) -> io::Result<()> {
    fs::write(mark(folder, trial), "")
}

/// What lies beside a model that was trained once more.
pub fn mark(folder: &Path, trial: TrialId) -> PathBuf {
    folder.join(format!("{trial}.retrained"))
}

/// The models in a folder, each with its bytes, in the order of their trials. Nothing where the folder cannot be read.
pub fn files(folder: &Path) -> Vec<(TrialId, u64)> {
    let read = |entry: fs::DirEntry| {
        let trial: TrialId = entry.file_name().to_str()?.split_once('.')?.0.parse().ok()?;
        // Beside it may lie one that is still written.
        (path(folder, trial) == entry.path()).then_some((trial, entry.metadata().ok()?.len()))
    };
    let mut files: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(read).collect();
    files.sort();
    files
}

/// Those whose model lies in a folder, in their order.
pub fn trials(folder: &Path) -> Vec<TrialId> {
    files(folder).into_iter().map(|(trial, _)| trial).collect()
}

const ARRIVED: &str = "arrived";
const ARRIVING: &str = "arriving";

/// Where a whole model lies that a worker of another machine has sent with an attempt, until that attempt counts.
pub fn arrived_as(folder: &Path, trial: TrialId, attempt: AttemptId) -> PathBuf {
    folder.join(format!("{trial}.{attempt}.{ARRIVED}"))
}

/// Where it lies while it comes; `mark` is nobody else's.
pub fn arriving(arrived: &Path, mark: u64) -> PathBuf {
    arrived.with_extension(format!("{mark}.{ARRIVING}"))
}

/// What workers have sent, the unfinished too. Nothing where the folder cannot be read.
pub fn arrived(folder: &Path) -> Vec<(TrialId, AttemptId, PathBuf)> {
    let read = |entry: fs::DirEntry| {
        let name = entry.file_name();
        let (trial, attempt) = name.to_str()?.split_once('.')?;
        let trial: TrialId = trial.parse().ok()?;
        let (attempt, stage) = attempt.split_once('.')?;
        let has_arrived = stage == ARRIVED || stage.ends_with(ARRIVING);
        has_arrived.then_some((trial, AttemptId(attempt.parse().ok()?), entry.path()))
    };
    let mut arrived: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().filter_map(read).collect();
    arrived.sort();
    arrived
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_models_are_found_with_their_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (TrialId([1; 16]), TrialId([2; 16]));
        fs::write(path(folder.path(), two), [0; 7]).unwrap();
        fs::write(path(folder.path(), one), [0; 5]).unwrap();
        fs::write(folder.path().join(format!("{one}.writing")), [0; 3]).unwrap();
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        assert_eq!(files(folder.path()), [(one, 5), (two, 7)]);
        assert_eq!(files(&folder.path().join("absent")), []);
        mark_retrained(folder.path(), one).unwrap();
        assert_eq!([one, two].map(|trial| is_retrained(folder.path(), trial)), [true, false]);
        assert_eq!(files(folder.path()), [(one, 5), (two, 7)], "a mark is no model");
        let attempt = AttemptId(12);
        let whole = arrived_as(folder.path(), two, attempt);
        let unfinished = arriving(&arrived_as(folder.path(), one, attempt), 4);
        for file in [&whole, &unfinished] {
            fs::write(file, "").unwrap();
        }
        assert_eq!(arrived(folder.path()), [(one, attempt, unfinished), (two, attempt, whole)]);
        assert_eq!(files(folder.path()), [(one, 5), (two, 7)], "what has arrived is nobody's model yet");
    }
}
