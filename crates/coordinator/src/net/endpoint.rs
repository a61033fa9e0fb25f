//! Where a results folder's coordinator listens: in a folder for its user alone.
//!
//! A socket's path must fit into 108 bytes, and a results folder may be on a file system without sockets, so the socket
//! lies elsewhere as a rule: in the first place that works. Which one that is stands in the results folder
//! ([`Endpoint`]): workers and commands may live in another environment, and find it there.

use crate::error::CoordinatorError;
use frostline_results::{Endpoint, Folder, own_folder};
use rustix::process::getuid;
use std::fs::Permissions;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// Bytes of a socket's path at most: `sun_path` less the zero at its end.
const LONGEST: usize = 107;

/// Listens for the results folder `results`, which must exist, and leaves word of it there. The caller holds the folder's
/// lock: a socket that is there is a dead coordinator's.
pub(crate) fn listen(results: &Path) -> Result<(UnixListener, Endpoint), CoordinatorError> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let mut tried = Vec::new();
    for folders in candidates(runtime, std::env::temp_dir(), results) {
        let socket = socket_in(&folders);
        match bind(&folders, &socket) {
            Ok(listener) => {
                let endpoint = Endpoint { socket, process: std::process::id() };
                let file = Folder::new(results).endpoint();
                let written = private_folder(&Folder::new(results).run()).and_then(|()| endpoint.write(&file));
                written.map_err(|source| CoordinatorError::File { path: file, source })?;
                return Ok((listener, endpoint));
            }
            Err(error) => tried.push(format!("{}: {error}", socket.display())),
        }
    }
    Err(CoordinatorError::NoSocket { tried: tried.join("; ") })
}

/// Places for the socket of `results`, the best first: the user's runtime folder, folders for temporary files, and the
/// results folder itself. Of each the folders that are made for it, for the user alone; the socket lies in the last.
fn candidates(runtime: Option<PathBuf>, temporary: PathBuf, results: &Path) -> Vec<Vec<PathBuf>> {
    let digest = blake3::hash(results.as_os_str().as_encoded_bytes()).to_hex();
    let user = format!("frostline-{}", getuid().as_raw());
    let mut folders: Vec<PathBuf> = Vec::new();
    folders.extend(runtime.filter(|folder| folder.is_dir()).map(|folder| folder.join("frostline")));
    for shared in [temporary, "/tmp".into(), "/dev/shm".into()] {
        let folder = shared.join(&user);
        if !folders.contains(&folder) {
            folders.push(folder);
        }
    }
    let own = |folder: PathBuf| {
        let inner = folder.join(&digest[..16]);
        vec![folder, inner]
    };
    folders.into_iter().map(own).chain([vec![Folder::new(results).run()]]).collect()
}

fn socket_in(folders: &[PathBuf]) -> PathBuf {
    folders.last().map(|folder| folder.join("socket")).unwrap_or_default()
}

fn bind(folders: &[PathBuf], socket: &Path) -> io::Result<UnixListener> {
    if socket.as_os_str().len() > LONGEST {
        return Err(io::Error::other(format!("a socket's path has {LONGEST} bytes at most")));
    }
    // It is told to workers in a text.
    if socket.to_str().is_none() {
        return Err(io::Error::other("the path is not UTF-8"));
    }
    folders.iter().try_for_each(|folder| private_folder(folder))?;
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Makes sure that `folder` is there, is ours, and is closed to others.
pub(super) fn private_folder(folder: &Path) -> io::Result<()> {
    if own_folder(folder, getuid().as_raw())?.mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_socket_is_private_and_the_results_folder_says_where_it_is() {
        let parent = tempfile::tempdir().unwrap();
        let long = parent.path().join("a".repeat(200));
        std::fs::create_dir(&long).unwrap();
        let (_listener, endpoint) = listen(&long).unwrap();
        assert_eq!(Endpoint::read(&Folder::new(&long).endpoint()).unwrap().as_ref(), Some(&endpoint));
        assert_eq!(std::fs::metadata(&endpoint.socket).unwrap().mode() & 0o777, 0o600);
        let folder = endpoint.socket.parent().unwrap();
        assert_eq!(std::fs::metadata(folder).unwrap().mode() & 0o777, 0o700);
        UnixStream::connect(&endpoint.socket).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_place_that_cannot_be_used_is_passed_over() {
        let parent = tempfile::tempdir().unwrap();
        let results = parent.path().join("results");
        std::fs::create_dir_all(results.join("run")).unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        let long = parent.path().join("b".repeat(90));
        std::fs::create_dir(&long).unwrap();
        let link = parent.path().join("link");
        std::fs::create_dir(&link).unwrap();
        std::os::unix::fs::symlink("/usr", link.join("frostline")).unwrap();
        let first = |runtime: Option<&PathBuf>| {
            candidates(runtime.cloned(), parent.path().to_owned(), &results).swap_remove(0)
        };
        let bound = |folders: &[PathBuf]| bind(folders, &socket_in(folders));
        for unusable in [&long, &link] {
            let folders = first(Some(unusable));
            assert!(folders[0].starts_with(unusable), "{folders:?}");
            assert!(bound(&folders).is_err(), "{folders:?}");
        }
        // No folder at all: temporary files come next.
        for runtime in [Some(&file), None] {
            let name = format!("frostline-{}", getuid().as_raw());
            assert_eq!(first(runtime)[0], parent.path().join(name));
        }
        let all = candidates(None, parent.path().to_owned(), &results);
        assert_eq!(socket_in(all.last().unwrap()), results.join("run/socket"));
        bound(&all[0]).unwrap();
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
