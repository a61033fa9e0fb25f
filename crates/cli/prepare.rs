//! From a definition to trials that can be run: files found, checked and known by content.

use crate::args::DefinitionFile;
use crate::commands::fetch::download;
use crate::wrong_input;
use frostline_assets::catalogue::{self, Content, Entry};
use frostline_assets::checkpoint::CheckpointError;
use frostline_assets::cifar10::DataError;
use frostline_assets::{checkpoint, cifar10, layout, shapes};
use frostline_protocol::Places;
use frostline_sweep::backbone::Architecture;
use frostline_sweep::costs::Images;
use frostline_sweep::definition::{Definition, KeepModels, toml_string};
use frostline_sweep::expand::{Sources, Trial};
use frostline_sweep::suggest;
use frostline_sweep::trial::{Dataset, WeightsIdentity};
use std::path::{Path, PathBuf};

/// Folder of the trained models in the results folder.
pub(crate) const MODELS: &str = "models";

/// What to do about files of the catalogue that are not here yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    Download,
    /// Only say so: the trials' identities are not known then.
    Note,
}

pub(crate) struct Prepared {
    pub(crate) definition: Definition,
    pub(crate) sources: Sources,
    pub(crate) trials: Vec<Trial>,
    pub(crate) images: Images,
    /// Data folder and weights file.
    pub(crate) data: Option<PathBuf>,
    pub(crate) weights: Option<PathBuf>,
    /// Catalogue entries that are still to be downloaded.
    pub(crate) missing: Vec<&'static Entry>,
}

impl Prepared {
    pub(crate) fn places(&self, results: &Path) -> Places {
        Places {
            data: self.data.clone(),
            weights: self.weights.clone(),
            features: results.join("cache").join("features-v1"),
            checkpoints: results.join("checkpoints"),
            models: (self.definition.keep.models != KeepModels::None).then(|| results.join(MODELS)),
        }
    }
}

/// Reads and checks a definition. Paths in it become absolute, so that it can be resumed from anywhere.
pub(crate) fn read(arguments: &DefinitionFile) -> anyhow::Result<Definition> {
    let file = &arguments.file;
    let text = std::fs::read_to_string(file)
        .map_err(|error| wrong_input(format!("the sweep definition {} cannot be read: {error}", file.display())))?;
    let name = file.display().to_string();
    let definition = Definition::parse(&name, &text, &arguments.set).map_err(wrong_input)?;
    let mut overrides = arguments.set.clone();
    if let Some(path) = definition.data.path.as_ref().filter(|path| path.is_relative()) {
        overrides.push(("data.path".to_owned(), quoted(&std::path::absolute(path)?)));
    }
    let weights = Path::new(&definition.model.weights);
    if weights_entry(&definition).is_none() && definition.model.weights != "random" && weights.is_relative() {
        overrides.push(("model.weights".to_owned(), quoted(&std::path::absolute(weights)?)));
    }
    Definition::parse(&name, &text, &overrides).map_err(wrong_input)
}

fn quoted(path: &Path) -> String {
    toml_string(&path.display().to_string())
}

fn weights_entry(definition: &Definition) -> Option<&'static Entry> {
    catalogue::find(&definition.model.weights)
}

/// Finds what the definition names, checks it, and expands the trials.
pub(crate) fn prepare(definition: Definition, missing: Missing) -> anyhow::Result<Prepared> {
    let mut absent = Vec::new();
    let mut present = |entry: &'static Entry| -> anyhow::Result<Option<PathBuf>> {
        if entry.is_present() {
            return Ok(Some(entry.path()));
        }
        match missing {
            Missing::Download => download(entry).map(Some),
            Missing::Note => {
                absent.push(entry);
                Ok(None)
            }
        }
    };
    let weights = match definition.model.weights.as_str() {
        "random" => None,
        name => match catalogue::find(name) {
            Some(entry) => {
                check_entry(entry, definition.model.architecture.name)?;
                present(entry)?
            }
            None => Some(weights_file(name)?),
        },
    };
    let data = match (definition.data.dataset, &definition.data.path) {
        (Dataset::Shapes, _) => None,
        (Dataset::Cifar10, Some(path)) => Some(path.clone()),
        (Dataset::Cifar10, None) => match catalogue::find("cifar10") {
            Some(entry) => present(entry)?,
            None => None,
        },
    };
    let sources = Sources {
        data_digest: match (definition.data.dataset, &data) {
            (Dataset::Shapes, _) => shapes::digest(),
            (Dataset::Cifar10, Some(folder)) => cifar10::digest(folder).map_err(wrong_data)?,
            (Dataset::Cifar10, None) => "not here yet".to_owned(),
        },
        weights: match &weights {
            Some(file) => {
                check_weights(definition.model.architecture, file)?;
                checkpoint::weights_identity(file)?
            }
            None if definition.model.weights == "random" => WeightsIdentity::Random,
            None => WeightsIdentity::File("not here yet".to_owned()),
        },
    };
    let images = images(&definition, data.as_deref())?;
    let trials = definition.expand(&sources);
    Ok(Prepared { definition, sources, trials, images, data, weights, missing: absent })
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

/// Refuses a weights file that is not of this network.
fn check_weights(architecture: &'static Architecture, file: &Path) -> anyhow::Result<()> {
    let shown = file.display();
    let opened = checkpoint::open(file).map_err(|error| {
        let remedy = match error {
            // It says what to do.
            CheckpointError::Code { .. } => "",
            _ => "; get the file again, or name another",
        };
        wrong_input(format!("model.weights: {error}{remedy}"))
    })?;
    layout::check(architecture, &opened).map(drop).map_err(|error| {
        wrong_input(format!(
            "model.weights: {shown}: {error}; `frostline weights inspect {shown}` says which network the file has"
        ))
    })
}

/// Says what to do about data files that are not as they should be.
fn wrong_data(error: DataError) -> anyhow::Error {
    match error {
        // It says so itself.
        DataError::File { .. } => wrong_input(error),
        damaged => wrong_input(format!("{damaged}; get the file again, `frostline fetch cifar10` does too")),
    }
}

fn weights_file(name: &str) -> anyhow::Result<PathBuf> {
    let path = PathBuf::from(name);
    if path.is_file() {
        return Ok(path);
    }
    let names =
        catalogue::entries().filter(|entry| matches!(entry.content, Content::Weights { .. })).map(|entry| entry.name);
    let stem = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Err(wrong_input(format!(
        "model.weights: {} is not there, and the catalogue has no `{stem}`{}; `frostline fetch` lists what it has, and \
         \"random\" is allowed too",
        path.display(),
        suggest::hint(&stem, names).replace('?', "")
    )))
}

/// How many images a trial sees.
fn images(definition: &Definition, folder: Option<&Path>) -> anyhow::Result<Images> {
    let (train, test) = match (definition.data.dataset, folder) {
        (Dataset::Shapes, _) => shapes::COUNTS,
        (Dataset::Cifar10, Some(folder)) => cifar10::counts(folder).map_err(wrong_data)?,
        (Dataset::Cifar10, None) => (50_000, 10_000),
    };
    let limited = |count: u64, limit: Option<u32>| limit.map_or(count, |limit| count.min(u64::from(limit)));
    Ok(Images { train: limited(train, definition.data.train_limit), test: limited(test, definition.data.test_limit) })
}
