//! The feature cache: one folder for each set of features, called by its key, with a manifest and one file a pool.
//!
//! A folder appears whole or not at all: it is written beside its place, under a name that begins with [`UNFINISHED`], and
//! renamed. When its manifest was last modified is when it was last used.

use frostline_sweep::features::{FeatureKey, FeatureSpec};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Beginning of the names of folders that are being filled.
pub const UNFINISHED: &str = ".filling-";

const MANIFEST: &str = "manifest.json";

/// End of the names of locks.
const LOCK: &str = ".lock";

/// What a folder says of itself. Who needs no specification reads `Manifest<IgnoredAny>`, which another version's has, too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest<Spec = FeatureSpec> {
    pub spec: Spec,
    /// File name to BLAKE3 digest, in hexadecimal.
    pub files: BTreeMap<String, String>,
    /// Of all files but this one.
    pub bytes: u64,
    /// How long the fill took.
    pub seconds: f64,
}

impl<Spec: DeserializeOwned> Manifest<Spec> {
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] where the file is there and is no manifest.
    pub fn read(folder: &Path) -> io::Result<Manifest<Spec>> {
        let text = fs::read(folder.join(MANIFEST))?;
        serde_json::from_slice(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

impl Manifest {
    /// Writes and syncs it.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let mut out = File::create(folder.join(MANIFEST))?;
        out.write_all(&serde_json::to_vec_pretty(self)?)?;
        out.sync_all()
    }
}

/// The folder of these features in the cache.
pub fn folder(cache: &Path, key: &FeatureKey) -> PathBuf {
    cache.join(&key.0)
}

/// The file that whoever fills these features locks.
pub fn lock(cache: &Path, key: &FeatureKey) -> PathBuf {
    cache.join(format!("{key}{LOCK}"))
}

/// Name of a pool's file in a folder.
pub fn file_name(pool: &str) -> String {
    format!("{pool}.safetensors")
}

/// Whether a folder is in its place: it has its manifest.
pub fn is_filled(folder: &Path) -> bool {
    folder.join(MANIFEST).exists()
}

/// Size on disk of these features, where the cache has them.
pub fn size(cache: &Path, key: &FeatureKey) -> Option<u64> {
    Some(Manifest::<IgnoredAny>::read(&folder(cache, key)).ok()?.bytes)
}

/// Notes that a folder was used now.
pub fn note_use(folder: &Path) -> io::Result<()> {
    File::options().write(true).open(folder.join(MANIFEST))?.set_modified(SystemTime::now())
}

/// Features that are whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub key: FeatureKey,
    pub bytes: u64,
    /// When a trial last started from them.
    pub used: SystemTime,
}

/// What the cache holds, the least recently used first. A folder that cannot be read is left out.
pub fn kept(cache: &Path) -> Vec<Kept> {
    let read = |entry: fs::DirEntry| {
        let used = fs::metadata(entry.path().join(MANIFEST)).ok()?.modified().ok()?;
        let bytes = Manifest::<IgnoredAny>::read(&entry.path()).ok()?.bytes;
        let key = FeatureKey(entry.file_name().into_string().ok()?);
        // Not yet renamed into place.
        (!key.0.starts_with(UNFINISHED)).then_some(Kept { key, bytes, used })
    };
    let mut kept: Vec<Kept> = fs::read_dir(cache).into_iter().flatten().flatten().filter_map(read).collect();
    kept.sort_by(|one, other| one.used.cmp(&other.used).then_with(|| one.key.cmp(&other.key)));
    kept
}

/// The folders that have a manifest, readable or not, in the order of their names.
pub fn filled(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| is_filled(path)).collect();
    folders.sort();
    folders
}

/// Whether every file of a folder is there and fits its digest.
///
/// # Errors
/// A file, the manifest too, that is there and cannot be read, or no manifest.
pub fn is_sound(folder: &Path) -> io::Result<bool> {
    let manifest = match Manifest::<IgnoredAny>::read(folder) {
        Ok(manifest) => manifest,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(false),
        Err(error) => return Err(error),
    };
    for (name, digest) in manifest.files {
        let path = folder.join(name);
        if !path.is_file() {
            return Ok(false);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(File::open(path)?)?;
        if hasher.finalize().to_hex().as_str() != digest {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Removes what fills have left that were killed, their locks too. Only while no process lives that could be at it.
pub fn remove_unfinished(cache: &Path) {
    for entry in fs::read_dir(cache).into_iter().flatten().flatten() {
        let name = entry.file_name();
        // What is left is in nobody's way and goes the next time.
        let _ = match name.to_str() {
            Some(name) if name.starts_with(UNFINISHED) => fs::remove_dir_all(entry.path()),
            Some(name) if name.ends_with(LOCK) => fs::remove_file(entry.path()),
            _ => continue,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// As released versions have written it, and as one to come may write its specification.
    fn manifest(bytes: u64, files: &str) -> String {
        format!(r#"{{"spec": {{"cut": 3, "new": 1}}, "files": {{{files}}}, "bytes": {bytes}, "seconds": 1.5}}"#)
    }

    fn filled_folder(cache: &Path, name: &str, bytes: u64, used: u64) {
        let folder = cache.join(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join(MANIFEST), manifest(bytes, "")).unwrap();
        let file = File::options().write(true).open(folder.join(MANIFEST)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(used)).unwrap();
    }

    #[test]
    fn kept_features_come_in_the_order_of_their_use() {
        let cache = tempfile::tempdir().unwrap();
        for (name, used) in [("old", 1), ("new", 3), ("middle", 2)] {
            filled_folder(cache.path(), name, 10 + used, used);
        }
        fs::create_dir(cache.path().join("damaged")).unwrap();
        filled_folder(cache.path(), ".filling-abc", 1, 1);
        let names = |kept: Vec<Kept>| kept.into_iter().map(|kept| kept.key.0).collect::<Vec<_>>();
        assert_eq!(names(kept(cache.path())), ["old", "middle", "new"]);
        note_use(&cache.path().join("old")).unwrap();
        assert_eq!(names(kept(cache.path())), ["middle", "new", "old"]);
        assert_eq!(size(cache.path(), &FeatureKey("old".to_owned())), Some(11));
        assert_eq!(size(cache.path(), &FeatureKey("damaged".to_owned())), None);
        assert!(kept(&cache.path().join("absent")).is_empty());
    }

    #[test]
    fn what_killed_fills_have_left_is_removed() {
        let cache = tempfile::tempdir().unwrap();
        fs::create_dir(cache.path().join(".filling-abc")).unwrap();
        filled_folder(cache.path(), "whole", 1, 1);
        fs::write(lock(cache.path(), &FeatureKey("whole".to_owned())), "").unwrap();
        remove_unfinished(cache.path());
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
        remove_unfinished(&cache.path().join("absent"));
    }

    #[test]
    fn one_flipped_bit_of_a_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let train = folder.path().join(file_name("train"));
        let place = folder.path().join(MANIFEST);
        let digest = blake3::hash(b"features").to_hex();
        fs::write(&train, b"features").unwrap();
        fs::write(&place, manifest(8, &format!(r#""train.safetensors": "{digest}""#))).unwrap();
        assert!(is_sound(folder.path()).unwrap());
        fs::write(&train, b"Features").unwrap();
        assert!(!is_sound(folder.path()).unwrap());
        fs::remove_file(&train).unwrap();
        assert!(!is_sound(folder.path()).unwrap());
        fs::write(&place, "{").unwrap();
        assert!(!is_sound(folder.path()).unwrap());
        fs::remove_file(&place).unwrap();
        assert_eq!(is_sound(folder.path()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
