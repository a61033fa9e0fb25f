//! Why training or filling ended without a result.

use frostline_assets::cifar10::DataError;
use frostline_assets::layout::WeightsError;
use frostline_assets::weights::WeightsFileError;
use frostline_sweep::outcome::FailureKind;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    WeightsFile(#[from] WeightsFileError),
    #[error("the kept model {} {what}; run its trial again in another results folder", path.display())]
    KeptModel { path: PathBuf, what: String },
    #[error("{0}")]
    Layout(String),
    #[error("layer {layer} is not there: {backbone} has layers 0 to {last}, and `last`")]
    NoLayer { layer: u32, backbone: &'static str, last: u32 },
    #[error("the assignment needs {0}, and the coordinator named no place for it")]
    NoPlace(&'static str),
    #[error("unknown backbone `{0}`")]
    UnknownBackbone(String),
    #[error("{0}")]
    Impossible(String),
    #[error("the loss became {loss} in epoch {epoch}: try a lower learning rate than {learning_rate}")]
    Diverged { epoch: u32, loss: f64, learning_rate: f64 },
    #[error("cannot {action} {}: {source}", path.display())]
    File { action: &'static str, path: PathBuf, source: std::io::Error },
    #[error("libtorch: {0}")]
    Libtorch(#[from] tch::TchError),
}

impl TrainingError {
    pub fn kind(&self) -> FailureKind {
        match self {
            TrainingError::Data(_)
            | TrainingError::Weights(_)
            | TrainingError::WeightsFile(_)
            | TrainingError::KeptModel { .. } => FailureKind::BadData,
            TrainingError::Diverged { .. } => FailureKind::Diverged,
            TrainingError::Libtorch(error) => FailureKind::of_message(&error.to_string()),
            TrainingError::NoPlace(_)
            | TrainingError::UnknownBackbone(_)
            | TrainingError::Impossible(_)
            | TrainingError::Layout(_)
            | TrainingError::NoLayer { .. }
            | TrainingError::File { .. } => FailureKind::Internal,
        }
    }
}
