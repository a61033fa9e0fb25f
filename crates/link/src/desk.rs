//! What a worker holds and owes: the assignment, the outbox of reports, and the wish to stop.
//!
//! No threads, no sockets, no clock, no files: messages go in, frames come out.

pub use crate::held::Part;
pub use frostline_results::{PIECE, Parcel};

use crate::held::Held;
use crate::next::{Next, Start};
use frostline_protocol::codec::{CodecError, encode};
use frostline_protocol::{Assignment, Claim, Freight, FromWorker, Places, Report, Stop, TaskKey, ToWorker};
use frostline_results::checkpoint;
use frostline_sweep::outcome::AttemptId;
use std::path::PathBuf;

#[derive(Debug, Default)]
pub struct Desk {
    places: Option<Places>,
    /// No other machine sees the checkpoints here: they go to the coordinator, and come from it.
    is_apart: bool,
    /// Given out, not yet taken up by the trainer.
    next: Option<Next>,
    held: Option<Held>,
    /// No work will come after what is held.
    draining: bool,
    /// This process is going to end, and whether this connection has said so.
    leaving: Option<bool>,
    /// The coordinator is gone for good.
    ended: bool,
    stop: Stop,
}

impl Desk {
    /// The next assignment for a trainer that has none.
    pub fn take(&mut self) -> Option<(Places, Assignment)> {
        let places = self.places.clone()?;
        let start = self.next.as_ref()?.start()?.clone();
        let assignment = self.next.take()?.assignment;
        let (sends_checkpoints, known) = match start {
            Start::Own => (self.is_apart, None),
            Start::Common(digest) => (self.is_apart, Some(digest)),
            Start::Unasked => (false, None),
        };
        self.held = Some(Held::new(assignment.claim(), sends_checkpoints, known));
        if !self.draining && self.leaving.is_none() {
            self.stop = Stop::No;
        }
        Some((places, assignment))
    }

    #[cfg(test)]
    pub(crate) fn places(&self) -> Option<Places> {
        self.places.clone()
    }

    /// Whether the trainer will get no more work.
    pub fn is_over(&self) -> bool {
        self.ended || self.is_done()
    }

    /// Whether all is said and no more work will come.
    pub fn is_done(&self) -> bool {
        self.draining && self.held.is_none() && self.next.is_none()
    }

    /// Puts a report into the outbox. A report of an attempt that is not held any more is dropped.
    pub fn report(&mut self, attempt: AttemptId, report: Report) {
        let Some(held) = held(&mut self.held, attempt) else { return };
        if report.is_last() {
            held.training = false;
        }
        if !held.closed && !held.push(report) {
            self.stop = Stop::Now;
        }
    }

    /// A file is to go ahead of the last report of an attempt.
    pub fn attach(&mut self, attempt: AttemptId, freight: Freight, parcel: Parcel) {
        if let Some(held) = held(&mut self.held, attempt) {
            held.attach(freight, parcel);
        }
    }

    /// No file goes ahead of it any more.
    pub fn let_go(&mut self, attempt: AttemptId) {
        if let Some(held) = held(&mut self.held, attempt) {
            held.let_go();
        }
    }

    /// Where the newest checkpoint of the attempt lies that the trainer works on, where the coordinator is to have it.
    pub fn newest(&self) -> Option<(AttemptId, PathBuf)> {
        let held = self.held.as_ref().filter(|held| held.takes_checkpoints())?;
        Some((held.claim.attempt, self.checkpoint(&held.claim)?))
    }

    fn checkpoint(&self, claim: &Claim) -> Option<PathBuf> {
        let TaskKey::Trial(trial) = claim.task else { return None };
        Some(self.places.as_ref()?.checkpoints.join(checkpoint::name(trial)))
    }

    /// Whether a file is on its way.
    pub fn is_laden(&self) -> bool {
        self.held.as_ref().is_some_and(Held::is_laden)
    }

    /// The attempt whose last report waits for a checkpoint that goes ahead of it.
    pub fn holds_back(&self) -> Option<AttemptId> {
        self.held.as_ref().filter(|held| held.holds_back()).map(|held| held.claim.attempt)
    }

    /// Whether this process is going to end.
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Where the checkpoint lies of an attempt that is to begin, where somebody has to look what that is; said once a
    /// connection, and answered with [`Desk::has`].
    pub fn looks(&mut self) -> Option<(AttemptId, PathBuf)> {
        let next = self.next.as_mut()?;
        if !next.wants_look() {
            return None;
        }
        let claim = next.assignment.claim();
        Some((claim.attempt, self.checkpoint(&claim)?))
    }

    /// The digest of the checkpoint that lies here: the coordinator is asked for another.
    pub fn has(&mut self, attempt: AttemptId, digest: Option<String>) {
        if let Some(next) = self.next(attempt) {
            next.has(digest);
        }
    }

    /// The checkpoint of this digest has come, so that the attempt may begin.
    pub fn fetched(&mut self, attempt: AttemptId, digest: String) {
        self.settle(attempt, Start::Common(digest));
    }

    /// The attempt begins with what lies here.
    pub fn begin_without(&mut self, attempt: AttemptId) {
        self.settle(attempt, Start::Unasked);
    }

    fn settle(&mut self, attempt: AttemptId, start: Start) {
        if let Some(next) = self.next(attempt) {
            next.settle(start);
        }
    }

    /// The attempt that waits for a checkpoint, and how often something of it has come.
    pub fn awaits(&self) -> Option<(AttemptId, u64)> {
        let next = self.next.as_ref().filter(|next| next.start().is_none())?;
        Some((next.assignment.attempt, next.steps))
    }

    /// Remembers the newest progress; the connection sends it when it sends something anyway.
    pub fn progress(&mut self, attempt: AttemptId, done: u64, total: u64) {
        if let Some(held) = held(&mut self.held, attempt) {
            held.steps = (done, total);
            held.progress = Some(held.steps);
        }
    }

    /// The attempt gets on, though no step is done: the coordinator hears the same progress once more.
    pub fn gets_on(&mut self, attempt: AttemptId) {
        if let Some(held) = held(&mut self.held, attempt) {
            held.progress = Some(held.steps);
        }
    }

    pub fn stop(&self) -> Stop {
        self.stop
    }

    /// The claim to come back with.
    pub fn running(&self) -> Option<Claim> {
        let next = self.next.as_ref().map(|next| next.assignment.claim());
        next.or_else(|| self.held.as_ref().map(|held| held.claim.clone()))
    }

    /// A connection is welcome: everything that is not acknowledged is sent again on it, and what is awaited is asked for
    /// once more. `is_apart` says that no other machine sees the checkpoints here.
    pub fn connected(&mut self, places: Places, is_apart: bool) {
        self.places = Some(places);
        self.is_apart = is_apart;
        self.leaving = self.leaving.map(|_| false);
        if let Some(held) = &mut self.held {
            held.begin_anew();
        }
        if let Some(next) = &mut self.next {
            next.begin_anew();
        }
    }

    /// This process is going to end: what it does stops after the running batch, with a checkpoint. The coordinator is told,
    /// and answers by draining it: then nothing can be on its way any more.
    pub fn leave(&mut self) {
        self.leaving.get_or_insert(false);
        self.hurry(Stop::AfterBatch);
    }

    /// Gives up: the trainer is told to stop, and finds no more work.
    pub fn end(&mut self) {
        self.ended = true;
        self.next = None;
        self.stop = self.stop.max(Stop::AfterBatch);
    }

    /// Soon there is nobody to go on: a trial that has not begun waits for nothing.
    fn hurry(&mut self, stop: Stop) {
        self.stop = self.stop.max(stop);
        if let Some(next) = &mut self.next {
            next.settle(Start::Unasked);
        }
    }

    pub fn on_message(&mut self, message: ToWorker) {
        match message {
            ToWorker::Welcome(welcome) => self.places = Some(welcome.places),
            ToWorker::Assign(assignment) => self.on_assign(*assignment),
            ToWorker::Acknowledge { attempt, number } => self.on_acknowledge(attempt, number),
            ToWorker::Stop { attempt } => self.on_stop(attempt),
            ToWorker::Drain => {
                self.draining = true;
                self.hurry(Stop::AfterEpoch);
            }
            ToWorker::Piece { attempt, .. } => {
                if let Some(next) = self.next(attempt) {
                    next.step();
                }
            }
            ToWorker::Kept { attempt, same } => {
                if let Some(next) = self.next(attempt) {
                    next.kept(same);
                }
            }
        }
    }

    fn on_assign(&mut self, assignment: Assignment) {
        if self.next(assignment.attempt).is_some() {
            return;
        }
        if let Some(held) = &mut self.held {
            if held.claim.attempt == assignment.attempt {
                return;
            }
            // The coordinator has settled what is held: its reports are of no use any more.
            held.close();
            if held.training {
                self.stop = Stop::Now;
            } else {
                self.held = None;
            }
        }
        let asks = self.is_apart && !self.draining && self.leaving.is_none();
        self.next = Some(Next::new(assignment, asks));
    }

    fn on_acknowledge(&mut self, attempt: AttemptId, number: u32) {
        let Some(held) = held(&mut self.held, attempt) else { return };
        held.acknowledge(number);
        if held.is_settled() {
            self.held = None;
        }
    }

    fn on_stop(&mut self, attempt: AttemptId) {
        self.next.take_if(|next| next.assignment.attempt == attempt);
        let Some(held) = held(&mut self.held, attempt) else { return };
        if held.training {
            held.keep_checkpoints();
            self.stop = Stop::Now;
        } else {
            // Nothing is left to stop, so the coordinator has given the attempt up and will not acknowledge it.
            self.held = None;
        }
    }

    /// Frames that this connection has not sent, one after another; they count as sent from here on.
    pub fn unsent(&mut self) -> Vec<u8> {
        let mut frames = Vec::new();
        if let Some(said @ false) = &mut self.leaving {
            // Ahead of what ends with it, so that nothing new is given out in between.
            *said = encode(&FromWorker::Leaving, &mut frames).is_ok();
        }
        if let Some(held) = &mut self.held {
            held.unsent(&mut frames);
        }
        if let Some(next) = &mut self.next
            && let Some(question) = next.question()
            && encode(&question, &mut frames).is_err()
        {
            next.settle(Start::Unasked);
        }
        frames
    }

    /// What this connection sends next of a file: an attempt's last report goes behind it.
    pub fn part(&mut self) -> Option<Part> {
        self.held.as_mut()?.part()
    }

    /// A sign of life: that the next attempt comes nearer, or how far the held one has come, where that is new, else a
    /// heartbeat.
    ///
    /// # Errors
    /// Where it can't be encoded, which no message of this kind is known to do.
    pub fn sign_of_life(&mut self) -> Result<Vec<u8>, CodecError> {
        let progress = |held: &mut Held| {
            let (done, total) = held.progress.take()?;
            Some(FromWorker::Progress { claim: held.claim.clone(), done, total })
        };
        let comes_nearer = |next: &mut Next| {
            std::mem::take(&mut next.gets_on).then(|| FromWorker::Progress {
                claim: next.assignment.claim(),
                done: 0,
                total: 0,
            })
        };
        let news = self.next.as_mut().and_then(comes_nearer).or_else(|| self.held.as_mut().and_then(progress));
        let mut frame = Vec::new();
        encode(&news.unwrap_or(FromWorker::Heartbeat), &mut frame).map(|()| frame)
    }

    fn next(&mut self, attempt: AttemptId) -> Option<&mut Next> {
        self.next.as_mut().filter(|next| next.assignment.attempt == attempt)
    }
}

fn held(held: &mut Option<Held>, attempt: AttemptId) -> Option<&mut Held> {
    held.as_mut().filter(|held| held.claim.attempt == attempt)
}

#[cfg(test)]
pub(crate) mod tests;
