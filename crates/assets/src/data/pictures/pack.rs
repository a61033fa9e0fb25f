//! Decoding pictures once, into one file of squares that is mapped into memory from then on.
//!
//! `pixels-KEY/` has `pixels`, which is `[pictures, 3, side, side]` bytes, and `manifest.json` with a digest for each portion
//! of it. Until it is whole it is `pixels-KEY.packing/`, whose `journal` has a line for each portion that is done: a portion
//! counts when its bytes fit the digest in its line, so that whatever ends the program, the rest is done later.

use super::{Collection, cores};
use crate::data::pictures_error::PicturesError;
use crate::data::{DataError, Say, Step};
use crate::picture::{self, PictureError};
use frostline_sweep::dataset::Pictures;
use memmap2::Mmap;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const FORMAT: &str = "frostline-images-1";
const PIXELS: &str = "pixels";
const MANIFEST: &str = "manifest.json";
const JOURNAL: &str = "journal";

/// A portion has about so many bytes, and every core works on one.
const PORTION_BYTES: usize = 8 << 20;

/// Pictures to decode.
pub(super) struct Wanted<'a> {
    pub(super) collection: &'a Collection,
    /// Which of them are not known to be unreadable.
    pub(super) usable: Vec<bool>,
    /// Of each, in hexadecimal.
    pub(super) digests: Vec<&'a str>,
    pub(super) pictures: Pictures,
}

/// One portion that is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Portion {
    number: usize,
    digest: String,
    /// Pictures that turned out to be unreadable, and why.
    broken: BTreeMap<u32, String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    format: String,
    pictures: usize,
    side: u32,
    portions: Vec<String>,
    broken: BTreeMap<u32, String>,
}

impl Wanted<'_> {
    /// Identifies what is kept: which contents, in which order, made into which squares.
    pub(super) fn key(&self) -> String {
        let mut hasher = blake3::Hasher::new_derive_key("frostline 2026 packed pictures");
        hasher.update(format!("{FORMAT} {} {}\n", self.pictures.side, self.pictures.fit.name()).as_bytes());
        for digest in &self.digests {
            hasher.update(digest.as_bytes());
            hasher.update(b"\n");
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// Of all squares.
    pub(super) fn bytes(&self) -> u64 {
        self.usable.len() as u64 * square(self.pictures.side) as u64
    }
}

/// Bytes of one picture.
fn square(side: u32) -> usize {
    3 * side as usize * side as usize
}

/// Pictures in a portion.
fn portion(side: u32) -> usize {
    (PORTION_BYTES / square(side)).max(1)
}

fn folder(cache: &Path, key: &str) -> PathBuf {
    cache.join(format!("pixels-{key}"))
}

/// Whether these pictures are kept; then, which of them could not be read.
pub(super) fn packed(cache: &Path, key: &str) -> Option<BTreeMap<u32, String>> {
    Some(manifest(&folder(cache, key))?.broken)
}

fn manifest(folder: &Path) -> Option<Manifest> {
    let manifest: Manifest = serde_json::from_slice(&fs::read(folder.join(MANIFEST)).ok()?).ok()?;
    (manifest.format == FORMAT).then_some(manifest)
}

/// Decodes what is not decoded yet, on all cores. Says which pictures could not be read, and why.
pub(super) fn pack(cache: &Path, wanted: &Wanted, say: Say) -> Result<BTreeMap<u32, String>, DataError> {
    let key = wanted.key();
    let target = folder(cache, &key);
    let aside = cache.join(format!("pixels-{key}.packing"));
    fs::create_dir_all(&aside).map_err(PicturesError::file("create", &aside))?;
    let failed = |name: &str| PicturesError::file("write", aside.join(name));
    let journal = File::options().create(true).read(true).append(true).open(aside.join(JOURNAL));
    let mut journal = journal.map_err(failed(JOURNAL))?;
    // Two programs that want the same pictures decode them once: the second waits here.
    journal.lock().map_err(PicturesError::file("lock", aside.join(JOURNAL)))?;
    if let Some(broken) = packed(cache, &key) {
        return Ok(broken);
    }
    let pixels = File::options().create(true).truncate(false).read(true).write(true).open(aside.join(PIXELS));
    let pixels = pixels.map_err(failed(PIXELS))?;
    pixels.set_len(wanted.bytes()).map_err(failed(PIXELS))?;
    let side = wanted.pictures.side;
    let size = portion(side);
    let count = wanted.usable.len().div_ceil(size);
    let mut done = finished(&aside.join(JOURNAL), &pixels, size * square(side), count);
    let missing: Vec<usize> = (0..count).filter(|number| !done.contains_key(number)).collect();
    let of = |number: usize| number * size..((number + 1) * size).min(wanted.usable.len());
    let mut decoded: usize = done.keys().map(|&number| of(number).len()).sum();
    cores::run(
        missing.len(),
        |place| {
            let number = missing[place];
            let (bytes, broken) = squares(wanted, of(number))?;
            let written = pixels.write_all_at(&bytes, (number * size * square(side)) as u64);
            written.map_err(failed(PIXELS))?;
            Ok::<Portion, DataError>(Portion { number, digest: blake3::hash(&bytes).to_hex().to_string(), broken })
        },
        |_, portion| {
            let portion = portion?;
            let line = serde_json::to_string(&portion).unwrap_or_default() + "\n";
            journal.write_all(line.as_bytes()).map_err(failed(JOURNAL))?;
            decoded += of(portion.number).len();
            say(Step::Decoding, decoded as u64, wanted.usable.len() as u64);
            done.insert(portion.number, portion);
            Ok::<(), DataError>(())
        },
    )?;
    let broken: BTreeMap<u32, String> = done.values().flat_map(|portion| portion.broken.clone()).collect();
    let manifest = Manifest {
        format: FORMAT.to_owned(),
        pictures: wanted.usable.len(),
        side,
        portions: done.into_values().map(|portion| portion.digest).collect(),
        broken: broken.clone(),
    };
    let mut out = File::create(aside.join(MANIFEST)).map_err(failed(MANIFEST))?;
    let text = serde_json::to_vec(&manifest).unwrap_or_default();
    let written = out.write_all(&text).and_then(|()| out.sync_all()).and_then(|()| pixels.sync_all());
    written.map_err(failed(MANIFEST))?;
    // One of another version, or damaged.
    if target.exists() {
        fs::remove_dir_all(&target).map_err(PicturesError::file("remove", &target))?;
    }
    fs::rename(&aside, &target).map_err(PicturesError::file("rename into place", &target))?;
    let _ = fs::remove_file(target.join(JOURNAL));
    Ok(broken)
}

/// The portions that an earlier run has done and that are as it left them.
fn finished(journal: &Path, pixels: &File, bytes: usize, count: usize) -> BTreeMap<usize, Portion> {
    let text = fs::read(journal).unwrap_or_default();
    let length = pixels.metadata().map_or(0, |about| about.len() as usize);
    let lines = text.split(|&byte| byte == b'\n');
    let portions = lines.filter_map(|line| serde_json::from_slice::<Portion>(line).ok());
    let is_there = |portion: &Portion| {
        let start = portion.number * bytes;
        let mut content = vec![0; bytes.min(length.saturating_sub(start))];
        portion.number < count
            && pixels.read_exact_at(&mut content, start as u64).is_ok()
            && blake3::hash(&content).to_hex().as_str() == portion.digest
    };
    portions.filter(is_there).map(|portion| (portion.number, portion)).collect()
}

/// The squares of some pictures; black where one cannot be read.
fn squares(wanted: &Wanted, pictures: std::ops::Range<usize>) -> Result<(Vec<u8>, BTreeMap<u32, String>), DataError> {
    let Collection { listing, contents, .. } = wanted.collection;
    let size = square(wanted.pictures.side);
    let (start, mut bytes, mut broken) = (pictures.start, vec![0; pictures.len() * size], BTreeMap::new());
    let usable: Vec<usize> = pictures.filter(|&picture| wanted.usable[picture]).collect();
    let mut take = |picture: usize, content: Result<&[u8], PictureError>| {
        let path = &listing.pictures[picture].path;
        match content.and_then(|content| picture::planes(content, path, Some(wanted.pictures))) {
            Ok(planes) => bytes[(picture - start) * size..][..size].copy_from_slice(&planes),
            Err(error) => drop(broken.insert(picture as u32, error.to_string())),
        }
    };
    contents.read(listing, &usable, &mut take)?;
    Ok((bytes, broken))
}

/// Maps the squares, after every portion was held against its digest. `pictures` is how many there have to be.
pub(super) fn open(cache: &Path, key: &str, side: u32) -> Result<(Arc<Mmap>, usize), PicturesError> {
    let folder = folder(cache, key);
    let path = folder.join(PIXELS);
    let damaged = |what| PicturesError::Packed { path: folder.clone(), what };
    let manifest = manifest(&folder).filter(|manifest| manifest.side == side).ok_or(damaged("gone"))?;
    let file = File::open(&path).map_err(PicturesError::file("open", &path))?;
    // SAFETY: the file was renamed into place whole and is never written again; a removed file stays mapped.
    let map = unsafe { Mmap::map(&file) }.map_err(PicturesError::file("map", &path))?;
    let portions = map.chunks(portion(side) * square(side));
    let fits = map.len() == manifest.pictures * square(side)
        && portions.len() == manifest.portions.len()
        && portions.zip(&manifest.portions).all(|(bytes, digest)| blake3::hash(bytes).to_hex().as_str() == digest);
    if !fits {
        // So that they are made anew.
        let _ = fs::remove_dir_all(&folder);
        return Err(damaged("damaged"));
    }
    Ok((Arc::new(map), manifest.pictures))
}
