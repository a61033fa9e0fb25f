//! Two tables, of trials and of epochs, in any format that can write a table.

use crate::ExportError;
use crate::cell::{Cell, Type};
use crate::columns::{EpochEntry, OfEpoch, OfTrial, TrialEntry, of_epochs, of_trials};
use crate::outline::Outline;
use crate::sink::Sink;
use frostline_store::Recorded;
use std::path::Path;

/// Names and types of the columns of one table.
pub(crate) type Header = [(&'static str, Type)];

/// One table while it is written.
pub(crate) trait Rows: Sized {
    /// Behind the dot of the file's name.
    const ENDING: &'static str;

    /// Begins the file.
    fn begin(path: &Path, header: &Header) -> Result<Self, ExportError>;

    /// A row has one cell for each column.
    fn row(&mut self, cells: Vec<Cell>) -> Result<(), ExportError>;

    /// Writes what is left.
    fn finish(self) -> Result<(), ExportError>;
}

struct Tables<'a, R> {
    outline: &'a Outline,
    of_trials: Vec<OfTrial>,
    of_epochs: Vec<OfEpoch>,
    trials: R,
    epochs: R,
}

pub(crate) fn begin<'a, R: Rows + 'a>(
    outline: &'a Outline,
    folder: &Path,
) -> Result<Box<dyn Sink + 'a>, ExportError> {
    let (of_trials, of_epochs) = (of_trials(), of_epochs());
    let path = |name: &str| folder.join(format!("{name}.{}", R::ENDING));
    let header: Vec<_> = of_trials.iter().map(|column| (column.name, column.holds)).collect();
    let trials = R::begin(&path("trials"), &header)?;
    let header: Vec<_> = of_epochs.iter().map(|column| (column.name, column.holds)).collect();
    let epochs = R::begin(&path("epochs"), &header)?;
    Ok(Box::new(Tables { outline, of_trials, of_epochs, trials, epochs }))
}

impl<R: Rows> Sink for Tables<'_, R> {
    fn trial(&mut self, trial: &Recorded) -> Result<(), ExportError> {
        let row = TrialEntry::of(self.outline, trial);
        self.trials.row(self.of_trials.iter().map(|column| (column.value)(&row)).collect())?;
        let Some(attempt) = &trial.attempt else { return Ok(()) };
        for epoch in &trial.epochs {
            let row = EpochEntry { trial, attempt, epoch };
            self.epochs.row(self.of_epochs.iter().map(|column| (column.value)(&row)).collect())?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), ExportError> {
        self.trials.finish()?;
        self.epochs.finish()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use frostline_sweep::trial::{
        Augment, DataSpec, Dataset, ModelSpec, Optimizer, Parameters, Precision, TrialSpec, Validation,
        WeightsIdentity,
    };

    pub(crate) const HEADER: [(&str, Type); 4] =
        [("text", Type::Text), ("integer", Type::Integer), ("number", Type::Number), ("boolean", Type::Boolean)];

    /// What formats stumble over.
    pub(crate) fn odd_rows() -> Vec<Vec<Cell>> {
        let cells = |text: Option<&str>, integer: Option<i64>, number: f64, boolean: Option<bool>| {
            vec![
                Cell::or_null(text, Cell::text),
                Cell::or_null(integer, Cell::Integer),
                Cell::Number(number),
                Cell::or_null(boolean, Cell::Boolean),
            ]
        };
        vec![
            cells(Some("a \"b\", c\nd"), Some(-7), 0.1, Some(true)),
            cells(Some("é ❄"), Some(i64::MAX), 1e-300, Some(false)),
            cells(None, None, f64::NAN, None),
            cells(Some("\r"), Some(0), 1.0, None),
            cells(Some("x"), Some(1), f64::NEG_INFINITY, None),
        ]
    }

    /// The bytes of a file with these rows.
    pub(crate) fn written_by<R: Rows>(header: &Header, rows: Vec<Vec<Cell>>) -> Vec<u8> {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut table = R::begin(file.path(), header).expect("a new file");
        for row in rows {
            table.row(row).expect("a file to write to");
        }
        table.finish().expect("a file to write to");
        std::fs::read(file.path()).expect("the file")
    }

    pub(crate) fn spec() -> TrialSpec {
        let data = DataSpec {
            dataset: Dataset::Shapes,
            digest: "1".into(),
            validation: Validation::Share(0.1),
            image_size: 64,
            augment: Augment::None,
            train_limit: None,
            test_limit: None,
            pictures: None,
        };
        let model = ModelSpec { backbone: "efficientnet_lite0".into(), weights: WeightsIdentity::Random };
        let parameters = Parameters {
            frozen_layers: 151,
            head_units: vec![256, 128],
            head_dropout: vec![0.5, 0.4],
            optimizer: Optimizer::Adam,
            learning_rate: 1e-3,
            recipe: Default::default(),
            epochs: 2,
            batch_size: 64,
            precision: Precision::Float32,
        };
        TrialSpec { data, model, parameters, seed: 0 }
    }
}
