//! What a worker on another machine needs to find its coordinator and to be let in: one file, for its user alone, or what
//! is told to it over a connection that is safe already.

use crate::Folder;
use serde::{Deserialize, Serialize};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// The variable by which a worker whose connection is a pipe gets its [`Pass`], as JSON: nobody else reads it there.
pub const PASS: &str = "FROSTLINE_PASS";

/// What a sweep asks of a worker elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conditions {
    pub sweep: String,
    /// Whether its trials are computed with CUDA.
    pub on_gpu: bool,
    /// Whether GPUs take only algorithms that give the same sums each time.
    pub deterministic: bool,
    /// Threads of each worker: results repeat to the bit for the same number only.
    pub threads: u32,
}

/// What a worker elsewhere is told: the sweep's conditions, and the results folder's secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pass {
    #[serde(flatten)]
    pub conditions: Conditions,
    pub token: String,
}

impl Pass {
    /// One line, as whoever starts a worker at the other end of a pipe writes it first.
    ///
    /// # Errors
    /// None that is known.
    pub fn line(&self) -> io::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Names the results folder, and tells nobody its secret.
    pub fn name(&self) -> String {
        folder_name(&self.token)
    }

    /// Whether this folder is the results folder, seen from here.
    pub fn is_of(&self, results: &Path) -> bool {
        fs::read_to_string(Folder::new(results).token()).is_ok_and(|token| token == self.token)
    }
}

/// A name for the results folder that has this secret; it tells nobody the secret.
pub fn folder_name(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex()[..16].to_owned()
}

/// Certificates and keys are PEM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// "host:port" of the coordinator, the likeliest first.
    pub addresses: Vec<String>,
    #[serde(flatten)]
    pub pass: Pass,
    /// Of the authority that has signed the coordinator's certificate and this one, and signs nothing else.
    pub authority: String,
    pub certificate: String,
    pub key: String,
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
        let conditions = Conditions { sweep: text(), on_gpu: false, deterministic: true, threads: 1 };
        let access = Access {
            addresses: vec!["h:1".to_owned()],
            pass: Pass { conditions, token: text() },
            authority: text(),
            certificate: text(),
            key: text(),
        };
        access.write(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Access::read(&file).unwrap(), access);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = Access::read(&file).unwrap_err().to_string();
        assert!(refused.starts_with("it is open to others (mode 640): chmod 600 "), "{refused}");
    }

    #[test]
    fn a_results_folder_is_known_by_its_secret_and_named_without_it() {
        let folder = tempfile::tempdir().unwrap();
        let conditions = Conditions { sweep: "s".to_owned(), on_gpu: false, deterministic: false, threads: 1 };
        let pass = Pass { conditions, token: "secret".to_owned() };
        assert!(!pass.is_of(folder.path()));
        fs::create_dir(folder.path().join("run")).unwrap();
        fs::write(folder.path().join("run/token"), "another").unwrap();
        assert!(!pass.is_of(folder.path()));
        fs::write(folder.path().join("run/token"), "secret").unwrap();
        assert!(pass.is_of(folder.path()));
        assert!(!pass.name().contains("secret"));
        assert_eq!(pass.name(), folder_name("secret"));
    }
}
