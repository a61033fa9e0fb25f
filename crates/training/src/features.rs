//! The feature cache on disk: one folder a [`FeatureSpec`], one memory-mapped file a pool.
//!
//! A folder appears whole or not at all: files are written beside it, synced, and the folder is renamed into place.
//! `manifest.json` holds each file's BLAKE3 digest, which is checked when a process first opens the folder. Files are
//! safetensors, so that other programs can read them.

use crate::data::Pool;
use crate::error::TrainingError;
use frostline_results::features::{self as kept, Manifest, UNFINISHED, file_name};
use frostline_results::seal::Hashing;
use frostline_sweep::features::FeatureSpec;
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tch::{Device, Kind, Tensor};

const TENSOR: &str = "features";

/// Data begins at a multiple of this many bytes, so that mapped rows are aligned for vector instructions.
const ALIGNMENT: usize = 64;

/// Header entry of a safetensors file.
#[derive(Debug, Serialize, Deserialize)]
struct TensorEntry {
    dtype: String,
    shape: Vec<i64>,
    data_offsets: (u64, u64),
}

/// Features of one pool, mapped into memory.
pub struct MappedFeatures {
    /// `[views, n, height, width, channels]` or, pooled, `[views, n, channels]`; lies in `_map`.
    stored: Tensor,
    _map: Mmap,
}

impl MappedFeatures {
    /// The features of one view: `[n, channels, height, width]` with channels-last strides, or `[n, channels]`.
    pub fn view(&self, view: i64) -> Tensor {
        let features = self.stored.select(0, view);
        if features.dim() == 4 { features.permute([0, 3, 1, 2]) } else { features }
    }
}

/// Both pools of one folder.
pub struct CachedFeatures {
    pools: BTreeMap<Pool, MappedFeatures>,
    /// Each view of each pool on the device, where it has room for them.
    resident: BTreeMap<Pool, Vec<Tensor>>,
}

impl CachedFeatures {
    pub fn pool(&self, pool: Pool) -> &MappedFeatures {
        &self.pools[&pool]
    }

    /// Some rows of one view, `[batch, channels, height, width]` with channels-last strides or `[batch, channels]`: on
    /// the device where the features are, else in main memory.
    pub fn gather(&self, pool: Pool, view: i64, index: &Tensor) -> Tensor {
        match self.resident.get(&pool).and_then(|views| views.get(view as usize)) {
            Some(features) => rows(features, &index.to_device(features.device())),
            None => rows(&self.pool(pool).view(view), index),
        }
    }

    /// Copies the features to a GPU, so that no epoch moves them again. Where its memory does not hold them they stay in
    /// main memory.
    pub fn move_to(&mut self, device: Device) {
        if !device.is_cuda() {
            return;
        }
        for (&pool, mapped) in &self.pools {
            let views = (0..mapped.stored.size()[0]).map(|view| mapped.view(view).f_to(device));
            match views.collect::<Result<Vec<Tensor>, _>>() {
                Ok(views) => drop(self.resident.insert(pool, views)),
                Err(error) => tracing::info!("features stay in main memory: {error}"),
            }
        }
    }
}

/// Rows of a tensor, with the strides that it has.
fn rows(features: &Tensor, index: &Tensor) -> Tensor {
    if features.dim() == 4 {
        // `index_select` on the memory's own order of axes copies whole rows.
        features.permute([0, 2, 3, 1]).index_select(0, index).permute([0, 3, 1, 2])
    } else {
        features.index_select(0, index)
    }
}

/// Maps the features of `spec`. None where the cache lacks them, or where a digest does not fit: a damaged folder is
/// removed, so that the next fill replaces it.
pub fn open(cache: &Path, spec: &FeatureSpec) -> Result<Option<CachedFeatures>, TrainingError> {
    let folder = kept::folder(cache, &spec.key());
    let manifest = match Manifest::<FeatureSpec>::read(&folder) {
        Ok(manifest) => Some(manifest),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
        Err(source) => return Err(file("read the manifest of", &folder, source)),
    };
    let opened = manifest.filter(|manifest| manifest.spec == *spec).and_then(|manifest| {
        let mut pools = BTreeMap::new();
        for pool in Pool::ALL {
            let name = file_name(pool.name());
            pools.insert(pool, map(&folder.join(&name), manifest.files.get(&name)?).ok()??);
        }
        Some(CachedFeatures { pools, resident: BTreeMap::new() })
    });
    if opened.is_none() {
        tracing::warn!("the feature cache {} is damaged: removed, to be filled again", folder.display());
        fs::remove_dir_all(&folder).map_err(|source| self::file("remove", &folder, source))?;
    }
    // When features were last used decides which go first. Where that cannot be noted, they go a little earlier.
    if opened.is_some()
        && let Err(error) = kept::note_use(&folder)
    {
        tracing::debug!("the use of {} is not noted: {error}", folder.display());
    }
    Ok(opened)
}

fn map(path: &Path, digest: &str) -> io::Result<Option<MappedFeatures>> {
    let file = File::open(path)?;
    // SAFETY: cache files are renamed into place whole and never written again; a removed file stays mapped.
    let map = unsafe { Mmap::map(&file)? };
    if blake3::hash(&map).to_hex().as_str() != digest {
        return Ok(None);
    }
    Ok(parse(&map).and_then(|(kind, shape, start)| {
        let elements: i64 = shape.iter().product();
        let fits = map.len() == start + elements as usize * kind.elt_size_in_bytes();
        fits.then(|| {
            let strides: Vec<i64> = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
            // SAFETY: the bytes from `start` on are that many elements, aligned, and live as long as `_map`, which
            // stands beside the tensor and is dropped after it. Nothing writes to a mapped tensor.
            let stored = unsafe { Tensor::from_blob(map[start..].as_ptr(), &shape, &strides, kind, Device::Cpu) };
            MappedFeatures { stored, _map: map }
        })
    }))
}

/// Type, shape and first data byte of the one tensor in a safetensors file.
fn parse(bytes: &[u8]) -> Option<(Kind, Vec<i64>, usize)> {
    let length = u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?) as usize;
    let header: BTreeMap<String, TensorEntry> =
        serde_json::from_slice(bytes.get(8..8usize.checked_add(length)?)?).ok()?;
    let entry = header.get(TENSOR)?;
    let kind = match entry.dtype.as_str() {
        "F32" => Kind::Float,
        "BF16" => Kind::BFloat16,
        _ => return None,
    };
    Some((kind, entry.shape.clone(), 8 + length))
}

fn file(action: &'static str, path: &Path, source: io::Error) -> TrainingError {
    TrainingError::File { action, path: path.to_owned(), source }
}

/// Writes one cache folder; dropping it unfinished removes what was written.
pub struct Writer {
    cache: PathBuf,
    aside: tempfile::TempDir,
    spec: FeatureSpec,
    files: BTreeMap<String, String>,
    bytes: u64,
    started: Instant,
}

impl Writer {
    pub fn new(cache: &Path, spec: &FeatureSpec) -> Result<Writer, TrainingError> {
        fs::create_dir_all(cache).map_err(|source| file("create", cache, source))?;
        let aside = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(cache);
        Ok(Writer {
            cache: cache.to_owned(),
            aside: aside.map_err(|source| file("create a folder in", cache, source))?,
            spec: spec.clone(),
            files: BTreeMap::new(),
            bytes: 0,
            started: Instant::now(),
        })
    }

    /// Writes the features of one pool: `batches` yields one view after the other, each in the order of the images,
    /// as `[batch, channels, height, width]` or `[batch, channels]`. `views` and `images` are their counts.
    pub fn pool(
        &mut self,
        pool: Pool,
        views: usize,
        images: usize,
        batches: impl Iterator<Item = Result<Tensor, TrainingError>>,
    ) -> Result<(), TrainingError> {
        let name = file_name(pool.name());
        let path = self.aside.path().join(&name);
        let failed = |source| file("write", &path, source);
        let mut out = Hashing::new(BufWriter::new(File::create(&path).map_err(failed)?));
        let mut header_written = false;
        for batch in batches {
            let batch = batch?;
            // Channels-last memory is what the network computes with, so this copies nothing on the CPU.
            let rows = if batch.dim() == 4 { batch.permute([0, 2, 3, 1]) } else { batch };
            let rows = rows.to_device(Device::Cpu).contiguous();
            if !header_written {
                let shape = [&[views as i64, images as i64], &rows.size()[1..]].concat();
                out.write_all(&header(rows.kind(), shape)).map_err(failed)?;
                header_written = true;
            }
            let length = rows.numel() * rows.kind().elt_size_in_bytes();
            // SAFETY: `rows` is contiguous, on the CPU, and outlives the slice.
            let bytes = unsafe { std::slice::from_raw_parts(rows.data_ptr() as *const u8, length) };
            out.write_all(bytes).map_err(failed)?;
        }
        let (out, digest) = out.finish();
        let finished = out.into_inner().map_err(|error| failed(error.into_error()))?;
        finished.sync_all().map_err(failed)?;
        self.bytes += finished.metadata().map_err(failed)?.len();
        self.files.insert(name, digest.to_hex().to_string());
        Ok(())
    }

    /// Renames the folder into place and returns its size in bytes.
    pub fn finish(self) -> Result<u64, TrainingError> {
        let seconds = self.started.elapsed().as_secs_f64();
        let manifest = Manifest { spec: self.spec.clone(), files: self.files, bytes: self.bytes, seconds };
        let aside = self.aside.path();
        manifest.write(aside).map_err(|source| file("write the manifest of", aside, source))?;
        let target = kept::folder(&self.cache, &self.spec.key());
        // Another process may have filled it meanwhile: then its folder stays, the content is the same.
        if !kept::is_filled(&target) {
            let aside = self.aside.keep();
            fs::rename(&aside, &target).map_err(|source| file("rename into place", &target, source))?;
            let sync = File::open(&self.cache).and_then(|folder| folder.sync_all());
            sync.map_err(|source| file("sync", &self.cache, source))?;
        }
        Ok(self.bytes)
    }
}

fn header(kind: Kind, shape: Vec<i64>) -> Vec<u8> {
    let bytes = shape.iter().product::<i64>() as u64 * kind.elt_size_in_bytes() as u64;
    let dtype = if kind == Kind::BFloat16 { "BF16" } else { "F32" };
    let entry = TensorEntry { dtype: dtype.to_owned(), shape, data_offsets: (0, bytes) };
    let mut text = serde_json::to_vec(&BTreeMap::from([(TENSOR, entry)])).expect("a header is plain JSON");
    // The format allows spaces after the JSON.
    text.resize((8 + text.len()).next_multiple_of(ALIGNMENT) - 8, b' ');
    [&(text.len() as u64).to_le_bytes()[..], &text].concat()
}
