//! Zip archives whose members are read where they lie: PyTorch's and Keras' are never compressed, so nothing in them can
//! grow when it is read.

use super::content::{Fault, damaged, foreign};
use std::io::Cursor;
use std::ops::Range;

/// A file in an archive.
pub(super) struct Member {
    pub(super) name: String,
    is_stored: bool,
    start: Option<u64>,
    size: u64,
}

pub(super) fn is_one(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04")
}

/// The archive's table.
pub(super) fn members(bytes: &[u8]) -> Result<Vec<Member>, Fault> {
    let unreadable = |error: zip::result::ZipError| damaged(error.to_string());
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    let count = archive.len();
    let member = |index| {
        let file = archive.by_index_raw(index).map_err(unreadable)?;
        let name = file.name().map_err(unreadable)?.into_owned();
        let is_stored = file.compression() == zip::CompressionMethod::Stored;
        Ok(Member { name, is_stored, start: file.data_start(), size: file.size() })
    };
    (0..count).map(member).collect()
}

impl Member {
    /// Where its bytes lie in the archive's `bytes`.
    pub(super) fn range(&self, bytes: &[u8]) -> Result<Range<usize>, Fault> {
        if !self.is_stored {
            return Err(foreign(format!(
                "{} is compressed, which PyTorch's and Keras' archives never are",
                self.name
            )));
        }
        let number = |number: u64| usize::try_from(number).ok();
        let start = self.start.and_then(number);
        let end = start.and_then(|start| start.checked_add(number(self.size)?)).filter(|&end| end <= bytes.len());
        match (start, end) {
            (Some(start), Some(end)) => Ok(start..end),
            _ => Err(damaged(format!("{} reaches past the end", self.name))),
        }
    }
}
