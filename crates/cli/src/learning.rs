//! What a run teaches about times: what its epochs and fills took corrects the next estimate.

use crate::output;
use crate::setting::Setting;
use frostline_store::{Reader, Spent, SpentRow, StoreError};
use frostline_sweep::features::FeatureKey;
use frostline_sweep::learned::{Figures, Taken};
use frostline_sweep::outcome::AttemptId;
use frostline_sweep::reuse::{Computed, Reuse};
use std::collections::{BTreeMap, BTreeSet};

/// What is known before a run.
pub(crate) struct Lesson {
    pub(crate) reuse: Reuse,
    pub(crate) workers: usize,
    pub(crate) figures: BTreeMap<Computed, (Setting, Figures)>,
    /// The run's first attempt.
    pub(crate) first: AttemptId,
}

impl Lesson {
    /// Takes in what the run took. `present` are the features that are there after it.
    ///
    /// # Errors
    /// Failures of the database.
    pub(crate) fn end(self, reader: &Reader, present: &BTreeSet<FeatureKey>) -> Result<(), StoreError> {
        if self.figures.is_empty() {
            return Ok(());
        }
        let mut done: BTreeMap<Computed, Vec<Taken>> = BTreeMap::new();
        let mut add = |backbone: &str, precision, taken| {
            if let Some(computed) = Computed::of(backbone, precision) {
                done.entry(computed).or_default().push(taken);
            }
        };
        let mut times = Vec::new();
        let mut fills = Vec::new();
        reader.spent(self.first, |row| {
            times.push((row.started_at, row.ended_at));
            match &row.on {
                Spent::Fill { key, seconds: Some(seconds) } => {
                    fills.push((key.clone(), *seconds, (row.started_at, row.ended_at)));
                }
                Spent::Fill { .. } => {}
                Spent::Trial { spec, .. } => {
                    if let Some(taken) = trial(&self.reuse, &row, present) {
                        add(&spec.model.backbone, spec.parameters.precision, taken);
                    }
                }
            }
        })?;
        for (key, seconds, time) in fills {
            if let Some(cut) = self.reuse.cuts.iter().find(|cut| cut.key == key) {
                let seconds = seconds * helpers(time, &times, self.workers);
                let taken = Taken { work: cut.work, seconds, count: 1 };
                add(&cut.spec.model.backbone, cut.spec.precision, taken);
            }
        }
        for (computed, (setting, figures)) in self.figures {
            let Some(done) = done.get(&computed) else { continue };
            // Another sweep of this setting may have ended meanwhile.
            let mut learned = setting.learned(figures.costs.segments.len());
            learned.learn(done, &figures, output::seconds_since_1970());
            setting.remember_learned(&learned);
        }
        Ok(())
    }
}

/// What an attempt at a trial took; none where it had no epoch, or not the features that it was to start from.
fn trial(reuse: &Reuse, row: &SpentRow, present: &BTreeSet<FeatureKey>) -> Option<Taken> {
    let Spent::Trial { spec, epochs, seconds, is_complete } = &row.on else { return None };
    if *epochs == 0 || reuse.start(spec).is_some_and(|key| !present.contains(key)) {
        return None;
    }
    let work = reuse.work(spec, *epochs, *is_complete)?;
    // With loading, checkpoints and the evaluation. Epochs of an earlier attempt that were not computed again count, too.
    let whole = if *is_complete { row.ended_at - row.started_at } else { 0.0 };
    Some(Taken { work, seconds: seconds.max(whole), count: u64::from(*epochs) })
}

/// How many workers computed at a fill on average: its own, and those that had nothing else to do.
fn helpers(fill: (f64, f64), times: &[(f64, f64)], workers: usize) -> f64 {
    let (started, ended) = fill;
    let overlap = |&(from, to): &(f64, f64)| (to.min(ended) - from.max(started)).max(0.0);
    // The fill's own time is one of them.
    let busy: f64 = times.iter().map(overlap).sum::<f64>() / (ended - started).max(f64::MIN_POSITIVE);
    (1.0 + workers as f64 - busy).clamp(1.0, workers.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_that_had_nothing_to_do_helped_a_fill() {
        let fill = (100.0, 110.0);
        assert_eq!(helpers(fill, &[fill], 4), 4.0);
        // One of the others trained half of the time, one all of it.
        assert_eq!(helpers(fill, &[fill, (90.0, 105.0), (99.0, 120.0)], 4), 2.5);
        assert_eq!(helpers(fill, &[fill, (0.0, 200.0)], 2), 1.0);
        assert_eq!(helpers(fill, &[fill, (110.0, 200.0)], 2), 2.0, "after it");
        assert_eq!(helpers((5.0, 5.0), &[(5.0, 5.0)], 2), 2.0);
    }
}
