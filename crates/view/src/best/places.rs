//! What is ranked: single trials, or configurations with the trials that differ in the seed only. Best first.

use super::finished::Finished;
use super::row::{Group, Missing, Ranked, VersusBest};
use super::verdict::Contestant;
use crate::{Columns, ViewError};
use frostline_ranking::{Candidate, Certainty, Replicates, groups, order, summarise};
use frostline_store::{Reader, TrialRow};
use frostline_sweep::metric::Metric;
use frostline_sweep::trial::GroupId;
use std::collections::BTreeMap;

/// What a row stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Trials,
    Groups,
}

impl Shape {
    /// A row that stands for all seeds has none.
    pub(crate) fn of(self, columns: Columns) -> Columns {
        match self {
            Shape::Trials => columns,
            Shape::Groups => columns.without_seed(),
        }
    }
}

/// A place in the ranking.
pub(super) struct Place {
    /// From 1; what nothing tells apart share the lower number.
    pub(super) rank: u32,
    pub(super) group: GroupId,
    /// How many seeds it is to have.
    pub(super) seeds: u32,
    pub(super) replicates: Replicates,
    /// The finished ones, best first; one of them where single trials are ranked.
    pub(super) trials: Vec<Finished>,
}

/// Of all trials that count, finished or not.
pub(super) fn of_rows(objective: &Metric, shape: Shape, rows: Vec<TrialRow>) -> (Vec<Place>, Missing) {
    let mut seeds: BTreeMap<GroupId, u32> = BTreeMap::new();
    for row in &rows {
        *seeds.entry(row.group).or_default() += 1;
    }
    let all = rows.len();
    let finished = Finished::of(rows);
    let mut missing = Missing { trials: (all - finished.len()) as u64, ..Missing::default() };
    let mut done: BTreeMap<GroupId, u32> = BTreeMap::new();
    for trial in &finished {
        *done.entry(trial.row.group).or_default() += 1;
    }
    missing.configurations = (seeds.len() - done.len()) as u64;
    missing.incomplete = done.iter().filter(|(group, done)| seeds[*group] > **done).count() as u64;
    let candidates: Vec<Candidate> = finished.iter().map(|trial| trial.candidate(objective)).collect();
    let places: Vec<(u32, GroupId, u32, Replicates, Vec<usize>)> = match shape {
        Shape::Groups => groups(objective.direction, &candidates)
            .into_iter()
            .map(|it| (it.rank, it.group, seeds[&it.group], it.replicates, it.members))
            .collect(),
        Shape::Trials => order(objective.direction, &candidates)
            .into_iter()
            .map(|it| {
                let Candidate { group, objective, .. } = &candidates[it.index];
                (it.rank, *group, 1, summarise(&[*objective]), vec![it.index])
            })
            .collect(),
    };
    let mut finished: Vec<Option<Finished>> = finished.into_iter().map(Some).collect();
    let place = |(rank, group, seeds, replicates, members): (u32, GroupId, u32, Replicates, Vec<usize>)| {
        let trials = members.into_iter().filter_map(|member| finished[member].take()).collect();
        Place { rank, group, seeds, replicates, trials }
    };
    (places.into_iter().map(place).collect(), missing)
}

/// The first places of a whole sweep, without a look at the others.
pub(super) fn first(
    reader: &Reader,
    objective: &Metric,
    shape: Shape,
    sweep: &str,
    most: usize,
) -> Result<Vec<Place>, ViewError> {
    Ok(match shape {
        Shape::Trials => of_rows(objective, shape, reader.best(sweep, most)?).0,
        Shape::Groups => reader
            .best_groups(sweep, most)?
            .into_iter()
            .map(|row| Place {
                rank: row.rank,
                group: row.group,
                seeds: row.seeds,
                replicates: row.replicates,
                trials: Finished::of(row.trials),
            })
            .collect(),
    })
}

/// 95 % interval of a configuration's mean, from three seeds on.
pub(crate) fn interval_of_mean(objective: &Metric, replicates: &Replicates) -> Option<(f64, f64)> {
    match replicates.certainty() {
        // Student's t knows no bounds, a share does.
        Certainty::Interval { low, high } if objective.is_share() => Some((low.max(0.0), high.min(1.0))),
        Certainty::Interval { low, high } => Some((low, high)),
        _ => None,
    }
}

impl Place {
    pub(super) fn contestants(&self, objective: &Metric) -> Vec<Contestant> {
        self.trials.iter().map(|finished| finished.contestant(objective)).collect()
    }

    /// Every metric by name, and `seconds`: the means over its trials.
    pub(super) fn metrics(&self) -> BTreeMap<&'static str, f64> {
        let mut means: BTreeMap<&'static str, f64> = BTreeMap::new();
        for (name, value) in self.trials.iter().flat_map(Finished::metrics) {
            *means.entry(name).or_default() += value / self.trials.len() as f64;
        }
        means
    }

    pub(super) fn trial(&self, objective: &Metric, versus: Option<VersusBest>) -> Option<Ranked> {
        let ranked = self.trials.first()?.ranked(self.rank, objective);
        Some(Ranked { tied_with_best: versus.map(|it| it.is_tied), versus_best: versus, ..ranked })
    }

    pub(super) fn group(&self, objective: &Metric, versus: Option<VersusBest>) -> Group {
        let mut parameters = self.trials.first().map(|first| first.row.spec.named_object()).unwrap_or_default();
        parameters.remove("seed");
        Group {
            rank: self.rank,
            tied_with_best: versus.map(|it| it.is_tied),
            group: self.group,
            objective: self.replicates.mean,
            deviation: self.replicates.deviation,
            interval: interval_of_mean(objective, &self.replicates),
            seeds: self.replicates.count,
            seeds_wanted: self.seeds,
            versus_best: versus,
            metrics: self.metrics(),
            parameters,
            trials: (1..).zip(&self.trials).map(|(rank, finished)| finished.ranked(rank, objective)).collect(),
        }
    }
}
