//! What this machine offers a sweep, asked of the worker program, which links libtorch.

use crate::exit::wrong_input;
use crate::output::count;
use anyhow::{Context, anyhow, bail};
use frostline_coordinator::{worker_command, worker_program};
use frostline_sweep::definition::{DeviceChoice, Workers};
use frostline_sweep::device::Device;
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

/// What `frostline-worker info --json` prints.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct WorkerInfo {
    pub(crate) version: String,
    /// Version of libtorch, with "cpu" or "cuda".
    pub(crate) libtorch: String,
    pub(crate) cuda_built: bool,
    /// The CPU, then each CUDA device.
    pub(crate) devices: Vec<String>,
    pub(crate) cores: usize,
}

impl WorkerInfo {
    /// What is known of this machine without the worker program.
    pub(crate) fn without_worker() -> WorkerInfo {
        WorkerInfo {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            libtorch: String::new(),
            cuda_built: false,
            devices: vec!["cpu".to_owned()],
            cores: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

/// How long the worker program may take to say what it is: it loads libtorch, perhaps from a cold disk.
const START_LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn worker_info() -> anyhow::Result<WorkerInfo> {
    let read = |text: String| serde_json::from_str(&text).context("`info --json` printed something else");
    let asked = worker_program().map_err(anyhow::Error::from);
    let asked = asked.and_then(|program| ask(&program, &["info", "--json"], Vec::new(), Some(START_LIMIT)));
    asked.and_then(read).map_err(|error| {
        anyhow!(
            "frostline-worker does not work: {error:#}; `./just setup` and `cargo build --release --workspace` make one \
             that does"
        )
    })
}

/// For tests and benches: further arguments of every worker, separated by spaces.
pub(crate) fn worker_arguments() -> Vec<std::ffi::OsString> {
    let arguments = std::env::var("FROSTLINE_WORKER_ARGUMENTS").unwrap_or_default();
    arguments.split_whitespace().map(Into::into).collect()
}

/// Puts a question of `frostline_protocol::tools` to the worker program.
pub(crate) fn question<A: DeserializeOwned>(tool: &str, question: &impl Serialize) -> anyhow::Result<A> {
    question_within(&worker_program()?, tool, question, None)
}

/// The same, to this program.
///
/// # Errors
/// Also [`NoAnswer`] where it takes longer than `limit`.
pub(crate) fn question_within<A: DeserializeOwned>(
    program: &Path,
    tool: &str,
    question: &impl Serialize,
    limit: Option<Duration>,
) -> anyhow::Result<A> {
    let text = ask(program, &[tool], serde_json::to_vec(question)?, limit)?;
    serde_json::from_str(&text)
        .with_context(|| format!("`frostline-worker {tool}` printed something else: build both programs together"))
}

/// The worker program took too long, and was killed.
#[derive(Debug, thiserror::Error)]
#[error("`{}` did not answer within {:.0} s", program.display(), limit.as_secs_f64())]
pub(crate) struct NoAnswer {
    program: PathBuf,
    limit: Duration,
}

/// Runs the worker program on `input` and returns what it prints; what it says on standard error where it fails.
fn ask(program: &Path, arguments: &[&str], input: Vec<u8>, limit: Option<Duration>) -> anyhow::Result<String> {
    let failed = || format!("`{}` could not be started", program.display());
    let mut command = worker_command(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut worker = command.spawn().with_context(failed)?;
    let process = Pid::from_child(&worker);
    let (sender, answer) = mpsc::channel();
    let talk = move || {
        if let Some(mut stdin) = worker.stdin.take() {
            // A worker that ends without reading says why on standard error.
            let _ = stdin.write_all(&input);
        }
        let _ = sender.send(worker.wait_with_output());
    };
    std::thread::Builder::new().name("frostline-ask".to_owned()).spawn(talk)?;
    let answer = match limit {
        None => answer.recv()?,
        Some(limit) => answer.recv_timeout(limit).map_err(|_| {
            // The thread still waits for its end, so the number is its own.
            let _ = kill_process(process, Signal::KILL);
            NoAnswer { program: program.to_owned(), limit }
        })?,
    };
    let output = answer.with_context(failed)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        let said = said.strip_prefix("error: ").unwrap_or(said);
        if said.is_empty() {
            bail!("`{}` ended with {}", program.display(), output.status);
        }
        return Err(wrong_input(said));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Bytes that this user may still write where `path` is, or will be; none where the system does not tell.
pub(crate) fn free_space(path: &Path) -> Option<u64> {
    let path = std::path::absolute(path).ok()?;
    let space = path.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}

/// How many processes ran or waited to, on average over the last minute. FROSTLINE_LOAD says another number, for tests on
/// machines that are busy with others.
pub(crate) fn load() -> Option<f64> {
    if let Ok(load) = std::env::var("FROSTLINE_LOAD") {
        return load.parse().ok();
    }
    std::fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// The workers of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Team {
    /// One worker each.
    pub(crate) devices: Vec<Device>,
    pub(crate) threads: u32,
}

impl Team {
    pub(crate) fn is_cuda(&self) -> bool {
        self.devices.iter().any(|device| device.is_cuda())
    }

    /// "2 workers of 1 thread on cpu".
    pub(crate) fn describe(&self) -> String {
        let workers = count(self.devices.len() as u64, "worker");
        let threads = count(u64::from(self.threads), "thread");
        let device = if self.is_cuda() { "cuda" } else { "cpu" };
        format!("{workers} of {threads} on {device}")
    }
}

/// Workers of one GPU that are tried at most: small trials leave it idle half of the time.
const SHARES: [usize; 3] = [1, 2, 4];

/// The teams that a definition leaves open, [`team`]'s choice first. Which of them is the fastest, measuring tells.
///
/// # Errors
/// A device is asked for that is not there.
pub(crate) fn teams(workers: &Workers, info: &WorkerInfo, recorded: Option<u32>) -> anyhow::Result<Vec<Team>> {
    let first = team(workers, info, recorded)?;
    if workers.count.is_some() {
        return Ok(vec![first]);
    }
    if first.is_cuda() {
        let shared = |share: usize| {
            let devices = std::iter::repeat_n(&first.devices, share).flatten().copied().collect();
            Team { devices, threads: first.threads }
        };
        return Ok(SHARES.into_iter().map(shared).collect());
    }
    if recorded.is_some() || workers.threads.is_some() {
        return Ok(vec![first]);
    }
    let cores = info.cores.max(1);
    let threads = std::iter::successors(Some(1), |threads| Some(2 * threads)).take_while(|threads| *threads <= cores);
    Ok(threads.map(|threads| Team { devices: vec![Device::Cpu; cores / threads], threads: threads as u32 }).collect())
}

/// Chooses devices and threads. `recorded` are the threads that earlier trials of the sweep were run with: results
/// depend on them, so they win.
///
/// On CPU, one-thread workers, as many as there are cores: two of them train 1.3 times as fast as one of two threads.
///
/// # Errors
/// A device is asked for that is not there.
pub(crate) fn team(workers: &Workers, info: &WorkerInfo, recorded: Option<u32>) -> anyhow::Result<Team> {
    let cuda = info.devices.len().saturating_sub(1);
    let use_cuda = match workers.device {
        DeviceChoice::Cpu => false,
        DeviceChoice::Auto => cuda > 0,
        DeviceChoice::Cuda if cuda > 0 => true,
        DeviceChoice::Cuda if info.cuda_built => {
            return Err(wrong_input(
                "workers.device = \"cuda\", and this machine has no CUDA device (CUDA build, no device): check the \
                 driver with `nvidia-smi`, or use `--set workers.device=cpu`",
            ));
        }
        DeviceChoice::Cuda => {
            return Err(wrong_input(
                "workers.device = \"cuda\", and frostline-worker is built for the CPU only: run `./just setup cuda` and \
                 build again, or use `--set workers.device=cpu`",
            ));
        }
    };
    let cores = info.cores.max(1);
    if use_cuda {
        let count = workers.count.map_or(cuda, |count| (count as usize).min(cuda)).max(1);
        let devices = (0..count as u32).map(Device::Cuda).collect();
        let threads = recorded.or(workers.threads).unwrap_or((cores / count).clamp(1, 4) as u32);
        return Ok(Team { devices, threads });
    }
    let threads = recorded.or(workers.threads).unwrap_or(1).max(1);
    let count = workers.count.map_or(cores / threads as usize, |count| count as usize).max(1);
    Ok(Team { devices: vec![Device::Cpu; count], threads })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(cuda_built: bool, devices: &[&str], cores: usize) -> WorkerInfo {
        let devices = devices.iter().map(|name| name.to_string()).collect();
        WorkerInfo { version: String::new(), libtorch: String::new(), cuda_built, devices, cores }
    }

    fn workers(count: Option<u32>, threads: Option<u32>, device: DeviceChoice) -> Workers {
        Workers { count, threads, device, lease: 20.0, stall: 600.0, reconnect_grace: 30.0 }
    }

    #[test]
    fn a_program_that_never_answers_is_killed() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("worker");
        std::fs::write(&program, "#!/bin/sh\necho $$ > \"$0.process\"\nexec sleep 1000\n").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        // Until the program has said that it runs.
        let mut limit = Duration::from_millis(100);
        let process = loop {
            let error = question_within::<()>(&program, "measure", &(), Some(limit)).unwrap_err();
            assert!(error.to_string().contains("did not answer within"), "{error:#}");
            assert!(error.is::<NoAnswer>());
            match std::fs::read_to_string(folder.path().join("worker.process")) {
                Ok(number) if number.ends_with('\n') => break number.trim().to_owned(),
                _ => limit *= 2,
            }
        };
        let commands = || std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
        while commands().contains("sleep") {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_cpu_gets_one_thread_workers_and_a_gpu_one_worker() {
        let auto = workers(None, None, DeviceChoice::Auto);
        let cpu = team(&auto, &info(false, &["cpu"], 8), None).unwrap();
        assert_eq!((cpu.devices.len(), cpu.threads), (8, 1));
        let gpus = team(&auto, &info(true, &["cpu", "cuda:0 (A)", "cuda:1 (B)"], 16), None).unwrap();
        assert_eq!((gpus.devices, gpus.threads), (vec![Device::Cuda(0), Device::Cuda(1)], 4));
    }

    #[test]
    fn what_a_definition_leaves_open_is_tried() {
        let describe = |workers, info: &WorkerInfo, recorded| {
            let teams = teams(&workers, info, recorded).unwrap();
            teams.iter().map(Team::describe).collect::<Vec<_>>()
        };
        let machine = info(false, &["cpu"], 4);
        let open = |count, threads| workers(count, threads, DeviceChoice::Auto);
        let all = ["4 workers of 1 thread on cpu", "2 workers of 2 threads on cpu", "1 worker of 4 threads on cpu"];
        assert_eq!(describe(open(None, None), &machine, None), all);
        assert_eq!(describe(open(None, None), &machine, Some(2)), [all[1]], "what was measured with two threads");
        assert_eq!(describe(open(None, Some(4)), &machine, None), [all[2]]);
        assert_eq!(describe(open(Some(3), None), &machine, None), ["3 workers of 1 thread on cpu"]);
        let gpu = info(true, &["cpu", "cuda:0 (A)"], 16);
        assert_eq!(describe(open(None, None), &gpu, None).len(), 3);
    }

    #[test]
    fn recorded_threads_win_over_wanted_ones() {
        let wanted = workers(None, Some(1), DeviceChoice::Cpu);
        let kept = team(&wanted, &info(false, &["cpu"], 4), Some(2)).unwrap();
        assert_eq!((kept.devices.len(), kept.threads), (2, 2));
    }

    #[test]
    fn cuda_that_is_not_there_is_refused_with_the_remedy() {
        let cuda = workers(None, None, DeviceChoice::Cuda);
        let without_build = team(&cuda, &info(false, &["cpu"], 4), None).unwrap_err().to_string();
        assert!(without_build.contains("./just setup cuda"), "{without_build}");
        let without_device = team(&cuda, &info(true, &["cpu"], 4), None).unwrap_err().to_string();
        assert!(without_device.contains("CUDA build, no device"), "{without_device}");
    }
}
