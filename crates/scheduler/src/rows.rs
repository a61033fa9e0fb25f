//! What a scheduler is rebuilt from, and its times.

use crate::queue::FillPlan;
use frostline_protocol::{Incarnation, WorkerId};
use frostline_sweep::features::FeatureKey;
use frostline_sweep::outcome::{AttemptId, FailureKind, TrialState};
use frostline_sweep::trial::TrialId;
use std::collections::BTreeMap;

/// Times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// A worker that is silent for this long is given up.
    pub lease: u64,
    /// A new process has this long to connect; loading libtorch from a cold disk takes a while.
    pub start: u64,
    /// A worker that is heard of and makes no step for this long is ended, and never before ten times the longest pause
    /// between two steps that the sweep has shown.
    pub stall: u64,
    /// Running epochs may take this long after [`Event::Drain`].
    pub drain: u64,
    /// A worker whose process ends this often in a row without a result is not started again. More often than one trial
    /// may lose its worker: a trial that kills every worker fails by itself and leaves the worker to the others.
    pub failed_starts: u32,
    /// Where workers wait in somebody's queue before they start: how many may wait at a time. None where they start at once.
    pub backlog: Option<u32>,
    /// Where workers wait in a queue: how many are kept as long as a trial is unfinished, though nothing waits for them.
    pub least: u32,
    /// Whether workers may come that nobody has started: a sweep without workers waits for them.
    pub awaits_guests: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            lease: 20_000,
            start: 120_000,
            stall: 600_000,
            drain: 8_000,
            failed_starts: 5,
            backlog: None,
            least: 0,
            awaits_guests: false,
        }
    }
}

impl Settings {
    /// How a process ended that had its time to connect.
    pub(crate) fn unconnected(&self) -> String {
        format!("no connection within {} s", self.start / 1000)
    }
}

/// One trial as the database has it.
#[derive(Debug, Clone, PartialEq)]
pub struct RestoredTrial {
    pub trial: TrialId,
    pub state: TrialState,
    pub epochs: u32,
    /// The features that it would start from.
    pub features: Option<FeatureKey>,
    /// Images that its frozen layers take at a time, where they may take fewer when memory runs out.
    pub divisible: Option<u32>,
    /// Earlier failures that count against it.
    pub failures: Vec<FailureKind>,
    /// The attempt that was running when the last coordinator ended: number, worker, reports recorded.
    pub running: Option<(AttemptId, WorkerId, u32)>,
}

/// A worker of the last coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Survivor {
    pub incarnation: Incarnation,
    /// It still waits in somebody's queue, so it runs nothing.
    pub is_queued: bool,
}

/// What a scheduler is rebuilt from.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// In the order in which the trials are to run.
    pub trials: Vec<RestoredTrial>,
    pub fills: Vec<FillPlan>,
    pub workers: Vec<WorkerId>,
    /// Workers of the last coordinator whose processes still live: their attempts may go on.
    pub survivors: BTreeMap<WorkerId, Survivor>,
    /// Higher than any number that was ever given out.
    pub next_attempt: AttemptId,
    /// Higher than any that was ever given out.
    pub next_incarnation: Incarnation,
}
