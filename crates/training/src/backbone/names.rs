//! What other libraries call our parameters, and which of them wrote a file.

use super::{Conventions, Slot};
use frostline_assets::checkpoint::{Checkpoint, CheckpointError};
use frostline_sweep::backbone::{Architecture, Block, BlockKind};
use std::collections::{BTreeSet, HashMap};
use tch::Tensor;

/// How many names an error lists of each kind.
const LISTED: usize = 5;

/// The library whose names a checkpoint has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Torchvision,
    /// The PyTorch port of EfficientNet-Lite.
    LitePytorch,
    /// timm, `tf_efficientnet…`.
    Timm,
}

impl Origin {
    const ALL: [Origin; 3] = [Origin::Torchvision, Origin::LitePytorch, Origin::Timm];

    /// The library in words.
    pub fn name(self) -> &'static str {
        match self {
            Origin::Torchvision => "torchvision",
            Origin::LitePytorch => "efficientnet-lite-pytorch",
            Origin::Timm => "timm",
        }
    }

    pub fn conventions(self, architecture: &Architecture) -> Conventions {
        match self {
            Origin::Torchvision => Conventions::torchvision(architecture),
            Origin::LitePytorch => Conventions::lite_pytorch(architecture),
            Origin::Timm => Conventions::timm(architecture),
        }
    }

    /// Each of our layers that has parameters, and what this library calls it.
    pub fn layer_names(self, architecture: &Architecture) -> HashMap<String, String> {
        let blocks = architecture.blocks();
        let stages = architecture.stages.len();
        let (stem, stem_norm, top, top_norm) = match self {
            Origin::Torchvision => {
                let top = format!("features.{}", stages + 1);
                ("features.0.0".into(), "features.0.1".into(), format!("{top}.0"), format!("{top}.1"))
            }
            Origin::LitePytorch => ("_conv_stem".into(), "_bn0".into(), "_conv_head".into(), "_bn1".into()),
            Origin::Timm => ("conv_stem".to_owned(), "bn1".to_owned(), "conv_head".to_owned(), "bn2".to_owned()),
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
            Origin::Torchvision => format!("features.{stage}.{place}.block"),
            Origin::LitePytorch => format!("_blocks.{number}"),
            Origin::Timm => format!("blocks.{}.{place}", stage - 1),
        }
    }

    fn block_parts(self, block: &Block) -> Vec<(&'static str, String)> {
        let fused = block.kind == BlockKind::FusedMbConv;
        let mut parts: Vec<(&'static str, String)> = Vec::new();
        let mut add = |pairs: &[(&'static str, &str)]| {
            parts.extend(pairs.iter().map(|&(ours, theirs)| (ours, theirs.to_owned())));
        };
        match self {
            Origin::Torchvision => {
                // One numbered step a convolution, squeeze-and-excite among them.
                let steps = [
                    block.expands().then_some(&[("expand_conv", "0"), ("expand_bn", "1")][..]),
                    (!fused).then_some(&[("dwconv2", "0"), ("bn", "1")][..]),
                    block.squeeze.map(|_| &[("se_reduce", "fc1"), ("se_expand", "fc2")][..]),
                    Some(&[("project_conv", "0"), ("project_bn", "1")][..]),
                ];
                for (step, pairs) in steps.into_iter().flatten().enumerate() {
                    parts.extend(pairs.iter().map(|&(ours, theirs)| (ours, format!("{step}.{theirs}"))));
                }
            }
            Origin::LitePytorch => {
                if block.expands() {
                    add(&[("expand_conv", "_expand_conv"), ("expand_bn", "_bn0")]);
                }
                add(&[("dwconv2", "_depthwise_conv"), ("bn", "_bn1")]);
                add(&[("project_conv", "_project_conv"), ("project_bn", "_bn2")]);
            }
            Origin::Timm => match (fused, block.expands()) {
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
                            ("dwconv2", "conv_dw"),
                            ("bn", "bn2"),
                        ]);
                        add(&[("project_conv", "conv_pwl"), ("project_bn", "bn3")]);
                    } else {
                        add(&[
                            ("dwconv2", "conv_dw"),
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

    /// Whether a tensor of the file may be there without being ours: the classifier and PyTorch's step counters.
    fn is_surplus(self, name: &str) -> bool {
        let classifier = match self {
            Origin::LitePytorch => "_fc.",
            Origin::Torchvision | Origin::Timm => "classifier.",
        };
        name.starts_with(classifier) || name.ends_with(".num_batches_tracked")
    }
}

/// A checkpoint that is not of the network it was given for.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error(transparent)]
    Unreadable(#[from] CheckpointError),
    #[error("{}", .0.describe())]
    Mismatch(Box<Mismatch>),
}

/// What does not fit between a file and a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Mismatch {
    pub architecture: &'static str,
    pub origin: Origin,
    pub expected: usize,
    pub missing: Vec<String>,
    pub unexpected: Vec<String>,
    /// Name, expected and actual shape.
    pub shapes: Vec<(String, Vec<i64>, Vec<i64>)>,
}

impl Mismatch {
    fn describe(&self) -> String {
        let mut text =
            format!("the weights are not those of {} (read with {}'s names)", self.architecture, self.origin.name());
        let mut list = |what: &str, names: Vec<String>| {
            if !names.is_empty() {
                let more = names.len().saturating_sub(LISTED);
                let shown = names[..names.len().min(LISTED)].join(", ");
                let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
                text += &format!("; {what}: {shown}{tail}");
            }
        };
        list(&format!("missing of {}", self.expected), self.missing.clone());
        list("unexpected", self.unexpected.clone());
        let shapes = self.shapes.iter().map(|(name, ours, theirs)| format!("{name} is {theirs:?}, not {ours:?}"));
        list("of another shape", shapes.collect());
        text
    }

    fn count(&self) -> usize {
        self.missing.len() + self.unexpected.len() + self.shapes.len()
    }
}

/// Finds out which library wrote the file, and takes from it what the network needs.
pub(super) fn read(
    architecture: &'static Architecture,
    slots: &[Slot],
    checkpoint: &Checkpoint,
) -> Result<(Conventions, HashMap<String, Tensor>), WeightsError> {
    let (origin, names, mismatch) = Origin::ALL
        .iter()
        .map(|&origin| {
            let names = slot_names(origin, architecture, slots);
            let mismatch = compare(origin, architecture, slots, &names, checkpoint);
            (origin, names, mismatch)
        })
        .min_by_key(|(.., mismatch)| mismatch.count())
        .expect("there are origins");
    if mismatch.count() > 0 {
        return Err(WeightsError::Mismatch(Box::new(mismatch)));
    }
    let mut tensors = HashMap::new();
    for (slot, theirs) in slots.iter().zip(&names) {
        tensors.insert(slot.name.clone(), Tensor::from_slice(&checkpoint.f32(theirs)?).view(&slot.shape[..]));
    }
    Ok((origin.conventions(architecture), tensors))
}

/// Checks that a file holds this network, without reading its values; returns the library that wrote it.
pub fn check(architecture: &'static Architecture, checkpoint: &Checkpoint) -> Result<Origin, WeightsError> {
    let slots = super::slots(architecture);
    let mismatches = Origin::ALL.iter().map(|&origin| {
        let names = slot_names(origin, architecture, &slots);
        compare(origin, architecture, &slots, &names, checkpoint)
    });
    let best = mismatches.min_by_key(Mismatch::count).expect("there are origins");
    if best.count() == 0 { Ok(best.origin) } else { Err(WeightsError::Mismatch(Box::new(best))) }
}

/// The library's name for each of `slots`. PyTorch's names of the parts are ours.
fn slot_names(origin: Origin, architecture: &Architecture, slots: &[Slot]) -> Vec<String> {
    let layers = origin.layer_names(architecture);
    let name = |slot: &Slot| {
        let (layer, part) = slot.name.rsplit_once('.').expect("a slot is named layer.part");
        format!("{}.{part}", layers[layer])
    };
    slots.iter().map(name).collect()
}

fn compare(
    origin: Origin,
    architecture: &'static Architecture,
    slots: &[Slot],
    names: &[String],
    checkpoint: &Checkpoint,
) -> Mismatch {
    let known: BTreeSet<&str> = names.iter().map(String::as_str).collect();
    let mut mismatch = Mismatch {
        architecture: architecture.name,
        origin,
        expected: slots.len(),
        missing: Vec::new(),
        unexpected: Vec::new(),
        shapes: Vec::new(),
    };
    for (slot, theirs) in slots.iter().zip(names) {
        match checkpoint.shape(theirs) {
            None => mismatch.missing.push(theirs.clone()),
            Some(shape) if shape != slot.shape => mismatch.shapes.push((theirs.clone(), slot.shape.clone(), shape)),
            Some(_) => {}
        }
    }
    let strangers = checkpoint.names().filter(|name| !known.contains(name) && !origin.is_surplus(name));
    mismatch.unexpected = strangers.map(str::to_owned).collect();
    mismatch
}
