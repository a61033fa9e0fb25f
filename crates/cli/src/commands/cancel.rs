//! `cancel`: what should not run.

use crate::args::{self, Common};
use crate::choice;
use crate::exit::{Exit, wrong_input};
use crate::output::{self, count};
use crate::record;
use anyhow::bail;
use frostline_coordinator::request;
use frostline_protocol::{Command, Response};
use frostline_store::{Reader, StoreError, Writer};
use frostline_sweep::outcome::TrialState;
use frostline_sweep::record::{Ending, Record};
use frostline_sweep::trial::TrialId;

pub(crate) fn run(common: &Common, arguments: &args::Cancel) -> anyhow::Result<Exit> {
    let wanted = find(common, &record::open(common)?, &arguments.what)?;
    for (sweep, cancelled) in cancel(common, &wanted)? {
        output::note(&match cancelled {
            0 => nothing(common, &sweep, &wanted)?,
            _ => format!("{} of `{sweep}` cancelled", count(cancelled, "trial")),
        });
    }
    Ok(Exit::Done)
}

/// Why nothing was cancelled.
fn nothing(common: &Common, sweep: &str, wanted: &Wanted) -> anyhow::Result<String> {
    if let [trial] = wanted.trials[..] {
        return Ok(format!("Nothing to cancel: trial {} of `{sweep}` has ended or was cancelled", trial.short()));
    }
    let counts = record::open(common)?.counts(sweep)?;
    Ok(match (counts.complete, counts.total()) {
        (complete, total) if complete == total => {
            format!("Nothing to cancel: all {} of `{sweep}` have finished", count(total, "trial"))
        }
        _ => format!("Nothing to cancel: no trial of `{sweep}` is left to run ({})", output::summary(&counts)),
    })
}

/// What is to be cancelled.
struct Wanted {
    /// The one that was named, or those that have the trial.
    sweeps: Vec<String>,
    /// None: the whole sweep.
    trials: Vec<TrialId>,
}

fn find(common: &Common, reader: &Reader, what: &str) -> anyhow::Result<Wanted> {
    match reader.sweep(what) {
        Ok(sweep) => return Ok(Wanted { sweeps: vec![sweep.name], trials: Vec::new() }),
        Err(StoreError::UnknownSweep { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    if what.len() < 4 || !what.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(choice::unknown(common, reader, "cancel", what));
    }
    let detail = reader.find_trial(what)?;
    let trial = detail.row.trial;
    if detail.sweeps.is_empty() {
        return Err(wrong_input(format!("trial {trial} is in no sweep any more, so it will not run")));
    }
    Ok(Wanted { sweeps: detail.sweeps, trials: vec![trial] })
}

/// How many trials were cancelled, by the sweep whose they were. A coordinator answers for the sweep that it runs only; a
/// trial is cancelled there then, and other sweeps that have it still want it. Where none runs, all of them are meant.
fn cancel(common: &Common, Wanted { sweeps, trials }: &Wanted) -> anyhow::Result<Vec<(String, u64)>> {
    let mut refused = String::new();
    for sweep in sweeps {
        let command = Command::Cancel { sweep: sweep.clone(), trials: trials.clone() };
        match request(&common.results, command)? {
            Some(Response::Done(cancelled)) => return Ok(vec![(sweep.clone(), cancelled)]),
            Some(Response::Refused(reason)) => refused = reason,
            None => {
                let mut writer = Writer::open(&common.results)?;
                let cancel = |sweep: &String| Ok((sweep.clone(), cancel_at_rest(&mut writer, sweep, trials)?));
                return sweeps.iter().map(cancel).collect();
            }
        }
    }
    bail!("nothing was cancelled: {refused}")
}

/// Where no coordinator runs, its database is free to be written.
fn cancel_at_rest(writer: &mut Writer, sweep: &str, trials: &[TrialId]) -> anyhow::Result<u64> {
    let wanted = |trial: &TrialId| trials.is_empty() || trials.contains(trial);
    let mut records = Vec::new();
    for row in writer.reader().restore(sweep)?.into_iter().filter(|row| wanted(&row.trial)) {
        let state = TrialState::Cancelled;
        match (row.state, row.running) {
            (TrialState::Running, Some(running)) => records.push(Record::Ended {
                attempt: running.attempt,
                ending: Ending::Cancelled,
                trial: Some((row.trial, state)),
            }),
            (TrialState::Waiting, None) => records.push(Record::State { trial: row.trial, state }),
            _ => {}
        }
    }
    writer.apply(sweep, &records)?;
    Ok(records.len() as u64)
}
