//! CIFAR-10's official binary version: records of one label byte and 3 x 32 x 32 bytes, red, green and blue planes.
//! <https://www.cs.toronto.edu/~kriz/cifar.html>

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Height and width of an image in pixels.
pub const SIDE: usize = 32;
const PIXELS: usize = 3 * SIDE * SIDE;
const RECORD: usize = 1 + PIXELS;

const TRAIN: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const TEST: &str = "test_batch.bin";

/// In the order of the labels.
pub const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Small colour images and their classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Images {
    pub labels: Vec<u8>,
    /// `[n, 3, 32, 32]`.
    pub pixels: Vec<u8>,
}

/// A data set as it was published.
#[derive(Debug, Clone, PartialEq)]
pub struct Splits {
    pub train: Images,
    pub test: Images,
    pub class_names: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error(
        "cannot read {}: {source}; `data.path` names the folder with data_batch_1.bin to data_batch_5.bin and \
         test_batch.bin (`frostline fetch cifar10` gets them)",
        path.display()
    )]
    File { path: PathBuf, source: io::Error },
    #[error(
        "{} is cut short: it has {length} bytes, and record {record} needs {RECORD} from byte {start} on",
        path.display()
    )]
    Truncated { path: PathBuf, length: usize, record: usize, start: usize },
    #[error("{} record {record}: label {label} is not one of 0 to 9", path.display())]
    Label { path: PathBuf, record: usize, label: u8 },
    #[error("{} is empty", path.display())]
    Empty { path: PathBuf },
}

/// Reads all images of a folder.
pub fn load(folder: &Path) -> Result<Splits, DataError> {
    let mut train = Images { labels: Vec::new(), pixels: Vec::new() };
    for name in TRAIN {
        read(&folder.join(name), &mut train)?;
    }
    let mut test = Images { labels: Vec::new(), pixels: Vec::new() };
    read(&folder.join(TEST), &mut test)?;
    Ok(Splits { train, test, class_names: CLASSES.map(str::to_owned).to_vec() })
}

/// BLAKE3 over the lengths and contents of all files, in hexadecimal: the data's part of a trial's identity. Checks
/// every record on the way.
pub fn digest(folder: &Path) -> Result<String, DataError> {
    let mut hasher = blake3::Hasher::new();
    for name in TRAIN.into_iter().chain([TEST]) {
        let path = folder.join(name);
        let bytes = read_file(&path)?;
        check(&path, &bytes)?;
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// How many training and test images a folder has, by the sizes of its files.
pub fn counts(folder: &Path) -> Result<(u64, u64), DataError> {
    let count = |name: &str| {
        let path = folder.join(name);
        let length = fs::metadata(&path).map_err(|source| DataError::File { path, source })?.len();
        Ok(length / RECORD as u64)
    };
    let mut train = 0;
    for name in TRAIN {
        train += count(name)?;
    }
    Ok((train, count(TEST)?))
}

fn read_file(path: &Path) -> Result<Vec<u8>, DataError> {
    fs::read(path).map_err(|source| DataError::File { path: path.to_owned(), source })
}

fn read(path: &Path, images: &mut Images) -> Result<(), DataError> {
    let bytes = read_file(path)?;
    check(path, &bytes)?;
    for record in bytes.chunks_exact(RECORD) {
        images.labels.push(record[0]);
        images.pixels.extend_from_slice(&record[1..]);
    }
    Ok(())
}

/// Records are counted from 0.
fn check(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let path = || path.to_owned();
    if bytes.is_empty() {
        return Err(DataError::Empty { path: path() });
    }
    for (record, chunk) in bytes.chunks(RECORD).enumerate() {
        if chunk.len() < RECORD {
            return Err(DataError::Truncated { path: path(), length: bytes.len(), record, start: record * RECORD });
        }
        if usize::from(chunk[0]) >= CLASSES.len() {
            return Err(DataError::Label { path: path(), record, label: chunk[0] });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(records: usize) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (number, name) in TRAIN.into_iter().chain([TEST]).enumerate() {
            let record = |i: usize| [&[(i % 10) as u8][..], &[number as u8; PIXELS]].concat();
            fs::write(folder.path().join(name), (0..records).flat_map(record).collect::<Vec<_>>()).unwrap();
        }
        folder
    }

    fn spoil(folder: &Path, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
        let path = folder.join(name);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let error = load(folder).unwrap_err().to_string();
        assert_eq!(digest(folder).unwrap_err().to_string(), error, "both ways in check the same");
        error.replace(&path.display().to_string(), "FILE")
    }

    #[test]
    fn any_whole_number_of_records_is_read() {
        let folder = folder(3);
        let splits = load(folder.path()).unwrap();
        assert_eq!(splits.train.labels, [0, 1, 2].repeat(5));
        assert_eq!(splits.test.pixels, [5; 3 * PIXELS]);
        assert_eq!(splits.class_names[9], "truck");
    }

    #[test]
    fn the_digest_follows_the_content() {
        let (a, b) = (folder(2), folder(2));
        assert_eq!(digest(a.path()).unwrap(), digest(b.path()).unwrap());
        assert_ne!(digest(a.path()).unwrap(), digest(folder(3).path()).unwrap());
    }

    #[test]
    fn damage_is_named_by_file_and_record() {
        let cut = spoil(folder(3).path(), "data_batch_2.bin", |bytes| bytes.truncate(RECORD + 100));
        assert_eq!(cut, "FILE is cut short: it has 3173 bytes, and record 1 needs 3073 from byte 3073 on");
        let label = spoil(folder(3).path(), "test_batch.bin", |bytes| bytes[2 * RECORD] = 11);
        assert_eq!(label, "FILE record 2: label 11 is not one of 0 to 9");
        assert_eq!(spoil(folder(3).path(), "test_batch.bin", Vec::clear), "FILE is empty");
        let missing = load(Path::new("no/such/folder")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read no/such/folder/data_batch_1.bin: No such file"), "{missing}");
    }
}
