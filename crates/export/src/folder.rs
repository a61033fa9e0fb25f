//! The folder of an export: whether it may be written to, and how its content is replaced.
//!
//! A manifest says what an export consists of. Whatever else lies in the folder, or has changed since, is somebody's work
//! (a study that was continued, say) and stays. The new files are made in a folder of their own inside, so that nothing of
//! theirs is seen before all of them are whole.

use crate::ExportError;
use crate::error::{reading, writing};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Says which files of a folder an export consists of.
pub const MANIFEST: &str = "export.json";

const FORMAT: &str = "frostline-export-1";

/// Of folders in which files are made. One that a killed export has left is removed by the next.
const STAGING: &str = ".frostline-export-";

#[derive(Serialize, Deserialize)]
struct Manifest {
    format: String,
    sweep: String,
    kind: String,
    /// Version of Frostline.
    written_by: String,
    /// BLAKE3 of each, by its path in the folder.
    files: BTreeMap<PathBuf, String>,
}

/// A folder that may be written to.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    /// Whether it was not there before.
    is_new: bool,
    /// What the earlier export left, by paths in the folder.
    earlier: Vec<PathBuf>,
}

impl Folder {
    /// Makes the folder where it is not there.
    ///
    /// # Errors
    /// It holds what no export has put there, or what has changed since.
    pub(crate) fn open(path: &Path) -> Result<Folder, ExportError> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(path).map_err(writing(path))?;
                return Ok(Folder { path: path.to_owned(), is_new: true, earlier: Vec::new() });
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(ExportError::NotAFolder { folder: path.to_owned() });
            }
            Err(error) => return Err(reading(path)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(reading(path))?.file_name();
            if name.to_string_lossy().starts_with(STAGING) {
                let left = path.join(&name);
                fs::remove_dir_all(&left).map_err(writing(&left))?;
            } else {
                names.push(PathBuf::from(name));
            }
        }
        names.sort();
        let earlier = earlier(path, &names)?;
        Ok(Folder { path: path.to_owned(), is_new: false, earlier })
    }

    /// A new folder on the same disk, which goes away where nothing comes of it.
    pub(crate) fn staging(&self) -> Result<TempDir, ExportError> {
        let made = tempfile::Builder::new().prefix(STAGING).tempdir_in(&self.path);
        made.map_err(writing(&self.path))
    }

    /// Puts what lies in `staging` in the place of what an earlier export left. Returns the files with their sizes.
    pub(crate) fn replace(
        self,
        staging: TempDir,
        kind: &str,
        sweep: &str,
    ) -> Result<Vec<(PathBuf, u64)>, ExportError> {
        let mut files = Vec::new();
        let mut digests = BTreeMap::new();
        for file in files_below(staging.path())? {
            let path = staging.path().join(&file);
            let digest = digest(&path).map_err(reading(&path))?;
            files.push((file.clone(), fs::metadata(&path).map_err(reading(&path))?.len()));
            digests.insert(file, digest);
        }
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            sweep: sweep.to_owned(),
            kind: kind.to_owned(),
            written_by: format!("frostline {}", env!("CARGO_PKG_VERSION")),
            files: digests,
        };
        let manifest_made = staging.path().join(MANIFEST);
        let text = serde_json::to_string_pretty(&manifest).map_err(writing(&manifest_made))? + "\n";
        fs::write(&manifest_made, text).map_err(writing(&manifest_made))?;
        self.remove_earlier()?;
        // The manifest comes last: with it the export is there.
        let mut entries: Vec<PathBuf> =
            files.iter().filter_map(|(file, _)| Some(file.iter().next()?.into())).collect();
        entries.dedup();
        for entry in entries.iter().map(PathBuf::as_path).chain([Path::new(MANIFEST)]) {
            let place = self.path.join(entry);
            fs::rename(staging.path().join(entry), &place).map_err(writing(&place))?;
        }
        Ok(files)
    }

    fn remove_earlier(&self) -> Result<(), ExportError> {
        let mut folders: Vec<PathBuf> = Vec::new();
        for file in &self.earlier {
            let path = self.path.join(file);
            fs::remove_file(&path).map_err(writing(&path))?;
            folders.extend(file.parent().filter(|parent| !parent.as_os_str().is_empty()).map(Path::to_owned));
        }
        folders.dedup();
        for folder in folders.iter().map(|folder| self.path.join(folder)) {
            fs::remove_dir(&folder).map_err(writing(&folder))?;
        }
        Ok(())
    }
}

/// A new folder in which nothing was written is not left.
impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_new {
            // It stays where there is something in it.
            let _ = fs::remove_dir(&self.path);
        }
    }
}

/// The files of an earlier export, its manifest among them, in a folder that has these entries.
fn earlier(path: &Path, names: &[PathBuf]) -> Result<Vec<PathBuf>, ExportError> {
    let Some(first) = names.first() else { return Ok(Vec::new()) };
    let occupied = |other: &Path| ExportError::Occupied { folder: path.to_owned(), other: other.to_owned() };
    let text = fs::read(path.join(MANIFEST)).map_err(|_| occupied(first))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|_| occupied(Path::new(MANIFEST)))?;
    if manifest.format != FORMAT {
        return Err(occupied(Path::new(MANIFEST)));
    }
    let mut files = files_below(path)?;
    for file in files.iter().filter(|file| *file != Path::new(MANIFEST)) {
        let written = manifest.files.get(file).ok_or_else(|| occupied(file))?;
        let full = path.join(file);
        if digest(&full).map_err(reading(&full))? != *written {
            return Err(ExportError::Changed { folder: path.to_owned(), file: file.clone() });
        }
    }
    // Should this be cut short, what is left is still an export with its manifest.
    files.sort_by_key(|file| file == Path::new(MANIFEST));
    Ok(files)
}

/// Everything below a folder that is no folder itself, by paths in it, in order.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>, ExportError> {
    let mut files = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(inside) = folders.pop() {
        let path = folder.join(&inside);
        for entry in fs::read_dir(&path).map_err(reading(&path))? {
            let entry = entry.map_err(reading(&path))?;
            let found = inside.join(entry.file_name());
            // A link is not followed: it counts as a file that nobody has written.
            let is_folder = entry.file_type().map_err(reading(&path))?.is_dir();
            if is_folder { folders.push(found) } else { files.push(found) }
        }
    }
    files.sort();
    Ok(files)
}

fn digest(file: &Path) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(file)?)?;
    Ok(hasher.finalize().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes these files, each with its name as content.
    fn export(path: &Path, files: &[&str]) -> Result<Vec<(PathBuf, u64)>, ExportError> {
        let folder = Folder::open(path)?;
        let staging = folder.staging()?;
        for file in files {
            let place = staging.path().join(file);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::write(place, file).unwrap();
        }
        folder.replace(staging, "csv", "demo")
    }

    fn there(path: &Path) -> Vec<String> {
        files_below(path).unwrap().iter().map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn an_export_takes_the_place_of_an_earlier_one_and_leaves_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/out");
        let written = export(&path, &["root", "a/events", "b/events"]).unwrap();
        assert_eq!(written, ["a/events", "b/events", "root"].map(|file| (PathBuf::from(file), file.len() as u64)));
        export(&path, &["trials.csv", "b/events"]).unwrap();
        assert_eq!(there(&path), ["b/events", MANIFEST, "trials.csv"]);
        assert_eq!(fs::read_dir(&path).unwrap().count(), 3, "no folder of the earlier one is left");
        // What somebody removed is no obstacle.
        fs::remove_file(path.join("trials.csv")).unwrap();
        export(&path, &["trials.csv"]).unwrap();
        assert_eq!(there(&path), [MANIFEST, "trials.csv"]);
    }

    #[test]
    fn what_others_have_put_into_a_folder_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("thesis.tex"), "").unwrap();
        let refused = export(&path, &["trials.csv"]).unwrap_err();
        assert!(refused.to_string().contains("holds `thesis.tex`, which no export has put there"), "{refused}");
        fs::remove_file(path.join("thesis.tex")).unwrap();
        export(&path, &["optuna.db", "a/events"]).unwrap();
        fs::write(path.join("a/more"), "").unwrap();
        let refused = export(&path, &["trials.csv"]).unwrap_err();
        assert!(refused.to_string().contains("holds `a/more`") && refused.is_wrong_input(), "{refused}");
        fs::remove_file(path.join("a/more")).unwrap();
        fs::write(path.join("optuna.db"), "continued").unwrap();
        let refused = export(&path, &["trials.csv"]).unwrap_err();
        assert!(refused.to_string().contains("`optuna.db` in `") && refused.is_wrong_input(), "{refused}");
        assert_eq!(there(&path), ["a/events", MANIFEST, "optuna.db"]);
        // A manifest of something else is no manifest, and a file is no folder.
        fs::write(path.join(MANIFEST), "{}").unwrap();
        assert!(matches!(export(&path, &["x"]), Err(ExportError::Occupied { .. })));
        assert!(matches!(export(&path.join("optuna.db"), &["x"]), Err(ExportError::NotAFolder { .. })));
    }

    #[test]
    fn what_a_killed_export_left_is_no_obstacle_and_a_failed_one_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::create_dir_all(path.join(".frostline-export-x1/a")).unwrap();
        drop(Folder::open(&path).unwrap().staging().unwrap());
        assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
        let new = folder.path().join("new");
        drop(Folder::open(&new).unwrap().staging().unwrap());
        assert!(!new.exists());
        std::os::unix::fs::symlink("/", path.join("link")).unwrap();
        assert!(matches!(export(&path, &["x"]), Err(ExportError::Occupied { .. })));
    }
}
