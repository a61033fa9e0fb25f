//! How the coordinator of the simulation carries out what the scheduler decides.

use crate::coordinator::Coordinator;
use crate::world::{Bug, Doom, World};
use frostline_protocol::{Assignment, ToWorker, Work, WorkerId};
use frostline_scheduler::{Effect, Scheduler, Task};
use frostline_sweep::record::{Record, TaskKey};

impl World {
    /// Commits the records, then does the rest. False where the coordinator died meanwhile.
    pub(crate) fn carry_out(&mut self, coordinator: &mut Coordinator, effects: Vec<Effect>) -> Result<bool, String> {
        let is_record = |effect: &Effect| matches!(effect, Effect::Record(_));
        let (records, mut rest): (Vec<Effect>, Vec<Effect>) = effects.into_iter().partition(is_record);
        let doom = if records.is_empty() || self.is_calm() { None } else { self.doom.take() };
        if doom.is_some() {
            self.see("a death at a commit");
        }
        if self.bug == Some(Bug::AcknowledgesBeforeCommit) {
            let hasty =
                |effect: &Effect| matches!(effect, Effect::Tell { message: ToWorker::Acknowledge { .. }, .. });
            let (hasty, others) = rest.into_iter().partition(hasty);
            rest = others;
            self.effect_all(coordinator, hasty)?;
        }
        if doom == Some(Doom::BeforeCommit) {
            return Ok(false);
        }
        for effect in &records {
            if let Effect::Record(record) = effect {
                self.record(record)?;
            }
        }
        self.compare(&coordinator.scheduler)?;
        let cancelled = std::mem::take(&mut coordinator.cancelled);
        match doom {
            Some(Doom::AfterCommit) => return Ok(false),
            Some(Doom::Midway) => rest.truncate(self.up_to(rest.len() as u64) as usize),
            _ => {}
        }
        self.effect_all(coordinator, rest)?;
        if doom.is_none() {
            self.blame.answered(cancelled);
        }
        Ok(doom.is_none())
    }

    fn record(&mut self, record: &Record) -> Result<(), String> {
        self.say(|| in_short(record));
        self.justify(record)?;
        self.database.apply(record).map_err(|refusal| format!("the database refuses a record: {refusal}"))
    }

    /// The scheduler and the database must agree after every commit.
    fn compare(&self, scheduler: &Scheduler) -> Result<(), String> {
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

    fn effect_all(&mut self, coordinator: &mut Coordinator, effects: Vec<Effect>) -> Result<(), String> {
        effects.into_iter().try_for_each(|effect| self.effect(coordinator, effect))
    }

    fn effect(&mut self, coordinator: &mut Coordinator, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::Record(_) => {}
            Effect::Assign { worker, attempt, task } => {
                let known = self.database.attempts.get(&attempt);
                if known.is_none_or(|known| known.task != task.key() || known.worker != worker) {
                    return Err(format!("attempt {attempt} is given out and not in the database"));
                }
                let process = coordinator.processes.get(&worker);
                if process.is_some_and(|process| self.processes[*process].killed_by == Some(coordinator.run)) {
                    return Err(format!("attempt {attempt} is given to worker {}, which is ended", worker.0));
                }
                self.say(|| format!("worker {} is given attempt {attempt}", worker.0));
                let work = self.work(task);
                self.tell(coordinator, worker, &ToWorker::Assign(Box::new(Assignment { attempt, work })));
            }
            Effect::Tell { worker, message } => {
                if let ToWorker::Acknowledge { attempt, number } = message
                    && !self.database.has_report(attempt, number)
                {
                    return Err(format!(
                        "report {number} of attempt {attempt} is acknowledged and not in the database"
                    ));
                }
                self.say(|| format!("worker {} is told: {message:?}", worker.0));
                self.tell(coordinator, worker, &message);
            }
            Effect::Disconnect(worker) => {
                if let Some(connection) = coordinator.connections.get(&worker) {
                    self.say(|| format!("worker {} is disconnected", worker.0));
                    self.end_connection(*connection, 0, self.plan.latency);
                }
            }
            Effect::Launch(worker) => {
                if let Some(process) = coordinator.processes.get(&worker) {
                    return Err(format!("worker {} is started while its process {process} lives", worker.0));
                }
                let process = match coordinator.survivors.remove(&worker) {
                    Some(process) => {
                        self.see("a survivor");
                        process
                    }
                    None if self.bad_starts > 0 && !self.is_calm() && self.chance(0.3) => {
                        self.bad_starts -= 1;
                        self.see("a process that cannot be started");
                        coordinator.failed_starts.push(worker);
                        return Ok(());
                    }
                    None => self.spawn(worker),
                };
                coordinator.processes.insert(worker, process);
            }
            Effect::Kill(worker) => {
                if let Some(process) = coordinator.processes.get(&worker) {
                    self.kill(*process);
                }
            }
        }
        Ok(())
    }

    fn work(&self, task: Task) -> Work {
        let spec = |key: &_| self.plan.features[key].clone();
        match task {
            Task::Train { trial, features, micro_batch } => Work::Train {
                trial,
                spec: self.plan.trial(trial).spec.clone(),
                features: features.as_ref().map(spec),
                micro_batch,
            },
            Task::Fill { key, from, streams } => {
                Work::Fill { spec: spec(&key), from: from.as_ref().map(spec), streams }
            }
        }
    }

    fn tell(&mut self, coordinator: &Coordinator, worker: WorkerId, message: &ToWorker) {
        if let Some(connection) = coordinator.connections.get(&worker) {
            self.send_below(*connection, message);
        }
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
    }
}
