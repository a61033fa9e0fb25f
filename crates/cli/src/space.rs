//! Whether the disk has room for what a sweep writes, asked before anything is written.

use crate::costs::Arrangement;
use crate::output;
use crate::prepare::Prepared;
use anyhow::bail;
use frostline_sweep::backbone;
use frostline_sweep::definition::KeepModels;
use frostline_sweep::expand::Trial;
use frostline_sweep::features::FeatureKey;
use frostline_sweep::reuse::Decision;
use frostline_sweep::trial::{TrialId, TrialSpec};
use std::collections::BTreeSet;
use std::path::Path;

/// A trial has a checkpoint, the one before it, and for a moment the next one.
const CHECKPOINTS: u64 = 3;
/// Bytes of a float32.
const ELEMENT: u64 = 4;
/// Rows of one trial and its attempt, and of one epoch, indexes included; measured at 2,100 and 110.
const TRIAL_BYTES: u64 = 2_500;
const EPOCH_BYTES: u64 = 130;
/// SQLite's log grows to this before it goes into the database, and a large commit may make it larger.
const LOG_BYTES: u64 = 8 << 20;

/// What a sweep may still write, in bytes: bounds, not guesses, but for the database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Need {
    pub(crate) features: u64,
    pub(crate) checkpoints: u64,
    pub(crate) models: u64,
    pub(crate) database: u64,
}

impl Need {
    /// For the trials that are not among `complete`; what lies in `results` already is not needed again.
    pub(crate) fn of(
        prepared: &Prepared,
        arrangement: &Arrangement,
        complete: &BTreeSet<TrialId>,
        results: &Path,
    ) -> Need {
        let Arrangement { reuse, team, .. } = arrangement;
        let places = prepared.places(results);
        let is_new = |path: &Path| !path.exists();
        let trials: Vec<&Trial> = prepared.trials.iter().filter(|trial| !complete.contains(&trial.id)).collect();
        let mut wanted: BTreeSet<&FeatureKey> =
            trials.iter().filter_map(|trial| reuse.features.get(&trial.id)).collect();
        let mut features = 0;
        // The deepest first, which may be computed from others.
        for cut in reuse.cuts.iter().rev() {
            if let Decision::Fill { from } = &cut.decision
                && wanted.contains(&cut.key)
                && !cut.present
            {
                features += cut.bytes;
                wanted.extend(from);
            }
        }
        // Trained elements follow from these alone, and a large sweep has few of them.
        let mut seen = BTreeSet::new();
        let (mut checkpoint, mut model) = (0, 0);
        for trial in &trials {
            let (spec, parameters) = (&trial.spec, &trial.spec.parameters);
            if seen.insert((parameters.frozen_layers, &parameters.head_units, parameters.optimizer.moments())) {
                let elements = trained_elements(spec);
                checkpoint = checkpoint.max(elements * (1 + parameters.optimizer.moments()) * ELEMENT);
                model = model.max(elements * ELEMENT);
            }
        }
        let at_a_time = team.devices.len().min(trials.len()) as u64;
        let keep = &prepared.definition.keep;
        let models = match (&places.models, keep.models) {
            (None, _) | (_, KeepModels::None) => 0,
            // One more than stay: the newest is there before another is removed.
            (Some(_), KeepModels::Best) => u64::from(keep.count) + 1,
            (Some(folder), KeepModels::All) => {
                trials.iter().filter(|trial| is_new(&folder.join(trial.id.model_file()))).count() as u64
            }
        };
        let rows = |trial: &&Trial| TRIAL_BYTES + EPOCH_BYTES * u64::from(trial.spec.parameters.epochs);
        let database: u64 = trials.iter().map(rows).sum();
        Need {
            features,
            checkpoints: checkpoint * CHECKPOINTS * at_a_time,
            models: (model * models).min(keep.max_bytes.saturating_add(model)),
            database: database + LOG_BYTES,
        }
    }

    fn total(&self) -> u64 {
        self.features + self.checkpoints + self.models + self.database
    }

    /// # Errors
    /// The disk of `results` has less room than that.
    pub(crate) fn check(&self, results: &Path) -> anyhow::Result<()> {
        let Some(free) = free(results) else { return Ok(()) };
        if self.total() <= free {
            return Ok(());
        }
        let parts = [
            (self.features, "features", "`cache.max_bytes`"),
            (self.checkpoints, "checkpoints", "`workers.count`"),
            (self.models, "models", "`keep.models`"),
            (self.database, "database", ""),
        ];
        let needed = parts.iter().filter(|(bytes, _, _)| *bytes > 0);
        let needed: Vec<String> =
            needed.map(|(bytes, what, _)| format!("{what} {}", output::bytes(*bytes))).collect();
        let knobs: Vec<&str> = parts
            .iter()
            .filter(|(bytes, _, knob)| *bytes > 0 && !knob.is_empty())
            .map(|(_, _, knob)| *knob)
            .collect();
        bail!(
            "`{}` has {} free, and this sweep may write {} there ({}): free some, name a folder on another disk with \
             --results, or lower {}",
            results.display(),
            output::bytes(free),
            output::bytes(self.total()),
            needed.join(", "),
            knobs.join(" or ")
        )
    }
}

/// Upper bound of the elements that a trial trains and keeps: its unfrozen layers, statistics included, and its head.
fn trained_elements(spec: &TrialSpec) -> u64 {
    /// No data set has more.
    const CLASSES: u64 = 10;
    let Some(architecture) = backbone::find(&spec.model.backbone) else { return 0 };
    let frozen = spec.parameters.frozen_layers;
    let layers = architecture.layers();
    let layers: u64 = layers.iter().filter(|layer| layer.index >= frozen).map(|layer| layer.kind.parameters()).sum();
    let widths = spec.parameters.head_units.iter().map(|units| u64::from(*units)).chain([CLASSES]);
    let mut input = u64::from(architecture.top_channels);
    let head: u64 = widths.map(|width| (std::mem::replace(&mut input, width) + 1) * width).sum();
    layers + head
}

/// Bytes that this user may still write there; none where the system does not tell.
fn free(path: &Path) -> Option<u64> {
    let absolute = std::path::absolute(path).ok()?;
    let found = absolute.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_room_is_refused_with_what_takes_it() {
        let folder = tempfile::tempdir().unwrap();
        let need = Need { features: 1 << 60, checkpoints: 1 << 20, models: 0, database: 1 << 10 };
        let refused = need.check(&folder.path().join("results")).unwrap_err().to_string();
        assert!(
            refused.contains("features") && refused.contains("`cache.max_bytes` or `workers.count`"),
            "{refused}"
        );
        assert!(!refused.contains("models"), "{refused}");
        let small = Need { features: 0, checkpoints: 0, models: 0, database: 1 };
        small.check(folder.path()).unwrap();
    }
}
