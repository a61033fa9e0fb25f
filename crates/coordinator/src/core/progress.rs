//! How far the sweep has come: what people are shown, and nothing that is decided by.

use super::pace::{Pace, epochs};
use super::roster::Roster;
use super::worklist::Worklist;
use frostline_protocol::{TaskKey, WorkerId};
use frostline_scheduler::Scheduler;
use frostline_sweep::outcome::{EpochMetrics, TrialState};
use frostline_sweep::record::Record;
use frostline_sweep::trial::{TrialId, TrialSpec};
use std::collections::BTreeMap;
use std::time::Duration;

/// Something that is in the database now.
#[derive(Debug, Clone, PartialEq)]
pub struct Fact {
    pub record: Record,
    /// Of a trial that is complete now: its last epoch, whoever recorded that.
    pub last: Option<EpochMetrics>,
}

impl Fact {
    /// The trial that has its outcome with this.
    pub fn ended(&self) -> Option<TrialId> {
        match &self.record {
            Record::Completed { trial, .. } => Some(*trial),
            Record::Ended { trial: Some((trial, state)), .. } | Record::State { trial, state } => {
                state.is_final().then_some(*trial)
            }
            _ => None,
        }
    }
}

/// How things stand.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Status {
    pub counts: BTreeMap<TrialState, u64>,
    pub running: Vec<Running>,
    /// None before the first epoch is measured.
    pub time_left: Option<Duration>,
    pub draining: bool,
    /// Another program holds the database since then; nothing is committed meanwhile, and nothing is lost.
    pub held: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Running {
    pub worker: WorkerId,
    pub task: TaskKey,
    /// Epochs recorded.
    pub epochs: u32,
    /// Steps done of the running epoch or fill, and all of them.
    pub steps: Option<(u64, u64)>,
}

#[derive(Debug)]
pub(super) struct Progress {
    /// Epochs of the unfinished trials, by frozen layers: summed up once, since a large sweep takes long to go through.
    epochs: BTreeMap<u32, u64>,
    pace: Pace,
    /// The newest epoch of each trial that is not complete.
    newest: BTreeMap<TrialId, EpochMetrics>,
}

impl Progress {
    pub(super) fn new(worklist: &Worklist, newest: BTreeMap<TrialId, EpochMetrics>) -> Progress {
        let pace = Pace::expecting(worklist.expected().clone());
        Progress { epochs: epochs(worklist.specs()), pace, newest }
    }

    pub(super) fn note(&mut self, record: Record, worklist: &Worklist) -> Fact {
        let last = match &record {
            Record::Epoch { trial, metrics, .. } => {
                if let Some(spec) = worklist.spec(*trial) {
                    self.pace.add(spec.parameters.frozen_layers, metrics.seconds);
                }
                self.newest.insert(*trial, metrics.clone());
                None
            }
            Record::Completed { trial, .. } => self.newest.remove(trial),
            _ => None,
        };
        Fact { record, last }
    }

    /// A trial has its outcome.
    pub(super) fn done_with(&mut self, spec: &TrialSpec) {
        if let Some(left) = self.epochs.get_mut(&spec.parameters.frozen_layers) {
            *left = left.saturating_sub(u64::from(spec.parameters.epochs));
        }
    }

    pub(super) fn status(
        &self,
        scheduler: &Scheduler,
        roster: &Roster,
        worklist: &Worklist,
        draining: bool,
    ) -> Status {
        let mut epochs = self.epochs.clone();
        let mut running = Vec::new();
        for (worker, task, done) in scheduler.running() {
            if let TaskKey::Trial(trial) = task
                && let Some(spec) = worklist.spec(*trial)
                && let Some(left) = epochs.get_mut(&spec.parameters.frozen_layers)
            {
                *left = left.saturating_sub(u64::from(done));
            }
            running.push(Running { worker, task: task.clone(), epochs: done, steps: roster.steps(worker) });
        }
        running.sort_by_key(|running| running.worker);
        let time_left = self.pace.time_left(&epochs, roster.count());
        Status { counts: scheduler.counts().clone(), running, time_left, draining, held: None }
    }
}
