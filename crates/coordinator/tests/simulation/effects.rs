//! How the coordinator's hands of the simulation carry out what the core has committed, and what must be true of it.

use crate::coordinator::Coordinator;
use crate::plan::FILL;
use crate::world::Happening;
use crate::world::World;
use frostline_coordinator::core::Action;
use frostline_protocol::{Response, Seat, ToWorker, Work, WorkerId};
use frostline_scheduler::Scheduler;
use frostline_sweep::record::{Record, TaskKey};

impl World {
    pub(crate) fn record(&mut self, record: &Record) -> Result<(), String> {
        self.say(|| in_short(record));
        self.justify(record)?;
        self.database.apply(record).map_err(|refusal| format!("the database refuses a record: {refusal}"))
    }

    /// The scheduler and the database must agree after every commit.
    pub(crate) fn compare(&self, scheduler: &Scheduler) -> Result<(), String> {
        for (trial, state) in scheduler.states() {
            let stored = self.database.trials[&trial];
            if stored != state {
                return Err(format!("trial {trial} is {state} to the scheduler and {stored} in the database"));
            }
        }
        let mut running: Vec<(WorkerId, &TaskKey, u32)> = scheduler.running().collect();
        let mut stored: Vec<(WorkerId, &TaskKey, u32)> =
            self.database.running().map(|(_, it)| (it.worker, &it.task, it.epochs.len() as u32)).collect();
        running.sort();
        stored.sort();
        if running != stored {
            return Err(format!("the scheduler runs {running:?}, the database {stored:?}"));
        }
        Ok(())
    }

    pub(crate) fn carry_out(&mut self, coordinator: &mut Coordinator, actions: Vec<Action>) -> Result<(), String> {
        actions.into_iter().try_for_each(|action| self.act(coordinator, action))
    }

    fn act(&mut self, coordinator: &mut Coordinator, action: Action) -> Result<(), String> {
        match action {
            Action::Tell { peer, message } => {
                let connection = peer.0 as usize;
                self.is_true(coordinator, connection, &message)?;
                let worker = self.processes[self.connections[connection].process].worker;
                self.say(|| format!("worker {} is told: {}", worker.0, message_in_short(&message)));
                self.send_below(connection, &message);
            }
            Action::Close(peer) => {
                let connection = peer.0 as usize;
                self.say(|| format!("connection {connection} is closed"));
                // What the worker has sent may still come out of it for a while.
                let above = if self.plan.hears_old_connections { self.up_to(self.plan.settings.lease) } else { 0 };
                self.end_connection(connection, above, self.plan.latency);
            }
            Action::Launch { worker, incarnation } => {
                if let Some(process) = coordinator.processes.get(&worker) {
                    return Err(format!("worker {} is started while its process {process} lives", worker.0));
                }
                let process = match coordinator.survivors.remove(&worker) {
                    Some(process) => {
                        self.see("a survivor");
                        process
                    }
                    None if self.jobs.contains_key(&worker) => {
                        self.see("a job that still waits");
                        coordinator.queued.insert(worker);
                        return Ok(());
                    }
                    None if self.bad_starts > 0 && !self.is_calm() && self.chance(0.3) => {
                        self.bad_starts -= 1;
                        self.see("a process that cannot be started");
                        coordinator.failed_starts.push(worker);
                        return Ok(());
                    }
                    None if self.plan.settings.backlog.is_some() => {
                        self.jobs.insert(worker, incarnation);
                        coordinator.queued.insert(worker);
                        // Longer than any process may take to connect.
                        let pause = self.up_to(3 * self.plan.settings.start);
                        self.after(pause, Happening::Begin { worker, incarnation });
                        return Ok(());
                    }
                    None => self.spawn(Some(Seat { worker, incarnation })),
                };
                coordinator.processes.insert(worker, process);
            }
            Action::Kill(worker) => {
                if let Some(process) = coordinator.processes.get(&worker) {
                    self.kill(*process);
                } else if coordinator.queued.remove(&worker) {
                    self.see("a job that is taken out of the queue");
                    self.jobs.remove(&worker);
                    let pause = self.up_to(self.plan.latency);
                    self.after(pause, Happening::Unqueued { run: coordinator.run, worker });
                }
            }
            Action::Answer { ask, response } => {
                let Some(asked) = coordinator.asked.remove(&ask) else {
                    return Err(format!("{ask:?} is answered, and nobody has asked"));
                };
                let Response::Done(count) = response else {
                    return Err(format!("a cancellation is answered with {response:?}"));
                };
                self.say(|| format!("{count} of {} trials are cancelled", asked.len()));
                // Of those that had ended before, nobody was assured of anything.
                let database = &self.database;
                let cancelled: Vec<_> = asked.into_iter().filter(|trial| !database.is_complete(*trial)).collect();
                if count < cancelled.len() as u64 && !cancelled.iter().all(|trial| database.trials[trial].is_final())
                {
                    return Err(format!("{count} trials are said to be cancelled, of {}", cancelled.len()));
                }
                self.blame.answered(cancelled);
            }
        }
        Ok(())
    }

    /// Looks which places guests have; what has happened to a guest is that worker's fate.
    pub(crate) fn call_guests(&mut self, coordinator: &Coordinator) {
        for process in 0..self.processes.len() {
            let place = coordinator.core.guest(process as u64).filter(|_| self.processes[process].is_guest);
            if let Some(worker) = place {
                let before = std::mem::replace(&mut self.processes[process].worker, worker);
                self.blame.inherits(before, worker);
            }
        }
    }

    /// Whether a worker may be told this.
    fn is_true(&self, coordinator: &Coordinator, connection: usize, message: &ToWorker) -> Result<(), String> {
        match message {
            ToWorker::Assign(assignment) => {
                let (attempt, task) = (assignment.attempt, assignment.work.task());
                let process = self.connections[connection].process;
                // What a dead process said last may still arrive, and is answered.
                if self.processes[process].alive && self.blame.is_broken(coordinator.run, process) {
                    return Err(format!("attempt {attempt} is given to process {process}, whose GPU has failed"));
                }
                let worker = self.processes[process].worker;
                let known_process = &self.processes[process];
                if !known_process.is_guest && coordinator.processes.get(&worker).is_some_and(|it| *it != process) {
                    return Err(format!("attempt {attempt} is given to process {process}, whose place is another's"));
                }
                if matches!(assignment.work, Work::Fill { .. })
                    && known_process.left_at_join.is_some_and(|left| left <= FILL)
                {
                    return Err(format!("attempt {attempt} fills and process {process} has no time for it"));
                }
                let known = self.database.attempts.get(&attempt);
                // A guest that came and went within one turn was never seen in the place that it had then, which is a later one
                // than it had before, and nobody's that was seen.
                let is_seen = |holder: WorkerId| self.processes.iter().any(|process| process.worker == holder);
                let is_its = |holder: WorkerId| {
                    holder == worker || worker.0 == 0 || known_process.is_guest && holder > worker && !is_seen(holder)
                };
                if known.is_none_or(|known| known.task != task || !is_its(known.worker)) {
                    return Err(format!("attempt {attempt} is given out and not in the database"));
                }
                let process = coordinator.processes.get(&worker);
                if process.is_some_and(|process| self.processes[*process].killed_by == Some(coordinator.run)) {
                    return Err(format!("attempt {attempt} is given to worker {}, which is ended", worker.0));
                }
            }
            ToWorker::Acknowledge { attempt, number } if !self.database.has_report(*attempt, *number) => {
                return Err(format!("report {number} of attempt {attempt} is acknowledged and not in the database"));
            }
            _ => {}
        }
        Ok(())
    }
}

fn message_in_short(message: &ToWorker) -> String {
    match message {
        ToWorker::Assign(assignment) => format!("attempt {}", assignment.attempt),
        ToWorker::Welcome(_) => "welcome".to_owned(),
        other => format!("{other:?}"),
    }
}

fn in_short(record: &Record) -> String {
    match record {
        Record::Started { attempt, task, worker, .. } => {
            format!("attempt {attempt} starts on worker {worker}: {task:?}")
        }
        Record::Epoch { attempt, metrics, .. } => format!("attempt {attempt} has epoch {}", metrics.epoch),
        Record::Completed { attempt, .. } => format!("attempt {attempt} completes its trial"),
        Record::Filled { attempt, .. } => format!("attempt {attempt} has filled"),
        Record::Ended { attempt, ending, trial } => format!("attempt {attempt} ends: {ending:?}, {trial:?}"),
        Record::State { trial, state } => format!("trial {trial} is {state}"),
        Record::Noted { sweep, text } => format!("{sweep} is noted: {text}"),
    }
}
