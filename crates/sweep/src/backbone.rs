//! The EfficientNet family as one table, and the layers and cuts that follow from it.
//!
//! Layers are counted as Keras counts `model.layers` of an application built with `include_top=False`: in the order of
//! `keras/src/applications/efficientnet_v2.py` and `efficientnet.py`, input and rescaling included. Tan & Le 2021
//! (arXiv:2104.00298) for EfficientNetV2, 2019 (arXiv:1905.11946) for EfficientNet-B0 to B7. EfficientNet-Lite0 to Lite4 are
//! B0 to B4 without squeeze-and-excite, with ReLU6, and are laid out here as the second version is.

mod plan;
mod table;

use plan::{LaidOut, Once};
use std::ops::Range;
use table::ARCHITECTURES;

/// One member of the family.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    pub name: &'static str,
    /// None where torchvision has no such network.
    pub torchvision: Option<Torchvision>,
    /// What timm calls its form that pads as TensorFlow does.
    pub timm: &'static str,
    pub layout: KerasLayout,
    pub scaling: Scaling,
    pub stem_channels: u32,
    pub stages: &'static [Stage],
    /// Width of the last convolution, and so of the pooled features.
    pub top_channels: u32,
    pub activation: Activation,
    /// What stochastic depth's rate would be behind the last block; it grows linearly from 0 at the first.
    pub drop_connect: f64,
    pub batch_norm_epsilon: f64,
    /// Share of the old moving statistics that an update keeps, as Keras counts it.
    pub batch_norm_momentum: f64,
    laid_out: Once,
}

/// How torchvision builds a network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Torchvision {
    pub name: &'static str,
    /// As [`Architecture::batch_norm_epsilon`], which it does not follow everywhere.
    pub epsilon: f64,
    /// As [`Architecture::batch_norm_momentum`].
    pub momentum: f64,
    /// As [`Architecture::scaling`].
    pub scaling: Scaling,
}

/// How Keras lays out the layers of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KerasLayout {
    /// Of `efficientnet.py` with ImageNet's weights: pixels are normalized in three layers, and padding is a layer of its own.
    First,
    /// Of `efficientnet_v2.py`: pixels are scaled in one layer.
    Second,
    /// The same for its networks B0 to B3, which normalize pixels in two layers.
    SmallSecond,
}

/// What is done to pixels where nothing else is known of the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scaling {
    /// Into -1 to 1.
    Unit,
    /// By ImageNet's mean and deviation of each colour.
    ImageNet,
}

/// Blocks of one kind, one after the other; only the first has the stride.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    pub kind: BlockKind,
    pub expansion: u32,
    pub kernel: u32,
    pub stride: u32,
    pub channels: u32,
    pub repeats: u32,
    /// Squeeze-and-excite to this fraction (1/n) of the block's input channels.
    pub squeeze: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockKind {
    /// One full convolution instead of expansion and depthwise convolution.
    FusedMbConv,
    MbConv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    Silu,
    Relu6,
}

/// The architecture called `name`.
pub fn find(name: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|architecture| architecture.name == name)
}

/// Names of all architectures, in the order of the table.
pub fn names() -> impl Iterator<Item = &'static str> {
    ARCHITECTURES.iter().map(|architecture| architecture.name)
}

/// One entry of `model.layers`.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    pub index: u32,
    /// Keras' name, such as `block4e_expand_conv`.
    pub name: String,
    pub kind: LayerKind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LayerKind {
    Input,
    Rescaling,
    /// Of pixels, with as many values that a file of weights may have.
    Normalization {
        values: u32,
    },
    /// What a convolution of this kernel and stride 2 needs.
    ZeroPadding {
        kernel: u32,
    },
    Convolution {
        kernel: u32,
        stride: u32,
        input: u32,
        output: u32,
        bias: bool,
    },
    DepthwiseConvolution {
        kernel: u32,
        stride: u32,
        channels: u32,
    },
    BatchNormalization {
        channels: u32,
    },
    Activation,
    GlobalAveragePooling,
    Reshape,
    Multiply,
    /// Stochastic depth: drops a sample's whole residual branch.
    Dropout {
        rate: f64,
    },
    Add,
}

impl LayerKind {
    /// Keras' class name.
    pub fn keras_class(self) -> &'static str {
        match self {
            LayerKind::Input => "InputLayer",
            LayerKind::Rescaling => "Rescaling",
            LayerKind::Normalization { .. } => "Normalization",
            LayerKind::ZeroPadding { .. } => "ZeroPadding2D",
            LayerKind::Convolution { .. } => "Conv2D",
            LayerKind::DepthwiseConvolution { .. } => "DepthwiseConv2D",
            LayerKind::BatchNormalization { .. } => "BatchNormalization",
            LayerKind::Activation => "Activation",
            LayerKind::GlobalAveragePooling => "GlobalAveragePooling2D",
            LayerKind::Reshape => "Reshape",
            LayerKind::Multiply => "Multiply",
            LayerKind::Dropout { .. } => "Dropout",
            LayerKind::Add => "Add",
        }
    }

    /// Trained and moving values together, as Keras counts parameters.
    pub fn parameters(self) -> u64 {
        match self {
            LayerKind::Convolution { kernel, input, output, bias, .. } => {
                u64::from(kernel * kernel * input) * u64::from(output) + if bias { u64::from(output) } else { 0 }
            }
            LayerKind::DepthwiseConvolution { kernel, channels, .. } => u64::from(kernel * kernel * channels),
            LayerKind::BatchNormalization { channels } => 4 * u64::from(channels),
            LayerKind::Normalization { values } => u64::from(values),
            _ => 0,
        }
    }

    /// Without moving statistics.
    pub fn trained_parameters(self) -> u64 {
        match self {
            LayerKind::BatchNormalization { .. } => self.parameters() / 2,
            LayerKind::Normalization { .. } => 0,
            _ => self.parameters(),
        }
    }
}

/// Side of an image with the padding that a convolution of this kernel and stride 2 needs, in pixels.
pub fn padded(side: u32, kernel: u32) -> u32 {
    side + kernel - 1 - (side + 1) % 2
}

/// One block of the network, resolved from its stage.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// `block4e` for the fifth block of stage 4.
    pub name: String,
    /// Stage (from 1) and place in it (from 0).
    pub place: (u32, u32),
    pub kind: BlockKind,
    /// What its depthwise convolution is called, behind the block's own name.
    pub depthwise: &'static str,
    pub kernel: u32,
    pub stride: u32,
    pub input: u32,
    /// Channels inside the block.
    pub expanded: u32,
    pub output: u32,
    /// Channels of the squeeze.
    pub squeeze: Option<u32>,
    /// Rate of stochastic depth; none where the block has no such layer.
    pub drop_rate: Option<f64>,
}

impl Block {
    pub fn expands(&self) -> bool {
        self.expanded != self.input
    }

    /// Whether the block's input is added to its output.
    pub fn is_residual(&self) -> bool {
        self.stride == 1 && self.input == self.output
    }
}

/// The network in steps between which features can be taken: stem, each block, top.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// `stem`, `block1a`, …, `top`.
    pub name: String,
    pub layers: Range<u32>,
    /// Channels of its output.
    pub channels: u32,
    /// Input pixels over output pixels along a side, product of the strides so far.
    pub scale: u32,
}

impl Architecture {
    pub fn blocks(&self) -> Vec<Block> {
        let total: u32 = self.stages.iter().map(|stage| stage.repeats).sum();
        let mut blocks: Vec<Block> = Vec::new();
        let mut input = self.stem_channels;
        for (number, stage) in (1..).zip(self.stages) {
            for repeat in 0..stage.repeats {
                let stride = if repeat == 0 { stage.stride } else { 1 };
                let rate = self.drop_connect * blocks.len() as f64 / f64::from(total);
                let is_residual = stride == 1 && input == stage.channels;
                blocks.push(Block {
                    name: format!("block{number}{}", char::from(b'a' + repeat as u8)),
                    place: (number, repeat),
                    kind: stage.kind,
                    depthwise: if self.layout == KerasLayout::First { "dwconv" } else { "dwconv2" },
                    kernel: stage.kernel,
                    stride,
                    input,
                    expanded: input * stage.expansion,
                    output: stage.channels,
                    squeeze: stage.squeeze.map(|part| (input / part).max(1)),
                    // Keras leaves the layer out where the rate is zero: in the first block.
                    drop_rate: (is_residual && rate > 0.0).then_some(rate),
                });
                input = stage.channels;
            }
        }
        blocks
    }

    /// Keras' `model.layers`.
    pub fn layers(&self) -> &[Layer] {
        &self.laid_out().layers
    }

    /// Stem, blocks and top, each with its layers. A cut `n` lies after the first `n` segments.
    pub fn segments(&self) -> &[Segment] {
        &self.laid_out().segments
    }

    /// How many layers the backbone has, counted as Keras counts `model.layers` without the classifier.
    pub fn layer_count(&self) -> u32 {
        self.layers().len() as u32
    }

    /// The last block boundary at or before this many frozen layers, as a number of segments: 0 is the image itself,
    /// the number of all segments is the pooled output.
    pub fn cut_at(&self, frozen_layers: u32) -> u32 {
        self.segments().iter().take_while(|segment| segment.layers.end <= frozen_layers).count() as u32
    }

    /// Whether a batch normalization trains behind this many frozen layers: then what an image becomes depends on the
    /// batch that it is in.
    pub fn trains_normalization(&self, frozen_layers: u32) -> bool {
        let trains = |layer: &Layer| {
            layer.index >= frozen_layers && matches!(layer.kind, LayerKind::BatchNormalization { .. })
        };
        self.layers().iter().any(trains)
    }

    /// Keras' count of parameters, moving statistics included.
    pub fn parameter_count(&self) -> u64 {
        self.layers().iter().map(|layer| layer.kind.parameters()).sum()
    }

    fn laid_out(&self) -> &LaidOut {
        self.laid_out.get_or_init(|| plan::lay_out(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn efficientnet_v2_s_counts_as_keras_does() {
        let architecture = find("efficientnet_v2_s").unwrap();
        assert_eq!(architecture.layer_count(), 513);
        assert_eq!(architecture.parameter_count(), 20_331_360);
        let segment_of = |layer: u32| {
            let segments = architecture.segments();
            segments.iter().find(|segment| segment.layers.contains(&layer)).unwrap().name.clone()
        };
        assert_eq!([128, 256, 384].map(segment_of), ["block4e", "block5g", "block6g"]);
    }

    #[test]
    fn the_cut_is_the_last_boundary_at_or_before_the_frozen_layers() {
        let architecture = find("efficientnet_v2_s").unwrap();
        let segments = architecture.segments();
        assert_eq!(architecture.cut_at(0), 0);
        assert_eq!(architecture.cut_at(4), 0);
        assert_eq!(architecture.cut_at(5), 1, "the stem ends with layer 4");
        assert_eq!(architecture.cut_at(513), segments.len() as u32);
        assert_eq!(segments[architecture.cut_at(128) as usize - 1].name, "block4d");
        assert_eq!(segments.last().unwrap().scale, 32);
    }

    #[test]
    fn lite0_has_the_parameters_of_the_published_network() {
        // 4,652,008 with its classifier of 1,280,000 + 1,000, of which moving statistics are not counted in PyTorch.
        let architecture = find("efficientnet_lite0").unwrap();
        let moving: u64 = (architecture.layers().iter())
            .filter(|layer| matches!(layer.kind, LayerKind::BatchNormalization { .. }))
            .map(|layer| layer.kind.parameters() / 2)
            .sum();
        assert_eq!(architecture.parameter_count() - moving, 4_652_008 - 1_281_000);
    }
}
