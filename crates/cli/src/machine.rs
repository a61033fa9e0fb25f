//! What this machine offers a sweep, asked of the worker program, which links libtorch.

use crate::exit::wrong_input;
use crate::gpus::{self, Gpu, NoList};
use crate::hosts::{self, Host};
use anyhow::{Context, anyhow, bail};
use frostline_assets::cache;
use frostline_coordinator::{CUDA_LIBRARY, Gpus, Torch, torch_of, worker_command, worker_program};
use frostline_sweep::definition::{Definition, LauncherChoice};
use frostline_sweep::device::Device;
use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
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
    /// What trying the devices found, where that was asked for.
    #[serde(default, skip_serializing)]
    pub(crate) tried: Vec<Tried>,
    /// The CUDA devices, as the driver lists them; empty where nobody lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) gpus: Vec<Gpu>,
    /// The package that the worker program runs on; none where it was built with a libtorch of its own.
    #[serde(skip)]
    pub(crate) torch: Option<Torch>,
    /// Where libtorch's libraries for CUDA are that workers are started with.
    #[serde(skip)]
    pub(crate) libraries: Option<PathBuf>,
    /// GPUs that are here and cannot be used, and why; one sentence each.
    #[serde(skip)]
    pub(crate) remarks: Vec<String>,
    /// What machines have that ssh reaches, where the sweep runs there; or why one of them cannot work.
    #[serde(skip, default = "nowhere")]
    pub(crate) hosts: Result<Vec<Host>, String>,
}

/// What a worker program says of a device that it has computed something on.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Tried {
    device: Device,
    trouble: Option<String>,
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
            tried: Vec::new(),
            gpus: Vec::new(),
            torch: None,
            libraries: None,
            remarks: Vec::new(),
            hosts: nowhere(),
        }
    }

    /// How workers reach its GPUs.
    pub(crate) fn access(&self, deterministic: bool) -> Gpus {
        let listed = self.gpus.iter().map(|gpu| (gpu.uuid.clone(), gpu.name.clone())).collect();
        Gpus { libraries: self.libraries.clone(), listed, deterministic }
    }
}

fn nowhere() -> Result<Vec<Host>, String> {
    Ok(Vec::new())
}

/// How long the worker program may take to say what it is: it loads libtorch, perhaps from a cold disk.
const START_LIMIT: Duration = Duration::from_secs(120);

/// How thoroughly GPUs are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Whether libtorch finds one.
    Quick,
    /// Whether each of them computes in every precision.
    Thorough,
}

/// What a sweep can be run on: this machine, and those that it names.
///
/// # Errors
/// There is no worker program that works, or no `torch` for it.
pub(crate) fn offered(definition: &Definition, look: Look) -> anyhow::Result<WorkerInfo> {
    let info = worker_info(look)?;
    if definition.workers.launcher != LauncherChoice::Ssh {
        return Ok(info);
    }
    Ok(WorkerInfo { hosts: hosts::ask(&definition.launchers.ssh).map_err(|error| format!("{error:#}")), ..info })
}

/// What the worker program finds here. Trouble with GPUs leaves the CPU, and remarks.
///
/// # Errors
/// There is no worker program that works, or no `torch` for it.
pub(crate) fn worker_info(look: Look) -> anyhow::Result<WorkerInfo> {
    let program = worker_program().map_err(|error| useless(error.into(), None))?;
    let torch = torch_of(&program).map_err(wrong_input)?;
    let plain = info(&program, &Gpus::default(), Device::Cpu, Look::Quick);
    let plain = plain.map_err(|error| useless(error, torch.as_ref()))?;
    Ok(with_gpus(WorkerInfo { torch, ..plain }, &program, look))
}

/// Says that there is no worker program that works, and how to get one: as this one was got.
fn useless(error: anyhow::Error, torch: Option<&Torch>) -> anyhow::Error {
    let remedy = match torch {
        None => "`./just setup` and `cargo build --release --workspace` make one that does".to_owned(),
        Some(torch) => format!(
            "it was started with the libraries of `torch` {} in {}; installing `torch` and `frostline` anew (pip install \
             --force-reinstall) may mend it",
            torch.version,
            torch.libraries.display()
        ),
    };
    anyhow!("frostline-worker does not work: {error:#}; {remedy}")
}

fn info(program: &Path, gpus: &Gpus, device: Device, look: Look) -> anyhow::Result<WorkerInfo> {
    let arguments: &[&str] = if look == Look::Thorough { &["info", "--json", "--try"] } else { &["info", "--json"] };
    let text = ask(worker_command(program, gpus, device), arguments, Vec::new(), Some(START_LIMIT))?;
    serde_json::from_str(&text).context("`info --json` printed something else")
}

/// Adds the GPUs that work.
fn with_gpus(plain: WorkerInfo, program: &Path, look: Look) -> WorkerInfo {
    let listed = match gpus::list() {
        Ok(listed) => listed,
        // A container may have CUDA's libraries and not the driver's tools.
        Err(NoList::NoDriver) => return plain,
        Err(NoList::Broken(said)) => {
            let remarks = vec![format!("GPUs cannot be listed: {said}")];
            return WorkerInfo { remarks, ..plain };
        }
    };
    let mut remarks = Vec::new();
    let mut usable: Vec<Gpu> = Vec::new();
    for gpu in listed {
        match gpu.trouble() {
            Some(trouble) => remarks.push(format!("{} is not used: {trouble}", gpu.name)),
            None => usable.push(gpu),
        }
    }
    if usable.is_empty() {
        return WorkerInfo { remarks, ..plain };
    }
    let libraries = if plain.cuda_built { None } else { cuda_libraries(&plain) };
    if libraries.is_none() && !plain.cuda_built {
        let remedy = match &plain.torch {
            None => "libtorch's libraries for CUDA are not here; `./just setup cuda` fetches them".to_owned(),
            Some(torch) => format!("`torch` {} is a form without CUDA; PyPI's `torch` has it", torch.version),
        };
        remarks.push(format!("{} is not used: {remedy}", usable[0].name));
        return WorkerInfo { remarks, ..plain };
    }
    let seen = Gpus { libraries: libraries.clone(), listed: Vec::new(), deterministic: false };
    let asked = look_at(&usable, &seen, program, look);
    let mut libtorch = None;
    let mut working = Vec::new();
    for (gpu, answer) in usable.into_iter().zip(asked) {
        match answer {
            Ok(name) => {
                libtorch.get_or_insert(name);
                working.push(gpu);
            }
            Err(trouble) => remarks.push(format!("{} is not used: {trouble}", gpu.name)),
        }
    }
    let Some(libtorch) = libtorch else { return WorkerInfo { remarks, ..plain } };
    let names = working.iter().enumerate().map(|(number, gpu)| format!("cuda:{number} ({})", gpu.name));
    WorkerInfo {
        libtorch,
        cuda_built: true,
        devices: plain.devices.into_iter().take(1).chain(names).collect(),
        gpus: working,
        libraries,
        remarks,
        ..plain
    }
}

/// What libtorch calls itself on each of these GPUs, or why it does not work there. A quick look asks of the first for all.
fn look_at(gpus: &[Gpu], seen: &Gpus, program: &Path, look: Look) -> Vec<Result<String, String>> {
    let one = |gpu: &Gpu| {
        let access = Gpus { listed: vec![(gpu.uuid.clone(), gpu.name.clone())], ..seen.clone() };
        let found = info(program, &access, Device::Cuda(0), look).map_err(|error| format!("{error:#}"))?;
        let tried = found.tried.iter().find(|tried| tried.device.is_cuda());
        if let Some(trouble) = tried.and_then(|tried| tried.trouble.clone()) {
            return Err(advice(&trouble));
        }
        match (found.cuda_built, found.devices.len()) {
            (true, 2..) => Ok(found.libtorch),
            (true, _) => Err("libtorch finds no CUDA device there; `nvidia-smi` may say why".to_owned()),
            (false, _) => {
                let place = seen.libraries.as_deref().unwrap_or(Path::new("its folder"));
                Err(format!(
                    "libtorch's libraries for CUDA in {} cannot be loaded; remove that folder, and \
                     `./just setup cuda` fetches them again",
                    place.display()
                ))
            }
        }
    };
    match look {
        Look::Quick => vec![one(&gpus[0]); gpus.len()],
        Look::Thorough => std::thread::scope(|scope| {
            let asked: Vec<_> = gpus.iter().map(|gpu| scope.spawn(move || one(gpu))).collect();
            let panicked = |_| Err("asking panicked".to_owned());
            asked.into_iter().map(|asked| asked.join().unwrap_or_else(panicked)).collect()
        }),
    }
}

/// What CUDA says, with what to do where that is known.
fn advice(trouble: &str) -> String {
    let known = [
        ("no kernel image is available", "this GPU is too old for this libtorch"),
        (
            "busy or unavailable",
            "another process has it for itself (compute mode `Exclusive_Process`, or a stuck process)",
        ),
        ("out of memory", "other processes have taken its memory: `nvidia-smi` names them"),
    ];
    let explained = known.iter().find(|(sign, _)| trouble.contains(sign));
    explained.map_or_else(|| trouble.to_owned(), |(_, meaning)| format!("{meaning} ({trouble})"))
}

/// The folder with libtorch's libraries for CUDA: FROSTLINE_CUDA_LIBRARIES, else those of the installed `torch`, or what
/// `./just setup cuda` fetched for this version.
fn cuda_libraries(worker: &WorkerInfo) -> Option<PathBuf> {
    let own = std::env::var_os("FROSTLINE_CUDA_LIBRARIES").map(PathBuf::from);
    let installed = || worker.torch.as_ref().map(|torch| torch.libraries.clone());
    let version = worker.libtorch.split(' ').next().unwrap_or_default();
    let fetched = || cache::folder().join(format!("libtorch/{version}-cuda/torch/lib"));
    let folder = own.or_else(installed).unwrap_or_else(fetched);
    folder.join(CUDA_LIBRARY).exists().then_some(folder)
}

/// For tests and benches: further arguments of every worker, separated by spaces.
pub(crate) fn worker_arguments() -> Vec<std::ffi::OsString> {
    let arguments = std::env::var("FROSTLINE_WORKER_ARGUMENTS").unwrap_or_default();
    arguments.split_whitespace().map(Into::into).collect()
}

/// Puts a question of `frostline_protocol::tools` to the worker program.
pub(crate) fn question<A: DeserializeOwned>(tool: &str, question: &impl Serialize) -> anyhow::Result<A> {
    let program = worker_program()?;
    torch_of(&program).map_err(wrong_input)?;
    question_within(worker_command(&program, &Gpus::default(), Device::Cpu), tool, question, None)
}

/// The same, by this command.
///
/// # Errors
/// Also [`NoAnswer`] where it takes longer than `limit`.
pub(crate) fn question_within<A: DeserializeOwned>(
    command: Command,
    tool: &str,
    question: &impl Serialize,
    limit: Option<Duration>,
) -> anyhow::Result<A> {
    let text = ask(command, &[tool], serde_json::to_vec(question)?, limit)?;
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
fn ask(mut command: Command, arguments: &[&str], input: Vec<u8>, limit: Option<Duration>) -> anyhow::Result<String> {
    let program = PathBuf::from(command.get_program());
    let failed = || format!("`{}` could not be started", program.display());
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
            NoAnswer { program: program.clone(), limit }
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

#[cfg(test)]
mod tests {
    use super::*;

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
            let error = question_within::<()>(Command::new(&program), "measure", &(), Some(limit)).unwrap_err();
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
}
