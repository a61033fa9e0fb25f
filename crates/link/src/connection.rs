//! Keeps the connection: connects, greets, says what the desk has to say, and comes back after a loss.

use crate::errands::{Errands, lose_patience};
use crate::parcel;
use crate::shared::Shared;
use crate::{LinkError, Options, Way, end, pipe, tls};
use frostline_protocol::codec::{CodecError, Messages, encode};
use frostline_protocol::{Greeting, Hello, ToWorker, VERSION, Welcome};
use frostline_results::{Access, Endpoint};
use futures_util::StreamExt;
use std::cell::Cell;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::codec::FramedRead;

/// Pauses between tries to connect: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// The last of those where a coordinator that is away is waited for.
const LONG_PAUSE: Duration = Duration::from_secs(10);
/// So long it is waited for: a machine that somebody pays for is of more use to others then.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// It is said for whom a worker waits: soon, and then again and again.
const FIRST_WORD: Duration = Duration::from_secs(1);
const NEXT_WORD: Duration = Duration::from_secs(300);
/// A coordinator that accepts and then says nothing is tried again.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// A stream of bytes in both directions, whatever carries it.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What is said is written while what comes is read: both sides may have much to say at a time.
struct Wire {
    words: FramedRead<ReadHalf<Box<dyn Stream>>, Messages<Greeting, ToWorker>>,
    writer: WriteHalf<Box<dyn Stream>>,
}

/// Runs until the coordinator has no more work, or is lost for longer than the grace period, or until this process has to go
/// that has never seen one.
pub(crate) async fn keep(options: &Options, desk: &Shared) -> Result<(), LinkError> {
    let has_met = Cell::new(false);
    let leaving = async {
        match end::wait(options.ends, options.leaves_on_signals).await {
            // Nobody waits for a word of it.
            Ok(()) if !has_met.get() => return Ok(()),
            Ok(()) => desk.go(),
            Err(error) => tracing::error!("the end is not foreseen: {error}"),
        }
        std::future::pending().await
    };
    tokio::select! {
        kept = keep_up(options, desk, &has_met) => kept,
        left = leaving => left,
        () = lose_patience(desk), if options.checkpoints.is_some() => Ok(()),
    }
}

async fn keep_up(options: &Options, desk: &Shared, has_met: &Cell<bool>) -> Result<(), LinkError> {
    let mut grace = if options.way.comes_back() { options.patience } else { Duration::ZERO };
    let begin = Instant::now();
    let (mut alone_since, mut next_word) = (begin, begin + FIRST_WORD);
    let mut pause = FIRST_PAUSE;
    let mut errands = Errands::default();
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
                let is_apart = options.checkpoints.as_ref() == Some(&places.checkpoints);
                desk.with(|desk| desk.connected(places, is_apart));
                errands.connected();
                has_met.set(true);
                match converse(wire, welcome.heartbeat, options, &mut errands, desk).await {
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
        let may_be_away = options.awaits && !has_met.get() && begin.elapsed() < LONGEST_WAIT;
        let is_away = may_be_away && reason.kind() == io::ErrorKind::HostUnreachable;
        if is_away {
            alone_since = Instant::now();
            if next_word <= alone_since {
                next_word = alone_since + NEXT_WORD;
                tracing::info!("waiting for {}: {reason}", options.way.describe());
            }
        }
        let left = grace.saturating_sub(alone_since.elapsed());
        if left.is_zero() {
            return Err(LinkError::CoordinatorLost {
                coordinator: options.way.describe(),
                seconds: grace.as_secs(),
                reason: reason.to_string(),
            });
        }
        sleep(pause.min(left)).await;
        pause = longer(pause, if is_away { LONG_PAUSE } else { LAST_PAUSE });
    }
}

fn longer(pause: Duration, last: Duration) -> Duration {
    (pause * 2).min(last)
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
    let (reader, writer) = split(stream);
    let mut wire = Wire { words: FramedRead::new(reader, Messages::default()), writer };
    let mut greeting = Vec::new();
    encode(&Greeting::Worker(hello), &mut greeting).map_err(other)?;
    wire.writer.write_all(&greeting).await?;
    wire.writer.flush().await?;
    match wire.words.next().await.transpose().map_err(other)? {
        Some(ToWorker::Welcome(welcome)) => Ok((wire, welcome)),
        Some(_) => Err(io::Error::other("the coordinator's first word was not a welcome")),
        None => Err(io::Error::other("the coordinator turned this worker away")),
    }
}

/// Sends what the desk has to say, and a heartbeat where it has nothing, until all is said or the connection breaks.
async fn converse(
    wire: Wire,
    heartbeat: f64,
    options: &Options,
    errands: &mut Errands,
    desk: &Shared,
) -> io::Result<()> {
    let Wire { mut words, mut writer } = wire;
    let heartbeat = Duration::from_secs_f64(heartbeat.clamp(0.01, 1e6));
    let mut next_beat = Instant::now() + heartbeat;
    loop {
        if options.checkpoints.is_some() {
            errands.begin(desk, heartbeat);
            errands.hurry(desk, options.ends);
        }
        let (mut frames, part, is_done) = desk.with(|desk| (desk.unsent(), desk.part(), desk.is_done()));
        if is_done {
            return writer.shutdown().await;
        }
        // Pieces of a file say nothing of how the trainer gets on.
        if frames.is_empty() && next_beat <= Instant::now() {
            frames = desk.with(|desk| desk.sign_of_life()).map_err(other)?;
        }
        let is_word = !frames.is_empty();
        let goes_on = part.is_some();
        if let Some(part) = &part {
            errands.sends(part);
            if let Err(error) = parcel::encode(part, &mut frames) {
                tracing::error!("a file of attempt {} stays behind: {error}", part.claim.attempt);
                desk.with(|desk| desk.let_go(part.claim.attempt));
            }
        }
        if !frames.is_empty() {
            // A write to a coordinator that has stopped reading must not last for ever: the connection counts as broken.
            let mut writing = pin!(timeout(heartbeat * 10, write(&mut writer, &frames)));
            loop {
                tokio::select! {
                    written = &mut writing => break written??,
                    message = words.next() => errands.hear(some(message)?, desk),
                }
            }
            if let Some(part) = &part {
                errands.sent(part);
            }
            if is_word {
                next_beat = Instant::now() + heartbeat;
            }
        }
        tokio::select! {
            message = words.next() => errands.hear(some(message)?, desk),
            look = errands.done() => errands.found(look, desk),
            () = desk.something_to_say() => {}
            () = std::future::ready(()), if goes_on => {}
            () = sleep_until(next_beat) => {}
        }
    }
}

async fn write(writer: &mut WriteHalf<Box<dyn Stream>>, frames: &[u8]) -> io::Result<()> {
    writer.write_all(frames).await?;
    writer.flush().await
}

/// The next message, where the connection is not over.
fn some(message: Option<Result<ToWorker, CodecError>>) -> io::Result<ToWorker> {
    let message = message.ok_or_else(|| io::Error::other("it closed the connection"))?;
    message.map_err(other)
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
    use crate::log::Tail;
    use frostline_protocol::{Build, Incarnation, Seat, Who, WorkerId};
    use frostline_results::{Conditions, Pass};
    use std::future::Future;
    use std::net::{Ipv4Addr, SocketAddr};
    use std::path::Path;
    use tokio::net::TcpListener;

    const MINUTE: Duration = Duration::from_secs(60);
    const PATIENCE: Duration = MINUTE;

    /// Of a results folder whose coordinator is to be found at these addresses.
    fn access(addresses: &[SocketAddr]) -> Access {
        let authority = rcgen::generate_simple_self_signed([frostline_protocol::SERVER_NAME.to_owned()]).unwrap();
        let word = || "w".to_owned();
        let conditions = Conditions { sweep: word(), on_gpu: false, deterministic: false, threads: 1 };
        Access {
            addresses: addresses.iter().map(SocketAddr::to_string).collect(),
            pass: Pass { conditions, token: word() },
            authority: authority.cert.pem(),
            certificate: authority.cert.pem(),
            key: authority.signing_key.serialize_pem(),
        }
    }

    fn options(file: &Path, awaits: bool, ends: Option<std::time::Instant>) -> Options {
        Options {
            way: Way::Access(file.to_owned()),
            who: Who::Started(Seat { worker: WorkerId(1), incarnation: Incarnation(1) }),
            build: Build::default(),
            host: None,
            places: Box::new(Ok),
            outgoing: None,
            checkpoints: None,
            ends,
            leaves_on_signals: false,
            log: Tail::default(),
            patience: PATIENCE,
            awaits,
        }
    }

    /// Where nobody listens.
    async fn nobody() -> SocketAddr {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
    }

    /// A worker that looks for a coordinator, beside what happens meanwhile, on a clock that does not wait. Returns how it
    /// ended and after how long.
    async fn looks(options: Options, meanwhile: impl Future<Output = ()>) -> (Result<(), LinkError>, Duration) {
        let (begin, desk) = (Instant::now(), Shared::default());
        let looking = async {
            let ended = keep(&options, &desk).await;
            (ended, begin.elapsed())
        };
        let meanwhile = async {
            meanwhile.await;
            std::future::pending().await
        };
        tokio::select! {
            looked = looking => looked,
            never = meanwhile => never,
        }
    }

    #[test]
    fn tries_to_connect_come_ever_more_seldom_and_at_least_twice_a_second_or_six_times_a_minute() {
        let pauses = |last: Duration| {
            let pauses = std::iter::successors(Some(FIRST_PAUSE), move |pause| Some(longer(*pause, last)));
            pauses.map(|pause| pause.as_millis())
        };
        assert_eq!(pauses(LAST_PAUSE).take(7).collect::<Vec<_>>(), [20, 40, 80, 160, 320, 500, 500]);
        assert_eq!(pauses(LONG_PAUSE).skip(6).take(5).collect::<Vec<_>>(), [1_280, 2_560, 5_120, 10_000, 10_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_coordinator_that_is_away_is_waited_for_until_this_worker_has_to_go() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.json");
        access(&[nobody().await]).write(&file).unwrap();
        let ends = std::time::Instant::now() + 60 * MINUTE;
        let (ended, after) = looks(options(&file, true, Some(ends)), async {}).await;
        assert!(ended.is_ok(), "{ended:?}");
        // A minute before its end, as always.
        assert!((58 * MINUTE..=59 * MINUTE + PATIENCE).contains(&after), "{after:?}");
        let (ended, after) = looks(options(&file, true, None), async {}).await;
        assert!(matches!(ended, Err(LinkError::CoordinatorLost { .. })), "{ended:?}");
        assert!((60 * MINUTE..62 * MINUTE).contains(&after), "an hour is enough: {after:?}");
        let (ended, after) = looks(options(&file, false, None), async {}).await;
        assert!(matches!(ended, Err(LinkError::CoordinatorLost { .. })), "{ended:?}");
        assert!(
            (PATIENCE..PATIENCE + MINUTE).contains(&after),
            "one that is started beside it does not wait: {after:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_coordinator_that_comes_back_elsewhere_is_found_by_the_file_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.json");
        access(&[nobody().await]).write(&file).unwrap();
        let comes = async {
            sleep(20 * MINUTE).await;
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            access(&[listener.local_addr().unwrap()]).write(&file).unwrap();
            // No coordinator that it knows: it answers, and that is all.
            loop {
                drop(listener.accept().await.unwrap());
            }
        };
        let (ended, after) = looks(options(&file, true, None), comes).await;
        let Err(LinkError::CoordinatorLost { reason, .. }) = ended else { panic!("{ended:?}") };
        let soonest = 20 * MINUTE + PATIENCE;
        assert!((soonest - LONG_PAUSE..soonest + 2 * LONG_PAUSE).contains(&after), "{after:?}: {reason}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_sweep_that_is_over_takes_its_file_along_and_nobody_waits_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.json");
        access(&[nobody().await]).write(&file).unwrap();
        let ends = async {
            sleep(20 * MINUTE).await;
            std::fs::remove_file(&file).unwrap();
        };
        let (ended, after) = looks(options(&file, true, None), ends).await;
        let Err(LinkError::CoordinatorLost { coordinator, .. }) = ended else { panic!("{ended:?}") };
        assert_eq!(coordinator, format!("the coordinator that {} names", file.display()));
        assert!((20 * MINUTE..22 * MINUTE).contains(&after), "{after:?}");
    }
}
