//! Kept models, as far as libtorch is not needed for them: what their file says of itself, and whether it is whole.

use crate::weights::{self, WeightsFile};
use frostline_sweep::trial::TrialId;
use std::path::Path;

/// Raised when the meaning of the file changes.
pub const FORMAT: &str = "frostline-model-1";

/// BLAKE3 over the trial and each tensor's name, shape and values, in the order of the names.
pub struct Digest(blake3::Hasher);

impl Digest {
    pub fn new(trial: TrialId) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("frostline 2026 content of a trained model");
        hasher.update(&trial.0);
        Digest(hasher)
    }

    pub fn add(&mut self, name: &str, shape: &[i64], values: &[f32]) {
        self.0.update(format!("{name}\0{shape:?}\0").as_bytes());
        // In pieces: a copy of a large tensor as bytes would be as large again.
        for piece in values.chunks(4096) {
            let bytes: Vec<u8> = piece.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.0.update(&bytes);
        }
    }

    pub fn finish(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

/// Says what is wrong with the kept model of `trial`, if anything.
///
/// # Errors
/// A sentence about the file, such as "it is damaged".
pub fn check(file: &WeightsFile, trial: TrialId) -> Result<(), String> {
    let metadata = |key: &str| file.metadata(key).unwrap_or_default();
    if metadata("format") != FORMAT {
        return Err(format!("it is not a {FORMAT} file (its format is \"{}\")", metadata("format")));
    }
    if metadata("trial") != trial.to_string() {
        return Err(format!("it is of trial {}, not of {trial}", metadata("trial")));
    }
    let mut digest = Digest::new(trial);
    for name in file.names() {
        let shape = file.shape(name).unwrap_or_default();
        digest.add(name, &shape, &file.f32(name).map_err(|error| error.to_string())?);
    }
    if metadata("digest") != digest.finish() {
        return Err("it is damaged: its content does not fit its digest".to_owned());
    }
    Ok(())
}

/// [`check`] of the file at `path`.
///
/// # Errors
/// A sentence about the file, as of [`check`], or why it cannot be read.
pub fn check_file(path: &Path, trial: TrialId) -> Result<(), String> {
    let file = weights::open(path).map_err(|error| error.to_string())?;
    check(&file, trial)
}
