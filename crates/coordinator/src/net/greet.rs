//! Who may come in: processes of this user that know the secret, within one deadline.

use super::peer::{Wire, serve};
use super::token::same_token;
use super::{Asked, Event, PeerId};
use frostline_protocol::codec::Messages;
use frostline_protocol::{Greeting, Request, Response, VERSION};
use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;
use tokio_util::codec::Framed;

/// Who connects has this long to greet, from its first byte to its last; and whoever asked, to take the answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);

/// Serves one connection to its end. An error is the reason why it was not let in.
pub(super) async fn greet(
    peer: PeerId,
    stream: UnixStream,
    token: &str,
    events: &Sender<Event>,
    stranger: OwnedSemaphorePermit,
) -> Result<(), String> {
    let user = stream.peer_cred().map_err(|error| error.to_string())?.uid();
    if user != rustix::process::getuid().as_raw() {
        return Err("another user's process connected".to_owned());
    }
    let mut wire: Framed<UnixStream, Messages<Response, Greeting>> = Framed::new(stream, Messages::default());
    let greeting = timeout(TIMEOUT, wire.next()).await;
    let greeting = greeting.map_err(|_| format!("a connection did not greet within {} s", TIMEOUT.as_secs()))?;
    match greeting.transpose().map_err(|error| error.to_string())? {
        None => Ok(()),
        Some(Greeting::Client(request)) => ask(request, wire, token, events).await,
        Some(Greeting::Worker(hello)) if !same_token(token, &hello.token) => {
            Err(format!("worker {} (process {}) showed a wrong token", hello.worker.0, hello.process))
        }
        Some(Greeting::Worker(hello)) => {
            drop(stranger);
            serve(peer, hello, Wire::of(wire), events).await;
            Ok(())
        }
    }
}

async fn ask(
    request: Request,
    mut wire: Framed<UnixStream, Messages<Response, Greeting>>,
    token: &str,
    events: &Sender<Event>,
) -> Result<(), String> {
    if !same_token(token, &request.token) {
        return Err("a client showed a wrong token".to_owned());
    }
    let response = if request.protocol == VERSION {
        let (reply, response) = oneshot::channel();
        let _ = events.send(Event::Asked(Asked { command: request.command, reply })).await;
        // A coordinator that ends without an answer closes the connection: it did not do what it was asked.
        let Ok(response) = response.await else { return Ok(()) };
        response
    } else {
        Response::Refused(format!("this coordinator speaks protocol {VERSION}, the command {}", request.protocol))
    };
    // One that does not listen has itself to blame.
    let _ = timeout(TIMEOUT, wire.send(&response)).await;
    Ok(())
}
