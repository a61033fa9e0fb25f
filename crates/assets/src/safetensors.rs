//! The safetensors format: a length, a JSON table, the data. The table is read and checked by the crate of the format's
//! authors; files are written in a stream, since no tensor of a data set's size should be in memory twice.
//! <https://github.com/huggingface/safetensors#format>

pub use safetensors::Dtype;

use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, Error, ErrorKind, Write};

/// Key of the table's entry that holds texts instead of a tensor.
const METADATA: &str = "__metadata__";

/// Bytes of the length that a file begins with.
const LENGTH: usize = 8;

/// What a file says of its tensors: their bytes lie one after another, fill the rest of the file, and are as many as their
/// shapes and types need.
pub struct Table {
    pub tensors: Metadata,
    /// Place in the file that the tensors' offsets count from.
    pub data: usize,
}

/// How long the table of a file that begins so would be.
pub fn table_length(bytes: &[u8]) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(bytes.get(..LENGTH)?.try_into().ok()?)).ok()
}

/// Reads the table of a whole file.
///
/// # Errors
/// What is wrong with the file, in words.
pub fn table(file: &[u8]) -> Result<Table, String> {
    let data = table_length(file).and_then(|length| length.checked_add(LENGTH));
    let text = data.and_then(|data| file.get(LENGTH..data)).ok_or("its table ends after the file")?;
    let data = LENGTH + text.len();
    let tensors: Metadata =
        serde_json::from_slice(text).map_err(|error| wrong_tensor(text).unwrap_or(format!("its table: {error}")))?;
    match (tensors.data_len(), file.len() - data) {
        (named, there) if named > there => Err("its data ends after the file".to_owned()),
        (named, there) if named < there => {
            Err(format!("it has {} bytes that its table does not name", there - named))
        }
        _ => Ok(Table { tensors, data }),
    }
}

/// The first tensor of a refused table that is wrong in itself, and in what: the crate does not name it.
fn wrong_tensor(table: &[u8]) -> Option<String> {
    let mut entries: BTreeMap<String, Value> = serde_json::from_slice(table).ok()?;
    entries.remove(METADATA);
    entries.into_iter().find_map(|(name, entry)| {
        let what = match serde_json::from_value::<TensorInfo>(entry) {
            Err(error) => error.to_string(),
            Ok(TensorInfo { dtype, shape, data_offsets: (start, end) }) => {
                let bits = shape.iter().try_fold(dtype.bitsize(), |bits, &size| bits.checked_mul(size));
                let bytes = end.checked_sub(start);
                if bits.is_some_and(|bits| bytes == Some(bits / 8)) {
                    return None;
                }
                format!("{} bytes do not hold shape {shape:?}", bytes.unwrap_or(0))
            }
        };
        Some(format!("tensor `{name}`: {what}"))
    })
}

/// A file under way: what is written to it are the tensors' bytes, one after another, little-endian and in row-major order.
pub struct Writer<W> {
    out: W,
    /// Bytes that are still to come.
    left: u64,
}

impl<W: Write> Writer<W> {
    /// Writes what stands before the data, which begins at a multiple of `alignment` bytes: the format wants 8.
    ///
    /// # Errors
    /// A shape that cannot be, and what `out` gives.
    pub fn begin(
        mut out: W,
        alignment: usize,
        metadata: &BTreeMap<&str, String>,
        tensors: &[(String, Dtype, Vec<i64>)],
    ) -> io::Result<Writer<W>> {
        let mut table = Map::new();
        if !metadata.is_empty() {
            table.insert(METADATA.to_owned(), json!(metadata));
        }
        let mut end = 0u64;
        for (name, dtype, shape) in tensors {
            let start = end;
            let wrong =
                || Error::new(ErrorKind::InvalidInput, format!("tensor `{name}` cannot have shape {shape:?}"));
            let bits = shape
                .iter()
                .try_fold(dtype.bitsize() as u64, |bits, &size| bits.checked_mul(u64::try_from(size).ok()?));
            end = bits.and_then(|bits| start.checked_add(bits / 8)).ok_or_else(wrong)?;
            let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] });
            table.insert(name.clone(), entry);
        }
        let mut text = serde_json::to_vec(&table)?;
        // The format allows spaces behind the table.
        text.resize((LENGTH + text.len()).next_multiple_of(alignment) - LENGTH, b' ');
        out.write_all(&(text.len() as u64).to_le_bytes())?;
        out.write_all(&text)?;
        Ok(Writer { out, left: end })
    }

    /// What was written to, not flushed.
    ///
    /// # Errors
    /// Less was written than the tensors have.
    pub fn finish(self) -> io::Result<W> {
        match self.left {
            0 => Ok(self.out),
            left => Err(Error::new(ErrorKind::InvalidInput, format!("{left} bytes of the tensors are missing"))),
        }
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(Error::new(ErrorKind::InvalidInput, "there is more to write than the tensors have"));
        }
        let written = self.out.write(bytes)?;
        self.left -= written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Writes float32 values as bytes, little-endian.
pub fn write_f32(out: &mut impl Write, values: &[f32]) -> io::Result<()> {
    values.iter().try_for_each(|value| out.write_all(&value.to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(alignment: usize) -> io::Result<Vec<u8>> {
        let tensors = [("b".to_owned(), Dtype::F32, vec![2, 1]), ("a".to_owned(), Dtype::U8, vec![3])];
        let mut writer = Writer::begin(Vec::new(), alignment, &BTreeMap::new(), &tensors)?;
        write_f32(&mut writer, &[1.0, 2.0])?;
        writer.write_all(&[7; 3])?;
        writer.finish()
    }

    #[test]
    fn what_is_written_is_read() {
        for alignment in [8, 64] {
            let file = written(alignment).unwrap();
            let Table { tensors, data } = table(&file).unwrap();
            assert_eq!(data % alignment, 0);
            assert_eq!(file.len(), data + 11);
            let (first, second) = (tensors.info("b").unwrap(), tensors.info("a").unwrap());
            assert_eq!((first.dtype, &first.shape[..], first.data_offsets), (Dtype::F32, &[2, 1][..], (0, 8)));
            assert_eq!((second.dtype, &second.shape[..], second.data_offsets), (Dtype::U8, &[3][..], (8, 11)));
        }
    }

    #[test]
    fn a_writer_takes_as_many_bytes_as_its_tensors_have() {
        let one = |shape| [("a".to_owned(), Dtype::F32, shape)];
        let begin = |shape| Writer::begin(Vec::new(), 8, &BTreeMap::new(), &one(shape));
        assert_eq!(begin(vec![1]).unwrap().finish().unwrap_err().to_string(), "4 bytes of the tensors are missing");
        let error = begin(vec![1]).unwrap().write_all(&[0; 5]).unwrap_err();
        assert_eq!(error.to_string(), "there is more to write than the tensors have");
        for shape in [vec![-1], vec![i64::MAX, 3]] {
            assert!(begin(shape).is_err());
        }
    }

    #[test]
    fn a_table_that_does_not_fit_the_file_is_refused() {
        let whole = written(8).unwrap();
        let refused = |file: &[u8]| table(file).err().unwrap_or_default();
        assert_eq!(refused(&whole[..7]), "its table ends after the file");
        assert_eq!(refused(&whole[..20]), "its table ends after the file");
        assert_eq!(refused(&whole[..whole.len() - 1]), "its data ends after the file");
        assert_eq!(refused(&[&whole[..], &[0]].concat()), "it has 1 bytes that its table does not name");
        assert_eq!(refused(&u64::MAX.to_le_bytes()), "its table ends after the file");
        // Together as many bytes as can be counted: adding to them must not wrap around.
        let most = usize::MAX / 8;
        let entry = |index: usize| {
            let (start, end) = (index * most, (index + 1) * most);
            format!(r#""{index}":{{"dtype":"U8","shape":[{most}],"data_offsets":[{start},{end}]}}"#)
        };
        let text = format!("{{{}}}", (0..8).map(entry).collect::<Vec<_>>().join(","));
        let file = [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat();
        assert_eq!(refused(&file), "its data ends after the file");
    }
}
