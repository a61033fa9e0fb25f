//! The audit: does what the rows say hold together?

use crate::Reader;
use crate::error::{Fault, StoreError};
use crate::lookup::sweep_id;
use crate::rows::{Cells, outcome, right, state};
use frostline_sweep::outcome::{AttemptOutcome, TrialState};
use frostline_sweep::trial::{GroupId, TrialId, TrialSpec};
use rusqlite::{Connection, OptionalExtension};

/// Something that should not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is about: the database, or a trial.
    pub place: String,
    pub problem: String,
}

/// What an audit has looked at, and what it found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    pub trials: u64,
    pub attempts: u64,
    pub epochs: u64,
    pub findings: Vec<Finding>,
}

impl Audit {
    fn found(&mut self, place: impl ToString, problem: impl Into<String>) {
        self.findings.push(Finding { place: place.to_string(), problem: problem.into() });
    }
}

impl Reader {
    /// Checks the file, its references, and for every trial (of `sweep`, or of all): that its identity is the hash of its
    /// content, that a complete trial has exactly one accepted attempt with every epoch from 1 on, and that states and
    /// attempts agree.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`], and failures of the database. What is wrong with the rows is no error but a finding.
    pub fn verify(&self, sweep: Option<&str>) -> Result<Audit, StoreError> {
        self.snapshot(|connection| {
            let mut audit = Audit::default();
            check_file(connection, &mut audit)?;
            let sweep = sweep.map(|name| sweep_id(connection, name)).transpose()?;
            let mut statement = connection.prepare(
                "SELECT id, group_id, spec, state, epoch FROM trial
                WHERE ?1 IS NULL OR id IN (SELECT trial FROM member WHERE sweep = ?1) ORDER BY id",
            )?;
            let mut rows = statement.query([sweep])?;
            while let Some(row) = rows.next()? {
                let cells = &mut Cells::of(row);
                let (id, group) = (TrialId(cells.take()?), GroupId(cells.take()?));
                let spec: TrialSpec = match cells.json() {
                    Ok(spec) => spec,
                    Err(error) => {
                        audit.found(id, format!("its specification cannot be read: {error}"));
                        continue;
                    }
                };
                let (state, last) = (state(cells)?, cells.take::<Option<u32>>()?);
                audit.trials += 1;
                if spec.id() != id || spec.group() != group {
                    audit.found(id, "its identity is not the hash of its specification");
                }
                if state.is_unwanted() {
                    audit.found(id, format!("it is {state} by itself, which only a sweep can say of it"));
                }
                check_attempts(connection, &mut audit, id, &spec, state, last)?;
                check_right(connection, &mut audit, id)?;
            }
            Ok(audit)
        })
    }
}

fn check_file(connection: &Connection, audit: &mut Audit) -> Result<(), Fault> {
    let mut statement = connection.prepare("PRAGMA integrity_check")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    for line in lines.into_iter().filter(|line| line != "ok") {
        audit.found("the database", line);
    }
    let mut statement = connection.prepare("PRAGMA foreign_key_check")?;
    let broken = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    for table in broken {
        audit.found("the database", format!("a row of `{table}` refers to one that is not there"));
    }
    Ok(())
}

/// The bits of a trial give its accuracies, to the last digit.
fn check_right(connection: &Connection, audit: &mut Audit, trial: TrialId) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT right_images.validation_images, validation, test_images, test, val_accuracy, test_accuracy, state
        FROM right_images JOIN trial ON trial.id = trial WHERE trial = ?1",
    )?;
    let found = statement.query_row([trial.0], |row| {
        let mut cells = Cells::of(row);
        cells.skip(4);
        Ok((right(row), cells.real()?, cells.real()?, state(&mut cells)?))
    });
    let Some((right, validation, test, state)) = found.optional()? else { return Ok(()) };
    match right {
        Err(error) => audit.found(trial, format!("which images it got right cannot be read: {error}")),
        Ok(_) if state != TrialState::Complete => {
            audit.found(trial, format!("it is {state}, and has images that it got right"));
        }
        Ok(right) => {
            for (split, bits, accuracy) in [("validation", right.validation, validation), ("test", right.test, test)]
            {
                // Without images neither is a number.
                if bits.images() > 0 && bits.accuracy() != accuracy {
                    let (count, images) = (bits.count(), bits.images());
                    let problem =
                        format!("{count} of {images} {split} images are right, and its accuracy is {accuracy}");
                    audit.found(trial, problem);
                }
            }
        }
    }
    Ok(())
}

fn check_attempts(
    connection: &Connection,
    audit: &mut Audit,
    trial: TrialId,
    spec: &TrialSpec,
    state: TrialState,
    last: Option<u32>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT id, outcome,
            (SELECT count(*) FROM epoch WHERE attempt = attempt.id),
            (SELECT coalesce(max(epoch), 0) FROM epoch WHERE attempt = attempt.id)
        FROM attempt WHERE trial = ?1 ORDER BY id",
    )?;
    let mut rows = statement.query([trial.0])?;
    let (mut accepted, mut running) = (0, 0);
    while let Some(row) = rows.next()? {
        let cells = &mut Cells::of(row);
        let (id, outcome): (u64, AttemptOutcome) = (cells.take()?, outcome(cells)?);
        let (count, highest): (u32, u32) = (cells.take()?, cells.take()?);
        audit.attempts += 1;
        audit.epochs += u64::from(count);
        if count != highest {
            audit.found(trial, format!("attempt {id} has {count} epochs up to epoch {highest}: some are missing"));
        }
        let epochs = spec.parameters.epochs;
        match outcome {
            AttemptOutcome::Complete => {
                accepted += 1;
                if count != epochs {
                    audit.found(trial, format!("its accepted attempt {id} has {count} of {epochs} epochs"));
                }
                if last != Some(count) {
                    audit.found(trial, format!("its row does not repeat the last epoch of attempt {id}"));
                }
            }
            AttemptOutcome::Running => running += 1,
            AttemptOutcome::Failed | AttemptOutcome::Interrupted | AttemptOutcome::Cancelled => {}
        }
    }
    let expected = u32::from(state == TrialState::Complete);
    if accepted != expected {
        audit.found(trial, format!("it is {state} and has {accepted} accepted attempts"));
    }
    if running != u32::from(state == TrialState::Running) {
        audit.found(trial, format!("it is {state} and has {running} running attempts"));
    }
    Ok(())
}
