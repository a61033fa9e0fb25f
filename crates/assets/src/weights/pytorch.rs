//! PyTorch's two forms of a weights file: the zip archive of version 1.6 and later, and the older stream of pickles.

use super::archive::Member;
use super::content::{Content, Fault, damaged, foreign};
use super::pickle::{self, Constructor, Pickle, Value};
use super::tensor::{ElementType, Entry, Storage};
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

/// `LONG1`, ten bytes, PyTorch's number: how the second item of every stream begins after its protocol.
const MAGIC: [u8; 14] = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Dictionaries that lie deeper in one another than this are left out, as are those that hold themselves.
const DEEPEST: usize = 16;

/// Bytes of the longest name of a tensor, with the keys of the dictionaries that it lies in.
const LONGEST_NAME: usize = 4096;

pub(super) fn is_stream(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Items of dictionaries that are looked at; a real file of this family has some tens of thousands.
const MOST_VISITS: usize = 1_000_000;

/// Where each storage lies in the file, by its key.
type Storages = HashMap<String, Range<usize>>;

pub(super) fn read_zip(bytes: &[u8], members: &[Member]) -> Result<Content, Fault> {
    let mut table = None;
    let mut storages = Storages::new();
    for member in members {
        let Some((_, inner)) = member.name.split_once('/') else { continue };
        match inner.strip_prefix("data/") {
            Some(key) => drop(storages.insert(key.to_owned(), member.range(bytes)?)),
            None if inner == "data.pkl" => table = Some(member.range(bytes)?),
            None if inner == "byteorder" && bytes[member.range(bytes)?] == *b"big" => {
                return Err(foreign("written by a big-endian machine: convert it to safetensors there"));
            }
            None => {}
        }
    }
    let table =
        table.ok_or_else(|| foreign("a zip archive, but without PyTorch's data.pkl or Keras' model.weights.h5"))?;
    content(&pickle::read(&bytes[table])?, &storages)
}

pub(super) fn read_stream(bytes: &[u8]) -> Result<Content, Fault> {
    // Magic number, protocol version, facts on the machine, the object, the storages' keys; then the storages.
    let mut at = 0;
    let mut next = || {
        let pickle = pickle::read(&bytes[at..])?;
        at += pickle.length;
        Ok::<_, Fault>((pickle, at))
    };
    for _ in 0..3 {
        next()?;
    }
    let (object, _) = next()?;
    let (keys, mut at) = next()?;
    let keys = keys.value.elements().ok_or_else(|| damaged("its list of storages is not a list"))?;
    let widths: HashMap<String, usize> =
        object.outside.iter().filter_map(storage_reference).map(|it| (it.key, it.width)).collect();
    let mut storages = Storages::new();
    for key in &keys {
        let key = key.as_text().ok_or_else(|| damaged("a storage has no name"))?;
        let width = *widths.get(key).ok_or_else(|| damaged(format!("no tensor uses storage {key}")))?;
        let count = bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map(u64::from_le_bytes);
        let end = count.and_then(|count| usize::try_from(count).ok()?.checked_mul(width)?.checked_add(at + 8));
        let end = end.filter(|&end| end <= bytes.len()).ok_or_else(|| damaged("a storage reaches past the end"))?;
        storages.insert(key.to_owned(), at + 8..end);
        at = end;
    }
    content(&object, &storages)
}

/// All tensors in dictionaries of `pickle`, called by the keys that lead to them with dots between: whatever a training
/// script has put around a `state_dict` stands before its names. What lies in objects and lists is left out.
fn content(pickle: &Pickle, storages: &Storages) -> Result<Content, Fault> {
    let mut content = Content::default();
    let mut open = match &pickle.value {
        Value::Dict(pairs) => vec![(String::new(), Rc::clone(pairs), 0)],
        Value::Object(_, pairs) if !pairs.borrow().is_empty() => vec![(String::new(), Rc::clone(pairs), 0)],
        Value::Object(class, _) => {
            return Err(foreign(format!(
                "it holds an object of the Python class {class} instead of tensors: save the model's `state_dict()`"
            )));
        }
        _ => return Err(foreign("it holds no dictionary of tensors")),
    };
    let mut visits = 0;
    while let Some((path, pairs, depth)) = open.pop() {
        for (key, value) in pairs.borrow().iter() {
            visits += 1;
            if visits > MOST_VISITS {
                return Err(damaged("its pickle holds itself, or some values far too often"));
            }
            let name = match key {
                Value::Text(text) if path.len() + text.len() < LONGEST_NAME => format!("{path}{text}"),
                Value::Int(number) => format!("{path}{number}"),
                _ => continue,
            };
            match value {
                Value::Dict(inner) | Value::Object(_, inner) if depth < DEEPEST => {
                    open.push((format!("{name}."), Rc::clone(inner), depth + 1));
                }
                Value::Built(..) => {
                    let Some(entry) =
                        entry(value, storages).map_err(|()| damaged(format!("tensor `{name}` makes no sense")))?
                    else {
                        continue;
                    };
                    let other = content.homes.insert(name.clone(), path.len());
                    if other.is_some_and(|home| home != path.len()) {
                        return Err(foreign(format!("two of its tensors are called `{name}`")));
                    }
                    content.tensors.insert(name, entry);
                }
                _ => {}
            }
        }
    }
    if content.tensors.is_empty() {
        return Err(foreign("it holds no tensors"));
    }
    content.skipped = pickle.skipped.iter().map(|name| name.to_string()).collect();
    Ok(content)
}

/// None for a tensor of a type that no weights have; an error for one that cannot be.
fn entry(value: &Value, storages: &Storages) -> Result<Option<Entry>, ()> {
    let mut value = value.clone();
    // A tensor lies in a parameter, which may lie in a subclass; who nests deeper is up to no good.
    for _ in 0..4 {
        let Value::Built(constructor, arguments) = &value else { return Err(()) };
        value = match (constructor, &arguments[..]) {
            (Constructor::Tensor, arguments) => return tensor(arguments, storages),
            (Constructor::Storage(_), _) => return Ok(None),
            (Constructor::Parameter, [inner, ..]) => inner.clone(),
            (Constructor::Typed, [Value::Constructor(function), _, Value::Tuple(arguments), ..]) => {
                Value::Built(function.clone(), Rc::clone(arguments))
            }
            _ => return Err(()),
        };
    }
    Err(())
}

/// `_rebuild_tensor_v2(storage, offset, shape, strides, …)`.
fn tensor(arguments: &[Value], storages: &Storages) -> Result<Option<Entry>, ()> {
    let [storage, offset, shape, strides, ..] = arguments else { return Err(()) };
    let StorageReference { key, element, .. } = storage_reference(storage).ok_or(())?;
    let sizes = |value: &Value| value.elements()?.iter().map(Value::as_usize).collect::<Option<Vec<_>>>();
    let (shape, strides) = (sizes(shape).ok_or(())?, sizes(strides).ok_or(())?);
    let storage = Storage::File(storages.get(&key).ok_or(())?.clone());
    let offset = offset.as_usize().ok_or(())?;
    if shape.len() != strides.len() {
        return Err(());
    }
    Ok(element.map(|element| Entry { element, shape, strides, offset, storage }))
}

/// What a tensor says of the storage that it lies in.
struct StorageReference {
    key: String,
    /// None for a type that no weights have.
    element: Option<ElementType>,
    /// Bytes of an element.
    width: usize,
}

/// Key and type out of `("storage", torch.FloatStorage, key, location, count, …)`.
fn storage_reference(value: &Value) -> Option<StorageReference> {
    let Value::Persistent(id) = value else { return None };
    let parts = id.elements()?;
    let [kind, Value::Constructor(Constructor::Storage(name)), key, ..] = &parts[..] else { return None };
    let (element, width) = match &**name {
        "ComplexDoubleStorage" => (None, 16),
        "ComplexFloatStorage" => (None, 8),
        // Quantized, float8.
        "QInt32Storage" => (None, 4),
        "QInt8Storage" | "QUInt8Storage" | "Float8_e5m2Storage" | "Float8_e4m3fnStorage" => (None, 1),
        name => {
            let element = element_type(name)?;
            (Some(element), element.bytes())
        }
    };
    let key = key.as_text()?.to_owned();
    (kind.as_text() == Some("storage")).then_some(StorageReference { key, element, width })
}

fn element_type(storage: &str) -> Option<ElementType> {
    Some(match storage {
        "FloatStorage" => ElementType::Float32,
        "DoubleStorage" => ElementType::Float64,
        "HalfStorage" => ElementType::Float16,
        "BFloat16Storage" => ElementType::Bfloat16,
        "LongStorage" => ElementType::Int64,
        "IntStorage" => ElementType::Int32,
        "ShortStorage" => ElementType::Int16,
        "CharStorage" => ElementType::Int8,
        "ByteStorage" | "BoolStorage" => ElementType::Uint8,
        _ => return None,
    })
}
