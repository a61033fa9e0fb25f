//! `join`: becomes a worker of a coordinator elsewhere, with the libraries and the environment that a worker needs.

use crate::args::Join;
use crate::exit::{Exit, wrong_input};
use crate::machine::{Look, worker_arguments, worker_info};
use anyhow::Context;
use frostline_coordinator::{Gpus, torch_of, worker_command, worker_program};
use frostline_results::Access;
use frostline_sweep::device::Device;
use std::os::unix::process::CommandExt;

pub(crate) fn run(arguments: &Join) -> anyhow::Result<Exit> {
    let access = Access::read(&arguments.access).map_err(|error| {
        wrong_input(format!("the access file {} cannot be used: {error}", arguments.access.display()))
    })?;
    let device = arguments.device.unwrap_or(if access.on_gpu { Device::Cuda(0) } else { Device::Cpu });
    let program = worker_program()?;
    torch_of(&program).map_err(wrong_input)?;
    // Where others give out GPUs, what is visible is what may be used: none is chosen here.
    let gpus = match device.is_cuda() {
        true => Gpus { listed: Vec::new(), ..worker_info(Look::Quick)?.access(access.deterministic) },
        false => Gpus::default(),
    };
    let mut command = worker_command(&program, &gpus, device);
    command.arg("join").arg(&arguments.access).args(["--device", &device.to_string()]);
    let paths = [
        ("--data", &arguments.data),
        ("--weights", &arguments.weights),
        ("--scratch", &arguments.scratch),
        ("--checkpoints", &arguments.checkpoints),
    ];
    for (name, path) in paths {
        if let Some(path) = path {
            command.arg(name).arg(path);
        }
    }
    if let Some(minutes) = arguments.minutes {
        command.args(["--minutes", &minutes.to_string()]);
    }
    if let Some((worker, incarnation)) = arguments.worker.zip(arguments.incarnation) {
        command.args(["--worker", &worker.to_string(), "--incarnation", &incarnation.to_string()]);
    }
    command.args(worker_arguments());
    // The same process, so that signals of whoever started it reach the worker.
    Err(command.exec()).with_context(|| format!("{} cannot be started", program.display()))
}
