//! Weights in several files, as Hugging Face's libraries write large ones: `model-00001-of-00002.safetensors` and so on, and
//! beside them `model.safetensors.index.json`, which says which file has which tensor.

use super::error::WeightsFileError;
use super::whole::{self, Whole};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

const INDEX: &str = ".index.json";

/// No index of weights of this family comes near it.
const LONGEST_INDEX: u64 = 100_000_000;

#[derive(Deserialize)]
struct Index {
    /// Name of a tensor to name of a file.
    weight_map: BTreeMap<String, String>,
}

/// The index by which `path` is read: itself, or the one beside it where it is one of several files.
///
/// # Errors
/// It is one of several, and there is no index.
pub(super) fn index(path: &Path) -> Result<Option<PathBuf>, WeightsFileError> {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(None) };
    if name.ends_with(INDEX) {
        return Ok(Some(path.to_owned()));
    }
    let Some((whole, count)) = whole_and_count(name) else { return Ok(None) };
    let index = format!("{whole}{INDEX}");
    let place = path.with_file_name(&index);
    if place.is_file() {
        return Ok(Some(place));
    }
    if count == 1 || !path.is_file() {
        return Ok(None);
    }
    let what = format!(
        "it is one of {count} files that are weights together, and {index}, which says what is in which, is not beside it"
    );
    Err(WeightsFileError::Foreign { path: path.to_owned(), what })
}

/// `model.safetensors` and 2 out of `model-00001-of-00002.safetensors`.
fn whole_and_count(name: &str) -> Option<(String, u32)> {
    let (stem, extension) = name.rsplit_once('.')?;
    let (stem, count) = stem.rsplit_once("-of-")?;
    let (stem, number) = stem.rsplit_once('-')?;
    let is_number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(count) && is_number(number)).then_some((format!("{stem}.{extension}"), count.parse().ok()?))
}

/// The files that an index names, in the order of their names, each with the tensors that it is to have.
///
/// # Errors
/// The index is damaged, or names files elsewhere than beside it.
pub(super) fn files(index: &Path) -> Result<BTreeMap<PathBuf, BTreeSet<String>>, WeightsFileError> {
    let damaged = |what: String| WeightsFileError::Damaged { path: index.to_owned(), what };
    let failed = |source| WeightsFileError::File { path: index.to_owned(), source };
    if index.metadata().map_err(failed)?.len() > LONGEST_INDEX {
        return Err(damaged("it is too long for an index of weights".to_owned()));
    }
    let text = std::fs::read(index).map_err(failed)?;
    let parsed: Index = serde_json::from_slice(&text).map_err(|error| damaged(format!("as an index: {error}")))?;
    let mut files: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for (tensor, file) in parsed.weight_map {
        let mut steps = Path::new(&file).components();
        if !matches!((steps.next(), steps.next()), (Some(Component::Normal(_)), None)) {
            return Err(damaged(format!("it has `{tensor}` in `{file}`, which is not a file beside it")));
        }
        files.entry(index.with_file_name(file)).or_default().insert(tensor);
    }
    if files.is_empty() { Err(damaged("it names no tensors".to_owned())) } else { Ok(files) }
}

/// Reads all files of an index, each with the tensors that it is to have and no others.
pub(super) fn read(index: &Path) -> Result<Vec<Whole>, WeightsFileError> {
    let mut wholes = Vec::new();
    for (path, wanted) in files(index)? {
        let mut whole = whole::read(&path, whole::map(&path)?)?;
        if let Some(name) = wanted.iter().find(|name| !whole.content.tensors.contains_key(*name)) {
            let what = format!("{} has `{name}` in it, and it has not", index.display());
            return Err(WeightsFileError::Damaged { path, what });
        }
        whole.content.tensors.retain(|name, _| wanted.contains(name));
        wholes.push(whole);
    }
    Ok(wholes)
}
