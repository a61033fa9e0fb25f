//! Which failures deserve another try.

use frostline_sweep::outcome::FailureKind;

/// Attempts that a trial may lose with their workers: beyond that the trial is to blame.
pub(crate) const LOST_WORKERS: usize = 3;
/// Attempts that may end with an error of ours: the second time it is no accident.
pub(crate) const INTERNAL_ERRORS: usize = 2;

/// Whether a trial is tried again after `failures`, the newest last.
///
/// Divergence and bad files give the same again; memory that ran out needs a smaller batch, which would be another
/// trial.
pub(crate) fn again(failures: &[FailureKind]) -> bool {
    let Some(newest) = failures.last() else { return true };
    let same = failures.iter().filter(|kind| *kind == newest).count();
    match newest {
        FailureKind::WorkerLost => same < LOST_WORKERS,
        FailureKind::Internal => same < INTERNAL_ERRORS,
        FailureKind::OutOfMemory | FailureKind::Diverged | FailureKind::BadData => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureKind::{BadData, Diverged, Internal, OutOfMemory, WorkerLost};

    #[test]
    fn each_kind_has_its_rule() {
        assert!(again(&[]));
        assert!(again(&[WorkerLost, WorkerLost]));
        assert!(!again(&[WorkerLost, WorkerLost, WorkerLost]));
        assert!(again(&[WorkerLost, WorkerLost, Internal]));
        assert!(!again(&[Internal, WorkerLost, Internal]));
        for kind in [OutOfMemory, Diverged, BadData] {
            assert!(!again(&[kind]));
        }
    }
}
