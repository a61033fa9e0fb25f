//! Pictures of one's own: folders called as their classes, or a table `labels.csv`.
//!
//! A survey lists them and knows each by content; packing decodes them, once for a size; training maps what was packed.

mod cores;
mod division;
mod facts;
mod listing;
mod names;
mod pack;
mod set;
mod table;

use super::folder_error::{FolderError, List};
use super::{Counts, DataError, MOST_CLASSES, Published, Say, Source, Splits, Step, Survey, Wanted};
use division::Division;
use facts::{Facts, Verdict};
use frostline_sweep::dataset::{Pictures, Unreadable};
use frostline_sweep::trial::DataSpec;
use listing::{Listing, Split};
use std::fs;
use std::path::{Path, PathBuf};

pub struct Folder;

impl Source for Folder {
    fn published(&self) -> Option<&'static Published> {
        None
    }

    fn survey(&self, wanted: &Wanted, say: Say) -> Result<Survey, DataError> {
        let known = Known::of(wanted, say)?;
        known.refuse(wanted)?;
        Ok(known.survey(wanted)?)
    }

    fn pack(&self, wanted: &Wanted, say: Say) -> Result<Option<(PathBuf, Survey)>, DataError> {
        fs::create_dir_all(wanted.cache).map_err(FolderError::file("create", wanted.cache))?;
        let mut known = Known::of(wanted, say)?;
        let pictures = known.pictures(wanted);
        let pixels = known.pixels(pictures);
        let key = pixels.key();
        let broken = match pack::packed(wanted.cache, &key) {
            Some(broken) => broken,
            None => pack::pack(wanted.cache, &pixels, say)?,
        };
        known.decoded(broken);
        known.facts.keep(&known.listing.pictures)?;
        known.refuse(wanted)?;
        let survey = known.survey(wanted)?;
        let division = division::divide(&known.listing, &known.facts.all, wanted.data.test_share)?;
        let set = set::Set::new(&known.listing, &division, &survey.digest, key, pictures);
        Ok(Some((set.write(wanted.cache)?, survey)))
    }

    fn load(&self, spec: &DataSpec, place: Option<&Path>) -> Result<Splits, DataError> {
        Ok(set::load(place.ok_or(DataError::NoPlace)?, spec)?)
    }
}

/// How many pictures a folder has, by the names of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// In the order of the labels.
    pub classes: Vec<String>,
    /// Those to train on; all of them where the folder has no splits.
    pub train: usize,
    pub validation: usize,
    pub test: usize,
}

/// # Errors
/// A folder without classes, or with some that are empty or missing in a split.
pub(super) fn counted(root: &Path) -> Result<Counted, FolderError> {
    let listing = list(root)?;
    let count = |split: Option<Split>| listing.pictures.iter().filter(|picture| picture.split == split).count();
    Ok(Counted {
        train: count(None) + count(Some(Split::Train)),
        validation: count(Some(Split::Validation)),
        test: count(Some(Split::Test)),
        classes: listing.classes,
    })
}

/// What a table says counts, whatever the folders are called.
fn list(root: &Path) -> Result<Listing, FolderError> {
    if table::is_in(root) { table::list(root) } else { listing::list(root) }
}

/// The files of a folder, and what is known of each.
struct Known<'a> {
    root: &'a Path,
    listing: Listing,
    facts: Facts,
}

impl<'a> Known<'a> {
    fn of(wanted: &Wanted<'a>, say: Say) -> Result<Known<'a>, DataError> {
        let root = wanted.place.ok_or(DataError::NoPlace)?;
        let listing = list(root)?;
        let facts = Facts::of(root, wanted.cache, &listing.pictures, say);
        Ok(Known { root, listing, facts })
    }

    fn pictures(&self, wanted: &Wanted) -> Pictures {
        let fit = wanted.data.fit;
        Pictures { side: division::side(&self.facts.all, wanted.data.image_size, fit), fit }
    }

    fn pixels(&self, pictures: Pictures) -> pack::Wanted<'_> {
        let files = self.listing.pictures.iter().zip(&self.facts.all);
        let files = files.map(|(listed, fact)| fact.is_usable().then_some(listed.path.as_path())).collect();
        let digests = self.facts.all.iter().map(|fact| fact.digest.as_str()).collect();
        pack::Wanted { files, digests, pictures }
    }

    /// Takes over which pictures could not be read.
    fn decoded(&mut self, mut broken: std::collections::BTreeMap<u32, String>) {
        for (index, fact) in (0..).zip(&mut self.facts.all) {
            match broken.remove(&index) {
                Some(reason) => fact.verdict = Verdict::Broken(reason),
                None if fact.is_usable() => fact.verdict = Verdict::Sound,
                None => {}
            }
        }
    }

    fn broken(&self) -> Vec<String> {
        let reason = |fact: &facts::Fact| match &fact.verdict {
            Verdict::Broken(reason) => Some(reason.clone()),
            _ => None,
        };
        self.facts.all.iter().filter_map(reason).collect()
    }

    fn refuse(&self, wanted: &Wanted) -> Result<(), FolderError> {
        let broken = self.broken();
        if !broken.is_empty() && broken.len() == self.facts.all.len() {
            return Err(FolderError::NothingReadable { path: self.root.to_owned(), broken: List(broken) });
        }
        match wanted.data.unreadable {
            Unreadable::Refuse if !broken.is_empty() => Err(FolderError::Unreadable(List(broken))),
            _ => Ok(()),
        }
    }

    fn survey(&self, wanted: &Wanted) -> Result<Survey, FolderError> {
        let Known { listing, facts, .. } = self;
        let division = division::divide(listing, &facts.all, wanted.data.test_share)?;
        let pictures = self.pictures(wanted);
        let pixels = self.pixels(pictures);
        let is_packed = pack::packed(wanted.cache, &pixels.key()).is_some();
        // What is not decoded yet may still turn out to be unreadable, and would be left out.
        let is_open = facts.all.iter().any(|fact| fact.verdict == Verdict::Open);
        let Division { train, validation, test } = &division;
        let mut remarks = listing.remarks.clone();
        let broken = List(self.broken());
        match broken.0.len() {
            0 => {}
            1 => remarks.push(format!("1 picture cannot be read and is left out: {broken}")),
            count => remarks.push(format!("{count} pictures cannot be read and are left out: {broken}")),
        }
        remarks.extend(division::doubles(listing, &facts.all, &division));
        Ok(Survey {
            digest: division::digest(listing, &facts.all, &division),
            is_final: !is_open || wanted.data.unreadable == Unreadable::Refuse,
            counts: Counts {
                train: train.len() as u64,
                validation: validation.len() as u64,
                test: test.len() as u64,
            },
            classes: listing.classes.clone(),
            pictures: Some(pictures),
            to_pack: if is_packed { 0 } else { pixels.bytes() },
            remarks,
        })
    }
}

#[cfg(test)]
mod tests;
