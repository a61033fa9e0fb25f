//! The folders of the cache and their formats' versions.

use std::path::{Path, PathBuf};

/// A kind of things in the cache. Its folder carries the version of its format: a new format gets a new folder, so that no
/// program takes another's files for its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheBucket {
    /// One folder a cut: see [`crate::features`].
    Features,
    /// Pictures of a person's own, decoded once. What lies in it is named by who decodes.
    Images,
}

impl CacheBucket {
    /// Name of the folder.
    pub fn name(self) -> &'static str {
        match self {
            CacheBucket::Features => "features-v1",
            CacheBucket::Images => "images-v1",
        }
    }

    /// The folder in the cache folder `cache`.
    pub fn folder(self, cache: &Path) -> PathBuf {
        cache.join(self.name())
    }
}
