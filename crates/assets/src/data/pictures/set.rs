//! Which of the packed pictures are in which split, and of which class: one small file, which training is given.

use super::division::Division;
use super::listing::Listing;
use super::pack;
use crate::data::pictures_error::PicturesError;
use crate::data::{Images, Pixels, Splits};
use frostline_sweep::dataset::Pictures;
use frostline_sweep::trial::DataSpec;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Set {
    digest: String,
    pictures: Pictures,
    /// Name of the packed pictures.
    packed: String,
    classes: Vec<String>,
    /// Row and label of each image.
    train: Vec<(u32, u16)>,
    validation: Vec<(u32, u16)>,
    test: Vec<(u32, u16)>,
}

impl Set {
    pub(super) fn new(
        listing: &Listing,
        division: &Division,
        digest: &str,
        packed: String,
        pictures: Pictures,
    ) -> Set {
        let of = |split: &[u32]| {
            split.iter().map(|&index| (index, listing.pictures[index as usize].class)).collect::<Vec<(u32, u16)>>()
        };
        Set {
            digest: digest.to_owned(),
            pictures,
            packed,
            classes: listing.classes.clone(),
            train: of(&division.train),
            validation: of(&division.validation),
            test: of(&division.test),
        }
    }

    /// Its file has the digest of the rest as its first line.
    pub(super) fn write(&self, cache: &Path) -> Result<PathBuf, PicturesError> {
        let Pictures { side, fit } = self.pictures;
        let path = cache.join(format!("set-{}-{side}-{}.json", &self.digest[..32], fit.name()));
        let body = serde_json::to_string(self).unwrap_or_default();
        let text = format!("{}\n{body}", blake3::hash(body.as_bytes()).to_hex());
        let aside = path.with_extension(format!("{}.writing", std::process::id()));
        let written = fs::write(&aside, text).and_then(|()| fs::rename(&aside, &path));
        written.map_err(PicturesError::file("write", &path))?;
        Ok(path)
    }
}

fn read(path: &Path) -> Result<Set, PicturesError> {
    let text = fs::read_to_string(path).map_err(PicturesError::file("read", path))?;
    let sealed =
        text.split_once('\n').filter(|(seal, body)| blake3::hash(body.as_bytes()).to_hex().as_str() == *seal);
    let set = sealed.and_then(|(_, body)| serde_json::from_str(body).ok());
    set.ok_or_else(|| PicturesError::Packed { path: path.to_owned(), what: "damaged" })
}

/// The images that `spec` identifies.
pub(super) fn load(path: &Path, spec: &DataSpec) -> Result<Splits, PicturesError> {
    let Set { digest, pictures, packed, classes, train, validation, test } = read(path)?;
    if digest != spec.digest || Some(pictures) != spec.pictures {
        return Err(PicturesError::Packed { path: path.to_owned(), what: "others than the trial's" });
    }
    let cache = path.parent().unwrap_or(Path::new("."));
    let (map, rows) = pack::open(cache, &packed, pictures.side)?;
    let own_validation = validation.len();
    let images = |of: Vec<(u32, u16)>| {
        let (at, labels) = of.into_iter().unzip();
        Images { labels, pixels: Pixels::Mapped(Arc::clone(&map)), rows: Some(at) }
    };
    let (train, test) = (images([train, validation].concat()), images(test));
    let is_there = |images: &Images| {
        images.rows.iter().flatten().all(|&row| (row as usize) < rows)
            && images.labels.iter().all(|&label| usize::from(label) < classes.len())
    };
    if !is_there(&train) || !is_there(&test) {
        return Err(PicturesError::Packed { path: path.to_owned(), what: "damaged" });
    }
    Ok(Splits { train, own_validation, test, class_names: classes, side: pictures.side as usize })
}
