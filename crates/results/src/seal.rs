//! The seal of a file: the BLAKE3 digest of all that stands before it, as its last 32 bytes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Bytes of a seal.
pub const BYTES: usize = 32;

/// Writes a sealed file: `content` writes what is sealed. Synced when it returns.
///
/// # Errors
/// What `content` returns, and a file that cannot be written.
pub fn write(path: &Path, content: impl FnOnce(&mut Hashing<File>) -> io::Result<()>) -> io::Result<()> {
    let mut out = Hashing::new(File::create(path)?);
    content(&mut out)?;
    let (mut file, digest) = out.finish();
    file.write_all(digest.as_bytes())?;
    file.sync_all()
}

/// What the seal covers; none where it does not fit.
pub fn content(sealed: &[u8]) -> Option<&[u8]> {
    let (content, seal) = sealed.split_at_checked(sealed.len().checked_sub(BYTES)?)?;
    (blake3::hash(content).as_bytes()[..] == *seal).then_some(content)
}

/// Whether a file's content fits its seal.
///
/// # Errors
/// The file cannot be read.
pub fn is_sound(path: &Path) -> io::Result<bool> {
    Ok(content(&fs::read(path)?).is_some())
}

/// Hashes what passes through.
pub struct Hashing<W> {
    out: W,
    hasher: blake3::Hasher,
}

impl<W: Write> Hashing<W> {
    pub fn new(out: W) -> Hashing<W> {
        Hashing { out, hasher: blake3::Hasher::new() }
    }

    /// What was written to, and the digest of what has passed.
    pub fn finish(self) -> (W, blake3::Hash) {
        (self.out, self.hasher.finalize())
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_flipped_bit_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealed");
        write(&path, |out| out.write_all(b"con").and_then(|()| out.write_all(b"tent"))).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        assert_eq!(bytes, [&b"content"[..], blake3::hash(b"content").as_bytes()].concat());
        assert!(is_sound(&path).unwrap());
        bytes[3] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert!(!is_sound(&path).unwrap());
        fs::write(&path, b"short").unwrap();
        assert!(!is_sound(&path).unwrap());
    }
}
