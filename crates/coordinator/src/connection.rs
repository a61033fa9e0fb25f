//! Connections: one thread accepts, one thread a connection reads, and writing never waits.

use crate::event::Event;
use crate::socket::{peer, same_token};
use frostline_protocol::codec::{CodecError, encode, read_message};
use frostline_protocol::{FromWorker, Greeting, Hello, Request, Response, ToWorker, VERSION};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::io::{BufReader, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread::JoinHandle;
use std::time::Duration;

/// Who connects has this long to greet.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);
/// Connections at a time; each has a thread.
const CONNECTIONS: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(u64);

/// The writing end of a worker's connection.
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    stream: UnixStream,
}

impl Connection {
    /// Sends without waiting. False where the worker does not read what it is told: what did not fit is lost, and with
    /// it the connection.
    pub(crate) fn send(&self, message: &ToWorker) -> bool {
        let mut frame = Vec::new();
        if let Err(error) = encode(message, &mut frame) {
            tracing::error!("a message to a worker can't be sent: {error}");
            return false;
        }
        let mut rest = frame.as_slice();
        while !rest.is_empty() {
            match send(&self.stream, rest, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(sent) => rest = &rest[sent..],
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        true
    }

    pub(crate) fn close(&self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// Accepts connections until it is dropped.
pub(crate) struct Door {
    listener: UnixListener,
    socket: PathBuf,
    accepting: Option<JoinHandle<()>>,
}

impl Door {
    pub(crate) fn open(
        listener: UnixListener,
        socket: PathBuf,
        token: String,
        events: SyncSender<Event>,
    ) -> std::io::Result<Door> {
        let accepting = listener.try_clone()?;
        let accepting = std::thread::spawn(move || accept(&accepting, token.into(), &events));
        Ok(Door { listener, socket, accepting: Some(accepting) })
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Wakes the accepting thread with an error.
        let _ = rustix::net::shutdown(&self.listener, rustix::net::Shutdown::Both);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn accept(listener: &UnixListener, token: Arc<str>, events: &SyncSender<Event>) {
    let open = Arc::new(AtomicUsize::new(0));
    let mut next = 0;
    while let Ok((stream, _)) = listener.accept() {
        if open.fetch_add(1, Ordering::Relaxed) >= CONNECTIONS {
            open.fetch_sub(1, Ordering::Relaxed);
            let _ = events.send(Event::TurnedAway { reason: format!("more than {CONNECTIONS} connections") });
            continue;
        }
        let id = ConnectionId(next);
        next += 1;
        let (open, token, events) = (Arc::clone(&open), Arc::clone(&token), events.clone());
        std::thread::spawn(move || {
            if let Err(reason) = receive(id, stream, &token, &events) {
                let _ = events.send(Event::TurnedAway { reason });
            }
            open.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

/// Serves one connection to its end. An error is the reason why it was not let in.
fn receive(id: ConnectionId, stream: UnixStream, token: &str, events: &SyncSender<Event>) -> Result<(), String> {
    if peer(&stream).is_none() {
        return Err("another user's process connected".to_owned());
    }
    let writer = stream.try_clone().map_err(|error| error.to_string())?;
    stream.set_read_timeout(Some(GREETING_TIMEOUT)).map_err(|error| error.to_string())?;
    let mut reader = BufReader::new(stream);
    let greeting = read_message::<Greeting>(&mut reader).map_err(|error| error.to_string())?;
    match greeting {
        None => Ok(()),
        Some(Greeting::Client(request)) => ask(request, writer, token, events),
        Some(Greeting::Worker(hello)) if !same_token(token, &hello.token) => {
            Err(format!("worker {} (process {}) showed a wrong token", hello.worker.0, hello.process))
        }
        Some(Greeting::Worker(hello)) => {
            reader.get_ref().set_read_timeout(None).map_err(|error| error.to_string())?;
            listen(Connection { id, stream: writer }, hello, &mut reader, events);
            Ok(())
        }
    }
}

fn ask(request: Request, mut stream: UnixStream, token: &str, events: &SyncSender<Event>) -> Result<(), String> {
    if !same_token(token, &request.token) {
        return Err("a client showed a wrong token".to_owned());
    }
    if request.protocol != VERSION {
        let reason = format!("this coordinator speaks protocol {VERSION}, the command {}", request.protocol);
        answer(&mut stream, &Response::Refused(reason));
        return Ok(());
    }
    let _ = events.send(Event::Asked { command: request.command, stream });
    Ok(())
}

/// Answers a command; one that does not listen has itself to blame.
pub(crate) fn answer(stream: &mut UnixStream, response: &Response) {
    let mut frame = Vec::new();
    if encode(response, &mut frame).is_ok() {
        let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
        let _ = stream.write_all(&frame);
    }
}

fn listen(connection: Connection, hello: Hello, reader: &mut BufReader<UnixStream>, events: &SyncSender<Event>) {
    let id = connection.id;
    if events.send(Event::Joined { connection, hello }).is_err() {
        return;
    }
    let fault = loop {
        match read_message::<FromWorker>(reader) {
            Ok(Some(message)) => {
                if events.send(Event::Said { connection: id, message }).is_err() {
                    return;
                }
            }
            Ok(None) => break None,
            // A connection that breaks is no fault of what came over it.
            Err(CodecError::Io(_)) => break None,
            Err(error) => break Some(error.to_string()),
        }
    };
    let _ = reader.get_ref().shutdown(Shutdown::Both);
    let _ = events.send(Event::Left { connection: id, fault });
}
