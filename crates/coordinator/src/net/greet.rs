//! Who may come in: processes of this user, or of other machines with a certificate of ours, that know the secret, within
//! one deadline.

use super::peer::{self, serve};
use super::token::same_token;
use super::{Asked, Event, House, PeerId, Stream};
use frostline_protocol::codec::Messages;
use frostline_protocol::{Greeting, Request, Response, UNCONFIRMED, VERSION};
use futures_util::{SinkExt, StreamExt};
use rustix::net::sockopt::set_tcp_user_timeout;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::Framed;

/// Who connects has this long to greet, from its first byte to its last; and whoever asked, to take the answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// The same where many come at once.
pub(super) const HURRY: Duration = Duration::from_secs(1);

/// The longest first message of somebody from another machine: it says little.
const LONGEST: usize = 4 << 10;

/// A connection that nobody has looked at.
pub(super) enum Stranger {
    Local(UnixStream),
    Remote(TcpStream, TlsAcceptor),
}

/// Serves one connection to its end, where its first word is there within `limit`. An error is the reason why it was not let in.
pub(super) async fn greet(
    peer: PeerId,
    stranger: Stranger,
    limit: Duration,
    house: &House,
    permit: OwnedSemaphorePermit,
) -> Result<(), String> {
    let greeted = timeout(limit, first_word(stranger)).await;
    let (greeting, wire) =
        greeted.map_err(|_| format!("a connection did not greet within {} s", limit.as_secs()))??;
    match greeting {
        None => Ok(()),
        Some(Greeting::Client(request)) => ask(request, wire, house).await,
        Some(Greeting::Worker(hello)) if !same_token(&house.token, &hello.token) => {
            Err(format!("a worker (process {} of {}) showed a wrong token", hello.process, hello.build.host))
        }
        Some(Greeting::Worker(hello)) => {
            drop(permit);
            serve(peer, hello, peer::Wire::of(wire), house).await;
            Ok(())
        }
    }
}

type Wire = Framed<Stream, Messages<Response, Greeting>>;

/// Looks at who comes, and hears what it says first.
async fn first_word(stranger: Stranger) -> Result<(Option<Greeting>, Wire), String> {
    let (stream, messages): (Stream, Messages<Response, Greeting>) = match stranger {
        Stranger::Local(stream) => {
            let user = stream.peer_cred().map_err(|error| error.to_string())?.uid();
            if user != rustix::process::getuid().as_raw() {
                return Err("another user's process connected".to_owned());
            }
            (Box::new(stream), Messages::default())
        }
        Stranger::Remote(stream, acceptor) => {
            let from = stream.peer_addr().map_or("an address unknown".to_owned(), |address| address.ip().to_string());
            let failed =
                |error: std::io::Error| format!("somebody from {from} showed no certificate of ours: {error}");
            let prepared = stream.set_nodelay(true).and_then(|()| Ok(set_tcp_user_timeout(&stream, UNCONFIRMED)?));
            prepared.map_err(|error| error.to_string())?;
            (Box::new(acceptor.accept(stream).await.map_err(failed)?), Messages::up_to(LONGEST))
        }
    };
    let mut wire = Framed::new(stream, messages);
    let greeting = wire.next().await.transpose().map_err(|error| error.to_string())?;
    Ok((greeting, wire))
}

async fn ask(request: Request, mut wire: Wire, house: &House) -> Result<(), String> {
    if !same_token(&house.token, &request.token) {
        return Err("a client showed a wrong token".to_owned());
    }
    let response = if request.protocol == VERSION {
        let (reply, response) = oneshot::channel();
        let _ = house.events.send(Event::Asked(Asked { command: request.command, reply })).await;
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
