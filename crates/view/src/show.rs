//! `show`: everything about one trial.

use crate::{ViewError, stored};
use frostline_store::{AttemptRow, Reader};
use frostline_sweep::outcome::{AttemptId, AttemptOutcome, EpochMetrics, Evaluation, Failure, TrialState};
use frostline_sweep::record::Build;
use frostline_sweep::trial::{GroupId, TrialId, TrialSpec, WeightsIdentity};
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shown {
    pub trial: TrialId,
    pub group: GroupId,
    /// Names of the sweeps that it is in, oldest first.
    pub sweeps: Vec<String>,
    pub state: TrialState,
    pub parameters: Map<String, Value>,
    pub spec: TrialSpec,
    /// What the latest of its sweeps calls the weights that it starts from; none where it is in no sweep any more.
    pub weights: Option<String>,
    /// Of the accepted attempt, or of the newest one.
    pub epochs: Vec<EpochMetrics>,
    pub evaluation: Option<Evaluation>,
    /// Oldest first.
    pub attempts: Vec<Attempt>,
}

/// One try at running the trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    pub attempt: AttemptId,
    pub outcome: AttemptOutcome,
    pub worker: u32,
    pub build: Build,
    /// Seconds since 1970; no end while it runs.
    pub started_at: f64,
    pub ended_at: Option<f64>,
    /// How many were recorded.
    pub epochs: u32,
    /// Images at a time, where memory had run out before.
    pub micro_batch: Option<u32>,
    /// The segments of the network whose kept output it started from, 0 where it started from the images; none where that
    /// is not known.
    pub cut: Option<u32>,
    /// Seconds that the trial was estimated to take from there, and from the images.
    pub estimated_seconds: Option<f64>,
    pub estimated_seconds_without: Option<f64>,
    pub failure: Option<Failure>,
}

impl Attempt {
    /// Whether the trial's result is this attempt's.
    pub fn is_accepted(&self) -> bool {
        self.outcome == AttemptOutcome::Complete
    }
}

impl Shown {
    /// Its weights by name and content.
    pub fn weights_in_words(&self) -> String {
        match &self.spec.model.weights {
            WeightsIdentity::Random => "random".to_owned(),
            WeightsIdentity::File(digest) => {
                let name = self.weights.as_deref().unwrap_or("a file");
                format!("{name} (BLAKE3 {}…)", digest.chars().take(16).collect::<String>())
            }
        }
    }
}

/// The trial whose id begins with `prefix`.
///
/// # Errors
/// There is none, or there are several, or a failure of the database.
pub fn show(reader: &Reader, prefix: &str) -> Result<Shown, ViewError> {
    let detail = reader.find_trial(prefix)?;
    let attempts: Vec<Attempt> = detail.attempts.into_iter().map(attempt).collect();
    let epochs = epochs(reader, &attempts)?;
    let row = detail.row;
    let latest = detail.sweeps.last().map(|name| reader.sweep(name)).transpose()?;
    // A definition of an older version that is no longer valid names none.
    let definition = latest.and_then(|sweep| stored::definition(&sweep).ok());
    let network = definition.as_ref().and_then(|it| it.network(&row.spec.model.backbone));
    Ok(Shown {
        weights: network.map(|network| network.weights.clone()),
        trial: row.trial,
        group: row.group,
        sweeps: detail.sweeps,
        state: row.state,
        parameters: row.spec.named_object(),
        spec: row.spec,
        epochs,
        evaluation: row.evaluation,
        attempts,
    })
}

/// The epochs of a trial as [`show`] has them, without the rest.
///
/// # Errors
/// There is no such trial, or a failure of the database.
pub(crate) fn curve(reader: &Reader, trial: TrialId) -> Result<Vec<EpochMetrics>, ViewError> {
    let attempts: Vec<Attempt> = reader.find_trial(&trial.to_string())?.attempts.into_iter().map(attempt).collect();
    epochs(reader, &attempts)
}

/// Of the accepted attempt, or of the newest one.
fn epochs(reader: &Reader, attempts: &[Attempt]) -> Result<Vec<EpochMetrics>, ViewError> {
    let shown = attempts.iter().rfind(|attempt| attempt.is_accepted()).or(attempts.last());
    Ok(shown.map_or(Ok(Vec::new()), |attempt| reader.epochs(attempt.attempt))?)
}

fn attempt(row: AttemptRow) -> Attempt {
    Attempt {
        attempt: row.attempt,
        outcome: row.outcome,
        worker: row.worker,
        build: row.build,
        started_at: row.started_at,
        ended_at: row.ended_at,
        epochs: row.epochs,
        micro_batch: row.micro_batch,
        cut: row.cut,
        estimated_seconds: row.estimate.map(|estimate| estimate.seconds),
        estimated_seconds_without: row.estimate.map(|estimate| estimate.without),
        failure: row.failure,
    }
}
