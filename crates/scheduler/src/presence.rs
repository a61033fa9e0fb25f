//! Who is there: workers come, come back, announce their end, and go.

use crate::Time;
use crate::event::{About, Effect};
use crate::machine::{Phase, Presence, Scheduler, Worker};
use crate::queue::Host;
use frostline_protocol::{Claim, Incarnation, Seat, ToWorker, WorkerId};
use frostline_sweep::record::Ending;

impl Scheduler {
    /// The process that has a place now, or had it last: what any other says of that place is not to be believed.
    pub fn seat(&self, worker: WorkerId) -> Option<Seat> {
        self.workers.get(&worker).map(|slot| Seat { worker, incarnation: slot.incarnation })
    }

    /// Whether the process of this seat may have ended: it has the place, and says nothing.
    pub fn may_be_gone(&self, seat: Seat) -> bool {
        let gone = |phase| !matches!(phase, Phase::Off | Phase::Broken | Phase::Connected { .. });
        self.seat(seat.worker) == Some(seat) && self.workers.get(&seat.worker).is_some_and(|slot| gone(slot.phase))
    }

    /// Gives a place to a worker that has come by itself. It joins next.
    pub fn admit(&mut self, now: Time) -> WorkerId {
        // Never one that a guest before it had: what follows from its end may still be to come.
        self.last_worker = WorkerId(self.last_worker.0 + 1);
        let worker = self.last_worker;
        let incarnation = self.incarnation();
        let phase = Phase::Starting { until: now.after(self.settings.start) };
        self.workers.insert(worker, Worker { phase, is_guest: true, ..Worker::new(incarnation) });
        worker
    }

    pub(crate) fn incarnation(&mut self) -> Incarnation {
        let next = self.next_incarnation;
        self.next_incarnation = Incarnation(next.0 + 1);
        next
    }

    pub(crate) fn joined(
        &mut self,
        now: Time,
        worker: WorkerId,
        about: About,
        running: Option<Claim>,
        effects: &mut Vec<Effect>,
    ) {
        let host = match about.host {
            Some(name) => {
                let next = Host(self.hosts.len() as u32 + 1);
                *self.hosts.entry(name).or_insert(next)
            }
            None => Host::OWN,
        };
        let Some(slot) = self.workers.get_mut(&worker) else { return };
        if matches!(slot.phase, Phase::Ending | Phase::Broken | Phase::Off) {
            // Given up already, or never started by us: it is not to get work, whatever it says.
            effects.push(Effect::Tell { worker, message: ToWorker::Drain });
            return;
        }
        slot.phase = Phase::Connected { heard: now };
        let ends = about.left.map(|left| now.after(left));
        slot.presence = Some(Presence { build: about.build, host, ends });
        let held = slot.running;
        if let Some(attempt) = held.and_then(|attempt| self.attempts.get_mut(&attempt)) {
            // How far it came meanwhile is not known yet.
            attempt.stepped = now;
        }
        let goes_on = |claim: &Claim| {
            held == Some(claim.attempt) && self.attempts.get(&claim.attempt).is_some_and(|it| it.task == claim.task)
        };
        if !running.as_ref().is_some_and(goes_on) {
            if let Some(attempt) = held {
                // The assignment got lost on its way: no fault of the trial's.
                self.end(attempt, Ending::Interrupted, effects);
            }
            if let Some(Claim { attempt, .. }) = running {
                self.turn_down(worker, attempt, effects);
            }
        }
        let is_leaving = self.workers.get(&worker).is_some_and(|slot| slot.leaving.is_some());
        if self.draining.is_some() || is_leaving {
            effects.push(Effect::Tell { worker, message: ToWorker::Drain });
        }
    }

    /// Its turn in the queue has come: from now on it has as long as any to connect.
    pub(crate) fn began(&mut self, now: Time, worker: WorkerId) {
        let until = now.after(self.settings.start);
        if let Some(worker) = self.workers.get_mut(&worker).filter(|worker| worker.phase == Phase::Queued) {
            worker.phase = Phase::Starting { until };
        }
    }

    /// It is answered, so that it knows that no assignment is on its way to it.
    pub(crate) fn leaving(&mut self, now: Time, worker: WorkerId, effects: &mut Vec<Effect>) {
        self.heard(now, worker);
        if let Some(slot) = self.workers.get_mut(&worker) {
            slot.leaving.get_or_insert(now);
            effects.push(Effect::Tell { worker, message: ToWorker::Drain });
        }
    }

    pub(crate) fn left(&mut self, now: Time, id: WorkerId, effects: &mut Vec<Effect>) {
        let is_draining = self.draining.is_some();
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if matches!(worker.phase, Phase::Connected { .. }) {
            worker.phase = Phase::Away { since: now };
        }
        if worker.is_guest && worker.running.is_none() && (worker.leaving.is_some() || is_draining) {
            self.dismiss(id, effects);
        }
    }

    /// Forgets a guest: it cannot be ended, and nobody will tell how it ended.
    pub(crate) fn dismiss(&mut self, id: WorkerId, effects: &mut Vec<Effect>) {
        let for_good = self.workers.remove(&id).is_some_and(|worker| worker.leaving.is_some());
        effects.push(Effect::Dismiss { worker: id, for_good });
    }
}
