//! Connections: who listens, who may come in, and how each is served. Nothing here decides anything.

mod arrive;
mod depart;
mod endpoint;
mod greet;
mod listen;
mod peer;
mod remote;
pub(crate) mod tls;
pub(crate) mod token;

pub(crate) use listen::Listening;
pub(crate) use peer::Outbox;
pub(crate) use remote::Remote;
pub use tls::Invitation;

use crate::checkpoints::Checkpoints;
use crate::core::PeerId;
use frostline_protocol::{Command, FromWorker, Hello, Response};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;

/// What every connection is served with.
#[derive(Debug, Clone)]
pub(crate) struct House {
    /// Who does not know it is not let in.
    pub(crate) token: Arc<str>,
    /// Where models go that workers send; none where none is kept.
    pub(crate) models: Option<Arc<Path>>,
    /// Where checkpoints go that workers send, and come from that they ask for.
    pub(crate) checkpoints: Arc<Checkpoints>,
    pub(crate) events: Sender<Event>,
}

#[cfg(test)]
impl House {
    fn of_tests(events: Sender<Event>) -> House {
        let checkpoints = Arc::new(Checkpoints::new("nowhere".into(), Default::default()));
        House { token: "token".into(), models: None, checkpoints, events }
    }
}

/// What a worker of process 1 on machine `w` says first, with this token.
#[cfg(test)]
fn hello_of_tests(token: &str) -> Hello {
    use frostline_protocol::{Build, VERSION, Who};
    Hello {
        protocol: VERSION,
        token: token.to_owned(),
        who: Who::Guest(1),
        process: 1,
        build: Build { host: "w".to_owned(), ..Build::default() },
        host: None,
        seconds_left: None,
        running: None,
    }
}

/// Bytes in both directions, whatever carries them.
pub(crate) type Stream = Box<dyn Duplex>;

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What comes over connections.
pub(crate) enum Event {
    /// A worker with the right token has greeted.
    Joined {
        peer: PeerId,
        outbox: Outbox,
        hello: Hello,
    },
    Said {
        peer: PeerId,
        message: FromWorker,
    },
    /// The connection is over; `fault` says what was wrong with what came over it.
    Left {
        peer: PeerId,
        fault: Option<String>,
    },
    /// Somebody was turned away before greeting properly.
    TurnedAway {
        reason: String,
    },
    Asked(Asked),
}

/// A command, and where its answer goes: who must answer holds no socket.
pub(crate) struct Asked {
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Response>,
}
