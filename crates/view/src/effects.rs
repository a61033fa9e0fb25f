//! `effects`: what each axis of a sweep does to the objective, and how much of all differences it explains.

use crate::table::Table;
use crate::{ViewError, shown};
use frostline_ranking::{AxisDifference, Cell, Observation, Residual, Share, axis_differences};
use frostline_sweep::filter::Filter;
use frostline_sweep::metric::Metric;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// What the axes of a sweep do, over its finished trials.
#[derive(Debug, Clone, Serialize)]
pub struct Effects {
    #[serde(serialize_with = "name")]
    pub objective: &'static Metric,
    /// Mean of the objective over all finished trials.
    pub mean: f64,
    pub trials: usize,
    pub configurations: usize,
    /// Trials that have not finished, which may still change it.
    pub unfinished: usize,
    /// Every combination of levels is there, with as many seeds each: then the shares add up to 1.
    pub balanced: bool,
    /// The one that explains most comes first.
    pub axes: Vec<Axis>,
    pub interactions: Vec<Interaction>,
    /// What interactions of three and more axes explain.
    pub higher: Option<Explained>,
    /// What seeds alone explain.
    pub seeds: Option<Explained>,
    pub residual: Basis,
    /// Names of the axes of each effect that these trials do not determine.
    pub undetermined: Vec<Vec<&'static str>>,
}

/// What probabilities, and the intervals of levels, rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The spread between seeds of one configuration.
    Seeds,
    /// With one seed: what main effects and interactions of two axes leave.
    HigherInteractions,
    /// Nothing is left to judge by.
    Nothing,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub struct Explained {
    /// Of the squared differences between all trials, 0 to 1.
    pub share: f64,
    pub freedom: usize,
    /// Of so much by chance, or more.
    pub p: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Axis {
    pub name: &'static str,
    #[serde(flatten)]
    pub explained: Explained,
    pub levels: Vec<Level>,
    /// Each level against each that follows it.
    pub differences: Vec<Difference>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Level {
    pub value: Value,
    /// Against the mean of the axis' levels.
    pub effect: f64,
    pub interval: Option<(f64, f64)>,
}

/// Over pairs of configurations that differ in this axis alone.
#[derive(Debug, Clone, Serialize)]
pub struct Difference {
    pub from: Value,
    pub to: Value,
    /// Mean of `to` less `from`.
    pub difference: f64,
    /// At 95 %, from how far the pairs differ.
    pub interval: Option<(f64, f64)>,
    pub pairs: usize,
}

#[derive(Debug, Clone, Serialize)]
pub struct Interaction {
    pub axes: (&'static str, &'static str),
    #[serde(flatten)]
    pub explained: Explained,
    /// By how much two levels together differ from the sum of their effects.
    pub effects: Vec<Together>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Together {
    pub values: (Value, Value),
    pub effect: f64,
}

/// Over the trials that meet all conditions.
///
/// # Errors
/// A condition is on what was measured, none of the trials has finished, or a value is not a number.
pub fn effects(table: &Table, filters: &[Filter]) -> Result<Effects, ViewError> {
    if let Some(measured) = filters.iter().find(|filter| filter.is_measured()) {
        return Err(ViewError::ByResult { name: measured.name() });
    }
    let all = table.meeting(filters);
    let wanted = all.len();
    let finished: Vec<u32> = all.into_iter().filter(|&place| table.is_finished(place)).collect();
    let grid = Grid::of(table, &finished);
    let name = &table.sweep().name;
    let refused = |error: &dyn ToString| ViewError::NoEffects { sweep: name.clone(), reason: error.to_string() };
    let found = frostline_ranking::effects(&grid.observations).map_err(|error| refused(&error))?;
    let cells = grid.cells().map_err(|error| refused(&error))?;
    let (levels, cells): (Vec<Vec<usize>>, Vec<Cell>) = cells.into_iter().unzip();
    let value = |axis: usize, level: usize| grid.axes[axis].1[level].clone();
    let mut axes: Vec<Axis> = Vec::new();
    for main in found.mains {
        let difference = |it: AxisDifference| Difference {
            from: value(main.axis, it.from),
            to: value(main.axis, it.to),
            difference: it.difference,
            interval: it.comparison.map(|comparison| (comparison.low, comparison.high)),
            pairs: it.pairs,
        };
        let level = |it: &frostline_ranking::Level| Level {
            value: value(main.axis, it.level),
            effect: it.effect,
            interval: it.interval,
        };
        axes.push(Axis {
            name: grid.axes[main.axis].0,
            explained: explained(main.share),
            levels: main.levels.iter().map(level).collect(),
            differences: axis_differences(&levels, &cells, main.axis).into_iter().map(difference).collect(),
        });
    }
    axes.sort_by(|one, other| other.explained.share.total_cmp(&one.explained.share));
    let interaction = |it: frostline_ranking::Interaction| {
        let (one, other) = it.axes;
        let together = |&(first, second, effect): &(usize, usize, f64)| Together {
            values: (value(one, first), value(other, second)),
            effect,
        };
        Interaction {
            axes: (grid.axes[one].0, grid.axes[other].0),
            explained: explained(it.share),
            effects: it.effects.iter().map(together).collect(),
        }
    };
    let mut interactions: Vec<Interaction> = found.interactions.into_iter().map(interaction).collect();
    interactions.sort_by(|one, other| other.explained.share.total_cmp(&one.explained.share));
    let names = |axes: Vec<usize>| axes.into_iter().map(|axis| grid.axes[axis].0).collect();
    Ok(Effects {
        objective: table.objective(),
        mean: found.mean,
        trials: found.trials,
        configurations: found.cells,
        unfinished: wanted - finished.len(),
        balanced: found.balanced,
        axes,
        interactions,
        higher: found.higher.map(explained),
        seeds: found.seeds.map(explained),
        residual: match found.residual {
            Residual::Seeds { .. } => Basis::Seeds,
            Residual::Higher { .. } => Basis::HigherInteractions,
            Residual::None => Basis::Nothing,
        },
        undetermined: found.undetermined.into_iter().map(names).collect(),
    })
}

/// Finished trials by their levels.
struct Grid {
    /// Names of the hyperparameters in which they differ, with the values that occur, in order.
    axes: Vec<(&'static str, Vec<Value>)>,
    observations: Vec<Observation>,
}

impl Grid {
    fn of(table: &Table, finished: &[u32]) -> Grid {
        // Of each axis, the values that occur, and for each value its place among them.
        let mut levels: Vec<(&[u32], Vec<usize>)> = Vec::new();
        let written = table.written_layers();
        let axis = |name: &'static str| {
            let written = written.as_ref().filter(|_| name == "frozen_layers");
            let (values, codes) = match written {
                Some((values, codes)) => (&values[..], &codes[..]),
                None => table.parameter(name)?,
            };
            let mut occurs = vec![false; values.len()];
            finished.iter().for_each(|&place| occurs[codes[place as usize] as usize] = true);
            let mut order: Vec<usize> = (0..values.len()).filter(|&code| occurs[code]).collect();
            if order.len() < 2 {
                return None;
            }
            if written.is_none() {
                order.sort_by(|&one, &other| in_order(&values[one], &values[other]));
            }
            let mut level = vec![0; values.len()];
            order.iter().enumerate().for_each(|(place, &code)| level[code] = place);
            let values: Vec<Value> = order.iter().map(|&code| values[code].clone()).collect();
            levels.push((codes, level));
            Some((name, values))
        };
        let axes = table.varying(Some(finished)).without_seed().names().filter_map(axis).collect();
        let observation = |&place: &u32| Observation {
            levels: levels.iter().map(|(codes, level)| level[codes[place as usize] as usize]).collect(),
            value: table.value(table.objective().name, place),
        };
        Grid { axes, observations: finished.iter().map(observation).collect() }
    }

    fn cells(&self) -> Result<Vec<(Vec<usize>, Cell<'static>)>, frostline_ranking::CellError> {
        let mut scores: BTreeMap<&[usize], Vec<f64>> = BTreeMap::new();
        for Observation { levels, value } in &self.observations {
            scores.entry(levels).or_default().push(*value);
        }
        let cell = |(levels, scores): (&[usize], Vec<f64>)| Ok((levels.to_vec(), Cell::of_scores(scores, None)?));
        scores.into_iter().map(cell).collect()
    }
}

/// Numbers by their size, everything else by its words.
fn in_order(one: &Value, other: &Value) -> std::cmp::Ordering {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        _ => shown(one).cmp(&shown(other)),
    }
}

fn explained(share: Share) -> Explained {
    Explained { share: share.share, freedom: share.freedom, p: share.p }
}

fn name<S: Serializer>(metric: &&'static Metric, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(metric.name)
}
