//! Doing it: one event loop between the scheduler, the database and the workers.
//!
//! Whatever happens arrives as an [`event::Event`] on one channel. Each turn of the loop takes all events that are there,
//! lets the scheduler decide, commits its records in one transaction, and only then talks to workers. Threads do the
//! waiting (one accepts, one a connection reads, one a process waits for its end); none of them shares state.

mod client;
mod clock;
mod connection;
mod event;
mod keep;
mod launcher;
mod local;
mod pace;
mod restore;
mod room;
mod run;
mod socket;

pub use client::request;
pub use event::{Inbox, Interrupt};
pub use local::{LocalWorkers, worker_program};
pub use room::{KeptFeatures, kept_features};
pub use run::{Job, Observer, Outcome, Running, Status, run};

use frostline_store::StoreError;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the coordinator cannot use `{}`: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the coordinator's socket `{}` cannot be used: {source}", path.display())]
    Socket { path: PathBuf, source: io::Error },
    #[error("worker processes cannot be managed: {source}")]
    Launcher { source: io::Error },
}
