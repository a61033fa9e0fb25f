//! Which features a sweep computes once and keeps: frozen output is a function of the image alone, so the trials that
//! freeze as deep can share it.

use crate::backbone::{self, Architecture};
use crate::features::{FeatureKey, FeatureSpec};
use crate::layers::{self, Row};
use crate::trial::{Augment, Precision, TrialId, TrialSpec};
use std::collections::BTreeMap;

/// What to keep for a sweep.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reuse {
    /// Every cut that trials could start from, the shallowest first.
    pub cuts: Vec<Cut>,
    /// The features that each trial starts from; a trial that is missing here computes everything.
    pub features: BTreeMap<TrialId, FeatureKey>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cut {
    pub spec: FeatureSpec,
    pub key: FeatureKey,
    /// Name of the last segment before the cut.
    pub after: String,
    /// Trials that could start here.
    pub trials: u32,
    /// Their epochs: how often the part before the cut would be computed without a cache.
    pub epochs: u64,
    /// At most, on disk.
    pub bytes: u64,
    /// Of the backbone's multiplications.
    pub compute_share: f64,
    pub decision: Decision,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Computed once and kept, starting from these features where there are any.
    Fill { from: Option<FeatureKey> },
    /// Computing it once to use it once gains nothing.
    UsedOnce,
    /// More than the space that is left for it.
    TooLarge,
}

impl Cut {
    pub fn is_filled(&self) -> bool {
        matches!(self.decision, Decision::Fill { .. })
    }
}

/// Decides for these trials, of `images` images in all (training and test), within `max_bytes`.
///
/// Cuts are taken in the order of multiplications saved a byte, as long as there is room; a trial starts from the
/// deepest one that is not behind its own frozen boundary.
pub fn plan<'a>(trials: impl Iterator<Item = (TrialId, &'a TrialSpec)>, images: u64, max_bytes: u64) -> Reuse {
    let mut cuts: BTreeMap<FeatureKey, Cut> = BTreeMap::new();
    let mut wanted: Vec<(TrialId, FeatureKey)> = Vec::new();
    let mut layouts: BTreeMap<(String, u32), Layout> = BTreeMap::new();
    for (trial, spec) in trials {
        let Some(architecture) = backbone::find(&spec.model.backbone) else { continue };
        let layout = layouts
            .entry((spec.model.backbone.clone(), spec.data.image_size))
            .or_insert_with(|| Layout::of(architecture, spec.data.image_size));
        let number = layout.cut_at(spec.parameters.frozen_layers);
        if number == 0 {
            continue;
        }
        let features = FeatureSpec::of(spec, number);
        let key = features.key();
        let cut = cuts.entry(key.clone()).or_insert_with(|| layout.cut(features, key.clone(), images));
        cut.trials += 1;
        cut.epochs += u64::from(spec.parameters.epochs);
        wanted.push((trial, key));
    }
    choose(&mut cuts, max_bytes);
    let mut ordered: Vec<Cut> = cuts.into_values().collect();
    ordered.sort_by_key(|cut| cut.spec.cut);
    for place in 0..ordered.len() {
        let from = deepest(&ordered[..place], &ordered[place].spec).map(|cut| cut.key.clone());
        if let Decision::Fill { from: start } = &mut ordered[place].decision {
            *start = from;
        }
    }
    let starts: BTreeMap<&FeatureKey, FeatureKey> = ordered
        .iter()
        .enumerate()
        .filter_map(|(place, cut)| {
            let start = if cut.is_filled() { Some(cut) } else { deepest(&ordered[..place], &cut.spec) };
            Some((&cut.key, start?.key.clone()))
        })
        .collect();
    let features = wanted.into_iter().filter_map(|(trial, key)| Some((trial, starts.get(&key)?.clone()))).collect();
    Reuse { cuts: ordered, features }
}

fn choose(cuts: &mut BTreeMap<FeatureKey, Cut>, max_bytes: u64) {
    let mut order: Vec<(f64, FeatureKey)> = cuts
        .values()
        .map(|cut| (cut.epochs as f64 * cut.compute_share / cut.bytes.max(1) as f64, cut.key.clone()))
        .collect();
    order.sort_by(|one, other| other.0.total_cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    let mut left = max_bytes;
    for (_, key) in order {
        let Some(cut) = cuts.get_mut(&key) else { continue };
        cut.decision = if cut.epochs < 2 {
            Decision::UsedOnce
        } else if cut.bytes > left {
            Decision::TooLarge
        } else {
            left -= cut.bytes;
            Decision::Fill { from: None }
        };
    }
}

/// The deepest of these cuts that is filled and from which `spec` can be computed.
fn deepest<'a>(cuts: &'a [Cut], spec: &FeatureSpec) -> Option<&'a Cut> {
    let leads_there = |cut: &&Cut| cut.is_filled() && FeatureSpec { cut: spec.cut, ..cut.spec.clone() } == *spec;
    cuts.iter().rev().find(leads_there)
}

/// A network at an image size, as far as caching is concerned.
struct Layout {
    /// Where each segment ends, its name, the elements of its output an image, and the share of multiplications up to
    /// its end.
    ends: Vec<(u32, String, u64, f64)>,
}

impl Layout {
    fn of(architecture: &Architecture, image_size: u32) -> Layout {
        let rows = layers::table(architecture, image_size).into_iter();
        let end = |row: Row| {
            let boundary = row.boundary?;
            Some((row.layer.index + 1, boundary.segment, boundary.elements, row.compute_share))
        };
        Layout { ends: rows.filter_map(end).collect() }
    }

    /// See [`Architecture::cut_at`].
    fn cut_at(&self, frozen_layers: u32) -> u32 {
        self.ends.partition_point(|(end, ..)| *end <= frozen_layers) as u32
    }

    fn cut(&self, spec: FeatureSpec, key: FeatureKey, images: u64) -> Cut {
        let (_, after, elements, compute_share) = &self.ends[spec.cut as usize - 1];
        let views = match spec.augment {
            Augment::None => 1,
            Augment::Flip => 2,
        };
        let size = match spec.precision {
            Precision::Float32 => 4,
            Precision::Bfloat16 => 2,
        };
        Cut {
            key,
            after: after.clone(),
            trials: 0,
            epochs: 0,
            bytes: images * views * elements * size,
            compute_share: *compute_share,
            decision: Decision::UsedOnce,
            spec,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Definition;
    use crate::expand::{Sources, Trial};
    use crate::trial::WeightsIdentity;

    fn trials(grid: &str) -> Vec<Trial> {
        let text = format!(
            "[sweep]\nname = \"x\"\n[data]\ndataset = \"shapes\"\n[model]\nbackbone = \"efficientnet_v2_s\"\n\
             weights = \"random\"\n[grid]\n{grid}\nhead_depth = [0]\noptimizer = [\"adam\", \"rmsprop\"]\n\
             learning_rate = [1e-3]\n[train]\nepochs = 3\nbatch_size = 50\n"
        );
        let definition = Definition::parse("x.toml", &text, &[]).unwrap();
        definition.expand(&Sources { data_digest: "d".into(), weights: WeightsIdentity::Random })
    }

    fn reuse(trials: &[Trial], max_bytes: u64) -> Reuse {
        plan(trials.iter().map(|trial| (trial.id, &trial.spec)), 1000, max_bytes)
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
        }
        // 128 px: 8x8 pixels of 160 channels, 4x4 of 256, pooled 1280.
        let bytes: Vec<u64> = reuse.cuts.iter().map(|cut| cut.bytes / 4000).collect();
        assert_eq!(bytes, [8 * 8 * 160, 4 * 4 * 256, 1280]);
        assert!((reuse.cuts[2].compute_share - 1.0).abs() < 1e-12);
        assert_eq!(reuse.features.len(), 6, "the two trials without frozen layers compute everything");
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
        let deeper_only = filled[0].spec.cut == room.cuts[1].spec.cut;
        assert_eq!(room.features.len(), if deeper_only { 2 } else { 4 });
    }

    #[test]
    fn what_would_be_used_once_is_not_kept() {
        let mut trials = trials("frozen_layers = [\"all\"]");
        trials.truncate(1);
        trials[0].spec.parameters.epochs = 1;
        let reuse = reuse(&trials, u64::MAX);
        assert_eq!(reuse.cuts[0].decision, Decision::UsedOnce);
        assert!(reuse.features.is_empty());
    }
}
