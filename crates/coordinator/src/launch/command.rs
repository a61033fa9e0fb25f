//! How the worker program is found and started: with an environment of its own.

use super::torch::torch_of;
use frostline_sweep::device::Device;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Variables that change how libtorch's libraries compute: the number of their threads, or which instructions they use.
/// What a worker computes follows from its arguments alone; `OMP_THREAD_LIMIT=1` lets oneDNN wait for ever for a second
/// thread.
const COMPUTING: [&str; 8] = ["OMP_", "GOMP_", "KMP_", "MKL_", "DNNL_", "ONEDNN_", "OPENBLAS_", "ATEN_"];

/// `FROSTLINE_WORKER`, else `frostline-worker` beside the running program.
///
/// # Errors
/// There is none.
pub fn worker_program() -> io::Result<PathBuf> {
    if let Some(program) = std::env::var_os("FROSTLINE_WORKER") {
        return Ok(program.into());
    }
    let program = std::env::current_exe()?.with_file_name("frostline-worker");
    if program.is_file() {
        return Ok(program);
    }
    let message = format!("there is no {}; build it, or name another in FROSTLINE_WORKER", program.display());
    Err(io::Error::new(io::ErrorKind::NotFound, message))
}

/// How a machine's GPUs are reached. A worker needs no build of its own for them: libtorch's library for CUDA registers itself
/// when it is loaded before the program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gpus {
    /// The folder of libtorch with CUDA; none where the worker program is linked to it.
    pub libraries: Option<PathBuf>,
    /// Their UUIDs and names, by number. Empty where nobody lists them: CUDA's own numbers count then.
    pub listed: Vec<(String, String)>,
    /// Sums come in the same order each time.
    pub deterministic: bool,
}

impl Gpus {
    fn listed(&self, device: Device) -> Option<&(String, String)> {
        match device {
            Device::Cuda(number) => self.listed.get(number as usize),
            Device::Cpu => None,
        }
    }

    /// The number of `device` in a process that [`worker_command`] starts for it: of a listed one it sees no other.
    pub fn seen(&self, device: Device) -> Device {
        if self.listed(device).is_some() { Device::Cuda(0) } else { device }
    }

    /// "cuda:1 (NVIDIA H100)".
    pub fn name(&self, device: Device) -> String {
        match self.listed(device) {
            Some((_, name)) => format!("{device} ({name})"),
            None => device.to_string(),
        }
    }

    /// Sets what a process that computes on `device` needs.
    fn prepare(&self, command: &mut Command, device: Device) {
        if !device.is_cuda() {
            return;
        }
        if let Some(folder) = &self.libraries {
            command.env("LD_LIBRARY_PATH", before(folder, "LD_LIBRARY_PATH"));
            command.env("LD_PRELOAD", before(&folder.join(CUDA_LIBRARY), "LD_PRELOAD"));
        }
        // As `nvidia-smi` counts them, and not the fastest first.
        command.env("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
        if let Some((uuid, _)) = self.listed(device) {
            command.env("CUDA_VISIBLE_DEVICES", uuid);
        }
        if self.deterministic {
            // Without it cuBLAS sums in the order in which its streams get on (NVIDIA, cuBLAS, "Results reproducibility").
            command.env("CUBLAS_WORKSPACE_CONFIG", ":4096:8");
        }
    }
}

/// libtorch's part for CUDA, in the folder of its libraries.
pub const CUDA_LIBRARY: &str = "libtorch_cuda.so";

/// `first`, and then what a variable of this process holds.
fn before(first: &Path, variable: &str) -> OsString {
    let mut all = first.as_os_str().to_owned();
    if let Some(rest) = std::env::var_os(variable).filter(|rest| !rest.is_empty()) {
        all.push(":");
        all.push(rest);
    }
    all
}

/// Starts `program`, a worker for `device`, with the environment of this process but for what would change its computing.
pub fn worker_command(program: &Path, gpus: &Gpus, device: Device) -> Command {
    let mut command = Command::new(program);
    let variables = std::env::vars_os().map(|(name, _)| name);
    variables.filter(|name| is_computing(name)).for_each(|name| _ = command.env_remove(name));
    // A backtrace of an allocation that fails allocates, and waits for its own lock for ever.
    command.env("RUST_BACKTRACE", "0");
    // What is wrong with it was said when this machine was looked at.
    if let Ok(Some(torch)) = torch_of(program) {
        command.env("LD_LIBRARY_PATH", before(&torch.libraries, "LD_LIBRARY_PATH"));
    }
    gpus.prepare(&mut command, device);
    command
}

fn is_computing(name: &OsStr) -> bool {
    COMPUTING.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(gpus: &Gpus, device: Device) -> Vec<(String, String)> {
        let command = worker_command(Path::new("frostline-worker"), gpus, device);
        let text = |text: &OsStr| text.to_string_lossy().into_owned();
        let set = command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?))));
        set.filter(|(name, _)| name != "RUST_BACKTRACE").collect()
    }

    #[test]
    fn a_worker_sees_its_gpu_only_and_the_libraries_that_it_needs() {
        let listed = ["GPU-1", "MIG-2"].map(|uuid| (uuid.to_owned(), "A100".to_owned())).to_vec();
        let gpus = Gpus { libraries: Some("/cuda/lib".into()), listed, deterministic: false };
        let second = Device::Cuda(1);
        assert_eq!((gpus.seen(second), gpus.name(second)), (Device::Cuda(0), "cuda:1 (A100)".to_owned()));
        let set = variables(&gpus, second);
        let value = |name: &str| set.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        assert_eq!(value("CUDA_VISIBLE_DEVICES"), Some("MIG-2"));
        assert!(value("LD_LIBRARY_PATH").is_some_and(|path| path.split(':').next() == Some("/cuda/lib")));
        assert!(value("LD_PRELOAD").is_some_and(|path| path.split(':').next() == Some("/cuda/lib/libtorch_cuda.so")));
        assert_eq!(value("CUBLAS_WORKSPACE_CONFIG"), None);
        assert_eq!(variables(&gpus, Device::Cpu), [], "the CPU's workers stay as they are");
        assert_eq!((gpus.seen(Device::Cpu), gpus.name(Device::Cpu)), (Device::Cpu, "cpu".to_owned()));
    }

    #[test]
    fn unlisted_gpus_keep_cudas_numbers() {
        let gpus = Gpus { deterministic: true, ..Gpus::default() };
        let third = Device::Cuda(2);
        assert_eq!((gpus.seen(third), gpus.name(third)), (third, "cuda:2".to_owned()));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = [pair("CUBLAS_WORKSPACE_CONFIG", ":4096:8"), pair("CUDA_DEVICE_ORDER", "PCI_BUS_ID")];
        assert_eq!(variables(&gpus, third), expected);
    }

    #[test]
    fn variables_that_change_computing_are_kept_from_workers() {
        for name in ["OMP_THREAD_LIMIT", "OMP_NUM_THREADS", "KMP_AFFINITY", "MKL_NUM_THREADS", "ATEN_CPU_CAPABILITY"]
        {
            assert!(is_computing(OsStr::new(name)), "{name}");
        }
        for name in ["PATH", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "FROSTLINE_TOKEN", "COMPUTE_OMP_"] {
            assert!(!is_computing(OsStr::new(name)), "{name}");
        }
    }
}
