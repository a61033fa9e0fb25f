//! Images in memory, or mapped into it.

use memmap2::Mmap;
use std::ops::Deref;
use std::sync::Arc;

/// Square colour images and their classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Images {
    pub labels: Vec<u16>,
    /// `[rows, 3, side, side]`: red, green and blue planes.
    pub pixels: Pixels,
    /// Which row of `pixels` each label's image is; none where they are in the order of the labels.
    pub rows: Option<Vec<u32>>,
}

impl Images {
    pub fn in_order(labels: Vec<u16>, pixels: Vec<u8>) -> Images {
        Images { labels, pixels: Pixels::Owned(pixels), rows: None }
    }
}

/// Bytes of images.
#[derive(Debug, Clone)]
pub enum Pixels {
    Owned(Vec<u8>),
    /// A file that is whole and is never written again.
    Mapped(Arc<Mmap>),
}

impl Deref for Pixels {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Pixels::Owned(bytes) => bytes,
            Pixels::Mapped(map) => map,
        }
    }
}

impl PartialEq for Pixels {
    fn eq(&self, other: &Pixels) -> bool {
        self[..] == other[..]
    }
}

/// A data set's images.
#[derive(Debug, Clone, PartialEq)]
pub struct Splits {
    /// Those of a validation split of its own come last.
    pub train: Images,
    /// How many they are; 0 where there is none.
    pub own_validation: usize,
    pub test: Images,
    pub class_names: Vec<String>,
    /// Height and width of the images in pixels.
    pub side: usize,
}
