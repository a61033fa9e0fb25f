//! What a definition names from outside, weights and data: where it lies, downloaded where it is wanted, and checked.

use crate::exit::wrong_input;
use crate::output;
use anyhow::Context;
use frostline_assets::catalogue::{self, Content, Entry};
use frostline_assets::data::{self, DataError, Survey, Wanted};
use frostline_assets::layout::WeightsError;
use frostline_assets::weights::{self, Named, WeightsFileError};
use frostline_assets::{fetch, layout, subset};
use frostline_results::{Folder, classes};
use frostline_sweep::backbone::{self, Architecture};
use frostline_sweep::costs::ImageCounts;
use frostline_sweep::dataset::Files;
use frostline_sweep::definition::Data;
use frostline_sweep::suggest;
use frostline_sweep::trial::{DataSpec, Dataset, WeightsIdentity};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// What a definition says for weights that no file has.
pub(crate) const RANDOM: &str = "random";
/// And for those that stand first in the catalogue, whichever network it is.
const IMAGENET: &str = "imagenet";

/// Gets an entry of the catalogue, and says how far it is where it is not there yet.
pub(crate) fn download(entry: &Entry) -> anyhow::Result<PathBuf> {
    let mut said = output::Download::new(entry.name, entry.bytes);
    let path = fetch::fetch(entry, &mut |event| said.say(event))
        .with_context(|| format!("`{}` could not be fetched", entry.name))?;
    said.finished();
    Ok(path)
}

/// # Errors
/// No network is called so.
pub(crate) fn network(name: &str) -> anyhow::Result<&'static Architecture> {
    backbone::find(name).ok_or_else(|| {
        let names = backbone::names().collect::<Vec<_>>().join(", ");
        let near = suggest::near(name, backbone::names());
        wrong_input(format!("there is no network `{name}`{near}; use one of {names}"))
    })
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
    let of_it = || {
        catalogue::entries()
            .find(|entry| matches!(entry.content, Content::Weights { backbone, .. } if backbone == architecture.name))
    };
    let named = if name == IMAGENET { of_it() } else { catalogue::find(name) };
    match named {
        Some(entry) => check_entry(entry, architecture.name).map(|()| Place::Catalogue(entry)),
        None => weights_file(name, architecture).map(Place::File),
    }
}

/// Whether `model.weights` names a file of its own.
pub(crate) fn is_file(name: &str) -> bool {
    name != RANDOM && name != IMAGENET && catalogue::find(name).is_none()
}

/// What Keras, torchvision and timm call the weights that they take without being told more.
const ANY: [&str; 6] = ["imagenet", "imagenet1k", "imagenet1k_v1", "default", "pretrained", "true"];

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

fn weights_file(name: &str, architecture: &Architecture) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(name);
    if Named::new(&path).is_there() {
        return Ok(path);
    }
    // Those of another network would be refused next.
    let fits =
        |entry: &&Entry| matches!(entry.content, Content::Weights { backbone, .. } if backbone == architecture.name);
    let mut names = catalogue::entries().filter(fits).map(|entry| entry.name);
    let stem = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let near = match ANY.contains(&stem.to_lowercase().as_str()) {
        true => names.next(),
        false => suggest::nearest(&stem, names),
    };
    let near = near.map_or(String::new(), |near| format!(", did you mean `{near}`"));
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

/// Knows data by content. Where their files are not here yet, they are as they were published, and who they are is
/// `not_here`.
///
/// # Errors
/// A file that is not as it should be.
pub(crate) fn survey(wanted: &Wanted, not_here: &str) -> anyhow::Result<Survey> {
    let dataset = wanted.data.dataset;
    let source = data::source(dataset);
    match (dataset.files(), wanted.place, source.published()) {
        (Files::Catalogue(_), None, Some(published)) => {
            Ok(Survey::plain(not_here.to_owned(), published.counts, published.classes.iter().copied()))
        }
        _ => {
            let mut said = output::Pictures::default();
            let survey = source.survey(wanted, &mut |step, done, total| said.say(step, done, total));
            survey.map_err(|error| wrong_data(dataset, error))
        }
    }
}

/// Makes what training reads of data that it cannot read as it lies, and says where that is.
///
/// # Errors
/// A file that is not as it should be, or one that cannot be written.
pub(crate) fn pack(wanted: &Wanted) -> anyhow::Result<Option<(PathBuf, Survey)>> {
    let mut said = output::Pictures::default();
    let packed = data::source(wanted.data.dataset).pack(wanted, &mut |step, done, total| said.say(step, done, total));
    packed.map_err(|error| wrong_data(wanted.data.dataset, error))
}

/// Names of the classes that a trial's model tells apart, in the order of their numbers; numbers where nobody knows names
/// any more.
pub(crate) fn classes(results: &Path, data: &DataSpec, count: usize) -> Vec<String> {
    let published = data::source(data.dataset).published();
    let published = published.map(|published| published.classes.iter().map(|&name| name.to_owned()).collect());
    let kept = || classes::read(&Folder::new(results).classes(), &data.digest);
    published.or_else(kept).unwrap_or_else(|| (0..count).map(|class| format!("class {class}")).collect())
}

/// How many images a trial sees.
pub(crate) fn images(data: &Data, counts: data::Counts) -> ImageCounts {
    let limited = |count: u64, limit: Option<u32>| limit.map_or(count, |limit| count.min(u64::from(limit)));
    let all = counts.train + counts.validation;
    let train = limited(all, data.train_limit);
    let own_validation = subset::own_of(train as usize, all as usize, counts.validation as usize) as u64;
    ImageCounts { train, own_validation, test: limited(counts.test, data.test_limit) }
}

/// Says what to do about data files that are not as they should be.
fn wrong_data(dataset: Dataset, error: DataError) -> anyhow::Error {
    match (&error, dataset.files()) {
        (DataError::Truncated { .. } | DataError::Label { .. } | DataError::Empty { .. }, Files::Catalogue(name)) => {
            wrong_input(format!("{error}; get the file again, `frostline fetch {name}` does too"))
        }
        // They say so themselves.
        _ => wrong_input(error),
    }
}
