//! CIFAR's binary versions: files of records, each a few label bytes and 3 x 32 x 32 bytes, red, green and blue planes.
//! <https://www.cs.toronto.edu/~kriz/cifar.html>

use super::{Counts, DataError, Images, SIDE, Splits, Survey};
use std::fs;
use std::path::Path;

/// Bytes of an image.
pub(super) const PIXELS: usize = 3 * SIDE * SIDE;

/// What files of one version look like.
pub(super) struct Records {
    pub(super) train: &'static [&'static str],
    pub(super) test: &'static str,
    /// How many label bytes a record has, and which of them counts.
    pub(super) labels: usize,
    pub(super) label: usize,
    /// In the order of the labels.
    pub(super) classes: &'static [&'static str],
    /// What a person is told who has no such files.
    pub(super) wanted: &'static str,
}

impl Records {
    /// Bytes of a record.
    pub(super) fn size(&self) -> usize {
        self.labels + PIXELS
    }

    fn files(&self) -> impl Iterator<Item = &'static str> {
        self.train.iter().copied().chain([self.test])
    }

    fn class_names(&self) -> Vec<String> {
        self.classes.iter().map(|&name| name.to_owned()).collect()
    }

    /// Reads all images of a folder.
    pub(super) fn load(&self, folder: &Path) -> Result<Splits, DataError> {
        let (mut train, mut test) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for name in self.train {
            self.read(&folder.join(name), &mut train)?;
        }
        self.read(&folder.join(self.test), &mut test)?;
        let class_names = self.class_names();
        let [train, test] = [train, test].map(|(labels, pixels)| Images::in_order(labels, pixels));
        Ok(Splits { train, own_validation: 0, test, class_names, side: SIDE })
    }

    pub(super) fn survey(&self, folder: &Path, digest: String) -> Result<Survey, DataError> {
        Ok(Survey::plain(digest, self.counts(folder)?, self.class_names()))
    }

    /// Hashes the lengths and contents of all files. Checks every record on the way.
    pub(super) fn hash(&self, folder: &Path, hasher: &mut blake3::Hasher) -> Result<(), DataError> {
        for name in self.files() {
            let path = folder.join(name);
            let bytes = self.read_file(&path)?;
            self.check(&path, &bytes)?;
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(&bytes);
        }
        Ok(())
    }

    /// How many images a folder has, by the sizes of its files.
    fn counts(&self, folder: &Path) -> Result<Counts, DataError> {
        let count = |name: &str| {
            let path = folder.join(name);
            let length = fs::metadata(&path).map_err(|source| DataError::File { path, source, wanted: self.wanted });
            Ok::<u64, DataError>(length?.len() / self.size() as u64)
        };
        let mut train = 0;
        for name in self.train {
            train += count(name)?;
        }
        Ok(Counts { train, validation: 0, test: count(self.test)? })
    }

    fn read_file(&self, path: &Path) -> Result<Vec<u8>, DataError> {
        fs::read(path).map_err(|source| DataError::File { path: path.to_owned(), source, wanted: self.wanted })
    }

    fn read(&self, path: &Path, (labels, pixels): &mut (Vec<u16>, Vec<u8>)) -> Result<(), DataError> {
        let bytes = self.read_file(path)?;
        self.check(path, &bytes)?;
        for record in bytes.chunks_exact(self.size()) {
            labels.push(u16::from(record[self.label]));
            pixels.extend_from_slice(&record[self.labels..]);
        }
        Ok(())
    }

    /// Records are counted from 0.
    fn check(&self, path: &Path, bytes: &[u8]) -> Result<(), DataError> {
        let (path, size) = (|| path.to_owned(), self.size());
        if bytes.is_empty() {
            return Err(DataError::Empty { path: path() });
        }
        for (record, chunk) in bytes.chunks(size).enumerate() {
            if chunk.len() < size {
                let start = record * size;
                return Err(DataError::Truncated { path: path(), length: bytes.len(), record, size, start });
            }
            let (label, last) = (chunk[self.label], self.classes.len() - 1);
            if usize::from(label) > last {
                return Err(DataError::Label { path: path(), record, label, last });
            }
        }
        Ok(())
    }
}
