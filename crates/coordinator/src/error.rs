//! What ends a coordinator.

use frostline_store::StoreError;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot listen at {address} for workers of other machines (`workers.listen`): {source}")]
    Address { address: std::net::SocketAddr, source: std::io::Error },
    #[error("the coordinator cannot use `{}`: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error(
        "no place for the coordinator's socket can be used ({tried}); name a folder of yours on this machine in \
         XDG_RUNTIME_DIR"
    )]
    NoSocket { tried: String },
    #[error("the results folder `{}` {what}", path.display())]
    Gone { path: PathBuf, what: String },
    #[error("the coordinator's socket `{}` cannot be used: {source}", path.display())]
    Socket { path: PathBuf, source: io::Error },
    #[error("worker processes cannot be managed: {source}")]
    Launcher { source: io::Error },
    #[error(
        "the coordinator cannot wait for its workers: {source}; `ulimit -u` and `ulimit -n` say what it may have"
    )]
    Runtime { source: io::Error },
}
