//! A picture's bytes as the colours that they stand for, or why not.

use super::jpeg::{self, Extent};
use super::scan::{self, Pixels};
use super::turn::Turn;
use super::{MOST_DECODED_BYTES, MOST_FILE_BYTES, MOST_SIDE, PictureError};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::{Cursor, Error, ErrorKind};
use std::path::Path;

/// The formats that are read. Of an animation it is the first image.
const FORMATS: [ImageFormat; 6] =
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Tiff, ImageFormat::Gif];

/// A picture as it lies in its file.
pub(super) struct Decoded {
    /// Interleaved red, green and blue. Transparency is dropped.
    pub(super) rgb: Vec<u8>,
    pub(super) width: usize,
    pub(super) height: usize,
    /// What makes it upright.
    pub(super) turn: Turn,
}

/// Reads a file that is not too large to be a picture.
pub(super) fn file(path: &Path) -> Result<Vec<u8>, PictureError> {
    let file = |source| PictureError::File { path: path.to_owned(), source };
    let about = std::fs::metadata(path).map_err(file)?;
    if about.is_dir() {
        return Err(file(Error::new(ErrorKind::IsADirectory, "it is a folder")));
    }
    if about.len() > MOST_FILE_BYTES {
        return Err(PictureError::TooLarge { path: path.to_owned() });
    }
    std::fs::read(path).map_err(file)
}

/// Width and height of the upright picture, by its head alone.
pub(super) fn size(bytes: &[u8], path: &Path) -> Result<(u32, u32), PictureError> {
    let mut decoder = decoder(format(bytes, path)?, bytes, path)?;
    let (width, height) = decoder.dimensions();
    let turn = Turn::of(decoder.orientation().unwrap_or(Orientation::NoTransforms));
    Ok(if turn.swap { (height, width) } else { (width, height) })
}

/// The whole picture, which has at least `least` pixels a side.
pub(super) fn decode(bytes: &[u8], path: &Path, least: u32) -> Result<Decoded, PictureError> {
    match format(bytes, path)? {
        ImageFormat::Jpeg => decode_jpeg(bytes, path, least),
        format => decode_as(format, bytes, 0, path, least),
    }
}

fn format(bytes: &[u8], path: &Path) -> Result<ImageFormat, PictureError> {
    let known = image::guess_format(bytes).ok().filter(|format| FORMATS.contains(format));
    known.ok_or_else(|| PictureError::Unknown { path: path.to_owned() })
}

/// Where the decoder has asked for more data than there are, or there is anything else about them, the picture is decoded as
/// it is and with something behind its data, on which a whole one does not depend.
fn decode_jpeg(bytes: &[u8], path: &Path, least: u32) -> Result<Decoded, PictureError> {
    let cut = || PictureError::Damaged { path: path.to_owned(), what: "its end is missing".to_owned() };
    let Extent { end, scans, components } = jpeg::extent(bytes).ok_or_else(cut)?;
    // With several scans the decoder keeps 16 bits of each component for each pixel until the last.
    let beside = if scans > 1 { 2 * u64::from(components) } else { 0 };
    // What follows is another file: phones put a film there.
    let picture = &bytes[..end + jpeg::MARK];
    let mut decoder = decoder(ImageFormat::Jpeg, picture, path)?;
    let (width, height) = fitting(&decoder, beside, path, least)?;
    let turn = Turn::of(decoder.orientation().unwrap_or(Orientation::NoTransforms));
    if let Some(Pixels { rgb, is_short: false }) = scan::pixels(picture, end) {
        return Ok(Decoded { rgb, width: width as usize, height: height as usize, turn });
    }
    let digest = blake3::hash(&decode_as(ImageFormat::Jpeg, picture, beside, path, least)?.rgb);
    match decode_as(ImageFormat::Jpeg, &scan::stuffed(picture, end, 0x5a), beside, path, least) {
        Ok(same) if blake3::hash(&same.rgb) == digest => Ok(same),
        _ => Err(cut()),
    }
}

fn wrong(error: ImageError, path: &Path) -> PictureError {
    match error {
        ImageError::Limits(_) => PictureError::TooLarge { path: path.to_owned() },
        error => PictureError::Damaged { path: path.to_owned(), what: error.to_string() },
    }
}

fn decoder<'a>(format: ImageFormat, bytes: &'a [u8], path: &Path) -> Result<impl ImageDecoder + 'a, PictureError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    limits.max_alloc = Some(MOST_DECODED_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    reader.into_decoder().map_err(|error| wrong(error, path))
}

/// The decoder needs `beside` bytes a pixel besides the pixels.
fn decode_as(
    format: ImageFormat,
    bytes: &[u8],
    beside: u64,
    path: &Path,
    least: u32,
) -> Result<Decoded, PictureError> {
    let mut decoder = decoder(format, bytes, path)?;
    let (width, height) = fitting(&decoder, beside, path, least)?;
    let turn = Turn::of(decoder.orientation().unwrap_or(Orientation::NoTransforms));
    let rgb = DynamicImage::from_decoder(decoder).map_err(|error| wrong(error, path))?.into_rgb8().into_raw();
    Ok(Decoded { rgb, width: width as usize, height: height as usize, turn })
}

/// Width and height of a picture that is large enough and not too large.
fn fitting(decoder: &impl ImageDecoder, beside: u64, path: &Path, least: u32) -> Result<(u32, u32), PictureError> {
    let (width, height) = decoder.dimensions();
    if width.min(height) < least {
        return Err(PictureError::TooSmall { path: path.to_owned(), width, height, least });
    }
    // The limits above are for what a decoder allocates besides the pixels that it is asked for.
    let converted = if decoder.color_type() == ColorType::Rgb8 { 0 } else { 3 };
    let pixels = u64::from(width) * u64::from(height);
    if decoder.total_bytes().saturating_add(pixels * (converted + beside)) > MOST_DECODED_BYTES {
        return Err(PictureError::TooLarge { path: path.to_owned() });
    }
    Ok((width, height))
}
