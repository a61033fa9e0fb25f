//! Which images trials get wrong.

use crate::ViewError;
use frostline_store::Reader;
use frostline_sweep::bits::Bits;
use frostline_sweep::outcome::Right;
use frostline_sweep::trial::TrialId;

/// Where images are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Split {
    Validation,
    #[default]
    Test,
}

impl Split {
    pub const ALL: [Split; 2] = [Split::Test, Split::Validation];

    pub fn name(self) -> &'static str {
        match self {
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }

    pub fn parse(name: &str) -> Option<Split> {
        Split::ALL.into_iter().find(|split| split.name() == name)
    }

    fn of(self, right: &Right) -> &Bits {
        match self {
            Split::Validation => &right.validation,
            Split::Test => &right.test,
        }
    }
}

/// Images that all of some trials get wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// How many the split has.
    pub images: usize,
    /// By their numbers.
    pub wrong: Vec<usize>,
    /// How many trials it was.
    pub trials: usize,
}

/// None where of none of these trials it is stored which images it got right. A trial that has seen other images than the
/// first one is left out.
///
/// # Errors
/// Failures of the database.
pub fn wrong(reader: &Reader, trials: &[TrialId], split: Split) -> Result<Option<Wrong>, ViewError> {
    let right = reader.right(trials)?;
    let mut known = right.iter().flatten().map(|right| split.of(right));
    let Some(first) = known.next() else { return Ok(None) };
    let mut is_wrong: Vec<bool> = first.iter().map(|right| !right).collect();
    let mut count = 1;
    for bits in known.filter(|bits| bits.images() == first.images()) {
        count += 1;
        is_wrong.iter_mut().zip(bits.iter()).for_each(|(is_wrong, right)| *is_wrong &= !right);
    }
    let wrong = is_wrong.iter().enumerate().filter(|(_, is_wrong)| **is_wrong).map(|(image, _)| image).collect();
    Ok(Some(Wrong { images: first.images(), wrong, trials: count }))
}
