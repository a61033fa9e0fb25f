//! What can happen to a coordinator: one channel, one enum.

use crate::connection::{Connection, ConnectionId};
use crate::launcher::Exit;
use frostline_protocol::{Command, FromWorker, Hello, WorkerId};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Events that may wait: past this, readers of connections wait, and with them the workers.
const CAPACITY: usize = 1024;

pub(crate) enum Event {
    /// A worker with the right token has greeted.
    Joined {
        connection: Connection,
        hello: Hello,
    },
    Said {
        connection: ConnectionId,
        message: FromWorker,
    },
    /// The connection is over; `fault` says what was wrong with what came over it.
    Left {
        connection: ConnectionId,
        fault: Option<String>,
    },
    /// Somebody was turned away before greeting properly.
    TurnedAway {
        reason: String,
    },
    /// A command wants an answer over `stream`.
    Asked {
        command: Command,
        stream: UnixStream,
    },
    Exited {
        worker: WorkerId,
        exit: Exit,
    },
    Interrupted,
}

/// Where a coordinator's events arrive. Made before the coordinator, so that signals can be wired up first.
pub struct Inbox {
    pub(crate) sender: SyncSender<Event>,
    pub(crate) receiver: Receiver<Event>,
}

impl Default for Inbox {
    fn default() -> Inbox {
        let (sender, receiver) = sync_channel(CAPACITY);
        Inbox { sender, receiver }
    }
}

impl Inbox {
    pub fn new() -> Inbox {
        Inbox::default()
    }

    /// A handle that a signal handler's thread may keep.
    pub fn interrupt(&self) -> Interrupt {
        Interrupt(self.sender.clone())
    }

    pub(crate) fn exits(&self) -> Exits {
        Exits(self.sender.clone())
    }
}

/// Asks a coordinator to end: in good order the first time, at once the second time.
#[derive(Clone)]
pub struct Interrupt(SyncSender<Event>);

impl Interrupt {
    pub fn send(&self) {
        // A coordinator that is gone needs no interrupt.
        let _ = self.0.send(Event::Interrupted);
    }
}

/// Where a launcher tells that a worker's process has ended.
#[derive(Clone)]
pub struct Exits(SyncSender<Event>);

impl Exits {
    pub fn tell(&self, worker: WorkerId, exit: Exit) {
        let _ = self.0.send(Event::Exited { worker, exit });
    }
}
