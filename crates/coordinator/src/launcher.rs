//! Launchers: who starts worker processes, and ends them.

use crate::event::Exits;
use frostline_protocol::WorkerId;
use std::io;

/// Starts and ends workers. How a worker ended is told to the [`Exits`] that the launcher was made with.
pub trait Launcher {
    /// Starts this worker's process. It connects by itself, and may do so long after this call.
    fn launch(&mut self, worker: WorkerId, exits: &Exits) -> io::Result<()>;

    /// Ends this worker's process at once, if there is one. Its exit is still told.
    fn kill(&mut self, worker: WorkerId);
}

/// How a worker process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exit {
    /// In words, such as "exit status: 1".
    pub description: String,
    /// The last lines it wrote to its log.
    pub log: Vec<String>,
}
