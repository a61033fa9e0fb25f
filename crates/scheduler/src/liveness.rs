//! Who lives and who comes further: workers whose time is over are given up.

use crate::Time;
use crate::event::Effect;
use crate::machine::{Phase, Scheduler, Worker};
use frostline_protocol::WorkerId;
use frostline_sweep::outcome::FailureKind;

/// A worker may take this many times as long for a step as the slowest one so far took.
const PAUSES: u64 = 10;

impl Scheduler {
    pub(crate) fn deadline(&self, phase: Phase) -> Option<Time> {
        match phase {
            Phase::Starting { until } => Some(until),
            Phase::Connected { heard } => Some(heard.after(self.settings.lease)),
            Phase::Away { since } => Some(since.after(self.settings.lease)),
            Phase::Off | Phase::Queued | Phase::Ending | Phase::Broken => None,
        }
    }

    /// When a worker that lives is given up because what it carries out stands still: libtorch may wait for ever.
    pub(crate) fn stall(&self, worker: &Worker) -> Option<Time> {
        let attempt = worker.running.filter(|_| matches!(worker.phase, Phase::Connected { .. }))?;
        Some(self.attempts.get(&attempt)?.stepped.after(self.patience()))
    }

    /// When a worker that is going to end is waited for no longer: its trainer may stand still, with nothing to be given up by.
    pub(crate) fn farewell(&self, worker: &Worker) -> Option<Time> {
        let idle = worker.running.is_none() && matches!(worker.phase, Phase::Connected { .. });
        worker.leaving.filter(|_| idle).map(|since| since.after(self.settings.lease))
    }

    fn patience(&self) -> u64 {
        self.settings.stall.max(self.longest_pause.saturating_mul(PAUSES))
    }

    pub(crate) fn stepped(&mut self, now: Time, worker: WorkerId) {
        let running = self.workers.get(&worker).and_then(|worker| worker.running);
        if let Some(attempt) = running.and_then(|attempt| self.attempts.get_mut(&attempt)) {
            self.longest_pause = self.longest_pause.max(now.0.saturating_sub(attempt.stepped.0));
            attempt.stepped = now;
        }
    }

    pub(crate) fn heard(&mut self, now: Time, worker: WorkerId) {
        if let Some(Worker { phase: Phase::Connected { heard }, .. }) = self.workers.get_mut(&worker) {
            *heard = now;
        }
    }

    /// Gives up workers whose time is over.
    pub(crate) fn expire(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let cut_off = self.draining.is_some_and(|deadline| deadline <= now);
        let over = |worker: &Worker| {
            let deadlines =
                self.deadline(worker.phase).into_iter().chain(self.stall(worker)).chain(self.farewell(worker));
            deadlines.into_iter().any(|deadline| deadline <= now) || (cut_off && worker.running.is_some())
        };
        let ids: Vec<WorkerId> = self.workers.iter().filter(|(_, worker)| over(worker)).map(|(id, _)| *id).collect();
        for id in ids {
            let Some(worker) = self.workers.get(&id) else { continue };
            let is_heard = self.deadline(worker.phase).is_none_or(|deadline| deadline > now);
            let message = if is_heard {
                let patience = self.patience().div_ceil(1000);
                format!("the worker lived, but made no step for {patience} s (`workers.stall`)")
            } else {
                format!("the worker said nothing for {} s", self.settings.lease / 1000)
            };
            let Some(worker) = self.workers.get_mut(&id) else { continue };
            let running = worker.running;
            worker.unconnected = matches!(worker.phase, Phase::Starting { .. });
            let is_guest = worker.is_guest;
            worker.phase = Phase::Ending;
            if !is_guest {
                effects.push(Effect::Kill(id));
            }
            if let Some(attempt) = running {
                self.lose(attempt, FailureKind::WorkerLost, message, Vec::new(), effects);
            }
            if is_guest {
                self.dismiss(id, effects);
            }
        }
    }
}
