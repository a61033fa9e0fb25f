//! A list of pictures: of which class, in which split, in which order. Where they come from is not its matter.

use crate::data::MOST_CLASSES;
use crate::data::pictures_error::{List, PicturesError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::data) enum Split {
    Train,
    Validation,
    Test,
}

impl Split {
    pub(in crate::data) fn of(name: &str) -> Option<Split> {
        match name.to_ascii_lowercase().as_str() {
            "train" => Some(Split::Train),
            "val" | "valid" | "validation" => Some(Split::Validation),
            "test" => Some(Split::Test),
            _ => None,
        }
    }

    pub(in crate::data) fn name(self) -> &'static str {
        match self {
            Split::Train => "training",
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }
}

/// One picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Listed {
    /// Its file, or what else it is called in messages; no two have the same.
    pub(in crate::data) path: PathBuf,
    pub(in crate::data) class: u16,
    /// None where nobody says.
    pub(in crate::data) split: Option<Split>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::data) struct Listing {
    /// In the order of the labels.
    pub(in crate::data) classes: Vec<String>,
    /// In the order in which they are trained on before they are shuffled.
    pub(in crate::data) pictures: Vec<Listed>,
    /// What a person should know.
    pub(in crate::data) remarks: Vec<String>,
}

/// # Errors
/// One class or none, or more than labels can tell apart.
pub(in crate::data) fn count_classes(root: &Path, classes: &[String]) -> Result<(), PicturesError> {
    let path = || root.to_owned();
    match classes {
        [] => Err(PicturesError::NoClasses { path: path() }),
        [class] => Err(PicturesError::OneClass { path: path(), class: class.clone() }),
        _ if classes.len() > MOST_CLASSES => {
            Err(PicturesError::TooManyClasses { path: path(), classes: classes.len() })
        }
        _ => Ok(()),
    }
}

/// # Errors
/// A class that one split has and another has not.
pub(in crate::data) fn check_splits(classes: &[String], pictures: &[Listed]) -> Result<(), PicturesError> {
    let mut of_splits: BTreeMap<Option<Split>, BTreeSet<u16>> = BTreeMap::new();
    for picture in pictures {
        of_splits.entry(picture.split).or_default().insert(picture.class);
    }
    let mut missing = Vec::new();
    for (class, name) in (0..).zip(classes) {
        let what =
            |split: &Option<Split>| split.map_or("picture".to_owned(), |split| format!("{} image", split.name()));
        let lacking = of_splits.iter().filter(|(_, has)| !has.contains(&class));
        let lacking: Vec<String> = lacking.map(|(split, _)| what(split)).collect();
        if !lacking.is_empty() {
            missing.push(format!("`{name}` has no {}", lacking.join(" and no ")));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(PicturesError::MissingClasses(List(missing))) }
}

/// The classes of these labels: in the order of their numbers where all are whole numbers, else of their bytes.
pub(in crate::data) fn classes_of(labels: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut classes: Vec<String> = labels.into_iter().collect::<BTreeSet<String>>().into_iter().collect();
    let number = |class: &String| class.parse::<u64>().ok().filter(|number| number.to_string() == *class);
    if classes.iter().all(|class| number(class).is_some()) {
        classes.sort_by_key(number);
    }
    classes
}
