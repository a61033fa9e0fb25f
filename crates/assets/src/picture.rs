//! Pictures as people have them, JPEG or PNG, made into images like those of the data sets: the square in the middle,
//! averaged down to 32 x 32 pixels, as CIFAR-10's images were made.

use crate::cifar10::SIDE;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::io::{Cursor, Error, ErrorKind};
use std::path::{Path, PathBuf};

/// No camera comes near these; a file that claims more is damaged or hostile.
const MOST_FILE_BYTES: u64 = 200_000_000;
const MOST_SIDE: u32 = 30_000;
const MOST_DECODED_BYTES: u64 = 1 << 30;

#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("cannot read {}: {source}", path.display())]
    File { path: PathBuf, source: Error },
    #[error("{} is no JPEG or PNG picture: convert it to one of them", path.display())]
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
    let path = || path.to_owned();
    let wrong = |error: ImageError| match error {
        ImageError::Limits(_) => PictureError::TooLarge { path: path() },
        error => PictureError::Damaged { path: path(), what: error.to_string() },
    };
    let format = image::guess_format(bytes).ok();
    let format = format.filter(|format| matches!(format, ImageFormat::Jpeg | ImageFormat::Png));
    let format = format.ok_or_else(|| PictureError::Unknown { path: path() })?;
    // The decoder fills up what a cut JPEG lacks and says nothing.
    if format == ImageFormat::Jpeg && is_cut_jpeg(bytes) {
        return Err(PictureError::Damaged { path: path(), what: "its end is missing".to_owned() });
    }
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
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(wrong)?;
    picture.apply_orientation(orientation);
    let picture = picture.into_rgb8();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Ok(averaged(&picture, width, height))
}

/// Whether the last scan of a JPEG is not followed by the mark of its end. A thumbnail's mark stands before it.
fn is_cut_jpeg(bytes: &[u8]) -> bool {
    let last = |mark: u8| bytes.windows(2).rposition(|pair| pair == [0xff, mark]);
    match (last(0xda), last(0xd9)) {
        (Some(scan), Some(end)) => end < scan,
        _ => true,
    }
}

/// The square in the middle of interleaved `rgb`, averaged by area to `[3, SIDE, SIDE]`. A pixel that lies in two cells
/// counts in each by the share of it that lies there.
fn averaged(rgb: &[u8], width: usize, height: usize) -> Vec<u8> {
    let square = width.min(height);
    let (left, top) = ((width - square) / 2, (height - square) / 2);
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
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    /// Left half one colour, right half another, at any size.
    fn halves(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, _| if x < width / 2 { Rgb([200, 10, 30]) } else { Rgb([20, 110, 230]) })
    }

    fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    fn message(bytes: &[u8]) -> String {
        decode(bytes, Path::new("x")).unwrap_err().to_string()
    }

    fn pixel(planes: &[u8], row: usize, column: usize) -> [u8; 3] {
        [0, 1, 2].map(|channel| planes[(channel * SIDE + row) * SIDE + column])
    }

    #[test]
    fn the_middle_square_is_averaged_by_area() {
        let planes = decode(&encoded(&halves(100, 64), ImageFormat::Png), Path::new("x")).unwrap();
        assert_eq!((pixel(&planes, 5, 15), pixel(&planes, 5, 16)), ([200, 10, 30], [20, 110, 230]));
        // 33 pixels in 32 cells: each cell is 33/32 of a pixel wide.
        let stripes = RgbImage::from_fn(33, 33, |x, _| Rgb([if x == 0 { 255 } else { 0 }; 3]));
        let planes = decode(&encoded(&stripes, ImageFormat::Png), Path::new("x")).unwrap();
        assert_eq!(pixel(&planes, 0, 0), [(255.0f64 * 32.0 / 33.0).round() as u8; 3]);
        assert_eq!(pixel(&planes, 0, 1), [0; 3]);
        let shares = |cells: &[(usize, f64)]| cells.iter().map(|(_, share)| share).sum::<f64>();
        assert!(cells(77).iter().all(|cell| (shares(cell) - 1.0).abs() < 1e-12));
    }

    #[test]
    fn an_image_of_the_data_sets_size_stays_as_it_is() {
        let picture = RgbImage::from_fn(32, 32, |x, y| Rgb([x as u8 * 7, y as u8 * 5, 3]));
        let planes = decode(&encoded(&picture, ImageFormat::Png), Path::new("x")).unwrap();
        assert_eq!(pixel(&planes, 4, 9), [63, 20, 3]);
    }

    #[test]
    fn a_jpeg_is_read_and_is_near_its_picture() {
        let planes = decode(&encoded(&halves(200, 200), ImageFormat::Jpeg), Path::new("x")).unwrap();
        let near = |one: [u8; 3], other: [u8; 3]| one.iter().zip(other).all(|(a, b)| a.abs_diff(b) < 6);
        assert!(near(pixel(&planes, 20, 3), [200, 10, 30]), "{:?}", pixel(&planes, 20, 3));
    }

    #[test]
    fn what_is_no_whole_picture_is_refused_with_the_reason() {
        assert_eq!(message(b"GIF89a........."), "x is no JPEG or PNG picture: convert it to one of them");
        assert_eq!(message(b""), "x is no JPEG or PNG picture: convert it to one of them");
        let small = message(&encoded(&halves(31, 400), ImageFormat::Png));
        assert_eq!(small, "x has 31 x 400 pixels: a picture needs at least 32 x 32");
        for format in [ImageFormat::Png, ImageFormat::Jpeg] {
            let whole = encoded(&halves(120, 120), format);
            for share in [3, 10, 50, 90] {
                let cut = message(&whole[..whole.len() * share / 100]);
                assert!(cut.starts_with("x is damaged or cut short: "), "{format:?} at {share} %: {cut}");
            }
        }
        let missing = read(Path::new("no/such.png")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read no/such.png: No such file"), "{missing}");
    }

    #[test]
    fn a_picture_that_claims_to_be_huge_is_refused_before_it_is_decoded() {
        let mut png = encoded(&halves(64, 64), ImageFormat::Png);
        // Width and height in the header chunk, whose checksum is made to fit.
        png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        let mut hasher = flate2::Crc::new();
        hasher.update(&png[12..29]);
        png[29..33].copy_from_slice(&hasher.sum().to_be_bytes());
        assert!(message(&png).starts_with("x is too large: "), "{}", message(&png));
    }
}
