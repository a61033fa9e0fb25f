//! The images of a trial: which are trained on, which select, which test.

use crate::error::TrainingError;
use frostline_assets::{cifar10, shapes, subset};
use frostline_sweep::trial::{DataSpec, Dataset, Validation};
use std::path::Path;
use tch::{Kind, Tensor};

/// Limits and the validation split are drawn from this seed, not from a trial's: all trials see the same images.
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

/// Images of one pool in memory.
pub struct Images {
    /// `[n, 3, height, width]`, bytes.
    pub pixels: Tensor,
    /// Class of each image.
    pub labels: Vec<u8>,
}

/// A data set after its limits.
pub struct Data {
    pub train: Images,
    pub test: Images,
    pub classes: usize,
}

impl Data {
    /// Reads or draws the images that `spec` names. `folder` is where the data set's files lie.
    pub fn load(spec: &DataSpec, folder: Option<&Path>) -> Result<Data, TrainingError> {
        let splits = match spec.dataset {
            Dataset::Cifar10 => cifar10::load(folder.ok_or(TrainingError::NoPlace("the CIFAR-10 folder"))?)?,
            Dataset::Shapes => shapes::load(),
        };
        Ok(Data {
            train: Images::limited(&splits.train, spec.train_limit),
            test: Images::limited(&splits.test, spec.test_limit),
            classes: splits.class_names.len(),
        })
    }

    pub fn pool(&self, pool: Pool) -> &Images {
        match pool {
            Pool::Train => &self.train,
            Pool::Test => &self.test,
        }
    }

    /// Where the images of training, validation and test lie: indices into the pools.
    pub fn division(&self, validation: Validation) -> Division {
        match validation {
            Validation::Share(share) => {
                let (train, validation) = subset::stratified_split(&self.train.labels, share, SPLIT_SEED);
                Division { train, validation, validation_pool: Pool::Train }
            }
            Validation::Test => Division {
                train: (0..self.train.labels.len() as u32).collect(),
                validation: (0..self.test.labels.len() as u32).collect(),
                validation_pool: Pool::Test,
            },
        }
    }
}

impl Images {
    fn limited(images: &cifar10::Images, limit: Option<u32>) -> Images {
        let (height, width) = (cifar10::SIDE as i64, cifar10::SIDE as i64);
        let pixels = Tensor::from_slice(&images.pixels).view([-1, 3, height, width]);
        match limit.map(|limit| subset::stratified_limit(&images.labels, limit as usize, SPLIT_SEED)) {
            None => Images { pixels, labels: images.labels.clone() },
            Some(chosen) => Images {
                pixels: pixels.index_select(0, &indices(&chosen)),
                labels: chosen.iter().map(|&index| images.labels[index as usize]).collect(),
            },
        }
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// `[n]`, int64, as the loss wants them.
    pub fn label_tensor(&self) -> Tensor {
        Tensor::from_slice(&self.labels).to_kind(Kind::Int64)
    }
}

/// Indices of images, `[n]`, int64, as `index_select` wants them.
pub fn indices(chosen: &[u32]) -> Tensor {
    Tensor::from_slice(&chosen.iter().map(|&index| i64::from(index)).collect::<Vec<_>>())
}

/// Which images of the training pool are trained on, and which select.
pub struct Division {
    pub train: Vec<u32>,
    pub validation: Vec<u32>,
    /// The pool that `validation` points into.
    pub validation_pool: Pool,
}
