//! The feature cache on disk: one folder a [`FeatureSpec`], one memory-mapped file a pool.
//!
//! A folder appears whole or not at all: files are written beside it, synced, and the folder is renamed into place.
//! `manifest.json` holds each file's BLAKE3 digest, which is checked when a process first opens the folder. Files are
//! safetensors, so that other programs can read them.

use crate::data::Pool;
use crate::error::TrainingError;
use crate::shim;
use frostline_assets::safetensors::{self, Dtype, Table};
use frostline_results::features::{self as kept, Manifest, UNFINISHED, file_name};
use frostline_results::seal::Hashing;
use frostline_sweep::features::FeatureSpec;
use memmap2::Mmap;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tch::{Device, Kind, Tensor};

const TENSOR: &str = "features";

/// Of a GPU's free memory, what the features of one pool may take.
const RESIDENT_SHARE: f64 = 0.4;

/// Data begins at a multiple of this many bytes, so that mapped rows are aligned for vector instructions.
const ALIGNMENT: usize = 64;

/// Features of one pool, mapped into memory.
pub struct MappedFeatures {
    /// `[views, n, height, width, channels]` or, pooled, `[views, n, channels]`; lies in `_map`.
    stored: Tensor,
    _map: Mmap,
}

impl MappedFeatures {
    /// One view after the other, as they are stored: `[views * n, height, width, channels]` or `[views * n, channels]`.
    fn rows(&self) -> Tensor {
        self.stored.flatten(0, 1)
    }
}

/// Both pools of one folder.
pub struct CachedFeatures {
    pools: BTreeMap<Pool, MappedFeatures>,
    /// The rows of each pool on the device, where it has room for them.
    resident: BTreeMap<Pool, Tensor>,
}

impl CachedFeatures {
    /// Where the features of a pool's images are gathered: on the device, or in main memory.
    fn source(&self, pool: Pool) -> Tensor {
        self.resident.get(&pool).map_or_else(|| self.pools[&pool].rows(), Tensor::shallow_clone)
    }

    /// The rows of some images, `[chosen]`, int64, where their features are. `views` says which view of each is
    /// meant; none where it is the first of all.
    pub fn index(&self, pool: Pool, chosen: &[u32], views: Option<&[u32]>) -> Tensor {
        let images = self.pools[&pool].stored.size()[1];
        let view = |place: usize| views.map_or(0, |views| i64::from(views[place]));
        let rows: Vec<i64> =
            chosen.iter().enumerate().map(|(place, &image)| view(place) * images + i64::from(image)).collect();
        Tensor::from_slice(&rows).to_device(self.source(pool).device())
    }

    /// Some rows of a pool, `[batch, channels, height, width]` with channels-last strides or `[batch, channels]`: on the
    /// device where the features are, else in main memory.
    pub fn gather(&self, pool: Pool, index: &Tensor) -> Tensor {
        // On the memory's own order of axes, which copies whole rows.
        let rows = self.source(pool).index_select(0, index);
        if rows.dim() == 4 { rows.permute([0, 3, 1, 2]) } else { rows }
    }

    /// Copies the features to a GPU, so that no epoch moves them again. Where they would take more than their share of its
    /// free memory they stay in main memory: training needs the rest.
    pub fn move_to(&mut self, device: Device) {
        let Device::Cuda(number) = device else { return };
        let free = shim::memory(number).map_or(0, |memory| memory.free);
        for (&pool, mapped) in &self.pools {
            let bytes = (mapped.stored.numel() * mapped.stored.kind().elt_size_in_bytes()) as u64;
            if bytes as f64 > RESIDENT_SHARE * free as f64 {
                tracing::info!("{bytes} bytes of features stay in main memory: {free} are free on the GPU");
                continue;
            }
            match mapped.rows().f_to(device) {
                Ok(rows) => drop(self.resident.insert(pool, rows)),
                Err(error) => tracing::info!("features stay in main memory: {error}"),
            }
        }
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
    let Some((kind, shape, start)) = stored(&map) else { return Ok(None) };
    let strides: Vec<i64> = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
    // SAFETY: the bytes from `start` on are that many elements, aligned, and live as long as `_map`, which stands beside the
    // tensor and is dropped after it. Nothing writes to a mapped tensor.
    let stored = unsafe { Tensor::from_blob(map[start..].as_ptr(), &shape, &strides, kind, Device::Cpu) };
    Ok(Some(MappedFeatures { stored, _map: map }))
}

/// Type, shape and first byte of the features in a file; none where it holds something else, or not as many bytes.
fn stored(file: &[u8]) -> Option<(Kind, Vec<i64>, usize)> {
    let Table { tensors, data } = safetensors::table(file).ok()?;
    let info = tensors.info(TENSOR)?;
    let kind = match info.dtype {
        Dtype::F32 => Kind::Float,
        Dtype::BF16 => Kind::BFloat16,
        _ => return None,
    };
    let start = data + info.data_offsets.0;
    let shape = info.shape.iter().map(|&size| i64::try_from(size).ok()).collect::<Option<Vec<i64>>>()?;
    // Where there is no element, nothing holds the sizes of the other axes against the file.
    let is_ours =
        matches!(shape.len(), 3 | 5) && !shape.contains(&0) && start.is_multiple_of(kind.elt_size_in_bytes());
    is_ours.then_some((kind, shape, start))
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
        let out = Hashing::new(BufWriter::new(File::create(&path).map_err(failed)?));
        let begin = |rows: &Tensor, out| {
            let dtype = if rows.kind() == Kind::BFloat16 { Dtype::BF16 } else { Dtype::F32 };
            let shape = [&[views as i64, images as i64], &rows.size()[1..]].concat();
            safetensors::Writer::begin(out, ALIGNMENT, &BTreeMap::new(), &[(TENSOR.to_owned(), dtype, shape)])
        };
        let mut batches = batches.map(|batch| batch.map(|batch| in_memory_order(&batch)));
        let Some(first) = batches.next().transpose()? else {
            return Err(TrainingError::Impossible(format!("features of no {} images", pool.name())));
        };
        let mut out = begin(&first, out).map_err(failed)?;
        for rows in std::iter::once(Ok(first)).chain(batches) {
            let rows = rows?;
            let length = rows.numel() * rows.kind().elt_size_in_bytes();
            // SAFETY: `rows` is contiguous, on the CPU, and outlives the slice.
            let bytes = unsafe { std::slice::from_raw_parts(rows.data_ptr() as *const u8, length) };
            out.write_all(bytes).map_err(failed)?;
        }
        let (out, digest) = out.finish().map_err(failed)?.finish();
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

/// A batch as it is stored: channels last, on the CPU. The network computes so, so this copies nothing there.
fn in_memory_order(batch: &Tensor) -> Tensor {
    let rows = if batch.dim() == 4 { batch.permute([0, 2, 3, 1]) } else { batch.shallow_clone() };
    rows.to_device(Device::Cpu).contiguous()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of features with this shape in its table, and so many bytes of data.
    fn mapped(shape: &str, bytes: usize) -> Option<MappedFeatures> {
        let folder = tempfile::tempdir().unwrap();
        let table = format!(r#"{{"features":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{bytes}]}}}}"#);
        let table = format!("{table:<120}");
        let content = [&(table.len() as u64).to_le_bytes()[..], table.as_bytes(), &vec![0; bytes]].concat();
        let path = folder.path().join("train.safetensors");
        fs::write(&path, &content).unwrap();
        map(&path, blake3::hash(&content).to_hex().as_str()).unwrap()
    }

    #[test]
    fn a_shape_is_held_against_the_length_of_the_file() {
        assert_eq!(mapped("[1,2,2]", 16).unwrap().rows().size(), [2, 2]);
        for shape in [
            "[1,1,5]",
            "[1,1,3]",
            // Their products wrap around to what the file holds.
            "[1,1,4611686018427387908]",
            "[4294967296,4294967296,1]",
            "[9223372036854775807,2,1]",
            "[-1,-4,1]",
            "[1,1.5,2]",
            "[2,2]",
            "[]",
        ] {
            assert!(mapped(shape, 16).is_none(), "{shape}");
        }
        for shape in ["[0,4294967296,4294967296]", "[0,1,1]"] {
            assert!(mapped(shape, 0).is_none(), "{shape}");
        }
    }
}
