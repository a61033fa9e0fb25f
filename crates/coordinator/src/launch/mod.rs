//! Launchers: who starts worker processes, and ends them.
//!
//! A sweep names an [`Engine`]; a coordinator that runs makes a [`Launcher`] of it and knows nothing else of how or where
//! its workers come to life.

mod adopt;
mod ask;
mod command;
mod failures;
mod lives;
mod local;
mod log;
mod queued;
mod slurm;
mod ssh;
mod torch;
mod words;

pub use command::{CUDA_LIBRARY, Gpus, worker_command, worker_program};
pub use local::LocalWorkers;
pub use queued::QueuedWorkers;
pub use slurm::{CoordinatorJob, OwnJob, SlurmWorkers};
pub use ssh::{SshPlace, SshWorkers, ssh_command};
pub use torch::{TORCH, Torch, TorchError, torch_of};

use frostline_protocol::{Incarnation, WorkerId};
use frostline_results::{Folder, folder_name, quoted};
use frostline_scheduler::Survivor;
use frostline_sweep::device::Device;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;
use tokio::sync::mpsc::UnboundedSender;

/// Where workers can come from.
pub trait Engine: Send {
    /// Whether its workers compute with CUDA.
    fn is_cuda(&self) -> bool;

    /// Where workers wait in a queue before they start: how many may wait at a time.
    fn backlog(&self) -> Option<u32> {
        None
    }

    /// Workers that are kept as long as the sweep is unfinished, though nothing waits for them.
    fn least(&self) -> u32 {
        0
    }

    /// # Errors
    /// Where it can't start anything here.
    fn start(self: Box<Self>, access: Access) -> io::Result<Box<dyn Launcher>>;
}

/// What a worker needs to find its coordinator, and how its launcher tells of its end.
pub struct Access {
    /// The file in which the coordinator says where it listens.
    pub endpoint: PathBuf,
    /// The results folder's secret.
    pub token: String,
    pub notices: Notices,
    /// Where the ends of processes are waited for.
    pub runtime: Handle,
}

/// Starts and ends the workers of one run.
pub trait Launcher {
    /// Every worker that it could start.
    fn workers(&self) -> Vec<WorkerId>;

    /// Workers of the coordinator before this one that can be taken over: [`Launcher::launch`] does that.
    fn survivors(&self) -> BTreeMap<WorkerId, Survivor>;

    /// Starts this worker's process. It connects by itself, and may do so long after this call.
    ///
    /// # Errors
    /// There is no process then, and no exit will be told.
    fn launch(&mut self, worker: WorkerId, incarnation: Incarnation) -> io::Result<()>;

    /// Ends this worker's process at once, if there is one. Its exit is still told.
    fn kill(&mut self, worker: WorkerId);

    /// The last lines that this worker's process has written so far.
    fn log(&self, worker: WorkerId) -> Vec<String>;

    /// Where the workers' logs lie.
    fn folder(&self) -> &Folder;

    /// Keeps the workers' logs short. Called every few seconds.
    fn bound_logs(&self) {
        for worker in self.workers() {
            // What cannot be put aside is tried again the next time.
            if let Err(error) = log::bound(&self.folder().worker_log(worker.0)) {
                tracing::warn!(worker = worker.0, "the log cannot be put aside: {error}");
            }
        }
    }
}

/// What names of this results folder's jobs begin with, in an engine's list of them.
fn job_prefix(token: &str) -> String {
    format!("frostline-{}", &folder_name(token)[..8])
}

/// The line of a shell by which a process elsewhere becomes the worker of a place. `access` is the file that lets it in, or
/// `-` where its standard input and output lead to the coordinator.
fn join_line(program: &Path, access: &Path, worker: WorkerId, incarnation: Incarnation, device: Device) -> String {
    format!(
        "{} join {} --worker {} --incarnation {} --device {device}",
        quoted(program),
        quoted(access),
        worker.0,
        incarnation.0
    )
}

/// How a worker process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    pub worker: WorkerId,
    /// Whoever lent the machine has ended it.
    pub is_excused: bool,
    /// In words, such as "exit status: 1".
    pub description: String,
    /// The last lines that it wrote to its log.
    pub log: Vec<String>,
}

/// What a launcher tells.
#[derive(Debug)]
pub(crate) enum Told {
    Exit(Exit),
    /// Whoever lent the machine does not know this process any more. That alone proves nothing.
    Missing(Incarnation, Exit),
    /// A worker's turn in a queue has come.
    Began(WorkerId),
}

/// Where a launcher tells what becomes of its workers.
#[derive(Debug, Clone)]
pub struct Notices(pub(crate) UnboundedSender<Told>);

impl Notices {
    fn tell(&self, told: Told) {
        // A coordinator that is gone needs to hear nothing.
        let _ = self.0.send(told);
    }

    /// A worker's process has ended.
    pub fn exit(&self, exit: Exit) {
        self.tell(Told::Exit(exit));
    }

    /// A worker's process is not to be found. It may be told again and again.
    pub fn missing(&self, incarnation: Incarnation, exit: Exit) {
        self.tell(Told::Missing(incarnation, exit));
    }

    /// A worker that waited in a queue starts.
    pub fn began(&self, worker: WorkerId) {
        self.tell(Told::Began(worker));
    }
}
