//! The rows of a ranking.

use crate::Columns;
use frostline_sweep::metric::Metric;
use frostline_sweep::outcome::TrialState;
use frostline_sweep::trial::{GroupId, TrialId};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The first places and what they are seen against.
#[derive(Debug, Clone)]
pub struct Best {
    pub objective: &'static Metric,
    /// How many rows there are in all, those included that are not shown.
    pub total: u64,
    /// The hyperparameters in which the rows differ.
    pub columns: Columns,
    pub rows: Rows,
    pub doubt: Option<Doubt>,
}

/// Best first. `--json` prints them as one list.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Rows {
    Trials(Vec<Ranked>),
    Groups(Vec<Group>),
}

impl Rows {
    pub fn is_empty(&self) -> bool {
        match self {
            Rows::Trials(trials) => trials.is_empty(),
            Rows::Groups(groups) => groups.is_empty(),
        }
    }
}

/// The first `close` rows, the best included, cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doubt {
    pub close: u64,
    pub because: Because,
}

/// What does not tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// Their accuracies lie within the best one's interval on so many validation images.
    Images(u64),
    /// Their means differ by no more than the seeds explain.
    Seeds,
}

/// A finished trial and its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// From 1; trials that nothing tells apart share the lower number.
    pub rank: u32,
    pub trial: TrialId,
    pub group: GroupId,
    pub state: TrialState,
    /// The value that it is ranked by.
    pub objective: f64,
    /// 95 % interval of an accuracy, by the number of validation images alone.
    pub interval: Option<(f64, f64)>,
    /// Every metric by name, and `seconds`.
    pub metrics: BTreeMap<&'static str, f64>,
    pub parameters: Map<String, Value>,
    pub attempts: u32,
}

/// One configuration over its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    pub rank: u32,
    pub group: GroupId,
    /// Mean of the value that it is ranked by.
    pub objective: f64,
    /// Sample standard deviation over the seeds; none with one of them.
    pub deviation: Option<f64>,
    /// How many seeds are finished, and how many it is to have.
    pub seeds: u32,
    pub seeds_wanted: u32,
    /// Means of every metric, and of `seconds`.
    pub metrics: BTreeMap<&'static str, f64>,
    /// What its trials have in common: everything but the seed.
    pub parameters: Map<String, Value>,
    /// Best first; their ranks are those within the configuration.
    pub trials: Vec<Ranked>,
}
