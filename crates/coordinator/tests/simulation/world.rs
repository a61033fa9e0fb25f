//! The world: time, the network, and what goes wrong in it.

use crate::coordinator::{Arrival, Coordinator, Tape};
use crate::database::Database;
use crate::plan::{Disturbance, Plan};
use crate::process::Process;
use crate::verdict::Blame;
use frostline_protocol::codec::{Message, encode, read_message};
use frostline_protocol::{Freight, FromWorker, Greeting, Incarnation, Seat, ToWorker, WorkerId};
use frostline_sweep::features::FeatureKey;
use frostline_sweep::outcome::{AttemptId, FailureKind};
use frostline_sweep::trial::TrialId;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Once nothing goes wrong any more, the sweep must end within this many milliseconds.
const PATIENCE: u64 = 3_600_000;
/// And within this many runs of the coordinator: the one under way may have given its workers up already.
const LAST_RUNS: u64 = 3;

/// Bugs of a coordinator that the simulation must see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Reports are acknowledged, then committed.
    AcknowledgesBeforeCommit,
    /// A report about a trial is taken for one of whichever attempt is current.
    AcceptsFencedAttempts,
    /// The scheduler's clock stands still, so no lease runs out.
    ForgetsLeases,
    /// A commit that failed is taken for one that did not, and deciding goes on.
    GoesOnAfterFailedCommit,
    /// A process whose place has gone to another gets it back.
    AcceptsOldIncarnations,
    /// That a machine was taken back counts against the trial that ran there.
    CountsEvictions,
    /// All machines are taken to have the same features.
    IgnoresHosts,
    /// What was sent of a model before the connection was lost is not sent again.
    SendsModelsOnce,
    /// A checkpoint that was asked for before the connection was lost is not asked for again.
    AsksOnce,
}

/// What happens at a point in time. Processes, connections and runs are given by their place.
#[derive(Debug)]
pub(crate) enum Happening {
    /// A coordinator is started.
    Start,
    /// The coordinator of this run handles what has arrived.
    Turn {
        run: u64,
    },
    /// A connection's first frame arrives at the coordinator's end.
    Greeted {
        connection: usize,
        frame: Vec<u8>,
    },
    /// A later frame arrives there.
    Said {
        connection: usize,
        frame: Vec<u8>,
    },
    /// A frame arrives at the worker's end.
    Told {
        connection: usize,
        frame: Vec<u8>,
    },
    /// The coordinator's end notices that the connection is over.
    LeftAbove {
        connection: usize,
    },
    /// The worker's end notices.
    LeftBelow {
        connection: usize,
    },
    /// A process tries to connect.
    Connect {
        process: usize,
    },
    /// A process has waited long enough for its welcome.
    Unwelcome {
        connection: usize,
    },
    Heartbeat {
        connection: usize,
    },
    /// A trainer ends a step; `token` tells whether the step was called off.
    Step {
        process: usize,
        token: u64,
    },
    /// A process ends by a signal.
    Die {
        process: usize,
    },
    /// The end of a process is told to the coordinator that started it.
    Exited {
        run: u64,
        process: usize,
        is_excused: bool,
    },
    /// A worker's turn in the queue has come.
    Begin {
        worker: WorkerId,
        incarnation: Incarnation,
    },
    /// It is told that a worker is no longer in the queue.
    Unqueued {
        run: u64,
        worker: WorkerId,
    },
    /// Somebody starts a guest.
    Visit,
    /// A process is asked to go.
    Retire {
        process: usize,
    },
    /// A process' machine is taken back.
    Evict {
        process: usize,
    },
    Disturb,
}

/// One connection. Each direction keeps its order; when it breaks, each end loses what had not arrived yet.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) process: usize,
    pub(crate) run: u64,
    /// When the last frame arrives above and below.
    last: (u64, u64),
    /// When the ends notice that it is over, above and below.
    pub(crate) over: Option<(u64, u64)>,
}

/// What outlives every process.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// Epochs done, by the machine where that is kept: the coordinator's, where none is given.
    pub(crate) checkpoints: BTreeMap<(Option<u32>, TrialId), u32>,
    pub(crate) features: BTreeSet<(Option<u32>, FeatureKey)>,
    /// Bytes of the file that has come over each connection, with the attempt that it is of.
    pub(crate) arriving: BTreeMap<usize, (AttemptId, Freight, u64)>,
    /// Attempts whose models are there, as far as this coordinator knows.
    pub(crate) arrived: BTreeSet<AttemptId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doom {
    /// The commit fails, and the process lives.
    Fails,
    BeforeCommit,
    AfterCommit,
    /// After the commit and some of what follows from it.
    Midway,
}

pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) now: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    next: u64,
    pub(crate) database: Database,
    pub(crate) disk: Disk,
    pub(crate) coordinator: Option<Coordinator>,
    /// What the core that lives has given to its journal.
    pub(crate) tape: Rc<RefCell<Tape>>,
    pub(crate) runs: u64,
    /// Runs that began after the calm.
    last_runs: u64,
    /// How the next commit ends.
    pub(crate) doom: Option<Doom>,
    /// The next process starts badly.
    pub(crate) bad_starts: u32,
    pub(crate) processes: Vec<Process>,
    /// Processes that wait in somebody's queue, whatever becomes of who put them there.
    pub(crate) jobs: BTreeMap<WorkerId, Incarnation>,
    pub(crate) connections: Vec<Connection>,
    pub(crate) blame: Blame,
    pub(crate) bug: Option<Bug>,
    pub(crate) trace: Option<Vec<String>>,
    /// How often each remarkable thing happened.
    pub(crate) seen: BTreeMap<&'static str, u64>,
}

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>, traced: bool) -> World {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let plan = Plan::draw(&mut rng);
        World {
            database: Database::new(plan.trials.iter().map(|trial| trial.id)),
            plan,
            rng,
            now: 0,
            queue: BTreeMap::new(),
            next: 0,
            disk: Disk::default(),
            coordinator: None,
            tape: Rc::default(),
            runs: 0,
            last_runs: 0,
            doom: None,
            bad_starts: 0,
            processes: Vec::new(),
            jobs: BTreeMap::new(),
            connections: Vec::new(),
            blame: Blame::default(),
            bug,
            trace: traced.then(Vec::new),
            seen: BTreeMap::new(),
        }
    }

    /// Runs to the end of the sweep. An error says what must not be.
    pub(crate) fn run(&mut self) -> Result<(), String> {
        self.after(0, Happening::Start);
        self.after(0, Happening::Disturb);
        (0..self.plan.guests).for_each(|_| self.after(0, Happening::Visit));
        while let Some(((time, order), happening)) = self.queue.pop_first() {
            self.now = time;
            if let Some(process) = self.process_of(&happening)
                && self.processes[process].hung_until > time
            {
                let until = self.processes[process].hung_until;
                if until < u64::MAX {
                    self.queue.insert((until, order), happening);
                }
                continue;
            }
            self.happen(happening)?;
            if self.coordinator.is_none() && self.database.trials.values().all(|state| state.is_final()) {
                return self.judge();
            }
            if self.now > self.plan.calm + PATIENCE {
                return Err(format!("the sweep has not ended {PATIENCE} ms after the last disturbance"));
            }
        }
        Err("nothing more happens, and the sweep has not ended".to_owned())
    }

    /// Whose time it takes: a process that hangs does nothing.
    fn process_of(&self, happening: &Happening) -> Option<usize> {
        match happening {
            Happening::Connect { process } | Happening::Step { process, .. } => Some(*process),
            Happening::Told { connection, .. }
            | Happening::LeftBelow { connection }
            | Happening::Unwelcome { connection }
            | Happening::Heartbeat { connection } => Some(self.connections[*connection].process),
            _ => None,
        }
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Start => {
                self.last_runs += u64::from(self.is_calm());
                if self.last_runs > LAST_RUNS {
                    return Err(format!("{LAST_RUNS} runs after the last disturbance did not end the sweep"));
                }
                self.start()?;
            }
            Happening::Turn { run } => self.turn(run)?,
            Happening::Greeted { connection, frame } => {
                if let Greeting::Worker(hello) = decode(&frame)
                    && self.is_open_above(connection)
                {
                    self.arrive(self.connections[connection].run, Arrival::Joined { connection, hello });
                }
            }
            Happening::Said { connection, frame } => {
                if self.is_open_above(connection) {
                    let message = decode::<FromWorker>(&frame);
                    self.arrive(self.connections[connection].run, Arrival::Said { connection, message });
                }
            }
            Happening::Told { connection, frame } => {
                if self.connections[connection].over.is_none_or(|(_, below)| self.now <= below) {
                    self.told(connection, decode::<ToWorker>(&frame))?;
                }
            }
            Happening::LeftAbove { connection } => {
                self.arrive(self.connections[connection].run, Arrival::Left { connection });
            }
            Happening::LeftBelow { connection } => self.lost_connection(connection),
            Happening::Connect { process } => self.connect(process),
            Happening::Unwelcome { connection } => self.unwelcome(connection),
            Happening::Heartbeat { connection } => self.heartbeat(connection),
            Happening::Step { process, token } => self.step(process, token)?,
            Happening::Die { process } => self.die(process),
            Happening::Exited { run, process, is_excused } => {
                self.arrive(run, Arrival::Exited { process, is_excused });
            }
            Happening::Begin { worker, incarnation } => self.begin(worker, incarnation),
            Happening::Unqueued { run, worker } => self.arrive(run, Arrival::Unqueued { worker }),
            Happening::Visit => drop(self.spawn(None)),
            Happening::Retire { process } => self.retire(process)?,
            Happening::Evict { process } => self.evict(process),
            Happening::Disturb => self.disturb()?,
        }
        Ok(())
    }

    /// A job leaves the queue and becomes a process.
    fn begin(&mut self, worker: WorkerId, incarnation: Incarnation) {
        if self.jobs.get(&worker) != Some(&incarnation) {
            return;
        }
        self.jobs.remove(&worker);
        self.see("a job whose turn comes");
        let process = self.spawn(Some(Seat { worker, incarnation }));
        if let Some(coordinator) = &mut self.coordinator
            && coordinator.queued.contains(&worker)
        {
            coordinator.processes.insert(worker, process);
            let run = coordinator.run;
            self.arrive(run, Arrival::Began { worker });
        }
    }

    /// Whether nothing goes wrong any more.
    pub(crate) fn is_calm(&self) -> bool {
        self.now >= self.plan.calm
    }

    pub(crate) fn after(&mut self, pause: u64, happening: Happening) {
        self.queue.insert((self.now.saturating_add(pause), self.next), happening);
        self.next += 1;
    }

    /// From 0 to `most`.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        self.rng.random_range(0..=most)
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.rng.random_bool(share)
    }

    pub(crate) fn see(&mut self, what: &'static str) {
        *self.seen.entry(what).or_default() += 1;
    }

    pub(crate) fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>8} {}", self.now, what()));
        }
    }

    /// Opens a connection from a process to the coordinator that lives.
    pub(crate) fn open(&mut self, process: usize, run: u64, greeting: &Greeting) -> usize {
        self.connections.push(Connection { process, run, last: (0, 0), over: None });
        let connection = self.connections.len() - 1;
        let pause = self.up_to(self.plan.latency);
        self.connections[connection].last.0 = self.now + pause;
        self.after(pause, Happening::Greeted { connection, frame: encoded(greeting) });
        connection
    }

    pub(crate) fn send_above(&mut self, connection: usize, message: &FromWorker) {
        let arrival = self.now + self.up_to(self.plan.latency);
        let known = &mut self.connections[connection];
        if known.over.is_some_and(|(_, below)| below <= self.now) {
            return;
        }
        known.last.0 = known.last.0.max(arrival);
        let pause = known.last.0 - self.now;
        self.after(pause, Happening::Said { connection, frame: encoded(message) });
    }

    pub(crate) fn send_below(&mut self, connection: usize, message: &ToWorker) {
        let arrival = self.now + self.up_to(self.plan.latency);
        let known = &mut self.connections[connection];
        if known.over.is_some_and(|(above, _)| above <= self.now) {
            return;
        }
        known.last.1 = known.last.1.max(arrival);
        let pause = known.last.1 - self.now;
        self.after(pause, Happening::Told { connection, frame: encoded(message) });
    }

    /// Ends a connection; the ends notice after these times, and lose what has not arrived until then.
    pub(crate) fn end_connection(&mut self, connection: usize, above: u64, below: u64) {
        let now = self.now;
        let known = &mut self.connections[connection];
        if known.over.is_none() {
            known.over = Some((now + above, now + below));
            self.after(above, Happening::LeftAbove { connection });
            self.after(below, Happening::LeftBelow { connection });
        }
    }

    /// Ends a connection from below: what was sent still arrives.
    pub(crate) fn close_from_below(&mut self, connection: usize) {
        let arrived = self.connections[connection].last.0.saturating_sub(self.now);
        let above = arrived + self.up_to(self.plan.latency);
        self.end_connection(connection, above, 0);
    }

    fn is_open_above(&self, connection: usize) -> bool {
        self.connections[connection].over.is_none_or(|(above, _)| self.now <= above)
    }

    /// The next thing goes wrong, while things go wrong.
    fn disturb(&mut self) -> Result<(), String> {
        if self.is_calm() || self.plan.disturbances.is_empty() {
            return Ok(());
        }
        let pause = 1 + self.up_to(self.plan.pause);
        self.after(pause, Happening::Disturb);
        let choice = self.rng.random_range(0..self.plan.disturbances.len());
        let disturbance = self.plan.disturbances[choice];
        let alive: Vec<usize> = (0..self.processes.len()).filter(|at| self.processes[*at].alive).collect();
        let victim = (!alive.is_empty()).then(|| alive[self.rng.random_range(0..alive.len())]);
        self.say(|| format!("{disturbance:?} (process {victim:?})"));
        match (disturbance, victim) {
            (Disturbance::Crash, Some(process)) => self.crash(process),
            (Disturbance::Hang, Some(process)) => self.hang(process),
            (Disturbance::Cut, Some(process)) => self.cut(process),
            (Disturbance::Lie, Some(process)) => self.processes[process].lies += 1,
            (Disturbance::Fail, Some(process)) => {
                let kinds =
                    [FailureKind::Internal, FailureKind::Internal, FailureKind::OutOfMemory, FailureKind::BadData];
                self.processes[process].fails = Some(kinds[self.rng.random_range(0..kinds.len())]);
            }
            (Disturbance::Stick, Some(process)) => self.processes[process].sticks = true,
            (Disturbance::Poison, Some(process)) => self.processes[process].poisoned = true,
            (Disturbance::BadStart, _) => self.bad_starts += 1,
            (Disturbance::KillAtCommit, _) => {
                let dooms = [Doom::Fails, Doom::BeforeCommit, Doom::AfterCommit, Doom::Midway];
                self.doom = Some(dooms[self.rng.random_range(0..dooms.len())]);
            }
            (Disturbance::Kill, _) => self.kill_coordinator(),
            (Disturbance::Cancel, _) if self.chance(0.3) => {
                let trials: Vec<TrialId> = self.plan.trials.iter().map(|trial| trial.id).collect();
                let share = [0.1, 0.3, 1.0][self.rng.random_range(0..3)];
                let trials = trials.into_iter().filter(|_| self.rng.random_bool(share)).collect();
                self.arrive(self.runs, Arrival::Cancel(trials));
            }
            (Disturbance::Drain, _) if self.chance(0.3) => {
                self.arrive(self.runs, Arrival::Interrupted);
                if self.chance(0.5) {
                    // Its workers were told to leave, and the next coordinator does not know.
                    self.doom = Some(Doom::AfterCommit);
                }
            }
            (Disturbance::Stall, _) => self.stall(),
            (Disturbance::Jump, _) => self.jump(),
            (Disturbance::Retire, Some(process)) => self.retire(process)?,
            (Disturbance::Evict, Some(process)) => self.evict(process),
            (Disturbance::Part, Some(process)) => self.part(process),
            _ => {}
        }
        Ok(())
    }
}

pub(crate) fn encoded<T: Message>(message: &T) -> Vec<u8> {
    let mut frame = Vec::new();
    encode(message, &mut frame).expect("every message of the simulation can be sent");
    frame
}

fn decode<T: Message>(mut frame: &[u8]) -> T {
    read_message(&mut frame).expect("what was encoded can be decoded").expect("a frame holds a message")
}
