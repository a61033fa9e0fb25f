//! Pictures as people have them, JPEG or PNG, made into images like those of the data sets: the square in the middle,
//! averaged down to 32 x 32 pixels, as CIFAR-10's images were made.

use crate::data::SIDE;
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use jpeg::Extent;
use std::io::{Cursor, Error, ErrorKind};
use std::path::{Path, PathBuf};

mod jpeg;

/// No camera comes near these; a file that claims more is damaged or hostile.
const MOST_FILE_BYTES: u64 = 200_000_000;
const MOST_SIDE: u32 = 30_000;
const MOST_DECODED_BYTES: u64 = 1 << 30;

#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("cannot read {}: {source}", path.display())]
    File { path: PathBuf, source: Error },
    #[error("{} is not a JPEG or PNG picture: convert it to one of them", path.display())]
    Unknown { path: PathBuf },
    #[error("{} has {width} x {height} pixels: a picture needs at least {SIDE} x {SIDE}", path.display())]
    TooSmall { path: PathBuf, width: u32, height: u32 },
    #[error(
        "{} is too large: a picture has at most {MOST_SIDE} x {MOST_SIDE} pixels, {} MB in its file and {} MB decoded",
        path.display(), MOST_FILE_BYTES / 1_000_000, MOST_DECODED_BYTES / 1_000_000
    )]
    TooLarge { path: PathBuf },
    #[error("{} is damaged or cut short: {what}", path.display())]
    Damaged { path: PathBuf, what: String },
}

/// Reads a picture as `[3, 32, 32]`: red, green and blue planes. It is turned as its camera says; transparency is
/// dropped.
///
/// # Errors
/// A file that is no whole JPEG or PNG, or of no useful size; nothing large is allocated for one that only claims to be.
pub fn read(path: &Path) -> Result<Vec<u8>, PictureError> {
    let file = |source| PictureError::File { path: path.to_owned(), source };
    let about = std::fs::metadata(path).map_err(file)?;
    if about.is_dir() {
        return Err(file(Error::new(ErrorKind::IsADirectory, "it is a folder")));
    }
    if about.len() > MOST_FILE_BYTES {
        return Err(PictureError::TooLarge { path: path.to_owned() });
    }
    decode(&std::fs::read(path).map_err(file)?, path)
}

fn decode(bytes: &[u8], path: &Path) -> Result<Vec<u8>, PictureError> {
    let format = image::guess_format(bytes).ok();
    match format {
        Some(ImageFormat::Png) => decode_as(ImageFormat::Png, bytes, 0, path).map(|(planes, _)| planes),
        Some(ImageFormat::Jpeg) => decode_jpeg(bytes, path),
        _ => Err(PictureError::Unknown { path: path.to_owned() }),
    }
}

/// The decoder fills up what a cut JPEG lacks and does not say so. A whole picture does not depend on what stands between
/// its data and the mark of its end, so it is decoded with something there, too, and has to stay the same.
fn decode_jpeg(bytes: &[u8], path: &Path) -> Result<Vec<u8>, PictureError> {
    let cut = || PictureError::Damaged { path: path.to_owned(), what: "its end is missing".to_owned() };
    let Extent { end, scans, components } = jpeg::extent(bytes).ok_or_else(cut)?;
    // With several scans the decoder keeps 16 bits of each component for each pixel until the last.
    let beside = if scans > 1 { 2 * u64::from(components) } else { 0 };
    // What follows is another file: phones put a film there.
    let picture = &bytes[..end + jpeg::MARK];
    let (planes, digest) = decode_as(ImageFormat::Jpeg, picture, beside, path)?;
    let stuffed = [&picture[..end], &[0x5a; 64], &picture[end..]].concat();
    match decode_as(ImageFormat::Jpeg, &stuffed, beside, path) {
        Ok((_, same)) if same == digest => Ok(planes),
        _ => Err(cut()),
    }
}

/// The picture as `[3, 32, 32]`, and the digest of all its pixels. The decoder needs `beside` bytes a pixel besides them.
fn decode_as(
    format: ImageFormat,
    bytes: &[u8],
    beside: u64,
    path: &Path,
) -> Result<(Vec<u8>, blake3::Hash), PictureError> {
    let path = || path.to_owned();
    let wrong = |error: ImageError| match error {
        ImageError::Limits(_) => PictureError::TooLarge { path: path() },
        error => PictureError::Damaged { path: path(), what: error.to_string() },
    };
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    limits.max_alloc = Some(MOST_DECODED_BYTES);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(wrong)?;
    let (width, height) = decoder.dimensions();
    if width.min(height) < SIDE as u32 {
        return Err(PictureError::TooSmall { path: path(), width, height });
    }
    // The limits above are for what a decoder allocates besides the pixels that it is asked for.
    let converted = if decoder.color_type() == ColorType::Rgb8 { 0 } else { 3 };
    let pixels = u64::from(width) * u64::from(height);
    if decoder.total_bytes().saturating_add(pixels * (converted + beside)) > MOST_DECODED_BYTES {
        return Err(PictureError::TooLarge { path: path() });
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(wrong)?.into_rgb8();
    // Turned when it is small: a copy of the large one would need as much memory again.
    let turn = Turn::of(orientation);
    let planes = averaged(&picture, width as usize, height as usize, turn);
    Ok((turn.turned(&planes), blake3::hash(&picture)))
}

/// How a picture lies: the pixel (x, y) of the upright one is (x, y) of the file's, exchanged where `swap` says so, and then
/// counted from the other end along the axes that are `mirrored`.
#[derive(Clone, Copy)]
struct Turn {
    swap: bool,
    mirrored: [bool; 2],
}

impl Turn {
    fn of(orientation: Orientation) -> Turn {
        let (swap, mirrored) = match orientation {
            Orientation::NoTransforms => (false, [false, false]),
            Orientation::FlipHorizontal => (false, [true, false]),
            Orientation::Rotate180 => (false, [true, true]),
            Orientation::FlipVertical => (false, [false, true]),
            Orientation::Rotate90FlipH => (true, [false, false]),
            Orientation::Rotate90 => (true, [false, true]),
            Orientation::Rotate270FlipH => (true, [true, true]),
            Orientation::Rotate270 => (true, [true, false]),
        };
        Turn { swap, mirrored }
    }

    fn turned(self, planes: &[u8]) -> Vec<u8> {
        let place = |index: usize| {
            let (channel, y, x) = (index / (SIDE * SIDE), index / SIDE % SIDE, index % SIDE);
            let [x, y] = if self.swap { [y, x] } else { [x, y] };
            let along = |at: usize, mirrored: bool| if mirrored { SIDE - 1 - at } else { at };
            (channel * SIDE + along(y, self.mirrored[1])) * SIDE + along(x, self.mirrored[0])
        };
        (0..planes.len()).map(|index| planes[place(index)]).collect()
    }
}

/// The square in the middle of interleaved `rgb`, averaged by area to `[3, SIDE, SIDE]`. A pixel that lies in two cells
/// counts in each by the share of it that lies there.
fn averaged(rgb: &[u8], width: usize, height: usize, turn: Turn) -> Vec<u8> {
    let square = width.min(height);
    // Of an odd rest the smaller half is at the upright picture's left and top.
    let before = |rest: usize, mirrored: bool| if mirrored { rest.div_ceil(2) } else { rest / 2 };
    let (left, top) = (before(width - square, turn.mirrored[0]), before(height - square, turn.mirrored[1]));
    let cells = cells(square);
    // Rows first: [square, SIDE, 3].
    let mut narrow = vec![0.0f64; square * SIDE * 3];
    for row in 0..square {
        let line = &rgb[((top + row) * width + left) * 3..][..square * 3];
        for (column, shares) in cells.iter().enumerate() {
            let out = &mut narrow[(row * SIDE + column) * 3..][..3];
            for &(pixel, share) in shares {
                (0..3).for_each(|channel| out[channel] += share * f64::from(line[pixel * 3 + channel]));
            }
        }
    }
    let mut planes = vec![0; 3 * SIDE * SIDE];
    for (row, shares) in cells.iter().enumerate() {
        for column in 0..SIDE {
            for channel in 0..3 {
                let part = |&(pixel, share): &(usize, f64)| share * narrow[(pixel * SIDE + column) * 3 + channel];
                let value: f64 = shares.iter().map(part).sum();
                planes[(channel * SIDE + row) * SIDE + column] = value.round_ties_even() as u8;
            }
        }
    }
    planes
}

/// Which pixels of a side of `square` pixels make up each of the `SIDE` cells, and with what share.
fn cells(square: usize) -> Vec<Vec<(usize, f64)>> {
    let width = square as f64 / SIDE as f64;
    let cell = |cell: usize| {
        let (start, end) = (cell * square / SIDE, ((cell + 1) * square).div_ceil(SIDE));
        let (from, to) = (cell as f64 * width, (cell + 1) as f64 * width);
        let share = |pixel: usize| (to.min(pixel as f64 + 1.0) - from.max(pixel as f64)).max(0.0) / width;
        (start..end).map(|pixel| (pixel, share(pixel))).collect()
    };
    (0..SIDE).map(cell).collect()
}

#[cfg(test)]
mod tests;
