//! A file's way to a coordinator that does not see this machine's disk.

use crate::desk::Part;
use frostline_protocol::codec::{self, CodecError};
use frostline_protocol::{FromWorker, Piece};
use frostline_results::Parcel;
use std::fs;
use std::io;
use std::path::Path;

/// Takes a file: its name is gone with that, and its content when nobody needs it any more.
pub(crate) fn take(path: &Path) -> io::Result<Parcel> {
    let parcel = Parcel::open(path)?;
    fs::remove_file(path)?;
    Ok(parcel)
}

/// Appends a part as it travels.
pub(crate) fn encode(part: &Part, out: &mut Vec<u8>) -> Result<(), CodecError> {
    let Part { claim, freight, parcel, at } = part.clone();
    let bytes = parcel.read(at)?;
    let piece = Piece { at, of: parcel.bytes, digest: parcel.digest, bytes };
    codec::encode(&FromWorker::Piece { claim, freight, piece }, out)
}
