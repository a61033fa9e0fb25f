//! What a definition names from outside, weights and data: where it lies, downloaded where it is wanted, and checked.

use crate::exit::wrong_input;
use crate::output;
use anyhow::Context;
use frostline_assets::catalogue::{self, Content, Entry};
use frostline_assets::cifar10::DataError;
use frostline_assets::layout::WeightsError;
use frostline_assets::weights::{self, Named, WeightsFileError};
use frostline_assets::{cifar10, fetch, layout, shapes};
use frostline_sweep::backbone::Architecture;
use frostline_sweep::costs::Images;
use frostline_sweep::definition::Data;
use frostline_sweep::suggest;
use frostline_sweep::trial::{Dataset, WeightsIdentity};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// What a definition says for weights that no file has.
pub(crate) const RANDOM: &str = "random";

/// Names of a data set's classes, in the order of their numbers.
pub(crate) fn classes(dataset: Dataset) -> &'static [&'static str] {
    match dataset {
        Dataset::Cifar10 => &cifar10::CLASSES,
        Dataset::Shapes => &shapes::CLASSES,
    }
}

/// Side in pixels of a data set's images, before they are resized.
pub(crate) fn side(dataset: Dataset) -> usize {
    match dataset {
        Dataset::Cifar10 | Dataset::Shapes => cifar10::SIDE,
    }
}

/// Gets an entry of the catalogue, and says how far it is where it is not there yet.
pub(crate) fn download(entry: &Entry) -> anyhow::Result<PathBuf> {
    let mut said = output::Download::new(entry.name, entry.bytes);
    let path = fetch::fetch(entry, &mut |event| said.say(event))
        .with_context(|| format!("`{}` could not be fetched", entry.name))?;
    said.finished();
    Ok(path)
}

/// Where the pretrained weights of a definition lie.
#[derive(Debug)]
pub(crate) enum Place {
    /// No file has them.
    Random,
    Catalogue(&'static Entry),
    File(PathBuf),
}

/// What `model.weights` names.
///
/// # Errors
/// Weights of another network, or neither a file nor a name of the catalogue.
pub(crate) fn weights(name: &str, architecture: &Architecture) -> anyhow::Result<Place> {
    if name == RANDOM {
        return Ok(Place::Random);
    }
    match catalogue::find(name) {
        Some(entry) => check_entry(entry, architecture.name).map(|()| Place::Catalogue(entry)),
        None => weights_file(name).map(Place::File),
    }
}

fn check_entry(entry: &Entry, backbone: &str) -> anyhow::Result<()> {
    match entry.content {
        Content::Weights { backbone: of, .. } if of == backbone => Ok(()),
        Content::Weights { backbone: of, .. } => Err(wrong_input(format!(
            "model.weights = \"{}\" are weights of {of}, and model.backbone is \"{backbone}\": change one of them",
            entry.name
        ))),
        Content::Data { .. } => Err(wrong_input(format!(
            "model.weights = \"{}\" is a data set, not weights: `frostline fetch` lists what there is",
            entry.name
        ))),
    }
}

fn weights_file(name: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(name);
    if Named::new(&path).is_there() {
        return Ok(path);
    }
    let names =
        catalogue::entries().filter(|entry| matches!(entry.content, Content::Weights { .. })).map(|entry| entry.name);
    let stem = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let near = suggest::nearest(&stem, names).map_or(String::new(), |near| format!(", did you mean `{near}`"));
    Err(wrong_input(format!(
        "model.weights: {} is not there, and the catalogue has no `{stem}`{near}; `frostline fetch` lists what it has, and \
         \"random\" is allowed too",
        path.display(),
    )))
}

/// Knows weights by content, and says where in their file the network was found if it is not plain to see.
///
/// # Errors
/// They cannot be read, or are not of this network.
pub(crate) fn weights_identity(architecture: &'static Architecture, file: &Path) -> anyhow::Result<WeightsIdentity> {
    let shown = file.display();
    let opened = weights::open(file).map_err(|error| {
        let remedy = match error {
            // They say what to do.
            WeightsFileError::Code { .. } | WeightsFileError::NoKey { .. } => "",
            _ => "; get the file again, or name another",
        };
        wrong_input(format!("model.weights: {error}{remedy}"))
    })?;
    let fit = layout::whole(architecture, &opened).map_err(|error| {
        let remedy = match error {
            WeightsError::Ambiguous { .. } | WeightsError::Value { .. } => String::new(),
            _ => format!("; `frostline weights inspect {shown}` says which network the file has"),
        };
        wrong_input(format!("model.weights: {shown}: {error}{remedy}"))
    })?;
    // `plan` may look twice.
    static SAID: Once = Once::new();
    if let Some(what) = fit.seen_through(&opened) {
        SAID.call_once(|| output::note(&format!("model.weights: {shown}: the network lies {what}")));
    }
    layout::identity(architecture, file).map_err(|error| wrong_input(format!("model.weights: {error}")))
}

/// Knows data by content; none where their folder is not here yet.
///
/// # Errors
/// A file that is not as it should be.
pub(crate) fn data_digest(dataset: Dataset, folder: Option<&Path>) -> anyhow::Result<Option<String>> {
    match (dataset, folder) {
        (Dataset::Shapes, _) => Ok(Some(shapes::digest())),
        (Dataset::Cifar10, Some(folder)) => cifar10::digest(folder).map(Some).map_err(wrong_data),
        (Dataset::Cifar10, None) => Ok(None),
    }
}

/// How many images a trial sees.
///
/// # Errors
/// A file that is not as it should be.
pub(crate) fn images(data: &Data, folder: Option<&Path>) -> anyhow::Result<Images> {
    let (train, test) = match (data.dataset, folder) {
        (Dataset::Shapes, _) => shapes::COUNTS,
        (Dataset::Cifar10, Some(folder)) => cifar10::counts(folder).map_err(wrong_data)?,
        (Dataset::Cifar10, None) => (50_000, 10_000),
    };
    let limited = |count: u64, limit: Option<u32>| limit.map_or(count, |limit| count.min(u64::from(limit)));
    Ok(Images { train: limited(train, data.train_limit), test: limited(test, data.test_limit) })
}

/// Says what to do about data files that are not as they should be.
fn wrong_data(error: DataError) -> anyhow::Error {
    match error {
        // It says so itself.
        DataError::File { .. } => wrong_input(error),
        damaged => wrong_input(format!("{damaged}; get the file again, `frostline fetch cifar10` does too")),
    }
}
