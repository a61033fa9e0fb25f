//! What the trainer's thread and the connection's threads share: the assignment, the outbox, and the wish to stop.

use crate::Stop;
use frostline_protocol::codec::encode;
use frostline_protocol::{Assignment, Claim, FromWorker, Places, Report, ToWorker};
use frostline_sweep::outcome::{AttemptId, Failure, FailureKind};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[derive(Default)]
pub(crate) struct Desk {
    state: Mutex<State>,
    changed: Condvar,
    /// [`Stop`] as a number, apart from the lock because it is read after every batch.
    stop: AtomicU8,
}

#[derive(Default)]
struct State {
    places: Option<Places>,
    /// Given out, not yet taken up by the trainer.
    next: Option<Assignment>,
    held: Option<Held>,
    /// No work will come after what is held.
    draining: bool,
    /// The coordinator is gone for good.
    ended: bool,
    /// The trainer's thread takes no more work.
    left: bool,
    connection: Connection,
}

/// The attempt that this worker holds: from its assignment until its last report is acknowledged.
struct Held {
    claim: Claim,
    /// The trainer still works on it.
    training: bool,
    /// Reports that are not acknowledged, in order, encoded.
    outbox: VecDeque<Message>,
    /// How many of `outbox` this connection has sent.
    sent: usize,
    last_number: u32,
    /// The last report is in the outbox, or was: whatever the trainer says now comes too late.
    closed: bool,
    progress: Option<(u64, u64)>,
}

struct Message {
    number: u32,
    frame: Vec<u8>,
}

#[derive(Default)]
struct Connection {
    /// Counts connections, so that the end of an old one is not taken for the end of this one.
    generation: u64,
    open: bool,
}

/// What the connection's sender does next.
pub(crate) enum Outgoing {
    /// Frames to write, one after another.
    Frames(Vec<u8>),
    /// Nothing was to be said until the time was over.
    Nothing,
    /// This connection is lost.
    Broken,
    /// All is said and no more work will come.
    Done,
}

impl Desk {
    /// Waits for work. None where no more will come.
    pub(crate) fn next(&self) -> Option<(Places, Assignment)> {
        let mut state = self.lock();
        loop {
            if state.ended {
                return None;
            }
            if let Some(places) = state.places.clone()
                && let Some(assignment) = state.next.take()
            {
                state.held = Some(Held::new(assignment.claim()));
                if !state.draining {
                    self.ask(Stop::No);
                }
                return Some((places, assignment));
            }
            if state.draining && state.held.is_none() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Puts a report into the outbox. A report of an attempt that is not held any more is dropped.
    pub(crate) fn report(&self, attempt: AttemptId, report: Report) {
        let mut state = self.lock();
        let Some(held) = state.held(attempt) else { return };
        if report.is_last() {
            held.training = false;
        }
        if !held.closed && !held.push(report) {
            self.ask(Stop::Now);
        }
        self.changed.notify_all();
    }

    /// Remembers the newest progress; the connection sends it when it sends something anyway.
    pub(crate) fn progress(&self, attempt: AttemptId, done: u64, total: u64) {
        if let Some(held) = self.lock().held(attempt) {
            held.progress = Some((done, total));
        }
    }

    pub(crate) fn should_stop(&self) -> Stop {
        match self.stop.load(Ordering::Relaxed) {
            0 => Stop::No,
            1 => Stop::AfterEpoch,
            _ => Stop::Now,
        }
    }

    fn ask(&self, stop: Stop) {
        let number = match stop {
            Stop::No => 0,
            Stop::AfterEpoch => 1,
            Stop::Now => 2,
        };
        self.stop.store(number, Ordering::Relaxed);
    }

    /// The claim to come back with.
    pub(crate) fn running(&self) -> Option<Claim> {
        let state = self.lock();
        let next = state.next.as_ref().map(Assignment::claim);
        next.or_else(|| state.held.as_ref().map(|held| held.claim.clone()))
    }

    /// A connection is welcome: everything that is not acknowledged is sent again on it.
    pub(crate) fn connected(&self, places: Places) -> u64 {
        let mut state = self.lock();
        state.places = Some(places);
        state.connection.generation += 1;
        state.connection.open = true;
        if let Some(held) = &mut state.held {
            held.sent = 0;
        }
        self.changed.notify_all();
        state.connection.generation
    }

    pub(crate) fn disconnected(&self, generation: u64) {
        let mut state = self.lock();
        if state.connection.generation == generation {
            state.connection.open = false;
        }
        self.changed.notify_all();
    }

    /// Gives up: the trainer is told to stop, and finds no more work.
    pub(crate) fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.next = None;
        self.ask(Stop::Now);
        self.changed.notify_all();
    }

    /// The trainer's thread takes no more work.
    pub(crate) fn left(&self) {
        self.lock().left = true;
        self.changed.notify_all();
    }

    /// Whether the trainer's thread has left, at the latest after `timeout`.
    pub(crate) fn wait_until_left(&self, timeout: Duration) -> bool {
        let waiting = self.changed.wait_timeout_while(self.lock(), timeout, |state| !state.left);
        waiting.unwrap_or_else(PoisonError::into_inner).0.left
    }

    pub(crate) fn on_message(&self, message: ToWorker) {
        let mut state = self.lock();
        match message {
            ToWorker::Welcome(welcome) => state.places = Some(welcome.places),
            ToWorker::Assign(assignment) => self.on_assign(&mut state, *assignment),
            ToWorker::Acknowledge { attempt, number } => state.on_acknowledge(attempt, number),
            ToWorker::Stop { attempt } => self.on_stop(&mut state, attempt),
            ToWorker::Drain => {
                state.draining = true;
                if self.should_stop() == Stop::No {
                    self.ask(Stop::AfterEpoch);
                }
            }
        }
        self.changed.notify_all();
    }

    fn on_assign(&self, state: &mut State, assignment: Assignment) {
        if let Some(held) = &mut state.held {
            if held.claim.attempt == assignment.attempt {
                return;
            }
            // The coordinator has settled what is held: its reports are of no use any more.
            held.close();
            if held.training {
                self.ask(Stop::Now);
            } else {
                state.held = None;
            }
        }
        state.next = Some(assignment);
    }

    fn on_stop(&self, state: &mut State, attempt: AttemptId) {
        state.next.take_if(|assignment| assignment.attempt == attempt);
        let Some(held) = state.held(attempt) else { return };
        if held.training {
            self.ask(Stop::Now);
        } else {
            // Nothing is left to stop, so the coordinator has given the attempt up and will not acknowledge it.
            state.held = None;
        }
    }

    /// Waits for something to send on the connection `generation`, until `deadline` at most.
    pub(crate) fn outgoing(&self, generation: u64, deadline: Instant) -> Outgoing {
        let mut state = self.lock();
        loop {
            if state.ended || !state.connection.open || state.connection.generation != generation {
                return Outgoing::Broken;
            }
            if let Some(held) = state.held.as_mut().filter(|held| held.sent < held.outbox.len()) {
                return Outgoing::Frames(held.unsent());
            }
            if state.draining && state.held.is_none() && state.next.is_none() {
                return Outgoing::Done;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return match state.held.as_mut().and_then(Held::progress_frame) {
                    Some(frame) => Outgoing::Frames(frame),
                    None => Outgoing::Nothing,
                };
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn held(&mut self, attempt: AttemptId) -> Option<&mut Held> {
        self.held.as_mut().filter(|held| held.claim.attempt == attempt)
    }

    fn on_acknowledge(&mut self, attempt: AttemptId, number: u32) {
        let Some(held) = self.held(attempt) else { return };
        while held.outbox.front().is_some_and(|message| message.number <= number) {
            held.outbox.pop_front();
            held.sent = held.sent.saturating_sub(1);
        }
        if held.closed && held.outbox.is_empty() && !held.training {
            self.held = None;
        }
    }
}

impl Held {
    fn new(claim: Claim) -> Held {
        Held {
            claim,
            training: true,
            outbox: VecDeque::new(),
            sent: 0,
            last_number: 0,
            closed: false,
            progress: None,
        }
    }

    /// Numbers, encodes and keeps a report. False where it can't travel and a failure took its place.
    fn push(&mut self, report: Report) -> bool {
        let number = self.last_number + 1;
        let last = report.is_last();
        let (frame, fits) = match self.frame(number, report) {
            Ok(frame) => (frame, true),
            Err(error) => {
                let message = format!("a report could not be sent: {error}");
                let failure = Failure { kind: FailureKind::Internal, message, log: Vec::new() };
                let frame = self.frame(number, Report::Failed(failure));
                (frame.expect("a failure without numbers and log can always be sent"), false)
            }
        };
        self.outbox.push_back(Message { number, frame });
        self.last_number = number;
        self.closed = last || !fits;
        fits
    }

    fn frame(&self, number: u32, report: Report) -> Result<Vec<u8>, frostline_protocol::codec::CodecError> {
        let mut frame = Vec::new();
        encode(&FromWorker::Report { claim: self.claim.clone(), number, report }, &mut frame)?;
        Ok(frame)
    }

    fn close(&mut self) {
        self.closed = true;
        self.outbox.clear();
        self.sent = 0;
    }

    fn unsent(&mut self) -> Vec<u8> {
        let frames = self.outbox.iter().skip(self.sent).flat_map(|message| &message.frame).copied().collect();
        self.sent = self.outbox.len();
        frames
    }

    fn progress_frame(&mut self) -> Option<Vec<u8>> {
        let (done, total) = self.progress.take()?;
        let mut frame = Vec::new();
        encode(&FromWorker::Progress { claim: self.claim.clone(), done, total }, &mut frame).ok()?;
        Some(frame)
    }
}
