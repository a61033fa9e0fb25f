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
    read: fn(&EpochMetrics, &Evaluation) -> f64,
}

const fn selecting(name: &'static str, direction: Direction, read: fn(&EpochMetrics, &Evaluation) -> f64) -> Metric {
    Metric { name, direction, selects: true, read }
}

const fn reported(name: &'static str, direction: Direction, read: fn(&EpochMetrics, &Evaluation) -> f64) -> Metric {
    Metric { name, direction, selects: false, read }
}

static METRICS: [Metric; 6] = [
    selecting("val_accuracy", Direction::Maximise, |last, _| last.val_accuracy),
    selecting("val_loss", Direction::Minimise, |last, _| last.val_loss),
    selecting("train_accuracy", Direction::Maximise, |last, _| last.train_accuracy),
    selecting("train_loss", Direction::Minimise, |last, _| last.train_loss),
    reported("test_accuracy", Direction::Maximise, |_, evaluation| evaluation.test_accuracy),
    reported("test_loss", Direction::Minimise, |_, evaluation| evaluation.test_loss),
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
        (self.read)(last, evaluation)
    }
}
