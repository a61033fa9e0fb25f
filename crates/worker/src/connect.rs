//! `connect`: serves a coordinator.

use crate::trainer::Libtorch;
use anyhow::{Context, bail};
use clap::ValueEnum;
use frostline_link::idle::Idle;
use frostline_link::log::Tail;
use frostline_link::{Options, Trainer, serve};
use frostline_protocol::{Build, WorkerId};
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
    /// "idle" reports made-up metrics that are a hash of trial and epoch: for benches and tests of the orchestration
    #[arg(long, value_enum, default_value_t = TrainerKind::Libtorch, hide = true)]
    trainer: TrainerKind,
    /// With `--trainer idle`: after a trial's first epoch, wait for as long as this file exists
    #[arg(long, hide = true)]
    hold: Option<PathBuf>,
    /// With `--hold`: waits without asking whether it should stop
    #[arg(long, hide = true)]
    deaf: bool,
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
    let log = Tail::default();
    let writer = log.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();

    let token =
        std::env::var("FROSTLINE_TOKEN").context("the coordinator's secret is missing from FROSTLINE_TOKEN")?;
    check_device(arguments.device)?;
    shim::set_deterministic(arguments.deterministic)?;
    tch::set_num_threads(arguments.threads as i32);
    tch::set_num_interop_threads(1);
    let build = Build {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: device::libtorch(),
        device: arguments.device_name.unwrap_or_else(|| arguments.device.to_string()),
        threads: arguments.threads,
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    };
    tracing::info!(process = std::process::id(), device = build.device, threads = build.threads, "worker started");
    let mut trainer: Box<dyn Trainer> = match arguments.trainer {
        TrainerKind::Libtorch => Box::new(Libtorch::new(device::of_libtorch(arguments.device))),
        TrainerKind::Idle => Box::new(Idle { hold: arguments.hold, deaf: arguments.deaf }),
    };
    let worker = WorkerId(arguments.worker);
    serve(Options { endpoint: arguments.endpoint, token, worker, build, log, patience: PATIENCE }, &mut *trainer)?;
    tracing::info!("no more work");
    Ok(())
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
