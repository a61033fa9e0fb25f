//! Checkpoints on disk: of a trial that has its outcome they are of no use any more.

use frostline_results::checkpoint;
use frostline_sweep::trial::TrialId;
use std::path::Path;

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

    #[test]
    fn the_files_of_the_unwanted_go_and_what_is_no_checkpoint_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (gone, stays) = (TrialId([1; 16]), TrialId([2; 16]));
        let newest = checkpoint::name(gone);
        let before = checkpoint::before(newest.as_ref());
        for name in [newest.as_ref(), before.as_path(), checkpoint::name(stays).as_ref()] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::write(folder.path().join("notes.txt"), "").unwrap();
        remove(folder.path(), |trial| trial == gone);
        let mut left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [checkpoint::name(stays).as_str(), "notes.txt"]);
        remove(&folder.path().join("absent"), |_| true);
    }
}
