//! Which features a sweep computes once and keeps: frozen output is a function of the image alone, so the trials that
//! freeze as deep can share it.

mod layout;
mod lineage;
mod schedule;

use crate::backbone;
use crate::costs::{ImageCounts, Work};
use crate::features::{FeatureKey, FeatureSpec};
use crate::learned::Figures;
use crate::trial::{Precision, TrialSpec};
use lineage::Lineage;
use schedule::Schedule;
use std::borrow::Borrow;
use std::collections::BTreeSet;

/// What to keep for a sweep, and what it takes then.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reuse {
    /// Every cut that trials could start from, the shallowest first.
    pub cuts: Vec<Cut>,
    lineages: Vec<Lineage>,
    /// What is filled, by lineage.
    chosen: Vec<BTreeSet<u32>>,
    with: Schedule,
    /// If nothing were kept.
    without: Schedule,
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
    /// What is computed then.
    pub work: Work,
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
    /// Seconds that the sweep takes on so many workers.
    pub fn expected(&self, workers: usize) -> f64 {
        self.with.seconds(workers)
    }

    /// The same, if nothing were kept.
    pub fn expected_without(&self, workers: usize) -> f64 {
        self.without.seconds(workers)
    }

    /// The part of one network.
    pub fn share(&self, backbone: &str) -> Share {
        let of_it =
            || self.lineages.iter().zip(&self.chosen).filter(|(lineage, _)| lineage.computed().network == backbone);
        let with = Schedule::of(of_it().map(|(lineage, chosen)| lineage.schedule(chosen)));
        let without = Schedule::of(of_it().map(|(lineage, _)| lineage.schedule(&BTreeSet::new())));
        Share { trials: with.count(), seconds: with.work(), without: without.work() }
    }

    fn lineage(&self, spec: &TrialSpec) -> Option<(&Lineage, &BTreeSet<u32>)> {
        self.lineages.iter().zip(&self.chosen).find(|(lineage, _)| lineage.has(spec))
    }

    /// The features that a trial starts from; none where it computes everything.
    pub fn start(&self, spec: &TrialSpec) -> Option<&FeatureKey> {
        let (lineage, chosen) = self.lineage(spec)?;
        lineage.start(chosen, spec)
    }

    /// Seconds of a trial on one worker; none where it is none of those that were planned for.
    pub fn seconds(&self, spec: &TrialSpec) -> Option<f64> {
        let (lineage, chosen) = self.lineage(spec)?;
        lineage.seconds(chosen, spec)
    }

    /// Seconds of a trial on one worker that starts from the features at `cut` (0: from the images); none where nobody has
    /// planned for that.
    pub fn estimate(&self, spec: &TrialSpec, cut: u32) -> Option<Estimate> {
        let (lineage, _) = self.lineage(spec)?;
        Some(Estimate { seconds: lineage.seconds_from(cut, spec)?, without: lineage.seconds_from(0, spec)? })
    }

    /// What so many epochs of a trial compute, with the evaluation after the last of them where it `is_complete`.
    pub fn work(&self, spec: &TrialSpec, epochs: u32, is_complete: bool) -> Option<Work> {
        let (lineage, chosen) = self.lineage(spec)?;
        Some(lineage.work_of(chosen, spec, epochs, is_complete))
    }
}

/// What a part of a sweep takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    pub trials: u64,
    /// Of one worker, fills included.
    pub seconds: f64,
    /// If nothing were kept.
    pub without: f64,
}

/// Seconds that a trial takes on one worker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    pub seconds: f64,
    /// If it started from the images, whatever is kept.
    pub without: f64,
}

/// What is computed: a network in a precision. Each takes its own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Computed {
    /// Its name.
    pub network: &'static str,
    pub precision: Precision,
}

impl Computed {
    /// By a trial or a fill; none where the network is not known.
    pub fn of(backbone: &str, precision: Precision) -> Option<Computed> {
        Some(Computed { network: backbone::find(backbone)?.name, precision })
    }
}

/// What a plan is made for.
pub struct Premises<'a> {
    /// What computing takes of each.
    pub figures: &'a dyn Fn(Computed) -> Figures,
    /// Space for features, those of `present` included.
    pub max_bytes: u64,
    /// Features that the cache has.
    pub present: &'a BTreeSet<FeatureKey>,
    /// Whether the workers compute on GPUs.
    pub on_gpu: bool,
}

/// The trials of a sweep, as far as plans depend on them: a large sweep has few that differ in that.
pub struct Workload(Vec<Lineage>);

impl Workload {
    pub fn of(trials: impl Iterator<Item = impl Borrow<TrialSpec>>, images: ImageCounts) -> Workload {
        let mut lineages: Vec<Lineage> = Vec::new();
        for spec in trials {
            let spec = spec.borrow();
            if let Some(lineage) = lineages.iter_mut().find(|lineage| lineage.has(spec)) {
                lineage.add(spec);
            } else if let Some(mut lineage) = Lineage::of(spec, images) {
                lineage.add(spec);
                lineages.push(lineage);
            }
        }
        Workload(lineages)
    }

    /// What its trials compute.
    pub fn computed(&self) -> BTreeSet<Computed> {
        self.0.iter().map(Lineage::computed).collect()
    }

    /// Decides for these trials.
    ///
    /// Cuts are taken one by one, first the one that shortens the sweep's work most for each byte, as long as there are
    /// such and room for them; then those are given back that later ones made useless. A trial starts from the deepest cut
    /// that is not behind its own frozen boundary.
    pub fn plan(&self, premises: &Premises) -> Reuse {
        let mut lineages = self.0.clone();
        for lineage in &mut lineages {
            lineage.compute_on(premises.on_gpu);
            lineage.time((premises.figures)(lineage.computed()), premises.present);
        }
        let chosen = choose(&lineages, premises.max_bytes);
        let each = || lineages.iter().zip(&chosen);
        let mut cuts: Vec<Cut> = each().flat_map(|(lineage, chosen)| lineage.decided(chosen)).collect();
        // Of each network on its own.
        cuts.sort_by(|one, other| {
            (&one.spec.model.backbone, one.spec.cut).cmp(&(&other.spec.model.backbone, other.spec.cut))
        });
        let with = Schedule::of(each().map(|(lineage, chosen)| lineage.schedule(chosen)));
        let without = Schedule::of(lineages.iter().map(|lineage| lineage.schedule(&BTreeSet::new())));
        Reuse { cuts, with, without, lineages, chosen }
    }
}

/// The cuts to fill, by lineage.
fn choose(lineages: &[Lineage], max_bytes: u64) -> Vec<BTreeSet<u32>> {
    let mut chosen = vec![BTreeSet::new(); lineages.len()];
    let mut left = max_bytes;
    loop {
        let mut best: Option<(f64, usize, u32)> = None;
        for (number, lineage) in lineages.iter().enumerate() {
            for (cut, bytes) in lineage.sizes().filter(|(cut, _)| !chosen[number].contains(cut)) {
                let gain = lineage.gain(&chosen[number], cut) / bytes.max(1) as f64;
                if gain > 0.0 && bytes <= left && best.is_none_or(|(most, ..)| gain > most) {
                    best = Some((gain, number, cut));
                }
            }
        }
        let Some((_, number, cut)) = best else { break };
        left -= lineages[number].sizes().find(|(each, _)| *each == cut).map_or(0, |(_, bytes)| bytes);
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

#[cfg(test)]
mod tests;
