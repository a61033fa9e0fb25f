//! Opening a database: to be written together with others, or alone, and to be read.

use crate::error::Fault;
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// How long to wait for a lock that another process holds only for moments. Whoever holds it longer is to be named, and
/// the caller can say so and try again.
const BUSY: Duration = Duration::from_secs(1);

/// # Errors
/// It cannot be opened.
pub(crate) fn open_with_others(path: &Path) -> Result<Connection, Fault> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Opens a database for this process alone.
///
/// # Errors
/// Somebody else has it, or it cannot be opened in this way.
pub(crate) fn open_alone(path: &Path) -> Result<Connection, Fault> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    // Before anything is read: from then on SQLite asks nobody for shared memory.
    let mode: String =
        connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |row| row.get::<_, String>(0))?;
    if mode != "exclusive" {
        return Err(Fault::inconsistent(format!("SQLite's locking mode is `{mode}`, and not exclusive")));
    }
    Ok(connection)
}

/// Opens a database for reading; `immutable` promises that nobody changes its file meanwhile.
///
/// # Errors
/// It cannot be opened.
pub(crate) fn open_read_only(path: &Path, immutable: bool) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match immutable {
        false => Connection::open_with_flags(path, flags),
        true => Connection::open_with_flags(immutable_uri(path), flags | OpenFlags::SQLITE_OPEN_URI),
    }?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// Whether a writer has its log beside the database.
pub(crate) fn is_being_written(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    Path::new(&log).exists()
}

/// The database's file as a URI that promises that nobody changes it (<https://www.sqlite.org/uri.html>).
fn immutable_uri(path: &Path) -> OsString {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    (uri + "?immutable=1").into()
}
