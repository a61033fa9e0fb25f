//! A sweep's trials one after another, and later only those that have changed since: for who keeps them in memory.
//!
//! Numbers of attempts only grow, so what an attempt has changed is told by the largest number and by which of them ran.
//! What else changes a member is told by the definition, by how many members there are and by how many are not wanted; a
//! failed trial may wait again with none of these changed, so failed ones are read anew each time.

use crate::lookup::sweep_id;
use crate::reader::stored_sweep;
use crate::rows::{Sweep, TrialRow, WANTED, select_members, trial_row};
use crate::{Reader, StoreError};
use frostline_sweep::trial::TrialId;
use rusqlite::{Connection, OptionalExtension};

/// The moment at which a sweep was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Moment {
    pub sweep: Sweep,
    /// The largest number of an attempt.
    attempts: i64,
    /// Trials of it that ran.
    running: Vec<TrialId>,
    members: u64,
    unwanted: u64,
}

impl Reader {
    /// Hands over each trial of a sweep, in the order of their positions, and says at which moment.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn each_trial(&self, sweep: &str, mut each: impl FnMut(TrialRow)) -> Result<Moment, StoreError> {
        self.snapshot(|connection| {
            let sweep = sweep_id(connection, sweep)?;
            let join = "JOIN member ON member.trial = trial.id";
            let sql = select_members(join, "member.sweep = ?1 ORDER BY member.position");
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query([sweep])?;
            while let Some(row) = rows.next()? {
                each(trial_row(row)?);
            }
            Ok(moment(connection, sweep)?)
        })
    }

    /// The trials of a sweep that have changed since, and `failed` ones; none where anything may have.
    ///
    /// # Errors
    /// [`StoreError::UnknownSweep`].
    pub fn changed(&self, since: &Moment, failed: &[TrialId]) -> Result<Option<(Moment, Vec<TrialRow>)>, StoreError> {
        self.snapshot(|connection| {
            let sweep = sweep_id(connection, &since.sweep.name)?;
            let now = moment(connection, sweep)?;
            let is_as_before = now.sweep.definition == since.sweep.definition
                && now.sweep.objective == since.sweep.objective
                && (now.members, now.unwanted) == (since.members, since.unwanted);
            if !is_as_before {
                return Ok(None);
            }
            let sql = "SELECT DISTINCT attempt.trial FROM attempt JOIN member ON member.trial = attempt.trial
                WHERE attempt.id > ?2 AND member.sweep = ?1";
            let mut statement = connection.prepare_cached(sql)?;
            let new = statement.query_map((sweep, since.attempts), |row| Ok(TrialId(row.get(0)?)))?;
            let mut trials: Vec<TrialId> = new.collect::<Result<_, _>>()?;
            trials.extend(since.running.iter().chain(failed));
            trials.sort_unstable();
            trials.dedup();
            let join = "JOIN member ON member.trial = trial.id";
            let sql = select_members(join, "trial.id = ?2 AND member.sweep = ?1");
            let mut statement = connection.prepare_cached(&sql)?;
            let row = |trial: &TrialId| statement.query_row((sweep, trial.0), trial_row).optional();
            let rows: Vec<Option<TrialRow>> = trials.iter().map(row).collect::<Result<_, _>>()?;
            Ok(Some((now, rows.into_iter().flatten().collect())))
        })
    }
}

fn moment(connection: &Connection, sweep: i64) -> rusqlite::Result<Moment> {
    let largest = "SELECT coalesce(max(id), 0) FROM attempt";
    let attempts = connection.prepare_cached(largest)?.query_row([], |row| row.get(0))?;
    // By the index of attempts that run, of which there are few.
    let sql = "SELECT attempt.trial FROM attempt INDEXED BY running_attempt
        WHERE outcome = 'running' AND EXISTS
            (SELECT 1 FROM member WHERE member.trial = attempt.trial AND member.sweep = ?1)";
    let mut statement = connection.prepare_cached(sql)?;
    let running = statement.query_map([sweep], |row| Ok(TrialId(row.get(0)?)))?.collect::<Result<_, _>>()?;
    let sql = "SELECT count(*), count(nullif(wish, ?2)) FROM member WHERE sweep = ?1";
    let counted = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?));
    let (members, unwanted) = connection.prepare_cached(sql)?.query_row((sweep, WANTED), counted)?;
    Ok(Moment { sweep: stored_sweep(connection, sweep)?, attempts, running, members, unwanted })
}
