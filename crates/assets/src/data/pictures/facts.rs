//! What is known of each picture: its content's digest, and its size, or why it is none. It is kept, so that what has not
//! changed is not read again.

use super::listing::Listed;
use super::{Collection, cores};
use crate::data::pictures_error::PicturesError;
use crate::data::{DataError, Say, Step};
use crate::picture::{self, PictureError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What changes with a file's content: size, times of change in nanoseconds, and which file it is.
pub(in crate::data) type State = (u64, i128, i128, u64, u64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fact {
    /// BLAKE3, in hexadecimal; empty where there are no bytes.
    pub(super) digest: String,
    /// Width and height of the upright picture.
    pub(super) size: (u32, u32),
    pub(super) verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Verdict {
    /// Its head is a picture's; nobody has decoded the rest yet.
    Open,
    Sound,
    Broken(String),
}

impl Fact {
    pub(super) fn is_usable(&self) -> bool {
        !matches!(self.verdict, Verdict::Broken(_))
    }
}

#[derive(Serialize, Deserialize)]
struct Known {
    state: Option<State>,
    fact: Fact,
}

/// The facts of all pictures of one collection, as they are kept.
pub(super) struct Facts {
    place: PathBuf,
    pub(super) all: Vec<Fact>,
    states: Vec<Option<State>>,
}

/// Of the file at `path`.
pub(in crate::data) fn state(path: &Path) -> Option<State> {
    let about = fs::metadata(path).ok()?;
    let time = |seconds: i64, nanoseconds: i64| i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
    let (modified, changed) = (time(about.mtime(), about.mtime_nsec()), time(about.ctime(), about.ctime_nsec()));
    Some((about.len(), modified, changed, about.dev(), about.ino()))
}

/// Where the facts of the folder `root` are kept.
fn place(cache: &Path, root: &Path) -> PathBuf {
    let root = fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
    cache.join(format!("facts-{}.json", &blake3::hash(root.as_os_str().as_bytes()).to_hex()[..32]))
}

impl Facts {
    /// Looks at what is not known yet.
    pub(super) fn of(collection: &Collection, cache: &Path, say: Say) -> Result<Facts, DataError> {
        let Collection { root, listing, contents } = collection;
        let place = place(cache, root);
        // One that cannot be read, or of another version, costs time only.
        let text = fs::read(&place).unwrap_or_default();
        let mut known: HashMap<String, Known> = serde_json::from_slice(&text).unwrap_or_default();
        let count = listing.pictures.len();
        let states: Vec<Option<State>> = (0..count).map(|picture| contents.state(listing, picture)).collect();
        let mut all: Vec<Option<Fact>> = (listing.pictures.iter().zip(&states))
            .map(|(listed, state)| {
                known.remove(&key(&listed.path)).filter(|known| known.state.is_some() && known.state == *state)
            })
            .map(|known| known.map(|known| known.fact))
            .collect();
        let missing: Vec<usize> = (0..count).filter(|&index| all[index].is_none()).collect();
        let portions: Vec<&[usize]> = missing.chunks(cores::portion(missing.len())).collect();
        let mut done = 0;
        cores::run(
            portions.len(),
            |portion| {
                let mut found = Vec::new();
                let mut take = |picture: usize, content: Result<&[u8], PictureError>| {
                    found.push((picture, look(content, &listing.pictures[picture].path)));
                };
                contents.read(listing, portions[portion], &mut take).map(|()| found)
            },
            |_, found| {
                for (picture, fact) in found? {
                    all[picture] = Some(fact);
                    done += 1;
                }
                say(Step::Reading, done, missing.len() as u64);
                Ok::<(), DataError>(())
            },
        )?;
        Ok(Facts { place, all: all.into_iter().map(|fact| fact.unwrap_or_else(unread)).collect(), states })
    }

    pub(super) fn keep(&self, pictures: &[Listed]) -> Result<(), PicturesError> {
        let known: HashMap<String, Known> = pictures
            .iter()
            .zip(self.all.iter().zip(&self.states))
            .map(|(listed, (fact, &state))| (key(&listed.path), Known { state, fact: fact.clone() }))
            .collect();
        let text = serde_json::to_vec(&known).unwrap_or_default();
        let aside = self.place.with_extension(format!("{}.writing", std::process::id()));
        let written = fs::write(&aside, text).and_then(|()| fs::rename(&aside, &self.place));
        written.map_err(PicturesError::file("write", &self.place))
    }
}

fn key(path: &Path) -> String {
    super::names::text(path.as_os_str().as_bytes())
}

fn unread() -> Fact {
    Fact { digest: String::new(), size: (0, 0), verdict: Verdict::Broken("it was not looked at".to_owned()) }
}

fn look(content: Result<&[u8], PictureError>, path: &Path) -> Fact {
    let broken = |digest: String, error: PictureError| Fact {
        digest,
        size: (0, 0),
        verdict: Verdict::Broken(error.to_string()),
    };
    let bytes = match content {
        Ok(bytes) => bytes,
        Err(error) => return broken(String::new(), error),
    };
    let digest = blake3::hash(bytes).to_hex().to_string();
    match picture::size(bytes, path) {
        Ok(size) => Fact { digest, size, verdict: Verdict::Open },
        Err(error) => broken(digest, error),
    }
}
