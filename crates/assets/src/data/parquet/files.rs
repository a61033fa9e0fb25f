//! Which Parquet files a data set has, and of which split each is: by their names, as the libraries of Hugging Face write
//! them, `train-00000-of-00002.parquet`.

use crate::data::parquet_error::ParquetError;
use crate::data::pictures::Split;
use crate::data::pictures_error::List;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The folder in which the libraries put them.
const DATA: &str = "data";

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// In the order of their names. Of no split where no name says one.
    pub(super) files: Vec<(PathBuf, Option<Split>)>,
    pub(super) remarks: Vec<String>,
}

/// # Errors
/// No such files, none to train on, or some that others count on.
pub(super) fn find(root: &Path) -> Result<Found, ParquetError> {
    let about = fs::metadata(root).map_err(|source| ParquetError::File { path: root.to_owned(), source })?;
    if !about.is_dir() {
        return Ok(Found { files: vec![(root.to_owned(), None)], remarks: Vec::new() });
    }
    let mut paths = in_folder(root)?;
    if paths.is_empty() && root.join(DATA).is_dir() {
        paths = in_folder(&root.join(DATA))?;
    }
    if paths.is_empty() {
        let mut below = Vec::new();
        for folder in entries(root)?.into_iter().filter(|path| path.is_dir()) {
            if !in_folder(&folder)?.is_empty() {
                below.push(folder.display().to_string());
            }
        }
        return Err(ParquetError::NoFiles { path: root.to_owned(), below: List(below) });
    }
    check_whole(&paths)?;
    let files: Vec<(PathBuf, Option<Split>)> =
        paths.into_iter().map(|path| (split(&stem(&path)), path)).map(|(split, path)| (path, split)).collect();
    if files.iter().all(|(_, split)| split.is_none()) {
        return Ok(Found { files, remarks: Vec::new() });
    }
    if !files.iter().any(|(_, split)| *split == Some(Split::Train)) {
        let found = List(files.iter().map(|(path, _)| name(path)).collect());
        return Err(ParquetError::NoTraining { path: root.to_owned(), found });
    }
    let (files, others): (Vec<_>, Vec<_>) = files.into_iter().partition(|(_, split)| split.is_some());
    let said = |(path, _): &(PathBuf, Option<Split>)| {
        format!("{} is of no split by its name and is left out", path.display())
    };
    Ok(Found { files, remarks: others.iter().map(said).collect() })
}

/// The Parquet files in a folder, in order.
fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, ParquetError> {
    let is_one = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("parquet")) && path.is_file()
    };
    Ok(entries(folder)?.into_iter().filter(is_one).collect())
}

/// What is in a folder and not hidden, in the order of the names' bytes.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, ParquetError> {
    let failed = |source| ParquetError::File { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if !name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    paths.sort_by(|one, other| one.as_os_str().as_bytes().cmp(other.as_os_str().as_bytes()));
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// By the first word of a name.
fn split(stem: &str) -> Option<Split> {
    Split::of(stem.split(['-', '_', '.', ' ']).next().unwrap_or_default())
}

/// What stands before `00001-of-00003`, the two numbers and how many digits they have, and what stands after.
fn numbered(stem: &str) -> Option<(&str, u32, u32, usize, &str)> {
    let middle = stem.find("-of-")?;
    let (before, after) = (&stem[..middle], &stem[middle + "-of-".len()..]);
    let start = before.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |last| last + 1);
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    let (number, of) = (&before[start..], &after[..end]);
    Some((&before[..start], number.parse().ok()?, of.parse().ok()?, number.len(), &after[end..]))
}

/// # Errors
/// A file says that there are more of it, and they are not there.
fn check_whole(paths: &[PathBuf]) -> Result<(), ParquetError> {
    let stems: Vec<String> = paths.iter().map(|path| stem(path)).collect();
    let mut series: BTreeMap<(&str, u32, usize), BTreeSet<u32>> = BTreeMap::new();
    for (before, number, of, digits, _) in stems.iter().filter_map(|stem| numbered(stem)) {
        series.entry((before, of, digits)).or_default().insert(number);
    }
    let mut missing = Vec::new();
    for ((before, of, digits), numbers) in series {
        // One that claims more than can be listed is not worth a list.
        let lacking = (0..of).filter(|number| !numbers.contains(number)).take(1000);
        missing.extend(lacking.map(|number| format!("{before}{number:0digits$}-of-{of:0digits$}.parquet")));
    }
    if missing.is_empty() { Ok(()) } else { Err(ParquetError::MissingFiles(List(missing))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn found(files: &[&str]) -> (Vec<(String, Option<Split>)>, String) {
        let folder = folder(files);
        let Found { files, remarks } = find(folder.path()).unwrap();
        let remarks = remarks.join("\n").replace(&folder.path().display().to_string(), "PLACE");
        (files.into_iter().map(|(path, split)| (name(&path), split)).collect(), remarks)
    }

    fn wrong(files: &[&str]) -> String {
        let folder = folder(files);
        let said = find(folder.path()).unwrap_err().to_string();
        said.replace(&folder.path().display().to_string(), "PLACE")
    }

    #[test]
    fn files_are_of_the_split_that_their_name_begins_with() {
        let (files, remarks) = found(&[
            "data/test-00000-of-00001-8a3c.parquet",
            "data/train-00001-of-00002.parquet",
            "data/train-00000-of-00002.parquet",
            "data/validation.parquet",
            "data/.hidden.parquet",
            "data/extra.parquet",
            "data/trains.parquet",
            "README.md",
        ]);
        let files: Vec<(&str, Option<Split>)> = files.iter().map(|(name, split)| (name.as_str(), *split)).collect();
        let expected = [
            ("test-00000-of-00001-8a3c.parquet", Some(Split::Test)),
            ("train-00000-of-00002.parquet", Some(Split::Train)),
            ("train-00001-of-00002.parquet", Some(Split::Train)),
            ("validation.parquet", Some(Split::Validation)),
        ];
        assert_eq!(files, expected);
        let said = "PLACE/data/extra.parquet is of no split by its name and is left out\n\
                    PLACE/data/trains.parquet is of no split by its name and is left out";
        assert_eq!(remarks, said);
    }

    #[test]
    fn without_a_split_in_any_name_all_are_to_be_divided() {
        let (files, remarks) = found(&["0001.parquet", "0000.PARQUET", "data/train.parquet"]);
        assert_eq!(files, [("0000.PARQUET".to_owned(), None), ("0001.parquet".to_owned(), None)]);
        assert_eq!(remarks, "");
    }

    #[test]
    fn what_is_missing_is_named() {
        insta::assert_snapshot!(wrong(&["a.csv"]), @"PLACE has no file that ends in .parquet, and no folder `data` with one: `data.path` names the folder of such files");
        insta::assert_snapshot!(wrong(&["plain/train-0.parquet", "other/test.parquet"]), @"PLACE has no file that ends in .parquet, and no folder `data` with one: `data.path` names the folder of such files, and here that may be PLACE/other; PLACE/plain");
        insta::assert_snapshot!(wrong(&["test.parquet", "val.parquet"]), @"PLACE has no file of training images, called train-*.parquet; it has test.parquet; val.parquet");
        insta::assert_snapshot!(wrong(&["train-00001-of-00003.parquet", "test-00000-of-00001.parquet"]), @"files of a split are missing, of which others are there: train-00000-of-00003.parquet; train-00002-of-00003.parquet; get them, too");
        assert!(find(Path::new("no/such/folder")).is_err());
    }
}
