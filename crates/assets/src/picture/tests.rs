//! Pictures, whole and not.

use super::area::cells;
use super::*;
use image::{ImageFormat, Rgb, RgbImage};
use std::io::Cursor;

mod marks;

/// Left half one colour, right half another, at any size.
fn halves(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, _| if x < width / 2 { Rgb([200, 10, 30]) } else { Rgb([20, 110, 230]) })
}

fn encoded(picture: &RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn decoded(bytes: &[u8], path: &Path) -> Result<Vec<u8>, PictureError> {
    planes(bytes, path, None)
}

fn message(bytes: &[u8]) -> String {
    decoded(bytes, Path::new("x")).unwrap_err().to_string()
}

fn pixel(planes: &[u8], row: usize, column: usize) -> [u8; 3] {
    [0, 1, 2].map(|channel| planes[(channel * SIDE + row) * SIDE + column])
}

#[test]
fn the_middle_square_is_averaged_by_area() {
    let planes = decoded(&encoded(&halves(100, 64), ImageFormat::Png), Path::new("x")).unwrap();
    assert_eq!((pixel(&planes, 5, 15), pixel(&planes, 5, 16)), ([200, 10, 30], [20, 110, 230]));
    // 33 pixels in 32 cells: each cell is 33/32 of a pixel wide.
    let stripes = RgbImage::from_fn(33, 33, |x, _| Rgb([if x == 0 { 255 } else { 0 }; 3]));
    let planes = decoded(&encoded(&stripes, ImageFormat::Png), Path::new("x")).unwrap();
    assert_eq!(pixel(&planes, 0, 0), [(255.0f64 * 32.0 / 33.0).round() as u8; 3]);
    assert_eq!(pixel(&planes, 0, 1), [0; 3]);
    let shares = |cells: &[(usize, f64)]| cells.iter().map(|(_, share)| share).sum::<f64>();
    assert!(cells(77).iter().all(|cell| (shares(cell) - 1.0).abs() < 1e-12));
}

#[test]
fn an_image_of_the_data_sets_size_stays_as_it_is() {
    let picture = RgbImage::from_fn(32, 32, |x, y| Rgb([x as u8 * 7, y as u8 * 5, 3]));
    let planes = decoded(&encoded(&picture, ImageFormat::Png), Path::new("x")).unwrap();
    assert_eq!(pixel(&planes, 4, 9), [63, 20, 3]);
}

#[test]
fn a_jpeg_is_read_and_is_near_its_picture() {
    let planes = decoded(&encoded(&halves(200, 200), ImageFormat::Jpeg), Path::new("x")).unwrap();
    let near = |one: [u8; 3], other: [u8; 3]| one.iter().zip(other).all(|(a, b)| a.abs_diff(b) < 6);
    assert!(near(pixel(&planes, 20, 3), [200, 10, 30]), "{:?}", pixel(&planes, 20, 3));
}

#[test]
fn what_is_no_whole_picture_is_refused_with_the_reason() {
    assert_eq!(
        message(b"%PDF-1.7......."),
        "x is not a JPEG, PNG, WebP, BMP, TIFF or GIF picture: convert it to one of them"
    );
    assert_eq!(message(b""), "x is not a JPEG, PNG, WebP, BMP, TIFF or GIF picture: convert it to one of them");
    let small = message(&encoded(&halves(31, 400), ImageFormat::Png));
    assert_eq!(small, "x has 31 x 400 pixels: a picture needs at least 32 x 32");
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Bmp,
        ImageFormat::WebP,
        ImageFormat::Tiff,
        ImageFormat::Gif,
    ] {
        let whole = encoded(&halves(120, 120), format);
        for share in [3, 10, 50, 90] {
            let cut = message(&whole[..whole.len() * share / 100]);
            // Of some formats not even the first bytes are left.
            let is_said = cut.starts_with("x is damaged or cut short: ") || cut.starts_with("x is not a JPEG, PNG, ");
            assert!(is_said, "{format:?} at {share} %: {cut}");
        }
    }
    let missing = read(Path::new("no/such.png"), None).unwrap_err().to_string();
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
