//! The identity of the weights that a trial starts from.

use super::fit::{WeightsError, fit};
use crate::weights::{self, Named, WeightsFileError};
use frostline_sweep::backbone::Architecture;
use frostline_sweep::trial::WeightsIdentity;
use std::path::Path;

/// The identity of weights, `FILE` or `FILE#KEY`, of this network: that of the file, and where a key was needed to tell
/// several networks in it apart, of the file and the place of the one that is meant. Two ways to name the same tensors give
/// one identity.
///
/// # Errors
/// A file that cannot be read, or, with a key, has no tensors under it.
pub fn identity(architecture: &'static Architecture, path: &Path) -> Result<WeightsIdentity, WeightsError> {
    let named = Named::new(path);
    let failed = |source| WeightsFileError::File { path: named.file.clone(), source };
    let of_file = weights::identity(&named.file).map_err(failed)?;
    let WeightsIdentity::File(digest) = &of_file else { return Ok(of_file) };
    if named.key.is_none() {
        return Ok(of_file);
    }
    let chosen = fit(architecture, &weights::open(path)?);
    let unchosen = fit(architecture, &weights::open(&named.file)?);
    if unchosen.is_complete() && unchosen.root == chosen.root {
        return Ok(of_file);
    }
    let mut hasher = blake3::Hasher::new_derive_key("frostline 2026 weights by file and key");
    hasher.update(digest.as_bytes()).update(chosen.root.as_bytes());
    Ok(WeightsIdentity::File(hasher.finalize().to_hex().to_string()))
}
