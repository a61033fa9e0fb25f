//! How long fills and trials take on several workers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// In the last trials that each worker gets, the longest go first.
const LAST_ROUNDS: f64 = 3.0;
/// Of the longest trial's time: what takes no more fills no gap that it could leave.
const SHORT: f64 = 0.1;

/// Of `count` trials that take so many seconds each, the next ones in order, how many are given out before longer ones;
/// `left` is the work that is left with them.
///
/// The shortest go first, which brings answers early. Where one worker still runs a long trial when the others have nothing
/// left, these wait in vain: so towards the end the longest go first, but for those that are short beside them. With one
/// worker the order changes nothing.
pub fn early(seconds: f64, count: u64, left: f64, longest: f64, workers: usize) -> u64 {
    if workers < 2 || seconds <= SHORT * longest {
        return count;
    }
    let end = LAST_ROUNDS * workers as f64 * longest;
    count.min(((left - end) / seconds).max(0.0) as u64)
}

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

    /// One after another.
    pub(super) fn work(&self) -> f64 {
        self.fills + self.trials.iter().map(|(seconds, count)| seconds * *count as f64).sum::<f64>()
    }

    /// On so many workers: they fill together, then the one that is free first takes the shortest trial that is left, or
    /// the longest where no more go [`early`].
    pub(super) fn seconds(&self, workers: usize) -> f64 {
        let workers = workers.max(1);
        let mut busy = vec![self.fills / workers as f64; workers];
        let mut left = self.work() - self.fills;
        let longest = self.trials.last().map_or(0.0, |(longest, _)| *longest);
        let mut last = Vec::new();
        for &(seconds, count) in &self.trials {
            let early = early(seconds, count, left, longest, workers);
            left -= seconds * early as f64;
            last.push((seconds, count - early));
            // Whoever is ahead is so by one shorter trial at most, so of trials that take equally long each worker gets one
            // before any gets the next.
            let rounds = (early / workers as u64) as f64;
            busy.iter_mut().for_each(|until| *until += rounds * seconds);
            busy.sort_by(f64::total_cmp);
            busy.iter_mut().take((early % workers as u64) as usize).for_each(|until| *until += seconds);
        }
        // Positive numbers are in the order of their bits.
        let mut busy: BinaryHeap<Reverse<u64>> = busy.into_iter().map(|until| Reverse(until.to_bits())).collect();
        for (seconds, count) in last.into_iter().rev() {
            for _ in 0..count {
                if let Some(mut first) = busy.peek_mut() {
                    *first = Reverse((f64::from_bits(first.0) + seconds).to_bits());
                }
            }
        }
        busy.into_iter().map(|Reverse(until)| f64::from_bits(until)).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(fills: f64, trials: &[(f64, u64)]) -> Schedule {
        Schedule::of([Schedule { fills, trials: trials.to_vec() }].into_iter())
    }

    #[test]
    fn the_last_trials_are_given_out_longest_first() {
        // One worker: 2 + 2 + 2 + 10; two: 10 beside 2 + 2 + 2.
        let trials = [(10.0, 1), (2.0, 3)];
        assert_eq!(schedule(0.0, &trials).seconds(1), 16.0);
        assert_eq!(schedule(0.0, &trials).seconds(2), 10.0);
        assert_eq!(schedule(0.0, &trials).seconds(3), 10.0);
        assert_eq!(schedule(0.0, &trials).seconds(4), 10.0);
        assert_eq!(schedule(4.0, &trials).seconds(2), 12.0, "two workers fill together");
        // The shortest first would end after 2 + 8 beside 2 + 3.
        assert_eq!(schedule(0.0, &[(2.0, 2), (3.0, 1), (8.0, 1)]).seconds(2), 8.0);
        assert_eq!(schedule(4.0, &trials).work(), 20.0);
        // Short ones go first whatever follows: 1 and 1, then 1 beside 10.
        assert_eq!(schedule(0.0, &[(10.0, 1), (1.0, 3)]).seconds(2), 11.0);
        assert_eq!(schedule(0.0, &[]).seconds(0), 0.0);
    }

    #[test]
    fn many_equal_trials_are_shared_out_evenly() {
        assert_eq!(schedule(0.0, &[(0.5, 1_000_001)]).seconds(4), 125_000.5);
        // Three workers, durations 3 (three of them) and 2 (four): 3+2+2, 3+2, 3+2.
        assert_eq!(schedule(0.0, &[(2.0, 4), (3.0, 3)]).seconds(3), 7.0);
    }
}
