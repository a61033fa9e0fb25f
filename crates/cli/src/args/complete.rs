//! What a shell is told that asks how a word could go on: commands, options, and the sweeps and trials of the results folder.

use super::{Arguments, results};
use clap::CommandFactory;
use clap::builder::StyledStr;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::Shells;
use clap_complete::{CompleteEnv, Shell};
use frostline_store::{Reader, StoreError};
use std::io;
use std::path::PathBuf;

/// By which a shell says which one it is.
const VARIABLE: &str = "FROSTLINE_COMPLETE";
/// Trials of a sweep that are offered: its best.
const TRIALS: usize = 20;

/// Answers a shell, if it is one that asks, and ends the program then.
pub(crate) fn answer() {
    CompleteEnv::with_factory(Arguments::command).var(VARIABLE).complete();
}

/// The script by which a shell asks.
///
/// # Errors
/// Failures of writing.
pub(crate) fn script(shell: Shell) -> io::Result<Vec<u8>> {
    let mut script = Vec::new();
    if let Some(completer) = Shells::builtins().completer(&shell.to_string()) {
        completer.write_registration(VARIABLE, "frostline", "frostline", "frostline", &mut script)?;
    }
    Ok(script)
}

pub(super) fn sweeps() -> ArgValueCandidates {
    ArgValueCandidates::new(|| offered(sweep_names))
}

/// The best trials of each sweep.
pub(super) fn trials() -> ArgValueCandidates {
    ArgValueCandidates::new(|| offered(best_trials))
}

pub(super) fn sweeps_and_trials() -> ArgValueCandidates {
    let both = |reader: &Reader| Ok(sweep_names(reader)?.into_iter().chain(best_trials(reader)?).collect());
    ArgValueCandidates::new(move || offered(both))
}

/// Nothing where there are no results, or none that can be read: the shell's line is no place for errors.
fn offered(list: impl Fn(&Reader) -> Result<Vec<CompletionCandidate>, StoreError>) -> Vec<CompletionCandidate> {
    Reader::open(&folder()).and_then(|reader| list(&reader)).unwrap_or_default()
}

/// The folder that the line names, which is behind our own arguments.
fn folder() -> PathBuf {
    let words: Vec<_> = std::env::args_os().collect();
    let named = words.iter().zip(words.iter().skip(1)).find(|(word, _)| *word == "--results").map(|(_, next)| next);
    let joined = words.iter().filter_map(|word| word.to_str()?.strip_prefix("--results=")).next();
    named.map(PathBuf::from).or_else(|| joined.map(PathBuf::from)).unwrap_or_else(results)
}

fn sweep_names(reader: &Reader) -> Result<Vec<CompletionCandidate>, StoreError> {
    let sweeps = reader.sweeps()?;
    Ok(sweeps.into_iter().map(|sweep| CompletionCandidate::new(sweep.name)).collect())
}

fn best_trials(reader: &Reader) -> Result<Vec<CompletionCandidate>, StoreError> {
    let mut candidates = Vec::new();
    for sweep in reader.sweeps()? {
        for (rank, row) in (1..).zip(reader.best(&sweep.name, TRIALS)?) {
            let help = StyledStr::from(format!("rank {rank} of {}", sweep.name));
            candidates.push(CompletionCandidate::new(row.trial.short()).help(Some(help)));
        }
    }
    Ok(candidates)
}
