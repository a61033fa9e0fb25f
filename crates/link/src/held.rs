//! What a worker owes of one attempt: reports that are not acknowledged, and files that go ahead of the last one.

use frostline_protocol::codec::{CodecError, encode};
use frostline_protocol::{Claim, Freight, FromWorker, Report};
use frostline_results::Parcel;
use frostline_sweep::outcome::{Failure, FailureKind};
use std::collections::VecDeque;

/// The attempt that this worker holds: from its assignment until its last report is acknowledged.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) claim: Claim,
    /// The trainer still works on it.
    pub(crate) training: bool,
    /// Reports that are not acknowledged, in order, encoded.
    outbox: VecDeque<Message>,
    /// How many of `outbox` this connection has sent.
    sent: usize,
    /// The file that is on its way.
    load: Option<Load>,
    /// Whether checkpoints of it are of use to the coordinator.
    sends_checkpoints: bool,
    /// Digests of the checkpoint that the coordinator surely has, and of the last one that this connection has sent.
    known: Option<String>,
    delivered: Option<String>,
    last_number: u32,
    /// The last report is in the outbox, or was: whatever the trainer says now comes too late.
    pub(crate) closed: bool,
    pub(crate) progress: Option<(u64, u64)>,
    /// Steps done, and all of them, as they were told last.
    pub(crate) steps: (u64, u64),
}

/// A file that goes to the coordinator.
#[derive(Debug)]
struct Load {
    freight: Freight,
    parcel: Parcel,
    /// Bytes of it that this connection has handed out; none where that is all of them.
    next: Option<u64>,
}

/// A part of a parcel that is to be sent now.
#[derive(Debug, Clone)]
pub struct Part {
    pub claim: Claim,
    pub freight: Freight,
    pub parcel: Parcel,
    pub at: u64,
}

impl Part {
    /// Whether nothing of its parcel comes behind it.
    pub fn is_last(&self) -> bool {
        self.at + self.parcel.length(self.at) == self.parcel.bytes
    }
}

#[derive(Debug)]
struct Message {
    number: u32,
    frame: Vec<u8>,
}

impl Held {
    /// `sends_checkpoints` says whether the coordinator is to have them, and `known` which it has already.
    pub(crate) fn new(claim: Claim, sends_checkpoints: bool, known: Option<String>) -> Held {
        Held {
            claim,
            training: true,
            outbox: VecDeque::new(),
            sent: 0,
            load: None,
            sends_checkpoints,
            known,
            delivered: None,
            last_number: 0,
            closed: false,
            progress: None,
            steps: (0, 0),
        }
    }

    /// Numbers, encodes and keeps a report. False where it can't travel and a failure took its place.
    pub(crate) fn push(&mut self, report: Report) -> bool {
        let number = self.last_number + 1;
        let last = report.is_last();
        if matches!(report, Report::Complete(_)) {
            self.load.take_if(|load| load.freight == Freight::Checkpoint);
        }
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

    fn frame(&self, number: u32, report: Report) -> Result<Vec<u8>, CodecError> {
        let mut frame = Vec::new();
        encode(&FromWorker::Report { claim: self.claim.clone(), number, report }, &mut frame)?;
        Ok(frame)
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.outbox.clear();
        self.sent = 0;
        self.load = None;
    }

    /// Checkpoints are of no use to anybody any more.
    pub(crate) fn keep_checkpoints(&mut self) {
        self.sends_checkpoints = false;
        self.load.take_if(|load| load.freight == Freight::Checkpoint);
    }

    /// Whether a checkpoint may still be attached.
    pub(crate) fn takes_checkpoints(&self) -> bool {
        self.sends_checkpoints && !self.closed
    }

    pub(crate) fn attach(&mut self, freight: Freight, parcel: Parcel) {
        let next = match (freight, &self.load) {
            (Freight::Model, _) => Some(0),
            (Freight::Checkpoint, Some(Load { freight: Freight::Model, .. })) => return,
            (Freight::Checkpoint, _) if !self.takes_checkpoints() => return,
            // It is on its way already.
            (Freight::Checkpoint, Some(load)) if load.parcel.digest == parcel.digest => return,
            (Freight::Checkpoint, _) => {
                let digest = Some(&parcel.digest);
                (self.known.as_ref() != digest && self.delivered.as_ref() != digest).then_some(0)
            }
        };
        self.load = Some(Load { freight, parcel, next });
    }

    /// No file goes ahead of the last report any more.
    pub(crate) fn let_go(&mut self) {
        self.load = None;
    }

    /// Whether a file is on its way.
    pub(crate) fn is_laden(&self) -> bool {
        self.load.as_ref().is_some_and(|load| load.next.is_some())
    }

    /// Whether the last report waits for a checkpoint.
    pub(crate) fn holds_back(&self) -> bool {
        let is_checkpoint = self.load.as_ref().is_some_and(|load| load.freight == Freight::Checkpoint);
        self.closed && is_checkpoint && self.is_laden()
    }

    /// On another connection.
    pub(crate) fn begin_anew(&mut self) {
        self.sent = 0;
        self.delivered = None;
        // Of a trial under way there will be a newer one when its turn comes.
        self.load.take_if(|load| load.freight == Freight::Checkpoint && !self.closed);
        if let Some(load) = &mut self.load {
            load.next = (self.known.as_ref() != Some(&load.parcel.digest)).then_some(0);
        }
    }

    pub(crate) fn acknowledge(&mut self, number: u32) {
        while self.outbox.front().is_some_and(|message| message.number <= number) {
            self.outbox.pop_front();
            self.sent = self.sent.saturating_sub(1);
        }
    }

    /// Whether nothing of it is owed any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.closed && self.outbox.is_empty() && !self.training
    }

    /// Appends the frames that this connection has not sent, without the last report where a file goes ahead of it.
    pub(crate) fn unsent(&mut self, frames: &mut Vec<u8>) {
        let kept_back = usize::from(self.closed && self.is_laden());
        let ready = self.outbox.len().saturating_sub(kept_back).max(self.sent);
        frames.extend(self.outbox.range(self.sent..ready).flat_map(|message| &message.frame));
        self.sent = ready;
    }

    /// What this connection sends next: of a checkpoint at any time, of a model once its attempt is over.
    pub(crate) fn part(&mut self) -> Option<Part> {
        let load = self.load.as_mut().filter(|load| load.freight == Freight::Checkpoint || self.closed)?;
        let at = load.next?;
        let (freight, parcel) = (load.freight, load.parcel.clone());
        let part = Part { claim: self.claim.clone(), freight, parcel, at };
        load.next = (!part.is_last()).then_some(at + part.parcel.length(at));
        if part.is_last() && freight == Freight::Checkpoint {
            self.delivered = Some(part.parcel.digest.clone());
            // Where the connection is lost, a newer one goes over the next.
            self.load.take_if(|_| !self.closed);
        }
        Some(part)
    }
}
