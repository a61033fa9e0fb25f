//! PyTorch's two forms of a weights file: the zip archive of version 1.6 and later, and the older stream of pickles.

use super::archive::Member;
use super::content::{Fault, damaged, foreign};
use super::pickle::{self, Constructor, Value};
use super::tensor::{ElementType, Entry, Storage};
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// `LONG1`, ten bytes, PyTorch's number: how the second item of every stream begins after its protocol.
const MAGIC: [u8; 14] = [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Nesting that a `state_dict` may lie in (`{"state_dict": {…}}`).
const WRAPPERS: [&str; 4] = ["state_dict", "model", "model_state_dict", "state_dict_ema"];

pub(super) fn is_stream(bytes: &[u8]) -> bool {
    bytes.starts_with(&MAGIC)
}

/// Values looked at in search of storages; a real file of this family has some tens of thousands.
const MOST_VISITS: usize = 4_000_000;

/// Where each storage lies in the file, by its key.
type Storages = HashMap<String, Range<usize>>;

pub(super) fn read_zip(bytes: &[u8], members: &[Member]) -> Result<BTreeMap<String, Entry>, Fault> {
    let mut table = None;
    let mut storages = Storages::new();
    for member in members {
        let Some((_, inner)) = member.name.split_once('/') else { continue };
        match inner.strip_prefix("data/") {
            Some(key) => drop(storages.insert(key.to_owned(), member.range(bytes)?)),
            None if inner == "data.pkl" => table = Some(member.range(bytes)?),
            None => {}
        }
    }
    let table =
        table.ok_or_else(|| foreign("a zip archive, but without PyTorch's data.pkl or Keras' model.weights.h5"))?;
    let table = pickle::read(&bytes[table])?;
    tensors(&table.value, &storages)
}

pub(super) fn read_stream(bytes: &[u8]) -> Result<BTreeMap<String, Entry>, Fault> {
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
    let keys = keys.value.elements().ok_or_else(|| damaged("its list of storages is no list"))?;
    let types = storage_types(&object.value)?;
    let mut storages = Storages::new();
    for key in &keys {
        let key = key.as_text().ok_or_else(|| damaged("a storage has no name"))?;
        let element = types.get(key).ok_or_else(|| damaged(format!("no tensor uses storage {key}")))?;
        let count = bytes.get(at..at + 8).and_then(|word| word.try_into().ok()).map(u64::from_le_bytes);
        let end =
            count.and_then(|count| usize::try_from(count).ok()?.checked_mul(element.bytes())?.checked_add(at + 8));
        let end = end.filter(|&end| end <= bytes.len()).ok_or_else(|| damaged("a storage reaches past the end"))?;
        storages.insert(key.to_owned(), at + 8..end);
        at = end;
    }
    tensors(&object.value, &storages)
}

/// The named tensors of a `state_dict`, at the top or in one of the usual wrappers.
fn tensors(value: &Value, storages: &Storages) -> Result<BTreeMap<String, Entry>, Fault> {
    let Value::Dict(dict) = value else { return Err(foreign("it holds no dictionary of tensors")) };
    let dict = dict.borrow();
    let wrapped = dict.iter().find(|(key, value)| {
        matches!(value, Value::Dict(_)) && key.as_text().is_some_and(|key| WRAPPERS.contains(&key))
    });
    if let Some((_, inner)) = wrapped {
        return tensors_of(inner, storages);
    }
    tensors_of(value, storages)
}

fn tensors_of(value: &Value, storages: &Storages) -> Result<BTreeMap<String, Entry>, Fault> {
    let Value::Dict(dict) = value else { return Err(foreign("it holds no dictionary of tensors")) };
    let mut entries = BTreeMap::new();
    for (key, value) in dict.borrow().iter() {
        if let (Some(name), Value::Built(..)) = (key.as_text(), value) {
            let entry = entry(value, storages).ok_or_else(|| damaged(format!("tensor `{name}` makes no sense")))?;
            entries.insert(name.to_owned(), entry);
        }
    }
    if entries.is_empty() {
        return Err(foreign("it holds no tensors"));
    }
    Ok(entries)
}

fn entry(value: &Value, storages: &Storages) -> Option<Entry> {
    let value = match value {
        Value::Built(Constructor::Parameter, arguments) => arguments.first()?,
        plain => plain,
    };
    match value {
        Value::Built(Constructor::Tensor, arguments) => {
            let [storage, offset, shape, strides, ..] = &arguments[..] else { return None };
            let (key, element) = storage_reference(storage)?;
            let sizes = |value: &Value| value.elements()?.iter().map(Value::as_usize).collect::<Option<Vec<_>>>();
            let (shape, strides) = (sizes(shape)?, sizes(strides)?);
            let storage = storages.get(&key)?.clone();
            (shape.len() == strides.len()).then_some(Entry {
                element,
                shape,
                strides,
                offset: offset.as_usize()?,
                storage: Storage::File(storage),
            })
        }
        _ => None,
    }
}

/// Key and type out of `("storage", torch.FloatStorage, key, location, count, …)`.
fn storage_reference(value: &Value) -> Option<(String, ElementType)> {
    let Value::Persistent(id) = value else { return None };
    let parts = id.elements()?;
    let [kind, Value::Constructor(Constructor::Storage(name)), key, ..] = &parts[..] else { return None };
    let element = match &**name {
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
    };
    (kind.as_text() == Some("storage")).then(|| Some((key.as_text()?.to_owned(), element)))?
}

/// The type of every storage that the object refers to.
fn storage_types(value: &Value) -> Result<HashMap<String, ElementType>, Fault> {
    let mut types = HashMap::new();
    let mut open = vec![value.clone()];
    // A pickle can hold one value in many places, and itself.
    for _ in 0..MOST_VISITS {
        let Some(value) = open.pop() else { return Ok(types) };
        match &value {
            Value::Persistent(_) => types.extend(storage_reference(&value)),
            Value::Built(_, parts) | Value::Tuple(parts) => open.extend(parts.iter().cloned()),
            Value::List(parts) => open.extend(parts.borrow().iter().cloned()),
            Value::Dict(pairs) => open.extend(pairs.borrow().iter().map(|(_, value)| value.clone())),
            _ => {}
        }
    }
    Err(damaged("its pickle holds itself, or some values far too often"))
}
