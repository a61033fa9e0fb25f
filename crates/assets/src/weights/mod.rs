//! Weight files, read without executing what they contain: PyTorch's zip archive and its older stream of pickles,
//! safetensors, and the two HDF5 layouts of Keras, also inside a `.keras` archive. The format is told from the content,
//! never from the name.

mod archive;
mod content;
mod keras;
mod pickle;
mod pytorch;
mod safetensors;
mod tensor;

pub use content::Format;
pub use safetensors::write as write_safetensors;
pub use tensor::ElementType;

use content::{Content, Fault};
use frostline_sweep::trial::WeightsIdentity;
use memmap2::Mmap;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tensor::Entry;

/// A weights file: named tensors, mapped and converted when asked for.
pub struct WeightsFile {
    path: PathBuf,
    format: Format,
    tensors: BTreeMap<String, Entry>,
    metadata: BTreeMap<String, String>,
    map: Arc<Mmap>,
}

/// The identity of a weights file: BLAKE3 of its bytes, whatever its name and place.
///
/// # Errors
/// Where the file cannot be read.
pub fn identity(path: &Path) -> io::Result<WeightsIdentity> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(path)?)?;
    Ok(WeightsIdentity::File(hasher.finalize().to_hex().to_string()))
}

#[derive(Debug, thiserror::Error)]
pub enum WeightsFileError {
    #[error("cannot read {}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
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
}

/// Opens a weights file and reads its table of tensors; values stay in the file until asked for.
pub fn open(path: &Path) -> Result<WeightsFile, WeightsFileError> {
    let failed = |source| WeightsFileError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(std::io::Error::new(std::io::ErrorKind::IsADirectory, "it is a folder")));
    }
    // SAFETY: a file that another program shrinks meanwhile would fault; weights files are not written while in use.
    let map = Arc::new(unsafe { Mmap::map(&file) }.map_err(failed)?);
    let read = match read(&map) {
        Some(read) => read,
        None => return Err(WeightsFileError::Unknown { path: path.to_owned() }),
    };
    let (format, Content { tensors, metadata }) = read.map_err(|fault| match fault {
        Fault::Damaged(what) => WeightsFileError::Damaged { path: path.to_owned(), what },
        Fault::Foreign(what) => WeightsFileError::Foreign { path: path.to_owned(), what },
        Fault::Code(name) => WeightsFileError::Code { path: path.to_owned(), name },
    })?;
    if let Some((name, _)) = tensors.iter().find(|(_, entry)| entry.fits() != Some(true)) {
        let what = format!("tensor `{name}` reaches past the file's data");
        return Err(WeightsFileError::Damaged { path: path.to_owned(), what });
    }
    Ok(WeightsFile { path: path.to_owned(), format, tensors, metadata, map })
}

/// The format and content of a file, or what is wrong with it; none where it begins like nothing that is known.
fn read(map: &Arc<Mmap>) -> Option<Result<(Format, Content), Fault>> {
    Some(if archive::is_one(map) {
        read_archive(map)
    } else if pytorch::is_stream(map) {
        pytorch::read_stream(map).map(|tensors| (Format::PytorchStream, tensors.into()))
    } else if safetensors::is_one(map) {
        safetensors::read(map).map(|content| (Format::Safetensors, content))
    } else if keras::is_one(map) {
        keras::read(map, 0..map.len()).map(|(format, tensors)| (format, tensors.into()))
    } else {
        return None;
    })
}

/// PyTorch's archive, or Keras' with an HDF5 file inside.
fn read_archive(map: &Arc<Mmap>) -> Result<(Format, Content), Fault> {
    let members = archive::members(map)?;
    match members.iter().find(|member| member.name == keras::IN_ARCHIVE) {
        Some(weights) => {
            let (format, tensors) = keras::read(map, weights.range(map)?)?;
            Ok((format, tensors.into()))
        }
        None => Ok((Format::PytorchZip, pytorch::read_zip(map, &members)?.into())),
    }
}

impl WeightsFile {
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn format(&self) -> Format {
        self.format
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub fn shape(&self, name: &str) -> Option<Vec<i64>> {
        Some(self.tensors.get(name)?.shape.iter().map(|&size| size as i64).collect())
    }

    pub fn element_type(&self, name: &str) -> Option<ElementType> {
        Some(self.tensors.get(name)?.element)
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
        let entry = self.entry(name)?;
        let axes: Vec<usize> = (0..entry.shape.len()).collect();
        Ok(entry.values(&self.map, &axes))
    }

    /// As [`WeightsFile::f32`], with the tensor's axes in the order `axes`: `[1, 0]` gives the transpose of a matrix.
    ///
    /// # Errors
    /// The file has no tensor of this name.
    ///
    /// # Panics
    /// `axes` are not the tensor's axes, each once.
    pub fn f32_with_axes(&self, name: &str, axes: &[usize]) -> Result<Vec<f32>, WeightsFileError> {
        let entry = self.entry(name)?;
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..entry.shape.len()), "{axes:?} are not the axes of {:?}", entry.shape);
        Ok(entry.values(&self.map, axes))
    }

    fn entry(&self, name: &str) -> Result<&Entry, WeightsFileError> {
        let missing = || WeightsFileError::NoTensor { path: self.path.clone(), name: name.to_owned() };
        self.tensors.get(name).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests;
