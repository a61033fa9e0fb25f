//! Optuna: a database that it loads and goes on with, written in its own tables.
//!
//! Two studies of the trials that are over: one of the objective, whose epochs are intermediate values, and one of the
//! objective and seconds, which has a Pareto front. A trial that failed, or whose objective is no number, is `FAIL`: Optuna
//! takes no such value. What waits, runs or was cancelled is left out, since Optuna would run it, or wait for it.

mod distribution;

use crate::ExportError;
use crate::error::writing;
use crate::outline::{Outline, value_of};
use crate::sink::Sink;
use distribution::Distribution;
use frostline_store::Recorded;
use frostline_sweep::metric::{self, Direction};
use frostline_sweep::outcome::TrialState;
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const TABLES: &str = include_str!("optuna/tables.sql");

/// `library_version` is for messages; the other two decide whether Optuna reads the file.
const VERSIONS: &str = "INSERT INTO version_info VALUES (1, 12, '5.0.0');
    INSERT INTO alembic_version VALUES ('v3.2.0.a');";

/// Ids of the two studies. Those of their directions follow from them.
const OBJECTIVE: i64 = 1;
const WITH_SECONDS: i64 = 2;

/// The word of Optuna for a trial that is over.
pub(crate) fn state(trial: &Recorded) -> Option<&'static str> {
    match trial.row.state {
        TrialState::Complete => Some("COMPLETE"),
        TrialState::Failed => Some("FAIL"),
        TrialState::Pruned => Some("PRUNED"),
        TrialState::Waiting | TrialState::Running | TrialState::Cancelled => None,
    }
}

struct Optuna<'a> {
    path: PathBuf,
    outline: &'a Outline,
    distributions: Vec<Distribution>,
    database: Connection,
    /// How many trials each study has.
    trials: i64,
}

pub(crate) fn begin<'a>(outline: &'a Outline, folder: &Path) -> Result<Box<dyn Sink + 'a>, ExportError> {
    let path = folder.join("optuna.db");
    let database = made(&path, outline).map_err(writing(&path))?;
    let distributions = outline.varying.iter().map(Distribution::of).collect();
    Ok(Box::new(Optuna { path, outline, distributions, database, trials: 0 }))
}

impl Sink for Optuna<'_> {
    fn trial(&mut self, trial: &Recorded) -> Result<(), ExportError> {
        let Some(mut state) = state(trial) else { return Ok(()) };
        let score = self.outline.score(trial).filter(|score| !score.is_nan());
        if score.is_none() && state == "COMPLETE" {
            state = "FAIL";
        }
        let seconds = trial.row.evaluation.as_ref().map(|evaluation| evaluation.seconds);
        let values = [score.zip(Some(0)), seconds.filter(|_| score.is_some()).zip(Some(1))];
        self.insert(OBJECTIVE, trial, state, &values[..1]).map_err(writing(&self.path))?;
        self.insert(WITH_SECONDS, trial, state, &values).map_err(writing(&self.path))?;
        self.trials += 1;
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), ExportError> {
        let path = self.path;
        self.database.execute_batch("COMMIT").map_err(writing(&path))?;
        self.database.close().map_err(|(_, error)| error).map_err(writing(&path))
    }
}

/// A database with two studies that have no trials yet, in a transaction that is open.
fn made(path: &Path, outline: &Outline) -> rusqlite::Result<Connection> {
    let database = Connection::open(path)?;
    // Nobody sees the file before it is whole.
    database.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;")?;
    database.execute_batch(TABLES)?;
    database.execute_batch(VERSIONS)?;
    let (sweep, objective) = (&outline.sweep, outline.objective);
    let direction = match objective.direction {
        Direction::Maximise => "MAXIMIZE",
        Direction::Minimise => "MINIMIZE",
    };
    let studies = [
        (OBJECTIVE, sweep.clone(), vec![(objective.name, direction)]),
        (
            WITH_SECONDS,
            format!("{sweep}: {} and seconds", objective.name),
            vec![(objective.name, direction), ("seconds", "MINIMIZE")],
        ),
    ];
    for (study, name, values) in studies {
        database.execute("INSERT INTO studies VALUES (?1, ?2)", params![study, name])?;
        let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
        let attribute = "INSERT INTO study_system_attributes (study_id, \"key\", value_json) VALUES (?1, ?2, ?3)";
        database.execute(attribute, params![study, "study:metric_names", json!(names).to_string()])?;
        for (place, (_, direction)) in (0..).zip(values) {
            let sql = "INSERT INTO study_directions (direction, study_id, objective) VALUES (?1, ?2, ?3)";
            database.execute(sql, params![direction, study, place as i64])?;
        }
    }
    Ok(database)
}

impl Optuna<'_> {
    /// `values` are those that there are, with the places of their objectives.
    fn insert(
        &self,
        study: i64,
        trial: &Recorded,
        state: &str,
        values: &[Option<(f64, i64)>],
    ) -> rusqlite::Result<()> {
        let attempt = trial.attempt.as_ref();
        // Optuna has times without a zone; ours are in UTC. SQLite alone knows the calendar.
        let time = |seconds: Option<f64>| seconds.map(|seconds| (seconds.floor(), (seconds.fract() * 1e6) as i64));
        let (start, start_rest) = time(attempt.map(|attempt| attempt.started_at)).unzip();
        let (end, end_rest) = time(attempt.and_then(|attempt| attempt.ended_at)).unzip();
        let sql =
            "INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete) VALUES (?1, ?2, ?3,
            datetime(?4, 'unixepoch') || printf('.%06d', ?5), datetime(?6, 'unixepoch') || printf('.%06d', ?7))";
        let trial_row = params![self.trials, study, state, start, start_rest, end, end_rest];
        let id = self.database.prepare_cached(sql)?.insert(trial_row)?;
        let sql = "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
            VALUES (?1, ?2, ?3, ?4)";
        let mut parameter = self.database.prepare_cached(sql)?;
        for (distribution, (_, cell)) in self.distributions.iter().zip(self.outline.values(trial)) {
            // Where it has no meaning for a trial, that trial is one without it.
            if let Some(value) = distribution.value(&cell) {
                parameter.execute(params![id, distribution.name, value, distribution.json])?;
            }
        }
        let sql = "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?1, ?2, ?3, ?4)";
        let mut value = self.database.prepare_cached(sql)?;
        for &(number, place) in values.iter().flatten() {
            let (number, kind) = typed(number);
            value.execute(params![id, place, number, kind])?;
        }
        if study == OBJECTIVE {
            self.insert_epochs(id, trial)?;
        }
        let sql = "INSERT INTO trial_user_attributes (trial_id, \"key\", value_json) VALUES (?1, ?2, ?3)";
        let mut attribute = self.database.prepare_cached(sql)?;
        for (name, value) in attributes(trial) {
            attribute.execute(params![id, name, value.to_string()])?;
        }
        Ok(())
    }

    /// What an epoch says of the objective; nothing where that is measured on the test split.
    fn insert_epochs(&self, id: i64, trial: &Recorded) -> rusqlite::Result<()> {
        let sql = "INSERT INTO trial_intermediate_values
            (trial_id, step, intermediate_value, intermediate_value_type) VALUES (?1, ?2, ?3, ?4)";
        let mut intermediate = self.database.prepare_cached(sql)?;
        for epoch in &trial.epochs {
            if let Some(number) = self.outline.objective.of_epoch(epoch) {
                let (number, kind) = typed(number);
                intermediate.execute(params![id, epoch.epoch, number, kind])?;
            }
        }
        Ok(())
    }
}

/// As a column for finite numbers and one for the others have it.
fn typed(number: f64) -> (Option<f64>, &'static str) {
    match number {
        number if number.is_finite() => (Some(number), "FINITE"),
        number if number.is_nan() => (None, "NAN"),
        number if number > 0.0 => (None, "INF_POS"),
        _ => (None, "INF_NEG"),
    }
}

/// What Optuna has no column for.
fn attributes(trial: &Recorded) -> Vec<(&'static str, Value)> {
    let row = &trial.row;
    let mut attributes = vec![
        ("trial", json!(row.trial)),
        ("group", json!(row.group)),
        ("seed", json!(row.spec.seed)),
        ("attempts", json!(row.attempts)),
    ];
    if let Some(rank) = trial.rank {
        attributes.push(("rank", json!(rank)));
    }
    let metrics = metric::names().filter_map(metric::find);
    attributes.extend(metrics.filter_map(|metric| Some((metric.name, json!(value_of(metric, trial)?)))));
    if let Some(evaluation) = &row.evaluation {
        attributes.push(("seconds", json!(evaluation.seconds)));
    }
    if let Some((kind, message)) = &row.failure {
        attributes.extend([("failure_kind", json!(kind)), ("failure_message", json!(message))]);
    }
    attributes
}
