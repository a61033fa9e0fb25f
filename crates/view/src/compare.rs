//! `compare`: what two trials differ in, and what that does, image by image.

use crate::ViewError;
use crate::best::finished::Finished;
use crate::show::Shown;
use frostline_ranking::{Cell, Comparison, Method};
use frostline_store::Reader;
use frostline_sweep::bits::Bits;
use frostline_sweep::metric::{self, Metric};
use frostline_sweep::outcome::{Evaluation, Right, TrialState};
use frostline_sweep::parameters::named;
use frostline_sweep::trial::{DataSpec, GroupId, TrialId, TrialSpec};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Cells of the confusion matrix that are named at most.
const MOST_MOVED: usize = 10;

/// Two trials. Where something is said of both, the first one comes first, and a difference is the second less the first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Compared {
    pub trials: [Side; 2],
    /// The two are one trial: the same content, asked for twice.
    pub same: bool,
    pub differs: Vec<Differs>,
    pub metrics: Vec<Measured>,
    /// None where the two did not see the same images, or which of them each got right is not stored.
    pub validation: Option<PairedImages>,
    pub test: Option<PairedImages>,
    /// Their configurations, where one of them has several finished seeds in a sweep that has both.
    pub configurations: Option<Configurations>,
    /// Where their confusion on the test images differs most, the largest difference first.
    pub confusion: Vec<Moved>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    pub trial: TrialId,
    pub group: GroupId,
    /// Names of the sweeps that it is in, oldest first.
    pub sweeps: Vec<String>,
    pub state: TrialState,
}

/// A part of what a trial is that is not the same for both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Differs {
    pub name: String,
    pub values: [Value; 2],
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    pub name: &'static str,
    /// None where a trial has not finished.
    pub values: [Option<f64>; 2],
    pub difference: Option<f64>,
}

/// The same images, seen by both.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PairedImages {
    pub images: u64,
    pub both_right: u64,
    pub only_first: u64,
    pub only_second: u64,
    pub both_wrong: u64,
    /// Of the accuracies.
    pub difference: f64,
    /// Its 95 % interval (Newcombe 1998, method 10).
    pub interval: (f64, f64),
    /// McNemar's exact test.
    pub p: f64,
}

/// Means over the finished seeds of a sweep's objective.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Configurations {
    pub sweep: String,
    pub objective: &'static str,
    pub seeds: [usize; 2],
    pub means: [f64; 2],
    pub difference: f64,
    /// At 95 %.
    pub interval: (f64, f64),
    pub p: f64,
    /// Whether images were compared one by one.
    pub by_image: bool,
}

/// PairedImages of one class that were taken for another, or recognised where the two are the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Moved {
    /// Class numbers.
    pub truth: usize,
    pub said: usize,
    pub images: [u32; 2],
}

/// # Errors
/// A failure of the database.
pub fn compare(reader: &Reader, first: &Shown, second: &Shown) -> Result<Compared, ViewError> {
    let both = [first, second];
    let specs = both.map(|shown| &shown.spec);
    let evaluations = both.map(|shown| shown.evaluation.as_ref());
    let right = reader.right(&both.map(|shown| shown.trial))?;
    let same_images = images_of(&specs[0].data) == images_of(&specs[1].data);
    let paired = |split: fn(&Right) -> &Bits| match &right[..] {
        [Some(one), Some(other)] if same_images => images(split(one), split(other)),
        _ => None,
    };
    Ok(Compared {
        same: first.trial == second.trial,
        differs: differs(specs),
        metrics: metric::names().filter_map(metric::find).map(|metric| measured(metric, both)).collect(),
        validation: paired(|right| &right.validation),
        test: paired(|right| &right.test),
        configurations: configurations(reader, both)?,
        confusion: match evaluations {
            [Some(one), Some(other)] if same_images => moved(one, other),
            _ => Vec::new(),
        },
        trials: both.map(|shown| Side {
            trial: shown.trial,
            group: shown.group,
            sweeps: shown.sweeps.clone(),
            state: shown.state,
        }),
    })
}

/// What decides which images there are, whatever is done with them.
fn images_of(data: &DataSpec) -> Value {
    json!([data.dataset, data.digest, data.validation, data.train_limit, data.test_limit])
}

/// Every part of what the two are, by the name that people know it by: hyperparameters, then `data.` and `model.`.
fn differs(specs: [&TrialSpec; 2]) -> Vec<Differs> {
    let parts = |spec: &TrialSpec| {
        let mut parts: Vec<(String, Value)> =
            named(spec).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        for (section, content) in [("data", json!(spec.data)), ("model", json!(spec.model))] {
            let content = content.as_object().cloned().unwrap_or_default();
            parts.extend(content.into_iter().map(|(name, value)| (format!("{section}.{name}"), value)));
        }
        parts
    };
    let [one, other] = specs.map(parts);
    let others: BTreeMap<&String, &Value> = other.iter().map(|(name, value)| (name, value)).collect();
    let ones: BTreeMap<&String, &Value> = one.iter().map(|(name, value)| (name, value)).collect();
    let value =
        |of: &BTreeMap<&String, &Value>, name: &String| of.get(name).map_or(Value::Null, |value| (*value).clone());
    let new = other.iter().filter(|(name, _)| !ones.contains_key(name));
    let names = one.iter().chain(new).map(|(name, _)| name);
    let both = names.map(|name| Differs { name: name.clone(), values: [value(&ones, name), value(&others, name)] });
    both.filter(|differs| differs.values[0] != differs.values[1]).collect()
}

fn measured(metric: &'static Metric, both: [&Shown; 2]) -> Measured {
    let value = |shown: &Shown| Some(metric.value(shown.epochs.last()?, shown.evaluation.as_ref()?));
    let values = both.map(value);
    let difference = values[0].zip(values[1]).map(|(one, other)| other - one);
    Measured { name: metric.name, values, difference }
}

fn images(one: &Bits, other: &Bits) -> Option<PairedImages> {
    let cells = [Cell::of_bits(vec![one]).ok()?, Cell::of_bits(vec![other]).ok()?];
    let Comparison { difference, low, high, p, method, .. } = frostline_ranking::compare(&cells[1], &cells[0])?;
    let Method::McNemar { only_first: only_second, only_second: only_first } = method else { return None };
    let (images, both_right) = (one.images() as u64, one.both(other).ok()?);
    let both_wrong = images - both_right - only_first - only_second;
    Some(PairedImages {
        images,
        both_right,
        only_first,
        only_second,
        both_wrong,
        difference,
        interval: (low, high),
        p,
    })
}

fn configurations(reader: &Reader, both: [&Shown; 2]) -> Result<Option<Configurations>, ViewError> {
    let groups = both.map(|shown| shown.group);
    let shared = both[0].sweeps.iter().rfind(|name| both[1].sweeps.contains(name));
    let Some(sweep) = shared.filter(|_| groups[0] != groups[1]) else { return Ok(None) };
    let objective = crate::best::objective(&reader.sweep(sweep)?)?;
    let rows = reader.trials(sweep)?.into_iter().filter(|row| groups.contains(&row.group)).collect();
    let finished = Finished::of(rows);
    let trials = groups.map(|group| {
        let of_group = finished.iter().filter(|it| it.row.group == group);
        of_group.map(|it| it.contestant(objective)).collect::<Vec<_>>()
    });
    let seeds = [trials[0].len(), trials[1].len()];
    if seeds[0] < 1 || seeds[1] < 1 || seeds[0].max(seeds[1]) < 2 {
        return Ok(None);
    }
    let right = [
        crate::best::right_of(reader, objective, &trials[0])?,
        crate::best::right_of(reader, objective, &trials[1])?,
    ];
    let cell = |side: usize| crate::best::cell_of(objective, &trials[side], &right[side]);
    let (Some(first), Some(second)) = (cell(0), cell(1)) else { return Ok(None) };
    let Some(found) = frostline_ranking::compare(&second, &first) else { return Ok(None) };
    let sign = crate::best::sign(objective);
    Ok(Some(Configurations {
        sweep: sweep.clone(),
        objective: objective.name,
        seeds,
        means: [sign * first.replicates().mean, sign * second.replicates().mean],
        difference: sign * found.difference,
        interval: crate::best::interval_of(&found, sign),
        p: found.p,
        by_image: matches!(found.method, Method::Crossed { .. } | Method::McNemar { .. }),
    }))
}

fn moved(one: &Evaluation, other: &Evaluation) -> Vec<Moved> {
    if one.confusion.len() != other.confusion.len() {
        return Vec::new();
    }
    let rows = one.confusion.iter().zip(&other.confusion).enumerate();
    let mut all: Vec<Moved> = rows
        .flat_map(|(truth, (first, second))| {
            let cells = first.iter().zip(second).enumerate();
            cells.map(move |(said, (&first, &second))| Moved { truth, said, images: [first, second] })
        })
        .filter(|moved| moved.images[0] != moved.images[1])
        .collect();
    all.sort_by_key(|moved| std::cmp::Reverse(moved.images[0].abs_diff(moved.images[1])));
    all.truncate(MOST_MOVED);
    all
}
