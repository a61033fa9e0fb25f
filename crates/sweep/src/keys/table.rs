//! Every key of a definition: where it stands, what it may be, what holds without it, what it means.

use super::key::{Fallback, Key, Section};
use super::kind::Kind;
use crate::backbone;
use crate::dataset::{Dataset, Fit};
use crate::trial::Optimizer;
use std::ops::Bound::Excluded;

/// The keys of a trial, each of which may stand in `[grid]` too, with a list of values.
pub const HYPERPARAMETERS: &str = "train";

pub static SECTIONS: [Section; 10] = [
    Section { name: "sweep", keys: "sweep", meaning: "What the sweep is called and selects by." },
    Section { name: "data", keys: "data", meaning: "The images." },
    Section { name: "model", keys: "model", meaning: "The pretrained network." },
    Section {
        name: "grid",
        keys: HYPERPARAMETERS,
        meaning: "The axes: hyperparameters with a list of values each. Their cross product is the sweep.",
    },
    Section {
        name: "exclude",
        keys: HYPERPARAMETERS,
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
    Section { name: "slurm", keys: "slurm", meaning: "How Slurm is asked for workers." },
];

static KEYS: [Key; 61] = [
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
        example: r#""data/cifar-10-batches-bin""#,
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
        kind: Kind::Words(|| vec!["none", "flip"]),
        default: Fallback::Is(r#""none""#),
        meaning: "`\"flip\"` adds every image mirrored left to right.",
        example: r#""flip""#,
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
        kind: Kind::Words(|| backbone::names().collect()),
        default: Fallback::Required,
        meaning: "The network; `frostline layers` lists the layers of each.",
        example: r#""efficientnet_v2_s""#,
    },
    Key {
        section: "model",
        name: "weights",
        kind: Kind::Text("a catalogue name, a file, or \"random\""),
        default: Fallback::Required,
        meaning: "What the network has learnt before. The catalogue, which `frostline fetch` shows, has \
                  `efficientnet_v2_s.imagenet1k` and `efficientnet_lite0.imagenet1k`, among others; `\"random\"` is a \
                  stand-in that needs no file. `FILE#KEY` names one of several networks in a file.",
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
        meaning: "How many of `head_units` are used, from the first on. With 0, the classifier sits on the backbone \
                  alone.",
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
    Key {
        section: "workers",
        name: "launcher",
        kind: Kind::Words(|| vec!["local", "slurm"]),
        default: Fallback::Is(r#""local""#),
        meaning: "Who starts workers: `\"local\"`, the coordinator on its own machine; `\"slurm\"`, as jobs of a cluster \
                  ([cluster.md](cluster.md)), by what `[slurm]` says.",
        example: r#""slurm""#,
    },
    Key {
        section: "workers",
        name: "count",
        kind: Kind::WordOr("auto", &Kind::Whole { least: 0, most: 1024 }),
        default: Fallback::Is(r#""auto""#),
        meaning: "Worker processes on this machine. `\"auto\"` takes one a core or one a GPU, and for sweeps of more than \
                  some minutes the number that measuring finds to be fastest. 0 leaves all to workers of other machines \
                  (`listen`).",
        example: "2",
    },
    Key {
        section: "workers",
        name: "threads",
        kind: Kind::WordOr("auto", &Kind::Whole { least: 1, most: 1024 }),
        default: Fallback::Is(r#""auto""#),
        meaning: "libtorch threads of each worker; `\"auto\"` as with `count`. Results repeat to the bit for the same \
                  number of threads only, so it is chosen once a sweep and kept.",
        example: "1",
    },
    Key {
        section: "workers",
        name: "device",
        kind: Kind::Words(|| vec!["auto", "cpu", "cuda"]),
        default: Fallback::Is(r#""auto""#),
        meaning: "Where the workers compute; `\"auto\"` takes CUDA where it is.",
        example: r#""cpu""#,
    },
    Key {
        section: "workers",
        name: "lease",
        kind: Kind::seconds(1.0),
        default: Fallback::Is("20.0"),
        meaning: "Silence after which a worker counts as lost: it is killed, and its trial goes to another. Workers \
                  say that they live several times in that time, also in long batches.",
        example: "60",
    },
    Key {
        section: "workers",
        name: "stall",
        kind: Kind::seconds(1.0),
        default: Fallback::Is("600.0"),
        meaning: "Time without a step after which a worker that lives is replaced, as one that is lost is: a computation \
                  can hang. A worker has ten times the longest step so far in any case.",
        example: "60",
    },
    Key {
        section: "workers",
        name: "reconnect_grace",
        kind: Kind::seconds(0.0),
        default: Fallback::Is("30.0"),
        meaning: "How long a worker without its coordinator tries to come back before it ends.",
        example: "120",
    },
    Key {
        section: "workers",
        name: "listen",
        kind: Kind::Address,
        default: Fallback::Follows("nobody is let in"),
        meaning: "Where workers of other machines may join ([cluster.md](cluster.md)): an address of this machine, or \
                  `0.0.0.0` for all of them. They prove by a certificate that they have `run/access.json` of the results \
                  folder.",
        example: r#""0.0.0.0:7171""#,
    },
    Key {
        section: "workers",
        name: "deterministic",
        kind: Kind::Switch,
        default: Fallback::Is("false"),
        meaning: "Lets GPUs take only algorithms that add up in the same order each time: a trial repeated on the same \
                  model of GPU, driver and libtorch gives the same metrics to the bit. Slower. A CPU always does.",
        example: "true",
    },
    Key {
        section: "cache",
        name: "features",
        kind: Kind::Words(|| vec!["auto", "off"]),
        default: Fallback::Is(r#""auto""#),
        meaning: "`\"auto\"` computes the output of frozen layers once and keeps it where that saves more time than it \
                  costs (`frostline plan` shows the decisions); `\"off\"` never does.",
        example: r#""off""#,
    },
    Key {
        section: "cache",
        name: "max_bytes",
        kind: Kind::Bytes,
        default: Fallback::Is(r#""20 GB""#),
        meaning: "Space for cached features, those of earlier sweeps included, of which the least recently used go \
                  first; nine tenths of the free disk at most. The units are B, kB, MB, GB, TB, KiB, MiB, GiB and TiB.",
        example: r#""500 MiB""#,
    },
    Key {
        section: "keep",
        name: "models",
        kind: Kind::Words(|| vec!["best", "all", "none"]),
        default: Fallback::Is(r#""best""#),
        meaning: "`\"best\"` keeps the best of the sweep by its objective so far, `\"all\"` every model, `\"none\"` none.",
        example: r#""all""#,
    },
    Key {
        section: "keep",
        name: "count",
        kind: Kind::Whole { least: 1, most: 1_000_000 },
        default: Fallback::Is("5"),
        meaning: "With `\"best\"`: how many; and, where there are more, up to 20 that cannot be told from the best one.",
        example: "3",
    },
    Key {
        section: "keep",
        name: "max_bytes",
        kind: Kind::Bytes,
        default: Fallback::Is(r#""2 GB""#),
        meaning: "Space for the sweep's models together; the best come first. A model holds what differs from the \
                  pretrained network: up to 80 MB where every layer of EfficientNetV2-S trained, 2 MB where only the \
                  head did.",
        example: r#""500 MB""#,
    },
    Key {
        section: "slurm",
        name: "partition",
        kind: Kind::Text("the name of a partition"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--partition` of each worker's job.",
        example: r#""gpu""#,
    },
    Key {
        section: "slurm",
        name: "account",
        kind: Kind::Text("the name of an account"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--account`.",
        example: r#""vision""#,
    },
    Key {
        section: "slurm",
        name: "qos",
        kind: Kind::Text("the name of a quality of service"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--qos`.",
        example: r#""normal""#,
    },
    Key {
        section: "slurm",
        name: "constraint",
        kind: Kind::Text("features of nodes"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--constraint`: of nodes of one kind, metrics are the same to the bit.",
        example: r#""a100""#,
    },
    Key {
        section: "slurm",
        name: "gpus",
        kind: Kind::Text("GPUs as Slurm writes them"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--gpus` of each worker, which uses one. 1 where `workers.device` is `\"cuda\"`.",
        example: r#""a100:1""#,
    },
    Key {
        section: "slurm",
        name: "cpus",
        kind: Kind::Whole { least: 1, most: 1024 },
        default: Fallback::Follows("`workers.threads`"),
        meaning: "`--cpus-per-task` of each worker.",
        example: "8",
    },
    Key {
        section: "slurm",
        name: "memory",
        kind: Kind::Text("a size as Slurm writes it"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--mem` of each worker.",
        example: r#""16G""#,
    },
    Key {
        section: "slurm",
        name: "time",
        kind: Kind::Text("a time as Slurm writes it"),
        default: Fallback::Follows("Slurm's own default"),
        meaning: "`--time` of each worker. It leaves with a checkpoint before that, and another one goes on.",
        example: r#""4:00:00""#,
    },
    Key {
        section: "slurm",
        name: "max_jobs",
        kind: Kind::Whole { least: 1, most: 1024 },
        default: Fallback::Is("4"),
        meaning: "Workers at a time. Fewer are asked for where less is left to do.",
        example: "16",
    },
    Key {
        section: "slurm",
        name: "backlog",
        kind: Kind::Whole { least: 1, most: 64 },
        default: Fallback::Is("4"),
        meaning: "Jobs that wait in the queue at a time.",
        example: "2",
    },
    Key {
        section: "slurm",
        name: "options",
        kind: Kind::List {
            noun: "arguments of sbatch",
            of: &Kind::Text("an argument"),
            filled: false,
            distinct: false,
        },
        default: Fallback::Is("[]"),
        meaning: "Further arguments of `sbatch`.",
        example: r#"["--exclude=n7"]"#,
    },
    Key {
        section: "slurm",
        name: "prologue",
        kind: Kind::Text("lines of a shell"),
        default: Fallback::Follows("nothing"),
        meaning: "What a job does before its worker starts.",
        example: r#""module load cuda""#,
    },
    Key {
        section: "slurm",
        name: "poll",
        kind: Kind::seconds(1.0),
        default: Fallback::Is("30.0"),
        meaning: "Time between two looks at the queue.",
        example: "60",
    },
];

/// The keys of a section, as [`Section::keys`] names it.
pub fn of(section: &str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section == section)
}

pub fn find(section: &str, name: &str) -> Option<&'static Key> {
    of(section).find(|key| key.name == name)
}

/// The hyperparameter called `name`.
pub fn hyperparameter(name: &str) -> Option<&'static Key> {
    find(HYPERPARAMETERS, name)
}
