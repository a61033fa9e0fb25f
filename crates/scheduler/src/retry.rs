//! Which failures deserve another try.

use frostline_sweep::outcome::FailureKind;

/// Attempts that a trial may lose with their workers: beyond that the trial is to blame.
pub(crate) const LOST_WORKERS: usize = 3;
/// Attempts that may end with an error of ours: the second time it is no accident.
pub(crate) const INTERNAL_ERRORS: usize = 2;

/// Whether a trial is tried again after `failures`, the newest last; `divisible` is how many images it takes at a
/// time, where it may take fewer.
///
/// A GPU that fails is no fault of the trial's, as a worker that is lost is none. Divergence and bad files give the same
/// again. Where memory ran out, the next attempt takes half as many images at a time, down to one.
pub(crate) fn again(failures: &[FailureKind], divisible: Option<u32>) -> bool {
    let Some(newest) = failures.last() else { return true };
    let same = failures.iter().filter(|kind| *kind == newest).count();
    match newest {
        FailureKind::WorkerLost | FailureKind::Device => same < LOST_WORKERS,
        FailureKind::Internal => same < INTERNAL_ERRORS,
        FailureKind::OutOfMemory => divisible.is_some_and(|images| halved(images, same - 1) > 1),
        FailureKind::Diverged | FailureKind::BadData => false,
    }
}

/// How many images the next attempt takes at a time; none as long as memory has not run out.
pub(crate) fn micro_batch(failures: &[FailureKind], divisible: Option<u32>) -> Option<u32> {
    let times = failures.iter().filter(|kind| **kind == FailureKind::OutOfMemory).count();
    divisible.filter(|_| times > 0).map(|images| halved(images, times))
}

/// So many images, halved so often and rounded up.
pub(crate) fn halved(images: u32, times: usize) -> u32 {
    (0..times).fold(images, |images, _| images.div_ceil(2))
}

/// What the end of its log says of a process that ended by itself: an allocation that failed outside of libtorch ends
/// the process, with this as its last word.
pub(crate) fn kind_of_exit(log: &[String]) -> FailureKind {
    let mut last = log.iter().rev().map(|line| line.trim()).filter(|line| !line.is_empty());
    match last.next() {
        Some(line) if line.starts_with("memory allocation of ") => FailureKind::OutOfMemory,
        Some(line) if line.starts_with("what():") => match FailureKind::of_message(line) {
            FailureKind::Internal => FailureKind::WorkerLost,
            kind => kind,
        },
        _ => FailureKind::WorkerLost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureKind::{BadData, Device, Diverged, Internal, OutOfMemory, WorkerLost};

    #[test]
    fn each_kind_has_its_rule() {
        let again = |failures: &[FailureKind]| again(failures, None);
        assert!(again(&[]));
        assert!(again(&[WorkerLost, WorkerLost]));
        assert!(!again(&[WorkerLost, WorkerLost, WorkerLost]));
        assert!(again(&[WorkerLost, WorkerLost, Internal]));
        assert!(!again(&[Internal, WorkerLost, Internal]));
        assert!(again(&[Device, Device]));
        assert!(!again(&[Device, WorkerLost, Device, Device]), "a trial that breaks every GPU is to blame");
        for kind in [OutOfMemory, Diverged, BadData] {
            assert!(!again(&[kind]));
        }
    }

    #[test]
    fn where_memory_runs_out_fewer_images_are_taken_at_a_time_down_to_one() {
        let mut failures = vec![WorkerLost];
        assert_eq!(micro_batch(&failures, Some(10)), None);
        for images in [5, 3, 2, 1] {
            failures.push(OutOfMemory);
            assert!(again(&failures, Some(10)));
            assert_eq!((micro_batch(&failures, Some(10)), micro_batch(&failures, None)), (Some(images), None));
        }
        failures.push(OutOfMemory);
        assert!(!again(&failures, Some(10)), "one image at a time is too much, too");
        assert!(!again(&[OutOfMemory], Some(1)));
    }

    #[test]
    fn a_process_that_could_not_allocate_says_so_last() {
        let kind = |lines: &[&str]| kind_of_exit(&lines.iter().map(|line| line.to_string()).collect::<Vec<_>>());
        assert_eq!(kind(&["start", "memory allocation of 4096 bytes failed", ""]), OutOfMemory);
        assert_eq!(kind(&["terminate called after throwing", "  what():  std::bad_alloc"]), OutOfMemory);
        assert_eq!(kind(&["  what():  CUDA error: an illegal memory access was encountered"]), Device);
        assert_eq!(kind(&["  what():  basic_string::substr"]), WorkerLost);
        assert_eq!(kind(&["ERROR attempt=3 out_of_memory: not enough memory"]), WorkerLost, "of an earlier attempt");
        assert_eq!(kind(&[]), WorkerLost);
    }
}
