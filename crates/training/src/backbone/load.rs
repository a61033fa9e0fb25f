//! The network that a trial's specification names, from its weights file or from random weights.

use super::network::{Backbone, Source};
use crate::error::TrainingError;
use frostline_assets::weights;
use frostline_sweep::backbone;
use frostline_sweep::trial::{ModelSpec, Precision, WeightsIdentity};
use std::path::Path;
use tch::{Device, Kind};

/// Seed of `weights = "random"`, which stands in for one pretrained set: the same for every trial.
const RANDOM_WEIGHTS_SEED: u64 = 0;

/// The pretrained network of `model`; `file` is the file that it names, if it names one.
pub(crate) fn load_backbone(
    model: &ModelSpec,
    file: Option<&Path>,
    device: Device,
    kind: Kind,
) -> Result<Backbone, TrainingError> {
    let architecture =
        backbone::find(&model.backbone).ok_or_else(|| TrainingError::UnknownBackbone(model.backbone.clone()))?;
    match &model.weights {
        WeightsIdentity::Random => {
            Ok(Backbone::load(architecture, Source::Random(RANDOM_WEIGHTS_SEED), device, kind)?)
        }
        WeightsIdentity::File(_) => {
            let file = weights::open(file.ok_or(TrainingError::NoPlace("a weights file"))?)?;
            Ok(Backbone::load(architecture, Source::File(&file), device, kind)?)
        }
    }
}

pub(crate) fn kind(precision: Precision) -> Kind {
    match precision {
        Precision::Float32 | Precision::Tf32 => Kind::Float,
        Precision::Bfloat16 => Kind::BFloat16,
    }
}
