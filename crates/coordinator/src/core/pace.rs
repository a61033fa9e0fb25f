//! How long a sweep will take from here, by the epochs that it has finished.

use frostline_sweep::trial::TrialSpec;
use std::collections::BTreeMap;
use std::time::Duration;

/// Seconds an epoch takes, apart for trials that freeze differently: one of a fully frozen trial may take a hundredth of
/// one that trains the whole network.
#[derive(Debug, Default)]
pub(super) struct Pace {
    measured: BTreeMap<u32, Mean>,
    /// By estimate.
    expected: BTreeMap<u32, f64>,
    overall: Mean,
}

#[derive(Debug, Default, Clone, Copy)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn get(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / f64::from(self.count))
    }
}

/// How many epochs these trials have, by frozen layers.
pub(super) fn epochs<'a>(specs: impl Iterator<Item = &'a TrialSpec>) -> BTreeMap<u32, u64> {
    let mut epochs = BTreeMap::new();
    for TrialSpec { parameters, .. } in specs {
        *epochs.entry(parameters.frozen_layers).or_default() += u64::from(parameters.epochs);
    }
    epochs
}

impl Pace {
    pub(super) fn expecting(expected: BTreeMap<u32, f64>) -> Pace {
        Pace { expected, ..Pace::default() }
    }

    pub(super) fn add(&mut self, frozen_layers: u32, seconds: f64) {
        self.measured.entry(frozen_layers).or_default().add(seconds);
        self.overall.add(seconds);
    }

    /// Time left for `epochs` (by frozen layers) on `workers` at a time. None before the first epoch is measured.
    ///
    /// The mean epoch of trials that freeze as deep, else the expected one, else the mean epoch of all; summed up and
    /// divided by the workers. The shortest trials run first, so their epochs say little of the others'.
    pub(super) fn time_left(&self, epochs: &BTreeMap<u32, u64>, workers: usize) -> Option<Duration> {
        let overall = self.overall.get()?;
        let measured = |frozen| self.measured.get(frozen).copied().and_then(Mean::get);
        let seconds = |frozen| measured(frozen).or_else(|| self.expected.get(frozen).copied()).unwrap_or(overall);
        let work: f64 = epochs.iter().map(|(frozen, count)| seconds(frozen) * *count as f64).sum();
        Duration::try_from_secs_f64(work / workers.max(1) as f64).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_known_before_the_first_epoch() {
        assert_eq!(Pace::default().time_left(&BTreeMap::new(), 1), None);
        let expecting = Pace::expecting(BTreeMap::from([(0, 40.0)]));
        assert_eq!(expecting.time_left(&BTreeMap::from([(0, 10)]), 1), None, "an estimate is no measurement");
    }

    #[test]
    fn each_depth_counts_by_its_own_epochs_and_an_unseen_one_by_the_mean_of_all() {
        let mut pace = Pace::default();
        for (frozen, seconds) in [(0, 9.0), (0, 11.0), (513, 1.0), (513, 1.0)] {
            pace.add(frozen, seconds);
        }
        let left = |epochs: &[(u32, u64)], workers| {
            pace.time_left(&epochs.iter().copied().collect(), workers).unwrap().as_secs_f64()
        };
        assert_eq!(left(&[(0, 3), (513, 10)], 1), 40.0);
        assert_eq!(left(&[(0, 3), (513, 10)], 2), 20.0);
        assert_eq!(left(&[(256, 2)], 1), 11.0);
        assert_eq!(left(&[], 1), 0.0);
    }

    #[test]
    fn a_depth_of_which_no_epoch_has_ended_counts_by_its_estimate() {
        let mut pace = Pace::expecting(BTreeMap::from([(0, 40.0), (513, 0.5)]));
        pace.add(513, 1.0);
        pace.add(513, 1.0);
        let left = |frozen| pace.time_left(&BTreeMap::from([(frozen, 3)]), 1).unwrap().as_secs_f64();
        assert_eq!((left(513), left(0)), (3.0, 120.0));
        assert_eq!(left(100), 3.0, "nobody has estimated it");
    }
}
