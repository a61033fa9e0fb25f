//! A worker's desk, as `frostline_link` keeps it, without its threads.

use frostline_protocol::{Assignment, Claim, FromWorker, Report, ToWorker};
use frostline_sweep::outcome::AttemptId;
use std::collections::VecDeque;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stop {
    #[default]
    No,
    AfterEpoch,
    Now,
}

#[derive(Debug, Default)]
pub(crate) struct Desk {
    /// Given out, not yet taken up by the trainer.
    pub(crate) next: Option<Assignment>,
    pub(crate) held: Option<Held>,
    pub(crate) draining: bool,
    pub(crate) stop: Stop,
}

/// The attempt that the worker holds: from its assignment until its last report is acknowledged.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) claim: Claim,
    training: bool,
    outbox: VecDeque<(u32, Report)>,
    sent: usize,
    last_number: u32,
    closed: bool,
}

impl Desk {
    /// The next assignment for a trainer that has none.
    pub(crate) fn take(&mut self) -> Option<Assignment> {
        let assignment = self.next.take()?;
        self.held = Some(Held {
            claim: assignment.claim(),
            training: true,
            outbox: VecDeque::new(),
            sent: 0,
            last_number: 0,
            closed: false,
        });
        if !self.draining {
            self.stop = Stop::No;
        }
        Some(assignment)
    }

    pub(crate) fn report(&mut self, attempt: AttemptId, report: Report) {
        let Some(held) = self.held.as_mut().filter(|held| held.claim.attempt == attempt) else { return };
        let last = report.is_last();
        held.training &= !last;
        if !held.closed {
            held.last_number += 1;
            held.outbox.push_back((held.last_number, report));
            held.closed = last;
        }
    }

    /// The claim to come back with.
    pub(crate) fn running(&self) -> Option<Claim> {
        let next = self.next.as_ref().map(Assignment::claim);
        next.or_else(|| self.held.as_ref().map(|held| held.claim.clone()))
    }

    /// A connection is welcome: everything that is not acknowledged is sent again on it.
    pub(crate) fn connected(&mut self) {
        if let Some(held) = &mut self.held {
            held.sent = 0;
        }
    }

    pub(crate) fn on_message(&mut self, message: ToWorker) {
        match message {
            ToWorker::Welcome(_) => {}
            ToWorker::Assign(assignment) => self.on_assign(*assignment),
            ToWorker::Acknowledge { attempt, number } => self.on_acknowledge(attempt, number),
            ToWorker::Stop { attempt } => {
                self.next.take_if(|assignment| assignment.attempt == attempt);
                if let Some(held) = self.held.as_ref().filter(|held| held.claim.attempt == attempt) {
                    match held.training {
                        true => self.stop = Stop::Now,
                        false => self.held = None,
                    }
                }
            }
            ToWorker::Drain => {
                self.draining = true;
                if self.stop == Stop::No {
                    self.stop = Stop::AfterEpoch;
                }
            }
        }
    }

    fn on_assign(&mut self, assignment: Assignment) {
        if let Some(held) = &mut self.held {
            if held.claim.attempt == assignment.attempt {
                return;
            }
            held.closed = true;
            held.outbox.clear();
            held.sent = 0;
            match held.training {
                true => self.stop = Stop::Now,
                false => self.held = None,
            }
        }
        self.next = Some(assignment);
    }

    fn on_acknowledge(&mut self, attempt: AttemptId, number: u32) {
        let Some(held) = self.held.as_mut().filter(|held| held.claim.attempt == attempt) else { return };
        while held.outbox.front().is_some_and(|(first, _)| *first <= number) {
            held.outbox.pop_front();
            held.sent = held.sent.saturating_sub(1);
        }
        if held.closed && held.outbox.is_empty() && !held.training {
            self.held = None;
        }
    }

    /// What the connection has not sent.
    pub(crate) fn unsent(&mut self) -> Vec<FromWorker> {
        let Some(held) = &mut self.held else { return Vec::new() };
        let (claim, sent) = (&held.claim, held.sent);
        held.sent = held.outbox.len();
        let message = |(number, report): &(u32, Report)| FromWorker::Report {
            claim: claim.clone(),
            number: *number,
            report: report.clone(),
        };
        held.outbox.iter().skip(sent).map(message).collect()
    }

    /// Whether all is said and no more work will come.
    pub(crate) fn is_done(&self) -> bool {
        self.draining && self.held.is_none() && self.next.is_none()
    }
}
