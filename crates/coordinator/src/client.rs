//! Commands to a running coordinator.

use crate::error::CoordinatorError;
use crate::net::token::read_token;
use frostline_protocol::codec::{read_message, write_message};
use frostline_protocol::{Command, Greeting, Request, Response, VERSION};
use frostline_results::{Endpoint, Folder};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// A coordinator commits what it is asked before it answers; that waits for the disk.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks the coordinator that runs on `results`. None where none runs: then the caller may take the database itself.
///
/// # Errors
/// Where one runs and does not answer.
pub fn request(results: &Path, command: Command) -> Result<Option<Response>, CoordinatorError> {
    if !results.is_dir() {
        return Ok(None);
    }
    let file = Folder::new(results).endpoint();
    let read = Endpoint::read(&file).map_err(|source| CoordinatorError::File { path: file.clone(), source })?;
    let Some(Endpoint { socket, .. }) = read else { return Ok(None) };
    let failed = |source| CoordinatorError::Socket { path: socket.clone(), source };
    let Some(token) = read_token(results).map_err(failed)? else { return Ok(None) };
    let mut stream = match UnixStream::connect(&socket) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    stream.set_read_timeout(Some(ANSWER_TIMEOUT)).map_err(failed)?;
    let greeting = Greeting::Client(Request { protocol: VERSION, token, command });
    let talk = |stream: &mut UnixStream| {
        write_message(stream, &greeting)?;
        read_message(stream)
    };
    let response = talk(&mut stream).map_err(|error| failed(io::Error::other(error)))?;
    response
        .map(Some)
        .ok_or_else(|| failed(io::Error::other("the coordinator closed the connection without an answer")))
}
