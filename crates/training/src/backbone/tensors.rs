//! The form in which a network computes with its parameters: channels-last strides, and batch normalizations in inference
//! mode folded into the convolutions before them.

use frostline_assets::layout::Conventions;
use frostline_sweep::backbone::{Architecture, LayerKind};
use std::collections::HashMap;
use tch::{Kind, Tensor};

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
pub(super) fn folded(weight: &Tensor, part: impl Fn(&str) -> Tensor, epsilon: f64) -> (Tensor, Tensor) {
    let scale = part("weight") / (part("running_var") + epsilon).sqrt();
    let bias = part("bias") - part("running_mean") * &scale;
    (weight * scale.view([-1, 1, 1, 1]), bias)
}

/// Folds each batch normalization into the convolution before it, in double precision.
pub(super) fn fold(
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
