//! How each record becomes rows, and the rules that it must keep.

use crate::error::Fault;
use crate::ranked::rank_trial;
use crate::rows::{Cells, METRICS, WANTED, json, outcome, state};
use frostline_sweep::outcome::{AttemptId, AttemptOutcome, EpochMetrics, Evaluation, Right, TrialState};
use frostline_sweep::record::{Ending, Record, TaskKey};
use frostline_sweep::trial::TrialId;
use rusqlite::{OptionalExtension, Transaction, params};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The newest epoch of each attempt in a batch. Of those before it, nothing is to be seen of the trial once the batch is
/// committed.
pub(crate) fn newest_epochs(records: &[Record]) -> BTreeMap<AttemptId, u32> {
    let epochs = records.iter().filter_map(|record| match record {
        Record::Epoch { attempt, metrics, .. } => Some((*attempt, metrics.epoch)),
        _ => None,
    });
    epochs.collect()
}

/// Writes one fact of a sweep's run and says whose. `newest` are the [`newest_epochs`] of its batch.
pub(crate) fn write(
    transaction: &Transaction,
    sweep: i64,
    record: &Record,
    newest: &BTreeMap<AttemptId, u32>,
    now: f64,
) -> Result<Option<TrialId>, Fault> {
    match record {
        Record::Started { attempt, task, worker, build, micro_batch, start } => {
            begin(transaction, *attempt, task)?;
            let (trial, features) = match task {
                TaskKey::Trial(trial) => (Some(*trial), None),
                TaskKey::Fill(key) => (None, Some(&key.0)),
            };
            let estimate = start.and_then(|start| start.estimate);
            let build = json(build)?;
            let known = "INSERT INTO build (json) VALUES (?1) ON CONFLICT (json) DO NOTHING";
            transaction.prepare_cached(known)?.execute([&build])?;
            let sql =
                "INSERT INTO attempt (id, trial, features, worker, build, started_at, micro_batch, cut, estimate,
                estimate_without) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
            transaction.prepare_cached(sql)?.execute(params![
                attempt.0,
                trial.map(|trial| trial.0),
                features,
                worker,
                build,
                now,
                micro_batch,
                start.map(|start| start.cut),
                estimate.map(|it| it.seconds),
                estimate.map(|it| it.without),
            ])?;
            Ok(trial)
        }
        Record::Epoch { attempt, trial, metrics } => {
            add_epoch(transaction, *attempt, *trial, metrics)?;
            if newest.get(attempt) == Some(&metrics.epoch) {
                show_epoch(transaction, *attempt, *trial, metrics.epoch)?;
            }
            Ok(Some(*trial))
        }
        Record::Completed { attempt, trial, evaluation } => {
            expect_running(transaction, *attempt, Some(*trial))?;
            complete(transaction, *attempt, *trial, evaluation, now)?;
            Ok(Some(*trial))
        }
        Record::Filled { attempt, bytes, seconds, computed } => {
            expect_running(transaction, *attempt, None)?;
            let sql = "UPDATE attempt SET outcome = 'complete', ended_at = ?2, feature_bytes = ?3,
                feature_seconds = ?4, feature_computed = ?5 WHERE id = ?1";
            transaction.prepare_cached(sql)?.execute((attempt.0, now, bytes, seconds, computed))?;
            Ok(None)
        }
        Record::Ended { attempt, ending, trial } => {
            expect_running(transaction, *attempt, trial.map(|(trial, _)| trial))?;
            end(transaction, *attempt, ending, now)?;
            if let Some((trial, state)) = trial {
                set_state(transaction, sweep, *trial, *state)?;
            }
            Ok(trial.map(|(trial, _)| trial))
        }
        Record::State { trial, state } => {
            let before = trial_state(transaction, *trial)?;
            let is_late = before == TrialState::Failed && state.is_unwanted();
            if is_late || matches!(before, TrialState::Running | TrialState::Complete) {
                return Err(Fault::inconsistent(format!(
                    "trial {trial} is {before} and cannot become {state} by itself"
                )));
            }
            set_state(transaction, sweep, *trial, *state)?;
            if *state == TrialState::Waiting {
                want(transaction, sweep, *trial, WANTED)?;
            }
            Ok(Some(*trial))
        }
        Record::Noted { sweep, text } => {
            note(transaction, sweep, text, now)?;
            Ok(None)
        }
    }
}

/// Notes something of a sweep, where there is one of this name.
pub(crate) fn note(transaction: &Transaction, sweep: &str, text: &str, now: f64) -> rusqlite::Result<()> {
    let sql = "UPDATE sweep SET note = nullif(?2, ''), updated_at = ?3 WHERE name = ?1";
    transaction.prepare_cached(sql)?.execute((sweep, text, now)).map(|_| ())
}

/// Checks that an attempt may start, and sets its trial running.
fn begin(transaction: &Transaction, attempt: AttemptId, task: &TaskKey) -> Result<(), Fault> {
    let mut used = transaction.prepare_cached("SELECT 1 FROM attempt WHERE id >= ?1")?;
    if used.exists([attempt.0])? {
        return Err(Fault::inconsistent(format!("attempt {attempt} is not above every attempt before it")));
    }
    if let TaskKey::Trial(trial) = task {
        // What an earlier attempt measured last is not this one's.
        let sql = "UPDATE trial SET state = 'running', epoch = NULL, train_loss = NULL, train_accuracy = NULL,
            val_loss = NULL, val_accuracy = NULL, learning_rate = NULL, seconds = NULL, images_per_second = NULL,
            peak_memory = NULL, val_balanced_accuracy = NULL, val_macro_f1 = NULL, val_top5_accuracy = NULL
            WHERE id = ?1 AND state = 'waiting'";
        if transaction.prepare_cached(sql)?.execute([trial.0])? == 0 {
            let state = trial_state(transaction, *trial)?;
            return Err(Fault::inconsistent(format!("attempt {attempt} starts trial {trial}, which is {state}")));
        }
    }
    Ok(())
}

/// Checks that an attempt runs, and on what: a trial, or a fill where `trial` is none.
fn expect_running(transaction: &Transaction, attempt: AttemptId, trial: Option<TrialId>) -> Result<(), Fault> {
    let mut statement = transaction.prepare_cached("SELECT outcome, trial FROM attempt WHERE id = ?1")?;
    let found = statement.query_row([attempt.0], |row| {
        let cells = &mut Cells::of(row);
        Ok((outcome(cells)?, cells.take::<Option<[u8; 16]>>()?.map(TrialId)))
    });
    let Some((outcome, runs)) = found.optional()? else {
        return Err(Fault::inconsistent(format!("attempt {attempt} was never started")));
    };
    if outcome != AttemptOutcome::Running {
        return Err(Fault::inconsistent(format!("attempt {attempt} has ended already ({outcome})")));
    }
    if runs != trial {
        let name = |trial: Option<TrialId>| trial.map_or("a fill".to_owned(), |trial| format!("trial {trial}"));
        let (runs, trial) = (name(runs), name(trial));
        return Err(Fault::inconsistent(format!("attempt {attempt} is about {runs}, not about {trial}")));
    }
    Ok(())
}

/// Most of what a database is told: one statement holds an epoch against what it must be, and others find out what was wrong.
fn add_epoch(
    transaction: &Transaction,
    attempt: AttemptId,
    trial: TrialId,
    metrics: &EpochMetrics,
) -> Result<(), Fault> {
    let sql = "INSERT INTO epoch (attempt, epoch, train_loss, train_accuracy, val_loss, val_accuracy, learning_rate,
            seconds, images_per_second, peak_memory, val_balanced_accuracy, val_macro_f1, val_top5_accuracy)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13
        WHERE ?2 = 1 + (SELECT coalesce(max(epoch), 0) FROM epoch WHERE attempt = ?1)
            AND EXISTS (SELECT 1 FROM attempt WHERE id = ?1 AND trial = ?14 AND outcome = 'running')";
    let values = params![
        attempt.0,
        metrics.epoch,
        metrics.train_loss,
        metrics.train_accuracy,
        metrics.val_loss,
        metrics.val_accuracy,
        metrics.learning_rate,
        metrics.seconds,
        metrics.images_per_second,
        metrics.peak_memory,
        metrics.by_class.map(|it| it.balanced_accuracy),
        metrics.by_class.map(|it| it.macro_f1),
        metrics.by_class.map(|it| it.top5_accuracy),
        trial.0,
    ];
    if transaction.prepare_cached(sql)?.execute(values)? == 0 {
        expect_running(transaction, attempt, Some(trial))?;
        let (given, due) = (metrics.epoch, newest_epoch(transaction, attempt)? + 1);
        return Err(Fault::inconsistent(format!("epoch {given} of attempt {attempt} was given where {due} is due")));
    }
    Ok(())
}

/// What a trial is ranked and shown by is that of its newest epoch.
fn show_epoch(transaction: &Transaction, attempt: AttemptId, trial: TrialId, epoch: u32) -> Result<(), Fault> {
    static SHOW: LazyLock<String> = LazyLock::new(|| {
        format!(
            "UPDATE trial SET ({METRICS}) = (SELECT {METRICS} FROM epoch WHERE attempt = ?2 AND epoch = ?3)
            WHERE id = ?1"
        )
    });
    transaction.prepare_cached(&SHOW)?.execute((trial.0, attempt.0, epoch))?;
    Ok(())
}

fn complete(
    transaction: &Transaction,
    attempt: AttemptId,
    trial: TrialId,
    evaluation: &Evaluation,
    now: f64,
) -> Result<(), Fault> {
    let epochs = epochs(transaction, trial)?;
    let newest = newest_epoch(transaction, attempt)?;
    if newest != epochs {
        return Err(Fault::inconsistent(format!(
            "attempt {attempt} completes trial {trial} with {newest} of {epochs} epochs"
        )));
    }
    let sql = "UPDATE attempt SET outcome = 'complete', ended_at = ?2 WHERE id = ?1";
    transaction.prepare_cached(sql)?.execute((attempt.0, now))?;
    let sql = "UPDATE trial SET state = 'complete', trained_parameters = ?2, test_loss = ?3, test_accuracy = ?4,
        class_accuracy = ?5, confusion = ?6, validation_images = ?7,
        attempt_seconds = (SELECT total(seconds) FROM epoch WHERE attempt = ?8),
        test_balanced_accuracy = ?9, test_macro_f1 = ?10, test_top5_accuracy = ?11 WHERE id = ?1";
    let values = params![
        trial.0,
        evaluation.trained_parameters,
        evaluation.test_loss,
        evaluation.test_accuracy,
        json(&evaluation.class_accuracy)?,
        json(&evaluation.confusion)?,
        evaluation.validation_images,
        attempt.0,
        evaluation.by_class.map(|it| it.balanced_accuracy),
        evaluation.by_class.map(|it| it.macro_f1),
        evaluation.by_class.map(|it| it.top5_accuracy)
    ];
    transaction.prepare_cached(sql)?.execute(values)?;
    if let Some(Right { validation, test }) = &evaluation.right {
        let sql = "INSERT INTO right_images (trial, validation_images, validation, test_images, test)
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let values = (trial.0, validation.images(), validation.to_bytes(), test.images(), test.to_bytes());
        transaction.prepare_cached(sql)?.execute(values)?;
    }
    rank_trial(transaction, trial)
}

fn end(transaction: &Transaction, attempt: AttemptId, ending: &Ending, now: f64) -> Result<(), Fault> {
    let (outcome, failure) = match ending {
        Ending::Failed(failure) => (AttemptOutcome::Failed, Some(failure)),
        Ending::Interrupted => (AttemptOutcome::Interrupted, None),
        Ending::Cancelled => (AttemptOutcome::Cancelled, None),
    };
    let sql = "UPDATE attempt SET outcome = ?2, ended_at = ?3, failure_kind = ?4, failure_message = ?5,
        failure_log = ?6 WHERE id = ?1";
    let kind = failure.map(|failure| failure.kind.as_str());
    let message = failure.map(|failure| &failure.message);
    let log = failure.map(|failure| json(&failure.log)).transpose()?;
    transaction.prepare_cached(sql)?.execute((attempt.0, outcome.as_str(), now, kind, message, log))?;
    Ok(())
}

/// Sets a state that no attempt is behind. A trial that the sweep does not want waits, for the others.
fn set_state(transaction: &Transaction, sweep: i64, trial: TrialId, state: TrialState) -> Result<(), Fault> {
    if matches!(state, TrialState::Running | TrialState::Complete) {
        return Err(Fault::inconsistent(format!("trial {trial} cannot become {state} without an attempt")));
    }
    let (wish, state) = match state.is_unwanted() {
        true => (Some(state), TrialState::Waiting),
        false => (None, state),
    };
    let sql = "UPDATE trial SET state = ?2 WHERE id = ?1";
    transaction.prepare_cached(sql)?.execute((trial.0, state.as_str()))?;
    wish.map_or(Ok(()), |wish| want(transaction, sweep, trial, wish.as_str()))
}

fn want(transaction: &Transaction, sweep: i64, trial: TrialId, wish: &str) -> Result<(), Fault> {
    let sql = "UPDATE member SET wish = ?3 WHERE trial = ?1 AND sweep = ?2";
    match transaction.prepare_cached(sql)?.execute((trial.0, sweep, wish))? {
        0 => Err(Fault::inconsistent(format!("trial {trial} is in no place of the sweep where it is to be {wish}"))),
        _ => Ok(()),
    }
}

/// The newest recorded epoch of an attempt, 0 before the first.
fn newest_epoch(transaction: &Transaction, attempt: AttemptId) -> Result<u32, Fault> {
    let mut newest = transaction.prepare_cached("SELECT coalesce(max(epoch), 0) FROM epoch WHERE attempt = ?1")?;
    Ok(newest.query_row([attempt.0], |row| row.get(0))?)
}

/// How many epochs a trial is to have.
fn epochs(transaction: &Transaction, trial: TrialId) -> Result<u32, Fault> {
    let mut statement =
        transaction.prepare_cached("SELECT spec ->> '$.parameters.epochs' FROM trial WHERE id = ?1")?;
    let found = statement.query_row([trial.0], |row| row.get(0)).optional()?;
    found.ok_or_else(|| Fault::inconsistent(format!("trial {trial} is not stored")))
}

/// The trial's own state, whatever its sweeps want.
fn trial_state(transaction: &Transaction, trial: TrialId) -> Result<TrialState, Fault> {
    let mut statement = transaction.prepare_cached("SELECT state FROM trial WHERE id = ?1")?;
    let found = statement.query_row([trial.0], |row| state(&mut Cells::of(row))).optional()?;
    found.ok_or_else(|| Fault::inconsistent(format!("trial {trial} is not stored")))
}
