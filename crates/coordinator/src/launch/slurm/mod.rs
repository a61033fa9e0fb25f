//! Workers as jobs of Slurm: one job is one worker is one GPU, never one job a trial, which may take a tenth of a second.
//!
//! Slurm gives machines; what is retried, and which process a place belongs to, is the coordinator's. A job's name says whose
//! process it is, so nothing has to be remembered that a crash could lose. That `squeue` does not list a job, or does not
//! answer, proves nothing: it is asked again, and a job counts as gone after two lists without it, where its worker is
//! not connected either.

mod own;
mod queue;
#[cfg(test)]
mod recorded;
mod script;
mod watch;

pub use own::{CoordinatorJob, OwnJob};

use super::ask::{run, run_apart};
use super::log::LogStart;
use super::{Access, Engine, Exit, Launcher, Notices, job_prefix};
use frostline_protocol::{Incarnation, WorkerId};
use frostline_results::Folder;
use frostline_scheduler::Survivor;
use frostline_sweep::definition::Slurm;
use queue::{FORMAT, Listed, listed};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};

/// How jobs are asked for, and what they run.
#[derive(Debug, Clone)]
pub struct SlurmWorkers {
    pub options: Slurm,
    /// `frostline`, as the nodes find it.
    pub program: PathBuf,
    pub on_gpu: bool,
    /// Of each worker.
    pub threads: u32,
    /// The results folder, which the nodes see, too.
    pub folder: Folder,
}

impl SlurmWorkers {
    /// What Slurm says to such a job: when it would start, or why never.
    ///
    /// # Errors
    /// `sbatch` cannot be run, or refuses the job.
    pub fn test(&self) -> io::Result<String> {
        let (worker, incarnation) = (WorkerId(1), Incarnation(0));
        let seen = self.seen("frostline-test");
        let arguments = script::arguments(self, &seen, "frostline-test", worker, incarnation);
        tested(&arguments, &script::script(self, &seen, worker, incarnation))
    }
}

/// What Slurm says to a job that it is not to run.
///
/// # Errors
/// `sbatch` cannot be run, or refuses the job.
fn tested(arguments: &[String], script: &str) -> io::Result<String> {
    let whole: Vec<String> = std::iter::once("--test-only".to_owned()).chain(arguments.iter().cloned()).collect();
    let output = sbatch(&whole, script)?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(|line| line.trim_start_matches("sbatch: ")).collect::<Vec<_>>().join("; ");
    if output.status.success() { Ok(said) } else { Err(io::Error::other(said)) }
}

fn sbatch(arguments: &[String], script: &str) -> io::Result<Output> {
    let mut command = Command::new("sbatch");
    // Jobs inherit what this process has, and how often its own job began says nothing of theirs.
    command.env_remove("SLURM_RESTART_COUNT");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        io::Write::write_all(&mut stdin, script.as_bytes())?;
    }
    child.wait_with_output()
}

impl SlurmWorkers {
    /// What the nodes see: a folder in `slurm.folder`, or the results folder.
    fn seen(&self, prefix: &str) -> Seen {
        match &self.options.folder {
            Some(shared) => {
                let folder = Folder::new(shared.join(prefix));
                Seen { access: folder.path().join("access.json"), folder, is_apart: true }
            }
            None => Seen { access: self.folder.access(), folder: self.folder.clone(), is_apart: false },
        }
    }
}

/// Where things lie that jobs need.
#[derive(Debug, Clone)]
struct Seen {
    access: PathBuf,
    /// Of their logs, and of their checkpoints where it is not the results folder.
    folder: Folder,
    is_apart: bool,
}

impl Seen {
    /// Brings what lets workers in to where the nodes see it: each coordinator listens somewhere else.
    fn prepare(&self, results: &Folder) -> io::Result<()> {
        std::fs::create_dir_all(self.folder.logs())?;
        if self.is_apart {
            std::fs::create_dir_all(self.folder.checkpoints())?;
            frostline_results::Access::read(&results.access())?.write(&self.access)?;
        }
        Ok(())
    }
}

impl Engine for SlurmWorkers {
    fn is_cuda(&self) -> bool {
        self.on_gpu
    }

    fn backlog(&self) -> Option<u32> {
        Some(self.options.backlog)
    }

    fn least(&self) -> u32 {
        self.options.min_jobs
    }

    /// Finds the jobs of the coordinator before this one.
    fn start(self: Box<Self>, access: Access) -> io::Result<Box<dyn Launcher>> {
        let prefix = job_prefix(&access.token);
        let seen = self.seen(&prefix);
        std::fs::create_dir_all(seen.folder.logs())?;
        // Where it does not answer now, nothing is known of older jobs: they are found later, and ended.
        let said = access.runtime.block_on(run("squeue", &["--me", "--noheader", "-o", FORMAT], None));
        let jobs = listed(&said.unwrap_or_default(), &prefix);
        let mut survivors = BTreeMap::new();
        for job in jobs.into_iter().filter(|job| !job.is_over()) {
            let is_wanted = (1..=self.options.max_jobs).contains(&job.worker.0);
            let newest = survivors.get(&job.worker).is_none_or(|known: &Listed| known.incarnation < job.incarnation);
            match (is_wanted && newest, survivors.contains_key(&job.worker)) {
                (true, _) => drop(survivors.insert(job.worker, job).map(|older| cancel(&older.id))),
                (false, _) => cancel(&job.id),
            }
        }
        let shared = Arc::new(Shared {
            workers: *self,
            seen,
            prefix,
            notices: access.notices,
            jobs: Mutex::default(),
            changed: Notify::new(),
            one_by_one: Semaphore::new(1),
        });
        access.runtime.spawn(watch::watch(Arc::clone(&shared)));
        Ok(Box::new(SlurmLauncher { shared, runtime: access.runtime, survivors }))
    }
}

/// A job that was asked for.
#[derive(Debug)]
struct Job {
    incarnation: Incarnation,
    /// None until Slurm has said it.
    id: Option<String>,
    /// Its turn has come.
    has_begun: bool,
    /// It is not wanted any more.
    is_cancelled: bool,
    /// Lists in a row that it was not in.
    misses: u32,
    /// How it ended, once it counts as gone.
    end: Option<Exit>,
    log: LogStart,
}

/// Between the launcher and those who wait for Slurm.
struct Shared {
    workers: SlurmWorkers,
    seen: Seen,
    prefix: String,
    notices: Notices,
    jobs: Mutex<BTreeMap<WorkerId, Job>>,
    /// Somebody wants to know soon.
    changed: Notify,
    /// Controllers mind floods.
    one_by_one: Semaphore,
}

impl Shared {
    fn jobs(&self) -> MutexGuard<'_, BTreeMap<WorkerId, Job>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct SlurmLauncher {
    shared: Arc<Shared>,
    runtime: Handle,
    survivors: BTreeMap<WorkerId, Listed>,
}

impl Launcher for SlurmLauncher {
    fn workers(&self) -> Vec<WorkerId> {
        (1..=self.shared.workers.options.max_jobs).map(WorkerId).collect()
    }

    fn survivors(&self) -> BTreeMap<WorkerId, Survivor> {
        let survivor = |job: &Listed| Survivor { incarnation: job.incarnation, is_queued: job.waits() };
        self.survivors.iter().map(|(worker, job)| (*worker, survivor(job))).collect()
    }

    fn launch(&mut self, worker: WorkerId, incarnation: Incarnation) -> io::Result<()> {
        let survivor = self.survivors.remove(&worker);
        let path = self.shared.seen.folder.worker_log(worker.0);
        let offset = if survivor.is_some() { 0 } else { std::fs::metadata(&path).map_or(0, |log| log.len()) };
        let job = Job {
            incarnation,
            has_begun: survivor.as_ref().is_some_and(|job| !job.waits()),
            id: survivor.map(|job| job.id),
            is_cancelled: false,
            misses: 0,
            end: None,
            log: LogStart { path, offset },
        };
        let is_new = job.id.is_none();
        self.shared.jobs().insert(worker, job);
        if is_new {
            self.runtime.spawn(watch::submit(Arc::clone(&self.shared), worker, incarnation));
        } else if let Err(error) = self.shared.seen.prepare(&self.shared.workers.folder) {
            // It looks for this coordinator where it has found the one before.
            tracing::warn!("{} cannot be used: {error}", self.shared.seen.folder.path().display());
        }
        Ok(())
    }

    fn kill(&mut self, worker: WorkerId) {
        if let Some(job) = self.shared.jobs().get_mut(&worker) {
            job.is_cancelled = true;
            job.id.iter().for_each(|id| cancel(id));
        }
        self.shared.changed.notify_one();
    }

    fn log(&self, worker: WorkerId) -> Vec<String> {
        self.shared.jobs().get(&worker).map_or(Vec::new(), |job| job.log.tail())
    }

    fn folder(&self) -> &Folder {
        &self.shared.seen.folder
    }
}

/// Jobs that nobody asked for would wait in the queue, and then on a GPU, for nothing.
impl Drop for SlurmLauncher {
    fn drop(&mut self) {
        self.survivors.values().for_each(|job| cancel(&job.id));
    }
}

/// Asks Slurm to end a job.
fn cancel(id: &str) {
    let mut command = Command::new("scancel");
    command.arg(id);
    if let Err(error) = run_apart(command) {
        tracing::error!("Slurm job {id} cannot be cancelled: {error}");
    }
}

/// How often Slurm is asked how its jobs stand, and how often where something is about to change.
fn pauses(options: &Slurm) -> (Duration, Duration) {
    let pause = Duration::from_secs_f64(options.poll.clamp(0.1, 3_600.0));
    (pause, pause.min(Duration::from_secs(1)))
}
