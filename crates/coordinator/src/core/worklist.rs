//! What is to be done, in full: the specs of unfinished trials and of features, which a worker gets with its assignment.

use frostline_protocol::Work;
use frostline_scheduler::Task;
use frostline_sweep::features::{FeatureKey, FeatureSpec};
use frostline_sweep::record::Start;
use frostline_sweep::reuse::Reuse;
use frostline_sweep::trial::{TrialId, TrialSpec};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Worklist {
    trials: BTreeMap<TrialId, TrialSpec>,
    features: BTreeMap<FeatureKey, FeatureSpec>,
    expected: BTreeMap<u32, f64>,
    reuse: Reuse,
}

impl Worklist {
    /// `trials` are those that have no outcome yet.
    pub fn new(trials: BTreeMap<TrialId, TrialSpec>, features: BTreeMap<FeatureKey, FeatureSpec>) -> Worklist {
        Worklist { trials, features, expected: BTreeMap::new(), reuse: Reuse::default() }
    }

    /// `expected` are the seconds that an epoch takes by estimate, by frozen layers; `reuse` estimates trials.
    pub fn expecting(self, expected: BTreeMap<u32, f64>, reuse: Reuse) -> Worklist {
        Worklist { expected, reuse, ..self }
    }

    pub(super) fn expected(&self) -> &BTreeMap<u32, f64> {
        &self.expected
    }

    /// Those that have no outcome yet.
    pub(crate) fn trials(&self) -> impl Iterator<Item = TrialId> {
        self.trials.keys().copied()
    }

    pub(super) fn specs(&self) -> impl Iterator<Item = &TrialSpec> {
        self.trials.values()
    }

    pub(super) fn spec(&self, trial: TrialId) -> Option<&TrialSpec> {
        self.trials.get(&trial)
    }

    /// A trial has its outcome.
    pub(super) fn done_with(&mut self, trial: TrialId) -> Option<TrialSpec> {
        self.trials.remove(&trial)
    }

    /// What an attempt at a trial starts from; none for a fill.
    pub(super) fn start(&self, work: &Work) -> Option<Start> {
        let Work::Train { spec, features, .. } = work else { return None };
        let cut = features.as_ref().map_or(0, |features| features.cut);
        Some(Start { cut, estimate: self.reuse.estimate(spec, cut) })
    }

    /// None where the task is about something that nobody knows.
    pub(super) fn work(&self, task: &Task) -> Option<Work> {
        let features = |key: &Option<FeatureKey>| key.as_ref().and_then(|key| self.features.get(key)).cloned();
        match task {
            Task::Train { trial, features: key, micro_batch } => {
                let spec = self.trials.get(trial)?.clone();
                Some(Work::Train { trial: *trial, spec, features: features(key), micro_batch: *micro_batch })
            }
            Task::Fill { key, from, streams, micro_batch } => Some(Work::Fill {
                spec: self.features.get(key)?.clone(),
                from: features(from),
                streams: *streams,
                micro_batch: *micro_batch,
            }),
        }
    }
}
