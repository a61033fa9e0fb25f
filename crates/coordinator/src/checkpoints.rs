//! Checkpoints on disk: of a trial that has its outcome they are of no use any more.

use frostline_results::{Arriving, checkpoint};
use frostline_sweep::trial::TrialId;
use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
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
        checkpoint::remove(&self.folder, |of| of == trial);
    }

    fn unfinished(&self) -> MutexGuard<'_, BTreeSet<TrialId>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(name).collect();
        names.sort();
        names
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
