//! `connect`: serves a coordinator.

use crate::trainer::Libtorch;
use anyhow::{Context, bail};
use clap::ValueEnum;
use frostline_link::idle::Idle;
use frostline_link::log::Tail;
use frostline_link::{Options, Trainer, Way, serve};
use frostline_protocol::{Build, Incarnation, Seat, Who, WorkerId};
use frostline_sweep::device::Device;
use frostline_training::{device, shim};
use std::path::PathBuf;
use std::time::Duration;

/// How long a new worker looks for the coordinator that started it.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The file in which the coordinator says where it listens; its secret is read from FROSTLINE_TOKEN
    #[arg(long)]
    endpoint: PathBuf,
    /// This worker's number
    #[arg(long)]
    worker: u32,
    /// Which process this is in that place
    #[arg(long, default_value_t = 0)]
    incarnation: u64,
    /// "cpu", "cuda" or "cuda:1"
    #[arg(long, default_value = "cpu")]
    device: Device,
    /// What the device is called in records; its number where nobody says more
    #[arg(long)]
    device_name: Option<String>,
    /// Let a GPU take only algorithms that give the same sums each time
    #[arg(long)]
    deterministic: bool,
    /// Threads that libtorch computes with; results depend on it
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: u32,
    #[command(flatten)]
    stand_in: StandIn,
}

/// What benches and tests of the orchestration put in libtorch's place.
#[derive(Debug, clap::Args)]
pub(crate) struct StandIn {
    /// "idle" reports made-up metrics that are a hash of trial and epoch
    #[arg(long, value_enum, default_value_t = TrainerKind::Libtorch, hide = true)]
    trainer: TrainerKind,
    /// With `--trainer idle`: after a trial's first epoch, wait for as long as this file exists
    #[arg(long, hide = true)]
    hold: Option<PathBuf>,
    /// With `--hold`: waits without asking whether it should stop
    #[arg(long, hide = true)]
    deaf: bool,
    /// Seconds between two checkpoints of a trial, instead of half a minute
    #[arg(long, hide = true)]
    checkpoint_seconds: Option<u64>,
    /// Where this file is, the next assignment meets a device that fails
    #[arg(long, hide = true)]
    poison: Option<PathBuf>,
}

impl StandIn {
    pub(crate) fn trainer(self, device: Device, is_elsewhere: bool) -> Box<dyn Trainer> {
        let pause = self.checkpoint_seconds.map(Duration::from_secs);
        let libtorch = |of: fn(_) -> Libtorch| Box::new(of(device::of_libtorch(device)).tested(pause, self.poison));
        match self.trainer {
            TrainerKind::Libtorch if is_elsewhere => libtorch(Libtorch::elsewhere),
            TrainerKind::Libtorch => libtorch(Libtorch::new),
            TrainerKind::Idle => Box::new(Idle { hold: self.hold, deaf: self.deaf }),
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum TrainerKind {
    Libtorch,
    Idle,
}

pub(crate) fn run(arguments: Arguments) -> anyhow::Result<()> {
    // One that is stopped (SIGSTOP) when its coordinator dies would stay for ever, with its memory: it goes on instead,
    // finds nobody, and ends.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::CONT));
    let log = write_log();
    let token =
        std::env::var("FROSTLINE_TOKEN").context("the coordinator's secret is missing from FROSTLINE_TOKEN")?;
    let build = prepare(arguments.device, arguments.device_name, arguments.threads, arguments.deterministic)?;
    let seat = Seat { worker: WorkerId(arguments.worker), incarnation: Incarnation(arguments.incarnation) };
    let options = Options {
        way: Way::Local { endpoint: arguments.endpoint, token },
        who: Who::Started(seat),
        build,
        host: None,
        places: Box::new(Ok),
        outgoing: None,
        checkpoints: None,
        ends: None,
        leaves_on_signals: false,
        log,
        patience: PATIENCE,
        awaits: false,
    };
    serve(options, &mut *arguments.stand_in.trainer(arguments.device, false))?;
    tracing::info!("no more work");
    Ok(())
}

/// Writes what is logged to standard output, and remembers the last of it.
pub(crate) fn write_log() -> Tail {
    let log = Tail::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    log
}

/// Sets libtorch up, and says what this worker is.
pub(crate) fn prepare(on: Device, name: Option<String>, threads: u32, deterministic: bool) -> anyhow::Result<Build> {
    check_device(on)?;
    shim::set_deterministic(deterministic)?;
    tch::set_num_threads(threads as i32);
    tch::set_num_interop_threads(1);
    let build = Build {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: device::libtorch(),
        device: name.unwrap_or_else(|| on.to_string()),
        threads,
        host: frostline_results::host(),
        processor: Some(device::processor()),
    };
    tracing::info!(process = std::process::id(), device = build.device, threads = build.threads, "worker started");
    Ok(build)
}

pub(crate) fn check_device(device: Device) -> anyhow::Result<()> {
    let Device::Cuda(index) = device else { return Ok(()) };
    if !device::is_cuda_build() {
        bail!(
            "this worker runs on libtorch's libraries for the CPU; `./just setup cuda` fetches those for CUDA, or use \
             `device = \"cpu\"`"
        );
    }
    let devices = device::cuda_devices();
    if devices == 0 {
        bail!("libtorch finds no CUDA device: check the driver with `nvidia-smi`, or use `device = \"cpu\"`");
    }
    if index >= devices {
        bail!("there is no cuda:{index}: this machine has {devices} CUDA device(s), counted from 0");
    }
    Ok(())
}
