//! A network laid out: which layers its table says, one after another, and where its segments end.

use super::{Architecture, Block, BlockKind, KerasLayout, Layer, LayerKind, Segment};
use std::sync::OnceLock;

/// What follows from the rest, once somebody has asked.
#[derive(Debug)]
pub(super) struct Once(OnceLock<LaidOut>);

/// All layers in their order, and the segments that they make up.
#[derive(Debug)]
pub(super) struct LaidOut {
    pub(super) layers: Vec<Layer>,
    pub(super) segments: Vec<Segment>,
}

impl Once {
    pub(super) const fn new() -> Once {
        Once(OnceLock::new())
    }

    pub(super) fn get_or_init(&self, lay_out: impl FnOnce() -> LaidOut) -> &LaidOut {
        self.0.get_or_init(lay_out)
    }
}

/// A copy may be changed before it is asked.
impl Clone for Once {
    fn clone(&self) -> Once {
        Once::new()
    }
}

impl PartialEq for Once {
    fn eq(&self, _: &Once) -> bool {
        true
    }
}

/// The layers of a network, in the order of Keras' `model.layers`.
pub(super) fn lay_out(network: &Architecture) -> LaidOut {
    let pads = network.layout == KerasLayout::First;
    let mut plan = Plan { layers: Vec::new(), segments: Vec::new(), scale: 1, pads };
    plan.layer("input_layer", LayerKind::Input);
    plan.layer("rescaling", LayerKind::Rescaling);
    match network.layout {
        KerasLayout::First => {
            // Mean and deviation of three colours, and a count.
            plan.layer("normalization", LayerKind::Normalization { values: 7 });
            plan.layer("rescaling_1", LayerKind::Rescaling);
        }
        KerasLayout::SmallSecond => plan.layer("normalization", LayerKind::Normalization { values: 0 }),
        KerasLayout::Second => {}
    }
    plan.padding("stem_conv_pad", 3, 2);
    plan.convolution("stem_conv", 3, 2, 3, network.stem_channels);
    plan.normalization("stem_bn", network.stem_channels);
    plan.layer("stem_activation", LayerKind::Activation);
    plan.end("stem", network.stem_channels);
    let blocks = network.blocks();
    for block in &blocks {
        plan.block(block);
        plan.end(&block.name, block.output);
    }
    let last = blocks.last().map_or(network.stem_channels, |block| block.output);
    plan.convolution("top_conv", 1, 1, last, network.top_channels);
    plan.normalization("top_bn", network.top_channels);
    plan.layer("top_activation", LayerKind::Activation);
    plan.end("top", network.top_channels);
    LaidOut { layers: plan.layers, segments: plan.segments }
}

struct Plan {
    layers: Vec<Layer>,
    segments: Vec<Segment>,
    scale: u32,
    /// Whether padding is a layer.
    pads: bool,
}

impl Plan {
    fn layer(&mut self, name: &str, kind: LayerKind) {
        self.layers.push(Layer { index: self.layers.len() as u32, name: name.to_owned(), kind });
    }

    fn padding(&mut self, name: &str, kernel: u32, stride: u32) {
        if self.pads && stride > 1 {
            self.layer(name, LayerKind::ZeroPadding { kernel });
        }
    }

    fn convolution(&mut self, name: &str, kernel: u32, stride: u32, input: u32, output: u32) {
        self.scale *= stride;
        self.layer(name, LayerKind::Convolution { kernel, stride, input, output, bias: false });
    }

    fn normalization(&mut self, name: &str, channels: u32) {
        self.layer(name, LayerKind::BatchNormalization { channels });
    }

    fn end(&mut self, name: &str, channels: u32) {
        let start = self.segments.last().map_or(0, |segment| segment.layers.end);
        let layers = start..self.layers.len() as u32;
        self.segments.push(Segment { name: name.to_owned(), layers, channels, scale: self.scale });
    }

    fn block(&mut self, block: &Block) {
        let named = |part: &str| format!("{}_{part}", block.name);
        let &Block { kernel, stride, input, expanded, output, .. } = block;
        match block.kind {
            BlockKind::FusedMbConv => {
                if block.expands() {
                    self.convolution(&named("expand_conv"), kernel, stride, input, expanded);
                    self.normalization(&named("expand_bn"), expanded);
                    self.layer(&named("expand_activation"), LayerKind::Activation);
                }
            }
            BlockKind::MbConv => {
                if block.expands() {
                    self.convolution(&named("expand_conv"), 1, 1, input, expanded);
                    self.normalization(&named("expand_bn"), expanded);
                    self.layer(&named("expand_activation"), LayerKind::Activation);
                }
                self.padding(&named(&format!("{}_pad", block.depthwise)), kernel, stride);
                self.scale *= stride;
                self.layer(
                    &named(block.depthwise),
                    LayerKind::DepthwiseConvolution { kernel, stride, channels: expanded },
                );
                self.normalization(&named("bn"), expanded);
                self.layer(&named("activation"), LayerKind::Activation);
            }
        }
        if let Some(squeezed) = block.squeeze {
            let dense = |input, output| LayerKind::Convolution { kernel: 1, stride: 1, input, output, bias: true };
            self.layer(&named("se_squeeze"), LayerKind::GlobalAveragePooling);
            self.layer(&named("se_reshape"), LayerKind::Reshape);
            self.layer(&named("se_reduce"), dense(expanded, squeezed));
            self.layer(&named("se_expand"), dense(squeezed, expanded));
            self.layer(&named("se_excite"), LayerKind::Multiply);
        }
        if block.kind == BlockKind::FusedMbConv && !block.expands() {
            self.convolution(&named("project_conv"), kernel, stride, input, output);
            self.normalization(&named("project_bn"), output);
            self.layer(&named("project_activation"), LayerKind::Activation);
        } else {
            self.convolution(&named("project_conv"), 1, 1, expanded, output);
            self.normalization(&named("project_bn"), output);
        }
        if let Some(rate) = block.drop_rate {
            self.layer(&named("drop"), LayerKind::Dropout { rate });
        }
        if block.is_residual() {
            self.layer(&named("add"), LayerKind::Add);
        }
    }
}
