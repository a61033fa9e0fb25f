//! From a definition to its trials.

use crate::definition::{Cell, Definition, Network};
use crate::trial::{
    DataSpec, GroupId, Identities, ModelSpec, Pictures, TrialId, TrialSpec, Validation, WeightsIdentity,
};
use std::collections::BTreeMap;

/// What a definition names by place, by content.
#[derive(Debug, Clone, PartialEq)]
pub struct Sources {
    pub data_digest: String,
    /// None where the images of the data set have one size.
    pub pictures: Option<Pictures>,
    /// Whether the data set has validation images of its own, which stand in for a share of the training images.
    pub own_validation: bool,
    /// By network; random for those that are not in it.
    pub weights: BTreeMap<String, WeightsIdentity>,
}

impl Sources {
    /// Images of one size, without a validation split of their own, and random weights.
    pub fn plain(data_digest: String) -> Sources {
        Sources { data_digest, pictures: None, own_validation: false, weights: BTreeMap::new() }
    }

    /// What trials of one sweep were made of, by the first one of each network; none where there are none.
    pub fn of<'t>(trials: impl IntoIterator<Item = &'t TrialSpec>) -> Option<Sources> {
        let mut trials = trials.into_iter().peekable();
        let data = &trials.peek()?.data;
        Some(Sources {
            data_digest: data.digest.clone(),
            pictures: data.pictures,
            own_validation: data.validation == Validation::Own,
            weights: trials.fold(BTreeMap::new(), |mut weights, trial| {
                weights.entry(trial.model.backbone.clone()).or_insert_with(|| trial.model.weights.clone());
                weights
            }),
        })
    }

    /// Those of a network.
    pub fn weights_of(&self, backbone: &str) -> WeightsIdentity {
        self.weights.get(backbone).cloned().unwrap_or(WeightsIdentity::Random)
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
    /// One a network of the definition.
    models: Vec<ModelSpec>,
    cells: Vec<Cell>,
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
        self.cells.iter().map(|cell| u64::from(cell.parameters.epochs)).sum::<u64>() * self.seeds.len() as u64
    }

    /// Without their identities, which take longer.
    pub fn specs(&self) -> impl Iterator<Item = TrialSpec> + Clone {
        self.places().map(|(cell, seed)| self.spec(cell, seed))
    }

    fn places(&self) -> impl Iterator<Item = (&Cell, u64)> + Clone {
        self.cells.iter().flat_map(|cell| self.seeds.iter().map(move |&seed| (cell, seed)))
    }

    fn spec(&self, cell: &Cell, seed: u64) -> TrialSpec {
        TrialSpec {
            data: self.data.clone(),
            model: self.models[cell.network].clone(),
            parameters: cell.parameters.clone(),
            seed,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Trial> {
        let identities: Vec<Identities> = self.models.iter().map(|model| Identities::of(&self.data, model)).collect();
        self.places().map(move |(cell, seed)| {
            let (id, group) = identities[cell.network].trial(&cell.parameters, seed);
            Trial { id, group, spec: self.spec(cell, seed) }
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
            augment: self.data.augmentation(),
            train_limit: self.data.train_limit,
            test_limit: self.data.test_limit,
            pictures: sources.pictures,
        };
        let model = |network: &Network| {
            let backbone = network.architecture.name.to_owned();
            ModelSpec { weights: sources.weights_of(&backbone), backbone }
        };
        Trials {
            data,
            models: self.networks.iter().map(model).collect(),
            cells: self.cells().unwrap_or_default(),
            seeds: self.seeds.clone(),
        }
    }

    /// All of them at once.
    pub fn expand(&self, sources: &Sources) -> Vec<Trial> {
        self.trials(sources).iter().collect()
    }
}
