//! What the benches share: sweeps of any size, results folders with finished trials, and a worker that does nothing.

// Each bench is a program of its own and uses a part of this.
#![allow(dead_code)]

use anyhow::Context;
use frostline_assets::data::shapes;
use frostline_link::idle::{self, Idle};
use frostline_link::log::Tail;
use frostline_link::{Options, Way, serve};
use frostline_protocol::{Incarnation, Seat, Who, WorkerId};
use frostline_store::{Provenance, Sweep, Writer};
use frostline_sweep::definition::Definition;
use frostline_sweep::expand::{Sources, Trial};
use frostline_sweep::outcome::AttemptId;
use frostline_sweep::record::{Build, Record, TaskKey};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Name of every sweep here.
pub const SWEEP: &str = "bench";
/// Epochs of every trial here.
pub const EPOCHS: u32 = 10;
/// Trials a transaction while a results folder is filled.
const BATCH: usize = 500;

/// A definition of `trials` trials, a multiple of 1,000: ten learning rates, ten seeds, and as
/// many batch sizes as it takes.
pub fn definition(trials: usize) -> String {
    let rates: Vec<String> = (1..=10).map(|rate| format!("{rate}e-4")).collect();
    let sizes: Vec<String> = (1..=trials / 100).map(|size| size.to_string()).collect();
    let mut text = String::new();
    let _ = write!(
        text,
        "[sweep]\nname = \"{SWEEP}\"\nobjective = \"val_accuracy\"\nseeds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]\n\
         [data]\ndataset = \"shapes\"\nimage_size = 64\ntrain_limit = 1000\ntest_limit = 500\n\
         [model]\nbackbone = \"efficientnet_lite0\"\nweights = \"random\"\n\
         [grid]\nlearning_rate = [{}]\nbatch_size = [{}]\n\
         [train]\nfrozen_layers = 0\nepochs = {EPOCHS}\nhead_depth = 1\nhead_units = [64]\n\
         [workers]\ncount = 2\nthreads = 1\ndevice = \"cpu\"\n",
        rates.join(", "),
        sizes.join(", ")
    );
    text
}

pub fn parsed(trials: usize) -> anyhow::Result<Definition> {
    Definition::parse("bench.toml", &definition(trials), &[]).map_err(|errors| anyhow::anyhow!("{errors}"))
}

/// The content that `frostline` itself finds for [`definition`], so that it takes the trials for its own.
pub fn sources() -> Sources {
    Sources::plain(shapes::digest())
}

pub fn sweep(definition: &Definition) -> Sweep {
    let host = "bench".to_owned();
    Sweep {
        name: definition.name.clone(),
        objective: definition.objective.name.to_owned(),
        definition: definition.text.clone(),
        file: "bench.toml".to_owned(),
        provenance: Provenance { program: "bench".to_owned(), git_commit: None, libtorch: None, device: None, host },
        threads: Some(1),
    }
}

pub fn build() -> Build {
    Build {
        version: "bench".to_owned(),
        libtorch: "none".to_owned(),
        device: "cpu".to_owned(),
        threads: 1,
        host: "bench".to_owned(),
        processor: None,
    }
}

/// All that is recorded of a trial that `attempt` runs from its start to its end.
pub fn life(attempt: u64, trial: &Trial) -> Vec<Record> {
    let (attempt, trial) = (AttemptId(attempt), trial.id);
    let started = Record::Started {
        attempt,
        task: TaskKey::Trial(trial),
        worker: 1,
        build: build(),
        micro_batch: None,
        start: None,
    };
    let epoch = |epoch| Record::Epoch { attempt, trial, metrics: idle::metrics(trial, epoch) };
    let completed = Record::Completed { attempt, trial, evaluation: idle::evaluation(trial) };
    std::iter::once(started).chain((1..=EPOCHS).map(epoch)).chain([completed]).collect()
}

/// Makes a results folder with a sweep of `trials` trials; the first `finished` of them are complete.
pub fn fill(results: &Path, trials: usize, finished: usize) -> anyhow::Result<()> {
    fill_with(results, trials, finished, life)
}

/// The same, of trials that live as `life` says.
pub fn fill_with(
    results: &Path,
    trials: usize,
    finished: usize,
    life: impl Fn(u64, &Trial) -> Vec<Record>,
) -> anyhow::Result<()> {
    let definition = parsed(trials)?;
    let trials = definition.expand(&sources());
    let mut writer = Writer::open(results)?;
    writer.put_sweep(&sweep(&definition), &trials, false)?;
    let numbered: Vec<(u64, &Trial)> = (1..).zip(trials.iter().take(finished)).collect();
    for batch in numbered.chunks(BATCH) {
        let records: Vec<Record> = batch.iter().flat_map(|(attempt, trial)| life(*attempt, trial)).collect();
        writer.apply(SWEEP, &records)?;
    }
    Ok(())
}

/// How much memory a process has had at most so far, in megabytes.
pub fn peak_memory(child: &Child) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kilobytes: f64 = peak.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024.0 / 1e6)
}

/// `frostline` with this program as its worker.
pub fn frostline(results: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frostline"));
    let worker = match std::env::var_os("FROSTLINE_WORKER") {
        Some(worker) => worker,
        None => std::env::current_exe()?.into_os_string(),
    };
    command.env("FROSTLINE_WORKER", worker).env("FROSTLINE_WORKER_ARGUMENTS", "--trainer idle");
    command.arg("--results").arg(results).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    Ok(command)
}

/// Plays `frostline-worker` where this program was started as one. False where it was not.
///
/// The trainer is the one behind `frostline-worker connect --trainer idle`; without libtorch the process is there at
/// once, and what is measured is the orchestration alone.
pub fn play_worker() -> anyhow::Result<bool> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("info") => {
            let info = serde_json::json!({
                "version": "bench", "libtorch": "none", "cuda_built": false, "devices": ["cpu"], "cores": 2,
            });
            writeln!(std::io::stdout().lock(), "{info}")?;
            Ok(true)
        }
        Some("connect") => {
            let value = |name: &str| {
                let place = arguments.iter().position(|argument| argument == name);
                place.and_then(|place| arguments.get(place + 1)).with_context(|| format!("{name} is missing"))
            };
            let options = Options {
                way: Way::Local {
                    endpoint: value("--endpoint")?.into(),
                    token: std::env::var("FROSTLINE_TOKEN").context("FROSTLINE_TOKEN is missing")?,
                },
                who: Who::Started(Seat {
                    worker: WorkerId(value("--worker")?.parse()?),
                    incarnation: Incarnation(value("--incarnation")?.parse()?),
                }),
                build: build(),
                host: None,
                places: Box::new(Ok),
                outgoing: None,
                checkpoints: None,
                ends: None,
                leaves_on_signals: false,
                log: Tail::default(),
                patience: Duration::from_secs(30),
                awaits: false,
            };
            serve(options, &mut Idle::default())?;
            Ok(true)
        }
        // Whoever asks for more must not start the whole bench once more.
        Some(other) if !other.starts_with('-') => anyhow::bail!("the bench's worker knows no `{other}`"),
        _ => Ok(false),
    }
}

/// Prints a line of the bench's result.
pub fn say(line: &str) {
    // A closed pipe is no reason to fail.
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}
