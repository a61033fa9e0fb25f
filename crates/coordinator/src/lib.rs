//! Doing it: between the scheduler, the database and the workers.
//!
//! It owns a run: who decides ([`core`]), who waits, who starts workers, who is told. It must not know how a trial trains
//! (no libtorch), what people see (watchers of the [`Hub`] do), or any SQL.
//!
//! ```text
//! connections ─┐                                        ┌─ hands ── outboxes, launcher, replies
//! exits ───────┼─ inbox ── core: decide, commit ── facts, actions
//! signals ─────┘             (ledger: the database)     ├─ upkeep ── checkpoints, models
//!                                                       └─ hub ── any number of watchers
//! ```
//!
//! A turn takes all events that are there, lets the scheduler decide, commits its records in one transaction, and only
//! then does what follows from them.

mod checkpoints;
mod client;
mod clock;
pub mod core;
mod error;
mod farewell;
mod folder;
mod hands;
mod hub;
mod inbox;
mod job;
mod launch;
mod ledger;
mod net;
mod run;
mod signals;
mod start;
mod upkeep;

pub use client::request;
pub use core::{Fact, Outcome, Running, Status};
pub use error::CoordinatorError;
pub use farewell::Farewell;
pub use hub::{Hub, News, Watcher};
pub use job::{Job, Relay, Ties};
pub use launch::{
    Access, CUDA_LIBRARY, CoordinatorJob, Engine, Exit, Gpus, Launcher, LocalWorkers, Notices, OwnJob, QueuedWorkers,
    SlurmWorkers, SshPlace, SshWorkers, TORCH, Torch, TorchError, ssh_command, torch_of, worker_command,
    worker_program,
};
pub use net::Invitation;
pub use run::run;
