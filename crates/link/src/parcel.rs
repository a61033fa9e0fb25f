//! A trained model's way to a coordinator that does not see this machine's disk.

use crate::desk::{Parcel, Piece};
use frostline_protocol::FromWorker;
use frostline_protocol::codec::{self, CodecError};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

/// Takes a file: its name is gone with that, and its content when nobody needs it any more.
pub(crate) fn take(path: &Path) -> io::Result<Parcel> {
    let file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let bytes = hasher.update_reader(&file)?.count();
    fs::remove_file(path)?;
    Ok(Parcel { file: Arc::new(file), bytes, digest: hasher.finalize().to_hex().to_string() })
}

/// Appends a piece as it travels.
pub(crate) fn encode(piece: &Piece, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let Piece { claim, parcel, at, length } = piece.clone();
    let mut bytes = vec![0; length as usize];
    parcel.file.read_exact_at(&mut bytes, at)?;
    codec::encode(&FromWorker::Piece { claim, at, of: parcel.bytes, digest: parcel.digest, bytes }, out)
}
