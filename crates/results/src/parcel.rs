//! A file that travels from machine to machine in pieces: read on one side, put together beside its place on the other.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that travel in one message: a slow line carries them within the time that a write may take.
pub const PIECE: u64 = 256 << 10;

/// A file that is sent. What it holds stays as it is, whoever takes its name meanwhile.
#[derive(Debug, Clone)]
pub struct Parcel {
    pub file: Arc<File>,
    pub bytes: u64,
    /// BLAKE3 of its content, in hexadecimal digits.
    pub digest: String,
}

impl Parcel {
    /// Reads all of it once.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(path: &Path) -> io::Result<Parcel> {
        let file = File::open(path)?;
        let mut hasher = blake3::Hasher::new();
        let bytes = hasher.update_reader(&file)?.count();
        Ok(Parcel { file: Arc::new(file), bytes, digest: hasher.finalize().to_hex().to_string() })
    }

    /// The same; none where there is no such file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn find(path: &Path) -> io::Result<Option<Parcel>> {
        match Parcel::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Bytes of the piece that begins at this byte.
    pub fn length(&self, at: u64) -> u64 {
        PIECE.min(self.bytes.saturating_sub(at))
    }

    /// The piece that begins at this byte.
    ///
    /// # Errors
    /// It cannot be read, or has become shorter.
    pub fn read(&self, at: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.length(at) as usize];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

/// A file that comes, under a name of its own; it is gone where it is dropped before it is kept.
#[derive(Debug)]
pub struct Arriving {
    aside: PathBuf,
    file: File,
    bytes: u64,
    hasher: blake3::Hasher,
}

impl Arriving {
    /// `aside` is nobody else's name.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn begin(aside: PathBuf) -> io::Result<Arriving> {
        if let Some(folder) = aside.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = File::create(&aside)?;
        Ok(Arriving { aside, file, bytes: 0, hasher: blake3::Hasher::new() })
    }

    /// Takes the piece that begins `at` this byte, of a file of `of` bytes and this digest. Whether that was all.
    ///
    /// # Errors
    /// It cannot be written, is another piece than the next, or the whole is not what was sent.
    pub fn add(&mut self, at: u64, of: u64, digest: &str, bytes: &[u8]) -> io::Result<bool> {
        if self.bytes != at {
            return Err(io::Error::other("its pieces are out of their order"));
        }
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        if self.bytes < of {
            return Ok(false);
        }
        if self.bytes > of || self.hasher.finalize().to_hex().as_str() != digest {
            return Err(io::Error::other("its content is not what was sent"));
        }
        Ok(true)
    }

    /// Has it on the disk, whatever happens to the machine.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// It cannot be renamed; then it is gone.
    pub fn keep_as(self, whole: &Path) -> io::Result<()> {
        fs::rename(&self.aside, whole)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.aside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_in_pieces_is_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        for bytes in [0, 1, PIECE, PIECE + 1, 3 * PIECE] {
            let content: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
            fs::write(&from, &content).unwrap();
            let parcel = Parcel::open(&from).unwrap();
            assert_eq!((parcel.bytes, parcel.digest.as_str()), (bytes, blake3::hash(&content).to_hex().as_str()));
            // Its name is another's now.
            fs::remove_file(&from).unwrap();
            let mut arriving = Arriving::begin(folder.path().join("aside")).unwrap();
            let (mut at, mut pieces) = (0, 0);
            loop {
                let piece = parcel.read(at).unwrap();
                let is_whole = arriving.add(at, bytes, &parcel.digest, &piece).unwrap();
                (at, pieces) = (at + piece.len() as u64, pieces + 1);
                if is_whole {
                    break;
                }
            }
            assert_eq!(pieces, bytes.div_ceil(PIECE).max(1));
            arriving.sync().unwrap();
            arriving.keep_as(&to).unwrap();
            assert!(fs::read(&to).unwrap() == content);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_does_not_come_whole_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (content, begin) = (b"content", || Arriving::begin(folder.path().join("new/aside")).unwrap());
        let digest = blake3::hash(content).to_hex();
        let mut arriving = begin();
        assert!(!arriving.add(0, 7, &digest, b"con").unwrap());
        assert!(arriving.add(4, 7, &digest, b"ent").is_err(), "a gap");
        drop(arriving);
        assert!(begin().add(0, 7, &digest, b"contend").is_err(), "another content");
        assert!(begin().add(0, 7, &digest, b"contents").is_err(), "more than was announced");
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
        assert!(Parcel::find(&folder.path().join("absent")).unwrap().is_none());
        assert!(Parcel::find(folder.path()).is_err(), "a folder cannot be read");
        let short = Parcel { bytes: 9, ..Parcel::open(Path::new("/dev/null")).unwrap() };
        assert!(short.read(0).is_err(), "it is shorter than it was");
    }
}
