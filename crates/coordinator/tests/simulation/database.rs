//! A database in memory that refuses what the real one refuses.

use frostline_protocol::WorkerId;
use frostline_scheduler::RestoredTrial;
use frostline_sweep::outcome::{AttemptId, EpochMetrics, Evaluation, FailureKind, TrialState};
use frostline_sweep::record::{Ending, Record, TaskKey};
use frostline_sweep::trial::TrialId;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    Running,
    Trained(Evaluation),
    Filled,
    Ended(Ending),
}

#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) task: TaskKey,
    pub(crate) worker: WorkerId,
    pub(crate) epochs: Vec<EpochMetrics>,
    pub(crate) outcome: Outcome,
}

#[derive(Debug, Default)]
pub(crate) struct Database {
    pub(crate) trials: BTreeMap<TrialId, TrialState>,
    pub(crate) attempts: BTreeMap<AttemptId, Attempt>,
}

impl Database {
    pub(crate) fn new(trials: impl Iterator<Item = TrialId>) -> Database {
        Database { trials: trials.map(|trial| (trial, TrialState::Waiting)).collect(), attempts: BTreeMap::new() }
    }

    /// What the writer does when it opens the file: no fill outlives its coordinator.
    pub(crate) fn open(&mut self) {
        for attempt in self.attempts.values_mut() {
            if attempt.outcome == Outcome::Running && matches!(attempt.task, TaskKey::Fill(_)) {
                attempt.outcome = Outcome::Ended(Ending::Interrupted);
            }
        }
    }

    pub(crate) fn next_attempt(&self) -> AttemptId {
        AttemptId(self.attempts.last_key_value().map_or(1, |(last, _)| last.0 + 1))
    }

    /// One trial as a scheduler is rebuilt from it, but for what the database does not know: epochs and features.
    pub(crate) fn row(&self, trial: TrialId) -> RestoredTrial {
        let running = self.running().find(|(_, attempt)| attempt.task == TaskKey::Trial(trial));
        RestoredTrial {
            trial,
            state: self.trials[&trial],
            epochs: 0,
            features: None,
            divisible: None,
            failures: self.failures(trial),
            running: running.map(|(id, attempt)| (id, attempt.worker, attempt.epochs.len() as u32)),
        }
    }

    /// What went wrong with a trial, the newest last.
    pub(crate) fn failures(&self, trial: TrialId) -> Vec<FailureKind> {
        let kind = |attempt: &Attempt| match &attempt.outcome {
            Outcome::Ended(Ending::Failed(failure)) => Some(failure.kind),
            _ => None,
        };
        self.attempts.values().filter(|attempt| attempt.task == TaskKey::Trial(trial)).filter_map(kind).collect()
    }

    pub(crate) fn running(&self) -> impl Iterator<Item = (AttemptId, &Attempt)> {
        let running = self.attempts.iter().filter(|(_, attempt)| attempt.outcome == Outcome::Running);
        running.map(|(id, attempt)| (*id, attempt))
    }

    pub(crate) fn is_complete(&self, trial: TrialId) -> bool {
        self.trials[&trial] == TrialState::Complete
    }

    /// Whether an acknowledgement of this report tells the truth.
    pub(crate) fn has_report(&self, attempt: AttemptId, number: u32) -> bool {
        self.attempts
            .get(&attempt)
            .is_some_and(|attempt| attempt.epochs.len() >= number as usize || attempt.outcome != Outcome::Running)
    }

    pub(crate) fn apply(&mut self, record: &Record) -> Result<(), String> {
        match record {
            Record::Started { attempt, task, worker, .. } => self.start(*attempt, task, WorkerId(*worker)),
            Record::Epoch { attempt, trial, metrics } => {
                let row = self.expect_running(*attempt, Some(*trial))?;
                let due = row.epochs.len() as u32 + 1;
                if metrics.epoch != due {
                    return Err(format!("epoch {} of attempt {attempt} was given where {due} is due", metrics.epoch));
                }
                row.epochs.push(metrics.clone());
                Ok(())
            }
            Record::Completed { attempt, trial, evaluation } => {
                let row = self.expect_running(*attempt, Some(*trial))?;
                if row.epochs.is_empty() {
                    return Err(format!("attempt {attempt} completes trial {trial} without an epoch"));
                }
                row.outcome = Outcome::Trained(evaluation.clone());
                self.trials.insert(*trial, TrialState::Complete);
                Ok(())
            }
            Record::Filled { attempt, .. } => {
                self.expect_running(*attempt, None)?.outcome = Outcome::Filled;
                Ok(())
            }
            Record::Ended { attempt, ending, trial } => {
                let row = self.expect_running(*attempt, trial.map(|(trial, _)| trial))?;
                row.outcome = Outcome::Ended(ending.clone());
                trial.map_or(Ok(()), |(trial, state)| self.set_state(trial, state))
            }
            Record::State { trial, state } => {
                let before = self.state(*trial)?;
                if matches!(before, TrialState::Running | TrialState::Complete) {
                    return Err(format!("trial {trial} is {before} and cannot become {state} by itself"));
                }
                self.set_state(*trial, *state)
            }
            Record::Noted { .. } => Ok(()),
        }
    }

    fn start(&mut self, id: AttemptId, task: &TaskKey, worker: WorkerId) -> Result<(), String> {
        if id < self.next_attempt() {
            return Err(format!("attempt {id} is not above every attempt before it"));
        }
        if let TaskKey::Trial(trial) = task {
            let state = self.state(*trial)?;
            if state != TrialState::Waiting {
                return Err(format!("attempt {id} starts trial {trial}, which is {state}"));
            }
            self.trials.insert(*trial, TrialState::Running);
        }
        let attempt = Attempt { task: task.clone(), worker, epochs: Vec::new(), outcome: Outcome::Running };
        self.attempts.insert(id, attempt);
        Ok(())
    }

    fn expect_running(&mut self, id: AttemptId, trial: Option<TrialId>) -> Result<&mut Attempt, String> {
        let attempt = self.attempts.get_mut(&id).ok_or_else(|| format!("attempt {id} was never started"))?;
        if attempt.outcome != Outcome::Running {
            return Err(format!("attempt {id} has ended already ({:?})", attempt.outcome));
        }
        let runs = match &attempt.task {
            TaskKey::Trial(trial) => Some(*trial),
            TaskKey::Fill(_) => None,
        };
        if runs != trial {
            return Err(format!("attempt {id} is about {runs:?}, not about {trial:?}"));
        }
        Ok(attempt)
    }

    fn set_state(&mut self, trial: TrialId, state: TrialState) -> Result<(), String> {
        if matches!(state, TrialState::Running | TrialState::Complete) {
            return Err(format!("trial {trial} cannot become {state} without an attempt"));
        }
        self.state(trial)?;
        self.trials.insert(trial, state);
        Ok(())
    }

    fn state(&self, trial: TrialId) -> Result<TrialState, String> {
        self.trials.get(&trial).copied().ok_or_else(|| format!("trial {trial} is not stored"))
    }
}
