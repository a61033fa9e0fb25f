//! Data sets, each behind one small interface: which classes it has, how many images, what identifies it, and the images.
//!
//! A source is a file of this folder and a row of [`source`]. Who trains or plans asks here and knows none by name.

pub mod cifar10;
pub mod cifar100;
mod error;
pub mod folder;
mod glance;
mod images;
mod parquet;
mod parquet_error;
mod pictures;
mod pictures_error;
mod records;
pub mod shapes;

pub use error::DataError;
pub use glance::{Glance, glance};
pub use images::{Images, Pixels, Splits};
pub use parquet_error::ParquetError;
pub use pictures::Counted;
pub use pictures_error::{List, PicturesError};

use crate::picture;
use frostline_sweep::dataset::{Dataset, Pictures};
use frostline_sweep::definition::Data;
use frostline_sweep::trial::DataSpec;
use std::path::{Path, PathBuf};

/// Height and width in pixels of the images of data sets whose images have one size.
pub const SIDE: usize = picture::SIDE;

/// Most classes that a data set may have: labels are 16 bits.
pub const MOST_CLASSES: usize = 1 << 16;

/// A data set that can be trained on.
pub trait Source: Sync {
    /// What is known of it wherever its files are; none where that depends on the files.
    fn published(&self) -> Option<&'static Published>;

    /// Looks at the files and says what they hold, without making images of them. Nothing is written.
    ///
    /// # Errors
    /// Files that are not as they should be.
    fn survey(&self, wanted: &Wanted, say: Say) -> Result<Survey, DataError>;

    /// Makes what training reads, where that is not the files as they are, and says where it is. Then the survey knows all.
    ///
    /// # Errors
    /// As of [`Source::survey`], or what is made cannot be written.
    fn pack(&self, wanted: &Wanted, say: Say) -> Result<Option<(PathBuf, Survey)>, DataError> {
        let _ = (wanted, say);
        Ok(None)
    }

    /// Identifies the files of a place, where [`Source::load`] takes them as they are; none where it holds them against what a
    /// spec identifies by itself.
    ///
    /// # Errors
    /// As of [`Source::survey`].
    fn digest(&self, place: Option<&Path>) -> Result<Option<String>, DataError> {
        let _ = place;
        Ok(None)
    }

    /// The images. `place` is where the files lie, or what was packed.
    ///
    /// # Errors
    /// Files that are not as they should be, or are not the ones that `spec` identifies.
    fn load(&self, spec: &DataSpec, place: Option<&Path>) -> Result<Splits, DataError>;
}

/// Which images are asked for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub data: &'a Data,
    /// Where the files lie; none for data that is drawn.
    pub place: Option<&'a Path>,
    /// Where images are packed.
    pub cache: &'a Path,
}

/// What takes long, and can be watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Reading,
    Decoding,
}

/// Is told how many of how many pictures are done.
pub type Say<'a> = &'a mut dyn FnMut(Step, u64, u64);

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
    /// Whether that can be relied on, or may change with what packing finds.
    pub is_final: bool,
    pub counts: Counts,
    /// In the order of the labels.
    pub classes: Vec<String>,
    /// None where the images have one size.
    pub pictures: Option<Pictures>,
    /// Bytes that packing would write.
    pub to_pack: u64,
    /// What a person should know, a sentence each.
    pub remarks: Vec<String>,
}

impl Survey {
    /// Of images that are read as they lie.
    pub fn plain(digest: String, counts: Counts, classes: impl IntoIterator<Item = impl Into<String>>) -> Survey {
        let classes = classes.into_iter().map(Into::into).collect();
        Survey { digest, is_final: true, counts, classes, pictures: None, to_pack: 0, remarks: Vec::new() }
    }
}

/// The source of a data set.
pub fn source(dataset: Dataset) -> &'static dyn Source {
    match dataset {
        Dataset::Cifar10 => &cifar10::Cifar10,
        Dataset::Cifar100 => &cifar100::BY_CLASS,
        Dataset::Cifar100Coarse => &cifar100::BY_GROUP,
        Dataset::Folder => &folder::Folder,
        Dataset::Parquet => &parquet::Parquet,
        Dataset::Shapes => &shapes::Shapes,
    }
}

/// The side in pixels of the images that a trial's data set has, before they become `image_size` large.
pub fn side(spec: &DataSpec) -> usize {
    spec.pictures.map_or(SIDE, |pictures| pictures.side as usize)
}
