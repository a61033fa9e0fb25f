//! Every key of a definition: where it stands, what it may be, what holds without it, what it means. Those of how a sweep is
//! run are in [`running`].

use super::key::{Fallback, HYPERPARAMETERS, Key, Section};
use super::kind::Kind;
use super::running::RUNNING;
use crate::dataset::{AugmentChoice, Dataset, Fit};

use crate::trial::{ClassWeights, Optimizer};
use std::ops::Bound::Excluded;

/// All keys that may stand in `[grid]`: those, and the network.
pub const AXES: &str = "axes";

pub static SECTIONS: [Section; 12] = [
    Section { name: "sweep", keys: "sweep", meaning: "What the sweep is called and selects by." },
    Section { name: "data", keys: "data", meaning: "The images." },
    Section { name: "model", keys: "model", meaning: "The pretrained network." },
    Section {
        name: "grid",
        keys: AXES,
        meaning: "The axes: hyperparameters, or `backbone`, with a list of values each. Their cross product is the sweep.",
    },
    Section {
        name: "exclude",
        keys: AXES,
        meaning: "Cells to leave out: those in which all of these keys have the given values.",
    },
    Section {
        name: "train",
        keys: HYPERPARAMETERS,
        meaning: "The hyperparameters that all trials share, with one value each.",
    },
    Section { name: "workers", keys: "workers", meaning: "How the sweep is run." },
    Section { name: "cache", keys: "cache", meaning: "What is kept of the output of frozen layers." },
    Section { name: "keep", keys: "keep", meaning: "Which trained models stay." },
    Section { name: "ssh", keys: "ssh", meaning: "Which machines work, and what lies where on them." },
    Section { name: "slurm", keys: "slurm", meaning: "How Slurm is asked for workers." },
    Section { name: "command", keys: "command", meaning: "How another engine is asked for workers." },
];

static KEYS: [Key; 37] = [
    Key {
        section: "sweep",
        name: "name",
        kind: Kind::Name,
        default: Fallback::Required,
        meaning: "What the sweep is called in the database. Launching a file under a name that exists extends that \
                  sweep.",
        example: r#""cifar10-lite0""#,
    },
    Key {
        section: "sweep",
        name: "objective",
        kind: Kind::Objective,
        default: Fallback::Is(r#""val_accuracy""#),
        meaning: "What trials are ranked by, measured after the last epoch. Accuracies are maximised, losses \
                  minimised. Test metrics are measured too, but select nothing.",
        example: r#""val_loss""#,
    },
    Key {
        section: "sweep",
        name: "seeds",
        kind: Kind::List {
            noun: "whole numbers such as [0, 1, 2]",
            of: &Kind::Whole { least: 0, most: i64::MAX as u64 },
            filled: true,
            distinct: true,
        },
        default: Fallback::Is("[0]"),
        meaning: "Every cell of the grid runs once per seed.",
        example: "[0, 1, 2]",
    },
    Key {
        section: "data",
        name: "dataset",
        kind: Kind::Words(|| Dataset::ALL.map(Dataset::name).to_vec()),
        default: Fallback::Required,
        meaning: "CIFAR-10; CIFAR-100 by its 100 classes, or as `\"cifar100_coarse\"` by their 20 groups; `\"folder\"`, \
                  which is pictures of your own ([your-own-images.md](your-own-images.md)); `\"parquet\"`, which is \
                  pictures in Parquet files, as data sets of Hugging Face are stored; or `\"shapes\"`, 4,000 training and 1,000 test images of ten classes that the program draws itself, \
                  without any file.",
        example: r#""cifar10""#,
    },
    Key {
        section: "data",
        name: "path",
        kind: Kind::Text("a folder"),
        default: Fallback::Follows("the catalogue's place"),
        meaning: "Folder of the pictures or of the Parquet files, which `\"folder\"` and `\"parquet\"` need, or of CIFAR's \
                  binary version. A relative path counts from the folder that `frostline` is started in. Without `path`, the folder that `frostline fetch \
                  cifar10` (or `cifar100`) fills. Not allowed for `\"shapes\"`.",
        example: r#""data/cifar-10""#,
    },
    Key {
        section: "data",
        name: "validation",
        kind: Kind::WordOr(
            "test",
            &Kind::Number { noun: "a share of the training images", from: Excluded(0.0), to: Excluded(1.0) },
        ),
        default: Fallback::Is("0.1"),
        meaning: "The images to select by: a share of the training images, which is held out, each class keeping its \
                  share; or `\"test\"`, which selects by the test images and trains on all training images. Where \
                  pictures of your own have a validation split, it stands in for the share.",
        example: "0.2",
    },
    Key {
        section: "data",
        name: "test_share",
        kind: Kind::Number { noun: "a share of the images", from: Excluded(0.0), to: Excluded(1.0) },
        default: Fallback::Is("0.1"),
        meaning: "For `\"folder\"` and `\"parquet\"`: the share of each class that is held out to test where there are no \
                  test images.",
        example: "0.2",
    },
    Key {
        section: "data",
        name: "image_size",
        kind: Kind::Whole { least: 32, most: 1024 },
        default: Fallback::Is("128"),
        meaning: "Side in pixels of the squares that the network sees. Smaller images, such as the 32 x 32 ones of \
                  CIFAR-10, are scaled to it, bilinearly; larger pictures are resized with anti-aliasing.",
        example: "96",
    },
    Key {
        section: "data",
        name: "fit",
        kind: Kind::Words(|| Fit::ALL.map(Fit::name).to_vec()),
        default: Fallback::Is(r#""crop""#),
        meaning: "For `\"folder\"` and `\"parquet\"`: what becomes of a picture that is no square. `\"crop\"` takes the largest square in \
                  its middle, `\"pad\"` puts black bars beside it, `\"stretch\"` makes its sides equally long.",
        example: r#""pad""#,
    },
    Key {
        section: "data",
        name: "unreadable",
        kind: Kind::Words(|| vec!["refuse", "skip"]),
        default: Fallback::Is(r#""refuse""#),
        meaning: "For `\"folder\"` and `\"parquet\"`: what becomes of data in which pictures cannot be read. `\"refuse\"` \
                  names them all and starts nothing; `\"skip\"` leaves them out and says how many they are.",
        example: r#""skip""#,
    },
    Key {
        section: "data",
        name: "image_column",
        kind: Kind::Text("the name of a column"),
        default: Fallback::Follows("the only column of pictures"),
        meaning: "For `\"parquet\"`: the column of the pictures, which are bytes, or a struct in which `bytes` are.",
        example: r#""image""#,
    },
    Key {
        section: "data",
        name: "label_column",
        kind: Kind::Text("the name of a column"),
        default: Fallback::Follows("the only column of labels"),
        meaning: "For `\"parquet\"`: the column of the labels, whole numbers or text. Without it the one that the file's \
                  metadata calls a `ClassLabel`, else the one called `label`, else the only one that can be it.",
        example: r#""label""#,
    },
    Key {
        section: "data",
        name: "augment",
        kind: Kind::Words(|| AugmentChoice::ALL.map(AugmentChoice::name).to_vec()),
        default: Fallback::Is(r#""none""#),
        meaning: "What training images are seen as. `\"flip\"` adds every image mirrored left to right. The others add `views`: \
                  `\"crop\"` shifts an image by up to an eighth, with reflected edges, and mirrors it half of the time; `\"color\"` \
                  changes brightness, contrast and saturation by up to 0.4, too; `\"randaugment\"` does two of RandAugment's \
                  fourteen operations instead, as torchvision has them.",
        example: r#""flip""#,
    },
    Key {
        section: "data",
        name: "views",
        kind: Kind::Whole { least: 2, most: 64 },
        default: Fallback::Follows("needed by `\"crop\"`, `\"color\"` and `\"randaugment\"`"),
        meaning: "How many views there are of each training image, the image itself counted. They are drawn once for the data \
                  set, so that frozen layers are computed once for each view; every epoch takes one view of each image at random. \
                  Features take that many times the room.",
        example: "4",
    },
    Key {
        section: "data",
        name: "magnitude",
        kind: Kind::Whole { least: 0, most: 30 },
        default: Fallback::Follows("9 with `\"randaugment\"`"),
        meaning: "How strong RandAugment's operations are.",
        example: "15",
    },
    Key {
        section: "data",
        name: "train_limit",
        kind: Kind::Whole { least: 20, most: u32::MAX as u64 },
        default: Fallback::Follows("all images"),
        meaning: "At most this many training images, chosen so that each class keeps its share. Validation is taken \
                  out of them.",
        example: "5000",
    },
    Key {
        section: "data",
        name: "test_limit",
        kind: Kind::Whole { least: 10, most: u32::MAX as u64 },
        default: Fallback::Follows("all images"),
        meaning: "The same for the test images.",
        example: "1000",
    },
    Key {
        section: "model",
        name: "backbone",
        kind: Kind::Network,
        default: Fallback::Required,
        meaning: "The network: EfficientNetV2-S, M, L and B0 to B3, EfficientNet-B0 to B7 or EfficientNet-Lite0 to Lite4; \
                  `frostline layers NETWORK` lists its layers. In `[grid]` instead, with a list, the sweep chooses it.",
        example: r#""efficientnet_v2_s""#,
    },
    Key {
        section: "model",
        name: "weights",
        kind: Kind::Weights,
        default: Fallback::Is(r#""imagenet""#),
        meaning: "What the network has learnt before: `\"imagenet\"`, the weights for it that stand first in the catalogue; a name of \
                  the catalogue, which `frostline fetch` shows; a file, where `FILE#KEY` names one of several networks in it; or \
                  `\"random\"`, a stand-in that needs no file. Of several networks, a table says it of each: \
                  `{ efficientnet_lite0 = \"imagenet\", efficientnet_b0 = \"b0.pth\" }`.",
        example: r#""random""#,
    },
    Key {
        section: HYPERPARAMETERS,
        name: "frozen_layers",
        kind: Kind::Layers,
        default: Fallback::Required,
        meaning: "How many of the backbone's first layers stay as they are, counted as Keras counts `model.layers` \
                  without the classifier. A whole number is a count; a number with a point is a share of all layers, \
                  rounded down (`1` is one layer, `1.0` is all of them); a block's name freezes it and all before it \
                  (`frostline layers NETWORK --blocks`).",
        example: "0.75",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "head_depth",
        kind: Kind::Whole { least: 0, most: 16 },
        default: Fallback::Follows("the length of `head_units`"),
        meaning: "How many of `head_units` are used, from the first on; where there are none, how many dense layers of \
                  256, 128, 64 and so on 64 units. With 0, the classifier sits on the backbone alone.",
        example: "2",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "head_units",
        kind: Kind::List {
            noun: "whole numbers such as [256, 128]",
            of: &Kind::Whole { least: 1, most: 65_536 },
            filled: false,
            distinct: false,
        },
        default: Fallback::Is("[]"),
        meaning: "Width of each dense layer, 1 to 65,536, with ReLU. The classifier follows and is not listed.",
        example: "[256, 128, 64]",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "head_dropout",
        kind: Kind::List { noun: "rates such as [0.5, 0.4]", of: &Kind::RATE, filled: false, distinct: false },
        default: Fallback::Is("[]"),
        meaning: "Dropout rate after each dense layer, from 0 to below 1. Layers beyond the list have none. At most as \
                  many rates as `head_units`.",
        example: "[0.5, 0.4]",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "optimizer",
        kind: Kind::Words(|| Optimizer::NAMES.to_vec()),
        default: Fallback::Is(r#""adam""#),
        meaning: "What trains, with Keras' definitions and defaults.",
        example: r#""rmsprop""#,
    },
    Key {
        section: HYPERPARAMETERS,
        name: "momentum",
        kind: Kind::RATE,
        default: Fallback::Is("0.9"),
        meaning: "Of `\"sgd\"`; without meaning for the others.",
        example: "0.95",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "weight_decay",
        kind: Kind::RATE,
        default: Fallback::Follows("0.004 with `\"adamw\"`, else 0"),
        meaning: "Share of every trained value that a step takes away, times the learning rate.",
        example: "1e-4",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "learning_rate",
        kind: Kind::POSITIVE,
        default: Fallback::Is("0.001"),
        meaning: "What the schedule starts from.",
        example: "3e-4",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "schedule",
        kind: Kind::Words(|| vec!["constant", "cosine", "step"]),
        default: Fallback::Is(r#""constant""#),
        meaning: "How the rate goes on after the warm-up: `\"cosine\"` is half a wave down to 0 at the last step, \
                  `\"step\"` drops it every `step_epochs`.",
        example: r#""cosine""#,
    },
    Key {
        section: HYPERPARAMETERS,
        name: "warmup_epochs",
        kind: Kind::Whole { least: 0, most: 100_000 },
        default: Fallback::Is("0"),
        meaning: "Epochs in which the rate grows linearly from 0, at most `epochs`.",
        example: "1",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "step_epochs",
        kind: Kind::Whole { least: 1, most: 100_000 },
        default: Fallback::Is("3"),
        meaning: "With `\"step\"`: the rate drops every so many epochs.",
        example: "5",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "step_factor",
        kind: Kind::POSITIVE,
        default: Fallback::Is("0.1"),
        meaning: "With `\"step\"`: what the rate is multiplied by then.",
        example: "0.5",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "label_smoothing",
        kind: Kind::RATE,
        default: Fallback::Is("0.0"),
        meaning: "Share of the truth that is spread over all classes. It counts in `train_loss`, not in the other \
                  losses.",
        example: "0.1",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "class_weights",
        kind: Kind::Words(|| ClassWeights::ALL.map(ClassWeights::name).to_vec()),
        default: Fallback::Is(r#""none""#),
        meaning: "For classes of uneven sizes. With `\"balanced\"` the loss of an image is multiplied by n / (k n_c), where \
                  n_c of the n images that are trained on are in its class, one of k, as scikit-learn's \"balanced\" has \
                  it; a step takes the sum of a batch over its images, as Keras' `class_weight`. It counts in \
                  `train_loss`, not in the other losses.",
        example: r#""balanced""#,
    },
    Key {
        section: HYPERPARAMETERS,
        name: "clip_norm",
        kind: Kind::NOT_NEGATIVE,
        default: Fallback::Is("0.0"),
        meaning: "The gradients of all trained parameters together are scaled down to this norm; 0 leaves them.",
        example: "1.0",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "epochs",
        kind: Kind::Whole { least: 1, most: 100_000 },
        default: Fallback::Is("10"),
        meaning: "How often a trial sees every training image.",
        example: "3",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "batch_size",
        kind: Kind::Whole { least: 1, most: 65_536 },
        default: Fallback::Is("64"),
        meaning: "Images a step.",
        example: "50",
    },
    Key {
        section: HYPERPARAMETERS,
        name: "precision",
        kind: Kind::Words(|| vec!["float32", "tf32", "bfloat16"]),
        default: Fallback::Is(r#""float32""#),
        meaning: "`\"bfloat16\"` is for the backbone's products and its cached features. Trained parameters, their \
                  gradients, optimizer and head stay float32. `\"tf32\"` is for GPUs only: float32 whose products take \
                  factors of 10 bits of mantissa, which is several times as fast there. `\"float32\"` is IEEE's.",
        example: r#""bfloat16""#,
    },
];

/// The keys of a section, as [`Section::keys`] names it.
pub fn of(section: &str) -> impl Iterator<Item = &'static Key> {
    let is_of = move |key: &&Key| key.section == section || section == AXES && key.may_vary();
    KEYS.iter().chain(&RUNNING).filter(is_of)
}

pub fn find(section: &str, name: &str) -> Option<&'static Key> {
    of(section).find(|key| key.name == name)
}

/// The hyperparameter called `name`, of which the network is one here.
pub fn hyperparameter(name: &str) -> Option<&'static Key> {
    find(AXES, name)
}
