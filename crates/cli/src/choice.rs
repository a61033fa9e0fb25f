//! Which sweep is meant: by its name, by its file, or, where there is no doubt, by neither.

use crate::args::{self, Command, Common};
use crate::exit::wrong_input;
use crate::output;
use frostline_store::{Reader, StoreError, SweepSummary};
use frostline_sweep::definition::name_in;
use frostline_sweep::suggest;
use std::path::{Path, PathBuf};

/// Of more sweeps or files, so many are named.
const NAMED: usize = 5;

/// What a command does with a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Asking hurts nobody: without a name, the latest is meant.
    Read,
    /// Without a name, only the one that there is.
    Change,
}

/// Puts the name of a sweep where its file stands, or nothing.
///
/// # Errors
/// There is no such sweep, or more than one that could be meant.
pub(crate) fn resolve(common: &Common, command: &mut Command) -> anyhow::Result<()> {
    let (name, purpose, sweep) = match command {
        Command::Best(args::Best { sweep, .. }) => ("best", Purpose::Read, sweep),
        Command::Effects(args::Effects { sweep, .. }) => ("effects", Purpose::Read, sweep),
        Command::Status(args::Status { sweep, .. }) => ("status", Purpose::Read, sweep),
        Command::Watch(args::Watch { sweep, .. }) => ("watch", Purpose::Read, sweep),
        Command::Report(args::Report { sweep, .. }) => ("report", Purpose::Read, sweep),
        Command::Export(args::Export { sweep, .. }) => ("export", Purpose::Read, sweep),
        Command::Resume(args::Resume { sweep, .. }) => ("resume", Purpose::Change, sweep),
        Command::Extend(args::Extend { sweep, .. }) => ("extend", Purpose::Change, sweep),
        Command::Retry(args::Retry { sweep, .. }) => ("retry", Purpose::Change, sweep),
        Command::Rm(args::Rm { sweep, .. }) => ("rm", Purpose::Change, sweep),
        // Who notes something means one sweep; a wrong one would be easy to overlook.
        Command::Note(args::Note { sweep, .. }) => ("note", Purpose::Change, sweep),
        Command::Verify(args::Verify { sweep: Some(sweep), .. }) => ("verify", Purpose::Read, sweep),
        // Digits of a trial are told apart there.
        Command::Cancel(args::Cancel { what }) if what.is_empty() || is_file(what) => {
            ("cancel", Purpose::Change, what)
        }
        _ => return Ok(()),
    };
    let reader = frostline_store::open(&common.results)?;
    *sweep = Choice { common, reader: &reader, command: name }.sweep(sweep, purpose)?;
    Ok(())
}

/// Says that a folder of results has no such sweep, and what it has.
pub(crate) fn unknown(common: &Common, reader: &Reader, command: &str, name: &str) -> anyhow::Error {
    match reader.sweeps() {
        Ok(sweeps) => Choice { common, reader, command }.unknown(name, &sweeps),
        Err(error) => error.into(),
    }
}

/// By its end, or because it is there.
fn is_file(text: &str) -> bool {
    text.ends_with(".toml") || text.contains('/') || Path::new(text).is_file()
}

struct Choice<'a> {
    common: &'a Common,
    reader: &'a Reader,
    /// Whoever asks, for the line that would do.
    command: &'a str,
}

impl Choice<'_> {
    fn sweep(&self, named: &str, purpose: Purpose) -> anyhow::Result<String> {
        if named.is_empty() {
            return self.only(purpose);
        }
        match self.reader.sweep(named) {
            Ok(sweep) => return Ok(sweep.name),
            Err(StoreError::UnknownSweep { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        if !is_file(named) {
            return Err(self.unknown(named, &self.reader.sweeps()?));
        }
        let text = std::fs::read_to_string(named)
            .map_err(|error| wrong_input(format!("the sweep definition {named} cannot be read: {error}")))?;
        let Some(name) = name_in(&text) else {
            return Err(wrong_input(format!(
                "{named} names no sweep: `frostline plan {named}` says what is wrong with it"
            )));
        };
        match self.reader.sweep(&name) {
            Ok(sweep) => Ok(sweep.name),
            Err(StoreError::UnknownSweep { .. }) => Err(wrong_input(format!(
                "sweep `{name}` of {named} was not launched into `{}` yet:  frostline launch {named}{}",
                self.common.results.display(),
                self.common.results_argument()
            ))),
            Err(error) => Err(error.into()),
        }
    }

    fn only(&self, purpose: Purpose) -> anyhow::Result<String> {
        let sweeps = self.reader.sweeps()?;
        let results = self.common.results.display();
        if sweeps.len() == 1 {
            return Ok(sweeps[0].name.clone());
        }
        let latest = sweeps.iter().max_by(|one, other| one.updated_at.total_cmp(&other.updated_at));
        match (latest, purpose) {
            (None, _) => Err(wrong_input(format!(
                "`{results}` has no sweep: `frostline launch FILE` runs one, `frostline init` writes a first file"
            ))),
            (Some(latest), Purpose::Read) => {
                output::note(&format!("`{}`, the latest of {} sweeps in `{results}`", latest.name, sweeps.len()));
                Ok(latest.name.clone())
            }
            (Some(latest), Purpose::Change) => Err(wrong_input(format!(
                "`{results}` has {} sweeps ({}): say which one, such as  frostline {} {}{}",
                sweeps.len(),
                names(&sweeps),
                self.command,
                latest.name,
                self.common.results_argument()
            ))),
        }
    }

    fn unknown(&self, name: &str, sweeps: &[SweepSummary]) -> anyhow::Error {
        let (results, argument) = (self.common.results.display(), self.common.results_argument());
        let near = suggest::nearest(name, sweeps.iter().map(|sweep| sweep.name.as_str()));
        let command = self.command;
        wrong_input(match (sweeps, near) {
            ([], _) => format!("there is no sweep `{name}` in `{results}`, and no other"),
            (_, Some(near)) => format!(
                "there is no sweep `{name}` in `{results}`, which has {}; did you mean  frostline {command} {near}{argument}",
                names(sweeps)
            ),
            (_, None) => format!(
                "there is no sweep `{name}` in `{results}`, which has {}; `frostline list{argument}` says more of them, and \
                 --results names another folder",
                names(sweeps)
            ),
        })
    }
}

/// The latest first.
fn names(sweeps: &[SweepSummary]) -> String {
    let mut sweeps: Vec<&SweepSummary> = sweeps.iter().collect();
    sweeps.sort_by(|one, other| other.updated_at.total_cmp(&one.updated_at));
    let quoted = |name: &str| format!("`{name}`");
    listed(sweeps.iter().map(|sweep| quoted(&sweep.name)).collect())
}

/// "a, b and 3 more".
fn listed(all: Vec<String>) -> String {
    match all.len().saturating_sub(NAMED) {
        0 => all.join(", "),
        more => format!("{} and {more} more", all[..NAMED].join(", ")),
    }
}

/// The file of a definition: as it is named, by the name of its sweep, or the only one in this folder and in `sweeps`.
///
/// # Errors
/// None is meant without doubt.
pub(crate) fn definition(common: &Common, named: Option<&Path>, command: &str) -> anyhow::Result<PathBuf> {
    let Some(path) = named else { return only_file(command) };
    let Some(name) = path.to_str().filter(|_| !path.exists()) else { return Ok(path.to_owned()) };
    let places = [format!("{name}.toml"), format!("sweeps/{name}.toml")].map(PathBuf::from);
    let known = frostline_store::open(&common.results).and_then(|reader| reader.sweep(name)).ok();
    let launched = known.as_ref().map(|sweep| PathBuf::from(&sweep.file));
    if let Some(file) = places.into_iter().chain(launched).find(|file| named_in(file).as_deref() == Some(name)) {
        return Ok(file);
    }
    if let Some(known) = known {
        return Err(wrong_input(format!(
            "{} of `{name}` is not there any more: `frostline resume {name}{}` continues by what the database holds of it",
            known.file,
            common.results_argument()
        )));
    }
    let files = files();
    let near = suggest::nearest(name, files.iter().filter_map(|file| file.to_str()));
    let there = match (near, &files[..]) {
        (Some(near), _) => format!("; did you mean  frostline {command} {near}"),
        (None, []) => "; `frostline init` writes one".to_owned(),
        (None, files) => {
            format!("; here is {}", listed(files.iter().map(|file| file.display().to_string()).collect()))
        }
    };
    Err(wrong_input(format!("the sweep definition {name} cannot be read: no such file{there}")))
}

fn only_file(command: &str) -> anyhow::Result<PathBuf> {
    let files = files();
    match &files[..] {
        [file] => Ok(file.clone()),
        [] => Err(wrong_input(format!(
            "there is no sweep definition here: `frostline init` writes one, `frostline {command} FILE` takes another"
        ))),
        [first, ..] => {
            let all = listed(files.iter().map(|file| file.display().to_string()).collect());
            Err(wrong_input(format!(
                "there are {} sweep definitions here ({all}): say which one, such as  frostline {command} {}",
                files.len(),
                frostline_results::quoted(first)
            )))
        }
    }
}

/// The definitions in this folder and in `sweeps`.
fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in [".", "sweeps"] {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let path = |entry: std::fs::DirEntry| if folder == "." { entry.file_name().into() } else { entry.path() };
        let mut found: Vec<PathBuf> = entries.map(path).filter(|path| named_in(path).is_some()).collect();
        found.sort();
        files.extend(found);
    }
    files
}

/// The sweep that a file defines, if it is a definition.
fn named_in(file: &Path) -> Option<String> {
    let is_toml = file.extension().is_some_and(|extension| extension == "toml");
    is_toml.then(|| std::fs::read_to_string(file).ok()).flatten().as_deref().and_then(name_in)
}
