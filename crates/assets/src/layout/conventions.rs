//! What differs between the libraries that weights come from, although the network is the same.

use frostline_sweep::backbone::Architecture;

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
    /// Share of the old moving statistics that an update keeps, as Keras counts it: 1 minus PyTorch's.
    pub momentum: f64,
}

/// Where a convolution with stride 2 puts its padding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// TensorFlow's "same": as little as possible, the odd pixel at the right and bottom.
    Same,
    /// PyTorch's: half the kernel on every side.
    Symmetric,
}

/// PyTorch's default momentum of 0.1, which torchvision and timm leave as it is.
const PYTORCH_MOMENTUM: f64 = 0.9;

impl Conventions {
    fn scaled(architecture: &Architecture, mean: f64, deviation: f64) -> Conventions {
        Conventions {
            padding: Padding::Same,
            mean: [mean; 3],
            deviation: [deviation; 3],
            epsilon: architecture.batch_norm_epsilon,
            momentum: architecture.batch_norm_momentum,
        }
    }

    /// Keras' EfficientNetV2: `pixel / 128 - 1`.
    pub fn keras(architecture: &Architecture) -> Conventions {
        Conventions::scaled(architecture, 128.0, 128.0)
    }

    /// The PyTorch port of EfficientNet-Lite (package `efficientnet-lite-pytorch`): `(pixel - 127) / 128`.
    pub fn lite_pytorch(architecture: &Architecture) -> Conventions {
        Conventions::scaled(architecture, 127.0, 128.0)
    }

    /// timm's `tf_efficientnet…` models: `(pixel / 255 - 0.5) / 0.5`.
    pub fn timm(architecture: &Architecture) -> Conventions {
        Conventions { momentum: PYTORCH_MOMENTUM, ..Conventions::scaled(architecture, 127.5, 127.5) }
    }

    /// torchvision: ImageNet's mean and deviation of each colour.
    pub fn torchvision(architecture: &Architecture) -> Conventions {
        Conventions {
            padding: Padding::Symmetric,
            mean: [0.485, 0.456, 0.406].map(|mean| mean * 255.0),
            deviation: [0.229, 0.224, 0.225].map(|deviation| deviation * 255.0),
            epsilon: architecture.batch_norm_epsilon,
            momentum: PYTORCH_MOMENTUM,
        }
    }
}
