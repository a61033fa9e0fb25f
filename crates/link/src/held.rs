//! What a worker owes of one attempt: reports that are not acknowledged, and a file that goes ahead of the last one.

use frostline_protocol::codec::{CodecError, encode};
use frostline_protocol::{Claim, FromWorker, Report};
use frostline_sweep::outcome::{Failure, FailureKind};
use std::collections::VecDeque;
use std::fs::File;
use std::sync::Arc;

/// Bytes of a file that travel in one message: a slow line carries them within the time that a write may take.
pub const PIECE: u64 = 256 << 10;

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
    /// What the coordinator has to have before the last report.
    parcel: Option<Parcel>,
    /// Bytes of the parcel that this connection has handed out; none where that is all of them.
    next: Option<u64>,
    last_number: u32,
    /// The last report is in the outbox, or was: whatever the trainer says now comes too late.
    pub(crate) closed: bool,
    pub(crate) progress: Option<(u64, u64)>,
    /// Steps done, and all of them, as they were told last.
    pub(crate) steps: (u64, u64),
}

/// A file that goes to the coordinator.
#[derive(Debug, Clone)]
pub struct Parcel {
    pub file: Arc<File>,
    pub bytes: u64,
    /// BLAKE3 of its content, in hexadecimal digits.
    pub digest: String,
}

/// A part of a parcel that is to be sent now.
#[derive(Debug, Clone)]
pub struct Piece {
    pub claim: Claim,
    pub parcel: Parcel,
    pub at: u64,
    pub length: u64,
}

#[derive(Debug)]
struct Message {
    number: u32,
    frame: Vec<u8>,
}

impl Held {
    pub(crate) fn new(claim: Claim) -> Held {
        Held {
            claim,
            training: true,
            outbox: VecDeque::new(),
            sent: 0,
            parcel: None,
            next: None,
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
        (self.parcel, self.next) = (None, None);
    }

    pub(crate) fn attach(&mut self, parcel: Option<Parcel>) {
        self.next = parcel.as_ref().map(|_| 0);
        self.parcel = parcel;
    }

    /// On another connection.
    pub(crate) fn begin_anew(&mut self) {
        self.sent = 0;
        self.next = self.parcel.as_ref().map(|_| 0);
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

    /// Appends the frames that this connection has not sent, without the last report where a parcel goes ahead of it.
    pub(crate) fn unsent(&mut self, frames: &mut Vec<u8>) {
        let kept_back = usize::from(self.closed && self.next.is_some());
        let ready = self.outbox.len().saturating_sub(kept_back).max(self.sent);
        frames.extend(self.outbox.range(self.sent..ready).flat_map(|message| &message.frame));
        self.sent = ready;
    }

    /// What this connection sends next of the parcel of an attempt that is over.
    pub(crate) fn piece(&mut self) -> Option<Piece> {
        let (parcel, at) = self.parcel.clone().filter(|_| self.closed).zip(self.next)?;
        let length = PIECE.min(parcel.bytes - at);
        self.next = Some(at + length).filter(|next| *next < parcel.bytes);
        Some(Piece { claim: self.claim.clone(), parcel, at, length })
    }
}
