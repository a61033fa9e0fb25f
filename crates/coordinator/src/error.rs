//! What ends a coordinator.

use frostline_store::StoreError;
use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the coordinator cannot use `{}`: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the coordinator's socket `{}` cannot be used: {source}", path.display())]
    Socket { path: PathBuf, source: io::Error },
    #[error("worker processes cannot be managed: {source}")]
    Launcher { source: io::Error },
    #[error("the coordinator cannot wait for its workers: {source}")]
    Runtime { source: io::Error },
}
