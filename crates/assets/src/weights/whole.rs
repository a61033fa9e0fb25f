//! One file, mapped and read by its format.

use super::content::{Content, Fault, Format, damaged};
use super::error::WeightsFileError;
use super::{archive, keras, pytorch, safetensors};
use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A file's bytes, and what its reader found in them.
pub(super) struct Whole {
    pub(super) map: Arc<Mmap>,
    pub(super) format: Format,
    pub(super) content: Content,
}

/// Maps a file into memory.
pub(super) fn map(path: &Path) -> Result<Arc<Mmap>, WeightsFileError> {
    let failed = |source| WeightsFileError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")));
    }
    // SAFETY: a file that another program shrinks meanwhile would fault; weights files are not written while in use.
    Ok(Arc::new(unsafe { Mmap::map(&file) }.map_err(failed)?))
}

/// Reads the file at `path`, which is mapped at `map`.
pub(super) fn read(path: &Path, map: Arc<Mmap>) -> Result<Whole, WeightsFileError> {
    let Some(read) = by_format(&map) else { return Err(WeightsFileError::Unknown { path: path.to_owned() }) };
    let failed = |fault| WeightsFileError::new(path, fault);
    let (format, content) = read.map_err(failed)?;
    if let Some((name, _)) = content.tensors.iter().find(|(_, entry)| entry.fits() != Some(true)) {
        return Err(failed(damaged(format!("tensor `{name}` reaches past the file's data"))));
    }
    Ok(Whole { map, format, content })
}

/// The format and content of a file, or what is wrong with it; none where it begins like nothing that is known.
fn by_format(map: &Arc<Mmap>) -> Option<Result<(Format, Content), Fault>> {
    Some(if archive::is_one(map) {
        read_archive(map)
    } else if pytorch::is_stream(map) {
        pytorch::read_stream(map).map(|content| (Format::PytorchStream, content))
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
        None => Ok((Format::PytorchZip, pytorch::read_zip(map, &members)?)),
    }
}
