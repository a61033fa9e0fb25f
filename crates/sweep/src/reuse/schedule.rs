//! How long fills and trials take on several workers.

/// Seconds of one worker.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Schedule {
    pub(super) fills: f64,
    /// How long trials take, and how many take so long.
    pub(super) trials: Vec<(f64, u64)>,
}

impl Schedule {
    /// All of them together.
    pub(super) fn of(parts: impl Iterator<Item = Schedule>) -> Schedule {
        let mut all = Schedule::default();
        for part in parts {
            all.fills += part.fills;
            all.trials.extend(part.trials);
        }
        all.trials.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        all
    }

    /// How many trials.
    pub(super) fn count(&self) -> u64 {
        self.trials.iter().map(|(_, count)| count).sum()
    }

    /// One after another.
    pub(super) fn work(&self) -> f64 {
        self.fills + self.trials.iter().map(|(seconds, count)| seconds * *count as f64).sum::<f64>()
    }

    /// On so many workers: they fill together, then the one that is free first takes the shortest trial that is left.
    pub(super) fn seconds(&self, workers: usize) -> f64 {
        let workers = workers.max(1);
        let mut busy = vec![self.fills / workers as f64; workers];
        for &(seconds, count) in &self.trials {
            // Whoever is ahead is so by one shorter trial at most, so of trials that take equally long each worker gets one
            // before any gets the next.
            let rounds = (count / workers as u64) as f64;
            busy.iter_mut().for_each(|until| *until += rounds * seconds);
            busy.sort_by(f64::total_cmp);
            busy.iter_mut().take((count % workers as u64) as usize).for_each(|until| *until += seconds);
        }
        busy.into_iter().fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(fills: f64, trials: &[(f64, u64)]) -> Schedule {
        Schedule::of([Schedule { fills, trials: trials.to_vec() }].into_iter())
    }

    #[test]
    fn the_worker_that_is_free_first_takes_the_shortest_trial_that_is_left() {
        // One worker: 1 + 1 + 1 + 10; two: 1 and 1, then 1 beside 10.
        let trials = [(10.0, 1), (1.0, 3)];
        assert_eq!(schedule(0.0, &trials).seconds(1), 13.0);
        assert_eq!(schedule(0.0, &trials).seconds(2), 11.0);
        assert_eq!(schedule(0.0, &trials).seconds(3), 11.0);
        assert_eq!(schedule(0.0, &trials).seconds(4), 10.0);
        assert_eq!(schedule(4.0, &trials).seconds(2), 13.0, "two workers fill together");
        assert_eq!(schedule(4.0, &trials).work(), 17.0);
        assert_eq!(schedule(0.0, &[]).seconds(0), 0.0);
    }

    #[test]
    fn many_equal_trials_are_shared_out_evenly() {
        assert_eq!(schedule(0.0, &[(0.5, 1_000_001)]).seconds(4), 125_000.5);
        // Three workers, durations 2 (four of them) and 3 (three): 2+2+3, 2+3, 2+3.
        assert_eq!(schedule(0.0, &[(2.0, 4), (3.0, 3)]).seconds(3), 7.0);
    }
}
