//! Names of the classes of a data set that only its files know, by the digest of the data: what a trained model sees has a
//! name long after the files are gone.

use crate::aside::replace;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn file(folder: &Path, digest: &str) -> PathBuf {
    folder.join(format!("{digest}.json"))
}

/// Keeps the names, in the order of the labels.
///
/// # Errors
/// The file cannot be written.
pub fn write(folder: &Path, digest: &str, names: &[String]) -> io::Result<()> {
    if read(folder, digest).is_some_and(|known| known == names) {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    replace(&file(folder, digest), &serde_json::to_vec(names)?)
}

/// The names that were kept; none where there is no such file, or it cannot be read.
pub fn read(folder: &Path, digest: &str) -> Option<Vec<String>> {
    serde_json::from_slice(&fs::read(file(folder, digest)).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_by_the_digest_of_the_data() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["cat", "résumé #1"].map(str::to_owned);
        let place = folder.path().join("classes");
        write(&place, "abc", &names).unwrap();
        write(&place, "abc", &names).unwrap();
        assert_eq!(read(&place, "abc").as_deref(), Some(&names[..]));
        assert_eq!(read(&place, "abd"), None);
        fs::write(place.join("abd.json"), "{").unwrap();
        assert_eq!(read(&place, "abd"), None);
    }
}
