//! A coordinator's process: the real core, with the simulation's hands, journal and clock.

use crate::plan::PlannedTrial;
use crate::process::{HEARTBEAT, epochs, pieces};
use crate::world::{Bug, Doom, Happening, World};
use frostline_coordinator::core::{Action, AskId, Committed, Core, Input, Journal, Outcome, PeerId, Terms, Worklist};
use frostline_link::desk::PIECE;
use frostline_protocol::{
    Claim, Command, Freight, FromWorker, Hello, Incarnation, Piece, Places, ToWorker, Who, WorkerId,
};
use frostline_scheduler::{Restored, RestoredTrial, Survivor, Time};
use frostline_sweep::record::{Record, TaskKey};
use frostline_sweep::trial::TrialId;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Events that wait are handled together after this time at most.
pub(crate) const PATIENCE: u64 = 30;
/// What a standstill of the coordinator's process counts as, at most.
const SLACK: u64 = 1_000;
pub(crate) const SWEEP: &str = "simulated";

/// What reaches a coordinator's process.
#[derive(Debug)]
pub(crate) enum Arrival {
    Joined {
        connection: usize,
        hello: Hello,
    },
    Said {
        connection: usize,
        message: FromWorker,
    },
    Left {
        connection: usize,
    },
    Exited {
        process: usize,
        is_excused: bool,
    },
    /// A worker that waited in the queue starts.
    Began {
        worker: WorkerId,
    },
    /// A worker was taken out of the queue.
    Unqueued {
        worker: WorkerId,
    },
    Cancel(Vec<TrialId>),
    Interrupted,
}

/// Takes a core's records; the world puts them into the database once the turn is over.
#[derive(Debug, Default)]
pub(crate) struct Tape {
    records: Vec<Record>,
    /// The next commit fails, and the process goes on to live.
    fails: bool,
    /// With [`Bug::GoesOnAfterFailedCommit`]: the core is told that all went well.
    lies: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Ledger(Rc<RefCell<Tape>>);

/// The records were not written.
#[derive(Debug)]
pub(crate) struct NotWritten;

impl Journal for Ledger {
    type Error = NotWritten;

    fn commit(&mut self, records: &[Record]) -> Result<(), NotWritten> {
        let mut tape = self.0.borrow_mut();
        if std::mem::take(&mut tape.fails) {
            return if tape.lies { Ok(()) } else { Err(NotWritten) };
        }
        tape.records.extend_from_slice(records);
        Ok(())
    }
}

pub(crate) struct Coordinator {
    pub(crate) run: u64,
    pub(crate) core: Core<Ledger>,
    started: u64,
    /// Milliseconds by which its clock went ahead of time, and stayed behind.
    ahead: u64,
    behind: u64,
    stalled_until: u64,
    inbox: Vec<Arrival>,
    /// Processes whose end was not told.
    pub(crate) processes: BTreeMap<WorkerId, usize>,
    /// Processes of the run before, to be taken over.
    pub(crate) survivors: BTreeMap<WorkerId, usize>,
    pub(crate) failed_starts: Vec<WorkerId>,
    /// Workers that wait in the queue, as far as it knows.
    pub(crate) queued: BTreeSet<WorkerId>,
    /// What each unanswered command has asked to cancel.
    pub(crate) asked: BTreeMap<AskId, Vec<TrialId>>,
    asks: u64,
    /// Since when it gives out no more work, by its clock.
    draining: Option<Time>,
    /// Whether the end was looked at.
    is_judged: bool,
    /// When the next turn is due.
    turn: Option<u64>,
}

impl Coordinator {
    fn now(&self, world: u64) -> Time {
        Time((world - self.started + self.ahead).saturating_sub(self.behind))
    }
}

pub(crate) fn peer(connection: usize) -> PeerId {
    PeerId(connection as u64)
}

impl World {
    /// Starts a coordinator on what the database has.
    pub(crate) fn start(&mut self) -> Result<(), String> {
        self.runs += 1;
        self.blame.everybody(self.now);
        self.database.open();
        // What is of no complete trial goes, and comes again.
        self.disk.arriving.clear();
        self.disk.arrived.clear();
        let fewer = self.chance(0.1) && !self.is_calm();
        let workers = if fewer { self.up_to(u64::from(self.plan.workers) - 1) as u32 + 1 } else { self.plan.workers };
        let ids: BTreeSet<WorkerId> = (1..=workers).map(WorkerId).collect();
        let mut survivors = BTreeMap::new();
        for process in 0..self.processes.len() {
            let worker = self.processes[process].worker;
            let known = &self.processes[process];
            if !known.alive || known.is_guest || known.is_parted {
                continue;
            }
            if !ids.contains(&worker) {
                self.kill(process);
            } else if survivors.insert(worker, process).is_some() {
                return Err(format!("two processes live as worker {}", worker.0));
            }
        }
        self.jobs.retain(|worker, _| ids.contains(worker));
        let run = self.runs;
        self.say(|| format!("run {run} starts with {workers} workers, survivors {survivors:?}"));
        let row = |planned: &PlannedTrial| RestoredTrial {
            epochs: planned.spec.parameters.epochs,
            features: planned.features.clone(),
            divisible: planned.divisible,
            ..self.database.row(planned.id)
        };
        let rows: Vec<RestoredTrial> = self.plan.trials.iter().map(row).collect();
        let unfinished = |row: &&RestoredTrial| !row.state.is_final();
        let specs = rows.iter().filter(unfinished).map(|row| (row.trial, self.plan.trial(row.trial).spec.clone()));
        let worklist = Worklist::new(specs.collect(), self.plan.features.clone());
        let restored = Restored {
            trials: rows,
            fills: self.plan.fills.clone(),
            workers: ids.into_iter().collect(),
            survivors: self.left_behind(&survivors),
            next_attempt: self.database.next_attempt(),
            next_incarnation: Incarnation(self.now << 16),
        };
        let doom = self.set_tape();
        let ledger = Ledger(Rc::clone(&self.tape));
        let restored =
            Core::restore(ledger, self.plan.settings, restored, worklist, BTreeMap::new(), terms(), Time(0));
        let Ok((core, committed)) = restored else {
            // Nothing was started yet, and survivors that nobody takes over are ended.
            survivors.into_values().for_each(|process| self.kill(process));
            self.jobs.clear();
            self.over(run);
            return Ok(());
        };
        let coordinator = Coordinator {
            run,
            core,
            started: self.now,
            ahead: 0,
            behind: 0,
            stalled_until: 0,
            inbox: Vec::new(),
            processes: BTreeMap::new(),
            survivors,
            failed_starts: Vec::new(),
            queued: BTreeSet::new(),
            asked: BTreeMap::new(),
            asks: 0,
            draining: None,
            is_judged: false,
            turn: None,
        };
        self.finish_turn(coordinator, committed, doom)
    }

    /// What a launcher finds: processes that live, and jobs that wait.
    fn left_behind(&self, alive: &BTreeMap<WorkerId, usize>) -> BTreeMap<WorkerId, Survivor> {
        let living = alive.iter().filter_map(|(worker, at)| {
            let incarnation = self.processes[*at].seat?.incarnation;
            Some((*worker, Survivor { incarnation, is_queued: false }))
        });
        let waiting = self.jobs.iter();
        let waiting = waiting.map(|(worker, job)| (*worker, Survivor { incarnation: *job, is_queued: true }));
        living.chain(waiting).collect()
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
        let mut batch: Vec<Input> =
            std::mem::take(&mut coordinator.failed_starts).into_iter().map(|worker| exited(worker, false)).collect();
        for arrival in std::mem::take(&mut coordinator.inbox) {
            batch.extend(self.input(&mut coordinator, arrival));
        }
        let now = coordinator.now(self.now);
        if self.bug == Some(Bug::ForgetsLeases) {
            coordinator.behind = self.now - coordinator.started + coordinator.ahead;
        }
        let doom = self.set_tape();
        let Coordinator { core, .. } = coordinator;
        match core.turn(now, batch, &|_| Vec::new()) {
            Ok((core, committed)) => self.finish_turn(Coordinator { core, ..coordinator }, committed, doom),
            Err(NotWritten) => {
                self.say(|| "a commit fails, and the coordinator ends its workers".to_owned());
                self.see("a commit that fails");
                coordinator.processes.values().chain(coordinator.survivors.values()).for_each(|it| self.kill(*it));
                self.jobs.clear();
                self.over(run);
                Ok(())
            }
        }
    }

    /// How the next commit ends.
    fn set_tape(&mut self) -> Option<Doom> {
        let doom = if self.is_calm() { None } else { self.doom };
        let mut tape = self.tape.borrow_mut();
        tape.fails = doom == Some(Doom::Fails);
        tape.lies = self.bug == Some(Bug::GoesOnAfterFailedCommit);
        doom
    }

    /// What has arrived, as the coordinator's hands would give it to its core.
    fn input(&mut self, coordinator: &mut Coordinator, arrival: Arrival) -> Option<Input> {
        match arrival {
            Arrival::Joined { connection, mut hello } => {
                self.mislead(coordinator, &mut hello);
                let (who, process) = (hello.who, hello.process);
                let running = hello.running.as_ref().map(|claim| claim.attempt.0);
                self.say(|| format!("{who:?} joins (process {process}), running {running:?}"));
                Some(Input::Joined { peer: peer(connection), hello })
            }
            Arrival::Said { connection, message } => {
                if self.connections[connection].over.is_some() {
                    self.see("a message of an old connection");
                }
                if let FromWorker::Report { claim, number, report } = &message {
                    let worker = self.processes[self.connections[connection].process].worker.0;
                    self.say(|| format!("worker {worker} reports {number} of {}: {}", claim.attempt, report.name()));
                }
                match &message {
                    FromWorker::Piece { claim, freight, piece } => self.receive(connection, claim, *freight, piece),
                    FromWorker::Fetch { claim, have } => self.give(connection, claim, have.as_deref()),
                    _ => {}
                }
                let (connection, message) = self.misled(coordinator, connection, message);
                Some(Input::Said { peer: peer(connection), message })
            }
            Arrival::Left { connection } => {
                let worker = self.processes[self.connections[connection].process].worker;
                self.say(|| format!("connection {connection} of worker {} is over", worker.0));
                Some(Input::Left { peer: peer(connection), fault: None })
            }
            Arrival::Exited { process, is_excused } => {
                let worker = self.processes[process].worker;
                // One whose node was said to be gone ends only once.
                if coordinator.processes.get(&worker) != Some(&process) {
                    return None;
                }
                coordinator.processes.remove(&worker);
                self.say(|| format!("worker {} has exited (process {process}, excused: {is_excused})", worker.0));
                Some(exited(worker, is_excused && self.bug != Some(Bug::CountsEvictions)))
            }
            Arrival::Began { worker } => {
                coordinator.queued.remove(&worker);
                Some(Input::Began { worker })
            }
            Arrival::Unqueued { worker } => Some(exited(worker, false)),
            Arrival::Cancel(trials) => {
                if trials.is_empty() {
                    return None;
                }
                self.say(|| format!("somebody asks to cancel {} trials", trials.len()));
                let ask = AskId(coordinator.asks);
                coordinator.asks += 1;
                self.blame.asked_to_cancel(&trials);
                coordinator.asked.insert(ask, trials.clone());
                Some(Input::Asked { ask, command: Command::Cancel { sweep: SWEEP.to_owned(), trials } })
            }
            Arrival::Interrupted => {
                coordinator.draining.get_or_insert(coordinator.now(self.now));
                self.say(|| "the coordinator is interrupted".to_owned());
                self.see("an interruption");
                Some(Input::Interrupted)
            }
        }
    }

    /// Plants what is wrong with who is believed to be where.
    fn mislead(&self, coordinator: &Coordinator, hello: &mut Hello) {
        match self.bug {
            Some(Bug::AcceptsOldIncarnations) => {
                if let Who::Started(seat) = &mut hello.who {
                    *seat = coordinator.core.scheduler().seat(seat.worker).unwrap_or(*seat);
                }
            }
            Some(Bug::IgnoresHosts) => hello.host = None,
            _ => {}
        }
    }

    /// Whose report this is taken for: another's where the coordinator does not look at the attempt's number.
    fn misled(&self, coordinator: &Coordinator, connection: usize, message: FromWorker) -> (usize, FromWorker) {
        let FromWorker::Report { mut claim, number, report } = message else { return (connection, message) };
        let mut from = connection;
        if self.bug == Some(Bug::AcceptsFencedAttempts)
            && let Some((attempt, row)) = self.database.running().find(|(_, it)| it.task == claim.task)
            && let Some(process) = coordinator.processes.get(&row.worker)
            && let Some(current) = self.processes[*process].connection()
        {
            (from, claim.attempt) = (current, attempt);
        }
        (from, FromWorker::Report { claim, number, report })
    }

    /// A piece of a file comes: the first one begins anew, and each goes on where the one before has ended.
    fn receive(&mut self, connection: usize, claim: &Claim, freight: Freight, piece: &Piece) {
        let known = self.disk.arriving.get(&connection).copied();
        if piece.at > 0 && known != Some((claim.attempt, freight, piece.at)) {
            return;
        }
        let bytes = (piece.at + PIECE).min(piece.of);
        self.disk.arriving.insert(connection, (claim.attempt, freight, bytes));
        match (freight, &claim.task) {
            _ if bytes < piece.of => {}
            (Freight::Model, _) => drop(self.disk.arrived.insert(claim.attempt)),
            (Freight::Checkpoint, TaskKey::Trial(trial)) if !self.database.trials[trial].is_final() => {
                self.disk.checkpoints.insert((None, *trial), epochs(piece));
                self.see("a checkpoint that has travelled");
            }
            (Freight::Checkpoint, _) => self.see("a checkpoint that comes too late"),
        }
    }

    /// Somebody asks for a checkpoint: whoever serves the connection answers.
    fn give(&mut self, connection: usize, claim: &Claim, have: Option<&str>) {
        let TaskKey::Trial(trial) = claim.task else { return };
        let there = self.disk.checkpoints.get(&(None, trial)).copied();
        let is_other = |epochs: &u32| have != Some(epochs.to_string().as_str());
        let attempt = claim.attempt;
        match there.filter(is_other) {
            Some(epochs) => pieces(epochs)
                .into_iter()
                .for_each(|piece| self.send_below(connection, &ToWorker::Piece { attempt, piece })),
            None => self.send_below(connection, &ToWorker::Kept { attempt, same: there.is_some() }),
        }
    }

    /// Writes and carries out what a turn has decided, and ends the coordinator where it has no more to do, or dies.
    fn finish_turn(
        &mut self,
        mut coordinator: Coordinator,
        committed: Committed,
        doom: Option<Doom>,
    ) -> Result<(), String> {
        coordinator.core.scheduler().check_invariants()?;
        self.call_guests(&coordinator);
        let records = std::mem::take(&mut self.tape.borrow_mut().records);
        let (facts, mut actions) = committed.into_parts();
        let doom = doom.filter(|_| !facts.is_empty());
        if doom.is_some() {
            self.doom = None;
        }
        if doom.is_some_and(|doom| doom != Doom::Fails) {
            self.see("a death at a commit");
        }
        if self.bug == Some(Bug::AcknowledgesBeforeCommit) {
            let (hasty, others) = actions.into_iter().partition(World::is_acknowledgement);
            actions = others;
            self.carry_out(&mut coordinator, hasty)?;
        }
        if doom == Some(Doom::BeforeCommit) {
            self.bury(coordinator);
            return Ok(());
        }
        for record in &records {
            self.record(record)?;
        }
        self.compare(coordinator.core.scheduler())?;
        match doom {
            Some(Doom::AfterCommit) => {
                self.bury(coordinator);
                return Ok(());
            }
            Some(Doom::Midway) => actions.truncate(self.up_to(actions.len() as u64) as usize),
            _ => {}
        }
        self.carry_out(&mut coordinator, actions)?;
        if doom == Some(Doom::Midway) {
            self.bury(coordinator);
            return Ok(());
        }
        if coordinator.core.is_leaving() && !coordinator.is_judged {
            coordinator.is_judged = true;
            self.check_end(&coordinator)?;
        }
        let patience = self.plan.settings.drain;
        let over = |since: Time| coordinator.now(self.now).0 >= since.0 + patience;
        if coordinator.draining.is_some_and(over) && !coordinator.core.is_leaving() {
            return Err(format!("work goes on {patience} ms after the interruption"));
        }
        if let Some(outcome) = coordinator.core.outcome().cloned() {
            return self.ended(coordinator, &outcome);
        }
        let now = coordinator.now(self.now);
        let deadline = coordinator.core.deadline().map(|deadline| deadline.0.saturating_sub(now.0));
        let failed = (!coordinator.failed_starts.is_empty()).then_some(0);
        self.coordinator = Some(coordinator);
        if let Some(pause) = deadline.into_iter().chain(failed).min() {
            // A clock that is off must not make the turns come without end at one time.
            self.turn_within(pause.max(1));
        }
        Ok(())
    }

    /// A coordinator has ended by itself.
    fn ended(&mut self, coordinator: Coordinator, outcome: &Outcome) -> Result<(), String> {
        if let Some((id, attempt)) = self.database.running().next() {
            return Err(format!("the coordinator has ended, and attempt {id} ({:?}) has not", attempt.task));
        }
        // Who does not end by a signal within the farewell is left alone; the next coordinator finds it.
        let alive = coordinator.processes.values().filter(|process| self.processes[**process].killed_by.is_none());
        if let Some(process) = alive.copied().next() {
            return Err(format!("the coordinator has ended ({outcome:?}), and process {process} was not"));
        }
        self.bury(coordinator);
        Ok(())
    }

    /// What must hold when a coordinator says that it has no more work to give out.
    fn check_end(&mut self, coordinator: &Coordinator) -> Result<(), String> {
        let scheduler = coordinator.core.scheduler();
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

    fn is_acknowledgement(action: &Action) -> bool {
        use frostline_protocol::ToWorker::Acknowledge;
        matches!(action, Action::Tell { message: Acknowledge { .. }, .. })
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

    fn bury(&mut self, coordinator: Coordinator) {
        self.over(coordinator.run);
    }

    /// The coordinator's process is gone; somebody starts another one later.
    fn over(&mut self, run: u64) {
        self.say(|| format!("run {run} is over"));
        self.blame.everybody(self.now);
        // The next coordinator calls guests by other names.
        self.processes.iter_mut().filter(|it| it.is_guest).for_each(|it| it.worker = WorkerId(0));
        for connection in 0..self.connections.len() {
            if self.connections[connection].run == run {
                let below = self.up_to(self.plan.latency);
                self.end_connection(connection, 0, below);
            }
        }
        let most = [500, 5_000, 60_000][self.up_to(2) as usize];
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

    /// The coordinator's clock goes on at once by more than a lease. While its process stands still, so does its clock.
    pub(crate) fn jump(&mut self) {
        let most = self.up_to(2 * self.plan.settings.lease);
        let now = self.now;
        if let Some(coordinator) = self.coordinator.as_mut().filter(|it| it.stalled_until <= now) {
            coordinator.ahead += most;
            // Until every worker has been heard again.
            self.blame.everybody(self.now + 2 * (HEARTBEAT + self.plan.latency));
            self.see("a jump of the clock");
            self.turn_within(PATIENCE);
        }
    }
}

fn exited(worker: WorkerId, is_excused: bool) -> Input {
    Input::Exited { worker, is_excused, description: "signal".to_owned(), log: Vec::new() }
}

fn terms() -> Terms {
    let places = Places {
        data: None,
        weights: Default::default(),
        features: "f".into(),
        checkpoints: "c".into(),
        models: None,
    };
    Terms { sweep: SWEEP.to_owned(), places, heartbeat: 1.0, reconnect_grace: 1.0, is_lent: false }
}
