//! What a definition says, as the rest of the program takes it.

use crate::backbone::Architecture;
use crate::dataset::{AugmentChoice, Dataset, Fit, Unreadable};
use crate::metric::Metric;
use crate::trial::{Augment, Policy, Validation};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One TOML file, checked: everything in it is possible, though files that it names may not be there.
#[derive(Debug, Clone)]
pub struct Definition {
    pub name: String,
    pub objective: &'static Metric,
    pub seeds: Vec<u64>,
    pub data: Data,
    /// Each one that a trial starts from, in the order of the axis `backbone` where there is one.
    pub networks: Vec<Network>,
    /// In the order of the file; the cross product is the sweep.
    pub axes: Vec<Axis>,
    /// Values of the hyperparameters that are no axis, defaults included.
    pub fixed: BTreeMap<&'static str, Value>,
    pub exclude: Vec<Exclusion>,
    pub workers: Workers,
    pub cache: Cache,
    pub keep: Keep,
    pub launchers: Launchers,
    /// What was parsed, overrides included: parsing it again gives the same definition.
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    pub dataset: Dataset,
    /// None where the catalogue's place is meant.
    pub path: Option<PathBuf>,
    #[serde(deserialize_with = "validation")]
    pub validation: Validation,
    /// Share that is held out to test where pictures have no test split.
    pub test_share: f64,
    pub image_size: u32,
    pub fit: Fit,
    pub unreadable: Unreadable,
    /// Of a Parquet file; none where only one can be meant.
    pub image_column: Option<String>,
    pub label_column: Option<String>,
    pub augment: AugmentChoice,
    /// How many, where they are random.
    pub views: Option<u32>,
    /// Of RandAugment.
    pub magnitude: Option<u32>,
    pub train_limit: Option<u32>,
    pub test_limit: Option<u32>,
}

impl Data {
    /// torchvision's own.
    const MAGNITUDE: u32 = 9;

    /// What training images are seen as.
    pub fn augmentation(&self) -> Augment {
        let views = |policy| Augment::Views { count: self.views.unwrap_or(1), policy };
        match self.augment {
            AugmentChoice::None => Augment::None,
            AugmentChoice::Flip => Augment::Flip,
            AugmentChoice::Crop => views(Policy::Crop),
            AugmentChoice::Color => views(Policy::Color),
            AugmentChoice::Randaugment => {
                views(Policy::Randaugment { magnitude: self.magnitude.unwrap_or(Data::MAGNITUDE) })
            }
        }
    }
}

/// A pretrained network.
#[derive(Debug, Clone)]
pub struct Network {
    pub architecture: &'static Architecture,
    /// "random", "imagenet", a catalogue name, or a file.
    pub weights: String,
    /// Whether a table says so of this network, and not one text of all.
    pub is_own: bool,
}

/// One key of `[grid]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    pub name: &'static str,
    /// As written, and in canonical form.
    pub values: Vec<(Value, Value)>,
}

/// Cells in which each of these keys has one of these canonical values do not run.
#[derive(Debug, Clone, PartialEq)]
pub struct Exclusion {
    pub conditions: Vec<(&'static str, Vec<Value>)>,
}

/// How the sweep is run; never part of a trial's identity.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workers {
    /// Who starts them.
    pub launcher: LauncherChoice,
    /// None chooses by the machine.
    #[serde(deserialize_with = "automatic")]
    pub count: Option<u32>,
    /// libtorch threads of each worker; none chooses by the machine.
    #[serde(deserialize_with = "automatic")]
    pub threads: Option<u32>,
    pub device: DeviceChoice,
    /// Seconds of silence after which a worker is given up.
    pub lease: f64,
    /// Seconds without a step after which a worker that lives is replaced.
    pub stall: f64,
    /// Seconds that a worker without its coordinator tries to come back.
    pub reconnect_grace: f64,
    /// Where workers of other machines may join.
    pub listen: Option<SocketAddr>,
    /// GPUs take only algorithms that give the same sums each time.
    pub deterministic: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LauncherChoice {
    Local,
    Ssh,
    Slurm,
    Command,
}

/// What each of those that start workers needs to know; of use is the one that [`Workers::launcher`] names.
#[derive(Debug, Clone, PartialEq)]
pub struct Launchers {
    pub ssh: Ssh,
    pub slurm: Slurm,
    pub command: Commands,
}

/// The machines that work where ssh reaches them. Paths are theirs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ssh {
    pub hosts: Vec<String>,
    /// Workers on each; none asks what the machine has.
    #[serde(deserialize_with = "automatic")]
    pub count: Option<u32>,
    pub program: PathBuf,
    /// Further arguments of `ssh`.
    pub options: Vec<String>,
    pub data: Option<PathBuf>,
    pub weights: Option<PathBuf>,
    pub scratch: Option<PathBuf>,
    pub checkpoints: Option<PathBuf>,
}

/// How Slurm is asked for workers. What is none is left to Slurm.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slurm {
    pub partition: Option<String>,
    pub account: Option<String>,
    pub qos: Option<String>,
    pub constraint: Option<String>,
    /// Of each worker, as Slurm writes them.
    pub gpus: Option<String>,
    pub cpus: Option<u32>,
    pub memory: Option<String>,
    pub time: Option<String>,
    /// A folder that the nodes see; none where that is the results folder.
    pub folder: Option<PathBuf>,
    /// Workers at a time.
    pub max_jobs: u32,
    /// Workers that are kept though nothing waits for them.
    pub min_jobs: u32,
    /// Jobs that wait in the queue at a time.
    pub backlog: u32,
    /// Further arguments of `sbatch`.
    pub options: Vec<String>,
    /// Lines of shell before the worker, or the coordinator.
    pub prologue: Option<String>,
    /// Of the coordinator's own job.
    pub coordinator_partition: Option<String>,
    pub coordinator_time: Option<String>,
    pub coordinator_cpus: u32,
    pub coordinator_options: Vec<String>,
    /// Seconds between two looks at the queue.
    pub poll: f64,
}

/// How an engine takes, ends and knows jobs: lines of a shell.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    /// Prints the job's number on its last line.
    pub submit: Option<String>,
    pub cancel: Option<String>,
    /// Succeeds as long as the job waits or runs.
    pub alive: Option<String>,
    /// Workers at a time.
    pub jobs: u32,
    /// Seconds between two looks at a job.
    pub poll: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceChoice {
    Auto,
    Cpu,
    Cuda,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Whether frozen output is computed once and kept.
    #[serde(deserialize_with = "switch")]
    pub features: bool,
    pub max_bytes: u64,
}

/// Which trained models stay on disk after their trials; never part of a trial's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    pub models: KeepModels,
    /// With [`KeepModels::Best`]: how many of the sweep's best, by its objective. Those that cannot be told from the best one
    /// are kept, too, up to [`Keep::TIED`].
    pub count: u32,
    /// Space for all kept models of the sweep together; the better ones come first.
    pub max_bytes: u64,
}

impl Keep {
    /// So many are kept at most for being as good as the best.
    pub const TIED: u32 = 20;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepModels {
    Best,
    All,
    None,
}

impl KeepModels {
    /// As it is written in a definition.
    pub fn as_str(self) -> &'static str {
        match self {
            KeepModels::Best => "best",
            KeepModels::All => "all",
            KeepModels::None => "none",
        }
    }
}

/// A number, or none for "auto".
fn automatic<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(_) => Ok(None),
        number => u32::deserialize(number).map(Some).map_err(serde::de::Error::custom),
    }
}

/// A share, or "test".
fn validation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Validation, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(_) => Ok(Validation::Test),
        share => f64::deserialize(share).map(Validation::Share).map_err(serde::de::Error::custom),
    }
}

/// Whether "auto" stands there, and not "off".
fn switch<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    Ok(String::deserialize(deserializer)? == "auto")
}
