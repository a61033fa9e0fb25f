//! A trial: everything that can change the outcome of one training run, and the identity that follows from it.

use serde::{Deserialize, Serialize};
use std::fmt;

pub use crate::dataset::{Dataset, Fit, Pictures};

/// Raised when the meaning of a [`TrialSpec`] changes, so that results of the old meaning are not taken for the new.
pub const FORMAT: u32 = 1;

/// One training run, resolved: no shares, no defaults, no paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialSpec {
    pub data: DataSpec,
    pub model: ModelSpec,
    pub parameters: Parameters,
    pub seed: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSpec {
    pub dataset: Dataset,
    /// BLAKE3 of the data set's files, or of the drawing program's version for [`Dataset::Shapes`].
    pub digest: String,
    pub validation: Validation,
    /// Side of the square that the backbone sees, in pixels.
    pub image_size: u32,
    pub augment: Augment,
    pub train_limit: Option<u32>,
    pub test_limit: Option<u32>,
    /// None where the images of the data set have one size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Pictures>,
}

/// Where the images come from that trials are selected by.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validation {
    /// A stratified share of the training set, above 0 and below 1.
    Share(f64),
    /// The test set itself, as the article did.
    Test,
    /// The validation images that the data set has of its own.
    Own,
}

/// What training images are seen as. What other images are seen as never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Augment {
    None,
    /// Every image as it is and mirrored left to right.
    Flip,
    /// Every image as it is and in random views, `count` in all, which are the same in each epoch and each trial.
    Views {
        count: u32,
        policy: Policy,
    },
}

/// How random views are drawn; each of them is shifted and perhaps mirrored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// That alone.
    Crop,
    /// And changed in brightness, contrast and saturation.
    Color,
    /// And by two operations of RandAugment, as strong as `magnitude` of 0 to 30 says.
    Randaugment { magnitude: u32 },
}

impl Augment {
    /// How many views there are of an image; the first is the image as it is.
    pub fn views(self) -> u32 {
        match self {
            Augment::None => 1,
            Augment::Flip => 2,
            Augment::Views { count, .. } => count.max(1),
        }
    }
}

impl fmt::Display for Augment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Augment::None => f.write_str("none"),
            Augment::Flip => f.write_str("flip"),
            Augment::Views { count, policy: Policy::Crop } => write!(f, "crop, {count} views"),
            Augment::Views { count, policy: Policy::Color } => write!(f, "color, {count} views"),
            Augment::Views { count, policy: Policy::Randaugment { magnitude } } => {
                write!(f, "randaugment of magnitude {magnitude}, {count} views")
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// A name in [`crate::backbone`]'s table.
    pub backbone: String,
    pub weights: WeightsIdentity,
}

/// The starting weights by content, wherever the file lies.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightsIdentity {
    /// Initialised by Keras' rules from a fixed seed, the same for every trial: a stand-in for pretrained weights.
    Random,
    /// BLAKE3 of the file, in hexadecimal.
    File(String),
}

/// Hyperparameters: every key that may stand in `[grid]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// How many of the backbone's layers, counted as Keras counts `model.layers`, stay as they are.
    pub frozen_layers: u32,
    /// Width of each dense layer before the classifier: the first `head_depth` of the definition's `head_units`.
    pub head_units: Vec<u32>,
    /// Dropout rate after each of `head_units`, same length.
    pub head_dropout: Vec<f64>,
    pub optimizer: Optimizer,
    /// Before any schedule.
    pub learning_rate: f64,
    pub recipe: Recipe,
    pub epochs: u32,
    pub batch_size: u32,
    pub precision: Precision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    Adam,
    Rmsprop,
    Sgd,
    /// Adam; the name says that weight decay is meant, which every optimizer takes apart from its gradients here.
    Adamw,
}

impl Optimizer {
    /// As definitions and the canonical form name them.
    pub const NAMES: [&str; 4] = ["adam", "rmsprop", "sgd", "adamw"];

    /// How many numbers it remembers of each that it trains.
    pub fn moments(self) -> u64 {
        match self {
            Optimizer::Adam | Optimizer::Adamw => 2,
            Optimizer::Rmsprop | Optimizer::Sgd => 1,
        }
    }
}

/// What is done to rate, labels, gradients and weights on the way; the default does nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    pub schedule: Schedule,
    /// Epochs in which the rate grows linearly from 0.
    pub warmup_epochs: u32,
    /// Of [`Optimizer::Sgd`]; 0 for the others.
    pub momentum: f64,
    /// Share of each trained value that a step takes away, times the rate, as Keras' `weight_decay`.
    pub weight_decay: f64,
    /// Share of the truth that is spread over all classes.
    pub label_smoothing: f64,
    /// The gradients of all trained parameters together are scaled down to this norm; 0 leaves them.
    pub clip_norm: f64,
    #[serde(default, skip_serializing_if = "ClassWeights::are_none")]
    pub class_weights: ClassWeights,
}

/// What the loss of an image is multiplied by, which depends on its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    #[default]
    None,
    /// The rarer a class is, the more each of its images counts: `n / (k n_c)` for `n_c` of `n` images in one of `k` classes, as
    /// scikit-learn's `compute_class_weight("balanced")` has it.
    Balanced,
}

impl ClassWeights {
    pub const ALL: [ClassWeights; 2] = [ClassWeights::None, ClassWeights::Balanced];

    /// As definitions and the canonical form name them.
    pub fn name(self) -> &'static str {
        match self {
            ClassWeights::None => "none",
            ClassWeights::Balanced => "balanced",
        }
    }

    fn are_none(&self) -> bool {
        *self == ClassWeights::None
    }
}

/// How the learning rate goes on after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    #[default]
    Constant,
    /// Half a cosine wave down to 0 at the last step.
    Cosine,
    /// Multiplied by `factor` every `epochs`.
    Step { epochs: u32, factor: f64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// IEEE 754's, on a GPU too.
    Float32,
    /// A GPU's float32 with factors of 10 bits of mantissa in convolutions and products: several times as fast.
    Tf32,
    Bfloat16,
}

impl Precision {
    pub const ALL: [Precision; 3] = [Precision::Float32, Precision::Tf32, Precision::Bfloat16];

    /// As it is written in a definition.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Float32 => "float32",
            Precision::Tf32 => "tf32",
            Precision::Bfloat16 => "bfloat16",
        }
    }
}

/// Identity of a trial: a hash of its [`TrialSpec`] and of nothing else.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrialId(pub [u8; 16]);

/// Identity of a configuration: trials of one group differ in the seed only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub [u8; 16]);

/// Identities of trials that share data and model: what is the same is hashed once.
pub(crate) struct Identities {
    trial: blake3::Hasher,
    group: blake3::Hasher,
}

impl Identities {
    pub(crate) fn of(data: &DataSpec, model: &ModelSpec) -> Identities {
        let mut shared = br#"{"data":"#.to_vec();
        write_json(&mut shared, data);
        shared.extend_from_slice(br#","model":"#);
        write_json(&mut shared, model);
        shared.extend_from_slice(br#","parameters":"#);
        let begun = |domain| {
            let mut hasher = hasher(domain);
            hasher.update(&shared);
            hasher
        };
        Identities { trial: begun(TRIAL), group: begun(GROUP) }
    }

    /// The same as [`TrialSpec::id`] and [`TrialSpec::group`].
    pub(crate) fn trial(&self, parameters: &Parameters, seed: u64) -> (TrialId, GroupId) {
        let mut rest = Vec::with_capacity(512);
        write_json(&mut rest, parameters);
        let finished = |begun: &blake3::Hasher, seed: u64| {
            let mut hasher = begun.clone();
            hasher.update(&rest);
            hasher.update(format!(r#","seed":{seed}}}"#).as_bytes());
            first_half(&hasher)
        };
        (TrialId(finished(&self.trial, seed)), GroupId(finished(&self.group, 0)))
    }
}

impl TrialSpec {
    /// BLAKE3 over the canonical form: compact JSON in the order of declaration, floats in their shortest exact form.
    pub fn id(&self) -> TrialId {
        TrialId(digest(TRIAL, self))
    }

    pub fn group(&self) -> GroupId {
        let unseeded = TrialSpec { seed: 0, ..self.clone() };
        GroupId(digest(GROUP, &unseeded))
    }
}

impl TrialId {
    /// Name of the file that keeps what this trial trained, in the results' folder of models.
    pub fn model_file(self) -> String {
        format!("{self}.safetensors")
    }
}

const TRIAL: &str = "frostline trial";
const GROUP: &str = "frostline group";

fn hasher(domain: &str) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher.update(format!("{domain} v{FORMAT}\0").as_bytes());
    hasher
}

fn write_json(into: impl std::io::Write, value: &impl Serialize) {
    serde_json::to_writer(into, value).expect("a trial has no map keys or values that JSON cannot hold");
}

fn first_half(hasher: &blake3::Hasher) -> [u8; 16] {
    let mut id = [0; 16];
    id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    id
}

fn digest(domain: &str, spec: &TrialSpec) -> [u8; 16] {
    let mut hasher = hasher(domain);
    write_json(&mut hasher, spec);
    first_half(&hasher)
}

macro_rules! hexadecimal_id {
    ($name:ident) => {
        impl $name {
            /// The first digits: enough to tell those of one results folder apart, and to be typed.
            pub fn short(self) -> String {
                self.to_string()[..8].to_owned()
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId(text.to_owned());
                if text.len() != 32 || !text.is_ascii() {
                    return Err(invalid());
                }
                let mut id = [0; 16];
                for (byte, digits) in id.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    let digits = std::str::from_utf8(digits).map_err(|_| invalid())?;
                    *byte = u8::from_str_radix(digits, 16).map_err(|_| invalid())?;
                }
                Ok($name(id))
            }
        }
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hexadecimal_id!(TrialId);
hexadecimal_id!(GroupId);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not 32 hexadecimal digits")]
pub struct InvalidId(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_definitions_and_of_the_canonical_form() {
        for precision in Precision::ALL {
            assert_eq!(serde_json::json!(precision), precision.name());
        }
        let views = |policy| Augment::Views { count: 3, policy };
        let augments = [
            (Augment::None, "none", 1),
            (Augment::Flip, "flip", 2),
            (views(Policy::Crop), "crop, 3 views", 3),
            (views(Policy::Color), "color, 3 views", 3),
            (views(Policy::Randaugment { magnitude: 9 }), "randaugment of magnitude 9, 3 views", 3),
        ];
        for (augment, said, count) in augments {
            assert_eq!((augment.to_string().as_str(), augment.views()), (said, count));
        }
        let model = TrialId([0xab; 16]).model_file();
        assert_eq!(model, format!("{}.safetensors", "ab".repeat(16)));
    }

    /// Adam keeps the means of gradients and of their squares; RMSProp that of the squares, SGD its velocity.
    #[test]
    fn optimizers_remember_what_their_formulas_have() {
        use Optimizer::*;
        assert_eq!([Adam, Adamw, Rmsprop, Sgd].map(Optimizer::moments), [2, 2, 1, 1]);
    }

    #[test]
    fn every_name_of_an_optimizer_is_read_and_written() {
        for name in Optimizer::NAMES {
            let optimizer: Optimizer = serde_json::from_value(name.into()).unwrap();
            assert_eq!(serde_json::to_value(optimizer).unwrap(), name);
        }
    }
}
