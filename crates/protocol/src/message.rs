//! What is said: greetings, assignments, reports and acknowledgements, commands and their answers.

use crate::codec::Message;
use frostline_sweep::features::FeatureSpec;
use frostline_sweep::outcome::{AttemptId, EpochMetrics, Evaluation, Failure};
pub use frostline_sweep::record::{Build, TaskKey};
use frostline_sweep::trial::{TrialId, TrialSpec};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Raised with every change that an older peer would misunderstand; peers of different versions part at once.
pub const VERSION: u32 = 5;

/// The name in a coordinator's certificate, whatever its machine is called and wherever it is reached.
pub const SERVER_NAME: &str = "coordinator.frostline.internal";

/// What a worker writes before its first frame where its standard output is the wire: a login shell may have written anything
/// before it.
pub const PREAMBLE: &[u8] = b"\x01frostline-worker speaks\n";

/// Bytes that the other machine has not confirmed for this many milliseconds end a connection: a cut cable says nothing.
pub const UNCONFIRMED: u32 = 10_000;

/// A worker process' place in its coordinator; given out by the coordinator when it launches the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub u32);

/// One process in a worker's place: given out by the coordinator and never twice in one results folder, so that a process
/// whose place has gone to another is told from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

/// A place and the process that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    pub worker: WorkerId,
    pub incarnation: Incarnation,
}

/// One attempt at one task: what every message about it carries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Claim {
    pub task: TaskKey,
    pub attempt: AttemptId,
}

/// First message of a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Greeting {
    Worker(Hello),
    Client(Request),
}

/// By what a worker is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Who {
    /// The coordinator has started it, in this place.
    Started(Seat),
    /// It came by itself. Its number is its own, and nobody else has it: a guest that comes back is known by it.
    Guest(u64),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: u32,
    /// The results folder's secret, which only processes of the same user can read.
    pub token: String,
    pub who: Who,
    pub process: u32,
    pub build: Build,
    /// Whose features it reads and keeps; none where that is the coordinator's own folder.
    #[serde(default)]
    pub host: Option<String>,
    /// Seconds that it has left before it will be ended; none where nobody has set it a limit.
    #[serde(default)]
    pub seconds_left: Option<f64>,
    /// What the worker still runs, when it comes back after a lost connection.
    pub running: Option<Claim>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromWorker {
    /// Still alive and at work.
    Heartbeat,
    /// Its time is over, or somebody ends it: it stops what it does and takes no more work.
    Leaving,
    /// How far a long step has come, for the progress display only; not recorded, not acknowledged.
    Progress {
        claim: Claim,
        done: u64,
        total: u64,
    },
    Report {
        claim: Claim,
        number: u32,
        report: Report,
    },
    /// A part of a file of the trial, from a machine that does not see the results folder: of its model, ahead of the attempt's
    /// last report, or of its newest checkpoint, at any time.
    Piece {
        claim: Claim,
        freight: Freight,
        piece: Piece,
    },
    /// Asks for the newest checkpoint of the trial, before the attempt begins, from a machine whose checkpoints no other sees.
    /// Answered with [`ToWorker::Piece`], or with [`ToWorker::Kept`].
    Fetch {
        claim: Claim,
        /// Digest of the one that lies there.
        have: Option<String>,
    },
}

/// What a file that travels is to its trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Freight {
    Model,
    Checkpoint,
}

/// A part of a file that travels. Pieces come in their order on one connection; after a lost connection they begin anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// Bytes of the file before this piece.
    pub at: u64,
    /// Bytes of the whole file.
    pub of: u64,
    /// BLAKE3 of the whole file, in hexadecimal digits.
    pub digest: String,
    /// Beside the JSON.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

impl Message for FromWorker {
    fn load(&self) -> Option<&[u8]> {
        match self {
            FromWorker::Piece { piece, .. } => Some(&piece.bytes),
            _ => None,
        }
    }

    fn take_load(&mut self, came: &[u8]) -> bool {
        match self {
            FromWorker::Piece { piece, .. } => {
                piece.bytes = came.to_vec();
                true
            }
            _ => false,
        }
    }
}

impl Message for ToWorker {
    fn load(&self) -> Option<&[u8]> {
        match self {
            ToWorker::Piece { piece, .. } => Some(&piece.bytes),
            _ => None,
        }
    }

    fn take_load(&mut self, came: &[u8]) -> bool {
        match self {
            ToWorker::Piece { piece, .. } => {
                piece.bytes = came.to_vec();
                true
            }
            _ => false,
        }
    }
}

impl Message for Greeting {}
impl Message for Response {}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    Epoch(EpochMetrics),
    /// The assignment is done; ends the attempt.
    Complete(Evaluation),
    Filled(Filled),
    Failed(Failure),
    /// Ended because it was told to; what its last checkpoint holds is not lost.
    Stopped,
}

impl Report {
    /// Whether this is the last report of its attempt.
    pub fn is_last(&self) -> bool {
        !matches!(self, Report::Epoch(_))
    }

    /// Its kind in words.
    pub fn name(&self) -> &'static str {
        match self {
            Report::Epoch(_) => "an epoch",
            Report::Complete(_) => "complete",
            Report::Filled(_) => "filled",
            Report::Failed(_) => "failed",
            Report::Stopped => "stopped",
        }
    }
}

/// A feature cache folder is in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filled {
    pub bytes: u64,
    pub seconds: f64,
    /// False where another process had filled it already.
    pub computed: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToWorker {
    Welcome(Welcome),
    Assign(Box<Assignment>),
    /// Reports of this attempt are durable up to and including `number`.
    Acknowledge {
        attempt: AttemptId,
        number: u32,
    },
    /// End this attempt after the running batch; answer [`Report::Stopped`].
    Stop {
        attempt: AttemptId,
    },
    /// End after the running epoch (answer [`Report::Stopped`]), take no more work, and exit.
    Drain,
    /// A part of the checkpoint that this attempt has asked for.
    Piece {
        attempt: AttemptId,
        piece: Piece,
    },
    /// No checkpoint comes, or nothing more of it: the coordinator has the one that the worker has (`same`), or none.
    Kept {
        attempt: AttemptId,
        same: bool,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    pub protocol: u32,
    /// A worker says something at least this often, in seconds.
    pub heartbeat: f64,
    /// How long a worker that lost its coordinator tries to come back before it exits, in seconds.
    pub reconnect_grace: f64,
    pub places: Places,
}

/// Where things lie on this machine; never part of a trial's identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// The data set's folder; none for drawn data.
    pub data: Option<PathBuf>,
    /// The weights file of each network; none for one with random weights.
    pub weights: BTreeMap<String, PathBuf>,
    /// Folder of the feature cache.
    pub features: PathBuf,
    /// Folder of the checkpoints.
    pub checkpoints: PathBuf,
    /// Folder of the trained models; none where no model is kept.
    #[serde(default)]
    pub models: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    pub attempt: AttemptId,
    pub work: Work,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    Train {
        trial: TrialId,
        spec: TrialSpec,
        /// The cached features to start from; none computes the frozen part in every epoch.
        features: Option<FeatureSpec>,
        /// Images that frozen layers take at a time, where memory ran out before; none takes a whole portion.
        #[serde(default)]
        micro_batch: Option<u32>,
    },
    Fill {
        spec: FeatureSpec,
        /// Cached features of an earlier cut to start from.
        from: Option<FeatureSpec>,
        /// Portions to compute at once: one, and one for each worker of the machine that has nothing else to do.
        #[serde(default = "one")]
        streams: u32,
        /// Images at a time, where memory ran out before; none takes a whole portion.
        #[serde(default)]
        micro_batch: Option<u32>,
    },
}

fn one() -> u32 {
    1
}

impl Work {
    pub fn task(&self) -> TaskKey {
        match self {
            Work::Train { trial, .. } => TaskKey::Trial(*trial),
            Work::Fill { spec, .. } => TaskKey::Fill(spec.key()),
        }
    }
}

impl Assignment {
    pub fn claim(&self) -> Claim {
        Claim { task: self.work.task(), attempt: self.attempt }
    }
}

/// What a command says to a running coordinator. Answered with one [`Response`], then the connection closes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Request {
    pub protocol: u32,
    pub token: String,
    pub command: Command,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Cancel these trials, or every unfinished trial of the sweep where none is named.
    Cancel { sweep: String, trials: Vec<TrialId> },
    /// Note this of a sweep, whichever runs; what was noted before goes.
    Note { sweep: String, text: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// It is done and committed: of trials, of so many.
    Done(u64),
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::outcome::FailureKind;

    #[test]
    fn every_report_but_an_epoch_is_the_last_of_its_attempt() {
        let epoch = EpochMetrics {
            epoch: 1,
            train_loss: 1.0,
            train_accuracy: 0.5,
            val_loss: 1.0,
            val_accuracy: 0.5,
            learning_rate: 1e-3,
            seconds: 1.0,
            images_per_second: 1.0,
            peak_memory: 1,
            by_class: None,
        };
        let evaluation = Evaluation {
            test_loss: 1.0,
            test_accuracy: 0.5,
            class_accuracy: vec![0.5],
            confusion: vec![vec![1]],
            trained_parameters: 1,
            seconds: 1.0,
            validation_images: None,
            by_class: None,
            right: None,
        };
        let failure = Failure { kind: FailureKind::Diverged, message: "m".to_owned(), log: Vec::new() };
        let reports = [
            (Report::Epoch(epoch), false, "an epoch"),
            (Report::Complete(evaluation), true, "complete"),
            (Report::Filled(Filled { bytes: 1, seconds: 1.0, computed: true }), true, "filled"),
            (Report::Failed(failure), true, "failed"),
            (Report::Stopped, true, "stopped"),
        ];
        for (report, is_last, name) in reports {
            assert_eq!((report.is_last(), report.name()), (is_last, name));
        }
    }

    #[test]
    fn a_fill_that_says_nothing_of_streams_computes_one_portion_at_a_time() {
        let text = r#"{"fill": {"from": null, "spec": {
            "dataset": "shapes", "data_digest": "d", "train_limit": null, "test_limit": null, "image_size": 32,
            "augment": "none", "model": {"backbone": "efficientnet_lite0", "weights": "random"},
            "precision": "float32", "cut": 1}}}"#;
        let work: Work = serde_json::from_str(text).unwrap();
        assert!(matches!(work, Work::Fill { streams: 1, .. }), "{work:?}");
    }
}
