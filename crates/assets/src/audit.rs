//! Whether files that workers have written are as they were written: checked by their digests, without libtorch.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Bytes of a BLAKE3 digest.
const DIGEST: usize = 32;

/// A file that ends with the BLAKE3 digest of all that stands before it, as checkpoints do.
pub fn sealed_file_is_sound(path: &Path) -> io::Result<bool> {
    let bytes = fs::read(path)?;
    let Some(end) = bytes.len().checked_sub(DIGEST) else { return Ok(false) };
    Ok(blake3::hash(&bytes[..end]).as_bytes()[..] == bytes[end..])
}

#[derive(Deserialize)]
struct Manifest {
    files: BTreeMap<String, String>,
}

/// A folder of the feature cache: its `manifest.json` holds the BLAKE3 digest of each file.
pub fn feature_folder_is_sound(folder: &Path) -> io::Result<bool> {
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&fs::read(folder.join("manifest.json"))?) else {
        return Ok(false);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flipped_bit_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealed");
        let mut bytes = b"content".to_vec();
        bytes.extend(blake3::hash(b"content").as_bytes());
        fs::write(&path, &bytes).unwrap();
        assert!(sealed_file_is_sound(&path).unwrap());
        bytes[3] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(!sealed_file_is_sound(&path).unwrap());
        fs::write(&path, b"short").unwrap();
        assert!(!sealed_file_is_sound(&path).unwrap());

        let digest = blake3::hash(b"features").to_hex();
        fs::write(folder.path().join("train"), b"features").unwrap();
        let manifest = folder.path().join("manifest.json");
        fs::write(&manifest, format!(r#"{{"files": {{"train": "{digest}"}}, "bytes": 8}}"#)).unwrap();
        assert!(feature_folder_is_sound(folder.path()).unwrap());
        fs::write(folder.path().join("train"), b"Features").unwrap();
        assert!(!feature_folder_is_sound(folder.path()).unwrap());
        fs::remove_file(folder.path().join("train")).unwrap();
        assert!(!feature_folder_is_sound(folder.path()).unwrap());
        fs::write(&manifest, "{").unwrap();
        assert!(!feature_folder_is_sound(folder.path()).unwrap());
    }
}
