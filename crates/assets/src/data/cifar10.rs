//! CIFAR-10: 50,000 training and 10,000 test images of ten classes, in its official binary version.

use super::records::Records;
use super::{Counts, DataError, Published, Say, Source, Splits, Survey, Wanted};
use frostline_sweep::trial::DataSpec;
use std::path::Path;

/// In the order of the labels.
const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

static PUBLISHED: Published =
    Published { counts: Counts { train: 50_000, validation: 0, test: 10_000 }, classes: &CLASSES };

static RECORDS: Records = Records {
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test: "test_batch.bin",
    labels: 1,
    label: 0,
    classes: &CLASSES,
    wanted: "`data.path` names the folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin (`frostline fetch \
             cifar10` gets them)",
};

pub struct Cifar10;

impl Source for Cifar10 {
    fn published(&self) -> Option<&'static Published> {
        Some(&PUBLISHED)
    }

    fn survey(&self, wanted: &Wanted, _: Say) -> Result<Survey, DataError> {
        let folder = wanted.place.ok_or(DataError::NoPlace)?;
        RECORDS.survey(folder, digest(folder)?)
    }

    fn digest(&self, place: Option<&Path>) -> Result<Option<String>, DataError> {
        digest(place.ok_or(DataError::NoPlace)?).map(Some)
    }

    fn load(&self, _: &DataSpec, place: Option<&Path>) -> Result<Splits, DataError> {
        load(place.ok_or(DataError::NoPlace)?)
    }
}

/// Whether all its files are in a folder, by their names.
pub(super) fn is_in(folder: &Path) -> bool {
    RECORDS.train.iter().chain([&RECORDS.test]).all(|file| folder.join(file).is_file())
}

/// Reads all images of a folder.
///
/// # Errors
/// A file that is missing, cut short, or has a label that is none.
pub fn load(folder: &Path) -> Result<Splits, DataError> {
    RECORDS.load(folder)
}

/// BLAKE3 over the lengths and contents of all files, in hexadecimal: the data's part of a trial's identity. Checks
/// every record on the way.
///
/// # Errors
/// As of [`load`].
pub fn digest(folder: &Path) -> Result<String, DataError> {
    let mut hasher = blake3::Hasher::new();
    RECORDS.hash(folder, &mut hasher)?;
    Ok(hasher.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::records::PIXELS;
    use std::fs;

    const RECORD: usize = 1 + PIXELS;

    fn folder(records: usize) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (number, name) in RECORDS.train.iter().copied().chain([RECORDS.test]).enumerate() {
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
        assert_eq!(splits.test.pixels[..], [5; 3 * PIXELS]);
        assert_eq!(splits.class_names[9], "truck");
    }

    /// Released versions have trials with such digests.
    #[test]
    fn the_digest_is_the_one_that_trials_have_had_so_far() {
        let mut all = blake3::Hasher::new();
        for name in RECORDS.train.iter().chain([&RECORDS.test]) {
            let bytes = fs::read(folder(2).path().join(name)).unwrap();
            all.update(&(bytes.len() as u64).to_le_bytes()).update(&bytes);
        }
        assert_eq!(digest(folder(2).path()).unwrap(), all.finalize().to_hex().to_string());
        assert_eq!(
            RECORDS.survey(folder(2).path(), String::new()).unwrap().counts,
            Counts { train: 10, validation: 0, test: 2 }
        );
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
