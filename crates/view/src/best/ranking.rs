//! A ranking as people see it: rows, whether they are trials or configurations, and what they are seen against.

use super::row::{Group, Missing, Ranked, Rows, Verdict, VersusBest};
use crate::Columns;
use frostline_sweep::backbone::{self, Architecture};
use frostline_sweep::metric::Metric;
use frostline_sweep::parameters::BACKBONE;
use frostline_sweep::record::Kind;
use frostline_sweep::trial::{GroupId, TrialId};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The first places, as programs and as people see them.
#[derive(Debug, Clone)]
pub struct Best {
    pub rows: Rows,
    pub ranking: Ranking,
    /// On what the results come from, where only people are told.
    pub kinds: BTreeSet<Kind>,
}

/// Some rows of a ranking.
#[derive(Debug, Clone)]
pub struct Ranking {
    pub objective: &'static Metric,
    /// How many rows there are in all, those included that are not shown.
    pub total: u64,
    /// The hyperparameters in which the rows differ.
    pub columns: Columns,
    pub rows: Vec<Row>,
    /// The best one, whichever are shown.
    pub first: Option<Row>,
    /// None where nothing is known of how far chance moves the objective.
    pub verdict: Option<Verdict>,
    /// Of a large sweep only the number of trials may be known.
    pub missing: Missing,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub rank: u32,
    /// Whether nothing tells it from the best one; none where that is not known.
    pub tied_with_best: Option<bool>,
    /// Whether it shares the first place with others, shown or not.
    pub is_tied: bool,
    /// The trial, or the best one of the configuration.
    pub trial: TrialId,
    pub group: GroupId,
    /// Of the objective.
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    pub deviation: Option<f64>,
    pub seeds: u32,
    pub seeds_wanted: u32,
    pub versus_best: Option<VersusBest>,
    /// Every metric by name, and `seconds`; means over the seeds.
    pub metrics: BTreeMap<&'static str, f64>,
    pub parameters: Map<String, Value>,
    /// Whether it stands for several seeds.
    pub is_group: bool,
    /// Whether its model is kept, or that of one of its seeds.
    pub has_model: bool,
}

impl Row {
    /// Its rank, `=1` where it shares the first place.
    pub fn label(&self) -> String {
        if self.is_tied { "=1".to_owned() } else { self.rank.to_string() }
    }

    /// Whether it is the best, or cannot be told from it.
    pub fn is_first(&self) -> bool {
        self.rank == 1 || self.is_tied
    }

    pub fn metric(&self, name: &str) -> f64 {
        self.metrics.get(name).copied().unwrap_or(f64::NAN)
    }

    /// Its network; none where there is none of that name any more.
    pub fn network(&self) -> Option<&'static Architecture> {
        backbone::find(self.parameters.get(BACKBONE)?.as_str()?)
    }

    pub fn frozen_layers(&self) -> u32 {
        self.parameters.get("frozen_layers").and_then(Value::as_u64).unwrap_or_default() as u32
    }
}

/// The rows of a ranking, best first.
pub(super) fn rows(rows: &Rows, verdict: Option<&Verdict>) -> Vec<Row> {
    let is_shared = verdict.is_some_and(|verdict| verdict.contenders > 1);
    let marked = |row: Row| Row { is_tied: is_shared && row.tied_with_best == Some(true), ..row };
    match rows {
        Rows::Trials(rows) => rows.iter().map(trial).map(marked).collect(),
        Rows::Groups(rows) => rows.iter().filter_map(group).map(marked).collect(),
    }
}

fn trial(row: &Ranked) -> Row {
    Row {
        rank: row.rank,
        tied_with_best: row.tied_with_best,
        is_tied: false,
        trial: row.trial,
        group: row.group,
        value: row.objective,
        interval: row.interval,
        deviation: None,
        seeds: 1,
        seeds_wanted: 1,
        versus_best: row.versus_best,
        metrics: row.metrics.clone(),
        parameters: row.parameters.clone(),
        is_group: false,
        has_model: row.model,
    }
}

fn group(row: &Group) -> Option<Row> {
    Some(Row {
        rank: row.rank,
        tied_with_best: row.tied_with_best,
        is_tied: false,
        trial: row.trials.first()?.trial,
        group: row.group,
        value: row.objective,
        interval: row.interval,
        deviation: row.deviation,
        seeds: row.seeds,
        seeds_wanted: row.seeds_wanted,
        versus_best: row.versus_best,
        metrics: row.metrics.clone(),
        parameters: row.parameters.clone(),
        is_group: true,
        has_model: row.trials.iter().any(|trial| trial.model),
    })
}
