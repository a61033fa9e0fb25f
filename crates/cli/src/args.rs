//! What can be asked.

mod export;
mod json;
mod look;
mod models;

pub(crate) use export::Export;
pub(crate) use json::Json;
pub(crate) use look::{Report, Serve};
pub(crate) use models::{Convert, ExportModel, Features, Fetch, Inspect, Layers, Layout, Predict, Split, Weights};

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use frostline_sweep::outcome::{FailureKind, TrialState};
use std::path::{Path, PathBuf};

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
        frostline resume cifar10-lite0                    Continue with what is missing\n\n\
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

impl Common {
    /// What a further command needs to find the same results folder.
    pub(crate) fn results_argument(&self) -> String {
        let named_otherwise = std::env::var_os("FROSTLINE_RESULTS").is_some() || self.results == Path::new("results");
        if named_otherwise {
            String::new()
        } else {
            format!(" --results {}", frostline_results::quoted(&self.results))
        }
    }
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
    /// Continue a sweep that was interrupted
    Resume(Resume),
    /// Rank the finished trials of a sweep, or its configurations where it has several seeds
    ///
    /// With several seeds, each row is one configuration with the mean of the objective over its seeds, their sample
    /// standard deviation (±), and how many there are; the best mean comes first. In JSON such a row has `objective` (the
    /// mean), `deviation`, `seeds`, the means of all `metrics`, and its `trials`. `--trials` ranks single trials instead.
    ///
    /// Rows that nothing tells from the best one share its rank (=1): of all that are as good as the best, none has another
    /// rank with 95 %. Below the table stands what that rests on, and what it would take to know better.
    #[command(after_help = "Examples:\n  \
            frostline best cifar10-lite0 -n 5\n  \
            frostline best cifar10-lite0 --where frozen_layers=all --where 'learning_rate<0.01'\n  \
            frostline best cifar10-lite0 --metric val_loss --columns optimizer,val_loss,seconds\n  \
            frostline best cifar10-lite0 --json | jq '.[0].parameters'")]
    Best(Best),
    /// Say which hyperparameter matters, and by how much
    ///
    /// For each axis: what each of its values does to the objective against the first one, over pairs of configurations
    /// that differ in nothing else, with a 95 % interval. Then how much of all differences each axis, each interaction of
    /// two, and the seeds explain.
    #[command(after_help = "Examples:\n  \
            frostline effects cifar10-lite0\n  \
            frostline effects cifar10-lite0 --where frozen_layers=all\n  \
            frostline effects cifar10-lite0 --json | jq '.axes[0].differences'")]
    Effects(Effects),
    /// Set two trials side by side: what they differ in, and what that does, image by image
    ///
    /// All trials of a sweep see the same images, so two of them can be compared on those where only one is right: that
    /// takes far fewer images than two intervals do.
    #[command(after_help = "Example:\n  frostline compare 3fa9c1e2 8de1ac31")]
    Compare(Compare),
    /// List the sweeps of the results folder
    List(Json),
    /// Show how far a sweep has come, trial by trial
    Status(Status),
    /// Look at a sweep while it runs, on the whole terminal
    ///
    /// It reads what is recorded and disturbs nothing: quitting it stops nothing, and it works for a sweep that is over. Into
    /// a pipe or file it prints one look and ends.
    #[command(
        after_help = "Keys: q quits, up and down choose a row, enter shows its trial, g shows trials or configurations\n\n\
            Examples:\n  frostline watch cifar10-lite0\n  frostline watch cifar10-lite0 --every 60 >> progress.txt"
    )]
    Watch(Watch),
    /// Show everything about one trial
    Show(Show),
    /// Cancel what has not finished of a sweep, or one trial
    #[command(after_help = "Examples:\n  frostline cancel cifar10-lite0\n  frostline cancel 3fa9c1e2")]
    Cancel(Cancel),
    /// Queue failed or cancelled trials for another try; `resume` runs them
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
    /// Write a sweep as a page to look at: one file, which opens in any browser and loads nothing
    ///
    /// The answer first, with how sure it is and what it costs; then the leaderboard, depth against accuracy, effects,
    /// learning curves, and the best trials in full.
    #[command(after_help = "Example:\n  frostline report cifar10-lite0 -o report.html")]
    Report(Report),
    /// Show the results folder in a browser, while sweeps run and after
    ///
    /// Prints a link that works on this machine alone. Nothing can be changed from a browser. Ctrl-C ends it.
    #[command(after_help = "Example:\n  frostline serve")]
    Serve(Serve),
    /// Write a sweep's trials and epochs as tables, or for TensorBoard or Optuna
    #[command(after_help = "docs/python.md says what to do with it.\n\nExamples:\n  \
            frostline export cifar10-lite0 --format parquet -o tables\n  \
            frostline export cifar10-lite0 --format tensorboard -o logs && tensorboard --logdir logs\n  \
            frostline export cifar10-lite0 --format optuna -o study && optuna-dashboard sqlite:///study/optuna.db")]
    Export(Export),
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

#[derive(Args, Clone, Copy)]
pub(crate) struct Measuring {
    /// Start over with estimates: forget what earlier sweeps have measured and learned, and measure anew
    #[arg(long)]
    pub(crate) remeasure: bool,
}

#[derive(Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) definition: DefinitionFile,
    #[command(flatten)]
    pub(crate) measuring: Measuring,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Launch {
    #[command(flatten)]
    pub(crate) definition: DefinitionFile,
    #[command(flatten)]
    pub(crate) measuring: Measuring,
    /// Replace the sweep of this name although its finished trials were run with other values
    #[arg(long)]
    pub(crate) force_new: bool,
}

#[derive(Args)]
pub(crate) struct Resume {
    /// Name of the sweep
    pub(crate) sweep: String,
    #[command(flatten)]
    pub(crate) measuring: Measuring,
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
    /// Rank by this metric instead of the sweep's objective, such as val_loss
    #[arg(long)]
    pub(crate) metric: Option<String>,
    /// Show these hyperparameters and metrics, separated by commas, instead of the usual ones
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) columns: Option<Vec<String>>,
    /// Print as CSV, with every metric and hyperparameter
    #[arg(long, conflicts_with_all = ["json", "columns"])]
    pub(crate) csv: bool,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Effects {
    /// Name of the sweep
    pub(crate) sweep: String,
    /// Only trials that meet this condition, such as frozen_layers=256; can be given again
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) conditions: Vec<String>,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Compare {
    /// A trial, by its id or the first digits of it
    #[arg(value_name = "TRIAL")]
    pub(crate) first: String,
    /// Another one
    #[arg(value_name = "OTHER")]
    pub(crate) second: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Watch {
    /// Name of the sweep
    pub(crate) sweep: String,
    /// Print one look as often, in seconds, for as long as the sweep runs
    #[arg(long, value_name = "SECONDS", value_parser = pause)]
    pub(crate) every: Option<f64>,
    /// Draw with ASCII only
    #[arg(long)]
    pub(crate) ascii: bool,
}

/// A pause that a clock can make.
fn pause(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("it is a number of seconds from 0.1 to 86400".to_owned()),
    }
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

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("write SECTION.KEY=VALUE, such as train.epochs=2".to_owned()),
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
