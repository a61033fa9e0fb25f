//! `status`: how far a sweep has come, trial by trial.

use crate::amount::{count, seconds};
use crate::{Columns, States, ViewError, stored};
use frostline_results::RunStatus;
use frostline_store::{Reader, TrialRow};
use frostline_sweep::outcome::{FailureKind, TrialState};
use frostline_sweep::trial::{GroupId, TrialId};
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    pub sweep: String,
    pub objective: String,
    /// What its definition was launched from, and on which machine.
    pub file: String,
    pub host: String,
    pub counts: States,
    /// What somebody has noted of it.
    pub note: Option<String>,
    /// The hyperparameters in which its trials differ.
    pub columns: Columns,
    /// In the order of the definition.
    pub trials: Vec<Progress>,
    /// What its coordinator says of itself; none while nothing runs it.
    pub run: Option<RunStatus>,
}

/// How far one trial has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    pub trial: TrialId,
    pub group: GroupId,
    pub state: TrialState,
    pub attempts: u32,
    /// The last one of the accepted attempt, or of the newest; none before the first.
    pub epoch: Option<u32>,
    /// How many it has in all.
    pub epochs: u32,
    pub val_accuracy: Option<f64>,
    /// Of the last attempt that failed, whatever came after it.
    pub failure: Option<Failed>,
    /// Those of the columns.
    pub parameters: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    pub kind: FailureKind,
    pub message: String,
}

/// What a coordinator is at: "running, 2 tasks, 58 s left".
pub fn going_on(run: &RunStatus) -> String {
    let left = run.seconds_left.map_or(String::new(), |left| format!(", {} left", seconds(left)));
    let ending = if run.draining { ", ending" } else { "" };
    format!("running, {}{left}{ending}", count(run.running.len() as u64, "task"))
}

/// `run` is what the coordinator of the results folder has left there, of whichever sweep it runs.
///
/// # Errors
/// There is no such sweep, or a failure of the database.
pub fn status(reader: &Reader, name: &str, run: Option<RunStatus>) -> Result<Status, ViewError> {
    let sweep = reader.sweep(name)?;
    let rows = reader.trials(name)?;
    // A definition of an older version that is no longer valid says nothing of its depths.
    let depths = stored::definition(&sweep).map(|definition| definition.depths()).unwrap_or_default();
    let columns = Columns::varying(rows.iter().map(|row| &row.spec)).with_depths(depths);
    let trials = rows.into_iter().map(|row| progress(row, &columns)).collect();
    Ok(Status {
        sweep: sweep.name,
        objective: sweep.objective,
        file: sweep.file,
        host: sweep.provenance.host,
        counts: States(reader.counts(name)?),
        note: reader.note(name)?,
        columns,
        trials,
        run: run.filter(|run| run.sweep == name),
    })
}

fn progress(row: TrialRow, columns: &Columns) -> Progress {
    Progress {
        trial: row.trial,
        group: row.group,
        state: row.state,
        attempts: row.attempts,
        epoch: row.last.as_ref().map(|last| last.epoch),
        epochs: row.spec.parameters.epochs,
        val_accuracy: row.last.as_ref().map(|last| last.val_accuracy),
        failure: row.failure.map(|(kind, message)| Failed { kind, message }),
        parameters: columns.of(&row.spec),
    }
}
