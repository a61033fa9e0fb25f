//! Learning curves of some trials.

use crate::ViewError;
use crate::show;
use frostline_store::Reader;
use frostline_sweep::outcome::EpochMetrics;
use frostline_sweep::trial::TrialId;

#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    pub trial: TrialId,
    pub epochs: Vec<EpochMetrics>,
}

/// Of the first `most` trials, in their order.
pub(super) fn curves(reader: &Reader, trials: &[TrialId], most: usize) -> Result<Vec<Curve>, ViewError> {
    let curve = |&trial: &TrialId| Ok(Curve { trial, epochs: show::curve(reader, trial)? });
    trials.iter().take(most).map(curve).collect()
}
