//! Keras' names and axes: kernels `[height, width, in, out]`, of depthwise convolutions `[height, width, channels, 1]`,
//! of dense layers `[in, out]`.

use super::slot::{Place, Slot};
use crate::weights::{Format, WeightsFile};
use frostline_sweep::backbone::{Architecture, LayerKind};
use std::collections::HashMap;

pub(super) fn places(architecture: &Architecture, slots: &[Slot], file: &WeightsFile) -> Vec<Place> {
    let layers = architecture.layers();
    let numbered = (file.format() == Format::Keras3).then(|| (container(file), numbers(architecture)));
    let place = |slot: &Slot| {
        let (layer, part) = slot.split();
        let kind = layers[slot.layer as usize].kind;
        let is_normalization = matches!(kind, LayerKind::BatchNormalization { .. });
        let (index, part) = match (is_normalization, part) {
            (true, "weight") => (0, "gamma"),
            (true, "bias") => (1, "beta"),
            (true, "running_mean") => (2, "moving_mean"),
            (true, _) => (3, "moving_variance"),
            (false, "weight") => (0, "kernel"),
            (false, _) => (1, "bias"),
        };
        let name = match &numbered {
            Some((container, numbers)) => format!("{container}{}/vars/{index}", numbers[layer]),
            None => format!("{layer}/{part}"),
        };
        let axes = match (slot.shape.len(), kind) {
            (4, LayerKind::DepthwiseConvolution { .. }) => vec![2, 3, 0, 1],
            (4, _) => vec![3, 2, 0, 1],
            (dimensions, _) => (0..dimensions).collect(),
        };
        Place { name, axes }
    };
    slots.iter().map(place).collect()
}

pub(super) fn classifier(file: &WeightsFile) -> [Place; 2] {
    let names = match file.format() {
        Format::Keras3 => [0, 1].map(|index| format!("{}dense/vars/{index}", container(file))),
        _ => ["kernel", "bias"].map(|part| format!("predictions/{part}")),
    };
    let [weight, bias] = names;
    [Place { name: weight, axes: vec![1, 0] }, Place { name: bias, axes: vec![0] }]
}

/// Whether a variable may be there without being of the backbone: people save the model that they trained, head and
/// optimizer with it.
pub(super) fn is_surplus(name: &str, file: &WeightsFile) -> bool {
    if file.format() == Format::Keras3 {
        let Some(layer) = name.strip_prefix(&container(file)) else { return true };
        return ["dense", "batch_normalization", "normalization"].iter().any(|kind| layer.starts_with(kind))
            || layer.contains("seed_generator");
    }
    let is_ours = |layer: &str| ["stem_", "block", "top_"].iter().any(|prefix| layer.starts_with(prefix));
    !name.split('/').any(is_ours)
}

/// The group of the layers, `layers/` or, where the network is a layer of another, `layers/functional/layers/`: of
/// the groups with a first convolution, the one with the most variables.
fn container(file: &WeightsFile) -> String {
    let candidates = file.names().filter_map(|name| name.strip_suffix("conv2d/vars/0"));
    let variables = |prefix: &&str| file.names().filter(|name| name.starts_with(*prefix)).count();
    // The inner of two groups with as many variables.
    candidates.max_by_key(|prefix| (variables(prefix), prefix.len())).unwrap_or("layers/").to_owned()
}

/// Keras 3's name for each layer: its class in lower case, with a number from the second on.
fn numbers(architecture: &Architecture) -> HashMap<&str, String> {
    let mut counts: HashMap<&str, u32> = HashMap::new();
    let mut numbers = HashMap::new();
    for layer in architecture.layers() {
        let class = match layer.kind {
            LayerKind::Convolution { .. } => "conv2d",
            LayerKind::DepthwiseConvolution { .. } => "depthwise_conv2d",
            LayerKind::BatchNormalization { .. } => "batch_normalization",
            _ => continue,
        };
        let count = counts.entry(class).or_default();
        let name = if *count == 0 { class.to_owned() } else { format!("{class}_{count}") };
        *count += 1;
        numbers.insert(layer.name.as_str(), name);
    }
    numbers
}
