//! Worker processes: they connect, train, report, come back; and crash, hang, fail and lie where they are made to.

use crate::plan::{Disturbance, FILL, evaluation, metrics};
use crate::world::{Bug, Connection, Happening, World};
use frostline_link::desk::{Desk, PIECE, Parcel, Part};
use frostline_protocol::Stop;
use frostline_protocol::codec::read_message;
use frostline_protocol::{
    Assignment, Freight, FromWorker, Greeting, Hello, Piece, Report, Seat, ToWorker, VERSION, Welcome, Who, Work,
    WorkerId,
};
use frostline_protocol::{Build, Claim, Filled};
use frostline_sweep::outcome::{AttemptId, Failure, FailureKind};
use frostline_sweep::record::TaskKey;
use rand::Rng;
use std::fs::File;
use std::sync::Arc;

pub(crate) const HEARTBEAT: u64 = 1_000;
/// How long a process waits for its welcome.
const WELCOME: u64 = 10_000;
/// The longest time between two tries to connect, and after a batch until a trainer stops.
const SOON: u64 = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Alone { since: u64 },
    Greeting { connection: usize },
    Open { connection: usize },
}

#[derive(Debug)]
struct Training {
    assignment: Assignment,
    /// Epochs done.
    epoch: u32,
    /// The checkpoint was read.
    resumed: bool,
}

#[derive(Debug)]
pub(crate) struct Process {
    /// What the coordinator calls it; 0 of a guest that has no place yet.
    pub(crate) worker: WorkerId,
    /// The place that it was started in.
    pub(crate) seat: Option<Seat>,
    /// It came by itself.
    pub(crate) is_guest: bool,
    /// Its node was said to be gone.
    pub(crate) is_parted: bool,
    /// Whose features it has; none of the coordinator's own machine.
    host: Option<u32>,
    /// When it will be ended, and what it had left when it first greeted.
    ends: Option<u64>,
    pub(crate) left_at_join: Option<u64>,
    pub(crate) alive: bool,
    /// It does nothing before this.
    pub(crate) hung_until: u64,
    /// Reports still to be falsified.
    pub(crate) lies: u32,
    /// How its next step fails.
    pub(crate) fails: Option<FailureKind>,
    /// Its trainer stands still with its next step, for ever.
    pub(crate) sticks: bool,
    stuck: bool,
    /// Whatever it does fails.
    pub(crate) poisoned: bool,
    /// The run whose coordinator ended it.
    pub(crate) killed_by: Option<u64>,
    is_evicted: bool,
    /// The run whose coordinator was the first to tell it to leave.
    drained_by: Option<u64>,
    desk: Desk,
    /// The attempt whose model it has begun to send.
    sends: Option<AttemptId>,
    /// The attempt that it has looked for a checkpoint for, and over which connection it has asked for one.
    looks: Option<AttemptId>,
    asks: Option<(AttemptId, usize)>,
    /// Bytes of it that have come over a connection, and the attempt that was answered last.
    coming: Option<(usize, u64)>,
    answered: Option<AttemptId>,
    link: Link,
    training: Option<Training>,
    /// The step that counts; earlier ones were called off.
    token: u64,
}

impl Process {
    /// The connection that it speaks over.
    pub(crate) fn connection(&self) -> Option<usize> {
        match self.link {
            Link::Open { connection } => Some(connection),
            _ => None,
        }
    }
}

/// The first word to a worker.
fn welcome(message: &ToWorker) -> &Welcome {
    match message {
        ToWorker::Welcome(welcome) => welcome,
        other => panic!("the first word to a worker was {other:?}"),
    }
}

/// Bytes of everything that travels: three pieces, which nobody reads.
const BYTES: u64 = 2 * PIECE + 1;

fn parcel(digest: String) -> Parcel {
    let file = File::open("/dev/null").expect("every system has it");
    Parcel { file: Arc::new(file), bytes: BYTES, digest }
}

/// What a checkpoint after so many epochs looks like on the wire.
pub(crate) fn pieces(epochs: u32) -> Vec<Piece> {
    let piece = |at| Piece { at, of: BYTES, digest: epochs.to_string(), bytes: Vec::new() };
    (0..BYTES).step_by(PIECE as usize).map(piece).collect()
}

/// And after how many epochs it was written.
pub(crate) fn epochs(piece: &Piece) -> u32 {
    piece.digest.parse().expect("the digest of a checkpoint is its epochs")
}

/// What is in frames that lie one behind another.
fn messages(mut frames: &[u8]) -> Vec<FromWorker> {
    std::iter::from_fn(|| read_message(&mut frames).expect("what a desk encodes can be decoded")).collect()
}

impl World {
    /// Starts a process, a guest where it has no seat; it connects later, if ever.
    pub(crate) fn spawn(&mut self, seat: Option<Seat>) -> usize {
        let process = self.processes.len();
        let worker = seat.map_or(WorkerId(0), |seat| seat.worker);
        let is_guest = seat.is_none();
        let hosts = self.plan.hosts;
        let host = match hosts {
            0 => is_guest.then_some(1),
            _ => Some(self.rng.random_range(0..hosts)).filter(|host| is_guest || *host > 0),
        };
        let is_short = !self.is_calm() && self.plan.disturbances.contains(&Disturbance::Retire) && self.chance(0.3);
        let ends = is_short.then(|| self.now + FILL / 2 + self.up_to(20 * FILL));
        self.processes.push(Process {
            worker,
            seat,
            is_guest,
            is_parted: false,
            host,
            ends,
            left_at_join: None,
            alive: true,
            hung_until: 0,
            lies: 0,
            fails: None,
            sticks: false,
            stuck: false,
            poisoned: false,
            killed_by: None,
            is_evicted: false,
            drained_by: None,
            desk: Desk::default(),
            sends: None,
            looks: None,
            asks: None,
            coming: None,
            answered: None,
            link: Link::Alone { since: self.now },
            training: None,
            token: 0,
        });
        self.say(|| format!("process {process} starts as worker {}", worker.0));
        let mut pause = self.up_to(1_000);
        if self.bad_starts > 0 && !self.is_calm() {
            self.bad_starts -= 1;
            self.blame.worker(worker, self.now + self.plan.settings.start * 2);
            if self.chance(0.5) {
                self.see("a process that dies before it connects");
                self.after(pause / 2, Happening::Die { process });
            } else {
                self.see("a process that is slow to start");
                pause = self.plan.settings.start + self.up_to(self.plan.settings.start);
                self.processes[process].link = Link::Alone { since: self.now + pause };
            }
        }
        self.after(pause, Happening::Connect { process });
        if let Some(ends) = ends {
            let left = ends - self.now;
            self.after(left * 3 / 4, Happening::Retire { process });
            self.after(left, Happening::Evict { process });
        }
        process
    }

    /// A process' time is nearly over, or somebody asks it to go.
    pub(crate) fn retire(&mut self, process: usize) -> Result<(), String> {
        let known = &mut self.processes[process];
        if !known.alive {
            return Ok(());
        }
        known.desk.leave();
        if known.training.is_some() {
            let pause = self.up_to(SOON);
            self.step_after(process, pause);
        }
        self.say(|| format!("process {process} is going to leave"));
        self.see("a process whose time is over");
        self.wake(process)
    }

    /// Whoever lent the machine takes it back: the process ends at once.
    pub(crate) fn evict(&mut self, process: usize) {
        if !self.processes[process].alive {
            return;
        }
        self.see("a process that is evicted");
        self.processes[process].is_evicted = true;
        if self.processes[process].is_guest {
            // Nobody tells of it, and its connection is over once all has arrived that was under way.
            self.blame.worker(self.processes[process].worker, self.now + 2 * self.plan.latency);
        }
        self.die(process);
    }

    /// A node is said to be gone, and lives on without anybody's knowing.
    pub(crate) fn part(&mut self, process: usize) {
        let known = &mut self.processes[process];
        if !known.alive || known.is_guest || known.is_parted {
            return;
        }
        known.is_parted = true;
        let worker = known.worker;
        let holder = self.coordinator.as_ref().filter(|it| it.processes.get(&worker) == Some(&process));
        if let Some(run) = holder.map(|coordinator| coordinator.run) {
            self.see("a node that is gone and lives");
            let told = self.up_to(self.plan.latency);
            self.after(told, Happening::Exited { run, process, is_excused: true });
        }
    }

    pub(crate) fn connect(&mut self, process: usize) {
        let Process { alive, worker, link: Link::Alone { since }, .. } = self.processes[process] else { return };
        if !alive {
            return;
        }
        let Some(run) = self.coordinator.as_ref().map(|coordinator| coordinator.run) else {
            if self.now > since + self.plan.grace {
                self.see("a process that gives up");
                self.blame.worker(worker, self.now);
                self.die(process);
            } else {
                let pause = 20 + self.up_to(SOON);
                self.after(pause, Happening::Connect { process });
            }
            return;
        };
        let known = &mut self.processes[process];
        let left = known.ends.map(|ends| ends.saturating_sub(self.now));
        // A coordinator may hear of several greetings at once, and decide by the first.
        known.left_at_join = known.left_at_join.or(left);
        let who = known.seat.map_or(Who::Guest(process as u64), Who::Started);
        let host = known.host;
        let hello = Hello {
            protocol: VERSION,
            token: String::new(),
            who,
            process: process as u32,
            build: build(worker),
            host: host.map(|host| format!("host {host}")),
            seconds_left: left.map(|left| left as f64 / 1000.0),
            running: self.processes[process].desk.running(),
        };
        let connection = self.open(process, run, &Greeting::Worker(hello));
        self.processes[process].link = Link::Greeting { connection };
        self.after(WELCOME, Happening::Unwelcome { connection });
    }

    pub(crate) fn unwelcome(&mut self, connection: usize) {
        if self.processes[self.connections[connection].process].link == (Link::Greeting { connection }) {
            self.close_from_below(connection);
        }
    }

    /// The worker's end of a connection is over.
    pub(crate) fn lost_connection(&mut self, connection: usize) {
        let process = self.connections[connection].process;
        let known = &mut self.processes[process];
        if known.link == (Link::Greeting { connection }) || known.link == (Link::Open { connection }) {
            known.link = Link::Alone { since: self.now };
            let (worker, pause) = (known.worker, 20 + self.up_to(SOON));
            self.blame.worker(worker, self.now + pause);
            self.after(pause, Happening::Connect { process });
        }
    }

    pub(crate) fn heartbeat(&mut self, connection: usize) {
        let process = self.connections[connection].process;
        if self.processes[process].alive && self.processes[process].link == (Link::Open { connection }) {
            self.send_above(connection, &FromWorker::Heartbeat);
            self.after(HEARTBEAT, Happening::Heartbeat { connection });
        }
    }

    /// A message has come down a connection.
    pub(crate) fn told(&mut self, connection: usize, message: ToWorker) -> Result<(), String> {
        let process = self.connections[connection].process;
        let known = &mut self.processes[process];
        if !known.alive || known.link == (Link::Open { connection }) && matches!(message, ToWorker::Welcome(_)) {
            return Ok(());
        }
        if known.link == (Link::Greeting { connection }) {
            known.link = Link::Open { connection };
            let welcome = welcome(&message);
            known.desk.connected(welcome.places.clone(), known.host.is_some());
            self.after(HEARTBEAT, Happening::Heartbeat { connection });
        } else if known.link != (Link::Open { connection }) {
            return Ok(());
        }
        if let ToWorker::Assign(assignment) = &message
            && self.processes[process].stuck
        {
            self.blame.stuck(assignment.attempt);
        }
        if message == ToWorker::Drain {
            self.processes[process].drained_by.get_or_insert(self.connections[connection].run);
        }
        self.fetches(process, connection, &message);
        let known = &mut self.processes[process];
        known.desk.on_message(message);
        if known.training.is_some() && known.desk.stop() >= Stop::AfterBatch {
            let pause = self.up_to(SOON);
            self.step_after(process, pause);
        }
        self.wake(process)
    }

    /// What an attempt has asked for comes: the first piece begins anew, and each goes on where the one before has ended.
    fn fetches(&mut self, process: usize, connection: usize, message: &ToWorker) {
        let known = &mut self.processes[process];
        let awaits = known.desk.awaits().map(|(attempt, _)| attempt);
        let (attempt, piece) = match message {
            ToWorker::Piece { attempt, piece } if awaits == Some(*attempt) => (*attempt, piece),
            ToWorker::Kept { attempt, .. } => return known.answered = Some(*attempt),
            _ => return,
        };
        if piece.at > 0 && known.coming != Some((connection, piece.at)) {
            return;
        }
        let end = (piece.at + PIECE).min(piece.of);
        known.coming = Some((connection, end));
        let Some(TaskKey::Trial(trial)) = known.desk.running().map(|claim| claim.task) else { return };
        if end == piece.of {
            known.answered = Some(attempt);
            known.desk.fetched(attempt, piece.digest.clone());
            let host = known.host;
            self.disk.checkpoints.insert((host, trial), epochs(piece));
            self.see("a checkpoint that is fetched");
        }
    }

    /// A trial that is to begin is looked for on this machine, so that the coordinator can be asked for what it has.
    fn look(&mut self, process: usize) {
        let known = &mut self.processes[process];
        let Some((attempt, _)) = known.desk.looks() else { return };
        let is_again = known.looks.replace(attempt) == Some(attempt);
        let Some(TaskKey::Trial(trial)) = known.desk.running().map(|claim| claim.task) else { return };
        if !(is_again && self.bug == Some(Bug::AsksOnce)) {
            let here = self.disk.checkpoints.get(&(known.host, trial)).map(u32::to_string);
            known.desk.has(attempt, here);
        }
        if is_again {
            self.see("a checkpoint that is asked for again");
        }
    }

    fn step_after(&mut self, process: usize, pause: u64) {
        self.processes[process].token += 1;
        let token = self.processes[process].token;
        self.after(pause, Happening::Step { process, token });
    }

    /// Does what the desk has to do: takes up work, sends what is unsent, leaves.
    fn wake(&mut self, process: usize) -> Result<(), String> {
        self.look(process);
        let known = &mut self.processes[process];
        if known.training.is_none()
            && let Some((_, assignment)) = known.desk.take()
        {
            let trial = match &assignment.work {
                Work::Train { features: Some(features), .. } => Some(features.key()),
                Work::Fill { from: Some(from), .. } => Some(from.key()),
                _ => None,
            };
            let host = known.host;
            if let Some(key) = trial.filter(|key| !self.disk.features.contains(&(host, key.clone()))) {
                return Err(format!(
                    "attempt {} needs the features {key}, which nobody has filled on its host",
                    assignment.attempt
                ));
            }
            let known = &mut self.processes[process];
            let is_hurried = known.desk.is_leaving() || known.desk.stop() != Stop::No;
            let is_trial = matches!(assignment.work, Work::Train { .. });
            if is_trial && host.is_some() && !is_hurried && known.answered != Some(assignment.attempt) {
                return Err(format!("attempt {} begins before its checkpoint has come", assignment.attempt));
            }
            known.training = Some(Training { assignment, epoch: 0, resumed: false });
            let pause = 1 + self.up_to(self.plan.step);
            self.step_after(process, pause);
        }
        let known = &mut self.processes[process];
        let Link::Open { connection } = known.link else { return Ok(()) };
        loop {
            let desk = &mut self.processes[process].desk;
            let (reports, part) = (messages(&desk.unsent()), desk.part());
            for message in reports {
                if let FromWorker::Fetch { claim, .. } = &message {
                    self.processes[process].asks = Some((claim.attempt, connection));
                }
                for message in self.falsified(process, message) {
                    self.send_above(connection, &message);
                }
            }
            let Some(part) = part else { break };
            self.send_part(process, connection, part);
        }
        let known = &self.processes[process];
        if let Some((attempt, _)) = known.desk.awaits()
            && known.asks != Some((attempt, connection))
        {
            return Err(format!("attempt {attempt} waits for a checkpoint that nobody was asked for"));
        }
        if self.processes[process].desk.is_done() && self.processes[process].training.is_none() {
            self.say(|| format!("process {process} leaves"));
            self.see("a process that leaves");
            let (worker, drained_by) = (self.processes[process].worker, self.processes[process].drained_by);
            self.die(process);
            // Of a coordinator that is gone the next one does not know what it said, and gives out work until it notices.
            let Connection { run, over, .. } = &self.connections[connection];
            if let Some((noticed, _)) = over.filter(|_| drained_by != Some(*run)) {
                self.blame.worker(worker, noticed);
            }
        }
        Ok(())
    }

    fn send_part(&mut self, process: usize, connection: usize, part: Part) {
        let Part { claim, freight, parcel, at } = part;
        if freight == Freight::Model {
            let before = self.processes[process].sends.replace(claim.attempt);
            if before == Some(claim.attempt) && at == 0 {
                self.see("a model that is sent again");
            }
            if self.bug == Some(Bug::SendsModelsOnce) && before == Some(claim.attempt) && at == 0 {
                return;
            }
        }
        let Parcel { bytes: of, digest, .. } = parcel;
        let piece = Piece { at, of, digest, bytes: Vec::new() };
        self.send_above(connection, &FromWorker::Piece { claim, freight, piece });
    }

    /// A trainer's step ends.
    pub(crate) fn step(&mut self, process: usize, token: u64) -> Result<(), String> {
        let calm = self.is_calm();
        let known = &mut self.processes[process];
        if !known.alive || known.token != token {
            return Ok(());
        }
        let (stop, fails) = (known.desk.stop(), known.fails.filter(|_| !calm));
        let Some(training) = &mut known.training else { return Ok(()) };
        let attempt = training.assignment.attempt;
        if known.stuck {
            return Ok(());
        }
        if known.sticks && !calm {
            known.stuck = true;
            // What it was given meanwhile is not begun either.
            let next = known.desk.running().map(|claim| claim.attempt);
            [Some(attempt), next].into_iter().flatten().for_each(|attempt| self.blame.stuck(attempt));
            self.see("a trainer that stands still");
            return Ok(());
        }
        let mut reports = Vec::new();
        match training.assignment.work.clone() {
            _ if stop >= Stop::AfterBatch => reports.push(Report::Stopped),
            _ if known.poisoned => reports.push(failed(FailureKind::Device)),
            _ if fails.is_some_and(|_| training.resumed) => {
                known.fails = None;
                reports.extend(fails.map(failed));
            }
            Work::Fill { spec, .. } if training.resumed => {
                let computed = self.disk.features.insert((known.host, spec.key()));
                reports.push(Report::Filled(Filled { bytes: 1, seconds: 1.0, computed }));
            }
            Work::Fill { .. } => training.resumed = true,
            Work::Train { trial, spec, .. } => {
                let epochs = spec.parameters.epochs;
                if !training.resumed {
                    training.resumed = true;
                    training.epoch = self.disk.checkpoints.get(&(known.host, trial)).copied().unwrap_or_default();
                    reports.extend((1..=training.epoch).map(|epoch| Report::Epoch(metrics(trial, epoch))));
                } else if training.epoch < epochs {
                    training.epoch += 1;
                    if self.plan.trial(trial).diverges == Some(training.epoch) {
                        reports.push(failed(FailureKind::Diverged));
                    } else {
                        // Not after every epoch: only so often, and where a trial is interrupted.
                        if stop != Stop::No || (training.epoch + u32::from(trial.0[0])).is_multiple_of(2) {
                            self.disk.checkpoints.insert((known.host, trial), training.epoch);
                            let checkpoint = parcel(training.epoch.to_string());
                            known.desk.attach(attempt, Freight::Checkpoint, checkpoint);
                        }
                        reports.push(Report::Epoch(metrics(trial, training.epoch)));
                    }
                } else {
                    self.disk.checkpoints.remove(&(known.host, trial));
                    // Where it does not see the coordinator's disk.
                    if known.host.is_some() {
                        self.blame.travels.insert(attempt);
                        known.desk.attach(attempt, Freight::Model, parcel(String::new()));
                    }
                    reports.push(Report::Complete(evaluation(trial)));
                }
                if training.epoch < epochs && stop != Stop::No && !reports.iter().any(Report::is_last) {
                    reports.push(Report::Stopped);
                }
            }
        }
        let over = reports.iter().any(Report::is_last);
        if reports.last() == Some(&Report::Stopped)
            && let TaskKey::Trial(trial) = training.assignment.work.task()
            && let Some(epochs) = self.disk.checkpoints.get(&(known.host, trial))
        {
            known.desk.attach(attempt, Freight::Checkpoint, parcel(epochs.to_string()));
        }
        for report in reports {
            if let Report::Failed(failure) = &report {
                self.blame.said(attempt, failure.kind);
            }
            self.processes[process].desk.report(attempt, report);
        }
        if over {
            self.processes[process].training = None;
        } else {
            let pause = 1 + self.up_to(self.plan.step);
            self.step_after(process, pause);
        }
        self.wake(process)
    }

    /// A process is gone, and with it its connection; what it sent still arrives.
    pub(crate) fn die(&mut self, process: usize) {
        let Process { alive, worker, link, killed_by, is_evicted, is_guest, .. } = self.processes[process];
        if !alive {
            return;
        }
        self.processes[process].alive = false;
        if let Link::Greeting { connection } | Link::Open { connection } = link {
            self.close_from_below(connection);
        }
        let told = self.up_to(self.plan.latency);
        if let Some(coordinator) = &self.coordinator
            && coordinator.processes.get(&worker) == Some(&process)
        {
            let run = coordinator.run;
            // A coordinator that ended its worker itself has given its attempt up before.
            if killed_by.is_some_and(|killer| killer != run) {
                self.blame.worker(worker, self.now + told);
            }
            let is_excused = is_evicted || self.processes[process].is_parted;
            self.after(told, Happening::Exited { run, process, is_excused });
        }
        if is_guest {
            let pause = self.up_to(20_000);
            self.after(pause, Happening::Visit);
        }
    }

    pub(crate) fn crash(&mut self, process: usize) {
        self.see("a crash");
        self.blame.worker(self.processes[process].worker, self.now + 2 * self.plan.latency);
        self.die(process);
    }

    pub(crate) fn hang(&mut self, process: usize) {
        let pause = 1 + self.up_to(3 * self.plan.settings.lease);
        let for_ever = self.chance(0.3);
        let known = &mut self.processes[process];
        known.hung_until = known.hung_until.max(if for_ever { u64::MAX } else { self.now + pause });
        let (worker, until) = (known.worker, known.hung_until.saturating_add(self.plan.latency));
        self.blame.worker(worker, until);
        self.see("a hang");
    }

    /// Breaks a process' connection; one end may notice much later than the other.
    pub(crate) fn cut(&mut self, process: usize) {
        if let Link::Greeting { connection } | Link::Open { connection } = self.processes[process].link {
            let most = [10, 2_000, 2 * self.plan.settings.lease][self.rng.random_range(0..3)];
            let (above, below) = (self.up_to(most), self.up_to(most));
            self.blame.worker(self.processes[process].worker, self.now + above.max(below) + SOON + self.plan.latency);
            self.see("a broken connection");
            self.end_connection(connection, above, below);
        }
    }

    /// What the process really sends, where it is to lie.
    fn falsified(&mut self, process: usize, message: FromWorker) -> Vec<FromWorker> {
        let FromWorker::Report { claim, number, report } = &message else { return vec![message] };
        if self.processes[process].lies == 0 || self.is_calm() {
            return vec![message];
        }
        self.processes[process].lies -= 1;
        self.see("a lie");
        self.blame.lied(claim.attempt);
        let say =
            |claim: &Claim, number: u32, report: Report| FromWorker::Report { claim: claim.clone(), number, report };
        let mut foreign = claim.clone();
        match (self.rng.random_range(0..7), report.clone()) {
            (0, Report::Epoch(mut metrics)) => {
                metrics.epoch += 1;
                vec![say(claim, *number, Report::Epoch(metrics))]
            }
            (1, Report::Epoch(_)) => {
                let trial = self.plan.trials[0].id;
                vec![say(claim, *number, Report::Complete(evaluation(trial)))]
            }
            (2, Report::Epoch(_)) => {
                vec![say(claim, *number, Report::Filled(Filled { bytes: 0, seconds: 0.0, computed: true }))]
            }
            // Beside the truth, an earlier report once more.
            (3, report) => vec![message.clone(), say(claim, number - 1, report)],
            (4, report) => {
                let other = claim.attempt.0.saturating_add_signed([-1, 1][self.rng.random_range(0..2)]);
                foreign.attempt = AttemptId(other);
                self.blame.lied(foreign.attempt);
                vec![message.clone(), say(&foreign, *number, report)]
            }
            (5, report) => {
                let place = self.rng.random_range(0..self.plan.trials.len());
                foreign.task = TaskKey::Trial(self.plan.trials[place].id);
                vec![message.clone(), say(&foreign, *number, report)]
            }
            (_, report) => vec![say(claim, number + 1, report)],
        }
    }
}

fn failed(kind: FailureKind) -> Report {
    Report::Failed(Failure { kind, message: "as planned".to_owned(), log: Vec::new() })
}

fn build(worker: WorkerId) -> Build {
    Build {
        version: "0".to_owned(),
        libtorch: "0".to_owned(),
        // Two workers share a GPU.
        device: format!("cuda:{}", worker.0 / 2),
        threads: 1,
        host: "h".to_owned(),
        processor: None,
    }
}
