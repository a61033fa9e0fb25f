//! Which images of a data set trials train on, which select, and which test. All trials of a data set see the same ones.

use crate::data::Splits;
use crate::subset::{limited, stratified_split};
use frostline_sweep::trial::{DataSpec, Validation};

/// Limits and the validation split are drawn from this seed, not from a trial's.
const SPLIT_SEED: u64 = 0;

/// Two pools of images that features are computed for: the training pool (validation included) and the test pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pool {
    Train,
    Test,
}

impl Pool {
    pub const ALL: [Pool; 2] = [Pool::Train, Pool::Test];

    pub fn name(self) -> &'static str {
        match self {
            Pool::Train => "train",
            Pool::Test => "test",
        }
    }
}

/// Which images of the splits are in the pools, after the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Indices into the training split; none for all of it.
    pub train: Option<Vec<u32>>,
    /// How many of them, the last ones, are of a validation split of its own.
    pub own_validation: usize,
    /// Indices into the test split; none for all of it.
    pub test: Option<Vec<u32>>,
}

impl Chosen {
    pub fn of(splits: &Splits, spec: &DataSpec) -> Chosen {
        let (train, own_validation) =
            limited(&splits.train.labels, splits.own_validation, spec.train_limit, SPLIT_SEED);
        let (test, _) = limited(&splits.test.labels, 0, spec.test_limit, SPLIT_SEED);
        Chosen { train, own_validation, test }
    }
}

/// Which images of the training pool are trained on, and which select.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    pub train: Vec<u32>,
    pub validation: Vec<u32>,
    /// The pool that `validation` points into.
    pub validation_pool: Pool,
}

impl Division {
    /// `train` are the labels of the training pool, whose last `own_validation` are of a validation split of its own; the test
    /// pool has `test` images.
    pub fn of(validation: Validation, train: &[u16], own_validation: usize, test: usize) -> Division {
        match validation {
            Validation::Share(share) => {
                let (train, validation) = stratified_split(train, share, SPLIT_SEED);
                Division { train, validation, validation_pool: Pool::Train }
            }
            Validation::Test => Division {
                train: (0..train.len() as u32).collect(),
                validation: (0..test as u32).collect(),
                validation_pool: Pool::Test,
            },
            Validation::Own => {
                let begin = (train.len() - own_validation) as u32;
                let (train, validation) = ((0..begin).collect(), (begin..train.len() as u32).collect());
                Division { train, validation, validation_pool: Pool::Train }
            }
        }
    }
}
