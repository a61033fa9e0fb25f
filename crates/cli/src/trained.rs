//! A trial's trained model: where its parts lie, or why they don't.

use crate::args::Common;
use crate::exit::wrong_input;
use crate::record;
use crate::sources;
use frostline_assets::catalogue::{self, Content, Entry};
use frostline_assets::layout;
use frostline_assets::weights::Named;
use frostline_protocol::tools::ModelFiles;
use frostline_results::Folder;
use frostline_store::{Sweep, TrialDetail};
use frostline_sweep::backbone;
use frostline_sweep::definition::Definition;
use frostline_sweep::outcome::TrialState;
use frostline_sweep::trial::{ModelSpec, TrialId, WeightsIdentity};
use frostline_view::stored;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) struct Trained {
    pub(crate) detail: TrialDetail,
    pub(crate) files: ModelFiles,
    results: PathBuf,
}

impl Trained {
    /// Finds the model of the trial whose id begins with `prefix`. `weights`, a file or a name of the catalogue, stands in
    /// for the pretrained weights that the trial's sweep names.
    ///
    /// # Errors
    /// The trial is not complete, its model was not kept, or its pretrained weights are not there any more.
    pub(crate) fn find(common: &Common, prefix: &str, weights: Option<&Path>) -> anyhow::Result<Trained> {
        let reader = record::open(common)?;
        let detail = reader.find_trial(prefix)?;
        let sweeps: Vec<Sweep> = detail.sweeps.iter().map(|name| reader.sweep(name)).collect::<Result<_, _>>()?;
        // A definition of an older version that is no longer valid names no weights and no rule.
        let definitions: Vec<Definition> = sweeps.iter().filter_map(|sweep| stored::definition(sweep).ok()).collect();
        let row = &detail.row;
        let short = row.trial.short();
        if row.state != TrialState::Complete {
            let state = row.state;
            return Err(wrong_input(format!(
                "trial {short} is {state}: only a complete trial leaves a model (`frostline resume` continues a sweep)"
            )));
        }
        let model = Folder::new(std::path::absolute(&common.results)?).model(row.trial);
        if !model.is_file() {
            let rule = definitions.first().map_or(String::new(), |definition| {
                let (models, count) = (definition.keep.models.as_str(), definition.keep.count);
                format!(" of sweep `{}` with keep.models = \"{models}\", keep.count = {count}", definition.name)
            });
            return Err(wrong_input(format!(
                "the model of trial {short}{rule} was not kept: {} is not there. {}",
                model.display(),
                remedy(common, row.trial)
            )));
        }
        let weights = find_weights(&row.spec.model, weights, &definitions)?;
        let files = ModelFiles { spec: row.spec.clone(), weights, model };
        Ok(Trained { detail, files, results: common.results.clone() })
    }

    /// Names of the classes in the order of their numbers.
    pub(crate) fn classes(&self) -> Vec<String> {
        let evaluation = self.detail.row.evaluation.as_ref();
        let count = evaluation.map_or(0, |evaluation| evaluation.class_accuracy.len());
        sources::classes(&self.results, &self.files.spec.data, count)
    }
}

/// How the model of a complete trial can be had that was not kept.
pub(crate) fn remedy(common: &Common, trial: TrialId) -> String {
    format!("`{}` trains it once more for its model", retrain(common, trial))
}

/// The command that does so.
pub(crate) fn retrain(common: &Common, trial: TrialId) -> String {
    format!("frostline retrain {}{}", trial.short(), common.results_argument())
}

fn find_weights(
    model: &ModelSpec,
    named: Option<&Path>,
    definitions: &[Definition],
) -> anyhow::Result<Option<PathBuf>> {
    let WeightsIdentity::File(digest) = &model.weights else { return Ok(None) };
    let places = places(model, named, definitions);
    let architecture = backbone::find(&model.backbone);
    for path in places.iter().filter(|path| Named::new(path).is_there()) {
        // What lies there now may be anything.
        let identity = architecture.and_then(|architecture| layout::identity(architecture, path).ok());
        if identity.as_ref() == Some(&model.weights) {
            return Ok(Some(std::path::absolute(path)?));
        }
    }
    let looked: Vec<String> = places.iter().map(|path| path.display().to_string()).collect();
    Err(wrong_input(format!(
        "the pretrained weights of this trial (BLAKE3 {}…) are not there any more ({}): name their file with --weights",
        &digest[..digest.len().min(16)],
        looked.join(", ")
    )))
}

/// Where pretrained weights may lie: what is named, else what the trial's sweeps name, and the catalogue's files of this
/// network, because the trial may be in no sweep any more.
fn places(model: &ModelSpec, named: Option<&Path>, definitions: &[Definition]) -> BTreeSet<PathBuf> {
    let place = |name: &str| catalogue::find(name).map_or_else(|| PathBuf::from(name), Entry::path);
    if let Some(named) = named {
        return BTreeSet::from([named.to_str().map_or_else(|| named.to_owned(), place)]);
    }
    let of_sweeps = definitions.iter().filter_map(|definition| definition.network(&model.backbone));
    let of_sweeps =
        of_sweeps.filter(|network| sources::is_file(&network.weights) || catalogue::find(&network.weights).is_some());
    let of_sweeps = of_sweeps.map(|network| place(&network.weights));
    let is_of_it =
        |entry: &&Entry| matches!(entry.content, Content::Weights { backbone, .. } if backbone == model.backbone);
    of_sweeps.chain(catalogue::entries().filter(is_of_it).map(Entry::path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_of_a_trial_without_a_sweep_are_looked_for_in_the_catalogue() {
        let weights = WeightsIdentity::File("0".repeat(64));
        let model = ModelSpec { backbone: "efficientnet_lite0".to_owned(), weights };
        let found = places(&model, None, &[]);
        assert!(found.contains(&catalogue::find("efficientnet_lite0.imagenet1k").unwrap().path()));
        assert!(!found.contains(&catalogue::find("efficientnet_v2_s.imagenet1k").unwrap().path()));
        let named = Path::new("mine.safetensors");
        assert_eq!(places(&model, Some(named), &[]), BTreeSet::from([named.to_owned()]), "and nowhere else");
    }
}
