//! What is measured and what trials can be ranked by.

use crate::outcome::{ClassMetrics, EpochMetrics, Evaluation};

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
    read: Read,
}

/// What it is measured on, and how it is read.
#[derive(Debug)]
enum Read {
    /// The training or validation images, after every epoch.
    Epoch(fn(&EpochMetrics) -> f64),
    /// The test images, once.
    Test(fn(&Evaluation) -> f64),
}

const fn selecting(name: &'static str, direction: Direction, read: fn(&EpochMetrics) -> f64) -> Metric {
    Metric { name, direction, selects: true, read: Read::Epoch(read) }
}

const fn reported(name: &'static str, direction: Direction, read: fn(&Evaluation) -> f64) -> Metric {
    Metric { name, direction, selects: false, read: Read::Test(read) }
}

static METRICS: [Metric; 12] = [
    selecting("val_accuracy", Direction::Maximise, |epoch| epoch.val_accuracy),
    selecting("val_loss", Direction::Minimise, |epoch| epoch.val_loss),
    selecting("train_accuracy", Direction::Maximise, |epoch| epoch.train_accuracy),
    selecting("train_loss", Direction::Minimise, |epoch| epoch.train_loss),
    reported("test_accuracy", Direction::Maximise, |evaluation| evaluation.test_accuracy),
    reported("test_loss", Direction::Minimise, |evaluation| evaluation.test_loss),
    selecting("val_balanced_accuracy", Direction::Maximise, |epoch| share(epoch.by_class, |it| it.balanced_accuracy)),
    selecting("val_macro_f1", Direction::Maximise, |epoch| share(epoch.by_class, |it| it.macro_f1)),
    selecting("val_top5_accuracy", Direction::Maximise, |epoch| share(epoch.by_class, |it| it.top5_accuracy)),
    reported("test_balanced_accuracy", Direction::Maximise, |it| share(it.by_class, |it| it.balanced_accuracy)),
    reported("test_macro_f1", Direction::Maximise, |it| share(it.by_class, |it| it.macro_f1)),
    reported("test_top5_accuracy", Direction::Maximise, |it| share(it.by_class, |it| it.top5_accuracy)),
];

/// Not a number where nobody said.
fn share(by_class: Option<ClassMetrics>, read: fn(ClassMetrics) -> f64) -> f64 {
    by_class.map_or(f64::NAN, read)
}

pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

pub fn names() -> impl Iterator<Item = &'static str> {
    METRICS.iter().map(|metric| metric.name)
}

/// How long a trial trained, which is measured like a metric and no metric to rank by.
pub const SECONDS: &str = "seconds";

/// All that is measured of a finished trial.
pub fn measured() -> impl Iterator<Item = &'static str> {
    names().chain([SECONDS])
}

/// Whether something is measured under this name.
pub fn is_measured(name: &str) -> bool {
    measured().any(|known| known == name)
}

impl Metric {
    /// Whether it lies between 0 and 1.
    pub fn is_share(&self) -> bool {
        self.direction == Direction::Maximise
    }

    /// The value after the last epoch, which is the model that a trial leaves.
    pub fn value(&self, last: &EpochMetrics, evaluation: &Evaluation) -> f64 {
        match self.read {
            Read::Epoch(read) => read(last),
            Read::Test(read) => read(evaluation),
        }
    }

    /// The value after any epoch; none where it is measured once, at the end.
    pub fn of_epoch(&self, epoch: &EpochMetrics) -> Option<f64> {
        match self.read {
            Read::Epoch(read) => Some(read(epoch)),
            Read::Test(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_is_read_where_its_name_says() {
        let of_images =
            |from: f64| ClassMetrics { balanced_accuracy: from, macro_f1: from + 1.0, top5_accuracy: from + 2.0 };
        let epoch = EpochMetrics {
            epoch: 1,
            train_loss: 1.0,
            train_accuracy: 2.0,
            val_loss: 3.0,
            val_accuracy: 4.0,
            learning_rate: 5.0,
            seconds: 6.0,
            images_per_second: 7.0,
            peak_memory: 8,
            by_class: Some(of_images(9.0)),
        };
        let evaluation = Evaluation {
            test_loss: 12.0,
            test_accuracy: 13.0,
            class_accuracy: Vec::new(),
            confusion: Vec::new(),
            trained_parameters: 14,
            seconds: 15.0,
            validation_images: None,
            right: None,
            by_class: Some(of_images(16.0)),
        };
        let unsaid =
            (EpochMetrics { by_class: None, ..epoch.clone() }, Evaluation { by_class: None, ..evaluation.clone() });
        for (name, value, is_share, is_by_class) in [
            ("train_loss", 1.0, false, false),
            ("train_accuracy", 2.0, true, false),
            ("val_loss", 3.0, false, false),
            ("val_accuracy", 4.0, true, false),
            ("val_balanced_accuracy", 9.0, true, true),
            ("val_macro_f1", 10.0, true, true),
            ("val_top5_accuracy", 11.0, true, true),
            ("test_loss", 12.0, false, false),
            ("test_accuracy", 13.0, true, false),
            ("test_balanced_accuracy", 16.0, true, true),
            ("test_macro_f1", 17.0, true, true),
            ("test_top5_accuracy", 18.0, true, true),
        ] {
            let metric = find(name).unwrap();
            assert_eq!((metric.value(&epoch, &evaluation), metric.is_share()), (value, is_share), "{name}");
            let is_of_epochs = !name.starts_with("test");
            assert_eq!(metric.of_epoch(&epoch), is_of_epochs.then_some(value), "{name}");
            assert_eq!(metric.selects, is_of_epochs, "{name}");
            assert_eq!(metric.value(&unsaid.0, &unsaid.1).is_nan(), is_by_class, "{name}");
        }
        assert_eq!(names().count(), 12);
    }
}
