//! Small files that others read while they are written anew.

use std::fs;
use std::io;
use std::path::Path;

/// Puts a file in place of what has its name: readers see the one before or this one, never a part. Two processes may do so
/// at once.
///
/// # Errors
/// The file cannot be written.
pub fn replace(file: &Path, content: &[u8]) -> io::Result<()> {
    let aside = file.with_extension(format!("{}.writing", std::process::id()));
    fs::write(&aside, content)?;
    fs::rename(aside, file)
}
