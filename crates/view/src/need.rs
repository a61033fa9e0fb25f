//! What a sweep may still write, in bytes: what `plan` says and `launch` makes sure of.

use frostline_sweep::backbone;
use frostline_sweep::definition::{Definition, KeepModels};
use frostline_sweep::expand::Trial;
use frostline_sweep::features::FeatureKey;
use frostline_sweep::reuse::{Decision, Reuse};
use frostline_sweep::trial::{TrialId, TrialSpec};
use serde::Serialize;
use std::collections::BTreeSet;

/// A trial has a checkpoint, the one before it, and for a moment the next one.
const CHECKPOINTS: u64 = 3;
/// Bytes of a float32.
const ELEMENT: u64 = 4;
/// Rows of one trial and its attempt, and of one epoch, indexes included; measured at 2,100 and 110.
const TRIAL_BYTES: u64 = 2_500;
const EPOCH_BYTES: u64 = 130;
/// SQLite's log grows to this before it goes into the database, and a large commit may make it larger.
const LOG_BYTES: u64 = 8 << 20;

/// Bounds, not guesses, but for the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Need {
    pub features: u64,
    pub checkpoints: u64,
    pub models: u64,
    pub database: u64,
}

/// What is to run, and what is there already.
pub struct Premises<'a> {
    pub definition: &'a Definition,
    pub trials: &'a [Trial],
    pub reuse: &'a Reuse,
    pub workers: usize,
    /// Classes of the data set: the width of the last dense layer.
    pub classes: u64,
    /// Trials that do not run any more.
    pub complete: &'a BTreeSet<TrialId>,
    /// Whether the model of a trial lies on the disk.
    pub is_kept: &'a dyn Fn(TrialId) -> bool,
}

impl Need {
    pub fn of(premises: &Premises) -> Need {
        let Premises { definition, reuse, complete, .. } = premises;
        let trials: Vec<&Trial> = premises.trials.iter().filter(|trial| !complete.contains(&trial.id)).collect();
        // Trained elements follow from these alone, and a large sweep has few of them.
        let mut seen = BTreeSet::new();
        let (mut checkpoint, mut model) = (0, 0);
        for Trial { spec, .. } in &trials {
            let parameters = &spec.parameters;
            if seen.insert((parameters.frozen_layers, &parameters.head_units, parameters.optimizer.moments())) {
                let elements = trained_elements(spec, premises.classes);
                checkpoint = checkpoint.max(elements * (1 + parameters.optimizer.moments()) * ELEMENT);
                model = model.max(elements * ELEMENT);
            }
        }
        let at_a_time = premises.workers.min(trials.len()) as u64;
        let keep = &definition.keep;
        let models = match keep.models {
            KeepModels::None => 0,
            // One more than stay: the newest is there before another is removed.
            KeepModels::Best => (u64::from(keep.count) + 1).min(trials.len() as u64),
            KeepModels::All => trials.iter().filter(|trial| !(premises.is_kept)(trial.id)).count() as u64,
        };
        let rows = |trial: &&Trial| TRIAL_BYTES + EPOCH_BYTES * u64::from(trial.spec.parameters.epochs);
        let database: u64 = trials.iter().map(rows).sum();
        Need {
            features: features(&trials, reuse),
            checkpoints: checkpoint * CHECKPOINTS * at_a_time,
            models: (model * models).min(keep.max_bytes.saturating_add(model)),
            database: database + LOG_BYTES,
        }
    }

    pub fn total(&self) -> u64 {
        self.features + self.checkpoints + self.models + self.database
    }
}

/// Of the cuts that these trials start from, directly or on the way to a deeper one, and that are not there yet.
fn features(trials: &[&Trial], reuse: &Reuse) -> u64 {
    let mut wanted: BTreeSet<&FeatureKey> = trials.iter().filter_map(|trial| reuse.features.get(&trial.id)).collect();
    let mut bytes = 0;
    // The deepest first, which may be computed from others.
    for cut in reuse.cuts.iter().rev() {
        if let Decision::Fill { from } = &cut.decision
            && wanted.contains(&cut.key)
            && !cut.present
        {
            bytes += cut.bytes;
            wanted.extend(from);
        }
    }
    bytes
}

/// Upper bound of the elements that a trial trains and keeps: its unfrozen layers, statistics included, and its head.
fn trained_elements(spec: &TrialSpec, classes: u64) -> u64 {
    let Some(architecture) = backbone::find(&spec.model.backbone) else { return 0 };
    let frozen = spec.parameters.frozen_layers;
    let layers = architecture.layers();
    let layers: u64 = layers.iter().filter(|layer| layer.index >= frozen).map(|layer| layer.kind.parameters()).sum();
    let widths = spec.parameters.head_units.iter().map(|units| u64::from(*units)).chain([classes]);
    let mut input = u64::from(architecture.top_channels);
    let head: u64 = widths.map(|width| (std::mem::replace(&mut input, width) + 1) * width).sum();
    layers + head
}
