//! Checkpoints of a trial under way: one file, replaced now and then, so that another attempt goes on from there with the
//! same numbers to the bit. When is `keeper`'s affair. The coordinator removes them once the trial's outcome is committed.

use crate::error::TrainingError;
use crate::no_grad::no_grad;
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

/// What a checkpoint holds, apart from what goes on changing.
pub struct Copied {
    header: Header,
    /// All tensors one after another, `[n]`, float32, in main memory.
    elements: Tensor,
}

impl Progress {
    /// A copy in main memory.
    pub fn copied(&self, spec: &TrialSpec) -> Copied {
        let statistics = self.statistics.iter().map(|tensor| tensor.numel() as i64).collect();
        let header = Header {
            spec: spec.clone(),
            history: self.history.clone(),
            within: self.within,
            step: self.step,
            values: self.values.numel() as i64,
            moments: self.moments.len(),
            statistics,
        };
        let elements = no_grad(|| {
            // Many and small: together they are one copy off a GPU.
            let statistics = (!self.statistics.is_empty()).then(|| Tensor::cat(&self.statistics, 0));
            let parts: Vec<&Tensor> = [&self.values].into_iter().chain(&self.moments).chain(&statistics).collect();
            let total: i64 = parts.iter().map(|part| part.numel() as i64).sum();
            let elements = Tensor::empty([total], (Kind::Float, Device::Cpu));
            let mut start = 0;
            for part in parts {
                let length = part.numel() as i64;
                elements.narrow(0, start, length).copy_(part);
                start += length;
            }
            elements
        });
        Copied { header, elements }
    }
}

/// Replaces the checkpoint: written aside, synced, renamed. The one before stays, for the case that the new one turns
/// out to be damaged.
pub fn save(path: &Path, copied: &Copied) -> Result<(), TrainingError> {
    let replace = || {
        let aside = writing(path);
        write(&aside, copied)?;
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

fn write(path: &Path, Copied { header, elements }: &Copied) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let header = serde_json::to_vec(header)?;
    // SAFETY: so many float32 lie there in one piece of main memory, for as long as the tensor is borrowed, and nobody
    // else has it.
    let bytes = unsafe { std::slice::from_raw_parts(elements.data_ptr().cast::<u8>(), elements.numel() * ELEMENT) };
    seal::write(path, |out| {
        out.write_all(MAGIC)?;
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        // Pieces stay in the processor's cache while they are hashed and written.
        bytes.chunks(PIECE).try_for_each(|piece| out.write_all(piece))
    })
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
        save(&path, &progress(1).copied(&spec)).unwrap();
        save(&path, &progress(2).copied(&spec)).unwrap();
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
        save(&path, &progress(3).copied(&spec)).unwrap();
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
