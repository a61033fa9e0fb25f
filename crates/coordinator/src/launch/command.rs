//! How the worker program is found and started: with an environment of its own.

use std::ffi::OsStr;
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

/// Starts `program`, a worker, with the environment of this process but for what would change its computing.
pub fn worker_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    let variables = std::env::vars_os().map(|(name, _)| name);
    variables.filter(|name| is_computing(name)).for_each(|name| _ = command.env_remove(name));
    // A backtrace of an allocation that fails allocates, and waits for its own lock for ever.
    command.env("RUST_BACKTRACE", "0");
    command
}

fn is_computing(name: &OsStr) -> bool {
    COMPUTING.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
