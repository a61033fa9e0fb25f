//! Why training or filling ended without a result.

use frostline_assets::data::DataError;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};
    use tch::TchError;

    /// A file from outside is bad data and is not tried again with the same file; what is Frostline's own is internal.
    #[test]
    fn every_error_has_the_kind_that_its_cause_asks_for() {
        let path = || PathBuf::from("x");
        let source = || Error::from(ErrorKind::NotFound);
        let weights_file = || WeightsFileError::Unknown { path: path() };
        let libtorch = |text: &str| TrainingError::Libtorch(TchError::Torch(text.to_owned()));
        for (kind, errors) in [
            (
                FailureKind::BadData,
                vec![
                    DataError::File { path: path(), source: source(), wanted: "" }.into(),
                    DataError::Empty { path: path() }.into(),
                    WeightsError::Unreadable(weights_file()).into(),
                    weights_file().into(),
                    WeightsFileError::File { path: path(), source: source() }.into(),
                    TrainingError::KeptModel { path: path(), what: "is damaged".to_owned() },
                ],
            ),
            (FailureKind::Diverged, vec![TrainingError::Diverged { epoch: 1, loss: f64::NAN, learning_rate: 1.0 }]),
            (
                FailureKind::OutOfMemory,
                vec![
                    libtorch("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
                    libtorch("CUDA out of memory. Tried to allocate 2.00 MiB"),
                ],
            ),
            (
                FailureKind::Internal,
                vec![
                    TrainingError::NoPlace("a weights file"),
                    TrainingError::UnknownBackbone("resnet50".to_owned()),
                    TrainingError::Impossible("the features vanished".to_owned()),
                    TrainingError::Layout("timm has no such network".to_owned()),
                    TrainingError::NoLayer { layer: 9, backbone: "efficientnet_lite0", last: 8 },
                    TrainingError::File { action: "write", path: path(), source: source() },
                    libtorch("shape '[3]' is invalid for input of size 4"),
                ],
            ),
        ] {
            for error in errors {
                assert_eq!(error.kind(), kind, "{error}");
            }
        }
    }
}
