//! An assignment that the trainer has not taken up: where no other machine sees this one's checkpoints, the coordinator is
//! asked for the trial's newest first.

use frostline_protocol::{Assignment, FromWorker, Work};

#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) assignment: Assignment,
    stage: Stage,
    /// How often something of the checkpoint has come.
    pub(crate) steps: u64,
    /// Something has come that the coordinator was not told.
    pub(crate) gets_on: bool,
}

#[derive(Debug)]
enum Stage {
    /// It is to be found out what lies here.
    Unasked,
    Looking,
    /// What lies here is known, and the question is to be sent.
    Question(Option<String>),
    Asked(Option<String>),
    Ready(Start),
}

/// What an attempt begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Start {
    /// What lies here, if anything: the coordinator has nothing.
    Own,
    /// A checkpoint of this digest, which the coordinator has, too.
    Common(String),
    /// What lies here, which may be behind what the coordinator has: that is not to be replaced by it.
    Unasked,
}

impl Next {
    pub(crate) fn new(assignment: Assignment, is_asked_for: bool) -> Next {
        let is_trial = matches!(assignment.work, Work::Train { .. });
        let stage = if is_asked_for && is_trial { Stage::Unasked } else { Stage::Ready(Start::Unasked) };
        Next { assignment, stage, steps: 0, gets_on: false }
    }

    /// How it begins; none where that is not settled.
    pub(crate) fn start(&self) -> Option<&Start> {
        match &self.stage {
            Stage::Ready(start) => Some(start),
            _ => None,
        }
    }

    /// Whether somebody has to look what lies here; he is asked once.
    pub(crate) fn wants_look(&mut self) -> bool {
        let is_wanted = matches!(self.stage, Stage::Unasked);
        if is_wanted {
            self.stage = Stage::Looking;
        }
        is_wanted
    }

    /// What lies here is known.
    pub(crate) fn has(&mut self, digest: Option<String>) {
        if matches!(self.stage, Stage::Unasked | Stage::Looking) {
            self.stage = Stage::Question(digest);
        }
    }

    /// The question, once a connection.
    pub(crate) fn question(&mut self) -> Option<FromWorker> {
        let Stage::Question(have) = &mut self.stage else { return None };
        let have = have.take();
        self.stage = Stage::Asked(have.clone());
        Some(FromWorker::Fetch { claim: self.assignment.claim(), have })
    }

    /// Something of the checkpoint has come.
    pub(crate) fn step(&mut self) {
        self.steps += 1;
        self.gets_on = true;
    }

    /// No checkpoint comes: the coordinator has the same, or none.
    pub(crate) fn kept(&mut self, same: bool) {
        if let Stage::Asked(have) = &mut self.stage {
            self.stage = Stage::Ready(have.take().filter(|_| same).map_or(Start::Own, Start::Common));
        }
    }

    /// It begins with this, unless that was settled before.
    pub(crate) fn settle(&mut self, start: Start) {
        if self.start().is_none() {
            self.stage = Stage::Ready(start);
        }
    }

    /// On another connection: what was asked on the last one is not answered any more.
    pub(crate) fn begin_anew(&mut self) {
        if self.start().is_none() {
            self.stage = Stage::Unasked;
        }
    }
}
