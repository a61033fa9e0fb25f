//! From a definition to trials that can be run: files found, checked and known by content.

use crate::exit::wrong_input;
use crate::machine::free_space;
use crate::output;
use crate::sources::{self, Place};
use anyhow::{Context, bail};
use frostline_assets::catalogue::{self, Entry};
use frostline_assets::data::{Survey, Wanted};
use frostline_protocol::Places;
use frostline_results::{Folder, classes};
use frostline_sweep::costs::ImageCounts;
use frostline_sweep::dataset::Files;
use frostline_sweep::definition::{Definition, KeepModels, Network, toml_string};
use frostline_sweep::expand::{Sources, Trials};
use frostline_sweep::trial::WeightsIdentity;
use std::collections::BTreeMap;
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
    pub(crate) images: ImageCounts,
    /// Names of the data set's classes, in the order of their numbers.
    pub(crate) classes: Vec<String>,
    /// Data folder, and the weights file of each network that has one.
    pub(crate) data: Option<PathBuf>,
    pub(crate) weights: BTreeMap<String, PathBuf>,
    /// Catalogue entries that are still to be downloaded.
    pub(crate) missing: Vec<&'static Entry>,
    /// Bytes of images that are still to be packed.
    pub(crate) to_pack: u64,
    /// Whether the trials' identities are theirs, whatever is found in pictures that nobody has decoded yet.
    pub(crate) is_final: bool,
    /// What was said of the files.
    remarks: Vec<String>,
}

impl Prepared {
    /// Makes what training reads, where the data set's files are not that, and keeps the names of their classes.
    ///
    /// # Errors
    /// Pictures that cannot be read, a disk without room, or one that cannot be written.
    pub(crate) fn pack(&mut self, results: &Path) -> anyhow::Result<()> {
        let folder = Folder::new(std::path::absolute(results)?);
        let cache = folder.images();
        check_room(self.to_pack, results)?;
        let wanted = Wanted { data: &self.definition.data, place: self.data.as_deref(), cache: &cache };
        let Some((place, survey)) = sources::pack(&wanted)? else { return Ok(()) };
        // What was said of the files before holds, but for what decoding has found.
        for remark in survey.remarks.iter().filter(|remark| !self.remarks.contains(remark)) {
            output::note(remark);
        }
        classes::write(&folder.classes(), &survey.digest, &survey.classes)
            .with_context(|| format!("cannot write into {}", folder.classes().display()))?;
        self.images = sources::images(&self.definition.data, survey.counts);
        if survey.digest != self.sources.data_digest {
            self.sources.data_digest = survey.digest;
            self.sources.own_validation = survey.counts.validation > 0;
            self.trials = self.definition.trials(&self.sources);
        }
        (self.data, self.to_pack, self.is_final) = (Some(place), 0, true);
        Ok(())
    }

    /// # Errors
    /// A path that workers could not be told.
    pub(crate) fn check_places(&self, results: &Path) -> anyhow::Result<()> {
        let Places { data, weights, features, checkpoints, models } = self.places(&std::path::absolute(results)?);
        let all = [data, Some(features), Some(checkpoints), models];
        all.iter().flatten().chain(weights.values()).try_for_each(|path| text(path).map(drop))
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
pub(crate) fn read(file: &Path, set: &[(String, String)]) -> anyhow::Result<Definition> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| wrong_input(format!("the sweep definition {} cannot be read: {error}", file.display())))?;
    let name = file.display().to_string();
    let definition = Definition::parse(&name, &text, set).map_err(wrong_input)?;
    let mut overrides = set.to_vec();
    if let Some(path) = definition.data.path.as_ref().filter(|path| path.is_relative()) {
        overrides.push(("data.path".to_owned(), quoted(&std::path::absolute(path)?)?));
    }
    overrides.extend(absolute_weights(&definition)?);
    if overrides.len() == set.len() {
        return Ok(definition);
    }
    definition.with(&name, &overrides[set.len()..]).map_err(wrong_input)
}

/// What makes relative paths in `model.weights` absolute.
fn absolute_weights(definition: &Definition) -> anyhow::Result<Vec<(String, String)>> {
    let mut overrides = Vec::new();
    for Network { architecture, weights, is_own } in &definition.networks {
        if sources::is_file(weights) && Path::new(weights).is_relative() {
            let network = if *is_own { format!(".{}", architecture.name) } else { String::new() };
            overrides.push((format!("model.weights{network}"), quoted(&std::path::absolute(weights)?)?));
        }
    }
    overrides.dedup();
    Ok(overrides)
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

/// Finds what the definition names, checks it, and expands the trials. `results` is where images may have been packed.
pub(crate) fn prepare(definition: Definition, missing: Missing, results: &Path) -> anyhow::Result<Prepared> {
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
    let mut weights = BTreeMap::new();
    let mut identities = BTreeMap::new();
    for Network { architecture, weights: named, .. } in &definition.networks {
        let file = match sources::weights(named, architecture)? {
            Place::Random => continue,
            Place::Catalogue(entry) => present(entry)?,
            Place::File(file) => Some(file),
        };
        let name = architecture.name.to_owned();
        let identity = match &file {
            Some(file) => sources::weights_identity(architecture, file)?,
            None => WeightsIdentity::File(NOT_HERE.to_owned()),
        };
        identities.insert(name.clone(), identity);
        weights.extend(file.map(|file| (name, file)));
    }
    let data = match (definition.data.dataset.files(), &definition.data.path) {
        (Files::Drawn, _) => None,
        (_, Some(path)) => Some(path.clone()),
        (Files::Named, None) => None,
        (Files::Catalogue(name), None) => match catalogue::find(name) {
            Some(entry) => present(entry)?,
            None => None,
        },
    };
    let cache = Folder::new(std::path::absolute(results)?).images();
    let wanted = Wanted { data: &definition.data, place: data.as_deref(), cache: &cache };
    let survey = sources::survey(&wanted, NOT_HERE)?;
    survey.remarks.iter().for_each(|remark| output::note(remark));
    let images = sources::images(&definition.data, survey.counts);
    let Survey { digest, counts, classes, pictures, to_pack, is_final, remarks } = survey;
    let sources =
        Sources { data_digest: digest, pictures, own_validation: counts.validation > 0, weights: identities };
    let trials = definition.trials(&sources);
    Ok(Prepared {
        definition,
        sources,
        trials,
        images,
        classes,
        data,
        weights,
        missing: absent,
        to_pack,
        is_final,
        remarks,
    })
}

/// # Errors
/// The disk of `results` has less room than so many bytes of packed images.
fn check_room(bytes: u64, results: &Path) -> anyhow::Result<()> {
    match free_space(results) {
        Some(free) if bytes > free => bail!(
            "`{}` has {} free, and the decoded pictures take {} there: free some, name a folder on another disk with \
             --results, or lower `data.image_size`",
            results.display(),
            output::bytes(free),
            output::bytes(bytes)
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoded_pictures_that_the_disk_has_no_room_for_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let refused = check_room(1 << 60, folder.path()).unwrap_err().to_string();
        assert!(refused.contains("lower `data.image_size`"), "{refused}");
        check_room(1, folder.path()).unwrap();
    }
}
