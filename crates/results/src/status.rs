//! What the running coordinator knows and the database does not: steps within an epoch, how long it will still take. It
//! leaves it in the results folder once a second, for whoever looks on.

use crate::replace;
use frostline_sweep::record::TaskKey;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStatus {
    pub sweep: String,
    /// The coordinator's process id.
    pub process: u32,
    /// When this was written, in seconds since 1970.
    pub at: f64,
    /// Until every trial has its outcome; none before the first epoch is measured.
    pub seconds_left: Option<f64>,
    /// It was asked to end.
    pub draining: bool,
    /// By worker.
    pub running: Vec<RunningTask>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunningTask {
    pub worker: u32,
    pub task: TaskKey,
    /// Epochs recorded.
    pub epochs: u32,
    /// Steps done of the running epoch or fill, and all of them.
    pub steps: Option<(u64, u64)>,
}

impl RunStatus {
    /// None where no coordinator has left one, or the one that did is no more.
    pub fn read(file: &Path) -> Option<RunStatus> {
        // What was written by another version may be anything, and is worth no more than nothing.
        let status: RunStatus = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
        Path::new(&format!("/proc/{}", status.process)).exists().then_some(status)
    }

    /// In place of the one before.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        replace(file, &serde_json::to_vec(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::trial::TrialId;

    #[test]
    fn what_a_living_coordinator_left_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("status.json");
        assert_eq!(RunStatus::read(&file), None);
        let task = TaskKey::Trial(TrialId([7; 16]));
        let running = vec![RunningTask { worker: 1, task, epochs: 2, steps: Some((3, 9)) }];
        let process = std::process::id();
        let status =
            RunStatus { sweep: "demo".into(), process, at: 1.5, seconds_left: Some(8.0), draining: false, running };
        status.write(&file).unwrap();
        assert_eq!(RunStatus::read(&file), Some(status.clone()));
        // No process has this number (proc(5), pid_max).
        RunStatus { process: u32::MAX, ..status }.write(&file).unwrap();
        assert_eq!(RunStatus::read(&file), None);
        fs::write(&file, "{").unwrap();
        assert_eq!(RunStatus::read(&file), None);
    }
}
