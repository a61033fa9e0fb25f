//! Whether the files of a machine are the ones that a trial is of: on another machine they may be others under the same
//! name, and nothing that is computed from them would be the trial's.

use frostline_assets::{data, layout};
use frostline_protocol::{Places, Work};
use frostline_sweep::backbone;
use frostline_sweep::dataset::Dataset;
use frostline_sweep::trial::{ModelSpec, WeightsIdentity};

/// What was held against the files already.
#[derive(Debug, Default)]
pub struct Checked {
    data: Vec<(Dataset, String)>,
    weights: Vec<(String, WeightsIdentity)>,
}

impl Checked {
    /// Holds the files of `places` against what `work` is of, each of them once. Reads them whole.
    ///
    /// # Errors
    /// They are others, or cannot be read; in words.
    pub fn check(&mut self, places: &Places, work: &Work) -> Result<(), String> {
        let (dataset, digest, model) = match work {
            Work::Train { spec, .. } => (spec.data.dataset, &spec.data.digest, &spec.model),
            Work::Fill { spec, .. } => (spec.dataset, &spec.data_digest, &spec.model),
        };
        let data = (dataset, digest.clone());
        if !self.data.contains(&data) {
            check_data(places, dataset, digest)?;
            self.data.push(data);
        }
        let weights = (model.backbone.clone(), model.weights.clone());
        if !self.weights.contains(&weights) {
            check_weights(places, model)?;
            self.weights.push(weights);
        }
        Ok(())
    }
}

fn check_data(places: &Places, dataset: Dataset, digest: &str) -> Result<(), String> {
    let found = data::source(dataset).digest(places.data.as_deref()).map_err(|error| error.to_string())?;
    match (found, &places.data) {
        (Some(found), Some(place)) if found != digest => Err(format!(
            "the data in {} are others than the sweep's: copy those, or name their folder",
            place.display()
        )),
        _ => Ok(()),
    }
}

fn check_weights(places: &Places, model: &ModelSpec) -> Result<(), String> {
    let file = places.weights.get(&model.backbone);
    let Some((file, network)) = file.zip(backbone::find(&model.backbone)) else { return Ok(()) };
    if model.weights == WeightsIdentity::Random {
        return Ok(());
    }
    let found = layout::identity(network, file).map_err(|error| format!("the weights cannot be used: {error}"))?;
    if found == model.weights {
        return Ok(());
    }
    Err(format!("the weights {} are others than the sweep's: copy those, or name their file", file.display()))
}
