//! The way through a pipe: standard input and output, which whoever started this process carries to the coordinator, as
//! `ssh` does.

use frostline_protocol::PREAMBLE;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{FdFlags, dup, fcntl_getfd, fcntl_setfd};
use rustix::stdio::{dup2_stdin, dup2_stdout, stderr, stdin, stdout};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use tokio::io::{AsyncRead, AsyncWrite, join};
use tokio::net::unix::pipe::{Receiver, Sender};

/// Takes standard input and output for the wire, once; what this process prints goes to standard error from then on.
///
/// # Errors
/// They are files, or the other end has gone.
pub(crate) fn take() -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin> {
    let (input, output) = (own(dup(stdin())?)?, own(dup(stdout())?)?);
    dup2_stdin(open("/dev/null", OFlags::RDONLY, Mode::empty())?)?;
    dup2_stdout(stderr())?;
    let mut output = File::from(output);
    output.write_all(PREAMBLE)?;
    // Servers of ssh give pipes or sockets, which are read and written alike.
    Ok(join(Receiver::from_file_unchecked(nonblocking(input)?)?, Sender::from_file_unchecked(nonblocking(output)?)?))
}

/// No process that this one starts is to hold the wire open.
fn own(descriptor: OwnedFd) -> io::Result<OwnedFd> {
    fcntl_setfd(&descriptor, fcntl_getfd(&descriptor)? | FdFlags::CLOEXEC)?;
    Ok(descriptor)
}

fn nonblocking(descriptor: impl Into<OwnedFd>) -> io::Result<File> {
    let descriptor = descriptor.into();
    rustix::io::ioctl_fionbio(&descriptor, true)?;
    Ok(descriptor.into())
}
