//! Where a results folder's coordinator listens, and the secret that its workers and clients show.
//!
//! The socket lies in a private folder outside the results folder: its path must fit into 108 bytes, and a results
//! folder may be on a file system without sockets. The path follows from the results folder alone, so that workers
//! find the next coordinator of the same folder after the last one died.

use crate::error::CoordinatorError;
use frostline_results::Folder;
use rustix::process::getuid;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Folder and path of the socket of `results`. The results folder must exist.
pub(crate) fn path(results: &Path) -> io::Result<PathBuf> {
    let results = results.canonicalize()?;
    let digest = blake3::hash(results.as_os_str().as_encoded_bytes()).to_hex();
    Ok(runtime_folder().join(&digest[..16]).join("socket"))
}

/// The user's folder for sockets: `$XDG_RUNTIME_DIR/frostline`, else `/tmp/frostline-<uid>`.
fn runtime_folder() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_dir()) {
        Some(folder) => folder.join("frostline"),
        None => PathBuf::from(format!("/tmp/frostline-{}", getuid().as_raw())),
    }
}

/// Listens for `results`. The caller holds the results folder's lock: a socket that is there is a dead coordinator's.
pub(crate) fn listen(results: &Path) -> Result<(UnixListener, PathBuf), CoordinatorError> {
    let attempt = || {
        let socket = path(results)?;
        let folder = socket.parent().unwrap_or(Path::new("/"));
        folder.parent().map_or(Ok(()), private_folder)?;
        private_folder(folder)?;
        match std::fs::remove_file(&socket) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&socket)?;
        std::fs::set_permissions(&socket, Permissions::from_mode(0o600))?;
        Ok((listener, socket))
    };
    attempt().map_err(|source| CoordinatorError::Socket {
        path: path(results).unwrap_or_else(|_| runtime_folder()),
        source,
    })
}

/// Makes sure that `folder` is there, is ours, and is closed to others.
fn private_folder(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    // In /tmp somebody else may have made it before us, or put a link there.
    let found = std::fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != getuid().as_raw() {
        let message = format!("{} is not a folder of this user; remove it or set XDG_RUNTIME_DIR", folder.display());
        return Err(io::Error::new(ErrorKind::PermissionDenied, message));
    }
    if found.mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn token_path(results: &Path) -> PathBuf {
    Folder::new(results).token()
}

/// The results folder's secret. None where no coordinator has run in it yet.
pub(crate) fn read_token(results: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(token_path(results)) {
        Ok(token) if token.is_empty() => Ok(None),
        Ok(token) => Ok(Some(token)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The results folder's secret, made where there is none: workers of the last coordinator must still be known.
pub(crate) fn token(results: &Path) -> Result<String, CoordinatorError> {
    let attempt = || {
        if let Some(token) = read_token(results)? {
            return Ok(token);
        }
        let path = token_path(results);
        private_folder(path.parent().unwrap_or(results))?;
        let mut secret = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut secret)?;
        let token = blake3::Hash::from_bytes(secret).to_hex().to_string();
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        file.write_all(token.as_bytes())?;
        file.sync_all()?;
        Ok(token)
    };
    attempt().map_err(|source| CoordinatorError::File { path: token_path(results), source })
}

/// Compares in a time that does not depend on where the two differ.
pub(crate) fn same_token(ours: &str, theirs: &str) -> bool {
    blake3::hash(ours.as_bytes()) == blake3::hash(theirs.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_kept_and_private() {
        let results = tempfile::tempdir().unwrap();
        assert_eq!(read_token(results.path()).unwrap(), None);
        let first = token(results.path()).unwrap();
        assert_eq!(first.len(), 64);
        assert_eq!(token(results.path()).unwrap(), first);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&token_path(results.path())), 0o600);
        assert_eq!(mode(&results.path().join("run")), 0o700);
    }

    #[test]
    fn the_socket_follows_from_the_folder_and_is_private() {
        let parent = tempfile::tempdir().unwrap();
        let long = parent.path().join("a".repeat(200));
        std::fs::create_dir(&long).unwrap();
        std::os::unix::fs::symlink(&long, parent.path().join("link")).unwrap();
        assert_eq!(path(&long).unwrap(), path(&parent.path().join("link")).unwrap());

        let (_listener, socket) = listen(&long).unwrap();
        assert!(socket.as_os_str().len() < 108);
        assert_eq!(std::fs::metadata(&socket).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(socket.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
        std::os::unix::net::UnixStream::connect(&socket).unwrap();
        std::fs::remove_dir_all(socket.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_folder_open_to_others_is_closed_and_a_link_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("open");
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        private_folder(&folder).unwrap();
        assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        let link = parent.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert_eq!(private_folder(&link).unwrap_err().kind(), ErrorKind::PermissionDenied);
    }
}
