//! Who gets what: work goes to who is free, and workers are started while there is more to do than workers to do it.

use crate::Time;
use crate::event::{Effect, Task};
use crate::machine::{Attempt, Phase, Scheduler, Worker};
use crate::queue::{Asking, Host};
use crate::retry;
use frostline_protocol::{Incarnation, ToWorker, WorkerId};
use frostline_sweep::outcome::{AttemptId, TrialState};
use frostline_sweep::record::{Ending, Record, TaskKey};
use std::collections::BTreeMap;

impl Scheduler {
    pub(crate) fn dispatch(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.draining.is_some() {
            return;
        }
        let free = self.workers.iter().filter(|(_, worker)| worker.is_free());
        let free: Vec<WorkerId> = free.map(|(id, _)| *id).collect();
        for id in free {
            if self.queue.len() == 0 {
                break;
            }
            if let Some(task) = self.next_for(now, id) {
                self.assign(now, id, task, effects);
            }
        }
        if self.queue.running_fills() > 0 {
            // Another host may have had what they are for.
            self.stop_unwanted_fills(&Ending::Interrupted, effects);
        }
        self.start_missing(now, effects);
        if self.settings.backlog.is_some() && self.queue.len() == 0 {
            self.release_idle(now, effects);
        }
    }

    fn next_for(&mut self, now: Time, id: WorkerId) -> Option<Task> {
        let worker = self.workers.get(&id)?;
        let host = worker.host();
        let idle = |worker: &&Worker| {
            worker.running.is_none()
                && !matches!(worker.phase, Phase::Broken | Phase::Queued)
                && worker.host() == host
        };
        let spare = self.workers.values().filter(idle).count().saturating_sub(1);
        let ends = worker.presence.as_ref().and_then(|presence| presence.ends);
        let left = ends.map(|ends| ends.0.saturating_sub(now.0));
        let crews = if self.hosts.is_empty() { BTreeMap::new() } else { self.crews() };
        let trials = &self.trials;
        let trial_at = |position: u32| {
            let trial = &trials[position as usize];
            (trial.id, trial.features.clone(), retry::micro_batch(&trial.failures, trial.divisible))
        };
        self.queue.pop(&Asking { host, spare, left, crews: &crews }, trial_at)
    }

    /// How many workers of each host have nothing to do, or fill.
    fn crews(&self) -> BTreeMap<Host, usize> {
        let fills = |worker: &Worker| {
            let attempt = worker.running.and_then(|attempt| self.attempts.get(&attempt));
            attempt.is_some_and(|attempt| matches!(attempt.task, TaskKey::Fill(_)))
        };
        let mut crews = BTreeMap::new();
        for worker in self.workers.values().filter(|worker| worker.is_free() || fills(worker)) {
            *crews.entry(worker.host()).or_default() += 1;
        }
        crews
    }

    /// How many workers are there, or are coming, without and with something to do; none of those that are about to go.
    fn hands(&self) -> (usize, usize) {
        let is_coming = |worker: &&Worker| {
            let is_there = matches!(
                worker.phase,
                Phase::Queued | Phase::Starting { .. } | Phase::Connected { .. } | Phase::Away { .. }
            );
            worker.leaving.is_none() && is_there
        };
        let there = self.workers.values().filter(is_coming);
        there.fold((0, 0), |(idle, busy), worker| match worker.running {
            None => (idle + 1, busy),
            Some(_) => (idle, busy + 1),
        })
    }

    /// How many workers are kept though nothing waits for them.
    fn least(&self) -> usize {
        let is_over = self.queue.len() == 0 && self.attempts.is_empty();
        if is_over { 0 } else { self.settings.least as usize }
    }

    /// Starts workers for what nobody is there to do.
    fn start_missing(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let (idle, busy) = self.hands();
        let mut missing = match self.settings.backlog {
            // Each may come to life on a host of its own, where it computes features for itself.
            Some(backlog) => {
                let queued = self.workers.values().filter(|worker| worker.phase == Phase::Queued).count();
                let missing = missing(self.queue.len(), idle, busy, self.least());
                missing.min((backlog as usize).saturating_sub(queued))
            }
            None => self.queue.available().saturating_sub(idle),
        };
        let off = self.workers.iter().filter(|(_, worker)| worker.phase == Phase::Off).map(|(id, _)| *id);
        for id in off.collect::<Vec<_>>() {
            if missing == 0 {
                break;
            }
            missing -= 1;
            let incarnation = self.incarnation();
            self.start(id, incarnation, self.settings.backlog.is_some(), now, effects);
        }
    }

    pub(crate) fn start(
        &mut self,
        id: WorkerId,
        incarnation: Incarnation,
        is_queued: bool,
        now: Time,
        effects: &mut Vec<Effect>,
    ) {
        let until = now.after(self.settings.start);
        let phase = if is_queued { Phase::Queued } else { Phase::Starting { until } };
        if let Some(worker) = self.workers.get_mut(&id) {
            (worker.phase, worker.incarnation, worker.presence) = (phase, incarnation, None);
            effects.push(Effect::Launch { worker: id, incarnation });
        }
    }

    /// Gives machines back that others may wait for: nothing is left for their workers.
    fn release_idle(&mut self, now: Time, effects: &mut Vec<Effect>) {
        let (idle, busy) = self.hands();
        let spare = spare(idle, busy, self.least());
        // Who is there already could begin at once, and goes last.
        let queued = self.workers.iter().filter(|(_, worker)| worker.phase == Phase::Queued);
        let free = self.workers.iter().filter(|(_, worker)| worker.is_free() && !worker.is_guest);
        for id in queued.chain(free).map(|(id, _)| *id).take(spare).collect::<Vec<_>>() {
            let Some(worker) = self.workers.get_mut(&id) else { continue };
            if worker.phase == Phase::Queued {
                worker.phase = Phase::Ending;
                effects.push(Effect::Kill(id));
            } else {
                worker.leaving = Some(now);
                effects.push(Effect::Tell { worker: id, message: ToWorker::Drain });
            }
        }
    }

    fn assign(&mut self, now: Time, worker: WorkerId, task: Task, effects: &mut Vec<Effect>) {
        let Some(slot) = self.workers.get_mut(&worker) else { return };
        let host = slot.host();
        let Some(build) = slot.presence.as_ref().map(|presence| presence.build.clone()) else { return };
        let id = self.next_attempt;
        self.next_attempt = AttemptId(id.0 + 1);
        slot.running = Some(id);
        self.attempts.insert(id, Attempt { task: task.key(), worker, host, reported: 0, stepped: now });
        let micro_batch = match &task {
            Task::Train { trial, micro_batch, .. } => {
                self.set_state(*trial, TrialState::Running);
                *micro_batch
            }
            Task::Fill { micro_batch, .. } => *micro_batch,
        };
        let started =
            Record::Started { attempt: id, task: task.key(), worker: worker.0, build, micro_batch, start: None };
        effects.push(Effect::Record(started));
        effects.push(Effect::Assign { worker, attempt: id, task });
    }
}

/// How many more workers there should be: as many as there are tasks that wait, and `least` in all.
fn missing(waiting: usize, idle: usize, busy: usize, least: usize) -> usize {
    waiting.saturating_sub(idle).max(least.saturating_sub(idle + busy))
}

/// How many of the idle ones may go where nothing waits.
fn spare(idle: usize, busy: usize, least: usize) -> usize {
    idle.saturating_sub(least.saturating_sub(busy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_are_as_many_as_the_work_and_no_fewer_than_the_least() {
        // Waiting, idle, busy, least: missing.
        for (of, expected) in [
            ((0, 0, 0, 0), 0),
            ((5, 2, 3, 0), 3),
            ((5, 2, 3, 4), 3),
            ((0, 0, 1, 4), 3),
            ((1, 0, 1, 4), 3),
            ((0, 2, 1, 4), 1),
            ((0, 4, 4, 4), 0),
        ] {
            let (waiting, idle, busy, least) = of;
            assert_eq!(missing(waiting, idle, busy, least), expected, "{of:?}");
        }
        // Idle, busy, least: spare.
        for (of, expected) in [((3, 1, 0), 3), ((3, 1, 2), 2), ((3, 0, 2), 1), ((1, 0, 2), 0), ((1, 5, 2), 1)] {
            let (idle, busy, least) = of;
            assert_eq!(spare(idle, busy, least), expected, "{of:?}");
        }
        // What was just started is not sent away again.
        for (idle, busy, least) in (0..4).flat_map(|a| (0..4).flat_map(move |b| (0..6).map(move |c| (a, b, c)))) {
            let missing = missing(0, idle, busy, least);
            assert!(missing == 0 || spare(idle + missing, busy, least) == 0, "{idle} {busy} {least}");
        }
    }
}
