//! Data sets, each behind one small interface: which classes it has, how many images, what identifies it, and the images.
//!
//! A source is a file of this folder and a row of [`source`]. Who trains or plans asks here and knows none by name.

pub mod cifar10;
mod error;
mod images;
mod records;
pub mod shapes;

pub use error::DataError;
pub use images::{Images, Pixels, Splits};

use frostline_sweep::dataset::{Dataset, Pictures};
use frostline_sweep::trial::DataSpec;
use std::path::Path;

/// Height and width in pixels of the images of data sets whose images have one size.
pub const SIDE: usize = 32;

/// Most classes that a data set may have: labels are 16 bits.
pub const MOST_CLASSES: usize = 1 << 16;

/// A data set that can be trained on.
pub trait Source: Sync {
    /// What is known of it wherever its files are; none where that depends on the files.
    fn published(&self) -> Option<&'static Published>;

    /// Looks at the files in `place` and says what they hold, without making images of them.
    ///
    /// # Errors
    /// Files that are not as they should be.
    fn survey(&self, place: Option<&Path>) -> Result<Survey, DataError>;

    /// The images. `place` is where the files lie.
    ///
    /// # Errors
    /// Files that are not as they should be, or are not the ones that `spec` identifies.
    fn load(&self, spec: &DataSpec, place: Option<&Path>) -> Result<Splits, DataError>;
}

/// A data set as it was published.
#[derive(Debug)]
pub struct Published {
    pub counts: Counts,
    /// In the order of the labels.
    pub classes: &'static [&'static str],
}

/// How many images the splits have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub train: u64,
    /// Of a validation split of its own; 0 where there is none.
    pub validation: u64,
    pub test: u64,
}

/// What files hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    /// Identifies the images, their order and their classes.
    pub digest: String,
    pub counts: Counts,
    /// In the order of the labels.
    pub classes: Vec<String>,
    /// None where the images have one size.
    pub pictures: Option<Pictures>,
}

/// The source of a data set.
pub fn source(dataset: Dataset) -> &'static dyn Source {
    match dataset {
        Dataset::Cifar10 => &cifar10::Cifar10,
        Dataset::Shapes => &shapes::Shapes,
    }
}

/// The side in pixels of the images that a trial's data set has, before they become `image_size` large.
pub fn side(spec: &DataSpec) -> usize {
    spec.pictures.map_or(SIDE, |pictures| pictures.side as usize)
}
