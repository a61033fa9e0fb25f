//! A configuration as its finished seeds show it.

use crate::replicates::{Replicates, summarise};
use crate::tally::Tally;
use frostline_sweep::bits::{Bits, BitsError};

/// What the seeds of one configuration scored, larger is better, and where it is stored which images each got right.
#[derive(Debug, Clone)]
pub struct Cell<'a> {
    scores: Vec<f64>,
    /// By seed, all of one image set; empty where a seed lacks them.
    right: Vec<&'a Bits>,
    /// How many seeds got each image right.
    tally: Tally,
    images: Option<u64>,
}

/// What is no configuration that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    #[error("a configuration without a finished seed cannot be compared")]
    NoSeed,
    #[error("a score of a configuration is not a number")]
    NoNumber,
    #[error("an accuracy on no image cannot be compared")]
    NoImage,
    #[error(transparent)]
    Bits(#[from] BitsError),
}

impl<'a> Cell<'a> {
    /// A configuration whose score is its accuracy, by what each seed got right.
    ///
    /// # Errors
    /// No seed, no image, or sets of different sizes.
    pub fn of_bits(right: Vec<&'a Bits>) -> Result<Cell<'a>, CellError> {
        let first = right.first().ok_or(CellError::NoSeed)?;
        if first.images() == 0 {
            return Err(CellError::NoImage);
        }
        for other in &right {
            first.same_set(other)?;
        }
        let (images, scores) = (first.images() as u64, right.iter().map(|bits| bits.accuracy()).collect());
        let tally = Tally::of_sets(&right);
        Ok(Cell { scores, right, tally, images: Some(images) })
    }

    /// A configuration of which no bits are stored. `images` says that the scores are accuracies, and on how many images.
    /// A metric that is better the smaller it is comes negated.
    ///
    /// # Errors
    /// No seed, no image, or a score that is not a number.
    pub fn of_scores(scores: Vec<f64>, images: Option<u64>) -> Result<Cell<'a>, CellError> {
        if scores.is_empty() {
            return Err(CellError::NoSeed);
        }
        if images == Some(0) {
            return Err(CellError::NoImage);
        }
        if scores.iter().any(|score| !score.is_finite()) {
            return Err(CellError::NoNumber);
        }
        Ok(Cell { scores, right: Vec::new(), tally: Tally::default(), images })
    }

    /// By seed.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    pub fn replicates(&self) -> Replicates {
        summarise(&self.scores)
    }

    /// On how many images the scores were measured, where they are accuracies and it is known.
    pub fn images(&self) -> Option<u64> {
        self.images
    }

    pub(crate) fn mean(&self) -> f64 {
        self.replicates().mean
    }

    pub(crate) fn seeds(&self) -> usize {
        self.scores.len()
    }

    /// By seed; empty where they are not stored.
    pub(crate) fn right(&self) -> &[&'a Bits] {
        &self.right
    }

    /// How many seeds got each image right; empty where bits are not stored.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The mean over the seeds, by image.
    pub(crate) fn by_image(&self) -> Vec<f64> {
        let images = self.right.first().map_or(0, |bits| bits.images());
        self.tally.counts(images).map(|count| count as f64 / self.right.len() as f64).collect()
    }
}

/// The size of the image set of which all these have bits; none where one lacks them or has other images, or there is but
/// one image, which has no spread.
pub(crate) fn shared_images<'a, 'b: 'a>(mut cells: impl Iterator<Item = &'a Cell<'b>>) -> Option<usize> {
    let images = cells.next()?.right.first().map(|bits| bits.images()).filter(|images| *images > 1)?;
    cells.all(|cell| cell.right.first().is_some_and(|bits| bits.images() == images)).then_some(images)
}
