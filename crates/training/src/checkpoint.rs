//! Checkpoints of a trial under way: one file, replaced after every epoch and every minute of a long one,
//! so that another attempt goes on where this one was lost, with the same numbers to the bit. The coordinator removes
//! them once the trial's outcome is committed.

use crate::error::TrainingError;
use frostline_results::checkpoint::{before, name, writing};
use frostline_results::seal;
use frostline_sweep::outcome::EpochMetrics;
use frostline_sweep::trial::{TrialId, TrialSpec};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

const MAGIC: &[u8; 8] = b"FROSTCK1";

/// No optimizer has more tensors; a larger number is not worth counting up to.
const MOST_MOMENTS: usize = 4;

/// Bytes that are written at a time.
const PIECE: usize = 1 << 18;

/// Bytes of a float32.
const ELEMENT: usize = 4;

/// Everything that the epochs so far have left behind.
pub struct Progress {
    pub history: Vec<EpochMetrics>,
    /// How far the epoch after these has come, where it has begun.
    pub within: Option<Within>,
    /// Optimizer steps taken.
    pub step: u64,
    /// The flat buffer, `[n]`.
    pub values: Tensor,
    /// The optimizer's tensors, `[n]` each.
    pub moments: Vec<Tensor>,
    /// Moving statistics of the trained batch normalizations.
    pub statistics: Vec<Tensor>,
}

/// The part of an epoch that is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Within {
    pub steps: u64,
    /// Sum over the images so far.
    pub loss: f64,
    /// Images recognised so far.
    pub correct: i64,
    pub seconds: f64,
}

/// What stands before the tensors' bytes.
#[derive(Serialize, Deserialize)]
struct Header {
    spec: TrialSpec,
    history: Vec<EpochMetrics>,
    within: Option<Within>,
    step: u64,
    values: i64,
    moments: usize,
    statistics: Vec<i64>,
}

/// Where the newest checkpoint of a trial lies.
pub fn path(folder: &Path, trial: TrialId) -> PathBuf {
    folder.join(name(trial))
}

/// Replaces the checkpoint: written aside, synced, renamed. The one before stays, for the case that the new one turns
/// out to be damaged.
pub fn save(path: &Path, progress: &Progress, spec: &TrialSpec) -> Result<(), TrainingError> {
    let replace = || {
        let aside = writing(path);
        write(&aside, progress, spec)?;
        match fs::rename(path, before(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::rename(&aside, path)?;
        // The names are in the folder: without this, a power cut may bring back the older ones, or none.
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    replace().map_err(|source| TrainingError::File { action: "write", path: path.to_owned(), source })
}

fn write(path: &Path, progress: &Progress, spec: &TrialSpec) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let header = Header {
        spec: spec.clone(),
        history: progress.history.clone(),
        within: progress.within,
        step: progress.step,
        values: progress.values.numel() as i64,
        moments: progress.moments.len(),
        statistics: progress.statistics.iter().map(|tensor| tensor.numel() as i64).collect(),
    };
    let header = serde_json::to_vec(&header)?;
    seal::write(path, |out| {
        out.write_all(MAGIC)?;
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        let mut tensors = [&progress.values].into_iter().chain(&progress.moments).chain(&progress.statistics);
        tensors.try_for_each(|tensor| write_tensor(tensor, out))
    })
}

/// Writes a tensor's bytes, in pieces that stay in the processor's cache while they are hashed and written.
fn write_tensor(tensor: &Tensor, out: &mut impl Write) -> io::Result<()> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    debug_assert_eq!(tensor.kind(), Kind::Float, "checkpoints hold float32");
    // SAFETY: the tensor is contiguous, on the CPU, and outlives the slice; nobody writes to it meanwhile.
    let bytes = unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast::<u8>(), tensor.numel() * ELEMENT) };
    bytes.chunks(PIECE).try_for_each(|piece| out.write_all(piece))
}

/// Reads a trial's checkpoint, or the one before where it is damaged; none where there is neither, so that the trial
/// begins anew. What is damaged is said in the log.
pub fn load(path: &Path, spec: &TrialSpec) -> Result<Option<Progress>, TrainingError> {
    Ok(match load_one(path, spec)? {
        Some(progress) => Some(progress),
        None => load_one(&before(path), spec)?,
    })
}

fn load_one(path: &Path, spec: &TrialSpec) -> Result<Option<Progress>, TrainingError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(TrainingError::File { action: "read", path: path.to_owned(), source }),
    };
    let progress = parse(&bytes, spec);
    if progress.is_none() {
        tracing::warn!("the checkpoint {} is damaged or of another trial: passed over", path.display());
    }
    Ok(progress)
}

fn parse(bytes: &[u8], spec: &TrialSpec) -> Option<Progress> {
    let rest = seal::content(bytes)?.strip_prefix(MAGIC)?;
    let (length, rest) = rest.split_at_checked(8)?;
    let length = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    let (header, mut rest) = rest.split_at_checked(length)?;
    let header: Header = serde_json::from_slice(header).ok()?;
    if header.spec != *spec {
        return None;
    }
    let mut take = |elements: i64| {
        let (bytes, after) = rest.split_at_checked(usize::try_from(elements).ok()?.checked_mul(ELEMENT)?)?;
        rest = after;
        Some(Tensor::from_data_size(bytes, &[elements], Kind::Float))
    };
    if header.moments > MOST_MOMENTS {
        return None;
    }
    let values = take(header.values)?;
    let moments = (0..header.moments).map(|_| take(header.values)).collect::<Option<Vec<_>>>()?;
    let statistics = header.statistics.iter().map(|&elements| take(elements)).collect::<Option<Vec<_>>>()?;
    let Header { history, within, step, .. } = header;
    Some(Progress { history, within, step, values, moments, statistics })
}

#[cfg(test)]
#[path = "../../../fuzz/mutate.rs"]
mod mutate;

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::definition::Definition;
    use frostline_sweep::expand::Sources;

    fn spec() -> TrialSpec {
        let text = "[sweep]\nname = \"x\"\n[data]\ndataset = \"shapes\"\n[model]\nbackbone = \"efficientnet_lite0\"\n\
            weights = \"random\"\n[train]\nfrozen_layers = \"all\"\n";
        let definition = Definition::parse("x.toml", text, &[]).unwrap();
        let sources = Sources::plain("d".into());
        definition.expand(&sources).remove(0).spec
    }

    fn progress(step: u64) -> Progress {
        let values = Tensor::from_slice(&[step as f32, 2.5]);
        Progress {
            history: Vec::new(),
            within: None,
            step,
            moments: vec![values.zeros_like()],
            statistics: vec![values.ones_like()],
            values,
        }
    }

    #[test]
    fn a_damaged_checkpoint_falls_back_to_the_one_before_and_then_to_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let spec = spec();
        let path = path(folder.path(), spec.id());
        let step = || load(&path, &spec).unwrap().map(|progress| progress.step);
        let damage = |path: &Path| {
            let mut bytes = fs::read(path).unwrap();
            bytes[20] ^= 1;
            fs::write(path, bytes).unwrap();
        };
        assert_eq!(step(), None);
        save(&path, &progress(1), &spec).unwrap();
        save(&path, &progress(2), &spec).unwrap();
        assert_eq!(step(), Some(2));
        damage(&path);
        assert_eq!(step(), Some(1));
        // A crash between the two renamings leaves the one before alone.
        fs::remove_file(&path).unwrap();
        assert_eq!(step(), Some(1));
        damage(&before(&path));
        assert_eq!(step(), None);
    }

    /// With the digest of what they became, so that the changes reach what is behind it.
    #[test]
    fn changed_checkpoints_are_refused_or_hold_what_they_say() {
        use rand::SeedableRng;
        let folder = tempfile::tempdir().unwrap();
        let spec = spec();
        let path = path(folder.path(), spec.id());
        save(&path, &progress(3), &spec).unwrap();
        let sealed = fs::read(&path).unwrap();
        let content = &sealed[..sealed.len() - seal::BYTES];
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut accepted = 0;
        for _ in 0..20_000 {
            let changed = mutate::mutate(&mut rng, content, &sealed);
            let sealed = [&changed, &blake3::hash(&changed).as_bytes()[..]].concat();
            if let Some(progress) = parse(&sealed, &spec) {
                accepted += 1;
                let tensors = progress.moments.iter().chain(&progress.statistics).chain([&progress.values]);
                let elements: usize = tensors.map(Tensor::numel).sum();
                assert!(elements * ELEMENT <= changed.len());
            }
            assert!(parse(&changed, &spec).is_none(), "nothing gets by the digest");
        }
        assert!(accepted > 0, "some changes are of values only");
    }
}
