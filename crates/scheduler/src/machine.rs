//! Attempts and workers: which event ends, begins or changes which of them, and what follows from it.

use crate::Time;
use crate::devices::{self, Devices};
use crate::event::{Effect, Event, Task};
use crate::queue::Queue;
use crate::retry;
use crate::rows::{Restored, Settings, TrialRow};
use frostline_protocol::{Claim, Report, ToWorker, WorkerId};
use frostline_sweep::features::FeatureKey;
use frostline_sweep::outcome::{AttemptId, Failure, FailureKind, TrialState};
use frostline_sweep::record::{Build, Ending, Record, TaskKey};
use frostline_sweep::trial::TrialId;
use std::collections::BTreeMap;

#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) id: TrialId,
    pub(crate) state: TrialState,
    epochs: u32,
    features: Option<FeatureKey>,
    divisible: Option<u32>,
    failures: Vec<FailureKind>,
}

#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) task: TaskKey,
    pub(crate) worker: WorkerId,
    /// Reports recorded: the next one has the number after this.
    pub(crate) reported: u32,
    /// When it last came further: began, made a step, reported, or was taken over.
    pub(crate) stepped: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No process.
    Off,
    /// A process was started and has until then to connect.
    Starting {
        until: Time,
    },
    Connected {
        heard: Time,
    },
    /// Its connection is lost; it may come back.
    Away {
        since: Time,
    },
    /// It was killed; its exit is still to come.
    Ending,
    /// Its process ended too often: not started again.
    Broken,
}

#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) phase: Phase,
    pub(crate) running: Option<AttemptId>,
    build: Option<Build>,
    /// Processes in a row that ended without a result.
    failed_starts: u32,
    /// Its process was killed because it did not connect, which how it dies does not say.
    pub(crate) unconnected: bool,
    /// Its process is an earlier coordinator's, which may have told it to leave: its end is nobody's fault.
    adopted: bool,
}

#[derive(Debug)]
pub struct Scheduler {
    pub(crate) settings: Settings,
    pub(crate) trials: Vec<Trial>,
    pub(crate) positions: BTreeMap<TrialId, u32>,
    pub(crate) queue: Queue,
    /// The current attempts; a number that is not here is fenced.
    pub(crate) attempts: BTreeMap<AttemptId, Attempt>,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    pub(crate) next_attempt: AttemptId,
    /// The longest time between two steps of one attempt so far.
    pub(crate) longest_pause: u64,
    /// When what still runs is cut off.
    pub(crate) draining: Option<Time>,
    pub(crate) stale: u64,
    pub(crate) breaches: u64,
    devices: Devices,
    /// How the last worker process ended that should not have.
    pub(crate) last_exit: Option<String>,
}

impl Scheduler {
    pub fn restore(settings: Settings, restored: Restored, now: Time, effects: &mut Vec<Effect>) -> Scheduler {
        let worker = |id| {
            let phase = Phase::Off;
            (
                id,
                Worker {
                    phase,
                    running: None,
                    build: None,
                    failed_starts: 0,
                    unconnected: false,
                    adopted: restored.survivors.contains(&id),
                },
            )
        };
        let mut scheduler = Scheduler {
            settings,
            trials: Vec::with_capacity(restored.trials.len()),
            positions: BTreeMap::new(),
            queue: Queue::new(restored.fills),
            attempts: BTreeMap::new(),
            workers: restored.workers.into_iter().map(worker).collect(),
            next_attempt: restored.next_attempt,
            longest_pause: 0,
            draining: None,
            stale: 0,
            breaches: 0,
            devices: Devices::default(),
            last_exit: None,
        };
        for (position, row) in (0u32..).zip(restored.trials) {
            let TrialRow { trial, mut state, epochs, features, divisible, failures, running } = row;
            if let Some((attempt, worker, reported)) = running {
                // One that is not wanted here was begun for another sweep, and waits for it.
                let is_ours = state == TrialState::Running && restored.survivors.contains(&worker);
                match scheduler.workers.get_mut(&worker) {
                    Some(slot) if is_ours && slot.running.is_none() => {
                        slot.running = Some(attempt);
                        let task = TaskKey::Trial(trial);
                        scheduler.attempts.insert(attempt, Attempt { task, worker, reported, stepped: now });
                    }
                    _ => {
                        let trial = Some((trial, TrialState::Waiting));
                        effects.push(Effect::Record(Record::Ended { attempt, ending: Ending::Interrupted, trial }));
                        if state == TrialState::Running {
                            state = TrialState::Waiting;
                        }
                    }
                }
            }
            if state == TrialState::Waiting {
                scheduler.queue.push(position, features.as_ref());
            }
            scheduler.positions.insert(trial, position);
            scheduler.trials.push(Trial { id: trial, state, epochs, features, divisible, failures });
        }
        for &worker in &restored.survivors {
            scheduler.launch(worker, now, effects);
        }
        scheduler.dispatch(now, effects);
        scheduler
    }

    /// Takes in one event and appends what follows from it.
    pub fn handle(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Joined { worker, build, running } => self.joined(now, worker, build, running, effects),
            Event::Heard { worker } => self.heard(now, worker),
            Event::Stepped { worker } => {
                self.heard(now, worker);
                self.stepped(now, worker);
            }
            Event::Reported { worker, claim, number, report } => {
                self.heard(now, worker);
                self.stepped(now, worker);
                self.reported(worker, claim, number, report, effects);
            }
            Event::Left { worker } => {
                if let Some(worker) = self.workers.get_mut(&worker)
                    && matches!(worker.phase, Phase::Connected { .. })
                {
                    worker.phase = Phase::Away { since: now };
                }
            }
            Event::Exited { worker, description, log } => self.exited(worker, description, log, effects),
            Event::Cancel { trials } => {
                trials.into_iter().for_each(|trial| self.cancel(trial, effects));
                self.stop_unwanted_fills(effects);
            }
            Event::Drain => self.drain(now, effects),
            Event::Tick => {}
        }
        self.expire(now, effects);
        self.dispatch(now, effects);
    }

    fn joined(
        &mut self,
        now: Time,
        worker: WorkerId,
        build: Build,
        running: Option<Claim>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(slot) = self.workers.get_mut(&worker) else { return };
        if matches!(slot.phase, Phase::Ending | Phase::Broken | Phase::Off) {
            // Given up already, or never started by us: it is not to get work, whatever it says.
            effects.push(Effect::Tell { worker, message: ToWorker::Drain });
            return;
        }
        slot.phase = Phase::Connected { heard: now };
        if let Some(attempt) = slot.running.and_then(|attempt| self.attempts.get_mut(&attempt)) {
            // How far it came meanwhile is not known yet.
            attempt.stepped = now;
        }
        slot.build = Some(build);
        let held = slot.running;
        let goes_on = |claim: &Claim| {
            held == Some(claim.attempt) && self.attempts.get(&claim.attempt).is_some_and(|it| it.task == claim.task)
        };
        if !running.as_ref().is_some_and(goes_on) {
            if let Some(attempt) = held {
                // The assignment got lost on its way: no fault of the trial's.
                self.end(attempt, Ending::Interrupted, effects);
            }
            if let Some(Claim { attempt, .. }) = running {
                self.turn_down(worker, attempt, effects);
            }
        }
        if self.draining.is_some() {
            effects.push(Effect::Tell { worker, message: ToWorker::Drain });
        }
    }

    /// Answers a worker about an attempt that is not current: counted, told to stop, and of no effect.
    fn turn_down(&mut self, worker: WorkerId, attempt: AttemptId, effects: &mut Vec<Effect>) {
        self.stale += 1;
        effects.push(Effect::Tell { worker, message: ToWorker::Stop { attempt } });
    }

    fn reported(&mut self, worker: WorkerId, claim: Claim, number: u32, report: Report, effects: &mut Vec<Effect>) {
        let id = claim.attempt;
        let current = self.attempts.get_mut(&id).filter(|it| it.worker == worker);
        let Some(attempt) = current else { return self.turn_down(worker, id, effects) };
        if attempt.task != claim.task {
            let what = format!("a report about {:?} in attempt {id}, which is about {:?}", claim.task, attempt.task);
            return self.breach(worker, id, &what, effects);
        }
        let acknowledge = Effect::Tell { worker, message: ToWorker::Acknowledge { attempt: id, number } };
        if number <= attempt.reported {
            effects.push(acknowledge);
            return;
        }
        let expected = attempt.reported + 1;
        let epochs = match &attempt.task {
            TaskKey::Trial(trial) => self.positions.get(trial).map_or(0, |at| self.trials[*at as usize].epochs),
            TaskKey::Fill(_) => 0,
        };
        match (&claim.task, report) {
            (TaskKey::Trial(trial), Report::Epoch(metrics))
                if number == expected && metrics.epoch == number && number <= epochs =>
            {
                attempt.reported = number;
                effects.push(Effect::Record(Record::Epoch { attempt: id, trial: *trial, metrics }));
            }
            (TaskKey::Trial(trial), Report::Complete(evaluation)) if number == expected && number == epochs + 1 => {
                self.release(id);
                self.set_state(*trial, TrialState::Complete);
                effects.push(Effect::Record(Record::Completed { attempt: id, trial: *trial, evaluation }));
                self.made_progress(worker);
            }
            (TaskKey::Fill(key), Report::Filled(filled)) if number == expected => {
                self.release(id);
                self.queue.filled(key);
                let (bytes, seconds, computed) = (filled.bytes, filled.seconds, filled.computed);
                effects.push(Effect::Record(Record::Filled { attempt: id, bytes, seconds, computed }));
                self.made_progress(worker);
            }
            (_, Report::Failed(failure)) if number == expected => {
                let kind = failure.kind;
                if kind == FailureKind::Device {
                    self.device_failed(worker, &claim.task, &failure.message);
                } else {
                    self.made_progress(worker);
                }
                self.end(id, Ending::Failed(failure), effects);
                if matches!(kind, FailureKind::OutOfMemory | FailureKind::Device) {
                    effects.push(acknowledge);
                    return self.renew(worker, effects);
                }
            }
            (_, Report::Stopped) if number == expected => self.end(id, Ending::Interrupted, effects),
            (_, report) => {
                let what = format!(
                    "report {number} ({}) where report {expected} of a task of {epochs} epochs was due",
                    report.name()
                );
                return self.breach(worker, id, &what, effects);
            }
        }
        effects.push(acknowledge);
    }

    /// Ends a current attempt of whose worker nothing can be believed any more. It must end: told to stop, the worker may
    /// have nothing left that it could answer with.
    fn breach(&mut self, worker: WorkerId, id: AttemptId, what: &str, effects: &mut Vec<Effect>) {
        let message = format!("worker {} broke the protocol: {what}", worker.0);
        self.end(id, Ending::Failed(Failure { kind: FailureKind::Internal, message, log: Vec::new() }), effects);
        self.turn_down(worker, id, effects);
        self.breaches += 1;
        effects.push(Effect::Disconnect(worker));
    }

    /// Ends a worker to start it anew: one whose memory ran out has what is free in pieces, and one whose GPU failed can do
    /// nothing more with it.
    fn renew(&mut self, id: WorkerId, effects: &mut Vec<Effect>) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.phase = Phase::Ending;
            effects.push(Effect::Kill(id));
        }
    }

    /// A worker that brings results may be started again as often as it takes.
    fn made_progress(&mut self, worker: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.failed_starts = 0;
            if let Some(build) = &worker.build {
                self.devices.works(&build.device);
            }
        }
    }

    /// A GPU that fails for one task after another is taken out of service, and every worker on it with it.
    fn device_failed(&mut self, worker: WorkerId, task: &TaskKey, message: &str) {
        let Some(device) =
            self.workers.get(&worker).and_then(|worker| worker.build.as_ref()).map(|it| it.device.clone())
        else {
            return;
        };
        if self.devices.failed(&device, task) {
            self.last_exit = Some(devices::out_of_service(&device, message));
        }
    }

    fn is_out_of_service(&self, worker: &Worker) -> bool {
        worker.build.as_ref().is_some_and(|build| self.devices.is_out_of_service(&build.device))
    }

    fn exited(&mut self, worker: WorkerId, description: String, log: Vec<String>, effects: &mut Vec<Effect>) {
        let Some(slot) = self.workers.get(&worker) else { return };
        let kind = retry::kind_of_exit(&log);
        if kind == FailureKind::Device
            && let Some(attempt) = slot.running.and_then(|attempt| self.attempts.get(&attempt))
        {
            let (task, last) = (attempt.task.clone(), log.last().cloned().unwrap_or_default());
            self.device_failed(worker, &task, &last);
        }
        let Some(slot) = self.workers.get(&worker) else { return };
        let is_out_of_service = self.is_out_of_service(slot);
        let Some(slot) = self.workers.get_mut(&worker) else { return };
        let held = slot.running;
        let never = std::mem::take(&mut slot.unconnected);
        let description = if never { self.settings.unconnected() } else { description };
        slot.phase = if is_out_of_service { Phase::Broken } else { Phase::Off };
        if is_out_of_service {
            // Why it is not started again is said already.
        } else if self.draining.is_none() && !slot.adopted {
            slot.failed_starts += 1;
            if slot.failed_starts >= self.settings.failed_starts {
                slot.phase = Phase::Broken;
            }
            let last = log.iter().rfind(|line| !line.trim().is_empty());
            self.last_exit = Some(last.map_or(description.clone(), |line| format!("{description}: {line}")));
        }
        if let Some(attempt) = held {
            self.lose(attempt, kind, format!("the worker process ended ({description})"), log, effects);
        }
        if let Some(slot) = self.workers.get_mut(&worker) {
            slot.adopted = false;
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
        let ending = match self.draining.is_some() || worker.is_some_and(|worker| worker.adopted) {
            true => Ending::Interrupted,
            false => Ending::Failed(Failure { kind, message, log }),
        };
        self.end(attempt, ending, effects);
    }

    /// Gives out work to who is free, and starts workers while there is more to do than workers to do it.
    fn dispatch(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.draining.is_some() {
            return;
        }
        let free = |worker: &Worker| worker.running.is_none() && matches!(worker.phase, Phase::Connected { .. });
        let ids: Vec<WorkerId> = self.workers.iter().filter(|(_, worker)| free(worker)).map(|(id, _)| *id).collect();
        for id in ids {
            let trials = &self.trials;
            let trial_at = |position: u32| {
                let trial = &trials[position as usize];
                (trial.id, trial.features.clone(), retry::micro_batch(&trial.failures, trial.divisible))
            };
            let idle = |worker: &&Worker| worker.running.is_none() && worker.phase != Phase::Broken;
            let spare = self.workers.values().filter(idle).count().saturating_sub(1);
            let Some(task) = self.queue.pop(spare, trial_at) else { break };
            self.assign(now, id, task, effects);
        }
        let coming = |worker: &&Worker| {
            worker.running.is_none()
                && matches!(worker.phase, Phase::Starting { .. } | Phase::Connected { .. } | Phase::Away { .. })
        };
        let coming = self.workers.values().filter(coming).count();
        let missing = self.queue.available().saturating_sub(coming);
        let off = self.workers.iter().filter(|(_, worker)| worker.phase == Phase::Off).map(|(id, _)| *id);
        for id in off.take(missing).collect::<Vec<_>>() {
            self.launch(id, now, effects);
        }
    }

    fn launch(&mut self, id: WorkerId, now: Time, effects: &mut Vec<Effect>) {
        let until = now.after(self.settings.start);
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.phase = Phase::Starting { until };
            effects.push(Effect::Launch(id));
        }
    }

    fn assign(&mut self, now: Time, worker: WorkerId, task: Task, effects: &mut Vec<Effect>) {
        let Some(slot) = self.workers.get_mut(&worker) else { return };
        let Some(build) = slot.build.clone() else { return };
        let id = self.next_attempt;
        self.next_attempt = AttemptId(id.0 + 1);
        slot.running = Some(id);
        self.attempts.insert(id, Attempt { task: task.key(), worker, reported: 0, stepped: now });
        let micro_batch = match &task {
            Task::Train { trial, micro_batch, .. } => {
                self.set_state(*trial, TrialState::Running);
                *micro_batch
            }
            Task::Fill { micro_batch, .. } => *micro_batch,
        };
        let started = Record::Started { attempt: id, task: task.key(), worker: worker.0, build, micro_batch };
        effects.push(Effect::Record(started));
        effects.push(Effect::Assign { worker, attempt: id, task });
    }

    /// Ends an attempt without a result, records it, and puts its task back where it may be tried again.
    pub(crate) fn end(&mut self, id: AttemptId, ending: Ending, effects: &mut Vec<Effect>) {
        let Some(attempt) = self.release(id) else { return };
        let trial = match attempt.task {
            TaskKey::Fill(key) => {
                match &ending {
                    Ending::Failed(failure) => self.queue.failed(&key, failure.kind),
                    Ending::Interrupted | Ending::Cancelled => self.queue.interrupted(&key),
                }
                None
            }
            TaskKey::Trial(trial) => self.positions.get(&trial).copied().map(|position| {
                let entry = &mut self.trials[position as usize];
                entry.state = match &ending {
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
                if entry.state == TrialState::Waiting {
                    self.queue.push(position, entry.features.as_ref());
                }
                (trial, entry.state)
            }),
        };
        effects.push(Effect::Record(Record::Ended { attempt: id, ending, trial }));
    }

    /// Fences an attempt: from here on its number is not current any more.
    fn release(&mut self, id: AttemptId) -> Option<Attempt> {
        let attempt = self.attempts.remove(&id)?;
        if let Some(worker) = self.workers.get_mut(&attempt.worker) {
            worker.running = None;
        }
        Some(attempt)
    }

    pub(crate) fn set_state(&mut self, trial: TrialId, state: TrialState) {
        if let Some(position) = self.positions.get(&trial) {
            self.trials[*position as usize].state = state;
        }
    }
}
