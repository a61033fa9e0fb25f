//! Pictures of one's own: folders called as their classes, or a table `labels.csv`.

mod table;
mod walk;

use super::pictures::{self, Collection, Contents, Counted, Listing, State, Take};
use super::pictures_error::PicturesError;
use super::{DataError, Published, Say, Source, Splits, Survey, Wanted};
use crate::picture;
use frostline_sweep::trial::DataSpec;
use std::path::{Path, PathBuf};

pub struct Folder;

impl Source for Folder {
    fn published(&self) -> Option<&'static Published> {
        None
    }

    fn survey(&self, wanted: &Wanted, say: Say) -> Result<Survey, DataError> {
        pictures::survey(collection(wanted)?, wanted, say)
    }

    fn pack(&self, wanted: &Wanted, say: Say) -> Result<Option<(PathBuf, Survey)>, DataError> {
        pictures::pack(collection(wanted)?, wanted, say).map(Some)
    }

    fn load(&self, spec: &DataSpec, place: Option<&Path>) -> Result<Splits, DataError> {
        pictures::load(spec, place)
    }
}

fn collection(wanted: &Wanted) -> Result<Collection, DataError> {
    let root = wanted.place.ok_or(DataError::NoPlace)?;
    Ok(Collection { root: root.to_owned(), listing: list(root)?, contents: Box::new(Files) })
}

/// What a table says counts, whatever the folders are called.
fn list(root: &Path) -> Result<Listing, PicturesError> {
    if table::is_in(root) { table::list(root) } else { walk::list(root) }
}

/// # Errors
/// A folder without classes, or with some that are empty or missing in a split.
pub(super) fn counted(root: &Path) -> Result<Counted, PicturesError> {
    list(root).map(Counted::of)
}

/// Each picture is a file.
struct Files;

impl Contents for Files {
    fn state(&self, listing: &Listing, picture: usize) -> Option<State> {
        pictures::state(&listing.pictures[picture].path)
    }

    fn read(&self, listing: &Listing, pictures: &[usize], take: Take) -> Result<(), DataError> {
        for &number in pictures {
            match picture::file(&listing.pictures[number].path) {
                Ok(bytes) => take(number, Ok(&bytes)),
                Err(error) => take(number, Err(error)),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests;
