//! What a network has room for: the parameters and moving statistics that its architecture demands.

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
    pub(super) fn split(&self) -> (&str, &str) {
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

/// A tensor as a file has it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    pub(super) name: String,
    /// The file's axes in PyTorch's order.
    pub(super) axes: Vec<usize>,
}
