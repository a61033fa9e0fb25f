//! What kept features saved of a sweep's work.

use crate::ViewError;
use frostline_store::{Reader, Spent, TrialRow};
use frostline_sweep::features::{FeatureKey, FeatureSpec};
use frostline_sweep::outcome::{AttemptId, AttemptOutcome};
use std::collections::{BTreeMap, BTreeSet};

/// Of larger sweeps it is not estimated.
const MOST_TRIALS: u64 = 2_000;

/// Seconds of one worker, over the finished trials.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Saved {
    /// What the trials would have taken: each one's time, times what its estimate without kept features is of the one with
    /// them, both made when it began.
    pub without: f64,
    /// What computing the features took.
    pub fills: f64,
    /// What the trials took.
    pub trials: f64,
}

/// None where no trial started from kept features, or estimates of one were not recorded.
pub(super) fn saved(reader: &Reader, sweep: &str, trials: u64) -> Result<Option<Saved>, ViewError> {
    if trials > MOST_TRIALS {
        return Ok(None);
    }
    let rows = reader.trials(sweep)?;
    let mut saved = Saved { without: 0.0, fills: 0.0, trials: 0.0 };
    let mut keys: BTreeSet<FeatureKey> = BTreeSet::new();
    let mut started_from_features = false;
    let mut lineages: Vec<(&TrialRow, u32)> = Vec::new();
    for row in &rows {
        let Some(evaluation) = &row.evaluation else { continue };
        let detail = reader.find_trial(&row.trial.to_string())?;
        let accepted = detail.attempts.iter().find(|attempt| attempt.outcome == AttemptOutcome::Complete);
        let Some((cut, estimate)) = accepted.and_then(|attempt| attempt.cut.zip(attempt.estimate)) else {
            return Ok(None);
        };
        let ratio = if estimate.seconds > 0.0 { estimate.without / estimate.seconds } else { 1.0 };
        saved.trials += evaluation.seconds;
        saved.without += evaluation.seconds * ratio;
        if cut > 0 {
            started_from_features = true;
            // Trials of one data set, model and precision share their features.
            let is_like = |(other, _): &&mut (&TrialRow, u32)| FeatureSpec::of(&other.spec, 0).is_of(&row.spec);
            match lineages.iter_mut().find(is_like) {
                Some((_, deepest)) => *deepest = cut.max(*deepest),
                None => lineages.push((row, cut)),
            }
        }
    }
    for (row, deepest) in lineages {
        keys.extend(possible(row, deepest));
    }
    // Each cut once, as it was computed last.
    let mut fills: BTreeMap<FeatureKey, f64> = BTreeMap::new();
    reader.spent(AttemptId(0), |spent| {
        if let Spent::Fill { key, seconds: Some(seconds) } = spent.on
            && keys.contains(&key)
        {
            fills.insert(key, seconds);
        }
    })?;
    saved.fills = fills.values().sum();
    Ok((started_from_features && saved.without.is_finite()).then_some(saved))
}

/// The features from which such trials may have started, on whatever device: those of so many cuts.
fn possible(row: &TrialRow, cuts: u32) -> Vec<FeatureKey> {
    let key = |cut, on_gpu| FeatureSpec::of(&row.spec, cut).computed(on_gpu).key();
    (1..=cuts).flat_map(|cut| [key(cut, false), key(cut, true)]).collect()
}
