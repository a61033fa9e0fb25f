//! A worker's side of the conversation: connects, takes assignments, reports, and comes back after a lost connection.
//!
//! What is done with an assignment is behind [`Trainer`], so that this crate needs no libtorch and orchestration can be
//! tested and measured with a trainer that does nothing ([`idle::Idle`]).
//!
//! - The trainer runs on the caller's thread. The connection has a thread of its own, so heartbeats go out however long
//!   a batch takes; they say that the process lives, not that training gets on.
//! - What a worker holds and owes is decided by [`desk::Desk`], which knows neither threads nor sockets, so that the
//!   coordinator's simulation puts the same desk through lost connections and lies.
//! - A report stays in the outbox until it is acknowledged, and is sent again after a reconnection.
//! - Nothing waits for an acknowledgement: training goes on while the coordinator commits, and while it is away.
//! - Where no other machine sees a worker's checkpoints, they go to the coordinator and come from it beside all else that is said,
//!   and whatever goes wrong with them costs epochs alone.
//! - A worker that has no coordinator for the grace period stops and returns [`LinkError::CoordinatorLost`].
//!
//! It must not know libtorch, nor what an assignment is about.

mod connection;
pub mod desk;
mod end;
mod errands;
mod held;
pub mod idle;
pub mod log;
mod next;
mod parcel;
mod pipe;
mod shared;
pub mod tls;

use frostline_protocol::{Build, Ended, Freight, Observer, Places, Report, Stop, Who, Work};
use frostline_results::{Parcel, checkpoint, models};
use frostline_sweep::outcome::{AttemptId, EpochMetrics, Failure, FailureKind};
use frostline_sweep::trial::TrialId;
use shared::Shared;
use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the trainer of a worker without a coordinator may take to end its batch and to keep how far it has come. What
/// that costs where it takes longer is in the last checkpoint, but for half a minute.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// Carries out one assignment at a time, and keeps what is worth keeping between them.
pub trait Trainer {
    fn run(&mut self, places: &Places, work: &Work, observer: &mut dyn Observer) -> Result<Ended, Problem>;
}

/// Why an assignment failed.
#[derive(Debug)]
pub struct Problem {
    pub kind: FailureKind,
    pub message: String,
}

/// How a worker finds its coordinator. What the file says is read anew for each try to connect.
#[derive(Debug, Clone)]
pub enum Way {
    /// On this machine: the file names the socket.
    Local { endpoint: PathBuf, token: String },
    /// From anywhere: the file has addresses and what proves that this worker may come in.
    Access(PathBuf),
    /// Standard input and output lead to the coordinator. There is no second try: whoever carries them starts another worker.
    Pipe { token: String },
}

impl Way {
    /// What names the coordinator, in words.
    fn describe(&self) -> String {
        match self {
            Way::Local { endpoint: file, .. } | Way::Access(file) => {
                format!("the coordinator that {} names", file.display())
            }
            Way::Pipe { .. } => "the coordinator at the other end of the pipe".to_owned(),
        }
    }

    /// Whether a lost connection may be made anew.
    fn comes_back(&self) -> bool {
        !matches!(self, Way::Pipe { .. })
    }
}

/// Where things lie on this machine, by where they lie on the coordinator's.
pub type Here = Box<dyn Fn(Places) -> Result<Places, String> + Send>;

pub struct Options {
    pub way: Way,
    pub who: Who,
    pub build: Build,
    /// Whose features it reads and keeps; none where that is the coordinator's own folder.
    pub host: Option<String>,
    pub places: Here,
    /// A folder of this process alone: a model that is written there is sent to the coordinator.
    pub outgoing: Option<PathBuf>,
    /// A folder that no other machine sees: checkpoints there are sent to the coordinator, and asked of it.
    pub checkpoints: Option<PathBuf>,
    /// When this process will be ended. It leaves before that, and also on SIGTERM and SIGUSR2 where its end is not the
    /// coordinator's affair.
    pub ends: Option<Instant>,
    pub leaves_on_signals: bool,
    /// Where a failure's log lines come from.
    pub log: log::Tail,
    /// How long to try for the first connection; later ones have the coordinator's `reconnect_grace`.
    pub patience: Duration,
    /// Whether a coordinator that nobody answers for is away, and not gone: it may be waiting in a queue itself. It is asked
    /// for then as long as the file that names it is there, whatever the patience.
    pub awaits: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("{coordinator} did not come back within {seconds} s: {reason}")]
    CoordinatorLost { coordinator: String, seconds: u64, reason: String },
    #[error("{reason}")]
    Places { reason: String },
    #[error("this machine cannot do what the sweep needs: {reason}")]
    Unfit { reason: String },
    #[error(
        "the coordinator speaks protocol {theirs}, this worker {ours}: use the `frostline` and `frostline-worker` of one build"
    )]
    Protocol { ours: u32, theirs: u32 },
    #[error("the connection to the coordinator cannot be served: {source}")]
    Runtime { source: io::Error },
}

/// Serves the coordinator until it has no more work for this worker.
pub fn serve(options: Options, trainer: &mut dyn Trainer) -> Result<(), LinkError> {
    let desk = Arc::new(Shared::default());
    let log = options.log.clone();
    let (outgoing, checkpoints) = (options.outgoing.clone(), options.checkpoints.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| LinkError::Runtime { source })?;
    let connection = std::thread::Builder::new().spawn({
        let desk = Arc::clone(&desk);
        move || {
            let ends = Ends(&desk);
            let end = runtime.block_on(connection::keep(&options, &desk));
            drop(ends);
            if end.is_err() {
                leave_hung_trainer(&desk);
            }
            // A disk that does not answer keeps nobody from ending.
            runtime.shutdown_background();
            end
        }
    });
    let connection = connection.map_err(|source| LinkError::Runtime { source })?;
    let (mut unfit, mut complete) = (None, None);
    loop {
        let next = desk.next();
        if let Some((folder, trial)) = checkpoints.as_ref().zip(complete.take())
            && next.as_ref().map_or_else(|| desk.with(|desk| desk.is_done()), |(_, next)| is_other(&next.work, trial))
        {
            // As the coordinator knows by now, which clears its own folder alone.
            checkpoint::remove(folder, |of| of == trial);
        }
        let Some((places, assignment)) = next else { break };
        let attempt = assignment.attempt;
        let mut reporter = Reporter { desk: &desk, attempt };
        let ended = catch_unwind(AssertUnwindSafe(|| trainer.run(&places, &assignment.work, &mut reporter)))
            .unwrap_or_else(|panic| Err(Problem { kind: FailureKind::Internal, message: panic_message(&*panic) }));
        let mut load = None;
        let report = match ended {
            Ok(Ended::Complete(evaluation)) => {
                if let Work::Train { trial, .. } = assignment.work {
                    complete = Some(trial);
                    if let Some(folder) = outgoing.as_ref().filter(|folder| places.models.as_ref() == Some(*folder)) {
                        load = send(&models::path(folder, trial)).map(|model| (Freight::Model, model));
                    }
                }
                Report::Complete(evaluation)
            }
            Ok(Ended::Filled(filled)) => Report::Filled(filled),
            Ok(Ended::Stopped) => {
                if let Some((_, newest)) = desk.with(|desk| desk.newest()) {
                    let checkpoint = errands::readable(&newest, Parcel::find(&newest));
                    load = checkpoint.map(|checkpoint| (Freight::Checkpoint, checkpoint));
                }
                Report::Stopped
            }
            Ok(Ended::Unfit(reason)) => {
                tracing::error!(%attempt, "{reason}");
                // Said before the end of the attempt: nothing else is given to it then.
                desk.go();
                unfit = Some(reason);
                Report::Stopped
            }
            Err(Problem { kind, message }) => {
                tracing::error!(%attempt, %kind, "{message}");
                Report::Failed(Failure { kind, message, log: log.lines() })
            }
        };
        desk.last_report(attempt, load, report);
    }
    desk.leave();
    let ended = connection.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    match unfit {
        Some(reason) => Err(LinkError::Unfit { reason }),
        None => ended,
    }
}

/// A model that goes to the coordinator. Where it cannot be read the trial is as complete as without.
fn send(model: &Path) -> Option<Parcel> {
    let taken = parcel::take(model);
    taken.inspect_err(|error| tracing::error!("the model {} stays behind: {error}", model.display())).ok()
}

fn is_other(work: &Work, than: TrialId) -> bool {
    !matches!(work, Work::Train { trial, .. } if *trial == than)
}

/// Ends the desk in every case, a panic included: the trainer must not wait for work that nobody can give it.
struct Ends<'a>(&'a Shared);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Ends the process where the trainer does not stop in time: nobody is there any more to kill it, and it may hold a GPU.
fn leave_hung_trainer(desk: &Shared) {
    if !desk.wait_until_left(STOP_TIMEOUT) {
        tracing::error!("the trainer did not stop within {} s", STOP_TIMEOUT.as_secs());
        // Not `exit`: its destructors would wait for the threads that hang.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

struct Reporter<'a> {
    desk: &'a Shared,
    attempt: AttemptId,
}

impl Observer for Reporter<'_> {
    fn epoch(&mut self, metrics: EpochMetrics) {
        self.desk.report(self.attempt, Report::Epoch(metrics));
    }

    fn progress(&mut self, done: u64, total: u64) {
        self.desk.progress(self.attempt, done, total);
    }

    fn gets_on(&mut self) {
        self.desk.gets_on(self.attempt);
    }

    fn should_stop(&self) -> Stop {
        self.desk.should_stop()
    }
}

/// What a caught panic said.
pub fn panic_message(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    format!("the trainer panicked: {}", message.unwrap_or("no message"))
}
