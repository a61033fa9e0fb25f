//! A worker's connection: what it says goes to the loop, what it is told comes from an outbox that never makes the loop
//! wait.

use super::arrive::Arrivals;
use super::depart::Departures;
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
    async fn write(
        &mut self,
        first: ToWorker,
        waiting: &mut Receiver<ToWorker>,
        departures: &mut Departures<'_>,
    ) -> Result<(), CodecError> {
        let mut next = Some(first);
        while let Some(message) = next {
            departures.heed(&message);
            self.0.feed(&message).await?;
            next = waiting.try_recv().ok();
        }
        self.0.flush().await
    }
}

/// Serves a worker until one side closes the connection.
pub(super) async fn serve(peer: PeerId, hello: Hello, mut wire: Wire, house: &House) {
    let events = &house.events;
    let (mut arrivals, mut departures) = (Arrivals::new(house, peer), Departures::new(&house.checkpoints));
    let (sender, mut waiting) = channel(OUTBOX);
    if events.send(Event::Joined { peer, outbox: Outbox(sender), hello }).await.is_err() {
        return;
    }
    let fault = loop {
        let due = tokio::select! {
            message = wire.0.next() => match message {
                Some(Ok(mut message)) => {
                    arrivals.take(&mut message);
                    departures.hear(&message);
                    if events.send(Event::Said { peer, message }).await.is_err() {
                        return;
                    }
                    None
                }
                // A connection that breaks is no fault of what came over it.
                None | Some(Err(CodecError::Io(_))) => break None,
                Some(Err(error)) => break Some(error.to_string()),
            },
            message = waiting.recv() => match message {
                Some(message) => Some(message),
                None => break None,
            },
            () = std::future::ready(()), if departures.is_going() => departures.next(),
        };
        let Some(message) = due else { continue };
        match timeout(WRITE_TIMEOUT, wire.write(message, &mut waiting, &mut departures)).await {
            Ok(Ok(())) => {}
            Ok(Err(CodecError::Io(_))) => break None,
            Ok(Err(error)) => {
                tracing::error!("a message to a worker can't be sent: {error}");
                break None;
            }
            Err(_) => break Some(format!("it took nothing for {} s", WRITE_TIMEOUT.as_secs())),
        }
    };
    drop(wire);
    let _ = events.send(Event::Left { peer, fault }).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoints::Checkpoints;
    use crate::net::hello_of_tests;
    use frostline_protocol::codec::encode;
    use frostline_protocol::{Claim, TaskKey};
    use frostline_results::PIECE;
    use frostline_sweep::outcome::AttemptId;
    use frostline_sweep::trial::TrialId;
    use std::collections::BTreeSet;
    use std::fs;
    use std::sync::Arc;
    use tokio::io::{AsyncWriteExt, duplex};

    const TRIAL: TrialId = TrialId([7; 16]);
    const ATTEMPT: AttemptId = AttemptId(3);
    const PIECES: u64 = 9;
    /// No test waits as long as this for anything.
    const FOR_EVER: Duration = Duration::from_secs(60);

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_acknowledged_meanwhile_comes_between_the_pieces_of_a_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let (to, mut events) = channel(64);
        let checkpoints = Arc::new(Checkpoints::new(folder.path().to_owned(), BTreeSet::from([TRIAL])));
        let content: Vec<u8> = (0..PIECES * PIECE).map(|at| (at % 251) as u8).collect();
        fs::write(checkpoints.newest(TRIAL), &content).unwrap();
        let house = House { checkpoints, ..House::of_tests(to) };
        // Takes less than a piece at a time.
        let (theirs, ours) = duplex(64 << 10);
        let served = tokio::spawn(async move {
            let wire = Wire(Framed::new(Box::new(ours), Messages::default()));
            serve(PeerId(1), hello_of_tests("token"), wire, &house).await;
        });
        let Some(Event::Joined { outbox, .. }) = events.recv().await else { panic!("somebody joins") };
        let mut worker = Framed::new(theirs, Messages::<FromWorker, ToWorker>::default());
        let claim = Claim { task: TaskKey::Trial(TRIAL), attempt: ATTEMPT };
        let mut question = Vec::new();
        encode(&FromWorker::Fetch { claim, have: None }, &mut question).unwrap();
        worker.get_mut().write_all(&question).await.unwrap();
        assert!(matches!(events.recv().await, Some(Event::Said { message: FromWorker::Fetch { .. }, .. })));
        let mut came = Vec::new();
        let (mut pieces, mut acknowledged) = (0, None);
        while (came.len() as u64) < PIECES * PIECE {
            match timeout(FOR_EVER, worker.next()).await.expect("it goes on").unwrap().unwrap() {
                ToWorker::Piece { attempt: ATTEMPT, piece } => {
                    assert_eq!(piece.at, came.len() as u64);
                    came.extend(piece.bytes);
                    pieces += 1;
                    if pieces == 1 {
                        assert!(outbox.send(ToWorker::Acknowledge { attempt: ATTEMPT, number: 5 }));
                    }
                }
                ToWorker::Acknowledge { number: 5, .. } => acknowledged = Some(pieces),
                other => panic!("{other:?}"),
            }
        }
        assert!(came == content);
        // One was written, and one may have been taken up, when it was to be said.
        assert!(acknowledged.is_some_and(|after| after <= 3), "{acknowledged:?}");
        drop(outbox);
        served.await.unwrap();
        assert!(matches!(events.recv().await, Some(Event::Left { fault: None, .. })));
    }
}
