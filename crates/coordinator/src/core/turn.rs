//! The end of a turn: what follows from the scheduler's effects is committed, noted, and put into words for hands.

use super::{Action, Committed, Core, FAREWELL, Fact, Journal, Outcome, Stage};
use frostline_protocol::{Assignment, ToWorker, WorkerId};
use frostline_scheduler::{Effect, Event, Time};
use frostline_sweep::record::{Ending, Record};

impl<J: Journal> Core<J> {
    pub(super) fn settle(
        mut self,
        now: Time,
        mut effects: Vec<Effect>,
        log: &dyn Fn(WorkerId) -> Vec<String>,
    ) -> Result<(Core<J>, Committed), J::Error> {
        self.begin_to_leave(now, &mut effects);
        let mut records = Vec::new();
        let mut actions = std::mem::take(&mut self.early);
        for effect in effects {
            match effect {
                Effect::Record(mut record) => {
                    self.complete_record(&mut record, log);
                    records.push(record);
                }
                Effect::Assign { worker, attempt, task } => {
                    let work = self.worklist.work(&task);
                    let begun = records.iter_mut().rev().find_map(|record| match record {
                        Record::Started { attempt: its, start, .. } if *its == attempt => Some(start),
                        _ => None,
                    });
                    if let Some(start) = begun {
                        *start = work.as_ref().and_then(|work| self.worklist.start(work));
                    }
                    let message = work.map(|work| ToWorker::Assign(Box::new(Assignment { attempt, work })));
                    actions.extend(message.and_then(|message| self.roster.tell(worker, message)));
                }
                Effect::Tell { worker, message } => actions.extend(self.roster.tell(worker, message)),
                Effect::Disconnect(worker) => {
                    if let Some(peer) = self.roster.peer(worker) {
                        let breaches = self.scheduler.breaches();
                        tracing::warn!(worker = worker.0, breaches, "closed a connection: a message was not due");
                        // Its end is noticed, and the scheduler hears that the worker has left.
                        actions.push(Action::Close(peer));
                    }
                }
                Effect::Dismiss { worker, for_good } => {
                    actions.extend(self.roster.dismissed(worker, for_good).map(Action::Close));
                }
                Effect::Launch { worker, incarnation } => {
                    self.roster.started(worker);
                    actions.push(Action::Launch { worker, incarnation });
                }
                Effect::Kill(worker) => actions.push(Action::Kill(worker)),
            }
        }
        if !records.is_empty() {
            self.journal.commit(&records)?;
        }
        actions.append(&mut self.answers);
        self.leave(now, &mut actions);
        let facts = records.into_iter().map(|record| self.note(record)).collect();
        Ok((self, Committed { facts, actions }))
    }

    /// A worker that fell silent has not told what it wrote last.
    fn complete_record(&mut self, record: &mut Record, log: &dyn Fn(WorkerId) -> Vec<String>) {
        match record {
            Record::Started { attempt, worker, .. } => self.roster.holds(WorkerId(*worker), *attempt),
            Record::Ended { attempt, ending: Ending::Failed(failure), .. } if failure.log.is_empty() => {
                failure.log = self.roster.holder(*attempt).map_or(Vec::new(), log);
            }
            _ => {}
        }
    }

    /// Follows what is committed.
    fn note(&mut self, record: Record) -> Fact {
        let fact = self.progress.note(record, &self.worklist);
        if let Some(spec) = fact.ended().and_then(|trial| self.worklist.done_with(trial)) {
            self.progress.done_with(&spec);
        }
        fact
    }

    /// Lets every worker go once there is nothing more to give out.
    fn begin_to_leave(&mut self, now: Time, effects: &mut Vec<Effect>) {
        if self.stage != Stage::Working || !(self.scheduler.is_finished() || self.leaving) {
            return;
        }
        let outcome = match self.scheduler.last_exit() {
            _ if self.draining => Outcome::Interrupted,
            Some(exit) if self.scheduler.is_stuck() => Outcome::Stuck(exit.to_owned()),
            _ => Outcome::Finished,
        };
        self.scheduler.handle(now, Event::Drain, effects);
        self.stage = Stage::Leaving { until: Time(now.0.saturating_add(FAREWELL)), killed: false, outcome };
    }

    /// Ends workers whose time to leave is over.
    fn leave(&mut self, now: Time, actions: &mut Vec<Action>) {
        let Stage::Leaving { until, killed, outcome } = &mut self.stage else { return };
        let is_lent = self.terms.is_lent;
        let lingers = |worker: &WorkerId| !is_lent || self.roster.peer(*worker).is_some();
        if self.roster.alive().any(|worker| lingers(&worker)) {
            let in_haste = self.leaving && !*killed;
            if !in_haste && now < *until {
                return;
            }
            if !*killed {
                actions.extend(self.roster.alive().map(Action::Kill));
                (*until, *killed) = (Time(now.0.saturating_add(FAREWELL)), true);
                return;
            }
            tracing::error!("worker processes {:?} did not end", self.roster.alive().collect::<Vec<_>>());
        }
        let (stale, breaches) = (self.scheduler.stale(), self.scheduler.breaches());
        // Each breach is stale, too.
        if stale + self.faults > 0 {
            tracing::info!(
                stale,
                breaches,
                faults = self.faults,
                "messages that changed nothing, connections closed"
            );
        }
        self.stage = Stage::Over(outcome.clone());
    }
}
