//! HDF5 files of Keras, with the names that tell their variables apart.
//!
//! Keras 3's `.weights.h5` numbers the variables of a layer, and layers by their class:
//! `layers/conv2d_3/vars/0`. The older `.h5`, which `keras.applications` downloads, has them by name:
//! `stem_conv/stem_conv/kernel:0`, in a group `model_weights` where the whole model was saved. A `.keras` file is a zip
//! archive with a `.weights.h5` inside.

use super::content::{Fault, Format, damaged, foreign};
use super::tensor::{ElementType, Entry, MOST_ELEMENTS, Storage};
use hdf5_pure::{AttrValue, Dataset, Datatype, DatatypeByteOrder, FormatError, Group, Layout, Source};
use memmap2::Mmap;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// The member of a `.keras` archive that has the weights.
pub(super) const IN_ARCHIVE: &str = "model.weights.h5";

const SIGNATURE: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Deeper groups are a circle.
const DEEPEST: usize = 32;

/// Groups and data sets; a saved model of this family has some thousands.
const MOST_OBJECTS: usize = 100_000;

/// Bytes of all tensors that are stored in chunks, unpacked: compression must not make a small file fill the memory.
const MOST_UNPACKED: u64 = 1 << 30;

pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(SIGNATURE)
}

/// Reads the HDF5 file that is `part` of a mapped file.
pub(super) fn read(map: &Arc<Mmap>, part: Range<usize>) -> Result<(Format, BTreeMap<String, Entry>), Fault> {
    let length = part.len();
    let (start, mapped) = (part.start, Mapped { map: Arc::clone(map), part });
    let file = hdf5_pure::File::from_source(mapped).map_err(unreadable)?;
    // The reader does not mind an end that is missing, as long as nothing there is asked for.
    let end = file.superblock().eof_address;
    if end > length as u64 {
        return Err(damaged(format!("it has {length} of {end} bytes")));
    }
    let root = file.root();
    let saved_model = root.groups().map_err(unreadable)?.iter().any(|name| name == "model_weights");
    let top = if saved_model { root.group("model_weights").map_err(unreadable)? } else { root };
    let mut walk = Walk { start, length, tensors: BTreeMap::new(), objects: 0, unpacked: 0 };
    walk.group(&top, "", 0)?;
    if walk.tensors.is_empty() {
        return Err(foreign("an HDF5 file without numbers"));
    }
    if walk.tensors.keys().any(|name| name.contains("/vars/")) {
        return Ok((Format::Keras3, walk.tensors));
    }
    let mut named = BTreeMap::new();
    for (path, entry) in walk.tensors {
        // Where two layers are called alike, the second keeps its path.
        let name = layer_and_part(&path);
        named.insert(if named.contains_key(&name) { path } else { name }, entry);
    }
    Ok((Format::KerasH5, named))
}

/// `stem_conv/kernel` out of `stem_conv/stem_conv/kernel:0`, however deep the model was nested.
fn layer_and_part(path: &str) -> String {
    let mut steps = path.rsplit('/');
    let part = steps.next().unwrap_or_default();
    let part = part.strip_suffix(":0").unwrap_or(part);
    // Keras 2 had a name of its own for it.
    let part = if part == "depthwise_kernel" { "kernel" } else { part };
    match steps.next() {
        Some(layer) => format!("{layer}/{part}"),
        None => part.to_owned(),
    }
}

fn unreadable(error: hdf5_pure::Error) -> Fault {
    damaged(format!("its HDF5: {error}"))
}

/// The mapped file, or a part of it, as the reader wants it.
struct Mapped {
    map: Arc<Mmap>,
    part: Range<usize>,
}

impl Source for Mapped {
    fn len(&self) -> u64 {
        self.part.len() as u64
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), FormatError> {
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(buffer.len())?));
        let end = FormatError::UnexpectedEof { expected: buffer.len(), available: self.part.len() };
        let bytes = self.map.get(self.part.clone());
        buffer.copy_from_slice(bytes.zip(range).and_then(|(bytes, range)| bytes.get(range)).ok_or(end)?);
        Ok(())
    }
}

struct Walk {
    /// Where the HDF5 file begins in the mapped one, and its bytes.
    start: usize,
    length: usize,
    tensors: BTreeMap<String, Entry>,
    objects: usize,
    unpacked: u64,
}

impl Walk {
    fn group(&mut self, group: &Group, path: &str, depth: usize) -> Result<(), Fault> {
        if depth > DEEPEST {
            return Err(damaged(format!("its groups go deeper than {DEEPEST}: `{path}`")));
        }
        let inside = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        for (name, dataset) in group.iter_datasets().map_err(unreadable)? {
            self.count()?;
            let path = inside(&name);
            if let Some(entry) = self.entry(&dataset).map_err(|fault| at(&path, fault))? {
                self.tensors.insert(path, entry);
            }
        }
        for (name, group) in group.iter_groups().map_err(unreadable)? {
            self.count()?;
            self.group(&group, &inside(&name), depth + 1)?;
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.objects += 1;
        if self.objects > MOST_OBJECTS { Err(damaged("it has too many groups and data sets")) } else { Ok(()) }
    }

    /// None where the data set holds no numbers, such as texts.
    fn entry(&mut self, dataset: &Dataset) -> Result<Option<Entry>, Fault> {
        let Some(element) = element_type(dataset)? else { return Ok(None) };
        let sizes = dataset.shape().map_err(unreadable)?;
        let elements = product(&sizes).filter(|&elements| elements <= MOST_ELEMENTS);
        let elements = elements.ok_or_else(|| damaged(format!("shape {sizes:?} is too large")))?;
        let shape = sizes.iter().map(|&size| size as usize).collect();
        let bytes = elements * element.bytes() as u64;
        if bytes == 0 {
            return Ok(Some(Entry::dense(element, shape, Storage::Unpacked(Vec::new()))));
        }
        let storage = match dataset.layout().map_err(unreadable)? {
            Layout::Contiguous { address: Some(start), size } if size >= bytes => {
                let end = start.checked_add(bytes).filter(|&end| end <= self.length as u64);
                let end = end.ok_or_else(|| damaged("its data ends after the file"))?;
                Storage::File(self.start + start as usize..self.start + end as usize)
            }
            Layout::Contiguous { .. } => return Err(damaged("its data was never written")),
            Layout::Chunked { chunk_shape, .. } => {
                let chunk = product(&chunk_shape).and_then(|chunk| chunk.checked_mul(element.bytes() as u64));
                self.unpacked += bytes;
                if self.unpacked > MOST_UNPACKED || chunk.is_none_or(|chunk| chunk > MOST_UNPACKED) {
                    return Err(damaged("it unpacks to more than 1 GiB, which no weights of these networks do"));
                }
                Storage::Unpacked(dataset.read_raw().map_err(unreadable)?)
            }
            _ => Storage::Unpacked(dataset.read_raw().map_err(unreadable)?),
        };
        Ok(Some(Entry::dense(element, shape, storage)))
    }
}

/// The fault with the name of the data set that has it.
fn at(path: &str, fault: Fault) -> Fault {
    match fault {
        Fault::Damaged(what) => damaged(format!("`{path}`: {what}")),
        code => code,
    }
}

fn product(sizes: &[u64]) -> Option<u64> {
    sizes.iter().try_fold(1u64, |product, &size| product.checked_mul(size))
}

fn element_type(dataset: &Dataset) -> Result<Option<ElementType>, Fault> {
    use DatatypeByteOrder::LittleEndian;
    Ok(match dataset.datatype().map_err(unreadable)? {
        Datatype::FloatingPoint { size, byte_order: LittleEndian, layout } => match (size, layout.exponent_size) {
            (8, 11) => Some(ElementType::Float64),
            (4, 8) => Some(ElementType::Float32),
            (2, 5) => Some(ElementType::Float16),
            (2, 8) => Some(ElementType::Bfloat16),
            _ => None,
        },
        Datatype::FixedPoint { size, byte_order: LittleEndian, layout } => match (size, layout.signed) {
            (8, true) => Some(ElementType::Int64),
            (4, true) => Some(ElementType::Int32),
            (2, true) => Some(ElementType::Int16),
            (1, true) => Some(ElementType::Int8),
            (1, false) => Some(ElementType::Uint8),
            _ => None,
        },
        // How Keras 3 writes bfloat16: bytes without a meaning, and an attribute that has it.
        Datatype::Opaque { size: 2, .. } => {
            let attributes = dataset.attrs().map_err(unreadable)?;
            let name = attributes.get("dtype").and_then(AttrValue::as_str);
            (name == Some("bfloat16")).then_some(ElementType::Bfloat16)
        }
        _ => None,
    })
}
