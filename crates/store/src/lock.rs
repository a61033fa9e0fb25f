//! One writer a results folder: a lock that ends with its process, however that ends.

use crate::StoreError;
use frostline_results::{Folder, Holder};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    /// Who left a note without holding the lock: it was killed, or holds it where this machine does not see that.
    before: Option<Holder>,
    /// What the file says when the lock is gone.
    leaves: Option<Holder>,
}

impl Lock {
    /// # Errors
    /// [`StoreError::Locked`] where another process, or another part of this one, holds it.
    pub(crate) fn take(results: &Path) -> Result<Lock, StoreError> {
        let path = Folder::new(results).lock();
        let failed = |action| {
            let path = path.clone();
            move |source| StoreError::file(action, &path, source)
        };
        // Not truncated: until it is locked, what it says belongs to somebody else.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed("open"))?;
        let is_ours = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        };
        let mut note = Vec::new();
        file.read_to_end(&mut note).map_err(failed("read"))?;
        let before = Holder::parse(&String::from_utf8_lossy(&note));
        if !is_ours {
            return Err(StoreError::Locked { path: results.to_owned(), holder: before });
        }
        let lock = Lock { file, before, leaves: None };
        lock.write(&Holder::own()).map_err(failed("write"))?;
        Ok(lock)
    }

    /// Lets go, and leaves the note that was there: its process lives after all.
    pub(crate) fn give_back(mut self) -> Option<Holder> {
        self.leaves = self.before.take();
        self.leaves.clone()
    }

    fn write(&self, holder: &Holder) -> io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        file.write_all(holder.note().as_bytes())?;
        // Machines that share the disk see it from now on.
        file.sync_all()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The note goes before the lock does, so that the next holder is not taken for this one. A note that stays
        // does no harm beyond that.
        let _ = match &self.leaves {
            Some(holder) => self.write(holder),
            None => self.file.set_len(0),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_given_back_leaves_the_note_of_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let file = Folder::new(folder.path()).lock();
        std::fs::write(&file, "7 n3\n").unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        assert_eq!(Holder::of(folder.path()), Some(Holder::own()));
        assert_eq!(lock.give_back().unwrap().to_string(), "process 7 on n3");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "7 n3\n");
        drop(Lock::take(folder.path()).unwrap());
        assert_eq!(Holder::of(folder.path()), None);
    }
}
