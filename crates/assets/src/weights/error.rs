//! What can be wrong with a weights file.

use super::content::Fault;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum WeightsFileError {
    #[error("cannot read {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is not a weights file that Frostline knows: expected a PyTorch .pth file, safetensors or \
             Keras' .h5", path.display())]
    Unknown { path: PathBuf },
    #[error("{} is not a weights file that Frostline knows: {what}", path.display())]
    Foreign { path: PathBuf, what: String },
    #[error("{} is damaged or cut short: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
    #[error(
        "{} wants to run code when loaded: it names `{name}`, which a weights file has no use for; \
         refused (convert it to safetensors where it comes from)",
        path.display()
    )]
    Code { path: PathBuf, name: String },
    #[error("{} has no tensor `{name}`", path.display())]
    NoTensor { path: PathBuf, name: String },
    #[error("{} has no tensors under `{key}`: it has some under {}", path.display(), there.join(", "))]
    NoKey {
        path: PathBuf,
        key: String,
        /// First steps of the names that it has, quoted.
        there: Vec<String>,
    },
}

impl WeightsFileError {
    pub(super) fn new(path: &Path, fault: Fault) -> WeightsFileError {
        let path = path.to_owned();
        match fault {
            Fault::Damaged(what) => WeightsFileError::Damaged { path, what },
            Fault::Foreign(what) => WeightsFileError::Foreign { path, what },
            Fault::Code(name) => WeightsFileError::Code { path, name },
        }
    }
}
