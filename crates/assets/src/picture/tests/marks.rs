//! Where a picture ends: by its format's rules, not by bytes that look like a mark.

use super::*;
use crate::picture::jpeg::Extent;
use crate::picture::turn::Turn;
use image::DynamicImage;
use image::metadata::Orientation;

const END: [u8; 2] = [0xff, 0xd9];

/// Bits of a scan, most significant first, with a zero behind each 0xff.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    word: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32, width: u32) {
        for bit in (0..width).rev() {
            self.word = self.word << 1 | (value >> bit & 1);
            self.count += 1;
            if self.count == 8 {
                self.bytes.push(self.word as u8);
                if self.word as u8 == 0xff {
                    self.bytes.push(0);
                }
                (self.word, self.count) = (0, 0);
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        while self.count != 0 {
            self.push(1, 1);
        }
        self.bytes
    }
}

fn segment(mark: u8, content: &[u8]) -> Vec<u8> {
    [&[0xff, mark][..], &(content.len() as u16 + 2).to_be_bytes(), content].concat()
}

/// A JPEG of 64 x 64 pixels in one flat colour: a value for each component. Progressive ones have a scan for all means
/// and one for the rest of each component; both kinds are whole by the letter of the standard.
fn flat(values: &[u8], progressive: bool, adobe: Option<u8>) -> Vec<u8> {
    let count = values.len() as u8;
    let mut out = vec![0xff, 0xd8];
    if let Some(transform) = adobe {
        out.extend(segment(0xee, &[&b"Adobe\0\x64\0\0\0\0"[..], &[transform]].concat()));
    }
    // Every step is 8, which makes the mean of a block of 8 x 8 pixels one step a value.
    out.extend(segment(0xdb, &[&[0][..], &[8; 64]].concat()));
    let components: Vec<u8> = (1..=count).flat_map(|id| [id, 0x11, 0]).collect();
    let frame = [&[8, 0, 64, 0, 64, count][..], &components].concat();
    out.extend(segment(if progressive { 0xc2 } else { 0xc0 }, &frame));
    // Means: twelve codes of four bits. The rest: one code of one bit, for the end of a block.
    let codes = |class: u8, length: usize, symbols: &[u8]| {
        let mut counts = [0; 16];
        counts[length - 1] = symbols.len() as u8;
        segment(0xc4, &[&[class][..], &counts, symbols].concat())
    };
    out.extend(codes(0x00, 4, &(0..12).collect::<Vec<u8>>()));
    out.extend(codes(0x10, 1, &[0]));
    let scan = |ids: &[u8], band: [u8; 3], data: Bits| {
        let tables: Vec<u8> = ids.iter().flat_map(|&id| [id, 0]).collect();
        let head = [&[ids.len() as u8][..], &tables, &band].concat();
        [segment(0xda, &head), data.finish()].concat()
    };
    let ids: Vec<u8> = (1..=count).collect();
    let mut means = Bits::default();
    for block in 0..64 {
        for &value in values {
            let difference = if block == 0 { i32::from(value) - 128 } else { 0 };
            let width = 32 - difference.unsigned_abs().leading_zeros();
            means.push(width, 4);
            let bits = if difference < 0 { difference - 1 } else { difference };
            means.push(bits as u32 & ((1 << width) - 1), width);
            if !progressive {
                means.push(0, 1);
            }
        }
    }
    out.extend(scan(&ids, if progressive { [0, 0, 0] } else { [0, 63, 0] }, means));
    for &id in ids.iter().filter(|_| progressive) {
        let mut rest = Bits::default();
        rest.push(0, 32);
        rest.push(0, 32);
        out.extend(scan(&[id], [1, 63, 0], rest));
    }
    [out, END.to_vec()].concat()
}

/// The mean of each channel.
fn colour(bytes: &[u8]) -> [u8; 3] {
    let planes = decoded(bytes, Path::new("x")).unwrap();
    assert!(planes.chunks(SIDE * SIDE).all(|plane| plane.iter().all(|&value| value == plane[0])));
    pixel(&planes, 0, 0)
}

fn near(one: [u8; 3], other: [u8; 3]) -> bool {
    one.iter().zip(other).all(|(a, b)| a.abs_diff(b) <= 1)
}

#[test]
fn what_follows_a_picture_is_not_looked_at() {
    // A film as phones append it, with bytes in it that look like marks of a JPEG; a second picture; a scan without end.
    let film = [&b"\0\0\0\x18ftypmp42\0\0\0\0"[..], &[0xff, 0xda, 1, 2, 3], &[0; 400]].concat();
    let picture = halves(200, 200);
    let second = encoded(&halves(48, 48), ImageFormat::Jpeg);
    for format in [ImageFormat::Jpeg, ImageFormat::Png] {
        let whole = encoded(&picture, format);
        let planes = decoded(&whole, Path::new("x")).unwrap();
        for tail in [&film[..], &second, &second[..second.len() / 2], &[0xff], &[0xff, 0xda]] {
            assert_eq!(decoded(&[&whole[..], tail].concat(), Path::new("x")).unwrap(), planes, "{format:?}");
        }
    }
}

#[test]
fn a_part_of_a_picture_with_a_mark_of_its_end_is_cut_short() {
    let noise =
        RgbImage::from_fn(120, 120, |x, y| Rgb([((x * 37) ^ (y * 91)) as u8, (x * y) as u8, (x * 5 + y * 77) as u8]));
    let busy = encoded(&noise, ImageFormat::Jpeg);
    let plain = encoded(&halves(120, 120), ImageFormat::Jpeg);
    // What is missing of the last row of blocks of a picture in one colour is of that colour too: nothing to be noticed.
    let (grey, flat) = (flat(&[90], false, None), flat(&[90, 60, 30], false, None));
    let cases: [(&[u8], &[usize]); 4] =
        [(&busy, &[1, 10, 33, 50, 90, 99]), (&plain, &[1, 33, 90]), (&grey, &[1, 50]), (&flat, &[1, 50])];
    for (whole, shares) in cases {
        let extent = jpeg::extent(whole).unwrap();
        assert_eq!((extent.end, extent.scans), (whole.len() - END.len(), 1));
        let scan = whole.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap() + 14;
        for share in shares {
            let cut = scan + (extent.end - scan) * share / 100;
            let said = message(&[&whole[..cut], &END].concat());
            assert!(said.starts_with("x is damaged or cut short: "), "{share} %: {said}");
        }
    }
    let png = encoded(&halves(120, 120), ImageFormat::Png);
    let end = &png[png.len() - 12..];
    assert_eq!(&end[4..8], b"IEND");
    for share in [40, 60, 90] {
        let said = message(&[&png[..png.len() * share / 100], end].concat());
        assert!(said.starts_with("x is damaged or cut short: "), "{share} %: {said}");
    }
}

#[test]
fn a_whole_picture_asks_for_nothing_behind_its_data_and_is_as_others_decode_it() {
    let noise = RgbImage::from_fn(90, 61, |x, y| Rgb([(x * y) as u8, (x * 37) as u8, ((x * 5) ^ (y * 91)) as u8]));
    let wholes = [
        encoded(&noise, ImageFormat::Jpeg),
        encoded(&halves(120, 120), ImageFormat::Jpeg),
        flat(&[90], false, None),
        flat(&[90, 60, 30], false, None),
        flat(&[90, 128, 128], true, None),
        flat(&[200, 100, 50, 128], false, Some(0)),
    ];
    for (number, whole) in wholes.iter().enumerate() {
        let found = scan::pixels(whole, jpeg::extent(whole).unwrap().end).unwrap();
        let expected = image::load_from_memory(whole).unwrap().into_rgb8().into_raw();
        assert!(!found.is_short && found.rgb == expected, "picture {number}");
    }
}

#[test]
fn a_thumbnails_end_is_not_the_pictures() {
    let whole = encoded(&halves(120, 120), ImageFormat::Jpeg);
    let thumbnail = encoded(&halves(40, 40), ImageFormat::Jpeg);
    let within = [&whole[..2], &segment(0xe1, &thumbnail), &whole[2..]].concat();
    assert_eq!(decoded(&within, Path::new("x")).unwrap(), decoded(&whole, Path::new("x")).unwrap());
    let cut = within.len() - 20;
    assert_eq!(message(&within[..cut]), "x is damaged or cut short: its end is missing");
}

#[test]
fn progressive_pictures_are_whole_with_all_their_scans() {
    let whole = flat(&[90, 128, 128], true, None);
    assert!(near(colour(&whole), [90; 3]));
    assert_eq!(jpeg::extent(&whole).unwrap(), Extent { end: whole.len() - 2, scans: 4, components: 3 });
    let first = whole.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap() + 14;
    let said = message(&[&whole[..first + 12], &END].concat());
    assert!(said.starts_with("x is damaged or cut short: "), "{said}");
}

#[test]
fn grey_and_printers_colours_are_read() {
    assert!(near(colour(&flat(&[77], false, None)), [77; 3]));
    // Adobe's programs store the four inks inverted: how much of each is left out. Paper times ink, for each channel.
    let (inks, black) = ([200u8, 100, 50], 128u16);
    let expected = inks.map(|ink| (u16::from(ink) * black / 255) as u8);
    let found = colour(&flat(&[inks[0], inks[1], inks[2], black as u8], false, Some(0)));
    assert!(near(found, expected), "{found:?} and {expected:?}");
}

/// The bytes of a JPEG with EXIF's orientation in it.
fn oriented(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let entry = [0x12, 1, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    let exif = [&b"Exif\0\0II*\0\x08\0\0\0\x01\0"[..], &entry, &[0; 4]].concat();
    [&jpeg[..2], &segment(0xe1, &exif), &jpeg[2..]].concat()
}

#[test]
fn pictures_are_turned_as_their_camera_says() {
    // Of odd sizes, so that the square is not quite in the middle, and with no symmetry.
    for (width, height) in [(93, 70), (70, 93)] {
        let picture = RgbImage::from_fn(width, height, |x, y| Rgb([x as u8 * 2, y as u8 * 2, (x * y / 40) as u8]));
        let plain = encoded(&picture, ImageFormat::Jpeg);
        for orientation in 1..=8 {
            let mut reference = image::load_from_memory(&plain).unwrap();
            reference.apply_orientation(Orientation::from_exif(orientation).unwrap());
            let turn = Turn::of(Orientation::NoTransforms);
            let (width, height) = (reference.width() as usize, reference.height() as usize);
            let upright = Decoded { rgb: reference.into_rgb8().into_raw(), width, height, turn };
            let expected = area::averaged(&upright);
            let found = decoded(&oriented(&plain, orientation), Path::new("x")).unwrap();
            assert_eq!(found, expected, "{orientation} of {width} x {height}");
        }
    }
    // Told from the picture itself: red is at the left, and turned clockwise by a quarter at the top.
    let planes = decoded(&oriented(&encoded(&halves(64, 64), ImageFormat::Jpeg), 6), Path::new("x")).unwrap();
    assert!(pixel(&planes, 2, 16)[0] > 150 && pixel(&planes, 29, 16)[0] < 60);
}

#[test]
fn grey_transparent_and_deep_pictures_are_read() {
    use image::{ImageBuffer, Luma, LumaA, Rgba};
    let png = |picture: DynamicImage| {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        colour(&bytes.into_inner())
    };
    assert_eq!(png(ImageBuffer::from_pixel(40, 40, Luma([77u8])).into()), [77; 3]);
    assert_eq!(png(ImageBuffer::from_pixel(40, 40, LumaA([77u8, 3])).into()), [77; 3]);
    assert_eq!(png(ImageBuffer::from_pixel(40, 40, Rgba([200u8, 10, 30, 0])).into()), [200, 10, 30]);
    assert_eq!(png(ImageBuffer::from_pixel(40, 40, Luma([0xababu16])).into()), [0xab; 3]);
    assert_eq!(png(ImageBuffer::from_pixel(40, 40, Rgb([0xababu16, 0, 0xffff])).into()), [0xab, 0, 0xff]);
    assert_eq!(png(ImageBuffer::from_pixel(40, 40, Rgba([0x1212u16, 0x3434, 0x5656, 9])).into()), [0x12, 0x34, 0x56]);
}

/// A PNG with another size and kind of pixels in its header, whose checksum is made to fit.
fn claiming(width: u32, height: u32, depth: u8, kind: u8) -> Vec<u8> {
    let mut png = encoded(&halves(64, 64), ImageFormat::Png);
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    (png[24], png[25]) = (depth, kind);
    let mut hasher = flate2::Crc::new();
    hasher.update(&png[12..29]);
    png[29..33].copy_from_slice(&hasher.sum().to_be_bytes());
    png
}

#[test]
fn a_picture_that_needs_more_memory_than_promised_is_refused_before_it_is_decoded() {
    // Of three bytes a pixel; of one bit, which becomes a byte and then three; of eight, converted to three.
    for png in [claiming(30_000, 30_000, 8, 2), claiming(17_000, 17_000, 1, 0), claiming(10_000, 10_000, 16, 6)] {
        assert!(message(&png).starts_with("x is too large: "), "{}", message(&png));
    }
    let sized = |mut jpeg: Vec<u8>, mark: u8, side: u16| {
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, mark]).unwrap();
        jpeg[frame + 5..frame + 7].copy_from_slice(&side.to_be_bytes());
        jpeg[frame + 7..frame + 9].copy_from_slice(&side.to_be_bytes());
        message(&jpeg)
    };
    let plain = sized(flat(&[90, 128, 128], false, None), 0xc0, 30_000);
    assert!(plain.starts_with("x is too large: "), "{plain}");
    // A progressive one is kept as coefficients until its last scan: 3 and 6 bytes a pixel.
    let progressive = sized(flat(&[90, 128, 128], true, None), 0xc2, 12_000);
    assert!(progressive.starts_with("x is too large: "), "{progressive}");
}
