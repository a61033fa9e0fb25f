//! Pictures in Parquet files, as data sets of Hugging Face are stored: a row is a picture and its label.

mod columns;
mod files;
mod rows;

use super::parquet_error::ParquetError;
use super::pictures::{self, Collection, Counted, Listed, Listing, check_splits, classes_of, count_classes};
use super::pictures_error::List;
use super::{DataError, Published, Say, Source, Splits, Survey, Wanted};
use columns::{Chosen, Columns, Kind};
use frostline_sweep::trial::DataSpec;
use rows::{Label, Rows, Shard};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

pub struct Parquet;

impl Source for Parquet {
    fn published(&self) -> Option<&'static Published> {
        None
    }

    fn survey(&self, wanted: &Wanted, say: Say) -> Result<Survey, DataError> {
        pictures::survey(of(wanted)?, wanted, say)
    }

    fn pack(&self, wanted: &Wanted, say: Say) -> Result<Option<(PathBuf, Survey)>, DataError> {
        pictures::pack(of(wanted)?, wanted, say).map(Some)
    }

    fn load(&self, spec: &DataSpec, place: Option<&Path>) -> Result<Splits, DataError> {
        pictures::load(spec, place)
    }
}

fn of(wanted: &Wanted) -> Result<Collection, DataError> {
    let data = wanted.data;
    let chosen = Chosen { pictures: data.image_column.as_deref(), labels: data.label_column.as_deref() };
    collection(wanted.place.ok_or(DataError::NoPlace)?, chosen)
}

/// Whether a folder has Parquet files where they are looked for.
pub(super) fn is_in(root: &Path) -> bool {
    !matches!(files::find(root), Err(ParquetError::NoFiles { .. } | ParquetError::File { .. }))
}

/// # Errors
/// Files or labels that are not as they should be.
pub(super) fn counted(root: &Path) -> Result<Counted, DataError> {
    Ok(Counted::of(collection(root, Chosen::default())?.listing))
}

fn collection(root: &Path, chosen: Chosen) -> Result<Collection, DataError> {
    let files::Found { files, remarks } = files::find(root)?;
    let mut shards: Vec<(Shard, Columns)> = Vec::new();
    for (path, split) in files {
        let shard = Shard::open(path, split)?;
        let columns = columns::of(&shard.path, shard.about.file_metadata(), chosen)?;
        if let Some((first, of_first)) = shards.first().filter(|(_, first)| first.kind != columns.kind) {
            let what = match (&of_first.kind, &columns.kind) {
                (Kind::Named(_), Kind::Named(_)) => "they have other names of classes",
                _ => "their labels are of two kinds",
            };
            return Err(ParquetError::Differ { one: first.path.clone(), other: shard.path, what }.into());
        }
        shards.push((shard, columns));
    }
    let mut labels = Vec::new();
    for (shard, columns) in &shards {
        labels.extend(shard.labels(columns)?);
    }
    let kind = shards.first().map_or(Kind::Numbers, |(_, columns)| columns.kind.clone());
    let names: Vec<(PathBuf, Option<pictures::Split>)> = shards.iter().flat_map(|(shard, _)| named(shard)).collect();
    if names.is_empty() {
        return Err(ParquetError::Empty { path: root.to_owned() }.into());
    }
    let (classes, numbers) = numbered(&kind, &labels).map_err(|wrong| ParquetError::Labels(wrong.list(&names)))?;
    count_classes(root, &classes)?;
    let listed = |((path, split), class): ((PathBuf, Option<pictures::Split>), u32)| Listed {
        path,
        class: class as u16,
        split,
    };
    let pictures: Vec<Listed> = names.into_iter().zip(numbers).map(listed).collect();
    check_splits(&classes, &pictures)?;
    let listing = Listing { classes, pictures, remarks };
    Ok(Collection { root: root.to_owned(), listing, contents: Box::new(Rows::of(shards)) })
}

/// What the rows of a file are called, and of which split they are. Rows count from 0, as in pyarrow and pandas.
fn named(shard: &Shard) -> impl Iterator<Item = (PathBuf, Option<pictures::Split>)> {
    let rows = shard.about.file_metadata().num_rows();
    (0..rows).map(|row| {
        let mut name = shard.path.clone().into_os_string();
        name.push(format!(" row {row}"));
        (name.into(), shard.split)
    })
}

/// Labels that are no class: for each reason the first row, and how many there are.
#[derive(Debug, Default)]
struct Wrong(BTreeMap<String, (usize, usize)>);

impl Wrong {
    fn add(&mut self, row: usize, reason: String) {
        self.0.entry(reason).or_insert((row, 0)).1 += 1;
    }

    fn list<T>(self, names: &[(PathBuf, T)]) -> List {
        let mut all: Vec<(usize, String, usize)> =
            self.0.into_iter().map(|(reason, (row, count))| (row, reason, count)).collect();
        all.sort();
        let shown = |(row, reason, count): (usize, String, usize)| {
            let name = names.get(row).map_or_else(String::new, |(path, _)| path.display().to_string());
            match count - 1 {
                0 => format!("{name}: {reason}"),
                1 => format!("{name}: {reason}, and 1 more row like it"),
                more => format!("{name}: {reason}, and {more} more rows like it"),
            }
        };
        List(all.into_iter().map(shown).collect())
    }
}

/// The classes, and the number of each label's.
fn numbered(kind: &Kind, labels: &[Label]) -> Result<(Vec<String>, Vec<u32>), Wrong> {
    let mut wrong = Wrong::default();
    let mut texts: Vec<String> = Vec::new();
    for (row, label) in labels.iter().enumerate() {
        let text = match (label, kind) {
            (Label::None, _) => Err("it has no label".to_owned()),
            (Label::Text(text), _) if text.is_empty() => Err("its label is empty".to_owned()),
            (Label::Text(text), _) => Ok(pictures::text(text)),
            (Label::Number(number), Kind::Named(names)) => {
                let name = usize::try_from(*number).ok().and_then(|number| names.get(number));
                let wrong = || format!("label {number} is not one of 0 to {}, which have names", names.len() - 1);
                name.cloned().ok_or_else(wrong)
            }
            (Label::Number(number), _) if *number < 0 => Err(format!("label {number} is below 0")),
            (Label::Number(number), _) => Ok(number.to_string()),
        };
        match text {
            Ok(text) => texts.push(text),
            Err(reason) => wrong.add(row, reason),
        }
    }
    if !wrong.0.is_empty() {
        return Err(wrong);
    }
    let classes = match kind {
        Kind::Named(names) => names.clone(),
        Kind::Numbers | Kind::Text => classes_of(texts.iter().cloned()),
    };
    let places: HashMap<&str, u32> = (0..).zip(&classes).map(|(place, name)| (name.as_str(), place)).collect();
    let numbers = texts.iter().map(|text| places[text.as_str()]).collect();
    Ok((classes, numbers))
}

#[cfg(test)]
mod tests;
