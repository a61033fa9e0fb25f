//! From a definition to trials that can be run: files found, checked and known by content.

use crate::args::DefinitionFile;
use crate::exit::wrong_input;
use crate::sources::{self, Place};
use frostline_assets::catalogue::{self, Entry};
use frostline_assets::data::Survey;
use frostline_protocol::Places;
use frostline_results::Folder;
use frostline_sweep::costs::Images;
use frostline_sweep::dataset::Files;
use frostline_sweep::definition::{Definition, KeepModels, toml_string};
use frostline_sweep::expand::{Sources, Trials};
use frostline_sweep::trial::WeightsIdentity;
use std::path::{Path, PathBuf};

/// Stands for the identity of what is still to be downloaded.
const NOT_HERE: &str = "not here yet";

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
    pub(crate) trials: Trials,
    pub(crate) images: Images,
    /// Names of the data set's classes, in the order of their numbers.
    pub(crate) classes: Vec<String>,
    /// Data folder and weights file.
    pub(crate) data: Option<PathBuf>,
    pub(crate) weights: Option<PathBuf>,
    /// Catalogue entries that are still to be downloaded.
    pub(crate) missing: Vec<&'static Entry>,
}

impl Prepared {
    /// # Errors
    /// A path that workers could not be told.
    pub(crate) fn check_places(&self, results: &Path) -> anyhow::Result<()> {
        let Places { data, weights, features, checkpoints, models } = self.places(&std::path::absolute(results)?);
        let all = [data, weights, Some(features), Some(checkpoints), models];
        all.iter().flatten().try_for_each(|path| text(path).map(drop))
    }

    pub(crate) fn places(&self, results: &Path) -> Places {
        let results = Folder::new(results);
        Places {
            data: self.data.clone(),
            weights: self.weights.clone(),
            features: results.features(),
            checkpoints: results.checkpoints(),
            models: (self.definition.keep.models != KeepModels::None).then(|| results.models()),
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
        overrides.push(("data.path".to_owned(), quoted(&std::path::absolute(path)?)?));
    }
    let weights = definition.model.weights.as_str();
    let is_file = weights != sources::RANDOM && catalogue::find(weights).is_none();
    if is_file && Path::new(weights).is_relative() {
        overrides.push(("model.weights".to_owned(), quoted(&std::path::absolute(weights)?)?));
    }
    if overrides.len() == arguments.set.len() {
        return Ok(definition);
    }
    definition.with(&name, &overrides[arguments.set.len()..]).map_err(wrong_input)
}

/// As a TOML string.
fn quoted(path: &Path) -> anyhow::Result<String> {
    Ok(toml_string(text(path)?))
}

/// # Errors
/// The path is no text: definitions and workers could not be told it.
fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().ok_or_else(|| {
        wrong_input(format!(
            "the path `{}` is not UTF-8 text, which definitions and workers are told paths in: rename the folder, or use \
             another one (--results, `data.path`, `model.weights`, FROSTLINE_CACHE)",
            path.display()
        ))
    })
}

/// Finds what the definition names, checks it, and expands the trials.
pub(crate) fn prepare(definition: Definition, missing: Missing) -> anyhow::Result<Prepared> {
    let mut absent = Vec::new();
    let mut present = |entry: &'static Entry| -> anyhow::Result<Option<PathBuf>> {
        if entry.is_present() {
            return Ok(Some(entry.path()));
        }
        match missing {
            Missing::Download => sources::download(entry).map(Some),
            Missing::Note => {
                absent.push(entry);
                Ok(None)
            }
        }
    };
    let architecture = definition.model.architecture;
    let named = sources::weights(&definition.model.weights, architecture)?;
    let weights = match &named {
        Place::Random => None,
        Place::Catalogue(entry) => present(entry)?,
        Place::File(file) => Some(file.clone()),
    };
    let data = match (definition.data.dataset.files(), &definition.data.path) {
        (Files::Drawn, _) => None,
        (_, Some(path)) => Some(path.clone()),
        (Files::Catalogue(name), None) => match catalogue::find(name) {
            Some(entry) => present(entry)?,
            None => None,
        },
    };
    let survey = sources::survey(definition.data.dataset, data.as_deref(), NOT_HERE)?;
    let identity = match (&named, &weights) {
        (Place::Random, _) => WeightsIdentity::Random,
        (_, Some(file)) => sources::weights_identity(architecture, file)?,
        (_, None) => WeightsIdentity::File(NOT_HERE.to_owned()),
    };
    let images = sources::images(&definition.data, survey.counts);
    let Survey { digest, counts, classes, pictures } = survey;
    let sources = Sources { data_digest: digest, pictures, own_validation: counts.validation > 0, weights: identity };
    let trials = definition.trials(&sources);
    Ok(Prepared { definition, sources, trials, images, classes, data, weights, missing: absent })
}
