//! Keeps the connection: connects, greets, says what the desk has to say, and comes back after a loss.

use crate::parcel;
use crate::shared::Shared;
use crate::{LinkError, Options, Way, end, pipe, tls};
use frostline_protocol::codec::{CodecError, Messages};
use frostline_protocol::{Greeting, Hello, ToWorker, VERSION, Welcome};
use frostline_results::{Access, Endpoint};
use futures_util::{SinkExt, StreamExt};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::codec::Framed;

/// Pauses between tries to connect: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// A coordinator that accepts and then says nothing is tried again.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// A stream of bytes in both directions, whatever carries it.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Wire = Framed<Box<dyn Stream>, Messages<Greeting, ToWorker>>;

/// Runs until the coordinator has no more work, or is lost for longer than the grace period.
pub(crate) async fn keep(options: &Options, desk: &Shared) -> Result<(), LinkError> {
    let leaving = async {
        match end::wait(options.ends, options.leaves_on_signals).await {
            Ok(()) => desk.go(),
            Err(error) => tracing::error!("the end is not foreseen: {error}"),
        }
        std::future::pending().await
    };
    tokio::select! {
        kept = keep_up(options, desk) => kept,
        never = leaving => never,
    }
}

async fn keep_up(options: &Options, desk: &Shared) -> Result<(), LinkError> {
    let mut grace = if options.way.comes_back() { options.patience } else { Duration::ZERO };
    let mut alone_since = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let greeted = timeout(WELCOME_TIMEOUT, greet(options, desk)).await;
        let reason = match greeted.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok((wire, welcome)) => {
                if welcome.protocol != VERSION {
                    return Err(LinkError::Protocol { ours: VERSION, theirs: welcome.protocol });
                }
                if options.way.comes_back() {
                    grace = Duration::from_secs_f64(welcome.reconnect_grace.clamp(0.0, 1e9));
                }
                let places = (options.places)(welcome.places).map_err(|reason| LinkError::Places { reason })?;
                desk.with(|desk| desk.connected(places));
                match converse(wire, welcome.heartbeat, desk).await {
                    Ok(()) => return Ok(()),
                    Err(error) => {
                        tracing::warn!("lost the coordinator: {error}");
                        (alone_since, pause) = (Instant::now(), FIRST_PAUSE);
                        error
                    }
                }
            }
            Err(error) => error,
        };
        let left = grace.saturating_sub(alone_since.elapsed());
        if left.is_zero() {
            return Err(LinkError::CoordinatorLost {
                coordinator: options.way.describe(),
                seconds: grace.as_secs(),
                reason: reason.to_string(),
            });
        }
        sleep(pause.min(left)).await;
        pause = longer(pause);
    }
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).min(LAST_PAUSE)
}

async fn connect(way: &Way) -> io::Result<(Box<dyn Stream>, String)> {
    match way {
        Way::Local { endpoint, token } => {
            let endpoint = Endpoint::read(endpoint)?.ok_or(io::ErrorKind::NotFound)?;
            Ok((Box::new(UnixStream::connect(&endpoint.socket).await?), token.clone()))
        }
        Way::Pipe { token } => Ok((Box::new(pipe::take()?), token.clone())),
        Way::Access(file) => {
            let access = Access::read(file)?;
            Ok((Box::new(tls::connect(&access).await?), access.pass.token))
        }
    }
}

async fn greet(options: &Options, desk: &Shared) -> io::Result<(Wire, Welcome)> {
    let (stream, token) = connect(&options.way).await?;
    let hello = Hello {
        protocol: VERSION,
        token,
        who: options.who,
        process: std::process::id(),
        build: options.build.clone(),
        host: options.host.clone(),
        seconds_left: options
            .ends
            .map(|ends| ends.saturating_duration_since(std::time::Instant::now()).as_secs_f64()),
        running: desk.with(|desk| desk.running()),
    };
    let mut wire = Wire::new(stream, Messages::default());
    wire.send(&Greeting::Worker(hello)).await.map_err(other)?;
    match wire.next().await.transpose().map_err(other)? {
        Some(ToWorker::Welcome(welcome)) => Ok((wire, welcome)),
        Some(_) => Err(io::Error::other("the coordinator's first word was not a welcome")),
        None => Err(io::Error::other("the coordinator turned this worker away")),
    }
}

/// Sends what the desk has to say, and a heartbeat where it has nothing, until all is said or the connection breaks.
async fn converse(mut wire: Wire, heartbeat: f64, desk: &Shared) -> io::Result<()> {
    let heartbeat = Duration::from_secs_f64(heartbeat.clamp(0.01, 1e6));
    let mut next_beat = Instant::now() + heartbeat;
    loop {
        let (mut frames, piece, is_done) = desk.with(|desk| (desk.unsent(), desk.piece(), desk.is_done()));
        if is_done {
            return wire.get_mut().shutdown().await;
        }
        let goes_on = piece.is_some();
        if let Some(piece) = piece
            && let Err(error) = parcel::encode(&piece, &mut frames)
        {
            tracing::error!("the model of attempt {} stays behind: {error}", piece.claim.attempt);
            desk.with(|desk| desk.attach(piece.claim.attempt, None));
        }
        if frames.is_empty() && next_beat <= Instant::now() {
            frames = desk.with(|desk| desk.sign_of_life()).map_err(other)?;
        }
        if !frames.is_empty() {
            // A write to a coordinator that has stopped reading must not last for ever: the connection counts as broken.
            timeout(heartbeat * 10, wire.get_mut().write_all(&frames)).await??;
            next_beat = Instant::now() + heartbeat;
        }
        tokio::select! {
            message = wire.next() => match message.transpose().map_err(other)? {
                Some(message) => desk.with(|desk| desk.on_message(message)),
                None => return Err(io::Error::other("it closed the connection")),
            },
            () = desk.something_to_say() => {}
            () = std::future::ready(()), if goes_on => {}
            () = sleep_until(next_beat) => {}
        }
    }
}

fn other(error: CodecError) -> io::Error {
    match error {
        CodecError::Io(error) => error,
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_to_connect_come_ever_more_seldom_and_at_least_twice_a_second() {
        let pauses = std::iter::successors(Some(FIRST_PAUSE), |pause| Some(longer(*pause)));
        let milliseconds: Vec<u128> = pauses.take(7).map(|pause| pause.as_millis()).collect();
        assert_eq!(milliseconds, [20, 40, 80, 160, 320, 500, 500]);
    }
}
