//! Keras' initial values, for networks without pretrained weights.

use frostline_assets::layout::{Role, Slot};
use frostline_sweep::backbone::{Architecture, LayerKind};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::HashMap;
use tch::{Device, Kind, Tensor};

/// Standard deviation of a normal distribution that is cut off at two of its own deviations.
const TRUNCATED_DEVIATION: f64 = 0.879_625_661_034_239_8;

/// Convolutions by variance scaling (scale 2, fan out, truncated normal; He et al. 2015 as
/// `keras/src/applications/efficientnet_v2.py` has it), batch normalizations as identity, biases zero. Every tensor
/// has a random stream of its own, from `seed` and its name.
pub fn random(architecture: &Architecture, slots: &[Slot], seed: u64) -> HashMap<String, Tensor> {
    let layers = architecture.layers();
    slots
        .iter()
        .map(|slot| {
            let options = (Kind::Float, Device::Cpu);
            let tensor = match (slot.shape.len(), slot.role, slot.name.rsplit('.').next()) {
                (4, ..) => convolution(slot, layers[slot.layer as usize].kind, seed),
                (_, Role::Weight, Some("weight")) | (_, _, Some("running_var")) => Tensor::ones(&slot.shape, options),
                _ => Tensor::zeros(&slot.shape, options),
            };
            (slot.name.clone(), tensor)
        })
        .collect()
}

fn convolution(slot: &Slot, kind: LayerKind, seed: u64) -> Tensor {
    // Keras counts the fans of a depthwise kernel by its last axis, the multiplier, which is 1.
    let outputs = if matches!(kind, LayerKind::DepthwiseConvolution { .. }) { 1 } else { slot.shape[0] };
    let fan_out = slot.shape[2] * slot.shape[3] * outputs;
    let deviation = (2.0 / fan_out as f64).sqrt() / TRUNCATED_DEVIATION;
    let mut hasher = blake3::Hasher::new_derive_key("frostline 2026 initial weights");
    hasher.update(&seed.to_le_bytes());
    hasher.update(slot.name.as_bytes());
    // Not libtorch's own generator, which is one for the whole process and may change with its version.
    let mut stream = ChaCha8Rng::from_seed(*hasher.finalize().as_bytes());
    // The inverse of the normal distribution's error function, on the part between -2 and 2 deviations.
    let bound = erf(2.0 / std::f64::consts::SQRT_2);
    let elements = slot.shape.iter().product::<i64>();
    let uniform: Vec<f64> = (0..elements).map(|_| (2.0 * stream.random::<f64>() - 1.0) * bound).collect();
    let normal = Tensor::from_slice(&uniform).erfinv() * (std::f64::consts::SQRT_2 * deviation);
    normal.to_kind(Kind::Float).view(&slot.shape[..])
}

fn erf(x: f64) -> f64 {
    Tensor::from(x).erf().double_value(&[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbone::slots;

    #[test]
    fn values_have_keras_variance_and_depend_on_seed_and_name() {
        let architecture = frostline_sweep::backbone::find("efficientnet_lite0").unwrap();
        let slots = slots(architecture);
        let tensors = random(architecture, &slots, 5);
        let top = &tensors["top_conv.weight"];
        let deviation = top.std(true).double_value(&[]);
        assert!((deviation / (2.0f64 / 1280.0).sqrt() - 1.0).abs() < 0.01, "{deviation}");
        assert_eq!(*top, random(architecture, &slots, 5)["top_conv.weight"]);
        assert_ne!(*top, random(architecture, &slots, 6)["top_conv.weight"]);
        assert_eq!(tensors["stem_bn.weight"].min().double_value(&[]), 1.0);
        assert_eq!(tensors["stem_bn.running_mean"].abs().max().double_value(&[]), 0.0);
    }
}
