//! The coordinator, as `frostline_coordinator` runs the scheduler, with a launcher and a clock of the simulation.

use crate::plan::PlannedTrial;
use crate::process::HEARTBEAT;
use crate::world::{Bug, Happening, World};
use frostline_protocol::{Claim, FromWorker, Hello, Places, ToWorker, VERSION, Welcome, WorkerId};
use frostline_scheduler::{Effect, Event, Restored, Scheduler, Time, TrialRow};
use frostline_sweep::trial::TrialId;
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// Events that wait are handled together after this time at most.
const PATIENCE: u64 = 30;
/// Workers have this long to end by themselves when the sweep is over.
const FAREWELL: u64 = 5_000;
/// What a standstill of the coordinator's process counts as, at most.
const SLACK: u64 = 1_000;

#[derive(Debug)]
pub(crate) enum Arrival {
    Joined { connection: usize, process: usize, hello: Hello },
    Said { connection: usize, message: FromWorker },
    Left { connection: usize },
    Exited { process: usize },
    Cancel(Vec<TrialId>),
    Interrupted,
}

pub(crate) struct Coordinator {
    pub(crate) run: u64,
    pub(crate) scheduler: Scheduler,
    started: u64,
    /// Milliseconds by which its clock went ahead of time, and stayed behind.
    ahead: u64,
    behind: u64,
    stalled_until: u64,
    inbox: Vec<Arrival>,
    ids: BTreeSet<WorkerId>,
    pub(crate) connections: BTreeMap<WorkerId, usize>,
    /// Processes whose end was not told.
    pub(crate) processes: BTreeMap<WorkerId, usize>,
    /// Processes of the run before, to be taken over.
    pub(crate) survivors: BTreeMap<WorkerId, usize>,
    pub(crate) failed_starts: Vec<WorkerId>,
    /// Cancelled in this batch: answered once that is committed.
    pub(crate) cancelled: Vec<TrialId>,
    /// Since when it gives out no more work, by its clock.
    draining: Option<Time>,
    leaving: bool,
    /// It has no more work and ends its workers at this time.
    ending: Option<u64>,
    /// When the next turn is due.
    turn: Option<u64>,
}

impl Coordinator {
    fn now(&self, world: u64) -> Time {
        Time((world - self.started + self.ahead).saturating_sub(self.behind))
    }
}

impl World {
    /// Starts a coordinator on what the database has.
    pub(crate) fn start(&mut self) -> Result<(), String> {
        self.runs += 1;
        self.blame.everybody(self.now);
        self.database.open();
        let fewer = self.chance(0.1) && !self.is_calm();
        let workers = if fewer { self.rng.random_range(1..=self.plan.workers) } else { self.plan.workers };
        let ids: BTreeSet<WorkerId> = (1..=workers).map(WorkerId).collect();
        let mut survivors = BTreeMap::new();
        for process in 0..self.processes.len() {
            let worker = self.processes[process].worker;
            if !self.processes[process].alive {
                continue;
            }
            if !ids.contains(&worker) {
                self.kill(process);
            } else if survivors.insert(worker, process).is_some() {
                return Err(format!("two processes live as worker {}", worker.0));
            }
        }
        let run = self.runs;
        self.say(|| format!("run {run} starts with {workers} workers, survivors {survivors:?}"));
        let row = |planned: &PlannedTrial| TrialRow {
            epochs: planned.spec.parameters.epochs,
            features: planned.features.clone(),
            divisible: planned.divisible,
            ..self.database.row(planned.id)
        };
        let restored = Restored {
            trials: self.plan.trials.iter().map(row).collect(),
            fills: self.plan.fills.clone(),
            workers: ids.iter().copied().collect(),
            survivors: survivors.keys().copied().collect(),
            next_attempt: self.database.next_attempt(),
        };
        let mut effects = Vec::new();
        let scheduler = Scheduler::restore(self.plan.settings, restored, Time(0), &mut effects);
        scheduler.check_invariants()?;
        let coordinator = Coordinator {
            run: self.runs,
            scheduler,
            started: self.now,
            ahead: 0,
            behind: 0,
            stalled_until: 0,
            inbox: Vec::new(),
            ids,
            connections: BTreeMap::new(),
            processes: BTreeMap::new(),
            survivors,
            failed_starts: Vec::new(),
            cancelled: Vec::new(),
            draining: None,
            leaving: false,
            ending: None,
            turn: None,
        };
        self.finish_turn(coordinator, effects)
    }

    /// Something reaches the coordinator of this run, if it still lives.
    pub(crate) fn arrive(&mut self, run: u64, arrival: Arrival) {
        let pause = self.up_to(PATIENCE);
        let Some(coordinator) = self.coordinator.as_mut().filter(|coordinator| coordinator.run == run) else {
            return;
        };
        coordinator.inbox.push(arrival);
        self.turn_within(pause);
    }

    /// Makes the next turn come after `pause` at the latest.
    fn turn_within(&mut self, pause: u64) {
        let now = self.now;
        let Some(coordinator) = &mut self.coordinator else { return };
        let due = (now + pause).max(coordinator.stalled_until);
        if coordinator.turn.is_none_or(|turn| turn > due) {
            coordinator.turn = Some(due);
            let run = coordinator.run;
            self.after(due - now, Happening::Turn { run });
        }
    }

    pub(crate) fn turn(&mut self, run: u64) -> Result<(), String> {
        if self.coordinator.as_ref().is_none_or(|it| it.run != run || it.turn != Some(self.now)) {
            return Ok(());
        }
        let Some(mut coordinator) = self.coordinator.take() else { return Ok(()) };
        coordinator.turn = None;
        let mut effects = Vec::new();
        let mut events: Vec<Event> = std::mem::take(&mut coordinator.failed_starts).into_iter().map(exited).collect();
        for arrival in std::mem::take(&mut coordinator.inbox) {
            // Each is told before the next is looked at, as cancelling depends on what was heard before.
            for event in events.drain(..).chain(self.translate(&mut coordinator, arrival)) {
                handle(&mut coordinator, self.now, event, &mut effects)?;
            }
        }
        for event in events.into_iter().chain([Event::Tick]) {
            handle(&mut coordinator, self.now, event, &mut effects)?;
        }
        let patience = self.plan.settings.drain;
        let over = |since: Time| coordinator.now(self.now).0 >= since.0 + patience;
        if coordinator.draining.is_some_and(over) && !coordinator.scheduler.is_finished() {
            return Err(format!("work goes on {patience} ms after the interruption"));
        }
        if self.bug == Some(Bug::ForgetsLeases) {
            coordinator.behind = self.now - coordinator.started + coordinator.ahead;
        }
        self.finish_turn(coordinator, effects)
    }

    /// What has arrived means this to the scheduler.
    fn translate(&mut self, coordinator: &mut Coordinator, arrival: Arrival) -> Option<Event> {
        match arrival {
            Arrival::Joined { connection, process, hello } => {
                let worker = hello.worker;
                if !coordinator.ids.contains(&worker) {
                    self.end_connection(connection, 0, self.plan.latency);
                    return None;
                }
                let running = hello.running.as_ref().map(|claim| claim.attempt.0);
                self.say(|| format!("worker {} joins (process {process}), running {running:?}", worker.0));
                self.send_below(connection, &welcome());
                if let Some(before) = coordinator.connections.insert(worker, connection) {
                    let above =
                        if self.plan.hears_old_connections { self.up_to(self.plan.settings.lease) } else { 0 };
                    self.end_connection(before, above, self.plan.latency);
                }
                Some(Event::Joined { worker, build: hello.build, running: hello.running })
            }
            Arrival::Said { connection, message } => {
                let worker = self.processes[self.connections[connection].process].worker;
                if coordinator.connections.get(&worker) != Some(&connection) {
                    if !self.plan.hears_old_connections {
                        return None;
                    }
                    self.see("a message of an old connection");
                }
                match message {
                    FromWorker::Report { claim, number, report } => {
                        let attempt = claim.attempt;
                        self.say(|| format!("worker {} reports {number} of {attempt}: {}", worker.0, report.name()));
                        let (worker, claim) = self.misled(coordinator, worker, claim);
                        Some(Event::Reported { worker, claim, number, report })
                    }
                    FromWorker::Heartbeat | FromWorker::Progress { .. } => Some(Event::Heard { worker }),
                }
            }
            Arrival::Left { connection } => {
                let worker = self.processes[self.connections[connection].process].worker;
                if coordinator.connections.get(&worker) != Some(&connection) {
                    return None;
                }
                coordinator.connections.remove(&worker);
                self.say(|| format!("worker {} has left", worker.0));
                Some(Event::Left { worker })
            }
            Arrival::Exited { process } => {
                let worker = self.processes[process].worker;
                coordinator.processes.remove(&worker);
                self.say(|| format!("worker {} has exited (process {process})", worker.0));
                Some(exited(worker))
            }
            Arrival::Cancel(mut trials) => {
                trials.retain(|trial| coordinator.scheduler.state(*trial).is_some_and(|state| !state.is_final()));
                self.say(|| format!("{} trials are cancelled", trials.len()));
                self.blame.asked_to_cancel(&trials);
                coordinator.cancelled.extend(&trials);
                Some(Event::Cancel { trials })
            }
            Arrival::Interrupted => {
                coordinator.leaving = coordinator.draining.is_some();
                coordinator.draining.get_or_insert(coordinator.now(self.now));
                self.say(|| "the coordinator is interrupted".to_owned());
                self.see("an interruption");
                Some(Event::Drain)
            }
        }
    }

    /// Whose report this is taken for: another's where the coordinator does not look at the attempt's number.
    fn misled(&self, coordinator: &Coordinator, worker: WorkerId, claim: Claim) -> (WorkerId, Claim) {
        if self.bug == Some(Bug::AcceptsFencedAttempts) {
            let current = self.database.running().find(|(_, attempt)| attempt.task == claim.task);
            let is_current =
                |worker| coordinator.scheduler.running().any(|(it, task, _)| it == worker && *task == claim.task);
            if let Some((attempt, row)) = current.filter(|(_, row)| is_current(row.worker)) {
                return (row.worker, Claim { attempt, ..claim });
            }
        }
        (worker, claim)
    }

    /// Carries out what a turn has decided, and ends the coordinator where it has no more to do, or dies.
    fn finish_turn(&mut self, mut coordinator: Coordinator, effects: Vec<Effect>) -> Result<(), String> {
        if !self.carry_out(&mut coordinator, effects)? {
            self.bury(coordinator);
            return Ok(());
        }
        if coordinator.ending.is_none() && (coordinator.scheduler.is_finished() || coordinator.leaving) {
            self.check_end(&coordinator)?;
            let mut effects = Vec::new();
            handle(&mut coordinator, self.now, Event::Drain, &mut effects)?;
            let patience = if coordinator.leaving { 0 } else { FAREWELL };
            coordinator.ending = Some(self.now + patience);
            if !self.carry_out(&mut coordinator, effects)? {
                self.bury(coordinator);
                return Ok(());
            }
        }
        if let Some(deadline) = coordinator.ending {
            if coordinator.processes.is_empty() {
                if let Some((id, attempt)) = self.database.running().next() {
                    return Err(format!("the coordinator has ended, and attempt {id} ({:?}) has not", attempt.task));
                }
                self.say(|| format!("run {} ends", coordinator.run));
                self.bury(coordinator);
                return Ok(());
            }
            if deadline <= self.now {
                coordinator.processes.values().copied().collect::<Vec<_>>().into_iter().for_each(|it| self.kill(it));
                coordinator.ending = Some(self.now + FAREWELL);
            }
        }
        let now = coordinator.now(self.now);
        let deadline = coordinator.scheduler.next_deadline().map(|deadline| deadline.0.saturating_sub(now.0));
        let ending = coordinator.ending.map(|deadline| deadline - self.now);
        let failed = (!coordinator.failed_starts.is_empty()).then_some(0);
        self.coordinator = Some(coordinator);
        if let Some(pause) = deadline.into_iter().chain(ending).chain(failed).min() {
            // A clock that is off must not make the turns come without end at one time.
            self.turn_within(pause.max(1));
        }
        Ok(())
    }

    /// What must hold when a coordinator says that it is done.
    fn check_end(&mut self, coordinator: &Coordinator) -> Result<(), String> {
        let scheduler = &coordinator.scheduler;
        if coordinator.draining.is_some() {
            return Ok(());
        }
        if scheduler.is_stuck() {
            self.see("a sweep without workers that live");
            return match scheduler.last_exit() {
                Some(_) => Ok(()),
                None => Err("no worker lives, and nobody knows why".to_owned()),
            };
        }
        match self.database.trials.iter().find(|(_, state)| !state.is_final()) {
            Some((trial, state)) => Err(format!("the sweep is said to be finished, yet trial {trial} is {state}")),
            None => Ok(()),
        }
    }

    /// Ends a process by a signal, which may take a while to take effect.
    pub(crate) fn kill(&mut self, process: usize) {
        self.processes[process].killed_by = Some(self.runs);
        let most = if self.chance(0.1) { self.plan.settings.lease } else { 5 };
        let pause = self.up_to(most);
        self.say(|| format!("process {process} is killed"));
        self.after(pause, Happening::Die { process });
    }

    pub(crate) fn kill_coordinator(&mut self) {
        if let Some(coordinator) = self.coordinator.take() {
            self.see("a death between commits");
            self.bury(coordinator);
        }
    }

    /// The coordinator's process is gone; somebody starts another one later.
    fn bury(&mut self, coordinator: Coordinator) {
        self.say(|| format!("run {} is over", coordinator.run));
        self.blame.everybody(self.now);
        for connection in 0..self.connections.len() {
            if self.connections[connection].run == coordinator.run {
                let below = self.up_to(self.plan.latency);
                self.end_connection(connection, 0, below);
            }
        }
        let most = [500, 5_000, 60_000][self.rng.random_range(0..3)];
        let pause = 1 + self.up_to(most);
        self.after(pause, Happening::Start);
    }

    /// The coordinator's process stands still, and its clock with it but for a little.
    pub(crate) fn stall(&mut self) {
        let pause = self.up_to(2 * self.plan.settings.lease);
        let now = self.now;
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.behind +=
                (now + pause).saturating_sub(coordinator.stalled_until.max(now)).saturating_sub(SLACK);
            coordinator.stalled_until = coordinator.stalled_until.max(now + pause);
            coordinator.turn = None;
            self.blame.everybody(now + pause + 2 * (HEARTBEAT + self.plan.latency));
            self.see("a standstill");
            self.turn_within(0);
        }
    }

    /// The coordinator's clock goes on at once by more than a lease.
    pub(crate) fn jump(&mut self) {
        let most = self.up_to(2 * self.plan.settings.lease);
        if let Some(coordinator) = &mut self.coordinator {
            coordinator.ahead += most;
            // Until every worker has been heard again.
            self.blame.everybody(self.now + 2 * (HEARTBEAT + self.plan.latency));
            self.see("a jump of the clock");
            self.turn_within(PATIENCE);
        }
    }
}

fn handle(coordinator: &mut Coordinator, now: u64, event: Event, effects: &mut Vec<Effect>) -> Result<(), String> {
    let now = coordinator.now(now);
    coordinator.scheduler.handle(now, event, effects);
    coordinator.scheduler.check_invariants()
}

fn exited(worker: WorkerId) -> Event {
    Event::Exited { worker, description: "signal".to_owned(), log: Vec::new() }
}

fn welcome() -> ToWorker {
    let places = Places { data: None, weights: None, features: "f".into(), checkpoints: "c".into(), models: None };
    ToWorker::Welcome(Welcome { protocol: VERSION, heartbeat: 1.0, reconnect_grace: 1.0, places })
}
