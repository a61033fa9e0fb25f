//! The event loop.

use crate::CoordinatorError;
use crate::clock::Clock;
use crate::connection::{Connection, ConnectionId, Door, answer};
use crate::event::{Event, Exits, Inbox};
use crate::keep::Models;
use crate::launcher::Launcher;
use crate::local::{LocalLauncher, LocalWorkers};
use crate::pace::{Pace, epochs};
use crate::restore::{make_room_for, remove_checkpoints, restored};
use crate::room::remove_unfinished;
use crate::socket;
use frostline_protocol::{
    Assignment, Command, FromWorker, Hello, Places, Response, ToWorker, VERSION, Welcome, Work, WorkerId,
};
use frostline_scheduler as scheduler;
use frostline_scheduler::{Effect, Scheduler, Settings, Task};
use frostline_store::Writer;
use frostline_sweep::definition::Keep;
use frostline_sweep::features::{FeatureKey, FeatureSpec};
use frostline_sweep::metric::Metric;
use frostline_sweep::outcome::{AttemptId, TrialState};
use frostline_sweep::record::{Ending, Record, TaskKey};
use frostline_sweep::reuse::Reuse;
use frostline_sweep::trial::{TrialId, TrialSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Seconds between two signs of life of a worker, and a fifth of its lease at most.
const HEARTBEAT: f64 = 1.0;
/// Events decided and committed together at most.
const BATCH: usize = 512;
/// The status is told this often at most.
const STATUS_PAUSE: Duration = Duration::from_millis(100);
/// How often the workers' logs are looked at.
const LOG_PAUSE: Duration = Duration::from_secs(10);
/// Workers that have no more work have this long to end by themselves.
const FAREWELL: Duration = Duration::from_secs(5);

/// One sweep to be run.
pub struct Job {
    pub results: PathBuf,
    /// Its name; its trials are in the database.
    pub sweep: String,
    pub reuse: Reuse,
    /// Space for features, those of other sweeps included.
    pub cache_bytes: u64,
    pub places: Places,
    /// Which models stay in `places.models`.
    pub keep: Keep,
    /// What the sweep's trials are ranked by.
    pub objective: &'static Metric,
    pub workers: LocalWorkers,
    /// Seconds of silence after which a worker is given up.
    pub lease: f64,
    /// Seconds that a worker without its coordinator tries to come back.
    pub reconnect_grace: f64,
}

/// How a run ended, if not with an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every trial has its outcome.
    Finished,
    /// It was interrupted; what is missing can be resumed.
    Interrupted,
    /// No worker stays alive; this is how the last one ended.
    Stuck(String),
}

/// Hears what happens.
pub trait Observer {
    /// A fact that is in the database now.
    fn recorded(&mut self, record: &Record);
    /// How things stand; a few times a second.
    fn status(&mut self, status: &Status);
}

#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub counts: BTreeMap<TrialState, u64>,
    pub running: Vec<Running>,
    /// None before the first epoch is measured.
    pub time_left: Option<Duration>,
    pub draining: bool,
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

/// Runs what the database lacks of the job's sweep.
///
/// # Errors
/// Where the database, the socket or the process table cannot be used. No worker is left running then.
pub fn run(writer: Writer, job: Job, inbox: Inbox, observer: &mut dyn Observer) -> Result<Outcome, CoordinatorError> {
    let token = socket::token(&job.results)?;
    let (listener, path) = socket::listen(&job.results)?;
    let launcher_failed = |source| CoordinatorError::Launcher { source };
    let launcher = LocalLauncher::new(job.workers.clone(), path.clone(), token.clone()).map_err(launcher_failed)?;
    let survivors = launcher.survivors();
    if survivors.is_empty() {
        remove_unfinished(&job.places.features);
    }
    make_room_for(&job);
    let mut specs = BTreeMap::new();
    let restored = restored(&writer, &job, &launcher, survivors.clone(), &mut specs)?;
    let models = match &job.places.models {
        Some(folder) => Some(Models::find(folder, job.keep, job.objective, writer.reader(), &job.sweep)?),
        None => None,
    };
    let clock = Clock::start();
    let settings = Settings { lease: (1000.0 * job.lease) as u64, ..Settings::default() };
    let held = restored.trials.iter().filter_map(|row| row.running.map(|(attempt, worker, _)| (worker, attempt)));
    let holders = held.collect();
    let mut effects = Vec::new();
    let scheduler = Scheduler::restore(settings, restored, clock.now(), &mut effects);
    let mut coordinator = Coordinator {
        features: job.reuse.cuts.iter().map(|cut| (cut.key.clone(), cut.spec.clone())).collect(),
        writer,
        scheduler,
        clock,
        launcher,
        exits: inbox.exits(),
        alive: BTreeSet::new(),
        connections: BTreeMap::new(),
        epochs: epochs(specs.values()),
        specs,
        holders,
        steps: BTreeMap::new(),
        pace: Pace::default(),
        models,
        answers: Vec::new(),
        failed_starts: Vec::new(),
        faults: 0,
        draining: false,
        leaving: false,
        told: None,
        logs_bounded: Instant::now(),
        job,
    };
    let door_failed = |source| CoordinatorError::Socket { path: path.clone(), source };
    let _door = Door::open(listener, path.clone(), token, inbox.sender.clone()).map_err(door_failed)?;
    let ran = coordinator.carry_out(effects, observer).and_then(|()| coordinator.run(&inbox, observer));
    let ended = coordinator.end(&inbox, observer);
    let outcome = ran?;
    ended?;
    Ok(outcome)
}

struct Coordinator {
    job: Job,
    writer: Writer,
    scheduler: Scheduler,
    clock: Clock,
    launcher: LocalLauncher,
    exits: Exits,
    /// Processes whose end has not been told.
    alive: BTreeSet<WorkerId>,
    connections: BTreeMap<WorkerId, Connection>,
    /// Of the trials that are not finished.
    specs: BTreeMap<TrialId, TrialSpec>,
    /// Epochs of these trials, by frozen layers: summed up once, since a large sweep takes long to go through.
    epochs: BTreeMap<u32, u64>,
    features: BTreeMap<FeatureKey, FeatureSpec>,
    /// Which worker has which attempt, or had it last.
    holders: BTreeMap<WorkerId, AttemptId>,
    /// The newest progress of each worker.
    steps: BTreeMap<WorkerId, (u64, u64)>,
    pace: Pace,
    /// None where none are kept.
    models: Option<Models>,
    /// Commands to answer once what they did is committed.
    answers: Vec<(UnixStream, Response)>,
    /// Workers whose process could not be started, and why.
    failed_starts: Vec<(WorkerId, String)>,
    /// Connections that were closed or turned away for what came over them.
    faults: u64,
    draining: bool,
    leaving: bool,
    told: Option<Instant>,
    logs_bounded: Instant,
}

impl Coordinator {
    fn run(&mut self, inbox: &Inbox, observer: &mut dyn Observer) -> Result<Outcome, CoordinatorError> {
        while !self.scheduler.is_finished() && !self.leaving {
            self.turn(inbox, Duration::from_millis(250), observer)?;
            self.tell(observer);
        }
        self.told = None;
        self.tell(observer);
        let (stale, breaches) = (self.scheduler.stale(), self.scheduler.breaches());
        if stale + breaches + self.faults > 0 {
            tracing::info!(
                stale,
                breaches,
                faults = self.faults,
                "messages that changed nothing, connections closed"
            );
        }
        Ok(match self.scheduler.last_exit() {
            _ if self.draining => Outcome::Interrupted,
            Some(exit) if self.scheduler.is_stuck() => Outcome::Stuck(exit.to_owned()),
            _ => Outcome::Finished,
        })
    }

    /// Lets every worker go, and ends those that don't.
    fn end(&mut self, inbox: &Inbox, observer: &mut dyn Observer) -> Result<(), CoordinatorError> {
        let mut effects = Vec::new();
        self.scheduler.handle(self.clock.now(), scheduler::Event::Drain, &mut effects);
        let mut ended = self.carry_out(effects, observer);
        let mut deadline = Instant::now() + FAREWELL;
        if self.leaving || ended.is_err() {
            deadline = Instant::now();
        }
        let mut killed = false;
        while !self.alive.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() && killed {
                tracing::error!("worker processes {:?} did not end", self.alive);
                break;
            }
            if left.is_zero() || self.leaving && !killed {
                self.alive.clone().into_iter().for_each(|worker| self.launcher.kill(worker));
                deadline = Instant::now() + FAREWELL;
                killed = true;
                continue;
            }
            ended = ended.and(self.turn(inbox, left.min(Duration::from_millis(100)), observer));
        }
        ended
    }

    /// Waits for events, `most` at the longest, and does what follows from all that are there.
    fn turn(&mut self, inbox: &Inbox, most: Duration, observer: &mut dyn Observer) -> Result<(), CoordinatorError> {
        let mut wait = self.scheduler.next_deadline().map_or(most, |deadline| self.clock.until(deadline).min(most));
        if !self.failed_starts.is_empty() {
            wait = Duration::ZERO;
        }
        let first = inbox.receiver.recv_timeout(wait).ok();
        let now = self.clock.advance(wait);
        let mut effects = Vec::new();
        for (worker, description) in std::mem::take(&mut self.failed_starts) {
            let exited = scheduler::Event::Exited { worker, description, log: Vec::new() };
            self.scheduler.handle(now, exited, &mut effects);
        }
        if first.is_none() {
            self.scheduler.handle(now, scheduler::Event::Tick, &mut effects);
        }
        for event in first.into_iter().chain(inbox.receiver.try_iter().take(BATCH - 1)) {
            if let Some(event) = self.translate(event, &mut effects) {
                self.scheduler.handle(now, event, &mut effects);
            }
        }
        self.carry_out(effects, observer)
    }

    /// What an event means to the scheduler, if anything.
    fn translate(&mut self, event: Event, effects: &mut Vec<Effect>) -> Option<scheduler::Event> {
        match event {
            Event::Joined { connection, hello } => self.join(connection, hello),
            Event::Said { connection, message } => {
                let worker = self.worker_at(connection)?;
                Some(match message {
                    FromWorker::Heartbeat => scheduler::Event::Heard { worker },
                    FromWorker::Progress { done, total, .. } => {
                        self.steps.insert(worker, (done, total));
                        scheduler::Event::Heard { worker }
                    }
                    FromWorker::Report { claim, number, report } => {
                        self.steps.remove(&worker);
                        scheduler::Event::Reported { worker, claim, number, report }
                    }
                })
            }
            Event::Left { connection, fault } => {
                let worker = self.worker_at(connection)?;
                if let Some(fault) = fault {
                    self.faults += 1;
                    tracing::warn!(worker = worker.0, faults = self.faults, "closed a connection: {fault}");
                }
                self.connections.remove(&worker);
                Some(scheduler::Event::Left { worker })
            }
            Event::TurnedAway { reason } => {
                self.faults += 1;
                tracing::warn!(faults = self.faults, "turned a connection away: {reason}");
                None
            }
            Event::Asked { command, stream } => self.ask(command, stream, effects),
            Event::Exited { worker, exit } => {
                self.alive.remove(&worker);
                self.steps.remove(&worker);
                tracing::info!(worker = worker.0, "worker process ended: {}", exit.description);
                Some(scheduler::Event::Exited { worker, description: exit.description, log: exit.log })
            }
            Event::Interrupted => {
                self.leaving = self.draining;
                self.draining = true;
                Some(scheduler::Event::Drain)
            }
        }
    }

    fn worker_at(&self, connection: ConnectionId) -> Option<WorkerId> {
        self.connections.iter().find(|(_, known)| known.id == connection).map(|(worker, _)| *worker)
    }

    fn join(&mut self, connection: Connection, hello: Hello) -> Option<scheduler::Event> {
        let worker = hello.worker;
        let welcome = Welcome {
            protocol: VERSION,
            heartbeat: HEARTBEAT.min(self.job.lease / 5.0),
            reconnect_grace: self.job.reconnect_grace,
            places: self.job.places.clone(),
        };
        let welcomed = connection.send(&ToWorker::Welcome(welcome));
        if hello.protocol != VERSION || !welcomed || !self.launcher.ids().any(|known| known == worker) {
            tracing::warn!(worker = worker.0, protocol = hello.protocol, "turned a worker away");
            connection.close();
            return None;
        }
        tracing::info!(worker = worker.0, process = hello.process, device = hello.build.device, "worker connected");
        if let Some(before) = self.connections.insert(worker, connection) {
            before.close();
        }
        Some(scheduler::Event::Joined { worker, build: hello.build, running: hello.running })
    }

    fn ask(&mut self, command: Command, stream: UnixStream, effects: &mut Vec<Effect>) -> Option<scheduler::Event> {
        let Command::Cancel { sweep, trials } = command;
        if sweep != self.job.sweep {
            let reason = format!("the coordinator of this results folder runs `{}`, not `{sweep}`", self.job.sweep);
            self.answers.push((stream, Response::Refused(reason)));
            return None;
        }
        let unfinished = |trial: &TrialId| self.scheduler.state(*trial).is_some_and(|state| !state.is_final());
        let trials: Vec<TrialId> = match trials.is_empty() {
            true => self.scheduler.states().map(|(trial, _)| trial).filter(|trial| unfinished(trial)).collect(),
            false => trials.into_iter().filter(unfinished).collect(),
        };
        self.answers.push((stream, Response::Cancelled(trials.len() as u64)));
        // A worker that is freed by this must not get a trial that is cancelled by this: all at once.
        self.scheduler.handle(self.clock.now(), scheduler::Event::Cancel { trials }, effects);
        None
    }

    /// Commits the records, then does the rest.
    fn carry_out(&mut self, effects: Vec<Effect>, observer: &mut dyn Observer) -> Result<(), CoordinatorError> {
        let (records, rest): (Vec<Effect>, Vec<Effect>) =
            effects.into_iter().partition(|effect| matches!(effect, Effect::Record(_)));
        let mut records: Vec<Record> = records
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Record(record) => Some(record),
                _ => None,
            })
            .collect();
        records.iter_mut().for_each(|record| self.add_log(record));
        if !records.is_empty() {
            self.writer.apply(&self.job.sweep, &records)?;
        }
        for record in &records {
            self.note(record);
            observer.recorded(record);
        }
        for effect in rest {
            match effect {
                Effect::Record(_) => {}
                Effect::Assign { worker, attempt, task } => {
                    if let Some(work) = self.work(&task) {
                        self.send(worker, &ToWorker::Assign(Box::new(Assignment { attempt, work })));
                    }
                }
                Effect::Tell { worker, message } => self.send(worker, &message),
                Effect::Disconnect(worker) => {
                    if let Some(connection) = self.connections.get(&worker) {
                        let breaches = self.scheduler.breaches();
                        tracing::warn!(worker = worker.0, breaches, "closed a connection: a message was not due");
                        // Its reader notices, and the scheduler hears that the worker has left.
                        connection.close();
                    }
                }
                Effect::Launch(worker) => match self.launcher.launch(worker, &self.exits) {
                    Ok(()) => drop(self.alive.insert(worker)),
                    Err(error) => self.failed_starts.push((worker, error.to_string())),
                },
                Effect::Kill(worker) => self.launcher.kill(worker),
            }
        }
        for (mut stream, response) in std::mem::take(&mut self.answers) {
            answer(&mut stream, &response);
        }
        Ok(())
    }

    /// A worker that fell silent has not told what it wrote last.
    fn add_log(&mut self, record: &mut Record) {
        match record {
            Record::Started { attempt, worker, .. } => drop(self.holders.insert(WorkerId(*worker), *attempt)),
            Record::Ended { attempt, ending: Ending::Failed(failure), .. } if failure.log.is_empty() => {
                let holder = self.holders.iter().find(|(_, held)| *held == attempt);
                failure.log = holder.map_or(Vec::new(), |(worker, _)| self.launcher.tail(*worker));
            }
            _ => {}
        }
    }

    fn note(&mut self, record: &Record) {
        if let Some(models) = &mut self.models {
            models.note(record);
        }
        match record {
            Record::Epoch { trial, metrics, .. } => {
                if let Some(spec) = self.specs.get(trial) {
                    self.pace.add(spec.parameters.frozen_layers, metrics.seconds);
                }
            }
            Record::Completed { trial, .. } => self.done_with(trial),
            Record::Ended { trial: Some((trial, state)), .. } | Record::State { trial, state } => {
                if state.is_final() {
                    self.done_with(trial);
                }
            }
            Record::Started { .. } | Record::Filled { .. } | Record::Ended { trial: None, .. } => {}
        }
    }

    /// A trial's outcome is committed: from here on its checkpoint is of no use.
    fn done_with(&mut self, trial: &TrialId) {
        if let Some(TrialSpec { parameters, .. }) = self.specs.remove(trial)
            && let Some(left) = self.epochs.get_mut(&parameters.frozen_layers)
        {
            *left = left.saturating_sub(u64::from(parameters.epochs));
        }
        remove_checkpoints(&self.job.places.checkpoints, |of| of == *trial);
    }

    fn work(&self, task: &Task) -> Option<Work> {
        let features = |key: &Option<FeatureKey>| key.as_ref().and_then(|key| self.features.get(key)).cloned();
        match task {
            Task::Train { trial, features: key, micro_batch } => {
                let spec = self.specs.get(trial)?.clone();
                Some(Work::Train { trial: *trial, spec, features: features(key), micro_batch: *micro_batch })
            }
            Task::Fill { key, from, streams } => {
                Some(Work::Fill { spec: self.features.get(key)?.clone(), from: features(from), streams: *streams })
            }
        }
    }

    fn send(&mut self, worker: WorkerId, message: &ToWorker) {
        let Some(connection) = self.connections.get(&worker) else { return };
        if !connection.send(message) {
            // Its reader notices, and the scheduler hears that the worker has left.
            connection.close();
        }
    }

    fn tell(&mut self, observer: &mut dyn Observer) {
        if self.logs_bounded.elapsed() >= LOG_PAUSE {
            self.launcher.bound_logs();
            self.logs_bounded = Instant::now();
        }
        if self.told.is_some_and(|told| told.elapsed() < STATUS_PAUSE) {
            return;
        }
        self.told = Some(Instant::now());
        let mut counts = BTreeMap::new();
        for (_, state) in self.scheduler.states() {
            *counts.entry(state).or_default() += 1;
        }
        let mut epochs = self.epochs.clone();
        let mut running = Vec::new();
        for (worker, task, done) in self.scheduler.running() {
            if let TaskKey::Trial(trial) = task
                && let Some(spec) = self.specs.get(trial)
                && let Some(left) = epochs.get_mut(&spec.parameters.frozen_layers)
            {
                *left = left.saturating_sub(u64::from(done));
            }
            let steps = self.steps.get(&worker).copied();
            running.push(Running { worker, task: task.clone(), epochs: done, steps });
        }
        let workers = self.launcher.ids().count();
        let time_left = self.pace.time_left(&epochs, workers);
        observer.status(&Status { counts, running, time_left, draining: self.draining });
    }
}
