//! Starts that come to nothing: the next one waits, longer each time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Seconds before a start, by how many in a row have come to nothing.
const PAUSES: [u64; 5] = [0, 1, 5, 20, 60];

#[derive(Debug, Default)]
pub(super) struct Failures(AtomicUsize);

impl Failures {
    pub(super) fn pause(&self) -> Duration {
        Duration::from_secs(PAUSES[self.0.load(Ordering::Relaxed).min(PAUSES.len() - 1)])
    }

    pub(super) fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn none(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_ever_more_seldom() {
        let failures = Failures::default();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            pauses.push(failures.pause().as_secs());
            failures.one_more();
        }
        assert_eq!(pauses, [0, 1, 5, 20, 60, 60, 60]);
        failures.none();
        assert_eq!(failures.pause(), Duration::ZERO);
    }
}
