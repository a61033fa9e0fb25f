//! One writer a results folder: a lock that ends with its process, however that ends.

use crate::StoreError;
use frostline_results::Folder;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::Path;

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
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
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).map_err(failed("read"))?;
                return Err(StoreError::Locked { path: results.to_owned(), pid: pid.trim().parse().ok() });
            }
            Err(TryLockError::Error(source)) => return Err(failed("lock")(source)),
        }
        file.set_len(0).map_err(failed("write"))?;
        writeln!(file, "{}", std::process::id()).map_err(failed("write"))?;
        Ok(Lock { file })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The note goes before the lock does, so that the next holder is not taken for this one. A note that stays
        // does no harm beyond that.
        let _ = self.file.set_len(0);
    }
}
