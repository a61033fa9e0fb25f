//! Finished trials as they come from the database, and their order.

use super::row::Ranked;
use super::verdict::Contestant;
use crate::Columns;
use frostline_ranking::{Candidate, accuracy_interval};
use frostline_store::TrialRow;
use frostline_sweep::definition::{Cell, Definition};
use frostline_sweep::metric::{self, Metric};
use frostline_sweep::outcome::{EpochMetrics, Evaluation};
use frostline_sweep::trial::{ModelSpec, TrialSpec, Validation};
use std::collections::BTreeMap;

/// A complete trial.
pub(crate) struct Finished {
    pub(crate) row: TrialRow,
    pub(crate) last: EpochMetrics,
    pub(crate) evaluation: Evaluation,
}

impl Finished {
    pub(crate) fn of(rows: Vec<TrialRow>) -> Vec<Finished> {
        let finished = |mut row: TrialRow| {
            let (last, evaluation) = (row.last.take()?, row.evaluation.take()?);
            Some(Finished { row, last, evaluation })
        };
        rows.into_iter().filter_map(finished).collect()
    }

    pub(crate) fn candidate(&self, objective: &Metric) -> Candidate {
        Candidate {
            group: self.row.group,
            objective: objective.value(&self.last, &self.evaluation),
            val_loss: self.last.val_loss,
        }
    }

    /// Every metric by name, and the seconds that it took.
    pub(crate) fn metrics(&self) -> BTreeMap<&'static str, f64> {
        let value = |name| Some((name, metric::find(name)?.value(&self.last, &self.evaluation)));
        metric::names().filter_map(value).chain([(metric::SECONDS, self.evaluation.seconds)]).collect()
    }

    pub(crate) fn ranked(&self, rank: u32, objective: &Metric) -> Ranked {
        Ranked {
            rank,
            trial: self.row.trial,
            group: self.row.group,
            state: self.row.state,
            objective: objective.value(&self.last, &self.evaluation),
            tied_with_best: None,
            interval: self.interval(objective),
            versus_best: None,
            metrics: self.metrics(),
            parameters: self.row.spec.named_object(),
            attempts: self.row.attempts,
            model: false,
        }
    }

    /// How many images `val_accuracy` was measured on: as counted, or as the confusion has them where the test images
    /// serve. Rows of older versions say no more than that.
    pub(crate) fn validation_images(&self) -> Option<u64> {
        let is_tested = self.row.spec.data.validation == Validation::Test;
        self.evaluation.validation_images.or_else(|| is_tested.then(|| self.test_images()).flatten())
    }

    /// As the confusion has them; none beyond 256 classes.
    pub(crate) fn test_images(&self) -> Option<u64> {
        let counted = self.evaluation.confusion.iter().flatten().map(|&count| u64::from(count)).sum();
        Some(counted).filter(|counted| *counted > 0)
    }

    /// On how many images the objective was measured, where it is an accuracy and that is known.
    fn images(&self, objective: &Metric) -> Option<u64> {
        match objective.name {
            "val_accuracy" => self.validation_images(),
            "test_accuracy" => self.test_images(),
            _ => None,
        }
    }

    /// 95 % interval of the objective where it is an accuracy on a known number of images.
    pub(crate) fn interval(&self, objective: &Metric) -> Option<(f64, f64)> {
        accuracy_interval(objective.value(&self.last, &self.evaluation), self.images(objective)?)
    }

    pub(crate) fn contestant(&self, objective: &Metric) -> Contestant {
        Contestant {
            trial: self.row.trial,
            value: objective.value(&self.last, &self.evaluation),
            images: self.images(objective),
            seconds: self.evaluation.seconds,
        }
    }
}

/// In which hyperparameters a whole sweep varies, by its definition; the shown trials are a part of it.
pub(crate) fn columns_of_sweep<'a>(definition: &Definition, shown: impl Iterator<Item = &'a Finished>) -> Columns {
    let shown: Vec<TrialSpec> = shown.map(|finished| finished.row.spec.clone()).collect();
    let Some(template) = shown.first() else { return Columns::varying(std::iter::empty::<TrialSpec>()) };
    let corner = |cell: Cell| TrialSpec {
        model: ModelSpec {
            backbone: definition.networks[cell.network].architecture.name.to_owned(),
            weights: template.model.weights.clone(),
        },
        parameters: cell.parameters,
        ..template.clone()
    };
    let seed = |&seed: &u64| TrialSpec { seed, ..template.clone() };
    let seeds = definition.seeds.iter().take(2).map(seed);
    let specs: Vec<TrialSpec> =
        definition.corners().into_iter().map(corner).chain(seeds).chain(shown.iter().cloned()).collect();
    Columns::varying(specs.iter())
}
