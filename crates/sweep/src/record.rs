//! What is worth keeping of what happened: the scheduler says it, the store writes it.
//!
//! Each record is one fact. A batch of them is committed as one, before anything that follows from it is said.
//!
//! A batch belongs to the sweep that runs. A state that says that a trial is not wanted (cancelled, pruned) is about the
//! trial's place in that sweep; other sweeps that have the trial still wait for it.

use crate::features::FeatureKey;
use crate::outcome::{AttemptId, EpochMetrics, Evaluation, Failure, TrialState};
use crate::reuse::Estimate;
use crate::trial::TrialId;
use serde::{Deserialize, Serialize};

/// What an attempt is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKey {
    /// Compute features into the cache.
    Fill(FeatureKey),
    Trial(TrialId),
}

/// What a worker process is: the provenance of its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// Version of Frostline.
    pub version: String,
    /// Version of libtorch, with "cpu" or "cuda".
    pub libtorch: String,
    /// The device in words, such as "cpu" or "cuda:0 (NVIDIA H100)".
    pub device: String,
    /// Threads that libtorch computes with.
    pub threads: u32,
    pub host: String,
}

/// What an attempt at a trial starts from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    /// The kept output of so many segments; 0 where it starts from the images.
    pub cut: u32,
    /// None where nobody made one.
    pub estimate: Option<Estimate>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// An attempt was given to a worker; its trial is running now. `micro_batch` is how many images its frozen
    /// layers take at a time, where memory ran out before. `start` is none for a fill.
    Started {
        attempt: AttemptId,
        task: TaskKey,
        worker: u32,
        build: Build,
        micro_batch: Option<u32>,
        start: Option<Start>,
    },
    /// An epoch of a running attempt. Epochs of one attempt come in order, from 1, without gaps.
    Epoch { attempt: AttemptId, trial: TrialId, metrics: EpochMetrics },
    /// The one accepted attempt of this trial has ended; the trial is complete.
    Completed { attempt: AttemptId, trial: TrialId, evaluation: Evaluation },
    /// A fill has ended; `computed` is false where the folder was there already.
    Filled { attempt: AttemptId, bytes: u64, seconds: f64, computed: bool },
    /// An attempt has ended without a result. `trial` is the state that its trial is in now; none for a fill. A trial
    /// that is not wanted any more waits, for other sweeps.
    Ended { attempt: AttemptId, ending: Ending, trial: Option<(TrialId, TrialState)> },
    /// A trial that no attempt runs has changed its state. One that is finished is not cancelled any more.
    State { trial: TrialId, state: TrialState },
}

/// How an attempt ended that has no result.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    Failed(Failure),
    /// It was told to end, or its coordinator died before it; no fault of anybody's, so not counted against the trial.
    Interrupted,
    Cancelled,
}
