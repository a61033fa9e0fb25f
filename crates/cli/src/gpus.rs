//! The GPUs of this machine, as NVIDIA's driver lists them. Asked of `nvidia-smi`, which needs no CUDA library.

use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::process::{Command, Stdio};

/// The oldest driver that libtorch's CUDA form works with (NVIDIA's CUDA 13.0 release notes, table 3), and the lowest compute
/// capability that PyTorch builds it for. `scripts/setup.py` has the same numbers.
pub(crate) const OLDEST_DRIVER: u32 = 580;
pub(crate) const LOWEST_CAPABILITY: (u32, u32) = (7, 5);

/// What `nvidia-smi` is asked for, in this order.
const COLUMNS: &str = "index,uuid,name,memory.total,compute_cap,driver_version,compute_mode";

/// One GPU, or one slice of a GPU that is divided (MIG).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Gpu {
    /// By which CUDA knows it, whichever others a process sees.
    pub(crate) uuid: String,
    /// Such as "NVIDIA H100 80GB HBM3".
    pub(crate) name: String,
    /// Of the whole GPU, in MiB; none where the driver does not say.
    pub(crate) memory: Option<u64>,
    /// Compute capability, such as (9, 0).
    pub(crate) capability: Option<(u32, u32)>,
    pub(crate) driver: String,
    /// More than one process may use it at a time.
    pub(crate) shared: bool,
}

impl Gpu {
    /// Why libtorch's CUDA form cannot use it.
    pub(crate) fn trouble(&self) -> Option<String> {
        let driver = self.driver.split('.').next().and_then(|major| major.parse::<u32>().ok());
        if driver.is_some_and(|driver| driver < OLDEST_DRIVER) {
            return Some(format!(
                "its driver {} is too old, {OLDEST_DRIVER} or newer is needed: update the driver",
                self.driver
            ));
        }
        let (major, minor) = LOWEST_CAPABILITY;
        match self.capability {
            Some((is, its)) if (is, its) < LOWEST_CAPABILITY => {
                Some(format!("compute capability {is}.{its} is too low, {major}.{minor} is needed"))
            }
            _ => None,
        }
    }

    /// "NVIDIA H100 80GB HBM3, 81559 MiB, compute capability 9.0, driver 580.65.06".
    pub(crate) fn describe(&self) -> String {
        let mut text = self.name.clone();
        if let Some(memory) = self.memory {
            text += &format!(", {memory} MiB");
        }
        if let Some((major, minor)) = self.capability {
            text += &format!(", compute capability {major}.{minor}");
        }
        text + ", driver " + &self.driver
    }
}

/// Why there is no list of GPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoList {
    /// No driver of NVIDIA's, as far as anybody can tell.
    NoDriver,
    /// It is there and does not work; in its words.
    Broken(String),
}

/// The GPUs that a program started from here may use, in the order of their slots.
///
/// # Errors
/// There is no `nvidia-smi`, or it does not work.
pub(crate) fn list() -> Result<Vec<Gpu>, NoList> {
    let gpus = parse(&ask(&[&format!("--query-gpu={COLUMNS}"), "--format=csv,noheader,nounits"])?);
    // Without the list of slices a divided GPU counts as a whole, of which CUDA takes the first slice.
    let gpus = divided(gpus, &ask(&["-L"]).unwrap_or_default());
    Ok(visible(gpus, std::env::var("CUDA_VISIBLE_DEVICES").ok().as_deref()))
}

fn ask(arguments: &[&str]) -> Result<String, NoList> {
    // Under WSL2 it lies where no PATH leads to.
    for program in ["nvidia-smi", "/usr/lib/wsl/lib/nvidia-smi"] {
        let output = match Command::new(program).args(arguments).stdin(Stdio::null()).output() {
            Ok(output) => output,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(NoList::Broken(format!("nvidia-smi cannot be started: {error}"))),
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        let said = said + &String::from_utf8_lossy(&output.stderr);
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        return Err(NoList::Broken(format!("nvidia-smi says: {said}")));
    }
    Err(NoList::NoDriver)
}

/// Lines of [`COLUMNS`]. What is no such line is passed over.
fn parse(text: &str) -> Vec<Gpu> {
    let gpu = |line: &str| {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let [_, uuid, name, memory, capability, driver, mode] = cells[..] else { return None };
        let capability = capability.split_once('.');
        Some(Gpu {
            uuid: uuid.to_owned(),
            name: name.to_owned(),
            memory: memory.parse().ok(),
            capability: capability.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?))),
            driver: driver.to_owned(),
            shared: mode == "Default",
        })
    };
    text.lines().filter_map(gpu).collect()
}

/// With each divided GPU's slices in its place. `listed` is what `nvidia-smi -L` prints: a line a GPU, and below it one for
/// each of its slices, `  MIG 1g.5gb  Device 0: (UUID: MIG-…)`.
fn divided(gpus: Vec<Gpu>, listed: &str) -> Vec<Gpu> {
    let uuid = |line: &str| Some(line.rsplit_once("(UUID: ")?.1.trim_end().trim_end_matches(')').to_owned());
    let slices = |gpu: &Gpu| {
        let mine = listed.lines().skip_while(|line| uuid(line).as_deref() != Some(&gpu.uuid)).skip(1);
        mine.take_while(|line| line.trim_start().starts_with("MIG "))
            .filter_map(|line| {
                let profile = line.split_whitespace().nth(1)?;
                let name = format!("{} MIG {profile}", gpu.name);
                Some(Gpu { uuid: uuid(line)?, name, memory: None, ..gpu.clone() })
            })
            .collect::<Vec<_>>()
    };
    let parts = |gpu: Gpu| {
        let slices = slices(&gpu);
        if slices.is_empty() { vec![gpu] } else { slices }
    };
    gpus.into_iter().flat_map(parts).collect()
}

/// Those that CUDA_VISIBLE_DEVICES names, in its order: by number or by the beginning of a UUID. As CUDA does, whatever comes
/// after the first name that fits none does not count.
fn visible(gpus: Vec<Gpu>, named: Option<&str>) -> Vec<Gpu> {
    let Some(named) = named else { return gpus };
    let find = |name: &str| match name.parse::<usize>() {
        Ok(number) => gpus.get(number),
        Err(_) if name.is_empty() => None,
        Err(_) => gpus.iter().find(|gpu| gpu.uuid.starts_with(name)),
    };
    named.split(',').map(str::trim).map_while(find).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `nvidia-smi` of driver 580 prints it, but for the names.
    const QUERY: &str = "\
0, GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77, NVIDIA A100-SXM4-40GB, 40960, 8.0, 580.65.06, Default
1, GPU-11111111-d33d-2b2c-524d-9e3d8d2b8a77, Tesla V100-SXM2-16GB, 16384, 7.0, 580.65.06, Exclusive_Process
2, GPU-22222222-d33d-2b2c-524d-9e3d8d2b8a77, NVIDIA GB10, [N/A], 12.1, 580.95.05, Default
";
    const LISTED: &str = "\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)
  MIG 3g.20gb     Device  0: (UUID: MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f)
  MIG 1g.5gb      Device  1: (UUID: MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb)
GPU 1: Tesla V100-SXM2-16GB (UUID: GPU-11111111-d33d-2b2c-524d-9e3d8d2b8a77)
GPU 2: NVIDIA GB10 (UUID: GPU-22222222-d33d-2b2c-524d-9e3d8d2b8a77)
";

    #[test]
    fn a_gpu_is_known_by_name_memory_capability_and_driver() {
        let gpus = parse(QUERY);
        let described: Vec<String> = gpus.iter().map(Gpu::describe).collect();
        assert_eq!(
            described,
            [
                "NVIDIA A100-SXM4-40GB, 40960 MiB, compute capability 8.0, driver 580.65.06",
                "Tesla V100-SXM2-16GB, 16384 MiB, compute capability 7.0, driver 580.65.06",
                "NVIDIA GB10, compute capability 12.1, driver 580.95.05",
            ]
        );
        assert_eq!(gpus.iter().map(|gpu| gpu.shared).collect::<Vec<_>>(), [true, false, true]);
        assert_eq!(parse("No devices were found\n"), []);
    }

    #[test]
    fn what_libtorch_cannot_use_says_why() {
        let gpus = parse(QUERY);
        assert_eq!(gpus[0].trouble(), None);
        assert_eq!(gpus[1].trouble().unwrap(), "compute capability 7.0 is too low, 7.5 is needed");
        assert_eq!(gpus[2].trouble(), None, "12.1 is more than 7.5");
        let old = Gpu { driver: "535.104.05".to_owned(), ..gpus[0].clone() };
        assert_eq!(
            old.trouble().unwrap(),
            "its driver 535.104.05 is too old, 580 or newer is needed: update the driver"
        );
    }

    #[test]
    fn a_divided_gpu_is_its_slices() {
        let gpus = divided(parse(QUERY), LISTED);
        let names: Vec<(&str, &str)> = gpus.iter().map(|gpu| (&gpu.name[..], &gpu.uuid[..8])).collect();
        assert_eq!(
            names,
            [
                ("NVIDIA A100-SXM4-40GB MIG 3g.20gb", "MIG-c6d4"),
                ("NVIDIA A100-SXM4-40GB MIG 1g.5gb", "MIG-cba6"),
                ("Tesla V100-SXM2-16GB", "GPU-1111"),
                ("NVIDIA GB10", "GPU-2222"),
            ]
        );
        assert_eq!(divided(parse(QUERY), "").len(), 3);
    }

    #[test]
    fn only_what_cuda_would_show_is_listed() {
        let shown = |named: Option<&str>| {
            visible(parse(QUERY), named).into_iter().map(|gpu| gpu.uuid[4..8].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(shown(None), ["5d5b", "1111", "2222"]);
        assert_eq!(shown(Some("2,0")), ["2222", "5d5b"]);
        assert_eq!(shown(Some("GPU-1111")), ["1111"]);
        assert_eq!(shown(Some("0,-1,2")), ["5d5b"], "as CUDA has it");
        assert_eq!(shown(Some("")), [""; 0]);
        assert_eq!(shown(Some("NoDevFiles")), [""; 0]);
    }

    #[test]
    fn setup_knows_the_same_limits() {
        let script = include_str!("../../../scripts/setup.py");
        assert!(script.contains(&format!("OLDEST_DRIVER = {OLDEST_DRIVER}\n")));
        assert!(script.contains(&format!("LOWEST_CAPABILITY = {LOWEST_CAPABILITY:?}\n")));
    }
}
