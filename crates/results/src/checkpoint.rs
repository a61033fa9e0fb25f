//! Names of checkpoints. Everything that belongs to a trial's begins with the trial's id and a point.

use frostline_sweep::trial::TrialId;
use std::fs;
use std::path::{Path, PathBuf};

const EXTENSION: &str = "checkpoint";

/// Name of a trial's newest checkpoint.
pub fn name(trial: TrialId) -> String {
    format!("{trial}.{EXTENSION}")
}

/// Where a checkpoint lies while it is written.
pub fn writing(newest: &Path) -> PathBuf {
    newest.with_extension("writing")
}

/// The checkpoint before the newest, for the case that the newest turns out to be damaged.
pub fn before(newest: &Path) -> PathBuf {
    newest.with_extension("before.checkpoint")
}

/// Where a checkpoint lies while it comes from another machine; `mark` is nobody else's.
pub fn arriving(newest: &Path, mark: u64) -> PathBuf {
    newest.with_extension(format!("{mark}.arriving"))
}

/// The trial that a file of this name belongs to, finished or not; none where it belongs to no trial.
pub fn trial_of(name: &str) -> Option<TrialId> {
    name.split_once('.')?.0.parse().ok()
}

/// What the folder holds of any trial: newest ones, those before, and unfinished ones; in the order of their names.
/// Nothing where the folder cannot be read.
pub fn files(folder: &Path) -> Vec<(TrialId, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<_> =
        entries.filter_map(|entry| Some((trial_of(entry.file_name().to_str()?)?, entry.path()))).collect();
    files.sort();
    files
}

/// Removes what the folder holds of these trials. What cannot be removed costs disk only, and goes with the next try.
pub fn remove(folder: &Path, unwanted: impl Fn(TrialId) -> bool) {
    for (_, path) in files(folder).into_iter().filter(|(trial, _)| unwanted(*trial)) {
        let _ = fs::remove_file(path);
    }
}

/// Whether a file has been written to its end.
pub fn is_finished(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_whose_checkpoint_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let trial = TrialId([7; 16]);
        let newest = folder.path().join(name(trial));
        let all = [arriving(&newest, 12), before(&newest), newest.clone(), writing(&newest)];
        for path in &all {
            assert_eq!(trial_of(path.file_name().unwrap().to_str().unwrap()), Some(trial));
            fs::write(path, "").unwrap();
        }
        for foreign in ["notes.txt", "0707.checkpoint", "checkpoint", &trial.to_string(), ""] {
            assert_eq!(trial_of(foreign), None, "{foreign}");
        }
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        let found = files(folder.path());
        assert_eq!(found, all.clone().map(|path| (trial, path)));
        let finished: Vec<_> = all.iter().filter(|path| is_finished(path)).collect();
        assert_eq!(finished, [&all[1], &all[2]]);
        assert!(files(&folder.path().join("absent")).is_empty());
    }

    #[test]
    fn the_files_of_the_unwanted_go_and_what_is_no_checkpoint_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (gone, stays) = (TrialId([1; 16]), TrialId([2; 16]));
        let newest = name(gone);
        let before = super::before(newest.as_ref());
        for file in [newest.as_ref(), before.as_path(), name(stays).as_ref()] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        remove(folder.path(), |trial| trial == gone);
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [name(stays).as_str(), "notes.txt"]);
        remove(&folder.path().join("absent"), |_| true);
    }
}
