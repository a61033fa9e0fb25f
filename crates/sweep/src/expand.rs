//! From a definition to its trials.

use crate::definition::Definition;
use crate::trial::{
    DataSpec, GroupId, Identities, ModelSpec, Parameters, Pictures, TrialId, TrialSpec, Validation, WeightsIdentity,
};

/// What a definition names by place, by content.
#[derive(Debug, Clone, PartialEq)]
pub struct Sources {
    pub data_digest: String,
    /// None where the images of the data set have one size.
    pub pictures: Option<Pictures>,
    /// Whether the data set has validation images of its own, which stand in for a share of the training images.
    pub own_validation: bool,
    pub weights: WeightsIdentity,
}

impl Sources {
    /// Images of one size, without a validation split of their own.
    pub fn plain(data_digest: String, weights: WeightsIdentity) -> Sources {
        Sources { data_digest, pictures: None, own_validation: false, weights }
    }

    /// What a trial was made of.
    pub fn of(trial: &TrialSpec) -> Sources {
        Sources {
            data_digest: trial.data.digest.clone(),
            pictures: trial.data.pictures,
            own_validation: trial.data.validation == Validation::Own,
            weights: trial.model.weights.clone(),
        }
    }
}

/// One trial of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    pub id: TrialId,
    pub group: GroupId,
    pub spec: TrialSpec,
}

/// The trials of a sweep: every cell once per seed, seeds innermost. A large sweep has a million of them, so they are made
/// one at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Trials {
    data: DataSpec,
    model: ModelSpec,
    cells: Vec<Parameters>,
    seeds: Vec<u64>,
}

impl Trials {
    pub fn len(&self) -> usize {
        self.cells.len() * self.seeds.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Of all of them.
    pub fn epochs(&self) -> u64 {
        self.cells.iter().map(|cell| u64::from(cell.epochs)).sum::<u64>() * self.seeds.len() as u64
    }

    /// Without their identities, which take longer.
    pub fn specs(&self) -> impl Iterator<Item = TrialSpec> + Clone {
        let spec = |(cell, &seed): (&Parameters, &u64)| TrialSpec {
            data: self.data.clone(),
            model: self.model.clone(),
            parameters: cell.clone(),
            seed,
        };
        self.cells.iter().flat_map(|cell| self.seeds.iter().map(move |seed| (cell, seed))).map(spec)
    }

    pub fn iter(&self) -> impl Iterator<Item = Trial> {
        let identities = Identities::of(&self.data, &self.model);
        self.specs().map(move |spec| {
            let (id, group) = identities.trial(&spec.parameters, spec.seed);
            Trial { id, group, spec }
        })
    }
}

impl Definition {
    pub fn trials(&self, sources: &Sources) -> Trials {
        let data = DataSpec {
            dataset: self.data.dataset,
            digest: sources.data_digest.clone(),
            validation: match self.data.validation {
                Validation::Share(_) if sources.own_validation => Validation::Own,
                named => named,
            },
            image_size: self.data.image_size,
            augment: self.data.augment,
            train_limit: self.data.train_limit,
            test_limit: self.data.test_limit,
            pictures: sources.pictures,
        };
        let backbone = self.model.architecture.name.to_owned();
        let model = ModelSpec { backbone, weights: sources.weights.clone() };
        Trials { data, model, cells: self.cells().unwrap_or_default(), seeds: self.seeds.clone() }
    }

    /// All of them at once.
    pub fn expand(&self, sources: &Sources) -> Vec<Trial> {
        self.trials(sources).iter().collect()
    }
}
