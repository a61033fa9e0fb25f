//! Checkpoints on disk: of a trial that has its outcome they are of no use any more.

use frostline_results::{Arriving, checkpoint};
use frostline_sweep::trial::TrialId;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The folder of checkpoints, and whose may come to lie there. Any checkpoint of a trial is as right as another: one that is
/// older costs epochs, and nothing else.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
    /// Trials of this sweep without an outcome.
    unfinished: Mutex<BTreeSet<TrialId>>,
}

impl Checkpoints {
    pub(crate) fn new(folder: PathBuf, unfinished: BTreeSet<TrialId>) -> Checkpoints {
        Checkpoints { folder, unfinished: Mutex::new(unfinished) }
    }

    /// Where the newest of a trial lies, if there is any.
    pub(crate) fn newest(&self, trial: TrialId) -> PathBuf {
        self.folder.join(checkpoint::name(trial))
    }

    /// Begins to take one from another machine, under a name that `mark` makes its own; none where nobody needs it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn begin(&self, trial: TrialId, mark: u64) -> io::Result<Option<Arriving>> {
        let is_needed = self.unfinished().contains(&trial);
        is_needed.then(|| Arriving::begin(checkpoint::arriving(&self.newest(trial), mark))).transpose()
    }

    /// One that has come whole takes its place, unless its trial has got its outcome meanwhile.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub(crate) fn keep(&self, trial: TrialId, arriving: Arriving) -> io::Result<()> {
        let unfinished = self.unfinished();
        match unfinished.contains(&trial) {
            true => arriving.keep_as(&self.newest(trial)),
            false => Ok(()),
        }
    }

    /// A trial's outcome is committed: what it has goes, and nothing comes any more.
    pub(crate) fn ended(&self, trial: TrialId) {
        self.unfinished().remove(&trial);
        remove(&self.folder, |of| of == trial);
    }

    fn unfinished(&self) -> MutexGuard<'_, BTreeSet<TrialId>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the checkpoints of these trials. What cannot be removed costs disk only, and is tried again by the next run.
pub(crate) fn remove(folder: &Path, unwanted: impl Fn(TrialId) -> bool) {
    for (trial, path) in checkpoint::files(folder) {
        if unwanted(trial) {
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn the_files_of_the_unwanted_go_and_what_is_no_checkpoint_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (gone, stays) = (TrialId([1; 16]), TrialId([2; 16]));
        let newest = checkpoint::name(gone);
        let before = checkpoint::before(newest.as_ref());
        for name in [newest.as_ref(), before.as_path(), checkpoint::name(stays).as_ref()] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        remove(folder.path(), |trial| trial == gone);
        assert_eq!(names(folder.path()), [checkpoint::name(stays).as_str(), "notes.txt"]);
        remove(&folder.path().join("absent"), |_| true);
    }

    #[test]
    fn what_comes_after_a_trials_outcome_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (done, other) = (TrialId([1; 16]), TrialId([2; 16]));
        let checkpoints = Checkpoints::new(folder.path().to_owned(), BTreeSet::from([done]));
        assert!(checkpoints.begin(other, 1).unwrap().is_none(), "no trial of this sweep");
        let [first, late] = [1, 2].map(|mark| checkpoints.begin(done, mark).unwrap().unwrap());
        checkpoints.keep(done, first).unwrap();
        assert_eq!(names(folder.path()), [format!("{done}.2.arriving"), checkpoint::name(done)]);
        checkpoints.ended(done);
        assert_eq!(names(folder.path()).len(), 0);
        checkpoints.keep(done, late).unwrap();
        assert!(checkpoints.begin(done, 3).unwrap().is_none());
        assert_eq!(names(folder.path()).len(), 0);
    }
}
