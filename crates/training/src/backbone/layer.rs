//! The output of any single layer, as Keras' `model.layers[index].output` gives it.

use super::convention::prepare;
use super::forward::Pass;
use super::network::Network;
use super::tensors::channels_last;
use frostline_assets::layout::Conventions;
use frostline_sweep::backbone::{KerasLayout, Layer, LayerKind};
use tch::{Device, Kind, Tensor};

impl Network {
    /// What layer `index` gives for `pixels`, `[n, 3, h, w]` in 0..=255, resized to `size`: in inference mode, float32.
    /// Layer 0 gives the resized pixels, the next ones what is made of these. Axes are `[n, channels, height, width]`, or
    /// `[n, channels]` for the layer that averages a squeeze.
    ///
    /// Whole blocks run as they do in training, so that the output of a block's last layer is its cut's features to the
    /// bit; the layers of the block that `index` lies in run one by one.
    ///
    /// # Panics
    /// There is no such layer.
    pub fn layer_output(&self, pixels: &Tensor, size: i64, index: u32, device: Device) -> Tensor {
        let _guard = tch::no_grad_guard();
        let shared = &self.shared;
        let layers = shared.architecture.layers();
        assert!((index as usize) < layers.len(), "there is no layer {index} among {}", layers.len());
        // What comes before the first convolution and its padding.
        let of_pixels = |layer: &&Layer| {
            matches!(layer.kind, LayerKind::Input | LayerKind::Rescaling | LayerKind::Normalization { .. })
        };
        let first = layers.iter().take_while(of_pixels).count() as u32;
        if index < first {
            let scaling = partly(&shared.conventions, shared.architecture.layout, index);
            return prepare(&scaling, pixels, size, device, Kind::Float);
        }
        let prepared = prepare(&shared.conventions, pixels, size, device, Kind::Float);
        // The last segment's forward pass averages over the image, which is no layer here.
        let whole = shared.segments.iter().take_while(|segment| segment.layers.end <= index + 1).count();
        let whole = whole.min(shared.segments.len() - 1);
        let mut x = self.forward(&prepared, 0, whole as u32, false);
        let done = shared.segments[..whole].last().map_or(first, |segment| segment.layers.end);
        let pass = Pass::new(self, false);
        let block_input = x.shallow_clone();
        let mut excited = x.shallow_clone();
        for layer in &layers[done as usize..=index as usize] {
            let name = layer.name.as_str();
            x = match layer.kind {
                LayerKind::Input | LayerKind::Rescaling | LayerKind::Normalization { .. } => x,
                LayerKind::ZeroPadding { kernel } if layer.index == index => {
                    let [rows, columns] = pass.padding(&x, i64::from(kernel), 2);
                    x.constant_pad_nd([columns.0, columns.1, rows.0, rows.1].as_slice())
                }
                // The convolution behind it pads.
                LayerKind::ZeroPadding { .. } | LayerKind::Dropout { .. } => x,
                LayerKind::Convolution { stride, bias, .. } => {
                    let bias = bias.then(|| self.tensor(&format!("{name}.bias")));
                    let x = pass.convolve(&x, self.tensor(&format!("{name}.weight")), bias, i64::from(stride), 1);
                    // Keras gives these two convolutions an activation of their own.
                    match name.rsplit_once('_') {
                        Some((_, "reduce")) => pass.activation(x),
                        Some((_, "expand")) => x.sigmoid(),
                        _ => x,
                    }
                }
                LayerKind::DepthwiseConvolution { stride, channels, .. } => {
                    let weight = self.tensor(&format!("{name}.weight"));
                    pass.convolve(&x, weight, None, i64::from(stride), i64::from(channels))
                }
                LayerKind::BatchNormalization { .. } => pass.batch_normalization(name, &x),
                // The tensor before may be asked for again: not in place.
                LayerKind::Activation => pass.activation(x.copy()),
                LayerKind::GlobalAveragePooling => {
                    excited = x.shallow_clone();
                    x.mean_dim([2i64, 3].as_slice(), false, Kind::Float)
                }
                LayerKind::Reshape => x.unsqueeze(-1).unsqueeze(-1),
                LayerKind::Multiply => &excited * x,
                LayerKind::Add => x + &block_input,
            };
        }
        if x.dim() == 4 { channels_last(&x) } else { x }
    }
}

/// What layer `index`, one of those that scale pixels, has done to them.
fn partly(conventions: &Conventions, layout: KerasLayout, index: u32) -> Conventions {
    let none = ([0.0; 3], [1.0; 3]);
    let (mean, deviation) = match (layout, index) {
        (_, 0) => none,
        (KerasLayout::First | KerasLayout::SmallSecond, 1) => (none.0, [255.0; 3]),
        // The last layer of the three divides by the deviation's root once more.
        (KerasLayout::First, 2) => (conventions.mean, conventions.deviation.map(|it| 255.0 * (it / 255.0).sqrt())),
        _ => (conventions.mean, conventions.deviation),
    };
    Conventions { mean, deviation, ..conventions.clone() }
}
