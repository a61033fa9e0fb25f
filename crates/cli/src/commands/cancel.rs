//! `cancel`: what should not run.

use crate::args::{self, Common};
use crate::exit::{Exit, wrong_input};
use crate::output::{self, count};
use anyhow::bail;
use frostline_coordinator::request;
use frostline_protocol::{Command, Response};
use frostline_store::{Reader, StoreError, Writer};
use frostline_sweep::outcome::TrialState;
use frostline_sweep::record::{Ending, Record};
use frostline_sweep::trial::TrialId;

pub(crate) fn run(common: &Common, arguments: &args::Cancel) -> anyhow::Result<Exit> {
    let reader = Reader::open(&common.results)?;
    let (sweep, trials) = find(&reader, &arguments.what)?;
    let command = Command::Cancel { sweep: sweep.clone(), trials: trials.clone() };
    let cancelled = match request(&common.results, command)? {
        Some(Response::Cancelled(cancelled)) => cancelled,
        Some(Response::Refused(reason)) => bail!("nothing was cancelled: {reason}"),
        None => cancel_at_rest(common, &sweep, &trials)?,
    };
    output::note(&match cancelled {
        0 => format!("`{sweep}` has nothing to cancel: what was asked for has ended already"),
        _ => format!("{} of `{sweep}` cancelled", count(cancelled, "trial")),
    });
    Ok(Exit::Done)
}

/// A sweep, or a trial and a sweep that it is in.
fn find(reader: &Reader, what: &str) -> anyhow::Result<(String, Vec<TrialId>)> {
    let unknown_sweep = match reader.sweep(what) {
        Ok(sweep) => return Ok((sweep.name, Vec::new())),
        Err(error @ StoreError::UnknownSweep { .. }) => error,
        Err(error) => return Err(error.into()),
    };
    if what.len() < 4 || !what.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(unknown_sweep.into());
    }
    let detail = reader.find_trial(what)?;
    let trial = detail.row.trial;
    match detail.sweeps.into_iter().next() {
        Some(sweep) => Ok((sweep, vec![trial])),
        None => Err(wrong_input(format!("trial {trial} is in no sweep any more, so it will not run"))),
    }
}

/// Where no coordinator runs, its database is free to be written.
fn cancel_at_rest(common: &Common, sweep: &str, trials: &[TrialId]) -> anyhow::Result<u64> {
    let mut writer = Writer::open(&common.results)?;
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
