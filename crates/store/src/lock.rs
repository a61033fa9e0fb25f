//! One writer a results folder: a lock that ends with its process, however that ends.

use crate::StoreError;
use frostline_results::{Folder, Holder, RunStatus, host};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// Between two looks for a sign of life.
const PAUSE: Duration = Duration::from_millis(200);
/// Looks in a row without one, after which nobody is at work.
const SILENT_LOOKS: u32 = 5;

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

    /// Lets go where a coordinator of another machine is at work all the same: not every disk of a network carries locks. It
    /// leaves a sign of life each second, so one that was killed is waited for until it has been silent for long.
    ///
    /// # Errors
    /// [`StoreError::Locked`].
    pub(crate) fn unless_another_machine_is_at_work(self, results: &Path) -> Result<Lock, StoreError> {
        let status = Folder::new(results).status();
        let sign = || {
            let before = self.before.as_ref()?;
            let run = RunStatus::read(&status)?;
            (run.process == before.process && run.host == before.host).then_some(run.at)
        };
        if self.before.as_ref().is_none_or(|before| before.host.is_empty() || before.host == host()) {
            return Ok(self);
        }
        let (mut seen, mut silent) = (None, 0);
        // Such disks may lose sight of a file that is replaced, so one look without it proves nothing.
        while silent < SILENT_LOOKS {
            match sign() {
                Some(at) if seen.is_some_and(|seen| seen != at) => {
                    return Err(StoreError::Locked { path: results.to_owned(), holder: self.give_back() });
                }
                Some(at) => (seen, silent) = (Some(at), 0),
                None => silent += 1,
            }
            sleep(PAUSE);
        }
        Ok(self)
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
    use std::time::{SystemTime, UNIX_EPOCH};

    #[test]
    fn a_coordinator_of_another_machine_is_seen_at_work_where_its_lock_is_not() {
        let results = tempfile::tempdir().unwrap();
        let folder = Folder::new(results.path());
        std::fs::create_dir(folder.run()).unwrap();
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let lives = |at: f64| {
            let (sweep, host) = ("demo".to_owned(), host() + "-2");
            let run = RunStatus { sweep, process: 7, host, at, seconds_left: None, draining: false, running: vec![] };
            run.write(&folder.status()).unwrap();
        };
        let note = format!("7 {}-2\n", host());
        std::fs::write(folder.lock(), &note).unwrap();
        let taken = || Lock::take(results.path()).unwrap().unless_another_machine_is_at_work(results.path());
        lives(now());
        std::thread::scope(|scope| {
            let refused = scope.spawn(|| taken().unwrap_err().to_string());
            while !refused.is_finished() {
                lives(now());
                std::thread::yield_now();
            }
            assert!(refused.join().unwrap().contains(&format!("process 7 on {}-2", host())));
        });
        assert_eq!(std::fs::read_to_string(folder.lock()).unwrap(), note);
        // Killed some minutes ago.
        lives(now() - 600.0);
        drop(taken().unwrap());
        assert_eq!(Holder::of(results.path()), None);
    }

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
