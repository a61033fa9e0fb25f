//! The safetensors format: a length, a JSON table, the data. <https://github.com/huggingface/safetensors#format>

use super::content::{Content, Fault, damaged};
use super::tensor::{ElementType, Entry, Storage};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// Key of the table's entry that holds texts instead of a tensor.
const METADATA: &str = "__metadata__";

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

pub(super) fn read(bytes: &[u8]) -> Result<Content, Fault> {
    let end = table_length(bytes).map_or(0, |length| 8 + length);
    let table = bytes.get(8..end).ok_or_else(|| damaged("its table ends after the file"))?;
    let mut table: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(table).map_err(|error| damaged(format!("its table is no JSON: {error}")))?;
    let metadata = match table.remove(METADATA) {
        Some(texts) => serde_json::from_value(texts).map_err(|error| damaged(format!("its metadata: {error}")))?,
        None => BTreeMap::new(),
    };
    let tensors = table
        .into_iter()
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
            Ok((name, Entry::dense(element, tensor.shape, Storage::File(storage))))
        })
        .collect::<Result<_, Fault>>()?;
    Ok(Content { tensors, metadata })
}

/// Writes float32 tensors in row-major order, one at a time: `values` is asked for the tensor of each index. The file appears under its name when it is complete.
///
/// # Errors
/// The file cannot be written, or `values` fails.
pub fn write<E: From<io::Error>>(
    path: &Path,
    metadata: &BTreeMap<&str, String>,
    tensors: &[(String, Vec<i64>)],
    mut values: impl FnMut(usize) -> Result<Vec<f32>, E>,
) -> Result<(), E> {
    let mut table = serde_json::Map::new();
    table.insert(METADATA.to_owned(), serde_json::json!(metadata));
    let mut end = 0;
    for (name, shape) in tensors {
        let start = end;
        end += 4 * shape.iter().product::<i64>();
        let tensor = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, end] });
        table.insert(name.clone(), tensor);
    }
    let mut table = serde_json::to_vec(&table).map_err(io::Error::from)?;
    // The format wants its data aligned to 8 bytes.
    table.resize(table.len().next_multiple_of(8), b' ');
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".weights-").tempfile_in(folder)?;
    let mut out = io::BufWriter::with_capacity(1 << 20, file.as_file_mut());
    out.write_all(&(table.len() as u64).to_le_bytes())?;
    out.write_all(&table)?;
    for index in 0..tensors.len() {
        for value in values(index)? {
            out.write_all(&value.to_le_bytes())?;
        }
    }
    out.flush()?;
    drop(out);
    file.as_file().sync_all()?;
    #[cfg(unix)]
    {
        // A temporary file is for its owner alone; weights are as readable as other files.
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
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
