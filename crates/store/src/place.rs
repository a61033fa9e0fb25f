//! Where a database may lie, and how it is opened there.
//!
//! In WAL mode SQLite keeps its index in memory that all processes share, and relies on locks: between the machines of a
//! network file system neither holds, and what two of them do there is lost. Where one process alone opens the database,
//! and says so before it looks at it, that index is its own memory, and the mode is sound
//! (<https://www.sqlite.org/wal.html>, section 8). A results folder that was made so says it by a file of its own; everybody
//! else reads a snapshot there.

use crate::StoreError;
use frostline_results::{Folder, replace};
use std::path::Path;

/// By the number that `statfs` gives: from Linux' `magic.h`, and from the file systems' own sources.
const NETWORK: [(u32, &str); 12] = [
    (0x0000_6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x0000_517b, "SMB"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x00c3_6400, "CephFS"),
    (0x7375_7245, "Coda"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x0117_10db, "PanFS"),
];

/// For people who find the file.
const MARK: &[u8] =
    b"The disk of this results folder is shared by several machines: one process alone opens frostline.db, all \
others read snapshot.db.\n";

/// Who opens a folder's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Everybody on its machine.
    Local,
    /// One process at a time.
    Shared,
}

/// Says of a results folder that machines share its disk.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn mark(results: &Path) -> Result<(), StoreError> {
    let mark = Folder::new(results).shared_disk();
    match mark.exists() {
        true => Ok(()),
        false => replace(&mark, MARK).map_err(|source| StoreError::file("write", &mark, source)),
    }
}

/// The number of the file system that `path` lies on, or will lie on once it is made; none where the system does not
/// tell.
pub(crate) fn file_system(path: &Path) -> Option<u32> {
    let absolute = std::path::absolute(path).ok()?;
    // The number has 32 bits, in a field that is wider on some machines and signed on others.
    absolute.ancestors().find_map(|folder| rustix::fs::statfs(folder).ok()).map(|found| found.f_type as u32)
}

/// How the database in `results` is opened.
///
/// # Errors
/// [`StoreError::Network`] where it lies on a network file system, by the number that `file_system` gives, and was not made
/// for one.
pub(crate) fn place(results: &Path, file_system: impl FnOnce(&Path) -> Option<u32>) -> Result<Place, StoreError> {
    if Folder::new(results).shared_disk().exists() {
        return Ok(Place::Shared);
    }
    let found = file_system(results);
    match NETWORK.iter().find(|(number, _)| Some(*number) == found) {
        Some((_, name)) => Err(StoreError::Network { path: results.to_owned(), file_system: name }),
        None => Ok(Place::Local),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_refused_by_name_and_local_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let refused = place(Path::new("results"), |_| Some(0x6969)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "`results` lies on a network file system (NFS), where SQLite's locks and shared memory do not hold: `frostline \
             launch --shared-disk` makes a results folder there that one process alone opens, or name a folder on a local \
             disk with --results"
        );
        // ext4, tmpfs, XFS, Btrfs, ZFS, overlay.
        for local in [0xef53, 0x0102_1994, 0x5846_5342, 0x9123_683e, 0x2fc1_2fc1, 0x794c_7630] {
            assert_eq!(place(folder.path(), |_| Some(local)).unwrap(), Place::Local);
        }
        assert_eq!(place(folder.path(), |_| None).unwrap(), Place::Local);
        mark(folder.path()).unwrap();
        for shared in [Some(0x6969), Some(0xef53), None] {
            assert_eq!(place(folder.path(), |_| shared).unwrap(), Place::Shared);
        }
    }

    #[test]
    fn a_folder_that_is_still_to_be_made_lies_where_its_parent_does() {
        let folder = tempfile::tempdir().unwrap();
        let here = file_system(folder.path());
        assert!(here.is_some());
        assert_eq!(file_system(&folder.path().join("not/there/yet")), here);
    }
}
