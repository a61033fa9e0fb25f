//! Trials whose features can start from each other, and what they take for any choice of cuts.

use super::layout::Layout;
use super::schedule::Schedule;
use super::{Computed, Cut, Decision};
use crate::backbone;
use crate::costs::{ImageCounts, Start, TrialSize, Work};
use crate::features::{FeatureKey, FeatureSpec};
use crate::learned::Figures;
use crate::trial::{Parameters, TrialSpec, Validation};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Features of one network, data and precision: their cuts can start from each other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lineage {
    /// With no cut.
    spec: FeatureSpec,
    network: &'static str,
    layout: Arc<Layout>,
    validation: Validation,
    images: ImageCounts,
    /// Images whose features are stored, every view counted.
    stored: u64,
    candidates: BTreeMap<u32, Candidate>,
    classes: BTreeMap<ClassKey, Class>,
    /// None before [`Lineage::time`].
    figures: Option<Figures>,
}

#[derive(Debug, Clone, PartialEq)]
struct Candidate {
    key: FeatureKey,
    trials: u32,
    epochs: u64,
    bytes: u64,
    present: bool,
}

/// Frozen layers, epochs, batch size and trained parameters.
type ClassKey = (u32, u32, u32, u64);

/// Trials that take equally long.
#[derive(Debug, Clone, PartialEq)]
struct Class {
    example: Parameters,
    cut: u32,
    count: u64,
    /// Seconds of one of them, from the images (0) and from each candidate that it could start from.
    seconds: BTreeMap<u32, f64>,
}

/// The deepest of these cuts that is not behind `cut`; 0 where there is none.
fn deepest(chosen: &BTreeSet<u32>, cut: u32) -> u32 {
    chosen.range(..=cut).next_back().copied().unwrap_or(0)
}

impl Lineage {
    /// Of a trial's network, data and precision; without the trial itself.
    pub(super) fn of(spec: &TrialSpec, images: ImageCounts) -> Option<Lineage> {
        let architecture = backbone::find(&spec.model.backbone)?;
        Some(Lineage {
            spec: FeatureSpec::of(spec, 0),
            network: architecture.name,
            layout: Arc::new(Layout::of(architecture, spec.data.image_size)),
            validation: spec.data.validation,
            images,
            stored: images.train * u64::from(spec.data.augment.views()) + images.test,
            candidates: BTreeMap::new(),
            classes: BTreeMap::new(),
            figures: None,
        })
    }

    pub(super) fn has(&self, spec: &TrialSpec) -> bool {
        self.spec.is_of(spec)
    }

    pub(super) fn computed(&self) -> Computed {
        Computed { network: self.network, precision: self.spec.precision }
    }

    /// Whether its features are computed on a GPU is known with the team only.
    pub(super) fn compute_on(&mut self, gpu: bool) {
        self.spec = self.spec.clone().computed(gpu);
        for (&cut, candidate) in &mut self.candidates {
            candidate.key = FeatureSpec { cut, ..self.spec.clone() }.key();
        }
    }

    fn class_key(&self, parameters: &Parameters) -> ClassKey {
        let trained = self.layout.trained_parameters(parameters);
        (parameters.frozen_layers, parameters.epochs, parameters.batch_size, trained)
    }

    /// Counts a trial in.
    pub(super) fn add(&mut self, spec: &TrialSpec) {
        let parameters = &spec.parameters;
        let cut = self.layout.cut_at(parameters.frozen_layers);
        if cut > 0 && !self.candidates.contains_key(&cut) {
            let key = FeatureSpec { cut, ..self.spec.clone() }.key();
            let bytes = self.stored * self.image_bytes(cut);
            self.candidates.insert(cut, Candidate { key, trials: 0, epochs: 0, bytes, present: false });
        }
        if let Some(candidate) = self.candidates.get_mut(&cut) {
            candidate.trials += 1;
            candidate.epochs += u64::from(parameters.epochs);
        }
        let class = self.classes.entry(self.class_key(parameters)).or_insert_with(|| Class {
            example: parameters.clone(),
            cut,
            count: 0,
            seconds: BTreeMap::new(),
        });
        class.count += 1;
    }

    /// Times every class from everywhere, once all trials are known.
    pub(super) fn time(&mut self, figures: Figures, present: &BTreeSet<FeatureKey>) {
        for candidate in self.candidates.values_mut() {
            candidate.present = present.contains(&candidate.key);
        }
        let mut classes = std::mem::take(&mut self.classes);
        for class in classes.values_mut() {
            let starts = self.candidates.keys().copied().filter(|&start| start <= class.cut);
            let seconds = |start| figures.seconds(&self.train(&class.example, start, class.example.epochs, true));
            class.seconds = std::iter::once(0).chain(starts).map(|start| (start, seconds(start))).collect();
        }
        self.classes = classes;
        self.figures = Some(figures);
    }

    fn train(&self, parameters: &Parameters, start: u32, epochs: u32, is_complete: bool) -> Work {
        let size = TrialSize {
            validation: self.validation,
            parameters,
            images: self.images,
            trained: self.layout.trained_parameters(parameters),
            cut: self.layout.cut_at(parameters.frozen_layers),
        };
        Work::train(&size, Start { cut: start, bytes: self.image_bytes(start) }, epochs, is_complete)
    }

    fn image_bytes(&self, cut: u32) -> u64 {
        self.layout.image_bytes(cut, self.spec.precision)
    }

    /// The cuts that could be kept, with the bytes that each takes.
    pub(super) fn sizes(&self) -> impl Iterator<Item = (u32, u64)> {
        self.candidates.iter().map(|(&cut, candidate)| (cut, candidate.bytes))
    }

    fn fill_work(&self, chosen: &BTreeSet<u32>, cut: u32) -> Work {
        let from = deepest(chosen, cut - 1);
        Work::fill(self.stored, Start { cut: from, bytes: self.image_bytes(from) }, cut, self.image_bytes(cut))
    }

    /// Seconds to fill `cut` from what is chosen before it.
    fn fill(&self, chosen: &BTreeSet<u32>, cut: u32) -> f64 {
        match &self.figures {
            Some(figures) if !self.candidates[&cut].present => figures.seconds(&self.fill_work(chosen, cut)),
            _ => 0.0,
        }
    }

    pub(super) fn schedule(&self, chosen: &BTreeSet<u32>) -> Schedule {
        Schedule {
            fills: chosen.iter().map(|&cut| self.fill(chosen, cut)).sum(),
            trials: self.classes.values().map(|class| (class.from(chosen), class.count)).collect(),
        }
    }

    /// Seconds that the work is shorter with `cut` than without it.
    pub(super) fn gain(&self, chosen: &BTreeSet<u32>, cut: u32) -> f64 {
        let (mut with, mut without) = (chosen.clone(), chosen.clone());
        with.insert(cut);
        without.remove(&cut);
        self.schedule(&without).work() - self.schedule(&with).work()
    }

    pub(super) fn decided<'a>(&'a self, chosen: &'a BTreeSet<u32>) -> impl Iterator<Item = Cut> + 'a {
        self.candidates.iter().map(move |(&cut, candidate)| {
            let gain = self.gain(chosen, cut);
            let from = deepest(chosen, cut - 1);
            let decision = if chosen.contains(&cut) {
                let from = (from > 0).then(|| self.candidates[&from].key.clone());
                Decision::Fill { from }
            } else if gain > 0.0 {
                Decision::TooLarge
            } else {
                Decision::Costly
            };
            let end = &self.layout.ends[cut as usize - 1];
            Cut {
                spec: FeatureSpec { cut, ..self.spec.clone() },
                key: candidate.key.clone(),
                after: end.segment.clone(),
                trials: candidate.trials,
                epochs: candidate.epochs,
                bytes: candidate.bytes,
                compute_share: end.compute_share,
                present: candidate.present,
                fill: self.fill(chosen, cut),
                work: self.fill_work(chosen, cut),
                gain,
                decision,
            }
        })
    }

    pub(super) fn start(&self, chosen: &BTreeSet<u32>, spec: &TrialSpec) -> Option<&FeatureKey> {
        let start = deepest(chosen, self.layout.cut_at(spec.parameters.frozen_layers));
        self.candidates.get(&start).map(|candidate| &candidate.key)
    }

    pub(super) fn seconds(&self, chosen: &BTreeSet<u32>, spec: &TrialSpec) -> Option<f64> {
        self.classes.get(&self.class_key(&spec.parameters)).map(|class| class.from(chosen))
    }

    pub(super) fn seconds_from(&self, cut: u32, spec: &TrialSpec) -> Option<f64> {
        self.classes.get(&self.class_key(&spec.parameters))?.seconds.get(&cut).copied()
    }

    pub(super) fn work_of(&self, chosen: &BTreeSet<u32>, spec: &TrialSpec, epochs: u32, is_complete: bool) -> Work {
        let start = deepest(chosen, self.layout.cut_at(spec.parameters.frozen_layers));
        self.train(&spec.parameters, start, epochs, is_complete)
    }
}

impl Class {
    fn from(&self, chosen: &BTreeSet<u32>) -> f64 {
        self.seconds[&deepest(chosen, self.cut)]
    }
}
