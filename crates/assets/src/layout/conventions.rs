//! What differs between the libraries that weights come from, although the network is the same.

use frostline_sweep::backbone::{Architecture, Scaling, Torchvision};

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

/// PyTorch's default momentum of 0.1, which timm leaves as it is.
const PYTORCH_MOMENTUM: f64 = 0.9;

/// ImageNet's mean and deviation of each colour, in 0..=255.
const IMAGENET: ([f64; 3], [f64; 3]) =
    ([0.485 * 255.0, 0.456 * 255.0, 0.406 * 255.0], [0.229 * 255.0, 0.224 * 255.0, 0.225 * 255.0]);

fn of_colours(scaling: Scaling, unit: (f64, f64)) -> ([f64; 3], [f64; 3]) {
    match scaling {
        Scaling::Unit => ([unit.0; 3], [unit.1; 3]),
        Scaling::ImageNet => IMAGENET,
    }
}

impl Conventions {
    /// TensorFlow's. `unit` is what is taken away from pixels and then divides them where they are scaled into -1 to 1.
    fn scaled(architecture: &Architecture, unit: (f64, f64)) -> Conventions {
        let (mean, deviation) = of_colours(architecture.scaling, unit);
        Conventions {
            padding: Padding::Same,
            mean,
            deviation,
            epsilon: architecture.batch_norm_epsilon,
            momentum: architecture.batch_norm_momentum,
        }
    }

    /// Keras: `pixel / 128 - 1`, or by ImageNet's mean and deviation.
    pub fn keras(architecture: &Architecture) -> Conventions {
        Conventions::scaled(architecture, (128.0, 128.0))
    }

    /// The PyTorch port of EfficientNet-Lite (package `efficientnet-lite-pytorch`): `(pixel - 127) / 128`.
    pub fn lite_pytorch(architecture: &Architecture) -> Conventions {
        Conventions::scaled(architecture, (127.0, 128.0))
    }

    /// timm's `tf_efficientnet…` models: `(pixel / 255 - 0.5) / 0.5`, or by ImageNet's mean and deviation. Those that were
    /// trained with AdvProp (`ap`) want the former everywhere, and their files do not say so.
    pub fn timm(architecture: &Architecture) -> Conventions {
        Conventions { momentum: PYTORCH_MOMENTUM, ..Conventions::scaled(architecture, (127.5, 127.5)) }
    }

    /// torchvision: ImageNet's mean and deviation of each colour, or `(pixel / 255 - 0.5) / 0.5`.
    pub fn torchvision(architecture: &Architecture) -> Conventions {
        let Torchvision { epsilon, momentum, scaling, .. } = architecture.torchvision.unwrap_or(Torchvision {
            name: architecture.name,
            epsilon: architecture.batch_norm_epsilon,
            momentum: PYTORCH_MOMENTUM,
            scaling: Scaling::ImageNet,
        });
        let (mean, deviation) = of_colours(scaling, (127.5, 127.5));
        Conventions { padding: Padding::Symmetric, mean, deviation, epsilon, momentum }
    }
}
