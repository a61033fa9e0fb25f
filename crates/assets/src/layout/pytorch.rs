//! Names of the libraries on PyTorch. Their names of a layer's parts are Frostline's.

use super::slot::Slot;
use frostline_sweep::backbone::{Architecture, Block, BlockKind};
use std::collections::HashMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Library {
    Torchvision,
    LitePytorch,
    Timm,
}

impl Library {
    /// Names of `slots`; none where the library has no such network.
    pub(super) fn names(self, architecture: &Architecture, slots: &[Slot]) -> Option<Vec<String>> {
        let layers = self.layer_names(architecture);
        let name = |slot: &Slot| {
            let (layer, part) = slot.split();
            Some(format!("{}.{part}", layers.get(layer)?))
        };
        slots.iter().map(name).collect()
    }

    /// The layer that ends in classes.
    pub(super) fn classifier(self) -> &'static str {
        match self {
            Library::Torchvision => "classifier.1",
            Library::LitePytorch => "_fc",
            Library::Timm => "classifier",
        }
    }

    /// Whether a tensor is no part of the backbone: the classifier, or PyTorch's counters, which nothing depends on.
    pub(super) fn is_surplus(self, name: &str) -> bool {
        let in_classifier = name.strip_prefix(self.classifier()).is_some_and(|rest| rest.starts_with('.'));
        in_classifier || name.ends_with(".num_batches_tracked")
    }

    /// Each of Frostline's layers that has parameters, and what this library calls it; layers are missing where the
    /// library has no such network.
    fn layer_names(self, architecture: &Architecture) -> HashMap<String, String> {
        let blocks = architecture.blocks();
        let stages = architecture.stages.len();
        let (stem, stem_norm, top, top_norm) = match self {
            Library::Torchvision => {
                let top = format!("features.{}", stages + 1);
                ("features.0.0".into(), "features.0.1".into(), format!("{top}.0"), format!("{top}.1"))
            }
            Library::LitePytorch => ("_conv_stem".into(), "_bn0".into(), "_conv_head".into(), "_bn1".into()),
            Library::Timm => ("conv_stem".into(), "bn1".into(), "conv_head".into(), "bn2".into()),
        };
        let outer = [("stem_conv", stem), ("stem_bn", stem_norm), ("top_conv", top), ("top_bn", top_norm)];
        let inner = blocks.iter().enumerate().flat_map(|(number, block)| {
            let prefix = self.block_prefix(number, block);
            let parts = self.block_parts(block);
            parts
                .into_iter()
                .map(move |(ours, theirs)| (format!("{}_{ours}", block.name), format!("{prefix}.{theirs}")))
        });
        outer.into_iter().map(|(ours, theirs)| (ours.to_owned(), theirs)).chain(inner).collect()
    }

    fn block_prefix(self, number: usize, block: &Block) -> String {
        let (stage, place) = block.place;
        match self {
            Library::Torchvision => format!("features.{stage}.{place}.block"),
            Library::LitePytorch => format!("_blocks.{number}"),
            Library::Timm => format!("blocks.{}.{place}", stage - 1),
        }
    }

    fn block_parts(self, block: &Block) -> Vec<(&'static str, String)> {
        let fused = block.kind == BlockKind::FusedMbConv;
        let mut parts: Vec<(&'static str, String)> = Vec::new();
        let mut add = |pairs: &[(&'static str, &str)]| {
            parts.extend(pairs.iter().map(|&(ours, theirs)| (ours, theirs.to_owned())));
        };
        match self {
            Library::Torchvision => {
                // One numbered step a convolution, squeeze-and-excite among them.
                let depthwise = [(block.depthwise, "0"), ("bn", "1")];
                let steps = [
                    block.expands().then_some(&[("expand_conv", "0"), ("expand_bn", "1")][..]),
                    (!fused).then_some(&depthwise[..]),
                    block.squeeze.map(|_| &[("se_reduce", "fc1"), ("se_expand", "fc2")][..]),
                    Some(&[("project_conv", "0"), ("project_bn", "1")][..]),
                ];
                for (step, pairs) in steps.into_iter().flatten().enumerate() {
                    parts.extend(pairs.iter().map(|&(ours, theirs)| (ours, format!("{step}.{theirs}"))));
                }
            }
            Library::LitePytorch => {
                if block.expands() {
                    add(&[("expand_conv", "_expand_conv"), ("expand_bn", "_bn0")]);
                }
                add(&[(block.depthwise, "_depthwise_conv"), ("bn", "_bn1")]);
                add(&[("project_conv", "_project_conv"), ("project_bn", "_bn2")]);
            }
            Library::Timm => match (fused, block.expands()) {
                (true, false) => add(&[("project_conv", "conv"), ("project_bn", "bn1")]),
                (true, true) => add(&[
                    ("expand_conv", "conv_exp"),
                    ("expand_bn", "bn1"),
                    ("project_conv", "conv_pwl"),
                    ("project_bn", "bn2"),
                ]),
                (false, expands) => {
                    if expands {
                        add(&[
                            ("expand_conv", "conv_pw"),
                            ("expand_bn", "bn1"),
                            (block.depthwise, "conv_dw"),
                            ("bn", "bn2"),
                        ]);
                        add(&[("project_conv", "conv_pwl"), ("project_bn", "bn3")]);
                    } else {
                        add(&[
                            (block.depthwise, "conv_dw"),
                            ("bn", "bn1"),
                            ("project_conv", "conv_pw"),
                            ("project_bn", "bn2"),
                        ]);
                    }
                    if block.squeeze.is_some() {
                        add(&[("se_reduce", "se.conv_reduce"), ("se_expand", "se.conv_expand")]);
                    }
                }
            },
        }
        parts
    }
}
