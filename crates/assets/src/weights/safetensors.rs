//! Weights in the safetensors format.

use super::content::{Content, Fault, damaged};
use super::tensor::{ElementType, Entry, Storage};
use crate::safetensors::{Dtype, Table, Writer, table, table_length, write_f32};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// The format's own bound on its table.
const LONGEST_TABLE: usize = 100_000_000;

/// Whether the file begins as safetensors do: a plausible length, then a JSON object.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    table_length(bytes).is_some_and(|length| length <= LONGEST_TABLE) && bytes.get(8) == Some(&b'{')
}

pub(super) fn read(bytes: &[u8]) -> Result<Content, Fault> {
    let Table { tensors: table, data } = table(bytes).map_err(damaged)?;
    let mut tensors = BTreeMap::new();
    for (name, info) in table.tensors() {
        let element = element_type(info.dtype)
            .ok_or_else(|| damaged(format!("tensor `{name}` has type {}, which weights do not have", info.dtype)))?;
        let (start, end) = info.data_offsets;
        let storage = Storage::File(data + start..data + end);
        tensors.insert(name, Entry::dense(element, info.shape.clone(), storage));
    }
    let metadata = table.metadata().iter().flatten().map(|(key, text)| (key.clone(), text.clone())).collect();
    Ok(Content { tensors, metadata, ..Content::default() })
}

/// Writes float32 tensors in row-major order, one at a time: `values` is asked for the tensor of each index. The file
/// appears under its name when it is complete.
///
/// # Errors
/// The file cannot be written, or `values` fails or does not give as many as the shape says.
pub fn write<E: From<io::Error>>(
    path: &Path,
    metadata: &BTreeMap<&str, String>,
    tensors: &[(String, Vec<i64>)],
    mut values: impl FnMut(usize) -> Result<Vec<f32>, E>,
) -> Result<(), E> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".weights-").tempfile_in(folder)?;
    let out = io::BufWriter::with_capacity(1 << 20, file.as_file_mut());
    let table: Vec<_> = tensors.iter().map(|(name, shape)| (name.clone(), Dtype::F32, shape.clone())).collect();
    let mut out = Writer::begin(out, 8, metadata, &table)?;
    for index in 0..tensors.len() {
        write_f32(&mut out, &values(index)?)?;
    }
    out.finish()?.flush()?;
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

fn element_type(dtype: Dtype) -> Option<ElementType> {
    Some(match dtype {
        Dtype::F64 => ElementType::Float64,
        Dtype::F32 => ElementType::Float32,
        Dtype::F16 => ElementType::Float16,
        Dtype::BF16 => ElementType::Bfloat16,
        Dtype::I64 => ElementType::Int64,
        Dtype::I32 => ElementType::Int32,
        Dtype::I16 => ElementType::Int16,
        Dtype::I8 => ElementType::Int8,
        Dtype::U8 | Dtype::BOOL => ElementType::Uint8,
        _ => return None,
    })
}
