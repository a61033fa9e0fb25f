//! Decides and commits: what has happened goes in, what is to be done comes out, and in between it is on the disk.
//!
//! No sockets, no clock, no async: the event loop and the simulation drive the same [`Core`]. A turn takes the core and
//! gives it back with what is [`Committed`]; a commit that fails takes it for good, so that nothing is decided on top of
//! what was never written.

mod ask;
mod pace;
mod progress;
mod roster;
mod translate;
mod turn;
mod worklist;

pub use progress::{Fact, Running, Status};
pub use worklist::Worklist;

use frostline_protocol::{Command, FromWorker, Hello, Incarnation, Places, Response, Seat, ToWorker, WorkerId};
use frostline_scheduler::{Event, Restored, Scheduler, Settings, Time};
use frostline_sweep::outcome::EpochMetrics;
use frostline_sweep::record::Record;
use frostline_sweep::trial::TrialId;
use progress::Progress;
use roster::Roster;
use std::collections::BTreeMap;

/// Workers that have no more work have this long to end by themselves, in milliseconds.
const FAREWELL: u64 = 5_000;

/// A connection; never given out twice by one coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// A command that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AskId(pub u64);

/// What has happened.
#[derive(Debug)]
pub enum Input {
    /// A worker with the right token has greeted.
    Joined {
        peer: PeerId,
        hello: Hello,
    },
    Said {
        peer: PeerId,
        message: FromWorker,
    },
    /// A connection is over; `fault` says what was wrong with what came over it.
    Left {
        peer: PeerId,
        fault: Option<String>,
    },
    /// Somebody was turned away before greeting properly.
    TurnedAway {
        reason: String,
    },
    Asked {
        ask: AskId,
        command: Command,
    },
    /// A worker that waited in somebody's queue starts now.
    Began {
        worker: WorkerId,
    },
    /// A worker's process has ended, or could not be started. `is_excused` where whoever lent its machine has ended it.
    Exited {
        worker: WorkerId,
        is_excused: bool,
        description: String,
        log: Vec<String>,
    },
    /// Whoever lent a worker its machine does not know its process any more, and says so again and again.
    Missing {
        seat: Seat,
        is_excused: bool,
        description: String,
        log: Vec<String>,
    },
    /// Somebody wants the run to end: in good order the first time, at once the second time.
    Interrupted,
}

/// What is to be done, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Tell {
        peer: PeerId,
        message: ToWorker,
    },
    /// What was told before is still delivered.
    Close(PeerId),
    /// Start this worker's process.
    Launch {
        worker: WorkerId,
        incarnation: Incarnation,
    },
    /// End this worker's process at once.
    Kill(WorkerId),
    Answer {
        ask: AskId,
        response: Response,
    },
}

/// What follows from a turn whose records are on the disk. Only a [`Core`] makes one.
#[derive(Debug)]
#[must_use]
pub struct Committed {
    facts: Vec<Fact>,
    actions: Vec<Action>,
}

impl Committed {
    /// What is in the database now, and what is to be done about it.
    pub fn into_parts(self) -> (Vec<Fact>, Vec<Action>) {
        (self.facts, self.actions)
    }
}

/// Where records go. What it has taken is on the disk when it returns, all of it or nothing.
pub trait Journal {
    type Error;

    /// # Errors
    /// Nothing was written, and nothing more will be decided.
    fn commit(&mut self, records: &[Record]) -> Result<(), Self::Error>;
}

/// How a run ended, if not with an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every trial has its outcome.
    Finished,
    /// It was interrupted; what is missing can be resumed.
    Interrupted,
    /// It was interrupted, and another coordinator goes on: workers wait for it.
    HandedOver,
    /// No worker stays alive; this is how the last one ended.
    Stuck(String),
}

/// What a run is told before it begins.
#[derive(Debug, Clone)]
pub struct Terms {
    pub sweep: String,
    pub places: Places,
    /// Seconds between two signs of life of a worker.
    pub heartbeat: f64,
    /// Seconds that a worker without its coordinator tries to come back.
    pub reconnect_grace: f64,
    /// Somebody else runs the workers' processes, and may tell of their ends late: nobody waits for that.
    pub is_lent: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    Working,
    /// Nothing more will be given out: workers end, and those that don't until then are ended.
    Leaving {
        until: Time,
        killed: bool,
        outcome: Outcome,
    },
    Over(Outcome),
}

/// The coordinator without its hands.
pub struct Core<J> {
    journal: J,
    scheduler: Scheduler,
    roster: Roster,
    worklist: Worklist,
    progress: Progress,
    terms: Terms,
    stage: Stage,
    /// Connections that were closed or turned away for what came over them.
    faults: u64,
    draining: bool,
    /// Interrupted twice: nobody waits for anything.
    leaving: bool,
    /// Actions of this turn that do not follow from the scheduler's effects.
    early: Vec<Action>,
    answers: Vec<Action>,
}

impl<J: Journal> Core<J> {
    /// Rebuilds the core from rows. `newest` has the newest epoch of each trial that runs already.
    ///
    /// # Errors
    /// The journal's.
    pub fn restore(
        journal: J,
        settings: Settings,
        restored: Restored,
        worklist: Worklist,
        newest: BTreeMap<TrialId, EpochMetrics>,
        terms: Terms,
        now: Time,
    ) -> Result<(Core<J>, Committed), J::Error> {
        let roster = Roster::new(&restored);
        let mut effects = Vec::new();
        let scheduler = Scheduler::restore(settings, restored, now, &mut effects);
        let core = Core {
            journal,
            scheduler,
            roster,
            progress: Progress::new(&worklist, newest),
            worklist,
            terms,
            stage: Stage::Working,
            faults: 0,
            draining: false,
            leaving: false,
            early: Vec::new(),
            answers: Vec::new(),
        };
        core.settle(now, effects, &|_| Vec::new())
    }

    /// Decides what follows from all of `batch` and from the time, and commits it. `log` gives the last
    /// lines of a worker's log.
    ///
    /// # Errors
    /// The journal's. The core is gone then: nothing that follows from this turn may be done.
    pub fn turn(
        mut self,
        now: Time,
        batch: Vec<Input>,
        log: &dyn Fn(WorkerId) -> Vec<String>,
    ) -> Result<(Core<J>, Committed), J::Error> {
        let mut effects = Vec::new();
        for input in batch {
            if let Some(event) = self.translate(now, input, &mut effects) {
                self.scheduler.handle(now, event, &mut effects);
            }
        }
        // However much comes that means nothing, time goes on.
        self.scheduler.handle(now, Event::Tick, &mut effects);
        self.settle(now, effects, log)
    }

    /// When a turn is due, if nothing happens before.
    pub fn deadline(&self) -> Option<Time> {
        let leaving = match self.stage {
            Stage::Leaving { until, .. } => Some(until),
            _ => None,
        };
        self.scheduler.next_deadline().into_iter().chain(leaving).min()
    }

    /// How the run has ended, once every worker is gone.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.stage {
            Stage::Over(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Whether no more work will be given out.
    pub fn is_leaving(&self) -> bool {
        self.stage != Stage::Working
    }

    pub fn status(&self) -> Status {
        self.progress.status(&self.scheduler, &self.roster, &self.worklist, self.draining)
    }

    /// The place of a worker that came by itself, by its own number.
    pub fn guest(&self, number: u64) -> Option<WorkerId> {
        match self.roster.guest(number) {
            Some(roster::Guest::Seated(worker)) => Some(worker),
            _ => None,
        }
    }

    /// Where its records go, for who reads or shows them; what it decides does not depend on that.
    pub fn journal(&mut self) -> &mut J {
        &mut self.journal
    }

    /// For a simulation to look into.
    pub fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }
}
