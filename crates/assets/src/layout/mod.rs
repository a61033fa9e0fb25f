//! What a network's weights are called and how they are laid out: by Frostline, and by the libraries that they come
//! from. No values are computed here and nothing needs libtorch.
//!
//! A parameter's own name is its Keras layer and its part as PyTorch calls it: `block4e_expand_conv.weight`. Weights
//! have PyTorch's axes: convolutions `[out, in / groups, height, width]`.

mod conventions;
mod convert;
mod fit;
mod keras;
mod origin;
mod pytorch;

pub use conventions::{Conventions, Padding};
pub use convert::{ConvertError, Converted, convert};
pub use fit::{Fit, WeightsError, best_fit, check, fit};
pub use origin::Origin;

use frostline_sweep::backbone::{Architecture, LayerKind};

/// A parameter or moving statistic, as the architecture demands it.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    pub name: String,
    /// Keras' index of the layer that it belongs to.
    pub layer: u32,
    pub shape: Vec<i64>,
    pub role: Role,
}

impl Slot {
    /// The layer's name and the part's.
    fn split(&self) -> (&str, &str) {
        self.name.rsplit_once('.').expect("a slot is named layer.part")
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Trained by gradients.
    Weight,
    /// Moving mean or variance of a batch normalization.
    Statistic,
}

/// Everything that `architecture` holds, in the order of its layers.
pub fn slots(architecture: &Architecture) -> Vec<Slot> {
    let mut slots = Vec::new();
    for layer in architecture.layers() {
        let mut slot = |part: &str, shape: &[u32], role| {
            let shape = shape.iter().map(|&size| i64::from(size)).collect();
            slots.push(Slot { name: format!("{}.{part}", layer.name), layer: layer.index, shape, role });
        };
        match layer.kind {
            LayerKind::Convolution { kernel, input, output, bias, .. } => {
                slot("weight", &[output, input, kernel, kernel], Role::Weight);
                if bias {
                    slot("bias", &[output], Role::Weight);
                }
            }
            LayerKind::DepthwiseConvolution { kernel, channels, .. } => {
                slot("weight", &[channels, 1, kernel, kernel], Role::Weight);
            }
            LayerKind::BatchNormalization { channels } => {
                slot("weight", &[channels], Role::Weight);
                slot("bias", &[channels], Role::Weight);
                slot("running_mean", &[channels], Role::Statistic);
                slot("running_var", &[channels], Role::Statistic);
            }
            _ => {}
        }
    }
    slots
}

#[cfg(test)]
mod tests;
