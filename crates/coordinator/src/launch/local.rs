//! Workers as processes of this machine.
//!
//! A worker outlives a coordinator that dies, so that the next one finds it where it was: [`LocalLauncher::launch`]
//! adopts a process that still waits for a coordinator of this results folder instead of starting a second one.
//! Processes are held by file descriptor, so a process id that was given to somebody else is never killed.

use super::adopt::processes_with;
use super::command::{Gpus, worker_command};
use super::log::LogStart;
use super::{Access, Engine, Exit, Launcher, Notices};
use frostline_protocol::{Incarnation, WorkerId};
use frostline_results::Folder;
use frostline_scheduler::Survivor;
use frostline_sweep::device::Device;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

/// Where worker processes come from and what they are told.
#[derive(Debug, Clone)]
pub struct LocalWorkers {
    /// The `frostline-worker` to run, see [`super::worker_program`].
    pub program: PathBuf,
    /// One worker a device: worker 1 has the first.
    pub devices: Vec<Device>,
    pub gpus: Gpus,
    /// Threads of each worker; libtorch's results depend on it.
    pub threads: u32,
    /// Further arguments for each worker.
    pub arguments: Vec<OsString>,
    /// The results folder, for their logs.
    pub folder: Folder,
}

impl Engine for LocalWorkers {
    fn is_cuda(&self) -> bool {
        self.devices.iter().any(|device| device.is_cuda())
    }

    /// Finds the workers that a dead coordinator left behind, and ends those that don't fit this one.
    fn start(self: Box<Self>, access: Access) -> io::Result<Box<dyn Launcher>> {
        let Access { endpoint, token, notices, runtime } = access;
        let mut launcher = LocalLauncher {
            workers: *self,
            endpoint,
            token,
            notices,
            runtime,
            processes: BTreeMap::new(),
            survivors: BTreeMap::new(),
        };
        let begin = ["connect".as_ref(), "--endpoint".as_ref(), launcher.endpoint.as_os_str()];
        for (arguments, handle) in processes_with(&begin) {
            let fits = |worker: &WorkerId| {
                let incarnation = incarnation_in(&arguments)?;
                (launcher.arguments(*worker, incarnation) == arguments).then_some((*worker, incarnation))
            };
            match launcher.workers().iter().find_map(fits) {
                Some((worker, incarnation)) => drop(launcher.survivors.insert(worker, (incarnation, handle))),
                None => drop(pidfd_send_signal(&handle, Signal::KILL)),
            }
        }
        Ok(Box::new(launcher))
    }
}

/// The argument by which a process says which one it is.
const INCARNATION: &str = "--incarnation";

fn incarnation_in(arguments: &[OsString]) -> Option<Incarnation> {
    let place = arguments.iter().position(|argument| argument == INCARNATION)?;
    arguments.get(place + 1)?.to_str()?.parse().ok().map(Incarnation)
}

struct LocalLauncher {
    workers: LocalWorkers,
    endpoint: PathBuf,
    token: String,
    notices: Notices,
    runtime: Handle,
    processes: BTreeMap<WorkerId, Process>,
    /// Workers of the coordinator before this one that still wait for somebody.
    survivors: BTreeMap<WorkerId, (Incarnation, OwnedFd)>,
}

#[derive(Clone)]
struct Process {
    handle: Arc<OwnedFd>,
    /// We ended it: its signal needs no explanation.
    killed: Arc<AtomicBool>,
    log: LogStart,
}

impl LocalLauncher {
    fn arguments(&self, worker: WorkerId, incarnation: Incarnation) -> Vec<OsString> {
        let (device, gpus) = (self.device(worker), &self.workers.gpus);
        let mut arguments = vec!["connect".into(), "--endpoint".into(), self.endpoint.clone().into_os_string()];
        arguments.extend([
            "--worker".into(),
            worker.0.to_string().into(),
            INCARNATION.into(),
            incarnation.0.to_string().into(),
            "--device".into(),
            gpus.seen(device).to_string().into(),
        ]);
        if device.is_cuda() {
            arguments.extend(["--device-name".into(), gpus.name(device).into()]);
        }
        if gpus.deterministic {
            arguments.push("--deterministic".into());
        }
        arguments.extend(["--threads".into(), self.workers.threads.to_string().into()]);
        arguments.extend(self.workers.arguments.iter().cloned());
        arguments
    }

    fn device(&self, worker: WorkerId) -> Device {
        self.workers.devices.get(worker.0 as usize - 1).map_or(Device::Cpu, |device| *device)
    }

    fn path(&self, worker: WorkerId) -> PathBuf {
        self.workers.folder.worker_log(worker.0)
    }

    fn spawn(&self, worker: WorkerId, incarnation: Incarnation) -> io::Result<(Child, LogStart)> {
        let (log, start) = LogStart::open(&self.workers.folder, worker)?;
        let child = worker_command(&self.workers.program, &self.workers.gpus, self.device(worker))
            .args(self.arguments(worker, incarnation))
            .env("FROSTLINE_TOKEN", &self.token)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Its own group: a terminal's Ctrl-C is for the coordinator, which ends its workers in good order.
            .process_group(0)
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.workers.program.display())))?;
        Ok((child, start))
    }

    /// Tells of a process' end, once it has come. `status` is asked then.
    fn watch(
        &self,
        worker: WorkerId,
        process: &Process,
        mut status: impl FnMut() -> Option<io::Result<ExitStatus>> + Send + 'static,
    ) {
        let (process, notices) = (process.clone(), self.notices.clone());
        self.runtime.spawn(async move {
            wait_for_end(Arc::clone(&process.handle)).await;
            let killed = process.killed.load(Ordering::Relaxed);
            let description = status().map_or("ended".to_owned(), |status| describe(status, killed));
            notices.exit(Exit { worker, is_excused: false, description, log: process.log.tail() });
        });
    }
}

impl Launcher for LocalLauncher {
    fn workers(&self) -> Vec<WorkerId> {
        (1..=self.workers.devices.len() as u32).map(WorkerId).collect()
    }

    fn survivors(&self) -> BTreeMap<WorkerId, Survivor> {
        let survivor = |incarnation| Survivor { incarnation, is_queued: false };
        self.survivors.iter().map(|(worker, (incarnation, _))| (*worker, survivor(*incarnation))).collect()
    }

    fn launch(&mut self, worker: WorkerId, incarnation: Incarnation) -> io::Result<()> {
        let killed = Arc::new(AtomicBool::new(false));
        let process = match self.survivors.remove(&worker) {
            Some((_, handle)) => {
                tracing::info!(worker = worker.0, "took over a worker of the coordinator before");
                let log = LogStart { offset: 0, path: self.path(worker) };
                let process = Process { handle: Arc::new(handle), killed, log };
                // Somebody else's child: how it ended is not ours to ask.
                self.watch(worker, &process, || None);
                process
            }
            None => {
                let (mut child, log) = self.spawn(worker, incarnation)?;
                let handle = match pidfd_open(Pid::from_child(&child), PidfdFlags::NONBLOCK) {
                    Ok(handle) => Arc::new(handle),
                    Err(error) => {
                        child.kill()?;
                        // Killed, it ends at once; unless somebody waits for it, its entry stays for as long as we live.
                        child.wait()?;
                        return Err(error.into());
                    }
                };
                let process = Process { handle, killed, log };
                self.watch(worker, &process, move || Some(child.wait()));
                process
            }
        };
        self.processes.insert(worker, process);
        Ok(())
    }

    fn kill(&mut self, worker: WorkerId) {
        if let Some(process) = self.processes.get(&worker) {
            process.killed.store(true, Ordering::Relaxed);
            // Fails where the process has ended already, and then there is nothing to do.
            let _ = pidfd_send_signal(&process.handle, Signal::KILL);
        }
    }

    fn log(&self, worker: WorkerId) -> Vec<String> {
        self.processes.get(&worker).map_or(Vec::new(), |process| process.log.tail())
    }

    fn folder(&self) -> &Folder {
        &self.workers.folder
    }
}

/// Survivors that nobody asked for would wait for their grace period, on a GPU perhaps.
impl Drop for LocalLauncher {
    fn drop(&mut self) {
        for (_, handle) in self.survivors.values() {
            let _ = pidfd_send_signal(handle, Signal::KILL);
        }
    }
}

async fn wait_for_end(handle: Arc<OwnedFd>) {
    // A process' descriptor becomes readable when it ends.
    // SAFETY: the descriptor is owned by what is handed over, which is shared and never closes or replaces it.
    match unsafe { AsyncFd::register_with_interest(handle, Interest::READABLE) } {
        Ok(handle) => drop(handle.readable().await),
        Err(error) => tracing::error!("a process' end cannot be waited for: {error}"),
    }
}

fn describe(status: io::Result<ExitStatus>, killed: bool) -> String {
    match status {
        Ok(status) if killed => format!("ended by the coordinator ({status})"),
        Ok(status) if status.signal() == Some(9) => {
            format!("{status}; not by Frostline: the kernel ends processes so when memory runs out")
        }
        Ok(status) => status.to_string(),
        Err(error) => format!("its end could not be read: {error}"),
    }
}
