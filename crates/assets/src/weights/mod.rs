//! Weight files, read without executing what they contain: PyTorch's zip archive and its older stream of pickles,
//! safetensors, and the two HDF5 layouts of Keras, also inside a `.keras` archive. The format is told from the content,
//! never from the name. Weights may lie in several files with an index, and one file may hold several networks, of which a
//! key names one.

mod archive;
mod content;
mod error;
mod keras;
mod named;
mod pickle;
mod pytorch;
mod safetensors;
mod shards;
mod tensor;
mod whole;

pub use content::Format;
pub use error::WeightsFileError;
pub use named::Named;
pub use safetensors::write as write_safetensors;
pub use tensor::ElementType;

use frostline_sweep::trial::WeightsIdentity;
use memmap2::Mmap;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tensor::Entry;
use whole::Whole;

/// Named tensors, mapped and converted when asked for.
pub struct WeightsFile {
    path: PathBuf,
    key: Option<String>,
    format: Format,
    files: usize,
    bytes: u64,
    tensors: BTreeMap<String, Tensor>,
    /// How many tensors the key leaves out.
    left_out: usize,
    metadata: BTreeMap<String, String>,
    skipped: BTreeSet<String>,
}

/// How many keys an error lists.
const MOST_KEYS: usize = 8;

struct Tensor {
    entry: Entry,
    map: Arc<Mmap>,
    home: usize,
}

/// The identity of weights: BLAKE3 of the file's bytes, whatever its name and place, or of the digests of several files. A
/// key does not count: [`crate::layout::identity`] heeds it.
///
/// # Errors
/// Where a file cannot be read.
pub fn identity(path: &Path) -> io::Result<WeightsIdentity> {
    let file = Named::new(path).file;
    let digest = |path: &Path| {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path)?)?;
        Ok::<_, io::Error>(hasher.finalize())
    };
    let digest = match shards::index(&file).map_err(io::Error::other)? {
        None => digest(&file)?,
        Some(index) => {
            let mut hasher = blake3::Hasher::new_derive_key("frostline 2026 weights in several files");
            for part in shards::files(&index).map_err(io::Error::other)?.keys() {
                hasher.update(digest(part)?.as_bytes());
            }
            hasher.finalize()
        }
    };
    Ok(WeightsIdentity::File(digest.to_hex().to_string()))
}

/// Opens a weights file, `FILE` or `FILE#KEY`, and reads its table of tensors; values stay in the file until asked for.
///
/// # Errors
/// What is wrong with it, or that it has nothing under this key.
pub fn open(path: &Path) -> Result<WeightsFile, WeightsFileError> {
    let Named { file, key } = Named::new(path);
    let wholes = match shards::index(&file)? {
        Some(index) => shards::read(&index)?,
        None => vec![whole::read(&file, whole::map(&file)?)?],
    };
    let format = wholes[0].format;
    let bytes = wholes.iter().map(|whole| whole.map.len() as u64).sum();
    let mut opened = WeightsFile {
        path: path.to_owned(),
        key,
        format,
        files: wholes.len(),
        bytes,
        tensors: BTreeMap::new(),
        left_out: 0,
        metadata: BTreeMap::new(),
        skipped: BTreeSet::new(),
    };
    for Whole { map, content, .. } in wholes {
        opened.metadata.extend(content.metadata);
        opened.skipped.extend(content.skipped);
        for (name, entry) in content.tensors {
            let home = content.homes.get(&name).copied().unwrap_or_default();
            opened.tensors.insert(name, Tensor { entry, map: Arc::clone(&map), home });
        }
    }
    opened.choose()?;
    Ok(opened)
}

impl WeightsFile {
    /// Leaves what the key names.
    fn choose(&mut self) -> Result<(), WeightsFileError> {
        let Some(key) = self.key.as_deref().filter(|key| !key.is_empty()) else { return Ok(()) };
        let is_under = |name: &str| name.strip_prefix(key).is_some_and(|rest| rest.starts_with(['.', '/']));
        let before = self.tensors.len();
        if !self.tensors.keys().any(|name| is_under(name)) {
            let steps: BTreeSet<&str> =
                self.tensors.keys().filter_map(|name| name.split(['.', '/']).next()).collect();
            let there = steps.into_iter().take(MOST_KEYS).map(|step| format!("`{step}`")).collect();
            return Err(WeightsFileError::NoKey { path: Named::new(&self.path).file, key: key.to_owned(), there });
        }
        self.tensors.retain(|name, _| is_under(name));
        self.left_out = before - self.tensors.len();
        Ok(())
    }

    /// As it was named, with the key.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key that it was opened with; empty for what lies at the top.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// How many files the tensors lie in.
    pub fn files(&self) -> usize {
        self.files
    }

    /// Of all files together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many tensors the key leaves out.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Python's classes and functions that the file names and that were not looked at: nothing of them was run.
    pub fn skipped(&self) -> impl Iterator<Item = &str> {
        self.skipped.iter().map(String::as_str)
    }

    pub fn format(&self) -> Format {
        self.format
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub fn shape(&self, name: &str) -> Option<Vec<i64>> {
        Some(self.tensors.get(name)?.entry.shape.iter().map(|&size| size as i64).collect())
    }

    pub fn element_type(&self, name: &str) -> Option<ElementType> {
        Some(self.tensors.get(name)?.entry.element)
    }

    /// How much of a tensor's name are the keys of the dictionaries around its own, the dot behind them included.
    pub fn home(&self, name: &str) -> usize {
        self.tensors.get(name).map_or(0, |tensor| tensor.home)
    }

    /// Whether two names are of the very same bytes, as where a checkpoint holds one dictionary under two keys.
    pub fn is_same(&self, one: &str, other: &str) -> bool {
        match (self.tensors.get(one), self.tensors.get(other)) {
            (Some(one), Some(other)) => Arc::ptr_eq(&one.map, &other.map) && one.entry == other.entry,
            _ => false,
        }
    }

    /// What the file says of itself under this key: safetensors' metadata.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }

    /// The elements of a tensor in row-major order, converted to float32.
    ///
    /// # Errors
    /// The file has no tensor of this name.
    pub fn f32(&self, name: &str) -> Result<Vec<f32>, WeightsFileError> {
        let Tensor { entry, map, .. } = self.tensor(name)?;
        let axes: Vec<usize> = (0..entry.shape.len()).collect();
        Ok(entry.values(map, &axes))
    }

    /// As [`WeightsFile::f32`], with the tensor's axes in the order `axes`: `[1, 0]` gives the transpose of a matrix.
    ///
    /// # Errors
    /// The file has no tensor of this name.
    ///
    /// # Panics
    /// `axes` are not the tensor's axes, each once.
    pub fn f32_with_axes(&self, name: &str, axes: &[usize]) -> Result<Vec<f32>, WeightsFileError> {
        let Tensor { entry, map, .. } = self.tensor(name)?;
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..entry.shape.len()), "{axes:?} are not the axes of {:?}", entry.shape);
        Ok(entry.values(map, axes))
    }

    fn tensor(&self, name: &str) -> Result<&Tensor, WeightsFileError> {
        let missing = || WeightsFileError::NoTensor { path: self.path.clone(), name: name.to_owned() };
        self.tensors.get(name).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests;
