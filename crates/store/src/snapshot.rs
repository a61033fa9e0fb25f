//! A database on a shared disk: opened by one process alone, and read by all others as a snapshot.
//!
//! A snapshot is a copy of the database's file, put in place whole. It is sound without locks, and commits do not wait
//! for it: what is in SQLite's log goes into the file first, and after that the file stays as it is, and commits go into the log
//! alone, until the copy is done. The snapshot before stays, too: who has it open on another machine would lose it
//! otherwise, since network disks forget files that have no name.

use crate::StoreError;
use crate::connect::is_being_written;
use frostline_results::{Folder, Holder};
use rusqlite::Connection;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
use std::fs::{self, File};
use std::io::{self, ErrorKind, Seek};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// Between two snapshots; as much longer as keeps copying below a hundredth of the time, up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(60);
const SHARE: u32 = 100;
/// Of a log that goes into the file: SQLite's own default.
const LOG_PAGES: u32 = 1000;

/// Keeps the snapshot of a database that this process has for itself.
#[derive(Debug)]
pub(crate) struct Snapshots {
    /// The database's file. It stays open as long as the connection does: closing any descriptor of it would take SQLite's
    /// locks off it (fcntl(2)).
    database: Arc<File>,
    folder: Folder,
    copying: Option<JoinHandle<io::Result<Duration>>>,
    /// Of the rows that the connection had changed when the last snapshot was begun.
    changes: Option<u64>,
    due: Instant,
}

impl Snapshots {
    /// # Errors
    /// The database's file cannot be read.
    pub(crate) fn new(folder: Folder) -> Result<Snapshots, StoreError> {
        let path = folder.database();
        let database = File::open(&path).map_err(|source| StoreError::file("read", &path, source))?;
        // Of a time when others opened the database, too; nobody does any more.
        let mut index = path.into_os_string();
        index.push("-shm");
        let _ = fs::remove_file(index);
        Ok(Snapshots { database: Arc::new(database), folder, copying: None, changes: None, due: Instant::now() })
    }

    /// Begins a snapshot where one is due, and returns at once.
    ///
    /// # Errors
    /// The snapshot before could not be written, or this one cannot be begun. The next one is tried later.
    pub(crate) fn keep(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if self.copying.as_ref().is_some_and(JoinHandle::is_finished) {
            self.finish(connection)?;
        }
        if self.copying.is_some() || Instant::now() < self.due {
            return Ok(());
        }
        self.due = Instant::now() + LONGEST;
        if self.is_current(connection) {
            self.due = Instant::now() + SHORTEST;
            return touch(&self.folder);
        }
        self.begin(connection)?;
        self.let_log_grow(connection, true)?;
        let (database, folder) = (Arc::clone(&self.database), self.folder.clone());
        match thread::Builder::new().name("snapshot".to_owned()).spawn(move || copy(&database, &folder)) {
            Ok(copying) => self.copying = Some(copying),
            Err(source) => {
                self.changes = None;
                self.let_log_grow(connection, false)?;
                return Err(self.failed(source));
            }
        }
        Ok(())
    }

    /// Makes the last one, and waits for it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn end(&mut self, connection: &Connection) -> Result<(), StoreError> {
        // One that is under way comes first, however it ends: the file must stay as it is until then.
        let before = self.finish(connection);
        if self.is_current(connection) && before.is_ok() {
            return Ok(());
        }
        self.begin(connection)?;
        copy(&self.database, &self.folder).map(drop).map_err(|source| self.failed(source))
    }

    fn is_current(&self, connection: &Connection) -> bool {
        self.changes == Some(connection.total_changes())
    }

    /// All that is committed goes into the database's file, which then stays as it is.
    fn begin(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let path = self.folder.database();
        let failed = |source| StoreError::sqlite(&path, source);
        let held: bool =
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(failed)?;
        if held {
            return Err(StoreError::Held { path });
        }
        self.changes = Some(connection.total_changes());
        Ok(())
    }

    /// Else SQLite puts the log into the file once it is long.
    fn let_log_grow(&self, connection: &Connection, grows: bool) -> Result<(), StoreError> {
        let pages = if grows { 0 } else { LOG_PAGES };
        let set = connection.pragma_update(None, "wal_autocheckpoint", pages);
        set.map_err(|source| StoreError::sqlite(&self.folder.database(), source))
    }

    fn finish(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let Some(copying) = self.copying.take() else { return Ok(()) };
        let copied = copying.join().unwrap_or_else(|_| Err(io::Error::other("its thread has failed")));
        self.let_log_grow(connection, false)?;
        match copied {
            Ok(took) => {
                self.due = Instant::now() + (took * SHARE).clamp(SHORTEST, LONGEST);
                Ok(())
            }
            Err(source) => {
                self.changes = None;
                Err(self.failed(source))
            }
        }
    }

    fn failed(&self, source: io::Error) -> StoreError {
        StoreError::file("write", &self.folder.snapshot(), source)
    }
}

/// Copies the database, and puts the copy in place of the snapshot before. Says how long that took.
fn copy(database: &File, folder: &Folder) -> io::Result<Duration> {
    let start = Instant::now();
    let snapshot = folder.snapshot();
    let aside = snapshot.with_extension("writing");
    let mut from = database;
    from.rewind()?;
    let mut to = File::create(&aside)?;
    let (copied, whole) = (io::copy(&mut from, &mut to)?, database.metadata()?.len());
    if copied != whole {
        let message = format!("{copied} of {whole} bytes were copied");
        return Err(io::Error::new(ErrorKind::UnexpectedEof, message));
    }
    to.sync_all()?;
    keep_before(folder)?;
    fs::rename(&aside, &snapshot)?;
    // Not every disk of a network knows that of folders, and the copy is whole under either name.
    let _ = File::open(folder.path()).and_then(|folder| folder.sync_all());
    Ok(start.elapsed())
}

/// Gives the snapshot that there is a second name, under which it outlives the next one.
fn keep_before(folder: &Folder) -> io::Result<()> {
    let aside = folder.snapshot_before().with_extension("linking");
    let linked = fs::remove_file(&aside).or_else(missing).and_then(|()| fs::hard_link(folder.snapshot(), &aside));
    match linked {
        Ok(()) => fs::rename(&aside, folder.snapshot_before()),
        // The first one; or a disk that has no second names, whose readers may have to ask again.
        Err(_) => Ok(()),
    }
}

fn missing(error: io::Error) -> io::Result<()> {
    if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Says of a snapshot that it is as good as a new one. The time is the disk's, as it is for what is written.
fn touch(folder: &Folder) -> Result<(), StoreError> {
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let snapshot = folder.snapshot();
    let times = Timestamps { last_access: now, last_modification: now };
    let touched = utimensat(CWD, &snapshot, &times, AtFlags::empty());
    touched.map_err(|error| StoreError::file("write", &snapshot, error.into()))
}

/// A snapshot that is read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) folder: Folder,
    /// Of its file, which is another one for each snapshot.
    number: u64,
    /// Seconds since 1970, where it may not be all that there is.
    pub(crate) as_of: Option<f64>,
}

impl Snapshot {
    /// The one that a folder has now.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where nothing was launched into the folder, [`StoreError::NoSnapshot`] where its writer has
    /// made none yet.
    pub(crate) fn of(folder: &Folder) -> Result<Snapshot, StoreError> {
        let (path, database) = (folder.snapshot(), folder.database());
        let found = match fs::metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(match database.exists() {
                    true => {
                        StoreError::NoSnapshot { path: folder.path().to_owned(), holder: Holder::of(folder.path()) }
                    }
                    false => StoreError::Missing { results: folder.path().to_owned() },
                });
            }
            Err(error) => return Err(StoreError::reading("read", &path, error)),
        };
        // Each time is the disk's, so that they can be compared whatever the clocks of machines say.
        let is_newer = |at: io::Result<fs::Metadata>| {
            at.ok().is_none_or(|at| match (at.modified(), found.modified()) {
                (Ok(database), Ok(snapshot)) => database > snapshot,
                _ => true,
            })
        };
        let has_more = is_being_written(&database) || is_newer(fs::metadata(&database));
        let at = found.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let as_of = at.map(|at| at.as_secs_f64()).filter(|_| has_more);
        Ok(Snapshot { folder: folder.clone(), number: found.ino(), as_of })
    }

    /// A number that is another one for each snapshot.
    pub(crate) fn version(&self) -> i64 {
        self.number.cast_signed()
    }
}
