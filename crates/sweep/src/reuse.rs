//! Which features a sweep computes once and keeps: frozen output is a function of the image alone, so the trials that
//! freeze as deep can share it.

use crate::backbone::{self, Architecture};
use crate::costs::{Costs, Images, Start, TrialWork};
use crate::features::{FeatureKey, FeatureSpec};
use crate::layers::{self, Boundary, Row};
use crate::trial::{Augment, Parameters, Precision, TrialId, TrialSpec};
use std::collections::{BTreeMap, BTreeSet};

/// What to keep for a sweep.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reuse {
    /// Every cut that trials could start from, the shallowest first.
    pub cuts: Vec<Cut>,
    /// The features that each trial starts from; a trial that is missing here computes everything.
    pub features: BTreeMap<TrialId, FeatureKey>,
    /// Seconds of all fills and trials, one after another.
    pub work: f64,
    /// The same, if nothing were kept.
    pub work_without: f64,
    /// Seconds of the longest trial.
    pub longest: f64,
    pub longest_without: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    pub spec: FeatureSpec,
    pub key: FeatureKey,
    /// Name of the last segment before the cut.
    pub after: String,
    /// Trials that could start here, and have no deeper cut of their own.
    pub trials: u32,
    /// Their epochs: how often the part before the cut would be computed without a cache.
    pub epochs: u64,
    /// At most, on disk.
    pub bytes: u64,
    /// Of the backbone's multiplications.
    pub compute_share: f64,
    /// The cache has it already.
    pub present: bool,
    /// Seconds to compute and store it, from where it would start.
    pub fill: f64,
    /// Seconds that the sweep's work is shorter with it than without it, its own fill paid; negative where it would be
    /// longer.
    pub gain: f64,
    pub decision: Decision,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Computed once and kept, starting from these features where there are any.
    Fill { from: Option<FeatureKey> },
    /// Computing and storing it costs more than it saves.
    Costly,
    /// More than the space that is left for it.
    TooLarge,
}

impl Cut {
    pub fn is_filled(&self) -> bool {
        matches!(self.decision, Decision::Fill { .. })
    }
}

impl Reuse {
    /// Seconds that the sweep takes on so many workers: no shorter than its longest trial.
    pub fn expected(&self, workers: usize) -> f64 {
        (self.work / workers.max(1) as f64).max(self.longest)
    }

    /// The same, if nothing were kept.
    pub fn expected_without(&self, workers: usize) -> f64 {
        (self.work_without / workers.max(1) as f64).max(self.longest_without)
    }
}

/// What a plan is made for.
pub struct Premises<'a> {
    /// What computing takes in each precision.
    pub costs: &'a dyn Fn(Precision) -> Costs,
    pub images: Images,
    /// Space for features, those of `present` included.
    pub max_bytes: u64,
    /// Features that the cache has.
    pub present: &'a BTreeSet<FeatureKey>,
}

/// Decides for these trials.
///
/// Cuts are taken one by one, first the one that shortens the sweep's work most for each byte, as long as there are such
/// and room for them; then those are given back that later ones made useless. A trial starts from the deepest cut that
/// is not behind its own frozen boundary.
pub fn plan<'a>(trials: impl Iterator<Item = (TrialId, &'a TrialSpec)>, premises: &Premises) -> Reuse {
    let mut lineages: Vec<Lineage> = Vec::new();
    let mut places: Vec<(TrialId, usize, u32)> = Vec::new();
    for (trial, spec) in trials {
        let number = match lineages.iter().position(|lineage| lineage.has(spec)) {
            Some(number) => number,
            None => {
                let Some(lineage) = Lineage::of(spec, premises) else { continue };
                lineages.push(lineage);
                lineages.len() - 1
            }
        };
        places.push((trial, number, lineages[number].add(spec)));
    }
    lineages.iter_mut().for_each(Lineage::time);
    let chosen = choose(&lineages, premises.max_bytes);
    let features = places.into_iter().filter_map(|(trial, number, cut)| {
        let start = deepest(&chosen[number], cut);
        (start > 0).then(|| (trial, lineages[number].candidates[&start].key.clone()))
    });
    let features = features.collect();
    let each = || lineages.iter().zip(&chosen);
    let mut cuts: Vec<Cut> = each().flat_map(|(lineage, chosen)| lineage.decided(chosen)).collect();
    cuts.sort_by_key(|cut| cut.spec.cut);
    Reuse {
        cuts,
        features,
        work: each().map(|(lineage, chosen)| lineage.work(chosen)).sum(),
        work_without: lineages.iter().map(|lineage| lineage.work(&BTreeSet::new())).sum(),
        longest: each().map(|(lineage, chosen)| lineage.longest(chosen)).fold(0.0, f64::max),
        longest_without: lineages.iter().map(|lineage| lineage.longest(&BTreeSet::new())).fold(0.0, f64::max),
    }
}

/// The cuts to fill, by lineage.
fn choose(lineages: &[Lineage], max_bytes: u64) -> Vec<BTreeSet<u32>> {
    let mut chosen = vec![BTreeSet::new(); lineages.len()];
    let mut left = max_bytes;
    loop {
        let mut best: Option<(f64, usize, u32)> = None;
        for (number, lineage) in lineages.iter().enumerate() {
            for (&cut, candidate) in lineage.candidates.iter().filter(|&(cut, _)| !chosen[number].contains(cut)) {
                let gain = lineage.gain(&chosen[number], cut) / candidate.bytes.max(1) as f64;
                if gain > 0.0 && candidate.bytes <= left && best.is_none_or(|(most, ..)| gain > most) {
                    best = Some((gain, number, cut));
                }
            }
        }
        let Some((_, number, cut)) = best else { break };
        left -= lineages[number].candidates[&cut].bytes;
        chosen[number].insert(cut);
    }
    for (lineage, chosen) in lineages.iter().zip(&mut chosen) {
        for cut in chosen.clone() {
            if lineage.gain(chosen, cut) <= 0.0 {
                chosen.remove(&cut);
            }
        }
    }
    chosen
}

/// The deepest of these cuts that is not behind `cut`; 0 where there is none.
fn deepest(chosen: &BTreeSet<u32>, cut: u32) -> u32 {
    chosen.range(..=cut).next_back().copied().unwrap_or(0)
}

/// Features of one network, data and precision: their cuts can start from each other.
struct Lineage {
    /// With no cut.
    spec: FeatureSpec,
    layout: Layout,
    costs: Costs,
    images: Images,
    /// Images whose features are stored, every view counted.
    stored: u64,
    present: BTreeSet<FeatureKey>,
    candidates: BTreeMap<u32, Candidate>,
    /// By what is frozen, epochs, batch size and trained parameters: trials that take equally long.
    classes: BTreeMap<(u32, u32, u32, u64), Class>,
}

struct Candidate {
    key: FeatureKey,
    trials: u32,
    epochs: u64,
    bytes: u64,
    present: bool,
}

struct Class {
    example: TrialSpec,
    trained: u64,
    cut: u32,
    count: u32,
    /// Seconds of one of them, from the images (0) and from each candidate that it could start from.
    seconds: BTreeMap<u32, f64>,
}

impl Lineage {
    fn of(spec: &TrialSpec, premises: &Premises) -> Option<Lineage> {
        let architecture = backbone::find(&spec.model.backbone)?;
        let images = premises.images;
        let views = match spec.data.augment {
            Augment::None => 1,
            Augment::Flip => 2,
        };
        Some(Lineage {
            spec: FeatureSpec::of(spec, 0),
            layout: Layout::of(architecture, spec.data.image_size),
            costs: (premises.costs)(spec.parameters.precision),
            images,
            stored: images.train * views + images.test,
            present: premises.present.clone(),
            candidates: BTreeMap::new(),
            classes: BTreeMap::new(),
        })
    }

    fn has(&self, spec: &TrialSpec) -> bool {
        self.spec == FeatureSpec::of(spec, 0)
    }

    /// Counts a trial in. Its own cut.
    fn add(&mut self, spec: &TrialSpec) -> u32 {
        let parameters = &spec.parameters;
        let cut = self.layout.cut_at(parameters.frozen_layers);
        if cut > 0 && !self.candidates.contains_key(&cut) {
            let key = FeatureSpec { cut, ..self.spec.clone() }.key();
            let bytes = self.stored * self.image_bytes(cut);
            let present = self.present.contains(&key);
            self.candidates.insert(cut, Candidate { key, trials: 0, epochs: 0, bytes, present });
        }
        if let Some(candidate) = self.candidates.get_mut(&cut) {
            candidate.trials += 1;
            candidate.epochs += u64::from(parameters.epochs);
        }
        let trained = self.layout.trained_parameters(parameters);
        let class = (parameters.frozen_layers, parameters.epochs, parameters.batch_size, trained);
        let class = self.classes.entry(class).or_insert_with(|| Class {
            example: spec.clone(),
            trained,
            cut,
            count: 0,
            seconds: BTreeMap::new(),
        });
        class.count += 1;
        cut
    }

    /// Times every class from everywhere, once all candidates are known.
    fn time(&mut self) {
        for class in self.classes.values_mut() {
            let TrialSpec { data, parameters, .. } = &class.example;
            let (trained, cut, images) = (class.trained, class.cut, self.images);
            let work = TrialWork { data, parameters, images, trained, cut };
            let starts = self.candidates.keys().copied().filter(|&start| start <= cut);
            let bytes = |start| image_bytes(&self.layout, &self.spec, start);
            let seconds = std::iter::once(0)
                .chain(starts)
                .map(|start| (start, self.costs.trial(&work, Start { cut: start, bytes: bytes(start) })));
            class.seconds = seconds.collect();
        }
    }

    fn image_bytes(&self, cut: u32) -> u64 {
        image_bytes(&self.layout, &self.spec, cut)
    }

    /// Seconds to fill `cut` from what is chosen before it.
    fn fill(&self, chosen: &BTreeSet<u32>, cut: u32) -> f64 {
        if self.candidates[&cut].present {
            return 0.0;
        }
        let from = deepest(chosen, cut - 1);
        let start = Start { cut: from, bytes: self.image_bytes(from) };
        self.costs.fill(self.stored, start, cut, self.image_bytes(cut))
    }

    /// Seconds of all fills and trials.
    fn work(&self, chosen: &BTreeSet<u32>) -> f64 {
        let fills: f64 = chosen.iter().map(|&cut| self.fill(chosen, cut)).sum();
        let trials = self.classes.values().map(|class| f64::from(class.count) * class.from(chosen));
        fills + trials.sum::<f64>()
    }

    fn longest(&self, chosen: &BTreeSet<u32>) -> f64 {
        self.classes.values().map(|class| class.from(chosen)).fold(0.0, f64::max)
    }

    /// Seconds that the work is shorter with `cut` than without it.
    fn gain(&self, chosen: &BTreeSet<u32>, cut: u32) -> f64 {
        let (mut with, mut without) = (chosen.clone(), chosen.clone());
        with.insert(cut);
        without.remove(&cut);
        self.work(&without) - self.work(&with)
    }

    fn decided<'a>(&'a self, chosen: &'a BTreeSet<u32>) -> impl Iterator<Item = Cut> + 'a {
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
                gain,
                decision,
            }
        })
    }
}

impl Class {
    fn from(&self, chosen: &BTreeSet<u32>) -> f64 {
        self.seconds[&deepest(chosen, self.cut)]
    }
}

/// Of one image's features at a cut; 0 for the images themselves.
fn image_bytes(layout: &Layout, spec: &FeatureSpec, cut: u32) -> u64 {
    let size = match spec.precision {
        Precision::Float32 => 4,
        Precision::Bfloat16 => 2,
    };
    if cut == 0 { 0 } else { layout.ends[cut as usize - 1].elements * size }
}

/// A network at an image size, as far as caching is concerned.
struct Layout {
    ends: Vec<End>,
    /// Trained parameters of the layers from each index on.
    behind: Vec<u64>,
    width: u64,
}

/// Where a segment ends.
struct End {
    /// Index of the layer behind it.
    layer: u32,
    segment: String,
    /// Of an image's features there.
    elements: u64,
    compute_share: f64,
}

impl Layout {
    fn of(architecture: &Architecture, image_size: u32) -> Layout {
        let rows = layers::table(architecture, image_size);
        let mut behind = vec![0];
        for row in rows.iter().rev() {
            behind.push(behind[behind.len() - 1] + row.layer.kind.trained_parameters());
        }
        behind.reverse();
        let end = |row: Row| {
            let Boundary { segment, elements } = row.boundary?;
            Some(End { layer: row.layer.index + 1, segment, elements, compute_share: row.compute_share })
        };
        let ends = rows.into_iter().filter_map(end).collect();
        Layout { ends, behind, width: u64::from(architecture.top_channels) }
    }

    /// See [`Architecture::cut_at`].
    fn cut_at(&self, frozen_layers: u32) -> u32 {
        self.ends.partition_point(|end| end.layer <= frozen_layers) as u32
    }

    /// Of the backbone behind the frozen boundary, and of the dense layers before the classifier.
    fn trained_parameters(&self, parameters: &Parameters) -> u64 {
        let mut trained = self.behind.get(parameters.frozen_layers as usize).copied().unwrap_or(0);
        let mut width = self.width;
        for &units in &parameters.head_units {
            trained += (width + 1) * u64::from(units);
            width = u64::from(units);
        }
        trained
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Definition;
    use crate::expand::{Sources, Trial};
    use crate::trial::WeightsIdentity;

    const IMAGES: Images = Images { train: 800, test: 200 };

    fn trials(grid: &str) -> Vec<Trial> {
        let text = format!(
            "[sweep]\nname = \"x\"\n[data]\ndataset = \"shapes\"\n[model]\nbackbone = \"efficientnet_v2_s\"\n\
             weights = \"random\"\n[grid]\n{grid}\nhead_depth = [0]\noptimizer = [\"adam\", \"rmsprop\"]\n\
             learning_rate = [1e-3]\n[train]\nepochs = 3\nbatch_size = 50\n"
        );
        let definition = Definition::parse("x.toml", &text, &[]).unwrap();
        definition.expand(&Sources { data_digest: "d".into(), weights: WeightsIdentity::Random })
    }

    fn costs() -> Costs {
        Costs::estimated(&layers::table(backbone::find("efficientnet_v2_s").unwrap(), 128), 1)
    }

    fn planned(trials: &[Trial], max_bytes: u64, costs: &Costs, present: &BTreeSet<FeatureKey>) -> Reuse {
        let costs = |_| costs.clone();
        let premises = Premises { costs: &costs, images: IMAGES, max_bytes, present };
        plan(trials.iter().map(|trial| (trial.id, &trial.spec)), &premises)
    }

    fn reuse(trials: &[Trial], max_bytes: u64) -> Reuse {
        planned(trials, max_bytes, &costs(), &BTreeSet::new())
    }

    #[test]
    fn each_cut_is_filled_once_and_starts_from_the_one_before() {
        let trials = trials("frozen_layers = [0, 256, 384, \"all\"]");
        let reuse = reuse(&trials, u64::MAX);
        let names: Vec<&str> = reuse.cuts.iter().map(|cut| cut.after.as_str()).collect();
        // 256 and 384 fall inside of block5g and block6g.
        assert_eq!(names, ["block5f", "block6f", "top"]);
        let mut before = None;
        for cut in &reuse.cuts {
            assert_eq!((cut.trials, cut.epochs), (2, 6));
            assert_eq!(cut.decision, Decision::Fill { from: before.replace(cut.key.clone()) });
            assert!(cut.gain > cut.fill, "three epochs of two trials for one");
        }
        // 128 px: 8x8 pixels of 160 channels, 4x4 of 256, pooled 1280.
        let bytes: Vec<u64> = reuse.cuts.iter().map(|cut| cut.bytes / 4000).collect();
        assert_eq!(bytes, [8 * 8 * 160, 4 * 4 * 256, 1280]);
        assert!((reuse.cuts[2].compute_share - 1.0).abs() < 1e-12);
        assert_eq!(reuse.features.len(), 6, "the two trials without frozen layers compute everything");
    }

    #[test]
    fn times_add_up() {
        let trials = trials("frozen_layers = [\"all\"]");
        let reuse = reuse(&trials, u64::MAX);
        let costs = costs();
        let all: f64 = costs.segments.iter().map(|segment| segment.infer).sum();
        // 80 validation images of 800 are among those that an epoch computes anyway.
        let without = 2.0 * (3.0 * 800.0 + 200.0) * (costs.prepare + all);
        assert!((reuse.work_without / without - 1.0).abs() < 1e-3, "{} {without}", reuse.work_without);
        let fill = 1000.0 * (costs.prepare + all + 5120.0 / costs.write);
        let read = 2.0 * (3.0 * 800.0 + 200.0) * 5120.0 / costs.read;
        assert!((reuse.work / (fill + read) - 1.0).abs() < 1e-3, "{} {fill} {read}", reuse.work);
        assert!((reuse.cuts[0].fill / fill - 1.0).abs() < 1e-12);
        assert!((reuse.cuts[0].gain / (reuse.work_without - reuse.work) - 1.0).abs() < 1e-9);
        assert!((reuse.expected_without(2) / reuse.work_without - 0.5).abs() < 1e-12);
        assert_eq!(reuse.expected_without(100), reuse.work_without / 2.0, "the longest of two equal trials");
    }

    #[test]
    fn a_cut_without_room_leaves_its_trials_the_one_before() {
        let trials = trials("frozen_layers = [256, \"all\"]");
        let all = reuse(&trials, 1280 * 4000);
        assert_eq!(all.cuts[0].decision, Decision::TooLarge);
        assert_eq!(all.cuts[1].decision, Decision::Fill { from: None });
        assert_eq!(all.features.len(), 2);

        let both = self::trials("frozen_layers = [384, 400]");
        let room = reuse(&both, 4 * 4 * 256 * 4000);
        let filled: Vec<&Cut> = room.cuts.iter().filter(|cut| cut.is_filled()).collect();
        assert_eq!((room.cuts.len(), filled.len()), (2, 1));
        assert_eq!(filled[0].spec.cut, room.cuts[0].spec.cut, "which serves all four trials");
        assert_eq!(room.features.len(), 4);
    }

    #[test]
    fn what_would_be_used_once_is_not_kept_unless_it_is_there() {
        let mut trials = trials("frozen_layers = [\"all\"]");
        trials.truncate(1);
        trials[0].spec.parameters.epochs = 1;
        let once = reuse(&trials, u64::MAX);
        assert_eq!(once.cuts[0].decision, Decision::Costly);
        assert!(once.cuts[0].gain < 0.0 && once.features.is_empty());
        assert_eq!(once.work, once.work_without);
        let present = BTreeSet::from([once.cuts[0].key.clone()]);
        let again = planned(&trials, u64::MAX, &costs(), &present);
        assert_eq!(again.cuts[0].decision, Decision::Fill { from: None });
        assert_eq!((again.cuts[0].fill, again.cuts[0].present), (0.0, true));
    }

    #[test]
    fn a_slow_disk_keeps_small_features_only() {
        let trials = trials("frozen_layers = [16, \"all\"]");
        let slow = Costs { write: 1e6, read: 1e6, ..costs() };
        let reuse = planned(&trials, u64::MAX, &slow, &BTreeSet::new());
        let decisions: Vec<bool> = reuse.cuts.iter().map(Cut::is_filled).collect();
        assert_eq!(decisions, [false, true]);
        assert_eq!(reuse.cuts[0].decision, Decision::Costly);
    }
}
