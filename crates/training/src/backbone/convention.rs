//! What differs between the libraries that weights come from, although the network is the same.

use frostline_sweep::backbone::Architecture;
use tch::{Device, Kind, Tensor};

/// How a weights file wants its network to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Conventions {
    pub padding: Padding,
    /// Subtracted from pixels in 0..=255, for red, green and blue.
    pub mean: [f64; 3],
    /// Divides what is left.
    pub deviation: [f64; 3],
    /// Added to a batch normalization's variance.
    pub epsilon: f64,
}

/// Where a convolution with stride 2 puts its padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// TensorFlow's "same": as little as possible, the odd pixel at the right and bottom.
    Same,
    /// PyTorch's: half the kernel on every side.
    Symmetric,
}

impl Conventions {
    fn scaled(architecture: &Architecture, padding: Padding, mean: f64, deviation: f64) -> Conventions {
        let epsilon = architecture.batch_norm_epsilon;
        Conventions { padding, mean: [mean; 3], deviation: [deviation; 3], epsilon }
    }

    /// Keras' EfficientNetV2: `pixel / 128 - 1`.
    pub fn keras(architecture: &Architecture) -> Conventions {
        Conventions::scaled(architecture, Padding::Same, 128.0, 128.0)
    }

    /// The PyTorch port of EfficientNet-Lite (package `efficientnet-lite-pytorch`): `(pixel - 127) / 128`.
    pub fn lite_pytorch(architecture: &Architecture) -> Conventions {
        Conventions::scaled(architecture, Padding::Same, 127.0, 128.0)
    }

    /// timm's `tf_efficientnet…` models: `(pixel / 255 - 0.5) / 0.5`.
    pub fn timm(architecture: &Architecture) -> Conventions {
        Conventions::scaled(architecture, Padding::Same, 127.5, 127.5)
    }

    /// torchvision: ImageNet's mean and deviation of each colour.
    pub fn torchvision(architecture: &Architecture) -> Conventions {
        Conventions {
            padding: Padding::Symmetric,
            mean: [0.485, 0.456, 0.406].map(|mean| mean * 255.0),
            deviation: [0.229, 0.224, 0.225].map(|deviation| deviation * 255.0),
            epsilon: architecture.batch_norm_epsilon,
        }
    }

    /// Pixels, `[batch, 3, h, w]` of any type in 0..=255, as the network wants them: `[batch, 3, size, size]`, resized
    /// bilinearly with half-pixel centres and without antialiasing, scaled, channels-last.
    pub fn prepare(&self, pixels: &Tensor, size: i64, device: Device, kind: Kind) -> Tensor {
        let mut images = pixels.to_device(device).to_kind(Kind::Float);
        if images.size()[2..] != [size, size] {
            images = images.upsample_bilinear2d([size, size], false, None, None);
        }
        let channel = |values: [f64; 3]| Tensor::from_slice(&values.map(|value| value as f32)).view([1, 3, 1, 1]);
        let images = (images - channel(self.mean).to_device(device)) / channel(self.deviation).to_device(device);
        super::channels_last(&images).to_kind(kind)
    }
}

/// TensorFlow's "same" padding of one side of `input` pixels: before and after.
///
/// The output has `ceil(input / stride)` pixels; what is missing for the last of them is split, the larger half after.
pub fn same_padding(input: i64, kernel: i64, stride: i64) -> (i64, i64) {
    let output = (input + stride - 1) / stride;
    let total = ((output - 1) * stride + kernel - input).max(0);
    (total / 2, total - total / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_padding_depends_on_the_size() {
        assert_eq!(same_padding(32, 3, 2), (0, 1), "even: nothing before");
        assert_eq!(same_padding(33, 3, 2), (1, 1), "odd: both sides");
        assert_eq!(same_padding(32, 5, 2), (1, 2));
        assert_eq!(same_padding(32, 3, 1), (1, 1));
        assert_eq!(same_padding(1, 1, 1), (0, 0));
    }

    #[test]
    fn a_resized_edge_has_half_pixel_centres() {
        let row = Tensor::from_slice(&[0.0f32, 100.0]).view([1, 1, 1, 2]).expand([1, 3, 2, 2], false);
        let architecture = frostline_sweep::backbone::find("efficientnet_v2_s").unwrap();
        let prepared = Conventions::keras(architecture).prepare(&row, 4, Device::Cpu, Kind::Float);
        let values = Vec::<f32>::try_from(prepared.select(0, 0).select(0, 0).select(0, 0).contiguous()).unwrap();
        let expected = [0.0, 25.0, 75.0, 100.0].map(|pixel: f32| pixel / 128.0 - 1.0);
        assert_eq!(values, expected);
    }
}
