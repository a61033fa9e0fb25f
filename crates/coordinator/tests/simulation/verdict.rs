//! What must be true of every record, and of the sweep in the end.

use crate::coordinator::PATIENCE;
use crate::database::Outcome;
use crate::plan::{PORTION, evaluation, metrics};
use crate::process::Process;
use crate::world::World;
use frostline_protocol::WorkerId;
use frostline_sweep::outcome::{AttemptId, FailureKind, TrialState};
use frostline_sweep::record::{Ending, Record, TaskKey};
use frostline_sweep::trial::TrialId;
use std::collections::{BTreeMap, BTreeSet};

/// Who is to blame for what: every failure that is recorded needs a cause in the world.
#[derive(Debug, Default)]
pub(crate) struct Blame {
    /// Until when each worker's loss is explained by what happened to it.
    workers: BTreeMap<WorkerId, u64>,
    /// Until when any worker's loss is explained.
    everybody: u64,
    started: BTreeMap<AttemptId, u64>,
    said: BTreeSet<(AttemptId, FailureKind)>,
    lied: BTreeSet<AttemptId>,
    /// Attempts whose trainer stands still for ever.
    stuck: BTreeSet<AttemptId>,
    /// Which processes have a GPU that failed, by the coordinators that know it.
    broken: BTreeSet<(u64, usize)>,
    asked: BTreeSet<TrialId>,
    /// Trials of whose cancellation somebody was assured.
    answered: BTreeSet<TrialId>,
    /// Attempts whose model is sent to the coordinator.
    pub(crate) travels: BTreeSet<AttemptId>,
}

impl Blame {
    /// What happens to a worker until then explains its loss for as long as a coordinator may take to look at it.
    pub(crate) fn worker(&mut self, worker: WorkerId, until: u64) {
        let known = self.workers.entry(worker).or_default();
        *known = (*known).max(until.saturating_add(PATIENCE));
    }

    /// What happened to a guest before it had this place may show only now.
    pub(crate) fn inherits(&mut self, before: WorkerId, worker: WorkerId) {
        let until = self.workers.get(&before).copied().unwrap_or_default();
        let known = self.workers.entry(worker).or_default();
        *known = (*known).max(until);
    }

    pub(crate) fn everybody(&mut self, until: u64) {
        self.everybody = self.everybody.max(until);
    }

    pub(crate) fn said(&mut self, attempt: AttemptId, kind: FailureKind) {
        self.said.insert((attempt, kind));
    }

    pub(crate) fn lied(&mut self, attempt: AttemptId) {
        self.lied.insert(attempt);
    }

    pub(crate) fn stuck(&mut self, attempt: AttemptId) {
        self.stuck.insert(attempt);
    }

    /// Whether the coordinator of this run knows that the process can do nothing any more.
    pub(crate) fn is_broken(&self, run: u64, process: usize) -> bool {
        self.broken.contains(&(run, process))
    }

    pub(crate) fn asked_to_cancel(&mut self, trials: &[TrialId]) {
        self.asked.extend(trials);
    }

    pub(crate) fn answered(&mut self, trials: Vec<TrialId>) {
        self.answered.extend(trials);
    }
}

impl World {
    /// Whether a record that the scheduler wants to write is true.
    pub(crate) fn justify(&mut self, record: &Record) -> Result<(), String> {
        match record {
            Record::Started { attempt, task, micro_batch, start, .. } => {
                self.blame.started.insert(*attempt, self.now);
                if let TaskKey::Trial(trial) = task {
                    let planned = self.plan.trial(*trial);
                    let from = planned.features.as_ref().map_or(0, |key| self.plan.features[key].cut);
                    if !start.is_some_and(|start| start.cut <= from) {
                        return Err(format!(
                            "trial {trial} starts from {start:?}, not from a cut up to its own {from}"
                        ));
                    }
                    let due = micro_batch_after(&self.database.failures(*trial), self.plan.trial(*trial).divisible);
                    if *micro_batch != due {
                        return Err(format!("attempt {attempt} takes {micro_batch:?} images at a time, not {due:?}"));
                    }
                    if due.is_some() {
                        self.see("a smaller batch");
                    }
                } else if let Some(images) = micro_batch {
                    if !(1..PORTION).contains(images) {
                        return Err(format!("attempt {attempt} fills with {images} images at a time"));
                    }
                    self.see("a fill of fewer images");
                }
            }
            Record::Epoch { attempt, trial, metrics: recorded } => {
                if *recorded != metrics(*trial, recorded.epoch) {
                    return Err(format!("attempt {attempt} has wrong metrics of trial {trial}: {recorded:?}"));
                }
            }
            Record::Completed { attempt, trial, evaluation: recorded } => {
                self.disk.checkpoints.remove(&(None, *trial));
                let planned = self.plan.trial(*trial);
                let epochs = self.database.attempts.get(attempt).map_or(0, |attempt| attempt.epochs.len());
                if epochs != planned.spec.parameters.epochs as usize {
                    return Err(format!("trial {trial} completes after {epochs} epochs"));
                }
                if *recorded != evaluation(*trial) || planned.diverges.is_some() {
                    return Err(format!("trial {trial} completes with {recorded:?}"));
                }
                if self.blame.travels.contains(attempt) {
                    if !self.disk.arrived.contains(attempt) {
                        return Err(format!("trial {trial} completes before its model has arrived"));
                    }
                    self.see("a model that has travelled");
                }
            }
            Record::Filled { .. } => self.see("a fill"),
            Record::Ended { attempt, ending: Ending::Failed(failure), trial } => {
                let blame = &self.blame;
                let Some((started, row)) = blame.started.get(attempt).zip(self.database.attempts.get(attempt)) else {
                    return Err(format!("attempt {attempt} ends and was never started"));
                };
                let explained = blame.workers.get(&row.worker).copied().unwrap_or_default().max(blame.everybody);
                let just = blame.said.contains(&(*attempt, failure.kind))
                    || failure.kind == FailureKind::WorkerLost
                        && (explained >= *started || blame.stuck.contains(attempt))
                    || failure.kind != FailureKind::WorkerLost && blame.lied.contains(attempt);
                if !just {
                    return Err(format!("attempt {attempt} has failed without a cause: {failure:?}"));
                }
                if failure.kind == FailureKind::Device {
                    let is_its = |process: &Process| process.alive && process.worker == row.worker;
                    let process = self.processes.iter().rposition(is_its);
                    self.blame.broken.extend(process.map(|process| (self.runs, process)));
                }
                if let Some((trial, state)) = trial {
                    let mut failures = self.database.failures(*trial);
                    failures.push(failure.kind);
                    let due = if is_enough(&failures, self.plan.trial(*trial).divisible) {
                        TrialState::Failed
                    } else {
                        TrialState::Waiting
                    };
                    if *state != due {
                        return Err(format!("trial {trial} is {state} after the failures {failures:?}"));
                    }
                }
                self.see(failure.kind.as_str());
            }
            Record::Ended { ending: Ending::Interrupted, .. } => self.see("an attempt that was interrupted"),
            Record::Ended { ending: Ending::Cancelled, trial, .. } => {
                let is_asked = match trial {
                    Some((trial, _)) => self.blame.asked.contains(trial),
                    None => !self.blame.asked.is_empty(),
                };
                if !is_asked {
                    return Err(format!("nobody asked to cancel {trial:?}"));
                }
                self.see(match trial {
                    Some(_) => "a running trial that is cancelled",
                    None => "a fill that nobody waits for any more",
                });
            }
            Record::State { trial, state } => {
                if *state != TrialState::Cancelled || !self.blame.asked.contains(trial) {
                    return Err(format!("trial {trial} becomes {state} by itself"));
                }
                self.see("a waiting trial that is cancelled");
            }
            Record::Noted { .. } => return Err("nobody asked to note anything".to_owned()),
        }
        Ok(())
    }

    /// What must hold in the end.
    pub(crate) fn judge(&mut self) -> Result<(), String> {
        // A coordinator that died may have left a fill behind, which the next one would end before anything else.
        self.database.open();
        if let Some((id, attempt)) = self.database.running().next() {
            return Err(format!("attempt {id} ({:?}) was never ended", attempt.task));
        }
        for trial in &self.plan.trials {
            let task = TaskKey::Trial(trial.id);
            let attempts: Vec<_> = self.database.attempts.values().filter(|attempt| attempt.task == task).collect();
            let trained: Vec<_> =
                attempts.iter().filter(|attempt| matches!(attempt.outcome, Outcome::Trained(_))).collect();
            let state = self.database.trials[&trial.id];
            let wrong = |what: &str| Err(format!("trial {} is {state} in the end, but {what}", trial.id));
            match (state, trained.as_slice()) {
                (TrialState::Complete, [attempt]) => {
                    // The numbers are those of a run without disturbances, so every ranking is that of such a run.
                    let expected = (1..=trial.spec.parameters.epochs).map(|epoch| metrics(trial.id, epoch));
                    if !attempt.epochs.iter().cloned().eq(expected) {
                        return wrong("its epochs have gaps or wrong numbers");
                    }
                    if attempt.outcome != Outcome::Trained(evaluation(trial.id)) {
                        return wrong("its evaluation is not its own");
                    }
                    if self.blame.answered.contains(&trial.id) {
                        return wrong("its cancellation was confirmed");
                    }
                }
                (TrialState::Failed, []) => {
                    let failures = self.database.failures(trial.id);
                    if !is_enough(&failures, trial.divisible) {
                        return wrong(&format!("its failures are {failures:?}"));
                    }
                }
                (TrialState::Cancelled, []) if self.blame.asked.contains(&trial.id) => {}
                (_, trained) => return wrong(&format!("{} of its attempts were accepted", trained.len())),
            }
            let quiet = self.plan.disturbances.is_empty();
            if quiet && attempts.len() != 1 {
                return wrong(&format!("took {} attempts though nothing went wrong", attempts.len()));
            }
            self.seen.entry(state.as_str()).and_modify(|count| *count += 1).or_insert(1);
        }
        let started = self.processes.iter().filter(|process| !process.is_guest).count();
        if self.plan.disturbances.is_empty() && started > self.plan.workers as usize {
            return Err(format!("{started} processes were started though nothing went wrong"));
        }
        Ok(())
    }
}

/// Images at a time after these failures: half as many as the time before, each time that memory ran out.
fn micro_batch_after(failures: &[FailureKind], divisible: Option<u32>) -> Option<u32> {
    let mut images = None;
    for _ in failures.iter().filter(|failure| **failure == FailureKind::OutOfMemory) {
        images = images.or(divisible).map(|images| images.div_ceil(2));
    }
    images
}

/// Whether a trial has failed for good: three workers lost, two internal errors, no memory for even one image at a time (or,
/// where it cannot take fewer, for those that it takes), or one failure of any other kind.
fn is_enough(failures: &[FailureKind], divisible: Option<u32>) -> bool {
    let count = |kind| failures.iter().filter(|failure| **failure == kind).count();
    match failures.last() {
        Some(kind @ (FailureKind::WorkerLost | FailureKind::Device)) => count(*kind) == 3,
        Some(FailureKind::Internal) => count(FailureKind::Internal) == 2,
        // The planned 8 can be halved three times.
        Some(FailureKind::OutOfMemory) if divisible.is_some() => count(FailureKind::OutOfMemory) == 4,
        Some(_) => true,
        None => false,
    }
}
