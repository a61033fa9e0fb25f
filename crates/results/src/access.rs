//! What a worker on another machine needs to find its coordinator and to be let in: one file, for its user alone.

use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Certificates and keys are PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// "host:port" of the coordinator, the likeliest first.
    pub addresses: Vec<String>,
    /// Names the authority: the same for as long as workers may come back.
    pub name: String,
    pub sweep: String,
    /// Whether its trials are computed with CUDA.
    pub on_gpu: bool,
    /// Whether GPUs take only algorithms that give the same sums each time.
    pub deterministic: bool,
    /// Threads of each worker: results repeat to the bit for the same number only.
    pub threads: u32,
    /// Of the authority that has signed the coordinator's certificate and this one, and signs nothing else.
    pub authority: String,
    pub certificate: String,
    pub key: String,
    /// The results folder's secret.
    pub token: String,
}

impl Access {
    /// # Errors
    /// The file cannot be read, is open to others, or holds something else.
    pub fn read(file: &Path) -> io::Result<Access> {
        let mode = fs::metadata(file)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let message = format!("it is open to others (mode {mode:03o}): chmod 600 {}", crate::quoted(file));
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        serde_json::from_slice(&fs::read(file)?).map_err(io::Error::other)
    }

    /// In place of the one before; never open to others, not even for a moment.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let aside = file.with_extension(format!("{}.writing", std::process::id()));
        let _ = fs::remove_file(&aside);
        let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        out.write_all(&serde_json::to_vec_pretty(self)?)?;
        fs::rename(aside, file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_the_door_is_kept_from_others_and_refused_where_it_was_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("access.json");
        let text = || "x".to_owned();
        let access = Access {
            addresses: vec!["h:1".to_owned()],
            name: text(),
            sweep: text(),
            on_gpu: false,
            deterministic: true,
            threads: 1,
            authority: text(),
            certificate: text(),
            key: text(),
            token: text(),
        };
        access.write(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Access::read(&file).unwrap(), access);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Access::read(&file).unwrap_err().to_string();
        assert!(refused.starts_with("it is open to others (mode 640): chmod 600 "), "{refused}");
    }
}
