//! What has happened, in the scheduler's words.

use super::roster::Guest;
use super::{Action, Core, Input, Journal, PeerId, Stage};
use frostline_protocol::{FromWorker, Hello, ToWorker, VERSION, Welcome, Who, WorkerId};
use frostline_scheduler::{About, Effect, Event, Time};

impl<J: Journal> Core<J> {
    /// What an input means to the scheduler, if anything.
    pub(super) fn translate(&mut self, now: Time, input: Input, effects: &mut Vec<Effect>) -> Option<Event> {
        match input {
            Input::Joined { peer, hello } => self.join(now, peer, hello),
            Input::Said { peer, message } => {
                let worker = self.roster.worker(peer)?;
                Some(match message {
                    // What is asked for lies on the disk, and who serves the connection answers.
                    FromWorker::Heartbeat | FromWorker::Fetch { .. } => Event::Heard { worker },
                    FromWorker::Leaving => Event::Leaving { worker },
                    // How far a worker has come with an attempt that it has no more is not shown.
                    FromWorker::Progress { ref claim, .. } | FromWorker::Piece { ref claim, .. }
                        if !self.scheduler.is_current(worker, claim) =>
                    {
                        Event::Heard { worker }
                    }
                    FromWorker::Progress { done, total, .. } => {
                        self.roster.stepped(worker, done, total);
                        Event::Stepped { worker }
                    }
                    FromWorker::Piece { .. } => Event::Stepped { worker },
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
            Input::Began { worker } => Some(Event::Began { worker }),
            Input::Missing { seat, is_excused, description, log } => {
                if !self.scheduler.may_be_gone(seat) {
                    return None;
                }
                let worker = seat.worker;
                self.translate(now, Input::Exited { worker, is_excused, description, log }, effects)
            }
            Input::Exited { worker, is_excused, description, log } => {
                self.roster.exited(worker);
                // Said to be gone, it may live on behind a broken network: what it says is no longer this worker's word.
                self.early.extend(self.roster.unseat(worker).map(Action::Close));
                tracing::info!(worker = worker.0, "worker process ended: {description}");
                Some(Event::Exited { worker, is_excused, description, log })
            }
            Input::Interrupted => {
                self.leaving = self.draining;
                self.draining = true;
                Some(Event::Drain)
            }
        }
    }

    fn join(&mut self, now: Time, peer: PeerId, hello: Hello) -> Option<Event> {
        let is_ours = hello.protocol == VERSION;
        let worker = match hello.who {
            _ if !is_ours => None,
            Who::Started(seat) => Some(seat.worker).filter(|worker| self.scheduler.seat(*worker) == Some(seat)),
            Who::Guest(number) => match self.roster.guest(number) {
                Some(Guest::Seated(worker)) => Some(worker),
                Some(Guest::Gone) => None,
                None => self.admit(now, number),
            },
        };
        let process = hello.process;
        let welcome = Welcome {
            protocol: VERSION,
            heartbeat: self.terms.heartbeat,
            reconnect_grace: self.terms.reconnect_grace,
            places: self.terms.places.clone(),
        };
        // Also to one that is turned away: it learns the version from it.
        self.early.push(Action::Tell { peer, message: ToWorker::Welcome(welcome) });
        let Some(worker) = worker else {
            tracing::warn!(process, who = ?hello.who, protocol = hello.protocol, "turned a worker away");
            // Another process may have its place by now: it is not to come back, and what it holds is nobody's.
            let stop = hello.running.map(|claim| ToWorker::Stop { attempt: claim.attempt });
            let messages = stop.into_iter().chain([ToWorker::Drain]);
            self.early.extend(messages.map(|message| Action::Tell { peer, message }));
            self.early.push(Action::Close(peer));
            return None;
        };
        let host = hello.host.as_deref().unwrap_or("this host");
        tracing::info!(worker = worker.0, process, device = hello.build.device, host, "worker connected");
        self.early.extend(self.roster.join(worker, peer).map(Action::Close));
        let left = hello.seconds_left.map(|seconds| (1000.0 * seconds.max(0.0)) as u64);
        let about = About { build: hello.build, host: hello.host, left };
        Some(Event::Joined { worker, about, running: hello.running })
    }

    /// A place for somebody whom nobody has started, as long as there is anything to do.
    fn admit(&mut self, now: Time, number: u64) -> Option<WorkerId> {
        let is_working = self.stage == Stage::Working;
        let worker = is_working.then(|| self.scheduler.admit(now))?;
        self.roster.admitted(worker, number);
        Some(worker)
    }
}
