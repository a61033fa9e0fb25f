//! Which column has the pictures and which the labels: by what `datasets` notes in a file's metadata, else by name and type.

use crate::data::parquet_error::{Column, ParquetError};
use crate::data::pictures_error::List;
use ::parquet::basic::{ConvertedType, LogicalType, Type};
use ::parquet::file::metadata::FileMetaData;
use ::parquet::schema::types::ColumnDescriptor;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// The name of the metadata of `datasets`.
const NOTES: &str = "huggingface";
/// What `datasets` calls columns of pictures and of labels with names.
const IMAGE: &str = "Image";
const CLASS_LABEL: &str = "ClassLabel";
/// What a column of labels is called.
const LABEL: &str = "label";

/// Places of the two columns among the leaves of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) pictures: usize,
    pub(super) labels: usize,
    pub(super) kind: Kind,
}

/// What labels are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Numbers,
    /// Numbers, each the place of a name.
    Named(Vec<String>),
    Text,
}

/// Columns that a person has chosen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Chosen<'a> {
    pub(super) pictures: Option<&'a str>,
    pub(super) labels: Option<&'a str>,
}

/// # Errors
/// There is none for the pictures or the labels, or several can be them.
pub(super) fn of(path: &Path, about: &FileMetaData, chosen: Chosen) -> Result<Columns, ParquetError> {
    let leaves = about.schema_descr().columns();
    let notes = notes(about);
    let candidates = |wanted: Column| -> Vec<(&str, usize)> {
        let place = (0..).zip(leaves).filter_map(|(place, leaf)| Some((name(leaf, wanted)?, place)));
        place.collect()
    };
    let all =
        || List(leaves.iter().map(|leaf| format!("`{}` ({})", leaf.path().string(), described(leaf))).collect());
    let choose = |wanted: Column, named: Option<&str>| {
        let path = || path.to_owned();
        let can_be = candidates(wanted);
        let names = |of: &[(&str, usize)]| List(of.iter().map(|(name, _)| format!("`{name}`")).collect());
        if let Some(named) = named {
            let found = can_be.iter().find(|(name, _)| *name == named).map(|(_, place)| *place);
            return found.ok_or_else(|| match can_be.is_empty() {
                true => ParquetError::NoColumn { path: path(), wanted, columns: all() },
                false => {
                    let columns = names(&can_be);
                    ParquetError::NotThere { path: path(), wanted, named: named.to_owned(), columns }
                }
            });
        }
        let noted: Vec<(&str, usize)> = can_be
            .iter()
            .copied()
            .filter(|(name, _)| {
                let kind = notes.get(*name).and_then(|note| note["_type"].as_str());
                kind == Some(match wanted {
                    Column::Pictures => IMAGE,
                    Column::Labels => CLASS_LABEL,
                })
            })
            .collect();
        let can_be = if noted.is_empty() { can_be } else { noted };
        match &can_be[..] {
            [] => Err(ParquetError::NoColumn { path: path(), wanted, columns: all() }),
            [(_, place)] => Ok(*place),
            several => {
                // What is noted to be a label is not chosen among by its name.
                let called = several.iter().find(|(name, _)| *name == LABEL && !notes.contains_key(*name));
                let place = called.map(|(_, place)| *place);
                place.ok_or_else(|| ParquetError::Several { path: path(), wanted, columns: names(several) })
            }
        }
    };
    let pictures = choose(Column::Pictures, chosen.pictures)?;
    let labels = choose(Column::Labels, chosen.labels)?;
    let kind = match leaves[labels].physical_type() {
        Type::BYTE_ARRAY => Kind::Text,
        _ => match named(path, &notes, &leaves[labels].path().string())? {
            Some(names) => Kind::Named(names),
            None => Kind::Numbers,
        },
    };
    Ok(Columns { pictures, labels, kind })
}

/// What `datasets` notes of each column.
fn notes(about: &FileMetaData) -> serde_json::Map<String, Value> {
    let noted = about.key_value_metadata().into_iter().flatten().find(|entry| entry.key == NOTES);
    let noted = noted.and_then(|entry| serde_json::from_str::<Value>(entry.value.as_deref()?).ok());
    match noted.map(|mut noted| noted["info"]["features"].take()) {
        Some(Value::Object(features)) => features,
        _ => serde_json::Map::new(),
    }
}

/// The names of the classes, in the order of their numbers.
fn named(
    path: &Path,
    notes: &serde_json::Map<String, Value>,
    column: &str,
) -> Result<Option<Vec<String>>, ParquetError> {
    let names = notes.get(column).and_then(|note| note["names"].as_array());
    let names: Option<Vec<String>> =
        names.and_then(|names| names.iter().map(|name| Some(name.as_str()?.to_owned())).collect());
    let Some(names) = names.filter(|names| !names.is_empty()) else { return Ok(None) };
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        Some(name) => Err(ParquetError::OneNameTwice { path: path.to_owned(), name: name.clone() }),
        None => Ok(Some(names)),
    }
}

/// What the column is called of which `leaf` can be the values.
fn name(leaf: &ColumnDescriptor, wanted: Column) -> Option<&str> {
    // Nothing in a list.
    let parts = leaf.path().parts();
    let is_bytes = leaf.physical_type() == Type::BYTE_ARRAY;
    match (wanted, parts) {
        _ if leaf.max_rep_level() > 0 => None,
        (Column::Pictures, [name]) if is_bytes && !is_text(leaf) => Some(name),
        (Column::Pictures, [name, part]) if is_bytes && part == "bytes" => Some(name),
        (Column::Labels, [name]) if is_whole_number(leaf) || (is_bytes && is_text(leaf)) => Some(name),
        _ => None,
    }
}

fn is_text(leaf: &ColumnDescriptor) -> bool {
    matches!(leaf.logical_type_ref(), Some(LogicalType::String | LogicalType::Enum))
        || matches!(leaf.converted_type(), ConvertedType::UTF8 | ConvertedType::ENUM)
}

fn is_whole_number(leaf: &ColumnDescriptor) -> bool {
    use ConvertedType::{INT_8, INT_16, INT_32, INT_64, NONE, UINT_8, UINT_16, UINT_32, UINT_64};
    let plain = matches!(
        leaf.converted_type(),
        NONE | INT_8 | INT_16 | INT_32 | INT_64 | UINT_8 | UINT_16 | UINT_32 | UINT_64
    );
    let plain = plain && matches!(leaf.logical_type_ref(), None | Some(LogicalType::Integer { .. }));
    plain && matches!(leaf.physical_type(), Type::INT32 | Type::INT64)
}

fn described(leaf: &ColumnDescriptor) -> &'static str {
    match leaf.physical_type() {
        _ if leaf.max_rep_level() > 0 => "a list",
        _ if is_text(leaf) => "text",
        _ if is_whole_number(leaf) => "whole numbers",
        Type::BYTE_ARRAY | Type::FIXED_LEN_BYTE_ARRAY => "bytes",
        Type::BOOLEAN => "true or false",
        Type::FLOAT | Type::DOUBLE => "numbers with a point",
        Type::INT32 | Type::INT64 | Type::INT96 => "times or decimals",
    }
}
