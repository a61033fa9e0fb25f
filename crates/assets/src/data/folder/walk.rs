//! The pictures of a folder: which files, of which class, in which split. Nothing is read of a picture yet.
//!
//! Files and folders are found as torchvision's `ImageFolder` and Keras' `image_dataset_from_directory` find them: classes in
//! the order of their names' bytes, nested folders belong to the class that they are in, links are followed, extensions count
//! whatever their case. Other than torchvision, hidden files and folders are left out, and a class may not be empty.

use crate::data::pictures::{self, Listed, Listing, Split, check_splits, count_classes};
use crate::data::pictures_error::{List, PicturesError};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const EXTENSIONS: [&str; 10] = ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "tif", "tiff", "gif"];

pub(super) fn list(root: &Path) -> Result<Listing, PicturesError> {
    if !fs::metadata(root).map_err(PicturesError::file("read", root))?.is_dir() {
        return Err(PicturesError::NoFolder { path: root.to_owned() });
    }
    let mut walk = Walk::default();
    let top = Walk::default().folders(root)?;
    let splits = match splits(&mut walk, &top)? {
        Some(splits) => {
            walk.folders(root)?;
            splits
        }
        None => vec![(None, root.to_owned())],
    };
    let mut found: BTreeMap<Vec<u8>, BTreeMap<Option<Split>, Vec<PathBuf>>> = BTreeMap::new();
    let mut empty = Vec::new();
    for (split, folder) in &splits {
        let folders = walk.folders(folder)?;
        if folders.is_empty() {
            return Err(PicturesError::NoClasses { path: folder.clone() });
        }
        for class in folders {
            let mut files = Vec::new();
            walk.files(&class, &mut Vec::new(), &mut files)?;
            if files.is_empty() {
                empty.push(class.display().to_string());
            }
            found.entry(name_of(&class)).or_default().insert(*split, files);
        }
    }
    let classes: Vec<String> = found.keys().map(|name| pictures::text(name)).collect();
    count_classes(root, &classes)?;
    if !empty.is_empty() {
        return Err(PicturesError::EmptyClasses(List(empty)));
    }
    let mut pictures: Vec<(Vec<u8>, Listed)> = Vec::new();
    for (class, (name, by_split)) in found.into_iter().enumerate() {
        for (split, files) in by_split {
            let below = splits.iter().find(|(of, _)| *of == split).map_or(root, |(_, folder)| folder);
            let below = below.join(std::ffi::OsStr::from_bytes(&name));
            pictures.extend(files.into_iter().map(|path| {
                let key = path.strip_prefix(&below).unwrap_or(&path).as_os_str().as_bytes().to_owned();
                (key, Listed { path, class: class as u16, split })
            }));
        }
    }
    // By name and not by class, so that the first so many are of all classes.
    pictures.sort_by(|(one, a), (other, b)| one.cmp(other).then(a.class.cmp(&b.class)).then(a.split.cmp(&b.split)));
    let pictures: Vec<Listed> = pictures.into_iter().map(|(_, listed)| listed).collect();
    check_splits(&classes, &pictures)?;
    Ok(Listing { classes, pictures, remarks: walk.remarks() })
}

/// Where the pictures of a split lie; of no split where they are to be divided.
type SplitFolder = (Option<Split>, PathBuf);

/// The folders of splits; none where the folders at the top are classes. One that is called `train` is a class if it has
/// pictures and no folders.
fn splits(walk: &mut Walk, top: &[PathBuf]) -> Result<Option<Vec<SplitFolder>>, PicturesError> {
    let split_of = |path: &PathBuf| Split::of(&pictures::text(&name_of(path)));
    let mut is_split = false;
    for folder in top.iter().filter(|folder| split_of(folder) == Some(Split::Train)) {
        is_split |= !Walk::default().folders(folder)?.is_empty();
    }
    if !is_split {
        return Ok(None);
    }
    let mut splits: Vec<SplitFolder> = Vec::new();
    for folder in top {
        let Some(split) = split_of(folder) else {
            walk.others.push(folder.clone());
            continue;
        };
        if let Some((_, one)) = splits.iter().find(|(known, _)| *known == Some(split)) {
            let (one, other) = (one.clone(), folder.clone());
            return Err(PicturesError::TwoSplits { split: split.name(), one, other });
        }
        splits.push((Some(split), folder.clone()));
    }
    Ok(Some(splits))
}

pub(super) fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
}

fn name_of(path: &Path) -> Vec<u8> {
    path.file_name().map(|name| name.as_bytes().to_owned()).unwrap_or_default()
}

/// Goes through folders, and counts what it passes over.
#[derive(Default)]
struct Walk {
    /// Folders beside those of splits.
    others: Vec<PathBuf>,
    /// Files that are no pictures by their names, and the first of them.
    no_pictures: Option<(usize, PathBuf)>,
    /// Pictures that lie beside the folders of classes, and the first of them.
    loose: Option<(usize, PathBuf)>,
}

impl Walk {
    /// The folders in a folder, in order. Files beside them have no class.
    fn folders(&mut self, folder: &Path) -> Result<Vec<PathBuf>, PicturesError> {
        let (folders, files): (Vec<_>, Vec<_>) = entries(folder)?.into_iter().partition(|entry| entry.is_folder);
        for entry in files.into_iter().filter(|entry| is_picture(&entry.path)) {
            count(&mut self.loose, entry.path);
        }
        Ok(folders.into_iter().map(|entry| entry.path).collect())
    }

    /// The pictures in a folder and below it. `above` are the folders that it is in, so that no link leads in a circle.
    fn files(
        &mut self,
        folder: &Path,
        above: &mut Vec<(u64, u64)>,
        found: &mut Vec<PathBuf>,
    ) -> Result<(), PicturesError> {
        let about = fs::metadata(folder).map_err(PicturesError::file("read", folder))?;
        let identity = (about.dev(), about.ino());
        if above.contains(&identity) {
            return Ok(());
        }
        above.push(identity);
        for Entry { path, is_folder } in entries(folder)? {
            if is_folder {
                self.files(&path, above, found)?;
            } else if is_picture(&path) {
                found.push(path);
            } else {
                count(&mut self.no_pictures, path);
            }
        }
        above.pop();
        Ok(())
    }

    fn remarks(self) -> Vec<String> {
        let mut remarks: Vec<String> =
            self.others.iter().map(|path| format!("{} is no split and is left out", path.display())).collect();
        let mut say = |counted: Option<(usize, PathBuf)>, what: &str| {
            remarks.extend(counted.map(|(count, first)| match count {
                1 => format!("1 file {what} is left out: {}", first.display()),
                _ => format!("{count} files {what} are left out, {} for one", first.display()),
            }));
        };
        say(self.no_pictures, "without the extension of a picture");
        say(self.loose, "beside the folders of classes");
        remarks
    }
}

fn count(counted: &mut Option<(usize, PathBuf)>, path: PathBuf) {
    match counted {
        Some((count, _)) => *count += 1,
        None => *counted = Some((1, path)),
    }
}

struct Entry {
    path: PathBuf,
    is_folder: bool,
}

/// What is in a folder and not hidden, in the order of the names' bytes.
fn entries(folder: &Path) -> Result<Vec<Entry>, PicturesError> {
    let failed = || PicturesError::file("read", folder);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let path = entry.path();
        if !name_of(&path).starts_with(b".") {
            // The folder itself says what is in it; only what a link leads to must be asked for.
            let kind = entry.file_type().ok().filter(|kind| !kind.is_symlink());
            let is_folder = kind.map_or_else(|| path.is_dir(), |kind| kind.is_dir());
            entries.push(Entry { path, is_folder });
        }
    }
    entries.sort_by(|one, other| one.path.as_os_str().as_bytes().cmp(other.path.as_os_str().as_bytes()));
    Ok(entries)
}
