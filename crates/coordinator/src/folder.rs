//! Whether the results folder is still where it was: a sweep must not go on in files that nobody finds any more.

use crate::error::CoordinatorError;
use frostline_results::{Folder, quoted};
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

pub(crate) struct Watched {
    path: PathBuf,
    folder: OwnedFd,
    database: OwnedFd,
}

impl Watched {
    /// # Errors
    /// The folder or its database cannot be looked at.
    pub(crate) fn open(path: &Path) -> Result<Watched, CoordinatorError> {
        // Descriptors for looking only: closing one that can read the database would take SQLite's locks off it.
        let open = |path: &Path| rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let attempt = || {
            let database = open(&Folder::new(path).database())?;
            io::Result::Ok(Watched { path: path.to_owned(), folder: open(path)?, database })
        };
        attempt().map_err(|source| CoordinatorError::File { path: path.to_owned(), source })
    }

    /// # Errors
    /// The folder was moved or removed, or its database; says where to go on.
    pub(crate) fn check(&self, sweep: &str) -> Result<(), CoordinatorError> {
        let what = if !is_at(&self.path, &self.folder) {
            match self.now() {
                Some(now) => format!(
                    "was moved to `{}` while a sweep ran in it; all that was measured is there, and \
                     `frostline resume {sweep} --results {}` continues",
                    now.display(),
                    quoted(&now)
                ),
                None => "was removed while a sweep ran in it, and its results with it".to_owned(),
            }
        } else if !is_at(&Folder::new(&self.path).database(), &self.database) {
            "has lost its database, or has got another one, while a sweep ran in it".to_owned()
        } else {
            return Ok(());
        };
        Err(CoordinatorError::Gone { path: self.path.clone(), what })
    }

    /// Where the folder is now, if anywhere, as the system says it of an open one.
    fn now(&self) -> Option<PathBuf> {
        let now = std::fs::read_link(format!("/proc/self/fd/{}", self.folder.as_raw_fd())).ok()?;
        is_at(&now, &self.folder).then_some(now)
    }
}

/// Whether this path leads to what was opened. An open file keeps its number, so that no new one can have it.
fn is_at(path: &Path, opened: &OwnedFd) -> bool {
    match (rustix::fs::stat(path), rustix::fs::fstat(opened)) {
        (Ok(found), Ok(opened)) => (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder() -> (tempfile::TempDir, PathBuf, Watched) {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("results");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("frostline.db"), "").unwrap();
        let watched = Watched::open(&path).unwrap();
        watched.check("demo").unwrap();
        (parent, path, watched)
    }

    #[test]
    fn a_folder_that_was_moved_is_found_again() {
        let (parent, path, watched) = folder();
        let now = parent.path().join("o\'clock");
        fs::rename(&path, &now).unwrap();
        let said = watched.check("demo").unwrap_err().to_string();
        let shown = now.display().to_string();
        assert!(said.contains(&format!("was moved to `{shown}`")), "{said}");
        let argument = shown.replace('\'', r"'\''");
        assert!(said.contains(&format!("`frostline resume demo --results '{argument}'` continues")), "{said}");
        // A new one in its place is not it.
        fs::create_dir(&path).unwrap();
        fs::write(path.join("frostline.db"), "").unwrap();
        assert!(watched.check("demo").unwrap_err().to_string().contains("was moved"));
    }

    #[test]
    fn a_folder_or_a_database_that_is_gone_is_noticed() {
        let (_parent, path, watched) = folder();
        fs::remove_file(path.join("frostline.db")).unwrap();
        assert!(watched.check("demo").unwrap_err().to_string().contains("has lost its database"));
        fs::write(path.join("new"), "").unwrap();
        fs::rename(path.join("new"), path.join("frostline.db")).unwrap();
        assert!(watched.check("demo").is_err(), "another database");
        fs::remove_dir_all(&path).unwrap();
        assert!(watched.check("demo").unwrap_err().to_string().contains("was removed while a sweep ran"));
    }
}
