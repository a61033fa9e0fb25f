//! `info`: what libtorch finds on this machine, for `frostline doctor` and for choosing device and threads.

use frostline_sweep::device::Device;
use frostline_training::device;
use serde::Serialize;
use std::io::Write;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Info {
    /// Version of Frostline.
    version: &'static str,
    /// Version of libtorch, with "cpu" or "cuda".
    libtorch: String,
    /// Whether libtorch's CUDA part is linked.
    cuda_built: bool,
    /// What `--device` may be.
    devices: Vec<Device>,
    /// Threads that can run at a time.
    cores: usize,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let cuda = (0..device::cuda_devices()).map(Device::Cuda);
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        libtorch: device::libtorch(),
        cuda_built: device::is_cuda_build(),
        devices: std::iter::once(Device::Cpu).chain(cuda).collect(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
    };
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&info)?)?;
    } else {
        writeln!(out, "frostline-worker {}", info.version)?;
        writeln!(out, "libtorch  {}", info.libtorch)?;
        writeln!(out, "devices   {}", info.devices.iter().map(Device::to_string).collect::<Vec<_>>().join(", "))?;
        if info.cuda_built && info.devices.len() == 1 {
            writeln!(out, "          CUDA build, no device")?;
        }
        writeln!(out, "cores     {}", info.cores)?;
    }
    Ok(())
}
