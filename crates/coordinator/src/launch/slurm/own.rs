//! A coordinator that is a job of Slurm itself: how it is asked for, and what it does when its time is over.
//!
//! Workers are jobs of their own, and wait for a coordinator that comes back. So one whose job is put back into the queue
//! leaves them as they are; the next one finds them.

use super::queue::{OVER, listed_as, submitted, value};
use super::script::WARNING;
use super::{sbatch, tested};
use crate::farewell::Farewell;
use crate::launch::ask::run_here;
use crate::launch::job_prefix;
use crate::net::token::token;
use frostline_results::{Folder, quoted};
use frostline_sweep::definition::Slurm;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// Of putting a job back, with a pause between two.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_secs(3);

/// The job of a results folder's coordinator.
#[derive(Debug)]
pub struct CoordinatorJob {
    options: Slurm,
    /// Absolute, and seen by the nodes.
    folder: Folder,
    /// Where it runs.
    here: PathBuf,
    /// The program and its arguments.
    command: Vec<String>,
    name: String,
}

impl CoordinatorJob {
    /// # Errors
    /// The results folder cannot be written.
    pub fn new(options: Slurm, folder: Folder, here: PathBuf, command: Vec<String>) -> io::Result<CoordinatorJob> {
        let token = token(folder.path()).map_err(io::Error::other)?;
        std::fs::create_dir_all(folder.logs())?;
        // No worker's, which have two numbers there.
        let name = format!("{}-coordinator", job_prefix(&token));
        Ok(CoordinatorJob { options, folder, here, command, name })
    }

    /// Number and state of the one that waits or runs already.
    ///
    /// # Errors
    /// Slurm does not say.
    pub fn living(&self) -> io::Result<Option<(String, String)>> {
        let said = run_here("squeue", &["--me", "--noheader", "-o", super::FORMAT])?;
        Ok(listed_as(&said, &self.name))
    }

    /// What Slurm says to such a job: when it would start.
    ///
    /// # Errors
    /// `sbatch` cannot be run, or refuses the job.
    pub fn test(&self) -> io::Result<String> {
        tested(&self.arguments(), &self.script())
    }

    /// Its number.
    ///
    /// # Errors
    /// `sbatch` cannot be run, or refuses the job.
    pub fn submit(&self) -> io::Result<String> {
        let output = sbatch(&self.arguments(), &self.script())?;
        let said = String::from_utf8_lossy(&output.stdout);
        submitted(&said).filter(|_| output.status.success()).ok_or_else(|| {
            io::Error::other(format!("sbatch: {}{}", said.trim(), String::from_utf8_lossy(&output.stderr).trim()))
        })
    }

    fn arguments(&self) -> Vec<String> {
        let options = &self.options;
        let plain = |path: &Path| path.display().to_string();
        let mut arguments = vec![
            "--parsable".to_owned(),
            format!("--job-name={}", self.name),
            "--requeue".to_owned(),
            "--open-mode=append".to_owned(),
            format!("--signal=B:TERM@{WARNING}"),
            "--ntasks=1".to_owned(),
            format!("--cpus-per-task={}", options.coordinator_cpus.max(1)),
            format!("--output={}", plain(&self.folder.job_log()).replace('%', "%%")),
            format!("--chdir={}", plain(&self.here)),
        ];
        let wanted = [
            ("partition", &options.coordinator_partition),
            ("account", &options.account),
            ("time", &options.coordinator_time),
        ];
        let wanted = wanted.into_iter().filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?)));
        arguments.extend(wanted);
        arguments.extend(options.coordinator_options.iter().cloned());
        arguments
    }

    /// The coordinator is the job's own process, so that signals reach it.
    fn script(&self) -> String {
        let prologue = self.options.prologue.as_deref().unwrap_or_default();
        let words: Vec<String> = self.command.iter().map(|word| quoted(Path::new(word))).collect();
        format!("#!/bin/sh\n{prologue}\nexec {}\n", words.join(" "))
    }
}

/// The job that this process is.
#[derive(Debug, Clone)]
pub struct OwnJob {
    id: String,
    /// How often it has begun anew.
    restarts: u32,
}

/// What becomes of a job that was told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on for now: its time is nearly over.
    Warned,
    /// Slurm has put it back into the queue.
    PutBack,
    /// Somebody has ended it.
    Ends,
    /// Slurm does not know it.
    Unknown,
}

impl OwnJob {
    /// None outside of a job.
    pub fn of_this_process() -> Option<OwnJob> {
        let number = |name: &str| std::env::var(name).ok().filter(|number| !number.is_empty());
        let restarts = number("SLURM_RESTART_COUNT").and_then(|number| number.parse().ok()).unwrap_or(0);
        Some(OwnJob { id: number("SLURM_JOB_ID")?, restarts })
    }

    /// Whether it has run before.
    pub fn has_restarted(&self) -> bool {
        self.restarts > 0
    }

    /// How this job ends that was told to. It comes back by Slurm, or by [`OwnJob::put_back`]; Slurm leaves one that was
    /// cancelled half a minute.
    pub fn farewell(&self) -> Farewell {
        match self.described().map(|said| fate(&said, self.restarts)) {
            Ok(Fate::Warned | Fate::PutBack) => Farewell::HandOver,
            Ok(Fate::Ends) => Farewell::AtOnce,
            Ok(Fate::Unknown) => Farewell::InGoodOrder,
            Err(error) => {
                tracing::warn!("Slurm does not say what becomes of job {}: {error}", self.id);
                Farewell::InGoodOrder
            }
        }
    }

    /// Puts this job back into the queue, where Slurm has not done so. That ends this process.
    ///
    /// # Errors
    /// Slurm does not do it.
    pub fn put_back(&self) -> io::Result<()> {
        let attempt = || match fate(&self.described()?, self.restarts) {
            Fate::Warned => run_here("scontrol", &["requeue", &self.id]).map(drop),
            Fate::PutBack | Fate::Ends | Fate::Unknown => Ok(()),
        };
        // A controller may be busy, and there is a minute left.
        for _ in 1..TRIES {
            match attempt() {
                Ok(()) => return Ok(()),
                Err(error) => tracing::warn!("job {} is not put back, and tries again: {error}", self.id),
            }
            sleep(PAUSE);
        }
        attempt()
    }

    fn described(&self) -> io::Result<String> {
        run_here("scontrol", &["-o", "show", "job", &self.id])
    }
}

/// By what `scontrol -o show job` says. A job that is put back counts its next start at once, while it still ends; one that
/// was cancelled does not. In any other state (it may be `SIGNALING` just now) it has been warned.
pub(super) fn fate(said: &str, restarts: u32) -> Fate {
    let now = value(said, "Restarts").and_then(|text| text.parse().ok()).unwrap_or(0u32);
    match value(said, "JobState").as_deref() {
        None => Fate::Unknown,
        Some(_) if now > restarts => Fate::PutBack,
        Some(state) if state == "COMPLETING" || OVER.contains(&state) => Fate::Ends,
        Some(_) => Fate::Warned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(options: Slurm) -> CoordinatorJob {
        CoordinatorJob {
            options,
            folder: Folder::new("/shared/50% results"),
            here: "/data/me".into(),
            command: ["/opt/my tools/frostline", "launch", "/data/me/pets.toml", "--set", "grid.seed=[1, 2]"]
                .map(str::to_owned)
                .into(),
            name: "frostline-0a1b2c3d-coordinator".to_owned(),
        }
    }

    #[test]
    fn a_coordinator_is_asked_for_by_its_own_keys() {
        let options = Slurm {
            partition: Some("gpu".to_owned()),
            gpus: Some("1".to_owned()),
            account: Some("vision".to_owned()),
            options: vec!["--exclude=n7".to_owned()],
            prologue: Some("module load python".to_owned()),
            coordinator_partition: Some("cpu".to_owned()),
            coordinator_time: Some("2-0".to_owned()),
            coordinator_cpus: 4,
            coordinator_options: vec!["--mem=4G".to_owned()],
            ..Slurm::default()
        };
        let job = job(options);
        assert_eq!(
            job.arguments(),
            [
                "--parsable",
                "--job-name=frostline-0a1b2c3d-coordinator",
                "--requeue",
                "--open-mode=append",
                "--signal=B:TERM@120",
                "--ntasks=1",
                "--cpus-per-task=4",
                "--output=/shared/50%% results/logs/job.log",
                "--chdir=/data/me",
                "--partition=cpu",
                "--account=vision",
                "--time=2-0",
                "--mem=4G",
            ]
        );
        assert_eq!(
            job.script(),
            "#!/bin/sh\nmodule load python\nexec '/opt/my tools/frostline' launch /data/me/pets.toml --set 'grid.seed=[1, 2]'\n"
        );
    }

    /// As 22.05 says it to a process that was sent SIGTERM.
    #[test]
    fn what_becomes_of_a_job_is_told_by_its_state_and_its_starts() {
        let said = |state: &str, restarts: u32| {
            format!("JobId=2 JobName=x JobState={state} Reason=None Requeue=1 Restarts={restarts} ExitCode=0:0")
        };
        assert_eq!(fate(&said("RUNNING", 0), 0), Fate::Warned);
        assert_eq!(fate(&said("RUNNING", 2), 2), Fate::Warned);
        assert_eq!(fate(&said("SIGNALING", 0), 0), Fate::Warned);
        assert_eq!(fate(&said("COMPLETING", 1), 0), Fate::PutBack);
        assert_eq!(fate(&said("COMPLETING", 0), 0), Fate::Ends);
        assert_eq!(fate(&said("CANCELLED", 2), 2), Fate::Ends);
        assert_eq!(fate("", 0), Fate::Unknown);
    }
}
