//! `join`: becomes a worker of a coordinator elsewhere, with the libraries and the environment that a worker needs.

use crate::args::Join;
use crate::exit::{Exit, wrong_input};
use crate::machine::{Look, worker_arguments, worker_info};
use anyhow::{Context, bail};
use frostline_coordinator::{Gpus, torch_of, worker_command, worker_program};
use frostline_results::{Access, PASS, Pass};
use frostline_sweep::device::Device;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;

/// The longest pass that is read.
const LONGEST: usize = 16 << 10;

pub(crate) fn run(arguments: &Join) -> anyhow::Result<Exit> {
    let is_piped = arguments.access.as_os_str() == "-";
    let pass = if is_piped { piped()? } else { listed(arguments)? };
    let conditions = &pass.conditions;
    let device = arguments.device.unwrap_or(if conditions.on_gpu { Device::Cuda(0) } else { Device::Cpu });
    let program = worker_program()?;
    torch_of(&program).map_err(wrong_input)?;
    // Where others give out GPUs, what is visible is what may be used: none is chosen here.
    let gpus = match device.is_cuda() {
        true => worker_info(Look::Quick)?.access(conditions.deterministic),
        false => Gpus::default(),
    };
    let name = gpus.name(device);
    let gpus = Gpus { listed: Vec::new(), ..gpus };
    let mut command = worker_command(&program, &gpus, device);
    if is_piped {
        command.env(PASS, serde_json::to_string(&pass)?);
    }
    command.arg("join").arg(&arguments.access).args(["--device", &device.to_string()]);
    command.args(["--device-name", &name]);
    let paths =
        [("--data", &arguments.data), ("--scratch", &arguments.scratch), ("--checkpoints", &arguments.checkpoints)];
    for (name, path) in paths {
        if let Some(path) = path {
            command.arg(name).arg(path);
        }
    }
    for weights in &arguments.weights {
        command.arg("--weights").arg(weights);
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

fn listed(arguments: &Join) -> anyhow::Result<Pass> {
    let access = Access::read(&arguments.access).map_err(|error| {
        wrong_input(format!("the access file {} cannot be used: {error}", arguments.access.display()))
    })?;
    Ok(access.pass)
}

/// The first line of standard input, and nothing behind it: that is the worker's.
fn piped() -> anyhow::Result<Pass> {
    if io::stdin().is_terminal() {
        return Err(wrong_input("`frostline join -` is what `launch` runs over ssh; give it the access file"));
    }
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        match rustix::io::read(rustix::stdio::stdin(), &mut byte) {
            Ok(1) if byte == *b"\n" => break,
            Ok(1) if line.len() < LONGEST => line.push(byte[0]),
            Ok(1) => bail!("what standard input says first is too long to let a worker in"),
            Ok(_) => bail!("standard input ended before it said what lets a worker in"),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    serde_json::from_slice(&line).context("what standard input says first does not let a worker in")
}
