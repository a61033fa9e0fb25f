//! The results folder: which file or folder has which name. Nothing here looks at the disk.

use crate::CacheBucket;
use crate::checkpoint;
use frostline_sweep::trial::TrialId;
use std::path::{Path, PathBuf};

/// Name of the database.
pub const DATABASE: &str = "frostline.db";

/// Name of the lock file. It stays in the folder: removing it would let two processes lock two files of one name.
pub const LOCK: &str = "frostline.lock";

/// Extension of [`Folder::job_number`].
pub const JOB_NUMBER: &str = "id";

/// A results folder, by its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(path: impl Into<PathBuf>) -> Folder {
        Folder(path.into())
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn database(&self) -> PathBuf {
        self.0.join(DATABASE)
    }

    pub fn lock(&self) -> PathBuf {
        self.0.join(LOCK)
    }

    /// Says that other machines see this folder: one process alone opens the database, the others read [`Folder::snapshot`].
    pub fn shared_disk(&self) -> PathBuf {
        self.0.join("shared-disk")
    }

    /// The database as it was a while ago, on a shared disk.
    pub fn snapshot(&self) -> PathBuf {
        self.0.join("snapshot.db")
    }

    /// The snapshot before, for those who have it open.
    pub fn snapshot_before(&self) -> PathBuf {
        self.0.join("snapshot-before.db")
    }

    /// Folder of what the running coordinator leaves for others; for its user alone.
    pub fn run(&self) -> PathBuf {
        self.0.join("run")
    }

    /// The secret that workers and clients show.
    pub fn token(&self) -> PathBuf {
        self.run().join("token")
    }

    /// Where the coordinator listens.
    pub fn endpoint(&self) -> PathBuf {
        self.run().join("endpoint.json")
    }

    /// What lets workers on other machines in, where they may come.
    pub fn access(&self) -> PathBuf {
        self.run().join("access.json")
    }

    /// The key of the authority that signs for [`Folder::access`].
    pub fn authority(&self) -> PathBuf {
        self.run().join("authority.pem")
    }

    /// What the coordinator is doing.
    pub fn status(&self) -> PathBuf {
        self.run().join("status.json")
    }

    /// Folder of the jobs that an engine was asked for by commands.
    pub fn jobs(&self) -> PathBuf {
        self.run().join("jobs")
    }

    /// What the job of the worker in this place runs.
    pub fn job_script(&self, worker: u32) -> PathBuf {
        self.jobs().join(format!("worker-{worker}.sh"))
    }

    /// The engine's number of the job of one process in a place.
    pub fn job_number(&self, worker: u32, incarnation: u64) -> PathBuf {
        self.jobs().join(format!("worker-{worker}-{incarnation}.{JOB_NUMBER}"))
    }

    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    pub fn coordinator_log(&self) -> PathBuf {
        self.logs().join("coordinator.log")
    }

    /// What a coordinator prints that is a job itself.
    pub fn job_log(&self) -> PathBuf {
        self.logs().join("job.log")
    }

    /// The log of the worker in the place `worker`.
    pub fn worker_log(&self, worker: u32) -> PathBuf {
        self.logs().join(format!("worker-{worker}.log"))
    }

    pub fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    /// The newest checkpoint of a trial.
    pub fn checkpoint(&self, trial: TrialId) -> PathBuf {
        self.checkpoints().join(checkpoint::name(trial))
    }

    /// The feature cache, one folder a cut.
    pub fn features(&self) -> PathBuf {
        CacheBucket::Features.folder(&self.0.join("cache"))
    }

    /// Pictures that were decoded.
    pub fn images(&self) -> PathBuf {
        CacheBucket::Images.folder(&self.0.join("cache"))
    }

    pub fn classes(&self) -> PathBuf {
        self.0.join("classes")
    }

    pub fn models(&self) -> PathBuf {
        self.0.join("models")
    }

    /// What a trial trained.
    pub fn model(&self, trial: TrialId) -> PathBuf {
        self.models().join(trial.model_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Released versions have left files there: these names stay.
    #[test]
    fn the_names_are_those_that_folders_have_had_so_far() {
        let folder = Folder::new("results");
        let trial = TrialId([0xab; 16]);
        let id = "ab".repeat(16);
        for (path, expected) in [
            (folder.database(), "results/frostline.db".to_owned()),
            (folder.lock(), "results/frostline.lock".to_owned()),
            (folder.shared_disk(), "results/shared-disk".to_owned()),
            (folder.snapshot(), "results/snapshot.db".to_owned()),
            (folder.token(), "results/run/token".to_owned()),
            (folder.endpoint(), "results/run/endpoint.json".to_owned()),
            (folder.access(), "results/run/access.json".to_owned()),
            (folder.coordinator_log(), "results/logs/coordinator.log".to_owned()),
            (folder.worker_log(3), "results/logs/worker-3.log".to_owned()),
            (folder.checkpoint(trial), format!("results/checkpoints/{id}.checkpoint")),
            (folder.model(trial), format!("results/models/{id}.safetensors")),
            (folder.features(), "results/cache/features-v1".to_owned()),
            (folder.images(), "results/cache/images-v1".to_owned()),
            (folder.classes(), "results/classes".to_owned()),
        ] {
            assert_eq!(path, Path::new(&expected));
        }
    }
}
