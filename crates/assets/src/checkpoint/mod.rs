//! Weight files, read without executing what they contain: PyTorch's zip archive and its older stream of pickles, and
//! safetensors. The format is told from the content, never from the name.

mod pickle;
mod pytorch;
mod safetensors;

use memmap2::Mmap;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// No weights of this family come near it; a header that claims more is damaged or hostile.
const MOST_ELEMENTS: u64 = 1 << 31;

/// A weights file: named tensors, mapped and converted when asked for.
pub struct Checkpoint {
    path: PathBuf,
    format: Format,
    tensors: BTreeMap<String, Entry>,
    map: Mmap,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    PytorchZip,
    PytorchStream,
    Safetensors,
}

impl Format {
    /// The format in words.
    pub fn name(self) -> &'static str {
        match self {
            Format::PytorchZip => "PyTorch zip archive",
            Format::PytorchStream => "PyTorch pickle stream",
            Format::Safetensors => "safetensors",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    Float64,
    Float32,
    Float16,
    Bfloat16,
    Int64,
    Int32,
    Int16,
    Int8,
    Uint8,
}

impl ElementType {
    fn bytes(self) -> usize {
        match self {
            ElementType::Float64 | ElementType::Int64 => 8,
            ElementType::Float32 | ElementType::Int32 => 4,
            ElementType::Float16 | ElementType::Bfloat16 | ElementType::Int16 => 2,
            ElementType::Int8 | ElementType::Uint8 => 1,
        }
    }

    fn read(self, bytes: &[u8]) -> f32 {
        macro_rules! number {
            ($type:ty) => {
                <$type>::from_le_bytes(bytes.try_into().expect("as many bytes as the type has")) as f32
            };
        }
        match self {
            ElementType::Float64 => number!(f64),
            ElementType::Float32 => number!(f32),
            ElementType::Float16 => half(u16::from_le_bytes([bytes[0], bytes[1]])),
            ElementType::Bfloat16 => f32::from_bits(u32::from(u16::from_le_bytes([bytes[0], bytes[1]])) << 16),
            ElementType::Int64 => number!(i64),
            ElementType::Int32 => number!(i32),
            ElementType::Int16 => number!(i16),
            ElementType::Int8 => number!(i8),
            ElementType::Uint8 => number!(u8),
        }
    }
}

/// IEEE 754 binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

/// Where a tensor's elements lie in the file.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    element: ElementType,
    shape: Vec<usize>,
    /// In elements.
    strides: Vec<usize>,
    /// First element's place in `storage`, in elements.
    offset: usize,
    /// Bytes of the file.
    storage: Range<usize>,
}

impl Entry {
    fn dense(element: ElementType, shape: Vec<usize>, storage: Range<usize>) -> Entry {
        let strides = (0..shape.len()).map(|axis| shape[axis + 1..].iter().product()).collect();
        Entry { element, shape, strides, offset: 0, storage }
    }

    /// Whether every element lies in the storage; None where the numbers overflow.
    fn fits(&self) -> Option<bool> {
        let elements = self.shape.iter().try_fold(1u64, |n, &size| n.checked_mul(size as u64))?;
        if elements == 0 {
            return Some(true);
        }
        let axes = self.shape.iter().zip(&self.strides);
        let reach = axes.map(|(&size, &stride)| (size - 1).checked_mul(stride));
        let last = reach.chain([Some(self.offset)]).try_fold(0usize, |sum, part| sum.checked_add(part?))?;
        let end = last.checked_add(1)?.checked_mul(self.element.bytes())?;
        Some(elements <= MOST_ELEMENTS && end <= self.storage.len())
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error("cannot read {}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("{} is not a weights file that Frostline knows: expected a PyTorch .pth file or safetensors", path.display())]
    Unknown { path: PathBuf },
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

/// What a reader found wrong, before the path is known.
#[derive(Debug)]
enum Fault {
    Damaged(String),
    Code(String),
}

fn damaged(what: impl Into<String>) -> Fault {
    Fault::Damaged(what.into())
}

/// Opens a weights file and reads its table of tensors; values stay in the file until asked for.
pub fn open(path: &Path) -> Result<Checkpoint, CheckpointError> {
    let failed = |source| CheckpointError::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    if file.metadata().map_err(failed)?.is_dir() {
        return Err(failed(std::io::Error::new(std::io::ErrorKind::IsADirectory, "it is a folder")));
    }
    // SAFETY: a file that another program shrinks meanwhile would fault; weights files are not written while in use.
    let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
    let read = if map.starts_with(b"PK\x03\x04") {
        pytorch::read_zip(&map).map(|tensors| (Format::PytorchZip, tensors))
    } else if pytorch::is_stream(&map) {
        pytorch::read_stream(&map).map(|tensors| (Format::PytorchStream, tensors))
    } else if safetensors::is_one(&map) {
        safetensors::read(&map).map(|tensors| (Format::Safetensors, tensors))
    } else {
        return Err(CheckpointError::Unknown { path: path.to_owned() });
    };
    let (format, tensors) = read.map_err(|fault| match fault {
        Fault::Damaged(what) => CheckpointError::Damaged { path: path.to_owned(), what },
        Fault::Code(name) => CheckpointError::Code { path: path.to_owned(), name },
    })?;
    if let Some((name, _)) = tensors.iter().find(|(_, entry)| entry.fits() != Some(true)) {
        let what = format!("tensor `{name}` reaches past the file's data");
        return Err(CheckpointError::Damaged { path: path.to_owned(), what });
    }
    Ok(Checkpoint { path: path.to_owned(), format, tensors, map })
}

impl Checkpoint {
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

    /// The elements of a tensor in row-major order, converted to float32.
    pub fn f32(&self, name: &str) -> Result<Vec<f32>, CheckpointError> {
        let missing = || CheckpointError::NoTensor { path: self.path.clone(), name: name.to_owned() };
        let entry = self.tensors.get(name).ok_or_else(missing)?;
        let storage = &self.map[entry.storage.clone()];
        let width = entry.element.bytes();
        let elements: usize = entry.shape.iter().product();
        let mut values = Vec::with_capacity(elements);
        let mut place = vec![0; entry.shape.len()];
        for _ in 0..elements {
            let steps = place.iter().zip(&entry.strides).map(|(index, stride)| index * stride);
            let start = (entry.offset + steps.sum::<usize>()) * width;
            values.push(entry.element.read(&storage[start..start + width]));
            for (index, &size) in place.iter_mut().zip(&entry.shape).rev() {
                *index += 1;
                if *index < size {
                    break;
                }
                *index = 0;
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests;
