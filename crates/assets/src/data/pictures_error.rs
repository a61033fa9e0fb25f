//! What is wrong with pictures of a person's own. Everything of a kind is named at once, up to a bound.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// How many of a kind are named; the others are counted.
const NAMED: usize = 20;

#[derive(Debug, thiserror::Error)]
pub enum PicturesError {
    #[error("cannot {action} {}: {source}", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
    #[error("{} is not a folder; `data.path` names the folder of the pictures", path.display())]
    NoFolder { path: PathBuf },
    #[error(
        "{} has no folders of classes: put the pictures of each class into a folder called as the class is, or write a \
         table `labels.csv` with the columns file and label",
        path.display()
    )]
    NoClasses { path: PathBuf },
    #[error("{} has one class, `{class}`: there is nothing to tell apart", path.display())]
    OneClass { path: PathBuf, class: String },
    #[error("{} has {classes} classes: {} are the most there can be", path.display(), super::MOST_CLASSES)]
    TooManyClasses { path: PathBuf, classes: usize },
    #[error("no picture in {0}: put some there, or remove the folder")]
    EmptyClasses(List),
    #[error("classes that are not in every split cannot be learned or tested: {0}")]
    MissingClasses(List),
    #[error("{} and {} are both {split} images: keep one of the two", one.display(), other.display())]
    TwoSplits { split: &'static str, one: PathBuf, other: PathBuf },
    #[error("{0}: with so few, none can be held out to test; add pictures, or test images of their own")]
    TooFew(List),
    #[error("the first line of {} names its columns: file, label and perhaps split; it is `{found}`", path.display())]
    Columns { path: PathBuf, found: String },
    #[error("{} has no line below its columns", path.display())]
    EmptyTable { path: PathBuf },
    #[error("{}: {problems}", path.display())]
    Table { path: PathBuf, problems: List },
    #[error(
        "pictures that cannot be read: {0}; mend or remove them, or leave them out with data.unreadable = \"skip\""
    )]
    Unreadable(List),
    #[error("{} has no picture that can be read: {broken}", path.display())]
    NothingReadable { path: PathBuf, broken: List },
    #[error("the images in {} are {what}: launch the sweep again, and they are made anew", path.display())]
    Packed { path: PathBuf, what: &'static str },
}

impl PicturesError {
    pub(super) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> PicturesError {
        let path = path.into();
        move |source| PicturesError::File { action, path, source }
    }
}

/// Some of many things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List(pub Vec<String>);

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let List(all) = self;
        f.write_str(&all[..all.len().min(NAMED)].join("; "))?;
        match all.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more ({} in all)", all.len()),
        }
    }
}
