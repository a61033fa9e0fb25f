//! What is measured and what trials can be ranked by.

use crate::outcome::{EpochMetrics, Evaluation};

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Maximise,
    Minimise,
}

/// One measurement of a trial.
#[derive(Debug)]
pub struct Metric {
    pub name: &'static str,
    pub direction: Direction,
    /// Whether trials may be selected by it: the test split is for the end.
    pub selects: bool,
}

const fn metric(name: &'static str, direction: Direction, selects: bool) -> Metric {
    Metric { name, direction, selects }
}

static METRICS: [Metric; 6] = [
    metric("val_accuracy", Direction::Maximise, true),
    metric("val_loss", Direction::Minimise, true),
    metric("train_accuracy", Direction::Maximise, true),
    metric("train_loss", Direction::Minimise, true),
    metric("test_accuracy", Direction::Maximise, false),
    metric("test_loss", Direction::Minimise, false),
];

pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

pub fn names() -> impl Iterator<Item = &'static str> {
    METRICS.iter().map(|metric| metric.name)
}

impl Metric {
    /// The value after the last epoch, which is the model that a trial leaves.
    pub fn value(&self, last: &EpochMetrics, evaluation: &Evaluation) -> f64 {
        match self.name {
            "val_accuracy" => last.val_accuracy,
            "val_loss" => last.val_loss,
            "train_accuracy" => last.train_accuracy,
            "train_loss" => last.train_loss,
            "test_accuracy" => evaluation.test_accuracy,
            _ => evaluation.test_loss,
        }
    }
}
