//! Checkpoints of a trial under way: one file, replaced after every epoch, so that another attempt goes on where this
//! one was lost, with the same numbers to the bit.

use crate::error::TrainingError;
use frostline_sweep::outcome::EpochMetrics;
use frostline_sweep::trial::{TrialId, TrialSpec};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tch::{Device, Tensor};

const MAGIC: &[u8; 8] = b"FROSTCK1";
const DIGEST: usize = 32;

/// Everything that the epochs so far have left behind.
pub struct Progress {
    pub history: Vec<EpochMetrics>,
    /// Optimizer steps taken.
    pub step: u64,
    /// The flat buffer, `[n]`.
    pub values: Tensor,
    /// The optimizer's tensors, `[n]` each.
    pub moments: Vec<Tensor>,
    /// Moving statistics of the trained batch normalizations.
    pub statistics: Vec<Tensor>,
}

/// What stands before the tensors' bytes.
#[derive(Serialize, Deserialize)]
struct Header {
    spec: TrialSpec,
    history: Vec<EpochMetrics>,
    step: u64,
    values: i64,
    moments: usize,
    statistics: Vec<i64>,
}

/// Where the checkpoint of a trial lies.
pub fn path(folder: &Path, trial: TrialId) -> PathBuf {
    folder.join(format!("{trial}.checkpoint"))
}

/// Removes a trial's checkpoint, once the trial needs it no more.
pub fn remove(folder: &Path, trial: TrialId) {
    // Absent is what is wanted; anything else costs disk only, and the next clearing tries again.
    let _ = fs::remove_file(path(folder, trial));
}

/// Replaces the checkpoint: written aside, synced, renamed.
pub fn save(path: &Path, progress: &Progress, spec: &TrialSpec) -> Result<(), TrainingError> {
    let aside = path.with_extension("writing");
    let written = write(&aside, progress, spec).and_then(|()| fs::rename(&aside, path));
    written.map_err(|source| TrainingError::File { action: "write", path: path.to_owned(), source })
}

fn write(path: &Path, progress: &Progress, spec: &TrialSpec) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let header = Header {
        spec: spec.clone(),
        history: progress.history.clone(),
        step: progress.step,
        values: progress.values.numel() as i64,
        moments: progress.moments.len(),
        statistics: progress.statistics.iter().map(|tensor| tensor.numel() as i64).collect(),
    };
    let header = serde_json::to_vec(&header)?;
    let mut hasher = blake3::Hasher::new();
    let mut out = File::create(path)?;
    let mut put = |bytes: &[u8]| {
        hasher.update(bytes);
        out.write_all(bytes)
    };
    put(MAGIC)?;
    put(&(header.len() as u64).to_le_bytes())?;
    put(&header)?;
    for tensor in [&progress.values].into_iter().chain(&progress.moments).chain(&progress.statistics) {
        put(&bytes_of(tensor))?;
    }
    out.write_all(hasher.finalize().as_bytes())?;
    out.sync_all()
}

fn bytes_of(tensor: &Tensor) -> Vec<u8> {
    let tensor = tensor.to_device(Device::Cpu).contiguous().view([-1]);
    Vec::<f32>::try_from(&tensor)
        .expect("checkpoints hold float32")
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// Reads a checkpoint; none where there is none, or where it is damaged or of another trial, which is said in the log.
pub fn load(path: &Path, spec: &TrialSpec) -> Result<Option<Progress>, TrainingError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TrainingError::File { action: "read", path: path.to_owned(), source }),
    };
    let progress = parse(&bytes, spec);
    if progress.is_none() {
        tracing::warn!("the checkpoint {} is damaged: starting from the beginning", path.display());
    }
    Ok(progress)
}

fn parse(bytes: &[u8], spec: &TrialSpec) -> Option<Progress> {
    let (content, digest) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
    if blake3::hash(content).as_bytes()[..] != *digest {
        return None;
    }
    let rest = content.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_at_checked(8)?;
    let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    let (header, mut rest) = rest.split_at_checked(length)?;
    let header: Header = serde_json::from_slice(header).ok()?;
    if header.spec != *spec {
        return None;
    }
    let mut take = |elements: i64| {
        let (bytes, after) = rest.split_at_checked(usize::try_from(elements).ok()? * 4)?;
        rest = after;
        let values: Vec<f32> =
            bytes.chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect();
        Some(Tensor::from_slice(&values))
    };
    let values = take(header.values)?;
    let moments = (0..header.moments).map(|_| take(header.values)).collect::<Option<Vec<_>>>()?;
    let statistics = header.statistics.iter().map(|&elements| take(elements)).collect::<Option<Vec<_>>>()?;
    Some(Progress { history: header.history, step: header.step, values, moments, statistics })
}
