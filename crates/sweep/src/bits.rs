//! Right or wrong, for each image of a set.

use serde::{Deserialize, Serialize};
use std::fmt::{self, Write};

/// One bit an image, in the order of the set: set where the trial said the image's class. As JSON it is the number of
/// images and the packed bytes in hexadecimal digits.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Packed", into = "Packed")]
pub struct Bits {
    images: usize,
    /// Image `i` is bit `i % 64` of word `i / 64`; the bits behind the last image are 0.
    words: Vec<u64>,
}

/// Bits that don't fit an image set, or one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BitsError {
    #[error("{images} images take {} bytes, and there are {bytes}", images.div_ceil(8))]
    Length { images: usize, bytes: usize },
    #[error("bits behind the last of {images} images are set")]
    Behind { images: usize },
    #[error("one set has {one} images, the other {other}")]
    Sets { one: usize, other: usize },
    #[error("the bits are not written in pairs of hexadecimal digits")]
    Digits,
}

#[derive(Serialize, Deserialize)]
struct Packed {
    images: usize,
    right: String,
}

impl From<Bits> for Packed {
    fn from(bits: Bits) -> Packed {
        let mut right = String::with_capacity(2 * bits.images.div_ceil(8));
        for byte in bits.to_bytes() {
            let _ = write!(right, "{byte:02x}");
        }
        Packed { images: bits.images, right }
    }
}

impl TryFrom<Packed> for Bits {
    type Error = BitsError;

    fn try_from(packed: Packed) -> Result<Bits, BitsError> {
        let digits: Option<Vec<u8>> =
            packed.right.chars().map(|digit| digit.to_digit(16).map(|value| value as u8)).collect();
        let digits = digits.filter(|digits| digits.len().is_multiple_of(2)).ok_or(BitsError::Digits)?;
        let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        Bits::from_bytes(&bytes, packed.images)
    }
}

impl Bits {
    /// From packed bytes: image `i` is bit `i % 8`, the lowest first, of byte `i / 8`.
    ///
    /// # Errors
    /// There are too few or too many bytes for so many images, or bits behind the last image are set.
    pub fn from_bytes(bytes: &[u8], images: usize) -> Result<Bits, BitsError> {
        if bytes.len() != images.div_ceil(8) {
            return Err(BitsError::Length { images, bytes: bytes.len() });
        }
        let word = |chunk: &[u8]| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_le_bytes(word)
        };
        let words: Vec<u64> = bytes.chunks(8).map(word).collect();
        let used = images % 64;
        if used > 0 && words.last().is_some_and(|last| last >> used != 0) {
            return Err(BitsError::Behind { images });
        }
        Ok(Bits { images, words })
    }

    /// Packed as [`Bits::from_bytes`] reads them.
    pub fn to_bytes(&self) -> Vec<u8> {
        let bytes = self.words.iter().flat_map(|word| word.to_le_bytes());
        bytes.take(self.images.div_ceil(8)).collect()
    }

    /// How many images there are.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Whether image `image` was said right; false behind the last one.
    pub fn right(&self, image: usize) -> bool {
        self.words.get(image / 64).is_some_and(|word| word >> (image % 64) & 1 == 1)
    }

    pub fn iter(&self) -> impl Iterator<Item = bool> {
        (0..self.images).map(|image| self.right(image))
    }

    /// How many images were said right.
    pub fn count(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Share of the images that were said right; not a number without images.
    pub fn accuracy(&self) -> f64 {
        self.count() as f64 / self.images as f64
    }

    /// How many images both said right.
    ///
    /// # Errors
    /// They are of sets of different sizes.
    pub fn both(&self, other: &Bits) -> Result<u64, BitsError> {
        self.same_set(other)?;
        Ok(self.and(other))
    }

    /// How many images one said right and the other wrong.
    ///
    /// # Errors
    /// They are of sets of different sizes.
    pub fn differ(&self, other: &Bits) -> Result<u64, BitsError> {
        self.same_set(other)?;
        Ok(self.words.iter().zip(&other.words).map(|(one, other)| u64::from((one ^ other).count_ones())).sum())
    }

    /// # Errors
    /// They are of sets of different sizes.
    pub fn same_set(&self, other: &Bits) -> Result<(), BitsError> {
        let (one, other) = (self.images, other.images);
        if one == other { Ok(()) } else { Err(BitsError::Sets { one, other }) }
    }

    /// As [`Bits::both`], of sets that are known to be of one size.
    pub fn and(&self, other: &Bits) -> u64 {
        self.words.iter().zip(&other.words).map(|(one, other)| u64::from((one & other).count_ones())).sum()
    }

    /// Image `i` is bit `i % 64` of word `i / 64`; the bits behind the last image are 0.
    pub fn words(&self) -> &[u64] {
        &self.words
    }
}

impl FromIterator<bool> for Bits {
    fn from_iter<I: IntoIterator<Item = bool>>(right: I) -> Bits {
        let mut bits = Bits { images: 0, words: Vec::new() };
        for right in right {
            if bits.images.is_multiple_of(64) {
                bits.words.push(0);
            }
            if let Some(last) = bits.words.last_mut() {
                *last |= u64::from(right) << (bits.images % 64);
            }
            bits.images += 1;
        }
        bits
    }
}

impl fmt::Debug for Bits {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Bits({} of {} right)", self.count(), self.images)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(text: &str) -> Bits {
        text.chars().map(|digit| digit == '1').collect()
    }

    #[test]
    fn the_first_image_is_the_lowest_bit_of_the_first_byte() {
        let right = bits("1100000001");
        assert_eq!(right.to_bytes(), [0b0000_0011, 0b0000_0010]);
        assert_eq!(Bits::from_bytes(&[3, 2], 10), Ok(right.clone()));
        assert_eq!((right.images(), right.count(), right.right(9), right.right(10)), (10, 3, true, false));
    }

    #[test]
    fn sets_of_any_size_come_back_as_they_were() {
        for images in [0, 1, 7, 8, 9, 63, 64, 65, 200] {
            let right: Bits = (0..images).map(|image| image % 3 == 0).collect();
            assert_eq!(Bits::from_bytes(&right.to_bytes(), images), Ok(right.clone()));
            assert_eq!(right.count(), images.div_ceil(3) as u64);
            assert_eq!(right.iter().filter(|right| *right).count(), images.div_ceil(3));
        }
    }

    #[test]
    fn accuracy_is_the_share_of_what_is_right() {
        assert_eq!(bits("1100000001").accuracy(), 0.3);
        assert!(bits("").accuracy().is_nan());
        assert_eq!(format!("{:?}", bits("1100000001")), "Bits(3 of 10 right)");
    }

    #[test]
    fn bytes_that_do_not_fit_are_refused() {
        assert_eq!(Bits::from_bytes(&[0], 9), Err(BitsError::Length { images: 9, bytes: 1 }));
        assert_eq!(Bits::from_bytes(&[0; 3], 9), Err(BitsError::Length { images: 9, bytes: 3 }));
        assert_eq!(Bits::from_bytes(&[0, 2], 9), Err(BitsError::Behind { images: 9 }));
        let error = Bits::from_bytes(&[0], 9).unwrap_err().to_string();
        assert_eq!(error, "9 images take 2 bytes, and there are 1");
    }

    #[test]
    fn on_the_wire_they_are_hexadecimal_digits() {
        let right = bits("1100000001");
        let text = serde_json::to_string(&right).unwrap();
        assert_eq!(text, r#"{"images":10,"right":"0302"}"#);
        assert_eq!(serde_json::from_str::<Bits>(&text).unwrap(), right);
        let high = bits("10100101");
        assert_eq!(serde_json::from_str::<Bits>(r#"{"images":8,"right":"a5"}"#).unwrap(), high);
        for wrong in ["030", "03g2", "03", "03ff"] {
            let text = format!(r#"{{"images":10,"right":"{wrong}"}}"#);
            assert!(serde_json::from_str::<Bits>(&text).is_err(), "{wrong}");
        }
    }

    #[test]
    fn two_sets_are_compared_where_they_have_the_same_images() {
        let (one, other) = (bits("1111000"), bits("1000100"));
        assert_eq!((one.both(&other), one.differ(&other)), (Ok(1), Ok(4)));
        assert_eq!(one.both(&bits("1")), Err(BitsError::Sets { one: 7, other: 1 }));
        assert_eq!(one.differ(&bits("1")), Err(BitsError::Sets { one: 7, other: 1 }));
    }
}
