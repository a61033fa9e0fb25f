//! What the scheduler says of itself.

use crate::Time;
use crate::machine::{Phase, Scheduler, Worker};
use frostline_protocol::{Claim, WorkerId};
use frostline_sweep::outcome::TrialState;
use frostline_sweep::record::TaskKey;
use frostline_sweep::trial::TrialId;
use std::collections::BTreeMap;

impl Scheduler {
    /// When [`Event::Tick`](crate::Event::Tick) is due, if nothing happens before.
    pub fn next_deadline(&self) -> Option<Time> {
        let deadlines = |worker: &Worker| {
            self.deadline(worker.phase).into_iter().chain(self.stall(worker)).chain(self.farewell(worker))
        };
        let workers = self.workers.values().flat_map(deadlines);
        workers.chain(self.draining.filter(|_| !self.is_idle())).min()
    }

    /// Whether nothing runs and nothing more will be given out.
    pub fn is_finished(&self) -> bool {
        self.is_idle() && (self.draining.is_some() || self.queue.len() == 0 || self.is_stuck())
    }

    fn is_idle(&self) -> bool {
        self.attempts.is_empty()
    }

    /// Whether trials wait and no worker can be started any more; [`Scheduler::last_exit`] says why.
    pub fn is_stuck(&self) -> bool {
        let may_come = self.settings.awaits_guests && self.workers.is_empty();
        self.queue.len() > 0 && !may_come && self.workers.values().all(|worker| worker.phase == Phase::Broken)
    }

    /// How the last worker process ended that should not have.
    pub fn last_exit(&self) -> Option<&str> {
        self.last_exit.as_deref()
    }

    /// Messages about attempts that were no longer current.
    pub fn stale(&self) -> u64 {
        self.stale
    }

    /// Messages that were not due, or about something else: their connections were closed.
    pub fn breaches(&self) -> u64 {
        self.breaches
    }

    /// Every trial with its state, in the order of the sweep.
    pub fn states(&self) -> impl Iterator<Item = (TrialId, TrialState)> {
        self.trials.iter().map(|trial| (trial.id, trial.state))
    }

    /// How many trials are in each state, without those that none is in.
    pub fn counts(&self) -> &BTreeMap<TrialState, u64> {
        &self.counts
    }

    pub fn state(&self, trial: TrialId) -> Option<TrialState> {
        self.positions.get(&trial).map(|position| self.trials[*position as usize].state)
    }

    /// Whether this is what the worker is to do now: of another claim nothing is to be believed, its progress included.
    pub fn is_current(&self, worker: WorkerId, claim: &Claim) -> bool {
        self.attempts.get(&claim.attempt).is_some_and(|it| it.worker == worker && it.task == claim.task)
    }

    /// What runs now: worker, task, and reports recorded so far.
    pub fn running(&self) -> impl Iterator<Item = (WorkerId, &TaskKey, u32)> {
        self.attempts.values().map(|attempt| (attempt.worker, &attempt.task, attempt.reported))
    }
}
