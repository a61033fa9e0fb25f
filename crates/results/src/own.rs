//! Folders of one user in places that others may write to.

use std::fs::{DirBuilder, Metadata, symlink_metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

/// Makes sure that `folder` is there and is `user`'s, a new one closed to others, and says what is known of it.
///
/// # Errors
/// It cannot be made, or somebody else has made it, or put a link there.
pub fn own_folder(folder: &Path, user: u32) -> io::Result<Metadata> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != user {
        let message = format!("{} is not a folder of this user", folder.display());
        return Err(io::Error::new(ErrorKind::PermissionDenied, message));
    }
    Ok(found)
}
