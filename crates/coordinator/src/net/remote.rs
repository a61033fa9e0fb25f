//! The way in from other machines: a port, and the file that lets workers in.

use super::Event;
use super::greet::Stranger;
use super::listen::{Incoming, accept};
use super::tls::{self, Invitation};
use crate::error::CoordinatorError;
use frostline_results::Folder;
use std::io;
use std::net::TcpListener as StdListener;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Accepts until it is dropped.
pub(crate) struct Remote {
    accepting: JoinHandle<()>,
}

impl Remote {
    /// Listens at `address`, where port 0 takes any, and leaves word of it in the results folder.
    ///
    /// # Errors
    /// The address cannot be had, or the folder takes no file.
    pub(crate) fn start(
        runtime: &Handle,
        folder: &Folder,
        invitation: &Invitation,
        token: &str,
        events: Sender<Event>,
    ) -> Result<Remote, CoordinatorError> {
        let bind = || {
            let listener = StdListener::bind(invitation.address)?;
            listener.set_nonblocking(true)?;
            let _entered = runtime.enter();
            let bound = listener.local_addr()?;
            io::Result::Ok((TcpListener::from_std(listener)?, bound))
        };
        let (listener, bound) =
            bind().map_err(|source| CoordinatorError::Address { address: invitation.address, source })?;
        let tls::Door { acceptor, access } = tls::open(folder, invitation, token, bound)?;
        let path = folder.access();
        access.write(&path).map_err(|source| CoordinatorError::File { path, source })?;
        let door = Guarded { listener, acceptor };
        let accepting = runtime.spawn(accept(door, Arc::from(token), events));
        tracing::info!(address = %bound, "workers of other machines may join");
        Ok(Remote { accepting })
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

struct Guarded {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl Incoming for Guarded {
    async fn next(&self) -> io::Result<Stranger> {
        Ok(Stranger::Remote(self.listener.accept().await?.0, self.acceptor.clone()))
    }
}
