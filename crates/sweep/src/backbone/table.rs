//! The members of the family, one row each, and how the smaller ones grow into the larger.

use super::{Activation, Architecture, BlockKind, KerasLayout, Once, Scaling, Stage, Torchvision};
use Activation::{Relu6, Silu};
use BlockKind::{FusedMbConv, MbConv};

/// Kind, [expansion, kernel, stride, channels, repeats], squeeze-and-excite.
const fn stage(kind: BlockKind, sizes: [u32; 5], squeeze: Option<u32>) -> Stage {
    let [expansion, kernel, stride, channels, repeats] = sizes;
    Stage { kind, expansion, kernel, stride, channels, repeats, squeeze }
}

/// EfficientNet-B0, with squeeze-and-excite or, for the Lite networks, without.
const fn b0(squeeze: Option<u32>) -> [Stage; 7] {
    [
        stage(MbConv, [1, 3, 1, 16, 1], squeeze),
        stage(MbConv, [6, 3, 2, 24, 2], squeeze),
        stage(MbConv, [6, 5, 2, 40, 2], squeeze),
        stage(MbConv, [6, 3, 2, 80, 3], squeeze),
        stage(MbConv, [6, 5, 1, 112, 3], squeeze),
        stage(MbConv, [6, 5, 2, 192, 4], squeeze),
        stage(MbConv, [6, 3, 1, 320, 1], squeeze),
    ]
}

const V2_B0: [Stage; 6] = [
    stage(FusedMbConv, [1, 3, 1, 16, 1], None),
    stage(FusedMbConv, [4, 3, 2, 32, 2], None),
    stage(FusedMbConv, [4, 3, 2, 48, 2], None),
    stage(MbConv, [4, 3, 2, 96, 3], Some(4)),
    stage(MbConv, [6, 3, 1, 112, 5], Some(4)),
    stage(MbConv, [6, 3, 2, 192, 8], Some(4)),
];

/// By which rules a network grows.
#[derive(Clone, Copy)]
enum Growth {
    First,
    Second,
    /// As the first, but for the first and the last stage, which become no deeper.
    Lite,
}

/// Channels times `tenths`, as the nearest multiple of 8.
const fn nearest(channels: u32, tenths: u32) -> u32 {
    let near = (channels * tenths + 40) / 80 * 8;
    if near < 8 { 8 } else { near }
}

/// The same, but the next one above where more than a tenth would be lost.
const fn wide(channels: u32, tenths: u32) -> u32 {
    let near = nearest(channels, tenths);
    if near * 100 < channels * tenths * 9 { near + 8 } else { near }
}

/// Compound scaling (arXiv:1905.11946): wider and deeper, both in tenths.
const fn grown<const N: usize>(mut stages: [Stage; N], width: u32, depth: u32, growth: Growth) -> [Stage; N] {
    let mut at = 0;
    while at < N {
        let Stage { channels, repeats, .. } = stages[at];
        stages[at].channels = match growth {
            Growth::Second => nearest(channels, width),
            Growth::First | Growth::Lite => wide(channels, width),
        };
        if !matches!(growth, Growth::Lite) || (at > 0 && at < N - 1) {
            stages[at].repeats = (repeats * depth).div_ceil(10);
        }
        at += 1;
    }
    stages
}

const fn blocks(stages: &[Stage]) -> u32 {
    let (mut at, mut sum) = (0, 0);
    while at < stages.len() {
        sum += stages[at].repeats;
        at += 1;
    }
    sum
}

/// torchvision's defaults, and what its larger networks have of TensorFlow's.
const fn pytorch(name: &'static str) -> Option<Torchvision> {
    Some(Torchvision { name, epsilon: 1e-5, momentum: 0.9, scaling: Scaling::ImageNet })
}

const fn as_tensorflow(name: &'static str) -> Option<Torchvision> {
    Some(Torchvision { name, epsilon: 1e-3, momentum: 0.99, scaling: Scaling::ImageNet })
}

/// An EfficientNet of 2019.
const fn first(
    name: &'static str,
    torchvision: Option<Torchvision>,
    timm: &'static str,
    width: u32,
    stages: &'static [Stage],
) -> Architecture {
    Architecture {
        name,
        torchvision,
        timm,
        layout: KerasLayout::First,
        scaling: Scaling::ImageNet,
        stem_channels: wide(32, width),
        stages,
        top_channels: wide(1280, width),
        activation: Silu,
        drop_connect: 0.2,
        batch_norm_epsilon: 1e-3,
        batch_norm_momentum: 0.99,
        laid_out: Once::new(),
    }
}

/// A small EfficientNetV2.
const fn small(name: &'static str, timm: &'static str, width: u32, stages: &'static [Stage]) -> Architecture {
    Architecture {
        name,
        torchvision: None,
        timm,
        layout: KerasLayout::SmallSecond,
        scaling: Scaling::ImageNet,
        stem_channels: nearest(32, width),
        stages,
        top_channels: nearest(1280, width),
        activation: Silu,
        // Keras lets the rate grow over the blocks before they were multiplied.
        drop_connect: 0.2 * blocks(stages) as f64 / blocks(&V2_B0) as f64,
        batch_norm_epsilon: 1e-3,
        batch_norm_momentum: 0.9,
        laid_out: Once::new(),
    }
}

/// EfficientNetV2-S, M and L. `scaling` is torchvision's.
const fn second(
    name: &'static str,
    scaling: Scaling,
    timm: &'static str,
    stem_channels: u32,
    stages: &'static [Stage],
) -> Architecture {
    Architecture {
        name,
        torchvision: Some(Torchvision { name, epsilon: 1e-3, momentum: 0.9, scaling }),
        timm,
        layout: KerasLayout::Second,
        scaling: Scaling::Unit,
        stem_channels,
        stages,
        top_channels: 1280,
        activation: Silu,
        drop_connect: 0.2,
        batch_norm_epsilon: 1e-3,
        batch_norm_momentum: 0.9,
        laid_out: Once::new(),
    }
}

/// An EfficientNet-Lite: neither stem nor top grow.
const fn lite(name: &'static str, timm: &'static str, stages: &'static [Stage]) -> Architecture {
    Architecture {
        name,
        torchvision: None,
        timm,
        layout: KerasLayout::Second,
        scaling: Scaling::Unit,
        stem_channels: 32,
        stages,
        top_channels: 1280,
        activation: Relu6,
        drop_connect: 0.2,
        batch_norm_epsilon: 1e-3,
        batch_norm_momentum: 0.99,
        laid_out: Once::new(),
    }
}

const B: [Stage; 7] = b0(Some(4));
const LITE: [Stage; 7] = b0(None);

#[rustfmt::skip]
pub(super) static ARCHITECTURES: [Architecture; 20] = [
    second("efficientnet_v2_s", Scaling::ImageNet, "tf_efficientnetv2_s", 24, &[
        stage(FusedMbConv, [1, 3, 1, 24, 2], None),
        stage(FusedMbConv, [4, 3, 2, 48, 4], None),
        stage(FusedMbConv, [4, 3, 2, 64, 4], None),
        stage(MbConv, [4, 3, 2, 128, 6], Some(4)),
        stage(MbConv, [6, 3, 1, 160, 9], Some(4)),
        stage(MbConv, [6, 3, 2, 256, 15], Some(4)),
    ]),
    second("efficientnet_v2_m", Scaling::ImageNet, "tf_efficientnetv2_m", 24, &[
        stage(FusedMbConv, [1, 3, 1, 24, 3], None),
        stage(FusedMbConv, [4, 3, 2, 48, 5], None),
        stage(FusedMbConv, [4, 3, 2, 80, 5], None),
        stage(MbConv, [4, 3, 2, 160, 7], Some(4)),
        stage(MbConv, [6, 3, 1, 176, 14], Some(4)),
        stage(MbConv, [6, 3, 2, 304, 18], Some(4)),
        stage(MbConv, [6, 3, 1, 512, 5], Some(4)),
    ]),
    second("efficientnet_v2_l", Scaling::Unit, "tf_efficientnetv2_l", 32, &[
        stage(FusedMbConv, [1, 3, 1, 32, 4], None),
        stage(FusedMbConv, [4, 3, 2, 64, 7], None),
        stage(FusedMbConv, [4, 3, 2, 96, 7], None),
        stage(MbConv, [4, 3, 2, 192, 10], Some(4)),
        stage(MbConv, [6, 3, 1, 224, 19], Some(4)),
        stage(MbConv, [6, 3, 2, 384, 25], Some(4)),
        stage(MbConv, [6, 3, 1, 640, 7], Some(4)),
    ]),
    small("efficientnet_v2_b0", "tf_efficientnetv2_b0", 10, &V2_B0),
    small("efficientnet_v2_b1", "tf_efficientnetv2_b1", 10, &const { grown(V2_B0, 10, 11, Growth::Second) }),
    small("efficientnet_v2_b2", "tf_efficientnetv2_b2", 11, &const { grown(V2_B0, 11, 12, Growth::Second) }),
    small("efficientnet_v2_b3", "tf_efficientnetv2_b3", 12, &const { grown(V2_B0, 12, 14, Growth::Second) }),
    first("efficientnet_b0", pytorch("efficientnet_b0"), "tf_efficientnet_b0", 10, &B),
    first("efficientnet_b1", pytorch("efficientnet_b1"), "tf_efficientnet_b1", 10, &const { grown(B, 10, 11, Growth::First) }),
    first("efficientnet_b2", pytorch("efficientnet_b2"), "tf_efficientnet_b2", 11, &const { grown(B, 11, 12, Growth::First) }),
    first("efficientnet_b3", pytorch("efficientnet_b3"), "tf_efficientnet_b3", 12, &const { grown(B, 12, 14, Growth::First) }),
    first("efficientnet_b4", pytorch("efficientnet_b4"), "tf_efficientnet_b4", 14, &const { grown(B, 14, 18, Growth::First) }),
    first("efficientnet_b5", as_tensorflow("efficientnet_b5"), "tf_efficientnet_b5", 16, &const { grown(B, 16, 22, Growth::First) }),
    first("efficientnet_b6", as_tensorflow("efficientnet_b6"), "tf_efficientnet_b6", 18, &const { grown(B, 18, 26, Growth::First) }),
    first("efficientnet_b7", as_tensorflow("efficientnet_b7"), "tf_efficientnet_b7", 20, &const { grown(B, 20, 31, Growth::First) }),
    lite("efficientnet_lite0", "tf_efficientnet_lite0", &LITE),
    lite("efficientnet_lite1", "tf_efficientnet_lite1", &const { grown(LITE, 10, 11, Growth::Lite) }),
    lite("efficientnet_lite2", "tf_efficientnet_lite2", &const { grown(LITE, 11, 12, Growth::Lite) }),
    lite("efficientnet_lite3", "tf_efficientnet_lite3", &const { grown(LITE, 12, 14, Growth::Lite) }),
    lite("efficientnet_lite4", "tf_efficientnet_lite4", &const { grown(LITE, 14, 18, Growth::Lite) }),
];
