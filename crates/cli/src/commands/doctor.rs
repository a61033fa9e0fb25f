//! `doctor`: what this machine has.

use crate::args::{Common, Json};
use crate::exit::Exit;
use crate::machine::{self, Look};
use crate::memory::memory;
use crate::output::{self, BAD, GOOD, print_json};
use crate::record;
use frostline_assets::{cache, catalogue};
use frostline_store::StoreError;
use frostline_sweep::backbone;
use serde_json::json;
use std::io::Write;

/// Characters before what a line says.
const LABEL: usize = 15;

pub(crate) fn run(common: &Common, json: Json) -> anyhow::Result<Exit> {
    let worker = machine::worker_info(Look::Thorough);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let free = machine::free_space(&common.results);
    let database = match record::open(common).and_then(|reader| reader.sweeps()) {
        Ok(sweeps) => Ok(Some(sweeps.len())),
        Err(StoreError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    };
    let memory = memory();
    let healthy = worker.is_ok() && database.is_ok();
    let exit = if healthy { Exit::Done } else { Exit::Error };
    if json.json {
        print_json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "worker": worker.as_ref().ok(),
            "gpu_remarks": worker.as_ref().map(|info| &info.remarks).ok(),
            "torch": worker.as_ref().ok().and_then(|info| info.torch.as_ref())
                .map(|torch| json!({"version": torch.version, "libraries": torch.libraries})),
            "worker_error": worker.as_ref().err().map(|error| format!("{error:#}")),
            "cores": cores,
            "memory_bytes": memory.map(|memory| memory.total),
            "results": common.results,
            "free_bytes": free,
            "sweeps": database.as_ref().ok(),
            "database_error": database.as_ref().err().map(ToString::to_string),
            "cache": cache::folder(),
            "backbones": backbone::names().collect::<Vec<_>>(),
            "catalogue": catalogue::entries()
                .map(|entry| json!({"name": entry.name, "present": entry.is_present(), "path": entry.path()}))
                .collect::<Vec<_>>(),
        }))?;
        return Ok(exit);
    }
    let mut out = anstream::stdout().lock();
    let mut line = |good: bool, name: &str, text: &str| {
        let (style, mark) = if good { (GOOD, "ok") } else { (BAD, "!!") };
        // Below a line with a name, or of what is merely so.
        let mark = if name.is_empty() && good { "  " } else { mark };
        let text = output::aside(text, LABEL);
        writeln!(out, "{style}{mark}{style:#}  {name:<10} {text}")
    };
    line(true, "frostline", env!("CARGO_PKG_VERSION"))?;
    match &worker {
        Ok(info) => {
            let same = info.version == env!("CARGO_PKG_VERSION");
            let hint = if same { "" } else { " (another version than frostline: build both again)" };
            line(same, "worker", &format!("frostline-worker {}{hint}", info.version))?;
            line(true, "libtorch", &info.libtorch)?;
            if let Some(torch) = &info.torch {
                line(true, "torch", &format!("{} in {}", torch.version, torch.libraries.display()))?;
            }
            let nothing =
                if info.cuda_built && info.devices.len() == 1 { " (libtorch has CUDA, no device)" } else { "" };
            line(true, "devices", &format!("{}{nothing}", info.devices.join(", ")))?;
            for gpu in &info.gpus {
                line(true, "", &format!("{}: computes in every precision", gpu.describe()))?;
            }
            for remark in &info.remarks {
                line(false, "", remark)?;
            }
        }
        Err(error) => line(false, "worker", &error.to_string())?,
    }
    let memory = memory.map_or_else(|| "?".to_owned(), |memory| output::bytes(memory.total));
    line(true, "machine", &format!("{}, {memory} of memory", output::count(cores as u64, "core")))?;
    let free = free.map_or_else(|| "?".to_owned(), output::bytes);
    line(true, "results", &format!("{} ({free} free)", common.results.display()))?;
    match &database {
        Ok(Some(sweeps)) => line(true, "database", &output::count(*sweeps as u64, "sweep"))?,
        Ok(None) => line(true, "database", "none yet: `frostline launch` makes one")?,
        Err(error) => line(false, "database", &error.to_string())?,
    }
    line(true, "cache", &cache::folder().display().to_string())?;
    let (here, absent): (Vec<_>, Vec<_>) = catalogue::entries().partition(|entry| entry.is_present());
    for entry in here {
        line(true, "", &format!("{} is here", entry.name))?;
    }
    if let Some(first) = absent.first() {
        let (count, name) = (absent.len(), first.name);
        let how = format!("`frostline fetch` lists them, `frostline fetch {name}` gets one");
        line(true, "", &format!("{count} of the catalogue are not here: {how}"))?;
    }
    line(true, "backbones", &backbone::names().collect::<Vec<_>>().join(", "))?;
    Ok(exit)
}
