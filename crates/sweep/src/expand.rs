//! From a definition to its trials.

use crate::definition::Definition;
use crate::trial::{DataSpec, GroupId, ModelSpec, Parameters, TrialId, TrialSpec, WeightsIdentity};

/// What a definition names by place, by content.
#[derive(Debug, Clone, PartialEq)]
pub struct Sources {
    pub data_digest: String,
    pub weights: WeightsIdentity,
}

/// One trial of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    pub id: TrialId,
    pub group: GroupId,
    pub spec: TrialSpec,
}

impl Definition {
    /// The trials: every cell once per seed, seeds innermost.
    pub fn expand(&self, sources: &Sources) -> Vec<Trial> {
        let data = DataSpec {
            dataset: self.data.dataset,
            digest: sources.data_digest.clone(),
            validation: self.data.validation,
            image_size: self.data.image_size,
            augment: self.data.augment,
            train_limit: self.data.train_limit,
            test_limit: self.data.test_limit,
        };
        let backbone = self.model.architecture.name.to_owned();
        let model = ModelSpec { backbone, weights: sources.weights.clone() };
        let cells = self.cells().unwrap_or_default();
        let trial = |parameters: &Parameters, seed: u64| {
            let parameters = parameters.clone();
            let spec = TrialSpec { data: data.clone(), model: model.clone(), parameters, seed };
            Trial { id: spec.id(), group: spec.group(), spec }
        };
        cells
            .iter()
            .flat_map(|cell| self.seeds.iter().map(move |&seed| (cell, seed)))
            .map(|(c, s)| trial(c, s))
            .collect()
    }
}
