//! Where the running coordinator listens: left in the results folder, so that workers and commands find it whatever their
//! environment is.

use crate::replace;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub socket: PathBuf,
    /// The coordinator's process id, for people who look into the file.
    pub process: u32,
}

impl Endpoint {
    /// None where no coordinator has left one.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn read(file: &Path) -> io::Result<Option<Endpoint>> {
        match fs::read(file) {
            Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// In place of the one before.
    ///
    /// # Errors
    /// The file cannot be written, or the path is not UTF-8.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        replace(file, &serde_json::to_vec(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_anything_else_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("endpoint.json");
        assert_eq!(Endpoint::read(&file).unwrap(), None);
        let endpoint = Endpoint { socket: "/run/user/1000/frostline/x/socket".into(), process: 7 };
        endpoint.write(&file).unwrap();
        let text = r#"{"socket":"/run/user/1000/frostline/x/socket","process":7}"#;
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        assert_eq!(Endpoint::read(&file).unwrap(), Some(endpoint));
        fs::write(&file, "{\"socket\":").unwrap();
        assert!(Endpoint::read(&file).is_err());
    }
}
