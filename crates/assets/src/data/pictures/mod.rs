//! Pictures of any size, wherever they come from: known by content, divided into splits, decoded once for a size.
//!
//! A survey knows each by content; packing decodes them; training maps what was packed.

mod cores;
mod division;
mod facts;
mod listing;
mod names;
mod pack;
mod set;

pub(super) use facts::{State, state};
pub(super) use listing::{Listed, Listing, Split, check_splits, classes_of, count_classes};
pub(super) use names::text;

use super::pictures_error::{List, PicturesError};
use super::{Counts, DataError, Say, Splits, Survey, Wanted};
use crate::picture::PictureError;
use division::Division;
use facts::{Fact, Facts, Verdict};
use frostline_sweep::dataset::{Pictures, Unreadable};
use frostline_sweep::trial::DataSpec;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Is given a picture's number in the listing and its bytes, or why there are none.
pub(super) type Take<'a> = &'a mut dyn FnMut(usize, Result<&[u8], PictureError>);

/// Where the bytes of listed pictures come from.
pub(super) trait Contents: Sync {
    /// What changes where the picture's content does; none where nobody knows.
    fn state(&self, listing: &Listing, picture: usize) -> Option<State>;

    /// Reads pictures by their numbers, which ascend, one after the other.
    ///
    /// # Errors
    /// What holds several of them cannot be read. That a single picture cannot is told to `take`.
    fn read(&self, listing: &Listing, pictures: &[usize], take: Take) -> Result<(), DataError>;
}

/// Pictures as they lie somewhere.
pub(super) struct Collection {
    /// The folder or file that was named.
    pub(super) root: PathBuf,
    pub(super) listing: Listing,
    pub(super) contents: Box<dyn Contents>,
}

/// As [`super::Source::survey`].
///
/// # Errors
/// Pictures that cannot be read, or cannot be divided.
pub(super) fn survey(collection: Collection, wanted: &Wanted, say: Say) -> Result<Survey, DataError> {
    let known = Known::of(collection, wanted, say)?;
    known.refuse(wanted)?;
    Ok(known.survey(wanted)?)
}

/// As [`super::Source::pack`].
///
/// # Errors
/// As [`survey`], or what is packed cannot be written.
pub(super) fn pack(collection: Collection, wanted: &Wanted, say: Say) -> Result<(PathBuf, Survey), DataError> {
    fs::create_dir_all(wanted.cache).map_err(PicturesError::file("create", wanted.cache))?;
    let mut known = Known::of(collection, wanted, say)?;
    let pictures = known.pictures(wanted);
    let pixels = known.pixels(pictures);
    let key = pixels.key();
    let broken = match pack::packed(wanted.cache, &key) {
        Some(broken) => broken,
        None => pack::pack(wanted.cache, &pixels, say)?,
    };
    known.decoded(broken);
    known.facts.keep(&known.collection.listing.pictures)?;
    known.refuse(wanted)?;
    let survey = known.survey(wanted)?;
    let listing = &known.collection.listing;
    let division = division::divide(listing, &known.facts.all, wanted.data.test_share)?;
    let set = set::Set::new(listing, &division, &survey.digest, key, pictures);
    Ok((set.write(wanted.cache)?, survey))
}

/// As [`super::Source::load`], of what was packed.
///
/// # Errors
/// Damage, or images that are others than `spec` identifies.
pub(super) fn load(spec: &DataSpec, place: Option<&Path>) -> Result<Splits, DataError> {
    Ok(set::load(place.ok_or(DataError::NoPlace)?, spec)?)
}

/// How many pictures a person has, before any is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// In the order of the labels.
    pub classes: Vec<String>,
    /// Those to train on; all of them where there are no splits.
    pub train: usize,
    pub validation: usize,
    pub test: usize,
}

impl Counted {
    pub(super) fn of(listing: Listing) -> Counted {
        let count = |split: Option<Split>| listing.pictures.iter().filter(|picture| picture.split == split).count();
        Counted {
            train: count(None) + count(Some(Split::Train)),
            validation: count(Some(Split::Validation)),
            test: count(Some(Split::Test)),
            classes: listing.classes,
        }
    }
}

/// Listed pictures, and what is known of each.
struct Known {
    collection: Collection,
    facts: Facts,
}

impl Known {
    fn of(collection: Collection, wanted: &Wanted, say: Say) -> Result<Known, DataError> {
        let facts = Facts::of(&collection, wanted.cache, say)?;
        Ok(Known { collection, facts })
    }

    fn pictures(&self, wanted: &Wanted) -> Pictures {
        let fit = wanted.data.fit;
        Pictures { side: division::side(&self.facts.all, wanted.data.image_size, fit), fit }
    }

    fn pixels(&self, pictures: Pictures) -> pack::Wanted<'_> {
        let usable = self.facts.all.iter().map(Fact::is_usable).collect();
        let digests = self.facts.all.iter().map(|fact| fact.digest.as_str()).collect();
        pack::Wanted { collection: &self.collection, usable, digests, pictures }
    }

    /// Takes over which pictures could not be read.
    fn decoded(&mut self, mut broken: BTreeMap<u32, String>) {
        for (index, fact) in (0..).zip(&mut self.facts.all) {
            match broken.remove(&index) {
                Some(reason) => fact.verdict = Verdict::Broken(reason),
                None if fact.is_usable() => fact.verdict = Verdict::Sound,
                None => {}
            }
        }
    }

    fn broken(&self) -> Vec<String> {
        let reason = |fact: &Fact| match &fact.verdict {
            Verdict::Broken(reason) => Some(reason.clone()),
            _ => None,
        };
        self.facts.all.iter().filter_map(reason).collect()
    }

    fn refuse(&self, wanted: &Wanted) -> Result<(), PicturesError> {
        let broken = self.broken();
        if !broken.is_empty() && broken.len() == self.facts.all.len() {
            return Err(PicturesError::NothingReadable { path: self.collection.root.clone(), broken: List(broken) });
        }
        match wanted.data.unreadable {
            Unreadable::Refuse if !broken.is_empty() => Err(PicturesError::Unreadable(List(broken))),
            _ => Ok(()),
        }
    }

    fn survey(&self, wanted: &Wanted) -> Result<Survey, PicturesError> {
        let Known { collection: Collection { listing, .. }, facts } = self;
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
