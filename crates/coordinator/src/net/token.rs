//! The results folder's secret: whoever shows it may speak with its coordinator.

use super::endpoint::private_folder;
use crate::error::CoordinatorError;
use frostline_results::Folder;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

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
    use std::os::unix::fs::MetadataExt;

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
}
