//! What is known of each file: its content's digest, and the picture's size, or why it is none. It is kept, so that a file
//! that has not changed is not read again.

use super::cores;
use super::listing::Listed;
use super::{Say, Step};
use crate::data::folder_error::FolderError;
use crate::picture;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What changes with a file's content: size, times of change in nanoseconds, and which file it is.
type State = (u64, i128, i128, u64, u64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Fact {
    /// BLAKE3, in hexadecimal; empty where the file cannot be read.
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

/// The facts of all files of one folder, as they are kept.
pub(super) struct Facts {
    place: PathBuf,
    pub(super) all: Vec<Fact>,
    states: Vec<Option<State>>,
}

fn state(path: &Path) -> Option<State> {
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
    pub(super) fn of(root: &Path, cache: &Path, pictures: &[Listed], say: Say) -> Facts {
        let place = place(cache, root);
        // One that cannot be read, or of another version, costs time only.
        let text = fs::read(&place).unwrap_or_default();
        let mut known: HashMap<String, Known> = serde_json::from_slice(&text).unwrap_or_default();
        let states: Vec<Option<State>> = pictures.iter().map(|listed| state(&listed.path)).collect();
        let mut all: Vec<Option<Fact>> = pictures
            .iter()
            .zip(&states)
            .map(|(listed, state)| {
                known.remove(&key(&listed.path)).filter(|known| known.state.is_some() && known.state == *state)
            })
            .map(|known| known.map(|known| known.fact))
            .collect();
        let missing: Vec<usize> = (0..all.len()).filter(|&index| all[index].is_none()).collect();
        let mut done = 0;
        cores::run(
            missing.len(),
            |index| look(&pictures[missing[index]].path),
            |index, fact| {
                all[missing[index]] = Some(fact);
                done += 1;
                say(Step::Reading, done, missing.len() as u64);
                Ok::<(), FolderError>(())
            },
        )
        .unwrap_or_default();
        Facts { place, all: all.into_iter().map(|fact| fact.unwrap_or_else(unread)).collect(), states }
    }

    pub(super) fn keep(&self, pictures: &[Listed]) -> Result<(), FolderError> {
        let known: HashMap<String, Known> = pictures
            .iter()
            .zip(self.all.iter().zip(&self.states))
            .map(|(listed, (fact, &state))| (key(&listed.path), Known { state, fact: fact.clone() }))
            .collect();
        let text = serde_json::to_vec(&known).unwrap_or_default();
        let aside = self.place.with_extension(format!("{}.writing", std::process::id()));
        let written = fs::write(&aside, text).and_then(|()| fs::rename(&aside, &self.place));
        written.map_err(FolderError::file("write", &self.place))
    }
}

fn key(path: &Path) -> String {
    super::names::text(path.as_os_str().as_bytes())
}

fn unread() -> Fact {
    Fact { digest: String::new(), size: (0, 0), verdict: Verdict::Broken("it was not looked at".to_owned()) }
}

fn look(path: &Path) -> Fact {
    let broken = |digest: String, error: picture::PictureError| Fact {
        digest,
        size: (0, 0),
        verdict: Verdict::Broken(error.to_string()),
    };
    let bytes = match picture::file(path) {
        Ok(bytes) => bytes,
        Err(error) => return broken(String::new(), error),
    };
    let digest = blake3::hash(&bytes).to_hex().to_string();
    match picture::size(&bytes, path) {
        Ok(size) => Fact { digest, size, verdict: Verdict::Open },
        Err(error) => broken(digest, error),
    }
}
