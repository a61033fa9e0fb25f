//! What a sweep may still write, in bytes: what `plan` says and `launch` makes sure of.

use frostline_sweep::backbone;
use frostline_sweep::definition::{Definition, Keep, KeepModels};
use frostline_sweep::expand::Trials;
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
    pub trials: &'a Trials,
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
        let Premises { definition, reuse, complete, trials, .. } = premises;
        let keep = &definition.keep;
        let mut sums = Sums::of(premises);
        if complete.is_empty() && keep.models != KeepModels::All {
            // Nothing depends on who they are, and a large sweep's identities take seconds.
            trials.specs().for_each(|spec| sums.add(&spec, None));
        } else {
            let missing = trials.iter().filter(|trial| !complete.contains(&trial.id));
            missing.for_each(|trial| sums.add(&trial.spec, Some(trial.id)));
        }
        let at_a_time = sums.trials.min(premises.workers as u64);
        let models = match keep.models {
            KeepModels::None => 0,
            // One more than stay: the newest is there before another is removed.
            KeepModels::Best => (u64::from(keep.count.max(Keep::TIED)) + 1).min(sums.trials),
            KeepModels::All => sums.without_model,
        };
        Need {
            features: features(sums.starts, reuse),
            checkpoints: sums.checkpoint * CHECKPOINTS * at_a_time,
            models: (sums.model * models).min(keep.max_bytes.saturating_add(sums.model)),
            database: sums.rows + LOG_BYTES,
        }
    }

    pub fn total(&self) -> u64 {
        self.features + self.checkpoints + self.models + self.database
    }
}

/// Of the trials that are missing.
struct Sums<'a> {
    premises: &'a Premises<'a>,
    trials: u64,
    without_model: u64,
    /// Bytes of rows in the database.
    rows: u64,
    /// Bytes of the largest checkpoint and model.
    checkpoint: u64,
    model: u64,
    /// Trained elements follow from these alone (frozen layers, widths, moments), and a large sweep has few of them.
    seen: BTreeSet<(u32, Vec<u32>, u64)>,
    /// The features that they start from.
    starts: BTreeSet<&'a FeatureKey>,
}

impl<'a> Sums<'a> {
    fn of(premises: &'a Premises<'a>) -> Sums<'a> {
        Sums {
            premises,
            trials: 0,
            without_model: 0,
            rows: 0,
            checkpoint: 0,
            model: 0,
            seen: BTreeSet::new(),
            starts: BTreeSet::new(),
        }
    }

    fn add(&mut self, spec: &TrialSpec, trial: Option<TrialId>) {
        let parameters = &spec.parameters;
        self.trials += 1;
        self.without_model += u64::from(!trial.is_some_and(self.premises.is_kept));
        self.rows += TRIAL_BYTES + EPOCH_BYTES * u64::from(parameters.epochs);
        self.starts.extend(self.premises.reuse.start(spec));
        let moments = parameters.optimizer.moments();
        if self.seen.insert((parameters.frozen_layers, parameters.head_units.clone(), moments)) {
            let elements = trained_elements(spec, self.premises.classes);
            self.checkpoint = self.checkpoint.max(elements * (1 + moments) * ELEMENT);
            self.model = self.model.max(elements * ELEMENT);
        }
    }
}

/// Of the cuts that trials start from, directly or on the way to a deeper one, and that are not there yet.
fn features<'a>(mut wanted: BTreeSet<&'a FeatureKey>, reuse: &'a Reuse) -> u64 {
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
