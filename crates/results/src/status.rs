//! What the running coordinator knows and the database does not: steps within an epoch, how long it will still take. It
//! leaves it in the results folder once a second, for whoever looks on.

use crate::{host, replace};
use frostline_sweep::record::TaskKey;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds without a sign of life after which a coordinator of another machine counts as gone. It writes each second; disks
/// of networks take a while, and clocks differ.
const SILENCE: f64 = 90.0;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStatus {
    pub sweep: String,
    /// The coordinator's process id.
    pub process: u32,
    /// Where it runs; empty in what earlier versions have left.
    #[serde(default)]
    pub host: String,
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
        let lives = match status.host.is_empty() || status.host == host() {
            true => Path::new(&format!("/proc/{}", status.process)).exists(),
            false => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
                (now - status.at).abs() < SILENCE
            }
        };
        lives.then_some(status)
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
        let (sweep, seconds_left) = ("demo".into(), Some(8.0));
        let status = RunStatus { sweep, process, host: host(), at: 1.5, seconds_left, draining: false, running };
        status.write(&file).unwrap();
        assert_eq!(RunStatus::read(&file), Some(status.clone()));
        // No process has this number (proc(5), pid_max).
        RunStatus { process: u32::MAX, ..status.clone() }.write(&file).unwrap();
        assert_eq!(RunStatus::read(&file), None);
        // Of another machine nobody here knows the processes, but when it wrote.
        let elsewhere = RunStatus { process: u32::MAX, host: host() + "-2", ..status };
        elsewhere.write(&file).unwrap();
        assert_eq!(RunStatus::read(&file), None);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        RunStatus { at: now - 5.0, ..elsewhere }.write(&file).unwrap();
        assert!(RunStatus::read(&file).is_some());
        fs::write(&file, "{").unwrap();
        assert_eq!(RunStatus::read(&file), None);
    }
}
