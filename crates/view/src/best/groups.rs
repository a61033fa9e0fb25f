//! Configurations, best first: the trials that differ in the seed only, by their mean.

use super::Whole;
use super::finished::{Finished, columns_of_sweep};
use super::row::{Because, Best, Doubt, Group, Rows};
use crate::{Columns, ViewError};
use frostline_ranking::{Candidate, Replicates, Spread, groups};
use frostline_store::{GroupRow, Reader, TrialRow};
use frostline_sweep::metric::Metric;
use frostline_sweep::trial::GroupId;
use std::collections::BTreeMap;

/// The first ones of a sweep that are compared with the best, shown or not.
const COMPARED: usize = 100;

/// A configuration and its finished trials, best first.
struct Configuration {
    group: GroupId,
    rank: u32,
    /// How many seeds it is to have.
    seeds: u32,
    replicates: Replicates,
    trials: Vec<Finished>,
}

/// Of a whole sweep: its first places, without a look at the others.
pub(super) fn of_sweep(
    reader: &Reader,
    objective: &'static Metric,
    sweep: &str,
    most: usize,
    whole: Option<&Whole>,
) -> Result<Best, ViewError> {
    let configuration = |row: GroupRow| Configuration {
        group: row.group,
        rank: row.rank,
        seeds: row.seeds,
        replicates: row.replicates,
        trials: Finished::of(row.trials),
    };
    let rows = reader.best_groups(sweep, most.max(COMPARED))?;
    let configurations: Vec<Configuration> = rows.into_iter().map(configuration).collect();
    let mut best = ranked(objective, &configurations, most);
    let Some(Whole { definition }) = whole else { return Ok(best) };
    best.total = reader.finished_groups(sweep)?;
    if let Some(definition) = definition {
        let shown = configurations.iter().take(most.max(1)).flat_map(|it| &it.trials);
        best.columns = columns_of_sweep(definition, shown).without_seed();
    }
    Ok(best)
}

/// Of all trials that count, finished or not.
pub(super) fn of_rows(objective: &'static Metric, rows: Vec<TrialRow>, most: usize) -> Best {
    let mut seeds: BTreeMap<GroupId, u32> = BTreeMap::new();
    for row in &rows {
        *seeds.entry(row.group).or_default() += 1;
    }
    let finished = Finished::of(rows);
    let candidates: Vec<Candidate> = finished.iter().map(|trial| trial.candidate(objective)).collect();
    let groups = groups(objective.direction, &candidates);
    let mut finished: Vec<Option<Finished>> = finished.into_iter().map(Some).collect();
    let configurations: Vec<Configuration> = groups
        .into_iter()
        .map(|group| Configuration {
            group: group.group,
            rank: group.rank,
            seeds: seeds[&group.group],
            replicates: group.replicates,
            trials: group.members.iter().filter_map(|&member| finished[member].take()).collect(),
        })
        .collect();
    ranked(objective, &configurations, most)
}

fn ranked(objective: &'static Metric, configurations: &[Configuration], most: usize) -> Best {
    let specs = configurations.iter().flat_map(|it| &it.trials).map(|finished| &finished.row.spec);
    let rows = configurations.iter().take(most).map(|it| row(it, objective));
    Best {
        objective,
        total: configurations.len() as u64,
        columns: Columns::varying(specs).without_seed(),
        rows: Rows::Groups(rows.collect()),
        doubt: doubt(configurations, objective),
    }
}

fn row(it: &Configuration, objective: &'static Metric) -> Group {
    let mut metrics: BTreeMap<&'static str, f64> = BTreeMap::new();
    for (name, value) in it.trials.iter().flat_map(Finished::metrics) {
        *metrics.entry(name).or_default() += value / it.trials.len() as f64;
    }
    let mut parameters = it.trials.first().map(|first| first.row.spec.named_object()).unwrap_or_default();
    parameters.remove("seed");
    Group {
        rank: it.rank,
        group: it.group,
        objective: it.replicates.mean,
        deviation: it.replicates.deviation,
        seeds: it.replicates.count,
        seeds_wanted: it.seeds,
        metrics,
        parameters,
        trials: (1..).zip(&it.trials).map(|(rank, finished)| finished.ranked(rank, objective)).collect(),
    }
}

/// By the spread over seeds; while no configuration has several, by the validation images of the best one. What is not
/// told from the best need not stand next to it, as it may have fewer seeds; so the rows before the first that is told.
fn doubt(configurations: &[Configuration], objective: &Metric) -> Option<Doubt> {
    let best = configurations.first()?;
    let close = |is_close: &dyn Fn(&Replicates) -> bool| {
        configurations.iter().take_while(|it| is_close(&it.replicates)).count() as u64
    };
    if let Some(spread) = Spread::pooled(configurations.iter().map(|it| &it.replicates)) {
        let close = close(&|other| !spread.tells_apart(&best.replicates, other));
        return Some(Doubt { close, because: Because::Seeds });
    }
    let only = best.trials.first()?;
    let (low, _) = only.interval(objective)?;
    Some(Doubt { close: close(&|other| other.mean >= low), because: Because::Images(only.validation_images()?) })
}
