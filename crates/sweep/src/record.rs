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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The processor and the instructions that libtorch takes on it, such as "AMD EPYC 7763 (AVX2)"; none where an earlier
    /// version has not said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<String>,
}

impl Build {
    /// What it computed on, in words, with its processor where that is what results depend on.
    pub fn on(&self) -> String {
        match self.kind() {
            Some(Kind::Processor(name)) => format!("{}, {name}", self.device),
            _ => self.device.clone(),
        }
    }

    /// What results depend on in their last bits: the model of the GPU, or the processor. None where that is not known.
    pub fn kind(&self) -> Option<Kind> {
        match self.device.split_once('(') {
            Some((_, gpu)) => Some(Kind::Gpu(gpu.strip_suffix(')').unwrap_or(gpu).to_owned())),
            None if self.device == "cpu" => self.processor.clone().map(Kind::Processor),
            None => None,
        }
    }
}

/// A kind of machine, of which all compute the same to the bit, by its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Processor(String),
    Gpu(String),
}

impl Kind {
    pub fn name(&self) -> &str {
        match self {
            Kind::Processor(name) | Kind::Gpu(name) => name,
        }
    }
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
    /// Somebody's sentence about a sweep, this one or another, in the place of an earlier one; an empty one takes that away.
    Noted { sweep: String, text: String },
}

/// How an attempt ended that has no result.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    Failed(Failure),
    /// It was told to end, or its coordinator died before it; no fault of anybody's, so not counted against the trial.
    Interrupted,
    Cancelled,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_depend_on_the_gpu_or_else_on_the_processor() {
        let build = |device: &str, processor: Option<&str>| {
            let word = String::new;
            let (device, processor) = (device.to_owned(), processor.map(str::to_owned));
            Build { version: word(), libtorch: word(), device, threads: 1, host: word(), processor }
        };
        let kind = |device: &str, processor: Option<&str>| {
            let build = build(device, processor);
            // As the database has it.
            let stored = serde_json::to_string(&build).unwrap();
            assert_eq!(stored.contains("processor"), build.processor.is_some());
            assert_eq!(serde_json::from_str::<Build>(&stored).unwrap(), build);
            build.kind()
        };
        let epyc = Some("AMD EPYC 7763 (AVX2)");
        let (cpu, gpu) = (build("cpu", epyc), build("cuda:0 (NVIDIA H100)", epyc));
        assert_eq!((cpu.on(), gpu.on()), ("cpu, AMD EPYC 7763 (AVX2)".to_owned(), gpu.device));
        assert_eq!(kind("cpu", epyc), Some(Kind::Processor("AMD EPYC 7763 (AVX2)".to_owned())));
        assert_eq!(kind("cpu", None), None);
        for device in ["cuda:0 (NVIDIA H100)", "cuda:3 (NVIDIA H100)"] {
            assert_eq!(kind(device, epyc), Some(Kind::Gpu("NVIDIA H100".to_owned())));
        }
        assert_eq!(kind("cuda:0 (A100 (MIG 1g))", epyc), Some(Kind::Gpu("A100 (MIG 1g)".to_owned())));
        assert_eq!(kind("cuda:0", epyc), None, "its model is not known");
    }
}
