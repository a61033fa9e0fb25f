//! Weights from any origin to safetensors in PyTorch's axes.

use super::fit::{Fit, ORIGIN, WeightsError, fit};
use super::origin::Origin;
use super::pytorch::Library;
use super::slot::Place;
use crate::weights::{self, WeightsFile, WeightsFileError};
use frostline_sweep::backbone::Architecture;
use std::collections::BTreeMap;
use std::path::Path;

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Converted {
    /// The library whose names the tensors have now.
    pub names: Origin,
    pub tensors: usize,
    /// Classes of the classifier that was taken along.
    pub classes: Option<i64>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error("the tensors cannot be written: {0}")]
    File(#[from] std::io::Error),
}

impl From<WeightsFileError> for ConvertError {
    fn from(error: WeightsFileError) -> ConvertError {
        ConvertError::Weights(error.into())
    }
}

/// Writes the network of a file to `target` as safetensors, float32: under torchvision's names where it has such a
/// network, else timm's, with a classifier where there is one. The metadata keep the library whose weights they
/// are, so that the network is still run by that library's rules.
///
/// # Errors
/// The file does not hold the whole network, or `target` cannot be written.
pub fn convert(
    architecture: &'static Architecture,
    source: &WeightsFile,
    target: &Path,
) -> Result<Converted, ConvertError> {
    let fit = fit(architecture, source);
    if !fit.is_complete() {
        return Err(fit.refusal(source).into());
    }
    let (names, library) = form(architecture);
    let backbone = library.names(architecture, fit.slots()).expect("the library was chosen for this network");
    let shapes = fit.slots().iter().map(|slot| slot.shape.clone());
    let mut tensors: Vec<(String, Vec<i64>)> = backbone.into_iter().zip(shapes).collect();
    let classifier: Option<[Place; 2]> = fit.classes.map(|_| fit.classifier(source));
    if let Some(classes) = fit.classes {
        let layer = library.classifier();
        tensors.push((format!("{layer}.weight"), vec![classes, i64::from(architecture.top_channels)]));
        tensors.push((format!("{layer}.bias"), vec![classes]));
    }
    let values = |index: usize| -> Result<Vec<f32>, ConvertError> {
        let Some(behind) = index.checked_sub(fit.slots().len()) else { return Ok(fit.values(source, index)?) };
        let place = &classifier.as_ref().expect("a tensor behind the backbone is the classifier's")[behind];
        Ok(source.f32_with_axes(&place.name, &place.axes)?)
    };
    weights::write_safetensors(target, &metadata(&fit), &tensors, values)?;
    Ok(Converted { names, tensors: tensors.len(), classes: fit.classes })
}

/// The names that a network is written with: those of the library that most people load it into.
fn form(architecture: &Architecture) -> (Origin, Library) {
    match architecture.torchvision {
        Some(_) => (Origin::Torchvision, Library::Torchvision),
        None => (Origin::Timm, Library::Timm),
    }
}

fn metadata(fit: &Fit) -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        // What the libraries on PyTorch ask for.
        ("format", "pt".to_owned()),
        (ORIGIN, fit.origin.name().to_owned()),
        ("frostline.backbone", fit.architecture.name.to_owned()),
    ])
}
