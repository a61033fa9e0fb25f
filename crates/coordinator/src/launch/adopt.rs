//! Processes that a dead coordinator left behind, found by the system's table of processes.

use rustix::process::{Pid, PidfdFlags, getuid, pidfd_open};
use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Processes of this user whose arguments begin with `prefix`, by the table of processes: unlike a file of process
/// ids it can't be out of date. Each with its arguments and a descriptor that stays its own.
pub(super) fn processes_with(prefix: &[&OsStr]) -> Vec<(Vec<OsString>, OwnedFd)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw) else {
            continue;
        };
        let ours = |arguments: &Vec<OsString>| {
            arguments.iter().map(OsString::as_os_str).take(prefix.len()).eq(prefix.iter().copied())
        };
        let Some(arguments) = arguments_of(&entry.path()).filter(ours) else { continue };
        // Between the two looks the number may have gone to another process: then its arguments differ now.
        let Ok(handle) = pidfd_open(pid, PidfdFlags::NONBLOCK) else { continue };
        if arguments_of(&entry.path()).as_ref() == Some(&arguments) {
            found.push((arguments, handle));
        }
    }
    found
}

/// A process' arguments without the program's name; none where it is gone, not ours, or a zombie.
fn arguments_of(process: &Path) -> Option<Vec<OsString>> {
    if std::fs::metadata(process).ok()?.uid() != getuid().as_raw() {
        return None;
    }
    let line = std::fs::read(process.join("cmdline")).ok()?;
    let line = line.strip_suffix(b"\0")?;
    Some(line.split(|byte| *byte == 0).skip(1).map(|part| OsStr::from_bytes(part).to_owned()).collect())
}
