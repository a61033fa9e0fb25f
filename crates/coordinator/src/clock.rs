//! The coordinator's time: milliseconds in which it could have heard its workers.

use frostline_scheduler::Time;
use std::time::{Duration, Instant};

/// What a turn of the loop may take beyond the wait that it asked for and still count in full.
const SLACK: Duration = Duration::from_secs(1);

/// Counts from 0. Time in which the coordinator was stopped, or stuck in a slow commit, counts as [`SLACK`] at most: its
/// workers could not be heard then, and their leases must not run out for it.
pub(crate) struct Clock {
    now: Duration,
    last: Instant,
}

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock { now: Duration::ZERO, last: Instant::now() }
    }

    /// The time, after a wait that was to take `asked` at most.
    pub(crate) fn advance(&mut self, asked: Duration) -> Time {
        let real = Instant::now();
        self.now += (real - self.last).min(asked + SLACK);
        self.last = real;
        self.now()
    }

    pub(crate) fn now(&self) -> Time {
        Time(self.now.as_millis() as u64)
    }

    /// From now to `deadline`.
    pub(crate) fn until(&self, deadline: Time) -> Duration {
        Duration::from_millis(deadline.0).saturating_sub(self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_of_the_whole_process_counts_little() {
        let mut clock = Clock::start();
        clock.last = Instant::now().checked_sub(Duration::from_secs(3600)).unwrap();
        assert_eq!(clock.advance(Duration::from_millis(500)), Time(1500));
        assert_eq!(clock.until(Time(1750)), Duration::from_millis(250));
        assert_eq!(clock.until(Time(3)), Duration::ZERO);
    }
}
