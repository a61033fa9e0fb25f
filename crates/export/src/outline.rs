//! What has to be known of a sweep before its first trial is written.

use crate::ExportError;
use crate::cell::{Cell, Type, type_of};
use frostline_store::{Recorded, Whole};
use frostline_sweep::metric::{self, Metric};
use frostline_sweep::parameters::named;
use frostline_view::Varying;
use serde_json::Value;
use std::collections::HashSet;

#[derive(Debug)]
pub(crate) struct Outline {
    /// Its name.
    pub(crate) sweep: String,
    pub(crate) objective: &'static Metric,
    /// Those in which the trials differ, the seed left out.
    pub(crate) varying: Vec<Hyperparameter>,
}

/// A hyperparameter with its values in a sweep.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Hyperparameter {
    pub(crate) name: &'static str,
    pub(crate) holds: Type,
    /// Without repetitions; numbers rise, text comes as the trials have it. Trials for which the hyperparameter has no
    /// meaning have none of them.
    pub(crate) values: Vec<Cell>,
}

impl Outline {
    pub(crate) fn of(whole: &Whole) -> Result<Outline, ExportError> {
        let sweep = whole.sweep()?;
        let unknown = || ExportError::UnknownMetric { sweep: sweep.name.clone(), metric: sweep.objective.clone() };
        let objective = metric::find(&sweep.objective).ok_or_else(unknown)?;
        let mut seen: Vec<Seen> = Vec::new();
        let mut varying = Varying::default();
        whole.specs::<ExportError>(|spec| {
            let named = named(&spec);
            if seen.is_empty() {
                seen = named.iter().map(|(name, _)| Seen::new(name)).collect();
            }
            for (seen, (_, value)) in seen.iter_mut().zip(&named) {
                seen.add(value);
            }
            varying.add(&named);
            Ok(())
        })?;
        let columns = varying.columns().without_seed();
        let varies = |seen: &Seen| columns.names().any(|name| name == seen.name);
        let varying = seen.into_iter().filter(varies).map(Seen::hyperparameter).collect();
        Ok(Outline { sweep: sweep.name, objective, varying })
    }

    /// A trial's values of [`Outline::varying`].
    pub(crate) fn values(&self, trial: &Recorded) -> Vec<(&Hyperparameter, Cell)> {
        let named = named(&trial.row.spec);
        let value = |it: &Hyperparameter| {
            let found = named.iter().find(|(name, _)| *name == it.name);
            found.map_or(Cell::Null, |(_, value)| Cell::of(value, it.holds))
        };
        self.varying.iter().map(|it| (it, value(it))).collect()
    }

    /// What a complete trial is ranked by.
    pub(crate) fn score(&self, trial: &Recorded) -> Option<f64> {
        value_of(self.objective, trial)
    }
}

/// A metric of a complete trial.
pub(crate) fn value_of(metric: &Metric, trial: &Recorded) -> Option<f64> {
    Some(metric.value(trial.row.last.as_ref()?, trial.row.evaluation.as_ref()?))
}

/// Values of a hyperparameter that came so far.
struct Seen {
    name: &'static str,
    holds: Type,
    written: HashSet<String>,
    values: Vec<Cell>,
}

impl Seen {
    fn new(name: &'static str) -> Seen {
        Seen { name, holds: type_of(name), written: HashSet::new(), values: Vec::new() }
    }

    fn add(&mut self, value: &Value) {
        let written = value.to_string();
        if !value.is_null() && !self.written.contains(&written) {
            self.written.insert(written);
            self.values.push(Cell::of(value, self.holds));
        }
    }

    fn hyperparameter(mut self) -> Hyperparameter {
        self.values.sort_by(|one, other| match (one, other) {
            (Cell::Integer(one), Cell::Integer(other)) => one.cmp(other),
            (Cell::Number(one), Cell::Number(other)) => one.total_cmp(other),
            _ => std::cmp::Ordering::Equal,
        });
        Hyperparameter { name: self.name, holds: self.holds, values: self.values }
    }
}
