//! Pictures as people have them, made into images like those that a model is trained on. `predict` and the packing of
//! folders both come here, so that a picture is the same to both.

use decode::Decoded;
use frostline_sweep::dataset::Pictures;
use std::io::Error;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

mod area;
mod decode;
mod fitted;
mod jpeg;
mod scan;
mod turn;

/// Height and width in pixels of what [`read`] makes of a picture where nothing else is asked for.
pub const SIDE: usize = 32;

/// No camera comes near these; a file that claims more is damaged or hostile.
pub(crate) const MOST_FILE_BYTES: u64 = 200_000_000;
const MOST_SIDE: u32 = 30_000;
const MOST_DECODED_BYTES: u64 = 1 << 30;

#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("cannot read {}: {source}", path.display())]
    File { path: PathBuf, source: Error },
    #[error("{} is not a JPEG, PNG, WebP, BMP, TIFF or GIF picture: convert it to one of them", path.display())]
    Unknown { path: PathBuf },
    #[error("{} has no bytes of a picture, which have to lie in the file itself", path.display())]
    Missing { path: PathBuf },
    #[error("{} has {width} x {height} pixels: a picture needs at least {least} x {least}", path.display())]
    TooSmall { path: PathBuf, width: u32, height: u32, least: u32 },
    #[error(
        "{} is too large: a picture has at most {MOST_SIDE} x {MOST_SIDE} pixels, {} MB in its file and {} MB decoded",
        path.display(), MOST_FILE_BYTES / 1_000_000, MOST_DECODED_BYTES / 1_000_000
    )]
    TooLarge { path: PathBuf },
    #[error("{} is damaged or cut short: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
}

/// Reads a picture as `[3, side, side]`: red, green and blue planes, turned as its camera says, without transparency. With
/// `pictures` it is as a folder's pictures are; without, it is the square in the middle, averaged down to 32 x 32 pixels as
/// CIFAR-10's images were.
///
/// # Errors
/// A file that is no whole picture, or of no useful size; nothing large is allocated for one that only claims to be.
pub fn read(path: &Path, pictures: Option<Pictures>) -> Result<Vec<u8>, PictureError> {
    planes(&decode::file(path)?, path, pictures)
}

/// Width and height in pixels that the upright picture in `bytes` says it has.
///
/// # Errors
/// No picture, or one that is too large.
pub(crate) fn size(bytes: &[u8], path: &Path) -> Result<(u32, u32), PictureError> {
    guarded(path, || decode::size(bytes, path))
}

/// The bytes of a file that may be a picture.
///
/// # Errors
/// It cannot be read, or is too large to be one.
pub(crate) fn file(path: &Path) -> Result<Vec<u8>, PictureError> {
    decode::file(path)
}

/// As [`read`] does, of the bytes of a picture that is called `path` in messages.
///
/// # Errors
/// As those of [`read`].
pub(crate) fn planes(bytes: &[u8], path: &Path, pictures: Option<Pictures>) -> Result<Vec<u8>, PictureError> {
    let least = if pictures.is_some() { 1 } else { SIDE as u32 };
    let picture: Decoded = guarded(path, || decode::decode(bytes, path, least))?;
    match pictures {
        None => Ok(area::averaged(&picture)),
        Some(pictures) => fitted::fitted(&picture, pictures)
            .map_err(|error| PictureError::Damaged { path: path.to_owned(), what: error.to_string() }),
    }
}

/// Decoders are large, and what they read may be made to break them.
fn guarded<T>(
    path: &Path,
    decode: impl FnOnce() -> Result<T, PictureError> + std::panic::UnwindSafe,
) -> Result<T, PictureError> {
    let broken = |_| PictureError::Damaged { path: path.to_owned(), what: "the decoder gave up".to_owned() };
    catch_unwind(decode).map_err(broken)?
}

#[cfg(test)]
mod tests;
