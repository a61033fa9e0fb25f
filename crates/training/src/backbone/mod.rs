//! EfficientNets in libtorch: parameters by Keras' layer names, and free functions that run them.
//!
//! A parameter's name is its Keras layer and its part: `block4e_expand_conv.weight`. Weights have PyTorch's axes:
//! convolutions `[out, in / groups, height, width]`. Activations are `[batch, channels, height, width]` with
//! channels-last strides, which libtorch's CPU kernels are two to three times as fast on.

mod convention;
mod forward;
mod initial;
mod layer;

pub use convention::prepare;
pub use frostline_assets::layout::{Conventions, Origin, Padding, Role, Slot, WeightsError, check, slots};

use frostline_assets::layout::fit;
use frostline_assets::weights::WeightsFile;
use frostline_sweep::backbone::{Architecture, Block, LayerKind, Segment};
use std::collections::HashMap;
use std::rc::Rc;
use tch::{Device, Kind, Tensor};

/// What is the same for all trials of one backbone with one set of weights.
pub struct Backbone {
    shared: Rc<Shared>,
    tensors: HashMap<String, Tensor>,
}

struct Shared {
    architecture: &'static Architecture,
    conventions: Conventions,
    slots: Vec<Slot>,
    blocks: Vec<Block>,
    segments: Vec<Segment>,
    /// Layer name to Keras' index.
    indices: HashMap<String, u32>,
    /// Type that it computes in.
    kind: Kind,
    /// Convolutions with their batch normalization folded in, by the convolution's layer name: weight and bias.
    folded: HashMap<String, (Tensor, Tensor)>,
}

/// Where weights come from.
pub enum Source<'a> {
    File(&'a WeightsFile),
    /// Keras' initialisers from this seed.
    Random(u64),
}

impl Backbone {
    /// Puts the weights of `source` on `device`. With [`Kind::BFloat16`] the network computes in that type, and trained
    /// parameters stay float32.
    ///
    /// # Errors
    /// [`WeightsError`] where the file is not of this network: what is missing, unexpected or of another shape.
    pub fn load(
        architecture: &'static Architecture,
        source: Source<'_>,
        device: Device,
        kind: Kind,
    ) -> Result<Backbone, WeightsError> {
        let slots = slots(architecture);
        let (conventions, tensors) = match source {
            Source::Random(seed) => (Conventions::keras(architecture), initial::random(architecture, &slots, seed)),
            Source::File(file) => read(architecture, file)?,
        };
        let tensors: HashMap<String, Tensor> =
            tensors.into_iter().map(|(name, tensor)| (name, channels_last(&tensor.to_device(device)))).collect();
        let folded = fold(architecture, &conventions, &tensors, kind);
        let indices = architecture.layers().into_iter().map(|layer| (layer.name, layer.index)).collect();
        let (blocks, segments) = (architecture.blocks(), architecture.segments());
        let shared = Shared { architecture, conventions, slots, blocks, segments, indices, kind, folded };
        Ok(Backbone { shared: Rc::new(shared), tensors })
    }

    pub fn architecture(&self) -> &'static Architecture {
        self.shared.architecture
    }

    pub fn conventions(&self) -> &Conventions {
        &self.shared.conventions
    }

    /// A network for one trial: what may change is copied, the frozen rest is shared.
    pub fn instance(&self, frozen_layers: u32) -> Network {
        let mut tensors: HashMap<String, Tensor> =
            self.tensors.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        for slot in self.shared.slots.iter().filter(|slot| slot.layer >= frozen_layers) {
            let copy = channels_last(&self.tensors[&slot.name].copy());
            tensors.insert(slot.name.clone(), copy.set_requires_grad(slot.role == Role::Weight));
        }
        Network { shared: Rc::clone(&self.shared), tensors, frozen_layers }
    }
}

/// A backbone whose layers from `frozen_layers` on train.
pub struct Network {
    shared: Rc<Shared>,
    tensors: HashMap<String, Tensor>,
    frozen_layers: u32,
}

impl Network {
    /// Names of the trained parameters in the order of their layers.
    pub fn trainable_names(&self) -> Vec<String> {
        self.unfrozen(Role::Weight)
    }

    /// Names of the moving statistics that training updates.
    pub fn statistic_names(&self) -> Vec<String> {
        self.unfrozen(Role::Statistic)
    }

    fn unfrozen(&self, role: Role) -> Vec<String> {
        let slots = self.shared.slots.iter().filter(|slot| slot.layer >= self.frozen_layers && slot.role == role);
        slots.map(|slot| slot.name.clone()).collect()
    }

    /// The tensor called `name`: a parameter or a moving statistic.
    pub fn tensor(&self, name: &str) -> &Tensor {
        &self.tensors[name]
    }

    /// Exchanges parameters for others of the same shapes, such as views of a flat buffer.
    pub fn replace(&mut self, tensors: impl IntoIterator<Item = (String, Tensor)>) {
        self.tensors.extend(tensors);
    }

    /// Width of the pooled output.
    pub fn pooled_channels(&self) -> i64 {
        i64::from(self.shared.architecture.top_channels)
    }
}

/// Finds out which library's weights the file has, and takes from it what the network needs.
fn read(
    architecture: &'static Architecture,
    file: &WeightsFile,
) -> Result<(Conventions, HashMap<String, Tensor>), WeightsError> {
    let fit = fit(architecture, file);
    if !fit.is_complete() {
        return Err(fit.refusal(file));
    }
    let mut tensors = HashMap::new();
    for (index, slot) in fit.slots().iter().enumerate() {
        let values = fit.values(file, index)?;
        tensors.insert(slot.name.clone(), Tensor::from_slice(&values).view(&slot.shape[..]));
    }
    Ok((fit.conventions(), tensors))
}

/// The same values with channels-last strides, where the tensor has four dimensions.
pub fn channels_last(tensor: &Tensor) -> Tensor {
    if tensor.dim() == 4 {
        tensor.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2])
    } else {
        tensor.contiguous()
    }
}

/// A kernel and the batch normalization behind it, in inference mode, as one kernel and bias: `weight * scale` and
/// `bias - mean * scale` with `scale = gamma / sqrt(variance + epsilon)`. `part` gives the normalization's tensors.
fn folded(weight: &Tensor, part: impl Fn(&str) -> Tensor, epsilon: f64) -> (Tensor, Tensor) {
    let scale = part("weight") / (part("running_var") + epsilon).sqrt();
    let bias = part("bias") - part("running_mean") * &scale;
    (weight * scale.view([-1, 1, 1, 1]), bias)
}

/// Folds each batch normalization into the convolution before it, in double precision.
fn fold(
    architecture: &Architecture,
    conventions: &Conventions,
    tensors: &HashMap<String, Tensor>,
    kind: Kind,
) -> HashMap<String, (Tensor, Tensor)> {
    let layers = architecture.layers();
    layers
        .windows(2)
        .filter(|pair| matches!(pair[1].kind, LayerKind::BatchNormalization { .. }))
        .map(|pair| {
            let part = |part: &str| tensors[&format!("{}.{part}", pair[1].name)].to_kind(Kind::Double);
            let weight = tensors[&format!("{}.weight", pair[0].name)].to_kind(Kind::Double);
            let (weight, bias) = folded(&weight, part, conventions.epsilon);
            (pair[0].name.clone(), (channels_last(&weight.to_kind(kind)), bias.to_kind(kind)))
        })
        .collect()
}
