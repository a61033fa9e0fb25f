//! What the scheduler is told, and what it wants done.

use frostline_protocol::{Claim, Incarnation, Report, ToWorker, WorkerId};
use frostline_sweep::features::FeatureKey;
use frostline_sweep::outcome::AttemptId;
use frostline_sweep::record::{Build, Record, TaskKey};
use frostline_sweep::trial::TrialId;

#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A worker has connected, for the first time or again; `running` is what it says it holds.
    Joined {
        worker: WorkerId,
        about: About,
        running: Option<Claim>,
    },
    /// A worker that waited for its place in somebody's queue has got it: its process starts.
    Began {
        worker: WorkerId,
    },
    /// A worker is going to end: its time is over, or somebody ends it.
    Leaving {
        worker: WorkerId,
    },
    /// A worker has said that it lives.
    Heard {
        worker: WorkerId,
    },
    /// What a worker carries out has come further.
    Stepped {
        worker: WorkerId,
    },
    Reported {
        worker: WorkerId,
        claim: Claim,
        number: u32,
        report: Report,
    },
    /// A worker's connection is over; its process may come back.
    Left {
        worker: WorkerId,
    },
    /// A worker's process has ended.
    Exited {
        worker: WorkerId,
        /// Whoever lent the machine has ended it: a time limit, another's precedence, a node that is gone.
        is_excused: bool,
        description: String,
        log: Vec<String>,
    },
    Cancel {
        trials: Vec<TrialId>,
    },
    /// Hand out no more work, let running epochs end.
    Drain,
    /// Nothing happened but time.
    Tick,
}

/// What a worker says of itself when it joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    pub build: Build,
    /// Whose features it reads and keeps; none where that is the coordinator's own folder.
    pub host: Option<String>,
    /// Milliseconds until it will be ended.
    pub left: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// To be durable before anything else of this batch is done.
    Record(Record),
    /// Give this task to this worker.
    Assign {
        worker: WorkerId,
        attempt: AttemptId,
        task: Task,
    },
    Tell {
        worker: WorkerId,
        message: ToWorker,
    },
    /// Close this worker's connection: what came over it broke the protocol. It may connect anew.
    Disconnect(WorkerId),
    /// Forget this worker, which nobody has started, and close its connection. It may come back where it was not told to leave.
    Dismiss {
        worker: WorkerId,
        for_good: bool,
    },
    /// Start this worker's process.
    Launch {
        worker: WorkerId,
        incarnation: Incarnation,
    },
    /// End this worker's process at once.
    Kill(WorkerId),
}

/// What an attempt carries out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Train, from cached features where there are any.
    /// Frozen layers take `micro_batch` images at a time, where memory ran out before.
    Train { trial: TrialId, features: Option<FeatureKey>, micro_batch: Option<u32> },
    /// Compute features, from those of an earlier cut where there are any, `streams` portions at once, `micro_batch` images
    /// at a time where memory ran out before.
    Fill { key: FeatureKey, from: Option<FeatureKey>, streams: u32, micro_batch: Option<u32> },
}

impl Task {
    pub fn key(&self) -> TaskKey {
        match self {
            Task::Train { trial, .. } => TaskKey::Trial(*trial),
            Task::Fill { key, .. } => TaskKey::Fill(key.clone()),
        }
    }
}
