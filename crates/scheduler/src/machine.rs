//! Attempts and workers: which event ends, begins or changes which of them, and what follows from it.

use crate::Time;
use crate::devices::Devices;
use crate::event::{Effect, Event};
use crate::queue::{Host, Queue};
use crate::rows::{Restored, RestoredTrial, Settings, Survivor};
use frostline_protocol::{Claim, Incarnation, Report, ToWorker, WorkerId};
use frostline_sweep::features::FeatureKey;
use frostline_sweep::outcome::{AttemptId, Failure, FailureKind, TrialState};
use frostline_sweep::record::{Build, Ending, Record, TaskKey};
use frostline_sweep::trial::TrialId;
use std::collections::BTreeMap;

#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) id: TrialId,
    pub(crate) state: TrialState,
    pub(crate) epochs: u32,
    pub(crate) features: Option<FeatureKey>,
    pub(crate) divisible: Option<u32>,
    pub(crate) failures: Vec<FailureKind>,
}

#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) task: TaskKey,
    pub(crate) worker: WorkerId,
    /// Where its worker was when it began.
    pub(crate) host: Host,
    /// Reports recorded: the next one has the number after this.
    pub(crate) reported: u32,
    /// When it last came further: began, made a step, reported, or was taken over.
    pub(crate) stepped: Time,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No process.
    Off,
    /// It waits for its turn in somebody's queue, for however long.
    Queued,
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
    /// Of the process that has this place, or had it last.
    pub(crate) incarnation: Incarnation,
    /// What its process said when it joined.
    pub(crate) presence: Option<Presence>,
    /// Processes in a row that ended without a result.
    pub(crate) failed_starts: u32,
    /// Its process was killed because it did not connect, which how it dies does not say.
    pub(crate) unconnected: bool,
    /// Its process is an earlier coordinator's, which may have told it to leave: its end is nobody's fault.
    pub(crate) adopted: bool,
    /// Since when its process is going to end and takes no more work: nobody's fault, either.
    pub(crate) leaving: Option<Time>,
    /// Nobody has started it, and nobody can end it.
    pub(crate) is_guest: bool,
}

#[derive(Debug)]
pub(crate) struct Presence {
    pub(crate) build: Build,
    pub(crate) host: Host,
    /// When it will be ended.
    pub(crate) ends: Option<Time>,
}

impl Worker {
    pub(crate) fn new(incarnation: Incarnation) -> Worker {
        Worker {
            phase: Phase::Off,
            running: None,
            incarnation,
            presence: None,
            failed_starts: 0,
            unconnected: false,
            adopted: false,
            leaving: None,
            is_guest: false,
        }
    }

    pub(crate) fn host(&self) -> Host {
        self.presence.as_ref().map_or(Host::OWN, |presence| presence.host)
    }

    /// Whether it would take work now.
    pub(crate) fn is_free(&self) -> bool {
        self.running.is_none() && self.leaving.is_none() && matches!(self.phase, Phase::Connected { .. })
    }
}

#[derive(Debug)]
pub struct Scheduler {
    pub(crate) settings: Settings,
    pub(crate) trials: Vec<Trial>,
    pub(crate) positions: BTreeMap<TrialId, u32>,
    /// How many trials are in each state, without those that none is in.
    pub(crate) counts: BTreeMap<TrialState, u64>,
    pub(crate) queue: Queue,
    /// The current attempts; a number that is not here is fenced.
    pub(crate) attempts: BTreeMap<AttemptId, Attempt>,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    pub(crate) next_attempt: AttemptId,
    pub(crate) next_incarnation: Incarnation,
    /// The highest place so far.
    pub(crate) last_worker: WorkerId,
    /// By the names that workers give them.
    pub(crate) hosts: BTreeMap<String, Host>,
    /// The longest time between two steps of one attempt so far.
    pub(crate) longest_pause: u64,
    /// When what still runs is cut off.
    pub(crate) draining: Option<Time>,
    pub(crate) stale: u64,
    pub(crate) breaches: u64,
    pub(crate) devices: Devices,
    /// How the last worker process ended that should not have.
    pub(crate) last_exit: Option<String>,
}

impl Scheduler {
    pub fn restore(settings: Settings, restored: Restored, now: Time, effects: &mut Vec<Effect>) -> Scheduler {
        let worker = |id| {
            let survivor = restored.survivors.get(&id).copied();
            let incarnation = survivor.map_or(Incarnation::default(), |survivor| survivor.incarnation);
            (id, Worker { adopted: survivor.is_some(), ..Worker::new(incarnation) })
        };
        let mut scheduler = Scheduler {
            settings,
            trials: Vec::with_capacity(restored.trials.len()),
            positions: BTreeMap::new(),
            counts: BTreeMap::new(),
            queue: Queue::new(restored.fills),
            attempts: BTreeMap::new(),

            next_attempt: restored.next_attempt,
            next_incarnation: restored.next_incarnation,
            last_worker: restored.workers.iter().copied().max().unwrap_or(WorkerId(0)),
            workers: restored.workers.into_iter().map(worker).collect(),
            hosts: BTreeMap::new(),
            longest_pause: 0,
            draining: None,
            stale: 0,
            breaches: 0,
            devices: Devices::default(),
            last_exit: None,
        };
        for (position, row) in (0u32..).zip(restored.trials) {
            let RestoredTrial { trial, mut state, epochs, features, divisible, failures, running } = row;
            if let Some((attempt, worker, reported)) = running {
                // One that is not wanted here was begun for another sweep, and waits for it.
                let is_ours =
                    state == TrialState::Running && restored.survivors.get(&worker).is_some_and(|it| !it.is_queued);
                match scheduler.workers.get_mut(&worker) {
                    Some(slot) if is_ours && slot.running.is_none() => {
                        slot.running = Some(attempt);
                        let task = TaskKey::Trial(trial);
                        scheduler
                            .attempts
                            .insert(attempt, Attempt { task, worker, host: Host::OWN, reported, stepped: now });
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
            *scheduler.counts.entry(state).or_default() += 1;
            scheduler.trials.push(Trial { id: trial, state, epochs, features, divisible, failures });
        }
        for (worker, Survivor { incarnation, is_queued }) in restored.survivors {
            scheduler.start(worker, incarnation, is_queued, now, effects);
        }
        scheduler.dispatch(now, effects);
        scheduler
    }

    /// Takes in one event and appends what follows from it.
    pub fn handle(&mut self, now: Time, event: Event, effects: &mut Vec<Effect>) {
        match event {
            Event::Joined { worker, about, running } => self.joined(now, worker, about, running, effects),
            Event::Began { worker } => self.began(now, worker),
            Event::Leaving { worker } => self.leaving(now, worker, effects),
            Event::Heard { worker } => self.heard(now, worker),
            Event::Stepped { worker } => {
                self.heard(now, worker);
                self.stepped(now, worker);
            }
            Event::Reported { worker, claim, number, report } => {
                self.heard(now, worker);
                self.stepped(now, worker);
                self.reported(now, worker, claim, number, report, effects);
            }
            Event::Left { worker } => self.left(now, worker, effects),
            Event::Exited { worker, is_excused, description, log } => {
                self.exited(worker, is_excused, description, log, effects);
            }
            Event::Cancel { trials } => {
                trials.into_iter().for_each(|trial| self.cancel(trial, effects));
                self.stop_unwanted_fills(&Ending::Cancelled, effects);
            }
            Event::Drain => self.drain(now, effects),
            Event::Tick => {}
        }
        self.expire(now, effects);
        self.dispatch(now, effects);
    }

    /// Answers a worker about an attempt that is not current: counted, told to stop, and of no effect.
    pub(crate) fn turn_down(&mut self, worker: WorkerId, attempt: AttemptId, effects: &mut Vec<Effect>) {
        self.stale += 1;
        effects.push(Effect::Tell { worker, message: ToWorker::Stop { attempt } });
    }

    fn reported(
        &mut self,
        now: Time,
        worker: WorkerId,
        claim: Claim,
        number: u32,
        report: Report,
        effects: &mut Vec<Effect>,
    ) {
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
                let host = attempt.host;
                self.release(id);
                self.queue.filled(host, key);
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
                    return self.renew(now, worker, effects);
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

    pub(crate) fn set_state(&mut self, trial: TrialId, state: TrialState) {
        let Some(position) = self.positions.get(&trial) else { return };
        let before = std::mem::replace(&mut self.trials[*position as usize].state, state);
        *self.counts.entry(state).or_default() += 1;
        if let Some(count) = self.counts.get_mut(&before) {
            *count -= 1;
            self.counts.retain(|_, count| *count > 0);
        }
    }
}
