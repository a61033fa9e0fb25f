//! What lies in a folder, told by names and labels: no image is read.

use super::{Counted, DataError, cifar10, folder, parquet};
use frostline_sweep::dataset::Dataset;
use std::path::{Path, PathBuf};

/// A folder that can be trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Glance {
    /// CIFAR-10's binary version, in this folder.
    Cifar10(PathBuf),
    /// Pictures of a person's own, and as which data set they are read.
    Pictures(Dataset, Counted),
}

/// Looks into `folder`, and, for CIFAR-10, into the folder that its archive makes there.
///
/// # Errors
/// It holds neither, with what would be needed for pictures.
pub fn glance(folder: &Path) -> Result<Glance, DataError> {
    let places = [folder.to_owned(), folder.join("cifar-10-batches-bin")];
    if let Some(place) = places.into_iter().find(|place| cifar10::is_in(place)) {
        return Ok(Glance::Cifar10(place));
    }
    if ["data_batch_1", "cifar-10-batches-py/data_batch_1"].iter().any(|file| folder.join(file).is_file()) {
        return Err(DataError::PythonVersion { path: folder.to_owned() });
    }
    if parquet::is_in(folder) {
        return Ok(Glance::Pictures(Dataset::Parquet, parquet::counted(folder)?));
    }
    Ok(Glance::Pictures(Dataset::Folder, folder::counted(folder)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn listed(files: &[&str]) -> Counted {
        match glance(folder(files).path()) {
            Ok(Glance::Pictures(Dataset::Folder, listed)) => listed,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn pictures_are_counted_by_split() {
        let plain = listed(&["cat/1.png", "cat/2.png", "dog/1.jpg", "readme.txt"]);
        assert_eq!(plain, Counted { classes: vec!["cat".into(), "dog".into()], train: 3, validation: 0, test: 0 });
        let split =
            listed(&["train/a/1.png", "train/b/1.png", "val/a/2.png", "val/b/2.png", "test/a/3.png", "test/b/3.png"]);
        assert_eq!((split.train, split.validation, split.test), (2, 2, 2));
        assert_eq!(split.classes, ["a", "b"]);
    }

    #[test]
    fn cifar10_is_found_in_its_folder_and_above_it() {
        let files: Vec<String> =
            (1..=5).map(|n| format!("data_batch_{n}.bin")).chain(["test_batch.bin".into()]).collect();
        let here = folder(&files.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(glance(here.path()).unwrap(), Glance::Cifar10(here.path().to_owned()));
        let below: Vec<String> = files.iter().map(|file| format!("cifar-10-batches-bin/{file}")).collect();
        let above = folder(&below.iter().map(String::as_str).collect::<Vec<_>>());
        let place = above.path().join("cifar-10-batches-bin");
        assert_eq!(glance(above.path()).unwrap(), Glance::Cifar10(place));
    }

    #[test]
    fn what_is_neither_says_what_is_needed() {
        let error = |files: &[&str]| glance(folder(files).path()).unwrap_err().to_string();
        assert!(error(&["1.png"]).contains("put the pictures of each class into a folder"), "{}", error(&["1.png"]));
        assert!(error(&["data_batch_1"]).contains("frostline fetch cifar10"), "{}", error(&["data_batch_1"]));
        assert!(glance(Path::new("no/such/folder")).is_err());
    }
}
