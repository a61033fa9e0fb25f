//! The safetensors format: a length, a JSON table, the data. <https://github.com/huggingface/safetensors#format>

use super::{ElementType, Entry, Fault, damaged};
use std::collections::BTreeMap;

/// The format's own bound on its table.
const LONGEST_TABLE: usize = 100_000_000;

#[derive(serde::Deserialize)]
struct Tensor {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (usize, usize),
}

/// Whether the file begins as safetensors do: a plausible length, then a JSON object.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    table_length(bytes).is_some_and(|length| length <= LONGEST_TABLE) && bytes.get(8) == Some(&b'{')
}

fn table_length(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(bytes.get(..8)?.try_into().ok()?)).ok()
}

pub(super) fn read(bytes: &[u8]) -> Result<BTreeMap<String, Entry>, Fault> {
    let end = table_length(bytes).map_or(0, |length| 8 + length);
    let table = bytes.get(8..end).ok_or_else(|| damaged("its table ends after the file"))?;
    let table: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(table).map_err(|error| damaged(format!("its table is no JSON: {error}")))?;
    let tensors = table.into_iter().filter(|(name, _)| name != "__metadata__");
    tensors
        .map(|(name, value)| {
            let wrong = |what: &str| damaged(format!("tensor `{name}`: {what}"));
            let tensor: Tensor = serde_json::from_value(value).map_err(|error| wrong(&error.to_string()))?;
            let element = element_type(&tensor.dtype).ok_or_else(|| wrong(&format!("type {}", tensor.dtype)))?;
            let (start, stop) = tensor.data_offsets;
            let storage = match (end.checked_add(start), end.checked_add(stop)) {
                (Some(start), Some(stop)) if start <= stop && stop <= bytes.len() => start..stop,
                _ => return Err(wrong("its data ends after the file")),
            };
            let bytes = tensor.shape.iter().try_fold(element.bytes(), |n, &size| n.checked_mul(size));
            if bytes != Some(storage.len()) {
                return Err(wrong(&format!("{} bytes do not hold shape {:?}", storage.len(), tensor.shape)));
            }
            Ok((name, Entry::dense(element, tensor.shape, storage)))
        })
        .collect()
}

fn element_type(name: &str) -> Option<ElementType> {
    Some(match name {
        "F64" => ElementType::Float64,
        "F32" => ElementType::Float32,
        "F16" => ElementType::Float16,
        "BF16" => ElementType::Bfloat16,
        "I64" => ElementType::Int64,
        "I32" => ElementType::Int32,
        "I16" => ElementType::Int16,
        "I8" => ElementType::Int8,
        "U8" | "BOOL" => ElementType::Uint8,
        _ => return None,
    })
}
