//! Who is there: which worker speaks over which connection, whose process lives, and what each was given last.

use super::{Action, PeerId};
use frostline_protocol::{ToWorker, WorkerId};
use frostline_scheduler::Restored;
use frostline_sweep::outcome::AttemptId;
use std::collections::{BTreeMap, BTreeSet};

/// Somebody who has come by himself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guest {
    Seated(WorkerId),
    /// Told to leave: whatever made it unfit, it still is.
    Gone,
}

#[derive(Debug, Default)]
pub(super) struct Roster {
    /// Every worker that there may be.
    known: BTreeSet<WorkerId>,
    /// Those who came by themselves, by their own numbers.
    guests: BTreeMap<u64, Guest>,
    peers: BTreeMap<WorkerId, PeerId>,
    workers: BTreeMap<PeerId, WorkerId>,
    /// Processes whose end has not been told.
    alive: BTreeSet<WorkerId>,
    /// Which worker has which attempt, or had it last.
    holders: BTreeMap<WorkerId, AttemptId>,
    /// The newest progress of each worker's attempt.
    steps: BTreeMap<WorkerId, (u64, u64)>,
}

impl Roster {
    pub(super) fn new(restored: &Restored) -> Roster {
        let held = restored.trials.iter().filter_map(|row| row.running.map(|(attempt, worker, _)| (worker, attempt)));
        Roster { known: restored.workers.iter().copied().collect(), holders: held.collect(), ..Roster::default() }
    }

    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    /// A worker speaks over this connection from now on. Returns the one that it replaces.
    pub(super) fn join(&mut self, worker: WorkerId, peer: PeerId) -> Option<PeerId> {
        self.workers.insert(peer, worker);
        let before = self.peers.insert(worker, peer);
        if let Some(before) = before {
            self.workers.remove(&before);
        }
        before
    }

    /// The place of a guest that was here before.
    pub(super) fn guest(&self, number: u64) -> Option<Guest> {
        self.guests.get(&number).copied()
    }

    /// A worker has come by itself; it counts as alive until it is dismissed.
    pub(super) fn admitted(&mut self, worker: WorkerId, number: u64) {
        self.guests.insert(number, Guest::Seated(worker));
        self.known.insert(worker);
        self.alive.insert(worker);
    }

    /// A worker that came by itself is forgotten. Returns its connection.
    pub(super) fn dismissed(&mut self, worker: WorkerId, for_good: bool) -> Option<PeerId> {
        self.exited(worker);
        let number =
            self.guests.iter().find(|(_, guest)| **guest == Guest::Seated(worker)).map(|(number, _)| *number);
        match number {
            Some(number) if for_good => drop(self.guests.insert(number, Guest::Gone)),
            Some(number) => drop(self.guests.remove(&number)),
            None => {}
        }
        self.known.remove(&worker);
        self.holders.remove(&worker);
        self.unseat(worker)
    }

    /// Nobody speaks for this worker any more. Returns the connection that did.
    pub(super) fn unseat(&mut self, worker: WorkerId) -> Option<PeerId> {
        let peer = self.peers.remove(&worker)?;
        self.workers.remove(&peer);
        Some(peer)
    }

    /// A connection is over. Returns whose it was, if it was anybody's still.
    pub(super) fn leave(&mut self, peer: PeerId) -> Option<WorkerId> {
        let worker = self.workers.remove(&peer)?;
        self.peers.remove(&worker);
        Some(worker)
    }

    pub(super) fn worker(&self, peer: PeerId) -> Option<WorkerId> {
        self.workers.get(&peer).copied()
    }

    pub(super) fn peer(&self, worker: WorkerId) -> Option<PeerId> {
        self.peers.get(&worker).copied()
    }

    /// None where the worker is not connected: what it was to be told is settled when it comes back.
    pub(super) fn tell(&self, worker: WorkerId, message: ToWorker) -> Option<Action> {
        self.peer(worker).map(|peer| Action::Tell { peer, message })
    }

    pub(super) fn started(&mut self, worker: WorkerId) {
        self.alive.insert(worker);
    }

    pub(super) fn exited(&mut self, worker: WorkerId) {
        self.alive.remove(&worker);
        self.steps.remove(&worker);
    }

    pub(super) fn alive(&self) -> impl Iterator<Item = WorkerId> {
        self.alive.iter().copied()
    }

    pub(super) fn holds(&mut self, worker: WorkerId, attempt: AttemptId) {
        self.holders.insert(worker, attempt);
        self.steps.remove(&worker);
    }

    pub(super) fn holder(&self, attempt: AttemptId) -> Option<WorkerId> {
        self.holders.iter().find(|(_, held)| **held == attempt).map(|(worker, _)| *worker)
    }

    /// A worker tells how far its attempt has come.
    pub(super) fn stepped(&mut self, worker: WorkerId, done: u64, total: u64) {
        self.steps.insert(worker, (done, total));
    }

    /// A step is over.
    pub(super) fn reported(&mut self, worker: WorkerId) {
        self.steps.remove(&worker);
    }

    pub(super) fn steps(&self, worker: WorkerId) -> Option<(u64, u64)> {
        self.steps.get(&worker).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: WorkerId = WorkerId(1);

    #[test]
    fn each_attempt_begins_at_no_steps() {
        let mut roster = Roster::default();
        roster.holds(ONE, AttemptId(4));
        roster.stepped(ONE, 2, 10);
        assert_eq!(roster.steps(ONE), Some((2, 10)));
        roster.holds(ONE, AttemptId(5));
        assert_eq!(roster.steps(ONE), None);
    }

    #[test]
    fn the_newest_connection_of_a_worker_counts() {
        let mut roster = Roster::default();
        assert_eq!(roster.join(ONE, PeerId(1)), None);
        assert_eq!(roster.join(ONE, PeerId(2)), Some(PeerId(1)));
        assert_eq!((roster.worker(PeerId(1)), roster.leave(PeerId(1))), (None, None));
        assert_eq!(roster.peer(ONE), Some(PeerId(2)));
        assert_eq!(roster.leave(PeerId(2)), Some(ONE));
        assert_eq!(roster.tell(ONE, ToWorker::Drain), None);
    }
}
