//! Configurations, best first: the trials that differ in the seed only, by their mean.

use super::finished::{Finished, columns_of_sweep, ranks};
use super::row::{Because, Best, Doubt, Group, Rows};
use crate::Columns;
use frostline_ranking::{Candidate, Rank, Replicates, Spread, order, replicates};
use frostline_sweep::definition::Definition;
use frostline_sweep::metric::Metric;
use frostline_sweep::trial::GroupId;
use std::collections::BTreeMap;

/// The `most` best configurations of these trials.
pub(super) fn best(
    objective: &'static Metric,
    finished: Vec<Finished>,
    most: usize,
    definition: Option<&Definition>,
) -> Best {
    let (candidates, places) = ranks(objective, &finished);
    let summaries = replicates(&candidates);
    let mut members: BTreeMap<GroupId, Vec<Rank>> = BTreeMap::new();
    for place in places {
        members.entry(candidates[place.index].group).or_default().push(place);
    }
    let mean = |members: &[Rank], value: &dyn Fn(&Finished) -> f64| {
        members.iter().map(|place| value(&finished[place.index])).sum::<f64>() / members.len() as f64
    };
    // In the order of the sweep, which remains between equals.
    let mut groups: Vec<(GroupId, Vec<Rank>)> = members.into_iter().collect();
    groups.sort_by_key(|(_, members)| members.iter().map(|place| finished[place.index].row.position).min());
    let by_mean: Vec<Candidate> = groups
        .iter()
        .map(|(group, members)| Candidate {
            group: *group,
            objective: summaries[group].mean,
            val_loss: mean(members, &|trial| trial.last.val_loss),
        })
        .collect();
    let order = order(objective.direction, &by_mean);
    let wanted = definition.map(|definition| definition.seeds.len() as u32);
    let row = |place: &Rank| {
        let (group, members) = &groups[place.index];
        let Replicates { count, mean: objective_mean, deviation } = summaries[group];
        let first = &finished[members[0].index];
        let names = first.metrics().into_keys();
        let metrics = names.map(|name| (name, mean(members, &|trial: &Finished| trial.metrics()[name]))).collect();
        let mut parameters = first.row.spec.named_object();
        parameters.remove("seed");
        let ranked = |place: &Rank| finished[place.index].ranked(place.rank, objective);
        Group {
            rank: place.rank,
            group: *group,
            objective: objective_mean,
            deviation,
            seeds: count,
            seeds_wanted: wanted,
            metrics,
            parameters,
            trials: members.iter().map(ranked).collect(),
        }
    };
    let columns = match definition {
        Some(definition) => columns_of_sweep(definition, &finished),
        None => Columns::varying(finished.iter().map(|finished| &finished.row.spec)),
    };
    Best {
        objective,
        total: groups.len() as u64,
        columns: columns.without_seed(),
        rows: Rows::Groups(order.iter().take(most).map(row).collect()),
        doubt: order.first().and_then(|first| {
            let best = &finished[groups[first.index].1[0].index];
            doubt(&order, &by_mean, &summaries, best, objective)
        }),
    }
}

/// By the spread over seeds; while no configuration has several, by the validation images of the best one. What is not
/// told from the best need not stand next to it, as it may have fewer seeds; so the rows before the first that is told.
fn doubt(
    order: &[Rank],
    groups: &[Candidate],
    summaries: &BTreeMap<GroupId, Replicates>,
    best: &Finished,
    objective: &Metric,
) -> Option<Doubt> {
    let summary = |place: &Rank| &summaries[&groups[place.index].group];
    let first = summary(order.first()?);
    let close = |is_close: &dyn Fn(&Replicates) -> bool| {
        order.iter().take_while(|place| is_close(summary(place))).count() as u64
    };
    if let Some(spread) = Spread::pooled(summaries.values()) {
        let close = close(&|other| !spread.tells_apart(first, other));
        return Some(Doubt { close, because: Because::Seeds });
    }
    let (low, _) = best.interval(objective)?;
    Some(Doubt { close: close(&|other| other.mean >= low), because: Because::Images(best.validation_images()?) })
}
