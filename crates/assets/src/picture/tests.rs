//! Pictures, whole and not.

use super::*;
use image::{Rgb, RgbImage};

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
    assert_eq!(message(b"GIF89a........."), "x is not a JPEG or PNG picture: convert it to one of them");
    assert_eq!(message(b""), "x is not a JPEG or PNG picture: convert it to one of them");
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
