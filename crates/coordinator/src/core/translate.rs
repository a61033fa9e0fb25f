//! What has happened, in the scheduler's words.

use super::{Action, Core, Input, Journal, PeerId};
use frostline_protocol::{FromWorker, Hello, ToWorker, VERSION, Welcome};
use frostline_scheduler::{Effect, Event, Time};

impl<J: Journal> Core<J> {
    /// What an input means to the scheduler, if anything.
    pub(super) fn translate(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) -> Option<Event> {
        match input {
            Input::Joined { peer, hello } => self.join(peer, hello),
            Input::Said { peer, message } => {
                let worker = self.roster.worker(peer)?;
                Some(match message {
                    FromWorker::Heartbeat => Event::Heard { worker },
                    FromWorker::Progress { claim, done, total } => {
                        // What a worker says of an attempt that it has no more is not shown.
                        match self.scheduler.is_current(worker, &claim) {
                            true => {
                                self.roster.stepped(worker, done, total);
                                Event::Stepped { worker }
                            }
                            false => Event::Heard { worker },
                        }
                    }
                    FromWorker::Report { claim, number, report } => {
                        self.roster.reported(worker);
                        Event::Reported { worker, claim, number, report }
                    }
                })
            }
            Input::Left { peer, fault } => {
                let worker = self.roster.leave(peer)?;
                if let Some(fault) = fault {
                    self.faults += 1;
                    tracing::warn!(worker = worker.0, faults = self.faults, "closed a connection: {fault}");
                }
                Some(Event::Left { worker })
            }
            Input::TurnedAway { reason } => {
                self.faults += 1;
                tracing::warn!(faults = self.faults, "turned a connection away: {reason}");
                None
            }
            Input::Asked { ask, command } => {
                self.ask(now, ask, command, effects);
                None
            }
            Input::Exited { worker, description, log } => {
                self.roster.exited(worker);
                tracing::info!(worker = worker.0, "worker process ended: {description}");
                Some(Event::Exited { worker, description, log })
            }
            Input::Interrupted => {
                self.leaving = self.draining;
                self.draining = true;
                Some(Event::Drain)
            }
        }
    }

    fn join(&mut self, peer: PeerId, hello: Hello) -> Option<Event> {
        let worker = hello.worker;
        let welcome = Welcome {
            protocol: VERSION,
            heartbeat: self.terms.heartbeat,
            reconnect_grace: self.terms.reconnect_grace,
            places: self.terms.places.clone(),
        };
        // Also to one that is turned away: it learns the version from it.
        self.early.push(Action::Tell { peer, message: ToWorker::Welcome(welcome) });
        if hello.protocol != VERSION || !self.roster.knows(worker) {
            tracing::warn!(worker = worker.0, protocol = hello.protocol, "turned a worker away");
            self.early.push(Action::Close(peer));
            return None;
        }
        tracing::info!(worker = worker.0, process = hello.process, device = hello.build.device, "worker connected");
        self.early.extend(self.roster.join(worker, peer).map(Action::Close));
        Some(Event::Joined { worker, build: hello.build, running: hello.running })
    }
}
