//! `effects`: what each axis of a sweep does to the objective, and how much of all differences it explains.

use crate::best::finished::Finished;
use crate::best::{meeting, objective};
use crate::{Columns, ViewError, shown};
use frostline_ranking::{AxisDifference, Cell, Observation, Residual, Share, axis_differences};
use frostline_store::Reader;
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

/// # Errors
/// There is no such sweep, it has no finished trial that meets the conditions or one whose value is not a number, or a
/// failure of the database.
pub fn effects(reader: &Reader, name: &str, filters: &[Filter]) -> Result<Effects, ViewError> {
    let objective = objective(&reader.sweep(name)?)?;
    let rows = meeting(reader, name, filters)?;
    let wanted = rows.len();
    let finished = Finished::of(rows);
    let grid = Grid::of(&finished, objective);
    let refused = |error: &dyn ToString| ViewError::NoEffects { sweep: name.to_owned(), reason: error.to_string() };
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
        objective,
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
    fn of(finished: &[Finished], objective: &Metric) -> Grid {
        let columns = Columns::varying(finished.iter().map(|it| &it.row.spec)).without_seed();
        let named: Vec<_> = finished.iter().map(|it| columns.of(&it.row.spec)).collect();
        let values = |name: &'static str| {
            let mut values: Vec<Value> = Vec::new();
            // By their text: a large sweep has few values and many trials.
            let by_text: BTreeMap<String, &Value> =
                named.iter().filter_map(|row| row.get(name)).map(|value| (value.to_string(), value)).collect();
            values.extend(by_text.into_values().cloned());
            values.sort_by(in_order);
            (name, values)
        };
        let axes: Vec<(&'static str, Vec<Value>)> = columns.names().map(values).collect();
        let level = |row: &serde_json::Map<String, Value>, (name, values): &(&'static str, Vec<Value>)| {
            values.iter().position(|value| Some(value) == row.get(*name)).unwrap_or_default()
        };
        let observation = |(row, it): (&serde_json::Map<String, Value>, &Finished)| Observation {
            levels: axes.iter().map(|axis| level(row, axis)).collect(),
            value: objective.value(&it.last, &it.evaluation),
        };
        let observations = named.iter().zip(finished).map(observation).collect();
        Grid { axes, observations }
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
