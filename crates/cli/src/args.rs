//! What can be asked.

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use frostline_sweep::outcome::{FailureKind, TrialState};
use std::path::PathBuf;

/// Finds how deep to freeze a pretrained network, and which head and optimizer to put on it
///
/// Write a grid of hyperparameters into a TOML file, launch it, and ask for the best trials. Interrupt it whenever you
/// like: what was measured is in the database, and what is missing is run when you resume.
#[derive(Parser)]
#[command(
    name = "frostline",
    version,
    after_help = "Examples:\n  \
        frostline plan sweeps/cifar10-lite0.toml          What would run; nothing is started\n  \
        frostline launch sweeps/cifar10-lite0.toml        Run it; Ctrl-C is safe\n  \
        frostline best cifar10-lite0 -n 5                 The five best trials\n  \
        frostline resume cifar10-lite0                    Go on with what is missing\n\n\
        Exit codes: 0 done, 1 an error, 2 wrong input, 3 done but some trials failed, 130 interrupted",
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args)]
pub(crate) struct Common {
    /// Folder of the database, logs, checkpoints and feature cache
    #[arg(long, global = true, env = "FROSTLINE_RESULTS", default_value = "results", value_name = "DIR")]
    pub(crate) results: PathBuf,
    /// Show the log on the terminal too (-vv for more of it)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Show what a sweep would run, and start nothing
    #[command(after_help = "Example:\n  frostline plan sweeps/cifar10-lite0.toml --set train.epochs=2")]
    Plan(Plan),
    /// Run a sweep: all trials of its definition that the database lacks
    #[command(after_help = "Examples:\n  \
            frostline launch sweeps/cifar10-lite0.toml --set data.path=/data/cifar-10-batches-bin\n  \
            frostline launch sweeps/cifar10-lite0.toml --set train.epochs=2 --set sweep.name=short")]
    Launch(Launch),
    /// Go on with a sweep that was interrupted
    Resume(Resume),
    /// Rank the finished trials of a sweep, or its configurations where it has several seeds
    ///
    /// With several seeds, each row is one configuration with the mean of the objective over its seeds, their sample
    /// standard deviation (±), and how many there are; the best mean comes first. In JSON such a row has `objective` (the
    /// mean), `deviation`, `seeds`, the means of all `metrics`, and its `trials`. `--trials` ranks single trials instead.
    #[command(after_help = "Examples:\n  \
            frostline best cifar10-lite0 -n 5\n  \
            frostline best cifar10-lite0 --where frozen_layers=all --where 'learning_rate<0.01'\n  \
            frostline best cifar10-lite0 --json | jq '.[0].parameters'")]
    Best(Best),
    /// List the sweeps of the results folder
    List(Json),
    /// Show how far a sweep has come, trial by trial
    Status(Status),
    /// Show everything about one trial
    Show(Show),
    /// Cancel what has not finished of a sweep, or one trial
    #[command(after_help = "Examples:\n  frostline cancel cifar10-lite0\n  frostline cancel 3fa9c1e2")]
    Cancel(Cancel),
    /// Let failed or cancelled trials wait for another try; `resume` runs them
    #[command(after_help = "Example:\n  frostline retry cifar10-lite0 --state failed --kind worker_lost")]
    Retry(Retry),
    /// Prove that the database is sound: every trial counted once, no epoch missing, no file damaged
    #[command(
        after_help = "Exit code 1 where something is found.\n\nExample:\n  frostline verify --json | jq .sound"
    )]
    Verify(Verify),
    /// Copy the database to a new file, also while a sweep runs
    #[command(after_help = "Example:\n  frostline backup ~/frostline-monday.db")]
    Backup(Backup),
    /// Download weights or data by their name in the catalogue
    #[command(
        after_help = "Without a name: what there is.\n\nExample:\n  frostline fetch efficientnet_lite0.imagenet1k"
    )]
    Fetch(Fetch),
    /// Say what a weights file is, or convert it
    #[command(subcommand)]
    Weights(Weights),
    /// List the layers of a network: what a number of frozen layers means
    #[command(after_help = "Example:\n  frostline layers efficientnet_v2_s --size 128")]
    Layers(Layers),
    /// Write the output of any layer for the images of a split, to go on in another program
    #[command(after_help = "Example:\n  \
            frostline features --backbone efficientnet_v2_s --weights random --data shapes --limit 8 --size 96 \\\n    \
            --layer 384 --pool -o out.npy")]
    Features(Features),
    /// Write a trial's trained model for torchvision or timm, with a loader in Python
    #[command(
        after_help = "Example:\n  frostline export-model 3fa9c1e2 -o my-model && python my-model/load.py cat.jpg"
    )]
    ExportModel(ExportModel),
    /// Say what a trial's model sees on pictures
    #[command(after_help = "Example:\n  frostline predict 3fa9c1e2 cat.jpg plane.png")]
    Predict(Predict),
    /// Say what this machine has: libtorch, devices, space, database
    Doctor(Json),
    /// Write the JSON Schema of sweep definitions, by which editors complete and check them
    #[command(after_help = "A definition names it in its first line: #:schema ./sweep.schema.json\n\nExample:\n  \
            frostline schema > sweep.schema.json")]
    Schema,
    /// Write completions for a shell
    #[command(
        after_help = "Example:\n  frostline completions bash > ~/.local/share/bash-completion/completions/frostline"
    )]
    Completions { shell: Shell },
}

#[derive(Args)]
pub(crate) struct DefinitionFile {
    /// The sweep's definition
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Override a key of the file, such as train.epochs=2; can be given again
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) set: Vec<(String, String)>,
}

#[derive(Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) definition: DefinitionFile,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Launch {
    #[command(flatten)]
    pub(crate) definition: DefinitionFile,
    /// Replace the sweep of this name although its finished trials were run with other values
    #[arg(long)]
    pub(crate) force_new: bool,
}

#[derive(Args)]
pub(crate) struct Resume {
    /// Name of the sweep
    pub(crate) sweep: String,
}

#[derive(Args)]
pub(crate) struct Best {
    /// Name of the sweep
    pub(crate) sweep: String,
    /// How many rows to show
    #[arg(short, default_value_t = 10, value_name = "COUNT")]
    pub(crate) n: usize,
    /// Only trials that meet this condition, such as frozen_layers=256; can be given again
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) conditions: Vec<String>,
    /// Single trials, also where there are several seeds
    #[arg(long)]
    pub(crate) trials: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Status {
    /// Name of the sweep
    pub(crate) sweep: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Show {
    /// The first digits of the trial's id
    pub(crate) trial: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Cancel {
    /// Name of a sweep, or the first digits of a trial's id
    #[arg(value_name = "SWEEP|TRIAL")]
    pub(crate) what: String,
}

#[derive(Args)]
pub(crate) struct Retry {
    /// Name of the sweep
    pub(crate) sweep: String,
    /// Trials in this state: failed or cancelled
    #[arg(long, default_value = "failed", value_parser = retried_state)]
    pub(crate) state: TrialState,
    /// Only trials that failed like this
    #[arg(long, value_parser = failure_kind)]
    pub(crate) kind: Option<FailureKind>,
}

#[derive(Args)]
pub(crate) struct Verify {
    /// Only this sweep
    pub(crate) sweep: Option<String>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Backup {
    /// The new file
    pub(crate) file: PathBuf,
}

#[derive(Args)]
pub(crate) struct Fetch {
    /// Name in the catalogue
    pub(crate) name: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Weights {
    /// Say a file's format, network and origin, and what is missing or unexpected
    #[command(after_help = "Example:\n  frostline weights inspect efficientnetv2-s_notop.h5")]
    Inspect(Inspect),
    /// Write a file's network as safetensors, with torchvision's names for EfficientNetV2 and timm's for Lite
    #[command(after_help = "Example:\n  frostline weights convert efficientnetv2-s_notop.h5 -o keras.safetensors")]
    Convert(Convert),
}

#[derive(Args)]
pub(crate) struct Inspect {
    /// The weights file: PyTorch .pth, safetensors or Keras' .h5
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Convert {
    /// The weights file: PyTorch .pth, safetensors or Keras' .h5
    pub(crate) file: PathBuf,
    /// The file to write, ending in .safetensors
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Args)]
pub(crate) struct Layers {
    /// Name of the network, such as efficientnet_v2_s
    pub(crate) backbone: String,
    /// Height and width of the images in pixels
    #[arg(long, default_value_t = 128, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) size: u32,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Features {
    /// Name of the network, such as efficientnet_v2_s
    #[arg(long)]
    pub(crate) backbone: String,
    /// A weights file, a name of the catalogue, or "random"
    #[arg(long, value_name = "FILE|NAME|random")]
    pub(crate) weights: String,
    /// Folder of CIFAR-10's binary version, or "shapes" for the images that the program draws
    #[arg(long, value_name = "DIR|shapes")]
    pub(crate) data: PathBuf,
    /// Which images
    #[arg(long, value_enum, default_value_t = Split::Test)]
    pub(crate) split: Split,
    /// Only the first images of the split
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: Option<u32>,
    /// Height and width in pixels that the images are scaled to
    #[arg(long, default_value_t = 128, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(32..=1024))]
    pub(crate) size: u32,
    /// Index of the layer as Keras counts `model.layers` (`frostline layers` lists them), or "last"
    #[arg(long, default_value = "last", value_name = "INDEX|last", value_parser = layer)]
    pub(crate) layer: Layer,
    /// Average over height and width
    #[arg(long)]
    pub(crate) pool: bool,
    /// The file to write, ending in .npy or .safetensors (which holds the classes of the images too)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Split {
    Train,
    Test,
}

/// None is the last one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layer(pub(crate) Option<u32>);

#[derive(Args)]
pub(crate) struct ExportModel {
    /// The first digits of the trial's id
    pub(crate) trial: String,
    /// The folder to write; it is made, or is empty
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Whose tensor names; without it, those of the library that runs the network as the weights want it
    #[arg(long, value_enum)]
    pub(crate) layout: Option<Layout>,
    /// The trial's pretrained weights, where they are no longer at the place that its sweep names
    #[arg(long, value_name = "FILE|NAME")]
    pub(crate) weights: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Layout {
    Torchvision,
    Timm,
}

#[derive(Args)]
pub(crate) struct Predict {
    /// The first digits of the trial's id
    pub(crate) trial: String,
    /// JPEG or PNG files; the square in the middle of each is looked at
    #[arg(required = true, value_name = "PICTURE")]
    pub(crate) pictures: Vec<PathBuf>,
    /// The trial's pretrained weights, where they are no longer at the place that its sweep names
    #[arg(long, value_name = "FILE|NAME")]
    pub(crate) weights: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args, Clone, Copy)]
pub(crate) struct Json {
    /// Print JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write SECTION.KEY=VALUE, such as train.epochs=2".to_owned()),
    }
}

fn layer(text: &str) -> Result<Layer, String> {
    match text {
        "last" => Ok(Layer(None)),
        _ => text.parse().map(|index| Layer(Some(index))).map_err(|_| "write an index or `last`".to_owned()),
    }
}

fn retried_state(text: &str) -> Result<TrialState, String> {
    match TrialState::parse(text) {
        Some(state @ (TrialState::Failed | TrialState::Cancelled)) => Ok(state),
        _ => Err("only `failed` and `cancelled` trials can be tried again".to_owned()),
    }
}

fn failure_kind(text: &str) -> Result<FailureKind, String> {
    FailureKind::parse(text).ok_or_else(|| {
        let names: Vec<&str> = FailureKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("use one of {}", names.join(", "))
    })
}
