//! The lock of a fill: processes that want the same features compute them once.
//!
//! The file goes when the fill ends, so that the cache keeps none for each cut that ever was. It is removed while it is
//! still locked, and whoever gets the lock of a file that has lost its name meanwhile begins again with the file that has
//! the name now: so two never hold the lock of one name.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Held as long as it lives, and as its process does.
pub(crate) struct FillLock {
    path: PathBuf,
    _file: File,
}

impl FillLock {
    /// Takes the lock. While another holds it, `go_on` is asked again and again, and is to wait a little before it answers;
    /// none where it says no.
    ///
    /// # Errors
    /// The file cannot be made, looked at or locked.
    pub(crate) fn take(path: &Path, mut go_on: impl FnMut() -> bool) -> io::Result<Option<FillLock>> {
        loop {
            let file = File::options().write(true).create(true).truncate(false).open(path)?;
            loop {
                match file.try_lock() {
                    Ok(()) => break,
                    Err(TryLockError::Error(error)) => return Err(error),
                    Err(TryLockError::WouldBlock) if go_on() => {}
                    Err(TryLockError::WouldBlock) => return Ok(None),
                }
            }
            if is_called(&file, path)? {
                return Ok(Some(FillLock { path: path.to_owned(), _file: file }));
            }
        }
    }
}

impl Drop for FillLock {
    fn drop(&mut self) {
        // One that stays is taken over by the next fill of these features.
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!("the lock {} stays: {error}", self.path.display());
        }
    }
}

/// Whether `path` is a name of this very file.
fn is_called(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_gone_when_it_ends_and_who_waits_may_give_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.lock");
        let held = FillLock::take(&path, || false).unwrap();
        assert!(held.is_some());
        let mut asked = 0;
        let waited = FillLock::take(&path, || {
            asked += 1;
            asked < 3
        });
        assert!(waited.unwrap().is_none());
        assert_eq!(asked, 3);
        drop(held);
        assert!(!path.exists());
        // What a killed process has left is no obstacle.
        fs::write(&path, "").unwrap();
        drop(FillLock::take(&path, || false).unwrap().expect("nobody holds it"));
        assert!(!path.exists());
    }

    /// One waits for a file that goes, and a third is faster with the next file of that name.
    #[test]
    fn two_never_hold_the_lock_of_one_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.lock");
        let take = || FillLock::take(&path, || false).unwrap();
        let mut holder = take();
        let mut turns = 0;
        let waited = FillLock::take(&path, || {
            turns += 1;
            holder = None;
            if turns == 1 {
                holder = take();
                assert!(holder.is_some());
            }
            true
        });
        let waited = waited.unwrap();
        assert_eq!(turns, 2, "it waited for the third, too");
        assert!(waited.is_some() && take().is_none());
    }
}
