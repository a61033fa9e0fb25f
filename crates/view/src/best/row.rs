//! The rows of a ranking.

use frostline_sweep::outcome::TrialState;
use frostline_sweep::trial::{GroupId, TrialId};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Best first. `--json` prints them as one list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Rows {
    Trials(Vec<Ranked>),
    Groups(Vec<Group>),
}

impl Rows {
    pub(super) fn trials_mut(&mut self) -> Box<dyn Iterator<Item = &mut Ranked> + '_> {
        match self {
            Rows::Trials(trials) => Box::new(trials.iter_mut()),
            Rows::Groups(groups) => Box::new(groups.iter_mut().flat_map(|group| &mut group.trials)),
        }
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Rows::Trials(trials) => trials.is_empty(),
            Rows::Groups(groups) => groups.is_empty(),
        }
    }
}

/// What a sweep has not measured yet, of the trials that were asked about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missing {
    /// Trials without a result.
    pub trials: u64,
    /// Configurations without any.
    pub configurations: u64,
    /// Configurations that lack some of their seeds.
    pub incomplete: u64,
}

/// A finished trial and its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// From 1; trials with the same objective and validation loss share the lower number.
    pub rank: u32,
    /// Whether nothing tells it from the best one; none where that is not known.
    pub tied_with_best: Option<bool>,
    pub trial: TrialId,
    pub group: GroupId,
    pub state: TrialState,
    /// The value that it is ranked by.
    pub objective: f64,
    /// 95 % interval of an accuracy, by the number of validation images alone.
    pub interval: Option<(f64, f64)>,
    pub versus_best: Option<VersusBest>,
    /// Every metric by name, and `seconds`.
    pub metrics: BTreeMap<&'static str, f64>,
    pub parameters: Map<String, Value>,
    pub attempts: u32,
    /// Whether its model is kept.
    pub model: bool,
}

/// One configuration over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    pub rank: u32,
    /// Whether nothing tells it from the best one; none where that is not known.
    pub tied_with_best: Option<bool>,
    pub group: GroupId,
    /// Mean of the value that it is ranked by.
    pub objective: f64,
    /// Sample standard deviation over the seeds; none with one of them.
    pub deviation: Option<f64>,
    /// 95 % interval of the mean over all seeds that there could be, these images given; from three seeds on.
    pub interval: Option<(f64, f64)>,
    /// How many seeds are finished, and how many it is to have.
    pub seeds: u32,
    pub seeds_wanted: u32,
    pub versus_best: Option<VersusBest>,
    /// Means of every metric, and of `seconds`.
    pub metrics: BTreeMap<&'static str, f64>,
    /// What its trials have in common: everything but the seed.
    pub parameters: Map<String, Value>,
    /// Best first; their ranks are those within the configuration.
    pub trials: Vec<Ranked>,
}

/// What the first place is worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// How many places were compared, the first included.
    pub compared: usize,
    /// How many of them cannot be told from the first, that included. Whatever is as good as the best is among them with
    /// 95 %.
    pub contenders: usize,
    pub basis: Basis,
    /// What the first one's objective is expected to be on new images and, where there are several, with new seeds. None
    /// where not all places are known.
    pub expected: Option<f64>,
    /// What it would take to tell the first from the second. None where that is one place, or both are equal.
    pub wanted: Option<Wanted>,
}

/// What comparisons rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// Which of so many images each got right, and how far seeds move that where `seeds`.
    Images { images: u64, seeds: bool },
    /// Accuracies, as if each were measured on images of its own: which were right is not stored for all.
    Unpaired { seeds: bool },
    /// The spread over seeds alone.
    Seeds,
}

/// In four of five repetitions a difference of the size that was measured would be seen with this.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Wanted {
    /// So many seeds of both, those that there are included, on the same images; none where seeds alone would not do.
    pub seeds: Option<u64>,
    /// So many validation images with the seeds that there are; none where images alone would not do.
    pub images: Option<u64>,
    /// Seeds and images, where neither alone would do.
    pub both: Option<(u64, u64)>,
    /// Seconds of training that the further seeds of `seeds` take, as long as those before took.
    pub seconds: Option<f64>,
}

/// A place against the first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct VersusBest {
    /// This one's objective less the first one's.
    pub difference: f64,
    /// Its 95 % interval, of this one comparison.
    pub interval: (f64, f64),
    /// Probability of such a difference where there is none.
    pub p: f64,
    pub method: &'static str,
    #[serde(skip)]
    pub(crate) is_tied: bool,
}
