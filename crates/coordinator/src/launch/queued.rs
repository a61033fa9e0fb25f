//! Workers as jobs of any engine that takes, ends and knows jobs by commands of a shell (PBS, LSF, Grid Engine, and others).
//!
//! What such a command says is a hint, as with Slurm: the connection and its lease decide. A job that is not alive twice in a
//! row is told as missing, which counts where its worker is silent, too. Its number is written down when it is known, so that
//! the next coordinator ends what this one leaves behind.

use super::ask::{run, run_apart};
use super::lives::{Life, Lives};
use super::words::Words;
use super::{Access, Engine, Launcher, Notices, job_prefix, join_line};
use frostline_protocol::{Incarnation, WorkerId};
use frostline_results::{Folder, JOB_NUMBER};
use frostline_scheduler::Survivor;
use frostline_sweep::definition::Commands;
use frostline_sweep::device::Device;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// Answers in a row by which a job counts as gone; one where it was ended.
const MISSES: u32 = 2;
/// How soon it is looked whether a job that was ended is gone.
const SOON: Duration = Duration::from_secs(1);

/// How jobs are asked for, and what they run.
#[derive(Debug, Clone)]
pub struct QueuedWorkers {
    pub commands: Commands,
    /// `frostline`, as the machines find it.
    pub program: PathBuf,
    pub on_gpu: bool,
    /// The results folder, which the machines see, too.
    pub folder: Folder,
}

impl Engine for QueuedWorkers {
    fn is_cuda(&self) -> bool {
        self.on_gpu
    }

    fn backlog(&self) -> Option<u32> {
        Some(self.commands.jobs)
    }

    /// Ends the jobs of the coordinator before this one.
    fn start(self: Box<Self>, access: Access) -> io::Result<Box<dyn Launcher>> {
        let Access { token, notices, runtime, .. } = access;
        let shared = Arc::new(Shared { workers: *self, prefix: job_prefix(&token), notices });
        for file in shared.numbers()? {
            let id = std::fs::read_to_string(&file)?;
            shared.end_apart(id.trim().to_owned());
            std::fs::remove_file(file)?;
        }
        Ok(Box::new(QueuedLauncher { shared, lives: Lives::new(runtime) }))
    }
}

struct QueuedLauncher {
    shared: Arc<Shared>,
    lives: Lives,
}

impl Launcher for QueuedLauncher {
    fn workers(&self) -> Vec<WorkerId> {
        (1..=self.shared.workers.commands.jobs).map(WorkerId).collect()
    }

    fn survivors(&self) -> BTreeMap<WorkerId, Survivor> {
        BTreeMap::new()
    }

    fn launch(&mut self, worker: WorkerId, incarnation: Incarnation) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let live = |life, _| async move { Job { shared, life }.live().await };
        self.lives.begin(&self.shared.workers.folder, worker, incarnation, live)
    }

    fn kill(&mut self, worker: WorkerId) {
        self.lives.end(worker);
    }

    fn log(&self, worker: WorkerId) -> Vec<String> {
        self.lives.log(worker)
    }

    fn folder(&self) -> &Folder {
        &self.shared.workers.folder
    }
}

/// Jobs that nobody asked for would wait in the queue, and then on a GPU, for nothing.
impl Drop for QueuedLauncher {
    fn drop(&mut self) {
        for life in self.lives.newest() {
            let number = self.shared.number(life);
            if let Ok(id) = std::fs::read_to_string(&number) {
                self.shared.end_apart(id.trim().to_owned());
                let _ = std::fs::remove_file(number);
            }
        }
    }
}

struct Shared {
    workers: QueuedWorkers,
    /// What names of jobs begin with.
    prefix: String,
    notices: Notices,
}

impl Shared {
    /// Where a job's number is written down.
    fn number(&self, life: &Life) -> PathBuf {
        self.workers.folder.job_number(life.worker.0, life.incarnation.0)
    }

    /// Where the coordinator before this one has written down its jobs' numbers.
    fn numbers(&self) -> io::Result<Vec<PathBuf>> {
        let folder = self.workers.folder.jobs();
        std::fs::create_dir_all(&folder)?;
        let paths = std::fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        Ok(paths.into_iter().filter(|path| path.extension().is_some_and(|it| it == JOB_NUMBER)).collect())
    }

    /// What a job is to run: the worker is its own process, so that signals reach it.
    fn script(&self, life: &Life) -> String {
        let Shared { workers, .. } = self;
        let device = if workers.on_gpu { Device::Cuda(0) } else { Device::Cpu };
        let join = join_line(&workers.program, &workers.folder.access(), life.worker, life.incarnation, device);
        format!("#!/bin/sh\nexec {join}\n")
    }

    /// Ends a job.
    fn end_apart(&self, id: String) {
        let words = Words { script: Path::new(""), log: Path::new(""), name: "", id: &id };
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &words.put_into(self.workers.commands.cancel.as_deref())]);
        if let Err(error) = run_apart(command) {
            tracing::error!("job {id} cannot be ended: {error}");
        }
    }
}

/// One job, from before it is handed over until it is gone.
struct Job {
    shared: Arc<Shared>,
    life: Life,
}

impl Job {
    async fn live(&self) {
        if !self.life.may_start().await {
            return self.ends(true, "it was not submitted any more".to_owned());
        }
        match self.submit().await {
            Ok(id) => {
                self.life.failures.none();
                tracing::info!(worker = self.life.worker.0, "job {id} is submitted");
                self.watch(&id).await;
            }
            Err(description) => self.ends(false, description),
        }
    }

    fn ends(&self, is_excused: bool, description: String) {
        self.shared.notices.exit(self.life.exit(is_excused, description));
    }

    fn name(&self) -> String {
        format!("{}-{}-{}", self.shared.prefix, self.life.worker.0, self.life.incarnation.0)
    }

    /// Hands the job over; its number.
    async fn submit(&self) -> Result<String, String> {
        let Shared { workers, .. } = &*self.shared;
        let script = workers.folder.job_script(self.life.worker.0);
        let text = self.shared.script(&self.life);
        std::fs::write(&script, text).map_err(|error| format!("{} cannot be written: {error}", script.display()))?;
        let said = self.ask(workers.commands.submit.as_deref(), "", &script).await?;
        let id = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
        if id.is_empty() {
            return Err("command.submit printed no number of a job".to_owned());
        }
        if let Err(error) = std::fs::write(self.shared.number(&self.life), &id) {
            tracing::warn!(worker = self.life.worker.0, "job {id} is not written down: {error}");
        }
        Ok(id)
    }

    /// Looks again and again whether the job is there, until its place has gone to another.
    async fn watch(&self, id: &str) {
        let commands = &self.shared.workers.commands;
        let poll = Duration::from_secs_f64(commands.poll.clamp(0.1, 3_600.0));
        let (mut misses, mut is_ended) = (0, false);
        // The task ends with the runtime, too.
        while self.life.is_newest() {
            tokio::select! {
                () = sleep(if is_ended { SOON.min(poll) } else { poll }) => {}
                () = self.life.told_to_end(), if !is_ended => {
                    is_ended = true;
                    if let Err(error) = self.ask(commands.cancel.as_deref(), id, Path::new("")).await {
                        tracing::warn!(worker = self.life.worker.0, "job {id} is not ended: {error}");
                    }
                }
            }
            misses =
                if self.ask(commands.alive.as_deref(), id, Path::new("")).await.is_ok() { 0 } else { misses + 1 };
            if misses >= if is_ended { 1 } else { MISSES } {
                let _ = std::fs::remove_file(self.shared.number(&self.life));
                self.shared.notices.missing(self.life.incarnation, self.life.exit(true, format!("job {id} is gone")));
            }
        }
    }

    /// What a command prints. An error says why it failed.
    async fn ask(&self, command: Option<&str>, id: &str, script: &Path) -> Result<String, String> {
        let name = self.name();
        let words = Words { script, log: &self.life.log.path, name: &name, id };
        let line = words.put_into(command);
        run("sh", &["-c", &line], None).await.map_err(|error| format!("`{line}`: {error}"))
    }
}
