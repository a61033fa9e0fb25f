//! How attempts and processes end, and what becomes of their tasks.

use crate::Time;
use crate::devices;
use crate::event::Effect;
use crate::machine::{Attempt, Phase, Scheduler, Worker};
use crate::queue::Host;
use crate::retry;
use frostline_protocol::{ToWorker, WorkerId};
use frostline_sweep::outcome::{AttemptId, Failure, FailureKind, TrialState};
use frostline_sweep::record::{Ending, Record, TaskKey};

impl Worker {
    /// What its device is called; two machines may both have a "cuda:0".
    fn device(&self) -> Option<String> {
        let presence = self.presence.as_ref()?;
        let (device, host) = (&presence.build.device, &presence.build.host);
        Some(if presence.host == Host::OWN { device.clone() } else { format!("{device} of {host}") })
    }
}

impl Scheduler {
    /// Ends an attempt without a result, records it, and puts its task back where it may be tried again.
    pub(crate) fn end(&mut self, id: AttemptId, ending: Ending, effects: &mut Vec<Effect>) {
        let Some(attempt) = self.release(id) else { return };
        let trial = match attempt.task {
            TaskKey::Fill(key) => {
                match &ending {
                    Ending::Failed(failure) => self.queue.failed(attempt.host, &key, failure.kind),
                    Ending::Interrupted | Ending::Cancelled => self.queue.interrupted(attempt.host, &key),
                }
                None
            }
            TaskKey::Trial(trial) => self.positions.get(&trial).copied().map(|position| {
                let entry = &mut self.trials[position as usize];
                let state = match &ending {
                    Ending::Cancelled => TrialState::Cancelled,
                    Ending::Interrupted => TrialState::Waiting,
                    Ending::Failed(failure) => {
                        entry.failures.push(failure.kind);
                        if retry::again(&entry.failures, entry.divisible) {
                            TrialState::Waiting
                        } else {
                            TrialState::Failed
                        }
                    }
                };
                if state == TrialState::Waiting {
                    self.queue.push(position, entry.features.as_ref());
                }
                self.set_state(trial, state);
                (trial, state)
            }),
        };
        effects.push(Effect::Record(Record::Ended { attempt: id, ending, trial }));
    }

    /// Fences an attempt: from here on its number is not current any more.
    pub(crate) fn release(&mut self, id: AttemptId) -> Option<Attempt> {
        let attempt = self.attempts.remove(&id)?;
        if let Some(worker) = self.workers.get_mut(&attempt.worker) {
            worker.running = None;
        }
        Some(attempt)
    }

    /// Ends a worker to start it anew: one whose memory ran out has what is free in pieces, and one whose GPU failed can do
    /// nothing more with it.
    pub(crate) fn renew(&mut self, now: Time, id: WorkerId, effects: &mut Vec<Effect>) {
        match self.workers.get_mut(&id) {
            Some(worker) if worker.is_guest => {
                worker.leaving.get_or_insert(now);
                effects.push(Effect::Tell { worker: id, message: ToWorker::Drain });
            }
            Some(worker) => {
                worker.phase = Phase::Ending;
                effects.push(Effect::Kill(id));
            }
            None => {}
        }
    }

    /// A worker that brings results may be started again as often as it takes.
    pub(crate) fn made_progress(&mut self, worker: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.failed_starts = 0;
            if let Some(device) = worker.device() {
                self.devices.works(&device);
            }
        }
    }

    /// A GPU that fails for one task after another is taken out of service, and every worker on it with it.
    pub(crate) fn device_failed(&mut self, worker: WorkerId, task: &TaskKey, message: &str) {
        let Some(device) = self.workers.get(&worker).and_then(Worker::device) else { return };
        if self.devices.failed(&device, task) {
            self.last_exit = Some(devices::out_of_service(&device, message));
        }
    }

    pub(crate) fn exited(
        &mut self,
        worker: WorkerId,
        is_excused: bool,
        description: String,
        log: Vec<String>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(slot) = self.workers.get(&worker) else { return };
        let kind = retry::kind_of_exit(&log);
        if kind == FailureKind::Device
            && let Some(attempt) = slot.running.and_then(|attempt| self.attempts.get(&attempt))
        {
            let (task, last) = (attempt.task.clone(), log.last().cloned().unwrap_or_default());
            self.device_failed(worker, &task, &last);
        }
        let Some(slot) = self.workers.get(&worker) else { return };
        let is_out_of_service = slot.device().is_some_and(|device| self.devices.is_out_of_service(&device));
        let Some(slot) = self.workers.get_mut(&worker) else { return };
        let held = slot.running;
        let never = std::mem::take(&mut slot.unconnected);
        let description = if never { self.settings.unconnected() } else { description };
        slot.phase = if is_out_of_service { Phase::Broken } else { Phase::Off };
        if is_out_of_service {
            // Why it is not started again is said already.
        } else if self.draining.is_none()
            && !slot.adopted
            && slot.leaving.is_none()
            && !(is_excused && slot.presence.is_some())
        {
            slot.failed_starts += 1;
            if slot.failed_starts >= self.settings.failed_starts {
                slot.phase = Phase::Broken;
            }
            let last = log.iter().rfind(|line| !line.trim().is_empty());
            self.last_exit = Some(last.map_or(description.clone(), |line| format!("{description}: {line}")));
        }
        if is_excused {
            slot.leaving.get_or_insert_default();
        }
        if let Some(attempt) = held {
            self.lose(attempt, kind, format!("the worker process ended ({description})"), log, effects);
        }
        if let Some(slot) = self.workers.get_mut(&worker) {
            (slot.adopted, slot.leaving) = (false, None);
            // Wherever its next process comes to life, it is not there yet.
            slot.presence = None;
        }
    }

    /// Ends an attempt whose worker is gone.
    pub(crate) fn lose(
        &mut self,
        attempt: AttemptId,
        kind: FailureKind,
        message: String,
        log: Vec<String>,
        effects: &mut Vec<Effect>,
    ) {
        let worker = self.attempts.get(&attempt).and_then(|it| self.workers.get(&it.worker));
        let ending = match self.draining.is_some()
            || worker.is_some_and(|worker| worker.adopted || worker.leaving.is_some())
        {
            true => Ending::Interrupted,
            false => Ending::Failed(Failure { kind, message, log }),
        };
        self.end(attempt, ending, effects);
    }
}
