//! Checkpoints beside the training: the state is copied, and a thread writes it while training goes on.
//!
//! A trial is kept in this half minute's rhythm, wherever in an epoch it is, and where it is interrupted. So what is
//! computed again after a crash is at most what the last half minute had brought, and a short trial writes nothing.

use crate::checkpoint::{self, Copied, Progress};
use crate::error::TrainingError;
use frostline_sweep::trial::TrialSpec;
use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Between two checkpoints of a trial.
pub(crate) const PAUSE: Duration = Duration::from_secs(30);

/// The checkpoints of one trial.
pub(crate) struct Keeper<'a> {
    spec: &'a TrialSpec,
    path: PathBuf,
    pause: Duration,
    /// When the newest state was copied; before the first, when this attempt began.
    last: Instant,
    /// Optimizer steps and epochs of the newest state; what is on disk from before counts.
    newest: (u64, usize),
    /// Writes the newest state.
    writing: Option<JoinHandle<Result<(), TrainingError>>>,
}

impl<'a> Keeper<'a> {
    /// Keeps what differs from `start`, the optimizer steps and epochs that the trial begins with, at most this often.
    pub(crate) fn new(spec: &'a TrialSpec, path: PathBuf, pause: Duration, start: (u64, usize)) -> Keeper<'a> {
        Keeper { spec, path, pause, last: Instant::now(), newest: start, writing: None }
    }

    /// Whether it is time to keep the state.
    pub(crate) fn is_due(&self) -> bool {
        self.last.elapsed() >= self.pause
    }

    /// Copies a state, and has it written. Waits where the one before is still being written; does nothing where this
    /// one is kept already.
    ///
    /// # Errors
    /// The state before could not be written; nor this one, where no thread can be had.
    pub(crate) fn keep(&mut self, progress: &Progress) -> Result<(), TrainingError> {
        let at = (progress.step, progress.history.len());
        if at == self.newest {
            return Ok(());
        }
        self.settle()?;
        let copied = progress.copied(self.spec);
        (self.last, self.newest) = (Instant::now(), at);
        let (path, (hand, given)) = (self.path.clone(), channel::<Copied>());
        let write = move || given.recv().map_or(Ok(()), |copied| checkpoint::save(&path, &copied));
        match Builder::new().spawn(write) {
            Ok(writing) => {
                // A thread that is gone is noticed where it is waited for.
                let _ = hand.send(copied);
                self.writing = Some(writing);
            }
            // Training can wait; it is not to be lost.
            Err(_) => checkpoint::save(&self.path, &copied)?,
        }
        Ok(())
    }

    /// Waits until the newest state is on the disk.
    ///
    /// # Errors
    /// It could not be written.
    pub(crate) fn settle(&mut self) -> Result<(), TrainingError> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let failed = || TrainingError::Impossible("a checkpoint's thread panicked".to_owned());
        writing.join().unwrap_or_else(|_| Err(failed()))
    }
}

/// However its trial ends, nothing of it is written afterwards: the coordinator removes what is there, and another attempt
/// may write to the same place.
impl Drop for Keeper<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.settle() {
            tracing::warn!("{error}");
        }
    }
}
