//! What can be asked.

mod complete;
mod export;
mod join;
mod json;
mod look;
mod models;
mod run;
mod wrong;

pub(crate) use complete::{answer as answer_shell, script as completion_script};
pub(crate) use export::Export;
pub(crate) use join::Join;
pub(crate) use json::Json;
pub(crate) use look::{Report, Serve};
pub(crate) use models::{Convert, ExportModel, Features, Fetch, Inspect, Layers, Layout, Predict, Split, Weights};
pub(crate) use run::{Extend, Launch, Resume, Retrain, Telling};
pub(crate) use wrong::{read, unknown_command};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
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
        frostline init pets --data pictures    A first sweep, to be changed as you like\n  \
        frostline plan pets.toml               What would run; nothing is started\n  \
        frostline launch pets.toml             Run it; Ctrl-C is safe\n  \
        frostline best pets -n 5               The five best trials\n  \
        frostline resume pets                  Continue with what is missing\n\n\
        Where a sweep is asked for, its name does, and its file; without either, the latest or the only one is meant.\n\n\
        Exit codes: 0 done, 1 an error, 2 wrong input, 3 done but some trials failed, 130 interrupted",
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    /// None: what to do on a day.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

impl Color {
    /// From here on. Left alone, NO_COLOR and CLICOLOR_FORCE decide, and whether somebody looks.
    pub(crate) fn choose(self) {
        match self {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
    }
}

#[derive(Args)]
pub(crate) struct Common {
    /// Folder of the database, logs, checkpoints and feature cache [default: FROSTLINE_RESULTS, else results]
    #[arg(long, global = true, default_value_os_t = results(), hide_default_value = true, value_name = "DIR")]
    pub(crate) results: PathBuf,
    /// Show the log on the terminal too (-vv for more of it)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Use colours: auto, always or never
    #[arg(
        long,
        global = true,
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true,
        value_name = "WHEN"
    )]
    pub(crate) color: Color,
}

/// Not clap's own `env`: with that, every line of usage has the option.
fn results() -> PathBuf {
    let named = std::env::var_os("FROSTLINE_RESULTS").filter(|named| !named.is_empty());
    named.map_or_else(|| PathBuf::from("results"), PathBuf::from)
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
    /// Write a first sweep, with comments, for the data and weights at hand
    #[command(after_help = "Examples:\n  \
            frostline init\n  \
            frostline init pets --data pictures\n  \
            frostline init deep --backbone efficientnet_v2_s --data cifar10")]
    Init(Init),
    /// Show what a sweep would run, and start nothing
    #[command(after_help = "Exit code 2 where `launch` would refuse it.\n\nExample:\n  \
            frostline plan sweeps/cifar10-lite0.toml --set train.epochs=2")]
    Plan(Plan),
    /// Run a sweep: all trials of its definition that the database lacks
    #[command(after_help = "Examples:\n  \
            frostline launch sweeps/cifar10-lite0.toml --set data.path=/data/cifar-10-batches-bin\n  \
            frostline launch sweeps/cifar10-lite0.toml --set train.epochs=2 --set sweep.name=short")]
    Launch(Launch),
    /// Continue a sweep that was interrupted
    Resume(Resume),
    /// Work for a coordinator of another machine until it has no more to do, or this process' time is over
    ///
    /// Features are this machine's own; checkpoints and models go to the results folder where its disk is shared. SIGTERM
    /// and SIGUSR2 make it leave with a checkpoint; docs/cluster.md says more.
    #[command(after_help = "Examples:\n  \
            frostline join /shared/results/run/access.json\n  \
            frostline join access.json --data cifar-10-batches-bin --weights weights.safetensors\n  \
            frostline join access.json --minutes 55    Leaves in time, with a checkpoint")]
    Join(Join),
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
    /// Add seeds to the best configurations of a sweep; `resume` runs them
    ///
    /// Where `best` says that more seeds would tell configurations apart, the best ones alone need them.
    #[command(after_help = "Example:\n  frostline extend cifar10-lite0 --seeds 3,4 --top 4")]
    Extend(Extend),
    /// Train a finished trial once more, for its model alone
    ///
    /// It runs in a folder of its own, so that nothing counts twice, and its metrics have to come out as they are recorded:
    /// they do, to the last bit, on the same kind of processor with the same libtorch. The model stays then, whatever
    /// `[keep]` says.
    #[command(after_help = "Example:\n  frostline retrain 3fa9c1e2")]
    Retrain(Retrain),
    /// Remove a sweep, and those of its trials that no other sweep has
    #[command(after_help = "Example:\n  frostline rm cifar10-lite0")]
    Rm(Rm),
    /// Note a sentence about a sweep, or read it
    ///
    /// Lists and pages show it. It stays when the sweep is launched again.
    #[command(after_help = "Examples:\n  frostline note cifar10-lite0 'the wide heads, once more'\n  \
            frostline note cifar10-lite0 ''")]
    Note(Note),
    /// Check the database and the files for loss or damage
    ///
    /// Every trial counted once, no epoch missing, every checkpoint, feature cache and kept model as it was written.
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
    #[command(after_help = "Example:\n  frostline layers efficientnet_v2_s --blocks")]
    Layers(Layers),
    /// Write the output of any layer for the images of a split, to go on in another program
    #[command(after_help = "Example:\n  \
            frostline features --backbone efficientnet_v2_s --weights random \\\n    \
            --data shapes --limit 8 --size 96 --layer 384 --pool -o out.npy")]
    Features(Features),
    /// Write a trial's trained model for torchvision or timm, with a loader in Python
    #[command(
        after_help = "Example:\n  frostline export-model 3fa9c1e2 -o my-model && python my-model/load.py cat.jpg"
    )]
    ExportModel(ExportModel),
    /// Classify pictures with a trial's model
    #[command(after_help = "Example:\n  frostline predict 3fa9c1e2 cat.jpg plane.png")]
    Predict(Predict),
    /// Check this machine: libtorch, devices, space, database
    Doctor(Json),
    /// Write the JSON Schema of sweep definitions, by which editors complete and check them
    #[command(after_help = "A definition names it in its first line: #:schema ./sweep.schema.json\n\nExample:\n  \
            frostline schema > sweep.schema.json")]
    Schema,
    /// Explain a command, or a key of a sweep's file
    #[command(
        after_help = "Examples:\n  frostline help launch\n  frostline help frozen_layers\n  frostline help keys"
    )]
    Help(Help),
    /// Write what lets a shell complete commands, options, sweeps and trials
    #[command(after_help = "Examples:\n  \
            echo 'source <(frostline completions bash)' >> ~/.bashrc\n  \
            frostline completions fish > ~/.config/fish/completions/frostline.fish")]
    Completions { shell: Shell },
}

#[derive(Args)]
pub(crate) struct Init {
    /// What the sweep is called; its file is NAME.toml
    pub(crate) name: Option<String>,
    /// Folder of pictures, or of CIFAR-10; or `cifar10`, or `shapes`, which needs no file
    #[arg(long, value_name = "FOLDER|NAME")]
    pub(crate) data: Option<PathBuf>,
    /// Name of the network, such as efficientnet_v2_s
    #[arg(long, value_name = "NAME")]
    pub(crate) backbone: Option<String>,
    /// A weights file, a name of the catalogue, or "random"
    #[arg(long, value_name = "FILE|NAME|random")]
    pub(crate) weights: Option<String>,
}

#[derive(Args)]
pub(crate) struct Help {
    /// A command, a key, or `keys` for all of them
    #[arg(value_name = "COMMAND|KEY")]
    pub(crate) about: Vec<String>,
}

#[derive(Args)]
pub(crate) struct DefinitionFile {
    /// The sweep's definition, or its name; without it, the only one in this folder
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
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
pub(crate) struct Best {
    /// Name of the sweep, or its file; without it, the latest
    #[arg(default_value = "", hide_default_value = true, add = complete::sweeps())]
    pub(crate) sweep: String,
    /// How many rows to show
    #[arg(short, default_value_t = 10, value_name = "COUNT")]
    pub(crate) n: usize,
    /// Rank only trials that meet this condition, such as frozen_layers=256, or show only rows that do, such as
    /// 'val_accuracy>0.9', which changes no rank; can be given again
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
    /// Name of the sweep, or its file; without it, the latest
    #[arg(default_value = "", hide_default_value = true, add = complete::sweeps())]
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
    #[arg(value_name = "TRIAL", add = complete::trials())]
    pub(crate) first: String,
    /// Another one
    #[arg(value_name = "OTHER", add = complete::trials())]
    pub(crate) second: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Watch {
    /// Name of the sweep, or its file; without it, the latest
    #[arg(default_value = "", hide_default_value = true, add = complete::sweeps())]
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
    /// Name of the sweep, or its file; without it, the latest
    #[arg(default_value = "", hide_default_value = true, add = complete::sweeps())]
    pub(crate) sweep: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Show {
    /// The first digits of the trial's id
    #[arg(add = complete::trials())]
    pub(crate) trial: String,
    #[command(flatten)]
    pub(crate) json: Json,
}

#[derive(Args)]
pub(crate) struct Cancel {
    /// Name of a sweep, its file, or the first digits of a trial's id; without it, the only sweep
    #[arg(
        value_name = "SWEEP|TRIAL",
        default_value = "",
        hide_default_value = true,
        add = complete::sweeps_and_trials()
    )]
    pub(crate) what: String,
}

#[derive(Args)]
pub(crate) struct Retry {
    /// Name of the sweep, or its file; without it, the only one
    #[arg(default_value = "", hide_default_value = true, add = complete::sweeps())]
    pub(crate) sweep: String,
    /// Trials in this state: failed or cancelled
    #[arg(long, default_value = "failed", value_parser = retried_state)]
    pub(crate) state: TrialState,
    /// Only this kind of failure
    #[arg(long, value_parser = failure_kind())]
    pub(crate) kind: Option<FailureKind>,
}

#[derive(Args)]
pub(crate) struct Rm {
    /// Name of the sweep, or its file
    #[arg(add = complete::sweeps())]
    pub(crate) sweep: String,
    /// Do not ask first
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Args)]
pub(crate) struct Note {
    /// Name of the sweep, or its file
    #[arg(add = complete::sweeps())]
    pub(crate) sweep: String,
    /// In place of what was noted before; '' takes it away; without it, what is noted is printed
    pub(crate) text: Option<String>,
}

#[derive(Args)]
pub(crate) struct Verify {
    /// Only this sweep, by name or file
    #[arg(add = complete::sweeps())]
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

fn failure_kind() -> impl TypedValueParser<Value = FailureKind> {
    let names = FailureKind::ALL.iter().map(|kind| kind.as_str());
    PossibleValuesParser::new(names)
        .try_map(|name| FailureKind::parse(&name).ok_or_else(|| format!("there is no failure `{name}`")))
}
