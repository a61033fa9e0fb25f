//! The data sets that a definition can name: one row each.

use serde::{Deserialize, Serialize};

/// A data set by its name; what it holds is said by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dataset {
    Cifar10,
    Cifar100,
    Cifar100Coarse,
    Folder,
    Parquet,
    Shapes,
}

/// Where a data set's files are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// The program draws the images itself.
    Drawn,
    /// Where `data.path` says, else where this entry of the catalogue lies.
    Catalogue(&'static str),
    /// Where `data.path` says: pictures of any size, which a person has collected.
    Named,
}

/// How pictures of any size become the squares that are trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pictures {
    /// Side of the squares in pixels.
    pub side: u32,
    pub fit: Fit,
}

/// What becomes of a picture that is no square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The largest square in its middle is taken.
    Crop,
    /// Black bars make it one.
    Pad,
    /// Its sides become equally long.
    Stretch,
}

/// What becomes of a data set in which pictures cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    /// It is refused, with all of them named.
    Refuse,
    /// It is used without them, and how many they are is said.
    Skip,
}

impl Fit {
    pub const ALL: [Fit; 3] = [Fit::Crop, Fit::Pad, Fit::Stretch];

    /// As definitions and the canonical form name it.
    pub fn name(self) -> &'static str {
        match self {
            Fit::Crop => "crop",
            Fit::Pad => "pad",
            Fit::Stretch => "stretch",
        }
    }
}

impl Dataset {
    /// In the order of the documentation.
    pub const ALL: [Dataset; 6] = [
        Dataset::Cifar10,
        Dataset::Cifar100,
        Dataset::Cifar100Coarse,
        Dataset::Folder,
        Dataset::Parquet,
        Dataset::Shapes,
    ];

    /// As definitions and the canonical form name it.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    pub fn files(self) -> Files {
        self.row().1
    }

    fn row(self) -> (&'static str, Files) {
        match self {
            Dataset::Cifar10 => ("cifar10", Files::Catalogue("cifar10")),
            Dataset::Cifar100 => ("cifar100", Files::Catalogue("cifar100")),
            Dataset::Cifar100Coarse => ("cifar100_coarse", Files::Catalogue("cifar100")),
            Dataset::Folder => ("folder", Files::Named),
            Dataset::Parquet => ("parquet", Files::Named),
            Dataset::Shapes => ("shapes", Files::Drawn),
        }
    }
}

/// How images are varied in training, as it is written in a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AugmentChoice {
    None,
    Flip,
    Crop,
    Color,
    Randaugment,
}

impl AugmentChoice {
    pub const ALL: [AugmentChoice; 5] = [
        AugmentChoice::None,
        AugmentChoice::Flip,
        AugmentChoice::Crop,
        AugmentChoice::Color,
        AugmentChoice::Randaugment,
    ];

    /// As it is written in a definition.
    pub fn name(self) -> &'static str {
        match self {
            AugmentChoice::None => "none",
            AugmentChoice::Flip => "flip",
            AugmentChoice::Crop => "crop",
            AugmentChoice::Color => "color",
            AugmentChoice::Randaugment => "randaugment",
        }
    }

    /// Whether its views are random, so that there may be any number of them.
    pub(crate) fn draws(self) -> bool {
        !matches!(self, AugmentChoice::None | AugmentChoice::Flip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_and_written() {
        for dataset in Dataset::ALL {
            assert_eq!(serde_json::to_value(dataset).unwrap(), dataset.name());
        }
        for fit in Fit::ALL {
            assert_eq!(serde_json::to_value(fit).unwrap(), fit.name());
        }
    }
}
