//! Keeps the connection: connects, greets, reads on one thread, writes on another, and comes back after a loss.

use crate::desk::{Desk, Outgoing};
use crate::{LinkError, Options};
use frostline_protocol::codec::{read_message, write_message};
use frostline_protocol::{FromWorker, Greeting, Hello, ToWorker, VERSION, Welcome};
use std::io::{self, BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Pauses between tries to connect: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LAST_PAUSE: Duration = Duration::from_millis(500);
/// A coordinator that accepts and then says nothing is tried again.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs until the coordinator has no more work, or is lost for longer than the grace period.
pub(crate) fn keep(options: &Options, desk: &Arc<Desk>) -> Result<(), LinkError> {
    let end = keep_connected(options, desk);
    // In every case: the trainer must not wait for work that nobody can give it.
    desk.end();
    end
}

fn keep_connected(options: &Options, desk: &Arc<Desk>) -> Result<(), LinkError> {
    let mut grace = options.patience;
    let mut alone_since = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let reason = match greet(options, desk) {
            Ok((stream, welcome)) => {
                if welcome.protocol != VERSION {
                    return Err(LinkError::Protocol { ours: VERSION, theirs: welcome.protocol });
                }
                grace = Duration::from_secs_f64(welcome.reconnect_grace.clamp(0.0, 1e9));
                match converse(stream, welcome, desk) {
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
            let socket = options.socket.clone();
            return Err(LinkError::CoordinatorLost { socket, seconds: grace.as_secs(), reason: reason.to_string() });
        }
        sleep(pause.min(left));
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

fn greet(options: &Options, desk: &Desk) -> io::Result<(BufReader<UnixStream>, Welcome)> {
    let mut stream = UnixStream::connect(&options.socket)?;
    stream.set_read_timeout(Some(WELCOME_TIMEOUT))?;
    let hello = Hello {
        protocol: VERSION,
        token: options.token.clone(),
        worker: options.worker,
        process: std::process::id(),
        build: options.build.clone(),
        running: desk.running(),
    };
    write_message(&mut stream, &Greeting::Worker(hello)).map_err(io::Error::other)?;
    let mut stream = BufReader::new(stream);
    match read_message(&mut stream).map_err(io::Error::other)? {
        Some(ToWorker::Welcome(welcome)) => {
            stream.get_ref().set_read_timeout(None)?;
            Ok((stream, welcome))
        }
        Some(_) => Err(io::Error::other("the coordinator's first word was not a welcome")),
        None => Err(io::Error::other("the coordinator turned this worker away")),
    }
}

/// Sends what the desk has to say, and a heartbeat where it has nothing, until all is said or the connection breaks.
fn converse(stream: BufReader<UnixStream>, welcome: Welcome, desk: &Arc<Desk>) -> io::Result<()> {
    let heartbeat = Duration::from_secs_f64(welcome.heartbeat.clamp(0.01, 1e6));
    let mut writer = stream.get_ref().try_clone()?;
    // A write to a coordinator that has stopped reading must not last for ever: the connection counts as broken.
    writer.set_write_timeout(Some(heartbeat * 10))?;
    let generation = desk.connected(welcome.places);
    let reader = std::thread::spawn({
        let desk = Arc::clone(desk);
        move || {
            let end = listen(stream, &desk);
            desk.disconnected(generation);
            end
        }
    });
    let said = send(&mut writer, generation, heartbeat, desk);
    let _ = writer.shutdown(Shutdown::Both);
    let heard = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    match said {
        Ok(true) => Ok(()),
        // The reader knows why the other side went away, the writer only that it did.
        Ok(false) => Err(heard.err().unwrap_or_else(|| io::Error::other("it closed the connection"))),
        Err(error) => Err(error),
    }
}

/// True once all is said, false where the connection broke.
fn send(writer: &mut UnixStream, generation: u64, heartbeat: Duration, desk: &Desk) -> io::Result<bool> {
    loop {
        match desk.outgoing(generation, Instant::now() + heartbeat) {
            Outgoing::Frames(frames) => writer.write_all(&frames)?,
            Outgoing::Nothing => write_message(writer, &FromWorker::Heartbeat).map_err(io::Error::other)?,
            Outgoing::Broken => return Ok(false),
            Outgoing::Done => return Ok(true),
        }
    }
}

fn listen(mut stream: BufReader<UnixStream>, desk: &Desk) -> io::Result<()> {
    while let Some(message) = read_message::<ToWorker>(&mut stream).map_err(io::Error::other)? {
        desk.on_message(message);
    }
    Ok(())
}
