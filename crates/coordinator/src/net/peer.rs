//! A worker's connection: what it says goes to the loop, what it is told comes from an outbox that never makes the loop
//! wait.

use super::arrive::Arrivals;
use super::{Event, House, PeerId, Stream};
use frostline_protocol::codec::{CodecError, Messages};
use frostline_protocol::{FromWorker, Greeting, Hello, Response, ToWorker};
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;
use tokio_util::codec::Framed;

/// Messages that may wait for a worker. A turn has an acknowledgement for each report of its batch at most, so only a worker
/// that does not read what it is told comes near.
const OUTBOX: usize = 4_096;
/// A worker that takes none of what it is told for this long is cut off.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Where messages to one worker go. Dropping it closes the connection once they are written.
pub(crate) struct Outbox(Sender<ToWorker>);

impl Outbox {
    /// Never waits. False where the worker does not read what it is told: then the message is lost, and with it the
    /// connection is to be closed.
    pub(crate) fn send(&self, message: ToWorker) -> bool {
        self.0.try_send(message).is_ok()
    }
}

pub(super) struct Wire(Framed<Stream, Messages<ToWorker, FromWorker>>);

impl Wire {
    /// Goes on where the greeting ended, with what has come behind it.
    pub(super) fn of(greeted: Framed<Stream, Messages<Response, Greeting>>) -> Wire {
        Wire(greeted.map_codec(|_| Messages::default()))
    }

    /// Writes all that waits.
    async fn write(&mut self, first: ToWorker, waiting: &mut Receiver<ToWorker>) -> Result<(), CodecError> {
        self.0.feed(&first).await?;
        while let Ok(message) = waiting.try_recv() {
            self.0.feed(&message).await?;
        }
        self.0.flush().await
    }
}

/// Serves a worker until one side closes the connection.
pub(super) async fn serve(peer: PeerId, hello: Hello, mut wire: Wire, house: &House) {
    let events = &house.events;
    let mut arrivals = Arrivals::new(house.models.as_deref());
    let (sender, mut waiting) = channel(OUTBOX);
    if events.send(Event::Joined { peer, outbox: Outbox(sender), hello }).await.is_err() {
        return;
    }
    let fault = loop {
        tokio::select! {
            message = wire.0.next() => match message {
                Some(Ok(mut message)) => {
                    arrivals.take(&mut message);
                    if events.send(Event::Said { peer, message }).await.is_err() {
                        return;
                    }
                }
                // A connection that breaks is no fault of what came over it.
                None | Some(Err(CodecError::Io(_))) => break None,
                Some(Err(error)) => break Some(error.to_string()),
            },
            message = waiting.recv() => {
                let Some(message) = message else { break None };
                match timeout(WRITE_TIMEOUT, wire.write(message, &mut waiting)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(CodecError::Io(_))) => break None,
                    Ok(Err(error)) => {
                        tracing::error!("a message to a worker can't be sent: {error}");
                        break None;
                    }
                    Err(_) => break Some(format!("it took nothing for {} s", WRITE_TIMEOUT.as_secs())),
                }
            }
        }
    };
    drop(wire);
    let _ = events.send(Event::Left { peer, fault }).await;
}
