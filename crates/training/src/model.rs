//! Trained models: what a trial trained, kept in one file beside the database, and the network that it gives again.
//!
//! The file is safetensors. It holds what differs from the pretrained start, float32: backbone tensors by their Keras
//! layer (`block6g_bn.running_mean`) and the dense layers (`head.0.weight`, counted from the features on); beside them the
//! class that the model says of each image of the validation and test splits (`said.validation`, `said.test`, class
//! numbers in the order of the split). Its metadata name the trial, the format and a digest of the content.

use crate::backbone::{Backbone, Conventions, Network, Slot, channels_last, kind, load_backbone, prepare, slots};
use crate::error::TrainingError;
use crate::head::Head;
use crate::input::EVALUATION_BATCH;
use frostline_assets::kept::{Digest, FORMAT, check};
use frostline_assets::weights;
use frostline_sweep::trial::{TrialId, TrialSpec};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Writes what a trial trained to its file in `folder`: aside, synced, renamed.
///
/// # Errors
/// [`TrainingError::File`] where the folder or the file cannot be written.
pub(crate) fn save(folder: &Path, trial: TrialId, mut tensors: Vec<(String, Tensor)>) -> Result<(), TrainingError> {
    let path = folder.join(trial.model_file());
    let failed = |source| TrainingError::File { action: "write the model", path: path.clone(), source };
    fs::create_dir_all(folder).map_err(failed)?;
    // As a reader meets them.
    tensors.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut digest = Digest::new(trial);
    for (name, tensor) in &tensors {
        digest.add(name, &tensor.size(), &values(tensor));
    }
    let metadata = BTreeMap::from([
        ("format", FORMAT.to_owned()),
        ("trial", trial.to_string()),
        ("digest", digest.finish()),
        ("written_by", format!("frostline {}", env!("CARGO_PKG_VERSION"))),
    ]);
    let table: Vec<(String, Vec<i64>)> = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect();
    let written: io::Result<()> =
        weights::write_safetensors(&path, &metadata, &table, |index| Ok(values(&tensors[index].1)));
    written.map_err(failed)
}

/// Elements in row-major order, whatever the strides.
pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.detach().to_device(Device::Cpu).to_kind(Kind::Float).contiguous().view(-1);
    Vec::try_from(flat).expect("a flat float32 tensor on the CPU")
}

/// A trial's network as its training left it.
pub struct Model {
    spec: TrialSpec,
    backbone: Backbone,
    network: Network,
    head: Head,
    head_parameters: Vec<Tensor>,
    device: Device,
}

impl Model {
    /// Puts the pretrained network together with what the trial trained. `weights` is the file of the trial's pretrained
    /// weights, none where they are random; `file` is the kept model.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or is of another trial or network.
    pub fn open(
        spec: &TrialSpec,
        weights: Option<&Path>,
        file: &Path,
        device: Device,
    ) -> Result<Model, TrainingError> {
        let kept = weights::open(file)?;
        let wrong = |what: String| TrainingError::KeptModel { path: file.to_owned(), what };
        check(&kept, spec.id()).map_err(wrong)?;
        let parameters = &spec.parameters;
        let backbone = load_backbone(&spec.model, weights, device, kind(parameters.precision))?;
        let mut network = backbone.instance(parameters.frozen_layers);
        let classifier = format!("head.{}.bias", parameters.head_units.len());
        let classes = kept.shape(&classifier).and_then(|shape| shape.first().copied());
        let classes = classes.ok_or_else(|| wrong(format!("has no tensor `{classifier}`")))?;
        let head = Head::new(network.pooled_channels(), &parameters.head_units, &parameters.head_dropout, classes);

        let take = |name: &str, shape: &[i64]| -> Result<Tensor, TrainingError> {
            match kept.shape(name) {
                Some(found) if found == shape => {}
                found => return Err(wrong(format!("has {found:?} for the shape of `{name}`, not {shape:?}"))),
            }
            Ok(Tensor::from_slice(&kept.f32(name)?).view(shape).to_device(device))
        };
        let mut trained = Vec::new();
        let slots = slots(backbone.architecture());
        for Slot { name, shape, .. } in slots.iter().filter(|slot| slot.layer >= parameters.frozen_layers) {
            trained.push((name.clone(), channels_last(&take(name, shape)?)));
        }
        network.replace(trained);
        let shapes = head.shapes();
        let head_parameters = head_names(shapes.len()).zip(&shapes).map(|(name, shape)| take(&name, shape));
        let head_parameters = head_parameters.collect::<Result<_, _>>()?;
        Ok(Model { spec: spec.clone(), backbone, network, head, head_parameters, device })
    }

    /// Probability of each class, `[n, classes]`, float32 on the CPU, of `pixels`, `[n, 3, h, w]` in 0..=255.
    pub fn probabilities(&self, pixels: &Tensor) -> Tensor {
        let _guard = tch::no_grad_guard();
        let kind = kind(self.spec.parameters.precision);
        let size = i64::from(self.spec.data.image_size);
        // In the batches of a trial's own evaluation, whose numbers these are then to the bit.
        let batches = pixels.split(EVALUATION_BATCH as i64, 0).into_iter().map(|batch| {
            let prepared = prepare(self.conventions(), &batch, size, self.device, kind);
            let pooled = self.network.forward(&prepared, 0, self.network.cuts(), false).to_kind(Kind::Float);
            self.head.forward(&self.head_parameters, &pooled, false).softmax(-1, Kind::Float).to_device(Device::Cpu)
        });
        Tensor::cat(&batches.collect::<Vec<_>>(), 0)
    }

    pub fn conventions(&self) -> &Conventions {
        self.backbone.conventions()
    }

    pub(crate) fn backbone(&self) -> &Backbone {
        &self.backbone
    }

    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Weight (`[out, in]`) and bias of each dense layer in turn, from the features to the classifier.
    pub(crate) fn head_parameters(&self) -> &[Tensor] {
        &self.head_parameters
    }
}

/// Names of the head's parameters in a kept model: weight and bias of each dense layer in turn.
pub(crate) fn head_names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|index| format!("head.{}.{}", index / 2, if index % 2 == 0 { "weight" } else { "bias" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_model_says_whose_it_is_and_whether_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (trial, other) = (TrialId([1; 16]), TrialId([2; 16]));
        let kernel = channels_last(&Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0]).view([1, 2, 2, 1]));
        let bias = Tensor::from_slice(&[5.0f32]);
        save(folder.path(), trial, vec![("b.weight".to_owned(), kernel), ("a.bias".to_owned(), bias)]).unwrap();
        let path = folder.path().join(trial.model_file());
        let opened = weights::open(&path).unwrap();
        assert_eq!(opened.f32("b.weight").unwrap(), [1.0, 2.0, 3.0, 4.0], "row-major, whatever the strides were");
        check(&opened, trial).unwrap();
        assert!(check(&opened, other).unwrap_err().contains("it is of trial 0101"));

        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let damaged = check(&weights::open(&path).unwrap(), trial).unwrap_err();
        assert_eq!(damaged, "it is damaged: its content does not fit its digest");
    }
}
