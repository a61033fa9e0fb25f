//! The columns of both tables, the one place that says them: names, types and values. Every format of tables follows.
//!
//! Names stay, since scripts use them. `docs/python.md` describes them, which a test holds to this file.

use crate::cell::{Cell, Type, type_of};
use crate::outline::{Outline, value_of};
use frostline_store::{AttemptRow, Recorded};
use frostline_sweep::keys::{self, HYPERPARAMETERS};
use frostline_sweep::metric;
use frostline_sweep::outcome::{AttemptOutcome, ClassMetrics, EpochMetrics};
use frostline_sweep::parameters::named;
use serde_json::{Value, json};

/// A column, whose values `Of` takes from a row.
pub(crate) struct Column<Of: ?Sized> {
    pub(crate) name: &'static str,
    pub(crate) holds: Type,
    pub(crate) value: Box<Of>,
}

pub(crate) type OfTrial = Column<dyn Fn(&TrialEntry) -> Cell>;
pub(crate) type OfEpoch = Column<dyn Fn(&EpochEntry) -> Cell>;

/// What the table of trials has a row of.
pub(crate) struct TrialEntry<'a> {
    outline: &'a Outline,
    trial: &'a Recorded,
    /// By [`named`].
    parameters: Vec<(&'static str, Value)>,
}

impl TrialEntry<'_> {
    pub(crate) fn of<'a>(outline: &'a Outline, trial: &'a Recorded) -> TrialEntry<'a> {
        TrialEntry { outline, trial, parameters: named(&trial.row.spec) }
    }

    fn parameter(&self, name: &str) -> &Value {
        self.parameters.iter().find(|(known, _)| *known == name).map_or(&Value::Null, |(_, value)| value)
    }

    fn attempt<T>(&self, value: impl FnOnce(&AttemptRow) -> T) -> Option<T> {
        self.trial.attempt.as_ref().map(value)
    }
}

/// What the table of epochs has a row of.
pub(crate) struct EpochEntry<'a> {
    pub(crate) trial: &'a Recorded,
    pub(crate) attempt: &'a AttemptRow,
    pub(crate) epoch: &'a EpochMetrics,
}

pub(crate) fn of_trials() -> Vec<OfTrial> {
    use Type::{Integer, Number, Text};
    fn column(name: &'static str, holds: Type, value: impl Fn(&TrialEntry) -> Cell + 'static) -> OfTrial {
        Column { name, holds, value: Box::new(value) }
    }
    let mut columns = vec![
        column("sweep", Text, |it| Cell::text(&it.outline.sweep)),
        column("trial", Text, |it| Cell::text(it.trial.row.trial)),
        column("group", Text, |it| Cell::text(it.trial.row.group)),
        column("state", Text, |it| Cell::text(it.trial.row.state)),
        column("rank", Integer, |it| Cell::or_null(it.trial.rank, Cell::count)),
        column("group_rank", Integer, |it| Cell::or_null(it.trial.group_rank, Cell::count)),
        column("objective", Number, |it| Cell::or_null(it.outline.score(it.trial), Cell::Number)),
    ];
    for metric in metric::names().filter_map(metric::find) {
        let value = |it: &TrialEntry| Cell::or_null(value_of(metric, it.trial), Cell::Number);
        columns.push(column(metric.name, Number, value));
    }
    columns.push(column("seconds", Number, |it| {
        Cell::or_null(it.trial.row.evaluation.as_ref(), |evaluation| Cell::Number(evaluation.seconds))
    }));
    for name in keys::of(HYPERPARAMETERS).map(|key| key.name).chain(["seed"]) {
        let holds = type_of(name);
        columns.push(column(name, holds, move |it| Cell::of(it.parameter(name), holds)));
    }
    columns.extend([
        column("backbone", Text, |it| Cell::text(&it.trial.row.spec.model.backbone)),
        column("dataset", Text, |it| Cell::of(&json!(it.trial.row.spec.data.dataset), Text)),
        column("image_size", Integer, |it| Cell::count(it.trial.row.spec.data.image_size)),
        column("validation_images", Integer, |it| {
            let evaluation = it.trial.row.evaluation.as_ref();
            Cell::or_null(evaluation.and_then(|evaluation| evaluation.validation_images), Cell::count)
        }),
        column("trained_parameters", Integer, |it| {
            Cell::or_null(it.trial.row.evaluation.as_ref(), |it| Cell::count(it.trained_parameters))
        }),
        column("epoch", Integer, |it| Cell::or_null(it.trial.row.last.as_ref(), |last| Cell::count(last.epoch))),
        column("attempts", Integer, |it| Cell::count(it.trial.row.attempts)),
        column("attempt", Integer, |it| Cell::or_null(it.attempt(|attempt| attempt.attempt.0), Cell::count)),
        column("worker", Integer, |it| Cell::or_null(it.attempt(|attempt| attempt.worker), Cell::count)),
        column("host", Text, |it| Cell::or_null(it.attempt(|attempt| attempt.build.host.clone()), Cell::Text)),
        column("device", Text, |it| Cell::or_null(it.attempt(|attempt| attempt.build.device.clone()), Cell::Text)),
        column("started_at", Number, |it| Cell::or_null(it.attempt(|attempt| attempt.started_at), Cell::Number)),
        column("ended_at", Number, |it| {
            Cell::or_null(it.attempt(|attempt| attempt.ended_at).flatten(), Cell::Number)
        }),
        column("failure_kind", Text, |it| Cell::or_null(it.trial.row.failure.as_ref(), |(kind, _)| Cell::text(kind))),
        column("failure_message", Text, |it| {
            Cell::or_null(it.trial.row.failure.as_ref(), |(_, message)| Cell::text(message))
        }),
    ]);
    columns
}

fn by_class(row: &EpochEntry, read: fn(ClassMetrics) -> f64) -> Cell {
    Cell::or_null(row.epoch.by_class, |by_class| Cell::Number(read(by_class)))
}

pub(crate) fn of_epochs() -> Vec<OfEpoch> {
    use Type::{Boolean, Integer, Number, Text};
    fn column(name: &'static str, holds: Type, value: impl Fn(&EpochEntry) -> Cell + 'static) -> OfEpoch {
        Column { name, holds, value: Box::new(value) }
    }
    vec![
        column("trial", Text, |it| Cell::text(it.trial.row.trial)),
        column("group", Text, |it| Cell::text(it.trial.row.group)),
        column("attempt", Integer, |it| Cell::count(it.attempt.attempt.0)),
        column("accepted", Boolean, |it| Cell::Boolean(it.attempt.outcome == AttemptOutcome::Complete)),
        column("epoch", Integer, |it| Cell::count(it.epoch.epoch)),
        column("train_loss", Number, |it| Cell::Number(it.epoch.train_loss)),
        column("train_accuracy", Number, |it| Cell::Number(it.epoch.train_accuracy)),
        column("val_loss", Number, |it| Cell::Number(it.epoch.val_loss)),
        column("val_accuracy", Number, |it| Cell::Number(it.epoch.val_accuracy)),
        column("learning_rate", Number, |it| Cell::Number(it.epoch.learning_rate)),
        column("seconds", Number, |it| Cell::Number(it.epoch.seconds)),
        column("images_per_second", Number, |it| Cell::Number(it.epoch.images_per_second)),
        column("peak_memory", Integer, |it| Cell::count(it.epoch.peak_memory)),
        column("val_balanced_accuracy", Number, |it| by_class(it, |it| it.balanced_accuracy)),
        column("val_macro_f1", Number, |it| by_class(it, |it| it.macro_f1)),
        column("val_top5_accuracy", Number, |it| by_class(it, |it| it.top5_accuracy)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn described(rows: &[(&'static str, Type)]) -> Vec<(String, String)> {
        rows.iter().map(|(name, holds)| (format!("`{name}`"), format!("{holds:?}").to_lowercase())).collect()
    }

    /// First two cells of the rows of the table below a heading.
    fn documented(heading: &str) -> Vec<(String, String)> {
        let text = include_str!("../../../docs/python.md");
        let section = text.split(&format!("\n### {heading}\n")).nth(1).expect("a heading");
        let rows = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
        let cells = rows.take_while(|line| line.starts_with('|')).map(|line| {
            let mut cells = line.split('|').map(|cell| cell.trim().to_owned()).skip(1);
            (cells.next().expect("a name"), cells.next().expect("a type"))
        });
        cells.collect()
    }

    #[test]
    fn the_documentation_has_every_column_with_its_type_in_order() {
        let trials: Vec<_> = of_trials().iter().map(|column| (column.name, column.holds)).collect();
        assert_eq!(documented("trials"), described(&trials));
        let epochs: Vec<_> = of_epochs().iter().map(|column| (column.name, column.holds)).collect();
        assert_eq!(documented("epochs"), described(&epochs));
    }

    #[test]
    fn no_two_columns_have_one_name_and_no_hyperparameter_is_left_out() {
        let names: BTreeSet<&str> = of_trials().iter().map(|column| column.name).collect();
        assert_eq!(names.len(), of_trials().len());
        let spec = crate::tables::tests::spec();
        assert!(named(&spec).iter().all(|(name, _)| names.contains(name)), "{names:?}");
    }
}
