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
    /// Compute something small on each device, in each precision
    #[arg(long = "try")]
    tries: bool,
}

#[derive(Serialize)]
struct Info {
    /// Version of Frostline.
    version: &'static str,
    /// Version of libtorch, with "cpu" or "cuda".
    libtorch: String,
    /// Whether libtorch's CUDA part is loaded.
    cuda_built: bool,
    /// What `--device` may be.
    devices: Vec<Device>,
    /// Threads that can run at a time.
    cores: usize,
    /// By device, where they were to be tried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tried: Vec<Tried>,
}

#[derive(Serialize)]
struct Tried {
    device: Device,
    /// What went wrong; none where it computes.
    trouble: Option<String>,
    /// Bytes of a GPU's memory that are free, and all of them.
    memory: Option<(u64, u64)>,
}

impl Tried {
    fn of(device: Device) -> Tried {
        Tried { device, trouble: device::trial(device).err(), memory: device::memory(device) }
    }

    fn text(&self) -> String {
        let memory =
            self.memory.map(|(free, total)| format!(", {} of {} MB free", free / 1_000_000, total / 1_000_000));
        let state = self
            .trouble
            .as_ref()
            .map_or("computes in every precision".to_owned(), |trouble| format!("does not compute: {trouble}"));
        format!("{} {state}{}", self.device, memory.unwrap_or_default())
    }
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let cuda = (0..device::cuda_devices()).map(Device::Cuda);
    let devices: Vec<Device> = std::iter::once(Device::Cpu).chain(cuda).collect();
    let info = Info {
        version: env!("CARGO_PKG_VERSION"),
        libtorch: device::libtorch(),
        cuda_built: device::is_cuda_build(),
        tried: devices.iter().filter(|_| arguments.tries).map(|device| Tried::of(*device)).collect(),
        devices,
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
        for tried in &info.tried {
            writeln!(out, "          {}", tried.text())?;
        }
        writeln!(out, "cores     {}", info.cores)?;
    }
    Ok(())
}
