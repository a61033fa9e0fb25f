//! What lies on disk besides the database, and goes when nobody needs it: features, checkpoints, models.

mod features;
mod models;

pub(crate) use features::make_room;
pub(crate) use models::Models;

use crate::checkpoints::Checkpoints;
use crate::core::Fact;
use frostline_store::Reader;
use frostline_sweep::record::Record;
use frostline_sweep::trial::TrialId;
use std::sync::Arc;

/// Follows what is committed.
pub(crate) struct Upkeep {
    pub(crate) checkpoints: Arc<Checkpoints>,
    /// None where none are kept.
    pub(crate) models: Option<Models>,
}

impl Upkeep {
    /// Says whose models were removed for that, by what `reader` says of the best.
    pub(crate) fn note(&mut self, fact: &Fact, reader: &Reader) -> Vec<TrialId> {
        let removed = match (&fact.record, &mut self.models) {
            (Record::Completed { trial, attempt, .. }, Some(models)) => models.completed(*trial, *attempt, reader),
            _ => Vec::new(),
        };
        // The outcome is committed: from here on the checkpoint is of no use.
        if let Some(done) = fact.ended() {
            self.checkpoints.ended(done);
        }
        removed
    }
}
